"""Understand a sheet by its headers alone: as a canonical table, or by the alias dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from balance_lib import tables
from balance_lib._errors import Fault
from balance_lib.intake import aliases, block
from balance_lib.intake.block import Header
from balance_lib.intake.grid import Grid
from balance_lib.intake.mapping import SourceMapping, Target

# Fewer known columns than this is no table.
FEWEST_COLUMNS = 2

Understood = tuple[Header, SourceMapping, list[Fault]]


def understand(grid: Grid) -> Understood | None:
    """Return where the header of a sheet stands and what its columns are; None if they are not known.

    A sheet whose columns are those of one canonical table, under their names or labels, is that table. Any other is a
    list of schools or of villages by the alias dictionary, or nothing.

    Returns
    -------
    (Header, SourceMapping, list of Fault) or None
        Labels of the mapping are letters of columns; headers that mean the same twice, and units, are faults.
    """
    return _canonical(grid) or _by_aliases(grid)


def _canonical(grid: Grid) -> Understood | None:
    for name, spec in tables.all_tables().items():
        names = {aliases.key(s): c.name for c in spec.columns.values() for s in (c.name, c.zh, c.en)}
        header = block.find_header(grid, lambda paths, n=names: _all_known(paths, n))  # type: ignore[misc]
        if header is None:
            continue
        found = {i: names[aliases.key(path[-1])] for i, path in enumerate(header.paths) if path}
        if set(spec.key) <= set(found.values()) and len(set(found.values())) == len(found):
            return header, SourceMapping({_letter(i): (Target(name, c),) for i, c in found.items()}), []
    return None


def _all_known(paths: Sequence[block.Path], names: dict[str, str]) -> int:
    filled = [path for path in paths if path]
    return len(filled) if all(len(p) == 1 and aliases.key(p[0]) in names for p in filled) else 0


def _by_aliases(grid: Grid) -> Understood | None:
    best: tuple[int, Header | None, str] = (0, None, "school")
    for subject in aliases.SUBJECTS:
        header = block.find_header(grid, lambda paths, s=subject: _score(paths, s))  # type: ignore[misc]
        points = _score(header.paths, subject) if header else 0
        if points > best[0]:
            best = (points, header, subject)
    if best[1] is None or best[0] < FEWEST_COLUMNS:
        return None
    return best[1], *_mapping(grid, best[1], best[2])


def _letter(column: int) -> str:
    return f"={block.letters(column)}"


def _score(paths: Sequence[block.Path], subject: str) -> int:
    found = {aliases.heading(path, subject) for path in paths if path} - {None}
    names = {h.column for h in found if h}
    return len(found) if names & {"school_id", "village_id", "name_zh"} else 0


def _mapping(grid: Grid, header: Header, subject: str) -> tuple[SourceMapping, list[Fault]]:
    """Return the mapping that the headers themselves amount to."""
    fixed, yearly = aliases.SUBJECTS[subject]
    headings = {i: aliases.heading(path, subject) for i, path in enumerate(header.paths) if path}
    known = {i: h for i, h in headings.items() if h and not _personal_path(header.paths[i])}
    whole = {(h.column, h.stage) for h in known.values() if not h.add}
    parts = {i: h for i, h in known.items() if h.add and (h.column, h.stage) in whole}
    known = {i: h for i, h in known.items() if i not in parts}
    in_play = [t for t in (fixed, yearly) if any(_home(h.column, fixed, yearly) == t for h in known.values())]
    columns: dict[str, tuple[Target, ...]] = {}
    faults: list[Fault] = []
    seen: dict[tuple[str, str | None], int] = {}
    for i, h in known.items():
        same = (h.column, h.stage)
        if same in seen and not h.add:
            twice = f"{block.letters(seen[same])}, {block.letters(i)}"
            faults.append(Fault("ambiguous_column", grid.label, header.last + 1, header.name(i), twice))
            continue
        seen[same] = i
        if h.scale != 1:
            told = {"factor": f"{h.scale:g}", "target": h.column}
            faults.append(Fault("scaled", grid.label, header.last + 1, header.name(i), None, "warning", told))
        columns[f"={block.letters(i)}"] = tuple(_known_targets(h, fixed, yearly, in_play))
    sums = [
        (f"={block.letters(i)}", tuple(f"={block.letters(p)}" for p, part in parts.items() if _same(part, h)))
        for i, h in known.items()
        if any(_same(part, h) for part in parts.values())
    ]
    return SourceMapping(columns=columns, sums=sums), faults


def _personal_path(path: block.Path) -> bool:
    return aliases.personal("".join(path)) or aliases.personal(path[-1])


def _same(one: aliases.Heading, other: aliases.Heading) -> bool:
    return (one.column, one.stage) == (other.column, other.stage)


def _home(column: str, fixed: str, yearly: str) -> str | None:
    """Return the table a column makes necessary; None for keys, which stand in several."""
    if column in tables.table(yearly).key:
        return None
    return fixed if column in tables.table(fixed).columns else yearly


def _known_targets(h: aliases.Heading, fixed: str, yearly: str, in_play: Sequence[str]) -> Iterable[Target]:
    home = _home(h.column, fixed, yearly)
    for name in [home] if home else in_play:
        if name and h.column in tables.table(name).columns:
            at = (("stage", h.stage),) if h.stage else ()
            yield Target(name, h.column, at, h.scale, add=h.add)
