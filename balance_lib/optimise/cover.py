"""Reach demand points within a largest cost: everybody with the fewest sites (LSCP), or most with p sites (MCLP).

Location set covering (Toregas et al. 1971), N_i the sites that reach i:

    minimise    sum_j y_j
    subject to  (1) sum_{j in N_i} y_j >= 1    every demand point is reached
                (2) y_j = 1 fixed open, y_j = 0 fixed closed
                (3) y_j in {0, 1}

Maximal covering (Church and ReVelle 1974):

    maximise    sum_i w_i z_i
    subject to  (4) z_i <= sum_{j in N_i} y_j  counted only when reached
                (5) sum_j y_j = p
                (2), (3), 0 <= z_i <= 1

What cannot decide is left out first (:mod:`balance_lib.optimise.dominance`). A plan comes from a search, the bound from
the Lagrangian dual of (1) or (4) (:mod:`balance_lib.optimise.cover_dual`), which often meets it; it fixes sites that
no better plan can have otherwise, and HiGHS closes the rest of the gap. z needs no integrality: with y whole, (4) makes
it so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise import highs
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, count_reasons, unserved_reason
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Ints, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import WrongSolutionError, confirm

# Fees and, where they are whole, weights add up to whole numbers: a better plan is better by one.
ONE = 1.0 - 1e-5
# Exchanges before the bound of a set cover is asked for, and before HiGHS; disturbances of a maximal cover.
FIRST_STEPS, MORE_STEPS, SHAKES = 1000, 10_000, 60
# Rounds of the dual, and nodes branched on a maximal cover before HiGHS: where they suffice they are the faster.
DUAL_ROUNDS, NODES, NODE_ROUNDS = 400, 300, 40

Table = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Core:
    """Hold the rows and sites that decide.

    Parameters
    ----------
    reach : array of bool, shape (rows, sites left)
        Who is reached from where.
    sites : array of int
        Which sites these are.
    weights : array of float, shape (rows,)
        Summed over demand points with equal rows.
    """

    reach: Table
    sites: Ints
    weights: Floats

    @cached_property
    def links(self) -> Any:
        """Return the sites of every row, the rows of every site and the weights, as the loops take them."""
        from balance_lib.optimise.cover_search import Links

        return Links(*_lists(self.reach), *_lists(self.reach.T), self.weights)

    def missed(self, chosen: Flags) -> float:
        """Return the weight that a choice does not reach."""
        return float(self.weights[~self.reach[:, chosen].any(axis=1)].sum())

    def without(self, status: Any) -> _Core:
        """Return what is left once sites are open (1) or closed (-1) for good."""
        open_rows = ~self.reach[:, status == 1].any(axis=1)
        free = status == 0
        table, weights = _merge_equal(self.reach[open_rows][:, free], self.weights[open_rows])
        return _Core(table, self.sites[free], weights)


def _lists(table: Table) -> tuple[Any, Any]:
    row, column = np.nonzero(table)
    start = np.zeros(table.shape[0] + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=table.shape[0]), out=start[1:])
    return start, column


def fewest(problem: Problem, control: Control, *, gap: float = 0.0) -> Solution:
    """Return the fewest sites that reach everybody (LSCP).

    Parameters
    ----------
    problem : Problem
    control : Control
    gap : float
        Share at which a proof is good enough; 0 proves to the end.

    Returns
    -------
    Solution
        Checked against the inputs; without a plan it says why.
    """
    n, m = problem.shape
    problem = replace(problem, demand=None, capacity=None, min_load=None)
    if problem.unserved.size:
        reason = (unserved_reason(problem) if problem.may_open.any() else Reason("too_many", (), (), 1, 0),)
        return nothing(n, m, "infeasible", reason, seconds=control.seconds, method="counting")
    is_open, bound = least_cover(np.isfinite(problem.cost), problem.must_open, problem.may_open, control, gap=gap)
    objective = float(is_open.sum())
    bound = min(bound, objective)
    status = status_of(objective, bound, gap, ended=not control.stopped)
    solution = Solution(
        is_open,
        problem.nearest(is_open),
        objective,
        bound,
        status,
        (),
        control.seconds,
        "dominance, Lagrangian dual, HiGHS",
    )
    _confirm_count(solution, problem)
    return solution


def least_cover(
    reach: Table,
    must_open: Flags,
    may_open: Flags,
    control: Control,
    *,
    gap: float = 0.0,
    enough: int | None = None,
    quick: bool = False,
) -> tuple[Flags, float]:
    """Return few sites that reach every row, and a proven bound of the fewest.

    With ``enough``, any cover of that many sites will do, and the bound says no more than whether there is one;
    ``quick`` asks for what is known without HiGHS.

    Parameters
    ----------
    reach : array of bool, shape (rows, sites)
        Which site reaches which row.
    must_open : array of bool, shape (sites,)
    may_open : array of bool, shape (sites,)
    control : Control
    gap : float
        Share at which a proof is good enough; 0 proves to the end.
    enough : int, optional
        Any cover of so many sites will do.
    quick : bool
        Whether only what needs no HiGHS is asked.

    Returns
    -------
    (array of bool, float)
        Open sites, shape (sites,), and the bound.
    """
    left = np.logical_not(reach[:, must_open].any(axis=1))
    chosen, core = _reduced_cover(reach, left, must_open, may_open)
    fixed = float(chosen.sum())
    if not core.sites.size:
        return _at_least_one(chosen, may_open), max(fixed, 1.0)
    best, bound = _cover_core(core, control, gap, None if enough is None else int(enough - fixed), quick)
    chosen[core.sites[best]] = True
    return chosen, fixed + bound


def _reduced_cover(reach: Table, left: Flags, must_open: Flags, may_open: Flags) -> tuple[Flags, _Core]:
    """Return the sites that must open, and what is left to decide."""
    from balance_lib.optimise import dominance

    rows, sites, chosen = left.copy(), may_open & ~must_open, must_open.copy()
    dominance.thin_cover(dominance.pack(reach), dominance.pack(reach.T), rows, sites, chosen)
    sites &= reach[rows].any(axis=0)
    core = _Core(reach[rows][:, sites], np.flatnonzero(sites), np.ones(int(rows.sum())))
    return chosen, core


def _cover_core(core: _Core, control: Control, gap: float, enough: int | None, quick: bool) -> tuple[Flags, float]:
    """Return a small cover and a proven bound of the smallest; any cover of ``enough`` sites will do."""
    from balance_lib.optimise import cover_dual, cover_search

    m = core.sites.size
    best = cover_search.greedy(core.links)
    cover_search.shrink(core.links, best, FIRST_STEPS, 0 if enough is None else enough, 0)
    if enough is not None and best.sum() <= enough:
        return best, 1.0
    # Covers larger than ``enough`` are as good as none: the bound need not reach the best known.
    aim = float(best.sum() if enough is None else enough + 1)
    status, often, trial = np.zeros(m, np.int8), np.zeros(m), best.copy()
    prices = np.where(core.reach, 1.0 / core.reach.sum(axis=0), 1.0).min(axis=1)
    pace = cover_dual.Ascent(DUAL_ROUNDS, 1.5, 15)
    dual = cover_dual.ascend(core.links, 1.0, -1, status, prices, ONE, aim, trial, pace, often)
    best = trial if dual[1] < aim else best
    bound = _up(min(dual[0], dual[1] - ONE))
    if bound < dual[1]:
        cover_search.shrink(core.links, best, MORE_STEPS, int(bound) if enough is None else enough, 1)
    if quick or best.sum() <= bound + gap * best.sum() or bound >= aim or (enough is not None and best.sum() <= enough):
        return best, bound
    limit = int(best.sum()) - 1 if enough is None else enough
    found, proven = _prove_cover(core, status, limit, control, max(0.999, gap * limit), enough)
    return (best if found is None else found), max(bound, min(proven, limit + 1.0))


def _prove_cover(
    core: _Core, status: Any, limit: int, control: Control, apart: float, enough: int | None
) -> tuple[Flags | None, float]:
    """Look with HiGHS for a cover of at most ``limit`` sites among those not fixed; return it and a bound."""
    rest, n_open = core.without(status), int((status == 1).sum())
    if not rest.reach.any(axis=1).all():
        return None, np.inf
    (r, k), (row, column) = rest.reach.shape, np.nonzero(rest.reach)
    model = highs.HighsModel(np.ones(k), np.zeros(k), np.ones(k), np.ones(k, np.bool_))
    model.rows(row, column, 1.0, np.ones(r), np.inf)
    stop = None if enough is None else enough - n_open
    answer = highs.solve(model, control, apart=apart, stop_below=stop, stop_above=limit - n_open)
    bound = _up(answer.bound + n_open)
    if answer.values is None:
        return None, bound
    chosen = status == 1
    chosen[np.isin(core.sites, rest.sites[answer.values > 0.5])] = True
    return (chosen if core.missed(chosen) == 0 and chosen.sum() <= limit else None), bound


def _up(bound: float) -> float:
    return float(np.ceil(bound - 1e-6)) if np.isfinite(bound) else bound


def _at_least_one(chosen: Flags, may_open: Flags) -> Flags:
    if not chosen.any():
        chosen[np.flatnonzero(may_open)[0]] = True
    return chosen


def most(problem: Problem, p: int, control: Control, *, gap: float = 0.0) -> Solution:
    """Return the p sites that reach most weight (MCLP).

    Parameters
    ----------
    problem : Problem
    p : int
    control : Control
    gap : float
        Share at which a proof is good enough; 0 proves to the end.

    Returns
    -------
    Solution
        Checked against the inputs; without a plan it says why.
    """
    n, m = problem.shape
    impossible = tuple(reason for reason in count_reasons(problem, p) if reason.rule != "beyond_reach")
    if impossible:
        return nothing(n, m, "infeasible", impossible, seconds=control.seconds, method="counting", sense="max")
    reach = np.isfinite(problem.cost)
    is_open, missed = _most(reach, problem, p, control, gap)
    covered = reach[:, is_open].any(axis=1)
    objective = float(problem.weights[covered].sum())
    bound = max(objective, float(problem.weights.sum()) - missed)
    if np.all(problem.weights == np.round(problem.weights)):
        bound = max(objective, float(np.floor(bound + 1e-6)))
    status = status_of(objective, bound, gap, ended=not control.stopped)
    solution = Solution(
        is_open,
        problem.nearest(is_open),
        objective,
        bound,
        status,
        (),
        control.seconds,
        "exchange, Lagrangian dual, HiGHS",
        "max",
    )
    _confirm_most(solution, problem, p)
    return solution


def _most(reach: npt.NDArray[np.bool_], problem: Problem, p: int, control: Control, gap: float) -> tuple[Flags, float]:
    """Return p sites, and a proven least weight that any p sites miss."""
    must = problem.must_open
    asked = ~reach[:, must].any(axis=1) & (problem.weights > 0)
    chosen = must.copy()
    wanted = p - int(must.sum())
    never = float(problem.weights[asked & ~reach[:, problem.may_open].any(axis=1)].sum())
    asked &= reach[:, problem.may_open].any(axis=1)
    if not asked.any() or wanted == 0:
        missed = float(problem.weights[asked].sum())
        return with_spare(chosen, problem, p), never + missed
    core = _reduced_most(reach[asked], problem.may_open & ~must, problem.weights[asked])
    values, bound = _most_of_core(core, wanted, control, gap)
    chosen[core.sites[values]] = True
    return with_spare(chosen, problem, p), never + max(0.0, bound)


def _reduced_most(reach: Table, may_open: Flags, weights: Floats) -> _Core:
    """Leave out sites that reach nothing but what another one reaches; rows that are equal become one."""
    from balance_lib.optimise import dominance

    reach, weights = _merge_equal(reach, weights)
    stay = may_open.copy()
    dominance.thin_sites(dominance.pack(reach.T), reach.shape[0], stay)
    reach, weights = _merge_equal(reach[:, stay], weights)
    return _Core(reach, np.flatnonzero(stay), weights)


def _most_of_core(core: _Core, p: int, control: Control, gap: float) -> tuple[Flags, float]:
    """Return the p sites that miss least, and a proven bound of what is missed."""
    from balance_lib.optimise import cover_dual, cover_search

    m = core.sites.size
    if p >= m:
        return np.ones(m, np.bool_), 0.0
    best, whole = np.zeros(m, np.bool_), bool(np.all(core.weights == np.round(core.weights)))
    upper = cover_search.shake(core.links, p, best, SHAKES, min(p, 8), 0)
    by = max(ONE if whole else 0.0, max(gap, PROVEN_GAP / 2) * (core.weights.sum() - upper))
    status, often = np.zeros(m, np.int8), np.zeros(m)
    prices = core.weights * np.array([1.0, 0.5, 0.0])[core.reach[:, best].sum(axis=1).clip(0, 2)]
    pace = cover_dual.Ascent(DUAL_ROUNDS, 1.5, 12)
    bound, upper = cover_dual.ascend(core.links, 0.0, p, status, prices, by, upper, best, pace, often)
    fixed, closed = status.copy(), bound >= upper - by
    if not closed:
        stack = _stack(status, prices, bound)
        for _ in range(NODES // 50):
            if stack.top[0] == 0 or control.stopped:
                break
            upper = cover_dual.branch(core.links, p, by, upper, best, stack, 50, NODE_ROUNDS)
        closed = stack.top[0] == 0
        bound = max(bound, stack.bounds[: stack.top[0]].min(initial=np.inf))
    if not closed:
        found, proven = _prove_most(core, fixed, p, best, control, gap, 0.999 if whole else 1e-9)
        best = found if core.missed(found) < core.missed(best) else best
        upper, bound = core.missed(best), max(bound, proven)
    proven = min(bound, upper - by)
    return best, _up(proven) if whole else proven


def _stack(status: Any, prices: Floats, bound: float) -> Any:
    """Return the open nodes of a search that begins: its root."""
    from balance_lib.optimise.cover_dual import OpenNodes

    depth = 2 * status.size + 4
    stack = OpenNodes(
        np.zeros((depth, status.size), np.int8), np.zeros((depth, prices.size)), np.full(depth, np.inf),
        np.ones(1, np.int64),
    )  # fmt: skip
    stack.status[0], stack.u[0], stack.bounds[0] = status, prices, bound
    return stack


def _prove_most(
    core: _Core, status: Any, p: int, best: Flags, control: Control, gap: float, apart: float
) -> tuple[Flags, float]:
    """Hand HiGHS the sites not fixed; return its choice and its bound of what is missed."""
    rest, chosen = core.without(status), status == 1
    r, k = rest.reach.shape
    row, column = np.nonzero(rest.reach)
    rows = np.arange(r)  # reached, or missed: column k + row
    model = highs.HighsModel(
        np.concatenate((np.zeros(k), rest.weights)), np.zeros(k + r), np.ones(k + r), np.arange(k + r) < k
    )
    model.rows(np.concatenate((row, rows)), np.concatenate((column, k + rows)), 1.0, np.ones(r), np.inf)
    model.rows(np.zeros(k), np.arange(k), 1.0, [-np.inf], p - int(chosen.sum()))
    known = best[status == 0] if not best[status == -1].any() and best[status == 1].all() else np.zeros(k, np.bool_)
    start = np.concatenate((known, ~rest.reach[:, known].any(axis=1))).astype(float)
    answer = highs.solve(model, control, gap=gap, apart=apart, start=start)
    if answer.values is not None:
        chosen[np.isin(core.sites, rest.sites[answer.values[:k] > 0.5])] = True
    return (chosen if answer.values is not None and chosen.sum() <= p else best), answer.bound


def with_spare(chosen: Flags, problem: Problem, p: int) -> Flags:
    """Open further sites, the first of those allowed, until p are open: they reach nobody new.

    Parameters
    ----------
    chosen : array of bool, shape (sites,)
        Changed in place.
    problem : Problem
    p : int

    Returns
    -------
    array of bool, shape (sites,)
        The same array.
    """
    spare = np.flatnonzero(problem.may_open & ~chosen)[: p - int(chosen.sum())]
    chosen[spare] = True
    return chosen


def _merge_equal(table: npt.NDArray[np.bool_], weights: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
    packed = np.ascontiguousarray(np.packbits(table, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return table[first], np.bincount(which, weights=weights, minlength=first.size).astype(float)


def _confirm_count(solution: Solution, problem: Problem) -> None:
    """Check a cover: everybody reached, the count right, the bound on its side."""
    if solution.objective != solution.open.sum():
        raise WrongSolutionError(f"{solution.open.sum()} sites open, {solution.objective} told")
    as_median = Solution(
        solution.open, solution.assignment, problem.value(solution.assignment), float("-inf"), "feasible"
    )
    confirm(as_median, problem)
    if solution.bound > solution.objective:
        raise WrongSolutionError(f"bound {solution.bound} above {solution.objective}")


def _confirm_most(solution: Solution, problem: Problem, p: int) -> None:
    """Check a maximal cover: p sites, the weight recomputed from the costs, the bound on its side."""
    told = solution.assignment >= 0
    paid = problem.reachable[np.flatnonzero(told), solution.assignment[told]]
    wrong = []
    if solution.open.sum() != p or np.any(solution.open & ~problem.may_open):
        wrong.append(f"{solution.open.sum()} sites open, {p} asked for")
    if np.any(problem.must_open & ~solution.open) or not solution.open[solution.assignment[told]].all():
        wrong.append("served from a closed site, or a fixed one closed")
    if np.any(paid > problem.max_cost) or not np.isclose(solution.objective, problem.weights[told].sum(), rtol=1e-9):
        wrong.append(f"objective {solution.objective}, recomputed {problem.weights[told].sum()}")
    if solution.bound < solution.objective * (1 - 1e-9):
        wrong.append(f"bound {solution.bound} below {solution.objective}")
    if wrong:
        raise WrongSolutionError("; ".join(wrong))
