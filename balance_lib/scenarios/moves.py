"""Send the pupils whose school changes to other schools: by distance, within the places there are, overflow named.

The one assignment there is: sliders, whole evaluations and the optimiser's plans all go through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib._errors import DataError, Fault
from balance_lib.scenarios.arrays import NOWHERE, STAGE_OF_BAND, LayoutArrays
from balance_lib.scenarios.base import BANDS
from balance_lib.scenarios.settings import Settings
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Method = Literal["zoned", "transport", "nearest"]
Parts = tuple[Ints, Ints, Floats, Floats, Floats]  # row, school, pupils, boarders before, pupils beyond the places

NEAREST = 3  # so many schools are within reach however far they are
SECTORS = ("public", "private", "special")
BITS = np.array([1 << b for b in range(len(BANDS))])
_ORDER = ("optimal", "feasible", "infeasible", "stopped")


@dataclass(frozen=True, eq=False)
class Flows:
    """Hold pupils of a group who go to one school, in the order of village, schools, stage and band.

    Parameters
    ----------
    arrays : LayoutArrays
    rows, to : array of int, shape (flows,)
        Which group, and which school takes them in; NOWHERE where none does.
    pupils, boarders, over : array of float, shape (flows,)
        ``boarders``: of them boarding before; ``over``: of them beyond the places there are.
    """

    arrays: LayoutArrays
    rows: Ints
    to: Ints
    pupils: Floats
    boarders: Floats
    over: Floats

    @classmethod
    def ordered(cls, arrays: LayoutArrays, parts: Parts) -> Flows:
        """Put flows in order; those of one village, band and pair of schools become one.

        Parameters
        ----------
        arrays : LayoutArrays
        parts : Parts
        """
        rows, to = parts[:2]
        rank, n = np.append(arrays.rank, -1) + 1, len(arrays.schools) + 1
        key = (arrays.g_name[rows] * n + rank[arrays.g_school[rows]]) * n + rank[to]
        key = (key * 2 + (1 - arrays.g_stage[rows])) * 3 + arrays.g_band[rows]
        order = np.argsort(key, kind="stable")
        order = order[parts[2][order] > 0]
        first = np.flatnonzero(np.diff(key[order], prepend=-1))
        figures = [part[order] for part in parts[2:]]
        if len(first) < len(order):
            figures = [np.add.reduceat(part, first) for part in figures]
        return cls(arrays, rows[order][first], to[order][first], *figures)

    @cached_property
    def from_(self) -> Ints:
        """Return the school each flow leaves."""
        return self.arrays.g_school[self.rows]

    @cached_property
    def village(self) -> Ints:
        """Return the row of each flow's village in the arrays of ways."""
        return self.arrays.g_village[self.rows]

    @cached_property
    def band(self) -> Ints:
        """Return the grade band of each flow."""
        return self.arrays.g_band[self.rows]

    @cached_property
    def stage(self) -> Ints:
        """Return the stage of each flow."""
        return self.arrays.g_stage[self.rows]

    @cached_property
    def placed(self) -> Bools:
        """Tell which flows a school takes in."""
        return self.to >= 0

    @cached_property
    def metres(self) -> Floats:
        """Return the way to the new school; NaN where it is not known."""
        return np.where(self.placed, self.arrays.metres[self.village, self.to], np.nan)

    @cached_property
    def loads(self) -> Floats:
        """Return the pupils of each school and band afterwards."""
        out, placed = self.arrays.sums.copy(), self.placed
        np.subtract.at(out, (self.from_, self.band), self.pupils)
        np.add.at(out, (self.to[placed], self.band[placed]), self.pupils[placed])
        return out

    def table(self) -> pd.DataFrame:
        """Return village_id ("" unknown), from_id, to_id ("" none), stage, band, pupils, boarders, overflow."""
        groups = self.arrays.base.groups.iloc[self.rows]
        names = np.array([*self.arrays.schools, ""], dtype=object)
        return pd.DataFrame({
            "village_id": groups["village_id"].to_numpy(), "from_id": groups["school_id"].to_numpy(),
            "to_id": names[self.to], "stage": groups["stage"].to_numpy(), "band": groups["band"].to_numpy(),
            "pupils": self.pupils, "boarders": self.boarders, "overflow": self.over,
        })  # fmt: skip


