"""Lay roads between township seats and paths to villages over the relief; whatever crosses a river is a bridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from scipy import sparse
from scipy.sparse import csgraph
from shapely.geometry import LineString, mapping

from balance_lib.data.demo import terrain as relief
from balance_lib.data.demo.settlements import Settlements
from balance_lib.data.demo.terrain import DemoTerrain

RIVER_COST_M = 2500.0  # a bridge is worth a detour of this length
STEEP = 0.10  # slope that doubles the effort
CHORD_CELLS = 4  # longest straight piece, in cells
LINK_M = 3500.0  # neighbouring villages this near are linked to each other as well


@dataclass(frozen=True)
class _DemoNetwork:
    """Hold the made-up roads and rivers of a county.

    Parameters
    ----------
    edges : DataFrame
        Canonical table ``edges``.
    rivers : GeoJSON mapping
    """

    edges: pd.DataFrame
    rivers: dict[str, Any]


def build(terrain: DemoTerrain, settlements: Settlements) -> _DemoNetwork:
    """Lay the network: the cheapest tree of roads between seats, some second roads, and paths for every village.

    Cheapest is by length, steepness and rivers to bridge. Both trees come from one search out of all places at once:
    the cheapest links between regions won by neighbouring places contain the minimum spanning tree (Mehlhorn 1988).

    Parameters
    ----------
    terrain : DemoTerrain
    settlements : Settlements
    """
    courses = relief.rivers(terrain)
    lines = [_line(terrain, rows, columns) for (rows, columns), _ in courses]
    grid = _Grid(terrain)
    seats = grid.cells_of(settlements.townships)
    villages = grid.cells_of(settlements.villages)
    roads = grid.link(seats, extra=0.5)
    paths = grid.link(np.unique(np.concatenate([villages, roads.cells])), joined=roads.cells, extra_m=LINK_M)
    streets = _street_cells(grid, settlements)
    pieces = _pieces(grid, roads, paths, np.unique(np.concatenate([seats, villages])), lines)
    return _DemoNetwork(_table(grid, pieces, roads, streets, lines), _layer(lines, courses))


@dataclass(frozen=True)
class _Links:
    """Steps between neighbouring cells that a road takes, and all cells it touches."""

    steps: set[tuple[int, int]]
    cells: Any


class _Grid:
    """The cells of a county as a graph that effort runs over."""

    def __init__(self, terrain: DemoTerrain) -> None:
        self.terrain = terrain
        self.rows, self.columns = terrain.height.shape
        self.inside = terrain.inside.ravel()
        self.graph = self._graph()

    def cells_of(self, places: pd.DataFrame) -> Any:
        """Return the cell of each place; a place beside the rim takes the nearest cell inside."""
        r, c = self.terrain.at(places["x"].to_numpy(), places["y"].to_numpy())
        cells = r * self.columns + c
        own = np.flatnonzero(self.inside)
        x, y = self.terrain.centre(own // self.columns, own % self.columns)
        for i in np.flatnonzero(~self.inside[cells]):
            px, py = places["x"].iloc[i], places["y"].iloc[i]
            cells[i] = own[int(np.argmin(np.hypot(x - px, y - py)))]
        return cells

    def _graph(self) -> Any:
        cell, height = self.terrain.cell, self.terrain.height.ravel()
        wet = self._wet().ravel()
        own = np.flatnonzero(self.inside)
        froms, tos, costs = [], [], []
        for step_row, step_column in relief.NEIGHBOURS:
            r, c = own // self.columns + step_row, own % self.columns + step_column
            ok = (r >= 0) & (r < self.rows) & (c >= 0) & (c < self.columns)
            there = np.where(ok, r * self.columns + c, 0)
            ok &= self.inside[there]
            a, b = own[ok], there[ok]
            run = cell * (step_row**2 + step_column**2) ** 0.5
            effort = run * (1 + np.abs(height[a] - height[b]) / run / STEEP)
            froms.append(a)
            tos.append(b)
            costs.append(np.round(effort + RIVER_COST_M * (wet[a] | wet[b]) / 2, 1))
        size = self.rows * self.columns
        return sparse.csr_array(
            (np.concatenate(costs), (np.concatenate(froms), np.concatenate(tos))), shape=(size, size)
        )

    def _wet(self) -> Any:
        """Return river cells, with the corners that a diagonal step could slip through."""
        wet = self.terrain.river.copy()
        for (rows, columns), _ in relief.rivers(self.terrain):
            slanting = (np.diff(rows) != 0) & (np.diff(columns) != 0)
            wet[rows[:-1][slanting], columns[1:][slanting]] = True
        return wet

    def link(self, places: Any, *, joined: Any = (), extra: float = 0.0, extra_m: float = 0.0) -> _Links:
        """Join places by the cheapest tree, with some more links.

        Parameters
        ----------
        places : array of int
            Cells to join.
        joined : array of int
            Cells among them that are joined already.
        extra : float
            How many further links per place, cheapest first.
        extra_m : float
            Further links up to this cost.
        """
        reach, before, origin = csgraph.dijkstra(
            self.graph, indices=np.unique(places), min_only=True, return_predecessors=True
        )
        merge = np.arange(self.rows * self.columns)
        if len(joined):
            merge[joined] = joined[0]
        meets = self._meetings(reach, origin, merge)
        tree, further = [], []
        root: dict[int, int] = {}
        for cost, a, b, u, v in meets:
            ra, rb = _find(root, a), _find(root, b)
            if ra != rb:
                root[ra] = rb
                tree.append((u, v))
            else:
                further.append((cost, u, v))
        chosen = tree + [(u, v) for i, (cost, u, v) in enumerate(further) if i < extra * len(places) or cost < extra_m]
        steps = {step for u, v in chosen for step in [_step(u, v), *_back(before, u), *_back(before, v)]}
        return _Links(steps, np.array(sorted({cell for step in steps for cell in step})))

    def _meetings(self, reach: Any, origin: Any, merge: Any) -> list[tuple[float, int, int, int, int]]:
        """List, for each two places whose regions meet, the cheapest way from one to the other."""
        graph = self.graph.tocoo()
        u, v = graph.coords
        known = np.isfinite(reach[u]) & np.isfinite(reach[v])
        u, v, cost = u[known], v[known], graph.data[known]
        a, b = merge[origin[u]], merge[origin[v]]
        cross = a < b
        table = pd.DataFrame(
            {
                "cost": np.round(reach[u] + cost + reach[v], 1)[cross],
                "a": a[cross],
                "b": b[cross],
                "u": u[cross],
                "v": v[cross],
            }
        )
        best = table.sort_values(list(table.columns), kind="stable").drop_duplicates(["a", "b"])
        return [(float(c), int(a), int(b), int(u), int(v)) for c, a, b, u, v in best.itertuples(index=False)]


def _find(root: dict[int, int], item: int) -> int:
    while root.setdefault(item, item) != item:
        root[item] = root[root[item]]
        item = root[item]
    return item


def _step(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _back(before: Any, cell: int) -> list[tuple[int, int]]:
    """Return the steps from a cell back to the place it was reached from."""
    out = []
    while (previous := int(before[cell])) >= 0:
        out.append(_step(cell, previous))
        cell = previous
    return out


def _line(terrain: DemoTerrain, rows: Any, columns: Any) -> Any:
    return LineString(np.column_stack(terrain.degrees(*terrain.centre(rows, columns))))


def _street_cells(grid: _Grid, settlements: Settlements) -> Any:
    """Return which cells are town: within 1.2 km of the county seat's townships."""
    rows, columns = np.divmod(np.arange(grid.rows * grid.columns), grid.columns)
    x, y = grid.terrain.centre(rows, columns)
    town = np.zeros(len(x), dtype=bool)
    for seat in settlements.townships[settlements.townships["in_seat"]].itertuples():
        town |= np.hypot(x - seat.x, y - seat.y) < 1200
    return town


