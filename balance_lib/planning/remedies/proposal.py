"""Make a plan step by step: split classes first, gather the demands, search, spread over the years, and prove it."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.evaluation import SHORT, Evaluation, ItemResult, Measured, evaluate, indicators, recent
from balance_lib.locale import Message
from balance_lib.planning.remedies.affine import Floats
from balance_lib.planning.remedies.apply import _changed, _changes_of
from balance_lib.planning.remedies.catalogue import Catalogue
from balance_lib.planning.remedies.demands import Demands
from balance_lib.planning.remedies.gather import Builder
from balance_lib.planning.remedies.greedy import Greedy, _value
from balance_lib.planning.remedies.levers import Lever, LeverCells, _county_levers, _rotation_levers, _school_levers
from balance_lib.planning.remedies.model import Key
from balance_lib.planning.remedies.phasing import _phase
from balance_lib.planning.remedies.plan import (
    ALLOWED_COLUMNS,
    COEFFICIENT_COLUMNS,
    LINE_COLUMNS,
    PROMISE_COLUMNS,
    SHORT_COLUMNS,
    UNHELPED_COLUMNS,
    RemedyPlan,
)
from balance_lib.planning.remedies.search import RemedyProgress, RemedySearch, RemedySolution, _rounded
from balance_lib.standards import Measure, Standard

Tell = Callable[[RemedyProgress], None] | None
WORSE = {"priced": 0, "decision": 1, "target": 2}


class RemedyPlanner:
    """Hold one county, year and standard for which a plan is to be made."""

    def __init__(
        self, county: County, standard: Standard, year: int,
        measures: Mapping[tuple[str, str], Measured] | None, book: Catalogue, by: date,
        codes: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        self.whole_county, self.county = county, recent(county, standard, year)
        self.standard, self.year, self.measures, self.by = standard, year, measures, by
        self.codes = codes
        self.years = list(range(year + 1, max(year + 2, by.year + 1)))
        spare = len(self.years) - 1
        self.book, self.all = _in_time(book, spare), book

    # --- steps --------------------------------------------------------------------------------------------------------

    def changed(self, changes: pd.DataFrame) -> County:
        """Return the county with some cells set to new values."""
        told = hashlib.sha256(changes.to_csv(index=False).encode()).hexdigest()[:12]
        return _changed(self.county, self.year, changes).named(f"{self.county.hash}+{told}")

    def judged(self, county: County) -> Evaluation:
        """Judge a county as the plan is judged."""
        return evaluate(county, self.standard, year=self.year, measures=self.measures, codes=self.codes)

    def _splits(self, ground: LeverCells, found: Evaluation) -> tuple[list[Lever], Floats]:
        """Return what has to come first: every class above the size an item allows is split.

        Formulas divide by the number of classes and round it up, so it has to be known before anything else is
        planned; and there is no choice in it, as each such class has one way of being split.
        """
        levers = _school_levers(ground, {i: a for i, a in self.book.actions.items() if a.first})
        units = np.zeros(len(levers))
        for result in found.items:
            measure = result.item.measure
            if result.status not in SHORT or measure is None or measure.source not in ("schools", "stages"):
                continue
            if result.rows is None or measure.judge not in ("total", "every") or result.item.operator not in ("<=",
                    "<", "=="):  # fmt: skip
                continue
            names = set(_named(measure))
            keys = set(result.rows["school_id"])
            stages = set(result.rows["stage"]) if "stage" in result.rows else None
            for j, lever in enumerate(levers):
                here = lever.school_id in keys and (stages is None or lever.stage in stages)
                if here and lever.effects[0][0][2] in names:
                    units[j] = lever.high
        return levers, units

    def demands(self, county: County, found: Evaluation) -> Demands:
        """Return what a plan has to meet in a county.

        Parameters
        ----------
        county : County
        found : Evaluation
        """
        ground = LeverCells(county, self.standard, self.year)
        levers = [
            *_school_levers(ground, {i: a for i, a in self.book.actions.items() if not a.first}),
            *_rotation_levers(ground, self.book.rotations),
            *_county_levers(ground, self.book.county_actions),
        ]
        return Builder(ground, found, self.book, levers).build()

    def plan(
        self, budget: float | None, budgets: Mapping[int, float] | None, *, seconds: float, gap: float, tell: Tell
    ) -> RemedyPlan:
        """Make the plan.

        Parameters
        ----------
        budget : float, optional
            Yuan in all.
        budgets : mapping of int to float, optional
            Yuan of each year.
        seconds : float
            Wall seconds of the search.
        gap : float
            Share at which a proof is good enough.
        tell : Tell
            Called with progress.
        """
        started = time.monotonic()
        before = self.judged(self.county)
        ground = LeverCells(self.county, self.standard, self.year)
        first, split = self._splits(ground, before)
        county = self.changed(_changes_of(ground, first, split)) if split.any() else self.county
        found = self.judged(county) if split.any() else before
        demands = self.demands(county, found)
        prices = np.array([lever.cost_yuan or 1e-3 for lever in demands.levers])
        sunk = float(sum(lever.cost_yuan * n for lever, n in zip(first, split, strict=True)))
        if budgets is not None and all(year in budgets for year in self.years):
            total = sum(budgets[year] for year in self.years)
            budget = total if budget is None else min(total, budget)
        if budget is not None and sunk > budget:
            first, split, demands, sunk = self._without_splits(first, split, before)
            prices = np.array([lever.cost_yuan or 1e-3 for lever in demands.levers])
        solved = _Solved(demands, prices, seconds, gap, tell)
        solved.run(None if budget is None else budget - sunk)
        levers, x = [*first, *demands.levers], np.concatenate([split, solved.x])
        return self._told(before, ground, levers, x, demands, solved, sunk, budget, budgets, started)

    def _without_splits(
        self, first: list[Lever], split: Floats, before: Evaluation
    ) -> tuple[list[Lever], Floats, Demands, float]:
        """Leave the classes as they are, where splitting them alone would cost more than there is."""
        demands = self.demands(self.county, before)
        split_for = {lever.effects[0][0][2] for lever in first}
        for item in (before.item(code).item for code in list(demands.unhelped)):
            if item.measure is not None and split_for & set(_named(item.measure)):
                del demands.unhelped[item.code]  # it is the money that is short, not the means
        return first, np.zeros_like(split), demands, 0.0

    # --- telling ------------------------------------------------------------------------------------------------------

    def _told(
        self, before: Evaluation, ground: LeverCells, levers: list[Lever], x: Floats, demands: Demands, solved: _Solved,
        sunk: float, budget: float | None, budgets: Mapping[int, float] | None, started: float,
    ) -> RemedyPlan:  # fmt: skip
        changes = _changes_of(ground, levers, x)
        after = self.judged(self.changed(changes)) if len(changes) else before
        lines, phases = self._lines(levers, x, budgets)
        promised, missed = self._promised(before, after, levers, x, demands)
        unhelped = self._unhelped(before, after, demands)
        short = self._shortfalls(missed, solved, phases, before, after)
        cost = float(lines["cost_yuan"].sum())
        status = self._status(before, promised, short, solved, lines)
        return RemedyPlan(
            self.county.county_id, self.standard, self.year, self.by, status, self.all, lines, changes, promised,
            unhelped, short, self._allowed(after), self._coefficients(before, after), phases, cost,
            math.nan if solved.bound != solved.bound else min(cost, solved.bound + sunk),
            solved.greedy + sunk, math.nan if budget is None else budget, self.county.synthetic,
            time.monotonic() - started, solved.rounds,
            self.whole_county.stamp(self.standard.id, measures=self.measures is not None),
        )  # fmt: skip

    def _status(
        self, before: Evaluation, promised: pd.DataFrame, short: pd.DataFrame, solved: _Solved, lines: pd.DataFrame
    ) -> str:
        if not any(r.status in SHORT for r in before.items):
            return "nothing_to_do"
        if len(short):
            return "partial" if len(lines) or len(promised) else "infeasible"
        return "complete" if len(promised) else "infeasible"

    def _lines(
        self, levers: list[Lever], x: Floats, budgets: Mapping[int, float] | None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        rows: list[tuple[object, ...]] = []
        leads, steps = [], list[object]()
        for lever, units in zip(levers, x, strict=True):
            if units <= 0:
                continue
            priced = lever.basis == "priced"
            once, yearly = lever.once_yuan * units, lever.yearly_yuan * units
            rows.append(
                (lever.school_id, lever.stage, lever.action, lever.kind, -units if lever.lends else units, lever.unit,
                 once if priced else math.nan, yearly if priced else math.nan,
                 once + yearly if priced else math.nan, lever.basis, len(rows))
            )  # fmt: skip
            leads.append(lever.lead_years)
            steps.append((lever.action, lever.stage) if lever.lends or lever.takes else len(steps))
        lines = pd.DataFrame(rows, columns=[*LINE_COLUMNS[:-1], "_line"])
        lines["_step"] = pd.factorize(pd.Series(steps, dtype=object))[0]
        lines, phases = _phase(lines, leads, self.years, budgets)
        return lines.reindex(columns=LINE_COLUMNS), phases

    def _promised(
        self, before: Evaluation, after: Evaluation, levers: list[Lever], x: Floats, demands: Demands
    ) -> tuple[pd.DataFrame, list[ItemResult]]:
        """Return the items promised, as the evaluation finds them after the plan, and those it finds still open."""
        basis = _bases(demands, x[len(levers) - len(demands.levers) :])
        rows, missed = [], []
        for old, new in zip(before.items, after.items, strict=True):
            code = old.item.same_as or old.item.code
            # What nothing is bought for may be met all the same, such as an item judged by others.
            left = code in demands.unhelped and new.status != "met"
            if old.status not in SHORT or left or old.item.same_as is not None:
                if old.status == "met" and new.status in SHORT:
                    missed.append(new)
                continue
            if new.status != "met":
                missed.append(new)
                continue
            rows.append((code, basis.get(code, "priced"), old.status, old.value, new.status, new.value, new.threshold))
        return pd.DataFrame(rows, columns=PROMISE_COLUMNS), missed

    def _unhelped(self, before: Evaluation, after: Evaluation, demands: Demands) -> pd.DataFrame:
        status = {r.item.code: r.status for r in after.items}
        rows = [
            (code, status[code], why, reason)
            for code, (why, reason) in demands.unhelped.items()
            if status[code] != "met" and before.item(code).item.same_as is None
        ]
        return pd.DataFrame(rows, columns=UNHELPED_COLUMNS)

    def _shortfalls(
        self, missed: list[ItemResult], solved: _Solved, phases: pd.DataFrame, before: Evaluation, after: Evaluation
    ) -> pd.DataFrame:
        """Say what stays short: where the model itself had to give way by school, else item by item."""
        why = "remedy.short.budget" if solved.budgeted else "remedy.short.limit"
        told = {key[0] for key in solved.short} if not solved.budgeted else set()
        rows: list[tuple[object, ...]] = []
        for (code, school, stage, indicator), amount in solved.short.items() if not solved.budgeted else ():
            unit = self._unit(code, indicator)
            rows.append((code, school, stage, indicator, amount, unit, Message(why, {})))
        for result in missed:
            if result.item.code in told:
                continue
            kept = before.item(result.item.code).status in SHORT
            reason = Message(why if kept else "remedy.short.fell", {})
            gap = abs(result.gap) if result.gap == result.gap else math.nan
            rows.append((result.item.code, "", result.item.stage, "", gap, result.item.judged_unit, reason))
        over = phases[phases["total_yuan"] > phases["budget_yuan"] * (1 + 1e-9) + 1.0]
        for row in over.itertuples():
            rows.append(("", "", "", "", row.total_yuan - row.budget_yuan, "yuan",
                         Message("remedy.short.year", {"year": int(row.year)})))  # fmt: skip
        return pd.DataFrame(rows, columns=SHORT_COLUMNS)

    def _unit(self, code: str, indicator: str) -> str:
        spec = self.standard.indicators.get(indicator)
        item = self.standard.by_code.get(code)
        return spec.unit if spec else item.judged_unit if item else ""

    def _allowed(self, after: Evaluation) -> pd.DataFrame:
        """Return what each passing school leaves below its line, as the rule lets it."""
        if after.rules.empty:
            return pd.DataFrame(columns=ALLOWED_COLUMNS)
        passes = after.rules[[p is True for p in after.rules["passes"]]][["school_id", "stage"]]
        rows = after.schools[[m is False for m in after.schools["met"]]].merge(passes, on=["school_id", "stage"])
        return rows.rename(columns={"threshold": "line"})[ALLOWED_COLUMNS]

    def _coefficients(self, before: Evaluation, after: Evaluation) -> pd.DataFrame:
        key = ["stage", "indicator"]
        both = before.cv.merge(after.cv[[*key, "cv"]], on=key, suffixes=("_before", "_after"))
        return both.rename(columns={"cv_before": "before", "cv_after": "after"})[COEFFICIENT_COLUMNS]


class _Solved:
    """Run the search: as it is, then with what cannot be met let go, then within a budget."""

    def __init__(self, demands: Demands, prices: Floats, seconds: float, gap: float, tell: Tell) -> None:
        self.whole_demands, self.prices, self.seconds, self.gap, self.tell = demands, prices, seconds, gap, tell
        self.x: Floats = np.zeros(len(demands.levers))
        self.bound, self.greedy, self.rounds, self.budgeted = 0.0, math.nan, 0, False
        self.short: dict[Key, float] = {}

    def run(self, budget: float | None) -> None:
        """Search the cheapest plan, or the best one within a budget."""
        demands = self.whole_demands
        by_hand = _by_hand(demands, self.prices)
        search = RemedySearch(_split_composites(demands, by_hand), seconds=self.seconds, gap=self.gap, tell=self.tell)
        self.greedy = math.nan if by_hand is None else search.cost(by_hand)
        relaxed = search.relaxed()
        if relaxed.x is None:
            self._give_way(search)
        else:
            search.bound = relaxed.cost_yuan
            search.thin(relaxed.x)
            found = search.whole(by_hand, relaxed.x)
            if found.x is None:
                self._give_way(search)
            else:
                self._take(found, search)
        if demands.composites and any(c.coefficient(np.zeros(len(self.x))) > c.limit for c in demands.composites):
            self.bound = math.nan  # the sum of coefficients is split by hand: no proof
        if budget is not None and search.cost(self.x) > budget:
            self._within(search, budget)
        self.rounds = search.rounds

    def _take(self, found: RemedySolution, search: RemedySearch) -> None:
        assert found.x is not None
        self.x, self.bound = found.x, found.bound_yuan

    def _give_way(self, search: RemedySearch) -> None:
        """Find the least that has to stay short, hold the rest, and minimise the cost of that."""
        loose = search.relaxed(elastic=True)
        if loose.x is None:
            return
        caps = {key: amount * 1.0001 + 1e-6 for key, amount in loose.lines.items()}
        search.loose = {key[0] for key in caps}
        search.until = max(search.until, time.monotonic() + 0.4 * self.seconds)
        found = search.whole(None, None, caps=caps)
        if found.x is None:  # whole units need more room than shares of units
            found = search.whole(None, None, elastic=True)
        if found.x is not None:
            self.x, self.short, self.bound = found.x, found.short or loose.short, math.nan

    def _within(self, search: RemedySearch, budget: float) -> None:
        """Spend no more than there is; what is ordered in full units must fit as well."""
        left = budget
        self.budgeted, self.bound = True, math.nan
        search.until = max(search.until, time.monotonic() + 0.4 * self.seconds)
        search.lower()
        for _ in range(4):
            found = search.whole(None, None, budget_yuan=max(0.0, left))
            if found.x is None:
                break
            over = search.cost(found.x) - budget
            if over <= 0:
                self.x = found.x
                return
            left -= over + self._a_unit_each(found.x)  # rounding up to full units must fit as well
        self.x = np.zeros_like(self.x)

    def _a_unit_each(self, x: Floats) -> float:
        """Return what half a unit more of everything bought by measure costs."""
        levers = self.whole_demands.levers
        return sum(0.5 * lever.step * lever.cost_yuan for lever, n in zip(levers, x, strict=True)
                   if n > 0 and not lever.whole)  # fmt: skip


def _by_hand(demands: Demands, prices: Floats) -> Floats | None:
    """Return the plan made by hand, in units people order in where that still meets everything."""
    greedy = Greedy(demands, prices)
    found = greedy.run()
    if found is None:
        return None
    greedy.x = _rounded(demands, found)
    return greedy.x if greedy.met() else found


def _split_composites(demands: Demands, by_hand: Floats | None) -> Demands:
    """Give each coefficient of a composite above its limit a limit of its own: what planning by hand makes of it.

    The mean of several coefficients is no convex condition; with the shares fixed it is as many cones.
    """
    cones, zero = list(demands.cones), np.zeros(len(demands.levers))
    for composite in demands.composites:
        now = composite.coefficient(zero)
        if now <= composite.limit:
            continue
        if by_hand is not None and composite.coefficient(by_hand) <= composite.limit:
            limits = [cone.coefficient(by_hand) for cone in composite.cones]
            spare = composite.limit / float(np.mean(limits))
        else:
            limits, spare = [cone.coefficient(zero) for cone in composite.cones], composite.limit / now
        cones += [replace(cone, limit=limit * spare) for cone, limit in zip(composite.cones, limits, strict=True)]
    return replace(demands, cones=cones)


def _bases(demands: Demands, x: Floats) -> dict[str, str]:
    """Return for each item whether it is met by priced actions, by a decision, or only aimed at."""
    out: dict[str, str] = {}
    for row in demands.rows:
        used = [demands.levers[j].basis for j in row.at if x[j] > 0] if row.code and _value(row, x * 0) < 0 else []
        worst = max([*used, out.get(row.code, "priced")], key=WORSE.__getitem__)
        out[row.code] = worst
    return out


def _named(measure: Measure) -> list[str]:
    """Return the names in a formula over schools or stages."""
    return indicators.names_in(measure.formula) if measure.source in ("schools", "stages") else []


def _in_time(book: Catalogue, spare: int) -> Catalogue:
    """Leave out what cannot be in use by the date."""
    late = [i for i, action in book.all.items() if action.lead_years > spare]
    return book.without(late) if late else book
