"""Judge one item of a standard by its kind of measure, and hold what the county says itself against its data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import pandas as pd

from balance_lib import standards
from balance_lib.evaluation import county_items, indicators, school_items, wording
from balance_lib.evaluation.figures import quantity
from balance_lib.evaluation.finding import Context, Measures, line_of
from balance_lib.evaluation.result import OPEN, SHORT, UNDECIDED, GroupCounts, ItemResult, Stated
from balance_lib.locale import Message
from balance_lib.standards import Item, Measure

__all__ = ["Context", "judge", "line_of"]

_STATED = ("reported", "evidence")


def judge(item: Item, context: Context) -> ItemResult:
    """Give an item its status.

    A failing item whose deadline lies after the day of the evaluation is "not due"; a met one is met at once. What
    the data decide counts: a figure typed in or a document that says otherwise stands beside it as ``stated``, with
    ``conflict``.

    Parameters
    ----------
    item : Item
    context : Context
    """
    key = (context.standard.id, item.code)
    if key not in context.found:
        context.found[key] = _judged(item, context)
    return context.found[key]


def _judged(item: Item, context: Context) -> ItemResult:
    measure = item.measure
    if measure is None:
        return ItemResult(item, "evidence", Message("reason.no_measure"), basis="evidence")
    if measure.source in _STATED:
        result = _checked(_JUDGES[measure.source](item, measure, context), measure, context)
    elif measure.otherwise and not _holds_data(measure, context):
        result = _checked(_JUDGES[measure.otherwise](item, measure, context), measure, context)
    else:
        result = _beside(_JUDGES[measure.source](item, measure, context), measure, context)
    if result.status == "not_met" and item.due is not None and item.due > context.on:
        reason = Message("reason.not_due", {"why": result.reason, "due": item.due.isoformat()})
        result = replace(result, status="not_due", reason=reason)
    return replace(result, earlier=lambda: _of_year_before(item, context))


def _of_year_before(item: Item, context: Context) -> ItemResult | None:
    if context.year - 1 not in context.county.years:
        return None
    handed_in: Measures | None = None if context.measures is None else {}  # those handed in are of this year
    return judge(item, replace(context, year=context.year - 1, measures=handed_in, found={}))


def _holds_data(measure: Measure, context: Context) -> bool:
    """Tell whether the county keeps the data a measure asks for at all; a gap in them is no data, not their absence."""
    if measure.source == "given":
        stages = (*standards.STAGES, "all")
        return any(context.given(measure.formula, stage) is not None for stage in stages)
    if measure.source == "items":
        return _applies(measure, context)
    if measure.source == "county":
        return all(context.frames.has("county", name) for name in indicators.names_in(measure.formula))
    return True


def _applies(measure: Measure, context: Context) -> bool:
    """Tell whether the items of another standard speak of this county: a plan's only in its own."""
    other = standards.load(measure.of) if measure.of else context.standard
    return other is context.standard or other.scope == "national" or context.county.plan == other.id


def _beside(result: ItemResult, measure: Measure, context: Context) -> ItemResult:
    """Put what the county says itself beside a computed finding."""
    said = county_items.stated(result.item, measure, context)
    if said is None or said.status not in ("met", "not_met"):
        return result
    by = said.basis
    stated = Stated(said.status, said.value, said.source, by)
    conflict = result.status in ("met", "not_met") and said.status != result.status
    if not conflict:
        return replace(result, stated=stated)
    told = {
        "source": said.source or "–",
        "value": quantity(said.value, result.item.judged_unit),
        "finding": Message(f"status.{said.status}"),
    }
    note = Message("reason.stated.figure" if by == "reported" else "reason.stated.evidence", told)
    reason = Message("reason.with_note", {**result.reason.params, "why": result.reason, "note": note})
    return replace(result, stated=stated, conflict=True, reason=reason)


