"""Show what every number of schools would cost: the p-median for all p, exact where proven and marked where not.

First a plan for every p in sweeps up and down with exchange of pairs (fractions of a second), where few sites are open
also from the united plans of neighbours. Then, when proofs are asked for, the Lagrangian dual and branching for one p
after another: a short turn for each, a longer one for those left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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


@dataclass(eq=False)
class Curve:
    """Hold the best plan known for every number of sites, and what is proven of each.

    Parameters
    ----------
    table : Sorted
        Sites and costs of each point in order.
    aim : Aim
        When a proof is good enough.
    opens : array of bool, shape (sites + 1, sites)
        Plans by number of sites.
    values, bounds : arrays of float, shape (sites + 1,)
        What they cost, and what no plan is better than.
    """

    table: Any
    aim: Any
    opens: Flags
    values: Floats
    bounds: Floats
    _searches: dict[int, Any] = field(default_factory=dict)
    _master: Any = None

    @classmethod
    def of(cls, table: Any, aim: Any) -> Curve:
        """Find a plan for every number of sites in sweeps."""
        from balance_lib.optimise import interchange

        m = table.sites.size
        opens, values = np.zeros((m + 1, m), np.bool_), np.full(m + 1, np.inf)
        state = table.state(table.keep)
        interchange.sweep(state, opens, values)
        # Mixing neighbours pays where few sites are open; a third of the curve costs as much as the sweep between all.
        most = max(m // 3, min(m, 60))
        for apart, rising in ((1, True), (3, False)):
            interchange.sweep_unions(state, opens, values, apart, rising, most)
        interchange.sweep_between(state, opens, values)
        return cls(table, aim, opens, values, np.full(m + 1, -np.inf))

    def relax(self, p: int) -> bool:
        """Raise the bound of p sites by the Lagrangian dual; return whether that proves the plan."""
        from balance_lib.optimise import median_search

        search = self._searches[p] = median_search.begin(self.table, self.opens[p])
        proven = median_search.relax(self.table, p, search, self.aim)
        self._keep(p)
        return proven

    def branch(self, p: int, control: Control, needed: float = np.inf) -> bool:
        """Branch for p sites, on one linear model, whose cuts hold for every p; return whether that proves the plan.

        ``needed``: a bound that is proof enough.
        """
        from balance_lib.optimise import median_search, tree

        if p not in self._searches:
            self._searches[p] = median_search.begin(self.table, self.opens[p])
        search = self._searches[p]
        if self._master is None:
            known = self.values[list(self._searches)]
            self._master = tree.Master.of(self.table, float(known.max()), search.multipliers)
        aim = replace(self.aim, needed=needed)
        proven = median_search.branch(self.table, self.table, self._master, p, search, control, aim)
        self._keep(p)
        return proven

    def _keep(self, p: int) -> None:
        search = self._searches[p]
        self.opens[p], self.values[p], self.bounds[p] = search.is_open, search.upper, search.bound

    def tell(self, p: int, control: Control) -> None:
        """Report what is known of p sites."""
        from balance_lib.optimise import median_search

        control.tell(self.values[p], self.bounds[p], median_search.spread(self.table, self.opens[p], self.aim.n_sites))


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
    from balance_lib.optimise import interchange, median_search

    control = Control(time_limit_s, progress, cancel)
    problem = Problem.of(cost, weights=weights, max_cost=max_cost, fixed_open=fixed_open, fixed_closed=fixed_closed)
    table = median_search.Sorted.of(problem)
    curve = Curve.of(table, median_search.Aim(0.0, problem.in_whole_numbers, problem.shape[1]))
    opens, values, bounds = curve.opens, curve.values, curve.bounds
    points = [p for p in range(1, table.sites.size + 1) if values[p] < table.nowhere]
    if prove:
        _prove(curve, points, control, each_s)
    chosen = np.zeros((len(points), problem.shape[1]), np.bool_)
    chosen[:, table.sites] = opens[points]
    nearest = [table.sites[interchange.nearest(table.near, opens[p])] for p in points]
    objective = np.array([problem.value(site) for site in nearest])
    bound = np.minimum(bounds[points], objective)
    worst = np.array([problem.cost[np.arange(site.size), site].max() for site in nearest])
    return Frontier(problem, np.array(points, np.int64), objective, bound, chosen, worst, control.seconds)


def _prove(curve: Curve, points: list[int], control: Control, each_s: float) -> None:
    """Prove one point after another, from many sites to few: what a short turn has left gets a longer one."""
    left = []
    for p in reversed(points):
        if not control.stopped and not curve.relax(p):
            left.append(p)
        curve.tell(p, control)
    for turn_s in (SHORT_SHARE * each_s, each_s):
        undone = []
        for p in left:
            if control.stopped:
                return
            if not curve.branch(p, control.part(turn_s)):
                undone.append(p)
            curve.tell(p, control)
        left = undone
