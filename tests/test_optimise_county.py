"""The optimiser on counties: what may close, what is kept, and that the scenario judges the same plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from balance_lib import optimise, scenarios
from balance_lib._errors import DataError, NotFoundError
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.data.intake.wide import read_wide
from balance_lib.planning import siting
from balance_lib.planning.siting import Goals
from tests import towns

# What a test is not about does not hold.
FREE: dict[str, Any] = {"radius": False, "young": False, "township_minimum": False}


@pytest.fixture(scope="module")
def akqi(root: Path) -> County:
    optimise.warm_up()  # limits of seconds must not be spent on compiling
    return County.open(root / "data" / "demo" / "akqi")


@pytest.fixture(scope="module")
def plan(akqi: County) -> siting.Proposal:
    return siting.propose(akqi, "primary", Goals(schools=18, may_close="all", **FREE), time_limit_s=30)


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
    nothing = siting.propose(akqi, "primary", Goals(schools=everyone - 1, **FREE), judge=False)
    assert nothing.solution.status == "infeasible" and nothing.closed == () and nothing.scenario.is_empty
    assert nothing.solution.reasons[0].rule == "too_few" and nothing.solution.reasons[0].needed == everyone
    named = plan.closed[0]
    only = siting.propose(akqi, "primary", Goals(schools=everyone - 1, may_close=[named], **FREE), judge=False)
    assert only.closed == (named,)
    spared = siting.propose(
        akqi, "primary", Goals(schools=18, may_close="all", protected=plan.closed, **FREE), judge=False, time_limit_s=30
    )
    assert not set(spared.closed) & set(plan.closed)
    assert spared.solution.bound >= plan.solution.bound  # protecting can only cost


def test_a_school_that_runs_teaching_points_hands_them_over(akqi: County):
    schools = akqi.tables["schools"].drop_duplicates("school_id").set_index("school_id")
    points = schools.index[(schools["host_school_id"] == "AQ002") & (schools["kind"] == "teaching_point")]
    goals = Goals(schools=20, may_close=["AQ002"], capacity=False, **FREE)
    found = siting.propose(akqi, "primary", goals)
    assert found.closed == ("AQ002",) and len(points) and found.outcome is not None
    moved = {o.school_id: o.host_id for o in found.scenario.operations if isinstance(o, scenarios.Attach)}
    assert set(moved) == set(points) and not scenarios.check(akqi, found.scenario)
    assert all(schools.at[host, "township"] == schools.at[point, "township"] for point, host in moved.items())
    assert "教学点改由其他学校管辖" in found.sentence("zh")
    # Only who runs them changes: nobody of theirs moves, and their staff costs what it did.
    assert not set(found.outcome.moves["from_id"]) & set(points)
    needed = found.outcome.schools.set_index("school_id").loc[points]
    assert (needed["teachers_needed_after"] == needed["teachers_needed_before"]).all()


def test_without_places_the_plan_builds_what_lacks_and_the_scenario_says_the_same(akqi: County):
    found = siting.propose(akqi, "primary", Goals(schools=14, may_close="all", capacity=False, **FREE))
    assert found.trial is not None and found.outcome is not None and found.solution.status == "optimal"
    assert any(isinstance(o, scenarios.Resize) for o in found.scenario.operations) and found.trial.building_yuan > 0
    assert found.outcome.moves["metres_after"].max() == found.trial.worst_m
    costs = found.outcome.costs.groupby("kind")["change_yuan"].sum()
    assert costs["investment"] == pytest.approx(found.trial.building_yuan)
    assert costs["running"] == pytest.approx(found.trial.running_yuan)
    assert not {b.rule for b in found.outcome.breaks} & {"overflow", "rooms", "school_size"}


@pytest.mark.shared
def test_a_school_whose_roll_nobody_recorded_stays_and_is_named(shared_dir: Path):
    source = shared_dir / "cases" / "unknown-roll-close"
    files = [source / "schools.csv", source / "villages.csv"]
    county = read_wide(files, year=2023, crs="WGS84").county("hewan", "河湾县")
    found = siting.propose(county, "primary", Goals(aim="fewest", may_close="all", **FREE), judge=False)
    assert "H04" in found.kept and found.layout.kept_by["untold"] == ("H04",)
    assert "柳林小学" in found.layout.must_stay("zh")


def test_a_school_nobody_can_measure_from_stays_and_is_named():
    schools = [towns.school("A"), towns.school("B", lon=None, lat=None, rank="village")]
    years = [towns.school_year("A", classes=12), towns.school_year("B", pupils=30)]
    going = {"school_id": "B", "stage": "primary", "year": 2020, "boarders": 0}
    attendance = [{**going, "village_id": "v", "band": "g1_3", "pupils": 30}]
    villages = [{"village_id": "v", "name_zh": "v村", "township": "甲镇"}]  # no place either
    county = towns.county(schools, years, villages=villages, attendance=attendance)
    found = siting.propose(county, "primary", Goals(schools=1, may_close="all", **FREE), judge=False)
    assert found.layout.kept_by["unplaced"] == ("B",) and "B" not in found.closed
    assert "B校" in found.layout.must_stay("zh")


def test_limits_hold_or_are_told(akqi: County):
    goals = Goals(aim="fewest", may_close="all", max_distance_m=8000, capacity=False, **FREE)
    found = siting.propose(akqi, "primary", goals, judge=False, time_limit_s=30)
    moved = ~found.solution.open[found.layout.home]
    paid = found.layout.metres[np.arange(moved.size), found.solution.assignment]
    assert moved.any() and paid[moved].max() <= 8000
    fewer = siting.propose(
        akqi,
        "primary",
        Goals(schools=len(found.kept) - 1, may_close="all", max_distance_m=8000, capacity=False, **FREE),
        judge=False,
    )
    assert fewer.solution.status == "infeasible" and fewer.sentence("en") != fewer.sentence("zh")
    kept = Goals(schools=14, may_close="all", capacity=False, **FREE | {"township_minimum": True})
    towns = siting.propose(akqi, "primary", kept, judge=False)
    layout = towns.layout
    assert set(layout.townships[towns.solution.open]) == set(layout.townships)


def test_the_frontier_falls_and_its_points_load_as_scenarios(akqi: County):
    hosts = set(akqi.tables["schools"]["host_school_id"].dropna())
    goals = Goals(schools=1, may_close="all", protected=hosts, **FREE)
    front = siting.county_frontier(akqi, "primary", goals, prove=True, time_limit_s=30)
    table = front.table
    assert table["proven"].all() and np.all(np.diff(table["extra_pupil_km"]) <= 1e-9)
    assert table["extra_pupil_km"].iloc[-1] == 0 and table["moved"].iloc[-1] == 0
    chosen = front.scenario(int(table["schools"].iloc[-2]))
    assert sum(isinstance(o, scenarios.Close) for o in chosen.operations) == 1 and not scenarios.check(akqi, chosen)


def test_births_up_and_down_a_fifth(akqi: County, plan: siting.Proposal):
    table = siting.survives(plan, time_limit_s=10)
    fewer = table.set_index("percent").loc[-20.0]
    assert fewer["kept"] and fewer["extra_pupil_km"] == pytest.approx(0.8 * plan.solution.objective / 1000, rel=1e-3)
    assert np.all(table["best_pupil_km"].fillna(0) <= table["extra_pupil_km"].fillna(np.inf) * 1.01)


def test_unknown_names_are_told(akqi: County):
    with pytest.raises(NotFoundError):
        siting.propose(akqi, "primary", Goals(schools=18, may_close=["nowhere"], **FREE))
    with pytest.raises(NotFoundError):
        siting.propose(akqi, "senior", Goals(schools=1, **FREE))
    with pytest.raises((NotFoundError, DataError)):
        siting.propose(akqi, "primary", Goals(schools=18, **FREE), year=1990)
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
        *("--ignore-radius", "--ignore-young", "--ignore-townships"),
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
