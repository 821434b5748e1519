"""The overview's first screen: whether, when, what stands in the way, whose it is, how much, and what to decide."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from balance_lib.locale import Message
from balance_lib.office.workplan.tasks import units_of
from balance_lib.show.widgets import card_views, views
from balance_lib.show.widgets import first_screen as first
from balance_lib.show.widgets.apps import Workplan
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.markup import render
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.outlook import Outlook, state, word
from balance_lib.show.widgets.running import RunModel

COUNTIES = ("akqi", "chuzhou", "huixian", "jiaohe", "wuxi")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def library(root) -> Library:
    return Library((root / "data" / "demo",))


def shown(library: Library, county: str, standard: str | None, lang: str = "zh") -> tuple[PageModel, Outlook]:
    model = PageModel(library, {"county": county, "lang": lang} | ({"standard": standard} if standard else {}))
    return model, Outlook(model)


@pytest.mark.parametrize("standard", [None, "quality_2017"])
@pytest.mark.parametrize("county", COUNTIES)
def test_the_first_screen_says_whether_when_what_who_and_how_much(library, county, standard) -> None:
    model, outlook = shown(library, county, standard)
    screen = first._first_screen(model, outlook)
    counts = model.evaluation.counts()
    official = model.evaluation.official
    if official is None:
        assert (f"{counts['not_met']}项未达标" in screen.sentence) == (counts["not_met"] > 0)
    else:  # the count the standard announces stands first, also on the first card
        assert f"：{official.n}项中{len(official.met)}项达标" in screen.sentence
        cards = card_views._cards(model.evaluation, None, "zh")
        assert cards.index(f"{len(official.met)} / {official.n}") < cards.index("未达标的要求")
    assert re.search(r"\d{4}学年|不能定|即可认定", screen.when)
    n = len(screen.steps)
    assert len(screen.obstacles) == min(8, n) > 0
    more = re.findall(r'bl-(small|large)"><a href="#bl-steps">另有(\d+)项', screen.html("zh"))
    assert {size: int(m) for size, m in more} == {
        size: n - named for size, named in (("small", 3), ("large", 8)) if n > named
    }
    for step in screen.steps:
        assert re.search(r"\d|缺佐证|缺数据|佐证结论", step.amount), step
        assert step.owner and f"item={step.code}" in step.href
        assert re.match(r"\d{4}|每年|每5年一次|长期|未定期限", step.due), step  # said in words
    # What nobody needs to be told twice: the school rules count what stands in the list already.
    rules = {i.code for i in model.standard.items if i.measure is not None and i.measure.source == "school_rule"}
    assert not rules & {step.code for step in screen.steps[:3]}


def test_no_year_is_named_while_an_item_is_forecast_to_fail(library) -> None:
    model, outlook = shown(library, "akqi", None)
    paths = {r.item.code: outlook.item(r.item.code) for r in outlook.open_items()}
    told, tested = first._when(model.evaluation, paths)
    stuck = [code for code, path in paths.items() if state(path) == "not_before"]
    assert told.key == "leader.when.not_before" and told.params["n"] == len(stuck) > 0
    assert told.params["to"] == max(int(paths[code].rows["year"].max()) for code in stuck)
    assert tested is not None
    # The word beside an item gives the reason that its sentence gives.
    doubted = {code for code, path in paths.items() if "区间不可信" in path.crossing.reason.render("zh")}
    assert doubted == {code for code, path in paths.items() if "推算不可靠" in word(path).render("zh")} != set()
    dated = {code: path for code, path in paths.items() if state(path) in first.DATED}
    found = replace(model.evaluation, items=[r for r in model.evaluation.items
                                             if r.status == "met" or r.item.code in dated])  # fmt: skip
    named, _ = first._when(found, dated)
    if named.key == "leader.when.year":
        assert named.params["year"] == max(int(path.crossing.year) for path in dated.values())


def test_a_forecast_that_missed_its_band_names_no_year(library, monkeypatch) -> None:
    model, outlook = shown(library, "chuzhou", None)
    paths = {r.item.code: outlook.item(r.item.code) for r in outlook.open_items()}
    paths = {code: path for code, path in paths.items() if state(path) != "not_before"}
    kept = [r for r in model.evaluation.items if r.status != "not_met" or r.item.code in paths]
    found = replace(model.evaluation, items=kept)
    assert first._when(found, paths)[0].key in ("leader.when.partly", "leader.when.year")
    code, *others = (code for code, path in paths.items() if state(path) in first.DATED)
    when = first._when(found, {name: path for name, path in paths.items() if name != code})[0]
    every = {r.item.code for r in (*first._pressing(found, paths), *found.with_status(*first.UNDECIDED))}
    assert (when.key, when.params["n"]) == ("leader.when.partly", len(others))
    assert when.params["m"] == len(every) - len(others), "an item without a forecast has no year"
    missed = Message("trends.back_test.item", {"n": 15, "inside": 5, "median": "1"})
    monkeypatch.setattr("balance_lib.forecast.ItemPath.tested", missed)
    told, tested = first._when(found, paths)
    assert told.key == "leader.when.unknown" and tested.key == "leader.tested.missed"
    wait = len(found.with_status(*first.UNDECIDED))
    assert told.params["m"] == sum(r.status == "not_met" for r in first._pressing(found, paths)) + wait
    # A county too young to hold its forecasts against later years is still told the year they give.
    monkeypatch.setattr("balance_lib.forecast.ItemPath.tested", None)
    told, tested = first._when(found, paths)
    assert told.key in ("leader.when.partly", "leader.when.year") and tested is None


@pytest.mark.parametrize(("county", "standard", "said"), [
    ("akqi", None, "约1.5万元"),  # the list of prices has the step
    ("chuzhou", None, "价目表中没有"),  # it has none
    ("huixian", None, "佐证材料"),  # nothing fails: a finding has only to be recorded
])  # fmt: skip
def test_one_thing_can_be_decided_today(library, county, standard, said) -> None:
    model, outlook = shown(library, county, standard)
    words, href = first._decision(model, outlook)
    assert said in words and href.split(".")[0] in ("gaps", "data")
    if county == "huixian":
        assert f"item={model.evaluation.with_status(*first.UNDECIDED)[0].item.code}" in href


def test_rooms_are_counted_in_rooms(library) -> None:
    model, _ = shown(library, "wuxi", "quality_2017")
    result = model.evaluation.item("G3-music")
    rows = result.by_school[[met is False for met in result.by_school["met"]]]
    told = first._amount(result, model)
    assert int(re.search(r"共缺(\d+)间", told)[1]) >= len(rows) and f"{len(rows)}所学校" in told


@pytest.mark.parametrize("county", COUNTIES)
@pytest.mark.parametrize("standard", [None, "quality_2017"])
def test_the_map_is_never_all_grey(library, county, standard) -> None:
    classes, _, label = first.colours(shown(library, county, standard)[0])
    assert {"met", "not_met"} & set(classes.values())
    assert (label == "") == bool(len(shown(library, county, standard)[0].evaluation.school_status()))


def test_the_owner_of_a_national_item_is_the_countys_own(library) -> None:
    model, _ = shown(library, "akqi", "quality_2017")
    assert first._responsible(model.standard.item("L2-primary"), model) == ("教科局", "教科局")
    assert first._responsible(model.standard.item("G12"), model) == ("教科局", "教科局、各中小学")


@pytest.mark.parametrize("county", ["chuzhou", "jiaohe", "wuxi"])
def test_what_a_plan_does_not_measure_has_no_owner_in_it(library, county) -> None:
    """Items that only evidence shows are not the same item: the plan's first one lent its unit to all of them."""
    model, _ = shown(library, county, "quality_2017")
    assert first._responsible(model.standard.item("V1"), model) == ("", "")
    model, _ = shown(library, "chuzhou", "quality_2017")
    assert first._responsible(model.standard.item("G8"), model)[0] == "师资队伍建设组"


