"""Refuse to write for whoever opened the pages for looking only; the server tells each kernel who its visitor is."""

from __future__ import annotations

from balance_lib.locale import text
from balance_lib.office.store.refused import StoreError
from balance_lib.visitor import only_looks


class ViewerError(StoreError):
    """The pages were opened for looking only; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("viewer")

    def message(self, lang: str = "zh") -> str:
        """Say so, and how to save."""
        return text("serve.viewer", lang)


def may_write() -> bool:
    """Tell whether this process may save: all may but a viewer's page."""
    return not only_looks()


def need_to_write() -> None:
    """Let whoever may save pass.

    Raises
    ------
    ViewerError
        If this process serves a viewer; nothing was written.
    """
    if not may_write():
        raise ViewerError
