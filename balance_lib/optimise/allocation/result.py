"""Hold an allocation, and check it against the arrays it was made from, with none of the solver's own figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from balance_lib._errors import BalanceError
from balance_lib.optimise.allocation.problem import AllocationProblem, Bools, Floats, Ints

Method = Literal["nearest", "zoned", "transport"]
Status = Literal["optimal", "feasible", "infeasible", "stopped"]
SLACK = 1e-7  # relative, for sums that were added up in another order


class AllocationError(BalanceError, AssertionError):
    """A solver's answer that does not hold: a fault of this package, never of the data."""


@dataclass(frozen=True, eq=False)
class Allocation:
    """Hold who goes where.

    Parameters
    ----------
    method : {"nearest", "zoned", "transport"}
    status : {"optimal", "feasible", "infeasible", "stopped"}
        ``optimal``: everyone has a place, at proven least cost (within the gap that was asked for). ``feasible``:
        everyone has a place, the proof is open. ``infeasible``: proven that not everyone can have a place within
        reach; the answer leaves out as few as it could. ``stopped``: not everyone has a place, and nothing is proven.
    points, sites : array of int, shape (flows,)
        Who goes where, in the order of points, then sites.
    amounts : array of float, shape (flows,)
        Pupils of each flow, above zero.
    cost_of : array of float, shape (flows,)
        Cost per pupil of each flow.
    site : array of int, shape (points,)
        Where most of a point goes; -1 where nobody of it has a place. A point without pupils: its nearest open site.
    load : array of float, shape (sites,) or (sites, kinds)
        Pupils placed.
    overflow : array of float, shape (points,)
        Pupils without a place, those who reach no open site included.
    unreachable : array of bool, shape (points,)
        Points with pupils and no way to any open site.
    objective : float
        Sum of amount times cost over the flows.
    bound : float
        No allocation that leaves out as few costs less; NaN when not known.
    overflow_bound : float
        No allocation leaves out fewer pupils.
    prices : array of float, shape (sites, kinds)
        What one more place would save, per pupil; they prove the bound.
    overflow_price : float
        Price of having no place in that proof.
    reasons : sequence of str
        Why somebody has no place: ``no_site``, ``unreachable``, ``places_short`` (too few places in all),
        ``places_out_of_reach`` (enough in all, not where the pupils are), ``zones_do_not_fit`` (there would be places
        if points were split).
    """

    method: Method
    status: Status
    points: Ints
    sites: Ints
    amounts: Floats
    cost_of: Floats
    site: Ints
    load: Floats
    overflow: Floats
    unreachable: Bools
    objective: float
    bound: float
    overflow_bound: float
    prices: Floats
    overflow_price: float
    reasons: Sequence[str] = ()

    @property
    def shortfall(self) -> float:
        """Return how many pupils have no place."""
        return float(self.overflow.sum())

    @property
    def gap(self) -> float:
        """Return how far above the proven bound the cost may be, as a share of the cost; NaN without a bound."""
        if math.isnan(self.bound):
            return math.nan
        return max(0.0, self.objective - self.bound) / self.objective if self.objective > 0 else 0.0


def build(
    problem: AllocationProblem,
    method: Method,
    status: Status,
    flows: tuple[Ints, Ints, Floats],
    *,
    bound: float,
    overflow_bound: float,
    prices: Floats | None = None,
    overflow_price: float = math.inf,
    reasons: Sequence[str] = (),
) -> Allocation:
    """Put an allocation together from its flows.

    Parameters
    ----------
    problem : AllocationProblem
    method : {"nearest", "zoned", "transport"}
    status : str
        What is known of the answer.
    flows : (array of int, array of int, array of float)
        Points, sites and pupils.
    bound : float
        No allocation that leaves as few without a place costs less, in pupils × cost.
    overflow_bound : float
        No allocation leaves fewer pupils without a place.
    prices : array of float, shape (sites, kinds), optional
        Prices of places that prove the bound.
    overflow_price : float
        Price of having no place.
    reasons : sequence of str
        Why pupils have no place.
    """
    order = np.lexsort((flows[1], flows[0]))
    points, sites, amounts = flows[0][order], flows[1][order], flows[2][order]
    pupils, kinds = problem.pupils, problem.demand.shape[1]
    placed = np.bincount(points, amounts, len(pupils))
    overflow = pupils - placed
    overflow[overflow <= problem.tolerance] = 0.0
    share = amounts[:, None] * (problem.demand / np.where(pupils > 0, pupils, 1.0)[:, None])[points]
    load: Floats = np.stack([np.bincount(sites, share[:, k], problem.cost.shape[1]) for k in range(kinds)], axis=1)
    cost_of = problem.cost[points, sites]
    reachable = problem.reachable
    return Allocation(
        method=method, status=status, points=points, sites=sites, amounts=amounts, cost_of=cost_of,
        site=_main_site(problem, points, sites, amounts, reachable), load=load[:, 0] if problem.flat else load,
        overflow=overflow, unreachable=(pupils > 0) & ~reachable, objective=float(amounts @ cost_of), bound=bound,
        overflow_bound=overflow_bound, prices=np.zeros_like(problem.capacity) if prices is None else prices,
        overflow_price=overflow_price, reasons=tuple(reasons),
    )  # fmt: skip


def _main_site(problem: AllocationProblem, points: Ints, sites: Ints, amounts: Floats, reachable: Bools) -> Ints:
    """Return where most of each point goes, the first of equals; the nearest open site of points without pupils."""
    site = np.full(len(problem.cost), -1, dtype=np.int64)
    order = np.lexsort((-sites, amounts))  # written last: the largest amount, of equals the first site
    site[points[order]] = sites[order]
    empty = (problem.pupils == 0) & reachable
    if empty.any():
        site[empty] = problem.cost[empty].argmin(axis=1)
    return site


