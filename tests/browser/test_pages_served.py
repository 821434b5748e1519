"""Pages served by the real server, seen by a real browser: everything stays on the machine and answers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Visit, painted
from tests.serving import Served, write_notebook

pytestmark = pytest.mark.browser

MAP = """
import ipywidgets as W
from tests.browser.made_up import county
from balance_lib.show.widgets.county_map import CountyMap
from balance_lib.show.widgets.request import language, query
from balance_lib.show.widgets import style
shown = county()
"""
APP = """
asked = query()
chart = CountyMap(shown, lang=language(asked), height=420)
ids = chart.places.schools
figures = {s: 3 + 3 * (i * 37 % 20) / 20 for i, s in enumerate(ids) if i % 11}

def classes(line):
    status = {s: "met" if figures[s] >= line else "not_met" for s in figures}
    chart.set_classes({s: status.get(s, "no_data") for s in ids}, figures, label="教师", unit="人")

line = W.FloatSlider(value=4.2, min=3, max=6, step=0.1)
line.observe(lambda change: classes(change["new"]), "value")
said = W.HTML("还没有点")
chart.observe(lambda change: setattr(said, "value", "点了 " + change["new"]["id"]), "clicked")
classes(line.value)
asks = W.HTML("问:" + "|".join(f"{k}={v}" for k, v in sorted(asked.items())))
W.VBox([style.style(), W.HTML("<h1>示例县义务教育均衡</h1>"), line, chart, said, asks]).add_class("bl-app")
"""
FIGURES = """
import ipywidgets as W, plotly.graph_objects as go, os
from balance_lib.show.widgets.figure import SlimFigure, sync
LAYOUT = {"template": "none", "height": 260}
def bars(n):
    return go.Figure(go.Bar(x=list("甲乙丙"), y=[n, 2, 3]), layout=LAYOUT)
"""
TWO = """
charts = [SlimFigure(bars(1)), SlimFigure(bars(9))]
charts[0].replace(go.Figure(go.Scatter(x=[1, 2], y=[5, 6]), layout={**LAYOUT, "title": {"text": "换过的图"}}))
W.VBox(charts)
"""
FROM_KERNEL = """
del os.environ["BALANCE_PLOTLY"]
W.VBox([SlimFigure(bars(4)), SlimFigure(bars(5))])
"""
UPLOAD = """
import ipywidgets as W, hashlib
box, said = W.FileUpload(multiple=True), W.HTML("等待")
def take(change):
    content = bytes(change["new"][0]["content"])
    said.value = f"收到 {len(content)} {hashlib.sha256(content).hexdigest()[:8]}"
box.observe(take, "value")
W.VBox([box, said])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("dashboards")
    write_notebook(folder, "index", [MAP, APP], title="示例首页", title_en="Example home")
    write_notebook(folder, "broken", ["1/0  # 秘密源码"], title="坏页", title_en="Broken", order=2)
    write_notebook(folder, "figures", [FIGURES, TWO], title="图表", title_en="Figures", order=3)
    write_notebook(folder, "kernel", [FIGURES, FROM_KERNEL], title="内核", title_en="Kernel", order=4)
    write_notebook(folder, "upload", [UPLOAD], title="上传", title_en="Upload", order=5)
    server = Served(folder)
    yield server
    server.close()


@pytest.fixture(scope="module")
def front(served: Served, browser: Any) -> Iterator[Visit]:
    """Return the first page, opened once for the tests that look at the map."""
    context = browser.new_context(viewport={"width": 1366, "height": 900}, locale="zh-CN")
    seen = Visit(context.new_page(), served.url)
    seen.open(wait=".bl-school .bl-body")
    yield seen
    context.close()


def test_page_stays_on_the_machine_and_paints_chinese(served: Served, front: Visit) -> None:
    seen, page = front, front.page
    assert page.url == f"{served.url}voila/render/index.ipynb"
    assert page.title() == "示例首页 · 义务教育均衡"
    assert page.get_attribute("html", "lang") == "zh-CN"
    assert "示例县义务教育均衡" in page.inner_text("main")
    assert painted(page, "h1", "示例县义务教育均衡")
    # The check itself must be able to fail: private characters have no glyph in any font.
    assert not painted(page, "h1", "\ue123\ue124\ue125")
    page.wait_for_timeout(500)
    assert seen.elsewhere == []
    assert seen.complaints == []


def test_page_gives_away_no_source(front: Visit) -> None:
    page = front.page
    assert "CountyMap(" not in page.content()


