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


class ConflictError(StoreError):
    """Somebody else changed the same thing in the meantime; nothing was overwritten.

    ``version`` is the version that stands now.
    """

    def __init__(self, *, version: int, who: str, at: datetime | None) -> None:
        self.version = version
        when = "–" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        super().__init__("conflict", version=version, who=who or "–", at=when)
