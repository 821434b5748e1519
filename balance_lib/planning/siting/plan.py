"""Propose a layout of schools for a county: optimise on its own distances and rules, carried out as its own scenario.

The model with its numbered constraints stands in :mod:`balance_lib.planning.siting.model`. What is shown is never the
model's figure: every plan is carried out as a scenario before it counts, and who goes where, the extra
pupil-metres, the ways, places, beds, sizes and costs are read off that (:mod:`balance_lib.planning.siting.trial`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from balance_lib.data.county import County
from balance_lib.locale import listed, named, names_by, text
from balance_lib.optimise.control import Control
from balance_lib.optimise.solution import Reason, Solution
from balance_lib.plain import plain
from balance_lib.planning.goals import Goals
from balance_lib.planning.siting.layouts import CountyLayout, first_named
from balance_lib.planning.siting.search import LayoutSearch
from balance_lib.planning.siting.trial import PROOF_S, PlanCheck
from balance_lib.scenarios import Attach, Outcome, Resize, Scenario, evaluate
from balance_lib.shown import ShownProposal


@dataclass(frozen=True, eq=False, repr=False)
class Proposal(ShownProposal):
    """Hold a proposed layout.

    Parameters
    ----------
    scenario : Scenario
        Closes and opens what the plan closes and opens; the layout's baseline where there is no plan.
    outcome : Outcome or None
        The scenario's own judgement; None where there is no plan.
    solution : Solution
        Extra pupil-metres, bound, gap; its sites are ``layout.school_ids``.
    layout : CountyLayout
    trial : PlanCheck or None
        The plan as the scenario carries it out: moves, loads, costs.
    """

    scenario: Scenario
    outcome: Outcome | None
    solution: Solution
    layout: CountyLayout
    trial: PlanCheck | None = None

    @property
    def closed(self) -> tuple[str, ...]:
        """Return the schools the plan closes."""
        return self.layout.changes(self.solution.open) if self.solution.found else ()

    @property
    def opened(self) -> tuple[str, ...]:
        """Return the new schools the plan opens."""
        return tuple(str(s) for s in self.layout.school_ids[self.solution.open & self.layout.new])

    @property
    def kept(self) -> tuple[str, ...]:
        """Return the schools the plan keeps."""
        return tuple(str(s) for s in self.layout.school_ids[self.solution.open & ~self.layout.new])

    @property
    def villages(self) -> tuple[str, ...]:
        """Return the villages the reasons speak of."""
        at = sorted({i for reason in self.solution.reasons for i in reason.points})
        return tuple(dict.fromkeys(str(v) for v in self.layout.points["village_id"].iloc[at]))

    def reasons(self, lang: str = "zh") -> list[str]:
        """Tell why there is no plan, a sentence a reason, naming villages and schools."""
        return [self._told(reason, lang) for reason in self.solution.reasons]

    def sentence(self, lang: str = "zh") -> str:
        """Tell the proposal for people who decide: what closes and opens, how proven, or why there is none."""
        if not self.solution.found:
            first = text(f"optimise.status.{self.solution.status}_without", lang)
            return self._asked(lang) + first + self._because(lang)
        moved = self.layout.pupils[self.solution.assignment != self.layout.home].sum()
        metres = self.solution.objective
        facts = {
            "kept": len(self.kept),
            "closed": len(self.closed),
            "moved": f"{moved:,.0f}",
            "km": f"{abs(metres) / 1000:,.1f}",
        }
        more = text("optimise.opened", lang, n=len(self.opened)) if self.opened else ""
        for verb, key in ((Attach, "attached"), (Resize, "resized")):
            n = sum(isinstance(o, verb) for o in self.scenario.operations if o not in self.layout.baseline.operations)
            more += text(f"optimise.{key}", lang, n=n) if n else ""
        whole = text("optimise.proposal" if metres >= 0 else "optimise.proposal_nearer", lang, **facts)
        return whole + more + self._asked(lang) + self.solution.sentence(lang)

    def _asked(self, lang: str) -> str:
        """Tell which rules the question keeps and which it leaves out: what is proven is proven for these."""
        kept = self.layout.goals.kept
        told = {
            key: listed([text(f"optimise.rule.{rule}", lang) for rule, on in kept.items() if on is wanted], lang)
            for key, wanted in (("kept", True), ("left", False))
        }
        return "".join(text(f"optimise.rules.{key}", lang, rules=rules) for key, rules in told.items() if rules)

    def _because(self, lang: str) -> str:
        told = self.reasons(lang)
        if not told or not self.solution.reasons[0].rule.startswith("give_"):
            return "".join(told)
        lead = text("optimise.any_of" if len(told) > 1 else "optimise.one_of", lang)
        return lead + text("optimise.semicolon", lang).join(told) + text("optimise.full_stop", lang)

    def _told(self, reason: Reason, lang: str) -> str:
        villages = names_by("village_id", self._villages, lang)
        ids = self.layout.points["village_id"].iloc[list(reason.points)]
        names = [str(villages.get(v) or v) for v in dict.fromkeys(ids) if v]
        if not names:
            frame = self.layout.drawn.frame
            places = frame["township"] if reason.rule == "give_township" else named(frame, lang)
            names = [str(places.at[self.layout.school_ids[j]]) for j in reason.sites]
        if reason.rule == "too_few":
            return reason.sentence(lang) + self.layout.must_stay(lang)
        return reason.sentence(lang) + (text("optimise.where", lang, names=first_named(names, lang)) if names else "")

    @property
    def _villages(self) -> Any:
        return self.layout.drawn.base.county.tables["villages"]

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return the proposal as plain values."""
        found, trial = self.solution, self.trial
        return {
            "status": found.status,
            "sentence": self.sentence(lang),
            "kept": list(self.kept),
            "closed": list(self.closed),
            "opened": list(self.opened),
            "extra_pupil_km": plain(found.objective / 1000),
            "bound_pupil_km": plain(found.bound / 1000),
            "gap": plain(found.gap),
            "worst_m": None if trial is None else plain(trial.worst_m),
            "running_yuan": None if trial is None else plain(trial.running_yuan),
            "building_yuan": None if trial is None else plain(trial.building_yuan),
            "seconds": round(found.seconds, 2),
            "method": found.method,
            "reasons": [
                {"rule": r.rule, "given": plain(r.given), "needed": plain(r.needed), "text": told}
                for r, told in zip(found.reasons, self.reasons(lang), strict=True)
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
    scenario: Scenario | None = None,
    name: str | None = None,
    judge: bool = True,
    time_limit_s: float = 60.0,
    progress: Any = None,
    cancel: Any = None,
) -> Proposal:
    """Propose which schools of a stage to keep, to close and to open.

    1. The problem without all rules (p-median; with places and least sizes added up over bands) gives a plan in
       fractions of a second, and a bound.
    2. The plan is carried out as a scenario. Where it keeps every rule and is as good as the bound it is proven.
    3. Else the whole model (:mod:`balance_lib.planning.siting.model`) goes to HiGHS; its choice is carried out in
       turn, cut off when the scenario refuses it, until the best one left is proven or time is up.
    4. Where no plan exists every rule is let go in turn: which one would do, where, and by how much.

    Parameters
    ----------
    county : County
    stage : {"primary", "junior"}
    goals : Goals
        Nothing closes that they do not name as closable.
    year : int, optional
        School year; the last one by default.
    scenario : Scenario, optional
        What the plan is added to: radius, minutes, bus, boarding, class caps, unit costs, births and target year are
        its settings; its protected schools, class numbers, beds and bus lines stay. Its closures and openings do not.
    name : str, optional
        Of the scenario.
    judge : bool
        Whether to evaluate the scenario at once; without it ``outcome`` is None.
    time_limit_s, progress, cancel
        As in :func:`balance_lib.optimise.p_median`.

    Raises
    ------
    NotFoundError, DataError
        If the county has no such stage, year or school, or the scenario or a new site cannot be.

    Examples
    --------
    >>> from balance_lib.data.county import County
    >>> from balance_lib.shipped import shipped
    >>> county = County.open(shipped("demo") / "akqi")
    >>> plan = propose(county, "primary", Goals(schools=21, may_close="all"), judge=False)
    >>> len(plan.kept), len(plan.closed), plan.solution.status
    (21, 0, 'optimal')
    """
    control = Control(time_limit_s, progress, cancel)
    drawn = CountyLayout.of(county, stage, goals, year=year, scenario=scenario)
    search = LayoutSearch(drawn, control)
    if goals.aim == "fewest":
        solution, trial = search.fewest()
    else:
        solution, trial = search.plan(int(goals.schools or 0), control)
    if trial is None:
        return Proposal(drawn.baseline, None, solution, drawn)
    plan = replace(trial.scenario, name=name or name_of(drawn, solution))
    outcome = evaluate(county, plan, time_limit_s=PROOF_S) if judge else None
    return Proposal(plan, outcome, solution, drawn, trial)


def name_of(drawn: CountyLayout, solution: Solution) -> str:
    """Name a plan by its stage and by how many schools it changes.

    Parameters
    ----------
    drawn : CountyLayout
    solution : Solution
    """
    stage, opened = text(f"stage.{drawn.stage}", "zh"), int((drawn.new & solution.open).sum())
    key = "optimise.scenario_name_opening" if opened else "optimise.scenario_name"
    return text(key, "zh", stage=stage, n=len(drawn.changes(solution.open)), opened=opened)
