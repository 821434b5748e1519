"""A slider of the layout page is answered in the page while it is dragged; the kernel hears where it came to rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from balance_lib.data.county import County
from balance_lib.scenarios import Scenario
from balance_lib.scenarios.board import Board, State
from tests.serving import Served

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
HANDLE = ".bl-live-minimum_enrolment .noUi-handle"


@pytest.fixture(scope="module")
def served(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    server = Served(ROOT / "dashboards", root=ROOT / "data/demo", pool=0, environment={"BALANCE_HOME": str(home)})
    yield server
    server.close()


def test_the_kernel_is_silent_while_the_hand_moves(served: Served, visit: Any) -> None:
    found = visit(served.url)
    page = found.open("voila/render/consolidation.ipynb?county=akqi&year=2023", wait=".bl-plan .bl-map svg")
    page.wait_for_function("() => !document.querySelector('.bl-stale')", timeout=60_000)
    page.wait_for_function("() => document.querySelector('.bl-live')", timeout=30_000)
    page.wait_for_timeout(1500)
    box = page.locator(HANDLE).bounding_box()
    track = page.locator(".bl-live-minimum_enrolment .noUi-target").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    sent, before = found.sent, page.locator(".bl-links path").count()
    for step in range(1, 13):
        page.mouse.move(track["x"] + track["width"] * 0.02 * step, y)
        page.wait_for_timeout(40)
    page.wait_for_function("() => !document.querySelector('.bl-live').hidden", timeout=5_000)
    assert found.sent == sent, "a message went to the kernel while the hand moved"
    value = int(float(page.locator(HANDLE).get_attribute("aria-valuenow")))
    county = County.open(ROOT / "data/demo/akqi")
    tick = Board(county, Scenario.empty(county, 2023), "akqi_2022").tick(State(minimum_enrolment=value))
    said = page.locator(".bl-live li").all_inner_texts()
    assert value > 0 and tick.moved > 0
    assert said[0] == f"停办学校{len(tick.closed)}所"
    assert said[1] == f"转学学生{tick.moved:,.0f}人，其中上学路变远的{tick.farther:,.0f}人"
    assert page.locator(".bl-links path").count() > before
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('.bl-live').hidden", timeout=20_000)
    assert found.sent > sent
    page.wait_for_function("() => !document.querySelector('.bl-stale')", timeout=90_000)
    assert not [told for told in found.complaints if "error" in told.lower()]
