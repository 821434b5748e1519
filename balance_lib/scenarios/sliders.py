"""Hold where the sliders stand, and what that does: a state and its tick."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """Hold where the sliders stand. None: as the board's scenario says.

    Parameters
    ----------
    minimum_enrolment : float
        Public schools and points with fewer pupils of compulsory stages close, but for those that are kept, that the
        scenario already does something with, or whose pupils are not all recorded.
    closed, kept : frozenset of str
        Schools closed, and schools spared, besides.
    walk_primary_m, walk_junior_m, bus_minutes, class_cap_primary, class_cap_junior
        As in :class:`Settings`.
    births_percent : float, optional
        As in :class:`Settings`: the first use of a value projects the county, which takes a moment.
    """

    minimum_enrolment: float = 0.0
    closed: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    walk_primary_m: float | None = None
    walk_junior_m: float | None = None
    bus_minutes: float | None = None
    class_cap_primary: int | None = None
    class_cap_junior: int | None = None
    births_percent: float | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings that differ from the scenario's."""
        mine = [s.name for s in fields(self) if s.name not in ("minimum_enrolment", "closed", "kept")]
        return {name: getattr(self, name) for name in mine if getattr(self, name) is not None}


@dataclass(frozen=True, eq=False)
class Tick:
    """Hold what a state of the sliders does. Positions are those of ``board.villages`` and ``board.schools``.

    Parameters
    ----------
    closed : tuple of str
        Schools the state closes, those of the scenario not counted.
    rows : array of int
        Which of the board's groups move, one entry a flow.
    village, from_, to, band : array of int, shape (flows,)
        Who moves; village -1: home not known; to -1: no school takes them in.
    pupils, boards, metres_before, metres_after, over : array of float, shape (flows,)
        ``boards``: of them boarding afterwards; ``over``: of them beyond the places there are.
    cover : DataFrame-like mapping, stage to mapping
        Afterwards, all pupils: pupils, walk, ride, board, far, unknown, mean_m, p90_m, max_m, within_share, young_over.
    loads : array of float, shape (schools, bands)
        Pupils afterwards.
    places : array of float, shape (schools, bands)
    classes, largest : array of float, shape (schools, stages)
        Classes afterwards and the largest of them where pupils changed; elsewhere as recorded, largest NaN.
    coefficients : array of float, shape (stages, indicators)
        Difference coefficients afterwards; NaN is "no data". All are NaN where only the whole evaluation says what a
        school holds: one that opens, is converted, or hands its goods on otherwise than with the pupils.
    proven : bool
        Whether a whole evaluation of :meth:`Board.scenario` gives the same assignment: places are reckoned with, or
        do not bind, and attendance is recorded so that the evaluation can tell who moves.
    """

    closed: tuple[str, ...]
    rows: Ints
    village: Ints
    from_: Ints
    to: Ints
    band: Ints
    pupils: Floats
    boards: Floats
    metres_before: Floats
    metres_after: Floats
    over: Floats
    cover: dict[str, dict[str, float]]
    loads: Floats
    places: Floats
    classes: Floats
    largest: Floats
    coefficients: Floats
    proven: bool

    @property
    def moved(self) -> float:
        """Return how many pupils change school."""
        return float(self.pupils.sum())

    @property
    def farther(self) -> float:
        """Return how many of them have a longer way."""
        return float(self.pupils[self.metres_after > self.metres_before].sum())

    @property
    def extra_m(self) -> float:
        """Return the mean extra way of those whose ways are known; NaN when nobody moves."""
        extra = self.metres_after - self.metres_before
        known = np.isfinite(extra)
        total = self.pupils[known].sum()
        return float(self.pupils[known] @ extra[known] / total) if total else float("nan")

    @property
    def shortfall(self) -> float:
        """Return how many pupils are beyond the places there are, or have no school at all."""
        return float(self.over.sum())
