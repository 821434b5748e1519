"""Divide the county among its schools: each village's ground goes with its pupils."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.reach import Reach, Target
from balance_lib.access.walks import Floats, Ints, positions
from balance_lib.data.county import OUTLINE, TOWNSHIPS, County
from balance_lib.data.kept import once_per_county

FAR = 20.0  # helper points this many county widths away close the outermost cells; they never bound ground inside
COLUMNS = ["school_id", "school", "villages", "area_km2", "geometry"]


@dataclass(frozen=True, eq=False)
class Catchments:
    """Hold the county's ground cut into one cell a village.

    Parameters
    ----------
    outline : shapely geometry
        The county in metres.
    cells : array of shapely polygons, shape (places,)
        Voronoi cells of the distinct village points, not yet cut to the outline.
    cell_of : array of int, shape (villages,)
        The cell of each village; -1 for a village without coordinates.
    plane : pyproj Transformer
        From degrees to metres.
    """

    outline: Any
    cells: Any
    cell_of: Ints
    plane: Any

    @property
    def area_km2(self) -> float:
        """Return the county's area."""
        return float(self.outline.area) / 1e6


@once_per_county
def ground(county: County) -> Catchments | None:
    """Cut a county into one cell a village: the ground nearer to it than to any other village.

    Plain Voronoi cells on a transverse Mercator plane through the county's middle, whose areas are true to 1 in 5,000
    within 60 km. The outline is the layer ``outline.geojson``, else the townships together.

    Returns
    -------
    Catchments or None
        None without any outline, or when no village has coordinates.
    """
    outline = _outline(county)
    villages = county.tables["villages"].drop_duplicates("village_id")
    lonlat = villages[["lon", "lat"]].to_numpy(dtype=float)
    placed = np.isfinite(lonlat).all(axis=1)
    if outline is None or not placed.any():
        return None
    import shapely

    plane = _plane(*(float(v) for v in shapely.get_coordinates(outline.centroid)[0]))
    outline = shapely.make_valid(shapely.transform(outline, lambda p: _project(plane, p)))
    points, which = np.unique(_project(plane, lonlat[placed]), axis=0, return_inverse=True)
    cell_of = np.full(len(villages), -1)
    cell_of[placed] = which.ravel()
    return Catchments(_areas(outline), _voronoi(points, outline.bounds), cell_of, plane)


def catchments(county: County, reach: Reach, to: Target = "nearest", band: str | None = None) -> pd.DataFrame:
    """Draw the catchment of every school: the ground of the villages that go there, dissolved.

    A village's cell goes to the school its pupils of the band are nearest to (``nearest``), by the same costs as every
    other number of the reach, so that a ridge or a river divides catchments when the terrain was measured; or to the
    school most of its day pupils attend (``own``). Villages at the same point share a cell: the one with more pupils
    decides. Ground of villages that reach no school, or whose pupils go nowhere known, is nobody's.

    Parameters
    ----------
    county : County
    reach : Reach
    to : {"nearest", "own"}
    band : str, optional
        For the nearest school; the stage's lowest grades by default, whom every school of the stage serves.

    Returns
    -------
    DataFrame
        school_id (None: nobody's), school, villages, area_km2, geometry (shapely, degrees): valid, not overlapping,
        together the county. Empty without an outline. In the order of the table's schools.
    """
    land = ground(county)
    if land is None:
        return pd.DataFrame(columns=COLUMNS)
    import shapely

    village_of = positions(county.tables["villages"]["village_id"].drop_duplicates(), reach.villages["village_id"])
    owner = reach.first[reach.group(band)] if to == "nearest" else _attended(reach)
    cell = np.where(village_of >= 0, land.cell_of[village_of], -1)
    cell_owner = _decide(cell, owner, _day_pupils(reach), len(land.cells))
    parts = []
    for school in [*np.unique(cell_owner[cell_owner >= 0]), -1]:
        mine = cell_owner == school
        if not mine.any():
            continue
        shape = _areas(shapely.intersection(shapely.union_all(land.cells[mine]), land.outline))
        parts.append((int(school), int((owner[cell >= 0] == school).sum()), shape))
    drawn = [(school, n, shape) for school, n, shape in parts if not shape.is_empty]
    shapes = [shape for _, _, shape in drawn]
    names = reach.schools
    back = [shapely.transform(s, lambda p: _project(land.plane, p, inverse=True)) for s in shapes]
    return pd.DataFrame(
        {
            "school_id": [names["school_id"].iloc[s] if s >= 0 else None for s, _, _ in drawn],
            "school": [names["name_zh"].iloc[s] if s >= 0 else None for s, _, _ in drawn],
            "villages": [n for _, n, _ in drawn],
            "area_km2": [shape.area / 1e6 for shape in shapes],
            "geometry": pd.Series(back, dtype=object),
        },
        columns=COLUMNS,
    )


