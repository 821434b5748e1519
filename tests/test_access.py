"""Walking to school: coverage, villages outside, catchments, supply within reach, limits and surroundings."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from typer.testing import CliRunner

from balance_lib import access, evaluation, standards
from balance_lib._errors import DataError, NotFoundError
from balance_lib.access import Reach
from balance_lib.access.distance import ODTable
from balance_lib.access.reach import _two_nearest
from balance_lib.cli import app
from balance_lib.data import tables
from balance_lib.data.county import County
from tests import towns

LON, LAT = 109.6, 31.4
KM_NORTH, KM_EAST = 1 / 110.89, 1 / 95.12  # degrees to a kilometre here; exact enough to place things
quick = settings(max_examples=25, deadline=None)


def village(village_id: str, east: float = 0.0, north: float = 0.0, **changes: Any) -> dict[str, Any]:
    """Return a village so many kilometres from the middle."""
    row = {"village_id": village_id, "name_zh": f"{village_id}村", "township": "甲镇"}
    return {**row, "lon": LON + east * KM_EAST, "lat": LAT + north * KM_NORTH, **changes}


def school(
    school_id: str, east: float = 0.0, north: float = 0.0, kind: str = "primary", **changes: Any
) -> dict[str, Any]:
    """Return a school so many kilometres from the middle."""
    where = {"lon": LON + east * KM_EAST, "lat": LAT + north * KM_NORTH}
    return towns.school(school_id, kind, **{**where, **changes})


def going(village_id: str, school_id: str, pupils: float, band: str = "g1_3", **changes: Any) -> dict[str, Any]:
    """Return a row of the attendance table."""
    stage = "junior" if band == "g7_9" else "primary"
    row = {"village_id": village_id, "school_id": school_id, "stage": stage, "band": band, "year": 2020}
    return {**row, "pupils": pupils, "boarders": 0, **changes}


def square(west: float = -10, south: float = -10, east: float = 10, north: float = 10) -> dict[str, Any]:
    """Return a rectangle in kilometres round the middle as the county's outline."""
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    ring = [[LON + x * KM_EAST, LAT + y * KM_NORTH] for x, y in corners]
    shape = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": shape}]}


def county(
    villages: list[dict[str, Any]],
    schools: list[dict[str, Any]],
    attendance: list[dict[str, Any]],
    outline: dict[str, Any] | None = None,
    **more: list[dict[str, Any]],
) -> County:
    """Return a county of these places; each school has a year's row for its stage, its roll is who goes there."""
    stage = {"junior": "junior"}
    rolls: dict[str, float] = {}
    for row in attendance:
        rolls[row["school_id"]] = rolls.get(row["school_id"], 0.0) + row["pupils"]
    years = []
    for row in schools:
        own = {} if not rolls else dict.fromkeys(("pupils", "pupils_in_zone"), rolls.get(row["school_id"]))
        years.append(towns.school_year(row["school_id"], stage.get(row["kind"], "primary"), **own))
    rows = {"villages": villages, "attendance": attendance, **more}
    made = towns.county(schools, years, **{name: found for name, found in rows.items() if found})
    return replace(made, layers={} if outline is None else {"outline.geojson": outline})


def reach_of(found: County, stage: str = "primary", metres: Any = None, **options: Any) -> Reach:
    """Return the reach of 2020, by the straight line or by these metres from villages to schools."""
    table = access.costs(found)
    if metres is not None:
        table = replace(table, metres=np.array(metres, dtype=float))
    return Reach.of(found, 2020, stage, table, **options)


# Three villages and three schools: A teaches all grades, T is a teaching point of grades 1-3, J is a junior school.
PLACES = [village("v1"), village("v2", 2), village("v3", 9, township="乙镇")]
SCHOOLS = [school("A"), school("T", 2, kind="teaching_point"), school("J", 1, kind="junior")]
GOING = [
    going("v1", "A", 30), going("v1", "A", 30, "g4_6"), going("v2", "T", 10), going("v2", "A", 20, "g4_6"),
    going("v3", "A", 8, boarders=3), going("v3", "A", 12, "g4_6", boarders=12), going("v1", "J", 40, "g7_9"),
]  # fmt: skip
METRES = [[500, 2100, 1000], [2200, 100, 1200], [9000, 7000, 8000]]


@pytest.fixture(scope="module")
def toy() -> County:
    return county(PLACES, SCHOOLS, GOING, square())


def test_coverage_by_hand(toy) -> None:
    reach = reach_of(toy, metres=METRES)
    # Day pupils: 30 + 30 at 500 m, 10 at 100 m, 20 at 2,200 m, 5 at 9,000 m (3 of 8 board, all 12 board).
    own = access.covered(reach, 2_000)
    assert (own.within, own.outside, own.unknown, own.pupils) == (70, 25, 0, 95)
    assert own.share == pytest.approx(70 / 95)
    assert access.covered(reach, 2_200).within == 90  # on the line is within
    # To the nearest: v3's five of grades 1-3 have T at 7,000 m; v2's grades 4-6 have only A.
    near = access.covered(reach, 7_000, "nearest")
    assert (near.within, near.outside) == (95, 0)
    assert access.covered(reach, 2_000, "nearest").within == 70
    assert reach.boarders == 15
    assert access.farthest(reach) == 9_000
    assert access.farthest(reach, "nearest") == 7_000


