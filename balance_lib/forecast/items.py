"""Carry an item of a standard forward against its line, and put growth rules and yearly falls in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import evaluation
from balance_lib.data.county import County
from balance_lib.evaluation import ItemResult, indicators
from balance_lib.evaluation.judge import line_of
from balance_lib.forecast import counting, path
from balance_lib.forecast.path import Crossing
from balance_lib.forecast.settings import assumptions
from balance_lib.locale import Message, unit
from balance_lib.standards import Item, Standard


@dataclass(frozen=True)
class ItemPath:
    """Hold one item's value over the years against its line, its path, and when it crosses.

    Parameters
    ----------
    item : Item
    rows : DataFrame
        year, value, low, high, projected, threshold, gap, status (the evaluation's; projected rows: met or not_met).
    crossing : Crossing
    again : DataFrame
        origin, year, forecast, actual, inside: the same path made again from each earlier year.
    """

    item: Item
    rows: pd.DataFrame
    crossing: Crossing
    again: pd.DataFrame

    @property
    def due_year(self) -> int | None:
        """Return the school year in which the deadline lies: the last one judged on or before it counts."""
        due = self.item.due
        return None if due is None else due.year - (due.month <= 8)

    @property
    def in_time(self) -> bool | None:
        """Tell whether the path satisfies the line when the deadline comes; None when it cannot be told."""
        if self.due_year is None:
            return None
        rows = self.rows[(self.rows["year"] <= self.due_year) & self.rows["value"].notna()]
        if rows.empty or int(rows["year"].iloc[-1]) < self.due_year:
            return None
        return bool(rows["status"].iloc[-1] == "met")

    @property
    def tested(self) -> Message | None:
        """Return how far the same forecasts made in earlier years were off; None of an item without a path."""
        if not self.rows["projected"].any():
            return None
        found = self.again
        wrong = (found["forecast"] - found["actual"]).abs() / found["actual"].abs()
        wrong = wrong[found["actual"] != 0]
        if wrong.empty:
            return Message("trends.back_test.no_paths")
        told = {"n": len(found), "inside": int(found["inside"].sum()), "median": f"{100 * wrong.median():.1f}"}
        return Message("trends.back_test.item", told)


def item_path(
    county: County,
    standard: Standard,
    code: str,
    *,
    to: int | None = None,
    year: int | None = None,
    history: pd.DataFrame | None = None,
    level: float = 0.8,
) -> ItemPath:
    """Carry one item forward.

    An item that counts schools by their indicators is counted from the paths of those schools, so that the two never
    contradict each other; another figure goes on as it did (:func:`path.fit`).

    Parameters
    ----------
    county : County
    standard : Standard
    code : str
        Code of a judged item.
    to : int, optional
        Last year; by default the deadline's year, at least five years on.
    year : int, optional
        Last counted year to look at; the county's last by default.
    history : DataFrame, optional
        Rows of ``evaluation.history_of_item`` if they are at hand.
    level : float
        Share of cases the band is to hold.

    Returns
    -------
    ItemPath
        A growth rule has no path: it is judged anew every year on what happened in that year. Nor has a target of
        exactly so many that is reached: the task is done, and its figure has no trend to go on with.
    """
    item = standard.item(code)
    history = evaluation.history_of_item(county, standard, code) if history is None else history
    base = county.years[-1] if year is None else year
    history = history[history["year"] <= base].sort_values("year")
    rule = item.measure is not None and item.measure.transform != "level"
    done = len(history) > 0 and is_done(item, history.iloc[-1])
    end = base + 5 if item.due is None else max(base + 5, item.due.year)
    end = base if rule or done else to or end
    line = line_by_date(standard, item)
    # What the evaluation judged by stands: a rule may have a line of its own every year.
    given = {int(y): float(t) for y, t in zip(history["year"], history["threshold"], strict=True) if not math.isnan(t)}
    if (of_schools := counting._of_schools(county, standard, item, base, end)) is not None:
        ahead, again = of_schools
        given |= dict(zip(ahead["year"], ahead["threshold"], strict=True))
        known = history[history["value"].notna()][["year", "value"]]
        known = known.assign(low=known["value"], high=known["value"], projected=False)
        found = pd.concat([known, ahead.drop(columns="threshold")], ignore_index=True)
    else:
        low, high = bounds(item, history["value"])
        years, values = history["year"].tolist(), history["value"].tolist()
        found = path.fit(years, values, end, level=level, share=share(), low=low, high=high)
        again = path.forecasts(years, values, share=share())

    def line_of_year(year: int) -> float:
        return given.get(year, line(year))

    found = path._with_line(found, item.operator, line_of_year)
    judged = dict(zip(history["year"], history["status"], strict=True))
    ahead_status = [("met" if gap >= -1e-9 else "not_met") for gap in found["gap"]]
    found["status"] = [judged.get(y, a) for y, a in zip(found["year"], ahead_status, strict=True)]
    if rule:
        crossed = Crossing("no_data", math.nan, math.nan, math.nan, Message("trends.cross.rule"))
    else:
        crossed = path.crossing(found, item.operator, line_of_year if of_schools is not None else line, _unit(item))
        crossed = path.believed(crossed, again, level)
    return ItemPath(item, found, crossed, again)


def is_done(item: Item, last: Any) -> bool:
    """Tell whether a target of exactly so many is reached: such a figure has no trend to go on with.

    Parameters
    ----------
    item : Item
    last : object
        What was found last: its value and its threshold.
    """
    return item.operator == "==" and bool(last.value == last.threshold)


def bounds(item: Item, values: Any) -> tuple[float, float]:
    """Return what an item's figure can be at least and at most.

    A count is not negative, a share not above 100 %, and no more of the items one is made of are met than there are.

    Parameters
    ----------
    item : Item
    values : object
        Figures, one for each place.
    """
    low = -math.inf if (np.asarray(values, dtype=float) < 0).any() else 0.0
    parts = len(item.measure.items) if item.measure is not None else 0
    return low, 100.0 if item.is_share else float(parts or math.inf)


def share() -> float:
    """Return the standard deviation of a trend that is wrong, in shares of an item's value a year: see ``path.fit``."""
    return float(assumptions()["spread"]["item"]["share"])


def _unit(item: Item) -> Any:
    return unit(item.judged_unit)


def line_by_date(standard: Standard, item: Item) -> Any:
    """Return the line of an item as a function of the school year.

    Items of one standard that measure the same thing with other lines and other deadlines are the stages of one
    line: until the first deadline its line is worked towards, from each deadline on the line it brings counts.

    Parameters
    ----------
    standard : Standard
    item : Item
    """
    stages = sorted(
        (other.due, line_of(other))
        for other in standard.judged
        if other.due is not None and _same_figure(other, item) and not math.isnan(line_of(other))
    )
    own = line_of(item)
    if len({line for _, line in stages}) < 2:
        return lambda year: own

    def line(year: int) -> float:
        passed = [at for due, at in stages if due <= date(year + 1, 8, 31)]
        return passed[-1] if passed else stages[0][1]

    return line


def _same_figure(one: Item, other: Item) -> bool:
    """Tell whether two items measure the same figure in the same direction."""
    a, b = one.measure, other.measure
    if a is None or b is None or a.source in ("evidence", "reported"):
        return False
    key = ("source", "formula", "judge", "transform", "years", "where", "of", "items", "at_least")
    return (
        one.operator == other.operator and one.stage == other.stage and all(getattr(a, k) == getattr(b, k) for k in key)
    )


@dataclass(frozen=True)
class Steps:
    """Hold a test of yearly steps: does a figure fall (or rise) every year?

    Parameters
    ----------
    rows : DataFrame
        year, value, before, change, met (True, False, None): one row a year after the first.
    verdict : bool or None
        False as soon as one year fails; None while a year is missing; True otherwise.
    """

    rows: pd.DataFrame
    verdict: bool | None

    @property
    def message(self) -> Message:
        """Return what was found, with the years that fail."""
        fails = [int(year) for year, met in zip(self.rows["year"], self.rows["met"], strict=True) if met is False]
        if self.verdict is None:
            return Message("trends.steps.no_data")
        first = int(self.rows["year"].min()) - 1 if len(self.rows) else 0
        params = {"first": first, "last": int(self.rows["year"].max()), "n": len(self.rows), "fails": len(fails)}
        names = "、".join(map(str, fails))
        return Message("trends.steps.met" if self.verdict else "trends.steps.not_met", {**params, "years": names})


def falls_every_year(years: Sequence[int], values: Sequence[float], *, strictly: bool = True) -> Steps:
    """Test whether a figure falls from every year to the next (逐年降低).

    Parameters
    ----------
    years, values : sequences
        A calendar year without a value leaves its steps open: no step is taken over a gap.
    strictly : bool
        Whether a year without change fails.

    Examples
    --------
    >>> falls_every_year([2020, 2021, 2022], [0.5, 0.4, 0.41]).verdict
    False
    """
    known = {int(y): float(v) for y, v in zip(years, values, strict=True)}
    rows = []
    for year in range(min(known) + 1, max(known) + 1) if known else ():
        value, before = known.get(year, math.nan), known.get(year - 1, math.nan)
        change = value - before
        met = None if math.isnan(change) else bool(change < -1e-12 if strictly else change <= 1e-12)
        rows.append((year, value, before, change, met))
    table = pd.DataFrame(rows, columns=["year", "value", "before", "change", "met"]).astype({"met": object})
    found = list(table["met"])
    verdict = False if any(m is False for m in found) else None if not found or any(m is None for m in found) else True
    return Steps(table, verdict)


@dataclass(frozen=True)
class GrowthRule:
    """Hold one growth rule (三个增长, 两个比例) with its numbers.

    Parameters
    ----------
    result : ItemResult
        The evaluation's finding.
    rows : DataFrame
        year, figure, before, growth (the figure's change or growth in percent), line, met; ``line`` is what it is held
        against: zero, or another figure's growth.
    """

    result: ItemResult
    rows: pd.DataFrame


def growth_rules(
    county: County, standard: Standard, *, year: int, measures: Mapping[Any, Any] | None = None
) -> list[GrowthRule]:
    """Return every rule of a standard that looks at the change of a county figure over years, with the numbers.

    Parameters
    ----------
    county : County
    standard : Standard
        For 三个增长 and 两个比例 over four and three years: 阿合奇's plan.
    year : int
        Last school year of the rules.
    measures : mapping, optional
        As for ``evaluation.evaluate``.
    """
    codes = [
        item.code
        for item in standard.judged
        if item.measure is not None and item.measure.source == "county" and item.measure.transform != "level"
    ]
    if not codes:
        return []
    frames = indicators.frames(county, standard)
    out = []
    for result in evaluation.evaluate(county, standard, year=year, measures=measures, codes=codes).items:
        measure = result.item.measure
        if measure is None or result.rows is None:
            continue
        values = frames.values("county", measure.formula, measure.blank_is_zero)
        figure = pd.Series(values, index=frames.column("county", "year").astype(int))
        rows = result.rows.rename(columns={"value": "growth", "threshold": "line"})
        before = figure.reindex(rows["year"] - 1).to_numpy()
        rows = rows.assign(figure=figure.reindex(rows["year"]).to_numpy(), before=before)
        out.append(GrowthRule(result, rows[["year", "figure", "before", "growth", "line", "met"]]))
    return out
