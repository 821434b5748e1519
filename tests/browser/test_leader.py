"""What a leader meets in a real browser: the first screen answers, every action is in reach, nothing jumps or hides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.reading import BOXED, COVERED, SQUEEZED, UNREACHED
from tests.serving import Served

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
COUNTIES = ("akqi", "chuzhou", "huixian", "jiaohe", "wuxi")
LAPTOP = {"width": 1366, "height": 768}
# What of an element's text lies within the window without scrolling.
SEEN = """selector => [...document.querySelectorAll(selector)].filter((e) => {
  const box = e.getBoundingClientRect();
  return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
}).map((e) => e.innerText)"""


@pytest.fixture(scope="module")
def served(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = {"BALANCE_HOME": str(tmp_path_factory.mktemp("home"))}
    server = Served(ROOT / "dashboards", root=ROOT / "data" / "demo", pool=0, environment=home)
    yield server
    server.close()


def test_first_screen_holds_when_what_who_and_how_much(served: Served, visit: Any) -> None:
    seen = visit(served.url, viewport=LAPTOP)
    page = seen.open("voila/render/overview.ipynb?county=akqi", wait=".bl-obstacles")
    for county in COUNTIES:
        page.locator(".bl-head select").nth(0).select_option(index=COUNTIES.index(county))
        for national in (False, True):
            if national:
                choice = page.locator(".bl-head select").nth(2)
                titles = choice.locator("option").all_inner_texts()
                choice.select_option(index=next(i for i, t in enumerate(titles) if "优质均衡发展督导评估标准" in t))
            page.wait_for_timeout(1500)
            page.wait_for_function("() => !document.querySelector('.bl-decision').innerText.includes('正在测算')")
            assert page.locator(".bl-banner[data-kind=error]").count() == 0
            [verdict] = page.evaluate(SEEN, ".bl-screen .bl-verdict")
            assert re.search(r"不通过|尚不能认定|通过", verdict) and re.search(r"\d{4}学年|即可认定|不能定", verdict)
            rows = page.evaluate(SEEN, ".bl-obstacles li")
            assert 1 <= len(rows) <= 3
            for row in rows:
                what, amount, who, due = row.split("\n")[:4]
                assert what and re.search(r"\d|缺|结论", amount) and who and due, row
            [decision] = page.evaluate(SEEN, ".bl-decision")
            assert "：" in decision
            stage = page.locator(".bl-screen .bl-map-stage").bounding_box()
            assert stage["y"] + stage["height"] <= LAPTOP["height"]
            for size in [(390, 844), (768, 1024), (1920, 1080), (1366, 768)] if not national else []:
                page.set_viewport_size({"width": size[0], "height": size[1]})
                page.wait_for_timeout(250)
                if page.evaluate(COVERED):
                    page.wait_for_timeout(2000)  # the map of another county may still be on its way
                assert page.evaluate(COVERED) == [], (county, size)
                if (county, size[0]) == ("akqi", 1920):  # what is empty on a large screen names more of what is open
                    cards, drawn = (page.locator(f".bl-screen {e}").bounding_box() for e in (".bl-grid", ".bl-map"))
                    ends = [box["y"] + box["height"] for box in (cards, drawn)]
                    assert abs(ends[0] - ends[1]) < 40 and min(ends) > 900
                    assert len(page.evaluate(SEEN, ".bl-obstacles li")) == 8
    assert seen.complaints == []


PAGES = {
    "index": "", "overview": "", "gaps": "", "balance": "", "access": "", "data": "", "workplan": "", "province": "",
    "consolidation": "&school=AQ012",
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_everything_can_be_reached_and_read_at_every_width(served: Served, visit: Any, name: str) -> None:
    seen = visit(served.url, viewport=LAPTOP)
    page = seen.open(f"voila/render/{name}.ipynb?county=akqi{PAGES[name]}", wait=".bl-help summary")
    page.wait_for_timeout(1500)
    if name == "consolidation":  # the row of actions on a school
        assert page.locator(".bl-plan-tools .widget-toggle-buttons").first.locator("button").count() == 6
    tabs = page.locator(".bl-app .widget-tab > .lm-TabBar .lm-TabBar-tab")
    found = {}
    for at in range(max(tabs.count(), 1)):
        if tabs.count():
            tabs.nth(at).click()
        page.wait_for_timeout(700)
        for width in (390, 768, 1366, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(150)
            boxed = page.evaluate(BOXED) if width == 390 else []
            if faults := page.evaluate(UNREACHED) + page.evaluate(SQUEEZED) + page.evaluate(COVERED) + boxed:
                found[at, width] = faults
    assert found == {}
    title, link = page.locator(".bl-title h1").bounding_box(), page.locator(".bl-help summary").bounding_box()
    assert title["x"] + title["width"] <= link["x"] + 1  # one beside the other, not over it
    page.locator(".bl-help summary").click()
    assert len(page.inner_text(".bl-help > div")) > 40
    assert page.evaluate("""() => {  // it lies over the page, not under it
      const box = document.querySelector(".bl-help > div").getBoundingClientRect();
      return [0.02, 0.5, 0.98].every((part) =>
        document.elementFromPoint(box.x + box.width * part, box.y + box.height * part)?.closest(".bl-help"));
    }""")
    for aid in ("find", "print"):
        assert page.locator(f"[data-aid={aid}]").is_visible()


def test_nothing_moves_under_the_hand_on_a_slider(served: Served, visit: Any) -> None:
    page = visit(served.url, viewport=LAPTOP).open(
        "voila/render/consolidation.ipynb?county=akqi", wait=".bl-plan .noUi-handle"
    )
    handle, undo = page.locator(".bl-plan-slide .noUi-handle").first, page.locator("button", has_text="撤回一步")
    page.wait_for_timeout(1500)
    before = handle.bounding_box()["y"]
    handle.focus()
    for _ in range(8):
        handle.press("ArrowRight")
    page.wait_for_function(
        "() => document.querySelector('.bl-headline')?.innerText.includes('名学生转学')", timeout=20_000
    )
    assert handle.bounding_box()["y"] == before
    headline = page.inner_text(".bl-headline").split("\n")[-1]
    assert len(headline) <= 45
    undo.click()  # one gesture is one step
    page.wait_for_function(
        "() => document.querySelector('.bl-headline')?.innerText.includes('没有学生转学')", timeout=20_000
    )
    page.locator("button", has_text="重做一步").click()
    page.wait_for_function(
        "() => document.querySelector('.bl-headline')?.innerText.includes('名学生转学')", timeout=20_000
    )


def test_every_school_has_a_mark_of_its_own_and_is_found_by_name(served: Served, visit: Any) -> None:
    page = visit(served.url, viewport=LAPTOP).open("voila/render/overview.ipynb?county=akqi", wait=".bl-school")
    page.wait_for_timeout(1500)
    marks = page.eval_on_selector_all(
        ".bl-school",
        """all => all.filter((e) => e.style.display !== 'none')
        .map((e) => [e.dataset.class, e.getAttribute('transform')])""",
    )
    found = [re.search(r"translate\(([-\d.]+),([-\d.]+)\)", where) for _, where in marks]
    places = [(float(m[1]), float(m[2])) for m in found if m]
    near = [(a, b) for i, a in enumerate(places) for b in places[i + 1 :] if abs(a[0] - b[0]) + abs(a[1] - b[1]) < 3]
    assert near == []
    order = {"not_applicable": -1, "no_data": 0, "met": 1, "not_met": 2}
    ranks = [order[name] for name, _ in marks]
    assert ranks == sorted(ranks)  # what stands later is drawn above
    page.locator(".bl-map-find").fill("布隆")
    page.wait_for_selector(".bl-map-tip:not([hidden])")
    assert "布隆村小学" in page.inner_text(".bl-map-tip strong")
    page.locator(".bl-map-find").press("Enter")
    page.wait_for_selector(".bl-picked a[href*='school=AQ']", timeout=10_000)


def test_find_opens_what_is_folded(served: Served, visit: Any) -> None:
    page = visit(served.url, viewport=LAPTOP).open("voila/render/overview.ipynb?county=akqi", wait=".bl-part")
    page.locator("[data-aid=find]").click()
    page.locator(".bl-find input").fill("校园安全")
    page.locator(".bl-find input").press("Enter")
    assert page.locator(".bl-found").first.is_visible()
    page.locator(".bl-help summary").click()
    assert "历年走势" in page.inner_text(".bl-help")


# Heads of small multiples that lie over one another, and drawings wider than the place they stand in.
HEADS = """() => {
  const boxes = [...document.querySelectorAll(".bl-wide .annotation-text-g")].map((e) => e.getBoundingClientRect());
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const wide = [...document.querySelectorAll(".js-plotly-plot")].filter((e) => e.getBoundingClientRect().width > 0 &&
    e.querySelector(".main-svg").getBoundingClientRect().width > e.getBoundingClientRect().width + 2);
  return [boxes.length, boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => meet(a, b))).length, wide.length];
}"""


def test_small_multiples_fit_the_page_at_every_width(served: Served, visit: Any) -> None:
    page = visit(served.url, viewport=LAPTOP).open("voila/render/gaps.ipynb?county=akqi", wait=".bl-wide .main-svg")
    page.wait_for_timeout(1500)
    for width in (1366, 768, 390, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        fits = f"() => {{ const [n, meet, beyond] = ({HEADS})(); return n >= 18 && !meet && !beyond; }}"
        page.wait_for_function(fits, timeout=15_000)  # plotly draws anew a moment after the window has changed
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    page.set_viewport_size({"width": 3840, "height": 2160})  # from across a room; the pointer finds points
    page.wait_for_function(
        """() => document.querySelector(".bl-wide .annotation-text").getBoundingClientRect().height > 24 &&
        !document.querySelector(".bl-wide .hovertext")"""
    )
    page.wait_for_timeout(500)
    tall = "(e) => e.getBoundingClientRect().height"  # no drawing is taller than the place it was given
    fits = f"all => all.every((e) => ({tall})(e) <= ({tall})(e.parentElement) + 2)"
    assert page.eval_on_selector_all(".bl-drawn", fits)
    page.locator(".bl-wide .points path").first.hover(force=True)
    page.wait_for_selector(".bl-wide .hovertext", state="attached")


def test_what_the_overview_names_opens_with_that_thing_chosen(served: Served, visit: Any) -> None:
    page = visit(served.url, viewport=LAPTOP).open("voila/render/overview.ipynb?county=akqi", wait=".bl-obstacles")
    links = {
        "item": ".bl-obstacles a[href*='item=']", "unit": ".bl-obstacles a[href*='unit=']",
        "school": "a[href*='consolidation'][href*='school=']",
    }  # fmt: skip
    found = {name: page.locator(selector).first for name, selector in links.items()}
    told = {name: (link.get_attribute("href"), link.inner_text().strip()) for name, link in found.items()}
    for name, (href, words) in told.items():
        opened = visit(served.url, viewport=LAPTOP).open(f"voila/render/{href}", wait=".bl-app")
        shown = "() => [...document.querySelectorAll('select')].map((e) => e.selectedOptions[0]?.text ?? '').join('|')"
        if name == "school":
            opened.wait_for_function(
                "(w) => document.querySelector('.bl-plan-tools')?.innerText.includes(w)", arg=words
            )
        else:
            opened.wait_for_function(f"(w) => ({shown})().includes(w)", arg=words, timeout=20_000)
