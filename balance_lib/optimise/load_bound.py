"""Bound plans of p sites with places and least loads, and tell what a better plan cannot use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, loads_of
from balance_lib.optimise.solution import Floats, Ints

# Turns without progress before the step is halved; the step at which the bound is not raised further.
PATIENCE, LEAST_STEP = 20, 2e-3


@dataclass(eq=False)
class LoadBound:
    """Hold the Lagrangian dual of "everybody is served", one knapsack a site (:mod:`balance_lib.optimise.load_dual`).

    Parameters
    ----------
    problem : Problem
        With demand, places and least loads.
    p : int
        Sites that are open.
    home : array of int, shape (points,)
        The site that serves a point while it is open; -1 none.
    value : float
        Best bound so far.
    """

    problem: Problem
    p: int
    home: Ints
    value: float = -np.inf
    _multipliers: Floats | None = None
    _step: float = 1.5

    @cached_property
    def table(self) -> Floats:
        """Return weighted costs; sites that may not open are infinite."""
        return np.where(self.problem.may_open, self.problem.weighted, np.inf)

    @cached_property
    def dual(self) -> Any:
        """Return the problem as the dual takes it: each site's other points by cost, and what homes leave of limits."""
        from balance_lib.optimise.load_dual import Dual

        demand, least, places = self.problem.loads
        n, m = self.table.shape
        others, tied = self.table.copy(), np.flatnonzero(self.home >= 0)
        at_home = np.zeros(n)
        at_home[tied] = self.table[tied, self.home[tied]]
        others[tied, self.home[tied]] = np.inf
        order = np.argsort(others, axis=0, kind="stable")
        costs = np.take_along_axis(others, order, axis=0).T.copy()
        sizes = np.isfinite(costs).sum(axis=1)
        most = max(1, int(sizes.max()))
        own = loads_of(demand[tied], self.home[tied], m)
        room = np.where(np.isfinite(places), places - own, demand.sum()).clip(min=0.0)
        lack, points = least - own.sum(axis=1), order.T[:, :most].copy()
        return Dual(points, costs[:, :most].copy(), sizes, self.home, at_home, demand, room, lack)

    @property
    def started(self) -> bool:
        """Tell whether the bound was raised before."""
        return self._multipliers is not None

    def raise_to(self, cut: float, control: Control, seconds: float) -> tuple[Floats, Ints]:
        """Raise the bound towards a value.

        Parameters
        ----------
        cut : float
            Only plans below it matter.
        control : Control
        seconds : float
            At most.

        Returns
        -------
        floor : array of float, shape (points, sites)
            What any plan below ``cut`` costs at least that uses the pair; infinite where none does.
        status : array of int, shape (sites,)
            1 open in every plan below ``cut``, -1 in none, 0 not known.
        """
        from balance_lib.optimise import load_dual

        problem = self.problem
        status = np.where(problem.may_open, problem.must_open.astype(np.int8), np.int8(-1))
        u = self._first_prices() if self._multipliers is None else self._multipliers
        fee, ends = np.zeros(status.size), control.seconds + seconds
        # Knapsacks in parts of points bring the multipliers near; in whole points they give the better bound.
        for in_whole in (True,) if self.started else (False, True):
            state = np.array([self._step, -np.inf])
            while not control.stopped and control.seconds < ends and state[1] < cut and state[0] > LEAST_STEP:
                load_dual.ascend_loads(self.dual, u, status, self.p, fee, cut, state, 50, PATIENCE, in_whole)
            self.value, self._step = max(self.value, min(float(state[1]), cut)), 0.5
        self._multipliers = u
        return self.floor(u, status, cut), status

    def floor(self, u: Floats, status: Ints, cut: float) -> Floats:
        """Return what plans below ``cut`` cost at least by the pairs they use; infinite where none uses a pair.

        Parameters
        ----------
        u : array of float, shape (points,)
            Multipliers.
        status : array of int, shape (sites,)
            1 open, -1 closed in every plan below ``cut``, 0 not known.
        cut : float
        """
        from balance_lib.optimise import load_dual

        (m, kinds), home = self.dual.room.shape, self.home
        parts, worth, price, chosen = np.zeros(m), np.zeros(m), np.zeros((m, kinds)), np.zeros(m, np.bool_)
        taken, fee = np.zeros(self.dual.points.shape, np.bool_), np.zeros(m)
        load_dual.relax_loads(self.dual, u, status, self.p, fee, parts, price, chosen, taken, False)
        bound, last, first_out = load_dual.relax_loads(
            self.dual, u, status, self.p, fee, worth, price, chosen, taken, True
        )
        if not np.isfinite(bound):
            return np.where(np.isfinite(self.table) & (status >= 0)[None, :], -np.inf, np.inf)
        opens = np.where(chosen | (status < 0), 0.0, np.maximum(0.0, worth - last))
        forced = np.maximum(0.0, self.table - u[:, None] + self.dual.demand @ price.T) + (parts - worth)[None, :]
        extra = np.maximum(0.0, forced) + opens[None, :]
        shuts = np.where(chosen, np.maximum(0.0, first_out - worth), 0.0)
        tied = np.flatnonzero(home >= 0)
        # Whoever goes elsewhere has his home closed: it and the site opened change places.
        both = np.where(chosen[None, :], shuts[home[tied], None], worth[None, :] - worth[home[tied], None])
        extra[tied] += np.maximum(0.0, np.where(chosen[home[tied], None], both - opens[None, :], 0.0))
        extra[tied, home[tied]] = opens[home[tied]]
        out = ~np.isfinite(self.table) | (status < 0)[None, :] | (bound + extra >= cut)
        return np.where(out, np.inf, bound + extra)

    def _first_prices(self) -> Floats:
        """Start between the costs of the nearest site and the one after it that a typical open share leaves."""
        m = self.table.shape[1]
        rank = min(m - 1, max(1, round(1.5 * m / self.p)))
        ranked = np.partition(self.table, rank, axis=1)[:, rank]
        highest = float(self.table[np.isfinite(self.table)].max())
        return np.where(np.isfinite(ranked), ranked, highest)
