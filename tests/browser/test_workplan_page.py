"""The work plan's page in a real browser: a ledger is led, evidence goes up, files come down, names do no harm."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from balance_lib.office.store import Store
from tests.browser.conftest import painted
from tests.serving import Served
from tests.test_workplan_page import toy

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PAGE = "voila/render/workplan.ipynb"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def served(chromium: str, home: Path) -> Iterator[Served]:
    toy().save(home / "counties" / "toy")
    environment = {"BALANCE_HOME": str(home), "BALANCE_DATABASE_URL": ""}
    server = Served(ROOT / "dashboards", root=home / "counties", pool=0, environment=environment)
    yield server
    server.close()


@pytest.fixture
def seen(served: Served, visit: Any) -> Any:
    found = visit(served.url)
    found.page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
    found.open(PAGE, wait=".bl-verdict")
    found.page.wait_for_load_state("networkidle")
    return found


def tab(page: Any, name: str) -> None:
    page.locator(".lm-TabBar-tab", has_text=name).click()


def pressed(page: Any, button: str, words: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    page.locator(".bl-banner", has_text=words).first.wait_for(timeout=30_000)


def test_ledger_is_led_and_its_files_come_down(seen: Any, home: Path) -> None:
    page = seen.page
    tab(page, "问题与整改台账")
    page.get_by_label("经办人").locator("visible=true").first.fill("李科")
    page.keyboard.press("Tab")
    pressed(page, "把问题清单列入台账", "新立项")
    page.get_by_label("责任人").fill("基建科")
    page.keyboard.press("Tab")
    pressed(page, "开始整改", "已办理：开始整改")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="选择佐证").click()
    chooser.value.set_files({"name": "验收.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 seen"})
    page.get_by_role("button", name="选择佐证 (1)").wait_for()
    pressed(page, "上传佐证", "已保存佐证")
    with page.expect_download() as caught:
        page.locator("a[download='验收.pdf']").click()
    assert Path(caught.value.path()).read_bytes() == b"%PDF-1.4 seen"
    pressed(page, "报请验收", "已办理：报请验收")
    pressed(page, "验收销号", "已办理：验收销号")
    assert "基建科" in page.inner_text(".bl-app")

    store = Store.at(home / ".store")
    ledger = store.ledger("toy")
    assert (ledger["state"] == "verified").sum() == 1
    assert set(store.history("toy")["who"]) == {"李科"}

    tab(page, "导出")
    page.get_by_role("button", name="生成CSV数据表").click()
    with page.expect_download() as caught:
        page.locator("a[download$='ledger.csv']").click()
    text = Path(caught.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(ledger) and "已销号" in {row["整改状态"] for row in rows}
    page.wait_for_function("() => [...document.querySelectorAll('option')].some(o => o.text === '整改台账')")
    page.get_by_label("材料").select_option(label="整改台账")
    page.get_by_role("button", name="生成材料").click()
    with page.expect_download() as caught:
        page.locator("a[download$='.xlsx']").click()
    assert zipfile.is_zipfile(caught.value.path())

    assert seen.elsewhere == []
    assert seen.complaints == []
    assert painted(page, ".bl-app h1", "工作推进台账整改期限")


def test_hostile_names_are_words_on_the_page(seen: Any) -> None:
    page = seen.page
    tab(page, "问题与整改台账")
    page.locator(".bl-table:visible", has_text="<img src=x").first.wait_for()
    assert page.locator(".bl-app img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert seen.complaints == []


def test_page_speaks_english(served: Served, visit: Any) -> None:
    found = visit(served.url)
    page = found.open(f"{PAGE}?lang=en", wait=".bl-verdict")
    page.wait_for_load_state("networkidle")
    shown = page.inner_text(".bl-app")
    assert "Work plan" in shown and "Tasks over time" in shown
    assert found.complaints == [] and found.elsewhere == []
