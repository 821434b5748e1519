"""Answer requests: the pages with their headers, our style sheet, the scripts, and what is not there."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import logging
import os
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import psutil  # type: ignore[import-untyped]
import tornado.web
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyter_server.utils import url_path_join
from voila.handler import BaseVoilaHandler
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler, read_header_from_binary_message

from balance_lib import visitor
from balance_lib.show.serve import bundle
from balance_lib.show.serve.connections import local
from balance_lib.show.serve.lockout import source_of
from balance_lib.show.serve.pool import Visitors
from balance_lib.show.serve.settings import SHARE, SPARE_BYTES, TEMPLATE, content_security_policy
from balance_lib.show.widgets import request, style

PROTOCOL = "v1.kernel.websocket.jupyter.org"
VISITORS = Visitors()


class Secure:
    """Give every page the same headers; the policy names the host the browser used."""

    request: Any

    @property
    def content_security_policy(self) -> str:
        """Return the policy of this request."""
        return content_security_policy(self.request.headers.get("Host", ""))


class Notebook(Secure, TornadoVoilaHandler):
    """Render a dashboard."""

    @tornado.web.authenticated
    async def get(self, path: str | None = None) -> None:
        """Render it, and set the cookie that lets the page shut down its kernel when it is left."""
        if psutil.virtual_memory().available < SPARE_BYTES:
            raise tornado.web.HTTPError(503)  # one page refused is better than all of them killed
        self.xsrf_token  # noqa: B018  reading it sets the cookie; without it the shutdown request is refused
        self.set_header("Referrer-Policy", "same-origin")
        if path is not None and not path.isprintable():
            raise tornado.web.HTTPError(404)
        self.request.headers[visitor.HEADER] = self.identity_provider.role(self.current_user)
        self.visitor = VISITORS.name(self)
        await super().get(path)

    @property
    def kernel_manager(self) -> Any:
        """Return the manager, which notes whom it hands a kernel to."""
        manager, visitor = super().kernel_manager, getattr(self, "visitor", None)
        return manager if visitor is None else _Giving(manager, visitor)


class _Giving:
    """Stand for the kernel manager while one visitor's page is made."""

    def __init__(self, manager: Any, visitor: str) -> None:
        self._manager, self._visitor = manager, visitor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    async def get_rendered_notebook(self, **kwargs: Any) -> Any:
        """Hand out a warm kernel."""
        found = await self._manager.get_rendered_notebook(**kwargs)
        VISITORS.give(found[2], self._visitor)
        return found

    async def start_kernel(self, **kwargs: Any) -> str:
        """Start a kernel that was not warm."""
        kernel_id: str = await self._manager.start_kernel(**kwargs)
        VISITORS.give(kernel_id, self._visitor)
        return kernel_id


class _OneVisitors:
    """Answer for a kernel to the visitor it serves, and to nobody else who is let in."""

    identity_provider: Any
    path_args: Any
    path_kwargs: Any

    async def prepare(self, *args: Any, **kwargs: Any) -> None:
        """Refuse whoever opened another page than this kernel's."""
        await super().prepare(*args, **kwargs)  # type: ignore[misc]
        kernel_id = self.path_kwargs.get("kernel_id") or next(iter(self.path_args), "")
        if self.identity_provider.auth_enabled and not VISITORS.owns(kernel_id, self):
            raise tornado.web.HTTPError(403)


class Kernel(_OneVisitors, KernelHandler):
    """Tell a page whether its kernel still runs; a kernel is ended by Voila's own request only."""

    SUPPORTED_METHODS = ("GET",)


class Shutdown(_OneVisitors, VoilaShutdownKernelHandler):
    """End the kernel of a page that is left."""


class Query(RequestInfoSocketHandler):
    """Tell a warm kernel who its visitor is.

    Voila takes any socket here from anybody, and when two of one id close it forgets another kernel's: the visitor
    that kernel is given to waits for ever.
    """

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket to a kernel of ours."""
        shown = self.request.headers.get(request.KEY_HEADER, "")
        if not hmac.compare_digest(shown.encode(), os.environ[request.KEY].encode()):
            raise tornado.web.HTTPError(403)
        await super().get(*args, **kwargs)

    def on_close(self) -> None:
        """Forget this socket, and no other."""
        for kernel_id in [key for key, waiter in self._waiters.items() if waiter is self]:
            del self._waiters[kernel_id]


class TemplateFile(TemplateStaticFileHandler):
    """Serve a static file of the template; an address that is none is not found."""

    def parse_url_path(self, url_path: str) -> str:
        """Return the path within the folder."""
        if url_path.count("/") < 2 or url_path.split("/")[1] != "static" or not url_path.isprintable():
            raise tornado.web.HTTPError(404)
        return str(super().parse_url_path(url_path))

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Return where the file lies.

        Parameters
        ----------
        root : str
            Folder of county folders.
        path : str
        """
        try:
            return str(super().get_absolute_path(root, path))
        except (AssertionError, ValueError, OSError) as error:
            raise tornado.web.HTTPError(404) from error


class Home(Secure, BaseVoilaHandler):
    """Lead from the bare address, or a page's short name, to the page."""

    @tornado.web.authenticated
    async def get(self, name: str = "") -> None:
        """Redirect; a language and other choices in the query go along, the token does not."""
        listed = [page["name"] for page in self.voila_configuration.resources["balance"]["pages"]]
        name = name or ("index" if "index" in listed else "")
        if not name:
            self.write(self.render_template("tree.html"))
            return
        if name not in listed:
            raise tornado.web.HTTPError(404)
        asked = {key: values for key, values in self.request.query_arguments.items() if key != "token"}
        query = f"?{urlencode(asked, doseq=True)}" if asked else ""  # bytes as they came: they need not be text
        self.redirect(url_path_join(self.base_url, "voila/render", f"{name}.ipynb{query}"))


