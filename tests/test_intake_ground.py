"""Population rasters, road networks, relief and settlements by ``balance import``."""

from __future__ import annotations

import bz2
import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box, mapping

from balance_lib.data.county import County
from balance_lib.data.intake.bring import Brought, bring_in
from balance_lib.data.intake.demand import parts
from balance_lib.data.intake.xlsx import SourceFile

rasterio = pytest.importorskip("rasterio")

WEST, SOUTH = 106.0, 33.8
HEAD = "school_id,name_zh,kind,township,lon,lat,year,stage,pupils\n"
SCHOOLS = (
    HEAD + "1,甲小学,primary,东乡,106.15,33.9,2023,primary,120\n2,乙小学,primary,西乡,106.05,33.9,2023,primary,31\n"
)
OUTLINE = {
    "type": "Feature",
    "properties": {"name": "甲县"},
    "geometry": mapping(box(WEST, SOUTH, WEST + 0.2, SOUTH + 0.2)),
}
TOWNSHIPS = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"township": name}, "geometry": mapping(box(x, SOUTH, x + 0.1, SOUTH + 0.2))}
        for name, x in (("西乡", WEST), ("东乡", WEST + 0.1))
    ],
}


def file(name: str, content: Any) -> SourceFile:
    if isinstance(content, dict):
        content = json.dumps(content)
    return SourceFile(name, content.encode() if isinstance(content, str) else content)


LISTS = [file("schools.csv", SCHOOLS), file("outline.geojson", OUTLINE)]


def raster(path: Path, cells: np.ndarray, crs: str = "EPSG:4326", nodata: float | None = -99999) -> Path:
    """Write cells over a box somewhat larger than the county."""
    from rasterio.transform import from_bounds
    from rasterio.warp import transform_bounds

    edge = transform_bounds("EPSG:4326", crs, WEST - 0.05, SOUTH - 0.05, WEST + 0.25, SOUTH + 0.25)
    place = from_bounds(*edge, cells.shape[1], cells.shape[0])
    with rasterio.open(
        path, "w", driver="GTiff", height=cells.shape[0], width=cells.shape[1], count=1, dtype="float32", crs=crs,
        transform=place, nodata=nodata,
    ) as out:  # fmt: skip
        out.write(cells.astype("float32"), 1)
    return path


def people(seed: int = 1, size: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((size, size)) < 0.1, rng.gamma(2, 5, (size, size)), 0.0)


def brought(tmp_path: Path, *sources: Any, into: str = "jia", **more: Any) -> Brought:
    return bring_in(list(sources), tmp_path / into, **{"year": 2023, "crs": "WGS84", **more})


def errors(done: Brought) -> list[str]:
    return [fault.rule for fault in done.faults if fault.severity == "error"]


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32648", "EPSG:3857", "ESRI:54009"])
def test_a_raster_becomes_points_within_the_county_that_add_up_to_the_rolls(tmp_path: Path, crs: str) -> None:
    done = brought(tmp_path, *LISTS, raster(tmp_path / "chn_ppp_2023.tif", people(), crs))
    assert not errors(done) and done.county is not None
    villages, years = (County.open(tmp_path / "jia").tables[name] for name in ("villages", "village_years"))
    assert len(villages) == len(years) > 50
    assert (
        villages["lon"].between(WEST - 0.004, WEST + 0.204).all()
        and villages["lat"].between(SOUTH - 0.004, SOUTH + 0.204).all()
    )
    assert years["age_6_11"].sum() == 151 and years["age_12_14"].isna().all()
    assert (years["age_6_11"] % 1 == 0).all()
    assert all(name.startswith("估算") for name in villages["name_zh"])
    assert done.county.meta["imports"][-1]["estimated"] is True
    assert "demand_estimated" in [fault.rule for fault in done.faults]


