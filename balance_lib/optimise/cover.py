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

Before solving, rows that another row implies and sites that another site outdoes are left out; both are exact. z needs
no integrality: with y whole, (4) makes it so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from balance_lib.optimise import highs
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import Flags, Floats, Ints, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import WrongSolutionError, confirm

# Branching proves most maximal covers in this time; HiGHS gets those it does not.
QUICK_S = 0.25


@dataclass(frozen=True, eq=False)
class Reduced:
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

    reach: npt.NDArray[np.bool_]
    sites: Ints
    weights: Floats


def fewest(problem: Problem, control: Control, *, gap: float = 0.0) -> Solution:
    """Return the fewest sites that reach everybody (LSCP)."""
    from balance_lib.optimise.median import unserved_reason

    n, m = problem.shape
    problem = replace(problem, demand=None, capacity=None, min_load=None)
    if problem.unserved.size:
        reason = (unserved_reason(problem) if problem.may_open.any() else Reason("too_many", (), (), 1, 0),)
        return nothing(n, m, "infeasible", reason, seconds=control.seconds, method="counting")
    is_open, bound = least_cover(np.isfinite(problem.cost), problem.must_open, problem.may_open, control, gap=gap)
    if is_open is None:
        return nothing(n, m, "stopped", seconds=control.seconds, bound=bound)
    objective = float(is_open.sum())
    bound = min(bound, objective)
    status = status_of(objective, bound, gap, ended=not control.stopped)
    solution = Solution(
        is_open, problem.nearest(is_open), objective, bound, status, (), control.seconds, "dominance, HiGHS"
    )
    _confirm_count(solution, problem)
    return solution


def least_cover(
    reach: npt.NDArray[np.bool_],
    must_open: Flags,
    may_open: Flags,
    control: Control,
    *,
    gap: float = 0.0,
    enough: int | None = None,
) -> tuple[Flags | None, float]:
    """Return the fewest sites that reach every row, and a proven bound of their number.

    With ``enough``, any cover of that many sites will do.
    """
    chosen = must_open.copy()
    left = ~reach[:, must_open].any(axis=1)
    fixed = float(must_open.sum())
    if not left.any():
        return _at_least_one(chosen, may_open), max(fixed, 1.0)
    small = reduce(reach[left], may_open & ~must_open, np.ones(int(left.sum())), rows_too=True)
    quick = greedy(small.reach)
    if enough is not None and quick.sum() + fixed <= enough:
        chosen[small.sites[quick]] = True
        return chosen, fixed + 1.0
    best, bound = _prove_cover(small.reach, quick, control, gap, None if enough is None else int(enough - fixed))
    chosen[small.sites[best]] = True
    return chosen, fixed + bound


def _prove_cover(
    reach: npt.NDArray[np.bool_], quick: Flags, control: Control, gap: float, enough: int | None
) -> tuple[Flags, float]:
    """Return the smallest cover and a proven bound of its size; any cover of ``enough`` sites will do."""
    r, k = reach.shape
    row, column = np.nonzero(reach)
    model = highs.Model(np.ones(k), np.zeros(k), np.ones(k), np.ones(k, np.bool_))
    model.rows(row, column, 1.0, np.ones(r), np.inf)
    answer = highs.solve(
        model, control, gap=gap, apart=0.999, start=quick.astype(float), stop_below=enough, stop_above=enough
    )
    best = quick if answer.values is None else answer.values > 0.5
    if best.sum() > quick.sum() or not reach[:, best].any(axis=1).all():
        best = quick
    bound = float(enough + 1) if answer.infeasible and enough is not None else max(answer.bound, 1.0)
    return best, float(np.ceil(bound - 1e-6))


def _at_least_one(chosen: Flags, may_open: Flags) -> Flags:
    if not chosen.any():
        chosen[np.flatnonzero(may_open)[0]] = True
    return chosen


def greedy(reach: npt.NDArray[np.bool_]) -> Flags:
    """Return a cover: the site that reaches most of those left, again and again; then without those not needed."""
    chosen = np.zeros(reach.shape[1], np.bool_)
    table = reach.astype(np.float32)
    left = np.ones(reach.shape[0], np.float32)
    while left.any():
        best = int((left @ table).argmax())
        chosen[best] = True
        left[reach[:, best]] = 0
    times = reach[:, chosen].sum(axis=1)
    for j in np.flatnonzero(chosen):
        if np.all(times[reach[:, j]] > 1):
            chosen[j] = False
            times -= reach[:, j]
    return chosen


