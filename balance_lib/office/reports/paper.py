"""Lay out A4 worksheets that print as they look: titles, framed tables, repeated heads, origin in the foot."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from balance_lib.data.intake import xlsx
from balance_lib.locale import text
from balance_lib.office.reports.stamp import ReportStamp
from balance_lib.office.reports.wording import _sheet_title, plain

if TYPE_CHECKING:
    from openpyxl import Workbook

A4 = 9
LINE_PT = 13.5  # height of one line of 10-point text
HIGHEST_PT = 400.0  # a spreadsheet row cannot be higher than 409
_FOOT_MOST = 250
_FONT = "宋体"  # on every Windows, in WPS, and replaced by the system's own serif elsewhere
_HEAD_FILL, _WARN = "EDF2F7", "B00020"


@dataclass(frozen=True)
class Value:
    """Hold a number with the decimals it is shown with; the cell itself keeps the unrounded number."""

    number: float
    places: int = 2


class SheetWriter:
    """Fill one worksheet from the top down.

    Parameters
    ----------
    book : Workbook
    title : str
        Name of the sheet; made fit, and unique in the book.
    widths : sequence of float
        Widths of the columns in characters.
    stamp : ReportStamp
    lang : {"zh", "en"}
    landscape : bool
    """

    def __init__(
        self,
        book: Workbook,
        title: str,
        widths: Sequence[float],
        stamp: ReportStamp,
        *,
        lang: str = "zh",
        landscape: bool = True,
    ) -> None:
        from openpyxl.utils import get_column_letter

        self.sheet: Any = book.create_sheet(_sheet_title(title, book.sheetnames))
        self.widths, self.stamp, self.lang, self.landscape = tuple(widths), stamp, lang, landscape
        self.row = 1
        for index, wide in enumerate(widths, 1):
            self.sheet.column_dimensions[get_column_letter(index)].width = wide

    def title(self, words: str) -> None:
        """Write the heading across all columns, with the warning below it where the figures are made up."""
        self._across(words, font=_font(16, bold=True), place=_place("center"))
        self.sheet.row_dimensions[self.row - 1].height = 30
        if banner := self.stamp.banner(self.lang):
            self._across(banner, font=_font(10, colour=_WARN), place=_place("center"))

    def line(self, words: str, *, align: str = "left") -> None:
        """Write one line across all columns, such as the county and the school year above a table.

        Parameters
        ----------
        words : str
        align : str
            Alignment.
        """
        self._across(words, font=_font(10), place=_place(align))

    def note(self, words: str) -> None:
        """Write a note below a table."""
        self._across(words, font=_font(9), place=_place("left", "top"))

    def _across(self, words: str, *, font: Any, place: Any) -> None:
        cell = self.put(self.row, 1, words, font=font, place=place, frame=False)
        if len(self.widths) > 1:
            self.sheet.merge_cells(start_row=self.row, end_row=self.row, start_column=1, end_column=len(self.widths))
        lines = _lines(cell.value, sum(self.widths) * 10 / float(font.size))
        self.sheet.row_dimensions[self.row].height = min(HIGHEST_PT, max(16.0, lines * float(font.size) * 1.45))
        self.row += 1

    def head(self, rows: Sequence[Sequence[str | None]], *, freeze: int = 0, repeat: bool = True) -> None:
        """Write the head of a table; None joins a cell to its neighbour on the left, "^" to the one above.

        Parameters
        ----------
        rows : sequence of sequence of str or None
            One row a line of the head.
        freeze : int
            Columns that stay in sight; the head always does.
        repeat : bool
            Print the head again on every page, and keep it in sight.
        """
        from openpyxl.utils import get_column_letter

        first = self.row
        for line, row in enumerate(rows):
            for column, words in enumerate(row, 1):
                shown = words if words not in (None, "^") else None
                self.put(first + line, column, shown, font=_font(10, bold=True), place=_place("center"), fill=True)
        joined = _merges(rows)
        self._fit_head(rows, joined)
        for top, left, bottom, right in joined:
            self.merge(first + top, left + 1, first + bottom, right + 1)
        self.row += len(rows)
        if repeat:
            self.sheet.freeze_panes = f"{get_column_letter(freeze + 1)}{self.row}"
            self.sheet.print_title_rows = f"{first}:{self.row - 1}"

    def data(self, values: Sequence[object], *, align: Sequence[str] | str = "", bold: bool = False) -> int:
        """Write one framed row and return its number.

        Parameters
        ----------
        values : sequence
            A :class:`Value` or whole number stays a number, a date a date, everything else is text; None is blank.
        align : sequence of str, or str
            "left", "center" or "right" for each column; by default numbers right, texts left.
        bold : bool
        """
        row, aligns = self.row, (align,) * len(values) if isinstance(align, str) else align
        for column, (value, wanted) in enumerate(zip(values, aligns, strict=True), 1):
            number = isinstance(value, (Value, int, float, date))
            place = _place(wanted or ("right" if number else "left"))
            self.put(row, column, value, font=_font(10, bold=bold), place=place)
        self._fit(row, [(value, self.widths[index]) for index, value in enumerate(values)])
        self.row += 1
        return row

    def link(self, row: int, column: int, title: str) -> None:
        """Make a cell lead to another sheet of the book.

        Parameters
        ----------
        row : int
        column : int
        title : str
        """
        from openpyxl.worksheet.hyperlink import Hyperlink

        cell = self.sheet.cell(row, column)
        target = title.replace("'", "''")
        cell.hyperlink = Hyperlink(ref=cell.coordinate, location=f"'{target}'!A1")

    def merge(self, top: int, left: int, bottom: int, right: int) -> None:
        """Join cells that are already written, by row and column numbers from one.

        Parameters
        ----------
        top : int
            Uppermost row.
        left : int
            Leftmost column.
        bottom : int
            Lowest row.
        right : int
            Right-hand side.
        """
        if (top, left) != (bottom, right):
            self.sheet.merge_cells(start_row=top, start_column=left, end_row=bottom, end_column=right)

    def put(
        self,
        row: int,
        column: int,
        value: object,
        *,
        font: Any = None,
        place: Any = None,
        fill: bool = False,
        frame: bool = True,
    ) -> Any:
        """Write one cell: text stays text whatever it begins with, a number keeps all its digits.

        Parameters
        ----------
        row : int
        column : int
        value : object
        font : object
            Font of the cell.
        place : object
            Alignment in the cell.
        fill : bool
            Whether the cell is tinted.
        frame : bool
            Whether the cell has a border.
        """
        cell = self.sheet.cell(row, column)
        cell.font, cell.alignment = font or _font(10), place or _place("left")
        if frame:
            cell.border = _border()
        if fill:
            cell.fill = _fill(_HEAD_FILL)
        return _set(cell, value, self.lang)

    def _fit(self, row: int, cells: Iterable[tuple[object, float]]) -> None:
        lines = max((_lines(value, wide) for value, wide in cells), default=1)
        self.sheet.row_dimensions[row].height = min(HIGHEST_PT, max(18.0, lines * LINE_PT + 5))

    def _fit_head(self, rows: Sequence[Sequence[str | None]], joined: Sequence[tuple[int, int, int, int]]) -> None:
        """Give the lines of a head their heights; a cell joined downwards shares its lines among its rows."""
        ends = {(top, left): (bottom, right) for top, left, bottom, right in joined}
        needed = [18.0] * len(rows)
        for top, row in enumerate(rows):
            for left, words in enumerate(row):
                if words is None or words == "^":
                    continue
                bottom, right = ends.get((top, left), (top, left))
                height = _lines(words, sum(self.widths[left : right + 1])) * LINE_PT + 5
                for line in range(top, bottom + 1):
                    needed[line] = max(needed[line], height / (bottom - top + 1))
        for line, height in enumerate(needed):
            self.sheet.row_dimensions[self.row + line].height = min(HIGHEST_PT, height)

    def finish(self) -> None:
        """Set the page: A4, fitted to its width, print area, origin and page numbers in the foot."""
        from openpyxl.utils import get_column_letter
        from openpyxl.worksheet.properties import PageSetupProperties

        sheet = self.sheet
        sheet.page_setup.paperSize = A4
        sheet.page_setup.orientation = "landscape" if self.landscape else "portrait"
        sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.print_options.horizontalCentered = True
        margins = sheet.page_margins
        margins.left = margins.right = 0.55
        margins.top, margins.bottom, margins.header, margins.footer = 0.6, 0.75, 0.3, 0.3
        sheet.print_area = f"A1:{get_column_letter(len(self.widths))}{max(1, self.row - 1)}"
        sheet.oddFooter.left.text = _foot(self.stamp.short(self.lang))
        sheet.oddFooter.left.size = 7
        sheet.oddFooter.right.text = text("report.page_of", self.lang, page="&P", pages="&N")
        sheet.oddFooter.right.size = 9


def book_of(sheets: Workbook) -> bytes:
    """Return the finished workbook as bytes that depend on nothing but its content."""
    return xlsx.to_bytes(sheets)


def new_book() -> Workbook:
    """Return a workbook without sheets."""
    from openpyxl import Workbook

    book = Workbook()
    for sheet in list(book.worksheets):
        book.remove(sheet)
    return book


def _origin_sheet(book: Workbook, stamp: ReportStamp, notes: Sequence[str], lang: str = "zh") -> None:
    """Add the page that says what the book was made from and how its figures are to be read.

    ``notes``: remarks, a line each.
    """
    page = SheetWriter(book, text("report.origin", lang), (22, 90), stamp, lang=lang, landscape=False)
    page.title(text("report.origin", lang))
    for label, value in stamp.lines(lang):
        page.data([label, value])
    for words in notes:
        page.note(words)
    page.finish()


def _set(cell: Any, value: object, lang: str) -> Any:
    if isinstance(value, Value):
        if not math.isfinite(value.number):
            return cell
        cell.number_format = "#,##0" + ("." + "0" * value.places if value.places else "")
        return xlsx.put(cell, float(value.number))
    if isinstance(value, date):
        cell.value, cell.number_format = value, "yyyy-mm-dd"
        return cell
    if value is None or isinstance(value, (int, float)):
        return xlsx.put(cell, value)
    words = plain(value, lang=lang)
    xlsx.put(cell, words)
    if words[:1] in tuple("=+-@"):
        cell.quotePrefix = True  # stays a text also when somebody edits the cell and presses Enter
    return cell


def _lines(value: object, wide: float) -> int:
    """Return how many lines a value takes in a column; a little more room than measured, fonts differ."""
    if not isinstance(value, str):
        return 1
    room = max(2.0, wide - 1.2)
    return sum(max(1, math.ceil(_width(part) * 1.06 / room)) for part in value[:20_000].split("\n"))


def _width(words: str) -> int:
    """Return how many half-width places a text takes in a Chinese font, where dashes and quotes are wide too."""
    return sum(2 if unicodedata.east_asian_width(character) in "WFA" else 1 for character in words)


def _merges(rows: Sequence[Sequence[str | None]]) -> list[tuple[int, int, int, int]]:
    """Return the joined cells of a head as top, left, bottom, right."""
    found = []
    for top, row in enumerate(rows):
        for left, words in enumerate(row):
            if words is None or words == "^":
                continue
            right = left
            while right + 1 < len(row) and row[right + 1] is None:
                right += 1
            bottom = top
            while bottom + 1 < len(rows) and rows[bottom + 1][left] == "^":
                bottom += 1
            if (bottom, right) != (top, left):
                found.append((top, left, bottom, right))
    return found


def _foot(words: str) -> str:
    return words.replace("&", "&&")[:_FOOT_MOST]


@cache
def _font(size: int, *, bold: bool = False, colour: str = "000000") -> Any:
    from openpyxl.styles import Font

    return Font(name=_FONT, size=size, bold=bold, color=colour)


@cache
def _place(across: str, upright: str = "center") -> Any:
    from openpyxl.styles import Alignment

    return Alignment(horizontal=across, vertical=upright, wrap_text=True)


@cache
def _border() -> Any:
    from openpyxl.styles import Border, Side

    side = Side("thin", color="404040")
    return Border(left=side, right=side, top=side, bottom=side)


@cache
def _fill(colour: str) -> Any:
    from openpyxl.styles import PatternFill

    return PatternFill("solid", fgColor=colour)
