"""Word a finding: figures, units, names of schools, and which figures are missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from typing import Any

import numpy as np

from balance_lib import locale, standards
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.evaluation import indicators
from balance_lib.evaluation.figures import amount, places_beside, places_of, quantity, rounded
from balance_lib.evaluation.indicators.comparison import TOLERANCE
from balance_lib.locale import Message, singular
from balance_lib.standards import Indicator, Item, Measure

_SUMS = ("primary_", "junior_", "all_", "rural_", "town_", "n_")  # county figures that are sums over schools
_OPERATORS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt", "==": "eq"}


def number(value: float) -> str:
    """Return a figure as people read it: no needless zeros, at most four significant decimals.

    Examples
    --------
    >>> number(4.0), number(3.5700000001), number(86223.0), number(0.6499)
    ('4', '3.57', '86,223', '0.6499')
    >>> number(0.00004)
    '0.00004'
    """
    value = float(value)
    if math.isnan(value):
        return "–"
    if 0 < abs(value) < 0.00005:  # a small figure is not nought
        return f"{value:.{min(12, 1 - math.floor(math.log10(abs(value))))}f}".rstrip("0").rstrip(".")
    return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"


def required(item: Item, line: float) -> Message:
    """Say what an item asks: at least, at most, exactly so much; or that a figure rises or does not fall each year.

    Parameters
    ----------
    item : Item
    line : float
    """
    operator = _OPERATORS.get(item.operator, "eq")
    if yearly(item, line):
        return Message(f"reason.yearly.{_kind(item.judged_unit)}{operator}")
    said: Any = "0" if line == 0 else quantity(line, _bare(item.judged_unit))
    if n := _made_of(item):
        return Message(f"reason.required.{'one' if n == 1 else 'all' if line >= n else 'some'}", {"n": n, "line": said})
    if operator == "le" and line == 0:
        operator = "eq"
    elif operator == "ge" and line == 100 and item.judged_unit.startswith("%") and not _may_exceed(item):
        operator = "full"
    told = Message(f"reason.required.{operator}", {"line": said})
    bare = item.judged_unit == "CV" and "差异系数" not in item.label("zh")
    return Message("reason.required.cv", {"said": told}) if bare else told


def _made_of(item: Item) -> int:
    """Return of how many other items one is made; 0 for an item with a figure of its own."""
    return 0 if item.measure is None else len(item.measure.items)


def _may_exceed(item: Item) -> bool:
    """Tell whether a percentage is no share of a whole, such as one group's funds held against another's."""
    return item.measure is not None and item.measure.gross


def standing(item: Item, value: float, line: float) -> Message:
    """Say how a value stands: the figure, or by how much it is up or down on the year before.

    Parameters
    ----------
    item : Item
    value : float
    line : float
    """
    unit = item.judged_unit
    if n := _made_of(item):
        key = "some" if n > 1 else "met" if value >= line else "not_met"
        return Message(f"reason.standing_of.{key}", {"n": n, "met": number(value)})
    if yearly(item, line):
        return _moved(value, unit, _kind(unit), ("up", "down"))
    if item.measure is not None and item.measure.transform == "growth":
        return _moved(value, unit, "", ("grown", "shrunk"), line, item.operator)
    return Message("reason.standing", {"value": quantity(value, _bare(unit), line, item.operator)})


def _compared(item: Item, value: float, line: float, gap: float, *, met: bool) -> Message:
    """Say how a value stands to its line: as it is, or against the year before."""
    key, told = "met" if met else "not_met", standing(item, value, line)
    if yearly(item, line):
        return Message(f"reason.change.{key}", {"moved": told, "yearly": required(item, line)})
    judged = {"required": required(item, line), "away": away(item, value, line, gap)}
    if item.measure is not None and item.measure.transform == "growth":
        return Message(f"reason.growth.{key}", {"moved": told, **judged})
    return Message(f"reason.single.{key}", {**told.params, **judged})


def yearly(item: Item, line: float) -> bool:
    """Tell whether an item asks that a figure goes up, or does not go down, from year to year.

    Parameters
    ----------
    item : Item
    line : float
    """
    return item.measure is not None and item.measure.transform == "change" and line == 0


def _kind(unit: str) -> str:
    """Return which words say that a figure of this unit moves: a rate rises, an amount grows."""
    return "rate_" if unit.startswith(("CV", "percentage", "per 1000", "%")) else ""


def away(item: Item, value: float, line: float, gap: float) -> Message:
    """Say how far a value is from its line: short of it, over it, or apart from it.

    Parameters
    ----------
    item : Item
    value : float
    line : float
    gap : float
        Distance to what is required; negative is short.
    """
    side = {">=": "short", ">": "short", "<=": "over", "<": "over"}.get(item.operator, "apart")
    side = "over" if side == "apart" and line == 0 < value else side
    return Message(f"reason.away.{side}", {"gap": _gap_of(_printed_gap(item, value, line, gap), item.judged_unit)})


def _printed_gap(item: Item, value: float, line: float, gap: float) -> float:
    """Return the gap between both figures as they are printed: 93.75 % of 100 % reads 93.8 %, and is short by 6.2."""
    if not (math.isfinite(value) and math.isfinite(line)):
        return gap
    places = places_of(item.judged_unit)
    shown = rounded(value, places_beside(value, places, line, item.operator)) - rounded(line, places)
    return float(shown) if shown else gap


def needed(amount: float, indicator: Indicator) -> dict[str, str]:
    """Say how much has to be built, bought or hired, in whole units: rounded up, so that it is enough.

    Parameters
    ----------
    amount : float
        In the indicator's own units.
    indicator : Indicator
    """
    whole, of = math.ceil(amount - TOLERANCE), {"zh": indicator.need("zh"), "en": indicator.need("en")}
    if of["zh"].startswith("元"):  # large amounts of money have a unit of their own
        money = quantity(float(whole), "yuan")
        return {lang: money[lang] + of[lang].removeprefix(word) for lang, word in (("zh", "元"), ("en", "yuan"))}
    return {"zh": f"{whole:,}{of['zh']}", "en": singular(f"{whole:,} {of['en']}")}


def _gap_of(gap: float, unit: str) -> dict[str, str]:
    """Say how far a value is from its line; two shares differ by percentage points."""
    return amount(gap, "percentage points", places_of(unit)) if unit.startswith("%") else amount(gap, _bare(unit))


def _moved(
    value: float, unit: str, kind: str, ways: tuple[str, str], line: float = math.nan, operator: str = ">="
) -> Message:
    """Say by how much a figure is up or down on the year before."""
    if abs(value) <= TOLERANCE:
        return Message("reason.moved.same")
    by = amount(value, _bare(unit)) if math.isnan(line) or value < 0 else quantity(value, _bare(unit), line, operator)
    return Message(f"reason.moved.{kind}{ways[0] if value > 0 else ways[1]}", {"by": by})


def _bare(unit: str) -> str:
    """Return a unit without the words that it is a change: the sentence says that."""
    return unit.removesuffix(" yoy")


def names(ids: Sequence[Any], county: County, most: int = 3) -> dict[str, str]:
    """Name the first few schools (or townships, whose id is their name), in both languages.

    Parameters
    ----------
    ids : sequence of object
    county : County
    most : int
    """
    return {
        lang: joint.join(str(known.get(i, i)) for i in ids[:most]) + ("…" if len(ids) > most else "")
        for (lang, joint), known in zip((("zh", "、"), ("en", ", ")), _known(county), strict=True)
    }


@once_per_county
def _known(county: County) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return the schools' names by id, Chinese and English; a school without an English name keeps its own."""
    table = county.tables["schools"]
    zh, en = (locale.names_by("school_id", table, lang) for lang in locale.LANGUAGES)
    return zh, en


