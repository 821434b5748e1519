"""Hold who walks how far to which school: one stage, one year, one way of measuring."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib._errors import NotFoundError
from balance_lib.access.distance import ODTable
from balance_lib.access.walks import Floats, Ints, _day_pupils, _pick, positions
from balance_lib.access.ways import costs
from balance_lib.data.county import County
from balance_lib.locale import Message

Target = Literal["own", "nearest"]
TARGETS: tuple[Target, ...] = ("own", "nearest")
BANDS = {"primary": ("g1_3", "g4_6"), "junior": ("g7_9",)}
AGES = {"primary": "age_6_11", "junior": "age_12_14"}
EVERY = "all"  # no grade band is known: children counted by age
AT_SCHOOL_M = 30.0  # a village nearer than this to a school was placed by the school
FEW_VILLAGES = 3  # of which one may well stand beside its school
BEYOND_LIMIT = 4  # index of "beyond_limit" among the reasons of a cost table


@dataclass(frozen=True, eq=False)
class Reach:
    """Hold day pupils with their way to the school they attend and to the nearest one.

    Boarders do not walk daily and are left out. The nearest school is a public one that teaches the pupil's grade band
    in that year (a teaching point of grades 1–3 is none for grade 4). For pupils of private schools private schools
    count too, pupils of a special school are measured to the nearest special school: nobody's nearest school is farther
    than the one attended.

    Parameters
    ----------
    year, stage, band
        What it is about; ``band`` None is the whole stage.
    table : ODTable
        Villages to schools; :meth:`how` says how it was measured.
    basis : {"attendance", "ages", "none"}
        Where the pupils come from: the attendance table, else children of school age in the villages (who attends
        where is then unknown and every distance to the own school is NaN), else nowhere.
    villages, schools : DataFrame
        In the order of the table's rows and columns.
    rows : DataFrame
        village, school (positions; -1 unknown), band, pupils, group: one row a village, school and band; pupils of the
        rolls whom attendance leaves out have no village.
    groups : DataFrame
        band, kind ("public", "private", "special": of the school attended): for whom a nearest school was looked up.
    first, second : array of int, shape (groups, villages)
        Nearest and second-nearest school's position; -1 where there is none.
    first_m, second_m, first_min : array of float, shape (groups, villages)
        How far; NaN unknown, infinite beyond the table's limit.
    serves : array of bool, shape (groups, schools)
        Which schools were looked at.
    crow_m : array of float, shape (villages, schools)
        The straight line: no way is shorter, whatever the table measured; NaN where a place is missing.
    """

    year: int
    stage: str
    band: str | None
    table: ODTable
    basis: str
    villages: pd.DataFrame
    schools: pd.DataFrame
    rows: pd.DataFrame
    groups: pd.DataFrame
    serves: npt.NDArray[np.bool_]
    first: Ints
    first_m: Floats
    second: Ints
    second_m: Floats
    first_min: Floats
    crow_m: Floats
    boarders: float
    boarders_unknown: float

    @classmethod
    def of(cls, county: County, year: int, stage: str, table: ODTable, *, band: str | None = None) -> Reach:
        """Put together who walks where.

        Parameters
        ----------
        county : County
        year : int
        stage : {"primary", "junior"}
        table : ODTable
            From the county's villages to its schools.
        band : {"g1_3", "g4_6", "g7_9"}, optional
            Only these grades.

        Raises
        ------
        NotFoundError
            If the stage or the band is unknown, or the county has no school data of that year.
        """
        if stage not in BANDS or band not in (None, *BANDS[stage]):
            raise NotFoundError("stage", stage if stage not in BANDS else band, [*BANDS, *BANDS.get(stage, ())])
        schools = _schools(county, year, stage, table)
        rows, basis = _rows(county, year, stage, band, table)
        groups = _groups(rows, schools, stage, band, basis)
        rows["group"] = _group_of(rows, schools, groups)
        serves = _serving(county, year, stage, schools, groups, basis)
        costs = _costs(table, table.metres)
        nearest = [_two_nearest(costs, mask) for mask in serves]
        first, first_m, second, second_m = (np.stack(part) for part in zip(*nearest, strict=True))
        minutes = _costs(table, table.minutes)
        first_min = np.stack([_least(minutes, mask) for mask in serves])
        going = county.table("attendance", year)
        going = going[(going["stage"] == stage) & ((going["band"] == band) | (band is None))]
        return cls(
            year=year, stage=stage, band=band, table=table, basis=basis, villages=_villages(county, table),
            schools=schools, rows=rows, groups=groups, serves=serves, first=first, first_m=first_m, second=second,
            second_m=second_m, first_min=first_min, crow_m=_crow(county, table),
            boarders=float(going["boarders"].sum()),
            boarders_unknown=float(going.loc[going["boarders"].isna(), "pupils"].sum()),
        )  # fmt: skip

    def how(self) -> Message:
        """Say which way of measuring every distance is."""
        return self.table.how()

    @cached_property
    def pupils(self) -> Floats:
        """Return the day pupils of each row."""
        return self.rows["pupils"].to_numpy(dtype=float)

    @cached_property
    def own_m(self) -> Floats:
        """Return the way to the school attended, of each row."""
        return _pick(_costs(self.table, self.table.metres), *self._ends)

    @cached_property
    def own_min(self) -> Floats:
        """Return the walking minutes to the school attended, of each row."""
        return _pick(_costs(self.table, self.table.minutes), *self._ends)

    @cached_property
    def nearest_m(self) -> Floats:
        """Return the way to the nearest school that serves them, of each row."""
        return self._of_villages(self.first_m)

    @cached_property
    def nearest_min(self) -> Floats:
        """Return the walking minutes to the quickest school that serves them, of each row."""
        return self._of_villages(self.first_min)

    def metres(self, to: Target) -> Floats:
        """Return the way to the own or to the nearest school, of each row."""
        return self.own_m if to == "own" else self.nearest_m

    def least_m(self, to: Target) -> Floats:
        """Return the way of each row, and where it is not known the least it can be: the straight line; else NaN."""
        return self._least_own_m if to == "own" else self._least_nearest_m

    @cached_property
    def _least_own_m(self) -> Floats:
        return np.where(np.isnan(self.own_m), _pick(self.crow_m, *self._ends), self.own_m)

    @cached_property
    def _least_nearest_m(self) -> Floats:
        crow = self._of_villages(np.stack([_least(self.crow_m, mask) for mask in self.serves]))
        return np.where(np.isnan(self.nearest_m), crow, self.nearest_m)

    def notes(self) -> list[Message]:
        """Say what makes the distances mean less than they seem to: villages placed exactly where schools stand."""
        lived = np.unique(self.rows["village"].to_numpy()[self.pupils > 0])
        lived = lived[lived >= 0]
        with np.errstate(invalid="ignore"):
            at_school = (self.crow_m[lived][:, self.open] < AT_SCHOOL_M).any(axis=1)
        if len(lived) < FEW_VILLAGES or at_school.mean() < 0.5:
            return []
        return [
            Message("access.note.at_schools", {"n": int(at_school.sum()), "of": len(lived), "m": f"{AT_SCHOOL_M:.0f}"})
        ]

    def minutes(self, to: Target) -> Floats:
        """Return the walking minutes to the own or to the quickest school, of each row."""
        return self.own_min if to == "own" else self.nearest_min

    @cached_property
    def towns(self) -> list[str]:
        """Return the townships in the villages' order; the last entry, empty, is of villages without one."""
        return [*self.villages["township"].dropna().drop_duplicates(), ""]

    @cached_property
    def town(self) -> Ints:
        """Return the township of each row as a position in ``towns``."""
        of_village = positions(self.towns, self.villages["township"].fillna(""))
        at = self.rows["village"].to_numpy()
        return np.where(at >= 0, np.append(of_village, len(self.towns) - 1)[at], len(self.towns) - 1)

    @cached_property
    def open(self) -> npt.NDArray[np.bool_]:
        """Return which schools teach the stage in the year."""
        return self.schools["open"].to_numpy(dtype=bool)

    def unplaced(self) -> tuple[list[str], list[str]]:
        """Name the villages and the schools of the stage whose coordinates are missing: nothing is guessed for them."""
        village = ~np.isfinite(self.villages[["lon", "lat"]].to_numpy(dtype=float)).all(axis=1)
        school = ~np.isfinite(self.schools[["lon", "lat"]].to_numpy(dtype=float)).all(axis=1) & self.open
        return list(self.villages.loc[village, "name_zh"]), list(self.schools.loc[school, "name_zh"])

    def group(self, band: str | None = None) -> int:
        """Return the position of the group of a band that looks for public schools; the first band by default."""
        public = (self.groups["kind"] == "public").to_numpy()
        return int(np.flatnonzero(public & ((self.groups["band"] == band).to_numpy() | (band is None)))[0])

    @property
    def _ends(self) -> tuple[Ints, Ints]:
        return self.rows["village"].to_numpy(), self.rows["school"].to_numpy()

    def _of_villages(self, found: Floats) -> Floats:
        return _pick(found, self.rows["group"].to_numpy(), self.rows["village"].to_numpy())


