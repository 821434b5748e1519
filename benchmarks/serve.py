"""Measure the served pages as a county hall meets them: start, opening, many viewers at once, a thousand visits.

Run: ``python -m benchmarks.serve --all``, or any of ``--viewers 30 --seconds 120``, ``--burst 50``, ``--visits 1000``,
``--opens 5 --tabs 20``, ``--plain``. Each part has a server of its own and prints its figures as it ends; ``--plain``
adds the same notebook under Voila as it comes (a twentieth of the visits: each of its kernels starts by itself).

- *viewers*: so many come at once, and move a slider for so long. A viewer is a client of the kernel's socket that does
  what the browser does: fetches the page, asks for every widget's state, moves a slider to a place where it has not
  been, and looks at what comes for at least two seconds. A tick is the time from sending to the kernel's "idle" for
  that message, an outcome the time until the last widget that follows when the hand rests.
- *burst*: so many open the page at once; seconds until the last of them stands.
- *visits*: the page is opened and left so often, four at a time; memory of the server, of the process that kernels are
  forked from and of the kernels that wait, before and after, and the kernels left.
- *opens*, *tabs*: in Chromium, with a cold and a warm browser cache; through nginx, where it is installed, which counts
  the bytes it sends (pages and sockets, packed as for a visitor from another machine).
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
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psutil

from balance_lib.shipped import shipped

PATIENCE_S = 20  # an outcome that has not come then is none
RESTING_S, PAUSE_S = 0.4, 0.3  # the page waits a little longer for the hand to rest; an outcome comes in one go
PAGE, TICK_S, SLIDER = "voila/render/consolidation.ipynb?county=wuxi", 2.0, "FloatSliderModel"
READY_S = 240  # the pages are rehearsed and warmed by then, or it is measured all the same
PAGE_S = 300  # a page that has not come whole then is an error
AT_ONCE, PLAIN_SHARE = 4, 20  # visits at a time; of so many visits plain Voila gets one
MOST_MOVES = 400
HANDLE, PROTOCOL = ".noUi-handle", "v1.kernel.websocket.jupyter.org"
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format bytes $bytes_sent; access_log {folder}/bytes.log bytes;
  gzip on; gzip_proxied any; gzip_min_length 500; gzip_comp_level 5;
  gzip_types text/css text/javascript application/javascript application/json image/svg+xml;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; types {{ }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade"; proxy_read_timeout 1h;
      proxy_set_header X-Real-IP 192.0.2.1;
    }}
  }}
}}
"""


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def opener(*more: Any) -> urllib.request.OpenerDirector:
    """Return what fetches pages from this machine, whatever proxy the office has."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *more)


@contextmanager
def server(plain: bool) -> Iterator[tuple[str, psutil.Process, float]]:
    """Yield address, process, and seconds from its start to a whole first page; ours once its pages are rehearsed."""
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
                opener().open(url + ("voila/render/index.ipynb" if plain else ""), timeout=120).read()
                break
            except OSError:
                time.sleep(0.1)
        started = time.perf_counter() - begun
        _rest(psutil.Process(process.pid))
        yield url, psutil.Process(process.pid), started
    finally:
        started_by_it = family(psutil.Process(process.pid))
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        for each in started_by_it:
            with contextlib.suppress(psutil.Error):
                each.kill()


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a server and all it started."""
    return [process, *process.children(recursive=True)]


def _rest(process: psutil.Process) -> None:
    """Wait until a server and its kernels work no more for six seconds on end."""
    end, still, before = time.monotonic() + READY_S, 0, -1.0
    while time.monotonic() < end and still < 3:
        time.sleep(2)
        now = 0.0
        for each in family(process):
            with contextlib.suppress(psutil.Error):
                now += sum(each.cpu_times()[:2])
        still = still + 1 if now - before < 0.2 else 0
        before = now


