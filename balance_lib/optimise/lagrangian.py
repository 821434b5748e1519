"""Bound p-medians from below by Lagrangian relaxation: compiled loops (numba).

Relaxing "every demand point is served" with multipliers u leaves, for given u, an easy problem: site j is worth
rho_j(u) = sum_i min(0, c_ij - u_i), and the p sites of least rho are opened:

    L(u) = sum_i u_i + sum of the p least rho_j(u)  <=  optimum.

For each u the value is a bound, whatever led there. Loops work on sorted costs as in
:mod:`balance_lib.optimise.interchange`; what is unreachable is infinite here and never chosen. ``status`` of a site:
1 open, -1 closed, 0 free.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from balance_lib.compiled import compiled


@compiled
def cheapest(worth, status, p, total, chosen):
    """Choose the open sites and the free ones of least worth until p are chosen.

    Fill ``chosen``; return ``total`` plus their worth (infinite when there are not p), the last worth taken and the
    first left out.

    Parameters
    ----------
    worth : array of float, shape (sites,)
        Worth of each site if open.
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    p : int
        Sites that are open.
    total : float
        What is added.
    chosen : array of bool, shape (sites,)
        Sites of the relaxed answer; filled.
    """
    chosen[:] = False
    wanted = p
    for j in range(status.size):
        if status[j] == 1:
            chosen[j] = True
            total += worth[j]
            wanted -= 1
    free = np.flatnonzero(status == 0)
    if wanted < 0 or wanted > free.size:
        return np.inf, 0.0, 0.0
    ranks = np.argsort(worth[free])
    for q in range(wanted):
        j = free[ranks[q]]
        chosen[j] = True
        total += worth[j]
    last = worth[free[ranks[wanted - 1]]] if wanted > 0 else -np.inf
    first_out = worth[free[ranks[wanted]]] if wanted < free.size else np.inf
    return total, last, first_out


@compiled
def worths(near, near_cost, u, rho):
    """Fill rho_j(u) = sum_i min(0, c_ij - u_i).

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    u : array of float, shape (points,)
        Multipliers; changed in place where the search raises the bound.
    rho : array of float, shape (sites,)
        Worth of each open site; filled.
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
def relax(near, near_cost, u, status, p, rho, chosen):
    """Solve the relaxed problem. Fill ``rho`` and ``chosen``; return L(u), last rho taken, first left out.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    u : array of float, shape (points,)
        Multipliers; changed in place where the search raises the bound.
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    p : int
        Sites that are open.
    rho : array of float, shape (sites,)
        Worth of each open site; filled.
    chosen : array of bool, shape (sites,)
        Sites of the relaxed answer; filled.
    """
    worths(near, near_cost, u, rho)
    return cheapest(rho, status, p, u.sum(), chosen)


@compiled
def fix(status, rho, chosen, bound, last, first_out, cut):
    """Close sites that cannot be open, and open those that cannot be closed, in any solution below ``cut``.

    Parameters
    ----------
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    rho : array of float, shape (sites,)
        Worth of each open site; filled.
    chosen : array of bool, shape (sites,)
        Sites of the relaxed answer; filled.
    bound : float
        Bound of the relaxed answer.
    last : float
        Last worth taken.
    first_out : float
        First worth left out.
    cut : float
        Only plans below this value matter.

    Returns
    -------
    int
        How many sites were fixed.
    """
    n_fixed = 0
    for j in range(status.size):
        if status[j] != 0:
            continue
        if chosen[j]:
            if bound - rho[j] + first_out >= cut:
                status[j] = 1
                n_fixed += 1
        elif bound + rho[j] - last >= cut:
            status[j] = -1
            n_fixed += 1
    return n_fixed


@compiled
def ascend(near, near_cost, u, status, p, cut, upper, best_open, rounds, step, patience):
    """Raise the bound by subgradient steps, fixing sites on the way; improve ``upper`` by what is chosen.

    ``u`` holds the best multipliers at the end.
    Return the bound, the upper value and the step length reached.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    u : array of float, shape (points,)
        Multipliers; changed in place where the search raises the bound.
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    p : int
        Sites that are open.
    cut : float
        Only plans below this value matter.
    upper : float
        Value of the best plan known.
    best_open : array of bool, shape (sites,)
        The best plan; changed in place.
    rounds : int
        Turns at most.
    step : float
        First length of a subgradient step.
    patience : int
        Turns without progress after which the step is halved.
    """
    n, m = near.shape
    rho, chosen = np.zeros(m), np.zeros(m, np.bool_)
    at, slope, direction = u.copy(), np.zeros(n), np.zeros(n)
    best = -np.inf
    since = 0
    for _ in range(rounds):
        bound, last, first_out = relax(near, near_cost, at, status, p, rho, chosen)
        if bound > best + 1e-9 * abs(best) or best == -np.inf:
            since = 0 if bound > best + 1e-5 * abs(upper - best) else since + 1
            best = bound
            u[:] = at
        else:
            since += 1
        if best >= cut:
            break
        fix(status, rho, chosen, bound, last, first_out, cut)
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
        if since >= patience:
            step *= 0.5
            since = 0
            at[:] = u
            direction[:] = 0.0
            if step < 1e-3:
                break
            continue
        pace = step * (upper - bound) / norm  # towards upper, or steps would die out just below the cut
        if pace <= 0:
            break
        for i in range(n):
            at[i] += pace * direction[i]
    return best, upper, step