def _crow(county: County, table: ODTable) -> Floats:
    """Return straight metres in the table's order."""
    if table.mode == "straight":
        return table.metres
    straight = costs(county, "straight")
    at = positions(straight.origins, table.origins), positions(straight.destinations, table.destinations)
    return np.where((at[0] >= 0)[:, None] & (at[1] >= 0)[None, :], straight.metres[np.ix_(*at)], np.nan)


def _villages(county: County, table: ODTable) -> pd.DataFrame:
    frame = county.tables["villages"].drop_duplicates("village_id").set_index("village_id", drop=False)
    return frame.reindex(table.origins).reset_index(drop=True)


def _schools(county: County, year: int, stage: str, table: ODTable) -> pd.DataFrame:
    """Return the schools in the table's order, with that year's kind and whether they teach the stage."""
    frame = county.tables["schools"].drop_duplicates("school_id").set_index("school_id", drop=False)
    frame = frame.reindex(table.destinations).reset_index(drop=True)
    years = county.table("school_years", year)
    years = years[(years["stage"] == stage) & (years["pupils"] != 0)].drop_duplicates("school_id")
    kind = frame["school_id"].map(years.dropna(subset=["kind"]).set_index("school_id")["kind"])
    going = county.table("attendance", year)
    attended = going.loc[(going["stage"] == stage) & (going["pupils"] > 0), "school_id"]
    return frame.assign(
        kind=frame["kind"].where(kind.isna(), kind),
        open=frame["school_id"].isin({*years["school_id"], *attended}),
        pupils=frame["school_id"].map(years.set_index("school_id")["pupils"]),
        grades=frame["school_id"].map(years.set_index("school_id")["grades"]),
        teachers=frame["school_id"].map(years.set_index("school_id")["teachers"]),
    )


