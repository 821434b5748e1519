"""Search and prove a p-median on costs sorted for every demand point: the steps that median, curve and towns share.

See :mod:`balance_lib.optimise.median` for the problem and the literature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise import tree
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats

FIRST_ROUNDS = 60
ROUNDS = 600  # of the Lagrangian dual at most; it ends before where nothing is gained


@dataclass(frozen=True, eq=False)
class Sorted:
    """Hold the costs of the sites still in question, sorted for every demand point.

    Parameters
    ----------
    sites : array of int, shape (m,)
        Which columns of the problem these are.
    near : array of int, shape (n, m)
        Sites (as indexes into ``sites``) in rising weighted cost.
    cost : array of float, shape (n, m)
        Their weighted cost, infinite where unreachable.
    finite : array of float, shape (n, m)
        The same with ``nowhere`` in place of infinity.
    nowhere : float
        More than any plan costs.
    keep : array of bool, shape (m,)
        Sites that must stay open.
    """

    sites: npt.NDArray[np.int64]
    near: npt.NDArray[np.int32]
    cost: Floats
    finite: Floats
    nowhere: float
    keep: Flags

    @classmethod
    def of(cls, problem: Problem) -> Sorted:
        """Sort the costs of all sites that may be open."""
        sites = np.flatnonzero(problem.may_open)
        # By cost, which weights do not reorder, so that a point without weight knows its nearest site too.
        near = np.argsort(problem.cost[:, sites], axis=1, kind="stable").astype(np.int32)
        cost = np.take_along_axis(problem.weighted, sites.astype(np.int32)[near], axis=1)
        nowhere = 1.0 + float(np.max(cost, axis=1, where=np.isfinite(cost), initial=0.0).sum())
        finite = cost if np.isfinite(cost).all() else np.where(np.isfinite(cost), cost, nowhere)
        return cls(sites, near, cost, finite, nowhere, problem.must_open[sites])

    def only(self, stay: Flags, keep: Flags) -> Sorted:
        """Return the same without the sites closed for good.

        Parameters
        ----------
        stay : array of bool, shape (sites,)
            Sites that are not closed for good.
        keep : array of bool, shape (sites,)
            Sites that are open for good.
        """
        n = self.near.shape[0]
        number = np.cumsum(stay, dtype=np.int32) - 1
        chosen = stay[self.near]
        shape = n, int(stay.sum())
        near = number[self.near[chosen]].reshape(shape)
        cost = self.cost[chosen].reshape(shape)
        finite = cost if self.finite is self.cost else self.finite[chosen].reshape(shape)
        return replace(self, sites=self.sites[stay], near=near, cost=cost, finite=finite, keep=keep[stay])

    def state(self, is_open: Flags) -> Any:
        """Return the exchange search's state with these sites open."""
        from balance_lib.optimise import interchange

        return interchange.exchange(self.near, self.finite, self.nowhere, self.keep, is_open)


@dataclass(eq=False)
class MedianSearch:
    """Hold one search under way: the best choice of sites, what is proven, and multipliers to go on with."""

    upper: float
    is_open: Flags
    bound: float
    multipliers: Floats
    nodes: int = 0
    status: Any = None


@dataclass(frozen=True)
class Aim:
    """Hold what is proof enough.

    Parameters
    ----------
    gap : float
        Share of the plan's value.
    whole : bool
        Whether every plan's value is a whole number.
    n_sites : int
        Sites of the problem.
    needed : float
        A bound that is proof enough whatever the plan costs.
    """

    gap: float
    whole: bool
    n_sites: int
    needed: float = np.inf

    def cut(self, upper: float) -> float:
        """Return the value below which a plan is better than one of this value."""
        enough = max(1.0 - 1e-5 if self.whole else 0.0, max(self.gap, PROVEN_GAP / 2) * abs(upper))
        return min(self.needed, upper - enough)

    def rounded(self, bound: float) -> float:
        """Return a bound, rounded up where values are whole."""
        return rounded(bound, self.whole)


def rounded(bound: float, whole: bool) -> float:
    """Return a bound, rounded up where values are ``whole`` numbers: what a bound of whole values proves.

    Parameters
    ----------
    bound : float
    whole : bool
        Whether every value of a plan is a whole number.
    """
    return float(np.ceil(bound - 1e-6)) if whole and np.isfinite(bound) else float(bound)


def first(
    table: Sorted, p: int, *, seed: int = 0, start: Flags | None = None, rounds: int = FIRST_ROUNDS
) -> MedianSearch:
    """Return a first plan by greedy opening, exchange and a few disturbances.

    Parameters
    ----------
    table : Sorted
        Sites and costs of each point in order.
    p : int
    seed : int
        Of the random disturbances.
    start : array of bool, shape (sites,), optional
        A plan to start from.
    rounds : int
        Disturbances.
    """
    from balance_lib.optimise import interchange

    state = table.state(table.keep if start is None else start)
    interchange.fill(state, p)
    interchange.thin(state, p)
    upper = interchange.shake(state, rounds, min(p, 10), seed)
    return _search(state, float(upper))


def begin(table: Sorted, is_open: Flags) -> MedianSearch:
    """Return a search that knows this plan only.

    Parameters
    ----------
    table : Sorted
        Sites and costs of each point in order.
    is_open : array of bool, shape (sites,)
        Open sites.
    """
    state = table.state(is_open)
    return _search(state, float(state.d1.sum()))


