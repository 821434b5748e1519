"""Who is let in, what a page may ask of its kernel, and who may save."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import hypothesis
import psutil
import pytest
from hypothesis import strategies as st
from websockets.sync.client import connect

from balance_lib import visitor
from balance_lib.office.store import Stamp, Store, StoreError
from balance_lib.show import serve
from balance_lib.show.serve import forking, gate, handlers, roles
from tests.frames import PROTOCOL, message, read
from tests.serving import Served, write_notebook

PLANNER, VIEWER = "规划-token-5f1", "look-token-7a2"
PAGE = """
import os
import ipywidgets as W
from balance_lib.show.widgets.request import query
from balance_lib.office.store import Stamp, Store, StoreError
"""
SAVE = """
query()
try:
    done = Store.default().save_scenario("a: 1", name="n", author="a", county_id="c", stamp=Stamp())
except StoreError as refused:
    done = refused.message("en")
print("<<", os.environ["HTTP_BALANCE_ROLE"], len(done), done, [n for n in os.environ if "TOKEN" in n], ">>")
slider = W.IntSlider(value=3, min=0, max=9)
answer = W.HTML("")
slider.observe(lambda change: setattr(answer, "value", f"now {change['new']}"), "value")
W.VBox([slider, answer])
"""


# ---- pieces --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8866", True),
        ("192.168.3.7", True),
        ("[::1]:8866", True),
        ("LOCALHOST:1", True),
        ("balance.xian.gov.cn:443", True),
        ("balance.xian.gov.cn.", True),
        ("evil.example", False),
        ("balance.xian.gov.cn.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("a b", False),
        ("[", False),
    ],
)
def test_only_names_of_ours_are_answered(host: str, is_ours: bool) -> None:
    assert gate.welcome(host, gate.names(["Balance.xian.gov.cn"])) is is_ours


@pytest.mark.parametrize(
    ("peer", "said", "packed"),
    [("127.0.0.1", "127.0.0.1", False), ("127.0.0.1", "10.0.0.7", True), ("10.0.0.7", "127.0.0.1", True)],
)
def test_what_goes_to_another_machine_is_packed(peer: str, said: str, packed: bool) -> None:
    """Also behind a proxy on this one; nobody from elsewhere is believed to be here."""
    end = SimpleNamespace(context=SimpleNamespace(address=(peer, 1)))
    socket: Any = SimpleNamespace(request=SimpleNamespace(connection=end, remote_ip=said))
    assert (handlers.Channels.get_compression_options(socket) is not None) is packed


def test_viewers_need_planners_with_another_token() -> None:
    for token in (None, VIEWER):
        with pytest.raises(ValueError, match="--token"):
            serve.launch(token=token, viewer_token=VIEWER)


def test_roles_by_token() -> None:
    who = roles.Roles(token=PLANNER, viewer_token=VIEWER)
    assert [who.role_of_token(t) for t in (PLANNER, VIEWER, "", "x", PLANNER + " ")] == [
        "planner", "viewer", None, None, None,
    ]  # fmt: skip
    assert who.role(roles.User("planner")) == "planner"
    assert {who.role(user) for user in (None, roles.User("viewer"), roles.User("Anonymous"))} == {"viewer"}
    assert roles.Roles(token="").role(None) == "planner"  # nobody is asked: everybody may save


def test_viewer_writes_nothing_to_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "HTTP_" + visitor.HEADER.upper().replace("-", "_") == visitor.VARIABLE  # as Voila names a header
    store = Store.at(tmp_path / "s")
    kept = store.save_scenario("a: 1", name="n", author="a", county_id="c", stamp=Stamp())
    store.backup(tmp_path / "b.zip")
    monkeypatch.setenv(visitor.VARIABLE, visitor.VIEWER)
    for act in (
        lambda: store.save_scenario("a: 2", name="n", author="a", county_id="c", stamp=Stamp()),
        lambda: store.remove_scenario(kept, version=1, author="a", stamp=Stamp()),
        lambda: store.add_evidence("a.pdf", b"%PDF-1", who="a", county_id="c", stamp=Stamp()),
        lambda: store.restore(tmp_path / "b.zip", replace=True),
    ):
        with pytest.raises(StoreError) as refused:
            act()
        assert refused.value.rule == "viewer"
    assert store.scenario(kept).yaml == "a: 1"
    assert not (tmp_path / "s" / "evidence").exists()


@pytest.mark.skipif(not forking.known(), reason="forking needs Linux with process file descriptors")
def test_kernel_that_asks_for_too_much_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_client.manager import AsyncKernelManager

    from balance_lib.show.serve.kernels import NAME, SameInterpreter

    monkeypatch.setenv("BALANCE_ROOT", str(tmp_path))  # no county: the pages are rehearsed quickly
    code = (
        "try:\n    b = bytearray(2 << 30)\nexcept MemoryError:\n    b = b'no'\nb2 = bytearray(99 << 20)\nprint(len(b))"
    )

    async def run() -> str:
        out: list[str] = []
        manager = AsyncKernelManager(kernel_name=NAME, kernel_spec_manager=SameInterpreter())
        await manager.start_kernel(env={**os.environ, "BALANCE_KERNEL_MB": "1024"})
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            await client.execute_interactive(code, output_hook=lambda m: out.append(m["content"].get("text", "")))
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
        return "".join(out)

    try:
        assert asyncio.run(run()).strip() == "2"
    finally:
        forking.ForkProvisioner.zygote.close()


# ---- a server with both tokens -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, home = tmp_path_factory.mktemp("dashboards"), tmp_path_factory.mktemp("home")
    write_notebook(folder, "index", [PAGE, SAVE], title="首页")
    (home / "secret.csv").write_text("姓名", encoding="utf-8")
    Store.at(home / ".store").upgrade()
    tokens = {"BALANCE_TOKEN": PLANNER, "BALANCE_VIEWER_TOKEN": VIEWER, "BALANCE_HOME": str(home)}
    server = Served(folder, root=home, environment=tokens, hosts=["balance.xian.gov.cn"])
    yield server
    server.close()


def ask(served: Served, path: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Any:
    """Send a request as it stands: no client cleans its path."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, more)
    answer = connection.getresponse()
    answer.text = answer.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
    connection.close()
    return answer


