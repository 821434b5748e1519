"""Bring any wide table in: CSV or XLSX with Chinese or other headers, by a mapping or by the alias dictionary."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.intake import aliases, block, choosing, known, pieces, places
from balance_lib.data.intake.block import CutSheet, Header
from balance_lib.data.intake.grid import TEXT_SUFFIXES, Grid, read_grids
from balance_lib.data.intake.located import located
from balance_lib.data.intake.mapping import ColumnMapping, SourceMapping, Target
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.xlsx import SUFFIXES, SourceFile

__all__ = ["read_wide"]

# Rows of one sheet after filtering: a county has a few thousand schools and villages, and some years of them.
MOST_ROWS = 200_000
# In the place of a header: the number of the row, for lists without a code.
ROW_NUMBER = "#"


def read_wide(
    path: Path | str | SourceFile | Sequence[Path | str | SourceFile],
    mapping: Any = None,
    *,
    year: int | None = None,
    crs: str | None = None,
    where: Mapping[str, Any] | None = None,
) -> Imported:
    """Read wide tables into canonical ones; nothing is guessed, everything left out is said.

    Parameters
    ----------
    path : path, SourceFile, or several
        A CSV/TSV/XLSX file, a folder of them, or several: years and sheets of one county.
    mapping : path, str, mapping or ColumnMapping, optional
        See :mod:`balance_lib.data.intake.mapping`; without one the alias dictionary says what a header means.
    year : int, optional
        School year of rows for which neither a column nor the mapping says it.
    crs : {"WGS84", "CGCS2000", "GCJ02", "BD09", "EPSG:…"}, optional
        Coordinate system of every lon/lat, where the mapping does not say it. Coordinates without one are a fault.
        They are stored as WGS84; a conversion stands in ``meta["provenance"]``.
    where : mapping of str to value(s), optional
        Take only rows with these values in these columns, instead of the mapping's own filter; ``{}`` takes all.

    Returns
    -------
    Imported
        Faults name file, row (as the spreadsheet counts) and column of the user's own file. A cell that cannot be
        read is an error and left as "no data". A file that holds nothing usable is a fault, never an exception.

    Raises
    ------
    DataError
        If the mapping itself is wrong.

    Examples
    --------
    >>> source = SourceFile("list.csv", "学校代码,学校名称,学校类型,在校生数\\n1,甲小学,小学,45\\n".encode("gbk"))
    >>> read_wide(source, year=2023).tables["school_years"][["school_id", "stage", "pupils"]].values.tolist()
    [['1', 'primary', 45.0]]
    """
    given = ColumnMapping.of(mapping) if mapping is not None else None
    if given and where is not None:
        given = _filtered(given, where)
    faults: list[Fault] = []
    blocks: list[CutSheet] = []
    sources = _files(path)
    for source in sources:
        found, told = _mapped_blocks(source, given, crs) if given else _known_blocks(source, crs)
        blocks += found
        faults += told
    if not sources:
        faults.append(Fault("no_file", str(path)))
    if given:
        blocks, told = choosing.put_together(blocks, given, sources)
        faults += told
    blocks, told = _bounded(blocks)
    faults += told
    read, told = pieces.read(blocks, year=year)
    faults += told
    read, told, conversions = located(read, (given.crs if given else None) or crs, given.within if given else None)
    frames, more, origins = pieces.join(read)
    faults += told
    faults += [fault for fault in more if not _told(fault, faults)]
    provenance = [_record(one, year) for one in blocks]
    provenance += conversions
    meta = {
        **(given.county if given else {}),
        "sources": [source.name for source in sources],
        "year": _only_year(frames, year),
        "crs": None if any(fault.rule == "crs" for fault in faults) else "WGS84",
        "provenance": provenance,
    }
    dropped = [f.column for f in faults if f.rule == "personal_data" and f.column]
    return Imported(frames, faults, meta, dropped, columns=pieces.columns(read), origins=origins)


def _told(fault: Fault, faults: Sequence[Fault]) -> bool:
    """Tell whether a fault follows from one that is told: what could not be read leaves its cell blank."""
    if fault.rule == "key_wanted":
        return any(other.rule in ("key_wanted", "key_nowhere") for other in faults)
    here = [other for other in faults if other.file == fault.file and other.severity == "error"]
    cell = [other for other in here if other.column == fault.column]
    if fault.rule == "required_all":
        return bool(cell)
    if fault.rule == "required":
        return any(fault.row in other.params.get("at", (other.row,)) for other in cell)
    if fault.rule in ("rows_again", "duplicate"):  # of a list of single pupils
        return any(other.rule == "pupil_rows" for other in here)
    return fault.rule == "stage_unknown" and any("at" in other.params for other in here)


def _files(path: Any) -> list[SourceFile]:
    """Return every file meant, folders opened."""
    if isinstance(path, (list, tuple)):
        return [source for one in path for source in _files(one)]
    if isinstance(path, (str, Path)) and Path(path).is_dir():
        kinds = (*TEXT_SUFFIXES, *SUFFIXES)
        names = sorted(p for p in Path(path).iterdir() if p.suffix.casefold() in kinds and p.name[0] not in "~.")
        return [SourceFile.of(name) for name in names]
    return [SourceFile.of(path)]


def _filtered(given: ColumnMapping, where: Mapping[str, Any]) -> ColumnMapping:
    wanted = {
        label: tuple(str(v) for v in ([values] if isinstance(values, (str, int, float)) else values))
        for label, values in where.items()
    }
    return replace(given, sources=tuple(replace(s, where=wanted if s.columns else {}) for s in given.sources))


def _grids(source: SourceFile, declared: str | None, encoding: str | None = None) -> tuple[list[Grid], list[Fault]]:
    """Read any file of rows: text, a workbook, or places with their properties."""
    if Path(source.name).suffix.casefold() in places.SUFFIXES:
        return places.read_grid(source, crs=declared)
    return read_grids(source, encoding=encoding)


def _bounded(blocks: Sequence[CutSheet]) -> tuple[list[CutSheet], list[Fault]]:
    """Leave out sheets with more rows than a county's list can have."""
    long = [one for one in blocks if len(one.rows) > MOST_ROWS]
    told = {"most": f"{MOST_ROWS:,}"}
    faults = [Fault("too_many_rows", one.grid.label, None, None, len(one.rows), params=told) for one in long]
    return [one for one in blocks if len(one.rows) <= MOST_ROWS], faults