@dataclass(frozen=True, eq=False)
class Moves:
    """Hold who changes school.

    Parameters
    ----------
    flows : Flows
    crowded : Flows
        Pupils whom new zones leave at their school although others take its places.
    solution : dict
        method, status, gap, objective_m, shortfall, reasons over all stages.
    proven : bool
        Whether a whole evaluation sends the same pupils: places do not bind, or are reckoned with, and all attendance
        concerned is counted.
    uncounted : array of int
        Schools concerned whose attendance exceeds their enrolment, or whose enrolment nobody recorded.
    """

    flows: Flows
    crowded: Flows
    solution: dict[str, Any]
    proven: bool
    uncounted: Ints


def moves(arrays: LayoutArrays, *, time_limit_s: float = 10.0) -> Moves:
    """Assign every affected pupil to a school.

    Who is affected: pupils whose school closes or no longer teaches their grades; pupils of the villages zoned to a
    school that opens; with ``rezone`` all pupils of public schools. Merged schools go where the merger says, whatever
    the places; the others to the least total distance within the places that are left.

    Parameters
    ----------
    arrays : LayoutArrays
    time_limit_s : float
        For the proof that zones are the best; the solution then tells its gap.

    Raises
    ------
    DataError
        If a closing school has more attendance than recorded enrolment, or it or a named receiver has no recorded
        enrolment: nobody knows who would move, or how many there would be.
    """
    settings = arrays.layout.scenario.settings
    assignment = Assignment(arrays, settings, settings.assignment, time_limit_s=time_limit_s)
    if len(assignment.uncounted):
        raise DataError([_uncounted(arrays, arrays.schools[j]) for j in assignment.uncounted])
    return assignment.moves()


def _uncounted(arrays: LayoutArrays, school: str) -> Fault:
    base = arrays.base
    if school in {name for name, _ in base.untold}:
        return Fault("scenario_untold", "school_years.csv", None, "pupils", school, params={"year": base.year})
    return Fault("scenario_over", "attendance.csv", None, "pupils", school, params={"over": f"{base.over[school]:.0f}"})


