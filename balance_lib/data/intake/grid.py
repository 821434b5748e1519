"""Read a CSV or XLSX file, however it was saved, as grids of text cells that keep the spreadsheet's row numbers."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from balance_lib._errors import Fault
from balance_lib.data.intake import archive
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
    """

    file: str
    sheet: str | None
    rows: list[list[str]]
    filled: set[tuple[int, int]] = field(default_factory=set)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden: bool = False
    encoding: str = ""

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

    Returns
    -------
    (list of Grid, list of Fault)
    """
    source = SourceFile.of(source)
    suffix = Path(source.name).suffix.casefold()
    try:
        with source.open() as stream:
            content = stream.read()
    except OSError as error:
        return [], [Fault("unreadable", source.name, found=error.strerror or type(error).__name__)]
    if suffix in SUFFIXES or content.startswith(b"PK\x03\x04"):
        return _read_workbook(source.name, content)
    if suffix in OLD_SUFFIXES or content.startswith(b"\xd0\xcf\x11\xe0"):
        return [], [Fault("not_xlsx", source.name, found=suffix or None)]
    if suffix not in TEXT_SUFFIXES:
        return [], [Fault("file_type", source.name, found=suffix or None)]
    text, coded = decode(content, encoding)
    if text is None:
        return [], [Fault("encoding", source.name, found=coded or None)]
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    return [Grid(source.name, None, _square([[c.strip() for c in row] for row in rows]), encoding=coded)], []


def decode(content: bytes, encoding: str | None = None) -> tuple[str | None, str]:
    """Return the text of a file and how it was coded; None where that cannot be told safely.

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


def _read_workbook(name: str, content: bytes) -> tuple[list[Grid], list[Fault]]:
    import openpyxl

    try:
        if fault := archive.refuse(name, content):
            return [], [fault]
        book = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        dead = _dead_formulas(content, book)
        return [_sheet(name, sheet, dead.get(sheet.title, {})) for sheet in book.worksheets], []
    except Exception as error:  # openpyxl lets whatever its parser meets come through
        return [], [Fault("not_xlsx", name, found=type(error).__name__)]


def _dead_formulas(content: bytes, book: Any) -> dict[str, dict[tuple[int, int], str]]:
    """Return the formulas without a computed value by sheet and place."""
    import openpyxl

    with zipfile.ZipFile(io.BytesIO(content)) as package:
        sheets = [n for n in package.namelist() if n.startswith("xl/worksheets/")]
        if not any(re.search(rb"<f[ >/]", package.read(n)) for n in sheets):
            return {}
    formulas = openpyxl.load_workbook(io.BytesIO(content), data_only=False)
    return {
        sheet.title: {
            (int(cell.row or 1) - 1, int(cell.column or 1) - 1): str(cell.value)[:40]
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f" and book[sheet.title].cell(cell.row, cell.column).value is None
        }
        for sheet in formulas.worksheets
    }


def _sheet(name: str, sheet: Any, dead: dict[tuple[int, int], str]) -> Grid:
    rows = _square([[_as_text(cell) for cell in row] for row in sheet.iter_rows()])
    filled = set()
    for area in sheet.merged_cells.ranges:
        value = rows[area.min_row - 1][area.min_col - 1]
        for row in range(area.min_row - 1, min(area.max_row, len(rows))):
            for column in range(area.min_col - 1, min(area.max_col, len(rows[row]))):
                if (row, column) != (area.min_row - 1, area.min_col - 1) and value:
                    rows[row][column] = value
                    filled.add((row, column))
    return Grid(name, sheet.title, rows, filled, dead, hidden=sheet.sheet_state != "visible")


def _as_text(cell: Any) -> str:
    """Return a cell as the text a person sees, digit for digit."""
    value, shown = cell.value, str(cell.number_format or "")
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time.min else value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (int, float)):
        if "%" in shown:
            return f"{value * 100:.10g}%"
        whole = int(value) if float(value).is_integer() and abs(value) < 1e15 else None
        if whole is not None and re.fullmatch("0{2,}", shown):  # codes shown with their leading zeros
            return f"{whole:0{len(shown)}d}"
        return repr(value) if whole is None else str(whole)
    return str(value).strip()
