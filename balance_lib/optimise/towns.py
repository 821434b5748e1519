"""Prove a p-median town by town, where nothing but p holds the towns together.

The Lagrangian dual tells which pairs of demand point and site no better plan uses. Where the other pairs fall into
parts that share no point and no site, called towns t here, the problem is

    minimise    sum_t f_t(k_t)
    subject to  sum_t k_t <= p

with f_t(k) the least cost of town t with k sites. Each f_t is known between bounds from below and plans from above;
dynamic programming over the towns puts the bounds together to one for all, and tells which number of sites in which
town it hangs on. That one is proven further, until no better plan is left. Towns with the same costs, as a grid of
streets laid out several times has them, are proven once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from balance_lib.optimise.control import Control
from balance_lib.optimise.curve import Curve
from balance_lib.optimise.median_search import Aim, MedianSearch, Sorted, least_with, spread
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import Flags, Floats, Ints

# Towns are worth while when the largest has at most this share of the points; seconds of one proof at first, and how
# many times that of the next one of the same town; towns that are looked at together.
LARGEST, FIRST_S, LONGER, AT_ONCE = 0.7, 0.5, 3.0, 2


@dataclass(eq=False)
class _Town:
    """Hold one town: its points and sites in the table, and its curve, which towns of the same costs share."""

    points: Ints
    sites: Ints
    least: Floats
    curve: Curve
    seconds: dict[int, float]

    @property
    def bounds(self) -> Floats:
        """Return what no plan of the town is better than, by number of sites; infinite where there is no plan."""
        return np.maximum(self.least, self.curve.bounds)


def fallen_apart(table: Sorted, p: int, search: MedianSearch, aim: Aim) -> Ints | None:
    """Return the town of each point and, after them, of each site (-1: in no better plan); None where one is too large.

    Parameters
    ----------
    table : Sorted
        Sites and costs of each point in order.
    p : int
    search : MedianSearch
        With multipliers of the dual and the status of sites.
    aim : Aim
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, m = table.near.shape
    useful = least_with(table, search.multipliers, search.status, p) < aim.cut(search.upper)
    point, rank = np.nonzero(useful)
    pairs = coo_array((np.ones(point.size), (point, n + table.near[point, rank])), shape=(n + m, n + m))
    town = connected_components(pairs, directed=False)[1]
    town[n:][search.status < 0] = -1
    return None if np.bincount(town[:n]).max() > LARGEST * n or not useful.any(axis=1).all() else town


def prove(table: Sorted, town: Ints, p: int, search: MedianSearch, control: Control, aim: Aim) -> bool:
    """Raise the bound and better the plan in place until they meet; return False when stopped before.

    Parameters
    ----------
    table, p, search, aim
        As for :func:`fallen_apart`.
    town : array of int, shape (points + sites,)
        What it returned.
    control : Control
    """
    n = table.near.shape[0]
    idle = ~np.isin(town[n:], town[:n])  # sites without anybody
    towns = _Towns(_drawn(table, town, search, aim), p - int(table.keep[idle].sum()))
    value = np.inf
    while True:
        if value > (value := sum(one.curve.values[np.isfinite(one.curve.values)].sum() for one in towns.parts)):
            plan, chosen = towns.best([one.curve.values for one in towns.parts])
            if plan < search.upper * (1 - 1e-12):
                search.upper, search.is_open = plan, towns.opened(chosen, table, p)
        bound, chosen = towns.best([one.bounds for one in towns.parts])
        search.bound = max(search.bound, aim.rounded(min(bound, search.upper)))
        control.tell(search.upper, search.bound, spread(table, search.is_open, aim.n_sites))
        cut = aim.cut(search.upper)
        proven = bound >= cut - 1e-9 * abs(cut)  # sums of parts are rounded
        if proven or control.stopped:
            return bool(proven)
        doubtful = towns.in_doubt(chosen, 1e-9 * abs(search.upper))[:AT_ONCE]
        if not doubtful:
            return False
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(partial(towns.look, chosen=chosen, lacking=cut - bound, control=control), doubtful))


@dataclass(eq=False)
class _Towns:
    parts: list[_Town]
    p: int

    def best(self, curves: list[Floats]) -> tuple[float, list[int]]:
        """Return the least sum with at most p sites, and how many each town then has."""
        so_far, steps = np.zeros(self.p + 1), []
        for curve in curves:
            joined = np.full(self.p + 1, np.inf)
            taken = np.zeros(self.p + 1, np.int64)
            for k in np.flatnonzero(np.isfinite(curve[: self.p + 1])):
                value = so_far[: self.p + 1 - k] + curve[k]
                better = value < joined[k:]
                joined[k:][better], taken[k:][better] = value[better], k
            so_far = joined
            steps.append(taken)
        chosen, left = [], self.p
        for taken in reversed(steps):
            chosen.append(int(taken[left]))
            left -= chosen[-1]
        return float(so_far[self.p]), chosen[::-1]

    def in_doubt(self, chosen: list[int], least: float) -> list[int]:
        """Return the towns whose plans may be bettered by more than ``least``, the widest first, one of each curve."""
        apart = [one.curve.values[k] - one.bounds[k] for one, k in zip(self.parts, chosen, strict=True)]
        widest: dict[int, int] = {}
        for t in np.argsort(apart)[::-1].tolist():
            if apart[t] > least:
                widest.setdefault(id(self.parts[t].curve), t)
        return list(widest.values())

    def look(self, town: int, chosen: list[int], lacking: float, control: Control) -> None:
        """Prove more of a town with the sites it has been given: what lacks of the whole bound is enough."""
        one, k = self.parts[town], chosen[town]
        seconds = one.seconds.get(k, FIRST_S)
        one.curve.branch(k, control.part(seconds), one.bounds[k] + lacking)
        one.seconds[k] = LONGER * seconds

    def opened(self, chosen: list[int], table: Sorted, p: int) -> Flags:
        """Return the plan of so many sites in each town; what p has beyond them is opened where it saves most."""
        from balance_lib.optimise import interchange

        is_open = table.keep.copy()
        for one, k in zip(self.parts, chosen, strict=True):
            is_open[one.sites[one.curve.opens[k]]] = True
        state = table.state(is_open)
        interchange.fill(state, p)
        return np.asarray(state.is_open.copy())


def _drawn(table: Sorted, town: Ints, search: MedianSearch, aim: Aim) -> list[_Town]:
    """Return the towns with their curves."""
    from balance_lib.optimise import lagrangian

    n, m = table.near.shape
    rho = np.zeros(m)
    lagrangian.worths(table.near, table.cost, search.multipliers, rho)
    plain = np.empty((n, m))
    np.put_along_axis(plain, table.near.astype(np.int64), table.cost, axis=1)
    curves: dict[bytes, tuple[Curve, dict[int, float]]] = {}
    parts = []
    for t in np.unique(town[:n]):
        points, sites = np.flatnonzero(town[:n] == t), np.flatnonzero(town[n:] == t)
        cost, keep = plain[np.ix_(points, sites)], table.keep[sites]
        same = cost.tobytes() + keep.tobytes()
        if same not in curves:
            small = Sorted.of(Problem.of(cost, fixed_open=keep))
            curves[same] = Curve.of(small, aim), {}
        worth = np.sort(rho[sites])
        least = search.multipliers[points].sum() + np.concatenate(([np.inf], np.cumsum(worth)))
        least = np.maximum(least, 0.0)  # no cost is negative
        least[1 : int(keep.sum())] = np.inf
        parts.append(_Town(points, sites, least, *curves[same]))
    return parts
