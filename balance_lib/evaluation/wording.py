"""Word a finding: figures, units, names of schools, and which figures are missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from balance_lib import locale, standards
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.evaluation import indicators
from balance_lib.locale import Message
from balance_lib.standards import Item, Measure

_OPERATORS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt", "==": "eq"}


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


def operator(item: Item) -> Message:
    """Return the words of an item's operator."""
    return Message("op." + _OPERATORS.get(item.operator, "eq"))


def unit(item: Item) -> dict[str, str]:
    """Return the unit an item is judged in, in both languages."""
    return locale.unit(item.judged_unit)


def names(ids: Sequence[Any], county: County, most: int = 3) -> dict[str, str]:
    """Name the first few schools (or townships, whose id is their name), in both languages."""
    return {
        lang: joint.join(str(known.get(i, i)) for i in ids[:most]) + ("…" if len(ids) > most else "")
        for (lang, joint), known in zip((("zh", "、"), ("en", ", ")), _known(county), strict=True)
    }


@lru_cache(maxsize=32)
def _known(county: County) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return the schools' names by id, Chinese and English; a school without an English name keeps its own."""
    table = county.tables["schools"]
    english = table["name_en"].fillna(table["name_zh"]) if "name_en" in table else table["name_zh"]
    zh, en = (dict(zip(table["school_id"], names, strict=True)) for names in (table["name_zh"], english))
    return zh, en


def missing_figures(wanted: Sequence[str], data: indicators.Frames, year: int, measure: Measure) -> Message:
    """Say which figures a county formula lacks, in words."""
    first = year - measure.years + 1 - (measure.transform != "level")
    years = data.column("county", "year")
    at = np.flatnonzero((years >= first) & (years <= year))
    short = len(at) < year - first + 1
    lacking = [n for n in dict.fromkeys(wanted) if short or np.isnan(data.column("county", n)[at]).any()]
    if not lacking:
        return Message("reason.zero_denominator")
    return Message("reason.missing", {"names": label_list(lacking), "year": year, "figures": tuple(lacking)})


def missing_rows(
    wanted: Sequence[str], columns: Mapping[str, Any], values: Any, places: Any, county: County
) -> Message:
    """Say how many rows lack a figure and which figures, and name the rows that would divide by zero.

    Parameters
    ----------
    wanted : sequence of str
        Figures the formula names.
    columns : mapping of str to array
        Those figures of the rows.
    values : array of float
        What the formula gave.
    places : array
        School or township of each row.
    county : County
    """
    gone = {name: _blank(columns[name]) for name in dict.fromkeys(wanted)}
    blank = np.logical_or.reduce([*gone.values(), np.zeros(len(values), dtype=bool)])
    said = []
    if blank.any():
        lacking = {name: int(where.sum()) for name, where in gone.items() if where.any()}
        told = {"names": label_list(list(lacking)), "count": int(blank.sum()), "n": len(values), "lacking": lacking}
        said.append(Message("reason.missing_rows", told))
    zero = places[np.isnan(values) & ~blank]
    if len(zero):
        said.append(Message("reason.zero_rows", {"count": len(zero), "names": names(zero, county)}))
    if not said:
        return Message("reason.zero_denominator")
    return said[0] if len(said) == 1 else Message("reason.with_note", {"why": said[0], "note": said[1]})


def _blank(column: Any) -> Any:
    return np.isnan(column) if column.dtype.kind == "f" else np.array([x is None or x != x for x in column], dtype=bool)


def label_list(wanted: Sequence[str]) -> dict[str, str]:
    """Return the names of figures as people know them, in both languages."""
    return {
        lang: ("、" if lang == "zh" else ", ").join(label_of(name, lang) for name in wanted) for lang in ("zh", "en")
    }


@cache
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
            return columns[name.removeprefix(prefix)].label(lang) + locale.bracket(stage, lang)
    return name


@cache
def _all_inputs() -> dict[str, Mapping[str, Any]]:
    found = dict(standards.common_inputs())
    for standard in standards.ids():
        found.update(standards.load(standard).inputs)
    return found
