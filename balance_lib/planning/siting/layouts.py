"""Put a county's layout of schools as bare arrays: who would have to go where if which school closed or opened.

A demand point is a village's pupils at one school. Staying costs nothing; another school costs the metres they would
have farther (never less than a metre), so that in the least-cost plan whoever's school stays open stays there: only
the pupils of closed schools move, as in a scenario. A new school is given whole villages, and costs, or saves, the
metres by which it is farther or nearer than today's school. Places, grades taught, ways of measuring, buses, beds and
reach are the scenario's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib._errors import DataError, Fault, NotFoundError
from balance_lib.data.county import County
from balance_lib.data.tables.kinds import CENTRAL, NINE_GRADES
from balance_lib.locale import listed, named, text
from balance_lib.optimise.solution import Flags, Floats, Ints
from balance_lib.planning.goals import Goals
from balance_lib.planning.siting.travel import Travel
from balance_lib.scenarios import (
    Boarding,
    BusLine,
    Keep,
    Resize,
    Scenario,
    base,
    default,
    layout,
    validate,
)
from balance_lib.scenarios.arrays import LayoutArrays
from balance_lib.scenarios.base import BANDS, STAGE_OF

# Operations of a scenario a plan is drawn on; the others are what the plan decides anew.
KEPT = (Keep, Resize, Boarding, BusLine)
ROOMY = 999  # classes at which only the size cap of a school binds
NAMED = 3  # so many villages or schools are named in a sentence


@dataclass(frozen=True, eq=False)
class CountyLayout:
    """Hold a county's schools of one stage, and the places where one may open, as a location problem.

    Parameters
    ----------
    stage : str
    goals : Goals
    school_ids : array of str, shape (sites,)
        Schools that teach the stage, then the new sites.
    points : DataFrame
        village_id, school_id (today's), pupils, metres (to today's school; NaN unknown).
    extra_m, metres : arrays of float, shape (points, sites)
        Metres farther than today, and metres; NaN where pupils cannot go.
    pupils : array of float, shape (points,)
    by_band, boarding : arrays of float, shape (points, bands)
        Pupils of each grade band, and of them boarders today.
    home : array of int, shape (points,)
        Today's school's site.
    free : array of float, shape (sites, bands)
        Places free for others, band by band.
    zonable : array of bool, shape (points,)
        Whose village can be zoned to a new school: home known, and nobody of it at a school of uncounted pupils.
    closable, new : arrays of bool, shape (sites,)
        Who may close under the goals, and which sites are new. A school that runs teaching points hands them over.
    townships : array of str, shape (sites,)
    travel : Travel
    drawn : Layout
        The scenario's own picture, with every new site open.
    baseline : Scenario
        What the plan is added to: settings, protected schools, buses, beds.
    """

    stage: str
    goals: Goals
    school_ids: npt.NDArray[Any]
    points: pd.DataFrame
    extra_m: Floats
    metres: Floats
    pupils: Floats
    by_band: Floats
    boarding: Floats
    home: Ints
    free: Floats
    zonable: Flags
    closable: Flags
    new: Flags
    townships: npt.NDArray[Any]
    travel: Travel
    drawn: layout.Layout
    ways: base.TravelDistances
    baseline: Scenario

    @classmethod
    def of(
        cls, county: County, stage: str, goals: Goals, *, year: int | None = None, scenario: Scenario | None = None
    ) -> CountyLayout:
        """Draw a county's layout.

        Parameters
        ----------
        county : County
        stage : str
        goals : Goals
        year : int, optional
        scenario : Scenario, optional
            Its settings, protected schools, class numbers, beds and bus lines hold; its closures, mergers and openings
            are left aside: they are what the plan decides.

        Raises
        ------
        NotFoundError
            If the county has no such stage or year, or no school that may close is there.
        DataError
            If there are neither attendance nor villages, nobody is recorded at a school of the stage, or a new site
            cannot be a school of the stage.
        """
        bands = [band for band in BANDS if STAGE_OF[band] == stage]
        if not bands:
            raise NotFoundError("stage", stage, sorted(set(STAGE_OF.values())))
        plain = _baseline(county, goals, year, scenario)
        start = base.of(county, plain)
        if start.basis == "schools":  # the best layout by ways nobody knows
            raise DataError([Fault("scenario_attendance", "villages.csv", params={"county": county.path or "DIR"})])
        sites = tuple(goals.new_sites)
        wide = plain.with_operations(*(site.opening(stage) for site in sites))
        validate(county, wide)
        drawn = layout.of(start, wide)
        settings = plain.settings
        # How long a bus would take is told even where none runs, when everybody is to be brought to school.
        roads = settings.bus_minutes is not None or goals.radius or goals.young
        ways = base.ways(start.county, settings.mode, roads=roads, detour=default("road_detour"))
        ways = base.with_schools(ways, start.county, drawn.opened.reset_index(names="school_id"))
        return _draw(stage, goals, drawn, ways, plain, bands)

    @cached_property
    def rolls(self) -> Floats:
        """Return today's pupils of the stage at each site."""
        return np.bincount(self.home, weights=self.pupils, minlength=self.school_ids.size).astype(float)

    @cached_property
    def places(self) -> Floats:
        """Return the pupils each site can have: those it has and the places that are free."""
        return self.rolls + self.free.sum(axis=1)

    @cached_property
    def must(self) -> Flags:
        """Return the schools that stay open in any plan."""
        return ~self.closable & ~self.new

    @cached_property
    def kept_by(self) -> dict[str, tuple[str, ...]]:
        """Return the schools that must stay, by the first rule that holds each."""
        held = _held(self.drawn, self.drawn.base, self.school_ids[self.must], self.goals, self.stage)
        first = {school: rule for rule, schools in reversed(held.items()) for school in schools}
        by_rule = {rule: tuple(sorted(school for school, one in first.items() if one == rule)) for rule in held}
        return {rule: schools for rule, schools in by_rule.items() if schools}

    def must_stay(self, lang: str = "zh") -> str:
        """Tell how many schools must stay, and why; nothing where all may close."""
        names = named(self.drawn.frame, lang)
        told = [
            text(f"optimise.kept_by.{rule}", lang, n=len(ids), names=first_named((str(names[s]) for s in ids), lang))
            for rule, ids in self.kept_by.items()
        ]
        why = text("optimise.semicolon", lang).join(told)
        return text("optimise.kept_by.must", lang, n=int(self.must.sum()), why=why) if told else ""

    @cached_property
    def barred(self) -> Mapping[str, Flags]:
        """Return by rule which pairs of point and site it forbids to those who change school."""
        goals, none = self.goals, np.zeros(self.extra_m.shape, np.bool_)
        minutes = self.baseline.settings.number("young_minutes")
        limit = np.inf if goals.max_distance_m is None else goals.max_distance_m
        found = {
            "max_distance": self.metres > limit,
            "radius": self.travel.table(lambda ways: ways.stranded) if goals.radius else none,
            "young": self.travel.table(lambda ways: ways.young_minutes > minutes) if goals.young else none,
        }
        for table in found.values():
            table[np.arange(self.home.size), self.home] = False
        return found

    @cached_property
    def by_bus(self) -> Flags:
        """Return the pairs that only the radius or the minutes of grades 1 to 3 bar, and a bus would open."""
        bars, minutes = self.barred, self.baseline.settings.number("young_minutes")
        out = (bars["radius"] | bars["young"]) & ~bars["max_distance"]
        point, site = np.nonzero(out)
        bus = self.travel.pairs(point, site).bus_minutes
        in_time = ~self.travel.has_young[point] | (bus <= minutes) | (not self.goals.young)
        out[point, site] = np.isfinite(bus) & in_time
        return out

    @cached_property
    def allowed_m(self) -> Floats:
        """Return the metres farther of the pairs no rule forbids; NaN elsewhere."""
        forbidden = np.logical_or.reduce(list(self.barred.values()))
        return np.where(forbidden, np.nan, self.extra_m)

    @cached_property
    def township_sites(self) -> dict[str, Flags]:
        """Return by township the sites one of which must be open: central ones where it has any, else all."""
        frame = self.drawn.frame.loc[list(self.school_ids)]
        central = (frame["rank"] != "village").to_numpy() & frame["kind"].isin(CENTRAL).to_numpy()
        out = {}
        for town in sorted(set(self.townships[~self.new]) - {""}):
            here = self.townships == town
            has = self.stage == "primary" and bool((here & central & ~self.new).any())
            out[str(town)] = here & central if has else here
        return out

    def roomy(self, plan: Scenario) -> layout.Layout:
        """Return a plan's layout in which the schools there are have as many classes as their size caps allow."""
        return _roomy(self.drawn.base, plan, self.stage, self.school_ids[~self.new])

    def scaled(self, factor: float) -> CountyLayout:
        """Return the layout with so many times the pupils in every village; places stay as they are."""
        here = np.stack([np.bincount(self.home, b, self.school_ids.size) for b in self.by_band.T], axis=1)
        free = (self.free + here * (1 - factor)).clip(min=0.0)
        by_band, boarding = self.by_band * factor, self.boarding * factor
        return replace(
            self, free=np.where(self.new[:, None], self.free, free), pupils=self.pupils * factor, by_band=by_band,
            boarding=boarding, travel=replace(self.travel, by_band=by_band, boarding=boarding),
        )  # fmt: skip

    def changes(self, is_open: Flags) -> tuple[str, ...]:
        """Return the schools that would close."""
        return tuple(str(s) for s in self.school_ids[~is_open & ~self.new])


