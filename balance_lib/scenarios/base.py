"""Put together what a scenario starts from: who attends where, which schools teach what, and what they hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import access
from balance_lib._errors import NotFoundError
from balance_lib.access.distance import Mode, ODTable
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.data.tables.kinds import STAGES_OF
from balance_lib.scenarios import estimate, future
from balance_lib.scenarios.scenario import Scenario
from balance_lib.scenarios.settings import default
from balance_lib.standards import STAGES

BANDS = ("g1_3", "g4_6", "g7_9")
STAGE_OF = {"g1_3": "primary", "g4_6": "primary", "g7_9": "junior"}
GRADES = {"g1_3": (1, 2, 3), "g4_6": (4, 5, 6), "g7_9": (7, 8, 9)}
COMPLETE_FROM = 5  # a small complete primary may have one grade without pupils; incomplete ones stop at grade 4
SMALL = ("primary", "teaching_point")
OF_TABLE = ("name_zh", "name_en", "township", "location", "rank", "founder", "boarding", "lon", "lat", "host_school_id")
GROUP_COLUMNS = ["village_id", "school_id", "stage", "band", "pupils", "boarders"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Base:
    """Hold a county in one school year as a scenario sees it.

    Parameters
    ----------
    county : County
        With attendance of ``year``, and rows of ``year`` in ``school_years``.
    year : int
        The year that is judged: the baseline, or the target year it was projected to.
    basis : {"recorded", "estimated", "schools"}
        Where attendance comes from; "schools": no village has a place, so pupils are counted at their schools.
    counted : int, optional
        The baseline, where ``year`` is a target year.
    """

    county: County
    year: int
    basis: str
    counted: int | None = None

    @cached_property
    def rooms(self) -> pd.Series:
        """Return the classes each school and stage has rooms for: those of the last counted year."""
        if self.counted is None:
            return self.rows["classes"]
        rows = self.county.table("school_years", self.counted).drop_duplicates(["school_id", "stage"])
        return rows.set_index(["school_id", "stage"])["classes"]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return the year's rows of ``school_years``, with the kind of that year, by school and stage."""
        rows = self.county.table("school_years", self.year).drop_duplicates(["school_id", "stage"])
        return rows.set_index(["school_id", "stage"], drop=False)

    @cached_property
    def schools(self) -> pd.DataFrame:
        """Return the table of schools, by id, with the year's kind and whether there are pupils that year (``there``).

        Special schools are there; schools of senior stage alone are not.
        """
        frame = self.county.tables["schools"].drop_duplicates("school_id").set_index("school_id", drop=False)
        ids, kinds, there = frame["school_id"].tolist(), kinds_of(self.rows), {school for school, _ in self.rolls}
        kind = [kinds.get(school, own) for school, own in zip(ids, frame["kind"].tolist(), strict=True)]
        return frame.assign(kind=pd.array(kind, dtype="str"), there=[school in there for school in ids])

    @cached_property
    def rolls(self) -> dict[tuple[str, str], float]:
        """Return the pupils of each school and compulsory stage; NaN where nobody counted them (one figure for all)."""
        columns = (self.rows[name].tolist() for name in ("school_id", "stage", "pupils"))
        told = {(school, stage): n for school, stage, n in zip(*columns, strict=True) if stage in STAGES}
        schools = {school for school, _ in told}
        return told | {key: math.nan for key in self._nobody_counted(self.year) if key[0] not in schools}

    @cached_property
    def groups(self) -> pd.DataFrame:
        """Return who attends where: a row a village, school and band; recorded pupils of unknown home have village "".

        Their sums are each school's recorded enrolment where attendance does not exceed it.
        """
        going = self.county.table("attendance", self.year)
        going = going[(going["pupils"] > 0) & going["stage"].isin(STAGES)]
        going = going.assign(boarders=going["boarders"].fillna(0.0))[GROUP_COLUMNS]
        return pd.concat([going, self._of_unknown_home(going)], ignore_index=True)

    @cached_property
    def over(self) -> dict[str, float]:
        """Return by school how many pupils attendance has beyond the recorded enrolment; NaN where none is recorded."""
        beyond: dict[str, float] = {}
        for (school, _), missing in sorted(self._missing(self.county.table("attendance", self.year)).items()):
            if missing < 0:
                beyond[school] = beyond.get(school, 0.0) - missing
        return beyond | dict.fromkeys({school for school, _ in self.untold}, float("nan"))

    @cached_property
    def untold(self) -> pd.Index:
        """Return the schools and stages whose roll of the counted year is not recorded.

        Nobody knows how many pupils would leave them, or how many more they can take.
        """
        year = self.year if self.counted is None else self.counted
        return pd.MultiIndex.from_tuples(self._nobody_counted(year), names=["school_id", "stage"])

    def _nobody_counted(self, year: int) -> list[tuple[str, str]]:
        kinds = _first_of(self.county.tables["schools"], "kind") | kinds_of(self.rows)
        return _uncounted(self.county.table("school_years", year), self.county.table("attendance", year), kinds)

    def _missing(self, going: pd.DataFrame) -> dict[tuple[str, str], float]:
        """Return the recorded pupils of each school and stage less those who attend it."""
        came = _summed(going, ("school_id", "stage"), "pupils")
        return {key: pupils - came.get(key, 0.0) for key, pupils in self.rolls.items() if pupils == pupils}

    def _of_unknown_home(self, going: pd.DataFrame) -> pd.DataFrame:
        missing = {key: count for key, count in self._missing(going).items() if count > 0}
        lodged = _summed(going, ("school_id", "stage"), "boarders") if missing else {}
        out = []
        for (school, stage), count in missing.items():
            boards = self.rows.at[(school, stage), "boarders"]
            left = max((0.0 if pd.isna(boards) else boards) - lodged.get((school, stage), 0.0), 0.0)
            bands = [b for b in BANDS if STAGE_OF[b] == stage]
            if stage == "primary" and self.rows.at[(school, stage), "grades"] <= 3:
                bands = bands[:1]
            first = float(np.ceil(count / len(bands)))
            for band, pupils in zip(reversed(bands), (first, count - first), strict=False):
                board = min(left, pupils)
                left -= board
                if pupils > 0:
                    out.append(("", school, stage, band, pupils, board))
        return pd.DataFrame(out, columns=GROUP_COLUMNS).astype({"pupils": float, "boarders": float})

    @cached_property
    def sums(self) -> pd.DataFrame:
        """Return pupils by school (rows) and band (columns)."""
        groups = self.groups
        school, ids = pd.factorize(groups["school_id"], sort=True)
        out = np.zeros((len(ids), len(BANDS)))
        np.add.at(out, (school, groups["band"].map(BANDS.index).to_numpy(dtype=np.int64)), groups["pupils"].to_numpy())
        return pd.DataFrame(out, index=pd.Index(ids, name="school_id"), columns=list(BANDS))

    @cached_property
    def today(self) -> pd.DataFrame:
        """Return the schools there are as a scenario finds them; columns as of :class:`.layout.Layout`."""
        frame = self.schools.loc[self.schools["there"], [*OF_TABLE, "kind"]].copy()
        frame["kind_before"] = frame["kind"]
        frame[["there_before", "there", "state", "protected", "cut", "op"]] = [True, True, "kept", False, False, -1]
        for stage in STAGES:
            rows = self.rows[self.rows["stage"] == stage].set_index("school_id")
            rooms = self.rooms[self.rooms.index.get_level_values("stage") == stage].droplevel("stage")
            frame[f"classes_{stage}"] = rooms.reindex(frame.index).where(frame.index.isin(rows.index), 0.0)
            if stage == "primary":
                frame["grades_primary"] = rows["grades"].reindex(frame.index)
        frame["beds"] = np.nan
        return frame

    @cached_property
    def lodged(self) -> dict[str, float]:
        """Return the boarders of each school."""
        out: dict[str, float] = {}
        for school, boarders in zip(self.groups["school_id"].tolist(), self.groups["boarders"].tolist(), strict=True):
            out[school] = out.get(school, 0.0) + boarders
        return out

    @cached_property
    def group_places(self) -> dict[str, list[Any]]:
        """Return the township and the urban class of each of the groups: of the village, else of the school."""
        town, there = _first_of(self.county.tables["villages"], "township"), self.schools[self.schools["there"]]
        of_school, location = _first_of(there, "township"), _first_of(there, "location")
        schools, homes = self.groups["school_id"].tolist(), self.groups["village_id"].tolist()
        own = [town.get(home, math.nan) for home in homes]
        home = [t if isinstance(t, str) else of_school.get(s, math.nan) for t, s in zip(own, schools, strict=True)]
        return {"township": home, "location": [location.get(school, math.nan) for school in schools]}

    @cached_property
    def figures(self) -> pd.DataFrame:
        """Return by school: pupils, classes, boarders, teachers there and needed, the fullest stage's mean class."""
        rows = self.rows[self.rows["stage"].isin(STAGES)].reset_index(drop=True)
        shared = self.rows[self.rows["stage"] == "shared"].set_index("school_id")["teachers"]
        rows["largest_class"] = rows["pupils"] / rows["classes"].where(rows["classes"] > 0)
        columns = (rows[name].tolist() for name in ("stage", "pupils", "classes"))
        rows["teachers_needed"] = [_staff_needed(*row) for row in zip(*columns, strict=True)]
        by = rows.groupby("school_id")
        out = by[["pupils", "classes", "boarders", "teachers", "teachers_needed"]].sum(min_count=1)
        out["teachers"] = out["teachers"].add(shared.reindex(out.index), fill_value=0.0)
        return out.assign(largest_class=by["largest_class"].max())

    @cached_property
    def funded(self) -> dict[str, float]:
        """Return the pupils of each stage that public funds count: small rural schools and points as a hundred."""
        schools = self.schools
        places = zip(schools.index, schools["location"].tolist(), schools["kind"].tolist(), strict=True)
        small = {school for school, place, kind in places if place == "rural" and kind in SMALL}
        out = dict.fromkeys(STAGES, 0.0)
        for (school, stage), pupils in self.rolls.items():
            if pupils == pupils:
                out[stage] += max(pupils, default("small_school")) if school in small else pupils
        return out


