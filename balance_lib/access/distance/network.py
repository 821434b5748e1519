"""Measure along roads and paths: Dijkstra over a contracted walking graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.access.distance.chains import Chains
from balance_lib.access.distance.places import Floats, Ints, Places, _straight_matrix
from balance_lib.access.distance.result import FLAT_KPH, Direction, ODTable, minute_m
from balance_lib.access.distance.roads import Roads, _both_ways, _graph, _shortest
from balance_lib.access.distance.snap import Snapped, _snap

SNAP_CAP_M = 1000.0
CHUNK_CELLS = 8_000_000  # cost cells held at a time: 64 MB


@dataclass(frozen=True, eq=False)
class Network:
    """Measure walks along a network of roads and paths.

    Parameters
    ----------
    roads : Roads
        Cleaned walking graph; :meth:`of` makes it from a table ``edges``.

    Examples
    --------
    Two pieces of road, 1 km each, and a village 200 m beside the first:

    >>> edges = pd.DataFrame(
    ...     {"from_node": ["a", "b"], "to_node": ["b", "c"], "from_lon": [0.0, 0.009], "from_lat": [0.0, 0.0],
    ...      "to_lon": [0.009, 0.018], "to_lat": [0.0, 0.0], "length_m": [1002.0, 1002.0]})
    >>> village, school = Places(["v"], [0.0045], [0.0018]), Places(["s"], [0.018], [0.0])
    >>> Network.of(edges).table(village, school).metres.round(0).tolist()
    [[1702.0]]
    """

    roads: Roads

    @classmethod
    def of(cls, edges: pd.DataFrame) -> Network:
        """Make a network of a canonical table ``edges``; see :class:`balance_lib.access.distance.roads.Roads`."""
        return cls(Roads.of(edges))

    @cached_property
    def chains(self) -> Chains:
        """Return the chains between junctions."""
        return Chains.of(self.roads)

    def table(
        self,
        origins: Places,
        destinations: Places,
        *,
        limit_m: float | None = None,
        snap_cap_m: float = SNAP_CAP_M,
        direction: Direction = "there",
        flat_kph: float = FLAT_KPH,
    ) -> ODTable:
        """Measure the shortest ways between all places.

        A place is put on the nearest point of the nearest piece of road; the straight line to it counts as walked, at
        both ends. Then Dijkstra from each place of the shorter list over the junctions (scipy), and from both ends of
        its chain to each place of the other list; two places on the same chain may also meet along it, and two places
        beside one piece of road that are nearer to each other than to it walk straight.

        Parameters
        ----------
        origins, destinations : Places
        limit_m : float, optional
            Longer ways are NaN; a limit makes the search short.
        snap_cap_m : float
            A place farther than this from every road reaches nothing, and is counted.
        direction : {"there", "back"}
            Kept in the result; roads are walked in both directions alike.
        flat_kph : float
            Walking speed.

        Returns
        -------
        ODTable
            No way is shorter than the straight line.
        """
        minute_m(flat_kph)
        ends = _snap(origins, self.roads, snap_cap_m), _snap(destinations, self.roads, snap_cap_m)
        metres = self._between(*ends, np.inf if limit_m is None else limit_m)
        line = _straight_matrix(origins, destinations)
        # Two places beside one piece of road, nearer to each other than to the road, do not walk to the road and back.
        off = ends[0].metres[:, None] + ends[1].metres[None, :]
        beside = (ends[0].piece[:, None] == ends[1].piece[None, :]) & (line <= off)
        # Lengths are summed piece by piece: the last digit may fall below the straight line.
        metres = np.where(np.isfinite(metres), np.where(beside, line, np.fmax(metres, line)), np.nan)
        if limit_m is not None:
            metres[metres > limit_m] = np.nan
        return ODTable(
            mode="network",
            origins=origins.ids,
            destinations=destinations.ids,
            metres=metres,
            origin_part=ends[0].part,
            destination_part=ends[1].part,
            origin_snap_m=ends[0].metres,
            destination_snap_m=ends[1].metres,
            direction=direction,
            limit_m=limit_m,
            flat_kph=flat_kph,
            provenance={
                **self.roads.describe(),
                "snap_cap_m": float(snap_cap_m),
                "passed_over": ends[0].passed_over + ends[1].passed_over,
            },
        )

    def reach(
        self, destinations: Places, *, limit_m: float | None = None, snap_cap_m: float = SNAP_CAP_M
    ) -> tuple[Floats, Ints]:
        """Find the nearest destination of every node of the network.

        Parameters
        ----------
        destinations : Places
        limit_m, snap_cap_m : float
            As for :meth:`table`.

        Returns
        -------
        (metres, nearest) : arrays of shape (nodes,)
            Length of the way, the destination's line to the road included, and the destination's index; NaN and -1
            where there is none.
        """
        from scipy.sparse import csgraph

        roads, at = self.roads, _snap(destinations, self.roads, snap_cap_m)
        n, on = len(roads.nodes), np.flatnonzero(at.piece >= 0)
        if not len(on):
            return np.full(n, np.nan), np.full(n, -1)
        piece, share, gate = at.piece[on], at.share[on], n + np.arange(len(on))
        start, end, length = _both_ways(roads.u, roads.v, roads.length_m)
        whole = _graph(
            n + len(on),
            np.concatenate([start, gate, gate]),
            np.concatenate([end, roads.u[piece], roads.v[piece]]),
            np.concatenate(
                [
                    length,
                    at.metres[on] + share * roads.length_m[piece],
                    at.metres[on] + (1 - share) * roads.length_m[piece],
                ]
            ),
        )
        metres, _, source = csgraph.dijkstra(
            whole, indices=gate, min_only=True, return_predecessors=True, limit=np.inf if limit_m is None else limit_m
        )
        found = np.isfinite(metres[:n])
        return np.where(found, metres[:n], np.nan), np.where(found, on[np.where(found, source[:n] - n, 0)], -1)

    def _between(self, origins: Snapped, destinations: Snapped, limit_m: float) -> Floats:
        """Return metres between snapped places, infinite where there is no way; Dijkstra from the shorter list."""
        if len(destinations.piece) > len(origins.piece):
            return self._between(destinations, origins, limit_m).T
        out = np.full((len(origins.piece), len(destinations.piece)), np.inf)
        rows, columns = (np.flatnonzero(side.piece >= 0) for side in (origins, destinations))
        if len(rows) and len(columns):
            ways = _Doors.of(self, origins, rows), _Doors.of(self, destinations, columns)
            out[np.ix_(rows, columns)] = self._from_doors(*ways, limit_m)
        return out

    def _from_doors(self, origins: _Doors, destinations: _Doors, limit_m: float) -> Floats:
        from scipy.sparse import csgraph

        junctions, ends = self._junctions
        n, m = len(ends), len(destinations.chain)
        seat = np.searchsorted(ends, np.stack([destinations.start, destinations.end]))
        gate = n + np.arange(m)
        # Gates have no way in, so that nobody takes a short cut through a school. On a loop both ends are one.
        doors = _shortest(np.tile(gate, 2), seat.ravel(), np.concatenate([destinations.to_start, destinations.to_end]))
        whole = _graph(n + m, *(np.concatenate(both) for both in zip(junctions, doors, strict=True)))
        first, last = np.searchsorted(ends, origins.start), np.searchsorted(ends, origins.end)
        out = np.empty((len(origins.chain), m))
        step = max(1, CHUNK_CELLS // (n + m))
        for i in range(0, m, step):
            cost = csgraph.dijkstra(whole, indices=gate[i : i + step], limit=limit_m)
            out[:, i : i + step] = np.minimum(cost[:, first] + origins.to_start, cost[:, last] + origins.to_end).T
        row, column = _on_one_chain(origins.chain, destinations.chain)
        np.minimum.at(out, (row, column), np.abs(origins.position[row] - destinations.position[column]))
        return out + origins.off[:, None] + destinations.off[None, :]

    @cached_property
    def _junctions(self) -> tuple[tuple[Ints, Ints, Floats], Ints]:
        """Return the contracted graph's edges, both ways, and the nodes that are its junctions."""
        chains = self.chains
        ends = np.unique(np.concatenate([chains.start, chains.end]))
        _, piece = np.unique(chains.chain, return_index=True)
        whole = chains.before[piece] + self.roads.length_m[piece] + chains.after[piece]
        start, end = (np.searchsorted(ends, side[piece]) for side in (chains.start, chains.end))
        real = start != end
        return _shortest(*_both_ways(start[real], end[real], whole[real])), ends


@dataclass(frozen=True, eq=False)
class _Doors:
    """Say for snapped places on which chain they are, and how far from its two ends."""

    chain: Ints
    start: Ints
    end: Ints
    to_start: Floats
    to_end: Floats
    position: Floats
    off: Floats

    @classmethod
    def of(cls, network: Network, at: Snapped, which: Ints) -> _Doors:
        piece, share = at.piece[which], at.share[which]
        chains, length = network.chains, network.roads.length_m[piece]
        to_start = share * length + chains.before[piece]
        to_end = (1 - share) * length + chains.after[piece]
        position = np.where(chains.along[piece], to_start, to_end)
        return cls(
            chains.chain[piece], chains.start[piece], chains.end[piece], to_start, to_end, position, at.metres[which]
        )


def _on_one_chain(a: Ints, b: Ints) -> tuple[Any, Any]:
    """Return all pairs of places that lie on the same chain."""
    order = np.argsort(b, kind="stable")
    low, high = np.searchsorted(b[order], a, "left"), np.searchsorted(b[order], a, "right")
    row = np.repeat(np.arange(len(a)), high - low)
    within = np.arange(len(row)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
    return row, order[np.repeat(low, high - low) + within]