def test_a_teaching_point_is_no_school_for_grade_four(toy) -> None:
    reach = reach_of(toy, metres=METRES)
    names = reach.schools["school_id"].to_numpy()
    assert [names[i] for i in reach.first[reach.group("g1_3")]] == ["A", "T", "T"]
    assert [names[i] for i in reach.first[reach.group("g4_6")]] == ["A", "A", "A"]
    assert (reach.second[reach.group("g4_6")] == -1).all()
    assert np.isnan(reach.second_m[reach.group("g4_6")]).all()
    upper = reach_of(toy, metres=METRES, band="g4_6")
    assert upper.pupils.sum() == 50
    junior = reach_of(toy, "junior", METRES)
    assert junior.pupils.sum() == 40
    assert junior.own_m.tolist() == [1_000]


def test_grades_tell_a_teaching_point_nobody_attends() -> None:
    found = county([village("v1"), village("v2", 5)], [school("A"), school("T", 5, kind="teaching_point")],
                   [going("v1", "A", 9), going("v2", "A", 9, "g4_6")])  # fmt: skip
    years = found.table("school_years")
    years["grades"] = np.where(years["school_id"] == "T", 3, 6)
    reach = reach_of(found.with_tables(school_years=years))
    assert reach.serves[reach.group("g1_3")].tolist() == [True, True]
    assert reach.serves[reach.group("g4_6")].tolist() == [True, False]


def test_nearest_is_public_but_nobody_is_sent_farther_than_he_goes() -> None:
    places = [village("v1"), village("v2", 0.1)]
    schools = [school("A", 6), school("P", 0.2, founder="private"), school("S", 8, kind="special")]
    found = county(places, schools, [going("v1", "A", 5), going("v1", "P", 3), going("v2", "S", 2)])
    reach = reach_of(found)
    by_school = dict(zip(reach.rows["school"], reach.nearest_m, strict=True))
    assert by_school[0] == pytest.approx(6_000, rel=0.01)  # a private school is no public one's substitute
    assert by_school[1] == pytest.approx(200, rel=0.01)
    assert by_school[2] == pytest.approx(7_900, rel=0.01)  # nor an ordinary school a special one's
    assert (reach.nearest_m <= reach.own_m).all()


def test_townships_add_up(toy) -> None:
    reach = reach_of(toy, metres=METRES)
    found = access.by_township(reach, 2_000)
    assert found.to_dict("records") == [
        {"township": "乙镇", "pupils": 5, "within": 0, "outside": 5, "unknown": 0, "share": 0},
        {"township": "甲镇", "pupils": 90, "within": 70, "outside": 20, "unknown": 0, "share": pytest.approx(7 / 9)},
    ]


def test_villages_without_a_township_stay_in_the_sum() -> None:
    places = [village("v1"), village("v2", township=None)]
    reach = reach_of(county(places, [school("A")], [going("v1", "A", 5), going("v2", "A", 7), going("gone", "A", 2)]))
    found = access.by_township(reach, 1_000).set_index("township")
    assert found["pupils"].to_dict() == {"甲镇": 5, "": 9}
    assert found.loc["", "unknown"] == 2  # a village nobody knows has no distance


def test_villages_outside_are_named_worst_first(toy) -> None:
    reach = reach_of(toy, metres=METRES)
    found = access.outside(reach, 2_000)
    assert found["village"].tolist() == ["v3村", "v2村"]
    assert found["pupils"].tolist() == [5, 20]
    far, near = found.to_dict("records")
    assert (far["school_id"], far["distance_m"], far["nearest_id"], far["nearest_m"]) == ("A", 9_000, "T", 7_000)
    assert (far["second_id"], far["second_m"]) == ("A", 9_000)
    assert (near["band"], near["nearest_id"], pd.isna(near["second_id"])) == ("g4_6", "A", True)
    assert far["minutes"] == pytest.approx(9_000 / (5_036.742 / 60), rel=1e-4)  # 6 km/h e^-0.175
    assert access.outside(reach, 2_000, order="pupils")["village"].tolist() == ["v2村", "v3村"]
    assert access.outside(reach, 2_000, most=1)["village"].tolist() == ["v3村"]
    assert access.outside(reach, 2_000, "nearest")["village"].tolist() == ["v3村", "v2村"]
    assert access.outside(reach, 20_000).empty


def test_village_classes(toy) -> None:
    metres = [[500, 2_100, 1_000], [2_200, 100, 1_200], [9_000, 7_000, 8_000]]
    assert access.village_classes(reach_of(toy, metres=metres), 2_000).tolist() == [0, 1, 2]
    metres[1][0] = math.nan  # the way of v2's upper grades is not known, the lower are inside
    assert access.village_classes(reach_of(toy, metres=metres), 2_000).tolist() == [0, 3, 2]
    assert access.village_classes(reach_of(toy, "junior", METRES), 2_000).tolist() == [0, 4, 4]


def test_missing_coordinates_are_counted_and_named_never_guessed() -> None:
    places = [village("v1"), village("v2", lon=None)]
    schools = [school("A", 1), school("B", lon=None, lat=None)]
    rows = [going("v1", "A", 5), going("v2", "A", 7), going("v1", "B", 2)]
    reach = reach_of(county(places, schools, rows))
    own = access.covered(reach, 5_000)
    assert (own.within, own.outside, own.unknown, own.share) == (5, 0, 9, 5 / 14)
    assert own.percent == "35.7%–100%"  # nobody is left out of the share
    assert reach.unplaced() == (["v2村"], ["B校"])
    near = access.covered(reach, 5_000, "nearest")
    assert (near.within, near.unknown) == (7, 7)  # the two at B have A near by
    found = access.outside(reach, 5_000)
    assert found[["village_id", "reason"]].to_numpy().tolist() == [["v2", "unknown"], ["v1", "unknown"]]
    assert found["distance_m"].isna().all()