def _staff_needed(stage: str, pupils: float, classes: float) -> float:
    """Return the teachers a stage needs: by the staffing ratio, and at least one for each class."""
    by_ratio = np.ceil(pupils / default(f"pupils_per_teacher_{stage}"))
    return float(np.fmax(by_ratio, classes * default("teachers_per_class")))


def _first_of(frame: pd.DataFrame, column: str) -> dict[str, Any]:
    """Return a column by the first column of a table of schools or villages; of ids that stand twice the first."""
    return dict(zip(reversed(frame.iloc[:, 0].tolist()), reversed(frame[column].tolist()), strict=True))


def kinds_of(rows: pd.DataFrame) -> dict[str, str]:
    """Return the kind each school has by its rows of a year, where one tells it: the first of them."""
    told = zip(reversed(rows["school_id"].tolist()), reversed(rows["kind"].tolist()), strict=True)
    return {school: kind for school, kind in told if isinstance(kind, str)}


def _summed(rows: pd.DataFrame, by: tuple[str, str], column: str) -> dict[tuple[str, str], float]:
    """Sum a column by two others; what is missing counts as none."""
    out: dict[tuple[str, str], float] = {}
    for first, second, amount in zip(*(rows[name].tolist() for name in (*by, column)), strict=True):
        if amount == amount:
            out[first, second] = out.get((first, second), 0.0) + amount
    return out


