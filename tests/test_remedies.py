"""The cheapest plan on toy counties: amounts worked out by hand, third-party oracles, and what must never happen."""

from __future__ import annotations

import io
import itertools
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from balance_lib import inequality, standards
from balance_lib._errors import NotFoundError, PolicyError
from balance_lib.data.check.figures import check as check_figures
from balance_lib.data.county import County
from balance_lib.evaluation import evaluate, indicators
from balance_lib.planning import remedies
from balance_lib.planning.remedies.affine import NotAffineError, _ratio_of
from balance_lib.planning.remedies.catalogue import Price
from balance_lib.planning.remedies.demands import Demands
from balance_lib.planning.remedies.levers import Lever
from balance_lib.planning.remedies.model import RemedyModel
from balance_lib.planning.remedies.phasing import _phase
from tests import towns

QUALITY, BASIC = standards.load("quality_2017"), standards.load("basic_2012")
YEAR = 2020


def toy(*changes: dict[str, Any], kind: str = "primary", **more: list[dict[str, Any]]) -> County:
    """Return a county of one school for each set of changed figures."""
    ids = [f"S{i}" for i in range(len(changes))]
    return towns.county(
        [towns.school(i, kind) for i in ids],
        [towns.school_year(i, year=YEAR, **change) for i, change in zip(ids, changes, strict=True)],
        **more,
    )


# What is judged of schools; the county's own figures only where a test is about them.
SCHOOLS = [i.code for i in QUALITY.judged if i.code[0] in "LRC" or i.code in ("G3-music", "G3-art", "G5-primary")]


def plan_for(county: County, standard: standards.Standard = QUALITY, **options: Any) -> remedies.RemedyPlan:
    figures = standard is not QUALITY or len(county.tables["county_years"])
    options = {"codes": None if figures else SCHOOLS, "seconds": 6, "gap": 1e-6, **options}
    return remedies.propose(county, standard, year=YEAR, **options)


def proved(county: County, standard: standards.Standard, plan: remedies.RemedyPlan) -> None:
    """Judge the county with the plan done: everything promised is met, and nothing that was met has fallen."""
    codes = SCHOOLS if standard is QUALITY and county.tables["county_years"].empty else None
    before = {r.item.code: r.status for r in evaluate(county, standard, year=YEAR, codes=codes).items}
    done = remedies.apply(county, plan)
    after = {r.item.code: r.status for r in evaluate(done, standard, year=YEAR, codes=codes).items}
    assert {after[code] for code in plan.promised["code"]} <= {"met"}
    assert [code for code, status in before.items() if status == "met" and after[code] != "met"] == []


def units(plan: remedies.RemedyPlan) -> dict[tuple[str, str], float]:
    return {(s, a): u for s, a, u in plan.lines[["school_id", "action", "units"]].itertuples(index=False)}


def priced(**yuan: float) -> remedies.Catalogue:
    """Return the shipped catalogue with other prices paid once, for some actions."""
    book = remedies.catalogue()

    def changed(found: Any) -> dict[str, remedies.Action]:
        return {i: replace(a, once=Price(yuan[i]), yearly=Price()) if i in yuan else a for i, a in found.items()}

    return replace(book, actions=changed(book.actions), rotations=changed(book.rotations))


# --- amounts worked out by hand -----------------------------------------------------------------------------------


def test_nothing_failing_costs_nothing() -> None:
    plan = plan_for(toy({}))
    assert (plan.status, plan.cost_yuan, len(plan.lines), len(plan.promised)) == ("nothing_to_do", 0.0, 0, 0)


def test_the_dearest_indicator_is_left_at_the_floor() -> None:
    # 100 pupils: 700 m² of rooms against 450 m²; sports 500 m² against 750 m² (floor 637.5); equipment 100,000 yuan
    # against 200,000 (floor 170,000). Leaving equipment saves 30,000 yuan; leaving sports 112.5 m² x 350 = 39,375.
    county = toy({"sports_field_m2": 500, "equipment_yuan": 100_000})
    plan = plan_for(county)
    assert units(plan) == {("S0", "lay_fields"): 138.0, ("S0", "buy_equipment"): 100_000.0}
    assert plan.cost_yuan == 138 * 350 + 100_000
    assert 138 * 350 + 100_000 < 250 * 350 + 70_000  # the other choice
    assert plan.allowed[["school_id", "indicator"]].to_numpy().tolist() == [["S0", "sports_area"]]
    assert set(plan.promised["code"]) == {"L5-primary", "L6-primary", "R-primary"}
    proved(county, QUALITY, plan)


