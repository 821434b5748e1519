"""Compile loops over numbers ahead of the interpreter; imported only by the modules that hold such loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a loop without the interpreter's lock, and keep it on disk where the installation can be written."""
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba finds no folder for its cache
        return njit(nogil=True, **options)(function)