def test_people_outside_no_data_and_cells_below_zero_count_for_nothing(tmp_path: Path) -> None:
    cells = np.zeros((120, 120))
    cells[60, 60], cells[2, 2], cells[61, 60], cells[62, 60] = 10, 500, -99999, -5
    done = brought(tmp_path, *LISTS, raster(tmp_path / "pop.tif", cells))
    assert done.county is not None
    years = done.county.tables["village_years"]
    assert years["population"].tolist() == [10] and years["age_6_11"].tolist() == [151]
    undeclared = brought(tmp_path, *LISTS, raster(tmp_path / "pop.tif", cells, nodata=None), into="yi")
    assert undeclared.county is not None and undeclared.county.tables["village_years"]["population"].tolist() == [10]


def test_each_township_fits_its_own_rolls_where_its_area_is_known(tmp_path: Path) -> None:
    done = brought(tmp_path, *LISTS, file("townships.geojson", TOWNSHIPS), raster(tmp_path / "pop.tif", people()))
    assert done.county is not None
    both = done.county.tables["villages"].merge(done.county.tables["village_years"], on="village_id")
    assert both.groupby("township")["age_6_11"].sum().to_dict() == {"东乡": 120, "西乡": 31}


def test_age_groups_in_files_of_their_own_are_added_up_whatever_their_order(tmp_path: Path) -> None:
    groups = enumerate([("f", 5), ("m", 5), ("f", 10), ("m", 10)])
    files = [raster(tmp_path / f"chn_{sex}_{age}_2023.tif", people(seed)) for seed, (sex, age) in groups]
    only = [file("schools.csv", SCHOOLS.replace(",120\n", ",\n").replace(",31\n", ",\n")), LISTS[1]]
    one, two = brought(tmp_path, *only, *files), brought(tmp_path, *only, *files[::-1], into="yi")
    assert one.county is not None and two.county is not None
    figures = one.county.tables["village_years"][["age_6_11", "age_12_14"]]
    assert figures.to_numpy() == pytest.approx(two.county.tables["village_years"][["age_6_11", "age_12_14"]].to_numpy())
    assert figures["age_12_14"].sum() < figures["age_6_11"].sum()


def test_villages_that_are_there_keep_their_names_and_receive_the_people_near_them(tmp_path: Path) -> None:
    villages = file(
        "villages.csv", "village_id,name_zh,township,lon,lat\nV1,李村,西乡,106.05,33.9\nV2,王村,东乡,106.15,33.9\n"
    )
    done = brought(tmp_path, *LISTS, villages, raster(tmp_path / "pop.tif", people()))
    assert done.county is not None
    assert done.county.tables["villages"]["name_zh"].tolist() == ["李村", "王村"]
    assert done.county.tables["village_years"]["age_6_11"].sum() == 151


@pytest.mark.parametrize(
    ("name", "shares"),
    [("chn_f_10_2020.tif", {"age_6_11": 0.4, "age_12_14": 0.6}), ("chn_m_5_2020.tif", {"age_6_11": 0.8}),
     ("children_12-14.tif", {"age_12_14": 1.0}), ("GHS_POP_E2020.tif", {"population": 1.0}), ("chn_f_60_2020.tif", {})],
)  # fmt: skip
def test_what_a_raster_counts_stands_in_its_name(name: str, shares: dict[str, float]) -> None:
    assert parts(name) == shares


def test_a_raster_that_cannot_serve_is_a_fault_and_writes_nothing(tmp_path: Path) -> None:
    elsewhere = tmp_path / "pop.tif"
    with rasterio.open(elsewhere, "w", driver="GTiff", height=4, width=4, count=1, dtype="float32", crs="EPSG:4326",
                       transform=rasterio.transform.from_origin(10, 50, 0.1, 0.1)) as out:  # fmt: skip
        out.write(np.ones((4, 4), "float32"), 1)
    for source, rule in ((elsewhere, "raster_elsewhere"), (file("pop.tif", b"II*\0nothing"), "raster_unreadable")):
        done = brought(tmp_path, *LISTS, source)
        assert errors(done) == [rule] and not (tmp_path / "jia").exists()


