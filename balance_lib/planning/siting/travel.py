"""Work out how pupils of every village would get to every school: on foot, by bus, boarding, or not at all.

The same rules as :mod:`balance_lib.scenarios.riding`, for the pairs that are asked about instead of for one plan's
moves: every figure of every pair would be a gigabyte for 100,000 points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from balance_lib.optimise.solution import Flags, Floats, Ints
from balance_lib.scenarios import riding
from balance_lib.scenarios.arrays import LayoutArrays
from balance_lib.scenarios.base import BANDS, STAGE_OF

# So many points at once where a flag of every pair is worked out.
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Ways:
    """Hold how the pupils of points would get to sites; arrays of the pairs' shape.

    Parameters
    ----------
    riders, boarders : arrays of float
        Pupils by bus, and boarding, once they go there; beds taken as free.
    beds_wanted : array of float
        Of the boarders those who could get there in no other way.
    stranded : array of bool
        Whether some live beyond the radius, without a bus, and may not or cannot board.
    young_minutes : array of float
        How long grades 1 to 3 are on the way; NaN where there are none or the way is not known.
    bus_minutes : array of float
        How long a bus would take, whether one runs or not; NaN where the way is not known.
    """

    riders: Floats
    boarders: Floats
    beds_wanted: Floats
    stranded: Flags
    young_minutes: Floats
    bus_minutes: Floats


@dataclass(frozen=True, eq=False)
class Travel:
    """Hold the demand points and sites of a layout, and tell how pupils would get from which to which.

    Parameters
    ----------
    metres, walking : arrays of float, shape (points, sites)
        Way as the scenario measures it, and minutes on foot; NaN where it is not known.
    riding, road : arrays of float, shape (points, sites)
        Minutes on the bus that runs, NaN where none does; and how long one would take.
    by_band, boarding : arrays of float, shape (points, bands)
        Pupils, and of them boarders today.
    bands : sequence of str
        In the order of ``BANDS``.
    beds, may_board : arrays of bool, shapes (sites,) and (bands,)
    radius_m : float
    """

    metres: Floats
    walking: Floats
    riding: Floats
    road: Floats
    by_band: Floats
    boarding: Floats
    bands: Sequence[str]
    beds: Flags
    may_board: Flags
    radius_m: float

    @classmethod
    def of(
        cls, arrays: LayoutArrays, village: Ints, sites: Ints, by_band: Floats, boarding: Floats, bands: Sequence[str]
    ) -> Travel:
        """Return the travel of points in these villages to these sites, by their positions in the arrays.

        Parameters
        ----------
        arrays : LayoutArrays
        village, sites : arrays of int
        by_band, boarding, bands
            As the class holds them.
        """
        settings, pairs = arrays.layout.scenario.settings, np.ix_(village, sites)
        riding_min = riding.bus_minutes(arrays, settings, village[:, None], sites[None, :])
        if not np.isfinite(riding_min).any():
            riding_min = np.broadcast_to(np.nan, riding_min.shape)
        return cls(
            arrays.metres[pairs], arrays.minutes[pairs], riding_min,
            arrays.road(*pairs) / (settings.number("bus_kph") * 1000 / 60), by_band, boarding, bands,
            arrays.beds[sites] > 0,
            riding.may_board(settings.boarding_from_grade)[[BANDS.index(band) for band in bands]],
            arrays.radius_m[STAGE_OF[bands[0]]],
        )  # fmt: skip

    @property
    def has_young(self) -> Flags:
        """Return which points have pupils of grades 1 to 3."""
        if "g1_3" not in self.bands:
            return np.zeros(len(self.metres), np.bool_)
        return np.asarray(self.by_band[:, self.bands.index("g1_3")] > 0)

    def pairs(self, point: Any, site: Any) -> Ways:
        """Return how the pupils of points get to sites.

        Parameters
        ----------
        point, site : int or array of int
            Numbered as in the layout; their shapes are broadcast.
        """
        metres, riding_min = self.metres[point, site], self.riding[point, site]
        known, walks = np.isfinite(metres), metres <= self.radius_m
        rides = ~walks & known & np.isfinite(riding_min)
        beyond = ~walks & known & ~rides
        beds, shape = self.beds[site], metres.shape
        riders, boarders, wanted, stranded = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
        for at, may in enumerate(self.may_board):
            n, before = self.by_band[point, at], self.boarding[point, at]
            wish = np.where(beyond, n, np.where(rides | ~known, before, 0.0)) * (may & beds)
            boarders += wish
            riders += np.where(rides, n - wish, 0.0)
            wanted += np.where(beyond, wish, 0.0)
            stranded |= beyond & (n > wish)
        young = np.where(self.has_young[point], np.where(rides, riding_min, self.walking[point, site]), np.nan)
        return Ways(riders, boarders, wanted, stranded, young, self.road[point, site])

    def table(self, flag: Callable[[Ways], Flags]) -> Flags:
        """Return a flag of every pair, shape (points, sites)."""
        points, sites = np.ix_(*map(np.arange, self.metres.shape))
        starts = range(0, points.size, _BLOCK)
        return np.concatenate([flag(self.pairs(points[at : at + _BLOCK], sites)) for at in starts])
