"""Give a county's places as GeoDataFrames: points, lines and areas with their coordinate system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import pandas as pd

from balance_lib._errors import NotFoundError
from balance_lib.data import crs
from balance_lib.data.county import County
from balance_lib.locale import spoken, text
from balance_lib.standards import STAGES

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

# EPSG codes of what the declared systems are; maps' own shifted systems have none and are brought back to WGS-84.
EPSG = {"WGS84": 4326, "CGCS2000": 4490, "GCJ02": 4326, "BD09": 4326}

LEAST_RADIUS_M = 100.0
# Evaluations know only the digest of their county; the desk keeps which one it was, as long as somebody holds it.
OPENED: WeakValueDictionary[str, County] = WeakValueDictionary()


def schools(county: County, year: int | None = None) -> GeoDataFrame:
    """Return the schools with the pupils and the kind they have in a year.

    Parameters
    ----------
    county : County
    year : int, optional
        School year; the last one without.
    """
    frame = county.table("schools").drop_duplicates("school_id")
    rows = county.tables["school_years"]
    rows = rows[(rows["year"] == year) & rows["pupils"].notna() & (rows["stage"] != "shared")]
    wide = rows.pivot_table(index="school_id", columns="stage", values="pupils", aggfunc="sum", min_count=1)
    for stage in ("primary", "junior"):
        there = wide[stage] if stage in wide else pd.Series(dtype=float)
        frame[f"pupils_{stage}"] = frame["school_id"].map(there)
    frame["pupils"] = frame["school_id"].map(rows.groupby("school_id")["pupils"].sum(min_count=1))
    frame["open"] = frame["school_id"].isin(rows["school_id"])
    frame["year"] = year
    return _points(county, frame)


def villages(county: County, year: int | None = None) -> GeoDataFrame:
    """Return the villages with children of school age and pupils of a year.

    Parameters
    ----------
    county : County
    year : int, optional
        School year; the last one without.
    """
    frame = county.table("villages").drop_duplicates("village_id")
    ages = county.tables["village_years"]
    ages = ages[ages["year"] == year].drop_duplicates("village_id").drop(columns="year")
    going = county.tables["attendance"]
    going = going[going["year"] == year].groupby("village_id")["pupils"].sum(min_count=1)
    frame = frame.merge(ages, on="village_id", how="left", suffixes=("", "_of_year"))
    return _points(county, frame.assign(pupils=frame["village_id"].map(going), year=year))


def townships(county: County, year: int | None = None) -> GeoDataFrame:
    """Return the townships, with the pupils of their schools in a year: areas where the county has them, else seats.

    Parameters
    ----------
    county : County
    year : int, optional
        School year whose schools are counted.
    """
    import geopandas

    frame = county.table("townships")
    frame["pupils"] = frame["township"].map(schools(county, year).groupby("township")["pupils"].sum(min_count=1))
    drawn = layer(county, "townships.geojson")
    if not len(drawn):
        return _points(county, frame)
    name = next((n for n in ("township", "name_zh", "name") if n in drawn), None)
    areas = drawn.set_index(drawn[name].astype("str")).geometry if name else drawn.geometry
    found = frame.assign(geometry=frame["township"].map(areas[~areas.index.duplicated()]))
    return geopandas.GeoDataFrame(found, geometry="geometry", crs=EPSG[county.crs])


def roads(county: County) -> GeoDataFrame:
    """Return the road segments with length_m and kind."""
    import geopandas
    import numpy as np
    import shapely

    frame = county.table("edges")
    ends = [_back(county, frame[f"{end}_lon"], frame[f"{end}_lat"]) for end in ("from", "to")]
    corners = np.stack([np.column_stack(end) for end in ends], axis=1).reshape(-1, 2, 2)
    known = ~np.isnan(corners).any(axis=(1, 2))
    lines = np.full(len(frame), None, dtype=object)
    lines[known] = shapely.linestrings(corners[known])
    frame = frame.drop(columns=["from_lon", "from_lat", "to_lon", "to_lat"])
    return geopandas.GeoDataFrame(frame, geometry=lines, crs=EPSG[county.crs])


def layer(county: County, file: str) -> GeoDataFrame:
    """Return a GeoJSON layer of the county folder, such as ``outline.geojson``; no rows where it has none.

    Parameters
    ----------
    county : County
    file : str
    """
    import geopandas

    # A property called "geometry" would take the place of the shape.
    features: list[Any] = [
        {**f, "properties": {k: v for k, v in (f.get("properties") or {}).items() if k != "geometry"}}
        for f in (county.layers.get(file) or {}).get("features", [])
    ]
    if county.crs in ("GCJ02", "BD09"):
        features = [{**f, "geometry": crs.convert_geometry(f["geometry"], county.crs, "WGS84")}
                    for f in features if f.get("geometry")]  # fmt: skip
    if not features:
        return geopandas.GeoDataFrame({"geometry": []}, geometry="geometry", crs=EPSG[county.crs])
    return geopandas.GeoDataFrame.from_features(features, crs=EPSG[county.crs])


def _back(county: County, lon: Any, lat: Any) -> Any:
    if county.crs in ("GCJ02", "BD09"):
        return crs.convert(lon, lat, county.crs, "WGS84")
    return lon.to_numpy(float), lat.to_numpy(float)


def _points(county: County, frame: pd.DataFrame) -> GeoDataFrame:
    """Make points of lon and lat; a place without coordinates has no shape."""
    import geopandas

    x, y = _back(county, frame["lon"], frame["lat"])
    shapes = geopandas.GeoSeries(geopandas.points_from_xy(x, y), index=frame.index, crs=EPSG[county.crs])
    return geopandas.GeoDataFrame(frame, geometry=shapes.where(frame["lon"].notna() & frame["lat"].notna(), None))


def check_stage(stage: str | None) -> None:
    """Refuse a stage that nobody teaches."""
    if stage is not None and stage not in STAGES:
        raise NotFoundError("stage", stage, STAGES)


def check_radius(metres: float) -> None:
    """Refuse a radius that was meant in kilometres."""
    if not metres >= LEAST_RADIUS_M:
        raise ValueError(text("desk.radius_small", spoken(), given=f"{metres:g}", meant=f"{1000 * metres:g}"))
