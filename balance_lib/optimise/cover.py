"""Reach every demand point within a largest cost with the fewest sites (LSCP).

Location set covering (Toregas et al. 1971), N_i the sites that reach i:

    minimise    sum_j y_j
    subject to  (1) sum_{j in N_i} y_j >= 1    every demand point is reached
                (2) y_j = 1 fixed open, y_j = 0 fixed closed
                (3) y_j in {0, 1}

What cannot decide is left out first (:mod:`balance_lib.optimise.dominance`). A plan comes from a search, the bound from
the Lagrangian dual of (1) (:mod:`balance_lib.optimise.cover_dual`), which often meets it; it fixes sites that
no better plan can have otherwise, and HiGHS closes the rest of the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise import highs
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, unserved_reason
from balance_lib.optimise.solution import Flags, Floats, Ints, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import WrongSolutionError, confirm

# A better plan is better by one site.
ONE = 1.0 - 1e-5
# Exchanges before the bound is asked for, and before HiGHS; rounds of the dual.
FIRST_STEPS, MORE_STEPS, DUAL_ROUNDS = 1000, 10_000, 400

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
    status, trial = np.zeros(m, np.int8), best.copy()
    prices = np.where(core.reach, 1.0 / core.reach.sum(axis=0), 1.0).min(axis=1)
    pace = cover_dual.Ascent(DUAL_ROUNDS, 1.5, 15)
    dual = cover_dual.ascend(core.links, status, prices, ONE, aim, trial, pace)
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
