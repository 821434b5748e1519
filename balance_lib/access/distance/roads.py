"""Clean a table of road and path pieces into a walking graph, and say what had to be mended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.distance.places import Floats, Ints, _to_xyz, over_ground

MOVED_M = 10.0  # two pieces that place their common node farther apart than this contradict each other
SHORT_M, SHORT_SHARE = 1.0, 0.01  # a piece this much shorter than its straight line is a fault, less is rounding
ISLAND_M = 500.0  # a part of the network shorter than this in all is an artefact of drawing or of the map's rim


@dataclass(frozen=True, eq=False)
class Roads:
    """Hold an undirected walking graph: nodes with places, pieces with lengths, no piece twice.

    Parameters
    ----------
    nodes : array of str, shape (n,)
    lon, lat : array of float, shape (n,)
        Degrees.
    u, v : array of int, shape (m,)
        Ends of each piece, ``u < v``, as indexes into the nodes.
    length_m : array of float, shape (m,)
        Never below the straight line between the ends.
    report : mapping of str to int
        What was left out or mended: ``given`` pieces, ``no_place`` (an end is nowhere placed), ``loops``, ``parallel``,
        ``short`` (shorter than the straight line: lengthened to it), ``no_length`` (straight line taken),
        ``zero_length`` (kept), ``moved`` (ends placed elsewhere by another piece).
    """

    nodes: Any
    lon: Floats
    lat: Floats
    u: Ints
    v: Ints
    length_m: Floats
    report: dict[str, int]

    @classmethod
    def of(cls, edges: pd.DataFrame) -> Roads:
        """Clean a canonical table ``edges``; every way is walked in both directions.

        Of parallel pieces the shortest stays. Nodes are told apart by name alone: two roads that cross without a common
        node pass over or under each other.
        """
        m = len(edges)
        codes, names = pd.factorize(pd.concat([edges["from_node"], edges["to_node"]], ignore_index=True))
        lon = edges[["from_lon", "to_lon"]].to_numpy(dtype=float).T.ravel()
        lat = edges[["from_lat", "to_lat"]].to_numpy(dtype=float).T.ravel()
        place = _first_known(codes, lon, lat, len(names))
        xyz = _to_xyz(*place)
        u, v = codes[:m], codes[m:]
        placed = (codes >= 0) & np.isfinite(place[0][codes])
        usable = placed[:m] & placed[m:]
        moved = over_ground(np.linalg.norm(_to_xyz(lon, lat) - xyz[codes], axis=1)) > MOVED_M
        length, mended = _lengths(
            edges["length_m"].to_numpy(dtype=float), over_ground(np.linalg.norm(xyz[u] - xyz[v], axis=1))
        )
        report = {"given": m, "no_place": int((~usable).sum()), "loops": int((usable & (u == v)).sum())}
        kept = np.flatnonzero(usable & (u != v))
        report |= {name: int(flag[kept].sum()) for name, flag in mended.items()}
        report["moved"] = int((moved & placed).sum())
        low, high, length = _shortest(np.minimum(u, v)[kept], np.maximum(u, v)[kept], length[kept])
        report["parallel"] = len(kept) - len(low)
        used, ends = np.unique(np.concatenate([low, high]), return_inverse=True)
        u, v = ends[: len(low)], ends[len(low) :]
        return cls(np.asarray(names, dtype=str)[used], place[0][used], place[1][used], u, v, length, report)

    def __len__(self) -> int:
        return len(self.u)

    @cached_property
    def xyz(self) -> Floats:
        """Return the nodes in metres from the centre of the earth."""
        return _to_xyz(self.lon, self.lat)

    @cached_property
    def part(self) -> Ints:
        """Return the connected part each node belongs to, numbered by falling length."""
        from scipy.sparse import csgraph

        _, label = csgraph.connected_components(_graph(len(self.nodes), self.u, self.v, self.length_m), directed=False)
        metres = np.bincount(label[self.u], self.length_m, minlength=label.max(initial=-1) + 1)
        rank = np.empty(len(metres), dtype=np.int64)
        rank[np.argsort(-metres, kind="stable")] = np.arange(len(metres))
        return rank[label]

    @cached_property
    def part_m(self) -> Floats:
        """Return the length of all pieces of each connected part, longest first."""
        return np.bincount(self.part[self.u], self.length_m, minlength=self.part.max(initial=-1) + 1).astype(float)

    @cached_property
    def island(self) -> npt.NDArray[np.bool_]:
        """Return which pieces belong to a part of the network too short to lead anywhere."""
        return (self.part_m < ISLAND_M)[self.part[self.u]]

    @cached_property
    def plane(self) -> Any:
        """Return a conformal projection: what is nearest on it is nearest on the ground, far from its middle too."""
        from pyproj import Transformer

        lon, lat = (float(np.median(a)) if len(a) else 0.0 for a in (self.lon, self.lat))
        return Transformer.from_crs(
            4326, f"+proj=tmerc +lon_0={lon} +lat_0={lat} +ellps=WGS84 +units=m", always_xy=True
        )

    @cached_property
    def trees(self) -> tuple[tuple[Ints, Any], tuple[Ints, Any]]:
        """Return search trees of the pieces of the main parts and of the islands, each with the pieces' indexes."""
        import shapely

        points = np.stack(self.plane.transform(self.lon, self.lat), axis=-1)
        lines = shapely.linestrings(np.stack([points[self.u], points[self.v]], axis=1))
        main, other = np.flatnonzero(~self.island), np.flatnonzero(self.island)
        return (main, shapely.STRtree(lines[main])), (other, shapely.STRtree(lines[other]))

    def describe(self) -> dict[str, Any]:
        """Say as plain values what the graph is made of and what was mended."""
        metres = self.part_m
        total = float(metres.sum())
        return {
            "nodes": len(self.nodes),
            "pieces": len(self),
            "length_m": total,
            "parts": len(metres),
            "largest_part_share": float(metres[0] / total) if total > 0 else None,
            "islands": int((metres < ISLAND_M).sum()),
            **self.report,
        }


