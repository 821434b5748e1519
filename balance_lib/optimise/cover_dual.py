"""Bound set covers from below by Lagrangian relaxation: compiled loops (numba).

    minimise    sum_j y_j + sum_i s_i
    subject to  (1) s_i + sum_{j reaches i} y_j >= 1
                (2) y_j in {0, 1}, 0 <= s_i.

A row missed costs as much as the site that would reach it. Relaxing (1) with multipliers 0 <= u_i <= 1 leaves site j
worth 1 - sum_{i reached by j} u_i; sites below zero are chosen:

    L(u) = sum_i u_i + sum of what is chosen  <=  optimum.

``status`` of a site: 1 open, -1 closed, 0 free.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled
from balance_lib.optimise.cover_search import Links
from balance_lib.optimise.lagrangian import Bound, cheapest, fix


class Ascent(NamedTuple):
    """Hold how a bound is raised: turns at most, first step, turns without progress after which it is halved."""

    rounds: int
    step: float
    patience: int


@compiled
def _relax(core: Links, status: Ints, u: Floats, live: Flags, worth: Floats, chosen: Flags) -> Bound:
    """Solve the relaxed problem. Fill ``worth`` and ``chosen``."""
    start, site = core.start, core.site
    worth[:] = 1.0
    total = 0.0
    for i in range(live.size):
        if live[i] and u[i] > 0.0:
            total += u[i]
            for q in range(start[i], start[i + 1]):
                worth[site[q]] -= u[i]
    return cheapest(worth, status, -1, total, chosen)


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
def _slope(times: Ints, live: Flags, at: Floats, direction: Floats) -> float:
    """Turn towards the subgradient, part of the last direction kept; return its square."""
    norm = 0.0
    for i in range(times.size):
        if live[i]:
            slope = 1.0 - times[i]
            if (at[i] <= 0.0 and slope < 0.0) or (at[i] >= 1.0 and slope > 0.0):
                slope = 0.0  # the multiplier stands at its end
            direction[i] = slope + 0.4 * direction[i]
            norm += direction[i] * direction[i]
    return norm


@compiled
def ascend(
    core: Links, status: Ints, u: Floats, by: float, upper: float, best_open: Flags, pace: Ascent
) -> tuple[float, float]:
    """Raise the bound by subgradient steps, fixing sites on the way; improve ``upper`` by what is chosen.

    Only plans below ``upper - by`` matter. ``u`` holds the best multipliers at the end. Return the bound and the upper
    value.

    Parameters
    ----------
    core : Links
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    u : array of float, shape (rows,)
    by : float
    upper : float
        Value of the best plan known.
    best_open : array of bool, shape (sites,)
        The best plan; changed in place.
    pace : Ascent
    """
    step, n, m = pace.step, core.start.size - 1, status.size
    worth, chosen, trial = np.zeros(m), np.zeros(m, np.bool_), np.zeros(m, np.bool_)
    times, at, direction = np.zeros(n, np.int64), u.copy(), np.zeros(n)
    _count(core, status == 1, times)
    live = times == 0  # rows that no site open for good reaches
    best, since = -np.inf, 0
    for turn in range(pace.rounds):
        relaxed = _relax(core, status, at, live, worth, chosen)
        bound = relaxed.value
        better = bound > best
        since = 0 if best == -np.inf or bound > best + 1e-4 * abs(upper - best) else since + 1
        if better:
            best = bound
            u[:] = at
        if best >= upper - by:
            break
        _count(core, chosen, times)
        norm = _slope(times, live, at, direction)
        if better or turn % 8 == 0:
            trial[:] = chosen
            size = float(_repair(core, trial, worth, times))
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
                at[i] = min(1.0, max(0.0, at[i] + stride * direction[i]))
    return best, upper
