"""Bound and search capacitated p-medians whose points go whole to one site: compiled loops (numba).

Bound: relaxing "every point is served" with multipliers u leaves one knapsack a site. Its linear relaxation, with
prices nu >= 0 on places and mu >= 0 on the least load, is bounded from below for *any* nu and mu by

    V_j = mu_j L_j - nu_j Q_j + sum_i min(0, c_ij - u_i - (mu_j - nu_j) d_i),

so the prices may be found by bisection and the bound still holds: L(u) = sum_i u_i + sum of the p least V_j.

Search: points are shifted and exchanged between open sites, open sites moved; too much or too little load is allowed
at a price that rises while plans break the limits and falls while they keep them.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import numpy as np

from balance_lib.compiled import compiled
from balance_lib.optimise.allocation.kernel import drop, hold
from balance_lib.optimise.lagrangian import cheapest


@compiled
def _priced(points, costs, size, u, demand, price):
    """Return value and load of a site's points with c - u - price * d below zero."""
    value, load = 0.0, 0.0
    for q in range(size):
        i = points[q]
        worth = costs[q] - u[i] - price * demand[i]
        if worth < 0:
            value += worth
            load += demand[i]
    return value, load


@compiled
def _site(points, costs, size, u, demand, least, places):
    """Return V_j and its price mu - nu by bisection."""
    value, load = _priced(points, costs, size, u, demand, 0.0)
    if least <= load <= places:
        return value, 0.0
    sign = 1.0 if load < least else -1.0
    aim = least if load < least else places
    best, price = value, 0.0
    low, high = 0.0, 0.0
    step = 1.0
    for q in range(size):
        i = points[q]
        if demand[i] > 0:
            step = max(step, abs(costs[q] - u[i]) / demand[i])
    high = step
    for _ in range(18):
        middle = 0.5 * (low + high)
        value, load = _priced(points, costs, size, u, demand, sign * middle)
        total = value + sign * middle * aim
        if total > best:
            best, price = total, sign * middle
        if (sign > 0 and load < aim) or (sign < 0 and load > aim):
            low = middle
        else:
            high = middle
    return best, price


@compiled
def relax_loads(points, costs, sizes, u, status, p, demand, least, places, worth, price, chosen):
    """Solve the relaxed problem. Fill worth, price and chosen; return L(u), last worth taken, first left out.

    Parameters
    ----------
    points : list of arrays
        Points that each site can serve, by cost.
    costs : list of arrays
        Their costs.
    sizes : array of int, shape (sites,)
        How many there are.
    u : array of float, shape (points,)
        Multipliers; changed in place where the search raises the bound.
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    p : int
        Sites that are open.
    demand : array of float, shape (points,)
        Load of each point.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.
    worth : array of float, shape (sites,)
        Filled.
    price : array of float, shape (sites,)
        Filled.
    chosen : array of bool, shape (sites,)
        Sites of the relaxed answer; filled.
    """
    m = sizes.size
    for j in range(m):
        if status[j] >= 0:
            worth[j], price[j] = _site(points[j], costs[j], sizes[j], u, demand, least[j], places[j])
    return cheapest(worth, status, p, u.sum(), chosen)


