"""Judge one item of a standard: find its value, hold it against the line, and say why in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from typing import Any

import pandas as pd

from balance_lib import indicators, locale, standards, tables
from balance_lib.county import County
from balance_lib.evaluation import schools
from balance_lib.evaluation.result import ItemResult, Measured
from balance_lib.locale import Message
from balance_lib.standards import STAGES, Item, Measure, Standard

_PLACE = {"schools": ["school_id"], "stages": ["school_id", "stage"], "townships": ["township"], "county": []}


@dataclass(frozen=True)
class Context:
    """Hold what every judgement needs: the county, the standard, the year and the day, switches and measures."""

    county: County
    standard: Standard
    year: int
    on: date
    switches: schools.Switches
    measures: Mapping[tuple[str, str], Measured]

    @property
    def frames(self) -> indicators.Frames:
        """Return the county's figures prepared for this standard."""
        return indicators.frames(self.county, self.standard)


def judge(item: Item, context: Context) -> ItemResult:
    """Give an item its status.

    A failing item whose deadline lies after the day of the evaluation is "not due"; a met one is met at once.
    """
    measure = item.measure
    if measure is None:
        return ItemResult(item, "evidence", Message("reason.no_measure"))
    result = _JUDGES[measure.source](item, measure, context)
    if result.status == "not_met" and item.due is not None and item.due > context.on:
        reason = Message("reason.not_due", {"why": result.reason, "due": item.due.isoformat()})
        return _with(result, status="not_due", reason=reason)
    return result


def _with(result: ItemResult, **changes: Any) -> ItemResult:
    return ItemResult(**{**vars(result), **changes})


def line_of(item: Item) -> float:
    """Return the number an item is judged by; NaN when it has none."""
    if item.threshold is not None:
        return float(item.threshold)
    return float(item.value) if isinstance(item.value, (int, float)) else math.nan


def _single(
    item: Item,
    value: float,
    threshold: float,
    missing: Callable[[], Message],
    note: Message | None = None,
    rows: pd.DataFrame | None = None,
) -> ItemResult:
    """Judge one number against one line."""
    met = schools.satisfies(value, item.operator, threshold)
    gap = schools.shortfall(value, item.operator, threshold)
    if met is None:
        return ItemResult(item, "no_data", missing(), value, threshold, rows=rows)
    key = "met" if met else "not_met"
    params = {
        "value": number(value),
        "threshold": number(threshold),
        "gap": number(abs(gap)),
        "unit": _unit(item),
    }
    reason = Message(f"reason.single.{key}", {**params, "op": _op(item)})
    if note is not None:
        reason = Message("reason.with_note", {"why": reason, "note": note})
    return ItemResult(item, key, reason, value, threshold, gap, rows)