def resized(plan: Scenario, stage: str, classes: Mapping[str, int]) -> Scenario:
    """Return a scenario in which these schools have so many classes of the stage, whatever it said of them before.

    Parameters
    ----------
    plan : Scenario
    stage : {"primary", "junior"}
    classes : mapping of str to int
        Classes by stage.
    """
    rest = [o for o in plan.operations if not (isinstance(o, Resize) and o.stage == stage and o.school_id in classes)]
    more = [Resize(school_id=school, stage=stage, classes=number) for school, number in classes.items()]
    return replace(plan, operations=(*rest, *more))


def first_named(names: Iterable[str], lang: str) -> str:
    """Join the first names; say how many there are in all.

    Parameters
    ----------
    names : iterable of str
    lang : {"zh", "en"}
    """
    all_ = list(dict.fromkeys(names))
    joined = listed(all_[:NAMED], lang)
    return text("optimise.and_more", lang, names=joined, n=len(all_)) if len(all_) > NAMED else joined


def _roomy(start: base.Base, plan: Scenario, stage: str, schools: Iterable[Any]) -> layout.Layout:
    return layout.of(start, resized(plan, stage, dict.fromkeys(map(str, schools), ROOMY)))


def _baseline(county: County, goals: Goals, year: int | None, scenario: Scenario | None) -> Scenario:
    if scenario is None:
        wanted = year if year is not None else (county.years[-1] if county.years else 0)
        return Scenario.empty(county, wanted).with_settings(mode=goals.mode)
    rest = tuple(o for o in scenario.effective if isinstance(o, KEPT))
    return replace(scenario, operations=rest).with_settings(rezone=False)


