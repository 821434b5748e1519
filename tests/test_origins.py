"""What `check` finds in an imported county is told by the clerk's own file, row and heading, never by another's."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner

from balance_lib import cli
from balance_lib.data import origins, tables
from balance_lib.data.check import check, check_folder
from balance_lib.data.county import County
from balance_lib.data.intake.bring import bring_in
from balance_lib.data.intake.layout import write_school_form
from balance_lib.data.intake.workbook import county_workbook
from balance_lib.data.intake.xlsx import SourceFile

HEADS = ["统计表", "", "", "", "", "", ""]
LIST = [
    HEADS,
    ["学校标识码", "校名", "办学类型", "小学在校生数", "初中在校生数", "小学班数", "专任教师数"],
    ["41001", "甲小学", "小学", "30", "", "3", "2"],
    ["41002", "乙九年一贯制学校", "九年一贯制学校", "40", "50", "4", "9"],
    ["合计", "", "", "70", "50", "", ""],
    ["41003", "丙初级中学", "初级中学", "", "70", "", "7"],
]
COLUMNS = {
    "学校标识码": "school_id", "校名": "schools.name_zh", "办学类型": "schools.kind",
    "专任教师数": "school_years.teachers",
    "小学在校生数": {"to": "school_years.pupils", "stage": "primary"},
    "初中在校生数": {"to": "school_years.pupils", "stage": "junior"},
    "小学班数": {"to": "school_years.classes", "stage": "primary"},
}  # fmt: skip
MAPPING = {"sources": [{"columns": COLUMNS}]}


def as_csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def listed(name: str = "学校名单.csv", rows: list[list[str]] = LIST) -> SourceFile:
    return SourceFile(name, as_csv(rows))


def with_cell(row: int, column: int, value: str) -> list[list[str]]:
    """Return the list with one cell changed, counted as the spreadsheet counts rows and from 0 for columns."""
    return [
        [value if (r, c) == (row, column) else cell for c, cell in enumerate(line)] for r, line in enumerate(LIST, 1)
    ]


NOBODY = [[*line[:4], "0", "", ""] if line[0] == "41003" else line for line in LIST]


def told(folder: Path, rule: str) -> list[tuple[str, int | None, str | None]]:
    return [(f.file, f.row, f.column) for f in check_folder(folder)[1] if f.rule == rule]


def cell_of(source: bytes, place: str, row: int, heading: str) -> str:
    """Return the text a clerk finds in a source at a row under (or in a form beside) a heading."""
    if source.startswith(b"PK"):
        book = openpyxl.load_workbook(io.BytesIO(source))
        sheet = book[place.split(" / ")[1]]
        rows = [["" if v is None else str(v) for v in line] for line in sheet.iter_rows(values_only=True)]
    else:
        rows = list(csv.reader(io.StringIO(source.decode("utf-8-sig"))))
    if heading in rows[row - 1]:  # a form: one line a figure, its value in the fifth column
        return rows[row - 1][4]
    at = next(line.index(heading) for line in rows if heading in line)
    return rows[row - 1][at]


def same(cell: str, value: Any) -> bool:
    """Tell whether a clerk's cell is what a table holds: words and units of forms are not compared digit by digit."""
    if isinstance(value, str):
        return bool(cell)
    figure = re.sub(r"[^\d.]", "", cell)
    return (not figure and value in (0, 1)) or float(figure) in (value, value / 10_000)


def forms() -> dict[str, bytes]:
    """Return official forms of two schools, and our own workbook of the county they make."""
    plain = County("t", "测县", "T", toy())
    return {f"{school}.xlsx": write_school_form(plain, school, 2023) for school in ("41001", "41002")}


def toy() -> dict[str, pd.DataFrame]:
    schools = {"school_id": ["41001", "41002"], "name_zh": ["甲小学", "乙学校"], "kind": ["primary", "nine_year"]}
    years = {
        "school_id": ["41001", "41002", "41002", "41002"], "year": 2023.0,
        "stage": ["primary", "primary", "junior", "shared"], "pupils": [31, 42, 53, None], "classes": [3, 4, 5, None],
        "equipment_yuan": [70_000, None, None, 90_000], "books": [600, None, None, 900],
    }  # fmt: skip
    frames = {"schools": pd.DataFrame(schools), "school_years": pd.DataFrame(years)}
    return {name: tables.conform(frame, name) for name, frame in frames.items()}


