"""Running a plan: what the register says on historical dates, the schedule, the problem list, the ledger's rules."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import docx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from balance_lib import evaluation, locale, standards
from balance_lib._errors import PolicyError
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.evaluation import indicators
from balance_lib.office import workplan
from balance_lib.office.reports import self_report
from balance_lib.office.store import Stamp, Store
from balance_lib.office.workplan import Entry, LifeCycleError
from balance_lib.office.workplan.ledger import STEPS
from balance_lib.standards import Plan, Standard
from tests import towns

NOW = datetime(2021, 3, 1, tzinfo=UTC)


def plan_on(name: str, on: date) -> workplan.Register:
    """Return a plan's register on a day by its dates alone: what the plan itself says."""
    return workplan.register(standards.load(name), on)


def said(found: workplan.Register, task: str) -> Any:
    return found.tasks.set_index("task").loc[task]


# ---- the five plans on their historical dates --------------------------------------------------------------------


def test_akqi_on_the_day_it_was_issued_has_18_tasks_due_before_its_adoption():
    found = plan_on("akqi_2022", date(2022, 6, 24))
    assert len(found.due_before_adoption) == 18
    assert found.counts()["due_before_adoption"] == 18 and found.counts()["late"] == 0
    assert said(found, "A1-2")["due"] == date(2022, 3, 31)
    assert said(found, "A1-1")["status"] == "on_course" and said(found, "A1-1")["due"] == date(2022, 12, 31)
    assert "受阻" not in found.sentence("zh") and "逾期0项" in found.sentence("zh")  # what there is none of is not told
    assert "期限早于方案印发18项" in found.sentence("zh") and "18 due before adoption" in found.sentence("en")


def test_akqi_has_31_indicators_with_their_units_and_deadlines():
    found = plan_on("akqi_2022", date(2022, 6, 24))
    contract = found.tasks[found.tasks["task"].str.match(r"A\d-")]
    assert len(contract) == 31
    assert contract["task"].str[:2].value_counts().to_dict() == {"A2": 14, "A3": 9, "A1": 7, "A4": 1}
    assert (contract["lead_unit"] != "").all() and (contract["deadline"] != "").all()


def test_akqi_finance_bureau_knows_what_it_takes_part_in_and_by_when():
    found = plan_on("akqi_2022", date(2022, 6, 24))
    mine = found.of("县财政局")
    county = {"A1-1", "A1-3", "A2-6", "A2-7", "A2-8", "A2-9", "A2-10", "A3-4"}  # 县财政局
    bare = {"A1-4", "A1-5", "A1-6", "A1-7", "A2-1", "A2-2", "A2-3", "A2-4", "A2-5"}  # 财政局
    assert set(mine["task"]) == county | bare
    assert list(found.of("财政局")["task"]) == list(mine["task"]) and "县财政局" not in set(found.units["unit"])
    # The rows keep the plan's own spelling.
    spelt = dict(zip(mine["task"], mine["cooperating_units"], strict=True))
    assert "县财政局" in spelt["A1-1"] and "县财政局" not in spelt["A1-4"] and "财政局" in spelt["A1-4"]
    assert list(mine["due"]) == sorted(mine["due"])
    row = found.units.set_index("unit").loc["教科局"]
    assert row["lead"] >= 28 and row["due_before_adoption"] == 18


def test_akqi_figures_older_than_the_plan_do_not_make_a_task_done(demo_dir):
    county, standard = County.open(demo_dir / "akqi"), standards.load("akqi_2022")
    issued = workplan.register_of(county, standard, date(2022, 6, 24))
    assert issued.year == 2021 and issued.counts()["due_before_adoption"] == 18
    assert said(issued, "A3-1")["finding"] == "met"  # and still it is said that its date was impossible
    later = workplan.register_of(county, standard, date(2023, 5, 1))
    assert later.year == 2022
    assert said(later, "A3-1")["status"] == "done"
    assert said(later, "A1-1")["status"] in ("done", "late")  # its day, 2022-12-31, is over


@pytest.mark.parametrize(
    ("day", "number"),
    [
        (date(2016, 10, 1), 1),
        (date(2016, 11, 30), 2),
        (date(2016, 12, 15), 3),
        (date(2017, 4, 30), 3),
        (date(2017, 5, 1), 4),
        (date(2017, 9, 1), 5),
        (date(2017, 12, 31), 6),
    ],
)
def test_wuxi_is_in_the_stage_its_plan_says(day, number):
    stage = plan_on("wuxi_2016", day).stage
    assert stage is not None and stage.number == number


