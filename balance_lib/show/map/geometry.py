"""Turn places into one buffer of kilometres for the schematic map, with an index of what lies where."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SHAPES = {
    "primary": "circle",
    "junior": "square",
    "nine_year": "diamond",
    "twelve_year": "diamond",
    "complete_secondary": "diamond",
    "teaching_point": "triangle",
}
OTHER = "hexagon"
FORMS = ("circle", "square", "diamond", "triangle", OTHER)  # of kinds that no one has given a shape
HIDDEN = 255  # the kind of a school that is not drawn
LAYERS = ("townships", "rivers", "roads", "villages")


@dataclass
class Geometry:
    """Hold what the browser gets once: coordinates in kilometres and the index of parts.

    Parameters
    ----------
    xy : array of float32, shape (n, 2)
        Kilometres east and north of the middle.
    index : dict
        Which rows of ``xy`` are the outline, a township, a river, roads, villages and schools; names and ids.
    schools, villages : list of str
        Ids in the order of their points; values are sent in this order.
    """

    xy: npt.NDArray[np.float32]
    index: dict[str, Any]
    schools: list[str] = field(default_factory=list)
    villages: list[str] = field(default_factory=list)

    @cached_property
    def content(self) -> bytes:
        """Return the coordinates as they are sent."""
        return self.xy.tobytes()


@lru_cache(maxsize=64)
def _projection(lon: float, lat: float) -> Any:
    # Lazy: only pages with a map pay for PROJ.
    from pyproj import Transformer

    local = f"+proj=tmerc +lat_0={lat} +lon_0={lon} +k=1 +x_0=0 +y_0=0 +ellps=GRS80 +units=m +no_defs"
    return Transformer.from_crs("+proj=longlat +ellps=GRS80 +no_defs", local, always_xy=True)


def project(lonlat: npt.ArrayLike, middle: tuple[float, float]) -> Floats:
    """Project degrees to kilometres east and north of a middle (transverse Mercator on the GRS 80 ellipsoid).

    Parameters
    ----------
    lonlat : array of float, shape (n, 2)
        Longitude and latitude in degrees, of any of the declared systems: a drawing needs no datum shift.
    middle : (float, float)
        Longitude and latitude of the middle, degrees.

    Returns
    -------
    array of float, shape (n, 2)
        Kilometres. Within 100 km of the middle the scale is true to 1 in 8,000.
    """
    degrees = np.asarray(lonlat, dtype=float).reshape(-1, 2)
    if not len(degrees):
        return degrees
    x, y = _projection(*middle).transform(degrees[:, 0], degrees[:, 1])
    return np.column_stack([x, y]) / 1000


class PointBuffer:
    """Collect points; each part is told by its first row and its length."""

    def __init__(self) -> None:
        self.parts: list[Floats] = []
        self.length = 0

    def add(self, lonlat: npt.ArrayLike) -> list[int]:
        """Add points in degrees; return the first one's row and how many they are."""
        points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
        self.parts.append(points)
        self.length += len(points)
        return [self.length - len(points), len(points)]


def middle_of(lonlat: Floats) -> tuple[float, float]:
    """Return the middle of the box around points, in degrees; (0, 0) where there are none."""
    if not len(lonlat):
        return (0.0, 0.0)
    low, high = lonlat.min(axis=0), lonlat.max(axis=0)
    return (round(float(low[0] + high[0]) / 2, 4), round(float(low[1] + high[1]) / 2, 4))


def of_frames(
    schools: Any,
    villages: Any = None,
    outline: Any = None,
    *,
    townships: Any = None,
    rivers: Any = None,
    roads: Any = None,
) -> Geometry:
    """Collect and project what a map draws from GeoDataFrames; see :class:`balance_lib.show.map.SchematicMap`.

    Parameters
    ----------
    schools, villages, outline, townships, rivers, roads : GeoDataFrame
        All but the schools may be missing.

    Raises
    ------
    ValueError
        If a frame has no coordinate system, or ids of schools or villages stand twice.
    """
    buffer, sites = PointBuffer(), [degrees for _, degrees in _degrees(schools)]
    index: dict[str, Any] = {"outline": _lines(outline, buffer), "rivers": _lines(rivers, buffer),
                             "townships": _areas(townships, buffer), "roads": _segments(roads, buffer)}  # fmt: skip
    kind = [str(value) for value in _column(schools, ("kind", "type"), "school")]
    told = "kind" in schools or "type" in schools  # else all are alike, and the legend is silent about it
    index["schools"] = _points(schools, sites, ("school_id", "id"), buffer)
    homes = [] if villages is None else [degrees for _, degrees in _degrees(villages)]
    index["villages"] = _points(villages, homes, ("village_id", "id"), buffer)
    largest = schools["pupils"].max() if "pupils" in schools else 0  # counties have more than a school can
    index["most_pupils"] = max(2000.0, float(largest)) if largest == largest else 2000.0
    index["unplaced"] = int((~_known(sites)).sum())
    index["kinds"] = [
        {"key": key, "shape": SHAPES.get(key) or FORMS[n % len(FORMS)], **dict.fromkeys(("label", "group"), key * told)}
        for n, key in enumerate(dict.fromkeys(kind))
    ]
    lonlat = np.concatenate(buffer.parts) if buffer.parts else np.empty((0, 2))
    middle = middle_of(lonlat[~np.isnan(lonlat).any(axis=1)])
    index["middle"] = list(middle)
    for town in index["townships"]:
        town["at"] = [round(float(value), 3) for value in project([town.pop("lonlat")], middle)[0]]
    index["layers"] = [name for name in LAYERS if (index[name]["id"] if name == "villages" else index[name])]
    index["layers"].append("labels")
    return Geometry(
        xy=project(lonlat, middle).astype(np.float32), index=index,
        schools=list(index["schools"]["id"]), villages=list(index["villages"]["id"]),
    )  # fmt: skip


