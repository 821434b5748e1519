"""Hold what it costs to walk from every origin to every destination, however it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.distance.places import Floats, Ints
from balance_lib.locale import Message

Mode = Literal["straight", "network", "terrain"]
Direction = Literal["there", "back"]
MODES: tuple[Mode, ...] = ("straight", "network", "terrain")
DIRECTIONS: tuple[Direction, ...] = ("there", "back")

# Why a pair has no number, and what a place without a part of the network carries instead of its number.
NO_PLACE, OFF = -1, -2
REASONS = ("reached", "no_place", "off", "no_way", "beyond_limit")

# Tobler's walking speed on flat ground: one speed for all modes, so that their minutes can be compared.
FLAT_KPH = 6 * float(np.exp(-3.5 * 0.05))


@dataclass(frozen=True, eq=False)
class ODTable:
    """Hold an origin-destination cost table.

    Rows are origins (villages), columns destinations (schools), whichever way is walked. A pair that cannot be reached
    is NaN, never a number, and :attr:`counts` says how many there are and why.

    Parameters
    ----------
    mode : {"straight", "network", "terrain"}
        How it was measured; every number shown from this table says so (:meth:`how`).
    origins, destinations : array of str, shapes (n,) and (m,)
        Their ids.
    metres : array of float, shape (n, m)
        Length of the way. For terrain the length of the quickest way, along the slope.
    walk_minutes : array of float, shape (n, m), optional
        Measured minutes (terrain). Elsewhere minutes are metres at walking speed.
    direction : {"there", "back"}
        Whether origins walk to destinations or back home. Only terrain tells them apart.
    limit_m, limit_min : float or None
        Pairs beyond it are NaN.
    flat_kph : float
        Walking speed on flat ground.
    origin_part, destination_part : array of int
        Connected component each place stands on, by falling size from 0; -1: its coordinates are missing; -2: too far
        from any road or walkable ground.
    origin_snap_m, destination_snap_m : array of float
        Straight line from each place to the road or ground it was put on; NaN where it was not.
    provenance : mapping
        Plain values: what was measured on, components, faults mended, detour factor.
    """

    mode: Mode
    origins: Any
    destinations: Any
    metres: Floats
    origin_part: Ints
    destination_part: Ints
    origin_snap_m: Floats
    destination_snap_m: Floats
    walk_minutes: Floats | None = None
    direction: Direction = "there"
    limit_m: float | None = None
    limit_min: float | None = None
    flat_kph: float = FLAT_KPH
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = len(self.origins), len(self.destinations)
        if self.metres.shape != shape or (self.walk_minutes is not None and self.walk_minutes.shape != shape):
            raise ValueError(
                f"costs of shape {self.metres.shape} do not fit {shape[0]} origins and {shape[1]} destinations"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Return the numbers of origins and destinations."""
        return len(self.origins), len(self.destinations)

    @cached_property
    def minutes(self) -> Floats:
        """Return walking minutes, shape (n, m); NaN where unreachable."""
        if self.walk_minutes is not None:
            return self.walk_minutes
        return self.metres / minute_m(self.flat_kph)

    @cached_property
    def why(self) -> npt.NDArray[np.int8]:
        """Return why each pair is as it is, shape (n, m): indexes into ``REASONS``, 0 where it is reached."""
        rows, columns = self.origin_part[:, None], self.destination_part[None, :]
        reason = np.where(rows == columns, 4, 3)
        reason = np.where((rows == OFF) | (columns == OFF), 2, reason)
        reason = np.where((rows == NO_PLACE) | (columns == NO_PLACE), 1, reason)
        return np.where(np.isfinite(self.metres), 0, reason).astype(np.int8)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return how many pairs are reached, and how many are not for which reason; they sum to all pairs.

        ``no_place``: coordinates missing; ``off``: too far from any road or walkable ground; ``no_way``: not connected;
        ``beyond_limit``: connected, but farther than the limit.
        """
        found = np.bincount(self.why.ravel(), minlength=len(REASONS))
        return {reason: int(n) for reason, n in zip(REASONS, found, strict=True)}

    @property
    def unreachable(self) -> int:
        """Return how many pairs have no number."""
        return self.metres.size - self.counts["reached"]

    def nearest(self, k: int = 1, *, by: Literal["metres", "minutes"] = "metres") -> tuple[Ints, Floats]:
        """Find the k nearest destinations of each origin.

        Parameters
        ----------
        k : int
        by : {"metres", "minutes"}

        Returns
        -------
        (index, cost) : arrays of shape (n, k)
            Column of the destination and its cost, nearest first, the first column of equals; -1 and NaN where there
            is none.
        """
        cost = np.where(np.isfinite(getattr(self, by)), getattr(self, by), np.inf)
        if cost.shape[1] < k:
            cost = np.pad(cost, ((0, 0), (0, k - cost.shape[1])), constant_values=np.inf)
        if k == 1:
            index = cost.argmin(axis=1)[:, None] if len(cost) else np.zeros((0, 1), dtype=np.int64)
        else:
            index = np.argsort(cost, axis=1, kind="stable")[:, :k]
        found = np.take_along_axis(cost, index, axis=1)
        return np.where(np.isfinite(found), index, -1), np.where(np.isfinite(found), found, np.nan)

    def select(self, *, origins: Any = None, destinations: Any = None) -> ODTable:
        """Return the table of some origins and destinations only.

        Parameters
        ----------
        origins, destinations : array of bool or int, optional
            Which rows and columns, as numpy indexes an array; all by default.
        """
        rows = np.arange(self.shape[0])[slice(None) if origins is None else np.asarray(origins)]
        columns = np.arange(self.shape[1])[slice(None) if destinations is None else np.asarray(destinations)]
        cells = np.ix_(rows, columns)
        return replace(
            self,
            origins=self.origins[rows],
            destinations=self.destinations[columns],
            metres=self.metres[cells],
            walk_minutes=None if self.walk_minutes is None else self.walk_minutes[cells],
            origin_part=self.origin_part[rows],
            destination_part=self.destination_part[columns],
            origin_snap_m=self.origin_snap_m[rows],
            destination_snap_m=self.destination_snap_m[columns],
        )

    def pairs(self) -> pd.DataFrame:
        """List the reached pairs: the table in sparse form, small when there is a limit.

        Returns
        -------
        DataFrame
            origin, destination (ids), metres, minutes; by origin, nearest first.
        """
        row, column = np.nonzero(np.isfinite(self.metres))
        order = np.lexsort((column, self.metres[row, column], row))
        row, column = row[order], column[order]
        return pd.DataFrame(
            {
                "origin": self.origins[row],
                "destination": self.destinations[column],
                "metres": self.metres[row, column],
                "minutes": self.minutes[row, column],
            }
        )

    def how(self) -> Message:
        """Say which way of measuring this is: stands beside every number shown from this table."""
        if self.mode == "straight":
            detour = float(self.provenance.get("detour", 1.0))
            return (
                Message("distance.how.straight")
                if detour == 1
                else Message("distance.how.detour", {"detour": f"{detour:.2f}"})
            )
        if self.mode == "network":
            return Message("distance.how.network", {"cap": f"{self.provenance['snap_cap_m']:.0f}"})
        way = Message("distance.direction.there") if self.direction == "there" else Message("distance.direction.back")
        return Message("distance.how.terrain", {"cell": f"{self.provenance['cell_m'][0]:.0f}", "direction": way})

    def gaps(self) -> Message:
        """Say how many pairs have no number, and why."""
        return Message("distance.gaps", {"pairs": self.metres.size, "unreachable": self.unreachable, **self.counts})


def minute_m(flat_kph: float) -> float:
    """Return how many metres are walked in a minute.

    Raises
    ------
    ValueError
        If the speed is not positive.
    """
    if not (np.isfinite(flat_kph) and flat_kph > 0):
        raise ValueError(f"walking speed must be positive, not {flat_kph} km/h")
    return flat_kph * 1000 / 60