def test_wuxi_on_2016_12_15_is_in_stage_3_and_stages_1_and_2_are_over():
    found = plan_on("wuxi_2016", date(2016, 12, 15))
    assert found.stage is not None and found.stage.label("zh") == "第3阶段 整改提高阶段"
    assert list(found.stages["status"]) == ["over", "over", "current", "ahead", "ahead", "ahead"]
    assert said(found, "W-O1")["status"] == "late"  # the problem list was due on 2016-10-31
    assert said(found, "W-O5")["status"] == "blocked" and said(found, "W-O5")["blocked_by"] == "W-O4、W-O17"
    assert said(found, "W-O11")["status"] == "not_started"  # the application belongs to stage 4
    assert said(found, "W-C1")["status"] == "on_course"


def test_a_plan_that_has_not_begun_or_is_over_says_so():
    assert "方案尚未开始" in plan_on("wuxi_2016", date(2016, 9, 30)).sentence()
    assert "方案期已满" in plan_on("wuxi_2016", date(2018, 1, 1)).sentence()
    ends = standards.load("akqi_2022").plan.ends
    said = [plan_on("akqi_2022", day).sentence() for day in (ends, ends + timedelta(days=1))]
    assert ["方案期已满" in sentence for sentence in said] == [False, True]


def test_wuxi_inspections_are_told_from_its_own_tasks():
    plan = standards.load("wuxi_2016").plan
    assert plan is not None
    days = {code: standards.load("wuxi_2016").item(code).deadline for code in plan.inspections}
    assert days == {"W-O4": "2016-11-30", "W-O17": "2016-11-30", "W-O20": "2017-05-31", "W-O22": "2017-11-30"}


def test_chuzhou_on_2012_08_15_is_in_phase_3_with_12_groups_and_8_pilot_townships():
    standard = standards.load("chuzhou_2011")
    found = plan_on("chuzhou_2011", date(2012, 8, 15))
    assert found.stage is not None and found.stage.number == 3 and len(found.stages) == 4
    groups = workplan.groups(standard)
    assert len(groups) == 12 and (groups["tasks"] > 0).all()
    assert groups.set_index("unit").loc["普通教育组", "tasks"] == 10
    assert standard.plan is not None and len(standard.plan.pilots) == 8
    assert said(found, "C-O10")["status"] == "late"  # 蹲点挂钩 was due in phase 1
    assert said(found, "C-O5")["status"] == "on_course"
    assert not any("16" in str(item.code) for item in standard.items if item.kind == "target")


def test_chuzhou_pilots_are_marked_in_the_county(demo_dir):
    county, standard = County.open(demo_dir / "chuzhou"), standards.load("chuzhou_2011")
    assert sum(first is True for first in workplan.pilots(standard, county).values()) == 8
    rows = workplan.townships(evaluation.evaluate(county, standards.load("quality_2017"), year=2011), county)
    assert list(rows.index) == list(range(len(rows))) and "index" not in rows
    assert rows["met_share"].is_monotonic_increasing


def test_jiaohe_yearly_works_are_two_weak_schools_a_township(demo_dir):
    county, standard = County.open(demo_dir / "jiaohe"), standards.load("jiaohe_2009")
    found = workplan.programme(standard, county, workplan.judged(county, standard, date(2011, 3, 1)))
    assert found is not None
    assert (found.per_township, found.area_m2, found.investment_yuan) == (2, 86_223, 103_930_000)
    assert round(found.yuan_per_m2, 2) == 1205.36
    n = len(county.tables["townships"])
    assert found.yearly["required"].tolist() == [2 * n] * 3 and found.yearly["cumulative"].tolist() == [
        2 * n,
        4 * n,
        6 * n,
    ]
    assert workplan.required_by(found, date(2011, 3, 1)) == 4 * n
    assert 0 < found.area_done_m2 <= found.area_m2


def test_huixian_achievements_stand_apart_from_its_aims():
    found = workplan.achievements(standards.load("huixian_2024")).set_index("code")
    assert found.loc["H-L1", "value"] == 182 and found.loc["H-L1", "kind"] == "baseline"
    assert found.loc["H-L1", "value"] - found.loc["H-L2", "value"] == found.loc["H-L3", "value"] == 86
    assert found.loc[["H-T1", "H-C1", "H-C2", "H-C3"], "value"].tolist() == [814, 284, 116_300, 800]
    assert found.loc["H-E1", "words"] == "举办" and pd.isna(found.loc["H-E1", "value"])


