"""The schematic map's Python side: true kilometres, honest gaps, and small messages."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyproj import Geod

from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.show.map import HIDDEN, LinkClass, MapClass, VillageClass, geometry
from balance_lib.show.widgets import county_map
from balance_lib.show.widgets.county_map import CountyMap
from tests.browser.made_up import TOWNS, county


@pytest.fixture(scope="module")
def made() -> County:
    return county()


def _without_coordinates(found: County, school: str) -> County:
    frame = found.table("schools")
    frame.loc[frame["school_id"] == school, ["lon", "lat"]] = np.nan
    return found.with_tables(schools=frame)


@pytest.mark.parametrize("lat", [22.0, 31.4, 43.7])
def test_kilometres_agree_with_the_ellipsoid(lat: float) -> None:
    middle = (109.0, lat)
    places = [(109.9, lat + 0.4), (108.2, lat - 0.5), (109.0, lat + 0.9)]
    xy = geometry.project(places, middle)
    for place, point in zip(places, xy, strict=True):
        _, _, metres = Geod(ellps="GRS80").inv(*middle, *place)
        assert np.hypot(*point) == pytest.approx(metres / 1000, rel=2e-4)
    assert geometry.project([middle], middle) == pytest.approx(np.zeros((1, 2)), abs=1e-9)


def test_every_place_lies_where_the_index_says(made: County) -> None:
    found = county_map._geometry(made)
    index, middle = found.index, tuple(found.index["middle"])
    schools = made.tables["schools"]
    start = index["schools"]["start"]
    expected = geometry.project(schools[["lon", "lat"]].to_numpy(), middle)  # type: ignore[arg-type]
    assert found.xy[start : start + len(schools)] == pytest.approx(expected, abs=1e-4)
    assert found.xy.dtype == np.float32
    assert found.schools == list(schools["school_id"])
    parts = [part for town in index["townships"] for part in town["rings"]] + index["outline"] + index["rivers"]
    points = sum(count for _, count in parts) + 2 * sum(count for _, count in index["roads"].values())
    assert points + len(schools) + len(made.tables["villages"]) == len(found.xy)
    assert index["layers"] == ["townships", "rivers", "roads", "villages", "labels"]


def test_labels_lie_inside_their_township(made: County) -> None:
    from shapely.geometry import Point, Polygon

    found = county_map._geometry(made)
    for town in found.index["townships"]:
        (start, count) = town["rings"][0]
        assert Polygon(found.xy[start : start + count]).contains(Point(town["at"]))
    assert [town["name"] for town in found.index["townships"]] == TOWNS


def test_a_school_without_coordinates_is_counted_not_drawn(made: County) -> None:
    found = county_map._geometry(_without_coordinates(made, "S3"))
    assert found.index["unplaced"] == 1
    assert "S3" not in found.schools
    assert len(found.schools) == 35
    assert not np.isnan(found.xy).any()


@pytest.mark.parametrize(("lon", "lat"), [(-84.0, -90.0), (9.0, 0.0)])
def test_a_school_at_the_end_of_the_world_is_counted_and_does_not_spoil_the_map(
    made: County, lon: float, lat: float
) -> None:
    schools = made.tables["schools"].copy()
    schools.loc[0, ["lon", "lat"]] = lon, lat
    lost = county_map._geometry(made.with_tables(schools=schools))
    assert lost.index["unplaced"] == 1 and np.abs(lost.xy).max() < 1000 and len(lost.schools) == len(schools) - 1


def test_a_school_whose_roll_nobody_recorded_is_on_the_map(made: County) -> None:
    rows = made.tables["school_years"].copy()
    rows.loc[rows["school_id"] == rows["school_id"].iloc[0], "pupils"] = np.nan
    unknown, known = CountyMap(made.with_tables(school_years=rows), 2023), CountyMap(made, 2023)
    assert unknown._kinds == known._kinds and np.isnan(np.frombuffer(unknown._pupils, np.float32)[0])


def test_a_county_with_schools_only_is_drawn() -> None:
    full = county()
    bare = replace(full, layers={}, tables={name: full.tables[name] for name in ("schools", "school_years")})
    chart = CountyMap(bare)
    assert chart._index["layers"] == ["labels"]
    assert len(chart.places.schools) == 36


def test_an_empty_county_is_drawn() -> None:
    empty = County("leer", "空县", "Empty", {"schools": tables.empty("schools")})
    chart = CountyMap(empty)
    assert chart._geometry == b""
    assert chart.year == 0


@pytest.mark.parametrize(
    ("shape", "lines"),
    [
        ({"type": "Polygon", "coordinates": [[[0, 0, 5], [1, 0, 5], [0, 0, 5]]]}, 1),
        ({"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [0, 0]]], [[[2, 2], [3, 2], [2, 2]]]]}, 2),
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, 1),
        ({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]}, 2),
        ({"type": "GeometryCollection", "geometries": [{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}]}, 1),
        ({"type": "Polygon", "coordinates": []}, 0),
    ],
)
def test_every_geojson_shape_is_read(shape: dict[str, Any], lines: int) -> None:
    found = county_map._rings(shape)
    assert len(found) == lines
    assert all(line.shape[1] == 2 for line in found)


def test_year_shows_who_was_open_and_what_it_was(made: County) -> None:
    names = [kind["key"] for kind in county_map.kinds()]
    chart = CountyMap(made, 2023)
    at = chart.places.schools.index("S1")
    assert chart._kinds[at] == HIDDEN  # closed by then
    chart.set_year(2022)
    assert names[chart._kinds[at]] == "primary"
    years = made.table("school_years")
    years.loc[(years["school_id"] == "S1"), "kind"] = "teaching_point"
    changed = CountyMap(made.with_tables(school_years=years), 2022)
    assert names[changed._kinds[at]] == "teaching_point"
    assert np.frombuffer(chart._pupils, np.float32)[at] == 100.0


def test_pupils_of_villages_are_unknown_rather_than_none(made: County) -> None:
    dots = np.frombuffer(CountyMap(made, 2023)._dots, np.float32)
    assert dots[0] == 8.0
    assert np.isnan(np.frombuffer(CountyMap(made, 2022)._dots, np.float32)).all()  # no attendance that year
    ages = pd.DataFrame({"village_id": ["V0", "V1"], "year": 2022, "age_6_11": [30.0, 10.0]})
    ages["age_12_14"] = [12.0, np.nan]
    aged = CountyMap(made.with_tables(village_years=ages), 2022)
    assert np.frombuffer(aged._dots, np.float32)[0] == 42.0
    assert np.isnan(np.frombuffer(aged._dots, np.float32)[1])


def test_classes_and_values_follow_the_schools(made: County) -> None:
    chart = CountyMap(made)
    chart.set_classes({"S2": "not_met", "S0": "met"}, {"S2": 3.5}, label="图书", unit="册", notes={"S2": "差 12 册"})
    keys = [look["key"] for look in chart.legend]
    assert [keys[code] for code in chart._classes[:4]] == ["met", "not_applicable", "not_met", "not_applicable"]
    values = np.frombuffer(chart._values, np.float32)
    assert values[2] == 3.5
    assert np.isnan(values[0])
    assert chart._notes[2] == "差 12 册"
    near_and_far = [MapClass("far", "远", "#fff", "#000"), MapClass("rest", "其余", "#ccc", "#000")]
    chart.set_classes(pd.Series({"S0": "far"}), legend=near_and_far)
    assert list(chart._classes[:2]) == [0, 1]


def test_unknown_class_is_refused(made: County) -> None:
    chart = CountyMap(made)
    before = chart._classes
    with pytest.raises(ValueError, match="green"):
        chart.set_classes({"S0": "green"})
    assert chart._classes == before


def test_recolouring_sends_bytes_not_geometry(made: County) -> None:
    chart = CountyMap(made)
    sent: list[Any] = []
    chart.send_state = lambda key=None: sent.append(set(key) if key else key)  # type: ignore[method-assign]
    chart.set_classes({"S0": "met"}, {"S0": 1.0})
    chart.set_year(2022)
    chart.set_radius(3)
    assert {"_classes", "_values", "_kinds", "radius_km"} <= set().union(*sent)
    assert not set().union(*sent) & {"_geometry", "_index", "_text"}
    assert len(chart._classes) == 36
    assert len(chart._values) == 4 * 36


def test_radius_is_drawn_around_chosen_schools(made: County) -> None:
    chart = CountyMap(made)
    chart.set_radius([3, 5], ["S1"])
    assert chart.radius_km == [3.0, 5.0]
    assert [i for i, chosen in enumerate(chart._circles) if chosen] == [1]
    chart.set_radius(None)
    assert chart.radius_km == []


WAYS = [LinkClass("fine", "符合规定", "#555"), LinkClass("breaks", "超出规定", "#8b1a1a", dashed=True)]


def test_links_carry_pupils_and_the_rule_they_break(made: County) -> None:
    chart = CountyMap(made)
    pairs = [("V2", "S3"), ("nowhere", "S3"), ("V0", "S0"), ("S1", "S4")]
    chart.set_links(pairs, pupils=[40, 7, 12, 100], classes=["breaks", "fine", "fine", "breaks"], legend=WAYS)
    villages = len(chart.places.villages)
    # The second village is not on the map; a school as the start counts on after the villages.
    assert np.frombuffer(chart._links, np.uint32).reshape(-1, 2).tolist() == [[2, 3], [0, 0], [villages + 1, 4]]
    assert np.frombuffer(chart._link_pupils, np.float32).tolist() == [40, 12, 100]
    assert list(chart._link_classes) == [1, 0, 1]
    assert [look["dashed"] for look in chart.link_legend] == [False, True]
    chart.set_links([("V0", "S0")])
    assert (chart._link_pupils, chart.link_legend) == (b"", [])
    chart.set_links([])
    assert chart._links == b""


@pytest.mark.parametrize(
    "wrong", [{"pupils": [1.0]}, {"classes": ["fine"]}, {"classes": ["fine", "odd"], "legend": WAYS}]
)
def test_links_that_do_not_fit_are_refused(made: County, wrong: dict[str, Any]) -> None:
    chart = CountyMap(made)
    with pytest.raises(ValueError, match=r"2 links|odd"):
        chart.set_links([("V0", "S0"), ("V1", "S1")], **wrong)
    assert chart._links == b""


def test_a_scenario_shows_other_schools_than_the_year(made: County) -> None:
    site = pd.DataFrame({"school_id": ["N1"], "name_zh": ["新校"], "lon": [109.4], "lat": [33.7]})
    chart = CountyMap(made, 2023, sites=site)
    names = [kind["key"] for kind in county_map.kinds()]
    assert chart.places.schools[-1] == "N1"
    assert chart._kinds[-1] == HIDDEN  # nobody has opened it
    before = chart._kinds
    chart.set_schools({"S0": "teaching_point", "S2": None, "N1": "primary"}, {"N1": 300})
    shown = {i: names[code] for i, code in zip(chart.places.schools, chart._kinds, strict=True) if code != HIDDEN}
    assert shown == {"S0": "teaching_point", "N1": "primary"}
    assert np.frombuffer(chart._pupils, np.float32)[-1] == 300
    chart.set_year(2023)
    assert chart._kinds == before
    with pytest.raises(ValueError, match="castle"):
        chart.set_schools({"S0": "castle"})
    with pytest.raises(ValueError, match="S0"):
        CountyMap(made, sites=site.assign(school_id="S0"))


def test_notes_of_villages_come_with_their_legend(made: County) -> None:
    chart = CountyMap(made)
    codes = np.zeros(len(chart.places.villages), np.uint8)
    chart.set_villages(codes, legend=[VillageClass("moved", "要换学校", "#d55e00")], notes={"V1": "到新校 3 公里"})
    assert chart._village_notes[:2] == ["", "到新校 3 公里"]
    chart.set_villages(codes)
    assert chart._village_notes[1] == "到新校 3 公里"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_words_are_complete_in_both_languages(made: County, lang: str) -> None:
    chart = CountyMap(made, lang=lang)
    folder = geometry.__file__.rsplit("/", 1)[0]
    asked = set().union(*(_words_in_script(f"{folder}/static/{name}.js") for name in ("map", "picture")))
    assert asked <= set(chart._text)
    assert made.name(lang) in chart._text["aria"]
    assert "{n}" in chart._text["pupils"]
    json.dumps(chart._text)


def _words_in_script(path: str) -> set[str]:
    import re
    from pathlib import Path

    source = Path(path).read_text(encoding="utf-8")
    return set(re.findall(r"\b(?:this\.)?t\.([a-z_]+)\b", source)) - {"name", "text"}


def test_page_load_stays_small() -> None:
    large = county(schools=300, villages=2000)
    chart = CountyMap(large)
    size = len(chart._geometry) + len(json.dumps([chart._index, chart._text], ensure_ascii=False).encode())
    assert size + len(chart._esm) + len(chart._css) < 300_000
