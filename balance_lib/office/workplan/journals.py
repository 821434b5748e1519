"""Declare the journals an office keeps beside its plan, and check what is written into them, all faults at once.

A journal is a list kept by hand: which department is paired with which school, who visited whom, each place's own
schedule, progress reports, building works. Its columns stand here; the store keeps it, the page shows it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from balance_lib._errors import DataError, Fault
from balance_lib.data.county import County
from balance_lib.locale import text
from balance_lib.plain import harmless

NAME_MOST, TEXT_MOST = 120, 500
TITLE_ROWS = 6
_RANGES = {"days": (1, 366), "number": (0, 1e12), "year": (1900, 2100)}


@dataclass(frozen=True)
class _JournalColumn:
    """Describe one column: ``kind`` is name, text, day, days, number, year, place or entry."""

    name: str
    kind: str
    required: bool = False

    def label(self, lang: str = "zh") -> str:
        """Return the column's name for people."""
        return text(f"journal.column.{self.name}", lang)


@dataclass(frozen=True)
class Journal:
    """Describe a journal: its columns in order, and which of them tell one row from another."""

    name: str
    key: Sequence[str]
    columns: Sequence[_JournalColumn]

    def title(self, lang: str = "zh") -> str:
        """Return the journal's name for people."""
        return text(f"journal.title.{self.name}", lang)

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields a row has in the store: a place is a kind and an id."""
        return tuple(f for c in self.columns for f in (("place_kind", "place") if c.kind == "place" else (c.name,)))

    @property
    def key_fields(self) -> tuple[str, ...]:
        """Return the fields that tell one row from another."""
        return tuple(f for name in self.key for f in (("place_kind", "place") if name == "place" else (name,)))


def _journal(name: str, key: str, *columns: str) -> Journal:
    """Return a journal from words such as ``department:name!``: the name, its kind, and "!" where it is required."""
    parts = (column.rstrip("!").split(":") for column in columns)
    need = (column.endswith("!") for column in columns)
    return Journal(
        name, key.split(), tuple(_JournalColumn(c, kind, n) for (c, kind), n in zip(parts, need, strict=True))
    )


JOURNALS: Mapping[str, Journal] = {
    journal.name: journal
    for journal in (
        _journal("pairings", "department place", "department:name!", "place:place!", "interval_days:days",
                 "since:day", "note:text"),
        _journal("visits", "department place visited_on", "department:name!", "place:place!", "visited_on:day!",
                 "visitor:name", "found:text!", "entry_id:entry", "next_on:day"),
        _journal("milestones", "place what", "place:place!", "what:name!", "planned_on:day!", "done_on:day",
                 "weight:number", "note:text"),
        _journal("progress_reports", "reporter reported_on", "reporter:name!", "reported_on:day!", "achieved:text!",
                 "trouble:text", "next_steps:text", "next_on:day"),
        _journal("works", "place what", "place:place!", "what:name!", "year:year!", "area_m2:number",
                 "investment_yuan:number", "planned_on:day", "done_on:day", "note:text"),
    )
}  # fmt: skip


class PlaceFinder:
    """Find a school or township of a county by what people call it.

    A township is found without its 镇, 乡 or 街道; a name two schools bear is not: its code says which is meant.
    """

    def __init__(self, county: County) -> None:
        schools = county.tables["schools"].drop_duplicates("school_id")
        self.townships = [str(t) for t in dict.fromkeys(county.tables["townships"]["township"]) if t == t]
        known = [str(t) for t in dict.fromkeys(schools["township"]) if isinstance(t, str)]
        self.townships += [t for t in known if t not in self.townships]
        self.schools = {str(i): harmless(n) for i, n in zip(schools["school_id"], schools["name_zh"], strict=True)}
        self.township_of = dict(zip(map(str, schools["school_id"]), schools["township"], strict=True))

    def find(self, words: str) -> list[tuple[str, str]]:
        """Return what the words may mean, as kind and id; one pair when they are clear."""
        if words in self.schools:
            return [("school", words)]
        towns = {words, *(words + end for end in ("镇", "乡", "街道", "街道办事处"))}
        found = [("township", name) for name in self.townships if name in towns]
        return found or [("school", i) for i, name in self.schools.items() if name == words]

    def name(self, kind: str, place: str) -> str:
        """Return a place's name; its id when the county no longer has it.

        Parameters
        ----------
        kind : str
            Kind, as the tables name it.
        place : str
            Where it stands in the file.
        """
        return self.schools.get(place, place) if kind == "school" else place

    def township(self, kind: str, place: str) -> str:
        """Return the township a place lies in; "" when it is not known.

        Parameters
        ----------
        kind : str
            Kind, as the tables name it.
        place : str
            Where it stands in the file.
        """
        found = place if kind == "township" else self.township_of.get(place)
        return found if isinstance(found, str) else ""

    def options(self) -> list[tuple[str, str]]:
        """Return every place as it is shown and as it is written into a journal."""
        named = sorted((self.township("school", i), name, i) for i, name in self.schools.items())
        return [(harmless(t, 60), t) for t in self.townships] + [
            (harmless(f"{name}（{town}）" if town else name, 60), i) for town, name, i in named
        ]


def check_row(
    journal: Journal,
    given: Mapping[str, Any],
    places: PlaceFinder,
    *,
    file: str,
    row: int | None = None,
    lang: str = "zh",
) -> tuple[dict[str, Any], list[Fault]]:
    """Return a row as the store takes it, and every fault in it.

    Parameters
    ----------
    journal : Journal
    given : mapping of column name to what was typed or read
    places : PlaceFinder
    file : str
        What faults name as the file: a file, or the title of a form.
    row : int, optional
        Row as the spreadsheet counts.
    lang : {"zh", "en"}
        Language of the column names in faults.
    """
    clean: dict[str, Any] = {}
    faults = []
    for column in journal.columns:
        value, broken = _read(column, given.get(column.name), places)
        if broken is None and column.required and value in (None, ""):
            broken = ("required", {})
        if broken is not None:
            told = harmless(given.get(column.name), 60) or None
            faults.append(Fault(broken[0], file, row, column.label(lang), told, params=broken[1]))
        elif column.kind == "place":
            clean["place_kind"], clean["place"] = value
        else:
            clean[column.name] = value
    return clean, faults


def read_table(
    journal: Journal, table: Sequence[Sequence[str]], county: County, *, file: str, lang: str = "zh"
) -> list[dict[str, Any]]:
    """Return the rows of a table that was handed in; one of its first rows names the columns.

    Parameters
    ----------
    journal : Journal
    table : sequence of rows of texts
    county : County
        Gives the schools and townships.
    file : str
        File as the user knows it.
    lang : {"zh", "en"}

    Raises
    ------
    DataError
        With every fault of every row: nothing of a faulty table is taken.
    """
    top, heads, faults = _heads(journal, table, file, lang)
    places, rows = PlaceFinder(county), []
    seen: dict[tuple[Any, ...], int] = {}
    for at, cells in enumerate(table[top + 1 :], start=top + 2):
        given = {name: cells[place] for name, place in heads.items() if place < len(cells)}
        if faults or not any(str(cell).strip() for cell in given.values()):
            continue
        clean, wrong = check_row(journal, given, places, file=file, row=at, lang=lang)
        faults_of_row = list(wrong)
        key = tuple(clean.get(name) for name in journal.key_fields)
        if not wrong and key in seen:
            keys = "、".join(c.label(lang) for c in journal.columns if c.name in journal.key)
            faults_of_row = [Fault("duplicate", file, at, keys, harmless(key[-1], 60), params={"first": seen[key]})]
        seen.setdefault(key, at)
        rows.append((clean, faults_of_row))
    faults += [fault for _, wrong in rows for fault in wrong]
    if not faults and not rows:
        faults = [Fault("nothing_read", file)]
    if faults:
        raise DataError(faults)
    return [clean for clean, _ in rows]


def _heads(
    journal: Journal, table: Sequence[Sequence[str]], file: str, lang: str
) -> tuple[int, dict[str, int], list[Fault]]:
    """Return the row of the heads and where each column stands; a required one that is missing is a fault.

    A title may stand above: of the first rows the one that names most columns, in either language, is the head.
    """
    named = {_folded(name): c.name for c in journal.columns for name in (c.name, c.label("zh"), c.label("en"))}
    tops = [[named.get(_folded(cell)) for cell in row] for row in table[:TITLE_ROWS]]
    top = max(range(len(tops)), key=lambda at: (len(set(tops[at]) - {None}), -at), default=0)
    found: dict[str, int] = {}
    for at, name in enumerate(tops[top] if tops else ()):
        if name is not None:
            found.setdefault(name, at)
    missing = [c for c in journal.columns if c.required and c.name not in found]
    return top, found, [Fault("missing_column", file, top + 1, c.label(lang)) for c in missing]


def _folded(words: object) -> str:
    return re.sub(r"[\s（）()*_：:]+", "", str(words)).casefold()


Broken = tuple[str, dict[str, Any]]


def _read(column: _JournalColumn, given: Any, places: PlaceFinder) -> tuple[Any, Broken | None]:
    """Return a cell's value, or which rule it breaks."""
    if column.kind in ("name", "text", "entry"):
        most = TEXT_MOST if column.kind == "text" else NAME_MOST
        words = harmless(given, most + 1)
        return (words, None) if len(words) <= most else (None, ("journal_long", {"most": most}))
    words = harmless(given, 200)
    if column.kind == "place":
        found = places.find(words) if words else []
        if len(found) == 1:
            return found[0], None
        return None, ("required", {}) if not words else ("journal_twice" if found else "journal_place", {})
    if column.kind == "day":
        return _day(given, words)
    return _number(column.kind, words)