def _known_blocks(source: SourceFile, declared: str | None) -> tuple[list[CutSheet], list[Fault]]:
    """Cut the sheets whose headers are known by themselves."""
    grids, faults = _grids(source, declared)
    blocks, told = _cut_as_known(grids, None)
    faults += told
    if len(grids) > 1 and not blocks and not any(f.severity == "error" for f in faults):
        faults.append(known.unheaded(max(grids, key=lambda grid: len(grid.rows))))
    return blocks, faults


def _mapped_blocks(
    source: SourceFile, given: ColumnMapping, declared: str | None
) -> tuple[list[CutSheet], list[Fault]]:
    """Cut the sheets of one file as the mapping says."""
    wanted = [spec for spec in given.sources if spec.takes_file(source.name)]
    if not wanted:
        return [], [Fault("no_source", source.name, params={"known": ", ".join(s.file for s in given.sources)})]
    grids, faults = _grids(source, given.crs or declared, next((s.encoding for s in wanted if s.encoding), None))
    if not grids:
        return [], faults
    taken: set[str] = set()
    blocks: list[CutSheet] = []
    for spec in wanted:
        found, told = (_cut_as_known if spec.known else _cut_as_mapped)(grids, spec)
        if spec.known and not found and not told:
            told = [_no_sheet(grids, spec)]
        faults += told
        taken |= {one.grid.label for one in found}
        blocks += found
    faults += [_left_sheet(grid) for grid in grids if grid.label not in taken and not grid.hidden]
    return blocks, faults


def _no_sheet(grids: Sequence[Grid], spec: SourceMapping) -> Fault:
    return Fault("no_sheet", grids[0].file, params={"known": str(spec.sheet or "*")})


