"""The application for recognition and the school's own table: filled, printed, read back, never flattering."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from balance_lib import access, evaluation, standards
from balance_lib._errors import DataError, NotFoundError
from balance_lib.data import intake, tables
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation
from balance_lib.office import reports
from balance_lib.office.reports import application as forms
from balance_lib.office.reports import application_book, paper, school_table, wording
from tests import towns

YEAR, DAY = 2022, date(2023, 9, 1)
INDICATORS = [
    "higher_degree_teachers", "backbone_teachers", "pe_arts_teachers", "teaching_area", "sports_area", "equipment",
    "multimedia_rooms",
]  # fmt: skip


@pytest.fixture(scope="module")
def county(demo_dir: Path) -> County:
    return County.open(demo_dir / "akqi")


@pytest.fixture(scope="module")
def found(county: County) -> Evaluation:
    measures = access.measures(county, YEAR)
    return evaluation.evaluate(county, standards.load("quality_2017"), year=YEAR, measures=measures)


@pytest.fixture(scope="module")
def written(county: County, found: Evaluation) -> bytes:
    return application_book.write(forms._application(county, found, made_on=DAY))


@pytest.fixture(scope="module")
def again(written: bytes) -> dict[str, pd.DataFrame]:
    return reports.read_forms(written)


def toy(*years: dict[str, object], **more: list[dict[str, object]]) -> tuple[County, Evaluation]:
    schools = [towns.school(str(row["school_id"])) for row in years]
    made = towns.county(schools, list(years), **more)
    return made, evaluation.evaluate(made, standards.load("quality_2017"), year=2020)


def sheets(content: bytes) -> dict[str, object]:
    return {sheet.title: sheet for sheet in openpyxl.load_workbook(io.BytesIO(content)).worksheets}


# ---------------------------------------------------------------- what is read back is what was found


def test_by_school_reads_back_to_the_last_digit(again: dict[str, pd.DataFrame], found: Evaluation) -> None:
    rows = again["II-2"]
    judged = found.schools.sort_values("stage", key=lambda s: s.map({"primary": 0, "junior": 1}), kind="stable")
    for place, name in enumerate(INDICATORS, 7):
        expected = judged.loc[judged["indicator"] == name, "value"].to_list()
        assert rows[f"L{place}"].to_list() == pytest.approx(expected, rel=1e-14), name
    passes = found.rules.set_index(["stage", "school_id"])["passes"]
    keys = judged.drop_duplicates(["stage", "school_id"])[["stage", "school_id"]].itertuples(index=False, name=None)
    assert rows["passes"].to_list() == [{True: "是", False: "否", None: "无数据"}[passes[key]] for key in keys]
    assert rows["stage"].value_counts().to_dict() == {"primary": 13, "junior": 4}


def test_coefficients_and_counts_read_back(again: dict[str, pd.DataFrame], found: Evaluation) -> None:
    for stage in ("primary", "junior"):
        three = again["III"][again["III"]["stage"] == stage].set_index("row")
        cv = found.cv[found.cv["stage"] == stage].set_index("indicator")
        assert three.loc["差异系数"].drop("stage").to_list() == pytest.approx(cv["cv"].to_list(), rel=1e-14)
        assert three.loc["全县平均值", "L1":"L7"].to_list() == pytest.approx(cv["mean"][:7].to_list(), rel=1e-14)
        two = again["II-1"][again["II-1"]["stage"] == stage].set_index("row")
        mine = found.schools[found.schools["stage"] == stage]
        met = [sum(m is True for m in mine.loc[mine["indicator"] == name, "met"]) for name in INDICATORS]
        assert two.loc["达标学校总数", "L1":"L7"].to_list() == met
        flags = found.rules.loc[found.rules["stage"] == stage, "passes"].to_list()
        assert two.loc["达标学校总数", "L8"] == flags.count(True)
        assert two.loc["达标学校比例（%）", "L8"] == pytest.approx(100 * flags.count(True) / len(flags))


def test_sentences_hold_the_figures_of_the_returns(again: dict[str, pd.DataFrame], county: County) -> None:
    figures = again["figures"].drop_duplicates("name").set_index("name")["value"]
    own = county.table("county_years", YEAR).set_index("item")["value"]
    straight = [name for name in figures.index if name in own.index]
    assert len(straight) >= 25
    assert [figures[name] for name in straight] == pytest.approx([own[name] for name in straight])
    assert figures["rotated_backbone_pct"] == 16.7  # 4 of 24
    assert figures["migrant_pct"] == 96.7  # (497 + 0) of 514
    assert figures["special_fund_10k"] == 11.16
    rows = county.table("school_years", YEAR)
    small = rows[rows["school_id"].isin(rows.groupby("school_id")["pupils"].sum().loc[lambda s: s < 100].index)]
    small = small[~small["school_id"].isin(county.tables["schools"].query("kind == 'special'")["school_id"])]
    assert figures["small_pupils"] == small["pupils"].sum()
    basic = again["I"].set_index("code")["value"]
    ordinary = rows[~rows["school_id"].isin(["AQ005"])]  # the special school stands apart
    assert basic["L19"] == ordinary.loc[ordinary["stage"] == "primary", "pupils"].sum()
    assert basic["L24"] == ordinary.loc[ordinary["stage"] == "junior", "teachers"].sum()
    assert math.isnan(basic["L2"]) and math.isnan(basic["L4"])  # nobody reported them: blank, not zero


def test_forms_come_out_the_same_through_our_own_workbook(county: County) -> None:
    years = {name: county.table(name, YEAR) for name in ("school_years", "county_years", "village_years", "evidence")}
    small = county.with_tables(**years, attendance=tables.empty("attendance"), edges=tables.empty("edges"))
    read = intake.read_workbook(intake.county_workbook(small))
    other = replace(small, tables={**small.tables, **{n: tables.conform(f, n) for n, f in read.tables.items()}})
    standard = standards.load("quality_2017")
    first, second = (
        reports.read_forms(application_book.write(forms._application(c, evaluation.evaluate(c, standard, year=YEAR))))
        for c in (small, other)
    )
    for key, frame in first.items():
        pd.testing.assert_frame_equal(frame, second[key], obj=key)


def test_official_returns_give_the_same_rows(county: County, demo_dir: Path) -> None:
    """School by school: what the official returns hold, brought in again, fills 表Ⅱ-2 with the same figures."""
    read = intake.import_forms(demo_dir / "akqi" / "forms", year=2023)
    other = County("akqi", "阿合奇县", "Akqi", {n: tables.conform(f, n) for n, f in read.tables.items()})
    standard = standards.load("quality_2017")
    first, second = (
        forms._application(c, evaluation.evaluate(c, standard, year=2023), made_on=DAY).schools.set_index(
            ["stage", "school_id"]
        )
        for c in (county, other)
    )
    single = [
        key for key in first.index if "（" not in first.loc[key, "name"]
    ]  # returns do not divide teachers by stage
    assert len(single) >= 12
    pd.testing.assert_frame_equal(first.loc[single, INDICATORS], second.loc[single, INDICATORS])


# ---------------------------------------------------------------- how it is printed


def test_sheets_print_on_a4_with_real_numbers(written: bytes) -> None:
    found = sheets(written)
    assert list(found) == ["表Ⅰ", "表Ⅱ-1", "表Ⅱ-2", "表Ⅲ", "表Ⅳ", "表Ⅴ", "表Ⅵ", "数据来源与口径"]
    for sheet in found.values():
        assert sheet.page_setup.paperSize == "9" or sheet.page_setup.paperSize == 9
        assert sheet.print_area and sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToWidth == 1 and sheet.page_setup.fitToHeight == 0
        assert "演示数据" in str(sheet["A2"].value)
        assert "529a" in sheet.oddFooter.left.text or "数据摘要" in sheet.oddFooter.left.text
    schools = found["表Ⅱ-2"]
    assert schools.freeze_panes == "C6" and schools.print_title_rows == "$4:$5"
    assert schools["G6"].number_format == "#,##0.00" and isinstance(schools["G6"].value, float)
    assert found["表Ⅲ"]["C7"].number_format == "#,##0.000"


def test_rounding_never_moves_a_figure_across_its_line() -> None:
    made, found = toy(towns.school_year("A", pupils=10000, multimedia_rooms=22999 / 100, teachers_backbone=99.96))
    content = application_book.write(forms._application(made, found, made_on=DAY))
    row = sheets(content)["表Ⅱ-2"]
    shown = {row.cell(4, column).value: row.cell(6, column) for column in range(7, 14)}
    rooms = shown["每百名学生拥有网络多媒体教室数"]
    assert rooms.value == pytest.approx(2.2999) and rooms.number_format == "#,##0.0000"  # 2.30 would pass for met
    backbone = shown["每百名学生拥有县级及以上骨干教师数"]
    assert backbone.value == pytest.approx(0.9996) and backbone.number_format == "#,##0.0000"


def test_same_figures_give_the_same_bytes(written: bytes, county: County, found: Evaluation) -> None:
    assert application_book.write(forms._application(county, found, made_on=DAY)) == written


# ---------------------------------------------------------------- nothing is claimed that was not found


def test_missing_figures_stay_blank_and_are_not_met() -> None:
    made, found = toy(towns.school_year("A", equipment_yuan=None), towns.school_year("B"))
    figures = forms._application(made, found, made_on=DAY)
    again = reports.read_forms(application_book.write(figures))
    rows = again["II-2"].set_index("name")
    assert rows.loc["A校", "passes"] == "无数据" and math.isnan(rows.loc["A校", "L12"])
    assert rows.loc["A校", "remark"] == "L7—L11、L13达标；L12无数据"
    two, three = (again[key][again[key]["stage"] == "primary"].set_index("row") for key in ("II-1", "III"))
    assert two.loc["达标学校总数", "L6"] == 1 and math.isnan(two.loc["达标学校比例（%）", "L6"])
    assert math.isnan(three.loc["差异系数", "L6"]) and three.loc["差异系数", "L5"] == 0
    # Without county figures and evidence every line that needs them stays open; none is met.
    answers = {row.label.split(".")[0]: row.answer for row in figures.guarantee}
    assert answers["1"] == "待佐证" and answers["7"] == "无数据" and answers["11"] == "无数据"
    assert all(row.answer != "是" for row in figures.quality if row.label[0] != "4")
    assert "＿＿" in figures.guarantee[10].found and "0.0%" not in figures.guarantee[10].found


def test_an_answer_is_yes_only_where_every_item_is_met(county: County, found: Evaluation) -> None:
    figures = forms._application(county, found, made_on=DAY)
    for rows, answers in (
        (forms.layout()["IV"]["rows"], figures.guarantee),
        (forms.layout()["V"]["rows"], figures.quality),
    ):
        for row, answer in zip(rows, answers, strict=True):
            statuses = {found.item(code).status for code in row["codes"]}
            assert (answer.answer == "是") == (statuses <= {"met", "not_applicable"} and "met" in statuses), answer


def test_few_children_are_not_counted_out_unless_asked() -> None:
    items = towns.figures(disabled_children=4, disabled_enrolled=4, migrant_eligible=100, migrant_public=98)
    made, found = toy(towns.school_year("A"), county_years=items)
    hidden, told = (forms._application(made, found, small_counts=flag).quality[1].found for flag in (False, True))
    assert "残疾儿童少年为不足5人" in hidden and "残疾儿童少年为4人" in told


def test_other_standards_are_refused(county: County) -> None:
    plan = evaluation.evaluate(county, standards.load("akqi_2022"), year=YEAR)
    with pytest.raises(NotFoundError):
        forms._application(county, plan)
    with pytest.raises(NotFoundError):
        school_table._write(county, plan)


def test_a_workbook_without_the_forms_is_refused() -> None:
    book = openpyxl.Workbook()
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(DataError):
        reports.read_forms(out.getvalue())
    with pytest.raises(DataError):
        reports.read_forms(b"no workbook")


# ---------------------------------------------------------------- the school's own table


def test_school_table_says_what_the_evaluation_says(county: County, found: Evaluation) -> None:
    book = sheets(school_table._write(county, found, school_ids=["AQ002", "AQ010", "AQ005"], made_on=DAY))
    second = {row[1].value: row for row in book["1 阿合奇县第二小学"].iter_rows(min_row=5) if row[1].value}
    area = next(row for words, row in second.items() if words.startswith("4.生均教学及辅助用房"))
    assert "小学3.94平方米；初中—平方米" in area[2].value and area[3].value == "否"
    front = {row[1].value: row[4].value for row in book["学校目录"].iter_rows(min_row=5)}
    assert front["AQ002"] == "否" and front["AQ005"] == "不适用"  # a special school is not judged by the indicators
    passes = found.rules.set_index(["school_id", "stage"])["passes"]
    assert front["AQ010"] == ("是" if passes[("AQ010", "primary")] and passes[("AQ010", "junior")] else "否")
    special = [row for row in book["3 阿合奇县特殊教育学校"].iter_rows(min_row=5, values_only=True) if row[1]]
    assert (
        special[-1][3] == {"met": "是", "not_met": "否"}[found.item("G7").status]
        and "生均公用经费6200元" in special[-1][2]
    )
    assert [row[3] for row in special[:7]] == ["不适用"] * 7


def test_school_table_asks_for_schools_that_exist(county: County, found: Evaluation) -> None:
    with pytest.raises(NotFoundError):
        school_table._write(county, found, school_ids=["nobody"])


def test_school_table_leaves_unknown_figures_blank() -> None:
    made, found = toy(towns.school_year("A", gym_m2=None, teachers_backbone=None))
    rows = list(sheets(school_table._write(made, found, made_on=DAY))["1 A校"].iter_rows(min_row=5, values_only=True))
    sports = next(row for row in rows if str(row[1]).startswith("5.生均体育"))
    assert "体育馆＿＿平方米" in sports[2] and sports[3] == "无数据"


# ---------------------------------------------------------------- looked at by another program


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice (soffice) is not installed")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
def test_another_program_prints_every_form_whole(
    written: bytes, again: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    (tmp_path / "forms.xlsx").write_bytes(written)
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    convert = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path)]
    subprocess.run([*convert, str(tmp_path / "forms.xlsx")], check=True, capture_output=True, timeout=120)
    told = subprocess.run(["pdftotext", "-layout", str(tmp_path / "forms.pdf"), "-"], check=True, capture_output=True)
    pages = told.stdout.decode().split("\f")[:-1]
    text = "".join(pages)
    assert len(pages) == 8  # one page a form and one for the origin: nothing runs over
    assert "###" not in text and "Err:" not in text
    for row in again["II-2"].itertuples():
        for value in (row.L7, row.L8, row.L10):
            assert f"{wording.rounded(value, 2):,}" in pages[2]
    assert "0.481" in pages[3] and "16.7%" in pages[4].replace(" ", "")


def test_columns_are_wide_enough_for_their_numbers(written: bytes) -> None:
    """A number never wraps: one too long for its column is printed as ###."""
    for sheet in sheets(written).values():
        for row in sheet.iter_rows():
            for cell in (c for c in row if isinstance(c.value, (int, float)) and not isinstance(c.value, bool)):
                places = len(cell.number_format.partition(".")[2])
                assert len(f"{cell.value:,.{places}f}") < sheet.column_dimensions[cell.column_letter].width, (
                    cell.coordinate
                )


def test_rows_are_high_enough_for_their_words() -> None:
    assert paper._lines("汉" * 10, 12) == 2 and paper._lines("汉" * 4, 12) == 1 and paper._lines("a\nb", 12) == 2
