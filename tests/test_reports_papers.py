"""Lists, ledger, brief, reports: the numbers in the text are those of the tables, and hostile names do no harm."""

from __future__ import annotations

import html
import io
import itertools
import json
import math
import re
import shutil
import struct
import subprocess
import warnings
import zipfile
from collections import defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path

import docx
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from balance_lib import __version__, cli, evaluation, palette, scenarios, standards
from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation
from balance_lib.locale import text
from balance_lib.office import reports, store, workplan
from balance_lib.office.reports import brief, catalogue, charts, findings, letter, lists, wording
from tests import towns

YEAR, DAY = 2022, date(2023, 9, 1)
EVIL = [
    '=cmd|" /C calc"!A0', "+1+1", "-2+3", "@SUM(1+1)", "\t=1", "甲\x00乙\x07", "\u202e反转\u200f", "👩‍🏫学校",
    "学" * 1_000_000, "</w:t><w:evil/>&amp;", "]]>", "_x0041_", "a\r\nb", "'quoted'", "{county}", "%s%n",
]  # fmt: skip


@pytest.fixture(scope="module")
def county(demo_dir: Path) -> County:
    return County.open(demo_dir / "akqi")


@pytest.fixture(scope="module")
def found(county: County) -> Evaluation:
    return evaluation.evaluate(county, standards.load("quality_2017"), year=YEAR)


@pytest.fixture(scope="module")
def plan(county: County) -> Evaluation:
    return evaluation.evaluate(county, standards.load("akqi_2022"), year=2021, on=date(2022, 6, 24))


def words_of(content: bytes) -> list[str]:
    document = docx.Document(io.BytesIO(content))
    return [paragraph.text for paragraph in document.paragraphs]


def tables_of(content: bytes) -> list[list[list[str]]]:
    document = docx.Document(io.BytesIO(content))
    return [[[cell.text for cell in row.cells] for row in table.rows] for table in document.tables]


def rows_of(content: bytes, sheet: str) -> list[dict[str, object]]:
    """Return the rows of a list below its head, by the head's labels."""
    page = openpyxl.load_workbook(io.BytesIO(content))[sheet]
    rows = list(page.iter_rows(values_only=True))
    first = int(str(page.print_title_rows).split("$")[-1])
    head = [str(label or "").replace("\n", "") for label in rows[first - 1]]
    body = [row for row in rows[first:] if row[1] is not None]
    return [dict(zip(head, row, strict=True)) for row in body]


# ---------------------------------------------------------------- words and figures


@given(st.text(st.characters(), max_size=200), st.integers(20, 300))
def test_plain_text_is_always_printable(words: str, most: int) -> None:
    clean = wording.plain(words, most)
    clean.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", clean)
    assert len(clean.encode("utf-16-le")) // 2 <= most + len(text("report.cut", n=len(words)))
    assert wording.plain(clean, 10**6) == clean


@given(st.lists(st.text(st.characters(), max_size=60), min_size=1, max_size=8))
def test_sheet_titles_are_legal_and_different(names: list[str]) -> None:
    taken: list[str] = []
    for name in names:
        title = wording._sheet_title(name, taken)
        assert 0 < len(title.encode("utf-16-le")) // 2 <= 31 and not set(title) & set("[]:*?/\\")
        taken.append(title)
    assert len({title.casefold() for title in taken}) == len(names)


@given(st.floats(-1e6, 1e6), st.integers(0, 3), st.floats(-1e3, 1e3).map(lambda x: round(x, 2)))
def test_printed_figures_are_judged_as_the_figures(value: float, places: int, line: float) -> None:
    for operator in (">=", "<="):
        shown = float(wording.figure(value, places, line, operator).replace(",", ""))
        if abs(value - line) > 1e-5:
            assert (shown >= line if operator == ">=" else shown <= line) == (
                value >= line if operator == ">=" else value <= line
            )
        assert abs(shown - value) <= 0.5 * 10**-places + 1e-9


@pytest.mark.parametrize(
    ("value", "places", "shown"), [(2.345, 2, "2.35"), (1.005, 2, "1.01"), (0.4805, 3, "0.481"), (-0.5, 0, "-1")]
)
def test_halves_are_rounded_up_as_forms_and_spreadsheets_do(value: float, places: int, shown: str) -> None:
    assert wording.figure(value, places) == shown


