"""What a scenario leads to, by hand: who moves, how far, what goes with them, which rules break."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from balance_lib import access, evaluation, standards
from balance_lib._errors import DataError
from balance_lib.access.distance import straight_m
from balance_lib.locale import catalogue
from balance_lib.scenarios import (
    Attach,
    Boarding,
    BookkeepingError,
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
    Settings,
    ToPoint,
    apply,
    evaluate,
    goods,
)
from tests.scenario_towns import STEP, YEAR, county, going

KM2 = float(straight_m(*np.array([[109.6], [31.0], [109.6], [31.0 + STEP]]))[0])  # one step of the line
TOY = county()  # one object: its ways and its baseline are found once
ONE_ITEM = ("A1",)  # the layout is looked at here; what a standard says of it in the first test
NEW = {"kind": "primary", "name_zh": "新校", "township": "甲镇", "lon": 109.6}


def run(*operations: object, **settings: object) -> Outcome:
    scenario = Scenario("试", "toy", YEAR, operations=operations, settings=Settings(**settings))  # type: ignore[arg-type]
    return evaluate(TOY, scenario, standard="quality_2017", codes=ONE_ITEM)


def rules(outcome: Outcome) -> set[str]:
    return {found.rule for found in outcome.breaks}


def year(outcome: Outcome) -> pd.DataFrame:
    return outcome.changed.table("school_years", YEAR).set_index(["school_id", "stage"])


def test_the_empty_scenario_moves_nobody_and_reproduces_evaluate_to_the_last_digit() -> None:
    toy = county()
    outcome = evaluate(toy, Scenario.empty(toy, YEAR), standard="quality_2017")
    plain = evaluation.evaluate(toy, standards.load("quality_2017"), year=YEAR, measures=access.measures(toy, YEAR))
    assert outcome.moves.empty and outcome.affected.empty and outcome.moved == 0
    assert outcome.changed is toy and apply(toy, Scenario.empty(toy, YEAR)) is toy
    assert outcome.before.as_dict() == outcome.after.as_dict() == plain.as_dict()
    assert outcome.status == "unchanged" and not outcome.broken("breaks")
    assert outcome.costs["change_yuan"].eq(0).all()


def test_keeping_alone_changes_nothing() -> None:
    outcome = run(Keep(school_id="B"))
    assert outcome.moves.empty
    before, after = county().table("school_years", YEAR), outcome.changed.table("school_years", YEAR)
    pd.testing.assert_frame_equal(before.sort_values(["school_id"], ignore_index=True),
                                  after.sort_values(["school_id"], ignore_index=True))  # fmt: skip
    assert outcome.schools.set_index("school_id").at["B", "protected"]


def test_closing_sends_each_village_to_the_nearest_school_with_places() -> None:
    outcome = run(Close(school_id="B"))
    moves = outcome.moves.set_index("band")
    # B stands between A and C, one step from each; both have places; ties go to the first in the table
    assert set(moves["to_id"]) == {"A"} or set(moves["to_id"]) == {"C"}
    assert moves["pupils"].to_dict() == {"g1_3": 18, "g4_6": 12}
    assert moves["metres_before"].tolist() == pytest.approx([0, 0])
    assert moves["extra_m"].tolist() == pytest.approx([KM2, KM2], rel=1e-3)
    assert moves["way_after"].tolist() == ["walk", "walk"]
    book = outcome.bookkeeping
    assert (book.schools_before, book.schools_closed, book.schools_after) == (4, 1, 3)
    assert book.pupils_before == book.pupils_after == 120 + 30 + 18 + 150
    assert ("B", "primary") not in year(outcome).index
    assert "B" not in set(outcome.changed.table("attendance", YEAR)["school_id"])
    closed = outcome.changed.tables["schools"].set_index("school_id")["closed_year"]
    assert closed["B"] == YEAR and closed.drop("B").isna().all()


def test_staff_equipment_and_books_go_with_the_pupils_and_buildings_stay() -> None:
    before, outcome = county().table("school_years", YEAR).set_index("school_id"), run(Merge(school_id="B", into="A"))
    after = year(outcome)
    for column in (
        "pupils",
        "teachers",
        "staff",
        "books",
        "computers",
        "equipment_yuan",
        "teachers_bachelor",
        "graduates",
    ):
        assert after.at[("A", "primary"), column] == before.at["A", column] + before.at["B", column], column
    for column in ("teaching_area_m2", "sports_field_m2", "multimedia_rooms"):
        assert after.at[("A", "primary"), column] == before.at["A", column], column
    goods = outcome.goods.set_index("column")
    assert goods.at["teaching_area_m2", "left_behind"] == before.at["B", "teaching_area_m2"]
    moving = goods.loc[["teachers", "books", "equipment_yuan", "computers"]]
    assert (moving["before"] == moving["after"]).all() and (moving["left_behind"] == 0).all()


def test_a_school_that_runs_empty_by_itself_hands_on_its_staff_and_goods() -> None:
    new = Open(
        school_id="N", lat=31.0 + 2 * STEP, location="rural", rank="village", classes_primary=6, villages=("v2",), **NEW
    )
    outcome = run(new)  # all 18 pupils of C live in v2; nobody has closed C
    before, after = (found.table("school_years", YEAR) for found in (TOY, outcome.changed))
    assert "C" not in set(after["school_id"])
    for name in ("teachers", "staff", "books", "computers", "equipment_yuan"):
        assert after[name].sum() == before[name].sum(), name
    assert year(outcome).at[("N", "primary"), "teachers"] == 4
    assert (outcome.goods["after"] + outcome.goods["left_behind"]).equals(
        outcome.goods["before"] + outcome.goods["given"]
    )


def test_a_closing_can_say_where_teachers_and_books_go() -> None:
    before, outcome = county().table("school_years", YEAR).set_index("school_id"), run(
        Merge(school_id="B", into="A", teachers="C", books="J"))  # fmt: skip
    after = year(outcome)
    assert after.at[("C", "primary"), "teachers"] == before.at["C", "teachers"] + before.at["B", "teachers"]
    assert after.at[("J", "junior"), "books"] == before.at["J", "books"] + before.at["B", "books"]
    assert after.at[("A", "primary"), "computers"] == before.at["A", "computers"] + before.at["B", "computers"]
    assert after.at[("A", "primary"), "teachers"] == before.at["A", "teachers"]


def test_reopening_gives_back_the_baseline_exactly() -> None:
    toy = county()
    again = Scenario.empty(toy, YEAR).with_operations(Merge(school_id="B", into="A"), Open(school_id="B"))
    assert apply(toy, again) is toy
    assert evaluate(toy, again, codes=ONE_ITEM).moves.empty


def test_missing_staff_stays_missing_and_is_not_taken_for_none() -> None:
    toy = county(B={"books": None})
    outcome = evaluate(toy, Scenario("试", "toy", YEAR, operations=(Merge(school_id="B", into="A"),)), codes=ONE_ITEM)
    assert math.isnan(year(outcome).at[("A", "primary"), "books"])
    assert year(outcome).at[("A", "primary"), "teachers"] > 0


def test_a_point_of_three_grades_sends_the_upper_grades_away_with_their_share() -> None:
    outcome = run(ToPoint(school_id="B", top_grade=3))
    assert set(outcome.moves["band"]) == {"g4_6"} and outcome.moved == 12
    after = year(outcome)
    assert after.at[("B", "primary"), "pupils"] == 18
    assert after.at[("B", "primary"), "kind"] == "teaching_point"
    assert after.at[("B", "primary"), "grades"] == 3
    # 6 teachers, 12 of 30 pupils leave: by Webster's method 2 of 6 go
    assert after.at[("B", "primary"), "teachers"] == 4
    book = outcome.bookkeeping
    assert (book.schools_converted, book.points_gained, book.schools_after, book.points_after) == (1, 1, 3, 1)


def test_turning_into_a_whole_point_or_attaching_moves_nobody() -> None:
    for operation in (ToPoint(school_id="B"), Attach(school_id="B", host_id="A")):
        outcome = run(operation)
        assert outcome.moves.empty
        assert outcome.bookkeeping.points_after == 1
        assert year(outcome).at[("B", "primary"), "pupils"] == 30
    attached = run(Attach(school_id="B", host_id="A"))
    assert attached.changed.tables["schools"].set_index("school_id").at["B", "host_school_id"] == "A"
    staff = attached.schools.set_index("school_id")["teachers_needed_after"]
    assert staff["B"] == 0 and staff["A"] == max(math.ceil(150 / 19), 12)  # one staff for both, a teacher a class


def test_a_small_school_is_funded_as_a_hundred() -> None:
    costs = run(Close(school_id="B")).costs.set_index("item")
    # before: A 120, B and C rural and small: 100 each; after: B is gone; its 30 pupils count where they are
    assert costs.at["public_funds_primary", "quantity_before"] == 320
    assert costs.at["public_funds_primary", "quantity_after"] in (250, 220)


def test_places_are_kept_grade_by_grade_and_overflow_is_named() -> None:
    # A cap of 20 gives A 6 × 20 places, all taken; C has 120 places. B's pupils must pass A by.
    outcome = run(Close(school_id="B"), class_cap_primary=20)
    assert set(outcome.moves["to_id"]) == {"C"} and outcome.solution["status"] == "optimal"
    both = run(Close(school_id="B"), Close(school_id="C"), class_cap_primary=20)
    assert both.status == "infeasible" and both.moves["overflow"].sum() == 48
    over = next(found for found in both.breaks if found.rule == "overflow")
    assert over.amount == 48 and over.limit == 120
    assert "1村" in over.sentence("zh") and "48" in over.sentence("zh") and "2村" in over.sentence("zh")
    assert both.bookkeeping.pupils_after == both.bookkeeping.pupils_before


def test_zoned_keeps_a_village_together_and_transport_may_split_it() -> None:
    # Three places a grade band are left at A, many at C: only transport can use them.
    crowded = {"class_cap_primary": 21}
    zoned = run(Close(school_id="B"), **crowded)
    split = run(Close(school_id="B"), assignment="transport", **crowded)
    assert zoned.moves.groupby("village_id")["to_id"].nunique().max() == 1
    assert split.solution["objective_m"] <= zoned.solution["objective_m"] + 1e-6
    assert split.moved == zoned.moved == 30


def test_only_affected_pupils_move_unless_rezoned() -> None:
    toy = county()
    far = toy.tables["attendance"].copy()
    far.loc[far["school_id"] == "B", "village_id"] = "v3"  # they pass C on their way
    toy = toy.with_tables(attendance=far)
    kept = evaluate(toy, Scenario("试", "toy", YEAR, operations=(Keep(school_id="A"),)), codes=ONE_ITEM)
    assert kept.moves.empty
    zones = evaluate(toy, Scenario("试", "toy", YEAR, settings=Settings(rezone=True)), codes=ONE_ITEM)
    assert set(zones.moves["from_id"]) == {"B"} and set(zones.moves["to_id"]) == {"C"}
    assert (zones.moves["extra_m"] < 0).all()
    before = toy.table("school_years", YEAR).set_index("school_id")["teachers"]
    # Zones move no staff, but B has nobody left: its teachers go with its pupils.
    expected = {**before.drop("B"), "C": before["C"] + before["B"]}
    assert year(zones)["teachers"].droplevel("stage").to_dict() == expected
    goods = zones.goods.set_index("column")
    assert goods.at["teachers", "left_behind"] == 0 and "emptied" in rules(zones)


def test_a_bus_takes_pupils_beyond_walking_and_grades_1_to_3_never_board() -> None:
    closing = Merge(school_id="C", into="A")  # 4 km: beyond the 3 km of a plan
    walking = run(closing)
    assert walking.moves["far"].sum() == 18 and "far" in rules(walking)
    ride = run(closing, BusLine(school_id="A", villages=("v2",), minutes=12.0))
    assert ride.moves["riders"].sum() == 18 and ride.moves["minutes_after"].tolist() == [12.0, 12.0]
    assert ride.costs.set_index("item").at["bus_rider", "quantity_after"] == 18
    assert not {"far", "young"} & rules(ride)
    beds = run(closing, Boarding(school_id="A", places=50))
    by = beds.moves.set_index("band")
    assert by.at["g4_6", "boarders_after"] == 6 and by.at["g1_3", "boarders_after"] == 0
    assert by.at["g1_3", "far"] == 12
    assert "12" in next(found for found in beds.breaks if found.rule == "far").sentence("zh")
    few = run(closing, Boarding(school_id="A", places=4))
    short = next(found for found in few.breaks if found.rule == "beds")
    assert short.amount == 2 and "6" in short.mend("zh")
    late = run(closing, Boarding(school_id="A", places=50), boarding_from_grade=5)
    assert late.moves["boarders_after"].sum() == 0  # a band boards as a whole or not at all
    radius = run(closing, bus_minutes=30.0)
    assert radius.moves["riders"].sum() == 18
    # no road in the county: the straight way times the detour, at the speed of the bus
    assert radius.moves["minutes_after"].iloc[0] == pytest.approx(2 * KM2 * 1.4 / (25_000 / 60), rel=1e-3)


def test_young_pupils_on_the_way_for_too_long_are_named() -> None:
    outcome = run(Merge(school_id="C", into="A"), walk_primary_m=9000.0)
    young = next(found for found in outcome.breaks if found.rule == "young")
    assert young.where == ("v2",) and young.limit == 30 and young.amount > 30 and young.new


def test_opening_draws_only_those_for_whom_it_is_nearer_or_who_are_zoned_to_it() -> None:
    toy = county()
    far = toy.tables["attendance"].copy()
    far.loc[far["school_id"] == "C", "village_id"] = "v3"
    toy = toy.with_tables(attendance=far)
    new = Open(
        school_id="N", lat=31.0 + 3 * STEP, classes_primary=6, gives=(("teachers", 4.0), ("books", 300.0)), **NEW
    )
    outcome = evaluate(toy, Scenario("试", "toy", YEAR, operations=(new,)), standard="quality_2017", codes=ONE_ITEM)
    assert set(outcome.moves["from_id"]) == {"C"} and outcome.moved == 18
    assert outcome.moves["metres_after"].max() < 1
    row = year(outcome).loc[("N", "primary")]
    assert row["pupils"] == 18 and math.isnan(row["teaching_area_m2"])
    assert row["teachers"] == 4 + 4  # its own, and those of C
    assert "emptied" in rules(outcome)  # C has nobody left
    goods = outcome.goods.set_index("column")
    assert goods.at["teachers", "given"] == 4
    zoned = dataclasses.replace(new, villages=("v0",))
    outcome = evaluate(toy, Scenario("试", "toy", YEAR, operations=(zoned,)), codes=ONE_ITEM)
    assert set(outcome.moves["from_id"]) == {"A"} and outcome.moved == 120
    assert outcome.bookkeeping.schools_opened == 1
    nobody = run(Open(school_id="N", lat=31.0 + 0.1, classes_primary=6, **NEW))
    assert "opened_empty" in rules(nobody)


def test_a_junior_school_that_becomes_a_primary_sends_its_pupils_elsewhere() -> None:
    gone = run(ConvertStage(school_id="J", to="primary", classes=6))
    assert gone.moves["to_id"].tolist() == ["", ""] and gone.bookkeeping.pupils_unplaced == 150
    assert gone.status == "infeasible" and {"no_school", "township_junior"} <= rules(gone)
    nine = run(ConvertStage(school_id="A", to="nine_year", classes=6, villages=("v2",)))
    assert nine.moves[["from_id", "to_id"]].drop_duplicates().to_numpy().tolist() == [["J", "A"]]
    assert year(nine).at[("A", "junior"), "pupils"] == 20


def test_guards_speak_chinese_and_say_what_would_mend() -> None:
    scenario = Scenario("试", "toy", YEAR, operations=(Close(school_id="B"),),
                        procedure=Procedure(parents=(Parents("B", 20, 11),)))  # fmt: skip
    outcome = evaluate(TOY, scenario, codes=ONE_ITEM)
    assert outcome.status == "forbidden"
    forbidden = outcome.breaks[0]
    assert (forbidden.rule, forbidden.severity, forbidden.where) == ("parents", "forbids", ("B",))
    assert "超过半数" in forbidden.what("zh") and "保留该校" in forbidden.mend("zh")
    assert outcome.sentence("zh").endswith(forbidden.what("zh"))
    half = dataclasses.replace(scenario, procedure=Procedure(parents=(Parents("B", 20, 10),)))
    assert evaluate(TOY, half, codes=ONE_ITEM).status != "forbidden"
    empty = dataclasses.replace(scenario, operations=(Close(school_id="B", forced=False),))
    assert evaluate(TOY, empty, codes=ONE_ITEM).status != "forbidden"
    assert "procedure" in rules(outcome)


def test_the_township_minimum_and_the_size_cap() -> None:
    outcome = run(Close(school_id="A"))
    assert "township_primary" in rules(outcome)
    crowded = run(Merge(school_id="B", into="A"), size_cap_single=140)
    size = next(found for found in crowded.breaks if found.rule == "school_size")
    assert (size.amount, size.limit, size.new) == (150, 140, True)


def test_rooms_that_are_lacking_are_counted_and_must_be_built_first() -> None:
    outcome = run(Merge(school_id="B", into="A"), class_cap_primary=24)  # 26 pupils a grade in 1-3, 24 in 4-6
    assert {"overflow", "built_first"} <= rules(outcome)
    assert outcome.costs.set_index("item").at["classroom", "quantity_after"] == 3
    resized = run(Merge(school_id="B", into="A"), Resize(school_id="A", classes=12), class_cap_primary=24)
    assert "overflow" not in rules(resized)
    assert resized.costs.set_index("item").at["classroom", "quantity_after"] == 6


def test_estimated_attendance_keeps_each_roll_and_proves_nothing() -> None:
    toy = county(attendance=False)
    outcome = evaluate(toy, Scenario("试", "toy", YEAR, operations=(Keep(school_id="A"),)), standard="wuxi_2016")
    made = outcome.baseline.table("attendance", YEAR)
    rolls = toy.table("school_years", YEAR).set_index("school_id")["pupils"]
    assert made.groupby("school_id")["pupils"].sum().to_dict() == rolls.to_dict()
    assert outcome.basis == "estimated" and outcome.as_dict()["attendance"] == "estimated"
    plain = evaluation.evaluate(toy, standards.load("wuxi_2016"), year=YEAR)
    assert outcome.before.counts() == plain.counts() == outcome.after.counts()


def test_pupils_of_unknown_home_move_with_their_school() -> None:
    toy = county()
    known = toy.tables["attendance"]
    toy = toy.with_tables(attendance=known[~((known["school_id"] == "B") & (known["band"] == "g1_3"))])
    outcome = evaluate(toy, Scenario("试", "toy", YEAR, operations=(Merge(school_id="B", into="A"),)), codes=ONE_ITEM)
    assert outcome.moved == 30 and "unknown_way" in rules(outcome)
    assert year(outcome).at[("A", "primary"), "pupils"] == 150
    assert "住址不明" in outcome.as_dict("zh")["breaks"][-1]["what"] or outcome.affected["village"].isna().any()


def test_attendance_beyond_enrolment_is_refused_only_where_it_matters() -> None:
    rows = pd.DataFrame([going("v3", "B", "g1_3", 5)])
    toy = county()
    toy = toy.with_tables(attendance=pd.concat([toy.tables["attendance"], rows]))
    with pytest.raises(ValueError, match="B"):
        evaluate(toy, Scenario("试", "toy", YEAR, operations=(Close(school_id="B"),)))
    assert evaluate(toy, Scenario("试", "toy", YEAR, operations=(Close(school_id="C"),)), codes=ONE_ITEM).moved == 18


def test_bookkeeping_refuses_what_does_not_add_up() -> None:
    book = run(Close(school_id="B")).bookkeeping
    book.check()
    for change in ({"schools_after": 4}, {"points_after": 1}, {"pupils_after": 317.0}, {"schools_closed": 0}):
        with pytest.raises(BookkeepingError):
            dataclasses.replace(book, **change).check()
    assert "4 所 − 撤并 1" in book.sentence("zh")


def test_affected_come_worst_first_and_no_group_is_hidden() -> None:
    outcome = run(Close(school_id="C"), Merge(school_id="B", into="A"))
    assert outcome.affected["village_id"].tolist() == ["v2", "v1"]
    assert outcome.affected["worst_metres"].is_monotonic_decreasing
    shares = outcome.shares.set_index(["by", "group"])
    assert shares.at[("location", "rural"), "share"] == 1.0 and shares.at[("location", "town"), "moved"] == 0
    assert shares.at[("township", "甲镇"), "moved"] == 48
    coverage = outcome.coverage.set_index(["when", "stage"])
    assert coverage.at[("before", "primary"), "within_share"] == 1.0
    assert coverage.at[("after", "primary"), "far"] == 18


def test_the_outcome_is_plain_json_in_both_languages() -> None:
    import json

    outcome = run(Close(school_id="B"), Close(school_id="C"), class_cap_primary=20)
    for lang in ("zh", "en"):
        told = json.loads(json.dumps(outcome.as_dict(lang), allow_nan=False, ensure_ascii=False))
        assert told["status"] == "infeasible" and told["sentence"] == outcome.sentence(lang)
        assert told["bookkeeping"]["schools_after"] == 2
        for found in told["breaks"]:
            assert found["what"] and found["mend"] and "{" not in found["what"] + found["mend"]


def test_every_rule_has_both_texts() -> None:
    keys = {key.split(".")[2] for key in catalogue("zh") if key.startswith("scenarios.break.")}
    for key in keys:
        for part in ("what", "mend"):
            assert f"scenarios.break.{key}.{part}" in catalogue("en")


def test_a_school_whose_roll_is_not_known_is_not_called_emptied() -> None:
    toy = county(attendance=False, C={"pupils": None, "pupils_in_zone": None})
    outcome = evaluate(toy, Scenario("试", "toy", YEAR, operations=(Close(school_id="B"),)), codes=ONE_ITEM)
    assert math.isnan(outcome.schools.set_index("school_id").at["C", "pupils_before"])
    assert "emptied" not in rules(outcome)


# ---- what is not known ----------------------------------------------------------------------------------------------


def test_pupils_of_unknown_home_are_there_in_the_target_year_too() -> None:
    table = TOY.tables["attendance"]
    unknown = TOY.with_tables(attendance=table[table["school_id"] != "J"])
    plan = Scenario(name="t", county_id=TOY.county_id, year=YEAR, target_year=YEAR + 1)
    told, found = (evaluate(town, plan, codes=ONE_ITEM) for town in (TOY, unknown))
    rolls = [outcome.schools.set_index("school_id").loc["J"] for outcome in (told, found)]
    assert rolls[1]["pupils_before"] == pytest.approx(rolls[0]["pupils_before"], rel=0.1) and rolls[1]["pupils_before"]
    share = rolls[1]["boarders_before"] / rolls[1]["pupils_before"]
    assert share == pytest.approx(20 / 150, abs=0.01)  # as on the roll
    assert found.coverage.set_index(["when", "stage"]).loc[("before", "junior"), "unknown"] > 0


def test_a_school_whose_roll_nobody_counted_neither_takes_nor_gives_pupils() -> None:
    town = county(B={"pupils": None})
    closing = Scenario.empty(town, YEAR).with_operations(Close(school_id="C"))
    assert set(evaluate(town, closing, codes=ONE_ITEM).moves["to_id"]) == {"A"}  # B would be nearer
    for operation in (Close(school_id="B"), Merge(school_id="C", into="B")):
        with pytest.raises(DataError) as told:
            evaluate(town, Scenario.empty(town, YEAR).with_operations(operation), codes=ONE_ITEM)
        assert [fault.rule for fault in told.value.faults] == ["scenario_untold"]


def test_a_school_that_gives_and_takes_hands_on_its_own_alone() -> None:
    town = county(A={"classes": 3, "classes_1_25": 3})
    plan = Scenario(
        name="t", county_id=town.county_id, year=YEAR, settings=Settings(assignment="transport"),
        operations=(Close(school_id="B"), ToPoint(school_id="C", top_grade=3)),
    )  # fmt: skip
    found = evaluate(town, plan, codes=ONE_ITEM)
    from_b = found.moves[found.moves["from_id"] == "B"].groupby("to_id")["pupils"].sum()
    assert from_b["C"] > 0
    own = goods._divided(4, [6, 12])  # 6 of C's 18 leave for A
    brought = goods._divided(6, [from_b["A"], from_b["C"]])  # B's six teachers go with its thirty
    rows = found.changed.tables["school_years"].set_index("school_id")
    assert rows.at["C", "teachers"] == own[1] + brought[1]
    assert rows.at["A", "teachers"] == 15 + own[0] + brought[0]


def test_what_goes_with_pupils_no_school_takes_in_goes_nowhere() -> None:
    schools = TOY.tables["schools"]
    town = TOY.with_tables(schools=schools.assign(kind=schools["kind"].where(schools["school_id"] != "B", "special")))
    found = evaluate(town, Scenario.empty(town, YEAR).with_operations(Close(school_id="B")), codes=ONE_ITEM)
    assert found.moves["to_id"].eq("").all() and found.moved == 30
    rows, book = found.changed.tables["school_years"].set_index("school_id"), found.goods.set_index("column")
    assert rows.at["A", "pupils_in_zone"] == rows.at["A", "pupils"] == 120  # as before, not 150 of 120
    assert book.at["pupils_in_zone", "left_behind"] == 30
    assert rows["teachers"].sum() == TOY.tables["school_years"]["teachers"].sum()  # the staff serve elsewhere
