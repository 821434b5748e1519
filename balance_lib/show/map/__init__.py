"""Draw schools, villages and radii as a schematic map that lives in a notebook and stays there as a picture."""

from __future__ import annotations

from .geometry import HIDDEN, Geometry
from .looks import LinkClass, MapClass, VillageClass, status_classes
from .widget import SchematicMap

__all__ = ["HIDDEN", "Geometry", "LinkClass", "MapClass", "SchematicMap", "VillageClass", "status_classes"]
