"""Workbooks as Chinese bureaus keep them: merged headings, totals, notes, units, a row a grade, a row a pupil."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import openpyxl
import pandas as pd
import pytest
import yaml

from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.wide import read_wide
from balance_lib.data.intake.xlsx import SourceFile

HEAD = ["学校代码", "学校名称", "办学类型", "所属乡镇", "在校生数", "班数"]
SCHOOLS = [
    ["0101", "城关小学", "小学", "城关镇", 1320, 30], ["0102", "东关小学", "小学", "城关镇", 640, 15],
    ["0201", "泥阳教学点", "教学点", "泥阳镇", 18, 3], ["0202", "泥阳初级中学", "初级中学", "泥阳镇", 980, 20],
]  # fmt: skip
PUPILS, CLASSES = 2958, 68


def read(rows: Sequence[Sequence[Any]], *merged: str, mapping: Any = None) -> Imported:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    for cells in merged:
        book.active.merge_cells(cells)
    written = io.BytesIO()
    book.save(written)
    return read_wide(SourceFile("基表.xlsx", written.getvalue()), mapping, year=2023)


def rules(found: Imported, severity: str = "error") -> list[str]:
    return [fault.rule for fault in found.faults if fault.severity == severity]


def told(found: Imported, rule: str) -> Any:
    """Return the mapping that a message tells to write."""
    hint = next(fault.hint("zh") for fault in found.faults if fault.rule == rule)
    return yaml.safe_load(hint[hint.index("sources:") :])


def with_heads(upper: Sequence[str], *lower: Sequence[str], more: int) -> list[list[Any]]:
    """Return the sheet with further figures, 0, behind the pupils, below headings in several rows."""
    return [list(upper), *map(list, lower), *([*row[:5], *[0] * more, row[5]] for row in SCHOOLS)]


def wide(text: object) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in str(text))


SUBTOTALS = [HEAD, *SCHOOLS[:2], ["", "城关镇小计", "", "", 1960, 45], *SCHOOLS[2:], ["", "总　计", "", "", 2958, 68]]
BELOW = ["注：1.截至2023年9月1日。"], ["填表人：张三", "", "联系电话：13912345678"]
TWO = with_heads([*HEAD[:5], "", "班数"], ["", "", "", "", "合计", "其中：女", ""], more=1)
THREE = with_heads(
    [*HEAD[:4], "学生情况", "", "", "班数"], [*[""] * 4, "在校生数", "", "招生数", ""], [*[""] * 4, "计", "女", "", ""],
    more=2,
)  # fmt: skip
SOUND: dict[str, tuple[list[list[Any]], tuple[str, ...], list[str]]] = {
    "title and unit above": ([["徽县教育事业统计基表"], ["填报单位：徽县", "", "", "", "单位：人、个"], HEAD, *SCHOOLS],
                             ("A1:F1",), []),
    "heading over total and girls": (TWO, ("A1:A2", "E1:F1", "G1:G2"), ["unmapped_column"]),
    "the same not merged": (TWO, (), ["total_row"]),
    "three headings": (THREE, ("A1:A3", "E1:G1", "E2:F2", "G2:G3", "H1:H3"), ["unmapped_column"]),
    "subtotals of townships": (SUBTOTALS, (), ["total_row"]),
    "notes below": ([HEAD, *SCHOOLS, [], *BELOW], (), ["note_row"]),
    "full-width figures": ([HEAD, *([*row[:4], wide(row[4]), wide(row[5])] for row in SCHOOLS)], (), []),
    "units behind": ([HEAD, *([*row[:4], f"{row[4]:,} 人", f"{row[5]}个"] for row in SCHOOLS)], (), []),
    "heading again": ([HEAD, *SCHOOLS[:2], HEAD, *SCHOOLS[2:]], (), ["header_row"]),
    "line feeds in headings": ([[f"{name[:2]}\n{name[2:]}" for name in HEAD], *SCHOOLS], (), []),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_is_read_whole_whatever_stands_around_it(name: str) -> None:
    rows, merged, warnings = SOUND[name]
    found = read(rows, *merged)
    assert rules(found) == [] and sorted(set(rules(found, "warning"))) == sorted(warnings)
    assert found.tables["school_years"][["pupils", "classes"]].sum().tolist() == [PUPILS, CLASSES]
    assert found.tables["schools"]["name_zh"].tolist() == [row[1] for row in SCHOOLS]


def test_boys_and_girls_without_a_total_are_asked_about_and_the_line_answers() -> None:
    rows = with_heads([*HEAD[:5], "", "班数"], ["", "", "", "", "男", "女", ""], more=1)
    found = read(rows, "A1:A2", "E1:F1", "G1:G2")
    assert rules(found) == ["parts_unread"] and "pupils" not in found.tables["school_years"].dropna(axis=1)
    again = read(rows, "A1:A2", "E1:F1", "G1:G2", mapping=told(found, "parts_unread"))
    assert rules(again) == [] and again.tables["school_years"]["pupils"].sum() == PUPILS


GRADES = ["一年级", "二年级", "三年级", "四年级", "五年级", "六年级", "七年级", "初二", "9年级"]


@pytest.mark.parametrize("totals", [False, True])
def test_a_row_a_grade_adds_up_to_the_school_and_says_so(totals: bool) -> None:
    rows = [["0301", "麻沿学校", "九年一贯制学校", grade, 20, 1] for grade in GRADES]  # no row is a slip of another
    whole = [["0301", "麻沿学校", "九年一贯制学校", "合计", 180, 9]] if totals else []
    found = read([["学校标识码", "学校名称", "办学类型", "年级", "学生数", "班级数"], *rows, *whole])
    assert rules(found) == [] and rules(found, "warning") == ["rows_by_grade", *["total_row"] * totals]
    years = found.tables["school_years"].set_index("stage")
    assert years["pupils"].to_dict() == {"primary": 120, "junior": 60} and years["classes"].sum() == 9


def test_a_list_of_single_pupils_is_counted_by_the_line_told_and_no_name_is_kept() -> None:
    head = ["学校标识码", "学校名称", "年级", "班级", "学生姓名", "身份证件号"]
    pupils = [
        [row[0], row[1], "二年级", "1班", f"王{i}", f"62262720160101{i:04d}"] for row in SCHOOLS[:2] for i in range(9)
    ]
    found = read([head, *pupils])
    assert rules(found) == ["pupil_rows"]
    counted = read([head, *pupils], mapping=told(found, "pupil_rows"))
    assert rules(counted) == [] and counted.tables["school_years"]["pupils"].tolist() == [9, 9]
    assert counted.tables["school_years"].get("classes", pd.Series()).isna().all() and "王" not in str(counted.tables)


def test_a_code_that_cannot_be_read_is_told_once_a_cell() -> None:
    found = read([HEAD, ["3.62E+09", *SCHOOLS[0][1:]], *SCHOOLS[1:]])
    assert rules(found) == ["scientific"]
