"""The optimiser on bare matrices: brute force, published optima, the independent check, infeasibility, cancel."""

from __future__ import annotations

import threading
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from balance_lib import optimise
from balance_lib.optimise import (
    Problem,
    Solution,
    capacitated,
    cuts,
    faults,
    load_dual,
    median_search,
    towns,
    tree,
    verify,
)
from balance_lib.optimise.control import Control
from balance_lib.optimise.load_bound import LoadBound
from balance_lib.optimise.load_tree import SiteTree
from balance_lib.optimise.solution import status_of

LINE = [[abs(a - b) for b in (0, 2, 5, 9)] for a in (0, 1, 2, 5, 6, 9, 10)]


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Compile before anything is timed: limits of seconds must not be spent on it."""
    optimise.warm_up()


def by_force(cost, p, weights=None, demand=None, capacity=None, min_load=None, max_cost=np.inf, must=(), never=()):
    """Return the least cost over all choices of p sites and, with loads, all assignments; inf where none is allowed."""
    cost = np.where(np.isfinite(cost) & (cost <= max_cost), cost, np.inf)
    n, m = cost.shape
    weights = np.ones(n) if weights is None else weights
    weighted = np.where(np.isfinite(cost), weights[:, None] * np.where(np.isfinite(cost), cost, 0), np.inf)
    best = np.inf
    for sites in combinations(range(m), p):
        if set(must) - set(sites) or set(never) & set(sites):
            continue
        if demand is None:
            best = min(best, weighted[:, sites].min(axis=1).sum())
            continue
        for to in product(sites, repeat=n):
            load = np.bincount(to, weights=demand, minlength=m)
            if np.all(load <= capacity) and np.all(load[list(sites)] >= min_load):
                best = min(best, weighted[np.arange(n), to].sum())
    return best


def random_cost(rng, n, m):
    """Return a matrix with ties, whole numbers or not, and pairs that cannot be reached."""
    cost = rng.integers(0, 12, (n, m)).astype(float) if rng.random() < 0.5 else rng.uniform(0, 10, (n, m))
    cost[rng.random((n, m)) < rng.choice([0.0, 0.15])] = rng.choice([np.nan, np.inf])
    return cost


def test_four_sites_on_a_line_by_hand():
    found = optimise.p_median(LINE, 2)
    # Sites at 2 and 9: 2 + 1 + 0 + 3 to the first, 3 + 0 + 1 to the second.
    assert found.open.tolist() == [False, True, False, True]
    assert (found.objective, found.bound, found.status, found.gap) == (10, 10, "optimal", 0.0)
    assert optimise.p_median(LINE, 4).objective == 0 + 1 + 0 + 0 + 1 + 0 + 1


@pytest.mark.parametrize("seed", range(4))
def test_every_optimum_of_100_random_medians_is_the_one_found_by_trying_all(seed):
    rng = np.random.default_rng(seed)
    for _ in range(100):
        n, m = rng.integers(1, 9), rng.integers(1, 7)
        p = int(rng.integers(1, m + 1))
        cost, weights = random_cost(rng, n, m), rng.integers(0, 5, n).astype(float)
        far = float(rng.choice([np.inf, 8.0]))
        must = rng.choice(m, rng.integers(0, 2), replace=False) if m > 1 else []
        never = [j for j in range(m) if j not in must and rng.random() < 0.1]
        kw = {"weights": weights, "max_cost": None if np.isinf(far) else far, "fixed_open": list(must)}
        found = optimise.p_median(cost, p, **kw, fixed_closed=never)
        truth = by_force(cost, p, weights, max_cost=far, must=must, never=never)
        assert found.status == ("optimal" if np.isfinite(truth) else "infeasible"), (seed, cost, p)
        if np.isfinite(truth):
            assert found.objective == pytest.approx(truth, rel=1e-6)
            assert faults(found, Problem.of(cost, **kw, fixed_closed=never), p=p) == []
        else:
            assert found.reasons


def test_every_optimum_of_60_random_capacitated_medians_is_the_one_found_by_trying_all():
    rng = np.random.default_rng(11)
    answers = set()
    for _ in range(60):
        n, m = int(rng.integers(2, 7)), int(rng.integers(2, 5))
        p = int(rng.integers(1, min(m, 3) + 1))
        cost, demand = random_cost(rng, n, m), rng.integers(1, 6, n).astype(float)
        capacity = np.floor(demand.sum() / p * rng.uniform(0.9, 1.6, m))
        least = np.full(m, float(rng.choice([0.0, np.floor(demand.sum() / p * 0.6)])))
        found = optimise.p_median(cost, p, demand=demand, capacity=capacity, min_load=least, time_limit_s=120)
        truth = by_force(cost, p, None, demand, capacity, least[:1])
        answers.add(found.status)
        assert found.status == ("optimal" if np.isfinite(truth) else "infeasible")
        if np.isfinite(truth):
            assert found.objective == pytest.approx(truth, rel=1e-6)
    assert answers == {"optimal", "infeasible"}


def test_covers_and_centres_of_150_random_instances_are_those_found_by_trying_all():
    rng = np.random.default_rng(5)
    for _ in range(150):
        n, m = int(rng.integers(1, 9)), int(rng.integers(1, 7))
        cost, radius = random_cost(rng, n, m), float(rng.uniform(2, 10))
        reach = np.isfinite(cost) & (cost <= radius)
        weights = rng.integers(0, 5, n).astype(float)
        must = set(rng.choice(m, rng.integers(0, 2), replace=False).tolist()) if m > 1 else set()
        never = {j for j in range(m) if j not in must and rng.random() < 0.1}
        kw = {"fixed_open": sorted(must), "fixed_closed": sorted(never)}
        sets = [
            list(s)
            for k in range(1, m + 1)
            for s in combinations(range(m), k)
            if must <= set(s) <= set(range(m)) - never
        ]
        whole = [len(s) for s in sets if reach[:, s].any(axis=1).all()]
        fewest = optimise.set_covering(cost, radius, **kw)
        assert fewest.status == ("optimal" if whole else "infeasible")
        assert not whole or fewest.objective == min(whole)
        if len(never) == m:
            continue
        p = int(rng.integers(max(1, len(must)), m - len(never) + 1))
        most = optimise.maximal_covering(cost, p, radius, weights=weights, **kw)
        truth = max(weights[reach[:, s].any(axis=1)].sum() for s in sets if len(s) == p)
        assert (most.status, most.objective) == ("optimal", truth)
        finite = np.where(np.isfinite(cost), cost, np.inf)
        worst = min(finite[:, s].min(axis=1).max() for s in sets if len(s) == p)
        centre = optimise.p_center(cost, p, **kw)
        assert centre.status == ("optimal" if np.isfinite(worst) else "infeasible")
        assert not np.isfinite(worst) or centre.objective == worst


def by_milp(reach, fee, missed, p=None):
    """Return what scipy's own model of a cover costs: fee for each site, missed for each row not reached."""
    n, m = reach.shape
    cost = np.concatenate((np.full(m, fee), missed))
    rules = [LinearConstraint(np.hstack((reach.astype(float), np.eye(n))), lb=1)]
    if p is not None:
        rules.append(LinearConstraint(np.concatenate((np.ones(m), np.zeros(n))), lb=p, ub=p))
    answer = milp(cost, integrality=np.ones(m + n), bounds=Bounds(0, 1), constraints=rules)
    assert answer.success and answer.mip_gap == 0
    return answer.fun


