"""Place pupils at least cost where places are limited; a point's pupils may go to several sites."""

from __future__ import annotations

from typing import Any

import numpy as np

from balance_lib.optimise.allocation.nearest_site import assign_nearest, lost_reasons
from balance_lib.optimise.allocation.problem import AllocationProblem, Floats, Ints
from balance_lib.optimise.allocation.result import Allocation, build, check, lower_bound


def transport(cost: Any, demand: Any, capacity: Any, *, is_open: Any = None) -> Allocation:
    r"""Solve the transport problem exactly: first as many pupils placed as can be, then at least cost.

    .. math::
        \min \; & \sum_{ij} c_{ij} f_{ij} + M \sum_i o_i \\
        (1)\; & \sum_j f_{ij} + o_i = d_i \\
        (2)\; & \sum_i f_{ij} \le K_j \\
        (3)\; & f_{ij}, o_i \ge 0, \quad f_{ij} = 0 \text{ without a way}

    with M above the cost of any chain of moves, so that nobody stays out to save others a walk. Successive shortest
    paths on the graph of sites (:mod:`balance_lib.optimise.allocation.kernel`); the prices found prove the answer.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Cost per pupil, zero or more, any unit; NaN or infinite where there is no way.
    demand : array of float, shape (points,)
        Pupils, zero or more; need not be whole.
    capacity : array of float, shape (sites,)
        Places, zero or more; infinite: no limit.
    is_open : array of bool, shape (sites,), optional
        All by default.

    Returns
    -------
    Allocation
        The same arrays always give the same answer.

    Raises
    ------
    ValueError
        If the arrays do not fit together.

    References
    ----------
    R. K. Ahuja, T. L. Magnanti, J. B. Orlin, *Network Flows* (1993), 9.7.

    Examples
    --------
    Both villages are nearer to the first school, which has 12 places.

    >>> found = transport([[1.0, 5.0], [1.0, 2.0]], [10, 10], [12, 20])
    >>> [(int(i), int(j), float(a)) for i, j, a in zip(found.points, found.sites, found.amounts)]
    [(0, 0, 10.0), (1, 0, 2.0), (1, 1, 8.0)]
    """
    problem = AllocationProblem.of(cost, demand, capacity, is_open)
    if not problem.flat:
        raise ValueError("transport places one kind of pupils at a time; zoned takes several")
    found = _solve_transport(problem)
    check(found, problem)
    return found


def _solve_transport(problem: AllocationProblem) -> Allocation:
    """Solve the transport problem of one kind of pupils."""
    rows = np.flatnonzero(problem.reachable & (problem.pupils > 0))
    columns = np.flatnonzero(problem.is_open)
    if not np.isfinite(problem.capacity).any() or not len(rows):
        return assign_nearest(problem, "transport")
    from balance_lib.optimise.allocation import kernel  # compiled: imported when first needed

    costs, going_without = with_no_place(problem.cost[np.ix_(rows, columns)])
    places = np.append(problem.capacity[columns, 0], np.inf)
    points, sites, amounts, price = kernel.ship(costs, problem.pupils[rows], places, problem.tolerance)
    placed = sites < len(columns)
    prices = np.zeros((len(problem.capacity), 1))
    prices[columns, 0] = price[:-1]
    flows = rows[points[placed]], columns[sites[placed]], amounts[placed]
    return _told(problem, flows, prices, going_without)


def with_no_place(cost: Floats) -> tuple[Floats, float]:
    """Add a last site, "no place", dearer than any chain of moves between sites; return the costs and its price."""
    finite = cost[np.isfinite(cost)]
    spread = float(finite.max() - finite.min()) if finite.size else 0.0
    price = float(finite.max(initial=0.0)) + (cost.shape[1] + 2) * spread + 1.0
    return np.column_stack([cost, np.full(len(cost), price)]), price


def _told(
    problem: AllocationProblem, flows: tuple[Ints, Ints, Floats], prices: Floats, going_without: float
) -> Allocation:
    lost = float(problem.pupils[~problem.reachable].sum())
    shortfall = max(0.0, float(problem.pupils.sum() - lost - flows[2].sum()))
    shortfall = shortfall if shortfall > problem.tolerance else 0.0
    return build(
        problem, "transport", "infeasible" if shortfall + lost > 0 else "optimal", flows,
        bound=lower_bound(problem, prices, going_without, shortfall), overflow_bound=shortfall + lost, prices=prices,
        overflow_price=going_without, reasons=[*lost_reasons(problem), *short_reasons(problem, shortfall)],
    )  # fmt: skip


def short_reasons(problem: AllocationProblem, shortfall: float) -> list[str]:
    """Say why pupils who reach a site have no place.

    Parameters
    ----------
    problem : AllocationProblem
    shortfall : float
        Pupils who reach a site and have no place.

    Returns
    -------
    list of str
        ``places_short``, ``places_out_of_reach``, or both.
    """
    if shortfall <= problem.tolerance:
        return []
    missing = problem.demand[problem.reachable].sum(axis=0) - problem.capacity.sum(axis=0)
    short = float(np.clip(missing, 0.0, None).sum())
    codes = ["places_short"] if short > problem.tolerance else []
    return codes if shortfall <= short + problem.tolerance else [*codes, "places_out_of_reach"]
