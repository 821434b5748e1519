"""The proxy that docs/operating.en.md describes: HTTPS, a path of its own, people's roles, the kernel's socket."""

from __future__ import annotations

import base64
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.frames import PROTOCOL, message, read
from tests.serving import Served, write_notebook

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(not (NGINX and OPENSSL), reason="nginx and openssl are not installed")
NAME, PLANNER, VIEWER = "balance.example.gov.cn", "plan-token", "look-token"
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "operating.en.md"
PAGE = """
import os
from balance_lib.show.widgets.request import query
query(); print("<<", os.environ["HTTP_BALANCE_ROLE"], ">>")
"""


def configuration(folder: Path, port: int, behind: int) -> str:
    """Return the documented configuration with this machine's ports and files, and people's names asked for."""
    text = DOCUMENT.read_text(encoding="utf-8")
    block = re.search(r"^    log_format.*?^    }\n(?=\n[^ ])", text, re.M | re.S)
    roles = re.search(r"^    map \$remote_user.*$", text, re.M)
    header = re.search(r"proxy_set_header Authorization.*;", text)
    assert block and roles and header
    server = block.group().replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    server = server.replace("127.0.0.1:8866", f"127.0.0.1:{behind}")
    server = server.replace("/var/log/nginx/balance.log", f"{folder}/access.log")
    server = server.replace("/etc/ssl/balance.pem", f"{folder}/c.pem").replace(
        "/etc/ssl/private/balance.key", f"{folder}/c.key"
    )
    who = f'auth_basic "balance"; auth_basic_user_file {folder}/users; {header.group()}'
    server = server.replace("proxy_read_timeout 1h;", f"proxy_read_timeout 1h; {who}")
    places = " ".join(f"{k}_temp_path {folder}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root; " if os.getuid() == 0 else ""  # the workers must read the files of the test
    http_block = f"http {{ access_log off; {places}\n{roles.group()}\n{server}\n}}"
    return f"{user}daemon off; pid {folder}/pid; events {{}}\n{http_block}"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Yield the port of nginx in front of a server."""
    folder, pages = tmp_path_factory.mktemp("nginx"), tmp_path_factory.mktemp("dashboards")
    write_notebook(pages, "index", [PAGE], title="首页")
    (folder / "users").write_text("wang:{PLAIN}a\nguest:{PLAIN}b\n")
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    subprocess.run(
        [str(OPENSSL), *new, "-keyout", folder / "c.key", "-out", folder / "c.pem"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    tokens = {"BALANCE_TOKEN": PLANNER, "BALANCE_VIEWER_TOKEN": VIEWER}
    server = Served(pages, pool=0, environment=tokens, base_url="/balance/", hosts=[NAME])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(configuration(folder, port, server.port), encoding="utf-8")
    process = subprocess.Popen([str(NGINX), "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "error.log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        server.close()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask(port: int, path: str, who: str, host: str = NAME) -> Any:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trusting())
    login = base64.b64encode(who.encode()).decode()
    connection.request(
        "GET", path, headers={"Host": host, "Authorization": f"Basic {login}", "Accept-Encoding": "gzip"}
    )
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


@pytest.mark.parametrize(("who", "role"), [("wang:a", "planner"), ("guest:b", "viewer")])
def test_people_get_their_role_from_the_proxy(proxied: int, who: str, role: str) -> None:
    import gzip

    first = ask(proxied, "/balance/", who)
    assert first.headers["Location"] == "/balance/voila/render/index.ipynb"
    answer = ask(proxied, first.headers["Location"], who)
    assert answer.status == 200
    page = (gzip.decompress(answer.body) if answer.headers["Content-Encoding"] == "gzip" else answer.body).decode()
    assert f"&lt;&lt; {role} &gt;&gt;" in page
    cookies = answer.headers.get_all("Set-Cookie")
    assert "Secure" in next(cookie for cookie in cookies if cookie.startswith("username"))  # people come by HTTPS
    kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', page).group(1)  # type: ignore[union-attr]
    headers = {"Authorization": "Basic " + base64.b64encode(who.encode()).decode()}
    address = f"wss://127.0.0.1:{proxied}/balance/api/kernels/{kernel}/channels?session_id=s"
    origin: Any = f"https://127.0.0.1:{proxied}"
    asked: Any = {"origin": origin, "ssl": trusting(), "subprotocols": [PROTOCOL]}
    with pytest.raises(InvalidStatus):  # who has the kernel's id and not the visitor's cookie
        connect(address, additional_headers=headers, **asked)
    headers["Cookie"] = "; ".join(cookie.split(";")[0] for cookie in cookies)
    with connect(address, additional_headers=headers, **asked) as channel:
        channel.send(message("kernel_info_request", {}))
        kinds = set()
        while "kernel_info_reply" not in kinds:
            kinds.add(read(channel.recv(timeout=20))[0])


def test_nobody_comes_in_without_a_name_or_under_a_foreign_host(proxied: int) -> None:
    assert ask(proxied, "/balance/", "wang:wrong").status == 401
    assert ask(proxied, "/balance/", "wang:a", host="evil.example").status == 421


def test_assets_are_kept_by_the_browser_and_small(proxied: int) -> None:
    answer = ask(proxied, "/balance/voila/balance/plotly.mjs?v=1", "guest:b")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < 2_000_000
    assert "immutable" in answer.headers["Cache-Control"]
