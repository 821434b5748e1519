"""Find out about one county what was asked: verdicts, coefficients, outlook, access, layouts, as plain columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import balance_lib
from balance_lib import access, evaluation
from balance_lib._errors import BalanceError, DataError, Fault
from balance_lib.access import distance
from balance_lib.batch import outlook
from balance_lib.batch.options import Options
from balance_lib.batch.schema import TABLES
from balance_lib.data import crs
from balance_lib.data.county import OUTLINE, County
from balance_lib.evaluation import Evaluation
from balance_lib.plain import plain
from balance_lib.standards import Standard

Columns = dict[str, list[Any]]
Findings = dict[str, Columns]


def _findings(folder: Path, name: str, options: Options, content: str) -> Findings:
    """Find out about a county what the options ask.

    ``folder``: the county folder, on this machine.

    Returns
    -------
    mapping of table to mapping of column to list
        The tables of :data:`balance_lib.batch.schema.TABLES`. A county whose files are at fault has its faults and no
        figures; one whose roads or relief alone are at fault has its verdicts and the fault.
    """
    try:
        county = County.open(folder).named(content)
        _require_years(county)
    except DataError as error:
        faulty = {"county_id": Path(name).name, "name_zh": Path(name).name, "state": "faulty", "content": content}
        return {"counties": _columns("counties", [faulty]), "faults": _faults(error.faults)}
    years = [year for year in county.years if options.year in (None, year)]
    out: Findings = {"counties": _columns("counties", [_about(county, content)])}
    judged = {standard.id: _judge(county, standard, years) for standard in options.load()}
    out |= _verdicts(judged)
    out["outlook"] = outlook.columns(county, judged, options.by)
    faults: list[Fault] = []
    for part in (_access, _layouts):
        try:
            out |= part(county, years, options)
        except DataError as error:
            faults += error.faults
    out["faults"] = _faults(faults)
    return out


def _broken(name: str, error: BaseException | str) -> Findings:
    """Return what is known of a county that something went wrong with that is not the county's fault.

    ``error``: what went wrong, or a sentence about it.

    Returns
    -------
    dict of str to table
        A row of the county in state ``broken``, and one fault.
    """
    told = error.message("en") if isinstance(error, BalanceError) else str(error)
    row = {"county_id": Path(name).name, "name_zh": Path(name).name, "state": "broken"}
    fault = Fault("batch_broken", name, found=f"{type(error).__name__}: {told}" if not isinstance(error, str) else told)
    return {"counties": _columns("counties", [row]), "faults": _faults([fault])}


def _columns(table: str, rows: Iterable[Mapping[str, Any]]) -> Columns:
    rows = list(rows)
    return {name: [plain(row.get(name)) for row in rows] for name in TABLES[table] if name != "county"}


def _frame(table: str, frame: pd.DataFrame) -> Columns:
    """Return a frame as columns of plain values; a column at a time, for speed."""
    out = {}
    for name, kind in TABLES[table].items():
        if name == "county":
            continue
        cells = frame[name].tolist() if name in frame else [None] * len(frame)
        cells = [None if cell is None or cell != cell or cell in (math.inf, -math.inf) else cell for cell in cells]
        out[name] = [None if c is None else int(c) for c in cells] if kind == "BIGINT" else cells
    return out


def _require_years(county: County) -> None:
    """Refuse a school year that is none: nobody's deadlines could be reckoned from it."""
    rows = county.tables["school_years"]["year"]
    wrong = rows.index[rows.notna() & ((rows % 1 != 0) | (rows < 1900) | (rows > 2100))]
    if len(wrong):
        told = {"low": 1900, "high": 2100}
        raise DataError(
            [Fault("range", "school_years.csv", int(i) + 2, "year", rows[i], params=told) for i in wrong[:20]]
        )


def _faults(faults: Iterable[Fault]) -> Columns:
    rows = [
        {**fault.as_dict("zh"), "text_zh": fault.sentence("zh"), "text_en": fault.sentence("en")} for fault in faults
    ]
    return _columns("faults", rows)


