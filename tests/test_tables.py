"""Canonical tables: what is read, what is named as a fault, and that writing and reading is the identity."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib._errors import DataError, Fault, NotFoundError
from balance_lib.data import tables


def read(text: str, name: str = "schools") -> tuple[pd.DataFrame, list[Fault]]:
    return tables.read(io.StringIO(text), name)


def told(faults: list[Fault]) -> list[tuple[str, int | None, str | None, object]]:
    return [(f.rule, f.row, f.column, f.found) for f in faults]


def test_every_table_knows_its_key_and_its_references() -> None:
    for name, spec in tables.all_tables().items():
        assert set(spec.key) <= set(spec.columns), name
        for column in spec.columns.values():
            assert column.zh and column.en
            if column.refers:
                target, key = column.refers.split(".")
                assert key in tables.table(target).columns
    assert tables.table("school_years").of(split=True)[:2] == ["teaching_area_m2", "indoor_sports_m2"]
    assert tables.table("school_years").columns["kind"].choices == tables.table("schools").columns["kind"].choices


def test_an_unknown_table_says_which_there_are() -> None:
    with pytest.raises(NotFoundError, match="school_years"):
        tables.table("pupils")


def test_leading_zeros_quotes_and_byte_order_mark_are_kept_as_meant(tmp_path: Path) -> None:
    file = tmp_path / "schools.csv"
    file.write_bytes('\ufeffschool_id,name_zh,kind,note\r\n007,"甲,乙小学",primary,"第一行\r\n第二行"\r\n'.encode())
    frame, faults = tables.read(file, "schools")
    assert faults == []
    assert frame.loc[0, "school_id"] == "007"
    assert frame.loc[0, "name_zh"] == "甲,乙小学"
    assert frame.loc[0, "note"] == "第一行\n第二行"
    assert frame["lon"].isna().all() and frame["lon"].dtype == "float64"


def test_cells_that_are_no_numbers_are_named_by_the_spreadsheets_row() -> None:
    frame, faults = read(
        "school_id,year,stage,pupils,books\na,2020,primary,12,1\nb,2020,primary,十二,inf\n\nc,2020,primary,-,１\n",
        "school_years",
    )
    assert told(faults) == [
        ("not_a_number", 3, "pupils", "十二"),
        ("not_a_number", 5, "pupils", "-"),
        ("not_a_number", 3, "books", "inf"),
        ("not_a_number", 5, "books", "１"),
    ]
    assert frame["pupils"].tolist()[0] == 12 and frame["pupils"].isna().sum() == 3
    assert frame["books"].tolist()[0] == 1 and frame["books"].isna().sum() == 3


def test_columns_missing_unknown_or_twice_are_named() -> None:
    frame, faults = read("name_zh,kind,headmaster,kind\n甲,primary,x,junior\n")
    assert [(f.rule, f.column, f.severity) for f in faults] == [
        ("duplicate_column", "kind", "error"),
        ("missing_column", "school_id", "error"),
        ("unknown_column", "headmaster", "warning"),
    ]
    assert frame.loc[0, "kind"] == "primary"


def test_rows_longer_than_the_header_are_named_not_shifted() -> None:
    frame, faults = read("school_id,name_zh,kind\n1,甲,乙,primary\n2,丙小学,primary\n")
    assert told(faults) == [("ragged_row", 2, None, 4)]
    assert frame["school_id"].tolist() == ["1", "2"]
    frame, faults = read(
        "school_id,name_zh,kind\n1,甲小学,primary,\n2,丙小学,primary,,\n"
    )  # commas a spreadsheet leaves
    assert faults == [] and frame["kind"].tolist() == ["primary", "primary"]


def test_another_delimiter_is_said_instead_of_read_as_one_column() -> None:
    _, faults = read("school_id;name_zh;kind\n1;甲;primary\n")
    assert told(faults)[0] == ("delimiter", 1, None, ";")


def test_blank_rows_at_the_end_are_no_rows_but_a_blank_row_between_keeps_the_count() -> None:
    frame, faults = read("school_id,name_zh,kind\n1,甲小学,primary\n,,\n2,乙小学,primry\n,,\n\n")
    assert faults == [] and len(frame) == 3
    assert ("choice", 4, "kind", "primry") in told(tables.check({"schools": frame}))


def test_an_empty_file_lacks_its_key() -> None:
    frame, faults = read("")
    assert frame.empty and told(faults) == [("missing_column", 1, "school_id", None)]


def schools(**columns: object) -> pd.DataFrame:
    given_columns = {"school_id": ["1"], "name_zh": ["甲"], "kind": ["primary"], **columns}
    return tables.conform(pd.DataFrame(given_columns), "schools")


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"kind": ["Primary"]}, ("choice", 2, "kind", "Primary")),
        ({"name_zh": ["  "]}, ("required", 2, "name_zh", None)),
        ({"lon": [181.0]}, ("range", 2, "lon", "181")),
        ({"boarding": [2.0]}, ("flag", 2, "boarding", "2")),
        ({"opened_year": [1899.0]}, ("range", 2, "opened_year", "1899")),
        ({"opened_year": [2010.5]}, ("whole", 2, "opened_year", "2010.5")),
        ({"host_school_id": ["9"]}, ("reference", 2, "host_school_id", "9")),
    ],
)
def test_each_broken_rule_is_named(columns: dict[str, list[object]], fault: tuple[object, ...]) -> None:
    assert fault in told(tables.check({"schools": schools(**columns)}))


def test_sound_rows_have_no_fault_at_the_edges_of_their_ranges() -> None:
    frame = schools(lon=[180.0], lat=[-90.0], opened_year=[1900.0], founded_year=[1800.0], boarding=[0.0])
    assert tables.check({"schools": frame}) == []


@pytest.mark.parametrize("day", ["2024-3-1", "2024-02-30", "1.3.2024", "去年"])
def test_a_date_is_iso(day: str) -> None:
    row = {"standard": "s", "item_id": "1", "year": 2020, "finding": "met", "document": "d", "recorded_on": day}
    frame = tables.conform(pd.DataFrame([row]), "evidence")
    assert told(tables.check({"evidence": frame})) == [("iso_date", 2, "recorded_on", day)]
    frame["recorded_on"] = "2024-02-29"
    assert tables.check({"evidence": frame}) == []


def test_each_repeat_names_the_first_row_it_repeats() -> None:
    frame = pd.DataFrame({"school_id": ["1", "2", "1", "2", "1"], "name_zh": list("甲乙丙丁戊"), "kind": "primary"})
    faults = [f for f in tables.check({"schools": tables.conform(frame, "schools")}) if f.rule == "duplicate"]
    assert [(f.row, f.found, f.params["first"]) for f in faults] == [(4, "1", 2), (5, "2", 3), (6, "1", 2)]


def test_thousands_of_repeats_are_told_at_once() -> None:
    rows = pd.DataFrame({"school_id": ["1"] * 5000, "year": 2020, "stage": "primary"})
    assert len(tables.check({"school_years": tables.conform(rows, "school_years")})) == 4999


def test_require_raises_with_all_faults_only_when_one_is_an_error() -> None:
    warning = Fault("unknown_column", "a.csv", 1, "x", severity="warning")
    tables.require([warning])
    with pytest.raises(DataError) as caught:
        tables.require([warning, Fault("required", "a.csv", 3, "kind")])
    assert len(caught.value.faults) == 2
    assert "a.csv row 3 [kind]" in caught.value.report("en")


def test_numbers_are_written_without_needless_point_and_read_back_to_the_last_digit() -> None:
    values = [0.1 + 0.2, 1e-7, 123456789012345.0, -0.0, 1e22, np.nan]
    frame = tables.conform(pd.DataFrame({"year": 2020.0, "item": list("abcdef"), "value": values}), "county_years")
    text = tables.write(frame, "county_years")
    assert text.splitlines()[1] == "2020,a,0.30000000000000004"
    assert text.splitlines()[6] == "2020,f,"
    again, faults = read(text, "county_years")
    assert faults == []
    pd.testing.assert_frame_equal(again, frame)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**12), 10**12))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, numbers, st.one_of(st.none(), texts)), min_size=1, max_size=5))
def test_write_then_read_is_the_identity(rows: list[tuple[str, object, str | None]]) -> None:
    frame = pd.DataFrame(
        {
            "year": 2020.0,
            "item": [r[0] for r in rows],
            "value": pd.Series([r[1] for r in rows], dtype="float64"),
            "source": pd.Series([r[2] for r in rows], dtype="str"),
        }
    )
    frame = tables.conform(frame, "county_years")
    again, faults = read(tables.write(frame, "county_years"), "county_years")
    assert faults == []
    pd.testing.assert_frame_equal(again, frame)
