"""Convert coordinates between WGS-84, CGCS2000, GCJ-02 and BD-09; nothing is converted unless asked for.

GCJ-02 ("Mars coordinates", used by every Chinese map but Baidu's) and BD-09 (Baidu) shift a point by 50-700 m. The
authority never published them; the formulas here are the ones all open implementations share (first written down for
the eviltransform and coordtransform projects), which agree with the map services to about a metre. CGCS2000 is a frame
of its own but differs from WGS-84 by less than a metre: it is taken as equal, and whoever converts is told so.

No library does this well enough to lean on for ten years (the known ones are scalar, stop at 1e-6 degrees, or ship
binaries), so the hundred lines stand here, held against their published points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from balance_lib import locale
from balance_lib._errors import NotFoundError
from balance_lib.data.county import CRS_NAMES

Points = tuple[NDArray[np.float64], NDArray[np.float64]]

# Krasovsky 1940, as in the published formula.
SEMI_MAJOR_M = 6378245.0
ECCENTRICITY_SQUARED = 0.00669342162296594323
# Outside this box GCJ-02 is WGS-84.
BOX = (72.004, 0.8293, 137.8347, 55.8271)
BD_ANGLE = np.pi * 3000.0 / 180.0
TOLERANCE = 1e-10  # degrees, about 0.01 mm
STEPS = 30


def convert(lon: ArrayLike, lat: ArrayLike, source: str, target: str) -> Points:
    """Convert longitudes and latitudes from one declared coordinate system to another.

    Parameters
    ----------
    lon, lat : array_like of float, shape (n,)
        Degrees. NaN stays NaN.
    source, target : {"WGS84", "CGCS2000", "GCJ02", "BD09"}
        Coordinate systems. WGS84 and CGCS2000 are taken as equal (they differ by less than 1 m). The source may also
        be a projection such as ``EPSG:4523``; then ``lon`` are metres east and ``lat`` metres north.

    Returns
    -------
    (lon, lat) : tuple of ndarray of float64, shape (n,)

    Raises
    ------
    NotFoundError
        If a coordinate system is not one of the four.

    Notes
    -----
    GCJ-02 to WGS-84 and BD-09 to GCJ-02 invert the forward formula by iteration to 1e-10 degrees, so that a point
    converted to and fro comes back to the same place. Only inside the box 72-138 E, 0.8-55.8 N does GCJ-02 differ
    from WGS-84; it is not used in Hong Kong, Macao and Taiwan, which the box cannot tell apart.

    Examples
    --------
    >>> lon, lat = convert([121.5272106], [31.1774276], "WGS84", "GCJ02")
    >>> round(float(lon[0]), 6), round(float(lat[0]), 6)
    (121.531542, 31.175304)
    """
    points: Points = (np.array(lon, dtype="float64"), np.array(lat, dtype="float64"))
    for step in _route(source, target):
        points = step(points)
    return points


def known(name: object) -> bool:
    """Tell whether a coordinate system can be converted from: one of the four, or a projection by its EPSG code.

    Examples
    --------
    >>> known("GCJ02"), known("EPSG:4523"), known("EPSG:1"), known(None)
    (True, True, False, False)
    """
    return name in CRS_NAMES or _projection(str(name)) is not None


@cache
def _projection(name: str) -> Any:
    """Return what turns a projection's metres into WGS-84 degrees; None if EPSG knows no such code."""
    from pyproj import Transformer
    from pyproj.exceptions import CRSError, ProjError

    if not name.startswith("EPSG:"):
        return None
    try:
        return Transformer.from_crs(name, "EPSG:4326", always_xy=True)
    except (CRSError, ProjError):
        return None


def same(source: str, target: str) -> bool:
    """Tell whether two coordinate systems are taken as equal: no coordinate changes between them.

    Parameters
    ----------
    source : str
        Coordinate system it is in.
    target : str
        Coordinate system wanted.
    """
    return not _route(source, target)


def record(files: Sequence[str], source: str, points: int, target: str = "WGS84") -> dict[str, Any]:
    """Return what provenance says of a change of coordinate system, in words of both languages.

    Parameters
    ----------
    files : sequence of str
        Files whose places were converted.
    source : str
        Coordinate system it is in.
    points : int
        How many places were converted.
    target : str
        Coordinate system wanted.

    Examples
    --------
    >>> record(["points.csv"], "GCJ02", 12)["en"]
    '12 point(s) were converted from GCJ02, as declared, to WGS84.'
    """
    which = "intake.taken_as" if same(source, target) else "intake.converted"
    values = {"source": source, "target": target, "n": points}
    return {
        "files": list(files),
        "conversion": {"from": source, "to": target, "points": points},
        **{lang: locale.text(which, lang, **values) for lang in locale.LANGUAGES},
    }


