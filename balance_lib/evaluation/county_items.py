"""Judge items about the county as a whole: its figures year by year, what it reports, what was found on the spot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.data.kept import keep, once_per_county
from balance_lib.evaluation import indicators, schools, wording
from balance_lib.evaluation.figures import quantity
from balance_lib.evaluation.finding import Context, _worst_of, line_of, over_whole, single
from balance_lib.evaluation.indicators.comparison import _gaps
from balance_lib.evaluation.result import ItemResult
from balance_lib.locale import Message
from balance_lib.standards import Item, Measure, Standard


class CountySeries:
    """Hold a county figure by year: as it is, against the year before, or against all years since the first known."""

    def __init__(self, years: Sequence[Any], values: Sequence[Any], transform: str) -> None:
        self.level = {int(year): float(value) for year, value in zip(years, values, strict=True)}
        self.transform = transform

    def knows(self, year: int) -> bool:
        """Tell whether the series has the year at all; between the first and the last, changes are reckoned."""
        if self.transform == "level" or not self.level:
            return year in self.level
        return min(self.level) <= year <= max(self.level)

    def __getitem__(self, year: int) -> float:
        now, before = self.level.get(year, math.nan), self.level.get(year - 1, math.nan)
        if self.transform == "level":
            return now
        if self.transform in ("fall", "sum"):
            first = min((each for each, value in self.level.items() if value == value), default=year)
            known = [self.level.get(each, math.nan) for each in range(first, year + 1)]
            return known[0] - now if self.transform == "fall" else sum(known) if known else math.nan
        # A year without a row must not be bridged: change is against the calendar year before.
        if self.transform == "change":
            return now - before
        return 100.0 * (now / before - 1.0) if before > 0 else math.nan


def _judge_county(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a county figure, in each of the last n years when the rule asks for it; the worst year counts."""
    if not _applies(measure, context):
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    figure, line = _county_series(measure.formula, measure, context), line_of(item)
    years = list(range(context.year - measure.years + 1, context.year + 1))
    if measure.against:
        against = _county_series(measure.against, measure, context)
        lines = np.array([against[year] for year in years])
    else:
        lines = np.array([line if figure.knows(year) else math.nan for year in years])
    values = np.array([figure[year] for year in years])
    gap = _gaps(values, item.operator, lines)
    found = schools._findings(gap, item.operator, lines)
    names = indicators.names_in(measure.formula) + (indicators.names_in(measure.against) if measure.against else [])
    missing = partial(wording._missing_figures, names, context.frames, context.year, measure)

    if (over := over_whole(values, item)).any():
        at = int(np.flatnonzero(over)[-1])
        return ItemResult(item, "no_data", _over_whole(item, values[at], years[at]), float(values[at]), line)

    def rows() -> pd.DataFrame:
        return schools._judged(values, item.operator, lines).assign(year=years)[
            ["year", "value", "threshold", "gap", "met"]
        ]

    fails = found == 0
    if not fails.any() and (found == -1).any():
        return ItemResult(item, "no_data", missing(), behind=rows)
    worst = _worst_of(gap, fails if fails.any() else found == 1)
    result = single(item, float(values[worst]), float(lines[worst]), missing, None, rows)
    if measure.years == 1 or result.status not in ("met", "not_met"):
        return result
    span = {"first": years[0], "last": years[-1], "n": len(years), "fails": int(fails.sum()), "worst": years[worst]}
    return replace(result, reason=Message(f"reason.years_{result.status}", {**span, "why": result.reason}))


def _over_whole(item: Item, value: float, year: int) -> Message:
    return Message("reason.over_whole", {"value": quantity(value, item.judged_unit, 100.0), "year": year})


def _applies(measure: Measure, context: Context) -> bool:
    """Tell whether the county has what the item speaks of in this year, such as pupils of special schools."""
    at = context.frames.at("county", context.year)
    yes, unknown = context.frames.satisfying("county", measure.where)
    return not len(at) or bool((yes | unknown)[at].any())


def _county_series(formula: str, measure: Measure, context: Context) -> CountySeries:
    return _series(context.frames, formula, tuple(measure.blank_is_zero), measure.transform)


def series_of(county: County, standard: Standard, measure: Measure) -> dict[int, float]:
    """Return a county formula in every school year the county has, judged or not; NaN where data are missing.

    Parameters
    ----------
    county : County
    standard : Standard
        Whose indicators and included schools are meant.
    measure : Measure
        Of source ``county``.
    """
    frames = indicators.frames(county, standard)
    if not all(frames.has("county", name) for name in indicators.names_in(measure.formula)):
        return dict.fromkeys(county.years, math.nan)
    found = _series(frames, measure.formula, tuple(measure.blank_is_zero), measure.transform)
    return {year: found[year] for year in county.years}