def test_garbled_pronunciations_are_left_out_of_quotes_and_nothing_else() -> None:
    assert views.readable("等8個鄉(xiāng)鎮(zhèn)率先") == "等8個鄉鎮率先"
    assert views.readable("小学(含教学点)、(a) note (km)") == "小学(含教学点)、(a) note (km)"


def test_templates_escape_what_a_county_calls_its_schools() -> None:
    school = {"name": "<b>坏</b>", "township": "&", "short": 1, "lacks": "<i>", "href": "x?a=1&b=2"}
    html = render("school_ranking", "zh", schools=[school], more=0, empty="")
    assert "<b>坏" not in html and "&lt;b&gt;坏" in html and "<i>" not in html


@pytest.mark.parametrize("county", COUNTIES)
def test_every_link_of_the_overview_names_something_there_is(library, county) -> None:
    model, outlook = shown(library, county, None)
    screen = first._first_screen(model, outlook)
    found = views._lamp_grid(model.evaluation, model.query, "zh") + screen.html("zh")
    found += views._school_ranking(model.evaluation, model.county, model.query, "zh")
    found += render("next_steps", "zh", steps=screen.steps, note="")
    links = [urlsplit(unescape(href)) for href in re.findall(r'href="([^"#]+)"', found)]
    pages = {file.stem for file in (ROOT / "dashboards").glob("*.ipynb")}
    units = {unit for item in model.standard.items for unit in units_of(item.lead_unit)}
    schools, codes = set(model.county.tables["schools"]["school_id"]), {item.code for item in model.standard.items}
    kinds = set()
    for link in links:
        asked = dict(parse_qsl(link.query))
        assert link.path.removesuffix(".ipynb") in pages
        assert (asked["county"], asked["standard"]) == (model.county_id, model.standard_id)
        for name, known in (("item", codes), ("unit", units), ("school", schools)):
            if name in asked:
                kinds.add(name)
                assert asked[name] in known, link
    assert {"item"} <= kinds and len(links) >= len(screen.steps)


def test_the_page_of_the_plan_opens_at_the_unit_it_is_asked_for(library) -> None:
    page = Workplan(RunModel(library, {"county": "akqi", "unit": "教科局"}))
    assert page.unit.value == "教科局" and page.tabs.selected_index == 1
    assert set(page.model.tasks["task"]) < set(page.model.register.tasks["task"])
    assert Workplan(RunModel(library, {"county": "akqi"})).unit.value == ""
