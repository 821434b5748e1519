"""Find places that cannot be where they are said to be, and hints of another coordinate system; convert nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from balance_lib._errors import Fault, Severity
from balance_lib.data import crs, tables
from balance_lib.data.check.tell import blanks, each
from balance_lib.data.county import CRS_NAMES, OUTLINE, TOWNSHIPS, County
from balance_lib.data.earth import Plane

PLACED = ("schools", "villages", "townships")
# Outlines are simplified: a point this near is not called outside.
EDGE_M = 500.0
# A point whose longitude and latitude were swapped lands in the county again, or this near.
NEAR_M = 5_000.0
# Without an outline: farther from the middle than this many times the usual distance.
FAR_TIMES = 4.0
FAR_LEAST_M = 50_000.0
# If so many are far, they are no slips: the list covers more than a county.
FAR_SHARE = 0.1
# Nobody walks this far, straight line, to a day school.
WALK_M = 25_000.0
# A hint of another coordinate system wants so many points, and so much of what was wrong to come right.
SHIFT_POINTS = 3
SHIFT_OF_ALL = 0.03
SHIFT_SHARE = 0.8
# Pairs of a school and the village it is named after, and how far apart they may usually be.
PAIRS = 8
PAIR_M = 4_000.0

Array = NDArray[np.float64]


def check(county: County) -> Iterator[Fault]:
    """Yield every place that cannot be right; layers are taken to be in the county's own coordinate system."""
    frames = county.tables
    for name in PLACED:
        yield from _points(name, frames[name])
    yield from _doubled(frames["schools"])
    yield from _at_schools(_placed(frames["villages"]), _placed(frames["schools"]))
    outline, areas = area(county.layers.get(OUTLINE)), _areas(county.layers.get(TOWNSHIPS))
    for name in PLACED:
        yield from _outside(name, _placed(frames[name]), outline, _placed(frames["schools"]))
    yield from _wrong_township(_placed(frames["schools"]), areas)
    yield from _shifted(county, outline, areas)
    yield from _far_walks(county)


def area(layer: Mapping[str, Any] | None) -> Any:
    """Return the union of a layer's areas, or None if there is none."""
    import shapely
    from shapely.geometry import shape

    shapes = [shape(f["geometry"]) for f in (layer or {}).get("features", []) if f.get("geometry")]
    shapes = [g if g.is_valid else shapely.make_valid(g) for g in shapes if g.geom_type.endswith("Polygon")]
    return shapely.union_all(shapes) if shapes else None