def _rows(county: County, year: int, stage: str, band: str | None, table: ODTable) -> tuple[pd.DataFrame, str]:
    """Return day pupils by village, school and band, and where they are known from."""
    going = county.table("attendance", year)
    if len(going):
        rows = _day_pupils(going, county, year).dropna(subset=["pupils"])
        rows = rows[(rows["stage"] == stage) & ((rows["band"] == band) | (band is None))]
        frame = pd.DataFrame({"band": rows["band"], "pupils": rows["pupils"]})
        frame["village"] = positions(table.origins, rows["village_id"])
        frame["school"] = positions(table.destinations, rows["school_id"])
        return frame.reset_index(drop=True), "attendance"
    ages = county.tables["village_years"]
    ages = ages[(ages["year"] == year) & (ages[AGES[stage]] > 0)]
    frame = pd.DataFrame({"band": EVERY, "pupils": ages[AGES[stage]]}, index=ages.index)
    frame["village"], frame["school"] = positions(table.origins, ages["village_id"]), -1
    return frame.reset_index(drop=True), "ages" if len(frame) else "none"


def _groups(rows: pd.DataFrame, schools: pd.DataFrame, stage: str, band: str | None, basis: str) -> pd.DataFrame:
    """Return for whom to look: every band, apart from it the pupils of private and of special schools."""
    bands = [EVERY] if basis != "attendance" else [band] if band else list(BANDS[stage])
    there = set(_kinds(rows, schools))
    kinds = ["public", *(kind for kind in ("private", "special") if kind in there)]
    return pd.DataFrame([(b, kind) for kind in kinds for b in bands], columns=["band", "kind"])


