"""Bring moved pupils to their new school: on foot, by bus, or boarding; and say who cannot be brought at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import access
from balance_lib.scenarios.base import GRADES, TravelDistances
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.settings import Settings, default
from balance_lib.standards import STAGES

Floats = npt.NDArray[np.float64]
WAYS = ("walk", "ride", "board", "far", "unknown")


def radius_m(layout: Layout, stage: str) -> float:
    """Return the walking radius: the scenario's, else the county plan's."""
    given = getattr(layout.scenario.settings, f"walk_{stage}_m")
    metres = access.walking_radius(stage, layout.base.county.plan).metres if given is None else given
    return float("nan") if metres is None else float(metres)


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
    metres = ways.road_metres(rows["village_id"], rows[to])
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
    radius = out["stage"].map({stage: radius_m(layout, stage) for stage in STAGES}).to_numpy(dtype=float)
    for when, side in (("before", "from_id"), ("after", "to_id")):
        out[f"metres_{when}"] = ways.metres(out["village_id"], out[side])
        out[f"walking_{when}"] = ways.minutes(out["village_id"], out[side])
    ride = bus_minutes(layout, ways, out, "to_id")
    out["extra_m"] = out["metres_after"] - out["metres_before"]
    metres, unknown = out["metres_after"].to_numpy(), ~np.isfinite(out["metres_after"].to_numpy())
    walks = metres <= radius
    rides = ~walks & ~unknown & np.isfinite(ride)
    wish = np.where(~walks & ~rides & ~unknown, out["pupils"], np.where(rides | unknown, out["boarders_before"], 0.0))
    boarding = out["to_id"].map(beds(layout)).fillna(0.0).to_numpy() > 0
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


def beds(layout: Layout) -> pd.Series:
    """Return the beds of each school: as the scenario says, else those in use; whether there are more is not known."""
    used = layout.base.groups.groupby("school_id")["boarders"].sum().reindex(layout.ids).fillna(0.0)
    return layout.frame["beds"].astype(float).fillna(used)


def free_beds(layout: Layout, rows: pd.DataFrame) -> dict[str, float]:
    """Return the beds free once those who leave have left."""
    used = layout.base.groups.groupby("school_id")["boarders"].sum()
    gone = rows.groupby("from_id")["boarders_before"].sum()
    staying = used.sub(gone, fill_value=0.0).reindex(layout.ids).fillna(0.0)
    return (beds(layout) - staying).clip(lower=0.0).to_dict()


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
    radius = groups["stage"].map({stage: radius_m(layout, stage) for stage in STAGES}).to_numpy(dtype=float)
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
