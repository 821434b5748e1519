"""A sound county has no fault; each thing that can be wrong is named once, by file, row and column."""

# ruff: noqa: E501  # rows of cases read better unwrapped

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balance_lib import locale
from balance_lib._errors import Fault, NotFoundError
from balance_lib.data import crs, tables
from balance_lib.data.check import check, check_folder, places
from balance_lib.data.check.figures import BANDS
from balance_lib.data.check.places import area, distance_out_m
from balance_lib.data.county import County

WEST, SOUTH = 109.0, 31.0  # the county: 1° by 1°, its two townships the western and eastern half


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def layer(**areas: dict[str, Any]) -> dict[str, Any]:
    features = [{"type": "Feature", "properties": {"township": n}, "geometry": g} for n, g in areas.items()]
    return {"type": "FeatureCollection", "features": features}


LAYERS = {
    "outline.geojson": layer(县=box(WEST, SOUTH, WEST + 1, SOUTH + 1)),
    "townships.geojson": layer(
        西镇=box(WEST, SOUTH, WEST + 0.5, SOUTH + 1), 东乡=box(WEST + 0.5, SOUTH, WEST + 1, SOUTH + 1)
    ),
}


def stage_row(school: str, year: int, stage: str, pupils: float | None, **more: float | None) -> dict[str, Any]:
    return {"school_id": school, "year": year, "stage": stage, "pupils": pupils, **more}


def sound() -> dict[str, pd.DataFrame]:
    """Return the tables of a county without fault: a primary, a junior and a nine-year school over three years."""
    schools = pd.DataFrame(
        [
            {"school_id": "P", "name_zh": "西镇小学", "kind": "primary", "township": "西镇", "lon": 109.2, "lat": 31.5},
            {"school_id": "J", "name_zh": "东乡初中", "kind": "junior", "township": "东乡", "lon": 109.7, "lat": 31.5},
            {"school_id": "N", "name_zh": "东乡九年制学校", "kind": "nine_year", "township": "东乡", "lon": 109.8, "lat": 31.4},
        ]
    ).assign(founder="county", location="rural")  # fmt: skip
    full = {
        "classes": 4, "classes_36_40": 4, "staff": 15, "teachers": 12, "teachers_college": 4, "teachers_bachelor": 6,
        "teachers_certified": 12, "boarders": 20, "teaching_area_m2": 900, "indoor_sports_m2": 100,
        "equipment_yuan": 300_000, "public_budget_yuan": 100_000, "books": 4000,
    }  # fmt: skip
    bands = {band: 0 for band in BANDS if band != "classes_36_40"}
    rows = []
    for year in (2019, 2020, 2021):
        rows.append(stage_row("P", year, "primary", 150, **full, **bands))
        rows.append(stage_row("J", year, "junior", 150, **full, **bands))
        rows.append(stage_row("N", year, "primary", 100, teachers=10))
        rows.append(stage_row("N", year, "junior", 100, teachers=10))
        rows.append(stage_row("N", year, "shared", None, equipment_yuan=400_000, teaching_area_m2=1500))
    villages = pd.DataFrame(
        {"village_id": ["v", "w"], "name_zh": ["甲村", "乙村"], "township": ["西镇", "东乡"], "lon": [109.21, 109.71], "lat": 31.5}
    )  # fmt: skip
    attendance = pd.DataFrame(
        [
            {"village_id": "v", "school_id": "P", "stage": "primary", "band": "g1_3", "year": 2021, "pupils": 90, "boarders": 0},
            {"village_id": "v", "school_id": "P", "stage": "primary", "band": "g4_6", "year": 2021, "pupils": 60, "boarders": 20},
            {"village_id": "w", "school_id": "J", "stage": "junior", "band": "g7_9", "year": 2021, "pupils": 150, "boarders": 0},
            {"village_id": "w", "school_id": "N", "stage": "primary", "band": "g1_3", "year": 2021, "pupils": 100},
            {"village_id": "w", "school_id": "N", "stage": "junior", "band": "g7_9", "year": 2021, "pupils": 100},
        ]
    )  # fmt: skip
    items = pd.DataFrame(
        {"year": [2020, 2021, 2021], "item": ["gdp_yuan", "gdp_yuan", "satisfaction_pct"], "value": [9e8, 1e9, 92.5]}
    )
    evidence = {"standard": "quality_2017", "item_id": "L4-primary", "year": 2021, "finding": "met", "document": "文件"}
    found = {
        "schools": schools,
        "school_years": pd.DataFrame(rows),
        "townships": pd.DataFrame({"township": ["西镇", "东乡"], "lon": [109.25, 109.75], "lat": 31.5}),
        "villages": villages,
        "village_years": pd.DataFrame({"village_id": ["v"], "year": [2021], "population": [900], "births": [9]}),
        "attendance": attendance,
        "county_years": items,
        "evidence": pd.DataFrame([evidence]),
    }
    return {name: tables.conform(frame, name) for name, frame in found.items()}