def _group_of(rows: pd.DataFrame, schools: pd.DataFrame, groups: pd.DataFrame) -> Ints:
    at = {pair: i for i, pair in enumerate(groups.itertuples(index=False, name=None))}
    # A band that is not of this stage is a fault `balance check` names; its pupils are looked up with the first band.
    return np.array([at.get(pair, 0) for pair in zip(rows["band"], _kinds(rows, schools), strict=True)], dtype=np.int64)


def _kinds(rows: pd.DataFrame, schools: pd.DataFrame) -> list[str]:
    """Return what kind of school the pupils of each row attend."""
    kind = np.where(schools["founder"] == "private", "private", "public")
    kind = np.where(schools["kind"] == "special", "special", kind)
    return list(np.append(kind, "public")[rows["school"].to_numpy(dtype=np.int64)])


def _serving(
    county: County, year: int, stage: str, schools: pd.DataFrame, groups: pd.DataFrame, basis: str
) -> npt.NDArray[np.bool_]:
    """Return which schools serve each group: open, of its kind, and with its grades.

    A school has the grades its pupils are in; one without any attendance has all, but for teaching points of up to
    three grades.
    """
    is_open, special = schools["open"].to_numpy(dtype=bool), (schools["kind"] == "special").to_numpy()
    public = ~special & (schools["founder"] != "private").to_numpy()
    eligible = {"public": public, "private": ~special, "special": special}
    going = county.table("attendance", year)
    going = going[(going["stage"] == stage) & (going["pupils"] > 0)]
    told = schools["school_id"].isin(set(going["school_id"])).to_numpy()
    lower = ((schools["kind"] == "teaching_point") & (schools["grades"] <= 3)).to_numpy()
    out = np.zeros((len(groups), len(schools)), dtype=bool)
    for at, (band, kind) in enumerate(groups.itertuples(index=False, name=None)):
        there = schools["school_id"].isin(set(going.loc[going["band"] == band, "school_id"])).to_numpy()
        taught = np.where(told, there, ~lower if band == "g4_6" else True) if band != EVERY else True
        out[at] = is_open & taught & eligible[kind]
    return out


def _costs(table: ODTable, costs: Floats) -> Floats:
    """Return costs in which a pair beyond the table's limit is infinite: far, not unknown."""
    if table.limit_m is None and table.limit_min is None:
        return costs
    return np.where(table.why == BEYOND_LIMIT, np.inf, costs)


def _two_nearest(costs: Floats, mask: npt.NDArray[np.bool_]) -> tuple[Ints, Floats, Ints, Floats]:
    """Return the nearest and the second-nearest of the chosen columns, with their costs.

    The first column wins a tie. The index is -1 where none has a number; the cost is then infinite if one is beyond
    the limit, else NaN.
    """
    columns = np.flatnonzero(mask)
    near = costs[:, columns]
    far = np.where(np.isinf(near).any(axis=1), np.inf, np.nan)
    near = np.where(np.isfinite(near), near, np.inf)
    found: list[Any] = []
    for _ in range(2):
        if not len(columns):
            found += [np.full(len(near), -1), np.full(len(near), np.nan)]
            continue
        at = near.argmin(axis=1)
        cost = near[np.arange(len(near)), at]
        there = np.isfinite(cost)
        found += [np.where(there, columns[at], -1), np.where(there, cost, far)]
        near[np.arange(len(near)), at] = np.inf
    return found[0], found[1], found[2], found[3]


def _least(costs: Floats, mask: npt.NDArray[np.bool_]) -> Floats:
    """Return the least of the chosen columns in each row; NaN where there is none."""
    near = costs[:, mask]
    least = np.min(np.where(np.isnan(near), np.inf, near), axis=1, initial=np.inf)
    return np.where(np.isnan(near).all(axis=1), np.nan, least)