def test_who_is_cut_off_stays_in_the_share_and_is_outside_where_the_straight_line_is_too_long() -> None:
    places, schools = [village("v1", 1), village("v2", 2), village("v3", 4)], [school("A", 0)]
    found = county(places, schools, [going(f"v{i}", "A", n) for i, n in ((1, 50), (2, 30), (3, 20))])
    table = access.costs(found)
    cut = replace(table, mode="network", metres=np.array([[1200.0], [np.nan], [np.nan]]))
    reach = access.Reach.of(found, 2020, "primary", cut)
    for to in access.TARGETS:
        told = access.covered(reach, 3_000, to)
        assert (told.within, told.outside, told.unknown, told.percent) == (50, 20, 30, "50.0%–80.0%")
        assert access.village_classes(reach, 3_000, to).tolist() == [0, 3, 2]
        rows = access.outside(reach, 3_000, to)
        assert rows[["village_id", "reason"]].to_numpy().tolist() == [["v3", "outside"], ["v2", "unknown"]]
        assert rows["at_least_m"].iloc[0] == pytest.approx(table.metres[2, 0]) and rows["distance_m"].isna().all()
        towns = access.by_township(reach, 3_000, to)
        assert (towns["outside"].sum(), towns["unknown"].sum(), towns["share"].iloc[0]) == (20, 30, 0.5)
        # Deleting a place never raises the share.
        lost = reach_of(county([village("v1", 1), village("v2", 2), village("v3", lon=None)], schools,
                               [going(f"v{i}", "A", n) for i, n in ((1, 50), (2, 30), (3, 20))]))  # fmt: skip
        assert access.covered(lost, 3_000, to).share <= access.covered(reach_of(found), 3_000, to).share


def test_villages_placed_at_their_schools_are_told(folder) -> None:
    where = [0.0, 3.0, 6.0, 9.0]
    rows = [going(f"v{i}", f"S{i}", 10) for i in range(4)]
    schools = [school(f"S{i}", x) for i, x in enumerate(where)]
    reach = reach_of(county([village(f"v{i}", x) for i, x in enumerate(where)], schools, rows))
    assert [note.params["n"] for note in reach.notes()] == [4]
    assert "没有意义" in reach.notes()[0].render("zh")
    apart = reach_of(county([village(f"v{i}", x + 0.5) for i, x in enumerate(where)], schools, rows))
    assert apart.notes() == []


def test_pupils_whom_attendance_leaves_out_are_unknown_never_within(toy) -> None:
    rows = toy.tables["school_years"]
    more = toy.with_tables(school_years=rows.assign(pupils=rows["pupils"].where(rows["school_id"] != "A", 120.0)))
    assert access.unlisted(more, 2020)["pupils"].tolist() == [10, 10]  # A lists 100 of its 120
    found = access.covered(reach_of(more, metres=METRES), 2_000)
    assert (found.within, found.outside, found.unknown) == (70, 25, 20)
    measured = access.measures(more, 2020)
    assert math.isnan(measured["walk_max_km", "primary"].value)  # the farthest may be among them
    assert math.isnan(measured["walk_covered_percent", "primary"].value)
    assert measured["walk_max_km", "junior"].value == pytest.approx(
        access.measures(toy, 2020)["walk_max_km", "junior"].value
    )
    boarders = more.with_tables(school_years=more.tables["school_years"].assign(boarders=35.0))
    assert access.unlisted(boarders, 2020)["school_id"].tolist() == []  # 15 of 35 boarders are listed: 20 are not
    blank = toy.with_tables(
        school_years=rows.assign(pupils=rows["pupils"].where(rows["school_id"] != "T")),
        attendance=toy.tables["attendance"][toy.tables["attendance"]["school_id"] != "T"],
    )
    assert math.isnan(access.measures(blank, 2020)["walk_max_km", "primary"].value)


def test_blank_boarders_are_said() -> None:
    reach = reach_of(
        county([village("v1")], [school("A")], [going("v1", "A", 5), going("v1", "A", 7, "g4_6", boarders=None)])
    )
    assert (reach.boarders, reach.boarders_unknown, reach.pupils.sum()) == (0, 7, 12)


def test_beyond_the_limit_is_outside_not_unknown(toy) -> None:
    table = access.costs(toy)
    metres = np.where(np.array(METRES) > 8_500, np.nan, np.array(METRES, dtype=float))
    reach = Reach.of(toy, 2020, "primary", replace(table, metres=metres, limit_m=8_500.0))
    own = access.covered(reach, 2_500)
    assert (own.within, own.outside, own.unknown) == (90, 5, 0)
    assert access.farthest(reach) == math.inf
    assert access.outside(reach, 2_500)["distance_m"].tolist() == [math.inf]


def test_without_attendance_children_are_measured_to_the_nearest_school() -> None:
    ages = [
        {"village_id": "v1", "year": 2020, "age_6_11": 40, "age_12_14": 20},
        {"village_id": "v2", "year": 2020, "age_6_11": 9},
    ]
    found = county([village("v1"), village("v2", 4)], [school("A", 1)], [], village_years=ages)
    reach = reach_of(found)
    assert reach.basis == "ages"
    assert access.covered(reach, 2_000, "nearest").within == 40
    own = access.covered(reach, 2_000)
    assert (own.unknown, math.isnan(own.share), own.percent) == (49, True, "–")
    assert access.measures(found, 2020) == {}


