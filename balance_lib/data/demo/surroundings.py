"""Put made-up stalls, net cafés and shops around schools of the county whose plan forbids some of them (楚州)."""

from __future__ import annotations

from typing import Any

import numpy as np

from balance_lib.data.demo import layout, terrain

WHERE = ("chuzhou",)
LAYER = "points.geojson"
KINDS = ("摊点", "堆放杂物", "网吧", "歌舞厅", "文具店")  # the plan sets a distance for all but the last
SHARE, NEAREST_M, FARTHEST_M = 0.3, 20.0, 400.0


def build(schools: list[layout.School], ground: terrain.DemoTerrain, random: np.random.Generator) -> dict[str, Any]:
    """Return points of interest near some schools as GeoJSON, each named and marked as made up.

    Parameters
    ----------
    schools : list of layout.School
    ground : terrain.DemoTerrain
    random : Generator
        Source of chance; the same seed gives the same county.
    """
    near = [school for school in schools if random.random() < SHARE]
    metres, turn = random.uniform(NEAREST_M, FARTHEST_M, len(near)), random.uniform(0, 2 * np.pi, len(near))
    x = [school.x for school in near] + metres * np.cos(turn)
    y = [school.y for school in near] + metres * np.sin(turn)
    kinds = random.choice(KINDS, len(near))
    features = [
        {
            "type": "Feature",
            "properties": {"kind": str(kind), "name": f"示例{kind}{number}", "synthetic": True},
            "geometry": {"type": "Point", "coordinates": [round(float(lon), 6), round(float(lat), 6)]},
        }
        for number, (kind, lon, lat) in enumerate(zip(kinds, *ground.degrees(x, y), strict=True), start=1)
    ]
    return {"type": "FeatureCollection", "features": features}