def test_published_results_stand_beside_the_countys_own_data_year_by_year(demo_dir):
    county = County.open(demo_dir / "huixian")
    found = workplan.achievements(standards.load("huixian_2024"), county).set_index("code")
    schools = found.loc["H-L1", "by_year"]
    assert (schools[2012], schools[2024]) == (182, 96) and list(schools) == county.years
    assert found.loc[["H-L1", "H-L2", "H-L3"], "found"].tolist() == [182, 96, 86]
    assert found.loc["H-L3", "by_year"] == {year: 182 - n for year, n in schools.items()}
    assert (found.loc["H-T1", "value"], found.loc["H-T1", "agrees"]) == (814, False)
    rows = county.tables["school_years"]
    by_year = indicators.frames(county, standards.load("huixian_2024")).county_years["all_teachers_first_year"]
    assert found.loc["H-T1", "found"] == by_year.sum() and by_year.sum() > 0
    assert found.loc["H-A3", "agrees"] is False and 85 < found.loc["H-A3", "found"] < 95
    assert found.loc["H-C1", "agrees"] is None and found.loc["H-C1", "by_year"] == {}
    short = county.with_tables(school_years=rows[rows["year"] != 2018])
    told = workplan.achievements(standards.load("huixian_2024"), short).set_index("code").loc["H-T1"]
    assert told["agrees"] is None, "a sum over a missing year is not known"


def test_a_progress_report_is_checked_and_neither_passed_nor_failed(demo_dir):
    county = County.open(demo_dir / "huixian")
    found = evaluation.evaluate(county, "huixian_2024")
    document = docx.Document(io.BytesIO(self_report._write(county, found)))
    said = "\n".join(p.text for p in document.paragraphs)
    cells = [c.text for table in document.tables for row in table.rows for c in row.cells]
    assert {"182所", "96所", "814人", "95%以上"} <= set(cells) and "2012年182所" in said
    (table,) = (t for t in document.tables if "本地数据" in t.rows[0].cells[-2].text)
    own = {row.cells[1].text: row.cells[3].text for row in table.rows[1:]}
    known = [r for r in workplan.achievements(found.standard, county).to_dict("records") if r["agrees"] is not None]
    assert sum(figure != "–" for figure in own.values()) == len(known) == 5
    jiaohe = County.open(demo_dir / "jiaohe")
    plan = docx.Document(io.BytesIO(self_report._write(jiaohe, evaluation.evaluate(jiaohe, "jiaohe_2009"))))
    assert "公布的成效" in {t.rows[0].cells[1].text for t in plan.tables}  # a plan's results are held too
    assert "不作通过与否的结论" in said and "达到《" not in said and "总体结论为" not in said
    assert "不作通过与否的结论" in found.sentence() and "不通过" not in found.sentence()


@pytest.mark.parametrize("name", ["wuxi_2016", "huixian_2024", "akqi_2022", "chuzhou_2011", "jiaohe_2009"])
def test_every_fact_of_a_plan_that_is_to_be_done_is_in_its_register(name):
    standard = standards.load(name)
    found = plan_on(name, date(2015, 1, 1))
    listed = {code for codes in found.tasks["codes"] for code in codes.split("、")}
    assert listed == {item.code for item in standard.items if item.kind in ("target", "rule", "task", "output")}
    assert found.tasks["task"].is_unique
    assert sum(found.counts().values()) == len(found.tasks)


# ---- rules of the register, by hand ------------------------------------------------------------------------------


def item(code: str, deadline: str = "", kind: str = "output", **more: Any) -> standards.Item:
    base = {"label_zh": code, "label_en": code, "level": "county", "stage": "all", "item_id": code}
    return standards.Item(code=code, kind=kind, deadline=deadline, **{**base, **more})


def plan(*items: standards.Item, **more: Any) -> Standard:
    course = Plan(date(2020, 1, 1), date(2021, 12, 31), **more)
    return Standard("toy_plan", "玩具方案", "Toy plan", items, adopted="2020-01-10", plan=course)


def records(*rows: dict[str, Any]) -> pd.DataFrame:
    base = {"due": None, "done_on": None, "note": "", "version": 1}
    return pd.DataFrame([{**base, **row} for row in rows]).astype({"due": object, "done_on": object})


