"""Verdicts: by hand on a toy county, the exact threshold included."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from balance_lib import access, evaluation, standards
from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation import Measured, evaluate, schools
from balance_lib.locale import Message
from tests import towns

QUALITY, BASIC = standards.load("quality_2017"), standards.load("basic_2012")
EPS = 1e-6


def judged(county, code: str, standard=QUALITY, year: int = 2020, **more):
    return evaluate(county, standard, year=year, codes=[code], **more).item(code)


def two_schools(**second):
    return towns.county(
        [towns.school("a"), towns.school("b")], [towns.school_year("a"), towns.school_year("b", **second)]
    )


@pytest.mark.parametrize(
    ("value", "operator", "threshold", "met"),
    [
        (4.2, ">=", 4.2, True),
        (4.2 - 1e-10, ">=", 4.2, True),
        (4.2 - 1e-8, ">=", 4.2, False),
        (0.5, "<=", 0.5, True),
        (0.5 + 1e-8, "<=", 0.5, False),
        (0.15, "<", 0.15, False),
        (0.15 - 1e-8, "<", 0.15, True),
        (0.0, ">", 0.0, False),
        (1e-8, ">", 0.0, True),
        (109.0, "==", 109.0, True),
        (108.0, "==", 109.0, False),
        (math.nan, ">=", 4.2, None),
        (4.2, ">=", math.nan, None),
    ],
)
def test_threshold_is_judged_exactly(value, operator, threshold, met) -> None:
    assert schools.satisfies(value, operator, threshold) is met


def test_every_target_and_rule_gets_a_status() -> None:
    result = evaluate(two_schools(), QUALITY, year=2020)
    assert [r.item.code for r in result.items] == [i.code for i in QUALITY.items if i.kind in ("target", "rule")]
    assert all(r.status in evaluation.STATUSES for r in result.items)
    assert all(r.reason.render(lang) for r in result.items for lang in ("zh", "en"))


# Six of seven, the rest at 85 %: higher-degree teachers, threshold 4.2, floor 3.57 (100 pupils).
@pytest.mark.parametrize(
    ("degree", "status"),
    [(4.2, "met"), (4.2 - EPS, "met"), (3.57, "met"), (3.57 - EPS, "not_met"), (0, "not_met")],
)
def test_one_indicator_may_stand_at_the_floor(degree, status) -> None:
    county = two_schools(teachers_college=degree, teachers_bachelor=0)
    assert judged(county, "L1-primary").status == status
    assert judged(county, "R-primary").status == status


@pytest.mark.parametrize(("books", "status"), [(1.0, "met"), (0.9, "not_met")])
def test_two_indicators_may_not(books, status) -> None:
    county = two_schools(teachers_college=4, teachers_bachelor=0, teachers_backbone=books)
    assert judged(county, "R-primary").status == status
    assert judged(county, "L1-primary").status == status


def test_the_allowance_is_told() -> None:
    reason = judged(two_schools(teachers_college=4, teachers_bachelor=0), "L1-primary").reason
    assert "余项不低于85%" in reason.render("zh")
    row = evaluate(two_schools(teachers_college=4, teachers_bachelor=0), QUALITY, year=2020).schools
    b = row[(row["school_id"] == "b") & (row["indicator"] == "higher_degree_teachers")].iloc[0]
    assert (b["value"], b["threshold"], b["met"], b["needed"]) == (4.0, 4.2, False, 1.0)
    assert b["ratio"] == pytest.approx(4 / 4.2)


def test_school_with_missing_figures_fails_only_on_what_is_known() -> None:
    unknown = two_schools(teachers_backbone=None)
    assert judged(unknown, "R-primary").status == "no_data"
    assert judged(unknown, "L2-primary").status == "no_data"
    assert "县级及以上骨干教师数" in judged(unknown, "L2-primary").reason.render("zh")
    failing = two_schools(teachers_backbone=None, multimedia_rooms=0)
    assert judged(failing, "R-primary").status == "not_met"


def test_needed_is_in_whole_teachers_and_rooms_but_exact_square_metres() -> None:
    table = evaluate(two_schools(pupils=130, multimedia_rooms=2, teaching_area_m2=500), QUALITY, year=2020).schools
    needed = table[table["school_id"] == "b"].set_index("indicator")["needed"]
    assert needed["multimedia_rooms"] == 1  # 2.3 * 1.3 = 2.99 rooms asked for, 2 there
    assert needed["teaching_area"] == pytest.approx(4.5 * 130 - 500)
    assert needed["equipment"] == 0


def test_coefficients_by_hand() -> None:
    county = two_schools(pupils=300, teaching_area_m2=900)  # 7 and 3 m² a pupil, mean 4
    row = evaluate(county, QUALITY, year=2020).cv.set_index(["stage", "indicator"]).loc[("primary", "teaching_area")]
    assert row["mean"] == pytest.approx(4.0)
    assert row["sd"] == pytest.approx(math.sqrt(0.25 * 9 + 0.75 * 1))
    assert row["cv"] == pytest.approx(math.sqrt(3) / 4)
    assert (row["limit"], row["met"]) == (0.5, True)


def test_coefficient_exactly_on_its_limit_passes() -> None:
    # Two schools of 100: values 1 - d and 1 + d have the coefficient d.
    def with_cv(d: float):
        rows = [
            towns.school_year("a", equipment_yuan=1e5 * (1 - d)),
            towns.school_year("b", equipment_yuan=1e5 * (1 + d)),
        ]
        return towns.county([towns.school("a"), towns.school("b")], rows)

    assert judged(with_cv(0.5), "CV6-primary").status == "met"
    assert judged(with_cv(0.5 + EPS), "CV6-primary").status == "not_met"
    assert judged(with_cv(0.5 - EPS), "CV6-primary").status == "met"


def test_composite_is_the_mean_of_the_eight() -> None:
    result = evaluate(two_schools(pupils=300), BASIC, year=2020)
    cv = result.cv[result.cv["stage"] == "primary"].set_index("indicator")["cv"]
    assert len(cv) == 9
    assert cv["composite"] == pytest.approx(cv.drop("composite").mean())
    assert result.item("CV-primary").value == pytest.approx(cv["composite"])


def test_coefficient_needs_every_included_school() -> None:
    result = evaluate(two_schools(multimedia_rooms=None), QUALITY, year=2020)
    row = result.cv.set_index(["stage", "indicator"]).loc[("primary", "multimedia_rooms")]
    assert math.isnan(row["cv"]) and (row["n"], row["n_missing"]) == (2, 1)
    assert row["provisional"] == 0.0
    assert result.item("CV7-primary").status == "no_data"


def test_coefficient_is_unchanged_by_excluded_units() -> None:
    base = evaluate(two_schools(pupils=300), QUALITY, year=2020).cv
    rows = [towns.school_year(s, pupils=p, books=b) for s, p, b in (("p", 30, 9), ("s", 90, 1))]
    county = two_schools(pupils=300)
    more = towns.county(
        [towns.school("a"), towns.school("b"), towns.school("p", "teaching_point"), towns.school("s", "special")],
        [*county.tables["school_years"].to_dict("records"), *rows],
    )
    pd.testing.assert_frame_equal(evaluate(more, QUALITY, year=2020).cv, base)


def test_contributions_are_each_schools_share() -> None:
    found = evaluate(two_schools(pupils=300, teaching_area_m2=900), QUALITY, year=2020).contributions
    share = found[found["indicator"] == "teaching_area"].set_index("school_id")["contribution"]
    assert share["a"] == pytest.approx(0.25 * 9 / 3) and share.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("classes", "rooms", "status"),
    [(12, 1, "met"), (13, 1, "not_met"), (13, 2, "met"), (24, 2, "met"), (25, 2, "not_met")],
)
def test_a_music_room_for_every_twelve_classes_begun(classes, rooms, status) -> None:
    assert judged(two_schools(classes=classes, music_rooms_96=rooms, art_rooms_90=3), "G3-music").status == status


def test_expired_relaxation_is_off_unless_asked_for() -> None:
    county = towns.county(
        [towns.school("a", built_by_2016=1)], [towns.school_year("a", music_rooms_96=0, music_rooms_73=1)]
    )
    assert judged(county, "G3-music").status == "not_met"
    assert judged(county, "G3-music", definitions={"rooms_before_2016": True}).status == "met"
    with pytest.raises(NotFoundError):
        judged(county, "G3-music", definitions={"no_such_switch": True})


@pytest.mark.parametrize(("pupils", "status"), [(2000, "met"), (2001, "not_met"), (None, "no_data")])
def test_school_size(pupils, status) -> None:
    assert judged(two_schools(pupils=pupils), "G4-single").status == status


def test_size_of_old_schools_by_the_expired_relaxation() -> None:
    county = towns.county([towns.school("a", built_by_2010=1)], [towns.school_year("a", pupils=2400)])
    assert judged(county, "G4-single").status == "not_met"
    assert judged(county, "G4-single", definitions={"size_before_2010": True}).status == "met"


def test_nothing_of_the_kind_is_not_applicable() -> None:
    assert judged(two_schools(), "G4-through").status == "not_applicable"
    assert judged(two_schools(), "L1-junior").status == "not_applicable"


@pytest.mark.parametrize(("over", "status"), [(0, "met"), (1, "not_met"), (None, "no_data")])
def test_no_class_over_the_cap(over, status) -> None:
    assert judged(two_schools(classes_46_50=over), "G5-primary").status == status


def test_junior_class_of_fifty_is_allowed() -> None:
    county = towns.county([towns.school("j", "junior")], [towns.school_year("j", "junior", classes_46_50=3)])
    assert judged(county, "G5-junior").status == "met"


def test_zoned_admission_is_the_total_and_leaves_boarding_and_rural_schools_out() -> None:
    rows = [towns.school_year("a", pupils_in_zone=100), towns.school_year("b", pupils=300, pupils_in_zone=280)]
    county = towns.county([towns.school("a"), towns.school("b")], rows)
    assert judged(county, "G13-primary").value == pytest.approx(95.0)
    assert judged(county, "G13-primary").status == "not_met"
    rural = towns.county([towns.school("a"), towns.school("b", location="rural")], rows)
    assert judged(rural, "G13-primary").status == "met"
    boarding = towns.county([towns.school("a"), towns.school("b", boarding=1)], rows)
    assert judged(boarding, "G13-primary").status == "met"
    unknown = towns.county([towns.school("a"), towns.school("b", boarding=None)], rows)
    assert judged(unknown, "G13-primary").status == "no_data"


def test_retention_adds_out_and_takes_in_away() -> None:
    row = towns.school_year(
        "j", "junior", graduates=95, transfers_in_3y=3, transfers_out_3y=4, entrants_3y_ago=101, deaths_3y=1
    )
    county = towns.county([towns.school("j", "junior")], [row])
    assert judged(county, "Q1").value == pytest.approx(100 * (95 - 3 + 4) / (101 - 1))


def test_county_figure_against_another_figure() -> None:
    def pay(teachers: float | None):
        given = towns.figures(teacher_salary_yuan=teachers, civil_servant_salary_yuan=80000)
        return towns.county([towns.school("a")], [towns.school_year("a")], county_years=given)

    assert judged(pay(80000), "G8").status == "met"
    assert judged(pay(79999), "G8").status == "not_met"
    assert judged(pay(79999), "G8").gap == -1
    assert judged(pay(None), "G8").status == "no_data"


def test_zero_denominator_is_said_and_not_divided() -> None:
    given = towns.figures(rotated=0, rotated_backbone=0)
    county = towns.county([towns.school("a")], [towns.school_year("a")], county_years=given)
    result = judged(county, "G11-backbone")
    assert result.status == "no_data" and "分母为零" in result.reason.render("zh")


def test_a_county_without_those_a_rule_speaks_of_is_not_asked_for_them() -> None:
    """Nought special pupils, disabled or migrant children must not block a pass for ever."""
    given = towns.figures(
        special_fund_yuan=0, special_pupils=0, disabled_children=0, disabled_enrolled=0, migrant_eligible=0,
        migrant_public=0, migrant_purchased=0,
    )  # fmt: skip
    county = towns.county([towns.school("a")], [towns.school_year("a")], county_years=given)
    assert {judged(county, code).status for code in ("G7", "Q2", "G15-migrant")} == {"not_applicable"}
    bare = towns.county([towns.school("a")], [towns.school_year("a")])
    assert {judged(bare, code).status for code in ("G7", "Q2", "G15-migrant")} == {"no_data"}


def standard_with(tmp_path, measure: str, operator: str = ">", value: str = "0", deadline: str = ""):
    file = tmp_path / "own.yaml"
    file.write_text(
        "id: own\ntitle_zh: 自\ntitle_en: own\nindicators_from: quality_2017\nadopted: 2020-01-01\nitems:\n"
        f"- {{code: X, kind: target, label_zh: 甲, label_en: X, level: county, stage: all, operator: '{operator}', "
        f"value: {value}, deadline: '{deadline}', measure: {measure}}}\n",
        encoding="utf-8",
    )
    return standards.load(file)


def growth_county(*values: float | None):
    years = range(2020 - len(values) + 1, 2021)
    given = [
        row for y, v in zip(years, values, strict=True) for row in towns.figures(y, gdp_yuan=v, payroll_yuan=100.0)
    ]
    return towns.county([towns.school("a")], [towns.school_year("a")], county_years=given)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ((1, 2, 3), "met"),
        ((1, 2, 2), "not_met"),
        ((3, 2, 4), "not_met"),  # the year before fails
        ((None, 2, 3), "no_data"),
        ((2, 3), "no_data"),  # three figures are needed for two changes
        ((None, 3, 2), "not_met"),  # what is known is enough
    ],
)
def test_rising_every_year(tmp_path, values, status) -> None:
    own = standard_with(tmp_path, "{county: gdp_yuan, transform: change, years: 2}")
    assert judged(growth_county(*values), "X", own).status == status


def test_growth_against_the_growth_of_another_figure(tmp_path) -> None:
    own = standard_with(tmp_path, "{county: gdp_yuan, transform: growth, against: payroll_yuan}")
    result = judged(growth_county(100, 110), "X", own)
    assert (result.value, result.threshold, result.status) == (pytest.approx(10.0), 0.0, "met")
    assert judged(growth_county(100, 100), "X", own).status == "not_met"


def test_a_year_without_figures_is_not_bridged(tmp_path) -> None:
    own = standard_with(tmp_path, "{county: gdp_yuan, transform: change}")
    given = [*towns.figures(2018, gdp_yuan=1.0), *towns.figures(2020, gdp_yuan=2.0)]
    county = towns.county([towns.school("a")], [towns.school_year("a")], county_years=given)
    assert judged(county, "X", own).status == "no_data"


def test_deadline_decides_between_not_due_and_not_met(tmp_path) -> None:
    own = standard_with(tmp_path, "{county: gdp_yuan}", ">=", "10", "2021-08-31")
    assert judged(growth_county(9), "X", own).status == "not_met"  # school year 2020 ends on that day
    assert judged(growth_county(9), "X", own, on=date(2021, 8, 30)).status == "not_due"
    assert judged(growth_county(10), "X", own, on=date(2021, 8, 30)).status == "met"


def test_reported_figure(tmp_path) -> None:
    own = standard_with(tmp_path, "reported", ">=", "10")
    given = [{"year": 2020, "item": "own/X", "value": 10, "source": "教育局报表"}]
    county = towns.county([towns.school("a")], [towns.school_year("a")], county_years=given)
    assert judged(county, "X", own).status == "met"
    assert "教育局报表" in judged(county, "X", own).reason.render("zh")
    assert judged(two_schools(), "X", own).status == "no_data"


def test_share_of_schools(tmp_path) -> None:
    own = standard_with(tmp_path, "{schools: 'books >= 2500', judge: share}", ">=", "50")
    assert judged(two_schools(books=2499), "X", own).status == "met"
    assert judged(two_schools(books=2499), "X", own).value == 50
    three = towns.county(
        [towns.school(s) for s in "abc"], [towns.school_year("a"), *(towns.school_year(s, books=1) for s in "bc")]
    )
    assert judged(three, "X", own).status == "not_met"
    assert judged(two_schools(books=None), "X", own).status == "no_data"


def test_every_township_has_its_schools(tmp_path) -> None:
    own = standard_with(tmp_path, "{townships: n_central_primary}", ">=", "1")
    towns_of = [{"township": "甲镇", "type": "town"}, {"township": "乙乡", "type": "township"}]
    county = towns.county([towns.school("a")], [towns.school_year("a")], townships=towns_of)
    result = judged(county, "X", own)
    assert result.status == "not_met" and "乙乡" in result.reason.render("zh")
    both = towns.county(
        [towns.school("a"), towns.school("b", township="乙乡")],
        [towns.school_year("a"), towns.school_year("b")],
        townships=towns_of,
    )
    assert judged(both, "X", own).status == "met"


def test_evidence_counts_in_its_own_year_only() -> None:
    row = {"standard": "quality_2017", "item_id": "G1", "year": 2020, "finding": "met", "document": "布局规划批复"}
    county = towns.county(
        [towns.school("a")], [towns.school_year("a"), towns.school_year("a", year=2021)], evidence=[row]
    )
    assert judged(county, "G1").status == "met"
    assert "布局规划批复" in judged(county, "G1").reason.render("zh")
    assert judged(county, "G1", year=2021).status == "evidence"
    denied = towns.county([towns.school("a")], [towns.school_year("a")], evidence=[{**row, "finding": "not_met"}])
    assert judged(denied, "G1").status == "not_met"


def test_handed_in_measure(tmp_path) -> None:
    own = standard_with(tmp_path, "{given: walk_max_km}", "<=", "3")
    note = Message("reason.walk.unknown", {"pupils": "1", "unknown": "0"})
    for value, status in ((3.0, "met"), (3.001, "not_met"), (math.nan, "no_data")):
        given = {("walk_max_km", "all"): Measured(value, note)}
        assert judged(two_schools(), "X", own, measures=given).status == status
    assert judged(two_schools(), "X", own).status == "no_data"


def complete(tmp_path, *values: float):
    own = standard_with(tmp_path, "{county: gdp_yuan}", ">=", "10")
    return [evaluate(growth_county(value), own, year=2020).verdict for value in values]


def test_verdict_passes_only_when_nothing_is_open(tmp_path) -> None:
    assert complete(tmp_path, 10, 9, math.nan) == ["pass", "fail", "undetermined"]
    assert evaluate(two_schools(), QUALITY, year=2020).verdict == "undetermined"
    assert evaluate(two_schools(pupils=2001), QUALITY, year=2020).verdict == "fail"


def test_unknown_year_says_which_there_are() -> None:
    with pytest.raises(NotFoundError) as caught:
        evaluate(two_schools(), QUALITY, year=1999)
    assert "2020" in str(caught.value)


def test_result_is_json_without_nan() -> None:
    for lang in ("zh", "en"):
        plain = evaluate(two_schools(teachers_backbone=None), QUALITY, year=2020).as_dict(lang)
        again = json.loads(json.dumps(plain, allow_nan=False, ensure_ascii=False))
        assert {"county", "year", "standard", "verdict", "items", "schools", "cv", "provenance"} <= set(again)
        assert {"item_id", "code", "label", "stage", "value", "threshold", "gap", "status", "reason"} <= set(
            again["items"][0]
        )
        assert {"school_id", "stage", "indicator", "value", "threshold", "ratio", "met"} <= set(again["schools"][0])
        assert {"stage", "indicator", "mean", "sd", "cv", "limit", "met"} <= set(again["cv"][0])


def test_history_has_every_item_in_every_year() -> None:
    rows = [towns.school_year("a", year=year, teachers_backbone=n) for year, n in ((2019, 0), (2020, 2))]
    found = evaluation.history(towns.county([towns.school("a")], rows), QUALITY)
    status = found.set_index(["year", "code"])["status"]
    assert len(found) == 2 * len(QUALITY.judged)
    assert (status[2019, "L2-primary"], status[2020, "L2-primary"]) == ("not_met", "met")


VILLAGES = [{"village_id": "v", "name_zh": "远村", "lon": 109.6, "lat": 31.4 + 3000 / 110890.0}]


def walking(boarders: float, **village):
    going = {"village_id": "v", "school_id": "a", "stage": "primary", "band": "g1_3", "year": 2020}
    return towns.county(
        [towns.school("a")],
        [towns.school_year("a", pupils=40)],
        villages=[{**VILLAGES[0], **village}],
        attendance=[{**going, "pupils": 40, "boarders": boarders}],
    )


def test_longest_walk_is_that_of_day_pupils() -> None:
    found = access.measures(walking(10), 2020)["walk_max_km", "primary"]
    assert found.value == pytest.approx(3.0, abs=0.01)
    assert "30" in found.note.render("zh") and "远村" in found.note.render("zh")
    assert access.measures(walking(40), 2020) == {}
    assert np.isnan(access.measures(walking(10, lon=None), 2020)["walk_max_km", "primary"].value)


def test_all_years_at_once_say_what_each_year_says() -> None:
    rows = [towns.school_year("a", year=year, pupils=pupils) for year, pupils in ((2019, 100), (2020, 400))]
    county = towns.county([towns.school("a")], rows)
    together = evaluation.evaluate_years(county, QUALITY)
    assert list(together) == [2019, 2020]
    for year, found in together.items():
        alone = evaluation.evaluate(replace(county), QUALITY, year=year)
        assert found.as_dict() == alone.as_dict()
    assert together[2019].item("L1-primary").status != together[2020].item("L1-primary").status


def test_a_finding_travels_with_its_rows() -> None:
    county = towns.county([towns.school("a")], [towns.school_year("a", pupils=400)])
    found = evaluation.evaluate(county, QUALITY, year=2020).item("L1-primary")
    again = pickle.loads(pickle.dumps(found))
    assert again.rows is not None and again.rows.equals(found.rows) and again.behind is None


@pytest.mark.parametrize(("schools_only", "status", "rows"), [(None, "not_met", 2), (True, "met", 1)])
def test_music_rooms_are_asked_of_teaching_points_unless_switched_off(schools_only, status, rows) -> None:
    county = towns.county(
        [towns.school("a"), towns.school("p", kind="teaching_point")],
        [towns.school_year("a", music_rooms_96=3), towns.school_year("p", music_rooms_96=0)],
    )
    switches = {} if schools_only is None else {"rooms_schools_only": schools_only}
    found = judged(county, "G3-music", definitions=switches)
    assert found.status == status and len(found.rows) == rows


# ---- points of a score sheet -------------------------------------------------------------------------------------


def scored(enough: float = 85.0, **points: float) -> standards.Standard:
    """Return the basic standard with a score sheet, as a province writes one."""
    basic = standards.load("basic_2012")
    items = tuple(replace(item, points=points.get(item.code.replace("-", "_"))) for item in basic.items)
    return replace(basic, items=items, pass_points=enough)


def test_points_of_open_items_are_never_counted_as_earned(demo_dir) -> None:
    county = County.open(demo_dir / "wuxi")
    figures = county.tables["county_years"]
    county = county.with_tables(county_years=figures[figures["item"] != "fitness_tested"])
    points = {"B1_3": 60.0, "B1_12": 15.0, "B1_15": 25.0}
    found = evaluation.evaluate(county, "basic_2012", 2017)
    assert [found.item(code).status for code in ("B1-3", "B1-12", "B1-15")] == ["met", "not_met", "no_data"]
    found = evaluation.evaluate(county, scored(**points), 2017).score
    assert (found.got, found.possible, sum(found.lost.values()), sum(found.open.values())) == (60, 100, 15, 25)
    assert list(found.open.values()) == [25] and found.verdict == "undetermined"
    assert "得60分" in found.sentence() and "待定25分（待定的不计入得分）" in found.sentence()
    assert evaluation.evaluate(county, scored(60, **points), 2017).score.verdict == "pass"
    assert evaluation.evaluate(county, scored(86, **points), 2017).score.verdict == "fail"
    told = evaluation.evaluate(county, scored(**points), 2017).as_dict()["score"]
    assert (told["got"], told["possible"], told["verdict"]) == (60, 100, "undetermined")


def test_without_a_score_sheet_there_is_no_sum(demo_dir) -> None:
    found = evaluation.evaluate(County.open(demo_dir / "wuxi"), "basic_2012", 2017)
    assert found.score is None and found.as_dict()["score"] is None


def test_monitored_subjects_without_data_leave_item_nine_open_and_are_named(demo_dir) -> None:
    """Four of six subjects are missing, the other two meet their lines: that is no pass."""
    county = County.open(demo_dir / "akqi")
    table = county.tables["county_years"]
    gone = table["item"].str.contains("quality_(?:level|difference)_(?:pe|arts|moral|science)$", regex=True)
    good = table["value"].mask(table["item"].str.startswith("quality_difference_"), 0.1)
    less = county.with_tables(county_years=table.assign(value=good)[~gone])
    found = evaluation.evaluate(less, "quality_2017")
    nine = [r for r in found.items if r.item.item_id == "Q9"]
    assert {r.status for r in nine} == {"met", "no_data"} and "Q9" in found.official.open
    said = "".join(r.reason.render("zh") for r in nine if r.status == "no_data")
    assert all(subject in said for subject in ("科学", "体育", "艺术", "德育")) and "语文" not in said
