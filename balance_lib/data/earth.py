"""Measure on the ground between longitudes and latitudes: straight lines, a plane, lengths in degrees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
EQUATOR_M = 111_320.0  # one degree of longitude at the equator


def straight_m(
    from_lon: npt.ArrayLike, from_lat: npt.ArrayLike, to_lon: npt.ArrayLike, to_lat: npt.ArrayLike
) -> Floats:
    """Measure straight lines over the ground between pairs of places.

    The length of the geodesic on the WGS-84 ellipsoid; CGCS2000 differs by less than a millimetre a kilometre. A
    straight line understates every walk: it knows no river and no mountain.

    Parameters
    ----------
    from_lon, from_lat, to_lon, to_lat : array of float, shape (n,)
        Degrees, WGS-84 or CGCS2000.

    Returns
    -------
    array of float, shape (n,)
        Metres; NaN where a coordinate is missing.

    Examples
    --------
    One degree of latitude at the equator:

    >>> straight_m([109.0], [0.0], [109.0], [1.0]).round(0).tolist()
    [110574.0]
    """
    from pyproj import Geod

    points = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (from_lon, from_lat, to_lon, to_lat)))
    known = np.isfinite(points).all(axis=0)
    out = np.full(points[0].shape, np.nan)
    if known.any():
        out[known] = Geod(ellps="WGS84").inv(*(p[known] for p in points))[2]
    return out


class Plane:
    """Lay longitudes and latitudes flat around a place: metres east and north, good to a percent over 2 degrees."""

    def __init__(self, lon: float, lat: float) -> None:
        self.lon, self.lat = lon, lat
        self.east, self.north = EQUATOR_M * np.cos(np.radians(lat)), 110_574.0 + 1_120.0 * np.sin(np.radians(lat)) ** 2

    def __call__(self, points: Any) -> Floats:
        """Return metres for an array of (lon, lat) rows."""
        points = np.asarray(points, dtype="float64").reshape(-1, 2)
        return np.column_stack([(points[:, 0] - self.lon) * self.east, (points[:, 1] - self.lat) * self.north])

    def degrees(self, metres: float) -> tuple[float, float]:
        """Return how many degrees of longitude and of latitude a length is; at the poles as 84 degrees north."""
        return metres / max(self.east, 0.1 * EQUATOR_M), metres / self.north