@pytest.mark.parametrize(
    ("deadline", "on", "status"),
    [
        ("2020-06-30", date(2019, 12, 31), "not_started"),
        ("2020-06-30", date(2020, 6, 30), "on_course"),
        ("2020-06-30", date(2020, 7, 1), "late"),
        ("2019-12-31", date(2020, 2, 1), "due_before_adoption"),
        ("", date(2020, 2, 1), "undated"),
        ("annual", date(2020, 2, 1), "on_course"),
        ("annual", date(2022, 2, 1), "late"),  # the plan is over
        ("ongoing", date(2021, 2, 1), "on_course"),
    ],
)
def test_status_follows_from_the_day(deadline, on, status):
    found = workplan.register(plan(item("A", deadline)), on)
    assert said(found, "A")["status"] == status


def test_task_waits_for_the_one_before_it_until_its_own_day():
    standard = plan(item("A", "2020-03-31"), item("B", "2020-06-30"), after={"B": ["A"]})
    assert said(workplan.register(standard, date(2020, 2, 1)), "B")["status"] == "blocked"
    done = records({"task": "A", "state": "done", "done_on": date(2020, 3, 1)})
    assert said(workplan.register(standard, date(2020, 2, 1), records=done), "B")["status"] == "blocked"
    found = workplan.register(standard, date(2020, 3, 1), records=done)
    assert said(found, "A")["status"] == "done" and said(found, "B")["status"] == "on_course"
    late = workplan.register(standard, date(2020, 7, 1))
    assert said(late, "B")["status"] == "late" and said(late, "B")["blocked_by"] == "A"


def test_recorded_block_and_new_date_show_in_the_register():
    standard = plan(item("A", "2019-12-31"), item("B", "2020-06-30"))
    known = records(
        {"task": "A", "state": "started", "due": date(2020, 9, 30)},
        {"task": "B", "state": "blocked", "note": "土地未批"},
    )
    found = workplan.register(standard, date(2020, 3, 1), records=known)
    assert said(found, "A")["status"] == "on_course" and said(found, "A")["days_left"] == 213
    assert said(found, "B")["status"] == "blocked" and said(found, "B")["remark"] == "土地未批"
    assert found.due_before_adoption == ["A"]  # that the plan's own date was impossible stays said


def test_paper_counts_from_the_day_it_was_recorded():
    papers = pd.DataFrame(
        [{"standard": "toy_plan", "item_id": "A", "year": 2020, "finding": "met", "recorded_on": "2020-05-05"}]
    )
    standard = plan(item("A", "2020-06-30"))
    assert said(workplan.register(standard, date(2020, 5, 4), evidence=papers), "A")["status"] == "on_course"
    found = said(workplan.register(standard, date(2020, 5, 5), evidence=papers), "A")
    assert found["status"] == "done" and found["done_on"] == date(2020, 5, 5)


def test_units_planned_against_actual_and_laggards():
    standard = plan(
        item("A", "2020-01-31", lead_unit="甲局"), item("B", "2020-02-28", lead_unit="甲局;乙局"),
        item("C", "2020-12-31", lead_unit="乙局", cooperating_units=("甲局",)),
    )  # fmt: skip
    done = records({"task": "A", "state": "done", "done_on": date(2020, 1, 20)})
    found = workplan.register(standard, date(2020, 3, 1), records=done)
    units = found.units.set_index("unit")
    assert units.loc["甲局", ["lead", "cooperating", "done", "late"]].tolist() == [2, 1, 1, 1]
    assert units.loc["甲局", ["planned_share", "actual_share", "behind"]].tolist() == [1.0, 0.5, 0.5]
    should = (1 + 61 / 366) / 2  # B is due; of C's year 61 days are over
    assert units.loc["乙局", ["planned_share", "actual_share"]].tolist() == pytest.approx([should, 0.0])
    assert units.loc["乙局", "next_due"] == date(2020, 12, 31)
    assert list(found.laggards()["unit"]) == ["乙局", "甲局"]  # furthest behind first
    assert list(found.of("甲局")["task"]) == ["A", "B", "C"]