def _cut_as_mapped(grids: Sequence[Grid], spec: SourceMapping) -> tuple[list[CutSheet], list[Fault]]:
    """Cut every sheet a source takes. A sheet that was not named is taken only if all wanted columns are there."""
    meant = [g for i, g in enumerate(grids, 1) if spec.takes_sheet(g.sheet, i, g.hidden)]
    labels = list(dict.fromkeys([*(list(spec.columns) if spec.join else spec.labels), *spec.lent]))

    def score(columns: list[block.Path]) -> int:
        return sum(bool(block.match(label, columns)) for label in [*labels, *([spec.join.by] if spec.join else [])])

    headed = [(grid, block.find_header(grid, score, spec.header)) for grid in meant]
    best = max((score(h.paths) for _, h in headed if h), default=0)
    if spec.sheet is None:
        headed = [(grid, h) for grid, h in headed if h and score(h.paths) == best]
    out, faults = [], []
    for grid, header in headed:
        if header is None:
            faults.append(
                Fault("no_header", grid.label, params={"known": ", ".join(labels[:8])})
                if labels
                else known.unheaded(grid)
            )
            continue
        cut, told = _cut(grid, spec, header)
        faults += told
        out += [cut] if cut else []
    if not headed:
        faults.append(_no_sheet(grids, spec))
    return out, faults


def _cut_as_known(grids: Sequence[Grid], spec: SourceMapping | None) -> tuple[list[CutSheet], list[Fault]]:
    """Cut every sheet a source takes, without one all, by what its headers say themselves, but for columns it names."""
    out: list[CutSheet] = []
    faults: list[Fault] = []
    for grid in [g for i, g in enumerate(grids, 1) if (spec or SourceMapping({})).takes_sheet(g.sheet, i, g.hidden)]:
        understood = known.understand(grid, spec)
        if understood is None or isinstance(understood, Fault):
            unknown = known.unheaded(grid) if spec or len(grids) == 1 else _left_sheet(grid)
            faults.append(understood or unknown)
            continue
        header, whole, told = understood
        cut, more = _cut(grid, whole, header, told)
        faults += told + more
        out += [cut] if cut else []
    return out, faults


def _cut(
    grid: Grid, spec: SourceMapping, header: Header, asked: Sequence[Fault] = ()
) -> tuple[CutSheet | None, list[Fault]]:
    """Cut a sheet by a mapping; columns of ``asked`` are told already."""
    if ROW_NUMBER in spec.columns:
        rows = [[*row, str(i + 1)] for i, row in enumerate(grid.rows)]
        grid, header = replace(grid, rows=rows), replace(header, paths=[*header.paths, (ROW_NUMBER,)])
    spec = _with_shape(grid, spec).exchanged()
    needed = spec.labels
    if spec.join:  # what is not here may come with the other sheet: looked for again when joined
        needed = [label for label in needed if block.match(label, header.paths) or label == spec.join.by]
    at, faults = block.places(needed, header, grid.label)
    if spec.join and spec.join.by not in at:
        return None, faults
    kept, told = _without_personal(
        spec, at, header, grid, {name for fault in asked for name in fault.params.get("labels", (fault.column,))}
    )
    keys, figures = _roles(kept)
    data, left = block.rows_of_data(
        grid,
        header,
        [at[label] for label in keys if label in at],
        [at[label] for label in figures if label in at],
        [at[label] for label in kept.columns if label in at],
    )
    faults += told + block.report(grid, left, header.name(at[keys[0]]) if keys else "")
    if kept.apart and kept.apart in at:
        grid = _apart(grid, kept, at, data)
    return CutSheet(grid, kept if spec.join else choosing.within_reach(kept, at), header, at, data, left), faults


