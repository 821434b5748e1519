"""Make villages of a population raster: people or children per cell become points, fitted to the rolls."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import locale
from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.county import OUTLINE, TOWNSHIPS, County
from balance_lib.data.earth import Plane
from balance_lib.data.intake import ground
from balance_lib.data.intake.xlsx import SourceFile
from balance_lib.extras import need

Floats = npt.NDArray[np.float64]
# Points of a raster lie this far apart unless told otherwise: nearer than anyone would tell two walks apart.
GRID_M = 500.0
_ROWS_AT_ONCE = 256
_AGES = {"primary": "age_6_11", "junior": "age_12_14"}
# WorldPop has one file a sex and group of five ages: how much of each group (by its first age) is of a stage.
_GROUPS = {"5": {"age_6_11": 0.8}, "10": {"age_6_11": 0.4, "age_12_14": 0.6}}
_GROUP = re.compile(r"_[fmt]_(\d{1,2})_(?:\d{4}|[a-z])")


def parts(name: str) -> Mapping[str, float]:
    """Return of which figures a raster's cells are, and what share, by its file name.

    Examples
    --------
    >>> parts("chn_f_10_2020.tif"), parts("children_6_11.tif"), parts("chn_ppp_2020.tif")
    ({'age_6_11': 0.4, 'age_12_14': 0.6}, {'age_6_11': 1.0}, {'population': 1.0})
    """
    folded = name.casefold()
    if group := _GROUP.search(folded):
        return _GROUPS.get(group[1].lstrip("0") or "0", {})
    for column in _AGES.values():
        if column.removeprefix("age_") in folded.replace("-", "_"):
            return {column: 1.0}
    return {"population": 1.0}


def with_demand(
    county: County, rasters: Sequence[SourceFile], year: int, *, grid_m: float = GRID_M
) -> tuple[County, list[Fault]]:
    """Return a county with villages estimated from rasters, or with people in the villages it has.

    Parameters
    ----------
    county : County
        Its outline clips the rasters, else a box around its schools; its rolls of the year say how many children
        there are in all, and by township where it has areas of townships.
    rasters : sequence of SourceFile
        GeoTIFFs of people or children per cell; see :func:`parts`. Any projection; cells below 0 are no data.
    year : int
    grid_m : float
        Side of the squares whose people become one point, metres.

    Returns
    -------
    (County, list of Fault)
        The county, unchanged where a fault is an error. Estimated points say so in their names, and the provenance
        says from what they were made.
    """
    need("terrain")
    names = ", ".join(source.name for source in rasters)
    box = ground.bounds(county)
    if box is None:
        return county, [Fault("ground_nowhere", names)]
    frames, faults = [], []
    for source in rasters:
        frame, told = _squares(source, county, box, grid_m)
        faults += told
        frames.append(frame)
    if any(fault.severity == "error" for fault in faults):
        return county, faults
    points = _together(frames)
    if points.empty:
        return county, [*faults, Fault("raster_elsewhere", names)]
    points["township"] = _townships(points, county)
    points, calibrated = _fitted(points, county, year)
    made = _villages(points, county, year)
    facts: dict[str, Any] = {"files": names, "n": len(points), "grid": f"{grid_m:g}", "year": year}
    says = {
        lang: locale.text("intake.demand", lang, fitted=locale.text(f"intake.fitted.{calibrated}", lang), **facts)
        for lang in locale.LANGUAGES
    }
    record = {"sources": [source.name for source in rasters], "year": year, "estimated": True, "provenance": [says]}
    meta = {**county.meta, "imports": [*county.meta.get("imports", []), record]}
    facts |= {"children": int(points[list(_AGES.values())].sum().sum())}
    faults.append(Fault("demand_estimated", "villages.csv", None, None, None, "warning", facts))
    return replace(made, meta=meta), faults


def _squares(source: SourceFile, county: County, box: ground.Bounds, grid_m: float) -> tuple[pd.DataFrame, list[Fault]]:
    """Sum a raster by squares of longitude and latitude, a strip at a time: memory follows the strip."""
    import rasterio
    from rasterio.windows import Window, from_bounds

    shares = parts(source.name)
    west, south, east, north = box
    wide, tall = Plane((west + east) / 2, (south + north) / 2).degrees(grid_m)
    across, up = (int(np.ceil((b - a) / step)) for a, b, step in ((west, east, wide), (south, north, tall)))
    sums = np.zeros((3, across * up))
    with tempfile.TemporaryDirectory() as place:
        try:
            with rasterio.open(ground.raster_path(source, Path(place))) as raster:
                if raster.crs is None:
                    return pd.DataFrame(), [Fault("raster_crs", source.name)]
                shape, edge = _area(county, box, raster.crs)
                whole = Window(0, 0, raster.width, raster.height)
                try:
                    window = (
                        from_bounds(*edge, transform=raster.transform)
                        .round_offsets()
                        .round_lengths()
                        .intersection(whole)
                    )
                except rasterio.errors.WindowError:
                    return pd.DataFrame(), [Fault("raster_elsewhere", source.name)]
                for top in range(int(window.row_off), int(window.row_off + window.height) + 1, _ROWS_AT_ONCE):
                    high = min(_ROWS_AT_ONCE, raster.height - top, int(window.row_off + window.height) + 1 - top)
                    if high <= 0:
                        break
                    strip = Window(window.col_off, top, min(window.width + 1, raster.width - window.col_off), high)
                    _add(raster, strip, shape, (west, south, wide, tall, across, up), sums)
        except rasterio.errors.RasterioError as error:
            return pd.DataFrame(), [Fault("raster_unreadable", source.name, found=str(error)[:80])]
    at = np.flatnonzero(sums[0] > 0)
    out = pd.DataFrame({"square": at, "lon": sums[1][at] / sums[0][at], "lat": sums[2][at] / sums[0][at]})
    for column, share in shares.items():
        out[column] = sums[0][at] * share
    out["_weight"] = sums[0][at]
    return out, [] if shares else [Fault("raster_age", source.name, severity="warning")]


def _area(county: County, box: ground.Bounds, system: Any) -> tuple[Any, ground.Bounds]:
    """Return the county's outline (else its box) in a raster's own system, and its bounds."""
    import shapely
    from pyproj import Transformer
    from shapely.geometry import shape

    found = [shape(f["geometry"]) for f in county.layers.get(OUTLINE, {}).get("features", []) if f.get("geometry")]
    whole = shapely.union_all([shapely.make_valid(one) for one in found]) if found else shapely.box(*box)
    there = Transformer.from_crs("EPSG:4326", system, always_xy=True)
    dense = shapely.segmentize(whole, 0.05)
    moved = shapely.transform(dense, lambda xy: np.column_stack(there.transform(xy[:, 0], xy[:, 1])))
    return moved, moved.bounds


def _add(raster: Any, strip: Any, shape: Any, grid: tuple[Any, ...], sums: Floats) -> None:
    """Add the people of one strip to the squares they live in."""
    from pyproj import Transformer
    from rasterio.features import geometry_mask

    west, south, wide, tall, across, up = grid
    people = raster.read(1, window=strip, masked=True).astype("float64").filled(np.nan)
    transform = raster.window_transform(strip)
    inside = geometry_mask([shape], people.shape, transform, invert=True)
    row, column = np.nonzero(inside & np.isfinite(people) & (people > 0))
    x = transform.a * (column + 0.5) + transform.b * (row + 0.5) + transform.c
    y = transform.d * (column + 0.5) + transform.e * (row + 0.5) + transform.f
    if not raster.crs.is_geographic:
        x, y = Transformer.from_crs(raster.crs, "EPSG:4326", always_xy=True).transform(x, y)
    right, top = np.floor((x - west) / wide).astype(int), np.floor((y - south) / tall).astype(int)
    kept = (right >= 0) & (right < across) & (top >= 0) & (top < up)
    square, weight = (top * across + right)[kept], people[row, column][kept]
    for at, values in enumerate((weight, weight * x[kept], weight * y[kept])):
        sums[at] += np.bincount(square, values, minlength=across * up)


def _together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the squares of several rasters together: figures added up, places weighted by people."""
    rows = pd.concat([f for f in frames if len(f)] or [pd.DataFrame(columns=["square", "_weight", "lon", "lat"])])
    rows = rows.assign(lon=rows["lon"] * rows["_weight"], lat=rows["lat"] * rows["_weight"])
    out = rows.groupby("square").sum()
    out["lon"], out["lat"] = out["lon"] / out["_weight"], out["lat"] / out["_weight"]
    for column in ("population", *_AGES.values()):
        out[column] = out.get(column, np.nan)
    return out.reset_index()


