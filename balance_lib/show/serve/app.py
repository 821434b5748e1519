"""Run Voila with our handlers, our settings and our words on the console."""

from __future__ import annotations

import contextlib
import errno
import logging
import mimetypes
import os
import secrets
import signal
import socket
import sys
import webbrowser
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import psutil  # type: ignore[import-untyped]  # ipykernel needs it, so it is there
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyter_server.utils import url_path_join
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import RedirectHandler
from traitlets.config import Config
from voila.app import Voila
from voila.request_info_handler import RequestInfoSocketHandler
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.contentshandler import VoilaContentsHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler

from balance_lib import locale, visitor
from balance_lib.show.serve import bundle, gate, roles, settings
from balance_lib.show.serve.connections import BoundedServer, local, most_connections, spare_the_log
from balance_lib.show.serve.handlers import (
    Asset,
    Channels,
    Home,
    Kernel,
    Notebook,
    NotFound,
    Query,
    Shutdown,
    TemplateFile,
    log,
    look,
    packed,
    version,
)
from balance_lib.show.serve.pool import Pool
from balance_lib.show.widgets import request

TRIES = 20
STAGGER_S = 3.0
_DROPPED = (TornadoVoilaTreeHandler, VoilaContentsHandler)
_REPLACED = {
    TornadoVoilaHandler: Notebook, KernelHandler: Kernel, VoilaKernelWebsocketHandler: Channels,
    VoilaShutdownKernelHandler: Shutdown, RequestInfoSocketHandler: Query, TemplateStaticFileHandler: TemplateFile,
}  # fmt: skip
# What a page's widgets send; a page never asks for code to be run, nor for its kernel to end over the socket.
MESSAGES = ["comm_open", "comm_close", "comm_msg", "comm_info_request", "kernel_info_request"]


class _Dashboards(Voila):
    """Serve the dashboards: Voila with a first page, short addresses, assets, and errors in Chinese and English."""

    sockets: list[socket.socket]
    wished: int
    others: list[str]
    known: frozenset[str]

    def init_settings(self) -> dict[str, Any]:
        """Add what tornado must know before it starts, and our templates for every page that is not a notebook."""
        found = super().init_settings()
        facts = self.voila_configuration.resources["balance"] | {"base_url": self.base_url}
        for name in ("voila_jinja2_env", "jinja2_env"):
            env = found[name]
            env.loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(self.template_paths), env.loader])
            env.globals["balance"] = facts
        self.kernel_manager.allowed_message_types = MESSAGES
        if self.voila_configuration.preheat_kernel:
            Pool(self.kernel_manager)
        found |= {"default_handler_class": NotFound, "log_function": log, **settings.tornado(ip=self.ip)}
        return found

    def init_handlers(self) -> list[Any]:
        """Put our pages first; drop the listing of files and Voila's own tree."""
        own = {"voila_configuration": self.voila_configuration}
        base = self.server_url
        theirs = [h for h in super().init_handlers() if h[1] not in _DROPPED]
        theirs = [(h[0], _REPLACED.get(h[1], h[1]), *h[2:]) for h in theirs]
        # Voila registers the login page without the base address, where a proxy never finds it.
        login = [(url_path_join(base, h[0]), *h[1:]) for h in self.identity_provider.get_handlers()]
        ours: list[Any] = [
            (url_path_join(base, r"/voila/balance/([a-z.]+)"), Asset),
            (url_path_join(base, "/"), Home, own),
            (url_path_join(base, r"/([a-z_]+)/?"), Home, own),
        ]
        if base != "/":
            ours.append((f"/|{base.rstrip('/')}", RedirectHandler, {"url": base, "permanent": False}))
        return [*login, *theirs, *ours]

    def listen(self) -> None:
        """Listen on the port already held, say where, and run until stopped."""
        server = BoundedServer(gate.Gate(self.app, self.known), xheaders=True, most=most_connections())
        server.add_sockets(self.sockets)
        spare_the_log(self.log)
        with contextlib.suppress(AttributeError):  # not on Windows
            signal.signal(signal.SIGHUP, self._handle_signal_stop)
        self._fill_later()
        self.ioloop.run_in_executor(None, packed, "engine.js")  # before anybody waits for it
        _announce(self)
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            pass
        finally:
            _say("serve.stopping")
            with contextlib.suppress(KeyboardInterrupt):
                self.stop()

    def stop(self) -> None:
        """End every kernel, politely where it answers; a kernel that is just starting is ended all the same."""
        kernels = psutil.Process().children(recursive=True)
        # Voila stumbles over kernels that have no number yet; whatever it leaves behind is ended below.
        with contextlib.suppress(Exception):
            super().stop()
        _, alive = psutil.wait_procs(kernels, timeout=0.5)
        for process in {*alive, *psutil.Process().children(recursive=True)}:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _fill_later(self) -> None:
        """Warm the other pages one after the other, so that the first page is not kept waiting by its neighbours."""
        fill = getattr(self.kernel_manager, "fill_if_needed", None)
        for position, name in enumerate(self.others if fill else []):
            self.ioloop.call_later(STAGGER_S * (position + 1), fill, 0, f"{name}.ipynb")


