"""Read the sheets of a workbook as plain rows, and write workbooks that are the same byte for byte every time."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from balance_lib._errors import Fault
from balance_lib.data.intake import archive, cells

if TYPE_CHECKING:
    from openpyxl import Workbook

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".et")
OLD_SUFFIXES = (".xlsb", ".ods")
_OLD = b"\xd0\xcf\x11\xe0"  # what Excel 97 to 2003 and WPS write: records in an OLE container
# A spreadsheet program has no more rows and columns; a return of 200,000 rows has fewer values.
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
MOST_VALUES = 3_000_000
MOST_SPANNED = 20_000_000
_STAMP = "2000-01-01T00:00:00Z"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class WorkbookSheet:
    """Hold one sheet: its rows as tuples of cell values; row 1 of the spreadsheet is ``rows[0]``.

    Parameters
    ----------
    title : str
    rows : list of tuple
        Values up to the last one of each row; a blank row is the empty tuple, so that gaps cost nothing.
    hidden : bool
        Whether the sheet is hidden.
    merged : list of (int, int, int, int)
        Zero-based first row and column, last row and column of merged cells.
    percents : set of (row, column)
        Zero-based places of numbers shown as percent.
    dead : dict of (row, column) to str
        Zero-based places of formulas that were never computed; they look empty, which would pass for "no data".
    """

    title: str
    rows: list[tuple[Any, ...]]
    hidden: bool = False
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    percents: set[tuple[int, int]] = field(default_factory=set)
    dead: dict[tuple[int, int], str] = field(default_factory=dict)

    def cell(self, row: int, column: int) -> Any:
        """Return a value by the spreadsheet's row number and a zero-based column; None outside.

        Parameters
        ----------
        row : int
        column : int
        """
        values = self.rows[row - 1] if 0 < row <= len(self.rows) else ()
        return values[column] if 0 <= column < len(values) else None


@dataclass(frozen=True)
class SourceFile:
    """Name one file to read: what the user calls it, and where its bytes are."""

    name: str
    content: Path | bytes

    @classmethod
    def of(cls, source: Path | str | bytes | SourceFile, name: str | None = None) -> SourceFile:
        """Return a source for a path or for bytes that were uploaded.

        Parameters
        ----------
        source : Path or str or bytes or SourceFile
        name : str, optional
        """
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
    would pass for blank.
    """
    try:
        with source.open() as stream:
            sheets, faults = read_book(source.name, stream.read())
    except OSError as error:
        return [], [Fault("not_xlsx", source.name, found=error.strerror or type(error).__name__)]
    faults += [
        Fault("formula_without_value", f"{source.name} / {sheet.title}", row + 1, f"{letters(column)}{row + 1}", text)
        for sheet in sheets
        for (row, column), text in sheet.dead.items()
    ]
    return sheets, faults


def read_book(name: str, content: bytes) -> tuple[list[WorkbookSheet], list[Fault]]:
    """Read the bytes of a workbook; what it costs follows the cells with values, not where the farthest stands.

    Parameters
    ----------
    name : str
    content : bytes
    """
    import openpyxl

    if not content.startswith((b"PK", _OLD)):
        return [], [Fault("not_xlsx", name, found=Path(name).suffix.casefold() or None)]
    try:
        if content.startswith(_OLD):
            return _old_sheets(content), []
        if fault := archive.refuse(name, content):
            return [], [fault]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and parts openpyxl does not know are no matter of the clerk's
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            with contextlib.closing(book):
                return [_sheet(book, sheet) for sheet in book.worksheets], []
    except _TooLargeError as error:
        return [], [error.fault(name)]
    except Exception as error:  # openpyxl and xlrd let whatever their parsers meet come through
        return [], [Fault("not_xlsx", name, found=type(error).__name__)]


def _old_sheets(content: bytes) -> list[WorkbookSheet]:
    """Read the sheets of an .xls workbook; its format itself bounds what a sheet can hold."""
    import xlrd

    book = xlrd.open_workbook(file_contents=content, formatting_info=True, ragged_rows=True, logfile=io.StringIO())
    out = []
    for sheet in book.sheets():
        made = WorkbookSheet(sheet.name, [], hidden=bool(sheet.visibility))
        for line in range(sheet.nrows):
            row: list[Any] = []
            for at, cell in enumerate(sheet.row(line)):
                shown = book.format_map[book.xf_list[cell.xf_index].format_key].format_str
                row.append(_value(_old_value(cell, book.datemode), shown))
                if "%" in shown and cell.ctype == xlrd.XL_CELL_NUMBER:
                    made.percents.add((line, at))
            while row and cells.is_blank(row[-1]):
                row.pop()
            made.rows.append(tuple(row))
        while made.rows and not made.rows[-1]:
            made.rows.pop()
        made.merged.extend((top, left, bottom - 1, right - 1) for top, bottom, left, right in sheet.merged_cells)
        out.append(made)
    return out


