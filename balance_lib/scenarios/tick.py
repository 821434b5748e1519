"""Work out what one state of the sliders does, step by step, on the arrays of a board."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from balance_lib.scenarios import moves, riding
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.arrays import NOWHERE, BoardArrays
from balance_lib.scenarios.moves import Flows
from balance_lib.scenarios.sliders import State, Tick
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class TickComputation:
    """Work out one state of the sliders, step by step."""

    def __init__(self, board: BoardArrays, state: State) -> None:
        from balance_lib.scenarios import loops  # compiled: imported when first needed

        self.loops, self.board = loops, board
        self.settings = board.layout.scenario.settings
        if state.settings:
            self.settings = replace(self.settings, **state.settings)
        self.caps = self.settings.class_cap("primary"), self.settings.class_cap("junior")
        self.shut = board.closing(state)

    def tick(self) -> Tick:
        """Work it out."""
        board = self.board
        method: moves.Method = "transport" if board.with_places else "nearest"
        assignment = moves.Assignment(board, self.settings, method, shut=self.shut)
        moved = assignment.moves()
        flows, radius = moved.flows, self._radius()
        brought = riding.Journeys.of(flows, self.settings, radius)
        loads = self._loads(flows)
        classes, largest = self._classes(flows, loads)
        return Tick(
            closed=tuple(board.schools[j] for j in np.flatnonzero(self.shut)), rows=flows.rows,
            village=np.where(flows.village == len(board.villages), NOWHERE, flows.village), from_=flows.from_,
            to=flows.to, band=flows.band, pupils=flows.pupils, boards=brought.boards,
            metres_before=board.g_metres[flows.rows], metres_after=flows.metres, over=flows.over,
            cover=riding.coverage(board, self.settings, radius, brought), loads=loads, places=assignment.room,
            classes=classes, largest=largest, coefficients=self._coefficients(flows), proven=moved.proven,
        )  # fmt: skip

    def _radius(self) -> Floats:
        """Return the walking radius of each stage."""
        given = [getattr(self.settings, f"walk_{stage}_m") for stage in STAGES]
        plan = self.board.radius_m
        return np.array([plan[stage] if m is None else m for m, stage in zip(given, STAGES, strict=True)], dtype=float)

    def _loads(self, flows: Flows) -> Floats:
        out, placed = self.board.sums.copy(), flows.placed
        np.subtract.at(out, (flows.from_, flows.band), flows.pupils)
        np.add.at(out, (flows.to[placed], flows.band[placed]), flows.pupils[placed])
        return out

    def _classes(self, flows: Flows, loads: Floats) -> tuple[Floats, Floats]:
        board, placed = self.board, flows.placed
        touched = np.zeros((len(board.schools), len(STAGES)), dtype=bool)
        touched[flows.from_, flows.stage] = True
        touched[flows.to[placed], flows.stage[placed]] = True
        touched |= board.resized
        touched &= np.isfinite(board.rooms)  # classes nobody counted stay unknown
        counts, largest = board.own_classes.copy(), np.full_like(board.own_classes, np.nan)
        counts[self.shut | ~board.there] = 0.0
        touched[self.shut | ~board.there] = False
        self.loops.class_table(
            touched, loads, board.row_grades, board.rooms, np.array(self.caps, dtype=float), counts, largest
        )
        return counts, largest

    def _coefficients(self, flows: Flows) -> Floats:
        board, from_, to, stage, pupils = self.board, flows.from_, flows.to, flows.stage, flows.pupils
        empty = np.full((len(STAGES), len(board.coefficients.indicators)), np.nan)
        closed = self.shut | ~board.there
        if self._goods_go_elsewhere(closed, from_):
            return empty
        placed = flows.placed
        if (board.coefficients.own_row[to[placed], stage[placed]] < 0).any():
            return empty  # a stage that begins: what it holds, only the evaluation says
        opened = board.index.isin(board.layout.opened.index) & ~closed
        if (opened & (np.bincount(to[placed], pupils[placed], len(board.schools)) == 0)).any():
            return empty  # a school that opens and draws nobody: an open school without a row is no data
        if board.coefficients.of_pupils and not closed[from_].all():
            return empty  # figures that go with pupils wherever they go
        change = np.zeros((len(board.schools), len(STAGES)))
        np.subtract.at(change, (from_, stage), pupils)
        np.add.at(change, (to[placed], stage[placed]), pupils[placed])
        order = np.lexsort((-stage[placed], board.rank[to[placed]], from_[placed]))
        sent = tuple(part[placed][order] for part in (from_, to, stage, pupils))
        found, complete = board.coefficients.after(closed, change, sent)  # type: ignore[arg-type]
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
