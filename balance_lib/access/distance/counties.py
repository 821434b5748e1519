"""Measure a county: from its villages to its schools, by whichever way it has data for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from balance_lib._errors import DataError, Fault, NotFoundError
from balance_lib.access.distance.cache import _kept, digest
from balance_lib.access.distance.network import SNAP_CAP_M, Network
from balance_lib.access.distance.osm import Extract, read_osm
from balance_lib.access.distance.places import Places
from balance_lib.access.distance.result import DIRECTIONS, FLAT_KPH, MODES, Direction, Mode, ODTable
from balance_lib.access.distance.straight import check_detour, straight_table
from balance_lib.access.distance.terrain import Terrain
from balance_lib.data import crs
from balance_lib.data.county import County

DEM, RIVERS = "dem.tif", "rivers.geojson"


def od(  # noqa: PLR0913 (what people type)
    county: County,
    year: int | None = None,
    *,
    mode: Mode = "straight",
    origins: Literal["villages"] | pd.DataFrame = "villages",
    destinations: Literal["schools"] | pd.DataFrame = "schools",
    limit_m: float | None = None,
    limit_min: float | None = None,
    detour: float = 1.0,
    direction: Direction = "there",
    snap_cap_m: float = SNAP_CAP_M,
    flat_kph: float = FLAT_KPH,
    keep: bool = True,
) -> ODTable:
    """Measure what it costs to walk from a county's villages to its schools.

    Parameters
    ----------
    county : County
    year : int, optional
        Only schools open in that school year (by ``opened_year`` and ``closed_year``); all of the table by default.
    mode : {"straight", "network", "terrain"}
        ``straight``: length over the ground times ``detour``. ``network``: along the table ``edges``, or where that is
        empty along the one ``.osm.pbf`` in the county's folder. ``terrain``: over the folder's ``dem.tif``, round the
        rivers of ``rivers.geojson`` but where a road of the network crosses them.
    origins, destinations : str or DataFrame
        Name of a table of the county, or rows of one (such as the junior schools only): the first column names the
        places, ``lon`` and ``lat`` place them in the county's own coordinate system.
    limit_m, limit_min : float, optional
        Longer ways are NaN. Minutes for terrain only.
    detour : float
        For ``straight`` only; see :func:`balance_lib.access.distance.calibrate_detour`.
    direction : {"there", "back"}
        To school or home again.
    snap_cap_m : float
        A place farther than this from any road or ground reaches nothing.
    flat_kph : float
        Walking speed on flat ground.
    keep : bool
        Keep network and terrain tables on disk, found again by the content of all their inputs.

    Raises
    ------
    DataError
        If the county lacks what the mode needs, or it cannot be read.
    NotFoundError
        If mode, direction or table are unknown.
    ValueError
        If an argument does not fit the mode.

    Notes
    -----
    Coordinates in GCJ-02 or BD-09 are converted to WGS-84 before anything is measured, as the county declares them;
    relief and OpenStreetMap are in WGS-84.
    """
    _check(mode, direction, detour, limit_min)
    sides = [_places(county, side, year) for side in (origins, destinations)]
    if mode == "straight":
        return straight_table(*sides, detour=detour, limit_m=limit_m, flat_kph=flat_kph)
    options: dict[str, Any] = {
        "direction": direction,
        "limit_m": limit_m,
        "snap_cap_m": snap_cap_m,
        "flat_kph": flat_kph,
    }
    if mode == "terrain":
        options["limit_min"] = limit_min
    source = _sources(county, mode)
    measure = partial(_measure, county, mode, sides, options, source)
    if not keep:
        return measure()
    return _kept(digest(mode, *sides, options, county.crs, *source.values()), measure)


def _check(mode: str, direction: str, detour: float, limit_min: float | None) -> None:
    if mode not in MODES:
        raise NotFoundError("mode", mode, MODES)
    if direction not in DIRECTIONS:
        raise NotFoundError("direction", direction, DIRECTIONS)
    check_detour(detour)
    if detour != 1 and mode != "straight":
        raise ValueError("a detour factor belongs to straight lines; roads and terrain have their own detours")
    if limit_min is not None and mode != "terrain":
        raise ValueError("a limit in minutes belongs to terrain; elsewhere minutes are metres at walking speed")


def _places(county: County, side: str | pd.DataFrame, year: int | None) -> Places:
    frame = county.table(side) if isinstance(side, str) else side
    if year is not None and "opened_year" in frame:
        frame = frame[~(frame["opened_year"] > year)]
    if year is not None and "closed_year" in frame:
        frame = frame[~(frame["closed_year"] <= year)]
    lon, lat = crs.convert(frame["lon"], frame["lat"], county.crs, "WGS84")
    return Places(frame.iloc[:, 0].to_numpy(), lon, lat)


def _sources(county: County, mode: str) -> dict[str, Any]:
    """Return everything besides the places that a mode measures from."""
    extract = _extract_file(county)
    if mode == "network" and county.tables["edges"].empty and extract is None:
        raise DataError([Fault("no_roads", "edges.csv")])
    out: dict[str, Any] = {"edges": county.tables["edges"], "extract": extract}
    if mode == "terrain":
        dem = None if county.path is None else Path(county.path) / DEM
        if dem is None or not dem.is_file():
            raise DataError([Fault("dem_missing", DEM)])
        out |= {"dem": dem, "rivers": county.layers.get(RIVERS)}
    return out


def _extract_file(county: County) -> Path | None:
    """Return the OpenStreetMap extract of a county that has no table of roads."""
    if county.path is None or not county.tables["edges"].empty:
        return None
    files = sorted(Path(county.path).glob("*.osm.pbf"))
    if len(files) > 1:
        raise DataError([Fault("several_extracts", file.name) for file in files])
    return files[0] if files else None


def _measure(
    county: County, mode: str, sides: list[Places], options: dict[str, Any], source: Mapping[str, Any]
) -> ODTable:
    if mode == "network":
        return Network.of(_roads(county, source)[0]).table(*sides, **options)
    both = Places(
        np.concatenate([s.ids for s in sides]),
        *(np.concatenate([getattr(s, a) for s in sides]) for a in ("lon", "lat")),
    )
    return _terrain(county, source, both).table(*sides, **options)


def _terrain(county: County, source: Mapping[str, Any], around: Places | None) -> Terrain:
    roads, extract = _roads(county, source)
    rivers = source["rivers"]
    if rivers is not None:
        rivers = crs.convert_geometry(rivers, county.crs, "WGS84")
    elif extract is not None:
        rivers = extract.rivers
    return Terrain.open(source["dem"], rivers=rivers, roads=roads, around=around)


def _roads(county: County, source: Mapping[str, Any]) -> tuple[pd.DataFrame, Extract | None]:
    """Return the county's roads in WGS-84, and the extract they were read from if they were."""
    if source["extract"] is not None:
        extract = read_osm(source["extract"])
        return extract.edges, extract
    edges = source["edges"]
    if edges.empty or crs.same(county.crs, "WGS84"):
        return edges, None
    ends = {}
    for end in ("from", "to"):
        ends[f"{end}_lon"], ends[f"{end}_lat"] = crs.convert(
            edges[f"{end}_lon"], edges[f"{end}_lat"], county.crs, "WGS84"
        )
    return edges.assign(**ends), None
