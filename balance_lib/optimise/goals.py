"""Say what a county wants of its layout of schools, before anything is computed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Aim = Literal["walk", "fewest"]


@dataclass(frozen=True, kw_only=True)
class Goals:
    """Hold what a layout is wanted to do.

    Parameters
    ----------
    aim : {"walk", "fewest"}
        ``walk``: with ``schools`` schools, the least total of extra pupil-metres. ``fewest``: the fewest schools that
        keep all limits, and with that number the least extra.
    schools : int, optional
        Schools of the stage to be open, those counted that nobody may close; needed with ``walk``.
    may_close : collection of school ids, or "all"
        Only these may close; nobody else. Empty: nothing may close.
    protected : collection of school ids
        May not close whatever ``may_close`` says.
    max_distance_m : float, optional
        Nobody who changes school may have farther than this; those who stay are as they are.
    min_size : float, optional
        A school that might have closed and stays open must have at least so many pupils of the stage.
    capacity : bool
        Whether schools may take in only as many as they have places (classes × class cap).
    township_minimum : bool
        Whether every township that has schools of the stage keeps at least one.
    gap : float
        Share at which a proof is good enough.
    mode : {"straight", "network", "terrain"}
        How distances are measured: the scenario measures the same way.
    """

    aim: Aim = "walk"
    schools: int | None = None
    may_close: Collection[str] | Literal["all"] = ()
    protected: Collection[str] = ()
    max_distance_m: float | None = None
    min_size: float | None = None
    capacity: bool = True
    township_minimum: bool = False
    gap: float = 0.0
    mode: Literal["straight", "network", "terrain"] = "straight"

    def __post_init__(self) -> None:
        if self.aim == "walk" and (self.schools is None or self.schools < 1):
            raise ValueError("how many schools to keep (schools=) must be said, at least 1")
        if self.aim not in ("walk", "fewest"):
            raise ValueError(f"aim must be walk or fewest; found {self.aim!r}")
