"""Say with tables what the arrays of the scenarios say: who goes where, how they get there, who is covered.

An oracle: written before the arrays, and row by row where they are one step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.distance import Places, straight_table
from balance_lib.scenarios.base import BANDS, GRADES, STAGE_OF, TravelDistances
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.settings import Settings, default
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
NEAREST = 3  # so many schools are within reach however far they are
KEY = ["village_id", "from_id", "to_id", "stage", "band"]
NOWHERE = ""  # no school of the county takes them in


@dataclass(frozen=True, eq=False)
class TableMoves:
    """Hold who changes school.

    Parameters
    ----------
    table : DataFrame
        village_id ("" where the home is not known), from_id, to_id ("" where no school takes them in), stage, band,
        pupils, boarders (of them boarding before), overflow (pupils beyond the places there are).
    solution : dict
        method, status, gap, objective_m, shortfall over all stages.
    crowded : DataFrame
        As ``table``: pupils whom new zones leave at their school although others take its places.
    """

    table: pd.DataFrame
    solution: dict[str, Any]
    crowded: pd.DataFrame


def moves(layout: Layout, ways: TravelDistances, *, time_limit_s: float = 10.0) -> TableMoves:
    """Assign every affected pupil to a school.

    Who is affected: pupils whose school closes or no longer teaches their grades; pupils of the villages zoned to a
    school that opens; with ``rezone`` all pupils of public schools. Merged schools go where the merger says, whatever
    the places; the others to the least total distance within the places that are left.

    Parameters
    ----------
    layout : Layout
    ways : TravelDistances
    time_limit_s : float
        For the proof that zones are the best; the solution then tells its gap.

    """
    groups = layout.base.groups
    fixed, open_ended = _affected(layout, ways, groups)
    free = _free(layout, groups, fixed, open_ended)
    placed, over = _into_fixed(fixed, free)
    parts, told = [placed], []
    for stage in STAGES:
        rows = open_ended[open_ended["stage"] == stage]
        if len(rows):
            found, solution = _assign(layout, ways, rows.reset_index(drop=True), free, stage, time_limit_s)
            parts.append(found)
            told.append(solution)
    table = pd.concat(parts, ignore_index=True)
    stays = table["from_id"] == table["to_id"]
    crowded = table[stays & (table["overflow"] > 0)].reset_index(drop=True)
    table = table[(table["pupils"] > 0) & ~stays]
    table = table.groupby(KEY, as_index=False, sort=True)[["pupils", "boarders", "overflow"]].sum()
    return TableMoves(table, _solution(layout, told, over), crowded)


def _affected(layout: Layout, ways: TravelDistances, groups: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the groups that go to a fixed school (``to_id``), and those that go where there is room."""
    teaches = layout.teaches
    at = teaches.index.get_indexer(groups["school_id"])
    columns = teaches.columns.get_indexer(groups["band"])
    stays = np.where(at >= 0, teaches.to_numpy()[at, columns], True)
    into = groups["school_id"].map(layout.merged_into)
    drawn = _drawn(layout, ways, groups, stays)
    to = into.where(into.notna(), drawn)
    fixed = groups[to.notna()].assign(to_id=to[to.notna()])
    leaving = ~stays & to.isna().to_numpy()
    if layout.scenario.settings.rezone:
        plain = ~(layout.private | layout.special).reindex(groups["school_id"]).fillna(True).to_numpy(dtype=bool)
        leaving |= plain & to.isna().to_numpy() & (groups["village_id"] != "").to_numpy()
    return fixed, groups[leaving]


def _drawn(layout: Layout, ways: TravelDistances, groups: pd.DataFrame, stays: Any) -> pd.Series:
    """Return to which new school each public group is drawn: its village is zoned to it, or it is nearer."""
    out = pd.Series(None, index=groups.index, dtype=object)
    plain = ~(layout.private | layout.special).reindex(groups["school_id"]).fillna(True).to_numpy(dtype=bool)
    now = ways.metres(groups["village_id"], groups["school_id"])
    for school, villages in layout.zoned.items():
        # A school that takes up a stage draws nobody to the bands it had before.
        kept = layout.base.sums.reindex([school]).fillna(0.0).iloc[0]
        taught = groups["band"].map(
            lambda band, kept=kept, s=school: bool(layout.teaches.at[s, band]) and not kept[band]
        )
        there = plain & taught.to_numpy(dtype=bool) & (groups["school_id"] != school).to_numpy() & out.isna().to_numpy()
        if villages:
            out[there & groups["village_id"].isin(villages).to_numpy()] = school
        elif layout.frame.at[school, "state"] == "opened":
            near = ways.metres(groups["village_id"], [school] * len(groups))
            out.update(_fitting(layout, groups[there & (near < now) & stays], now - near, school))
    return out