def test_one_indicator_already_at_the_floor_needs_nothing() -> None:
    assert plan_for(toy({"sports_field_m2": 640})).status == "nothing_to_do"


def test_rooms_fit_a_class_count_and_the_cheaper_way_is_taken() -> None:
    # 13 classes need two music rooms of 96 m²; there is one, and a smaller one that can be enlarged for 90,000 yuan.
    bands = {"classes": 13, "classes_1_25": 13, "multimedia_rooms": 13}
    county = toy({**bands, "music_rooms": 2, "music_rooms_73": 1, "art_rooms": 2, "art_rooms_90": 2})
    plan = plan_for(county)
    assert units(plan) == {("S0", "enlarge_music_room"): 1.0}
    after = remedies.apply(county, plan).table("school_years", YEAR).iloc[0]
    assert (after["music_rooms"], after["music_rooms_96"], after["music_rooms_73"]) == (2, 2, 0)
    proved(county, QUALITY, plan)


def test_oversized_classes_are_split_first_and_what_follows_is_counted() -> None:
    # 12 classes, one of 46–50: after the split there are 13, so a second music and a second art room are due.
    bands = {"pupils": 300, "classes": 12, "classes_1_25": 11, "classes_46_50": 1, "teachers": 30, "staff": 31}
    assets = {"teaching_area_m2": 2000, "sports_field_m2": 3000, "equipment_yuan": 900_000, "multimedia_rooms": 13}
    staff = {"teachers_college": 6, "teachers_bachelor": 20, "teachers_backbone": 5, "teachers_pe": 3,
             "teachers_certified": 30, "teachers_trained_360h": 30}  # fmt: skip
    county = toy({**bands, **assets, **staff, "pupils_in_zone": 300, "funded_pupils": 300})
    plan = plan_for(county)
    assert {("S0", "split_46_50"), ("S0", "build_music_room"), ("S0", "build_art_room")} == set(units(plan))
    after = remedies.apply(county, plan).table("school_years", YEAR).iloc[0]
    assert (after["classes"], after["classes_1_25"], after["classes_46_50"], after["teachers"]) == (13, 13, 0, 32)
    assert set(plan.promised["code"]) == {"G5-primary"}
    proved(county, QUALITY, plan)


def test_a_shared_asset_is_bought_for_the_whole_school() -> None:
    # 100 primary + 100 junior pupils share 200 m² of field as 1 : 1.1; junior needs 10.2 m² a pupil, the harder line.
    part = {"sports_field_m2": math.nan, "gym_m2": math.nan}
    rows = [
        towns.school_year("S0", "primary", YEAR, **part),
        towns.school_year("S0", "junior", YEAR, **part, teachers=9, teachers_bachelor=9, teachers_college=0),
        {"school_id": "S0", "year": YEAR, "stage": "shared", "sports_field_m2": 200.0, "gym_m2": 0.0},
    ]
    county = towns.county([towns.school("S0", "nine_year")], rows)
    plan = plan_for(county, costs=priced(lay_fields=1.0))
    sports = plan.lines[plan.lines["action"] == "lay_fields"]
    assert sports["stage"].tolist() == ["shared"]
    # either stage may leave one indicator at 85 %: 867 m² for junior and 637.5 m² for primary
    assert sports["units"].sum() == math.ceil(max(0.85 * 10.2 * 100 * 2.1 / 1.1, 0.85 * 7.5 * 100 * 2.1) - 200)
    proved(county, QUALITY, plan)


# --- teachers -----------------------------------------------------------------------------------------------------


