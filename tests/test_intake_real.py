"""What real files bring: each kind of failure someone met, held by a property."""
# ruff: noqa: E501 - headers of real lists are long

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from random import Random

import geopandas
import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.styles import Font
from pyproj import Transformer
from shapely.geometry import Point, box, mapping

from balance_lib._errors import Fault, fault_lines
from balance_lib.data.check import check_folder
from balance_lib.data.county import County
from balance_lib.data.intake import aliases, xlsx
from balance_lib.data.intake.bring import Brought, bring_in
from balance_lib.data.intake.coordinates import coordinate, pair
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


# Places in all notations -------------------------------------------------------------------------------------------


def written(value: float, letters: str, words: tuple[str, str], notation: str) -> str:
    """Write a coordinate in one of the notations people use."""
    seconds = round(abs(value) * 3600, 4)
    whole, minutes, rest = int(seconds // 3600), int(seconds % 3600 // 60), round(seconds % 60, 4)
    letter, word = letters[value < 0], words[value < 0]
    return {
        "decimal": f"{value:.8f}",
        "letters": f"{letter}{abs(value):.8f}",
        "comma": f"{value:.8f}".replace(".", ","),
        "colons": f"{whole}:{minutes}:{rest:.4f} {letter}",
        "signs": f"{whole}°{minutes}′{rest:.4f}″{letter}",
        "quotes": f"{letter} {whole}° {minutes}' {rest:.4f}\"",
        "minutes": f"{whole}° {minutes + rest / 60:.7f}' {letter}",
        "marks": f"{'-' if value < 0 else ''}{whole}d{minutes}m{rest:.4f}s",
        "words": f"{word}{whole}度{minutes}分{rest:.4f}秒",
    }[notation]


NOTATIONS = ["decimal", "letters", "comma", "colons", "signs", "quotes", "minutes", "marks", "words"]
LON, LAT = ("EW", ("东经", "西经")), ("NS", ("北纬", "南纬"))


@settings(max_examples=200, deadline=None)
@given(st.floats(-179.9, 179.9), st.floats(-89.9, 89.9), st.sampled_from(NOTATIONS))
def test_a_place_is_the_same_in_every_notation(lon: float, lat: float, notation: str) -> None:
    texts = [written(value, *axis, notation) for value, axis in ((lon, LON), (lat, LAT))]
    read = [coordinate(text) for text in texts]
    assert [c and c.value for c in read] == [pytest.approx(v, abs=2e-7) for v in (lon, lat)]
    named = notation not in ("decimal", "comma", "marks")
    assert [c and c.axis for c in read] == (["lon", "lat"] if named else [None, None])
    both = pair(("({1}; {0})" if notation == "comma" else "({1}, {0})").format(*texts))
    assert both is not None and [c.value for c in both] == [pytest.approx(v, abs=2e-7) for v in (lat, lon)]


@pytest.mark.parametrize("cell", ["106,6,0", "33°61′", "north", "E-106", "106.1.2", "N33 S", "12-34"])
def test_what_is_no_place_is_none(cell: str) -> None:
    assert coordinate(cell) is None


def test_both_in_one_cell_go_where_the_letters_or_the_mapping_say(tmp_path: Path) -> None:
    columns = {"id": "school_id", "name": "schools.name_zh", "gps": ["schools.lat", "schools.lon"]}
    source = {"columns": columns, "constants": {"schools.kind": "primary"}}
    mapping = {
        "crs": "WGS84",
        "sources": [{**source, "columns": {**columns, "n": "school_years.pupils"}, "stage": "primary"}],
    }
    text = 'id,name,gps,n\n1,a,"(33.9, 106.1)",5\n2,b,"106.2E 33.8N",6\n'
    done = brought(tmp_path, csv(text), mapping=mapping, crs=None)
    assert done.county is not None
    assert done.county.tables["schools"][["lon", "lat"]].to_numpy().tolist() == [[106.1, 33.9], [106.2, 33.8]]


def rolls(points: list[tuple[float, float]], heads: str = "lon,lat") -> str:
    lines = [f"S{i},校{i},primary,{x!r},{y!r},primary,{10 + i}" for i, (x, y) in enumerate(points)]
    return f"school_id,name_zh,kind,{heads},stage,pupils\n" + "\n".join(lines) + "\n"


AROUND = [(106.1 + i * 0.013, 33.9 + (i * 7 % 5) * 0.011) for i in range(10)]


@pytest.mark.parametrize("code", ["EPSG:4523", "EPSG:32648", "EPSG:4547"])
def test_metres_of_a_projection_become_the_places_they_are(tmp_path: Path, code: str) -> None:
    there = Transformer.from_crs("EPSG:4326", code, always_xy=True)
    metres = [there.transform(*point) for point in AROUND]
    done = brought(tmp_path, csv(rolls(metres)), mapping={"sources": [{"known": True, "crs": code}]}, crs=None)
    assert done.county is not None
    assert done.county.tables["schools"][["lon", "lat"]].to_numpy() == pytest.approx(np.array(AROUND), abs=1e-7)
    refused = brought(tmp_path / "undeclared", csv(rolls(metres)))
    assert not refused.written
    (fault,) = [f for f in refused.faults if f.severity == "error"]
    assert fault.rule in ("projected", "projected_zone") and fault.params["n"] == len(AROUND)
    if code == "EPSG:4523":
        assert fault.params["code"] == code


# Swapped -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["an earlier year", "an outline"])
@pytest.mark.parametrize(("lon", "lat"), [(106.1, 33.9), (28.1, -30.6), (-70.2, -12.5), (10.0, 50.0)])
def test_a_swapped_list_is_stopped_whole_and_one_line_mends_it(
    lon: float, lat: float, first: str, tmp_path: Path
) -> None:
    places = [(lon + x - 106, lat + y - 34) for x, y in AROUND]
    bad = csv(rolls([(y, x) for x, y in places]), "new.csv")
    given = [csv(rolls(places), "old.csv")]
    if first == "an outline":
        area = {
            "type": "Feature",
            "properties": {"name": "x"},
            "geometry": mapping(box(lon - 1, lat - 1, lon + 1, lat + 1)),
        }
        given.append(SourceFile("outline.geojson", json.dumps(area).encode()))
    assert brought(tmp_path, *given, year=2017).written
    before = (tmp_path / "jia" / "schools.csv").read_bytes()
    done = brought(tmp_path, bad, year=2024)
    assert not done.written and rules(done) == ["swapped_file"]
    assert "swap: true" in done.faults[-1].hint("zh") and "swap: true" in done.faults[-1].hint("en")
    assert (tmp_path / "jia" / "schools.csv").read_bytes() == before
    mended = brought(tmp_path, bad, year=2024, mapping={"sources": [{"known": True, "swap": True}]})
    assert mended.county is not None
    assert mended.county.tables["schools"][["lon", "lat"]].to_numpy() == pytest.approx(np.array(places))


def test_files_of_one_import_that_are_swapped_against_each_other_accuse_neither(tmp_path: Path) -> None:
    near = [(x - 60, y - 10) for x, y in AROUND]
    turned = rolls([(y, x) for x, y in near]).replace("S", "T").replace("校", "学校")
    done = brought(tmp_path, csv(rolls(near)), csv(turned, "b.csv"))
    assert not done.written and rules(done) == ["swapped_some"]


def test_a_country_said_in_the_mapping_finds_the_swap_of_a_first_list(tmp_path: Path) -> None:
    within = {"crs": "WGS84", "within": [16, -35, 33, -22], "sources": [{"known": True}]}
    near = [(x - 78, y - 64) for x, y in AROUND]
    assert brought(tmp_path, csv(rolls(near)), mapping=within).written
    done = brought(tmp_path / "b", csv(rolls([(y, x) for x, y in near])), mapping=within)
    assert not done.written and rules(done) == ["swapped_file"]


# One school, several rows -------------------------------------------------------------------------------------------


@settings(max_examples=6, deadline=None)
@given(st.lists(st.lists(st.integers(0, 500), min_size=1, max_size=4), min_size=1, max_size=6), st.randoms())
def test_no_row_of_a_school_is_lost_without_saying_how_many_pupils(parts: list[list[int]], random: Random) -> None:
    rows = [f"S{i},校{i},primary,primary,{n}" for i, shifts in enumerate(parts) for n in shifts]
    random.shuffle(rows)
    text = "school_id,name_zh,kind,stage,pupils\n" + "\n".join(rows) + "\n"
    total = sum(map(sum, parts))
    with tempfile.TemporaryDirectory() as name:
        added = brought(Path(name), csv(text), mapping={"sources": [{"known": True, "rows": "add"}]})
        assert added.county is not None
        assert added.county.tables["school_years"]["pupils"].sum() == total
    with tempfile.TemporaryDirectory() as name:
        valid = brought(Path(name), csv(text), accept_valid=True)
        kept = float(valid.county.tables["school_years"]["pupils"].sum()) if valid.county else 0.0
        lost = sum(float(f.params["lost"]) for f in valid.faults if f.rule == "rows_again")
        same = sum(shifts[0] * (len(shifts) - 1) for shifts in parts if len(set(shifts)) == 1)
        assert kept + lost + same == total


def test_a_second_list_that_replaces_rolls_says_how_many_pupils_there_were(tmp_path: Path) -> None:
    assert brought(tmp_path, csv(rolls(AROUND))).written
    done = brought(
        tmp_path, csv(rolls(AROUND[:2])).__class__("b.csv", rolls(AROUND[:2]).replace(",10\n", ",4\n").encode())
    )
    (fault,) = [f for f in done.faults if f.rule == "replaced_rolls"]
    assert (fault.params["before"], fault.params["now"]) == ("10", "4")


# Several files -------------------------------------------------------------------------------------------------------

JOINED = {
    "crs": "WGS84",
    "sources": [
        {"name": "places", "file": "places*", "columns": {}},
        {
            "file": "rolls*",
            "stage": "primary",
            "join": {"source": "places", "by": "ref", "key": "code"},
            "constants": {"schools.kind": "primary"},
            "columns": {
                "ref": ["school_id", "schools.name_zh"],
                "roll": "school_years.pupils",
                "x": "schools.lon",
                "y": "schools.lat",
            },
        },
    ],
}
PLACES, ROLLS = (
    csv("code,x,y\nA1,106.1,33.9\nA2,106.2,33.9\n", "places.csv"),
    csv("ref,roll\nA1,50\nA2,60\n", "rolls.csv"),
)


@pytest.mark.parametrize("files", [(PLACES, ROLLS), (ROLLS, PLACES)])
def test_a_join_reaches_every_file_in_any_order(tmp_path: Path, files: tuple[SourceFile, ...]) -> None:
    done = brought(tmp_path, *files, mapping=JOINED)
    assert done.county is not None and not done.faults
    assert done.county.tables["schools"][["lon", "lat"]].to_numpy().tolist() == [[106.1, 33.9], [106.2, 33.9]]


@pytest.mark.parametrize(
    ("files", "change", "rule"),
    [
        ((ROLLS,), {}, "source_without_file"),
        ((PLACES, ROLLS), {"key": "cod"}, "column_not_found"),
        ((PLACES, ROLLS), {"by": "reff"}, "column_not_found"),
        ((csv("code,z\nA1,1\n", "places.csv"), ROLLS), {}, "column_not_found"),
        ((csv("code,x,y\nA1,1,2\nA1,3,4\n", "places.csv"), ROLLS), {}, "join_several"),
    ],
)
def test_a_join_that_cannot_be_made_is_a_fault(
    tmp_path: Path, files: tuple[SourceFile, ...], change: dict[str, str], rule: str
) -> None:
    first, second = JOINED["sources"]
    mapping = {**JOINED, "sources": [first, {**second, "join": {**second["join"], **change}}]}  # type: ignore[dict-item]
    done = brought(tmp_path, *files, mapping=mapping)
    assert not done.written and rule in rules(done)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg"])
def test_places_with_figures_are_a_list_like_any_other(tmp_path: Path, suffix: str) -> None:
    lines = [line.split(",") for line in rolls(AROUND).splitlines()]
    frame = geopandas.GeoDataFrame(
        [dict(zip(lines[0], line, strict=True)) for line in lines[1:]],
        geometry=[Point(p) for p in AROUND],
        crs="EPSG:4326",
    ).drop(columns=["lon", "lat"])
    file = tmp_path / f"anything{suffix}"
    frame.to_crs("EPSG:32648" if suffix == ".gpkg" else "EPSG:4326").to_file(file)
    one = bring_in([file], tmp_path / "a", year=2023).county
    two = bring_in([csv(rolls(AROUND))], tmp_path / "b", year=2023, crs="WGS84").county
    assert one is not None and two is not None
    for name in ("schools", "school_years"):
        pd.testing.assert_frame_equal(one.tables[name], two.tables[name], atol=1e-7)
    mapped = {
        "sources": [
            {
                "columns": {
                    "school_id": "school_id",
                    "name_zh": "schools.name_zh",
                    "pupils": "school_years.pupils",
                },
                "stage": "junior",
                "constants": {"schools.kind": "junior"},
            }
        ]
    }
    three = bring_in([file], tmp_path / "c", year=2023, mapping=mapped).county
    assert three is not None and set(three.tables["school_years"]["stage"]) == {"junior"}
    assert three.tables["schools"]["lon"].tolist() == pytest.approx([x for x, _ in AROUND], abs=1e-7)


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["HOSTEL", "MOBILE SCHOOL", "Hotel places", "Cellar", "Telescope", "Faxe parish", "Headcount"]
)
def test_no_fragment_of_a_header_makes_it_personal(header: str) -> None:
    assert not aliases.personal(header)