def cookies(answer: Any) -> str:
    return "; ".join(c.split(";")[0] for c in answer.headers.get_all("Set-Cookie") or [])


@pytest.fixture(scope="module")
def planner(served: Served) -> tuple[str, str]:
    """Return a planner's kernel and cookies."""
    answer = ask(served, f"/voila/render/index.ipynb?token={quote(PLANNER)}")
    assert "&lt;&lt; planner" in answer.text
    return re.search(r'"kernelId": "([0-9a-f-]+)"', answer.text).group(1), cookies(answer)  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["cookie", "proxy"])
def test_viewer_cannot_save_and_is_told(served: Served, how: str) -> None:
    if how == "cookie":
        into = ask(served, f"/?token={VIEWER}")
        headers = {"Cookie": cookies(into), "Balance_Role": "planner"}  # what a visitor claims is not heard
    else:
        headers = {"Authorization": f"token {VIEWER}"}
    page = ask(served, "/voila/render/index.ipynb", **headers).text
    found = re.search(r"&lt;&lt; (.*?) &gt;&gt;", page)
    assert found is not None
    assert found.group(1).startswith("viewer")
    assert "for looking only" in found.group(1)


def test_planner_saves_and_no_kernel_holds_a_token(served: Served) -> None:
    page = ask(served, "/voila/render/index.ipynb", Authorization=f"token {quote(PLANNER)}")
    assert page.status == 302  # not the token itself
    page = ask(served, f"/voila/render/index.ipynb?token={quote(PLANNER)}").text
    found = re.search(r"&lt;&lt; planner 10 \w{10} \[\] &gt;&gt;", page)
    assert found is not None, re.findall(r"&lt;&lt;.*", page)


