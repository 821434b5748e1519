"""Measure who goes where and the slider tick: ``python benchmarks/ticks.py [--repeat N] [--zoned SECONDS]``.

A made-up county of 1,500 villages and 250 schools. Prints the median milliseconds of processor time (so that other work
on the machine counts little), and ratios to comparators of the same run: the same question asked with geopandas and
pandas, HiGHS on the transport programme, networkx where it is installed. HiGHS' optimum is held against ours.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import access
from balance_lib.access.distance import Places, nearest_straight
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.optimise import allocation
from balance_lib.optimise.allocation import kernel
from balance_lib.optimise.allocation.transport_plan import with_no_place
from balance_lib.scenarios import Scenario
from balance_lib.scenarios.board import Board, State

VILLAGES, SCHOOLS, YEAR = 1_500, 250, 2023
MIDDLE = np.array([109.5, 31.4])
FIGURES = (
    "teachers", "teachers_college", "teachers_bachelor", "teachers_master", "teachers_doctor", "teachers_backbone",
    "teachers_pe", "teachers_music", "teachers_fine_art", "teachers_arts", "teaching_area_m2", "indoor_sports_m2",
    "gym_m2", "sports_field_m2", "equipment_yuan", "multimedia_rooms", "books", "computers",
)  # fmt: skip


def made_up(villages: int = VILLAGES, schools: int = SCHOOLS, *, seed: int = 1) -> County:
    """Return a county of random places; villages attend the nearest school of each stage, classes are half full."""
    rng = np.random.default_rng(seed)
    home, seat = (MIDDLE + rng.uniform(-0.35, 0.35, (n, 2)) for n in (villages, schools))
    kinds = np.where(np.arange(schools) % 6 == 0, "junior", "primary")
    ids = [f"S{i:04d}" for i in range(schools)]
    frame = pd.DataFrame({"school_id": ids, "name_zh": ids, "kind": kinds, "lon": seat[:, 0], "lat": seat[:, 1]})
    frame = frame.assign(township="甲镇", founder="county", location="rural", rank="village")
    names = [f"V{i:05d}" for i in range(villages)]
    places = pd.DataFrame({"village_id": names, "name_zh": names, "lon": home[:, 0], "lat": home[:, 1]})
    going = _attendance(home, seat, kinds, rng)
    frames = {"schools": frame, "villages": places, "attendance": going, "school_years": _rows(going, rng)}
    return County("bench", "测速县", "Bench", {n: tables.conform(f, n) for n, f in frames.items()}, synthetic=True)


def _attendance(home: Any, seat: Any, kinds: Any, rng: Any) -> pd.DataFrame:
    out = []
    for stage, bands in access.BANDS.items():
        mine = np.flatnonzero(kinds == stage)
        near = nearest_straight(Places(range(len(home)), *home.T), Places(mine, *seat[mine].T), 1)[0][:, 0]
        ids = {"village_id": [f"V{i:05d}" for i in range(len(home))], "school_id": [f"S{i:04d}" for i in mine[near]]}
        for band in bands:
            amount = {"pupils": rng.integers(1, 30, len(home)), "boarders": 0}
            out.append(pd.DataFrame({**ids, "stage": stage, "band": band, "year": YEAR, **amount}))
    return pd.concat(out, ignore_index=True)


def _rows(going: pd.DataFrame, rng: Any) -> pd.DataFrame:
    out = going.groupby(["school_id", "stage"], as_index=False)["pupils"].sum().assign(year=YEAR)
    grades = np.where(out["stage"] == "primary", 6, 3)
    out = out.assign(grades=grades, classes=np.ceil(out["pupils"] / grades / 30) * grades, boarders=0)
    for name in FIGURES:
        out[name] = np.round(out["pupils"] * rng.uniform(0.02, 0.2, len(out)) * (500 if name.endswith("yuan") else 1))
    return out


def timed(act: Callable[[], Any], repeat: int) -> float:
    """Return the median milliseconds of processor time of an act, after one run that does not count."""
    act()
    found = []
    for _ in range(repeat):
        start = time.process_time()
        act()
        found.append(1000 * (time.process_time() - start))
    return statistics.median(found)


def report(name: str, ours: float, other: float | None = None, peer: str = "") -> None:
    """Print one line: milliseconds, and how many times as long the other takes."""
    ratio = "" if other is None else f"   {peer} {other:10.2f} ms = {other / ours:7.1f} x"
    print(f"{name:<72}{ours:10.3f} ms{ratio}", flush=True)


def ticks(repeat: int) -> None:
    """Measure the slider tick: assignment, coverage, distances, classes, coefficients."""
    county = made_up()
    scenario = Scenario.empty(county, YEAR)
    for places in (False, True):
        board = Board(county, scenario, places=places)
        for minimum in (100, 150, 200):
            positions = cycle([State(minimum_enrolment=minimum, walk_primary_m=m) for m in (2_000, 3_000, 4_000)])
            ours = timed(lambda positions=positions, board=board: board.tick(next(positions)), 10 * repeat)
            state = State(minimum_enrolment=minimum, walk_primary_m=3_000)
            moved, shut = board.tick(state).moved, len(board.tick(state).closed)
            other = None if places else timed(lambda board=board, state=state: by_geopandas(board, state), 5)
            how = "places reckoned with" if places else "no places"
            report(f"tick, {how}: {shut} schools close, {moved:.0f} pupils move", ours, other, "geopandas + pandas")
    rezoned = Board(county, scenario.with_settings(rezone=True), places=True)
    state = State(minimum_enrolment=200)
    report("tick, every pupil assigned anew within places (3 transports)", timed(lambda: rezoned.tick(state), repeat))


def by_geopandas(board: Board, state: State) -> dict[str, Any]:
    """Ask the tick's question the usual way: spatial join to the nearest open school, tables grouped and merged."""
    import geopandas as gpd

    county, groups = board.county, board.base.groups
    metric = 32649
    frame = board.layout.frame.reset_index(names="school_id")
    shut = {board.schools[j] for j in np.flatnonzero(board.closing(state))}
    seats = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame["lon"], frame["lat"]), crs=4326).to_crs(metric)
    villages = county.tables["villages"]
    homes = gpd.GeoDataFrame(villages, geometry=gpd.points_from_xy(villages["lon"], villages["lat"]), crs=4326)
    homes = homes.to_crs(metric)[["village_id", "geometry"]]
    leaving = groups[groups["school_id"].isin(shut)]
    parts = [groups[~groups["school_id"].isin(shut)]]
    for stage in ("primary", "junior"):
        kind = seats[~seats["school_id"].isin(shut) & (seats["kind"] == stage)][["school_id", "geometry"]]
        mine = homes.merge(leaving[leaving["stage"] == stage].drop(columns="school_id"), on="village_id")
        if len(mine):
            parts.append(pd.DataFrame(gpd.sjoin_nearest(mine, kind).drop(columns=["geometry", "index_right"])))
    after = pd.concat(parts, ignore_index=True).merge(homes, on="village_id")
    ends = gpd.GeoSeries(after["school_id"].map(seats.set_index("school_id").geometry), crs=metric)
    after["metres"] = gpd.GeoSeries(after["geometry"], crs=metric).distance(ends)
    after["walks"] = after["pupils"].where(after["metres"] <= 3_000, 0.0)
    cover = after.groupby("stage")[["pupils", "walks"]].sum()
    order = after.sort_values("metres")
    reached = order.groupby("stage")["pupils"].cumsum() >= 0.9 * order["stage"].map(cover["pupils"])
    p90 = order[reached].groupby("stage")["metres"].first()
    by_band = after.groupby(["school_id", "stage", "band"])["pupils"].sum()
    classes = np.ceil(by_band / 3 / 45).mul(3).groupby(level=[0, 1]).sum()
    return {"cover": cover, "p90": p90, "classes": classes, "coefficients": _coefficients(board, leaving, after)}


