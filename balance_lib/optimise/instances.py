"""Read the location problems of the OR-Library, so that a result can be held against published optima.

The formats are told in J. E. Beasley, OR-Library: ``pmed`` (uncapacitated, on a graph) and ``pmedcap`` (capacitated, in
the plane). Both have traps that silently give another problem: in ``pmed`` an edge may stand twice and the last one
counts; in ``pmedcap`` distances are rounded down and demand only loads capacity, it does not weigh distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Instance:
    """Hold one published location problem.

    Parameters
    ----------
    name : str
        Name of the file without its ending.
    cost : array of float, shape (n, n)
        Cost of serving each demand point from each site; every demand point is a site.
    p : int
        Sites to open.
    demand, capacity : arrays of float, shape (n,), or None
        Load of each demand point and places of each site; None where there is no capacity.
    best_known : float or None
        Value of the best solution the file itself states.
    """

    name: str
    cost: Floats
    p: int
    demand: Floats | None = None
    capacity: Floats | None = None
    best_known: float | None = None


def read_pmed(path: str | Path) -> Instance:
    """Read an OR-Library ``pmed`` file: vertices, edges and p, then one edge a line.

    Costs are the lengths of shortest paths between all vertices; of an edge that stands twice the last one counts.

    Raises
    ------
    ValueError
        When the file has fewer numbers than its first line promises.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import shortest_path

    numbers = _numbers(path)
    n, n_edges, p = (int(x) for x in numbers[:3])
    edges = _rows(path, numbers[3:], n_edges, 3)
    ends = edges[:, :2].astype(int) - 1
    length = {(min(a, b), max(a, b)): x for (a, b), x in zip(ends.tolist(), edges[:, 2].tolist(), strict=True)}
    rows, columns = np.array(list(length)).T
    graph = csr_array((np.array(list(length.values())), (rows, columns)), shape=(n, n))
    return Instance(Path(path).stem, shortest_path(graph, directed=False), p)


def read_pmedcap(path: str | Path) -> Instance:
    """Read an OR-Library ``pmedcap`` problem, one a file: number and best value, then n, p and capacity, then points.

    A point's line holds its number, x, y and demand. Costs are Euclidean distances rounded down.

    Raises
    ------
    ValueError
        When the file has fewer numbers than its second line promises.
    """
    numbers = _numbers(path)
    best, n, p, capacity = numbers[1], int(numbers[2]), int(numbers[3]), numbers[4]
    points = _rows(path, numbers[5:], n, 4)
    apart = points[:, None, 1:3] - points[None, :, 1:3]
    cost = np.floor(np.hypot(apart[..., 0], apart[..., 1]))
    return Instance(Path(path).stem, cost, p, points[:, 3].copy(), np.full(n, capacity), float(best))


def _numbers(path: str | Path) -> Floats:
    return np.array(Path(path).read_text(encoding="ascii").split(), dtype=float)


def _rows(path: str | Path, numbers: Floats, n: int, columns: int) -> Floats:
    if numbers.size < n * columns:
        raise ValueError(f"{path}: {n} lines of {columns} numbers promised, {numbers.size} numbers found")
    return numbers[: n * columns].reshape(n, columns)
