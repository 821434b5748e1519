"""Read the official return forms of schools and counties: rows found by label, units made canonical, faults named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.intake import cells, xlsx
from balance_lib.data.intake.cells import Cell, is_blank, label_key
from balance_lib.data.intake.consistency import check_together, plausible
from balance_lib.data.intake.layout import OWN_SHEETS, STAGED, Form, FormLayout, FormRow, kinds, layout
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.xlsx import SourceFile, WorkbookSheet
from balance_lib.data.origins import Origin, column_key, row_keys
from balance_lib.standards import common_inputs

_HEADER_WITHIN = 30  # rows of titles and notes a form may have above its header
_SEEN_AS_FORM = 4  # labels of a form on a sheet that make it that form, even without a header
_IDENTITY = ("school_id", "name_zh", "kind")  # without them a return cannot be filed


@dataclass
class Return:
    """Hold what one form gives: records by table, faults, and which form of which school it is.

    ``about`` holds ``form`` ("school" or "county"), ``file``, ``row`` of the code, and ``school_id``, ``name_zh``,
    ``kind`` or ``code`` as far as known; it is empty where a file holds no form.
    """

    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    origins: list[Origin] = field(default_factory=list)


def read_school_form(
    source: Path | str | bytes | SourceFile, *, year: int
) -> tuple[dict[str, pd.DataFrame], list[Fault]]:
    """Read a school's official return.

    Rows are found by their label, so an inserted row or a moved sheet does no harm. Amounts in 万元 become yuan, 是 and
    否 become 1 and 0; a blank is "no data" and a zero is zero. Figures of a stage go to that stage's row, whole-school
    figures to the only stage or, of a through-school, to the row ``shared``.

    Parameters
    ----------
    source : Path, str, bytes or SourceFile
        The workbook; every sheet of it that is a school form is read.
    year : int
        School year of the figures (its first calendar year): the form does not say it.

    Returns
    -------
    (dict of str to DataFrame, list of Fault)
        ``schools`` and ``school_years``, and every fault with its row and label.
    """
    found = gather(read_forms(SourceFile.of(source), year=year, wanted="school"))
    return found.tables, found.faults


def read_county_form(
    source: Path | str | bytes | SourceFile, *, year: int | None = None
) -> tuple[dict[str, pd.DataFrame], list[Fault]]:
    """Read a county's official return into ``county_years``; its 填报年度 is the year, and must be ``year`` if given.

    Parameters
    ----------
    source : Path or str or bytes or SourceFile
        The file.
    year : int, optional
        School year; the last one without.
    """
    found = gather(read_forms(SourceFile.of(source), year=year, wanted="county"))
    return found.tables, found.faults


def read_forms(source: SourceFile, *, year: int | None, wanted: str | None = None) -> list[Return]:
    """Read every form a workbook holds; ``wanted`` ("school" or "county") is the one there must be.

    Parameters
    ----------
    source : SourceFile
    year : int, optional
        School year; the last one without.
    wanted : str, optional
        Name of the form wanted.

    Returns
    -------
    list of Return
        One a form; faults of the file itself stand in one that is about no form.
    """
    sheets, faults = xlsx.read(source)
    parts = []
    if any(sheet.title in OWN_SHEETS for sheet in sheets):
        return [Return(faults=[Fault("own_workbook", source.name, severity="error" if wanted else "warning")])]
    for sheet in sheets:
        for name in (wanted,) if wanted else ("school", "county"):
            if is_form(sheet, layout(name)):
                form = _read_lines(sheet, layout(name), f"{source.name} / {sheet.title}")
                parts.append(_school(form, year) if name == "school" else _county(form, year))
    if not parts and not faults:
        faults = [Fault("not_a_form", source.name, severity="error" if wanted else "warning")]
    return [Return(faults=faults), *parts] if faults else parts


def gather(parts: Iterable[Return]) -> Imported:
    """Put the results of several forms together, in their order."""
    out = Imported()
    records: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        out.faults += part.faults
        out.dropped += [label for label in part.dropped if label not in out.dropped]
        out.origins += part.origins if part.records else []
        if part.about.get("form") == "county":
            out.meta.update({key: part.about[key] for key in ("name_zh", "code") if key in part.about})
        for name, rows in part.records.items():
            records.setdefault(name, []).extend(rows)
    out.tables = {name: tables.conform(pd.DataFrame(rows), name) for name, rows in records.items()}
    return out


def is_form(sheet: WorkbookSheet, form: FormLayout) -> bool:
    """Tell whether a sheet is this form: it has some of its labels in one column.

    Parameters
    ----------
    sheet : WorkbookSheet
    form : FormLayout
    """
    hits: dict[int, int] = {}
    for row in sheet.rows:
        for column, value in enumerate(row):
            if isinstance(value, str) and label_key(value) in form.by_label:
                hits[column] = hits.get(column, 0) + 1
    return max(hits.values(), default=0) >= _SEEN_AS_FORM


def _read_lines(sheet: WorkbookSheet, form: FormLayout, file: str) -> Form:
    """Read the lines of a form by their labels; missing, unknown and doubled lines and other units are faults."""
    out = Form(form, file)
    head = _header(sheet, form)
    if head is None:
        out.faults.append(Fault("form_header", file, params={"header": " · ".join(form.header[2:5])}))
        return out
    at, columns = head
    _other_columns(sheet, at, columns, out)
    label_at, unit_at, value_at = (columns.get(label_key(form.header[i]), -1) for i in (2, 3, 4))
    for line in range(at + 1, len(sheet.rows) + 1):
        label, raw = sheet.cell(line, label_at), sheet.cell(line, value_at)
        row = form.by_label.get(label_key(label)) if not is_blank(label) else None
        if row is None:
            _other_line(sheet, line, label, raw, out)
        elif row.key in out.at:
            out.faults.append(Fault("form_doubled", file, line, row.label, params={"first": out.at[row.key]}))
        else:
            out.at[row.key] = line
            out.values[row.key] = raw
            _check_unit(sheet.cell(line, unit_at), row, out)
    for row in form.rows:
        if row.key not in out.at:
            out.fault("form_missing", row, severity="error" if row.required else "warning")
    return out


def _header(sheet: WorkbookSheet, form: FormLayout) -> tuple[int, dict[str, int]] | None:
    """Return the header's row number and the column of each title."""
    needed = {label_key(form.header[2]), label_key(form.header[4])}
    for line in range(1, min(_HEADER_WITHIN, len(sheet.rows)) + 1):
        titles = {label_key(v): i for i, v in reversed(list(enumerate(sheet.rows[line - 1]))) if not is_blank(v)}
        if needed <= set(titles):
            return line, titles
    return None


