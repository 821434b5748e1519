"""Read the sheets of a workbook as plain rows, and write workbooks that are the same byte for byte every time."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from balance_lib._errors import Fault
from balance_lib.data.intake import archive, cells

if TYPE_CHECKING:
    from openpyxl import Workbook

SUFFIXES = (".xlsx", ".xlsm")
OLD_SUFFIXES = (".xls", ".et", ".xlsb", ".ods")
_STAMP = "2000-01-01T00:00:00Z"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class WorkbookSheet:
    """Hold one sheet: its rows as tuples of cell values; row 1 of the spreadsheet is ``rows[0]``."""

    title: str
    rows: list[tuple[Any, ...]]

    def cell(self, row: int, column: int) -> Any:
        """Return a value by the spreadsheet's row number and a zero-based column; None outside."""
        values = self.rows[row - 1] if 0 < row <= len(self.rows) else ()
        return values[column] if 0 <= column < len(values) else None


@dataclass(frozen=True)
class SourceFile:
    """Name one file to read: what the user calls it, and where its bytes are."""

    name: str
    content: Path | bytes

    @classmethod
    def of(cls, source: Path | str | bytes | SourceFile, name: str | None = None) -> SourceFile:
        """Return a source for a path or for bytes that were uploaded."""
        if isinstance(source, SourceFile):
            return source
        if isinstance(source, bytes):
            return cls(name or "upload.xlsx", source)
        return cls(name or Path(source).name, Path(source))

    def open(self) -> io.BufferedIOBase:
        """Open the bytes for reading."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")


def read(source: SourceFile) -> tuple[list[WorkbookSheet], list[Fault]]:
    """Read every sheet of a workbook; a file that is none gives a fault, never a crash.

    Formulas count as what the spreadsheet program last computed; one that was never computed is a fault, for its cell
    would pass for blank. Blank rows at the end are left off.
    """
    suffix = Path(source.name).suffix.casefold()
    try:
        with source.open() as stream:
            content = stream.read()
        if suffix in OLD_SUFFIXES or not content.startswith(b"PK"):
            return [], [Fault("not_xlsx", source.name, found=suffix or None)]
        if fault := archive.refuse(source.name, content):
            return [], [fault]
        sheets = _sheets(content, data_only=True)
        return sheets, list(_dead_formulas(source.name, content, sheets))
    except OSError as error:
        return [], [Fault("not_xlsx", source.name, found=error.strerror or type(error).__name__)]
    except Exception as error:  # openpyxl lets whatever its parser meets come through
        return [], [Fault("not_xlsx", source.name, found=type(error).__name__)]


def _sheets(content: bytes, *, data_only: bool) -> list[WorkbookSheet]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=data_only)
    try:
        return [_sheet(sheet) for sheet in book.worksheets]
    finally:
        book.close()


def _sheet(sheet: Any) -> WorkbookSheet:
    sheet.reset_dimensions()  # other programs write wrong ones; then rows would be cut off
    rows = [_trimmed(row) for row in sheet.iter_rows()]
    while rows and not rows[-1]:
        rows.pop()
    return WorkbookSheet(sheet.title, rows)


def _trimmed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values of a row without its blank end: a formatted sheet may be 16384 columns wide."""
    end = len(row)
    while end and cells.is_blank(row[end - 1].value):
        end -= 1
    return tuple(_value(cell) for cell in row[:end])


def _value(cell: Any) -> Any:
    """Return a cell's value; a number shown as 0012 is the code 0012."""
    value = cell.value
    if isinstance(value, str):
        return _unescape(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        shown = str(cell.number_format)
        if re.fullmatch("0{2,}", shown):
            return f"{value:0{len(shown)}d}"
    return value


def _dead_formulas(name: str, content: bytes, sheets: list[WorkbookSheet]) -> Iterator[Fault]:
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        parts = [part for part in package.namelist() if part.startswith("xl/worksheets/")]
        if not any(re.search(rb"<f[ >/]", package.read(part)) for part in parts):
            return
    for formulas, computed in zip(_sheets(content, data_only=False), sheets, strict=True):
        for line, row in enumerate(formulas.rows, 1):
            for index, value in enumerate(row):
                if isinstance(value, str) and value.startswith("=") and computed.cell(line, index) is None:
                    place = f"{_letters(index)}{line}"
                    yield Fault("formula_without_value", f"{name} / {formulas.title}", line, place, value[:40])


def _letters(index: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(index + 1))


def to_bytes(book: Workbook, *, compress: bool = True) -> bytes:
    """Return a workbook as bytes that depend on nothing but its content.

    openpyxl writes the time of saving into the document and into every entry of the archive; both are set to a fixed
    date. With ``compress=False`` the bytes do not depend on the zlib of the machine either.
    """
    raw = io.BytesIO()
    book.save(raw)
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(out, "w", method) as new:
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type, entry.create_system, entry.external_attr = method, 3, 0o600 << 16
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _fixed_properties(content.decode("utf-8")).encode("utf-8")
            new.writestr(entry, content)
    return out.getvalue()


def _fixed_properties(core: str) -> str:
    stamped = re.sub(r"(<dcterms:(created|modified)[^>]*>)[^<]*", rf"\g<1>{_STAMP}", core)
    return re.sub(r"(<dc:creator[^>]*>)[^<]*", r"\g<1>balance_lib", stamped)


def put(cell: Any, value: object) -> Any:
    """Put a value into a cell so that reading gives it back unchanged, and return the cell.

    A text stays a text even if it begins with "=" (no formula gets into a workbook from data), and a number keeps
    all its digits: openpyxl writes 16, a double may need 17.
    """
    if value is None or (isinstance(value, float) and value != value):
        return cell
    if isinstance(value, str):
        cell.value = _escape(value)
        cell.data_type = "s"
        return cell
    cell.value = int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
    if isinstance(cell.value, float) and float(f"{cell.value:.16g}") != cell.value:
        cell._value = repr(cell.value)
    return cell


def _escape(text: str) -> str:
    """Write characters XML cannot hold the way spreadsheets do (``_x000D_``)."""
    guarded = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", lambda m: f"_x{ord(m[0]):04X}_", guarded)


def _unescape(value: Any) -> Any:
    if isinstance(value, str) and "_x" in value:
        return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda m: chr(int(m[1], 16)), value)
    return value
