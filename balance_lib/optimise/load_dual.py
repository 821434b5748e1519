"""Bound capacitated p-medians whose points go whole to one site: compiled loops (numba).

Relaxing "every point is served" with multipliers u leaves one knapsack a site. A site that is open serves the points
whose home it is; of the others it takes what is worth most within its places, band by band, and not under its least
load. With prices nu_k >= 0 on the room that is left and mu >= 0 on the load that lacks,

    V_j = sum_{i at home} (c_ij - u_i) + mu_j lack_j - sum_k nu_jk room_jk
          + sum_{other i} min(0, c_ij - u_i + sum_k (nu_jk - mu_j) d_ik)

is at most what the site is worth for *any* nu and mu, so the prices may be found by bisection and the bound still
holds: L(u) = sum_i u_i + sum of the p least V_j. The knapsacks of the sites chosen are then solved in whole points by
branching: where villages go whole that is most of what the bound lacks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled
from balance_lib.optimise.lagrangian import Bound, Volume, advance, cheapest, fix

# Steps of a bisection; nodes of one knapsack, after which its linear bound stands.
STEPS, NODES = 16, 4000


class Dual(NamedTuple):
    """Hold a problem as its dual takes it.

    Parameters
    ----------
    points, costs : arrays, shape (sites, most points of a site)
        Points each site can serve besides those whose home it is, by cost, and their costs.
    sizes : array of int, shape (sites,)
        How many there are.
    home, at_home : arrays, shape (points,)
        The site that serves a point while it is open (-1 none), and what that costs.
    demand : array of float, shape (points, kinds)
        Load of each point.
    room, lack : arrays of float, shapes (sites, kinds) and (sites,)
        Places, and least load, that the points at home leave.
    """

    points: Ints
    costs: Floats
    sizes: Ints
    home: Ints
    at_home: Floats
    demand: Floats
    room: Floats
    lack: Floats


@compiled
def _priced(
    points: Ints, costs: Floats, pick: Ints, n_pick: int, u: Floats, demand: Floats, price: Floats, load: Floats
) -> float:
    """Return the value of a site's points with c - u + price . d below zero; fill their load."""
    value = 0.0
    load[:] = 0.0
    for t in range(n_pick):
        q = pick[t]
        i = points[q]
        worth = costs[q] - u[i]
        for k in range(price.size):
            worth += price[k] * demand[i, k]
        if worth < 0:
            value += worth
            for k in range(price.size):
                load[k] += demand[i, k]
    return value


@compiled
def _site(
    points: Ints,
    costs: Floats,
    size: int,
    u: Floats,
    demand: Floats,
    room: Floats,
    lack: float,
    price: Floats,
    pick: Ints,
    load: Floats,
) -> float:
    """Return what a site's other points are worth at least; fill the prices of their load."""
    kinds = room.size
    price[:] = 0.0
    n_pick = 0
    for q in range(size):
        if costs[q] < u[points[q]]:
            pick[n_pick] = q
            n_pick += 1
    best = _priced(points, costs, pick, n_pick, u, demand, price, load)
    if load.sum() < lack:
        trial = np.zeros(kinds)
        low, high = 0.0, 1.0
        for q in range(size):
            pick[q] = q
            total = demand[points[q]].sum()
            if total > 0:
                high = max(high, (costs[q] - u[points[q]]) / total)
        for _ in range(STEPS):
            middle = 0.5 * (low + high)
            trial[:] = -middle
            value = _priced(points, costs, pick, size, u, demand, trial, load) + middle * lack
            if value > best:
                best = value
                price[:] = trial
            if load.sum() < lack:
                low = middle
            else:
                high = middle
        return best
    now = price.copy()
    for _ in range(1 if kinds == 1 else 2):
        for k in range(kinds):
            _priced(points, costs, pick, n_pick, u, demand, now, load)
            if load[k] <= room[k] and now[k] == 0.0:
                continue
            low, high = 0.0, 0.0
            for t in range(n_pick):
                i = points[pick[t]]
                if demand[i, k] > 0:
                    high = max(high, (u[i] - costs[pick[t]]) / demand[i, k])
            for _ in range(STEPS):
                now[k] = 0.5 * (low + high)
                value = _priced(points, costs, pick, n_pick, u, demand, now, load) - (now * room).sum()
                if value > best:
                    best = value
                    price[:] = now
                if load[k] > room[k]:
                    low = now[k]
                else:
                    high = now[k]
            now[:] = price
    return best


