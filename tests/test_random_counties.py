"""Small counties at random against a plain brute force written from the docs: nobody lost, nothing proven that is not.

A county may lack rolls, places and attendance; it has teaching points with hosts, through-schools and villages cut off.
``BALANCE_RANDOM_COUNTIES`` says how many are tried.
"""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from pyproj import Geod

from balance_lib import access, scenarios
from balance_lib.data.county import County
from balance_lib.optimise import highs
from balance_lib.optimise.control import Control
from balance_lib.planning import siting
from balance_lib.planning.siting import Goals
from balance_lib.planning.siting.layouts import CountyLayout
from balance_lib.planning.siting.model import CountyModel
from balance_lib.planning.siting.question import Question
from balance_lib.planning.siting.search import LayoutSearch
from balance_lib.planning.siting.trial import SiteChoice, Trials, broken
from balance_lib.scenarios import Scenario, default
from tests import remedy_brute, towns

YEAR, CAP, RADIUS = 2020, default("class_cap_primary"), 2500.0
NUMBER = int(os.environ.get("BALANCE_RANDOM_COUNTIES", "12"))
GEOD = Geod(ellps="WGS84")
BANDS = ("g1_3", "g4_6")


@dataclass
class Town:
    """Hold a county as plain dicts."""

    villages: dict[str, tuple[float, float] | None]
    schools: dict[str, dict[str, Any]]  # kind, at, host, roll (None: not recorded), classes, grades
    going: dict[tuple[str, str, str], int]  # village, school, band: pupils

    def metres(self, one: tuple[float, float] | None, other: tuple[float, float] | None) -> float:
        return math.nan if one is None or other is None else GEOD.inv(*one, *other)[2]

    def county(self) -> County:
        rows = [
            towns.school(name, s["kind"], lon=s["at"] and s["at"][0], lat=s["at"] and s["at"][1],
                         rank="central" if name == "S0" else "village", host_school_id=s["host"])
            for name, s in self.schools.items()
        ]  # fmt: skip
        years = [
            towns.school_year(name, year=YEAR, pupils=s["roll"], classes=s["classes"], grades=s["grades"])
            for name, s in self.schools.items()
        ]
        years += [
            towns.school_year(n, stage="junior", year=YEAR, pupils=90, classes=3, grades=3)
            for n, s in self.schools.items() if s["kind"] == "nine_year"
        ]  # fmt: skip
        villages = [
            {"village_id": v, "name_zh": f"{v}村", "township": "甲镇", "lon": at and at[0], "lat": at and at[1]}
            for v, at in self.villages.items()
        ]
        attendance = [
            {"village_id": v, "school_id": s, "stage": "primary", "band": b, "year": YEAR, "pupils": n, "boarders": 0}
            for (v, s, b), n in self.going.items()
        ]
        return towns.county(rows, years, villages=villages, attendance=attendance)


def town(seed: int) -> Town:
    """Return a county at random."""
    rng = np.random.default_rng(seed)

    def place(missing: float) -> tuple[float, float] | None:
        at = 109.6 + rng.uniform(-0.03, 0.03), 31.0 + rng.uniform(-0.03, 0.03)
        return None if rng.random() < missing else at

    villages = {f"v{i}": place(0.12) for i in range(rng.integers(3, 6))}
    schools: dict[str, dict[str, Any]] = {}
    for i in range(rng.integers(2, 5)):
        kind = "primary" if i == 0 else str(rng.choice(["primary", "teaching_point", "nine_year"], p=[0.5, 0.35, 0.15]))
        low = kind == "teaching_point" and rng.random() < 0.5
        host = str(rng.choice([n for n, s in schools.items() if s["kind"] == "primary"])) if kind[0] == "t" else None
        schools[f"S{i}"] = {"kind": kind, "at": place(0.05), "host": host, "grades": 3 if low else 6,
                            "classes": int(rng.integers(1, 4) if kind[0] == "t" else rng.integers(4, 13))}  # fmt: skip
    going: dict[tuple[str, str, str], int] = {}
    for village in villages:
        school = str(rng.choice(list(schools)))
        for band in BANDS:
            to = "S0" if band == "g4_6" and schools[school]["grades"] == 3 else school
            if villages[village] is not None or to == school:  # who has no place goes to one school only
                going[village, to, band] = int(rng.integers(4, 60))
    for name, s in schools.items():
        listed = sum(n for (_, to, _), n in going.items() if to == name)
        s["roll"] = listed + int(rng.choice([0, 0, 0, 7]) if listed else 5)
        s["roll"] = None if rng.random() < 0.1 else max(1, s["roll"] - 3) if rng.random() < 0.06 else s["roll"]
    return Town(villages, schools, going)


