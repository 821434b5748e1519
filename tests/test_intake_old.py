"""Old workbooks (.xls), campuses kept apart, and the columns of buses, hostels and shifts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from balance_lib.data import tables
from balance_lib.data.check import check
from balance_lib.data.county import County
from balance_lib.data.intake.bring import bring_in
from balance_lib.data.intake.grid import read_grids
from balance_lib.data.intake.wide import read_wide
from balance_lib.data.intake.xlsx import SourceFile, read_book

OLD = Path(__file__).with_name("old.xls").read_bytes()  # written by xlwt: a list, a hidden sheet, one of odd cells
LIST = "Code,Name,Type,Campus,Pupils,Teachers\n1,A,primary,East,300,9\n1,A,primary,West,250,8\n2,B,primary,,40,3\n"
APART = {"sources": [{"known": True, "rows": {"apart": "Campus"}}]}


def rolls(text: str, mapping: object = None) -> dict[str, float]:
    found = read_wide(SourceFile("list.csv", text.encode()), mapping, year=2023).tables["school_years"]
    return dict(zip(found["school_id"], found["pupils"], strict=True))


@pytest.mark.parametrize("name", ["名单.xls", "名单.et", "名单.xlsx"])
def test_an_old_workbook_is_read_as_a_new_one(tmp_path: Path, name: str) -> None:
    done = bring_in([SourceFile(name, OLD)], tmp_path / "c", year=2023, crs="WGS84")
    assert done.written, [f.sentence("en") for f in done.faults]
    county = County.open(tmp_path / "c")
    assert county.tables["schools"]["school_id"].tolist() == ["00001", "00002"]  # shown as 00001: a code
    assert county.tables["school_years"]["pupils"].tolist() == [45, 120]
    assert "2020-09-01" in county.tables["schools"]["note"].tolist()
    grids = read_grids(SourceFile(name, OLD))[0]
    assert [(g.sheet, g.hidden) for g in grids] == [("学校名单", False), ("隐藏", True), ("比例", False)]
    assert [row[0] for row in grids[2].rows[:2]] == ["85%", "TRUE"]  # a share is never a figure


def test_a_damaged_old_workbook_is_a_fault_and_never_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(5)
    broken = 0
    for _ in range(36):
        content = bytearray(OLD)
        for _ in range(dice.randint(1, 9)):
            content[dice.randrange(4, len(content))] = dice.randrange(256)
        _, faults = read_book("x.xls", bytes(content[: dice.choice((len(content), 3000))]))
        broken += bool(faults)
        assert {fault.rule for fault in faults} <= {"not_xlsx"}
    assert broken > 12 and capfd.readouterr() == ("", "")


def test_campuses_kept_apart_are_schools_of_their_own_in_any_order_and_year() -> None:
    assert rolls(LIST, APART) == {"1-East": 300, "1-West": 250, "2": 40}
    lines = LIST.splitlines()
    assert rolls("\n".join([lines[0], *lines[:0:-1]]), APART) == {"1-East": 300, "1-West": 250, "2": 40}
    assert rolls("\n".join([lines[0], lines[2]]), APART) == {"1-West": 250}  # next year's list has one of them
    names = read_wide(SourceFile("list.csv", LIST.encode()), APART, year=2023).tables["schools"]["name_zh"]
    assert names.tolist() == ["A East", "A West", "B"]


def test_several_rows_are_asked_about_with_both_ways_to_go_on() -> None:
    (fault,) = [f for f in read_wide(SourceFile("list.csv", LIST.encode()), year=2023).faults if f.rule == "rows_again"]
    assert "rows: add" in fault.hint("en") and "rows: {apart: Campus}" in fault.hint("en") and "550" in fault.hint("en")
    assert "rows: {apart: 校区}" in fault.hint("zh")
    assert rolls(LIST, {"sources": [{"known": True, "rows": "add"}]}) == {"1": 550, "2": 40}
    gone = read_wide(SourceFile("list.csv", LIST.encode()), {"sources": [{"known": True, "rows": {"apart": "Site"}}]})
    assert "column_not_found" in {f.rule for f in gone.faults}


def test_columns_of_buses_hostels_shifts_and_single_sex_schools_are_read(tmp_path: Path) -> None:
    text = (
        "学校标识码,校名,办学类型,在校生数,招生性别,床位数,校车线路数,乘校车人数,班次数\n1,甲,小学,50,女,20,2,60,2\n"
        "2,乙,小学,50,混校,,,,\n"
    )
    assert bring_in([SourceFile("a.csv", text.encode())], tmp_path / "c", year=2023).written
    county = County.open(tmp_path / "c")
    assert county.tables["schools"]["single_sex"].tolist() == ["girls", "mixed"]
    figures = county.tables["school_years"].set_index("school_id").loc["1"]
    assert figures[["hostel_places", "bus_routes", "bus_pupils", "shifts"]].tolist() == [20, 2, 60, 2]
    (over,) = [f for f in check(county) if f.rule == "part_exceeds"]
    assert (over.file, over.row, over.column, over.found) == ("a.csv", 2, "乘校车人数", "60")
    heads = "School code,Name,Type,Pupils,Gender,Hostel capacity,Bus routes,Pupils on bus,Shifts"
    english = f"{heads}\n1,A,primary,50,Boys only,9,1,7,1\n"
    found = read_wide(SourceFile("a.csv", english.encode()), year=2023).tables
    assert found["schools"]["single_sex"].tolist() == ["boys"]
    assert found["school_years"][["hostel_places", "bus_routes", "bus_pupils", "shifts"]].to_numpy().tolist() == [
        [9, 1, 7, 1]
    ]
    assert tables.table("school_years").columns["shifts"].low == 1