def _missing_figures(wanted: Sequence[str], data: indicators.Frames, year: int, measure: Measure) -> Message:
    """Say which figures a county formula lacks, in which years, and whose rows a sum lacks."""
    first = year - measure.years + 1 - (measure.transform != "level")
    every = data.column("county", "year")
    lacking: dict[int, list[str]] = {}
    for each in range(first, year + 1):
        at = np.flatnonzero(every == each)
        names = [n for n in dict.fromkeys(wanted) if not len(at) or np.isnan(data.column("county", n)[at]).any()]
        if names:
            lacking[each] = names
    if not lacking:
        return Message("reason.zero_denominator")
    figures = tuple(dict.fromkeys(name for names in lacking.values() for name in names))
    said = [_missing_in(each, names, data, figures) for each, names in lacking.items()]
    return said[0] if len(said) == 1 else reduce(_both, said)


def _missing_in(year: int, wanted: Sequence[str], data: indicators.Frames, figures: tuple[str, ...]) -> Message:
    absent = data.absent(year) if any(name.startswith(_SUMS) for name in wanted) else []
    told: Any = _label_list(wanted)
    if absent:
        told = Message("reason.missing_of", {"names": told, "schools": names(absent, data.county)})
    return Message("reason.missing", {"names": told, "year": year, "figures": figures})


