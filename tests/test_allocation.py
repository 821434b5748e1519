"""Who goes where: against linear programmes, against every zoning there is, and against figures worked by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from balance_lib.optimise import allocation
from balance_lib.optimise.allocation import (
    AllocationError,
    AllocationProblem,
    nearest,
    search,
    transport,
    verify,
    zoned,
)
from balance_lib.optimise.allocation.result import lower_bound

NAN = float("nan")
Instance = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def instances(draw: Any, points: int = 6, sites: int = 4, kinds: int = 0, ways: bool = True) -> Instance:
    """Return costs (some without a way), pupils and places, both of them often tight, zero or too few."""
    n, m = draw(st.integers(1, points)), draw(st.integers(1, sites))
    one = st.one_of(st.integers(0, 9), st.just(NAN)) if ways else st.integers(0, 9)
    cost = np.array(draw(st.lists(one, min_size=n * m, max_size=n * m)), dtype=float).reshape(n, m)
    shape = (n, kinds) if kinds else (n,)
    size = n * max(kinds, 1)
    demand = np.array(draw(st.lists(st.integers(0, 12), min_size=size, max_size=size)), dtype=float).reshape(shape)
    size = m * max(kinds, 1)
    places = st.one_of(st.integers(0, 25), st.just(float("inf")))
    capacity = np.array(draw(st.lists(places, min_size=size, max_size=size)), dtype=float)
    return cost, demand, capacity.reshape((m, kinds) if kinds else (m,))


def by_linear_programme(cost: np.ndarray, demand: np.ndarray, capacity: np.ndarray) -> tuple[float, float]:
    """Return how many can be placed and at what least cost, by scipy's HiGHS."""
    n, m = cost.shape
    way = np.isfinite(cost).ravel()
    leave = np.kron(np.eye(n), np.ones(m))
    enter = np.kron(np.ones(n), np.eye(m))
    limited = np.isfinite(capacity)
    rows = np.vstack([leave, enter[limited]])
    most = np.concatenate([demand, capacity[limited]])
    bounds = [(0, None if w else 0) for w in way]
    placed = -linprog(-np.ones(n * m), rows, most, bounds=bounds).fun
    total = linprog(np.nan_to_num(cost.ravel()), rows, most, np.ones((1, n * m)), [placed], bounds=bounds)
    return float(placed), float(total.fun)


def by_enumeration(cost: np.ndarray, demand: np.ndarray, capacity: np.ndarray) -> tuple[float, float]:
    """Return the fewest pupils left out and the least cost, over every zoning there is."""
    n, m = cost.shape
    pupils = demand.sum(axis=1)
    best = (float("inf"), float("inf"))
    for sites in product(range(-1, m), repeat=n):
        load, total, out = np.zeros_like(capacity), 0.0, 0.0
        for i, j in enumerate(sites):
            if j < 0:
                out += pupils[i]
            elif pupils[i] > 0:
                load[j] += demand[i]
                total += pupils[i] * cost[i, j]
        if not np.isnan(total) and (load <= capacity).all():
            best = min(best, (out, total))
    return best


def test_everyone_goes_to_the_nearest_open_site() -> None:
    found = nearest([[3, 1, 9], [2, 5, 1]], [10, 5], is_open=[True, True, False])
    assert found.site.tolist() == [1, 0] and found.load.tolist() == [5, 10, 0]
    assert (found.objective, found.status, found.gap) == (20.0, "optimal", 0.0)


def test_of_equal_sites_the_first_is_taken() -> None:
    assert nearest([[4, 2, 2]], [1]).site.tolist() == [1]
    assert zoned([[2, 2]], [3], [9, 9]).site.tolist() == [0]


def test_who_reaches_no_site_is_named_and_not_sent() -> None:
    found = nearest([[1.0, NAN], [NAN, NAN], [np.inf, 3.0]], [4, 6, 2])
    assert found.site.tolist() == [0, -1, 1] and found.overflow.tolist() == [0, 6, 0]
    assert found.unreachable.tolist() == [False, True, False]
    assert (found.status, found.reasons) == ("infeasible", ("unreachable",))


