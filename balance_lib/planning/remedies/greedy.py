"""Plan as a careful office would by hand: school by school the cheapest thing first, then raise the lowest.

It is what the optimal plan is compared with, and the plan the solver starts from.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from balance_lib.planning.remedies.affine import Floats
from balance_lib.planning.remedies.demands import Cone, Demands, LinearCondition, StageDemand

PASSES = 12
EPSILON = 1e-9


class Greedy:
    """Hold a plan in the making: units of each lever, and what is still possible."""

    def __init__(self, demands: Demands, prices: Floats) -> None:
        self.demands, self.prices = demands, prices
        self.levers = demands.levers
        self.x: Floats = np.zeros(len(self.levers))
        self.limits: dict[int, list[LinearCondition]] = {}
        for row in (r for r in demands.rows if not r.code and not r.equal):
            for j, amount in row.at.items():
                if amount < 0:
                    self.limits.setdefault(j, []).append(row)
        self.usable = np.array([not (lever.lends or lever.takes) for lever in self.levers], dtype=bool)

    def run(self) -> Floats | None:
        """Return units of each lever that meet every demand, or None where this way of planning finds none."""
        for _ in range(PASSES):
            for choice in self.demands.choices:
                self._choose(choice)
            for row in self.demands.rows:
                if row.code:
                    self._close(_flipped(row) if row.equal and _value(row, self.x) > 0 else row, 0.0)
            for cone in self.demands.cones:
                self._raise(cone, cone.limit)
            for composite in self.demands.composites:
                now = composite.coefficient(self.x)
                for cone in composite.cones if now > composite.limit else ():
                    self._raise(cone, cone.coefficient(self.x) * composite.limit / now)
            if self.met():
                return self.x
        return None

    def met(self) -> bool:
        """Tell whether every demand is met."""
        rows = all(_held(row, self.x) for row in self.demands.rows)
        choices = all(_passes(choice, self.x) for choice in self.demands.choices)
        cones = all(cone.coefficient(self.x) <= cone.limit + EPSILON for cone in self.demands.cones)
        both = all(c.coefficient(self.x) <= c.limit + EPSILON for c in self.demands.composites)
        return rows and choices and cones and both

    def _choose(self, choice: StageDemand) -> None:
        """Leave at the floor what saves most there; bring the rest to their lines."""
        saved = []
        for at, (_, row, share) in enumerate(choice.rows):
            saved.append((self._cost(row, 0.0) - self._cost(row, -share), at))
        spared = {at for gain, at in sorted(saved, reverse=True)[: choice.spare] if gain > 0}
        for at, (_, row, share) in enumerate(choice.rows):
            self._close(row, -share if at in spared else 0.0)

    def _cost(self, row: LinearCondition, target: float) -> float:
        need, total = target - _value(row, self.x), 0.0
        for j, amount in self._cheapest(row):
            if need <= EPSILON:
                break
            units = self._units(j, need / amount)
            total += units * self.prices[j]
            need -= units * amount
        return total if need <= EPSILON else math.inf

    def _close(self, row: LinearCondition, target: float) -> None:
        for j, amount in self._cheapest(row):
            need = target - _value(row, self.x)
            if need <= EPSILON:
                return
            self.x[j] += self._units(j, need / amount)

    def _cheapest(self, row: LinearCondition) -> list[tuple[int, float]]:
        good = [(j, a) for j, a in row.at.items() if a > EPSILON and self.usable[j]]
        return sorted(good, key=lambda pair: self.prices[pair[0]] / pair[1])

    def _units(self, j: int, wanted: float) -> float:
        """Return how many units can be had: whole ones where they are whole, no more than there are."""
        wanted = math.ceil(wanted - 1e-7) if self.levers[j].whole else wanted
        most = self.levers[j].high - self.x[j]
        for row in self.limits.get(j, ()):
            most = min(most, _value(row, self.x) / -row.at[j])
        most = max(0.0, most)
        return min(wanted, math.floor(most + 1e-9) if self.levers[j].whole else most)

    def _raise(self, cone: Cone, limit: float) -> None:
        """Raise the lowest schools to a common level, the lowest level at which the coefficient holds."""
        if cone.coefficient(self.x) <= limit + EPSILON:
            return
        best = self._levers_of(cone)
        values = cone.base + cone.moves @ self.x
        low, high = float(values.min()), float(values.max())
        if self._at(cone, best, high) > limit:
            self.x = self._lifted(cone, best, high)
            return
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if self._at(cone, best, middle) <= limit else (middle, high)
        self.x = self._lifted(cone, best, high)

    def _levers_of(self, cone: Cone) -> list[list[tuple[int, float]]]:
        out = []
        for i in range(cone.moves.shape[0]):
            lo, hi = cone.moves.indptr[i], cone.moves.indptr[i + 1]
            pairs = zip(cone.moves.indices[lo:hi].tolist(), cone.moves.data[lo:hi].tolist(), strict=True)
            good = [(j, a) for j, a in pairs if a > EPSILON and self.usable[j]]
            out.append(sorted(good, key=lambda pair: self.prices[pair[0]] / pair[1]))
        return out

    def _lifted(self, cone: Cone, best: list[list[tuple[int, float]]], level: float) -> Floats:
        before, values = self.x, cone.base + cone.moves @ self.x
        self.x = before.copy()
        for i in np.flatnonzero(values < level - EPSILON):
            need = level - float(values[i])
            for j, amount in best[i]:
                units = self._units(j, need / amount)
                self.x[j] += units
                need -= units * amount
                if need <= EPSILON:
                    break
        after, self.x = self.x, before
        return after

    def _at(self, cone: Cone, best: list[list[tuple[int, float]]], level: float) -> float:
        return cone.coefficient(self._lifted(cone, best, level))


def _value(row: LinearCondition, x: Floats) -> float:
    """Return a row's value after what ``x`` does."""
    return row.base + sum(amount * x[j] for j, amount in row.at.items())


def _flipped(row: LinearCondition) -> LinearCondition:
    """Return a row the other way round: what stands above the one value asked for has to come down."""
    return replace(row, base=-row.base, at={j: -amount for j, amount in row.at.items()})


def _held(row: LinearCondition, x: Floats) -> bool:
    found = _value(row, x)
    return abs(found) <= 1e-8 if row.equal else found >= -1e-8


def _passes(choice: StageDemand, x: Floats) -> bool:
    below = [(_value(row, x), share) for _, row, share in choice.rows if _value(row, x) < -1e-8]
    return len(below) <= choice.spare and all(found >= -share - 1e-8 for found, share in below)