def _townships(points: pd.DataFrame, county: County) -> Any:
    import shapely
    from shapely.geometry import shape

    out = np.full(len(points), None, dtype=object)
    places = shapely.points(points[["lon", "lat"]].to_numpy())
    for feature in county.layers.get(TOWNSHIPS, {}).get("features", []):
        name = (feature.get("properties") or {}).get("township")
        if name and feature.get("geometry"):
            area = shape(feature["geometry"])
            shapely.prepare(area)
            out[shapely.contains(area, places)] = name
    return out


def _fitted(points: pd.DataFrame, county: County, year: int) -> tuple[pd.DataFrame, str]:
    """Scale the children of each stage to whole numbers whose sum is the roll, of each township where that is known."""
    rolls = county.tables["school_years"]
    rolls = rolls[rolls["year"] == year].merge(county.tables["schools"][["school_id", "township"]], on="school_id")
    out, how = points.copy(), "not"
    for stage, column in _AGES.items():
        pupils = rolls.loc[rolls["stage"] == stage]
        weights = next(
            (out[c] for c in (column, "population", "_weight") if out[c].notna().any()), out["_weight"]
        ).fillna(0)
        if not pupils["pupils"].sum():
            out[column] = (
                _whole(out[column].fillna(0).to_numpy(), round(float(out[column].sum())))
                if out[column].notna().any()
                else np.nan
            )
            continue
        how = "county" if how == "not" else how
        by_township = pupils.groupby("township")["pupils"].sum()
        areas = {t for t in by_township.index if weights[out["township"] == t].sum() > 0}
        if (
            stage == "primary"
            and areas
            and areas >= set(pupils["township"].dropna())
            and pupils["township"].notna().all()
        ):
            how, fitted = "township", np.zeros(len(out))
            for township in areas:
                here = (out["township"] == township).to_numpy()
                fitted[here] = _whole(weights[here].to_numpy(), int(by_township[township]))
        else:
            fitted = _whole(weights.to_numpy(), int(pupils["pupils"].sum()))
        out[column] = fitted
    out["population"] = out["population"].round()
    living = out[["population", *_AGES.values()]].fillna(0).sum(axis=1) > 0
    return out[living].reset_index(drop=True), how


