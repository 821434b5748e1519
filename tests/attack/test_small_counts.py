"""Nobody who may only look learns a count of fewer than five people by a personal attribute, nor can work it out.

Two counties differ in such counts alone, and in what keeps every total as it is: whatever a viewer is given of one is
given of the other, letter by letter.
"""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from ipywidgets import Widget

from balance_lib import visitor
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.intake import workbook
from balance_lib.evaluation import evaluate, suppression
from balance_lib.office import reports
from balance_lib.scenarios import Scenario
from balance_lib.scenarios.operations import Close
from balance_lib.show.widgets import apps, brief
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.outlook import Outlook
from tests import scenario_towns, towns
from tests.attack.test_exports import PAGES, walk


def county(few: int) -> County:
    """Return a county in which one school has ``few`` migrants and pupils at home, and the county ``few`` placed."""
    rest = 20 - few
    made = scenario_towns.county(
        A={"migrant_pupils": rest, "home_taught_pupils": rest, "deaths_3y": 0},
        B={"migrant_pupils": few, "home_taught_pupils": few, "deaths_3y": few, "entrants_3y_ago": 0},
        J={"deaths_3y": few, "entrants_3y_ago": 40},
    )
    years, figures = [], [{"year": 2020, "item": "quality_2017/Q1", "value": 90 + few, "source": "测试"}]
    for year in (2018, 2019, 2020):
        years.append(made.tables["school_years"].assign(year=year))
        placed = {"migrant_eligible": 40, "migrant_public": 20 - few, "migrant_purchased": few}
        figures += towns.figures(year, **placed, disabled_children=4, disabled_enrolled=few, satisfaction_pct=90)
    made = made.with_tables(school_years=pd.concat(years), county_years=pd.DataFrame(figures))
    return replace(made, meta={"plan": "quality_2017"})


def contents(content: bytes) -> str:
    """Return what stands in a file: of a packed one, in each of its parts."""
    if not content.startswith(b"PK"):
        return content.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return "\n".join(contents(packed.read(n)) for n in packed.namelist() if not n.endswith(".png"))


def given(page: Widget) -> Iterator[tuple[str, str]]:
    """Yield every text and every file of a page."""
    for n, widget in enumerate(walk(page)):
        for name in ("value", "description", "options", "children_html", "board", "figure"):
            value = getattr(widget, name, None)
            if isinstance(value, (str, tuple, dict)) and not isinstance(widget, type):
                said = str(value)
                yield f"{n} {type(widget).__name__}.{name}", re.sub(r"base64,[\w+/=]+", "", said)
                for kind, file in re.findall(r"data:([^;]+);base64,([\w+/=]+)", said):
                    yield f"{n} {kind}", contents(base64.b64decode(file))


def as_viewer(few: int, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return all that somebody who may only look is given of the county."""
    made = county(few)
    made.save(root / "toy")
    library, out = Library((root,)), {}
    monkeypatch.setenv(visitor.VARIABLE, visitor.VIEWER)
    model = PageModel(library)
    for name in PAGES:
        Widget.close_all()
        kind = getattr(apps, name)
        page = kind(kind.shows(library, {}))
        if name == "Consolidation":
            page.files.tables.ask.click()
        out |= {f"{name} {place}": said for place, said in given(page)}
    source = reports.ReportSource(model.county, model.evaluation)
    out |= {key: contents(reports.make(key, source).content) for key in reports.keys(source)}
    close = Scenario.empty(model.county, 2020).with_operations(Close(school_id="B"))
    out["brief"] = brief.write(model, [close])
    for code in ("Q1", "Q2", "G15-migrant"):
        out[code] = str(Outlook(model).item(code).rows)
    stamp = model.county.hash
    return {name: said.replace(stamp, "") for name, said in out.items()}


def test_what_a_viewer_is_given_is_the_same_whatever_the_small_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    seen = [as_viewer(few, tmp_path / str(few), monkeypatch) for few in (1, 3)]
    assert len(seen[0]) > 200
    other = [name for name in seen[0] if seen[0][name] != seen[1].get(name)]
    assert not other, "\n".join(f"{n}\n  {diff(seen[0][n], seen[1].get(n, ''))}" for n in other)


def diff(one: str, two: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    return f"{one[max(0, at - 90) : at + 90]!r}\n  {two[max(0, at - 90) : at + 90]!r}"


def test_the_workbook_of_a_viewer_says_what_it_does_not_tell(tmp_path: Path) -> None:
    made = county(3)
    seen = suppression.suppressed(made)
    book = openpyxl.load_workbook(io.BytesIO(workbook.county_workbook(made, "zh", seen=seen)))
    spec = tables.table("school_years")
    rows = list(book[spec.zh].iter_rows(min_row=3, values_only=True))
    at = list(spec.columns).index("migrant_pupils")
    assert [row[at] for row in rows[-4:]] == ["*", "*", 0, 0]  # the few, and one to hide behind
    back = workbook.read_workbook(workbook.county_workbook(made, "zh", seen=seen))
    assert {f.rule for f in back.faults} == {"placeholder"}  # no data, and said
    whole = workbook.read_workbook(workbook.county_workbook(made, "zh"))
    assert whole.tables["school_years"]["migrant_pupils"].tolist()[-4:-2] == [17, 3]


@pytest.mark.parametrize("values", [[1, 9, 30, 0], [4, 1, 8, 7], [2], [3, 0, 0], [1, 5, 6, 7], [2, np.nan, 40]])
def test_no_count_of_few_follows_from_the_total_and_the_rest(values: list[float]) -> None:
    made = towns.county([towns.school(f"s{n}") for n in range(len(values))],
                        [towns.school_year(f"s{n}", migrant_pupils=v) for n, v in enumerate(values)])  # fmt: skip
    left = suppression.suppressed(made).tables["school_years"]["migrant_pupils"].to_numpy()
    hidden = np.isnan(left) & ~np.isnan(values)
    few = [n for n, v in enumerate(values) if 0 < v < suppression.FEW]
    assert hidden[few].all()
    if any(v >= suppression.BESIDE for v in values):
        rest = np.nansum(np.array(values)[hidden]) - np.array(values)[few].sum()
        assert rest >= suppression.BESIDE  # the total less the visible leaves every count of 1 to 4 possible
    else:
        assert hidden.sum() == np.isfinite(values).sum()


def test_the_bureau_sees_its_own_figures_and_a_viewer_every_status(monkeypatch: pytest.MonkeyPatch) -> None:
    made = county(3)
    found = evaluate(made, "quality_2017", year=2020)
    assert suppression.told(found, made) is found and found.item("Q2").value == 75.0
    monkeypatch.setenv(visitor.VARIABLE, visitor.VIEWER)
    told = suppression.told(found, made)
    assert [r.status for r in told.items] == [r.status for r in found.items]
    lost = {r.item.code for r, s in zip(found.items, told.items, strict=True) if r.value == r.value != s.value}
    assert lost == {"G15-migrant", "Q1", "Q2"}
    assert "不足5人" in told.item("Q2").reason.render("zh")
