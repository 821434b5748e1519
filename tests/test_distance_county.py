"""A county's own tables measured: what is asked of its folder, which schools count, and what is kept on disk."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from balance_lib._errors import DataError, NotFoundError
from balance_lib.access.distance import FLAT_KPH, cache, od
from balance_lib.access.distance.places import Places
from balance_lib.access.distance.straight import straight_table
from balance_lib.data import crs
from tests import towns

LON, LAT = 109.6, 31.4


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BALANCE_CACHE", str(tmp_path / "cache"))


def toy():
    """Return a county: one road of about 4.4 km due north, a village at 1.1 km, schools at both ends, one in time."""
    ends = [
        {"from_lon": LON, "to_lon": LON, "from_lat": LAT + i / 100, "to_lat": LAT + (i + 1) / 100} for i in range(4)
    ]
    rest = {"length_m": 1300, "kind": "road"}
    road = [{"from_node": f"n{i}", "to_node": f"n{i + 1}", **end, **rest} for i, end in enumerate(ends)]
    villages = [
        {"village_id": "v", "name_zh": "村", "lon": LON, "lat": LAT + 0.01},
        {"village_id": "w", "name_zh": "无坐标村"},
    ]
    schools = [
        towns.school("s", lon=LON, lat=LAT, closed_year=2020),
        towns.school("t", lon=LON, lat=LAT + 0.04, opened_year=2018),
    ]
    return towns.county(schools, [], villages=villages, edges=road)


def with_dem(county, folder, height=None):
    import rasterio
    from affine import Affine
    from pyproj import Transformer

    x, y = Transformer.from_crs(4326, 32649, always_xy=True).transform(LON, LAT)
    height = np.zeros((120, 60), dtype="int16") if height is None else height
    profile = {
        "driver": "GTiff",
        "width": 60,
        "height": 120,
        "count": 1,
        "dtype": "int16",
        "crs": 32649,
        "nodata": -32768,
    }
    folder.mkdir(exist_ok=True)
    with rasterio.open(folder / "dem.tif", "w", **profile, transform=Affine(50, 0, x - 1500, 0, -50, y + 5500)) as file:
        file.write(height[None])
    return replace(county, path=folder)


def test_all_three_ways_measure_the_same_places(tmp_path) -> None:
    county = with_dem(toy(), tmp_path / "county")
    found = {mode: od(county, mode=mode) for mode in ("straight", "network", "terrain")}
    for mode, table in found.items():
        assert table.mode == mode and table.shape == (2, 2)
        assert table.origins.tolist() == ["v", "w"] and table.destinations.tolist() == ["s", "t"]
        assert table.counts == {"reached": 2, "no_place": 2, "off": 0, "no_way": 0, "beyond_limit": 0}
    np.testing.assert_allclose(found["straight"].metres[0], [1109, 3327], rtol=2e-3)
    np.testing.assert_allclose(found["network"].metres[0], [1300, 3900], rtol=1e-6)
    np.testing.assert_allclose(found["terrain"].metres[0], [1109, 3327], rtol=2e-2)
    np.testing.assert_allclose(
        found["terrain"].minutes[0], found["terrain"].metres[0] / (FLAT_KPH * 1000 / 60), rtol=1e-2
    )


def test_only_schools_open_in_the_year_count() -> None:
    county = toy()
    names = {year: od(county, year).destinations.tolist() for year in (2017, 2019, 2020)}
    assert names == {2017: ["s"], 2019: ["s", "t"], 2020: ["t"]}


def test_rows_of_a_table_may_be_given() -> None:
    county = toy()
    schools = county.table("schools")
    found = od(county, destinations=schools[schools["school_id"] == "t"], limit_m=2000)
    assert found.destinations.tolist() == ["t"]
    assert found.counts["beyond_limit"] == 1


def test_rivers_bar_the_way_but_where_the_road_crosses(tmp_path) -> None:
    county = with_dem(toy(), tmp_path / "county")
    bank = LAT + 0.025
    line = {"type": "LineString", "coordinates": [[LON - 0.03, bank], [LON + 0.03, bank]]}
    river = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": line}]}
    wet = replace(county, layers={"rivers.geojson": river})
    assert od(wet, mode="terrain").metres[0, 1] == pytest.approx(od(county, mode="terrain").metres[0, 1], rel=1e-2)
    apart = wet.with_tables(edges=county.tables["edges"].iloc[:2])
    assert np.isnan(od(apart, mode="terrain").metres[0, 1])
    assert np.isfinite(od(apart, mode="terrain").metres[0, 0])


def test_points_in_mars_coordinates_meet_the_relief_where_they_are(tmp_path) -> None:
    county = with_dem(toy(), tmp_path / "county")
    moved = {}
    for name in ("villages", "schools"):
        frame = county.table(name)
        frame["lon"], frame["lat"] = crs.convert(frame["lon"], frame["lat"], "WGS84", "GCJ02")
        moved[name] = frame
    edges = county.table("edges")
    for end in ("from", "to"):
        edges[f"{end}_lon"], edges[f"{end}_lat"] = crs.convert(
            edges[f"{end}_lon"], edges[f"{end}_lat"], "WGS84", "GCJ02"
        )
    mars = replace(county.with_tables(**moved, edges=edges), crs="GCJ02")
    for mode in ("straight", "network", "terrain"):
        np.testing.assert_allclose(od(mars, mode=mode).metres, od(county, mode=mode).metres, rtol=1e-5)


def test_what_is_missing_is_said() -> None:
    bare = toy().with_tables(edges=pd.DataFrame())
    for mode, rule in (("network", "no_roads"), ("terrain", "dem_missing")):
        with pytest.raises(DataError) as error:
            od(bare, mode=mode)
        assert [f.rule for f in error.value.faults] == [rule]
        assert error.value.report("zh") and error.value.report("en")
    with pytest.raises(NotFoundError, match="bus"):
        od(bare, mode="bus")
    with pytest.raises(ValueError, match="detour"):
        od(bare, mode="network", detour=1.2)
    with pytest.raises(ValueError, match="minutes"):
        od(bare, limit_min=30)


def test_two_extracts_are_one_too_many(tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.osm.pbf").write_bytes(b"")
    county = replace(toy().with_tables(edges=pd.DataFrame()), path=tmp_path)
    with pytest.raises(DataError) as error:
        od(county, mode="network")
    assert [f.rule for f in error.value.faults] == ["several_extracts"] * 2


def files() -> list:
    return sorted(cache.folder().glob("*.npz"))


def test_a_table_is_kept_and_comes_back_to_the_last_digit() -> None:
    county = toy()
    first, again = od(county, mode="network"), od(county, mode="network")
    assert len(files()) == 1
    np.testing.assert_array_equal(first.metres, again.metres)
    assert first.counts == again.counts and dict(first.provenance) == dict(again.provenance)
    assert first.how() == again.how()
    np.testing.assert_array_equal(od(county, mode="network", keep=False).metres, first.metres)


def test_whatever_changes_is_measured_again(tmp_path) -> None:
    county = with_dem(toy(), tmp_path / "county")
    edges = county.table("edges")
    edges.loc[0, "length_m"] += 1
    schools = county.table("schools")
    schools.loc[0, "lat"] += 1e-6
    for kind, changed in {
        "network": [county, county.with_tables(edges=edges), county.with_tables(schools=schools)],
        "terrain": [county, county.with_tables(schools=schools)],
    }.items():
        for each in changed:
            od(each, mode=kind)
    od(county, mode="network", limit_m=2000)
    od(county, mode="network", direction="back")
    before = len(files())
    assert before == 7
    height = np.zeros((120, 60), dtype="int16")
    height[0, 0] = 1  # one cell of relief
    od(with_dem(county, tmp_path / "county", height), mode="terrain")
    assert len(files()) == 8


def test_a_damaged_file_is_measured_again() -> None:
    county = toy()
    first = od(county, mode="network")
    (path,) = files()
    good = path.read_bytes()
    for damaged in (
        b"",
        good[: len(good) // 2],
        good.replace(np.float64(first.metres[0, 0]).tobytes(), np.float64(1.0).tobytes()),
    ):
        path.write_bytes(damaged)
        assert od(county, mode="network").metres[0, 0] == first.metres[0, 0]
        assert path.read_bytes() == good or len(path.read_bytes()) == len(good)


def test_many_writers_at_once_leave_one_whole_file() -> None:
    a = Places([f"v{i}" for i in range(300)], np.full(300, 109.0), 31 + np.arange(300) / 1000)
    key, found = cache.digest("many", a), []

    def work() -> None:
        for _ in range(5):
            found.append(cache._kept(key, lambda: straight_table(a, a)).metres)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 30 and all(np.array_equal(f, found[0]) for f in found)
    assert [p.name for p in cache.folder().iterdir()] == [f"{key}.npz"]


def test_where_nothing_can_be_written_it_is_measured_all_the_same(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BALANCE_CACHE", str(tmp_path / "file"))
    assert np.isfinite(od(toy(), mode="network").metres[0]).all()


def test_inputs_run_together_are_told_apart() -> None:
    a, b = Places(["ab", "c"], [1.0, 2.0], [3.0, 4.0]), Places(["a", "bc"], [1.0, 2.0], [3.0, 4.0])
    frame = pd.DataFrame({"x": ["a", None]})
    keys = {
        cache.digest(*parts)
        for parts in ([a], [b], [a, b], ["a", "b"], ["ab"], [1], ["1"], [None], [frame], [frame.fillna("None")])
    }
    assert len(keys) == 10


def test_the_oldest_tables_go_first(monkeypatch) -> None:
    import os

    a = Places(["v"], [109.0], [31.0])
    for i in range(4):
        cache._kept(cache.digest(i), lambda: straight_table(a, a))
        os.utime(cache.folder() / f"{cache.digest(i)}.npz", (i, i))
    monkeypatch.setattr(cache, "KEPT_BYTES", int(2.5 * files()[0].stat().st_size))
    cache._kept(cache.digest("new"), lambda: straight_table(a, a))
    assert {p.stem for p in files()} == {cache.digest(3), cache.digest("new")}
