"""Send children to schools, village by village and grade by grade; closures move them to the schools around."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.demo import layout
from balance_lib.data.demo.demography import FIRST_AGE, Demography, along, in_town
from balance_lib.data.demo.layout import School
from balance_lib.data.demo.settlements import Settlements
from balance_lib.data.demo.skeleton import Skeleton

BANDS = {1: "g1_3", 2: "g1_3", 3: "g1_3", 4: "g4_6", 5: "g4_6", 6: "g4_6", 7: "g7_9", 8: "g7_9", 9: "g7_9"}
OTHER_TOWNSHIP_M = 4000.0  # a school of one's own township is preferred up to this much farther away
POINT_M, CENTRAL_M = 600.0, -900.0  # parents rather walk to the central school than to a teaching point
TOWN_M = 6000.0  # town families do not send their children out to a village school
PRIVATE_REACH_M = 12_000.0
WALK_M = {"primary": 3000.0, "junior": 5000.0}
NO_BEDS_M = 5000.0  # beyond a walk, a school with beds is preferred
FLOW = ["year", "village", "school_id", "grade", "pupils", "in_zone"]


def build(skeleton: Skeleton, settlements: Settlements, demography: Demography, schools: list[School]) -> pd.DataFrame:
    """Enrol every child in every year, and close, merge and downgrade schools as the plan's schedule says.

    Changes ``schools``: years of opening and closing, kinds and hosts.

    Parameters
    ----------
    skeleton : Skeleton
    settlements : Settlements
    demography : Demography
    schools : list of School

    Returns
    -------
    DataFrame
        ``year, village, school_id, grade, pupils, in_zone``: one row a village, school and grade with pupils.
    """
    places = _Places(skeleton, settlements, demography)
    first = skeleton.years[0]
    needed = set(places.enrol(_open(schools, first), first)["school_id"])
    schools[:] = [school for school in schools if school.school_id in needed or school.opened > first]
    years = []
    for year in demography.years:
        if year > first:
            before = places.enrol(_open(schools, year), year)
            _reorganise(skeleton, schools, before, year)
            layout.receivers(schools, year)
        enrolled = places.enrol(_open(schools, year), year)
        _close_empty(schools, set(enrolled["school_id"]), year)
        years.append(enrolled)
    return pd.concat(years, ignore_index=True)


def attendance(
    flows: pd.DataFrame, schools: list[School], settlements: Settlements, plan: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the canonical table ``attendance``: flows by grade band, with the boarders among them.

    Boarders live far away and go to a school with beds; pupils of grades 1 to 3 board only where no school is near.

    Parameters
    ----------
    flows : DataFrame
        Who goes where, by year.
    schools : list of School
    settlements : Settlements
    plan : mapping of str to object
        What the county's plan says of its schools.
    """
    table = flows.assign(band=flows["grade"].map(BANDS), stage=np.where(flows["grade"] <= 6, "primary", "junior"))
    key = ["year", "village", "school_id", "stage", "band"]
    table = table.groupby(key, as_index=False)["pupils"].sum()
    of = layout.by_id(schools)
    villages = settlements.villages
    sx = table["school_id"].map({i: s.x for i, s in of.items()}).to_numpy()
    sy = table["school_id"].map({i: s.y for i, s in of.items()}).to_numpy()
    away = np.hypot(villages["x"].to_numpy()[table["village"]] - sx, villages["y"].to_numpy()[table["village"]] - sy)
    beds = table["school_id"].map({i: s.boarding for i, s in of.items()}).to_numpy(dtype=bool)
    strict = (table["year"] >= plan.get("all_board_from", 9999)).to_numpy()
    share = np.select(
        [table["band"] == "g1_3", table["band"] == "g4_6"],
        [np.interp(away, [6000, 12000], [0.0, 1.0]), np.interp(away, [2500, 6000], [0.0, 1.0])],
        np.interp(away, [1500, 4500], [0.0, 1.0]),
    )
    limit = table["stage"].map(WALK_M).to_numpy()
    share = np.where(strict & (away > limit), 1.0, share)
    boarders = np.floor(np.round(table["pupils"] * share * beds, 6) + 0.5).astype(int)
    out = table.assign(village_id=villages["village_id"].to_numpy()[table["village"]], boarders=boarders)
    out = out[["village_id", "school_id", "stage", "band", "year", "pupils", "boarders"]]
    return out.sort_values(["year", "school_id", "stage", "band", "village_id"], kind="stable").reset_index(drop=True)