def test_a_teacher_moves_where_that_is_cheaper_and_the_lender_stays_above_its_line() -> None:
    rich = {"teachers_backbone": 3, "teachers": 12, "staff": 13, "teachers_bachelor": 9,
            "teachers_certified": 12, "teachers_trained_360h": 12}  # fmt: skip
    poor = {"teachers_backbone": 0, "sports_field_m2": 640}  # its one indicator at the floor is already sports
    county = toy(rich, poor, {"teachers_backbone": 1})
    plan = plan_for(county, costs=priced(rotate_backbone=100.0))
    assert units(plan) == {("S0", "rotate_backbone"): -1.0, ("S1", "rotate_backbone"): 1.0}
    after = remedies.apply(county, plan).table("school_years", YEAR).set_index("school_id")
    before = county.table("school_years", YEAR).set_index("school_id")
    for column in ("teachers", "staff", "teachers_backbone", "teachers_bachelor", "teachers_certified"):
        assert after[column].sum() == before[column].sum(), column
    assert after["teachers_backbone"].to_dict() == {"S0": 2, "S1": 1, "S2": 1}
    proved(county, QUALITY, plan)


def test_nobody_lends_what_it_needs_itself() -> None:
    county = toy({"teachers_backbone": 1}, {"teachers_backbone": 0, "sports_field_m2": 640})
    plan = plan_for(county, costs=priced(rotate_backbone=0.01))
    assert units(plan) == {("S1", "train_backbone"): 1.0}


def test_rotation_counts_in_the_county_figures() -> None:
    figures = towns.figures(YEAR, rotated=9, rotation_eligible=100, rotated_backbone=1)
    plan = plan_for(county := toy({}, county_years=figures), codes=["G11-share", "G11-backbone"])
    # one more to reach 10 %, two of ten to reach 20 %: exchanging one backbone teacher does both
    assert units(plan) == {("", "exchange_backbone"): 1.0}
    assert set(plan.promised["code"]) == {"G11-share", "G11-backbone"}
    proved(county, QUALITY, plan)


def test_no_more_are_trained_than_teach() -> None:
    county = toy({"teachers_backbone": 0, "teachers": 0, "staff": 0, "teachers_college": 0, "teachers_bachelor": 0,
                  "teachers_certified": 0, "teachers_trained_360h": 0, "teachers_mid_rank": 0, "teachers_pe": 0,
                  "teachers_music": 0, "teachers_on_subject": 0})  # fmt: skip
    plan = plan_for(county)
    done = remedies.apply(county, plan)
    row = done.table("school_years", YEAR).iloc[0]
    # 100 pupils: five of a higher degree (one indicator may stay at 85 %: 3.57), one backbone, one for PE and the arts
    assert row["teachers"] >= 4 and row["teachers_backbone"] >= 1 and row["teachers_pe"] >= 1
    assert [f for f in check_figures(done.tables) if f.severity == "error"] == []
    proved(county, QUALITY, plan)


# --- difference coefficients --------------------------------------------------------------------------------------


def test_a_coefficient_is_brought_down_as_cheaply_as_a_cone_solver_would() -> None:
    pupils = np.array([100.0, 200.0, 300.0, 150.0, 250.0])
    area = np.array([800.0, 1600.0, 12_000.0, 1300.0, 9000.0])
    enough = {"teaching_area_m2": 9000, "equipment_yuan": 3e6, "multimedia_rooms": 40, "teachers": 40, "staff": 40,
              "teachers_bachelor": 20, "teachers_college": 15, "teachers_backbone": 9, "teachers_pe": 9}  # fmt: skip
    # every school has the same per pupil of everything but sports, so no other coefficient is in the way
    shares = pupils / 100.0
    more = {"teachers_certified": 40, "teachers_trained_360h": 40}
    rows = [{**{k: round(v * s) for k, v in {**enough, **more}.items()}, "pupils": p, "sports_field_m2": a,
             "pupils_in_zone": p, "funded_pupils": p, "classes": 12, "classes_1_25": 12}
            for p, a, s in zip(pupils, area, shares, strict=True)]  # fmt: skip
    county = toy(*rows)
    plan = plan_for(county)
    assert "CV5-primary" in set(plan.promised["code"]) and set(plan.lines["action"]) == {"lay_fields"}
    weights = pupils / pupils.sum()

    def over(x: np.ndarray) -> float:
        values = (area + x) / pupils
        mean = weights @ values
        return float(0.5 * mean - math.sqrt(weights @ (values - mean) ** 2))

    least = minimize(
        lambda x: x.sum(), np.full(5, 500.0), method="SLSQP", bounds=[(0, None)] * 5, tol=1e-12,
        constraints=[{"type": "ineq", "fun": over}, {"type": "ineq", "fun": lambda x: area + x - 7.5 * pupils}],
        options={"maxiter": 500},
    )  # fmt: skip
    assert plan.bound_yuan <= 350 * least.fun * (1 + 1e-4)
    assert plan.cost_yuan == pytest.approx(350 * least.fun, rel=3e-3) and plan.cost_yuan >= 350 * least.fun * 0.9999
    proved(county, QUALITY, plan)


