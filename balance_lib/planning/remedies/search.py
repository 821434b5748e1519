"""Search the cheapest plan: relaxed first, then in whole units next to it, then in all whole units."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from balance_lib.planning.remedies.affine import Floats
from balance_lib.planning.remedies.demands import Cone, Demands
from balance_lib.planning.remedies.model import STARTING_RATIOS, WAN, Key, RemedyModel, Tangents, _matrix_of

CUT_ROUNDS = 25
LOWER = 2e-4
AROUND = (-0.1, -0.03, 0.0, 0.03, 0.1)


@dataclass(frozen=True)
class RemedyProgress:
    """Tell how far a search is."""

    stage: str
    rounds: int
    cost_yuan: float
    bound_yuan: float


@dataclass
class RemedySolution:
    """Hold what a solve found: units of each lever, cost and bound in yuan, what stays short."""

    x: Floats | None
    cost_yuan: float = math.nan
    bound_yuan: float = math.nan
    short: dict[Key, float] = field(default_factory=dict)  # in the item's own unit
    lines: dict[Key, float] = field(default_factory=dict)  # the same in shares of the line
    status: str = ""


class RemedySearch:
    """Search the cheapest plan: relaxed first, then with whole units, drawing tangents until every cone holds."""

    def __init__(
        self, demands: Demands, *, seconds: float, gap: float, tell: Callable[[RemedyProgress], None] | None
    ) -> None:
        self.demands, self.gap, self.tell = demands, gap, tell
        self.started, self.until = time.monotonic(), time.monotonic() + seconds
        zero = np.zeros(len(demands.levers))
        self.tangents: list[Tangents | None] = [
            self._drawn(cone, cone.limit) if cone.coefficient(zero) > cone.limit else None for cone in demands.cones
        ]
        self.rounds = 0
        self.bound = 0.0
        self.loose: set[str] = set()  # items whose coefficient may stay above its limit

    def _drawn(self, cone: Cone, limit: float) -> Tangents:
        return Tangents(limit, [set(STARTING_RATIOS) for _ in cone.base])

    def relaxed(self, **options: Any) -> RemedySolution:
        """Solve without whole units until every cone holds within 1e-5; its cost is a lower bound."""
        model = RemedyModel(self.demands, self.tangents, **options)
        solver = model.highs(whole=False)
        found = RemedySolution(None)
        for _ in range(CUT_ROUNDS):
            found = self._solved(model, solver)
            if found.x is None:
                return found
            self.rounds += 1
            self._say("relaxed", math.nan)
            fresh = self._draw(found.x, 1e-5)
            if any(self.tangents[k] is not None and k not in model.cone_columns for k in range(len(self.tangents))):
                model = RemedyModel(self.demands, self.tangents, **options)
                solver = model.highs(whole=False)
                continue
            if not fresh or time.monotonic() > self.until:
                break
            _add_rows(solver, [model._tangent(k, i, r) for k, i, r in fresh])
        return found

    def thin(self, x: Floats, keep: int = 2) -> None:
        """Keep of each school's tangents those nearest to a plan: the others only slow the search.

        Parameters
        ----------
        x : array of float
            Values of the actions, in their order.
        keep : int
            How many stay.
        """
        for cone, found in zip(self.demands.cones, self.tangents, strict=True):
            if found is None:
                continue
            values = cone.base + cone.moves @ x
            mean = float(cone.weights @ values)
            for known, ratio in zip(found.ratios, (values - mean) / (found.limit * mean), strict=True):
                nearest = sorted(known, key=partial(_distance, float(ratio)))[:keep]
                known.intersection_update({*nearest, *STARTING_RATIOS})
                known.update(round(float(ratio) + step, 6) for step in AROUND)

    def whole(self, start: Floats | None, around: Floats | None = None, **options: Any) -> RemedySolution:
        """Solve with whole units; a point that breaks a cone gets new tangents and a slightly lower limit.

        First only whole numbers next to the relaxed plan are tried: where that comes within the gap of the bound, as
        it mostly does, the whole search is not needed.

        Parameters
        ----------
        start : array, optional
            A plan that meets every demand; the result never costs more.
        around : array, optional
            The relaxed plan.
        **options : object
        """
        exact = [None if found is None else found.limit for found in self.tangents]
        best = start
        if around is not None:
            self.lower()
            best = self._rounds(best, 6, around=around, **options)[0]
            if best is not None and self.cost(best) <= self.bound / (1 - self.gap):
                return RemedySolution(best, self.cost(best), min(self.bound, self.cost(best)), status="Optimal")
            for found, limit in zip(self.tangents, exact, strict=True):
                if found is not None and limit is not None:
                    found.limit = limit
        best, last = self._rounds(best, 8, **options)
        if best is None:
            return RemedySolution(None, bound_yuan=self.bound, status=last.status)
        return RemedySolution(
            best, self.cost(best), min(self.bound, self.cost(best)), last.short, last.lines, last.status
        )

    def lower(self) -> None:
        """Aim a little below every limit that is drawn."""
        for k, cone in enumerate(self.demands.cones):
            self._lower(k, cone)

    def _rounds(
        self, best: Floats | None, most: int, *, around: Floats | None = None, **options: Any
    ) -> tuple[Floats | None, RemedySolution]:
        found, cheapest = RemedySolution(None), math.inf if best is None else self.cost(best)
        until = self.until if around is None else time.monotonic() + 0.7 * (self.until - time.monotonic())
        for attempt in range(most):
            model = RemedyModel(self.demands, self.tangents, **options)
            if around is not None:
                model.near(around)
            solver = model.highs(whole=True)
            left = max(1.0, (until - time.monotonic()) * (0.6 if attempt == 0 else 0.8))
            solver.setOptionValue("time_limit", left)
            solver.setOptionValue("mip_rel_gap", self.gap / 2)
            if best is not None and around is None and options.get("budget_yuan") is None:
                _start(solver, model.columns(best))
            found = self._solved(model, solver)
            if found.x is None:
                break
            self.rounds += 1
            if attempt == 0 and around is None:
                self.bound = max(self.bound, found.bound_yuan)
            x = _rounded(self.demands, found.x)
            holds = self.holds(x, loose=options.get("budget_yuan") is not None)
            if holds and (self.cost(x) < cheapest or options.get("budget_yuan") is not None):
                best, cheapest = x, self.cost(x)
            self._say("whole", cheapest)
            if holds or time.monotonic() > until:
                break
            self._tighten(x)
        return best, found

    def cost(self, x: Floats) -> float:
        """Return the cost of a plan in yuan."""
        return float(sum(lever.cost_yuan * units for lever, units in zip(self.demands.levers, x, strict=True)))

    def holds(self, x: Floats, *, loose: bool = False) -> bool:
        """Tell whether every cone holds by its own definition.

        Parameters
        ----------
        x : array of float
            Values of the actions, in their order.
        loose : bool
            Whether small breaches count as kept.
        """
        held = [cone for cone in self.demands.cones if not self.loose & set(cone.codes)]
        return loose or all(cone.coefficient(x) <= cone.limit + 1e-10 for cone in held)

    def _solved(self, model: RemedyModel, solver: Any) -> RemedySolution:
        import highspy

        solver.run()
        status = solver.getModelStatus()
        info = solver.getInfo()
        name = str(status).rpartition(".k")[2]
        solved = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        if not solved or name in ("Infeasible", "UnboundedOrInfeasible"):
            return RemedySolution(None, status=name)
        columns = np.array(solver.getSolution().col_value)
        x = model.units(columns)
        short: dict[Key, float] = {}
        lines: dict[Key, float] = {}
        for column, (code, school, stage, indicator, size) in zip(model.slacks, model.slack_of, strict=True):
            if columns[column] > 1e-7:
                lines[code, school, stage, indicator] = float(columns[column])
                short[code, school, stage, indicator] = float(columns[column]) * size
        dual = float(getattr(info, "mip_dual_bound", math.nan)) if any(model.whole) else math.nan
        bound = dual if math.isfinite(dual) and dual > 0 else info.objective_function_value
        return RemedySolution(x, info.objective_function_value * WAN, bound * WAN, short, lines, name)

    def _draw(self, x: Floats, tolerance: float) -> list[tuple[int, int, float]]:
        """Note new tangents where a point breaks a cone; return those of cones that are drawn already."""
        fresh: list[tuple[int, int, float]] = []
        for k, cone in enumerate(self.demands.cones):
            limit = self.tangents[k].limit if self.tangents[k] is not None else cone.limit  # type: ignore[union-attr]
            if cone.coefficient(x) <= limit * (1 + tolerance):
                continue
            known = self.tangents[k]
            if known is None:
                known = self.tangents[k] = self._drawn(cone, cone.limit)
                continue
            values = cone.base + cone.moves @ x
            mean = float(cone.weights @ values)
            for i, ratio in enumerate((values - mean) / (limit * mean)):
                at = round(float(ratio), 6)
                if at not in known.ratios[i]:
                    known.ratios[i].add(at)
                    fresh.append((k, i, at))
        return fresh

    def _tighten(self, x: Floats) -> None:
        """Draw tangents at a whole plan that breaks a cone, and lower the limit they are drawn for a little."""
        for k, cone in enumerate(self.demands.cones):
            found = cone.coefficient(x)
            if found <= cone.limit + 1e-10:
                continue
            known = self.tangents[k] or self._drawn(cone, cone.limit)
            self.tangents[k] = known
            self._lower(k, cone)
            values = cone.base + cone.moves @ x
            mean = float(cone.weights @ values)
            for i, ratio in enumerate((values - mean) / (known.limit * mean)):
                known.ratios[i].add(round(float(ratio), 6))

    def _lower(self, k: int, cone: Cone) -> None:
        """Aim a little below a limit, so that what rounding to whole units adds does not break it."""
        found = self.tangents[k]
        if found is not None:
            found.limit = min(found.limit, cone.limit) * (1 - LOWER)

    def _say(self, stage: str, cost: float) -> None:
        if self.tell is not None:
            self.tell(RemedyProgress(stage, self.rounds, cost, self.bound))


def _rounded(demands: Demands, x: Floats) -> Floats:
    """Return a plan in units people order in: never less than the solver asks for, never more than there is."""
    steps = np.array([1.0 if lever.whole else lever.step for lever in demands.levers])
    highs = np.array([lever.high for lever in demands.levers])
    up = np.ceil(x / steps - 1e-9) * steps
    return np.minimum(np.where(x < 1e-7, 0.0, up), highs)


def _distance(at: float, ratio: float) -> float:
    return abs(ratio - at)


def _add_rows(solver: Any, rows: list[tuple[dict[int, float], float]]) -> None:
    matrix = _matrix_of([at for at, _ in rows], solver.getNumCol())
    low, high = np.array([bound for _, bound in rows]), np.full(len(rows), np.inf)
    solver.addRows(len(rows), low, high, matrix.nnz, matrix.indptr[:-1].astype(np.int32), matrix.indices, matrix.data)


def _start(solver: Any, columns: Floats) -> None:
    import highspy

    solution = highspy.HighsSolution()
    solution.col_value = columns.tolist()
    solver.setSolution(solution)
