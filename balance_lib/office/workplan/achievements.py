"""List what a plan or report says was achieved beside the data, the groups that do the work, and who goes first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation, series_of
from balance_lib.evaluation.figures import quantity
from balance_lib.evaluation.indicators.comparison import satisfies
from balance_lib.locale import text
from balance_lib.standards import Standard


def achievements(standard: Standard, county: County | None = None) -> pd.DataFrame:
    """Return the figures a plan or report states as reached, each beside the county's own data (累计成效).

    Parameters
    ----------
    standard : Standard
    county : County, optional
        Whose data are held against them; without it nothing is.

    Returns
    -------
    DataFrame
        code, kind (baseline or actual), group, label_zh, label_en, value (NaN where the source has words), words, unit,
        deadline (the source's year or month), quote, operator, by_year (the county's own figure by school year; empty
        where its data hold none), year (that the source speaks of, else the last), found (the county's figure of that
        year), agrees (True, False; None where there is nothing to compare).
    """
    heads = ["code", "kind", "group", "label_zh", "label_en", "value", "words", "unit", "deadline", "quote", "operator",
             "by_year", "year", "found", "agrees"]  # fmt: skip
    rows = []
    for item in standard.items:
        if item.kind not in ("baseline", "actual"):
            continue
        number = isinstance(item.value, (int, float))
        value, words = (float(item.value), "") if number else (math.nan, str(item.value))
        by_year = {} if county is None or item.measure is None else series_of(county, standard, item.measure)
        year = item.due.year if item.due and item.due.year in by_year else max(by_year, default=None)
        found = by_year.get(year, math.nan) if year else math.nan
        agrees = satisfies(found, item.source_operator, value)
        rows.append(
            (item.code, item.kind, item.category, item.label_zh, item.label_en, value, words, item.unit, item.deadline,
             item.quote, item.source_operator, by_year, year, found, agrees)
        )  # fmt: skip
    return pd.DataFrame(rows, columns=heads, dtype=object).astype({"value": float, "found": float})


def by_year_words(row: Mapping[str, Any], lang: str = "zh") -> list[str]:
    """Return the county's own figures beside a published result, one text a school year.

    Parameters
    ----------
    row : mapping of str to object
        Of :func:`achievements`.
    lang : {"zh", "en"}
    """
    shown = {year: quantity(value, row["unit"])[lang] for year, value in row["by_year"].items()}
    return [text("report.self.published_point", lang, year=year, value=each) for year, each in shown.items()]


def groups(standard: Standard) -> pd.DataFrame:
    """Return a plan's working groups with how many tasks each leads.

    Returns
    -------
    DataFrame
        code, unit (the group's name as lead unit), label_zh, label_en, tasks.
    """
    rows = []
    for code in standard.plan.groups if standard.plan else ():
        item = standard.item(code)
        mine = {i.item_id for i in standard.items if i.lead_unit == item.lead_unit and i.kind != "context"}
        rows.append((code, item.lead_unit, item.label_zh, item.label_en, len(mine)))
    return pd.DataFrame(rows, columns=["code", "unit", "label_zh", "label_en", "tasks"])


def townships(evaluation: Evaluation, county: County) -> pd.DataFrame:
    """Return each township's progress: how many of its schools' checks are met, those that start first marked.

    A check is one school held against one required item. Missing figures are counted apart, never as met.

    Parameters
    ----------
    evaluation : Evaluation
    county : County

    Returns
    -------
    DataFrame
        township, pilot (True, False, None), schools, checks, met, not_met, no_data, met_share; lowest share first.
    """
    place = county.tables["schools"].drop_duplicates("school_id").set_index("school_id")["township"]
    parts = [r.by_school[["school_id", "met"]] for r in evaluation.items if r.counts and r.by_school is not None]
    heads = ["township", "pilot", "schools", "checks", "met", "not_met", "no_data", "met_share"]
    if not parts:
        return pd.DataFrame(columns=heads)
    checks = pd.concat(parts, ignore_index=True)
    checks["township"] = checks["school_id"].map(place)
    first = pilots(evaluation.standard, county)
    rows = []
    for name, mine in checks.dropna(subset=["township"]).groupby("township", sort=False):
        met = sum(m is True for m in mine["met"])
        short = sum(m is False for m in mine["met"])
        counts = (mine["school_id"].nunique(), len(mine), met, short, len(mine) - met - short, met / len(mine))
        rows.append((name, first.get(str(name)), *counts))
    return pd.DataFrame(rows, columns=heads).sort_values("met_share", kind="stable").reset_index(drop=True)


def pilots(standard: Standard, county: County) -> dict[str, bool | None]:
    """Return which townships start first: the county's own mark, else the plan's list of names.

    Parameters
    ----------
    standard : Standard
    county : County
    """
    table = county.tables["townships"]
    named = standard.plan.pilots if standard.plan else ()
    found: dict[str, bool | None] = {}
    for row in table.itertuples():
        mark = bool(row.pilot) if row.pilot == row.pilot and row.pilot is not None else None
        listed = any(str(row.township).startswith(name) for name in named) if named else None
        found[str(row.township)] = mark if mark is not None else listed
    return found