def _draw(
    stage: str, goals: Goals, drawn: layout.Layout, ways: base.TravelDistances, plain: Scenario, bands: list[str]
) -> CountyLayout:
    start, frame = drawn.base, drawn.frame
    public = ~(drawn.private | drawn.special)
    fresh = frame.index.isin([s.site_id for s in goals.new_sites])
    # A school whose roll nobody recorded is there all the same: it stays, and the plan says so.
    untold = frame.index.isin([school for school, of in start.untold if of == stage]) & frame["there"]
    teaches = (drawn.teaches[bands].any(axis=1) | untold) & public
    sites = np.concatenate((np.flatnonzero(teaches & ~fresh), np.flatnonzero(fresh)))
    ids, new = np.array(drawn.ids, dtype=object)[sites], fresh[sites]
    points, pupils, boarding = _points(start, bands, ids)
    if not len(points) or new.all():
        raise DataError([Fault("optimise_nobody", "attendance.csv", None, "pupils", stage)])
    arrays = LayoutArrays(drawn, ways)
    village = arrays.positions(points["village_id"])
    metres = arrays.cost(village, arrays.index.get_indexer(points["school_id"]), sites, known=True)
    lacking = ((pupils > 0)[:, None, :] & ~drawn.receives[bands].to_numpy()[sites][None, :, :]).any(axis=2)
    home = pd.Index(ids).get_indexer(points["school_id"])
    extra, metres = _extra(metres, lacking, home, new)
    here = start.sums.reindex(ids).fillna(0.0)[bands].to_numpy()
    room = drawn if goals.capacity else _roomy(start, drawn.scenario, stage, ids[~new])
    free = (room.places[bands].to_numpy()[sites] - here).clip(min=0.0)
    towns = frame["township"].fillna("").to_numpy(dtype=object)[sites]
    travel = Travel.of(arrays, village, sites, pupils, boarding, bands)
    told = points.assign(metres=metres[np.arange(len(points)), home])
    return CountyLayout(
        stage, goals, ids, told, extra, metres, pupils.sum(axis=1), pupils, boarding, home, free,
        _zonable(start, points), _closable(drawn, start, ids, goals, stage) & ~new, new, towns, travel, drawn, ways,
        plain,
    )  # fmt: skip


