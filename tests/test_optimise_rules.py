"""The rules of a county's plan: new sites, bus and beds, budgets, townships; against every choice there is."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from balance_lib import scenarios
from balance_lib._errors import DataError
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.planning import siting
from balance_lib.planning.siting import Goals, Site, survival
from balance_lib.planning.siting.layouts import CountyLayout
from balance_lib.planning.siting.model import CountyModel
from balance_lib.planning.siting.trial import PlanCheck, SiteChoice, Trials, broken
from balance_lib.scenarios import Boarding, Scenario
from tests import scenario_towns

# What a test is not about does not hold.
FREE: dict[str, Any] = {"radius": False, "young": False, "township_minimum": False}
STEP_M = 1995.66  # metres between two villages of the toy county: 0.018 degrees of latitude at 31 degrees north
NEW = Site(site_id="N", name_zh="新校", township="甲镇", lon=109.6, lat=31.0 + 2 * scenario_towns.STEP, classes=3)


@pytest.fixture(scope="module")
def toy() -> County:
    return scenario_towns.county()


def empty(county: County, **settings: Any) -> Scenario:
    return Scenario.empty(county, scenario_towns.YEAR).with_settings(**settings)


# New schools -------------------------------------------------------------------------------------------------------


def test_new_school_opens_where_it_saves_most_and_within_the_building_budget(toy: County):
    goals = Goals(schools=2, new_sites=[NEW], **FREE)
    found = siting.propose(toy, "junior", goals)
    assert (found.opened, found.closed, found.solution.status) == (("N",), (), "optimal")
    # 20 pupils of village 2 live where it opens, two steps from their school.
    assert found.solution.objective == pytest.approx(-20 * 2 * STEP_M, rel=1e-5)
    assert found.trial is not None and found.outcome is not None
    assert found.trial.choice.zones == (("v2", 1),) and found.outcome.moved == 20
    assert found.trial.building_yuan == 3 * 350_000
    assert "少走79.8人·公里" in found.sentence("zh") and "新办1所" in found.sentence("zh")

    poor = siting.propose(toy, "junior", replace(goals, building_budget_yuan=1e6), judge=False)
    assert poor.solution.status == "infeasible"
    assert {r.rule: (r.given, r.needed) for r in poor.solution.reasons} == {
        "give_schools": (2, 1), "give_building_budget": (100, 105),
    }  # fmt: skip
    own = replace(NEW, building_yuan=900_000.0)
    cheap = siting.propose(toy, "junior", replace(goals, new_sites=[own], building_budget_yuan=1e6), judge=False)
    assert cheap.opened == ("N",) and cheap.trial is not None and cheap.trial.building_yuan == 900_000


def test_no_new_school_without_a_site_and_no_site_that_cannot_be(toy: County):
    assert siting.propose(toy, "junior", Goals(schools=1), judge=False).opened == ()
    with pytest.raises(DataError):
        siting.propose(toy, "junior", Goals(schools=2, new_sites=[replace(NEW, classes=0)]))
    with pytest.raises(ValueError, match="twice"):
        Goals(schools=1, new_sites=[NEW, NEW])


def test_sites_are_read_from_a_table_or_refused_with_every_fault(tmp_path: Path):
    file = tmp_path / "sites.csv"
    file.write_text(
        "site_id,name_zh,township,lon,lat,classes,building_yuan\nN,新校,甲镇,109.6,31.036,3,\n", "utf-8-sig"
    )
    assert siting.read_sites(file) == (replace(NEW, lat=31.036),)
    file.write_text("site_id,name_zh,township,lon,lat,classes\nN,,甲镇,东,31,1.5\nN,乙,甲镇,109,31,6\n", "utf-8")
    with pytest.raises(DataError) as refused:
        siting.read_sites(file)
    assert [(f.rule, f.row, f.column) for f in refused.value.faults] == [
        ("required", 2, "name_zh"), ("not_a_number", 2, "lon"), ("whole", 2, "classes"), ("duplicate", 3, "site_id"),
    ]  # fmt: skip


# Bus, beds, grades 1 to 3 --------------------------------------------------------------------------------------------


def test_beyond_the_radius_only_by_bus_and_the_bus_costs_what_the_scenario_says(toy: County):
    goals = Goals(schools=2, may_close=["C"], **FREE | {"radius": True})
    stays = siting.propose(toy, "primary", goals, scenario=empty(toy, walk_primary_m=1500.0), judge=False)
    reasons = {r.rule: r for r in stays.solution.reasons}
    assert reasons["give_schools"].needed == 3 and reasons["give_radius"].needed == 2.0
    assert reasons["give_bus"].needed == 7  # 2.0 km by road 1.4 times as far, 25 km/h: 6.7 minutes
    assert stays.villages == ("v2",) and "2村" in stays.sentence("zh") and "开行校车" in stays.sentence("zh")

    rides = empty(toy, walk_primary_m=1500.0, bus_minutes=7.0, unit_costs=(("bus_rider", 1000.0),))
    found = siting.propose(toy, "primary", goals, scenario=rides)
    assert found.closed == ("C",) and found.outcome is not None and found.trial is not None
    assert found.trial.moves["riders"].sum() == 18 and found.outcome.coverage["ride"].max() == 18
    costs = found.outcome.costs.set_index("item")["change_yuan"]
    assert costs["bus_rider"] == 18_000
    assert found.trial.running_yuan == pytest.approx(costs.drop(["classroom", "bed"]).sum())
    assert found.scenario.settings == rides.settings


def test_grades_one_to_three_neither_board_nor_walk_too_long(toy: County):
    beds = empty(toy, walk_primary_m=1500.0, boarding_from_grade=4).with_operations(Boarding(school_id="B", places=50))
    goals = Goals(schools=2, may_close=["C"], **FREE | {"radius": True})
    assert siting.propose(toy, "primary", goals, scenario=beds, judge=False).solution.status == "infeasible"
    travel = CountyLayout.of(toy, "primary", replace(goals, young=True)).travel
    minutes = travel.pairs(-1, np.arange(travel.beds.size)).young_minutes
    walks = empty(toy, young_minutes=float(np.floor(minutes[1])))
    in_time = Goals(schools=2, may_close=["C"], **FREE | {"young": True})
    young = siting.propose(toy, "primary", in_time, scenario=walks, judge=False)
    assert {r.rule for r in young.solution.reasons} >= {"give_schools", "give_young"}
    longer = empty(toy, young_minutes=float(np.ceil(minutes[1])))
    assert siting.propose(toy, "primary", in_time, scenario=longer, judge=False).closed == ("C",)


def test_a_school_with_beds_or_a_bus_line_of_the_scenario_does_not_close(toy: County):
    base = empty(toy).with_operations(Boarding(school_id="C", places=5))
    found = siting.propose(toy, "primary", Goals(schools=2, may_close="all", **FREE), scenario=base, judge=False)
    assert found.closed == ("B",) and not scenarios.check(toy, found.scenario)


# Against every choice there is ---------------------------------------------------------------------------------------

SITE = Site(site_id="N", name_zh="新校", township="甲镇", lon=109.6, lat=31.0 + 1.6 * scenario_towns.STEP, classes=3)
SETTINGS = {"walk_primary_m": 1800.0, "bus_minutes": 8.0, "young_minutes": 40.0, "class_cap_primary": 20}
EVERY = {"may_close": ("B", "C"), "new_sites": (SITE,)}


@cache
def every_choice() -> tuple[County, list[PlanCheck]]:
    """Carry out every choice of schools and zones as a scenario: what a plan can be compared with."""
    county = scenario_towns.county()
    layout = CountyLayout.of(county, "primary", Goals(schools=1, **EVERY), scenario=base(county))
    trials, zones = Trials(layout), [z for z in CountyModel(layout).zones if z[0] != "v0"]
    assert len(zones) == 2 and (layout.by_band[0] > layout.free[-1]).all()  # village 0 is larger than the new school
    free = np.flatnonzero(~layout.must)
    out = []
    for bits in itertools.product((True, False), repeat=free.size):
        flags = layout.must.copy()
        flags[free] = bits
        opens = bool(flags[layout.new].any())
        for given_ in itertools.product((True, False), repeat=len(zones) if opens else 0):
            chosen = tuple(sorted(z for z, on in zip(zones, given_, strict=False) if on))
            if bool(chosen) == opens:
                out.append(trials.of(SiteChoice(tuple(flags.tolist()), chosen)))
    return county, out


def base(county: County) -> Scenario:
    return empty(county, **SETTINGS)


def under(goals: Goals) -> list[PlanCheck]:
    """Return every choice under other goals; what they cost was asked once."""
    county, trials = every_choice()
    layout = CountyLayout.of(county, "primary", goals, scenario=base(county))
    out = [replace(trial, layout=layout) for trial in trials]
    for mine, trial in zip(out, trials, strict=True):
        mine.__dict__["costs"] = trial.costs
    return out


PHASES = (Phase.explicit, Phase.generate)  # a failing example is small already; shrinking would take minutes
RULES = st.fixed_dictionaries(
    {
        "schools": st.sampled_from([None, 1, 2, 3, 4]),
        "radius": st.booleans(),
        "young": st.booleans(),
        "township_minimum": st.booleans(),
        "max_distance_m": st.sampled_from([None, 1000.0, 2500.0]),
        "min_size": st.sampled_from([None, 20.0, 40.0]),
        "building_budget_yuan": st.sampled_from([None, 2e6, 3e6]),
        "running_budget_yuan": st.sampled_from([None, -2e5, 0.0, 4e5]),
    }
)


@settings(max_examples=8, deadline=None, derandomize=True, phases=PHASES)
@given(RULES)
def test_the_plan_is_the_best_of_every_choice(rules: dict[str, Any]):
    county, _ = every_choice()
    goals = Goals(aim="fewest" if rules["schools"] is None else "walk", **EVERY, **rules)
    right = [trial for trial in under(goals) if not broken(trial, goals.schools)]
    best = min(((sum(t.choice.open) if goals.schools is None else 0, t.objective) for t in right), default=None)
    found = siting.propose(county, "primary", goals, scenario=base(county), judge=False)
    if best is None:
        assert found.solution.status == "infeasible" and found.solution.reasons
        assert not re.search(r"[{}]|nan", found.sentence("zh") + found.sentence("en"))
        return
    assert found.solution.status == "optimal"
    assert found.solution.objective == pytest.approx(best[1], rel=1e-6, abs=1e-3)
    if goals.schools is None:
        assert found.solution.open.sum() == best[0]


def test_the_independent_check_names_every_rule_a_choice_breaks():
    county, _ = every_choice()
    strict = {"radius": True, "young": True, "township_minimum": True, "max_distance_m": 1000.0, "min_size": 40.0,
              "building_budget_yuan": 0.0, "running_budget_yuan": -1e7}  # fmt: skip
    told = [set(broken(trial, 2)) for trial in under(Goals(schools=2, **EVERY, **strict))]
    assert set().union(*told) >= {"schools", "places", "max_distance", "min_size", "building_budget", "running_budget"}
    tight = empty(county, walk_primary_m=1000.0, young_minutes=10.0)
    goals = Goals(schools=1, may_close=("B", "C"), radius=True, young=True, township_minimum=False)
    layout = CountyLayout.of(county, "primary", goals, scenario=tight)
    trial = Trials(layout).of(SiteChoice((True, False, False)))
    outcome = scenarios.evaluate(county, trial.scenario)
    assert {b.rule for b in outcome.breaks} >= {"far", "young"} and set(broken(trial, 1)) == {"radius", "young"}
    assert outcome.moved == trial.moves["pupils"].sum()
    running = outcome.costs.query("kind == 'running'")["change_yuan"].sum()
    assert trial.running_yuan == pytest.approx(running)
    central = Trials(
        CountyLayout.of(county, "primary", Goals(schools=2, may_close="all", **FREE | {"township_minimum": True}))
    )
    assert broken(central.of(SiteChoice((False, True, True))), 2) == ["township"]  # B and C are village schools


# Births, command -----------------------------------------------------------------------------------------------------


def test_fewer_births_break_a_least_size_and_say_so(toy: County):
    goals = Goals(schools=2, may_close=("B", "C"), protected=("B",), min_size=40, **FREE)
    found = siting.propose(toy, "primary", replace(goals, protected=()), judge=False)
    assert found.closed == ("C",)  # B then has 48
    table = siting.survives(found).set_index("percent")
    assert not table.loc[-20.0, "kept"] and table.loc[20.0, "kept"]
    told = {r.rule: r.needed for r in table.loc[-20.0, "reasons"]}
    assert told["give_min_size"] == 38  # 0.8 × 48
    assert "学生减少20%时，方案守不住" in survival.sentence(table.reset_index(), "zh")


def test_the_command_takes_sites_bus_and_budgets(toy: County, tmp_path: Path):
    toy.save(tmp_path / "toy")
    sites = tmp_path / "sites.csv"
    sites.write_text("site_id,name_zh,township,lon,lat,classes\nN,新校,甲镇,109.6,31.036,3\n", "utf-8")
    ask = ["optimise", str(tmp_path / "toy"), "--stage", "junior", "--schools", "2", "--new-sites", str(sites),
           "--ignore-radius", "--ignore-young"]  # fmt: skip
    told = CliRunner().invoke(app, [*ask, "--building-budget-yuan", "1000000", "--lang", "en"])
    assert told.exit_code == 0 and "a building budget of 105" in told.stdout
    more = ["--bus-minutes", "40", "--unit-cost", "classroom=100000", "--survival", "--json"]
    found = json.loads(CliRunner().invoke(app, [*ask, *more]).stdout)
    assert found["opened"] == ["N"] and found["building_yuan"] == 300_000
    assert [row["kept"] for row in found["survival"]] == [True, True]
    wrong = CliRunner().invoke(app, [*ask, "--unit-cost", "classroom"])
    assert wrong.exit_code == 2