def _old_value(cell: Any, calendar: int) -> Any:
    """Return the value of an .xls cell as openpyxl gives that of an .xlsx one."""
    import xlrd

    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return None
    if cell.ctype == xlrd.XL_CELL_DATE:
        return xlrd.xldate_as_datetime(cell.value, calendar)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "#N/A")
    whole = cell.ctype == xlrd.XL_CELL_NUMBER and cell.value.is_integer() and abs(cell.value) < 1e15
    return int(cell.value) if whole else cell.value


class _TooLargeError(Exception):
    """End reading a sheet that holds, or spans, more than a county's return can."""

    def __init__(self, rule: str, sheet: str, found: str) -> None:
        super().__init__(rule, sheet, found)
        self.rule, self.sheet, self.found = rule, sheet, found

    def fault(self, name: str) -> Fault:
        """Return what to tell of it."""
        most = MOST_VALUES if self.rule == "sheet_too_large" else MOST_SPANNED
        return Fault(self.rule, f"{name} [{self.sheet}]", None, None, self.found, params={"most": f"{most:,}"})


def _sheet(book: Any, sheet: Any) -> WorkbookSheet:
    """Read one sheet cell by cell as it is written: a gap of a million rows or a styled blank cell costs nothing."""
    parser = _parser(book, sheet)
    out = WorkbookSheet(sheet.title, [], hidden=sheet.sheet_state != "visible")
    values = spanned = 0
    with sheet._get_source() as parser.source:
        for line, cells_of_row in parser.parse():
            filled = [cell for cell in cells_of_row if not cells.is_blank(cell["value"])]
            if not filled:
                continue
            width = max(cell["column"] for cell in filled)
            values, spanned = values + len(filled), spanned + width
            place = f"{letters(width - 1)}{line}"
            if values > MOST_VALUES:
                raise _TooLargeError("sheet_too_large", sheet.title, place)
            if line > MOST_ROWS or width > MOST_COLUMNS or spanned > MOST_SPANNED:
                raise _TooLargeError("sheet_scattered", sheet.title, place)
            row: list[Any] = [None] * width
            for cell in filled:
                at, shown = cell["column"] - 1, _number_format(book, cell["style_id"])
                row[at] = _value(cell["value"], shown)
                if "%" in shown and not isinstance(cell["value"], str):
                    out.percents.add((line - 1, at))
            out.rows.extend([()] * (line - len(out.rows)))  # rows mostly come in order; a later one may fill a gap
            out.rows[line - 1] = tuple(row)
    out.merged.extend(
        (area.min_row - 1, area.min_col - 1, area.max_row - 1, area.max_col - 1)
        for area in (parser.merged_cells.mergeCell if parser.merged_cells else ())
    )
    out.dead.update(parser.dead)
    return out


def _parser(book: Any, sheet: Any) -> Any:
    """Return openpyxl's own parser of a sheet, which also notes formulas that were never computed."""
    from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

    class Parser(WorkSheetParser):
        dead: dict[tuple[int, int], str]

        def parse_cell(self, element: Any) -> dict[str, Any]:
            try:
                cell: dict[str, Any] = super().parse_cell(element)
            except ValueError:  # a number of 10,000 digits, or none at all: told as what stands there
                element.set("t", "str")
                cell = super().parse_cell(element)
            formula = element.find(FORMULA_TAG)
            if formula is not None and cell["value"] is None:
                self.dead[cell["row"] - 1, cell["column"] - 1] = f"={formula.text or ''}"[:40]
            return cell

    parser = Parser(
        io.BytesIO(), sheet._shared_strings, data_only=True, epoch=book.epoch,
        date_formats=book._date_formats, timedelta_formats=book._timedelta_formats,
    )  # fmt: skip
    parser.dead = {}
    return parser


def _number_format(book: Any, style: int) -> str:
    """Return how a cell's number is shown."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE

    if not style or style >= len(book._cell_styles):
        return ""
    number = book._cell_styles[style].numFmtId
    if number < BUILTIN_FORMATS_MAX_SIZE:
        return str(BUILTIN_FORMATS.get(number, ""))
    return str(book._number_formats[number - BUILTIN_FORMATS_MAX_SIZE])


def _value(value: Any, shown: str) -> Any:
    """Return a cell's value; a number shown as 0012 is the code 0012."""
    if isinstance(value, str):
        return _unescape(value)
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer() and value >= 0
    return f"{int(value):0{len(shown)}d}" if whole and re.fullmatch("0{2,}", shown) else value


def letters(column: int) -> str:
    """Return the spreadsheet's letters of a zero-based column.

    Examples
    --------
    >>> letters(0), letters(27)
    ('A', 'AB')
    """
    out = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        out = chr(65 + rest) + out
    return out


def to_bytes(book: Workbook, *, compress: bool = True) -> bytes:
    """Return a workbook as bytes that depend on nothing but its content.

    openpyxl writes the time of saving into the document and into every entry of the archive; both are set to a fixed
    date. With ``compress=False`` the bytes do not depend on the zlib of the machine either.

    Parameters
    ----------
    book : Workbook
    compress : bool
        Whether the file is packed.
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

    Parameters
    ----------
    cell : object
        Cell of the sheet.
    value : object
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