@compiled
def ascend_loads(points, costs, sizes, u, status, p, demand, least, places, cut, state, rounds, patience):
    """Raise the bound by subgradient steps, fixing sites. ``state`` is (step, best bound), renewed; u is the best.

    Parameters
    ----------
    points : list of arrays
        Points that each site can serve, by cost.
    costs : list of arrays
        Their costs.
    sizes : array of int, shape (sites,)
        How many there are.
    u : array of float, shape (points,)
        Multipliers; changed in place where the search raises the bound.
    status : array of int, shape (sites,)
        1 open for good, -1 closed for good, 0 free; changed in place where sites are fixed.
    p : int
        Sites that are open.
    demand : array of float, shape (points,)
        Load of each point.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.
    cut : float
        Only plans below this value matter.
    state : array of float, shape (2,)
        Step length and best bound; renewed.
    rounds : int
        Turns at most.
    patience : int
        Turns without progress after which the step is halved.
    """
    n, m = u.size, sizes.size
    worth, price, chosen = np.zeros(m), np.zeros(m), np.zeros(m, np.bool_)
    at, direction = u.copy(), np.zeros(n)
    since = 0
    for _ in range(rounds):
        bound, last, first_out = relax_loads(
            points, costs, sizes, at, status, p, demand, least, places, worth, price, chosen
        )
        if bound > state[1]:
            since = 0 if bound > state[1] + 1e-5 * abs(cut - bound) else since + 1
            state[1] = bound
            u[:] = at
        else:
            since += 1
        if state[1] >= cut or state[0] < 1e-3:
            return
        for j in range(m):
            if status[j] == 0:
                if chosen[j] and bound - worth[j] + first_out >= cut:
                    status[j] = 1
                elif not chosen[j] and bound + worth[j] - last >= cut:
                    status[j] = -1
        if since >= patience:
            state[0] *= 0.5
            since = 0
            at[:] = u
            direction[:] = 0.0
            continue
        for i in range(n):
            direction[i] = 1.0 + 0.4 * direction[i]
        for j in range(m):
            if chosen[j]:
                for q in range(sizes[j]):
                    i = points[j, q]
                    if costs[j, q] - at[i] - price[j] * demand[i] < 0:
                        direction[i] -= 1.0
        norm = (direction * direction).sum()
        if norm < 1e-12:  # nothing is left to raise
            state[0] = 0.0
            return
        at += state[0] * max(cut - bound, 1e-9 * abs(cut)) / norm * direction


@compiled
def _strain(load, least, places):
    return max(0.0, load - places) + max(0.0, least - load)


@compiled
def _strain_of(load, is_open, least, places):
    """Return by how much loads break their limits in all.

    Parameters
    ----------
    load : array of float, shape (sites,)
        Load of each site; changed in place.
    is_open : array of bool, shape (sites,)
        Open sites.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.

    Returns
    -------
    float
        In units of load.
    """
    total = 0.0
    for j in range(load.size):
        if is_open[j]:
            total += _strain(load[j], least[j], places[j])
    return total


@compiled
def settle(cost, near, demand, least, places, is_open, site, load, waiting, price):
    """Send waiting points where cost and price of strain are least, large ones first.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Infinite where a site cannot be reached.
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    demand : array of float, shape (points,)
        Load of each point.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.
    is_open : array of bool, shape (sites,)
        Open sites.
    site : array of int, shape (points,)
        Site of each point, -1 none; changed in place.
    load : array of float, shape (sites,)
        Load of each site; changed in place.
    waiting : array of bool, shape (points,)
        Points without a site; changed in place.
    price : float
        Price of a unit of load beyond the limits.
    """
    order = np.flatnonzero(waiting)
    order = order[np.argsort(-demand[order])]
    for t in range(order.size):
        i = order[t]
        best, to = np.inf, -1
        for k in range(near.shape[1]):
            j = near[i, k]
            c = cost[i, j]
            if c >= best:
                break
            if is_open[j]:
                d = demand[i]
                over = max(0.0, load[j] + d - places[j]) - max(0.0, load[j] - places[j])
                if c + price * over < best:
                    best, to = c + price * over, j
        if to < 0:
            return False
        site[i] = to
        load[to] += demand[i]
    return True