def _whole(weights: Floats, total: int) -> Floats:
    """Scale weights to whole numbers of a given sum, by largest remainder."""
    exact = weights / weights.sum() * total if weights.sum() > 0 else np.zeros(len(weights))
    out = np.floor(exact)
    rest = round(float(exact.sum() - out.sum()))
    out[np.argsort(-(exact - out), kind="stable")[:rest]] += 1
    return out


def _villages(points: pd.DataFrame, county: County, year: int) -> County:
    """Give the points to the villages there are, each to the nearest; or make a village of each point."""
    from scipy.spatial import cKDTree

    figures = ["population", *_AGES.values()]
    villages = county.tables["villages"]
    placed = villages.dropna(subset=["lon", "lat"])
    if len(placed):
        plane = Plane(float(placed["lon"].mean()), float(placed["lat"].mean()))
        nearest = cKDTree(plane(placed[["lon", "lat"]])).query(plane(points[["lon", "lat"]]))[1]
        sums = points.groupby(placed["village_id"].to_numpy()[nearest])[figures].sum(min_count=1)
        rows = sums.rename_axis("village_id").reset_index()
    else:
        width = len(str(len(points)))
        ids = [f"E{at:0{width}d}" for at in range(1, len(points) + 1)]
        texts = {lang: [locale.text("intake.estimated_point", lang, n=i) for i in ids] for lang in locale.LANGUAGES}
        places = {"township": points["township"], "lon": points["lon"].round(6), "lat": points["lat"].round(6)}
        villages = pd.DataFrame({"village_id": ids, "name_zh": texts["zh"], "name_en": texts["en"], **places})
        rows = points[figures].assign(village_id=ids)
    rows["year"] = float(year)
    old = county.tables["village_years"]
    fresh = tables.conform(rows, "village_years").set_index(["village_id", "year"])
    kept = tables.conform(old, "village_years").set_index(["village_id", "year"])
    joined = kept.combine_first(fresh).reset_index() if len(kept) else fresh.reset_index()
    return county.with_tables(villages=villages, village_years=joined)