# The brute force ------------------------------------------------------------------------------------------------------


def groups(made: Town) -> dict[tuple[str, str, str], float]:
    """Return who attends where, with the pupils of recorded rolls whom attendance leaves out (home "")."""
    out = {key: float(n) for key, n in made.going.items()}
    for name, s in made.schools.items():
        listed = sum(n for (_, to, _), n in made.going.items() if to == name)
        lacking = 0 if s["roll"] is None else s["roll"] - listed
        bands = BANDS[:1] if s["grades"] <= 3 else BANDS
        first = math.ceil(lacking / len(bands))
        for band, n in zip(reversed(bands), (first, lacking - first), strict=False):
            if n > 0:
                out["", name, band] = float(n)
    return out


def places(made: Town, here: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Return the places of each school and band: classes by grade times the cap, for bands that are taught."""
    out = {}
    for name, s in made.schools.items():
        a_grade = s["classes"] / s["grades"] if s["classes"] < s["grades"] else s["classes"] // s["grades"]
        for band in BANDS:
            taught = here.get((name, band), 0) > 0 and s["roll"] is not None and (band == "g1_3" or s["grades"] > 3)
            out[name, band] = math.floor(a_grade * CAP * 3 + 1e-9) if taught else 0.0
    return out


def closable(made: Town) -> list[str]:
    """Return who may close: no through-school, none whose roll is not recorded or below its attendance.

    Nor a school without a place whose pupils' homes have none: nobody could say how far they would have to go.
    """
    lost = {school for village, school, _ in groups(made) if made.villages.get(village) is None}
    sums = {n: sum(k for (_, to, _), k in made.going.items() if to == n) for n in made.schools}
    return [
        n for n, s in made.schools.items()
        if s["kind"] != "nine_year" and s["roll"] is not None and s["roll"] >= sums[n]
        and not (s["at"] is None and n in lost)
    ]  # fmt: skip


def plan(made: Town, closed: tuple[str, ...], *, radius: bool, least: float | None) -> float | None:
    """Return the extra pupil-metres when these close, zoned at the least total distance; None where a rule breaks."""
    all_ = groups(made)
    here: dict[tuple[str, str], float] = {}
    for (_, school, band), n in all_.items():
        here[school, band] = here.get((school, band), 0.0) + n
    room = places(made, here)
    free = {key: max(room[key] - here.get(key, 0.0), 0.0) for key in room}
    points: dict[str, dict[str, Any]] = {}
    for (village, school, band), n in all_.items():
        if school in closed:
            point = points.setdefault(village or f"@{school}", {"school": school, "bands": {}, "rows": []})
            point["bands"][band] = point["bands"].get(band, 0.0) + n
            point["rows"].append((village, school, n))
    stays = [n for n in made.schools if n not in closed]
    if any(
        s["kind"] == "teaching_point" and n in stays and s["host"] in closed for n, s in made.schools.items()
    ) and not ([n for n in stays if made.schools[n]["kind"] in ("primary", "nine_year")]):
        return None  # nobody is left to run the point
    options = []
    for name, point in points.items():
        at = made.villages.get(name)
        way = {to: made.metres(at, made.schools[to]["at"]) for to in stays}
        if all(math.isnan(m) for m in way.values()):  # an unknown home is put where its school stood
            way = {to: made.metres(made.schools[point["school"]]["at"], made.schools[to]["at"]) for to in stays}
        can = {to: m for to, m in way.items() if not math.isnan(m) and all(room[to, b] > 0 for b in point["bands"])}
        options.append(list(can.items()))
    best: tuple[float, tuple[tuple[str, float], ...]] | None = None
    for chosen in itertools.product(*options):
        load: dict[tuple[str, str], float] = {}
        for (to, _), point in zip(chosen, points.values(), strict=True):
            for band, n in point["bands"].items():
                load[to, band] = load.get((to, band), 0.0) + n
        if all(n <= free[key] for key, n in load.items()):
            total = sum(m * sum(p["bands"].values()) for (_, m), p in zip(chosen, points.values(), strict=True))
            if best is None or total < best[0] - 1e-9:
                best = total, chosen
    if best is None:
        return None
    extra, loads = 0.0, {n: sum(here.get((n, b), 0.0) for b in BANDS) for n in stays}
    for (to, _), (name, point) in zip(best[1], points.items(), strict=True):
        for _, school, n in point["rows"]:
            at = made.villages.get(name)
            known = made.metres(at, made.schools[to]["at"])
            if radius and not math.isnan(known) and known > RADIUS:
                return None
            new = known if not math.isnan(known) else made.metres(made.schools[school]["at"], made.schools[to]["at"])
            old = made.metres(at, made.schools[school]["at"])
            extra += n * max(new - (0.0 if math.isnan(old) else old), 1.0)
            loads[to] += n
    looked = [n for n in stays if n in closable(made)]
    if least is not None and any(loads[n] < least for n in looked):
        return None
    return extra


# What is compared -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(NUMBER))
def test_the_optimiser_gives_what_trying_every_layout_gives(seed: int) -> None:
    made = town(seed)
    rng, county = np.random.default_rng([seed, 1]), made.county()
    radius, least = bool(rng.random() < 0.5), None if rng.random() < 0.6 else float(rng.choice([20.0, 45.0]))
    may = closable(made)
    rules: dict[str, Any] = {"radius": radius, "young": False, "township_minimum": False, "min_size": least}
    base = Scenario.empty(county, YEAR).with_settings(walk_primary_m=RADIUS)
    number = int(rng.integers(max(1, len(made.schools) - len(may)), len(made.schools) + 1))
    fewest = bool(rng.random() < 0.3)
    right: dict[tuple[str, ...], float] = {}
    for k in reversed(range(len(may) + 1)) if fewest else [len(made.schools) - number]:
        for closed in itertools.combinations(may, k):
            if (extra := plan(made, closed, radius=radius, least=least)) is not None:
                right[closed] = extra
        if right:
            break
    goals = Goals(aim="fewest" if fewest else "walk", schools=number, may_close="all", **rules)
    found = siting.propose(county, "primary", goals, scenario=base)
    assert set(found.layout.school_ids) == set(made.schools)
    assert {s for ids in found.layout.kept_by.values() for s in ids} == set(made.schools) - set(may)
    if not right:
        assert found.solution.status == "infeasible", (seed, found.closed, found.solution.objective)
        return
    assert found.solution.status == "optimal", (seed, right)
    assert found.closed in right
    assert found.solution.objective == pytest.approx(min(right.values()), rel=1e-6, abs=1e-3)
    assert set(found.kept) | set(found.closed) == set(made.schools)
    outcome = found.outcome
    assert outcome is not None and not scenarios.check(county, found.scenario)
    moved = sum(n for (_, school, _), n in groups(made).items() if school in found.closed)
    assert outcome.moved == moved and outcome.bookkeeping.pupils_unplaced == 0  # nobody is lost
    broken = {b.rule for b in outcome.breaks if b.new}
    assert not broken & {"overflow", "no_school", "rooms"} and (not radius or not broken & {"far"})
    hosts = outcome.schools.set_index("school_id")["state"]
    orphans = [n for n, s in made.schools.items() if s["host"] in found.closed and n not in found.closed]
    assert all(hosts[n] == "attached" for n in orphans)


@pytest.mark.parametrize("seed", range(NUMBER))
def test_coverage_is_what_counting_every_pupil_gives(seed: int) -> None:
    made = town(seed)
    rng, county = np.random.default_rng([seed, 2]), made.county()
    table = access.costs(county)
    cut = rng.random(table.metres.shape) < 0.25  # no way by road; else half as far again as the straight line
    road = replace(table, mode="network", metres=np.where(cut, np.nan, 1.5 * table.metres))
    at, to = ({str(n): i for i, n in enumerate(names)} for names in (table.origins, table.destinations))
    taught = {(s, b) for _, s, b in made.going}
    counts = {target: {"within": 0.0, "outside": 0.0, "unknown": 0.0} for target in access.TARGETS}
    for (village, school, band), n in groups(made).items():
        serving = [s for s in made.schools if (s, band) in taught or not any(x == s for x, _ in taught)]
        serving = [s for s in serving if (s, band) in taught or made.schools[s]["grades"] > 3 or band == "g1_3"]
        serving = [s for s in serving if made.schools[s]["roll"] != 0]
        for target, reached in (("own", [school]), ("nearest", serving)):
            ways = [road.metres[at[village], to[s]] for s in reached] if village else []
            crow = [made.metres(made.villages[village], made.schools[s]["at"]) for s in reached] if village else []
            way, least = (min((m for m in each if not math.isnan(m)), default=math.nan) for each in (ways, crow))
            sure = math.isnan(way) and least > RADIUS
            key = "within" if way <= RADIUS else "outside" if way > RADIUS or sure else "unknown"
            counts[target][key] += n
    reach = access.Reach.of(county, YEAR, "primary", road)
    for target in access.TARGETS:
        found = access.covered(reach, RADIUS, target)
        if any(s["roll"] is None and not any(x == n for x, _ in taught) for n, s in made.schools.items()):
            continue
        assert {name: getattr(found, name) for name in counts[target]} == counts[target], (seed, target)
        assert found.share == pytest.approx(counts[target]["within"] / found.pupils, nan_ok=True) or not (
            found.within + found.outside
        )


@pytest.mark.parametrize("seed", range(max(4, NUMBER // 4)))
def test_remedies_are_what_the_price_list_and_the_evaluation_say(seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    remedy_brute.examine(remedy_brute.county(rng), rng)


@pytest.mark.parametrize("seed", [32000046, 32000124, 32000166])
def test_a_way_nobody_knows_is_no_way_and_a_point_without_a_roll_gets_another_host(seed: int) -> None:
    test_the_optimiser_gives_what_trying_every_layout_gives(seed)


def two_schools() -> CountyLayout:
    """Return a county in which S0 and S1 may close; village v's two bands are at one each, near C, which is full."""
    at = {"S0": 0.0, "S1": 0.001, "C": 0.003, "D": 0.006}
    schools = {n: {"kind": "primary", "at": (109.6 + x, 31.0), "host": None, "grades": 6, "classes": 6, "roll": 0}
               for n, x in at.items()}  # fmt: skip
    going = {("v", "S0", "g1_3"): 20, ("v", "S1", "g4_6"): 20}
    going |= {
        (f"v{n}", n, band): pupils
        for n in "CD"
        for band, pupils in zip(BANDS, (10, 130 if n == "C" else 10), strict=True)
    }
    for (_, school, _), pupils in going.items():
        schools[school]["roll"] += pupils
    made = Town({"v": (109.6, 31.0), "vC": schools["C"]["at"], "vD": schools["D"]["at"]}, schools, going)
    goals = Goals(schools=2, may_close=["S0", "S1"], radius=False, young=False, township_minimum=False, min_size=1)
    return CountyLayout.of(made.county(), "primary", goals)


def test_a_village_of_two_schools_that_close_leaves_them_together_in_the_model_too() -> None:
    drawn = two_schools()
    choice = SiteChoice(tuple(s in ("C", "D") for s in drawn.school_ids))
    question = Question(CountyModel(drawn), 2, fixed=choice)
    plan = Trials(drawn).of(choice)
    answer = highs.solve(question.model(), Control(10.0))
    assert answer.bound == pytest.approx(plan.objective) and not broken(plan, 2)
    assert {drawn.school_ids[j] for j in plan.assignment[:2]} == {"D"}


def test_who_was_sent_for_a_school_s_size_is_not_sent_there_again_while_his_other_school_is_open() -> None:
    drawn = two_schools()
    ids = drawn.school_ids.tolist()
    moved, near, other = int(np.flatnonzero(drawn.home == ids.index("S0"))[0]), ids.index("C"), ids.index("D")
    choice = SiteChoice(tuple(s != "S0" for s in ids))
    for pulled, expected in (((), near), (((moved, near, other),), other)):
        question = Question(CountyModel(drawn), 3, fixed=choice, pulled=pulled)
        answer = highs.solve(question.model(), Control(10.0))
        assert answer.values is not None
        assert dict(zip(*question.sent(answer.values), strict=True))[moved] == expected


def test_fewest_schools_are_tried_with_places_to_spare_and_bounded_with_villages_split() -> None:
    drawn = two_schools()
    search = LayoutSearch(drawn, Control(10.0))
    whole, split = (highs.solve(Question(search.model, None, counts=True, split=s).model(), Control(10.0)).bound
                    for s in (False, True))  # fmt: skip
    assert split <= whole == search._least() == 2  # C and D stay
    spared = Question(search.model, 3, split=True, spare=0.95).model()
    assert highs.solve(spared, Control(10.0)).infeasible  # 13 places in 270 are not enough for anybody
    found = search._found_with(2, Control(10.0))
    assert found is not None and found.schools == 2 and not broken(found, 2)
