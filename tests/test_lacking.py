"""A county without places, without attendance, or from official forms alone: each page says what to add and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from balance_lib.data.intake.bring import bring_in
from balance_lib.locale import text
from balance_lib.show.widgets import apps
from balance_lib.show.widgets.apps.page import Page
from balance_lib.show.widgets.lacking import _lacks
from balance_lib.show.widgets.library import Library

GROUND = ("*.tif", "*.geojson", "edges.csv", "nodes.csv", "scenarios", "forms")
HOMES = ("villages.csv", "village_years.csv", "attendance.csv")
PAGES = ("Index", "Overview", "Gaps", "Balance", "Access", "Consolidation", "Data", "Workplan")


def folder(source: Path, into: Path, *, without: tuple[str, ...], placed: int) -> Path:
    """Copy a county without some of its files, with coordinates of so many schools."""
    made = into / "odd"
    shutil.copytree(source, made, ignore=shutil.ignore_patterns(*without))
    table = pd.read_csv(made / "schools.csv", dtype=str)
    table.loc[placed:, ["lon", "lat"]] = None
    table.to_csv(made / "schools.csv", index=False)
    return made


def page(name: str, root: Path, county: str = "odd") -> Page:
    kind = getattr(apps, name)
    return kind(kind.shows(Library([root]), {"county": county}))


@pytest.fixture(params=["nowhere", "one place", "no homes", "forms"], scope="module")
def county(request: pytest.FixtureRequest, demo_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("odd")
    if request.param == "forms":
        found = bring_in(sorted((demo_dir / "akqi" / "forms").glob("*.xlsx")), into / "odd", name="某县", year=2023)
        assert found.written
        return into / "odd"
    without, placed = {"nowhere": (GROUND + HOMES, 0), "one place": (GROUND + HOMES, 1), "no homes": (HOMES, 99)}[
        request.param
    ]
    return folder(demo_dir / "akqi", into, without=without, placed=placed)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_and_says_what_to_add(county: Path, name: str) -> None:
    shown = page(name, county.parent)
    assert shown.problem.value == ""
    found = _lacks(shown.model.county, shown.model.year)
    if name == "Consolidation" and "schools" not in found:  # pupils are counted at their schools
        assert shown.lacking.value == shown.body.layout.display == ""
        assert text("scenarios.basis_warning.schools") in shown.verdict.value
    elif name == "Consolidation":
        assert shown.body.layout.display == "none"  # nor does anybody know where schools lie
        for words in ("村（居）", "就学去向", "空白表格", "导入报表", "照常使用", "data.ipynb?"):
            assert words in shown.lacking.value
    elif name == "Overview":
        assert bool(shown.lacking.value) == ("schools" in found)
        assert (shown.chart in shown.place.children) == (not shown.chart.empty)
        assert shown.lacking in shown.place.children
    elif name == "Access":
        assert "没有" in shown.lacking.value and "csv" not in shown.lacking.value
        assert ("所学校都没有坐标" in shown.lacking.value) == ("schools" in found)
    else:
        assert shown.lacking.value == ""
        assert shown.body.layout.display == ""


def test_nothing_lacks_where_everything_is_known(demo_dir: Path) -> None:
    for name in ("Overview", "Access"):
        assert page(name, demo_dir, "akqi").lacking.value == ""
