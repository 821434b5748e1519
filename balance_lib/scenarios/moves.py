"""Send the pupils whose school changes to other schools: by distance, within the places there are, overflow named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib._errors import DataError, Fault
from balance_lib.access.distance import Places, straight_table
from balance_lib.scenarios.base import BANDS, STAGE_OF, TravelDistances
from balance_lib.scenarios.layout import Layout
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
NEAREST = 3  # so many schools are within reach however far they are
KEY = ["village_id", "from_id", "to_id", "stage", "band"]
NOWHERE = ""  # no school of the county takes them in


@dataclass(frozen=True, eq=False)
class Moves:
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


def moves(layout: Layout, ways: TravelDistances, *, time_limit_s: float = 10.0) -> Moves:
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

    Raises
    ------
    DataError
        If a closing school has more attendance than recorded enrolment, or it or a named receiver has no recorded
        enrolment: nobody knows who would move, or how many there would be.
    """
    groups = layout.base.groups
    fixed, open_ended = _affected(layout, ways, groups)
    into_untold = pd.MultiIndex.from_frame(fixed[["to_id", "stage"]]).isin(layout.base.untold)
    _refuse_uncounted(layout, pd.concat([fixed["school_id"], open_ended["school_id"], fixed["to_id"][into_untold]]))
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
    return Moves(table, _solution(layout, told, over), crowded)


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


def _refuse_uncounted(layout: Layout, schools: pd.Series) -> None:
    over, untold = layout.base.over, {school for school, _ in layout.base.untold}
    faults = [
        Fault("scenario_untold", "school_years.csv", None, "pupils", school, params={"year": layout.base.year})
        if school in untold
        else Fault("scenario_over", "attendance.csv", None, "pupils", school, params={"over": f"{over[school]:.0f}"})
        for school in sorted(set(schools) & (set(over) | untold))
    ]
    if faults:
        raise DataError(faults)


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