def _coefficients(board: Board, leaving: pd.DataFrame, after: pd.DataFrame) -> pd.Series:
    """Hand goods on in proportion to the pupils, and compute the coefficients."""
    rows = board.base.rows.reset_index(drop=True)
    came = leaving.merge(after[["village_id", "stage", "band", "school_id"]], on=["village_id", "stage", "band"])
    came = came.groupby(["school_id_x", "school_id_y", "stage"], as_index=False)["pupils"].sum()
    came["share"] = came["pupils"] / came.groupby(["school_id_x", "stage"])["pupils"].transform("sum")
    given = came.merge(rows, left_on=["school_id_x", "stage"], right_on=["school_id", "stage"])
    moves = [name for name in FIGURES if not name.endswith("_m2") and name != "multimedia_rooms"]
    given = given[moves].mul(given["share"], axis=0).groupby([given["school_id_y"], given["stage"]]).sum()
    here = rows[~rows["school_id"].isin(set(leaving["school_id"]))].set_index(["school_id", "stage"])[list(FIGURES)]
    here = here.add(given.reindex(here.index).fillna(0.0), fill_value=0.0)
    pupils = after.groupby(["school_id", "stage"])["pupils"].sum().reindex(here.index)
    values = here.div(pupils, axis=0)
    weight = pupils / pupils.groupby(level=1).transform("sum")
    mean = values.mul(weight, axis=0).groupby(level=1).sum()
    spread = (values - mean.reindex(values.index, level=1)) ** 2
    return np.sqrt(spread.mul(weight, axis=0).groupby(level=1).sum()) / mean