def test_nothing_known_is_nothing_said() -> None:
    empty = reach_of(county([village("v1")], [school("A")], []))
    assert empty.basis == "none"
    assert math.isnan(access.covered(empty, 3_000).pupils)  # not nobody
    assert access.outside(empty, 3_000).empty
    assert math.isnan(access.farthest(empty))
    assert access.by_township(empty, 3_000)["share"].isna().all()
    assert access.supply_per_100(empty, 3_000).empty


def test_no_school_of_the_stage() -> None:
    reach = reach_of(county([village("v1")], [school("A")], [going("v1", "A", 5)]), "junior")
    assert (reach.first == -1).all()
    assert reach.pupils.sum() == 0
    only = county([village("v1")], [school("A")], [going("v1", "A", 5)], square())
    assert access.catchments(only, reach_of(only, "junior"))["school_id"].isna().all()


def test_a_closed_school_is_nobodys_nearest() -> None:
    found = county([village("v1")], [school("A", 5), school("B", 1)], [going("v1", "A", 5)])
    years = found.table("school_years")
    years.loc[years["school_id"] == "B", "pupils"] = 0
    reach = reach_of(found.with_tables(school_years=years))
    assert reach.first[0].tolist() == [0]


def test_unknown_stage_year_and_mode_are_refused(toy) -> None:
    table = access.costs(toy)
    with pytest.raises(NotFoundError, match="senior"):
        Reach.of(toy, 2020, "senior", table)
    with pytest.raises(NotFoundError, match="g7_9"):
        Reach.of(toy, 2020, "primary", table, band="g7_9")
    with pytest.raises(NotFoundError, match="1999"):
        Reach.of(toy, 1999, "primary", table)
    assert access.modes_of(toy) == ["straight"]
    with pytest.raises(DataError):
        access.costs(toy, "network")
    assert access.costs(toy) is table  # measured once as long as the county is open


cost = st.one_of(st.floats(0, 9_999), st.just(math.nan), st.just(math.inf))
costs = st.lists(st.lists(cost, min_size=4, max_size=4), min_size=1, max_size=6)
homes = st.lists(
    st.tuples(st.floats(0, 9), st.floats(0, 9), st.integers(0, 2), st.integers(1, 50)), min_size=1, max_size=8
)


@quick
@given(costs, st.lists(st.booleans(), min_size=4, max_size=4))
def test_two_nearest_agree_with_brute_force(rows, mask) -> None:
    first, first_m, second, second_m = _two_nearest(np.array(rows), np.array(mask))
    for at, row in enumerate(rows):
        ranked = sorted((cost, i) for i, cost in enumerate(row) if mask[i] and math.isfinite(cost))
        beyond = any(mask[i] and math.isinf(cost) for i, cost in enumerate(row))
        for k, (index, metres) in enumerate([(first[at], first_m[at]), (second[at], second_m[at])]):
            if k < len(ranked):
                assert (metres, index) == ranked[k]
            else:
                assert index == -1
                assert math.isinf(metres) if beyond else math.isnan(metres)


@settings(max_examples=15, deadline=None)
@given(homes, st.floats(0, 12_000), st.floats(0, 12_000), st.tuples(st.floats(0, 9), st.floats(0, 9)))
def test_coverage_grows_with_the_radius_and_never_shrinks_when_a_school_opens(where, a, b, new) -> None:
    places = [village(f"v{i}", x, y) for i, (x, y, _, _) in enumerate(where)]
    schools = [school("A"), school("B", 5, 5), school("C", 9, 1)]
    rows = [going(f"v{i}", "ABC"[s], n) for i, (_, _, s, n) in enumerate(where)]
    reach = reach_of(county(places, schools, rows))
    more = reach_of(county(places, [*schools, school("N", *new)], rows))
    low, high = sorted((a, b))
    for to in access.TARGETS:
        inner, outer = access.covered(reach, low, to), access.covered(reach, high, to)
        assert inner.within <= outer.within
        assert inner.pupils == outer.pupils == sum(n for *_, n in where)
        assert access.by_township(reach, low, to)["within"].sum() == inner.within
        assert access.covered(more, low, to).within >= inner.within
        outside = access.outside(reach, low, to)
        assert outside["pupils"].sum() == inner.outside + inner.unknown
        assert set(np.flatnonzero(np.isin(access.village_classes(reach, low, to), (1, 2)))) == {
            int(v[1:]) for v in outside["village_id"]
        }
    assert (reach.nearest_m <= reach.own_m).all()
    assert (more.nearest_m <= reach.nearest_m).all()


# ---- catchments -----------------------------------------------------------------------------------------------------


def check_partition(found: County, areas: pd.DataFrame) -> None:
    """Hold catchments against what they promise: valid, apart, together the county."""
    import shapely

    land = access.ground(found)
    assert land is not None
    assert areas["area_km2"].sum() == pytest.approx(land.area_km2, rel=1e-3)
    shapes = areas["geometry"].tolist()
    assert all(shapely.is_valid(s) and not s.is_empty for s in shapes)
    overlap = sum(a.intersection(b).area for i, a in enumerate(shapes) for b in shapes[i + 1 :])
    assert overlap <= 1e-6 * sum(s.area for s in shapes)
    assert areas["school_id"].is_unique