@pytest.mark.parametrize(
    "header", ["Mobile", "tel", "Head_Teacher_Name", "headTeacherName", "Tel. No", "E-mail", "Student ID"]
)
def test_whole_words_do(header: str) -> None:
    assert aliases.personal(header)


def test_a_column_mapped_to_a_number_is_read_whatever_its_header(tmp_path: Path) -> None:
    columns = {
        "Telephone": "schools.boarding",
        "Head": "schools.note",
        "Contact name": {"to": "schools.township", "personal": False},
    }
    text = "school_id,name_zh,kind,stage,pupils,Telephone,Head,Contact name\n1,a,primary,primary,5,1,Li,East\n"
    done = brought(tmp_path, csv(text), mapping={"sources": [{"known": True, "columns": columns}]})
    assert done.county is not None
    school = done.county.tables["schools"].iloc[0]
    assert (school["boarding"], school["township"]) == (1, "East") and pd.isna(school["note"])
    assert list(done.dropped) == ["Head"]


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan"])
def test_a_word_for_no_data_may_be_a_name_and_is_none_in_a_figure(tmp_path: Path, word: str) -> None:
    text = (
        f"school_id,name_zh,kind,township,stage,pupils\n1,甲,primary,{word},primary,{word}\n2,乙,primary,东,primary,3\n"
    )
    done = brought(tmp_path, csv(text))
    assert done.county is not None
    saved = County.open(tmp_path / "jia")
    assert saved.tables["schools"]["township"].tolist() == [word, "东"]
    assert saved.tables["school_years"]["pupils"].isna().tolist() == [True, False]
    assert "read_as_name" in rules(done, "warning")
    declared = {"sources": [{"known": True, "missing": [word]}]}
    assert brought(tmp_path / "b", csv(text), mapping=declared).county.tables["schools"][
        "township"
    ].isna().tolist() == [True, False]  # type: ignore[union-attr]


