"""Read a CSV or XLSX file, however it was saved, as grids of text cells that keep the spreadsheet's row numbers."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from balance_lib._errors import Fault
from balance_lib.data.intake import xlsx
from balance_lib.data.intake.xlsx import OLD_SUFFIXES, SUFFIXES, SourceFile

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_DELIMITERS = (",", ";", "\t")
# GBK decodes almost any bytes; Chinese text proper is nearly all GB2312.
_PLAUSIBLE_SHARE = 0.9


@dataclass(frozen=True)
class Grid:
    """Hold the cells of one sheet as text; ``rows[0]`` is row 1 of the spreadsheet.

    Parameters
    ----------
    file : str
        File name as the user knows it.
    sheet : str or None
        Sheet name; None for a text file.
    rows : list of list of str
        Cells, "" where there is nothing. All rows are of one length. Merged cells repeat their value.
    filled : set of (row, column)
        Zero-based places that only repeat the value of a merged cell.
    dead : dict of (row, column) to str
        Zero-based places of formulas that were never computed; they look empty, which would pass for "no data".
    hidden : bool
        Whether the sheet is hidden.
    encoding : str
        How the text was coded; "" for a workbook.
    crs : str or None
        Coordinate system of its longitudes and latitudes, where the file itself says it.
    """

    file: str
    sheet: str | None
    rows: list[list[str]]
    filled: set[tuple[int, int]] = field(default_factory=set)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden: bool = False
    encoding: str = ""
    crs: str | None = None

    @property
    def label(self) -> str:
        """Return file and sheet as faults name them."""
        return self.file if self.sheet is None else f"{self.file} [{self.sheet}]"


def read_grids(source: Path | str | SourceFile, *, encoding: str | None = None) -> tuple[list[Grid], list[Fault]]:
    """Read every sheet of a file; a file that cannot be read gives a fault, never a crash.

    Parameters
    ----------
    source : Path, str or SourceFile
        A CSV/TSV (UTF-8 with or without byte-order mark, UTF-16, GBK/GB18030; comma, semicolon or tab) or a workbook.
    encoding : str, optional
        Encoding of a text file that cannot be told from its bytes, such as ``big5`` or ``latin-1``.
    """
    source = SourceFile.of(source)
    suffix = Path(source.name).suffix.casefold()
    try:
        with source.open() as stream:
            content = stream.read()
    except OSError as error:
        return [], [Fault("unreadable", source.name, found=error.strerror or type(error).__name__)]
    if suffix in SUFFIXES or content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        sheets, faults = xlsx.read_book(source.name, content)
        return [_grid(source.name, sheet) for sheet in sheets], faults
    if suffix in OLD_SUFFIXES:
        return [], [Fault("not_xlsx", source.name, found=suffix or None)]
    if suffix not in TEXT_SUFFIXES:
        return [], [Fault("file_type", source.name, found=suffix or None)]
    text, coded = decode(content, encoding)
    if text is None:
        return [], [Fault("encoding", source.name, found=coded or None)]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    rows, values, width = [], 0, 0
    try:
        for row in lines:
            rows.append([cell.strip() for cell in row])
            values += sum(map(bool, row))
            width = max(width, len(row))
            if values > xlsx.MOST_VALUES or width * len(rows) > xlsx.MOST_SPANNED:
                most = {"most": f"{xlsx.MOST_VALUES:,}"}
                return [], [Fault("sheet_too_large", source.name, len(rows), None, None, params=most)]
    except csv.Error:  # nothing else ends a reader that is not strict
        told = {"most": f"{csv.field_size_limit():,}"}
        return [], [Fault("cell_too_long", source.name, lines.line_num, params=told)]
    return [Grid(source.name, None, _square(rows), encoding=coded)], []


def decode(content: bytes, encoding: str | None = None) -> tuple[str | None, str]:
    """Return the text of a file and how it was coded; None where that cannot be told safely.

    Parameters
    ----------
    content : bytes
    encoding : str, optional
        Encoding; guessed without.

    Examples
    --------
    >>> decode("学校,人数".encode("gbk"))
    ('学校,人数', 'gb18030')
    """
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return _try(content, name)
    if encoding:
        return _try(content, encoding)
    if b"\0" in content:  # no other encoding of text has it
        return _try(content, "utf-16-le" if content[1::2].count(0) > content[::2].count(0) else "utf-16-be")
    text, coded = _try(content, "utf-8")
    if text is not None:
        return text, coded
    text, coded = _try(content, "gb18030")
    foreign = [c for c in text or "" if ord(c) > 127]
    chinese = sum(_in_gb2312(c) for c in foreign)
    return (text, coded) if text is not None and chinese >= _PLAUSIBLE_SHARE * len(foreign) else (None, "")


def _try(content: bytes, encoding: str) -> tuple[str | None, str]:
    try:
        return content.decode(encoding), encoding
    except (UnicodeDecodeError, LookupError):
        return None, encoding


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return character in "㎡㎏℃·—"
    return True


def _delimiter(text: str) -> str:
    """Return the delimiter that cuts most lines into the same number of cells, more than one."""
    sample = text[:20000].splitlines()[:60]

    def score(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if len(row) > 1)
        width, lines = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return lines, width

    return max(_DELIMITERS, key=score)


def _square(rows: list[list[str]]) -> list[list[str]]:
    width = max((len(row) for row in rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _grid(name: str, sheet: xlsx.WorkbookSheet) -> Grid:
    """Return a sheet as text; merged cells repeat their value in every row that holds anything."""
    width = max(map(len, sheet.rows), default=0)
    if width * sum(map(bool, sheet.rows)) > xlsx.MOST_SPANNED:
        raise MemoryError
    blank = [""] * width
    rows = [
        [_as_text(value, (line, at) in sheet.percents) for at, value in enumerate(row)] + blank[len(row) :]
        if row
        else blank
        for line, row in enumerate(sheet.rows)
    ]
    filled = set()
    for top, left, bottom, right in sheet.merged:
        value = rows[top][left] if top < len(rows) and left < width else ""
        for line in range(top, min(bottom + 1, len(rows))) if value else ():
            for column in range(left, min(right + 1, width)) if rows[line] is not blank else ():
                if (line, column) != (top, left):
                    rows[line][column] = value
                    filled.add((line, column))
    return Grid(name, sheet.title, rows, filled, sheet.dead, hidden=sheet.hidden)


def _as_text(value: Any, percent: bool) -> str:
    """Return a cell's value as the text a person sees, digit for digit."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time.min else value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (int, float)):
        if percent:
            return f"{value * 100:.10g}%"
        whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
        return str(int(value)) if whole else repr(value)
    return str(value).strip()