def test_catchments_by_hand(toy) -> None:
    areas = access.catchments(toy, reach_of(toy))
    # A's village stands at 0 km and T's at 2 and 9 km: the line runs at 1 km, on a county from -10 to 10.
    assert areas["school_id"].tolist() == ["A", "T"]
    assert areas["villages"].tolist() == [1, 2]
    assert areas["area_km2"].tolist() == pytest.approx([220, 180], rel=0.005)
    check_partition(toy, areas)
    upper = access.catchments(toy, reach_of(toy), band="g4_6")
    assert upper["school_id"].tolist() == ["A"]
    assert upper["area_km2"].iloc[0] == pytest.approx(400, rel=0.005)
    attended = access.catchments(toy, reach_of(toy), "own")
    assert attended["school_id"].tolist() == ["A"]  # most day pupils of v2 attend A
    ring = np.array(square()["features"][0]["geometry"]["coordinates"][0])
    geodesic = abs(Geod(ellps="WGS84").polygon_area_perimeter(ring[:, 0], ring[:, 1])[0]) / 1e6
    assert areas["area_km2"].sum() == pytest.approx(geodesic, rel=1e-4)
    again = access.catchments(toy, reach_of(toy))
    assert [a.wkb == b.wkb for a, b in zip(areas["geometry"], again["geometry"], strict=True)] == [True, True]
    drawn = access.as_geojson(areas)
    assert json.loads(json.dumps(drawn))["features"][0]["properties"]["school_id"] == "A"


def test_catchments_follow_the_way_of_measuring(toy) -> None:
    # A river between v1 and the rest: v2's lower grades reach A only.
    metres = [[500, math.nan, 1_000], [2_200, math.nan, 1_200], [math.nan, math.nan, 8_000]]
    areas = access.catchments(toy, reach_of(toy, metres=metres))
    assert areas["school_id"].tolist()[0] == "A"
    assert areas["school_id"].isna().tolist() == [False, True]  # v3 reaches nobody: its ground is nobody's
    assert areas["villages"].tolist() == [2, 1]
    check_partition(toy, areas)


points = st.lists(st.tuples(st.integers(-12, 12), st.integers(-12, 12)), min_size=1, max_size=25)


@settings(max_examples=25, deadline=None)
@given(points, st.sampled_from([1.0, 0.37, 0.001]), st.integers(1, 4))
def test_catchments_cover_any_county_once(where, scale, n) -> None:
    # Lattices, duplicates, single points, all on one line, and villages beyond the outline.
    places = [village(f"v{i}", x * scale, y * scale) for i, (x, y) in enumerate(where)]
    schools = [school(f"S{i}", 3 * i - 4, 2 * i - 3) for i in range(n)]
    found = county(places, schools, [going("v0", "S0", 5)], square(-9, -7, 11, 8))
    reach = reach_of(found)
    areas = access.catchments(found, reach)
    check_partition(found, areas)
    land = access.ground(found)
    assert land is not None
    # Each village's point lies in the catchment of its nearest school (its rim included).
    import shapely

    owner = {row.school_id: row.geometry.buffer(1e-9) for row in areas.itertuples()}
    inside = shapely.contains_xy(
        shapely.union_all(areas["geometry"].tolist()), *np.array([[p["lon"], p["lat"]] for p in places]).T
    )
    for at, (place, there) in enumerate(zip(places, inside, strict=True)):
        if there:
            name = reach.schools["school_id"].iloc[reach.first[0][at]]
            assert shapely.contains_xy(owner[name], place["lon"], place["lat"])


def test_catchments_of_an_outline_in_pieces_with_a_hole() -> None:
    layer = square(-8, -8, 8, 8)
    hole = square(-2, -2, 2, 2)["features"][0]["geometry"]["coordinates"][0]
    island = square(12, 12, 15, 15)["features"][0]["geometry"]["coordinates"]
    ring = layer["features"][0]["geometry"]["coordinates"][0]
    layer["features"][0]["geometry"] = {"type": "MultiPolygon", "coordinates": [[ring, hole[::-1]], island]}
    places = [village(f"v{i}", 5 * math.cos(i), 5 * math.sin(i)) for i in range(7)]
    found = county(places, [school("A", -5), school("B", 5)], [going("v0", "A", 5)], layer)
    areas = access.catchments(found, reach_of(found))
    check_partition(found, areas)
    assert areas["area_km2"].sum() == pytest.approx(256 - 16 + 9, rel=0.005)


def test_two_villages_at_one_point_go_with_the_larger() -> None:
    found = county([village("v1"), village("v2")], [school("A", 1), school("B", -1)],
                   [going("v1", "A", 5), going("v2", "B", 9)], square())  # fmt: skip
    assert access.catchments(found, reach_of(found), "own")["school_id"].tolist() == ["B"]


def test_no_outline_no_catchments() -> None:
    found = county([village("v1")], [school("A")], [going("v1", "A", 5)])
    assert access.ground(found) is None
    assert access.catchments(found, reach_of(found)).empty
    townships = replace(found, layers={"townships.geojson": square()})
    check_partition(townships, access.catchments(townships, reach_of(townships)))
    nowhere = county([village("v1", lon=None)], [school("A")], [going("v1", "A", 5)], square())
    assert access.ground(nowhere) is None


# ---- supply within reach --------------------------------------------------------------------------------------------


def test_two_step_by_hand() -> None:
    # School 1 (6 teachers) is reached by both places (300 pupils): 0.02. School 2 (4) by the second (200): 0.02.
    found = access.two_step([[1, 9], [2, 2]], [6, 4], [100, 200], 3)
    assert found == pytest.approx([0.02, 0.04])