def county(frames: dict[str, pd.DataFrame], layers: dict[str, Any] | None = None, system: str = "WGS84") -> County:
    return County("t", "测试县", "Test", frames, crs=system, layers=LAYERS if layers is None else layers)


def told(frames: dict[str, pd.DataFrame], **kwargs: Any) -> list[tuple[str, str, int | None, str | None]]:
    found = [f for f in check(county(frames, **kwargs)) if f.rule not in ("no_villages", "no_attendance")]
    return [(f.rule, f.file.removesuffix(".csv"), f.row, f.column) for f in found]


def assert_told(faults: list[Fault]) -> None:
    """Hold that every fault can be told in both languages, with all its values filled in."""
    for fault in faults:
        for lang in locale.LANGUAGES:
            sentence = fault.sentence(lang)
            assert "{" not in sentence and "nan" not in sentence.lower(), sentence


def changed(name: str, row: int, **values: Any) -> dict[str, pd.DataFrame]:
    """Return the sound tables with cells of one row (as the spreadsheet counts) changed."""
    frames = sound()
    for column, value in values.items():
        frames[name].loc[row - 2, column] = value
    return frames


def added(name: str, **values: Any) -> dict[str, pd.DataFrame]:
    frames = sound()
    more = tables.conform(pd.DataFrame([values]), name)
    frames[name] = tables.conform(pd.concat([frames[name], more], ignore_index=True), name)
    return frames


def test_a_sound_county_has_no_fault() -> None:
    assert check(county(sound())) == []


