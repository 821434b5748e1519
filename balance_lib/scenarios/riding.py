"""Bring moved pupils to their new school: on foot, by bus, or boarding; and say who cannot be brought at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.scenarios.base import BANDS, GRADES
from balance_lib.scenarios.settings import Settings, default
from balance_lib.standards import STAGES

if TYPE_CHECKING:
    from balance_lib.scenarios.arrays import LayoutArrays
    from balance_lib.scenarios.moves import Flows

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
WAYS = ("walk", "ride", "board", "far", "unknown")
_COVER = ("pupils", "walk", "ride", "board", "far", "unknown", "metres", "max_m", "young_over", "young")
_LONGEST = _COVER.index("max_m")


@lru_cache(maxsize=16)
def may_board(from_grade: int) -> Bools:
    """Return for each band whether its pupils may board when boarding begins with a grade; grades 1 to 3 never do."""
    lowest = max(from_grade, int(default("never_board_below")))
    # The band of grades 4 to 6 boards from grade 5 or 6 in part only; as a whole it may not.
    return np.array([GRADES[band][0] >= lowest for band in BANDS])


def bus_minutes(arrays: LayoutArrays, settings: Settings, village: Any, school: Any) -> Floats:
    """Return the riding minutes of pairs of a village's and a school's position; NaN where no bus goes.

    Parameters
    ----------
    arrays : LayoutArrays
    settings : Settings
    village : object
    school : object
        Ids of schools.
    """
    out = np.full(np.shape(village), np.nan) if arrays.lines is None else arrays.lines[village, school]
    if settings.bus_minutes is not None:
        ride = arrays.road(village, school) / (settings.number("bus_kph") * 1000 / 60)
        out = np.fmin(out, np.where(ride <= settings.bus_minutes, ride, np.nan))
    return np.where(np.asarray(school) < 0, np.nan, out)


@dataclass(frozen=True, eq=False)
class Journeys:
    """Hold how pupils who move get to their new school; arrays of shape (flows,).

    Who lives within the radius walks; beyond it pupils ride where a bus goes, else board where they may and a bed is
    free, the farthest first; who boarded before and may, keeps boarding first. Nobody of grades 1 to 3 boards.

    Parameters
    ----------
    flows : Flows
    ride_minutes : array of float
        NaN where no bus takes them.
    walks, rides, unknown : array of bool
        Within the radius; beyond it with a bus; way not known.
    boards, beds_wanted : array of float
        Pupils who board, and those who would have to and find no bed.
    """

    flows: Flows
    ride_minutes: Floats
    walks: Bools
    rides: Bools
    unknown: Bools
    boards: Floats
    beds_wanted: Floats

    @classmethod
    def of(cls, flows: Flows, settings: Settings, radius: Floats) -> Journeys:
        """Work it out.

        Parameters
        ----------
        flows : Flows
        settings : Settings
        radius : array of float, shape (stages,)
        """
        arrays, metres = flows.arrays, flows.metres
        ride = bus_minutes(arrays, settings, flows.village, flows.to)
        walks, unknown = metres <= radius[flows.stage], ~np.isfinite(metres)
        rides = ~walks & ~unknown & np.isfinite(ride)
        beyond = ~walks & ~unknown & ~rides
        wish = np.where(beyond, flows.pupils, np.where(rides | unknown, flows.boarders, 0.0))
        bed = np.where(flows.placed, arrays.beds[flows.to], 0.0) > 0
        wish = np.where(may_board(settings.boarding_from_grade)[flows.band] & bed, wish, 0.0)
        boards = _beds(flows, wish)
        return cls(flows, ride, walks, rides, unknown, boards, np.where(beyond, wish - boards, 0.0))

    def table(self, radius: Floats) -> pd.DataFrame:
        """Return the moves as a table.

        Before: who boarded boards; the others walk, or are beyond walking (``far``).

        Returns
        -------
        DataFrame
            As :meth:`Flows.table`, with boarders_before, metres_before, metres_after, extra_m, minutes_before,
            minutes_after, extra_min, way_before, way_after, riders, boarders_after, far, beds_wanted (boarders
            without a bed, part of ``far``).
        """
        flows, arrays = self.flows, self.flows.arrays
        out = flows.table().rename(columns={"boarders": "boarders_before"})
        day, boarded = flows.pupils - self.boards, flows.boarders >= flows.pupils
        before, after = arrays.g_metres[flows.rows], flows.metres
        walking = np.where(flows.placed, arrays.minutes[flows.village, flows.to], np.nan)
        out["metres_before"], out["metres_after"], out["extra_m"] = before, after, after - before
        out["boarders_after"], out["riders"] = self.boards, np.where(self.rides, day, 0.0)
        out["far"] = np.where(~self.walks & ~self.rides & ~self.unknown, day, 0.0)
        out["beds_wanted"] = self.beds_wanted
        out["way_before"] = np.select(
            [boarded, ~np.isfinite(before), before <= radius[flows.stage]], ["board", "unknown", "walk"], "far"
        )
        out["way_after"] = np.select(
            [~flows.placed, out["far"] > 0, out["riders"] > 0, self.boards > 0, self.unknown, self.walks],
            ["far", "far", "ride", "board", "unknown", "walk"], "walk",
        )  # fmt: skip
        out["minutes_before"] = np.where(boarded, np.nan, arrays.g_minutes[flows.rows])
        minutes = np.where(out["riders"] > 0, self.ride_minutes, walking)
        out["minutes_after"] = np.where(day > 0, minutes, np.nan)
        out["extra_min"] = out["minutes_after"] - out["minutes_before"]
        return out


def _beds(flows: Flows, wish: Floats) -> Floats:
    """Give out the beds free once those who leave have left: to those who boarded before, then to the farthest."""
    if not wish.any():
        return np.zeros(len(wish))
    from balance_lib.scenarios import loops

    arrays = flows.arrays
    gone = np.bincount(flows.from_, flows.boarders, len(arrays.schools))
    free = np.clip(arrays.beds - (arrays.beds_used - gone), 0.0, None)
    order = np.lexsort((-np.nan_to_num(flows.metres), -flows.boarders))
    return loops._give_beds(order, wish, flows.to, free)


def coverage(
    arrays: LayoutArrays, settings: Settings, radius: Floats, moved: Journeys | None = None
) -> dict[str, dict[str, float]]:
    """Count by stage how all pupils get to school, and how far day pupils have it.

    Buses of the scenario run only afterwards: how pupils beyond walking travel today is not recorded.

    Parameters
    ----------
    arrays : LayoutArrays
    settings : Settings
    radius : array of float, shape (stages,)
    moved : Journeys, optional
        Who moves; without it as it is today.

    Returns
    -------
    mapping of stage to mapping
        pupils, walk, ride, board, far, unknown, max_m, young_over, young, mean_m, p90_m, within_share.
    """
    from balance_lib.scenarios import loops

    day, home, young = arrays.g_pupils - arrays.g_board, arrays.g_board, settings.number("young_minutes")
    stage, more_day, more_metres = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    new = np.zeros((len(STAGES), len(_COVER)))
    ride = np.full(len(day), np.nan)
    if moved is not None:
        flows = moved.flows
        stage, placed = flows.stage, flows.placed
        day = day - np.bincount(flows.rows, flows.pupils - flows.boarders, minlength=len(day))
        home = home - np.bincount(flows.rows, flows.boarders, minlength=len(day))
        more_day, more_metres = np.where(placed, flows.pupils - moved.boards, 0.0), flows.metres
        minutes = np.where(placed, arrays.minutes[flows.village, flows.to], np.nan)
        ride = bus_minutes(arrays, settings, arrays.g_village, arrays.g_school)
        new = loops._cover(
            stage, flows.band, more_day, np.where(placed, moved.boards, 0.0), more_metres, minutes, moved.ride_minutes,
            radius, young,
        )  # fmt: skip
    stay = loops._cover(
        arrays.g_stage, arrays.g_band, day, home, arrays.g_metres, arrays.g_minutes, ride, radius, young
    )  # fmt: skip
    total = stay + new
    total[:, _LONGEST] = stay[:, _LONGEST] if moved is None else np.fmax(stay[:, _LONGEST], new[:, _LONGEST])
    more = np.flatnonzero(np.isfinite(more_metres) & (more_day > 0))
    more = more[np.argsort(more_metres[more], kind="stable")]
    staying = loops.Day(arrays.g_order, arrays.g_stage, day, arrays.g_metres)
    moving = loops.Day(more, stage, more_day, more_metres)
    out = {}
    for s, name in enumerate(STAGES):
        known = total[s, 1] + total[s, 2] + total[s, 4]
        p90 = loops._quantile(staying, moving, s, known, 0.9)
        row = {of: float(value) for of, value in zip(_COVER, total[s], strict=True)}
        metres = row.pop("metres")
        row |= {"mean_m": metres / known, "within_share": row["walk"] / known} if known > 0 else _NOBODY
        out[name] = row | {"p90_m": p90}
    return out


_NOBODY = {"mean_m": float("nan"), "within_share": float("nan")}


def coverage_table(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Return coverage before and after, a row a time and stage: when, stage, and the figures of :func:`coverage`.

    Where nobody's way is known, nor is it known who is beyond walking or travels too long: no number, not nought.

    Parameters
    ----------
    before : dict[str, dict of str to float]
    after : dict[str, dict of str to float]
        After the scenario.
    """
    rows = [
        {"when": when, "stage": stage, **found[stage]} for when, found in (("before", before), ("after", after))
        for stage in STAGES
    ]  # fmt: skip
    order = ("when", "stage", "pupils", *WAYS, "mean_m", "p90_m", "max_m", "within_share", "young", "young_over")
    out = pd.DataFrame(rows, columns=list(order))
    nothing = (out["unknown"] > 0) & (out[["walk", "ride", "far"]].sum(axis=1) == 0)
    out.loc[nothing, ["far", "young_over"]] = np.nan
    return out
