"""The province page in a real browser: it stands, asks nobody outside, and answers its choices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def served(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("counties")
    (root / "akqi").symlink_to(ROOT / "data/demo/akqi")
    given = {"BALANCE_PROVINCE": str(ROOT / "data/province"), "BALANCE_DATABASE_URL": ""}
    server = Served(ROOT / "dashboards", root=root, pool=0, environment=given)
    yield server
    server.close()


def test_the_page_stands_and_answers(served: Served, visit: Any) -> None:
    seen = visit(served.url)
    seen.open("voila/render/province.ipynb", wait=".bl-verdict")
    page = seen.page
    page.locator("svg[aria-label='各县结论'] path").first.wait_for()
    assert page.locator("svg[aria-label='各县结论'] path").count() == 30
    page.set_viewport_size({"width": 390, "height": 844})  # a phone has no room for names: a county touched is named
    page.locator(".bl-counties path").nth(6).click()
    told = page.locator(".bl-counties g:focus text").last
    assert "示例" in told.text_content() and told.bounding_box()["height"] >= 12
    assert "优质均衡" in page.locator(".bl-verdict").inner_text()
    page.get_by_label("标准").select_option(label="县域义务教育均衡发展（基本均衡）督导评估标准（2012）")
    page.locator(".bl-verdict", has_text="基本均衡").wait_for(timeout=30_000)
    assert page.get_by_role("link", name="下载全部县排名").count() == 1
    assert seen.complaints == [] and seen.elsewhere == []
