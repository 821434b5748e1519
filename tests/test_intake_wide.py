"""Free tables come in whatever they look like, and everything left out is said by the row and column of the file."""

# ruff: noqa: E501  # rows of cases read better unwrapped

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib import locale
from balance_lib._errors import DataError, Fault
from balance_lib.data import tables
from balance_lib.data.check import check_folder
from balance_lib.data.intake import aliases, bring
from balance_lib.data.intake.grid import decode, read_grids
from balance_lib.data.intake.mapping import ColumnMapping, examples
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.wide import read_wide
from balance_lib.data.intake.xlsx import SourceFile

HEAD = "学校代码,学校名称,学校类型,在校生数\n"


def csv(text: str, encoding: str = "utf-8", name: str = "表.csv") -> SourceFile:
    return SourceFile(name, text.encode(encoding))


def workbook(*sheets: tuple[str, list[list[Any]], list[str]], formats: dict[str, str] | None = None) -> SourceFile:
    """Return an XLSX of sheets: title, rows, merged ranges."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows, merged in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        for area in merged:
            sheet.merge_cells(area)
        for cell, shown in (formats or {}).items():
            sheet[cell].number_format = shown
    out = io.BytesIO()
    book.save(out)
    return SourceFile("表.xlsx", out.getvalue())


def told(imported: Imported, *without: str) -> list[tuple[str, int | None, str | None, object]]:
    return [(f.rule, f.row, f.column, f.found) for f in imported.faults if f.rule not in without]


def pupils(imported: Imported) -> list[tuple[str, int, str, float | None]]:
    rows = imported.tables["school_years"]
    return [(r.school_id, int(r.year), r.stage, None if pd.isna(r.pupils) else r.pupils) for r in rows.itertuples()]


# How a file was saved ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters(encoding: str, delimiter: str) -> None:
    text = (HEAD + "007,第一小学,小学,45\n008,第二初级中学,初级中学,120\n").replace(",", delimiter)
    imported = read_wide(csv(text, encoding), year=2023)
    assert imported.faults == []
    assert pupils(imported) == [("007", 2023, "primary", 45), ("008", 2023, "junior", 120)]


def test_text_of_another_encoding_is_refused_not_garbled() -> None:
    for text, encoding in (
        ("學校代碼,學校名稱,學生數\n1,臺北國小,45\n", "big5"),
        ("code,école,élèves\n1,Müller,4\n", "latin-1"),
    ):
        assert decode(text.encode(encoding))[0] is None
        imported = read_wide(csv(text, encoding), year=2023)
        assert told(imported) == [("encoding", None, None, None)] and not imported.ok
    mapping = {"sources": [{"encoding": "big5", "columns": {"學校代碼": "school_years.school_id", "學生數": "school_years.pupils"}, "stage": "primary"}]}  # fmt: skip
    imported = read_wide(csv("學校代碼,學生數\n1,45\n", "big5"), mapping, year=2023)
    assert pupils(imported) == [("1", 2023, "primary", 45)]


def test_quoted_commas_and_line_breaks_keep_the_row_count() -> None:
    imported = read_wide(csv(HEAD + '1,"甲,乙\n小学",小学,45\n\n2,丙小学,小学,许多\n'), year=2023)
    assert told(imported) == [("not_a_number", 4, "在校生数", "许多")]
    assert imported.tables["schools"]["name_zh"].tolist() == ["甲,乙\n小学", "丙小学"]


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("表.xls", b"\xd0\xcf\x11\xe0rest", "not_xlsx"),
        ("表.ods", b"PK\x03\x04rest", "not_xlsx"),
        ("表.xlsx", b"PK\x03\x04broken", "not_xlsx"),
        ("表.pdf", b"%PDF", "file_type"),
        ("表.csv", "甲,乙\n1,2\n".encode(), "header_unknown"),
        ("表.csv", b"", "headerless"),
    ],
)
def test_a_file_of_no_use_is_a_fault_not_a_crash(name: str, content: bytes, rule: str) -> None:
    imported = read_wide(SourceFile(name, content), year=2023)
    assert [f.rule for f in imported.faults] == [rule] and imported.tables == {} and not imported.ok


def test_a_folder_and_several_files_are_read_as_one_county(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes((HEAD + "1,甲小学,小学,45\n").encode("gbk"))
    (tmp_path / "b.csv").write_text("学校代码,学年,学段,专任教师数\n1,2023,小学,5\n", encoding="utf-8")
    (tmp_path / "readme.md").write_text("x")
    for path in (tmp_path, [tmp_path / "a.csv", tmp_path / "b.csv"]):
        imported = read_wide(path, year=2023)
        assert imported.ok and imported.meta["sources"] == ["a.csv", "b.csv"]
        assert imported.tables["school_years"].iloc[0][["pupils", "teachers"]].tolist() == [45, 5]
        assert len(imported.tables["school_years"]) == 1
    assert told(read_wide(tmp_path / "none.csv", year=2023))[0][0] == "unreadable"
    (tmp_path / "empty").mkdir()
    assert told(read_wide(tmp_path / "empty", year=2023)) == [("no_file", None, None, None)]


# Layout ------------------------------------------------------------------------------------------------------------


def test_titles_merged_headers_totals_notes_and_blank_rows() -> None:
    rows = [
        ["某县2023学年学校情况表", None, None, None, None, None],
        ["单位:人、个", None, None, None, None, None],
        ["乡镇", "学校代码", "学校名称", "学校类型", "在校生数", None],
        [None, None, None, None, "小学", "初中"],
        ["城关镇", "0101", "城关小学", "小学", 820, None],
        [None, "0102", "城关初中", "初级中学", None, 640],
        [None, None, None, None, None, None],
        ["乡镇", "学校代码", "学校名称", "学校类型", "小学", "初中"],
        ["东乡", "0201", "东乡九年制学校", "九年一贯制学校", 300, 150],
        ["合  计", None, None, None, 1120, 790],
        ["注:本表不含民办学校。", None, None, None, None, None],
        ["填表人:张三", None, "审核:李四", None, "电话:13812345678", None],
    ]
    merged = ["A1:F1", "A3:A4", "B3:B4", "C3:C4", "D3:D4", "E3:F3", "A5:A6"]
    imported = read_wide(workbook(("表一", rows, merged)), year=2023)
    assert pupils(imported) == [
        ("0101", 2023, "primary", 820),
        ("0102", 2023, "junior", 640),
        ("0201", 2023, "primary", 300),
        ("0201", 2023, "junior", 150),
    ]
    assert imported.tables["schools"]["township"].tolist() == ["城关镇", "城关镇", "东乡"]
    left = {f.rule: f.params["rows"] for f in imported.faults}
    assert left == {"total_row": "10", "header_row": "8", "note_row": "11–12"}
    assert "张三" not in str(imported) and "138" not in str(imported)
    (record,) = imported.meta["provenance"]
    assert (record["header_rows"], record["rows_read"], record["rows_left_out"]) == ("3–4", 3, 4)


def test_a_stacked_header_in_a_csv_has_its_words_in_the_first_cell_only() -> None:
    text = "学校代码,学校名称,学校类型,在校生数,,专任教师,\n,,,小学,初中,小学,初中\n1,甲校,九年制学校,10,20,3,4\n"
    imported = read_wide(csv(text), year=2023)
    assert imported.faults == []
    rows = imported.tables["school_years"][["stage", "pupils", "teachers"]].to_numpy().tolist()
    assert rows == [["primary", 10, 3], ["junior", 20, 4]]


def test_a_stage_all_blank_or_all_zero_beside_another_is_no_stage_but_a_blank_school_is_kept() -> None:
    text = "学校代码,学校名称,学校类型,小学在校生数,初中在校生数\n1,甲,小学,10,0\n2,乙,初级中学,,30\n3,丙,小学,,\n4,丁,小学,0,0\n"
    imported = read_wide(csv(text), year=2023)
    assert pupils(imported) == [
        ("1", 2023, "primary", 10),
        ("2", 2023, "junior", 30),
        ("3", 2023, "primary", None),
        ("4", 2023, "primary", 0),
        ("4", 2023, "junior", 0),
    ]


def test_a_roll_of_0_beside_figures_of_the_whole_school_stays_a_0_to_be_questioned() -> None:
    imported = read_wide(csv("学校代码,学校名称,学校类型,初中在校生数,教职工数\n1,甲中学,初级中学,0,5\n"), year=2023)
    rows = imported.tables["school_years"]
    assert rows[["stage", "pupils", "staff"]].values.tolist() == [["junior", 0.0, 5.0]]


def test_grades_are_added_up_by_stage_and_one_blank_grade_is_no_data() -> None:
    text = "学校代码,学校名称,学校类型,一年级,二年级,六年级,七年级\n1,甲,九年一贯制学校,5,6,7,8\n2,乙,小学,5,-,7,\n"
    imported = read_wide(csv(text), year=2023)
    assert pupils(imported) == [
        ("1", 2023, "primary", 18),
        ("1", 2023, "junior", 8),
        ("2", 2023, "primary", None),
    ]


def test_grades_beside_a_total_are_held_against_it() -> None:
    text = (
        "学校代码,学校名称,学校类型,小学在校生数,一年级,二年级\n1,甲,小学,11,5,6\n2,乙,小学,12,5,6\n3,丙,小学,12,5,\n"
    )
    imported = read_wide(csv(text), year=2023)
    assert told(imported, "unmapped_column") == [("sum_differs", 3, "小学在校生数", "12")]
    assert [p for *_, p in pupils(imported)] == [11, 12, 12]


def test_a_figure_merged_over_two_schools_is_not_counted_twice() -> None:
    rows = [["学校代码", "学校名称", "学校类型", "图书册数"], ["1", "甲", "小学", 900], ["2", "乙", "小学", None]]
    imported = read_wide(workbook(("表", rows, ["D2:D3"])), year=2023)
    assert told(imported) == [("merged_number", 3, "图书册数", "900")]
    assert imported.tables["school_years"]["books"].fillna(-1).tolist() == [900, -1]


def test_codes_shown_with_leading_zeros_and_codes_that_lost_digits() -> None:
    rows = [["学校代码", "学校名称", "学校类型", "在校生数"], [7, "甲", "小学", 5], [1010012.0, "乙", "小学", 6]]
    imported = read_wide(workbook(("表", rows, []), formats={"A2": "000"}), year=2023)
    assert imported.tables["schools"]["school_id"].tolist() == ["007", "1010012"]
    imported = read_wide(csv(HEAD + "3.62E+09,甲,小学,5\n"), year=2023)
    assert ("scientific", 2, "学校代码", "3.62E+09") in told(imported) and not imported.ok


def test_a_formula_never_computed_is_no_blank() -> None:
    rows = [["学校代码", "学校名称", "学校类型", "在校生数"], ["1", "甲", "小学", "=2+3"]]
    imported = read_wide(workbook(("表", rows, [])), year=2023)
    assert told(imported) == [("formula_without_value", 2, "在校生数", "=2+3")] and not imported.ok


def test_sheets_nobody_speaks_of_are_listed_and_hidden_ones_are_not_read() -> None:
    rows = [["学校代码", "学校名称", "学校类型", "在校生数"], ["1", "甲", "小学", 5]]
    source = workbook(("说明", [["请勿改动"]], []), ("数据", rows, []), ("旧数据", rows, []))
    book = openpyxl.load_workbook(io.BytesIO(source.content))  # type: ignore[arg-type]
    book["旧数据"].sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    imported = read_wide(SourceFile("表.xlsx", out.getvalue()), year=2023)
    assert told(imported) == [("sheet_left_out", None, None, "说明")]
    assert len(pupils(imported)) == 1


def test_a_row_with_figures_but_no_code_is_an_error_and_a_heading_between_rows_is_not() -> None:
    imported = read_wide(csv(HEAD + "一、小学,,,\n1,甲,小学,5\n,,小学,6\n"), year=2023)
    assert told(imported) == [("keyless_row", 4, "学校代码", None), ("note_row", 2, None, None)]
    assert not imported.ok


# Cells -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1234", 1234), ('"1,234"', 1234), ("１２３４", 1234), ("1 234", 1234), ("1234.0", 1234), ("1234人", 1234),
        (" 12 名", 12), ("0", 0), ("1234.", 1234), ("0.12万人", 1200),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(cell: str, value: float) -> None:
    imported = read_wide(csv(HEAD + f"1,甲小学,小学,{cell}\n"), year=2023)
    assert imported.faults == [] and pupils(imported)[0][3] == value


@pytest.mark.parametrize("cell", ["-", "—", "…", ".", "N/A", "n/a", "无", "/", "——", "暂无", "", "  "])
def test_signs_for_no_data_are_no_data_and_never_zero(cell: str) -> None:
    imported = read_wide(csv(HEAD + f"1,甲小学,小学,{cell}\n"), year=2023)
    assert imported.faults == [] and pupils(imported)[0][3] is None


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("12%", "percentage"), ("约50", "not_a_number"), ("12,34", "not_a_number"), ("(12)", "not_a_number"),
        ("5台", "not_a_number"), ("1.2E+05", "scientific"), ("#DIV/0!", "cell_error"), ("#N/A", "cell_error"),
        ("-3", "range"), ("12.5", "whole"),
    ],
)  # fmt: skip
def test_cells_that_are_no_count_are_named_where_they_stand(cell: str, rule: str) -> None:
    imported = read_wide(csv(HEAD + f'1,甲小学,小学,1\n2,乙小学,小学,"{cell}"\n'), year=2023)
    (fault,) = imported.faults
    assert (fault.rule, fault.file, fault.row, fault.column, fault.severity) == (rule, "表.csv", 3, "在校生数", "error")
    assert not imported.ok


def test_suppressed_figures_are_counted_by_sign() -> None:
    imported = read_wide(csv(HEAD + "1,甲,小学,*\n2,乙,小学,#\n3,丙,小学,＊\n4,丁,小学,9\n"), year=2023)
    assert [(f.rule, f.found, f.params["n"], f.severity) for f in imported.faults] == [
        ("suppressed", "#", 1, "warning"),
        ("suppressed", "*", 1, "warning"),
        ("suppressed", "＊", 1, "warning"),
    ]
    assert [p for *_, p in pupils(imported)] == [None, None, None, 9]


def test_ninety_nine_is_a_number_unless_the_mapping_says_otherwise() -> None:
    columns: dict[str, Any] = {"id": "school_id", "n": "school_years.pupils", "t": {"to": "school_years.teachers", "missing": ["99"]}}  # fmt: skip
    mapping = {"sources": [{"year": 2023, "stage": "primary", "columns": columns}]}
    imported = read_wide(csv("id,n,t\n1,99,99\n2,99.0,99.0\n3,9,9\n"), mapping)
    assert imported.tables["school_years"][["pupils", "teachers"]].fillna(-1).to_numpy().tolist() == [[99, -1], [99, -1], [9, 9]]  # fmt: skip
    assert imported.faults == []


def test_a_unit_in_the_header_is_applied_and_said_and_the_cells_own_unit_wins() -> None:
    text = "学校代码,学校名称,学校类型,教学仪器设备值(万元),教学及辅助用房面积（㎡）\n1,甲,小学,12.34,450\n2,乙,小学,5000元,450平方米\n"
    imported = read_wide(csv(text), year=2023)
    assert [(f.rule, f.column, f.params["factor"]) for f in imported.faults] == [
        ("scaled", "教学仪器设备值(万元)", "10000")
    ]
    assert imported.tables["school_years"]["equipment_yuan"].tolist() == [123400, 5000]
    assert imported.tables["school_years"]["teaching_area_m2"].tolist() == [450, 450]


def test_coordinates_in_degrees_minutes_seconds() -> None:
    text = "学校代码,学校名称,学校类型,经度,纬度\n1,甲,小学,109°34′12″,31°24'36\"\n2,乙,小学,E109°34′12″,北纬31度61分\n"
    imported = read_wide(csv(text), crs="WGS84")
    assert imported.tables["schools"].loc[0, ["lon", "lat"]].tolist() == [pytest.approx(109.57), pytest.approx(31.41)]
    assert told(imported) == [("not_a_coordinate", 3, "纬度", "北纬31度61分")]


@pytest.mark.parametrize(
    ("cell", "year"), [("2023", 2023), ("2023-2024学年", 2023), ("2023/24", 2023), ("2023年", 2023)]
)
def test_school_years_by_column(cell: str, year: int) -> None:
    imported = read_wide(csv(f"学校代码,学年,学段,在校生数\n1,{cell},小学,5\n"))
    assert pupils(imported) == [("1", year, "primary", 5)]


def test_a_year_that_is_none_and_no_year_at_all() -> None:
    imported = read_wide(csv("学校代码,学年,学段,在校生数\n1,2023/25,小学,5\n"))
    assert ("not_a_year", 2, "学年", "2023/25") in told(imported)
    imported = read_wide(csv(HEAD + "1,甲,小学,5\n"))
    assert told(imported) == [("year_unknown", None, "year", None)] and not imported.ok


def test_kinds_stages_and_flags_by_their_usual_words() -> None:
    text = "学校代码,学校名称,办学类型,城乡类型,举办者,是否寄宿制学校\n1,甲,完小,城区,公办,是\n2,乙,完全中学,农村,民办,否\n3,丙,幼儿园,镇区,教育部门,也许\n"
    imported = read_wide(csv(text))
    assert imported.tables["schools"][["kind", "location", "founder", "boarding"]].astype(object).fillna(
        "–"
    ).to_numpy().tolist() == [
        ["primary", "urban", "county", 1.0],
        ["complete_secondary", "rural", "private", 0.0],
        ["–", "town", "county", "–"],
    ]
    assert ("value_unknown", 4, "办学类型", "幼儿园") in told(imported)
    assert ("yes_no", 4, "是否寄宿制学校", "也许") in told(imported)


def test_without_kind_or_stage_the_stage_is_not_guessed() -> None:
    imported = read_wide(csv("学校代码,学校名称,在校生数\n1,第一小学,5\n"), year=2023)
    assert told(imported) == [("stage_unknown", 2, "stage", None), ("column_wanted", None, "kind", None)]
    assert not imported.ok


# Personal data -----------------------------------------------------------------------------------------------------


def test_personal_columns_are_dropped_and_said_even_when_mapped() -> None:
    text = "学校代码,学校名称,学校类型,在校生数,校长,联系电话,身份证号,Principal's Name,备注\n1,甲小学,小学,5,张三,13812345678,110101199001011234,Li,扩建\n"
    imported = read_wide(csv(text), year=2023)
    assert imported.dropped == ["校长", "联系电话", "身份证号", "Principal's Name"]
    assert told(imported) == [("personal_data", 1, label, None) for label in imported.dropped]
    assert imported.ok and imported.tables["schools"].loc[0, "note"] == "扩建"
    mapping = {"sources": [{"columns": {"学校代码": "schools.school_id", "校长": "schools.note"}}]}
    imported = read_wide(csv(text), mapping)
    assert "校长" in imported.dropped and "note" not in imported.columns["schools"]
    assert "张三" not in imported.tables["schools"].to_csv()


def test_telephone_and_identity_numbers_in_a_remark_are_not_kept() -> None:
    imported = read_wide(csv("学校代码,学校名称,学校类型,备注\n1,甲,小学,找王老师13812345678\n2,乙,小学,2020年扩建\n"))
    assert [(f.rule, f.column, f.found, f.params["n"]) for f in imported.faults] == [
        ("personal_number", "备注", None, 1)
    ]
    assert imported.tables["schools"]["note"].fillna("–").tolist() == ["–", "2020年扩建"]


@pytest.mark.parametrize(
    "label",
    ["校长", "校长姓名", "联系人", "联系电话", "手机", "身份证号码", "家庭住址", "班主任", "Principal", "Head teacher", "Learner Name",
     "Teacher's name", "Surname", "First_Name", "Tel. No.", "Telephone", "Cell No", "Mobile", "E-mail", "ID number", "Home address",
     "Parent address", "Date of Birth", "Guardian", "Contact Person", "教师姓名", "监护人电话"],
)  # fmt: skip
def test_headers_of_personal_data(label: str) -> None:
    assert aliases.personal(label)


@pytest.mark.parametrize(
    "label",
    ["学校名称", "School name", "Institution_Name", "Name of school", "专任教师数", "校长人数", "Number of teachers", "Educators", "address 1",
     "家庭住址在划片范围内的在校学生人数", "NAMASEKOLAH", "ALAMATSURAT", "男生人数", "headcount", "学校地址", "Teachers with a certificate",
     *(c.zh for t in tables.all_tables().values() for c in t.columns.values())],
)  # fmt: skip
def test_headers_that_are_none(label: str) -> None:
    assert not aliases.personal(label)


# The dictionary ----------------------------------------------------------------------------------------------------


def test_every_alias_means_a_canonical_column_and_only_one() -> None:
    for subject, names in aliases.SUBJECTS.items():
        known = {c for name in names for c in tables.table(name).columns}
        seen: dict[str, str] = {}
        for column, spellings in aliases.dictionary()[subject].items():
            assert column in known, column
            for spelling in spellings:
                other = seen.setdefault(aliases.key(spelling), column)
                assert other == column, (spelling, other, column)


def test_every_canonical_label_is_understood_as_its_own_column() -> None:
    for name in aliases.SUBJECTS["school"]:
        for column in tables.table(name).columns.values():
            for label in (column.name, column.zh):
                found = aliases.heading([label])
                assert found is not None and found.column == column.name, (label, found)


@given(st.sampled_from(["在校生数", "学校代码", "教学及辅助用房面积", "专任教师数", "Number of pupils"]), st.data())
def test_width_case_spaces_and_brackets_do_not_matter(label: str, data: st.DataObject) -> None:
    wide = "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and data.draw(st.booleans()) else c + " " * data.draw(st.integers(0, 1))
        for c in label
    )
    shouted = wide.upper() if data.draw(st.booleans()) else wide
    assert aliases.heading([shouted]) == aliases.heading([label])


# Mappings ----------------------------------------------------------------------------------------------------------

TWO_SHEETS = (
    ("甲", [["代码", "名称", "县"], ["01", "一小", "东县"], ["02", "二小", "西县"]], []),
    ("乙", [["标题"], ["学校", "人数"], ["01", 10], ["02", 20], ["09", 5]], []),
)
JOINED: dict[str, Any] = {
    "sources": [
        {"name": "a", "sheet": "甲", "where": {"县": "东县"}, "constants": {"schools.kind": "primary"},
         "columns": {"代码": "schools.school_id", "名称": "schools.name_zh"}},
        {"name": "b", "sheet": "乙", "year": 2023, "stage": "primary", "join": {"source": "a", "by": "学校", "key": "代码"},
         "where": {"县": ["东县"]}, "columns": {"学校": "school_years.school_id", "人数": "school_years.pupils"}},
    ]
}  # fmt: skip


def test_sheets_are_joined_by_a_code_and_filtered_by_the_other_sheets_column() -> None:
    imported = read_wide(workbook(*TWO_SHEETS), JOINED)
    assert pupils(imported) == [("01", 2023, "primary", 10)]
    assert imported.tables["schools"]["name_zh"].tolist() == ["一小"]
    assert [(f.rule, f.row, f.found) for f in imported.faults] == [("join_missing", 5, "09")]
    everything = read_wide(workbook(*TWO_SHEETS), JOINED, where={})
    assert len(pupils(everything)) == 3
    none = read_wide(workbook(*TWO_SHEETS), JOINED, where={"县": "南县"})
    assert {f.rule for f in none.faults if f.severity == "error"} == {"nothing_chosen"} and not none.ok


def test_scale_values_years_and_items_a_column_and_letters() -> None:
    mapping = {
        "sources": [
            {"file": "学校*", "columns": {
                "id": "school_id", "=B": {"to": "schools.kind", "values": {"P": "primary", "*": None}},
                "2019": {"to": "school_years.pupils", "year": 2019}, "2020": {"to": "school_years.pupils", "year": 2020},
            }, "stage": "primary"},
            {"file": "县*", "columns": {
                "年": "county_years.year", "GDP(亿)": {"to": "county_years.value", "item": "gdp_yuan", "scale": 1e8},
                "满意度": {"to": "county_years.value", "item": "satisfaction_pct"},
            }},
        ]
    }  # fmt: skip
    imported = read_wide(
        [
            csv("id,,2019,2020\n1,P,5,6\n2,X,7,\n", name="学校.csv"),
            csv("年,GDP(亿),满意度\n2020,12.34,92.5%\n2021,13,\n", name="县.csv"),
        ],
        mapping,
    )
    assert pupils(imported) == [("1", 2019, "primary", 5), ("1", 2020, "primary", 6), ("2", 2019, "primary", 7)]
    assert imported.tables["schools"]["kind"].fillna("–").tolist() == ["primary", "–"]
    assert imported.tables["county_years"][["year", "item", "value"]].to_numpy().tolist() == [
        [2020, "gdp_yuan", 1234000000.0],
        [2020, "satisfaction_pct", 92.5],
        [2021, "gdp_yuan", 1300000000.0],
    ]
    assert [f.rule for f in imported.faults] == ["required", "column_wanted"]


def test_a_long_table_of_items() -> None:
    mapping = {"sources": [{"columns": {"项目": "county_years.item", "年份": "year", "数值": "county_years.value"}}]}
    imported = read_wide(csv('项目,年份,数值\ngdp_yuan,2020,"1,000"\n'), mapping)
    assert imported.tables["county_years"][["year", "item", "value"]].to_numpy().tolist() == [[2020, "gdp_yuan", 1000]]


def test_a_missing_or_doubled_column_is_named_with_the_nearest() -> None:
    mapping = {"sources": [{"year": 2020, "stage": "primary", "columns": {"Code": "school_years.school_id", "Learner": "school_years.pupils"}}]}  # fmt: skip
    imported = read_wide(csv("Code,Learners\n1,5\n"), mapping)
    assert [(f.rule, f.column, f.params["known"]) for f in imported.faults if f.severity == "error"] == [
        ("column_not_found", "Learner", "Learners")
    ]
    imported = read_wide(csv("Code,Learner,Learner\n1,5,6\n"), mapping)
    assert ("ambiguous_column", 1, "Learner", "B, C") in told(imported)


def test_the_same_school_twice_in_a_list_and_lists_that_contradict_each_other() -> None:
    imported = read_wide(csv(HEAD + "1,甲,小学,5\n2,乙,小学,6\n1,甲,小学,7\n"), year=2023)
    assert told(imported) == [("rows_again", 4, "school_id", "1")]
    assert {k: imported.faults[0].params[k] for k in ("rows", "all", "lost")} == {
        "rows": "2, 4",
        "all": "12",
        "lost": "7",
    }
    imported = read_wide(csv(HEAD + "1,甲,小学,5\n2,乙,小学,6\n1,甲,小学,5\n"), year=2023)
    assert told(imported) == [("duplicate", 4, "school_id+year+stage", "1 / 2023 / primary")]
    assert imported.faults[0].params["first"] == 2
    files = [csv(HEAD + "1,甲,小学,5\n", name="a.csv"), csv(HEAD + "1,甲,小学,7\n", name="b.csv")]
    imported = read_wide(files, year=2023)
    (fault,) = imported.faults
    assert (fault.rule, fault.file, fault.row, fault.found, fault.params["other"]) == (
        "contradicts",
        "b.csv",
        2,
        "7.0",
        "5.0",
    )


def test_years_of_one_school_in_several_files_keep_its_former_kind_and_newest_name() -> None:
    def year_of(year: int, row: str) -> SourceFile:
        return csv(
            f"学校代码,学校名称,学校类型,学年,在校生数,经度,纬度\n{row}\n".replace("Y", str(year)), name=f"{year}.csv"
        )

    files = [year_of(2023, "1,甲教学点,教学点,Y,20,109.5,31.5"), year_of(2019, "1,甲小学,小学,Y,60,109.6,31.5")]
    imported = read_wide(files, crs="WGS84")
    assert imported.tables["schools"][["name_zh", "kind", "lon"]].to_numpy().tolist() == [
        ["甲教学点", "teaching_point", 109.5]
    ]
    rows = imported.tables["school_years"].set_index("year")
    assert rows["kind"].fillna("–").to_dict() == {2023: "–", 2019: "primary"}
    assert Counter(f.rule for f in imported.faults) == {"differs": 2, "moved": 1}
    (fault,) = [f for f in imported.faults if f.rule == "moved"]
    assert fault.params["km"] == "9.5" and fault.file == "2023.csv"  # 0.1 degrees at 31.5 N


@pytest.mark.parametrize(
    ("mapping", "rule"),
    [
        ({}, "mapping"),
        ({"sources": [{"columns": {"a": {"too": "x"}}}]}, "mapping"),
        ({"sources": [{"columns": {"a": "schools.pupils"}}]}, "mapping_name"),
        ({"sources": [{"columns": {"a": "school.name_zh"}}]}, "mapping_name"),
        ({"sources": [{"columns": {"a": {"to": "schools.name_zh", "stage": "primary"}}}]}, "mapping_place"),
        ({"sources": [{"columns": {"a": "schools.note", "b": "schools.note"}}]}, "mapping_twice"),
        ({"sources": [{"columns": {}, "join": {"source": "x", "by": "a"}}]}, "mapping_name"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_before_anything_is_read(mapping: dict[str, Any], rule: str) -> None:
    with pytest.raises(DataError) as caught:
        ColumnMapping.of(mapping)
    assert [f.rule for f in caught.value.faults] == [rule]


def test_all_that_is_wrong_with_a_mapping_comes_at_once_and_near_names_are_given(tmp_path: Path) -> None:
    columns = {"a": "schools.nam_zh", "b": "school_years.pupil"}
    file = tmp_path / "m.yaml"
    file.write_text(yaml.safe_dump({"sources": [{"columns": columns}]}), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        ColumnMapping.of(file)
    assert [(f.column, f.params["known"].split(", ")[0]) for f in caught.value.faults] == [
        ("a", "schools.name_zh"),
        ("b", "school_years.pupils"),
    ]
    file.write_text("sources: [", encoding="utf-8")
    with pytest.raises(DataError, match=r"m\.yaml"):
        ColumnMapping.of(file)


def test_yaml_words_are_texts_in_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("sources:\n- {year: 2020, stage: primary, where: {code: [007, On]}, columns: {code: school_years.school_id, on: {to: school_years.small_rural_50_99, values: {Yes: 1, No: 0}}}}\n")  # fmt: skip
    imported = read_wide(csv("code,on\n007,No\n7,Yes\nON,Yes\n"), file)
    assert imported.tables["school_years"][["school_id", "small_rural_50_99"]].to_numpy().tolist() == [
        ["007", 0],
        ["ON", 1],
    ]


def test_the_shipped_examples_are_sound() -> None:
    assert {"my_sjkc", "uk_ni_primary_2023", "za_kzn_msinga_nkandla"} <= set(examples())
    for name in examples():
        assert ColumnMapping.of(name).sources


def test_a_sheet_under_the_canonical_names_or_labels_is_that_table() -> None:
    files = [
        csv('年度,项目,数值,数据来源\n2020,gdp_yuan,"1,000",年鉴\n', "gbk", "县.csv"),
        csv("village_id,school_id,stage,band,year,pupils\n01,1,primary,g1_3,2020,5\n", name="去向.csv"),
        csv("乡镇,行政区划代码,类型\n甲镇,0101,镇\n", name="乡镇.csv"),
    ]
    imported = read_wide(files)
    assert imported.faults == []
    assert {name: len(frame) for name, frame in imported.tables.items()} == {
        "townships": 1,
        "attendance": 1,
        "county_years": 1,
    }
    assert imported.tables["county_years"].loc[0].tolist() == [2020, "gdp_yuan", 1000, "年鉴"]
    assert imported.tables["townships"].loc[0, ["code", "type"]].tolist() == ["0101", "town"]
    assert imported.tables["attendance"].loc[0, "village_id"] == "01"


# Coordinates -------------------------------------------------------------------------------------------------------

PLACED = "学校代码,学校名称,学校类型,经度,纬度\n1,甲,小学,116.41024449916938,39.91640428150164\n2,乙,小学,,\n"


def test_coordinates_must_be_declared() -> None:
    imported = read_wide(csv(PLACED))
    assert told(imported) == [("crs", None, "crs", None)] and not imported.ok


def test_declared_gcj02_is_stored_as_wgs84_and_said() -> None:
    imported = read_wide(csv(PLACED), crs="GCJ02")
    row = imported.tables["schools"].loc[0]
    assert (row["lon"], row["lat"]) == (pytest.approx(116.404, abs=1e-8), pytest.approx(39.915, abs=1e-8))
    assert imported.meta["crs"] == "WGS84" and imported.ok
    (said,) = [p for p in imported.meta["provenance"] if "conversion" in p]
    assert said["conversion"] == {"from": "GCJ02", "to": "WGS84", "points": 1}
    assert "GCJ02" in said["zh"] and "1 point(s)" in said["en"]


def test_wgs84_and_cgcs2000_stay_to_the_last_digit_and_the_latter_is_said() -> None:
    for system, said in (("WGS84", 0), ("CGCS2000", 1)):
        imported = read_wide(csv(PLACED), crs=system)
        assert imported.tables["schools"].loc[0, "lon"] == 116.41024449916938
        assert len([p for p in imported.meta["provenance"] if "conversion" in p]) == said


# Whatever comes ----------------------------------------------------------------------------------------------------

cell = st.one_of(st.sampled_from(["", "1", "小学", "学校代码", "合计", "注:", "*", "2023", "甲"]), st.text(max_size=4))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(cell, min_size=1, max_size=6), max_size=8))
def test_no_table_is_a_crash_and_every_fault_can_be_told(rows: list[list[str]]) -> None:
    import csv as plain_csv

    out = io.StringIO()
    plain_csv.writer(out).writerows([["学校代码", "学校名称", "学校类型", "在校生数"], *rows])
    imported = read_wide(SourceFile("x.csv", out.getvalue().encode("utf-8", "replace")), year=2023)
    for fault in imported.faults:
        for lang in locale.LANGUAGES:
            assert isinstance(fault.as_dict(lang)["expected"], str)
    for name, frame in imported.tables.items():
        assert list(frame.columns) == list(tables.table(name).columns)


def is_code(text: str) -> bool:
    """Tell whether a text can be nothing but a code: no word for a total, no note, no "no data", no lost digits."""
    words = aliases.is_total(text) or aliases.is_note(text) or aliases.fold(text) in aliases.words("missing")
    return not words and not re.fullmatch(r"\d+e\d+", aliases.fold(text))


CODES = st.lists(st.from_regex(r"[0-9A-Z]{1,8}", fullmatch=True).filter(is_code), min_size=2, max_size=5, unique=True)
HEADS = ["学校代码", "学校名称", "学校类型", "学年", "在校生数", "班数", "经度", "纬度"]


@settings(max_examples=8, deadline=None)
@given(CODES, st.data())
def test_permuted_columns_years_files_and_sheets_make_the_same_county(codes: list[str], data: st.DataObject) -> None:
    figure = st.one_of(st.just(""), st.integers(0, 9999).map(str))
    rows = [
        [code, f"第{i}小学", "小学", str(year), data.draw(figure), data.draw(figure), f"{106 + i / 8}", f"{33 + i / 8}"]
        for i, code in enumerate(codes)
        for year in range(2021, 2024)
    ]
    whole = digest([csv(table([HEADS, *rows]))])
    order = data.draw(st.permutations(range(len(HEADS))))
    heaps = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    parts = [
        [[line[i] for i in order] for line in (HEADS, *data.draw(st.permutations(mine)))]
        for heap in range(3)
        if (mine := [row for row, at in zip(rows, heaps, strict=True) if at == heap])
    ]
    if data.draw(st.booleans()):
        assert digest([workbook(*((f"表{i}", part, []) for i, part in enumerate(parts)))]) == whole
    mark, encoding = data.draw(st.sampled_from(",;\t")), data.draw(st.sampled_from(["utf-8-sig", "gb18030", "utf-16"]))
    assert digest([csv(table(part, mark), encoding, f"{i}.csv") for i, part in enumerate(parts)]) == whole


def table(lines: list[list[str]], mark: str = ",") -> str:
    return "\r\n".join(mark.join(line) for line in lines)


def digest(sources: list[SourceFile]) -> str:
    imported = read_wide(sources, crs="WGS84")
    assert imported.ok, imported.faults
    frames = {name: frame.sort_values(list(tables.table(name).key)) for name, frame in imported.tables.items()}
    return "\n".join(f"{name}\n{frames[name].to_csv(index=False)}" for name in sorted(frames))


@settings(max_examples=14, deadline=None)
@given(CODES, st.data())
def test_no_import_loses_a_pupil_without_naming_the_row(codes: list[str], data: st.DataObject) -> None:
    lines, pupils_of = [["学校代码", "学校名称", "学校类型", "在校生数"]], {}
    for i, code in enumerate(codes):
        said = data.draw(st.sampled_from([code, code, code, codes[0], "", "合计", "注"]))
        kind = data.draw(st.sampled_from(["小学", "小学", "初中", "幼儿园", "中学", ""]))
        number = data.draw(st.integers(1, 9999))
        roll = data.draw(
            st.sampled_from([f"{number}", f"{number:,}".replace(",", " "), f"{number}人", "五十", f"{number}.5"])
        )
        lines.append([said, f"第{i}学校", kind, roll])
        pupils_of[i + 2] = number
    kept = bring.bring_in([csv(table(lines))], Path("/nonexistent/a"), year=2023, accept_valid=True, dry_run=True)
    if kept.county is None:
        assert any(f.severity == "error" for f in kept.faults)
        return
    rows = kept.county.tables["school_years"]["pupils"].dropna().tolist()
    named = {f.row for f in kept.faults} | {r for f in kept.faults for r in f.params.get("at", ())}
    spans = ",".join(str(f.params["rows"]) for f in kept.faults if "rows" in f.params)
    named |= {
        n
        for low, _, high in (s.partition("–") for s in re.findall(r"\d+(?:–\d+)?", spans))
        for n in range(int(low), int(high or low) + 1)
    }
    unread = [row for row in pupils_of if row not in named]
    for row in unread:
        assert pupils_of[row] in rows, (lines[row - 1], kept.faults)


def test_grids_repeat_merged_cells_and_know_which_do() -> None:
    (grid,), faults = read_grids(workbook(("s", [["a", None], [None, 1]], ["A1:B1"])))
    assert faults == [] and grid.rows == [["a", "a"], ["", "1"]] and grid.filled == {(0, 1)}


# Real files --------------------------------------------------------------------------------------------------------


def open_again(imported: Imported, folder: Path) -> tuple[Any, list[Fault]]:
    county = imported.county()
    again, faults = check_folder(county.save(folder / county.county_id))
    assert again is not None and again.hash == county.hash
    return again, faults


def counts(faults: list[Fault]) -> dict[str, int]:
    return dict(Counter(f.rule for f in faults))


@pytest.mark.shared
def test_malaysia_one_district_and_the_whole_country(shared_dir: Path, tmp_path: Path) -> None:
    file = shared_dir / "real" / "my_sjkc" / "sjkc.csv"
    one = read_wide(file, "my_sjkc", year=2022)
    assert one.ok and [(f.rule, f.params["n"]) for f in one.faults] == [("unmapped_column", 12)]
    county, faults = open_again(one, tmp_path)
    assert len(county.table("schools")) == 46 and county.table("schools").loc[0, "name_zh"] == "诗巫拉让花园华小"
    assert counts(faults) == {"no_villages": 1, "founder_missing": 1}

    everything = read_wide(file, "my_sjkc", year=2022, where={})
    assert everything.ok
    rows = everything.tables["school_years"]
    assert len(rows) == 1304 and rows["pupils"].sum() == 450366 and rows["teachers"].sum() == 35230
    assert (everything.tables["schools"]["location"] == "rural").sum() == 423
    _, faults = open_again(everything, tmp_path / "all")
    assert [f.row for f in faults if f.rule == "pupils_missing"] == [135, 295]
    assert not any(f.severity == "error" for f in faults)
    assert counts(faults) == {
        "no_villages": 1, "founder_missing": 1, "no_point": 1, "spread_wide": 1, "pupils_missing": 2,
    }  # fmt: skip


@pytest.mark.shared
def test_south_africa_two_files_are_one_county_with_two_years(shared_dir: Path, tmp_path: Path) -> None:
    folder = shared_dir / "real" / "za_kzn_msinga_nkandla"
    imported = read_wide([folder / "schools_2017.csv", folder / "schools_2024.csv"], "za_kzn_msinga_nkandla")
    assert imported.ok
    assert counts(imported.faults) == {"unmapped_column": 2, "moved": 88, "differs": 4, "epoch_date": 2}
    assert {f.found: f.params["n"] for f in imported.faults if f.rule == "epoch_date"} == {
        "12/31/1899": 295,
        "1/3/1900": 365,
    }
    differs = {f.column: f.params["n"] for f in imported.faults if f.rule == "differs"}
    assert differs == {"name_zh": 370, "name_en": 370, "kind": 14, "township": 226}
    rows = imported.tables["school_years"]
    assert rows.groupby("year")["pupils"].sum().to_dict() == {2017: 112812, 2024: 123840}
    assert (rows["pupils"] == 99).sum() == 1  # a school of 99 learners is no blank
    assert rows["teachers"].isna().sum() == 1 and rows["kind"].notna().sum() == 14
    county, faults = open_again(imported, tmp_path)
    assert county.years == [2017, 2024] and len(county.table("schools")) == 381
    assert counts(faults) == {
        "location_missing": 65, "rows_stop": 9, "rows_begin": 1, "far_point": 2, "stage_missing": 261,
        "year_jump": 1, "teacher_ratio": 2, "no_villages": 1,
    }  # fmt: skip


@pytest.mark.shared
def test_northern_ireland_sheets_cohorts_and_suppressed_figures(shared_dir: Path, tmp_path: Path) -> None:
    file = shared_dir / "real" / "uk_ni_primary_2023" / "school_level_primary_202324.xlsx"
    imported = read_wide(file, "uk_ni_primary_2023")
    assert imported.ok and counts(imported.faults) == {"unmapped_column": 2, "note_row": 1, "sheet_left_out": 7}
    county, faults = open_again(imported, tmp_path)
    assert len(county.table("schools")) == 94
    assert counts(faults) == {"no_villages": 1, "founder_missing": 1, "no_point": 1}

    # The nearest thing the tables have to "newcomer" pupils stands in for a suppressed column here, in the test only.
    raw = yaml.safe_load(Path(tables.__file__).parents[1].joinpath("intake/mappings/uk_ni_primary_2023.yaml").read_text("utf-8"))  # fmt: skip
    for source in raw["sources"]:
        source["where"] = {}
    raw["sources"].append(
        {"sheet": "Newcomer", "year": 2023, "stage": "primary",
         "columns": {"DE ref": "school_years.school_id", "Newcomer": "school_years.migrant_pupils"}}
    )  # fmt: skip
    everything = read_wide(file, raw)
    assert everything.ok
    assert {f.found: f.params["n"] for f in everything.faults if f.rule == "suppressed"} == {"*": 166, "#": 1}
    assert not [f for f in everything.faults if f.rule == "sum_differs"]  # the source's totals hold in all 787 rows
    rows = everything.tables["school_years"]
    assert len(rows) == 787 and rows["migrant_pupils"].isna().sum() == 167
    assert rows.loc[rows["school_id"] == "1010063", "pupils"].item() == 24 + 19 + 25 + 28 + 29 + 22 + 24


@pytest.mark.parametrize(
    ("to", "value", "kept"),
    [
        ("school_years.pupils", "nul*a", None), ("school_years.pupils", "51-200", None), ("school_years.pupils", 125, 125),
        ("school_years.pupils", "125", 125), ("schools.boarding", "yes", 1), ("schools.boarding", "perhaps", None),
        ("schools.kind", "primry", None), ("schools.kind", "junior", "junior"), ("schools.note", "anything", "anything"),
    ],
)  # fmt: skip
def test_what_a_mapping_writes_into_a_column_must_fit_it(to: str, value: Any, kept: Any) -> None:
    column = {"Code": "school_id", "Mark": {"to": to, "values": {"A": value}}}
    constant = {"columns": {"Code": "school_id"}, "constants": {to: value}}
    for source in ({"columns": column}, constant):
        if kept is None:
            with pytest.raises(DataError) as told_of:
                read_wide(csv("Code,Mark\n1,A\n"), {"sources": [{"year": 2020, "stage": "primary", **source}]})
            assert {f.rule for f in told_of.value.faults} == {"mapping_value"}
        else:
            found = read_wide(csv("Code,Mark\n1,A\n"), {"sources": [{"year": 2020, "stage": "primary", **source}]})
            table, name = to.split(".")
            assert found.tables[table][name].tolist() == [kept]