def convert_geometry(geometry: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    """Convert every coordinate of a GeoJSON geometry, feature or collection; the rest is kept as it is.

    Parameters
    ----------
    geometry : GeoJSON mapping
    source, target : str
        As in :func:`convert`.
    """
    if same(source, target):
        return geometry
    out = dict(geometry)
    if "coordinates" in geometry:
        out["coordinates"] = _convert_nested(geometry["coordinates"], source, target)
    for key in ("features", "geometries"):
        if key in geometry:
            out[key] = [convert_geometry(part, source, target) for part in geometry[key]]
    if geometry.get("geometry"):
        out["geometry"] = convert_geometry(geometry["geometry"], source, target)
    return out


def _convert_nested(coordinates: Any, source: str, target: str) -> Any:
    if coordinates and not isinstance(coordinates[0], (list, tuple)):
        lon, lat = convert([coordinates[0]], [coordinates[1]], source, target)
        return [float(lon[0]), float(lat[0]), *coordinates[2:]]
    if coordinates and not isinstance(coordinates[0][0], (list, tuple)):
        lon, lat = convert([p[0] for p in coordinates], [p[1] for p in coordinates], source, target)
        rest = [list(p[2:]) for p in coordinates]
        return [[float(x), float(y), *more] for x, y, more in zip(lon, lat, rest, strict=True)]
    return [_convert_nested(part, source, target) for part in coordinates]


def _route(source: str, target: str) -> list[Callable[[Points], Points]]:
    """Return the steps from one system to the other along BD09 - GCJ02 - WGS84."""
    if (projection := _projection(source)) is not None:
        return [lambda points: projection.transform(*points), *_route("WGS84", target)]
    for name in (source, target):
        if name not in CRS_NAMES:
            raise NotFoundError("crs", name, CRS_NAMES)
    line = {"WGS84": 0, "CGCS2000": 0, "GCJ02": 1, "BD09": 2}
    away, back = (_to_gcj, _to_bd), (_from_gcj, _from_bd)
    start, end = line[source], line[target]
    if start <= end:
        return list(away[start:end])
    return [back[i] for i in range(start - 1, end - 1, -1)]


def _to_gcj(points: Points) -> Points:
    lon, lat = points
    inside = (lon >= BOX[0]) & (lon <= BOX[2]) & (lat >= BOX[1]) & (lat <= BOX[3])
    dlon, dlat = _shift(lon, lat)
    return np.where(inside, lon + dlon, lon), np.where(inside, lat + dlat, lat)


def _from_gcj(points: Points) -> Points:
    return _invert(_to_gcj, points)


def _to_bd(points: Points) -> Points:
    lon, lat = points
    radius = np.hypot(lon, lat) + 2e-5 * np.sin(lat * BD_ANGLE)
    angle = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * BD_ANGLE)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def _from_bd(points: Points) -> Points:
    return _invert(_to_bd, points)


def _invert(forward: Callable[[Points], Points], points: Points) -> Points:
    """Find the points that ``forward`` sends to the given ones: guess, look how far off, go back by as much."""
    lon, lat = (coordinate.copy() for coordinate in points)
    for _ in range(STEPS):
        there = forward((lon, lat))
        off = points[0] - there[0], points[1] - there[1]
        lon, lat = lon + off[0], lat + off[1]
        if not np.any(np.hypot(*off) > TOLERANCE):
            break
    return lon, lat


def _shift(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Points:
    """Return the published GCJ-02 shift in degrees."""
    x, y = lon - 105.0, lat - 35.0
    wave = 20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    north += 2.0 / 3.0 * (wave + _waves(y, (20.0, 1.0), (40.0, 3.0), (160.0, 12.0), (320.0, 30.0)))
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    east += 2.0 / 3.0 * (wave + _waves(x, (20.0, 1.0), (40.0, 3.0), (150.0, 12.0), (300.0, 30.0)))
    phi = np.radians(lat)
    flatness = 1.0 - ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    meridian_m = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_SQUARED) / flatness**1.5
    parallel_m = SEMI_MAJOR_M / np.sqrt(flatness) * np.cos(phi)
    return np.degrees(east / parallel_m), np.degrees(north / meridian_m)


def _waves(at: NDArray[np.float64], *waves: tuple[float, float]) -> NDArray[np.float64]:
    return np.sum([size * np.sin(at * np.pi / length) for size, length in waves], axis=0)
