"""Join the sheets of several files by a shared code, and choose the rows of each that are wanted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from balance_lib._errors import Fault, spans
from balance_lib.data.intake import aliases, block, pieces, values
from balance_lib.data.intake.block import CutSheet
from balance_lib.data.intake.mapping import SKIP, ColumnMapping, SourceMapping
from balance_lib.data.intake.xlsx import SourceFile

# Words of a column shown where rows are chosen or skipped by them.
SHOWN = 5


def put_together(
    blocks: Sequence[CutSheet], given: ColumnMapping, sources: Sequence[SourceFile]
) -> tuple[list[CutSheet], list[Fault]]:
    """Join the sources of all files, then filter; name a source that another needs and no file is.

    Parameters
    ----------
    blocks : sequence of CutSheet
        Of all files.
    given : ColumnMapping
    sources : sequence of SourceFile
    """
    wanted = {spec.join.source for spec in given.sources if spec.join}
    names = ", ".join(source.name for source in sources)
    faults = [
        Fault("source_without_file", spec.file, params={"known": names, "name": spec.name or spec.file})
        for spec in given.sources
        if (spec.name in wanted or spec.join) and not any(spec.takes_file(source.name) for source in sources)
    ]
    joined = [_joined(one, blocks, faults) for one in blocks]
    chosen = [_chosen(one) for one in joined if one.mapping.columns or one.mapping.constants]
    for spec in dict.fromkeys(id(one.mapping.where) for one in chosen if one.mapping.where):
        mine = [one for one in chosen if id(one.mapping.where) == spec]
        if not any(one.rows for one in mine):  # of the files of a country one may hold the county
            label, words = next(iter(mine[0].mapping.where.items()))
            there = sorted({one.text(r, label) for one in joined if label in one.at for r in one.rows} - {""})
            near = difflib.get_close_matches(words[0], there, SHOWN, 0.5) or there[:SHOWN]
            told = {"known": ", ".join(near)}
            faults.append(Fault("nothing_chosen", mine[0].grid.label, None, label, ", ".join(words), params=told))
    return [_without_skipped(one, faults) for one in chosen], faults


def _joined(here: CutSheet, blocks: Sequence[CutSheet], faults: list[Fault]) -> CutSheet:
    """Bring the columns of another source, in whatever file, to the rows of this one by their shared code."""
    join = here.mapping.join
    others = [b for b in blocks if join and b.mapping.name == join.source]
    if join is None:
        return here
    if not others:
        faults.append(Fault("join_source", here.grid.label, None, join.by, join.source))
    wanted = [label for label in here.mapping.labels if label not in here.at]
    brought: dict[str, dict[str, str]] = {}
    several: dict[str, int] = {}
    paths: dict[str, block.Path] = {}
    for other in others:
        there, told = block.places([*wanted, join.key], other.header, other.grid.label)
        faults += told
        paths.update({label: other.header.paths[there[label]] for label in wanted if label in there})
        wanted_rows = set(_chosen(other).rows)  # a code has rows of several kinds: what the source chooses counts
        for row in sorted(other.rows, key=lambda r: r not in wanted_rows) if join.key in there else ():
            line = other.grid.rows[row]
            cells_there = {label: line[there[label]] for label in paths if label in there}
            if brought.setdefault(line[there[join.key]], cells_there) != cells_there and row in wanted_rows:
                several.setdefault(line[there[join.key]], row + 1)
    if several:
        code, row = next(iter(several.items()))
        counted = {"n": len(several)}
        faults.append(Fault("join_several", others[0].grid.label, row, join.key, code, params=counted))
    width = len(here.grid.rows[0])
    cells = [[*row, *[""] * len(paths)] for row in here.grid.rows]
    missing = []
    for r in here.rows:
        match = brought.get(here.text(r, join.by))
        if match is None:
            missing.append(r + 1)
        else:
            cells[r][width:] = [match.get(label, "") for label in paths]
    if missing and brought:
        texts = {"other": ", ".join(b.grid.label for b in others), "n": len(missing), "rows": spans(missing)}
        shown = here.text(missing[0] - 1, join.by)
        faults.append(Fault("join_missing", here.grid.label, missing[0], join.by, shown, "warning", texts))
    at = {**here.at, **{label: width + i for i, label in enumerate(paths)}}
    return replace(
        here,
        grid=replace(here.grid, rows=cells),
        header=replace(here.header, paths=[*here.header.paths, *paths.values()]),
        at=at,
        mapping=within_reach(here.mapping, at),
    )


def within_reach(spec: SourceMapping, at: Mapping[str, int]) -> SourceMapping:
    """Return a mapping with the columns that were found; those that were not are told.

    Parameters
    ----------
    spec : SourceMapping
    at : mapping of str to int
        Column of the sheet by label.
    """
    return replace(spec, columns={label: targets for label, targets in spec.columns.items() if label in at})


def _chosen(here: CutSheet) -> CutSheet:
    """Keep only the rows the filter wants."""
    where = {k: {aliases.fold(v) for v in wanted} for k, wanted in here.mapping.where.items() if k in here.at}
    if not where:
        return here
    rows = [r for r in here.rows if all(aliases.fold(here.text(r, label)) in where[label] for label in where)]
    return replace(here, rows=rows)


def _without_skipped(here: CutSheet, faults: list[Fault]) -> CutSheet:
    """Leave out the rows whose word the mapping says to skip (kindergartens), and say how many and how many pupils."""
    for label, target in ((label, t) for label, targets in here.mapping.columns.items() for t in targets):
        if SKIP not in (target.values or {}).values() or label not in here.at:
            continue
        skipped = [r for r in here.rows if values.listed(here.text(r, label), target.values or {}) == (SKIP,)]
        if skipped:
            words = sorted({here.text(r, label) for r in skipped} - {""})
            shown = ", ".join(words[:SHOWN]) + (" …" if len(words) > SHOWN else "")
            lost = pieces.pupils(replace(here, rows=skipped))
            told = {"n": len(skipped), "pupils": None if lost is None else f"{lost:g}"}
            rule = "rows_skipped_unknown" if lost is None else "rows_skipped"
            faults.append(Fault(rule, here.grid.label, skipped[0] + 1, label, shown or None, "warning", told))
            left = set(skipped)
            here = replace(here, rows=[r for r in here.rows if r not in left])
    return here
