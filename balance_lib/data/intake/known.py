"""Understand a sheet by its headers alone: as a canonical table, or by the alias dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.intake import aliases, block
from balance_lib.data.intake.aliases import Heading
from balance_lib.data.intake.block import Header
from balance_lib.data.intake.grid import Grid
from balance_lib.data.intake.mapping import SourceMapping, Target
from balance_lib.data.intake.xlsx import letters

# Fewer known columns than this is no table.
FEWEST_COLUMNS = 2
# Words of a column shown where it is asked what it means.
SHOWN = 4
# Headers shown of a sheet none of whose headers is known.
MOST_SHOWN = 12

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
_DECIMAL = re.compile(r"-?\d+[.,]\d+")

# A list whose headers do not tell says by its name what it holds.
_NAMED = {"school": ("school", "学校"), "village": ("village", "settlement", "村")}

Understood = tuple[Header, SourceMapping, list[Fault]]


def understand(grid: Grid, given: SourceMapping | None = None) -> Understood | Fault | None:
    """Return where the header of a sheet stands and what its columns are; None if they are not known.

    A sheet whose columns are those of one canonical table, under their names or labels, is that table. Any other is a
    list of schools or of villages by the alias dictionary, or nothing.

    Parameters
    ----------
    grid : Grid
    given : SourceMapping, optional
        What is said of some columns; they are not asked about, and only the others are understood.

    Returns
    -------
    (Header, SourceMapping, list of Fault), Fault or None
        Labels of the mapping are letters of columns; headers that mean the same twice, and units, are faults. A fault
        alone where it may be a list of schools as well as of villages, and the file's name does not say.
    """
    return (_canonical(grid) if given is None else None) or _by_aliases(grid, given or SourceMapping({}))


def unheaded(grid: Grid) -> Fault:
    """Say which headers a sheet has, none of them known, and the line that says what they mean."""
    header = block.find_header(grid, lambda paths: sum(map(bool, paths)))
    names = [header.name(i) for i, path in enumerate(header.paths) if path] if header else []
    shown = ", ".join(names[:MOST_SHOWN]) + (" …" if len(names) > MOST_SHOWN else "")
    own = [header.name(i) for i in _like_codes(grid, header)] if header else []
    first = dict.fromkeys([*own[:1], *(name for name in names if aliases.heading([name]) is None), *names])
    line = ", ".join(f'"{name}": {to}' for name, to in zip(first, ("school_id", "schools.name_zh"), strict=False))
    rule = "header_unknown" if len(names) > 1 else "headerless"
    return Fault(rule, grid.label, None, None, shown or None, params={"line": line})


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


def _by_aliases(grid: Grid, given: SourceMapping) -> Understood | Fault | None:
    found: dict[str, tuple[int, Header]] = {}
    for subject in aliases.SUBJECTS:

        def score(paths: list[block.Path], subject: str = subject) -> int:
            return _score(paths, subject, given)

        header = block.find_header(grid, score, given.header)
        if header and (points := score(header.paths)) >= FEWEST_COLUMNS:
            found[subject] = (points, header)
    most = max((points for points, _ in found.values()), default=0)
    best = [subject for subject, (points, _) in found.items() if points == most]
    if len(best) > 1:
        best = [subject for subject in best if any(w in grid.label.casefold() for w in _NAMED[subject])] or best
    if len(best) > 1:
        return Fault("subject_unclear", grid.label, found[best[0]][1].last + 1)
    return (found[best[0]][1], *_mapping(grid, found[best[0]][1], best[0], given)) if best else None


def _letter(column: int) -> str:
    return f"={letters(column)}"


def _score(paths: Sequence[block.Path], subject: str, given: SourceMapping) -> int:
    said = {t.column: t.table for label, ts in given.columns.items() if block.match(label, paths) for t in ts}
    mine = {column for column, table in said.items() if table in aliases.SUBJECTS[subject]}
    found = {
        h.column if h.stage is None and not h.add else h for p in paths if p and (h := aliases.heading(p, subject))
    }
    found |= mine
    names = {h if isinstance(h, str) else h.column for h in found}
    keyed = names & {"school_id", "village_id", "name_zh"}
    return len(found) if keyed or (len(found) > FEWEST_COLUMNS and names - {"lon", "lat"}) else 0


def _mapping(grid: Grid, header: Header, subject: str, given: SourceMapping) -> tuple[SourceMapping, list[Fault]]:
    """Return the mapping that the headers themselves amount to, with the columns that are said."""
    fixed, yearly = aliases.SUBJECTS[subject]
    others = {name for each, names in aliases.SUBJECTS.items() if each != subject for name in names}
    mine = {
        label: tuple(t for t in targets if t.table not in others)
        for label, targets in given.columns.items()
        if not targets or any(t.table not in others for t in targets)
    }
    given = replace(given, columns=mine)
    known, parts, faults = _headings(grid, header, subject, given)
    homes = {_home(h.column, fixed, yearly) for h in known.values()}
    homes |= {t.table for targets in given.columns.values() for t in targets}
    homes |= {table for table, _, _ in given.constants}
    in_play = [t for t in (fixed, yearly) if t in homes]
    columns: dict[str, tuple[Target, ...]] = {}
    seen: dict[tuple[str, str | None, int | None], int] = {}
    for i, h in known.items():
        same = _figure(h)
        if same in seen and not h.add and _agree(grid, header, seen[same], i):
            continue
        if same in seen and not h.add:
            twice = f"{letters(seen[same])}, {letters(i)}"
            faults.append(Fault("ambiguous_column", grid.label, header.last + 1, header.name(i), twice))
            continue
        seen[same] = i
        if h.scale != 1:
            told = {"factor": f"{h.scale:g}", "target": h.column}
            faults.append(Fault("scaled", grid.label, header.last + 1, header.name(i), None, "warning", told))
        targets = _known_targets(h, fixed, yearly, in_play)
        columns[_letter(i)] = tuple(replace(t, missing=given.missing, rounded=h.rounded) for t in targets)
    by_grade = _by_grade(grid, header, known) if given.rows is None and given.apart is None else []
    faults += by_grade
    given = replace(given, rows="add") if by_grade else given
    faults += _parts_unread(grid, header, subject, given, known) + _pupil_rows(grid, header, known, given)
    sums = [
        (_letter(i), tuple(_letter(p) for p, part in parts.items() if _same(part, h)))
        for i, h in known.items()
        if any(_same(part, h) for part in parts.values())
    ]
    whole = replace(given, columns={**given.columns, **columns}, sums=[*given.sums, *sums], known=False)
    return whole, faults + _codeless(grid, header, whole, fixed, in_play)


def _headings(
    grid: Grid, header: Header, subject: str, given: SourceMapping
) -> tuple[dict[int, Heading], dict[int, Heading], list[Fault]]:
    """Return what the columns nobody speaks of mean, the parts of figures that also stand whole, and what is asked."""
    said = {at for label in given.labels for at in block.match(label, header.paths)}
    taken = {(t.column, dict(t.at).get("stage")) for targets in given.columns.values() for t in targets}
    taken |= {(column, None) for _, column, _ in given.constants}
    headings = {i: aliases.heading(p, subject) for i, p in enumerate(header.paths) if p and i not in said}
    headings = {i: None if h and (h.column, h.stage) in taken else h for i, h in headings.items()}
    if grid.crs is not None:  # where a feature lies (its first two columns) goes before what is written about it
        headings = {i: None if h and i > 1 and h.column in ("lon", "lat") else h for i, h in headings.items()}
    faults = _decide(headings, grid, header, subject)
    known = {i: h for i, h in headings.items() if h and not _personal_path(header.paths[i])}
    known = {i: h for i, h in known.items() if not _stands_aside(i, known, header)}
    whole = {_figure(h) for h in known.values() if not h.add}
    parts = {i: h for i, h in known.items() if h.add and _figure(h) in whole}
    known = {i: h for i, h in known.items() if i not in parts}
    return known, parts, faults


def _decide(headings: dict[int, Heading | None], grid: Grid, header: Header, subject: str) -> list[Fault]:
    """Let the words below headers that mean different things in different lists decide; ask where they do not.

    So is a header whose words are all of another sort: yes and no below Computers, numbers below Nombre.
    """
    faults = []
    asked = {i: aliases.unclear(header.paths[i], subject) for i in headings}
    for i, h in headings.items():
        if h and asked[i] is None and _misfit(aliases.column(subject, h.column), _words_below(grid, header, i)):
            asked[i] = [h.column]
    clear = {h.column for i, h in headings.items() if h and asked[i] is None}
    for i, candidates in asked.items():
        if candidates is None:
            continue
        said = _words_below(grid, header, i)
        fitting = [c for c in candidates if said and all(aliases.belongs(t, aliases.column(subject, c)) for t in said)]
        headings[i] = Heading(fitting[0]) if len(fitting) == 1 and fitting[0] not in clear else None
        clear |= set(fitting[:1])
        if not fitting and said and not set(candidates) <= clear:
            told = {"columns": ", ".join(f"{aliases.SUBJECTS[subject][0]}.{c}" for c in candidates)}
            shown = ", ".join(said[:SHOWN])
            faults.append(Fault("header_unclear", grid.label, header.last + 1, header.name(i), shown, "warning", told))
    return faults


def _by_grade(grid: Grid, header: Header, known: Mapping[int, Heading]) -> list[Fault]:
    """Tell that each row is one grade of a school, where the column of stages says so: they are added up."""
    for i, h in known.items():
        said = _words_below(grid, header, i) if h.column == "stage" else []
        if len(said) > 1 and all(map(aliases.is_grade, said)):
            return [Fault("rows_by_grade", grid.label, header.last + 1, header.name(i), None, "warning")]
    return []


def _parts_unread(
    grid: Grid, header: Header, subject: str, given: SourceMapping, known: Mapping[int, Heading]
) -> list[Fault]:
    """Ask about columns below a known heading of which nothing is read: boys and girls below 在校生数, no total."""
    said = {at for label in given.labels for at in block.match(label, header.paths)}
    parts: dict[str, list[int]] = {}
    for i, path in enumerate(header.paths):
        h = aliases.heading(path[:-1], subject) if len(path) > 1 and i not in known and i not in said else None
        figure = h is not None and aliases.column(subject, h.column).type in ("count", "number")
        if h and figure and not any(_same(h, other) for other in known.values()):
            parts.setdefault(h.column, []).append(i)
    out = []
    for column, at in parts.items():
        to = f"{{to: {aliases.SUBJECTS[subject][1]}.{column}, add: true}}"
        line = ", ".join(f'"{header.name(i)}": {to}' for i in at)
        names = [header.name(i) for i in at]
        told = {"line": line, "labels": names}
        out.append(Fault("parts_unread", grid.label, header.last + 1, None, ", ".join(names), params=told))
    return out


def _pupil_rows(grid: Grid, header: Header, known: Mapping[int, Heading], given: SourceMapping) -> list[Fault]:
    """Say how a list of single pupils is counted: rows of the same schools, with what only a person has."""
    if any(column == "pupils" for _, column, _ in given.constants) or "pupils" in {h.column for h in known.values()}:
        return []
    schools = next((i for i, h in known.items() if h.column == "school_id"), None)
    persons = [i for i, path in enumerate(header.paths) if path and _personal_path(path)]
    if schools is None or not persons:
        return []
    codes = [row[schools] for row in grid.rows[header.last + 1 :] if row[schools] and any(row[i] for i in persons)]
    if len(codes) < 2 * len(set(codes)):
        return []
    skipped = [i for i, h in known.items() if aliases.column("school", h.column).type in ("count", "number")]
    line = "".join(f'"{header.name(i)}": skip, ' for i in skipped).rstrip(", ")
    told = {"n": len(codes), "schools": len(set(codes)), "line": f", columns: {{{line}}}" if line else ""}
    return [Fault("pupil_rows", grid.label, header.last + 1, None, None, params=told)]


def _misfit(column: tables.Column, texts: Sequence[str]) -> bool:
    """Tell whether all words of a column are of another sort than a figure or a name is."""
    if column.type in ("count", "number"):
        return len(texts) > 1 and all(t.isalpha() and aliases.yes_no(t) is not None for t in texts)
    return column.name.startswith("name_") and len(texts) > 1 and all(_NUMBER.fullmatch(t) for t in texts)


def _agree(grid: Grid, header: Header, one: int, other: int) -> bool:
    """Tell whether two columns say the same wherever both say anything: then it is no matter which is read."""
    rows = grid.rows[header.last + 1 :]
    return all(row[one] == row[other] for row in rows if row[one] and row[other]) and any(row[one] for row in rows)


def _codeless(grid: Grid, header: Header, spec: SourceMapping, fixed: str, in_play: Sequence[str]) -> list[Fault]:
    """Ask for the code where no column was understood to be it, with the columns that differ in every row."""
    code = tables.table(fixed).key[0]
    if any(t.column == code for targets in spec.columns.values() for t in targets):
        return []
    own = _like_codes(grid, header)
    named = {
        i
        for label, targets in spec.columns.items()
        for t in targets
        if t.column == "name_zh"
        for i in block.match(label, header.paths)
    }
    shown = ", ".join(header.name(i) for i in own[:SHOWN])
    to = f"[{code}, {fixed}.name_zh]" if own and own[0] in named else code
    first = header.name(own[0]) if own else "…"
    told = {"to": f"{fixed}.{code}", "line": f'{{"{first}": {to}}}'}
    rule = "key_wanted" if own else "key_nowhere"
    return [Fault(rule, grid.label, header.last + 1, code, shown or None, params=told)] if in_play else []


def _like_codes(grid: Grid, header: Header) -> list[int]:
    """Return the columns that differ in every row, as a code does: first those whose header has a word of codes."""
    rows = [row for row in grid.rows[header.last + 1 :] if sum(map(bool, row)) > 1]
    open_to = [i for i, path in enumerate(header.paths) if path and not _personal_path(path) and not _place(path)]
    words = frozenset(map(aliases.key, aliases.dictionary()["code_words"]))
    own = [i for i in open_to if _tells_apart(rows, i)]
    return sorted(own, key=lambda i: not any(word in aliases.key(header.paths[i][-1]) for word in words))


def _place(path: block.Path) -> bool:
    found = aliases.heading(path)
    return found is not None and found.column in ("lon", "lat")


def _tells_apart(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Tell whether a column has a short text in every row, and each another one: what a code is; no decimal is one."""
    texts = [row[at] for row in rows]
    short = all(t and len(t) <= block.LONG_TEXT and not _DECIMAL.fullmatch(t) and "[" not in t for t in texts)
    return short and len(set(texts)) == len(texts) > 0


