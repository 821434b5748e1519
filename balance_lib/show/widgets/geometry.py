"""Turn a county's places into one buffer of kilometres for the schematic map, with an index of what lies where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import locale
from balance_lib.data import tables
from balance_lib.data.county import County

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
LAYERS = ("townships", "rivers", "roads", "villages")


@dataclass
class Geometry:
    """Hold what the browser gets once: coordinates in kilometres and the index of parts.

    Parameters
    ----------
    xy : array of float32, shape (n, 2)
        Kilometres east and north of the county's middle.
    index : dict
        Which rows of ``xy`` are the outline, a township, a river, roads, villages and schools; names and ids.
    schools, villages : list of str
        Ids in the order of their points; values are sent in this order.
    """

    xy: npt.NDArray[np.float32]
    index: dict[str, Any]
    schools: list[str] = field(default_factory=list)
    villages: list[str] = field(default_factory=list)


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


class _Buffer:
    """Collect points; each part is told by its first row and its length."""

    def __init__(self) -> None:
        self.parts: list[Floats] = []
        self.length = 0

    def add(self, lonlat: npt.ArrayLike) -> list[int]:
        points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
        self.parts.append(points)
        self.length += len(points)
        return [self.length - len(points), len(points)]


def geometry(county: County, lang: str = "zh") -> Geometry:
    """Collect and project everything of a county that a map draws.

    Places without coordinates are left out and counted: ``index["unplaced"]`` schools.
    """
    buffer = _Buffer()
    towns = county.tables["townships"]
    index: dict[str, Any] = {
        "outline": [buffer.add(ring) for shape in _shapes(county, "outline.geojson") for ring in _rings(shape)],
        "townships": _townships(county, buffer),
        "rivers": [buffer.add(line) for shape in _shapes(county, "rivers.geojson") for line in _rings(shape)],
        "roads": _roads(county.tables["edges"], buffer),
    }
    schools, villages = _placed(county.tables["schools"]), _placed(county.tables["villages"])
    index["schools"] = _points(schools, "school_id", lang, buffer)
    index["villages"] = _points(villages, "village_id", lang, buffer)
    index["unplaced"] = len(county.tables["schools"]) - len(schools)
    index["kinds"] = kinds(lang)
    lonlat = np.concatenate(buffer.parts) if buffer.parts else np.empty((0, 2))
    middle = _middle(lonlat)
    index["middle"] = list(middle)
    _place_names(index["townships"], towns, middle)
    index["layers"] = [name for name in ("townships", "rivers", "roads", "villages") if _there(index, name)] + [
        "labels"
    ]
    return Geometry(
        xy=project(lonlat, middle).astype(np.float32),
        index=index,
        schools=list(schools["school_id"]),
        villages=list(villages["village_id"]),
    )


def kinds(lang: str = "zh") -> list[dict[str, str]]:
    """Return every kind of school with its shape, its name, and the name of the shape in a legend."""
    column = tables.table("schools").columns["kind"]
    out = []
    for key, zh in (column.choices or {}).items():
        shape = SHAPES.get(key, OTHER)
        label = zh if lang == "zh" else key.replace("_", " ")
        out.append({"key": key, "shape": shape, "label": label, "group": locale.text(f"map.shape_{shape}", lang)})
    return out


def _there(index: Mapping[str, Any], name: str) -> bool:
    part = index[name]
    return bool(part["id"]) if name == "villages" else bool(part)


def _middle(lonlat: Floats) -> tuple[float, float]:
    if not len(lonlat):
        return (0.0, 0.0)
    low, high = lonlat.min(axis=0), lonlat.max(axis=0)
    return (round(float(low[0] + high[0]) / 2, 4), round(float(low[1] + high[1]) / 2, 4))


def _placed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["lon"].notna() & frame["lat"].notna()].reset_index(drop=True)


def _points(frame: pd.DataFrame, key: str, lang: str, buffer: _Buffer) -> dict[str, Any]:
    start, _ = buffer.add(frame[["lon", "lat"]].to_numpy(dtype=float))
    names = frame["name_zh"] if lang == "zh" else frame["name_en"].fillna(frame["name_zh"])
    return {
        "start": start,
        "id": list(frame[key]),
        "name": list(names.fillna("")),
        "town": list(frame["township"].fillna("")),
    }


def _shapes(county: County, layer: str) -> Iterable[Mapping[str, Any]]:
    for feature in (county.layers.get(layer) or {}).get("features", []):
        if feature.get("geometry"):
            yield feature["geometry"]


def _rings(shape: Mapping[str, Any]) -> list[Floats]:
    """Return every line of a GeoJSON shape, whatever its type; heights are dropped."""
    found: list[Floats] = []

    def descend(coordinates: Sequence[Any]) -> None:
        if coordinates and isinstance(coordinates[0], (list, tuple)) and isinstance(coordinates[0][0], (int, float)):
            found.append(np.array([point[:2] for point in coordinates], dtype=float))
        else:
            for inner in coordinates:
                if isinstance(inner, (list, tuple)):
                    descend(inner)

    for part in shape.get("geometries", [shape]):
        descend(part.get("coordinates", []))
    return found


def _townships(county: County, buffer: _Buffer) -> list[dict[str, Any]]:
    out = []
    for feature in (county.layers.get("townships.geojson") or {}).get("features", []):
        facts = feature.get("properties") or {}
        name = facts.get("township") or facts.get("name_zh") or facts.get("name") or ""
        rings = _rings(feature.get("geometry") or {})
        label = _inside(feature["geometry"]) if rings else None
        out.append({"name": name, "rings": [buffer.add(ring) for ring in rings], "lonlat": label})
    named = {town["name"] for town in out}
    table = county.tables["townships"]
    out += [{"name": name, "rings": [], "lonlat": None} for name in table["township"] if name not in named]
    return out


def _inside(shape: Mapping[str, Any]) -> list[float] | None:
    from shapely.geometry import shape as read

    drawn = read(shape)
    if drawn.is_empty:
        return None
    point = drawn.representative_point()
    return [point.x, point.y]


def _place_names(towns: list[dict[str, Any]], table: pd.DataFrame, middle: tuple[float, float]) -> None:
    """Set the label of each township: in its polygon, else at its seat; drop what neither places."""
    seats = {row.township: [row.lon, row.lat] for row in _placed(table).itertuples()}
    for town in towns:
        lonlat = town.pop("lonlat") or seats.get(town["name"])
        town["at"] = None if lonlat is None else [round(float(v), 3) for v in project([lonlat], middle)[0]]


def _roads(edges: pd.DataFrame, buffer: _Buffer) -> dict[str, list[int]]:
    corners = ["from_lon", "from_lat", "to_lon", "to_lat"]
    placed = edges[edges[corners].notna().all(axis=1)]
    out = {}
    for kind, rows in placed.groupby(placed["kind"].fillna("road")):
        start, points = buffer.add(rows[corners].to_numpy(dtype=float))
        out[str(kind)] = [start, points // 2]
    return out
