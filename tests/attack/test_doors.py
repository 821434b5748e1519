"""What an attacker at the network tries: sockets without login, requests that never end, guessing, another's kernel."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import tornado.httpclient
import tornado.netutil
import tornado.web
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from balance_lib.show.serve import connections, forking, lockout
from tests.frames import PROTOCOL, message, read
from tests.serving import Served, write_notebook

PLANNER, VIEWER = "plan-token-9d2", "look-token-3c4"
PAGE = """
import os
import ipywidgets as W
from balance_lib.show.widgets.request import query
if query().get("end"):
    os.kill(os.getpid(), 9)
def burst(change):
    print("secret of the server")
    raise RuntimeError("in the folder of the server")
slider = W.IntSlider(value=3, min=0, max=9)
answer = W.HTML("")
slider.observe(burst, "value")
slider.observe(lambda change: setattr(answer, "value", f"now {change['new']}"), "value")
W.VBox([slider, answer])
"""


# ---- pieces --------------------------------------------------------------------------------------------------------


def test_guessing_gets_slower_by_source_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    lock = lockout.Lockout(clock=lambda: now[0])
    tried = 0
    with caplog.at_level(logging.WARNING):
        while now[0] < 3600:
            if lock.wait_s("10.0.0.9") == 0:
                lock.failed("10.0.0.9")
                tried += 1
            now[0] += 1.0
    assert tried < 20
    assert lock.wait_s("10.0.0.8") == 0  # nobody else waits
    assert "10.0.0.9" in caplog.text
    now[0] += lockout.LONGEST_S
    assert lock.wait_s("10.0.0.9") == 0
    now[0] += lockout.FORGET_S
    lock.failed("10.0.0.9")
    assert lock.wait_s("10.0.0.9") == 0


def test_one_who_mistypes_keeps_a_bureau_behind_one_address_waiting_a_minute_at_most() -> None:
    now = [0.0]
    lock = lockout.Lockout(clock=lambda: now[0])
    lock.passed("10.0.0.9")  # a colleague, in the morning
    for _ in range(50):
        lock.failed("10.0.0.9")
        assert lock.wait_s("10.0.0.9") <= lockout.LONGEST_KNOWN_S
    now[0] += lockout.LONGEST_KNOWN_S
    assert lock.wait_s("10.0.0.9") == 0


def test_whoever_has_the_viewers_password_does_not_guess_the_planners_for_ever() -> None:
    now = [0.0]
    lock = lockout.Lockout(clock=lambda: now[0])
    tried = 0
    while now[0] < 3600:
        if lock.wait_s("10.0.0.9") == 0:
            lock.passed("10.0.0.9")
            lock.failed("10.0.0.9")
            tried += 1
        now[0] += 1.0
    assert tried < 70  # once a minute, not as fast as one can type


@pytest.mark.parametrize(
    ("peer", "named", "source"),
    [("10.1.1.1", "8.8.8.8", "10.1.1.1"), ("127.0.0.1", "8.8.8.8", "8.8.8.8"), ("::1", "8.8.8.8", "8.8.8.8")],
)
def test_a_source_is_not_forged_from_elsewhere(peer: str, named: str, source: str) -> None:
    context = SimpleNamespace(address=(peer, 5))
    assert lockout.source_of(SimpleNamespace(connection=SimpleNamespace(context=context), remote_ip=named)) == source


def test_a_log_is_not_flooded() -> None:
    sparing = connections.Sparing()
    flood = [logging.LogRecord("x", 40, "p", 7, "again %s", (n,), None) for n in range(1000)]
    assert sum(map(sparing.filter, flood)) == connections.PER_MINUTE
    assert sparing.filter(logging.LogRecord("x", 40, "p", 8, "another", (), None))


class Hello(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("hello")

    post = get


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nab",
     b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nab",
     b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000],
    ids=["nothing", "half a head", "half a body", "100 MB", "long head"],
)  # fmt: skip
def test_what_never_ends_is_hung_up_on_and_nobody_waits_for_it(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", 0.4)
    monkeypatch.setattr(connections, "BODY_S", 0.4)

    async def rest(reader: asyncio.StreamReader) -> bytes:
        try:
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            return b""

    async def run() -> tuple[list[bytes], bytes, int]:
        server = connections.BoundedServer(tornado.web.Application([("/", Hello)]), most=50)
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]  # more than there may be
        for _, writer in ends:
            writer.write(sent)
        left = [await rest(reader) for reader, _ in ends]
        found = await tornado.httpclient.AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/")
        for _, writer in ends:
            writer.close()
        await asyncio.sleep(0.6)
        held = server._clients.total()
        server.stop()
        return left, found.body, held

    left, body, held = asyncio.run(run())
    assert len(left) == 60 and not any(b"hello" in answer for answer in left)
    assert body == b"hello"
    assert held == 0


def test_one_client_does_not_take_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    server = connections.BoundedServer(tornado.web.Application(), most=1000)
    monkeypatch.setattr(connections.HTTPServer, "handle_stream", lambda *_: None)
    closed: list[str] = []
    stream: Any = SimpleNamespace(close=lambda: closed.append("x"))
    for _ in range(connections.PER_CLIENT + 50):
        server.handle_stream(stream, ("10.0.0.9", 1))
    assert len(closed) == 50
    server.handle_stream(stream, ("10.0.0.8", 1))
    assert len(closed) == 50


# ---- the server as it runs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("dashboards")
    write_notebook(folder, "index", [PAGE], title="首页")
    home = tmp_path_factory.mktemp("home")
    tokens = {"BALANCE_TOKEN": PLANNER, "BALANCE_VIEWER_TOKEN": VIEWER, "BALANCE_HOME": str(home)}
    server = Served(folder, root=home, environment=tokens)
    yield server
    server.close()


def ask(served: Served, path: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.text = answer.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
    connection.close()
    return answer


def opened(served: Served, token: str, **headers: str) -> tuple[str, str]:
    """Open the page; return its kernel and the visitor's cookies."""
    answer = ask(served, f"/voila/render/index.ipynb?token={quote(token)}", **headers)
    assert answer.status == 200
    kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', answer.text)
    assert kernel is not None
    return kernel.group(1), "; ".join(c.split(";")[0] for c in answer.headers.get_all("Set-Cookie") or [])


