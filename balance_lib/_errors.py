"""Name what can go wrong: a fault in the data says file, row, column, found, expected and a hint."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import yaml

from balance_lib import locale
from balance_lib.shown import closest

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Fault:
    """Describe one fault in the data, without choosing the language it is told in.

    Parameters
    ----------
    rule : str
        Which check found it; the text stands in the locale under ``fault.<rule>``.
    file : str
        File (and sheet) as the user knows it.
    row : int or None
        Row as a spreadsheet counts: the header is row 1. None when the fault is not of one row.
    column : str or mapping, optional
        Column name as it stands in the file; in each language, where the file has no such column.
    found : object
        What stands there; None when nothing does.
    severity : {"error", "warning"}
        An error makes figures wrong or stops an import; a warning asks for a look.
    params : dict
        Further values for the text.
    cell : (str, int or None, str or None), optional
        File, row and column in the county folder, where those above are of the file it was imported from.
    """

    rule: str
    file: str
    row: int | None = None
    column: Any = None
    found: Any = None
    severity: Severity = "error"
    params: dict[str, Any] = field(default_factory=dict)
    cell: tuple[str, int | None, str | None] | None = None

    def expected(self, lang: str = "zh") -> str:
        """Say what should stand there."""
        return self._said("expected", lang)

    def hint(self, lang: str = "zh") -> str:
        """Say what to do about it."""
        return self._said("hint", lang)

    def _said(self, part: str, lang: str) -> str:
        facts = {"found": self.found, "column": self.column, **self.params}
        return locale.Message(f"fault.{self.rule}.{part}", facts).render(lang)

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return the fault as plain values: the row of a list to download."""
        return {
            "file": self.file,
            "row": self.row,
            "column": locale.said(self.column, lang),
            "found": None if self.found is None else str(locale.said(self.found, lang)),
            "expected": self.expected(lang),
            "hint": self.hint(lang),
            "severity": self.severity,
            "rule": self.rule,
            "cell": None if self.cell is None else dict(zip(("file", "row", "column"), self.cell, strict=True)),
        }

    def sentence(self, lang: str = "zh") -> str:
        """Tell the fault in one line; of place and content only what is known."""
        place = [self.file]
        if self.row is not None:
            place.append(locale.text("fault.row", lang, row=self.row))
        if self.column:
            place.append(f"[{locale.said(self.column, lang)}]")
        # A warning of a whole column stands at its heading, which is not blank.
        blank = self.severity == "error" and self.found is None and self.row is not None and bool(self.column)
        said = "found" if self.found is not None else "blank" if blank else "nothing"
        stands = locale.text(f"fault.{said}", lang, found=locale.said(self.found, lang))
        texts = {"place": " ".join(place), "stands": stands, "expected": self.expected(lang), "hint": self.hint(lang)}
        return locale.text("fault.sentence", lang, **texts)


# A list of three hundred faults alike hides the one that matters: so many of a kind are written out, so many lines in
# all, and so many characters of the rows of the others.
MOST_OF_A_KIND = 3
MOST_LINES = 24
MOST_ROWS_NAMED = 60
# What is wrong with a whole file or column, and so explains what is wrong with its cells.
CAUSES = frozenset(
    [
        *("crs", "swapped_file", "swapped_some", "projected", "projected_zone", "not_projected", "other_axis"),
        *("no_header", "column_not_found", "ambiguous_column", "required_all", "year_unknown", "stage_unknown"),
        *("key_wanted", "key_nowhere", "key_shared", "header_unknown", "headerless", "header_unclear", "value_unclear"),
        *("rows_again", "source_without_file", "join_source", "no_source"),
    ]
)


def grouped(faults: Iterable[Fault]) -> list[list[Fault]]:
    """Put faults of one kind together: same weight, file, rule and column; errors first, and causes before the rest.

    Examples
    --------
    >>> many = [Fault("range", "a.csv", row, "lat", 200) for row in range(2, 300)]
    >>> [(group[0].rule, len(group)) for group in grouped([*many, Fault("crs", "county.yaml")])]
    [('crs', 1), ('range', 298)]
    """
    kinds: dict[tuple[Any, ...], list[Fault]] = {}
    for fault in faults:
        file, _, column = fault.cell or (fault.file, None, fault.column)
        kinds.setdefault((fault.severity, file, fault.rule, column), []).append(fault)

    def weight(group: list[Fault]) -> tuple[bool, bool, bool]:
        return group[0].severity != "error", group[0].rule not in CAUSES, group[0].row is not None

    return sorted(kinds.values(), key=weight)


def spans(numbers: Sequence[int]) -> str:
    """Return numbers as spans.

    Examples
    --------
    >>> spans([796, 798, 799, 800])
    '796, 798–800'
    """
    out: list[list[int]] = []
    for number in numbers:
        if out and number == out[-1][1] + 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in out)


