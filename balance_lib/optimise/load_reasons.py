"""Say why no plan of :mod:`balance_lib.optimise.capacitated` keeps its loads, and which limit must give way."""

from __future__ import annotations

from typing import Any

import numpy as np

from balance_lib.optimise import highs
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import Reason


def summed(problem: Problem, p: int) -> tuple[Reason, ...]:
    """Return why no plan can exist, as far as adding up places and least loads shows.

    Parameters
    ----------
    problem : Problem
        Checked inputs.
    p : int
        Sites that are open.

    Returns
    -------
    tuple of Reason
        Empty where adding up shows nothing.
    """
    demand, least, places = problem.loads
    found = []
    may, must = problem.may_open, problem.must_open
    free = np.flatnonzero(may & ~must)
    extra = max(0, p - int(must.sum()))
    for kind, room in zip(demand.T, places.T, strict=True):
        most, whole = room[must].sum() + np.sort(room[free])[::-1][:extra].sum(), float(kind.sum())
        if most < whole * (1 - 1e-12):
            found.append(Reason("places_short", (), (), float(most), whole))
            break
    fewest, everybody = least[must].sum() + np.sort(least[free])[:extra].sum(), float(demand.sum())
    if fewest > everybody * (1 + 1e-12):
        found.append(Reason("least_loads_too_large", (), (), float(fewest), everybody))
    for kind, room in zip(demand.T, places.T, strict=True):
        largest = np.where(np.isfinite(problem.cost) & may, room, -1.0).max(axis=1)
        big = np.flatnonzero((kind > largest) & (largest >= 0))
        if big.size:
            limits = float(largest[big].min()), float(kind[big].max())
            found.append(Reason("point_too_large", tuple(big.tolist()), (), *limits))
    return tuple(found)


def relaxed(problem: Problem, p: int, control: Control) -> tuple[Reason, ...]:
    """Say which limit to give way, and by how much: places, least loads and unserved points (elastic).

    Parameters
    ----------
    problem : Problem
        Checked inputs.
    p : int
        Sites that are open.
    control : Control
        Clock, progress and the wish to stop.
    """
    demand, least, places = problem.loads
    demand, places = demand[:, 0], places[:, 0]
    n, m = problem.shape
    point, site = np.nonzero(np.isfinite(problem.cost) & problem.may_open)
    k, sites, pair = point.size, np.arange(m), np.arange(point.size)
    # Columns: pairs, sites, places too few, loads too small, unserved.
    cost = np.concatenate((np.zeros(k + m), np.ones(2 * m), 2 * demand + 1))
    size = cost.size
    upper = np.concatenate((np.ones(k), problem.may_open, np.full(2 * m, np.inf), np.ones(n))).astype(float)
    model = highs.HighsModel(cost, np.zeros(size), upper, np.arange(size) < k + m)
    model.lower[k : k + m] = problem.must_open
    everyone = np.arange(n)
    model.rows(np.concatenate((point, everyone)), np.concatenate((pair, k + 3 * m + everyone)), 1.0, np.ones(n), 1.0)
    only_if_open(model, site)
    model.rows(np.zeros(m), k + sites, 1.0, [p], p)
    limits = ((np.where(np.isfinite(places), places, demand.sum()), 1.0, k + m), (least, -1.0, k + 2 * m))
    for limit, sign, slack in limits:
        values = np.concatenate((sign * demand[point], -sign * limit, np.full(m, -1.0)))
        columns = np.concatenate((pair, k + sites, slack + sites))
        model.rows(np.concatenate((site, sites, sites)), columns, values, np.full(m, -np.inf), 0.0)
    answer = highs.solve(model, control.part(20.0) if control.left_s > 1 else Control(5.0))
    if answer.values is None:
        return (Reason("limits_do_not_fit"),)
    short, small = answer.values[k + m : k + 2 * m], answer.values[k + 2 * m : k + 3 * m]
    unserved = np.flatnonzero(answer.values[k + 3 * m :] > 0.5)
    found = []
    for rule, lacking, given in (("more_places", short, places), ("smaller_loads", small, least)):
        at = np.flatnonzero(lacking > 1e-6)
        if at.size:
            worst = int(at[lacking[at].argmax()])
            sign = 1 if rule == "more_places" else -1
            found.append(
                Reason(rule, (), tuple(at.tolist()), float(given[worst]), float(given[worst] + sign * lacking[worst]))
            )
    if unserved.size:
        found.append(Reason("unserved", tuple(unserved.tolist()), (), problem.max_cost))
    return tuple(found) or (Reason("limits_do_not_fit"),)


def only_if_open(model: highs.HighsModel, site: Any) -> None:
    """Add (2): a pair, the first columns of the model, is used only if its site, the columns after them, is open.

    Parameters
    ----------
    model : HighsModel
        Gets a row a pair.
    site : array of int, shape (pairs,)
        Site of each pair.
    """
    k = site.size
    pair = np.arange(k)
    columns = np.concatenate((pair, k + site))
    model.rows(np.concatenate((pair, pair)), columns, np.repeat([1.0, -1.0], k), np.full(k, -np.inf), 0.0)
