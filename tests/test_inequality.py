"""The difference coefficient: worked example, third-party oracle, and what must hold for any county."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW

from balance_lib import inequality as ineq

BOOKS, PUPILS = [279, 137, 935, 160, 402], [45, 37, 89, 76, 55]
VALUES = [b / p for b, p in zip(BOOKS, PUPILS, strict=True)]

counts = st.integers(1, 3000)
totals = st.floats(0, 1e6)
schools = st.lists(st.tuples(totals, counts), min_size=2, max_size=30)


def split(pairs: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    total, pupils = np.array(pairs, dtype=float).T
    return total / pupils, pupils


def test_worked_example_of_five_schools() -> None:
    assert ineq.weighted_mean(VALUES, PUPILS) == pytest.approx(1913 / 302, abs=1e-12)
    assert ineq.standard_deviation(VALUES, PUPILS) == pytest.approx(3.2638607052, abs=1e-9)
    assert ineq.coefficient_of_variation(VALUES, PUPILS) == pytest.approx(0.5152566299, abs=1e-10)


def test_the_wrong_formulas_of_the_field_give_other_numbers() -> None:
    x = np.array(VALUES)
    found = ineq.coefficient_of_variation(VALUES, PUPILS)
    for wrong in (x.std() / x.mean(), x.std(ddof=1) / x.mean(), x.std() / (1913 / 302)):
        assert abs(found - wrong) > 0.02


def test_published_case(shared_dir) -> None:
    folder = shared_dir / "standards" / "cases"
    with (folder / "case1_books_5_primary_schools_raw.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with (folder / "case1_expected.csv").open(encoding="utf-8-sig") as file:
        expected = {row["quantity"]: row["exact_recomputed"] for row in csv.DictReader(file)}
    pupils = [float(row["students"]) for row in rows]
    values = [float(row["books"]) / p for row, p in zip(rows, pupils, strict=True)]
    assert ineq.coefficient_of_variation(values, pupils) == pytest.approx(float(expected["CV"]), abs=1e-10)


@given(schools)
def test_equals_the_weighted_statistics_of_statsmodels(pairs) -> None:
    values, pupils = split(pairs)
    assume(values.mean() > 1e-6)
    oracle = DescrStatsW(values, weights=pupils, ddof=0)
    assert ineq.coefficient_of_variation(values, pupils) == pytest.approx(oracle.std / oracle.mean, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 40)), min_size=2, max_size=8))
def test_equals_every_pupil_counted_once(pairs) -> None:
    values, pupils = split(pairs)
    assume(values.sum() > 0)
    each = np.repeat(values, pupils.astype(int))
    assert ineq.coefficient_of_variation(values, pupils) == pytest.approx(each.std() / each.mean(), rel=1e-9, abs=1e-9)


@given(schools, st.floats(1e-3, 1e3))
def test_is_free_of_scale(pairs, factor) -> None:
    values, pupils = split(pairs)
    assume(values.mean() > 1e-6)
    found = ineq.coefficient_of_variation(values, pupils)
    assert ineq.coefficient_of_variation(values * factor, pupils * 3) == pytest.approx(found, rel=1e-6, abs=1e-9)


@given(st.lists(totals, min_size=2, max_size=30), counts)
def test_equals_the_unweighted_one_for_schools_of_equal_size(found, pupils) -> None:
    values = np.array(found)
    assume(values.mean() > 1e-6)
    assert ineq.coefficient_of_variation(values, [pupils] * len(values)) == pytest.approx(
        values.std() / values.mean(), rel=1e-9, abs=1e-9
    )


@given(schools)
def test_merging_two_schools_never_raises_it(pairs) -> None:
    values, pupils = split(pairs)
    assume(values.mean() > 1e-6)
    merged = [(pairs[0][0] + pairs[1][0], pairs[0][1] + pairs[1][1]), *pairs[2:]]
    after = ineq.coefficient_of_variation(*split(merged))
    assert after <= ineq.coefficient_of_variation(values, pupils) + 1e-9


@given(schools)
def test_contributions_sum_to_one_and_rank_by_weighted_square(pairs) -> None:
    values, pupils = split(pairs)
    assume(np.ptp(values) > 1e-6)
    share = ineq.contributions(values, pupils)
    assert share.sum() == pytest.approx(1.0)
    square = pupils * (values - ineq.weighted_mean(values, pupils)) ** 2
    assert np.argmax(share) == np.argmax(square)


def test_equal_schools_have_no_difference_and_no_contribution() -> None:
    assert ineq.coefficient_of_variation([3.0, 3.0], [10, 90]) == 0.0
    assert ineq.contributions([3.0, 3.0], [10, 90]).tolist() == [0.0, 0.0]
    assert ineq.gini([3.0, 3.0], [10, 90]) == 0.0
    assert ineq.theil([3.0, 3.0], [10, 90]) == 0.0


def test_zero_stays_in() -> None:
    # Mean 1, deviations -1 and +1: the school with nothing counts in full.
    assert ineq.coefficient_of_variation([0.0, 2.0], [50, 50]) == pytest.approx(1.0)


def test_missing_value_gives_no_coefficient() -> None:
    assert np.isnan(ineq.coefficient_of_variation([1.0, np.nan], [50, 50]))


def test_all_zero_gives_no_coefficient() -> None:
    assert np.isnan(ineq.coefficient_of_variation([0.0, 0.0], [50, 50]))


@pytest.mark.parametrize(
    ("values", "weights"), [([1.0], [0]), ([1.0, 2.0], [5, -1]), ([1.0, 2.0], [5, np.nan]), ([1.0], [1, 2]), ([], [])]
)
def test_weights_that_mean_nothing_raise(values, weights) -> None:
    with pytest.raises(ValueError, match=r"pupils|length"):
        ineq.coefficient_of_variation(values, weights)


@given(st.lists(st.tuples(totals, counts, st.sampled_from("abc")), min_size=3, max_size=20))
def test_between_and_within_make_the_whole(rows) -> None:
    values, pupils = split([(t, p) for t, p, _ in rows])
    groups = np.array([g for *_, g in rows])
    assume(np.ptp(values) > 1e-3)
    within = sum(
        pupils[groups == g].sum()
        / pupils.sum()
        * ineq.standard_deviation(values[groups == g], pupils[groups == g]) ** 2
        for g in np.unique(groups)
    )
    whole = ineq.standard_deviation(values, pupils) ** 2
    assert ineq.between_share(values, pupils, groups) == pytest.approx(1 - within / whole, abs=1e-6)


def test_gini_and_theil_by_hand() -> None:
    # One pupil has 1, one has 3: G = (0.25*2*2)/(2*2) = 0.25; T = (0.5*0.5 ln 0.5 + 0.5*1.5 ln 1.5).
    assert ineq.gini([1.0, 3.0], [1, 1]) == pytest.approx(0.25)
    assert ineq.theil([1.0, 3.0], [1, 1]) == pytest.approx(0.25 * np.log(0.5) + 0.75 * np.log(1.5))
