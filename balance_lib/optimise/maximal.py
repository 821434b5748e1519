"""Keep p sites that reach most weight within a largest cost (MCLP).

Maximal covering (Church and ReVelle 1974) is the p-median in which a demand point costs its weight where it is not
reached and nothing where it is (Hillsman 1984); :mod:`balance_lib.optimise.median` solves it.
"""

from __future__ import annotations

import numpy as np

from balance_lib.optimise import median
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, count_reasons
from balance_lib.optimise.solution import Solution, nothing, status_of
from balance_lib.optimise.verify import WrongSolutionError


def solve(problem: Problem, p: int, control: Control, *, gap: float = 0.0) -> Solution:
    """Return the p sites that reach most weight, checked against the inputs; without a plan it says why.

    Parameters
    ----------
    problem : Problem
    p : int
    control : Control
    gap : float
        Share at which a proof is good enough; 0 proves to the end.
    """
    n, m = problem.shape
    impossible = tuple(reason for reason in count_reasons(problem, p) if reason.rule != "beyond_reach")
    if impossible:
        return nothing(n, m, "infeasible", impossible, seconds=control.seconds, method="counting", sense="max")
    within = np.isfinite(problem.cost)
    can = np.asarray(within[:, problem.may_open].any(axis=1))
    missing = Problem.of(
        np.where(within | ~can[:, None], 0.0, 1.0), weights=problem.weights, fixed_open=problem.must_open,
        fixed_closed=~problem.may_open,
    )  # fmt: skip
    found = median.solve(missing, p, control.part(control.left_s), gap=gap)
    objective = float(problem.weights[within[:, found.open].any(axis=1)].sum())
    bound = max(objective, float(problem.weights[can].sum()) - found.bound)
    if missing.in_whole_numbers:
        bound = max(objective, float(np.floor(bound + 1e-6)))
    status = status_of(objective, bound, gap, ended=not control.stopped)
    assignment = problem.nearest(found.open)
    solution = Solution(found.open, assignment, objective, bound, status, (), control.seconds, found.method, "max")
    _confirm(solution, problem, p)
    return solution


def _confirm(solution: Solution, problem: Problem, p: int) -> None:
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
