"""Send every point to its nearest open site, whatever the places."""

from __future__ import annotations

from typing import Any

import numpy as np

from balance_lib.optimise.allocation.problem import AllocationProblem
from balance_lib.optimise.allocation.result import Allocation, build, check


def nearest(cost: Any, demand: Any = None, *, is_open: Any = None) -> Allocation:
    r"""Send every point to its nearest open site.

    .. math:: \min \sum_{ij} w_i c_{ij} x_{ij} \quad\text{s.t.}\quad \sum_j x_{ij} = 1, \; x_{ij} \in \{0, 1\}

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Cost per pupil, zero or more, any unit; NaN or infinite where there is no way.
    demand : array of float, shape (points,) or (points, kinds), optional
        Pupils; one a point by default.
    is_open : array of bool, shape (sites,), optional
        All by default.

    Returns
    -------
    Allocation
        Of equals the first site.

    Raises
    ------
    ValueError
        If the arrays do not fit together.

    Examples
    --------
    >>> nearest([[3.0, 1.0], [2.0, 2.0]], [10, 5]).site.tolist()
    [1, 0]
    """
    problem = AllocationProblem.of(cost, demand, None, is_open)
    found = assign_nearest(problem)
    check(found, problem)
    return found


def assign_nearest(problem: AllocationProblem, method: Any = "nearest") -> Allocation:
    """Send every point of a problem to its nearest open site.

    Parameters
    ----------
    problem : AllocationProblem
        Its places are not looked at.
    method : {"nearest", "zoned", "transport"}
        What the allocation says it was made by.
    """
    pupils = problem.pupils
    points = np.flatnonzero(problem.reachable & (pupils > 0))
    sites = problem.cost[points].argmin(axis=1) if len(points) else points
    left_out = float(pupils.sum() - pupils[points].sum())
    objective = float(pupils[points] @ problem.cost[points, sites])
    return build(
        problem, method, "infeasible" if left_out > 0 else "optimal", (points, sites, pupils[points]),
        bound=objective, overflow_bound=left_out, reasons=lost_reasons(problem),
    )  # fmt: skip


def lost_reasons(problem: AllocationProblem) -> list[str]:
    """Say why points reach no site: none is open, or none is theirs."""
    lost = (problem.pupils > 0) & ~problem.reachable
    if not lost.any():
        return []
    return ["unreachable"] if problem.is_open.any() else ["no_site"]
