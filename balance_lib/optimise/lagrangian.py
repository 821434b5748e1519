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

# First step and largest share of a new answer; turns without progress that shorten the step, to no less than this;
# turns after which progress is judged, and the share at which too little of it is the end.
FIRST_STEP, FIRST_SHARE, PATIENCE, LEAST_STEP, WHILE, LEAST_SHARE = 0.03, 0.5, 20, 1e-4, 50, 2e-3


class Bound(NamedTuple):
    """Hold what a relaxed problem says: its value L(u), the last worth taken and the first left out."""

    value: float
    last: float
    first_out: float


class Volume(NamedTuple):
    """Hold how far a bound is raised by the volume algorithm (Barahona and Anbil 2000).

    Steps go not where one relaxed answer points but where the average of the answers so far does: that average comes
    near a solution of the linear relaxation, and the multipliers near its prices.

    Parameters
    ----------
    u, at : arrays of float, shape (points,)
        Multipliers of the best bound, and those to look at next.
    served : array of float, shape (points,)
        How often each point is served, on average; 1 where the relaxed constraint holds.
    opened : array of float, shape (sites,)
        How often each site is chosen, on average: between 0 and 1 where the linear relaxation is in doubt.
    figures : array of float, shape (6,)
        Best bound, step, largest share of a new answer, turns so far, turns without progress, bound a while ago.
    """

    u: Floats
    at: Floats
    served: Floats
    opened: Floats
    figures: Floats


def volume(u: Floats, n_sites: int) -> Volume:
    """Return the start at multipliers u, which is changed in place."""
    figures = np.array([-np.inf, FIRST_STEP, FIRST_SHARE, 0.0, 0.0, -np.inf])
    return Volume(u, u.copy(), np.zeros(u.size), np.zeros(n_sites), figures)


def again(state: Volume) -> Volume:
    """Return the start of another ascent from where one has ended: steps and shares as at first, values kept."""
    state.figures[1:3], state.figures[4:] = (FIRST_STEP, FIRST_SHARE), (0.0, -np.inf)
    state.at[:] = state.u
    return state


@compiled
def advance(state: Volume, value: float, served: Floats, chosen: Flags, target: float) -> bool:
    """Take in the relaxed answer at ``state.at`` and set the next multipliers; tell whether it is worth going on.

    Parameters
    ----------
    state : Volume
        Changed in place.
    value : float
        The bound there.
    served : array of float, shape (points,)
        How often the answer serves each point.
    chosen : array of bool, shape (sites,)
        Sites it opens.
    target : float
        What the bound may come to.
    """
    figures, n = state.figures, served.size
    if figures[3] == 0:
        state.served[:] = served
        state.opened[:] = chosen
    else:  # the share of the new answer with which the average serves everybody most nearly once
        across, length = 0.0, 0.0
        for i in range(n):
            apart = state.served[i] - served[i]
            across += (state.served[i] - 1.0) * apart
            length += apart * apart
        share = min(max(across / length if length > 0 else figures[2], figures[2] / 10), figures[2])
        for i in range(n):
            state.served[i] += share * (served[i] - state.served[i])
        for j in range(chosen.size):
            state.opened[j] += share * ((1.0 if chosen[j] else 0.0) - state.opened[j])
    figures[3] += 1
    along, norm = 0.0, 0.0
    for i in range(n):
        along += (1.0 - state.served[i]) * (1.0 - served[i])
        norm += (1.0 - state.served[i]) ** 2
    if value > figures[0]:
        figures[0], figures[4] = value, 0.0
        state.u[:] = state.at
        if along >= 0:
            figures[1] = min(2.0, 1.1 * figures[1])
    else:
        figures[4] += 1
        if figures[4] >= PATIENCE:
            figures[1], figures[4] = max(LEAST_STEP, 0.66 * figures[1]), 0.0
    lacking = max(target - figures[0], 1e-9 * abs(target))
    if figures[3] % WHILE == 0:
        gained = figures[0] - figures[5]
        if gained < 1e-4 * max(lacking, 1e-3 * abs(target)):
            if figures[2] < LEAST_SHARE:
                return False
            figures[2] *= 0.5
        figures[5] = figures[0]
    if norm < 1e-12:
        return False
    for i in range(n):
        state.at[i] = state.u[i] + figures[1] * lacking / norm * (1.0 - state.served[i])
    return True


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
    state: Volume,
    status: Ints,
    p: int,
    cut: float,
    upper: float,
    best_open: Flags,
    rounds: int,
) -> float:
    """Raise the bound, fixing sites on the way; improve ``upper``, which is returned, by what is chosen.

    Parameters
    ----------
    near, near_cost, status, p
        As the module says.
    state : Volume
        Where the bound stands; changed in place.
    cut : float
        Only plans below this value matter.
    upper : float
        Value of the best plan known.
    best_open : array of bool, shape (sites,)
        The best plan; changed in place.
    rounds : int
        Turns at most.
    """
    n, m = near.shape
    rho, chosen, served = np.zeros(m), np.zeros(m, np.bool_), np.zeros(n)
    for _ in range(rounds):
        relaxed = relax(near, near_cost, state.at, status, p, rho, chosen)
        if relaxed.value < cut:
            fix(status, rho, chosen, relaxed, cut)
        total = 0.0
        for i in range(n):
            served[i] = 0.0
            found = -1.0
            for k in range(m):
                c = near_cost[i, k]
                if (found >= 0 and c >= state.at[i]) or c == np.inf:
                    break
                if chosen[near[i, k]]:
                    if found < 0:
                        found = c
                    if c < state.at[i]:
                        served[i] += 1.0
            total += found if found >= 0 else np.inf
        if total < upper:
            upper = total
            best_open[:] = chosen
        if not advance(state, relaxed.value, served, chosen, upper) or state.figures[0] >= cut:
            break
    return upper