def sources() -> dict[str, tuple[dict[str, bytes], Any]]:
    workbook = county_workbook(County("t", "测县", "T", toy()), "zh")
    two = {"甲.csv": as_csv([r[:5] for r in LIST]), "乙.csv": as_csv([r[:1] + r[5:] for r in LIST])}
    second = {key: to for key, to in COLUMNS.items() if key in ("学校标识码", "小学班数", "专任教师数")}
    first = {key: to for key, to in COLUMNS.items() if key not in ("小学班数", "专任教师数")}
    apart = {"sources": [{"file": "甲.csv", "columns": first}, {"file": "乙.csv", "columns": second}]}
    return {
        "list": ({"a.csv": as_csv(LIST)}, MAPPING),
        "understood": ({"a.csv": as_csv(LIST[1:4])}, None),
        "two files": (two, apart),
        "forms": (forms(), None),
        "workbook": ({"w.xlsx": workbook}, None),
    }


@pytest.mark.parametrize("way", ["list", "understood", "two files", "forms", "workbook"])
def test_every_figure_is_found_again_where_the_clerk_wrote_it(tmp_path: Path, way: str) -> None:
    files, mapping = sources()[way]
    done = bring_in([SourceFile(n, c) for n, c in files.items()], tmp_path / "c", mapping=mapping, year=2023)
    assert done.written, done.faults
    known = origins.read(tmp_path / "c")
    checked = 0
    for name, frame in County.open(tmp_path / "c").tables.items():
        for key, (_, row) in zip(origins.row_keys(frame, name), frame.iterrows(), strict=True):
            for column, value in row.dropna().items():
                homes = [
                    o for o in known if o.table == name and key in o.rows and o.heading(str(column), row.to_dict())
                ]
                for home in homes[:1]:
                    heading, line = home.heading(str(column), row.to_dict()) or ("", None)
                    place = next(n for n in files if home.place.startswith(n))
                    cell = cell_of(files[place], home.place, line or home.rows[key] or 0, heading.split(" + ")[0])
                    assert same(cell, value), (way, name, key, column, heading, cell, value)
                    checked += 1
    assert checked >= {"understood": 9, "forms": 13, "list": 14, "two files": 14}.get(way, 20)


def test_a_fault_names_the_clerks_file_row_and_heading(tmp_path: Path) -> None:
    done = bring_in([listed(rows=with_cell(4, 6, "9000"))], tmp_path / "c", mapping=MAPPING, year=2023)
    assert done.written
    bring_in([listed("去年.csv")], tmp_path / "c", mapping=MAPPING, year=2022)
    assert told(tmp_path / "c", "year_jump") == [("学校名单.csv", 4, "专任教师数")]
    fault = next(f for f in check_folder(tmp_path / "c")[1] if f.rule == "year_jump")
    assert fault.cell == ("school_years.csv", 3, "teachers") and fault.as_dict()["cell"]["row"] == 3
    assert "学校名单.csv 第4行 [专任教师数] 现为“9000”" in fault.sentence("zh")


def test_a_stage_of_its_own_column_is_named_by_it(tmp_path: Path) -> None:
    assert bring_in([listed(rows=NOBODY)], tmp_path / "c", mapping=MAPPING, year=2023).written
    assert told(tmp_path / "c", "zero_pupils") == [("学校名单.csv", 6, "初中在校生数")]
    out = CliRunner().invoke(cli.app, ["check", str(tmp_path / "c")]).output
    assert "学校名单.csv 第6行 [初中在校生数]" in out and "school_years.csv 第" not in out


