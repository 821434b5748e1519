"""Turn rivers into barriers that only bridges and roads cross."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.distance.places import Floats
from balance_lib.access.distance.relief import Relief

GAP_CELLS = 1.0  # half the width of the gap a crossing opens: any less and a slanting river may close it again
# Rivers are moved by this many cells, so that none runs exactly through a cell's centre, where sides cannot be told.
ASIDE = np.array([0.00719, 0.01371])


def _barriers(
    rivers: Mapping[str, Any] | None, roads: pd.DataFrame | None, relief: Relief
) -> tuple[Any, dict[str, int]]:
    """Return what cannot be crossed, in the cells of a relief.

    ``rivers``: lines, or areas whose banks are the lines. Degrees. ``roads``: canonical table ``edges``: where one of
    them crosses a river, of whatever kind, people cross.

    Returns
    -------
    (geometry, report)
        A shapely geometry of lines with row and column as coordinates, possibly empty; ``rivers`` and ``crossings``
        counted.
    """
    import shapely

    lines = [line for line in (_in_cells(part, relief) for part in _lines(rivers)) if line is not None]
    report = {"rivers": len(lines), "crossings": 0}
    water = shapely.union_all(lines) if lines else shapely.MultiLineString()
    if lines and roads is not None and len(roads):
        points = _crossings(lines, roads, relief)
        report["crossings"] = len(points)
        if len(points):
            water = shapely.difference(water, shapely.union_all(shapely.buffer(points, GAP_CELLS)))
    return water, report


def pieces(water: Any) -> tuple[Floats, Floats]:
    """Cut lines into straight pieces no longer than a cell; return their starts and ends, shapes (n, 2)."""
    import shapely

    if water.is_empty:
        return np.zeros((0, 2)), np.zeros((0, 2))
    fine = shapely.segmentize(shapely.get_parts(shapely.line_merge(water)), 1.0)
    points, which = shapely.get_coordinates(fine, return_index=True)
    same = which[1:] == which[:-1]
    return points[:-1][same], points[1:][same]


def _crosses(water: Any, start: Floats, end: Floats) -> npt.NDArray[np.bool_]:
    """Tell which straight lines between points (in cells) cross water.

    ``start``: start points, in cells. ``end``: end points, in cells.
    """
    import shapely

    out = np.zeros(len(start), dtype=bool)
    known = np.isfinite(start).all(axis=1) & np.isfinite(end).all(axis=1)
    if not water.is_empty and known.any():
        shapely.prepare(water)
        out[known] = shapely.intersects(water, shapely.linestrings(np.stack([start[known], end[known]], axis=1)))
    return out


def _lines(rivers: Mapping[str, Any] | None) -> list[Any]:
    """Return the lines of a GeoJSON mapping; areas give their rims."""
    import shapely
    from shapely.geometry import shape

    features = (rivers or {}).get("features", [])
    whole = [shape(f["geometry"]) for f in features if f.get("geometry")]
    parts = shapely.get_parts(np.array(whole, dtype=object)) if whole else []
    rims = [p.boundary if p.geom_type == "Polygon" else p for p in parts]
    return [line for rim in rims for line in shapely.get_parts(rim) if line.geom_type in ("LineString", "LinearRing")]


def _in_cells(line: Any, relief: Relief) -> Any:
    import shapely

    lon, lat = shapely.get_coordinates(line).T
    points = relief.cells(lon, lat)
    rows, columns = relief.height.shape
    points = points[np.isfinite(points).all(axis=1)] + ASIDE
    if len(points) < 2:
        return None
    inside = shapely.clip_by_rect(shapely.linestrings(points), -2, -2, rows + 1, columns + 1)
    return None if inside.is_empty else inside


def _crossings(lines: list[Any], roads: pd.DataFrame, relief: Relief) -> Any:
    """Return the points where roads meet rivers."""
    import shapely

    ends = [relief.cells(roads[f"{end}_lon"], roads[f"{end}_lat"]) for end in ("from", "to")]
    both = np.stack(ends, axis=1)
    # Roads are moved aside with the rivers: whoever meets a river exactly on a bend still does.
    spans = shapely.linestrings(both[np.isfinite(both).all(axis=(1, 2))] + ASIDE)
    rivers = shapely.get_parts(np.array(lines, dtype=object))
    span, river = shapely.STRtree(rivers).query(spans, predicate="intersects")
    met = shapely.get_parts(shapely.intersection(spans[span], rivers[river]))
    return met[shapely.get_type_id(met) == 0]
