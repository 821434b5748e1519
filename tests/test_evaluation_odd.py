"""Odd counties: what is missing, doubled, negative or empty is said, never counted as met and never divided by."""

from __future__ import annotations

import math
from datetime import date

import pandas as pd
import pytest

from balance_lib import evaluation, standards
from balance_lib._errors import NotFoundError
from balance_lib.evaluation import evaluate, indicators
from tests import towns

QUALITY, BASIC, AKQI, HUIXIAN = (
    standards.load(name) for name in ("quality_2017", "basic_2012", "akqi_2022", "huixian_2024")
)


def two(**second):
    return towns.county(
        [towns.school("a"), towns.school("b")], [towns.school_year("a"), towns.school_year("b", **second)]
    )


def statuses(county, standard=QUALITY, year: int = 2020, **more) -> dict[str, str]:
    return {r.item.code: r.status for r in evaluate(county, standard, year=year, **more).items}


def reason(county, code: str, standard=QUALITY, lang: str = "zh") -> str:
    return evaluate(county, standard, year=2020).item(code).reason.render(lang)


# --- standards and switches ---------------------------------------------------------------------------------------


def test_standards_do_not_disturb_each_other() -> None:
    county = two(pupils=300, teaching_area_m2=900)
    alone = {s.id: statuses(two(pupils=300, teaching_area_m2=900), s) for s in (QUALITY, BASIC, AKQI)}
    together = {s.id: statuses(county, s) for s in (QUALITY, BASIC, AKQI, BASIC, QUALITY, AKQI)}
    assert together == alone


def test_the_plan_counts_offices_unless_the_switch_is_turned() -> None:
    county = two(teaching_area_m2=380, office_area_m2=80)  # 3.8 m² a pupil without them, 4.6 with
    assert evaluate(county, AKQI, year=2020).item("A1-4").value == pytest.approx(4.6)
    assert statuses(county, AKQI)["A1-4"] == "met"
    off = {"offices_in_teaching_area": False}
    assert statuses(county, AKQI, definitions=off, on=date(2023, 4, 1))["A1-4"] == "not_met"
    assert statuses(county, AKQI)["A1-4"] == "met"
    assert statuses(county)["L4-primary"] == "not_met"
    assert statuses(county, definitions={"offices_in_teaching_area": True})["L4-primary"] == "met"


@pytest.mark.parametrize(("pupils", "status"), [(49, "not_met"), (50, "met"), (99, "met"), (100, "not_met")])
def test_visiting_teachers_count_in_small_rural_schools_only_if_switched_on(pupils, status) -> None:
    staff = {"teachers_pe": 0, "teachers_music": 0, "visiting_pe": 9}
    county = towns.county(
        [towns.school("a", location="rural")], [towns.school_year("a", pupils=pupils, visiting_music=None, **staff)]
    )
    assert statuses(county)["L3-primary"] == "not_met"
    assert statuses(county, definitions={"visiting_teachers_count": True})["L3-primary"] == status


def test_a_switch_of_another_standard_is_refused() -> None:
    with pytest.raises(NotFoundError):
        evaluate(two(), BASIC, year=2020, definitions={"offices_in_teaching_area": True})


# --- hardly any county --------------------------------------------------------------------------------------------


def test_one_school_is_equal_to_itself_and_a_stage_nobody_teaches_has_no_coefficient() -> None:
    county = towns.county([towns.school("a")], [towns.school_year("a")])
    found = statuses(county)
    assert (found["CV1-primary"], found["R-primary"]) == ("met", "met")
    assert {found[code] for code in ("L1-junior", "R-junior", "CV1-junior")} == {"not_applicable"}
    assert statuses(county, BASIC)["CV-junior"] == "not_applicable"


