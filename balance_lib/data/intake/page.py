"""Read the sheets of our workbook as canonical tables, with faults in the user's own rows and headings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pandas as pd

from balance_lib import locale
from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.county import CRS_NAMES
from balance_lib.data.intake import cells
from balance_lib.data.intake.cells import Cell, is_blank, label_key
from balance_lib.data.intake.sheets import COUNTY_KEYS, heading, item_names
from balance_lib.data.intake.xlsx import WorkbookSheet
from balance_lib.data.origins import Origin, row_keys
from balance_lib.data.tables import Column, Table

_HEADER_WITHIN = 10  # rows of titles someone may have put above the headings
_COUNTY_ID = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass
class SheetRecords:
    """Hold one sheet as read: its table, the spreadsheet row of each record, the heading of each column."""

    spec: Table
    place: str
    title: str
    frame: pd.DataFrame
    lines: list[int] = field(default_factory=list)
    headings: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def fault(self, rule: str, line: int, column: str, found: Any, severity: str = "error", **params: Any) -> None:
        """Note a fault of one cell.

        Parameters
        ----------
        rule : str
            Rule whose text is told.
        line : int
            Row of the sheet.
        column : str
        found : object
        severity : str
            ``error`` or ``warning``.
        **params : object
        """
        head = self.headings.get(column, column)
        self.faults.append(Fault(rule, self.place, line, head, found, severity, params))  # type: ignore[arg-type]

    @property
    def origin(self) -> Origin:
        """Return where in the sheet each cell of the table stands."""
        headings = {name: (heading, None) for name, heading in self.headings.items()}
        rows = dict(zip(row_keys(self.frame, self.spec.name), self.lines, strict=True))
        return Origin(self.place, self.spec.name, headings, rows)

    def in_place(self, fault: Fault, titles: Mapping[str, str]) -> Fault:
        """Return a fault of the canonical table told in the rows, headings and sheets of the workbook.

        Parameters
        ----------
        fault : Fault
        titles : mapping of str to str
            Titles of the columns.
        """
        line = self.lines[fault.row - 2] if fault.row else None
        names = [self.headings.get(name, name) for name in str(fault.column).split("+")]
        params = dict(fault.params)
        if "first" in params:
            params["first"] = self.lines[params["first"] - 2]
        if "table" in params:
            params["table"] = titles.get(params["table"], params["table"])
        return replace(fault, file=self.place, row=line, column="+".join(names), params=params)


def read_page(sheet: WorkbookSheet, spec: Table, place: str) -> SheetRecords:
    """Read a sheet as a table: columns by heading in either language or by canonical name, blank rows passed over.

    Parameters
    ----------
    sheet : WorkbookSheet
    spec : Table
    place : str
    """
    page = SheetRecords(spec, place, sheet.title, tables.empty(spec.name))
    first, columns = _columns(sheet, page)
    if not columns:
        if sheet.rows:
            keys = "、".join(spec.columns[key].zh for key in spec.key)
            page.faults.append(Fault("book_header", place, params={"keys": keys}))
        return page
    known: dict[tuple[str, type, Any], Cell] = {}  # the same few values stand in most cells of a column
    values: dict[str, list[Any]] = {column.name: [] for column in columns.values()}
    for line in range(first, len(sheet.rows) + 1):
        row = sheet.rows[line - 1]
        if all(is_blank(row[index]) for index in columns if index < len(row)):
            continue
        page.lines.append(line)
        for index, column in columns.items():
            raw = row[index] if index < len(row) else None
            key = (column.name, type(raw), raw)
            if key not in known:
                known[key] = _read(raw, column, spec)
            values[column.name].append(_taken(page, known[key], line, column.name, raw))
    page.frame = tables.conform(pd.DataFrame(values), spec.name)
    return page


def _taken(page: SheetRecords, cell: Cell, line: int, column: str, raw: Any) -> Any:
    if cell.broken:
        page.fault(cell.broken, line, column, raw, **cell.params)
    elif cell.note:
        found = None if cell.note == "personal_data" else raw  # the fault must not tell what was dropped
        page.fault(cell.note, line, column, found, "warning", **cell.params)
    return cell.value


def _read(raw: Any, column: Column, spec: Table) -> Cell:
    if (spec.name, column.name) == ("county_years", "item"):
        text = cells.text(raw)
        return Cell(_items().get(label_key(text), text)) if text else Cell()
    return cells.of_column(raw, column)


@cache
def _items() -> Mapping[str, str]:
    """Return the canonical name of an item by any of its shown names."""
    return {label_key(item.shown): item.name for lang in locale.LANGUAGES for item in item_names(lang)}


def _columns(sheet: WorkbookSheet, page: SheetRecords) -> tuple[int, dict[int, Column]]:
    """Return the row records begin in and the column of each heading; canonical names, where they stand, decide."""
    names = _names(page.spec)
    scores = [
        sum(label_key(value) in names for value in row if not is_blank(value)) for row in sheet.rows[:_HEADER_WITHIN]
    ]
    if not scores or not max(scores):
        return 0, {}
    top = scores.index(max(scores))
    heads = [top]
    for near in (top - 1, top + 1):
        if 0 <= near < len(scores) and scores[near] >= max(1, len(_filled(sheet.rows[near])) / 2):
            heads.append(near)
    columns: dict[int, Column] = {}
    canonical = [line for line in heads if any(value in page.spec.columns for value in sheet.rows[line])]
    for line in [*canonical, *(line for line in heads if line not in canonical)]:
        for index, value in enumerate(sheet.rows[line]):
            column = names.get(label_key(value)) if not is_blank(value) else None
            if column and index not in columns:
                columns[index] = column
    line = min(heads)
    shown = {i: str(sheet.cell(line + 1, i) or sheet.cell(max(heads) + 1, i)).strip() for i in columns}
    _judge_heads(sheet, page, line, columns, shown)
    return max(heads) + 2, columns


def _judge_heads(
    sheet: WorkbookSheet, page: SheetRecords, line: int, columns: dict[int, Column], shown: Mapping[int, str]
) -> None:
    for index in sorted(columns):
        name = columns[index].name
        if name in page.headings:
            page.fault("book_column_again", line + 1, shown[index], None, "warning")
            del columns[index]
        else:
            page.headings[name] = shown[index]
    for index, value in enumerate(sheet.rows[line]):
        if index not in columns and index not in shown and not is_blank(value):
            word = cells.personal_word(value)
            page.fault("personal_data" if word else "column_left_out", line + 1, word or str(value), None, "warning")
            page.dropped += [word] if word else []
    for key in page.spec.key:
        if key not in page.headings:
            page.fault("missing_column", line + 1, heading(page.spec.columns[key]), None)


def _filled(row: tuple[Any, ...]) -> list[Any]:
    return [value for value in row if not is_blank(value)]


def _names(spec: Table) -> dict[str, Column]:
    names: dict[str, Column] = {}
    for column in spec.columns.values():
        for lang in locale.LANGUAGES:
            names[label_key(column.label(lang))] = names[label_key(heading(column, lang))] = column
    return names | {label_key(column.name): column for column in spec.columns.values()}


def read_county(sheet: WorkbookSheet, place: str) -> tuple[dict[str, Any], list[Fault]]:
    """Read the county sheet: what it says of the county, and what is wrong with it.

    Parameters
    ----------
    sheet : WorkbookSheet
    place : str
    """
    labels = {
        label_key(text): key
        for key in COUNTY_KEYS
        for text in (key, *(locale.text(f"intake.county.{key}.label", lang) for lang in locale.LANGUAGES))
    }
    said: dict[str, Any] = {}
    faults = []
    for line, row in enumerate(sheet.rows, 1):
        key = labels.get(label_key(row[0])) if row and not is_blank(row[0]) else None
        raw = sheet.cell(line, 1)
        if key is None or is_blank(raw):
            continue
        cell = _county_value(key, raw)
        if cell.broken:
            faults.append(Fault(cell.broken, place, line, str(row[0]).strip(), raw, params=cell.params))
        elif cell.value is not None:
            said[key] = cell.value
    return said, faults


def _county_value(key: str, raw: Any) -> Cell:
    if key == "synthetic":
        cell = cells.flag(raw)
        return cell if cell.broken else Cell(bool(cell.value))
    if key == "crs":
        return cells.choice(raw, {name: name for name in CRS_NAMES}, "、".join(CRS_NAMES))
    text = cells.text(raw)
    if key == "county_id" and text and not _COUNTY_ID.fullmatch(text):
        return Cell(broken="county_id")
    return Cell(text)
