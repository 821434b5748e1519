"""Search for good p-medians by exchanging sites: compiled loops (numba), imported only when a search is asked for.

The neighbourhood is Teitz and Bart's: close one open site, open one closed site. Profits of all pairs are kept and only
those touched by a move are renewed (Resende and Werneck 2007, "A fast swap-based local search procedure for location
problems"): profit(in, out) = gain[in] - loss[out] + extra[in, out].

All loops work on costs sorted by demand point, which stand in an :class:`Exchange` with what is open and the profits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from balance_lib.compiled import Flags, Floats, Ints, compiled


class Exchange(NamedTuple):
    """Hold a choice of sites with all that exchanging a pair needs; functions change the arrays from ``is_open`` on.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    cost : array of float, shape (points, sites)
        Costs in that order, all finite: the caller stands ``nowhere`` for what is unreachable.
    nowhere : float
        Cost of not being served: larger than any other.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    is_open : array of bool, shape (sites,)
    first, second : array of int, shape (points,)
        The two closest open sites of each demand point, -1 where there is none.
    d1, d2 : array of float, shape (points,)
        Their costs.
    gain, loss : array of float, shape (sites,)
        What opening saves and closing costs.
    extra : array of float, shape (sites, sites)
        What opening the one gives back of closing the other.
    """

    near: Ints
    cost: Floats
    nowhere: float
    keep: Flags
    is_open: Flags
    first: Ints
    second: Ints
    d1: Floats
    d2: Floats
    gain: Floats
    loss: Floats
    extra: Floats


@compiled
def exchange(near: Ints, cost: Floats, nowhere: float, keep: Flags, is_open: Flags) -> Exchange:
    """Return the state of a choice of sites.

    Parameters
    ----------
    near, cost, nowhere, keep, is_open
        As :class:`Exchange` holds them.
    """
    n, m = near.shape
    state = Exchange(
        near, cost, nowhere, keep, np.zeros(m, np.bool_), np.full(n, -1, np.int64), np.full(n, -1, np.int64),
        np.zeros(n), np.zeros(n), np.zeros(m), np.zeros(m), np.zeros((m, m)),
    )  # fmt: skip
    set_state(state, is_open)
    return state


@njit(inline="always")
def _find(i: int, state: Exchange) -> None:
    """Renew the two closest open sites of a demand point."""
    near, is_open = state.near, state.is_open
    found = 0
    for k in range(near.shape[1]):
        j = near[i, k]
        if is_open[j]:
            if found == 1:
                state.second[i], state.d2[i] = j, state.cost[i, k]
                found = 2
                break
            state.first[i], state.d1[i] = j, state.cost[i, k]
            found = 1
    if found < 2:
        state.second[i], state.d2[i] = -1, state.nowhere
    if found < 1:
        state.first[i], state.d1[i] = -1, state.nowhere


@njit(inline="always")
def _weigh(i: int, state: Exchange, sign: float) -> None:
    """Add (or take out, sign -1) what a demand point contributes to the profits."""
    near, cost, gain, extra = state.near, state.cost, state.gain, state.extra
    r, near_by, next_by = state.first[i], state.d1[i], state.d2[i]
    if r >= 0:
        state.loss[r] += sign * (next_by - near_by)
    for k in range(near.shape[1]):
        c = cost[i, k]
        if c >= next_by:
            break
        j = near[i, k]
        if c < near_by:
            gain[j] += sign * (near_by - c)
            if r >= 0:
                extra[j, r] += sign * (next_by - near_by)
        elif r >= 0:
            extra[j, r] += sign * (next_by - c)


@compiled
def nearest(near: Ints, is_open: Flags) -> Ints:
    """Return the closest open site of each demand point; -1 where nothing is open.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    is_open : array of bool, shape (sites,)
    """
    found = np.full(near.shape[0], -1, np.int64)
    for i in range(near.shape[0]):
        for j in near[i]:
            if is_open[j]:
                found[i] = j
                break
    return found


@compiled
def _move(state: Exchange, goes_in: int, goes_out: int) -> None:
    """Open a site, close a site, or both (-1: none), and renew what they touch."""
    near, cost, first, second, d2 = state.near, state.cost, state.first, state.second, state.d2
    n, m = near.shape
    touched = np.zeros(n, np.bool_)
    for i in range(n):
        if goes_out >= 0 and (first[i] == goes_out or second[i] == goes_out):
            touched[i] = True
        elif goes_in >= 0:
            for k in range(m):
                if cost[i, k] >= d2[i]:
                    break
                if near[i, k] == goes_in:
                    touched[i] = True
                    break
        if touched[i]:
            _weigh(i, state, -1.0)
    if goes_out >= 0:
        state.is_open[goes_out] = False
    if goes_in >= 0:
        state.is_open[goes_in] = True
    for i in range(n):
        if touched[i]:
            _find(i, state)
            _weigh(i, state, 1.0)


@compiled
def set_state(state: Exchange, is_open: Flags) -> None:
    """Build the state of another choice of sites from nothing.

    Parameters
    ----------
    state : Exchange
    is_open : array of bool, shape (sites,)
    """
    state.is_open[:] = is_open
    state.gain[:] = 0.0
    state.loss[:] = 0.0
    state.extra[:] = 0.0
    for i in range(state.near.shape[0]):
        _find(i, state)
        _weigh(i, state, 1.0)


@compiled
def descend(state: Exchange) -> float:
    """Exchange the best pair until none is better. Return the objective."""
    is_open, d1, gain, loss, extra = state.is_open, state.d1, state.gain, state.loss, state.extra
    m = is_open.size
    while True:
        total = d1.sum()
        best, goes_in, goes_out = 1e-10 * max(1.0, abs(total)), -1, -1
        opened = np.flatnonzero(is_open & ~state.keep)
        for j in range(m):
            if is_open[j]:
                continue
            for q in range(opened.size):
                profit = gain[j] - loss[opened[q]] + extra[j, opened[q]]
                if profit > best:
                    best, goes_in, goes_out = profit, j, opened[q]
        if goes_in < 0:
            return total
        _move(state, goes_in, goes_out)
        if d1.sum() >= total:  # rounding promised a gain that is none
            _move(state, goes_out, goes_in)
            return d1.sum()


@compiled
def fill(state: Exchange, p: int) -> None:
    """Open the site that saves most until p are open.

    Parameters
    ----------
    state : Exchange
    p : int
    """
    is_open, gain = state.is_open, state.gain
    for _ in range(p - is_open.sum()):
        best = -1
        for j in range(is_open.size):
            if not is_open[j] and (best < 0 or gain[j] > gain[best]):
                best = j
        _move(state, best, -1)


@compiled
def thin(state: Exchange, p: int) -> None:
    """Close the site that costs least until p are open.

    Parameters
    ----------
    state : Exchange
    p : int
    """
    is_open, loss, keep = state.is_open, state.loss, state.keep
    for _ in range(is_open.sum() - p):
        best = -1
        for j in range(is_open.size):
            if is_open[j] and not keep[j] and (best < 0 or loss[j] < loss[best]):
                best = j
        _move(state, -1, best)


@compiled
def _go_to(state: Exchange, wanted: Flags) -> None:
    """Move the state to a given choice of as many sites."""
    out = np.flatnonzero(state.is_open & ~wanted)
    into = np.flatnonzero(wanted & ~state.is_open)
    for q in range(out.size):
        _move(state, into[q], out[q])


@compiled
def shake(state: Exchange, rounds: int, strength: int, seed: int) -> float:
    """Disturb and descend again, keeping what is better (variable neighbourhood search). Return the objective.

    Parameters
    ----------
    state : Exchange
    rounds : int
        Turns at most. One exchanges k random pairs, k rising from 1 while nothing better is found.
    strength : int
        Largest k.
    seed : int
        Of the random disturbances.
    """
    np.random.seed(seed)
    is_open = state.is_open
    best = descend(state)
    kept = is_open.copy()
    k = 1
    for _ in range(rounds):
        for _ in range(k):
            opened = np.flatnonzero(is_open & ~state.keep)
            closed = np.flatnonzero(~is_open)
            if opened.size == 0 or closed.size == 0:
                return best
            goes_out = opened[np.random.randint(opened.size)]
            _move(state, closed[np.random.randint(closed.size)], goes_out)
        found = descend(state)
        if found < best * (1 - 1e-12) - 1e-12:
            best = found
            kept[:] = is_open
            k = 1
        else:
            _go_to(state, kept)
            k = k + 1 if k < strength else 1
    return best


@compiled
def sweep(state: Exchange, opens: Flags, objectives: Floats) -> None:
    """Improve a choice of sites for every p in place: up from few, then down from many.

    Parameters
    ----------
    state : Exchange
        Of any choice.
    opens : array of bool, shape (sites + 1, sites)
        Best choice for each number of sites; changed in place.
    objectives : array of float, shape (sites + 1,)
        Their values, infinite where nothing is known; changed in place.
    """
    m = state.is_open.size
    least = max(1, state.keep.sum())
    set_state(state, state.keep)
    for p in range(least, m + 1):
        fill(state, p)
        _record(p, descend(state), state, opens, objectives)
    set_state(state, np.ones(m, np.bool_))
    for p in range(m, least - 1, -1):
        thin(state, p)
        _record(p, descend(state), state, opens, objectives)


@compiled
def sweep_between(state: Exchange, opens: Flags, objectives: Floats) -> None:
    """Improve every p from the best choices of its two neighbours, up and then down again.

    Parameters
    ----------
    state, opens, objectives
        As for :func:`sweep`.
    """
    m = state.is_open.size
    least = max(1, state.keep.sum())
    set_state(state, opens[least])
    for p in range(least + 1, m + 1):
        fill(state, p)
        _record(p, descend(state), state, opens, objectives)
        _go_to(state, opens[p])
    for p in range(m - 1, least - 1, -1):
        thin(state, p)
        _record(p, descend(state), state, opens, objectives)
        _go_to(state, opens[p])


@compiled
def sweep_unions(state: Exchange, opens: Flags, objectives: Floats, apart: int, rising: bool, most: int) -> None:
    """Improve every p up to ``most`` from all sites of its own best choice and of those with ``apart`` more and less.

    What the three have beyond p is closed again, least lost first, and exchanged: choices that differ locally mix.

    Parameters
    ----------
    state, opens, objectives
        As for :func:`sweep`.
    apart : int
        How many sites more and less the mixed choices have.
    rising : bool
        Whether p rises or falls.
    most : int
        Largest p.
    """
    is_open = state.is_open
    m = is_open.size
    least = max(1, state.keep.sum())
    if most <= least:
        return
    set_state(state, opens[least + 1 if rising else most])
    for turn in range(most - least):
        p = least + 1 + turn if rising else most - turn
        union = opens[p] | opens[max(least, p - apart)] | opens[min(m, p + apart)]
        for j in range(m):
            if union[j] and not is_open[j]:
                _move(state, j, -1)
        for j in range(m):
            if is_open[j] and not union[j]:
                _move(state, -1, j)
        thin(state, p)
        _record(p, descend(state), state, opens, objectives)


@compiled
def _record(p: int, objective: float, state: Exchange, opens: Flags, objectives: Floats) -> None:
    if objective < objectives[p] - 1e-12 * abs(objective):
        objectives[p] = objective
        opens[p] = state.is_open
