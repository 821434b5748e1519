"""The access page without a browser: its state, its words, and what travels while the slider moves."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from balance_lib import access
from balance_lib.data.county import County
from balance_lib.show.widgets import apps, walk_views
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.walking import Walking
from tests import towns
from tests.test_access import GOING, KM_EAST, LAT, LON, METRES, PLACES, SCHOOLS, county, going, school, square, village


def roads() -> list[dict[str, Any]]:
    """Return a road from v1 to v3 that leaves the straight line: 3 km north, 9 km east, 3 km south."""
    north = LAT + 3 / 110.89
    corners = [(LON, LAT), (LON, north), (LON + 9 * KM_EAST, north), (LON + 9 * KM_EAST, LAT)]
    pairs = pairwise(corners)
    return [
        {"from_node": f"n{i}", "to_node": f"n{i + 1}", "from_lon": a[0], "from_lat": a[1], "to_lon": b[0],
         "to_lat": b[1], "length_m": 9_000 if i == 1 else 3_000, "kind": "road"}
        for i, (a, b) in enumerate(pairs)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("counties")
    made = county(PLACES, SCHOOLS, GOING, square(), edges=roads())
    years = made.table("school_years")
    earlier = made.with_tables(
        school_years=years.merge(years.assign(year=2019), how="outer"),
        attendance=made.table("attendance").merge(made.table("attendance").assign(year=2019, pupils=99.0), how="outer"),
    )
    replace(earlier, meta={"plan": "akqi_2022"}, name_zh="<甲>县").save(root / "toy")
    other = county([village("w1", 4)], [school("A")], [going("w1", "A", 5)], square())
    replace(other, county_id="other", name_zh="乙县").save(root / "other")
    return root


@pytest.fixture
def page(saved) -> apps.Access:
    return apps.Access(PageModel(Library((saved,)), {"county": "toy"}))


def codes(page: apps.Access) -> list[str]:
    assert page.chart is not None
    keys = [look["key"] for look in page.chart.village_legend]
    return [keys[code] for code in page.chart._village_classes]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_page_stands_and_says_how_it_measured(saved, lang) -> None:
    page = apps.Access(PageModel(Library((saved,)), {"county": "toy", "lang": lang}))
    assert page.problem.value == ""
    assert ("直线" if lang == "zh" else "straight line") in page.verdict.value
    assert "A2-12.3" in page.verdict.value  # whose radius it is
    assert 'data-status="not_met"' in page.verdict.value
    assert page.radius.value == 3.0
    for stage in [value for _, value in page.stage.options]:
        for target in access.TARGETS:
            page.stage.value, page.target.value = stage, target
            assert page.problem.value == ""


def test_places_bear_the_name_the_map_gives_them(saved) -> None:
    made = County.open(saved / "toy")
    schools = made.table("schools").assign(name_en=["A School", None, *[None] * (len(made.tables["schools"]) - 2)])
    found = made.with_tables(schools=schools).spoken("en").tables["schools"]["name_zh"]
    assert list(found[:2]) == ["A School", made.tables["schools"]["name_zh"][1]]
    assert made.spoken("zh") is made
    assert list(made.tables["schools"]["name_zh"]) == list(County.open(saved / "toy").tables["schools"]["name_zh"])


def test_figures_of_the_page_are_those_of_the_room(page) -> None:
    # 60 + 10 + 20 of 95 day pupils within 3 km of the school they attend; v3's five are 9 km off.
    assert re.search(r"95人.*94\.7%.*圈外5人，分布在1个村", page.verdict.value)
    assert "v3村" in page.villages.value
    assert codes(page) == ["inside", "inside", "outside"]
    assert "9.0公里" in page.cards.value


def test_slider_sends_classes_and_one_number_only(page, monkeypatch) -> None:
    sent: list[dict[str, Any]] = []
    assert page.chart is not None

    def record(self: Any, key: Any = None) -> None:
        sent.append({name: getattr(self, name) for name in key or ()})

    monkeypatch.setattr(type(page.chart), "send_state", record)
    page.radius.value = 1.5
    assert codes(page) == ["inside", "partly", "outside"]
    traits = set().union(*sent)
    assert traits <= {"_village_classes", "radius_km"}
    assert page.chart.radius_km == [1.5]
    assert sum(len(v) if isinstance(v, bytes) else 8 * len(v) for state in sent for v in state.values()) < 100
    assert "73.7%" in page.verdict.value  # 70 of 95
    assert "自己选定" in page.verdict.value
    assert "data-status" not in page.verdict.value.split("<p>")[0]  # a chosen radius judges nobody
    assert page.reference.value == -1


def test_reference_sets_the_radius(page) -> None:
    labels = dict(page.reference.options)
    page.reference.value = next(at for label, at in labels.items() if "河北" in label)
    assert page.radius.value == 2.0
    assert "未核实" in page.verdict.value
    page.reference.value = 0
    assert page.radius.value == 3.0


def test_stage_brings_its_own_radius_and_grades(page) -> None:
    page.stage.value = "junior"
    assert page.radius.value == 5.0
    assert "初中走读生40人" in page.verdict.value
    page.stage.value = "g4_6"
    assert page.radius.value == 3.0
    assert "小学4–6年级走读生50人" in page.verdict.value
    assert "30分钟" not in page.cards.value  # the half hour is for grades 1-3
    page.stage.value = "g1_3"
    assert "30分钟" in page.cards.value


def test_way_of_measuring_changes_every_number(page) -> None:
    assert [value for _, value in page.mode.options] == ["straight", "network"]
    page.mode.value = "network"
    assert "按路网量" in page.verdict.value
    assert page.problem.value == ""
    # v1 stands on the road; v2, 2 km aside of it, is too far from any: nobody guesses its way.
    assert codes(page) == ["inside", "unknown", "outside"]
    assert "人的距离量不到" in page.verdict.value and "–" in page.verdict.value
    page.chart.clicked = {"kind": "village", "id": "v3", "n": 1}
    assert "路网" in page.story.value
    assert "直线" in page.story.value
    assert "15.0公里" in page.story.value  # the road's 15 km beside the line's 9


def test_year_moves_map_and_words(page) -> None:
    page.when.value = 2019
    assert page.model.year == 2019
    assert "2019学年" in page.verdict.value
    page.year.value = 2020
    assert page.when.value == 2020
    assert "95人" in page.verdict.value


def test_another_county_starts_anew(page) -> None:
    first = page.chart
    page.radius.value = 9.0
    page.county.value = "other"
    assert page.chart is not first
    assert page.radius.value == 3.0
    assert "w1村" in page.villages.value
    assert [value for _, value in page.mode.options] == ["straight"]


def test_click_tells_the_story(page) -> None:
    page.chart.clicked = {"kind": "village", "id": "v2", "n": 1}
    assert "v2村" in page.story.value
    assert "走读生30人" in page.story.value
    assert "T校" in page.story.value
    assert len(page.chart._links) == 2 * 8  # to A and to T
    page.chart.clicked = {"kind": "school", "id": "A", "n": 2}
    assert "走读生85人，来自3个村" in page.story.value
    assert "v3村" in page.story.value
    assert len(page.chart._links) == 3 * 8
    page.target.value = "nearest"
    assert "平方公里" in page.story.value
    page.chart.clicked = {"kind": "school", "id": "J", "n": 3}
    assert "没有这个学段" in page.story.value


def test_two_step_colours_villages_and_follows_the_radius(page) -> None:
    page.colour.value = "two_step"
    # A and T (8 teachers each) are within 3 km of v1 and v2, 90 pupils: 17.8 each hundred, 1.06 of the mean; v3 none.
    assert codes(page) == ["middle", "middle", "lowest"]
    page.radius.value = 10.0
    assert codes(page) == ["middle", "middle", "middle"]
    page.colour.value = "enhanced"
    assert page.problem.value == ""
    assert codes(page)[2] != "middle"  # far off counts less


def test_layers_can_be_taken_away(page) -> None:
    assert page.chart._area_parts
    assert page.chart.area_label
    page.areas.value = page.circles.value = False
    assert (page.chart._area_parts, page.chart.radius_km) == ([], [])
    page.radius.value = 4.0
    assert page.chart.radius_km == []


def link(page: apps.Access, name: str) -> bytes:
    found = re.search(rf'download="[^"]*{name}" href="data:[^;]+;base64,([^"]+)"', page.export.value)
    assert found
    return base64.b64decode(found[1])


def test_exports_hold_the_distances(page) -> None:
    text = link(page, "villages.csv").decode("utf-8-sig")
    assert text.splitlines()[0].startswith("村代码,村,乡镇,年级段,走读生")
    assert "直线距离" in text
    row = re.search(r"v3,v3村,乙镇,g1_3,5,A,A校,(\d+)", text)
    assert row and int(row[1]) == pytest.approx(9_000, rel=0.01)
    assert link(page, "townships.csv").decode("utf-8-sig").count("\r\n") == 3
    drawn = json.loads(link(page, "catchments.geojson"))
    assert [f["properties"]["school_id"] for f in drawn["features"]] == ["A"]


def test_uploaded_places_are_looked_for(page) -> None:
    content = f"类别,名称,经度,纬度\n网吧,<b>某</b>,{LON},{LAT + 0.001}\n".encode()
    upload = {"name": "p.csv", "type": "", "size": len(content), "content": memoryview(content)}
    page.points.value = ({**upload, "last_modified": datetime(2024, 1, 1, tzinfo=UTC)},)
    assert "C7-5" in page.near.value
    assert "&lt;b&gt;某" in page.near.value
    page.points.value = ({**upload, "content": memoryview(b"x"), "last_modified": datetime(2024, 1, 1, tzinfo=UTC)},)
    assert "p.csv" in page.problem.value


def test_no_attendance_is_said(tmp_path) -> None:
    ages = [{"village_id": "v1", "year": 2020, "age_6_11": 40, "age_12_14": 20}]
    county([village("v1", 1)], [school("A")], [], square(), village_years=ages).save(tmp_path / "toy")
    page = apps.Access(PageModel(Library((tmp_path,))))
    assert page.problem.value == ""
    assert "没有就学去向数据" in page.verdict.value
    page.chart.clicked = {"kind": "village", "id": "v1", "n": 1}
    assert "适龄儿童40人" in page.story.value


def test_a_county_of_schools_alone_opens(tmp_path) -> None:
    towns.county([towns.school("A")], [towns.school_year("A")]).save(tmp_path / "toy")
    page = apps.Access(PageModel(Library((tmp_path,))))
    assert page.problem.value == ""
    assert "没有小学走读生" in page.verdict.value
    assert page.chart._area_parts == []


def test_missing_coordinates_are_named(tmp_path) -> None:
    county([village("v1"), village("v9", lon=None)], [school("A")], [going("v1", "A", 5), going("v9", "A", 6)]).save(
        tmp_path / "toy"
    )
    page = apps.Access(PageModel(Library((tmp_path,))))
    assert "v9村" in page.foot.value
    assert "45.5%–100%住在" in page.verdict.value and "其中6人的距离量不到" in page.verdict.value
    assert codes(page) == ["inside"]  # what has no place is not on the map


def test_names_are_escaped(tmp_path) -> None:
    bad = "<img src=x onerror=alert(1)>"
    places = [village("v1", name_zh=bad, township=bad), village("v2", 9, name_zh=bad, township=bad)]
    made = county(places, [school("A", name_zh=bad)], [going("v1", "A", 5), going("v2", "A", 5)], square())
    made.save(tmp_path / "toy")
    page = apps.Access(PageModel(Library((tmp_path,))))
    page.chart.clicked = {"kind": "village", "id": "v2", "n": 1}
    said = [page.verdict, page.cards, page.ranking, page.villages, page.story, page.foot]
    page.chart.clicked = {"kind": "school", "id": "A", "n": 2}
    assert not any(bad in widget.value for widget in [*said, page.story])


def test_reported_rate_stands_beside_the_modelled_one(page) -> None:
    assert "填报的就近入学比例" in page.cards.value
    assert "A2-12" in page.cards.value
    assert "100.0%" in page.cards.value


def test_figures_are_measured_once(page) -> None:
    walk = page.walk
    assert isinstance(walk, Walking)
    reach, areas = walk.reach, walk.catchments()
    page.radius.value = 7.0
    assert walk.reach is reach
    assert walk.catchments() is areas
    assert walk_views._links_of(walk, "village", "nobody") == []
    assert np.array_equal(walk.table().metres.shape, np.array(METRES).shape)


def test_index_shows_the_share_of_walkers(saved) -> None:
    index = apps.Index(PageModel(Library((saved,)), {"county": "toy"}))
    assert "access.ipynb" in index.cards.value
    assert "94.7%" in index.cards.value


def test_map_takes_one_class_of_the_legend_for_each_village(page) -> None:
    chart = page.chart
    before = chart._village_classes
    with pytest.raises(ValueError, match="3 villages"):
        chart.set_villages([0, 1])
    with pytest.raises(ValueError, match="3 villages"):
        chart.set_villages([0, 1, 99])
    assert chart._village_classes == before


def test_map_draws_catchments_in_true_kilometres(page) -> None:
    xy = np.frombuffer(page.chart._areas, np.float32).reshape(-1, 2)
    parts = page.chart._area_parts
    assert [name for name, _ in parts] == ["A"]
    total = 0.0
    for _, rings in parts:
        for start, count in rings:
            x, y = xy[start : start + count].T.astype(float)
            total += abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2
    assert total == pytest.approx(400, rel=0.01)


def test_county_is_unchanged(saved) -> None:
    assert County.open(saved / "toy").name_zh == "<甲>县"
