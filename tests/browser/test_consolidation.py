"""A planner on the consolidation page: slide, keep a school, save, come back by the link, compare, export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from balance_lib.scenarios import Scenario
from tests import scenario_towns
from tests.browser.conftest import painted
from tests.serving import Served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
MOVED = "() => document.querySelector('.bl-verdict')?.innerText.includes('{n}名学生转学')"
TODAY = "() => document.querySelector('.bl-verdict')?.innerText.includes('维持现状')"
FRESH = "() => !document.querySelector('.bl-stale')"


@pytest.fixture(scope="module")
def served(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root, home = tmp_path_factory.mktemp("counties"), tmp_path_factory.mktemp("home")
    replace(scenario_towns.county(), meta={"plan": "quality_2017"}).save(root / "toy")
    server = Served(ROOT / "dashboards", root=root, pool=0, environment={"BALANCE_HOME": str(home)})
    yield server
    server.close()


def test_planner_tries_keeps_saves_shares_compares_and_exports(served: Served, visit: Any, tmp_path: Path) -> None:
    found = visit(served.url)
    page = found.open("voila/render/consolidation.ipynb", wait=".bl-plan .bl-map svg")
    page.wait_for_function(TODAY, timeout=60_000)
    assert painted(page, ".bl-app h1", "布局调整撤并保留新办")

    # Raise the least enrolment: the smallest schools close, and who loses is named first.
    page.locator(".noUi-handle").first.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(MOVED.format(n=48), timeout=30_000)
    page.wait_for_function(FRESH, timeout=30_000)
    assert page.locator(".bl-links path").count() >= 1
    assert "2村" in page.inner_text(".bl-plan")

    # Keep one of them: click it in the list, then the button.
    page.select_option(".bl-plan select[size], .bl-plan .widget-select select", label="B校 · 30人")
    page.get_by_role("button", name="必须保留").click()
    page.wait_for_function(MOVED.format(n=18), timeout=30_000)
    page.wait_for_function(FRESH, timeout=30_000)

    page.get_by_label("方案名称").fill("留下B校")
    page.get_by_label("编制人").fill("规划科")
    page.get_by_label("编制人").press("Tab")
    page.get_by_role("button", name="保存方案").click()
    link = page.wait_for_selector("a.bl-share", timeout=30_000).get_attribute("href")
    page.wait_for_url("**/consolidation.ipynb?*scenario=*")  # loading the page again brings the saved plan back
    page.get_by_role("button", name="生成方案文件和数据表").click()  # nobody waits for files that nobody asked for
    with page.expect_download() as file:
        page.get_by_text("方案文件（YAML）").click()
    saved = tmp_path / "scenario.yaml"
    file.value.save_as(saved)
    assert {o.verb for o in Scenario.from_yaml(saved).operations} == {"keep", "close"}

    again = visit(served.url)
    other = again.open(f"voila/render/{link}", wait=".bl-plan .bl-map svg")
    other.wait_for_function(MOVED.format(n=18), timeout=60_000)
    other.wait_for_function(FRESH, timeout=30_000)
    other.get_by_role("button", name="并排比较").click()
    other.wait_for_selector("th:has-text('当前方案')", timeout=30_000)
    other.get_by_role("button", name="恢复现状").click()
    other.wait_for_function(TODAY, timeout=30_000)
    for seen in (found, again):
        assert seen.elsewhere == []
        assert seen.complaints == []
