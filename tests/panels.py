"""Simulated panels for tests and benchmarks: children born, moving, entering school and growing up by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County

BANDS = {"g1_3": range(6, 9), "g4_6": range(9, 12), "g7_9": range(12, 15)}


def simulated(
    seed: int,
    *,
    years: int = 10,
    villages: int = 60,
    primaries: int = 14,
    juniors: int = 4,
    births: float = 14.0,
    births_slope: float = -0.03,
    move: float = 0.02,
    drift: float = 0.01,
    first: int = 2010,
) -> County:
    """Simulate a county: births a Poisson number, children moving by chance, schools shared out by fixed chances.

    Parameters
    ----------
    seed : int
    years : int
        School years counted, from ``first`` on.
    births : float
        Mean births a village and year at the start.
    births_slope : float
        Yearly logarithmic change of births, with noise of a third of it and 2 %.
    move : float
        Share of the children of a village who leave it in a year; as many come, on average.
    drift : float
        Spread of the villages' own yearly logarithmic change.
    """
    rng = np.random.default_rng(seed)
    size = births * np.exp(0.5 * rng.standard_normal(villages))
    own = drift * rng.standard_normal(villages)
    level = np.cumsum(births_slope + (abs(births_slope) / 3 + 0.02) * rng.standard_normal(years + 15))
    alive = {year: rng.poisson(size * np.exp(level[year + 14])) for year in range(-14, 1)}  # by birth year
    enter = rng.uniform(0.9, 1.05)
    sway = 0.6 * rng.standard_normal((villages, primaries + juniors))
    near = rng.dirichlet(np.full(primaries, 0.15), villages), rng.dirichlet(np.full(juniors, 0.3), villages)
    goes: dict[int, Any] = {}
    out: dict[str, list[dict[str, Any]]] = {"village_years": [], "attendance": [], "school_years": []}
    for now in range(-14, years):
        if now > 0:
            alive[now] = rng.poisson(size * np.exp(level[now + 14] + own * now))
        for born in [year for year in alive if now - 14 <= year < now]:
            gone = rng.binomial(alive[born], move)
            come = rng.poisson(np.maximum(alive[born] * (move + own), 0.0))
            alive[born] = alive[born] - gone + come
            if now - born == 6:
                alive[born] = rng.poisson(alive[born] * enter) if enter > 1 else rng.binomial(alive[born], enter)
            if now - born in (6, 12):
                goes[born] = near[now - born == 12]
                goes[born] = goes[born] * np.exp(0.1 * sway[:, : goes[born].shape[1]] * rng.standard_normal())
                goes[born] = goes[born] / goes[born].sum(axis=1, keepdims=True)
        if now >= 0:
            _count(
                out, first + now, {now - born: kids for born, kids in alive.items() if now - born < 15}, goes, now, rng
            )
    ids = [f"P{n:03d}" for n in range(primaries)] + [f"J{n:03d}" for n in range(juniors)]
    schools = [
        {
            "school_id": name,
            "name_zh": f"{name}校",
            "kind": "primary" if name[0] == "P" else "junior",
            "founder": "county",
        }
        for name in ids
    ]
    names = [{"village_id": f"V{n:03d}", "name_zh": f"{n}村", "township": f"{n % 6}镇"} for n in range(villages)]
    frames = {name: tables.conform(pd.DataFrame(rows), name) for name, rows in out.items()}
    frames |= {"schools": tables.conform(pd.DataFrame(schools), "schools")}
    frames |= {"villages": tables.conform(pd.DataFrame(names), "villages")}
    return County(f"simulated{seed}", "模拟县", "Simulated County", frames, synthetic=True)


def _count(
    out: dict[str, list[dict[str, Any]]], year: int, kids: dict[int, Any], goes: dict[int, Any], now: int, rng: Any
) -> None:
    """Count one year: births and ages by village, who goes where, rolls and leavers by school."""
    for n in range(len(kids[0])):
        row: dict[str, Any] = {"village_id": f"V{n:03d}", "year": year, "births": kids[0][n]}
        row |= {"age_3_5": sum(kids[a][n] for a in (3, 4, 5)), "age_6_11": sum(kids[a][n] for a in range(6, 12))}
        out["village_years"].append(row | {"age_12_14": sum(kids[a][n] for a in (12, 13, 14))})
    rolls: dict[tuple[str, str], int] = {}
    last: dict[tuple[str, str], int] = {}
    for band, ages in BANDS.items():
        stage = "junior" if band == "g7_9" else "primary"
        total: dict[tuple[int, int], int] = {}
        for age in ages:
            luck = np.random.default_rng([now - age + 1000, age > 11])  # a cohort keeps its schools within a stage
            share = goes[now - age]
            for n, many in enumerate(kids[age]):
                for school, pupils in enumerate(luck.multinomial(many, share[n])):
                    if pupils:
                        total[n, school] = total.get((n, school), 0) + int(pupils)
                        if age in (11, 14):
                            key = (f"{stage[0].upper()}{school:03d}", stage)
                            last[key] = last.get(key, 0) + int(pupils)
        for (n, school), pupils in total.items():
            name = f"{stage[0].upper()}{school:03d}"
            row = {"village_id": f"V{n:03d}", "school_id": name, "stage": stage, "band": band, "year": year}
            out["attendance"].append(row | {"pupils": pupils, "boarders": 0})
            rolls[name, stage] = rolls.get((name, stage), 0) + pupils
    for (name, stage), pupils in rolls.items():
        row = {"school_id": name, "year": year, "stage": stage, "pupils": pupils}
        out["school_years"].append(row | {"graduates": last.get((name, stage), 0)})
