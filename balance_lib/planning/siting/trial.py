"""Carry a choice of schools out as a scenario, and check the plan on what the scenario says: the independent check.

Nothing here is taken from the model: who goes where, how they get there, what it costs and what is left in each
school are read from the scenario's own moves (:mod:`balance_lib.scenarios.moves`, :mod:`.riding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.tables.kinds import CENTRAL, with_stage
from balance_lib.optimise.solution import Flags, Floats, Ints
from balance_lib.planning.goals import Goals
from balance_lib.planning.siting.layouts import CountyLayout, resized
from balance_lib.scenarios import Attach, Close, Keep, Scenario, accounts, changes, layout, moves, riding
from balance_lib.scenarios.arrays import LayoutArrays
from balance_lib.scenarios.base import Base
from balance_lib.scenarios.layout import Layout

PROOF_S = 10.0
ROUNDING = 1e-6


@dataclass(frozen=True)
class SiteChoice:
    """Hold what a plan decides: which sites are open, and which villages each new one is given."""

    open: tuple[bool, ...]
    zones: tuple[tuple[str, int], ...] = ()

    @property
    def flags(self) -> Flags:
        """Return the open sites, shape (sites,)."""
        return np.array(self.open, np.bool_)


@dataclass(frozen=True, eq=False)
class PlanCheck:
    """Hold what the scenario makes of a choice.

    Parameters
    ----------
    scenario : Scenario
    moves : DataFrame
        Who moves how; see :meth:`balance_lib.scenarios.riding.Journeys.table`.
    assignment : array of int, shape (points,)
        Site each demand point goes to; -1 nowhere.
    objective : float
        Extra pupil-metres.
    loads : array of float, shape (sites,)
        Pupils of the stage afterwards.
    """

    choice: SiteChoice
    scenario: Scenario
    layout: CountyLayout
    drawn: Layout
    brought: riding.Journeys
    moves: pd.DataFrame
    assignment: Ints
    objective: float
    loads: Floats

    @property
    def schools(self) -> int:
        """Return how many schools are open."""
        return sum(self.choice.open)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Return the scenario's account of costs, with what new sites are said to cost in place of the unit cost."""
        arrays, drawn = self.brought.flows.arrays, self.drawn
        changed = changes.write(self.brought, self.moves)
        after = Base(changed.county, drawn.base.year, drawn.base.basis, drawn.base.counted)
        ways = (
            riding.coverage(arrays, drawn.scenario.settings, arrays.radius, moved) for moved in (None, self.brought)
        )
        return accounts.costs(drawn, after, accounts.schools(drawn, after), riding.coverage_table(*ways))

    @property
    def running_yuan(self) -> float:
        """Return what the plan costs a year more than today."""
        rows = self.costs
        return float(rows.loc[rows["kind"] == "running", "change_yuan"].sum())

    @property
    def building_yuan(self) -> float:
        """Return what building costs, once."""
        rows, opened = self.costs, self.layout.new & self.choice.flags
        total = float(rows.loc[rows["kind"] == "investment", "change_yuan"].sum())
        price = self.scenario.settings.unit_cost("classroom")
        said = {s.site_id: s for s in self.layout.goals.new_sites if s.building_yuan is not None}
        for site in self.layout.school_ids[opened]:
            if site in said:
                total += float(said[site].building_yuan or 0.0) - price * said[site].classes
        return total

    @property
    def worst_m(self) -> float:
        """Return the longest way of those who change school."""
        return float(self.moves["metres_after"].max()) if len(self.moves) else 0.0


