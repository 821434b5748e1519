"""Decide who goes where, on bare arrays: to the nearest site, whole villages to one site, or split between sites.

Written once for scenarios and optimiser. Wishes in their order, whatever the method: first as many pupils as possible
have a place they can reach, then the sum of pupils times cost is least. Every answer carries its status, bound and
gap, and is checked against the arrays before it is handed out.
"""

from __future__ import annotations

from balance_lib.optimise.allocation.nearest_site import nearest
from balance_lib.optimise.allocation.problem import AllocationProblem
from balance_lib.optimise.allocation.result import Allocation, AllocationError, verify
from balance_lib.optimise.allocation.transport_plan import transport
from balance_lib.optimise.allocation.zoning import zoned

__all__ = ["Allocation", "AllocationError", "AllocationProblem", "nearest", "transport", "verify", "warm_up", "zoned"]


def warm_up() -> float:
    """Compile the loops ahead of time; return the seconds it took: some the first time, then a fraction."""
    from time import perf_counter

    start = perf_counter()
    transport([[1.0, 2.0], [1.0, 2.0]], [2.0, 2.0], [3.0, 3.0])
    zoned([[1.0, 2.0], [1.0, 2.0]], [2.0, 2.0], [3.0, 3.0])
    return perf_counter() - start
