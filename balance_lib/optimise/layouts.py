"""Put a county's layout of schools as bare arrays: who would have to go where if which school closed.

A demand point is a village's pupils at one school. Staying costs nothing; another school costs the metres they would
have
farther (never less than nothing), so that in the least-cost plan whoever's school stays open stays there: only the
pupils
of closed schools move, as in a scenario. Places, grades taught, ways of measuring and reach are the scenario's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib._errors import DataError, Fault, NotFoundError
from balance_lib.county import County
from balance_lib.optimise.goals import Goals
from balance_lib.optimise.solution import Flags, Floats, Ints
from balance_lib.scenarios import Scenario, base, default, layout, moves
from balance_lib.scenarios.base import BANDS, STAGE_OF


@dataclass(frozen=True, eq=False)
class CountyLayout:
    """Hold a county's schools of one stage as a location problem.

    Parameters
    ----------
    school_ids : array of str, shape (sites,)
        Schools that teach the stage.
    points : DataFrame
        village_id, school_id (today's), pupils, metres (to today's school; NaN unknown).
    extra_m, metres : arrays of float, shape (points, sites)
        Metres farther than today, and metres; NaN where pupils cannot go.
    pupils : array of float, shape (points,)
    home : array of int, shape (points,)
        Today's school's site.
    places : array of float, shape (sites,)
        Pupils each school can take in; never fewer than it has.
    closable : array of bool, shape (sites,)
        Who may close under the goals.
    townships : array of str, shape (sites,)
    baseline : Scenario
        The empty scenario this was drawn from.
    """

    school_ids: npt.NDArray[Any]
    points: pd.DataFrame
    extra_m: Floats
    metres: Floats
    pupils: Floats
    home: Ints
    places: Floats
    closable: Flags
    townships: npt.NDArray[Any]
    baseline: Scenario

    @classmethod
    def of(cls, county: County, stage: str, goals: Goals, *, year: int | None = None) -> CountyLayout:
        """Draw a county's layout.

        Raises
        ------
        NotFoundError
            If the county has no such stage or year, or no school that may close is there.
        DataError
            If nobody is recorded at a school of the stage.
        """
        bands = [band for band in BANDS if STAGE_OF[band] == stage]
        if not bands:
            raise NotFoundError("stage", stage, sorted(set(STAGE_OF.values())))
        wanted = year if year is not None else (county.years[-1] if county.years else 0)
        plain = Scenario.empty(county, wanted).with_settings(mode=goals.mode)
        start = base.of(county, plain)
        drawn = layout.of(start, plain)
        ways = base.ways(start.county, goals.mode, roads=False, detour=default("road_detour"))
        public = ~(drawn.private | drawn.special)
        teaches = drawn.teaches[bands].any(axis=1) & public
        sites = np.flatnonzero(teaches.to_numpy())
        ids = np.array(drawn.ids, dtype=object)[sites]
        points, need = _points(start, bands, ids)
        if not len(points) or not len(ids):
            raise DataError([Fault("optimise_nobody", "attendance.csv", None, "pupils", stage)])
        metres = moves.cost_table(drawn, ways, points.assign(stage=stage), sites)
        receives = drawn.receives[bands].to_numpy()[sites]
        lacking = (need[:, None, :] & ~receives[None, :, :]).any(axis=2)
        home = pd.Index(ids).get_indexer(points["school_id"])
        extra, metres = _extra(metres, lacking, home, goals)
        rolls = np.bincount(home, weights=points["pupils"], minlength=ids.size)
        places = np.maximum(drawn.places[bands].sum(axis=1).to_numpy()[sites], rolls)
        closable = _closable(drawn, start, ids, goals)
        towns = drawn.frame["township"].fillna("").to_numpy(dtype=object)[sites]
        told = points.assign(metres=metres[np.arange(len(points)), home])
        return cls(ids, told, extra, metres, points["pupils"].to_numpy(float), home, places, closable, towns, plain)

    def changes(self, is_open: Flags) -> tuple[str, ...]:
        """Return the schools that would close."""
        return tuple(str(s) for s in self.school_ids[~is_open])


def _points(start: base.Base, bands: list[str], ids: Any) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Return villages' pupils at each school, and which bands they are in."""
    groups = start.groups[start.groups["band"].isin(bands) & start.groups["school_id"].isin(ids)]
    table = groups.pivot_table(
        index=["village_id", "school_id"], columns="band", values="pupils", aggfunc="sum", observed=True
    )
    table = table.reindex(columns=bands).fillna(0.0)
    points = table.sum(axis=1).rename("pupils").reset_index()
    return points, table.to_numpy() > 0


def _extra(metres: Floats, lacking: Any, home: Ints, goals: Goals) -> tuple[Floats, Floats]:
    """Return metres farther than today and metres, NaN where pupils cannot go; staying costs nothing."""
    rows = np.arange(len(home))
    today = metres[rows, home].copy()
    barred = lacking if goals.max_distance_m is None else lacking | (metres > goals.max_distance_m)
    metres = np.where(barred, np.nan, metres)
    metres[rows, home] = today
    # A metre more than nothing keeps whoever's school stays open there, and is far below what is measured.
    extra = np.maximum(metres - np.where(np.isfinite(today), today, 0.0)[:, None], 1.0)
    extra[rows, home] = 0.0
    return extra, metres


def _closable(drawn: layout.Layout, start: base.Base, ids: Any, goals: Goals) -> Flags:
    """Return which schools may close: only those named, never protected or bound ones."""
    named = set(ids) if isinstance(goals.may_close, str) else {str(s) for s in goals.may_close}
    unknown = sorted((named | set(goals.protected)) - set(drawn.ids))
    if unknown:
        raise NotFoundError("school", ", ".join(unknown), sorted(str(i) for i in ids))
    senior = set(start.rows.loc[start.rows["stage"] == "senior", "school_id"])
    through = set(drawn.frame.index[drawn.teaches.any(axis=1) & drawn.frame["kind"].isin(("nine_year", "twelve_year"))])
    hosts = set(drawn.frame["host_school_id"].dropna()) if "host_school_id" in drawn.frame else set()
    protected = set(drawn.frame.index[drawn.frame["protected"]])
    barred = senior | through | hosts | protected | set(start.over) | set(goals.protected)
    return np.array([s in named and s not in barred for s in ids], np.bool_)
