"""Measure what it costs to walk between places: straight line, road network, terrain; one result for all three.

``od`` measures a county. Below it: :func:`straight_table`, :meth:`Network.table` and :meth:`Terrain.table` measure any
places; each gives an :class:`ODTable`, and each table says which of the three it is.

A straight line understates every walk. A network knows bridges and bends but no slope, and nothing off its roads.
Terrain knows slope, voids and rivers, and lets people walk wherever the ground allows: on a plain it is close to the
straight line; in mountains it may be shorter than the road, and each of its kilometres takes longer.
"""

from __future__ import annotations

from balance_lib.access.distance.counties import od
from balance_lib.access.distance.detour import Detour, calibrate_detour
from balance_lib.access.distance.network import Network
from balance_lib.access.distance.osm import Extract, read_osm
from balance_lib.access.distance.places import Places
from balance_lib.access.distance.result import FLAT_KPH, MODES, Direction, Mode, ODTable
from balance_lib.access.distance.straight import nearest_straight, straight_table
from balance_lib.access.distance.terrain import Terrain, warm_up
from balance_lib.access.distance.tobler import tobler_kph
from balance_lib.data.earth import straight_m

__all__ = [
    "FLAT_KPH",
    "MODES",
    "Detour",
    "Direction",
    "Extract",
    "Mode",
    "Network",
    "ODTable",
    "Places",
    "Terrain",
    "calibrate_detour",
    "nearest_straight",
    "od",
    "read_osm",
    "straight_m",
    "straight_table",
    "tobler_kph",
    "warm_up",
]
