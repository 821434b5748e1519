"""Real mountains: an OpenStreetMap extract and a DEM of Andorra, as they come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from balance_lib.access.distance import Network, Places, Terrain, calibrate_detour, read_osm, straight_table

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def folder(shared_dir):
    path = shared_dir / "real" / "ad_andorra_osm_dem"
    if not path.is_dir():
        pytest.skip("the extract of Andorra is not beside this checkout")
    return path


@pytest.fixture(scope="module")
def towns_of(folder) -> Places:
    found = pd.read_csv(folder / "settlements_geonames.csv")
    return Places(found["name"], found["longitude"], found["latitude"])


@pytest.fixture(scope="module")
def extract(folder):
    return read_osm(folder / "andorra.osm.pbf")


@pytest.fixture(scope="module")
def terrain(folder, extract) -> Terrain:
    return Terrain.open(folder / "dem_srtm3.tif", rivers=extract.rivers, roads=extract.edges)


def test_the_network_is_read_whole(extract, towns_of) -> None:
    assert extract.report["ways"] == 1615
    assert extract.report["walkable"] + extract.report["closed"] == 1615
    found = Network.of(extract.edges).table(towns_of, towns_of)
    about = found.provenance
    assert about["pieces"] > 37_000 and about["parts"] > 1 and 0.7 < about["largest_part_share"] < 1
    assert (found.origin_snap_m < 100).all()
    assert found.counts["no_way"] > 0  # a part of the country is cut off for walkers by roads closed to them
    assert found.counts["reached"] + found.counts["no_way"] == 400


def test_no_way_is_shorter_than_the_straight_line(extract, terrain, towns_of) -> None:
    line = straight_table(towns_of, towns_of)
    network = Network.of(extract.edges).table(towns_of, towns_of)
    assert not (network.metres < line.metres).any()
    assert not (terrain.table(towns_of, towns_of).metres < line.metres).any()
    detour = calibrate_detour(line, network)
    assert 1.2 < detour.low <= detour.factor <= detour.high < 4 and detour.n > 300


def test_voids_and_parts_are_reported(terrain, towns_of) -> None:
    about = terrain.table(towns_of, towns_of).provenance
    assert about["voids"] == 408 and about["reprojected"] == "EPSG:4326"
    assert about["crossings"] > 100 and about["parts"] > 1 and about["largest_part_share"] > 0.99


def test_there_is_not_back_in_the_mountains(terrain, towns_of) -> None:
    there, back = (terrain.table(towns_of, towns_of, direction=d) for d in ("there", "back"))
    np.testing.assert_allclose(there.minutes, back.minutes.T, rtol=1e-4, atol=1e-4)
    apart = there.minutes > 10
    assert np.median(np.abs(there.minutes[apart] / back.minutes[apart] - 1)) > 0.03
    # From Andorra la Vella (1,020 m) up to Arinsal (1,470 m) takes longer than down.
    names = towns_of.ids.tolist()
    up = there.minutes[names.index("Andorra la Vella"), names.index("Arinsal")]
    down = back.minutes[names.index("Andorra la Vella"), names.index("Arinsal")]
    assert up > 1.05 * down


def test_a_kilometre_takes_longer_the_steeper_it_is(terrain, towns_of) -> None:
    pace = []
    for times in (0.0, 0.5, 1.0, 1.5):
        ground = replace(terrain.relief, height=terrain.relief.height * np.float32(times))
        found = Terrain.of(ground).table(towns_of, towns_of)
        apart = found.metres > 1000
        pace.append(np.median(found.minutes[apart] / found.metres[apart]))
    assert pace[0] == pytest.approx(1 / 83.94, rel=1e-3)
    assert (np.diff(pace) > 0).all()


def test_rivers_only_lengthen(terrain, towns_of) -> None:
    dry = Terrain.of(terrain.relief).table(towns_of, towns_of)
    wet = terrain.table(towns_of, towns_of)
    assert (wet.minutes >= dry.minutes * (1 - 1e-5) - 1e-3).all()
    assert (wet.minutes > dry.minutes * 1.01).any()
