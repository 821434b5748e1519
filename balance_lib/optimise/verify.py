"""Check a solution against the inputs, recomputing everything: no figure of a solver is taken on trust."""

from __future__ import annotations

import numpy as np

from balance_lib._errors import BalanceError
from balance_lib.optimise.problem import Problem, loads_of
from balance_lib.optimise.solution import PROVEN_GAP, Solution, optimality_gap

# Sums over thousands of floats in another order differ by this share at most.
ROUNDING = 1e-9


class WrongSolutionError(BalanceError, AssertionError):
    """A solution that does not keep what it was asked to keep: a mistake of this package, never of the data."""


def faults(solution: Solution, problem: Problem, *, p: int | None = None, at_most: bool = False) -> list[str]:
    """Return everything wrong with a p-median solution, in plain words; empty when it is right.

    Parameters
    ----------
    solution : Solution
        What is checked.
    problem : Problem
        The inputs.
    p : int, optional
        Sites that must be open; not checked without it.
    at_most : bool
        Whether fewer than p will do.
    """
    if not solution.found:
        return _without_plan(solution)
    return [
        *_sites(solution, problem, p, at_most),
        *_service(solution, problem),
        *_loads(solution, problem),
        *_figures(solution, float(problem.value(solution.assignment))),
    ]


def confirm(solution: Solution, problem: Problem, *, p: int | None = None, at_most: bool = False) -> Solution:
    """Return the solution when it is right.

    Parameters
    ----------
    solution : Solution
    problem : Problem
    p : int, optional
        Sites that must be open; not checked without it.
    at_most : bool
        Whether fewer than p will do.

    Returns
    -------
    Solution
        The same object.

    Raises
    ------
    WrongSolutionError
        When it is not.
    """
    found = faults(solution, problem, p=p, at_most=at_most)
    if found:
        raise WrongSolutionError("; ".join(found))
    return solution


def _without_plan(solution: Solution) -> list[str]:
    if solution.status not in ("infeasible", "stopped"):
        return [f"status {solution.status} without a plan"]
    if solution.open.any() or np.any(solution.assignment >= 0):
        return ["sites or assignments without a plan"]
    if solution.status == "infeasible" and not solution.reasons:
        return ["infeasible without a reason"]
    return []


def _sites(solution: Solution, problem: Problem, p: int | None, at_most: bool) -> list[str]:
    n_open = int(solution.open.sum())
    wrong = []
    if p is not None and (n_open > p or (n_open < p and not at_most)):
        wrong.append(f"{n_open} sites open, {p} asked for")
    if np.any(problem.must_open & ~solution.open):
        wrong.append(f"fixed open but closed: {np.flatnonzero(problem.must_open & ~solution.open).tolist()}")
    if np.any(solution.open & ~problem.may_open):
        wrong.append(f"fixed closed but open: {np.flatnonzero(solution.open & ~problem.may_open).tolist()}")
    return wrong


def _service(solution: Solution, problem: Problem) -> list[str]:
    site = solution.assignment
    n, m = problem.shape
    if site.shape != (n,) or np.any((site < 0) | (site >= m)):
        return [f"not served: {np.flatnonzero((site < 0) | (site >= m)).tolist()}"]
    wrong = []
    if not solution.open[site].all():
        wrong.append(f"served from a closed site: {np.flatnonzero(~solution.open[site]).tolist()}")
    paid = problem.reachable[np.arange(n), site]
    far = ~np.isfinite(paid) | (paid > problem.max_cost)
    if far.any():
        wrong.append(f"served beyond what is allowed or reachable: {np.flatnonzero(far).tolist()}")
    return wrong


def _loads(solution: Solution, problem: Problem) -> list[str]:
    if problem.demand is None or problem.capacity is None or problem.min_load is None:
        return []
    m, site, is_open = problem.shape[1], solution.assignment.clip(0), solution.open
    load = loads_of(problem.demand, site, m)
    room = ROUNDING * max(1.0, float(problem.demand.sum()))
    over = (load > problem.capacity + room).any(axis=1)
    small = is_open & (load.sum(axis=1) < problem.min_load - room)
    told = {
        "over capacity": np.flatnonzero(over).tolist(),
        "under the least load": np.flatnonzero(small).tolist(),
    }
    return [f"{wrong}: {at}" for wrong, at in told.items() if at]


def _figures(solution: Solution, value: float) -> list[str]:
    wrong = []
    room = ROUNDING * max(1.0, abs(value))
    if not abs(solution.objective - value) <= room:
        wrong.append(f"objective {solution.objective}, recomputed {value}")
    better = solution.bound - solution.objective if solution.sense == "min" else solution.objective - solution.bound
    if better > room:
        wrong.append(f"bound {solution.bound} on the wrong side of {solution.objective}")
    if solution.status == "optimal" and not optimality_gap(solution.objective, solution.bound) <= PROVEN_GAP:
        wrong.append(f"called optimal with bound {solution.bound} and objective {solution.objective}")
    return wrong