def _whole(expected: Any, luck: Any, most: Any) -> Any:
    """Round expectations up or down by each village's fixed luck, to no more than there are."""
    return np.minimum(np.floor(np.round(expected, 6) + luck), most).astype(int)


def _open(schools: list[School], year: int) -> list[School]:
    return [school for school in schools if school.open_in(year)]


class _Places:
    """Who lives near which school."""

    def __init__(self, skeleton: Skeleton, settlements: Settlements, demography: Demography) -> None:
        self.plan = skeleton.settings["schools"]
        self.seat = set(skeleton.settings["seat_townships"])
        self.villages = settlements.villages
        self.demography = demography
        self.in_seat = self.villages["township"].isin(self.seat).to_numpy()
        self.in_town = in_town(skeleton, settlements)
        self.at_centre = (self.villages.groupby("township")["remote"].rank(method="first") == 1).to_numpy()
        self.x, self.y = self.villages["x"].to_numpy(), self.villages["y"].to_numpy()
        self.shifts: dict[tuple[int, str], float] = {}

    def enrol(self, schools: list[School], year: int) -> pd.DataFrame:
        """Send the children of one year to the open schools.

        Parameters
        ----------
        schools : list of School
        year : int
        """
        near = np.array([np.hypot(self.x - s.x, self.y - s.y) for s in schools]).T
        pull = self._pull(schools, near, year)
        parts = [part for grade in range(1, 10) for part in self._grade(schools, near, pull, year, grade)]
        table = pd.concat(parts, ignore_index=True)
        table = table[table["pupils"] > 0].groupby(FLOW[:4], as_index=False)[["pupils", "in_zone"]].sum()
        return table.sort_values(FLOW[:4], kind="stable").reset_index(drop=True)

    def _grade(
        self, schools: list[School], near: Any, pull: dict[str, Any], year: int, grade: int
    ) -> Iterator[pd.DataFrame]:
        """Share one grade's children out: special and private schools, another town school, the zone's school."""
        left = self.demography.children(year, FIRST_AGE - 1 + grade)
        ids = np.array([school.school_id for school in schools])
        column = year - FIRST_AGE + 1 - grade - self.demography.first_birth_year
        luck = self.demography.chance[:, column]

        def rows(to: Any, pupils: Any, zoned: bool) -> pd.DataFrame:
            return pd.DataFrame(
                {
                    "year": year,
                    "village": np.arange(len(pupils)),
                    "school_id": ids[to],
                    "grade": grade,
                    "pupils": pupils,
                    "in_zone": pupils * zoned,
                }
            )

        zone, second = self._zone(schools, near, pull, grade)
        for index, school in enumerate(schools):
            taken = self._taken(school, near[:, index], luck, left, year, grade)
            if taken is not None:
                left = left - taken
                yield rows(np.full(len(left), index), taken, zoned=True)
        away = _whole(left * self._choice(year, grade), (luck * 7.0) % 1.0, left)
        away = np.where(second == zone, 0, away)
        yield rows(second, away, zoned=False)
        yield rows(zone, left - away, zoned=True)

    def _taken(self, school: School, away: Any, luck: Any, left: Any, year: int, grade: int) -> Any:
        """Return the children of each village whom a special or private school takes; None for a zoned school."""
        low, high = school.grades_in(year)
        if school.kind == "special":
            wanted = round(self.plan["special_pupils"] / 9)
            order = np.argsort(luck + 10.0 * (left < 4), kind="stable")
            taken = np.zeros(len(left), dtype=int)
            taken[order[:wanted]] = 1
            return taken
        if school.founder == "private":
            if not low <= grade <= high:
                return np.zeros(len(left), dtype=int)
            reach = PRIVATE_REACH_M if school.boarding else PRIVATE_REACH_M / 4
            near = (0.15 if school.boarding else 0.0) + np.exp(-away / reach)
            share = along(self.plan["private_share"], year) * near * (school.boarding | (away < PRIVATE_REACH_M))
            return _whole(left * share, (luck * 3.0) % 1.0 * (share > 0.001), left)
        return None

    def _choice(self, year: int, grade: int) -> Any:
        """Return the share of each village's children who attend a town school outside their zone."""
        if grade <= 6:
            return np.where(self.in_town, along(self.plan["choice_primary"], year), 0.0)
        return np.where(
            self.in_town, along(self.plan["choice_junior"], year), along(self.plan["country_to_town_junior"], year)
        )

    def _zone(self, schools: list[School], near: Any, pull: dict[str, Any], grade: int) -> tuple[Any, Any]:
        """Return each village's school of its zone for a grade, and the town school chosen by those who leave it."""
        cost = pull["primary" if grade <= 6 else "junior"].copy()
        serves = np.array([low <= grade <= high for low, high in pull["grades"]])
        cost[:, ~serves] = np.inf
        zone = np.argmin(cost, axis=1)
        if grade <= 6:
            town = cost.copy()
            town[:, ~pull["urban_primary"]] = np.inf
        else:
            # The town's junior schools with beds take country children; each village has its habitual one.
            town = np.where(pull["town_junior"] & serves, near, np.inf)
            order = np.argsort(town, axis=1, kind="stable")
            count = int((pull["town_junior"] & serves).sum())
            habit = order[np.arange(len(zone)), np.arange(len(zone)) % max(count, 1)]
            return zone, np.where(self.in_town, order[:, min(1, count - 1)], habit)
        town[np.arange(len(zone)), zone] = np.inf
        second = np.argmin(town, axis=1)
        return zone, np.where(np.isfinite(town.min(axis=1)), second, zone)

    def _pull(self, schools: list[School], near: Any, year: int) -> dict[str, Any]:
        """Return what each school costs each village in metres of feeling: distance, township, kind and crowding."""
        kinds = [school.kind_in(year) for school in schools]
        public = np.array([s.founder == "county" and k != "special" for s, k in zip(schools, kinds, strict=True)])
        townships = np.array([school.township for school in schools])
        group = np.where(np.isin(townships, list(self.seat)), "seat", townships)
        own = np.where(self.in_seat, "seat", self.villages["township"].to_numpy())
        foreign = OTHER_TOWNSHIP_M * (own[:, None] != group[None, :])
        rank = np.array([school.rank for school in schools])
        bonus = np.where(np.array(kinds) == "teaching_point", POINT_M, np.where(rank == "central", CENTRAL_M, 0.0))
        outward = TOWN_M * (self.in_town[:, None] & (rank != "county_seat")[None, :])
        homeward = TOWN_M * (self.at_centre[:, None] & (rank == "central")[None, :])
        beds = np.array([school.boarding for school in schools])
        tiring = {stage: NO_BEDS_M * ((near > walk) & ~beds) for stage, walk in WALK_M.items()}
        primary = np.where(public, near + foreign + outward + bonus - homeward + tiring["primary"], np.inf)
        junior = np.where(public, near + 2 * foreign + tiring["junior"], np.inf)
        grades = [school.grades_in(year) for school in schools]
        ids = [school.school_id for school in schools]
        in_town = (rank == "county_seat") & public
        urban_primary = in_town & np.array([low == 1 for low, _ in grades])
        town_junior = in_town & np.array([low <= 7 <= high for low, high in grades])
        self._balance(primary, urban_primary, ids, year, range(1, 7))
        self._balance(junior, town_junior, ids, year, range(7, 10))
        return {
            "primary": primary,
            "junior": junior,
            "grades": grades,
            "urban_primary": urban_primary,
            "town_junior": town_junior & np.array([s.boarding for s in schools]),
        }

    def _balance(self, cost: Any, town: Any, ids: Any, year: int, grades: range) -> None:
        """Shift the zones of the town's schools until none is far larger than the others, as 划片 does.

        Starts from last year's zones, so that they stay as they are while the same schools are open.
        """
        children = sum(self.demography.children(year, FIRST_AGE - 1 + grade) for grade in grades)
        columns, rows = np.flatnonzero(town), np.flatnonzero(self.in_seat)
        local, weight = cost[np.ix_(rows, columns)], children[rows]
        fair = weight.sum() / max(len(columns), 1)
        shift = np.array([self.shifts.get((grades[0], ids[c]), 0.0) for c in columns])
        known = all((grades[0], ids[c]) in self.shifts for c in columns)
        best, best_spread = shift, np.inf
        for turn in range(1 if known else 200):
            load = np.bincount(np.argmin(local + shift, axis=1), weights=weight, minlength=len(columns))
            spread = float(((load / fair - 1.0) ** 2).sum() + 5.0 * (load == 0).sum())
            if spread < best_spread - 1e-9:
                best, best_spread = shift, spread
            shift = np.round(shift + 600.0 / (1 + 0.05 * turn) * (load / fair - 1.0), 3)
        for column, value in zip(columns, best, strict=True):
            self.shifts[grades[0], ids[column]] = float(value)
        cost[np.ix_(rows, columns)] += best


