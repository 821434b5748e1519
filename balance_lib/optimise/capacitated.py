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
                (9) x_i,h(i) = y_h(i)               a point with a home is served there while it is open
                (10) sum_{j in T} y_j >= 1          of every town T one site is open

Unlike the uncapacitated problem a point need not go to its nearest open site. Plans come from a search that shifts and
exchanges points and moves sites (:mod:`balance_lib.optimise.load_kernel`); the bound from the Lagrangian dual of (1),
one knapsack a site (:mod:`balance_lib.optimise.load_dual`). What it proves useless (sites, and pairs of point and site
that cost more than the gap) is left out, and HiGHS closes as much of the rest of the gap as time allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from balance_lib.optimise import highs, load_reasons, median
from balance_lib.optimise.control import Control
from balance_lib.optimise.load_reasons import only_if_open
from balance_lib.optimise.problem import Problem, count_reasons, loads_of
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Ints, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import confirm, faults

# Open sites looked at for shifting a point; more of them find hardly anything in a county.
BREADTH = 5
# A problem of so many pairs goes to HiGHS at once.
TINY = 1500
# Share of the time one raising of the bound may take; turns without a better plan, and pairs at most, before HiGHS.
BOUND_SHARE, QUIET, MOST_PAIRS, PATIENCE = 0.1, 20, 40_000, 20
# Turns without a better plan before it is checked; pairs that HiGHS gets at once, others after so much of the time.
TEST, FEW_PAIRS, SEARCH_SHARE, CHECK_SHARE = 5, 12_000, 0.6, 0.2
# Raising the bound again may take so many times its share; a least load is sought larger after each refusal.
BOUND_TIMES, MARGIN = 3, 0.04


Check = Callable[[Flags], float]


@dataclass(eq=False)
class Load:
    """Hold one search under way on capacities.

    Parameters
    ----------
    table : array of float, shape (points, sites)
        Weighted costs; sites that may not open are infinite.
    near, site_near : arrays of int
        Sites by cost for every point, and sites by cost of their customers for every site.
    now, best : tuples of arrays
        (flags, site of each point, loads) of the plan under way and the best plan.
    figures : array of float
        Cost now, best cost, price of strain, strain now, price at first.
    check : callable, optional
        What a choice of sites is worth when it is carried out (infinite: it is refused). Then only that counts.
    checked, tested : float
        Value of the best plan checked, and the cost here of the last one put to the test.
    """

    problem: Problem
    p: int
    table: Floats
    near: Any
    site_near: Any
    now: tuple[Flags, Ints, Floats]
    best: tuple[Flags, Ints, Floats]
    figures: Floats
    check: Check | None = None
    checked: float = np.inf
    tested: float = np.inf
    bound: float = -np.inf
    turns: int = 0
    multipliers: Floats | None = None
    step: float = 1.5
    impossible: bool = False
    checking_s: float = 0.0
    bounding_s: float = 0.0

    @property
    def upper(self) -> float:
        """Return the value of the best plan, as checked where there is a check."""
        return float(self.figures[1]) if self.check is None else self.checked

    def test(self) -> None:
        """Have the best plan checked; one that is refused is forgotten."""
        if self.check is None or self.figures[1] >= self.tested:
            return
        self.tested, began = float(self.figures[1]), time.perf_counter()
        value = self.check(self.best[0].copy())
        self.checking_s += time.perf_counter() - began
        self.checked = min(self.checked, value)
        if not np.isfinite(value):
            self.figures[1] = self.tested = np.inf
            self.rules.least[:] *= 1 + MARGIN

    @property
    def loads(self) -> tuple[Floats, Floats, Floats]:
        """Return demand, least loads and places."""
        problem = self.problem
        assert problem.demand is not None and problem.min_load is not None and problem.capacity is not None
        return problem.demand, problem.min_load, problem.capacity

    @cached_property
    def rules(self) -> Any:
        """Return the rules as the search takes them."""
        from balance_lib.optimise.load_kernel import Rules

        demand, least, places = self.loads
        problem = self.problem
        tied = np.any(problem.home >= 0)  # who has a home is sent where it is nearest, which least loads do not change
        pull, sought = (np.zeros(least.size), least * (1 + 3 * MARGIN)) if tied else (least, least.copy())
        sites = problem.home, problem.town, problem.must_open, problem.may_open
        return Rules(demand, pull, places, *sites, sought)

    @cached_property
    def dual(self) -> Any:
        """Return the problem as the dual takes it: each site's other points by cost, and what homes leave of limits."""
        from balance_lib.optimise.load_dual import Dual

        (demand, least, places), home = self.loads, self.problem.home
        n, m = self.table.shape
        others, tied = self.table.copy(), np.flatnonzero(home >= 0)
        at_home = np.zeros(n)
        at_home[tied] = self.table[tied, home[tied]]
        others[tied, home[tied]] = np.inf
        order = np.argsort(others, axis=0, kind="stable")
        costs = np.take_along_axis(others, order, axis=0).T.copy()
        sizes = np.isfinite(costs).sum(axis=1)
        most = max(1, int(sizes.max()))
        own = loads_of(demand[tied], home[tied], m)
        room = np.where(np.isfinite(places), places - own, demand.sum()).clip(min=0.0)
        lack, points = least - own.sum(axis=1), order.T[:, :most].copy()
        return Dual(points, costs[:, :most].copy(), sizes, home, at_home, demand, room, lack)


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
    return run(begin(problem, p, seed), control, gap=gap, seed=seed)


