"""Walks over relief: speed by slope, direction, barriers, and every search against a plain one."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib._errors import DataError
from balance_lib.access.distance import Places, Terrain, straight_table, tobler_kph
from balance_lib.access.distance.relief import Relief
from balance_lib.access.distance.steps import COLUMN_STEP, OPPOSITE, RIM, ROW_STEP, _between

affine = pytest.importorskip("affine")
UTM = 32649
CELL = 30.0


def relief(height, cell: float = CELL) -> Relief:
    return Relief.of(height, affine.Affine(cell, 0, 480_000, 0, -cell, 3_450_000), UTM)


def at(ground: Relief, *cells) -> Places:
    """Return places at rows and columns; whole numbers are the middles of cells."""
    cells = np.array(cells, dtype=float).reshape(-1, 2)
    return Places([f"p{i}" for i in range(len(cells))], *ground.degrees(cells[:, 0], cells[:, 1]))


def line(ground: Relief, *cells) -> dict:
    """Return a river through rows and columns."""
    lon, lat = ground.degrees([c[0] for c in cells], [c[1] for c in cells])
    coordinates = [[float(a), float(b)] for a, b in zip(lon, lat, strict=True)]
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {}, "geometry": {"type": "LineString", "coordinates": coordinates}}
        ],
    }


def road(ground: Relief, a, b) -> pd.DataFrame:
    lon, lat = ground.degrees([a[0], b[0]], [a[1], b[1]])
    row = {"from_node": "a", "to_node": "b", "from_lon": lon[0], "from_lat": lat[0], "to_lon": lon[1], "to_lat": lat[1]}
    return pd.DataFrame([{**row, "length_m": math.nan, "kind": "bridge"}])


def slope(rows: int, columns: int, rise: float) -> np.ndarray:
    """Return ground that climbs eastwards by ``rise`` metres a metre."""
    return np.tile(np.arange(columns) * CELL * rise, (rows, 1))


def test_power_in_the_loop_is_as_good_as_the_library_s() -> None:
    from balance_lib.access.distance import kernel

    x = np.concatenate([np.linspace(0, 8.5, 20_001), np.arange(0, 8, 1 / 32) - 1e-12])
    found = np.array([kernel._exp(max(v, 0.0)) for v in x])
    np.testing.assert_allclose(found, np.exp(np.maximum(x, 0)), rtol=1e-9)
    assert math.isnan(kernel._exp(math.nan))


def test_flat_ground_is_walked_at_five_kilometres_an_hour() -> None:
    ground = relief(np.zeros((5, 60)))
    places = at(ground, (2, 1), (2, 51))
    found = Terrain.of(ground).table(places, places)
    metres = straight_table(places, places).metres[0, 1]
    assert metres == pytest.approx(50 * CELL, rel=2e-3)
    assert found.metres[0, 1] == pytest.approx(metres, rel=1e-3)
    assert found.metres[0, 1] / found.minutes[0, 1] * 60 / 1000 == pytest.approx(5.0367, rel=1e-3)
    assert found.minutes[0, 0] == 0 == found.metres[0, 0]


@pytest.mark.parametrize("rise", [0.1, 0.3])
def test_up_and_down_a_slope_by_hand(rise) -> None:
    ground = relief(slope(5, 60, rise))
    low, high = at(ground, (2, 1)), at(ground, (2, 51))
    way = straight_table(low, high).metres[0, 0]
    for direction, climb in (("there", rise), ("back", -rise)):
        found = Terrain.of(ground).table(low, high, direction=direction)
        kph = 6 * math.exp(-3.5 * abs(climb + 0.05))
        assert found.minutes[0, 0] == pytest.approx(way / (kph * 1000 / 60), rel=2e-3)
        assert found.metres[0, 0] == pytest.approx(way * math.hypot(1, rise), rel=2e-3)


def test_time_grows_with_slope_and_the_walking_speed_scales_it() -> None:
    minutes, slow = [], []
    for rise in (0, 0.1, 0.2, 0.4, 0.8):
        ground = relief(slope(5, 40, rise))
        terrain, ends = Terrain.of(ground), (at(ground, (2, 1)), at(ground, (2, 31)))
        minutes.append(terrain.table(*ends).minutes[0, 0])
        slow.append(terrain.table(*ends, flat_kph=2.5).minutes[0, 0])
    assert (np.diff(minutes) > 0).all()
    np.testing.assert_allclose(np.array(slow) / minutes, 5.0367 / 2.5, rtol=1e-3)


def test_any_direction_on_the_flat_is_nearly_straight() -> None:
    ground = relief(np.zeros((80, 80)))
    middle, rim = (
        at(ground, (40, 40)),
        at(ground, *[(40 + 35 * math.sin(a), 40 + 35 * math.cos(a)) for a in np.arange(0, 6.28, 0.1)]),
    )
    ratio = Terrain.of(ground).table(middle, rim).metres / straight_table(middle, rim).metres
    assert ratio.min() >= 1 and ratio.max() < 1.035


def test_steps_are_the_way_back_of_each_other() -> None:
    assert (ROW_STEP[OPPOSITE] == -ROW_STEP).all() and (COLUMN_STEP[OPPOSITE] == -COLUMN_STEP).all()
    assert len({*zip(ROW_STEP.tolist(), COLUMN_STEP.tolist(), strict=True)}) == 16


def plainly(height: np.ndarray, dx: float, dy: float, start: tuple[int, int]) -> dict[tuple[int, int], float]:
    """Return minutes from one cell to all others, by the textbook."""

    def pace(run: float, rise: float) -> float:
        return run / (6000 / 60 * math.exp(-3.5 * abs(rise / run + 0.05)))

    def h(r: int, c: int) -> float:
        inside = 0 <= r < height.shape[0] and 0 <= c < height.shape[1]
        return float(height[r, c]) if inside else math.nan

    found, heap = {}, [(0.0, start)]
    while heap:
        minutes, (r, c) = heapq.heappop(heap)
        if (r, c) in found:
            continue
        found[r, c] = minutes
        for dr, dc in zip(ROW_STEP.tolist(), COLUMN_STEP.tolist(), strict=True):
            there, through = h(r + dr, c + dc), [h(r + a, c + b) for a, b in _between(dr, dc)]
            run, rise = math.hypot(dr * dy, dc * dx), there - h(r, c)
            if math.isnan(there) or (abs(rise) > run and abs(dr) + abs(dc) < 3):
                continue
            if abs(dr) + abs(dc) == 3:
                half = sum(through) / 2 - h(r, c)
                if math.isnan(half) or max(abs(half), abs(rise - half)) > run / 2:
                    continue
                cost = pace(run / 2, half) + pace(run / 2, rise - half)
            elif through and all(math.isnan(t) for t in through):
                continue
            else:
                cost = pace(run, rise)
            heapq.heappush(heap, (minutes + cost, (r + dr, c + dc)))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(3, 7), st.integers(3, 7), st.integers(0, 2**32 - 1), st.sampled_from([0, 4, 25, 60]), st.floats(0, 0.4)
)
def test_every_search_agrees_with_the_textbook(rows, columns, seed, relief_m, voids) -> None:
    from balance_lib.access.distance import kernel
    from balance_lib.access.distance.result import FLAT_KPH
    from balance_lib.access.distance.terrain import flat_out_m

    rng = np.random.default_rng(seed)
    height = rng.integers(0, relief_m + 1, (rows, columns)).astype(float)
    height[rng.random((rows, columns)) < voids] = np.nan
    terrain = Terrain.of(relief(height))
    dx, dy = terrain.relief.cell_m
    cells = [(int(r), int(c)) for r, c in np.argwhere(np.isfinite(height))]
    flat = np.array([[(r + RIM) * terrain.padded[1] + c + RIM, -1, -1, -1] for r, c in cells]).reshape(-1, 4)
    zero = np.where(flat >= 0, 0.0, np.inf)
    wait = np.ones((len(cells), len(cells)), dtype=bool)
    ground = kernel.Ground(*terrain.ground, 1 / flat_out_m(FLAT_KPH), 1.0)
    doors = kernel.Doors(flat, zero, zero)
    there, _ = kernel._costs(ground, doors, doors, wait, np.inf)
    back, _ = kernel._costs(ground._replace(sign=-1.0), doors, doors, wait, np.inf)
    np.testing.assert_allclose(back, there.T, rtol=1e-5, atol=1e-6)
    for i, start in enumerate(cells):
        truth = plainly(height, dx, dy, start)
        expected = [truth.get(cell, math.inf) for cell in cells]
        np.testing.assert_allclose(there[i], expected, rtol=1e-5, atol=1e-6)
        for j, cell in enumerate(cells):
            assert (terrain.part[cell] == terrain.part[start]) == math.isfinite(there[i, j])
    if len(cells) > 1:
        # From all cells at once: the nearest of the first two.
        spread = kernel.spread(ground, kernel.Doors(flat[:2, 0], np.zeros(2), np.zeros(2)), np.inf)
        at_cells = spread[0][flat[:, 0]]
        np.testing.assert_allclose(at_cells, there[:2].min(axis=0), rtol=1e-5, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 5, 40]), st.integers(1, 6), st.integers(0, 4))
def test_tables_keep_their_promises_on_any_ground(seed, relief_m, villages, schools) -> None:
    rng = np.random.default_rng(seed)
    height = rng.integers(0, relief_m + 1, (14, 11)).astype(float)
    height[rng.random(height.shape) < 0.15] = np.nan
    terrain = Terrain.of(relief(height))
    a = at(terrain.relief, *rng.uniform(-3, 15, (villages, 2)))
    b = at(terrain.relief, *rng.uniform(-3, 15, (schools, 2)))
    there, back = (terrain.table(a, b, direction=d, snap_cap_m=50) for d in ("there", "back"))
    turned = terrain.table(b, a, direction="back", snap_cap_m=50)
    np.testing.assert_allclose(turned.minutes.T, there.minutes, rtol=1e-4, atol=1e-5)
    assert (np.isfinite(there.minutes) == np.isfinite(back.minutes)).all()
    assert not (there.metres < straight_table(a, b).metres).any()
    assert sum(there.counts.values()) == villages * schools
    assert there.counts["beyond_limit"] == 0  # without a limit every connected pair is reached
    if relief_m == 0:
        np.testing.assert_allclose(there.minutes, back.minutes, rtol=1e-4, atol=1e-5)
    limited = terrain.table(a, b, snap_cap_m=50, limit_m=200, limit_min=3)
    kept = (there.metres <= 200) & (there.minutes <= 3)
    np.testing.assert_allclose(limited.minutes[kept], there.minutes[kept], rtol=1e-5)
    assert np.isnan(limited.minutes[~kept]).all()


def test_a_place_in_a_void_is_put_on_the_nearest_ground_and_says_how_far() -> None:
    height = np.zeros((20, 20))
    height[5:12, 5:12] = np.nan
    terrain = Terrain.of(relief(height))
    lake, far = at(terrain.relief, (8, 6)), at(terrain.relief, (8, 2))
    found = terrain.table(lake, far)
    assert found.origin_snap_m[0] == pytest.approx(2 * CELL, rel=1e-2)
    assert found.metres[0, 0] == pytest.approx(4 * CELL, rel=1e-2)
    assert terrain.describe()["voids"] == 49
    capped = terrain.table(lake, far, snap_cap_m=40)
    assert np.isnan(capped.metres[0, 0]) and capped.counts["off"] == 1


def test_a_river_without_a_bridge_is_not_crossed() -> None:
    ground = relief(np.zeros((30, 30)))
    river = line(ground, (-1, 15.3), (30, 14.7))
    west, east = at(ground, (15, 10)), at(ground, (15, 20))
    dry = Terrain.of(ground).table(west, east)
    wet = Terrain.of(ground, rivers=river).table(west, east)
    assert np.isfinite(dry.metres[0, 0])
    assert np.isnan(wet.metres[0, 0]) and wet.counts["no_way"] == 1 and wet.provenance["parts"] == 2
    bridge = Terrain.of(ground, rivers=river, roads=road(ground, (3, 13), (3, 17)))
    crossed = bridge.table(west, east)
    assert bridge.report["crossings"] == 1
    by_bridge = 2 * math.hypot(12, 5) * CELL
    assert crossed.metres[0, 0] == pytest.approx(by_bridge, rel=0.1)
    beside = Terrain.of(ground, rivers=river, roads=road(ground, (3, 13), (3, 14)))
    assert np.isnan(beside.table(west, east).metres[0, 0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(6, 24).map(lambda k: k / 2), min_size=13, max_size=13), st.booleans())
def test_no_river_leaks_wherever_it_bends(columns, split) -> None:
    # Vertices on the middles of cells and between them; one line or two that share a vertex.
    ground = relief(np.zeros((12, 16)))
    course = [(r - 0.5 if r else -1.5, c) for r, c in enumerate(columns)]
    course[-1] = (12.5, columns[-1])
    rivers = line(ground, *course)
    if split:
        rivers["features"] = line(ground, *course[:6])["features"] + line(ground, *course[5:])["features"]
    terrain = Terrain.of(ground, rivers=rivers)
    assert len(set(terrain.part[:, 0])) == 1 and len(set(terrain.part[:, -1])) == 1
    assert terrain.part[0, 0] != terrain.part[0, -1]
    r = 6
    open_ = Terrain.of(ground, rivers=rivers, roads=road(ground, (r, 0), (r, 15)))
    assert open_.part[0, 0] == open_.part[0, -1]


def test_a_cliff_is_not_climbed() -> None:
    height = np.zeros((10, 10))
    height[:, 5:] = 100.0
    terrain = Terrain.of(relief(height))
    assert np.isnan(terrain.table(at(terrain.relief, (5, 2)), at(terrain.relief, (5, 7))).metres[0, 0])


def test_reach_gives_every_cell_its_quickest_school() -> None:
    rng = np.random.default_rng(5)
    ground = relief(rng.uniform(0, 25, (15, 18)))
    terrain = Terrain.of(ground)
    schools = at(ground, (3, 3), (11, 14), (11, 14))
    for direction in ("there", "back"):
        minutes, metres, nearest = terrain.reach(schools, direction=direction)
        cells = [(r, c) for r in range(15) for c in range(18)]
        table = terrain.table(at(ground, *cells), schools, direction=direction)
        far = straight_table(at(ground, *cells), schools).metres.min(axis=1) > 2 * CELL
        np.testing.assert_allclose(minutes.ravel()[far], table.minutes.min(axis=1)[far], rtol=2e-3)
        assert set(nearest.ravel()) <= {0, 1, 2} and np.isfinite(metres).all()


def test_relief_in_degrees_is_put_on_metres_and_keeps_its_voids() -> None:
    height = np.add.outer(np.arange(40.0), np.arange(50.0))
    height[10:16, 20:26] = np.nan
    ground = Relief.of(height, affine.Affine(1 / 1200, 0, 109, 0, -1 / 1200, 31), 4326)
    assert ground.report["voids"] == 36 and ground.report["reprojected"] == "EPSG:4326"
    assert ground.cell_m[0] == pytest.approx(ground.cell_m[1], rel=1e-3)
    row, column = ground.cells([109 + 22.5 / 1200], [31 - 12.5 / 1200])[0]
    assert np.isnan(ground.height[round(row), round(column)])
    row, column = ground.cells([109 + 40.5 / 1200], [31 - 30.5 / 1200])[0]
    assert ground.height[round(row), round(column)] == pytest.approx(70, abs=1.5)


def test_heights_no_ground_on_earth_has_are_voids() -> None:
    ground = relief([[0.0, -32768.0, 5.0], [9999.0, 3.0, 2.0]])
    assert np.isnan(ground.height).sum() == 2 and ground.report["implausible"] == 2


def test_a_dem_that_cannot_be_used_says_why(tmp_path) -> None:
    import rasterio

    with pytest.raises(DataError) as missing:
        Relief.open(tmp_path / "dem.tif")
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(DataError) as unreadable:
        Relief.open(tmp_path / "text.tif")
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "int16"}
    with rasterio.open(tmp_path / "bare.tif", "w", **profile, transform=affine.Affine(30, 0, 0, 0, -30, 0)) as file:
        file.write(np.zeros((1, 4, 4), dtype="int16"))
    with pytest.raises(DataError) as bare:
        Relief.open(tmp_path / "bare.tif")
    with rasterio.open(
        tmp_path / "far.tif", "w", **profile, crs=UTM, transform=affine.Affine(30, 0, 5e5, 0, -30, 0)
    ) as file:
        file.write(np.zeros((1, 4, 4), dtype="int16"))
    with pytest.raises(DataError) as elsewhere:
        Relief.open(tmp_path / "far.tif", around=Places(["a"], [111.0], [31.0]))
    rules = [e.value.faults[0].rule for e in (missing, unreadable, bare, elsewhere)]
    assert rules == ["dem_missing", "dem_unreadable", "dem_crs", "dem_elsewhere"]


def test_tobler_by_hand() -> None:
    np.testing.assert_allclose(tobler_kph([-0.05, 0, 0.2]), [6, 6 * math.exp(-0.175), 6 * math.exp(-0.875)])