def _areas(layer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the townships' areas by name."""
    out = {}
    for feature in (layer or {}).get("features", []):
        names = feature.get("properties") or {}
        name = next((names[k] for k in ("township", "name_zh", "name", "乡镇", "名称") if names.get(k)), None)
        if name and feature.get("geometry"):
            out[str(name)] = area({"features": [feature]})
    return {name: shape for name, shape in out.items() if shape is not None}


def turned(rows: pd.DataFrame, outline: Any, others: pd.DataFrame) -> pd.Series:
    """Tell which places lie far from where they should be, and there once longitude and latitude are exchanged.

    Parameters
    ----------
    rows : DataFrame
        Places with ``lon`` and ``lat``, degrees.
    outline : shapely geometry or None
        The county's outline.
    others : DataFrame
        Places known to be right; they judge where there is no outline.
    """
    away = pd.Series(False, index=rows.index)
    here, others = _placed(rows), _placed(others)
    if here.empty or (outline is None and others.empty):
        return away
    if outline is not None:
        off, back = (distance_out_m(here[a], here[b], outline) for a, b in (("lon", "lat"), ("lat", "lon")))
        away[here.index] = (off > NEAR_M) & (back <= NEAR_M)
        return away
    eastward = others["lon"] > others["lat"]  # some of the others may be swapped too: the larger part counts
    others = others[eastward == (eastward.mean() >= 0.5)]
    plane = Plane(float(others["lon"].median()), float(others["lat"].median()))
    usual = float(np.median(np.hypot(*plane(others[["lon", "lat"]]).T)))
    limit = max(FAR_LEAST_M, FAR_TIMES * usual)
    off, back = (np.hypot(*plane(here[pair]).T) for pair in (["lon", "lat"], ["lat", "lon"]))
    away[here.index] = (off > limit) & (back <= limit)
    return away


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a whole, possible, non-zero point."""
    sound = rows["lon"].abs().le(180) & rows["lat"].abs().le(90) & (rows["lon"] != 0) & (rows["lat"] != 0)
    return rows[sound]


def _points(name: str, rows: pd.DataFrame) -> Iterator[Fault]:
    zero = rows[(rows["lon"] == 0) | (rows["lat"] == 0)]
    yield from each("zero_point", name, zero, "lon", found=_shown)
    half = rows[rows["lon"].notna() != rows["lat"].notna()]
    yield from each("half_point", name, half, "lon", found=_shown)
    none = rows[rows["lon"].isna() & rows["lat"].isna()]
    yield from blanks("no_point", name, none, len(rows), "lon")


def _shown(row: Any) -> str:
    return ", ".join("–" if pd.isna(v) else f"{v:g}" for v in (row["lon"], row["lat"]))


def _doubled(schools: pd.DataFrame) -> Iterator[Fault]:
    here = _placed(schools)
    here = here[here["closed_year"].isna()]
    first = here.groupby(["lon", "lat"])["school_id"].transform("first")
    rows = here.assign(_first=first)[first != here["school_id"]]
    yield from each("same_point", "schools", rows, "lon", severity="warning", found=_shown,
                    other=lambda row: row["_first"])  # fmt: skip


def _at_schools(villages: pd.DataFrame, schools: pd.DataFrame) -> Iterator[Fault]:
    """Say that villages were placed where their schools are: ways of 0 km then mean nothing."""
    there = set(zip(schools["lon"], schools["lat"], strict=True))
    n = sum(place in there for place in zip(villages["lon"], villages["lat"], strict=True))
    if n >= PAIRS and 2 * n >= len(villages):
        file, told = tables.table("villages").file, {"n": n, "of": len(villages)}
        yield Fault("village_at_school", file, None, "lon/lat", None, "warning", told)


def _outside(name: str, rows: pd.DataFrame, outline: Any, schools: pd.DataFrame) -> Iterator[Fault]:
    """Yield points out of the county, those with longitude and latitude swapped first."""
    if rows.empty:
        return
    if outline is None:
        yield from _remote(name, rows, schools) if name == "villages" and len(schools) else _far(name, rows)
        return
    off, swapped = distance_out_m(rows["lon"], rows["lat"], outline), turned(rows, outline, rows)
    out = rows.assign(_off=off)
    yield from each("swapped", name, out[swapped], "lon", found=_shown)
    far = out[(off > EDGE_M) & ~swapped]
    if len(far) >= PAIRS and len(far) > FAR_SHARE * len(out):
        yield _many("many_outside", name, far, len(out), "error")
        return
    yield from each("outside", name, far, "lon", found=_shown, km=lambda row: f"{row['_off'] / 1000:.1f}")


def distance_out_m(lon: Any, lat: Any, outline: Any) -> Array:
    """Return how far each point lies outside an outline, 0 inside.

    Parameters
    ----------
    lon, lat : array_like of float, shape (n,)
        Degrees.
    outline : shapely geometry
        Longitude and latitude.

    Returns
    -------
    ndarray of float64, shape (n,)
        Metres.
    """
    import shapely

    middle = outline.centroid
    plane = Plane(middle.x, middle.y)
    flat = shapely.transform(outline, plane)
    shapely.prepare(flat)
    points = shapely.points(plane(np.column_stack([np.asarray(lon, float), np.asarray(lat, float)])))
    return np.asarray(shapely.distance(flat, points), dtype="float64")


def _many(rule: str, name: str, far: pd.DataFrame, of: int, severity: Severity) -> Fault:
    """Tell in one fault how many places lie far off, and which is the farthest."""
    last = far["_off"].idxmax()
    who = far.at[last, "name_zh" if "name_zh" in far else tables.table(name).key[0]]
    told = {"n": len(far), "of": of, "km": f"{far.at[last, '_off'] / 1000:,.0f}", "who": who, "row": int(last) + 2,
            "walk": f"{WALK_M / 1000:g}"}  # fmt: skip
    return Fault(rule, tables.table(name).file, None, "lon/lat", None, severity, told)


def _remote(name: str, rows: pd.DataFrame, schools: pd.DataFrame) -> Iterator[Fault]:
    """Yield villages farther from every school than anyone walks: mostly a list of more than the county."""
    plane = Plane(float(schools["lon"].median()), float(schools["lat"].median()))
    away, back = (_to_nearest_m(rows[pair], schools, plane) for pair in (["lon", "lat"], ["lat", "lon"]))
    out = rows.assign(_off=away)
    swapped = (away > WALK_M) & (back <= WALK_M)
    yield from each("swapped", name, out[swapped], "lon", found=_shown)
    far = out[(away > WALK_M) & ~swapped]
    if len(far):
        yield _many("far_from_schools", name, far, len(out), "warning")


def _to_nearest_m(points: pd.DataFrame, schools: pd.DataFrame, plane: Plane) -> Array:
    """Return how far each point is from the nearest school, in a straight line."""
    import shapely

    tree = shapely.STRtree(shapely.points(plane(schools[["lon", "lat"]])))
    found = tree.query_nearest(shapely.points(plane(points)), return_distance=True, all_matches=False)
    return np.asarray(found[1], dtype="float64")


def _far(name: str, rows: pd.DataFrame) -> Iterator[Fault]:
    """Yield points far from all others, where no outline says what is outside."""
    if len(rows) < PAIRS:
        return
    lon, lat = float(rows["lon"].median()), float(rows["lat"].median())
    plane = Plane(lon, lat)
    away = np.hypot(*plane(rows[["lon", "lat"]]).T)
    limit = max(FAR_LEAST_M, FAR_TIMES * float(np.median(away)))
    out, swapped = rows.assign(_off=away), turned(rows, None, rows)
    if swapped.mean() > FAR_SHARE:  # which of the two is right cannot be told from the places alone
        counted = {"n": int(swapped.sum()), "of": len(rows)}
        yield Fault(
            "swapped_some", tables.table(name).file, None, "lon/lat", _shown(out[swapped].iloc[0]), params=counted
        )
    else:
        yield from each("swapped", name, out[swapped], "lon", found=_shown)
    lonely = (away > limit) & ~swapped
    if lonely.mean() > FAR_SHARE:
        told = {"km": f"{float(np.max(away)) / 1000:.0f}", "n": int(lonely.sum())}
        yield Fault("spread_wide", tables.table(name).file, None, "lon/lat", None, "warning", told)
        return
    yield from each("far_point", name, out[lonely], "lon", severity="warning", found=_shown,
                    km=lambda row: f"{row['_off'] / 1000:.0f}")  # fmt: skip


def _wrong_township(schools: pd.DataFrame, areas: Mapping[str, Any]) -> Iterator[Fault]:
    rows = schools[schools["township"].isin(areas)]
    for name, here in rows.groupby("township", sort=False):
        off = distance_out_m(here["lon"], here["lat"], areas[str(name)])
        for index, distance in zip(here.index[off > EDGE_M], off[off > EDGE_M], strict=True):
            row = here.loc[index]
            point = row[["lon", "lat"]].to_numpy(dtype="float64")
            inside = next((n for n, g in areas.items() if distance_out_m([point[0]], [point[1]], g)[0] == 0), "–")
            told = {"township": name, "inside": inside, "km": f"{distance / 1000:.1f}"}
            yield Fault(
                "wrong_township", tables.table("schools").file, int(index) + 2, "lon", _shown(row), "warning", told
            )


def _shifted(county: County, outline: Any, areas: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a hint where converting from another system would bring most wrong points right.

    An outline alone shows a shift of several hundred metres only at its edge; townships and villages that schools are
    named after show it everywhere. It is a hint: nothing is converted.
    """
    if county.crs not in CRS_NAMES:
        return
    others = (
        ["GCJ02", "BD09"]
        if crs.same(county.crs, "WGS84")
        else [n for n in ("WGS84", "GCJ02", "BD09") if n != county.crs]
    )
    villages = _placed(county.tables["villages"])
    for name in ("schools", "villages"):
        rows = _placed(county.tables[name])
        if rows.empty:
            continue
        best: tuple[float, Fault] | None = None
        for other in others:
            hint = _hint(name, rows, county.crs, other, outline, areas, villages if name == "schools" else villages[:0])
            best = hint if hint and (best is None or hint[0] > best[0]) else best
        if best:
            yield best[1]


def _hint(
    name: str,
    rows: pd.DataFrame,
    declared: str,
    other: str,
    outline: Any,
    areas: Mapping[str, Any],
    villages: pd.DataFrame,
) -> tuple[float, Fault] | None:
    """Return how much speaks for another system, and the fault that says so; None if not enough does."""
    lon, lat = crs.convert(rows["lon"], rows["lat"], other, declared)
    moved = rows.assign(lon=lon, lat=lat)
    middle = Plane(float(rows["lon"].median()), float(rows["lat"].median()))
    metres = float(np.median(np.hypot(*(middle(moved[["lon", "lat"]]) - middle(rows[["lon", "lat"]])).T)))
    if metres < EDGE_M / 10:
        return None  # outside China the systems do not differ
    wrong, right = _misplaced(rows, outline, areas), _misplaced(moved, outline, areas)
    share = 1 - right / wrong if wrong >= max(SHIFT_POINTS, SHIFT_OF_ALL * len(rows)) else 0.0
    if share < SHIFT_SHARE:
        share, wrong = _named_after(rows, moved, villages)
    if share < SHIFT_SHARE:
        return None
    told = {"other": other, "declared": declared, "metres": f"{metres:.0f}", "n": wrong, "share": f"{100 * share:.0f}"}
    file = tables.table(name).file
    return share, Fault("looks_shifted", file, None, "lon/lat", declared, "warning", told)


def _misplaced(rows: pd.DataFrame, outline: Any, areas: Mapping[str, Any]) -> int:
    """Return how many points lie a little outside the county or the township they are said to be in.

    Points far off are wrong in another way and say nothing of a shift.
    """
    wrong = np.zeros(len(rows), dtype=bool)
    if outline is not None:
        off = distance_out_m(rows["lon"], rows["lat"], outline)
        wrong |= (off > 0) & (off < NEAR_M)
    for name in set(rows["township"].dropna()) & set(areas):
        here = (rows["township"] == name).to_numpy()
        off = distance_out_m(rows["lon"][here], rows["lat"][here], areas[name])
        wrong[here] |= (off > 0) & (off < NEAR_M)
    return int(wrong.sum())


def _named_after(rows: pd.DataFrame, moved: pd.DataFrame, villages: pd.DataFrame) -> tuple[float, int]:
    """Return how much nearer schools come to the villages they are named after, if the shift explains the offset.

    A village school stands in any direction from its village's point, so the offsets of many cancel out; what they
    have in common is a shift. It is explained if conversion takes most of it away and it stands out from the scatter.
    """
    pairs = _pairs(rows, villages)
    if len(pairs) < PAIRS:
        return 0.0, 0
    place = villages.loc[pairs["_village"], ["lon", "lat"]].to_numpy()
    plane = Plane(*place.mean(axis=0))
    offsets = [plane(frame.loc[pairs.index, ["lon", "lat"]]) - plane(place) for frame in (rows, moved)]
    near = np.hypot(*offsets[0].T) < PAIR_M
    if near.sum() < PAIRS:
        return 0.0, 0
    before, after = (np.median(o[near], axis=0) for o in offsets)
    scatter = 1.4826 * np.median(np.abs(offsets[0][near] - before), axis=0) / np.sqrt(near.sum())
    if not before.any() or np.hypot(*before) < 4 * np.hypot(*scatter):
        return 0.0, 0
    return 1 - float(np.hypot(*after) / np.hypot(*before)), int(near.sum())


def _pairs(rows: pd.DataFrame, villages: pd.DataFrame) -> pd.DataFrame:
    """Return schools with the index of the one village of their township whose name theirs begins with."""
    names: dict[tuple[str, str], list[Any]] = {}
    for index, township, name in zip(villages.index, villages["township"].fillna(""), villages["name_zh"], strict=True):
        if isinstance(name, str):
            short = name.removesuffix("委会").removesuffix("社区").removesuffix("村").removesuffix("村民")
            if len(short) >= 2:
                names.setdefault((township, short), []).append(index)
    found: Sequence[Any] = [
        next((v[0] for (t, short), v in names.items() if t == township and len(v) == 1 and short in str(school)), None)
        for township, school in zip(rows["township"].fillna(""), rows["name_zh"], strict=True)
    ]
    out = rows.assign(_village=pd.Series(found, index=rows.index, dtype="object"))
    return out[out["_village"].notna()]


def _far_walks(county: County) -> Iterator[Fault]:
    """Yield day pupils whose village lies farther from their school than anyone walks."""
    went = county.tables["attendance"]
    if went.empty:
        return
    homes = _placed(county.tables["villages"]).drop_duplicates("village_id").set_index("village_id")
    schools = _placed(county.tables["schools"]).drop_duplicates("school_id").set_index("school_id")
    known = went[went["village_id"].isin(homes.index) & went["school_id"].isin(schools.index)]
    if known.empty:
        return
    start = homes.loc[known["village_id"], ["lon", "lat"]].to_numpy()
    end = schools.loc[known["school_id"], ["lon", "lat"]].to_numpy()
    plane = Plane(*start.mean(axis=0))
    metres = np.hypot(*(plane(end) - plane(start)).T)
    day = known["pupils"] - known["boarders"].fillna(0)
    rows = known.assign(_km=metres / 1000, _day=day)[(metres > WALK_M) & (day > 0)]
    yield from each("far_walk", "attendance", rows, "school_id", severity="warning",
                    km=lambda row: f"{row['_km']:.0f}", pupils=lambda row: f"{row['_day']:.0f}")  # fmt: skip
