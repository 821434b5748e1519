"""Place township seats and villages on the relief: seats where published, villages low and near their seat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from shapely.geometry import MultiPoint, Polygon, mapping

from balance_lib.data.demo.skeleton import Skeleton, short_name
from balance_lib.data.demo.terrain import DemoTerrain

GRID = 1e-5  # degrees: coordinates of polygons are multiples of it, about a metre


@dataclass(frozen=True)
class Settlements:
    """Hold the places of a county.

    Parameters
    ----------
    townships : DataFrame
        ``township, code, type, name_en, lon, lat, x, y, in_seat, pilot``, one row a township.
    polygons : list of Polygon
        Schematic area of each township, in longitude and latitude, in the same order.
    villages : DataFrame
        ``village_id, name_zh, name_en, township, type, lon, lat, x, y, remote`` one row a village; ``remote`` is the
        distance to the township seat in metres.
    """

    townships: pd.DataFrame
    polygons: list[Any]
    villages: pd.DataFrame


def build(skeleton: Skeleton, terrain: DemoTerrain, rng: np.random.Generator) -> Settlements:
    """Place the townships of a county, divide the county among them, and place their villages.

    Parameters
    ----------
    skeleton : Skeleton
    terrain : DemoTerrain
    rng : Generator
        Source of chance; the same seed gives the same county.
    """
    townships = _seats(skeleton, terrain)
    polygons = _divide(skeleton, terrain, townships)
    villages = _villages(skeleton, terrain, townships, polygons, rng)
    return Settlements(townships, polygons, villages)


def layer(settlements: Settlements) -> dict[str, Any]:
    """Return the township areas as GeoJSON, marked as schematic."""
    features = [
        {
            "type": "Feature",
            "properties": {"township": row.township, "name_en": row.name_en, "schematic": True},
            "geometry": mapping(polygon),
        }
        for row, polygon in zip(settlements.townships.itertuples(), settlements.polygons, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _seats(skeleton: Skeleton, terrain: DemoTerrain) -> pd.DataFrame:
    table = skeleton.townships
    x, y = terrain.metres(table["lon"].to_numpy(), table["lat"].to_numpy())
    for i in np.flatnonzero(~table["published"]):
        x[i], y[i] = _onto_low_ground(terrain, x[i], y[i])
    lon, lat = terrain.degrees(x, y)
    return pd.DataFrame(
        {
            "township": table["name_zh"],
            "code": table["code"],
            "type": table["type"],
            "name_en": table["name_en"],
            "lon": np.where(table["published"], table["lon"], lon),
            "lat": np.where(table["published"], table["lat"], lat),
            "x": x,
            "y": y,
            "published": table["published"],
            "in_seat": table["name_zh"].isin(skeleton.settings["seat_townships"]),
            "pilot": table["name_zh"].isin(skeleton.settings.get("pilots", [])),
        }
    )


def _onto_low_ground(terrain: DemoTerrain, x: float, y: float) -> tuple[float, float]:
    """Move a hand-placed point to low, dry ground within 2 km."""
    rows, columns = np.nonzero(terrain.inside & ~terrain.river)
    cx, cy = terrain.centre(rows, columns)
    away = np.hypot(cx - x, cy - y)
    cost = terrain.height[rows, columns] + away * 0.02
    cost[away > max(2000.0, away.min() + 1)] = np.inf
    best = int(np.argmin(np.round(cost, 3)))
    return float(cx[best]), float(cy[best])


def _divide(skeleton: Skeleton, terrain: DemoTerrain, townships: pd.DataFrame) -> list[Any]:
    """Give each township the ground nearest to its seat, within the outline."""
    outline = terrain.in_metres(skeleton.outline)
    seats = MultiPoint(list(zip(townships["x"], townships["y"], strict=True)))
    cells = shapely.voronoi_polygons(seats, extend_to=outline.buffer(10_000)).geoms
    owner = [next(cell for cell in cells if cell.contains(seat)) for seat in seats.geoms]
    found = []
    for cell in owner:
        lon, lat = terrain.degrees(*np.array(cell.exterior.coords).T)
        rounded = Polygon(zip(lon, lat, strict=True))
        found.append(shapely.intersection(rounded, skeleton.outline, grid_size=GRID))
    return [_tidy(polygon) for polygon in _hand_over_islands(found)]


def _hand_over_islands(areas: list[Any]) -> list[Any]:
    """Give pieces cut off from their seat by the outline to the neighbour they touch."""
    mains, islands = [], []
    for area in areas:
        parts = sorted(shapely.get_parts(area), key=lambda part: -part.area)
        mains.append(parts[0])
        islands += parts[1:]
    for island in islands:
        shared = [shapely.length(shapely.intersection(island, main, grid_size=GRID)) for main in mains]
        best = int(np.argmax(shared))
        mains[best] = shapely.union(mains[best], island, grid_size=GRID)
    return mains


def _tidy(polygon: Any) -> Any:
    def rounded(ring: Any) -> Any:
        return [(round(x, 5), round(y, 5)) for x, y in ring.coords]

    return shapely.normalize(Polygon(rounded(polygon.exterior), [rounded(ring) for ring in polygon.interiors]))


def _villages(
    skeleton: Skeleton, terrain: DemoTerrain, townships: pd.DataFrame, polygons: list[Any], rng: np.random.Generator
) -> pd.DataFrame:
    table = skeleton.villages.sort_values("code", kind="stable").reset_index(drop=True)
    rows, columns = np.nonzero(terrain.inside & ~terrain.river)
    x, y = terrain.centre(rows, columns)
    lon, lat = terrain.degrees(x, y)
    out = np.full((len(table), 2), np.nan)
    taken = np.zeros(len(x), dtype=bool)
    for seat, polygon in zip(townships.itertuples(), polygons, strict=True):
        theirs = np.flatnonzero(table["township"] == seat.township)
        own = np.flatnonzero(shapely.contains_xy(polygon, lon, lat) & ~taken)
        spots = _spots(terrain, seat, rows[own], columns[own], x[own], y[own])
        for i in _nearest_name_first(table, theirs, seat):
            pick = _pick(spots, _closeness(table, i, seat), len(theirs), terrain.cell, rng)
            taken[own[pick]] = True
            jitter = rng.uniform(-0.3, 0.3, 2) * terrain.cell
            out[i] = x[own[pick]] + jitter[0], y[own[pick]] + jitter[1]
    lon, lat = terrain.degrees(out[:, 0], out[:, 1])
    seat_of = townships.set_index("township")
    remote = np.hypot(
        out[:, 0] - seat_of.loc[table["township"], "x"].to_numpy(),
        out[:, 1] - seat_of.loc[table["township"], "y"].to_numpy(),
    )
    return pd.DataFrame(
        {
            "village_id": table["code"],
            "name_zh": [short_name(name) for name in table["name_zh"]],
            "name_en": table["name_en"],
            "township": table["township"],
            "type": table["type"],
            "lon": lon,
            "lat": lat,
            "x": np.round(out[:, 0], 1),
            "y": np.round(out[:, 1], 1),
            "remote": np.round(remote),
        }
    )


def _spots(terrain: DemoTerrain, seat: Any, rows: Any, columns: Any, x: Any, y: Any) -> dict[str, Any]:
    """Weigh the cells of a township: low above its lowest ground, gentle, and not beyond a day's walk."""
    height = terrain.height[rows, columns]
    low = np.percentile(height, 2)
    spread = max(np.percentile(height, 60) - low, 3.0)
    ease = np.exp(-((height - low) / (0.45 * spread))) * np.exp(-terrain.slope[rows, columns] / 0.12)
    return {"x": x, "y": y, "away": np.hypot(x - seat.x, y - seat.y), "ease": ease, "free": np.ones(len(x), dtype=bool)}


