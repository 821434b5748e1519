"""Measure the served pages as a county hall meets them: start, first open, many viewers at once, closed tabs.

Run: ``python -m benchmarks.serve [--viewers 30] [--seconds 120] [--opens 5] [--tabs 50] [--plain]``; it takes about
ten minutes with these figures. ``--plain`` adds the same notebook under Voila as it comes, beside ours. Needs Chromium;
with nginx installed, bytes are counted through it (gzip, HTTP). A viewer is a client of the kernel's socket that does
what the browser does: fetches the page, asks for every widget's state, moves a slider to a place where it has not
been, and looks at what comes for at least two seconds. A tick is the time from sending to the kernel's "idle" for that
message, an outcome the time until the last widget that follows when the hand rests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from balance_lib.shipped import shipped

PATIENCE_S = 20  # an outcome that has not come then is none
RESTING_S, PAUSE_S = 0.4, 0.3  # the page waits a little longer for the hand to rest; an outcome comes in one go
PAGE, TICK_S, SLIDER = "voila/render/consolidation.ipynb?county=wuxi", 2.0, "FloatSliderModel"
POOLS_S = 30  # a page is warmed every three seconds, after the pages have been rehearsed once
MOST_MOVES = 400
HANDLE, PROTOCOL = ".noUi-handle", "v1.kernel.websocket.jupyter.org"
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; gzip on; gzip_proxied any; gzip_min_length 500; gzip_comp_level 5;
  gzip_types text/css text/javascript application/javascript application/json image/svg+xml;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; types {{ }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade"; proxy_read_timeout 1h;
    }}
  }}
}}
"""


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def get(url: str) -> str:
    """Return a page."""
    return str(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=120).read().decode())


@contextmanager
def server(plain: bool) -> Any:
    """Yield address, process, and seconds from its start to a whole first page."""
    port, env = free_port(), os.environ | {"BALANCE_ROOT": str(shipped("demo"))}
    line = [sys.executable, "-m", "balance_lib.show.serve", "--port", str(port)]
    if plain:
        line = [sys.executable, "-m", "voila", str(shipped("dashboards")), f"--port={port}", "--no-browser"]
    begun = time.perf_counter()
    process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        while True:
            try:
                get(url + ("voila/render/index.ipynb" if plain else ""))
                break
            except OSError:
                time.sleep(0.1)
        yield url, psutil.Process(process.pid), time.perf_counter() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def proxied(url: str) -> Any:
    """Yield the address through nginx, or the address itself where there is none."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not found:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        conf = Path(folder) / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, port=port, behind=url.rsplit(":", 1)[1].strip("/")))
        process = subprocess.Popen([found, "-c", str(conf), "-e", f"{folder}/error.log"])
        try:
            time.sleep(1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def kernels(process: psutil.Process) -> list[psutil.Process]:
    """Return the kernels: ours are forks of one process that is no kernel itself."""
    found, forked = [], []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended and is not buried yet
            forked += [child.ppid()] if any("zygote" in part for part in child.cmdline()) else []
            found.append(child)
    return [child for child in found if child.pid not in forked]


# ---- the browser ---------------------------------------------------------------------------------------------------


def open_page(page: Any, url: str) -> tuple[float, float]:
    """Open a page; return seconds until a slider can be moved, and megabytes that came over the network."""
    total = [0]
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda e: total.__setitem__(0, total[0] + e["encodedDataLength"]))
    session.on("Network.webSocketFrameReceived", lambda e: total.__setitem__(0, total[0] + _frame(e["response"])))
    begun = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(HANDLE, timeout=120_000)
    spent = time.perf_counter() - begun
    page.wait_for_timeout(1500)
    session.detach()
    return spent, total[0] / 1e6


def _frame(response: dict[str, Any]) -> int:
    size = len(response["payloadData"])
    return size if response["opcode"] == 1 else size * 3 // 4


# From a move of the pointer to the first task after the frame it is drawn in; and of it what the page works, not waits.
PAINTED = """() => {
  window.painted = [];
  window.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const begun = performance.now();
    requestAnimationFrame(() => {
      const frame = performance.now(), channel = new MessageChannel();
      channel.port1.onmessage = () => window.painted.push([performance.now() - begun, performance.now() - frame]);
      channel.port2.postMessage(0);
    });
  }, true);
}"""


def drag(page: Any, moves: int = 200) -> list[tuple[float, float]]:
    """Drag the least size; return milliseconds from each move to the painted map, and of the frame."""
    page.wait_for_function("() => !document.querySelector('.bl-stale')", timeout=120_000)
    page.wait_for_timeout(2000)
    page.evaluate(PAINTED)
    handle = page.locator(".bl-live-minimum_enrolment .noUi-handle").bounding_box()
    track = page.locator(".bl-live-minimum_enrolment .noUi-target").bounding_box()
    y = handle["y"] + handle["height"] / 2
    page.mouse.move(handle["x"] + handle["width"] / 2, y)
    page.mouse.down()
    for step in range(moves):
        share = 0.5 + 0.45 * math.sin(step / 8)
        page.mouse.move(track["x"] + track["width"] * share, y)
    page.wait_for_function("(n) => window.painted.length >= n / 2", arg=moves, timeout=30_000)
    painted = page.evaluate("window.painted")
    page.mouse.up()
    return [tuple(each) for each in painted]


def browse(url: str, process: psutil.Process, opens: int, tabs: int) -> dict[str, Any]:
    """Open the page with a cold and a warm browser cache, then open and close many tabs."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS

    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    cold, warm, moves = [], [], []
    with sync_playwright() as play, proxied(url) as through:
        browser = play.chromium.launch(executable_path=binary, args=FLAGS)
        for _ in range(opens):
            context = browser.new_context(viewport={"width": 1366, "height": 900})
            for into in (cold, warm):
                page = context.new_page()
                into.append(open_page(page, through + PAGE))
                moves += drag(page) if len(moves) < MOST_MOVES else []
                page.close(run_before_unload=True)
                time.sleep(4)  # the pool fills again
            context.close()
        time.sleep(5)
        before = len(kernels(process))
        context = browser.new_context()
        for _ in range(tabs):
            page = context.new_page()
            page.goto(through + PAGE)
            page.wait_for_selector(HANDLE, timeout=120_000)
            page.close(run_before_unload=True)
        end, left = time.monotonic() + 120, tabs
        while time.monotonic() < end and (left := len(kernels(process)) - before) > 0:
            time.sleep(1)
        waited = 120 - (end - time.monotonic())
        browser.close()
    return {
        "open, browser cache cold: median s": statistics.median(s for s, _ in cold),
        "open, browser cache warm: median s": statistics.median(s for s, _ in warm),
        "first open: MB": statistics.median(mb for _, mb in cold),
        "second open: MB": statistics.median(mb for _, mb in warm),
        "slider to painted map, in the page: median ms": statistics.median(ms for ms, _ in moves),
        "  p95 ms": statistics.quantiles([ms for ms, _ in moves], n=20)[-1],
        "  of it the frame's own work: median ms": statistics.median(ms for _, ms in moves),
        f"kernels left by {tabs} closed tabs": max(left, 0),
        "  seconds until the last was gone": waited,
    }


