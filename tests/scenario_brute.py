"""Small random counties and plans, and what the documentation says of them, worked out plainly.

Nothing of the scenario's own computation is used but its picture of who attends where today, which is held against
the tables, and the measured ways.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product
from typing import Any

import numpy as np

from balance_lib import scenarios
from balance_lib._errors import DataError
from balance_lib.data.county import County
from balance_lib.scenarios import (
    Attach,
    Boarding,
    BusLine,
    Close,
    ConvertStage,
    Keep,
    Merge,
    Open,
    Outcome,
    Parents,
    Procedure,
    Resize,
    Scenario,
    ToPoint,
    base,
    check,
    evaluate,
)  # fmt: skip
from tests import towns

YEAR = 2020
BANDS = {"g1_3": "primary", "g4_6": "primary", "g7_9": "junior"}
KINDS = {"primary": ("g1_3", "g4_6"), "teaching_point": ("g1_3", "g4_6"), "junior": ("g7_9",),
         "nine_year": tuple(BANDS), "special": tuple(BANDS)}  # fmt: skip
CODES = ("S1", "P1-primary")
NOT_ALLOWED = {"breaks_rules", "infeasible", "forbidden"}


# ---- a county and a plan ---------------------------------------------------------------------------------------------


def county(rng: np.random.Generator) -> County:
    """Return a county on a line of 17 km: rolls, places and classes missing here and there."""
    kinds = ["primary", "junior" if rng.random() < 0.5 else "nine_year"]
    kinds += list(rng.choice(list(KINDS), rng.integers(1, 5), p=[0.4, 0.2, 0.1, 0.2, 0.1]))
    schools, taught = [], {}
    for j, kind in enumerate(kinds):
        row = towns.school(f"S{j}", kind=str(kind), lon=109.6, lat=place(rng, 0.06), location="rural")
        row |= {"township": rng.choice(["甲镇", "乙乡"]), "rank": "village" if j > 1 else "central"}
        row |= {"founder": "private" if j > 2 and rng.random() < 0.15 else "county"}
        row |= {"host_school_id": "S0"} if kind == "teaching_point" else {}
        schools.append(row)
        taught[row["school_id"]] = KINDS[str(kind)]
    villages = [
        {"village_id": f"v{i}", "name_zh": f"{i}村", "township": "甲镇", "lon": 109.6, "lat": place(rng, 0.1)}
        for i in range(rng.integers(1, 6))
    ]
    villages[0]["lat"] = 31.0
    going = attendance(rng, villages, schools, taught)
    more: dict[str, Any] = {"edges": road(rng)} if rng.random() < 0.3 else {}
    if rng.random() < 0.75:
        more["attendance"] = going
    names = [{"township": name, "code": str(i), "type": "town"} for i, name in enumerate(("甲镇", "乙乡"))]
    return towns.county(schools, rolls(rng, going, taught), villages=villages, townships=names, **more)


def place(rng: np.random.Generator, missing: float) -> float:
    return math.nan if rng.random() < missing else 31.0 + 0.005 * int(rng.integers(0, 31))


def road(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return a road along the line, broken at one place in half of the counties."""
    gap = rng.integers(0, 16) if rng.random() < 0.5 else -1
    return [
        {"from_node": f"n{i}", "to_node": f"n{i + 1}", "from_lon": 109.6, "to_lon": 109.6, "length_m": 1200,
         "from_lat": 31.0 + i / 100, "to_lat": 31.01 + i / 100, "kind": "road"}
        for i in range(16) if i != gap
    ]  # fmt: skip


def attendance(rng: np.random.Generator, villages: Any, schools: Any, taught: Any) -> list[dict[str, Any]]:
    found = {}
    for village, (band, stage) in product(villages, BANDS.items()):
        at = [s["school_id"] for s in schools if band in taught[s["school_id"]] and s["kind"] != "special"]
        special = [s["school_id"] for s in schools if s["kind"] == "special"]
        for school in (
            sorted({*rng.choice(at, min(len(at), 1 + (rng.random() < 0.2)), replace=False), *special[:1]}) if at else ()
        ):
            pupils = int(rng.integers(0, 8 if school in special else 70))
            boards = int(rng.integers(0, pupils + 1)) if band != "g1_3" and rng.random() < 0.3 else 0
            if pupils:
                key = (village["village_id"], str(school), band)
                found[key] = {"village_id": key[0], "school_id": key[1], "stage": stage, "band": band, "year": YEAR,
                              "pupils": pupils, "boarders": boards}  # fmt: skip
    return [found[key] for key in sorted(found)]


