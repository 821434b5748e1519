"""The arrays say who goes where and how as tables do: on random small counties and on a demonstration county."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from balance_lib.data.county import County
from balance_lib.scenarios import Scenario, base, layout, moves, riding
from balance_lib.scenarios.arrays import LayoutArrays
from tests import scenario_brute, scenario_tables
from tests.test_board import plans


def assert_same(county: County, plan: Scenario) -> None:
    drawn = layout.of(base.of(county, plan), plan)
    ways = layout._ways_of(drawn, roads=plan.settings.bus_minutes is not None)
    arrays = LayoutArrays(drawn, ways)
    assignment = moves.Assignment(arrays, plan.settings, plan.settings.assignment)
    if len(assignment.uncounted):
        return
    found = assignment.moves()
    brought = riding.Journeys.of(found.flows, plan.settings, arrays.radius)
    theirs = scenario_tables.moves(drawn, ways)
    table = scenario_tables.brought(drawn, ways, theirs.table)
    ours = brought.table(arrays.radius)
    pd.testing.assert_frame_equal(ours, table[ours.columns], check_dtype=False)
    for name, value in theirs.solution.items():
        if name == "objective_m" and ours["metres_after"].isna().any():
            continue  # where no way is known both take a length that stands for "far", not the same one
        same = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
        assert found.solution[name] == same, name
    assert found.crowded.table()["overflow"].sum() == theirs.crowded["overflow"].sum()
    if (arrays.g_school < 0).any() and (plan.settings.bus_minutes or arrays.lines is not None):
        return  # no bus is known to go to a school without a row of the year
    when = (("before", drawn.base.groups), ("after", _after(drawn.base.groups, table)))
    covered = pd.concat([scenario_tables.coverage(drawn, ways, g, w) for w, g in when], ignore_index=True)
    cover = riding.coverage_table(*(riding.coverage(arrays, plan.settings, arrays.radius, m) for m in (None, brought)))
    pd.testing.assert_frame_equal(cover, covered[cover.columns], rtol=1e-12)


def _after(groups: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    key = ["village_id", "school_id", "stage", "band"]
    less = {"pupils": -moved["pupils"], "boarders": -moved["boarders_before"]}
    off = moved.rename(columns={"from_id": "school_id"}).assign(**less)
    on = moved.rename(columns={"to_id": "school_id", "boarders_after": "boarders"})
    columns = [*key, "pupils", "boarders"]
    after = pd.concat([groups[columns], off[columns], on[columns]]).groupby(key, as_index=False).sum()
    return after[(after["pupils"] > 0) & (after["school_id"] != "")]


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_small_counties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    county = scenario_brute.county(rng)
    assert_same(county, scenario_brute.plan(rng, county))


_OPEN: dict[Path, County] = {}


@hypothesis.settings(max_examples=12, deadline=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
@hypothesis.given(st.data())
def test_a_demonstration_county(demo_dir: Path, data: st.DataObject) -> None:
    if demo_dir not in _OPEN:
        _OPEN[demo_dir] = County.open(demo_dir / "akqi")
    plan = data.draw(plans(_OPEN[demo_dir], 2023))
    assignment, bus = data.draw(st.sampled_from(("zoned", "transport"))), data.draw(st.sampled_from((None, 25.0)))
    assert_same(_OPEN[demo_dir], plan.with_settings(assignment=assignment, bus_minutes=bus))