def test_strangers_do_not_stand_in_for_warm_kernels(served: Served) -> None:
    address = f"ws://127.0.0.1:{served.port}/voila/query/{{}}"
    for n in range(20):
        for headers in ({}, {"Balance-Server-Key": "guess"}):
            place = address.format(f"00000000-0000-0000-0000-{n:012d}")
            with pytest.raises(InvalidStatus) as refused, connect(place, additional_headers=headers):
                pass
            assert refused.value.response.status_code == 403
    begun = time.perf_counter()
    opened(served, PLANNER)
    assert time.perf_counter() - begun < 30


def test_a_kernel_answers_to_its_own_visitor_only(served: Served) -> None:
    kernel, own = opened(served, PLANNER)
    _, viewer = opened(served, VIEWER)
    _, colleague = opened(served, PLANNER)
    assert ask(served, f"/api/kernels/{kernel}", Cookie=own).status == 200
    address = f"ws://127.0.0.1:{served.port}/api/kernels/{kernel}/channels?session_id=s"
    origin: Any = f"http://127.0.0.1:{served.port}"
    for cookie in (viewer, colleague):
        assert ask(served, f"/api/kernels/{kernel}", Cookie=cookie).status == 403
        xsrf = re.search(r"_xsrf=([^;]+)", cookie)
        assert xsrf is not None
        ended = ask(served, f"/voila/api/shutdown/{kernel}", method="POST", Cookie=cookie, X_XSRFToken=xsrf.group(1))
        assert ended.status == 403
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers={"Cookie": cookie}, origin=origin, subprotocols=[PROTOCOL]).close()
        assert refused.value.response.status_code == 403
    with connect(address, additional_headers={"Cookie": own}, origin=origin, subprotocols=[PROTOCOL]):
        pass


@pytest.mark.parametrize(
    "frame",
    ["text", b"", b"x", (2**63 - 1).to_bytes(8, "little"), (10**9).to_bytes(8, "little") + b"\0" * 80,
     (5).to_bytes(8, "little") + b"\xff" * 40],
    ids=["text", "nothing", "a byte", "parts without end", "a thousand million parts", "parts beyond the frame"],
)  # fmt: skip
def test_a_frame_that_is_none_holds_up_nobody(served: Served, frame: str | bytes) -> None:
    """Jupyter walks through as many parts as a frame claims: one frame of a viewer's stopped the whole server.

    What follows it before the socket is closed counts as well: it was taken for older frames of 100 million parts each.
    """
    kernel, cookie = opened(served, VIEWER)
    address = f"ws://127.0.0.1:{served.port}/api/kernels/{kernel}/channels?session_id=s"
    origin = f"http://127.0.0.1:{served.port}"
    with connect(address, additional_headers={"Cookie": cookie}, origin=origin, subprotocols=[PROTOCOL]) as socket:  # type: ignore[arg-type]
        with contextlib.suppress(ConnectionClosed):
            for each in (frame, *[message("comm_info_request", {})] * 8):
                socket.send(each)
        begun = time.monotonic()
        assert ask(served, "/login").status == 200 and time.monotonic() - begun < 10


