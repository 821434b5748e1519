"""Load pages in the machine's own Chromium, and write down everything they do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlparse

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NEEDED = "the browser tests need Chromium and Chinese fonts: apt install chromium fonts-noto-cjk"
# Voila's bundles were built against another JupyterLab than the one installed; they say so and work.
HARMLESS = ("Unsatisfied version", "No satisfying version")


def _missing(what: str) -> None:
    """Skip, or fail where the tests are meant to be complete."""
    message = f"{NEEDED} (missing: {what})"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium; it and a Chinese font must be there."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        _missing("chromium")
    listed = shutil.which("fc-list")
    if listed and not subprocess.run([listed, ":lang=zh"], capture_output=True, text=True, check=False).stdout.strip():
        _missing("a Chinese font")
    return str(found)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Return a running browser, one a module: its event loop counts as running in every test until it ends."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@dataclass
class Visit:
    """Hold a page and what it did: requests, complaints, bytes over the kernel's socket."""

    page: Any
    host: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    received: int = 0
    sent: int = 0

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("websocket", self._socket)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and not any(words in message.text for words in HARMLESS):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _socket(self, socket: Any) -> None:
        self.requests.append(socket.url)
        socket.on("framereceived", lambda data: setattr(self, "received", self.received + len(data)))
        socket.on("framesent", lambda data: setattr(self, "sent", self.sent + len(data)))

    @property
    def elsewhere(self) -> list[str]:
        """Return what was asked of anybody but the server itself."""
        asked = [urlparse(url) for url in self.requests]
        own = urlparse(self.host).netloc
        return [url.geturl() for url in asked if url.scheme not in ("data", "blob") and url.netloc != own]

    def open(self, path: str = "", wait: str | None = None) -> Any:
        """Open a page and wait until something stands in it."""
        self.page.goto(self.host + path)
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
        if wait:
            self.page.wait_for_selector(wait, state="attached", timeout=30_000)
        return self.page


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Return a function that opens a fresh visitor's page at a server."""
    contexts = []

    def make(host: str, **options: Any) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1366, "height": 900}, "locale": "zh-CN", **options})
        contexts.append(context)
        return Visit(context.new_page(), host)

    yield make
    for context in contexts:
        context.close()


PAINTED = """([selector, sample]) => {
  // Draw each character in the page's own font: a missing glyph leaves nothing or the same box for all of them.
  const font = getComputedStyle(document.querySelector(selector)).fontFamily;
  const canvas = new OffscreenCanvas(64, 64);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const pictures = [...sample].map((glyph) => {
    pen.clearRect(0, 0, 64, 64);
    pen.font = `40px ${font}`;
    pen.fillText(glyph, 8, 48);
    return pen.getImageData(0, 0, 64, 64).data.join("");
  });
  const blank = pen.createImageData(64, 64).data.join("");
  return new Set(pictures).size === pictures.length && !pictures.includes(blank);
}"""


def painted(page: Any, selector: str, sample: str) -> bool:
    """Tell whether every character of a sample has a glyph of its own in the font of an element."""
    return bool(page.evaluate(PAINTED, [selector, sample]))
