"""Work out what one state of the sliders does, step by step, on the arrays of a board."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from balance_lib.scenarios import moves, riding
from balance_lib.scenarios.arrays import NOWHERE
from balance_lib.scenarios.board_arrays import BoardArrays
from balance_lib.scenarios.moves import Flows
from balance_lib.scenarios.sliders import State, Tick
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]


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
        classes, largest = self._classes(flows)
        return Tick(
            closed=tuple(board.schools[j] for j in np.flatnonzero(self.shut)), rows=flows.rows,
            village=np.where(flows.village == len(board.villages), NOWHERE, flows.village), from_=flows.from_,
            to=flows.to, band=flows.band, pupils=flows.pupils, boards=brought.boards,
            metres_before=board.g_metres[flows.rows], metres_after=flows.metres, over=flows.over,
            cover=riding.coverage(board, self.settings, radius, brought), loads=flows.loads, places=assignment.room,
            classes=classes, largest=largest, proven=moved.proven,
            coefficients=board.coefficients.after(flows, self.shut | ~board.there),
        )  # fmt: skip

    def _radius(self) -> Floats:
        """Return the walking radius of each stage."""
        given = [getattr(self.settings, f"walk_{stage}_m") for stage in STAGES]
        plan = self.board.radius_m
        return np.array([plan[stage] if m is None else m for m, stage in zip(given, STAGES, strict=True)], dtype=float)

    def _classes(self, flows: Flows) -> tuple[Floats, Floats]:
        board, placed = self.board, flows.placed
        touched = np.zeros((len(board.schools), len(STAGES)), dtype=bool)
        touched[flows.from_, flows.stage] = True
        touched[flows.to[placed], flows.stage[placed]] = True
        touched |= board.resized
        touched &= np.isfinite(board.rooms)  # classes nobody counted stay unknown
        counts, largest = board.own_classes.copy(), np.full_like(board.own_classes, np.nan)
        counts[self.shut | ~board.there] = 0.0
        touched[self.shut | ~board.there] = False
        self.loops._class_table(
            touched, flows.loads, board.row_grades, board.rooms, np.array(self.caps, dtype=float), counts, largest
        )
        return counts, largest