def as_geojson(found: pd.DataFrame) -> dict[str, Any]:
    """Return catchments as a GeoJSON mapping."""
    features = [
        {
            "type": "Feature",
            "properties": {"school_id": row.school_id, "school": row.school, "area_km2": round(row.area_km2, 3)},
            "geometry": row.geometry.__geo_interface__,
        }
        for row in found.itertuples()
    ]
    return {"type": "FeatureCollection", "features": features}


def _attended(reach: Reach) -> Ints:
    """Return the school most day pupils of each village attend; the lower position wins a tie, -1 is nobody."""
    rows = reach.rows[(reach.rows["village"] >= 0) & (reach.rows["school"] >= 0)]
    sums = rows.groupby(["village", "school"])["pupils"].sum().reset_index()
    sums = sums.sort_values(["village", "pupils", "school"], ascending=[True, False, True], kind="stable")
    most = sums.drop_duplicates("village")
    out = np.full(len(reach.villages), -1)
    out[most["village"].to_numpy(dtype=np.int64)] = most["school"].to_numpy()
    return out


def _day_pupils(reach: Reach) -> Floats:
    at = reach.rows["village"].to_numpy()
    return np.bincount(at[at >= 0], reach.pupils[at >= 0], minlength=len(reach.villages)).astype(float)


def _decide(cell: Ints, owner: Ints, pupils: Floats, n: int) -> Ints:
    """Return the owner of each cell: that of its village with the most pupils, the first of equals."""
    out = np.full(n, -1)
    order = np.argsort(-pupils, kind="stable")[::-1]  # written last wins: most pupils, then first in the table
    order = order[cell[order] >= 0]
    out[cell[order]] = owner[order]
    return out


def _voronoi(points: Floats, bounds: tuple[float, float, float, float]) -> npt.NDArray[Any]:
    """Return the Voronoi cells of distinct points, closed far outside the bounds."""
    import shapely
    from scipy.spatial import Voronoi

    middle = np.array([bounds[0] + bounds[2], bounds[1] + bounds[3]]) / 2
    span = max(np.abs(points - middle).max(), bounds[2] - bounds[0], bounds[3] - bounds[1])
    corners = FAR * span * np.array([[1, 0.1], [-0.1, 1], [-1, -0.1], [0.1, -1]])  # askew: no four on a circle
    found = Voronoi(np.concatenate([points - middle, corners]))
    rings = []
    for at in range(len(points)):
        ring = found.vertices[found.regions[found.point_region[at]]]
        turned = ring - found.points[at]
        rings.append(ring[np.argsort(np.arctan2(turned[:, 1], turned[:, 0]))] + middle)
    length = [len(ring) for ring in rings]
    closed = shapely.linearrings(np.concatenate(rings), indices=np.repeat(np.arange(len(rings)), length))
    return np.asarray(shapely.polygons(closed))


def _outline(county: County) -> Any:
    import shapely
    from shapely.geometry import shape

    for name in (OUTLINE, TOWNSHIPS):
        layer = county.layers.get(name) or {}
        drawn = [shape(f["geometry"]) for f in layer.get("features", [layer]) if f.get("geometry")]
        whole = _areas(shapely.union_all([shapely.make_valid(part) for part in drawn])) if drawn else None
        if whole is not None and not whole.is_empty:
            return whole
    return None


def _areas(shape: Any) -> Any:
    """Return the polygons of a geometry, without the lines and points a cut may leave."""
    import shapely

    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == 3])


def _plane(lon: float, lat: float) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(4326, f"+proj=tmerc +lon_0={lon} +lat_0={lat} +ellps=WGS84 +units=m", always_xy=True)


def _project(plane: Any, points: Floats, *, inverse: bool = False) -> Floats:
    direction = "INVERSE" if inverse else "FORWARD"
    return np.stack(plane.transform(points[:, 0], points[:, 1], direction=direction), axis=-1)
