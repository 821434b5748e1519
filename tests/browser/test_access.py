"""The access page in a real browser: the map answers the slider, a click tells a story, nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import painted
from tests.serving import Served
from tests.test_access import GOING, PLACES, SCHOOLS, county, square

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def served(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("counties")
    replace(county(PLACES, SCHOOLS, GOING, square()), meta={"plan": "akqi_2022"}).save(root / "toy")
    server = Served(ROOT / "dashboards", root=root, pool=0)
    yield server
    server.close()


@pytest.fixture
def seen(served: Served, visit: Any) -> Any:
    found = visit(served.url)
    found.open("voila/render/access.ipynb", wait=".bl-radius path")
    found.page.wait_for_load_state("networkidle")
    return found


def test_slider_moves_circles_villages_and_words(seen: Any) -> None:
    page = seen.page
    assert page.get_attribute(".bl-radius path", "data-km") == "3"
    assert page.get_attribute(".bl-radius path", "data-circles") == "2"  # the junior school has no primary pupils
    assert page.locator(".bl-villages path[data-class=outside]").count() == 1
    before, received = page.inner_text(".bl-verdict"), seen.received
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.bl-radius path').dataset.km === '2.9'", timeout=10_000)
    page.wait_for_function("old => document.querySelector('.bl-verdict').innerText !== old", arg=before, timeout=10_000)
    assert "2.9公里" in page.inner_text(".bl-verdict")
    assert seen.received - received < 60_000  # no geometry again
    assert seen.elsewhere == []
    assert seen.complaints == []
    assert painted(page, ".bl-app h1", "步行与覆盖半径量法路网")


def test_click_on_a_village_tells_its_story(seen: Any) -> None:
    page = seen.page
    shape = page.locator(".bl-villages path[data-class=outside]").first
    box = shape.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("() => document.querySelector('.bl-story')?.innerText.includes('v3村')", timeout=10_000)
    page.wait_for_selector(".bl-links path", state="attached", timeout=10_000)
    assert page.locator(".bl-ring path").count() == 2
    assert page.locator(".bl-map-sheet .bl-areas path").count() == 1
    legend = page.inner_text(".bl-map-legend")
    assert "都在圈外 1" in legend
    assert "半径 3 公里" in legend


def test_page_speaks_english(served: Served, visit: Any) -> None:
    found = visit(served.url)
    page = found.open("voila/render/access.ipynb?lang=en", wait=".bl-radius path")
    page.wait_for_load_state("networkidle")
    text = page.inner_text(".bl-app")
    assert "day pupils, measured by straight line" in text
    assert "all within 2" in page.inner_text(".bl-map-legend")
    assert found.complaints == []