def fault_lines(faults: Sequence[Fault], lang: str) -> list[str]:
    """Write faults for a terminal, at most a screenful: causes first, and of one kind the first few.

    Parameters
    ----------
    faults : sequence of Fault
    lang : {"zh", "en"}
    """
    groups = grouped(faults)
    lines: list[str] = []
    for at, group in enumerate(groups):
        if len(lines) >= MOST_LINES:
            rest = groups[at:]
            lines.append(locale.text("cli.more_kinds", lang, n=sum(map(len, rest)), kinds=len(rest)))
            break
        lines += [f"[{locale.text(f'cli.{f.severity}', lang)}] {f.sentence(lang)}" for f in group[:MOST_OF_A_KIND]]
        if more := group[MOST_OF_A_KIND:]:
            files = list(dict.fromkeys(f.file for f in more))
            rows = spans(sorted({f.row for f in more if f.row is not None})) or "–"
            cut = rows if len(rows) <= MOST_ROWS_NAMED else rows[:MOST_ROWS_NAMED].rpartition(",")[0] + " …"
            key = "cli.more_of_a_kind" if len(files) == 1 else "cli.more_in_files"
            told = {"n": len(more), "file": files[0], "rows": cut, "files": len(files)}
            lines.append(locale.text(key, lang, **told))
    return lines


def unreadable(file: str, error: Exception) -> Fault:
    """Return the fault of a file that cannot be read: the line where the reader stopped, and in words why.

    Parameters
    ----------
    file : str
        What to call the file.
    error : Exception
        What reading it raised: of the system, of a coding, or of YAML, JSON or CSV.
    """
    if isinstance(error, OSError):
        return Fault("not_accessible", file, params={"why": reason(error)})
    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, "problem_mark", None)
        found = str(getattr(error, "problem", None) or error).splitlines()[0]
        return Fault("unreadable_yaml", file, None if mark is None else mark.line + 1, None, found[:80])
    if isinstance(error, UnicodeDecodeError):
        return Fault("unreadable", file)
    return Fault("unreadable", file, getattr(error, "lineno", None), None, str(error).splitlines()[0][:80])


def reason(error: OSError, lang: str | None = None) -> Any:
    """Say why the system refused, without its paths: as a Message, or in a language.

    Parameters
    ----------
    error : OSError
    lang : {"zh", "en"}, optional
    """
    name = errno.errorcode.get(error.errno or 0, "")
    known = name if locale.has(f"error.system.{name}") else "other"
    told = locale.Message(f"error.system.{known}", {"detail": error.strerror or type(error).__name__})
    return told if lang is None else told.render(lang)


class BalanceError(Exception):
    """Base of everything this package raises on purpose."""

    def message(self, lang: str = "zh") -> str:
        """Say what is wrong, in a language where it has texts."""
        return str(self)


class DataError(BalanceError, ValueError):
    """Data that cannot be used, with every fault at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: Sequence[Fault] = tuple(faults)
        super().__init__("\n".join(fault.sentence(locale.spoken()) for fault in self.faults))

    def report(self, lang: str = "zh") -> str:
        """Tell the faults, one a line, at most a screenful."""
        return "\n".join(fault_lines(self.faults, lang))


class PolicyError(BalanceError, ValueError):
    """A policy standard that breaks the schema or names something unknown."""


class ChangedError(BalanceError):
    """Somebody else saved the same folder since it was read; nothing was overwritten."""

    def __init__(self, name: str, at: datetime | None) -> None:
        self.name, self.at = name, at
        super().__init__(name)

    def message(self, lang: str = "zh") -> str:
        """Say what was changed when, and what to do."""
        at = "–" if self.at is None else self.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return locale.text("error.changed", lang, name=self.name, at=at)

    def __str__(self) -> str:
        return self.message(locale.spoken())


class NotFoundError(BalanceError, KeyError):
    """Something asked for by name that is not there; says what is there."""

    def __init__(self, what: str, name: object, known: Iterable[object] = ()) -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        super().__init__(what, name)

    def message(self, lang: str = "zh") -> str:
        """Say in the chosen language what was not found and what there is."""
        known = ", ".join(map(str, self.known[:MOST_LINES])) + " …" * (len(self.known) > MOST_LINES)
        kind = f"error.what.{self.what.rpartition('.')[2]}"
        what = locale.text(kind, lang) if locale.has(kind) else self.what
        name = "".join(c for c in str(self.name)[:80] if c.isprintable())
        said = locale.text("error.not_found" if known else "error.not_there", lang, what=what, name=name, known=known)
        years = all(isinstance(each, int) for each in self.known)  # another year is no slip of the hand
        meant = [] if years else closest(str(self.name), map(str, self.known), guesses=False)
        return said + (locale.text("shown.meant", lang, names=", ".join(meant)) if meant else "")

    def __str__(self) -> str:
        return self.message(locale.spoken())