@compiled
def _whole(
    points: Ints, costs: Floats, size: int, u: Floats, demand: Floats, room: Floats, price: Floats, taken: Flags
) -> float:
    """Return what a site's points are worth at most when each is taken whole or not, and mark them.

    Branches on the points by worth a unit of priced load; infinite when it takes too long.
    """
    n, kinds = 0, room.size
    order, gain, weight = np.empty(size, np.int64), np.empty(size), np.empty(size)
    for q in range(size):
        i = points[q]
        if costs[q] < u[i] and np.all(demand[i] <= room):
            order[n], gain[n], weight[n] = q, u[i] - costs[q], 1e-12
            for k in range(kinds):
                weight[n] += price[k] * demand[i, k]
            n += 1
    ratio = gain[:n] / weight[:n]
    rank = np.argsort(-ratio)
    inside, best_in = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    left, all_left = room.copy(), (price * room).sum()
    best, value, t, nodes = -1.0, 0.0, 0, 0
    while True:
        nodes += 1
        if nodes > NODES:
            return np.inf
        bound, free, s = value, all_left, t  # of what may follow
        while s < n and weight[rank[s]] <= free:
            bound += gain[rank[s]]
            free -= weight[rank[s]]
            s += 1
        if s < n:
            bound += max(0.0, free) * ratio[rank[s]]
        if bound > best + 1e-9 * abs(best):
            while t < n:  # take all that fits, up to the first that does not
                i = points[order[rank[t]]]
                t += 1
                if np.all(demand[i] <= left):
                    inside[t - 1] = True
                    value += gain[rank[t - 1]]
                    left -= demand[i]
                    all_left -= weight[rank[t - 1]]
                else:
                    break
            if t < n:
                continue
            if value > best:
                best = value
                best_in[:] = inside
        t -= 1  # back to the last one taken, and on without it
        while t >= 0 and not inside[t]:
            t -= 1
        if t < 0:
            break
        inside[t] = False
        value -= gain[rank[t]]
        left += demand[points[order[rank[t]]]]
        all_left += weight[rank[t]]
        t += 1
    taken[:] = False
    for t in range(n):
        if best_in[t]:
            taken[order[rank[t]]] = True
    return best


@compiled
def relax_loads(
    dual: Dual,
    u: Floats,
    status: Ints,
    p: int,
    fee: Floats,
    worth: Floats,
    price: Floats,
    chosen: Flags,
    taken: Flags,
    whole: bool,
) -> Bound:
    """Solve the relaxed problem.

    Parameters
    ----------
    dual : Dual
    u : array of float, shape (points,)
        Multipliers.
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free.
    p : int
        Sites that are open; -1: any number, each at its ``fee``.
    fee : array of float, shape (sites,)
        What an open site costs.
    worth, price, chosen, taken : arrays
        Of sites (sites,), (sites, kinds), (sites,), (sites, points in the order of ``dual``); filled.
    whole : bool
        Whether the chosen sites' knapsacks are solved in whole points.
    """
    points, costs, sizes, home, at_home, demand, room, lack = dual
    m, kinds = room.shape
    pick, load, done = np.empty(points.shape[1], np.int64), np.empty(kinds), np.zeros(m, np.bool_)
    own = np.zeros(m)
    for i in range(u.size):
        if home[i] >= 0:
            own[home[i]] += at_home[i] - u[i]
    for j in range(m):
        if status[j] >= 0:
            worth[j] = own[j] + fee[j]
            worth[j] += _site(points[j], costs[j], sizes[j], u, demand, room[j], lack[j], price[j], pick, load)
    while True:
        bound = cheapest(worth, status, p, u.sum(), chosen)
        again = False
        for j in range(m):
            if chosen[j] and not done[j]:
                done[j] = True
                if whole and price[j].max() > 0.0:
                    exact = _whole(points[j], costs[j], sizes[j], u, demand, room[j], price[j], taken[j])
                    if exact < np.inf:
                        if own[j] + fee[j] - exact > worth[j]:
                            worth[j] = own[j] + fee[j] - exact
                            again = True
                        continue
                for q in range(sizes[j]):
                    i = points[j, q]
                    value = costs[j, q] - u[i]
                    for k in range(kinds):
                        value += price[j, k] * demand[i, k]
                    taken[j, q] = value < 0
        if not again:
            return bound


@compiled
def ascend_loads(
    dual: Dual, state: Volume, status: Ints, p: int, fee: Floats, cut: float, rounds: int, whole: bool
) -> bool:
    """Raise the bound, fixing sites on the way; tell whether it is worth going on.

    Parameters
    ----------
    dual, status, p, fee, whole
        As of :func:`relax_loads`; ``status`` is changed in place.
    state : Volume
        Where the bound stands; changed in place.
    cut : float
        Only plans below this value matter.
    rounds : int
        Turns at most.
    """
    points, sizes, home = dual.points, dual.sizes, dual.home
    n, (m, kinds) = home.size, dual.room.shape
    worth, price, chosen = np.zeros(m), np.zeros((m, kinds)), np.zeros(m, np.bool_)
    taken, served = np.zeros(points.shape, np.bool_), np.zeros(n)
    for _ in range(rounds):
        relaxed = relax_loads(dual, state.at, status, p, fee, worth, price, chosen, taken, whole)
        if relaxed.value < cut:
            fix(status, worth, chosen, relaxed, cut)
        for i in range(n):
            served[i] = 1.0 if home[i] >= 0 and chosen[home[i]] else 0.0
        for j in range(m):
            if chosen[j]:
                for q in range(sizes[j]):
                    if taken[j, q]:
                        served[points[j, q]] += 1.0
        if not advance(state, relaxed.value, served, chosen, cut) or state.figures[0] >= cut:
            return False
    return True
