"""Find the best plan of a county that its own scenario confirms, with a bound: relax, carry out, cut off, again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from balance_lib.optimise import highs, median, median_search
from balance_lib.optimise.control import Control
from balance_lib.optimise.load_bound import LoadBound
from balance_lib.optimise.problem import Problem
from balance_lib.optimise.solution import PROVEN_GAP, Flags, Floats, Ints, Reason, Solution, nothing, status_of
from balance_lib.optimise.verify import WrongSolutionError
from balance_lib.planning.siting import reasons as why_not
from balance_lib.planning.siting.layouts import CountyLayout
from balance_lib.planning.siting.model import NEAREST, CountyModel
from balance_lib.planning.siting.question import Question
from balance_lib.planning.siting.trial import PlanCheck, SiteChoice, Trials, broken

# Seconds, and share of what is left, that the p-median without all rules, and each raising of the bound, may take.
FIRST_S, FIRST_SHARE, BOUND_SHARE = 10.0, 0.1, 0.05
# Share above the bound within which a first plan is looked for, before it is looked for everywhere.
ROOM = 0.2
# The pairs that promise most, the share of the time plans made of them alone may take, and when one is good enough.
PROMISING, PROMISING_SHARE, PROMISING_GAP = 2500, 0.5, 1e-3
# Pairs up to which the whole model counts the fewest schools; share of the time numbers may be tried roughly, how good
# such a plan is of its kind, and the share of the places to spare that is left out of it.
MOST_PAIRS, ROUGH_SHARE, ROUGH_GAP, SPARE = 60_000, 0.6, 0.2, 0.7
METHOD = "exchange, Lagrangian dual, HiGHS, carried out as a scenario"


@dataclass(eq=False)
class LayoutSearch:
    """Hold one layout being searched.

    Parameters
    ----------
    layout : CountyLayout
    control : Control
    """

    layout: CountyLayout
    control: Control
    refused: list[SiteChoice] = field(default_factory=list)

    @cached_property
    def trials(self) -> Trials:
        """Return the scenarios carried out so far."""
        return Trials(self.layout)

    @cached_property
    def model(self) -> CountyModel:
        """Return the model; what the settings alone cost a year is asked of the scenario where a budget needs it."""
        asked = self.layout.goals.running_budget_yuan is not None
        return CountyModel(self.layout, self.trials.staying.running_yuan if asked else 0.0)

    def plan(
        self, schools: int, control: Control, *, explain: bool = True, known: PlanCheck | None = None
    ) -> tuple[Solution, PlanCheck | None]:
        """Return the best plan with so many schools; ``known`` is one to start from.

        Parameters
        ----------
        schools : int
            How many stay open.
        control : Control
        explain : bool
            Whether reasons are looked for.
        known : PlanCheck, optional
        """
        drawn = self.layout
        counted = why_not.counted(drawn, schools)
        if counted:
            return self._none("infeasible", counted), None
        one = _Plan(self, schools, control, known)
        if not one.first():
            one.exact()
        if one.best is None and one.impossible:
            found = why_not.reasons(self.model, schools, self.control) if explain else ()
            if self.refused and (not found or found[0].rule == "limits_do_not_fit" or _stays_possible(found, schools)):
                found = (Reason("refused", given=len(self.refused)),)
            return self._none("infeasible", found or (Reason("limits_do_not_fit"),)), None
        if one.best is None:
            return self._none("stopped", bound=one.bound), None
        return self._solution(one), one.best

    def fewest(self) -> tuple[Solution, PlanCheck | None]:
        """Return the plan with the fewest schools, and of those the one with the least extra metres.

        Numbers are tried roughly first (:meth:`_found_with`). Where the county is small, or none was found, those below
        are then searched in full from the least number that can be, in growing steps once one is not decided.
        """
        control, least, most = self.control, self._least(), self.layout.must.size
        if least is None:
            return self._none("infeasible", why_not.reasons(self.model, None, control)), None
        best, solution = self._rough(least), None
        number, step, decided = least, 1, True  # decided: no plan has fewer schools than ``least``
        while (best is None or (self._small and decided and least < best.schools)) and number <= most:
            if control.stopped:
                break
            solution, trial = self.plan(number, control.part(max(1.0, control.left_s / 3)), explain=False)
            if trial is not None:
                best = trial
                break
            decided &= solution.status == "infeasible"
            least, step = (number + 1, 1) if decided else (least, 2 * step)
            number = min(number + step, most) if number < most else most + 1
        if best is None:
            stopped = control.stopped or not decided
            reasons = () if stopped else why_not.reasons(self.model, None, control)
            return self._none("stopped" if stopped else "infeasible", reasons), None
        if solution is None or not solution.found:
            solution, trial = self.plan(best.schools, control, known=best)
            best = trial or best
        return (solution if best.schools == least else _unproven(solution, least)), best

    @property
    def _small(self) -> bool:
        """Tell whether the whole model can count the fewest schools."""
        return self.model.pairs[0].size <= MOST_PAIRS

    def _least(self) -> int | None:
        """Return a number that no plan has fewer schools than; None when there is no plan at all.

        Schools that must stay, townships and places are counted; the model tells more, of a larger county its
        relaxation, in which villages and schools may be split.
        """
        drawn = self.layout
        least = max(int(drawn.must.sum()), len(drawn.township_sites) if drawn.goals.township_minimum else 1, 1)
        for band, free in zip(drawn.by_band.T, drawn.free.T, strict=True):
            places = np.bincount(drawn.home, band, drawn.new.size) + free
            largest = places[drawn.must].sum() + np.append(0.0, np.cumsum(np.sort(places[~drawn.must])[::-1]))
            least = max(least, int(drawn.must.sum() + np.searchsorted(largest, band.sum() - 1e-6)))
        model = Question(self.model, None, counts=True, split=not self._small).model()
        model.whole &= self._small
        answer = highs.solve(model, self.control.part(self.control.left_s / 4))
        if answer.infeasible:
            return None
        return max(least, int(np.ceil(answer.bound - 1e-6)) if np.isfinite(answer.bound) else 1)

    def _rough(self, least: int) -> PlanCheck | None:
        """Return a plan with few schools: numbers in growing steps until one is found, then those between."""
        best, without, step = None, least - 1, 1 + least // 16
        trying, most = self.control.part(ROUGH_SHARE * self.control.left_s), self.layout.must.size
        while not trying.stopped and without + 1 < (most + 1 if best is None else best.schools):
            number = min(without + step, most) if best is None else (without + best.schools) // 2
            found = self._found_with(number, trying)
            best = found or best
            without, step = (without, step) if found else (number, 2 * step)
        return best

    def _found_with(self, schools: int, control: Control) -> PlanCheck | None:
        """Return a plan of so many schools, chosen as if villages could be split; None where it is not right.

        Villages fill schools worse than single pupils do, so some of the places a plan has to spare are left out.
        """
        drawn = self.layout
        places = np.sort(drawn.places)[::-1][:schools].sum()
        spare = SPARE * max(0.0, 1 - drawn.pupils.sum() / places)
        metres = np.where(np.isfinite(drawn.metres), drawn.metres, np.inf)
        rank = min(NEAREST * drawn.new.size // schools, drawn.new.size - 1)
        reach = np.maximum(drawn.baseline.settings.number(f"reach_{drawn.stage}_m"), np.sort(metres, axis=1)[:, rank])
        near = metres <= reach[:, None], np.zeros(drawn.new.size, np.int8)
        question = Question(self.model, schools, refused=self.refused, worthwhile=near, split=True, spare=spare)
        answer = highs.solve(question.model(), control, gap=ROUGH_GAP)
        if answer.values is None:
            return None
        plan = self.trials.of(question.choice(answer.values))
        if broken(plan, schools):
            self.refused.append(plan.choice)
            return None
        self.control.tell(plan.objective, -np.inf, plan.choice.flags)
        return plan

    def zoned(self, is_open: Flags) -> SiteChoice | None:
        """Give new schools the villages that are nearer to them than to where they would go otherwise."""
        drawn, model = self.layout, self.model
        if not (drawn.new & is_open).any():
            return SiteChoice(tuple(is_open.tolist()))
        old = np.where(is_open & ~drawn.new & np.isfinite(drawn.allowed_m), drawn.allowed_m, np.inf)
        other = old.min(axis=1)
        villages = drawn.points["village_id"].to_numpy()
        best: dict[str, tuple[float, int]] = {}
        for village, site in model.zones:
            mine = villages == village
            if is_open[site]:
                saved = float((drawn.pupils[mine] * (other[mine] - drawn.allowed_m[mine, site])).sum())
                if saved > best.get(village, (0.0, -1))[0]:
                    best[village] = saved, site
        zones = tuple(sorted((village, site) for village, (_, site) in best.items()))
        empty = set(np.flatnonzero(drawn.new & is_open)) - {site for _, site in zones}
        return None if empty else SiteChoice(tuple(is_open.tolist()), zones)

    def _none(self, status: str, reasons: tuple[Reason, ...] = (), **more: float) -> Solution:
        n, m = self.layout.extra_m.shape
        return nothing(n, m, status, reasons, seconds=self.control.seconds, method=METHOD, **more)  # type: ignore[arg-type]

    def _solution(self, one: _Plan) -> Solution:
        assert one.best is not None
        wrong = broken(one.best, one.schools)
        if wrong:  # nothing is kept as the best that breaks a rule: a fault of the program
            raise WrongSolutionError(f"the scenario breaks {wrong}")
        objective, bound = one.best.objective, min(one.bound, one.best.objective)
        status = status_of(objective, bound, self.layout.goals.gap, ended=one.done)
        flags = one.best.choice.flags
        facts = {"refused": len(self.refused), "carried_out": len(self.trials._done)}
        return Solution(
            flags, one.best.assignment, objective, bound, status, (), self.control.seconds, METHOD, facts=facts
        )


def _stays_possible(found: tuple[Reason, ...], schools: int) -> bool:
    """Tell whether a rule would have to give way by nothing: the model has plans, only the scenario refuses them."""
    return any(r.rule == "give_schools" and r.needed == schools for r in found)


def _unproven(solution: Solution, least: int) -> Solution:
    """Return a plan that may not have the fewest schools: no plan has fewer than ``least``."""
    return replace(solution, bound=-np.inf, status="stopped", facts={**solution.facts, "least_schools": least})


@dataclass(eq=False)
class _Plan:
    """Hold the search for a plan with one number of schools."""

    search: LayoutSearch
    schools: int
    control: Control
    best: PlanCheck | None = None
    bound: float = -np.inf
    impossible: bool = False
    room: float = ROOM
    _start: Flags | None = None
    _pulled: set[tuple[int, int, int]] = field(default_factory=set)

    @property
    def done(self) -> bool:
        """Tell whether the best plan is proven as well as was asked for."""
        if self.best is None:
            return False
        value, gap = self.best.objective, max(self.search.layout.goals.gap, PROVEN_GAP / 2)
        return value - self.bound <= gap * abs(value) + 1e-6

    def try_(self, choice: SiteChoice) -> bool:
        """Carry a choice out; keep it when it is right and better, refuse it when it breaks a rule."""
        trial = self.search.trials.of(choice)
        wrong = broken(trial, self.schools)
        if wrong:
            return False
        if self.best is None or trial.objective < self.best.objective:
            self.best = trial
        self.control.tell(self.best.objective, min(self.bound, self.best.objective), self.best.choice.flags)
        return True

    def first(self) -> bool:
        """Try the plan of the problem without all rules; return whether it is proven the best, or none can be."""
        problem, constant = self._plain
        seconds = min(FIRST_S, FIRST_SHARE * self.control.left_s)
        solution = median.solve(problem, self.schools, self.control.part(seconds))
        if solution.status == "infeasible":
            self.impossible = True  # with fewer rules there is no plan: nor is there with all
            return True
        if np.isfinite(solution.bound):
            self.bound = max(self.bound, solution.bound + constant)
        choice = self.search.zoned(solution.open) if solution.found else None
        self._start = solution.open if solution.found else None
        return choice is not None and self.try_(choice) and self.done

    @cached_property
    def _plain(self) -> tuple[Problem, float]:
        """Return the p-median on the pairs that are allowed, costs from zero, and what its values lack."""
        drawn = self.search.layout
        shift = np.fmin(np.nanmin(drawn.allowed_m, axis=1), 0.0)
        problem = Problem.of(drawn.allowed_m - shift[:, None], weights=drawn.pupils, fixed_open=drawn.must)
        return problem, float(drawn.pupils @ shift)

    @cached_property
    def _loaded(self) -> LoadBound | None:
        """Return the bound with places by band and least sizes, pupils staying while their school does; None without.

        Only the plain one holds where villages are split or given to new schools.
        """
        drawn, goals = self.search.layout, self.search.layout.goals
        if drawn.new.any() or drawn.baseline.settings.assignment == "transport":
            return None
        if not goals.capacity and goals.min_size is None:
            return None
        here = np.stack([np.bincount(drawn.home, band, drawn.new.size) for band in drawn.by_band.T], axis=1)
        problem = Problem.of(
            drawn.allowed_m, weights=drawn.pupils, fixed_open=drawn.must, demand=drawn.by_band,
            capacity=here + drawn.free if goals.capacity else None,
            min_load=None if goals.min_size is None else np.where(drawn.closable, goals.min_size, 0.0),
        )  # fmt: skip
        return LoadBound(problem, self.schools, drawn.home)

    def exact(self) -> None:
        """Solve the whole model, carry its choice out, refuse it, and again until the best is proven."""
        search, gap = self.search, max(self.search.layout.goals.gap, PROVEN_GAP / 2)
        refused: list[SiteChoice] = []  # right, but cut off to see whether another is better
        while not (self.control.stopped or self.done):
            worthwhile = self._worthwhile(self._limit)
            if worthwhile is not None and self._promising(*worthwhile):
                continue  # a better plan leaves less to look at
            limit = self._limit
            few = None if worthwhile is None else (np.isfinite(worthwhile[0]), worthwhile[1])
            question = Question(search.model, self.schools, refused=(*search.refused, *refused), worthwhile=few)
            model = question.model()
            start = None if self.best is None or refused else question.columns(self.best)
            answer = highs.solve(model, self.control, gap=gap, start=start, found=self._heard())
            # What was left out costs at least the limit.
            self.bound = max(self.bound, min(np.inf if answer.infeasible else answer.bound, limit))
            if answer.infeasible and self.best is None:
                self.impossible = not np.isfinite(limit)
                if self.impossible:
                    return
                self.room = np.inf  # no plan below the limit: look everywhere
                continue
            if answer.values is None:
                return
            choice = question.choice(answer.values)
            if self.try_(choice):
                refused.append(choice)
            else:
                search.refused.append(choice)

    def _promising(self, floor: Floats, status: Any) -> bool:
        """Look for a plan made of the pairs that promise most; tell whether the best plan is a better one now.

        What is found proves nothing. Schools the scenario finds too small, as it sends nobody anywhere for their sake,
        are sought larger the next time.
        """
        search, best, goes = self.search, self.best, np.isfinite(floor)
        goes[np.arange(floor.shape[0]), search.layout.home] = False
        most = np.partition(floor[goes], PROMISING)[PROMISING] if goes.sum() > PROMISING else -np.inf
        if not np.isfinite(most):
            return False
        few = (floor <= most, status)
        above = None if best is None else best.objective * (1 - PROMISING_GAP)
        part = self.control.part(PROMISING_SHARE * self.control.left_s)
        while not part.stopped:
            question = Question(search.model, self.schools, refused=search.refused, worthwhile=few, pulled=self._pulled)
            answer = highs.solve(question.model(), part, gap=PROMISING_GAP, stop_above=above)
            if answer.values is None or self.try_(choice := question.choice(answer.values)):
                break
            search.refused.append(choice)
            self._pulled |= self._sent_elsewhere(choice, *question.sent(answer.values))
        return self.best is not best

    def _sent_elsewhere(self, choice: SiteChoice, point: Ints, site: Ints) -> set[tuple[int, int, int]]:
        """Return who is sent to a school for its size's sake, and to which one the scenario sends them instead."""
        trial, least = self.search.trials.of(choice), self.search.layout.goals.min_size or 0.0
        other = trial.assignment[point]
        small = (trial.loads[site] < least) & (other != site) & (other >= 0)
        return set(zip(point[small].tolist(), site[small].tolist(), other[small].tolist(), strict=True))

    def _worthwhile(self, limit: float) -> tuple[Floats, Any] | None:
        """Return what plans below the limit cost at least by pair, and the sites' status; None: nothing is known."""
        problem, constant = self._plain
        start = self._start if self.best is None else self.best.choice.flags
        if start is None or not np.isfinite(limit):
            return None
        if self._loaded is not None:
            found = self._loaded.raise_to(limit, self.control, BOUND_SHARE * self.control.left_s)
            self.bound = max(self.bound, self._loaded.value)
            return found
        floor, status = median_search.worthwhile(problem, start, limit - constant)
        # A part of a village that is split costs a part only: then just sites are left out.
        return np.where(self.search.layout.baseline.settings.assignment == "transport", -np.inf, floor), status

    @property
    def _limit(self) -> float:
        """Return the value below which a plan is sought: the best plan's, or a guess while there is none."""
        if self.best is not None:
            return self.best.objective
        guess = self.bound + self.room * max(1.0, abs(self.bound))
        return guess if np.isfinite(guess) and self._start is not None else np.inf

    def _heard(self) -> Callable[[Floats, float], None]:
        """Tell whoever watches how far the proof is; plans of the model count only once they were carried out."""

        def heard(_: Floats, bound: float) -> None:
            if self.best is not None:
                self.control.tell(self.best.objective, min(max(bound, self.bound), self.best.objective))

        return heard
