"""Straight lines, the result they give, and the detour factor learnt from a network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from balance_lib import locale
from balance_lib.access.distance import (
    FLAT_KPH,
    ODTable,
    Places,
    calibrate_detour,
    nearest_straight,
    straight_m,
    straight_table,
)

degree = st.integers(0, 300).map(lambda k: k / 1000) | st.just(float("nan"))


def places(lon, lat, prefix: str = "p") -> Places:
    return Places([f"{prefix}{i}" for i in range(len(lon))], 109 + np.asarray(lon, float), 31 + np.asarray(lat, float))


@st.composite
def some_places(draw, at_most: int = 8) -> Places:
    n = draw(st.integers(0, at_most))
    return places(*(draw(st.lists(degree, min_size=n, max_size=n)) for _ in "xy"))


def table(metres, **more) -> ODTable:
    """Return a result made up by hand."""
    metres = np.array(metres, dtype=float)
    n, m = metres.shape
    given_ = {"origin_part": np.zeros(n, int), "destination_part": np.zeros(m, int)} | more
    snaps = {"origin_snap_m": np.zeros(n), "destination_snap_m": np.zeros(m)}
    names = {"origins": np.array([f"v{i}" for i in range(n)]), "destinations": np.array([f"s{j}" for j in range(m)])}
    return ODTable(**{"mode": "network", "metres": metres, **names, **snaps, **given_})


@settings(max_examples=40, deadline=None)
@given(a=some_places(), b=some_places())
def test_every_pair_is_the_geodesic(a, b) -> None:
    found = straight_table(a, b)
    assert found.shape == (len(a), len(b))
    for i in range(len(a)):
        expected = straight_m(np.full(len(b), a.lon[i]), np.full(len(b), a.lat[i]), b.lon, b.lat)
        np.testing.assert_allclose(found.metres[i], expected, rtol=1e-7, atol=1e-5)
    missing = (~a.known).sum() * len(b) + a.known.sum() * (~b.known).sum()
    assert found.unreachable == found.counts["no_place"] == missing


@settings(max_examples=40, deadline=None)
@given(a=some_places(), b=some_places(), k=st.integers(1, 4), limit=st.none() | st.floats(0, 40_000))
def test_nearest_agrees_with_the_whole_table(a, b, k, limit) -> None:
    whole = straight_table(a, b, limit_m=limit, detour=1.2)
    index, metres = nearest_straight(a, b, k, limit_m=limit, detour=1.2)
    expected = whole.nearest(k)[1]
    np.testing.assert_allclose(metres, expected, rtol=1e-9, atol=1e-6)
    assert ((index >= 0) == np.isfinite(metres)).all()
    row, rank = np.nonzero(index >= 0)
    np.testing.assert_allclose(whole.metres[row, index[row, rank]], metres[row, rank], rtol=1e-9, atol=1e-6)
    assert all(len(set(i[i >= 0])) == (i >= 0).sum() for i in index)


def test_a_line_by_hand() -> None:
    # One minute of latitude at 31° N on the WGS-84 ellipsoid is 1847.83 m.
    found = straight_table(places([0], [0]), places([0, 0], [1 / 60, np.nan]), detour=1.5)
    assert found.metres[0, 0] == pytest.approx(1847.83 * 1.5, abs=0.2)
    assert found.minutes[0, 0] == pytest.approx(1847.83 * 1.5 / (FLAT_KPH * 1000 / 60), rel=1e-4)
    assert np.isnan(found.metres[0, 1]) and np.isnan(found.minutes[0, 1])


@pytest.mark.parametrize("detour", [0.9, float("nan"), float("inf")])
def test_ways_shorter_than_straight_lines_are_refused(detour) -> None:
    with pytest.raises(ValueError, match="detour"):
        straight_table(places([0], [0]), places([0], [0]), detour=detour)


def test_metres_are_no_degrees() -> None:
    with pytest.raises(ValueError, match="degrees"):
        Places(["a"], [450_000.0], [3_450_000.0])


def test_each_pair_without_a_number_has_its_reason() -> None:
    found = table(
        [[100, np.nan, np.nan], [np.nan] * 3, [np.nan] * 3, [np.nan] * 3],
        origin_part=np.array([0, 1, -2, -1]),
        destination_part=np.array([0, 0, -1]),
    )
    assert found.counts == {"reached": 1, "no_place": 6, "off": 2, "no_way": 2, "beyond_limit": 1}
    assert found.unreachable == 11
    assert sum(found.counts.values()) == found.metres.size
    for lang in locale.LANGUAGES:
        assert "11" in found.gaps().render(lang)


def test_nearest_takes_the_first_of_equals_and_none_of_none() -> None:
    index, metres = table([[5, 3, 3], [np.nan, np.nan, 9], [np.nan] * 3]).nearest(2)
    assert index.tolist() == [[1, 2], [2, -1], [-1, -1]]
    np.testing.assert_array_equal(metres, [[3, 3], [9, np.nan], [np.nan, np.nan]])
    assert table(np.zeros((2, 0))).nearest(1)[0].tolist() == [[-1], [-1]]
    assert table(np.zeros((0, 2))).nearest(1)[0].shape == (0, 1)


def test_pairs_and_selection_keep_what_belongs_together() -> None:
    whole = table([[5, 3, np.nan], [1, np.nan, 9]], origin_part=np.array([0, 1]), destination_part=np.array([0, 0, 1]))
    assert whole.pairs()[["origin", "destination", "metres"]].to_numpy().tolist() == [
        ["v0", "s1", 3.0],
        ["v0", "s0", 5.0],
        ["v1", "s0", 1.0],
        ["v1", "s2", 9.0],
    ]
    part = whole.select(destinations=np.array([False, True, True]), origins=[1])
    assert part.shape == (1, 2)
    assert part.destinations.tolist() == ["s1", "s2"]
    np.testing.assert_array_equal(part.metres, [[np.nan, 9]])
    assert part.counts["no_way"] == 1


def test_every_way_of_measuring_says_which_it_is() -> None:
    straight = straight_table(places([0], [0]), places([0], [0]), detour=1.3)
    network = table([[1]], provenance={"snap_cap_m": 800.0})
    terrain = table([[1]], mode="terrain", direction="back", provenance={"cell_m": [30.0, 30.0]})
    for lang, words in (("en", ("1.30", "800", "home")), ("zh", ("1.30", "800", "返程"))):
        for found, word in zip((straight, network, terrain), words, strict=True):
            assert word in found.how().render(lang)


def calibrated(ratio, *, limit_m=None, reached=None):
    """Learn from villages on one meridian, each 1 km from the last, whose ways are ``ratio`` times the line."""
    n = len(ratio)
    a, b = places([0], [0]), places(np.zeros(n), np.arange(1, n + 1) / 110.9)
    straight = straight_table(b, a)
    metres = straight.metres * np.asarray(ratio, float)[:, None]
    if limit_m is not None:
        metres[metres > limit_m] = np.nan
    return calibrate_detour(
        straight, table(metres, origins=straight.origins, destinations=straight.destinations, limit_m=limit_m)
    )


def test_the_detour_is_the_median_and_one_missing_bridge_does_not_move_it() -> None:
    found = calibrated([1.2, 1.3, 1.4, 1.3, 25.0])
    assert found.factor == pytest.approx(1.3)
    assert (found.n, found.left_out) == (5, 0)


def test_a_limit_does_not_make_ways_look_straighter() -> None:
    # Up to a limit of 6 km every other way is missing: the ones that are left say 1.2, all of them 1.2 and 2.5.
    ratio = [1.2, 2.5, 2.5, 1.2, 2.5, 1.2, 1.2, 2.5]
    found = calibrated(ratio, limit_m=6000)
    assert found.n == 3  # within 3 km: 1.2, 2.5 and one beyond the limit
    assert found.factor == pytest.approx(2.5)


def test_nothing_to_learn_from_is_no_factor() -> None:
    found = calibrated([])
    assert np.isnan(found.factor) and found.n == 0
    with pytest.raises(ValueError, match="straight lines without one"):
        calibrate_detour(straight_table(places([0], [0]), places([0], [0]), detour=1.2), table([[1]]))


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(float, (4, 5), elements=st.floats(0, 1e5) | st.just(float("nan"))))
def test_nearest_of_any_table_is_its_sorted_row(metres) -> None:
    index, found = table(metres).nearest(5)
    np.testing.assert_array_equal(found, np.sort(metres, axis=1))
    assert ((index == -1) == np.isnan(found)).all()