Y = "school_years"
# What is changed (table, row, values) and all that must be told: rule, table, row, column.
ONE_ROW: list[tuple[str, int, dict[str, Any], list[tuple[str, str, int | None, str]]]] = [
    # within tables
    ("schools", 3, {"kind": "中学"}, [("choice", "schools", 3, "kind")]),
    # figures
    (Y, 2, {"teachers_bachelor": 9}, [("part_exceeds", Y, 2, "teachers_college+teachers_bachelor+teachers_master+teachers_doctor")]),
    (Y, 2, {"teachers_certified": 13}, [("part_exceeds", Y, 2, "teachers_certified")]),
    (Y, 2, {"boarders": 151}, [("part_exceeds", Y, 2, "boarders")]),
    (Y, 2, {"pupils_in_zone": 151}, [("part_exceeds", Y, 2, "pupils_in_zone")]),
    (Y, 2, {"indoor_sports_m2": 900.5}, [("part_exceeds", Y, 2, "indoor_sports_m2")]),
    (Y, 2, {"staff": 11}, [("part_exceeds", Y, 2, "teachers")]),
    ("attendance", 3, {"boarders": 61}, [("part_exceeds", "attendance", 3, "boarders")]),
    ("village_years", 2, {"births": 901}, [("part_exceeds", "village_years", 2, "births")]),
    (Y, 2, {"classes": 5}, [("class_bands", Y, 2, "classes")]),
    (Y, 2, {"classes_36_40": np.nan, "classes_41_45": 5}, [("class_bands", Y, 2, "classes")]),
    (Y, 2, {"classes_36_40": 0, "classes_26_30": 4}, [("class_bands_pupils", Y, 2, "pupils")]),
    (Y, 2, {"classes_36_40": 0, "classes_41_45": 4}, [("class_bands_pupils", Y, 2, "pupils")]),
    (Y, 2, {"equipment_yuan": 30}, [("wan_yuan", Y, 2, "equipment_yuan"), ("year_jump", Y, 7, "equipment_yuan")]),
    (Y, 6, {"equipment_yuan": 40}, [("wan_yuan", Y, 6, "equipment_yuan"), ("year_jump", Y, 11, "equipment_yuan")]),
    (Y, 12, {"public_budget_yuan": 1e9}, [("wan_yuan_twice", Y, 12, "public_budget_yuan"), ("year_jump", Y, 12, "public_budget_yuan")]),
    (Y, 2, {"teachers": 151, "staff": 151}, [("teacher_ratio", Y, 2, "teachers"), ("year_jump", Y, 7, "teachers")]),
    # rolls
    (Y, 2, {"pupils": 0, "boarders": 0}, [("zero_pupils_classes", Y, 2, "pupils")]),
    (Y, 4, {"pupils": 0, "teachers": 0}, [("zero_pupils", Y, 4, "pupils")]),
    (Y, 2, {"pupils": np.nan}, [("pupils_missing", Y, 2, "pupils")]),
    (Y, 2, {"classes": 0, **dict.fromkeys(BANDS, 0)}, [("no_classes", Y, 2, "classes")]),
    (Y, 2, {"stage": "junior"}, [("stage_foreign", Y, 2, "stage"), ("stage_missing", Y, 2, "stage")]),
    (Y, 2, {"kind": "teaching_point"}, []),
    (Y, 2, {"kind": "nine_year"}, [("stage_missing", Y, 2, "stage")]),
    (Y, 4, {"equipment_yuan": 400_000}, [("shared_equal", Y, 6, "equipment_yuan")]),
    ("schools", 2, {"founder": np.nan}, [("founder_missing", "schools", 2, "founder")]),
    ("schools", 2, {"location": np.nan}, [("location_missing", "schools", 2, "location")]),
    ("schools", 4, {"name_zh": "东乡初中"}, [("same_name_here", "schools", 4, "name_zh")]),
    ("villages", 3, {"township": "东镇"}, [("township_unknown", "villages", 3, "township")]),
    ("attendance", 3, {"pupils": 61}, [("attendance_sum", "attendance", 2, "pupils")]),
    ("attendance", 2, {"band": "g7_9"}, [("band_stage", "attendance", 2, "band")]),
    # years
    (Y, 12, {"pupils": 500, "classes": 12, "classes_36_40": 12}, [("attendance_sum", "attendance", 2, "pupils"), ("class_bands_pupils", Y, 12, "pupils"), ("year_jump", Y, 12, "pupils")]),
    ("schools", 2, {"opened_year": 2020}, [("before_open", Y, 2, "year")]),
    ("schools", 2, {"opened_year": 2018}, []),
    ("schools", 2, {"closed_year": 2021}, [("after_closed", Y, 12, "year")]),
    ("schools", 2, {"closed_year": 2022}, []),
    ("schools", 2, {"opened_year": 2022, "closed_year": 2019}, [("closed_before_open", "schools", 2, "closed_year")]),
    # items and evidence
    ("county_years", 2, {"item": "gpd_yuan"}, [("item_unknown", "county_years", 2, "item")]),
    ("county_years", 4, {"value": 100.5}, [("item_range", "county_years", 4, "value")]),
    ("county_years", 4, {"value": 100}, []),
    ("county_years", 2, {"value": 9e4}, [("item_wan_yuan", "county_years", 2, "value"), ("year_jump", "county_years", 3, "value")]),
    ("evidence", 2, {"item_id": "L4"}, [("item_code_unknown", "evidence", 2, "item_id")]),
    ("evidence", 2, {"standard": "quality_2018"}, [("standard_unknown", "evidence", 2, "standard")]),
    ("evidence", 2, {"recorded_on": "2021/5/1"}, [("iso_date", "evidence", 2, "recorded_on")]),
    # places
    ("schools", 2, {"lon": 0, "lat": 0}, [("zero_point", "schools", 2, "lon")]),
    ("schools", 2, {"lat": 0}, [("zero_point", "schools", 2, "lon")]),
    ("schools", 2, {"lat": np.nan}, [("half_point", "schools", 2, "lon")]),
    ("schools", 2, {"lon": np.nan, "lat": np.nan}, [("no_point", "schools", 2, "lon")]),
    ("schools", 4, {"lon": 109.7, "lat": 31.5}, [("same_point", "schools", 4, "lon")]),
    ("schools", 2, {"lon": 31.5, "lat": 109.2}, [("range", "schools", 2, "lat")]),
    ("villages", 2, {"lon": 109.2, "lat": 32.5}, [("far_walk", "attendance", 2, "school_id"), ("far_walk", "attendance", 3, "school_id"), ("outside", "villages", 2, "lon")]),
    ("schools", 3, {"township": "西镇"}, [("wrong_township", "schools", 3, "lon")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "values", "faults"), ONE_ROW)
def test_each_fault_is_told_once_and_alone(
    name: str, row: int, values: dict[str, Any], faults: list[tuple[str, str, int | None, str]]
) -> None:
    found = check(county(changed(name, row, **values)))
    assert sorted((f.rule, f.file.removesuffix(".csv"), f.row, f.column) for f in found) == sorted(faults)
    assert_told(found)


def test_an_area_too_large_for_its_pupils_jumps_too() -> None:
    frames = changed(Y, 7, teaching_area_m2=30_000)
    assert told(frames) == [
        ("per_pupil", Y, 7, "teaching_area_m2"),
        ("year_jump", Y, 7, "teaching_area_m2"),
        ("year_jump", Y, 12, "teaching_area_m2"),
    ]


def test_ninety_pupils_a_class_is_the_limit() -> None:
    frames = changed(Y, 4, classes=1, pupils=90)
    assert told(frames) == []
    frames[Y].loc[2, "pupils"] = 91
    (fault,) = check(county(frames))
    assert (fault.rule, fault.found, fault.severity) == ("class_size", "91 / 1", "error")


def test_a_shared_row_of_a_single_stage_school_is_told() -> None:
    assert told(added(Y, school_id="P", year=2021, stage="shared", books=1)) == [("shared_single", Y, 17, "stage")]


def test_the_same_row_twice_is_told_once() -> None:
    assert told(added(Y, school_id="P", year=2021, stage="primary", pupils=150)) == [
        ("duplicate", Y, 17, "school_id+year+stage")
    ]


def test_who_attends_must_be_the_roll_of_every_school_that_year() -> None:
    frames = sound()
    frames["attendance"] = frames["attendance"].iloc[:3].reset_index(drop=True)
    missing = [f for f in check(county(frames)) if f.rule == "attendance_sum"]
    assert [(f.row, f.found, f.params["school"], f.params["stage"]["en"], f.params["pupils"]) for f in missing] == [
        (None, "0", "N", "junior", "100"),
        (None, "0", "N", "primary", "100"),
    ]
    frames["attendance"].loc[2, "year"] = 2018  # a year without a roll
    (odd,) = [f for f in check(county(frames)) if f.rule == "attendance_sum" and f.params["year"] == "2018"]
    assert (odd.row, odd.found, odd.params["pupils"]) == (4, "150", "–")


def test_years_left_out_and_lists_that_stop_or_begin_are_told() -> None:
    frames = sound()
    years = frames[Y]
    frames[Y] = years[~((years["school_id"] == "P") & (years["year"] == 2020))].reset_index(drop=True)
    gap = check(county(frames))
    assert [(f.rule, f.row, f.params["years"], f.severity) for f in gap] == [("year_gap", 2, "2020", "error")]

    stop = sound()
    stop[Y] = years[~((years["school_id"] == "J") & (years["year"] > 2019))].reset_index(drop=True)
    stop["attendance"] = stop["attendance"].iloc[:0]
    assert told(stop) == [("rows_stop", "schools", 3, "closed_year")]
    stop["schools"].loc[1, "closed_year"] = 2020
    assert told(stop) == []
    stop["schools"].loc[1, "closed_year"] = 2021  # then 2020 is missing
    assert told(stop) == [("year_gap", "schools", 3, "school_id")]

    begin = sound()
    begin[Y] = years[~((years["school_id"] == "J") & (years["year"] < 2021))].reset_index(drop=True)
    assert told(begin) == [("rows_begin", "schools", 3, "opened_year")]
    begin["schools"].loc[1, "opened_year"] = 2021
    assert told(begin) == []


def test_a_school_without_any_year_is_told() -> None:
    more = {"school_id": "X", "name_zh": "新小学", "kind": "primary", "township": "西镇", "lon": 109.3, "lat": 31.3}
    assert told(added("schools", **more, founder="county", location="town")) == [
        ("no_years", "schools", 5, "school_id")
    ]


def test_what_all_rows_lack_is_told_once() -> None:
    frames = sound()
    frames["schools"]["founder"] = np.nan
    frames["villages"][["lon", "lat"]] = np.nan
    assert told(frames) == [
        ("founder_missing", "schools", None, "founder"),
        ("no_point", "villages", None, "lon"),
    ]


def test_swapped_coordinates_are_told_as_such_not_as_outside() -> None:
    """Where swapping keeps both in range: a county at 60 E, 40 N."""
    layers = {"outline.geojson": layer(县=box(59.5, 39.5, 60.5, 40.5))}
    frames = sound()
    for name in ("schools", "villages", "townships"):
        frames[name]["lon"], frames[name]["lat"] = frames[name]["lon"] - 49.5, frames[name]["lat"] + 8.5
    assert told(frames, layers=layers) == []
    frames["schools"].loc[0, ["lon", "lat"]] = [40.0, 59.7]
    assert ("swapped", "schools", 2, "lon") in told(frames, layers=layers)
    assert not any(rule == "outside" for rule, *_ in told(frames, layers=layers))


def test_an_outline_is_no_razor_but_a_kilometre_is_told() -> None:
    metre = 1 / 110_850  # of latitude, at 31°
    near = changed("schools", 2, lat=SOUTH + 1 + 400 * metre)
    near["attendance"] = near["attendance"].iloc[:0]
    assert told(near) == []
    faults = [f for f in check(county(changed("schools", 2, lat=SOUTH + 1 + 1000 * metre))) if f.rule == "outside"]
    assert [f.params["km"] for f in faults] == ["1.0"]


def test_distance_outside_agrees_with_a_geodesic() -> None:
    from pyproj import Geod

    outline = area(LAYERS["outline.geojson"])
    off = distance_out_m([109.5, 109.5, 108.9], [31.5, 32.1, 31.5], outline)
    assert off[0] == 0
    assert off[1] == pytest.approx(Geod(ellps="WGS84").inv(109.5, 32.0, 109.5, 32.1)[2], rel=0.005)
    assert off[2] == pytest.approx(Geod(ellps="WGS84").inv(109.0, 31.5, 108.9, 31.5)[2], rel=0.005)


def many(n: int = 120, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Return a county of many schools, each near a village it is named after, and no figures."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(WEST + 0.001, WEST + 0.999, n), rng.uniform(SOUTH + 0.001, SOUTH + 0.999, n)
    east = lon > WEST + 0.5
    names = [f"{a}{b}" for a in "青白黑红黄上下前后左右新老大小" for b in "山水石田林河沟坪"][:n]
    place = {"township": np.where(east, "东乡", "西镇"), "lon": lon, "lat": lat}
    villages = pd.DataFrame({"village_id": [f"v{i}" for i in range(n)], "name_zh": [f"{x}村" for x in names], **place})
    schools = pd.DataFrame({"school_id": [f"s{i}" for i in range(n)], "name_zh": [f"{x}小学" for x in names], **place})
    schools["lon"] += rng.normal(0, 0.003, n)
    schools["lat"] += rng.normal(0, 0.003, n)
    schools = schools.assign(kind="primary", founder="county", location="rural")
    inside = schools["lon"].between(WEST, WEST + 1) & schools["lat"].between(SOUTH, SOUTH + 1)
    schools = schools[inside & ((schools["lon"] > WEST + 0.5) == (schools["township"] == "东乡"))]
    return {
        "schools": tables.conform(schools, "schools"),
        "villages": tables.conform(villages, "villages"),
        "townships": tables.conform(
            pd.DataFrame({"township": ["西镇", "东乡"], "lon": 109.5, "lat": 31.5}), "townships"
        ),
    }


def moved(frames: dict[str, pd.DataFrame], name: str, source: str, target: str) -> dict[str, pd.DataFrame]:
    frame = frames[name].copy()
    frame["lon"], frame["lat"] = crs.convert(frame["lon"], frame["lat"], source, target)
    return {**frames, name: frame}


def hints(frames: dict[str, pd.DataFrame], layers: dict[str, Any], system: str = "WGS84") -> list[tuple[str, str]]:
    found = [f for f in places.check(county(frames, layers, system)) if f.rule == "looks_shifted"]
    assert_told(found)
    return [(f.file, f.params["other"]) for f in found]


ONLY_OUTLINE = {"outline.geojson": LAYERS["outline.geojson"]}
ONLY_TOWNSHIPS = {"townships.geojson": LAYERS["townships.geojson"]}


@pytest.mark.parametrize("seed", [1, 2])
def test_another_coordinate_system_is_pointed_out_and_nothing_converted(seed: int) -> None:
    frames = many(seed=seed)
    for layers in (LAYERS, ONLY_TOWNSHIPS, {}):
        assert hints(frames, layers) == []
    for other in ("GCJ02", "BD09"):
        shifted = moved(frames, "schools", "WGS84", other)
        assert hints(shifted, LAYERS) == [("schools.csv", other)]
        assert hints(shifted, {}) == [("schools.csv", other)]  # by the villages alone
        before = shifted["schools"].copy()
        check(county(shifted))
        pd.testing.assert_frame_equal(shifted["schools"], before)
    shifted = moved(frames, "schools", "WGS84", "GCJ02")
    (fault,) = [f for f in places.check(county(shifted)) if f.rule == "looks_shifted"]
    assert fault.severity == "warning" and 300 < float(fault.params["metres"]) < 700


def test_a_county_declared_in_gcj02_is_held_against_the_others() -> None:
    frames, shifted = many(), {}
    for name in frames:
        shifted = moved(shifted or frames, name, "WGS84", "GCJ02")
    layers = {name: crs.convert_geometry(shape, "WGS84", "GCJ02") for name, shape in LAYERS.items()}
    assert hints(shifted, layers, "GCJ02") == []
    assert hints({**shifted, "schools": frames["schools"]}, layers, "GCJ02") == [("schools.csv", "WGS84")]


def test_without_an_outline_a_lonely_point_and_a_swapped_one_are_told() -> None:
    frames = sound()
    n = 12
    place = {"lon": 60 + np.arange(n) * 0.01, "lat": 40.0 + np.arange(n) * 0.01}
    rows = {"school_id": [f"s{i}" for i in range(n)], "name_zh": [f"{i}小" for i in range(n)], "kind": "primary"}
    schools = pd.DataFrame({**rows, **place, "founder": "county", "location": "rural"})
    schools.loc[3, ["lon", "lat"]] = [40.03, 60.03]
    frames = {"schools": tables.conform(schools, "schools")}
    assert told(frames, layers={}) == [("swapped", "schools", 5, "lon")]
    frames["schools"].loc[3, ["lon", "lat"]] = [60.03, 41.03]
    (fault,) = [f for f in check(county(frames, {})) if f.rule != "no_villages"]
    assert (fault.rule, fault.row, fault.severity, fault.params["km"]) == ("far_point", 5, "warning", "107")
    frames["schools"].loc[:4, "lat"] += 3
    assert told(frames, layers={}) == [("spread_wide", "schools", None, "lon/lat")]


def test_a_roll_of_zero_names_the_school_and_each_way_out_ends_without_an_error() -> None:
    frames = changed("school_years", 4, pupils=0, classes=np.nan)
    (fault,) = [f for f in check(county(frames, {})) if f.rule != "no_villages"]
    row = frames["school_years"].loc[2]
    name = frames["schools"].set_index("school_id").at[row["school_id"], "name_zh"]
    assert fault.rule == "zero_pupils" and str(name) in fault.hint("zh") and "小学学生数" in fault.hint("zh")
    assert f"{name} ({row['school_id']}) has 0 primary pupils" in fault.hint("en")
    blank = changed("school_years", 4, pupils=np.nan)
    assert [(f.rule, f.severity) for f in check(county(blank, {}))] == [("pupils_missing", "warning")]


def many_villages(n: int, far: int) -> dict[str, pd.DataFrame]:
    """Return the sound county with so many more villages, the last ones 2, 3 … degrees north of its schools."""
    frames = sound()
    extra = pd.DataFrame(
        {
            "village_id": [f"w{i}" for i in range(n)],
            "name_zh": [f"外{i}村" for i in range(n)],
            "lon": WEST + 0.5,
            "lat": [SOUTH + 0.5 + max(0, i - (n - far) + 1) * 2.0 for i in range(n)],
        }
    )
    frames["villages"] = tables.conform(pd.concat([frames["villages"], extra], ignore_index=True), "villages")
    return frames


def test_a_list_of_villages_of_more_than_the_county_is_told_once_with_how_many_and_the_farthest() -> None:
    frames, of = many_villages(30, 10), len(sound()["villages"]) + 30
    (inside,) = [f for f in check(county(frames)) if f.file == "villages.csv"]
    assert (inside.rule, inside.severity, inside.params["n"], inside.params["of"]) == ("many_outside", "error", 10, of)
    assert inside.params["who"] == "外29村" and inside.params["row"] == of + 1
    assert float(inside.params["km"].replace(",", "")) == pytest.approx(
        19.5 * 110.9, rel=0.01
    )  # from the northern edge
    (alone,) = check(county(frames, {}))
    assert (alone.rule, alone.severity, alone.params["n"]) == ("far_from_schools", "warning", 10)
    assert float(alone.params["km"].replace(",", "")) == pytest.approx(20 * 110.9, rel=0.02)


def test_villages_within_a_walk_of_a_school_are_not_told_and_swapped_ones_are_told_as_such() -> None:
    assert check(county(many_villages(30, 0), {})) == []
    school = {"school_id": ["s"], "name_zh": ["小学"], "kind": "primary", "founder": "county", "location": "rural"}
    schools = tables.conform(pd.DataFrame({**school, "lon": 60.0, "lat": 40.0}), "schools")
    place = {"lon": [60.1, 40.05], "lat": [40.1, 60.05]}
    villages = tables.conform(
        pd.DataFrame({"village_id": ["v", "w"], "name_zh": ["甲村", "乙村"], **place}), "villages"
    )
    assert told({"schools": schools, "villages": villages}, layers={}) == [("swapped", "villages", 3, "lon")]


def test_every_fault_of_a_folder_comes_at_once_and_the_county_still_opens(tmp_path: Path) -> None:
    folder = county(changed("schools", 2, lat=0)).save(tmp_path / "t")
    (folder / "villages.csv").write_text("village_id,name_zh\n1,甲\n1,乙\n", encoding="utf-8")
    (folder / "county.yaml").write_text("name_zh: 测试县\n", encoding="utf-8")
    opened, faults = check_folder(folder)
    assert opened is not None and len(opened.table("school_years")) == 15
    rules = [f.rule for f in faults]
    assert rules[0] == "crs"
    assert {"crs", "zero_point", "duplicate", "reference"} <= set(rules)
    files = [f.file for f in faults]
    assert files == sorted(files, key=["county.yaml", *(t.file for t in tables.all_tables().values())].index)


def test_a_folder_without_a_readable_county_file(tmp_path: Path) -> None:
    (tmp_path / "county.yaml").write_text("[", encoding="utf-8")
    opened, faults = check_folder(tmp_path)
    assert opened is None and [f.rule for f in faults] == ["unreadable_yaml"]
    with pytest.raises(NotFoundError):
        check_folder(tmp_path / "nowhere")


def test_an_empty_county_is_no_crash() -> None:
    assert check(County("e", "空", "", {})) == []


def rules_of(source: Callable[[], Any] | None = None) -> set[str]:
    import re

    root = Path(tables.__file__).parents[1]
    code = [*root.glob("check/*.py"), *root.glob("intake/*.py"), root / "county.py", root / "tables" / "__init__.py"]
    return {
        rule
        for file in code
        for rule in re.findall(r"(?:Fault|each|blanks|_broken|counted)\(\s*\"([a-z_0-9]+)\"", file.read_text("utf-8"))
    }


def test_every_rule_has_its_text_in_both_languages() -> None:
    rules = rules_of()
    assert len(rules) > 60
    for rule in rules:
        for part in ("expected", "hint"):
            for lang in locale.LANGUAGES:
                assert f"fault.{rule}.{part}" in locale.catalogue(lang), (rule, lang)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_stands_in_the_cells_check_neither_stops_nor_says_nan(data: st.DataObject) -> None:
    frames = sound()
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(sorted(frames)))
        column = data.draw(st.sampled_from(list(tables.table(name).columns.values())))
        row = data.draw(st.sampled_from(list(frames[name].index)))
        values = (
            [np.nan, -1.0, 0.0, 0.5, 1e9, 2020.0, 31.5] if column.numeric else [np.nan, "x", "P", "shared", "nine_year"]
        )
        frames[name].loc[row, column.name] = data.draw(st.sampled_from(values))
    assert_told(check(county(frames)))


def test_a_county_without_villages_or_attendance_is_told_what_to_add_and_what_works_without() -> None:
    frames = sound()
    bare = {**frames, "attendance": frames["attendance"].iloc[:0]}
    (missing,) = check(county(bare))
    assert (missing.rule, missing.severity) == ("no_attendance", "warning")
    bare |= {name: frames[name].iloc[:0] for name in ("villages", "village_years")}
    (missing,) = check(county(bare))  # one thing after the other: attendance is of villages
    assert (missing.rule, missing.file, missing.severity) == ("no_villages", "villages.csv", "warning")
    assert "照常" in missing.sentence("zh") and "“村（居）”" in missing.sentence("zh")
    assert "work without" in missing.sentence("en") and "sheets Villages and Village years" in missing.sentence("en")
    for name in ("villages", "village_years", "attendance"):  # the sheets named are those of the blank workbook
        assert (
            tables.table(name).zh in "村（居）、村年度人口、就学去向"
            and tables.table(name).en in "Villages, Village years, Attendance"
        )
    assert check(county({name: frame.iloc[:0] for name, frame in frames.items()})) == []
