"""Put places on the nearest piece of road: on the piece itself, not only on its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from balance_lib.access.distance.places import Floats, Ints, Places, over_ground
from balance_lib.access.distance.result import NO_PLACE, OFF
from balance_lib.access.distance.roads import Roads

STRETCH = 1.01  # the plane of the search is a little out of scale far from its middle; the cap is judged on the ground


@dataclass(frozen=True, eq=False)
class Snapped:
    """Say where places came to lie on the roads.

    Parameters
    ----------
    piece : array of int, shape (n,)
        Index of the piece; -1 for none.
    share : array of float, shape (n,)
        Where on the piece, from 0 at ``u`` to 1 at ``v``.
    metres : array of float, shape (n,)
        Straight line from the place to that point; NaN for none.
    part : array of int, shape (n,)
        Connected part of the network; -1 coordinates missing, -2 no road within the cap.
    passed_over : int
        Places for which a nearer piece was passed over because it leads nowhere.
    """

    piece: Ints
    share: Floats
    metres: Floats
    part: Ints
    passed_over: int


def _snap(places: Places, roads: Roads, cap_m: float) -> Snapped:
    """Put each place on the nearest piece of road within reach.

    Parts of the network of less than 500 m in all (a path inside a park, a road cut by the map's rim) lead nowhere: a
    place is put on one only where no other road is within reach.

    ``cap_m``: farthest straight line from a place to its road.
    """
    main, other = (_nearest(places, roads, *tree, cap_m) for tree in roads.trees)
    take = np.isnan(main[2]) & np.isfinite(other[2])
    piece, share, metres = (np.where(take, b, a) for a, b in zip(main, other, strict=True))
    on = piece >= 0
    part = np.full(len(places), OFF)
    part[on] = roads.part[roads.u[piece[on]]]
    return Snapped(
        piece.astype(np.int64), share, metres, np.where(places.known, part, NO_PLACE), int((other[2] < main[2]).sum())
    )


def _nearest(places: Places, roads: Roads, pieces: Ints, tree: Any, cap_m: float) -> tuple[Ints, Floats, Floats]:
    """Return piece, share and metres of the nearest of some pieces for each place; -1 and NaN beyond the cap."""
    import shapely

    piece, share, metres = np.full(len(places), -1), np.full(len(places), np.nan), np.full(len(places), np.nan)
    asked = np.flatnonzero(places.known)
    if not (len(pieces) and len(asked)):
        return piece, share, metres
    points = shapely.points(*roads.plane.transform(places.lon[asked], places.lat[asked]))
    place, found = tree.query_nearest(points, max_distance=cap_m * STRETCH + 1e-6, all_matches=True)
    order = np.lexsort((found, place))  # of equally near pieces the first
    place, first = np.unique(place[order], return_index=True)
    place, found = asked[place], pieces[found[order][first]]
    t, away = _foot(places.xyz[place], roads, found)
    near = away <= cap_m
    piece[place[near]], share[place[near]], metres[place[near]] = found[near], t[near], away[near]
    return piece, share, metres


def _foot(xyz: Floats, roads: Roads, piece: Ints) -> tuple[Floats, Floats]:
    """Return where on its piece each point's foot lies (0 to 1), and how far it is."""
    start = roads.xyz[roads.u[piece]]
    along, off = roads.xyz[roads.v[piece]] - start, xyz - start
    square = (along**2).sum(axis=1)
    t = np.clip((along * off).sum(axis=1) / np.where(square > 0, square, 1.0), 0.0, 1.0)
    return t, over_ground(np.linalg.norm(off - t[:, None] * along, axis=1))
