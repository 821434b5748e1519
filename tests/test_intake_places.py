"""Places come in as WGS-84 longitude and latitude whatever system the file is in, and nothing changes unsaid."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import LineString, Point, Polygon, box, shape

from balance_lib import locale
from balance_lib._errors import NotFoundError
from balance_lib.data import crs, tables
from balance_lib.data.check import check
from balance_lib.data.county import County
from balance_lib.data.intake.places import read_places
from balance_lib.data.intake.result import Imported, merge
from balance_lib.data.intake.xlsx import SourceFile

GAUSS = "EPSG:4545"  # CGCS2000, 3-degree Gauss-Krueger, central meridian 108 E


def geojson(
    *features: tuple[dict[str, Any], Any], declared: str | None = "urn:ogc:def:crs:OGC:1.3:CRS84"
) -> SourceFile:
    layer: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": p, "geometry": g and json.loads(json.dumps(g.__geo_interface__))}
            for p, g in features
        ],
    }
    if declared:
        layer["crs"] = {"type": "name", "properties": {"name": declared}}
    return SourceFile("places.geojson", json.dumps(layer, ensure_ascii=False).encode())


def gpkg(path: Path, columns: dict[str, list[Any]], shapes: list[Any], system: str | None, layer: str = "a") -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a file without a coordinate system is what some tests want
        gpd.GeoDataFrame(columns, geometry=shapes, crs=system).to_file(path, layer=layer, driver="GPKG")
    return path


def rules(imported: Imported) -> list[tuple[str, str | None, object]]:
    return [(f.rule, f.column, f.found) for f in imported.faults]


HALVES = [
    ({"乡镇": "西镇", "代码": "500238101"}, box(109, 31, 109.5, 32)),
    ({"乡镇": "东乡", "代码": None}, box(109.5, 31, 110, 32)),
]


def test_an_outline_becomes_a_layer_with_its_name_only() -> None:
    imported = read_places(
        geojson(({"name": "测试县", "adcode": 500238, "负责人": "张三", "gdp": 5}, box(109, 31, 110, 32))), "outline"
    )
    assert rules(imported) == [("personal_data", "负责人", None), ("unmapped_column", None, "gdp")]
    assert imported.dropped == ["负责人"] and imported.tables == {} and imported.ok
    (feature,) = imported.layers["outline.geojson"]["features"]
    assert feature["properties"] == {"name": "测试县", "code": "500238"}
    assert shape(feature["geometry"]).equals(box(109, 31, 110, 32))
    county = imported.county("t", "测试县")
    assert county.layers == imported.layers and check(county) == []


def test_townships_become_a_layer_and_rows_with_a_point_inside() -> None:
    imported = read_places(geojson(*HALVES), "townships")
    assert imported.faults == []
    rows = imported.tables["townships"]
    assert rows[["township", "code"]].fillna("–").to_numpy().tolist() == [["西镇", "500238101"], ["东乡", "–"]]
    for row, (_, area) in zip(rows.itertuples(), HALVES, strict=True):
        assert area.contains(Point(row.lon, row.lat))
    names = [f["properties"]["township"] for f in imported.layers["townships.geojson"]["features"]]
    assert names == ["西镇", "东乡"] and imported.columns["townships"] == {"township", "code", "lon", "lat"}


def test_a_projected_file_is_reprojected_and_that_is_said(tmp_path: Path) -> None:
    place = gpd.GeoSeries([Point(109.57, 31.41)], crs="EPSG:4326").to_crs(GAUSS)
    file = gpkg(tmp_path / "v.gpkg", {"村名": ["甲村"], "村代码": ["01"]}, list(place), GAUSS)
    imported = read_places(file, "villages")
    row = imported.tables["villages"].loc[0]
    assert (row["lon"], row["lat"]) == (pytest.approx(109.57, abs=1e-7), pytest.approx(31.41, abs=1e-7))
    assert imported.faults == [] and imported.meta["crs"] == "WGS84"
    (said,) = [p for p in imported.meta["provenance"] if "conversion" in p]
    assert said["conversion"] == {"from": GAUSS, "to": "WGS84"} and GAUSS in said["zh"] and "reprojected" in said["en"]


def test_a_file_without_a_system_is_refused_unless_it_is_declared(tmp_path: Path) -> None:
    file = gpkg(tmp_path / "v.gpkg", {"村名": ["甲村"], "村代码": ["01"]}, [Point(109.57, 31.41)], None)
    imported = read_places(file, "villages")
    assert rules(imported) == [("crs_file", None, None)] and not imported.ok and imported.tables == {}
    assert read_places(file, "villages", crs="WGS84").tables["villages"].loc[0, "lon"] == 109.57


def test_geojson_without_a_system_is_wgs84_by_the_standard_with_a_warning() -> None:
    source = geojson(({"村名": "甲村", "村代码": "01"}, Point(109.57, 31.41)), declared=None)
    imported = read_places(source, "villages")
    assert [(f.rule, f.severity) for f in imported.faults] == [("crs_by_standard", "warning")]
    assert read_places(source, "villages", crs="WGS84").faults == []


@pytest.mark.parametrize("system", ["GCJ02", "BD09"])
def test_a_declared_chinese_system_is_converted_points_and_areas(system: str) -> None:
    ring = [(109.0, 31.0), (110.0, 31.0), (110.0, 32.0), (109.0, 32.0)]
    lon, lat = crs.convert([p[0] for p in ring], [p[1] for p in ring], "WGS84", system)
    imported = read_places(geojson(({"name": "县"}, Polygon(zip(lon, lat, strict=True)))), "outline", crs=system)
    area = shape(imported.layers["outline.geojson"]["features"][0]["geometry"])
    assert area.hausdorff_distance(Polygon(ring)) < 2e-7
    (said,) = [p for p in imported.meta["provenance"] if "conversion" in p]
    assert said["conversion"]["from"] == system
    point = read_places(geojson(({"村名": "甲", "村代码": "1"}, Point(lon[0], lat[0]))), "villages", crs=system)
    row = point.tables["villages"].loc[0]
    assert (row["lon"], row["lat"]) == (pytest.approx(109, abs=1e-6), pytest.approx(31, abs=1e-6))


def test_cgcs2000_is_taken_as_wgs84_and_said() -> None:
    source = geojson(({"村名": "甲", "村代码": "1"}, Point(109.123456789, 31.4)))
    imported = read_places(source, "villages", crs="CGCS2000")
    assert imported.tables["villages"].loc[0, "lon"] == pytest.approx(109.1234568)
    assert any("CGCS2000" in p.get("zh", "") for p in imported.meta["provenance"])


def test_schools_by_their_chinese_properties_and_areas_by_a_point_inside() -> None:
    corner = Polygon([(109, 31), (109.01, 31), (109.01, 31.001), (109.001, 31.001), (109.001, 31.01), (109, 31.01)])
    source = geojson(({"学校代码": "007", "学校名称": "甲小学", "学校类型": "小学", "联系电话": "1"}, corner))
    imported = read_places(source, "schools")
    assert rules(imported) == [("personal_data", "联系电话", None), ("area_as_point", None, None)]
    row = imported.tables["schools"].loc[0]
    assert (row["school_id"], row["kind"]) == ("007", "primary") and corner.contains(Point(row["lon"], row["lat"]))


def test_schools_known_only_by_name_find_their_code_in_the_county() -> None:
    schools = pd.DataFrame({"school_id": ["1", "2", "3"], "name_zh": ["甲小学", "乙小学", "乙小学"], "kind": "primary"})
    county = County("t", "县", "", {"schools": tables.conform(schools, "schools")})
    source = geojson(({"名称": "甲小学"}, Point(109.5, 31.5)), ({"名称": "乙小学"}, Point(109.6, 31.5)))
    assert [f.rule for f in read_places(source, "schools").faults] == ["place_key"]
    imported = read_places(source, "schools", county=county)
    assert rules(imported) == [("place_unknown", "name_zh", "乙小学")]
    only = read_places(geojson(({"名称": "甲小学"}, Point(109.5, 31.5))), "schools", county=county)
    merged, faults = merge(county, only)
    assert not [f for f in faults if f.severity == "error"]
    row = merged.table("schools").set_index("school_id").loc["1"]
    assert (row["kind"], row["lon"]) == ("primary", 109.5)  # what the file does not speak of stays


def test_properties_can_be_named_and_one_county_chosen_out_of_many() -> None:
    source = geojson(
        ({"XZ": "西镇", "县": "A"}, box(109, 31, 109.5, 32)), ({"XZ": "别镇", "县": "B"}, box(120, 31, 121, 32))
    )
    imported = read_places(source, "townships", columns={"XZ": "township"}, where={"县": "A"})
    assert imported.tables["townships"]["township"].tolist() == ["西镇"]
    assert rules(read_places(source, "townships", where={"县": "C"})) == [("nothing_chosen", "县", "C")]
    assert ("several_outlines", None, 2) in rules(read_places(source, "outline"))


def test_shapes_of_no_use_are_named_by_their_row() -> None:
    bow = Polygon([(109, 31), (110, 32), (110, 31), (109, 32)])
    source = geojson(
        ({"township": "a"}, bow), ({"township": "b"}, None), ({"township": "c"}, LineString([(109, 31), (110, 32)])),
        ({"township": "d"}, box(500000, 3400000, 510000, 3410000)),
    )  # fmt: skip
    imported = read_places(source, "townships")
    assert [(f.rule, f.row, f.severity) for f in imported.faults] == [
        ("shapeless", 2, "warning"),
        ("not_an_area", 3, "error"),
        ("crossed_outline", 1, "warning"),
        ("not_degrees", 4, "error"),
    ]
    assert imported.tables["townships"]["township"].tolist() == ["a"]
    assert shape(imported.layers["townships.geojson"]["features"][0]["geometry"]).is_valid


def test_files_of_no_use_are_faults(tmp_path: Path) -> None:
    assert rules(read_places(SourceFile("x.geojson", b"{"), "outline"))[0][0] == "unreadable_places"
    assert rules(read_places(tmp_path / "none.gpkg", "outline"))[0][0] == "unreadable_places"
    assert rules(read_places(geojson(), "outline"))[0][0] in ("no_places", "unreadable_places")
    with pytest.raises(NotFoundError, match="villages"):
        read_places(geojson(*HALVES), "roads")


def test_one_of_several_layers_must_be_named(tmp_path: Path) -> None:
    file = tmp_path / "v.gpkg"
    for layer, name in (("a", "甲村"), ("b", "乙村")):
        gpkg(file, {"村名": [name], "村代码": ["01"]}, [Point(109.5, 31.5)], "EPSG:4326", layer)
    assert rules(read_places(file, "villages")) == [("layer_unnamed", None, "a, b")]
    assert rules(read_places(file, "villages", layer="c")) == [("no_layer", None, "c")]
    assert read_places(file, "villages", layer="b").tables["villages"]["name_zh"].tolist() == ["乙村"]


def test_every_fault_is_told_in_both_languages() -> None:
    for imported in (
        read_places(geojson(declared=None), "outline"),
        read_places(geojson(*HALVES, declared=None), "outline"),
    ):
        for fault in imported.faults:
            for lang in locale.LANGUAGES:
                assert "{" not in fault.sentence(lang)


@pytest.mark.shared
def test_the_real_outlines_of_five_counties(shared_dir: Path) -> None:
    file = shared_dir / "places" / "counties.geojson"
    for code, name in (("500238", "巫溪县"), ("653023", "阿合奇县")):
        imported = read_places(file, "outline", where={"code": code})
        assert imported.ok
        (feature,) = imported.layers["outline.geojson"]["features"]
        assert feature["properties"] == {"name": name, "code": code}
