"""Cut off what a linear model of the p-median does not know yet, and bound it by itself: compiled loops (numba).

For a choice y of sites, whole or in parts, demand point i pays at least

    theta_i >= d - sum_j max(0, d - c_ij) y_j        for any d (Benders' cut),

most for d = cost of the site at which the y of the sites sorted by cost add up to 1. Costs are finite here: a point
without service costs more than any plan that is sought.

References
----------
Duran-Mateluna, Alès and Elloumi 2023, "An efficient Benders decomposition for the p-median problem".
"""

from __future__ import annotations

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled
from balance_lib.optimise.lagrangian import Bound, cheapest, worths


@compiled
def separate(near: Ints, near_cost: Floats, y: Floats, theta: Floats, rank: Ints, excess: Floats) -> float:
    """Fill how far each ``theta`` lies below what the point pays, and the rank of the site at which y adds up to 1.

    Return what y costs.

    Parameters
    ----------
    near, near_cost
        As in :mod:`balance_lib.optimise.lagrangian`.
    y : array of float, shape (sites,)
        How far each site is open, 0 to 1.
    theta : array of float, shape (points,)
        What the model says each point pays.
    rank : array of int, shape (points,)
    excess : array of float, shape (points,)
    """
    n, m = near.shape
    total = 0.0
    for i in range(n):
        left, paid, k = 1.0, 0.0, 0
        while k < m - 1:
            part = y[near[i, k]]
            if part >= left - 1e-9:
                break
            if part > 0:
                paid += part * near_cost[i, k]
                left -= part
            k += 1
        rank[i] = k
        paid += left * near_cost[i, k]
        excess[i] = paid - theta[i]
        total += paid
    return total


@compiled
def as_rows(near: Ints, near_cost: Floats, points: Ints, rank: Ints) -> tuple[Floats, Ints, Ints, Floats]:
    """Return the cuts of these points, d at these ranks, as sparse rows: lower bounds, starts, columns, values.

    Columns are the sites and after them the points' theta.

    Parameters
    ----------
    near, near_cost
        As in :mod:`balance_lib.optimise.lagrangian`.
    points : array of int
        Points whose cuts are wanted.
    rank : array of int, shape (points,)
        As :func:`separate` fills it.
    """
    m = near.shape[1]
    size = 0
    for i in points:
        size += rank[i] + 1
    lower, starts = np.zeros(points.size), np.zeros(points.size, np.int32)
    columns, values = np.zeros(size, np.int32), np.zeros(size)
    at = 0
    for q in range(points.size):
        i = points[q]
        d = near_cost[i, rank[i]]
        starts[q], lower[q] = at, d
        columns[at], values[at] = m + i, 1.0
        at += 1
        for k in range(rank[i]):
            if near_cost[i, k] < d:
                columns[at], values[at] = near[i, k], d - near_cost[i, k]
                at += 1
    return lower, starts, columns[:at].copy(), values[:at].copy()


@compiled
def certify(
    near: Ints,
    near_cost: Floats,
    u: Floats,
    prices: Floats,
    status: Ints,
    p: int,
    total: float,
    rho: Floats,
    chosen: Flags,
) -> Bound:
    """Return a bound that holds whatever led to the multipliers u and to prices on sites, which pay back ``total``.

    L = sum_i u_i + total + sum of the p least of rho_j(u) - prices_j. Fill ``rho`` (less the prices) and ``chosen``.

    Parameters
    ----------
    near, near_cost, u, status, p, rho, chosen
        As in :mod:`balance_lib.optimise.lagrangian`.
    prices : array of float, shape (sites,)
        Prices on open sites.
    total : float
        What the prices pay back.
    """
    worths(near, near_cost, u, rho)
    rho -= prices
    return cheapest(rho, status, p, u.sum() + total, chosen)


@compiled
def countable(children: Ints, least: Floats, most: Floats, p: float) -> bool:
    """Tell whether p sites can be open with so many at ``least`` and at ``most`` in each group of a family tree.

    ``children`` (groups above single sites, 2) are the two groups each is made of; single sites come first, the group
    of all sites last.

    Parameters
    ----------
    children : array of int, shape (groups, 2)
    least, most : array of float
        Sites open at least and at most, by group.
    p : float
    """
    low, high = least.copy(), most.copy()
    m = least.size - children.shape[0]
    for q in range(children.shape[0]):
        a, b = children[q]
        low[m + q] = max(low[m + q], low[a] + low[b])
        high[m + q] = min(high[m + q], high[a] + high[b])
    for g in range(low.size):
        if low[g] > high[g]:
            return False
    return low[low.size - 1] <= p <= high[low.size - 1]