def _fitting(layout: Layout, groups: pd.DataFrame, saved: Floats, school: str) -> pd.Series:
    """Return the groups that fit into a new school, those who save most first; a group goes whole."""
    left, out = layout.places.loc[school].to_dict(), {}
    for row in sorted(groups.index, key=lambda i: -saved[i]):
        band, pupils = groups.at[row, "band"], groups.at[row, "pupils"]
        if pupils <= left[band]:
            left[band] -= pupils
            out[row] = school
    return pd.Series(out, dtype=object)


def _free(layout: Layout, groups: pd.DataFrame, *leaving: pd.DataFrame) -> pd.DataFrame:
    """Return the places left by school and band, once those who leave have left."""
    gone = pd.concat(leaving)
    gone = gone.groupby(["school_id", "band"])["pupils"].sum().unstack(fill_value=0.0)
    gone = gone.reindex(index=layout.ids, columns=list(BANDS), fill_value=0.0)
    here = layout.base.sums.reindex(layout.ids).fillna(0.0)
    return (layout.places - (here - gone)).clip(lower=0.0)


def _into_fixed(fixed: pd.DataFrame, free: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Place merged and zoned pupils; what exceeds the places is overflow, the last groups first."""
    rows = fixed.rename(columns={"school_id": "from_id"}).assign(overflow=0.0)
    for i in rows.index:
        school, band = rows.at[i, "to_id"], rows.at[i, "band"]
        room = free.at[school, band]
        rows.at[i, "overflow"] = max(rows.at[i, "pupils"] - room, 0.0)
        free.at[school, band] = max(room - rows.at[i, "pupils"], 0.0)
    return rows[[*KEY, "pupils", "boarders", "overflow"]], float(rows["overflow"].sum())


def _assign(
    layout: Layout, ways: TravelDistances, rows: pd.DataFrame, free: pd.DataFrame, stage: str, time_limit_s: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Assign the pupils of one stage, public, private and special apart; places are used up in that order."""
    frame, parts, told = layout.frame, [], []
    sector = _sector(layout, rows["school_id"])
    for name in ("public", "private", "special"):
        mine = rows[sector == name]
        if mine.empty:
            continue
        public = ~(layout.private | layout.special)
        allowed = {"public": public, "private": ~layout.special, "special": layout.special}[name] & frame["there"]
        if layout.scenario.settings.assignment == "zoned":
            found, solution = _zoned(layout, ways, mine, free, stage, allowed, time_limit_s)
        else:
            found, solution = _transport(layout, ways, mine, free, allowed)
        parts.append(found)
        told.append(solution)
        for (school, band), used in found.groupby(["to_id", "band"])["pupils"].sum().items():
            if school in free.index:
                free.at[school, band] = max(free.at[school, band] - used, 0.0)
    return pd.concat(parts, ignore_index=True), _worst(told)


def _sector(layout: Layout, schools: pd.Series) -> pd.Series:
    special = schools.map(layout.special).fillna(False).astype(bool)
    private = schools.map(layout.private).fillna(False).astype(bool)
    return pd.Series(np.select([special, private], ["special", "private"], "public"), index=schools.index)


def _zoned(
    layout: Layout,
    ways: TravelDistances,
    rows: pd.DataFrame,
    free: pd.DataFrame,
    stage: str,
    allowed: pd.Series,
    time_limit_s: float,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Send each village whole; one of unknown home is told by the school it comes from."""
    from balance_lib.optimise import allocation

    bands = [b for b in BANDS if STAGE_OF[b] == stage]
    point = rows["village_id"].where(rows["village_id"] != "", "@" + rows["school_id"])
    demand = rows.assign(point=point).pivot_table(index="point", columns="band", values="pupils", aggfunc="sum")
    demand = demand.reindex(columns=bands).fillna(0.0)
    first = rows.assign(point=point).drop_duplicates("point").set_index("point").loc[demand.index]
    receives = layout.receives[bands]
    sites = np.flatnonzero((receives.any(axis=1) & allowed).to_numpy())
    cost = cost_table(layout, ways, first, sites)
    for at, band in enumerate(bands):  # a school without the grades of a village's pupils is none for the village
        lacking = ~receives[band].to_numpy()[sites]
        cost[np.ix_(demand.to_numpy()[:, at] > 0, lacking)] = np.nan
    cost = _within_reach(layout, cost, first["stage"])
    room = free[bands].to_numpy()[sites]
    found = allocation.zoned(cost, demand.to_numpy(), room, time_limit_s=time_limit_s)
    site = np.array(found.site)
    # Who finds no place goes to the nearest school all the same: overflow, named as a broken rule.
    near = np.where(np.isfinite(cost), cost, np.inf)
    lost = site < 0
    site[lost] = np.where(np.isfinite(near[lost]).any(axis=1), near[lost].argmin(axis=1) if len(sites) else -1, -1)
    ids = np.append(np.array(layout.ids, dtype=object)[sites], NOWHERE)
    to = pd.Series(ids[site], index=demand.index)
    over = pd.Series(lost, index=demand.index)
    out = rows.assign(to_id=point.map(to), overflow=np.where(point.map(over), rows["pupils"], 0.0))
    return _columns(out), _told(found)


def _transport(
    layout: Layout, ways: TravelDistances, rows: pd.DataFrame, free: pd.DataFrame, allowed: pd.Series
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Send pupils at the least total distance; a village may be split."""
    parts, told = [], []
    for band, mine in rows.groupby("band", sort=False):
        found, solution = _transported(layout, ways, mine.reset_index(drop=True), free, str(band), allowed)
        parts.append(found)
        told.append(solution)
    return pd.concat(parts, ignore_index=True), _worst(told)


def _transported(
    layout: Layout, ways: TravelDistances, rows: pd.DataFrame, free: pd.DataFrame, band: str, allowed: pd.Series
) -> tuple[pd.DataFrame, dict[str, Any]]:
    from balance_lib.optimise import allocation

    sites = np.flatnonzero((layout.receives[band] & allowed).to_numpy())
    cost = _within_reach(layout, cost_table(layout, ways, rows, sites), rows["stage"])
    ids = np.append(np.array(layout.ids, dtype=object)[sites], NOWHERE)
    found = allocation.transport(cost, rows["pupils"].to_numpy(), free[band].to_numpy()[sites])
    points, amounts = np.asarray(found.points, dtype=np.int64), np.round(np.asarray(found.amounts))
    near = np.where(np.isfinite(cost), cost, np.inf)
    nearest = near.argmin(axis=1) if len(sites) else np.zeros(len(rows), dtype=int)
    nearest = np.where(np.isfinite(near).any(axis=1), nearest, -1) if len(sites) else nearest - 1
    lost = rows["pupils"].to_numpy() - np.bincount(points, amounts, minlength=len(rows))
    over = np.flatnonzero(lost > 0)
    flow = rows.iloc[np.append(points, over)].reset_index(drop=True)
    flow["share"] = np.append(amounts, lost[over])
    flow["to_id"] = ids[np.append(np.asarray(found.sites, dtype=np.int64), nearest[over])]
    flow["overflow"] = np.append(np.zeros(len(points)), lost[over])
    flow["boarders"] = _split_boarders(flow)
    return _columns(flow.assign(pupils=flow["share"])), _told(found)


def _split_boarders(flow: pd.DataFrame) -> Floats:
    """Divide the boarders of a group among its flows, in the order of the flows, whole pupils."""
    out = np.zeros(len(flow))
    left: dict[tuple[str, str], float] = {}
    for i, row in enumerate(flow.itertuples()):
        key = (row.village_id, row.school_id)
        have = left.get(key, row.boarders)
        out[i] = min(have, row.share)
        left[key] = have - out[i]
    return out


def cost_table(layout: Layout, ways: TravelDistances, rows: pd.DataFrame, sites: Any) -> Floats:
    """Return metres from each row's village to each site; unknown homes are put where their school stood."""
    ids = np.array(layout.ids, dtype=object)[sites]
    column = np.array([ways.school.get(s, -1) for s in ids], dtype=np.int64)
    line = np.array([ways.village.get(v, -1) for v in rows["village_id"]], dtype=np.int64)
    out = np.full((len(rows), len(sites)), np.nan)
    known = line >= 0
    if known.any() and len(sites):
        out[known] = np.where(column >= 0, ways.table.metres[np.ix_(line[known], column)], np.nan)
    lost = ~np.isfinite(out).any(axis=1)
    if lost.any() and len(sites):
        out[lost] = _from_school(layout, rows["school_id"].to_numpy()[lost], ids)
    return out


def _within_reach(layout: Layout, cost: Floats, stages: pd.Series) -> Floats:
    """Leave out schools beyond the reach, but never the nearest ones."""
    settings = layout.scenario.settings
    reach = stages.map({stage: settings.number(f"reach_{stage}_m") for stage in STAGES}).to_numpy(dtype=float)
    near = (
        np.sort(np.where(np.isfinite(cost), cost, np.inf), axis=1)[:, min(NEAREST, cost.shape[1]) - 1]
        if cost.size
        else reach
    )
    return np.where(cost <= np.maximum(reach, near)[:, None], cost, np.nan)


def _from_school(layout: Layout, schools: Any, ids: Any) -> Floats:
    """Return straight metres from the school pupils come from; a constant where no place is known."""
    places = layout.frame[["lon", "lat"]].astype(float)
    ends = [Places(i, *places.loc[i].to_numpy().T) for i in (schools, ids)]
    metres = straight_table(*ends).metres
    return np.where(np.isfinite(metres), metres, np.nanmax(metres, initial=1.0) + 1.0)


def _columns(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.rename(columns={"school_id": "from_id"})[[*KEY, "pupils", "boarders", "overflow"]]


def _told(found: Any) -> dict[str, Any]:
    return {
        "status": found.status,
        "gap": float(found.gap),
        "objective_m": float(found.objective),
        "shortfall": float(np.sum(found.overflow)),
        "reasons": tuple(found.reasons),
    }


_ORDER = ("optimal", "feasible", "infeasible", "stopped")


def _worst(told: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one finding for several solves: the worst status and gap, the sum of the rest."""
    return {
        "status": max((t["status"] for t in told), key=_ORDER.index, default="optimal"),
        "gap": float(np.nanmax([0.0, *(t["gap"] for t in told)])),
        "objective_m": float(sum(t["objective_m"] for t in told)),
        "shortfall": float(sum(t["shortfall"] for t in told)),
        "reasons": tuple(dict.fromkeys(r for t in told for r in t["reasons"])),
    }


def _solution(layout: Layout, told: list[dict[str, Any]], over: float) -> dict[str, Any]:
    out = _worst(told)
    if over and out["status"] in ("optimal", "feasible"):
        out["status"] = "infeasible"
    return {"method": layout.scenario.settings.assignment, **out, "shortfall": out["shortfall"] + over}


def may_board(settings: Settings, bands: pd.Series) -> Any:
    """Tell which bands may board: those whose lowest grade is allowed to; grades 1 to 3 never are."""
    lowest = max(settings.boarding_from_grade, int(default("never_board_below")))
    # The band of grades 4 to 6 boards from grade 5 or 6 in part only; as a whole it may not.
    return bands.map({band: grades[0] >= lowest for band, grades in GRADES.items()}).to_numpy(dtype=bool)


def bus_minutes(layout: Layout, ways: TravelDistances, rows: pd.DataFrame, to: str) -> Floats:
    """Return the riding minutes of each row; NaN where no bus takes them."""
    settings = layout.scenario.settings
    line = np.array([layout.lines.get(pair, np.nan) for pair in zip(rows["village_id"], rows[to], strict=True)])
    if settings.bus_minutes is None:
        return line.astype(float)
    metres = ways._road_metres(rows["village_id"], rows[to])
    ride = metres / (settings.number("bus_kph") * 1000 / 60)
    return np.fmin(line.astype(float), np.where(ride <= settings.bus_minutes, ride, np.nan))


def brought(layout: Layout, ways: TravelDistances, table: pd.DataFrame) -> pd.DataFrame:
    """Say of each group that moves how it gets to school before and after.

    Before: who boarded boards; the others walk, or are beyond walking (``far``). After: who lives within the radius
    walks; beyond it pupils ride where a bus goes, else board where they may and a bed is free, the farthest first;
    who boarded before and may, keeps boarding first. Nobody of grades 1 to 3 boards.

    Returns
    -------
    DataFrame
        The table with metres_before, metres_after, extra_m, minutes_before, minutes_after, extra_min, way_before,
        way_after, riders, boarders_after, far, beds_wanted (boarders without a bed, part of ``far``).
    """
    out = table.rename(columns={"boarders": "boarders_before"}).reset_index(drop=True)
    radius = out["stage"].map({stage: layout.radius_m(stage) for stage in STAGES}).to_numpy(dtype=float)
    for when, side in (("before", "from_id"), ("after", "to_id")):
        out[f"metres_{when}"] = ways.metres(out["village_id"], out[side])
        out[f"walking_{when}"] = ways.minutes(out["village_id"], out[side])
    ride = bus_minutes(layout, ways, out, "to_id")
    out["extra_m"] = out["metres_after"] - out["metres_before"]
    metres, unknown = out["metres_after"].to_numpy(), ~np.isfinite(out["metres_after"].to_numpy())
    walks = metres <= radius
    rides = ~walks & ~unknown & np.isfinite(ride)
    wish = np.where(~walks & ~rides & ~unknown, out["pupils"], np.where(rides | unknown, out["boarders_before"], 0.0))
    boarding = out["to_id"].map(layout.beds).fillna(0.0).to_numpy() > 0
    wish = np.where(may_board(layout.scenario.settings, out["band"]) & boarding, wish, 0.0)
    boards = _beds(layout, out, wish)
    out["boarders_after"] = boards
    day = out["pupils"].to_numpy() - boards
    out["riders"] = np.where(rides, day, 0.0)
    out["far"] = np.where(~walks & ~rides & ~unknown, day, 0.0)
    out["beds_wanted"] = np.where(~walks & ~rides & ~unknown, wish - boards, 0.0)
    boarded = out["boarders_before"] >= out["pupils"]
    near = out["metres_before"].to_numpy() <= radius
    lost = ~np.isfinite(out["metres_before"].to_numpy())
    out["way_before"] = np.select([boarded, lost, near], ["board", "unknown", "walk"], "far")
    out["way_after"] = np.select(
        [out["to_id"] == "", out["far"] > 0, out["riders"] > 0, boards > 0, unknown, walks],
        ["far", "far", "ride", "board", "unknown", "walk"], "walk",
    )  # fmt: skip
    out["minutes_before"] = np.where(boarded, np.nan, out["walking_before"])
    after = np.where(out["riders"] > 0, ride, out["walking_after"])
    out["minutes_after"] = np.where(day > 0, after, np.nan)
    out["extra_min"] = out["minutes_after"] - out["minutes_before"]
    return out.drop(columns=["walking_before", "walking_after"])


def _beds(layout: Layout, rows: pd.DataFrame, wish: Floats) -> Floats:
    """Give out the free beds of each school: to those who boarded before, then to the farthest."""
    left = free_beds(layout, rows)
    got = np.zeros(len(rows))
    order = np.lexsort((-np.nan_to_num(rows["metres_after"].to_numpy()), -rows["boarders_before"].to_numpy()))
    for i in order[wish[order] > 0]:
        school = rows.at[i, "to_id"]
        got[i] = min(wish[i], left.get(school, 0.0))
        left[school] = left.get(school, 0.0) - got[i]
    return got


def free_beds(layout: Layout, rows: pd.DataFrame) -> dict[str, float]:
    """Return the beds free once those who leave have left."""
    used = layout.base.groups.groupby("school_id")["boarders"].sum()
    gone = rows.groupby("from_id")["boarders_before"].sum()
    staying = used.sub(gone, fill_value=0.0).reindex(layout.ids).fillna(0.0)
    return (layout.beds - staying).clip(lower=0.0).to_dict()


def coverage(layout: Layout, ways: TravelDistances, groups: pd.DataFrame, when: str) -> pd.DataFrame:
    """Count by stage how pupils get to school, and how far day pupils have it.

    Buses of the scenario run only afterwards (``when`` "after"): how pupils beyond walking travel today is not
    recorded.

    Parameters
    ----------
    groups : DataFrame
        village_id, school_id, stage, band, pupils, boarders.
    when : {"before", "after"}

    Returns
    -------
    DataFrame
        when, stage, pupils, walk, ride, board, far, unknown, mean_m, p90_m, max_m, within_share, young, young_over.
    """
    settings = layout.scenario.settings
    metres = ways.metres(groups["village_id"], groups["school_id"])
    minutes = ways.minutes(groups["village_id"], groups["school_id"])
    rides = bus_minutes(layout, ways, groups, "school_id") if when == "after" else np.full(len(groups), np.nan)
    radius = groups["stage"].map({stage: layout.radius_m(stage) for stage in STAGES}).to_numpy(dtype=float)
    day = (groups["pupils"] - groups["boarders"]).to_numpy()
    walk = np.where(metres <= radius, day, 0.0)
    unknown = np.where(np.isfinite(metres), 0.0, day)
    ride = np.where(np.isfinite(rides), day - walk - unknown, 0.0)
    travel = np.where(ride > 0, rides, minutes)
    limit = settings.number("young_minutes")
    young = np.where(groups["band"] == "g1_3", day, 0.0)
    out = []
    for stage in STAGES:
        mine = (groups["stage"] == stage).to_numpy()
        known = mine & np.isfinite(metres) & (day > 0)
        total = walk[mine].sum() + ride[mine].sum()
        far = day[mine].sum() - total - unknown[mine].sum()
        row = {
            "when": when, "stage": stage, "pupils": groups["pupils"].to_numpy()[mine].sum(), "walk": walk[mine].sum(),
            "ride": ride[mine].sum(), "board": groups["boarders"].to_numpy()[mine].sum(), "far": far,
            "unknown": unknown[mine].sum(),
        }  # fmt: skip
        row |= _spread(metres[known], day[known], walk[mine].sum())
        row |= {"young": young[mine].sum(), "young_over": young[mine & (travel > limit)].sum()}
        if row["unknown"] and not total + far:  # nobody's way is known: who is beyond walking is no nought
            row |= {"far": np.nan, "young_over": np.nan}
        out.append(row)
    return pd.DataFrame(out)


def _spread(metres: Floats, pupils: Floats, within: float) -> dict[str, float]:
    """Return pupil-weighted mean, 90th percentile and longest way, and the share within the radius."""
    if not len(metres):
        return dict.fromkeys(("mean_m", "p90_m", "max_m", "within_share"), float("nan"))
    order = np.argsort(metres)
    steps = np.cumsum(pupils[order])
    p90 = metres[order][np.searchsorted(steps, 0.9 * steps[-1])]
    mean = float((metres * pupils).sum() / pupils.sum())
    return {"mean_m": mean, "p90_m": float(p90), "max_m": float(metres.max()), "within_share": within / pupils.sum()}


def class_sizes(bands: dict[str, float], grades: float, classes: float, cap: float) -> list[int]:
    """Return the sizes of the classes a stage forms."""
    by_grade = [n for n in _by_grade(bands, grades) if n > 0]
    pupils = sum(by_grade)
    if not pupils:
        return []
    least = [math.ceil(n / cap) for n in by_grade]
    there = sum(least) if math.isnan(classes) else int(classes)
    if there < len(by_grade) and sum(least) == len(by_grade):
        return _even(pupils, max(there, math.ceil(pupils / cap)))
    while sum(least) < there:
        widest = max(range(len(by_grade)), key=lambda g: (by_grade[g] / least[g], -g))
        if by_grade[widest] <= least[widest]:
            break
        least[widest] += 1
    return [size for n, k in zip(by_grade, least, strict=True) for size in _even(n, k)]


def _by_grade(bands: dict[str, float], grades: float) -> list[int]:
    out: list[int] = []
    for band, pupils in bands.items():
        taught: tuple[int, ...] = GRADES[band]
        if band == "g4_6" and 3 < grades < 6:
            taught = taught[: int(grades) - 3]
        out += _even(round(pupils), len(taught))
    return out


def _even(pupils: int, number: int) -> list[int]:
    return [pupils // number + (i < pupils % number) for i in range(number)]


def divided(total: float, weights: list[float]) -> Floats:
    """Divide an amount in proportion to weights, whole numbers whole (Webster's method)."""
    share = np.asarray(weights, dtype=float)
    if len(share) == 1:
        return np.array([total])
    if np.isnan(total):
        return np.where(share > 0, np.nan, 0.0)
    whole = float(np.floor(total))
    if whole > 2000:  # beyond any count of persons no monotony is needed: start at the whole part of the proportion
        out = np.floor(whole * (share / share.sum()))
    else:  # the method's own rounding at a divisor that gives out too little: it would have got there one by one
        below = max(whole - 0.5 * len(share), 0.0) * (1.0 - 1e-9)
        out = np.maximum(np.ceil(below * (share / share.sum()) - 0.5), 0.0)
    for _ in range(round(whole - out.sum())):
        out[int(np.argmax(share / (2.0 * out + 1.0)))] += 1.0
    out[int(np.argmax(share))] += total - whole
    return out