def test_a_composite_coefficient_is_met() -> None:
    county = toy({"books": 20_000, "computers": 90, "equipment_yuan": 4e6, "sports_field_m2": 9000,
                  "teaching_area_m2": 5000, "teachers_mid_rank": 8}, {"books": 300, "computers": 2,
                  "teachers_mid_rank": 0}, {"books": 500, "computers": 3, "teachers_mid_rank": 1})  # fmt: skip
    before = evaluate(county, BASIC, year=YEAR)
    assert before.item("CV-primary").status == "not_met"
    plan = plan_for(county, BASIC)
    assert list(plan.promised["code"]) == ["CV-primary"] and math.isnan(plan.bound_yuan)
    assert 0 < plan.cost_yuan <= plan.greedy_yuan + 1
    proved(county, BASIC, plan)


# --- every whole plan tried ---------------------------------------------------------------------------------------


@settings(max_examples=2, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 4)), min_size=2, max_size=3))
def test_no_whole_plan_tried_by_hand_is_cheaper(schools: list[tuple[int, int, int]]) -> None:
    rows = [{"teachers_backbone": b, "teachers_pe": p, "teachers_music": 0, "multimedia_rooms": m,
             "sports_field_m2": 640} for b, p, m in schools]  # fmt: skip
    county = toy(*rows)
    plan = plan_for(county, without=["rotate", "hire"])
    cheapest = math.inf
    for extra in itertools.product(range(2), range(3), range(4), repeat=len(rows)):
        got = [(b + extra[3 * i], p + extra[3 * i + 1], m + extra[3 * i + 2]) for i, (b, p, m) in enumerate(schools)]
        lines = all(b >= 1 and p >= 0.9 and m >= 2.3 for b, p, m in got)
        spread = [inequality.coefficient_of_variation([v[k] for v in got], [100] * len(got)) for k in range(3)]
        if lines and max(spread) <= 0.5:
            money = sum(15_000 * (extra[3 * i] + extra[3 * i + 1]) + 30_000 * extra[3 * i + 2] for i in range(len(got)))
            cheapest = min(cheapest, money)
    # equipment comes with multimedia rooms and keeps its own coefficient: 300,000 yuan and a little more a school
    assert plan.cost_yuan == pytest.approx(cheapest, abs=1.0)
    proved(county, QUALITY, plan)


# --- what nothing helps -------------------------------------------------------------------------------------------


def test_missing_data_is_never_filled() -> None:
    county = toy(
        {"sports_field_m2": math.nan, "teachers_backbone": 0}, {"sports_field_m2": 100, "teachers_backbone": 0}
    )
    plan = plan_for(county)
    after = remedies.apply(county, plan).table("school_years", YEAR)
    assert after["sports_field_m2"].isna().tolist() == [True, False]
    why = dict(zip(plan.unhelped["code"], plan.unhelped["why"], strict=True))
    assert why["L5-primary"] == why["R-primary"] == why["CV5-primary"] == "no_data"
    assert not {"L5-primary", "R-primary"} & set(plan.promised["code"])
    assert ("S1", "lay_fields") in units(plan)  # what is known to be short is closed all the same
    lacking = after.isna().sum().sum()
    assert lacking == county.table("school_years", YEAR).isna().sum().sum()


