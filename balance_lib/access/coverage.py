"""Count who lives within a radius, name who does not, and time the way of the youngest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.reach import Reach, Target
from balance_lib.access.walks import Floats

ORDERS = ("distance", "pupils")
OUTSIDE_COLUMNS = [
    "village_id", "village", "township", "band", "pupils", "distance_m", "minutes", "school_id", "school",
    "nearest_id", "nearest", "nearest_m", "second_id", "second", "second_m", "at_least_m", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class CoverageCount:
    """Hold how many pupils are within a limit, beyond it, and not known.

    Who is cut off from the network is outside for certain where the straight line alone is too long, and else not
    known. Nobody is left out of ``share``: it is what is certain, and deleting a place never raises it. All are NaN
    where nobody knows how many pupils there are, or how far anybody goes.
    """

    within: float
    outside: float
    unknown: float

    @property
    def pupils(self) -> float:
        """Return all pupils counted."""
        return self.within + self.outside + self.unknown

    @property
    def share(self) -> float:
        """Return the share within for certain, of all pupils, between 0 and 1."""
        return self.within / self.pupils if self.within + self.outside > 0 else math.nan

    @property
    def share_at_most(self) -> float:
        """Return the share within if everybody whose way is not known lived within."""
        return (self.within + self.unknown) / self.pupils if self.within + self.outside > 0 else math.nan

    @property
    def percent(self) -> str:
        """Return the share for people, with both ends where some are not known; 100% only when nobody is left out."""
        low, high = percent(self.share), percent(self.share_at_most)
        return low if not self.unknown or low == high else f"{low}–{high}"


def covered(reach: Reach, radius_m: float, to: Target = "own") -> CoverageCount:
    """Count the day pupils within a radius of their school.

    Parameters
    ----------
    reach : Reach
    radius_m : float
        Metres, compared with the way as the reach's table measured it.
    to : {"own", "nearest"}
        The school they attend, or the nearest one that serves them.

    Returns
    -------
    CoverageCount
        Grows with the radius; to the nearest school it never shrinks when a school opens. NaN for a county of which
        neither attendance nor children by age is known: that is not nobody.
    """
    if reach.basis == "none":
        return CoverageCount(math.nan, math.nan, math.nan)
    pupils, within, outside = _masks(reach, radius_m, to)
    return CoverageCount(*(float(pupils[mask].sum()) for mask in (within, outside, ~within & ~outside)))


def by_township(reach: Reach, radius_m: float, to: Target = "own") -> pd.DataFrame:
    """Count by township of the village.

    Parameters
    ----------
    reach : Reach
    radius_m : float
        Walking radius in metres.
    to : Target
        To which school: the own one or the nearest.

    Returns
    -------
    DataFrame
        township ("" where the village names none), pupils, within, outside, unknown, share; lowest share first.
    """
    pupils, within, outside = _masks(reach, radius_m, to)
    total, inside, beyond = (
        np.bincount(reach.town, pupils * mask, minlength=len(reach.towns)) for mask in (1.0, within, outside)
    )
    known = inside + beyond
    share = np.divide(inside, total, out=np.full(len(known), np.nan), where=known > 0)
    order = np.lexsort((reach.towns, np.isnan(share), share))
    order = order[(total[order] > 0) | (order < len(order) - 1)]  # the last stands for villages without a township
    columns = {"pupils": total, "within": inside, "outside": beyond, "unknown": total - known, "share": share}
    towns = np.array(reach.towns, dtype=object)
    return pd.DataFrame({"township": towns[order], **{name: values[order] for name, values in columns.items()}})


def village_classes(reach: Reach, radius_m: float, to: Target = "own") -> npt.NDArray[np.uint8]:
    """Class every village: what a map colours while a slider moves.

    Parameters
    ----------
    reach : Reach
    radius_m : float
        Walking radius in metres.
    to : Target
        To which school: the own one or the nearest.

    Returns
    -------
    array of uint8, shape (villages,)
        0 all its day pupils are within, 1 some are outside, 2 all are outside, 3 the way of some is not known and
        nobody's is outside, 4 it has no day pupils.
    """
    pupils, within, outside = _masks(reach, radius_m, to)
    at = reach.rows["village"].to_numpy()
    there, n = at >= 0, len(reach.villages)
    inside, beyond, total = (
        np.bincount(at[there], (pupils * mask)[there], minlength=n) for mask in (within, outside, 1.0)
    )
    cases = [total <= 0, (beyond > 0) & (inside > 0), beyond > 0, inside + beyond < total]
    return np.select(cases, [4, 1, 2, 3], 0).astype(np.uint8)


def outside(
    reach: Reach, radius_m: float, to: Target = "own", *, order: str = "distance", most: int | None = None
) -> pd.DataFrame:
    """Name the villages with day pupils outside a radius, worst first.

    Parameters
    ----------
    reach : Reach
    radius_m : float
    to : {"own", "nearest"}
    order : {"distance", "pupils"}
        Worst is the farthest, or the one with the most pupils outside.
    most : int, optional
        Name only so many.

    Returns
    -------
    DataFrame
        One row a village: village_id, village, township; band of the pupils farthest off; pupils (day pupils outside
        or without a known way); distance_m and minutes to school_id, school (``to``), of the farthest of them;
        nearest, second and their metres for that band; at_least_m (the way, or the straight line where there
        is none); reason "outside" or "unknown". Infinite (beyond the table's limit) is the farthest; villages of
        whom nobody can say that they are outside come last.
    """
    metres, least, at = reach.metres(to), reach.least_m(to), reach.rows["village"].to_numpy()
    rows = np.flatnonzero(~(metres <= radius_m) & (at >= 0))
    pupils = np.bincount(at[rows], reach.pupils[rows], minlength=len(reach.villages))
    # What is known to be far stands above what nobody knows; then the farthest, the most pupils, the first.
    unknown = ~(least > radius_m)
    far = -np.where(unknown, 0.0, least)
    rows = rows[np.lexsort((at[rows], -reach.pupils[rows], far[rows], unknown[rows]))]
    _, first = np.unique(at[rows], return_index=True)
    rows = rows[np.sort(first)]
    if order == "pupils":
        rows = rows[np.lexsort((-pupils[at[rows]], unknown[rows]))]
    rows = rows[:most]
    village, group = at[rows], reach.rows["group"].to_numpy()[rows]
    near, second = reach.first[group, village], reach.second[group, village]
    school = reach.rows["school"].to_numpy()[rows] if to == "own" else near
    columns: dict[str, Any] = {
        "village_id": _named(reach.villages["village_id"], village),
        "village": _named(reach.villages["name_zh"], village),
        "township": _named(reach.villages["township"], village),
        "band": _named(reach.rows["band"], rows),
        "pupils": pupils[village],
        "distance_m": metres[rows],
        "minutes": reach.minutes(to)[rows],
        "nearest_m": reach.first_m[group, village],
        "second_m": reach.second_m[group, village],
        "at_least_m": least[rows],
        "reason": np.where(unknown[rows], "unknown", "outside"),
    }
    for name, index in (("school", school), ("nearest", near), ("second", second)):
        columns[f"{name}_id"] = _named(reach.schools["school_id"], index)
        columns[name] = _named(reach.schools["name_zh"], index)
    return pd.DataFrame({name: columns[name] for name in OUTSIDE_COLUMNS})


def travel_time(reach: Reach, limit_min: float, to: Target = "own", band: str = "g1_3") -> CoverageCount:
    """Count the day pupils of a grade band who walk at most a number of minutes to school.

    The minutes are walking minutes: measured over the terrain, elsewhere metres at walking speed on the flat. The
    state's half hour for grades 1–3 names no means of travel; a pupil who is driven arrives sooner.

    Parameters
    ----------
    reach : Reach
    limit_min : float
        Minutes at most.
    to : Target
        To which school: the own one or the nearest.
    band : str
        Grade band.
    """
    mine = (reach.rows["band"] == band).to_numpy()
    return _count(reach.pupils[mine], reach.minutes(to)[mine], limit_min)


def farthest(reach: Reach, to: Target = "own") -> float:
    """Return the longest known way of a day pupil; NaN when none is known, infinite when beyond the table's limit.

    Parameters
    ----------
    reach : Reach
    to : Target
        To which school: the own one or the nearest.
    """
    metres = reach.metres(to)
    known = metres[~np.isnan(metres)]
    return float(known.max()) if len(known) else math.nan


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal, never rounded up to 100 % nor down to 0 %.

    Examples
    --------
    >>> percent(0.99999), percent(1.0), percent(float("nan"))
    ('99.9%', '100%', '–')
    """
    if math.isnan(share):
        return "–"
    return f"{100 * share:.0f}%" if share in (0, 1) else f"{min(max(100 * share, 0.1), 99.9):.1f}%"


def _count(pupils: Floats, cost: Floats, limit: float) -> CoverageCount:
    within, unknown = cost <= limit, np.isnan(cost)
    return CoverageCount(*(float(pupils[mask].sum()) for mask in (within, ~within & ~unknown, unknown)))


def _masks(reach: Reach, radius_m: float, to: Target) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    # Where there is no way, the straight line tells who is outside for certain.
    return reach.pupils, reach.metres(to) <= radius_m, reach.least_m(to) > radius_m


def _named(column: pd.Series, at: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Return a column's values at these positions; None for -1 and for what is missing."""
    values = np.empty(len(column) + 1, dtype=object)
    values[:-1] = column.to_numpy(dtype=object, na_value=None)
    return np.asarray(values[at], dtype=object)
