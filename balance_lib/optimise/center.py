"""Keep p sites so that the farthest demand point is as near as can be (p-centre), and prove it.

    minimise    r
    subject to  (1) sum_j x_ij = 1             every demand point is served
                (2) x_ij <= y_j                from an open site
                (3) sum_j y_j = p              p sites are open
                (4) sum_j c_ij x_ij <= r       nobody pays more than r
                (5) x_ij, y_j in {0, 1}

r is one of the costs. At a given r the question is a set cover: r will do exactly when no more than p sites reach
everybody within r (Minieka 1970). The least such r is found by bisection over the distinct costs. Most questions are
answered by a search for a cover and by its Lagrangian bound; HiGHS is asked only just below the best r known. What one
p has taught stays known for the others (:class:`Radii`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from balance_lib.optimise import cover
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, count_reasons
from balance_lib.optimise.solution import Flags, Floats, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import WrongSolutionError


@dataclass(eq=False)
class Radii:
    """Remember which radius needs how many sites.

    Parameters
    ----------
    problem : Problem
        Without capacities.
    steps : array of float
        Distinct costs that can be an answer, rising; the first is what even all sites together cannot better.
    needs : dict
        Index of a step -> (fewest known to do, a bound of the fewest).
    """

    problem: Problem
    steps: Floats
    needs: dict[int, tuple[int, int]] = field(default_factory=dict)
    covers: dict[int, Flags] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem) -> Radii:
        """Collect the costs that can be the answer."""
        table = problem.cost[:, problem.may_open]
        least = float(table.min(axis=1).max())
        return cls(problem, np.unique(table[np.isfinite(table) & (table >= least)]))

    def ask(self, step: int, p: int, control: Control, *, quick: bool = False) -> bool | None:
        """Tell whether p sites do at this step; None when it is not known: asked only quickly, or stopped.

        Parameters
        ----------
        step : int
            Position of the radius among ``steps``.
        p : int
        control : Control
        quick : bool
            Whether only what needs no HiGHS is asked.
        """
        known, bound = self.needs.get(step, (10**9, 0))
        if known <= p:
            return True
        if bound > p:
            return False
        reach = self.problem.cost <= self.steps[step]
        must, may = self.problem.must_open, self.problem.may_open
        is_open, bound_now = cover.least_cover(reach, must, may, control, enough=p, quick=quick)
        self._learn(step, is_open, int(bound_now))
        if is_open.sum() <= p:
            return True
        return False if bound_now > p else None

    def _learn(self, step: int, is_open: Flags, bound: int) -> None:
        """Keep a cover for every larger step too, and a bound for every smaller one, where they say more."""
        n_open = int(is_open.sum())
        reached = int(np.searchsorted(self.steps, self.problem.cost[:, is_open].min(axis=1).max()))
        for at in {min(reached, step), step}:
            known, least = self.needs.get(at, (10**9, 0))
            if n_open < known:
                self.covers[at] = is_open
            self.needs[at] = min(known, n_open), max(least, bound if at == step else 0)

    def bracket(self, p: int) -> tuple[int, int]:
        """Return the largest step known not to do (-1: none) and the smallest known to do (past the last: none)."""
        low = max((at for at, (_, bound) in self.needs.items() if bound > p), default=-1)
        high = min((at for at, (known, _) in self.needs.items() if known <= p), default=self.steps.size)
        return low, high


def solve(problem: Problem, p: int, control: Control, *, radii: Radii | None = None) -> Solution:
    """Return the p-centre with its proven bound.

    Parameters
    ----------
    problem : Problem
    p : int
    control : Control
    radii : Radii, optional
        What is known of the same problem; learned anew without.

    Returns
    -------
    Solution
        Checked against the inputs; without a plan it says why.
    """
    n, m = problem.shape
    impossible = count_reasons(problem, p)
    if impossible:
        return nothing(n, m, "infeasible", impossible, seconds=control.seconds, method="counting")
    radii = Radii.of(problem) if radii is None else radii
    low, high = _bisect(radii, p, control)
    if high == radii.steps.size:
        if low == high - 1:
            return nothing(n, m, "infeasible", (_too_far(problem, p, control),), seconds=control.seconds)
        return nothing(n, m, "stopped", seconds=control.seconds, bound=float(radii.steps[min(low + 1, high - 1)]))
    is_open = cover.with_spare(radii.covers[high].copy(), problem, p)
    assignment = problem.nearest(is_open)
    objective = float(problem.cost[np.arange(n), assignment].max())
    bound = min(objective, float(radii.steps[low + 1]))
    status = status_of(objective, bound, 0.0, ended=False)
    solution = Solution(is_open, assignment, objective, bound, status, (), control.seconds, "bisection on set covers")
    _confirm(solution, problem, p)
    return solution


def _bisect(radii: Radii, p: int, control: Control) -> tuple[int, int]:
    """Narrow the bracket of p until its ends are neighbours or time is up.

    A step that is neither reached by a quick search nor refuted by a quick bound most likely will not do: it is passed
    over upwards, so that an exact proof is asked for only just below the best plan known.
    """
    low, high = radii.bracket(p)
    doubt = low
    while high - low > 1 and not control.stopped:
        quick = high - doubt > 1
        step = (doubt + high) // 2 if quick else high - 1
        answer = radii.ask(step, p, control, quick=quick)
        if answer is None and not quick:
            break
        low, high = radii.bracket(p)
        doubt = max(low, step if answer is None else min(doubt, high - 1))
        _tell(radii, low, high, control)
    return low, high


def _tell(radii: Radii, low: int, high: int, control: Control) -> None:
    last = radii.steps.size
    plan = radii.covers.get(high)
    control.tell(float(radii.steps[high]) if high < last else np.nan, float(radii.steps[min(low + 1, last - 1)]), plan)


def _too_far(problem: Problem, p: int, control: Control) -> Reason:
    """Say with which limit p sites would do."""
    if not np.isfinite(problem.max_cost):
        reach = np.isfinite(problem.cost)
        bound = cover.least_cover(reach, problem.must_open, problem.may_open, control.part(10.0))[1]
        return Reason("cover_needs", (), (), p, bound)
    freed = Problem.of(problem.reachable, fixed_open=problem.must_open, fixed_closed=~problem.may_open)
    if freed.unserved.size:
        return Reason("radius_needs", (), (), problem.max_cost, np.inf)
    wider = solve(freed, p, control.part(10.0))
    return Reason("radius_needs", (), (), problem.max_cost, wider.objective)


def _confirm(solution: Solution, problem: Problem, p: int) -> None:
    """Check a p-centre against the inputs."""
    n = problem.shape[0]
    paid = problem.reachable[np.arange(n), solution.assignment]
    wrong = []
    if (
        solution.open.sum() != p
        or np.any(solution.open & ~problem.may_open)
        or np.any(problem.must_open & ~solution.open)
    ):
        wrong.append("the wrong sites are open")
    if not solution.open[solution.assignment].all() or paid.max() != solution.objective:
        wrong.append(f"objective {solution.objective}, recomputed {paid.max()}")
    if paid.max() > problem.max_cost or solution.bound > solution.objective:
        wrong.append(f"bound {solution.bound}, largest cost allowed {problem.max_cost}")
    if wrong:
        raise WrongSolutionError("; ".join(wrong))