def test_map_draws_the_open_schools_with_shape_mark_and_scale(front: Visit) -> None:
    page = front.page
    assert page.locator(".bl-school").count() == 36
    visible = page.locator(".bl-school:visible")
    assert visible.count() == 35  # one had closed
    shapes = set(visible.locator(".bl-body").evaluate_all("paths => paths.map(p => p.getAttribute('d'))"))
    assert len(shapes) == 4  # primary, junior, through-school, teaching point
    crossed = page.locator(".bl-school[data-class=not_met]:visible .bl-mark").count()
    assert crossed == page.locator(".bl-school[data-class=not_met]:visible").count() > 0
    dashed = page.locator(".bl-school[data-class=no_data]:visible .bl-body").first
    assert dashed.get_attribute("stroke-dasharray") != "none"
    assert re.fullmatch(r"\d+ 公里", page.locator(".bl-map-scale span").last.inner_text())
    badge = page.locator(".bl-map-badge").inner_text()
    assert "示意图" in badge
    assert "合成" in badge


def test_scale_bar_is_true(front: Visit) -> None:
    page = front.page
    km = float(page.locator(".bl-map-scale span").last.get_attribute("data-km"))
    bar = page.locator(".bl-map-scale i").bounding_box()["width"]
    outline = page.locator(".bl-outline path").bounding_box()
    # The outline is 3.1 × 0.215° = 0.6665° wide at 33.7° north, where a degree of longitude is 92.8 km: 61.9 km.
    assert outline["width"] / bar * km == pytest.approx(61.9, rel=0.01)


def test_click_reaches_python(front: Visit) -> None:
    page = front.page
    box = page.locator(".bl-school[data-id=S0]").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("text=点了 S0", timeout=10_000)
    assert page.locator(".bl-selected").count() == 1
    tip = page.locator(".bl-map-tip").inner_text()
    assert "城关第1学校" in tip
    assert "学生 40 人" in tip


def test_keyboard_reaches_schools(front: Visit) -> None:
    page = front.page
    page.locator(".bl-map-stage").focus()
    page.keyboard.press("Enter")
    first = page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    assert first.startswith("城关第1学校, 小学")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") != first
    page.keyboard.press("Enter")
    page.wait_for_selector("text=/点了 S[1-9]/", timeout=10_000)


def test_slider_recolours_without_sending_the_geometry_again(front: Visit) -> None:
    seen, page = front, front.page
    handle = page.locator(".noUi-handle")
    handle.focus()
    page.wait_for_timeout(1000)
    before, received = page.locator(".bl-school[data-class=met]").count(), seen.received
    geometry = int(page.get_attribute(".bl-map", "data-geometry-bytes"))
    moves = 8
    for _ in range(moves):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(120)
    page.wait_for_timeout(600)
    assert page.locator(".bl-school[data-class=met]").count() < before
    spent = (seen.received - received) / moves
    assert 0 < spent < geometry  # about 2.5 kB a move, most of it message heads
    assert spent < 4000


def test_query_reaches_the_page_warm_or_cold(served: Served, visit: Any) -> None:
    for _ in range(2):  # the second visitor may find the pool empty
        page = visit(served.url).open("index?county=%E5%B7%AB%E6%BA%AA&lang=en", wait=".bl-school .bl-body")
        assert "问:county=巫溪|lang=en" in page.inner_text("main")
        assert page.get_attribute("html", "lang") == "en"
        assert page.title() == "Example home · Education balance"
        assert "Schematic map" in page.inner_text(".bl-map-badge")


def test_links_keep_the_query_and_the_switch_changes_the_language(served: Served, visit: Any) -> None:
    page = visit(served.url).open("index?county=a&lang=zh", wait=".bl-school .bl-body")
    page.click("text=English")
    page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
    assert page.url.endswith("index.ipynb?county=a&lang=en")
    page.click("nav >> text=Upload")
    page.wait_for_url("**/upload.ipynb?county=a&lang=en")


def test_failing_cell_says_so_without_traceback(served: Served, visit: Any) -> None:
    page = visit(served.url).open("broken", wait=".bl-failed")
    words = page.inner_text("body")
    assert "程序遇到意外错误" in words
    for leak in ("Traceback", "ZeroDivisionError", "秘密源码", "1/0"):
        assert leak not in page.content()
    deadline = time.monotonic() + 10
    while "ZeroDivisionError" not in "".join(served.log) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "ZeroDivisionError" in "".join(served.log)  # the administrator finds it


def test_unknown_page_says_so_in_both_languages(served: Served, visit: Any) -> None:
    seen = visit(served.url)
    seen.page.goto(served.url + "no/such/page")
    assert "没有这个页面" in seen.page.inner_text("main")
    seen.page.goto(served.url + "voila/render/none.ipynb?lang=en")
    assert "There is no such page" in seen.page.inner_text("main")


