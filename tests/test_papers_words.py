"""What a leader signs: titles, measures, causes, signatures and roll-ups say what the evaluation found."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import docx
import numpy as np
import openpyxl
import pandas as pd
import pytest

from balance_lib import evaluation, locale, scenarios, standards
from balance_lib.data.county import County
from balance_lib.locale import count_change, text
from balance_lib.office import reports, workplan
from balance_lib.office.reports import application as forms
from balance_lib.office.reports import brief, charts, findings, lists, self_report, wording
from tests import towns

DAY = date(2023, 9, 1)
real = charts.school_maps
HOLLOW = r"整改到位|\bnan\b|None|[{}]|(?<![\d.])0(?:间|名|个|元|起)|100%以上"
QUALITY, BASIC = standards.load("quality_2017"), standards.load("basic_2012")


def words_of(content: bytes) -> list[str]:
    return [p.text for p in docx.Document(io.BytesIO(content)).paragraphs]


def sheet_rows(content: bytes, sheet: str) -> list[dict[str, object]]:
    page = openpyxl.load_workbook(io.BytesIO(content))[sheet]
    rows = list(page.iter_rows(values_only=True))
    first = int(str(page.print_title_rows).split("$")[-1])
    head = [str(label or "").replace("\n", "") for label in rows[first - 1]]
    return [dict(zip(head, row, strict=True)) for row in rows[first:] if row[1] is not None]


def toy(**changes: object) -> County:
    """Return a county of a good school and one that is changed."""
    schools = [towns.school("a"), towns.school("b")]
    return towns.county(schools, [towns.school_year("a"), towns.school_year("b", **changes)])


@pytest.mark.parametrize(
    ("county", "standard", "aim"),
    [
        ("akqi", "quality_2017", "义务教育优质均衡发展"), ("wuxi", "basic_2012", "义务教育基本均衡发展"),
        ("chuzhou", "chuzhou_2011", "教育现代化建设"), ("wuxi", "wuxi_2016", "义务教育基本均衡发展"),
    ],
)  # fmt: skip
def test_titles_name_what_the_standard_is_about(demo_dir: Path, county: str, standard: str, aim: str) -> None:
    place = County.open(demo_dir / county)
    found = evaluation.evaluate(place, standards.load(standard), year=place.years[-1])
    assert words_of(brief._write(place, found, made_on=DAY))[0] == f"{place.name_zh}{aim}评估情况简报"
    if standard == "chuzhou_2011":
        assert words_of(self_report._write(place, found, made_on=DAY))[0] == f"{place.name_zh}{aim}自评报告"


@pytest.fixture(scope="module")
def akqi(demo_dir: Path) -> County:
    return County.open(demo_dir / "akqi")


@pytest.fixture(scope="module")
def plan(akqi: County) -> evaluation.Evaluation:
    return evaluation.evaluate(akqi, standards.load("akqi_2022"), year=2022)


def test_the_self_report_tells_results_causes_and_who_does_what_and_is_signed_last(akqi, plan) -> None:
    register = workplan.register_of(akqi, plan.standard, date(2023, 8, 31), found=plan)
    words = words_of(self_report._write(akqi, plan, made_on=DAY, register=register))
    heads = [re.sub("^[一二三四五六七八九十]+、", "", w) for w in words if re.match("^[一二三四五六七八九十]+、", w)]
    order = ["主要做法和成效", "存在的问题", "原因分析", "整改措施和分工", "自评结论", "数据来源与口径"]
    assert [h for h in heads if h in order] == order
    text = "\n".join(words)
    before = evaluation.evaluate(akqi, plan.standard, year=2021)
    now, then = len(plan.with_status("met")), {r.item.code: r.status for r in before.items}
    assert f"变为{now}项" in text
    gained = [r for r in plan.with_status("met") if then[r.item.code] != "met"]
    assert gained and locale.text("report.self.gained", n=len(gained)) + findings._label(gained[0]) in text
    assert f"方案分解任务{len(register.tasks)}项，已完成{register.counts()['done']}项" in text
    assert text.index("数据来源与口径") < text.index("填报单位（盖章）")
    assert text.rstrip().endswith("2023年9月1日"), "the day and the seal stand at the end"


def test_groups_of_one_name_are_one_category_and_the_sum_is_the_whole(plan) -> None:
    counts = findings._category_counts(plan)
    whole = plan.counts()
    assert counts["total"].sum() == sum(whole.values()) - whole["not_applicable"]
    assert counts["met"].sum() == whole["met"] and counts["not_met"].sum() == whole["not_met"]
    assert list(counts.index).count("教育质量") == 1


@pytest.mark.parametrize(
    ("standard", "code", "changes", "measure"),
    [
        (QUALITY, "G3-music", {"classes": 25, "music_rooms_96": 1}, "补建2间96平方米以上的音乐专用教室"),
        (QUALITY, "G6", {"pupils": 90, "pupils_in_zone": 90, "funded_pupils": 88},
         "公用经费按100人核定，再补12人的份额"),
        (QUALITY, "Q4", {"training_budget_yuan": 3500}, "在公用经费预算中再安排500元教师培训经费"),
        (QUALITY, "L7-primary", {"multimedia_rooms": 1}, "补足2间网络多媒体教室"),
        (BASIC, "B1-12", {"training_budget_yuan": 3999.5}, "在公用经费预算中再安排1元教师培训经费"),
    ],
)  # fmt: skip
def test_a_measure_says_what_to_do_and_how_much(standard, code, changes, measure) -> None:
    county = toy(**changes)
    found = evaluation.evaluate(county, standard, year=2020, codes=[code])
    rows = workplan.problem_list(found, county)
    assert list(rows.loc[rows["code"] == code, "measure"]) == [measure]
    assert list(rows.loc[rows["code"] == code, "school_id"]) == ["b"]


@pytest.mark.parametrize("county", ["wuxi", "huixian", "akqi", "chuzhou", "jiaohe"])
def test_no_measure_is_an_empty_phrase(demo_dir: Path, county: str) -> None:
    place = County.open(demo_dir / county)
    for standard in (str(place.plan), "basic_2012"):
        found = evaluation.evaluate(place, standards.load(standard), year=place.years[0])
        for lang in ("zh", "en"):
            rows = workplan.problem_list(found, place, lang=lang)
            assert not rows["measure"].str.contains(HOLLOW, regex=True).any()
            assert (rows["measure"].str.len() > 3).all()


def test_english_lists_name_schools_in_english(akqi, plan) -> None:
    schools = akqi.tables["schools"].set_index("school_id")["name_en"]
    rows = workplan.problem_list(plan, akqi, lang="en")
    mine = rows[rows["school_id"] != ""]
    assert len(mine) and list(mine["school"]) == [schools[s] for s in mine["school_id"]]


def test_needs_count_the_schools_below_each_line(plan) -> None:
    below = plan.schools[[met is False for met in plan.schools["met"]]]
    assert sum(row[2] for row in findings.needs(plan)) == len(below) > 0


def test_a_single_school_is_counted_among_the_basics() -> None:
    county = towns.county([towns.school("a")], [towns.school_year("a")])
    words = words_of(self_report._write(county, evaluation.evaluate(county, QUALITY, year=2020), made_on=DAY))
    assert any("1所" in line and "100人" in line for line in words[:8]), words[:8]
    blank = towns.county([towns.school("a")], [towns.school_year("a", classes=np.nan)])
    words = words_of(self_report._write(blank, evaluation.evaluate(blank, QUALITY, year=2020), made_on=DAY))
    assert not any("nan" in line for line in words)


def test_the_self_report_names_what_was_gained_lost_and_waits_since_the_year_before(
    akqi, plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    met, short, waiting = (list(plan.with_status(*names)) for names in (["met"], ["not_met"], self_report.OPEN))
    before = dict.fromkeys((r.item.code for r in plan.items), "met")
    before |= {r.item.code: "not_met" for r in [met[0], *short[2:], *waiting[1:]]}
    gaps = {r.item.code: r.gap + (1.0 if r is short[1] else 0.0) for r in plan.items}
    items = [replace(r, status=before[r.item.code], gap=gaps[r.item.code]) for r in plan.items]
    monkeypatch.setattr(self_report, "_year_before", lambda *_: replace(plan, items=tuple(items), year=plan.year - 1))
    words = words_of(self_report._write(akqi, plan, made_on=DAY))

    def told(key: str, results: Sequence[evaluation.ItemResult]) -> str:
        return text(f"report.self.{key}", "zh", n=len(results)) + self_report._listed(results, "zh")

    assert len(waiting) > 1 and len(short) > 2
    assert {told("gained", met[:1]), told("lost", short[:2]), told("waiting", waiting[:1])} <= set(words)
    worse = self_report._listed(short[1:2], "zh").removesuffix("。")
    assert any(text("report.self.cause_worse", "zh", n=1, items=worse) in line for line in words)


def test_the_year_before_is_judged_by_the_same_choices(akqi, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluation.evaluate(akqi, QUALITY, definitions={"visiting_teachers_count": True})
    assert found.provenance["definitions"]["visiting_teachers_count"]
    before = self_report._year_before(akqi, found)
    assert before.year == found.year - 1 and before.provenance["definitions"] == found.provenance["definitions"]


def test_what_does_not_apply_is_not_said_to_lack_data(plan) -> None:
    assert findings._present(plan.item("M-C10")).startswith("不适用")


def test_the_problem_list_names_who_answers(akqi, plan) -> None:
    rows = workplan.problem_list(plan, akqi)
    first = rows[rows["school_id"] != ""].iloc[0]
    ledger = pd.DataFrame([{"code": first["code"], "school_id": first["school_id"], "stage": first["stage"],
                            "person": "甲校校长", "due": date(2031, 5, 6)}])  # fmt: skip
    shown = sheet_rows(lists.problems(akqi, plan, made_on=DAY, ledger=ledger), "学校问题清单")
    named = [row for row in shown if row["责任人"]]
    assert [(r["编号"], r["学校"], r["责任人"]) for r in named] == [(first["code"], first["school"], "甲校校长")]
    days = [datetime(2031, 5, 6), datetime(2031, 5, 6) - timedelta(days=int(first["lead_days"]))]
    assert [[r["完成时限"], r["最迟启动"]] for r in named] == [days], "by the day the ledger says"


def test_the_roll_up_counts_schools_that_meet_and_that_do_not() -> None:
    county = toy(training_budget_yuan=100)
    found = evaluation.evaluate(county, QUALITY, year=2020)
    (row,) = [r for r in sheet_rows(lists.problems(county, found, made_on=DAY), "分项达标汇总表") if r["编号"] == "Q4"]
    assert (row["应查（所）"], row["达标（所）"], row["未达标（所）"], row["缺数据（所）"]) == (2, 1, 1, 0)
    years = [towns.school_year("a"), *(towns.school_year(x, training_budget_yuan=1) for x in "bc")]
    worse = towns.county([towns.school(x) for x in "abc"], years)
    found = evaluation.evaluate(worse, QUALITY, year=2020)
    (row,) = [r for r in sheet_rows(lists.problems(worse, found, made_on=DAY), "分项达标汇总表") if r["编号"] == "Q4"]
    assert (row["达标（所）"], row["未达标（所）"], round(float(str(row["达标比例（%）"])))) == (1, 2, 33)
    near = toy(equipment_yuan=1900.0 * towns.SCHOOL_YEAR["pupils"])
    found = evaluation.evaluate(near, QUALITY, year=2020)
    shown = sheet_rows(lists.problems(near, found, made_on=DAY), "分项达标汇总表")
    (row,) = [r for r in shown if r["编号"] == "L6-primary"]
    assert (row["达标（所）"], row["按余项规定视为通过（所）"], row["未达标（所）"], row["结论"]) == (1, 1, 0, "达标")


def test_a_school_counted_once_for_each_stage_is_said_so(plan) -> None:
    """AQ009 fails in both stages: a school counts once for each of them."""
    assert findings._present(plan.item("M-G1")) == "17所学校（学段）中10所达标"
    assert plan.item("M-G1").reason.render("zh").startswith("17所学校（学段）中")
    assert findings._present(plan.item("N-R-junior")).startswith("4所学校中")


def test_a_measure_of_another_standard_leaves_out_what_is_met(demo_dir: Path) -> None:
    wuxi = County.open(demo_dir / "wuxi")
    found = evaluation.evaluate(wuxi, BASIC, year=2017, codes=["A1"])
    short = evaluation.evaluate(wuxi, standards.load("wuxi_2016"), year=2017, codes=["W-C1", "W-C3"])
    said = str(workplan.problem_list(found, wuxi)["measure"].iloc[0])
    assert [code in said for code in ("W-C1", "W-C3")] == [short.item(c).status != "met" for c in ("W-C1", "W-C3")]


def test_the_parts_of_the_sports_area_of_a_school_add_up() -> None:
    """The areas of big-city centres stand beside the sum, not among its parts."""
    template = (Path(forms.__file__).parent / "school_table.yaml").read_text(encoding="utf-8")
    inside = re.search("{sports_m2}平方米（其中：(.*?)）；另有(.*?)，只有", template)
    assert inside and set(re.findall(r"{(\w+)}", inside[1])) == {"sports_field_m2", "gym_m2"}


def test_the_whole_of_a_city_is_no_county_and_offices_have_english_names() -> None:
    said = {name: replace(toy(), name_zh=name).whole() for name in ("巫溪县", "蛟河市", "楚州区", "某地")}
    assert list(said.values()) == ["全县", "全市", "全区", "全县"]
    assert wording.offices("教科局;县财政局;某办", "en") == "Education Bureau, Finance Bureau, 某办"
    assert wording.offices("普通教育组、安全工作组", "en") == "General education group, Safety group"
    plans = [standards.load(name) for name in standards.ids()]
    named = {
        unit for plan in plans for item in plan.items for unit in (item.lead_unit, *item.cooperating_units) if unit
    }
    assert len(named) > 40 and not any(re.search("[\u4e00-\u9fff]", wording.offices(unit, "en")) for unit in named)


def test_a_veto_says_that_nothing_was_found() -> None:
    county = towns.county(
        [towns.school("a")],
        [towns.school_year("a")],
        evidence=[
            {"standard": "quality_2017", "item_id": code, "year": 2020, "finding": finding, "document": "核查记录"}
            for code, finding in (("V1", "met"), ("V2", "not_met"))
        ],
    )
    found = evaluation.evaluate(county, QUALITY, year=2020)
    told = {code: findings._present(found.item(code)) for code in ("V1", "V2", "V3")}
    assert told == {"V1": "未发现", "V2": "经核查存在", "V3": "尚未核查"}
    assert findings._requirement(found.item("V1")) == "不得出现"


def test_a_suppressed_count_does_not_follow_from_its_neighbours() -> None:
    items = {"migrant_eligible": 2200, "migrant_public": 2106, "migrant_purchased": 3, "disabled_children": 4,
             "disabled_enrolled": 3, "special_pupils": 90}  # fmt: skip
    county = towns.county([towns.school("a")], [towns.school_year("a")], county_years=towns.figures(**items))
    found = evaluation.evaluate(county, QUALITY, year=2020)
    made = forms._application(county, found, made_on=DAY)
    (migrants,) = [a.found for a in made.guarantee if a.label.startswith("15.")]
    assert "不足5人" in migrants and "合计（略）人，占比（略）%" in migrants
    assert not re.search("2200|2106|2109|95.9", migrants)  # where everybody has a place, two of them tell the third
    (disabled,) = [a.found for a in made.quality if a.label.startswith("2.")]
    assert "75.0" not in disabled and "3000" not in disabled and disabled.count("（略）%") == 2
    told = forms._application(county, found, made_on=DAY, small_counts=True)
    assert any("合计2109人，占比95.9%" in a.found for a in told.guarantee)


def test_form_four_says_why_two_counts_of_teachers_differ(akqi) -> None:
    found = evaluation.evaluate(akqi, QUALITY, year=2022)
    made = forms._application(akqi, found, made_on=DAY)
    (trained,) = [a.found for a in made.guarantee if a.label.startswith("9.")]
    (certified,) = [a.found for a in made.guarantee if a.label.startswith("12.")]
    asked, new = (int(n) for n in re.search(r"全县教师(\d+)人（不含新上岗一年内教师(\d+)人）", trained).groups())  # type: ignore[union-attr]
    assert asked + new == int(re.search(r"在岗专任教师(\d+)人", certified)[1])  # type: ignore[index]
    (pay,) = [a for a in made.guarantee if a.label.startswith("8.")]
    assert "绩效工资总量：" in pay.found, "the second half of item 8 is answered too"


def test_item_eight_is_not_met_by_pay_alone() -> None:
    figures = towns.figures(teacher_salary_yuan=70_000, civil_servant_salary_yuan=60_000)
    county = towns.county([towns.school("a")], [towns.school_year("a")], county_years=figures)
    made = forms._application(county, evaluation.evaluate(county, QUALITY, year=2020), made_on=DAY)
    (pay,) = [a for a in made.guarantee if a.label.startswith("8.")]
    assert pay.answer == "待佐证"


def test_a_count_that_stays_is_not_said_to_change() -> None:
    assert count_change("schools", 141, 141) == "学校数不变，仍为141所"
    assert "由" not in count_change("points", 9, 9) and "由9个变为7个" in count_change("points", 9, 7)


def test_government_items_stand_in_basic_2012_and_half_of_them_are_computed() -> None:
    items = [i for i in BASIC.judged if i.code.startswith("B1-")]
    numbers = {int(re.match(r"B1-(\d+)", i.code)[1]) for i in items}  # type: ignore[index]
    assert numbers == set(range(1, 18))
    computed = {i.item_id for i in items if i.measure and i.measure.source not in ("evidence", "reported")}
    assert computed == {f"B1-{n}" for n in (3, 4, 6, 8, 10, 11, 12, 14, 15)}
    assert all(i.verified == ("partly" if int(re.match(r"B1-(\d+)", i.code)[1]) <= 8 else False) for i in items)  # type: ignore[index]


def test_papers_of_every_key_that_can_be_made_are_made(akqi, plan) -> None:
    source = reports.ReportSource(akqi, plan, made_on=DAY)
    assert {"brief", "self_report", "problems"} <= set(reports.keys(source))


def test_the_argument_maps_every_school_before_and_after(demo_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    county = County.open(demo_dir / "jiaohe")
    chosen = scenarios.Scenario.from_yaml(demo_dir / "jiaohe" / "scenarios" / "2009-2011.yaml")
    outcome = scenarios.evaluate(county, chosen, standard=standards.load("jiaohe_2009"))
    drawn = []
    monkeypatch.setattr(charts, "school_maps", lambda *parts: drawn.append(parts) or real(*parts))
    words = words_of(reports.make("argument", reports.ReportSource(county, outcome.after, outcome=outcome)).content)
    ((_, before), (_, after)), _, _, ways, _ = drawn[0]
    assert ways["pupils"].sum() == outcome.moved  # everybody's way is drawn, to where the school lies
    ends = outcome.changed.tables["schools"].set_index("school_id").loc[outcome.moves["to_id"], ["lon", "lat"]]
    assert set(ways[["to_lon", "to_lat"]].itertuples(index=False, name=None)) == set(
        ends.itertuples(index=False, name=None)
    )
    assert any("由166所变为141所" in w for w in words) and any("学生由104人变为190人" in w for w in words)
    book = outcome.bookkeeping
    assert (before["mark"] == "kept").sum() == book.schools_before == 166
    assert (before["mark"] == "point").sum() == book.points_before
    assert (after["mark"] == "gone").sum() == 2 + 12 + 9 and (after["mark"] == "changed").sum() == 11
    assert (after["mark"] == "kept").sum() == book.schools_after
    assert any("布局调整前后学校分布图" in w for w in words) and "（蛟河市2009—2011年学校布局调整）" in words


def test_a_scenario_nobody_named_is_not_called_by_its_id(demo_dir: Path) -> None:
    county = County.open(demo_dir / "jiaohe")
    empty = scenarios.Scenario.empty(county, 2011)
    outcome = scenarios.evaluate(county, empty, standard=standards.load("jiaohe_2009"))
    words = words_of(reports.make("argument", reports.ReportSource(county, outcome.after, outcome=outcome)).content)
    assert "（2011年学校布局调整方案）" in words and not any("jiaohe-2011" in w for w in words[:4])


def test_the_brief_maps_which_schools_fall_short_in_both_years(akqi, plan, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(charts, "school_maps", lambda panels, *rest: drawn.append(panels) or real(panels, *rest))
    monkeypatch.setattr(brief, "MOST_SCHOOLS", 2)
    words = words_of(brief._write(akqi, plan, made_on=DAY))
    failing = len(findings._failing_schools(plan, findings.Names.of(akqi, "zh"), "zh"))
    assert failing > 2 and any(f"本表列出2所，共{failing}所" in line for line in words)
    titles = [title for title, _ in drawn[0]]
    assert titles == ["2021—2022学年", "2022—2023学年"]
    before = evaluation.evaluate(akqi, plan.standard, year=plan.year - 1)
    assert before.school_status().to_dict() != plan.school_status().to_dict()
    for (_, marks), found in zip(drawn[0], (before, plan), strict=True):
        assert marks["mark"].to_dict() == found.school_status().to_dict()
