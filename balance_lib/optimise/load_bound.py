"""Bound plans of p sites with places and least loads, and tell what a better plan cannot use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from balance_lib.optimise.control import Control
from balance_lib.optimise.problem import Problem, loads_of
from balance_lib.optimise.solution import Floats, Ints

# Turns between looks at the clock.
TURNS = 50


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
    _state: Any = None

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

    def forget(self) -> None:
        """Begin anew the next time the bound is raised."""
        self._state = None

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
        from balance_lib.optimise.lagrangian import again, volume

        problem = self.problem
        status = np.where(problem.may_open, problem.must_open.astype(np.int8), np.int8(-1))
        # Knapsacks in parts of points bring the multipliers near; in whole points they give the better bound.
        phases: tuple[bool, ...] = (True,)
        if self._state is None:
            self._state, phases = volume(self._first_prices(), status.size), (False, True)
        for in_whole in phases:
            self._ascend(again(self._state), status, cut, control.part(seconds), in_whole)
            self.value = max(self.value, min(float(self._state.figures[0]), cut))
        return self.floor(self._state.u, status, cut), status

    def raised(self, u: Floats, status: Ints, cut: float, control: Control) -> tuple[float, Floats]:
        """Raise the bound where some sites are decided; return it, and how often each site is open on average.

        ``u`` and ``status`` are changed in place.
        """
        from balance_lib.optimise.lagrangian import again, volume

        state = again(volume(u, status.size))
        self._ascend(state, status, cut, control, True)
        return float(state.figures[0]), state.opened

    def _ascend(self, state: Any, status: Ints, cut: float, control: Control, whole: bool) -> None:
        from balance_lib.optimise import load_dual

        fee = np.zeros(status.size)
        while load_dual.ascend_loads(self.dual, state, status, self.p, fee, cut, TURNS, whole):
            if control.stopped:
                break

    @property
    def multipliers(self) -> Floats:
        """Return the multipliers of the bound."""
        return self._state.u

    @property
    def opened(self) -> Floats:
        """Return how often the relaxed answers open each site, on average."""
        return self._state.opened

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
