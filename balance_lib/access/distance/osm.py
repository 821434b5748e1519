"""Read roads, paths and rivers out of an OpenStreetMap extract (.osm.pbf)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balance_lib._errors import DataError, Fault
from balance_lib.access.distance.places import _to_xyz, over_ground
from balance_lib.data import tables
from balance_lib.extras import need

# Ways nobody may or can walk along, whatever else is said of them.
CLOSED = frozenset(
    [
        *("motorway", "motorway_link", "construction", "proposed", "planned", "abandoned"),
        *("razed", "demolished", "disused", "raceway", "bus_guideway", "busway"),
        *("corridor", "elevator", "platform", "rest_area", "services", "no"),
    ]
)
# Ways whose walkers must be named: by default they are for others.
OTHERS = frozenset(["cycleway"])
WALKERS = frozenset(["yes", "designated", "permissive", "official", "destination"])
SHUT = frozenset(["no", "private", "military", "use_sidepath"])
PATHS = frozenset(["path", "footway", "track", "steps", "bridleway", "cycleway", "via_ferrata"])
STREETS = frozenset(["residential", "living_street", "service", "pedestrian"])
RIVERS = frozenset(["river", "canal", "riverbank"])


@dataclass(frozen=True)
class Extract:
    """Hold what an extract says about walking.

    Parameters
    ----------
    edges : DataFrame
        Canonical table ``edges``: every straight piece of every way that may be walked, both directions in one row.
    rivers : GeoJSON mapping
        Rivers and canals as lines; streams are stepped across.
    report : mapping of str to int
        ``ways`` with a highway tag, ``_walkable`` among them, ``closed`` to walkers, ``cut`` (ways of which the extract
        lacks nodes: the pieces it has are used), ``rivers``.
    """

    edges: pd.DataFrame
    rivers: dict[str, Any]
    report: Mapping[str, int]


def read_osm(path: str | Path) -> Extract:
    """Read an OpenStreetMap extract.

    Pedestrians may not use motorways, nor what is closed to them (``foot=no``, ``motorroad=yes``, private without a
    right of way). Direction is ignored: one-way streets bind vehicles.

    Parameters
    ----------
    path : str or Path
        An ``.osm.pbf`` (or any file osmium reads).

    Raises
    ------
    DataError
        If the file cannot be read as an extract.

    Notes
    -----
    Data © OpenStreetMap contributors, ODbL 1.0: name them where its roads are shown.
    """
    need("terrain")
    import osmium

    report = dict.fromkeys(("ways", "walkable", "closed", "cut", "rivers"), 0)
    roads: list[tuple[str, Any, Any, Any]] = []
    courses: list[dict[str, Any]] = []
    try:
        if not Path(path).is_file():
            raise FileNotFoundError(path)
        for way in osmium.FileProcessor(str(path), osmium.osm.NODE | osmium.osm.WAY).with_locations():
            if not way.is_way():
                continue
            tags = dict(way.tags)
            if tags.get("waterway") in RIVERS:
                courses += _courses(way, tags)
            if "highway" not in tags:
                continue
            report["ways"] += 1
            if not _walkable(tags):
                report["closed"] += 1
                continue
            report["walkable"] += 1
            ref, lon, lat = _nodes(way)
            report["cut"] += bool(np.isnan(lon).any())
            roads.append((_kind(tags), ref, lon, lat))
    except (RuntimeError, OSError) as error:
        raise DataError([Fault("osm_unreadable", Path(path).name, found=str(error).splitlines()[0])]) from error
    report["rivers"] = len(courses)
    return Extract(_edges(roads), {"type": "FeatureCollection", "features": courses}, report)


def _walkable(tags: Mapping[str, str]) -> bool:
    """Tell from a way's tags whether people may walk along it.

    Examples
    --------
    >>> _walkable({"highway": "residential"}), _walkable({"highway": "motorway"})
    (True, False)
    >>> _walkable({"highway": "track", "access": "no"}), _walkable({"highway": "track", "access": "no", "foot": "yes"})
    (False, True)
    """
    highway, foot = tags.get("highway", "no"), tags.get("foot")
    if highway in CLOSED or tags.get("motorroad") == "yes" or foot in SHUT:
        return False
    if foot in WALKERS:
        return True
    return highway not in OTHERS and tags.get("access") not in SHUT


def _kind(tags: Mapping[str, str]) -> str:
    """Return the canonical kind of a way: bridge, path, street or road."""
    if tags.get("bridge", "no") != "no":
        return "bridge"
    highway = tags["highway"]
    return "path" if highway in PATHS else "street" if highway in STREETS else "road"


def _nodes(way: Any) -> tuple[Any, Any, Any]:
    """Return the references and places of a way's nodes; NaN for nodes the extract lacks."""
    where = [(n.ref, n.lon, n.lat) if n.location.valid() else (n.ref, np.nan, np.nan) for n in way.nodes]
    ref, lon, lat = zip(*where, strict=True) if where else ((), (), ())
    return np.array(ref, dtype=np.int64), np.array(lon, dtype=float), np.array(lat, dtype=float)


def _courses(way: Any, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    _, lon, lat = _nodes(way)
    known = np.isfinite(lon)
    if known.sum() < 2:
        return []
    line = [[float(a), float(b)] for a, b in zip(lon[known], lat[known], strict=True)]
    geometry = {"type": "LineString", "coordinates": line}
    return [
        {
            "type": "Feature",
            "properties": {"name": tags.get("name", ""), "waterway": tags["waterway"]},
            "geometry": geometry,
        }
    ]


def _edges(roads: list[tuple[str, Any, Any, Any]]) -> pd.DataFrame:
    """Return the straight pieces of ways, each pair of nodes once."""
    kinds, refs, lons, lats = ([way[i] for way in roads] for i in range(4))

    def ends(values: list[Any]) -> tuple[Any, Any]:
        empty = [np.zeros(0)]
        return np.concatenate([v[:-1] for v in values] or empty), np.concatenate([v[1:] for v in values] or empty)

    (a, b), (lon_a, lon_b), (lat_a, lat_b) = ends(refs), ends(lons), ends(lats)
    length = over_ground(np.linalg.norm(_to_xyz(lon_a, lat_a) - _to_xyz(lon_b, lat_b), axis=-1))
    frame = pd.DataFrame(
        {
            "from_node": a.astype(np.int64),
            "to_node": b.astype(np.int64),
            "from_lon": lon_a,
            "from_lat": lat_a,
            "to_lon": lon_b,
            "to_lat": lat_b,
            "length_m": length,
            "kind": np.repeat(kinds, [max(len(r) - 1, 0) for r in refs]) if roads else np.zeros(0, dtype=str),
        }
    )
    frame = frame[np.isfinite(frame["length_m"]) & (frame["from_node"] != frame["to_node"])]
    frame = frame.drop_duplicates(["from_node", "to_node"])
    return tables.conform(frame.astype({"from_node": "str", "to_node": "str"}), "edges")
