"""Keep p sites with places and least sizes, each demand point going whole to one site, and prove how good it is.

    minimise    sum_i sum_j w_i c_ij x_ij
    subject to  (1) sum_j x_ij = 1                  every demand point goes whole to one site
                (2) x_ij <= y_j                     that is open
                (3) sum_j y_j = p                   p sites are open
                (4) sum_i d_ik x_ij <= Q_jk y_j     within its places, kind by kind
                (5) sum_i sum_k d_ik x_ij >= L_j y_j        and not under its least load
                (6) x_ij = 0 where c_ij > max_cost or unreachable
                (7) y_j = 1 fixed open, y_j = 0 fixed closed
                (8) x_ij, y_j in {0, 1}

Unlike the uncapacitated problem a point need not go to its nearest open site. Plans come from a search that shifts and
exchanges points and moves sites (:mod:`balance_lib.optimise.load_kernel`); the bound from the Lagrangian dual of (1)
(:mod:`balance_lib.optimise.load_bound`), branched on by site (:mod:`balance_lib.optimise.load_tree`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from balance_lib.optimise import highs, load_reasons, median_search
from balance_lib.optimise.control import Control
from balance_lib.optimise.load_bound import LoadBound
from balance_lib.optimise.load_reasons import only_if_open
from balance_lib.optimise.load_tree import SiteTree
from balance_lib.optimise.problem import Problem, count_reasons, loads_of
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Ints, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import confirm, faults

# Open sites looked at for shifting a point; more of them find hardly anything in a county.
BREADTH = 5
# A problem of so many pairs goes to HiGHS at once; of others it gets the most promising ones when no plan is found.
TINY, MOST_PAIRS = 1500, 40_000
# Turns of the search without a better plan before branching, and seconds of branching before it goes on; share of the
# time raising the bound at first may take.
QUIET, BRANCH_S, BOUND_SHARE = 6, 1.0, 0.3


@dataclass(eq=False)
class Load:
    """Hold one search under way on capacities.

    Parameters
    ----------
    bounding : LoadBound
        Problem and bound.
    near, site_near : arrays of int
        Sites by cost for every point, and sites by cost of their customers for every site.
    now, best : tuples of arrays
        (flags, site of each point, loads) of the plan under way and the best plan.
    course : load_kernel.Course
        How far the search has come.
    """

    bounding: LoadBound
    near: Any
    site_near: Any
    now: tuple[Flags, Ints, Floats]
    best: tuple[Flags, Ints, Floats]
    course: Any
    bound: float = -np.inf
    turns: int = 0
    impossible: bool = False

    @property
    def problem(self) -> Problem:
        """Return the problem."""
        return self.bounding.problem

    @property
    def upper(self) -> float:
        """Return the value of the best plan."""
        return float(self.course.best)

    @cached_property
    def rules(self) -> Any:
        """Return the rules as the search takes them."""
        from balance_lib.optimise.load_kernel import Rules

        demand, least, places = self.problem.loads
        return Rules(demand, least, places, self.problem.must_open, self.problem.may_open)


def solve(problem: Problem, p: int, control: Control, *, gap: float = 0.0, seed: int = 0) -> Solution:
    """Return the capacitated p-median with single assignment and its proven bound.

    Parameters
    ----------
    problem : Problem
        Checked inputs.
    p : int
    control : Control
    gap : float
        Share at which a proof is good enough; 0 proves to the end.
    seed : int
        Of the random disturbances.

    Returns
    -------
    Solution
        Checked against the inputs; without a plan it says why.
    """
    n, m = problem.shape
    impossible = (*count_reasons(problem, p), *load_reasons.summed(problem, p))
    if impossible:
        return nothing(n, m, "infeasible", impossible, seconds=control.seconds, method="counting")
    load = _begin(problem, p, seed)
    aim = median_search.Aim(gap, problem.in_whole_numbers, m)
    ended, begun, quiet, tiny = False, False, 0, n * m <= TINY
    tree = SiteTree(load.bounding, lambda *what: _exact(load, *what))
    while not (control.stopped or ended or _done(load, gap)):
        before = load.upper
        _turn(load, seed)
        quiet = 0 if load.upper < before else quiet + 1
        known = np.isfinite(load.upper)
        if not begun and (tiny or (load.turns > 2 if known else quiet == QUIET)):
            floor, status = _bound(load, control, aim)
            begun = tiny or known
            if tiny or not known:
                ended = _whole(load, floor, status, control, aim)
            elif not _done(load, gap):
                tree.begin(status)
                _guide(load, load.bounding.opened)
        elif tree.nodes and quiet >= QUIET:
            _branch(load, tree, control, aim)
        control.tell(_finite(load.upper), load.bound, load.best[0])
    if load.impossible:
        simple = problem.loads[0].shape[1] == 1
        reasons = load_reasons.relaxed(problem, p, control) if simple else (Reason("limits_do_not_fit"),)
        return nothing(n, m, "infeasible", reasons, seconds=control.seconds, method="HiGHS")
    return _finish(load, control, gap, ended or _done(load, gap))


def _begin(problem: Problem, p: int, seed: int) -> Load:
    """Start from the plan without capacities."""
    from balance_lib.optimise import load_kernel as kernel

    n, m = problem.shape
    bounding = LoadBound(problem, p, np.full(n, -1))
    table, demand = bounding.table, problem.loads[0]
    near = np.argsort(table, axis=1, kind="stable").astype(np.int32)
    plain = median_search.Sorted.of(problem)
    without = median_search.first(plain, p, seed=seed)
    is_open = median_search.spread(plain, without.is_open, m)
    finite = np.where(np.isfinite(problem.cost), problem.cost, 2 * problem.cost[np.isfinite(problem.cost)].max() + 1)
    rough = without.upper if without.upper < plain.nowhere else float(table[np.isfinite(table)].mean()) * n
    mean = rough / max(1e-12, float(demand.sum()))
    price = 2 * mean + 1e-9
    course = kernel.Course(now=np.inf, best=np.inf, price=price, strain=0.0, first_price=price)
    kinds = demand.shape[1]
    made = (is_open, np.full(n, -1, np.int64), np.zeros((m, kinds)))
    blank = (np.zeros(m, np.bool_), np.full(n, -1, np.int64), np.zeros((m, kinds)))
    load = Load(bounding, near, _close_by(finite), made, blank, course)
    kernel.settle(table, near, load.rules, *made, np.ones(n, np.bool_), price)
    if np.any(made[1] < 0):  # cannot be: median_search.first serves everybody, or strain does
        made[1][:] = problem.nearest(is_open).clip(0)
        made[2][:] = loads_of(demand, made[1], m)
    return load


def _close_by(cost: Floats) -> Any:
    """Return for every site the others by likeness of their costs, itself last."""
    sample = cost[:: max(1, cost.shape[0] // 400)]
    square = (sample**2).sum(axis=0)
    apart = square[:, None] + square[None, :] - 2 * sample.T @ sample
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable").astype(np.int32)


def _turn(load: Load, seed: int) -> None:
    """Search for about a tenth of a second."""
    from balance_lib.optimise import load_kernel as kernel

    n = load.problem.shape[0]
    rounds = max(5, min(100, 20_000 // n))
    if load.turns % 12 == 11 and np.isfinite(load.upper):  # from the best plan again
        for here, there in zip(load.now, load.best, strict=True):
            here[:] = there
        load.course = load.course._replace(now=load.course.best, strain=0.0)
    load.turns += 1
    ground = kernel.SearchTables(load.bounding.table, load.near, load.site_near, load.rules)
    slack = 0.01 if n < 300 else 0.0005
    load.course = kernel.search(ground, load.now, load.best, load.course, rounds, BREADTH, slack, seed + load.turns)


def _guide(load: Load, opened: Floats) -> None:
    """Let the search go on from the sites that the relaxed answers open most often."""
    from balance_lib.optimise import load_kernel as kernel

    is_open, to, loads = load.now
    is_open[:] = False
    is_open[np.argsort(-opened - 2.0 * load.problem.must_open, kind="stable")[: load.bounding.p]] = True
    loads[:] = 0.0
    everybody, price = np.ones(to.size, np.bool_), load.course.price
    served = kernel.settle(load.bounding.table, load.near, load.rules, is_open, to, loads, everybody, price)
    load.course = load.course._replace(now=np.inf, strain=0.0)
    if not served:
        for here, there in zip(load.now, load.best, strict=True):
            here[:] = there
        load.course = load.course._replace(now=load.course.best)


def _branch(load: Load, tree: SiteTree, control: Control, aim: median_search.Aim) -> None:
    """Look at nodes for a moment; let the search go on from what the last one says of sites."""
    moment, opened = control.part(BRANCH_S), None
    while tree.nodes and not moment.stopped:
        opened = tree.look(aim.cut(load.upper), control)
        load.bound = max(load.bound, min(aim.rounded(tree.bound), load.upper))
    if opened is not None:
        _guide(load, opened)


def _bound(load: Load, control: Control, aim: median_search.Aim) -> tuple[Floats, Ints]:
    """Raise the bound; return what better plans cost at least by pair, and which sites they may use, as status.

    Without a plan it is raised towards nothing that one costs: once there is one, it begins from the start.
    """
    table = load.bounding.table
    if np.isfinite(load.upper):
        cut = aim.cut(load.upper)
    else:
        cut = 1.5 * float(table[np.isfinite(table)].max()) * table.shape[0]  # above any plan
    found = load.bounding.raise_to(cut, control, BOUND_SHARE * control.time_limit_s)
    load.bound = max(load.bound, min(aim.rounded(load.bounding.value), load.upper))
    if not np.isfinite(load.upper):
        load.bounding.forget()
    return found


def _whole(load: Load, floor: Floats, status: Ints, control: Control, aim: median_search.Aim) -> bool:
    """Hand the whole problem to HiGHS; return whether the search is over: proven at the gap, or proven impossible."""
    known = np.isfinite(load.upper)
    proven = _exact(load, floor, status, control)
    load.impossible = bool(np.isinf(proven) and proven > 0 and not np.isfinite(load.upper) and not known)
    load.bound = max(load.bound, min(aim.rounded(proven), load.upper))
    return load.impossible or _done(load, aim.gap)


def _exact(load: Load, floor: Floats, status: Ints, control: Control) -> float:
    """Hand the pairs with a finite floor to HiGHS; return what no plan of them is better than, infinite without any."""
    n, m = load.problem.shape
    demand, least, places = load.problem.loads
    point, site = np.nonzero(np.isfinite(floor))
    every = point.size <= MOST_PAIRS
    if not every:
        rank = np.argsort(floor[point, site], kind="stable")[:MOST_PAIRS]
        point, site = point[rank], site[rank]
    k = point.size
    cost = np.concatenate((load.bounding.table[point, site], np.zeros(m)))
    model = highs.HighsModel(cost, np.zeros(k + m), np.ones(k + m), np.ones(k + m, np.bool_))
    model.lower[k:], model.upper[k:] = status == 1, status >= 0
    pair, sites = np.arange(k), np.arange(m)
    model.rows(point, pair, 1.0, np.ones(n), 1.0)
    only_if_open(model, site)
    model.rows(np.zeros(m), k + sites, 1.0, [load.bounding.p], load.bounding.p)
    limits = [(kind[point], np.minimum(room, kind.sum())) for kind, room in zip(demand.T, places.T, strict=True)]
    limits += [(-demand.sum(axis=1)[point], -least)] if least.max() > 0 else []
    for values, limit in limits:
        entries = np.concatenate((values, -limit))
        model.rows(np.concatenate((site, sites)), np.concatenate((pair, k + sites)), entries, np.full(m, -np.inf), 0.0)
    above = load.upper - PROVEN_GAP / 2 * load.upper if np.isfinite(load.upper) else None
    heard = None if control.cancel is None else lambda values, _: _take(load, values, point, site)
    answer = highs.solve(model, control, gap=PROVEN_GAP / 2, found=heard, stop_above=above)
    if answer.values is not None:
        _take(load, answer.values, point, site)
    return answer.bound if every else -np.inf


def _take(load: Load, values: Floats, point: Any, site: Any) -> None:
    """Take a plan of HiGHS when it is better and right."""
    n, m = load.problem.shape
    chosen, is_open = values[: point.size] > 0.5, values[point.size :] > 0.5
    to = np.full(n, -1)
    to[point[chosen]] = site[chosen]
    if np.any(to < 0):
        return
    plan = Solution(is_open, to, load.problem.value(to), -np.inf, "feasible")
    if plan.objective < load.upper and not faults(plan, load.problem, p=load.bounding.p):
        load.course = load.course._replace(best=float(plan.objective))
        load.best[0][:], load.best[1][:], load.best[2][:] = is_open, to, loads_of(load.problem.loads[0], to, m)


def _done(load: Load, gap: float) -> bool:
    upper = load.upper
    return bool(np.isfinite(upper) and upper - load.bound <= max(gap, PROVEN_GAP / 2) * abs(upper) + 1e-12)


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def _finish(load: Load, control: Control, gap: float, ended: bool) -> Solution:
    n, m = load.problem.shape
    if not np.isfinite(load.upper):
        return nothing(n, m, "stopped", bound=load.bound, seconds=control.seconds)
    objective = load.problem.value(load.best[1])
    bound = min(load.bound, objective)
    status = status_of(objective, bound, gap, ended=ended)
    solution = Solution(
        load.best[0].copy(), load.best[1].copy(), objective, bound, status, (), control.seconds,
        "shift and exchange, Lagrangian dual, HiGHS", facts={"turns": load.turns},
    )  # fmt: skip
    control.tell(objective, bound, solution.open, now=True)
    return confirm(solution, load.problem, p=load.bounding.p)
