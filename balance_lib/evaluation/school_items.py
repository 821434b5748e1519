"""Judge items about schools: a figure of every row, indicators, the school rule, difference coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import standards
from balance_lib.data import tables
from balance_lib.evaluation import indicators, schools, wording
from balance_lib.evaluation.county_items import CountySeries
from balance_lib.evaluation.figures import quantity
from balance_lib.evaluation.finding import (
    Context,
    Floats,
    Ints,
    Missing,
    Rows,
    _worst_of,
    line_of,
    over_whole,
    single,
    stages_of,
)
from balance_lib.evaluation.indicators.comparison import _gaps
from balance_lib.evaluation.result import ItemResult, RowCounts
from balance_lib.evaluation.wording import number
from balance_lib.locale import Message
from balance_lib.standards import STAGES, Item, Measure, Standard

_PLACE = {"schools": ["school_id"], "stages": ["school_id", "stage"], "townships": ["township"], "county": []}


def _judge_rows(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a figure of schools, school stages or townships: every row, their total, or the share that satisfies."""
    source, frames = measure.source, context.frames
    if source == "townships" and frames.frame(source).empty:  # every county has townships: the table is missing
        label = {lang: tables.table("townships").label(lang) for lang in ("zh", "en")}
        lacking = Message("reason.missing", {"names": label, "year": context.year})
        return ItemResult(item, "no_data", lacking, threshold=line_of(item))
    at, unknown = _rows_of(item, measure, context)
    if not len(at):
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    values, lines = _variants(item, measure, context, at)
    names = indicators.names_in(measure.formula) + (indicators.names_in(measure.where) if measure.where else [])
    places = frames.column(source, "township" if source == "townships" else "school_id")[at]

    def missing() -> Message:
        columns = {name: frames.column(source, name)[at] for name in names}
        return wording._missing_rows(names, columns, values, places, context.county)

    def rows(shown: Callable[[Any], pd.DataFrame]) -> pd.DataFrame:
        here = frames.frame(source).iloc[at][_PLACE[source]]
        return here.join(shown(here.index))

    over = over_whole(values, item)
    if over.any():
        told = {"count": int(over.sum()), "names": wording.names(list(places[over]), context.county)}
        return ItemResult(item, "no_data", Message("reason.over_whole_rows", told), threshold=line_of(item))
    known = np.where(unknown, np.nan, values)
    if measure.judge == "total":
        whole = partial(rows, lambda index: _plain(known, math.nan, np.full(len(at), None), index))
        return single(item, _total(measure, context, at, known), line_of(item), missing, rows=whole)
    if measure.judge == "share":
        found = np.where(np.isnan(known), -1, known == 1.0).astype(np.int8)
        each = partial(rows, lambda index: _plain(known, 1.0, schools.told(found), index))
        result = single(item, 100.0 * float(known.sum() / len(known)), line_of(item), missing, rows=each)
        return replace(result, counted=RowCounts("township" if source == "townships" else "school", places, found))
    every = partial(rows, lambda index: schools._judged(known, item.operator, lines, index))
    return _every(
        item, places, "township" if source == "townships" else "school", known, lines, missing, context, every
    )


def _plain(values: Floats, threshold: float, met: Any, index: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"value": values, "threshold": threshold}, index=index)
    return frame.assign(met=pd.Series(met, dtype=object, index=index))


def _rows_of(item: Item, measure: Measure, context: Context) -> tuple[Ints, Any]:
    """Return the rows an item speaks of, and which of them only may be among them."""
    source, frames = measure.source, context.frames
    at = frames.at(source, context.year)
    counted, unknown = frames.satisfying(source, measure.where)
    at = at[(counted | unknown)[at]]
    switches = dict(context.switches)
    for variant in measure.variants:
        if variant.leaves and switches.get(variant.when):
            at = at[~frames.satisfying(source, variant.where)[0][at]]
    if source == "stages" and item.stage in STAGES:
        at = at[frames.column(source, "stage")[at] == item.stage]
    elif source == "schools" and item.stage in STAGES:
        mine = frames.at("stages", context.year)
        taught = set(frames.column("stages", "school_id")[mine[frames.column("stages", "stage")[mine] == item.stage]])
        at = at[[school in taught for school in frames.column("schools", "school_id")[at]]]
    return at, unknown[at]