def _uncounted(rows: pd.DataFrame, going: pd.DataFrame, kinds: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """Return the schools and stages of a year whose roll nobody recorded.

    ``rows``: school_id, stage, pupils of one year. ``going``: attendance of that year: a stage that is attended and has
    no row has no recorded roll either. ``kinds``: a through-school that reports one compulsory stage alone, or one
    figure for all, has pupils nobody counted.
    """
    told: dict[str, set[str]] = {}
    found: set[tuple[str, str]] = set()
    for school, stage, pupils in zip(*(rows[name].tolist() for name in ("school_id", "stage", "pupils")), strict=True):
        if stage in STAGES or stage == "shared":
            told.setdefault(school, set()).update({stage} - {"shared"})
        if stage in STAGES and pupils != pupils:
            found.add((school, stage))
    for school, stages in told.items():
        taught = set(STAGES_OF.get(str(kinds.get(school)), ())) & set(STAGES)
        found |= {(school, stage) for stage in taught - stages}
    columns = (going[name].tolist() for name in ("school_id", "stage", "pupils"))
    attended = {(school, stage) for school, stage, n in zip(*columns, strict=True) if n > 0 and stage in STAGES}
    return sorted(found | {(school, stage) for school, stage in attended if stage not in told.get(school, STAGES)})


@dataclass(frozen=True, eq=False)
class TravelDistances:
    """Hold how far it is from every village to every school, on foot and along the road."""

    table: ODTable
    road: ODTable | None
    detour: float

    @cached_property
    def village(self) -> Mapping[str, int]:
        """Return the row of each village."""
        return {str(v): i for i, v in enumerate(self.table.origins)}

    @cached_property
    def school(self) -> Mapping[str, int]:
        """Return the column of each school."""
        return {str(s): i for i, s in enumerate(self.table.destinations)}

    def metres(self, villages: Any, schools: Any) -> Floats:
        """Return the way of each pair as the mode measures it; NaN where it is not known.

        Parameters
        ----------
        villages : object
            Ids or positions of villages.
        schools : object
            Ids or positions of schools.
        """
        return _access_pick(self.table.metres, self._rows(villages), self._columns(schools))

    def minutes(self, villages: Any, schools: Any) -> Floats:
        """Return the walking minutes of each pair.

        Parameters
        ----------
        villages : object
            Ids or positions of villages.
        schools : object
            Ids or positions of schools.
        """
        return _access_pick(self.table.minutes, self._rows(villages), self._columns(schools))

    def _road_metres(self, villages: Any, schools: Any) -> Floats:
        """Return the way along the road; without roads, or off them, the straight line times a detour."""
        factor = self.detour if self.table.mode == "straight" else 1.0
        other = self.metres(villages, schools) * factor
        if self.road is None:
            return other
        road = _access_pick(self.road.metres, self._rows(villages), self._columns(schools))
        return np.where(np.isfinite(road), road, other)

    def _rows(self, ids: Any) -> npt.NDArray[np.int64]:
        return np.array([self.village.get(v, -1) for v in ids], dtype=np.int64)

    def _columns(self, ids: Any) -> npt.NDArray[np.int64]:
        return np.array([self.school.get(s, -1) for s in ids], dtype=np.int64)


def _access_pick(costs: Floats, row: Any, column: Any) -> Floats:
    """Return the cost of each pair; NaN where either is not in the table (-1).

    ``row``: positions of villages. ``column``: positions of schools.
    """
    out = np.full(len(row), np.nan)
    known = (row >= 0) & (column >= 0)
    out[known] = costs[row[known], column[known]]
    return out


def of(county: County, scenario: Scenario) -> Base:
    """Return the base of a scenario; prepared once for the same county, year and births.

    Parameters
    ----------
    county : County
    scenario : Scenario

    Raises
    ------
    NotFoundError
        If the county has no school data of the baseline year.
    DataError
        If there is neither attendance nor the roll of any school.
    """
    if scenario.year not in county.years:
        raise NotFoundError(f"{county.county_id}.years", scenario.year, county.years)
    target = scenario.judged_year
    return _carried(county, scenario.year, target, scenario.settings.births_percent if target != scenario.year else 0.0)


@once_per_county
def _carried(county: County, year: int, target: int, births_percent: float) -> Base:
    """Return the base of a year, carried forward to the one that is judged."""
    found = _with_attendance(county, year)
    if target == year:
        return found
    return Base(future.county(found.county, year, target, births_percent), target, found.basis, year)


def _with_attendance(county: County, year: int) -> Base:
    if len(county.table("attendance", year)):
        return Base(county, year, "recorded")
    made = estimate.attendance(county, year)
    if made is None:
        return Base(county, year, "schools")
    return Base(county.with_tables(attendance=pd.concat([county.tables["attendance"], made])), year, "estimated")


def ways(county: County, mode: Mode, *, roads: bool, detour: float) -> TravelDistances:
    """Measure all ways of a county, each once as long as the county is open; a new school adds its column only.

    Parameters
    ----------
    county : County
    mode : Mode
    roads : bool
        Whether the way along roads is measured too.
    detour : float
        How much longer roads are than straight lines.
    """
    road = None
    if roads:
        road = access.costs(county, "network") if "network" in access.modes_of(county) else None
    return TravelDistances(access.costs(county, mode), road, detour)


def with_schools(ways_: TravelDistances, county: County, added: pd.DataFrame) -> TravelDistances:
    """Return ways to further schools too.

    Parameters
    ----------
    ways_ : TravelDistances
    county : County
    added : DataFrame
        Schools added.
    """
    from balance_lib.access import distance

    if added.empty:
        return ways_
    villages = county.tables["villages"].drop_duplicates("village_id")

    def wider(table: ODTable) -> ODTable:
        more = distance.od(county, mode=table.mode, origins=villages, destinations=added[["school_id", "lon", "lat"]])
        minutes = None
        if table.walk_minutes is not None and more.walk_minutes is not None:
            minutes = np.hstack([table.walk_minutes, more.walk_minutes])
        return replace(
            table,
            metres=np.hstack([table.metres, more.metres]),
            walk_minutes=minutes,
            destinations=np.concatenate([table.destinations, more.destinations]),
            destination_part=np.concatenate([table.destination_part, more.destination_part]),
            destination_snap_m=np.concatenate([table.destination_snap_m, more.destination_snap_m]),
        )

    return replace(ways_, table=wider(ways_.table), road=None if ways_.road is None else wider(ways_.road))