def _nearest_name_first(table: pd.DataFrame, theirs: Any, seat: Any) -> list[int]:
    """Place communities and the village that bears the township's name first: they stand at the seat."""
    return sorted(theirs.tolist(), key=lambda i: (_closeness(table, i, seat) != "seat", table.at[i, "code"]))


def _closeness(table: pd.DataFrame, index: int, seat: Any) -> str:
    stem = seat.township.rstrip("镇乡街道")
    if table.at[index, "type"] == "community" or table.at[index, "name_zh"].startswith(stem):
        return "seat"
    return "street" if seat.type == "street" else "country"


def _pick(spots: dict[str, Any], closeness: str, count: int, cell: float, rng: np.random.Generator) -> int:
    """Draw one free cell and keep others off its surroundings."""
    reach = {"seat": 900.0, "street": 4500.0, "country": 9000.0}[closeness]
    chance = np.where(spots["free"], (np.exp(-((spots["away"] / reach) ** 2)) + 0.02 * (closeness != "seat")), 0.0)
    chance = chance * (spots["ease"] if closeness != "seat" else np.sqrt(spots["ease"]))
    if chance.sum() <= 0:
        chance = np.where(spots["free"], 1 / (1 + spots["away"]), 0.0)
    steps = np.cumsum(chance)
    pick = int(np.searchsorted(steps, rng.random() * steps[-1], side="right"))
    area = len(spots["x"]) * cell * cell
    apart = 0.8 * cell if closeness == "seat" else max(0.8 * cell, min(1400.0, 0.45 * np.sqrt(area / count)))
    spots["free"] &= np.hypot(spots["x"] - spots["x"][pick], spots["y"] - spots["y"][pick]) > apart
    return min(pick, len(spots["x"]) - 1)
