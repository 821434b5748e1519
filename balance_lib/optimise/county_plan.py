"""Propose a layout of schools for a county: optimise on its own distances, then have the scenario judge it again.

The model is the p-median of :mod:`balance_lib.optimise.median` (or, with places or a least size, of
:mod:`balance_lib.optimise.capacitated`) on extra pupil-metres, see :mod:`balance_lib.optimise.layouts`. With
``township_minimum`` one more set of constraints holds: every township that has schools of the stage keeps one; it is
kept by
fixing, township by township, the school whose opening costs least, which is a heuristic: the bound then stands
without it.

What is shown is never the model's figure but the outcome of the scenario (:func:`balance_lib.scenarios.evaluate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.county import County
from balance_lib.locale import text
from balance_lib.optimise import capacitated, cover, median
from balance_lib.optimise.control import Control
from balance_lib.optimise.curve import Frontier, frontier
from balance_lib.optimise.goals import Goals
from balance_lib.optimise.layouts import CountyLayout
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import Flags, Reason, Solution, nothing
from balance_lib.plain import plain
from balance_lib.scenarios import Close, Keep, Outcome, Scenario, evaluate


@dataclass(frozen=True, eq=False)
class Proposal:
    """Hold a proposed layout.

    Parameters
    ----------
    scenario : Scenario
        Closes what the plan closes; empty where there is no plan.
    outcome : Outcome or None
        The scenario's own judgement; None where there is no plan.
    solution : Solution
        Of the model: extra pupil-metres, bound, gap; its sites are ``layout.school_ids``.
    layout : CountyLayout
    """

    scenario: Scenario
    outcome: Outcome | None
    solution: Solution
    layout: CountyLayout

    @property
    def closed(self) -> tuple[str, ...]:
        """Return the schools the plan closes."""
        return self.layout.changes(self.solution.open) if self.solution.found else ()

    @property
    def kept(self) -> tuple[str, ...]:
        """Return the schools the plan keeps."""
        return tuple(str(s) for s in self.layout.school_ids[self.solution.open])

    @property
    def villages(self) -> tuple[str, ...]:
        """Return the villages the reasons speak of."""
        at = sorted({i for reason in self.solution.reasons for i in reason.points})
        return tuple(dict.fromkeys(str(v) for v in self.layout.points["village_id"].iloc[at]))

    def sentence(self, lang: str = "zh") -> str:
        """Tell the proposal for people who decide: what closes, how proven, or why there is none."""
        if not self.solution.found:
            return self.solution.sentence(lang)
        moved = self.layout.pupils[~self.solution.open[self.layout.home]].sum()
        facts = {
            "kept": len(self.kept),
            "closed": len(self.closed),
            "moved": f"{moved:,.0f}",
            "km": f"{self.solution.objective / 1000:,.1f}",
        }
        return text("optimise.proposal", lang, **facts) + self.solution.sentence(lang)

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return the proposal as plain values."""
        found = self.solution
        return {
            "status": found.status,
            "sentence": self.sentence(lang),
            "kept": list(self.kept),
            "closed": list(self.closed),
            "extra_pupil_km": plain(found.objective / 1000),
            "bound_pupil_km": plain(found.bound / 1000),
            "gap": plain(found.gap),
            "seconds": round(found.seconds, 2),
            "method": found.method,
            "reasons": [
                {"rule": r.rule, "given": plain(r.given), "needed": plain(r.needed), "text": r.sentence(lang)}
                for r in found.reasons
            ],
            "villages": list(self.villages),
            "scenario": self.scenario.as_dict(),
            "outcome": None if self.outcome is None else self.outcome.as_dict(lang),
        }


