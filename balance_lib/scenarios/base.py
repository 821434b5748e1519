"""Put together what a scenario starts from: who attends where, which schools teach what, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import access
from balance_lib._errors import NotFoundError
from balance_lib.access.distance import Mode, ODTable
from balance_lib.data.county import County
from balance_lib.data.tables.kinds import STAGES_OF
from balance_lib.scenarios import estimate, future
from balance_lib.scenarios.scenario import Scenario
from balance_lib.standards import STAGES

BANDS = ("g1_3", "g4_6", "g7_9")
STAGE_OF = {"g1_3": "primary", "g4_6": "primary", "g7_9": "junior"}
GRADES = {"g1_3": (1, 2, 3), "g4_6": (4, 5, 6), "g7_9": (7, 8, 9)}
COMPLETE_FROM = 5  # a small complete primary may have one grade without pupils; incomplete ones stop at grade 4
GROUP_COLUMNS = ["village_id", "school_id", "stage", "band", "pupils", "boarders"]

MOST_KEPT = 24
T = TypeVar("T")

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
        rows = self.county.tables["school_years"]
        rows = rows[rows["year"] == self.counted].drop_duplicates(["school_id", "stage"])
        return rows.set_index(["school_id", "stage"])["classes"]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return the year's rows of ``school_years``, with the kind of that year, by school and stage."""
        rows = self.county.tables["school_years"]
        rows = rows[rows["year"] == self.year].drop_duplicates(["school_id", "stage"])
        return rows.set_index(["school_id", "stage"], drop=False)

    @cached_property
    def schools(self) -> pd.DataFrame:
        """Return the table of schools, by id, with the year's kind and whether there are pupils that year (``there``).

        Special schools are there; schools of senior stage alone are not.
        """
        frame = self.county.tables["schools"].drop_duplicates("school_id").set_index("school_id", drop=False)
        taught = self.rows[self.rows["stage"].isin(STAGES)]
        kinds = self.rows.dropna(subset=["kind"]).drop_duplicates("school_id").set_index("school_id")["kind"]
        kind = kinds.reindex(frame.index)
        return frame.assign(kind=kind.fillna(frame["kind"]), there=frame.index.isin(taught["school_id"]))

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
        missing = self._missing(self.county.table("attendance", self.year))
        beyond = (-missing[missing < 0]).groupby(level=0).sum().to_dict()
        return beyond | dict.fromkeys({school for school, _ in self.untold}, float("nan"))

    @cached_property
    def untold(self) -> pd.Index:
        """Return the schools and stages whose roll of the counted year is not recorded.

        Nobody knows how many pupils would leave them, or how many more they can take.
        """
        year = self.year if self.counted is None else self.counted
        rows, going = self.county.table("school_years", year), self.county.table("attendance", year)
        found = uncounted(rows, going, self.schools["kind"])
        return pd.MultiIndex.from_tuples(found, names=["school_id", "stage"])

    def _missing(self, going: pd.DataFrame) -> pd.Series:
        taught = self.rows[self.rows["stage"].isin(STAGES)]["pupils"]
        came = going.groupby(["school_id", "stage"])["pupils"].sum()
        return (taught - came.reindex(taught.index).fillna(0.0)).dropna()

    def _of_unknown_home(self, going: pd.DataFrame) -> pd.DataFrame:
        missing = self._missing(going)
        out = []
        for (school, stage), count in missing[missing > 0].items():
            boards = self.rows.at[(school, stage), "boarders"]
            mine = going[(going["school_id"] == school) & (going["stage"] == stage)]
            left = max((0.0 if pd.isna(boards) else boards) - mine["boarders"].sum(), 0.0)
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
        table = self.groups.groupby(["school_id", "band"])["pupils"].sum().unstack(fill_value=0.0)
        return table.reindex(columns=list(BANDS), fill_value=0.0)


def uncounted(rows: pd.DataFrame, going: pd.DataFrame, kinds: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """Return the schools and stages of a year whose roll nobody recorded.

    Parameters
    ----------
    rows : DataFrame
        school_id, stage, pupils of one year.
    going : DataFrame
        Attendance of that year: a stage that is attended and has no row has no recorded roll either.
    kinds : mapping of school_id to kind
        A through-school that reports one compulsory stage alone has pupils of the other nobody counted.
    """
    rows = rows[rows["stage"].isin(STAGES)]
    blank = rows[rows["pupils"].isna()]
    found = set(zip(blank["school_id"], blank["stage"], strict=True))
    for school, told in rows.groupby("school_id")["stage"].agg(set).items():
        taught = set(STAGES_OF.get(str(kinds.get(school)), ())) & set(STAGES)
        found |= {(school, stage) for stage in taught - told}
    pairs = zip(rows["school_id"], rows["stage"], strict=True)
    attended = going[(going["pupils"] > 0) & going["stage"].isin(STAGES) & going["school_id"].isin(rows["school_id"])]
    found |= set(zip(attended["school_id"], attended["stage"], strict=True)) - set(pairs)
    return sorted(found)


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

    def road_metres(self, villages: Any, schools: Any) -> Floats:
        """Return the way along the road; without roads, or off them, the straight line times a detour.

        Parameters
        ----------
        villages : object
            Ids or positions of villages.
        schools : object
            Ids or positions of schools.
        """
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


_BASES: WeakKeyDictionary[County, dict[Any, Base]] = WeakKeyDictionary()


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
    key = (scenario.year, target, scenario.settings.births_percent if target != scenario.year else 0.0)

    def make() -> Base:
        found = _with_attendance(county, scenario.year)
        if target == scenario.year:
            return found
        ahead = future.county(found.county, scenario.year, target, scenario.settings.births_percent)
        return Base(ahead, target, found.basis, scenario.year)

    return keep(_BASES.setdefault(county, {}), key, make)


def keep(kept: dict[Any, T], key: Any, make: Callable[[], T]) -> T:
    """Return what a key stands for, made when it is first asked for; the oldest goes when there are too many.

    Parameters
    ----------
    kept : dict
        What was made; changed in place, never longer than :data:`MOST_KEPT`.
    key : object
    make : callable
    """
    if key not in kept:
        made = make()
        while len(kept) >= MOST_KEPT:
            kept.pop(next(iter(kept)))
        kept[key] = made
    return kept[key]


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