@pytest.mark.parametrize("solve", [nearest, lambda c, d: transport(c, d, [9, 9]), lambda c, d: zoned(c, d, [9, 9])])
def test_points_without_pupils_use_no_places(solve: Any) -> None:
    found = solve([[5, 2], [1, 2], [NAN, NAN]], [0, 3, 0])
    assert found.site.tolist() == [1, 0, -1] and found.status == "optimal" and found.load.tolist() == [3, 0]


@pytest.mark.parametrize("open_sites", [[False, False], [True, True]])
def test_no_site_and_no_point(open_sites: list[bool]) -> None:
    none = transport(np.zeros((0, 2)), [], [1, 1], is_open=open_sites)
    assert none.status == "optimal" and none.objective == 0 and len(none.amounts) == 0
    shut = [solve(np.ones((2, 2)), [3, 4], [9, 9], is_open=[False, False]) for solve in (transport, zoned)]
    assert [(f.status, f.shortfall, f.reasons) for f in shut] == [("infeasible", 7.0, ("no_site",))] * 2
    assert zoned(np.zeros((3, 0)), [1, 2, 3]).shortfall == 6


def test_transport_worked_by_hand() -> None:
    """Both villages are nearer to the first school; moving the second village costs 1 a pupil, the first 4."""
    found = transport([[1, 5], [1, 2]], [10, 10], [12, 20])
    flows = list(zip(found.points, found.sites, found.amounts, strict=True))
    assert flows == [(0, 0, 10), (1, 0, 2), (1, 1, 8)] and found.objective == 28
    assert found.site.tolist() == [0, 1] and found.prices[:, 0].tolist() == [1.0, 0.0]


def test_too_few_places_are_told_with_shortfall_and_villages() -> None:
    found = transport([[1, 2], [1, 3], [1, 9]], [10, 10, 10], [12, 10])
    assert (found.status, found.shortfall, found.reasons) == ("infeasible", 8.0, ("places_short",))
    assert found.overflow.tolist() == [0, 0, 8] and found.objective == 10 * 2 + 10 * 1 + 2 * 1


def test_places_out_of_reach_are_told_apart_from_too_few() -> None:
    found = transport([[1, NAN], [1, 3]], [10, 5], [6, 30])
    assert found.overflow.tolist() == [4, 0] and found.reasons == ("places_out_of_reach",)


@settings(max_examples=250, deadline=None)
@given(instances())
def test_transport_is_the_optimum_of_the_linear_programme(instance: Instance) -> None:
    cost, demand, capacity = instance
    found = transport(cost, demand, capacity)
    placed, total = by_linear_programme(cost, demand, capacity)
    assert found.amounts.sum() == pytest.approx(placed, abs=1e-7)
    assert found.objective == pytest.approx(total, abs=1e-6)
    assert found.shortfall == pytest.approx(demand.sum() - placed, abs=1e-7)


@pytest.mark.parametrize("slack", [0.9, 1.0, 1.01, 1.2])
@pytest.mark.parametrize("whole", [True, False])
def test_transport_of_a_county_is_the_optimum(slack: float, whole: bool) -> None:
    rng = np.random.default_rng(int(100 * slack))
    home, seat = rng.uniform(0, 30_000, (120, 2)), rng.uniform(0, 30_000, (25, 2))
    cost = np.hypot(*(home[:, None] - seat[None]).transpose(2, 0, 1))
    demand = rng.integers(0, 60, 120).astype(float) if whole else rng.uniform(0, 60, 120)
    share = rng.uniform(0.2, 1.8, 25)
    capacity = share / share.sum() * demand.sum() * slack
    placed, total = by_linear_programme(cost, demand, capacity)
    found = transport(cost, demand, capacity)
    assert found.amounts.sum() == pytest.approx(placed, rel=1e-9) and found.objective == pytest.approx(total, rel=1e-8)
    again = transport(cost, demand, capacity)
    assert (found.points == again.points).all() and (found.amounts == again.amounts).all()


@settings(max_examples=100, deadline=None)
@given(instances(points=5, sites=3, ways=False), st.integers(1, 9))
def test_another_place_never_costs_more(instance: Instance, more: int) -> None:
    cost, demand, capacity = instance
    before, after = transport(cost, demand, capacity), transport(cost, demand, capacity + more)
    assert after.shortfall <= before.shortfall + 1e-9
    assert after.shortfall < before.shortfall - 1e-9 or after.objective <= before.objective + 1e-7