def item_names(items: Sequence[Item], most: int = 8) -> dict[str, str]:
    """Name items by code and label, the first few, in both languages.

    Parameters
    ----------
    items : sequence of Item
    most : int
    """
    return {
        lang: joint.join(f"{item.code} {item.label(lang)}" for item in items[:most])
        + ("…" if len(items) > most else "")
        for lang, joint in (("zh", "、"), ("en", ", "))
    }


def _both(first: Message, second: Message) -> Message:
    """Say one thing after the other; what the first knows goes on."""
    return Message("reason.with_note", {**first.params, "why": first, "note": second})


def _missing_rows(
    wanted: Sequence[str], columns: Mapping[str, Any], values: Any, places: Any, county: County
) -> Message:
    """Say how many rows lack a figure and which figures, and name the rows that would divide by zero."""
    gone = {name: _blank(columns[name]) for name in dict.fromkeys(wanted)}
    blank = np.logical_or.reduce([*gone.values(), np.zeros(len(values), dtype=bool)])
    said = []
    if blank.any():
        lacking = {name: int(where.sum()) for name, where in gone.items() if where.any()}
        told = {
            "names": _label_list(list(lacking)), "count": int(blank.sum()), "n": len(values), "lacking": lacking,
            "schools": names(list(dict.fromkeys(places[blank])), county),
        }  # fmt: skip
        said.append(Message("reason.missing_rows", told))
    zero = places[np.isnan(values) & ~blank]
    if len(zero):
        said.append(Message("reason.zero_rows", {"count": len(zero), "names": names(zero, county)}))
    if not said:
        return Message("reason.zero_denominator")
    return said[0] if len(said) == 1 else Message("reason.with_note", {"why": said[0], "note": said[1]})


def _blank(column: Any) -> Any:
    return np.isnan(column) if column.dtype.kind == "f" else np.array([x is None or x != x for x in column], dtype=bool)


def _label_list(wanted: Sequence[str]) -> dict[str, str]:
    """Return the names of figures as people know them, in both languages."""
    return {lang: locale.listed([label_of(name, lang) for name in wanted], lang) for lang in locale.LANGUAGES}


@cache
def label_of(name: str, lang: str) -> str:
    """Return the label of a table column, a county figure or a sum over schools.

    Parameters
    ----------
    name : str
        What it is called.
    lang : {"zh", "en"}
    """
    columns = {**tables.table("schools").columns, **tables.table("school_years").columns}
    if name in columns:
        return columns[name].label(lang)
    inputs = _all_inputs()
    if name in inputs:
        return str(inputs[name][lang])
    for prefix in ("primary_", "junior_", "all_", "rural_junior_", "rural_", "town_junior_", "town_"):
        if name.startswith(prefix) and name.removeprefix(prefix) in columns:
            group = Message(f"sum_of.{prefix.rstrip('_')}").render(lang)
            return columns[name.removeprefix(prefix)].label(lang) + locale.bracket(group, lang)
    return name


@cache
def _all_inputs() -> dict[str, Mapping[str, Any]]:
    found = dict(standards.common_inputs())
    for standard in standards.ids():
        found.update(standards.load(standard).inputs)
    return found