def propose(
    county: County,
    stage: str,
    goals: Goals,
    *,
    year: int | None = None,
    name: str | None = None,
    judge: bool = True,
    time_limit_s: float = 60.0,
    progress: Any = None,
    cancel: Any = None,
) -> Proposal:
    """Propose which schools of a stage to keep.

    Parameters
    ----------
    county : County
    stage : {"primary", "junior"}
    goals : Goals
        Nothing closes that they do not name as closable.
    year : int, optional
        School year; the last one by default.
    name : str, optional
        Of the scenario.
    judge : bool
        Whether to evaluate the scenario at once; without it ``outcome`` is None.
    time_limit_s, progress, cancel
        As in :func:`balance_lib.optimise.p_median`.

    Returns
    -------
    Proposal

    Raises
    ------
    NotFoundError, DataError
        If the county has no such stage, year or school.
    """
    control = Control(time_limit_s, progress, cancel)
    drawn = CountyLayout.of(county, stage, goals, year=year)
    solution = _fewest(drawn, goals, control) if goals.aim == "fewest" else _solve(drawn, goals, goals.schools, control)
    scenario = scenario_of(drawn, solution, goals, stage, name)
    outcome = evaluate(county, scenario) if judge and solution.found else None
    return Proposal(scenario, outcome, solution, drawn)


def scenario_of(drawn: CountyLayout, solution: Solution, goals: Goals, stage: str, name: str | None) -> Scenario:
    """Return a plan as a scenario."""
    closed = drawn.changes(solution.open) if solution.found else ()
    protected = tuple(Keep(school_id=str(s)) for s in sorted(set(goals.protected)))
    told = name or text("optimise.scenario_name", "zh", stage=text(f"stage.{stage}", "zh"), n=len(closed))
    plan = drawn.baseline.with_operations(*protected, *(Close(school_id=s) for s in closed))
    return replace(plan, name=told)


def _problem(drawn: CountyLayout, goals: Goals, must: Flags) -> Problem:
    """Put the goals as constraints; a school nobody may close has no least size."""
    loads = goals.capacity or goals.min_size is not None
    free = np.full(drawn.places.size, np.inf)
    return Problem.of(
        drawn.extra_m,
        weights=drawn.pupils,
        demand=drawn.pupils if loads else None,
        capacity=None
        if not loads
        else (_integral(drawn.places) if goals.capacity else free.clip(max=drawn.pupils.sum())),
        min_load=None if goals.min_size is None else np.where(drawn.closable, goals.min_size, 0.0),
        fixed_open=must,
    )


def _integral(places: Any) -> Any:
    return np.floor(np.nan_to_num(places, nan=0.0))


def _must(drawn: CountyLayout, goals: Goals) -> Flags:
    """Return schools that stay open in any plan: those nobody may close and, if asked, one in every township."""
    must = ~drawn.closable
    if goals.township_minimum:
        rolls = np.bincount(drawn.home, weights=drawn.pupils, minlength=drawn.places.size)
        frame = pd.DataFrame({"town": drawn.townships, "must": must, "roll": rolls})
        for _, here in frame[frame["town"] != ""].groupby("town"):
            if not here["must"].any():
                must[int(here["roll"].idxmax())] = True
    return must


def _solve(drawn: CountyLayout, goals: Goals, schools: int | None, control: Control) -> Solution:
    problem = _problem(drawn, goals, _must(drawn, goals))
    room = median if problem.demand is None else capacitated
    solution = room.solve(problem, int(schools or 0), control, gap=goals.gap)
    if not goals.township_minimum:
        return solution
    if not solution.found:
        # Another choice of the townships' schools might do: nothing is proven by this one.
        chosen = (_must(drawn, goals) & drawn.closable).any()
        return replace(solution, status="stopped", reasons=()) if chosen else solution
    free = replace(problem, must_open=~drawn.closable, demand=None, capacity=None, min_load=None)
    loose = median.solve(free, int(schools or 0), control.part(5.0))
    bound = min(solution.objective, loose.bound) if loose.found else -np.inf
    status = "optimal" if bound >= solution.objective * (1 - 1e-9) else "feasible"
    return replace(solution, bound=bound, status=status if solution.status == "optimal" else solution.status)


def _fewest(drawn: CountyLayout, goals: Goals, control: Control) -> Solution:
    """Return the plan with the fewest schools: from the least number that reaches everybody upward."""
    problem = _problem(drawn, goals, _must(drawn, goals))
    n, m = problem.shape
    least = cover.fewest(problem, control.part(control.left_s / 4))
    if not least.found:
        return least
    reasons: tuple[Reason, ...] = ()
    proven = True  # that fewer schools cannot do
    for schools in range(max(int(least.bound), int(problem.must_open.sum()), 1), m + 1):
        found = _solve(drawn, goals, schools, control.part(max(1.0, control.left_s / 3)))
        if found.found:
            return found if proven else replace(found, bound=-np.inf, status="stopped")
        proven &= found.status == "infeasible"
        reasons = reasons or found.reasons
        if control.stopped:
            break
    if control.stopped or not proven:
        return nothing(n, m, "stopped", bound=-np.inf, seconds=control.seconds)
    return nothing(n, m, "infeasible", reasons, seconds=control.seconds)