def _search(state: Any, upper: float) -> MedianSearch:
    """Start the multipliers between the costs of the nearest open site and the next."""
    nearest, second = state.d1, state.d2
    multipliers = nearest + np.minimum(second - nearest, nearest.mean() + 1e-9) / 2
    return MedianSearch(upper, state.is_open.copy(), -np.inf, multipliers, status=state.keep.astype(np.int8))


def relax(table: Sorted, p: int, search: MedianSearch, aim: Aim) -> bool:
    """Raise the bound by the Lagrangian dual, and say which sites no better plan has otherwise; return whether it did.

    Sites' ``status`` is 1 open, -1 closed, 0 in question.

    Parameters
    ----------
    table : Sorted
        Sites and costs of each point in order.
    p : int
    search : MedianSearch
        Best plan, bound and multipliers; changed in place.
    aim : Aim
        When the bound is good enough.
    """
    from balance_lib.optimise import lagrangian

    search.status = table.keep.astype(np.int8)
    state = lagrangian.volume(search.multipliers, table.sites.size)
    search.upper = lagrangian.ascend(
        table.near, table.cost, state, search.status, p, aim.cut(search.upper), search.upper, search.is_open, ROUNDS
    )
    bound = float(state.figures[0])
    search.bound = max(search.bound, aim.rounded(min(bound, search.upper)))
    return bool(bound >= aim.cut(search.upper))


def worthwhile(problem: Problem, is_open: Flags, cut: float) -> tuple[Floats, Any]:
    """Return what plans below ``cut`` cost at least by pair, infinite where none uses it, and the status of sites.

    Whatever further rules a plan has to keep: serving i from j costs at least max(0, c_ij - u_i) more than the bound.

    Parameters
    ----------
    problem : Problem
    is_open : array of bool, shape (sites,)
        A good choice of as many sites, to start from.
    cut : float
        Value below which a plan is sought.
    """
    from balance_lib.optimise import lagrangian

    table, (n, m) = Sorted.of(problem), problem.shape
    search, p = begin(table, is_open[table.sites]), int(is_open.sum())
    status, u = table.keep.astype(np.int8), search.multipliers
    state = lagrangian.volume(u, table.sites.size)
    lagrangian.ascend(table.near, table.cost, state, status, p, cut, search.upper, search.is_open, ROUNDS)
    least = least_with(table, u, status, p)
    floor, of_sites = np.full((n, m), np.inf), np.full(m, -1, np.int8)
    np.put_along_axis(floor, table.sites[table.near], np.where(least < cut, least, np.inf), axis=1)
    of_sites[table.sites] = status
    return floor, of_sites


def least_with(table: Sorted, u: Floats, status: Any, p: int) -> Floats:
    """Return what a plan costs at least that serves a point from a site, each point's sites in its order of cost.

    With multipliers u and their bound L(u) it is L(u) + max(0, c_ij - u_i) + what opening j adds; infinite where j is
    closed for good.

    Parameters
    ----------
    table : Sorted
        Sites and costs of each point in order.
    u : array of float, shape (points,)
        Multipliers of the dual.
    status : array of int, shape (sites,)
        1 open, -1 closed, 0 in question.
    p : int

    Returns
    -------
    array of float, shape (points, sites)
    """
    from balance_lib.optimise import lagrangian

    rho, chosen = np.zeros(table.sites.size), np.zeros(table.sites.size, np.bool_)
    bound = lagrangian.relax(table.near, table.cost, u, status, p, rho, chosen)
    opens = np.where(chosen, 0.0, np.maximum(0.0, rho - bound.last))
    extra = np.maximum(0.0, table.cost - u[:, None]) + opens[table.near]
    return np.where(status[table.near] >= 0, bound.value + extra, np.inf)


def branch(
    table: Sorted, rest: Sorted, master: tree.Master, p: int, search: MedianSearch, control: Control, aim: Aim
) -> bool:
    """Branch on what is in question, on a model of the ``rest`` of the sites; return False when stopped before.

    Parameters
    ----------
    table, p, search, aim
        As for :func:`relax`.
    rest : Sorted
        The same without sites closed for good.
    master : Master
        The linear model and its cuts.
    control : Control
    """

    def tell(value: float, proven: float, chosen: Flags | None) -> None:
        if chosen is not None and value < search.upper:
            search.upper, search.is_open = value, np.isin(table.sites, rest.sites[chosen])
        search.bound = max(search.bound, aim.rounded(min(proven, search.upper)))
        control.tell(search.upper, search.bound, spread(table, search.is_open, aim.n_sites))

    status = search.status[np.isin(table.sites, rest.sites)]
    search.nodes += tree.prove(master, rest, p, status, search.upper, aim.cut, control, tell)
    return search.bound >= aim.cut(search.upper)


def spread(table: Sorted, is_open: Flags, n_sites: int) -> Flags:
    """Return flags over all sites of the problem.

    Parameters
    ----------
    table : Sorted
        Sites and costs of each point in order.
    is_open : array of bool
        Open sites of the table.
    n_sites : int
        Sites of the problem.

    Returns
    -------
    array of bool, shape (n_sites,)
    """
    flags = np.zeros(n_sites, np.bool_)
    flags[table.sites[is_open]] = True
    return flags