@pytest.mark.parametrize("seed", range(6))
def test_covers_and_centres_too_large_to_try_all_agree_with_another_model(seed):
    rng = np.random.default_rng(seed)
    home, seat = rng.uniform(0, 10, (90, 2)), rng.uniform(0, 10, (35, 2))
    cost = np.hypot(*(home[:, None] - seat[None]).transpose(2, 0, 1))
    radius, weights, p = float(cost.min(axis=1).max()) * 1.05, rng.integers(1, 30, 90).astype(float), 4 + seed
    if seed % 2:
        weights /= 7  # no longer whole: bounds must not be rounded
    fewest = optimise.set_covering(cost, radius)
    assert (fewest.status, fewest.objective) == ("optimal", round(by_milp(cost <= radius, 1.0, np.full(90, 2.0))))
    most = optimise.maximal_covering(cost, p, radius / 2, weights=weights)
    missed = by_milp(cost <= radius / 2, 0.0, weights, p)
    assert most.status == "optimal" and most.objective == pytest.approx(weights.sum() - missed, rel=1e-6)
    centre = optimise.p_center(cost, p)
    below = np.unique(cost)[np.searchsorted(np.unique(cost), centre.objective) - 1]
    assert centre.status == "optimal" and centre.open.sum() == p
    assert by_milp(cost <= centre.objective, 1.0, np.full(90, 2.0)) <= p + 1e-6
    assert by_milp(cost <= below, 1.0, np.full(90, 2.0)) > p + 0.5