def test_figures_load_plotly_once_and_show_the_last_state(served: Served, visit: Any) -> None:
    seen = visit(served.url)
    page = seen.open("figures", wait=".js-plotly-plot .main-svg")
    page.wait_for_selector("text=换过的图")
    page.wait_for_timeout(500)
    assert page.locator(".js-plotly-plot").count() == 2
    assert page.locator(".js-plotly-plot .scatterlayer .trace").count() == 1
    assert sum("plotly.mjs" in url for url in seen.requests) == 1
    assert seen.received < 300_000  # plotly itself is 5 MB
    assert page.locator(".modebar-btn[data-title*='cloud' i], .modebar-btn[data-title*='Share' i]").count() == 0
    titles = page.locator(".modebar-btn").evaluate_all("all => all.map(b => b.dataset.title)")
    assert "下载为 PNG 图片" in titles or "下载图片" in titles
    assert seen.elsewhere == []
    assert seen.complaints == []


def test_figures_get_plotly_from_the_kernel_elsewhere(served: Served, visit: Any) -> None:
    seen = visit(served.url)
    page = seen.open("kernel", wait=".js-plotly-plot .bars")
    page.wait_for_timeout(500)
    assert page.locator(".js-plotly-plot .bars").count() == 2
    assert 4_000_000 < seen.received < 8_000_000  # once, for two figures
    assert not any("plotly.mjs" in url for url in seen.requests)


def test_large_upload_arrives(served: Served, visit: Any, tmp_path: Path) -> None:
    import hashlib

    file = tmp_path / "大表.xlsx"
    content = bytes(range(256)) * 4096 * 14  # 14 MB: tornado alone would refuse more than 10
    file.write_bytes(content)
    page = visit(served.url).open("upload", wait=".jupyter-button")
    with page.expect_file_chooser() as chosen:
        page.click(".jupyter-button")
    chosen.value.set_files(file)
    page.wait_for_selector(f"text=收到 {len(content)} {hashlib.sha256(content).hexdigest()[:8]}", timeout=60_000)


def test_leaving_a_page_ends_its_kernel(served: Served, visit: Any) -> None:
    page = visit(served.url).open("upload", wait=".jupyter-button")
    page.wait_for_timeout(1000)
    script = page.text_content("#jupyter-config-data")
    kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', script).group(1)  # type: ignore[union-attr]
    address = f"{served.url}api/kernels/{kernel}"
    assert page.request.get(address).status == 200
    page.goto(served.url + "no-such-page")
    deadline = time.monotonic() + 15
    while page.request.get(address).status != 404 and time.monotonic() < deadline:
        page.wait_for_timeout(300)
    assert page.request.get(address).status == 404


def test_keyboard_reaches_controls_and_shows_where_it_is(front: Visit) -> None:
    page = front.page
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    seen = []
    for _ in range(26):  # once round, wherever the tests before have left it
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("""() => {
          const me = document.activeElement, look = getComputedStyle(me);
          const outlined = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0;
          const ringed = outlined || look.boxShadow !== "none";
          const name = me.getAttribute("aria-label") || me.innerText || me.title || "";
          return [me.tagName + "." + me.className, ringed, name.trim()];
        }""")
        )
    reached = " ".join(kind for kind, _, _ in seen)
    assert "noUi-handle" in reached
    assert "bl-map-stage" in reached
    assert [kind for kind, ringed, _ in seen if not ringed and "noUi" not in kind and "BODY" not in kind] == []
    assert [kind for kind, _, name in seen if not name and "noUi" not in kind and "BODY" not in kind] == []


def test_page_prints_on_a4(front: Visit) -> None:
    page = front.page
    page.emulate_media(media="print")
    try:
        assert not page.is_visible(".bl-top")
        assert page.is_visible("main h1")
        sheet = page.pdf(prefer_css_page_size=True)
        # A4 landscape is 842 × 595 points.
        sizes = {
            tuple(int(float(n)) for n in size) for size in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", sheet)
        }
        assert sizes
        assert all(abs(width - 842) < 2 and abs(height - 595) < 2 for width, height in sizes)
        assert len(re.findall(rb"/Type /Page\b", sheet)) <= 3
    finally:
        page.emulate_media(media="screen")


def test_base_url_and_token(tmp_path: Path, chromium: str, visit: Any) -> None:
    write_notebook(tmp_path, "index", [MAP, APP], title="示例首页")
    server = Served(tmp_path, pool=0, base_url="/balance", token="县-secret")
    try:
        assert server.url.endswith("/balance/")
        seen = visit(server.url)
        seen.page.goto(server.url)
        assert "login" in seen.page.url
        assert "请输入口令" in seen.page.inner_text("main")
        seen.page.fill("input[type=password]", "wrong")
        seen.page.click("button[type=submit]")
        assert "口令不对" in seen.page.inner_text("main")
        seen.page.fill("input[type=password]", "县-secret")
        seen.page.click("button[type=submit]")
        seen.page.wait_for_selector(".bl-school .bl-body", state="attached", timeout=60_000)
        assert seen.page.url == server.url + "voila/render/index.ipynb"
        assert seen.elsewhere == []
    finally:
        server.close()


def test_phone_needs_no_sideways_scroll(served: Served, visit: Any) -> None:
    page = visit(served.url, viewport={"width": 360, "height": 740}).open(wait=".bl-school .bl-body")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
