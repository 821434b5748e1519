"""Branch on the sites of a capacitated p-median: bounds from the Lagrangian dual, what few pairs are left to HiGHS.

At a node the multipliers of its parent are raised further. How often the relaxed answers open a site, on average, says
where the linear relaxation is in doubt: the site nearest to half is open in the one part and closed in the other. A
node whose better plans use few pairs, or whose sites are all decided, is left to HiGHS.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from balance_lib.optimise.control import Control
from balance_lib.optimise.load_bound import LoadBound
from balance_lib.optimise.solution import Floats

# Pairs of a node that go to HiGHS, and seconds it gets for them.
FEW_PAIRS, LEAF_S = 250, 10.0

Leaf = Callable[[Floats, Any, Control], float]


@dataclass(order=True)
class _Node:
    """Hold one part of the search: what no plan in it is better than, the sites' status, multipliers to start from."""

    bound: float
    number: int
    status: Any = field(compare=False)
    u: Floats = field(compare=False)


@dataclass(eq=False)
class SiteTree:
    """Hold the search under way.

    Parameters
    ----------
    bounding : LoadBound
        Raised before.
    leaf : callable
        Takes floors by pair, status of sites and a control; returns what no plan of them is better than.
    """

    bounding: LoadBound
    leaf: Leaf
    nodes: list[_Node] = field(default_factory=list)
    looked: int = 0
    undecided: float = np.inf

    def begin(self, status: Any) -> None:
        """Start from what the whole problem's bound says of sites."""
        self.nodes = [_Node(self.bounding.value, 0, status.copy(), self.bounding.multipliers.copy())]

    @property
    def bound(self) -> float:
        """Return what no plan is better than, unless it is a plan that was told."""
        return min(self.undecided, self.nodes[0].bound if self.nodes else np.inf)

    def look(self, cut: float, control: Control) -> Floats | None:
        """Look at the node of least bound, plans below ``cut`` being sought; return how often it opens each site."""
        node = heapq.heappop(self.nodes)
        if node.bound >= cut:  # so are the others
            self.nodes.clear()
            self.undecided = min(self.undecided, node.bound)
            return None
        self.looked += 1
        value, opened = self.bounding.raised(node.u, node.status, cut, control)
        bound = max(node.bound, min(value, cut))
        if bound >= cut:
            self.undecided = min(self.undecided, bound)
            return opened
        floor = self.bounding.floor(node.u, node.status, cut)
        free = np.flatnonzero(node.status == 0)
        if not free.size or np.isfinite(floor).sum() <= FEW_PAIRS:
            proven = self.leaf(floor, node.status, control.part(LEAF_S))
            if proven >= cut or not free.size:
                self.undecided = min(self.undecided, max(bound, proven))
                return opened
            bound = max(bound, proven)
        pick = free[np.abs(opened[free] - 0.5).argmin()]
        for to in (1, -1):
            status = node.status.copy()
            status[pick] = to
            heapq.heappush(self.nodes, _Node(bound, 2 * self.looked + to, status, node.u.copy()))
        return opened