@pytest.mark.parametrize("seed", range(3))
def test_medians_with_and_without_places_agree_with_another_model(seed, monkeypatch):
    monkeypatch.setattr(capacitated, "TINY", 0)  # so small, HiGHS would have it at once
    rng = np.random.default_rng(100 + seed)
    n, m, p = 24, 8, 3
    cost, demand = rng.uniform(0, 10, (n, m)), rng.integers(1, 9, n).astype(float)
    places, least = np.full(m, 1.25 * demand.sum() / p), np.full(m, 0.7 * demand.sum() / p)
    pairs, loads, opens = np.kron(np.eye(n), np.ones(m)), np.kron(demand, np.eye(m)), np.hstack
    only = opens((np.eye(n * m), -np.tile(np.eye(m), (n, 1))))
    rules = [
        LinearConstraint(opens((pairs, np.zeros((n, m)))), 1, 1),
        LinearConstraint(only, ub=0),
        LinearConstraint(np.concatenate((np.zeros(n * m), np.ones(m))), p, p),
    ]
    held = [
        LinearConstraint(opens((loads, -np.diag(places))), ub=0),
        LinearConstraint(opens((loads, -np.diag(least))), lb=0),
    ]
    fees = np.concatenate(((demand[:, None] * cost).ravel(), np.zeros(m)))
    for extra, limits in (([], {}), (held, {"demand": demand, "capacity": places, "min_load": least})):
        other = milp(fees, integrality=np.ones(n * m + m), bounds=Bounds(0, 1), constraints=rules + extra)
        found = optimise.p_median(cost, p, weights=demand, time_limit_s=20, **limits)
        assert other.success and found.status == "optimal"
        assert found.objective == pytest.approx(other.fun, rel=1e-4)


