"""Watch over one optimisation: its clock, whether somebody has cancelled it, and whom to tell of progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from balance_lib.optimise.solution import Flags, optimality_gap


class Cancel(Protocol):
    """Anything that knows whether it was cancelled: a ``threading.Event`` does."""

    def is_set(self) -> bool:
        """Tell whether to stop."""
        ...


@dataclass(frozen=True, eq=False)
class Progress:
    """Hold one report of an optimisation under way.

    Parameters
    ----------
    seconds : float
        Since the start.
    objective, bound : float
        Best plan so far and what is proven; NaN or infinite where there is none yet.
    open : array of bool, shape (sites,), or None
        The best plan's sites.
    """

    seconds: float
    objective: float
    bound: float
    open: Flags | None = None

    @property
    def gap(self) -> float:
        """Return how far the best plan can be from the optimum, as a share."""
        return optimality_gap(self.objective, self.bound)


@dataclass(eq=False)
class Control:
    """Keep the clock of one optimisation.

    Parameters
    ----------
    time_limit_s : float
        Wall seconds from now.
    progress : callable, optional
        Called with a :class:`Progress` from the thread that computes, at most every ``every_s`` seconds.
    cancel : Cancel, optional
        Looked at several times a second.
    every_s : float
        Least seconds between two reports.
    """

    time_limit_s: float = 60.0
    progress: Callable[[Progress], None] | None = None
    cancel: Cancel | None = None
    every_s: float = 0.1
    started: float = field(default_factory=time.perf_counter)
    _told_s: float = -np.inf

    @property
    def seconds(self) -> float:
        """Return wall seconds since the start."""
        return time.perf_counter() - self.started

    @property
    def left_s(self) -> float:
        """Return wall seconds until the limit; not below 0."""
        return max(0.0, self.time_limit_s - self.seconds)

    @property
    def stopped(self) -> bool:
        """Tell whether time is up or somebody cancelled."""
        return self.left_s <= 0 or self.cancelled

    @property
    def cancelled(self) -> bool:
        """Tell whether somebody cancelled."""
        return self.cancel is not None and self.cancel.is_set()

    def part(self, seconds: float) -> Control:
        """Return a control for one part of the work: its limit within this one's, quiet, cancelled with this one."""
        return Control(min(seconds, self.left_s), None, self.cancel)

    def tell(self, objective: float, bound: float, is_open: Flags | None = None, *, now: bool = False) -> None:
        """Report progress, unless the last report was a moment ago.

        Parameters
        ----------
        objective : float
            Value of the best plan.
        bound : float
            Proven bound.
        is_open : array of bool, shape (sites,), optional
        now : bool
            Whether it is reported whatever the time of the last report.
        """
        if self.progress is None or (self.seconds - self._told_s < self.every_s and not now):
            return
        self._told_s = self.seconds
        kept = None if is_open is None else is_open.copy()
        self.progress(Progress(self._told_s, float(objective), float(bound), kept))
