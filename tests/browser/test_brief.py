"""The brief in one file: opens from a disk, asks nobody, answers its sliders, and says what the evaluation says."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from balance_lib.scenarios import Scenario
from balance_lib.scenarios.board import Board, State
from balance_lib.show.widgets import brief
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel
from tests.browser.reading import COVERED

pytestmark = pytest.mark.browser
MOST_BYTES = 1_500_000
DAY = date(2026, 11, 30)


def written(
    root: Path, county: str, tmp_path: Path, *, lang: str = "zh", plan: str | None = None
) -> tuple[PageModel, Path]:
    model = PageModel(Library((root / "data/demo",)), {"county": county, "lang": lang})
    plans = [Scenario.from_yaml(root / "data/demo" / county / "scenarios" / f"{plan}.yaml")] if plan else []
    file = tmp_path / f"{county}.html"
    file.write_text(brief.write(model, plans, made_on=DAY), "utf-8")
    return model, file


def opened(browser: Any, file: Path, width: int = 1366, height: int = 768) -> tuple[Any, list[str], list[str]]:
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    return page, [url for url in asked if not url.startswith(("file:", "data:", "blob:"))], complaints


def drag(page: Any, name: str, value: float) -> None:
    page.evaluate(
        """([name, value]) => { const s = document.querySelector(`[name=${name}]`); s.value = value;
        s.dispatchEvent(new Event("input")); }""",
        [name, value],
    )


@pytest.mark.parametrize(
    ("county", "plan"),
    [
        ("akqi", "board-from-grade-4"),
        ("wuxi", "attach-micro-points"),
        ("jiaohe", None),
        ("chuzhou", None),
        ("huixian", None),
    ],
)
def test_one_file_says_the_finding_and_asks_nobody(
    browser: Any, root: Path, tmp_path: Path, county: str, plan: str
) -> None:
    model, file = written(root, county, tmp_path, plan=plan)
    assert file.stat().st_size <= MOST_BYTES
    page, asked, complaints = opened(browser, file)
    assert asked == [] and complaints == []
    counts, shown = model.evaluation.counts(), page.inner_text("section.verdict")
    for status, word in (("met", "达标"), ("not_met", "未达标")):
        assert not counts[status] or f"{word} {counts[status]}" in shown
    named = page.locator("section.what li").all_inner_texts()
    assert len(named) == min(3, sum(counts[s] for s in ("not_met", "no_data", "evidence", "not_due")))
    assert model.evaluation.provenance["county_hash"] in page.inner_text("footer")
    assert "演示数据" in page.inner_text("header")
    assert page.locator("#map svg").count() >= 1


def test_the_sliders_answer_as_the_board_does(browser: Any, root: Path, tmp_path: Path) -> None:
    model, file = written(root, "jiaohe", tmp_path)
    page, _, complaints = opened(browser, file)
    board = Board(model.county, Scenario.empty(model.county, model.year), model.standard)
    drag(page, "minimum_enrolment", 60)
    drag(page, "walk_primary_m", 2.5)
    tick = board.tick(State(minimum_enrolment=60, walk_primary_m=2500.0))
    said = page.locator("#answer li").all_inner_texts()
    assert said[0] == f"停办学校{len(tick.closed)}所" and len(tick.closed) > 0
    assert said[1] == f"转学学生{tick.moved:,.0f}人，其中上学路变远的{tick.farther:,.0f}人"
    far, was = tick.cover["primary"]["far"], board.tick(State()).cover["primary"]["far"]
    assert f"{far:,.0f}人（现状{was:,.0f}人）" in said[2]
    page.click("#reset")
    assert page.locator("#answer li").first.inner_text() == "停办学校0所"
    assert complaints == []


def test_a_phone_shows_it_whole_and_a_hostile_name_stays_text(browser: Any, root: Path, tmp_path: Path) -> None:
    model = PageModel(Library((root / "data/demo",)), {"county": "akqi", "lang": "en"})
    schools = model.county.tables["schools"]
    bad = "</script><img src=x onerror=document.title='broken'>"
    names = schools["name_en"].fillna("").where(schools.index != 0, bad)
    hostile = model.county.with_tables(
        schools=schools.assign(name_en=names, name_zh=names.where(names == bad, schools["name_zh"]))
    )
    model.library = _One(hostile)  # type: ignore[assignment]
    file = tmp_path / "hostile.html"
    file.write_text(brief.write(model, made_on=DAY), "utf-8")
    page, asked, complaints = opened(browser, file, 390, 844)
    assert asked == [] and complaints == [] and "broken" not in page.title()
    slider = page.locator("[name=minimum_enrolment]")
    slider.scroll_into_view_if_needed()
    before = slider.bounding_box()
    drag(page, "minimum_enrolment", 60)  # the map's legend has more to explain now
    page.wait_for_timeout(200)
    assert slider.bounding_box() == before
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("img").count() == 0 and page.evaluate(COVERED) == []


class _One(Library):
    """Hold one county that lies nowhere."""

    def __init__(self, county: Any) -> None:
        super().__init__(())
        object.__setattr__(self, "county", county)

    def open(self, name: str) -> Any:
        return self.county  # type: ignore[attr-defined]