def run(load: Load, control: Control, *, gap: float = 0.0, seed: int = 0) -> Solution:
    """Search and prove until the gap is closed or time is up; as :func:`solve`."""
    problem, p, (n, m) = load.problem, load.p, load.problem.shape
    whole = problem.in_whole_numbers
    ended, asked, quiet = False, False, 0
    tiny = n * m <= TINY
    patience = 1 if tiny else QUIET
    while not (control.stopped or ended or _done(load, gap)):
        before = load.figures[1]
        _turn(load, seed)
        quiet = 0 if load.figures[1] < before else quiet + 1
        due = quiet >= min(TEST, patience) or load.turns % (4 * QUIET) == 0
        if due and load.checking_s <= CHECK_SHARE * control.seconds:
            load.test()
        first = load.multipliers is None and np.isfinite(load.figures[1]) and load.turns > 2
        again = load.turns % 10 == 0 and load.bounding_s <= BOUND_TIMES * BOUND_SHARE * control.seconds
        if tiny or first or again:
            useful, status = _bound(load, control, whole)
            pairs = np.isfinite(useful).sum()
            ripe = quiet >= patience and (pairs <= FEW_PAIRS or control.seconds > SEARCH_SHARE * control.time_limit_s)
            if not asked and ripe and (pairs <= MOST_PAIRS or not np.isfinite(load.upper)):
                asked = True
                ended = _exact(load, useful, status, control, gap, whole)
        control.tell(_finite(load.upper), load.bound, load.best[0])
    load.test()
    if load.impossible:
        simple = problem.demand.shape[1] == 1 and np.all(problem.home < 0)  # type: ignore[union-attr]
        reasons = load_reasons.relaxed(problem, p, control) if simple else (Reason("limits_do_not_fit"),)
        return nothing(n, m, "infeasible", reasons, seconds=control.seconds, method="HiGHS")
    return _finish(load, control, gap, ended or _done(load, gap))


def worthwhile(load: Load, cut: float) -> tuple[Flags, Any] | None:
    """Return the pairs of point and site that a plan below ``cut`` may use, and the sites' status in such a plan.

    Whatever further rules a plan has to keep; None where no bound has been found yet.
    """
    if load.multipliers is None:
        return None
    status = np.where(load.problem.may_open, load.problem.must_open.astype(np.int8), np.int8(-1))
    return np.isfinite(_useful(load, load.multipliers, status, cut)), status