def test_what_no_action_helps_is_listed_with_its_reason() -> None:
    figures = towns.figures(YEAR, basic_recognised_year=2019, satisfaction_pct=80)
    county = toy({}, county_years=figures)
    plan = plan_for(county)
    why = dict(zip(plan.unhelped["code"], plan.unhelped["why"], strict=True))
    assert why["P1"] == "fact" and why["V1"] == "evidence" and why["G7"] == "no_data"
    assert plan.promised.set_index("code")["basis"].to_dict() == {"S1": "target"}  # an aim, never a purchase
    assert plan.lines["cost_yuan"].isna().all() and plan.cost_yuan == 0 and plan.unpriced == 1
    for lang in ("zh", "en"):
        assert all(reason.render(lang) for reason in plan.unhelped["reason"])
    proved(county, QUALITY, plan)


def test_growth_that_failed_in_the_past_is_past() -> None:
    standard = standards.load("akqi_2022")
    spend = {2016: 900.0, 2017: 950.0, 2018: 940.0, 2019: 1000.0, 2020: 990.0}
    figures = [f for year, value in spend.items() for f in towns.figures(year, per_pupil_spend_yuan=value)]
    years = [towns.school_year("S0", year=year) for year in spend]
    plan = remedies.propose(
        towns.county([towns.school("S0")], years, county_years=figures), standard, year=YEAR, codes=["A2-2.5"]
    )
    row = plan.unhelped.set_index("code").loc["A2-2.5"]
    assert row["why"] == "past" and "2018" in row["reason"].render("zh")
    figures = [f for f in figures if f["year"] != 2018] + towns.figures(2018, per_pupil_spend_yuan=960.0)
    county = towns.county([towns.school("S0")], years, county_years=figures)
    plan = remedies.propose(county, standard, year=YEAR, codes=["A2-2.5"])
    assert "A2-2.5" in set(plan.promised["code"])  # only this year is short: it can still be made good
    change = plan.changes.set_index("column").loc["per_pupil_spend_yuan"]
    assert change["before"] == 990 and change["after"] > 1000
    # each yuan a pupil costs a yuan for every pupil
    line = plan.lines.set_index("action").loc["per_pupil_spend_yuan"]
    assert line["yearly_yuan"] == pytest.approx(100 * line["units"])


def test_a_banned_or_late_action_makes_it_infeasible_and_says_where_and_how_much() -> None:
    county = toy({"sports_field_m2": 500}, {"teachers_backbone": 0, "sports_field_m2": 640})
    plan = plan_for(county, without=["build"])
    assert plan.status == "partial"
    row = plan.shortfalls[plan.shortfalls["school_id"] == "S0"].iloc[0]
    # 5 m² a pupil against 7.5, of which 85 % would do
    assert (row["code"], row["unit"]) == ("L5-primary", "m²/pupil")
    assert row["missing"] == pytest.approx(0.85 * 7.5 - 5.0, abs=1e-3)
    assert ("S1", "train_backbone") in units(plan)  # the other school is helped all the same
    late = plan_for(county, by=date(YEAR + 1, 8, 31))  # a field takes a year
    assert "lay_fields" not in set(late.lines["action"]) and late.status == "partial"


# --- money --------------------------------------------------------------------------------------------------------


def test_a_budget_is_kept_and_more_money_never_helps_fewer() -> None:
    county = toy(*({"sports_field_m2": 500 - 20 * i, "teachers_backbone": 0} for i in range(2)))
    full = plan_for(county)
    met = []
    for share in (0.0, 0.6, 1.0):
        plan = plan_for(county, budget_yuan=share * full.cost_yuan)
        assert plan.cost_yuan <= share * full.cost_yuan + 1e-6
        done = evaluate(remedies.apply(county, plan), QUALITY, year=YEAR, codes=SCHOOLS)
        met.append(sum(p is True for p in done.rules["passes"]))
        assert {r.status for r in done.items if r.item.code in set(plan.promised["code"])} <= {"met"}
    assert met == sorted(met) and met[0] == 0 and met[-1] == 2 and met[1] == 1