# Roads, relief, settlements ----------------------------------------------------------------------------------------

OSM = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="33.9" lon="106.05" version="1">
<tag k="place" v="village"/><tag k="name" v="李村"/><tag k="population" v="420"/></node>
<node id="2" lat="33.9" lon="106.15" version="1"><tag k="place" v="hamlet"/><tag k="name" v="王村"/></node>
<node id="3" lat="33.91" lon="106.1" version="1"><tag k="amenity" v="school"/><tag k="name" v="丙小学"/></node>
<node id="4" lat="33.91" lon="106.12" version="1"/>
<node id="5" lat="50.0" lon="10.0" version="1"/><node id="6" lat="50.1" lon="10.0" version="1"/>
<way id="7" version="1"><nd ref="2"/><nd ref="4"/><tag k="highway" v="path"/></way>
<way id="8" version="1"><nd ref="5"/><nd ref="6"/><tag k="highway" v="path"/></way></osm>"""


@pytest.mark.parametrize(("name", "pack"), [("a.osm", bytes), ("a.osm.gz", gzip.compress), ("a.osm.bz2", bz2.compress)])
def test_an_extract_gives_roads_around_the_county_and_the_villages_it_lacks(
    tmp_path: Path, name: str, pack: Any
) -> None:
    from balance_lib.access.distance import read_osm

    done = brought(tmp_path, *LISTS, file(name, pack(OSM.encode())))
    assert not errors(done)
    county = County.open(tmp_path / "jia")
    assert county.tables["villages"]["name_zh"].tolist() == ["李村", "王村"]
    assert "villages" in county.marks["estimated"]  # which every page and paper tells: test_estimated.py
    assert county.tables["village_years"]["population"].dropna().tolist() == [420]
    assert county.tables["schools"]["name_zh"].tolist() == ["甲小学", "乙小学"]
    assert read_osm(tmp_path / "jia" / "roads.osm.pbf").report["walkable"] == 1
    again = brought(tmp_path, file(name, pack(OSM.encode())))
    assert again.written and len(County.open(tmp_path / "jia").tables["villages"]) == 2


def test_an_extract_alone_founds_a_county_whose_rolls_are_not_known(tmp_path: Path) -> None:
    done = brought(tmp_path, file("place.osm", OSM))
    assert not errors(done) and done.county is not None
    assert done.county.tables["schools"]["kind"].tolist() == ["primary"]
    assert done.county.tables["school_years"]["pupils"].isna().all() and len(done.county.tables["school_years"]) == 1


def test_an_extract_of_another_place_or_none_is_a_fault(tmp_path: Path) -> None:
    far = OSM.replace("33.9", "13.9")
    assert errors(brought(tmp_path, *LISTS, file("a.osm", far))) == ["osm_no_roads"]
    with pytest.raises(Exception, match="OpenStreetMap"):
        brought(tmp_path, *LISTS, file("a.osm", "no xml"))
    assert not (tmp_path / "jia").exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_tiles_of_relief_become_one_dem_around_the_county(tmp_path: Path, zipped: bool) -> None:
    heights = np.full((1201, 1201), 700, ">i2")
    heights[:100] = -32768
    names = ["N33E105", "N33E106"]
    files = []
    for name in names:
        tile = tmp_path / f"{name}.hgt"
        tile.write_bytes(heights.tobytes())
        if zipped:
            with zipfile.ZipFile(tmp_path / f"{name}.hgt.zip", "w") as out:
                out.write(tile, tile.name)
            tile = tmp_path / f"{name}.hgt.zip"
        files.append(tile)
    done = brought(tmp_path, *LISTS, *files)
    assert not errors(done)
    with rasterio.open(tmp_path / "jia" / "dem.tif") as dem:
        assert dem.bounds.left < WEST < WEST + 0.2 < dem.bounds.right and dem.read(1).max() == 700
