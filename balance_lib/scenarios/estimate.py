"""Estimate who attends where when a county has no attendance: near schools first, each school's roll kept exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from balance_lib import access
from balance_lib._errors import DataError, Fault
from balance_lib.data.county import County
from balance_lib.standards import STAGES

Array = NDArray[Any]

# So many points are sent one by one; more (a population raster's) in squares first, and then within their square.
MOST_POINTS = 3_000
_AGES = {"primary": "age_6_11", "junior": "age_12_14"}
_BANDS = {"primary": ("g1_3", "g4_6"), "junior": ("g7_9",)}


def attendance(county: County, year: int) -> pd.DataFrame | None:
    """Estimate the attendance of a year; None where no village or no school has a place.

    The children of school age of each village (else its population; else all villages alike) are scaled to the
    recorded enrolment of the stage, and sent to the schools at the least total distance such that the sum of each
    school is its recorded enrolment. More than ``MOST_POINTS`` villages are sent square by square, and the pupils of a
    square then to its schools in the same way.

    Parameters
    ----------
    county : County
    year : int

    Returns
    -------
    DataFrame
        Canonical rows of ``attendance``, boarders blank.

    Raises
    ------
    DataError
        If no school of the year tells its roll.
    """
    rows = county.table("school_years", year)
    if not (rows.loc[rows["stage"].isin(STAGES), "pupils"] > 0).any():
        raise DataError([Fault("scenario_no_rolls", "school_years.csv", None, "pupils", params={"year": year})])
    table = access.costs(county, "straight") if len(county.tables["villages"]) else None
    if table is None or not np.isfinite(table.metres).any():
        return None
    parts = [_stage(county, rows[(rows["stage"] == stage) & (rows["pupils"] > 0)], stage, year) for stage in STAGES]
    return pd.concat(parts, ignore_index=True)


def _stage(county: County, rows: pd.DataFrame, stage: str, year: int) -> pd.DataFrame:
    table = access.costs(county, "straight")
    at = {str(s): i for i, s in enumerate(table.destinations)}
    rows = rows[rows["school_id"].isin(at)].drop_duplicates("school_id")
    placed = np.isfinite(table.metres).any(axis=1)
    cost = table.metres[placed][:, [at[s] for s in rows["school_id"]]]
    # Schools without coordinates take whoever is left: equally far from everyone.
    cost = np.where(np.isfinite(cost), cost, np.nanmax(cost, initial=1.0) * 2)
    roll = rows["pupils"].to_numpy(dtype=float)
    demand = _whole(_children(county, table.origins[placed], stage, year), roll.sum())
    homes = county.tables["villages"].drop_duplicates("village_id").set_index("village_id")
    points, sites, pupils = _sent(cost, demand, roll, homes.loc[table.origins[placed], ["lon", "lat"]].to_numpy())
    flows = pd.DataFrame({"village_id": table.origins[placed][points], "pupils": np.round(pupils)})
    flows["school_id"] = rows["school_id"].to_numpy()[sites]
    flows["grades"] = rows["grades"].to_numpy()[sites]
    return _bands(flows[flows["pupils"] > 0], stage).assign(stage=stage, year=year, boarders=np.nan)


def _sent(cost: Array, demand: Array, roll: Array, places: Array) -> tuple[Array, Array, Array]:
    """Return who goes where, as point, school and pupils: at once, or in squares where there are very many points."""
    from scipy import sparse

    from balance_lib.optimise import allocation

    some = np.flatnonzero(demand > 0)
    if len(some) <= MOST_POINTS:
        found = allocation.transport(cost[some], demand[some], roll)
        return some[found.points], found.sites, found.amounts
    span = np.ptp(places[some], axis=0).max() or 1.0
    cells = np.floor((places[some] - places[some].min(axis=0)) / span * np.sqrt(MOST_POINTS)).astype(int)
    _, square = np.unique(cells, axis=0, return_inverse=True)
    together = sparse.csr_array((demand[some], (square.ravel(), np.arange(len(some)))))
    people = together.sum(axis=1)
    whole = allocation.transport((together @ cost[some]) / people[:, None], people, roll)
    parts = []
    order = np.argsort(square.ravel(), kind="stable")
    ends = np.searchsorted(square.ravel()[order], np.arange(len(people) + 1))
    for at in np.unique(whole.points):
        here, flow = some[order[ends[at] : ends[at + 1]]], whole.points == at
        sites, amounts = whole.sites[flow], np.round(whole.amounts[flow])
        if len(sites) == 1:
            parts.append((here, np.full(len(here), sites[0]), demand[here]))
            continue
        within = allocation.transport(cost[np.ix_(here, sites)], demand[here], amounts)
        parts.append((here[within.points], sites[within.sites], within.amounts))
    points, sites, amounts = (np.concatenate(column) for column in zip(*parts, strict=True))
    return points, sites, amounts


def _bands(flows: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Divide primary pupils among the grade bands; schools of up to three grades have the lower one only."""
    if stage == "junior":
        return flows.assign(band="g7_9").drop(columns="grades")
    lower = np.where(flows["grades"] <= 3, flows["pupils"], np.ceil(flows["pupils"] / 2))
    both = [flows.assign(band="g1_3", pupils=lower), flows.assign(band="g4_6", pupils=flows["pupils"] - lower)]
    out = pd.concat(both, ignore_index=True)
    return out[out["pupils"] > 0].drop(columns="grades")


def _children(county: County, villages: object, stage: str, year: int) -> np.ndarray:
    """Return each village's weight: its children, else its people, else one."""
    table = county.tables["village_years"]
    table = table[table["year"] == year].drop_duplicates("village_id").set_index("village_id").reindex(villages)
    for column in (_AGES[stage], "population"):
        weights = table[column].to_numpy(dtype=float)
        if np.nansum(weights) > 0:
            return np.nan_to_num(weights)
    return np.ones(len(table))


def _whole(weights: np.ndarray, total: float) -> np.ndarray:
    """Scale weights to whole numbers of a given sum, by largest remainder."""
    exact = weights / weights.sum() * total
    out = np.floor(exact)
    rest = round(float(total - out.sum()))
    out[np.argsort(-(exact - out), kind="stable")[:rest]] += 1
    return out