def _pieces(grid: _Grid, roads: _Links, paths: _Links, places: Any, lines: list[Any]) -> list[list[int]]:
    """Cut the steps into straight pieces between crossings and places, none of which cuts off a bend of a river."""
    steps = sorted(roads.steps | paths.steps)
    around: dict[int, list[int]] = {}
    for a, b in steps:
        around.setdefault(a, []).append(b)
        around.setdefault(b, []).append(a)
    road = set(roads.cells.tolist())
    fixed = set(places.tolist()) | {cell for cell, near in around.items() if len(near) != 2}
    fixed |= {c for c, near in around.items() if len({_step(c, n) in roads.steps for n in near}) > 1}
    seen: set[tuple[int, int]] = set()
    pieces = []
    for start in sorted(fixed & set(around)) + sorted(road):
        for following in sorted(around[start]):
            chain = [start]
            here, there = start, following
            while _step(here, there) not in seen:
                seen.add(_step(here, there))
                chain.append(there)
                if there in fixed:
                    break
                here, there = there, next((n for n in sorted(around[there]) if n != here), here)
            if len(chain) > 1:
                pieces += _straighten(grid, chain, shapely.STRtree(lines), lines)
    return pieces


def _straighten(grid: _Grid, chain: list[int], tree: Any, lines: list[Any]) -> list[list[int]]:
    """Cut a chain of cells into pieces whose chord crosses no river unless it is a single step."""
    out, first = [], 0
    while first < len(chain) - 1:
        last = min(first + CHORD_CELLS, len(chain) - 1)
        while last > first + 1 and _crosses(grid, chain[first], chain[last], tree):
            last -= 1
        out.append(chain[first : last + 1])
        first = last
    return out


