"""Keep p sites so that demand points are served at least cost, and prove it (uncapacitated p-median).

    minimise    sum_i sum_j w_i c_ij x_ij
    subject to  (1) sum_j x_ij = 1            every demand point is served
                (2) x_ij <= y_j               from an open site
                (3) sum_j y_j = p             p sites are open
                (4) x_ij = 0 where c_ij > max_cost or unreachable
                (5) y_j = 1 fixed open, y_j = 0 fixed closed
                (6) x_ij, y_j in {0, 1}

A first plan comes from greedy opening and exchange of pairs (:mod:`balance_lib.optimise.interchange`) in
milliseconds. The
Lagrangian dual of (1) (:mod:`balance_lib.optimise.lagrangian`) has the bound of the linear relaxation, closes or
opens for
good the sites that no better plan can have otherwise, and what is left is searched by branch and bound with the same
dual at every node, in turns with further exchange. Where all costs are whole numbers bounds are rounded up.

References
----------
Teitz and Bart 1968; Resende and Werneck 2007, "A fast swap-based local search procedure for location problems";
Beasley 1993, "Lagrangean heuristics for location problems"; Hansen and Mladenović 1997 (variable neighbourhood search).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import confirm

FIRST_ROUNDS = 60
DUAL_ROUNDS, NODE_ROUNDS = 2000, 20
# Work of one turn between two looks at the clock: about a tenth of a second.
TURN = 60_000_000


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
        near = np.argsort(problem.cost[:, sites], axis=1, kind="stable")
        cost = np.take_along_axis(problem.weighted[:, sites], near, axis=1)
        nowhere = 1.0 + float(np.where(np.isfinite(cost), cost, 0.0).max(axis=1).sum())
        finite = np.where(np.isfinite(cost), cost, nowhere)
        return cls(sites, near.astype(np.int32), cost, finite, nowhere, problem.must_open[sites])

    def only(self, stay: Flags, keep: Flags) -> Sorted:
        """Return the same without the sites closed for good."""
        n = self.near.shape[0]
        number = np.cumsum(stay) - 1
        chosen = stay[self.near]
        shape = n, int(stay.sum())
        near = number[self.near[chosen]].reshape(shape).astype(np.int32)
        cost, finite = self.cost[chosen].reshape(shape), self.finite[chosen].reshape(shape)
        return replace(self, sites=self.sites[stay], near=near, cost=cost, finite=finite, keep=keep[stay])

    def state(self, is_open: Flags) -> Any:
        """Return the exchange search's state with these sites open."""
        from balance_lib.optimise import interchange

        state = interchange.empty_state(*self.near.shape)
        interchange.set_state(self.near, self.finite, self.nowhere, state, is_open)
        return state


@dataclass(eq=False)
class Search:
    """Hold one search under way: the best choice of sites, what is proven, and multipliers to go on with."""

    upper: float
    is_open: Flags
    bound: float
    multipliers: Floats
    nodes: int = 0


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
    ended = prove(table, p, search, control, gap=gap, whole=problem.in_whole_numbers, n_sites=m, seed=seed)
    return finish(problem, table, p, search, control, gap=gap, ended=ended)


def count_reasons(problem: Problem, p: int) -> tuple[Reason, ...]:
    """Return why no plan can exist, as far as counting shows."""
    found = []
    least, most = int(problem.must_open.sum()), int(problem.may_open.sum())
    if p < max(1, least):
        found.append(Reason("too_few", (), tuple(np.flatnonzero(problem.must_open).tolist()), p, max(1, least)))
    if p > most:
        found.append(Reason("too_many", (), (), p, most))
    if problem.unserved.size and most:
        found.append(unserved_reason(problem))
    return tuple(found)


def unserved_reason(problem: Problem) -> Reason:
    """Return the reason that some demand points cannot be served at all, and the limit that would do."""
    nearest = problem.reachable[problem.unserved][:, problem.may_open].min(axis=1)
    return Reason("beyond_reach", tuple(problem.unserved.tolist()), (), problem.max_cost, float(nearest.max()))


def first(table: Sorted, p: int, *, seed: int = 0, start: Flags | None = None, rounds: int = FIRST_ROUNDS) -> Search:
    """Return a first plan by greedy opening, exchange and a few disturbances."""
    from balance_lib.optimise import interchange

    state = table.state(table.keep if start is None else start)
    interchange.fill(table.near, table.finite, table.nowhere, state, p)
    interchange.thin(table.near, table.finite, table.nowhere, state, table.keep, p)
    upper = interchange.shake(table.near, table.finite, table.nowhere, state, table.keep, rounds, min(p, 10), seed)
    beyond = state[3] + np.minimum(state[4] - state[3], state[3].mean() + 1e-9)
    return Search(float(upper), state[0].copy(), -np.inf, (state[3] + beyond) / 2)


