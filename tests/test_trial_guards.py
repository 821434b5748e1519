"""Every guard of the consolidation page: what a planner does to trigger it, and what he then reads in Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.locale import catalogue
from balance_lib.scenarios import Boarding, ConvertStage, Open, Parents, Procedure, Resize
from balance_lib.scenarios.board import State
from balance_lib.show.widgets import trial_views
from balance_lib.show.widgets.trial import Trial
from tests import scenario_towns, towns
from tests.scenario_towns import STEP, YEAR

QUALITY = standards.load("quality_2017")
NEW = {"kind": "primary", "name_zh": "新校", "township": "甲镇", "lon": 109.6, "location": "rural", "rank": "village"}
Act = Callable[[Trial], None]


def close(*schools: str, **sliders: float) -> Act:
    """Click schools shut, then move sliders."""

    def act(made: Trial) -> None:
        for school in schools:
            made.act(school, "close")
        made.change(sliders=State(**sliders))  # type: ignore[arg-type]

    return act


def merge(school: str, into: str, *more: object, **sliders: float) -> Act:
    """Merge a school into another, with further measures, then move sliders."""

    def act(made: Trial) -> None:
        made.act(school, "merge", into)
        made.change(made.decided.with_operations(*more), State(**sliders))  # type: ignore[arg-type]

    return act


def add(*operations: object, **settings: object) -> Act:
    return lambda made: made.change(made.decided.with_operations(*operations).with_settings(**settings))  # type: ignore[arg-type]


def opposed(made: Trial) -> None:
    made.act("B", "close")
    made.change(replace(made.decided, procedure=Procedure(parents=(Parents("B", 20, 11),))))


def with_second_junior() -> County:
    """Return the toy county with another junior school, 16 km off."""
    toy, far = scenario_towns.county(), towns.school("K", kind="junior", lat=31.0 + 8 * STEP)
    row = towns.school_year("K", stage="junior", year=YEAR, pupils=120, grades=3, classes=12)
    schools = [*scenario_towns.school_rows(), far]
    going = [*scenario_towns.attendance_rows(), scenario_towns.going("v3", "K", "g7_9", 120)]
    made = towns.county(
        schools, [*scenario_towns.year_rows(), row], villages=scenario_towns.village_rows(), attendance=going
    )
    return made.with_tables(townships=toy.tables["townships"])


def of_unknown_home() -> County:
    toy = scenario_towns.county()
    known = toy.tables["attendance"]
    return toy.with_tables(attendance=known[~((known["school_id"] == "B") & (known["band"] == "g1_3"))])


def with_point() -> County:
    """Return the toy county with a teaching point that school B runs."""
    toy, at = scenario_towns.county(), {"lat": 31.0 + 3 * STEP, "lon": 109.6}
    point = towns.school("P", kind="teaching_point", rank="village", location="rural", host_school_id="B", **at)
    row = towns.school_year("P", year=YEAR, pupils=9, grades=3, classes=1)
    going = [*scenario_towns.attendance_rows(), scenario_towns.going("v3", "P", "g1_3", 9)]
    rows = [*scenario_towns.year_rows(), row]
    made = towns.county(
        [*scenario_towns.school_rows(), point], rows, villages=scenario_towns.village_rows(), attendance=going
    )
    return made.with_tables(townships=toy.tables["townships"])


# rule: what is done, the words of it (a school, a village, a township or a number), and the county if not the toy.
GUARDS: dict[str, tuple[Act, str, Callable[[], County]]] = {
    "parents": (opposed, "11", scenario_towns.county),
    "procedure": (close("B"), "论证", scenario_towns.county),
    "built_first": (merge("B", "A", class_cap_primary=24), "3间", scenario_towns.county),
    "points_rehosted": (merge("B", "A"), "P校原由拟撤学校管理，撤并后改由A校管理", with_point),
    "points_without_host": (close("A", "B", "C"), "没有公办小学可以管理", with_point),
    "no_school": (close("A", "B", "C"), "90名", scenario_towns.county),
    "overflow": (close("B", "C", class_cap_primary=20), "48名", scenario_towns.county),
    "places_unknown": (merge("B", "A"), "A校", lambda: scenario_towns.county(A={"classes": None})),
    "far": (close("C", walk_primary_m=1000), "2村", scenario_towns.county),
    "far_junior": (close("J"), "16.0公里", with_second_junior),
    "beds": (merge("C", "A", Boarding(school_id="A", places=4)), "6个", scenario_towns.county),
    "young": (merge("C", "A", walk_primary_m=9000), "30分钟", scenario_towns.county),
    "rooms": (add(Resize(school_id="A", stage="primary", classes=2)), "3个班", scenario_towns.county),
    "school_size": (merge("B", "A"), "2,000人", lambda: crowded()),
    "township_junior": (close("J"), "甲镇", scenario_towns.county),
    "township_primary": (close("A"), "甲镇", scenario_towns.county),
    "item": (merge("B", "A"), "达标变为未达标", lambda: crowded()),
    "opened_empty": (
        add(Open(school_id="N", lat=31.1, classes_primary=6, **NEW)), "新校", scenario_towns.county,  # type: ignore[arg-type]
    ),
    "emptied": (
        add(Open(school_id="N", lat=31.0 + 2 * STEP, classes_primary=6, villages=("v2",), **NEW)),  # type: ignore[arg-type]
        "C", scenario_towns.county,
    ),
    "unknown_roll": (close("B"), "C校", lambda: scenario_towns.county(C={"pupils": None})),
    "unknown_way": (merge("B", "A"), "住址不明", of_unknown_home),
}  # fmt: skip


def crowded() -> County:
    """Return the toy county with a central school just below the size cap."""
    toy = scenario_towns.county(A={"pupils": 1990, "classes": 48})
    table = toy.tables["attendance"].copy()
    table.loc[table["school_id"] == "A", "pupils"] = 995
    return toy.with_tables(attendance=table)


def test_every_rule_there_is_has_its_case() -> None:
    assert set(GUARDS) == {key.split(".")[2] for key in catalogue("zh") if key.startswith("scenarios.break.")}


@pytest.mark.parametrize("rule", sorted(GUARDS))
def test_a_guard_can_be_triggered_and_reads_clearly(rule: str) -> None:
    act, words, county = GUARDS[rule]
    made = Trial(county(), YEAR, QUALITY)
    assert rule not in {b.rule for b in made.today().breaks}
    act(made)
    found = made.outcome()
    mine = [b for b in found.breaks if b.rule == rule]
    assert mine, {b.rule for b in found.breaks}
    said = "".join(b.sentence("zh") for b in mine)
    assert words in said, said
    assert not re.search(r"[{}]|nan|None|scenarios\.|_", said), said
    shown = trial_views._rules(found, "zh")
    assert any(b.mend("zh") in shown for b in mine) or len(found.breaks) > trial_views.MOST_BREAKS
    assert all(b.sentence("en") != b.sentence("zh") for b in mine)


def test_a_scenario_that_cannot_be_carried_out_names_the_villages_and_the_shortfall() -> None:
    made = Trial(scenario_towns.county(), YEAR, QUALITY)
    close("B", "C", class_cap_primary=20)(made)
    found = made.outcome()
    assert found.status == "infeasible"
    said = next(b for b in found.breaks if b.rule == "overflow").sentence("zh")
    assert "1村" in said and "2村" in said and "48" in said


def test_undoing_takes_the_guard_back() -> None:
    made = Trial(scenario_towns.county(), YEAR, QUALITY)
    made.act("A", "close")
    assert "township_primary" in {b.rule for b in made.outcome().breaks}
    made.undo()
    assert not made.outcome().broken("breaks")


def test_a_stage_taken_up_without_rooms_is_no_way_out() -> None:
    made = Trial(scenario_towns.county(), YEAR, QUALITY)
    add(ConvertStage(school_id="J", to="primary", classes=6))(made)
    assert {"no_school", "township_junior"} <= {b.rule for b in made.outcome().breaks}
