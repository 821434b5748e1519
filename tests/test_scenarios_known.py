"""What a scenario may not say: a roll nobody recorded is no zero, a need nobody met is a broken rule."""

from __future__ import annotations

import html
import math
from typing import Any

import pytest

from balance_lib._errors import DataError
from balance_lib.data.county import County
from balance_lib.locale import text
from balance_lib.planning.siting import Goals, propose
from balance_lib.scenarios import (
    Attach,
    Boarding,
    BusLine,
    Close,
    ConvertStage,
    Keep,
    Merge,
    Open,
    Operation,
    Parents,
    Procedure,
    ProcedureStep,
    Resize,
    Scenario,
    Settings,
    ToPoint,
    check,
    evaluate,
)
from balance_lib.scenarios.board import Board, State
from balance_lib.scenarios.breaks import _apart
from balance_lib.show.widgets import trial_views
from tests import scenario_towns, towns
from tests.scenario_towns import STEP, YEAR, county

ONE_ITEM = ("S1",)
NEEDS_ROLL: list[Operation] = [
    Close(school_id="B"), Merge(school_id="B", into="A"), Merge(school_id="C", into="B"),
    ToPoint(school_id="B", top_grade=3), ToPoint(school_id="B"), Attach(school_id="B", host_id="A"),
    Attach(school_id="C", host_id="B"), Resize(school_id="B", classes=1),
    ConvertStage(school_id="B", to="nine_year", classes=3, villages=("v1",)),
]  # fmt: skip


def plan(*operations: Operation, **more: Any) -> Scenario:
    return Scenario("试", "toy", YEAR, operations=operations, **more)


def rules(outcome: Any) -> set[str]:
    return {b.rule for b in outcome.broken()}


@pytest.mark.parametrize("attendance", [True, False], ids=["recorded", "estimated"])
@pytest.mark.parametrize("operation", NEEDS_ROLL, ids=lambda o: f"{o.verb}-{o.school_id}")
def test_what_depends_on_a_roll_nobody_recorded_is_refused(operation: Operation, attendance: bool) -> None:
    town = county(attendance=attendance, B={"pupils": None})
    assert [fault.rule for fault in check(town, plan(operation))] == ["scenario_untold"]
    with pytest.raises(DataError):
        evaluate(town, plan(operation), codes=ONE_ITEM)


@pytest.mark.parametrize("attendance", [True, False], ids=["recorded", "estimated"])
def test_sliders_never_close_a_school_whose_roll_nobody_recorded(attendance: bool) -> None:
    town = county(attendance=attendance, B={"pupils": None})
    board = Board(town, Scenario.empty(town, YEAR))
    assert "B" not in board.tick(State(minimum_enrolment=1e6, closed=frozenset("B"))).closed


@pytest.mark.parametrize("attendance", [True, False], ids=["recorded", "estimated"])
def test_an_uncounted_school_costs_its_site_before_and_after_and_is_named(attendance: bool) -> None:
    town = county(attendance=attendance, B={"pupils": None})
    for kept in (
        Keep(school_id="B"),
        Boarding(school_id="B", places=3),
        BusLine(school_id="B", villages=("v1",), minutes=9),
    ):
        assert not check(town, plan(kept))
    outcome = evaluate(town, plan(Close(school_id="C")), codes=ONE_ITEM)
    costs = outcome.costs.set_index("item")[["quantity_before", "quantity_after"]]
    assert costs.loc["site"].tolist() == [4, 3] and costs.loc["office"].tolist() == [4, 3]
    reminder = next(b for b in outcome.breaks if b.rule == "unknown_roll")
    assert reminder.where == ("B",) and "B校" in reminder.what("zh") and "B校" in reminder.what("en")


def test_a_county_without_any_roll_says_so() -> None:
    town = county(attendance=False, **{s: {"pupils": None} for s in "ABCJ"})
    for scenario in (Scenario.empty(town, YEAR), plan(Keep(school_id="A"))):
        with pytest.raises(DataError) as told:
            evaluate(town, scenario, codes=ONE_ITEM)
        assert [fault.rule for fault in told.value.faults] == ["scenario_no_rolls"]
        assert str(YEAR) in told.value.faults[0].sentence("zh")
    with pytest.raises(DataError):
        Board(town, Scenario.empty(town, YEAR))