def _series(frames: indicators.Frames, formula: str, blank_is_zero: tuple[str, ...], transform: str) -> CountySeries:
    """Return a county figure by year, made once for all the years that are judged."""

    def make() -> CountySeries:
        values = frames.values("county", formula, blank_is_zero)
        return CountySeries(frames.column("county", "year").tolist(), values.tolist(), transform)

    return keep(frames.series, (formula, blank_is_zero, transform), make, most=512)


def _judge_given(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a measure another room computed and handed in, such as the longest walk of a day pupil."""
    given = context.given(measure.formula, item.stage)
    if given is None:
        spec = standards.measures().get(measure.formula, {})
        name = {lang: spec.get(lang, measure.formula) for lang in ("zh", "en")}
        reason = Message("reason.not_given", {"name": name})
        return ItemResult(item, "no_data", reason, threshold=line_of(item))
    table = given.rows

    def rows() -> pd.DataFrame:
        assert table is not None
        lines = pd.Series(line_of(item), index=table.index)
        found = schools._judge_column(table["value"], item.operator, lines)
        return table.assign(threshold=found["threshold"], gap=found["gap"], met=found["met"])

    return single(item, given.value, line_of(item), lambda: given.note, given.note, None if table is None else rows)


def _judge_reported(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a figure the county reports under the item's own code."""
    key = f"{context.standard.id}/{item.code}"
    value, source = _reported(context.county).get((context.year, key), (math.nan, None))
    missing = partial(Message, "reason.not_reported", {"key": key, "year": context.year})
    note = Message("reason.reported", {"source": source}) if isinstance(source, str) else None
    if over_whole(np.array(value), item):
        reason = _over_whole(item, value, context.year)
        result = ItemResult(item, "no_data", reason, value, line_of(item))
    else:
        result = single(item, value, line_of(item), missing, note)
    return replace(result, basis="reported", source=source if isinstance(source, str) else "")


@once_per_county
def _reported(county: County) -> dict[tuple[float, str], tuple[float, Any]]:
    table = county.tables["county_years"]
    keys = zip(table["year"], table["item"], strict=True)
    rows = zip(table["value"].astype(float), table["source"], strict=True)
    return dict(reversed(list(zip(keys, rows, strict=True))))


def _judge_evidence(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Take the finding recorded for this item in this year, with the document that shows it.

    Who asks for a day knows no document recorded later.
    """
    key = (context.standard.id, item.code, context.year)
    last = context.asked_on.isoformat() if context.asked_on else None
    rows = _evidence(context.county).get(key, [])
    known = [row for row in rows if last is None or _text(row[2])[:10] <= last]
    finding, document, _ = max(known, key=lambda row: _text(row[2]), default=(None, None, None))
    if finding not in ("met", "not_met"):  # a record without a finding finds nothing
        return ItemResult(item, "evidence", Message("reason.evidence.open"), basis="evidence")
    shown = document if isinstance(document, str) else "–"
    reason = Message(f"reason.evidence.{finding}", {"document": shown})
    return ItemResult(item, str(finding), reason, basis="evidence", source=shown)


def _text(value: Any) -> str:
    """Return a text; of a cell nobody filled nothing, which comes before every day."""
    return value if isinstance(value, str) else ""


@once_per_county
def _evidence(county: County) -> dict[tuple[Any, Any, Any], list[tuple[Any, Any, Any]]]:
    table = county.tables["evidence"]
    keys = zip(table["standard"], table["item_id"], table["year"], strict=True)
    rows = zip(table["finding"], table["document"], table["recorded_on"], strict=True)
    out: dict[tuple[Any, Any, Any], list[tuple[Any, Any, Any]]] = {}
    for key, row in zip(keys, rows, strict=True):
        out.setdefault(key, []).append(row)
    return out


def stated(item: Item, measure: Measure, context: Context) -> ItemResult | None:
    """Return what the county says itself of an item that is computed: a figure typed in, else a document; or None.

    Parameters
    ----------
    item : Item
    measure : Measure
    context : Context
    """
    key = f"{context.standard.id}/{item.code}"
    if (context.year, key) in _reported(context.county):
        return _judge_reported(item, measure, context)
    found = _judge_evidence(item, measure, context)
    return None if found.status == "evidence" else found
