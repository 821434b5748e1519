"""What holds of every scenario: nothing is lost, nothing comes from nowhere, and no closing brings anyone nearer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from balance_lib._errors import DataError
from balance_lib.access.distance import Places, straight_table
from balance_lib.data.county import County
from balance_lib.inequality import coefficient_of_variation
from balance_lib.scenarios import (
    Attach,
    Close,
    ConvertStage,
    Keep,
    Merge,
    Open,
    Resize,
    Scenario,
    Settings,
    ToPoint,
    apply,
    check,
)
from balance_lib.scenarios import base as base_room
from balance_lib.scenarios import layout as layout_room
from balance_lib.scenarios import moves as moves_room
from balance_lib.scenarios.arrays import LayoutArrays
from balance_lib.scenarios.goods import _divided, columns
from tests import towns

YEAR = 2020
MOVING = [name for names in columns().values() for name in names]
# A failing example is small as it is; shrinking would take minutes.
QUICK = settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
                 suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
counts = st.integers(0, 60)


@st.composite
def counties(draw: st.DrawFn) -> County:
    """A county of two to five primary schools and up to five villages, everyone at the nearest school."""
    n, m = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    place = st.integers(0, 30)
    schools = [
        towns.school(f"S{j}", rank="central" if j == 0 else "village", lat=31.0 + 0.005 * draw(place), lon=109.6)
        for j in range(n)
    ]
    villages = [
        {"village_id": f"v{i}", "name_zh": "村", "township": "甲镇", "lat": 31.0 + 0.005 * draw(place), "lon": 109.6}
        for i in range(m)
    ]
    near = nearest(villages, schools)
    going: list[dict[str, Any]] = []
    for i, village in enumerate(villages):
        for band in ("g1_3", "g4_6"):
            pupils = draw(counts) + (band == "g1_3")
            if pupils:
                going.append({"village_id": village["village_id"], "school_id": f"S{near[i]}", "stage": "primary",
                              "band": band, "year": YEAR, "pupils": pupils, "boarders": 0})  # fmt: skip
    return towns.county(schools, rolls(draw, going), villages=villages, attendance=going)


def nearest(villages: list[dict[str, Any]], schools: list[dict[str, Any]]) -> Any:
    ends = [Places([r["lat"] for r in rows], [r["lon"] for r in rows], [r["lat"] for r in rows])
            for rows in (villages, schools)]  # fmt: skip
    return straight_table(*ends).metres.argmin(axis=1)


def rolls(draw: st.DrawFn, going: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for school in sorted({row["school_id"] for row in going} or {"S0"}):
        pupils = sum(row["pupils"] for row in going if row["school_id"] == school) or 1
        teachers = draw(st.integers(0, 9))
        own = {"pupils": pupils, "pupils_in_zone": pupils, "classes": draw(st.integers(1, 8)), "books": draw(counts)}
        own |= {"teachers": teachers, "staff": teachers + 1, "teachers_certified": draw(st.integers(0, teachers))}
        own |= {"teachers_college": 0, "teachers_bachelor": teachers, "equipment_yuan": draw(counts) + 0.5}
        out.append(towns.school_year(school, year=YEAR, **own))
    return out


@st.composite
def plans(draw: st.DrawFn, county: County) -> Scenario:
    """A random sequence of operations; those that contradict each other are left out."""
    ids = sorted(county.table("school_years", YEAR)["school_id"])
    one, grade = st.sampled_from(ids), st.sampled_from((3, 6))
    to = st.sampled_from(["with_pupils", *ids])
    new = st.builds(Open, school_id=st.just("N"), name_zh=st.just("新校"), kind=st.just("primary"),
                    township=st.just("甲镇"), lon=st.just(109.6), lat=st.floats(31.0, 31.15),
                    classes_primary=st.integers(1, 8))  # fmt: skip
    operation = st.one_of(
        st.builds(Close, school_id=one, teachers=to, books=to), st.builds(Merge, school_id=one, into=one),
        st.builds(ToPoint, school_id=one, top_grade=grade), st.builds(Attach, school_id=one, host_id=one),
        st.builds(Keep, school_id=one), st.builds(Resize, school_id=one, classes=st.integers(1, 12)), new,
        st.builds(ConvertStage, school_id=one, to=st.sampled_from(("junior", "nine_year")), classes=st.just(3)),
    )  # fmt: skip
    plan = Scenario("试", county.county_id, YEAR, settings=Settings(
        assignment=draw(st.sampled_from(("zoned", "transport"))), rezone=draw(st.booleans())))  # fmt: skip
    for wanted in draw(st.lists(operation, max_size=5)):
        more = plan.with_operations(wanted)
        plan = plan if check(county, more) else more
    return plan


def carried_out(county: County, plan: Scenario) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return who moves, the county's rows afterwards and the account of goods; not of a plan that leaves no school."""
    from balance_lib.scenarios.run import _carried_out

    try:
        *_, moved, changed = _carried_out(county, plan)
    except DataError as refused:
        assert [fault.rule for fault in refused.faults] == ["scenario_none_left"]
        reject()
    return moved, changed.county.table("school_years", YEAR), changed.goods


