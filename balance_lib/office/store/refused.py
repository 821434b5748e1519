"""Name what the store refuses: nothing was written, and the text says what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from balance_lib._errors import BalanceError
from balance_lib.locale import text


class StoreError(BalanceError, ValueError):
    """Something the store does not take or cannot do; nothing was changed."""

    def __init__(self, rule: str, **params: Any) -> None:
        self.rule, self.params = rule, params
        super().__init__(self.message())

    def message(self, lang: str = "zh") -> str:
        """Say why, in a language."""
        return text(f"store.error.{self.rule}", lang, **self.params)


# What a database says when it cannot work, by the beginning of SQLite's name for it or by PostgreSQL's class of codes.
_REASONS = {
    "SQLITE_FULL": "full", "SQLITE_READONLY": "read_only", "SQLITE_BUSY": "busy", "SQLITE_LOCKED": "busy",
    "SQLITE_CORRUPT": "damaged", "SQLITE_NOTADB": "damaged", "SQLITE_IOERR": "damaged", "SQLITE_PERM": "read_only",
    "SQLITE_CANTOPEN": "unreachable", "SQLITE_ERROR": "damaged", "53": "full", "55": "busy", "25006": "read_only",
    "42501": "read_only",
}  # fmt: skip


def database_refused(error: Exception) -> StoreError:
    """Return in our words what a database could not do; its own would show where it stands and who may come in."""
    cause: Any = getattr(error, "orig", None) or error
    code = str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or "")
    rule = next((rule for known, rule in _REASONS.items() if code.startswith(known)), "unreachable")
    return StoreError(rule)


class ConflictError(StoreError):
    """Somebody else changed the same thing in the meantime; nothing was overwritten.

    ``version`` is the version that stands now.
    """

    def __init__(self, *, version: int, who: str, at: datetime | None) -> None:
        self.version = version
        when = "–" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        super().__init__("conflict", version=version, who=who or "–", at=when)