@compiled
def _improve(cost, near, demand, least, places, is_open, site, load, price, breadth, stirred):
    """Shift points and exchange pairs until nothing is better. Return the cost without the price of strain.

    Only pairs of sites of which one is ``stirred`` are looked at; what changes is stirred in turn.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Infinite where a site cannot be reached.
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    demand : array of float, shape (points,)
        Load of each point.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.
    is_open : array of bool, shape (sites,)
        Open sites.
    site : array of int, shape (points,)
        Site of each point, -1 none; changed in place.
    load : array of float, shape (sites,)
        Load of each site; changed in place.
    price : float
        Price of a unit of load beyond the limits.
    breadth : int
        Sites of each point that are looked at, nearest first.
    stirred : array of bool, shape (sites,)
        Sites whose points have changed since they were last looked at.
    """
    n = site.size
    m = load.size
    head = np.full(m, -1, np.int64)
    after, before = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    for i in range(n):
        hold(site[i], i, head, after, before)
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
            d = demand[i]
            strain_a = _strain(load[a], least[a], places[a])
            free_a = _strain(load[a] - d, least[a], places[a]) - strain_a
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
                strain_b = _strain(load[b], least[b], places[b])
                change = cost[i, a] - cost[i, b]
                got = change - price * (free_a + _strain(load[b] + d, least[b], places[b]) - strain_b)
                if got > gain:
                    gain, to, other = got, b, -1
                t = head[b]
                while t >= 0:
                    if cost[t, a] < np.inf:
                        swap = d - demand[t]
                        got = change + cost[t, b] - cost[t, a]
                        if got + price * (strain_a + strain_b) > gain:
                            got -= price * (
                                _strain(load[a] - swap, least[a], places[a])
                                - strain_a
                                + _strain(load[b] + swap, least[b], places[b])
                                - strain_b
                            )
                            if got > gain:
                                gain, to, other = got, b, t
                    t = after[t]
            if to < 0:
                continue
            better = True
            fresh[a] = fresh[to] = True
            stirred[a] = stirred[to] = True
            _carry(i, a, to, site, load, demand, head, after, before)
            if other >= 0:
                _carry(other, to, a, site, load, demand, head, after, before)
    total = 0.0
    for i in range(n):
        total += cost[i, site[i]]
    return total


@compiled
def _carry(i, a, b, site, load, demand, head, after, before):
    """Move a point from one site to another."""
    drop(a, i, head, after, before)
    hold(b, i, head, after, before)
    site[i] = b
    load[a] -= demand[i]
    load[b] += demand[i]


@compiled
def _relocate(cost, demand, least, places, is_open, keep, may, site, load, stirred):
    """Move stirred open sites to the closed one that serves their points at least cost. Return whether any moved.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Infinite where a site cannot be reached.
    demand : array of float, shape (points,)
        Load of each point.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.
    is_open : array of bool, shape (sites,)
        Open sites.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    may : array of bool, shape (sites,)
        Sites that may be open.
    site : array of int, shape (points,)
        Site of each point, -1 none; changed in place.
    load : array of float, shape (sites,)
        Load of each site; changed in place.
    stirred : array of bool, shape (sites,)
        Sites whose points have changed since they were last looked at.
    """
    m = cost.shape[1]
    moved = False
    for r in range(m):
        if not is_open[r] or keep[r] or not stirred[r]:
            continue
        here = np.flatnonzero(site == r)
        now = 0.0
        for t in range(here.size):
            now += cost[here[t], r]
        strain = _strain(load[r], least[r], places[r])
        best, to = now * (1 - 1e-12) - 1e-12, -1
        for j in range(m):
            if is_open[j] or not may[j] or _strain(load[r], least[j], places[j]) > strain:
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
def _polish(cost, near, demand, least, places, is_open, keep, may, site, load, price, breadth, stirred):
    """Improve assignments and places of sites in turns. Return the cost.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Infinite where a site cannot be reached.
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    demand : array of float, shape (points,)
        Load of each point.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.
    is_open : array of bool, shape (sites,)
        Open sites.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    may : array of bool, shape (sites,)
        Sites that may be open.
    site : array of int, shape (points,)
        Site of each point, -1 none; changed in place.
    load : array of float, shape (sites,)
        Load of each site; changed in place.
    price : float
        Price of a unit of load beyond the limits.
    breadth : int
        Sites of each point that are looked at, nearest first.
    stirred : array of bool, shape (sites,)
        Sites whose points have changed since they were last looked at.
    """
    total = _improve(cost, near, demand, least, places, is_open, site, load, price, breadth, stirred)
    while _relocate(cost, demand, least, places, is_open, keep, may, site, load, stirred):
        total = _improve(cost, near, demand, least, places, is_open, site, load, price, breadth, stirred)
    return total


