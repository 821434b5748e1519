"""Search for good p-medians by exchanging sites: compiled loops (numba), imported only when a search is asked for.

The neighbourhood is Teitz and Bart's: close one open site, open one closed site. Profits of all pairs are kept and only
those touched by a move are renewed (Resende and Werneck 2007, "A fast swap-based local search procedure for location
problems"): profit(in, out) = gain[in] - loss[out] + extra[in, out].

All loops work on costs sorted by demand point: ``near[i]`` are the sites in rising cost and ``near_cost[i]`` the costs.
Costs are finite here; the caller stands a large number for what is unreachable. A state is the tuple
(is_open, first, second, d1, d2, gain, loss, extra): flags of sites, the two closest open sites of each demand point
with their costs, and the three profit tables.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from balance_lib.compiled import compiled


@compiled
def empty_state(n, m):
    """Return a state in which nothing is open.

    Parameters
    ----------
    n : int
        Demand points.
    m : int
        Sites.

    Returns
    -------
    tuple of arrays
        Open flags; nearest and second open site and their costs by point; gain, loss and pair terms by site.
    """
    return (
        np.zeros(m, np.bool_),
        np.full(n, -1, np.int64),
        np.full(n, -1, np.int64),
        np.zeros(n),
        np.zeros(n),
        np.zeros(m),
        np.zeros(m),
        np.zeros((m, m)),
    )


@compiled
def _find(i, near, near_cost, nowhere, state):
    """Renew the two closest open sites of a demand point."""
    is_open, first, second, d1, d2 = state[0], state[1], state[2], state[3], state[4]
    found = 0
    for k in range(near.shape[1]):
        j = near[i, k]
        if is_open[j]:
            if found == 0:
                first[i], d1[i] = j, near_cost[i, k]
                found = 1
            else:
                second[i], d2[i] = j, near_cost[i, k]
                return
    second[i], d2[i] = -1, nowhere
    if found == 0:
        first[i], d1[i] = -1, nowhere


@compiled
def _weigh(i, near, near_cost, state, sign):
    """Add (or take out, sign -1) what a demand point contributes to the profits."""
    first, d1, d2, gain, loss, extra = state[1], state[3], state[4], state[5], state[6], state[7]
    r, near_by, next_by = first[i], d1[i], d2[i]
    if r >= 0:
        loss[r] += sign * (next_by - near_by)
    for k in range(near.shape[1]):
        c = near_cost[i, k]
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
def nearest(near, is_open):
    """Return the closest open site of each demand point.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    is_open : array of bool, shape (sites,)
        Open sites.

    Returns
    -------
    array of int, shape (points,)
        -1 where nothing is open.
    """
    found = np.full(near.shape[0], -1, np.int64)
    for i in range(near.shape[0]):
        for j in near[i]:
            if is_open[j]:
                found[i] = j
                break
    return found


@compiled
def _move(near, near_cost, nowhere, state, goes_in, goes_out):
    """Open a site, close a site, or both (-1: none), and renew what they touch.

    ``near`` (points, sites): sites of each demand point, nearest first. ``near_cost`` (points, sites): costs in the
    order of ``near``. ``nowhere``: cost of not being served: larger than any other. ``state``: as :func:`empty_state`
    makes it; changed in place. ``goes_in``: site to open, -1 none. ``goes_out``: site to close, -1 none.
    """
    is_open, first, second = state[0], state[1], state[2]
    d2 = state[4]
    n, m = near.shape
    touched = np.zeros(n, np.bool_)
    for i in range(n):
        if goes_out >= 0 and (first[i] == goes_out or second[i] == goes_out):
            touched[i] = True
        elif goes_in >= 0:
            for k in range(m):
                if near_cost[i, k] >= d2[i]:
                    break
                if near[i, k] == goes_in:
                    touched[i] = True
                    break
        if touched[i]:
            _weigh(i, near, near_cost, state, -1.0)
    if goes_out >= 0:
        is_open[goes_out] = False
    if goes_in >= 0:
        is_open[goes_in] = True
    for i in range(n):
        if touched[i]:
            _find(i, near, near_cost, nowhere, state)
            _weigh(i, near, near_cost, state, 1.0)


@compiled
def set_state(near, near_cost, nowhere, state, is_open):
    """Build the state of a given choice of sites from nothing.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    state : tuple of arrays
        As :func:`empty_state` makes it; changed in place.
    is_open : array of bool, shape (sites,)
        Open sites.
    """
    state[0][:] = is_open
    state[5][:] = 0.0
    state[6][:] = 0.0
    state[7][:] = 0.0
    for i in range(near.shape[0]):
        _find(i, near, near_cost, nowhere, state)
        _weigh(i, near, near_cost, state, 1.0)


@compiled
def descend(near, near_cost, nowhere, state, keep):
    """Exchange the best pair until none is better; sites in ``keep`` stay open. Return the objective.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    state : tuple of arrays
        As :func:`empty_state` makes it; changed in place.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    """
    is_open, d1, gain, loss, extra = state[0], state[3], state[5], state[6], state[7]
    m = is_open.size
    while True:
        total = d1.sum()
        best, goes_in, goes_out = 1e-10 * max(1.0, abs(total)), -1, -1
        opened = np.flatnonzero(is_open & ~keep)
        for j in range(m):
            if is_open[j]:
                continue
            for q in range(opened.size):
                profit = gain[j] - loss[opened[q]] + extra[j, opened[q]]
                if profit > best:
                    best, goes_in, goes_out = profit, j, opened[q]
        if goes_in < 0:
            return total
        _move(near, near_cost, nowhere, state, goes_in, goes_out)
        if d1.sum() >= total:  # rounding promised a gain that is none
            _move(near, near_cost, nowhere, state, goes_out, goes_in)
            return d1.sum()


@compiled
def fill(near, near_cost, nowhere, state, p):
    """Open the site that saves most until p are open.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    state : tuple of arrays
        As :func:`empty_state` makes it; changed in place.
    p : int
        Sites that are open.
    """
    is_open, gain = state[0], state[5]
    for _ in range(p - is_open.sum()):
        best = -1
        for j in range(is_open.size):
            if not is_open[j] and (best < 0 or gain[j] > gain[best]):
                best = j
        _move(near, near_cost, nowhere, state, best, -1)


@compiled
def thin(near, near_cost, nowhere, state, keep, p):
    """Close the site that costs least until p are open.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    state : tuple of arrays
        As :func:`empty_state` makes it; changed in place.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    p : int
        Sites that are open.
    """
    is_open, loss = state[0], state[6]
    for _ in range(is_open.sum() - p):
        best = -1
        for j in range(is_open.size):
            if is_open[j] and not keep[j] and (best < 0 or loss[j] < loss[best]):
                best = j
        _move(near, near_cost, nowhere, state, -1, best)


@compiled
def _go_to(near, near_cost, nowhere, state, wanted):
    """Move the state to a given choice of as many sites."""
    is_open = state[0]
    out = np.flatnonzero(is_open & ~wanted)
    into = np.flatnonzero(wanted & ~is_open)
    for q in range(out.size):
        _move(near, near_cost, nowhere, state, into[q], out[q])


@compiled
def shake(near, near_cost, nowhere, state, keep, rounds, strength, seed):
    """Disturb and descend again, keeping what is better (variable neighbourhood search). Return the objective.

    A round exchanges k random pairs, k rising from 1 to ``strength`` while nothing better is found.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    state : tuple of arrays
        As :func:`empty_state` makes it; changed in place.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    rounds : int
        Turns at most.
    strength : int
        Pairs exchanged at most in one disturbance.
    seed : int
        Of the random disturbances.
    """
    np.random.seed(seed)
    is_open = state[0]
    best = descend(near, near_cost, nowhere, state, keep)
    kept = is_open.copy()
    k = 1
    for _ in range(rounds):
        for _ in range(k):
            opened = np.flatnonzero(is_open & ~keep)
            closed = np.flatnonzero(~is_open)
            if opened.size == 0 or closed.size == 0:
                return best
            goes_out = opened[np.random.randint(opened.size)]
            _move(near, near_cost, nowhere, state, closed[np.random.randint(closed.size)], goes_out)
        found = descend(near, near_cost, nowhere, state, keep)
        if found < best * (1 - 1e-12) - 1e-12:
            best = found
            kept[:] = is_open
            k = 1
        else:
            _go_to(near, near_cost, nowhere, state, kept)
            k = k + 1 if k < strength else 1
    return best


@compiled
def sweep(near, near_cost, nowhere, keep, opens, objectives):
    """Improve a choice of sites for every p in place: up from few, down from many, and once more between neighbours.

    ``opens`` (m + 1, m) flags and ``objectives`` (m + 1,) stand at infinity where nothing is known yet.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    opens : array of bool, shape (sites + 1, sites)
        Best choice for each number of sites; changed in place.
    objectives : array of float, shape (sites + 1,)
        Their values, infinite where nothing is known; changed in place.
    """
    n, m = near.shape
    least = max(1, keep.sum())
    state = empty_state(n, m)
    set_state(near, near_cost, nowhere, state, keep)
    for p in range(least, m + 1):
        fill(near, near_cost, nowhere, state, p)
        _record(p, descend(near, near_cost, nowhere, state, keep), state[0], opens, objectives)
    set_state(near, near_cost, nowhere, state, np.ones(m, np.bool_))
    for p in range(m, least - 1, -1):
        thin(near, near_cost, nowhere, state, keep, p)
        _record(p, descend(near, near_cost, nowhere, state, keep), state[0], opens, objectives)


@compiled
def sweep_between(near, near_cost, nowhere, keep, opens, objectives):
    """Improve every p from the best choices of its two neighbours, up and then down again.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    opens : array of bool, shape (sites + 1, sites)
        Best choice for each number of sites; changed in place.
    objectives : array of float, shape (sites + 1,)
        Their values, infinite where nothing is known; changed in place.
    """
    n, m = near.shape
    least = max(1, keep.sum())
    state = empty_state(n, m)
    set_state(near, near_cost, nowhere, state, opens[least])
    for p in range(least + 1, m + 1):
        fill(near, near_cost, nowhere, state, p)
        _record(p, descend(near, near_cost, nowhere, state, keep), state[0], opens, objectives)
        _go_to(near, near_cost, nowhere, state, opens[p])
    for p in range(m - 1, least - 1, -1):
        thin(near, near_cost, nowhere, state, keep, p)
        _record(p, descend(near, near_cost, nowhere, state, keep), state[0], opens, objectives)
        _go_to(near, near_cost, nowhere, state, opens[p])


@compiled
def sweep_unions(near, near_cost, nowhere, keep, opens, objectives, apart, rising, most):
    """Improve every p up to ``most`` from all sites of its own best choice and of those with ``apart`` more and less.

    What the three have beyond p is closed again, least lost first, and exchanged: choices that differ locally mix.

    Parameters
    ----------
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    near_cost : array of float, shape (points, sites)
        Costs in the order of ``near``.
    nowhere : float
        Cost of not being served: larger than any other.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    opens : array of bool, shape (sites + 1, sites)
        Best choice for each number of sites; changed in place.
    objectives : array of float, shape (sites + 1,)
        Their values, infinite where nothing is known; changed in place.
    apart : int
        How many sites more and less the mixed choices have.
    rising : bool
        Whether p rises or falls.
    most : int
        Largest p.
    """
    n, m = near.shape
    least = max(1, keep.sum())
    if most <= least:
        return
    state = empty_state(n, m)
    set_state(near, near_cost, nowhere, state, opens[least + 1 if rising else most])
    is_open = state[0]
    for turn in range(most - least):
        p = least + 1 + turn if rising else most - turn
        union = opens[p] | opens[max(least, p - apart)] | opens[min(m, p + apart)]
        for j in range(m):
            if union[j] and not is_open[j]:
                _move(near, near_cost, nowhere, state, j, -1)
        for j in range(m):
            if is_open[j] and not union[j]:
                _move(near, near_cost, nowhere, state, -1, j)
        thin(near, near_cost, nowhere, state, keep, p)
        _record(p, descend(near, near_cost, nowhere, state, keep), is_open, opens, objectives)


@compiled
def _record(p, objective, is_open, opens, objectives):
    if objective < objectives[p] - 1e-12 * abs(objective):
        objectives[p] = objective
        opens[p] = is_open