def _variants(item: Item, measure: Measure, context: Context, at: Ints) -> tuple[Floats, Floats]:
    values = context.frames.values(measure.source, measure.formula, measure.blank_is_zero)[at]
    lines = np.full(len(at), line_of(item))
    switches = dict(context.switches)
    for variant in (v for v in measure.variants if switches.get(v.when)):
        applies = context.frames.satisfying(measure.source, variant.where)[0][at]
        if isinstance(variant.formula, str):
            changed = context.frames.values(measure.source, variant.formula, variant.blank_is_zero)[at]
            values = np.where(applies, changed, values)
        if variant.value is not None:
            lines = np.where(applies, variant.value, lines)
    return values, lines


def _total(measure: Measure, context: Context, at: Ints, values: Floats) -> float:
    """Compute the formula on the columns' totals: 100·Σa/Σb, not the mean of ratios."""
    if np.isnan(values).any():
        return math.nan
    columns = {n: context.frames.column(measure.source, n)[at] for n in indicators.names_in(measure.formula)}
    totals = {n: np.array([c.sum() if c.dtype.kind == "f" else np.nan]) for n, c in columns.items()}
    return float(indicators.Formula(measure.formula)(totals)[0])


def _every(
    item: Item,
    places: Any,
    of: str,
    values: Floats,
    lines: Floats,
    missing: Missing,
    context: Context,
    rows: Rows,
    allowed: Any = None,
) -> ItemResult:
    """Judge that every row satisfies the line; ``allowed`` rows below it are let pass by a rule of the standard."""
    gap = _gaps(values, item.operator, lines)
    found = schools._findings(gap, item.operator, lines)
    held = found if allowed is None else np.where(allowed, 1, found)

    def shown() -> pd.DataFrame:
        table = rows()
        return table if allowed is None else table.assign(met=table["met"].where(~allowed, True))

    counted = RowCounts(of, places, held if allowed is None else np.where(allowed, 2, found).astype(np.int8))
    fails, unknown = held == 0, held == -1
    if not fails.any() and unknown.any():
        return ItemResult(item, "no_data", missing(), threshold=line_of(item), behind=shown, counted=counted)
    at_line = np.ones(len(held), dtype=bool) if allowed is None else ~allowed
    worst = _worst_of(gap, fails if fails.any() else at_line if at_line.any() else ~at_line)
    key = "not_met" if fails.any() else "met"
    params = {
        "of": Message(counted.word),
        "n": counted.n,
        "met": len(counted.at_line),
        "fails": len(counted.below),
        "worst": wording.names([places[worst]], context.county),
        "value": quantity(values[worst], item.judged_unit, lines[worst], item.operator),
        "required": wording.required(item, float(lines[worst])),
    }
    reason = Message(f"reason.every.{key}", params)
    if counted.by_floor:
        floor = rule_floor(context.standard)
        told = {"floor": len(counted.by_floor), "names": wording.names(counted.by_floor, context.county)}
        passed = Message("reason.every.floor", {**params, **told, "percent": number(100 * floor)})
        reason = passed if key == "met" else Message("reason.with_note", {"why": reason, "note": passed})
    least = float(gap[worst])
    least = max(0.0, least) if key == "met" and item.operator != "==" else least
    return ItemResult(item, key, reason, float(values[worst]), float(lines[worst]), least, shown, counted)


