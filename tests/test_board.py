"""The slider tick says what a whole evaluation says: the same scenario both ways, figure by figure."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from balance_lib import scenarios, standards
from balance_lib._errors import DataError, PolicyError
from balance_lib.data.county import County
from balance_lib.evaluation import indicators
from balance_lib.scenarios import (
    Attach,
    Boarding,
    BusLine,
    Close,
    ConvertStage,
    Keep,
    Merge,
    Open,
    Resize,
    Scenario,
    ToPoint,
    classes,
    goods,
)
from balance_lib.scenarios.base import BANDS
from balance_lib.scenarios.board import Board, State, Tick
from balance_lib.scenarios.coefficients import Condition, Formula
from balance_lib.standards import STAGES
from tests import scenario_tables, scenario_towns, towns

YEAR = 2023


@pytest.fixture(scope="module")
def akqi(demo_dir: Path) -> County:
    return County.open(demo_dir / "akqi")


@pytest.fixture(scope="module")
def wuxi(demo_dir: Path) -> County:
    return County.open(demo_dir / "wuxi")


def boards(county: County, year: int, **changes: Any) -> list[Board]:
    scenario = Scenario.empty(county, year).with_settings(**changes)
    return [Board(county, scenario, places=places) for places in (False, True)]


def flows(board: Board, tick: Tick) -> pd.Series:
    """Return the moved pupils of a tick by village, schools and band."""
    homes, ids = [*board.villages, ""], [*board.schools, ""]
    frame = pd.DataFrame(
        {
            "village_id": [homes[v] for v in tick.village],
            "from_id": [ids[j] for j in tick.from_],
            "to_id": [ids[j] for j in tick.to],
            "band": [BANDS[b] for b in tick.band],
            "pupils": tick.pupils,
        }
    )
    return frame.groupby(["village_id", "from_id", "to_id", "band"])["pupils"].sum()


def assert_same(board: Board, state: State, *, coefficients: bool = True) -> scenarios.Outcome:
    """Hold a tick against the evaluation of the same scenario."""
    tick = board.tick(state)
    assert tick.proven
    outcome = scenarios.evaluate(board.county, board.scenario(state), standard="quality_2017")
    moves = outcome.moves.groupby(["village_id", "from_id", "to_id", "band"])["pupils"].sum()
    pd.testing.assert_series_equal(flows(board, tick), moves, check_dtype=False, check_index_type=False)
    assert tick.moved == outcome.moves["pupils"].sum()
    assert tick.shortfall == outcome.moves["overflow"].sum()
    assert tick.boards.sum() == outcome.moves["boarders_after"].sum()
    after = outcome.coverage[outcome.coverage["when"] == "after"].set_index("stage")
    for stage in STAGES:
        for name, value in tick.cover[stage].items():
            assert value == pytest.approx(after.at[stage, name], rel=1e-12, nan_ok=True), (stage, name)
    _same_classes(board, tick, outcome)
    cv = outcome.after.cv.pivot(index="stage", columns="indicator", values="cv")
    cv = cv.reindex(index=list(STAGES), columns=list(board.coefficients.indicators)).to_numpy(dtype=float)
    np.testing.assert_allclose(tick.coefficients, cv, rtol=1e-12)
    assert np.isfinite(cv).any() or not coefficients
    return outcome


def assert_followed(board: Board, state: State) -> None:
    """Hold a tick that says it is proven against the evaluation; with places only what that refuses is not proven."""
    tick = board.tick(state)
    if tick.proven:
        assert_same(board, state, coefficients=False)
    elif board.with_places:
        with pytest.raises(DataError):
            scenarios.evaluate(board.county, board.scenario(state), standard="quality_2017")


def _same_classes(board: Board, tick: Tick, outcome: scenarios.Outcome) -> None:
    rows = outcome.changed.table("school_years", board.base.year)
    for at, stage in enumerate(STAGES):
        theirs = rows[rows["stage"] == stage].set_index("school_id")["classes"].reindex(board.schools)
        mine = np.where(tick.classes[:, at] == 0, np.nan, tick.classes[:, at])
        np.testing.assert_array_equal(mine, theirs.to_numpy(dtype=float))
        pupils = rows[rows["stage"] == stage].set_index("school_id")["pupils"].reindex(board.schools).fillna(0.0)
        loads = tick.loads[:, [b for b, band in enumerate(BANDS) if (band == "g7_9") == (stage == "junior")]]
        np.testing.assert_array_equal(loads.sum(axis=1), pupils.to_numpy(dtype=float))


@pytest.mark.parametrize("places", [False, True])
def test_sliders_at_rest_move_nobody_and_give_the_county_as_it_is(akqi: County, places: bool) -> None:
    board = boards(akqi, YEAR)[places]
    outcome = assert_same(board, State())
    assert board.scenario(State()).is_empty or places
    assert board.tick(State()).moved == 0 and outcome.moves.empty


@pytest.mark.parametrize("minimum", [15, 40, 110, 260])
def test_a_minimum_enrolment_is_the_evaluation_of_its_closures(akqi: County, minimum: int) -> None:
    board = boards(akqi, YEAR)[True]
    state = State(minimum_enrolment=minimum, bus_minutes=30.0, walk_primary_m=2500.0, class_cap_primary=40)
    outcome = assert_same(board, state)
    assert set(board.tick(state).closed) == {o.school_id for o in outcome.scenario.operations}
    small = board.base.sums.sum(axis=1)
    assert all(small[school] < minimum for school in board.tick(state).closed)


@pytest.mark.parametrize("minimum", [15, 25])
def test_without_places_the_nearest_school_is_the_zoning_where_there_is_room(akqi: County, minimum: int) -> None:
    assert_same(boards(akqi, YEAR)[False], State(minimum_enrolment=minimum))


def test_a_larger_county_with_through_schools_private_schools_and_unknown_homes(wuxi: County) -> None:
    outcome = assert_same(boards(wuxi, 2017)[True], State(minimum_enrolment=60, bus_minutes=20.0))
    assert len(outcome.scenario.operations) > 50


def test_everybody_assigned_anew_and_a_stage_that_runs_empty(akqi: County) -> None:
    board = Board(akqi, Scenario.empty(akqi, YEAR).with_settings(rezone=True), places=True)
    assert_same(board, State(minimum_enrolment=30), coefficients=False)
    frame = board.layout.frame
    through = frame.index[(frame["kind"] == "nine_year") & (board.base.sums["g7_9"].reindex(frame.index) > 0)][0]
    given = Scenario.empty(akqi, YEAR).with_operations(ConvertStage(school_id=through, to="primary"))
    assert_same(Board(akqi, given, places=True), State(minimum_enrolment=20))


def test_a_scenario_with_operations_is_followed(akqi: County) -> None:
    board = boards(akqi, YEAR)[True]
    small = board.base.sums[["g1_3", "g4_6"]].sum(axis=1).sort_values()
    small = small[(small > 0) & (board.base.sums["g7_9"] == 0)]
    first, second, third, fourth, *_ = small.index
    large = small.index[-1]
    operations = Keep(school_id=first), Merge(school_id=second, into=large), Close(school_id=third)
    given = Scenario.empty(akqi, YEAR).with_operations(*operations, Attach(school_id=fourth, host_id=large))
    board = Board(akqi, given, places=True)
    state = State(minimum_enrolment=80)
    assert_same(board, state)
    assert not {first, second, third, fourth, large} & set(board.tick(state).closed)


@settings(max_examples=6, deadline=None)
@given(st.data())
def test_any_state_of_the_sliders(demo_dir: Path, data: Any) -> None:
    county = _kept(demo_dir)
    board = boards(county, YEAR)[True]
    some = st.frozensets(st.sampled_from(board.schools), max_size=5)
    state = State(
        minimum_enrolment=data.draw(st.integers(0, 150)),
        closed=data.draw(some),
        kept=data.draw(some),
        walk_primary_m=data.draw(st.sampled_from([None, 500.0, 3000.0])),
        bus_minutes=data.draw(st.sampled_from([None, 0.0, 25.0, 60.0])),
        class_cap_junior=data.draw(st.sampled_from([None, 30, 50])),
    )
    assert_same(board, state)


_OPEN: dict[Path, County] = {}


def _kept(demo_dir: Path) -> County:
    if demo_dir not in _OPEN:
        _OPEN[demo_dir] = County.open(demo_dir / "akqi")
    return _OPEN[demo_dir]


def test_kept_schools_and_schools_of_others_stay_open(akqi: County) -> None:
    board = boards(akqi, YEAR)[False]
    every = State(minimum_enrolment=1e9)
    shut = set(board.tick(every).closed)
    frame = board.layout.frame
    assert shut and not shut & set(frame.index[(frame["founder"] == "private") | (frame["kind"] == "special")])
    spared = sorted(shut)[0]
    assert spared not in board.tick(State(minimum_enrolment=1e9, kept=frozenset({spared}))).closed
    assert board.tick(State(closed=frozenset({spared}))).closed == (spared,)


def test_where_places_bind_the_quick_answer_says_it_is_not_proven(akqi: County) -> None:
    quick, exact = (board.tick(State(minimum_enrolment=200)) for board in boards(akqi, YEAR))
    assert not quick.proven and quick.shortfall > exact.shortfall
    assert exact.proven


def test_births_change_the_pupils_of_the_target_year(akqi: County) -> None:
    given = Scenario(name="t", county_id="akqi", year=YEAR, target_year=YEAR + 8)
    board = Board(akqi, given)
    usual = board.tick(State()).cover["primary"]["pupils"]
    fewer = board.tick(State(births_percent=-30.0)).cover["primary"]["pupils"]
    assert fewer < usual
    outcome = scenarios.evaluate(akqi, board.scenario(State(births_percent=-30.0)), standard="quality_2017")
    after = outcome.coverage.query("when == 'after' and stage == 'primary'")["pupils"]
    assert fewer == after.item()


@st.composite
def plans(draw: Any, county: County, year: int) -> Scenario:
    """Any operations that do not contradict each other: opening, converting, giving up grades among them."""
    rows = county.table("school_years", year)
    ids = sorted(rows.loc[rows["stage"].isin(STAGES), "school_id"].unique())
    homes = county.tables["villages"].drop_duplicates("village_id").set_index("village_id")
    one, village = st.sampled_from(ids), st.sampled_from(sorted(homes.index))
    some = st.lists(village, max_size=3, unique=True).map(tuple)
    kinds, counts = st.sampled_from(("primary", "junior", "nine_year")), st.integers(1, 12)
    at = homes.loc[draw(village)]
    new = st.builds(
        Open, school_id=st.sampled_from(("N1", "N2")), name_zh=st.just("新校"), kind=kinds, township=st.just("城关镇"),
        lon=st.just(float(at["lon"])), lat=st.just(float(at["lat"])), classes_primary=counts, classes_junior=counts,
        villages=some,
    )  # fmt: skip
    operation = st.one_of(
        new, st.builds(ConvertStage, school_id=one, to=kinds, classes=counts, villages=some),
        st.builds(ToPoint, school_id=one, top_grade=st.sampled_from((3, 6))), st.builds(Close, school_id=one),
        st.builds(Merge, school_id=one, into=one), st.builds(Attach, school_id=one, host_id=one),
        st.builds(Resize, school_id=one, stage=st.sampled_from(STAGES), classes=counts),
        st.builds(Boarding, school_id=one, places=st.integers(0, 200)), st.builds(Keep, school_id=one),
        st.builds(BusLine, school_id=one, villages=some, minutes=st.floats(1, 90)),
    )  # fmt: skip
    plan = Scenario.empty(county, year)
    for wanted in draw(st.lists(operation, min_size=1, max_size=6)):
        more = plan.with_operations(wanted)
        plan = plan if scenarios.check(county, more) else more
    return plan


def test_nobody_gets_more_diplomas_than_teachers() -> None:
    """Five teachers of B, of them three with a diploma and two with a degree, go to three schools in equal parts."""
    own = {"teachers": 5, "staff": 5, "teachers_college": 3, "teachers_bachelor": 2, "teachers_certified": 5}
    homes = {"A": 0, "B": 1, "C": 2, "D": 3}
    schools = [towns.school(s, lat=31.0 + scenario_towns.STEP * at, lon=109.6) for s, at in homes.items()]
    villages = [{**v, "lat": 31.0 + scenario_towns.STEP * at}
                for v, at in zip(scenario_towns.village_rows()[:3], (0, 2, 3), strict=True)]  # fmt: skip
    going = [scenario_towns.going(v["village_id"], s, "g1_3", 9) for v in villages for s in ("B", "A", "C", "D")]
    rows = [
        towns.school_year(s, year=scenario_towns.YEAR, pupils=27, classes=6, **(own if s == "B" else {})) for s in homes
    ]
    town = towns.county(schools, rows, villages=villages, attendance=going)
    plan = Scenario.empty(town, scenario_towns.YEAR).with_operations(Close(school_id="B"))
    before = town.table("school_years", scenario_towns.YEAR).set_index("school_id")
    after = scenarios.apply(town, plan).table("school_years", scenario_towns.YEAR).set_index("school_id")
    more = after[list(own)].astype(float) - before.reindex(after.index)[list(own)].astype(float)
    assert more["teachers"].sum() == 5 and more["teachers"].max() == 2
    assert (more["teachers_college"] + more["teachers_bachelor"] <= more["teachers"]).all()


def test_goods_that_go_elsewhere_and_schools_that_begin_have_coefficients(akqi: County) -> None:
    """A merger hands its teachers to a third school, a school opens with gifts, another takes up a stage."""
    board = boards(akqi, YEAR)[True]
    small = board.base.sums.sum(axis=1).sort_values()
    small = small[(small > 0) & (board.base.sums["g7_9"] == 0)]
    first, second, third, *_ = small.index
    large, larger = small.index[-2:]
    homes = akqi.tables["villages"].dropna(subset=["lon", "lat"])
    new = Open(
        school_id="N", name_zh="新校", kind="nine_year", township="城关镇", lon=float(homes["lon"].iloc[0]),
        lat=float(homes["lat"].iloc[0]), classes_primary=12, classes_junior=6,
        villages=tuple(homes["village_id"].iloc[:3]),
        gives=tuple((name, 40.0) for name in board.coefficients.columns),
    )  # fmt: skip
    given = Scenario.empty(akqi, YEAR).with_operations(
        Merge(school_id=first, into=large, teachers=larger), Close(school_id=second, teachers=third), new,
        ConvertStage(school_id=large, to="nine_year", classes=6, villages=tuple(homes["village_id"].iloc[3:6])),
    )  # fmt: skip
    assert_same(Board(akqi, given, places=True), State(minimum_enrolment=20), coefficients=False)
    assert_same(Board(akqi, Scenario.empty(akqi, YEAR).with_operations(*given.operations[:2]), places=True), State())


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_any_operations_are_followed(demo_dir: Path, data: Any) -> None:
    county = _kept(demo_dir)
    plan = data.draw(plans(county, YEAR))
    board = Board(county, plan, places=data.draw(st.booleans()))
    state = State(
        minimum_enrolment=data.draw(st.sampled_from([0, 20, 60])),
        closed=data.draw(st.frozensets(st.sampled_from(board.schools), max_size=3)),
        bus_minutes=data.draw(st.sampled_from([None, 25.0])),
        class_cap_primary=data.draw(st.sampled_from([None, 30])),
    )
    assert_followed(board, state)


def test_what_a_scenario_builds_up_no_slider_closes(akqi: County) -> None:
    shut = Board(akqi, Scenario.empty(akqi, YEAR), places=True).tick(State(minimum_enrolment=60)).closed
    home = str(akqi.tables["villages"]["village_id"].iloc[0])
    given = Scenario.empty(akqi, YEAR).with_operations(
        Resize(school_id=shut[0], classes=9), BusLine(school_id=shut[1], villages=(home,), minutes=20.0)
    )
    board = Board(akqi, given, places=True)
    assert_same(board, State(minimum_enrolment=60))
    assert set(board.tick(State(minimum_enrolment=60)).closed) == set(shut[2:])


def test_more_classes_are_formed_though_nobody_moves() -> None:
    """School A has 120 pupils in six grades of one class each; twelve rooms make two classes of ten of every grade."""
    county = scenario_towns.county()
    plan = Scenario.empty(county, scenario_towns.YEAR).with_operations(Resize(school_id="A", classes=12))
    outcome = assert_same(Board(county, plan, places=True), State(), coefficients=False)
    after = outcome.schools.set_index("school_id").loc["A"]
    assert (after["classes_before"], after["classes_after"]) == (6, 12)
    built = outcome.costs.set_index("item").at["classroom", "quantity_after"]
    assert built == 6


def test_tables_that_exceed_their_rolls_leave_the_tick_provisional(akqi: County) -> None:
    """Attendance of a closed school exceeds its enrolment: who would move, nobody knows; the evaluation refuses."""
    going = akqi.tables["attendance"].copy()
    first = Board(akqi, Scenario.empty(akqi, YEAR), places=True).tick(State(minimum_enrolment=30)).closed[0]
    rows = (going["year"] == YEAR) & (going["school_id"] == first)
    going.loc[rows, "pupils"] += 5.0
    county = akqi.with_tables(attendance=going)
    board = Board(county, Scenario.empty(county, YEAR).with_operations(Close(school_id=first)), places=True)
    assert not board.tick(State()).proven
    assert_followed(board, State())


def test_a_town_worked_by_hand() -> None:
    """Village v1 is at school A, v2 at B 2 km on, v3 at C 3 km beyond; B of 20 pupils closes: A is nearer to v2."""
    step = 1 / 111.195  # degrees of latitude a kilometre
    at = {"A": 31.0, "B": 31.0 + 2 * step, "C": 31.0 + 5 * step}
    schools = [towns.school(name, lon=109.0, lat=lat) for name, lat in at.items()]
    years = [
        towns.school_year("A", pupils=100),
        towns.school_year("B", pupils=20, teachers=5),
        towns.school_year("C", pupils=50),
    ]
    villages = [
        {"village_id": f"v{i}", "name_zh": f"{i}村", "lon": 109.0, "lat": lat} for i, lat in enumerate(at.values(), 1)
    ]
    going = [
        {"village_id": v, "school_id": s, "stage": "primary", "band": band, "year": 2020, "pupils": n, "boarders": 0}
        for v, s, band, n in [
            ("v1", "A", "g1_3", 50), ("v1", "A", "g4_6", 50), ("v2", "B", "g1_3", 12), ("v2", "B", "g4_6", 8),
            ("v3", "C", "g1_3", 25), ("v3", "C", "g4_6", 25),
        ]
    ]  # fmt: skip
    county = towns.county(schools, years, villages=villages, attendance=going)
    tick = Board(county, Scenario.empty(county, 2020)).tick(State(minimum_enrolment=30, walk_primary_m=1500.0))
    assert tick.closed == ("B",) and tick.moved == 20 and tick.farther == 20
    assert tick.metres_after == pytest.approx([2000, 2000], rel=5e-3) and tick.extra_m == pytest.approx(2000, rel=5e-3)
    cover = tick.cover["primary"]
    assert (cover["pupils"], cover["walk"], cover["far"], cover["within_share"]) == (
        170,
        150,
        20,
        pytest.approx(15 / 17),
    )
    assert tick.loads.tolist() == [[62, 58, 0], [0, 0, 0], [25, 25, 0]]
    # 62 pupils of grades 1-3: 21, 21, 20; none above 45, so the four classes grades share become one a grade.
    assert tick.classes[0, 0] >= 4 and tick.largest[0, 0] <= 45
    equipment = list(standards.load("quality_2017").indicators).index("equipment")
    values, pupils = np.array([600_000 / 120, 300_000 / 50]), np.array([120.0, 50.0])
    mean = values @ pupils / pupils.sum()
    hand = math.sqrt(((values - mean) ** 2) @ pupils / pupils.sum()) / mean
    assert tick.coefficients[0, equipment] == pytest.approx(hand, rel=1e-12)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 200), min_size=2, max_size=2),
    st.sampled_from([3.0, 4.0, 5.0, 6.0, math.nan]),
    st.one_of(st.integers(0, 20).map(float), st.just(math.nan)),
    st.sampled_from([20.0, 45.0, 50.0]),
)
def test_classes_are_formed_as_the_tables_form_them(
    pupils: list[int], grades: float, there: float, cap: float
) -> None:  # fmt: skip
    lower, upper = pupils[0], 0 if grades == 3 else pupils[1]
    bands = {"g1_3": float(lower), "g4_6": float(upper)}
    assert classes._sizes(bands, grades, there, cap) == scenario_tables.class_sizes(bands, grades, there, cap)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.integers(0, 60).map(float), st.floats(0, 1e6), st.just(math.nan)),
    st.lists(st.integers(1, 90).map(float), min_size=1, max_size=6),
)
def test_goods_are_divided_as_the_tables_divide_them(total: float, weights: list[float]) -> None:
    np.testing.assert_array_equal(goods._divided(total, weights), scenario_tables.divided(total, weights))


def test_formulas_and_conditions_are_those_of_the_indicators(akqi: County, wuxi: County) -> None:
    standard = standards.load("quality_2017")
    for county in (akqi, wuxi):
        frame = indicators.frames(county, standard).stages
        values = {name: frame[name].to_numpy() for name in frame}
        for spec in standard.indicators.values():
            for stage in STAGES:
                source = indicators.formula_of(spec, stage)
                assert source
                theirs = indicators.evaluate(frame, source, spec.blank_is_zero)
                with np.errstate(all="ignore"):
                    mine = Formula(source, tuple(spec.blank_is_zero))(values)
                np.testing.assert_allclose(mine, theirs.to_numpy(), rtol=1e-15)
        numeric = frozenset(frame.select_dtypes("number").columns)

        def fixed(source: str, frame: Any = frame) -> tuple[Any, Any]:
            value = indicators.evaluate(frame, source).to_numpy()
            return value == 1, value == 0

        yes, no = Condition(standard.included, fixed, numeric)(values)
        known_yes, unknown = indicators.frames(county, standard).where("stages", standard.included)
        np.testing.assert_array_equal(yes, known_yes)
        np.testing.assert_array_equal(~yes & ~no, unknown)


def test_a_formula_that_is_no_arithmetic_is_refused() -> None:
    for source in ("pupils.__class__", "__import__('os')", "[p for p in pupils]", "abs(pupils)"):
        with pytest.raises(PolicyError):
            Formula(source)