def _about(county: County, content: str) -> dict[str, Any]:
    last = county.years[-1] if county.years else None
    now = county.tables["school_years"]
    now = now[now["year"] == last]
    taught = now[now["stage"].isin(["primary", "junior"])]
    shape = _outline(county)
    middle = shape.representative_point() if shape is not None else None
    return {
        "county_id": county.county_id,
        "name_zh": county.name_zh,
        "name_en": county.name_en,
        "state": "judged",
        "synthetic": county.synthetic,
        "plan": county.plan,
        "first_year": county.years[0] if county.years else None,
        "last_year": last,
        "schools": int(now["school_id"].nunique()),
        "pupils": float(taught["pupils"].sum(min_count=1)),
        "lon": None if middle is None else middle.x,
        "lat": None if middle is None else middle.y,
        "content": content,
        "software": f"balance_lib {balance_lib.__version__}",
        "wkb": None if shape is None else shape.wkb_hex,
    }


def _outline(county: County) -> Any:
    """Return the county's outline in WGS-84, or the hull of its schools where it has none."""
    import shapely
    from shapely.geometry import shape

    layer = county.layers.get(OUTLINE) or {}
    geometries = [feature.get("geometry") for feature in layer.get("features", ()) if feature.get("geometry")]
    if geometries:
        moved = [shape(crs.convert_geometry(geometry, county.crs, "WGS84")) for geometry in geometries]
        return shapely.union_all(moved) if len(moved) > 1 else moved[0]
    points = county.tables["schools"][["lon", "lat"]].dropna()
    if len(points) < 3:
        return None
    lon, lat = crs.convert(points["lon"], points["lat"], county.crs, "WGS84")
    hull = shapely.multipoints(np.column_stack([lon, lat])).convex_hull
    return hull if hull.geom_type == "Polygon" else None


def _judge(county: County, standard: Standard, years: list[int]) -> dict[int, Evaluation]:
    """Judge the county by a standard in every year."""
    return dict(evaluation.evaluate_years(county, standard, years, by_school=False))


def _verdicts(judged: Mapping[str, Mapping[int, Evaluation]]) -> Findings:
    verdicts: list[dict[str, Any]] = []
    items: Columns = {name: [] for name in TABLES["items"]}
    parts = []
    for standard, of_year in judged.items():
        for year, found in of_year.items():
            head = {"standard": standard, "year": year, "judged_on": found.on.isoformat(), "verdict": found.verdict}
            verdicts.append({**head, **found.counts()})
            parts.append(found.cv.assign(standard=standard, year=year))
            for name, cells in _items(standard, year, found).items():
                items[name] += cells
    cv = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["standard"])
    return {"verdicts": _columns("verdicts", verdicts), "items": items, "coefficients": _frame("coefficients", cv)}


def _items(standard: str, year: int, found: Evaluation) -> Columns:
    results, n = found.items, len(found.items)
    figures = {
        name: [float(value) if math.isfinite(value) else None for value in map(attrgetter(name), results)]
        for name in ("value", "threshold", "gap")
    }
    return {
        "standard": [standard] * n,
        "year": [year] * n,
        "code": [result.item.code for result in results],
        "stage": [result.item.stage for result in results],
        "status": [result.status for result in results],
        "required": [result.counts for result in results],
        **figures,
    }


def _access(county: County, years: list[int], options: Options) -> Findings:
    """Measure who walks how far in the last year, to the school attended and to the nearest one."""
    if options.access is None or not years:
        return {}
    year = years[-1]
    # Not kept on disk: a province would push every county a person works on out of the cache.
    table = distance.od(county, mode=options.access, keep=False, **access.ends(county))
    rows, villages = [], []
    for stage in options.stages:
        reach = access.Reach.of(county, year, stage, table)
        radius = access.radius_of(county, stage).metres
        assert radius is not None
        head = {"year": year, "stage": stage, "mode": options.access}
        rows.append({**head, "radius_m": radius, **_count(reach, radius)})
        villages.append(_villages(county, reach, radius).assign(**head))
    out = pd.concat(villages, ignore_index=True) if villages else pd.DataFrame()
    return {"access": _columns("access", rows), "villages": _frame("villages", out)}


