"""Name and dress what stands in our workbook: sheets, headings, items, what a column may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from balance_lib import locale, standards
from balance_lib.data import tables
from balance_lib.data.intake import xlsx
from balance_lib.data.tables import Column, Table

COUNTY_KEYS = ("county_id", "name_zh", "name_en", "code", "crs", "synthetic", "plan")
FIRST = 3  # row 1: names for people, row 2: canonical names
_FILLS = {"key": "1F4E78", "required": "C55A11", "optional": "E7E6E6", "name": "F7F7F7", "head": "DDEBF7"}


@dataclass(frozen=True)
class _ItemName:
    """One thing the column ``item`` of county_years may hold: what people choose, and its canonical name."""

    shown: str
    name: str
    label: str
    unit: str


def sheet_title(name: str, lang: str = "zh") -> str:
    """Return the title of a table's sheet.

    Parameters
    ----------
    name : str
    lang : {"zh", "en"}

    Examples
    --------
    >>> sheet_title("school_years"), sheet_title("school_years", "en")
    ('学校年度数据', 'School years')
    """
    return tables.table(name).label(lang)


def heading(column: Column, lang: str = "zh") -> str:
    """Return a column's heading: its label with its unit.

    Parameters
    ----------
    column : Column
    lang : {"zh", "en"}

    Examples
    --------
    >>> heading(tables.table("school_years").columns["pupils"])
    '在校学生人数（人）'
    """
    unit = locale.text(f"intake.unit.{column.unit}", lang) if column.unit else ""
    return column.label(lang) + (locale.bracket(unit, lang) if unit else "")


@cache
def item_names(lang: str = "zh") -> Sequence[_ItemName]:
    """Return the items of county_years that standards ask for: common ones, then those of single standards.

    A name two items share stands for neither; then the canonical name is shown.
    """
    specs: dict[str, Mapping[str, Any]] = dict(standards.common_inputs())
    for standard in map(standards.load, standards.ids()):
        specs |= {key: spec for key, spec in standard.inputs.items() if key not in specs}
    labels = [str(spec[lang]) for spec in specs.values()]
    return tuple(
        _ItemName(
            key if labels.count(str(spec[lang])) > 1 else str(spec[lang]), key, str(spec[lang]), str(spec["unit"])
        )
        for key, spec in specs.items()
    )


def shown(column: Column, spec: Table, lang: str) -> Mapping[Any, str]:
    """Return how stored values of a column are shown to people; a value that is not in it is shown as it is.

    Parameters
    ----------
    column : Column
    spec : Table
    lang : {"zh", "en"}
    """
    if column.type == "flag":
        return {1.0: locale.text("intake.flag.yes", lang), 0.0: locale.text("intake.flag.no", lang)}
    if column.choices and lang == "zh":
        return column.choices
    if (spec.name, column.name) == ("county_years", "item"):
        return {item.name: item.shown for item in item_names(lang)}
    return {}


def range_text(column: Column, lang: str = "zh") -> str:
    """Say what a column may hold.

    Parameters
    ----------
    column : Column
    lang : {"zh", "en"}

    Examples
    --------
    >>> range_text(tables.table("schools").columns["lon"]), range_text(tables.table("school_years").columns["pupils"])
    ('-180至180', '0至100000的整数')
    """
    if column.choices:
        return "、".join(column.choices.values()) if lang == "zh" else ", ".join(column.choices)
    if column.type in ("flag", "text", "date"):
        return locale.text(f"intake.about.range.{column.type}", lang)
    low, high = tables.limits(column)
    if low is None:
        return locale.text("intake.about.range.any", lang)
    key = "number" if column.type == "number" else "whole"
    if high is None:
        return locale.text(f"intake.about.range.{key}_from", lang, low=f"{low:g}")
    return locale.text(f"intake.about.range.{key}", lang, low=f"{low:g}", high=f"{high:g}")


def meaning(spec: Table, column: Column, lang: str = "zh") -> str:
    """Return what a column means beyond its name; "" where the name says it all.

    Parameters
    ----------
    spec : Table
    column : Column
    lang : {"zh", "en"}

    Examples
    --------
    >>> meaning(tables.table("school_years"), tables.table("school_years").columns["kind"])
    '与现在的类型不同时才填'
    """
    keys = (f"intake.meaning.{spec.name}_{column.name}", f"intake.meaning.{column.name}")
    text = next((locale.text(key, lang) for key in keys if locale.has(key)), "")
    shared = locale.text("intake.split", lang) if column.split else ""
    return ("；" if lang == "zh" else "; ").join(part for part in (text, shared) if part)


def styled(sheet: Any, value: Any, role: str | None = None, *, text: bool = False) -> Any:
    """Return a cell of a sheet with its value, coloured by what it is: key, required, optional, name, head, plain.

    Parameters
    ----------
    sheet : object
        Sheet of the workbook.
    value : object
    role : str, optional
        Role of the cell: its style follows.
    text : bool
        Whether it is kept as text.
    """
    from openpyxl.cell import WriteOnlyCell

    cell = xlsx.put(WriteOnlyCell(sheet), value)
    if text:
        cell.number_format = "@"
    if role:
        cell.font, cell.fill, cell.alignment = _style(role)
    return cell


@cache
def _style(role: str) -> tuple[Any, Any, Any]:
    from openpyxl.styles import Alignment, Font, PatternFill

    if role == "plain":
        return Font(), PatternFill(), Alignment(wrap_text=True, vertical="top")
    light = role in ("key", "required")
    colour = "FFFFFF" if light else "808080" if role == "name" else "000000"
    font = Font(bold=role not in ("name", "optional"), italic=role == "name", color=colour)
    place = Alignment(wrap_text=role not in ("name", "head"), vertical="center")
    return font, PatternFill("solid", fgColor=_FILLS[role]), place


def width(text: str) -> int:
    """Return how many half-width places a text takes."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)