def most(problem: Problem, p: int, control: Control, *, gap: float = 0.0) -> Solution:
    """Return the p sites that reach most weight (MCLP)."""
    from balance_lib.optimise.median import count_reasons

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
        "dominance, Lagrangian dual, branching",
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
        return _with_spare(chosen, problem, p), never + missed
    small = reduce(reach[asked], problem.may_open & ~must, problem.weights[asked], rows_too=False)
    values, bound = _solve_most(small, wanted, control, gap)
    chosen[small.sites[values]] = True
    return _with_spare(chosen, problem, p), never + max(0.0, bound)


def _solve_most(small: Reduced, wanted: int, control: Control, gap: float) -> tuple[Flags, float]:
    """Solve as a p-median: reached costs nothing; one more site, always open, takes who is missed at full weight."""
    from balance_lib.optimise import median

    r, k = small.reach.shape
    if wanted >= k:
        return np.ones(k, np.bool_), 0.0
    cost = np.concatenate((np.where(small.reach, 0.0, np.inf), small.weights[:, None]), axis=1)
    table = median.Sorted.of_costs(cost, np.arange(k + 1), np.arange(k + 1) == k)
    search = median.first(table, wanted + 1)
    whole = bool(np.all(small.weights == np.round(small.weights)))
    if median.prove(table, wanted + 1, search, control.part(QUICK_S), gap=gap, whole=whole, n_sites=k + 1):
        return search.is_open[:k].copy(), search.bound
    model = highs.Model(
        np.concatenate((np.zeros(k), small.weights)), np.zeros(k + r), np.ones(k + r), np.arange(k + r) < k
    )
    row, column = np.nonzero(small.reach)
    rows = np.arange(r)  # reached, or missed: column k + row
    model.rows(np.concatenate((row, rows)), np.concatenate((column, k + rows)), 1.0, np.ones(r), np.inf)
    model.rows(np.zeros(k), np.arange(k), 1.0, [-np.inf], wanted)
    known = search.is_open[:k]
    missed = (~small.reach[:, known].any(axis=1)).astype(float)
    answer = highs.solve(model, control, gap=gap, start=np.concatenate((known.astype(float), missed)))
    better = known if answer.values is None else answer.values[:k] > 0.5
    lost = [float(small.weights[~small.reach[:, plan].any(axis=1)].sum()) for plan in (known, better)]
    return (better if lost[1] < lost[0] and better.sum() <= wanted else known), max(answer.bound, search.bound)


def _with_spare(chosen: Flags, problem: Problem, p: int) -> Flags:
    """Open further sites, the first of those allowed, until p are open: they reach nobody new."""
    spare = np.flatnonzero(problem.may_open & ~chosen)[: p - int(chosen.sum())]
    chosen[spare] = True
    return chosen


def reduce(reach: npt.NDArray[np.bool_], may_open: Flags, weights: Floats, *, rows_too: bool) -> Reduced:
    """Leave out what cannot decide.

    A site is left out when another one reaches all it reaches. Equal rows become one. With ``rows_too`` (set
    covering) a row is left out when another row's sites are all among its own: reaching that one reaches this one.
    """
    sites = np.flatnonzero(may_open)
    table = reach[:, sites]
    while True:
        table, weights = _merge_equal(table, weights)
        before = table.shape
        if rows_too:
            stay = _undominated(~table)
            table, weights = table[stay], weights[stay]
        stay = _undominated(table.T)
        table, sites = table[:, stay], sites[stay]
        if table.shape == before:
            return Reduced(table, sites, weights)


def _merge_equal(table: npt.NDArray[np.bool_], weights: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
    packed = np.ascontiguousarray(np.packbits(table, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return table[first], np.bincount(which, weights=weights, minlength=first.size).astype(float)


def _undominated(sets: npt.NDArray[np.bool_]) -> Flags:
    """Tell which rows, as sets, lie in no other row's set; of equal ones the first stays."""
    numbers = sets.astype(np.float32)
    size = numbers.sum(axis=1)
    within = (numbers @ numbers.T) >= size[:, None] - 0.5  # [a, b]: a lies in b
    equal = within & within.T
    order = np.arange(size.size)
    beaten = within & (~equal | (order[:, None] > order[None, :]))
    np.fill_diagonal(beaten, False)
    return ~beaten.any(axis=1)


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