@settings(max_examples=100, deadline=None)
@given(instances(), st.data())
def test_closing_a_school_shortens_nobodys_way_and_opening_it_again_gives_back_the_first_answer(
    instance: Instance, data: Any
) -> None:
    cost, demand, _ = instance
    is_open = np.array(data.draw(st.lists(st.booleans(), min_size=cost.shape[1], max_size=cost.shape[1])))
    before, after = nearest(cost, demand), nearest(cost, demand, is_open=is_open)
    for point, site in enumerate(after.site):
        if site >= 0:
            assert cost[point, site] >= cost[point, before.site[point]]
    again = nearest(cost, demand, is_open=np.ones(cost.shape[1], dtype=bool))
    assert (again.site == before.site).all()


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([1, 2]).flatmap(lambda k: instances(points=5, sites=3, kinds=k)))
def test_zoning_is_the_best_of_all_zonings(instance: Instance) -> None:
    cost, demand, capacity = instance
    found = zoned(cost, demand, capacity, time_limit_s=60)
    out, total = by_enumeration(cost, demand, capacity)
    assert found.shortfall == pytest.approx(out) and found.objective == pytest.approx(total)
    assert found.status == ("infeasible" if out else "optimal")
    assert found.overflow_bound == pytest.approx(out, abs=1e-6) and found.gap <= 1e-9


@pytest.mark.parametrize("kinds", [1, 2])
def test_shaking_keeps_a_zoning_whole_within_places_and_makes_it_cheaper(kinds: int) -> None:
    rng = np.random.default_rng(3)
    home, seat = rng.uniform(0, 50, (120, 2)), rng.uniform(0, 50, (20, 2))
    demand = rng.integers(5, 80, (120, kinds)).astype(float)
    share = rng.uniform(0.3, 1.7, (20, kinds))
    capacity = np.vstack([np.ceil(share / share.sum(axis=0) * demand.sum(axis=0) * 1.3), np.full(kinds, np.inf)])
    weight = demand.sum(axis=1)[:, None] * np.hypot(*(home[:, None] - seat[None]).transpose(2, 0, 1))
    weight = np.column_stack([weight, np.full(120, 1e9)])
    near = np.ascontiguousarray(np.argsort(weight[:, :-1], axis=1)[:, :4])

    def zoning(site: np.ndarray) -> search.Zoning:
        return search.zoning(weight, demand, capacity, site, 1e-6, 1e-6)

    start = search.improve(zoning(np.full(120, -1)))
    found = search.shake(zoning(start), near, 200, 0)
    cost = [weight[np.arange(120), site].sum() for site in (start, found)]
    assert cost[1] < cost[0] < 1e9  # nobody without a place, and less than the local best it began with
    load = np.zeros_like(capacity)
    np.add.at(load, found, demand)
    assert (load <= capacity + 1e-6).all()
    assert (search.shake(zoning(start), near, 200, 0) == found).all()  # no chance in it


@settings(max_examples=60, deadline=None)
@given(instances())
def test_zoning_without_limits_is_the_nearest(instance: Instance) -> None:
    cost, demand, _ = instance
    assert (zoned(cost, demand).site == nearest(cost, demand).site).all()


def test_villages_that_do_not_fit_whole_are_told() -> None:
    """Three villages of 6 and two schools of 9: 18 places, but only one village fits into each."""
    found = zoned(np.ones((3, 2)), [6, 6, 6], [9, 9])
    assert (found.status, found.shortfall, found.reasons) == ("infeasible", 6.0, ("zones_do_not_fit",))
    large = zoned([[1, 1]], [20], [15, 15])
    assert large.shortfall == 20 and large.reasons == ("zones_do_not_fit",)


def test_every_grade_band_must_find_its_places() -> None:
    """The first school has room for all pupils together, but not for the second village's lower grades."""
    found = zoned([[1, 4], [1, 2]], [[5, 5], [5, 0]], [[8, 12], [20, 20]])
    assert found.site.tolist() == [0, 1] and found.load.tolist() == [[5, 5], [5, 0]]