def test_forged_cookie_is_nobody(served: Served) -> None:
    name = f"username-127-0-0-1-{served.port}"
    forged = "2|1:0|10:1700000000|4:user|12:cGxhbm5lcg==|" + "0" * 64
    assert ask(served, "/voila/render/index.ipynb", Cookie=f'{name}="{forged}"').status == 302
    assert "/login" in ask(served, "/").headers["Location"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_foreign_name_gets_nothing(served: Served, host: str) -> None:
    for path in ("/", "/voila/render/index.ipynb", "/voila/balance/balance.css", "/voila/static/voila.js", "/login"):
        answer = ask(served, f"{path}?token={VIEWER}", Host=host)
        assert answer.status == 421
        assert "--allow-host" in answer.text
        assert answer.headers.get("Set-Cookie") is None
    assert ask(served, "/login", method="POST", body="password=x", Host=host).status == 421


def test_name_given_is_answered(served: Served) -> None:
    assert ask(served, "/login", Host="balance.xian.gov.cn").status == 200


ATTEMPTS = [
    "/voila/files/secret.csv", "/voila/files/..%2fsecret.csv", "/voila/files/%2e%2e/%2e%2e/etc/passwd",
    "/voila/files//etc/passwd", "/voila/static/../../../../etc/passwd", "/voila/static/..%2f..%2f..%2fetc/passwd",
    "/voila/static/%2fetc%2fpasswd", "/voila/templates/balance/static/../../../../../app.py",
    "/voila/templates/balance/static/..%2findex.html.j2", "/voila/templates/..%2f..%2f..%2f..%2fetc/passwd",
    "/voila/labextensions/..%2f..%2fetc/passwd", "/voila/api/themes/..%2f..%2f..%2fetc/passwd",
    "/voila/balance/../files/secret.csv", "/voila/balance/%2e%2e%2fapp.py", "/voila/render/..%2f..%2fx.ipynb",
    "/voila/render/%2fetc%2fpasswd", "/voila/render/index.ipynb%00.csv", "/voila/tree", "/voila/api/contents",
    "/voila/api/contents/index.ipynb", "/api/contents", "/api/contents/index.ipynb", "/api/kernels", "/api/kernelspecs",
    "/api/sessions", "/api/terminals", "/api/status", "/api/me", "/files/secret.csv", "/files/index.ipynb",
    "/static/../secret.csv", "/nbconvert/html/index.ipynb", "/view/index.ipynb", "/lab", "/tree",
    "/notebooks/index.ipynb", "/terminals/websocket/1", "/metrics", "/.store/balance.sqlite",
    "/voila/execution/00000000-0000-0000-0000-000000000000",
    "//etc/passwd", "/..%2f..%2fetc/passwd", "/index.ipynb", "/voila/render/secret.csv",
]  # fmt: skip


@pytest.mark.parametrize("path", ATTEMPTS)
def test_nothing_but_pages_is_handed_out(served: Served, planner: tuple[str, str], path: str) -> None:
    answer = ask(served, path, Cookie=planner[1])
    for _ in range(3):
        if answer.status not in (301, 302):
            break
        place = urlsplit(answer.headers["Location"])
        assert place.netloc == ""
        answer = ask(served, place.path, Cookie=planner[1])
    assert answer.status >= 400
    for secret in ("姓名", "root:", "SAVE", "save_scenario", "def ", "SQLite format", "Traceback"):
        assert secret not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/kernels"),
        ("PUT", "/api/kernels"),
        ("DELETE", "/api/kernels/{kernel}"),
        ("PATCH", "/api/kernels/{kernel}"),
        ("POST", "/api/kernels/{kernel}/restart"),
        ("POST", "/api/kernels/{kernel}/interrupt"),
        ("POST", "/api/sessions"),
        ("POST", "/api/terminals"),
        ("PUT", "/api/contents/x.ipynb"),
        ("POST", "/voila/render/index.ipynb"),
        ("POST", "/voila/api/shutdown/{kernel}"),  # with no proof that our own page asks
    ],
)
def test_kernels_are_not_commanded_over_http(served: Served, planner: tuple[str, str], method: str, path: str) -> None:
    kernel, cookie = planner
    body = json.dumps({"name": "python3"})
    for more in ({"Cookie": cookie}, {"Cookie": cookie, "Origin": "http://evil.example"}):
        answer = ask(served, path.format(kernel=kernel), method=method, body=body, **more)
        assert answer.status in (403, 404, 405)
    assert ask(served, f"/api/kernels/{kernel}", Cookie=cookie).status == 200


