"""Villages made of a raster or public map, and attendance nobody recorded, are told on every page, paper and result."""

from __future__ import annotations

import html
import io
import json
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from balance_lib import cli, evaluation, scenarios, standards
from balance_lib.data.county import County
from balance_lib.locale import LANGUAGES, banners, text
from balance_lib.office import reports, workplan
from balance_lib.show.widgets import apps
from balance_lib.show.widgets.library import Library

PAGES = ("Index", "Overview", "Gaps", "Balance", "Access", "Consolidation", "Workplan", "Data")
YEAR = 2022
MARKS = {"synthetic": False, "estimated": ["villages", "attendance"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, demo_dir: Path) -> Path:
    """Return a county as an import leaves it that had no list of villages and no attendance."""
    found = County.open(demo_dir / "akqi")
    bare = found.with_tables(attendance=found.tables["attendance"].iloc[:0])
    meta = {**found.meta, "imports": [{"sources": ["people.tif"], "year": YEAR, "estimated": True}]}
    return replace(bare, synthetic=False, meta=meta, path=None).save(tmp_path_factory.mktemp("root") / "akqi")


@pytest.fixture(scope="module")
def county(folder: Path) -> County:
    return County.open(folder)


def words(content: bytes) -> str:
    """Return every word of a paper: a document, a workbook or plain text."""
    if not content.startswith(b"PK"):
        return content.decode("utf-8", "ignore")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
    return html.unescape("".join(words(p) if p.startswith(b"PK") else p.decode("utf-8", "ignore") for p in parts))


def test_a_county_knows_what_of_it_is_estimated(county: County, demo_dir: Path) -> None:
    assert county.marks == MARKS
    assert County.open(demo_dir / "akqi").marks == {"synthetic": True, "estimated": []}
    gone = county.with_tables(villages=county.tables["villages"].iloc[:0])
    assert gone.marks["estimated"] == []  # nothing is reckoned from villages that are not there
    own = replace(county, meta={**county.meta, "imports": [{"sources": ["villages.csv"]}]})
    assert own.marks["estimated"] == ["attendance"]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_so(folder: Path, name: str) -> None:
    for lang in LANGUAGES:
        kind = getattr(apps, name)
        page = kind(kind.shows(Library((folder.parent,)), {"lang": lang, "year": str(YEAR)}))
        read = html.unescape(page.note.value)  # however the template escapes an apostrophe
        assert all(sentence in read for sentence in banners(MARKS, lang)), read
        assert text("banner.synthetic", lang) not in read
        assert page.problem.value == ""  # it says so on a page that shows something


def test_no_page_is_left_out() -> None:
    from balance_lib.show.widgets.apps.page import Page

    known = {each.__name__ for each in _heirs(Page)}
    assert known <= {*PAGES, "Province", "TrialHost"}, known  # the host is part of the page Consolidation


def _heirs(kind: Any) -> set[Any]:
    return {heir for each in kind.__subclasses__() for heir in ({each} | _heirs(each)) if heir.__name__[0] != "_"}


def test_every_paper_says_so(county: County) -> None:
    found = evaluation.evaluate(county, standards.load("akqi_2022"), year=YEAR)
    outcome = scenarios.evaluate(county, scenarios.Scenario.empty("akqi", YEAR), standard="akqi_2022")
    register = workplan.register_of(county, found.standard, date(2023, 9, 1), found=found)
    source = reports.ReportSource(county, found, outcome=outcome, register=register, made_on=date(2023, 9, 1))
    national = evaluation.evaluate(county, standards.load("quality_2017"), year=YEAR)
    made = {}
    for given in (source, replace(source, evaluation=national)):
        made |= {key: words(reports.make(key, given).content) for key in reports.keys(given)}
    assert {"brief", "self_report", "forms", "school_tables", "problems", "matrix", "argument"} <= set(made)
    for key, paper in made.items():
        assert "居民点为估算" in paper and "就学去向为估算" in paper, key
        assert "演示数据" not in paper, key


COMMANDS = (
    ["evaluate", "--standard", "akqi_2022", "--year", str(YEAR)],
    ["access", "--stage", "primary", "--mode", "straight"],
    ["project", "--to", "2026"],
    ["plan", "--standard", "akqi_2022", "--on", "2023-09-01"],
    ["optimise", "--stage", "primary", "--year", str(YEAR)],
    ["remedy", "--standard", "akqi_2022", "--year", str(YEAR)],
    ["scenario", "empty.yaml", "--standard", "akqi_2022"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_every_command_and_its_json_say_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("BALANCE_STORE", f"sqlite:///{tmp_path / 'store.db'}")
    (tmp_path / "empty.yaml").write_text(
        f"scenario: 空\ncounty: akqi\nyear: {YEAR}\noperations: []\n", encoding="utf-8"
    )
    given = [str(tmp_path / part) if part.endswith(".yaml") else part for part in command[1:]]
    plain = CliRunner().invoke(cli.app, [command[0], str(folder), *given])
    assert plain.exit_code == 0, plain.output
    assert all(sentence in plain.output for sentence in banners(MARKS, "zh")), plain.output[:800]
    told = json.loads(CliRunner().invoke(cli.app, [command[0], str(folder), *given, "--json"]).stdout)
    assert told.get("estimated", told.get("provenance", {}).get("estimated")) == MARKS["estimated"]
