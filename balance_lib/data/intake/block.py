"""Cut a sheet into its header, its rows of data, and what is left out: titles, totals, notes, repeated headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from balance_lib._errors import Fault, spans
from balance_lib.data.intake import aliases
from balance_lib.data.intake.grid import Grid
from balance_lib.data.intake.mapping import SourceMapping
from balance_lib.data.intake.xlsx import letters

HEADER_SEARCHED = 40
HEADER_DEPTH = 3
# A cell longer than this, alone in its row, is no code and no name.
LONG_TEXT = 40
_FIGURE = re.compile(r"[-+]?\d[\d,. ]*\D{0,4}")
_LETTERS = re.compile(r"=([A-Z]{1,3})")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """Hold where the header stands (zero-based first and last row) and each column's path of headings."""

    first: int
    last: int
    paths: list[Path]

    def name(self, column: int) -> str:
        """Return what a column is called, for people."""
        return "/".join(self.paths[column]) or f"={letters(column)}"


@dataclass(frozen=True)
class Left:
    """Name a row that was left out, and why: total, note, repeated header, or no key."""

    row: int
    why: str


@dataclass(frozen=True)
class CutSheet:
    """Hold one sheet cut for reading: its mapping with the place of every column, and its rows of data."""

    grid: Grid
    mapping: SourceMapping
    header: Header
    at: Mapping[str, int]
    rows: Sequence[int]
    left: Sequence[Left]

    def text(self, row: int, label: str) -> str:
        """Return the text of a cell.

        Parameters
        ----------
        row : int
            From 0.
        label : str
        """
        return self.grid.rows[row][self.at[label]]


def _paths(grid: Grid, first: int, last: int) -> list[Path]:
    """Return the path of headings of each column, from the upper header row to the lowest."""
    rows = grid.rows[first : last + 1]
    out = []
    for column in range(len(rows[0])):
        parts: list[str] = []
        for depth, row in enumerate(rows):
            text = row[column] or _inherited(rows, depth, column)
            if text and (not parts or parts[-1] != text):
                parts.append(text)
        out.append(tuple(parts))
    return out


def _inherited(rows: Sequence[Sequence[str]], depth: int, column: int) -> str:
    """Return the upper heading a blank cell stands under: in a CSV a merged cell has text in its first cell only."""
    if depth == len(rows) - 1 or not rows[depth + 1][column]:
        return ""
    for left in range(column - 1, -1, -1):
        if rows[depth][left]:
            return rows[depth][left] if rows[depth + 1][left] not in ("", rows[depth][left]) else ""
    return ""


def find_header(grid: Grid, score: Callable[[list[Path]], int], at: tuple[int, int] | None = None) -> Header | None:
    """Find the header rows: those whose headings score highest; flatter and upper ones first.

    Parameters
    ----------
    grid : Grid
    score : callable
        How many of the wanted columns a list of paths holds.
    at : (int, int), optional
        First and last header row as the spreadsheet counts, where it is known.
    """
    if at:
        first, last = at[0] - 1, at[1] - 1
        return Header(first, last, _paths(grid, first, last)) if last < len(grid.rows) else None
    best, found = 0, None
    for depth in range(1, HEADER_DEPTH + 1):
        for first in range(min(HEADER_SEARCHED, len(grid.rows) - depth + 1)):
            last = first + depth - 1
            if not _looks_like_header(grid.rows[last]):
                continue
            here = _paths(grid, first, last)
            if (points := score(here)) > best:
                best, found = points, Header(first, last, here)
    while found and _reaches_down(grid, found.last):
        found = Header(found.first, found.last + 1, _paths(grid, found.first, found.last + 1))
    return found


def _reaches_down(grid: Grid, last: int) -> bool:
    """Tell whether a cell of the last header row is merged with the one below: the header goes on there."""
    if last + 1 >= len(grid.rows):
        return False
    both = zip(grid.rows[last], grid.rows[last + 1], strict=True)
    return any(upper and upper == lower and (last + 1, i) in grid.filled for i, (upper, lower) in enumerate(both))


def _looks_like_header(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell]
    years = re.compile(r"(19|20)\d\d")  # a header may well be a year
    numeric = sum(bool(re.fullmatch(r"-?[\d,.]+%?", cell)) and not years.fullmatch(cell) for cell in filled)
    return bool(filled) and numeric * 2 <= len(filled)


