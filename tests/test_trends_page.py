"""The page of gaps: every part opens in both languages, says its verdict, and computes only what is looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from balance_lib import forecast
from balance_lib.cli import app
from balance_lib.show.plots import trends as draw
from balance_lib.show.widgets import apps, outlook
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel


def page(demo_dir: Path, **query: str) -> apps.Gaps:
    return apps.Gaps(PageModel(Library((demo_dir,)), query))


@pytest.mark.parametrize("query", [{"county": "akqi"}, {"county": "akqi", "lang": "en", "standard": "quality_2017"}])
def test_every_part_opens(demo_dir: Path, query: dict[str, str]) -> None:
    shown = page(demo_dir, **query)
    for at in range(len(shown.parts)):
        shown.tab.selected_index = at
        assert shown.problem.value == "", shown.parts[at]
    assert shown.dates.value.count("<tr>") > 3
    assert "bl-lamp" in shown.crossings.value and "bl-lamp" in shown.falls.value
    first = re.findall(r"<tr><td[^>]*>(.*?)</td>", shown.growth.value)
    assert all(first) and (
        "standard" in query or len(first) > 3
    )  # on a phone each row stands alone: it has its group's name
    assert isinstance(shown.multiples.children[0], SlimFigure) and isinstance(shown.places.children[0], SlimFigure)
    assert "80" in shown.pupil_note.value


def test_an_english_page_calls_townships_by_their_english_names(demo_dir: Path) -> None:
    shown = page(demo_dir, county="akqi", lang="en", standard="quality_2017")
    names, towns = shown.outlook.names(), shown.model.county.tables["townships"]["township"]
    assert len(towns) > 3 and not any(re.search("[\u4e00-\u9fff]", names[town]) for town in towns)


def test_a_part_is_computed_only_when_it_is_opened(demo_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("projection", "paths"):
        own = getattr(outlook.Outlook, name)
        monkeypatch.setattr(
            outlook.Outlook, name, lambda self, *a, _own=own, _name=name: asked.append(_name) or _own(self, *a)
        )
    shown = page(demo_dir, county="akqi")
    assert asked == []
    shown.tab.selected_index = shown.parts.index("pupils")
    assert set(asked) == {"projection"}
    asked.clear()
    shown.tab.selected_index = shown.parts.index("items")
    shown.model.choose(year=2022)
    assert asked == []
    assert len(shown.outlook._found) <= len(shown.outlook.open_items()) + 1


def test_sliders_change_the_pupils_to_come(demo_dir: Path) -> None:
    shown = page(demo_dir, county="akqi")
    shown.tab.selected_index = shown.parts.index("pupils")
    before = shown.pupils.data[1].y[-1]
    shown.births.value = 50
    assert shown.pupils.data[1].y[-1] > 1.2 * before
    shown.tab.selected_index = 0
    shown.model.choose(county="chuzhou")
    shown.tab.selected_index = shown.parts.index("pupils")
    assert shown.problem.value == "" and shown.pupils.data[1].y[0] > 5 * before


def test_the_verdict_word_goes_with_the_deadline(demo_dir: Path) -> None:
    shown = page(demo_dir, county="wuxi")
    for result in shown.outlook.open_items():
        found = shown.outlook.item(result.item.code)
        state = outlook.state(found)
        if state in ("crosses", "late"):
            late = found.due_year is not None and found.crossing.year > found.due_year
            assert (state == "late") is late
        assert outlook.word(found).render("zh") and outlook.word(found).render("en")


def test_small_multiples_show_line_deadline_and_word(demo_dir: Path) -> None:
    shown = page(demo_dir, county="akqi")
    panels = [shown.outlook.panel(result) for result in shown.outlook.open_items()[:9]]
    figure = draw._multiples(panels)
    texts = [note.text for note in figure.layout.annotations]
    for panel in panels:
        assert any(panel.word in text for text in texts)
        if panel.deadline is not None and panel.deadline.year >= 2016:
            assert any(panel.deadline.isoformat() in text for text in texts)
    dates = [note for note in figure.layout.annotations if note.text.startswith("┊")]
    assert dates and all(note.yref.endswith("domain") and note.y == 1 for note in dates)  # above every point and line
    assert len(figure.layout.shapes) == sum(panel.deadline is not None for panel in panels)
    lines = [trace for trace in figure.data if trace.line.dash == "dash"]
    assert len(lines) == len(panels)


@pytest.mark.parametrize("value", [98.0, 4.2, 0.3])
def test_the_band_of_a_figure_that_never_moved_stays_on_the_axis(value: float) -> None:
    rows = forecast.fit(range(2016, 2024), [value] * 8, 2030, share=0.02).assign(threshold=1.02 * value, gap=-0.1)
    low, high = draw._outlook(draw.Panel("甲", rows, "not_met", "乙")).layout.yaxis.range
    assert low <= rows["low"].min() and high >= rows["high"].max()


def test_a_county_without_open_items_says_so(demo_dir: Path) -> None:
    shown = page(demo_dir, county="huixian", lang="en")
    assert "met" in shown.sentence.value and shown.shown.value == "all"
    assert shown.problem.value == "" and shown.multiples.children


def run(*args: str) -> Any:
    return CliRunner().invoke(app, ["project", *args])


def test_the_command_prints_a_projection_as_json(demo_dir: Path) -> None:
    done = run(str(demo_dir / "akqi"), "--to", "2030", "--standard", "quality_2017", "--json", "--close", "AQ001=2026")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["base"] == 2023 and found["to"] == 2030
    shut = [row["pupils"] for row in found["schools"] if row["school_id"] == "AQ001" and row["year"] >= 2026]
    assert shut and set(shut) == {0}
    assert found["items"] and all(item["reason"] for item in found["items"])
    assert {row["stage"] for row in found["county_pupils"]} == {"primary", "junior"}


@pytest.mark.parametrize(
    ("args", "code"),
    [(("--to", "2020"), 1), (("--to", "2030", "--close", "NOBODY=2026"), 1), (("--to", "2030", "--close", "AQ001"), 2),
     (("--to", "2030", "--births-percent", "999"), 2), ((), 2), (("--to", "2030", "--lang", "en"), 0)],
)  # fmt: skip
def test_the_command_refuses_in_words(demo_dir: Path, args: tuple[str, ...], code: int) -> None:
    done = run(str(demo_dir / "akqi"), *args)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