def test_what_every_row_lacks_is_told_in_one_line() -> None:
    text = "School ID,Name,Total School Roll\n" + "".join(f"K{i},School {i},{i + 1}\n" for i in range(300))
    done = bring_in([csv(text)], Path("never-written"), year=2023)
    lines = fault_lines(done.faults, "en")
    assert not done.written and len(lines) <= 4 and lines[0].startswith("[error]") and "kind" in "".join(lines)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_sentence_speaks_of_a_place_or_content_that_is_not_known(lang: str) -> None:
    for fault in (
        Fault("ragged_row", "a.csv", params={"width": 3}),
        Fault("required", "schools.csv", 3, "kind"),
        Fault("no_file", "x"),
    ):
        assert "–" not in fault.sentence(lang)


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.glob("*")) if CASES.is_dir() else [])
def test_shared_cases_are_read_or_refused_in_words(case: str, tmp_path: Path) -> None:
    mapping = CASES / case / "mapping.yaml"
    for file in sorted((CASES / case).iterdir()):
        if file.suffix in (".csv", ".xlsx", ".geojson"):
            done = bring_in(
                [file], tmp_path / file.stem, year=2023, crs="WGS84", mapping=mapping if mapping.is_file() else None
            )
            assert done.written or any(f.severity == "error" and f.hint("zh") and f.hint("en") for f in done.faults)