def test_chinese_papers_have_chinese_punctuation() -> None:
    assert wording.full_width("甲校(小学):1,570.2元;不低于2,000?") == "甲校（小学）：1,570.2元；不低于2,000?"
    assert wording.full_width("GB 50099 (2011), at 8:30") == "GB 50099 (2011), at 8:30"


def test_numerals_head_the_chapters() -> None:
    assert [letter.numeral(n) for n in (1, 10, 11, 20, 32)] == ["一", "十", "十一", "二十", "三十二"]


# ---------------------------------------------------------------- the papers say what was found


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_brief_says_the_numbers_of_its_tables(county: County, found: Evaluation, lang: str) -> None:
    content = brief._write(county, found, lang=lang, made_on=DAY)
    words, tables = "\n".join(words_of(content)), tables_of(content)
    counts = found.counts()
    assert counts["not_met"] == 14 and counts["met"] == 68  # two of them rooms that teaching points lack
    whole = tables[0][-1]
    assert whole[1:] == ["82", "68", "14", "0"]
    assert [sum(int(row[k]) for row in tables[0][1:-1]) for k in range(1, 5)] == [82, 68, 14, 0]
    assert found.official is not None and (found.official.n, len(found.official.met)) == (32, 24)
    told = {"zh": ["32项中24项达标，8项未达标。", "要求82项：达标68项，未达标14项，没有待定项。"],
            "en": ["24 of 32 indicators met, 8 not met.", "82 items: 68 met, 14 not met, none open."]}  # fmt: skip
    assert [said for said in told[lang] if said not in words] == []
    assert len(tables[1]) == 1 + 14
    worst = found.cv[(found.cv["stage"] == "primary") & found.cv["limit"].notna()].sort_values("cv").iloc[-1]
    assert f"{worst['cv']:.3f}" in words
    assert ("不通过" in words) if lang == "zh" else ("Verdict: fail" in words)
    need = found.schools[(found.schools["indicator"] == "teaching_area") & (found.schools["stage"] == "primary")]
    assert math.ceil(need["needed"].sum()) == 795  # of 794.3 m²: what is built is told in whole units, and is enough
    assert ("、795平方米教学及辅助用房（小学）" if lang == "zh" else "795 m² of teaching rooms (primary)") in words


@pytest.mark.usefixtures("undrawn")
def test_the_self_report_lists_every_item_once(county: County, plan: Evaluation) -> None:
    from balance_lib.office.reports import self_report

    content = self_report._write(county, plan, made_on=DAY)
    rows = [row for table in tables_of(content) if table[0][:2] == ["序号", "指标"] for row in table[1:]]
    listed = [r for r in plan.items if r.counts and r.status != "not_applicable"]
    open_items = [r for r in listed if r.status in evaluation.OPEN]
    assert len(rows) == len(listed) + len(open_items)  # what is open stands in a chapter of its own as well
    finding = {findings._label(r): text(f"status.{r.status}") for r in listed}
    for _, label, _, present, status in rows:
        assert finding[label] == status
        assert status == "达标" or "认定达标" not in present
    assert "尚未达到" in "\n".join(words_of(content))


@pytest.mark.usefixtures("undrawn")
def test_nothing_open_is_called_met() -> None:
    """A county without any county figure or evidence: no sentence may say that an item is met by them."""
    made = towns.county([towns.school("A")], [towns.school_year("A")])
    found = evaluation.evaluate(made, standards.load("quality_2017"), year=2020)
    content = reports.make("self_report", reports.ReportSource(made, found, made_on=DAY)).content
    words = "\n".join(words_of(content))
    assert "总体结论为通过" not in words and "尚不能认定" in words
    rows = [row for table in tables_of(content) if table[0][:2] == ["序号", "指标"] for row in table[1:]]
    unknown = [row for row in rows if row[3] in ("尚无佐证材料", "无数据")]
    assert len(unknown) > 60 and all(row[4] in ("待佐证", "无数据") for row in unknown)


