"""Judge one item of a standard by its kind of measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from balance_lib.evaluation import county_items, school_items
from balance_lib.evaluation.finding import Context, line_of
from balance_lib.evaluation.result import ItemResult
from balance_lib.locale import Message
from balance_lib.standards import Item, Measure

__all__ = ["Context", "judge", "line_of"]

_JUDGES: dict[str, Callable[[Item, Measure, Context], ItemResult]] = {
    "county": county_items.judge_county,
    "schools": school_items.judge_rows,
    "stages": school_items.judge_rows,
    "townships": school_items.judge_rows,
    "indicator": school_items.judge_indicator,
    "school_rule": school_items.judge_rule,
    "cv": school_items.judge_cv,
    "given": county_items.judge_given,
    "reported": county_items.judge_reported,
    "evidence": county_items.judge_evidence,
}


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
        return replace(result, status="not_due", reason=reason)
    return result
