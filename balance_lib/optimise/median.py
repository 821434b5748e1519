"""Keep p sites so that demand points are served at least cost, and prove it (uncapacitated p-median).

    minimise    sum_i sum_j w_i c_ij x_ij
    subject to  (1) sum_j x_ij = 1            every demand point is served
                (2) x_ij <= y_j               from an open site
                (3) sum_j y_j = p             p sites are open
                (4) x_ij = 0 where c_ij > max_cost or unreachable
                (5) y_j = 1 fixed open, y_j = 0 fixed closed
                (6) x_ij, y_j in {0, 1}

A first plan comes from greedy opening and exchange of pairs (:mod:`balance_lib.optimise.interchange`) in
milliseconds. The Lagrangian dual of (1) (:mod:`balance_lib.optimise.lagrangian`) comes near the bound of the linear
relaxation and closes or opens for good the sites that no better plan can have otherwise; what is left is branched on
(:mod:`balance_lib.optimise.tree`). Where all costs are whole numbers bounds are rounded up.

References
----------
Teitz and Bart 1968; Resende and Werneck 2007, "A fast swap-based local search procedure for location problems";
Beasley 1993, "Lagrangean heuristics for location problems"; Hansen and Mladenović 1997 (variable neighbourhood search);
Duran-Mateluna, Alès and Elloumi 2023, "An efficient Benders decomposition for the p-median problem".
"""

from __future__ import annotations

import numpy as np

from balance_lib.optimise import towns, tree
from balance_lib.optimise.control import Control
from balance_lib.optimise.median_search import Aim, MedianSearch, Sorted, branch, first, relax, spread
from balance_lib.optimise.problem import Problem, count_reasons
from balance_lib.optimise.solution import Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import confirm


def solve(problem: Problem, p: int, control: Control, *, gap: float = 0.0, seed: int = 0) -> Solution:
    """Return the p-median with its proven bound.

    Parameters
    ----------
    problem : Problem
        Without capacities.
    p : int
        Sites to keep.
    control : Control
        Clock, progress, cancel.
    gap : float
        Share at which a proof is good enough.
    seed : int
        Of the search.
    """
    n, m = problem.shape
    impossible = count_reasons(problem, p)
    if impossible:
        return nothing(n, m, "infeasible", impossible, seconds=control.seconds, method="counting")
    table = Sorted.of(problem)
    search = first(table, p, seed=seed)
    if not search.upper < table.nowhere:
        found = _through_cover(problem, table, p, control)
        if isinstance(found, Solution):
            return found
        search = found
    control.tell(search.upper, search.bound, spread(table, search.is_open, m), now=True)
    ended = _prove(table, p, search, control, Aim(gap, problem.in_whole_numbers, m))
    return _finish(problem, table, p, search, control, gap=gap, ended=ended)


def _through_cover(problem: Problem, table: Sorted, p: int, control: Control) -> MedianSearch | Solution:
    """Start from the fewest sites that reach everybody; or prove that more than p are needed."""
    from balance_lib.optimise import cover

    n, m = problem.shape
    fewest = cover.fewest(problem, control.part(control.left_s))
    if fewest.found and fewest.open.sum() <= p:
        return first(table, p, start=fewest.open[table.sites], rounds=0)
    if fewest.found and fewest.bound > p:
        reason = Reason("cover_needs", (), (), p, fewest.bound)
        return nothing(n, m, "infeasible", (reason,), seconds=control.seconds, method="set covering")
    return nothing(n, m, "stopped", seconds=control.seconds, bound=-np.inf)


def _prove(table: Sorted, p: int, search: MedianSearch, control: Control, aim: Aim) -> bool:
    """Raise the bound and better the plan in place until they meet; return False when stopped before.

    ``search``: best plan, bound and multipliers; changed in place.
    """
    if search.upper <= 0:  # no cost is negative: nothing is better than nothing
        search.bound = 0.0
        return True
    if relax(table, p, search, aim):
        return True
    control.tell(search.upper, search.bound, spread(table, search.is_open, aim.n_sites), now=True)
    found = towns.fallen_apart(table, p, search, aim)
    if found is not None:
        return towns.prove(table, found, p, search, control, aim)
    rest = table.only(search.status >= 0, search.status == 1)
    master = tree.Master.of(rest, search.upper, search.multipliers)
    return branch(table, rest, master, p, search, control, aim)


def _finish(
    problem: Problem, table: Sorted, p: int, search: MedianSearch, control: Control, *, gap: float, ended: bool
) -> Solution:
    """Return a search as a checked solution.

    ``search``: best plan, bound and multipliers; changed in place. ``gap``: share at which a proof is good enough; 0
    proves to the end. ``ended``: whether the search ended by itself. Returns: checked against the inputs; without a
    plan it says why.
    """
    is_open = spread(table, search.is_open, problem.shape[1])
    assignment = problem.nearest(is_open)
    objective = problem.value(assignment)
    bound = min(search.bound, objective)
    status = status_of(objective, bound, gap, ended=ended)
    facts = {"nodes": search.nodes}
    solution = Solution(
        is_open,
        assignment,
        objective,
        bound,
        status,
        (),
        control.seconds,
        "exchange, Lagrangian dual, branching",
        facts=facts,
    )
    control.tell(objective, bound, is_open, now=True)
    return confirm(solution, problem, p=p)