class Assignment:
    """Work out who goes where, step by step.

    Parameters
    ----------
    arrays : LayoutArrays
    settings : Settings
    method : {"zoned", "transport", "nearest"}
        A whole village to one school, villages split, or everyone to the nearest school whatever the places.
    shut : array of bool, shape (schools,), optional
        Schools closed besides.
    time_limit_s : float
    """

    def __init__(
        self, arrays: LayoutArrays, settings: Settings, method: Method, *, shut: Bools | None = None,
        time_limit_s: float = 10.0,
    ) -> None:  # fmt: skip
        self.arrays, self.settings, self.method, self.time_limit_s = arrays, settings, method, time_limit_s
        self.open = arrays.there if shut is None else arrays.there & ~shut
        self.receives = arrays.receives & self.open[:, None]
        caps = settings.class_cap("primary"), settings.class_cap("junior")
        self.room = np.where(self.open[:, None], arrays.places(caps), 0.0)
        self.solved: list[dict[str, Any]] = []
        self.proven = True
        self._affected(arrays.teaches & self.open[:, None])

    def _affected(self, teaches: Bools) -> None:
        """Find the groups that go to a named school, those that go where there is room, and the places left."""
        arrays, school = self.arrays, self.arrays.g_school
        at = np.maximum(school, 0)
        stays = teaches[at, arrays.g_band] | (school < 0)
        self.into = self._into(stays)
        leaves = ~stays & (self.into < 0)
        if self.settings.rezone:
            leaves |= (arrays.sector[at] == 0) & (school >= 0) & arrays.g_home & (self.into < 0)
        self.fixed, self.leaving = np.flatnonzero(self.into >= 0), np.flatnonzero(leaves)
        both = np.concatenate([self.fixed, self.leaving])
        gone = np.zeros_like(self.room)
        np.add.at(gone, (school[both], arrays.g_band[both]), arrays.g_pupils[both])
        self.free = np.clip(self.room - (arrays.sums - gone), 0.0, None)
        leave, come, stage = school[both], self.into[self.fixed], arrays.g_stage[self.fixed]
        self.uncounted = np.unique(np.concatenate([leave[arrays.over[leave]], come[arrays.untold[come, stage]]]))

    def _into(self, stays: Bools) -> Ints:
        """Return the school each group must go to: where its own is merged, or a new one draws it; else NOWHERE."""
        from balance_lib.scenarios import loops

        arrays, drawn = self.arrays, np.full(len(stays), NOWHERE)
        for zone in arrays.zones:
            rows = zone.rows[drawn[zone.rows] < 0]
            if not zone.whole:
                rows = rows[stays[rows]]
                left = self.room[zone.school].copy()
                rows = rows[loops._fitting(arrays.g_band[rows], arrays.g_pupils[rows], left)]
            drawn[rows] = zone.school
        return np.where(arrays.g_into >= 0, arrays.g_into, drawn)

    def moves(self) -> Moves:
        """Assign."""
        arrays, parts = self.arrays, [self._fixed()]
        over = float(parts[0][4].sum())
        for stage in range(len(STAGES)):
            for sector in range(len(SECTORS)):
                rows = self.leaving
                mine = rows[(arrays.g_stage[rows] == stage) & (arrays.sector[arrays.g_school[rows]] == sector)]
                if len(mine):
                    parts += self._placed(mine, stage, sector)
        rows, to, pupils, boarders, beyond = (np.concatenate(column) for column in zip(*parts, strict=True))
        stays = arrays.g_school[rows] == to

        def of(chosen: Bools) -> Flows:
            return Flows.ordered(arrays, (rows[chosen], to[chosen], pupils[chosen], boarders[chosen], beyond[chosen]))

        proven = self.proven and not len(self.uncounted)
        return Moves(of(~stays), of(stays & (beyond > 0)), self._solution(over), proven, self.uncounted)

    def _fixed(self) -> Parts:
        """Place merged and zoned pupils; what exceeds the places is overflow, the last groups first."""
        arrays, rows = self.arrays, self.fixed
        to, pupils, over = self.into[rows], arrays.g_pupils[rows], np.zeros(len(rows))
        for at, (school, band) in enumerate(zip(to, arrays.g_band[rows], strict=True)):
            over[at] = max(pupils[at] - self.free[school, band], 0.0)
            self.free[school, band] = max(self.free[school, band] - pupils[at], 0.0)
        return rows, to, pupils, arrays.g_board[rows], over

    def _placed(self, rows: Ints, stage: int, sector: int) -> list[Parts]:
        if self.method != "transport":
            return [(self._zoned if self.method == "zoned" else self._nearest)(rows, stage, sector)]
        band = self.arrays.g_band[rows]
        return [self._transported(rows[band == b], int(b), sector) for b in np.unique(band)]

    def _use(self, to: Ints, band: Any, pupils: Floats) -> None:
        """Take up places."""
        placed = to >= 0
        bands = np.broadcast_to(band, to.shape)
        np.subtract.at(self.free, (to[placed], bands[placed]), pupils[placed])
        self.free = np.clip(self.free, 0.0, None)

    def _sites(self, receives: Bools, sector: int) -> Ints:
        return np.flatnonzero(receives & self.arrays.allowed[sector] & self.open)

    def _zoned(self, rows: Ints, stage: int, sector: int) -> Parts:
        """Send each village whole; pupils of unknown home are told by the school they come from."""
        from balance_lib.optimise import allocation

        arrays, bands = self.arrays, np.flatnonzero(stage == STAGE_OF_BAND)
        _, first, point = np.unique(arrays.g_label[rows], return_index=True, return_inverse=True)
        demand = np.zeros((len(first), len(bands)))
        np.add.at(demand, (point, arrays.g_band[rows] - bands[0]), arrays.g_pupils[rows])
        sites = self._sites(self.receives[:, bands].any(axis=1), sector)
        cost = arrays.cost(arrays.g_village[rows[first]], arrays.g_school[rows[first]], sites)
        for at, band in enumerate(bands):  # a school without the grades of a village's pupils is none for the village
            cost[np.ix_(demand[:, at] > 0, ~self.receives[sites, band])] = np.nan
        cost = self._within_reach(cost, stage)
        found = allocation.zoned(cost, demand, self.free[np.ix_(sites, bands)], time_limit_s=self.time_limit_s)
        self.solved.append(_told(found))
        # Who finds no place goes to the nearest school all the same: overflow, named as a broken rule.
        site = np.array(found.site)
        lost = site < 0
        site[lost] = _nearest_of(cost[lost])
        to, pupils = np.append(sites, NOWHERE)[site][point], arrays.g_pupils[rows]
        self._use(to, arrays.g_band[rows], pupils)
        return rows, to, pupils, arrays.g_board[rows], np.where(lost[point], pupils, 0.0)

    def _transported(self, rows: Ints, band: int, sector: int) -> Parts:
        """Send pupils at the least total distance; a village may be split."""
        from balance_lib.optimise import allocation
        from balance_lib.scenarios import loops

        arrays = self.arrays
        sites = self._sites(self.receives[:, band], sector)
        cost = arrays.cost(arrays.g_village[rows], arrays.g_school[rows], sites)
        cost = self._within_reach(cost, int(STAGE_OF_BAND[band]))
        pupils = arrays.g_pupils[rows]
        found = allocation.transport(cost, pupils, self.free[sites, band])
        self.solved.append(_told(found))
        amounts = np.round(found.amounts)
        left = pupils - np.bincount(found.points, amounts, minlength=len(rows))
        over = np.flatnonzero(left > 0)
        at = np.append(found.points, over)
        to = np.append(sites, NOWHERE)[np.append(found.sites, _nearest_of(cost[over]))]
        moved = np.append(amounts, left[over])
        self._use(to, band, moved)
        beyond = np.append(np.zeros(len(found.points)), left[over])
        return rows[at], to, moved, loops._share_boarders(arrays.g_board[rows], at, moved), beyond

    def _nearest(self, rows: Ints, stage: int, sector: int) -> Parts:
        """Send every village to the nearest school that takes its pupils in, whatever the places."""
        from balance_lib.scenarios import loops

        arrays, band = self.arrays, self.arrays.g_band[rows]
        points = len(arrays.villages) + 1 + len(arrays.schools)
        need, first = np.zeros(points, dtype=np.int64), np.zeros(points, dtype=np.int64)
        point = arrays.g_point
        np.bitwise_or.at(need, point[rows], BITS[band])
        first[point[rows[::-1]]] = arrays.g_school[rows[::-1]]
        found = loops.to_nearest(
            rows, point, first, need, stage, arrays.order, arrays.metres, arrays.school_order,
            self.receives & (arrays.allowed[sector] & self.open)[:, None],
        )  # fmt: skip
        to, pupils = found[point[rows]], arrays.g_pupils[rows]
        over = np.where(to < 0, pupils, 0.0)
        load = np.zeros_like(self.room)
        there = to >= 0
        np.add.at(load, (to[there], band[there]), pupils[there])
        short = np.clip(load - self.free, 0.0, None)
        self.proven &= bool((short <= 1e-9).all())
        # Of a school without places enough every group is over by the same share: who, only the evaluation says.
        share = np.divide(short, load, out=np.zeros_like(load), where=load > 0)
        over[there] = pupils[there] * share[to[there], band[there]]
        self.free = np.clip(self.free - load, 0.0, None)
        return rows, to, pupils, arrays.g_board[rows], over

    def _within_reach(self, cost: Floats, stage: int) -> Floats:
        """Leave out schools beyond the reach, but never the nearest ones."""
        if not cost.size:
            return cost
        near, third = np.where(np.isfinite(cost), cost, np.inf), min(NEAREST, cost.shape[1]) - 1
        reach = self.settings.number(f"reach_{STAGES[stage]}_m")
        reach = np.maximum(reach, np.partition(near, third, axis=1)[:, third])
        return np.where(near <= reach[:, None], cost, np.nan)

    def _solution(self, over: float) -> dict[str, Any]:
        """Return one finding for several solves: the worst status and gap, the sum of the rest."""
        solved = self.solved
        status = max((t["status"] for t in solved), key=_ORDER.index, default="optimal")
        return {
            "method": self.method,
            "status": "infeasible" if over and status in ("optimal", "feasible") else status,
            "gap": float(np.nanmax([0.0, *(t["gap"] for t in solved)])),
            "objective_m": float(sum(t["objective_m"] for t in solved)),
            "shortfall": float(sum(t["shortfall"] for t in solved)) + over,
            "reasons": tuple(dict.fromkeys(r for t in solved for r in t["reasons"])),
        }


def _nearest_of(cost: Floats) -> Ints:
    """Return the nearest site of each row; NOWHERE where no way is known."""
    if not cost.size:
        return np.full(len(cost), NOWHERE)
    near = np.where(np.isfinite(cost), cost, np.inf)
    return np.where(np.isfinite(near).any(axis=1), near.argmin(axis=1), NOWHERE)


def _told(found: Any) -> dict[str, Any]:
    return {
        "status": found.status,
        "gap": float(found.gap),
        "objective_m": float(found.objective),
        "shortfall": float(np.sum(found.overflow)),
        "reasons": tuple(found.reasons),
    }