@dataclass(frozen=True, eq=False)
class CountyFrontier:
    """Hold what every number of schools would cost a county's pupils.

    Parameters
    ----------
    table : DataFrame
        schools, extra_pupil_km, mean_m, worst_m (longest way of those who move), moved (pupils), gap, proven; one row a
        number of schools.
    layout : CountyLayout
    curve : Frontier
        On extra pupil-metres.
    """

    table: pd.DataFrame
    layout: CountyLayout
    curve: Frontier
    goals: Goals
    stage: str

    def scenario(self, schools: int) -> Scenario:
        """Return the plan with so many schools as a scenario, to be evaluated or loaded on a page."""
        return scenario_of(self.layout, self.curve.at(schools), self.goals, self.stage, None)


def county_frontier(
    county: County,
    stage: str,
    goals: Goals,
    *,
    year: int | None = None,
    prove: bool = False,
    time_limit_s: float = 60.0,
    progress: Any = None,
    cancel: Any = None,
) -> CountyFrontier:
    """Return the frontier of a county: schools kept against pupil-kilometres and the longest way, without capacities.

    Parameters are those of :func:`propose`; ``prove`` proves the points one after another.
    """
    drawn = CountyLayout.of(county, stage, goals, year=year)
    curve = frontier(
        drawn.extra_m,
        weights=drawn.pupils,
        fixed_open=_must(drawn, goals),
        prove=prove,
        time_limit_s=time_limit_s,
        progress=progress,
        cancel=cancel,
    )
    rows = [_row(drawn, curve, k) for k in range(curve.p.size)]
    return CountyFrontier(pd.DataFrame(rows), drawn, curve, goals, stage)


def _row(drawn: CountyLayout, curve: Frontier, k: int) -> dict[str, Any]:
    is_open = curve.open[k]
    site = curve.problem.nearest(is_open)
    metres = drawn.metres[np.arange(site.size), site]
    moves = site != drawn.home
    known = np.isfinite(metres)
    mean = np.average(metres[known], weights=drawn.pupils[known]) if known.any() else np.nan
    return {
        "schools": int(curve.p[k]),
        "extra_pupil_km": float(curve.objective[k]) / 1000,
        "mean_m": float(mean),
        "worst_m": float(metres[moves & known].max()) if (moves & known).any() else 0.0,
        "moved": float(drawn.pupils[moves].sum()),
        "gap": float(curve.gap[k]),
        "proven": bool(curve.proven[k]),
    }


def survives(
    county: County,
    proposal: Proposal,
    stage: str,
    goals: Goals,
    *,
    percents: tuple[float, ...] = (-20.0, 20.0),
    time_limit_s: float = 20.0,
) -> pd.DataFrame:
    """Tell whether a plan still keeps its limits, and is still near the best, with fewer or more pupils.

    Pupils of every village are multiplied alike; places stay as they are.

    Returns
    -------
    DataFrame
        percent, extra_pupil_km (of this plan; NaN where it cannot be kept), best_pupil_km (of a new plan), kept (bool).
    """
    rows = []
    for percent in percents:
        factor = 1 + percent / 100
        drawn = replace(proposal.layout, pupils=proposal.layout.pupils * factor)
        shut = Control(time_limit_s)
        fixed = _problem(drawn, goals, proposal.solution.open)
        fixed = replace(fixed, may_open=proposal.solution.open)
        room = median if fixed.demand is None else capacitated
        same = room.solve(fixed, int(proposal.solution.open.sum()), shut, gap=0.01)
        best = _solve(drawn, goals, int(proposal.solution.open.sum()), Control(time_limit_s))
        rows.append(
            {
                "percent": percent,
                "extra_pupil_km": same.objective / 1000,
                "best_pupil_km": best.objective / 1000,
                "kept": same.found,
            }
        )
    return pd.DataFrame(rows)
