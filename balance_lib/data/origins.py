"""Remember in which file, row and column the cells of a table stood, and tell faults in those words.

A county folder keeps this in ``origins.json`` beside its tables. A table that was changed by hand since its last import
is told by its own rows and columns again: what stands in the file it once came from says nothing of it any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.locale import LANGUAGES

FILE = "origins.json"
Heading = tuple[str, int | None]


@dataclass(frozen=True)
class Origin:
    """Hold what one sheet gave to one table.

    Parameters
    ----------
    place : str
        File and sheet as the user knows them.
    table : str
        Canonical table.
    headings : mapping of str to (str, int or None)
        By :func:`column_key`, what the column is called there, and in a form the line it stands on.
    rows : mapping of str to int or None
        By :func:`row_keys`, the row of the sheet; None in a form, whose lines are columns.
    """

    place: str
    table: str
    headings: Mapping[str, Heading]
    rows: Mapping[str, int | None]

    def heading(self, column: str, row: Mapping[str, Any] | None) -> Heading | None:
        """Return what a column is called here: the heading that says most of what the row is of.

        Parameters
        ----------
        column : str
        row : mapping of str to Any, optional
        """
        fitting = []
        for key, heading in self.headings.items():
            name, *at = key.split("|")
            if name == column and (
                row is None or all(_plain(row.get(p)) == v for p, v in (a.split("=", 1) for a in at))
            ):
                fitting.append((len(at), heading))
        return max(fitting, key=lambda each: each[0])[1] if fitting else None


def column_key(column: str, at: Iterable[tuple[str, Any]] = ()) -> str:
    """Return the key of a column that stands for a stage, a year or an item.

    Parameters
    ----------
    column : str
    at : Iterable[tuple[str, Any]]

    Examples
    --------
    >>> column_key("pupils", [("stage", "junior"), ("year", 2023.0)])
    'pupils|stage=junior|year=2023'
    """
    return "|".join([column, *(f"{part}={_plain(value)}" for part, value in at)])


def row_keys(frame: pd.DataFrame, table: str) -> list[str]:
    """Return the key of every row of a table as one text.

    Parameters
    ----------
    frame : DataFrame
    table : str
    """
    parts = [[_plain(value) for value in frame[column]] for column in tables.table(table).key]
    return ["/".join(row) for row in zip(*parts, strict=True)]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def joined(old: Sequence[Origin], new: Sequence[Origin]) -> list[Origin]:
    """Return the origins of a county after an import, newest first; a sheet of the same headings is one.

    Parameters
    ----------
    old : sequence of Origin
    new : sequence of Origin
    """
    out: list[Origin] = []
    for one in [*new, *old]:
        same = next((i for i, o in enumerate(out) if _like(o) == _like(one)), None)
        if same is None:
            out.append(one)
        else:
            out[same] = replace(one, rows={**one.rows, **out[same].rows})
    return out


def _like(one: Origin) -> tuple[Any, ...]:
    return one.place, one.table, dict(one.headings)


def text(origins: Sequence[Origin], files: Mapping[str, str]) -> str:
    """Return the text of ``origins.json``.

    Parameters
    ----------
    origins : sequence of Origin
    files : mapping of str to str
        Texts of the folder's files, which the origins are true of.
    """
    headings: list[dict[str, Heading]] = []
    sheets = []
    for one in origins:
        own = dict(one.headings)
        if own not in headings:
            headings.append(own)
        sheets.append({"place": one.place, "table": one.table, "headings": headings.index(own), "rows": one.rows})
    files = {tables.table(one.table).file: "" for one in origins} | {
        name: _digest(content.encode()) for name, content in files.items() if name.endswith(".csv")
    }
    return json.dumps({"files": files, "headings": headings, "sheets": sheets}, ensure_ascii=False) + "\n"


def read(folder: Path | None) -> list[Origin]:
    """Return the origins of the tables of a county folder that stand as they were imported."""
    try:
        found = json.loads(((folder or Path()) / FILE).read_text(encoding="utf-8")) if folder else {}
        whole = {name for name, digest in found.get("files", {}).items() if digest == _digest_of(folder, name)}
        headings = [{key: (name, line) for key, (name, line) in own.items()} for own in found.get("headings", [])]
        return [
            Origin(str(one["place"]), one["table"], headings[one["headings"]], dict(one["rows"]))
            for one in found.get("sheets", [])
            if f"{one['table']}.csv" in whole
        ]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return []  # it only helps to tell faults; whoever wrote into it loses that


def _digest_of(folder: Path | None, name: str) -> str:
    file = (folder or Path()) / name
    return _digest(file.read_bytes()) if Path(name).name == name and file.is_file() else ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def told(faults: Iterable[Fault], frames: Mapping[str, pd.DataFrame], origins: Sequence[Origin]) -> list[Fault]:
    """Return faults of tables told by the file, row and heading they came from, where that is known.

    Parameters
    ----------
    faults : iterable of Fault
        By canonical file, row and column.
    frames : mapping of str to DataFrame
        The tables they are of.
    origins : sequence of Origin
        Newest first.
    """
    by_file: dict[str, list[Origin]] = {}
    for one in origins:
        by_file.setdefault(tables.table(one.table).file, []).append(one)
    return [_told(fault, frames, by_file[fault.file]) if fault.file in by_file else fault for fault in faults]


def _told(fault: Fault, frames: Mapping[str, pd.DataFrame], origins: Sequence[Origin]) -> Fault:
    sign = next((sign for sign in "+/" if sign in str(fault.column)), "+")
    columns = str(fault.column).split(sign) if fault.column else []
    frame = frames[origins[0].table]
    row, key = _row(frame, origins[0].table, fault.row)
    here = [one for one in origins if fault.row is None or key in one.rows]
    if not here or fault.rule == "missing_file":
        return fault
    best = max(here, key=lambda one: sum(one.heading(c, row) is not None for c in columns))
    heads = [best.heading(c, row) for c in columns]
    if columns and fault.row is None and not any(heads):
        return fault  # a column the file does not have at all
    params = {name: _param(name, value, best, frame, row) for name, value in fault.params.items()}
    return replace(
        fault,
        file=best.place,
        row=next((head[1] for head in heads if head and head[1] is not None), best.rows.get(key)),
        column=_shown(best.table, columns, heads, sign),
        params=params,
        cell=(fault.file, fault.row, fault.column),
    )


def _shown(table: str, columns: Sequence[str], heads: Sequence[Heading | None], sign: str) -> Any:
    """Return columns by their headings; one the sheet does not have by its name in each language."""
    if all(heads):
        return sign.join(head[0] for head in heads if head) or None
    known = tables.table(table).columns
    names = {lang: [known[c].label(lang) if c in known else c for c in columns] for lang in LANGUAGES}
    pairs = {lang: zip(own, heads, strict=True) for lang, own in names.items()}
    return {lang: sign.join(head[0] if head else name for name, head in pair) for lang, pair in pairs.items()}


def _row(frame: pd.DataFrame, table: str, row: int | None) -> tuple[Mapping[str, Any] | None, str]:
    """Return the values and the key of a row of a table, as the spreadsheet counts; the key is "" where it has none."""
    if row is None or row - 2 not in frame.index:
        return None, ""
    return frame.loc[row - 2].to_dict(), row_keys(frame.loc[[row - 2]], table)[0]


def _param(name: str, value: Any, best: Origin, frame: pd.DataFrame, row: Mapping[str, Any] | None) -> Any:
    """Return a value of a fault's text: another column by its heading, another row by its own."""
    if isinstance(value, tables.Column):
        head = best.heading(value.name, row)
        return head[0] if head else value
    if name in ("first", "row") and isinstance(value, int):
        line = best.rows.get(_row(frame, best.table, value)[1])
        return value if line is None else line
    return value
