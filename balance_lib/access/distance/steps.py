"""The 16 steps from a cell: 8 neighbours and 8 knight's moves, which lengthen no way by more than 2.8 %."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from balance_lib.access.distance.places import Floats, Ints
from balance_lib.access.distance.tobler import STEEPEST

ROW_STEP = np.array([-1, -1, -1, 0, 0, 1, 1, 1, -2, -2, -1, -1, 1, 1, 2, 2])
COLUMN_STEP = np.array([-1, 0, 1, -1, 1, -1, 0, 1, -1, 1, -2, 2, -2, 2, -1, 1])
NEIGHBOURS = 8  # so many of the steps lead to a neighbour, the others are knight's moves
OPPOSITE = np.array([7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8])
RIM = 2  # no step leads farther


def _between(row_step: int, column_step: int) -> list[tuple[int, int]]:
    """Return the cells a step passes between: two beside a diagonal, two under a knight's move, none straight on.

    Examples
    --------
    >>> _between(0, 1), _between(1, -1), _between(-2, 1)
    ([], [(1, 0), (0, -1)], [(-1, 0), (-1, 1)])
    """
    if abs(row_step) + abs(column_step) == 3:
        r, c = int(np.sign(row_step)), int(np.sign(column_step))
        return [(r, 0), (r, c)] if abs(row_step) == 2 else [(0, c), (r, c)]
    return [(int(row_step), 0), (0, int(column_step))] if row_step and column_step else []


def lengths(cell_m: tuple[float, float]) -> Floats:
    """Return the map length of each step, for cells of a given width and depth."""
    return np.hypot(ROW_STEP * cell_m[1], COLUMN_STEP * cell_m[0])


def offsets(columns: int) -> Ints:
    """Return how far each step leads in a flat raster."""
    return ROW_STEP * columns + COLUMN_STEP


def middles(columns: int) -> Ints:
    """Return the offsets of the two cells each step passes between, shape (16, 2); zeros for none."""
    through = [_between(*step) for step in zip(ROW_STEP, COLUMN_STEP, strict=True)]
    return np.array([[r * columns + c for r, c in cells] or [0, 0] for cells in through])


def _allowed(height: npt.NDArray[np.float32], length: Floats) -> npt.NDArray[np.uint16]:
    """Return which of the 16 steps each cell allows, as bits: onto ground, not between two voids, not up a cliff.

    ``height``: with a rim of voids (NaN) two cells wide.
    """
    inner = (slice(RIM, -RIM),) * 2

    def moved(r: int, c: int) -> npt.NDArray[np.float32]:
        return height[RIM + r : height.shape[0] - RIM + r, RIM + c : height.shape[1] - RIM + c]

    out, here = np.zeros(height.shape, dtype=np.uint16), moved(0, 0)
    with np.errstate(invalid="ignore"):
        for q, (r, c) in enumerate(zip(ROW_STEP, COLUMN_STEP, strict=True)):
            there, through = moved(r, c), [moved(*cell) for cell in _between(r, c)]
            if q < NEIGHBOURS:
                ok = np.abs(there - here) <= STEEPEST * length[q]
                if through:
                    ok &= np.isfinite(through[0]) | np.isfinite(through[1])
            else:
                half, steep = (through[0] + through[1]) / 2, STEEPEST * length[q] / 2
                ok = (np.abs(half - here) <= steep) & (np.abs(there - half) <= steep)
            out[inner] |= ok.astype(np.uint16) << np.uint16(q)
    return out