def test_a_form_names_the_line_and_the_other_figure_of_the_same_form(tmp_path: Path) -> None:
    found = County("t", "测县", "T", toy())
    years = found.tables["school_years"].assign(teachers=[2.0, 5, 6, None], teachers_backbone=[1.0, 1, 1, None])
    made = {f"{s}.xlsx": write_school_form(found.with_tables(school_years=years), s, 2023) for s in ("41001", "41002")}
    assert bring_in([SourceFile(n, c) for n, c in made.items()], tmp_path / "c", year=2023).written
    county = County.open(tmp_path / "c")
    rows = county.tables["school_years"]
    worse = rows.assign(teachers_backbone=rows["teachers_backbone"].where(rows["school_id"] != "41001", 9000.0))
    fault = next(f for f in check(county.with_tables(school_years=worse)) if f.rule == "part_exceeds")
    form = openpyxl.load_workbook(io.BytesIO(made["41001.xlsx"])).worksheets[0]
    assert fault.file == f"41001.xlsx / {form.title}"
    assert form.cell(fault.row or 1, 3).value == fault.column == "县级及以上骨干教师数"
    assert "不大于 专任教师总人数（2）" in fault.expected("zh")


def test_a_column_the_file_does_not_have_is_named_in_words(tmp_path: Path) -> None:
    for year, rows in ((2022, LIST), (2023, LIST[:3])):
        assert bring_in([listed(f"{year}.csv", rows)], tmp_path / "c", mapping=MAPPING, year=year).written
    (fault, *_) = [f for f in check_folder(tmp_path / "c")[1] if f.rule == "rows_stop"]
    assert (
        fault.as_dict("zh")["column"] == "停办学年"
        and fault.as_dict("en")["column"] == "First school year without pupils"
    )
    assert fault.file == "2022.csv" and "[停办学年]" in fault.sentence("zh")


def test_a_table_changed_by_hand_is_told_by_its_own_rows_again(tmp_path: Path) -> None:
    assert bring_in([listed(rows=NOBODY)], tmp_path / "c", mapping=MAPPING, year=2023).written
    file = tmp_path / "c" / "school_years.csv"
    file.write_bytes(file.read_bytes() + b"\n")
    assert [place[0] for place in told(tmp_path / "c", "zero_pupils")] == ["school_years.csv"]


def test_a_table_without_an_import_and_a_broken_record_keep_our_names(tmp_path: Path) -> None:
    county = County("c", "测县", "C", toy())
    rows = county.tables["school_years"]
    folder = county.with_tables(
        school_years=rows.assign(pupils=rows["pupils"].where(rows["stage"] != "junior", 0.0))
    ).save(tmp_path / "c")
    assert told(folder, "zero_pupils_classes") == [("school_years.csv", 4, "pupils")]
    for broken in ("", "[]", '{"sheets": 3}', '{"files": {"../x": ""}, "sheets": [{}]}', "null"):
        (folder / origins.FILE).write_text(broken, encoding="utf-8")
        assert told(folder, "zero_pupils_classes") == [("school_years.csv", 4, "pupils")], broken


def test_the_record_survives_saving_and_further_imports(tmp_path: Path) -> None:
    for year, name in ((2021, "a.csv"), (2022, "b.csv"), (2022, "b.csv"), (2023, "a.csv")):
        assert bring_in([listed(name)], tmp_path / "c", mapping=MAPPING, year=year).written
    County.open(tmp_path / "c").save(tmp_path / "c")
    known = [one for one in origins.read(tmp_path / "c") if one.table == "school_years"]
    assert [one.place for one in known] == ["a.csv", "b.csv"]  # a sheet of the same name and headings stands once
    assert {key.split("/")[1] for key in known[0].rows} == {"2021", "2023"}


def test_faults_of_many_forms_stay_one_kind(tmp_path: Path) -> None:
    heads = {"pupils": ("在校学生人数", 13)}
    cells = [origins.Origin(f"{i}.xlsx", "school_years", heads, {f"{i}/2023/primary": None}) for i in range(40)]
    frame = pd.DataFrame({"school_id": map(str, range(40)), "year": 2023.0, "stage": "primary", "pupils": 0.0})
    schools = pd.DataFrame({"school_id": map(str, range(40)), "name_zh": "校", "kind": "primary"})
    frames = {"schools": tables.conform(schools, "schools"), "school_years": tables.conform(frame, "school_years")}
    from balance_lib._errors import fault_lines

    found = check(County("c", "县", "C", frames, origins=cells))
    lines = [line for line in fault_lines(found, "zh") if "xlsx" in line]
    assert len(lines) == 4 and "等37个文件另有37处" in lines[-1]