def test_a_county_without_any_roll_whose_attendance_is_recorded_is_judged_as_it_is() -> None:
    town = county(**{s: {"pupils": None} for s in "ABCJ"})
    outcome = evaluate(town, Scenario.empty(town, YEAR), codes=ONE_ITEM)
    assert outcome.status == "unchanged" and outcome.schools["pupils_before"].isna().all()


def through(*stages: str) -> County:
    """Return a county whose nine-year school T reports these stages, beside the primary school S."""
    schools = [towns.school("T", kind="nine_year"), towns.school("S", lat=31.42)]
    years = [towns.school_year("T", stage=stage, year=YEAR, grades=6 if stage == "primary" else 3) for stage in stages]
    years.append(towns.school_year("S", year=YEAR))
    villages = [{"village_id": "v", "name_zh": "村", "township": "甲镇", "lon": 109.6, "lat": 31.4}]
    return towns.county(schools, years, villages=villages)


def test_a_through_school_that_reports_one_stage_has_pupils_nobody_counted() -> None:
    assert not check(through("primary", "junior"), plan(Close(school_id="T")))
    assert [f.rule for f in check(through("primary"), plan(Close(school_id="T")))] == ["scenario_untold"]


@pytest.mark.parametrize(("classes", "allowed"), [(1, False), (4, False), (5, True), (12, True)])
def test_a_resize_is_measured_against_the_need(classes: int, allowed: bool) -> None:
    """School A has 120 pupils: at a cap of 25 five classes do, grades sharing them."""
    given = plan(Resize(school_id="A", classes=classes)).with_settings(class_cap_primary=25)
    outcome = evaluate(county(), given, codes=ONE_ITEM)
    assert (outcome.status == "allowed") == allowed
    assert ("rooms" in rules(outcome)) != allowed


def test_who_lacked_rooms_before_breaks_the_rule_anew_only_with_fewer() -> None:
    """School A needs 12 classes at a cap of 15 and has 6; with 8 it lacks fewer than before, with 5 more."""
    for classes, status in ((8, "allowed"), (5, "breaks_rules")):
        given = plan(Resize(school_id="A", classes=classes)).with_settings(class_cap_primary=15)
        assert evaluate(county(), given, codes=ONE_ITEM).status == status


def with_special() -> County:
    """Return the toy county with a special school P at school B."""
    rows = [*scenario_towns.school_rows(), towns.school("P", kind="special", lat=31.0 + STEP)]
    years = [*scenario_towns.year_rows(), towns.school_year("P", year=YEAR, pupils=20)]
    years.append(towns.school_year("P", stage="junior", year=YEAR, pupils=10, grades=3))
    return towns.county(rows, years, villages=scenario_towns.village_rows())


@pytest.mark.parametrize("ends", [("B", "P"), ("P", "A")])
def test_special_and_ordinary_schools_are_not_merged(ends: tuple[str, str]) -> None:
    found = check(with_special(), plan(Merge(school_id=ends[0], into=ends[1])))
    assert [fault.rule for fault in found] == ["scenario_special"]
    assert "特殊" in found[0].sentence("zh") and "special" in found[0].sentence("en")


def test_a_special_school_does_not_become_an_ordinary_one() -> None:
    found = check(with_special(), plan(ConvertStage(school_id="P", to="primary", classes=2)))
    assert [fault.rule for fault in found] == ["scenario_special_convert"]


def closed_last_year() -> County:
    """Return the toy county whose school B ran until the year before, with eight classes."""
    town = county()
    years = town.tables["school_years"]
    gone = years["school_id"] == "B"
    years = years.assign(year=years["year"].where(~gone, YEAR - 1), classes=years["classes"].where(~gone, 8.0))
    going = town.tables["attendance"]
    schools = town.tables["schools"].copy()
    schools.loc[schools["school_id"] == "B", "closed_year"] = float(YEAR)
    return town.with_tables(school_years=years, attendance=going[going["school_id"] != "B"], schools=schools)


def test_a_closed_school_opens_again_with_the_classes_it_had() -> None:
    outcome = evaluate(closed_last_year(), plan(Open(school_id="B", villages=("v2",))), codes=ONE_ITEM)
    row = outcome.schools.set_index("school_id").loc["B"]
    assert row["state"] == "opened" and row["kind_after"] == "primary" and row["pupils_after"] == 18
    assert outcome.layout["opened"].sum() == 1
    given = evaluate(closed_last_year(), plan(Open(school_id="B", villages=("v2",), classes_primary=3)), codes=ONE_ITEM)
    places = [o.schools.set_index("school_id").at["B", "places_after"] for o in (outcome, given)]
    assert places == [6 * 45, 134]  # eight classes make one a grade; three are shared by six grades


