"""Place whole points at least cost where places are limited: a village goes to one school, the way zones are drawn."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from balance_lib.optimise.allocation import exact
from balance_lib.optimise.allocation.nearest_site import assign_nearest, lost_reasons
from balance_lib.optimise.allocation.problem import AllocationProblem, Floats, Ints
from balance_lib.optimise.allocation.result import Allocation, Status, build, check, lower_bound
from balance_lib.optimise.allocation.transport_plan import short_reasons, with_no_place

NEIGHBOURS, ROUNDS, PATIENCE = 4, 50, 8  # sites emptied together at most; tries at a time; times without a saving
SHARE_OF_PAIRS = 60_000  # beyond as many pairs the proof of fewest left out is not tried: it would not end


def zoned(
    cost: Any,
    demand: Any,
    capacity: Any = None,
    *,
    is_open: Any = None,
    time_limit_s: float = 10.0,
    gap: float = 0.0,
) -> Allocation:
    r"""Give every point one site: first as many pupils placed as can be, then at least cost.

    .. math::
        \min \; & \sum_{ij} w_i c_{ij} x_{ij} \\
        (1)\; & \sum_j x_{ij} + s_i = 1 \\
        (2)\; & \sum_i d_{ik} x_{ij} \le K_{jk} \\
        (3)\; & \sum_i w_i s_i = F, \text{ the fewest pupils that can be left out} \\
        (4)\; & x_{ij}, s_i \in \{0, 1\}, \qquad w_i = \sum_k d_{ik}

    the generalised assignment problem. Without binding places it is :func:`nearest`. Otherwise: the relaxation (points
    may split) gives prices and a bound; rounding it and moving points one or two at a time gives an answer,
    emptying a few neighbouring sites and filling them in another order a better one; pairs
    whose reduced cost exceeds the difference of the two cannot be in a better one; HiGHS decides among the rest.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Cost per pupil, zero or more, any unit; NaN or infinite where there is no way.
    demand : array of float, shape (points,) or (points, kinds)
        Pupils, zero or more; by kind (grade band) if every kind must find its places.
    capacity : array of float, shape (sites,) or (sites, kinds), optional
        Places, zero or more; infinite: no limit. No limit at all by default.
    is_open : array of bool, shape (sites,), optional
        All by default.
    time_limit_s : float
        For the proof; the answer then says its gap.
    gap : float
        Proof enough: the cost is at most this share above the bound.

    Returns
    -------
    Allocation
        ``zones_do_not_fit`` among the reasons: there would be places if points were split.

    Raises
    ------
    ValueError
        If the arrays do not fit together.

    Examples
    --------
    Villages of 10, 7 and 5 pupils, all nearest to a school of 12 places.

    >>> found = zoned([[1.0, 4.0], [1.0, 2.0], [1.0, 9.0]], [10, 7, 5], [12, 30])
    >>> found.site.tolist(), found.objective, found.status
    ([1, 0, 0], 52.0, 'optimal')
    """
    problem = AllocationProblem.of(cost, demand, capacity, is_open)
    found = _solve_zoned(problem, time_limit_s=time_limit_s, gap=gap)
    check(found, problem)
    return found


def _solve_zoned(problem: AllocationProblem, *, time_limit_s: float = 10.0, gap: float = 0.0) -> Allocation:
    """Solve a zoning problem; see :func:`zoned`.

    ``gap``: share at which a proof is good enough.
    """
    free = assign_nearest(problem, "zoned")
    load = free.load.reshape(problem.capacity.shape)
    if (load <= problem.capacity + problem.tolerance).all():
        return free
    return _Zoning(problem, perf_counter() + time_limit_s, gap).solve()


@dataclass(frozen=True, eq=False)
class _Bound:
    """Hold what the relaxation proves: cost, prices of places, price of going without; and its shares (dense)."""

    value: float
    prices: Floats
    overflow_price: float
    shares: Floats


class _Zoning:
    """Hold a zoning problem reduced to points with pupils and a way, and to open sites."""

    def __init__(self, problem: AllocationProblem, until: float, gap: float) -> None:
        self.whole, self.until, self.gap = problem, until, gap
        rows = np.flatnonzero(problem.reachable & (problem.pupils > 0))
        self.rows = rows[np.argsort(-problem.pupils[rows], kind="stable")]  # large villages find a place first
        self.columns = np.flatnonzero(problem.is_open)
        self.demand, self.capacity = problem.demand[self.rows], problem.capacity[self.columns]
        self.pupils, self.tolerance = self.demand.sum(axis=1), problem.tolerance
        cost = problem.cost[np.ix_(self.rows, self.columns)]
        for kind in range(self.demand.shape[1]):  # a village larger than a school can never go there whole
            cost[self.demand[:, kind, None] > self.capacity[None, :, kind] + self.tolerance] = np.inf
        self.cost, self.going_without = with_no_place(cost)
        self.weight = self.pupils[:, None] * self.cost
        self.weight[:, -1] = self.pupils * self._price_of_a_pupil()
        self.places = np.vstack([self.capacity, np.full(self.demand.shape[1], np.inf)])
        self.threshold = 1e-9 * max(1.0, float(self.weight.min(axis=1).sum()))  # what counts as no saving

    def solve(self) -> Allocation:
        """Find the fewest left out, then the least cost with as few."""
        least, shares = self._fewest_if_split()
        site = self._improve(self._rounded(shares))
        left_out, least, site = self._fewest(least, site)
        bound = self._relax(left_out)
        site = min(site, self._improve(self._rounded(bound.shares)), key=self._value)
        value = bound.value
        if self._open(site, value):
            site = self._shaken(site, value)
        if self._open(site, value):
            site, value = self._prove(site, bound, left_out)
        return self._told(site, bound, value, left_out, least)

    def _price_of_a_pupil(self) -> float:
        """Return a price at which leaving out one pupil less is worth any cost, so that searches keep the two apart."""
        dearest = np.where(np.isfinite(self.weight[:, :-1]), self.weight[:, :-1], 0.0).max(axis=1, initial=0.0)
        least_difference = 1.0 if (self.demand == np.round(self.demand)).all() else 1e-3
        return (float(dearest.sum()) + 1.0) / least_difference

    def _value(self, site: Ints) -> tuple[float, float]:
        return round(self._left_out(site), 6), self._cost(site)

    def _cost(self, site: Ints) -> float:
        placed = site < len(self.columns)
        return float(self.weight[placed, site[placed]].sum())

    def _left_out(self, site: Ints) -> float:
        return float(self.pupils[site == len(self.columns)].sum())

    def _improve(self, site: Ints) -> Ints:
        from balance_lib.optimise.allocation.search import improve

        return improve(self._zoning(site))

    def _zoning(self, site: Ints) -> Any:
        from balance_lib.optimise.allocation.search import zoning  # compiled: imported when first needed

        return zoning(self.weight, self.demand, self.places, site, self.tolerance, self.threshold)

    def _open(self, site: Ints, value: float) -> bool:
        """Tell whether a zoning may still be dearer than the best."""
        return self._cost(site) > value + max(self.gap, 1e-9) * self._cost(site)

    def _shaken(self, site: Ints, value: float) -> Ints:
        """Place neighbouring schools' villages in other orders, as long as that saves: half the time there is at most.

        Shaw (1998), Using constraint programming and local search methods to solve vehicle routing problems, CP98.
        """
        from balance_lib.optimise.allocation.search import shake

        sites = min(NEIGHBOURS, len(self.columns))
        until = perf_counter() + self._left() / 2
        near = np.ascontiguousarray(np.argsort(self.weight[:, :-1], axis=1, kind="stable")[:, :sites])
        tried, seed = 0, 0
        while sites > 1 and tried < PATIENCE and perf_counter() < until and self._open(site, value):
            found = shake(self._zoning(site), near, ROUNDS, seed)
            tried = 0 if self._value(found) < self._value(site) else tried + 1
            site, seed = found, seed + 1
        return site

    def _rounded(self, shares: Floats) -> Ints:
        """Keep the points the relaxation does not split; the others are placed afterwards, the largest first."""
        whole = shares.max(axis=1) > 1 - 1e-9
        return np.where(whole, shares.argmax(axis=1), -1)

    def _programme(self, left_out: float, keep: Any = None) -> exact.ZoningModel:
        there = np.isfinite(self.cost[:, :-1])
        points, sites = np.nonzero(there if keep is None else there & keep)
        return exact.ZoningModel(points, sites, self.weight[points, sites], self.demand, self.capacity, left_out)

    def _dense(self, programme: exact.ZoningModel, share: Any) -> Floats:
        out = np.zeros_like(self.cost)
        out[programme.points, programme.sites] = share
        out[:, -1] = np.clip(1 - out.sum(axis=1), 0.0, 1.0)
        return out

    def _ship(self, cost: Floats, places: Floats) -> tuple[Floats, Floats]:
        """Split points of one kind of pupils; return shares and prices."""
        from balance_lib.optimise.allocation import kernel

        points, sites, amounts, price = kernel.ship(cost, self.pupils, places, self.tolerance)
        shares = np.zeros_like(cost)
        shares[points, sites] = amounts / self.pupils[points]
        return shares, price

    def _fewest_if_split(self) -> tuple[float, Floats]:
        """Return how many must be left out even if points were split, and such a split."""
        if self.demand.shape[1] == 1:
            shares, _ = self._ship(self.cost, self.places[:, 0])
        else:
            programme = self._programme(float(self.pupils.sum()))
            answer = exact.solve(programme, whole=False, fewest=True)
            shares = self._dense(programme, answer.share) if answer.share is not None else np.zeros_like(self.cost)
            if self.pupils @ shares[:, -1] <= self.tolerance:
                shares = self._relax(0.0).shares
        left_out = float(self.pupils @ shares[:, -1])
        return (left_out if left_out > self.tolerance else 0.0), shares

    def _fewest(self, least: float, site: Ints) -> tuple[float, float, Ints]:
        """Return how many are left out, how many must be for sure, and a zoning that leaves out as many."""
        found = self._left_out(site)
        if found <= least + self.tolerance:
            return found, least, site
        programme = self._programme(found)
        if len(programme.points) > SHARE_OF_PAIRS:
            return found, least, site
        answer = exact.solve(
            programme, whole=True, fewest=True, start=self._start(programme, site), time_limit_s=self._left() / 2
        )
        if answer.share is not None:
            other = self._dense(programme, answer.share > 0.5).argmax(axis=1)
            if self._left_out(other) < found - self.tolerance:
                site = self._improve(other)
        found = self._left_out(site)
        least = found if answer.proven else max(least, min(found, answer.bound))
        return found, least, site

    def _start(self, programme: exact.ZoningModel, site: Ints) -> Any:
        return site[programme.points] == programme.sites

    def _left(self) -> float:
        return max(0.05, self.until - perf_counter())

    def _relax(self, left_out: float) -> _Bound:
        """Bound the cost of every zoning that leaves out no more pupils."""
        if self.demand.shape[1] == 1:
            cost = self.cost.copy()
            # As many places at no cost as may be left out; the last column keeps the kernel's promise of a way out.
            cost[:, -1] = 0.0 if left_out > 0 else self.going_without
            places = self.places[:, 0].copy()
            if left_out > 0:
                cost = np.column_stack([cost, np.full(len(cost), self.going_without)])
                places = np.append(np.append(places[:-1], left_out), np.inf)
            shares, price = self._ship(cost, places)
            without = float(price[len(self.columns)]) if left_out > 0 else math.inf
            shares, prices = shares[:, : len(self.columns) + 1], price[: len(self.columns), None]
        else:
            programme = self._programme(left_out)
            answer = exact.solve(programme, whole=False)
            known = answer.share is not None
            shares = self._dense(programme, answer.share) if known else np.zeros_like(self.cost)
            prices, without = answer.prices, answer.overflow_price if left_out > 0 else math.inf
        value = lower_bound(self._reduced, prices, without, left_out)
        return _Bound(value, prices, without, shares)

    @property
    def _reduced(self) -> AllocationProblem:
        return AllocationProblem(
            self.cost[:, :-1], self.demand, self.capacity, np.ones(len(self.columns), dtype=bool), self.whole.flat
        )

    def _prove(self, site: Ints, bound: _Bound, left_out: float) -> tuple[Ints, float]:
        """Let HiGHS decide among the pairs a better zoning may use."""
        paid = self.weight[:, :-1] + self.demand @ bound.prices.T
        least = np.minimum(paid.min(axis=1), self.pupils * bound.overflow_price if left_out > 0 else math.inf)
        keep = paid - least[:, None] <= self._cost(site) - bound.value + 1e-7 * max(1.0, abs(bound.value))
        placed = np.flatnonzero(site < len(self.columns))
        keep[placed, site[placed]] = True
        programme = self._programme(left_out, keep)
        answer = exact.solve(
            programme, whole=True, start=self._start(programme, site), time_limit_s=self._left(), gap=self.gap
        )
        if answer.share is not None:
            other = self._dense(programme, answer.share > 0.5).argmax(axis=1)
            if self._left_out(other) <= left_out + self.tolerance and self._cost(other) < self._cost(site):
                site = other
        value = min(self._cost(site), max(bound.value, answer.bound if math.isfinite(answer.bound) else -math.inf))
        return site, self._cost(site) if answer.proven and self.gap == 0 else value

    def _told(self, site: Ints, bound: _Bound, value: float, left_out: float, least: float) -> Allocation:
        problem = self.whole
        lost = float(problem.pupils[~problem.reachable].sum())
        placed = site < len(self.columns)
        prices = np.zeros_like(problem.capacity)
        prices[self.columns] = bound.prices
        reasons = [*lost_reasons(problem)]
        if left_out > self.tolerance:
            split = self._left_out_if_split()
            reasons += short_reasons(problem, split)
            reasons += ["zones_do_not_fit"] if left_out > split + self.tolerance else []
        found = build(
            problem, "zoned", "feasible",
            (self.rows[placed], self.columns[site[placed]], self.pupils[placed]),
            bound=value, overflow_bound=least + lost, prices=prices, overflow_price=bound.overflow_price,
            reasons=reasons,
        )  # fmt: skip
        return replace(found, status=self._status(found))

    def _status(self, found: Allocation) -> Status:
        if found.shortfall > self.tolerance:
            # Someone is left out for sure as soon as the proven least is above none.
            return "infeasible" if found.overflow_bound > self.tolerance else "stopped"
        return "optimal" if found.gap <= max(self.gap, 1e-9) else "feasible"

    def _left_out_if_split(self) -> float:
        """Return how many would be left out if villages were split, the largest of them between several schools."""
        problem = self.whole
        cost, price = with_no_place(problem.cost[np.ix_(self.rows, self.columns)])
        other = copy(self)
        other.cost, other.going_without, other.weight = cost, price, self.pupils[:, None] * cost
        return other._fewest_if_split()[0]