def test_years_carry_the_plan_within_their_budgets() -> None:
    lines = pd.DataFrame({"units": [10.0, 4.0], "once_yuan": [1000.0, 0.0], "yearly_yuan": [0.0, 400.0],
                          "cost_yuan": [1000.0, 400.0], "_line": [0, 1], "_step": [0, 1]})  # fmt: skip
    done, years = _phase(lines, [1, 0], [2021, 2022, 2023], {2021: 600.0, 2022: 600.0, 2023: 400.0})
    assert done.groupby("_line")["units"].sum().tolist() == [10.0, 4.0]
    assert done.loc[done["_line"] == 0, "phase"].max() <= 2022  # a year of lead time before the end of 2023
    assert done.loc[done["_line"] == 1, "phase"].unique().tolist() == [2023]  # what is paid yearly begins last
    assert (years["total_yuan"] <= years["budget_yuan"] + 1e-6).all()
    assert years["once_yuan"].sum() == 1000 and years["yearly_yuan"].tolist() == [0, 0, 400]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_teacher_is_in_one_place_at_a_time_whatever_the_budgets(data: st.DataObject) -> None:
    """Split at random: as many leave as arrive in every year, and every year of absence has its allowance."""
    lent = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    taken = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    taken.append(max(0, sum(lent) - sum(taken)))
    lent.append(max(0, sum(taken) - sum(lent)))
    units = [-float(n) for n in lent if n] + [float(n) for n in taken if n] + [30.0]
    yearly = [12.0 * max(0.0, -n) for n in units]
    once = [0.0] * (len(units) - 1) + [3000.0]
    lines = pd.DataFrame({"units": units, "once_yuan": once, "yearly_yuan": yearly})
    lines = lines.assign(cost_yuan=lines.sum(axis=1), _line=range(len(units)), _step=[0] * (len(units) - 1) + [1])
    year = [2021, 2022, 2023]
    most = st.sampled_from([0.0, 40.0, 150.0, 400.0, 1000.0, 3000.0])
    budgets = data.draw(st.none() | st.fixed_dictionaries(dict.fromkeys(year, most)))
    done, years = _phase(lines, [0] * len(units), year, budgets)
    assert done.groupby("_line")["units"].sum().tolist() == units
    moved = done[done["_line"] < len(units) - 1]
    assert (moved.groupby("phase")["units"].sum() == 0).all()
    away = [-moved.loc[(moved["phase"] <= y) & (moved["units"] < 0), "units"].sum() for y in year]
    assert years["yearly_yuan"].tolist() == pytest.approx([12.0 * n for n in away])
    assert all(float(n).is_integer() for n in done["units"])


def test_a_year_without_enough_money_is_named() -> None:
    plan = plan_for(toy({"sports_field_m2": 500}), budgets={2021: 0.0, 2022: 0.0, 2023: 1e9})
    assert {m.key for m in plan.shortfalls["reason"]} == {"remedy.short.year"}


def test_wrong_wishes_are_refused() -> None:
    county = toy({})
    with pytest.raises(NotFoundError):
        plan_for(county, without=["magic"])
    with pytest.raises(ValueError, match="not after"):
        plan_for(county, by=date(YEAR, 8, 31))
    with pytest.raises(ValueError, match="negative"):
        plan_for(county, budget_yuan=-1.0)
    with pytest.raises(NotFoundError):
        remedies.propose(county, QUALITY, year=1999)


# --- the next 10,000 yuan -----------------------------------------------------------------------------------------


def test_the_next_money_goes_where_the_evaluation_says_it_closes_most() -> None:
    county = toy({"sports_field_m2": 500}, {"sports_field_m2": 600, "equipment_yuan": 150_000})
    table = remedies.marginal(county, QUALITY, year=YEAR, spend_yuan=10_000)
    assert table["closes"].is_monotonic_decreasing
    row = table[(table["school_id"] == "S0") & (table["action"] == "lay_fields")].iloc[0]
    # 10,000 yuan lay 28.57 m²: from 5 to 5.2857 m² a pupil, of a line of 7.5
    assert row["units"] == pytest.approx(10_000 / 350)
    assert row["missing_before"] - row["missing_after"] == pytest.approx(10_000 / 350 / 100)
    assert row["closes"] == pytest.approx(10_000 / 350 / 100 / 7.5)
    raised = county.table("school_years").assign(sports_field_m2=[500 + 10_000 / 350, 600])
    cv = evaluate(county.with_tables(school_years=raised), QUALITY, year=YEAR).cv.set_index("indicator")["cv"]
    assert row["cv_after"] == pytest.approx(cv["sports_area"])


# --- formulas and prices ------------------------------------------------------------------------------------------


