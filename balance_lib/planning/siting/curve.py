"""Show what every number of schools would mean for a county: walks, the longest way, cost, standards met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.optimise.control import Control
from balance_lib.optimise.curve import Frontier, frontier
from balance_lib.optimise.solution import PROVEN_GAP, Solution, optimality_gap
from balance_lib.planning.goals import Goals
from balance_lib.planning.siting.layouts import CountyLayout
from balance_lib.planning.siting.plan import name_of
from balance_lib.planning.siting.search import LayoutSearch
from balance_lib.planning.siting.trial import PlanCheck, broken
from balance_lib.scenarios import Scenario, default, evaluate
from balance_lib.shown import ShownFrontier
from balance_lib.standards import Standard

# Shares of the time for the first curve with its proofs, and for plans that all rules ask for.
CURVE_SHARE, PLAN_SHARE = 0.3, 0.7


@dataclass(frozen=True, eq=False, repr=False)
class CountyFrontier(ShownFrontier):
    """Hold what every number of schools would mean for a county's pupils.

    Parameters
    ----------
    table : DataFrame
        schools, extra_pupil_km, mean_m, worst_m (longest way of those who move), moved (pupils), gap, proven,
        running_yuan (a year more than today), building_yuan, cost_yuan (a year: running, and building spread over its
        years of service), met and not_met (items of the standard that are judged;
        NaN where not looked at); one row a number of schools with which the rules can be kept.
    layout : CountyLayout
    trials : mapping of schools to PlanCheck
        Every plan as the scenario carries it out.
    """

    table: pd.DataFrame
    layout: CountyLayout
    trials: dict[int, PlanCheck]
    goals: Goals
    stage: str

    def scenario(self, schools: int) -> Scenario:
        """Return the plan with so many schools as a scenario, to be evaluated or loaded on a page.

        Raises
        ------
        KeyError
            When there is no plan with so many schools.
        """
        trial = self.trials[schools]
        held = Solution(trial.choice.flags, trial.assignment, trial.objective, -np.inf, "feasible")
        return replace(trial.scenario, name=name_of(self.layout, held))


def county_frontier(  # noqa: PLR0913 (what people type)
    county: County,
    stage: str,
    goals: Goals,
    *,
    year: int | None = None,
    scenario: Scenario | None = None,
    standard: Standard | str | None = None,
    judge: bool = False,
    prove: bool = False,
    time_limit_s: float = 60.0,
    progress: Any = None,
    cancel: Any = None,
) -> CountyFrontier:
    """Return the frontier of a county: what every number of schools would mean.

    First the p-median for all numbers at once; every plan is then carried out as a scenario. Numbers at which that
    plan breaks a rule of the goals, or is not proven, are searched one by one with all rules while time lasts.

    Parameters
    ----------
    county : County
    stage : str
    goals : Goals
    year : int, optional
    scenario : Scenario, optional
    judge : bool
        Whether to evaluate plans against the standard too, from few closures on, while time lasts.
    standard : Standard or str, optional
        As in :func:`balance_lib.scenarios.evaluate`.
    prove : bool
        Whether to prove the points one after another.
    time_limit_s : float
    progress : object
    cancel : object

    Other parameters are those of :func:`balance_lib.siting.propose`.
    """
    control = Control(time_limit_s, progress, cancel)
    drawn = CountyLayout.of(county, stage, goals, year=year, scenario=scenario)
    search = LayoutSearch(drawn, control)
    points = _points(search, _curve(drawn, prove, control), prove)
    rows = [_row(trial, bound) for trial, bound in points.values()]
    table = pd.DataFrame(rows)
    trials = {schools: trial for schools, (trial, _) in points.items()}
    if judge:
        table = table.join(_judged(county, trials, standard, control), on="schools")
    return CountyFrontier(table, drawn, trials, goals, stage)


def _curve(drawn: CountyLayout, prove: bool, control: Control) -> Frontier:
    shift = np.fmin(np.nanmin(drawn.allowed_m, axis=1), 0.0)
    part = control.part(CURVE_SHARE * control.left_s)
    found = frontier(
        drawn.allowed_m - shift[:, None], weights=drawn.pupils, fixed_open=drawn.must, prove=prove,
        time_limit_s=part.time_limit_s, progress=control.progress, cancel=control.cancel,
    )  # fmt: skip
    constant = float(drawn.pupils @ shift)
    return replace(found, objective=found.objective + constant, bound=found.bound + constant)


def _points(search: LayoutSearch, curve: Frontier, prove: bool) -> dict[int, tuple[PlanCheck, float]]:
    """Carry every plan of the curve out; search those anew that break a rule or are not proven."""
    drawn, control = search.layout, search.control
    out: dict[int, tuple[PlanCheck, float]] = {}
    open_: list[int] = []
    for k in reversed(range(curve.p.size)):
        schools = int(curve.p[k])
        choice = search.zoned(curve.open[k])
        trial = None if choice is None else search.trials.of(choice)
        if trial is not None and not broken(trial, schools):
            out[schools] = trial, min(float(curve.bound[k]), trial.objective)
        if schools not in out or (prove and optimality_gap(*_value(out[schools])) > PROVEN_GAP):
            open_.append(schools)
        if control.stopped:
            break
    if drawn.new.any() or prove or len(out) < curve.p.size:
        _search(search, open_, out)
    return dict(sorted(out.items()))


def _value(point: tuple[PlanCheck, float]) -> tuple[float, float]:
    return point[0].objective, point[1]


def _search(search: LayoutSearch, numbers: list[int], out: dict[int, tuple[PlanCheck, float]]) -> None:
    """Search the plans of these numbers of schools with all rules, from many schools to few."""
    control = search.control
    until = control.seconds + PLAN_SHARE * control.left_s
    for at, schools in enumerate(numbers):
        left = until - control.seconds
        if control.stopped or left <= 0:
            return
        solution, trial = search.plan(schools, control.part(max(1.0, 2 * left / (len(numbers) - at))), explain=False)
        if trial is None:
            continue
        before = out.get(schools)
        if before is None or trial.objective <= before[0].objective:
            out[schools] = trial, max(solution.bound, -np.inf if before is None else before[1])
        control.tell(trial.objective, solution.bound, trial.choice.flags)


def _row(trial: PlanCheck, bound: float) -> dict[str, Any]:
    drawn, to = trial.layout, trial.assignment
    metres = drawn.metres[np.arange(to.size), to]
    known = np.isfinite(metres)
    gap = optimality_gap(trial.objective, min(bound, trial.objective))
    return {
        "schools": trial.schools,
        "extra_pupil_km": trial.objective / 1000,
        "mean_m": float(np.average(metres[known], weights=drawn.pupils[known])) if known.any() else np.nan,
        "worst_m": trial.worst_m,
        "moved": float(trial.moves["pupils"].sum()),
        "gap": gap,
        "proven": gap <= PROVEN_GAP,
        "running_yuan": trial.running_yuan,
        "building_yuan": trial.building_yuan,
        "cost_yuan": trial.running_yuan + trial.building_yuan / default("service_years"),
    }


def _judged(
    county: County, trials: dict[int, PlanCheck], standard: Standard | str | None, control: Control
) -> pd.DataFrame:
    """Count the items of the standard that are met, and not met, after each plan; from few closures on."""
    rows = {}
    for schools in sorted(trials, reverse=True):
        if control.stopped:
            break
        after = evaluate(county, trials[schools].scenario, standard=standard, time_limit_s=0.25).after
        status = [result.status for result in after.items if result.counts]
        rows[schools] = (status.count("met"), status.count("not_met"))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["met", "not_met"])
