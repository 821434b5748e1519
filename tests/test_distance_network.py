"""Ways along roads: every pair against brute force, and the faults real networks have."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib.access.distance import Network, Places, straight_table

CAP = 800.0
STEP = 0.001  # degrees, about 100 m


def edges(rows) -> pd.DataFrame:
    """Return a table of roads from rows (from, to, (x, y), (x, y), length), places in steps of about 100 m."""
    return pd.DataFrame(
        {
            "from_node": [r[0] for r in rows],
            "to_node": [r[1] for r in rows],
            "from_lon": [109 + r[2][0] * STEP for r in rows],
            "from_lat": [31 + r[2][1] * STEP for r in rows],
            "to_lon": [109 + r[3][0] * STEP for r in rows],
            "to_lat": [31 + r[3][1] * STEP for r in rows],
            "length_m": [float(r[4]) for r in rows],
            "kind": ["path"] * len(rows),
        }
    )


def places(points) -> Places:
    points = np.array(points, dtype=float).reshape(-1, 2)
    return Places([f"p{i}" for i in range(len(points))], 109 + points[:, 0] * STEP, 31 + points[:, 1] * STEP)


def line_m(a, b) -> float:
    """Return the straight line by the radii of curvature at its middle: right to a millimetre over 3 km."""
    phi = math.radians(31 + (a[1] + b[1]) / 2 * STEP)
    across, along = curvature(phi)
    return math.hypot((b[0] - a[0]) * STEP * across * math.cos(phi), (b[1] - a[1]) * STEP * along)


def curvature(phi) -> tuple[float, float]:
    """Return metres in a degree along the parallel (at the equator's width) and along the meridian."""
    e2 = 0.00669438
    w = 1 - e2 * math.sin(phi) ** 2
    return math.radians(6378137 / w**0.5), math.radians(6378137 * (1 - e2) / w**1.5)


class BruteForce:
    """All ways by Floyd and Warshall; all pieces of road tried for every place."""

    def __init__(self, at, rows) -> None:
        self.at, self.pieces = at, []
        self.d = {(i, j): 0.0 if i == j else math.inf for i in at for j in at}
        for u, v, _, _, length in rows:
            if u == v:
                continue
            line = line_m(at[u], at[v])
            length = line if math.isnan(length) else max(length, line)
            self.pieces.append((u, v, length))
            self.d[u, v] = self.d[v, u] = min(self.d[u, v], length)
        for k, i, j in itertools.product(at, at, at):
            self.d[i, j] = min(self.d[i, j], self.d[i, k] + self.d[k, j])
        # Of parallel pieces only the shortest is a road.
        shortest = {}
        for u, v, length in self.pieces:
            key = tuple(sorted((u, v)))
            shortest[key] = min(shortest.get(key, math.inf), length)
        self.pieces = [(u, v, length) for (u, v), length in shortest.items()]
        self.island = {}
        for u, v, _ in self.pieces:
            part = [length for a, b, length in self.pieces if math.isfinite(self.d[u, a])]
            self.island[u, v] = sum(part) < 500

    def feet(self, p, cap: float = CAP):
        """Return the nearest pieces for a place as (piece, share, metres off), several if equally near."""
        found = []
        for u, v, length in self.pieces:
            (ax, ay), (bx, by) = self.at[u], self.at[v]
            phi = math.radians(31 + (p[1] + ay + by) / 3 * STEP)
            kx = math.cos(phi) * curvature(phi)[0] / curvature(phi)[1]  # a step east in steps north
            dx, dy = (bx - ax) * kx, by - ay
            square = dx * dx + dy * dy
            t = 0.0 if square == 0 else min(1.0, max(0.0, ((p[0] - ax) * kx * dx + (p[1] - ay) * dy) / square))
            off = line_m(p, (ax + t * (bx - ax), ay + t * (by - ay)))
            if off <= cap:
                found.append((u, v, length, t, off))
        main = [f for f in found if not self.island[f[0], f[1]]] or found
        least = min((f[4] for f in main), default=0)
        return [f for f in main if f[4] <= least + 0.05]

    def ways(self, p, q) -> list[float]:
        """Return the metres between two places: one for each choice among equally near pieces."""
        out = []
        for (u, v, length, t, off), (x, y, other, s, away) in itertools.product(self.feet(p), self.feet(q)):
            ends = [(u, t * length), (v, (1 - t) * length)]
            others = [(x, s * other), (y, (1 - s) * other)]
            way = min(a + self.d[i, j] + b for (i, a), (j, b) in itertools.product(ends, others))
            line = line_m(p, q)
            if (u, v) == (x, y):
                way = min(way, abs(t - s) * length)
                if line <= off + away:
                    out.append(line)
                    continue
            out.append(max(way + off + away, line) if math.isfinite(way) else math.nan)
        return out


coordinate = st.integers(0, 24)
point = st.tuples(coordinate, coordinate)


@st.composite
def worlds(draw):
    at = {f"n{i}": p for i, p in enumerate(draw(st.lists(point, min_size=2, max_size=7)))}
    rows = []
    for _ in range(draw(st.integers(0, 9))):
        u, v = draw(st.sampled_from(sorted(at))), draw(st.sampled_from(sorted(at)))
        line = line_m(at[u], at[v])
        length = draw(st.sampled_from([math.nan, 0.5 * line, line, 1.5 * line, line + 700]))
        rows.append((u, v, at[u], at[v], length))
    spot = st.tuples(st.floats(0, 24), st.floats(0, 24)) | st.just((math.nan, 3.0))
    villages, schools = draw(st.lists(spot, max_size=6)), draw(st.lists(spot, max_size=4))
    if villages and draw(st.booleans()):
        schools.append(villages[0])  # a school in the village
    return at, rows, villages, schools


@settings(max_examples=80, deadline=None)
@given(worlds(), st.none() | st.floats(100, 4000))
def test_every_pair_agrees_with_brute_force(world, limit) -> None:
    at, rows, villages, schools = world
    truth, network = BruteForce(at, rows), Network.of(edges(rows))
    found = network.table(places(villages), places(schools), snap_cap_m=CAP, limit_m=limit)
    for i, p in enumerate(villages):
        for j, q in enumerate(schools):
            known = math.isfinite(p[0]) and math.isfinite(q[0])
            ways = truth.ways(p, q) if known else []
            near_cap = known and any(abs(f[4] - CAP) < 0.1 for r in (p, q) for f in truth.feet(r, CAP + 1))
            near_limit = limit is not None and any(abs(w - limit) < 0.5 for w in ways)
            if near_cap or near_limit:
                continue
            expected = [math.nan if limit is not None and w > limit else w for w in ways] or [math.nan]
            got = found.metres[i, j]
            assert any(
                (math.isnan(w) and math.isnan(got)) or got == pytest.approx(w, rel=1e-4, abs=0.2) for w in expected
            ), (p, q, got, expected)
    assert sum(found.counts.values()) == len(villages) * len(schools)
    line = straight_table(places(villages), places(schools)).metres
    assert not (found.metres < line).any()
    turned = network.table(places(schools), places(villages), snap_cap_m=CAP, limit_m=limit)
    np.testing.assert_allclose(turned.metres.T, found.metres, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_nearest_school_of_every_node_agrees_with_the_table(world) -> None:
    at, rows, _, schools = world
    network = Network.of(edges(rows))
    metres, nearest = network.reach(places(schools), snap_cap_m=CAP)
    truth = BruteForce(at, rows)
    for i, name in enumerate(network.roads.nodes):
        ways = []
        for q in schools:
            for u, v, length, t, off in truth.feet(q) if math.isfinite(q[0]) else []:
                ways.append(off + min(truth.d[name, u] + t * length, truth.d[name, v] + (1 - t) * length))
        least = min(ways, default=math.inf)
        if math.isinf(least):
            assert math.isnan(metres[i]) and nearest[i] == -1
        elif sum(1 for q in schools if math.isfinite(q[0]) and len(truth.feet(q)) > 1) == 0:
            assert metres[i] == pytest.approx(least, rel=1e-4, abs=0.2)


def test_snap_and_way_by_hand() -> None:
    # A road of 2 km due north with 50 % more metres than its line; a village 300 m east of its middle.
    road = edges([("a", "b", (0, 0), (0, 20), 3 * line_m((0, 0), (0, 10)))])
    found = Network.of(road).table(places([(3, 10)]), places([(0, 20), (0, 0)]))
    off, half = line_m((3, 10), (0, 10)), 1.5 * line_m((0, 0), (0, 10))
    np.testing.assert_allclose(found.metres, [[off + half, off + half]], rtol=1e-5)
    assert found.origin_snap_m[0] == pytest.approx(off, abs=0.01)
    assert found.minutes[0, 0] == pytest.approx((off + half) / 83.94, rel=1e-3)


def test_a_place_beyond_the_cap_reaches_nothing_and_is_counted() -> None:
    road = edges([("a", "b", (0, 0), (0, 20), math.nan)])
    found = Network.of(road).table(places([(9, 10), (1, 10)]), places([(0, 0)]), snap_cap_m=500)
    assert np.isnan(found.metres[0, 0]) and np.isfinite(found.metres[1, 0])
    assert found.counts == {"reached": 1, "no_place": 0, "off": 1, "no_way": 0, "beyond_limit": 0}


def test_two_valleys_are_two_parts_and_no_number_is_made_up() -> None:
    road = edges([("a", "b", (0, 0), (0, 20), math.nan), ("c", "d", (12, 0), (12, 20), math.nan)])
    found = Network.of(road).table(places([(0, 5), (12, 5)]), places([(0, 10)]))
    assert np.isfinite(found.metres[:, 0]).tolist() == [True, False]
    assert found.provenance["parts"] == 2
    assert found.counts["no_way"] == 1


def test_a_path_that_leads_nowhere_is_passed_over() -> None:
    # 100 m of park path nearer than the road: the village takes the road.
    road = edges([("a", "b", (0, 0), (0, 20), math.nan), ("c", "d", (2, 10), (3, 10), math.nan)])
    found = Network.of(road).table(places([(2, 10.5)]), places([(0, 0)]))
    assert np.isfinite(found.metres[0, 0])
    assert found.provenance["passed_over"] == 1 and found.provenance["islands"] == 1


def test_faults_are_mended_and_counted() -> None:
    whole = line_m((0, 0), (0, 10))
    road = edges(
        [
            ("a", "b", (0, 0), (0, 10), 0.4 * whole),  # shorter than its own straight line
            ("b", "a", (0, 10), (0, 0), 3 * whole),  # the same road the other way, longer
            ("b", "b", (0, 10), (0, 10), 50),  # a loop
            ("b", "c", (0, 10), (0, 10), 0),  # no length at all
            ("c", "d", (0, 10), (5, 10), math.nan),
            ("d", "e", (5, 10), (math.nan, math.nan), 100),  # e is nowhere
            ("d", "f", (9, 9), (8, 10), 400),  # d stands elsewhere here
        ]
    )
    network = Network.of(road)
    assert network.roads.report == {
        "given": 7,
        "no_place": 1,
        "loops": 1,
        "short": 1,
        "no_length": 1,
        "zero_length": 1,
        "moved": 1,
        "parallel": 1,
    }
    found = network.table(places([(0, 0)]), places([(5, 10)]))
    assert found.metres[0, 0] == pytest.approx(whole + line_m((0, 10), (5, 10)), rel=1e-6)


def test_no_road_no_school_no_village() -> None:
    for rows, villages, schools in itertools.product(
        ([], [("a", "b", (0, 0), (0, 20), math.nan)]), ([], [(0, 1)]), ([], [(0, 2)])
    ):
        network = Network.of(edges(rows))
        found = network.table(places(villages), places(schools))
        assert found.shape == (len(villages), len(schools))
        assert found.unreachable == (found.metres.size if not rows else 0)
        assert network.reach(places(schools))[0].shape == ((2,) if rows else (0,))


def test_a_ring_is_walked_the_shorter_way_round() -> None:
    corners = [(0, 0), (0, 10), (10, 10), (10, 0)]
    ring = edges([(f"n{i}", f"n{(i + 1) % 4}", corners[i], corners[(i + 1) % 4], math.nan) for i in range(4)])
    found = Network.of(ring).table(places([(0, 2)]), places([(2, 0), (10, 2), (0, 8)]))
    south, west = line_m((0, 0), (10, 0)), line_m((0, 0), (0, 10))
    expected = [[0.2 * (south + west), 0.4 * west + south, 0.6 * west]]
    np.testing.assert_allclose(found.metres, expected, rtol=1e-4)
