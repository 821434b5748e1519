"""Measure the optimiser at county size: ``python benchmarks/optimise.py [PART ...]``.

Parts: random, frontier, proofs, centre, loads, loads300, and spopt, which solves the same instances with PySAL's spopt
in the same run (``pip install spopt`` in an environment of its own, with this package on PYTHONPATH). The county is
made up: 1,500 villages in 25 towns, 250 schools, distances with a detour of 1.3. Seconds are wall time; ratios of one
run are worth more than seconds.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from balance_lib import optimise

PARTS = ("random", "frontier", "proofs", "centre", "loads", "spopt")


def county(villages: int = 1500, schools: int = 250, *, seed: int = 1) -> tuple[Any, Any]:
    """Return costs in metres (villages × schools) and pupils of a made-up county."""
    rng = np.random.default_rng(seed)
    towns = rng.uniform(0, 40_000, (25, 2))
    home = towns[rng.integers(0, 25, villages)] + rng.normal(0, 3_500, (villages, 2))
    seat = home[rng.choice(villages, schools, replace=False)]
    metres = 1.3 * np.hypot(*(home[:, None] - seat[None]).transpose(2, 0, 1))
    return metres, rng.integers(5, 120, villages).astype(float)


def timed(work: Any) -> tuple[Any, float]:
    """Return what the work returns, and its wall seconds."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def random_instances(n_instances: int = 1000) -> None:
    """Solve random instances: every answer is checked, small ones against trying all."""
    from itertools import combinations

    rng = np.random.default_rng(0)
    optimal = forced = 0
    for _ in range(n_instances):
        n, m = int(rng.integers(1, 40)), int(rng.integers(1, 15))
        p = int(rng.integers(1, m + 1))
        cost = np.round(rng.uniform(0, 50, (n, m)), int(rng.integers(0, 3)))
        cost[rng.random((n, m)) < rng.choice([0.0, 0.2])] = np.nan
        weights = rng.integers(0, 9, n).astype(float)
        found = optimise.p_median(cost, p, weights=weights)
        assert optimise.faults(found, optimise.Problem.of(cost, weights=weights), p=p) == []
        assert found.status in ("optimal", "infeasible")
        optimal += found.status == "optimal"
        finite = np.where(np.isfinite(cost), cost * weights[:, None], np.inf)
        if m <= 9:
            best = min(finite[:, s].min(axis=1).sum() for s in combinations(range(m), p))
            assert np.isclose(found.objective, best, rtol=1e-6) if np.isfinite(best) else not found.found
            forced += 1
    print(f"random: {n_instances} instances, {optimal} optimal, all passed the check; {forced} against trying all")


def frontier_part(prove: bool) -> None:
    """Time the frontier, without proofs or with."""
    metres, pupils = county()
    quick, seconds = timed(lambda: optimise.frontier(metres, weights=pupils))
    print(f"frontier for all p, heuristic: {seconds:.2f} s")
    if prove:
        proven, seconds = timed(lambda: optimise.frontier(metres, weights=pupils, prove=True, time_limit_s=280))
        gap = quick.objective / proven.bound - 1
        done = int(proven.proven.sum())
        print(f"  proven: {done} of {proven.p.size} in {seconds:.1f} s; heuristic's mean gap {100 * gap.mean():.3f} %")


def centre_part() -> None:
    """Time the p-centre for all p, on one memory of radii."""
    from balance_lib.optimise import center
    from balance_lib.optimise.control import Control

    metres, _ = county()
    problem = optimise.Problem.of(metres)
    radii = center.Radii.of(problem)
    control = Control(280)
    found, seconds = timed(lambda: [center.solve(problem, p, control, radii=radii).status for p in range(1, 251)])
    print(f"p-centre for all p: {found.count('optimal')} of 250 proven in {seconds:.1f} s")


def loads_part(time_limit_s: float) -> None:
    """Measure the capacitated p-median with a least size."""
    metres, pupils = county()
    p, mean = 125, pupils.sum() / 125
    found = optimise.p_median(
        metres, p, weights=pupils, demand=pupils, capacity=1.34 * mean, min_load=0.3 * mean, time_limit_s=time_limit_s
    )
    print(f"capacitated, least size, p = {p}: gap {100 * found.gap:.2f} % after {found.seconds:.0f} s ({found.status})")


def against_spopt() -> None:
    """Solve the same instances with spopt and HiGHS."""
    import pulp
    from spopt.locate import LSCP, MCLP, PMedian

    metres, pupils = county()
    radius = float(np.ceil(metres.min(axis=1).max() / 500) * 500)
    peers: dict[str, tuple[Any, Any]] = {
        "p-median, p = 125": (
            lambda: optimise.p_median(metres, 125, weights=pupils).objective,
            lambda: PMedian.from_cost_matrix(metres, pupils, p_facilities=125),
        ),
        f"LSCP, {radius / 1000:.1f} km": (
            lambda: optimise.set_covering(metres, radius).objective,
            lambda: LSCP.from_cost_matrix(metres, radius),
        ),
        "MCLP, p = 60, 3 km": (
            lambda: optimise.maximal_covering(metres, 60, 3000.0, weights=pupils).objective,
            lambda: MCLP.from_cost_matrix(metres, pupils, 3000.0, p_facilities=60),
        ),
    }
    for name, (ours, theirs) in peers.items():
        runs = [timed(ours) for _ in range(3)]
        value, seconds = runs[0][0], min(run[1] for run in runs)
        peer, peer_s = timed(lambda build=theirs: build().solve(pulp.HiGHS(msg=False, timeLimit=200), results=False))
        other = pulp.value(peer.problem.objective)
        print(
            f"{name}: {seconds:.3f} s ({value:,.0f}); spopt {peer_s:.1f} s ({other:,.0f}): {peer_s / seconds:.0f} ×",
            flush=True,
        )


def main() -> None:
    """Run the parts asked for."""
    print(f"compiled in {optimise.warm_up():.1f} s")
    for part in sys.argv[1:] or PARTS:
        if part == "random":
            random_instances()
        elif part in ("frontier", "proofs"):
            frontier_part(part == "proofs")
        elif part == "centre":
            centre_part()
        elif part == "loads":
            loads_part(30.0)
        elif part == "loads300":
            loads_part(290.0)
        elif part == "spopt":
            against_spopt()


if __name__ == "__main__":
    main()
