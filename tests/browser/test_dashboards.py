"""The shipped pages in a real browser, on the demonstration counties."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit, painted
from tests.browser.reading import faults
from tests.serving import Served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "index": "首页", "overview": "总览", "gaps": "差距", "balance": "校际均衡", "access": "步行与覆盖", "data": "数据",
}  # fmt: skip
BROKEN = ("Traceback", "Error", "Exception", "NaN", "undefined", "None", "意外错误", "这一部分没有显示出来")


@pytest.fixture(scope="module")
def counties(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the demonstration counties that a page may write into."""
    folder = tmp_path_factory.mktemp("counties")
    for name in ("akqi", "wuxi"):
        shutil.copytree(ROOT / "data" / "demo" / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def served(chromium: str, counties: Path) -> Iterator[Served]:
    server = Served(ROOT / "dashboards", root=counties, pool=0)
    yield server
    server.close()


def open_page(seen: Visit, name: str, query: str = "county=akqi") -> Any:
    page = seen.open(f"voila/render/{name}.ipynb?{query}", wait=".bl-app")
    page.wait_for_function("() => document.querySelector('.bl-app .bl-muted') !== null", timeout=30_000)
    page.wait_for_load_state("networkidle")
    return page


@pytest.mark.parametrize("name", [*PAGES, "consolidation", "workplan"])
def test_page_shows_its_county_and_nothing_broken(served: Served, visit: Any, name: str) -> None:
    seen = visit(served.url)
    page = open_page(seen, name)
    text = page.inner_text("body")
    assert PAGES.get(name, "") in page.inner_text(".bl-app h1")
    assert "阿合奇县" in page.content()
    assert "演示数据" in text
    assert [word for word in BROKEN if word in text] == []
    assert seen.elsewhere == []
    assert seen.complaints == []
    assert painted(page, ".bl-app h1", "总览差距校际均衡数据阿合奇")
    page.wait_for_timeout(600)  # the page's script follows what ipywidgets builds
    assert faults(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_speaks_english_when_asked(served: Served, visit: Any, name: str) -> None:
    page = open_page(visit(served.url), name, "county=akqi&lang=en")
    assert "Demonstration data" in page.inner_text("body")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert "达标" not in page.inner_text(".bl-app h1")


def test_verdict_is_the_one_the_library_gives(served: Served, visit: Any, counties: Path) -> None:
    from balance_lib import access, evaluation, standards
    from balance_lib.data.county import County

    county = County.open(counties / "akqi")
    result = evaluation.evaluate(county, standards.load("akqi_2022"), year=2023, measures=access.measures(county, 2023))
    page = open_page(visit(served.url), "overview", "county=akqi&year=2023&standard=akqi_2022")
    counts, official = result.counts(), result.official
    assert official is not None and official.n == 31
    said = f"阿合奇县2023学年不通过：31项中{len(official.met)}项达标，{len(official.short)}项未达标，"
    assert f"{said}{len(official.open)}项待定。" in page.inner_text(".bl-verdict")
    parts = f"细分{sum(counts.values()) - counts['not_applicable']}条要求，{counts['met']}条达标"
    assert parts in (page.text_content(".bl-app") or "")
    assert page.locator(".bl-lamps details").count() == len([r for r in result.items if r.counts])


def test_another_year_changes_the_verdict_without_a_new_page(served: Served, visit: Any) -> None:
    page = open_page(visit(served.url), "overview", "county=akqi&year=2023")
    before = page.inner_text(".bl-verdict")
    page.locator("select").nth(1).select_option(label="2018–2019学年")
    page.wait_for_function("old => document.querySelector('.bl-verdict').innerText !== old", arg=before, timeout=20_000)
    assert "2018学年" in page.inner_text(".bl-verdict")


def test_slider_of_the_balance_page_answers(served: Served, visit: Any) -> None:
    page = open_page(visit(served.url), "balance", "county=wuxi&standard=quality_2017")
    page.wait_for_selector(".js-plotly-plot .barlayer", timeout=30_000)
    before = page.inner_text(".bl-answer")
    handle = page.locator(".noUi-handle").first
    handle.focus()
    for _ in range(3):
        handle.press("ArrowRight")
    page.wait_for_function("old => document.querySelector('.bl-answer').innerText !== old", arg=before, timeout=10_000)


def test_office_brings_a_list_in_by_upload(served: Served, visit: Any, counties: Path) -> None:
    page = open_page(visit(served.url), "data")
    table = "学校代码,学校名称,学校类型,在校学生人数\n1,甲小学,小学,45\n2,乙小学,小学,{}\n"
    page.get_by_label("经办人").first.fill("小李")
    page.get_by_label("经办人").first.press("Tab")
    page.get_by_label("县文件夹名").fill("uploaded")
    for pupils, ready in (("many", "有错误，没有写入"), ("60", "预检通过")):
        content = table.format(pupils).encode("gbk")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="选择文件").click()
        chooser.value.set_files({"name": "list.csv", "mimeType": "text/csv", "buffer": content})
        page.wait_for_timeout(600)
        page.get_by_role("button", name="预检").click()
        page.wait_for_selector(f"text={ready}", timeout=20_000)
        assert not (counties / "uploaded").exists()
    page.get_by_role("button", name="保存", exact=True).click()
    page.wait_for_selector("text=已保存", timeout=20_000)
    assert "乙小学" in (counties / "uploaded" / "schools.csv").read_text("utf-8-sig")


def test_faults_can_be_downloaded(served: Served, visit: Any, tmp_path: Path) -> None:
    page = open_page(visit(served.url, accept_downloads=True), "overview")
    with page.expect_download() as download:
        page.get_by_text("导出学校问题清单").click()
    file = tmp_path / "list.csv"
    download.value.save_as(file)
    assert file.read_text("utf-8-sig").startswith("学校代码,学校")