def test_an_opening_after_a_closing_takes_it_back_and_says_nothing_else() -> None:
    assert plan(Close(school_id="B"), Open(school_id="B")).is_empty
    found = check(county(), plan(Close(school_id="B"), Open(school_id="B", classes_primary=6)))
    assert {"scenario_open_already", "scenario_conflict"} == {fault.rule for fault in found}


def procedure(*done: str) -> Procedure:
    return Procedure(tuple(
        ProcedureStep(name, name in done, f"2024-0{i}-01" if name in done else "")
        for i, name in enumerate(("argued", "heard", "published", "approved", "built_first"), 1)
    ))  # fmt: skip


def test_the_procedure_tells_what_is_done_with_its_date_and_what_is_due() -> None:
    said = {}
    for name, done in {
        "none": (),
        "part": ("argued", "heard"),
        "all": ("argued", "heard", "published", "approved"),
    }.items():
        outcome = evaluate(county(), plan(Close(school_id="B"), procedure=procedure(*done)), codes=ONE_ITEM)
        assert outcome.status == "allowed"
        said[name] = outcome.sentence("zh"), [b.what("zh") for b in outcome.breaks if b.rule == "procedure"]
    assert said["none"][0].endswith("仍须履行论证、听证、公示、报批程序。")
    assert said["part"][0].endswith("已完成论证（2024-01-01）、听证（2024-02-01），仍须履行公示、报批程序。")
    assert said["part"][1] == [
        "撤并或改办1所学校，已完成：论证（2024-01-01）、听证（2024-02-01）；尚未完成：公示、报批。"
    ]
    assert "须" not in said["all"][0] and "报批（2024-04-01）均已完成。" in said["all"][0]
    assert said["all"][1] == []


def test_what_closes_no_school_needs_no_procedure() -> None:
    said = evaluate(county(), plan(Resize(school_id="A", classes=7)), codes=ONE_ITEM).sentence("zh")
    assert said.endswith("未发现违反规定之处。")


def test_a_figure_and_its_limit_are_told_apart_with_as_few_decimals_as_do() -> None:
    assert _apart(4.0, 3.0, 1) == ("4.0", "3")
    assert _apart(3.04, 3.0, 1) == ("3.04", "3")
    assert _apart(30.2, 30.0, 0) == ("30.2", "30")
    assert _apart(48.6, 30.0, 0) == ("49", "30")


def test_a_way_grown_longer_beyond_the_limit_is_a_rule_broken_anew() -> None:
    """Pupils of v2 walk 24 minutes' worth beyond the half hour already; farther still is a new breach."""
    town = county()
    outcome = evaluate(
        town, plan(Merge(school_id="C", into="A")).with_settings(young_minutes=1.0, walk_primary_m=9e3), codes=ONE_ITEM
    )
    assert "young" in rules(outcome)
    assert not math.isnan(outcome.moved)
    assert Parents("B", 3, 1).majority_opposed is False


def test_a_county_whose_last_pupils_leave_is_told_and_does_not_crash() -> None:
    """The only school with a roll closes: nobody is left for whom to look for classes that lack."""
    rows = [towns.school_year("A", year=2020, pupils=40), towns.school_year("J", "junior", 2020, pupils=None, grades=3)]
    only = towns.county(
        [towns.school("A"), towns.school("J", kind="junior")], rows,
        villages=[{"village_id": "v", "name_zh": "村", "township": "甲镇", "lon": 109.6, "lat": 31.4}],
        attendance=[{"village_id": "v", "school_id": "A", "stage": "primary", "band": "g1_3", "year": 2020,
                     "pupils": 40, "boarders": 0}],
    )  # fmt: skip
    plan = Scenario.empty(only, 2020).with_operations(Close(school_id="A"))
    found = evaluate(only, plan, standard="quality_2017", codes=("S1",))
    assert "no_school" in {b.rule for b in found.broken("breaks")} and found.bookkeeping.pupils_unplaced == 40