def _reorganise(skeleton: Skeleton, schools: list[School], before: pd.DataFrame, year: int) -> None:
    """Carry out the schedule of one year on the schools as they would have been enrolled without it."""
    schedule = skeleton.settings["schools"]["layout"]
    size = before.groupby("school_id")["pupils"].sum().to_dict()
    village = [s for s in _open(schools, year) if s.rank == "village"]
    primaries = [s for s in village if s.kind_in(year) == "primary"]
    points = [s for s in village if s.kind_in(year) == "teaching_point"]
    closing, turning = schedule["close_primary"].get(year, 0), schedule["to_point"].get(year, 0)
    smallest = sorted(primaries, key=lambda s: (size.get(s.school_id, 0), s.school_id))[: closing + turning]
    # Of the smallest, those with another school near are closed; the remote ones stay as teaching points.
    smallest.sort(key=lambda s: (round(_next_school(s, village), 1), s.school_id))
    for school in smallest[:closing]:
        school.closed = year
        school.note = f"{year}年撤并，学生转入中心校等周边学校"
    for school in smallest[closing:]:
        school.changes[year] = "teaching_point"
        school.top_grade = min(school.top_grade, 4)
        school.note = f"{year}年由村小改为教学点"
    empty = [p for p in points if size.get(p.school_id, 0) == 0]
    quota = max(schedule["close_point"].get(year, 0) - len(empty), 0)
    rest = sorted((p for p in points if p not in empty), key=lambda s: (size[s.school_id], s.school_id))[: 2 * quota]
    rest.sort(key=lambda s: (round(_next_school(s, village), 1), s.school_id))
    for school in empty + rest[:quota]:
        school.closed = year
        school.note = f"{year}年撤点，学生转入周边学校"
    merging = schedule.get("merge_junior", {}).get(year)
    for school in schools:
        if school.kind == "junior" and school.rank == "central" and school.township == merging:
            school.closed = year
            school.note = f"{year}年并入城区初中"


def _close_empty(schools: list[School], taught: set[str], year: int) -> None:
    """Close the points to which nobody comes any more."""
    for school in _open(schools, year):
        if school.kind_in(year) == "teaching_point" and school.school_id not in taught:
            school.closed = year
            school.note = f"{year}年起无学生，自然停办"


def _next_school(school: School, others: list[School]) -> float:
    return min((float(np.hypot(o.x - school.x, o.y - school.y)) for o in others if o is not school), default=9e9)