def lower_bound(problem: AllocationProblem, prices: Floats, overflow_price: float, shortfall: float) -> float:
    r"""Compute what no allocation that leaves ``shortfall`` reachable pupils without a place can go below.

    .. math:: \sum_i \min\Big(\min_j \big(w_i c_{ij} + \sum_k d_{ik} \lambda_{jk}\big),\; w_i M\Big)
              - \sum_{jk} \lambda_{jk} K_{jk} - M F, \qquad w_i = \sum_k d_{ik}

    for any prices :math:`\lambda \ge 0` of places and :math:`M \ge 0` of having none (weak duality).

    Parameters
    ----------
    problem : AllocationProblem
    prices : array of float, shape (sites, kinds)
        Prices of places, at least 0.
    overflow_price : float
        Price of having no place, at least 0; may be infinite.
    shortfall : float
        Reachable pupils without a place.

    Returns
    -------
    float
        In pupils × cost.
    """
    rows = problem.reachable & (problem.pupils > 0)
    pupils, open_sites = problem.pupils[rows], problem.is_open
    paid = pupils[:, None] * problem.cost[np.ix_(rows, open_sites)] + problem.demand[rows] @ prices[open_sites].T
    least = paid.min(axis=1, initial=math.inf)
    if math.isfinite(overflow_price):
        least = np.minimum(least, pupils * overflow_price)
    priced = prices > 0
    given_up = overflow_price * shortfall if shortfall > 0 else 0.0
    return float(least.sum() - (prices[priced] * problem.capacity[priced]).sum() - given_up)


def verify(
    allocation: Allocation, cost: object, demand: object, capacity: object = None, *, is_open: object = None
) -> None:
    """Check an allocation against the arrays it was made from; everything is computed anew.

    Parameters
    ----------
    allocation : Allocation
    cost, demand, capacity, is_open : array
        As of :meth:`AllocationProblem.of`.

    Raises
    ------
    AllocationError
        With every claim of the allocation that does not hold.
    """
    check(allocation, AllocationProblem.of(cost, demand, capacity, is_open))


def check(allocation: Allocation, problem: AllocationProblem) -> None:
    """Check an allocation against its problem; see :func:`verify`.

    Parameters
    ----------
    allocation : Allocation
    problem : AllocationProblem
    """
    wrong = [*_wrong_flows(allocation, problem), *_wrong_sums(allocation, problem), *_wrong_claims(allocation, problem)]
    if wrong:
        raise AllocationError(f"{allocation.method}: " + "; ".join(wrong))


def _wrong_flows(found: Allocation, problem: AllocationProblem) -> list[str]:
    wrong = []
    if not (found.amounts > 0).all():
        wrong.append("a flow moves nobody")
    if not problem.is_open[found.sites].all():
        wrong.append("a flow goes to a closed site")
    if not np.isfinite(problem.cost[found.points, found.sites]).all():
        wrong.append("a flow has no way")
    if len(np.unique(found.points * problem.cost.shape[1] + found.sites)) != len(found.points):
        wrong.append("a flow stands twice")
    if found.method != "transport" and (np.diff(found.points) == 0).any():
        wrong.append("a point is split")
    return wrong


def _wrong_sums(found: Allocation, problem: AllocationProblem) -> list[str]:
    wrong, tolerance = [], problem.tolerance * 10
    placed = np.zeros(len(problem.cost))
    np.add.at(placed, found.points, found.amounts)
    if (np.abs(placed + found.overflow - problem.pupils) > tolerance).any():
        wrong.append("placed and left out do not add up to the pupils of every point")
    load = np.zeros_like(problem.capacity)
    pupils = np.where(problem.pupils > 0, problem.pupils, 1.0)
    np.add.at(load, found.sites, (found.amounts / pupils[found.points])[:, None] * problem.demand[found.points])
    if (np.abs(load - found.load.reshape(load.shape)) > tolerance).any():
        wrong.append("the loads are not those of the flows")
    if (load > problem.capacity + tolerance).any():
        wrong.append("a site has more pupils than places")
    total = float((found.amounts * problem.cost[found.points, found.sites]).sum())
    if not math.isclose(total, found.objective, rel_tol=SLACK, abs_tol=SLACK):
        wrong.append(f"the objective is {total}, not {found.objective}")
    return wrong


def _wrong_claims(found: Allocation, problem: AllocationProblem) -> list[str]:
    wrong, tolerance = [], problem.tolerance * 10
    lost = (problem.pupils > 0) & ~problem.reachable
    if (lost != found.unreachable).any() or (found.overflow[lost] < problem.pupils[lost] - tolerance).any():
        wrong.append("who reaches no site is told wrongly")
    if (found.shortfall <= tolerance) != (found.status in ("optimal", "feasible")):
        wrong.append(f"{found.shortfall} pupils without a place, and the status is {found.status}")
    if found.overflow_bound > found.shortfall + tolerance:
        wrong.append("fewer are left out than can be")
    if math.isnan(found.bound):
        return wrong
    proven = lower_bound(problem, found.prices, found.overflow_price, found.shortfall - problem.pupils[lost].sum())
    # Prices of places nobody can have stand as high as the price of going without: their rounding goes with them.
    high = found.overflow_price if math.isfinite(found.overflow_price) else 0.0
    scale = max(1.0, abs(found.objective), 1e-6 * high * problem.demand.sum() if found.shortfall > tolerance else 0.0)
    if found.bound > found.objective + SLACK * scale:
        wrong.append("the bound lies above the cost")
    if found.method != "zoned" and found.objective > proven + SLACK * scale:
        wrong.append(f"the prices prove {proven}, the cost is {found.objective}")
    return wrong
