"""Name what can go wrong: a fault in the data says file, row, column, found, expected and a hint."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import yaml

from balance_lib import locale

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
    column : str or None
        Column name as it stands in the file.
    found : object
        What stands there; None when nothing does.
    severity : {"error", "warning"}
        An error makes figures wrong or stops an import; a warning asks for a look.
    params : dict
        Further values for the text.
    """

    rule: str
    file: str
    row: int | None = None
    column: str | None = None
    found: Any = None
    severity: Severity = "error"
    params: dict[str, Any] = field(default_factory=dict)

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
            "column": self.column,
            "found": None if self.found is None else str(self.found),
            "expected": self.expected(lang),
            "hint": self.hint(lang),
            "severity": self.severity,
            "rule": self.rule,
        }

    def sentence(self, lang: str = "zh") -> str:
        """Tell the fault in one line."""
        return locale.text(
            "fault.sentence",
            lang,
            file=self.file,
            row="–" if self.row is None else self.row,
            column=self.column or "–",
            found="–" if self.found is None else self.found,
            expected=self.expected(lang),
            hint=self.hint(lang),
        )


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
    """Say why the system refused, without its paths: as a Message, or in a language."""
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
        super().__init__("\n".join(fault.sentence() for fault in self.faults))

    def report(self, lang: str = "zh") -> str:
        """Tell all faults, one a line."""
        return "\n".join(fault.sentence(lang) for fault in self.faults)


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
        return self.message()


class NotFoundError(BalanceError, KeyError):
    """Something asked for by name that is not there; says what is there."""

    def __init__(self, what: str, name: object, known: Iterable[object] = ()) -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        super().__init__(what, name)

    def message(self, lang: str = "zh") -> str:
        """Say in the chosen language what was not found and what there is."""
        known = ", ".join(str(item) for item in self.known)
        kind = f"error.what.{self.what.rpartition('.')[2]}"
        what = locale.text(kind, lang) if locale.has(kind) else self.what
        name = "".join(c for c in str(self.name)[:80] if c.isprintable())
        return locale.text("error.not_found" if known else "error.not_there", lang, what=what, name=name, known=known)

    def __str__(self) -> str:
        return self.message()