@dataclass(eq=False)
class Trials:
    """Carry out choices on one layout; the same choice once."""

    layout: CountyLayout
    _done: dict[SiteChoice, PlanCheck] = field(default_factory=dict)

    def of(self, choice: SiteChoice) -> PlanCheck:
        """Return what the scenario makes of a choice."""
        if choice not in self._done:
            self._done[choice] = self._carry_out(choice)
        return self._done[choice]

    @property
    def staying(self) -> PlanCheck:
        """Return the layout in which nobody changes school: what the plan's settings alone change."""
        return self.of(SiteChoice(tuple((~self.layout.new).tolist())))

    def _carry_out(self, choice: SiteChoice) -> PlanCheck:
        drawn_of = self.layout
        scenario = _scenario_of(drawn_of, choice)
        if not drawn_of.goals.capacity:
            scenario = self._with_classes(scenario)
        drawn = layout.of(drawn_of.drawn.base, scenario)
        arrays = LayoutArrays(drawn, drawn_of.ways)
        placed = moves.moves(arrays, time_limit_s=PROOF_S)
        brought = riding.Journeys.of(placed.flows, scenario.settings, arrays.radius)
        table = brought.table(arrays.radius)
        to, objective = _where(drawn_of, table)
        there = np.where(to >= 0, drawn_of.pupils, 0.0)
        loads = np.bincount(to.clip(0), weights=there, minlength=drawn_of.new.size).astype(float)
        return PlanCheck(choice, scenario, drawn_of, drawn, brought, table, to, objective, loads)

    def _with_classes(self, plan: Scenario) -> Scenario:
        """Give every receiver the classes it lacks when pupils go where it is nearest: the plan says what is built."""
        drawn, stage = self.layout.roomy(plan), self.layout.stage
        sent = moves.moves(LayoutArrays(drawn, self.layout.ways), time_limit_s=PROOF_S).flows.table()
        sent = sent[sent["to_id"] != ""]
        came = sent.groupby(["to_id", "band"])["pupils"].sum().unstack(fill_value=0.0)
        left = sent.groupby(["from_id", "band"])["pupils"].sum().unstack(fill_value=0.0)
        sums = drawn.base.sums.reindex(came.index).fillna(0.0).add(came, fill_value=0.0)
        sums = sums.sub(left.reindex(came.index), fill_value=0.0)[self.layout.points.attrs["bands"]]
        now = layout.of(drawn.base, plan)
        short = (sums > now.places.reindex(sums.index)[sums.columns]).any(axis=1)
        needed = {str(s): now.classes_for(str(s), stage, of) for s, of in sums[short].to_dict("index").items()}
        return resized(plan, stage, needed)


def _scenario_of(drawn: CountyLayout, choice: SiteChoice) -> Scenario:
    """Return a choice as a scenario on the layout's baseline; teaching points of a closed school get another host."""
    kept = {o.school_id for o in drawn.baseline.operations if isinstance(o, Keep)}
    keeps = [Keep(school_id=str(s)) for s in sorted(set(drawn.goals.protected) - kept)]
    closed = drawn.changes(choice.flags)
    closes = [Close(school_id=s) for s in closed]
    sites = {site.site_id: site for site in drawn.goals.new_sites}
    opens = []
    for at in np.flatnonzero(drawn.new & choice.flags):
        villages = [village for village, site in choice.zones if site == at]
        opens.append(sites[str(drawn.school_ids[at])].opening(drawn.stage, villages))
    hosts = layout.new_hosts(drawn.drawn.frame, closed)
    attaches = [Attach(school_id=point, host_id=host) for point, host in hosts.items() if host]
    return drawn.baseline.with_operations(*keeps, *closes, *opens, *attaches)


def _where(drawn: CountyLayout, brought: pd.DataFrame) -> tuple[Ints, float]:
    """Return the site of every demand point (of a split one the larger part), and the extra pupil-metres of all."""
    site = {str(s): j for j, s in enumerate(drawn.school_ids)}
    point = {key: i for i, key in enumerate(zip(drawn.points["village_id"], drawn.points["school_id"], strict=True))}
    to, total = drawn.home.copy(), 0.0
    sums = brought.groupby(["village_id", "from_id", "to_id"], sort=False)["pupils"].sum()
    most: dict[int, float] = {}
    for (village, start, end), pupils in sums.items():
        i, j = point.get((village, start), -1), site.get(str(end), -1)
        if i < 0:
            continue
        total += pupils * drawn.extra_m[i, j] if j >= 0 else np.inf
        if pupils > most.get(i, 0.0):
            most[i], to[i] = pupils, j
    return to, float(total)