NUMBERS = st.floats(1.0, 1e4, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([
    "100 * (a + b) / c", "a / c", "(a - b) / c", "100 * a / (b + c)", "2 * a - b / 4", "-a + 3",
    "(a + b) * 2 / (c * 5)", "a / (-((-c) // 12))",
]))  # fmt: skip
def test_a_formula_is_the_ratio_it_is_read_as(a: float, b: float, c: float, formula: str) -> None:
    frame = pd.DataFrame({"a": [a], "b": [b], "c": [c]})
    found = _ratio_of(formula, frame, {"a", "b"})
    value = indicators.evaluate(frame, formula).iloc[0]
    assert (found.num.at(frame) / found.den.at(frame))[0] == pytest.approx(value)
    moved = frame.assign(a=a + 7.0)  # and it stays so wherever the columns move
    assert (found.num.at(moved) / found.den.at(moved))[0] == pytest.approx(indicators.evaluate(moved, formula).iloc[0])


@pytest.mark.parametrize("formula", ["a * b", "a // 12", "1 * (a < 3)", "c / a + b / a", "-a ** 2"])
def test_a_formula_that_is_no_ratio_of_lines_is_refused(formula: str) -> None:
    frame = pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]})
    with pytest.raises(NotAffineError):
        _ratio_of(formula, frame, {"a", "b"})


def test_every_price_names_its_source() -> None:
    book = remedies.catalogue()
    assert all(action.source and action.zh and action.en for action in book.all.values())
    assert all(figure.source for figure in book.figures if figure.basis == "priced")
    assert book.figure("gdp_yuan").basis == "fact" and book.figure("never_heard_of").basis == "decision"


def test_an_edited_price_is_used_and_every_fault_of_the_file_is_named(tmp_path: Path) -> None:
    source = Path(remedies.__file__).with_name("costs.yaml")
    raw = yaml.safe_load(source.read_text(encoding="utf-8"))
    raw["actions"]["lay_fields"]["once_yuan"] = 1000
    own = tmp_path / "costs.yaml"
    own.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    plan = plan_for(toy({"sports_field_m2": 500}), costs=own)
    assert plan.cost_yuan == 1000 * 138
    raw["actions"]["lay_fields"] |= {"once_yuan": "cheap", "kind": "magic", "effects": {"swimming_m2": 1}}
    raw["actions"]["buy_books"].pop("source")
    own.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PolicyError) as told:
        remedies.catalogue(own)
    assert all(word in str(told.value) for word in ("cheap", "magic", "swimming_m2", "buy_books.source"))
    with pytest.raises(NotFoundError):
        remedies.catalogue(tmp_path / "absent.yaml")


# --- what is taken away -------------------------------------------------------------------------------------------


def test_files_hold_the_plan_and_no_formula() -> None:
    county = toy({"sports_field_m2": 500})
    schools = county.tables["schools"].assign(name_zh="=1+1校")
    county = county.with_tables(schools=schools)
    plan = plan_for(county)
    text = plan.to_csv(county)
    assert text.startswith("\ufeff") and "'=1+1校" in text and "运动场" in text
    book = openpyxl.load_workbook(io.BytesIO(plan.to_xlsx(county)))
    assert book.sheetnames[0] == "措施" and len(book.sheetnames) == 7
    cell = book["措施"]["A2"]
    assert (cell.value, cell.data_type) == ("=1+1校", "s")
    found = plan.as_dict("en")
    assert found["status"] == "complete" and found["lines"][0]["action"] == "lay_fields"
    assert "costing" in found["sentence"] and found["unhelped"] == []


def test_near_a_relaxed_plan_leaves_room_from_the_floor_to_the_line() -> None:
    cell = (("S1", "primary", "multimedia_rooms"), 1.0)
    levers = [
        Lever(
            "fit_multimedia", "S1", "primary", "buy", "rooms", "priced", (cell,), high=high, whole=True, once_yuan=1.0
        )
        for high in (1e9, 41.0)
    ]
    floored = np.array([40.0, 40.0])  # the relaxed plan leaves the indicator at 85 % of its line
    model = RemedyModel(Demands(levers), [])
    model.near(floored)
    assert model.high[0] >= floored[0] / 0.85 and model.high[1] == 41.0  # never more than there is
    assert 0.0 < model.low[0] <= 0.85 * floored[0]