def rolls(rng: np.random.Generator, going: list[dict[str, Any]], taught: Any) -> list[dict[str, Any]]:
    out = []
    for school, bands in taught.items():
        for stage in dict.fromkeys(BANDS[band] for band in bands):
            rows = [r for r in going if (r["school_id"], r["stage"]) == (school, stage)]
            pupils = sum(r["pupils"] for r in rows) + (int(rng.integers(0, 30)) if rng.random() < 0.3 else 0)
            if not pupils or rng.random() < 0.03:
                continue
            pupils = pupils - 1 if rng.random() < 0.03 and pupils > 1 else pupils
            own = {"pupils": None if rng.random() < 0.07 else pupils, "boarders": sum(r["boarders"] for r in rows)}
            own |= {"grades": 3 if stage == "junior" else int(rng.choice([6, 6, 6, 5, 4]))}
            own |= {"classes": None if rng.random() < 0.07 else int(rng.integers(1, 10)), "teachers": pupils // 9 + 1}
            out.append(towns.school_year(school, stage, YEAR, **own))
    return out or [towns.school_year("S0", year=YEAR)]


def plan(rng: np.random.Generator, of: County) -> Scenario:
    """Return a random plan whose operations do not contradict each other; what a check refuses is left out."""
    ids = sorted(of.tables["schools"]["school_id"])
    homes = tuple(of.tables["villages"]["village_id"])

    def one() -> str:
        return str(rng.choice(ids))

    def some() -> tuple[str, ...]:
        return tuple(v for v in homes if rng.random() < 0.4)

    new = {"name_zh": "新校", "township": "甲镇", "lon": 109.6, "lat": 31.0 + 0.15 * rng.random()}
    make = (
        lambda: Close(school_id=one()), lambda: Close(school_id=one()), lambda: Merge(school_id=one(), into=one()),
        lambda: ToPoint(school_id=one(), top_grade=int(rng.choice([3, 6]))),
        lambda: Attach(school_id=one(), host_id=one()), lambda: Keep(school_id=one()),
        lambda: Open(school_id="N", kind=str(rng.choice(["primary", "junior", "nine_year"])), villages=some(),
                     classes_primary=int(rng.integers(1, 7)), classes_junior=int(rng.integers(1, 4)), **new),
        lambda: Resize(school_id=one(), stage=str(rng.choice(["primary", "junior"])), classes=int(rng.integers(1, 13))),
        lambda: ConvertStage(school_id=one(), to=str(rng.choice(["primary", "junior", "nine_year"])), classes=3,
                             villages=some()),
        lambda: Boarding(school_id=one(), places=int(rng.integers(0, 60))),
        lambda: BusLine(school_id=one(), villages=some(), minutes=float(rng.integers(5, 50))),
    )  # fmt: skip
    modes = ["straight", "network"] if len(of.tables["edges"]) else ["straight"]
    found = Scenario.empty(of, YEAR).with_settings(
        assignment=str(rng.choice(["zoned", "transport"])), rezone=bool(rng.random() < 0.1),
        mode=str(rng.choice(modes)),
        class_cap_primary=int(rng.choice([20, 45])), size_cap_single=int(rng.choice([120, 2000])),
        walk_primary_m=float(rng.choice([2000, 4000, 9000])), bus_minutes=rng.choice([None, 10.0, 40.0]),
    )  # fmt: skip
    for _ in range(rng.integers(1, 5)):
        more = found.with_operations(make[rng.integers(len(make))]())
        found = found if check(of, more) else more
    if found.closings and rng.random() < 0.1:
        said = (Parents(found.closings[0].school_id, 20, int(rng.integers(8, 14))),)
        found = Scenario(**{**vars_of(found), "procedure": Procedure(parents=said)})
    return found


def vars_of(scenario: Scenario) -> dict[str, Any]:
    names = ("name", "county_id", "year", "target_year", "operations", "settings", "procedure", "note")
    return {name: getattr(scenario, name) for name in names}


# ---- what the documentation says of it -------------------------------------------------------------------------------


class Brute:
    """Hold the plain picture of one county under one plan."""

    def __init__(self, of: County, given: Scenario) -> None:
        self.county, self.plan, self.settings = of, given, given.settings
        self.base = base.of(of, given)
        table = of.tables["schools"].set_index("school_id")
        rows = of.table("school_years", YEAR)
        self.rows = {(r["school_id"], r["stage"]): r for r in rows.to_dict("records")}
        self.kind = {s: table.at[s, "kind"] for s, _ in self.rows}
        self.private = {s for s in self.kind if table.at[s, "founder"] == "private"}
        self.town = {s: table.at[s, "township"] for s in self.kind}
        self.rank = {s: table.at[s, "rank"] for s in self.kind}
        self.classes = {key: float(r["classes"]) for key, r in self.rows.items()}
        self.groups = self.base.groups.to_dict("records")
        self.uncounted = {key for key, r in self.rows.items() if math.isnan(r["pupils"])} | {
            (s, stage) for s, kind in self.kind.items() if kind == "nine_year"
            for stage in ("primary", "junior") if (s, stage) not in self.rows
        } | {
            (s, stage) for s, stage in of.table("attendance", YEAR)[["school_id", "stage"]].itertuples(index=False)
            if s in self.kind and (s, stage) not in self.rows
        }  # fmt: skip
        self.before = self._sums(self.groups)
        self.closed, self.merged, self.cut, self.new, self.zoned = set(), {}, set(), set(), {}
        self.grades = {s: self.rows.get((s, "primary"), {}).get("grades", math.nan) for s in self.kind}
        self.after_kind = dict(self.kind)
        for operation in given.effective:
            self._carry_out(operation)

    @staticmethod
    def _sums(groups: Any, school: str = "school_id") -> dict[tuple[str, str], float]:
        out: dict[tuple[str, str], float] = defaultdict(float)
        for g in groups:
            out[g[school], g["band"]] += g["pupils"]
        return out

    def _carry_out(self, o: Any) -> None:
        s = o.school_id
        if isinstance(o, Close | Merge):
            self.closed.add(s)
            self.merged |= {s: o.into} if isinstance(o, Merge) else {}
        elif isinstance(o, ToPoint | Attach):
            self.after_kind[s] = "teaching_point"
            if isinstance(o, ToPoint) and o.top_grade == 3:
                self.cut.add(s)
                left = min(self.grades[s], 3.0)
                self.classes[s, "primary"] = math.ceil(self.classes[s, "primary"] * left / self.grades[s]) if (
                    self.classes[s, "primary"] == self.classes[s, "primary"]) else math.nan  # fmt: skip
                self.grades[s] = left
        elif isinstance(o, Open):
            self.new.add(s)
            self.after_kind[s], self.town[s], self.rank[s], self.grades[s] = o.kind, o.township, o.rank, 6.0
            self.classes |= {(s, "primary"): o.classes_primary, (s, "junior"): o.classes_junior}
            self.zoned[s] = o.villages
        elif isinstance(o, ConvertStage):
            self.new.add(s)
            self.after_kind[s], self.zoned[s] = o.to, o.villages
            for stage in ("primary", "junior"):
                if stage not in {BANDS[b] for b in KINDS[o.to]}:
                    self.classes[s, stage] = 0.0
                elif not self.classes.get((s, stage), 0.0) > 0:
                    self.classes[s, stage] = o.classes
                    self.grades[s] = 6.0 if stage == "primary" else self.grades[s]
        elif isinstance(o, Resize):
            self.classes[s, o.stage] = o.classes

    def teaches(self, school: str, band: str) -> bool:
        if school not in self.after_kind:  # without a row of the year: no part of the plan, its pupils stay
            return True
        if school in self.closed or band not in KINDS[self.after_kind[school]]:
            return False
        return (self.before[school, band] > 0 or school in self.new) and not (school in self.cut and band == "g4_6")

    def receives(self, school: str, band: str) -> bool:
        whole = not (band == "g4_6" and self.grades[school] < 5)
        rooms = self.classes.get((school, BANDS[band]), 0.0) != 0
        return self.teaches(school, band) and whole and rooms and (school, BANDS[band]) not in self.uncounted

    def sector(self, school: str) -> str:
        return "special" if self.after_kind.get(school) == "special" or self.kind.get(school) == "special" else (
            "private" if school in self.private else "public")  # fmt: skip

    def takes(self, school: str, band: str, sector: str) -> bool:
        other = self.sector(school)
        fits = (
            other == "special"
            if sector == "special"
            else other != "special" and (sector, other) != ("public", "private")
        )
        return fits and self.receives(school, band)

    def places(self, school: str, band: str) -> float:
        """Classes × cap grade by grade; fewer classes than grades are shared; no count: as many as pupils need."""
        found = {b: self._places(school, b) for b in BANDS}
        most = self.settings.size_cap(self.after_kind[school] == "nine_year")
        total = sum(found.values())
        return math.floor(found[band] * (most / total if total > most else 1.0))

    def guessed(self, school: str, stage: str) -> bool:
        """Tell whether nobody counted the classes, so that the places are a guess and too few of them a warning."""
        return math.isnan(self.classes.get((school, stage), 0.0))

    def _places(self, school: str, band: str) -> float:
        if not self.teaches(school, band):
            return 0.0
        stage = BANDS[band]
        cap, grades = self.settings.class_cap(stage), 3.0
        if stage == "primary":
            grades = self.grades[school] if self.grades[school] < 5 else 6.0
            grades = max(grades, 3.0)
        count = self.classes.get((school, stage), 0.0)
        if math.isnan(count):
            count = math.ceil(sum(self.before[school, b] for b in BANDS if BANDS[b] == stage) / cap)
        each = count / grades if count < grades else math.floor(count / grades)
        return math.floor(each * cap * (grades - 3 if band == "g4_6" else 3) + 1e-9)

    def needed(self, stage: str, sums: Any, school: str, rooms: float, grades: float) -> int:
        """Fewest classes, grade by grade; grades share classes where there are fewer than grades and all fit."""
        cap, sizes = self.settings.class_cap(stage), []
        for band in (b for b in BANDS if BANDS[b] == stage):
            n = int(grades) - 3 if band == "g4_6" and 3 < grades < 6 else 3
            sizes += [len(part) for part in np.array_split(range(round(sums[school, band])), n) if len(part)]
        least = sum(math.ceil(n / cap) for n in sizes)
        if rooms < len(sizes) and least == len(sizes):
            return max(int(rooms), math.ceil(sum(sizes) / cap))
        return least

    def lacking(self, sums: Any, rooms: Any, grades: Any) -> dict[tuple[str, str], float]:
        out = {}
        for key in self.classes:
            here = sum(sums[key[0], b] for b in BANDS if BANDS[b] == key[1])
            there = rooms.get(key, math.nan)
            if here > 0 and not math.isnan(there):
                out[key] = max(self.needed(key[1], sums, key[0], there, grades(key)) - there, 0)
        return out


def examine(of: County, given: Scenario) -> str:
    """Hold an evaluation against the plain picture; return its status, or "refused".

    Raises
    ------
    AssertionError
        With what differs.
    """
    try:
        brute = Brute(of, given)
    except DataError as error:
        assert not len(of.tables["attendance"]), error
        return "refused"
    over = {s for (s, stage), r in brute.rows.items() if r["pupils"] < sum(
        g["pupils"] for g in brute.groups if (g["school_id"], g["stage"]) == (s, stage))}  # fmt: skip
    try:
        outcome = evaluate(of, given, codes=CODES)
    except DataError as error:
        if [fault.rule for fault in error.faults] == ["scenario_none_left"]:
            held = {band for (_, band), pupils in brute.before.items() if pupils > 0}
            assert not any(brute.teaches(school, band) for school in brute.after_kind for band in held)
            return "refused"
        assert {fault.rule for fault in error.faults} <= {"scenario_over", "scenario_untold"}
        assert {str(fault.found) for fault in error.faults} <= over | {s for s, _ in brute.uncounted}
        return "refused"
    for part in (today, nobody_lost, receivers, places, travel, nearest, accounts, points):
        part(brute, outcome)
    broken = rules(brute, outcome)
    said = {b.rule for b in outcome.broken() if b.severity != "warns"}
    assert said - {"item"} == broken, (said, broken)
    assert (outcome.status in NOT_ALLOWED) == bool(said), outcome.status
    assert (outcome.status == "forbidden") == ("parents" in broken)
    warned = {b.rule for b in outcome.broken("warns")}
    assert outcome.status != "allowed" or not warned & {"places_unknown", "unknown_way"}, warned
    return outcome.status


def today(brute: Brute, outcome: Outcome) -> None:
    """Who attends where is what the tables say; a roll nobody recorded gives no pupils and stays unknown."""
    listed = brute.county.table("attendance", YEAR)
    sums = listed.groupby(["village_id", "school_id", "band"])["pupils"].sum().to_dict()
    homes: dict[Any, float] = defaultdict(float)
    for g in brute.groups:
        if g["village_id"]:
            homes[g["village_id"], g["school_id"], g["band"]] += g["pupils"]
    assert not sums or sums == dict(homes)
    for (school, stage), row in brute.rows.items():
        here = sum(g["pupils"] for g in brute.groups if (g["school_id"], g["stage"]) == (school, stage))
        assert math.isnan(row["pupils"]) or here >= row["pupils"], (school, stage)
        if school not in {s for s, _ in brute.uncounted} or not math.isnan(row["pupils"]):
            continue
        if all(math.isnan(r["pupils"]) for (s, _), r in brute.rows.items() if s == school):
            found = outcome.schools.set_index("school_id").loc[school]
            assert math.isnan(found["pupils_before"]), school


def nobody_lost(brute: Brute, outcome: Outcome) -> None:
    moves = outcome.moves.to_dict("records")
    left, gone = brute._sums(moves, "from_id"), {(g["school_id"], g["band"]) for g in brute.groups}
    for school, band in gone:
        if not brute.teaches(school, band):
            assert left[school, band] == brute.before[school, band], ("stays at a closed school", school, band)
    for m in moves:
        cause = not brute.teaches(m["from_id"], m["band"]) or m["to_id"] in brute.zoned or m["from_id"] in brute.merged
        assert cause or brute.settings.rezone, ("moves without cause", m)
    after = outcome.changed.table("school_years", YEAR)
    after = after[after["stage"].isin(("primary", "junior"))]
    pupils = sum(r["pupils"] for (_, stage), r in brute.rows.items() if not math.isnan(r["pupils"]))
    placed = sum(m["pupils"] for m in moves if m["to_id"] == "")
    assert after["pupils"].sum() + placed == pupils
    blank = {(r.school_id, r.stage) for r in after[after["pupils"].isna()].itertuples()}
    assert blank == {key for key, r in brute.rows.items() if math.isnan(r["pupils"])}, "unknown became known"


def receivers(brute: Brute, outcome: Outcome) -> None:
    need: dict[Any, set[str]] = defaultdict(set)
    zoned = brute.settings.assignment == "zoned"
    for m in outcome.moves.to_dict("records"):
        need[m["village_id"], m["from_id"] if not m["village_id"] or not zoned else "", m["stage"],
             brute.sector(m["from_id"])].add(m["band"])  # fmt: skip
    for m in outcome.moves.to_dict("records"):
        if m["from_id"] in brute.merged:
            assert m["to_id"] == brute.merged[m["from_id"]]
        elif m["to_id"]:
            assert brute.takes(m["to_id"], m["band"], brute.sector(m["from_id"])) or m["to_id"] in brute.zoned, m
        else:
            key = (m["village_id"], m["from_id"] if not m["village_id"] or not zoned else "", m["stage"],
                   brute.sector(m["from_id"]))  # fmt: skip
            bands = need[key] if zoned else {m["band"]}
            fit = [s for s in brute.after_kind if all(brute.takes(s, b, key[3]) for b in bands)]
            assert not fit or unreachable(brute, m["village_id"], fit), ("no school though one takes them", m, fit)


def unreachable(brute: Brute, village: str, fit: list[str]) -> bool:
    """Tell whether no way is known from a village to schools that would take its pupils in, though one to others is."""
    return village != "" and not np.isfinite(ways(brute).metres([village] * len(fit), fit)).any()


def ways(brute: Brute) -> Any:
    found = base.ways(brute.base.county, brute.settings.mode, roads=brute.settings.bus_minutes is not None, detour=1.4)
    opened = scenarios.layout.of(brute.base, brute.plan).opened.reset_index(names="school_id")
    return base.with_schools(found, brute.base.county, opened)


def places(brute: Brute, outcome: Outcome) -> None:
    moves = outcome.moves.to_dict("records")
    here, off, on = brute.before, brute._sums(moves, "from_id"), brute._sums(moves, "to_id")
    beyond: dict[Any, float] = defaultdict(float)
    for school, band in {(m["to_id"], m["band"]) for m in moves if m["to_id"]}:
        stay = here[school, band] - off[school, band]
        beyond[school, BANDS[band]] += max(stay + on[school, band] - max(brute.places(school, band), stay), 0)
    # With new zones some of those beyond the places are pupils who stay; the broken rule counts them all.
    told = {(b.rule, b.severity, b.where[0], b.params["stage"].key.split(".")[1]): b.amount for b in outcome.breaks
            if b.rule in ("overflow", "places_unknown")}  # fmt: skip
    for key, n in beyond.items():
        rule = ("places_unknown", "warns") if brute.guessed(*key) else ("overflow", "breaks")
        assert told.get((*rule, *key), 0.0) >= n - 1e-6, ("beyond its places and not told", key)


def travel(brute: Brute, outcome: Outcome) -> None:
    moves = outcome.moves
    if moves.empty:
        return
    metres = ways(brute).metres(moves["village_id"], moves["to_id"])
    np.testing.assert_allclose(moves["metres_after"].to_numpy(float), metres)
    beds = {o.school_id: o.places for o in brute.plan.effective if isinstance(o, Boarding)}
    used: dict[str, float] = defaultdict(float)
    for g in brute.groups:
        used[g["school_id"]] += g["boarders"]
    for m in moves.to_dict("records"):
        assert not (m["band"] == "g1_3" and m["boarders_after"]), "grades 1 to 3 board"
        walks, known = m["metres_after"] <= radius(brute, m["stage"]), math.isfinite(m["metres_after"])
        line = any(isinstance(o, BusLine) and o.school_id == m["to_id"] and m["village_id"] in o.villages
                   for o in brute.plan.effective)  # fmt: skip
        rides = known and not walks and (line or riding(brute, m) <= (brute.settings.bus_minutes or -1))
        far = m["pupils"] - m["boarders_after"] if known and not walks and not rides else 0
        assert (m["far"], m["riders"] > 0) == (far, rides and m["pupils"] > m["boarders_after"]), m
        used[m["from_id"]] -= m["boarders_before"]
    for m in moves.to_dict("records"):
        used[m["to_id"]] += m["boarders_after"]
    before: dict[str, float] = defaultdict(float)
    for g in brute.groups:
        before[g["school_id"]] += g["boarders"]
    came = {m["to_id"] for m in moves.to_dict("records") if m["boarders_after"]}
    assert all(used[s] <= beds.get(s, before[s]) for s in came), "more boarders than beds"


def riding(brute: Brute, m: Any) -> float:
    road = ways(brute)._road_metres([m["village_id"]], [m["to_id"]])[0]
    return float(road / (25_000 / 60))


def radius(brute: Brute, stage: str) -> float:
    given = getattr(brute.settings, f"walk_{stage}_m")
    return given if given is not None else {"primary": 3000.0, "junior": 5000.0}[stage]


def nearest(brute: Brute, outcome: Outcome) -> None:
    """Where closing is all that happens and the answer is proven, no other choice of whole villages goes less far."""
    moves, solved = outcome.moves, outcome.solution
    plain = all(isinstance(o, Close | Keep | Boarding | BusLine | Resize) for o in brute.plan.effective)
    if not plain or brute.settings.rezone or brute.settings.assignment != "zoned" or moves.empty:
        return
    if (
        solved["status"] != "optimal"
        or solved["gap"] > 0
        or (moves["overflow"] > 0).any()
        or (moves["to_id"] == "").any()
    ):
        return
    found = ways(brute)
    for (stage, sector), mine in moves.groupby(["stage", moves["from_id"].map(brute.sector)], sort=False):
        points = [
            list(rows.index)
            for _, rows in mine.groupby(mine["village_id"].where(mine["village_id"] != "", mine["from_id"]))
        ]
        if len(points) > 4 or (mine["village_id"] == "").any() or brute.private:
            continue
        off = brute._sums(moves.to_dict("records"), "from_id")
        best, ours = math.inf, float((mine.drop_duplicates(["village_id"])["metres_after"]).isna().sum())
        if ours:
            continue
        sites = [s for s in brute.after_kind if s not in brute.closed and brute.sector(s) == sector]
        metre = {(v, s): found.metres([v], [s])[0] for v in mine["village_id"] for s in sites}
        ours = (mine["pupils"] * mine["metres_after"]).sum()
        for choice in product(sites, repeat=len(points)):
            on: dict[Any, float] = defaultdict(float)
            total, fits = 0.0, True
            for rows, site in zip(points, choice, strict=True):
                for m in moves.loc[rows].to_dict("records"):
                    fits &= brute.takes(site, m["band"], str(sector))
                    on[site, m["band"]] += m["pupils"]
                    total += m["pupils"] * metre[m["village_id"], site]
            for (site, band), n in on.items():
                fits = fits and n <= max(brute.places(site, band) - (brute.before[site, band] - off[site, band]), 0)
            best = min(best, total) if fits and math.isfinite(total) else best
        assert ours <= best + 1e-6 * max(best, 1.0), (stage, ours, best)


def accounts(brute: Brute, outcome: Outcome) -> None:
    """Sites and schools of their own standing are counted whether their roll is known or not."""
    costs = outcome.costs.set_index("item")
    after = outcome.changed.table("school_years", YEAR)
    there = set(after.loc[after["stage"].isin(("primary", "junior")), "school_id"])
    assert costs.at["site", "quantity_before"] == len({s for s, _ in brute.rows})
    assert costs.at["site", "quantity_after"] == len(there)
    assert costs.at["office", "quantity_after"] == sum(brute.after_kind[s] != "teaching_point" for s in there)
    ride = outcome.coverage.set_index(["when", "stage"])
    for stage in ("primary", "junior"):
        day = [g for g in brute.groups if g["stage"] == stage]
        lost = ~np.isfinite(ways(brute).metres([g["village_id"] for g in day], [g["school_id"] for g in day]))
        unknown = sum(g["pupils"] - g["boarders"] for g, no in zip(day, lost, strict=True) if no)
        assert ride.at[("before", stage), "unknown"] == unknown


def hosts_wanted(brute: Brute) -> dict[str, set[str]]:
    """Return for each teaching point whose host closes who may run it: the merger's receiver, else the nearest.

    Schools of the point's township come first; none but public primary and nine-year schools run points.
    """
    table = brute.county.tables["schools"].set_index("school_id")
    lat = table["lat"].to_dict() | {o.school_id: o.lat for o in brute.plan.effective if isinstance(o, Open)}
    able = [s for s, kind in brute.after_kind.items()
            if s not in brute.closed and kind in ("primary", "nine_year") and s not in brute.private]  # fmt: skip
    said = {o.school_id for o in brute.plan.effective if isinstance(o, Attach)}
    out = {}
    for s, kind in brute.kind.items():
        host = table.at[s, "host_school_id"]
        if host not in brute.closed or s in brute.closed | said or kind != "teaching_point" or s not in brute.kind or (
            brute.after_kind[s] != kind):  # fmt: skip
            continue
        into, town = brute.merged.get(host), [h for h in able if brute.town[h] == brute.town[s]] or able
        away = {h: abs(lat[h] - lat[s]) for h in town}
        known = [d for d in away.values() if not math.isnan(d)]
        out[s] = {into} if into in able else {h for h in town if not known or away[h] <= min(known) + 1e-9}
    return out


def points(brute: Brute, outcome: Outcome) -> None:
    after = outcome.changed.tables["schools"].set_index("school_id")["host_school_id"]
    told = {s for b in outcome.breaks if b.rule == "points_rehosted" for s in b.where}
    wanted = hosts_wanted(brute)
    assert told == {s for s, hosts in wanted.items() if hosts}
    assert all(after[s] in wanted[s] for s in told), (wanted, after)


def rules(brute: Brute, outcome: Outcome) -> set[str]:
    """Return the rules the documentation calls broken, items of the standard apart."""
    moves, found = outcome.moves.to_dict("records"), set()
    for m in moves:
        if m["overflow"] > 0 and m["to_id"] and not brute.guessed(m["to_id"], m["stage"]):
            found.add("overflow")
        if m["to_id"] == "":
            found.add("no_school")
        elif m["far"] > 0:
            found.add("far" if m["stage"] == "primary" else "far_junior")
        if m["beds_wanted"] > 0:
            found.add("beds")
        longer = not m["minutes_before"] >= m["minutes_after"]
        if m["band"] == "g1_3" and m["minutes_after"] > 30 and longer:
            found.add("young")
    if brute.settings.rezone and outcome.solution["shortfall"] and outcome.broken("breaks"):
        found |= {b.rule for b in outcome.broken("breaks") if b.rule == "overflow"}
    for said in brute.plan.procedure.parents:
        if 2 * said.opposed > said.asked:
            found.add("parents")
    after = outcome.changed.table("school_years", YEAR)
    rows = {(r.school_id, r.stage): r for r in after.itertuples()}
    sums = brute._sums(base.Base(outcome.changed, YEAR, brute.base.basis).groups.to_dict("records"))
    rooms = {key: float(r["classes"]) for key, r in brute.rows.items()}
    was = brute.lacking(brute.before, rooms, lambda key: brute.rows.get(key, {}).get("grades", math.nan))
    now = brute.lacking(sums, brute.classes, lambda key: rows[key].grades if key in rows else math.nan)
    changed = {o.school_id for o in brute.plan.effective if isinstance(o, Resize | Open | ConvertStage)}
    told = {(m["to_id"], m["stage"]) for m in moves if m["overflow"] > 0}
    came = {(m["to_id"], m["stage"]) for m in moves}
    for key, n in now.items():
        if n > was.get(key, 0) and key not in told and (key in came or key[0] in changed) and key in rows:
            found.add("rooms")
    size_before, size = (total(s) for s in (brute.before, sums))
    for school in {s for s, _ in rows if s in brute.after_kind}:
        most = brute.settings.size_cap(brute.after_kind[school] == "nine_year")
        known = all(not math.isnan(r["pupils"]) for (s, _), r in brute.rows.items() if s == school)
        if known and size[school] > most and size[school] > size_before[school]:
            found.add("school_size")
    found |= {"points_without_host"} if not all(hosts_wanted(brute).values()) else set()
    return found | townships(brute)


def total(sums: Any) -> dict[str, float]:
    out: dict[str, float] = defaultdict(float)
    for (school, _), n in sums.items():
        out[school] += n
    return out


def townships(brute: Brute) -> set[str]:
    found = set()
    open_ = [s for s in brute.after_kind if s not in brute.closed]
    tests = {
        "township_junior": lambda kind, s: kind in ("junior", "nine_year"),
        "township_primary": lambda kind, s: kind in ("primary", "nine_year") and brute.rank[s] != "village",
    }
    for rule, fits in tests.items():
        before = {brute.town[s] for s in brute.kind if fits(brute.kind[s], s)}
        after = {brute.town[s] for s in open_ if fits(brute.after_kind[s], s)}
        found |= {rule} if before - after else set()
    return found
