"""What real files bring: each kind of failure someone met, held by a property."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.styles import Font

from balance_lib.data.intake import xlsx
from balance_lib.data.intake.bring import Brought, bring_in
from balance_lib.data.intake.grid import read_grids
from balance_lib.data.intake.xlsx import SourceFile

CASES = Path(__file__).parents[2] / "shared" / "cases"
COLUMN = "school_id,name_zh,kind,township,lon,lat,year,stage,pupils\n"


def csv(text: str, name: str = "schools.csv") -> SourceFile:
    return SourceFile(name, text.encode())


def brought(tmp_path: Path, *files: SourceFile, mapping: object = None, **more: object) -> Brought:
    return bring_in(list(files), tmp_path / "jia", mapping=mapping, **{"year": 2023, "crs": "WGS84", **more})  # type: ignore[arg-type]


def rules(done: Brought, severity: str = "error") -> list[str]:
    return [fault.rule for fault in done.faults if fault.severity == severity]


# Cost follows cells with values -------------------------------------------------------------------------------------


def book(values: dict[tuple[int, int], str], styled: list[tuple[int, int]]) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for place in styled:
        sheet.cell(*place).font = Font(bold=True)
    for place, value in values.items():
        sheet.cell(*place).value = value
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


places = st.tuples(st.integers(1, 60), st.integers(1, 40))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(places, st.text("abc", min_size=1), min_size=1), st.sampled_from([1, 900_000]), st.booleans())
def test_a_workbook_is_its_values_wherever_blank_cells_are_styled(
    values: dict[tuple[int, int], str], far: int, wide: bool
) -> None:
    plain, stray = book(values, []), book(values, [(far, 16_000 if wide else 1), (3, 3)])
    grids = [read_grids(SourceFile("a.xlsx", content))[0][0] for content in (plain, stray)]
    assert grids[0].rows == grids[1].rows
    read = {(r, c): cell for r, row in enumerate(grids[1].rows, 1) for c, cell in enumerate(row, 1) if cell}
    assert read == values


def test_a_gap_of_a_million_rows_costs_no_cells() -> None:
    grid = read_grids(SourceFile("a.xlsx", book({(1, 1): "x", (1_000_000, 2): "y"}, [])))[0][0]
    assert len(grid.rows) == 1_000_000 and grid.rows[-1] == ["", "y"]
    assert len({id(row) for row in grid.rows}) == 3


def test_an_absurd_row_number_is_refused_and_named() -> None:
    content = book({(1, 1): "x", (77, 2): "y"}, [])
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"77"', b'"999999999"').replace(b'"B77"', b'"B999999999"'))
    grids, faults = read_grids(SourceFile("a.xlsx", out.getvalue()))
    assert not grids
    assert [(fault.rule, fault.found) for fault in faults] == [("sheet_scattered", "B999999999")]


def test_more_cells_than_a_return_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_VALUES", 5)
    assert read_grids(csv("a,b\n1,2\n3,4\n"))[1][0].rule == "sheet_too_large"
    content = book({(r, 1): "x" for r in range(1, 8)}, [])
    assert read_grids(SourceFile("a.xlsx", content))[1][0].rule == "sheet_too_large"


@pytest.mark.parametrize("cell", ["9" * 10_000, '"' + "x" * 140_000])
def test_cells_no_one_can_mean_are_faults(tmp_path: Path, cell: str) -> None:
    done = brought(tmp_path, csv(f"{COLUMN}1,甲,primary,乙,106,33,2023,primary,{cell}\n"))
    assert not done.written and rules(done)


def test_a_number_of_ten_thousand_digits_in_a_workbook_is_one_fault(tmp_path: Path) -> None:
    content = book(
        {(1, 1): "学校代码", (1, 2): "学校名称", (1, 3): "在校生数", (2, 1): "1", (2, 2): "甲", (2, 3): "x"}, []
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name.endswith("sheet1.xml"):
                part = (
                    part[: part.index(b'<c r="C2"')]
                    + b'<c r="C2"><v>'
                    + b"9" * 10_000
                    + b"</v></c></row></sheetData></worksheet>"
                )
            new.writestr(name, part)
    done = brought(tmp_path, SourceFile("a.xlsx", out.getvalue()))
    assert not done.written and "not_xlsx" not in rules(done)
