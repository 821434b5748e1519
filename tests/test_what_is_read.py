"""Everything a person reads of the demonstration counties, word by word, as recorded in ``__snapshots__``.

The other tests say what must hold; this one shows each change of a sentence, an order or a count to whoever reviews
it. After a change that is meant: ``pytest tests/test_what_is_read.py -n 0 --snapshot-update``, then read the diff.
What changes with the day, the data's digest or the version is left out.
"""

from __future__ import annotations

import html
import io
import re
from datetime import date
from pathlib import Path

import docx
import openpyxl
import pytest
from syrupy.assertion import SnapshotAssertion

from balance_lib import evaluation, scenarios, standards
from balance_lib.cli import render
from balance_lib.data.county import County
from balance_lib.office import reports, workplan
from balance_lib.office.reports import findings
from balance_lib.office.store import store_of
from balance_lib.show.widgets import card_views, register_views, views
from balance_lib.show.widgets import first_screen as first
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.outlook import Outlook
from balance_lib.show.widgets.running import RunModel

pytestmark = pytest.mark.usefixtures("undrawn")
COUNTIES = ("akqi", "chuzhou", "huixian", "jiaohe", "wuxi")
MOST = 30
DAY = date(2024, 3, 1)
PASSING = re.compile(r"\b(?=\d*[a-f])[0-9a-f]{12,64}\b|balance_lib [\d.]+\w*")


def steady(words: str) -> str:
    return PASSING.sub("#", words)


def page(markup: str) -> str:
    """Return the words of a piece of a page, a line for each block, and where its links lead."""
    shown = re.sub(r'<a [^>]*href="([^"]*)"[^>]*>', r"[\1] ", str(markup))
    shown = re.sub(r'<[^>]*data-status="(\w+)"[^>]*>', r" (\1) ", shown)
    shown = re.sub(r"</(tr|p|li|div|h\d|summary|details)>", "\n", shown)
    words = html.unescape(re.sub(r"<[^>]+>", " ", shown))
    lines = (" ".join(line.split()) for line in words.splitlines())
    return steady("\n".join(line for line in lines if line))


def paper(content: bytes, most: int = 10_000) -> str:
    """Return the words of a DOCX or an XLSX in the order they are read; of a long sheet its first rows."""
    if content[:2] == b"PK" and b"word/document.xml" in content:
        document = docx.Document(io.BytesIO(content))
        lines = []
        for block in document.iter_inner_content():
            rows = getattr(block, "rows", None)
            if rows is None:
                lines.append(block.text)
            else:
                lines += [" | ".join({cell._tc: cell.text for cell in row.cells}.values()) for row in rows]
        return steady("\n".join(line for line in lines if line.strip()))
    book = openpyxl.load_workbook(io.BytesIO(content))
    lines = []
    for sheet in book.worksheets:
        lines.append(f"== {sheet.title}, {sheet.max_row} rows")
        for row in sheet.iter_rows(values_only=True, max_row=most):
            if any(cell is not None for cell in row):
                lines.append(" | ".join("" if cell is None else str(cell) for cell in row).rstrip(" |"))
    return steady("\n".join(lines))


@pytest.fixture(scope="module")
def library(demo_dir: Path) -> Library:
    return Library((demo_dir,))


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pages and papers show the demonstration's own office."""
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path_factory.getbasetemp() / "office"))
    monkeypatch.delenv("BALANCE_DEMO_STORE", raising=False)
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)


@pytest.mark.parametrize(("county", "standard", "lang"), [
    *((county, None, "zh") for county in COUNTIES), ("akqi", None, "en"), ("akqi", "quality_2017", "zh"),
    ("wuxi", "basic_2012", "zh"), ("wuxi", "quality_2017", "en"),
])  # fmt: skip
def test_the_overview(
    library: Library, snapshot: SnapshotAssertion, county: str, standard: str | None, lang: str
) -> None:
    model = PageModel(library, {"county": county, "lang": lang} | ({"standard": standard} if standard else {}))
    outlook = Outlook(model)
    screen = first._first_screen(model, outlook)
    shown = [page(screen.html(lang)), "== steps"]
    shown += [" | ".join(map(str, vars(step).values())) for step in screen.steps]
    classes, notes, label = first.colours(model)
    shown += ["== decision", *first._decision(model, outlook), "== map", label]
    shown += [f"{school} {classes[school]} {notes.get(school, '')}" for school in sorted(classes)[:MOST]]
    shown += ["== cards", page(card_views._cards(model.evaluation, None, lang))]
    assert "\n".join(shown) == snapshot


@pytest.mark.parametrize("county", ["akqi", "wuxi"])
def test_tables_of_the_gaps_page(library: Library, snapshot: SnapshotAssertion, county: str) -> None:
    model = PageModel(library, {"county": county})
    assert page(views.needs(model.evaluation, "zh")) == snapshot(name="needs")
    assert page(views._matrix(model.evaluation, model.county, "zh", "primary", only_short=True)) == snapshot(
        name="matrix"
    )
    assert render.evaluation(model.evaluation, "zh") == snapshot(name="command")