def _count(reach: access.Reach, radius: float) -> dict[str, Any]:
    own = access.covered(reach, radius)
    return {
        "basis": reach.basis,
        "pupils": own.pupils,
        "within": own.within,
        "outside": own.outside,
        "unknown": own.unknown,
        "share": own.share,
        "nearest_share": access.covered(reach, radius, "nearest").share,
        "mean_m": _mean(reach.own_m, reach.pupils),
        "farthest_m": access.farthest(reach),
        "boarders": reach.boarders,
    }


def _mean(metres: Any, pupils: Any) -> float:
    known = np.isfinite(metres)
    total = pupils[known].sum()
    return float((metres[known] * pupils[known]).sum() / total) if total > 0 else math.nan


def _villages(county: County, reach: access.Reach, radius: float) -> pd.DataFrame:
    """Sum up every village with day pupils: how many, how far to their school, and to the nearest."""
    import shapely

    at, n = reach.rows["village"].to_numpy(), len(reach.villages)
    there = at >= 0
    at, pupils, metres = at[there], reach.pupils[there], reach.own_m[there]
    known = np.isfinite(metres)

    def total(weights: Any) -> Any:
        return np.bincount(at, weights, minlength=n)

    farthest = np.full(n, -np.inf)
    np.maximum.at(farthest, at[known], metres[known])
    counted = total(pupils * known)
    group = reach.group() if reach.basis == "attendance" else 0
    nearest = reach.first[group]
    ids = np.array([*reach.schools["school_id"], None], dtype=object)
    lon, lat = crs.convert(reach.villages["lon"], reach.villages["lat"], county.crs, "WGS84")
    placed = np.isfinite(lon) & np.isfinite(lat)
    wkb = np.full(n, None, dtype=object)
    wkb[placed] = shapely.to_wkb(shapely.points(lon[placed], lat[placed]), hex=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        frame = pd.DataFrame(
            {
                "village_id": reach.villages["village_id"],
                "township": reach.villages["township"],
                "pupils": total(pupils),
                "outside": total(pupils * (known & (metres > radius))),
                "unknown": total(pupils * ~known),
                "mean_m": total(np.where(known, metres, 0.0) * pupils) / counted,
                "farthest_m": np.where(np.isfinite(farthest), farthest, np.nan),
                "nearest_id": ids[nearest],
                "nearest_m": reach.first_m[group],
                "lon": lon,
                "lat": lat,
                "wkb": wkb,
            }
        )
    return frame[frame["pupils"] > 0].round({"mean_m": 1, "farthest_m": 1, "nearest_m": 1})


def _layouts(county: County, years: list[int], options: Options) -> Findings:
    """Propose which schools to keep, for the goals the options give; nothing may close unless they say so."""
    if options.optimise is None or not years:
        return {}
    from balance_lib.planning.siting import Goals, propose

    given = dict(options.optimise)
    seconds = float(given.pop("seconds", 20.0))
    rows = []
    for stage in options.stages:
        found = propose(county, stage, Goals(**given), year=years[-1], judge=False, time_limit_s=seconds)
        rows.append(
            {
                "year": years[-1],
                "stage": stage,
                "status": found.solution.status,
                "gap": found.solution.gap,
                "schools": len(found.layout.school_ids),
                "kept": len(found.kept),
                "closed": len(found.closed),
                "sentence_zh": found.sentence("zh"),
                "sentence_en": found.sentence("en"),
                "scenario": found.scenario.to_yaml() if found.solution.found else None,
            }
        )
    return {"layouts": _columns("layouts", rows)}
