"""The schematic map on its own: any GeoDataFrame in, a live map and a still picture out.

The same tests run on the part of balance_lib and, at the end, on the wheel built from its folder alone.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import geopandas
import numpy as np
import pytest
from shapely.geometry import LineString, Point, box

MODULE = os.environ.get("SCHEMATIC_MAP", "balance_lib.show.map")
module: Any = importlib.import_module(MODULE)
LinkClass, MapClass, VillageClass = module.LinkClass, module.MapClass, module.VillageClass
SchematicMap: Any = module.SchematicMap


def places(n: int, key: str, **more: object) -> Any:
    points = [Point(109.0 + 0.05 * (i % 5), 33.0 + 0.04 * (i // 5)) for i in range(n)]
    return geopandas.GeoDataFrame(
        {key: [f"{key[0].upper()}{i}" for i in range(n)], "name": [f"{key} {i} <&>" for i in range(n)], **more},
        geometry=points, crs=4326,
    )  # fmt: skip


@pytest.fixture
def chart() -> Any:
    outline = geopandas.GeoDataFrame(geometry=[box(108.9, 32.9, 109.3, 33.2)], crs=4326)
    towns = geopandas.GeoDataFrame(
        {"township": ["东镇", "西镇"]},
        geometry=[box(108.9, 32.9, 109.1, 33.2), box(109.1, 32.9, 109.3, 33.2)],
        crs=4326,
    )
    roads = geopandas.GeoDataFrame({"kind": ["road"]}, geometry=[LineString([(109, 33), (109.1, 33.1), (109.2, 33)])])
    schools = places(6, "school_id", kind=["primary", "junior"] * 3, pupils=[100.0, 400, 30, 20, 500, 60])
    villages = places(8, "village_id", pupils=[float(10 * i) for i in range(8)])
    return SchematicMap(schools, villages, outline, townships=towns, roads=roads.set_crs(4326), title="A & B <map>")


def drawn(chart: Any) -> Xml.Element:
    return Xml.fromstring(chart.picture())


def test_a_projected_frame_is_drawn_where_the_degrees_are() -> None:
    degrees = places(6, "school_id")
    there = SchematicMap(degrees)
    metres = SchematicMap(degrees.to_crs(4547))
    assert np.allclose(there.places.xy, metres.places.xy, atol=0.01)
    east = there.places.xy[1, 0] - there.places.xy[0, 0]
    assert east == pytest.approx(0.05 * 111.32 * np.cos(np.radians(33)), rel=0.01)


def test_a_frame_without_a_system_or_with_an_id_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="set_crs"):
        SchematicMap(places(3, "school_id").set_crs(None, allow_override=True))
    with pytest.raises(TypeError, match="points_from_xy"):
        SchematicMap(places(3, "school_id").drop(columns="geometry"))
    with pytest.raises(ValueError, match="twice"):
        SchematicMap(places(3, "school_id").assign(school_id="S1"))


def test_places_without_a_shape_are_left_out_and_counted() -> None:
    schools = places(4, "school_id", kind=["primary", "junior", "primary", "primary"])
    schools.loc[1, "geometry"] = None
    nowhere = geopandas.points_from_xy([np.nan], [np.nan])[0]  # what a table without coordinates gives
    for metres in (False, True):
        lost = SchematicMap(schools.assign(geometry=[nowhere, *schools.geometry[1:]]).to_crs(4547 if metres else 4326))
        assert lost.places.schools == ["S2", "S3"] and "S2" in lost.picture()
    chart = SchematicMap(schools)
    assert chart.places.schools == ["S0", "S2", "S3"]
    assert chart.places.index["unplaced"] == 1
    assert [chart.places.index["kinds"][code]["key"] for code in chart._kinds] == ["primary"] * 3


def test_the_picture_says_what_the_map_says(chart: Any) -> None:
    chart.set_classes({"S0": "met", "S1": "not_met", "S2": "not_met"}, label="图书")
    chart.set_radius(3, ["S0", "S1"])
    looks = [VillageClass("in", "圈内", "#009e73"), VillageClass("out", "圈外", "#d55e00", "square")]
    chart.set_villages([0, 0, 0, 1, 1, 0, 0, 0], legend=looks)
    chart.set_links([("V3", "S1")], pupils=[50], legend=[LinkClass("fine", "符合", "#555")])
    picture = drawn(chart)
    ns = "{http://www.w3.org/2000/svg}"
    said = [each.text for each in picture.iter(f"{ns}text")]
    for words in ("A & B <map>", "图书", "东镇", "圈外 2", "圈内 6", "符合 1"):
        assert words in said, words
    assert [each.get("data-id") for each in picture.iter(f"{ns}g")].count("S1") == 1
    scale = {c.get("r") for c in picture.iter(f"{ns}circle") if c.get("stroke-opacity") == "0.5"}
    assert len(scale) == 2  # the two on the map alike, the legend's sample
    assert "http" not in chart.picture().replace("http://www.w3.org/2000/svg", "")


def test_a_saved_notebook_keeps_the_picture(chart: Any) -> None:
    data, _ = chart._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/svg+xml"] == chart.picture()
    assert len(data["text/plain"]) < 200


def test_places_of_one_kind_have_no_legend_of_kinds_and_their_own_scale() -> None:
    large = SchematicMap(places(3, "id", pupils=[4e4, 1e4, 0.0]), lang="en").picture()
    assert "Kind of school" not in large and ">school<" not in large
    sizes = [float(part.split(")")[0]) for part in large.split("scale(")[1:4]]
    assert sorted(sizes) == [5.2, 7.6, 10.0]


def test_circles_lie_on_the_sheet_where_there_is_no_outline() -> None:
    chart = SchematicMap(places(2, "id"))
    chart.set_radius(3)
    circles = [circle for circle in drawn(chart).iter("{http://www.w3.org/2000/svg}circle") if circle.get("cx")]
    inside = [float(c.get("cx", 0)) - float(c.get("r", 0)) > 0 for c in circles if float(c.get("r", 0)) > 50]
    assert inside == [True, True]


def test_ids_are_numbers_or_words_and_those_of_no_place_are_refused() -> None:
    chart = SchematicMap(places(3, "id").assign(id=[101, 102, 103]), places(2, "id").assign(id=[7, 8]))
    chart.set_classes({101: "met", 102: "not_met"}, {101: 4.5}, notes={103: "新"})
    assert [chart.legend[code]["key"] for code in chart._classes] == ["met", "not_met", "not_applicable"]
    chart.set_radius(3, [101])
    chart.set_links([(7, 102)])
    assert list(chart._circles) == [1, 0, 0] and chart._notes == ["", "", "新"] and len(chart._links) == 8
    with pytest.raises(ValueError, match="none of these ids"):
        chart.set_classes({"S1": "met"})


def test_the_picture_follows_the_map(chart: Any) -> None:
    before = chart.picture()
    chart.set_classes({"S0": "not_met"})
    assert chart.picture() != before


def test_words_colours_and_classes_are_the_callers(chart: Any) -> None:
    named = [MapClass("open", "诊所开放", "#7a0177", "#000000")]
    made = SchematicMap(
        places(2, "school_id", kind="clinic"),
        lang="en",
        words={"kinds": "Clinics"},
        colours={"accent": "#7a0177"},
        statuses=named,
    )
    made.set_radius(3)
    said = made.picture()
    assert (
        "Clinics" in said
        and "clinic" in said
        and "诊所开放 2" in said
        and said.count('stroke="#7a0177"') == 3
        and "#0b4f8a" not in said
    )
    assert "--bl-accent:#7a0177;" in made._css and "--bl-accent:#0b4f8a;" in chart._css
    assert set(chart._text) == set(made._text) and chart._text["kinds"] != made._text["kinds"]


@pytest.mark.skipif(MODULE == "schematic_map", reason="this is that run")
def test_the_map_is_a_package_of_its_own(tmp_path: Path) -> None:
    folder = Path(module.__file__).parent
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path)
    alone = tmp_path / "test_alone.py"
    alone.write_text(Path(__file__).read_text("utf-8"), "utf-8")
    run = "import sys, pytest; sys.path.insert(0, sys.argv[1]); bad = pytest.main(sys.argv[2:]); "
    run += "sys.exit(int(bad) or sum(name.startswith('balance_lib') for name in sys.modules))"
    line = [sys.executable, "-I", "-c", run, str(tmp_path), "-q", "-c", os.devnull, "--rootdir", str(tmp_path)]
    line += ["-p", "no:cacheprovider", str(alone)]
    env = os.environ | {"SCHEMATIC_MAP": "schematic_map"}
    told = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr[-500:]
    assert "passed" in told.stdout and "2 skipped" in told.stdout


@pytest.mark.skipif(MODULE == "schematic_map", reason="of the house")
def test_the_maps_own_colours_are_those_of_the_house() -> None:
    from balance_lib import palette
    from balance_lib.show.widgets import looks

    assert palette.chrome() == module.looks.COLOURS
    for lang in ("zh", "en"):
        assert looks.status_classes(lang) == module.status_classes(lang)
    assert set(module.looks.WORDS["zh"]) == set(module.looks.WORDS["en"])
