"""What makes a page open fast, by what it asks for and when: few files, none of them twice, nothing before its time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from tests.browser.conftest import Visit
from tests.serving import Served, write_notebook

pytestmark = pytest.mark.browser

SLIDER = "import ipywidgets as W; W.FloatSlider(value=4.2, min=3, max=6, step=0.1)"
WAITS = "import pathlib, time\nwhile not pathlib.Path('told').exists(): time.sleep(0.05)"
FORMULA = "import ipywidgets as W; W.VBox([W.HTMLMath('plain'), W.HTMLMath('$x^2$')])"
FOLDED = """
import ipywidgets as W, plotly.graph_objects as go
from balance_lib.show.widgets.figure import SlimFigure
chart = SlimFigure(go.Figure(go.Bar(x=[1, 2], y=[3, 4])))
button = W.Button(description="replace")
button.on_click(lambda _: chart.replace(go.Figure(go.Scatter(x=[1, 2], y=[5, 6], mode="markers"))))
W.VBox([W.IntSlider(), button, W.Accordion([chart])])
"""
CONTROLS = """
import ipywidgets as W, json
from ipywidgets.widgets.widget import _instances
names = "Checkbox ToggleButton Valid Button HBox Tab Accordion FloatText BoundedFloatText FloatSlider FloatProgress " \\
    "FloatRangeSlider BoundedIntText IntSlider IntRangeSlider RadioButtons ToggleButtons Dropdown Select Combobox " \\
    "SelectMultiple HTML Label Text Textarea Password TagsInput FileUpload"
made = [getattr(W, name)() for name in names.split()]
made[0].layout.width = "50%"
told = {i: w.get_state() for i, w in _instances.items() if w._model_module.startswith("@jupyter")}
facts = json.dumps(told).replace("<", "\\u003c")
W.VBox([*made, W.HTML(f"<script type='application/json' id='told'>{facts}</script>")])
"""
MODELS = """async () => {
  const found = {};
  const plain = (it) => Array.isArray(it) ? it.map(plain) : it?.model_id ? `IPY_MODEL_${it.model_id}` : it ?? null;
  for (const [id, promise] of Object.entries(jupyterapp.widgetManager._models)) {
    const pairs = Object.entries((await promise).attributes);
    found[id] = JSON.parse(JSON.stringify(Object.fromEntries(pairs.map(([name, it]) => [name, plain(it)]))));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboards")


@pytest.fixture(scope="module")
def served(folder: Path, chromium: str) -> Iterator[Served]:
    pages = {
        "index": [SLIDER],
        "folded": [FOLDED],
        "formula": [FORMULA],
        "controls": [CONTROLS],
        "waits": [WAITS, SLIDER],
    }
    for name, cells in pages.items():
        write_notebook(folder, name, cells)
    server = Served(folder, pool=0)
    yield server
    server.close()


def scripts(seen: Visit) -> list[str]:
    """Return the names of the scripts a page asked the server for."""
    paths = [urlparse(url).path for url in seen.requests]
    return [path.rsplit("/", 1)[1] for path in paths if re.search(r"\.m?js$", path)]


def test_page_asks_for_three_scripts_and_again_for_none(served: Served, visit: Any) -> None:
    first = visit(served.url)
    first.open("voila/render/index.ipynb", wait=".noUi-handle")
    assert sorted(scripts(first)) == ["engine.js", "extension.js", "page.js"]
    assert first.complaints == []

    again = first.page.context.new_page()
    session = again.context.new_cdp_session(again)
    fetched: list[str] = []

    def answered(event: dict[str, Any]) -> None:
        if event["response"]["url"].startswith("http") and not event["response"]["fromDiskCache"]:
            fetched.append(event["requestId"])

    asked: dict[str, str] = {}
    session.send("Network.enable")
    session.on(
        "Network.requestWillBeSent", lambda e: asked.update({e["requestId"]: urlparse(e["request"]["url"]).path})
    )
    session.on("Network.responseReceived", answered)
    session.on("Network.requestServedFromCache", lambda e: asked.pop(e["requestId"], None))
    again.goto(served.url + "voila/render/index.ipynb")
    again.wait_for_selector(".noUi-handle")
    paths = {urlparse(asked[number]).path for number in fetched if number in asked}
    assert {path for path in paths if not path.startswith("/api/kernels/")} == {"/voila/render/index.ipynb"}


def test_page_starts_while_the_kernel_computes(served: Served, folder: Path, visit: Any) -> None:
    seen = visit(served.url)
    seen.page.goto(served.url + "voila/render/waits.ipynb", wait_until="commit")
    seen.page.wait_for_function("() => window._JUPYTERLAB?.balance", timeout=60_000)
    assert seen.page.evaluate("document.readyState") == "loading"
    (folder / "told").touch()
    seen.page.wait_for_selector(".noUi-handle", timeout=30_000)
    assert seen.complaints == []


def test_widget_that_comes_late_is_waited_for(served: Served, visit: Any) -> None:
    page = visit(served.url).open("voila/render/index.ipynb", wait=".noUi-handle")
    # ipywidgets itself gives up after two seconds, and then the whole page reads "model not found".
    late = """async () => {
      const manager = jupyterapp.widgetManager, asked = manager.get_model("late").then(() => "there", String);
      await new Promise((done) => setTimeout(done, 2600));
      manager.register_model("late", Object.values(manager._models)[0]);
      return asked;
    }"""
    assert page.evaluate(late) == "there"


def test_plotly_comes_when_a_figure_is_seen(served: Served, visit: Any) -> None:
    seen = visit(served.url)
    page = seen.open("voila/render/folded.ipynb", wait=".noUi-handle")
    page.get_by_role("button", name="replace").click()
    page.wait_for_timeout(500)
    assert "plotly.mjs" not in scripts(seen)
    page.locator(".jupyter-widget-Collapse-header").click()
    page.wait_for_selector(".js-plotly-plot .scatterlayer .point", timeout=30_000)
    assert page.locator(".js-plotly-plot .barlayer .bars").count() == 0
    assert scripts(seen).count("plotly.mjs") == 1
    assert seen.complaints == []


def test_formula_is_set_where_there_is_one(served: Served, visit: Any) -> None:
    seen = visit(served.url)
    page = seen.open("voila/render/formula.ipynb", wait="mjx-container")
    assert page.locator("mjx-container").count() == 1
    assert seen.elsewhere == []


def test_browser_has_every_widget_as_the_kernel_has_it(served: Served, visit: Any) -> None:
    page = visit(served.url).open("voila/render/controls.ipynb", wait="#told")
    told, models = json.loads(page.locator("#told").text_content()), page.evaluate(MODELS)
    assert len(told) > 60
    pairs = [(model, name, value) for model, state in told.items() for name, value in state.items()]
    differing = [(told[m]["_model_name"], name, value) for m, name, value in pairs if models[m].get(name) != value]
    assert differing == []
