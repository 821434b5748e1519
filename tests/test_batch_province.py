"""A made-up province is the same every time and holds against the checks; its page tells what its dataset says."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from balance_lib.batch import Options, ProvinceDataset, run
from balance_lib.data import check
from balance_lib.data.county import County
from balance_lib.data.demo import province
from balance_lib.evaluation import evaluate
from balance_lib.shipped import shipped
from balance_lib.show.widgets import province_views
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.province_views import Standing
from tests import towns


def test_a_county_is_the_same_every_time_and_unlike_the_next() -> None:
    one, again, other = province.county(3, 9), province.county(3, 9), province.county(4, 9)
    assert one.files() == again.files() and one.files() != other.files()
    assert province.county(3, 9, seed=1).files() != one.files()
    assert one.synthetic and set(one.meta["synthetic_columns"]) >= {"schools", "school_years", "attendance", "edges"}


@pytest.mark.parametrize("at", [0, 6])
def test_a_county_has_no_fault_and_all_a_county_needs(at: int, tmp_path: Path) -> None:
    made = province.county(at, 9)
    _, faults = check.check_folder(made.save(tmp_path / made.county_id))
    assert [fault for fault in faults if fault.severity == "error"] == []
    schools = made.tables["schools"]
    assert province.FEWEST <= len(schools) <= province.MOST and len(made.years) == 6
    now = made.table("school_years", made.years[-1])
    rolls = now[now["stage"] != "shared"].groupby(["school_id", "stage"])["pupils"].sum()
    going = made.tables["attendance"].groupby(["school_id", "stage"])["pupils"].sum()
    pd.testing.assert_series_equal(rolls, going, check_names=False)
    sizes = now[[name for name in now if name.startswith("classes_")]].sum(axis=1)
    assert (sizes[now["stage"] != "shared"] == now["classes"][now["stage"] != "shared"]).all()
    assert set(rolls.index.get_level_values("school_id")) == set(schools["school_id"])


@pytest.mark.parametrize("standard", ["quality_2017", "basic_2012"])
def test_the_province_that_ships_is_what_is_found_today(standard: str) -> None:
    shown = (
        ProvinceDataset.open(shipped("data") / "province").table("verdicts").set_index(["county", "standard", "year"])
    )
    made = province.county(6, 30)
    today = evaluate(made, standard, year=2023)
    row = shown.loc[(made.county_id, standard, 2023)]
    assert row["verdict"] == today.verdict
    assert {name: row[name] for name in row.index if name in today.counts()} == today.counts()


def test_counties_share_their_sides() -> None:
    rings = [
        {tuple(point) for point in made.layers["outline.geojson"]["features"][0]["geometry"]["coordinates"][0]}
        for made in (province.county(0, 4), province.county(1, 4), province.county(2, 4))
    ]
    assert len(rings[0] & rings[1]) == 5 and len(rings[0] & rings[2]) == 5


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> ProvinceDataset:
    """Return a dataset of three towns: one passes the basic standard, one fails and is late, one lacks a figure."""
    root = tmp_path_factory.mktemp("counties")
    years = [2018, 2019, 2020]
    scores = {"甲县": [88.0, 88.0, 90.0], "乙县": [70.0, 70.5, 71.0], "丙县": [86.0, 86.0, float("nan")]}
    for name, score in scores.items():
        found = towns.county(
            [towns.school("A"), towns.school("B", lat=31.5), towns.school("C", lon=109.9)],
            [towns.school_year(school, year=year) for year in years for school in ("A", "B", "C")],
            county_years=[
                row for year, s in zip(years, score, strict=True) for row in towns.figures(year, satisfaction_pct=s)
            ],
            evidence=[
                {"standard": "basic_2012", "item_id": code, "year": 2020, "finding": "met", "document": "文"}
                for code in ("A1", "B1")
            ],
        )
        # A name that would break a page that did not escape it.
        County(name, f"{name}<b>", "", found.tables, synthetic=True).save(root / name)
    out = tmp_path_factory.mktemp("out") / "province"
    run(root, out, Options(standards=("basic_2012",), by="2022-12", access="straight"), workers=0)
    return ProvinceDataset.open(out)


def test_the_ranking_is_by_verdict_then_by_what_is_missing(shown: ProvinceDataset) -> None:
    found = Standing.of(shown, "basic_2012", 2020)
    verdicts = dict(zip(found.rows["county"], found.rows["verdict"], strict=True))
    assert verdicts["乙县"] == "fail" and list(found.rows["county"])[-1] == "乙县"
    assert list(found.late["county"]) == ["乙县"]
    ranking = province_views._ranking(found, "zh")
    assert "甲县&lt;b&gt;" in ranking and "<b>" not in ranking
    assert "满意度" in province_views.late(found, "zh")


def test_sentence_map_and_dates_agree(shown: ProvinceDataset) -> None:
    found = Standing.of(shown, "basic_2012", 2020)
    passed = int((found.rows["verdict"] == "pass").sum())
    assert f"{passed}个县通过" in province_views._sentence(found, "zh")
    assert "1 will miss their date" in province_views._sentence(found, "en")
    drawn = province_views._outline_map(found, "zh")
    assert drawn.count("<path ") == 3 and "甲县&lt;b&gt;" in drawn
    counts, late, words = province_views._dates(found, "zh")
    assert sum(counts.values()) + sum(late.values()) == 3 and set(counts) | set(late) <= set(words)
    text = province_views._ranking_csv(found, "zh").decode("utf-8-sig")
    assert text.count("\n") == 4 and text.splitlines()[0].startswith("县文件夹")


def test_coefficients_spread_over_the_counties(shown: ProvinceDataset) -> None:
    rows, limit = province_views.spread(Standing.of(shown, "basic_2012", 2020), "primary", "composite")
    assert rows["year"].tolist() == [2018, 2019, 2020] and rows["counties"].tolist() == [3, 3, 3]
    assert rows["middle"].tolist() == pytest.approx([0.0] * 3, abs=1e-12) and limit == 0.65  # all schools are alike


def test_the_page_shows_what_ships_and_says_how_to_make_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from balance_lib.show.widgets.apps.province import Province as Page
    from balance_lib.show.widgets.models import PageModel

    monkeypatch.delenv("BALANCE_PROVINCE", raising=False)
    page = Page(PageModel(Library((shipped("demo"),))))
    assert page.problem.value == "" and "30个县" in page.sentence.value and "虚构" in page.note.value
    for figure in (page.trend, page.dates):
        assert len(figure.data) >= 2
    page.standard.value = "basic_2012"
    assert "基本均衡" in page.sentence.value and page.problem.value == ""
    empty = Page(PageModel(Library((tmp_path,)), {"lang": "en"}))
    assert "balance batch" in empty.problem.value and empty.body.layout.display == "none"


def test_the_start_page_leads_to_the_province_where_there_is_one(
    shown: ProvinceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from balance_lib.show.widgets.apps.province import passed

    monkeypatch.setenv("BALANCE_PROVINCE", str(shown.path))
    verdicts = shown.sql("SELECT verdict FROM verdicts WHERE year = 2020")["verdict"]
    wanted = f"{(verdicts == 'pass').sum()} / 3"
    assert passed(Library((tmp_path,)), "basic_2012") == wanted == passed(Library((tmp_path,)), "quality_2017")
    monkeypatch.delenv("BALANCE_PROVINCE")
    assert passed(Library((tmp_path,)), "basic_2012") is None


def test_what_most_counties_lack_is_counted_without_those_that_lack_the_figure(shown: ProvinceDataset) -> None:
    found = province_views._weak(Standing.of(shown, "basic_2012", 2020), "zh")
    mine = next(part for part in found.split("<tr>") if "满意度" in part)
    assert re.findall(r'<td class="bl-number"[^>]*>(.*?)</td>', mine) == ["1", "2", "1"]