def _points(start: base.Base, bands: list[str], ids: Any) -> tuple[pd.DataFrame, Floats, Floats]:
    """Return villages' pupils at each school, by band, and boarders."""
    groups = start.groups[start.groups["band"].isin(bands) & start.groups["school_id"].isin(ids)]
    tables = [
        groups.pivot_table(index=["village_id", "school_id"], columns="band", values=v, aggfunc="sum", observed=True)
        .reindex(columns=bands)
        .fillna(0.0)
        for v in ("pupils", "boarders")
    ]
    points = tables[0].sum(axis=1).rename("pupils").reset_index()
    points.attrs["bands"] = bands
    return points, tables[0].to_numpy(), tables[1].to_numpy()


def _zonable(start: base.Base, points: pd.DataFrame) -> Flags:
    """Return which points can be zoned to a new site: not those of unknown home, or of a school of uncounted pupils."""
    over = points["school_id"].isin(list(start.over))
    blocked = points["village_id"].isin(points.loc[over, "village_id"]) | (points["village_id"] == "")
    return ~blocked.to_numpy(dtype=bool)


def _extra(metres: Floats, lacking: Any, home: Ints, new: Flags) -> tuple[Floats, Floats]:
    """Return metres farther than today and metres, NaN where pupils cannot go; staying costs nothing."""
    rows = np.arange(len(home))
    today = metres[rows, home].copy()
    metres = np.where(lacking, np.nan, metres)
    metres[rows, home] = today
    farther = metres - np.where(np.isfinite(today), today, 0.0)[:, None]
    # A metre more than nothing keeps whoever's school stays open there, and is far below what is measured.
    extra = np.where(new[None, :], farther, np.maximum(farther, 1.0))
    extra[rows, home] = 0.0
    return extra, metres


def _closable(drawn: layout.Layout, start: base.Base, ids: Any, goals: Goals, stage: str) -> Flags:
    """Return which schools may close: only those named, never protected, bound or provided for ones."""
    named = set() if isinstance(goals.may_close, str) else {str(s) for s in goals.may_close}
    unknown = sorted((named | set(goals.protected)) - set(drawn.ids))
    if unknown:
        raise NotFoundError("school", ", ".join(unknown), sorted(str(i) for i in ids))
    held = set().union(*_held(drawn, start, ids, goals, stage).values())
    return np.array([s not in held for s in ids], np.bool_)


def _held(drawn: layout.Layout, start: base.Base, ids: Any, goals: Goals, stage: str) -> dict[str, set[str]]:
    """Return the schools that may not close, by the rule that holds them: the county's own rules before the goals'."""
    here = {str(s) for s in ids}
    named = here if isinstance(goals.may_close, str) else {str(s) for s in goals.may_close}
    senior = set(start.rows.loc[start.rows["stage"] == "senior", "school_id"])
    through = set(drawn.frame.index[drawn.frame["there"] & drawn.frame["kind"].isin(NINE_GRADES)])
    untold = {school for school, of in start.untold if of == stage}
    villages = start.county.tables["villages"]
    placed = set(villages.loc[villages[["lon", "lat"]].notna().all(axis=1), "village_id"])
    lost = start.groups[~start.groups["village_id"].isin(placed) & (start.groups["stage"] == stage)]["school_id"]
    nowhere = set(lost) & set(drawn.frame.index[drawn.frame[["lon", "lat"]].isna().any(axis=1)])
    done = {o.school_id for o in drawn.scenario.effective if isinstance(o, KEPT)}
    held = {
        "untold": untold, "unplaced": nowhere, "senior": senior, "through": through, "over": set(start.over),
        "scenario": done, "protected": set(goals.protected), "not_named": here - named,
    }  # fmt: skip
    return {rule: {str(s) for s in schools} & here for rule, schools in held.items()}