def match(label: str, columns: Sequence[Path]) -> list[int]:
    """Return the columns a label means: by letter, by its whole path, or by its lowest heading.

    Parameters
    ----------
    label : str
        Words beside or above the figure.
    columns : sequence of Path
        Headings of each column.

    Examples
    --------
    >>> match("total enrolment", [("DE ref",), ("Total enrolment", "year 1"), ("Total enrolment", "total enrolment")])
    [2]
    """
    if by_letter := _LETTERS.fullmatch(label.strip()):
        wanted = by_letter[1]
        return [i for i in range(len(columns)) if letters(i) == wanted]
    folded = aliases.key(label)
    for spelling in ("/".join, "".join, itemgetter(-1)):  # the whole path, the same run together, its lowest heading
        if found := [i for i, path in enumerate(columns) if path and aliases.key(spelling(path)) == folded]:
            return found
    return []


def rows_of_data(
    grid: Grid, header: Header, keys: Iterable[int], figures: Iterable[int], mapped: Iterable[int]
) -> tuple[list[int], list[Left]]:
    """Return the zero-based rows of data, and the rows left out with the reason.

    Parameters
    ----------
    grid, header
        The sheet and its header.
    keys, figures, mapped : iterable of int
        Columns that hold the row's key, that hold figures, and all that are read.
    """
    keys, figures, mapped = list(keys), set(figures), list(mapped)
    data, left = [], []
    for row in range(header.last + 1, len(grid.rows)):
        cells = [  # a note merged over the row is one text, not one in every column
            "" if (row, i) in grid.filled and i and cell == grid.rows[row][i - 1] else cell
            for i, cell in enumerate(grid.rows[row])
        ]
        texts = [cell for cell in cells if cell]
        if not texts:
            continue
        why = _left_out(cells, texts, header, keys, figures, mapped)
        if why:
            left.append(Left(row, why))
        else:
            data.append(row)
    return data, left


def _left_out(
    cells: Sequence[str], texts: Sequence[str], header: Header, keys: list[int], figures: set[int], mapped: list[int]
) -> str | None:
    keyless = bool(keys) and not any(cells[i] for i in keys)
    if any(aliases.is_total(text) for text in (texts if keyless else [texts[0], *(cells[i] for i in mapped)])):
        return "total_row"
    named = [i for i in mapped if cells[i]]
    if len(named) > 1 and all(header.paths[i] and cells[i] in header.paths[i] for i in named):
        return "header_row"
    alone = len(texts) == 1 and (len(mapped) > 2 or len(texts[0]) > LONG_TEXT)
    if not any(_FIGURE.fullmatch(cells[i]) for i in figures) and (aliases.is_note(texts[0]) or alone):
        return "note_row"
    if keyless:
        return "keyless_row" if any(cells[i] for i in mapped) else "note_row"
    return None


def report(grid: Grid, left: Sequence[Left], key: str) -> list[Fault]:
    """Tell which rows were left out. What stands in them is not repeated: below tables stand names and telephones.

    Parameters
    ----------
    grid : Grid
    left : sequence of Left
        What was left out.
    key : str
    """
    faults = [Fault("keyless_row", grid.label, item.row + 1, key) for item in left if item.why == "keyless_row"]
    for why in ("total_row", "header_row", "note_row"):
        if rows := [item.row + 1 for item in left if item.why == why]:
            faults.append(Fault(why, grid.label, rows[0], None, None, "warning", {"rows": spans(rows), "n": len(rows)}))
    return faults


def unread(file: str, row: int | None, labels: Sequence[str]) -> list[Fault]:
    """Tell in one warning which columns nobody asked for.

    Parameters
    ----------
    file : str
        File as the user knows it.
    row : int, optional
        Row of the sheet; None where it is of no row.
    labels : sequence of str
        Words of the sheet.
    """
    told = Fault("unmapped_column", file, row, None, ", ".join(labels), "warning", {"n": len(labels)})
    return [told] if labels else []


def places(
    labels: Iterable[str], header: Header, file: str, known: Mapping[str, int] | None = None
) -> tuple[dict[str, int], list[Fault]]:
    """Return the column of each label, and a fault for each label that is not there or there twice.

    Parameters
    ----------
    labels : iterable of str
    header : Header
    file : str
    known : mapping of str to int, optional
        Columns that are known already.
    """
    import difflib

    found, faults = dict(known or {}), []
    names = {aliases.key(path[-1]): "/".join(path) for path in header.paths if path}
    for label in labels:
        columns = match(label, header.paths)
        if label in found:
            continue
        if len(columns) == 1:
            found[label] = columns[0]
        elif columns:
            twice = ", ".join(letters(i) for i in columns)
            faults.append(Fault("ambiguous_column", file, header.last + 1, label, twice))
        else:
            near = difflib.get_close_matches(aliases.key(label), list(names), 3, 0.5)
            known_names = ", ".join(names[n] for n in near) or "–"
            faults.append(Fault("column_not_found", file, header.last + 1, label, params={"known": known_names}))
    return found, faults