def test_without_county_figures_nothing_of_the_county_is_met() -> None:
    found = statuses(two())
    of_county = {i.code for i in QUALITY.judged if i.measure and i.measure.source == "county"}
    by_schools = {"G9", "G12"}  # sums over schools
    by_paper = {i.code for i in QUALITY.judged if i.code in of_county and i.measure.otherwise == "evidence"}
    assert {found[code] for code in of_county - by_schools - by_paper} == {"no_data"}
    assert {found[code] for code in by_paper} == {"evidence"}
    assert {found[code] for code in by_schools} == {"met"}
    assert evaluate(two(), QUALITY, year=2020).verdict == "undetermined"


def test_a_county_of_senior_schools_meets_nothing() -> None:
    county = towns.county([towns.school("a", "senior")], [towns.school_year("a", "senior")])
    assert "met" not in statuses(county).values()


def test_nothing_to_judge_is_not_a_pass(tmp_path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "id: own\ntitle_zh: 自\ntitle_en: own\nindicators_from: quality_2017\nitems:\n"
        "- {code: X, kind: target, label_zh: 甲, label_en: X, level: school, stage: junior, operator: '>=', value: 1,"
        " measure: {stages: books}}\n",
        encoding="utf-8",
    )
    result = evaluate(two(), standards.load(file), year=2020)
    assert (result.item("X").status, result.verdict) == ("not_applicable", "undetermined")


def test_without_townships_the_table_is_what_is_missing() -> None:
    county = two()
    assert statuses(county, HUIXIAN)["H-L5"] == "no_data"
    assert "乡镇" in reason(county, "H-L5", HUIXIAN)


# --- evidence -----------------------------------------------------------------------------------------------------


def test_a_document_counts_from_its_day_on_and_the_newest_known_one_decides() -> None:
    rows = [("2021-05-05", "met"), ("2021-11-30", "not_met")]
    papers = [
        {"standard": "quality_2017", "item_id": "V1", "year": 2020, "finding": f, "document": f, "recorded_on": day}
        for day, f in rows
    ]
    county = towns.county([towns.school("a")], [towns.school_year("a")], evidence=papers)
    days = (date(2021, 5, 4), date(2021, 5, 5), date(2021, 12, 1), None)  # no day asked for: all that was recorded
    told = [statuses(county, on=day)["V1"] for day in days]
    assert told == ["evidence", "met", "not_met", "not_met"]


