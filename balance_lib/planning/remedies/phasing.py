"""Spread a plan over the years before its date: what takes long first, what is paid every year last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from balance_lib.planning.remedies.affine import Floats

WAN = 1e4


def _phase(
    lines: pd.DataFrame, leads: Sequence[int], years: Sequence[int], budgets: Mapping[int, float] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    r"""Put every line into the years, splitting it where a budget asks for it.

    A linear model: with :math:`y_{it}` the share of line *i* done in year *t*, no later than its lead time allows,
    minimise what is paid until the end (a yearly cost is paid from the year it begins) plus the dearest year, within
    each year's budget. Where the budgets cannot carry it, the least overspending is found and shown.

    Lines of one step are done together: a teacher who rotates leaves one school (units below zero) and comes to
    another in the same year, so that nobody is in two places, and the allowance is paid from that year on.

    ``lines``: units, once_yuan, yearly_yuan, cost_yuan, _line, _step (lines that are done together); one row a line.
    ``leads``: full years each line needs between order and use. ``budgets``: a year that is not named has no limit.

    Returns
    -------
    (DataFrame, DataFrame)
        The lines with ``phase`` (a line done in two years is two lines), and the years: year, once_yuan, yearly_yuan
        (all that runs), total_yuan, budget_yuan.
    """
    steps = lines.assign(_lead=list(leads)).fillna({"once_yuan": 0.0, "yearly_yuan": 0.0}).groupby("_step", sort=False)
    once, yearly = (steps[name].sum().to_numpy() / WAN for name in ("once_yuan", "yearly_yuan"))
    shares = np.zeros((steps.ngroups, len(years)))
    if len(lines):
        limits = [(budgets or {}).get(year, math.inf) / WAN for year in years]
        shares = _shares(once, yearly, steps["_lead"].max().to_numpy(), limits)
        if not budgets:  # nobody asks for it: nothing is split, each step goes where most of it went
            shares = (np.arange(len(years))[None, :] == shares.argmax(axis=1)[:, None]).astype(float)
    out = _whole(lines, shares, years)
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


def _whole(lines: pd.DataFrame, shares: Floats, years: Sequence[int]) -> pd.DataFrame:
    """Give a step split over years whole units in each, the rest to its last year; who leaves one school arrives."""
    rows: list[dict[str, Any]] = []
    for share, (_, step) in zip(shares, lines.groupby("_step", sort=False), strict=True):
        for _, side in step.groupby(step["units"] < 0):
            left = np.abs(side["units"].to_numpy(dtype=float))
            used = np.flatnonzero(share > 1e-9).tolist()
            amounts = np.floor(left.sum() * share[used] + 1e-9)
            amounts[-1] = left.sum() - amounts[:-1].sum()
            for at, amount in zip(used, amounts, strict=True):
                for place, row in enumerate(side.to_dict("records")):
                    units = min(left[place], amount)
                    left[place] -= units
                    amount -= units
                    if units > 0:
                        part = units / abs(row["units"])
                        money = {key: row[key] * part for key in ("once_yuan", "yearly_yuan", "cost_yuan")}
                        rows.append({**row, **money, "units": math.copysign(units, row["units"]), "phase": years[at]})
    out = pd.DataFrame(rows, columns=[*lines.columns, "phase"])
    return out.drop(columns=["_step"]).sort_values(["phase", "_line"], kind="stable").reset_index(drop=True)
