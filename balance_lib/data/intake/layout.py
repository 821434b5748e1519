"""Hold the layout of the official return forms, row by row, and write a county's figures into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, cached_property
from importlib import resources
from typing import Any

import pandas as pd
import yaml

from balance_lib._errors import Fault, NotFoundError
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.intake import xlsx
from balance_lib.data.intake.cells import label_key

STAGED = ("primary", "junior")  # the stages a school form has rows for
OWN_SHEETS = ("县信息", "County")  # the sheet that tells our own workbook from anyone else's
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WIDTHS = (6, 16, 52, 18, 18, 10, 34)


@dataclass(frozen=True)
class FormRow:
    """Describe one row of a form: what is printed, and which canonical figure it is."""

    number: int
    category: str
    label: str
    unit: str | None = None
    required: bool = True
    note: str | None = None
    table: str = "school_years"
    column: str | None = None
    stage: str | None = None
    item: str | None = None
    meta: str | None = None
    scale: int = 1

    @property
    def key(self) -> str:
        """Return the row's name: its column (with stage), county item, or what it says of the county."""
        return (f"{self.column}_{self.stage}" if self.stage else self.column) or self.item or str(self.meta)


@dataclass(frozen=True)
class _Kind:
    """Describe one school type as the forms write it, and the stages it teaches."""

    written: str
    stages: Sequence[str]
    also: Sequence[str] = ()


@dataclass(frozen=True)
class FormLayout:
    """Describe one form: its sheet, its rows in order, and what must agree within it."""

    name: str
    sheet: str
    header: Sequence[str]
    rows: Sequence[FormRow]
    checks: Sequence[Mapping[str, Any]] = field(default=())

    @cached_property
    def by_label(self) -> Mapping[str, FormRow]:
        """Return the rows by their label, however it is typed."""
        return {label_key(row.label): row for row in self.rows}

    @cached_property
    def by_key(self) -> Mapping[str, FormRow]:
        """Return the rows by their name."""
        return {row.key: row for row in self.rows}


@dataclass
class Form:
    """Hold one form as read: the value and the spreadsheet row of every line that was found."""

    layout: FormLayout
    file: str
    values: dict[str, Any] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def fault(self, rule: str, row: FormRow | None, found: Any = None, severity: str = "error", **params: Any) -> None:
        """Note a fault of one line of the form.

        Parameters
        ----------
        rule : str
            Rule whose text is told.
        row : FormRow, optional
        found : object
        severity : str
            ``error`` or ``warning``.
        **params : object
        """
        line = self.at.get(row.key) if row else None
        label = row.label if row else None
        self.faults.append(Fault(rule, self.file, line, label, found, severity, params))  # type: ignore[arg-type]


@cache
def _raw() -> Mapping[str, Any]:
    return dict(yaml.load(resources.files(__package__).joinpath("forms.yaml").read_text("utf-8"), Loader=_LOADER))


@cache
def layout(name: str) -> FormLayout:
    """Return the layout of a form: ``school`` or ``county``."""
    raw = _raw()[name]
    rows = tuple(FormRow(**row) for row in raw["rows"])
    return FormLayout(name, raw["sheet"], tuple(_raw()["header"]), rows, tuple(raw["checks"]))


@cache
def kinds() -> Mapping[str, _Kind]:
    """Return the school types a form may name, by code."""
    return {code: _Kind(**spec) for code, spec in _raw()["kinds"].items()}


def write_school_form(county: County, school_id: str, year: int) -> bytes:
    """Fill the official school return from a county's tables.

    A row that is not of this school (junior figures of a primary school) stays blank, as does what is not known.

    Parameters
    ----------
    county : County
    school_id : str
    year : int
        School year (its first calendar year).

    Returns
    -------
    bytes
        A workbook, the same byte for byte for the same figures.

    Raises
    ------
    NotFoundError
        If there is no such school, or it has no figures of that year.
    """
    schools = county.tables["schools"]
    school = schools[schools["school_id"] == school_id]
    if school.empty:
        raise NotFoundError("school", school_id, schools["school_id"])
    years = county.tables["school_years"]
    mine = years[years["school_id"] == school_id]
    rows = mine[mine["year"] == year].drop_duplicates("stage").set_index("stage")
    if rows.empty:
        raise NotFoundError(f"{school_id}.years", year, sorted(int(y) for y in mine["year"].unique()))
    facts = school.iloc[0].copy()
    facts["kind"] = next(iter(rows["kind"].dropna()), facts["kind"])
    form = layout("school")
    return _fill(form, {row.key: _school_value(row, facts, rows) for row in form.rows})


def write_county_form(county: County, year: int) -> bytes:
    """Fill the official county return from a county's tables; see :func:`write_school_form`.

    Parameters
    ----------
    county : County
    year : int
        School year, by its first calendar year.
    """
    form = layout("county")
    frame = county.tables["county_years"]
    values = frame[frame["year"] == year].drop_duplicates("item").set_index("item")["value"]
    head = {"name_zh": county.name_zh, "code": county.meta.get("code"), "year": year}
    filled = {
        row.key: head.get(row.meta) if row.meta else _printed(values.get(str(row.item)), row) for row in form.rows
    }
    return _fill(form, filled)


def _school_value(row: FormRow, facts: pd.Series, rows: pd.DataFrame) -> Any:
    if row.column == "kind":
        return kinds()[facts["kind"]].written if facts["kind"] in kinds() else None
    if row.table == "schools":
        return _printed(facts[str(row.column)], row)
    if row.stage:
        return _printed(rows[row.column].get(row.stage), row)
    return _printed(_whole(rows[row.column], tables.table(row.table).columns[str(row.column)].type), row)


def _whole(values: pd.Series, kind: str) -> float | None:
    """Return the figure of the whole school: what is shared and what the stages have of their own, together.

    Without a shared figure every stage must have one; a sum with a hole in it is not known.
    """
    shared, own = values.get("shared"), values.drop("shared", errors="ignore")
    known = own.dropna()
    if kind == "flag":
        return shared if pd.notna(shared) else known.iloc[0] if len(set(known)) == 1 else None
    if pd.notna(shared):
        return float(shared + known.sum())
    return float(own.sum()) if len(known) == len(own) > 0 else None


def _printed(value: Any, row: FormRow) -> Any:
    """Return a value in the form's unit: yuan as 万元 exactly, 1 and 0 as 是 and 否."""
    if value is None or pd.isna(value):
        return None
    if row.unit == "是/否":
        return "是" if value else "否"
    if isinstance(value, str):
        return value
    if row.scale != 1:
        return float(Decimal(repr(float(value))) / row.scale)
    return float(value)


def _fill(form: FormLayout, values: Mapping[str, Any]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font, PatternFill

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = form.sheet
    for column, (title, width) in enumerate(zip(form.header, _WIDTHS, strict=True), 1):
        cell = xlsx.put(sheet.cell(1, column), title)
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="DDEBF7")
        sheet.column_dimensions[cell.column_letter].width = width
    for line, row in enumerate(form.rows, 2):
        required = "是" if row.required else "否"
        printed = (row.number, row.category, row.label, row.unit, values.get(row.key), required, row.note)
        for column, value in enumerate(printed, 1):
            xlsx.put(sheet.cell(line, column), value)
        sheet.cell(line, 5).alignment = Alignment(horizontal="right")
        if isinstance(values.get(row.key), str) or row.key in ("school_id", "code"):
            sheet.cell(line, 5).number_format = "@"  # a code keeps its leading zeros
    sheet.freeze_panes = "A2"
    return xlsx.to_bytes(book, compress=False)