# Figures --------------------------------------------------------------------------------------------------------------


def test_full_time_equivalents_are_rounded_where_the_mapping_says_so_and_said(tmp_path: Path) -> None:
    text = "school_id,name_zh,kind,stage,pupils,FTE\n1,a,primary,primary,5,47.5\n2,b,primary,primary,5,46.4\n"
    source = {"known": True, "columns": {"FTE": {"to": "school_years.teachers", "round": True}}}
    done = brought(tmp_path, csv(text), mapping={"sources": [source]})
    assert done.county is not None and done.county.tables["school_years"]["teachers"].tolist() == [48, 46]
    assert [f.params["n"] for f in done.faults if f.rule == "rounded"] == [2]
    exact = brought(
        tmp_path / "b", csv(text), mapping={"sources": [{"known": True, "columns": {"FTE": "school_years.teachers"}}]}
    )
    assert not exact.written and set(rules(exact)) == {"whole"} and "round: true" in exact.faults[0].hint("zh")


@pytest.mark.parametrize(
    ("cell", "rule"), [("51–200", "size_band"), ("51-200", "size_band"), ("12%", "percentage"), ("100000000", "range")]
)
def test_a_roll_that_is_none_is_questioned(tmp_path: Path, cell: str, rule: str) -> None:
    done = brought(tmp_path, csv(f"school_id,name_zh,kind,stage,pupils\n1,a,primary,primary,{cell}\n"))
    assert not done.written and rules(done) == [rule]


