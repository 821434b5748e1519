"""Work out what one state of the sliders does, step by step, on the arrays of a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.scenarios import moves, riding
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.arrays import NOWHERE, STAGE_OF_BAND, BoardArrays
from balance_lib.scenarios.base import BANDS
from balance_lib.scenarios.settings import Settings
from balance_lib.scenarios.sliders import State, Tick
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

SECTORS = ("public", "private", "special")
BITS = np.array([1 << b for b in range(len(BANDS))])
COVER = ("pupils", "walk", "ride", "board", "far", "unknown", "metres", "max_m", "young_over")


class TickComputation:
    """Work out one state of the sliders, step by step."""

    def __init__(self, board: BoardArrays, state: State) -> None:
        from balance_lib.scenarios import loops  # compiled: imported when first needed

        self.loops, self.board, self.state = loops, board, state
        self.settings = board.layout.scenario.settings
        if state.settings:
            self.settings = replace(self.settings, **state.settings)
        self.caps = self.settings.class_cap("primary"), self.settings.class_cap("junior")
        self.shut = board.closing(state)
        self.teaches = board.teaches & ~self.shut[:, None]
        self.receives = board.receives & ~self.shut[:, None]
        self.room = np.where(self.shut[:, None], 0.0, board.places(self.caps))

    def tick(self) -> Tick:
        """Work it out."""
        board, flows = self.board, self._flows()
        rows, to = flows[:2]
        order = self._order(rows, board.g_school[rows], to)
        rows, to, pupils, boarders, over = (part[order] for part in flows)
        from_ = board.g_school[rows]
        village, band = board.g_village[rows], board.g_band[rows]
        after = np.where(to >= 0, board.metres[village, to], np.nan)
        boards = self._boards(rows, from_, to, pupils, boarders, after)
        loads = self._loads(from_, to, band, pupils)
        classes, largest = self._classes(from_, to, band, loads)
        return Tick(
            closed=tuple(board.schools[j] for j in np.flatnonzero(self.shut)), rows=rows,
            village=np.where(village == len(board.villages), -1, village), from_=from_, to=to, band=band,
            pupils=pupils, boards=boards, metres_before=board.g_metres[rows], metres_after=after, over=over,
            cover=self._cover(rows, village, to, band, pupils, boarders, boards, after), loads=loads, places=self.room,
            classes=classes, largest=largest, coefficients=self._coefficients(from_, to, band, pupils),
            proven=self.proven,
        )  # fmt: skip

    # ---- who goes where ----------------------------------------------------------------------------------------------

    def _flows(self) -> tuple[Any, ...]:
        """Return who goes where: row, school, pupils, boarders before, pupils beyond the places."""
        board = self.board
        at = np.maximum(board.g_school, 0)
        stays = self.teaches[at, board.g_band] | (board.g_school < 0)
        into = self._into(stays)
        fixed = np.flatnonzero(into >= 0)
        leaves = ~stays & (into < 0)
        if self.settings.rezone:
            leaves |= (board.sector[at] == 0) & (board.g_school >= 0) & board.g_home & (into < 0)
        leaving = np.flatnonzero(leaves)
        gone = np.zeros_like(self.room)
        both = np.concatenate([fixed, leaving])
        np.add.at(gone, (board.g_school[both], board.g_band[both]), board.g_pupils[both])
        self.free = np.clip(self.room - (board.sums - gone), 0.0, None)
        # Of a school whose attendance exceeds its enrolment nobody knows who would move: the evaluation refuses.
        self.proven = not board.over[board.g_school[both]].any()
        parts = [self._fixed(fixed, into[fixed])]
        for stage in range(len(STAGES)):
            for sector in range(len(SECTORS)):
                mine = leaving[(board.g_stage[leaving] == stage) & (board.sector[board.g_school[leaving]] == sector)]
                if len(mine):
                    parts += self._placed(mine, stage, sector)
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def _into(self, stays: Bools) -> Ints:
        """Return the school each group must go to: where its own is merged, or a new one draws it; else NOWHERE."""
        board = self.board
        drawn = np.full(len(stays), NOWHERE)
        for zone in board.zones:
            rows = zone.rows[drawn[zone.rows] < 0]
            if not zone.whole:
                rows = rows[stays[rows]]
                left = self.room[zone.school].copy()
                rows = rows[self.loops.fitting(board.g_band[rows], board.g_pupils[rows], left)]
            drawn[rows] = zone.school
        return np.where(board.g_into >= 0, board.g_into, drawn)

    def _fixed(self, rows: Ints, to: Ints) -> tuple[Any, ...]:
        board = self.board
        pupils, over = board.g_pupils[rows], np.zeros(len(rows))
        for at, (school, band) in enumerate(zip(to, board.g_band[rows], strict=True)):
            over[at] = max(pupils[at] - self.free[school, band], 0.0)
            self.free[school, band] = max(self.free[school, band] - pupils[at], 0.0)
        return rows, to, pupils, board.g_board[rows], over

    def _placed(self, rows: Ints, stage: int, sector: int) -> list[tuple[Any, ...]]:
        if self.board.with_places:
            return [
                self._transported(mine, band, sector)
                for band in range(len(BANDS))
                if STAGE_OF_BAND[band] == stage and len(mine := rows[self.board.g_band[rows] == band])
            ]
        return [self._nearest(rows, stage, sector)]

    def _nearest(self, rows: Ints, stage: int, sector: int) -> tuple[Any, ...]:
        board = self.board
        points = len(board.villages) + 1 + len(board.schools)
        need, first = np.zeros(points, dtype=np.int64), np.zeros(points, dtype=np.int64)
        point = board.g_point
        np.bitwise_or.at(need, point[rows], BITS[board.g_band[rows]])
        first[point[rows[::-1]]] = board.g_school[rows[::-1]]
        found = self.loops.to_nearest(
            rows, point, first, need, stage, board.order, board.metres, board.school_order, self.receives,
            board.allowed[sector] & ~self.shut, len(board.villages),
        )  # fmt: skip
        to, pupils = found[point[rows]], board.g_pupils[rows]
        over = np.where(to < 0, pupils, 0.0)
        load = np.zeros_like(self.room)
        there = to >= 0
        np.add.at(load, (to[there], board.g_band[rows][there]), pupils[there])
        short = np.clip(load - self.free, 0.0, None)
        self.proven &= bool((short <= 1e-9).all())
        # Of a school without places enough every group is over by the same share: who, only the evaluation says.
        share = np.divide(short, load, out=np.zeros_like(load), where=load > 0)
        over[there] = pupils[there] * share[to[there], board.g_band[rows][there]]
        self.free = np.clip(self.free - load, 0.0, None)
        return rows, to, pupils, board.g_board[rows], over

    def _transported(self, rows: Ints, band: int, sector: int) -> tuple[Any, ...]:
        from balance_lib.optimise import allocation

        board = self.board
        sites = np.flatnonzero(self.receives[:, band] & board.allowed[sector] & ~self.shut)
        cost = board.metres[np.ix_(board.g_village[rows], sites)]
        lost = ~np.isfinite(cost).any(axis=1)
        if lost.any():
            cost[lost] = board.between[np.ix_(board.g_school[rows[lost]], sites)]
        cost = self._within_reach(cost, STAGES[STAGE_OF_BAND[band]])
        pupils = board.g_pupils[rows]
        found = allocation.transport(cost, pupils, self.free[sites, band])
        amounts = np.round(found.amounts)
        left = pupils - np.bincount(found.points, amounts, minlength=len(rows))
        over = np.flatnonzero(left > 0)
        near = np.where(np.isfinite(cost), cost, np.inf)
        near_site = near[over].argmin(axis=1) if len(sites) else np.full(len(over), -1)
        at = np.append(found.points, over)
        names = np.append(sites, NOWHERE)
        to = names[np.append(found.sites, near_site)]
        moved = np.append(amounts, left[over])
        beyond = np.append(np.zeros(len(found.points)), left[over])
        placed = to >= 0
        np.subtract.at(self.free, (to[placed], band), moved[placed])
        self.free = np.clip(self.free, 0.0, None)
        return rows[at], to, moved, self.loops.share_boarders(board.g_board[rows], at, moved), beyond

    def _within_reach(self, cost: Floats, stage: str) -> Floats:
        """Leave out schools beyond the reach, but never the nearest ones; as ``moves`` does."""
        if not cost.size:
            return cost
        near, third = np.where(np.isfinite(cost), cost, np.inf), min(moves.NEAREST, cost.shape[1]) - 1
        reach = np.maximum(self.settings.number(f"reach_{stage}_m"), np.partition(near, third, axis=1)[:, third])
        return np.where(near <= reach[:, None], cost, np.nan)

    def _order(self, rows: Ints, from_: Ints, to: Ints) -> Ints:
        """Order those who leave as the tables do: by village, schools, stage (junior before primary) and band."""
        board, n = self.board, len(self.board.schools) + 1
        rank = np.append(board.rank, -1) + 1
        key = (board.g_name[rows] * n + rank[from_]) * n + rank[to]
        order = np.argsort((key * 2 + (1 - board.g_stage[rows])) * 3 + board.g_band[rows], kind="stable")
        return order[from_[order] != to[order]]

    # ---- how they get there ------------------------------------------------------------------------------------------

    def _ride(self, village: Ints, school: Ints) -> Floats:
        """Return the riding minutes of pairs; NaN where no bus goes."""
        board = self.board
        out = np.full(len(village), np.nan) if board.lines is None else board.lines[village, school]
        if self.settings.bus_minutes is not None:
            ride = board.road[village, school] / (self.settings.number("bus_kph") * 1000 / 60)
            out = np.fmin(out, np.where(ride <= self.settings.bus_minutes, ride, np.nan))
        return np.where(school < 0, np.nan, out)

    @cached_property
    def radius(self) -> Floats:
        """Return the walking radius of each stage."""
        given = [getattr(self.settings, f"walk_{stage}_m") for stage in STAGES]
        plan = self.board.radius_m
        return np.array([plan[stage] if m is None else m for m, stage in zip(given, STAGES, strict=True)], dtype=float)

    def _boards(
        self, rows: Ints, from_: Ints, to: Ints, pupils: Floats, boarders: Floats, metres: Floats
    ) -> Floats:  # fmt: skip
        board = self.board
        walks, unknown = metres <= self.radius[board.g_stage[rows]], ~np.isfinite(metres)
        rides = ~walks & ~unknown & np.isfinite(self._ride(board.g_village[rows], to))
        wish = np.where(~walks & ~rides & ~unknown, pupils, np.where(rides | unknown, boarders, 0.0))
        wish = np.where(may_board(self.settings.boarding_from_grade)[board.g_band[rows]], wish, 0.0)
        if not wish.any():
            return np.zeros(len(rows))
        gone = np.bincount(from_, boarders, len(board.schools))
        free = np.clip(board.beds - (board.beds_used - gone), 0.0, None)
        order = np.lexsort((-np.nan_to_num(metres), -boarders))
        return self.loops.give_beds(order, wish, to, free)

    def _cover(
        self, rows: Ints, village: Ints, to: Ints, band: Ints, pupils: Floats, boarders: Floats, boards: Floats,
        metres: Floats,
    ) -> dict[str, dict[str, float]]:  # fmt: skip
        """Count by stage how all pupils get to school afterwards."""
        board, loops = self.board, self.loops
        day, home = board.g_pupils - board.g_board, board.g_board.copy()
        left_day = np.bincount(rows, pupils - boarders, minlength=len(day))
        day, home = day - left_day, home - np.bincount(rows, boarders, minlength=len(day))
        young = self.settings.number("young_minutes")
        placed = to >= 0
        more_day, more_metres = np.where(placed, pupils - boards, 0.0), np.where(placed, metres, np.nan)
        more_board, stage = np.where(placed, boards, 0.0), board.g_stage[rows]
        minutes = np.where(placed, board.minutes[village, to], np.nan)
        stay = loops.cover(
            board.g_stage, board.g_band, day, home, board.g_metres, board.g_minutes,
            self._ride(board.g_village, board.g_school), self.radius, young,
        )  # fmt: skip
        new = loops.cover(
            stage, band, more_day, more_board, more_metres, minutes, self._ride(village, to), self.radius, young
        )
        total = stay + new
        total[:, 7] = np.fmax(stay[:, 7], new[:, 7])
        more = np.flatnonzero(np.isfinite(more_metres) & (more_day > 0))
        more = more[np.argsort(more_metres[more], kind="stable")]
        out = {}
        for s, name in enumerate(STAGES):
            known = total[s, 1] + total[s, 2] + total[s, 4]
            p90 = loops.quantile(
                board.g_order, board.g_stage, s, day, board.g_metres, more, stage, more_day, more_metres, known, 0.9
            )
            out[name] = _told(total[s], p90)
        return out

    # ---- what becomes of schools -------------------------------------------------------------------------------------

    def _loads(self, from_: Ints, to: Ints, band: Ints, pupils: Floats) -> Floats:
        out = self.board.sums.copy()
        np.subtract.at(out, (from_, band), pupils)
        placed = to >= 0
        np.add.at(out, (to[placed], band[placed]), pupils[placed])
        return out

    def _classes(self, from_: Ints, to: Ints, band: Ints, loads: Floats) -> tuple[Floats, Floats]:
        board = self.board
        touched = np.zeros((len(board.schools), len(STAGES)), dtype=bool)
        touched[from_, STAGE_OF_BAND[band]] = True
        touched[to[to >= 0], STAGE_OF_BAND[band[to >= 0]]] = True
        touched |= board.resized
        touched &= np.isfinite(board.rooms)  # classes nobody counted stay unknown
        counts, largest = board.own_classes.copy(), np.full_like(board.own_classes, np.nan)
        counts[self.shut | ~board.there] = 0.0
        touched[self.shut | ~board.there] = False
        self.loops.class_table(
            touched, loads, board.row_grades, board.rooms, np.array(self.caps, dtype=float), counts, largest
        )
        return counts, largest

    def _coefficients(self, from_: Ints, to: Ints, band: Ints, pupils: Floats) -> Floats:
        board = self.board
        empty = np.full((len(STAGES), len(board.coefficients.indicators)), np.nan)
        closed = self.shut | ~board.there
        if self._goods_go_elsewhere(closed, from_):
            return empty
        stage = STAGE_OF_BAND[band]
        placed = to >= 0
        if (board.coefficients.own_row[to[placed], stage[placed]] < 0).any():
            return empty  # a stage that begins: what it holds, only the evaluation says
        if board.coefficients.of_pupils and not closed[from_].all():
            return empty  # figures that go with pupils wherever they go
        change = np.zeros((len(board.schools), len(STAGES)))
        np.subtract.at(change, (from_, stage), pupils)
        np.add.at(change, (to[placed], stage[placed]), pupils[placed])
        order = np.lexsort((-stage[placed], board.rank[to[placed]], from_[placed]))
        flows = tuple(part[placed][order] for part in (from_, to, stage, pupils))
        found, complete = board.coefficients.after(closed, change, flows)  # type: ignore[arg-type]
        return found if complete else empty

    def _goods_go_elsewhere(self, closed: Bools, from_: Ints) -> bool:
        """Tell whether an operation hands goods on in a way only the whole evaluation follows."""
        usual = {ops.WITH_PUPILS}
        if self.board.converts:
            return True
        for school, operation in self.board.layout.movings.items():
            at = self.board.index.get_loc(school)
            if {operation.teachers, operation.equipment, operation.books} != usual:
                return True
            if not closed[at] and (from_ == at).any():
                return True
        return False


def _told(sums: Sequence[float], p90: float) -> dict[str, float]:
    row = {name: float(value) for name, value in zip(COVER, sums, strict=True)}
    metres = row.pop("metres")
    known = row["walk"] + row["ride"] + row["far"]
    mean = metres / known if known > 0 else float("nan")
    within = row["walk"] / known if known > 0 else float("nan")
    return {**row, "mean_m": mean, "p90_m": p90, "within_share": within}


@lru_cache(maxsize=16)
def may_board(from_grade: int) -> Bools:
    """Return for each band whether its pupils may board when boarding begins with a grade."""
    settings = Settings(boarding_from_grade=from_grade)
    return np.asarray(riding.may_board(settings, pd.Series(list(BANDS))), dtype=bool)