def begin(problem: Problem, p: int, seed: int, check: Check | None = None) -> Load:
    """Start from the plan without capacities.

    Parameters
    ----------
    problem : Problem
        Checked inputs.
    p : int
        Sites that are open.
    seed : int
        Of the random disturbances.
    check : callable, optional
        What a choice of sites is worth when it is carried out elsewhere; the bound is then held against that.

    Returns
    -------
    Load
        Plan, loads and prices to start from.
    """
    from balance_lib.optimise import load_kernel as kernel

    n, m = problem.shape
    table = np.where(problem.may_open, problem.weighted, np.inf)
    near = np.argsort(table, axis=1, kind="stable").astype(np.int32)
    plain = median.Sorted.of(problem)
    without = median.first(plain, p, seed=seed)
    is_open = median.spread(plain, without.is_open, m)
    finite = np.where(np.isfinite(problem.cost), problem.cost, 2 * problem.cost[np.isfinite(problem.cost)].max() + 1)
    close_by = _close_by(finite)
    rough = without.upper if without.upper < plain.nowhere else float(table[np.isfinite(table)].mean()) * n
    mean = rough / max(1e-12, float(problem.demand.sum()))  # type: ignore[union-attr]
    if np.any(problem.home >= 0):  # who stays costs nothing: what a unit of load costs is that of a mean pair
        mean = float(table[np.isfinite(table)].mean()) / max(1e-12, float(problem.demand.sum(axis=1).mean()))  # type: ignore[union-attr]
    figures = np.array([np.inf, np.inf, 2 * mean + 1e-9, 0.0, 2 * mean + 1e-9])
    _into_towns(problem, is_open)
    kinds = problem.demand.shape[1]  # type: ignore[union-attr]
    made = (is_open, np.full(n, -1, np.int64), np.zeros((m, kinds)))
    blank = (np.zeros(m, np.bool_), np.full(n, -1, np.int64), np.zeros((m, kinds)))
    load = Load(problem, p, table, near, close_by, made, blank, figures, check)
    kernel.settle(table, near, load.rules, *made, np.ones(n, np.bool_), figures[2])
    if np.any(made[1] < 0):  # cannot be: median.first serves everybody, or strain does
        made[1][:] = problem.nearest(is_open).clip(0)
        made[2][:] = loads_of(load.loads[0], made[1], m)
    return load


