"""The server: what it lets through, what it refuses, and that it starts and stops cleanly."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from balance_lib import palette, shipped
from balance_lib._errors import NotFoundError
from balance_lib.show import serve
from balance_lib.show.serve import kernels, settings
from balance_lib.show.widgets import style
from tests.serving import Served, write_notebook

FACTS = """
import os, sys
from balance_lib.show.widgets.request import language, query
"""
PRINT = """
asked = query()
print("<<", sys.executable, os.environ["BALANCE_ROOT"], asked, language(asked), ">>")
"""


# ---- pieces --------------------------------------------------------------------------------------------------------


def test_shipped_finds_the_checkout_and_prefers_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "balance_lib"
    for folder in ("site/dashboards", "site/balance_lib/_shipped/dashboards", "site/data/demo"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(shipped, "PACKAGE", package)
    assert shipped.shipped("dashboards") == package / "_shipped" / "dashboards"
    assert shipped.shipped("demo") == tmp_path / "site" / "data" / "demo"
    with pytest.raises(NotFoundError):
        shipped.shipped("nothing")


def test_shipped_says_when_the_folder_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "balance_lib")
    with pytest.raises(NotFoundError, match="dashboards"):
        shipped.shipped("dashboards")


def test_pages_stand_in_their_order_with_both_titles(tmp_path: Path) -> None:
    write_notebook(tmp_path, "zeta", [], title="末", title_en="Last", order=9)
    write_notebook(tmp_path, "alpha", [], title="中", title_en="Middle", order=2)
    write_notebook(tmp_path, "plain", [])
    write_notebook(tmp_path, "index", [], title="首页", title_en="Home")
    found = settings.pages(tmp_path)
    assert [page.name for page in found] == ["index", "alpha", "zeta", "plain"]
    assert found[0].as_dict() == {"name": "index", "zh": "首页", "en": "Home"}
    assert (found[3].title_zh, found[3].title_en) == ("plain", "plain")


def _policy(host: str) -> dict[str, list[str]]:
    rules = (rule.split() for rule in settings.content_security_policy(host).split("; "))
    return {name: values for name, *values in rules}


def test_policy_lets_nothing_in_from_outside() -> None:
    policy = _policy("127.0.0.1:8866")
    assert policy["script-src"] == ["'self'", "blob:"]  # no inline script, no eval
    assert policy["connect-src"] == ["'self'", "ws://127.0.0.1:8866", "wss://127.0.0.1:8866"]
    everything = {value for values in policy.values() for value in values}
    assert not any(value.startswith(("http", "*")) for value in everything)


@pytest.mark.parametrize("host", ["", "a.cn; script-src *", "a b", "x,y", "a'b"])
def test_policy_is_not_written_by_the_visitor(host: str) -> None:
    assert _policy(host)["connect-src"] == ["'self'"]


def test_taken_port_leads_to_the_next() -> None:
    from balance_lib.show.serve import app

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        held = app.hold_port(port, "127.0.0.1")
        try:
            assert port < held[0].getsockname()[1] <= port + app.TRIES
        finally:
            for one in held:
                one.close()


def test_no_port_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from balance_lib.show.serve import app

    monkeypatch.setattr(app, "TRIES", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="--port"):
            app.hold_port(taken.getsockname()[1], "127.0.0.1")


def test_foreign_address_is_an_error_of_its_own() -> None:
    from balance_lib.show.serve import app

    with pytest.raises(OSError, match="assign"):
        app.hold_port(0, "203.0.113.7")


def test_kernel_is_this_interpreter_only() -> None:
    manager = kernels.SameInterpreter()
    assert list(manager.get_all_specs()) == ["python3"]
    assert manager.get_kernel_spec("python3").argv[0] == sys.executable
    with pytest.raises(Exception, match="julia"):
        manager.get_kernel_spec("julia")


def test_command_line_holds_everything_but_the_token() -> None:
    options = {"port": 1, "ip": "0.0.0.0", "base_url": "/b", "lang": "en", "dashboards": "/d", "pool": 2}
    line = serve.command("/c", open_browser=True, **options)
    assert line[:3] == [sys.executable, "-m", "balance_lib.show.serve"]
    pairs = dict(zip(line[3:-1:2], line[4::2], strict=True))
    assert pairs == {f"--{name.replace('_', '-')}": str(value) for name, value in options.items()} | {"--root": "/c"}
    assert line[-1] == "--open-browser"


def test_upload_of_fifty_megabytes_fits() -> None:
    assert settings.tornado(ip="127.0.0.1")["websocket_max_message_size"] > 70 * 1024 * 1024  # with room for base64


def test_lamp_has_colour_mark_and_word_and_escapes() -> None:
    light = style.lamp("fail", "en", "<b>")
    assert light == '<span class="bl-lamp" data-status="not_met"><i aria-hidden="true">✗</i>&lt;b&gt;</span>'
    assert "&lt;i&gt;" in style.card("<i>", "1")
    assert 'role="alert"' in style.banner("x", "error")


def test_style_sheet_uses_only_colours_of_the_palette() -> None:
    rules = (Path(style.__file__).parent / "static" / "balance.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\((--bl-[a-z-]+)\)", rules + (settings.SHARE / _page_css()).read_text(encoding="utf-8")))
    assert used
    scale = {"--bl-px"}  # the page's own unit of type: no colour
    assert used - scale <= set(palette.variables())
    assert "http" not in style.sheet()
    assert "@import" not in style.sheet()


def _page_css() -> str:
    return "voila/templates/balance/static/page.css"


# ---- a server ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve two pages on a machine whose other settings are all against us."""
    folder, evil = tmp_path_factory.mktemp("dashboards"), tmp_path_factory.mktemp("evil")
    write_notebook(folder, "index", [FACTS, PRINT], title="首页", title_en="Home")
    write_notebook(folder, "plain", ["print('简单')"], title="二", title_en="Two")
    (folder / "secret.csv").write_text("姓名", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"x")
    spec = evil / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "no", "language": "python"}))
    (folder / "voila.json").write_text(json.dumps({"VoilaConfiguration": {"strip_sources": False, "template": "lab"}}))
    environment = {"JUPYTER_PATH": str(evil), "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    server = Served(folder, environment=environment)
    yield server
    server.close()


def _get(url: str, **headers: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    try:
        return opener.open(urllib.request.Request(url, headers=headers), timeout=60)
    except urllib.error.HTTPError as error:
        return error


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: it is what the test looks at."""

    def redirect_request(self, *_: Any) -> None:
        return None


def test_address_is_said_in_both_languages(served: Served) -> None:
    said = "".join(served.log)
    assert f"已启动：{served.url}" in said
    assert f"are at {served.url}" in said


def test_first_page_and_short_names_redirect(served: Served) -> None:
    answer = _get(served.url + "?lang=en&county=%E5%B7%AB&token=abc")
    assert answer.status == 302
    assert answer.headers["Location"] == "/voila/render/index.ipynb?lang=en&county=%E5%B7%AB"
    assert _get(served.url + "plain").headers["Location"] == "/voila/render/plain.ipynb"
    assert _get(served.url + "nobody").status == 404


@pytest.mark.parametrize("asked", ["lang=en&county=%E5%B7%AB%E6%BA%AA", ""])
def test_page_runs_here_and_knows_its_request(served: Served, asked: str) -> None:
    answer = _get(f"{served.url}voila/render/index.ipynb?{asked}")
    page = answer.read().decode()
    assert answer.status == 200
    assert sys.executable in page  # not /bin/false of the other kernel
    assert str(Path(served.process.args[served.process.args.index("--root") + 1])) in page  # type: ignore[index,union-attr]
    assert ("county&#39;: &#39;巫溪&#39;" in page) == bool(asked)
    assert ("} en &gt;&gt;" in page) == bool(asked)
    assert "query()" not in page  # no source, whatever the voila.json beside the pages wants


def test_page_has_the_policy_and_no_inline_script(served: Served) -> None:
    answer = _get(served.url + "voila/render/plain.ipynb")
    page = answer.read().decode()
    assert answer.headers["Content-Security-Policy"] == settings.content_security_policy(f"127.0.0.1:{served.port}")
    assert "_xsrf=" in "".join(answer.headers.get_all("Set-Cookie"))
    assert not re.search(r"<script(?![^>]*(?:src=|application/))", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    assert "简单" in page


@pytest.mark.parametrize(
    "path",
    [
        "voila/files/index.ipynb",
        "voila/files/secret.csv",
        "voila/files/picture.png",
        "voila/files/..%2f..%2fetc/passwd",
        "voila/render/secret.csv",
        "voila/render/..%2f..%2fx.ipynb",
        "voila/api/contents",
        "voila/tree/",
        "voila/balance/secret.csv",
        "voila/templates/balance/static/../index.html.j2",
        "api/contents",
        "api/sessions",
        "api/kernels",
    ],
)
def test_nothing_else_is_handed_out(served: Served, path: str) -> None:
    answer = _get(served.url + path)
    for _ in range(3):
        if answer.status != 302:
            break
        answer = _get(served.url.rstrip("/") + answer.headers["Location"])
    assert answer.status >= 400
    assert "姓名" not in answer.read().decode()


def test_errors_speak_both_languages(served: Served) -> None:
    page = _get(served.url + "voila/render/none.ipynb").read().decode()
    assert "没有这个页面" in page
    assert "There is no such page" in page


def test_kernel_cannot_be_stopped_from_another_site(served: Served) -> None:
    page = _get(served.url + "voila/render/plain.ipynb").read().decode()
    kernel = re.search(r'"kernelId": "([0-9a-f-]+)"', page).group(1)  # type: ignore[union-attr]
    order = urllib.request.Request(
        f"{served.url}voila/api/shutdown/{kernel}", data=b"", headers={"Origin": "http://a.cn"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(order, timeout=30)
    assert refused.value.code in (403, 404)
    assert _get(f"{served.url}api/kernels/{kernel}").status == 200


def test_assets_have_the_right_type_and_are_kept(served: Served) -> None:
    bundle = _get(served.url + "voila/balance/plotly.mjs?v=1")
    assert bundle.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in bundle.headers["Cache-Control"]
    assert len(bundle.read()) > 1_000_000
    again = _get(served.url + "voila/balance/plotly.mjs", **{"If-None-Match": bundle.headers["Etag"]})
    assert again.status == 304
    sheet = _get(served.url + "voila/balance/balance.css")
    assert palette.LAMPS["met"].fill in sheet.read().decode()
    script = _get(served.url + "voila/templates/balance/static/page.js")
    assert "javascript" in script.headers["Content-Type"]


def test_serving_writes_nothing_beside_the_pages(served: Served) -> None:
    _get(served.url + "voila/render/plain.ipynb").read()
    folder = Path(served.process.args[served.process.args.index("--dashboards") + 1])  # type: ignore[index,union-attr]
    names = {file.name for file in folder.rglob("*")}
    assert names == {"index.ipynb", "plain.ipynb", "secret.csv", "picture.png", "voila.json"}


@pytest.mark.parametrize("after", [0.0, 2.5])
def test_stopping_leaves_no_kernel(tmp_path: Path, after: float) -> None:
    write_notebook(tmp_path, "index", [FACTS, PRINT])
    server = Served(tmp_path)
    time.sleep(after)  # 0: no kernel yet; 2.5: a kernel that is just starting, where Voila itself stumbles
    kernels_ = psutil.Process(server.process.pid).children(recursive=True)
    assert server.close() == 0
    _, alive = psutil.wait_procs(kernels_, timeout=10)
    assert alive == []
    assert "Traceback" not in "".join(server.log)
