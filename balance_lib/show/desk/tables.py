"""Write results as tables in words, for a cell of a notebook; the figures are the results' own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from balance_lib import locale
from balance_lib.evaluation import number as told
from balance_lib.locale import text
from balance_lib.scenarios import Operation, tell

STAGES = ("primary", "junior")


def number(value: float) -> str:
    """Write a number as the evaluation does; a dash where there is none."""
    return "–" if isinstance(value, float) and math.isnan(value) else told(value)


def line(item: Any) -> str:
    """Write what an item asks for: sign, number, unit."""
    value = item.threshold if item.threshold is not None else item.value
    sign = {">=": "≥", "<=": "≤", "==": "=", "between": ""}.get(item.operator or "", item.operator or "")
    return "–" if value is None else f"{sign} {value} {item.judged_unit or ''}".strip()


def _heads(frame: pd.DataFrame, names: tuple[str, ...], lang: str) -> pd.DataFrame:
    return frame.set_axis([text(f"desk.head.{name}", lang) for name in names], axis=1)


def enrolment(county: Any, lang: str) -> pd.DataFrame:
    """Return schools and pupils by stage in every year a county has.

    Parameters
    ----------
    county : object
    lang : {"zh", "en"}
    """
    rows = county.tables["school_years"]
    rows = rows[rows["stage"].isin(STAGES)]
    pupils = rows.pivot_table(index="year", columns="stage", values="pupils", aggfunc="sum", min_count=1)
    schools = rows[rows["pupils"] > 0].groupby("year")["school_id"].nunique()
    wide = pupils.reindex(columns=list(STAGES)).reset_index()
    wide.insert(1, "schools", wide["year"].map(schools))
    wide["year"] = wide["year"].astype(int)  # years of an imported list are numbers with a point
    return _heads(wide, ("year", "schools", "pupils_primary", "pupils_junior"), lang)


def items(found: Any, lang: str | None = None) -> pd.DataFrame:
    """Return every item of an evaluation as a row; see ``Evaluation.table``.

    Parameters
    ----------
    found : object
    lang : {"zh", "en"}, optional
    """
    lang = lang or locale.spoken()
    rows = [
        (r.item.code, r.item.label(lang), r.item.stage, r.status, r.value, r.threshold, r.gap, r.item.judged_unit,
         r.item.deadline, r.item.lead_unit, r.item.required, r.reason.render(lang)) for r in found.items
    ]  # fmt: skip
    names = ["code", "label", "stage", "status", "value", "threshold", "gap", "unit", "deadline", "lead_unit",
             "required", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def open_items(found: Any, lang: str) -> pd.DataFrame | None:
    """Return what is not met, then what nobody knows, with the reason.

    Parameters
    ----------
    found : object
    lang : {"zh", "en"}
    """
    rows = [
        (r.item.code, r.item.label(lang), text(f"status.{r.status}", lang), r.reason.render(lang),
         r.item.deadline or "–")
        for status in ("not_met", "no_data", "evidence") for r in found.with_status(status)
    ]  # fmt: skip
    names = ("code", "item", "status", "reason", "deadline")
    return _heads(pd.DataFrame(rows, columns=list(names)), names, lang) if rows else None


def history_wide(found: Any, lang: str) -> pd.DataFrame:
    """Return each required numeric item's value over the years, worst of the last year first.

    Parameters
    ----------
    found : object
    lang : {"zh", "en"}
    """
    rows = found.items[found.items["value"].notna()]
    wide = rows.pivot_table(index="code", columns="year", values="value")
    last = found.items[found.items["year"] == found.years[-1]].set_index("code")
    order = last["status"].map({"not_met": 0}).fillna(1).reindex(wide.index).sort_values(kind="stable").index
    wide = wide.loc[order].reset_index()
    wide.insert(1, "item", [found.standard.item(code).label(lang) for code in wide["code"]])
    wide.insert(2, "threshold", wide["code"].map(last["threshold"]))
    heads = [text(f"desk.head.{name}", lang) for name in ("code", "item", "line")]
    return wide.set_axis([*heads, *map(str, wide.columns[3:])], axis=1)


def operations(done: Sequence[Operation], known: pd.DataFrame | None, lang: str) -> pd.DataFrame | None:
    """Return what is done to which school, and the other schools it names; ids where no table of schools is known."""
    names = {} if known is None else locale.names_by("school_id", known, lang)
    names |= {each.school_id: named for each in done if (named := getattr(each, "name_zh", ""))}
    rows = [(tell.operation(each, lang), names.get(each.school_id, each.school_id),
             locale.listed([names.get(other, other) for other in each.others()], lang)) for each in done]  # fmt: skip
    return _heads(pd.DataFrame(rows, columns=list("abc")), ("what", "school", "others"), lang) if rows else None


def affected(found: Any, lang: str) -> pd.DataFrame | None:
    """Return the villages that lose, worst first.

    Parameters
    ----------
    found : object
    lang : {"zh", "en"}
    """
    rows = found.affected
    names = {"village": "village", "township": "township", "pupils": "pupils", "extra_m": "extra_m",
             "worst_metres": "metres_after", "to": "to"}  # fmt: skip
    there = {column: name for column, name in names.items() if column in rows}
    if rows.empty:
        return None
    return _heads(rows[list(there)].round(0), tuple(there.values()), lang)


def actions(found: Any, lang: str) -> pd.DataFrame | None:
    """Return what a plan of remedies does, added up by action, dearest first.

    Parameters
    ----------
    found : object
    lang : {"zh", "en"}
    """
    from balance_lib.planning.remedies import figure_word

    if found.lines.empty:
        return None
    # Whoever moves leaves one school and comes to another: counted once. A target has neither amount nor price, and
    # what the county does is done at no school.
    lines, amount = found.lines, found.lines["units"].clip(lower=0)
    lines = lines.assign(units=amount.where(lines["kind"] != "target"), school_id=lines["school_id"].replace("", pd.NA))
    groups = lines.groupby("action")
    summed = groups[["units", "cost_yuan"]].sum(min_count=1).assign(schools=groups["school_id"].nunique()).reset_index()
    known = found.catalogue.all
    summed["action"] = [
        known[a].label(lang) if a in known else figure_word(found.standard, a, lang) for a in summed["action"]
    ]
    summed = summed.sort_values("cost_yuan", ascending=False, kind="stable").round(1)
    return _heads(
        summed[["action", "units", "schools", "cost_yuan"]], ("action", "units", "schools", "cost_yuan"), lang
    )


def pupils(found: Any, lang: str) -> pd.DataFrame:
    """Return a projection's pupils by stage, with their band.

    Parameters
    ----------
    found : object
    lang : {"zh", "en"}
    """
    wide = found.county.pivot_table(index="year", columns="stage", values=["pupils", "low", "high"])
    rows = {text("desk.head.year", lang): wide.index}
    for stage in (s for s in STAGES if s in set(found.county["stage"])):
        word = locale.stage_word(stage, lang)
        rows[word] = wide["pupils", stage].round().astype(int)
        rows[f"{word} {text('desk.head.band', lang)}"] = [
            f"{low:,.0f}–{high:,.0f}" for low, high in zip(wide["low", stage], wide["high", stage], strict=True)
        ]
    return pd.DataFrame(rows)