def test_enhanced_two_step_by_hand() -> None:
    # Zones to 10, 20, 30 with weights 1, 0.68, 0.22. School: 100 x 1 + 50 x 0.22 = 111, so R = 11.1 / 111 = 0.1.
    found = access.enhanced_two_step([[10.0], [30.0], [30.1]], [11.1], [100, 50, 7], [10, 20, 30])
    assert found == pytest.approx([0.1, 0.022, 0.0])


# Six places and four providers, computed with PySAL access 1.1.10: two_stage_fca, with its step weights 1, 0.68, 0.22.
PYSAL_COST = [
    [25.0, 35.9, 31.0, 9.0], [12.0, 34.9, 0.2, 32.8], [31.9, 18.7, 12.1, 11.1], [10.2, 17.8, 20.2, 22.1],
    [39.8, 31.7, 24.9, 39.6], [8.6, 6.4, 24.5, 1.8],
]  # fmt: skip
PYSAL_SUPPLY, PYSAL_DEMAND = [12, 7, 9, 3], [120, 45, 300, 80, 10, 66]


def test_agrees_with_pysal() -> None:
    plain = access.two_step(PYSAL_COST, PYSAL_SUPPLY, PYSAL_DEMAND, 30)
    expected = [0.04388556236, 0.05654928086, 0.038959492478, 0.077544701481, 0.017964071856, 0.077544701481]
    assert plain == pytest.approx(expected, abs=1e-11)
    enhanced = access.enhanced_two_step(PYSAL_COST, PYSAL_SUPPLY, PYSAL_DEMAND, [10, 20, 30])
    expected = [0.022241780467, 0.077763945971, 0.0412791662, 0.06927878683, 0.006988564168, 0.103570762535]
    assert enhanced == pytest.approx(expected, abs=1e-11)


@quick
@given(st.lists(st.lists(st.floats(0, 60), min_size=3, max_size=3), min_size=1, max_size=9), st.integers(0, 2**31))
def test_supply_is_shared_out_whole(rows, seed) -> None:
    rng = np.random.default_rng(seed)
    cost, supply, demand = (
        np.array(rows),
        rng.integers(1, 40, 3).astype(float),
        rng.integers(1, 90, len(rows)).astype(float),
    )
    for weights in (access.SLOW, access.QUICK):
        found = access.enhanced_two_step(cost, supply, demand, [10, 20, 30], weights)
        reached = (cost <= 30).any(axis=0)
        assert (found * demand).sum() == pytest.approx(supply[reached].sum())
        assert found[(cost > 30).all(axis=1)].sum() == 0


def test_unknown_figures_spread_only_where_they_reach() -> None:
    cost = [[1, 50], [1, 1], [50, 1], [math.nan, 50]]
    found = access.two_step(cost, [math.nan, 6], [10, 10, 20, 5], 10)
    assert np.isnan(found).tolist() == [True, True, False, False]
    assert found[2] == pytest.approx(0.2)
    assert found[3] == 0
    assert np.isnan(access.two_step(cost, [3, 6], [math.nan, 10, 20, 5], 10)).tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="rise"):
        access.enhanced_two_step([[1.0]], [1], [1], [20, 10], [1, 1])
    with pytest.raises(ValueError, match="fit"):
        access.two_step([[1.0]], [1, 2], [1], 10)


def test_supply_of_a_county(toy) -> None:
    found = access.supply_per_100(reach_of(toy, metres=METRES), 3_000).set_index("village_id")
    # Within 3 km A (8 teachers) and T (8) are each reached by v1 and v2, together 90 day pupils; v3 reaches nobody.
    assert found["per_100"].to_dict() == pytest.approx({"v3": 0, "v1": 1600 / 90, "v2": 1600 / 90})
    decay = access.supply_per_100(reach_of(toy, metres=METRES), 3_000, decay=access.SLOW).set_index("village_id")
    # Zones of 1 km: A is in v1's first zone and v2's third, T in v1's third and v2's first.
    a, t = 8 / (60 + 0.22 * 30), 8 / (0.22 * 60 + 30)
    assert decay["per_100"].to_dict() == pytest.approx(
        {"v3": 0, "v1": 100 * (a + 0.22 * t), "v2": 100 * (0.22 * a + t)}
    )


# ---- limits, time, measures -----------------------------------------------------------------------------------------


def test_radius_comes_from_the_plan_and_says_whose_it_is() -> None:
    own = access.walking_radius("primary", "akqi_2022")
    assert (own.metres, own.own, own.id) == (3_000, True, "A2-12.3")
    borrowed = access.walking_radius("junior", "wuxi_2016")
    assert (borrowed.metres, borrowed.own) == (5_000, False)
    assert "阿合奇" in borrowed.told().render("zh")
    assert access.walking_radius("primary").metres == standards.load("akqi_2022").item("A2-12.3").value * 1_000
    choices = access.limits("primary", "akqi_2022")
    assert [limit.metres for limit in choices] == [3_000, 2_000, 2_000, 500]
    assert [limit.metres for limit in access.limits("junior")] == [5_000, 1_000]
    for lang in ("zh", "en"):
        assert all(limit.told().render(lang) for limit in choices)
    half_hour = access.travel_limit()
    assert (half_hour.minutes, half_hour.band) == (30, "g1_3")


