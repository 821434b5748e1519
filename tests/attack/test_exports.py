"""Nothing that leaves a page runs where it is opened: no cell of a CSV is a formula, no label of a figure a link."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ipywidgets import Widget

from balance_lib.show.widgets import apps
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.library import Library
from tests import scenario_towns
from tests.serving import TOP

FORMULA, LINK = '=HYPERLINK("http://evil")', "<a href='http://evil'>x</a><img src=x>"
PAGES = [name for name in apps.__all__ if isinstance(getattr(apps, name), type) and name not in ("Page", "Province")]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    county = scenario_towns.county()
    schools, villages = county.tables["schools"], county.tables["villages"]
    hostile = [FORMULA, LINK, "@SUM(1)", "+1", "-2+3"]
    schools = schools.assign(name_zh=[f"{hostile[n % 5]}{n}" for n in range(len(schools))], township=FORMULA)
    villages = villages.assign(name_zh=[f"{hostile[n % 5]}{n}" for n in range(len(villages))], township=FORMULA)
    made = replace(
        county.with_tables(schools=schools, villages=villages), name_zh=FORMULA, meta={"plan": "quality_2017"}
    )
    made.save(tmp_path / "counties" / "toy")
    return Library((tmp_path / "counties",))


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_no_export_holds_a_formula_and_no_figure_a_link(library: Library, name: str, lang: str) -> None:
    kind = getattr(apps, name)
    Widget.close_all()
    page = kind(kind.shows(library, {"lang": lang}))
    if name == "Workplan":
        page._make_exports()
    if name == "Consolidation":
        page.files.tables.ask.click()
        assert "data:text/csv" in page.files.tables.link.value
    texts = [w.value for w in walk(page) if isinstance(getattr(w, "value", None), str)]
    for content in re.findall(r"data:text/csv;base64,([\w+/=]+)", "".join(texts)):
        rows = list(csv.reader(io.StringIO(base64.b64decode(content).decode("utf-8-sig"))))
        # In the page's language; what a county's workbook is imported by again keeps its own names.
        assert lang == "en" or not [head for head in rows[0] if re.fullmatch("[a-z_0-9]+", head)], rows[0]
        for cell in (cell for row in rows for cell in row):
            assert not re.match(r"\s*[=@+\-]", cell) or re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell), cell
            place = re.fullmatch(r"\d{2,3}\.\d{6}", cell)
            assert place or not re.search(r"\d\.\d{5,}", cell), cell  # rounded
    for figure in (w for w in walk(page) if isinstance(w, SlimFigure)):
        assert "<a" not in json.dumps(figure.to_plotly_json(), default=str, ensure_ascii=False)
    assert "<a href='http://evil'" not in "".join(texts) and "<img src=x" not in "".join(texts)


def walk(widget: Widget) -> list[Widget]:
    return [widget, *(w for child in getattr(widget, "children", ()) for w in walk(child))]


def test_there_is_one_writer_of_csv() -> None:
    kept = {"plain.py", "data/tables/__init__.py"}  # the writer, and the tables of a county folder
    for file in sorted((TOP / "balance_lib").rglob("*.py")):
        if str(file.relative_to(TOP / "balance_lib")) not in kept:
            lines = [line for line in file.read_text("utf-8").splitlines() if "hashlib.sha256(" not in line]  # a digest
            assert not re.search(r"\.to_csv\(index|csv\.(Dict)?[wW]riter|DictWriter", "\n".join(lines)), file