def instance(slack: float, seed: int = 0) -> tuple[Any, Any, Any]:
    """Return a transport problem: places are unevenly spread, ``slack`` times as many as pupils."""
    rng = np.random.default_rng(seed)
    home, seat = rng.uniform(0, 50_000, (VILLAGES, 2)), rng.uniform(0, 50_000, (SCHOOLS, 2))
    cost = np.hypot(*(home[:, None] - seat[None]).transpose(2, 0, 1))
    demand, share = rng.integers(5, 80, VILLAGES).astype(float), rng.uniform(0.3, 1.7, SCHOOLS)
    return cost, demand, np.ceil(share / share.sum() * demand.sum() * slack)


def transports(repeat: int) -> None:
    """Measure exact capacitated transport, loose and tight."""
    for slack in (1.34, 1.05, 1.02, 1.0, 0.95):
        cost, demand, capacity = instance(slack)
        wide, price = with_no_place(cost)
        places = np.append(capacity, np.inf)
        found = allocation.transport(cost, demand, capacity)
        other, total = by_highs(wide, demand, places)
        ours = found.objective + price * found.shortfall
        if not np.isclose(total, ours, rtol=1e-7):
            raise AssertionError(f"HiGHS finds {total}, we {ours}")
        core = timed(lambda wide=wide, demand=demand, places=places: kernel.ship(wide, demand, places, 1e-4), repeat)
        whole = timed(lambda c=cost, d=demand, k=capacity: allocation.transport(c, d, k), repeat)
        report(f"transport, {slack} places a pupil: kernel", core, other, "HiGHS LP")
        peer = by_networkx(cost, demand, capacity)
        report(f"transport, {slack} places a pupil: read, solved, checked", whole, peer, "networkx")


def by_highs(cost: Any, demand: Any, capacity: Any) -> tuple[float, float]:
    """Solve the programme with HiGHS; return milliseconds and the optimum."""
    import highspy
    from scipy import sparse

    n, m = cost.shape
    leave = sparse.kron(sparse.identity(n), np.ones((1, m)))
    enter = sparse.kron(np.ones((1, n)), sparse.identity(m))
    matrix = sparse.vstack([leave, enter]).tocsc()
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = n * m, n + m
    model.col_cost_ = cost.ravel()
    model.col_lower_, model.col_upper_ = np.zeros(n * m), np.full(n * m, np.inf)
    model.row_lower_, model.row_upper_ = np.append(demand, np.full(m, -np.inf)), np.append(demand, capacity)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
    model.a_matrix_.value_ = matrix.data
    highs.passModel(model)
    start = time.process_time()
    highs.run()
    return 1000 * (time.process_time() - start), float(highs.getInfo().objective_function_value)


def by_networkx(cost: Any, demand: Any, capacity: Any) -> float | None:
    """Solve with networkx's network simplex (whole numbers only); None where it is not installed or has no answer."""
    try:
        import networkx as nx
    except ImportError:
        return None
    if demand.sum() > capacity.sum():
        return None
    graph = nx.DiGraph()
    for i, pupils in enumerate(demand):
        graph.add_node(("v", i), demand=-int(pupils))
    graph.add_node("sink", demand=int(demand.sum()))
    for j, places in enumerate(capacity):
        graph.add_edge(("s", j), "sink", capacity=int(places), weight=0)
    for i in range(len(demand)):
        for j in range(len(capacity)):
            graph.add_edge(("v", i), ("s", j), weight=int(cost[i, j]))
    start = time.process_time()
    nx.network_simplex(graph)
    return 1000 * (time.process_time() - start)


def zonings(seconds: float) -> None:
    """Measure whole villages: time, and the gap that is proven."""
    for slack in (1.34, 1.1):
        cost, demand, capacity = instance(slack)
        start = time.perf_counter()
        found = allocation.zoned(cost, demand, capacity, time_limit_s=seconds)
        ms = 1000 * (time.perf_counter() - start)
        report(f"zoned, {slack} places a pupil: {found.status}, gap {100 * found.gap:.2f} %", ms)


def main() -> None:
    """Run what was asked for."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--repeat", type=int, default=9)
    ask.add_argument("--zoned", type=float, default=10.0, help="time limit of a zoning, seconds")
    given = ask.parse_args()
    allocation.warm_up()
    ticks(given.repeat)
    transports(given.repeat)
    zonings(given.zoned)


if __name__ == "__main__":
    main()