def placed(frame: Any) -> npt.NDArray[np.bool_]:
    """Tell which places of a frame have a shape with coordinates; a map draws these, in their order."""
    return _known([point for _, point in _degrees(frame)])


def _known(points: list[list[float]]) -> npt.NDArray[np.bool_]:
    return np.isfinite(np.array(points, float).reshape(-1, 2)).all(axis=1)


def _degrees(frame: Any) -> list[tuple[Any, list[float]]]:
    """Return each shape in degrees with a point inside it; nothing where there is no shape."""
    if not hasattr(frame, "crs"):
        raise TypeError("not a GeoDataFrame; of a table with lon and lat: geopandas.GeoDataFrame(table, "
                        "geometry=geopandas.points_from_xy(table.lon, table.lat), crs=4326)")  # fmt: skip
    if frame.crs is None:
        raise ValueError("the frame says no coordinate system; say it with set_crs, such as .set_crs(4326)")
    shapes = list(frame.geometry.to_crs(4326) if frame.crs.to_epsg() not in (4326, 4490) else frame.geometry)
    return [(s, [np.nan, np.nan] if s is None or s.is_empty else _inside(s)) for s in shapes]


def _inside(shape: Any) -> list[float]:
    point = shape if shape.geom_type == "Point" else shape.representative_point()
    return [point.x, point.y]


def _column(frame: Any, names: tuple[str, ...], default: Any = None) -> list[Any]:
    """Return the first of these columns a frame has, else the default for each row, else the row's label."""
    name = next((name for name in names if name in frame), None)
    if name is None:
        return [default] * len(frame) if default is not None else [str(label) for label in frame.index]
    return ["" if value is None or value != value else value for value in frame[name]]


def _points(frame: Any, degrees: list[list[float]], keys: tuple[str, ...], buffer: PointBuffer) -> dict[str, Any]:
    if frame is None:
        return {"start": buffer.add(np.empty((0, 2)))[0], "id": [], "name": [], "town": []}
    here = _known(degrees)
    start, _ = buffer.add(np.array(degrees, float).reshape(-1, 2)[here])
    ids, names = _column(frame, keys), _column(frame, ("name_zh", "name", "name_en"))
    if len(set(ids)) < len(ids):
        raise ValueError(f"ids stand twice in the column {next((k for k in keys if k in frame), 'index')}")
    towns = _column(frame, ("township",), "")
    return {
        "start": start, "id": [str(i) for i, there in zip(ids, here, strict=True) if there],
        "name": [str(n) for n, there in zip(names, here, strict=True) if there],
        "town": [str(t) for t, there in zip(towns, here, strict=True) if there],
    }  # fmt: skip


def _rings(shape: Any) -> list[Floats]:
    import shapely  # only who draws lines and areas pays for it

    lines = [shapely.get_rings(part) if "Polygon" in part.geom_type else [part] for part in shapely.get_parts([shape])]
    return [shapely.get_coordinates(line) for group in lines for line in group]


def _lines(frame: Any, buffer: PointBuffer) -> list[list[int]]:
    shapes = [] if frame is None else [shape for shape, _ in _degrees(frame) if shape is not None]
    return [buffer.add(ring) for shape in shapes for ring in _rings(shape)]


def _areas(frame: Any, buffer: PointBuffer) -> list[dict[str, Any]]:
    if frame is None:
        return []
    names = _column(frame, ("township", "name_zh", "name", "name_en"))
    return [
        {"name": str(name), "rings": [buffer.add(ring) for ring in _rings(shape)], "lonlat": inside}
        for name, (shape, inside) in zip(names, _degrees(frame), strict=True) if shape is not None
    ]  # fmt: skip


def _segments(frame: Any, buffer: PointBuffer) -> dict[str, list[int]]:
    if frame is None:
        return {}
    kinds = [str(kind) for kind in _column(frame, ("kind",), "road")]
    found: dict[str, list[Floats]] = {}
    for kind, (shape, _) in zip(kinds, _degrees(frame), strict=True):
        for line in [] if shape is None else _rings(shape):
            found.setdefault(kind, []).append(np.hstack([line[:-1], line[1:]]).reshape(-1, 2))
    out = {}
    for kind, parts in found.items():
        start, points = buffer.add(np.concatenate(parts))
        out[kind] = [start, points // 2]
    return out
