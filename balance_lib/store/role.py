"""Refuse to write for whoever opened the pages for looking only; the server tells each kernel who its visitor is."""

from __future__ import annotations

import os

from balance_lib.store.refused import StoreError

VARIABLE = "HTTP_BALANCE_ROLE"
VIEWER = "viewer"


def may_write() -> bool:
    """Tell whether this process may save: all may but a viewer's page."""
    return os.environ.get(VARIABLE) != VIEWER


def need_to_write() -> None:
    """Let whoever may save pass.

    Raises
    ------
    StoreError
        If this process serves a viewer; nothing was written.
    """
    if not may_write():
        raise StoreError("viewer")