def test_stranger_learns_nothing_of_a_kernel(served: Served, planner: tuple[str, str]) -> None:
    assert ask(served, f"/api/kernels/{planner[0]}").status in (302, 403)


def test_socket_runs_no_code_and_moves_a_slider(served: Served, planner: tuple[str, str], tmp_path: Path) -> None:
    kernel, cookie = planner
    address = f"ws://127.0.0.1:{served.port}/api/kernels/{kernel}/channels?session_id=s"
    origin: Any = f"http://127.0.0.1:{served.port}"
    touched = tmp_path / "touched"
    code = f"open({str(touched)!r}, 'w')"
    with connect(address, additional_headers={"Cookie": cookie}, origin=origin, subprotocols=[PROTOCOL]) as socket:

        def until(kind: str) -> dict[str, Any]:
            while True:
                found, content = read(socket.recv(timeout=20))
                if found == kind:
                    return content

        for channel in ("shell", "control"):
            socket.send(message("execute_request", {"code": code, "silent": False}, channel))
            socket.send(message("debug_request", {"command": "evaluate", "arguments": {"expression": code}}, channel))
            socket.send(message("shutdown_request", {"restart": False}, channel))
            socket.send(message("interrupt_request", {}, channel))
        socket.send(message("inspect_request", {"code": "Store", "cursor_pos": 1, "detail_level": 1}))
        socket.send(message("complete_request", {"code": "os.", "cursor_pos": 3}))
        socket.send(message("history_request", {"hist_access_type": "tail", "n": 9}))
        socket.send(message("input_reply", {"value": code}, "stdin"))
        socket.send(message("comm_open", {"comm_id": "evil", "target_name": "os", "target_module": "os", "data": {}}))
        state = {"_model_module": "os", "_model_name": "system", "_view_name": code}
        data = {"state": state, "buffer_paths": []}
        socket.send(message("comm_open", {"comm_id": "e2", "target_name": "jupyter.widget", "data": data}))
        socket.send(message("comm_open", {"comm_id": "c", "target_name": "jupyter.widget.control", "data": {}}))
        socket.send(message("comm_msg", {"comm_id": "c", "data": {"method": "request_states"}}))
        states: dict[str, Any] = {}
        while not states:
            states = until("comm_msg")["data"].get("states", {})
        sliders = [model for model, found in states.items() if found["model_name"] == "IntSliderModel"]
        move = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
        socket.send(message("comm_msg", {"comm_id": sliders[0], "data": move}))
        while until("comm_msg")["data"].get("state", {}).get("value") != "now 7":
            pass
    assert not touched.exists()
    assert ask(served, f"/api/kernels/{kernel}", Cookie=cookie).status == 200


@pytest.mark.skipif(os.name == "nt", reason="Windows has no sockets of the file system that Jupyter speaks over")
def test_kernels_take_no_port_that_another_may_have_taken(served: Served, planner: tuple[str, str]) -> None:
    """Ports are chosen before they are bound: of some hundred kernels one found its own taken, and its page never came.

    One port is left to each kernel, for what its children print: the system chooses it as it is bound.
    """
    kernels = psutil.Process(served.process.pid).children(recursive=True)
    listening = [
        [found.laddr.port for found in each.net_connections("inet") if found.status == psutil.CONN_LISTEN]
        for each in kernels
    ]
    assert any(listening) and max(map(len, listening)) <= 1


PIECES = [
    "voila", "render", "index.ipynb", "files", "static", "templates", "balance", "api", "kernels", "login", "..", ".",
    "", "%2e%2e", "%2f", "%00", "%", "%zz", "?", "?lang=", "?county=", "?token=", "&", "#", "\\", "%ff", "9" * 300,
    "县", "{0}",
]  # fmt: skip
PATHS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=7).map("/".join)
METHODS = st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "FOO"])