def test_curve_grows_over_each_tasks_span_and_steps_when_they_are_done():
    standard = plan(
        *(item(c, d) for c, d in (("A", "2020-01-31"), ("B", "2020-02-28"), ("C", "2020-12-31"), ("D", "")))
    )
    done = records({"task": "A", "state": "done", "done_on": date(2020, 2, 10)})
    found = workplan.register(standard, date(2020, 3, 1), records=done)
    rows = workplan.curve(found.tasks, found.on, starts=date(2020, 1, 1)).set_index("day")
    assert rows.loc[date(2020, 1, 31), "planned_share"] == pytest.approx((1 + 31 / 59 + 31 / 366) / 3)
    assert rows.loc[date(2020, 2, 10)].tolist() == pytest.approx([(1 + 41 / 59 + 41 / 366) / 3, 1 / 3])
    assert rows.loc[date(2020, 3, 1)].tolist() == pytest.approx([(2 + 61 / 366) / 3, 1 / 3])
    assert rows.loc[date(2020, 12, 31), "planned_share"] == 1.0
    assert pd.isna(rows.loc[date(2020, 12, 31), "actual_share"])  # nobody knows the future
    assert pd.isna(rows.loc[date(2020, 1, 31), "actual_share"])  # nor what was before anything was recorded
    assert rows["planned_share"].is_monotonic_increasing


@pytest.mark.parametrize(("plan_id", "on"), [("chuzhou_2011", date(2012, 8, 15)), ("jiaohe_2009", date(2011, 5, 31))])
def test_who_is_behind_shows_before_the_last_day(plan_id, on):
    """Every task of a plan that falls due on its last day left planned progress at nought until then."""
    found = plan_on(plan_id, on)
    assert (found.units["planned_share"].between(0.2, 0.99)).sum() >= 1
    behind = found.laggards()
    assert len(behind) and list(behind["behind"]) == sorted(behind["behind"], reverse=True)


def test_a_later_document_takes_the_place_of_an_earlier_one():
    rows = [("2020-05-05", "met"), ("2020-08-01", "not_met"), ("2020-10-01", "met")]
    papers = pd.DataFrame(
        [{"standard": "toy_plan", "item_id": "A", "year": 2020, "finding": f, "recorded_on": d} for d, f in rows]
    )
    standard = plan(item("A", "2020-06-30"))
    told = {}
    for day in (date(2020, 5, 6), date(2020, 9, 1), date(2020, 10, 2)):
        row = said(workplan.register(standard, day, evidence=papers), "A")
        told[day.month] = (row["status"], row["finding"], row["done_on"])
    assert told == {5: ("done", "met", date(2020, 5, 5)), 9: ("late", "not_met", None),
                    10: ("done", "met", date(2020, 10, 1))}  # fmt: skip


def test_nothing_is_done_before_what_must_come_first():
    standard = plan(item("A", "2020-03-31"), item("B", "2020-06-30"), after={"B": ("A",)})
    papers = pd.DataFrame(
        [{"standard": "toy_plan", "item_id": "B", "year": 2020, "finding": "met", "recorded_on": "2020-05-05"}]
    )
    on = date(2020, 6, 1)
    row = said(workplan.register(standard, on, evidence=papers), "B")
    assert row["status"] == "blocked" and row["blocked_by"] == "A" and row["finding"] == "met"
    done = records({"task": "B", "state": "done", "done_on": date(2020, 5, 5)})
    assert said(workplan.register(standard, on, evidence=papers, records=done), "B")["status"] == "done"


def test_curve_of_a_county_steps_on_the_days_findings_were_recorded(demo_dir):
    county, standard = County.open(demo_dir / "chuzhou"), standards.load("chuzhou_2011")
    on = date(2012, 6, 15)
    found = workplan.judged(county, standard, on)
    shown = workplan.register_of(county, standard, on, found=found)
    rows = workplan.curve_of(county, shown).set_index("day")["actual_share"].dropna()
    papers = county.tables["evidence"]
    days = {
        date.fromisoformat(d[:10]) for d in papers.loc[papers["standard"] == "chuzhou_2011", "recorded_on"].dropna()
    }
    within = {day for day in days if standard.plan.starts < day <= on}
    assert within and within <= set(rows.index)
    assert rows.is_monotonic_increasing and rows.nunique() > 2


