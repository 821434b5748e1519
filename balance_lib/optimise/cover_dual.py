"""Bound covers from below by Lagrangian relaxation, and prove maximal ones by branching: compiled loops (numba).

Set covering and maximal covering are one problem: choose sites so that fees and the weight missed are least,

    minimise    fee * sum_j y_j + sum_i w_i s_i
    subject to  (1) s_i + sum_{j reaches i} y_j >= 1
                (2) sum_j y_j = p                      maximal covering (fee 0) only
                (3) y_j in {0, 1}, 0 <= s_i.

Set covering is fee = w_i = 1 without (2): a row missed costs as much as the site that would reach it. Relaxing (1) with
multipliers 0 <= u_i <= w_i leaves site j worth fee - sum_{i reached by j} u_i; sites below zero, or the p of least
worth, are chosen:

    L(u) = sum_i u_i + sum of what is chosen  <=  optimum.

``status`` of a site: 1 open, -1 closed, 0 free.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled
from balance_lib.optimise.cover_search import Links, empty, exchange, toggle
from balance_lib.optimise.lagrangian import Bound, cheapest, fix


class Ascent(NamedTuple):
    """Hold how a bound is raised: turns at most, first step, turns without progress after which it is halved."""

    rounds: int
    step: float
    patience: int


class OpenNodes(NamedTuple):
    """Hold the nodes still to be searched, changed in place: status and multipliers of each, its bound, how many."""

    status: Ints
    u: Floats
    bounds: Floats
    top: Ints


@compiled
def _most_undecided(status: Ints, often: Floats) -> int:
    """Return the free site chosen nearest to half of the time (``often``, 0 to 1); -1 when none is free."""
    pick, best = -1, -1.0
    for j in range(status.size):
        if status[j] == 0:
            score = min(often[j], 1 - often[j])
            if score > best:
                best, pick = score, j
    return pick


@compiled
def _relax(
    core: Links, fee: float, p: int, status: Ints, u: Floats, live: Flags, worth: Floats, chosen: Flags
) -> Bound:
    """Solve the relaxed problem. Fill ``worth`` and ``chosen``."""
    start, site = core.start, core.site
    worth[:] = fee
    total = 0.0
    for i in range(live.size):
        if live[i] and u[i] > 0.0:
            total += u[i]
            for q in range(start[i], start[i + 1]):
                worth[site[q]] -= u[i]
    return cheapest(worth, status, p, total, chosen)


@compiled
def _repair(core: Links, chosen: Flags, worth: Floats, times: Ints) -> int:
    """Make a cover of a choice: a missed row takes its site of least worth, sites not needed go. Return its size."""
    start, site, first, row = core.start, core.site, core.first, core.row
    for i in range(times.size):
        if times[i] == 0:
            best = site[start[i]]
            for q in range(start[i] + 1, start[i + 1]):
                if worth[site[q]] < worth[best]:
                    best = site[q]
            chosen[best] = True
            for q in range(first[best], first[best + 1]):
                times[row[q]] += 1
    opened = np.flatnonzero(chosen)
    for j in opened[np.argsort(-worth[opened])]:
        needed = False
        for q in range(first[j], first[j + 1]):
            needed = needed or times[row[q]] == 1
        if not needed:
            chosen[j] = False
            for q in range(first[j], first[j + 1]):
                times[row[q]] -= 1
    return chosen.sum()


@compiled
def _count(core: Links, chosen: Flags, times: Ints) -> None:
    first, row = core.first, core.row
    times[:] = 0
    for j in range(chosen.size):
        if chosen[j]:
            for q in range(first[j], first[j + 1]):
                times[row[q]] += 1


@compiled
def _slope(times: Ints, live: Flags, at: Floats, weights: Floats, direction: Floats) -> tuple[float, float]:
    """Turn towards the subgradient, part of the last direction kept; return its square and the weight missed."""
    norm, missed = 0.0, 0.0
    for i in range(times.size):
        if live[i]:
            missed += weights[i] if times[i] == 0 else 0.0
            slope = 1.0 - times[i]
            if (at[i] <= 0.0 and slope < 0.0) or (at[i] >= weights[i] and slope > 0.0):
                slope = 0.0  # the multiplier stands at its end
            direction[i] = slope + 0.4 * direction[i]
            norm += direction[i] * direction[i]
    return norm, missed


@compiled
def ascend(
    core: Links,
    fee: float,
    p: int,
    status: Ints,
    u: Floats,
    by: float,
    upper: float,
    best_open: Flags,
    pace: Ascent,
    often: Floats,
) -> tuple[float, float]:
    """Raise the bound by subgradient steps, fixing sites on the way; improve ``upper`` by what is chosen.

    Only plans below ``upper - by`` matter. ``p`` is -1 for a set cover. ``u`` holds the best multipliers at the end,
    ``often`` how often each site was chosen lately (0 to 1). Return the bound and the upper value.

    Parameters
    ----------
    core : Links
    fee : float
        Cost of an open site; 0 where their number is given.
    p : int
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    u : array of float, shape (rows,)
    by : float
    upper : float
        Value of the best plan known.
    best_open : array of bool, shape (sites,)
        The best plan; changed in place.
    pace : Ascent
    often : array of float, shape (sites,)
        Filled.
    """
    weights, step = core.weights, pace.step
    n, m = weights.size, status.size
    worth, chosen, trial = np.zeros(m), np.zeros(m, np.bool_), np.zeros(m, np.bool_)
    times, at, direction = np.zeros(n, np.int64), u.copy(), np.zeros(n)
    _count(core, status == 1, times)
    live = times == 0  # rows that no site open for good reaches
    best, since = -np.inf, 0
    for turn in range(pace.rounds):
        relaxed = _relax(core, fee, p, status, at, live, worth, chosen)
        bound = relaxed.value
        better = bound > best
        since = 0 if best == -np.inf or bound > best + 1e-4 * abs(upper - best) else since + 1
        if better:
            best = bound
            u[:] = at
        if best >= upper - by:
            break
        often *= 0.9
        often += 0.1 * chosen
        _count(core, chosen, times)
        norm, missed = _slope(times, live, at, weights, direction)
        if p >= 0 and missed < upper:
            upper = missed
            best_open[:] = chosen
        elif p < 0 and (better or turn % 8 == 0):
            trial[:] = chosen
            size = fee * _repair(core, trial, worth, times)
            if size < upper:
                upper = size
                best_open[:] = trial
        fix(status, worth, chosen, relaxed, upper - by)
        if norm < 1e-12 or step < 2e-3:
            break
        if since >= pace.patience:
            step, since = 0.5 * step, 0
            at[:] = u
            direction[:] = 0.0
            continue
        stride = step * (upper - bound) / norm
        for i in range(n):
            if live[i]:
                at[i] = min(weights[i], max(0.0, at[i] + stride * direction[i]))
    return best, upper


@compiled
def _polish(core: Links, p: int, often: Floats, upper: float, best_open: Flags) -> float:
    """Exchange from the p sites the dual chose most often; keep what is better. Return upper."""
    state = empty(core, core.weights)
    for j in np.argsort(-often)[:p]:
        toggle(core, core.weights, state, j)
    missed = exchange(core, state)
    if missed < upper:
        best_open[:] = state.is_open
        return missed
    return upper


@compiled
def branch(
    core: Links, p: int, by: float, upper: float, best_open: Flags, stack: OpenNodes, nodes: int, rounds: int
) -> float:
    """Search maximal covers depth first for anything below ``upper - by``, at most so many nodes, then come back.

    Return upper.

    Parameters
    ----------
    core, p, by, upper, best_open
        As for :func:`ascend`.
    stack : OpenNodes
    nodes : int
    rounds : int
        Turns of the dual at a node.
    """
    all_status, all_u, bounds, top = stack.status, stack.u, stack.bounds, stack.top
    often = np.zeros(all_status.shape[1])
    for _ in range(nodes):
        while top[0] > 0 and bounds[top[0] - 1] >= upper - by:
            top[0] -= 1
        if top[0] == 0:
            break
        top[0] -= 1
        t = top[0]
        status, u, parent = all_status[t].copy(), all_u[t].copy(), bounds[t]
        often[:] = 0.0
        bound, upper = ascend(core, 0.0, p, status, u, by, upper, best_open, Ascent(rounds, 1.0, 5), often)
        upper = _polish(core, p, often, upper, best_open)
        pick = _most_undecided(status, often)
        if max(bound, parent) >= upper - by or pick < 0:
            continue  # nothing is free: the relaxed choice was a plan and has been counted
        for likely in (False, True):
            to = 1 if likely == (often[pick] >= 0.5) else -1
            if to == -1 or (status == 1).sum() < p:
                t = top[0]
                all_status[t] = status
                all_status[t, pick] = to
                all_u[t] = u
                bounds[t] = max(bound, parent)
                top[0] += 1
    return upper
