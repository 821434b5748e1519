"""Improve a zoning by moving one point, or one point and the one it pushes out, compiled (numba)."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import math

import numpy as np

from balance_lib.compiled import compiled
from balance_lib.optimise.allocation.kernel import drop, hold


@compiled
def _fits(load, capacity, comes, goes, tolerance):
    """Tell whether a site has places for a point once another has left."""
    for k in range(load.size):
        if comes[k] > 0.0 and load[k] - goes[k] + comes[k] > capacity[k] + tolerance:
            return False
    return True


@compiled
def _move(i, to, site, load, demand, head, after, before):
    """Move a point to another site."""
    if site[i] >= 0:
        drop(site[i], i, head, after, before)
        load[site[i]] -= demand[i]
    hold(to, i, head, after, before)
    load[to] += demand[i]
    site[i] = to


@compiled
def _room_for(i, frm, by, weight, demand, capacity, site, load, none, tolerance):
    """Find the cheapest site a point can go to when it leaves ``frm``, ``by`` having left its own for ``frm``."""
    best, at = math.inf, -1
    for c in range(capacity.shape[0]):
        if c != frm and weight[i, c] < best:
            goes = demand[by] if c == site[by] else none
            if _fits(load[c], capacity[c], demand[i], goes, tolerance):
                best, at = weight[i, c], c
    return best, at


@compiled
def _best_move(i, weight, demand, capacity, site, load, head, after, none, tolerance, threshold):
    """Find what saves most: another site for a point, or one whose point goes elsewhere; (saved, to, out, out_to)."""
    a = site[i]
    saved, to, out, out_to = -threshold, -1, -1, -1
    for b in range(weight.shape[1]):
        gain = weight[i, b] - weight[i, a]
        if b == a or gain >= -threshold:
            continue
        if _fits(load[b], capacity[b], demand[i], none, tolerance):
            if gain < saved:
                saved, to, out = gain, b, -1
            continue
        other = head[b]
        while other >= 0:
            if _fits(load[b], capacity[b], demand[i], demand[other], tolerance):
                worth, c = _room_for(other, b, i, weight, demand, capacity, site, load, none, tolerance)
                if c >= 0 and gain + worth - weight[other, b] < saved:
                    saved, to, out, out_to = gain + worth - weight[other, b], b, other, c
            other = after[other]
    return saved, to, out, out_to


@compiled
def _cheapest(i, weight, demand, capacity, load, none, tolerance):
    """Return the cheapest site with places for a point; the last one is "no place"."""
    best, at = math.inf, weight.shape[1] - 1
    for b in range(weight.shape[1]):
        if weight[i, b] < best and _fits(load[b], capacity[b], demand[i], none, tolerance):
            best, at = weight[i, b], b
    return at


@compiled
def improve(weight, demand, capacity, start, tolerance, threshold):
    """Move points as long as the sum of weights falls.

    Parameters
    ----------
    weight : array of float, shape (points, sites)
        Cost of sending a point to a site; infinite where it may not go. The last site is "no place".
    demand : array of float, shape (points, kinds)
    capacity : array of float, shape (sites, kinds)
    start : array of int, shape (points,)
        A zoning that fits; -1: still to be placed, in the order of points.
    tolerance, threshold : float
        Pupils and cost that count as none.

    Returns
    -------
    array of int, shape (points,)
    """
    n, m = weight.shape
    site = np.full(n, -1, np.int64)
    load, none = np.zeros(capacity.shape), np.zeros(capacity.shape[1])
    head, after, before = np.full(m, -1, np.int64), np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    for i in range(n):
        if start[i] >= 0:
            _move(i, start[i], site, load, demand, head, after, before)
    for i in range(n):
        if site[i] < 0:
            at = _cheapest(i, weight, demand, capacity, load, none, tolerance)
            _move(i, at, site, load, demand, head, after, before)
    better = True
    while better:
        better = False
        for i in range(n):
            _, to, out, out_to = _best_move(
                i, weight, demand, capacity, site, load, head, after, none, tolerance, threshold
            )
            if to >= 0:
                better = True
                if out >= 0:
                    _move(out, out_to, site, load, demand, head, after, before)
                _move(i, to, site, load, demand, head, after, before)
    return site


@compiled
def shake(weight, demand, capacity, start, near, tolerance, threshold, rounds, seed):
    """Empty a few neighbouring sites, place their points in another order, improve, and keep what is cheaper.

    Parameters
    ----------
    weight, demand, capacity, start, tolerance, threshold
        As in :func:`improve`; every point is placed.
    near : array of int, shape (points, neighbours)
        The cheapest sites of each point.
    rounds, seed : int

    Returns
    -------
    array of int, shape (points,)
        Never dearer than the start.
    """
    np.random.seed(seed)
    n, m = weight.shape
    site = start.copy()
    load, none = np.zeros(capacity.shape), np.zeros(capacity.shape[1])
    head, after, before = np.full(m, -1, np.int64), np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    for i in range(n):
        hold(site[i], i, head, after, before)
        load[site[i]] += demand[i]
    was, log, taken = np.full(n, -1, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for _ in range(rounds):
        some, logged = 0, 0
        centre = np.random.randint(n)
        for k in range(np.random.randint(2, near.shape[1] + 1)):
            other = head[near[centre, k]]
            while other >= 0:
                taken[some] = other
                some += 1
                other = after[other]
        np.random.shuffle(taken[:some])
        for i in taken[:some]:
            was[i], log[logged] = site[i], i
            logged += 1
            drop(site[i], i, head, after, before)
            load[site[i]] -= demand[i]
            site[i] = -1
        for i in taken[:some]:
            at = _cheapest(i, weight, demand, capacity, load, none, tolerance)
            _move(i, at, site, load, demand, head, after, before)
        better = True
        while better:
            better = False
            for i in taken[:some]:
                _, to, out, out_to = _best_move(
                    i, weight, demand, capacity, site, load, head, after, none, tolerance, threshold
                )
                if to >= 0:
                    better = True
                    if out >= 0:
                        if was[out] < 0:
                            was[out], log[logged] = site[out], out
                            logged += 1
                        _move(out, out_to, site, load, demand, head, after, before)
                    _move(i, to, site, load, demand, head, after, before)
        change = 0.0
        for i in log[:logged]:
            change += weight[i, site[i]] - weight[i, was[i]]
        for i in log[:logged]:
            if change >= -threshold:
                _move(i, was[i], site, load, demand, head, after, before)
            was[i] = -1
    return site