@contextmanager
def proxied(url: str) -> Iterator[tuple[str, Path]]:
    """Yield the address through nginx and where it writes how many bytes it sent; without it the address itself."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "bytes.log"
        if not found:
            yield url, log
            return
        port = free_port()
        conf = Path(folder) / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, port=port, behind=url.rsplit(":", 1)[1].strip("/")))
        process = subprocess.Popen([found, "-c", str(conf), "-e", f"{folder}/error.log"])
        try:
            time.sleep(1)
            yield f"http://127.0.0.1:{port}/", log
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


def open_page(page: Any, url: str) -> float:
    """Open a page; return seconds until a slider can be moved."""
    begun = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(HANDLE, timeout=120_000)
    spent = time.perf_counter() - begun
    page.wait_for_timeout(3000)  # what follows by itself belongs to the opening
    return spent


def _sent(log: Path, before: int) -> int:
    """Return the bytes nginx sent after so many; a socket stands in its log once it is closed."""
    time.sleep(1)
    return sum(map(int, log.read_text().split())) - before if log.exists() else -before


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


def browse(url: str, process: psutil.Process, opens: int, tabs: int) -> dict[str, float]:
    """Open the page with a cold and a warm browser cache, then open and close tabs."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS

    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    spent: dict[str, list[float]] = {"cold": [], "warm": []}
    sent: dict[str, list[int]] = {"cold": [], "warm": []}
    moves: list[tuple[float, float]] = []
    with sync_playwright() as play, proxied(url) as (through, log):
        browser = play.chromium.launch(executable_path=binary, args=FLAGS)
        for _ in range(opens):
            context = browser.new_context(viewport={"width": 1366, "height": 900})
            for cache in spent:
                page, before = context.new_page(), _sent(log, 0)
                spent[cache].append(open_page(page, through + PAGE))
                page.goto("about:blank")
                sent[cache].append(_sent(log, before))
                page.close()
                time.sleep(4)  # the pool fills again
            if len(moves) < MOST_MOVES:
                page = context.new_page()
                open_page(page, through + PAGE)
                moves += drag(page)
                page.close(run_before_unload=True)
            context.close()
        time.sleep(5)
        before, context = len(kernels(process)), browser.new_context()
        for _ in range(tabs):
            page = context.new_page()
            page.goto(through + PAGE)
            page.wait_for_selector(HANDLE, timeout=120_000)
            page.close(run_before_unload=True)
        left, waited = _left(process, before)
        browser.close()
    return {
        "open, browser cache cold: median s": statistics.median(spent["cold"]),
        "open, browser cache warm: median s": statistics.median(spent["warm"]),
        "first open: MB sent": statistics.median(sent["cold"]) / 1e6,
        "second open: MB sent": statistics.median(sent["warm"]) / 1e6,
        "slider to painted map, in the page: median ms": statistics.median(ms for ms, _ in moves),
        "  p95 ms": statistics.quantiles([ms for ms, _ in moves], n=20)[-1],
        "  of it the frame's own work: median ms": statistics.median(ms for _, ms in moves),
        f"kernels left by {tabs} closed tabs": left,
        "  seconds until the last was gone": waited,
    }


