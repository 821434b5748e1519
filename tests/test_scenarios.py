"""A scenario is readable YAML, round trips, and every fault of it is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from balance_lib._errors import DataError
from balance_lib.scenarios import (
    Attach,
    Boarding,
    BusLine,
    Close,
    ConvertStage,
    Keep,
    Merge,
    Open,
    Parents,
    Procedure,
    ProcedureStep,
    Resize,
    Scenario,
    Settings,
    ToPoint,
    check,
    default,
    evaluate,
    unit_costs,
)
from balance_lib.scenarios.classes import _sizes
from balance_lib.scenarios.goods import _divided
from tests.scenario_towns import YEAR, county

EVERY = (
    Keep(school_id="C", note="应留必留"),
    Close(school_id="B", books="A"),
    Merge(school_id="D", into="A"),
    ToPoint(school_id="E", top_grade=3),
    Attach(school_id="F", host_id="A"),
    Open(school_id="N", name_zh="新校", kind="primary", township="甲镇", lon=109.6, lat=31.0, classes_primary=6,
         villages=("v1", "v2"), gives=(("teachers", 9.0), ("books", 800.0))),
    Resize(school_id="A", stage="primary", classes=12),
    ConvertStage(school_id="J", to="nine_year", classes=6, villages=("v0",)),
    Boarding(school_id="J", places=60),
    BusLine(school_id="A", villages=("v2",), minutes=12.5),
)  # fmt: skip


def test_yaml_gives_back_the_same_scenario() -> None:
    procedure = Procedure(
        (ProcedureStep("argued", True, "2020-05-01", "论证报告"), *Procedure().steps[1:]), (Parents("B", 30, 4),)
    )
    settings = Settings(assignment="transport", walk_primary_m=2500.0, bus_minutes=30.0, unit_costs=(("site", 5.0),))
    whole = Scenario("试", "toy", YEAR, 2025, EVERY, settings, procedure, "说明")
    again = Scenario.from_yaml(whole.to_yaml())
    assert again == whole
    assert hash(again) == hash(whole)
    assert again.to_yaml() == whole.to_yaml()
    assert Scenario.from_dict(whole.as_dict()) == whole


def test_yaml_is_one_operation_a_line_and_says_where_goods_go() -> None:
    text = Scenario("试", "toy", YEAR, operations=EVERY).to_yaml()
    lines = [line for line in text.splitlines() if line.startswith("- {")]
    assert len(lines) == len(EVERY)
    assert lines[1] == "- {close: B, teachers: with_pupils, equipment: with_pupils, books: A}"
    assert "- {attach: F, to: A}" in lines
    assert text.count("done: false") == 5  # the whole procedure stands in every scenario


def test_every_fault_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "county: toy\nyear: 2020.5\ncolour: red\nsettings: {rezone: 1, walk: 3}\n"
        "operations:\n- {close: A, why: x}\n- {explode: B}\n- {merge: C}\n- {resize: A, classes: many}\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as raised:
        Scenario.from_yaml(file)
    found = {(fault.rule, fault.column, fault.row) for fault in raised.value.faults}
    assert found == {
        ("whole", "year", None), ("scenario_unknown", "colour", None), ("scenario_unknown", "walk", None),
        ("scenario_value", "rezone", None), ("scenario_operation", "why", 1), ("scenario_operation", "explode", 2),
        ("scenario_operation", "into", 3),
    } | {f for f in found if f[2] == 4}  # fmt: skip
    assert {f[0] for f in found if f[2] == 4} == {"scenario_value"}


def test_conflicts_and_cycles_are_told_at_once() -> None:
    scenario = Scenario("试", "toy", YEAR, 2040, (
        Keep(school_id="B"), Close(school_id="B"), Merge(school_id="A", into="C"), Merge(school_id="C", into="A"),
        Close(school_id="X"), Resize(school_id="B", classes=3), ToPoint(school_id="J"),
        Open(school_id="A", kind="primary"),
        BusLine(school_id="J", villages=("v9",), minutes=10.0), Close(school_id="J", teachers="B"),
    ), Settings(boarding_from_grade=2, births_percent=-100.0))  # fmt: skip
    found = {(fault.rule.removeprefix("scenario_"), fault.row) for fault in check(county(), scenario)}
    assert {("target", None), ("young_board", None), ("births", None), ("conflict", 2), ("cycle", 3), ("cycle", 4),
            ("school", 5), ("conflict", 6), ("not_primary", 7), ("open_already", 8), ("village", 9), ("conflict", 10),
            ("receiver_closes", 10)} <= found  # fmt: skip
    for fault in check(county(), scenario):
        assert fault.sentence("zh") and fault.sentence("en")


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        (Merge(school_id="B", into="B"), "itself"),
        (Merge(school_id="B", into="J"), "stage_lacking"),
        (ToPoint(school_id="B", top_grade=4), "top_grade"),
        (Attach(school_id="J", host_id="A"), "not_primary"),
        (ConvertStage(school_id="B", to="special"), "convert_to"),
        (Resize(school_id="B", stage="senior", classes=1), "stage"),
        (Resize(school_id="B", classes=0), "positive"),
        (BusLine(school_id="B", villages=("v0",)), "positive"),
        (Open(school_id="N", kind="primary", lon=1.0, lat=1.0, classes_primary=6), "open_needs"),
        (Open(school_id="N", kind="special", name_zh="a", township="b", lon=1.0, lat=1.0, classes_primary=1),
         "open_kind"),
    ],
)  # fmt: skip
def test_each_operation_is_checked(operation: object, rule: str) -> None:
    found = check(county(), Scenario("试", "toy", YEAR, operations=(operation,)))  # type: ignore[arg-type]
    assert [fault.rule for fault in found] == [f"scenario_{rule}"] * len(found)
    assert found


def test_a_scenario_of_another_county_or_year_is_refused() -> None:
    rules = {fault.rule for fault in check(county(), Scenario.empty("elsewhere", 1999))}
    assert rules == {"scenario_county", "scenario_year"}


def test_a_plan_that_leaves_no_school_is_refused_in_words() -> None:
    town = county()
    every = tuple(Close(school_id=school) for school in town.tables["schools"]["school_id"])
    with pytest.raises(DataError, match="没有一所学校还有学生") as told:
        evaluate(town, Scenario("空", "toy", YEAR, operations=every))
    assert [fault.rule for fault in told.value.faults] == ["scenario_none_left"]


def test_an_opening_takes_a_closing_back() -> None:
    scenario = Scenario.empty("toy", YEAR).with_operations(Close(school_id="B"), Open(school_id="B"))
    assert scenario.effective == ()
    assert scenario.is_empty
    assert not check(county(), scenario)


def test_goods_are_divided_to_the_last_piece() -> None:
    assert _divided(7, [2, 1, 1]).tolist() == [3, 2, 2]
    assert _divided(0.5, [1, 2]).tolist() == [0, 0.5]
    assert _divided(100_003, [1, 1, 1]).sum() == 100_003


def test_classes_are_formed_grade_by_grade() -> None:
    assert _sizes({"g1_3": 138.0, "g4_6": 90.0}, 6, 6, 45) == [23, 23, 23, 23, 23, 23, 30, 30, 30]  # 46 a grade splits
    assert _sizes({"g1_3": 9.0, "g4_6": 6.0}, 6, 1, 45) == [15]  # one multi-grade class stays one


def test_every_default_names_its_source_and_is_marked_unless_verified() -> None:
    assert default("class_cap_primary") == 45
    assert default("small_school") == 100
    for spec in unit_costs().values():
        assert spec["source"] and spec["unit"] and "verified" in spec
    assert Settings(unit_costs=(("site", 1.0),)).unit_cost("site") == 1.0
