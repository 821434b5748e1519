"""Compile loops over numbers ahead of the interpreter; imported only by the modules that hold such loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.signedinteger[Any]]  # of whatever width: a kernel is compiled for the one it is called with
Flags = npt.NDArray[np.bool_]


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a loop without the interpreter's lock, and keep it on disk where the installation can be written."""
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba finds no folder for its cache
        return njit(nogil=True, **options)(function)
