"""Bound p-medians from below by Lagrangian relaxation: compiled loops (numba).

Relaxing "every demand point is served" with multipliers u leaves, for given u, an easy problem: site j is worth
rho_j(u) = sum_i min(0, c_ij - u_i), and the p sites of least rho are opened:

    L(u) = sum_i u_i + sum of the p least rho_j(u)  <=  optimum.

For each u the value is a bound, whatever led there. What the functions share:

near : array of int, shape (points, sites)
    Sites of each demand point, nearest first.
near_cost : array of float, shape (points, sites)
    Costs in that order, infinite where a point cannot be served.
u : array of float, shape (points,)
    Multipliers.
status : array of int, shape (sites,)
    1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
p : int
    Sites that are open.
rho or worth : array of float, shape (sites,)
    Worth of each site if open; filled.
chosen : array of bool, shape (sites,)
    Sites of the relaxed answer; filled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled


class Bound(NamedTuple):
    """Hold what a relaxed problem says: its value L(u), the last worth taken and the first left out."""

    value: float
    last: float
    first_out: float


class Ascent(NamedTuple):
    """Hold how a bound is raised: turns at most, first step, turns without progress after which it is halved."""

    rounds: int
    step: float
    patience: int


@compiled
def cheapest(worth: Floats, status: Ints, p: int, total: float, chosen: Flags) -> Bound:
    """Choose the open sites and the free ones of least worth until p are chosen; with p -1 those worth less than zero.

    Fill ``chosen``; the value is ``total`` plus their worth, infinite when there are not p.

    Parameters
    ----------
    worth, status, p, chosen
        As the module says.
    total : float
        What is added.
    """
    if p < 0:  # a site is chosen against not choosing it
        for j in range(status.size):
            chosen[j] = status[j] == 1 or (status[j] == 0 and worth[j] < 0.0)
            if chosen[j]:
                total += worth[j]
        return Bound(total, 0.0, 0.0)
    chosen[:] = False
    wanted = p
    for j in range(status.size):
        if status[j] == 1:
            chosen[j] = True
            total += worth[j]
            wanted -= 1
    free = np.flatnonzero(status == 0)
    if wanted < 0 or wanted > free.size:
        return Bound(np.inf, 0.0, 0.0)
    ranks = np.argsort(worth[free])
    for q in range(wanted):
        j = free[ranks[q]]
        chosen[j] = True
        total += worth[j]
    last = worth[free[ranks[wanted - 1]]] if wanted > 0 else -np.inf
    first_out = worth[free[ranks[wanted]]] if wanted < free.size else np.inf
    return Bound(total, last, first_out)


@compiled
def worths(near: Ints, near_cost: Floats, u: Floats, rho: Floats) -> None:
    """Fill rho_j(u) = sum_i min(0, c_ij - u_i).

    Parameters
    ----------
    near, near_cost, u, rho
        As the module says.
    """
    n, m = near.shape
    rho[:] = 0.0
    for i in range(n):
        ui = u[i]
        for k in range(m):
            c = near_cost[i, k]
            if c >= ui:
                break
            rho[near[i, k]] += c - ui


@compiled
def relax(near: Ints, near_cost: Floats, u: Floats, status: Ints, p: int, rho: Floats, chosen: Flags) -> Bound:
    """Solve the relaxed problem. Fill ``rho`` and ``chosen``.

    Parameters
    ----------
    near, near_cost, u, status, p, rho, chosen
        As the module says.
    """
    worths(near, near_cost, u, rho)
    return cheapest(rho, status, p, u.sum(), chosen)


@compiled
def fix(status: Ints, rho: Floats, chosen: Flags, relaxed: Bound, cut: float) -> None:
    """Close sites that cannot be open, and open those that cannot be closed, in any solution below ``cut``.

    Parameters
    ----------
    status, rho, chosen
        As the module says.
    relaxed : Bound
        Of the relaxed answer they belong to.
    cut : float
        Only plans below this value matter.
    """
    for j in range(status.size):
        if status[j] != 0:
            continue
        if chosen[j]:
            if relaxed.value - rho[j] + relaxed.first_out >= cut:
                status[j] = 1
        elif relaxed.value + rho[j] - relaxed.last >= cut:
            status[j] = -1


@compiled
def ascend(
    near: Ints,
    near_cost: Floats,
    u: Floats,
    status: Ints,
    p: int,
    cut: float,
    upper: float,
    best_open: Flags,
    pace: Ascent,
) -> tuple[float, float]:
    """Raise the bound by subgradient steps, fixing sites on the way; improve ``upper`` by what is chosen.

    ``u`` holds the best multipliers at the end. Return the bound and the upper value.

    Parameters
    ----------
    near, near_cost, u, status, p
        As the module says.
    cut : float
        Only plans below this value matter.
    upper : float
        Value of the best plan known.
    best_open : array of bool, shape (sites,)
        The best plan; changed in place.
    pace : Ascent
    """
    n, m = near.shape
    rho, chosen = np.zeros(m), np.zeros(m, np.bool_)
    at, slope, direction = u.copy(), np.zeros(n), np.zeros(n)
    best, step = -np.inf, pace.step
    since = 0
    for _ in range(pace.rounds):
        relaxed = relax(near, near_cost, at, status, p, rho, chosen)
        bound = relaxed.value
        if bound > best + 1e-9 * abs(best) or best == -np.inf:
            since = 0 if bound > best + 1e-5 * abs(upper - best) else since + 1
            best = bound
            u[:] = at
        else:
            since += 1
        if best >= cut:
            break
        fix(status, rho, chosen, relaxed, cut)
        total = 0.0
        norm = 0.0
        for i in range(n):
            served = 0
            found = -1.0
            for k in range(m):
                c = near_cost[i, k]
                if found >= 0 and c >= at[i]:
                    break
                if c == np.inf:
                    break
                if chosen[near[i, k]]:
                    if found < 0:
                        found = c
                    if c < at[i]:
                        served += 1
            total += found if found >= 0 else np.inf
            slope[i] = 1.0 - served
            direction[i] = slope[i] + 0.4 * direction[i]
            norm += direction[i] * direction[i]
        if total < upper:
            upper = total
            best_open[:] = chosen
        if norm < 1e-12:
            break
        if since >= pace.patience:
            step *= 0.5
            since = 0
            at[:] = u
            direction[:] = 0.0
            if step < 1e-3:
                break
            continue
        stride = step * (upper - bound) / norm  # towards upper, or steps would die out just below the cut
        if stride <= 0:
            break
        for i in range(n):
            at[i] += stride * direction[i]
    return best, upper
