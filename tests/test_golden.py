"""Golden tests of what leaders read: orders of lists, the village a sentence names, countdowns, shares, unknowns.

Each of the faults named in a test's docstring once lived through the whole suite.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from balance_lib import evaluation, standards
from balance_lib.data.county import County
from balance_lib.evaluation.figures import quantity
from balance_lib.locale import text
from balance_lib.office import workplan
from balance_lib.office.reports import lists
from balance_lib.office.workplan import problems
from balance_lib.planning.siting import Goals, trial
from balance_lib.scenarios import tell
from balance_lib.show.widgets import apps, card_views, first_screen, province_views, register_views, views
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.running import RunModel
from tests import towns

QUALITY = standards.load("quality_2017")


def bare(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_worst_school_stands_first() -> None:
    """The list of worst schools reversed."""
    bad = {
        "a": {"books": 1},
        "b": {"equipment_yuan": 1, "multimedia_rooms": 0, "teachers_backbone": 0},
        "c": {"multimedia_rooms": 0},
    }
    county = towns.county([towns.school(x) for x in bad], [towns.school_year(x, **v) for x, v in bad.items()])
    found = evaluation.evaluate(county, QUALITY, year=2020)
    shown = bare(views._school_ranking(found, county, lambda **_: "", "zh"))
    assert shown.index("b校") < shown.index("c校")
    short = {s: len(labels) for s, labels in views._shortfalls(found, "zh").items()}
    assert short["b"] > short["c"] > 0
    top = bare(views._school_ranking(found, county, lambda **_: "", "zh", most=1))
    assert "b校" in top and "c校" not in top


def test_the_sentence_names_the_village_that_loses_most() -> None:
    """The sentence names the least hit village."""
    moves = pd.DataFrame({"extra_m": [500.0, 4000.0], "band": "g4_6", "minutes_after": 10.0, "pupils": [9.0, 5.0],
                          "far": 0.0, "riders": 0.0, "boarders_after": 0.0, "boarders_before": 0.0})  # fmt: skip
    affected = pd.DataFrame({"village": ["远村", "近村"], "worst_metres": [6100.0, 900.0]})
    said = tell._losses(moves, affected, 30.0, "zh")
    assert "远村" in said and "近村" not in said and "6.1" in said
    unmeasured = tell._losses(moves, affected.assign(worst_metres=np.nan), 30.0, "zh")
    assert "远村" in unmeasured and "近村" not in unmeasured, "the first is the worst where no way is known"
    one = moves.iloc[:1].assign(pupils=1.0, riders=1.0)
    said = tell._losses(one, affected.iloc[:1], 30.0, "zh")
    for name in ("longer", "riders"):
        assert text(f"scenarios.loss.{name}", "zh", n="1") in said, "the loss of a single pupil is told"
    assert "98,765" in tell._change(-987_654_321.0, "zh") and "98,765" in tell._change(987_654_321.0, "en")


def test_a_demonstration_outcome_names_its_worst_village(demo_dir: Path) -> None:
    """The table a sentence takes its village from lists the most hit first."""
    from balance_lib import scenarios

    county = County.open(demo_dir / "akqi")
    file = sorted((demo_dir / "akqi" / "scenarios").glob("*.yaml"))[0]
    outcome = scenarios.evaluate(county, scenarios.Scenario.from_yaml(file), standard=standards.load("akqi_2022"))
    if outcome.affected.empty:
        pytest.skip("the example moves nobody")
    worst = outcome.affected.iloc[0]
    assert worst["far"] == outcome.affected["far"].max()
    assert str(worst["village"]) in outcome.sentence("zh")


def test_the_countdown_runs_to_the_next_date_not_to_the_last(demo_dir: Path) -> None:
    """The countdown runs to the last date; or the day itself counts as past."""
    county, standard = County.open(demo_dir / "akqi"), standards.load("akqi_2022")
    on = date(2022, 6, 24)
    found = evaluation.evaluate(county, standard, year=2021, on=on)
    dates = sorted(
        {r.item.due for r in found.with_status("not_met", *evaluation.OPEN) if r.item.due and r.item.due >= on}
    )
    assert len(dates) > 2
    shown = bare(card_views._cards(found, None, "zh", 4))
    assert dates[0].isoformat() in shown and dates[-1].isoformat() not in shown
    assert text("page.card.days", "zh", n=(dates[0] - on).days) in shown and "任务逾期4项" in shown
    today = evaluation.evaluate(county, standard, year=2021, on=dates[0])
    assert text("page.card.days", "zh", n=0) in bare(card_views._cards(today, None, "zh", 0))


def test_the_page_of_the_plan_counts_down_to_the_next_task(demo_dir: Path) -> None:
    register = RunModel(Library((demo_dir,)), {"county": "wuxi", "on": "2016-12-15"}).register
    rows = register.tasks[~register.tasks["status"].isin(["done", "not_started"]) & register.tasks["due"].notna()]
    dates = sorted(due for due in rows["due"] if due >= register.on)
    shown = bare(register_views._cards(register, pd.DataFrame({"state": [], "days_late": []}), "zh"))
    assert dates[0].isoformat() in shown and dates[-1].isoformat() not in shown
    assert f"{dates.count(dates[0])}" in shown


def test_schools_without_figures_stand_in_the_table_of_needs() -> None:
    """Unknown schools hidden in the table of needs."""
    years = [towns.school_year(x, multimedia_rooms=n) for x, n in (("a", 0), ("b", None), ("c", 4))]
    county = towns.county([towns.school(x) for x in "abc"], years)
    found = evaluation.evaluate(county, QUALITY, year=2020)
    rows = re.findall(r"<tr>(.*?)</tr>", views.needs(found, "zh"), flags=re.S)
    (row,) = [bare(r) for r in rows if "网络多媒体教室" in r]
    assert re.search(r"1 / 2\b.*\b1 *$", row), "one short of the two known, one unknown"
    blank = towns.county([towns.school("a")], [towns.school_year("a", multimedia_rooms=None)])
    shown = bare(views.needs(evaluation.evaluate(blank, QUALITY, year=2020), "zh"))
    assert "网络多媒体教室" in shown and "–" in shown, "a school of which nothing is known is not left out"


def test_laggards_stand_furthest_behind_first(demo_dir: Path) -> None:
    """The list of laggards reversed."""
    register = workplan.register(standards.load("chuzhou_2011"), date(2012, 8, 15))
    behind = register.laggards()
    assert list(behind["behind"]) == sorted(behind["behind"], reverse=True) and behind["behind"].nunique() > 2
    assert set(behind["unit"]) == set(register.units.loc[register.units["behind"] > 0, "unit"])
    assert register.as_dict()["laggards"][0] == behind["unit"].iloc[0]


@pytest.mark.parametrize(("shares", "middle"), [([0.2, 0.5, 0.9], "50"), ([0.1, 0.1, 0.1, 1.0], "10")])
def test_the_province_s_share_is_the_median_county_s(shares: list[float], middle: str) -> None:
    """The province's share wrong: a sum, a mean, or the share of those outside."""
    rows = pd.DataFrame({"verdict": "fail", "share": shares, "not_met": 1.0, "in_time": None})
    standing = province_views.Standing(None, "quality_2017", 2020, rows, 0)  # type: ignore[arg-type]
    shown = province_views._cards(standing, "zh")
    (card,) = [c for c in shown.split("bl-card") if text("province.cards.walk", "zh") in c]
    figure = re.search(r'bl-figure">([^<]+)<', card)
    assert figure is not None and re.match(rf"{middle}(\.0)?%", figure[1])


