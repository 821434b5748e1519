"""Lay a county and a scenario out as arrays: schools, ways, groups of pupils, and the zones of schools that open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.distance import Places, straight_table
from balance_lib.scenarios.base import BANDS, STAGE_OF, TravelDistances
from balance_lib.scenarios.layout import Layout
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

NOWHERE = -1
STAGE_OF_BAND = np.array([STAGES.index(STAGE_OF[band]) for band in BANDS])


@dataclass(frozen=True, eq=False)
class _Zone:
    """Hold which groups a school that opens or takes up a stage draws: all of them, or the first that fit.

    Parameters
    ----------
    school : int
    rows : array of int
        Positions of groups; those first who save most.
    whole : bool
        Whether the scenario zones their villages to it, whatever the places.
    """

    school: int
    rows: Ints
    whole: bool


class LayoutArrays:
    """Hold a layout and its ways as arrays; positions are those of ``schools`` and ``villages``.

    Parameters
    ----------
    layout : Layout
    ways : TravelDistances
        To every school of the layout.
    """

    def __init__(self, layout: Layout, ways: TravelDistances) -> None:
        self.base, self.layout = layout.base, layout
        self.schools: list[str] = layout.ids
        self._schools()
        self._ways(ways)
        self._groups(ways)
        self.zones = self._zones()
        self.radius_m = {stage: layout.radius_m(stage) for stage in STAGES}
        self.radius = np.array([self.radius_m[stage] for stage in STAGES])
        self._places: dict[tuple[int, int], Floats] = {}

    def _schools(self) -> None:
        frame, layout = self.layout.frame, self.layout
        index = pd.Index(self.schools)
        self.index = index
        self.teaches = _own(layout.teaches, bool)
        self.receives = _own(layout.receives, bool)
        self.private, self.special = _own(layout.private, bool), _own(layout.special, bool)
        public = ~(self.private | self.special)
        self.there = _own(frame["there"], bool)
        self.allowed = np.stack([public & self.there, ~self.special & self.there, self.special & self.there])
        self.sector = np.where(self.special, 2, np.where(self.private, 1, 0))
        self.sums = _own(self.base.sums.reindex(index).fillna(0.0), float)
        self.grades = np.column_stack([frame["grades_primary"].to_numpy(dtype=float), np.full(len(index), 3.0)])
        rows = self.base.rows
        rows = rows[rows["stage"].isin(STAGES) & rows["school_id"].isin(index)]
        at = index.get_indexer(rows["school_id"]), rows["stage"].map(STAGES.index).to_numpy()
        self.own_classes = np.full((len(index), len(STAGES)), np.nan)
        self.own_classes[at] = rows["classes"].to_numpy(dtype=float)
        self.row_grades = np.full((len(index), len(STAGES)), np.nan)  # a stage that begins has all of them
        self.row_grades[at] = rows["grades"].to_numpy(dtype=float)
        cut = _own(frame["cut"], bool)
        self.row_grades[cut, 0] = self.grades[cut, 0]
        self._rooms(at)
        self.rank = np.argsort(np.argsort(np.array(self.schools)))
        self.over = _own(self.index.isin(list(self.base.over)), bool)
        untold = set(self.base.untold)
        self.untold = np.array([[(school, stage) in untold for stage in STAGES] for school in self.schools], dtype=bool)
        self.merged = self.layout.merged_into
        self.beds = _own(layout.beds.reindex(index), float)

    def _rooms(self, at: tuple[Any, Any]) -> None:
        """Lay out the classes there are rooms for, and which stages the scenario gives more or fewer of them."""
        frame, there = self.layout.frame, np.zeros_like(self.own_classes, dtype=bool)
        there[at] = True
        counted = self.base.rooms[~self.base.rooms.index.duplicated()]
        given = np.column_stack([frame[f"classes_{stage}"].to_numpy(dtype=float) for stage in STAGES])
        had = np.column_stack([counted.reindex([(i, s) for i in self.schools]).to_numpy(dtype=float) for s in STAGES])
        same = (given == had) | np.isnan(given)
        self.resized = there & ~same
        self.rooms = np.where(there & (same | np.isnan(self.own_classes)), self.own_classes, given)

    def _ways(self, ways: TravelDistances) -> None:
        column = np.array([ways.school.get(s, -1) for s in self.schools], dtype=np.int64)
        known = column >= 0
        self.villages = [str(v) for v in ways.table.origins]

        def matrix(costs: Floats) -> Floats:
            out = np.full((len(self.villages) + 1, len(column)), np.nan)  # the last row: home not known
            out[:-1, known] = costs[:, column[known]]
            return out

        self.metres, self.minutes = matrix(ways.table.metres), matrix(ways.table.minutes)
        self._detour = ways.detour if ways.table.mode == "straight" else 1.0
        self._roads = None if ways.road is None else matrix(ways.road.metres)
        self.lines = self._lines(ways.village)

    def road(self, village: Any, school: Any) -> Floats:
        """Return metres along the road; without one the way times a detour.

        Parameters
        ----------
        village, school : array of int or slice
            Positions.
        """
        metres = self.metres[village, school] * self._detour
        if self._roads is None:
            return metres
        roads = self._roads[village, school]
        return np.where(np.isfinite(roads), roads, metres)

    @cached_property
    def order(self) -> Ints:
        """Return the schools nearest first, a row a village; those whose way is not known come last."""
        metres = self.metres[:-1]
        return np.argsort(np.where(np.isfinite(metres), metres, np.inf), axis=1, kind="stable")

    @cached_property
    def apart(self) -> Floats:
        """Return straight metres between schools; NaN where a place is not known."""
        places = self.layout.frame[["lon", "lat"]].astype(float)
        points = Places(self.schools, *places.to_numpy().T)
        return straight_table(points, points).metres

    @cached_property
    def between(self) -> Floats:
        """Return what schools are ordered by: metres between them, farther than any where a place is not known."""
        return np.where(np.isfinite(self.apart), self.apart, np.nanmax(self.apart, initial=1.0) + 1.0)

    @cached_property
    def school_order(self) -> Ints:
        """Return the schools nearest first, a row a school."""
        return np.argsort(self.between, axis=1, kind="stable")

    def positions(self, villages: Any) -> Ints:
        """Return the positions of villages; of those not known the last row, whose ways are NaN."""
        found = pd.Index(self.villages).get_indexer(pd.Index(villages))
        return np.where(found < 0, len(self.villages), found)

    def cost(self, village: Ints, school: Ints, sites: Ints, *, known: bool = False) -> Floats:
        """Return metres to sites from villages; pupils without a way to any are put where their school stood.

        Parameters
        ----------
        village : array of int
            Villages of the points; the position behind the last is a home not known.
        school : array of int
            Schools the points' pupils attend.
        sites : array of int
            Schools that may take them in.
        known : bool
            Keep a way nobody knows unknown. Otherwise who has to go somewhere goes there last, and it is told.

        Returns
        -------
        array of float, shape (points, sites)
            Metres; NaN where unreachable.
        """
        out = self.metres[np.ix_(village, sites)]
        lost = ~np.isfinite(out).any(axis=1)
        if lost.any():
            out[lost] = (self.apart if known else self.between)[np.ix_(school[lost], sites)]
        return out

    def _lines(self, village: Any) -> Floats | None:
        """Return the minutes of the scenario's own bus lines; None without any."""
        if not self.layout.lines:
            return None
        out = np.full_like(self.metres, np.nan)
        for (v, s), minutes in self.layout.lines.items():
            if v in village and s in self.index:
                out[village[v], self.index.get_loc(s)] = minutes
        return out

    def _groups(self, ways: TravelDistances) -> None:
        groups = self.base.groups
        self.g_village = self.positions(groups["village_id"])
        self.g_home = (groups["village_id"] != "").to_numpy()
        self.g_school = _own(self.index.get_indexer(groups["school_id"]), np.int64)
        self.g_band = _own(groups["band"].map(BANDS.index), np.int64)
        self.g_stage = STAGE_OF_BAND[self.g_band]
        self.g_pupils, self.g_board = _own(groups["pupils"], float), _own(groups["boarders"], float)
        self.g_metres = self.metres[self.g_village, self.g_school]
        self.g_minutes = self.minutes[self.g_village, self.g_school]
        if len(away := np.flatnonzero(self.g_school < 0)):  # at a school without a row of the year
            ends = groups["village_id"].iloc[away], groups["school_id"].iloc[away]
            self.g_metres[away], self.g_minutes[away] = ways.metres(*ends), ways.minutes(*ends)
        into = groups["school_id"].map(self.merged)
        self.g_into = np.where(into.notna(), self.index.get_indexer(into), NOWHERE)
        _, self.g_name = np.unique(groups["village_id"].to_numpy(dtype=str), return_inverse=True)
        # What a whole village is told by; pupils of unknown home by the school they come from.
        self.g_label = np.where(self.g_home, groups["village_id"], "@" + groups["school_id"]).astype(str)
        # Points: villages, then the schools that pupils of unknown home come from.
        self.g_point = np.where(self.g_home, self.g_village, len(self.villages) + 1 + self.g_school)
        used = np.bincount(self.g_school[self.g_school >= 0], self.g_board[self.g_school >= 0], len(self.schools))
        self.beds_used = used

    @cached_property
    def g_order(self) -> Ints:
        """Return the groups whose way is known, nearest first."""
        order = np.argsort(np.where(np.isfinite(self.g_metres), self.g_metres, np.inf), kind="stable")
        return order[np.isfinite(self.g_metres[order])]

    def _zones(self) -> list[_Zone]:
        """Return whom each school that opens or takes up a stage draws, in the order in which they do."""
        out, at = [], np.maximum(self.g_school, 0)
        plain = (self.g_school >= 0) & (self.sector[at] == 0)
        names = self.base.groups["village_id"]
        for name, villages in self.layout.zoned.items():
            school = int(self.index.get_loc(name))
            begins = self.teaches[school] & (self.sums[school] == 0)  # of the bands it had it draws nobody
            open_to = plain & begins[self.g_band] & (self.g_school != school)
            if villages:
                rows = np.flatnonzero(open_to & names.isin(villages).to_numpy())
            elif self.layout.frame.at[name, "state"] == "opened":
                saved = self.g_metres - self.metres[self.g_village, school]
                rows = np.flatnonzero(open_to & (saved > 0))
                rows = rows[np.argsort(-saved[rows], kind="stable")]
            else:
                continue
            out.append(_Zone(school, rows, whole=bool(villages)))
        return out

    def places(self, caps: tuple[int, int]) -> Floats:
        """Return the places of each school and band under class caps."""
        if caps not in self._places:
            self._places[caps] = _own(self.layout.places_under(*caps), float)
        return self._places[caps]


def _own(values: Any, dtype: Any) -> Any:
    """Return an array of our own: numba compiles a second version of a loop for what pandas hands out read-only."""
    return np.array(values, dtype=dtype, order="C")