def broken(trial: PlanCheck, schools: int | None) -> list[str]:
    """Return the rules a plan breaks, read off the scenario; empty when it keeps all that is asked of it.

    Parameters
    ----------
    trial : PlanCheck
    schools : int, optional
        Schools that must be open; not looked at without it.

    Returns
    -------
    list of str
        Among schools, closable, unserved, places, host, max_distance, radius, young, min_size, township, empty,
        building_budget, running_budget.
    """
    drawn, goals = trial.layout, trial.layout.goals
    checks: Sequence[tuple[str, Any]] = (
        ("schools", schools is not None and trial.schools != schools),
        ("closable", bool((drawn.must & ~trial.choice.flags).any())),
        ("unserved", not np.isfinite(trial.objective) or bool((trial.moves["to_id"] == "").any())),
        ("places", bool((trial.moves["overflow"] > 0).any())),
        ("host", _hostless(trial)),
        *_travel(trial, goals),
        ("min_size", _too_small(trial, goals)),
        ("township", goals.township_minimum and bool(_townless(trial))),
        ("empty", bool((trial.loads[(drawn.new | (drawn.rolls > 0)) & trial.choice.flags] <= 0).any())),
        *_budgets(trial, goals),
    )
    return [rule for rule, wrong in checks if wrong]


def _travel(trial: PlanCheck, goals: Goals) -> list[tuple[str, bool]]:
    moved, limit = trial.moves, trial.scenario.settings.number("young_minutes")
    farthest = trial.layout.metres[np.arange(trial.assignment.size), trial.assignment]
    goes = trial.assignment != trial.layout.home
    too_far = goals.max_distance_m is not None and (
        (moved["metres_after"] > goals.max_distance_m).any() or bool((farthest[goes] > goals.max_distance_m).any())
    )
    young = (moved["band"] == "g1_3") & (moved["minutes_after"] > limit)
    boards = (moved["band"] == "g1_3") & (moved["boarders_after"] > 0)
    return [
        ("max_distance", bool(too_far)),
        ("radius", goals.radius and bool((moved["far"] > 0).any())),
        ("young", goals.young and bool((young | boards).any())),
    ]


def _too_small(trial: PlanCheck, goals: Goals) -> bool:
    drawn = trial.layout
    looked = trial.choice.flags & (drawn.closable | drawn.new)
    return goals.min_size is not None and bool((trial.loads[looked] < goals.min_size - ROUNDING).any())


def _townless(trial: PlanCheck) -> set[str]:
    """Return the townships that lose their last central primary school, or their last school of the stage."""
    frame, stage = trial.drawn.frame, trial.layout.stage
    teaches = frame["kind"].isin(with_stage(stage))
    public = teaches & (frame["founder"] != "private")
    mine = frame[public & frame.index.isin(trial.layout.school_ids)]
    central = (mine["rank"] != "village") & mine["kind"].isin(CENTRAL)
    lost: set[str] = set()
    for at in [mine.index[central], mine.index] if stage == "primary" else [mine.index]:
        here = mine.loc[at]
        before, after = set(here.loc[here["there_before"], "township"]), set(here.loc[here["there"], "township"])
        lost |= {town for town in before - after if isinstance(town, str) and town}
    return lost


def _hostless(trial: PlanCheck) -> bool:
    """Tell whether a teaching point is left whose host the plan closes."""
    frame = trial.drawn.frame
    points = frame[frame["there"] & (frame["kind"] == "teaching_point")]
    return bool(points["host_school_id"].isin(frame.index[frame["there_before"] & ~frame["there"]]).any())


def _budgets(trial: PlanCheck, goals: Goals) -> list[tuple[str, bool]]:
    out = []
    for name in ("building", "running"):
        most = getattr(goals, f"{name}_budget_yuan")
        spent = 0.0 if most is None else getattr(trial, f"{name}_yuan")
        out.append((f"{name}_budget", most is not None and spent > most + 1.0))
    return out