# Layers that are broken ---------------------------------------------------------------------------------------------

SQUARE = [[106, 33], [107, 33], [107, 34], [106, 33]]


@pytest.mark.parametrize(
    "features",
    [
        5,
        None,
        [5],
        [{"type": "Feature", "properties": [1], "geometry": None}],
        *(
            [{"type": "Feature", "properties": {"township": "东乡"}, "geometry": geometry}]
            for geometry in (
                7,
                {"type": "Blob", "coordinates": []},
                {"type": "Polygon", "coordinates": []},
                {"type": "Polygon", "coordinates": [[["a", 1]]]},
                {"type": "Polygon", "coordinates": [[[1, 1], [2, 3]]]},
                {"type": "Polygon", "coordinates": [[[float("inf"), 1], *SQUARE]]},
                {"type": "Polygon", "coordinates": SQUARE},
                {"type": "Polygon", "coordinates": [[[1, 1], [2, 1, 7], [2, 2], [1, 1]]]},
                {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [None, 1]}]},
            )
        ),
    ],
)
@pytest.mark.parametrize("file", ["outline.geojson", "townships.geojson"])
def test_a_broken_layer_is_a_fault_of_check_and_never_an_exception(tmp_path: Path, features: object, file: str) -> None:
    assert brought(tmp_path, csv(rolls(AROUND))).written
    (tmp_path / "jia" / file).write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    county, faults = check_folder(tmp_path / "jia")
    assert county is not None and {f.rule for f in faults if f.file == file} <= {"layer_feature", "unreadable"}
    assert [f for f in faults if f.file == file]


HEADERS = {
    "es": "Código de la escuela,Nombre de la escuela,Nivel educativo,Longitud,Latitud,Matrícula total,Docentes|Primaria",
    "fr": "Code école,Nom de l'école,Niveau d'enseignement,Longitude,Latitude,Nombre d'élèves,Enseignants|École primaire",
    "pt": "Código da escola,Nome da escola,Nível de ensino,Longitude,Latitude,Número de alunos,Professores|primária",
    "ru": "Код школы,Название школы,Уровень образования,Долгота,Широта,Количество учащихся,Учителя|Начальная школа",
    "ar": "رمز المدرسة,اسم المدرسة,المرحلة,خط الطول,خط العرض,عدد الطلاب,عدد المعلمين|ابتدائي",
    "id": "NPSN,Nama Sekolah,Bentuk Pendidikan,Bujur,Lintang,Peserta Didik,Guru|SD",
    "ms": "Kod Sekolah,Nama Sekolah,Peringkat,Longitud,Latitud,Enrolmen,Bilangan Guru|Sekolah Kebangsaan",
    "zh": "学校（机构）标识码,学校（机构）名称,办学类型,经度,纬度,在校生数,专任教师|小学",
}


@pytest.mark.parametrize("lang", HEADERS)
def test_a_list_is_understood_in_the_language_of_its_headers(tmp_path: Path, lang: str) -> None:
    head, kind = HEADERS[lang].split("|")
    done = brought(tmp_path, csv(f"{head}\n1,Uno,{kind},106.1,33.9,45,3\n"))
    assert done.county is not None, [f.sentence("en") for f in done.faults]
    school, row = done.county.tables["schools"].iloc[0], done.county.tables["school_years"].iloc[0]
    assert (school["school_id"], school["name_zh"], school["kind"]) == ("1", "Uno", "primary")
    assert (school["lon"], school["lat"], row["pupils"], row["teachers"]) == (106.1, 33.9, 45, 3)


@pytest.mark.parametrize(
    "word", ["Secundaria", "Secondaire", "Средняя школа", "Ensino fundamental", "Sekolah menengah"]
)
def test_what_differs_from_country_to_country_is_asked_in_every_language(tmp_path: Path, word: str) -> None:
    done = brought(tmp_path, csv(f"school_id,name,kind,stage,pupils\n1,Uno,{word},primary,45\n"))
    assert not done.written and "value_unclear" in rules(done)