def without_villages(**changes: Any) -> County:
    town = county(attendance=False, **changes)
    return town.with_tables(villages=town.tables["villages"].iloc[:0], village_years=town.tables["village_years"][:0])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_villages_rolls_move_whole_and_nothing_is_said_of_ways(lang: str) -> None:
    outcome = evaluate(without_villages(), plan(Close(school_id="C"), Close(school_id="A")), codes=ONE_ITEM)
    moves = outcome.moves.groupby(["from_id", "to_id"])["pupils"].sum().to_dict()
    assert moves == {("A", "B"): 120, ("C", "B"): 18}  # the nearest that stays, whole
    assert outcome.status == "breaks_rules" or outcome.status == "infeasible"
    small = evaluate(without_villages(), plan(Close(school_id="C")), codes=ONE_ITEM)
    assert (small.basis, small.status, small.villages, small.unmeasured) == ("schools", "undetermined", 0, 18)
    assert small.as_dict(lang)["warning"] == small.warning(lang) == text("scenarios.basis_warning.schools", lang)
    said = small.sentence(lang)
    assert text("scenarios.sentence.unmeasured", lang, n=18) in said
    assert text("scenarios.sentence.no_losses", lang) not in said and "{" not in said
    ways = small.coverage[["mean_m", "max_m", "within_share", "far", "young_over"]]
    assert ways[small.coverage["when"] == "after"].isna().all(axis=None)
    assert small.coverage["unknown"].sum() == 2 * (168 + 130)  # the 20 who board do not walk
    cards = trial_views._outcome_cards(small, lang, small)
    assert cards.count(text("status.no_data", lang)) == 2 and "nan" not in cards  # beyond walking, young too long
    head = trial_views._headline(small, lang)
    assert text("layout.fact.far", lang, n="–", was="–") in head and str(small.warning(lang)) in html.unescape(head)


def test_a_way_that_is_known_of_some_is_never_said_to_be_no_longer_for_all() -> None:
    """A village without a place: of its pupils nobody knows how much farther they go."""
    town = county()
    villages = town.tables["villages"].assign(lon=lambda rows: rows["lon"].where(rows["village_id"] != "v1"))
    outcome = evaluate(town.with_tables(villages=villages), plan(Close(school_id="B")), codes=ONE_ITEM)
    assert outcome.unmeasured == 30 and outcome.status == "undetermined"
    assert text("scenarios.sentence.no_losses", "en") not in outcome.sentence("en")


def test_places_nobody_counted_are_short_only_as_a_reminder() -> None:
    """Classes are not recorded: that pupils have no place is a guess; where they are recorded it breaks a rule."""
    for classes, rule in ((None, "places_unknown"), (2, "overflow")):
        town = without_villages(B={"classes": classes, "classes_1_25": classes})
        outcome = evaluate(town, plan(Close(school_id="A"), Close(school_id="C")), codes=ONE_ITEM)
        assert rules(outcome) & {"places_unknown", "overflow"} == {rule}
        assert (outcome.status == "infeasible") == (rule == "overflow")
    town = county(A={"classes": None, "classes_1_25": None})
    closing = plan(Close(school_id="B"), settings=Settings(class_cap_primary=5))
    outcome = evaluate(town, closing, codes=ONE_ITEM)
    assert (outcome.status, outcome.unmeasured) == ("undetermined", 0), rules(outcome)
    assert "但接收学校学位是否够用无法判断，尚不能认定可行" in outcome.sentence()
    assert "一次性投入不明，因接收学校班数未填报" in outcome.sentence()  # rooms to be built are not known, not none


def test_a_school_that_tells_its_pupils_for_all_stages_together_is_not_said_to_have_none() -> None:
    town = county(attendance=False)
    rows = town.tables["school_years"]
    rows = rows.assign(stage=rows["stage"].where(rows["school_id"] != "B", "shared"))
    schools = town.tables["schools"].assign(kind=lambda f: f["kind"].where(f["school_id"] != "B", "nine_year"))
    found = check(town.with_tables(school_years=rows, schools=schools), plan(Close(school_id="B")))
    assert [fault.rule for fault in found] == ["scenario_stages_untold"]


def test_teachers_nobody_counted_are_no_nought() -> None:
    """Nor is the account broken by those who come to them from a school that closes."""
    schools = evaluate(county(B={"teachers": None}), plan(Close(school_id="C")), codes=ONE_ITEM).schools
    assert schools.set_index("school_id").loc["B", ["teachers_before", "teachers_after"]].isna().all()


def test_no_layout_is_called_the_best_where_nobody_knows_the_ways() -> None:
    with pytest.raises(DataError) as error:
        propose(without_villages(), "primary", Goals(schools=2, may_close="all"), year=YEAR)
    assert [fault.rule for fault in error.value.faults] == ["scenario_attendance"]
