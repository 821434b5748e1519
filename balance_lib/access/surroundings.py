"""Find what stands too near to a school: points of interest within the distances a standard sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from balance_lib import standards
from balance_lib._errors import DataError, Fault, unreadable
from balance_lib.access import distance
from balance_lib.access.walks import Floats
from balance_lib.data import crs
from balance_lib.data.county import County
from balance_lib.evaluation import Measured, number
from balance_lib.locale import LANGUAGES, Message, named

LAYER = "points.geojson"
POINT_COLUMNS = ["kind", "name", "lon", "lat"]
NEAR_COLUMNS = ["school_id", "school", "kind", "name", "metres", "limit_m", "standard", "code", "breaks"]
NO_RULE: Mapping[str, Any] = {"limit_m": np.nan, "standard": None, "code": None}
KEYS = {
    "kind": ("kind", "amenity", "leisure", "shop", "类别", "类型"),  # OpenStreetMap's tags among them
    "name": ("name", "name_zh", "名称"),
    "lon": ("lon", "经度"),
    "lat": ("lat", "纬度"),
}


def read_points(source: str | Path, content: bytes | None = None) -> pd.DataFrame:
    """Read points of interest from GeoJSON (points, or areas by their middle) or CSV (kind, name, lon, lat).

    Parameters
    ----------
    source : str or Path
        A .geojson, .json or .csv file; its name only, when ``content`` is given.
    content : bytes, optional

    Returns
    -------
    DataFrame
        kind, name, lon, lat. The coordinates are taken as they are: they must be in the county's declared system.

    Raises
    ------
    DataError
        If the file cannot be read, or a point lacks its kind or its coordinates; every fault at once.
    """
    path = Path(source)
    csv = path.suffix.lower() == ".csv"
    try:
        text = (path.read_bytes() if content is None else content).decode("utf-8-sig")
        frame = _of_csv(text, path.name) if csv else of_layer(json.loads(text))
    except DataError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # not text, no JSON, not GeoJSON
        raise DataError([unreadable(path.name, error)]) from error
    nowhere = ~((frame["lon"].abs() <= 180) & (frame["lat"].abs() <= 90))
    wrong = {"kind": ("point_kind", frame["kind"].isna()), "lon": ("point_place", nowhere)}
    first = 2 if csv else 1  # a spreadsheet's second row, a layer's first feature
    faults = [
        Fault(rule, path.name, int(at) + first, column)
        for column, (rule, flags) in wrong.items()
        for at in np.flatnonzero(flags)
    ]
    if faults:
        raise DataError(faults)
    return frame


def of_layer(layer: Mapping[str, Any]) -> pd.DataFrame:
    """Return the points of a GeoJSON mapping; see :func:`read_points`."""
    from shapely.geometry import shape

    rows: list[tuple[Any, ...]] = []
    for feature in layer.get("features", []):
        facts = feature.get("properties") or {}
        kind = next((str(facts[k]) for k in KEYS["kind"] if facts.get(k)), None)
        name = next((str(facts[k]) for k in KEYS["name"] if facts.get(k)), "")
        drawn = shape(feature["geometry"]) if feature.get("geometry") else None
        middle = None if drawn is None or drawn.is_empty else drawn.representative_point()
        rows.append((kind, name, *((np.nan, np.nan) if middle is None else (middle.x, middle.y))))
    return pd.DataFrame(rows, columns=POINT_COLUMNS)


def near_schools(
    county: County, points: pd.DataFrame, *, year: int | None = None, within_m: Sequence[float] = (50.0, 200.0)
) -> pd.DataFrame:
    """List what lies near schools, in a straight line.

    A school is one point here, its coordinates; "50 m from the gate" is measured from there. Where the grounds are
    large the true distance to a gate or fence is shorter: a list without an entry is no clearance.

    Parameters
    ----------
    county : County
    points : DataFrame
        From :func:`read_points`.
    year : int, optional
        Only schools with pupils in that year.
    within_m : sequence of float
        The largest is how far is looked; a kind for which a standard sets a limit is looked for that far at least.

    Returns
    -------
    DataFrame
        school_id, school, kind, name, metres, limit_m, standard, code (of the item that sets the limit; NaN and None
        for kinds no standard names), breaks (nearer than the limit allows); by school, nearest first.
    """
    schools = county.tables["schools"].drop_duplicates("school_id").dropna(subset=["lon", "lat"])
    if year is not None:
        years = county.table("school_years", year)
        schools = schools[schools["school_id"].isin(set(years.loc[years["pupils"] != 0, "school_id"]))]
    kinds = {word: entry for entry in _kinds() for word in entry["kinds"]}
    rules = [kinds.get(str(kind).strip().lower(), NO_RULE) for kind in points["kind"]]
    limit = np.array([rule["limit_m"] for rule in rules], dtype=float)
    look = np.fmax(limit, max(within_m))
    metres = _between(schools, points, county.crs)
    school, point = np.nonzero(metres <= look[None, :])
    order = np.lexsort((metres[school, point], school))
    school, point = school[order], point[order]
    found = pd.DataFrame(
        {
            "school_id": schools["school_id"].to_numpy()[school],
            "school": schools["name_zh"].to_numpy()[school],
            "kind": points["kind"].to_numpy()[point],
            "name": points["name"].to_numpy()[point],
            "metres": metres[school, point],
            "limit_m": limit[point],
            "standard": [rules[p]["standard"] for p in point],
            "code": [rules[p]["code"] for p in point],
        }
    )
    # The items read "more than 50 m": a point exactly on the limit breaks it.
    return found.assign(breaks=found["metres"] <= found["limit_m"])[NEAR_COLUMNS]


def near_measures(county: County, year: int) -> dict[tuple[str, str], Measured]:
    """Measure what stands near the schools that are open in a year, for ``evaluation.evaluate``.

    Parameters
    ----------
    county : County
        Its layer ``points.geojson`` holds the places; without one there is nothing to measure by.
    year : int

    Returns
    -------
    mapping of (name, stage) to Measured
        ``near_<kind>_m``, the nearest place of the kind in metres, and ``near_<kind>_count``, how many stand within
        the limit; only kinds the layer records. A layer without a kind is no clearance.
    """
    layer = county.layers.get(LAYER)
    if layer is None:
        return {}
    schools = county.tables["schools"].drop_duplicates("school_id")
    open_then = ~(schools["opened_year"] > year) & ~(schools["closed_year"] <= year)
    county = county.with_tables(schools=schools[open_then])
    points, out = of_layer(layer), {}
    for entry in _kinds():
        own = points[points["kind"].astype(str).str.strip().str.lower().isin(entry["kinds"])].dropna(
            subset=["lon", "lat"]
        )
        placed = schools[open_then].dropna(subset=["lon", "lat"])
        if own.empty or placed.empty:
            continue
        metres = _between(placed, own, county.crs)
        limit = float(entry["limit_m"])
        school, point = np.unravel_index(int(np.argmin(metres)), metres.shape)
        names = {lang: named(placed, lang) for lang in LANGUAGES}
        count = int((metres.min(axis=0) <= limit).sum())
        told = {
            "school": {lang: str(column.iloc[school]) for lang, column in names.items()},
            "place": str(own["name"].iloc[point]) or str(own["kind"].iloc[point]),
            "metres": number(round(float(metres[school, point]), 1)), "limit": number(limit),
            "count": count,
        }  # fmt: skip
        unplaced = int(open_then.sum()) - len(placed)
        note = Message("access.measured.near", told)
        if unplaced:
            note = Message(
                "reason.with_note", {"why": note, "note": Message("access.measured.unplaced", {"n": unplaced})}
            )
        nearest, within = float(metres[school, point]), float(count)
        # A school without a place may stand nearer: what is found is enough to fail, never to pass.
        fails = nearest <= limit
        known = fails or not unplaced
        out[f"near_{entry['id']}_m", "all"] = Measured(nearest if known else np.nan, note)
        out[f"near_{entry['id']}_count", "all"] = Measured(within if known else np.nan, note)
    return out


def count_within(found: pd.DataFrame, within_m: Sequence[float] = (50.0, 200.0)) -> pd.DataFrame:
    """Count by kind how many schools have something of it within each distance.

    Parameters
    ----------
    found : DataFrame
        Rows that are counted or shown.
    within_m : sequence of float
        Distances in metres.

    Returns
    -------
    DataFrame
        kind, then one column ``within_<metres>`` a distance with the number of schools; by kind.
    """
    kinds = sorted(found["kind"].unique())
    columns: dict[str, Any] = {"kind": kinds}
    for metres in within_m:
        near = found[found["metres"] <= metres].groupby("kind")["school_id"].nunique()
        columns[f"within_{metres:g}"] = near.reindex(kinds).fillna(0).astype(int).to_numpy()
    return pd.DataFrame(columns)


def _between(schools: pd.DataFrame, points: pd.DataFrame, declared: str) -> Floats:
    here, there = (np.stack(crs.convert(f["lon"], f["lat"], declared, "WGS84"), axis=-1) for f in (schools, points))
    a, b = np.repeat(here, len(there), axis=0), np.tile(there, (len(here), 1))
    return distance.straight_m(*a.T, *b.T).reshape(len(here), len(there))


def _of_csv(text: str, name: str) -> pd.DataFrame:
    from io import StringIO

    frame = pd.read_csv(StringIO(text), dtype=str)
    column = {key: next((c for c in names if c in frame), None) for key, names in KEYS.items()}
    if missing := [key for key, found in column.items() if found is None and key != "name"]:
        raise DataError([Fault("missing_column", name, 1, key) for key in missing])
    out = pd.DataFrame({key: "" if found is None else frame[found] for key, found in column.items()}, index=frame.index)
    places = {key: pd.to_numeric(out[key], errors="coerce") for key in ("lon", "lat")}
    return out.assign(name=out["name"].fillna(""), **places)[POINT_COLUMNS]


@cache
def _kinds() -> tuple[dict[str, Any], ...]:
    """Return the kinds with the limit the standard's item sets."""
    raw = yaml.safe_load(resources.files(__package__).joinpath("surroundings.yaml").read_text(encoding="utf-8"))
    out = []
    for entry in raw:
        item = standards.load(entry["item"]["standard"]).item(entry["item"]["code"])
        out.append({**entry, **entry["item"], "limit_m": float(item.value)})
    return tuple(out)
