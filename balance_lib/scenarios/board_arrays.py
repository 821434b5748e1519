"""Lay out what stays as it is while sliders move, and say which schools a state of them closes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.scenarios import base as bases
from balance_lib.scenarios import layout as layouts
from balance_lib.scenarios.arrays import LayoutArrays
from balance_lib.scenarios.coefficients import Coefficients
from balance_lib.scenarios.scenario import Scenario
from balance_lib.scenarios.sliders import State
from balance_lib.standards import Standard

Bools = npt.NDArray[np.bool_]


class BoardArrays(LayoutArrays):
    """Hold what stays as it is while sliders move; parameters as of :class:`balance_lib.scenarios.board.Board`."""

    def __init__(
        self, county: County, scenario: Scenario, standard: Standard | str = "quality_2017", *, places: bool = False
    ) -> None:
        layout = layouts.of(bases.of(county, scenario), scenario)
        super().__init__(layout, layouts._ways_of(layout, roads=True))
        self.county, self.with_places = county, places
        self.scenario_given = scenario
        self.standard = standards.load(standard) if isinstance(standard, str) else standard
        self.enrolled = self.sums.sum(axis=1)
        self.may_close = self._may_close()
        self.coefficients = Coefficients(self, self.standard)

    def _may_close(self) -> Bools:
        """Return which schools a slider may close.

        The others stand under somebody's decision, or more pupils attend them than are enrolled.
        """
        layout, base = self.layout, self.base
        senior = set(base.rows.loc[base.rows["stage"] == "senior", "school_id"])
        spoken_for = {o.school_id for o in layout.scenario.effective}
        receivers = {to for o in layout.scenario.effective for to in o.others()}
        bar = senior | spoken_for | receivers | set(base.over) | set(layout.frame.index[layout.frame["protected"]])
        return self.allowed[0] & ~self.index.isin(bar)

    def closing(self, state: State) -> Bools:
        """Return which schools a state closes."""
        spared = self.index.isin(state.kept) if state.kept else np.zeros(len(self.index), dtype=bool)
        named = self.index.isin(state.closed) if state.closed else np.zeros(len(self.index), dtype=bool)
        small = self.enrolled < state.minimum_enrolment
        return self.may_close & (small | named) & ~spared