@pytest.mark.usefixtures("undrawn")
def test_every_paper_says_where_it_comes_from(county: County, found: Evaluation) -> None:
    source = reports.ReportSource(county, found, made_on=DAY)
    for key in ("brief", "forms", "problems"):
        content = reports.make(key, source).content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [archive.read(name).decode("utf-8") for name in archive.namelist() if name.endswith(".xml")]
        whole = html.unescape("".join(parts))
        for part in (
            county.hash,
            "quality_2017",
            "2017-04-19",
            f"balance_lib {__version__}",
            "2022—2023学年",
            "演示数据",
        ):
            assert part in whole, (key, part)
        assert "2023年9月1日" in whole


@pytest.mark.usefixtures("undrawn")
def test_real_counties_bear_no_banner() -> None:
    made = replace(towns.county([towns.school("A")], [towns.school_year("A")]), synthetic=False)
    found = evaluation.evaluate(made, standards.load("quality_2017"), year=2020)
    for key in ("brief", "problems"):
        content = reports.make(key, reports.ReportSource(made, found)).content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert not any("演示数据" in archive.read(name).decode("utf-8", "ignore") for name in archive.namelist())


def test_papers_follow_the_official_layout(county: County, found: Evaluation) -> None:
    document = docx.Document(io.BytesIO(brief._write(county, found, made_on=DAY)))
    section = document.sections[0]
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
    assert (round(section.top_margin.mm), round(section.left_margin.mm)) == (37, 28)
    fonts = {
        name: document.styles[name].element.rPr.rFonts.attrib for name in ("Normal", "Title", "Heading 1", "Heading 2")
    }
    named = {
        name: next(v for k, v in attributes.items() if k.endswith("eastAsia")) for name, attributes in fonts.items()
    }
    assert named == {"Normal": "仿宋", "Title": "方正小标宋简体", "Heading 1": "黑体", "Heading 2": "楷体"}
    for footer in (section.footer, section.even_page_footer):
        assert "PAGE" in footer._element.xml
    with zipfile.ZipFile(io.BytesIO(brief._write(county, found, made_on=DAY))) as archive:
        table = archive.read("word/fontTable.xml").decode()
    assert 'w:name="方正小标宋简体"' in table and "华文中宋" in table
    heads = [p.text for p in document.paragraphs if p.style.name == "Heading 1"]
    assert [head[0] for head in heads] == list("一二三四五六")


def test_problem_list_holds_every_shortfall(county: County, found: Evaluation) -> None:
    rows = rows_of(lists.problems(county, found, made_on=DAY), "学校问题清单")
    expected = workplan.problem_list(found, county)
    assert len(rows) == len(expected) >= 20
    assert [row["序号"] for row in rows] == list(range(1, len(rows) + 1))
    for row, entry in zip(rows, expected.to_dict("records"), strict=True):
        assert row["编号"] == entry["code"] and (
            row["现值"] == pytest.approx(entry["value"]) or entry["value"] != entry["value"]
        )
        if entry["gap"] == entry["gap"]:
            assert row["差距"] == pytest.approx(entry["gap"]) and row["差距"] < 0
    assert {row["单位"] for row in rows if str(row["编号"]).startswith("R-")} == {"项"}


def test_ledger_book_holds_entries_and_their_history(county: County, plan: Evaluation, tmp_path: Path) -> None:
    saved = store.Store.at(tmp_path)
    stamp = store.Stamp.of(county, plan.standard)
    saved.open_ledger(workplan.problem_list(plan, county), "akqi", "akqi_2022", who="甲", stamp=stamp)
    entries = saved.ledger("akqi", "akqi_2022")
    first = entries.iloc[0]
    saved.act(first["entry_id"], "start", who="=乙", version=int(first["version"]), stamp=stamp)
    entries, history = saved.ledger("akqi", "akqi_2022"), saved.history("akqi", "akqi_2022")
    content = lists.ledger(county, plan.standard, entries, year=2021, on=date.today(), history=history, made_on=DAY)
    rows = rows_of(content, "整改台账")
    assert len(rows) == len(entries)
    assert sorted(row["状态"] for row in rows).count("整改中") == 1
    assert all(
        isinstance(row["完成时限"], pd.Timestamp | type(None)) or hasattr(row["完成时限"], "year") for row in rows
    )
    changes = rows_of(content, "台账变更记录")
    assert len(changes) == len(history) and changes[-1]["经办人"] == "=乙" and changes[-1]["操作"] == "开始整改"