def test_schedule_counts_back_through_what_waits():
    standard = plan(item("A", "2020-12-31"), item("B", "2020-06-30"), item("C", ""), after={"B": ["A"], "A": ["C"]})
    tasks = workplan.register(standard, date(2020, 3, 1)).tasks
    assert standard.plan is not None
    rows = workplan.schedule(tasks, date(2020, 3, 1), after=standard.plan.after, lead_days={"A": 60, "B": 30, "C": 20})
    rows = rows.set_index("task")
    assert rows.loc["B", "latest_start"] == date(2020, 5, 31)
    assert rows.loc["A", "needed_by"] == date(2020, 5, 31) and rows.loc["A", "latest_start"] == date(2020, 4, 1)
    assert rows.loc["C", "needed_by"] == date(2020, 4, 1) and rows.loc["C", "slack_days"] == 11
    assert not rows["impossible"].any()
    late = workplan.schedule(tasks, date(2020, 4, 2), after=standard.plan.after, lead_days={"A": 60, "B": 30, "C": 20})
    assert set(late.loc[late["impossible"], "task"]) == {"A", "C"}


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 90)), min_size=1, max_size=8), st.data())
def test_schedule_never_starts_a_task_later_than_its_followers_allow(tasks, data):
    names = [f"T{at}" for at in range(len(tasks))]
    after = {
        name: data.draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else []
        for at, name in enumerate(names)
    }
    base = date(2020, 1, 1).toordinal()
    frame = pd.DataFrame(
        {"task": names, "status": "on_course", "kind": "task", "label_zh": names, "label_en": names,
         "due": [date.fromordinal(base + due) for due, _ in tasks]}
    )  # fmt: skip
    days = {name: lead for name, (_, lead) in zip(names, tasks, strict=True)}
    rows = workplan.schedule(frame, date(2020, 1, 1), after=after, lead_days=days).set_index("task")
    for name, before in after.items():
        assert rows.loc[name, "needed_by"] <= rows.loc[name, "due"]
        for first in before:
            assert rows.loc[first, "needed_by"] <= rows.loc[name, "latest_start"]