def _checked(result: ItemResult, measure: Measure, context: Context) -> ItemResult:
    """Let no typed figure and no document say "met" while an item that checks it is not met by the data, or open.

    What was typed then stands under ``stated`` alone: the finding bears no value, for no figure decided it.
    """
    checks = [judge(context.standard.item(code), context) for code in measure.checked_by]
    failing = [check for check in checks if check.status in SHORT]
    waiting = [check for check in checks if check.status in OPEN]
    if result.status != "met" or not (failing or waiting):
        return result
    stated = Stated(result.status, result.value, result.source, result.basis)
    names = wording.item_names([check.item for check in failing or waiting])
    told = {"value": quantity(result.value, result.item.judged_unit), "source": result.source or "–"}
    said = Message(f"reason.stated.by_{result.basis}", told)
    reason = Message(f"reason.stated.{'refuted' if failing else 'unchecked'}", {"names": names, "said": said})
    status = "not_met" if failing else "no_data" if any(c.status == "no_data" for c in waiting) else "evidence"
    return replace(
        result, status=status, basis="computed", stated=stated, conflict=bool(failing), reason=reason,
        value=math.nan, gap=math.nan,
    )  # fmt: skip


def _judge_items(item: Item, measure: Measure, context: Context) -> ItemResult:
    """Judge how many groups of other items are met: all, or as many as the item's line says."""
    if not _applies(measure, context):
        return ItemResult(item, "not_applicable", Message("reason.not_applicable"))
    if measure.of and measure.of != context.standard.id:
        other = standards.load(measure.of)
        switches = tuple(sorted(other.switches().items()))
        context = replace(context, standard=other, switches=switches, found={})
    found = {group[0]: _of_group(group, context) for group in measure.items}
    counted, line = _counted(found), line_of(item)
    line = float(counted.n) if math.isnan(line) else line
    n, n_met, fails, waiting = counted.n, len(counted.met), counted.short, counted.open

    def rows() -> pd.DataFrame:
        judged = [None if g in waiting else g not in fails for g in counted.status]
        names = ["、".join(group) for group in measure.items]
        values = [math.nan if f is None else float(f) for f in judged]
        table = pd.DataFrame({"items": names, "value": values, "threshold": 1.0})
        return table.assign(met=pd.Series(judged, dtype=object))

    key = "met" if n_met >= line else "not_met" if n_met + len(waiting) < line else "open"
    told = {"n": n, "met": n_met, "fails": len(fails), "open": len(waiting)}
    if n == 1:
        reason = reduce(wording._both, [_reason_of(result) for result in next(iter(found.values()))])
    elif key == "met":
        reason = Message("reason.items.met", told)
    else:
        of = SHORT if key == "not_met" else UNDECIDED
        names = wording.item_names([r.item for g in (fails or waiting) for r in found[g] if r.status in of])
        reason = Message(f"reason.items.{key}{'_and_open' if fails and waiting else ''}", {**told, "names": names})
    if key == "open":
        key = "no_data" if any(counted.status[g] == "no_data" for g in waiting) else "evidence"
    return ItemResult(item, key, reason, float(n_met), line, float(n_met) - line, rows)


def group_counts(groups: Sequence[Sequence[str]], context: Context) -> GroupCounts:
    """Count groups of items by the worst finding of each.

    Parameters
    ----------
    groups : sequence of sequence of str
        Codes of items; an item_id names all its required items.
    context : Context
    """
    return _counted({group[0]: _of_group(group, context) for group in groups})


def _counted(found: Mapping[str, Sequence[ItemResult]]) -> GroupCounts:
    return GroupCounts({group: _worst(results) for group, results in found.items()})


def _reason_of(result: ItemResult) -> Message:
    return Message("reason.items.of", {"names": wording.item_names([result.item]), "why": result.reason})


def _of_group(group: Sequence[str], context: Context) -> list[ItemResult]:
    """Return the findings of the items a group names; an item_id names all its required items."""
    return [judge(item, context) for name in group for item in _named(name, context)]


def _worst(results: Sequence[ItemResult]) -> str:
    order = (*SHORT, *UNDECIDED, "met", "not_applicable")
    return min((result.status for result in results), key=order.index, default="no_data")


def _named(name: str, context: Context) -> list[Item]:
    standard = context.standard
    items = standard.together.get(name) or [standard.item(name)]
    return [standard.item(item.same_as) if item.same_as else item for item in items]


_JUDGES: dict[str, Callable[[Item, Measure, Context], ItemResult]] = {
    "county": county_items._judge_county,
    "schools": school_items._judge_rows,
    "stages": school_items._judge_rows,
    "townships": school_items._judge_rows,
    "indicator": school_items._judge_indicator,
    "school_rule": school_items._judge_rule,
    "cv": school_items._judge_cv,
    "given": county_items._judge_given,
    "items": _judge_items,
    "reported": county_items._judge_reported,
    "evidence": county_items._judge_evidence,
}
