"""The optimiser on counties: what may close, what is kept, and that the scenario judges the same plan."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from balance_lib import scenarios
from balance_lib._errors import DataError, NotFoundError
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.planning import siting
from balance_lib.planning.siting import Goals


@pytest.fixture(scope="module")
def akqi(root: Path) -> County:
    return County.open(root / "data" / "demo" / "akqi")


@pytest.fixture(scope="module")
def plan(akqi: County) -> siting.Proposal:
    return siting.propose(akqi, "primary", Goals(schools=18, may_close="all"), time_limit_s=30)


def test_the_scenario_moves_whom_the_model_moves(plan: siting.Proposal):
    assert len(plan.kept) == 18 and plan.closed and plan.solution.status == "optimal"
    assert plan.outcome is not None and plan.outcome.status != "infeasible"
    stayed = plan.solution.open[plan.layout.home]
    assert plan.outcome.moved == plan.layout.pupils[~stayed].sum()
    # Pupils of schools that stay open stay: the model's plan says so of every village.
    assert np.array_equal(plan.solution.assignment[stayed], plan.layout.home[stayed])
    extra = (plan.outcome.moves["pupils"] * plan.outcome.moves["extra_m"].clip(lower=0)).sum()
    assert extra == pytest.approx(plan.solution.objective, rel=0.02)
    assert set(plan.outcome.schools.query("state == 'closed'")["school_id"]) == set(plan.closed)


def test_nothing_closes_that_is_not_named(akqi: County, plan: siting.Proposal):
    everyone = len(plan.layout.school_ids)
    nothing = siting.propose(akqi, "primary", Goals(schools=everyone - 1), judge=False)
    assert nothing.solution.status == "infeasible" and nothing.closed == () and nothing.scenario.is_empty
    assert nothing.solution.reasons[0].rule == "too_few" and nothing.solution.reasons[0].needed == everyone
    named = plan.closed[0]
    only = siting.propose(akqi, "primary", Goals(schools=everyone - 1, may_close=[named]), judge=False)
    assert only.closed == (named,)
    spared = siting.propose(
        akqi, "primary", Goals(schools=18, may_close="all", protected=plan.closed), judge=False, time_limit_s=30
    )
    assert not set(spared.closed) & set(plan.closed)
    assert spared.solution.bound >= plan.solution.bound  # protecting can only cost


def test_limits_hold_or_are_told(akqi: County):
    goals = Goals(aim="fewest", may_close="all", max_distance_m=8000, capacity=False)
    found = siting.propose(akqi, "primary", goals, judge=False, time_limit_s=30)
    moved = ~found.solution.open[found.layout.home]
    paid = found.layout.metres[np.arange(moved.size), found.solution.assignment]
    assert moved.any() and paid[moved].max() <= 8000
    fewer = siting.propose(
        akqi,
        "primary",
        Goals(schools=len(found.kept) - 1, may_close="all", max_distance_m=8000, capacity=False),
        judge=False,
    )
    assert fewer.solution.status == "infeasible" and fewer.sentence("en") != fewer.sentence("zh")
    kept = Goals(schools=14, may_close="all", township_minimum=True, capacity=False)
    towns = siting.propose(akqi, "primary", kept, judge=False)
    layout = towns.layout
    assert set(layout.townships[towns.solution.open]) == set(layout.townships)


def test_the_frontier_falls_and_its_points_load_as_scenarios(akqi: County):
    front = siting.county_frontier(akqi, "primary", Goals(schools=1, may_close="all"), prove=True, time_limit_s=30)
    table = front.table
    assert table["proven"].all() and np.all(np.diff(table["extra_pupil_km"]) <= 1e-9)
    assert table["extra_pupil_km"].iloc[-1] == 0 and table["moved"].iloc[-1] == 0
    chosen = front.scenario(int(table["schools"].iloc[-2]))
    assert len(chosen.operations) == 1 and not scenarios.check(akqi, chosen)


def test_births_up_and_down_a_fifth(akqi: County, plan: siting.Proposal):
    table = siting.survives(plan, time_limit_s=10)
    fewer = table.set_index("percent").loc[-20.0]
    assert fewer["kept"] and fewer["extra_pupil_km"] == pytest.approx(0.8 * plan.solution.objective / 1000, rel=1e-3)
    assert np.all(table["best_pupil_km"].fillna(0) <= table["extra_pupil_km"].fillna(np.inf) * 1.01)


def test_unknown_names_are_told(akqi: County):
    with pytest.raises(NotFoundError):
        siting.propose(akqi, "primary", Goals(schools=18, may_close=["nowhere"]))
    with pytest.raises(NotFoundError):
        siting.propose(akqi, "senior", Goals(schools=1))
    with pytest.raises((NotFoundError, DataError)):
        siting.propose(akqi, "primary", Goals(schools=18), year=1990)
    with pytest.raises(ValueError, match="schools="):
        Goals()


def test_the_command_writes_a_scenario_that_evaluates(root: Path, tmp_path: Path):
    out = tmp_path / "plan.yaml"
    folder = str(root / "data" / "demo" / "akqi")
    ask = [
        "optimise",
        folder,
        "--stage",
        "primary",
        "--schools",
        "18",
        "--may-close",
        "all",
        "--out",
        str(out),
        "--json",
    ]
    result = CliRunner().invoke(app, ask)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["status"] == "optimal" and len(told["kept"]) == 18 and told["outcome"]
    assert scenarios.Scenario.from_yaml(out).operations
    plain = CliRunner().invoke(app, ["optimise", folder, "--stage", "primary", "--schools", "3", "--lang", "en"])
    assert plain.exit_code == 0 and "must stay" in plain.stdout
    missing = CliRunner().invoke(
        app, ["optimise", folder, "--stage", "primary", "--may-close", str(tmp_path / "no.txt")]
    )
    assert missing.exit_code == 2
