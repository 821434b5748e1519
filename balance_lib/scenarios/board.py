"""Lay a county and a scenario out as arrays, so that a moving slider is answered in a few milliseconds."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.optimise import allocation
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.board_arrays import BoardArrays
from balance_lib.scenarios.packed import pack, typed_arrays
from balance_lib.scenarios.scenario import Scenario
from balance_lib.scenarios.sliders import State, Tick
from balance_lib.scenarios.tick import TickComputation
from balance_lib.standards import Standard


class Board(BoardArrays):
    """Lay a county and a scenario out for sliders.

    Parameters
    ----------
    county : County
        Hand in the same object again and again: ways are measured once.
    scenario : Scenario
        What has been decided so far: operations and settings.
    standard : Standard or str
        Whose difference coefficients are followed.
    places : bool
        Reckon with places (capacitated transport; a village may be split), whatever the scenario's assignment says;
        otherwise everyone goes to the nearest school, and ``proven`` tells whether places would have been enough.

    Raises
    ------
    DataError, NotFoundError
        As :func:`balance_lib.scenarios.evaluate`.
    """

    def __init__(
        self, county: County, scenario: Scenario, standard: Standard | str = "quality_2017", *, places: bool = False
    ) -> None:
        super().__init__(county, scenario, standard, places=places)
        self._boards: dict[float, Board] = {}

    @cached_property
    def for_page(self) -> dict[str, Any]:
        """Return its arrays as a page takes them, which then answers the sliders by itself."""
        return typed_arrays(pack(self))

    def scenario(self, state: State) -> Scenario:
        """Return the scenario that says the same as a state of the sliders; ``evaluate`` it for everything else."""
        shut = [ops.Close(school_id=self.schools[j]) for j in np.flatnonzero(self.closing(state))]
        given = self.scenario_given.with_operations(*shut).with_settings(**state.settings)
        return given.with_settings(assignment="transport") if self.with_places else given

    def tick(self, state: State) -> Tick:
        """Compute what a state of the sliders does."""
        return TickComputation(self.with_births(state.births_percent), replace(state, births_percent=None)).tick()

    def with_births(self, percent: float | None) -> Board:
        """Return the board with other births, on which the other sliders then move; this one where they are the same.

        Parameters
        ----------
        percent : float, optional
            As in :class:`State`.
        """
        if percent in (None, self.layout.scenario.settings.births_percent):
            return self
        assert percent is not None
        if percent not in self._boards:
            scenario = self.scenario_given.with_settings(births_percent=percent)
            self._boards[percent] = Board(self.county, scenario, self.standard, places=self.with_places)
        return self._boards[percent]


def warm_up() -> float:
    """Compile the loops ahead of time on a county of two schools; return the seconds it took."""
    start = perf_counter()
    allocation.warm_up()
    ids, where = ["A", "B"], {"lon": [109.0, 109.0], "lat": [31.0, 31.1]}
    schools = pd.DataFrame({"school_id": ids, "name_zh": ids, "kind": "primary", "founder": "county", **where})
    homes = pd.DataFrame({"village_id": ids, "name_zh": ids, **where})
    rows = {"year": 2020, "stage": "primary", "pupils": [40.0, 20.0]}
    years = pd.DataFrame({"school_id": ids, **rows, "grades": 6.0, "classes": 6.0, "teachers_bachelor": 3.0})
    going = pd.DataFrame({"village_id": ids, "school_id": ids, **rows, "band": "g4_6", "boarders": 0.0})
    frames = {"schools": schools, "villages": homes, "school_years": years, "attendance": going}
    county = County("toy", "toy", "toy", {name: tables.conform(frame, name) for name, frame in frames.items()})
    for places in (False, True):
        board = Board(county, Scenario.empty(county, 2020), places=places)
        board.tick(State(minimum_enrolment=30, walk_primary_m=1.0))
    return perf_counter() - start


__all__ = ["Board", "State", "Tick", "warm_up"]
