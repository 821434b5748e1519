"""Keep p sites so that demand points are served at least cost, and prove it (uncapacitated p-median).

    minimise    sum_i sum_j w_i c_ij x_ij
    subject to  (1) sum_j x_ij = 1            every demand point is served
                (2) x_ij <= y_j               from an open site
                (3) sum_j y_j = p             p sites are open
                (4) x_ij = 0 where c_ij > max_cost or unreachable
                (5) y_j = 1 fixed open, y_j = 0 fixed closed
                (6) x_ij, y_j in {0, 1}

A first plan comes from greedy opening and exchange of pairs (:mod:`balance_lib.optimise.interchange`) in
milliseconds. The Lagrangian dual of (1) (:mod:`balance_lib.optimise.lagrangian`) comes near the bound of the linear
relaxation and closes or opens for good the sites that no better plan can have otherwise; what is left is branched on
(:mod:`balance_lib.optimise.tree`). Where all costs are whole numbers bounds are rounded up.

References
----------
Teitz and Bart 1968; Resende and Werneck 2007, "A fast swap-based local search procedure for location problems";
Beasley 1993, "Lagrangean heuristics for location problems"; Hansen and Mladenović 1997 (variable neighbourhood search);
Duran-Mateluna, Alès and Elloumi 2023, "An efficient Benders decomposition for the p-median problem".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise import towns, tree
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, count_reasons
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import confirm

FIRST_ROUNDS = 60
ROUNDS = 1000  # of the Lagrangian dual at most; it ends before where nothing is gained


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
class _MedianSearch:
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


def solve(problem: Problem, p: int, control: Control, *, gap: float = 0.0, seed: int = 0) -> Solution:
    """Return the p-median with its proven bound.

    Parameters
    ----------
    problem : Problem
        Without capacities.
    p : int
        Sites to keep.
    control : Control
        Clock, progress, cancel.
    gap : float
        Share at which a proof is good enough.
    seed : int
        Of the search.
    """
    n, m = problem.shape
    impossible = count_reasons(problem, p)
    if impossible:
        return nothing(n, m, "infeasible", impossible, seconds=control.seconds, method="counting")
    table = Sorted.of(problem)
    search = first(table, p, seed=seed)
    if not search.upper < table.nowhere:
        found = _through_cover(problem, table, p, control)
        if isinstance(found, Solution):
            return found
        search = found
    control.tell(search.upper, search.bound, spread(table, search.is_open, m), now=True)
    ended = _prove(table, p, search, control, Aim(gap, problem.in_whole_numbers, m))
    return _finish(problem, table, p, search, control, gap=gap, ended=ended)


def first(
    table: Sorted, p: int, *, seed: int = 0, start: Flags | None = None, rounds: int = FIRST_ROUNDS
) -> _MedianSearch:
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


def begin(table: Sorted, is_open: Flags) -> _MedianSearch:
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


def _search(state: Any, upper: float) -> _MedianSearch:
    """Start the multipliers between the costs of the nearest open site and the next."""
    nearest, second = state.d1, state.d2
    multipliers = nearest + np.minimum(second - nearest, nearest.mean() + 1e-9) / 2
    return _MedianSearch(upper, state.is_open.copy(), -np.inf, multipliers, status=state.keep.astype(np.int8))


def _through_cover(problem: Problem, table: Sorted, p: int, control: Control) -> _MedianSearch | Solution:
    """Start from the fewest sites that reach everybody; or prove that more than p are needed."""
    from balance_lib.optimise import cover

    n, m = problem.shape
    fewest = cover.fewest(problem, control.part(control.left_s))
    if fewest.found and fewest.open.sum() <= p:
        return first(table, p, start=fewest.open[table.sites], rounds=0)
    if fewest.found and fewest.bound > p:
        reason = Reason("cover_needs", (), (), p, fewest.bound)
        return nothing(n, m, "infeasible", (reason,), seconds=control.seconds, method="set covering")
    return nothing(n, m, "stopped", seconds=control.seconds, bound=-np.inf)


def _prove(table: Sorted, p: int, search: _MedianSearch, control: Control, aim: Aim) -> bool:
    """Raise the bound and better the plan in place until they meet; return False when stopped before.

    ``search``: best plan, bound and multipliers; changed in place.
    """
    if search.upper <= 0:  # no cost is negative: nothing is better than nothing
        search.bound = 0.0
        return True
    if relax(table, p, search, aim):
        return True
    control.tell(search.upper, search.bound, spread(table, search.is_open, aim.n_sites), now=True)
    rest = table.only(search.status >= 0, search.status == 1)
    found = towns.fallen_apart(table, p, search, aim)
    if found is not None:
        return towns.prove(table, found, p, search, control, aim)
    master = tree.Master.of(rest, search.upper, search.multipliers)
    return branch(table, rest, master, p, search, control, aim)


def relax(table: Sorted, p: int, search: _MedianSearch, aim: Aim) -> bool:
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
    rho, chosen = np.zeros(table.sites.size), np.zeros(table.sites.size, np.bool_)
    bound, last, _ = lagrangian.relax(table.near, table.cost, u, status, p, rho, chosen)
    extra = np.maximum(0.0, problem.weighted[:, table.sites] - u[:, None]) + np.where(
        chosen, 0.0, np.maximum(0.0, rho - last)
    )
    floor, of_sites = np.full((n, m), np.inf), np.full(m, -1, np.int8)
    floor[:, table.sites] = np.where((bound + extra < cut) & (status >= 0), bound + extra, np.inf)
    of_sites[table.sites] = status
    return floor, of_sites


def branch(
    table: Sorted, rest: Sorted, master: tree.Master, p: int, search: _MedianSearch, control: Control, aim: Aim
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


def _finish(
    problem: Problem, table: Sorted, p: int, search: _MedianSearch, control: Control, *, gap: float, ended: bool
) -> Solution:
    """Return a search as a checked solution.

    ``search``: best plan, bound and multipliers; changed in place. ``gap``: share at which a proof is good enough; 0
    proves to the end. ``ended``: whether the search ended by itself. Returns: checked against the inputs; without a
    plan it says why.
    """
    is_open = spread(table, search.is_open, problem.shape[1])
    assignment = problem.nearest(is_open)
    objective = problem.value(assignment)
    bound = min(search.bound, objective)
    status = status_of(objective, bound, gap, ended=ended)
    facts = {"nodes": search.nodes}
    solution = Solution(
        is_open,
        assignment,
        objective,
        bound,
        status,
        (),
        control.seconds,
        "exchange, Lagrangian dual, branching",
        facts=facts,
    )
    control.tell(objective, bound, is_open, now=True)
    return confirm(solution, problem, p=p)
