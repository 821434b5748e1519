"""Bring the places of every sheet to WGS-84, and name what cannot be where it is said to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from balance_lib._errors import Fault
from balance_lib.data import crs
from balance_lib.data.county import CRS_NAMES, META
from balance_lib.data.intake.pieces import Piece

Box = tuple[float, float, float, float]
# Beyond this a figure is no degree that slipped but metres.
_METRES = 1_000.0
# Eastings that carry the number of their zone in front: 3-degree zones of CGCS2000, then 6-degree ones.
_ZONES = ((range(25, 46), 4513 - 25), (range(13, 24), 4491 - 13))


def located(
    read_pieces: Sequence[Piece], system: str | None, within: Box | None = None
) -> tuple[list[Piece], list[Fault], list[dict[str, Any]]]:
    """Convert every longitude and latitude to WGS-84 from the system its sheet or the import declares.

    Parameters
    ----------
    read_pieces : sequence of Piece
    system : str or None
        Declared system of sheets that declare none; see :func:`balance_lib.data.crs.convert`.
    within : (west, south, east, north), optional
        Box of the country, degrees: places that lie in it only the other way round are swapped.

    Returns
    -------
    (list of Piece, list of Fault, list of dict)
        Pieces with places in WGS-84, "no data" where they cannot be; faults; what provenance says of the conversion.
    """
    out: list[Piece] = []
    faults: list[Fault] = []
    moved: dict[str, tuple[list[str], int]] = {}
    for piece in read_pieces:
        if not {"lon", "lat"} <= set(piece.frame) or not piece.frame[["lon", "lat"]].notna().any(axis=None):
            out.append(piece)
            continue
        own = piece.system or system
        if not crs.known(own):
            known = f"{', '.join(CRS_NAMES)}, EPSG:4523 …"
            faults.append(Fault("crs", META, None, "crs", own, params={"known": known}))
            out.append(piece)
            continue
        frame, told = _placed(piece, str(own), within)
        faults += told
        files, points = moved.get(str(own), ([], 0))
        moved[str(own)] = (list(dict.fromkeys([*files, piece.file])), points + int(frame["lon"].notna().sum()))
        out.append(replace(piece, frame=frame))
    records = [crs.record(files, name, points) for name, (files, points) in moved.items() if name != "WGS84"]
    return out, list({repr(fault): fault for fault in faults}.values()), records


def _placed(piece: Piece, system: str, within: Box | None) -> tuple[pd.DataFrame, list[Fault]]:
    """Return the rows of a sheet with their places in WGS-84, and what is wrong with them."""
    frame = piece.frame.copy()
    faults: list[Fault] = []
    whole = frame["lon"].notna() & frame["lat"].notna()
    lon, lat = frame["lon"].astype("float64"), frame["lat"].astype("float64")
    if not system.startswith("EPSG:"):
        off = whole & ((lon.abs() > 180) | (lat.abs() > 90))
        turned = off & (lon.abs() <= 90) & (lat.abs() <= 180)
        metres = off & ~turned & ((lon.abs() > _METRES) | (lat.abs() > _METRES))
        faults += _swapped(piece, turned, whole)
        faults += _projected(piece, metres)
        frame.loc[turned | metres, ["lon", "lat"]] = np.nan
        whole &= ~turned & ~metres
    x, y = crs.convert(frame.loc[whole, "lon"], frame.loc[whole, "lat"], system, "WGS84")
    lost = ~(np.isfinite(x) & np.isfinite(y))
    if lost.any():
        at = frame.index[whole][lost]
        told = {"n": len(at), "system": system}
        where = (piece.file, _row(piece, at), _columns(piece), _shown(piece, at))
        faults.append(Fault("not_projected", *where, params=told))
    if not crs.same(system, "WGS84"):
        frame.loc[whole, "lon"], frame.loc[whole, "lat"] = np.where(lost, np.nan, x), np.where(lost, np.nan, y)
    if within is not None:
        lon, lat = frame["lon"], frame["lat"]
        turned = whole & ~_inside(lon, lat, within) & _inside(lat, lon, within)
        faults += _swapped(piece, turned, whole)
    return frame, faults


def _inside(lon: pd.Series, lat: pd.Series, box: Box) -> pd.Series:
    west, south, east, north = box
    return lon.between(west, east) & lat.between(south, north)


def _swapped(piece: Piece, turned: pd.Series, whole: pd.Series) -> Iterator[Fault]:
    if turned.any():
        at = turned.index[turned]
        told = {"n": len(at), "of": int(whole.sum())}
        yield Fault("swapped_file", piece.file, _row(piece, at), _columns(piece), _shown(piece, at), params=told)


def _projected(piece: Piece, metres: pd.Series) -> Iterator[Fault]:
    """Say that figures are metres of a projection, and of which where the easting carries the zone's number."""
    if not metres.any():
        return
    at = metres.index[metres]
    pairs = piece.frame.loc[at, ["lon", "lat"]].abs()
    east = float(pairs.max(axis=1).median())
    zone = int(east // 1e6)
    code = next((f"EPSG:{zone + base}" for zones, base in _ZONES if zone in zones), None)
    rule = "projected" if code is None else "projected_zone"
    told = {"n": len(at), "code": code, "zone": zone, "swap": ""}
    if bool((pairs["lat"] > pairs["lon"]).all()) and code:
        told["swap"] = ", swap: true"
    yield Fault(rule, piece.file, _row(piece, at), _columns(piece), _shown(piece, at), params=told)


def _row(piece: Piece, at: pd.Index) -> int:
    return int(piece.frame.loc[at[0], "_row"])


def _shown(piece: Piece, at: pd.Index) -> str:
    lon, lat = piece.frame.loc[at[0], ["lon", "lat"]]
    return f"{lon:.10g}, {lat:.10g}"


def _columns(piece: Piece) -> str:
    return "/".join(dict.fromkeys(piece.labels.get(c, c) for c in ("lon", "lat")))
