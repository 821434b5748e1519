"""List what is wrong, school by school: value, line, gap, what it takes, by when, and who leads (学校问题清单)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd

from balance_lib.data.county import County
from balance_lib.evaluation import SHORT, Evaluation, ItemResult, indicators, number
from balance_lib.evaluation.figures import quantity
from balance_lib.evaluation.wording import item_names, needed, yearly
from balance_lib.locale import singular, text, unit
from balance_lib.office.workplan.schedule import assumed, lead_times
from balance_lib.standards import Indicator, Item, load, measures

COLUMNS = (
    "school_id", "school", "township", "code", "stage", "item", "value", "operator", "required", "gap", "unit",
    "needed", "need", "measure", "lead_unit", "due", "lead_days", "latest_start", "impossible", "year",
)  # fmt: skip


def problem_list(
    evaluation: Evaluation,
    county: County,
    *,
    lang: str = "zh",
    on: date | None = None,
    lead_days: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Return one row a school and failing item, and one a failing item of the county itself (``school_id`` empty).

    Parameters
    ----------
    evaluation : Evaluation
    county : County
        Gives the schools' names and townships.
    lang : {"zh", "en"}
        Language of item names, units and measures.
    on : date, optional
        Day the latest start is held against; the evaluation's own by default.
    lead_days : mapping of item code to days, optional
        The office's own lead times instead of the assumed ones.

    Returns
    -------
    DataFrame
        school_id, school, township, code, stage, item, value, operator, required, gap (negative: short), unit, needed
        (in what is built, bought or hired; NaN elsewhere), need, measure (suggested words), lead_unit, due,
        lead_days, latest_start, impossible (the latest start is past), year.
    """
    schools = county.spoken(lang).tables["schools"].drop_duplicates("school_id").set_index("school_id")
    own = evaluation.problems().rename(columns={"threshold": "required"}).to_dict("records")
    day = on or evaluation.on
    rows = []
    for row in [*own, *(_county_row(r) for r in evaluation.items if _fails_alone(r))]:
        item = evaluation.standard.item(str(row["code"]))
        facts = _facts(item, evaluation, row, county, lang)
        times = _times(item, (lead_days or {}).get(item.code), facts["indicator"], day)
        place = {c: _name(schools, row["school_id"], c) for c in ("name_zh", "township")}
        rows.append({**row, "school": place["name_zh"], "township": place["township"], **facts, **times})
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.astype({"due": object, "latest_start": object}).assign(year=evaluation.year)


def _fails_alone(result: ItemResult) -> bool:
    """Tell whether an item fails that is not a matter of single schools."""
    return result.counts and result.status in SHORT and result.by_school is None


def _county_row(result: ItemResult) -> dict[str, Any]:
    figures = {"value": result.value, "required": result.threshold, "gap": result.gap, "needed": math.nan}
    return {"school_id": "", "code": result.item.code, "stage": result.item.stage, **figures}


def _facts(item: Item, evaluation: Evaluation, row: Mapping[str, Any], county: County, lang: str) -> dict[str, Any]:
    source = item.measure
    indicator = source.formula if source is not None and source.source == "indicator" else ""
    rule = source is not None and source.source == "school_rule"
    spec: Indicator | None = evaluation.standard.indicators.get(indicator)
    return {
        "item": item.label(lang),
        "operator": item.operator,
        # A school's share of a county-wide rule is how many of its indicators it meets.
        "unit": unit("indicators" if rule else item.judged_unit)[lang].strip(),
        "need": spec.need(lang) if spec else "",
        "indicator": indicator,
        "measure": _measure(item, evaluation, row, spec, county, lang),
        "lead_unit": item.lead_unit,
    }


