"""Build a made-up province for trials: any number of varied counties, seeded, every figure synthetic and marked so."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.demo import province_figures as figures
from balance_lib.data.demo.province_figures import SettledCounty

__all__ = ["FEWEST", "MOST", "SEED", "YEARS", "build", "county"]

SEED = 2012
FEWEST, MOST = 40, 300  # schools of a county
YEARS = range(2018, 2024)
LON, LAT, WIDTH, HEIGHT = 100.0, 30.0, 0.52, 0.42  # the province's corner and a county's size, degrees
SIDES = ((0, 0, 0), (1, 0, 1), (0, 1, 0), (0, 0, 1))  # a county's sides on the lattice: south, east, north, west
SOURCE = "示例数据（虚构）"
STATEMENT = {
    "zh": "虚构的示例县：界线、地名、学校、人口、道路和一切数据均为随机生成，只供试算，与真实地方和单位无关。",
    "en": "Made-up sample county: outline, names, schools, people, roads and every figure are random, for trials only, "
    "and describe no real place, school or office.",
}


def build(
    counties: int,
    out: Path,
    *,
    seed: int = SEED,
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Path]:
    """Build a province as one folder of county folders; the same seed and number give the same bytes.

    Parameters
    ----------
    counties : int
        How many, of 40 to 300 schools each.
    out : Path
        Folder that will hold the county folders ``county-001`` and on.
    seed : int
    workers : int
        Processes that build at the same time.
    progress : callable, optional
        Told (built, of, folder) after each county.

    Returns
    -------
    list of Path
        The counties' folders.
    """
    jobs = [(at, counties, Path(out), seed) for at in range(counties)]
    if workers <= 1 or counties <= workers:
        return [_told(_build_one(job), done, counties, progress) for done, job in enumerate(jobs, 1)]
    # Spawned, not forked: a compiled loop or a solver that ran before would hang its forked children.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        built = pool.map(_build_one, jobs, chunksize=4)
        return [_told(folder, done, counties, progress) for done, folder in enumerate(built, 1)]


def _told(folder: Path, done: int, of: int, progress: Callable[[int, int, str], None] | None) -> Path:
    if progress is not None:
        progress(done, of, folder.name)
    return folder


def _build_one(job: tuple[int, int, Path, int]) -> Path:
    at, of, out, seed = job
    made = county(at, of, seed=seed)
    return made.save(out / made.county_id)


def county(at: int, of: int, *, seed: int = SEED) -> County:
    """Make one county of a made-up province without writing it.

    Parameters
    ----------
    at : int
        Its place in the province, from 0.
    of : int
        Counties of the province: they lie side by side.
    seed : int

    Examples
    --------
    >>> made = county(0, 4)
    >>> made.county_id, made.synthetic, 40 <= len(made.tables["schools"]) <= 300
    ('county-001', True, True)
    """
    random = np.random.default_rng([seed, at])
    ring = _outline(at, of, seed)
    strong = random.random() < 0.2
    land = _layout(random, ring)
    rows = figures.school_years(land, YEARS, strong, random)
    made = {
        "schools": _schools(land),
        "school_years": rows,
        "townships": _townships(land),
        "villages": land.villages[["village_id", "name_zh", "township", "lon", "lat"]],
        "village_years": figures.village_years(land, YEARS[-1]),
        "attendance": land.going.assign(year=YEARS[-1]),
        "county_years": figures.county_years(rows, YEARS, strong, random).assign(source=SOURCE),
        "evidence": figures.evidence(YEARS, strong, random),
        "edges": land.edges,
    }
    name = f"county-{at + 1:03d}"
    polygon = {"type": "Polygon", "coordinates": [[[round(x, 5), round(y, 5)] for x, y in ring]]}
    name_zh, name_en = f"示例{at + 1:03d}县", f"Sample County {at + 1:03d}"
    feature = {
        "type": "Feature",
        "properties": {"name_zh": name_zh, "name_en": name_en, "schematic": True},
        "geometry": polygon,
    }
    return County(
        county_id=name,
        name_zh=name_zh,
        name_en=name_en,
        tables={key: tables.conform(frame, key) for key, frame in made.items()},
        crs="WGS84",
        synthetic=True,
        meta={
            "province": {"zh": "示例省（虚构）", "en": "Sample Province (made up)"},
            "default_year": YEARS[-1],
            "targets": {"quality_2017": f"{YEARS[-1] + int(random.integers(2, 10))}-12"},
            "statement": STATEMENT,
            "synthetic_columns": dict.fromkeys(made, "all"),
        },
        layers={"outline.geojson": {"type": "FeatureCollection", "features": [feature]}},
    )


def _outline(at: int, of: int, seed: int) -> list[tuple[float, float]]:
    """Return the ring of a county: the cell of a lattice whose corners and sides neighbours share."""
    columns = math.ceil(math.sqrt(of))
    row, column = divmod(at, columns)

    def corner(x: int, y: int) -> Any:
        shift = np.random.default_rng([seed, 1, x, y]).uniform(-0.18, 0.18, 2)
        return np.array([LON + WIDTH * (x + shift[0]), LAT + HEIGHT * (y + shift[1])])

    corners = [corner(column + dx, row + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
    ring: list[tuple[float, float]] = []
    for side, (dx, dy, upright) in enumerate(SIDES):
        start, end = corners[side], corners[(side + 1) % 4]
        bends = np.random.default_rng([seed, 2, column + dx, row + dy, upright]).uniform(-0.04, 0.04, (3, 2))
        bends = bends if side < 2 else bends[::-1]  # the neighbour walks the same side the other way
        ring += [tuple(start), *(tuple(start + (end - start) * (k + 1) / 4 + bends[k]) for k in range(3))]
    return [*ring, ring[0]]


def _layout(random: np.random.Generator, ring: list[tuple[float, float]]) -> SettledCounty:
    """Settle a county: townships, villages round their seats, schools in villages, and who goes where."""
    n_schools = int(np.clip(random.lognormal(math.log(125), 0.5), FEWEST, MOST))
    n_towns = max(4, round(n_schools / random.uniform(7, 12)))
    n_villages = round(n_schools * random.uniform(1.15, 1.8))
    seats = random.uniform(0.1, 0.9, (n_towns, 2))
    town = np.concatenate([np.arange(n_towns), random.integers(0, n_towns, n_villages - n_towns)])
    spread = random.normal(0, 0.28 / math.sqrt(n_towns), (n_villages, 2))
    spread[:n_towns] = 0.0  # the first village of each township is its seat
    u, v = np.clip(seats[town] + spread, 0.13, 0.87).T
    corners = [np.array(ring[i]) for i in (0, 4, 8, 12)]
    weights = ((1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v)
    lon, lat = np.round(sum(w[:, None] * c for w, c in zip(weights, corners, strict=True)), 5).T
    number = np.zeros(n_villages, dtype=int)
    for each in range(n_towns):
        number[town == each] = np.arange((town == each).sum()) + 1
    villages = pd.DataFrame(
        {
            "village_id": [f"V{i + 1:04d}" for i in range(n_villages)],
            "name_zh": [f"第{t + 1}镇{n}村" for t, n in zip(town, number, strict=True)],
            "township": [f"第{t + 1}镇" for t in town],
            "town": town,
            "lon": lon,
            "lat": lat,
        }
    )
    return figures.settle(villages, n_schools, random)


def _schools(land: SettledCounty) -> pd.DataFrame:
    schools = land.schools
    built = schools["built"]
    return schools.assign(
        founder=np.where(schools["private"], "private", "county"),
        founded_year=built,
        opened_year=built,
        built_by_2010=(built <= 2010).astype(int),
        built_by_2016=(built <= 2016).astype(int),
        dense_centre=0,
        note=SOURCE,
    ).drop(columns=["built", "private", "village", "town"])


def _townships(land: SettledCounty) -> pd.DataFrame:
    seats = land.villages.drop_duplicates("town")
    kinds = ["town" if at % 2 == 0 else "township" for at in range(len(seats))]
    return seats[["township", "lon", "lat"]].assign(type=kinds, pilot=0)