def _apart(grid: Grid, spec: SourceMapping, at: Mapping[str, int], data: Sequence[int]) -> Grid:
    """Return a sheet whose codes and names also say the campus of their row; a row without one keeps its own."""

    def columns(*names: str) -> list[int]:
        return [at[label] for label, targets in spec.columns.items() for t in targets[:1] if t.column in names]

    rows = [list(row) for row in grid.rows]
    for row in (rows[line] for line in data):
        campus = row[at[str(spec.apart)]]
        for column in columns("school_id") if campus else ():
            row[column] = f"{row[column]}-{campus}" if row[column] else ""
        for column in columns("name_zh", "name_en") if campus else ():
            row[column] = row[column] if campus in row[column] else f"{row[column]} {campus}".strip()
    return replace(grid, rows=rows)


def _with_shape(grid: Grid, spec: SourceMapping) -> SourceMapping:
    """Return a mapping that also reads where the features of a file of places lie, if it does not say so itself."""
    said = {target.column for targets in spec.columns.values() for target in targets}
    things = {target.table for targets in spec.columns.values() for target in targets} & set(pieces.THINGS)
    if grid.crs is None or len(things) != 1 or said & {"lon", "lat"}:
        return spec
    shape = {column: (Target(next(iter(things)), column),) for column in ("lon", "lat")}
    return replace(spec, columns={**spec.columns, **shape})


def _roles(spec: SourceMapping) -> tuple[list[str], list[str]]:
    """Return the labels that name what a row is of, and those that hold figures."""
    keys, figures = [], []
    for label, targets in spec.columns.items():
        for target in targets:
            if target.column in tables.table(target.table).key and not target.spec.numeric and not target.spec.choices:
                keys.append(label)
            if target.spec.numeric and target.column not in tables.table(target.table).key:
                figures.append(label)
    return list(dict.fromkeys(keys)), list(dict.fromkeys(figures))


def _without_personal(
    spec: SourceMapping, at: Mapping[str, int], header: Header, grid: Grid, told: Collection[str | None]
) -> tuple[SourceMapping, list[Fault]]:
    """Drop columns of personal data, even mapped ones, and list columns nobody asked for."""
    lent = {i for label in spec.lent for i in block.match(label, header.paths)}
    used, faults, personal, unread = {*at.values(), *lent}, [], set(), []
    free = {at[label] for label, ts in spec.columns.items() if label in at and all(_impersonal(t) for t in ts)}
    for i, path in enumerate(header.paths):
        if not path:
            continue
        if i not in free and (aliases.personal(" ".join(path)) or aliases.personal(path[-1])):
            personal.add(i)
            faults.append(Fault("personal_data", grid.label, header.last + 1, header.name(i), severity="warning"))
        elif i not in used and header.name(i) not in told and any(row[i] for row in grid.rows[header.last + 1 :]):
            unread.append(header.name(i))
    faults += block.unread(grid.label, header.last + 1, unread)
    kept = {label: targets for label, targets in spec.columns.items() if at.get(label) not in personal}
    return replace(spec, columns=kept), faults


def _impersonal(target: Target) -> bool:
    """Tell whether what a column is named for cannot be personal: a number, a code, or said so on purpose."""
    return target.insisted or target.spec.numeric or bool(target.spec.choices)


def _left_sheet(grid: Grid) -> Fault:
    return Fault("sheet_left_out", grid.file, None, None, grid.sheet, "warning")


# Coordinates and provenance ----------------------------------------------------------------------------------------


def _record(one: CutSheet, year: int | None) -> dict[str, Any]:
    """Return where the rows of one sheet came from and what was left out."""
    record = {
        "file": one.grid.file,
        "sheet": one.grid.sheet,
        "encoding": one.grid.encoding,
        "header_rows": f"{one.header.first + 1}–{one.header.last + 1}",
        "rows_read": len(one.rows),
        "rows_left_out": len(one.left),
        "where": {label: list(values) for label, values in one.mapping.where.items()},
        "year": one.mapping.year or year,
    }
    return {key: value for key, value in record.items() if value not in (None, "", {})}


def _only_year(frames: Mapping[str, Any], year: int | None) -> int | None:
    years = {int(y) for f in frames.values() if "year" in f for y in f["year"].dropna().unique()}
    return years.pop() if len(years) == 1 else None if years else year
