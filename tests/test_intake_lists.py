"""Lists as ministries publish them: what ten of them, never seen by the code, stumbled over, each by its kind."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib import scenarios
from balance_lib.data.county import County
from balance_lib.data.crs import convert
from balance_lib.data.intake import aliases, bring
from balance_lib.data.intake.coordinates import pair
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.wide import read_wide
from balance_lib.data.intake.xlsx import SourceFile
from balance_lib.data.tables.kinds import STAGES_OF
from balance_lib.standards import STAGES


def read(text: str, mapping: Any = None, name: str = "schools.csv") -> Imported:
    return read_wide(SourceFile(name, text.encode()), mapping, year=2023, crs="WGS84")


def rules(imported: Imported, severity: str = "error") -> list[str]:
    return [f.rule for f in imported.faults if f.severity == severity]


def answered(imported: Imported, rule: str) -> Any:
    """Return the mapping that the message of a fault tells to write."""
    hint = next(f.hint("en") for f in imported.faults if f.rule == rule)
    line = hint[hint.index("sources:") :]
    return yaml.safe_load(line[: line.rindex("]") + 1])


WORDY = sorted(
    {s for column in ("pupils", "school_id", "name_zh", "teachers") for s in aliases.dictionary()["school"][column]}
)
WORDY = [s for s in WORDY if s.isascii() and len(aliases.bag(s)) > 1]


@given(st.sampled_from(WORDY), st.data())
def test_words_of_a_header_in_any_order_case_number_and_joint_mean_the_same(spelling: str, data: st.DataObject) -> None:
    words = data.draw(st.permutations(spelling.split()))
    words = [word.capitalize() if data.draw(st.booleans()) else word for word in words]
    small = data.draw(st.sampled_from(["", " of the", " de l'", " del"]))
    joint = data.draw(st.sampled_from([" ", "_", "  "]))
    found = aliases.heading([joint.join(words[:1]) + small + joint + joint.join(words[1:])])
    assert found is not None and found.column == aliases.heading([spelling]).column  # type: ignore[union-attr]


def test_no_bag_of_words_means_two_columns() -> None:
    for subject in aliases.SUBJECTS:
        said = defaultdict(set)
        for column, spellings in aliases.dictionary()[subject].items():
            for spelling in spellings:
                said[aliases.bag(spelling)].add(column)
        del said[frozenset()]
        assert {tuple(bag): columns for bag, columns in said.items() if len(columns) > 1} == {}


def layer(*rows: dict[str, Any]) -> str:
    features = [
        {
            "type": "Feature",
            "properties": row,
            "geometry": {"type": "Point", "coordinates": [106 + i / 10, 33 + i / 10]},
        }
        for i, row in enumerate(rows)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def test_where_a_feature_lies_goes_before_what_is_written_about_it() -> None:
    row = {"EMIS ID": "1", "School Name": "A", "Level": "Primary", "GPS_Latitude": 1.5, "GPS_Longitude": 2.5, "Roll": 9}
    found = read(layer(row), name="schools.geojson")
    assert rules(found) == []
    assert found.tables["schools"][["lon", "lat"]].values.tolist() == [[106.0, 33.0]]


@pytest.mark.parametrize(("other", "rule"), [("50", []), ("51", ["ambiguous_column"])])
def test_two_columns_of_one_meaning_are_one_where_they_agree_and_asked_about_where_not(other: str, rule: Any) -> None:
    found = read(f"Code,Name,Level,Enrolment,Total pupils\n1,A,Primary,40,40\n2,B,Primary,50,{other}\n3,C,Primary,,\n")
    assert rules(found) == rule
    if not rule:
        assert found.tables["school_years"]["pupils"].tolist()[:2] == [40, 50]


@pytest.mark.parametrize(("header", "words"), [("Number of computers", ("Yes", "No")), ("Classes", ("No", "Yes"))])
def test_a_header_whose_words_are_of_another_sort_is_not_read_and_said(header: str, words: tuple[str, str]) -> None:
    found = read(f"Code,School name,Level,Roll,{header}\n1,A,Primary,40,{words[0]}\n2,B,Primary,50,{words[1]}\n")
    assert rules(found) == [] and rules(found, "warning") == ["header_unclear"]
    numbers = read("Code,Nombre,Level,Roll\n1,45,Primary,40\n2,50,Primary,50\n")
    assert "header_unclear" in rules(numbers, "warning") and "name_zh" not in numbers.columns["schools"]


def test_full_time_equivalents_that_the_header_names_are_rounded_and_said() -> None:
    found = read("Code,Name,Level,Roll,Teachers (Full Time Equivalent) [Note 1]\n1,A,Primary,40,3.5\n2,B,Primary,9,2\n")
    assert rules(found) == [] and found.tables["school_years"]["teachers"].tolist() == [4, 2]
    assert [(f.rule, f.params["n"]) for f in found.faults] == [("rounded", 1)]
    assert rules(read("Code,Name,Level,Teachers\n1,A,Primary,3.5\n")) == ["whole"]


@pytest.mark.parametrize(
    ("text", "rule", "codes"),
    [
        ("Seq,UID,Name,Level\nx,A-1,A,Primary\nx,B-2,B,Primary\n", "key_wanted", ["A-1", "B-2"]),
        ("Name,Level,Roll\nEast,Primary,4\nWest,Primary,4\n", "key_wanted", ["East", "West"]),
        ("Name,Level,Roll\nEast,Primary,4\nEast,Primary,4\n", "key_nowhere", ["2", "3"]),
        ("Kennziffer,Bezeichnung,Art\n7,A,x\n8,B,y\n", "header_unknown", ["7", "8"]),
    ],
)
def test_a_list_whose_code_is_not_known_is_asked_with_a_line_that_answers(text: str, rule: str, codes: Any) -> None:
    asked = read(text)
    assert rules(asked).count(rule) == 1 and "–" not in "".join(f.sentence("en") for f in asked.faults)
    found = read(text, answered(asked, rule))
    assert found.tables["schools"]["school_id"].tolist() == codes
    assert found.tables["schools"]["name_zh"].notna().all()


def test_a_column_that_stands_for_many_things_is_no_code() -> None:
    text = "Id,Village,Lon,Lat\n1,A,106.1,33.1\n1,B,106.2,33.2\n2,C,106.3,33.3\n2,D,106.4,33.4\n"
    assert rules(read(text, name="villages.csv")) == ["key_shared"]


def test_tables_out_of_a_made_up_county_make_a_made_up_county(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    text = "School code,Name,Level,Roll\n1,A,Primary,40\n"
    (tmp_path / "demo" / "schools.csv").write_text(text, "utf-8")
    for said in (False, True):
        (tmp_path / "demo" / "county.yaml").write_text(f"county_id: demo\nsynthetic: {str(said).lower()}\n", "utf-8")
        made = bring.bring_in([tmp_path / "demo" / "schools.csv"], tmp_path / "out" / str(said), year=2023)
        assert made.written and County.open(tmp_path / "out" / str(said)).synthetic is said


LEVELS = "Code,Name,Level,Roll\n1,A,Primary,40\n2,B,Nursery,30\n3,C,Grammar school,20\n4,D,Kinder,\n"


def test_words_that_are_asked_about_stand_in_one_line_and_what_is_skipped_is_said_with_its_pupils() -> None:
    asked = read(LEVELS)
    line = answered(asked, "value_unknown")
    assert line["sources"][0]["columns"]["Level"]["values"] == {
        "Nursery": "skip",
        "Grammar school": "skip",
        "Kinder": "skip",
    }
    line["sources"][0]["columns"]["Level"]["values"] = {"*school": "junior", "*": "skip", "Primary": "primary"}
    found = read(LEVELS, line)
    assert found.tables["schools"]["kind"].tolist() == ["primary", "junior"], "a word goes before a pattern before *"
    (told,) = [f for f in found.faults if f.rule == "rows_skipped"]
    assert (told.params["n"], told.params["pupils"]) == (2, "30")
    bare = read("Code,Name,Level\n1,A,Primary\n2,B,Nursery\n", line)
    assert rules(bare, "warning") == ["rows_skipped_unknown"], "no roll is not 0 pupils"


def test_of_the_files_of_a_country_one_may_hold_the_county() -> None:
    files = [SourceFile(f"{d}.csv", f"Code,Name,Level,County,Roll\n{d},A,Primary,{d},4\n".encode()) for d in ("N", "S")]
    mapping = {"sources": [{"known": True, "where": {"County": "S"}}]}
    found = read_wide(files, mapping, year=2023)
    assert found.ok and found.tables["schools"]["school_id"].tolist() == ["S"]
    lost = read_wide(files, {"sources": [{"known": True, "where": {"County": "Nord"}}]}, year=2023)
    (told,) = [f for f in lost.faults if f.rule == "nothing_chosen"]
    assert told.params["known"] == "N, S", "what stands in the column"


@settings(max_examples=40)
@given(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from(range(5)))
def test_a_point_in_one_cell_as_gis_programs_write_it(lon: float, lat: float, form: int) -> None:
    lon, lat = round(lon, 6), round(lat, 6)
    texts = (
        f"POINT ({lon:f} {lat:f})",
        f"SRID=4326;MULTIPOINT(({lon:f} {lat:f}))",
        json.dumps({"type": "Point", "coordinates": [lon, lat]}),
        json.dumps({"coordinates": [[lon, lat]], "type": "MultiPoint"}),
        f"({lon:f}, {lat:f})",
    )
    found = pair(texts[form])
    assert found is not None and [c.value for c in found] == pytest.approx([lon, lat])
    assert form == 4 or [c.axis for c in found] == ["lon", "lat"]


METRES = {
    "EPSG:25832": (567991.0, 5941534.0),
    "EPSG:32614": (504319.4, 2189872.2),
    "EPSG:4523": (35601712.5, 3759000.0),
}


@pytest.mark.parametrize("code", METRES)
@pytest.mark.parametrize("said", [True, False])
def test_the_projection_a_mapping_names_is_that_of_features_whose_file_names_none(code: str, said: bool) -> None:
    crs = (
        {"crs": {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{code.replace(':', '::')}"}}} if said else {}
    )
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": METRES[code]},
               "properties": {"code": "1", "name": "A", "level": "primary", "roll": 9}}  # fmt: skip
    layer = json.dumps({"type": "FeatureCollection", **crs, "features": [feature]})
    found = read(layer, {"crs": code, "sources": [{"known": True}]}, "schools.geojson")  # --crs WGS84 stands beside it
    place = found.tables["schools"][["lon", "lat"]].to_numpy()
    assert found.ok and place == pytest.approx(np.transpose(convert(*np.transpose([METRES[code]]), code, "WGS84")))


@settings(max_examples=15, deadline=None)
@given(st.permutations(["Ref", "Wording", "Latitud", "Longitud", "Matricula"]))
def test_a_list_of_which_only_code_and_name_are_unknown_is_asked_for_the_code(heads: list[str]) -> None:
    cells = {"Ref": "A{i}", "Wording": "w", "Latitud": "9.{i}", "Longitud": "-80.{i}", "Matricula": "{i}0"}
    lines = [",".join(heads), *(",".join(cells[h].format(i=i) for h in heads) for i in (1, 2, 3))]
    assert answered(read("\n".join(lines)), "key_wanted")["sources"][0]["columns"] == {"Ref": "school_id"}
    bare = [[cell for cell, h in zip(line.split(","), heads, strict=True) if h in ("Ref", "Wording")] for line in lines]
    line = answered(read("\n".join(map(",".join, bare))), "header_unknown")["sources"][0]["columns"]
    assert line == {"Ref": "school_id", "Wording": "schools.name_zh"}


@pytest.mark.parametrize("kind", ["nine_year", "complete_secondary", "twelve_year"])
def test_a_school_that_tells_one_figure_for_all_stages_is_there_in_map_and_layout(tmp_path: Path, kind: str) -> None:
    text = f"Code,Name,Level,Roll\n1,A,primary,40\n2,B,primary,30\n3,C,{kind},90\n"
    done = bring.bring_in([SourceFile("schools.csv", text.encode())], tmp_path / "c", year=2023, crs="WGS84")
    assert done.county is not None and "stages_together" in {f.rule for f in done.faults}
    rows = done.county.tables["school_years"]
    assert rows.loc[rows["stage"] == "shared", "pupils"].tolist() == [90.0], "no pupil is lost"
    start = scenarios.base.of(done.county, scenarios.Scenario.empty(done.county, 2023))
    assert start.schools["there"].all() and {s for s, _ in start.untold} == {"3"}
    stages = {stage for stage in STAGES if "3" in set(rows.loc[rows["stage"] == stage, "school_id"])}
    assert stages == set(STAGES_OF[kind]) & set(STAGES)
    known = "Code,Stage,Pupils\n" + "".join(f"3,{stage},7\n" for stage in sorted(stages))
    for more in (known, text):  # the rolls of the stages, and the total once more: it blanks none of them
        again = bring.bring_in([SourceFile("schools.csv", more.encode())], tmp_path / "c", year=2023, crs="WGS84")
        assert again.county is not None, [fault.sentence("en") for fault in again.faults]
        kept = again.county.tables["school_years"].set_index(["school_id", "stage"])["pupils"]
        assert {kept["3", stage] for stage in stages} == {7.0} and kept["3", "shared"] == 90.0
    bare = done.county.with_tables(school_years=rows[~((rows["school_id"] == "3") & rows["pupils"].isna())])
    assert ("3", "junior") in scenarios.base.of(bare, scenarios.Scenario.empty(bare, 2023)).rolls, "a table by hand"


@pytest.mark.parametrize("cell", ["9" * 5000, "-" + "9" * 400, "POINT (1e999 33)", "9" * 308 + ".5"])
@pytest.mark.parametrize("column", ["Longitude", "Latitude", "Roll"])
def test_a_figure_no_computer_can_hold_is_a_fault_of_its_cell(cell: str, column: str) -> None:
    cells = {"Longitude": "106.1", "Latitude": "33", "Roll": "9"} | {column: f'"{cell}"'}
    found = read(f"Code,Name,Level,{','.join(cells)}\n1,A,primary,{','.join(cells.values())}\n")
    assert not found.ok and all(len(str(fault.found)) < 400 for fault in found.faults)


@pytest.mark.parametrize("odd", ["\x01", "\x1f", "\x7f", "\ud800", "\\ud800", "\t"])
def test_features_that_only_gdal_can_read_are_read_or_refused_in_words(odd: str) -> None:
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [106.1, 33]},
               "properties": {"code": "1", "name": "A?", "level": "primary", "roll": 9}}  # fmt: skip
    layer = json.dumps({"type": "FeatureCollection", "features": [feature]}).replace("?", odd)
    done = read_wide(SourceFile("schools.geojson", layer.encode("utf-8", "surrogatepass")), year=2023, crs="WGS84")
    assert done.ok or rules(done)
