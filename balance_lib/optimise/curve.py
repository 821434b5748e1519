"""Show what every number of schools would cost: the p-median for all p, exact where proven and marked where not.

First a plan for every p in sweeps up and down with exchange of pairs (fractions of a second), where few sites are open
also from the united plans of neighbours. Then, when proofs are asked for, the Lagrangian dual and branching for one p
after another: a short turn for each, a longer one for those left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Ints, Solution, optimality_gap, status_of

# Share of a point's time that every point gets before any gets all of it.
SHORT_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Frontier:
    """Hold the best known plan for every number of open sites.

    Parameters
    ----------
    p : array of int, shape (points of the curve,)
        Numbers of sites, rising.
    objective, bound : arrays of float
        Value of the plan and proven bound; -inf where nothing was proven.
    open : array of bool, shape (points of the curve, sites)
        The plans.
    worst : array of float
        Largest cost anybody pays in the plan.
    seconds : float
        Wall time.
    """

    problem: Problem
    p: Ints
    objective: Floats
    bound: Floats
    open: Flags
    worst: Floats
    seconds: float

    @property
    def gap(self) -> Floats:
        """Return how far each plan can be from its optimum, as a share."""
        pairs = zip(self.objective, self.bound, strict=True)
        return np.array([optimality_gap(float(value), float(bound)) for value, bound in pairs])

    @property
    def proven(self) -> Flags:
        """Tell which points of the curve are exact."""
        return self.gap <= PROVEN_GAP

    def at(self, p: int) -> Solution:
        """Return the plan with p sites as a checked solution.

        Raises
        ------
        KeyError
            When the curve has no such point: so few sites do not reach everybody.
        """
        from balance_lib.optimise.verify import confirm

        found = np.flatnonzero(self.p == p)
        if not found.size:
            raise KeyError(p)
        row = int(found[0])
        assignment = self.problem.nearest(self.open[row])
        objective, bound = self.problem.value(assignment), float(self.bound[row])
        status = status_of(objective, bound, 0.0, ended=True)
        solution = Solution(
            self.open[row].copy(), assignment, objective, min(bound, objective), status, (), self.seconds
        )
        return confirm(solution, self.problem, p=p)


def frontier(
    cost: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    max_cost: float | None = None,
    fixed_open: npt.ArrayLike | None = None,
    fixed_closed: npt.ArrayLike | None = None,
    prove: bool = False,
    time_limit_s: float = 60.0,
    each_s: float = 20.0,
    progress: Any = None,
    cancel: Any = None,
) -> Frontier:
    """Return the p-median for every p.

    Parameters
    ----------
    cost, weights, max_cost, fixed_open, fixed_closed
        As in :func:`balance_lib.optimise.p_median`. Numbers of sites with which no plan was found that reaches
        everybody have no point on the curve.
    prove : bool
        Whether to prove the points one after another, within the time limit.
    time_limit_s : float
    each_s : float
        Seconds for one proof at most.
    progress, cancel
        Reports hold p as ``objective`` of the curve's point last proven; see :class:`Progress`.
    """
    from balance_lib.optimise import interchange, median

    control = Control(time_limit_s, progress, cancel)
    problem = Problem.of(cost, weights=weights, max_cost=max_cost, fixed_open=fixed_open, fixed_closed=fixed_closed)
    table = median.Sorted.of(problem)
    m = table.sites.size
    opens, values = np.zeros((m + 1, m), np.bool_), np.full(m + 1, np.inf)
    state = table.state(table.keep)
    interchange.sweep(state, opens, values)
    # Mixing neighbours pays where few sites are open; a third of the curve costs as much as the sweep between all.
    most = max(m // 3, min(m, 60))
    for apart, rising in ((1, True), (3, False)):
        interchange.sweep_unions(state, opens, values, apart, rising, most)
    interchange.sweep_between(state, opens, values)
    points = [p for p in range(1, m + 1) if values[p] < table.nowhere]
    bounds = dict.fromkeys(points, -np.inf)
    if prove:
        _prove(table, problem, points, opens, values, bounds, control, each_s)
    chosen = np.zeros((len(points), problem.shape[1]), np.bool_)
    chosen[:, table.sites] = opens[points]
    nearest = [table.sites[interchange.nearest(table.near, opens[p])] for p in points]
    objective = np.array([problem.value(site) for site in nearest])
    bound = np.minimum([bounds[p] for p in points], objective)
    worst = np.array([problem.cost[np.arange(site.size), site].max() for site in nearest])
    return Frontier(problem, np.array(points, np.int64), objective, bound, chosen, worst, control.seconds)


def _prove(
    table: Any,
    problem: Problem,
    points: list[int],
    opens: Any,
    values: Any,
    bounds: Any,
    control: Control,
    each_s: float,
) -> None:
    """Prove one point after another, from many sites to few: by the Lagrangian dual, and by branching where it fails.

    What is branched on shares one linear model, for its cuts hold for every p; what a short turn has left gets a longer
    one.
    """
    from balance_lib.optimise import median, tree

    aim = median.Aim(0.0, problem.in_whole_numbers, problem.shape[1])
    searches, left = {}, []
    for p in reversed(points):
        search = searches[p] = median.begin(table, opens[p])
        if not control.stopped and not median.relax(table, p, search, aim):
            left.append(p)
        opens[p], values[p], bounds[p] = search.is_open, search.upper, search.bound
        control.tell(search.upper, search.bound, median.spread(table, search.is_open, aim.n_sites))
    if left:
        master = tree.Master.of(table, max(searches[p].upper for p in left), searches[left[0]].multipliers)
    for turn_s in (SHORT_SHARE * each_s, each_s):
        undone = []
        for p in left:
            if control.stopped:
                return
            search = searches[p]
            if not median.branch(table, table, master, p, search, control.part(turn_s), aim):
                undone.append(p)
            opens[p], values[p], bounds[p] = search.is_open, search.upper, search.bound
            control.tell(search.upper, search.bound, median.spread(table, search.is_open, aim.n_sites))
        left = undone
