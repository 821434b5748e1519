"""School figures: the split of shared assets, what is missing, sums and counts, exclusions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib import standards
from balance_lib._errors import PolicyError
from balance_lib.evaluation import indicators
from tests import towns

QUALITY, BASIC = standards.load("quality_2017"), standards.load("basic_2012")
SHARED = dict.fromkeys(towns.SCHOOL_YEAR)


def through(kind: str, pupils: dict[str, float | None], **shared: float | None):
    rows = [towns.school_year("n", stage, **{**SHARED, "pupils": p}) for stage, p in pupils.items()]
    rows.append(towns.school_year("n", "shared", **{**SHARED, **shared}))
    return towns.county([towns.school("n", kind)], rows)


def stage(county, name: str, column: str) -> float:
    rows = indicators.frames(county, QUALITY).stages
    return float(rows.loc[rows["stage"] == name, column].iloc[0])


def test_published_nine_year_school_splits_1_to_1_1() -> None:
    county = through("nine_year", {"primary": 166, "junior": 210}, books=23226)
    assert stage(county, "primary", "books") == pytest.approx(9711.6272040302, abs=1e-9)
    assert stage(county, "junior", "books") == pytest.approx(13514.3727959698, abs=1e-9)
    assert stage(county, "junior", "books") / 210 == pytest.approx(64.3541561713, abs=1e-9)


def test_complete_secondary_splits_1_to_1_2_and_keeps_the_junior_part() -> None:
    county = through("complete_secondary", {"junior": 500, "senior": 1000}, books=34000)
    assert stage(county, "junior", "books") == pytest.approx(34000 * 500 / (500 + 1.2 * 1000))
    assert set(indicators.frames(county, QUALITY).stages["stage"]) == {"junior"}
    assert indicators.frames(county, QUALITY).schools["books"].iloc[0] == pytest.approx(10000)


def test_twelve_year_school_splits_1_to_1_1_to_1_32() -> None:
    county = through("twelve_year", {"primary": 100, "junior": 100, "senior": 100}, books=342)
    assert stage(county, "primary", "books") == pytest.approx(100)
    assert stage(county, "junior", "books") == pytest.approx(110)


@settings(deadline=None)
@given(a=st.integers(1, 3000), b=st.integers(1, 3000), total=st.floats(0, 1e6))
def test_split_parts_sum_to_the_whole(a, b, total) -> None:
    county = through("nine_year", {"primary": a, "junior": b}, equipment_yuan=total)
    parts = [stage(county, name, "equipment_yuan") for name in ("primary", "junior")]
    assert sum(parts) == pytest.approx(total, rel=1e-12, abs=1e-9)
    assert parts[1] / b == pytest.approx(1.1 * parts[0] / a, rel=1e-9, abs=1e-12)


def test_unknown_pupils_of_one_stage_leave_nothing_to_split_by() -> None:
    county = through("nine_year", {"primary": 166, "junior": None}, books=23226)
    assert math.isnan(stage(county, "primary", "books"))
    senior_not_reported = through("complete_secondary", {"junior": 500}, books=34000)
    assert math.isnan(stage(senior_not_reported, "junior", "books"))


def test_assets_of_a_stage_of_its_own_are_added_to_its_share() -> None:
    rows = [
        towns.school_year("n", "primary", **{**SHARED, "pupils": 110, "books": 50}),
        towns.school_year("n", "junior", **{**SHARED, "pupils": 100}),
        towns.school_year("n", "shared", **{**SHARED, "books": 2200}),
    ]
    county = towns.county([towns.school("n", "nine_year")], rows)
    assert stage(county, "primary", "books") == pytest.approx(1150)
    assert stage(county, "junior", "books") == pytest.approx(1100)


def test_teachers_without_stage_are_not_guessed_but_none_is_none() -> None:
    county = through("nine_year", {"primary": 166, "junior": 210}, teachers_backbone=7, teachers_arts=0)
    assert math.isnan(stage(county, "primary", "teachers_backbone"))
    assert stage(county, "primary", "teachers_arts") == 0
    assert indicators.frames(county, QUALITY).schools["teachers_backbone"].iloc[0] == 7


@pytest.mark.parametrize("reported", [{}, {"primary": 166}, {"junior": 210}])
def test_stage_a_through_school_does_not_report_leaves_every_sum_open(reported) -> None:
    whole = through("nine_year", reported, books=23226)
    rows = [towns.school_year("p"), towns.school_year("j", "junior")]
    years = [*whole.tables["school_years"].to_dict("records"), *rows]
    county = towns.county([towns.school("n", "nine_year"), towns.school("p"), towns.school("j", "junior")], years)
    sums = indicators.frames(county, QUALITY).county_years.iloc[0]
    for name in {"primary", "junior"} - set(reported):
        assert math.isnan(stage(whole, name, "pupils"))
        assert math.isnan(sums[f"{name}_pupils"])
    assert math.isnan(sums["all_pupils"])
    assert math.isnan(sums["primary_books"])  # nothing is known to divide the school's books by


def test_single_stage_school_takes_its_whole_row() -> None:
    county = through("primary", {"primary": 166}, books=500, teachers_backbone=3)
    assert stage(county, "primary", "books") == 500
    assert stage(county, "primary", "teachers_backbone") == 3


def test_sums_are_missing_when_one_school_is() -> None:
    county = towns.county(
        [towns.school("a"), towns.school("b")],
        [towns.school_year("a"), towns.school_year("b", teachers=None, pupils=50)],
    )
    row = indicators.frames(county, QUALITY).county_years.iloc[0]
    assert row["primary_pupils"] == row["all_pupils"] == 150
    assert math.isnan(row["all_teachers"])
    assert row["n_schools"] == row["n_primary"] == 2
    assert row["n_junior"] == 0


def test_kind_is_that_of_the_year() -> None:
    county = towns.county(
        [towns.school("v", "teaching_point", rank="village", location="rural")],
        [towns.school_year("v", year=2009, kind="primary"), towns.school_year("v", year=2010)],
    )
    counts = indicators.frames(county, QUALITY).county_years.set_index("year")
    assert counts["n_village_primary"].to_dict() == {2009: 1, 2010: 0}
    assert counts["n_teaching_point"].to_dict() == {2009: 0, 2010: 1}


def test_formula_with_missing_or_zero_denominator_has_no_value() -> None:
    county = towns.county(
        [towns.school("a"), towns.school("z")], [towns.school_year("a"), towns.school_year("z", pupils=0)]
    )
    data = indicators.frames(county, QUALITY)
    assert data.values("stages", "books / pupils").tolist()[0] == 25
    assert math.isnan(data.values("stages", "books / pupils").tolist()[1])
    assert np.isnan(data.values("stages", "books / nowhere")).all()


def test_blank_of_an_optional_field_is_none() -> None:
    county = towns.county([towns.school("a")], [towns.school_year("a", leased_sports_m2=None)])
    data = indicators.frames(county, QUALITY)
    assert np.isnan(data.values("stages", "gym_m2 + leased_sports_m2")).all()
    assert data.values("stages", "gym_m2 + leased_sports_m2", ["leased_sports_m2"]).tolist() == [0]


@pytest.mark.parametrize(
    ("kind", "founder", "pupils", "quality", "basic"),
    [
        ("primary", "county", 30, True, True),
        ("primary", "private", 300, True, False),
        ("primary", "upper", 300, True, False),
        ("teaching_point", "county", 49, False, False),
        ("teaching_point", "county", 50, True, False),
        ("special", "county", 80, False, False),
        ("vocational", "county", 80, False, False),
    ],
)
def test_exclusions_of_each_standard(kind, founder, pupils, quality, basic) -> None:
    county = towns.county([towns.school("a", kind, founder=founder)], [towns.school_year("a", pupils=pupils)])
    assert indicators.included(county, QUALITY).tolist() == [quality]
    assert indicators.included(county, BASIC).tolist() == [basic]


def test_unknown_founder_counts_as_included() -> None:
    county = towns.county([towns.school("a", founder=None)], [towns.school_year("a")])
    assert indicators.included(county, BASIC).tolist() == [True]


def test_definition_switches_change_the_formula() -> None:
    county = towns.county(
        [towns.school("a", dense_centre=1)], [towns.school_year("a", leased_sports_m2=500, other_sports_m2=None)]
    )
    value = lambda name, **on: indicators.values(county, QUALITY, name, on).iloc[0]  # noqa: E731
    assert value("teaching_area") == 7
    assert value("teaching_area", offices_in_teaching_area=True) == pytest.approx(7.6)
    assert value("sports_area") == 12
    assert value("sports_area", dense_centre_sports=True) == 17


def test_indoor_sports_are_not_teaching_area_in_2017() -> None:
    county = towns.county([towns.school("a")], [towns.school_year("a", indoor_sports_m2=200)])
    assert indicators.values(county, QUALITY, "teaching_area").iloc[0] == 5
    assert indicators.values(county, BASIC, "teaching_area").iloc[0] == 7


# --- formulas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1 * (a < 0.15)", 0.0),  # 0.05 + 0.1 stands on the line, whatever the arithmetic left behind
        ("1 * (a <= 0.15)", 1.0),
        ("1 * (a > 0.15)", 0.0),
        ("1 * (a >= 0.15)", 1.0),
        ("1 * (a == 0.15)", 1.0),
        ("1 * (a != 0.15)", 0.0),
        ("1 * (a < 0.1501)", 1.0),
    ],
)
@pytest.mark.parametrize("a", [0.05 + 0.1, 0.15, 0.15 - 1e-12])
def test_a_figure_on_its_line_is_on_it_in_a_formula_too(formula, value, a) -> None:
    assert indicators.evaluate(pd.DataFrame({"a": [a]}), formula).tolist() == [value]


def test_a_formula_without_a_figure_or_with_a_zero_denominator_has_no_value() -> None:
    rows = pd.DataFrame({"a": [1.0, math.nan, 3.0], "b": [2.0, 2.0, 0.0], "kind": ["primary", "junior", None]})
    assert indicators.evaluate(rows, "a / b").tolist() == pytest.approx([0.5, math.nan, math.nan], nan_ok=True)
    assert indicators.evaluate(rows, "a / b", ["a"]).tolist() == pytest.approx([0.5, 0.0, math.nan], nan_ok=True)
    inside = indicators.evaluate(rows, "kind in ['primary', 'special']").tolist()
    assert inside == pytest.approx([1.0, 0.0, math.nan], nan_ok=True)
    assert indicators.evaluate(rows, "a + c").isna().all()
    with pytest.raises(PolicyError):
        indicators.evaluate(rows, "__import__('os')(a)")


@settings(deadline=None)
@given(a=st.floats(-1e6, 1e6), b=st.floats(-1e6, 1e6), c=st.integers(1, 60))
def test_formulas_give_what_pandas_gives(a, b, c) -> None:
    rows = pd.DataFrame({"a": [a], "b": [b], "c": [float(c)]})
    for formula in ("100 * (a + b) / c", "a / (-((-c) // 12))", "-a - b * c", "1 * (a >= b + 1) + 1 * (c < 30)"):
        assert indicators.evaluate(rows, formula).iloc[0] == float(rows.eval(formula, engine="python").iloc[0])