def _left(process: psutil.Process, before: int, most_s: float = 120) -> tuple[int, float]:
    """Wait until there are no more kernels than before; return how many are left, and the seconds waited."""
    begun = time.monotonic()
    while (left := len(kernels(process)) - before) > 0 and time.monotonic() - begun < most_s:
        time.sleep(0.5)
    return max(left, 0), time.monotonic() - begun


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

    @asynccontextmanager
    async def page(self) -> AsyncIterator[tuple[Any, str, dict[str, Any]]]:
        """Open the page, yield its socket, its slider and where that stands, and leave the page as a browser does."""
        from websockets.asyncio.client import connect

        jar = CookieJar()
        visit = opener(urllib.request.HTTPCookieProcessor(jar))
        fetching = asyncio.to_thread(lambda: visit.open(self.url + PAGE, timeout=PAGE_S).read().decode())
        fetched = await asyncio.wait_for(fetching, PAGE_S)  # the first is for each part, this for the whole
        kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', fetched).group(1)  # type: ignore[union-attr]
        cookies = {cookie.name: str(cookie.value) for cookie in jar}
        async with connect(
            f"{self.url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels?session_id=v",
            max_size=None,
            ping_timeout=None,
            origin=self.url.rstrip("/"),  # type: ignore[arg-type]
            additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
            subprotocols=[PROTOCOL],  # type: ignore[list-item]
        ) as channel:
            yield channel, *await self._slider(channel)
        bye = f"_xsrf={cookies.get('_xsrf', '')}".encode()
        with contextlib.suppress(urllib.error.HTTPError):  # plain Voila refuses who came by the page's own address
            await asyncio.to_thread(
                lambda: visit.open(f"{self.url}voila/api/shutdown/{kernel}", bye, timeout=60).read()
            )

    async def run(self, seconds: float, ready: asyncio.Barrier, measured: asyncio.Event) -> None:
        """Open the page, wait for the others, and move the slider until the time is over."""
        try:
            async with self.page() as (channel, slider, state):
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
            found = Frame(await asyncio.wait_for(channel.recv(), 60))
            states = found.content.get("data", {}).get("states", {}) if found.kind == "comm_msg" else {}
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
                found = Frame(await asyncio.wait_for(channel.recv(), 30))
                if found.kind == "stream" and "Traceback" in found.content["text"]:
                    self.errors.append(found.content["text"][-200:])
                if found.kind == "status" and found.answers(number) and found.content["execution_state"] == "idle":
                    break
            self.ticks.append(time.monotonic() - begun)
            if outcome := await self._settled(channel, begun):
                self.outcomes.append(outcome)

    async def _settled(self, channel: Any, begun: float) -> float:
        """Look for two seconds at least, until what follows has come whole; return when the last of it came."""
        last, idle = 0.0, time.monotonic() - begun
        while (left := (max(TICK_S, last + PAUSE_S) if last else PATIENCE_S) - (time.monotonic() - begun)) > 0:
            with contextlib.suppress(TimeoutError):
                update = Frame(await asyncio.wait_for(channel.recv(), left)).kind == "comm_msg"
                now = time.monotonic() - begun
                last = now if update and now > idle + RESTING_S else last  # before it, what the tick itself shows
        return last


class Frame:
    """Read a message as far as it is asked for: thirty viewers in one process must not wait for each other."""

    def __init__(self, frame: bytes) -> None:
        count = int.from_bytes(frame[:8], "little")
        self._frame, self._places = (
            frame,
            [int.from_bytes(frame[8 * n : 8 * n + 8], "little") for n in range(1, count + 1)],
        )
        self.kind = str(self._part(1)["msg_type"])

    def _part(self, at: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._frame[self._places[at] : self._places[at + 1]])
        return found

    @property
    def content(self) -> dict[str, Any]:
        """Return what it says."""
        return self._part(4)

    def answers(self, number: str) -> bool:
        """Tell whether it follows from a message of ours."""
        return self._part(2).get("msg_id") == number