# ---- viewers -------------------------------------------------------------------------------------------------------


@dataclass
class Viewer:
    """Move one slider of one page."""

    url: str
    ticks: list[float] = field(default_factory=list)
    outcomes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def message(self, kind: str, content: dict[str, Any], version: str = "") -> tuple[str, bytes]:
        """Return a message's number and frame."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "session": "v", "username": "", "version": "5.3", "date": ""}
        parts = [b"shell", *(json.dumps(part).encode() for part in (header, {}, {"version": version}, content))]
        places = [8 * (len(parts) + 2)]
        for part in parts:
            places.append(places[-1] + len(part))
        return number, b"".join(n.to_bytes(8, "little") for n in (len(places), *places)) + b"".join(parts)

    async def run(self, seconds: float, ready: asyncio.Barrier, measured: asyncio.Event) -> None:
        """Open the page, wait for the others, and move the slider until the time is over."""
        from websockets.asyncio.client import connect

        try:
            text = await asyncio.to_thread(get, self.url + PAGE)
            kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', text).group(1)  # type: ignore[union-attr]
            address = f"{self.url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels?session_id=v"
            async with connect(
                address,
                max_size=None,
                ping_timeout=None,
                origin=self.url.rstrip("/"),  # type: ignore[arg-type]
                subprotocols=[PROTOCOL],  # type: ignore[list-item]
            ) as channel:
                slider, state = await self._slider(channel)
                await ready.wait()
                await self._move(channel, slider, state, seconds)
                await ready.wait()
                await measured.wait()
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}"[:200])
            await ready.abort()

    async def _slider(self, channel: Any) -> tuple[str, dict[str, Any]]:
        version = {"version": "1.0.0"}
        opening = {"comm_id": uuid.uuid4().hex, "target_name": "jupyter.widget.control", "data": {}}
        await channel.send(self.message("comm_open", opening, **version)[1])
        asking = {"comm_id": opening["comm_id"], "data": {"method": "request_states"}}
        await channel.send(self.message("comm_msg", asking)[1])
        while True:
            found = parse(await asyncio.wait_for(channel.recv(), 60))
            states = found["content"].get("data", {}).get("states", {}) if found["msg_type"] == "comm_msg" else {}
            for model, facts in states.items():
                if facts["model_name"] == SLIDER and not facts["state"].get("disabled"):
                    return model, facts["state"]

    async def _move(self, channel: Any, slider: str, of: dict[str, Any], seconds: float) -> None:
        end = time.monotonic() + seconds
        await asyncio.sleep(TICK_S * (hash(slider) % 100) / 100)  # people do not move in step
        low, high, by = (float(of.get(name, usual)) for name, usual in (("min", 0.0), ("max", 10.0), ("step", 0.1)))
        places = [round(low + by * i, 6) for i in range(1, int((high - low) / by))]
        random.shuffle(places)  # as hands do; none twice: an outcome that is known already costs nothing
        for place in places:
            if time.monotonic() > end:
                return
            state = {"value": place}
            data = {"method": "update", "state": state, "buffer_paths": []}
            number, text = self.message("comm_msg", {"comm_id": slider, "data": data})
            begun = time.monotonic()
            await channel.send(text)
            while True:
                found = parse(await asyncio.wait_for(channel.recv(), 30))
                if found["msg_type"] == "stream" and "Traceback" in found["content"]["text"]:
                    self.errors.append(found["content"]["text"][-200:])
                mine = found["parent_header"].get("msg_id") == number
                if mine and found["msg_type"] == "status" and found["content"]["execution_state"] == "idle":
                    break
            self.ticks.append(time.monotonic() - begun)
            if outcome := await self._settled(channel, begun):
                self.outcomes.append(outcome)

    async def _settled(self, channel: Any, begun: float) -> float:
        """Look for two seconds at least, until what follows has come whole; return when the last of it came."""
        last, idle = 0.0, time.monotonic() - begun
        while (left := (max(TICK_S, last + PAUSE_S) if last else PATIENCE_S) - (time.monotonic() - begun)) > 0:
            with contextlib.suppress(TimeoutError):
                update = parse(await asyncio.wait_for(channel.recv(), left))["msg_type"] == "comm_msg"
                now = time.monotonic() - begun
                last = now if update and now > idle + RESTING_S else last  # before it, what the tick itself shows
        return last


def parse(frame: bytes) -> dict[str, Any]:
    """Return a message; the buffers behind it are left alone."""
    count = int.from_bytes(frame[:8], "little")
    places = [int.from_bytes(frame[8 * (i + 1) : 8 * (i + 2)], "little") for i in range(count)]
    header, parent, _, content = (json.loads(frame[places[i] : places[i + 1]]) for i in range(1, 5))
    return {"msg_type": header["msg_type"], "parent_header": parent, "content": content}


async def gather(url: str, process: psutil.Process, viewers: int, seconds: float) -> dict[str, Any]:
    """Let many viewers come at once and move; the kernels' own memory is taken while all are there."""
    ready, measured = asyncio.Barrier(viewers + 1), asyncio.Event()
    crowd = [Viewer(url) for _ in range(viewers)]
    begun = time.perf_counter()
    tasks = [asyncio.create_task(viewer.run(seconds, ready, measured)) for viewer in crowd]
    opened, own = float("nan"), float("nan")
    try:
        await ready.wait()
        opened = time.perf_counter() - begun
        await ready.wait()
        used = [child.memory_full_info().uss / 1024**2 for child in kernels(process)]
        own = statistics.median(sorted(used)[-viewers:])
    except asyncio.BrokenBarrierError:
        pass
    measured.set()
    await asyncio.gather(*tasks)
    ticks = sorted(tick for viewer in crowd for tick in viewer.ticks)
    outcomes = sorted(outcome for viewer in crowd for outcome in viewer.outcomes)
    errors = [error for viewer in crowd for error in viewer.errors]
    for error in sorted(set(errors))[:5]:
        print("   ", error)
    found = {f"{viewers} viewers: seconds until all stand": opened, f"{viewers} viewers: errors": len(errors)}
    for name, seconds_of in (("tick", ticks), ("outcome", outcomes)):
        found |= {
            f"{viewers} viewers: {name}s": len(seconds_of),
            f"{viewers} viewers: {name} median ms": _milliseconds(seconds_of, 0.5),
            f"{viewers} viewers: {name} p95 ms": _milliseconds(seconds_of, 0.95),
        }
    return found | {
        f"{viewers} viewers: fewest ticks of one": min((len(v.ticks) for v in crowd), default=0),
        f"{viewers} viewers: memory of its own, median MB": own,
    }


