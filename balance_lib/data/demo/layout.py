"""Decide which schools there are: in town, at township seats and in villages, with their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from balance_lib.data.demo.demography import in_town
from balance_lib.data.demo.settlements import Settlements
from balance_lib.data.demo.skeleton import Skeleton

PRIMARY, JUNIOR = (1, 6), (7, 9)
NEAR_CENTRE_M = 1250.0  # a village this near the central school has none of its own
THROUGH = ("nine_year", "twelve_year", "complete_secondary")
GRADES = {
    "primary": PRIMARY,
    "junior": JUNIOR,
    "nine_year": (1, 9),
    "twelve_year": (1, 12),
    "complete_secondary": (7, 12),
    "special": (1, 9),
    "teaching_point": PRIMARY,
}
EN = {
    "primary": "Primary School",
    "junior": "Junior Secondary School",
    "nine_year": "Nine-Year School",
    "twelve_year": "Twelve-Year School",
    "complete_secondary": "Secondary School",
    "special": "Special Education School",
    "teaching_point": "Teaching Point",
}


@dataclass
class School:
    """One made-up school; ``kind_in`` and ``grades_in`` follow it through the years.

    Parameters
    ----------
    village : int
        Row of the village it stands in; -1 for a school at a township seat.
    top_grade : int
        Highest grade taught while it is a primary or a point (incomplete ones stop early).
    changes : dict of int to str
        Kind from that year on.
    """

    school_id: str
    name_zh: str
    name_en: str
    kind: str
    township: str
    rank: str
    location: str
    x: float
    y: float
    village: int = -1
    founder: str = "county"
    boarding: bool = False
    opened: int = 0
    closed: int | None = None
    host: str | None = None
    top_grade: int = 6
    founded: int = 1958
    changes: dict[int, str] = field(default_factory=dict)
    note: str = ""

    def open_in(self, year: int) -> bool:
        """Tell whether it has pupils in a year."""
        return self.opened <= year and (self.closed is None or year < self.closed)

    def kind_in(self, year: int) -> str:
        """Return its kind in a year."""
        since = [y for y in self.changes if y <= year]
        return self.changes[max(since)] if since else self.kind

    def grades_in(self, year: int) -> tuple[int, int]:
        """Return its lowest and highest grade in a year."""
        kind = self.kind_in(year)
        low, high = GRADES[kind]
        if kind == "teaching_point":
            return low, min(self.top_grade, 4)
        return low, self.top_grade if kind == "primary" else high


def build(skeleton: Skeleton, settlements: Settlements, share: Any, rng: np.random.Generator) -> list[School]:
    """Lay out the schools of the first year, and those that open later.

    Parameters
    ----------
    skeleton : Skeleton
    settlements : Settlements
    share : array (villages,)
        Share of the county's children in each village in the first year: village schools stand where children are.
    rng : Generator
    """
    town = list(_town_schools(skeleton, settlements, rng))
    centres = list(_township_schools(skeleton, settlements, share, rng))
    villages = list(_village_schools(skeleton, settlements, share, town + centres, rng))
    schools = town + centres + villages
    _number(schools, skeleton)
    _attach(schools)
    return schools


def receivers(schools: list[School], year: int) -> None:
    """Attach every open point and small school to the nearest central school that is open in the year.

    Parameters
    ----------
    schools : list of School
    year : int
    """
    _attach([school for school in schools if school.open_in(year)])


def _town_schools(skeleton: Skeleton, settlements: Settlements, rng: np.random.Generator) -> Iterator[School]:
    plan, settings = skeleton.settings["schools"], skeleton.settings
    seats = settlements.townships[settlements.townships["in_seat"]]
    communities = settlements.villages[settlements.villages["township"].isin(seats["township"])]
    communities = communities[communities["type"] != "village"]
    urban = "urban" if settings.get("city") else "town"

    def one(name: str, kind: str, **more: Any) -> School:
        named = [street for street in seats["township"] if street in name]
        ground = communities[communities["township"].isin(named or seats["township"])]
        spot = ground.iloc[int(rng.integers(len(ground)))]
        dx, dy = rng.uniform(-250, 250, 2)
        place = {"township": spot["township"], "x": spot["x"] + dx, "y": spot["y"] + dy}
        return School("", name, "", kind, **{"rank": "county_seat", "location": urban, **place, **more})

    named: list[tuple[str, str, dict[str, Any]]] = [
        ("urban_primary", "primary", {}),
        ("private_primary", "primary", {"founder": "private", "founded": 2003}),
        ("urban_junior", "junior", {"boarding": True}),
        ("urban_complete", "complete_secondary", {"boarding": True, "founded": 1942}),
        ("private_nine_year", "nine_year", {"founder": "private", "boarding": True, "founded": 2004}),
        ("private_twelve_year", "twelve_year", {"founder": "private", "boarding": True, "founded": 2003}),
    ]
    for key, kind, more in named:
        for i, name in enumerate(plan.get(key, [])):
            # The first junior school of the town is a day school; country children board at the others.
            extra: dict[str, Any] = {"boarding": False} if key == "urban_junior" and i == 0 else {}
            yield one(name, kind, **{**more, **extra})
    for year, name in plan.get("urban_primary_new", {}).items():
        yield one(name, "primary", opened=year, founded=year)
    yield one(plan["special"], "special", boarding=True, founded=1996)


def _township_schools(
    skeleton: Skeleton, settlements: Settlements, share: Any, rng: np.random.Generator
) -> Iterator[School]:
    plan = skeleton.settings["schools"]
    boards = plan["boarding_primary_share"]
    for i, seat in enumerate(settlements.townships[~settlements.townships["in_seat"]].itertuples()):
        location = "rural" if seat.type in ("township", "farm", "street") else "town"

        def at_seat(name: str, kind: str, boarding: bool, seat: Any = seat, location: str = location) -> School:
            dx, dy = rng.uniform(-280, 280, 2)
            place = {"township": seat.township, "x": seat.x + dx, "y": seat.y + dy, "location": location}
            founded = int(rng.integers(1950, 1966))
            return School("", name, "", kind, rank="central", boarding=boarding, founded=founded, **place)

        boarding = ((i * 0.618) % 1.0) < boards
        if seat.township in plan["nine_year"]:
            yield at_seat(plan["nine_year_name"].format(t=seat.township), "nine_year", True)
            continue
        yield at_seat(plan["central_name"].format(t=seat.township), "primary", boarding)
        if seat.township in plan["complete"]:
            yield at_seat(plan["complete"][seat.township], "complete_secondary", True)
        elif seat.township not in plan["without_junior"]:
            yield at_seat(plan["junior_name"].format(t=seat.township), "junior", True)
        if seat.township in plan.get("second_junior", []):
            far = _second_centre(settlements.villages[settlements.villages["township"] == seat.township], share)
            second = at_seat(plan["junior_name"].format(t=f"{seat.township}第二"), "junior", True)
            second.x, second.y, second.location = far["x"] + 150.0, far["y"] + 150.0, "rural"
            yield second


def _second_centre(villages: Any, share: Any) -> Any:
    """Return the village from which a second school would save the township's children most of their way."""
    x, y = villages["x"].to_numpy(), villages["y"].to_numpy()
    between = np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
    saved = np.maximum(villages["remote"].to_numpy()[:, None] - between, 0) * share[villages.index][:, None]
    return villages.iloc[int(np.argmax(np.round(saved.sum(axis=0), 6)))]


