"""JupyterLab itself: a map in a cell, and a slider beside it that changes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.serving import TOP, write_notebook

pytestmark = pytest.mark.browser
CELL = """import balance_lib as bl
page = bl.open("akqi").explore()
page"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder, "desk", [CELL])
    line = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--port=0",
            "--ServerApp.password=", "--IdentityProvider.token=", str(folder)]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(TOP), "JUPYTER_CONFIG_PATH": str(TOP / "notebooks" / ".jupyter")}
    log = folder / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(line, stdout=stream, stderr=subprocess.STDOUT, env=env, cwd=folder)
    try:
        for _ in range(120):
            found = re.search(r"(http://(?:localhost|127\.0\.0\.1):\d+)/", log.read_text("utf-8"))
            if found:
                break
            time.sleep(0.5)
        else:
            pytest.fail("JupyterLab did not start:\n" + log.read_text("utf-8")[-2000:])
        yield found.group(1)
    finally:
        process.terminate()
        process.wait(20)


def run(page: Any, at: int) -> None:
    """Run a cell until its prompt says so: JupyterLab says idle while it still connects, and drops the key."""
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    heard = f"""() => {{
      const prompts = document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt");
      return /[*\\d]/.test(prompts[{at}].textContent);
    }}"""
    for _ in range(10):
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(at).click()
        page.keyboard.press("Control+Enter")
        with suppress(PlaywrightTimeout):
            page.wait_for_function(heard, timeout=5_000)
            return
    pytest.fail(f"JupyterLab did not run cell {at}")


def test_a_slider_in_a_cell_changes_the_map(lab: str, browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1366, "height": 1000})
    elsewhere: list[str] = []
    page.on(
        "request", lambda r: elsewhere.append(r.url) if not r.url.startswith((lab, "data:", "blob:", "ws:")) else None
    )
    page.goto(f"{lab}/lab/tree/desk.ipynb?reset", timeout=120_000)
    page.wait_for_selector(".jp-Notebook", timeout=120_000)
    cells = page.locator(".jp-Notebook .jp-CodeCell .cm-content")
    cells.first.wait_for(timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", state="attached", timeout=120_000)
    for at in range(2):
        run(page, at)
    page.wait_for_selector(".bl-map .bl-school", state="attached", timeout=120_000)
    villages = "document.querySelector('.bl-villages').innerHTML"
    page.wait_for_function(f"{villages}.length > 0", timeout=30_000)
    before = page.evaluate(villages)
    handle = page.locator(".jp-OutputArea .noUi-handle").first
    handle.focus()
    for _ in range(12):
        handle.press("ArrowLeft")
    page.wait_for_function(f"before => {villages} !== before", arg=before, timeout=30_000)
    said = page.locator(".jp-OutputArea").first.inner_text()
    assert "Message serialization failed" not in page.content()
    assert "Traceback" not in said
    assert elsewhere == []
    if os.environ.get("DESK_PICTURE"):
        page.screenshot(path=os.environ["DESK_PICTURE"])
    page.close()