@QUICK
@given(st.data())
def test_pupils_staff_and_goods_are_conserved_exactly(data: st.DataObject) -> None:
    county = data.draw(counties())
    plan = data.draw(plans(county))
    before = county.table("school_years", YEAR)
    moved, after, goods = carried_out(county, plan)
    account = goods.set_index("column")
    for name in MOVING:
        left, given_ = account.at[name, "left_behind"], account.at[name, "given"]
        assert before[name].sum() + given_ == after[name].sum() + left, name
    roll = apply(county, plan).table("attendance", YEAR)["pupils"].sum()
    here = county.table("attendance", YEAR)["pupils"].sum()
    assert here - roll == moved.loc[moved["to_id"] == "", "pupils"].sum()  # who is placed nowhere is told
    assert before["pupils"].sum() - after["pupils"].sum() == here - roll
    assert (after["teachers_certified"] <= after["teachers"]).all()
    assert (after["teachers_bachelor"] <= after["teachers"]).all()


@QUICK
@given(st.data())
def test_a_closing_brings_nobody_nearer_where_there_is_room_for_all(data: st.DataObject) -> None:
    county = data.draw(counties())
    ids = sorted(county.table("school_years", YEAR)["school_id"])
    closing = data.draw(st.lists(st.sampled_from(ids), unique=True, min_size=1))
    roomy = Settings(class_cap_primary=100_000, size_cap_single=10**6, reach_primary_m=1e6)
    plan = Scenario("试", "toy", YEAR, operations=tuple(Close(school_id=s) for s in closing), settings=roomy)
    drawn = layout_room.of(base_room.of(county, plan), plan)
    ways = base_room.ways(county, "straight", roads=False, detour=1.0)
    table = moves_room.moves(LayoutArrays(drawn, ways)).flows.table()
    rows = table[table["to_id"] != ""]
    extra = ways.metres(rows["village_id"], rows["to_id"]) - ways.metres(rows["village_id"], rows["from_id"])
    assert len(extra) == 0 or extra.min() >= -1e-6
    assert set(table["from_id"]) <= set(closing)
    # and everyone goes to the nearest school that is left
    left = [s for s in ids if s not in closing]
    for row in rows.itertuples():
        all_ways = ways.metres([row.village_id] * len(left), left)
        assert ways.metres([row.village_id], [row.to_id])[0] <= all_ways.min() + 1e-6


@QUICK
@given(st.data())
def test_the_difference_coefficient_of_merged_totals_never_rises(data: st.DataObject) -> None:
    county = data.draw(counties())
    ids = sorted(county.table("school_years", YEAR)["school_id"])
    if len(ids) < 2:
        return
    pair = data.draw(st.permutations(ids))[:2]
    merger = Merge(school_id=pair[0], into=pair[1])
    before = county.table("school_years", YEAR)
    _, after, _ = carried_out(county, Scenario("试", "toy", YEAR, operations=(merger,)))
    for name in ("books", "teachers", "equipment_yuan"):
        if before[name].sum() > 0:
            was, now = (coefficient_of_variation((f[name] / f["pupils"]).to_numpy(), f["pupils"].to_numpy())
                        for f in (before, after))  # fmt: skip
            assert now <= was + 1e-9


@QUICK
@given(st.data())
def test_closing_and_opening_again_gives_back_the_county(data: st.DataObject) -> None:
    county = data.draw(counties())
    plan = Scenario.empty(county, YEAR)
    for school in sorted(county.table("school_years", YEAR)["school_id"]):
        plan = plan.with_operations(Close(school_id=school))
    for school in sorted(county.table("school_years", YEAR)["school_id"], reverse=True):
        plan = plan.with_operations(Open(school_id=school))
    assert apply(county, plan) is county


@given(st.integers(0, 300), st.integers(0, 300), st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_division_keeps_the_sum_and_is_monotone(few: int, more: int, weights: list[int]) -> None:
    if not sum(weights):
        return
    small, large = (_divided(float(n), weights) for n in sorted((few, more)))
    assert small.sum() == min(few, more) and large.sum() == max(few, more)
    assert (small <= large).all()
    assert (np.array(weights)[large > 0] > 0).all()