def test_the_bound_is_raised_again_where_the_first_plan_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised once towards nothing a plan costs, the bound stayed there for good, and nothing was branched on."""
    rng = np.random.default_rng(5)
    demand, places = rng.integers(1, 20, 40).astype(float), rng.integers(60, 120, 12).astype(float)
    cost = np.hypot(*(rng.random((40, 1, 2)) - rng.random((1, 12, 2))).transpose(2, 0, 1)) * 100
    turn = capacitated._turn

    def late(load: capacitated.Load, seed: int) -> None:
        if load.turns < capacitated.QUIET:
            load.turns += 1
        else:
            turn(load, seed)

    monkeypatch.setattr(capacitated, "TINY", 0)
    monkeypatch.setattr(capacitated, "_turn", late)
    monkeypatch.setattr(capacitated, "_whole", lambda *_: False)  # HiGHS finds nothing in its time
    found = optimise.p_median(cost, 6, capacity=places, demand=demand, time_limit_s=20.0)
    assert found.status == "optimal" and found.bound > 0


@pytest.mark.parametrize("seed", range(3))
def test_branching_on_neighbourhoods_ends_at_the_optimum_with_one_model_for_every_p(seed):
    rng = np.random.default_rng(seed)
    nodes = 0
    for turn in range(8):
        n, m = int(rng.integers(20, 40)), int(rng.integers(6, 11))
        cost = rng.uniform(0, 50, (n, m)) if turn % 2 else np.round(rng.uniform(0, 8, (n, m)))
        cost[rng.random((n, m)) < 0.2 * (turn % 3 == 0)] = np.inf
        weights = rng.integers(0, 9, n).astype(float)
        problem = Problem.of(cost, weights=weights, fixed_open=[turn % m] if turn % 4 == 0 else None)
        table, aim = median_search.Sorted.of(problem), median_search.Aim(0.0, problem.in_whole_numbers, m)
        must = np.flatnonzero(problem.must_open)
        searches = {p: median_search.first(table, p, rounds=0) for p in range(m, 0, -1)}
        searches = {p: search for p, search in searches.items() if search.upper < table.nowhere}
        highest = max(search.upper for search in searches.values())
        master = tree.Master.of(table, highest, searches[m].multipliers)
        for p, search in searches.items():
            search.status = table.keep.astype(np.int8)  # as if the dual had decided nothing
            assert median_search.branch(table, table, master, p, search, Control(30.0), aim)
            truth = by_force(cost, p, weights, must=must)
            assert search.upper == pytest.approx(truth, rel=1e-6, abs=1e-9)
            assert search.bound <= truth * (1 + 1e-9) + 1e-9
            nodes += search.nodes
    assert nodes > 5


def test_towns_apart_are_proven_one_by_one_from_any_multipliers():
    rng, sharper = np.random.default_rng(17), 0
    for turn in range(16):
        block = [np.round(rng.uniform(0, 12, (6, 4))) if turn % 2 else rng.uniform(0, 12, (6, 4)) for _ in range(3)]
        block[2] = block[0]  # laid out twice: proven once
        cost = np.full((18, 12), 500.0)
        for t, one in enumerate(block):
            cost[6 * t : 6 * t + 6, 4 * t : 4 * t + 4] = one
        must = [turn % 12] if turn % 3 == 0 else []
        problem, p = Problem.of(cost, fixed_open=must), int(rng.integers(3, 10))
        table, aim = median_search.Sorted.of(problem), median_search.Aim(0.0, problem.in_whole_numbers, 12)
        search, truth = median_search.first(table, p, rounds=0), by_force(cost, p, must=must)
        median_search.relax(table, p, search, aim)
        search.multipliers += rng.uniform(0, 2, 18)
        # As if only a worse plan were known, and nothing of its bound.
        search.bound, search.status = -np.inf, table.keep.astype(np.int8)
        search.upper, search.is_open = search.upper + 6.0, table.keep
        town = towns.fallen_apart(table, p, search, aim)
        assert town is not None and np.unique(town[:18]).size >= 3
        assert towns.prove(table, town, p, search, Control(30.0), aim)
        assert search.upper == pytest.approx(truth) and truth * (1 - 1e-6) <= search.bound <= truth + 1e-9
        assert search.is_open.sum() == p and search.is_open[must].all()
        assert cost[:, search.is_open].min(axis=1).sum() == pytest.approx(truth)
        rho = np.minimum(0.0, cost - search.multipliers[:, None]).sum(axis=0)
        sharper += search.multipliers.sum() + np.sort(rho)[:p].sum() < truth - 0.5
    assert sharper > 8


def test_a_bound_from_any_multipliers_and_prices_is_never_above_the_optimum():
    rng = np.random.default_rng(5)
    cost = rng.uniform(0, 9, (15, 6))
    table = median_search.Sorted.of(Problem.of(cost))
    rho, chosen = np.zeros(6), np.zeros(6, np.bool_)
    for p in (1, 2, 4):
        truth = by_force(cost, p)
        for _ in range(50):
            u, prices = rng.uniform(0, 9, 15), np.full(6, rng.normal())
            # A price on all sites alike pays back p times, as a limit on the group of all of them does.
            found = cuts.certify(
                table.near, table.cost, u, prices, np.zeros(6, np.int8), p, p * prices[0], rho, chosen
            )[0]
            assert found <= truth + 1e-9


def homely(rng):
    """Return a problem with two kinds of load, its p and homes, and every plan it allows with its cost."""
    n, m, p = 6, 4, int(rng.integers(2, 4))
    cost, home = rng.uniform(1, 9, (n, m)), rng.integers(-1, m, n)
    cost[rng.random((n, m)) < 0.1] = np.inf
    tied = np.flatnonzero(home >= 0)
    cost[tied, home[tied]] = 0.0
    demand = rng.integers(0, 5, (n, 2)).astype(float)
    own = np.stack([np.bincount(home[tied], demand[tied, k], m) for k in (0, 1)], axis=1)
    places = own + rng.integers(0, 8, (m, 2))
    least = np.full(m, float(rng.choice([0, 4])))
    plans = []
    for sites in combinations(range(m), p):
        for to in product(sites, repeat=n):
            at = np.array(to)
            load = np.stack([np.bincount(at, demand[:, k], m) for k in (0, 1)], axis=1)
            stays = all(h not in sites or h == j for h, j in zip(home, to, strict=True))
            if stays and np.all(load <= places) and np.all(load.sum(axis=1)[list(sites)] >= least[list(sites)]):
                plans.append((float(cost[np.arange(n), at].sum()), at, np.isin(np.arange(m), sites)))
    plans = sorted((plan for plan in plans if np.isfinite(plan[0])), key=lambda plan: plan[0])
    return LoadBound(Problem.of(cost, demand=demand, capacity=places, min_load=least), p, home), plans


def test_bounds_of_whole_points_hold_and_what_they_leave_out_no_better_plan_uses():
    rng, left_out, sharper = np.random.default_rng(22), 0, 0
    for _ in range(60):
        bounding, plans = homely(rng)
        n, m = bounding.problem.shape
        fee, status = np.zeros(m), np.zeros(m, np.int8)
        cut = (plans[0][0] if plans else 20.0) + 3.0
        for _ in range(8):
            u = rng.uniform(0, 9, n)
            figures = (
                np.zeros(m),
                np.zeros((m, 2)),
                np.zeros(m, np.bool_),
                np.zeros(bounding.dual.points.shape, np.bool_),
            )
            bounds = [
                load_dual.relax_loads(bounding.dual, u, status, bounding.p, fee, *figures, whole)[0]
                for whole in (False, True)
            ]
            assert bounds[0] <= bounds[1] + 1e-9
            assert not plans or bounds[1] <= plans[0][0] + 1e-9
            sharper += bounds[1] > bounds[0] + 1e-6
            left_out += _no_plan_denies(bounding.floor(u, status, cut), status, plans, cut)
        floor, status = bounding.raise_to(cut, Control(5.0), 1.0)
        left_out += _no_plan_denies(floor, status, plans, cut)
        if plans:
            assert _branched(bounding, status, plans, cut) == pytest.approx(plans[0][0], abs=1e-6)
        assert bounding.value <= min([plan[0] for plan in plans], default=np.inf) + 1e-6
    assert left_out > 100 and sharper > 20


def _branched(bounding, status, plans, cut):
    """Return the bound at the end of branching where plans are only counted once all sites are decided."""

    def leaf(_, status, __):
        values = [value for value, _, is_open in plans if np.array_equal(is_open, status == 1)]
        return -np.inf if (status == 0).any() else min(values, default=np.inf)

    tree = SiteTree(bounding, leaf)
    tree.begin(status)
    while tree.nodes:
        tree.look(cut, Control(5.0))
    return tree.bound


def _no_plan_denies(floor, status, plans, cut):
    """Hold what is said of plans below a value against them all; return how many pairs are left out."""
    for value, to, is_open in plans:
        if value < cut - 1e-6:
            assert np.all(floor[np.arange(to.size), to] <= value + 1e-6)
            assert is_open[status == 1].all() and not is_open[status == -1].any()
    return int((~np.isfinite(floor)).sum())


def test_what_no_better_plan_can_use_is_used_by_none_of_them():
    rng = np.random.default_rng(6)
    left_out = 0
    for _ in range(20):
        cost, p = rng.uniform(0, 9, (12, 7)), 3
        problem = Problem.of(cost)
        plans = {sites: cost[:, sites].min(axis=1).sum() for sites in combinations(range(7), p)}
        cut = np.quantile(list(plans.values()), 0.3)
        floor, status = median_search.worthwhile(problem, np.arange(7) < p, float(cut))
        left_out += int((~np.isfinite(floor)).sum())
        for sites, value in plans.items():
            if value < cut - 1e-9:
                assert all(status[list(sites)] >= 0) and not set(np.flatnonzero(status == 1)) - set(sites)
                # Serving any one point from another open site is a plan too, where a rule asks for it.
                for i, j in product(range(12), sites):
                    dearer = value - cost[i, sites].min() + cost[i, j]
                    assert floor[i, j] <= dearer + 1e-9 or dearer >= cut - 1e-9
    assert left_out > 100


def test_counts_of_a_family_tree_tell_whether_p_fits():
    # Sites 0 and 1 make group 4, sites 2 and 3 group 5, both make all.
    children, least, most = np.array([[0, 1], [2, 3], [4, 5]]), np.zeros(7), np.array([1, 1, 1, 1, 2, 2, 4.0])
    assert cuts.countable(children, least, most, 3.0)
    most[4] = 0.0
    assert cuts.countable(children, least, most, 2.0) and not cuts.countable(children, least, most, 3.0)
    least[0] = 1.0
    assert not cuts.countable(children, least, most, 2.0)


def test_what_is_left_out_of_a_cover_decides_nothing():
    from balance_lib.optimise import dominance

    # Row 2 is reached wherever row 0 is; site 2 reaches no more than site 1; row 3 has only site 3.
    table = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1]], np.bool_)
    rows, sites, chosen = np.ones(4, np.bool_), np.ones(4, np.bool_), np.zeros(4, np.bool_)
    dominance.thin_cover(dominance.pack(table), dominance.pack(table.T), rows, sites, chosen)
    assert chosen.tolist() == [False, True, False, True] and not rows.any()
    # A ring of five, each site reaching two neighbours: nothing can be left out, three of five sites are needed.
    ring = np.eye(5, dtype=np.bool_) | np.roll(np.eye(5, dtype=np.bool_), 1, axis=1)
    rows, sites, chosen = np.ones(5, np.bool_), np.ones(5, np.bool_), np.zeros(5, np.bool_)
    dominance.thin_cover(dominance.pack(ring), dominance.pack(ring.T), rows, sites, chosen)
    assert rows.all() and sites.all() and not chosen.any()
    assert optimise.set_covering(np.where(ring, 0.0, 9.0), 1.0).objective == 3


def test_the_curve_of_centres_shares_what_it_learns():
    from balance_lib.optimise import center
    from balance_lib.optimise.control import Control

    rng = np.random.default_rng(8)
    problem = Problem.of(rng.integers(0, 30, (40, 12)).astype(float))
    radii, control = center.Radii.of(problem), Control(60)
    shared = [center.solve(problem, p, control, radii=radii).objective for p in range(12, 0, -1)]
    assert shared == [optimise.p_center(problem.cost, p).objective for p in range(12, 0, -1)] == sorted(shared)


def test_the_frontier_knows_what_it_has_proven():
    rng = np.random.default_rng(3)
    cost = rng.uniform(0, 10, (12, 7))
    curve = optimise.frontier(cost, prove=True)
    assert curve.p.tolist() == list(range(1, 8)) and curve.proven.all()
    for p, value in zip(curve.p, curve.objective, strict=True):
        assert value == pytest.approx(by_force(cost, p), rel=1e-6)
        assert curve.at(int(p)).objective == value
    quick = optimise.frontier(cost)
    assert not quick.proven[:-1].any() and np.all(quick.objective >= curve.objective - 1e-9)
    with pytest.raises(KeyError):
        curve.at(8)


def test_readers_take_the_last_of_two_edges_and_round_distances_down(tmp_path: Path):
    (tmp_path / "pmed.txt").write_text(" 4 5 2 \n 1 2 9\n 2 3 4\n 3 4 1\n 1 2 2\n 2 1 3\n")
    graph = optimise.read_pmed(tmp_path / "pmed.txt")
    assert graph.cost.tolist() == [[0, 3, 7, 8], [3, 0, 4, 5], [7, 4, 0, 1], [8, 5, 1, 0]] and graph.p == 2
    assert optimise.p_median(graph.cost, 2).objective == 4
    (tmp_path / "cap.txt").write_text("1 7\n 3 1 12\n 1 0 0 3\n 2 2 2 4\n 3 0 9 5\n")
    plane = optimise.read_pmedcap(tmp_path / "cap.txt")
    assert plane.cost.tolist() == [[0, 2, 9], [2, 0, 7], [9, 7, 0]]
    found = optimise.p_median(plane.cost, 1, demand=plane.demand, capacity=plane.capacity)
    assert (found.objective, plane.best_known) == (9, 7)  # demand loads places, it does not weigh distance
    (tmp_path / "short.txt").write_text(" 4 5 2 \n 1 2 9\n")
    with pytest.raises(ValueError, match="promised"):
        optimise.read_pmed(tmp_path / "short.txt")


def test_the_published_optimum_of_a_generated_instance(tmp_path: Path):
    """A grid of 5 × 5 unit edges: one median is its middle (60 steps), published for grids in any textbook."""
    edges = [(5 * r + c + 1, 5 * r + c + 2) for r in range(5) for c in range(4)]
    edges += [(5 * r + c + 1, 5 * r + c + 6) for r in range(4) for c in range(5)]
    lines = [f"25 {len(edges)} 1", *(f"{a} {b} 1" for a, b in edges)]
    (tmp_path / "grid.txt").write_text("\n".join(lines))
    grid = optimise.read_pmed(tmp_path / "grid.txt")
    found = optimise.p_median(grid.cost, grid.p)
    assert (found.objective, np.flatnonzero(found.open).tolist()) == (60, [12])


@pytest.mark.parametrize(
    ("kw", "rule"),
    [
        ({"p": 1, "fixed_open": [0, 1]}, "too_few"),
        ({"p": 4, "fixed_closed": [2]}, "too_many"),
        ({"p": 2, "max_cost": 0.5}, "beyond_reach"),
        ({"p": 1, "max_cost": 4}, "cover_needs"),
        ({"p": 2, "demand": [1] * 7, "capacity": 3}, "places_short"),
        ({"p": 3, "demand": [1] * 7, "min_load": 3}, "least_loads_too_large"),
        ({"p": 2, "demand": [5, 1, 1, 1, 1, 1, 1], "capacity": [4, 4, 9, 4], "max_cost": 3}, "point_too_large"),
    ],
)
def test_what_cannot_be_done_says_why_and_how_much_would_have_to_give(kw, rule):
    kw = dict(kw)
    found = optimise.p_median(LINE, kw.pop("p"), **kw)
    assert found.status == "infeasible" and not found.open.any()
    reason = next(r for r in found.reasons if r.rule == rule)
    assert np.isfinite(reason.needed)
    for lang in ("zh", "en"):
        assert reason.sentence(lang) in found.sentence(lang)


def test_loosening_as_told_makes_it_possible():
    short = optimise.p_median(LINE, 1, max_cost=4)
    needed = next(r.needed for r in short.reasons if r.rule == "cover_needs")
    assert optimise.p_median(LINE, int(needed), max_cost=4).status == "optimal"
    lone = optimise.p_median(LINE, 2, max_cost=0.5)
    assert optimise.p_median(LINE, 4, max_cost=lone.reasons[0].needed).status == "optimal"
    # Three villages of 2 in two schools of 3 places: enough in all, but no two fit in one school.
    cost, demand = np.zeros((3, 2)), np.array([2.0, 2.0, 2.0])
    tight = optimise.p_median(cost, 2, demand=demand, capacity=3.0, time_limit_s=10)
    more = next(r for r in tight.reasons if r.rule == "more_places")
    assert (tight.status, more.given, more.needed) == ("infeasible", 3.0, 4.0)
    assert optimise.p_median(cost, 2, demand=demand, capacity=more.needed).status == "optimal"


def test_wrong_inputs_are_told_all_at_once():
    with pytest.raises(ValueError, match=r"below zero.*weights.*capacity or min_load without demand.*not there"):
        optimise.p_median([[-1.0, 2.0]], 1, weights=[np.nan], capacity=3, fixed_open=[7])
    with pytest.raises(ValueError, match="at least 1"):
        optimise.p_median(np.zeros((0, 3)), 1)
    with pytest.raises(ValueError, match="both"):
        optimise.p_median(LINE, 1, fixed_open=[1], fixed_closed=[1])


def test_the_check_catches_every_kind_of_wrong_solution():
    problem = Problem.of(LINE, demand=[1] * 7, capacity=4, min_load=3, max_cost=6)
    right = optimise.p_median(LINE, 2, demand=[1] * 7, capacity=4, min_load=3, max_cost=6)
    assert faults(right, problem, p=2) == []
    to = right.assignment.copy()
    closed = int(np.flatnonzero(~right.open)[0])
    spoiled = {
        "sites open": (right.open | (np.arange(4) == closed), to, right.objective, right.bound),
        "closed site": (right.open, np.where(np.arange(7) == 3, closed, to), right.objective, right.bound),
        "not served": (right.open, np.where(np.arange(7) == 3, -1, to), right.objective, right.bound),
        "over capacity": (right.open, np.full(7, to[0]), right.objective, right.bound),
        "recomputed": (right.open, to, right.objective - 1, right.bound - 1),
        "wrong side": (right.open, to, right.objective, right.objective + 1),
        "called optimal": (right.open, to, right.objective, right.objective / 2),
    }
    for words, (is_open, site, objective, bound) in spoiled.items():
        assert any(
            words in fault for fault in faults(Solution(is_open, site, objective, bound, "optimal"), problem, p=2)
        )
    with pytest.raises(verify.WrongSolutionError):
        verify.confirm(Solution(right.open, to, 1.0, 1.0, "optimal"), problem)


def test_a_status_comes_from_the_figures_not_from_a_solver():
    assert status_of(100, 100, 0, ended=False) == "optimal"
    assert status_of(100, 99, 0, ended=False) == "stopped"
    assert status_of(100, 99, 0.02, ended=False) == "feasible"
    assert optimise.optimality_gap(200, 190) == 0.05 and np.isnan(optimise.optimality_gap(np.nan, 1))


def test_cancelled_it_returns_the_best_so_far_with_its_honest_gap():
    rng = np.random.default_rng(2)
    cost = rng.uniform(0, 1, (300, 80))
    heard = []
    cancel = threading.Event()
    cancel.set()
    found = optimise.p_median(cost, 12, progress=heard.append, cancel=cancel)
    assert found.status == "stopped" and found.found and 0 < found.gap < 1
    assert found.bound <= optimise.p_median(cost, 12, time_limit_s=0.5).objective <= found.objective
    assert heard and heard[-1].objective == found.objective and heard[-1].open.sum() == 12


def test_started_beside_it_reports_and_can_be_cancelled():
    rng = np.random.default_rng(4)
    cost = rng.uniform(0, 1, (300, 80))
    seen = threading.Event()
    running = optimise.start(optimise.p_median, cost, 12, on_progress=lambda _: seen.set())
    assert seen.wait(30)
    running.cancel()
    assert running.result(30).found and running.done and running.latest is not None
    failing = optimise.start(optimise.p_median, cost, 12, weights=[1])
    with pytest.raises(ValueError, match="weights"):
        failing.result(30)