def rule_floor(standard: Standard) -> float:
    """Return the share of a line a school must still reach in the indicator it may miss; 0 without such a rule."""
    floors = [i.measure.floor_share for i in standard.items if i.measure and i.measure.source == "school_rule"]
    return float(floors[0] or 0.0) if floors else 0.0


def _judge_indicator(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge an indicator school by school; where the standard lets a school leave one indicator at a floor, it may."""
    sheet, stages = context.sheet, stages_of(item)
    at = sheet.rows(context.year, stages)
    if not len(at) or measure.formula not in sheet.names:
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    column = sheet.names.index(measure.formula)
    values, lines = sheet.values[at, column], np.full(len(at), line_of(item))
    places = sheet.school[at]

    def missing() -> Message:
        spec = context.standard.indicators[measure.formula]
        names = [n for stage in stages for n in indicators.names_in(indicators.formula_of(spec, stage) or "0")]
        columns = {name: sheet.frames.column("stages", name)[sheet.at[at]] for name in names}
        return wording._missing_rows(names, columns, values, places, context.county)

    def rows() -> pd.DataFrame:
        index = at * len(sheet.names) + column
        here = pd.DataFrame({"school_id": places, "stage": sheet.stage[at]}, index=index, dtype="str")
        return here.join(schools._judged(values, item.operator, lines, index))

    allowed = _allowed(values, lines, item, context)
    return _every(item, places, "school", values, lines, missing, context, rows, allowed)


def _allowed(values: Floats, lines: Floats, item: Item, context: Context) -> Any:
    """Tell which schools may stay below the line here: the school passes its rule all the same."""
    stages, at = stages_of(item), context.sheet.rows(context.year, stages_of(item))
    if all(schools.rule_item(context.standard, stage) is None for stage in stages if stage in context.sheet.stage[at]):
        return None
    passes = np.zeros(len(at), dtype=bool)
    for stage in stages:
        if (rule := context.sheet.rule(context.year, stage)) is not None:
            passes[context.sheet.stage[at] == stage] = [passed is True for passed in rule["passes"]]
    below = schools._findings(_gaps(values, item.operator, lines), item.operator, lines) == 0
    return below & passes


def _judge_rule(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge that every included school meets so many of the indicators and the rest at the floor."""
    rules = [rule for stage in stages_of(item) if (rule := _rule_of(stage, measure, context)) is not None]
    if not rules:
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    passes = np.concatenate([rule["passes"] for rule in rules])
    n, fails, unknown = len(passes), sum(p is False for p in passes), sum(p is None for p in passes)
    spoken_of = {key for rule in rules for key in zip(rule["school_id"], rule["stage"], strict=True)}

    def detail() -> pd.DataFrame:
        table = schools.rules_of(context.county, context.standard, context.switches, context.year)
        table = table[[key in spoken_of for key in zip(table["school_id"], table["stage"], strict=True)]]
        return table[["school_id", "stage"]].assign(
            value=table["met_count"].astype(float), threshold=measure.at_least, met=table["passes"]
        )

    schools_of_rule = np.concatenate([rule["school_id"] for rule in rules])
    found = np.array([-1 if p is None else int(p) for p in passes], dtype=np.int8)
    counted = RowCounts("school", schools_of_rule, found)
    if not fails and unknown:
        names = wording.names(counted.unknown, context.county)
        told = {"n": n, "counted": Message(counted.word), "unknown": unknown, "names": names}
        return ItemResult(item, "no_data", Message("reason.rule.no_data", told), behind=detail, counted=counted)
    share, line = 100.0 * (n - fails - unknown) / n, line_of(item)
    key = "not_met" if fails else "met"
    params = {
        "n": n,
        "counted": Message(counted.word),
        "passes": n - fails - unknown,
        "fails": fails,
        "at_least": measure.at_least,
        "names": wording.names(counted.below, context.county),
        "floor": number(100 * float(measure.floor_share or 0)),
        "of": max(int(rule["of"].max()) for rule in rules),
    }
    reason = Message(f"reason.rule.{key}", params)
    return ItemResult(item, key, reason, share, line, share - line, detail, counted)


def _rule_of(stage: str, measure: Measure, context: Context) -> dict[str, Any] | None:
    """Return the school rule's findings of a stage for the schools the item speaks of; None when there are none."""
    rule = context.sheet.rule(context.year, stage)
    if rule is None or measure.where is None:
        return rule
    yes, unknown = context.frames.satisfying("stages", measure.where)
    kept = (yes | unknown)[context.sheet.at[context.sheet.rows(context.year, (stage,))]]
    return {name: np.asarray(column)[kept] for name, column in rule.items()} if kept.any() else None


def _judge_cv(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a difference coefficient, or its change from year to year, in one stage or in both."""
    standard = standards.load(measure.of) if measure.of else context.standard
    switches = tuple(sorted(standard.switches().items())) if measure.of else context.switches
    sheet = schools.sheet(context.county, standard, switches)
    now = [row for stage in sorted(stages_of(item)) for row in _cvs(sheet, measure, context.year, stage)]
    if not now:
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    years = list(range(context.year - measure.years + 1, context.year + 1))
    pairs = [(year, row["stage"]) for row in now for year in years]
    series = {row["stage"]: _cv_series(sheet, measure, row["stage"], years) for row in now}
    values = np.array([series[stage][year] for year, stage in pairs])
    lines = np.full(len(pairs), line_of(item))
    gap = _gaps(values, item.operator, lines)
    found = schools._findings(gap, item.operator, lines)

    def rows() -> pd.DataFrame:
        table = schools._judged(values, item.operator, lines)
        table.insert(0, "year", [year for year, _ in pairs])
        return table.assign(stage=[stage for _, stage in pairs])

    fails, missing = found == 0, partial(_missing_cv, sheet, list(series), measure, context)
    if not fails.any() and np.isnan(values).any():
        return ItemResult(item, "no_data", missing(), threshold=line_of(item), behind=rows)
    worst = _worst_of(gap, fails if fails.any() else np.ones(len(pairs), dtype=bool))
    year, stage = pairs[worst]
    where = {"n": max(row["n"] for row in now), "year": year, "stage": Message(f"stage.{stage}")}
    note = Message("reason.cv.note", where)
    return single(item, float(values[worst]), float(lines[worst]), missing, note, rows)


def _cvs(sheet: schools.IndicatorSheet, measure: Measure, year: int, stage: str) -> list[dict[str, Any]]:
    return [row for row in sheet.coefficients(year, stage) if row["indicator"] == measure.formula]


def _cv_series(sheet: schools.IndicatorSheet, measure: Measure, stage: str, years: list[int]) -> CountySeries:
    span = years if measure.transform == "level" else [years[0] - 1, *years]
    known = {year: row["cv"] for year in span for row in _cvs(sheet, measure, year, stage)}
    return CountySeries(list(known), list(known.values()), measure.transform)


def _missing_cv(sheet: schools.IndicatorSheet, stages: list[str], measure: Measure, context: Context) -> Message:
    """Name the schools without which a coefficient cannot be computed: a figure is missing, or there are no pupils."""
    first = context.year - measure.years + 1 - (measure.transform != "level")
    mine = (sheet.year >= first) & (sheet.year <= context.year) & np.isin(sheet.stage.astype(str), stages)
    columns = slice(None) if measure.formula == schools.COMPOSITE else [sheet.names.index(measure.formula)]
    lacks = np.isnan(sheet.values[:, columns]).any(axis=1) | ~(sheet.pupils > 0)
    lacking = list(dict.fromkeys(sheet.school[mine & lacks]))
    if not lacking:
        return Message("reason.cv.nothing")
    n = len(set(sheet.school[mine]))
    said = {"missing": len(lacking), "n": n, "names": wording.names(lacking, context.county)}
    return Message("reason.cv.no_data", said)
