"""Learn from a network how much longer ways are than straight lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from balance_lib.access.distance.result import ODTable

NEAR_M = 500.0  # nearer pairs tell more of the way to the road than of the road


@dataclass(frozen=True)
class Detour:
    """Say how much longer ways are than straight lines.

    Parameters
    ----------
    factor : float
        Median of way over straight line; NaN when no pair can tell.
    low, high : float
        Quartiles.
    n : int
        Pairs it was learnt from, those beyond the network's limit included.
    left_out : int
        Pairs that could not tell: too near, too far for the network's limit, or not connected.
    """

    factor: float
    low: float
    high: float
    n: int
    left_out: int


def calibrate_detour(straight: ODTable, network: ODTable, *, near_m: float = NEAR_M) -> Detour:
    """Learn the detour factor of a county from its network: the median of way over straight line.

    The median is moved neither by a few villages behind a missing bridge nor by a few on the main road. Where the
    network was measured up to a limit only, long ways are missing and the rest would look too straight: then only pairs
    within half the limit in a straight line are used, and a pair whose way is beyond the limit counts as more than 2.

    Parameters
    ----------
    straight : ODTable
        Measured with a detour factor of 1 and without a limit.
    network : ODTable
        The same origins and destinations along the network.
    near_m : float
        Pairs nearer than this are left out.

    Raises
    ------
    ValueError
        If the tables are not of the same places, or ``straight`` carries a factor already.
    """
    if straight.mode != "straight" or straight.provenance.get("detour", 1.0) != 1:
        raise ValueError("the detour factor is learnt from straight lines without one")
    same = np.array_equal(straight.origins, network.origins) and np.array_equal(
        straight.destinations, network.destinations
    )
    if not same:
        raise ValueError("the two tables are not of the same origins and destinations")
    line, way = straight.metres, network.metres
    far = np.inf if network.limit_m is None else network.limit_m / 2
    beyond = network.why == 4
    tells = (line >= near_m) & (line <= far) & (np.isfinite(way) | beyond)
    ratio = np.where(beyond[tells], np.inf, way[tells] / line[tells])
    n, left_out = int(tells.sum()), int(line.size - tells.sum())
    if n == 0:
        return Detour(float("nan"), float("nan"), float("nan"), 0, left_out)
    # An order statistic, not an interpolation: between a number and "more than 2" there is none.
    low, factor, high = (
        float(q) if np.isfinite(q) else float("nan") for q in np.quantile(ratio, (0.25, 0.5, 0.75), method="lower")
    )
    return Detour(max(factor, 1.0), max(low, 1.0), max(high, 1.0), n, left_out)