def test_matrix_and_schedule_follow_the_register(county: County, plan: Evaluation) -> None:
    register = workplan.register_of(county, plan.standard, date(2022, 6, 24), found=plan)
    matrix = lists.matrix(county, register, year=2021, made_on=DAY)
    rows = rows_of(matrix, "任务分解表")
    assert len(rows) == len(register.tasks)
    assert [row["进展"] for row in rows].count("期限早于方案印发") == 18  # as the plan's own dates say
    assert {row["牵头单位"] for row in rows if row["编号"] and "A2-1" in str(row["编号"]).split("、")} == {"教科局"}
    units = {row["单位"]: row for row in rows_of(matrix, "责任单位汇总表")}
    assert units["教科局"]["期限早于方案印发"] == 18
    dated = rows_of(lists.schedule(county, register, year=2021, made_on=DAY), "序时进度表")
    assert len(dated) == register.tasks["due"].notna().sum()
    ends = [row["完成时限"] for row in dated]
    assert ends == sorted(ends)
    assert all(any(value == "■" for value in row.values()) for row in dated)


@given(st.lists(st.dates(date(2005, 1, 1), date(2035, 12, 31)), min_size=1, max_size=5))
def test_periods_cover_every_day_once(days: list[date]) -> None:
    spans = lists._periods(days)
    assert spans[0][1] <= min(days) and spans[-1][2] >= max(days) and len({name for name, _, _ in spans}) == len(spans)
    for (_, _, end), (_, start, _) in itertools.pairwise(spans):
        assert (start - end).days == 1


def test_a_schedule_of_a_year_and_a_half_has_months_a_longer_one_quarters() -> None:
    assert len(lists._periods([date(2021, 1, 31), date(2022, 6, 1)])) == 18
    assert len(lists._periods([date(2021, 1, 31), date(2022, 7, 1)])) == 7


def test_what_a_school_lacks_is_listed_as_its_language_lists(found: Evaluation) -> None:
    names = defaultdict(str)
    chinese, english = (" ".join(str(row[2]) for row in findings._failing_schools(found, names, lang))
                        for lang in ("zh", "en"))  # fmt: skip
    assert "；" in chinese and "; " in english and "；" not in english


# ---------------------------------------------------------------- a scenario's argument


@pytest.fixture(scope="module")
def outcome(county: County) -> scenarios.Outcome:
    merge = scenarios.Merge(school_id="AQ015", into="AQ001", note="=HYPERLINK(1)")
    scenario = scenarios.Scenario(name="方案\x00一\u202e", county_id="akqi", year=YEAR).with_operations(merge)
    return scenarios.evaluate(county, scenario, standard="quality_2017")


@pytest.mark.usefixtures("undrawn")
def test_the_argument_puts_losses_rules_and_procedure_first(outcome: scenarios.Outcome) -> None:
    content = reports.make(
        "argument", reports.ReportSource(outcome.baseline, outcome.after, outcome=outcome, made_on=DAY)
    ).content
    words, tables = "\n".join(words_of(content)), tables_of(content)
    assert f"共有{outcome.moved:.0f}名学生转学" in words and "方案一" in words
    ways = next(rows for rows in tables if rows[0][0] == "村（居）")[1:]
    assert sum(int(row[3].replace(",", "")) for row in ways) == outcome.moved
    names = outcome.schools.set_index("school_id")["school"]
    assert {row[1] for row in ways} == {names["AQ015"]} and {row[2] for row in ways} == {names["AQ001"]}
    longest = [float(row[5]) for row in ways if row[5] != "–"]
    assert longest == sorted(longest, reverse=True)
    assert longest[0] == pytest.approx(outcome.moves["metres_after"].max() / 1000, abs=0.06)
    rules = [row for rows in tables if rows[0][0] == "性质" for row in rows[1:]]
    assert len(rules) == len(outcome.breaks)
    assert "规定程序未全部完成，方案不得实施。" in words
    if outcome.status != "allowed":
        assert "未发现违反规定之处" not in words
    costs = next(rows for rows in tables if rows[0][0] == "项目" and len(rows[0]) == 5)
    total = next(row for row in costs if row[:2] == ["合计", "每年运转"])
    running = outcome.costs.loc[outcome.costs["kind"] == "running", "change_yuan"].sum()
    assert float(total[4].replace(",", "")) == pytest.approx(running / 10_000, abs=0.06)
    assert str(outcome.provenance["county_hash"]) in "".join(cell for rows in tables for row in rows for cell in row)