@pytest.mark.parametrize(("county", "standard", "lang"), [
    ("akqi", "akqi_2022", "zh"), ("akqi", "quality_2017", "en"),
])  # fmt: skip
def test_every_paper(
    demo_dir: Path, office: None, snapshot: SnapshotAssertion, county: str, standard: str, lang: str
) -> None:
    opened, chosen = County.open(demo_dir / county), standards.load(standard)
    found = evaluation.evaluate(opened, chosen)
    store = store_of(opened)
    records = store.task_records(county, standard)
    source = reports.ReportSource(
        opened, found, lang=lang, made_on=DAY,
        register=workplan.register_of(opened, chosen, found.on, records=records, found=found),
        ledger=store.ledger(county, standard), history=store.history(county, standard),
        journals={name: store.journal(name, county, standard) for name in workplan.JOURNALS},
    )  # fmt: skip
    for key in (key for key in reports.keys(source) if key != "school_tables"):
        assert paper(reports.make(key, source).content, most=60) == snapshot(name=key)


@pytest.mark.parametrize("county", ["akqi", "jiaohe", "wuxi"])
def test_a_scenario(demo_dir: Path, snapshot: SnapshotAssertion, county: str) -> None:
    opened = County.open(demo_dir / county)
    file = sorted((demo_dir / county / "scenarios").glob("*.yaml"))[0]
    chosen = scenarios.Scenario.from_yaml(file)
    outcome = scenarios.evaluate(opened, chosen, standard=standards.load(str(opened.plan)))
    for lang in ("zh", "en"):
        assert outcome.sentence(lang) == snapshot(name=lang)
    tables = (outcome.moves, outcome.affected, outcome.schools, outcome.shares)
    told = "".join(outcome.spoken(table, "en").to_csv() for table in tables)
    told += outcome.sentence("en") + "".join(rule.sentence("en") for rule in outcome.breaks)
    assert re.findall("[\u4e00-\u9fff]+", told) == [], "every school, village and township has an English name"
    made = reports.make("argument", reports.ReportSource(opened, outcome.after, made_on=DAY, outcome=outcome))
    assert paper(made.content) == snapshot(name="argument")


def _row(row: object) -> str:
    """Return a row without the words that come straight from the standard."""
    if not isinstance(row, dict):
        return str(row)
    return " | ".join(str(value) for name, value in row.items() if name not in ("label_en", "quote", "notes", "source"))


@pytest.mark.parametrize(("county", "on"), [
    ("akqi", "2023-08-31"), ("chuzhou", "2012-08-15"), ("huixian", "2024-10-01"), ("jiaohe", "2011-02-01"),
    ("wuxi", "2016-12-15"),
])  # fmt: skip
def test_where_the_plan_stands(demo_dir: Path, snapshot: SnapshotAssertion, county: str, on: str) -> None:
    opened = County.open(demo_dir / county)
    chosen, day = standards.load(str(opened.plan)), date.fromisoformat(on)
    found = workplan.judged(opened, chosen, day)
    register = workplan.register_of(opened, chosen, day, found=found)
    told = register.as_dict("zh")
    shown = [f"{name}: {value}" for name, value in told.items() if not isinstance(value, list | dict)]
    for name, rows in told.items():
        if isinstance(rows, list):
            shown += [f"== {name}", *(_row(row) for row in rows)]
    assert steady("\n".join(shown)) == snapshot(name="register")
    if found is not None and county in ("akqi", "chuzhou"):
        for lang in ("zh", "en"):
            listed = workplan.problem_list(found, opened, lang=lang, on=day)
            assert listed.to_csv(index=False) == snapshot(name=f"problems-{lang}")


@pytest.mark.parametrize(("county", "on"), [("chuzhou", "2012-08-15"), ("wuxi", "2016-12-15")])
def test_tables_of_the_plan_s_page(
    library: Library, office: None, snapshot: SnapshotAssertion, county: str, on: str
) -> None:
    model = RunModel(library, {"county": county, "on": on})
    register = model.register
    shown = [
        register_views._sentence(register, "zh"), register_views._cards(register, model.ledger(), "zh"),
        register_views._stage_table(register, "zh"), register_views._inspection_table(register, "zh"),
        register_views._unit_table(register.units, "zh"), register_views._task_table(register.tasks, "zh", 40),
    ]  # fmt: skip
    assert page("\n".join(shown)) == snapshot


def test_the_measures_of_chuzhou_and_the_sentences_of_wuxi(demo_dir: Path) -> None:
    """What was read aloud and mended: no bus brings a net café further away, no item is made of “at least 5 items”."""
    found = evaluation.evaluate(County.open(demo_dir / "chuzhou"), "chuzhou_2011")
    measures = workplan.problem_list(found, County.open(demo_dir / "chuzhou")).set_index("code")["measure"]
    assert measures["C7-5"] == "会同有关部门依法取缔或搬迁校园200米以内的歌舞厅、电子游戏室、网吧"
    assert measures["C7-4.1"] == "清除现有的2处堆放杂物"
    wuxi = evaluation.evaluate(County.open(demo_dir / "wuxi"), "wuxi_2016")
    said = {code: findings._sentence(wuxi.item(code)) for code in ("W-G1", "W-C8")}
    assert "要求5项全部达标，现状为5项中3项达标（佐证认定达标），差2项" in said["W-G1"]
    assert said["W-C8"].endswith("按数据未达标，不能认定达标。")
    assert findings._requirement(wuxi.item("W-F7")) == "不低于100%"
    assert findings._requirement(wuxi.item("W-T9")) == "差异系数不超过0.55"