def _words_below(grid: Grid, header: Header, column: int) -> list[str]:
    """Return the different texts of a column, without totals, signs for "no data" and notes below the table."""
    rows = (row for row in grid.rows[header.last + 1 :] if sum(map(bool, row)) > 1)
    said = dict.fromkeys(row[column].strip() for row in rows if row[column].strip())
    silent = aliases.words("missing") | aliases.words("suppressed")
    return [text for text in said if aliases.fold(text) not in silent and not aliases.is_total(text)]


def _stands_aside(at: int, known: dict[int, Heading], header: Header) -> bool:
    """Tell whether a general header (code, name) has a plainer one of the same meaning beside it."""
    same = [i for i, h in known.items() if i != at and _same(h, known[at])]
    return aliases.generic(header.paths[at]) and any(not aliases.generic(header.paths[i]) for i in same)


def _personal_path(path: block.Path) -> bool:
    return aliases.personal("".join(path)) or aliases.personal(path[-1])


def _same(one: aliases.Heading, other: aliases.Heading) -> bool:
    return _figure(one) == _figure(other)


def _figure(h: Heading) -> tuple[str, str | None, int | None]:
    """Return what tells one column of figures from another."""
    return h.column, h.stage, h.year


def _home(column: str, fixed: str, yearly: str) -> str | None:
    """Return the table a column makes necessary; None for keys, which stand in several."""
    if column in tables.table(yearly).key:
        return None
    return fixed if column in tables.table(fixed).columns else yearly


def _known_targets(h: aliases.Heading, fixed: str, yearly: str, in_play: Sequence[str]) -> Iterable[Target]:
    home = _home(h.column, fixed, yearly)
    for name in [home] if home else in_play:
        if name and h.column in tables.table(name).columns:
            at = tuple((part, value) for part, value in (("stage", h.stage), ("year", h.year)) if value is not None)
            yield Target(name, h.column, at, h.scale, add=h.add)
