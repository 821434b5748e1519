"""Measure walking to school: who lives within a radius, who does not, catchments, and supply within reach.

Every number rests on one table of costs from villages to schools (:class:`balance_lib.access.distance.ODTable`) and
says which way it was measured: straight line, road network or terrain.
"""

from __future__ import annotations

from balance_lib.access.catchment import Catchments, as_geojson, catchments, ground
from balance_lib.access.coverage import (
    ORDERS,
    CoverageCount,
    by_township,
    covered,
    farthest,
    outside,
    percent,
    travel_time,
    village_classes,
)
from balance_lib.access.floating import QUICK, SLOW, enhanced_two_step, supply_per_100, two_step
from balance_lib.access.limits import Limit, limits, radius_of, travel_limit, walking_radius
from balance_lib.access.measures import measures
from balance_lib.access.reach import BANDS, TARGETS, Reach, Target
from balance_lib.access.surroundings import count_within, near_measures, near_schools, of_layer, read_points
from balance_lib.access.walks import WALK_COLUMNS, covered_share, unlisted, walks
from balance_lib.access.ways import costs, ends, modes_of

__all__ = [
    "BANDS",
    "ORDERS",
    "QUICK",
    "SLOW",
    "TARGETS",
    "WALK_COLUMNS",
    "Catchments",
    "CoverageCount",
    "Limit",
    "Reach",
    "Target",
    "as_geojson",
    "by_township",
    "catchments",
    "costs",
    "count_within",
    "covered",
    "covered_share",
    "ends",
    "enhanced_two_step",
    "farthest",
    "ground",
    "limits",
    "measures",
    "modes_of",
    "near_measures",
    "near_schools",
    "of_layer",
    "outside",
    "percent",
    "radius_of",
    "read_points",
    "supply_per_100",
    "travel_limit",
    "travel_time",
    "two_step",
    "unlisted",
    "village_classes",
    "walking_radius",
    "walks",
]
