"""Keep p sites with places and least sizes, each demand point going whole to one site, and prove how good it is.

    minimise    sum_i sum_j w_i c_ij x_ij
    subject to  (1) sum_j x_ij = 1                  every demand point goes whole to one site
                (2) x_ij <= y_j                     that is open
                (3) sum_j y_j = p                   p sites are open
                (4) sum_i d_i x_ij <= Q_j y_j       within its places
                (5) sum_i d_i x_ij >= L_j y_j       and not under its least load
                (6) x_ij = 0 where c_ij > max_cost or unreachable
                (7) y_j = 1 fixed open, y_j = 0 fixed closed
                (8) x_ij, y_j in {0, 1}

Unlike the uncapacitated problem a point need not go to its nearest open site. Plans come from a search that shifts and
exchanges points and moves sites (:mod:`balance_lib.optimise.load_kernel`); the bound from the Lagrangian dual of
(1), one
priced knapsack a site. What it proves useless (sites, and pairs of point and site that cost more than the gap) is left
out, and HiGHS closes as much of the rest of the gap as time allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from balance_lib.optimise import highs, median
from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, count_reasons
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Ints, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import confirm

# Sites looked at for shifting a point; more of them find hardly anything in a county.
BREADTH = 10
# A problem of so many pairs goes to HiGHS at once.
TINY = 1500
# Share of the time one raising of the bound may take; turns without a better plan, and pairs at most, before HiGHS.
BOUND_SHARE, QUIET, MOST_PAIRS = 0.1, 20, 40_000


@dataclass(eq=False)
class _Load:
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
    """

    problem: Problem
    p: int
    table: Floats
    near: Any
    site_near: Any
    now: tuple[Flags, Ints, Floats]
    best: tuple[Flags, Ints, Floats]
    figures: Floats
    bound: float = -np.inf
    turns: int = 0
    multipliers: Floats | None = None
    step: float = 1.5

    @property
    def loads(self) -> tuple[Floats, Floats, Floats]:
        """Return demand, least loads and places."""
        problem = self.problem
        assert problem.demand is not None and problem.min_load is not None and problem.capacity is not None
        return problem.demand, problem.min_load, problem.capacity