def _into_towns(problem: Problem, is_open: Flags) -> None:
    """Open a site in every town that has none, and close one of a town with others, or of none, in its place."""
    town = problem.town
    for empty in sorted(set(town[town >= 0].tolist()) - set(town[is_open].tolist())):
        several = np.bincount(town[is_open & (town >= 0)], minlength=int(town.max()) + 1) > 1
        spare = np.flatnonzero(is_open & ~problem.must_open & ((town < 0) | several[town]))
        new = np.flatnonzero((town == empty) & problem.may_open)
        if spare.size and new.size:
            is_open[spare[0]], is_open[new[0]] = False, True


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

    n = load.table.shape[0]
    rounds = max(5, min(300, 75_000 // n))
    tied = bool(np.any(load.problem.home >= 0))
    if load.turns % (1000 if tied else 12) == 11 and np.isfinite(load.figures[1]):  # from the best plan again
        for here, there in zip(load.now, load.best, strict=True):
            here[:] = there
        load.figures[0], load.figures[3] = load.figures[1], 0.0
    load.turns += 1
    kernel.search(
        load.table, load.near, load.site_near, load.rules, load.now, load.best, load.figures, rounds, BREADTH,
        0.01 if n < 300 else 0.004 if tied else 0.0005, seed + load.turns,
    )  # fmt: skip


def _bound(load: Load, control: Control, whole: bool) -> tuple[Any, Any]:
    """Raise the bound; return which pairs and (as status) which sites a better plan may still use."""
    from balance_lib.optimise import load_dual

    began = control.seconds
    status = np.where(load.problem.may_open, load.problem.must_open.astype(np.int8), np.int8(-1))
    known = bool(np.isfinite(load.upper))
    upper = load.upper if known else 1.5 * _rough(load)
    cut = upper - (1 - 1e-5 if whole else PROVEN_GAP / 2 * upper) if known else upper
    u = _first_prices(load) if load.multipliers is None else load.multipliers
    fee, fixed, best = np.zeros(status.size), status.copy(), -np.inf
    ends = control.seconds + BOUND_SHARE * control.time_limit_s
    # Knapsacks in parts of points bring the multipliers near; in whole points they give the better bound.
    for in_whole in (False, True) if load.multipliers is None else (True,):
        state = np.array([load.step, -np.inf])
        while not control.stopped and control.seconds < ends and state[1] < cut and state[0] > 2e-3:
            load_dual.ascend_loads(load.dual, u, fixed, load.p, fee, cut, state, 50, PATIENCE, in_whole)
        best, load.step = max(best, float(state[1])), 0.5
    load.multipliers = u
    load.bounding_s += control.seconds - began
    if known:
        load.bound = max(load.bound, min(median.rounded(min(best, cut), whole), load.upper))
    else:
        load.bound = max(load.bound, median.rounded(best, whole) if best < cut else -np.inf)
    return _useful(load, u, fixed if known else status, cut if known else np.inf), fixed if known else status


def _useful(load: Load, u: Floats, status: Any, cut: float) -> Floats:
    """Return what a pair of point and site costs more than the bound at least; infinite where a plan cannot have it."""
    from balance_lib.optimise import load_dual

    (m, kinds), home = load.dual.room.shape, load.problem.home
    parts, worth, price, chosen = np.zeros(m), np.zeros(m), np.zeros((m, kinds)), np.zeros(m, np.bool_)
    taken, fee = np.zeros(load.dual.points.shape, np.bool_), np.zeros(m)
    load_dual.relax_loads(load.dual, u, status, load.p, fee, parts, price, chosen, taken, False)
    bound, last, first_out = load_dual.relax_loads(load.dual, u, status, load.p, fee, worth, price, chosen, taken, True)
    if not np.isfinite(bound):
        return np.where(np.isfinite(load.table) & (status >= 0)[None, :], 0.0, np.inf)
    opens = np.where(chosen | (status < 0), 0.0, np.maximum(0.0, worth - last))
    forced = np.maximum(0.0, load.table - u[:, None] + load.loads[0] @ price.T) + (parts - worth)[None, :]
    extra = np.maximum(0.0, forced) + opens[None, :]
    shuts = np.where(chosen, np.maximum(0.0, first_out - worth), 0.0)
    tied = np.flatnonzero(home >= 0)
    # Whoever goes elsewhere has his home closed: it and the site opened change places.
    both = np.where(chosen[None, :], shuts[home[tied], None], worth[None, :] - worth[home[tied], None])
    extra[tied] += np.maximum(0.0, np.where(chosen[home[tied], None], both - opens[None, :], 0.0))
    extra[tied, home[tied]] = opens[home[tied]]
    out = ~np.isfinite(load.table) | (status < 0)[None, :] | (bound + extra >= cut)
    return np.where(out, np.inf, extra)


def _first_prices(load: Load) -> Floats:
    """Start between the costs of the nearest site and the one after it that a typical open share leaves."""
    m = load.table.shape[1]
    rank = min(m - 1, max(1, round(1.5 * m / load.p)))
    ranked = np.partition(load.table, rank, axis=1)[:, rank]
    highest = float(load.table[np.isfinite(load.table)].max())
    return np.where(np.isfinite(ranked), ranked, highest)


def _rough(load: Load) -> float:
    return float(load.table[np.isfinite(load.table)].max() * load.table.shape[0])


def _exact(load: Load, useful: Floats, status: Any, control: Control, gap: float, whole: bool) -> bool:
    """Hand what is left to HiGHS; return whether the search is over: proven at the gap, or proven impossible."""
    n, m = load.table.shape
    _, _, _, home, _, demand, room, lack = load.dual
    others = useful.copy()
    tied = np.flatnonzero(home >= 0)
    others[tied, home[tied]] = np.inf
    point, site = np.nonzero(np.isfinite(others))
    every = True
    if point.size > MOST_PAIRS:
        rank = np.argsort(others[point, site], kind="stable")[:MOST_PAIRS]
        point, site, every = point[rank], site[rank], False
    k = point.size
    own = np.bincount(home[tied], weights=load.table[tied, home[tied]], minlength=m).astype(float)
    cost = np.concatenate((load.table[point, site], own))
    model = highs.HighsModel(cost, np.zeros(k + m), np.ones(k + m), np.ones(k + m, np.bool_))
    model.lower[k:], model.upper[k:] = status == 1, status >= 0
    pair, sites = np.arange(k), np.arange(m)
    model.rows(np.concatenate((point, tied)), np.concatenate((pair, k + home[tied])), 1.0, np.ones(n), 1.0)
    only_if_open(model, site)
    model.rows(np.zeros(m), k + sites, 1.0, [load.p], load.p)
    limits = [(load_k[point], limit) for load_k, limit in zip(demand.T, room.T, strict=True)]
    limits += [(-demand.sum(axis=1)[point], -lack)] if lack.max() > 0 else []
    for values, limit in limits:
        entries = np.concatenate((values, -limit))
        model.rows(np.concatenate((site, sites)), np.concatenate((pair, k + sites)), entries, np.full(m, -np.inf), 0.0)
    towns, town = np.unique(load.problem.town[load.problem.town >= 0], return_inverse=True)
    model.rows(town, k + np.flatnonzero(load.problem.town >= 0), 1.0, np.ones(towns.size), np.inf)
    start = _as_columns(load, point, site) if np.isfinite(load.figures[1]) else None

    def found(values: Floats, bound: float) -> None:
        _take(load, values, point, site)
        if every:
            load.bound = max(load.bound, min(median.rounded(bound, whole), load.upper))
        control.tell(_finite(load.upper), load.bound, load.best[0])

    answer = highs.solve(model, control, gap=max(gap, PROVEN_GAP / 2), start=start, found=found)
    if answer.values is not None:
        _take(load, answer.values, point, site)
        load.test()
    if every:
        load.impossible = answer.infeasible and not np.isfinite(load.upper)
        # Pairs left out are those of plans that are not better than the best known.
        proven = load.upper if answer.infeasible else answer.bound
        load.bound = max(load.bound, min(median.rounded(proven, whole), load.upper))
        return answer.infeasible or _done(load, gap) or (load.check is not None and not control.stopped)
    return False


def _as_columns(load: Load, point: Any, site: Any) -> Floats | None:
    """Return the best plan as columns of the model; None when it uses a pair left out."""
    used = (load.best[1][point] == site).astype(float)
    away = (load.best[1] != load.problem.home).sum()
    return np.concatenate((used, load.best[0].astype(float))) if used.sum() == away else None


def _take(load: Load, values: Floats, point: Any, site: Any) -> None:
    """Take a plan of HiGHS when it is better and right."""
    m = load.table.shape[1]
    chosen, is_open = values[: point.size] > 0.5, values[point.size :] > 0.5
    home = load.problem.home
    to = np.where((home >= 0) & is_open[home], home, -1)
    to[point[chosen]] = site[chosen]
    if np.any(to < 0):
        return
    plan = Solution(is_open, to, load.problem.value(to), -np.inf, "feasible")
    if plan.objective < load.figures[1] and not faults(plan, load.problem, p=load.p):
        load.figures[1] = plan.objective
        load.best[0][:], load.best[1][:], load.best[2][:] = is_open, to, loads_of(load.loads[0], to, m)


def _done(load: Load, gap: float) -> bool:
    upper = load.upper
    return bool(np.isfinite(upper) and upper - load.bound <= max(gap, PROVEN_GAP / 2) * abs(upper) + 1e-12)


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def _finish(load: Load, control: Control, gap: float, ended: bool) -> Solution:
    n, m = load.table.shape
    if not np.isfinite(load.figures[1]):
        return nothing(n, m, "stopped", bound=load.bound, seconds=control.seconds)
    objective = load.problem.value(load.best[1])
    bound = min(load.bound, objective)
    status = status_of(objective, bound, gap, ended=ended)
    solution = Solution(
        load.best[0].copy(), load.best[1].copy(), objective, bound, status, (), control.seconds,
        "shift and exchange, Lagrangian dual, HiGHS", facts={"turns": load.turns},
    )  # fmt: skip
    control.tell(objective, bound, solution.open, now=True)
    return confirm(solution, load.problem, p=load.p)