def _other_columns(sheet: WorkbookSheet, at: int, columns: Mapping[str, int], out: Form) -> None:
    known = {label_key(title) for title in out.layout.header}
    for key, index in columns.items():
        if key not in known:
            title = str(sheet.cell(at, index)).strip()
            _drop(title, at, out) if cells.is_personal(title) else out.faults.append(
                Fault("column_left_out", out.file, at, title, severity="warning")
            )


def _other_line(sheet: WorkbookSheet, line: int, label: object, raw: object, out: Form) -> None:
    """Judge a line that is none of the form's: personal data is dropped, anything else is pointed out."""
    filled = [str(value) for value in sheet.rows[line - 1] if not is_blank(value)]
    if not filled:
        return
    title = filled[0] if is_blank(label) else str(label).strip()
    if any(cells.is_personal(text) or cells.holds_personal_number(text) for text in filled):
        _drop(title if cells.is_personal(title) else " ".join(filled), line, out)
    elif not is_blank(label) or not is_blank(raw):
        out.faults.append(Fault("form_unknown", out.file, line, title, severity="warning"))


def _drop(title: str, line: int, out: Form) -> None:
    """Leave personal data out; the fault tells the word that gave it away and never what stands there."""
    word = cells.personal_word(title)
    out.dropped.append(word or "–")
    out.faults.append(Fault("personal_data", out.file, line, word, severity="warning"))


def _check_unit(unit: object, row: FormRow, out: Form) -> None:
    """Refuse a figure asked for in another unit than the official form's; a unit rubbed out is pointed out."""
    if row.unit is None or row.column == "kind" or row.unit == "是/否":
        return
    if is_blank(unit):
        out.fault("form_unit_blank", row, None, "warning", unit=row.unit)
    elif label_key(unit) not in {label_key(u) for u in cells.UNITS.get(row.unit, (row.unit,))}:
        out.fault("other_unit", row, str(unit), unit=row.unit)
        out.values[row.key] = None


def _understand(form: Form, applies: Mapping[str, bool]) -> dict[str, Any]:
    """Turn the raw values of a form into canonical ones; what cannot be understood is a fault and "no data"."""
    return {row.key: _value(form, row, applies.get(row.key, True)) for row in form.layout.rows if row.key in form.at}


def _value(form: Form, row: FormRow, applies: bool) -> Any:
    raw = form.values[row.key]
    cell = _cell(raw, row)
    column = tables.table(row.table).columns[row.column] if row.column else None
    broken = (cell.broken, cell.params) if cell.broken else None
    if broken is None and cell.value is not None and column is not None and column.numeric:
        broken = cells.judge(cell.value, column)
    if broken is None and cell.value is not None and row.item:
        broken = _judge_item(cell.value, row.item)
    if broken:
        form.fault(broken[0], row, raw, **broken[1])
        return None
    if cell.note:
        form.fault(cell.note, row, raw, "warning", **cell.params)
    elif cell.value is None and row.required and applies and row.key not in _form_errors(form):
        identity = row.column in _IDENTITY or row.meta == "year"
        form.fault("required" if identity else "form_blank", row, None, "error" if identity else "warning")
    return cell.value


def _form_errors(form: Form) -> set[str]:
    """Return the names of the lines that already have an error."""
    labels = {fault.column for fault in form.faults if fault.severity == "error"}
    return {row.key for row in form.layout.rows if row.label in labels}