def test_what_a_kernel_prints_or_fails_with_stays_on_the_server(served: Served) -> None:
    kernel, cookie = opened(served, PLANNER)
    address = f"ws://127.0.0.1:{served.port}/api/kernels/{kernel}/channels?session_id=s"
    origin: Any = f"http://127.0.0.1:{served.port}"
    seen = b""
    with connect(address, additional_headers={"Cookie": cookie}, origin=origin, subprotocols=[PROTOCOL],
                 max_size=None) as channel:  # fmt: skip
        channel.send(message("comm_open", {"comm_id": "c", "target_name": "jupyter.widget.control", "data": {}}))
        channel.send(message("comm_msg", {"comm_id": "c", "data": {"method": "request_states"}}))
        states: dict[str, Any] = {}
        while not states:
            kind, content = read(channel.recv(timeout=20))
            states = content["data"].get("states", {}) if kind == "comm_msg" else {}
        slider = next(model for model, found in states.items() if found["model_name"] == "IntSliderModel")
        odd: list[Any] = [7, "x", None, [1], {"a": 1}, 1e99, -5]
        for value in odd:
            move = {"method": "update", "state": {"value": value}, "buffer_paths": []}
            channel.send(message("comm_msg", {"comm_id": slider, "data": move}))
        channel.send(message("comm_msg", {"comm_id": slider, "data": {"method": "update", "state": 5}}))
        channel.send(message("comm_msg", {"comm_id": slider, "data": []}))
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                frame = channel.recv(timeout=0.5)
            except TimeoutError:
                continue
            seen += frame if isinstance(frame, bytes) else frame.encode()
    for leak in (b"Traceback", b"secret of the server", b"site-packages", b"in the folder of the server"):
        assert leak not in seen
    assert "in the folder of the server" in "".join(served.log)


@pytest.mark.parametrize("path", ["/voila/templates/balance/static[..]", "/voila/templates/balance/static",
                                  "/voila/templates/x", "/voila/templates/balance/static/%00.css",
                                  "/voila/templates/%00/static/page.js", "/voila/render/index.ipynb%00.css",
                                  "/voila/templates/balance/static/" + "a" * 3000, "/voila/static/%00"])  # fmt: skip
def test_addresses_that_are_none_are_not_found(served: Served, path: str) -> None:
    _, cookie = opened(served, VIEWER) if path.startswith("/voila/render") else ("", "")
    assert ask(served, path, Cookie=cookie).status in (400, 403, 404)


@pytest.mark.skipif(not forking.known(), reason="forking needs Linux with process file descriptors")
def test_after_the_kernels_parent_is_killed_the_next_page_opens_at_once(served: Served) -> None:
    opened(served, PLANNER)
    zygotes = [
        p for p in psutil.Process(served.process.pid).children() if "balance_lib.show.serve.zygote" in p.cmdline()
    ]
    assert zygotes
    time.sleep(3)  # a warm kernel waits again
    zygotes[0].kill()
    begun = time.perf_counter()
    opened(served, PLANNER)
    assert time.perf_counter() - begun < 15


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_who_waits_for_a_page_whose_kernel_dies_is_told_so(served: Served) -> None:
    """A kernel that is started anew at once is empty: its death was never noticed, and the page never came."""
    for _ in range(3):
        begun = time.perf_counter()
        answer = ask(served, f"/voila/render/index.ipynb?token={quote(PLANNER)}&end=1")
        assert time.perf_counter() - begun < 15
        assert "data-cell-error" in answer.text and "这一部分没有显示出来" in answer.text


def test_guessing_over_the_network_is_stopped_and_an_open_page_goes_on(served: Served) -> None:
    kernel, cookie = opened(served, PLANNER)
    statuses = []
    for n in range(12):
        page = ask(served, "/login", X_Real_IP="203.0.113.7")
        xsrf = re.search(r"_xsrf=([^;]+)", page.headers["Set-Cookie"] or "")
        assert xsrf is not None
        statuses.append(
            ask(served, "/login", method="POST", body=f"password=guess{n}&_xsrf={quote(xsrf.group(1))}",
                Cookie=f"_xsrf={xsrf.group(1)}", X_Real_IP="203.0.113.7",
                Content_Type="application/x-www-form-urlencoded").status
        )  # fmt: skip
    assert statuses[:5] == [401] * 5 and set(statuses[5:]) == {429}
    assert ask(served, f"/?token={PLANNER}", X_Real_IP="203.0.113.7").status == 429  # nor is the right one looked at
    assert ask(served, f"/api/kernels/{kernel}", Cookie=cookie, X_Real_IP="203.0.113.7").status == 200
    assert ask(served, f"/?token={PLANNER}", X_Real_IP="203.0.113.8").status == 302
    assert "203.0.113.7" in "".join(served.log) and "guess" not in "".join(served.log)


def test_cookies_are_not_sent_from_other_sites(served: Served) -> None:
    answer = ask(served, f"/voila/render/index.ipynb?token={PLANNER}")
    made = answer.headers.get_all("Set-Cookie")
    assert len(made) >= 3
    assert all("samesite=" in cookie.lower() for cookie in made)


def test_a_large_form_is_hung_up_on_before_it_is_read(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as end:
        end.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\npassword=")
        while end.recv(1000):
            pass


def test_nothing_of_this_ended_the_server(served: Served, tmp_path: Path) -> None:
    assert served.process.poll() is None
    assert ask(served, "/login").status == 200