def _crosses(grid: _Grid, a: int, b: int, tree: Any) -> bool:
    return len(tree.query(LineString(_ends(grid, [a, b])), predicate="intersects")) > 0


def _ends(grid: _Grid, cells: Any) -> Any:
    rows, columns = np.divmod(np.asarray(cells), grid.columns)
    return np.column_stack(grid.terrain.degrees(*grid.terrain.centre(rows, columns)))


def _table(grid: _Grid, pieces: list[list[int]], roads: _Links, streets: Any, lines: list[Any]) -> pd.DataFrame:
    first = np.array([piece[0] for piece in pieces])
    last = np.array([piece[-1] for piece in pieces])
    swap = first > last
    a, b = np.where(swap, last, first), np.where(swap, first, last)
    from_point, to_point = _ends(grid, a), _ends(grid, b)
    chords = shapely.linestrings(np.stack([from_point, to_point], axis=1))
    tree = shapely.STRtree(lines)
    wet = np.zeros(len(pieces), dtype=bool)
    wet[np.unique(tree.query(chords, predicate="intersects")[0])] = True
    on_road = np.array([_step(piece[0], piece[1]) in roads.steps for piece in pieces])
    kind = np.where(wet, "bridge", np.where(~on_road, "path", np.where(streets[a] & streets[b], "street", "road")))
    table = pd.DataFrame(
        {
            "from_node": [f"N{cell:06d}" for cell in a],
            "to_node": [f"N{cell:06d}" for cell in b],
            "from_lon": from_point[:, 0],
            "from_lat": from_point[:, 1],
            "to_lon": to_point[:, 0],
            "to_lat": to_point[:, 1],
            "length_m": np.round([_length(grid, piece) for piece in pieces]),
            "kind": kind,
        }
    )
    table = table.sort_values(["from_node", "to_node", "length_m"], kind="stable")
    return table.drop_duplicates(["from_node", "to_node"]).reset_index(drop=True)


def _length(grid: _Grid, piece: list[int]) -> float:
    """Measure along the cells, heights included."""
    rows, columns = np.divmod(np.array(piece), grid.columns)
    flat = np.hypot(np.diff(rows), np.diff(columns)) * grid.terrain.cell
    return float(np.hypot(flat, np.diff(grid.terrain.height[rows, columns])).sum())


def _layer(lines: list[Any], courses: list[Any]) -> dict[str, Any]:
    features = [
        {
            "type": "Feature",
            "properties": {
                "name_zh": f"示意河流{i}",
                "name_en": f"Schematic river {i}",
                "drained_km2": round(drained),
                "synthetic": True,
            },
            "geometry": mapping(line),
        }
        for i, (line, (_, drained)) in enumerate(zip(lines, courses, strict=True), start=1)
    ]
    return {"type": "FeatureCollection", "features": features}