def _cell(raw: object, row: FormRow) -> Cell:
    if row.column == "kind":
        names = {code: (kind.written, *kind.also) for code, kind in kinds().items()}
        return cells.choice(raw, names, "、".join(kind.written for kind in kinds().values()))
    if row.column in ("school_id", "name_zh") or row.meta in ("name_zh", "code"):
        precise = not isinstance(raw, (int, float)) or abs(raw) < 1e15
        return Cell(cells.text(raw)) if precise else Cell(broken="code_digits")
    if row.unit == "是/否":
        return cells.flag(raw)
    if row.unit == "年" or row.meta == "year":
        return cells.year(raw)
    return cells.number(raw, row.unit, row.scale)


def _judge_item(value: float, item: str) -> tuple[str, dict[str, Any]] | None:
    spec = common_inputs()[item]
    kind = "count" if spec["unit"] in ("persons", "pupils") else "number"
    return cells.judge(value, tables.Column(item, kind, "", "", low=spec.get("low"), high=spec.get("high")))


def _school(form: Form, year: int | None) -> Return:
    kind_row = form.layout.by_key["kind"]
    kind = _cell(form.values.get("kind"), kind_row).value
    taught = _stages(form, kind)
    applies = {row.key: not taught or row.stage is None or row.stage in taught for row in form.layout.rows}
    values = _understand(form, applies)
    check_together(form, values, taught)
    plausible(form, values, taught)
    out = Return(faults=form.faults, dropped=form.dropped, about=_about(form))
    if not taught or not values.get("school_id"):
        return out
    facts = {str(row.column): values.get(row.key) for row in form.layout.rows if row.table == "schools"}
    out.records["schools"] = [facts]
    key = {"school_id": values["school_id"], "year": year}
    rows = _place(form, values, taught)
    out.records["school_years"] = [{**key, "stage": stage, **row} for stage, row in rows.items()]
    out.about |= {"school_id": values["school_id"], "name_zh": values.get("name_zh"), "kind": kind}
    out.origins = _origins(form, out.records)
    return out


def _origins(form: Form, records: Mapping[str, list[dict[str, Any]]]) -> list[Origin]:
    """Return on which line of the form each figure stands."""
    headings: dict[str, dict[str, tuple[str, int | None]]] = {}
    for row in form.layout.rows:
        at = [(part, value) for part, value in (("stage", row.stage), ("item", row.item)) if value]
        if row.key in form.at and not row.meta:
            key = column_key(row.column or "value", at)
            headings.setdefault("county_years" if row.item else row.table, {})[key] = (row.label, form.at[row.key])
    return [
        Origin(form.file, name, headings.get(name, {}), dict.fromkeys(row_keys(pd.DataFrame(rows), name)))
        for name, rows in records.items()
        if rows
    ]


def _about(form: Form) -> dict[str, Any]:
    first = form.layout.by_key["school_id" if form.layout.name == "school" else "name_zh"]
    return {"form": form.layout.name, "file": form.file, "row": form.at.get(first.key)}


def _stages(form: Form, kind: str | None) -> list[str]:
    """Return the stages a school teaches; a special school teaches those it reports figures of."""
    if kind is None:
        return []
    stages = list(kinds()[kind].stages)
    if kind == "special":

        def reported(stage: str) -> bool:
            rows = (row for row in form.layout.rows if row.stage == stage)
            return any(_cell(form.values.get(row.key), row).value for row in rows)

        return [stage for stage in stages if reported(stage)] or stages
    return stages


def _place(form: Form, values: Mapping[str, Any], taught: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Put stage figures on stage rows and whole-school figures on the only stage, or on the shared row."""
    whole = taught[0] if len(taught) == 1 else "shared"
    rows: dict[str, dict[str, Any]] = {stage: {} for stage in taught if stage in STAGED}
    rows.setdefault(whole, {})
    for row in form.layout.rows:
        value = values.get(row.key)
        if row.table != "school_years":
            continue
        if row.stage and row.stage not in taught:
            if value:
                form.fault("stage_not_taught", row, form.values[row.key], kind=str(form.values["kind"]).strip())
        else:
            rows[row.stage or whole][str(row.column)] = value
    return rows


def _county(form: Form, year: int | None) -> Return:
    if year is not None and is_blank(form.values.get("year")):
        form.values["year"] = year  # asked for beside the form
    values = _understand(form, {})
    check_together(form, values, ())
    stated = values.get("year")
    if stated is not None and year is not None and stated != year:
        form.fault("form_year", form.layout.by_key["year"], form.values["year"], year=year)
    about = {**_about(form), **{key: values[key] for key in ("name_zh", "code") if values.get(key)}}
    out = Return(faults=form.faults, dropped=form.dropped, about=about)
    if stated is None:
        return out
    rows = [
        {"year": stated, "item": row.item, "value": values[row.key], "source": form.layout.sheet}
        for row in form.layout.rows
        if row.item and values.get(row.key) is not None
    ]
    out.records["county_years"] = rows
    out.origins = _origins(form, out.records)
    return out
