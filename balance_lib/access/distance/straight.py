"""Measure as the crow flies, times a detour factor that the road network can teach."""

from __future__ import annotations

import numpy as np

from balance_lib.access.distance.places import Floats, Ints, Places, _straight_matrix, over_ground
from balance_lib.access.distance.result import FLAT_KPH, NO_PLACE, ODTable, minute_m


def straight_table(
    origins: Places,
    destinations: Places,
    *,
    detour: float = 1.0,
    limit_m: float | None = None,
    flat_kph: float = FLAT_KPH,
) -> ODTable:
    """Measure straight lines between all places, times a detour factor.

    Parameters
    ----------
    origins, destinations : Places
    detour : float
        At least 1, how much longer ways are than lines; see :func:`balance_lib.access.distance.calibrate_detour`.
    limit_m : float, optional
        Pairs farther apart than this, detour included, are NaN.
    flat_kph : float
        Walking speed.

    Raises
    ------
    ValueError
        If the factor is below 1 or not a number.

    Examples
    --------
    >>> a = Places(["v"], [109.0], [31.0])
    >>> straight_table(a, Places(["s"], [109.0], [31.01]), detour=1.3).metres.round(0).tolist()
    [[1441.0]]
    """
    check_detour(detour)
    minute_m(flat_kph)
    metres = _straight_matrix(origins, destinations)
    metres *= detour
    if limit_m is not None:
        metres[metres > limit_m] = np.nan
    return ODTable(
        mode="straight",
        origins=origins.ids,
        destinations=destinations.ids,
        metres=metres,
        origin_part=np.where(origins.known, 0, NO_PLACE),
        destination_part=np.where(destinations.known, 0, NO_PLACE),
        origin_snap_m=np.where(origins.known, 0.0, np.nan),
        destination_snap_m=np.where(destinations.known, 0.0, np.nan),
        limit_m=limit_m,
        flat_kph=flat_kph,
        provenance={"detour": float(detour)},
    )


def nearest_straight(
    origins: Places, destinations: Places, k: int = 1, *, detour: float = 1.0, limit_m: float | None = None
) -> tuple[Ints, Floats]:
    """Find the k nearest destinations of each origin without measuring all pairs.

    Parameters
    ----------
    origins, destinations : Places
    k : int
    detour, limit_m : float
        As for :func:`straight_table`.

    Returns
    -------
    (index, metres) : arrays of shape (origins, k)
        Which destination and how far, nearest first; of equally near ones any; -1 and NaN where there is none.
    """
    from scipy.spatial import KDTree

    check_detour(detour)
    index, metres = np.full((len(origins), k), -1), np.full((len(origins), k), np.nan)
    there = np.flatnonzero(destinations.known)
    if len(there) and origins.known.any() and k:
        chord, found = KDTree(destinations.xyz[there]).query(origins.xyz[origins.known], k=list(range(1, k + 1)))
        length = over_ground(np.where(np.isfinite(chord), chord, np.nan)) * detour
        length[~(length <= (np.inf if limit_m is None else limit_m))] = np.nan
        metres[origins.known] = length
        index[origins.known] = np.where(np.isfinite(length), there[np.minimum(found, len(there) - 1)], -1)
    return index, metres


def check_detour(detour: float) -> None:
    """Refuse a detour factor that makes ways shorter than straight lines.

    Raises
    ------
    ValueError
    """
    if not (np.isfinite(detour) and detour >= 1):
        raise ValueError(f"a detour factor is at least 1, not {detour}")
