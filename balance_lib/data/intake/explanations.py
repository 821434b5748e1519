"""Write the pages of our workbook that explain it: what each sheet and column is for, and which items there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from balance_lib import locale, standards
from balance_lib.data import tables
from balance_lib.data.intake.sheets import heading, item_names, meaning, range_text, sheet_title, styled, width
from balance_lib.data.tables import Column, Table

if TYPE_CHECKING:
    from openpyxl import Workbook

NOTES = ("layout", "colours", "blank", "year", "code", "place", "stage", "split", "kind", "items", "privacy")
_ABOUT_WIDTHS = (16, 44, 24, 10, 30, 10, 60)
_MARGIN, _LINE_HEIGHT = 20, 16
_ITEM_WIDTHS = (52, 34, 52, 12)


def write_about(book: Workbook, lang: str) -> None:
    """Write the page of explanations.

    Parameters
    ----------
    book : Workbook
    lang : {"zh", "en"}
    """
    sheet = book.create_sheet(locale.text("intake.sheet.about", lang))
    _widths(sheet, _ABOUT_WIDTHS)
    say = _Writer(sheet, lang)
    say.title("title")
    say.title("sheets")
    say.head("sheet", "purpose", "key")
    for name, spec in tables.all_tables().items():
        keys = "+".join(spec.columns[key].label(lang) for key in spec.key)
        say.row(sheet_title(name, lang), locale.text(f"intake.purpose.{name}", lang), keys)
    say.row()
    say.title("notes")
    for number, note in enumerate(NOTES, 1):
        say.paragraph(f"{number}. " + locale.text(f"intake.note.{note}", lang))
    say.row()
    say.title("columns")
    say.head("sheet", "column", "name", "unit", "range", "required", "meaning")
    for spec in tables.all_tables().values():
        for column in spec.columns.values():
            say.row(*_column(spec, column, lang))


def _column(spec: Table, column: Column, lang: str) -> Iterable[str]:
    required = locale.text(f"intake.about.required.{'yes' if column.required else 'no'}", lang)
    unit = locale.text(f"intake.unit.{column.unit}", lang) if column.unit else ""
    named = (sheet_title(spec.name, lang), heading(column, lang), column.name)
    return *named, unit, range_text(column, lang), required, meaning(spec, column, lang)


def write_items(book: Workbook, lang: str) -> None:
    """Write the list of county items, items the county reports itself, and items that need evidence.

    Parameters
    ----------
    book : Workbook
    lang : {"zh", "en"}
    """
    sheet = book.create_sheet(locale.text("intake.sheet.items", lang))
    _widths(sheet, _ITEM_WIDTHS)
    say = _Writer(sheet, lang, "items")
    say.title("county")
    say.head("item", "name", "label", "unit")
    for named in item_names(lang):  # begins in row 3: the drop-down of county_years points there
        say.row(named.shown, named.name, named.label, locale.unit(named.unit)[lang])
    for source in ("reported", "evidence"):
        reported = source == "reported"
        say.row()
        say.title(source)
        say.head(*(("item", "name") if reported else ("standard", "code")), "label", "unit")
        for standard, item in _items(source):
            both = f"{standard}/{item.code}"
            first = (both, both) if reported else (standard, item.code)
            say.row(*first, item.label(lang), locale.unit(item.unit)[lang] if reported else "")


def _items(source: str) -> Iterable[tuple[str, standards.Item]]:
    """Yield the judged items of all standards that are measured in this way, with the id of their standard."""
    for standard in map(standards.load, standards.ids()):
        for item in standard.judged:
            if item.measure and item.measure.stated_by == source and item.same_as is None:
                yield standard.id, item


class _Writer:
    """Append titled rows to a page."""

    def __init__(self, sheet: Any, lang: str, section: str = "about") -> None:
        self.sheet, self.lang, self.section = sheet, lang, section
        self.line = 0

    def title(self, key: str) -> None:
        """Write one bold line."""
        self._put([locale.text(f"intake.{self.section}.{key}", self.lang)], "head")

    def head(self, *keys: str) -> None:
        """Write the header of a list."""
        self._put([locale.text(f"intake.{self.section}.head.{key}", self.lang) for key in keys], "optional")

    def row(self, *texts: str) -> None:
        """Write one row; long texts wrap within their column."""
        self._put(texts, "plain")

    def _put(self, texts: Sequence[str], role: str) -> None:
        self.sheet.append([styled(self.sheet, text, role) for text in texts])
        self.line += 1

    def paragraph(self, text: str) -> None:
        """Write a text across the page; spreadsheet programs do not find the height of merged cells themselves."""
        self.row(text)
        lines = -(-width(text) // (sum(_ABOUT_WIDTHS) - _MARGIN))
        self.sheet.merged_cells.add(f"A{self.line}:G{self.line}")
        self.sheet.row_dimensions[self.line].height = _LINE_HEIGHT * lines


def _widths(sheet: Any, widths: Sequence[int]) -> None:
    for letter, wide in zip("ABCDEFG", widths, strict=False):
        sheet.column_dimensions[letter].width = wide