def test_half_an_hour_for_the_youngest(toy) -> None:
    reach = reach_of(toy, metres=METRES)
    found = access.travel_time(reach, 30)
    assert (found.within, found.outside) == (40, 5)  # grades 1-3 only: 30 at 500 m, 10 at 100 m, 5 at 9 km
    minutes = np.array([[31.0, 99, 99], [99, 29, 99], [99, 12, 99]])
    hilly = Reach.of(toy, 2020, "primary", replace(access.costs(toy), mode="terrain", walk_minutes=minutes))
    assert (access.travel_time(hilly, 30).within, access.travel_time(hilly, 30, "nearest").within) == (10, 15)
    assert access.travel_time(reach_of(toy, "junior", METRES), 30).pupils == 0


def test_measures_for_evaluation(toy) -> None:
    found = access.measures(toy, 2020, standard="akqi_2022")
    assert found["walk_max_km", "primary"].value == pytest.approx(9, rel=0.01)
    assert found["walk_covered_percent", "primary"].value == pytest.approx(100 * 90 / 95)
    assert found["walk_covered_percent", "junior"].value == 100
    for lang in ("zh", "en"):
        assert found["walk_covered_percent", "primary"].note.render(lang)
    table = replace(access.costs(toy), metres=np.array(METRES, dtype=float), provenance={"detour": 1.3})
    other = access.measures(toy, 2020, table=table)
    assert other["walk_max_km", "primary"].value == 9.0
    assert "1.30" in other["walk_covered_percent", "primary"].note.render("zh")
    due = date(2023, 8, 31)
    result = evaluation.evaluate(toy, standards.load("akqi_2022"), year=2020, measures=found, on=due)
    assert result.item("A2-12.3").status == "not_met"
    assert result.item("A2-12.4").status == "met"


def test_a_share_with_unknown_pupils_is_no_number() -> None:
    found = county([village("v1"), village("v2", lon=None)], [school("A")], [going("v1", "A", 5), going("v2", "A", 5)])
    measured = access.measures(found, 2020)
    assert math.isnan(measured["walk_covered_percent", "primary"].value)
    assert math.isnan(measured["walk_max_km", "primary"].value)
    assert "5" in measured["walk_covered_percent", "primary"].note.render("zh")


def test_walks_look_up_the_table(toy) -> None:
    straight = access.walks(toy, 2020)
    assert list(straight) == access.WALK_COLUMNS
    table = access.costs(toy)
    assert access.walks(toy, 2020, table)["distance_m"].to_numpy() == pytest.approx(
        straight["distance_m"].to_numpy(), abs=0.01
    )
    fewer = table.select(destinations=np.array([True, False, True]))
    assert access.walks(toy, 2020, fewer)["distance_m"].isna().sum() == 1  # T is not in the table
    assert access.covered_share(straight, 1) == pytest.approx(70 / 135)  # v1 at A and v2 at T


# ---- what stands near schools ---------------------------------------------------------------------------------------


def spot(kind: str, metres: float, name: str = "") -> dict[str, Any]:
    return {"kind": kind, "name": name, "lon": LON, "lat": LAT + metres / 1000 * KM_NORTH}


def test_what_stands_near_a_school_and_what_the_plan_says() -> None:
    found = county([], [school("A"), school("B", 5)], [])
    there = pd.DataFrame([spot("摊点", 40), spot("stall", 60), spot("网吧", 150), spot("KTV", 260), spot("书店", 90)])
    near = access.near_schools(found, there, year=2020)
    assert near["school_id"].tolist() == ["A"] * 4  # what is 260 m off is not listed
    assert near["kind"].tolist() == ["摊点", "stall", "书店", "网吧"]
    assert near["breaks"].tolist() == [True, False, False, True]
    assert near["metres"].tolist() == pytest.approx([40, 60, 90, 150], abs=0.5)
    assert near["code"].fillna("-").tolist() == ["C7-4", "C7-4", "-", "C7-5"]
    assert near["limit_m"].iloc[0] == standards.load("chuzhou_2011").item("C7-4").value
    counted = access.count_within(near).set_index("kind")
    assert counted.loc["摊点"].tolist() == [1, 1]
    assert counted.loc["网吧"].tolist() == [0, 1]
    assert access.near_schools(found, there[:0]).empty


def test_points_are_read_from_csv_and_geojson(tmp_path: Path) -> None:
    csv = tmp_path / "p.csv"
    csv.write_text("\ufeff类别,名称,经度,纬度\n网吧,某网吧,109.6,31.4\n", encoding="utf-8")
    assert access.read_points(csv).to_dict("records") == [{"kind": "网吧", "name": "某网吧", "lon": 109.6, "lat": 31.4}]
    place = {"type": "Point", "coordinates": [109.6, 31.4]}
    layer = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"amenity": "nightclub"}, "geometry": place}],
    }
    read = access.read_points("p.geojson", json.dumps(layer).encode())
    assert read[["kind", "name"]].to_numpy().tolist() == [["nightclub", ""]]


@pytest.mark.parametrize(
    ("name", "content", "rules"),
    [
        ("p.csv", "kind,name\n网吧,x\n", ["missing_column", "missing_column"]),
        ("p.csv", "kind,lon,lat\n,109,31\n网吧,,31\n网吧,109,131\n", ["point_kind", "point_place", "point_place"]),
        ("p.geojson", "not json", ["unreadable"]),
        ("p.geojson", '[1, 2]', ["unreadable"]),
        ("p.geojson", '{"features": [{"properties": {"kind": "x"}, "geometry": null}]}', ["point_place"]),
    ],
)  # fmt: skip
def test_faulty_points_are_all_told(name, content, rules) -> None:
    with pytest.raises(DataError) as told:
        access.read_points(name, content.encode())
    assert [fault.rule for fault in told.value.faults] == rules
    assert told.value.report("zh") and told.value.report("en")
    if len(rules) == 3:
        assert [fault.row for fault in told.value.faults] == [2, 3, 4]


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(toy, tmp_path: Path) -> Path:
    return toy.save(tmp_path / "toy")


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["access", *words])


