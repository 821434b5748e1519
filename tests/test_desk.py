"""The analyst's desk: one door, results that show themselves, and names that somebody may guess."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import balance_lib as bl
from balance_lib import evaluation, inequality, locale, optimise, scenarios, standards
from balance_lib._errors import NotFoundError

# What people from osmnx, geopandas, momepy and pandas write first: it works, or it says what is meant.
GUESSES: list[tuple[str, str, str | None]] = [
    # where, name, what it is called here (None: it works)
    ("bl", "open", None), ("bl", "counties", None), ("bl", "standards", None), ("bl", "compare", None),
    ("bl", "load", "open"), ("bl", "read_file", "open"), ("bl", "load_county", "open"), ("bl", "datasets", "counties"),
    ("bl", "list_counties", "counties"), ("bl", "policies", "standards"), ("bl", "optimize", "optimise"),
    ("bl", "gini", "inequality"),
    ("county", "schools", None), ("county", "villages", None), ("county", "crs", None), ("county", "map", None),
    ("county", "explore", None), ("county", "roads", None), ("county", "plot", "map"), ("county", "gdf", "schools"),
    ("county", "edges", "roads"), ("county", "nodes", "villages"), ("county", "boundary", "outline"),
    ("county", "isochrones", "coverage"), ("county", "accessibility", "coverage"),
    ("county", "basic_stats", "evaluate"),
    ("county", "forecast", "project"), ("county", "what_if", "scenario"), ("county", "optimise", "propose"),
    ("county", "township", "townships"), ("county", "evalute", "evaluate"), ("county", "to_gdf", "schools"),
    ("bl", "graph_from_place", "open"), ("bl", "get_path", "counties"), ("county", "gdf_to_nx", "roads"),
    ("county", "graph_to_gdfs", "roads"), ("county", "bounds", "outline"), ("county", "total_bounds", "outline"),
    ("county", "to_crs", "schools"), ("county", "sjoin", "schools"),
    ("evaluation", "items", None), ("evaluation", "to_frame", "table"), ("evaluation", "df", "table"),
    ("evaluation", "plot", "plot_gaps"), ("evaluation", "to_json", "as_dict"), ("draft", "run", "evaluate"),
    ("bl", "features_from_place", "open"), ("bl", "read_parquet", "open"), ("bl", "geocode_to_gdf", "open"),
    ("bl", "plot_graph", "explore"), ("bl", "load_data", "open"), ("county", "buffer", "coverage"),
    ("county", "service_area", "coverage"), ("county", "nearest_school", "coverage"), ("county", "towns", "townships"),
    ("county", "unary_union", "outline"), ("county", "total_area", "outline"), ("county", "describe", "evaluate"),
    ("county", "population", "villages"), ("county", "network", "roads"), ("county", "equity", "plot_coefficients"),
    ("evaluation", "failures", "problems"), ("evaluation", "plot_map", "map"), ("outcome", "losers", "affected"),
    ("coverage", "gdf", "outside"), ("coverage", "to_frame", "by_township"), ("coverage", "percent", "count"),
    ("history", "trend", "plot"), ("draft", "delete", "close"), ("draft", "simulate", "evaluate"),
]  # fmt: skip


@pytest.fixture(scope="module")
def county() -> Any:
    return bl.open("akqi")


@pytest.fixture(scope="module")
def results(county: Any) -> dict[str, Any]:
    draft = county.scenario("撤一所").close("AQ016")
    outcome = draft.evaluate()
    return {
        "bl": bl, "county": county, "standard": standards.load("akqi_2022"), "evaluation": county.evaluate(),
        "coverage": county.coverage("primary", 3000), "draft": draft, "scenario": draft.scenario, "outcome": outcome,
        "comparison": bl.compare(outcome), "forecast": county.project(2026), "history": county.history(),
        "proposal": county.propose("primary", 20, seconds=5), "remedy": county.remedy("quality_2017", seconds=2),
        "large": bl.open("chuzhou").evaluate(),
    }  # fmt: skip


def test_thirty_guesses_work_or_say_what_is_meant(results: dict[str, Any]) -> None:
    assert len(GUESSES) >= 30
    for where, name, meant in GUESSES:
        if meant is None:
            assert getattr(results[where], name) is not None, name
            continue
        with pytest.raises(AttributeError) as told:
            getattr(results[where], name)
        assert meant in str(told.value).partition("是不是")[2], (where, name, str(told.value))
    with pytest.raises(AttributeError, match=r"有：.*by_township.*outside"):  # nothing near: it says what there is
        results["coverage"].qqqq  # noqa: B018


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda c: bl.open("jiaohee"), "jiaohe"),
        (lambda c: c.evaluate("quality2017"), "quality_2017"),
        (lambda c: c.scenario().close("AQ16"), "AQ016"),
        (lambda c: c.village_id("阿克翁库村"), "阿克翁库尔村"),
        (lambda c: c.map(colour="equipmnt", standard="quality_2017"), "equipment"),
        (lambda c: c.map(radius=3000), "radius_m"),
        (lambda c: c.evaluate().map(stage="Primary"), "primary"),
        (lambda c: c.history("quality_2017").plot("equipement"), "equipment"),
        (lambda c: c.evaluate(2023), "year=2023"),
    ],
)
def test_a_name_mistyped_is_met_with_the_nearest(county: Any, ask: Any, meant: str) -> None:
    with pytest.raises((NotFoundError, TypeError)) as told:
        ask(county)
    assert meant in str(told.value).partition("是不是")[2]


def test_kilometres_in_the_place_of_metres_are_refused(county: Any) -> None:
    with pytest.raises(ValueError, match="3000"):
        county.coverage("primary", 3)
    with pytest.raises(ValueError, match="3000"):
        county.map(radius_m=3)


def test_a_county_is_opened_by_id_name_and_folder(county: Any, root: Any) -> None:
    for place in ("akqi", "阿合奇县", "阿合奇", county.path, str(county.path)):
        assert bl.open(place).hash == county.hash
    assert set(bl.counties()["id"]) == {"akqi", "chuzhou", "huixian", "jiaohe", "wuxi"}
    assert list(bl.standards()["id"]) == standards.ids()
    with pytest.raises(ValueError, match=r"balance import .*villages\.csv"):
        bl.open(county.path / "villages.csv")


def test_rooms_stay_where_they_were() -> None:
    import types

    for room in (inequality, optimise, standards, evaluation, scenarios):
        assert isinstance(room, types.ModuleType)
    assert standards.load("quality_2017").id == "quality_2017"
    assert set(bl.__all__) <= set(dir(bl)) and "open" not in bl.__all__
    for name in dir(bl):
        assert getattr(bl, name) is not None


def test_what_results_ask_the_desk_for_by_name_is_there(root: Any) -> None:
    """A name in ``desk("maps").outcome_map`` is seen by no tool that renames or makes private what nobody imports."""
    asked = {found for path in (root / "balance_lib").rglob("*.py")
             for found in re.findall(r"""desk\(["'](\w+)["']\)\.(\w+)""", path.read_text("utf-8"))}  # fmt: skip
    assert len(asked) > 10
    assert [pair for pair in asked if not hasattr(import_module(f"balance_lib.show.desk.{pair[0]}"), pair[1])] == []


def test_the_door_costs_nothing_before_it_is_used() -> None:
    code = "import sys, balance_lib as bl; dir(bl); print([m for m in ('pandas', 'numpy', 'yaml') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_every_result_is_short_in_a_line_and_whole_in_a_cell(results: dict[str, Any]) -> None:
    for name, result in results.items():
        if name == "bl":
            continue
        assert 20 < len(repr(result)) < 400, name
        shown = result._repr_html_()
        assert shown.count("<tr>") <= 41, name
        assert 500 < len(shown) < 40_000, name
        assert "<script" not in shown
    found = results["evaluation"]
    shown = found._repr_html_()
    assert found.sentence("zh") in shown
    for result in found.with_status("not_met"):
        assert result.item.code in shown


def test_a_cell_is_not_dressed_by_the_pages(results: dict[str, Any]) -> None:
    """In a notebook the style sheet of a page reaches every cell: the cell's own class is none of the page's."""
    from balance_lib.show.widgets import style

    own = set(re.findall(r'class="([^"]+)"', results["evaluation"]._repr_html_()))
    names = {name for group in own for name in group.split()}
    assert "bl-result" in names
    assert [name for name in names if re.search(rf"\.{name}\b(?!-)", style.sheet())] == []


def test_a_name_with_markup_is_shown_as_it_stands(county: Any) -> None:
    from dataclasses import replace

    shown = replace(county, name_zh="<b>县&")._repr_html_()
    assert "&lt;b&gt;县&amp;" in shown


def test_results_speak_the_language_chosen(results: dict[str, Any]) -> None:
    bl.speak("en")
    try:
        assert "does not pass" in results["evaluation"]._repr_html_() or "fail" in results["evaluation"]._repr_html_()
        assert "Akqi" in repr(results["county"])
        assert str(NotFoundError("stage", "x", ["primary"])) == "No stage “x”. There is: primary."
        figure = results["coverage"].plot()
        assert not any("\u4e00" <= sign <= "\u9fff" for sign in figure.layout.xaxis.title.text)
    finally:
        bl.speak("zh")
    with pytest.raises(ValueError, match="zh"):
        bl.speak("fr")
    assert locale.spoken() == "zh"


def test_places_are_geodataframes(county: Any) -> None:
    schools, villages, roads = county.schools, county.villages, county.roads
    assert schools.crs.to_epsg() == villages.crs.to_epsg() == roads.crs.to_epsg() == 4326
    rolls = county.table("school_years", county.years[-1])
    assert schools["pupils"].sum() == rolls.loc[rolls["stage"] != "shared", "pupils"].sum()
    inside = villages.sjoin(county.outline[["geometry"]])
    assert len(inside) > 0.9 * len(villages)
    length = roads.to_crs(32643).length
    near = (length - roads["length_m"]).abs() / roads["length_m"]
    assert near.median() < 0.5
    assert set(county.townships.geometry.geom_type) <= {"Polygon", "MultiPolygon"}


def test_a_county_in_shifted_coordinates_comes_back_to_wgs84(county: Any) -> None:
    from dataclasses import replace

    from balance_lib.data import crs

    tables = {}
    for name in ("schools", "villages"):
        frame = county.table(name)
        lon, lat = crs.convert(frame["lon"], frame["lat"], "WGS84", "GCJ02")
        tables[name] = frame.assign(lon=lon, lat=lat)
    shifted = replace(county.with_tables(**tables), crs="GCJ02")
    apart = shifted.schools.to_crs(32643).distance(county.schools.to_crs(32643))
    assert apart.max() < 0.5


def test_coverage_says_what_the_room_says(county: Any) -> None:
    from balance_lib import access

    found = county.coverage("primary", 3000, by="network")
    reach = access.Reach.of(county, county.years[-1], "primary", access.costs(county, "network"))
    assert found.count == access.covered(reach, 3000)
    chart = found.map()
    codes = list(chart._village_classes)
    assert [codes.count(n) for n in (1, 2)] == [(access.village_classes(reach, 3000) == n).sum() for n in (1, 2)]
    assert found.map().radius_km == [3.0]


def test_the_map_shows_what_was_found(county: Any, results: dict[str, Any]) -> None:
    found = results["evaluation"]
    for chart in (county.map(), found.map()):
        legend = [look["key"] for look in chart.legend]
        drawn = {s: legend[c] for s, c in zip(chart.places.schools, chart._classes, strict=True)}
        for school, status in found.school_status().items():
            assert drawn[school] == status
    item = next(r.item.code for r in found.with_status("not_met") if r.by_school is not None)
    assert found.item(item).item.label("zh") in found.map(item=item).value_label
    with pytest.raises(ValueError, match=r"A2-10\.2"):
        found.map(item="A2-10.2")


def test_a_chain_of_operations_is_the_scenario(county: Any, results: dict[str, Any]) -> None:
    outcome = results["outcome"]
    plain = scenarios.Scenario.empty(county, county.years[-1]).with_operations(scenarios.Close(school_id="AQ016"))
    assert outcome.moved == scenarios.evaluate(county, plain).moved > 0
    by_name = county.scenario().close(county.schools.set_index("school_id").loc["AQ016", "name_zh"])
    assert by_name.scenario.operations == plain.operations
    assert county.scenario().scenario.is_empty
    chart, before = outcome.map(), outcome.map(before=True)
    assert "close" in [chart.legend[c]["key"] for c in chart._classes]
    assert before._links == b"" != chart._links


def test_a_scenario_on_estimated_attendance_says_so_on_its_map(county: Any) -> None:
    from dataclasses import replace

    lacking = replace(county, synthetic=False).with_tables(attendance=county.tables["attendance"].iloc[:0])
    outcome = lacking.scenario("撤").close("AQ016").evaluate()
    for before in (False, True):
        chart = outcome.map(before=before)
        assert chart.synthetic and chart._text["synthetic"] == lacking.map()._text["synthetic"] == "含估算数据"


def test_scenarios_are_compared_with_today(county: Any) -> None:
    pair = bl.compare(county.scenario("a").close("AQ016"), county.scenario("a").to_point("AQ016"))
    assert list(pair.table.index) == ["现状", "a", "a (2)"]
    assert pair.table.loc["现状", ["moved", "far"]].tolist() == [
        0.0,
        pair.outcomes["现状"].coverage.query("when == 'after'")["far"].sum(),
    ]
    assert pair.table.loc["a", "closed"] == 1 and pair.table.loc["a", "moved"] == pair.outcomes["a"].moved
    with pytest.raises(ValueError, match="different"):
        bl.compare(county.scenario("a"), bl.open("wuxi").scenario("b"))
    assert list(bl.compare([pair.outcomes["a"]]).table.index) == ["现状", "a"]
    with pytest.raises(ValueError, match="no scenario"):
        bl.compare()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_figure_leaves_a_picture(results: dict[str, Any], lang: str) -> None:
    history, found = results["history"], results["evaluation"]
    town = history.schools["township"].mode()[0]
    figures = [
        found.plot_gaps(lang=lang), found.plot_coefficients(lang=lang), history.plot("A2-10.2", lang=lang),
        history.plot("A2-10.2", to=2026, lang=lang), results["outcome"].plot(lang=lang),
        results["comparison"].plot(lang=lang), results["coverage"].plot(lang=lang), results["forecast"].plot(lang=lang),
        results["forecast"].plot(school="AQ001", lang=lang), results["remedy"].plot(lang=lang),
        history.plot(next(iter(history.standard.indicators)), by="township", lang=lang),
        history.plot(next(iter(history.standard.indicators)), township=town, lang=lang),
    ]  # fmt: skip
    for figure in figures:
        data = figure._repr_mimebundle_()
        assert set(data) == {"application/vnd.plotly.v1+json", "image/svg+xml"}
        assert data["application/vnd.plotly.v1+json"]["config"]["responsive"] is False  # else flat in JupyterLab
        assert 2_000 < len(data["image/svg+xml"]) < 200_000
        assert (
            float(re.findall(r'width="([^"]+)"', data["image/svg+xml"])[0]) < 880
        )  # pixels: a page of HTML cuts the rest
        assert len(repr(figure)) < 400
    gaps = figures[0]
    assert all(bar < 100 for bar in gaps.data[0].x)
    assert all(x > 100 for x in gaps.data[1].x)  # words stand beyond the line, which would run through them
    assert f"{found.with_status('not_met')[0].item.code} " in str(gaps.data[0].customdata)
    hatched = [bar.marker.pattern for figure in figures for bar in figure.data if bar.type == "bar"]
    assert all(look.fillmode == "overlay" for look in hatched if look.shape)  # else white lines on white
    words = [word for figure in figures for trace in figure.data if trace.text is not None for word in trace.text]
    pictures = "".join(figure.picture() for figure in figures)
    assert [word for word in words if word and re.fullmatch(r"[-\d.,]+", word) and f">{word}<" not in pictures] == []
    drawn = figures[-1].picture()
    assert drawn.count("font-family") == 1 and "rotate(-0" not in drawn  # the fonts of whoever reads it, once


def test_a_cell_counts_as_its_sentence_does(results: dict[str, Any]) -> None:
    """Warnings are no broken rules; whoever moves to another school is one person; a target has no price."""
    outcome, plan = results["outcome"], results["remedy"]
    assert f"有{len(outcome.against_rules)}处不合规定" in outcome.sentence("zh")
    shown = re.search(r"新破的规定\s*<b>(\d+)", outcome._repr_html_())
    assert shown is not None and int(shown[1]) == len(outcome.against_rules) < len(outcome.broken())
    lines = plan.lines.replace({"school_id": {"": None}})
    table = import_module("balance_lib.show.desk.cells")._actions(plan, "zh").set_axis(list("auso"), axis=1)
    assert table["o"].sum() == pytest.approx(plan.cost_yuan)
    assert table["o"].isna().sum() == lines.groupby("action")["cost_yuan"].apply(lambda cost: cost.isna().all()).sum()
    assert sorted(table["s"]) == sorted(lines.groupby("action")["school_id"].nunique())
    assert (table["u"].fillna(1) > 0).all()


def test_gaps_of_a_townships_schools_are_drawn_from_their_rows(results: dict[str, Any]) -> None:
    from balance_lib.show import plots

    rows = results["history"].schools
    rows = rows[(rows["stage"] == "primary") & (rows["indicator"] == rows["indicator"].iloc[0])]
    town = rows[rows["township"] == rows["township"].mode()[0]]
    figure = plots.gap_over_time(town)
    assert len(figure.data) == 1 + town["school_id"].nunique()
    one = plots.gap_over_time(town[town["school_id"] == town["school_id"].iloc[0]])
    assert len(one.data) == 2


def test_pages_open_in_a_cell_on_the_county_at_hand(county: Any) -> None:
    from balance_lib.show.widgets import apps

    page = county.explore()
    assert type(page) is apps.Access and page.model.county is county
    trial = county.trial(lang="en")
    assert type(trial) is apps.Consolidation and trial.model.lang == "en"
    assert not [each.value for each in (page.problem, trial.problem) if each.value]