def _through_cover(problem: Problem, table: Sorted, p: int, control: Control) -> Search | Solution:
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


def prove(
    table: Sorted, p: int, search: Search, control: Control, *, gap: float, whole: bool, n_sites: int, seed: int = 0
) -> bool:
    """Raise the bound and better the plan in place until they meet; return False when stopped before."""
    from balance_lib.optimise import lagrangian

    by, share = (1.0 - 1e-5 if whole else 0.0), max(gap, PROVEN_GAP / 2)
    m = table.near.shape[1]
    status = table.keep.astype(np.int8)
    often = np.zeros(m)
    cut = search.upper - max(by, share * abs(search.upper))
    bound, search.upper, _ = lagrangian.ascend(
        table.near,
        table.cost,
        search.multipliers,
        status,
        p,
        cut,
        search.upper,
        search.is_open,
        DUAL_ROUNDS,
        1.5,
        20,
        often,
    )
    search.bound = max(search.bound, _rounded(bound, whole))
    control.tell(search.upper, search.bound, spread(table, search.is_open, n_sites), now=True)
    if bound >= cut:
        search.bound = max(search.bound, min(search.upper, _rounded(cut, whole)))
        return True
    rest = table.only(status >= 0, status == 1)
    return _branch(rest, status[status >= 0], p, search, table, control, (by, share, whole), n_sites, seed)


def _branch(
    rest: Sorted,
    status: Any,
    p: int,
    search: Search,
    table: Sorted,
    control: Control,
    aim: Any,
    n_sites: int,
    seed: int,
) -> bool:
    """Branch and exchange in turns on the sites that are left."""
    from balance_lib.optimise import interchange, lagrangian

    by, share, _ = aim
    n, m = rest.near.shape
    depth = 2 * m + 4
    stack = np.zeros((depth, m), np.int8), np.zeros((depth, n)), np.full(depth, np.inf), np.array([1])
    stack[0][0], stack[1][0], stack[2][0] = status, search.multipliers, search.bound
    within = np.isin(rest.sites, table.sites[search.is_open])
    if within.sum() != p:  # the best plan needs a site that a better one cannot have
        within = first(rest, p).is_open
    state = rest.state(within)
    at_once = max(10, min(500, TURN // (n * m * NODE_ROUNDS // 10 + 1)))
    turn = 0
    while stack[3][0] > 0:
        if control.stopped:
            break
        turn += 1
        chosen = within.copy()
        upper, nodes = lagrangian.branch(
            rest.near, rest.cost, p, by, share, search.upper, chosen, stack, at_once, NODE_ROUNDS
        )
        search.nodes += int(nodes)
        if stack[3][0] > 0:
            tried = interchange.shake(
                rest.near, rest.finite, rest.nowhere, state, rest.keep, 20 + at_once // 2, min(p, 12), seed + turn
            )
            if tried < upper:
                upper, chosen = tried, state[0].copy()
        if upper < search.upper:
            search.upper, within = float(upper), chosen
            search.is_open = np.isin(table.sites, rest.sites[chosen])
        _bound_of(stack, search, aim)
        control.tell(search.upper, search.bound, spread(table, search.is_open, n_sites))
    _bound_of(stack, search, aim)
    return bool(stack[3][0] == 0)


def _bound_of(stack: Any, search: Search, aim: Any) -> None:
    """Renew what is proven: everything below the cut stands in an open node."""
    by, share, whole = aim
    cut = search.upper - max(by, share * abs(search.upper))
    top = int(stack[3][0])
    open_nodes = float(stack[2][:top].min()) if top else np.inf
    search.bound = max(search.bound, min(search.upper, _rounded(min(cut, open_nodes), whole)))


def _rounded(bound: float, whole: bool) -> float:
    return float(np.ceil(bound - 1e-6)) if whole and np.isfinite(bound) else float(bound)


def spread(table: Sorted, is_open: Flags, n_sites: int) -> Flags:
    """Return flags over all sites of the problem."""
    flags = np.zeros(n_sites, np.bool_)
    flags[table.sites[is_open]] = True
    return flags


def finish(
    problem: Problem, table: Sorted, p: int, search: Search, control: Control, *, gap: float, ended: bool
) -> Solution:
    """Return a search as a checked solution."""
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
