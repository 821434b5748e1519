"""Complete official forms by a table beside them: coordinates, townships, and whole-school figures told by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.intake import cells
from balance_lib.data.intake.cells import label_key
from balance_lib.data.intake.grid import Grid, read_grids
from balance_lib.data.intake.layout import kinds, layout
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.xlsx import SourceFile
from balance_lib.data.origins import Origin
from balance_lib.data.tables import Column

_WITHIN = 10  # rows of titles a supplement may have above its header
_PLACE = ("school_id", "year", "stage")


@dataclass
class _Entry:
    """One row of the supplement: values of the school itself, and of one stage of it (None: not said)."""

    row: int
    school_id: str
    stage: str | None
    facts: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Beside:
    """A supplement as read: its file name, entries, and the header of each column."""

    file: str
    entries: list[_Entry]
    heads: dict[str, str]
    faults: list[Fault] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def _note(self, rule: str, entry: _Entry, column: str, found: Any, severity: str = "error", **params: Any) -> None:
        """Note a fault of one cell."""
        head = self.heads.get(column, column)
        self.faults.append(Fault(rule, self.file, entry.row, head, found, severity, params))  # type: ignore[arg-type]


def complete(imported: Imported, source: Path | str | bytes | SourceFile, *, year: int) -> Imported:
    """Complete the schools of imported forms by a supplement.

    A value a form gives is never overwritten: a difference is a fault. A whole-school figure of a through-school may be
    told by stage: then the stages must add up to the form's figure and it leaves the ``shared`` row (the figure of one
    stage left out is the rest; assets that are divided by pupils may leave a shared rest).

    Parameters
    ----------
    imported : Imported
        Forms read by ``import_forms``.
    source : Path, str, bytes or SourceFile
        CSV or XLSX with ``school_id``, ``stage`` (blank: the school's only stage, or its shared row), perhaps ``year``,
        and any columns of ``schools`` and ``school_years`` by canonical or Chinese name.
    year : int
        Rows of other years are left out, and counted in a warning.
    """
    beside = _read(SourceFile.of(source), year)
    schools = imported.tables.get("schools", tables.empty("schools")).copy()
    years = imported.tables.get("school_years", tables.empty("school_years")).copy()
    kind_of = dict(zip(schools["school_id"], schools["kind"], strict=True))
    by_school: dict[str, list[_Entry]] = {}
    for entry in beside.entries:
        if entry.school_id in kind_of:
            by_school.setdefault(entry.school_id, []).append(entry)
        else:
            beside._note("supplement_school", entry, "school_id", entry.school_id, "warning")
    blocks: dict[Any, pd.DataFrame] = dict(iter(years.groupby("school_id", sort=False)))
    for school, entries in by_school.items():
        at = schools.index[schools["school_id"] == school][0]
        for entry in entries:
            for name, value in entry.facts.items():
                schools.at[at, name] = _agreed(beside, entry, name, schools.at[at, name], value)
        rows = {row["stage"]: row for row in blocks[school].to_dict("records")}
        blocks[school] = pd.DataFrame(_told(beside, entries, rows, kind_of[school], year))
    out = dict(imported.tables)
    out["schools"] = tables.conform(schools, "schools")
    if blocks:
        out["school_years"] = tables.conform(pd.concat(blocks.values(), ignore_index=True), "school_years")
    dropped = imported.dropped + [label for label in beside.dropped if label not in imported.dropped]
    heads = {name: (head, None) for name, head in beside.heads.items()}
    lines = {entry.school_id: entry.row for entry in beside.entries if entry.facts and entry.school_id in kind_of}
    places = [Origin(beside.file, "schools", heads, lines), *imported.origins] if lines else imported.origins
    return replace(imported, tables=out, faults=imported.faults + beside.faults, dropped=dropped, origins=places)


def _read(source: SourceFile, year: int) -> _Beside:
    grids, faults = read_grids(source)
    known = {**tables.table("school_years").columns, **tables.table("schools").columns}
    names = {label_key(text): column for column in known.values() for text in (column.name, column.zh)}
    names[label_key("学年")] = names[label_key("年度")] = known["year"]
    for grid in grids:
        for at, titles in enumerate(grid.rows[:_WITHIN], 1):
            columns = {i: names[label_key(t)] for i, t in enumerate(titles) if label_key(t) in names}
            if "school_id" in [column.name for column in columns.values()]:
                return _entries(grid, at, columns, year, faults)
    missing = [] if any(fault.severity == "error" for fault in faults) else [Fault("supplement_header", source.name)]
    return _Beside(source.name, [], {}, faults + missing)


def _entries(grid: Grid, at: int, columns: Mapping[int, Column], year: int, faults: list[Fault]) -> _Beside:
    titles = grid.rows[at - 1]
    out = _Beside(grid.label, [], {column.name: titles[i] for i, column in columns.items()}, list(faults))
    for index, title in enumerate(titles):
        if title and index not in columns:
            word = cells.personal_word(title)
            rule = "personal_data" if word else "column_left_out"
            out.faults.append(Fault(rule, out.file, at, word or title, severity="warning"))
            out.dropped += [word] if word else []
    others = 0
    for line in range(at + 1, len(grid.rows) + 1):
        raw = {column.name: grid.rows[line - 1][index] for index, column in columns.items()}
        if not any(raw.values()):
            continue
        entry = _Entry(line, raw["school_id"], None)
        values = {column.name: _value(out, entry, column, raw[column.name]) for column in columns.values()}
        entry.stage = values.pop("stage", None)
        if values.pop("year", None) not in (None, year):
            others += 1
            continue
        for name, value in values.items():
            if value is not None and name != "school_id":
                side = entry.facts if name in tables.table("schools").columns else entry.figures
                side[name] = value
        out.entries.append(entry)
    if others:
        out.faults.append(Fault("supplement_year", out.file, None, "year", others, "warning", {"year": year}))
    return out


def _value(beside: _Beside, entry: _Entry, column: Column, raw: str) -> Any:
    cell = cells.of_column(raw, column)
    if cell.broken:
        beside._note(cell.broken, entry, column.name, raw, **cell.params)
        return None
    if cell.note:
        found = None if cell.note == "personal_data" else raw  # the fault must not tell what was dropped
        beside._note(cell.note, entry, column.name, found, "warning", **cell.params)
    return cell.value


def _agreed(beside: _Beside, entry: _Entry, name: str, old: Any, new: Any) -> Any:
    """Return the value of a form, or the supplement's where the form has none."""
    if old is None or pd.isna(old):
        return new
    if old != new:
        shown = f"{old:g}" if isinstance(old, float) else old
        beside._note("supplement_differs", entry, name, f"{new:g}" if isinstance(new, float) else new, form=shown)
    return old


def _told(
    beside: _Beside, entries: Sequence[_Entry], rows: dict[Any, dict[Any, Any]], kind: str, year: int
) -> list[dict[Any, Any]]:
    """Return a school's rows completed by its entries."""
    stages = list(kinds()[kind].stages)
    if kind == "special":
        stages = [stage for stage in stages if stage in rows] or stages
    whole = stages[0] if len(stages) == 1 else "shared"
    by_stage: dict[str, tuple[_Entry, dict[str, Any]]] = {}
    for entry in (e for e in entries if e.figures):
        stage = whole if entry.stage in (None, "shared") else entry.stage
        if stage not in (*stages, "shared"):
            beside._note("supplement_stage", entry, "stage", stage, kind=kinds()[kind].written)
            continue
        figures = by_stage.setdefault(stage, (entry, {}))[1]
        for name, value in entry.figures.items():
            figures[name] = _agreed(beside, entry, name, figures.get(name), value)
    school_id = entries[0].school_id
    for stage, (entry, figures) in by_stage.items():
        row = rows.setdefault(stage, {"school_id": school_id, "year": float(year), "stage": stage})
        for name, value in figures.items():
            row[name] = _agreed(beside, entry, name, row.get(name), value)
    if len(stages) > 1:
        _divide(beside, by_stage, rows, stages)
    return list(rows.values())


def _divide(
    beside: _Beside,
    by_stage: Mapping[str, tuple[_Entry, dict[str, Any]]],
    rows: dict[Any, dict[Any, Any]],
    stages: Sequence[str],
) -> None:
    """Take figures told by stage off the shared row, so that nothing is counted twice."""
    shared = rows.get("shared", {})
    asked = {row.column for row in layout("school").rows if row.table == "school_years" and row.stage is None}
    columns = tables.table("school_years").columns
    for name in sorted({n for stage, (_, figures) in by_stage.items() if stage != "shared" for n in figures} & asked):
        total = shared.get(name)
        if total is None or pd.isna(total) or columns[str(name)].type == "flag":
            continue
        told = {stage: by_stage[stage][1][name] for stage in stages if name in by_stage.get(stage, (None, {}))[1]}
        silent = [stage for stage in stages if stage not in told]
        rest = float(total) - sum(told.values())
        entry = by_stage[next(iter(told))][0]
        if rest < 0 or (rest > 0 and not columns[str(name)].split and len(silent) != 1):
            beside._note("supplement_sum", entry, str(name), f"{sum(told.values()):g}", total=f"{total:g}")
        elif columns[str(name)].split:
            shared[name] = rest if rest else None
        else:
            shared[name] = None
            if len(silent) == 1:
                stage = silent[0]
                made = {"school_id": entry.school_id, "year": shared["year"], "stage": stage}
                rows.setdefault(stage, made)[name] = rest
