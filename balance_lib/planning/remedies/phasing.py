"""Spread a plan over the years before its date: what takes long first, what is paid every year last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from balance_lib.planning.remedies.affine import Floats

WAN = 1e4


def phase(
    lines: pd.DataFrame, leads: Sequence[int], years: Sequence[int], budgets: Mapping[int, float] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    r"""Put every line into the years, splitting it where a budget asks for it.

    A linear model: with :math:`y_{it}` the share of line *i* done in year *t*, no later than its lead time allows,
    minimise what is paid until the end (a yearly cost is paid from the year it begins) plus the dearest year, within
    each year's budget. Where the budgets cannot carry it, the least overspending is found and shown.

    Parameters
    ----------
    lines : DataFrame
        units, once_yuan, yearly_yuan, whole; one row a line.
    leads : sequence of int
        Full years each line needs between order and use.
    years : sequence of int
        Calendar years of the plan.
    budgets : mapping of year to yuan, optional
        A year that is not named has no limit.

    Returns
    -------
    (DataFrame, DataFrame)
        The lines with ``phase`` (a line done in two years is two lines), and the years: year, once_yuan, yearly_yuan
        (all that runs), total_yuan, budget_yuan.
    """
    n, t = len(lines), len(years)
    once = lines["once_yuan"].fillna(0.0).to_numpy() / WAN
    yearly = lines["yearly_yuan"].fillna(0.0).to_numpy() / WAN
    shares = np.zeros((n, t))
    if n:
        shares = _shares(once, yearly, np.asarray(leads), [(budgets or {}).get(y, math.inf) / WAN for y in years])
        if not budgets:  # nobody asks for it: nothing is split, each line goes where most of it went
            shares = (np.arange(t)[None, :] == shares.argmax(axis=1)[:, None]).astype(float)
    parts = []
    for k, year in enumerate(years):
        part = lines.assign(phase=year, _share=shares[:, k])
        parts.append(part[part["_share"] > 1e-9])
    out = pd.concat(parts, ignore_index=True) if parts else lines.assign(phase=0, _share=1.0)
    out = _whole(out)
    rows = []
    for year in years:
        begun = out[out["phase"] <= year]
        spent = float(out.loc[out["phase"] == year, "once_yuan"].sum())
        runs = float(begun["yearly_yuan"].sum())
        rows.append((year, spent, runs, spent + runs, (budgets or {}).get(year, math.nan)))
    return out, pd.DataFrame(rows, columns=["year", "once_yuan", "yearly_yuan", "total_yuan", "budget_yuan"])


def _shares(once: Floats, yearly: Floats, leads: Floats, limits: Sequence[float]) -> Floats:
    """Solve the linear model: columns are the shares, the peak, and each year's overspending."""
    from scipy.optimize import linprog  # HiGHS as well; lazy: half a second of imports

    n, t = len(once), len(limits)
    last = np.maximum(0, t - 1 - leads)
    cost = np.concatenate([(yearly[:, None] * (t - np.arange(t))[None, :]).ravel(), [0.5], np.full(t, 1e3)])
    # Among equals the earlier year, so that what is bought is there in time.
    cost[: n * t] += np.tile(1e-6 * np.arange(t), n)
    upper = np.concatenate([(np.arange(t)[None, :] <= last[:, None]).astype(float).ravel(), [np.inf],
                            np.full(t, np.inf)])  # fmt: skip
    spend = []
    for k in range(t):
        row = np.zeros((n, t))
        row[:, k] += once
        row[:, : k + 1] += yearly[:, None]
        over = np.zeros(t)
        over[k] = -1.0
        spend.append((row.ravel(), over))
    peak = [sparse.csr_matrix(np.concatenate([row, [-1.0], np.zeros(t)])) for row, _ in spend]
    held = [sparse.csr_matrix(np.concatenate([row, [0.0], over])) for (row, over), limit in zip(spend, limits,
            strict=True) if math.isfinite(limit)]  # fmt: skip
    sums = sparse.hstack([sparse.kron(sparse.eye(n), np.ones((1, t))), sparse.csr_matrix((n, 1 + t))])
    found = linprog(
        cost, A_ub=sparse.vstack([*peak, *held]).tocsr(),
        b_ub=np.concatenate([np.zeros(t), [limit for limit in limits if math.isfinite(limit)]]),
        A_eq=sums.tocsr(), b_eq=np.ones(n), bounds=np.column_stack([np.zeros_like(upper), upper]), method="highs",
    )  # fmt: skip
    return np.asarray(found.x[: n * t]).reshape(n, t)


def _whole(parts: pd.DataFrame) -> pd.DataFrame:
    """Give a line split over years whole units in each, the rest to its last year."""
    rows = []
    for _, group in parts.groupby("_line", sort=False):
        total, sign = abs(float(group["units"].iloc[0])), math.copysign(1.0, float(group["units"].iloc[0]))
        left = total
        for place, row in enumerate(group.to_dict("records")):
            units = left if place == len(group) - 1 else min(left, float(math.floor(total * row["_share"])))
            left -= units
            if units > 0 or total == 0:
                share = units / total if total else 1.0
                money = {key: row[key] * share for key in ("once_yuan", "yearly_yuan", "cost_yuan")}
                rows.append({**row, **money, "units": sign * units})
    out = pd.DataFrame(rows, columns=list(parts.columns))
    return out.drop(columns=["_share"]).sort_values(["phase", "_line"], kind="stable").reset_index(drop=True)
