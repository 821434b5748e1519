"""Hold the inputs of a location problem, checked once: what every solver and the independent check start from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise.solution import Flags, Floats, Ints, Reason


@dataclass(frozen=True, eq=False)
class Problem:
    """Hold a location problem on bare arrays.

    Parameters
    ----------
    cost : array of float, shape (points, sites)
        Cost of serving a demand point from a site; infinite where the site cannot be reached or lies beyond the
        largest cost allowed.
    weights : array of float, shape (points,)
        Multiply cost in the objective.
    demand, capacity, min_load : arrays of float or None
        Load of each demand point (points, kinds); places (sites, kinds) and least load in all (sites,) of each open
        site. All None without capacities.
    must_open, may_open : arrays of bool, shape (sites,)
        Sites that are open in any plan, and sites that may be.
    max_cost : float
        Largest cost allowed; infinite without one.
    reachable : array of float, shape (points, sites)
        ``cost`` before ``max_cost`` was applied: what a larger limit would allow.
    """

    cost: Floats
    weights: Floats
    demand: Floats | None
    capacity: Floats | None
    min_load: Floats | None
    must_open: Flags
    may_open: Flags
    max_cost: float
    reachable: Floats

    @classmethod
    def of(
        cls,
        cost: npt.ArrayLike,
        *,
        weights: npt.ArrayLike | None = None,
        capacity: npt.ArrayLike | None = None,
        demand: npt.ArrayLike | None = None,
        min_load: npt.ArrayLike | None = None,
        max_cost: float | None = None,
        fixed_open: npt.ArrayLike | None = None,
        fixed_closed: npt.ArrayLike | None = None,
    ) -> Problem:
        """Check inputs and return the problem.

        ``fixed_open`` and ``fixed_closed`` are flags (sites,) or indexes of sites. ``capacity`` and ``min_load`` may be
        one number for all sites.

        Parameters
        ----------
        cost : array, shape (points, sites)
            Cost of serving a demand point from a site; NaN or infinite where unreachable.
        weights : array, shape (points,), optional
            Multiply cost in the objective; 1 without.
        capacity : number or array, shape (sites,) or (sites, kinds), optional
            Places of an open site.
        demand : array, shape (points,) or (points, kinds), optional
            Load of each point; needed with ``capacity`` or ``min_load``.
        min_load : number or array, shape (sites,), optional
            Least load of an open site.
        max_cost : float, optional
            Nobody may be served at a larger cost.
        fixed_open : flags (sites,) or indexes, optional
            Sites that must be open.
        fixed_closed : flags (sites,) or indexes, optional
            Sites that must not be open.

        Raises
        ------
        ValueError
            With every fault of the inputs at once.
        """
        table = np.array(cost, dtype=float)
        if table.ndim != 2 or 0 in table.shape:
            raise ValueError(f"cost must be (demand points, sites), at least 1 × 1; found shape {table.shape}")
        n, m = table.shape
        table[~np.isfinite(table)] = np.inf
        faults: list[str] = []
        if np.any(table < 0):
            faults.append("cost below zero")
        w = _vector(weights, n, "weights", faults, default=1.0)
        load = None if demand is None else _columns(demand, n, "demand", faults)
        places = None if capacity is None else _columns(capacity, m, "capacity", faults, endless=True)
        if load is not None and places is not None and load.shape[1] != places.shape[1]:
            faults.append(f"demand of {load.shape[1]} kinds, capacity of {places.shape[1]}")
        least = None if min_load is None else _vector(min_load, m, "min_load", faults)
        if load is None and (places is not None or least is not None):
            faults.append("capacity or min_load without demand: what loads the sites must be said")
        must, never = _flags(fixed_open, m, "fixed_open", faults), _flags(fixed_closed, m, "fixed_closed", faults)
        if np.any(must & never):
            faults.append(f"sites both fixed open and fixed closed: {np.flatnonzero(must & never).tolist()}")
        limit = np.inf if max_cost is None else float(max_cost)
        if np.isnan(limit) or limit < 0:
            faults.append(f"max_cost must be a number from 0; found {max_cost}")
        if faults:
            raise ValueError("; ".join(faults))
        within = np.where(table <= limit, table, np.inf)
        capacitated = places is not None or least is not None
        if load is not None and capacitated:
            places = np.full((m, load.shape[1]), np.inf) if places is None else places
            least = np.zeros(m) if least is None else least
        loads = load if capacitated else None
        return cls(within, w, loads, places, least, must, ~never, limit, table)

    @property
    def shape(self) -> tuple[int, int]:
        """Return the numbers of demand points and sites."""
        return self.cost.shape[0], self.cost.shape[1]

    @property
    def loads(self) -> tuple[Floats, Floats, Floats]:
        """Return demand, least loads and places of a problem that has them."""
        assert self.demand is not None and self.min_load is not None and self.capacity is not None
        return self.demand, self.min_load, self.capacity

    @cached_property
    def weighted(self) -> Floats:
        """Return weights × cost, infinite where unreachable, shape (points, sites)."""
        with np.errstate(invalid="ignore"):  # nobody times no way
            out = self.weights[:, None] * self.cost
        out[np.isinf(self.cost)] = np.inf
        return out

    @cached_property
    def unserved(self) -> Ints:
        """Return demand points that no site allowed to open can serve."""
        reached = np.isfinite(self.cost[:, self.may_open]).any(axis=1)
        return np.flatnonzero(~reached)

    def nearest(self, is_open: Flags) -> Ints:
        """Return the cheapest open site of each demand point, the first of equals; -1 where none is reached."""
        sites = np.flatnonzero(is_open)
        if not sites.size:
            return np.full(self.cost.shape[0], -1)
        table = self.cost[:, sites]
        least = table.argmin(axis=1)
        return np.where(np.isfinite(table[np.arange(least.size), least]), sites[least], -1)

    def value(self, assignment: Ints) -> float:
        """Return what an assignment costs: sum of weights × cost; infinite where somebody is not served."""
        if np.any(assignment < 0):
            return float("inf")
        return float(self.weighted[np.arange(assignment.size), assignment].sum())

    @cached_property
    def in_whole_numbers(self) -> bool:
        """Tell whether every plan's value is a whole number, so that a bound may be rounded up."""
        finite = self.weighted[np.isfinite(self.weighted)]
        return bool(np.all(finite == np.round(finite)) and np.abs(finite).sum() < 2**50)


