"""Make up a small county with everything a map draws; the pages under test run this module in their kernel."""

from __future__ import annotations

import numpy as np
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County

LON, LAT = 106.0, 33.5
TOWNS = ["城关镇", "东河乡", "西坪镇", "南沟乡", "北山乡", "柳树镇"]
KINDS = ["primary", "primary", "teaching_point", "junior", "primary", "nine_year"]
YEARS = (2022, 2023)


def county(schools: int = 36, villages: int = 120, *, synthetic: bool = True) -> County:
    """Return a county of six townships in two rows; school ``S<i>`` lies in township i mod 6."""
    rng = np.random.default_rng(7)
    frames = {
        "schools": _schools(schools, rng),
        "villages": _villages(villages, rng),
        "townships": pd.DataFrame({"township": TOWNS, "type": ["town", "township"] * 3}),
        "edges": _edges(),
    }
    frames["school_years"] = _school_years(frames["schools"])
    frames["attendance"] = _attendance(frames["villages"], schools)
    corners = [(i % 3, i // 3) for i in range(6)]
    squares = [{"type": "Polygon", "coordinates": [_box(x, y, x + 1, y + 1)]} for x, y in corners]
    return County(
        county_id="shili",
        name_zh="示例县",
        name_en="Example County",
        tables={name: tables.conform(frame, name) for name, frame in frames.items()},
        synthetic=synthetic,
        layers={
            "outline.geojson": _collection([{"type": "Polygon", "coordinates": [_box(0, 0, 3, 2)]}]),
            "townships.geojson": _collection(squares, TOWNS),
            "rivers.geojson": _collection([{"type": "LineString", "coordinates": _river()}]),
        },
    )


def _point(x: float, y: float) -> tuple[float, float]:
    """Return degrees of a place x, y (0-3, 0-2) in a county of about 60 by 40 km."""
    return round(LON + 0.215 * x, 5), round(LAT + 0.18 * y, 5)


def _box(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    steps = np.linspace(0, 1, 9)
    wave = 0.05 * np.sin(2 * np.pi * steps)
    south = [(x0 + (x1 - x0) * s, y0 + w) for s, w in zip(steps, wave, strict=True)]
    east = [(x1 + w, y0 + (y1 - y0) * s) for s, w in zip(steps, wave, strict=True)]
    north = [(x1 - (x1 - x0) * s, y1 - w) for s, w in zip(steps, wave, strict=True)]
    west = [(x0 - w, y1 - (y1 - y0) * s) for s, w in zip(steps, wave, strict=True)]
    return [list(_point(*p)) for p in [*south, *east, *north, *west]]


def _river() -> list[list[float]]:
    return [list(_point(x, 1.1 + 0.25 * np.sin(2.2 * x))) for x in np.linspace(0, 3, 40)]


def _collection(shapes: list[dict[str, object]], names: list[str] | None = None) -> dict[str, object]:
    named = names or [""] * len(shapes)
    features = [
        {"type": "Feature", "properties": {"township": name}, "geometry": shape}
        for name, shape in zip(named, shapes, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _spread(n: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    inside = rng.uniform(0.1, 0.9, (n, 2))
    return [_point(i % 6 % 3 + inside[i, 0], i % 6 // 3 + inside[i, 1]) for i in range(n)]


def _schools(n: int, rng: np.random.Generator) -> pd.DataFrame:
    points = _spread(n, rng)
    return pd.DataFrame(
        {
            "school_id": [f"S{i}" for i in range(n)],
            "name_zh": [f"{TOWNS[i % 6][:2]}第{i // 6 + 1}学校" for i in range(n)],
            "name_en": [f"School {i}" for i in range(n)],
            "kind": [KINDS[(i + i // 6) % 6] for i in range(n)],
            "township": [TOWNS[i % 6] for i in range(n)],
            "lon": [p[0] for p in points],
            "lat": [p[1] for p in points],
        }
    )


def _villages(n: int, rng: np.random.Generator) -> pd.DataFrame:
    points = _spread(n, rng)
    return pd.DataFrame(
        {
            "village_id": [f"V{i}" for i in range(n)],
            "name_zh": [f"{TOWNS[i % 6][0]}家村{i}" for i in range(n)],
            "township": [TOWNS[i % 6] for i in range(n)],
            "lon": [p[0] for p in points],
            "lat": [p[1] for p in points],
        }
    )


def _school_years(schools: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for year in YEARS:
        for i, school in enumerate(schools.itertuples()):
            if year == YEARS[-1] and i == 1:
                continue  # one school had closed by the last year
            rows.append(
                (school.school_id, year, "junior" if school.kind == "junior" else "primary", 40.0 + 60 * (i % 20))
            )
    return pd.DataFrame(rows, columns=["school_id", "year", "stage", "pupils"])


def _attendance(villages: pd.DataFrame, schools: int) -> pd.DataFrame:
    n = len(villages)
    return pd.DataFrame(
        {
            "village_id": villages["village_id"],
            "school_id": [f"S{i % schools}" for i in range(n)],
            "stage": "primary",
            "band": "g1_3",
            "year": YEARS[-1],
            "pupils": [8.0 + 11 * (i % 30) for i in range(n)],
        }
    )


def _edges() -> pd.DataFrame:
    corners = [(x, y) for y in (0.5, 1.5) for x in (0.3, 0.8, 1.5, 2.2, 2.8)]
    pairs = [(i, i + 1) for i in range(9) if i != 4] + [(i, i + 5) for i in range(5)]
    rows = []
    for a, b in pairs:
        start, end = _point(*corners[a]), _point(*corners[b])
        rows.append((f"n{a}", f"n{b}", *start, *end, "road" if abs(a - b) == 1 else "path"))
    return pd.DataFrame(rows, columns=["from_node", "to_node", "from_lon", "from_lat", "to_lon", "to_lat", "kind"])
