"""Equip the schools: ground, rooms, equipment, computers and books as stocks that grow while pupils come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.demo.aims import Aims
from balance_lib.data.demo.demography import along
from balance_lib.data.demo.layout import School
from balance_lib.data.demo.skeleton import Skeleton

# Weight of a pupil in a through-school's shared assets, as the standards divide them.
WEIGHTS = {"primary": 1.0, "junior": 1.1, "senior": 1.32}
SECONDARY_WEIGHTS = {"junior": 1.0, "senior": 1.2}
STOCKS = ("teaching_area", "sports_area", "equipment", "computers", "books")
# Share of a school's lot that its size decides (the rest is chance); how much wider than the county's its spread is.
BY_SIZE = {"teaching_area": 0.75, "sports_area": 0.85, "equipment": 0.45, "computers": 0.5, "books": 0.6}
WIDTH = {"teaching_area": 1.0, "sports_area": 1.25, "equipment": 1.1, "computers": 1.05, "books": 0.95}
ROOMS = ("multimedia_rooms", "function_rooms", "music_rooms", "art_rooms")
STEPPED = ("teaching_area", "sports_area")  # built at once; the others are bought year by year
LEAST, MOST = 0.3, 7.0  # of the county's mean, per pupil
MOST_GROWTH = 4.0  # no school's ground or rooms grow more within these years
SMALL_ROOM_POINTS = 0.3
UNCOUNTED = ("teaching_point", "special")


@dataclass(frozen=True)
class _Unit:
    """One school's assets: the whole school of a through-school."""

    school: School
    group: str
    years: list[int]
    weight: Mapping[int, float]
    classes: Mapping[int, int]


