"""Draw schools, villages and radii as a schematic map that lives in a notebook and stays there as a picture."""

from __future__ import annotations

from balance_lib.show.map.geometry import HIDDEN, Geometry
from balance_lib.show.map.looks import LinkClass, MapClass, VillageClass, status_classes
from balance_lib.show.map.widget import SchematicMap

__all__ = ["HIDDEN", "Geometry", "LinkClass", "MapClass", "SchematicMap", "VillageClass", "status_classes"]
