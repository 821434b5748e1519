"""Work out how pupils of every village would get to every school: on foot, by bus, boarding, or not at all.

The same rules as :mod:`balance_lib.scenarios.riding`, for every pair at once instead of for one plan's moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from balance_lib.optimise.solution import Flags, Floats
from balance_lib.scenarios import riding
from balance_lib.scenarios.base import STAGE_OF, TravelDistances
from balance_lib.scenarios.layout import Layout


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
        cls,
        drawn: Layout,
        ways: TravelDistances,
        points: pd.DataFrame,
        ids: list[str],
        by_band: Floats,
        boarding: Floats,
    ) -> Travel:
        """Work it out for the pupils (points, bands) and their present boarders, in the order of ``drawn``'s bands."""
        bands = [band for band in STAGE_OF if band in points.attrs["bands"]]
        stage, settings = STAGE_OF[bands[0]], drawn.scenario.settings
        metres, walking, riding_min, road = _pairs(drawn, ways, points["village_id"], ids)
        radius = riding.radius_m(drawn, stage)
        known, walks = np.isfinite(metres), metres <= radius
        rides = ~walks & known & np.isfinite(riding_min)
        beyond = ~walks & known & ~rides
        may = riding.may_board(settings, pd.Series(bands))
        beds = riding.beds(drawn).reindex(ids).fillna(0.0).to_numpy() > 0
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


def _pairs(
    drawn: Layout, ways: TravelDistances, villages: pd.Series, ids: list[str]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return metres, walking minutes, riding minutes (NaN: no bus) and minutes by road of every village and site."""
    names, row = np.unique(villages.to_numpy(dtype=str), return_inverse=True)
    every = pd.DataFrame(
        {"village_id": np.repeat(names, len(ids)), "to_id": np.tile(np.array(ids, object), names.size)}
    )
    shape = names.size, len(ids)
    metres = ways.metres(every["village_id"], every["to_id"]).reshape(shape)
    walking = ways.minutes(every["village_id"], every["to_id"]).reshape(shape)
    buses = drawn.scenario.settings.bus_minutes is not None or drawn.lines
    ride = riding.bus_minutes(drawn, ways, every, "to_id").reshape(shape) if buses else np.full(shape, np.nan)
    kph = drawn.scenario.settings.number("bus_kph")
    road = (ways.road_metres(every["village_id"], every["to_id"]) / (kph * 1000 / 60)).reshape(shape)
    return metres[row], walking[row], ride[row], road[row]