def _day(given: Any, words: str) -> tuple[date | None, Broken | None]:
    if isinstance(given, date):
        return (given.date() if isinstance(given, datetime) else given), None
    if not words:
        return None, None
    match = re.fullmatch(r"(\d{4})\s*[-./年]\s*(\d{1,2})\s*[-./月]\s*(\d{1,2})\s*日?(?:[ T]00:00(?::00)?)?", words)
    try:
        return (date(*(int(part) for part in match.groups())), None) if match else (None, ("date", {}))
    except ValueError:
        return None, ("date", {})


def _number(kind: str, words: str) -> tuple[float | int | None, Broken | None]:
    if not words:
        return None, None
    try:
        value = float(words.replace(",", "").replace("，", ""))
    except ValueError:
        return None, ("not_a_number", {})
    low, high = _RANGES[kind]
    whole = kind in ("days", "year")
    if not math.isfinite(value) or not low <= value <= high or (whole and value != int(value)):
        return None, ("range", {"low": f"{low:g}", "high": f"{high:g}"})
    return (int(value) if whole else value), None


def blank(journal: Journal, lang: str = "zh") -> pd.DataFrame:
    """Return a table with the journal's columns and no rows: what to fill in and hand back.

    Parameters
    ----------
    journal : Journal
    lang : {"zh", "en"}
    """
    return pd.DataFrame(columns=[column.label(lang) for column in journal.columns])


def named(rows: pd.DataFrame, county: County, lang: str = "zh") -> pd.DataFrame:
    """Return a journal's rows with the name and township of each place.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table.
    county : County
    lang : {"zh", "en"}
    """
    places = PlaceFinder(county)
    pairs: Iterable[tuple[str, str]] = list(zip(rows["place_kind"], rows["place"], strict=True))
    found = rows.assign(
        place_name=[places.name(*pair) for pair in pairs], township=[places.township(*pair) for pair in pairs]
    )
    return county.translated(found, lang)
