"""Say where the next sum of money, or the next teacher, brings most."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from balance_lib.planning.remedies.affine import Floats
from balance_lib.planning.remedies.demands import Demands, LinearCondition
from balance_lib.planning.remedies.levers import COUNTY, Lever

COLUMNS = ["school_id", "stage", "action", "kind", "units", "unit", "cost_yuan", "closes", "code", "indicator",
           "missing_before", "missing_after", "cv_before", "cv_after"]  # fmt: skip


def marginal_table(demands: Demands, spend_yuan: float) -> pd.DataFrame:
    """Try every lever once with a sum of money, everything else as it is.

    Parameters
    ----------
    demands : Demands
    spend_yuan : float
        What may be spent; of things that come whole, one is tried even if it costs more.

    Returns
    -------
    DataFrame, best first
        school_id, stage, action, kind, units, unit, cost_yuan, ``closes`` (what is closed of all shortages and
        coefficients, counted in lines and limits, per ``spend_yuan``), the code it helps most with its shortage before
        and after in the item's unit, and the coefficient it moves most, before and after.
    """
    rows_of: dict[int, list[tuple[LinearCondition, float]]] = {}
    for row in (r for r in demands.rows if r.code and not r.equal):
        _note(rows_of, row)
    for choice in demands.choices:
        for _, row, _ in choice.rows:
            _note(rows_of, row)
    cones: dict[int, list[int]] = {}
    for k, cone in enumerate(demands.cones):
        for j in np.unique(cone.moves.indices):
            cones.setdefault(int(j), []).append(k)
    zero = np.zeros(len(demands.levers))
    now = [cone.coefficient(zero) for cone in demands.cones]
    found = [
        _one(j, lever, demands, spend_yuan, rows_of.get(j, []), cones.get(j, []), now, zero)
        for j, lever in enumerate(demands.levers)
        if lever.cost_yuan > 0 and lever.school_id != COUNTY and not lever.lends and not lever.takes
    ]
    out = pd.DataFrame([row for row in found if row is not None], columns=COLUMNS)
    return out.sort_values(["closes", "cost_yuan"], ascending=[False, True], kind="stable").reset_index(drop=True)


def _note(rows_of: dict[int, list[tuple[LinearCondition, float]]], row: LinearCondition) -> None:
    for j, amount in row.at.items():
        rows_of.setdefault(j, []).append((row, amount))


def _one(
    j: int, lever: Lever, demands: Demands, spend: float, rows: list[tuple[LinearCondition, float]], cones: list[int],
    now: list[float], zero: Floats,
) -> tuple[object, ...] | None:  # fmt: skip
    units = spend / lever.cost_yuan
    units = min(lever.high, max(1.0, math.floor(units)) if lever.whole else units)
    if units <= 0:
        return None
    gains = [(max(0.0, -row.base) - max(0.0, -row.base - amount * units), row, amount) for row, amount in rows]
    best = max(gains, key=lambda gain: gain[0], default=None)
    x = zero.copy()
    x[j] = units
    moved = {k: demands.cones[k].coefficient(x) for k in cones}
    over = {k: max(0.0, now[k] - demands.cones[k].limit) - max(0.0, after - demands.cones[k].limit)
            for k, after in moved.items()}  # fmt: skip
    closes = sum(gain for gain, _, _ in gains) + sum(d / demands.cones[k].limit for k, d in over.items())
    if closes <= 1e-9:
        return None
    most = max(moved, key=lambda k: now[k] - moved[k], default=None)
    row = best[1] if best is not None and best[0] > 0 else None
    cost = units * lever.cost_yuan
    return (
        lever.school_id, lever.stage, lever.action, lever.kind, units, lever.unit, cost, closes * spend / cost,
        row.code if row else demands.cones[most].codes[0] if most is not None else "",
        demands.cones[most].indicator if most is not None else "",
        max(0.0, -row.base) * row.size if row else math.nan,
        max(0.0, -row.base - best[2] * units) * row.size if row and best else math.nan,
        now[most] if most is not None else math.nan, moved[most] if most is not None else math.nan,
    )  # fmt: skip


def best_each(table: pd.DataFrame, most: int = 10) -> Mapping[str, pd.DataFrame]:
    """Return the best rows by kind of action: money on one side, teachers on the other.

    Parameters
    ----------
    table : DataFrame
        Rows of the table.
    most : int
        How many are named at most.
    """
    teachers = table["kind"].isin(["hire", "train"])
    return {"money": table[~teachers].head(most), "teachers": table[teachers].head(most)}
