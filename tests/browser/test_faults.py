"""What a page does when its kernel, its server or the network fails: it says so within five seconds and comes back."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cable import Cable
from tests.serving import Served, write_notebook

pytestmark = pytest.mark.browser

SAID_MS = 5_000
PAGE = """
import os, time
import ipywidgets as W
from balance_lib.show.widgets.request import query
asked = query()
said, slider = W.HTML(""), W.IntSlider(value=3, min=0, max=9)
long = W.Button(description="算很久")
long.on_click(lambda _: time.sleep(3))
def tell(*_):
    choices = "|".join(f"{k}={v}" for k, v in sorted(asked.items()))
    said.value = f"进程 {os.getpid()} 问:{choices} 值 {slider.value}。"
slider.observe(tell, "value")
tell()
W.VBox([said, slider, long])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("dashboards")
    write_notebook(folder, "index", [PAGE], title="示例")
    server = Served(folder, root=tmp_path_factory.mktemp("counties"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def cable(served: Served) -> Iterator[Cable]:
    held = Cable(served.port)
    yield held
    held.close()


def moved(page: Any) -> int:
    """Move the slider by one and return where the kernel says it stands."""
    before = int(re.search(r"值 (\d)", page.inner_text("main")).group(1))  # type: ignore[union-attr]
    page.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"text=值 {before + 1}。", timeout=20_000)
    return before + 1


def number(page: Any) -> int:
    return int(re.search(r"进程 (\d+)", page.inner_text("main")).group(1))  # type: ignore[union-attr]


@pytest.mark.parametrize("fault", ["cut", "dead"])
def test_network_fault_is_said_and_the_page_goes_on(cable: Cable, visit: Any, fault: str) -> None:
    page = visit(f"http://127.0.0.1:{cable.port}/").open("index?scenario=Ab3", wait=".noUi-handle")
    moved(page)
    page.wait_for_timeout(500)
    assert not page.is_visible("#bl-lost")
    kernel = number(page)
    cable.set(fault)
    try:
        page.wait_for_selector("#bl-lost:visible", timeout=SAID_MS)
        assert "连接已断开" in page.inner_text("#bl-lost")
    finally:
        cable.set("whole")
    page.wait_for_selector("#bl-lost", state="hidden", timeout=20_000)
    assert not page.is_visible("#bl-gone")
    assert moved(page) == 5  # the same page, the same kernel: nothing was lost
    assert number(page) == kernel
    assert "scenario=Ab3" in page.inner_text("main")


def test_what_takes_longer_than_a_second_says_so(served: Served, visit: Any) -> None:
    page = visit(served.url).open("index", wait=".noUi-handle")
    page.wait_for_timeout(500)
    moved(page)
    assert not page.is_visible("#bl-busy")
    page.get_by_role("button", name="算很久").click()
    page.wait_for_selector("#bl-busy:visible", timeout=3_000)
    assert "正在计算" in page.inner_text("#bl-busy")
    page.wait_for_selector("#bl-busy", state="hidden", timeout=20_000)


def test_killed_kernel_is_said_and_reloading_keeps_the_address(served: Served, visit: Any) -> None:
    page = visit(served.url).open("index?county=a&scenario=Ab3", wait=".noUi-handle")
    page.wait_for_timeout(1000)
    kernel = number(page)
    os.kill(kernel, signal.SIGKILL)
    page.wait_for_selector("#bl-gone:visible", timeout=SAID_MS)
    assert "会话已过期" in page.inner_text("#bl-gone")
    page.click("#bl-gone a")
    page.wait_for_selector("#bl-gone", state="hidden", timeout=60_000)
    page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
    assert page.url.endswith("index.ipynb?county=a&scenario=Ab3")
    assert "scenario=Ab3" in page.inner_text("main")
    assert number(page) != kernel


def test_killed_server_is_said_and_a_new_one_asks_to_reload(tmp_path: Any, chromium: str, visit: Any) -> None:
    write_notebook(tmp_path, "index", [PAGE], title="页")
    first = Served(tmp_path, pool=0)
    page = visit(first.url).open("index?county=a&scenario=Ab3", wait=".noUi-handle")
    page.wait_for_timeout(1000)
    first.process.kill()  # as the machine's memory watch would: nobody says goodbye
    first.process.wait()
    page.wait_for_selector("#bl-lost:visible", timeout=SAID_MS)
    assert "连接已断开" in page.inner_text("#bl-lost")
    second = Served(tmp_path, pool=0, port=first.port)
    try:
        assert second.port == first.port
        page.wait_for_selector("#bl-gone:visible", timeout=30_000)
        assert not page.is_visible("#bl-lost")
        page.click("#bl-gone a")
        page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
        assert not page.is_visible("#bl-gone")
        assert "county=a|scenario=Ab3" in page.inner_text("main")
    finally:
        second.close()