def _measure(
    item: Item, evaluation: Evaluation, row: Mapping[str, Any], spec: Indicator | None, county: County, lang: str
) -> str:
    """Say what is to be done: how much is built, bought or hired, else to which line the figure has to come."""
    source = item.measure
    if spec is not None and float(row["needed"]) > 0:
        return text("workplan.measure.need", lang, need=needed(float(row["needed"]), spec)[lang])
    if item.mend:
        amount = _amount(item, evaluation, row, county)
        if amount > 0:
            said = item.mend[lang].format(n=number(math.ceil(amount - 1e-6)))
            return said if lang == "zh" else singular(said[:1].upper() + said[1:])
    if source is None or evaluation.item(item.code).basis == "evidence":
        return text("workplan.measure.evidence", lang)
    if source.source == "school_rule":
        floor = f"{source.floor_share or 0:.0%}"
        key = "rule_floor" if float(row["value"]) >= (source.at_least or 0) else "rule"
        return text(f"workplan.measure.{key}", lang, n=source.at_least, floor=floor)
    unmet = _unmet_parts(item, evaluation, checks=math.isnan(float(row["value"])))
    if unmet:
        return text("workplan.measure.items", lang, items=item_names(unmet)[lang])
    required = float(row["required"])
    line = quantity(required, item.judged_unit)[lang]
    value = quantity(float(row["value"]), item.judged_unit, required, item.operator)[lang]
    if source.source == "given":
        return measures()[source.formula][f"mend_{lang}"].format(line=line, value=value)
    if source.source == "cv" and source.transform == "level":
        return text("workplan.measure.cv", lang, line=line)
    if source.transform == "growth" or yearly(item, required):
        return text("workplan.measure.yearly", lang)
    return text(f"workplan.measure.{_way(item, required)}", lang, line=line, value=value)


def _unmet_parts(item: Item, evaluation: Evaluation, *, checks: bool) -> list[Item]:
    """Return the items one is made of, or is checked by, that are not met."""
    measure = item.measure
    assert measure is not None
    names = {name for group in measure.items for name in group} | set(measure.checked_by if checks else ())
    if measure.of and measure.of != evaluation.standard.id:
        rows = evaluation.item(item.code).rows
        if rows is not None and len(rows) == len(measure.items):
            names -= {name for group, met in zip(measure.items, rows["met"], strict=True) if met for name in group}
        return [i for i in load(measure.of).judged if {i.code, i.item_id} & names]
    short = [r.item for r in evaluation.items if r.status in SHORT]
    whole = names - {item.code for item in short}  # an item_id names its parts, unless it is an item itself
    return [i for i in short if i.code in names or i.item_id in whole]


def _way(item: Item, line: float) -> str:
    """Return how a figure has to move to reach its line."""
    if line == 0 and item.operator in ("<=", "<", "=="):
        return "none"
    if item.operator in (">=", ">"):
        return "full" if line == 100 and item.judged_unit.startswith("%") else "raise"
    return "lower" if item.operator in ("<=", "<") else "equal"


def _amount(item: Item, evaluation: Evaluation, row: Mapping[str, Any], county: County) -> float:
    """Return how much a row lacks of what mends it: by the item's own formula over the row, else its gap."""
    source = item.measure
    if source is None or "amount" not in item.mend or source.source not in ("schools", "stages"):
        return abs(float(row["gap"]))
    frames = indicators.frames(county, evaluation.standard)
    here = (frames.column(source.source, "year") == evaluation.year) & (
        frames.column(source.source, "school_id") == row["school_id"]
    )
    if source.source == "stages":
        here &= frames.column("stages", "stage") == row["stage"]
    values = frames.values(source.source, item.mend["amount"])[here]
    return float(values[0]) if len(values) and not math.isnan(values[0]) else 0.0


def _times(item: Item, own: int | None, indicator: str, on: date) -> dict[str, Any]:
    days = own if own is not None else assumed(indicator) if indicator else int(lead_times()["school"])
    latest = None if item.due is None else item.due - timedelta(days=days)
    return {
        "due": item.due,
        "lead_days": days,
        "latest_start": latest,
        "impossible": latest is not None and latest < on,
    }


def _name(schools: pd.DataFrame, school_id: str, column: str) -> str:
    found = schools[column].get(school_id) if school_id else None
    return "" if found is None or found != found else str(found)