def solve(problem: Problem, p: int, control: Control, *, gap: float = 0.0, seed: int = 0) -> Solution:
    """Return the capacitated p-median with single assignment and its proven bound.

    Parameters
    ----------
    problem : Problem
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
    impossible = (*count_reasons(problem, p), *_load_reasons(problem, p))
    if impossible:
        return nothing(n, m, "infeasible", impossible, seconds=control.seconds, method="counting")
    load = _begin(problem, p, seed)
    whole = problem.in_whole_numbers
    ended, asked, quiet = False, False, 0
    tiny = n * m <= TINY
    patience = 1 if tiny else QUIET
    while not (control.stopped or ended or _done(load, gap)):
        before = load.figures[1]
        _turn(load, seed)
        quiet = 0 if load.figures[1] < before else quiet + 1
        if (
            tiny
            or load.turns % 10 == 0
            or (load.turns > 2 and load.multipliers is None and np.isfinite(load.figures[1]))
        ):
            useful, status = _bound(load, control, whole)
            few = np.isfinite(useful).sum() <= MOST_PAIRS
            if not asked and ((few and quiet >= patience) or (quiet >= patience and not np.isfinite(load.figures[1]))):
                asked = True
                ended = _exact(load, useful, status, control, gap, whole)
        control.tell(_finite(load.figures[1]), load.bound, load.best[0])
    if ended and not np.isfinite(load.figures[1]):
        reasons = _relaxed_reasons(problem, p, control)
        return nothing(n, m, "infeasible", reasons, seconds=control.seconds, method="HiGHS")
    return _finish(load, control, gap, ended or _done(load, gap))


def _begin(problem: Problem, p: int, seed: int) -> _Load:
    """Start from the plan without capacities."""
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
    figures = np.array([np.inf, np.inf, 2 * mean + 1e-9, 0.0, 2 * mean + 1e-9])
    made = (is_open, np.full(n, -1, np.int64), np.zeros(m))
    blank = (np.zeros(m, np.bool_), np.full(n, -1, np.int64), np.zeros(m))
    load = _Load(problem, p, table, near, close_by, made, blank, figures)
    demand, least, places = load.loads
    kernel.settle(table, near, demand, least, places, *made, np.ones(n, np.bool_), figures[2])
    if np.any(made[1] < 0):  # cannot be: median.first serves everybody, or strain does
        made[1][:] = problem.nearest(is_open).clip(0)
        made[2][:] = np.bincount(made[1], weights=demand, minlength=m)
    return load


def _close_by(cost: Floats) -> Any:
    """Return for every site the others by likeness of their costs, itself last."""
    sample = cost[:: max(1, cost.shape[0] // 400)]
    square = (sample**2).sum(axis=0)
    apart = square[:, None] + square[None, :] - 2 * sample.T @ sample
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable").astype(np.int32)


def _turn(load: _Load, seed: int) -> None:
    """Search for about a tenth of a second."""
    from balance_lib.optimise import load_kernel as kernel

    n = load.table.shape[0]
    rounds = max(5, min(300, 75_000 // n))
    if load.turns % 12 == 11 and np.isfinite(load.figures[1]):  # from the best plan again
        for here, there in zip(load.now, load.best, strict=True):
            here[:] = there
        load.figures[0], load.figures[3] = load.figures[1], 0.0
    load.turns += 1
    demand, least, places = load.loads
    problem = load.problem
    kernel.search(
        load.table, load.near, load.site_near, demand, least, places, problem.must_open, problem.may_open,
        load.now, load.best, load.figures, rounds, BREADTH, 0.01 if n < 300 else 0.0005, seed + load.turns,
    )  # fmt: skip


def _bound(load: _Load, control: Control, whole: bool) -> tuple[Any, Any]:
    """Raise the bound; return which pairs and (as status) which sites a better plan may still use."""
    from balance_lib.optimise import load_kernel as kernel

    m = load.table.shape[1]
    demand, least, places = load.loads
    order = np.argsort(load.table, axis=0, kind="stable")
    points, costs = order.T.copy(), np.take_along_axis(load.table, order, axis=0).T.copy()
    sizes = np.isfinite(costs).sum(axis=1)
    status = np.where(load.problem.may_open, load.problem.must_open.astype(np.int8), np.int8(-1))
    upper = load.figures[1] if np.isfinite(load.figures[1]) else 1.5 * _rough(load)
    cut = upper - (1 - 1e-5 if whole else PROVEN_GAP / 2 * upper) if np.isfinite(load.figures[1]) else upper
    u = _first_prices(load) if load.multipliers is None else load.multipliers
    state = np.array([load.step, -np.inf])
    fixed = status.copy()
    ends = control.seconds + BOUND_SHARE * control.time_limit_s
    while not control.stopped and control.seconds < ends and state[1] < cut and state[0] > 2e-3:
        kernel.ascend_loads(points, costs, sizes, u, fixed, load.p, demand, least, places, cut, state, 50, 12)
    load.multipliers, load.step = u, max(0.1, float(state[0]))
    if np.isfinite(load.figures[1]):
        proven = min(state[1], cut)
        load.bound = max(load.bound, min(median.rounded(proven, whole), load.figures[1]))
        status = fixed
    else:
        load.bound = max(load.bound, median.rounded(state[1], whole) if state[1] < cut else -np.inf)
    worth, price, chosen = np.zeros(m), np.zeros(m), np.zeros(m, np.bool_)
    bound, last, _ = kernel.relax_loads(
        points, costs, sizes, u, status, load.p, demand, least, places, worth, price, chosen
    )
    extra = np.maximum(0.0, load.table - u[:, None] - price[None, :] * demand[:, None])
    extra += np.where(chosen | (status < 0), 0.0, np.maximum(0.0, worth - last))[None, :]
    useful = np.isfinite(load.table) & (status >= 0)[None, :]
    if np.isfinite(load.figures[1]) and np.isfinite(bound):
        useful &= bound + extra < cut
    return np.where(useful, extra, np.inf), status


def _first_prices(load: _Load) -> Floats:
    """Start between the costs of the nearest site and the one after it that a typical open share leaves."""
    m = load.table.shape[1]
    rank = min(m - 1, max(1, round(1.5 * m / load.p)))
    ranked = np.partition(load.table, rank, axis=1)[:, rank]
    highest = float(load.table[np.isfinite(load.table)].max())
    return np.where(np.isfinite(ranked), ranked, highest)


def _rough(load: _Load) -> float:
    return float(load.table[np.isfinite(load.table)].max() * load.table.shape[0])


def _exact(load: _Load, useful: Floats, status: Any, control: Control, gap: float, whole: bool) -> bool:
    """Hand what is left to HiGHS; return whether the search is over: proven at the gap, or proven impossible."""
    n, m = load.table.shape
    point, site = np.nonzero(np.isfinite(useful))
    every = True
    if point.size > MOST_PAIRS:
        rank = np.argsort(useful[point, site], kind="stable")[:MOST_PAIRS]
        point, site, every = point[rank], site[rank], False
    k = point.size
    demand, least, places = load.loads
    cost = np.concatenate((load.table[point, site], np.zeros(m)))
    model = highs.HighsModel(cost, np.zeros(k + m), np.ones(k + m), np.ones(k + m, np.bool_))
    model.lower[k:], model.upper[k:] = status == 1, status >= 0
    pair, sites = np.arange(k), np.arange(m)
    model.rows(point, pair, 1.0, np.ones(n), 1.0)
    _only_if_open(model, site)
    model.rows(np.zeros(m), k + sites, 1.0, [load.p], load.p)
    roomy = np.isfinite(places)
    for limit, sign in ((np.where(roomy, places, demand.sum()), 1.0), (least, -1.0)):
        values = np.concatenate((sign * demand[point], -sign * limit))
        model.rows(np.concatenate((site, sites)), np.concatenate((pair, k + sites)), values, np.full(m, -np.inf), 0.0)
    start = _as_columns(load, point, site) if np.isfinite(load.figures[1]) else None

    def found(values: Floats, bound: float) -> None:
        _take(load, values, point, site)
        if every:
            load.bound = max(load.bound, min(median.rounded(bound, whole), load.figures[1]))
        control.tell(load.figures[1], load.bound, load.best[0])

    answer = highs.solve(model, control, gap=max(gap, PROVEN_GAP / 2), start=start, found=found)
    if answer.values is not None:
        _take(load, answer.values, point, site)
    if every:
        # Pairs left out are those of plans that are not better than the best known.
        proven = load.figures[1] if answer.infeasible else answer.bound
        load.bound = max(load.bound, min(median.rounded(proven, whole), load.figures[1]))
        return answer.infeasible or _done(load, gap)
    return False


def _only_if_open(model: highs.HighsModel, site: Any) -> None:
    """Add (2): a pair, the first columns of the model, is used only if its site, the columns after them, is open."""
    k = site.size
    pair = np.arange(k)
    columns = np.concatenate((pair, k + site))
    model.rows(np.concatenate((pair, pair)), columns, np.repeat([1.0, -1.0], k), np.full(k, -np.inf), 0.0)


def _as_columns(load: _Load, point: Any, site: Any) -> Floats | None:
    """Return the best plan as columns of the model; None when it uses a pair left out."""
    used = (load.best[1][point] == site).astype(float)
    return np.concatenate((used, load.best[0].astype(float))) if used.sum() == load.table.shape[0] else None


def _take(load: _Load, values: Floats, point: Any, site: Any) -> None:
    """Take a plan of HiGHS when it is better and right."""
    n, m = load.table.shape
    chosen = values[: point.size] > 0.5
    to = np.full(n, -1, np.int64)
    to[point[chosen]] = site[chosen]
    is_open = values[point.size :] > 0.5
    if np.any(to < 0) or is_open.sum() != load.p or not is_open[to].all():
        return
    demand, least, places = load.loads
    loads = np.bincount(to, weights=demand, minlength=m)
    room = 1e-9 * demand.sum()
    total = float(load.table[np.arange(n), to].sum())
    if np.any(loads > places + room) or np.any(loads[is_open] < least[is_open] - room) or total >= load.figures[1]:
        return
    load.figures[1] = total
    load.best[0][:], load.best[1][:], load.best[2][:] = is_open, to, loads


def _done(load: _Load, gap: float) -> bool:
    upper = load.figures[1]
    return bool(np.isfinite(upper) and upper - load.bound <= max(gap, PROVEN_GAP / 2) * abs(upper) + 1e-12)


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def _finish(load: _Load, control: Control, gap: float, ended: bool) -> Solution:
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


def _load_reasons(problem: Problem, p: int) -> tuple[Reason, ...]:
    """Return why no plan can exist, as far as adding up places and least loads shows.

    Returns: empty where adding up shows nothing.
    """
    demand, least, places = problem.demand, problem.min_load, problem.capacity
    assert demand is not None and least is not None and places is not None
    found = []
    whole = float(demand.sum())
    may, must = problem.may_open, problem.must_open
    free = np.flatnonzero(may & ~must)
    extra = max(0, p - int(must.sum()))
    most = places[must].sum() + np.sort(places[free])[::-1][:extra].sum()
    if most < whole * (1 - 1e-12):
        found.append(Reason("places_short", (), (), float(most), whole))
    fewest = least[must].sum() + np.sort(least[free])[:extra].sum()
    if fewest > whole * (1 + 1e-12):
        found.append(Reason("least_loads_too_large", (), (), float(fewest), whole))
    largest = np.where(np.isfinite(problem.cost) & may, places, -1.0).max(axis=1)
    big = np.flatnonzero((demand > largest) & (largest >= 0))
    if big.size:
        found.append(
            Reason("point_too_large", tuple(big.tolist()), (), float(largest[big].min()), float(demand[big].max()))
        )
    return tuple(found)


def _relaxed_reasons(problem: Problem, p: int, control: Control) -> tuple[Reason, ...]:
    """Say which limit to give way, and by how much: places, least loads and unserved points (elastic)."""
    demand, least, places = problem.demand, problem.min_load, problem.capacity
    assert demand is not None and least is not None and places is not None
    n, m = problem.shape
    point, site = np.nonzero(np.isfinite(problem.cost) & problem.may_open)
    k, sites, pair = point.size, np.arange(m), np.arange(point.size)
    # Columns: pairs, sites, places too few, loads too small, unserved.
    cost = np.concatenate((np.zeros(k + m), np.ones(2 * m), 2 * demand + 1))
    size = cost.size
    upper = np.concatenate((np.ones(k), problem.may_open, np.full(2 * m, np.inf), np.ones(n))).astype(float)
    model = highs.HighsModel(cost, np.zeros(size), upper, np.arange(size) < k + m)
    model.lower[k : k + m] = problem.must_open
    everyone = np.arange(n)
    model.rows(np.concatenate((point, everyone)), np.concatenate((pair, k + 3 * m + everyone)), 1.0, np.ones(n), 1.0)
    _only_if_open(model, site)
    model.rows(np.zeros(m), k + sites, 1.0, [p], p)
    limits = ((np.where(np.isfinite(places), places, demand.sum()), 1.0, k + m), (least, -1.0, k + 2 * m))
    for limit, sign, slack in limits:
        values = np.concatenate((sign * demand[point], -sign * limit, np.full(m, -1.0)))
        columns = np.concatenate((pair, k + sites, slack + sites))
        model.rows(np.concatenate((site, sites, sites)), columns, values, np.full(m, -np.inf), 0.0)
    answer = highs.solve(model, control.part(20.0) if control.left_s > 1 else Control(5.0))
    if answer.values is None:
        return (Reason("limits_do_not_fit"),)
    short, small = answer.values[k + m : k + 2 * m], answer.values[k + 2 * m : k + 3 * m]
    unserved = np.flatnonzero(answer.values[k + 3 * m :] > 0.5)
    found = []
    for rule, lacking, given in (("more_places", short, places), ("smaller_loads", small, least)):
        at = np.flatnonzero(lacking > 1e-6)
        if at.size:
            worst = int(at[lacking[at].argmax()])
            sign = 1 if rule == "more_places" else -1
            found.append(
                Reason(rule, (), tuple(at.tolist()), float(given[worst]), float(given[worst] + sign * lacking[worst]))
            )
    if unserved.size:
        found.append(Reason("unserved", tuple(unserved.tolist()), (), problem.max_cost))
    return tuple(found) or (Reason("limits_do_not_fit"),)