@hypothesis.settings(max_examples=int(os.environ.get("BALANCE_FUZZ", "60")), deadline=None)
@hypothesis.given(method=METHODS, path=PATHS, mine=st.booleans())
@hypothesis.example(method="GET", path="?lang=/%ff", mine=True)
@hypothesis.example(method="GET", path="voila/render/index.ipynb%00?county=%ff", mine=True)
def test_any_request_gets_a_sane_answer(
    served: Served, planner: tuple[str, str], method: str, path: str, mine: bool
) -> None:
    hypothesis.assume("render/index.ipynb" not in path)  # that starts a kernel; see below
    line = "/" + "".join(c if "!" <= c <= "~" else quote(c.encode("utf-8", "surrogatepass")) for c in path)
    headers = {"X-Real-IP": "203.0.113.40"}  # the passwords it guesses lock out nobody else
    headers |= {"Cookie": planner[1]} if mine else {}
    try:
        answer = ask(served, line, method=method, body="x=1", **headers)
    except http.client.BadStatusLine:  # what is no HTTP is hung up on
        answer = None
    if answer is not None:
        assert answer.status < 500 or answer.status == 501, (method, line)
        for secret in ("Traceback", "姓名", "root:", "site-packages", "SQLite format"):
            assert secret not in answer.text
    assert served.process.poll() is None


def test_any_choice_in_the_address_opens_the_page(served: Served, planner: tuple[str, str]) -> None:
    nasty = ["../../etc/passwd", "%00", "²", "<script>alert(1)</script>", "9" * 3000, "%ff", "';--", "{0.__class__}"]
    names = ["county", "year", "standard", "lang"] * 2
    query = "&".join(f"{name}={value}" for name, value in zip(names, nasty, strict=True))
    answer = ask(served, f"/voila/render/index.ipynb?{quote(query, safe='=&%')}", Cookie=planner[1])
    assert answer.status == 200
    assert "&lt;&lt; planner" in answer.text
    for leak in ("Traceback", "<script>alert", "bl-failed"):
        assert leak not in answer.text


def test_socket_of_another_site_or_without_login_is_refused(served: Served, planner: tuple[str, str]) -> None:
    from websockets.exceptions import InvalidStatus

    kernel, cookie = planner
    address = f"ws://127.0.0.1:{served.port}/api/kernels/{kernel}/channels?session_id=s"
    own = f"http://127.0.0.1:{served.port}"
    for headers, origin in (({"Cookie": cookie}, "http://evil.example"), ({}, own),
                            ({"Authorization": f"token {VIEWER}"}, "http://evil.example")):  # fmt: skip
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers=headers, origin=origin, subprotocols=[PROTOCOL]).close()  # type: ignore[arg-type]
        assert refused.value.response.status_code in (302, 403)


def test_older_frames_that_hold_up_the_server_are_refused(served: Served, planner: tuple[str, str]) -> None:
    from websockets.exceptions import InvalidStatus

    kernel, cookie = planner
    address = f"ws://127.0.0.1:{served.port}/api/kernels/{kernel}/channels?session_id=s"
    with pytest.raises(InvalidStatus) as refused:
        connect(address, additional_headers={"Cookie": cookie}).close()
    assert refused.value.response.status_code == 400


def test_log_and_command_line_hold_no_token(served: Served) -> None:
    ask(served, f"/voila/render/index.ipynb?token={VIEWER}&x=%ff%fe")
    ask(served, f"/login?token={VIEWER}", method="POST", body="password=wrong")
    ask(served, f"/voila/api/shutdown/x?token={VIEWER}", method="POST")
    log = "".join(served.log)
    for token in (PLANNER, quote(PLANNER), VIEWER):
        assert token not in log
        assert token not in " ".join(served.process.args)  # type: ignore[arg-type]
    assert sys.executable in served.process.args  # type: ignore[operator]
