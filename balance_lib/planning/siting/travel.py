"""Work out how pupils of every village would get to every school: on foot, by bus, boarding, or not at all.

The same rules as :mod:`balance_lib.scenarios.riding`, for every pair at once instead of for one plan's moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from balance_lib.optimise.solution import Flags, Floats, Ints
from balance_lib.scenarios import riding
from balance_lib.scenarios.arrays import LayoutArrays
from balance_lib.scenarios.base import BANDS, STAGE_OF


@dataclass(frozen=True, eq=False)
class Travel:
    """Hold how the pupils of every demand point would get to every site.

    Parameters
    ----------
    metres : array of float, shape (points, sites)
        Way as the scenario measures it; NaN where it is not known.
    riders, boarders : arrays of float, shape (points, sites)
        Pupils by bus, and boarding, once they go there; beds taken as free.
    beds_wanted : array of float, shape (points, sites)
        Of the boarders those who could get there in no other way.
    stranded : array of bool, shape (points, sites)
        Whether some live beyond the radius, without a bus, and may not or cannot board.
    young_minutes : array of float, shape (points, sites)
        How long grades 1 to 3 are on the way; NaN where there are none or the way is not known.
    bus_minutes : array of float, shape (points, sites)
        How long a bus would take, whether one runs or not; NaN where the way is not known.
    has_young : array of bool, shape (points,)
    """

    metres: Floats
    riders: Floats
    boarders: Floats
    beds_wanted: Floats
    stranded: Flags
    young_minutes: Floats
    bus_minutes: Floats
    has_young: Flags

    @classmethod
    def of(
        cls, arrays: LayoutArrays, points: pd.DataFrame, village: Ints, sites: Ints, by_band: Floats, boarding: Floats
    ) -> Travel:
        """Work it out for the pupils (points, bands) and their present boarders, in the order of ``BANDS``.

        ``village`` and ``sites`` are the positions of points' villages and of sites in the arrays.

        Parameters
        ----------
        arrays : LayoutArrays
        points : DataFrame
        village : Ints
        sites : Ints
        by_band : Floats
        boarding : Floats
        """
        bands = [band for band in STAGE_OF if band in points.attrs["bands"]]
        stage, settings, pairs = STAGE_OF[bands[0]], arrays.layout.scenario.settings, np.ix_(village, sites)
        metres, walking = arrays.metres[pairs], arrays.minutes[pairs]
        riding_min = riding.bus_minutes(arrays, settings, village[:, None], sites[None, :])
        road = arrays.road(*pairs) / (settings.number("bus_kph") * 1000 / 60)
        radius = arrays.radius_m[stage]
        known, walks = np.isfinite(metres), metres <= radius
        rides = ~walks & known & np.isfinite(riding_min)
        beyond = ~walks & known & ~rides
        may = riding.may_board(settings.boarding_from_grade)[[BANDS.index(band) for band in bands]]
        beds = arrays.beds[sites] > 0
        shape = metres.shape
        riders, boarders, wanted, stranded = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
        for at in range(len(bands)):
            n, before = by_band[:, at, None], boarding[:, at, None]
            wish = np.where(beyond, n, np.where(rides | ~known, before, 0.0)) * (bool(may[at]) & beds)[None, :]
            boarders += wish
            riders += np.where(rides, n - wish, 0.0)
            wanted += np.where(beyond, wish, 0.0)
            stranded |= beyond & (n > wish)
        young = np.where(rides, riding_min, walking)
        has_young = by_band[:, bands.index("g1_3")] > 0 if "g1_3" in bands else np.zeros(shape[0], np.bool_)
        young = np.where(has_young[:, None], young, np.nan)
        return cls(metres, riders, boarders, wanted, stranded, young, road, has_young)