@pytest.mark.usefixtures("undrawn")
def test_an_empty_scenario_says_that_nothing_changes(outcome: scenarios.Outcome, county: County) -> None:
    nothing = scenarios.evaluate(county, scenarios.Scenario.empty("akqi", YEAR), standard="quality_2017")
    words = "\n".join(
        words_of(reports.make("argument", reports.ReportSource(county, nothing.after, outcome=nothing)).content)
    )
    assert "维持现有学校布局" in words and "没有学生需要转学" in words and "各项指标的结论没有变化" in words


# ---------------------------------------------------------------- hostile names


def hostile() -> tuple[County, Evaluation]:
    schools = [{**towns.school(f"S{n}"), "name_zh": name, "township": name[:50]} for n, name in enumerate(EVIL)]
    years = [towns.school_year(f"S{n}", teachers_backbone=n % 3, equipment_yuan=1000) for n in range(len(EVIL))]
    record = {
        "standard": "quality_2017",
        "item_id": "G1",
        "year": 2020,
        "finding": "met",
        "document": "=1+1\x00" + "文" * 99,
    }
    made = towns.county(schools, years, evidence=[record])
    made = replace(made, county_id="../x", name_zh="=甲&\x01县\u202e", name_en="@evil")
    return made, evaluation.evaluate(made, standards.load("quality_2017"), year=2020)


@pytest.mark.usefixtures("undrawn")
def test_hostile_names_come_out_harmless(tmp_path: Path) -> None:
    made, found = hostile()
    saved, stamp = store.Store.at(tmp_path / "store"), store.Stamp.of(made, found.standard)
    saved.open_ledger(workplan.problem_list(found, made), "x", "quality_2017", who="=1", stamp=stamp)
    register = workplan.register_of(made, found.standard, date(2021, 1, 1), found=found)
    ledger, history = saved.ledger("x", "quality_2017"), saved.history("x", "quality_2017")
    source = reports.ReportSource(made, found, made_on=DAY, ledger=ledger, history=history, register=register)
    paths = reports.write(tmp_path / "out", source)
    assert {path.parent for path in paths} == {tmp_path / "out"} and len(paths) >= 6
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            whole = "".join(archive.read(name).decode("utf-8") for name in names if name.endswith((".xml", ".rels")))
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u200f\ufffe\uffff]", whole), path
        assert "External" not in whole and "evil/>" not in whole and not any("vba" in name for name in names)
        assert path.stat().st_size < 1_500_000
        if path.suffix == ".docx":
            docx.Document(str(path))
            continue
        for sheet in openpyxl.load_workbook(path).worksheets:
            for cell in (cell for row in sheet.iter_rows() for cell in row if cell.value is not None):
                assert cell.data_type != "f", (path.name, sheet.title, cell.coordinate)
                assert not isinstance(cell.value, str) or len(cell.value.encode("utf-16-le")) // 2 <= 32_767
                if str(cell.value)[:1] in "=+-@" and isinstance(cell.value, str) and cell.value != "-":
                    assert cell.quotePrefix


def test_a_cut_name_says_so() -> None:
    cut = wording.plain("学" * 1_000_000)
    assert len(cut) <= 32_767 and cut.endswith("（原文1000000字，此处截断）")


# ---------------------------------------------------------------- figures


