"""The consolidation page's state and its app, without a browser: what a planner does, and what he is shown."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from balance_lib import scenarios, standards
from balance_lib.evaluation import indicators
from balance_lib.plain import as_csv
from balance_lib.scenarios import Close, Keep, Merge, Open, Scenario
from balance_lib.scenarios.board import Board, State
from balance_lib.show.widgets import trial
from balance_lib.show.widgets.apps import Consolidation
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.live import LiveTick
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.trial import Trial
from tests import scenario_towns

YEAR = scenario_towns.YEAR
QUALITY = standards.load("quality_2017")


@pytest.fixture
def made() -> Trial:
    return Trial(scenario_towns.county(), YEAR, QUALITY)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def test_nothing_is_closed_until_somebody_says_so(made) -> None:
    assert made.scenario.is_empty
    assert made.outcome().status == "unchanged"
    assert made.tick().moved == 0


def test_slider_and_evaluation_say_the_same(made) -> None:
    made.change(sliders=State(minimum_enrolment=25))  # C has 18 pupils
    found = made.outcome()
    assert made.tick().closed == ("C",)
    assert {o.school_id for o in found.scenario.operations} == {"C"}
    assert made.tick().moved == found.moved == 18
    assert found.bookkeeping.schools_after == found.bookkeeping.schools_before - 1


def test_a_county_that_was_tried_goes_with_all_that_was_judged_of_it() -> None:
    """Caches of the process held on to 64 counties: each page that tried scenarios grew by their tables."""
    county = scenario_towns.county()
    plan = scenarios.Scenario.empty(county, YEAR).with_operations(Close(school_id="C"))
    tried = weakref.ref(scenarios.apply(county, plan))
    found = scenarios.evaluate(county, plan)
    judged, seen = weakref.ref(found.changed), weakref.ref(indicators.frames(found.changed, QUALITY))
    del found
    gc.collect()
    assert (tried(), judged(), seen()) == (None, None, None)


def test_a_page_makes_anew_only_what_is_its_own(page) -> None:
    other = Consolidation(PageModel(page.model.library))
    assert other.chart._geometry is page.chart._geometry and other.chart._dots is page.chart._dots
    assert other.live._board["metres"]["data"] is page.live._board["metres"]["data"]
    assert "chart" not in vars(page.optimiser)  # an empty figure: 5 MB


def test_kept_school_is_spared_by_the_slider(made) -> None:
    made.act("C", "keep")
    made.change(sliders=State(minimum_enrolment=25))
    assert made.tick().closed == ()
    assert made.scenario.operations == (Keep(school_id="C"),)


def test_act_replaces_what_was_decided_and_undo_brings_it_back(made) -> None:
    made.act("C", "close")
    made.act("C", "merge", "A")
    assert made.decided.operations == (Merge(school_id="C", into="A"),)
    assert made.state_of("C") == "merge"
    made.act("C", "as_is")
    assert made.decided.is_empty
    assert made.undo()
    assert made.state_of("C") == "merge"
    assert made.undo()
    assert made.decided.operations == (Close(school_id="C"),)
    assert made.undo()
    assert not made.undo()
    assert made.decided.is_empty


def test_slider_closes_beside_a_school_that_opens(made) -> None:
    new = Open(school_id="N", name_zh="新校", kind="primary", township="甲镇", location="rural", rank="village",
               lon=109.6, lat=31.0 + 3 * scenario_towns.STEP, classes_primary=6, villages=("v2",))  # fmt: skip
    made.change(made.decided.with_operations(new), State(minimum_enrolment=25))
    tick, found = made.tick(), made.outcome()
    assert (tick.moved, tick.closed, tick.proven) == (found.moved, ("C",), True) and tick.moved > 0
    assert made.scenario.operations == (new, Close(school_id="C"))
    assert made.outcome().bookkeeping.schools_opened == 1


def test_hosts_teach_all_that_closes_and_the_nearest_comes_first(made) -> None:
    assert made.hosts("C") == ["B", "A"]
    assert made.hosts("J") == []


def test_lines_of_the_tick_are_those_of_the_outcome(made) -> None:
    made.change(sliders=State(minimum_enrolment=40, walk_primary_m=3000))
    tick, found = made.tick(), made.outcome()
    fast = trial._moves_at(made.board(), tick, (3000, 5000)).set_index(["start", "to"]).sort_index()
    whole = trial.moves_of(found).set_index(["start", "to"]).sort_index()
    assert fast.index.tolist() == whole.index.tolist() == [("v1", "A"), ("v2", "A")]
    assert fast["pupils"].tolist() == whole["pupils"].tolist() == [30, 18]
    assert fast["class"].tolist() == ["fine", "breaks"]  # 2 km and 4 km


def test_a_way_nobody_knows_is_no_line_within_the_rules() -> None:
    full = scenario_towns.county(attendance=False)
    bare = full.with_tables(**{name: full.tables[name].iloc[:0] for name in ("villages", "village_years")})
    found = scenarios.evaluate(bare, Scenario.empty(bare, YEAR).with_operations(Close(school_id="C")))
    lines = trial.moves_of(found)
    assert len(lines) and not set(lines["class"]) - {"unknown", "breaks"}


def test_cells_that_begin_a_formula_are_disarmed_in_exports() -> None:
    import pandas as pd

    said = as_csv(pd.DataFrame({"school": ["=cmd|' /C calc'!A0", "甲校"], "n": [1, -2]})).decode("utf-8-sig")
    assert said.splitlines() == ["school,n", "'=cmd|' /C calc'!A0,1", "甲校,-2"]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consolidation]:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    replace(scenario_towns.county(), meta={"plan": "quality_2017"}).save(tmp_path / "counties" / "toy")
    made = Consolidation(PageModel(Library((tmp_path / "counties",))))
    made.files.author.value = "规划科"
    yield made


def test_page_begins_with_today(page) -> None:
    assert page.problem.value == ""
    assert "维持现状" in page.verdict.value
    assert page.walk["primary"].value == 3.0
    assert [v for _, v in page.tools.list.options][:2] == ["C", "B"]  # smallest first


def test_losses_are_told_by_name_after_a_slide(page) -> None:
    page.small.value = 25
    assert page.problem.value == ""
    assert "2村" in plain(page.affected.value)
    assert "18" in plain(page.first.value)
    assert "bl-stale" not in page.verdict._dom_classes
    assert "bl-changed" in page.first.value  # what the last move changed is marked
    [headline] = re.findall(r'bl-headline">.*</span>(.*?)</p>', page.verdict.value)
    assert 5 < len(plain(headline).strip()) <= 40
    page.back.click()
    assert page.small.value == 0
    assert "维持现状" in page.verdict.value


def test_majority_of_parents_forbids_a_closing(page) -> None:
    page.tools.choose("C")
    page.tools.state.value = "close"
    page.procedure.asked.value, page.procedure.opposed.value = 10, 6
    page.procedure.record.click()
    assert page.problem.value == ""
    assert page.plan.outcome().status == "forbidden"
    assert "不得强行撤并" in plain(page.rules.value)


def test_what_cannot_be_is_told_and_can_be_undone(page) -> None:
    page.plan.change(page.plan.decided.with_operations(Merge(school_id="C", into="B"), Merge(school_id="B", into="C")))
    page.on(page.follow)
    assert "bl-banner" in page.problem.value
    page.tools.list.value = "J"  # looking at a school does not wipe the reason off
    assert "bl-banner" in page.problem.value
    page.back.click()
    assert page.problem.value == ""
    assert "维持现状" in page.verdict.value


def test_saved_scenario_comes_back_by_its_link(page, tmp_path, monkeypatch) -> None:
    page.small.value = 25
    page.tools.choose("B")
    page.tools.state.value = "keep"
    page.files.name.value, page.files.author.value = "方案甲", "规划科"
    page.files.save.click()
    assert page.problem.value == ""
    scenario_id = re.search(r"scenario=([A-Za-z0-9]+)", page.files.link.value).group(1)
    monkeypatch.setenv("QUERY_STRING", f"scenario={scenario_id}")
    again = Consolidation(PageModel(Library((tmp_path / "counties",))))
    assert again.problem.value == ""
    assert again.plan.scenario == page.plan.scenario
    assert again.verdict.value == page.verdict.value
    assert again.files.name.value == "方案甲"


@pytest.mark.parametrize("asked", ["nosuch", "abc.9", "../../etc/passwd", "file:nosuch"])
def test_unknown_scenario_is_said_and_the_page_shows_today_by_the_countys_own_rules(
    page, asked, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("QUERY_STRING", urlencode({"scenario": asked}))
    again = Consolidation(PageModel(Library((tmp_path / "counties",))))
    assert escape(asked.removesuffix(".9")) in again.asked.value
    assert again.verdict.value == page.verdict.value
    assert {s: w.value for s, w in again.walk.items()} == {s: w.value for s, w in page.walk.items()}
    again.small.value = 25
    page.small.value = 25
    assert again.first.value == page.first.value


def test_somebody_elses_change_is_not_overwritten(page) -> None:
    page.files.save.click()
    page.small.value = 25
    first = page.files.opened
    page.files.save.click()
    page.files.opened = first  # as a second planner, who opened the first version
    page.small.value = 40
    page.files.save.click()
    assert "bl-banner" in page.problem.value


def saved(page: Consolidation, name: str, small: int, *, button: str = "save") -> str:
    """Save what a minimum enrolment gives under a name; return the id in the link, "" if it was refused."""
    page.small.value, page.files.name.value = small, name
    getattr(page.files, button).click()
    found = re.search(r'bl-share" href="[^"]*scenario=([A-Za-z0-9]+)"', page.files.link.value)
    return "" if page.problem.value else found.group(1)  # type: ignore[union-attr]


def test_another_name_is_another_scenario_and_the_first_link_still_shows_the_first(page) -> None:
    from balance_lib.office.store import Store

    first = saved(page, "方案甲", 25)
    before = Store.default().scenario(first)
    second = saved(page, "方案乙", 40)
    third = saved(page, "方案丙", 10, button="save_as")
    assert len({first, second, third}) == 3
    assert Store.default().scenario(first) == before
    assert saved(page, "方案丙", 15, button="save_as") == ""  # two of one name could not be told apart
    assert "方案丙" in page.problem.value
    assert saved(page, "方案丙", 15) == third


def test_who_opens_a_colleagues_link_saves_beside_it(page) -> None:
    from balance_lib.office.store import Store

    first = saved(page, "方案甲", 25)
    before = Store.default().scenario(first)
    page.files.author.value = "乡镇规划组"
    page.files.load(first)
    assert page.files.author.value == "乡镇规划组"  # nobody signs as somebody else by opening a link
    assert saved(page, "方案甲", 40) == ""
    assert "规划科" in page.problem.value
    assert saved(page, "方案甲", 40, button="save_as") not in ("", first)
    assert Store.default().scenario(first) == before


def test_every_version_of_a_scenario_can_be_opened_again(page) -> None:
    from balance_lib._errors import NotFoundError
    from balance_lib.office.store import Store

    texts, store = [], Store.default()
    for small in (25, 40, 10):
        scenario_id = saved(page, "方案甲", small)
        texts.append(store.scenario(scenario_id).yaml)
    assert [store.scenario(scenario_id, n).yaml for n in (1, 2, 3)] == texts
    assert store.scenario(scenario_id, 2).name == "方案甲"
    assert page.files.link.value.count("方案甲") == 0 and page.files.link.value.count(f"{scenario_id}.") == 3
    page.files.load(f"{scenario_id}.1")
    assert page.plan.scenario.to_yaml() == texts[0]
    page.files.save.click()
    assert "bl-banner" in page.problem.value  # it was changed since; nothing is overwritten
    for version in (0, 4):
        with pytest.raises(NotFoundError):
            store.scenario(scenario_id, version)


def test_two_scenarios_stand_side_by_side_with_today(page) -> None:
    page.small.value = 25
    page.files.save.click()
    page.small.value = 40
    page.files.one.value = page.files.opened.scenario_id
    page.files.lay.click()
    assert page.problem.value == ""
    rows = dict(re.findall(r"<tr><td[^>]*>([^<]+)</td>(.*?)</tr>", page.files.side.value))
    assert "按2023学年评估" not in str(rows) and page.files.side.value.startswith("<p")  # one base is said once
    assert re.findall(r">([\d,]+)<", rows["转学学生"]) == ["0", "18", "48"]


def test_every_measure_can_be_added_and_taken_back(page) -> None:
    page.tools.choose("A")
    for kind in ("resize", "boarding", "bus", "open"):
        page.measures.kind.value = kind
        page.measures.village.value = "2村 · 甲镇"
        page.measures.amount.value = 6
        if kind == "open":
            page.measures.what.value = "primary"
        page.measures.make.click()
        assert page.problem.value == "", kind
    assert [o.verb for o in page.plan.decided.operations] == ["resize", "boarding", "bus", "open"]
    assert page.plan.outcome().bookkeeping.schools_opened == 1
    for _ in range(4):
        page.measures.remove.click()
        assert page.problem.value == ""
    assert page.plan.decided.is_empty


def test_a_school_that_opens_stands_on_the_map_and_is_taken_off_it(page) -> None:
    first = page.chart
    page.measures.kind.value, page.measures.what.value = "open", "primary"
    page.measures.village.value, page.measures.amount.value = "2村 · 甲镇", 6
    page.measures.make.click()
    chart = page.chart
    assert chart is not first and chart.places.schools[-1] == "NEW1"
    assert chart.legend[chart._classes[-1]]["key"] == "open" and len(chart._links) > 0
    page.small.value = 10
    assert page.chart is chart  # what stands where has not changed
    page.back.click()
    page.back.click()
    assert page.chart.places.schools == first.places.schools


def test_target_year_births_and_ways_are_taken_over(page) -> None:
    page.assignment.value = "transport"
    page.boarding.value = 5
    page.bus.value = True
    assert page.problem.value == ""
    scenario = page.plan.scenario
    assert (scenario.settings.assignment, scenario.settings.boarding_from_grade) == ("transport", 5)
    assert scenario.settings.bus_minutes == 30
    assert scenarios.Scenario.from_yaml(scenario.to_yaml()) == scenario


def test_page_speaks_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    replace(scenario_towns.county(), meta={"plan": "quality_2017"}).save(tmp_path / "toy")
    page = Consolidation(PageModel(Library((tmp_path,)), {"lang": "en"}))
    page.small.value = 25
    assert page.problem.value == ""
    shown = plain(page.gains.value) + plain(page.first.value)
    assert not re.search(r"[\u4e00-\u9fff]", shown)


def test_scenario_of_another_county_is_refused(page) -> None:
    from balance_lib.office.store import Stamp, Store

    other = Scenario.empty("elsewhere", YEAR)
    known = Store.default().save_scenario(other.to_yaml(), name="x", author="y", county_id="elsewhere", stamp=Stamp())
    page.on(lambda: page.files.load(known))
    assert "elsewhere" in page.problem.value


def test_optimiser_closes_nothing_that_is_not_named(page) -> None:
    page.optimiser.run.click()
    assert "可撤" in page.optimiser.told.value
    assert page.optimiser.take.disabled


def test_proposal_is_taken_over_and_judged_by_every_rule(page) -> None:
    page.tools.choose("B")
    page.tools.state.value = "keep"
    page.optimiser.closable.value, page.optimiser.schools.value = 40, 2  # B (30) and C (18) are small; B must stay
    page.optimiser.run.click()
    assert page.problem.value == ""
    assert page.optimiser.found.closed == ("C",)
    page.optimiser.take.click()
    assert page.problem.value == ""
    assert page.plan.state_of("C") == "close"
    assert page.plan.state_of("B") == "keep"
    assert "18名学生转学" in page.verdict.value


def test_point_of_the_frontier_is_loaded(page) -> None:
    page.optimiser.closable.value, page.optimiser.limit.value = 40, 600
    page.optimiser.draw.click()
    assert page.problem.value == ""
    assert list(page.optimiser.chart.data[0].x) == [2, 3]  # with one school some live beyond the radius without a bus
    page.optimiser.radius.value = page.optimiser.young.value = False
    page.optimiser.draw.click()
    proven = page.optimiser.chart.data[0]
    assert list(proven.x) == [1, 2, 3]
    page.optimiser._clicked(proven, SimpleNamespace(point_inds=[0]), None)
    assert page.problem.value == ""
    assert {o.school_id for o in page.plan.decided.operations} == {"B", "C"}


def test_roads_go_to_the_page_where_a_bus_runs(made) -> None:
    board, live = Board(made.county, Scenario.empty(made.county, YEAR)), LiveTick()
    live.follow(board, None, {}, bus=False, today={})
    assert "metres" in live._board
    assert "road" not in live._board
    live.follow(board, None, {}, bus=True, today={})
    assert "road" in live._board