def test_a_zoning_stopped_early_tells_an_honest_gap() -> None:
    rng = np.random.default_rng(5)
    cost, demand = rng.uniform(0, 100, (60, 8)), rng.integers(5, 60, 60).astype(float)
    capacity = np.full(8, np.ceil(demand.sum() / 8 * 1.03))
    quick = zoned(cost, demand, capacity, time_limit_s=0.05)
    better = zoned(cost, demand, capacity, time_limit_s=5.0, gap=0.002)
    assert quick.status in ("optimal", "feasible") and quick.bound <= better.objective * (1 + 1e-9)
    assert better.bound <= quick.objective * (1 + 1e-9) and better.objective <= quick.objective * (1 + 1e-9)
    assert transport(cost, demand, capacity).objective <= quick.bound * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(instances(kinds=2), st.data())
def test_any_prices_bound_the_cost_from_below(instance: Instance, data: Any) -> None:
    cost, demand, capacity = instance
    found = zoned(cost, demand, capacity, time_limit_s=60)
    prices = np.array(
        data.draw(st.lists(st.integers(0, 5), min_size=capacity.size, max_size=capacity.size)), dtype=float
    )
    prices = np.where(np.isfinite(capacity), prices.reshape(capacity.shape), 0.0)
    problem = AllocationProblem.of(cost, demand, capacity)
    lost = problem.pupils[~problem.reachable].sum()
    without = float(data.draw(st.integers(0, 50)))
    assert lower_bound(problem, prices, without, found.shortfall - lost) <= found.objective + 1e-6


@pytest.mark.parametrize(
    "change",
    [
        {"objective": 27.0},
        {"status": "infeasible"},
        {"status": "feasible", "overflow": np.array([0.0, 1.0])},
        {"amounts": np.array([10.0, 3.0, 7.0])},
        {"sites": np.array([0, 1, 1])},
        {"load": np.array([11.0, 9.0])},
        {"bound": 30.0},
        {"prices": np.zeros((2, 1))},
        {"overflow_bound": 5.0},
        {"unreachable": np.array([True, False])},
    ],
)
def test_an_answer_that_does_not_hold_is_refused(change: dict[str, Any]) -> None:
    arrays = [[1, 5], [1, 2]], [10, 10], [12, 20]
    found = transport(*arrays)
    verify(found, *arrays)
    with pytest.raises(AllocationError):
        verify(replace(found, **change), *arrays)


def test_an_answer_is_refused_for_other_arrays() -> None:
    found = zoned([[1, 5], [1, 2]], [10, 10], [12, 20])
    verify(found, [[1, 5], [1, 2]], [10, 10], [12, 20])
    for arrays, options in [
        (([[1, 5], [1, 2]], [10, 10], [12, 9]), {}),
        (([[1, 5], [1, NAN]], [10, 10], [12, 20]), {}),
        (([[1, 5], [1, 2]], [10, 10], [12, 20]), {"is_open": [True, False]}),
    ]:
        with pytest.raises(AllocationError):
            verify(found, *arrays, **options)


def test_all_mistakes_are_told_together() -> None:
    with pytest.raises(ValueError, match=r"negative.*demand.*capacity"):
        transport([[1, -1]], [NAN], [-1, 2])
    with pytest.raises(ValueError, match=r"demand is of 2 points.*capacity has shape.*is_open"):
        zoned([[1, 1]], [1, 2], [1], is_open=[True])
    with pytest.raises(ValueError, match="one kind"):
        transport([[1, 1]], [[1, 2]], [[1, 1], [1, 1]])


def test_arrays_handed_in_are_left_as_they_were() -> None:
    cost, demand, capacity = np.array([[1.0, NAN], [2.0, 1.0]]), np.array([3.0, 4.0]), np.array([3.0, 3.0])
    kept = cost.copy(), demand.copy(), capacity.copy()
    for found in (nearest(cost, demand), transport(cost, demand, capacity), zoned(cost, demand, capacity)):
        assert found.shortfall >= 0
    np.testing.assert_array_equal(cost, kept[0])
    np.testing.assert_array_equal(demand, kept[1])
    np.testing.assert_array_equal(capacity, kept[2])


def test_warming_up_compiles_and_says_how_long_it_took() -> None:
    assert allocation.warm_up() >= 0