def _vector(
    values: npt.ArrayLike | None,
    size: int,
    name: str,
    faults: list[str],
    *,
    default: float | None = None,
    endless: bool = False,
) -> Floats:
    if values is None:
        return np.full(size, default if default is not None else np.nan)
    found = np.array(values, dtype=float)
    if found.ndim == 0:
        found = np.full(size, float(found))
    if found.shape != (size,):
        faults.append(f"{name} must have shape ({size},); found {found.shape}")
        return np.zeros(size)
    bad = np.isnan(found) | (found < 0) | (np.isinf(found) & (not endless))
    if bad.any():
        faults.append(f"{name} must be numbers from 0; not so at {np.flatnonzero(bad)[:10].tolist()}")
    return found


def _columns(values: npt.ArrayLike, size: int, name: str, faults: list[str], *, endless: bool = False) -> Floats:
    """Return values by kind, shape (size, kinds); one kind where a vector or a number is given."""
    found = np.array(values, dtype=float)
    kinds = list(found.T) if found.ndim == 2 else [found]
    return np.stack([_vector(kind, size, name, faults, endless=endless) for kind in kinds], axis=1)


def _flags(values: Any, size: int, name: str, faults: list[str]) -> Flags:
    flags = np.zeros(size, np.bool_)
    if values is None:
        return flags
    found = np.asarray(values)
    if found.dtype == np.bool_:
        if found.shape != (size,):
            faults.append(f"{name} must have shape ({size},); found {found.shape}")
            return flags
        return found.copy()
    found = found.astype(np.int64).ravel()
    if np.any((found < 0) | (found >= size)):
        faults.append(f"{name} names sites that are not there: {found[(found < 0) | (found >= size)].tolist()}")
        return flags
    flags[found] = True
    return flags


def loads_of(demand: Floats, site: Ints, n_sites: int) -> Floats:
    """Return what an assignment loads each site with, shape (sites, kinds).

    Parameters
    ----------
    demand : array of float, shape (points, kinds)
    site : array of int, shape (points,)
        Where each point goes.
    n_sites : int
    """
    return np.stack([np.bincount(site, weights=kind, minlength=n_sites) for kind in demand.T], axis=1).astype(float)


def count_reasons(problem: Problem, p: int) -> tuple[Reason, ...]:
    """Return why no plan can exist, as far as counting shows.

    Parameters
    ----------
    problem : Problem
    p : int

    Returns
    -------
    tuple of Reason
        Empty where counting shows nothing.
    """
    found = []
    least, most = int(problem.must_open.sum()), int(problem.may_open.sum())
    if p < max(1, least):
        found.append(Reason("too_few", (), tuple(np.flatnonzero(problem.must_open).tolist()), p, max(1, least)))
    if p > most:
        found.append(Reason("too_many", (), (), p, most))
    if problem.unserved.size and most:
        found.append(unserved_reason(problem))
    return tuple(found)


def unserved_reason(problem: Problem) -> Reason:
    """Return the reason that some demand points cannot be served at all, and the limit that would do."""
    nearest = problem.reachable[problem.unserved][:, problem.may_open].min(axis=1)
    return Reason("beyond_reach", tuple(problem.unserved.tolist()), (), problem.max_cost, float(nearest.max()))