def _graph(n: int, start: Ints, end: Ints, length: Floats) -> Any:
    """Return a directed sparse graph of edges of which no two are between the same nodes; zero lengths are kept.

    ``length``: lengths in metres.
    """
    from scipy import sparse

    return sparse.csr_array((length, (start.astype(np.int32), end.astype(np.int32))), shape=(n, n))


def _shortest(start: Ints, end: Ints, length: Floats) -> tuple[Ints, Ints, Floats]:
    """Keep, of several edges between the same nodes, the shortest: a sparse matrix would add them up.

    ``start``, ``end``, ``length``: as for :func:`graph`.
    """
    order = np.lexsort((length, end, start))
    start, end, length = start[order], end[order], length[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(start) != 0) | (np.diff(end) != 0)
    return start[first], end[first], length[first]


def _both_ways(start: Ints, end: Ints, length: Floats) -> tuple[Ints, Ints, Floats]:
    """Return every edge and its way back.

    ``start``, ``end``, ``length``: as for :func:`graph`.
    """
    return np.concatenate([start, end]), np.concatenate([end, start]), np.concatenate([length, length])


def _first_known(codes: Ints, lon: Floats, lat: Floats, n: int) -> tuple[Floats, Floats]:
    """Return the first place stated for each node; NaN for nodes nobody places."""
    place = np.full(n, np.nan), np.full(n, np.nan)
    known = np.flatnonzero((codes >= 0) & np.isfinite(lon) & np.isfinite(lat))[::-1]
    for values, out in zip((lon, lat), place, strict=True):
        out[codes[known]] = values[known]
    return place


def _lengths(stated: Floats, line: Floats) -> tuple[Floats, dict[str, Any]]:
    """Return lengths not below the straight lines, and which were mended or are zero."""
    missing = ~(np.isfinite(stated) & (stated >= 0))
    length = np.where(missing, line, np.fmax(stated, line))
    short = ~missing & (line - stated > np.maximum(SHORT_M, SHORT_SHARE * line))
    return length, {"short": short, "no_length": missing, "zero_length": length == 0}