def test_figures_have_glyphs_for_every_character(found: Evaluation) -> None:
    if not charts.fonts():
        pytest.skip("no font with Chinese glyphs on this machine")
    labels = findings._indicator_labels(found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of every glyph it does not find
        for png in (
            charts._coefficient_bars(found.cv, labels),
            charts._schools_by_indicator(found.schools, labels),
            charts._items_by_category(findings._category_counts(found)),
        ):
            assert png.startswith(b"\x89PNG")
            width, height = struct.unpack(">II", png[16:24])
            assert width == round(charts.WIDTH_IN * charts.DPI) and height > 300


def test_figures_are_the_same_twice_and_stand_missing_values(found: Evaluation) -> None:
    labels, cv = findings._indicator_labels(found), found.cv.assign(cv=float("nan"), met=None)
    unknown = charts._coefficient_bars(cv, labels)
    assert unknown == charts._coefficient_bars(cv, labels) != charts._coefficient_bars(found.cv, labels)


def test_no_font_no_empty_boxes(county: County, found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "fonts", lambda: ())
    content = brief._write(county, found, made_on=DAY)
    assert not docx.Document(io.BytesIO(content)).inline_shapes
    assert "本机没有中文字体" in "\n".join(words_of(content))


def test_status_is_never_told_by_colour_alone() -> None:
    assert charts._HATCH["met"] != charts._HATCH["not_met"] != charts._HATCH["open"]
    assert palette.LAMPS["met"].fill != palette.LAMPS["not_met"].fill


# ---------------------------------------------------------------- catalogue and command line


def test_the_catalogue_offers_what_can_be_made(county: County, found: Evaluation, plan: Evaluation) -> None:
    bare = reports.ReportSource(county, found)
    assert reports.keys(bare) == ["brief", "self_report", "forms", "school_tables", "problems"]
    register = workplan.register_of(county, plan.standard, plan.on, found=plan)
    assert reports.keys(reports.ReportSource(county, plan, register=register)) == [
        "brief", "self_report", "problems", "matrix", "schedule",
    ]  # fmt: skip
    for key in ("ledger", "argument", "nothing"):
        with pytest.raises(NotFoundError):
            reports.make(key, bare)
    made = reports.make("problems", replace(bare, lang="en", made_on=DAY))
    assert made.name == "akqi-2022-quality_2017-problems.xlsx" and made.title == "School problem list"
    assert made.mime == catalogue.XLSX


def test_a_paper_that_cannot_be_made_leaves_nothing_behind(county: County, found: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        reports.write(tmp_path / "out", reports.ReportSource(county, found), only=["problems", "ledger"])
    assert not (tmp_path / "out").exists()


def test_command_line_writes_and_says_what_it_left_out(
    demo_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    runner = CliRunner()
    base = [
        "report",
        str(demo_dir / "akqi"),
        "--standard",
        "quality_2017",
        "--year",
        "2022",
        "--out",
        str(tmp_path / "o"),
    ]
    done = runner.invoke(cli.app, [*base, "--only", "problems", "--made-on", "2023-09-01", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert [Path(path).name for path in told["written"]] == ["akqi-2022-quality_2017-problems.xlsx"]
    left_out = {"ledger", "matrix", "schedule", "visits", "progress", "argument"}
    assert set(told["skipped"]) == left_out and told["verdict"] == "fail"
    assert runner.invoke(cli.app, [*base, "--only", "nonsense"]).exit_code == 2
    wrong = [*base[:5], "1900", *base[6:]]
    assert runner.invoke(cli.app, wrong).exit_code == 1


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice (soffice) is not installed")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_another_program_prints_the_brief(county: County, found: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "brief.docx").write_bytes(brief._write(county, found, made_on=DAY))
    (tmp_path / "problems.xlsx").write_bytes(lists.problems(county, found, made_on=DAY))
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    convert = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path)]
    files = [str(tmp_path / name) for name in ("brief.docx", "problems.xlsx")]
    subprocess.run([*convert, *files], check=True, capture_output=True, timeout=120)
    told = {}
    for name in ("brief", "problems"):
        show = ["pdftotext", "-layout", str(tmp_path / f"{name}.pdf"), "-"]
        told[name] = subprocess.run(show, check=True, capture_output=True).stdout.decode()
    pages = told["brief"].split("\f")[:-1]
    assert 2 <= len(pages) <= 6 and all(f"—{n}—" in "".join(page.split()) for n, page in enumerate(pages, 1))
    assert "67" in pages[0] and "0.481" in told["brief"]
    assert "###" not in told["problems"] and "Err:" not in told["problems"]
