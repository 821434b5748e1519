"""Ship pupils to places at least cost: successive shortest paths on the graph of sites, compiled (numba).

A point's pupils start at their cheapest site. A site with more pupils than places passes some on: from site j to site
k at the least difference ``cost[i, k] - cost[i, j]`` among the points i it holds. Each shortest path from an overfull
site to one with free places moves as many pupils as every site on the way can pass on. Sites are few and points are
many, so the arcs between sites are kept as a dense matrix with its least point, and rewritten row by row as points come
and go.

Prices (one a site, zero while it has free places) keep every arc's reduced cost at zero or above; at the end they prove
the answer: no point has a cheaper site once prices are paid. A search does not begin anew after every path: what was
found before the first site that ran out of a point to pass on is kept.

What a site holds is a linked list of holdings (point, amount); arrays grow when points are split often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from balance_lib.compiled import Floats, Ints, compiled

# Reordered sums of two terms are exact; what must hold is only that no cost is NaN, which the caller sees to.
_FAST = {"nnan", "nsz", "reassoc", "contract"}


class Lists(NamedTuple):
    """Hold what each site holds as linked lists, changed in place: first holding of a site, neighbours; -1 none."""

    head: Ints
    after: Ints
    before: Ints


class Search(NamedTuple):
    """Hold the search for a shortest path, changed in place.

    ``way[q]`` and ``parent[q]`` stand as they were before the q-th site was settled, so that a later search may go back
    to any of them. Ways are sums of arcs without prices and stay true when prices rise.
    """

    load: Floats
    capacity: Floats
    price: Floats
    arc: Floats
    way: Floats
    parent: Ints
    barred: Floats
    settled: Ints
    tolerance: float


def _vectorised(function: Callable[..., Any]) -> Any:
    """Compile a loop whose least value the processor may look for in several lanes at once."""
    return compiled(function, fastmath=_FAST)


@_vectorised
def _relax(
    way: Floats,
    parent: Ints,
    next_way: Floats,
    next_parent: Ints,
    barred: Floats,
    arc: Floats,
    price: Floats,
    here: float,
    site: int,
) -> float:
    """Shorten the ways to all sites by the arcs of one; return the least priced way to a site not yet settled."""
    best = math.inf
    for k in range(way.size):
        new = here + arc[k]
        shorter = new + barred[k] < way[k]
        next_way[k] = new if shorter else way[k]
        next_parent[k] = site if shorter else parent[k]
        best = min(best, next_way[k] + price[k] + barred[k])
    return best


@compiled
def _arcs_of(cost: Floats, j: int, lists: Lists, point: Ints, arc: Floats, holding: Ints) -> None:
    """Rewrite the arcs out of a site: to each other site the cheapest move of a point held here."""
    for k in range(cost.shape[1]):
        arc[j, k] = math.inf
        holding[j, k] = -1
    h = lists.head[j]
    while h >= 0:
        _offer(cost, point[h], h, j, arc, holding)
        h = lists.after[h]


@compiled
def _offer(cost: Floats, i: int, h: int, j: int, arc: Floats, holding: Ints) -> None:
    """Let a holding of point i at site j improve the arcs out of j."""
    row, here, arcs, holdings = cost[i], cost[i, j], arc[j], holding[j]
    for k in range(row.size):
        move = row[k] - here
        cheaper = move < arcs[k]
        arcs[k] = move if cheaper else arcs[k]
        holdings[k] = h if cheaper else holdings[k]


@compiled
def hold(j: int, h: int, lists: Lists) -> None:
    """Put a holding in front of a site's list.

    Parameters
    ----------
    j, h : int
        Site, and holding (a point's pupils at a site).
    lists : Lists
    """
    head, after, before = lists.head, lists.after, lists.before
    after[h] = head[j]
    before[h] = -1
    if head[j] >= 0:
        before[head[j]] = h
    head[j] = h


@compiled
def drop(j: int, h: int, lists: Lists) -> None:
    """Take a holding out of a site's list.

    Parameters
    ----------
    j, h : int
        Site, and holding.
    lists : Lists
    """
    head, after, before = lists.head, lists.after, lists.before
    if before[h] >= 0:
        after[before[h]] = after[h]
    else:
        head[j] = after[h]
    if after[h] >= 0:
        before[after[h]] = before[h]


@compiled
def _search(state: Search, step: int, u: int) -> tuple[int, int]:
    """Settle sites by their way until one has free places; raise the prices of those settled.

    Returns: a site with free places, -1 if none can be reached; and how many are settled.
    """
    price, way, parent, barred, settled = state.price, state.way, state.parent, state.barred, state.settled
    while state.load[u] >= state.capacity[u] - state.tolerance:
        settled[step] = u
        barred[u] = math.inf
        least = _relax(
            way[step], parent[step], way[step + 1], parent[step + 1], barred, state.arc[u], price, way[step, u], u
        )
        step += 1
        if least == math.inf:
            return -1, step
        u = 0
        while way[step, u] + price[u] + barred[u] != least:
            u += 1
    reached = way[step, u] + price[u]
    for q in range(step):
        k = settled[q]
        price[k] = max(price[k], reached - way[step, k])
    return u, step


@compiled
def ship(cost: Floats, demand: Floats, capacity: Floats, tolerance: float) -> tuple[Ints, Ints, Floats, Floats]:
    """Find who goes where at least cost.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Infinite where there is no way, never NaN. Every point needs a way to a site without limit: the caller's last
        column, at a price no detour can reach, stands for "no place".
    demand : array of float, shape (points,)
        Above zero.
    capacity : array of float, shape (sites,)
    tolerance : float
        Amounts up to this are zero.

    Returns
    -------
    (point, site, amount, price)
        Flows in the order of sites, and the price of each site's places.
    """
    n, m = cost.shape
    size = 2 * n + 2 * m
    point, after, before = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    amount = np.zeros(size)
    lists, load, price = Lists(np.full(m, -1, np.int64), after, before), np.zeros(m), np.zeros(m)
    for i in range(n):
        j = int(np.argmin(cost[i]))
        point[i], amount[i] = i, demand[i]
        hold(j, i, lists)
        load[j] += demand[i]
    spare = np.empty(size, np.int64)  # a stack of holdings not in use
    free = size - n
    for h in range(free):
        spare[h] = size - 1 - h
    arc, holding = np.empty((m, m)), np.empty((m, m), np.int64)
    for j in range(m):
        _arcs_of(cost, j, lists, point, arc, holding)
    way, parent = np.empty((m + 2, m)), np.zeros((m + 2, m), np.int64)
    barred, settled, rank = np.empty(m), np.zeros(m + 1, np.int64), np.zeros(m, np.int64)
    state = Search(load, capacity, price, arc, way, parent, barred, settled, tolerance)
    for s in np.argsort(load - capacity):  # a small excess is placed before large ones take the places around it
        step, u = 0, s
        for k in range(m):
            way[0, k], barred[k] = math.inf, 0.0
        way[0, s] = 0.0
        while load[s] > capacity[s] + tolerance:
            t, step = _search(state, step, u)
            if t < 0:  # cannot be: the last site has no limit
                break
            for q in range(step):
                rank[settled[q]] = q
            moved = min(load[s] - capacity[s], capacity[t] - load[t])
            k, arcs = t, 0
            while k != s:
                moved = min(moved, amount[holding[parent[step, k], k]])
                k = parent[step, k]
                arcs += 1
            load[s] -= moved
            load[t] += moved
            if free < arcs:
                more = np.empty(point.size, np.int64)
                old = point.size
                lists = Lists(lists.head, np.append(lists.after, more), np.append(lists.before, more))
                point = np.append(point, more)
                amount, spare = np.append(amount, np.zeros(old)), np.append(spare, more)
                for h in range(old):
                    spare[free] = old + h
                    free += 1
            k, back = t, step
            while k != s:
                j = parent[step, k]
                h = holding[j, k]
                i = point[h]
                amount[h] -= moved
                there = lists.head[k]
                while there >= 0 and point[there] != i:
                    there = lists.after[there]
                if there >= 0:
                    amount[there] += moved
                else:
                    free -= 1
                    there = spare[free]
                    point[there], amount[there] = i, moved
                    hold(k, there, lists)
                    _offer(cost, i, there, k, arc, holding)
                if amount[h] <= tolerance:
                    amount[there] += amount[h]
                    drop(j, h, lists)
                    spare[free] = h
                    free += 1
                    _arcs_of(cost, j, lists, point, arc, holding)
                    back = min(back, rank[j])
                k = j
            # Sites settled before the first whose arcs changed stay settled: nothing shorter can have come up.
            u = t if back == step else settled[back]
            for q in range(back, step):
                barred[settled[q]] = 0.0
            step = back
    return _flows(lists, point, amount, price)


@compiled
def _flows(lists: Lists, point: Ints, amount: Floats, price: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """Write the holdings of all sites as a list."""
    head, after = lists.head, lists.after
    n = 0
    for j in range(head.size):
        h = head[j]
        while h >= 0:
            n += 1
            h = after[h]
    points, sites, amounts = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    at = 0
    for j in range(head.size):
        h = head[j]
        while h >= 0:
            points[at], sites[at], amounts[at] = point[h], j, amount[h]
            at += 1
            h = after[h]
    return points, sites, amounts, price
