"""Time the consolidation page in a real Chromium: a key press on its first slider to what stands on the screen.

``python benchmarks/consolidation.py [--moves N] [--pauses N] [--port N]``, on a made-up county of 1,500 villages and
250 schools. ``painted``: the last change of the page after a move, words and map, while the hand does not rest.
``settled``: the whole outcome, from the press to the moment nothing is grey any more, the resting time of the hand
taken off.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from balance_lib.show.widgets.apps.consolidation import RESTING_S
from benchmarks.access import FLAGS
from benchmarks.ticks import made_up

WATCH = """
() => {
  const app = document.querySelector('.bl-app');
  window.bench = { painted: [], settled: [] };
  let start = 0, last = 0, calm = 0, stale = false;
  document.addEventListener('keydown', () => { start = performance.now(); last = calm = 0; stale = false; }, true);
  const after = (act) => requestAnimationFrame(() => {
    const c = new MessageChannel();
    c.port1.onmessage = act;
    c.port2.postMessage(0);
  });
  new MutationObserver(() => {
    if (!start) return;
    const grey = app.querySelector('.bl-stale') !== null, from = start;
    after(() => {
      if (from !== start) return;
      last = performance.now() - start;
      stale = stale || grey;
      if (stale && !grey) calm = last;
    });
  }).observe(app, { subtree: true, childList: true, attributes: true, characterData: true });
  window.take = (name) => { window.bench[name].push(name === 'painted' ? last : calm); };
  window.calm = () => calm > 0;
}
"""


def browser(moves: int, pauses: int, port: int) -> None:
    """Serve the county, open the page, press keys, and print what was seen."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        made_up().save(Path(folder) / "bench")
        server = subprocess.Popen(
            [sys.executable, "-m", "balance_lib.cli", "dashboard", "--root", folder, "--port", str(port)],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ), start_new_session=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            next(line for line in server.stdout if "http://" in line)
            chrome = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = chrome.new_page(viewport={"width": 1440, "height": 1000})
            page.goto(f"http://127.0.0.1:{port}/voila/render/consolidation.ipynb", timeout=240_000)
            page.wait_for_selector(".bl-map", timeout=240_000)
            page.wait_for_selector(".bl-verdict", timeout=240_000)
            page.wait_for_timeout(5_000)
            _measure(page, moves, pauses)
            chrome.close()
        finally:
            server.terminate()
            server.wait(20)


def _measure(page: Any, moves: int, pauses: int) -> None:
    page.locator(".noUi-handle").first.focus()
    page.evaluate(WATCH)
    for at in range(moves):
        page.keyboard.press("ArrowRight" if at % 50 < 30 else "ArrowLeft")
        page.wait_for_timeout(int(1000 * RESTING_S) - 30)  # shorter than a rest: the whole outcome stays away
        page.evaluate("take('painted')")
    page.wait_for_timeout(4_000)
    for _ in range(pauses):
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("() => calm()", timeout=60_000)
        page.evaluate("take('settled')")
    found = page.evaluate("bench")
    for name, off in (("painted", 0.0), ("settled", 1000 * RESTING_S)):
        values = np.array([v for v in found[name] if v > 1]) - off
        q = np.percentile(values, [50, 95])
        print(f"{name:<10} median {q[0]:7.1f} ms   95th percentile {q[1]:7.1f} ms   of {len(values)}", flush=True)


def main() -> None:
    """Run the benchmark."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--moves", type=int, default=60)
    asked.add_argument("--pauses", type=int, default=8)
    asked.add_argument("--port", type=int, default=8872)
    given = asked.parse_args()
    browser(given.moves, given.pauses, given.port)


if __name__ == "__main__":
    main()