def build(
    skeleton: Skeleton, schools: list[School], table: pd.DataFrame, aims: Aims, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the asset columns of ``school_years``, one row a school and year.

    Stocks start with a spread between schools (the coefficient of variation of the first year) and end with another:
    the spread of what schools get is solved for, by bisection, from the coefficient the county is to have.

    Parameters
    ----------
    skeleton : Skeleton
    schools : list of School
    table : DataFrame
        Rows of the table.
    aims : Aims
    rng : Generator
        Source of chance; the same seed gives the same county.

    Returns
    -------
    DataFrame
        ``school_id, year`` and the asset columns; ``WHOLE`` rows belong on the stage row or the shared row.
    """
    plan = skeleton.settings["assets"]
    units = _units(schools, table)
    ends = {stock: _ends(units, stock, plan, aims, rng) for stock in STOCKS}
    luck = {s.school_id: rng.random(12) for s in schools}
    rows = []
    for unit in units:
        lucky, at_once = luck[unit.school.school_id], plan.get("built_at_once", True)
        paths = {stock: _path(unit, stock, ends[stock][unit.school.school_id], lucky, at_once) for stock in STOCKS}
        rooms = _rooms(unit, plan, aims, lucky)
        for i, year in enumerate(unit.years):
            stock = {name: path[i] for name, path in paths.items()}
            key = {"school_id": unit.school.school_id, "year": year}
            rows.append({**key, **_areas(unit, year, stock, plan, lucky), **rooms[i]})
    return pd.DataFrame(rows)


def weighted_pupils(kind: str, pupils: Mapping[str, float]) -> float:
    """Return a school's pupils in units of its lowest stage, as the division of shared assets counts them.

    Parameters
    ----------
    kind : str
    pupils : mapping of str to float
        Pupils by stage.

    Examples
    --------
    >>> weighted_pupils("nine_year", {"primary": 100, "junior": 100})
    210.0
    """
    weights = SECONDARY_WEIGHTS if kind == "complete_secondary" else WEIGHTS
    if kind in ("junior", "special"):
        return float(sum(pupils.values()))
    return float(round(sum(weights[stage] * count for stage, count in pupils.items()), 6))


def _units(schools: list[School], table: pd.DataFrame) -> list[_Unit]:
    out = []
    by_school = dict(list(table.groupby("school_id")))
    for school in schools:
        rows = by_school[school.school_id]
        weight, classes = {}, {}
        for year, now in rows.groupby("year"):
            pupils = dict(zip(now["stage"], now["pupils"], strict=True))
            weight[int(year)] = weighted_pupils(school.kind_in(int(year)), pupils)
            classes[int(year)] = int(now["classes"].sum())
        group = "junior" if school.kind in ("junior", "complete_secondary") else "primary"
        out.append(_Unit(school, group, sorted(weight), weight, classes))
    return out


def _ends(
    units: list[_Unit], stock: str, plan: Mapping[str, Any], aims: Aims, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Return what each school owns of a stock in its first and in its last year."""
    out = {}
    for group in ("primary", "junior"):
        theirs = [unit for unit in units if unit.group == group]
        chance = np.clip(rng.standard_normal((2, len(theirs))), -1.6, 1.6)
        first = np.array([unit.weight[unit.years[0]] for unit in theirs])
        last = np.array([unit.weight[unit.years[-1]] for unit in theirs])
        new = np.array([unit.school.opened > 0 for unit in theirs])
        mean, cv = plan[group][stock], plan["cv"][group]
        at_start, at_end = _counted(theirs)
        least = mean[0] * LEAST * (0.8 + 0.5 * rng.random(len(theirs)))
        bounds = least, mean[0] * MOST * (0.6 + 0.4 * rng.random(len(theirs)))
        lot = _tilt(first, at_start, stock, chance[0])
        start = _spread(first, at_start, lot, mean[0], cv[0] * WIDTH[stock], *bounds) * first
        start = np.where(new, mean[1] * last, start)  # a new school is built to today's measure
        floor = np.array([_floor(unit, stock, aims) for unit in theirs])
        most = np.array([_most(unit, stock, unit.years[-1], aims) for unit in theirs])
        if stock in STEPPED:
            growth = np.where(new, np.inf, MOST_GROWTH * start / last)
            most = np.minimum(most, growth)
        tilt = _tilt(last, at_end, stock, 0.75 * chance[0] + 0.5 * chance[1])
        keep = np.where(new, 1.0, 0.85 if stock == "teaching_area" else 0.9)
        low, high = (bound * mean[1] / mean[0] for bound in bounds)
        low = np.maximum(np.minimum(low, most), keep * start / last)
        end = _spread(last, at_end, tilt, mean[1], cv[1] * WIDTH[stock], low, high, floor, most) * last
        out.update({u.school.school_id: (a, b) for u, a, b in zip(theirs, start, end, strict=True)})
    return out


def _counted(units: list[_Unit]) -> tuple[Any, Any]:
    """Tell which schools the coefficients of 2012 count, among those open in the first and in the last year."""
    first, last = min(u.years[0] for u in units), max(u.years[-1] for u in units)

    def counts(unit: _Unit, year: int) -> bool:
        school = unit.school
        return school.open_in(year) and school.founder == "county" and school.kind_in(year) not in UNCOUNTED

    return np.array([counts(u, first) for u in units]), np.array([counts(u, last) for u in units])


def _tilt(weight: Any, counted: Any, stock: str, chance: Any) -> Any:
    """Return each school's lot in standard units: small schools own more per pupil."""
    logs = np.log(np.maximum(weight, 4.0))
    centre = np.average(logs[counted], weights=weight[counted])
    wide = np.sqrt(np.average((logs[counted] - centre) ** 2, weights=weight[counted]))
    part = BY_SIZE[stock]
    return np.round(part * -(logs - centre) / max(wide, 0.1) + (1 - part) * chance, 9)


def _floor(unit: _Unit, stock: str, aims: Aims) -> float:
    """Return what the county's push guarantees per weighted pupil in the last year."""
    if stock not in ("teaching_area", "sports_area", "equipment"):
        return 0.0
    return _per_weighted_pupil(unit, stock, unit.years[-1], aims)


def _most(unit: _Unit, indicator: str, year: int, aims: Aims) -> float:
    """Return where a school that is left short stops, per weighted pupil."""
    if indicator in ("computers", "books") or unit.school.kind == "special":
        return float(np.inf)
    return aims.limit(unit.school.school_id, indicator, unit.group, year)


def _per_weighted_pupil(unit: _Unit, indicator: str, year: int, aims: Aims) -> float:
    """Return the push on a whole school per weighted pupil: that of its more demanding stage."""
    school = unit.school
    if school.kind == "special":
        return 0.0
    if school.kind in ("nine_year", "twelve_year"):
        primary, junior = (aims.value(school.school_id, indicator, stage, year) for stage in ("primary", "junior"))
        return max(primary, junior / WEIGHTS["junior"])
    return aims.value(school.school_id, indicator, unit.group, year)


def _spread(
    weight: Any,
    counted: Any,
    tilt: Any,
    mean: float,
    cv: float,
    low: Any,
    high: Any,
    floor: Any = 0.0,
    most: Any = np.inf,
) -> Any:
    """Return values per pupil whose weighted mean and coefficient of variation are as asked, as nearly as bounds allow.

    ``value = mean · exp(σ · tilt)`` within bounds, and σ found by bisection over the schools that count. ``floor`` and
    ``most`` are what the county's push guarantees and where it stops; what a school owns already (``low``) stays.
    """
    least, widest = 0.0, 3.0
    shares = np.where(counted, weight, 0.0)
    for _ in range(50):
        sigma = (least + widest) / 2
        values = np.exp(sigma * tilt)
        values = np.minimum(mean * values / np.average(values, weights=shares), high)
        values = np.maximum(np.minimum(np.maximum(values, floor), most), low)
        centre = np.average(values, weights=shares)
        spread = np.sqrt(np.average((values - centre) ** 2, weights=shares)) / centre
        least, widest = (sigma, widest) if spread < cv else (least, sigma)
    return np.round(values, 6)


def _path(unit: _Unit, stock: str, ends: tuple[float, float], luck: Any, at_once: bool) -> list[float]:
    first, last = ends
    if len(unit.years) == 1:
        return [first]
    step = (np.array(unit.years) - unit.years[0]) / (unit.years[-1] - unit.years[0])
    if stock in STEPPED and not at_once:
        return list(first + (last - first) * step)
    if stock in STEPPED:
        built = 0.2 + 0.75 * luck[0 if stock == "teaching_area" else 1]
        return list(np.where(step >= built, last, first))
    return list(first * (last / first) ** step)


def _areas(unit: _Unit, year: int, stock: Mapping[str, float], plan: Mapping[str, Any], luck: Any) -> dict[str, Any]:
    """Turn stocks into the columns of the forms: gym inside the teaching area, offices beside it."""
    area, sports = round(stock["teaching_area"]), stock["sports_area"]
    large = {"county_seat": 0.75, "central": 0.3, "village": 0.0}[unit.school.rank]
    arrives = plan["gyms_from"] + int(luck[2] * 12)
    gym = 0
    if luck[3] < large and year >= arrives and sports > 2500:
        gym = round(min(420 + 560 * luck[4], sports / 3))
    unsafe = along(plan["unsafe"], year) * area * (luck[5] < 0.45) * (0.5 + luck[6])
    return {
        "teaching_area_m2": area + gym,
        "indoor_sports_m2": gym,
        "office_area_m2": round(area * (0.07 + 0.05 * luck[7])),
        "gym_m2": gym,
        "sports_field_m2": round(sports) - gym,
        "leased_sports_m2": 0,
        "other_sports_m2": round(sports * 0.06 * luck[8]) if luck[9] < 0.35 else 0,
        "equipment_yuan": int(round(stock["equipment"], -2)),
        "computers": round(stock["computers"]),
        "books": round(stock["books"]),
        "unsafe_area_m2": round(unsafe) if unsafe >= 20 else 0,
    }


def _rooms(unit: _Unit, plan: Mapping[str, Any], aims: Aims, luck: Any) -> list[dict[str, int]]:
    """Count multimedia, function, music and art rooms; they arrive over the years and are not taken away."""
    out: list[dict[str, int]] = []
    rank, point = unit.school.rank, unit.school.kind == "teaching_point"
    lead = {"county_seat": 0.12, "central": 0.03, "village": -0.12}[rank]
    for year in unit.years:
        before = out[-1] if out else dict.fromkeys(ROOMS, 0)
        classes = unit.classes[year]
        cover = along(plan["multimedia"], year) + lead + 0.16 * (luck[10] - 0.5)
        wanted = classes * min(max(cover, 0.0), 1.0) + (0.18 * classes if cover > 1 else 0.0)
        per_100 = _per_weighted_pupil(unit, "multimedia_rooms", year, aims)
        need = int(np.ceil(round(per_100 * unit.weight[year] / 100, 6)))
        most = aims.most_units(unit.school.school_id, "multimedia_rooms", unit.group, year, unit.weight[year])
        rooms = max(int(np.floor(round(wanted, 6) + 0.5)), need, min(before["multimedia_rooms"], classes + 2))
        rooms = int(min(rooms, most))
        out.append({"multimedia_rooms": rooms, **_special_rooms(unit, year, plan, luck, before, point)})
    return out


def _special_rooms(
    unit: _Unit, year: int, plan: Mapping[str, Any], luck: Any, before: Mapping[str, int], point: bool
) -> dict[str, int]:
    full = not point and not (unit.school.rank == "village" and unit.school.top_grade < 6)
    start = {"county_seat": 4.6, "central": 3.4, "village": 1.8}[unit.school.rank]
    goal = along(plan["function_rooms"], year)
    if full:
        there = max(min(start, 6 * goal + 3 * (luck[11] - 0.5)), 6 * goal + 2 * (luck[11] - 0.85))
    else:
        there = 2.5 * goal * (0.5 + luck[11])
    kinds = max(min(int(there + 0.5), 6), before["function_rooms"])
    share = along(plan["art_rooms"], year) * (0.75 + 0.5 * luck[8])
    wanted = -(-unit.classes[year] // 12)
    music = max(int(wanted * min(share, 1.0) + luck[6]) if share < 1 else wanted, before["music_rooms"])
    art = max(int(wanted * min(share, 1.0) + luck[7]) if share < 1 else wanted, before["art_rooms"])
    large = along(plan["large_art_rooms"], year) * (0.8 + 0.45 * luck[9])
    if point and luck[9] < SMALL_ROOM_POINTS:
        large = 0.0  # a handful of pupils, and no room that large
    return {"function_rooms": kinds, **_by_size("music", 96, 73, music, large), **_by_size("art", 90, 67, art, large)}


def _by_size(name: str, large: int, middle: int, rooms: int, share: float) -> dict[str, int]:
    """Divide rooms among the size classes of the form; the rest is smaller than 61 m²."""
    big = min(rooms, int(rooms * min(share, 1.0) + (0.5 if share < 1 else 0.0)))
    mid = (rooms - big + 1) // 2
    low = (rooms - big - mid + 1) // 2
    kinds = (f"{name}_rooms", f"{name}_rooms_{large}", f"{name}_rooms_{middle}", f"{name}_rooms_61")
    return dict(zip(kinds, (rooms, big, mid, low), strict=True))
