"""Measure the room `distance` against its peers in one run: ``python benchmarks/distance.py [--quick]``.

Peers that are not installed are named as absent. GPL and AGPL peers (pandana) are comparators only, never
dependencies: install them beside the project to have them measured. Each line is the best of several interleaved runs;
times move with the machine, ratios less.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import Delaunay

from balance_lib.access.distance import Network, Places, Terrain, nearest_straight, straight_table, warm_up
from balance_lib.access.distance.relief import Relief

KM = 60  # side of the made-up county
LON, LAT, EAST_M, NORTH_M = 109.0, 31.0, 95_500.0, 110_900.0  # metres a degree


def scatter(n: int, seed: int, km: float = KM) -> Places:
    """Scatter places over the made-up county."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0.02, 0.98, (2, n)) * km * 1000
    return Places(np.arange(n), LON + x / EAST_M, LAT + y / NORTH_M)


def roads(junctions: int = 70_000, nodes: int = 200_000, seed: int = 0) -> pd.DataFrame:
    """Make a road network: a spanning tree of scattered junctions, a third more links, bends between junctions."""
    rng = np.random.default_rng(seed)
    point = rng.uniform(0, KM * 1000, (junctions, 2))
    triangles = Delaunay(point).simplices
    sides = np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [0, 2])])
    link = np.unique(np.sort(sides, axis=1), axis=0)
    length = np.hypot(*(point[link[:, 0]] - point[link[:, 1]]).T)
    tree = csgraph.minimum_spanning_tree(sparse.csr_array((length, link.T), shape=(junctions, junctions))).tocoo()
    more = link[rng.permutation(len(link))[: int(0.35 * junctions)]]
    link = np.unique(np.concatenate([np.sort(np.stack(tree.coords, axis=1), axis=1), more]), axis=0)
    bends = max(1, round((nodes - junctions) / len(link)))
    here, place, start, end = link[:, 0], [point], [], []
    for i in range(bends):
        there = junctions + i * len(link) + np.arange(len(link))
        share = (i + 1) / (bends + 1)
        place.append(point[link[:, 0]] * (1 - share) + point[link[:, 1]] * share + rng.normal(0, 5, (len(link), 2)))
        start, end, here = [*start, here], [*end, there], there
    xy = np.concatenate(place)
    u, v = np.concatenate([*start, here]), np.concatenate([*end, link[:, 1]])
    lon, lat = LON + xy[:, 0] / EAST_M, LAT + xy[:, 1] / NORTH_M
    ends = {"from_lon": lon[u], "from_lat": lat[u], "to_lon": lon[v], "to_lat": lat[v]}
    return pd.DataFrame({"from_node": u.astype(str), "to_node": v.astype(str), **ends, "length_m": np.nan})


def relief(side: int = 1000, cell: float = 30.0) -> Relief:
    """Make rough ground: hills of three sizes."""
    from affine import Affine

    rng = np.random.default_rng(1)
    layers = ((25_000, 60), (1_200, 15), (60, 4))
    height = sum(size * ndimage.gaussian_filter(rng.standard_normal((side, side)), width) for size, width in layers)
    return Relief.of(height - height.min(), Affine(cell, 0, 480_000, 0, -cell, 3_450_000), 32649)