@pytest.mark.parametrize(
    "changed",
    [
        {"standard": "quality_2071"},
        {"standard": "akqi_2022"},
        {"item_id": "G99"},
        {"year": 2019},
        {"finding": None},
        {"finding": "达标"},
    ],
)
def test_evidence_for_something_else_or_without_a_finding_finds_nothing(changed) -> None:
    row = {"standard": "quality_2017", "item_id": "G1", "year": 2020, "finding": "met", "document": "批复"}
    county = towns.county([towns.school("a")], [towns.school_year("a")], evidence=[{**row, **changed}])
    result = evaluate(county, QUALITY, year=2020)
    assert result.item("G1").status == "evidence"
    assert result.counts() == evaluate(county.with_tables(evidence=pd.DataFrame()), QUALITY, year=2020).counts()
    assert result.as_dict("zh") and result.as_dict("en")


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_row_that_stands_twice_counts_once() -> None:
    # Four of seven missed: doubled rows must not make the school pass eight of fourteen.
    poor = towns.school_year("b", pupils=200, teachers_backbone=1, books=0, multimedia_rooms=4, equipment_yuan=3e5)
    schools, rows = [towns.school("a"), towns.school("b")], [towns.school_year("a"), poor]
    once, twice = (
        towns.county(schools, rows),
        towns.county([*schools, schools[1]], [*rows, poor, {**poor, "pupils": 1}]),
    )
    assert statuses(once)["R-primary"] == "not_met"
    one, other = evaluate(once, QUALITY, year=2020), evaluate(twice, QUALITY, year=2020)
    assert [(r.item.code, r.status) for r in one.items] == [(r.item.code, r.status) for r in other.items]
    for name in ("schools", "rules", "cv", "contributions"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def test_a_row_without_year_or_stage_belongs_nowhere() -> None:
    rows = [towns.school_year("a"), towns.school_year("b")]
    lost = [towns.school_year("b", year=None), {**towns.school_year("b", books=0), "stage": None}]
    schools = [towns.school("a"), towns.school("b")]
    assert statuses(towns.county(schools, [*rows, *lost])) == statuses(towns.county(schools, rows))


def test_a_school_that_is_in_no_list_is_judged_all_the_same() -> None:
    county = towns.county([towns.school("a")], [towns.school_year("a"), towns.school_year("x", teachers_backbone=0)])
    result = evaluate(county, QUALITY, year=2020)
    assert set(result.schools["school_id"]) == {"a", "x"}
    assert result.item("CV2-primary").value > 0


def test_years_with_gaps_are_judged_one_by_one_and_never_bridged() -> None:
    rows = [towns.school_year(s, year=y, books=b) for y in (2015, 2020) for s, b in (("a", 2500), ("b", 2500 - y % 4))]
    given = [*towns.figures(2015, satisfaction_pct=80.0), *towns.figures(2020, satisfaction_pct=90.0)]
    county = towns.county([towns.school("a"), towns.school("b")], rows, county_years=given)
    found = evaluation.history(county, AKQI).set_index(["year", "code"])["status"]
    assert set(found.index.get_level_values("year")) == {2015, 2020}
    for change in ("M-B1", "M-B2"):  # both are against the year before
        assert (found[2015, change], found[2020, change]) == ("no_data", "no_data")
    assert (found[2015, "A4-1"], found[2020, "A4-1"]) == ("not_due", "met")


# --- what is not known of a school --------------------------------------------------------------------------------


def test_a_special_school_or_point_is_left_out_whether_or_not_its_founder_is_known() -> None:
    schools, rows = [towns.school("a"), towns.school("b")], [towns.school_year("a"), towns.school_year("b")]
    base = evaluate(towns.county(schools, rows), BASIC, year=2020).cv
    more = towns.county(
        [*schools, towns.school("s", "special", founder=None), towns.school("p", "teaching_point", founder=None)],
        [*rows, towns.school_year("s", books=1), towns.school_year("p", books=9e4)],
    )
    pd.testing.assert_frame_equal(evaluate(more, BASIC, year=2020).cv, base)


def test_a_school_that_may_count_is_counted_in() -> None:
    county = towns.county(
        [towns.school("a"), towns.school("b", founder=None)], [towns.school_year("a"), towns.school_year("b", books=1)]
    )
    cv = evaluate(county, BASIC, year=2020).cv.set_index("indicator")
    assert (cv.loc["books", "n"], cv.loc["books", "cv"] > 0.9) == (2, True)


def test_what_decides_a_condition_need_not_be_complete() -> None:
    # Pupils unknown, but a nine-year school is none of the small schools funded for a hundred.
    county = towns.county(
        [towns.school("a"), towns.school("n", "nine_year")],
        [towns.school_year("a"), *(towns.school_year("n", stage, pupils=None) for stage in ("primary", "junior"))],
    )
    assert statuses(county)["G6"] == "not_applicable"
    unknown = towns.county([towns.school("a")], [towns.school_year("a", pupils=None)])
    assert statuses(unknown)["G6"] == "no_data"


TOWNS = [{"township": "甲镇", "type": "town"}, {"township": "乙乡", "type": "township"}]


def placed(**second):
    schools = [towns.school("a"), towns.school("b", **{"township": "乙乡", **second})]
    return towns.county(schools, [towns.school_year("a"), towns.school_year("b")], townships=TOWNS)


@pytest.mark.parametrize(
    ("second", "status"),
    [
        ({}, "met"),
        ({"rank": "village"}, "not_met"),
        ({"rank": None}, "no_data"),  # it may be a village school
        ({"township": None}, "no_data"),  # it may stand in either
        ({"township": "丙乡"}, "no_data"),  # a slip of the pen
        ({"kind": "teaching_point", "rank": None}, "not_met"),  # a point is no central school, whatever its rank
        ({"kind": "teaching_point", "township": None}, "not_met"),
    ],
)
def test_a_township_is_not_served_by_a_school_of_unknown_rank_or_place(second, status) -> None:
    assert statuses(placed(**second), HUIXIAN)["H-L5"] == status


@pytest.mark.parametrize(("rank", "count"), [("village", 1), ("central", 0), (None, math.nan)])
def test_village_schools_are_not_counted_while_a_rank_is_unknown(rank, count) -> None:
    found = indicators.frames(placed(rank=rank), BASIC).county_years["n_village_primary"].iloc[0]
    assert found == count or (math.isnan(found) and math.isnan(count))


# --- zero, negative, alike ----------------------------------------------------------------------------------------


def test_a_stage_without_pupils_is_named_and_never_divided_by() -> None:
    county = two(pupils=0)
    found = statuses(county)
    assert {found[code] for code in ("L1-primary", "L4-primary", "CV4-primary", "R-primary")} == {"no_data"}
    for code in ("L4-primary", "CV4-primary"):
        assert "b校" in reason(county, code) and "b校" in reason(county, code, lang="en")
    result = evaluate(county, QUALITY, year=2020)
    assert result.contributions.empty
    assert result.schools.set_index("school_id").loc["b", "value"].isna().all()


def test_a_through_school_without_pupils_in_one_stage_leaves_all_to_the_other() -> None:
    stage = {"teaching_area_m2": None, "indoor_sports_m2": None}
    rows = [towns.school_year("n", "primary", **stage), towns.school_year("n", "junior", pupils=0, **stage)]
    shared = dict.fromkeys(towns.SCHOOL_YEAR) | {"teaching_area_m2": 700, "indoor_sports_m2": 0}
    county = towns.county([towns.school("n", "nine_year")], [*rows, towns.school_year("n", "shared", **shared)])
    result = evaluate(county, QUALITY, year=2020)
    assert result.item("L4-primary").value == pytest.approx(7.0)
    assert result.item("L4-junior").status == "no_data"
    assert "n校" in result.item("L4-junior").reason.render("zh")


def test_schools_all_alike_have_no_difference_but_schools_all_without_have_none_to_measure() -> None:
    alike = evaluate(two(), QUALITY, year=2020)
    assert (alike.cv.loc[alike.cv["stage"] == "primary", "cv"] == 0.0).all()
    none = towns.county(
        [towns.school("a"), towns.school("b")], [towns.school_year(s, teachers_backbone=0) for s in "ab"]
    )
    assert statuses(none)["CV2-primary"] == "no_data"
    assert statuses(none)["L2-primary"] == "not_met"
    assert "零" in reason(none, "CV2-primary")


def test_zero_is_a_figure_and_stays_in() -> None:
    result = evaluate(two(teachers_backbone=0), QUALITY, year=2020)
    row = result.cv.set_index(["stage", "indicator"]).loc[("primary", "backbone_teachers")]
    assert (row["n_missing"], row["cv"]) == (0, pytest.approx(1.0))  # 2 and 0 a hundred pupils


def test_a_negative_count_is_no_data_and_hides_nothing() -> None:
    rows = [towns.school_year("a", classes_46_50=1), towns.school_year("b", classes_46_50=-1)]
    county = towns.county([towns.school("a"), towns.school("b")], rows)
    assert statuses(county)["G5-primary"] == "no_data"  # 1 − 1 = 0 would be met
    turned = two(**{name: -value for name, value in towns.SCHOOL_YEAR.items()})
    found = statuses(turned)
    assert {found[code] for code in ("L4-primary", "CV4-primary", "R-primary", "G4-single", "Q4")} == {"no_data"}


def test_an_endless_figure_is_no_data() -> None:
    assert statuses(two(teaching_area_m2=math.inf))["L4-primary"] == "no_data"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_county_figure_that_is_no_number_is_no_data(value) -> None:
    county = towns.county(
        [towns.school("a")], [towns.school_year("a")], county_years=towns.figures(satisfaction_pct=value)
    )
    assert statuses(county)["S1"] == "no_data"
    assert evaluate(county, QUALITY, year=2020).as_dict()["items"]
