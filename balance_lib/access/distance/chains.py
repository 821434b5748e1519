"""Contract a road graph: a chain of pieces without a crossing becomes one edge between junctions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from balance_lib.access.distance.places import Floats, Ints
from balance_lib.access.distance.roads import Roads


@dataclass(frozen=True, eq=False)
class Chains:
    """Say for every piece of road on which chain it lies, where the chain ends, and how far off the ends are.

    A point at share ``t`` of piece ``e`` (from its end ``u``) is ``t * length + before[e]`` metres from junction
    ``start[e]`` and ``(1 - t) * length + after[e]`` metres from junction ``end[e]``.

    Parameters
    ----------
    chain : array of int, shape (pieces,)
        Name of the chain: the lower index of its two outermost pieces.
    start, end : array of int, shape (pieces,)
        Junctions, as indexes into the graph's nodes; equal on a loop.
    before, after : array of float, shape (pieces,)
        Metres from ``u`` to ``start`` and from ``v`` to ``end``, along the chain.
    along : array of bool, shape (pieces,)
        Whether positions on the chain count from ``start``, not from ``end``.
    """

    chain: Ints
    start: Ints
    end: Ints
    before: Floats
    after: Floats
    along: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, roads: Roads) -> Chains:
        """Find the chains by pointer doubling: as many rounds as the longest chain has binary digits.

        Every piece has two half-edges, ``2e`` towards ``v`` and ``2e + 1`` towards ``u``; each points to the next
        half-edge along its chain until a junction ends it.
        """
        m = len(roads)
        head = np.empty(2 * m, dtype=np.int64)
        head[0::2], head[1::2] = roads.v, roads.u
        jump = _following(roads, head)
        moves = jump != np.arange(2 * m)
        ahead = np.where(moves, roads.length_m[jump >> 1], 0.0)
        while moves.any():
            ahead = ahead + ahead[jump]
            onward = jump[jump]
            moves, jump = onward != jump, onward
        last, first = jump[0::2] >> 1, jump[1::2] >> 1
        return cls(
            chain=np.minimum(first, last),
            start=head[jump[1::2]],
            end=head[jump[0::2]],
            before=ahead[1::2],
            after=ahead[0::2],
            along=first <= last,
        )


def _following(roads: Roads, head: Ints) -> Ints:
    """Return the half-edge after each half-edge; itself where its head is a junction."""
    n, m = len(roads.nodes), len(roads)
    degree = np.bincount(head, minlength=n)
    inner = degree == 2
    # A ring without any junction gets one: otherwise it would never end.
    ring = np.bincount(roads.part, ~inner, minlength=len(roads.part_m)) == 0
    if ring.any():
        _, lowest = np.unique(roads.part, return_index=True)
        inner[lowest[ring]] = False
    out = np.arange(2 * m)
    arriving = np.argsort(head, kind="stable")  # the two half-edges into an inner node stand side by side
    arriving = arriving[inner[head[arriving]]].reshape(-1, 2)
    out[arriving[:, 0]], out[arriving[:, 1]] = arriving[:, 1] ^ 1, arriving[:, 0] ^ 1
    return out