def test_plan_with_tasks_that_wait_for_each_other_is_refused(tmp_path):
    text = """
id: circle
title_zh: 圈
title_en: Circle
plan: {starts: "2020-01-01", ends: "2020-12-31", after: {A: [B], B: [A], C: [X]}, groups: [Z]}
items:
- {code: A, kind: task, label_zh: a, label_en: a, level: county, stage: all}
- {code: B, kind: task, label_zh: b, label_en: b, level: county, stage: all}
- {code: C, kind: task, label_zh: c, label_en: c, level: county, stage: all}
"""
    (tmp_path / "circle.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as told:
        standards.load(tmp_path / "circle.yaml")
    for name in ("plan: after: X", "plan: Z", "→"):
        assert name in str(told.value)


def test_stage_without_two_days_is_refused():
    with pytest.raises(PolicyError, match="S1"):
        workplan.stages(plan(item("S1", kind="stage", value="2020 spring")))


# ---- problem list ------------------------------------------------------------------------------------------------


def short(year: int = 2020, **changes: Any) -> County:
    """Return two schools, the first of which lacks 80 m² of teaching area for its 100 pupils (4.5 m² each)."""
    schools = [towns.school("a", name_zh="=cmd|'/C calc'!A0\u202e校"), towns.school("b")]
    years = [
        towns.school_year("a", year=y, **{"teaching_area_m2": 370, **(changes if y == year else {})})
        for y in sorted({2019, 2020, year})
    ]
    return towns.county(schools, [*years, *(towns.school_year("b", year=y) for y in (2019, 2020))])


def problems_of(county: County, on: date = date(2021, 1, 1)) -> pd.DataFrame:
    standard = standards.load("quality_2017")
    found = evaluation.evaluate(county, standard, year=2020, on=on, codes=AREA)
    return workplan.problem_list(found, county, on=on)


AREA = [
    i.code
    for i in standards.load("quality_2017").items
    if i.measure and i.measure.source == "indicator" and i.measure.formula == "teaching_area"
]


def test_problem_list_names_value_line_gap_and_what_it_takes(monkeypatch):
    rows = problems_of(short(pupils=300, teachers_backbone=0, multimedia_rooms=0))
    (row,) = rows[rows["school_id"] == "a"].to_dict("records")
    assert row["value"] == pytest.approx(370 / 300) and row["required"] == 4.5
    assert row["needed"] == pytest.approx(4.5 * 300 - 370)
    assert "平方米教学及辅助用房" in row["measure"] and "980" in row["measure"]
    assert row["operator"] == ">=" and row["township"] == "甲镇" and row["year"] == 2020


def test_latest_start_that_is_past_is_flagged_impossible(demo_dir):
    county, standard = County.open(demo_dir / "akqi"), standards.load("akqi_2022")
    found = workplan.judged(county, standard, date(2022, 6, 24))
    assert found is not None
    rows = workplan.problem_list(found, county, lead_days={"A1-4": 10})
    dated = rows[rows["due"].notna()]
    assert len(dated) and ((dated["latest_start"] < date(2022, 6, 24)) == dated["impossible"]).all()
    area = rows[rows["code"] == "A1-4"]
    assert set(area["lead_days"]) == {10} and not area["impossible"].any()  # due 2023-03-31
    own = rows[rows["school_id"] == ""]
    assert len(own) and (own["school"] == "").all()


# ---- ledger ------------------------------------------------------------------------------------------------------

ENTRY = Entry("e1", "toy", "quality_2017", "a", "L4-primary", "primary", 2020, value=1.2, required=4.5, opened_at=NOW)


def through(*actions: str, entry: Entry = ENTRY) -> Entry:
    for action in actions:
        entry = workplan.act(entry, action, at=NOW, note="理由")
    return entry


def test_entry_goes_from_open_to_verified_by_evidence():
    entry = through("start", "attach", "submit", "verify")
    assert (entry.state, entry.closed_by, entry.closed_at, entry.version) == ("verified", "evidence", NOW, 5)


def test_entry_closes_only_with_a_file_or_a_value():
    for state in ("open", "in_progress", "evidence"):
        with pytest.raises(LifeCycleError) as told:
            workplan.act(replace(ENTRY, state=state), "verify", at=NOW)
        assert told.value.rule in ("step", "no_evidence")
    assert through("close_by_value").closed_by == "value"
    assert workplan.ACTIONS.count("close_by_value") == 0  # nobody can press it


def test_file_from_before_an_entry_was_opened_again_does_not_close_it():
    entry = through("attach", "submit", "verify", "reopen")
    assert (entry.state, entry.evidence, entry.reopened, entry.closed_by) == ("open", 0, 1, "")
    with pytest.raises(LifeCycleError):
        workplan.act(entry, "submit", at=NOW)


@pytest.mark.parametrize("action", ["send_back", "reopen"])
def test_sending_back_and_opening_again_need_a_reason(action):
    state = "evidence" if action == "send_back" else "verified"
    with pytest.raises(LifeCycleError) as told:
        workplan.act(replace(ENTRY, state=state), action, at=NOW, note="  ")
    assert told.value.rule == "no_reason"


@given(st.lists(st.sampled_from([*STEPS, "erase"]), max_size=12))
def test_no_row_of_steps_verifies_without_a_file_or_a_value(actions):
    entry, files = ENTRY, 0
    for action in actions:
        try:
            after = workplan.act(entry, action, at=NOW, note="x")
        except LifeCycleError as error:
            assert locale.has(f"workplan.error.{error.rule}") and error.message("en")
            continue
        files = files + 1 if action == "attach" else 0 if after.reopened > entry.reopened else files
        assert after.version == entry.version + 1
        if after.state == "verified" and entry.state != "verified":
            assert action == "close_by_value" or files > 0
        entry = after


def test_figures_cannot_be_typed_in():
    with pytest.raises(LifeCycleError) as told:
        workplan.act(ENTRY, "edit", at=NOW, value=9.9)
    assert told.value.rule == "fixed"


def looked_at(county: County, year: int) -> evaluation.Evaluation:
    return evaluation.evaluate(county, standards.load("quality_2017"), year=year, codes=AREA)


def entry_of(county: County, year: int = 2019) -> Entry:
    found = looked_at(county, year).problems()
    row = found[found["school_id"] == "a"].iloc[0]
    figures = {"value": row["value"], "required": row["threshold"], "gap": row["gap"], "needed": row["needed"]}
    return replace(ENTRY, code=row["code"], stage=row["stage"], year=year, **figures)


def test_new_figures_close_update_or_open_again():
    entry = entry_of(short())
    (step,) = workplan.recheck([entry], looked_at(short(teaching_area_m2=500), 2020))
    assert step.action == "close_by_value" and step.changes["value"] == 5.0 and step.changes["year"] == 2020
    (step,) = workplan.recheck([entry], looked_at(short(teaching_area_m2=375), 2020))
    assert step.action == "remeasure" and step.changes["value"] == 3.75
    closed = replace(entry, state="verified", closed_by="evidence", closed_at=NOW)
    (step,) = workplan.recheck([closed], looked_at(short(), 2020))
    assert step.action == "reopen_by_value"
    (step,) = workplan.recheck([closed], looked_at(short(teaching_area_m2=500), 2020))
    confirmed = workplan.act(closed, step.action, at=datetime(2999, 1, 1, tzinfo=UTC), **step.changes)
    assert (confirmed.closed_by, confirmed.value, confirmed.closed_at) == ("value", 5.0, NOW)


def test_old_equal_and_missing_figures_change_nothing():
    entry = entry_of(short())
    assert workplan.recheck([replace(entry, year=2020)], looked_at(short(), 2019)) == []
    assert workplan.recheck([entry], looked_at(short(), 2019)) == []
    assert workplan.recheck([entry], looked_at(short(teaching_area_m2=None), 2020)) == []
    # Closed by a file in the year of the figures: the file may be younger than they are.
    assert workplan.recheck([replace(entry, state="verified", closed_by="evidence")], looked_at(short(), 2019)) == []
    again = workplan.recheck([replace(entry, state="verified", closed_by="value")], looked_at(short(), 2019))
    assert [step.action for step in again] == ["reopen_by_value"]  # the figures themselves were corrected


def test_ledger_is_told_in_words_with_its_age(tmp_path):
    county = short()
    store = Store.at(tmp_path)
    store.open_ledger(problems_of(county), "toy", "quality_2017", who="甲", stamp=Stamp())
    rows = workplan.ledger_table(store.ledger("toy"), county, standards.load("quality_2017"), date(2999, 1, 1), "zh")
    row = rows[rows["school_id"] == "a"].iloc[0]
    assert row["state_word"] == "待整改" and row["township"] == "甲镇" and row["days_open"] > 300_000
    assert row["days_late"] == 0  # it has no date
    entry = store.entry(row["entry_id"])
    store.act(entry.entry_id, "edit", who="甲", version=1, stamp=Stamp(), due=date(2998, 12, 31))
    rows = workplan.ledger_table(store.ledger("toy"), county, standards.load("quality_2017"), date(2999, 1, 1), "zh")
    assert rows.set_index("entry_id").loc[entry.entry_id, "days_late"] == 1


# ---- harmless text -----------------------------------------------------------------------------------------------


@given(st.text())
def test_harmless_text_has_no_control_nor_direction_marks_and_stays_the_same_twice(given_text):
    clean = workplan.harmless(given_text)
    assert not any(ord(c) < 32 or c in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f" for c in clean)
    assert workplan.harmless(clean) == clean and len(clean) <= 500
    clean.encode("utf-8")  # no half characters are left


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "＝1", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(cell):
    assert workplan.csv_cell(cell).startswith("'")


def test_plain_words_and_emoji_stay():
    assert workplan.csv_cell("第一小学(东校区)👩‍🏫") == "第一小学(东校区)👩‍🏫"
    assert workplan.harmless("长" * 1_000_000) == "长" * 499 + "…"
    assert workplan.harmless(None) == workplan.harmless(float("nan")) == ""


# ---- command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    return CliRunner()


def test_command_tells_the_day(run, demo_dir, tmp_path):
    line = ["plan", str(demo_dir / "wuxi"), "--standard", "wuxi_2016", "--on", "2016-12-15"]
    told = run.invoke(app, line)
    assert told.exit_code == 0 and "▶ 第3阶段" in told.output and "等待 W-O4、W-O17" in told.output
    found = json.loads(run.invoke(app, [*line, "--json", "--lang", "en", "--unit", "县教委"]).output)
    assert found["stage"]["number"] == 3 and [task["task"] for task in found["tasks"]] == ["W-O2"]
    assert found["ledger"]["counts"] == {"open": 0, "in_progress": 0, "evidence": 0, "verified": 0, "accepted": 0}
    assert found["provenance"]["standard_version"] and found["synthetic"] is True
    assert found["inspections"] == ["W-O4", "W-O17", "W-O20", "W-O22"] and found["pilots"] == []
    assert list(tmp_path.iterdir()) == []  # asking leaves nothing behind


def test_command_refuses_a_day_that_is_none(run, demo_dir):
    line = ["plan", str(demo_dir / "wuxi"), "--standard", "wuxi_2016", "--on", "2016-13-45"]
    assert run.invoke(app, line).exit_code == 2


def test_what_is_under_way_is_late_perhaps_but_not_impossible() -> None:
    facts = {"label_zh": "甲", "label_en": "A", "kind": "task", "status": "on_course", "due": date(2020, 4, 1)}
    tasks = pd.DataFrame([{"task": "A", **facts, "begun": True}, {"task": "B", **facts, "begun": False}])
    found = workplan.schedule(tasks, date(2020, 3, 15), lead_days={"A": 60, "B": 60}).set_index("task")
    assert found["slack_days"].tolist() == [-43, -43]
    assert found["impossible"].to_dict() == {"A": False, "B": True}
