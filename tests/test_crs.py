"""Coordinates come out where the published implementations put them, and come back where they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balance_lib._errors import NotFoundError
from balance_lib.data import crs

# Published with eviltransform (its tests in seven languages): WGS-84 lat, lon, GCJ-02 lat, lon.
SHANGHAI_SHENZHEN_BEIJING = [
    (31.1774276, 121.5272106, 31.17530398364597, 121.531541859215),
    (22.543847, 113.912316, 22.540796131694766, 113.9171764808363),
    (39.911954, 116.377817, 39.91334545536069, 116.38404722455657),
]
# Mainland counties: away from the edges of the box, where the shift jumps to nothing.
LON, LAT = st.floats(73.5, 134.5), st.floats(18.0, 53.5)


def metres(lon: float, lat: float, lon2: float, lat2: float) -> float:
    return float(np.hypot((lon2 - lon) * np.cos(np.radians(lat)), lat2 - lat) * 111_320)


@pytest.mark.parametrize(("lat", "lon", "gcj_lat", "gcj_lon"), SHANGHAI_SHENZHEN_BEIJING)
def test_wgs_to_gcj_matches_the_published_points(lat: float, lon: float, gcj_lat: float, gcj_lon: float) -> None:
    x, y = crs.convert([lon], [lat], "WGS84", "GCJ02")
    # eviltransform takes another semi-major axis (6378137 m): 2e-5 of a shift of 600 m.
    assert metres(x[0], y[0], gcj_lon, gcj_lat) < 0.05
    back = crs.convert(x, y, "GCJ02", "WGS84")
    assert metres(back[0][0], back[1][0], lon, lat) < 1e-4


def test_matches_the_points_published_with_coordtransform() -> None:
    lon, lat = [116.404], [39.915]
    assert np.allclose(crs.convert(lon, lat, "WGS84", "GCJ02"), [[116.41024449916938], [39.91640428150164]], atol=1e-11)
    assert np.allclose(crs.convert(lon, lat, "GCJ02", "BD09"), [[116.41036949371029], [39.92133699351021]], atol=1e-11)
    # The published way back from BD-09 is an approximation; iteration must lie within a metre of it.
    x, y = crs.convert(lon, lat, "BD09", "GCJ02")
    assert metres(x[0], y[0], 116.39762729119315, 39.90865673957631) < 1.0


def test_bd_to_wgs_matches_an_independent_implementation() -> None:
    # coord-convert 0.2.1 (PyPI), which goes back from BD-09 in one step: some decimetres off.
    x, y = crs.convert([120.019809, 120.036455], [29.199786, 29.210504], "BD09", "WGS84")
    assert metres(x[0], y[0], 120.00874001334354, 29.1962197166185) < 1.0
    assert metres(x[1], y[1], 120.02528297888101, 29.207157876940826) < 1.0


@given(LON, LAT, st.sampled_from(["GCJ02", "BD09"]), st.sampled_from(["WGS84", "CGCS2000", "GCJ02"]))
def test_to_and_fro_comes_back_within_a_centimetre(lon: float, lat: float, there: str, here: str) -> None:
    x, y = crs.convert(*crs.convert([lon], [lat], here, there), there, here)
    assert metres(x[0], y[0], lon, lat) < 0.01
    x, y = crs.convert(*crs.convert([lon], [lat], there, here), here, there)
    assert metres(x[0], y[0], lon, lat) < 0.01


@given(LON, LAT)
def test_the_shift_is_some_hundred_metres(lon: float, lat: float) -> None:
    x, y = crs.convert([lon], [lat], "WGS84", "GCJ02")
    assert 5 < metres(lon, lat, x[0], y[0]) < 1200


def test_many_points_at_once_and_no_data_stays_no_data() -> None:
    lon, lat = crs.convert([109.5, np.nan, 105.9], [31.4, 33.0, np.nan], "GCJ02", "WGS84")
    alone = crs.convert([109.5], [31.4], "GCJ02", "WGS84")
    assert (lon[0], lat[0]) == (alone[0][0], alone[1][0])
    assert np.isnan(lon[1]) and np.isnan(lat[2])


def test_outside_china_gcj_is_wgs() -> None:
    lon, lat = crs.convert([30.58, -5.9], [-28.7, 54.6], "GCJ02", "WGS84")
    assert lon.tolist() == [30.58, -5.9] and lat.tolist() == [-28.7, 54.6]


def test_cgcs2000_is_taken_as_wgs84_and_unknown_names_are_refused() -> None:
    assert crs.same("CGCS2000", "WGS84") and not crs.same("GCJ02", "WGS84")
    lon, lat = crs.convert([109.5], [31.4], "CGCS2000", "WGS84")
    assert (lon[0], lat[0]) == (109.5, 31.4)
    with pytest.raises(NotFoundError, match="BD09"):
        crs.convert([1.0], [2.0], "EPSG:1", "WGS84")


def test_a_whole_layer_is_converted_and_keeps_everything_else() -> None:
    ring = [[109.5, 31.4], [109.6, 31.4], [109.6, 31.5], [109.5, 31.4]]
    layer = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "甲"},
                "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]},
            },
            {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [109.5, 31.4, 820.0]}},
            {"type": "Feature", "properties": {}, "geometry": None},
        ],
    }
    out = crs.convert_geometry(layer, "WGS84", "GCJ02")
    x, y = crs.convert([109.5], [31.4], "WGS84", "GCJ02")
    assert out["features"][0]["geometry"]["coordinates"][0][0][0] == [x[0], y[0]]
    assert out["features"][0]["properties"] == {"name": "甲"}
    assert out["features"][1]["geometry"]["coordinates"] == [x[0], y[0], 820.0]
    assert layer["features"][1]["geometry"]["coordinates"] == [109.5, 31.4, 820.0]