def test_command_prints_the_result_as_json(folder) -> None:
    done = run(str(folder), "--stage", "primary", "--mode", "straight", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["year"], found["mode"], found["radius_m"], found["basis"]) == (2020, "straight", 3_000, "attendance")
    assert found["coverage"]["own"] == {
        "pupils": 95,
        "within": 90,
        "outside": 5,
        "unknown": 0,
        "share": pytest.approx(18 / 19),
        "share_at_most": pytest.approx(18 / 19),
    }
    assert [row["village"] for row in found["outside"]["own"]] == ["v3村"]
    assert found["travel_time"]["own"]["outside"] == 5
    assert sum(row["area_km2"] for row in found["catchments"]) == pytest.approx(400, rel=0.005)
    wider = json.loads(run(str(folder), "--stage", "primary", "--radius-m", "10000", "--json").stdout)
    assert wider["coverage"]["own"]["share"] == 1
    junior = json.loads(run(str(folder), "--stage", "junior", "--json").stdout)
    assert (junior["radius_m"], junior["travel_time"]) == (5_000, None)


def test_command_without_attendance_lists_nobody_unknown_as_outside(tmp_path) -> None:
    ages = [{"village_id": f"v{i}", "year": 2020, "age_6_11": 10} for i in (1, 2)]
    county([village("v1"), village("v2", 5)], [school("A")], [], village_years=ages).save(tmp_path / "toy")
    found = json.loads(run(str(tmp_path / "toy"), "--stage", "primary", "--json").stdout)
    assert found["outside"]["own"] == [] and len(found["not_known"]["own"]) == 2
    assert [row["village"] for row in found["outside"]["nearest"]] == ["v2村"]
    said = run(str(tmp_path / "toy"), "--stage", "primary").stdout
    assert "没有就学去向数据" in said and "量到就读学校" not in said


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_command_says_how_it_measured(folder, lang, tmp_path) -> None:
    points = tmp_path / "p.csv"
    points.write_text(f"kind,name,lon,lat\n网吧,某,{LON},{LAT}\n", encoding="utf-8")
    done = run(str(folder), "--stage", "primary", "--lang", lang, "--points", str(points))
    assert done.exit_code == 0
    assert ("直线" if lang == "zh" else "straight") in done.stdout
    assert "v3村" in done.stdout
    assert "C7-5" in done.stdout


def test_command_tells_what_is_at_fault(folder, tmp_path) -> None:
    assert run(str(tmp_path / "nothing"), "--stage", "primary").exit_code == 1
    assert run(str(folder), "--stage", "primary", "--year", "1999").exit_code == 1
    assert run(str(folder), "--stage", "primary", "--mode", "network").exit_code == 1
    assert run(str(folder), "--stage", "senior").exit_code == 2
    assert run(str(folder)).exit_code == 2


# ---- a demonstration county -----------------------------------------------------------------------------------------


def test_roads_cover_nobody_the_straight_line_does_not(demo_dir) -> None:
    if not (demo_dir / "akqi").is_dir():
        pytest.skip("the demonstration counties are not built")
    akqi = County.open(demo_dir / "akqi")
    year = akqi.years[-1]
    for stage in access.BANDS:
        straight, road = (Reach.of(akqi, year, stage, access.costs(akqi, mode)) for mode in ("straight", "network"))
        known = ~np.isnan(road.own_m)
        assert (road.own_m[known] >= straight.own_m[known] - 1e-6).all()
        for km in (1, 3, 5):
            assert access.covered(road, 1_000 * km).within <= access.covered(straight, 1_000 * km).within
        areas = access.catchments(akqi, road)
        check_partition(akqi, areas)
    value = access.measures(akqi, year)["walk_max_km", "primary"].value
    longest = access.farthest(Reach.of(akqi, year, "primary", access.costs(akqi)))
    assert value == pytest.approx(longest / 1_000, abs=1e-6)


def test_table_of_costs_is_not_changed(toy) -> None:
    table: ODTable = access.costs(toy)
    before = table.metres.copy()
    reach = Reach.of(toy, 2020, "primary", table)
    access.outside(reach, 1_000)
    access.catchments(toy, reach)
    assert np.array_equal(table.metres, before)
    assert tables.table("attendance").columns  # the tables' own description is where bands come from
    assert set(access.BANDS["primary"] + access.BANDS["junior"]) == set(
        tables.table("attendance").columns["band"].choices or {}
    )


def test_a_county_whose_children_are_not_known_has_no_count(root, tmp_path) -> None:
    known = County.open(root / "data" / "demo" / "akqi")
    empty = {name: known.tables[name][:0] for name in ("attendance", "village_years")}
    folder = str(known.with_tables(**empty).save(tmp_path / "akqi"))
    ask = [folder, "--stage", "primary", "--mode", "straight"]
    assert set(json.loads(run(*ask, "--json").stdout)["coverage"]["nearest"].values()) == {None}
    assert "适龄儿童" in run(*ask).stdout