def best(runs: dict[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """Return the best time of each, run in turn so that a busy moment hits all."""
    found = dict.fromkeys(runs, float("inf"))
    for _ in range(times):
        for name, run in runs.items():
            start = perf_counter()
            run()
            found[name] = min(found[name], perf_counter() - start)
    return found


def tell(task: str, found: dict[str, float]) -> None:
    """Print a task, our time, and each peer's with its ratio."""
    ours = found.pop("balance_lib")
    print(f"{task}\n  balance_lib {ours * 1000:10.1f} ms")
    for name, seconds in found.items():
        print(f"  {name:<44} {seconds * 1000:10.1f} ms  {seconds / ours:6.1f} x")


def absent(name: str) -> bool:
    """Tell whether a peer is absent, and say so."""
    if importlib.util.find_spec(name) is not None:
        return False
    print(f"  {name}: absent, not measured")
    return True


def bench_straight(times: int) -> None:
    """Measure straight lines."""
    villages, schools = scatter(14_000, 1), scatter(400, 2)
    runs = {
        "balance_lib": lambda: nearest_straight(villages, schools),
        "whole matrix, then its smallest": lambda: straight_table(villages, schools).nearest(),
    }
    tell("nearest school, straight line, 14,000 villages x 400 schools", best(runs, times))


def bench_network(times: int) -> None:
    """Measure ways along roads."""
    table, villages, schools = roads(), scatter(1500, 1), scatter(250, 2)
    start = perf_counter()
    network = Network.of(table)
    _ = network.chains, network._junctions
    print(f"network of {len(network.roads.nodes):,} nodes made and contracted in {perf_counter() - start:.2f} s")
    for km in (15, 5):
        task = f"walking table 250 schools x 1,500 villages within {km} km"
        tell(task, best({"balance_lib": lambda km=km: network.table(villages, schools, limit_m=km * 1000)}, times))
    node = network.reach(schools)[1]
    runs: dict[str, Callable[[], Any]] = {"balance_lib": lambda: network.reach(schools)}
    if not absent("pandana"):
        runs["pandana (AGPL), set_pois and nearest_pois"] = pandana_nearest(network, schools)
    tell(f"nearest school of every node ({(node >= 0).sum():,})", best(runs, max(2, times // 2)))
    runs = {"balance_lib": lambda: network.reach(schools, limit_m=5000)}
    if not absent("networkx"):
        runs["networkx ego_graph a school (osmnx isochrones)"] = networkx_isochrones(network, schools, 5000)
    tell("every node within 5 km of a school", best(runs, 2))


def pandana_nearest(network: Network, schools: Places) -> Callable[[], Any]:
    """Return a run of pandana's nearest point of interest of every node; the network is made before."""
    import pandana

    r = network.roads
    peer = pandana.Network(
        pd.Series(r.lon),
        pd.Series(r.lat),
        pd.Series(r.u),
        pd.Series(r.v),
        pd.DataFrame({"metres": r.length_m}),
        twoway=True,
    )

    def run() -> Any:
        peer.set_pois("schools", 1_000_000, 1, pd.Series(schools.lon), pd.Series(schools.lat))
        return peer.nearest_pois(1_000_000, "schools", num_pois=1)

    return run


def networkx_isochrones(network: Network, schools: Places, metres: float) -> Callable[[], Any]:
    """Return a run of osmnx's way to isochrones: the ego graph of every school; the graph is made before."""
    import networkx as nx

    r = network.roads
    whole = nx.Graph()
    whole.add_weighted_edges_from(zip(r.u.tolist(), r.v.tolist(), r.length_m.tolist(), strict=True), weight="length")
    near = np.argmin(np.hypot(r.lon[:, None] - schools.lon, r.lat[:, None] - schools.lat), axis=0).tolist()

    def run() -> set[int]:
        return set().union(*(nx.ego_graph(whole, n, radius=metres, distance="length").nodes for n in near))

    return run


def bench_terrain(times: int) -> None:
    """Measure walks over relief."""
    print(f"terrain: loops compiled or fetched in {warm_up():.1f} s (some seconds the first time on a machine)")
    ground = relief()
    rows, columns = ground.height.shape
    rng = np.random.default_rng(3)
    cells = rng.integers(5, rows - 5, (250, 2))
    schools = Places(np.arange(250), *ground.degrees(cells[:, 0], cells[:, 1]))
    spots = rng.uniform(5, rows - 5, (1500, 2))
    villages = Places(np.arange(1500), *ground.degrees(spots[:, 0], spots[:, 1]))
    terrain = Terrain.of(ground)
    start = perf_counter()
    _ = terrain.ground, terrain.part
    print(f"  ground of {rows} x {columns} cells made ready in {perf_counter() - start:.2f} s")
    runs: dict[str, Callable[[], Any]] = {"balance_lib": lambda: terrain.reach(schools)}
    runs["balance_lib, 8 steps a cell as the peers"] = eight(terrain, cells)
    runs["scipy, directed graph (made before)"] = scipy_graph(terrain, cells)
    if not absent("skimage"):
        runs["scikit-image MCP_Geometric (no uphill)"] = skimage_field(ground, cells)
    found = best(runs, times)
    fewer = {name: seconds for name, seconds in found.items() if name != "balance_lib"}
    fewer["balance_lib"] = fewer.pop("balance_lib, 8 steps a cell as the peers")
    tell("quickest school of 1,000 x 1,000 cells, 250 schools: the whole of reach(), 16 steps a cell", found)
    tell("the same search with 8 steps a cell, as the peers take", fewer)
    runs = {"balance_lib": lambda: terrain.table(villages, schools, limit_min=60)}
    if importlib.util.find_spec("skimage"):
        runs["scikit-image, one field a school (1 measured x 250)"] = skimage_field(ground, cells[:1])
    found = best(runs, 2)
    for name in found:
        found[name] *= 250 if name.startswith("scikit") else 1
    tell("walking table 250 schools x 1,500 villages within an hour", found)


def eight(terrain: Terrain, cells: Any) -> Callable[[], Any]:
    """Return our search with 8 steps a cell, as the peers take."""
    from balance_lib.access.distance import kernel

    height, allowed, offset, length, middle = terrain.ground
    flat = (cells[:, 0] + 2) * terrain.padded[1] + cells[:, 1] + 2
    ground = kernel.Ground(height, allowed & np.uint16(255), offset[:8], length[:8], middle[:8], 0.01, -1.0)
    doors = kernel.Doors(flat, np.zeros(len(flat)), np.zeros(len(flat)))
    kernel.spread(ground, doors, np.inf)
    return lambda: kernel.spread(ground, doors, np.inf)


def scipy_graph(terrain: Terrain, cells: Any) -> Callable[[], Any]:
    """Return Dijkstra over a directed graph of the cells."""
    height, allowed, offset, length, _ = terrain.ground
    start, end, cost = [], [], []
    for q in range(8):
        here = np.flatnonzero((allowed >> q) & 1)
        there = here + offset[q]
        start, end = [*start, there], [*end, here]  # searched from the schools: walked from there to here
        cost.append(0.01 * length[q] * np.exp(3.5 * np.abs((height[there] - height[here]) / length[q] + 0.05)))
    graph = sparse.csr_array(
        (np.concatenate(cost), (np.concatenate(start), np.concatenate(end))), shape=(len(height),) * 2
    )
    flat = np.unique((cells[:, 0] + 2) * terrain.padded[1] + cells[:, 1] + 2)
    return lambda: csgraph.dijkstra(graph, indices=flat, min_only=True)


def skimage_field(ground: Relief, cells: Any) -> Callable[[], Any]:
    """Return a run of minimum-cost paths over slopes without direction; it knows no knight's moves."""
    from skimage.graph import MCP_Geometric

    width, depth = ground.cell_m
    steep = np.hypot(*np.gradient(ground.height.astype(float), depth, width))
    cost = 0.01 * np.exp(3.5 * np.abs(steep + 0.05))
    starts = [tuple(int(i) for i in cell) for cell in cells]
    return lambda: MCP_Geometric(cost, sampling=(depth, width)).find_costs(starts)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs of each")
    times = 2 if parser.parse_args().quick else 7
    bench_straight(times)
    bench_network(times)
    bench_terrain(times)


if __name__ == "__main__":
    main()