async def gather(url: str, process: psutil.Process, viewers: int, seconds: float) -> dict[str, float]:
    """Let many viewers come at once and move; the kernels' own memory is taken while all are there."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(viewers))
    ready, measured = asyncio.Barrier(viewers + 1), asyncio.Event()
    crowd = [Viewer(url) for _ in range(viewers)]
    begun = time.perf_counter()
    tasks = [asyncio.create_task(viewer.run(seconds, ready, measured)) for viewer in crowd]
    opened, own = math.nan, math.nan
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
    errors = [error for viewer in crowd for error in viewer.errors]
    for error in sorted(set(errors))[:5]:
        print("   ", error)
    who = f"{viewers} viewers" if seconds else f"{viewers} at once"
    found = {f"{who}: seconds until all stand": opened, f"{who}: errors": len(errors)}
    if not seconds:
        return found
    for name in ("tick", "outcome"):
        seconds_of = sorted(each for viewer in crowd for each in getattr(viewer, f"{name}s"))
        found |= {
            f"{who}: {name}s": len(seconds_of),
            f"{who}: {name} median ms": _milliseconds(seconds_of, 0.5),
            f"{who}: {name} p95 ms": _milliseconds(seconds_of, 0.95),
        }
    return found | {
        f"{who}: fewest ticks of one": min((len(v.ticks) for v in crowd), default=0),
        f"{who}: memory of its own, median MB": own,
    }


async def visits(url: str, process: psutil.Process, times: int) -> dict[str, float]:
    """Open and leave the page so often; tell what the server and all it started hold before and after."""
    left, errors, begun = iter(range(times)), list[str](), time.perf_counter()

    async def come_and_go() -> None:
        for _ in left:
            try:
                async with Viewer(url).page():
                    pass
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}"[:200])

    _rest(process)
    before, held = len(kernels(process)), _held(process)
    begun = time.perf_counter()
    await asyncio.gather(*(come_and_go() for _ in range(AT_ONCE)))
    spent = time.perf_counter() - begun
    over, waited = await asyncio.to_thread(_left, process, before)
    _rest(process)
    for error in sorted(set(errors))[:5]:
        print("   ", error)
    after = _held(process)
    return {
        "visits": times, "visits: errors": len(errors), "visits: seconds for each": spent / max(times, 1),
        "visits: kernels left": over, "visits: seconds until the last was gone": waited,
        **{f"visits: {name}, MB before": each for name, each in held.items()},
        **{f"visits: {name}, MB after": each for name, each in after.items()},
    }  # fmt: skip


def _held(process: psutil.Process) -> dict[str, float]:
    """Return the memory of a server, of the process its kernels are forked from, and of the kernels that wait."""
    waiting = {kernel.pid for kernel in kernels(process)}
    out = dict.fromkeys(("server", "parent of kernels", "waiting kernels"), 0.0)
    for each in family(process):
        with contextlib.suppress(psutil.Error):
            name = (
                "server"
                if each.pid == process.pid
                else "waiting kernels"
                if each.pid in waiting
                else "parent of kernels"
            )
            out[name] += each.memory_full_info().pss / 1024**2
    return out


def _milliseconds(found: list[float], share: float) -> float:
    return 1000 * found[int(share * (len(found) - 1))] if found else math.nan


def measure(plain: bool, asked: argparse.Namespace) -> dict[str, float]:
    """Measure every part that is asked for, each on a server of its own, and print its figures as it ends."""
    parts: dict[str, Any] = {
        "opens": lambda url, process: browse(url, process, asked.opens, asked.tabs),
        "viewers": lambda url, process: asyncio.run(gather(url, process, asked.viewers, asked.seconds)),
        "burst": lambda url, process: asyncio.run(gather(url, process, asked.burst, 0)),
        "visits": lambda url, process: asyncio.run(
            visits(url, process, math.ceil(asked.visits / PLAIN_SHARE) if plain else asked.visits)
        ),
    }  # fmt: skip
    out: dict[str, float] = {}
    for name, part in parts.items():
        if not getattr(asked, name):
            continue
        with server(plain) as (url, process, started):
            load = os.getloadavg()[0]
            found = {"server start to first page: s": started} | part(url, process)
        found |= {f"load average before and after: {name}": load, f"  after {name}": os.getloadavg()[0]}
        print(
            f"{'plain Voila' if plain else 'ours'}, {name}: {json.dumps({k: round(v, 2) for k, v in found.items()})}",
            flush=True,
        )
        out = found | out
    return out


USUAL = {"viewers": 30, "seconds": 120, "burst": 50, "visits": 1000, "opens": 5, "tabs": 20}


def main() -> None:
    """Measure ours, and plain Voila if asked, and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help=f"everything, with {USUAL} and --plain")
    for name, usual in USUAL.items():
        parser.add_argument(f"--{name}", type=int, default=usual if name in ("seconds", "tabs") else 0)
    parser.add_argument("--plain", action="store_true", help="the same under Voila as it comes, beside ours")
    asked = parser.parse_args()
    if asked.all:
        asked = argparse.Namespace(**{name: getattr(asked, name) or usual for name, usual in USUAL.items()}, plain=True)
    columns = {"ours": measure(False, asked)} | ({"plain Voila": measure(True, asked)} if asked.plain else {})
    print(f"{'':56}" + "".join(f"{name:>14}" for name in columns))
    for row in columns["ours"]:
        print(f"{row:56}" + "".join(f"{column.get(row, math.nan):>14.2f}" for column in columns.values()))
    print(f"{os.cpu_count()} cores, {date.today()}")


if __name__ == "__main__":
    main()
