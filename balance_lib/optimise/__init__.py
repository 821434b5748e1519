"""Choose which schools to keep: location problems on bare matrices, each answer with a proven bound.

``cost`` is always (demand points × sites), any unit; NaN or infinite is unreachable. ``weights`` multiply cost in the
objective, ``demand`` loads capacity. Importing this room is cheap: compiled loops and HiGHS load with the first solve.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from balance_lib.optimise.background import Running, start
from balance_lib.optimise.control import Control, Progress
from balance_lib.optimise.curve import Frontier, frontier
from balance_lib.optimise.instances import Instance, read_pmed, read_pmedcap
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import PROVEN_GAP, Reason, Solution, optimality_gap
from balance_lib.optimise.verify import WrongSolutionError, faults

__all__ = [
    "PROVEN_GAP",
    "Frontier",
    "Instance",
    "Problem",
    "Progress",
    "Reason",
    "Running",
    "Solution",
    "WrongSolutionError",
    "faults",
    "frontier",
    "maximal_covering",
    "optimality_gap",
    "p_center",
    "p_median",
    "read_pmed",
    "read_pmedcap",
    "set_covering",
    "start",
    "warm_up",
]


def p_median(  # noqa: PLR0913 (what people type)
    cost: npt.ArrayLike,
    p: int,
    *,
    weights: npt.ArrayLike | None = None,
    capacity: npt.ArrayLike | None = None,
    demand: npt.ArrayLike | None = None,
    min_load: npt.ArrayLike | None = None,
    max_cost: float | None = None,
    fixed_open: npt.ArrayLike | None = None,
    fixed_closed: npt.ArrayLike | None = None,
    time_limit_s: float = 60.0,
    gap: float = 0.0,
    progress: Any = None,
    cancel: Any = None,
    seed: int = 0,
) -> Solution:
    """Keep p sites so that everybody is served at least cost.

    The model with numbered constraints stands in :mod:`balance_lib.optimise.median`; with ``capacity`` or ``min_load``
    in :mod:`balance_lib.optimise.capacitated` (a demand point then goes whole to one site, not always the nearest).

    Parameters
    ----------
    cost : array, shape (points, sites)
        Cost of serving a demand point from a site.
    p : int
        Sites to keep.
    weights : array, shape (points,), optional
        Multiply cost in the objective; 1 without.
    capacity, min_load : number or array, shape (sites,), optional
        Places, and least load, of an open site.
    demand : array, shape (points,), optional
        Load of each demand point; needed with ``capacity`` or ``min_load``.
    max_cost : float, optional
        Nobody may be served at a larger cost.
    fixed_open, fixed_closed : flags (sites,) or indexes, optional
        Sites that must, or must not, be open.
    time_limit_s : float
        Wall seconds; then the best plan so far comes back with its honest gap.
    gap : float
        Share at which a proof is good enough; 0 proves to the end.
    progress : callable, optional
        Called with :class:`Progress` (seconds, objective, bound, open), from the thread that computes.
    cancel : threading.Event or alike, optional
        Stops the search when set.
    seed : int
        Of the search; the same seed and no time limit reached gives the same answer.

    Returns
    -------
    Solution
        Checked against the inputs.

    Raises
    ------
    ValueError
        With every fault of the inputs.

    Examples
    --------
    >>> from balance_lib import optimise
    >>> found = optimise.p_median([[0, 6, 9], [4, 0, 5], [9, 5, 0]], 2)
    >>> found.open.tolist(), found.objective, found.status
    ([True, False, True], 4.0, 'optimal')
    """
    from balance_lib.optimise import capacitated, median

    control = Control(time_limit_s, progress, cancel)
    problem = Problem.of(
        cost,
        weights=weights,
        capacity=capacity,
        demand=demand,
        min_load=min_load,
        max_cost=max_cost,
        fixed_open=fixed_open,
        fixed_closed=fixed_closed,
    )
    room = median if problem.demand is None else capacitated
    return room.solve(problem, int(p), control, gap=gap, seed=seed)


def p_center(
    cost: npt.ArrayLike,
    p: int,
    *,
    max_cost: float | None = None,
    fixed_open: npt.ArrayLike | None = None,
    fixed_closed: npt.ArrayLike | None = None,
    time_limit_s: float = 60.0,
    progress: Any = None,
    cancel: Any = None,
) -> Solution:
    """Keep p sites so that the farthest demand point is as near as can be (:mod:`balance_lib.optimise.center`).

    Parameters
    ----------
    cost : array, shape (points, sites)
        Cost of serving a demand point from a site; NaN or infinite where unreachable.
    p : int
        Sites that are open.
    max_cost : float, optional
        Nobody may be served at a larger cost.
    fixed_open : flags (sites,) or indexes, optional
        Sites that must be open.
    fixed_closed : flags (sites,) or indexes, optional
        Sites that must not be open.
    time_limit_s : float
        Wall seconds; then the best plan so far comes back with its honest gap.
    progress : callable, optional
        Called with :class:`Progress`.
    cancel : threading.Event or alike, optional
        Stops the search when set.

    Returns
    -------
    Solution
        ``objective`` is the largest cost anybody pays.
    """
    from balance_lib.optimise import center

    problem = Problem.of(cost, max_cost=max_cost, fixed_open=fixed_open, fixed_closed=fixed_closed)
    return center.solve(problem, int(p), Control(time_limit_s, progress, cancel))


def set_covering(
    cost: npt.ArrayLike,
    max_cost: float,
    *,
    fixed_open: npt.ArrayLike | None = None,
    fixed_closed: npt.ArrayLike | None = None,
    time_limit_s: float = 60.0,
    gap: float = 0.0,
    progress: Any = None,
    cancel: Any = None,
) -> Solution:
    """Keep the fewest sites that reach everybody within ``max_cost`` (LSCP, :mod:`balance_lib.optimise.cover`).

    Parameters
    ----------
    cost : array, shape (points, sites)
        Cost of serving a demand point from a site; NaN or infinite where unreachable.
    max_cost : float
        Everybody is served at no larger cost.
    fixed_open : flags (sites,) or indexes, optional
        Sites that must be open.
    fixed_closed : flags (sites,) or indexes, optional
        Sites that must not be open.
    time_limit_s : float
        Wall seconds; then the best plan so far comes back with its honest gap.
    gap : float
        Share at which a proof is good enough; 0 proves to the end.
    progress : callable, optional
        Called with :class:`Progress`.
    cancel : threading.Event or alike, optional
        Stops the search when set.

    Returns
    -------
    Solution
        ``objective`` is the number of open sites.
    """
    from balance_lib.optimise import cover

    problem = Problem.of(cost, max_cost=max_cost, fixed_open=fixed_open, fixed_closed=fixed_closed)
    return cover.fewest(problem, Control(time_limit_s, progress, cancel), gap=gap)


def maximal_covering(
    cost: npt.ArrayLike,
    p: int,
    max_cost: float,
    *,
    weights: npt.ArrayLike | None = None,
    fixed_open: npt.ArrayLike | None = None,
    fixed_closed: npt.ArrayLike | None = None,
    time_limit_s: float = 60.0,
    gap: float = 0.0,
    progress: Any = None,
    cancel: Any = None,
) -> Solution:
    """Keep p sites that reach most weight within ``max_cost`` (MCLP, :mod:`balance_lib.optimise.maximal`).

    A demand point that is not reached has assignment -1.

    Parameters
    ----------
    cost : array, shape (points, sites)
        Cost of serving a demand point from a site; NaN or infinite where unreachable.
    p : int
        Sites that are open.
    max_cost : float
        A point counts when it is served at no larger cost.
    weights : array, shape (points,), optional
        What reaching a point is worth; 1 without.
    fixed_open : flags (sites,) or indexes, optional
        Sites that must be open.
    fixed_closed : flags (sites,) or indexes, optional
        Sites that must not be open.
    time_limit_s : float
        Wall seconds; then the best plan so far comes back with its honest gap.
    gap : float
        Share at which a proof is good enough; 0 proves to the end.
    progress : callable, optional
        Called with :class:`Progress`.
    cancel : threading.Event or alike, optional
        Stops the search when set.

    Returns
    -------
    Solution
        ``objective`` is the weight reached; ``sense`` is max.
    """
    from balance_lib.optimise import maximal

    problem = Problem.of(cost, weights=weights, max_cost=max_cost, fixed_open=fixed_open, fixed_closed=fixed_closed)
    return maximal.solve(problem, int(p), Control(time_limit_s, progress, cancel), gap=gap)


def warm_up() -> float:
    """Compile every loop ahead of time; return the seconds it took. Cheap when the machine has done it before."""
    import time

    import numpy as np

    began = time.perf_counter()
    towns = np.arange(12.0)
    cost = np.abs(towns[:, None] - towns[None, ::2]) ** 1.5
    p_median(cost, 3)
    p_median(cost, 3, demand=np.ones(12), capacity=5.0, min_load=2.0, time_limit_s=5.0)
    pairs = np.array([[0, 0, 9, 9], [0, 9, 0, 9], [0, 9, 9, 0], [9, 0, 0, 9], [9, 0, 9, 0], [9, 9, 0, 0]])
    frontier(pairs, prove=True)
    set_covering(pairs, 1.0)
    maximal_covering(pairs, 2, 1.0)
    return time.perf_counter() - began