def _judge_county(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a county figure, in each of the last n years when the rule asks for it; the worst year counts."""
    frame = context.frames.county_years
    series = _transform(_county_series(measure.formula, measure, context), measure.transform)
    lines = pd.Series(line_of(item), index=series.index)
    if measure.against:
        lines = _transform(_county_series(measure.against, measure, context), measure.transform)
    years = list(range(context.year - measure.years + 1, context.year + 1))
    rows = schools.judge_column(series.reindex(years), item.operator, lines.reindex(years))
    rows = rows.rename_axis("year").reset_index()
    names = indicators.names_in(measure.formula) + (indicators.names_in(measure.against) if measure.against else [])
    missing = partial(_missing, names, frame, context.year, measure)
    fails = rows[[m is False for m in rows["met"]]]
    if len(fails) == 0 and rows["met"].isna().any():
        return ItemResult(item, "no_data", missing(), rows=rows)
    worst = (fails if len(fails) else rows).sort_values("gap", kind="stable").iloc[0]
    note = None
    if measure.years > 1:
        note = Message(
            "reason.years",
            {
                "first": years[0],
                "last": years[-1],
                "n": len(years),
                "fails": len(fails),
                "worst": int(worst["year"]),
            },
        )
    return _single(item, worst["value"], worst["threshold"], missing, note, rows)


def _county_series(formula: str, measure: Measure, context: Context) -> pd.Series:
    values = context.frames.value("county", formula, measure.blank_is_zero)
    return pd.Series(values.to_numpy(), index=context.frames.county_years["year"].astype(int))


def _transform(series: pd.Series, how: str) -> pd.Series:
    if how == "level" or series.empty:
        return series
    # A year without a row must not be bridged: change is against the calendar year before.
    series = series.reindex(range(int(series.index.min()), int(series.index.max()) + 1))
    before = series.shift(1)
    return series - before if how == "change" else (100.0 * (series / before - 1.0)).where(before > 0)


def _judge_rows(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a figure of schools, school stages or townships: every row, their total, or the share that satisfies."""
    source, frames = measure.source, context.frames
    frame = frames.frame(source)
    if source == "townships" and frame.empty:  # every county has townships: the table is what is missing
        label = {lang: tables.table("townships").label(lang) for lang in ("zh", "en")}
        lacking = Message("reason.missing", {"names": label, "year": context.year})
        return ItemResult(item, "no_data", lacking, threshold=line_of(item))
    counted, unknown = frames.where(source, measure.where)
    here = frame["year"] == context.year
    if source == "stages" and item.stage in STAGES:
        here &= frame["stage"] == item.stage
    elif source in ("schools", "townships") and item.stage in STAGES:
        here &= _teaches(frames, frame, item.stage) if source == "schools" else True
    here &= counted | unknown
    if not here.any():
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    values, lines = _variants(item, measure, context, here)
    names = indicators.names_in(measure.formula) + (indicators.names_in(measure.where) if measure.where else [])
    missing = partial(_missing_rows, names, frame[here], values, context.county)
    if measure.judge == "total":
        return _judge_total(item, measure, context, here, values.mask(unknown[here]), missing)
    if measure.judge == "share":
        share = 100.0 * values.mask(unknown[here]).mean(skipna=False)
        rows = frame.loc[here, _PLACE[source]].assign(
            value=values, threshold=1.0, met=_truth(values == 1.0, values.isna())
        )
        return _single(item, share, line_of(item), missing, rows=rows)
    judged = schools.judge_column(values.mask(unknown[here]), item.operator, lines)
    return _every(item, frame.loc[here, _PLACE[source]].join(judged), missing, context)


def _teaches(frames: indicators.Frames, frame: pd.DataFrame, stage: str) -> pd.Series:
    taught = frames.stages[frames.stages["stage"] == stage]
    pairs = set(zip(taught["school_id"], taught["year"], strict=True))
    return pd.Series([pair in pairs for pair in zip(frame["school_id"], frame["year"], strict=True)], index=frame.index)


def _variants(item: Item, measure: Measure, context: Context, here: pd.Series) -> tuple[pd.Series, pd.Series]:
    values = context.frames.value(measure.source, measure.formula, measure.blank_is_zero)[here]
    lines = pd.Series(line_of(item), index=values.index)
    switches = dict(context.switches)
    for variant in (v for v in measure.variants if switches.get(v.when)):
        applies = context.frames.where(measure.source, variant.where)[0][here]
        if isinstance(variant.formula, str):
            changed = context.frames.value(measure.source, variant.formula, variant.blank_is_zero)[here]
            values = values.where(~applies, changed)
        if variant.value is not None:
            lines = lines.where(~applies, variant.value)
    return values, lines


def _judge_total(
    item: Item, measure: Measure, context: Context, here: pd.Series, values: pd.Series, missing: Callable[[], Message]
) -> ItemResult:
    """Evaluate the formula on the columns' totals: 100·Σa/Σb, not the mean of ratios."""
    frame = context.frames.frame(measure.source)[here]
    names = [name for name in indicators.names_in(measure.formula) if pd.api.types.is_numeric_dtype(frame[name])]
    totals = (
        frame[names].sum(skipna=False).to_frame().T if values.notna().all() else pd.DataFrame([dict.fromkeys(names)])
    )
    total = indicators.evaluate(totals.astype(float), measure.formula).iloc[0]
    rows = frame[_PLACE[measure.source]].assign(value=values, threshold=math.nan, met=None)
    return _single(item, float(total), line_of(item), missing, rows=rows)


def _every(
    item: Item, rows: pd.DataFrame, missing: Callable[[], Message], context: Context, allowed: pd.Series | None = None
) -> ItemResult:
    """Judge that every row satisfies the line; ``allowed`` rows below it are let pass by a rule of the standard."""
    held = rows if allowed is None else rows.assign(met=rows["met"].where(~allowed, True))
    fails = held[[m is False for m in held["met"]]]
    unknown = held[[m is None or (isinstance(m, float) and math.isnan(m)) for m in held["met"]]]
    if len(fails) == 0 and len(unknown):
        return ItemResult(item, "no_data", missing(), threshold=line_of(item), rows=held)
    worst = (fails if len(fails) else held).sort_values("gap", kind="stable").iloc[0]
    key = "not_met" if len(fails) else "met"
    of = "township" if "township" in held else "school"
    place = _names(pd.Series([worst[of if of == "township" else "school_id"]]), context.county)
    params = {
        "of": Message(f"count_of.{of}"),
        "n": len(held),
        "met": len(held) - len(fails) - len(unknown),
        "fails": len(fails),
        "worst": place,
        "value": number(worst["value"]),
        "threshold": number(worst["threshold"]),
        "unit": _unit(item),
        "op": _op(item),
    }
    reason = Message(f"reason.every.{key}", params)
    if allowed is not None and key == "met" and allowed.any():
        reason = Message("reason.allowance", {"why": reason, "n": int(allowed.sum())})
        worst = held[~allowed].sort_values("gap", kind="stable").iloc[0] if (~allowed).any() else worst
    gap = max(0.0, worst["gap"]) if key == "met" and item.operator != "==" else worst["gap"]
    return ItemResult(item, key, reason, float(worst["value"]), float(worst["threshold"]), float(gap), held)


def _judge_indicator(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge an indicator school by school; where the standard lets a school leave one indicator at a floor, it may."""
    table = schools.school_table(context.county, context.standard, context.switches)
    stages = (item.stage,) if item.stage in STAGES else STAGES
    rows = table[
        (table["year"] == context.year) & (table["indicator"] == measure.formula) & table["stage"].isin(stages)
    ]
    if rows.empty:
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    judged = schools.judge_column(rows["value"], item.operator, pd.Series(line_of(item), index=rows.index))
    rows = rows[["school_id", "stage"]].join(judged)
    spec = context.standard.indicators[measure.formula]
    names = [n for stage in stages for n in indicators.names_in(indicators.formula_of(spec, stage) or "0")]

    def missing() -> Message:
        mine = rows[["school_id", "stage"]].assign(year=context.year).merge(context.frames.stages, how="left")
        return _missing_rows(names, mine, rows["value"], context.county)

    return _every(item, rows, missing, context, _allowed(rows, context))


def _allowed(rows: pd.DataFrame, context: Context) -> pd.Series | None:
    """Tell which schools may stay below the line here: the school passes its rule all the same."""
    if all(schools.rule_item(context.standard, stage) is None for stage in rows["stage"].unique()):
        return None
    rules = schools.rule_table(context.county, context.standard, context.switches)
    rules = rules[(rules["year"] == context.year)].set_index(["school_id", "stage"])["passes"]
    passes = rules.reindex(pd.MultiIndex.from_frame(rows[["school_id", "stage"]])).to_numpy()
    below = [met is False for met in rows["met"]]
    return pd.Series([b and p is True for b, p in zip(below, passes, strict=True)], index=rows.index)


def _judge_rule(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge that every included school meets so many of the indicators and the rest at the floor."""
    table = schools.rule_table(context.county, context.standard, context.switches)
    stages = (item.stage,) if item.stage in STAGES else STAGES
    rows = table[(table["year"] == context.year) & table["stage"].isin(stages)]
    if rows.empty:
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    fails, unknown = sum(p is False for p in rows["passes"]), sum(p is None for p in rows["passes"])
    detail = rows[["school_id", "stage"]].assign(
        value=rows["met_count"].astype(float), threshold=measure.at_least, met=rows["passes"]
    )
    if not fails and unknown:
        return ItemResult(
            item, "no_data", Message("reason.rule.no_data", {"n": len(rows), "unknown": unknown}), rows=detail
        )
    passes = len(rows) - fails - unknown
    share, line = 100.0 * passes / len(rows), line_of(item)
    names = _names(rows.loc[[p is False for p in rows["passes"]], "school_id"], context.county)
    key = "not_met" if fails else "met"
    params = {
        "n": len(rows),
        "passes": passes,
        "fails": fails,
        "at_least": measure.at_least,
        "names": names,
        "floor": number(100 * float(measure.floor_share or 0)),
        "of": int(rows["of"].max()),
    }
    return ItemResult(item, key, Message(f"reason.rule.{key}", params), share, line, share - line, detail)


def _judge_cv(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a difference coefficient, or its change from year to year, in one stage or in both."""
    standard = standards.load(measure.of) if measure.of else context.standard
    switches = tuple(sorted(standard.switches().items())) if measure.of else context.switches
    table = schools.cv_table(context.county, standard, switches)
    table = table[table["indicator"] == measure.formula]
    years = range(context.year - measure.years + 1, context.year + 1)
    now = table[(table["year"] == context.year) & table["stage"].isin([item.stage] if item.stage in STAGES else STAGES)]
    if now.empty:
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    parts = []
    for stage in now["stage"]:
        mine = table[table["stage"] == stage]
        series = _transform(mine.set_index(mine["year"].astype(int))["cv"], measure.transform)
        judged = schools.judge_column(series.reindex(years), item.operator, pd.Series(line_of(item), index=years))
        parts.append(judged.rename_axis("year").reset_index().assign(stage=stage))
    rows = pd.concat(parts, ignore_index=True)
    missing = partial(_missing_cv, schools.school_table(context.county, standard, switches), rows, measure, context)
    fails = rows[[m is False for m in rows["met"]]]
    if len(fails) == 0 and rows["value"].isna().any():
        return ItemResult(item, "no_data", missing(), threshold=line_of(item), rows=rows)
    worst = (fails if len(fails) else rows).sort_values("gap", kind="stable").iloc[0]
    where = {"n": int(now["n"].max()), "year": int(worst["year"]), "stage": Message(f"stage.{worst['stage']}")}
    note = Message("reason.cv.note", where)
    return _single(item, worst["value"], worst["threshold"], missing, note, rows)


def _missing_cv(table: pd.DataFrame, rows: pd.DataFrame, measure: Measure, context: Context) -> Message:
    """Name the schools without which a coefficient cannot be computed: a figure is missing, or there are no pupils."""
    first = context.year - measure.years + 1 - (measure.transform != "level")
    mine = table[table["year"].between(first, context.year) & table["stage"].isin(rows["stage"])]
    if measure.formula != schools.COMPOSITE:
        mine = mine[mine["indicator"] == measure.formula]
    lacking = mine.loc[mine["value"].isna() | ~(mine["pupils"] > 0), "school_id"].drop_duplicates()
    if lacking.empty:
        return Message("reason.cv.nothing")
    n = mine["school_id"].nunique()
    return Message("reason.cv.no_data", {"missing": len(lacking), "n": n, "names": _names(lacking, context.county)})


def _judge_given(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a measure another room computed and handed in, such as the longest walk of a day pupil."""
    given = context.measures.get((measure.formula, item.stage))
    if given is None:
        return ItemResult(
            item, "no_data", Message("reason.not_given", {"name": measure.formula}), threshold=line_of(item)
        )
    rows = given.rows
    if rows is not None:
        judged = schools.judge_column(rows["value"], item.operator, pd.Series(line_of(item), index=rows.index))
        rows = rows.assign(threshold=judged["threshold"], gap=judged["gap"], met=judged["met"])
    return _single(item, given.value, line_of(item), lambda: given.note, given.note, rows)


def _judge_reported(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge a figure the county reports under the item's own code."""
    table, key = context.county.tables["county_years"], f"{context.standard.id}/{item.code}"
    found = table[(table["year"] == context.year) & (table["item"] == key)]
    value = float(found["value"].iloc[0]) if len(found) else math.nan
    missing = partial(Message, "reason.not_reported", {"key": key, "year": context.year})
    note = None
    if len(found) and isinstance(found["source"].iloc[0], str):
        note = Message("reason.reported", {"source": found["source"].iloc[0]})
    return _single(item, value, line_of(item), missing, note)


def _judge_evidence(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Take the finding recorded for this item in this year, with the document that shows it."""
    table = context.county.tables["evidence"]
    found = table[
        (table["standard"] == context.standard.id) & (table["item_id"] == item.code) & (table["year"] == context.year)
    ]
    finding = None if found.empty else found["finding"].iloc[0]
    if finding not in ("met", "not_met"):  # a record without a finding finds nothing
        return ItemResult(item, "evidence", Message("reason.evidence.open"))
    document = found["document"].fillna("–").iloc[0]
    return ItemResult(item, finding, Message(f"reason.evidence.{finding}", {"document": document}))


_JUDGES: dict[str, Callable[[Item, Measure, Context], ItemResult]] = {
    "county": _judge_county,
    "schools": _judge_rows,
    "stages": _judge_rows,
    "townships": _judge_rows,
    "indicator": _judge_indicator,
    "school_rule": _judge_rule,
    "cv": _judge_cv,
    "given": _judge_given,
    "reported": _judge_reported,
    "evidence": _judge_evidence,
}


def number(value: float) -> str:
    """Return a figure as people read it: no needless zeros, at most four significant decimals.

    Examples
    --------
    >>> number(4.0), number(3.5700000001), number(86223.0), number(0.6499)
    ('4', '3.57', '86,223', '0.6499')
    """
    value = float(value)
    if math.isnan(value):
        return "–"
    return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"


def _truth(values: pd.Series, unknown: pd.Series) -> pd.Series:
    return values.astype(object).where(~unknown, None)


def _op(item: Item) -> Message:
    return Message("op." + {">=": "ge", "<=": "le", ">": "gt", "<": "lt", "==": "eq"}.get(item.operator, "eq"))


def _unit(item: Item) -> dict[str, str]:
    return locale.unit(item.judged_unit)


def _names(ids: pd.Series, county: County, most: int = 3) -> str:
    """Name the first few schools (or townships, whose id is their name)."""
    table = county.tables["schools"]
    known = dict(zip(table["school_id"], table["name_zh"], strict=True))
    return "、".join(str(known.get(i, i)) for i in ids.iloc[:most]) + ("…" if len(ids) > most else "")


def _missing(names: list[str], frame: pd.DataFrame, year: int, measure: Measure) -> Message:
    """Say which figures a county formula lacks, in words."""
    first = year - measure.years + 1 - (measure.transform != "level")
    rows = frame[(frame["year"] >= first) & (frame["year"] <= year)]
    lacking = [n for n in dict.fromkeys(names) if n not in rows or rows[n].isna().any() or len(rows) < year - first + 1]
    if not lacking:
        return Message("reason.zero_denominator")
    return Message("reason.missing", {"names": label_list(lacking), "year": year})


def _missing_rows(names: list[str], rows: pd.DataFrame, values: pd.Series, county: County) -> Message:
    """Say how many rows lack a figure and which figures, and name the rows that would divide by zero."""
    gone = rows.reindex(columns=list(dict.fromkeys(names))).isna()
    blank = gone.any(axis=1).to_numpy()
    told = []
    if blank.any():
        lacking = label_list([name for name in gone if gone[name].any()])
        told.append(Message("reason.missing_rows", {"names": lacking, "count": int(blank.sum()), "n": len(rows)}))
    zero = rows[values.isna().to_numpy() & ~blank]
    if len(zero):
        places = zero["school_id" if "school_id" in zero else "township"]
        told.append(Message("reason.zero_rows", {"count": len(zero), "names": _names(places, county)}))
    if not told:
        return Message("reason.zero_denominator")
    return told[0] if len(told) == 1 else Message("reason.with_note", {"why": told[0], "note": told[1]})


def label_list(names: list[str]) -> dict[str, str]:
    """Return the names of figures as people know them, in both languages."""
    return {
        lang: ("、" if lang == "zh" else ", ").join(label_of(name, lang) for name in names) for lang in ("zh", "en")
    }


def label_of(name: str, lang: str) -> str:
    """Return the label of a table column, a county figure or a sum over schools."""
    columns = {**tables.table("schools").columns, **tables.table("school_years").columns}
    if name in columns:
        return columns[name].label(lang)
    inputs = _all_inputs()
    if name in inputs:
        return str(inputs[name][lang])
    for prefix in ("primary_", "junior_", "all_"):
        if name.startswith(prefix) and name.removeprefix(prefix) in columns:
            stage = Message(f"stage.{prefix.rstrip('_')}").render(lang)
            return f"{columns[name.removeprefix(prefix)].label(lang)}({stage})"
    return name


@cache
def _all_inputs() -> dict[str, Mapping[str, Any]]:
    found = dict(standards.common_inputs())
    for standard in standards.ids():
        found.update(standards.load(standard).inputs)
    return found