def test_the_province_counts_verdicts_not_their_opposites() -> None:
    rows = pd.DataFrame({"verdict": ["pass", "fail", "fail", "undetermined"], "share": 0.5, "not_met": 1.0,
                         "in_time": [True, False, None, None]})  # fmt: skip
    shown = province_views._cards(province_views.Standing(None, "x", 2020, rows, 0), "zh")  # type: ignore[arg-type]
    told = {}
    for key in ("passed", "failed", "open", "late"):
        (card,) = [c for c in shown.split("bl-card") if f"<h3>{text(f'province.cards.{key}', 'zh')}</h3>" in c]
        told[key] = re.search(r'bl-figure">\D*(\d+)', card)[1]  # type: ignore[index]
    assert told == {"passed": "1", "failed": "2", "open": "1", "late": "1"}


@pytest.mark.parametrize("county", ["wuxi", "akqi", "chuzhou", "jiaohe"])
def test_the_start_page_and_the_overview_count_the_same_overdue_tasks(demo_dir: Path, county: str) -> None:
    """The start page counted 15 overdue, the overview 16."""
    model = PageModel(Library((demo_dir,)), {"county": county})
    found = model.evaluation
    late = workplan.register_of(model.county, model.standard, found.on, found=found).counts()["late"]
    start = re.sub(r">\s+<", "><", str(apps.Index(model).cards.value))
    assert f'<p class="bl-figure">{late}</p><p>{text("page.index.workplan", "zh")}' in start
    said = bare(card_views._cards(found, None, "zh", model.overdue()))
    if late:
        assert f"任务逾期{late}项" in said or re.search(rf"{late} *项任务逾期|{late} .*任务逾期", said)
    else:
        assert "任务逾期" not in said


