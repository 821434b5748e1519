"""Improve a zoning by moving one point, or one point and the one it pushes out, compiled (numba)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Floats, Ints, compiled
from balance_lib.optimise.allocation.kernel import Lists, drop, hold


class Zoning(NamedTuple):
    """Hold who is sent where, changed in place from ``site`` on.

    Parameters
    ----------
    weight : array of float, shape (points, sites)
        Cost of sending a point to a site; infinite where it may not go. The last site is "no place".
    demand : array of float, shape (points, kinds)
    capacity : array of float, shape (sites, kinds)
    tolerance, threshold : float
        Pupils and cost that count as none.
    site : array of int, shape (points,)
        -1: not placed.
    load : array of float, shape (sites, kinds)
    lists : Lists
        The points of each site.
    none : array of float, shape (kinds,)
        Zeros: nobody leaves.
    """

    weight: Floats
    demand: Floats
    capacity: Floats
    tolerance: float
    threshold: float
    site: Ints
    load: Floats
    lists: Lists
    none: Floats


@compiled
def zoning(weight: Floats, demand: Floats, capacity: Floats, start: Ints, tolerance: float, threshold: float) -> Zoning:
    """Return the state of a zoning that fits.

    Parameters
    ----------
    weight, demand, capacity, tolerance, threshold
        As :class:`Zoning` holds them.
    start : array of int, shape (points,)
        Site of each point; -1 leaves it without one.
    """
    n, m = weight.shape
    lists = Lists(np.full(m, -1, np.int64), np.full(n, -1, np.int64), np.full(n, -1, np.int64))
    load, none = np.zeros(capacity.shape), np.zeros(capacity.shape[1])
    made = Zoning(weight, demand, capacity, tolerance, threshold, np.full(n, -1, np.int64), load, lists, none)
    for i in range(n):
        if start[i] >= 0:
            _move(made, i, start[i])
    return made


@compiled
def _fits(z: Zoning, at: int, comes: Floats, goes: Floats) -> bool:
    """Tell whether a site has places for a point once another has left."""
    for k in range(comes.size):
        if comes[k] > 0.0 and z.load[at, k] - goes[k] + comes[k] > z.capacity[at, k] + z.tolerance:
            return False
    return True


@compiled
def _leave(z: Zoning, i: int) -> None:
    """Take a point from its site."""
    drop(z.site[i], i, z.lists)
    z.load[z.site[i]] -= z.demand[i]
    z.site[i] = -1


@compiled
def _move(z: Zoning, i: int, to: int) -> None:
    """Move a point to another site."""
    if z.site[i] >= 0:
        _leave(z, i)
    hold(to, i, z.lists)
    z.load[to] += z.demand[i]
    z.site[i] = to


@compiled
def _room_for(z: Zoning, i: int, frm: int, by: int) -> tuple[float, int]:
    """Find the cheapest site a point can go to when it leaves ``frm``, ``by`` having left its own for ``frm``."""
    best, at = math.inf, -1
    for c in range(z.capacity.shape[0]):
        if c != frm and z.weight[i, c] < best:
            goes = z.demand[by] if c == z.site[by] else z.none
            if _fits(z, c, z.demand[i], goes):
                best, at = z.weight[i, c], c
    return best, at


@compiled
def _best_move(z: Zoning, i: int) -> tuple[int, int, int]:
    """Find what saves most: another site for a point, or one whose point goes elsewhere; (to, out, out_to), -1 none."""
    weight, demand = z.weight, z.demand
    a = z.site[i]
    saved, to, out, out_to = -z.threshold, -1, -1, -1
    for b in range(weight.shape[1]):
        gain = weight[i, b] - weight[i, a]
        if b == a or gain >= -z.threshold:
            continue
        if _fits(z, b, demand[i], z.none):
            if gain < saved:
                saved, to, out = gain, b, -1
            continue
        other = z.lists.head[b]
        while other >= 0:
            if _fits(z, b, demand[i], demand[other]):
                worth, c = _room_for(z, other, b, i)
                if c >= 0 and gain + worth - weight[other, b] < saved:
                    saved, to, out, out_to = gain + worth - weight[other, b], b, other, c
            other = z.lists.after[other]
    return to, out, out_to


@compiled
def _cheapest(z: Zoning, i: int) -> int:
    """Return the cheapest site with places for a point; the last one is "no place"."""
    best, at = math.inf, z.weight.shape[1] - 1
    for b in range(z.weight.shape[1]):
        if z.weight[i, b] < best and _fits(z, b, z.demand[i], z.none):
            best, at = z.weight[i, b], b
    return at


@compiled
def _settle(z: Zoning, points: Ints, was: Ints, log: Ints, logged: int) -> int:
    """Place these points and move them as long as the sum of weights falls; return how many points have moved.

    ``was`` is where each point stood before, -1 until it moves; ``log`` names those that did.
    """
    for i in points:
        if z.site[i] < 0:
            _move(z, i, _cheapest(z, i))
    better = True
    while better:
        better = False
        for i in points:
            to, out, out_to = _best_move(z, i)
            if to < 0:
                continue
            better = True
            if out >= 0:
                if was[out] < 0:
                    was[out], log[logged] = z.site[out], out
                    logged += 1
                _move(z, out, out_to)
            _move(z, i, to)
    return logged


@compiled
def improve(z: Zoning) -> Ints:
    """Place the points that have no site, in their order, and move points as long as the sum of weights falls."""
    n = z.site.size
    _settle(z, np.arange(n), np.full(n, -1, np.int64), np.empty(n, np.int64), 0)
    return z.site


@compiled
def shake(z: Zoning, near: Ints, rounds: int, seed: int) -> Ints:
    """Empty a few neighbouring sites, place their points in another order, improve, and keep what is cheaper.

    Parameters
    ----------
    z : Zoning
        Every point is placed; it never becomes dearer.
    near : array of int, shape (points, neighbours)
        The cheapest sites of each point.
    rounds, seed : int
    """
    np.random.seed(seed)
    n = z.site.size
    was, log, taken = np.full(n, -1, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for _ in range(rounds):
        some = 0
        centre = np.random.randint(n)
        for k in range(np.random.randint(2, near.shape[1] + 1)):
            other = z.lists.head[near[centre, k]]
            while other >= 0:
                taken[some] = other
                some += 1
                other = z.lists.after[other]
        np.random.shuffle(taken[:some])
        for q in range(some):
            i = taken[q]
            was[i], log[q] = z.site[i], i
            _leave(z, i)
        logged = _settle(z, taken[:some], was, log, some)
        change = 0.0
        for i in log[:logged]:
            change += z.weight[i, z.site[i]] - z.weight[i, was[i]]
        for i in log[:logged]:
            if change >= -z.threshold:
                _move(z, i, was[i])
            was[i] = -1
    return z.site