@compiled
def search(cost, near, site_near, demand, least, places, keep, may, now, best, figures, rounds, breadth, slack, seed):
    """Close a site, open one close by, settle and polish, again and again, keeping what is better.

    ``now`` and ``best`` are (flags, site, load), changed in place; ``figures`` is (cost now, best cost, price of
    strain, strain now, price at first).

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Infinite where a site cannot be reached.
    near : array of int, shape (points, sites)
        Sites of each demand point, nearest first.
    site_near : array of int, shape (sites, sites)
        Sites near each site, nearest first.
    demand : array of float, shape (points,)
        Load of each point.
    least : array of float, shape (sites,)
        Least load of an open site.
    places : array of float, shape (sites,)
        Largest load of an open site.
    keep : array of bool, shape (sites,)
        Sites that stay open.
    may : array of bool, shape (sites,)
        Sites that may be open.
    now : tuple of arrays
        The present plan.
    best : tuple of arrays
        The best plan.
    figures : array of float, shape (5,)
        Renewed.
    rounds : int
        Turns at most.
    breadth : int
        Sites of each point that are looked at, nearest first.
    slack : float
        Share by which a worse plan is still taken.
    seed : int
        Of the random disturbances.
    """
    np.random.seed(seed)
    is_open, site, load = now
    m = load.size
    trial_open, trial_site, trial_load = is_open.copy(), site.copy(), load.copy()
    tolerance = 1e-9 * demand.sum()
    waiting = np.zeros(site.size, np.bool_)
    stirred = np.ones(m, np.bool_)
    for turn in range(rounds):
        trial_open[:] = is_open
        trial_site[:] = site
        trial_load[:] = load
        movable = np.flatnonzero(trial_open & ~keep)
        if movable.size == 0:
            return
        waiting[:] = False
        for _ in range(1 + (np.random.random() < 0.3)):
            r = movable[np.random.randint(movable.size)]
            if not trial_open[r]:
                continue
            j = -1
            for _ in range(20):
                j = site_near[r, np.random.randint(min(m, 40 if np.random.random() < 0.8 else m))]
                if not trial_open[j] and may[j]:
                    break
                j = -1
            if j < 0:
                continue
            trial_open[r] = False
            trial_open[j] = True
            trial_load[r] = 0.0
            for i in range(site.size):
                if trial_site[i] == r or (cost[i, j] < cost[i, trial_site[i]] and not waiting[i]):
                    if not waiting[i]:
                        waiting[i] = True
                        if trial_site[i] != r:
                            trial_load[trial_site[i]] -= demand[i]
                    trial_site[i] = j
        if not settle(cost, near, demand, least, places, trial_open, trial_site, trial_load, waiting, figures[2]):
            continue
        for j in range(m):  # the first round, and one now and then, looks everywhere
            stirred[j] = turn % 50 == 0 or trial_load[j] != load[j] or trial_open[j] != is_open[j]
        total = _polish(
            cost,
            near,
            demand,
            least,
            places,
            trial_open,
            keep,
            may,
            trial_site,
            trial_load,
            figures[2],
            breadth,
            stirred,
        )
        strain = _strain_of(trial_load, trial_open, least, places)
        if strain <= tolerance:
            figures[2] /= 1.05
            if total < figures[1] * (1 - 1e-12):
                figures[1] = total
                best[0][:] = trial_open
                best[1][:] = trial_site
                best[2][:] = trial_load
        else:
            figures[2] *= 1.05
        figures[2] = min(max(figures[2], 0.01 * figures[4]), 1000.0 * figures[4])
        if total + figures[2] * strain < (figures[0] + figures[2] * figures[3]) * (1 + slack * np.random.random() ** 2):
            figures[0], figures[3] = total, strain
            is_open[:] = trial_open
            site[:] = trial_site
            load[:] = trial_load