@pytest.mark.parametrize(("loads", "closable", "small"), [
    ([90.0, 89.0], [True, True], True), ([90.0, 90.0], [True, True], False), ([90.0, 10.0], [True, False], False),
    ([114.9, 90.0], [True, True], False), ([66.0, 200.0], [True, True], True),
])  # fmt: skip
def test_what_a_plan_leaves_open_is_as_large_as_asked(loads: list[float], closable: list[bool], small: bool) -> None:
    """The least size off by 25."""
    layout = SimpleNamespace(closable=np.array(closable), new=np.zeros(2, dtype=bool))
    plan = SimpleNamespace(layout=layout, choice=SimpleNamespace(flags=np.ones(2, dtype=bool)), loads=np.array(loads))
    assert trial._too_small(plan, Goals(schools=2, min_size=90)) is small  # type: ignore[arg-type]


def test_only_money_is_told_in_units_of_ten_thousand_and_people_are_whole() -> None:
    """12,000 pupils become 1.2 ten thousand yuan; a count of students has a digit behind the point."""
    assert quantity(25_000_000.0, "pupils") == {"zh": "25,000,000人", "en": "25,000,000 pupils"}
    assert quantity(25_000_000.0, "yuan")["zh"] == "2,500万元"
    assert quantity(12_345.4, "students")["zh"] == "12,345人"


def test_a_schedule_has_months_to_the_last_that_fit_and_quarters_beyond() -> None:
    for months in range(1, 40):
        last = date(2020 + (months - 1) // 12, (months - 1) % 12 + 1, 5)
        labels = [label for label, *_ in lists._periods([date(2020, 1, 31), last])]
        assert len(labels) == (months if months <= lists._MONTHS else -(-months // 3)), months


def test_a_name_nobody_gave_is_left_out_of_the_problem_list() -> None:
    schools = pd.DataFrame({"township": ["甲镇", np.nan]}, index=["a", "b"])
    assert [problems._name(schools, school, "township") for school in ("a", "b", "c", "")] == ["甲镇", "", "", ""]


def test_townships_that_stand_alike_keep_the_county_s_order() -> None:
    schools = [towns.school(x, township=town) for x, town in (("a", "乙镇"), ("b", "甲镇"), ("c", "丙镇"))]
    county = towns.county(schools, [towns.school_year(x) for x in "abc"])
    found = evaluation.evaluate(county, QUALITY, year=2020)
    assert workplan.townships(found, county)["township"].tolist() == ["乙镇", "甲镇", "丙镇"]


def test_the_first_screen_says_how_many_schools_lack_where_others_have_no_figures(tmp_path: Path) -> None:
    """A school without figures beside one that falls short broke the sentence, or was counted among those short."""
    wanting = {"a": {}, "b": {"training_budget_yuan": 1.0}, "c": {"training_budget_yuan": np.nan}}
    county = towns.county([towns.school(x) for x in wanting], [towns.school_year(x, **v) for x, v in wanting.items()])
    county.save(tmp_path / "toy")
    model = PageModel(Library((tmp_path,)), {"county": "toy", "standard": "quality_2017"})
    results = {result.item.code: result for result in model.evaluation.items}
    assert set(results["Q4"].by_school["met"]) == {True, False, None}
    assert "1所" in first_screen._amount(replace(results["Q4"], status="not_met"), model)