def serve(  # noqa: PLR0913 (the options of the server)
    *,
    root: Path | None,
    dashboards: Path,
    port: int,
    ip: str,
    base_url: str,
    token: str | None,
    viewer_token: str | None,
    hosts: Sequence[str],
    lang: str,
    open_browser: bool,
    pool: int,
) -> None:
    """Set up the environment and the server, and run it; see :func:`balance_lib.show.serve.launch`.

    Parameters
    ----------
    root : Path, optional
        Folder of county folders.
    dashboards : Path
        Folder of the pages.
    port : int
        Port; 0 takes any free one.
    ip : str
        Address to listen on.
    base_url : str
        Path the pages stand under.
    token : str, optional
        Password of planners.
    viewer_token : str, optional
        Password of viewers.
    hosts : sequence of str
        Host names the server answers to.
    lang : {"zh", "en"}
    open_browser : bool
        Whether a browser is opened.
    pool : int
        Kernels kept ready.
    """
    _speak_unicode()
    for name in ("tornado.general", "tornado.access"):
        logging.getLogger(name).setLevel(logging.ERROR)
    host = "" if ip in ("*", "0.0.0.0", "::") else ip
    sockets = hold_port(port, ip)
    _environment(root=root, host=host, lang=lang, role=visitor.VIEWER if token else visitor.PLANNER)
    base = settings.prefix(base_url)
    listed = [page.name for page in settings.pages(dashboards)]
    others = [name for name in listed if name != "index"] if "index" in listed else []
    digests = {"css_version": look(), "engine": version("engine.js")}
    traits = settings.traits(dashboards=dashboards.resolve(), base_url=base, pool=pool, lang=lang, **digests)
    traits["VoilaConfiguration"]["page_config_hook"] = partial(bundle.page_config, version=version("extension.js"))
    traits["VoilaKernelManager"]["preheat_denylist"] = [f"{name}.ipynb" for name in others]
    traits["Voila"] |= {"ip": ip, "port": sockets[0].getsockname()[1]} | ({"token": token} if token else {})
    traits["Voila"]["identity_provider_class"] = roles.Roles
    traits["Roles"] = {"viewer_token": viewer_token or ""}
    # The instance, since Voila's parts find the log through it: a failing cell's traceback belongs there.
    app = _Dashboards.instance(config=Config(traits))
    app.sockets, app.wished, app.others = sockets, port, others
    app.known = gate.names([*hosts, host])
    app.ioloop = IOLoop.current()  # a signal may come before the server listens
    app.initialize([])
    if open_browser:
        IOLoop.current().call_later(0.2, webbrowser.open, address(app))
    app.start()


def hold_port(port: int, ip: str) -> list[socket.socket]:
    """Take a port, or one of the next twenty, and keep it: the kernels are told its number before we listen.

    Parameters
    ----------
    port : int
        Port; 0 takes any free one.
    ip : str
        Address to listen on.

    Raises
    ------
    OSError
        If none is free, or the address is not this machine's.
    """
    host = "" if ip == "*" else ip
    for number in range(port, port + TRIES + 1) if port else [0]:
        try:
            return bind_sockets(number, host)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES, 10013, 10048):
                raise
    raise OSError(errno.EADDRINUSE, locale.text("serve.no_port", "zh", low=port, high=port + TRIES))


def address(app: _Dashboards) -> str:
    """Return the address of the first page as a person on this machine opens it."""
    host = "127.0.0.1" if app.ip in ("", "*", "0.0.0.0", "::") else app.ip
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{app.port}{app.base_url}"


def _announce(app: _Dashboards) -> None:
    """Say in both languages where the pages are, whether the port is another one, and who can open them."""
    if app.wished and app.port != app.wished:
        _say("serve.port_taken", wished=app.wished, port=app.port)
    _say("serve.running", address=address(app))
    if not local(app.ip):
        _say(
            "serve.open_to_all" if not app.token else "serve.token",
            name=socket.gethostname(),
            port=app.port,
            base=app.base_url,
        )


def _say(key: str, **params: Any) -> None:
    """Print a text in Chinese and in English."""
    for lang in locale.LANGUAGES:
        print(locale.text(key, lang, **params), flush=True)


def _environment(*, root: Path | None, host: str, lang: str, role: str) -> None:
    """Tell the kernels what they serve, and find our template; nothing is written anywhere."""
    found = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(settings.SHARE), *([found] if found else [])])
    if root is not None:
        os.environ["BALANCE_ROOT"] = str(root.resolve())
    os.environ["BALANCE_LANG"] = lang
    os.environ[visitor.VARIABLE] = role  # until the visitor is known
    os.environ[request.KEY] = secrets.token_urlsafe(32)  # by which a warm kernel shows that it is one of ours
    os.environ["BALANCE_PLOTLY"] = f"voila/balance/plotly.mjs?v={version('plotly.mjs')}"
    os.environ["MPLBACKEND"] = "Agg"  # no page draws with matplotlib; do not load it into every kernel
    os.environ["VOILA_APP_IP"] = host if host not in ("", "localhost") else "127.0.0.1"
    # A warm kernel asks its own server for the request: an office proxy must not get in between.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost", host]))
    # Windows may have lost these in its registry; a module of the wrong type is not run.
    for suffix, kind in ((".js", "text/javascript"), (".mjs", "text/javascript"), (".css", "text/css")):
        mimetypes.add_type(kind, suffix)


def _speak_unicode() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
