"""Pages without a browser: their state, their HTML, and what their buttons write."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from balance_lib.data.county import County
from balance_lib.show.widgets import apps, views
from balance_lib.show.widgets.apps.overview import _since
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.names import school_names
from tests import towns

PAGES = ("Index", "Overview", "Gaps", "Balance", "Data")


def toy(name: str = "<甲&乙>县") -> County:
    schools = [towns.school("a", name_zh="<b>坏</b>小学"), towns.school("b"), towns.school("j", "junior")]
    years = [
        *(towns.school_year("a", year=y, teachers_backbone=n) for y, n in ((2019, 0), (2020, 0.5))),
        *(towns.school_year("b", year=y) for y in (2019, 2020)),
        *(towns.school_year("j", "junior", year=y, books=9000) for y in (2019, 2020)),
    ]
    made = towns.county(schools, years)
    return County("toy", name, "Toy", made.tables, synthetic=True, meta={"plan": "quality_2017"})


@pytest.fixture
def library(tmp_path: Path) -> Library:
    toy().save(tmp_path / "ships" / "toy")
    return Library((tmp_path / "own", tmp_path / "ships"))


def test_address_chooses_what_is_shown(library) -> None:
    model = PageModel(library, {"county": "toy", "year": "2019", "standard": "basic_2012", "lang": "en"})
    assert (model.county_id, model.year, model.standard_id, model.lang) == ("toy", 2019, "basic_2012", "en")
    assert model.query() == "county=toy&year=2019&standard=basic_2012&lang=en"


@pytest.mark.parametrize("query", [{}, {"county": "../../etc", "year": "1999", "standard": "x", "lang": "xx"}])
def test_nonsense_in_the_address_falls_back(library, query) -> None:
    model = PageModel(library, query)
    assert (model.county_id, model.year, model.standard_id, model.lang) == ("toy", 2020, "quality_2017", "zh")


def test_no_county_at_all_is_said(tmp_path) -> None:
    for name in PAGES:
        page = getattr(apps, name)(PageModel(Library((tmp_path,))))
        assert "还没有县的数据" in page.problem.value


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_pages_stand_and_follow_the_choice(library, name, lang) -> None:
    page = getattr(apps, name)(PageModel(library, {"lang": lang}))
    assert page.problem.value == ""
    assert views.text("banner.synthetic", lang) in page.note.value
    page.year.value = 2019
    page.standard.value = "basic_2012"
    assert page.problem.value == ""
    assert (page.model.year, page.model.standard_id) == (2019, "basic_2012")


def test_names_from_data_are_escaped(library) -> None:
    page = apps.Overview(PageModel(library))
    shown = page.verdict.value + page.ranking.value + page.steps.value
    assert "<b>坏</b>" not in shown and "&lt;b&gt;坏&lt;/b&gt;" in shown
    assert "&lt;甲&amp;乙&gt;县" in page.verdict.value


def test_tags_stand_in_templates(root: Path) -> None:
    """What is written by a template is escaped by it; a tag in Python would be put together by hand."""
    folder, written = root / "balance_lib" / "show" / "widgets", []
    for path in sorted({*folder.rglob("*.py")} - {folder / "style.py"}):
        tree = ast.parse(path.read_text("utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
            if is_text and re.search(r"</?[a-z]+[ >]", node.value):
                written.append(f"{path.name}:{node.lineno} {node.value[:40]}")
    assert written == []


def test_overview_names_the_school_that_falls_short(library) -> None:
    page = apps.Overview(PageModel(library))
    assert "县级以上骨干教师数" in page.ranking.value
    assert page.chart is not None
    assert "download=" in page.export.value


def test_gap_runs_since_the_first_year_in_a_row(library) -> None:
    model = PageModel(library)
    assert _since(model.history_of("L2-primary"), "L2-primary", 2020) == 2019
    assert _since(model.history_of("L1-primary"), "L1-primary", 2020) is None


@pytest.fixture
def bare(tmp_path: Path) -> Library:
    """Return a county of which nothing is known but its schools: every figure, the rolls too, is blank."""
    made = toy("无数县")
    years = made.tables["school_years"]
    known = ["school_id", "year", "stage"]
    blank = years.assign(**{name: None for name in years.columns if name not in known})
    made.with_tables(school_years=blank).save(tmp_path / "bare")
    return Library((tmp_path,))


@pytest.mark.parametrize("standard", ["quality_2017", "basic_2012", "huixian_2024"])
def test_nothing_known_is_not_told_as_nought(bare: Library, standard: str) -> None:
    start = apps.Index(PageModel(bare, {"standard": standard}))
    for page in ("overview", "gaps", "balance", "access", "consolidation"):
        card = start.cards.value.split(f'href="{page}.ipynb')[1].split("</a>")[0]
        assert '<p class="bl-figure">–</p>' in card, page
        assert "尚无结果" in card or "没有逐校判定" in card, page
    overview = apps.Overview(PageModel(bare, {"standard": standard}))
    assert not re.search(r">0 / \d+<", overview.cards.value)
    assert 'data-status="met"' not in overview.cards.value + overview.ranking.value
    assert "没有未达标的学校。" not in overview.ranking.value


def test_no_page_takes_the_unknown_for_met(bare: Library) -> None:
    gaps = apps.Gaps(PageModel(bare))
    assert (
        "0项达标" in gaps.sentence.value and "缺数据" in gaps.sentence.value and "全部达标" not in gaps.sentence.value
    )
    assert "0 / " not in gaps.needs.value
    balance = apps.Balance(PageModel(bare))
    assert balance.problem.value == "" and "都缺数据" in balance.verdict.value
    assert "不能测算" in balance.answer.value


def test_coefficients_are_told_in_one_sentence_first(library: Library) -> None:
    page = apps.Balance(PageModel(library))
    # a and b, 100 pupils each: 0.5 and 2 backbone teachers per 100: mean 1.25, deviation 0.75
    assert "14项差异系数中1项超过限值。最大的是小学每百名学生拥有县级以上骨干教师数：0.600。" in page.verdict.value
    page.standard.value = "jiaohe_2009"
    assert "没有规定差异系数的限值" in page.verdict.value


def test_a_county_leaves_its_own_name_out_only_where_all_schools_bear_it() -> None:
    both = [towns.school("a", name_zh="甲县第一小学", name_en="First"), towns.school("b", name_zh="甲县初级中学")]
    tables = towns.county(both, [towns.school_year(i) for i in "ab"]).tables
    assert school_names(County("x", "甲县", "X", tables)) == {"a": "第一小学", "b": "初级中学"}
    assert school_names(County("x", "乙县", "X", tables)) == {"a": "甲县第一小学", "b": "甲县初级中学"}
    assert school_names(County("x", "甲县", "X", tables), "en")["a"] == "First"


def test_slider_of_the_balance_page_moves_the_coefficient(library) -> None:
    page = apps.Balance(PageModel(library))
    page.indicator.value = "backbone_teachers"
    page.school.value = "a"
    assert "拖动滑块" in page.answer.value  # nought added changes nothing: the page asks
    page.more.value = 2
    # a: 0.5 + 2 = 2.5 per 100, b: 2 per 100, 100 pupils each: mean 2.25, deviation 0.25
    assert f"{0.25 / 2.25:.3f}" in page.answer.value


def test_evidence_that_is_waited_for_is_offered_first(library: Library) -> None:
    page = apps.Data(PageModel(library))
    assert page.model.evaluation.item(page.item.value).status == "evidence"
    assert page.return_year.value == page.model.year == 2020


def test_recording_evidence_copies_what_ships_and_settles_the_item(library, tmp_path) -> None:
    page = apps.Data(PageModel(library))
    page.who.value = "督导室"
    page.item.value = "G1"
    page.record.click()
    assert "佐证材料名称" in page.recorded.value  # nothing is recorded without a document
    page.document.value, page.unit.value = "布局规划批复", "县教育局"
    page.record.click()
    assert page.model.evaluation.item("G1").status == "met"
    assert County.open(tmp_path / "ships" / "toy").tables["evidence"].empty
    own = County.open(tmp_path / "own" / "toy").tables["evidence"]
    assert own[["item_id", "document", "year"]].to_numpy().tolist() == [["G1", "布局规划批复", 2020.0]]
    page.item.value, page.finding.value, page.document.value = "G1", "not_met", "复查意见"
    page.record.click()
    assert "更新" in page.recorded.value
    assert page.model.evaluation.item("G1").status == "not_met"
    assert len(County.open(tmp_path / "own" / "toy").tables["evidence"]) == 1


def upload(page: apps.Data, name: str, content: bytes) -> None:
    page.files.value = (
        {
            "name": name,
            "type": "",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime(2024, 1, 1, tzinfo=UTC),
        },
    )


def test_upload_is_looked_at_first_and_written_on_the_second_button(library, tmp_path) -> None:
    page = apps.Data(PageModel(library))
    upload(page, "list.csv", "学校代码,学校名称,学校类型,在校学生人数\n1,甲小学,小学,45\n".encode("gbk"))
    page.target.value, page.return_year.value = "newcounty", 2023
    page.who.value = "统计岗"
    page.look.click()
    assert page.save.disabled is False, page.told.value + page.problem.value
    assert not (tmp_path / "own" / "newcounty").exists()
    page.save.click()
    assert County.open(tmp_path / "own" / "newcounty").years == [2023]
    assert page.model.county_id == "newcounty"


def test_the_page_takes_roads_and_rasters_like_the_command(library, tmp_path) -> None:
    rasterio = pytest.importorskip("rasterio")
    with rasterio.MemoryFile() as file:
        shape = {"driver": "GTiff", "height": 4, "width": 4, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
        with file.open(**shape, transform=rasterio.transform.from_origin(106.1, 33.2, 0.01, 0.01)) as out:
            out.write(np.full((1, 4, 4), 5, "float32"))
        people = file.read()
    page = apps.Data(PageModel(library))
    place = {"type": "", "last_modified": datetime(2024, 1, 1, tzinfo=UTC)}
    text = "学校代码,学校名称,学校类型,在校学生人数,经度,纬度\n1,甲小学,小学,45,106.12,33.18\n".encode()
    page.files.value = tuple(
        {"name": name, "content": memoryview(content), "size": len(content), **place}
        for name, content in (("list.csv", text), ("people.tif", people))
    )
    assert {".tif", ".osm", ".pbf", ".hgt"} <= set(page.files.accept.split(","))
    page.target.value, page.return_year.value, page.crs.value, page.who.value = "raster", 2023, "WGS84", "统计岗"
    page.look.click()
    page.save.click()
    made = County.open(tmp_path / "own" / "raster")
    assert made.tables["village_years"]["age_6_11"].sum() == 45 and made.marks["estimated"] == [
        "villages",
        "attendance",
    ]


def test_faulty_upload_cannot_be_saved(library, tmp_path) -> None:
    page = apps.Data(PageModel(library))
    upload(page, "list.csv", "学校代码,学校名称,学校类型,在校学生人数\n1,甲小学,小学,many\n".encode())
    page.target.value = "newcounty"
    page.look.click()
    assert page.save.disabled is True
    assert "many" in page.told.value
    assert not (tmp_path / "own").exists()
    page.target.value = "../evil"
    page.look.click()
    assert "英文字母" in page.told.value


def test_exports_carry_what_they_rest_on(library) -> None:
    model = PageModel(library)
    items = views._items_csv(model.evaluation, "zh").decode("utf-8-sig")
    assert model.county.hash in items and "quality_2017" in items and "True" in items  # synthetic
    problems = views._problems_csv(model.evaluation, model.county, "zh").decode("utf-8-sig")
    assert problems.splitlines()[0].startswith("学校代码,学校")
    assert "L2-primary" in problems


def test_dashboards_open_their_page(root) -> None:
    for name in PAGES:
        cells = json.loads((root / "dashboards" / f"{name.lower()}.ipynb").read_text("utf-8"))["cells"]
        assert "".join(cells[-1]["source"]) == f"apps.{name}()"
