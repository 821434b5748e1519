"""Search capacitated p-medians whose points go whole to one site: compiled loops (numba).

Points are shifted and exchanged between open sites, open sites moved; too much or too little load is allowed at a price
that rises while plans break the limits and falls while they keep them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled
from balance_lib.optimise.allocation.kernel import Lists, drop, hold

Plan = tuple[Flags, Ints, Floats]


class Rules(NamedTuple):
    """Hold what a plan has to keep.

    Parameters
    ----------
    demand, places : arrays of float, shapes (points, kinds) and (sites, kinds)
        Load of each point, and places of an open site.
    least : array of float, shape (sites,)
        Load an open site must have.
    keep, may : arrays of bool, shape (sites,)
        Sites that stay open, and that may be.
    """

    demand: Floats
    least: Floats
    places: Floats
    keep: Flags
    may: Flags


class SearchTables(NamedTuple):
    """Hold what a search goes over.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Infinite where a site cannot be reached.
    near, site_near : arrays of int
        Sites of each point, and of each site, nearest first.
    rules : Rules
    """

    cost: Floats
    near: Ints
    site_near: Ints
    rules: Rules


class Course(NamedTuple):
    """Hold how far a search has come: cost of the plan under way and of the best one, price of strain, strain now."""

    now: float
    best: float
    price: float
    strain: float
    first_price: float


@compiled
def _strain(load: Floats, j: int, rules: Rules, i: int, a: float, t: int, b: float) -> float:
    """Return by how much a site breaks its limits with ``a`` times point i and ``b`` times point t besides its load."""
    demand, places = rules.demand, rules.places
    over, total = 0.0, 0.0
    for k in range(places.shape[1]):
        one = load[j, k] + a * demand[i, k] + b * demand[t, k]
        total += one
        over += max(0.0, one - places[j, k])
    return over + max(0.0, rules.least[j] - total)


@compiled
def _strain_of(load: Floats, is_open: Flags, rules: Rules) -> float:
    """Return by how much loads break their limits in all."""
    total = 0.0
    for j in range(is_open.size):
        if is_open[j]:
            total += _strain(load, j, rules, 0, 0.0, 0, 0.0)
    return total


@compiled
def settle(
    cost: Floats, near: Ints, rules: Rules, is_open: Flags, site: Ints, load: Floats, waiting: Flags, price: float
) -> bool:
    """Send waiting points where cost and price of strain are least; tell whether all could go."""
    demand, places = rules.demand, rules.places
    order = np.flatnonzero(waiting)
    size = np.zeros(order.size)
    for t in range(order.size):
        i = order[t]
        size[t] = demand[i].sum()
    rank = np.argsort(-size)
    for t in rank:
        i = order[t]
        best, to = np.inf, -1
        for k in range(near.shape[1]):
            j = near[i, k]
            c = cost[i, j]
            if c >= best:
                break
            if is_open[j]:
                over = 0.0
                for b in range(places.shape[1]):
                    before = load[j, b] - places[j, b]
                    over += max(0.0, before + demand[i, b]) - max(0.0, before)
                if c + price * over < best:
                    best, to = c + price * over, j
        if to < 0:
            return False
        site[i] = to
        load[to] += demand[i]
    return True


@compiled
def _improve(
    cost: Floats,
    near: Ints,
    rules: Rules,
    is_open: Flags,
    site: Ints,
    load: Floats,
    price: float,
    breadth: int,
    stirred: Flags,
) -> float:
    """Shift points and exchange pairs until nothing is better. Return the cost without the price of strain.

    Only pairs of sites of which one is ``stirred`` are looked at; what changes is stirred in turn.
    """
    demand = rules.demand
    n, m = site.size, is_open.size
    lists = Lists(np.full(m, -1, np.int64), np.full(n, -1, np.int64), np.full(n, -1, np.int64))
    for i in range(n):
        hold(site[i], i, lists)
    better = True
    passes = 0
    fresh = stirred.copy()
    old = stirred.copy()
    while better and passes < 200:
        better = False
        passes += 1
        old[:] = fresh
        fresh[:] = False
        for i in range(n):
            a = site[i]
            strain_a = _strain(load, a, rules, i, 0.0, i, 0.0)
            free_a = _strain(load, a, rules, i, -1.0, i, 0.0) - strain_a
            seen = 0
            gain, to, other = 1e-9 * (1.0 + cost[i, a]), -1, -1
            for k in range(near.shape[1]):
                b = near[i, k]
                if not is_open[b] or b == a:
                    continue
                if cost[i, b] == np.inf:
                    break
                seen += 1
                if seen > breadth:
                    break
                if not (old[a] or old[b] or fresh[a] or fresh[b]):
                    continue
                strain_b = _strain(load, b, rules, i, 0.0, i, 0.0)
                change = cost[i, a] - cost[i, b]
                got = change - price * (free_a + _strain(load, b, rules, i, 1.0, i, 0.0) - strain_b)
                if got > gain:
                    gain, to, other = got, b, -1
                t = lists.head[b]
                while t >= 0:
                    if cost[t, a] < np.inf:
                        got = change + cost[t, b] - cost[t, a]
                        if got + price * (strain_a + strain_b) > gain:
                            got -= price * (
                                _strain(load, a, rules, i, -1.0, t, 1.0)
                                - strain_a
                                + _strain(load, b, rules, i, 1.0, t, -1.0)
                                - strain_b
                            )
                            if got > gain:
                                gain, to, other = got, b, t
                    t = lists.after[t]
            if to < 0:
                continue
            better = True
            fresh[a] = fresh[to] = True
            stirred[a] = stirred[to] = True
            _carry(i, a, to, site, load, demand, lists)
            if other >= 0:
                _carry(other, to, a, site, load, demand, lists)
    total = 0.0
    for i in range(n):
        total += cost[i, site[i]] if is_open[site[i]] else np.inf  # nobody open reaches it yet
    return total


@compiled
def _carry(i: int, a: int, b: int, site: Ints, load: Floats, demand: Floats, lists: Lists) -> None:
    """Move a point from one site to another."""
    drop(a, i, lists)
    hold(b, i, lists)
    site[i] = b
    load[a] -= demand[i]
    load[b] += demand[i]


@compiled
def _relocate(cost: Floats, rules: Rules, is_open: Flags, site: Ints, load: Floats, stirred: Flags) -> bool:
    """Move stirred open sites to the closed one that serves their points at least cost. Return whether any moved."""
    keep, may = rules.keep, rules.may
    m = cost.shape[1]
    moved = False
    for r in range(m):
        if not is_open[r] or keep[r] or not stirred[r]:
            continue
        here = np.flatnonzero(site == r)
        now = 0.0
        for t in range(here.size):
            now += cost[here[t], r]
        strain = _strain(load, r, rules, 0, 0.0, 0, 0.0)
        best, to = now * (1 - 1e-12) - 1e-12, -1
        for j in range(m):
            if is_open[j] or not may[j]:
                continue
            load[j] = load[r]
            broken = _strain(load, j, rules, 0, 0.0, 0, 0.0) > strain
            load[j] = 0.0
            if broken:
                continue
            total = 0.0
            for t in range(here.size):
                total += cost[here[t], j]
                if total >= best:
                    break
            if total < best:
                best, to = total, j
        if to >= 0:
            moved = True
            is_open[r] = False
            is_open[to] = True
            stirred[to] = True
            load[to] = load[r]
            load[r] = 0.0
            for t in range(here.size):
                site[here[t]] = to
    return moved


@compiled
def _swap(
    cost: Floats, rules: Rules, site_near: Ints, is_open: Flags, site: Ints, load: Floats, waiting: Flags
) -> None:
    """Close an open site at random and open one close by; its points wait, and those that come nearer."""
    demand, may = rules.demand, rules.may
    m = is_open.size
    movable = np.flatnonzero(is_open & ~rules.keep)
    r = movable[np.random.randint(movable.size)]
    j = -1
    for _ in range(20):
        j = site_near[r, np.random.randint(min(m, 40 if np.random.random() < 0.8 else m))]
        if not is_open[j] and may[j]:
            break
        j = -1
    if j < 0:
        return
    is_open[r] = False
    is_open[j] = True
    load[r] = 0.0
    for i in range(site.size):
        if site[i] == r or (cost[i, j] < cost[i, site[i]] and not waiting[i]):
            if not waiting[i]:
                waiting[i] = True
                if site[i] != r:
                    load[site[i]] -= demand[i]
            site[i] = j


@compiled
def search(
    ground: SearchTables, now: Plan, best: Plan, course: Course, rounds: int, breadth: int, slack: float, seed: int
) -> Course:
    """Close a site, open one close by, settle and polish, again and again, keeping what is better. Return the course.

    Parameters
    ----------
    ground : SearchTables
    now, best : tuples of arrays
        (flags, site of each point, load (sites, kinds)) of the plan under way and the best plan; changed in place.
    course : Course
        Where the search stood.
    rounds, breadth : int
        Turns, and nearest open sites of a point that are looked at.
    slack : float
        Share by which a worse plan is still taken.
    seed : int
        Of the random disturbances.
    """
    np.random.seed(seed)
    cost, near, site_near, rules = ground
    cost_now, cost_best, price, strain_now, first_price = course
    is_open, site, load = now
    m = is_open.size
    trial_open, trial_site, trial_load = is_open.copy(), site.copy(), load.copy()
    tolerance = 1e-9 * rules.demand.sum()
    waiting = np.zeros(site.size, np.bool_)
    stirred = np.ones(m, np.bool_)
    if not np.any(is_open & ~rules.keep):
        return course
    for turn in range(rounds):
        trial_open[:] = is_open
        trial_site[:] = site
        trial_load[:] = load
        waiting[:] = False
        for _ in range(1 + (np.random.random() < 0.3)):
            _swap(cost, rules, site_near, trial_open, trial_site, trial_load, waiting)
        if not settle(cost, near, rules, trial_open, trial_site, trial_load, waiting, price):
            continue
        for j in range(m):  # the first round, and one now and then, looks everywhere
            stirred[j] = turn % 50 == 0 or trial_open[j] != is_open[j] or np.any(trial_load[j] != load[j])
        moved = True
        while moved:
            total = _improve(cost, near, rules, trial_open, trial_site, trial_load, price, breadth, stirred)
            moved = _relocate(cost, rules, trial_open, trial_site, trial_load, stirred)
        strain = _strain_of(trial_load, trial_open, rules)
        if strain <= tolerance:
            price /= 1.05
            if total < cost_best * (1 - 1e-12):
                cost_best = total
                best[0][:] = trial_open
                best[1][:] = trial_site
                best[2][:] = trial_load
        else:
            price *= 1.05
        price = min(max(price, 0.01 * first_price), 1000.0 * first_price)
        if total + price * strain < (cost_now + price * strain_now) * (1 + slack * np.random.random() ** 2):
            cost_now = total
            strain_now = strain
            is_open[:] = trial_open
            site[:] = trial_site
            load[:] = trial_load
    return Course(cost_now, cost_best, price, strain_now, first_price)