def _milliseconds(found: list[float], share: float) -> float:
    return 1000 * found[int(share * (len(found) - 1))] if found else math.nan


def measure(plain: bool, asked: argparse.Namespace) -> dict[str, Any]:
    """Return every figure of one server."""
    with server(plain) as (url, process, started):
        found = {"server start to first page: s": started}
        time.sleep(0 if plain else POOLS_S)
        if asked.opens:
            found |= browse(url, process, asked.opens, asked.tabs)
    with server(plain) as (url, process, _):
        time.sleep(0 if plain else POOLS_S)
        found |= asyncio.run(gather(url, process, asked.viewers, asked.seconds))
    return found


def main() -> None:
    """Measure ours, and plain Voila if asked, and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--opens", type=int, default=5, help="0: no browser")
    parser.add_argument("--tabs", type=int, default=50)
    parser.add_argument("--plain", action="store_true")
    asked = parser.parse_args()
    columns = {"ours": measure(False, asked)} | ({"plain Voila": measure(True, asked)} if asked.plain else {})
    print(f"{'':52}" + "".join(f"{name:>14}" for name in columns))
    for row in columns["ours"]:
        print(f"{row:52}" + "".join(f"{column[row]:>14.2f}" for column in columns.values()))
    print(f"load average {os.getloadavg()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