def _village_schools(
    skeleton: Skeleton, settlements: Settlements, share: Any, others: list[School], rng: np.random.Generator
) -> Iterator[School]:
    """Give a school, one by one, to the village with most children farthest from any school."""
    plan, villages = skeleton.settings["schools"], settlements.villages
    x, y = villages["x"].to_numpy(), villages["y"].to_numpy()
    away = np.full(len(villages), np.inf)
    for school in others:
        if school.kind in ("primary", "nine_year") and not school.opened:
            away = np.minimum(away, np.hypot(x - school.x, y - school.y))
    free = (villages["type"] != "community").to_numpy() & ~in_town(skeleton, settlements) & (away > NEAR_CENTRE_M)
    free &= ~(villages.groupby("township")["remote"].rank(method="first") == 1).to_numpy()
    count = plan["village_primaries"] + plan["teaching_points"]
    for n in range(count):
        point = n >= plan["village_primaries"]
        wish = np.minimum(away, 7000.0) * (np.round(share, 7) ** (0.25 if point else 0.6)) * free
        i = int(np.argmax(np.round(wish, 6)))
        free[i] = False
        dx, dy = rng.uniform(-220, 220, 2)
        away = np.minimum(away, np.hypot(x - x[i] - dx, y - y[i] - dy))
        incomplete = rng.random() < plan["incomplete_share"]
        pattern = plan["point_name" if point else "village_name"]
        yield School(
            "",
            pattern.format(t=villages.at[i, "township"], v=villages.at[i, "name_zh"]),
            "",
            "teaching_point" if point else "primary",
            township=villages.at[i, "township"],
            rank="village",
            location="rural",
            x=x[i] + dx,
            y=y[i] + dy,
            village=i,
            founded=int(rng.integers(1952, 1979)),
            boarding=bool(plan.get("boarding_village_primaries", False)) and not point,
            top_grade=(2 + int(rng.random() < 0.7)) if point else (4 if incomplete else 6),
        )


def _number(schools: list[School], skeleton: Skeleton) -> None:
    """Give ids in a fixed order, and make names unique."""
    used: dict[str, int] = {}
    english = dict(zip(skeleton.townships["name_zh"], skeleton.townships["name_en"], strict=True))
    for number, school in enumerate(schools, start=1):
        school.school_id = f"{skeleton.settings['prefix']}{number:03d}"
        used[school.name_zh] = used.get(school.name_zh, 0) + 1
        if used[school.name_zh] > 1:
            school.name_zh += f"（{'一二三四五六七八九十'[used[school.name_zh] - 1]}部）"
        school.name_en = f"{english[school.township]} {EN[school.kind]} {school.school_id}"


def _attach(schools: list[School]) -> None:
    """Attach points and village schools to the central school of their township, or else the nearest one."""
    centres = [s for s in schools if s.rank == "central" and s.kind in ("primary", "nine_year")]
    centres += [s for s in schools if s.rank == "county_seat" and s.kind == "primary" and s.founder == "county"]
    for school in schools:
        if school.rank == "village":
            own = [c for c in centres if c.township == school.township] or centres
            away = [(round(float(np.hypot(c.x - school.x, c.y - school.y)), 1), c.school_id) for c in own]
            school.host = min(away)[1]


def by_id(schools: list[School]) -> Mapping[str, School]:
    """Return the schools by their id."""
    return {school.school_id: school for school in schools}