class Channels(_OneVisitors, VoilaKernelWebsocketHandler):
    """Carry a page's widget messages, in the frames every browser of ours uses.

    In the older frames the server takes each message apart and puts it together again: one page's state of a few
    megabytes would hold up everybody else's page. What a kernel prints, tracebacks among it, goes to the log.
    """

    async def get(self, kernel_id: str) -> None:
        """Open the socket if the newer frames are offered."""
        if PROTOCOL not in self.request.headers.get("Sec-WebSocket-Protocol", ""):
            raise tornado.web.HTTPError(400)
        await super().get(kernel_id)

    def get_compression_options(self) -> dict[str, Any] | None:
        """Pack what goes over a network, as fast as it goes: the loop has other pages to serve."""
        return None if local(source_of(self.request)) else {"compression_level": 1}

    def on_message(self, ws_message: Any) -> Any:
        """Take a message whose frame is one; Jupyter would walk through as many parts as it claims, without end.

        What was under way when we hung up is not heard: Jupyter would take it for an older frame of 100 million parts.
        """
        if self.ws_connection is None or self.ws_connection.is_closing():
            return None
        most = len(ws_message) // 8
        if not isinstance(ws_message, bytes) or not 5 <= int.from_bytes(ws_message[:8], "little") < most:
            return self.close(1003)
        return super().on_message(ws_message)

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message on, unless it is for the log.

        Parameters
        ----------
        message : object
            Message of the socket.
        binary : bool
            Whether it is binary.
        """
        header = read_header_from_binary_message(message) if isinstance(message, bytes) else None
        if header is not None and header.get("msg_type") in ("stream", "error"):
            logging.getLogger(__name__).error("a page said: %s", _words(message))
            return None
        if self.ws_connection is None or self.ws_connection.is_closing():  # a kernel still answers
            return None
        return super().write_message(message, binary)


def _words(frame: bytes) -> str:
    """Return what a kernel printed, out of its message."""
    begin, end = (int.from_bytes(frame[8 * at : 8 * at + 8], "little") for at in (5, 6))
    content = json.loads(frame[begin:end])
    return str(content.get("text") or "\n".join(content.get("traceback", [])))[-4000:]


class NotFound(Secure, BaseVoilaHandler):
    """Say in both languages that there is no such page."""

    def initialize(self, **kwargs: Any) -> None:
        """Take the configuration from the application: this handler stands in no list."""
        super().initialize(voila_configuration=self.application.settings["voila"].voila_configuration)

    async def prepare(self) -> None:
        """Answer every method alike, to whoever may look at all."""
        await super().prepare()
        raise tornado.web.HTTPError(404)


class Asset(tornado.web.RequestHandler):
    """Serve the few files that do not lie in the template: the style sheet, the engine of a page, plotly's bundle."""

    def get(self, name: str) -> None:
        """Send the file; a browser that has it is told so."""
        if name not in ASSETS:
            raise tornado.web.HTTPError(404)
        body, kind = _asset(name)
        self.set_header("Vary", "Accept-Encoding")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            body = packed(name)
            self.set_header("Content-Encoding", "gzip")
        self.set_header("Content-Type", kind)
        self.set_header("X-Content-Type-Options", "nosniff")
        lasting = bool(self.get_query_argument("v", ""))  # an address with a digest never changes its content
        self.set_header("Cache-Control", "max-age=31536000, immutable" if lasting else "no-cache")
        self.set_header("Etag", f'"{version(name)}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        self.write(body)

    def compute_etag(self) -> str | None:
        """Return the tag set above: hashing 5 MB for each request would be a waste."""
        return self._headers.get("Etag")


def log(handler: tornado.web.RequestHandler) -> None:
    """Log a request that failed on our side, without its query: a token may stand there."""
    if handler.get_status() >= 500:
        logging.getLogger("tornado.access").error(
            "%d %s %s", handler.get_status(), handler.request.method, handler.request.path
        )


def _plotly() -> bytes:
    return resources.files("plotly").joinpath("package_data/widgetbundle.js").read_bytes()


SCRIPT = "text/javascript; charset=utf-8"
ASSETS = {
    "engine.js": (bundle.engine, SCRIPT),
    "extension.js": (lambda: (bundle.STATIC / "extension.js").read_bytes(), SCRIPT),
    "plotly.mjs": (_plotly, SCRIPT),
    "balance.css": (lambda: style.sheet().encode("utf-8"), "text/css; charset=utf-8"),
}


@cache
def _asset(name: str) -> tuple[bytes, str]:
    """Return a file's bytes and type, straight from the installed packages: nothing is copied or written."""
    read, kind = ASSETS[name]
    return read(), kind


@cache
def packed(name: str) -> bytes:
    """Return a file's bytes packed as small as they go: once here, not by the proxy for every visitor."""
    return gzip.compress(_asset(name)[0], 9, mtime=0)


@cache
def version(name: str) -> str:
    """Return a short digest of a file, for its address."""
    return hashlib.sha256(_asset(name)[0]).hexdigest()[:12]


@cache
def look() -> str:
    """Return a short digest of everything that makes the look of a page: style sheets and the page's script."""
    static = SHARE / "voila" / "templates" / TEMPLATE / "static"
    theirs = [bundle.static(name) for name in ("index.css", "theme-light.css")]
    parts = [_asset("balance.css")[0], *(file.read_bytes() for file in [*theirs, *sorted(static.iterdir())])]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]
