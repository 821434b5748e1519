"""Read the arrays of an allocation once: costs, pupils, places, open sites; every mistake is told together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

RELATIVE_TOLERANCE = 1e-9  # of all pupils together: less than this is arithmetic, not a pupil


@dataclass(frozen=True, eq=False)
class AllocationProblem:
    """Hold who must be placed and where places are.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Per pupil; infinite where there is no way or the site is closed, never NaN.
    demand : array of float, shape (points, kinds)
        Pupils of each point, by kind (grade band); one kind unless told apart.
    capacity : array of float, shape (sites, kinds)
        Places; infinite where there is no limit, zero at closed sites.
    is_open : array of bool, shape (sites,)
    flat : bool
        Whether pupils were given without kinds.
    """

    cost: Floats
    demand: Floats
    capacity: Floats
    is_open: Bools
    flat: bool

    @classmethod
    def of(cls, cost: Any, demand: Any, capacity: Any = None, is_open: Any = None) -> AllocationProblem:
        """Read the arrays.

        Parameters
        ----------
        cost : array, shape (points, sites)
            Cost of a pupil of a point at a site; NaN or infinite where unreachable.
        demand : array, shape (points,) or (points, kinds), or None
            Pupils of each point; one each without.
        capacity : array, shape (sites,) or (sites, kinds), optional
            Places of each site; endless without.
        is_open : array of bool, shape (sites,), optional
            Sites that take pupils in; all without.

        Raises
        ------
        ValueError
            If shapes differ, a cost is negative, or pupils or places are missing or negative; all mistakes together.
        """
        costs = np.array(cost, dtype=float, ndmin=2)
        points, sites = costs.shape
        flat = demand is None or np.ndim(demand) < 2
        pupils = np.ones((points, 1)) if demand is None else np.array(demand, dtype=float)
        pupils = pupils.reshape(-1, 1) if flat else pupils
        places = np.full((sites, pupils.shape[1]), np.inf) if capacity is None else np.array(capacity, dtype=float)
        places = places.reshape(-1, 1) if places.ndim < 2 else places
        there = np.ones(sites, dtype=bool) if is_open is None else np.array(is_open, dtype=bool)
        wrong = _mistakes(costs, pupils, places, there)
        if wrong:
            raise ValueError("; ".join(wrong))
        costs[np.isnan(costs)] = np.inf
        costs[:, ~there] = np.inf
        return cls(costs, pupils, np.where(there[:, None], places, 0.0), there, flat)

    @property
    def pupils(self) -> Floats:
        """Return the pupils of each point, kinds together."""
        return self.demand[:, 0] if self.demand.shape[1] == 1 else self.demand.sum(axis=1)

    @property
    def tolerance(self) -> float:
        """Return the amount of pupils that counts as none."""
        return RELATIVE_TOLERANCE * max(1.0, float(self.demand.sum()))

    @property
    def reachable(self) -> Bools:
        """Tell which points have a way to an open site."""
        return np.asarray(np.isfinite(self.cost).any(axis=1), dtype=bool)


def _mistakes(cost: Floats, demand: Floats, capacity: Floats, is_open: Bools) -> list[str]:
    points, sites = cost.shape
    wrong = []
    if len(demand) != points:
        wrong.append(f"demand is of {len(demand)} points, cost of {points}")
    if capacity.shape != (sites, demand.shape[1]):
        wrong.append(
            f"capacity has shape {capacity.shape}, expected {(sites, demand.shape[1])}: sites and kinds of pupils"
        )
    if is_open.shape != (sites,):
        wrong.append(f"is_open has shape {is_open.shape}, expected {(sites,)}")
    if (cost < 0).any():
        wrong.append("a cost is negative")
    if not np.isfinite(demand).all() or (demand < 0).any():
        wrong.append("demand must be a number of pupils, zero or more, of every point")
    if np.isnan(capacity).any() or (capacity < 0).any():
        wrong.append("capacity must be a number of places, zero or more (infinite: no limit), of every site")
    return wrong
