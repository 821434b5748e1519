"""Write and read our own workbook: one sheet a canonical table, with drop-downs and explanations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib import locale
from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.county import CRS_NAMES, County
from balance_lib.data.intake import cells, explanations, xlsx
from balance_lib.data.intake.cells import label_key
from balance_lib.data.intake.layout import OWN_SHEETS
from balance_lib.data.intake.page import SheetRecords, read_county, read_page
from balance_lib.data.intake.result import Imported, has_coordinates
from balance_lib.data.intake.sheets import (
    COUNTY_KEYS,
    FIRST,
    heading,
    item_names,
    range_text,
    sheet_title,
    shown,
    styled,
    width,
)
from balance_lib.data.intake.xlsx import SourceFile
from balance_lib.data.tables import Column, Table

if TYPE_CHECKING:
    from openpyxl import Workbook

PAGES = ("about", "items")  # sheets that hold no data
_MESSAGE = 225  # characters a spreadsheet program shows
_SPARE = 5000  # rows below the data that still have drop-downs


def blank_workbook(lang: str = "zh") -> bytes:
    """Return our workbook without data: all canonical tables, drop-downs, and a page of explanations.

    The bytes are the same every time.
    """
    return _write({name: tables.empty(name) for name in tables.all_tables()}, {}, lang)


def county_workbook(county: County, lang: str = "zh", *, seen: County | None = None) -> bytes:
    """Return the workbook filled with a county's tables; :func:`read_workbook` gives them back unchanged.

    Parameters
    ----------
    county : County
    lang : {"zh", "en"}
    seen : County, optional
        The county as whoever gets the workbook may see it: what it lacks has the sign of a suppressed figure.
    """
    head = {
        "county_id": county.county_id,
        "name_zh": county.name_zh,
        "name_en": county.name_en,
        "code": county.meta.get("code"),
        "crs": county.crs,
        "synthetic": locale.text(f"intake.flag.{'yes' if county.synthetic else 'no'}", lang),
        "plan": county.meta.get("plan"),
    }
    frames = {name: _signed(frame, seen and seen.tables[name]) for name, frame in county.tables.items()}
    return _write(frames, head, lang)


def _signed(frame: pd.DataFrame, seen: pd.DataFrame | None) -> pd.DataFrame:
    """Return a table with the sign of a suppressed figure where it holds what is not to be seen."""
    hidden = None if seen is None else frame.notna() & seen.isna()
    return (
        frame if hidden is None or not hidden.to_numpy().any() else frame.astype(object).mask(hidden, tables.SUPPRESSED)
    )


def _write(frames: Mapping[str, pd.DataFrame], head: Mapping[str, Any], lang: str) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    explanations.write_about(book, lang)
    _write_county(book, head, lang)
    for name, spec in tables.all_tables().items():
        _write_table(book, spec, frames[name], lang)
    explanations.write_items(book, lang)
    book.active = 1 if head else 0
    return xlsx.to_bytes(book)


def _write_county(book: Workbook, head: Mapping[str, Any], lang: str) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    sheet = book.create_sheet(locale.text("intake.sheet.county", lang))
    for letter, wide in zip("ABCD", (18, 34, 78, 14), strict=True):
        sheet.column_dimensions[letter].width = wide
    flags = ",".join(locale.text(f"intake.flag.{answer}", lang) for answer in ("yes", "no"))
    for key, choices in (("crs", ",".join(CRS_NAMES)), ("synthetic", flags)):
        rule = DataValidation("list", formula1=f'"{choices}"', allow_blank=True, showErrorMessage=True)
        rule.add(f"B{COUNTY_KEYS.index(key) + 2}")
        sheet.data_validations.append(rule)
    titles = [locale.text(f"intake.county.head.{part}", lang) for part in ("item", "value", "meaning")]
    sheet.append([styled(sheet, title, "head") for title in titles])
    for key in COUNTY_KEYS:
        label, meaning = (locale.text(f"intake.county.{key}.{part}", lang) for part in ("label", "meaning"))
        required = "required" if key in ("county_id", "name_zh", "crs") else "optional"
        value = styled(sheet, head.get(key), None, text=True)
        sheet.append([styled(sheet, label, required), value, styled(sheet, meaning), styled(sheet, key, "name")])


def _write_table(book: Workbook, spec: Table, frame: pd.DataFrame, lang: str) -> None:
    from openpyxl.utils import get_column_letter as letter

    sheet = book.create_sheet(sheet_title(spec.name, lang))
    fixed = len(spec.key) + (spec.name in ("schools", "villages"))  # the name stays in sight beside the code
    sheet.freeze_panes = f"{letter(fixed + 1)}{FIRST}"
    sheet.row_dimensions[1].height = 48
    last = FIRST + len(frame) + _SPARE
    for index, column in enumerate(spec.columns.values(), 1):
        sheet.column_dimensions[letter(index)].width = min(26, max(11, 1.2 * width(heading(column, lang)) / 2 + 4))
        if column.type == "text":
            sheet.column_dimensions[letter(index)].number_format = "@"  # codes keep their leading zeros
        elif column.type == "date":
            sheet.column_dimensions[letter(index)].number_format = "yyyy-mm-dd"
        if rule := _validation(column, spec, lang):
            rule.add(f"{letter(index)}{FIRST}:{letter(index)}{last}")
            sheet.data_validations.append(rule)
    roles = ["key" if c.name in spec.key else "required" if c.required else "optional" for c in spec.columns.values()]
    heads = zip(spec.columns.values(), roles, strict=True)
    sheet.append([styled(sheet, heading(column, lang), role) for column, role in heads])
    sheet.append([styled(sheet, column.name, "name") for column in spec.columns.values()])
    for row in _rows(sheet, spec, frame, lang):
        sheet.append(row)


def _rows(sheet: Any, spec: Table, frame: pd.DataFrame, lang: str) -> Iterable[list[Any]]:
    """Yield the rows of a table as cells: choices and flags by name, everything else as it is."""
    columns = []
    for column in spec.columns.values():
        show = shown(column, spec, lang)
        columns.append([_cell(sheet, value, column, show) for value in frame[column.name].tolist()])
    yield from (list(row) for row in zip(*columns, strict=True))


def _cell(sheet: Any, value: Any, column: Column, show: Mapping[Any, str]) -> Any:
    if value is None or value != value:
        return None
    if value in show:
        return show[value]
    if column.type == "date" and (day := cells.real_day(value)):
        cell = styled(sheet, None)
        cell.value, cell.number_format = day, "yyyy-mm-dd"
        return cell
    return styled(sheet, value, None, text=column.type == "text")


def _validation(column: Column, spec: Table, lang: str) -> Any:
    """Return the rule a spreadsheet program holds new entries against, or None."""
    from openpyxl.worksheet.datavalidation import DataValidation

    def rule(kind: Any, message: str, style: Any = "stop", **limits: Any) -> Any:
        out = DataValidation(type=kind, allow_blank=True, showErrorMessage=True, errorStyle=style, **limits)
        out.errorTitle = locale.text("intake.error.title", lang)
        out.error = locale.text(f"intake.error.{message}", lang, range=range_text(column, lang))[:_MESSAGE]
        return out

    if column.choices or column.type == "flag":
        names = shown(column, spec, lang) or dict.fromkeys(column.choices or {})
        values = names.values() if any(names.values()) else names
        return rule("list", "choice", formula1='"' + ",".join(map(str, values)) + '"')
    if (spec.name, column.name) == ("county_years", "item"):
        sheet = locale.text("intake.sheet.items", lang)
        return rule("list", "item", "warning", formula1=f"'{sheet}'!$A$3:$A${2 + len(item_names(lang))}")
    if column.refers and column.name != "host_school_id":
        table, name = column.refers.split(".")
        assert next(iter(tables.table(table).columns)) == name  # the code stands in column A
        return rule("list", "reference", "warning", formula1=f"'{sheet_title(table, lang)}'!$A${FIRST}:$A$20000")
    if column.type == "date":
        return rule("date", "date", operator="greaterThan", formula1="1")
    if not column.numeric:
        return None
    low, high = tables.limits(column)
    kind = "decimal" if column.type == "number" else "whole"
    if low is None:
        return rule(kind, "number", operator="between", formula1="-1E+300", formula2="1E+300")
    if high is None:
        return rule(kind, kind.replace("decimal", "number"), operator="greaterThanOrEqual", formula1=f"{low:g}")
    return rule(kind, kind.replace("decimal", "number"), operator="between", formula1=f"{low:g}", formula2=f"{high:g}")


def read_workbook(source: Path | str | bytes | SourceFile, *, county: County | None = None) -> Imported:
    """Read our workbook, blank or filled, in either language.

    Sheets and columns are found by their names, so their order does not matter and unused ones may be gone. Faults name
    the user's own sheet, row and heading.

    Parameters
    ----------
    source : Path, str, bytes or SourceFile
    county : County, optional
        The county it will be merged into: codes that stand only there are then no faults.

    Returns
    -------
    Imported
        The tables that have rows, what the county sheet says (in ``meta``), and every fault.
    """
    source = SourceFile.of(source)
    sheets, faults = xlsx.read(source)
    out = Imported(faults=faults, meta={"form": "workbook", "sources": [source.name]})
    by_title = {label_key(spec.label(lang)): spec for spec in tables.all_tables().values() for lang in locale.LANGUAGES}
    others = {label_key(locale.text(f"intake.sheet.{page}", lang)) for page in PAGES for lang in locale.LANGUAGES}
    pages: dict[str, SheetRecords] = {}
    for sheet in sheets:
        place, spec = f"{source.name} / {sheet.title}", by_title.get(label_key(sheet.title))
        if sheet.title in OWN_SHEETS:
            said, wrong = read_county(sheet, place)
            out.meta |= said
            out.faults += wrong
        elif spec and spec.name not in pages:
            pages[spec.name] = read_page(sheet, spec, place)
        elif label_key(sheet.title) not in others and sheet.rows:
            out.faults.append(Fault("unknown_sheet", place, severity="warning"))
    if sheets and not pages:
        out.faults.append(Fault("not_own_workbook", source.name))
    for page in pages.values():
        out.faults += page.faults
        out.dropped += [label for label in page.dropped if label not in out.dropped]
    out.tables = {name: page.frame for name, page in pages.items() if len(page.frame)}
    out.origins = [page.origin for page in pages.values() if len(page.frame)]
    out.faults += _checked(out.tables, pages, county)
    if has_coordinates(out.tables) and not out.meta.get("crs"):
        where = next((sheet.title for sheet in sheets if sheet.title in OWN_SHEETS), OWN_SHEETS[0])
        texts = {"known": ", ".join(CRS_NAMES), "sheet": where}
        out.faults.append(Fault("crs_blank", f"{source.name} / {where}", params=texts))
    return out


def _checked(
    frames: Mapping[str, pd.DataFrame], pages: Mapping[str, SheetRecords], county: County | None
) -> Iterable[Fault]:
    """Check the tables against their definitions, and tell the faults in the workbook's own places.

    Cells that could not be read were told already; they are blank now and would be told again as required.
    """
    titles = {name: page.title for name, page in pages.items()}
    told = {(f.file, f.row, f.column) for page in pages.values() for f in page.faults if f.severity == "error"}
    for fault in tables.check(frames):
        page = pages[fault.file.removesuffix(".csv")]
        if fault.rule == "reference" and county is not None:
            target, key = str(page.spec.columns[str(fault.column)].refers).split(".")
            if fault.found in set(county.tables[target][key]):
                continue
        moved = page.in_place(fault, titles)
        if (moved.file, moved.row, moved.column) not in told:
            yield moved
