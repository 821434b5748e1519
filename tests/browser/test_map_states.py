"""The map in a real browser: a scenario's schools and links, and the picture people take away."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.conftest import Visit
from tests.serving import Served, write_notebook

pytestmark = pytest.mark.browser

MAP = """
import ipywidgets as W, pandas as pd
from tests.browser.made_up import county
from balance_lib.show.map import LinkClass, MapClass
from balance_lib.show.widgets.county_map import CountyMap
from balance_lib.show.widgets.request import query
from balance_lib.show.widgets import style
shown = county()
"""
APP = """
query()
site = pd.DataFrame({"school_id": ["N1"], "name_zh": ["新校"], "lon": [106.8], "lat": [33.7]})
chart = CountyMap(shown, height=420, sites=site)
chart.title = "示例县 撤并方案: 甲/乙"
chart.set_schools({"S0": "primary", "S2": "primary", "N1": "primary"}, {"N1": 300})
legend = [
    MapClass("keep", "保留", "#0b4f8a", "#1f2933"),
    MapClass("close", "停办", "#ffffff", "#8b1a1a", "✗", mark_ink="#8b1a1a"),
    MapClass("open", "新开办", "#009e73", "#00583f", "+"),
]
chart.set_classes({"S0": "keep", "S2": "close", "N1": "open"}, legend=legend, label="方案中的学校")
chart.set_links(
    [("V2", "N1"), ("V1", "N1"), ("V5", "S0")], pupils=[400, 5, 12], classes=["fine", "fine", "breaks"],
    legend=[LinkClass("fine", "符合规定", "#555555"), LinkClass("breaks", "超出规定", "#ff0000", dashed=True)],
)
W.VBox([style.style(), chart]).add_class("bl-app")
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, chromium: str, browser: Any) -> Iterator[Visit]:
    folder = tmp_path_factory.mktemp("dashboards")
    write_notebook(folder, "index", [MAP, APP], title="方案", title_en="Scenario")
    server = Served(folder, pool=0)
    context = browser.new_context(viewport={"width": 1366, "height": 900}, accept_downloads=True)
    seen = Visit(context.new_page(), server.url)
    seen.open(wait=".bl-links path")
    yield seen
    context.close()
    server.close()


def test_schools_of_a_scenario_bear_their_state(front: Visit) -> None:
    page = front.page
    assert page.locator(".bl-school:visible").count() == 3
    closed = page.locator(".bl-school[data-class=close] .bl-mark")
    assert closed.evaluate("mark => getComputedStyle(mark).stroke") == "rgb(139, 26, 26)"
    legend = page.inner_text(".bl-map-legend")
    for words in ("方案中的学校", "停办 1", "新开办 1", "学生去向", "符合规定 2", "超出规定 1", "线越粗，学生越多"):
        assert words in legend


def test_links_are_wide_for_many_and_dashed_for_a_breach(front: Visit) -> None:
    wide, thin, breach = (
        front.page.locator(".bl-links path[data-class=fine]").first,
        front.page.locator(".bl-links path[data-class=fine]").last,
        front.page.locator(".bl-links path").last,
    )
    width = "path => parseFloat(getComputedStyle(path).strokeWidth)"
    assert wide.evaluate(width) > 3 * thin.evaluate(width)
    assert breach.get_attribute("data-class") == "breaks"  # on top of the others
    assert breach.evaluate("path => getComputedStyle(path).stroke") == "rgb(255, 0, 0)"
    assert breach.evaluate("path => getComputedStyle(path).strokeDasharray") != "none"


def test_picture_holds_what_the_map_shows(front: Visit, tmp_path: Path) -> None:
    from PIL import Image

    page = front.page
    with page.expect_download() as download:
        page.get_by_role("button", name="保存为图片").click()
    assert download.value.suggested_filename == "示例县 撤并方案 甲 乙.png"
    file = tmp_path / "map.png"
    download.value.save_as(file)
    picture = np.asarray(Image.open(io.BytesIO(file.read_bytes())).convert("RGB")).astype(int)
    stage = page.locator(".bl-map-stage").bounding_box()
    assert picture.shape[1] == pytest.approx(2 * (stage["width"] + 32), abs=4)
    dark = picture.sum(axis=2) < 250
    tall = picture.shape[0]
    map_end = 2 * (44 + stage["height"])
    assert dark[:80].sum() > 500  # the title
    assert dark[int(map_end) : tall - 60].sum() > 500  # the legend
    assert dark[tall - 70 :].sum() > 200  # what is synthetic
    left = picture[int(map_end) - 80 : int(map_end), 32:500]
    assert (left.sum(axis=2) < 250).sum() > 100  # the scale bar
    red = (picture[..., 0] > 230) & (picture[..., 1] < 40) & (picture[..., 2] < 40)
    assert red.sum() > 80  # the link that breaks a rule, a thin dashed line
    assert (np.abs(picture - [0, 158, 115]).sum(axis=2) < 12).sum() > 200  # the new school's fill
    assert front.elsewhere == []
    assert front.complaints == []


def test_picture_says_what_a_reader_has_to_know(front: Visit) -> None:
    """Text cannot be read out of pixels: look into the SVG the picture is painted from."""
    page = front.page
    page.evaluate("""() => {
      const paint = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
      Object.defineProperty(HTMLImageElement.prototype, "src", {
        set(value) { window.painted = value; paint.set.call(this, value); }, get: paint.get, configurable: true });
    }""")
    with page.expect_download():
        page.get_by_role("button", name="保存为图片").click()
    svg = page.evaluate("decodeURIComponent(window.painted.split(',').slice(1).join(','))")
    words = re.findall(r">([^<>]+)</text>", svg)
    assert "示例县 撤并方案: 甲/乙" in words
    for said in ("示意图", "含合成数据", "北", "停办 1", "超出规定 1"):
        assert said in words
    assert any("演示数据" in word for word in words)
    assert any(re.fullmatch(r"\d+ 公里", word) for word in words)
    assert "var(--" not in svg
    assert "url(" not in svg
