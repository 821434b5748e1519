"""Say as code what Voila is to do: one template, no sources, no tracebacks, nothing from outside, warm kernels."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balance_lib.show.serve.connections import local
from balance_lib.visitor import HEADER

TEMPLATE = "balance"
SHARE = Path(__file__).parent / "share" / "jupyter"
# A returned workbook folder of 50 MB goes up in one message; tornado's own limit is 10 MB and its buffer 100 MB.
MESSAGE_BYTES = 96 * 1024 * 1024
# A kernel nobody is connected to ends after so long: a laptop may sleep, a network may be cut for a while.
IDLE_S = 900
# Below this much free memory no further page is opened.
SPARE_BYTES = 300 * 1024 * 1024
EXTENSIONS = ["@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager", "anywidget"]


@dataclass(frozen=True)
class _ServedPage:
    """Name one dashboard: the notebook's stem, its titles, its place in the list."""

    name: str
    title_zh: str
    title_en: str
    order: float

    def as_dict(self) -> dict[str, str]:
        """Return what the template shows of it."""
        return {"name": self.name, "zh": self.title_zh, "en": self.title_en}


def pages(folder: Path) -> list[_ServedPage]:
    """Return the dashboards of a folder, in the order and with the titles their notebooks' metadata give.

    A notebook says ``"title": "总览", "title_en": "Overview", "order": 2`` in its metadata; without, its file name is
    its title.
    """
    found = []
    for file in sorted(folder.glob("*.ipynb")):
        facts = json.loads(file.read_text(encoding="utf-8")).get("metadata", {})
        title = str(facts.get("title") or file.stem)
        first = 0 if file.stem == "index" else 99
        found.append(
            _ServedPage(file.stem, title, str(facts.get("title_en") or title), float(facts.get("order", first)))
        )
    return sorted(found, key=lambda page: (page.order, page.name))


def traits(*, dashboards: Path, base_url: str, pool: int, lang: str, css_version: str, engine: str) -> dict[str, Any]:
    """Return Voila's configuration, by class and trait.

    Parameters
    ----------
    dashboards : Path
        Folder of the pages.
    base_url : str
        Path the pages stand under.
    pool : int
        Kernels kept ready.
    lang : {"zh", "en"}
    css_version : str
        Digest of the style sheet.
    engine : str
        Connection pool of the store.
    """
    listed = [page.as_dict() for page in pages(dashboards)]
    return {
        "Voila": {
            "root_dir": str(dashboards),
            "base_url": base_url,
            "open_browser": False,
            "log_level": "ERROR",
            "log_format": "%(asctime)s %(levelname)s %(message)s",  # the page tells people to report the time
            "config_file_paths": [],  # nobody's voila.json in the current folder may change these pages
        },
        "VoilaConfiguration": {
            "template": TEMPLATE,
            "theme": "light",
            "strip_sources": True,
            "show_tracebacks": False,
            "classic_tree": True,
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "file_allowlist": [],
            "file_denylist": [".*"],
            "extension_allowlist": EXTENSIONS,
            "extension_denylist": [],
            "preheat_kernel": pool > 0,
            "default_pool_size": pool,
            "http_keep_alive_timeout": 45,
            "kernel_spec_manager_class": "balance_lib.show.serve.kernels.SameInterpreter",
            "http_header_envs": [HEADER],
            "resources": {"balance": {"pages": listed, "lang": lang, "css_version": css_version, "engine": engine}},
        },
        "VoilaKernelManager": {"fill_delay": 1.5},
        # No ports: one chosen for a kernel may be taken when the kernel binds it, and its visitor waits for ever.
        "KernelManager": {"shutdown_wait_time": 4.0, "transport": "tcp" if os.name == "nt" else "ipc"},
        # Seconds between looks whether a kernel still runs. One that died is not started anew: it would be empty, and a
        # visitor who waits for its page would never learn of it.
        "KernelRestarter": {"time_to_dead": 1.0, "restart_limit": 0},
        "MappingKernelManager": {"cull_idle_timeout": IDLE_S, "cull_interval": 60, "cull_connected": False},
        # Results are tables and figures, not runaway prints: a limit here would silently drop a widget's message.
        "ZMQChannelsWebsocketConnection": {"limit_rate": False},
    }


def tornado(*, ip: str) -> dict[str, Any]:
    """Return tornado's settings. Cross-site request checks stay on: the page sets the cookie they compare."""
    return {
        "websocket_max_message_size": MESSAGE_BYTES,
        "compress_response": not local(ip),
        "xsrf_cookie_kwargs": {"samesite": "Strict"},
    }


def prefix(base_url: str) -> str:
    """Return a base address with a slash at both ends.

    Examples
    --------
    >>> prefix("balance"), prefix("/"), prefix("")
    ('/balance/', '/', '/')
    """
    inner = base_url.strip("/")
    return f"/{inner}/" if inner else "/"


def content_security_policy(host: str) -> str:
    """Return what a page may load: its own server and nothing else.

    Scripts come from files only, never from the page itself; widget code arrives over the kernel's socket and is run
    from a ``blob:``. The socket's address is written out because older browsers do not count ``ws:`` as ``'self'``.

    Parameters
    ----------
    host : str
        Host header of the request; left out if it holds anything but a host name and a port.
    """
    plain = host if host and all(c.isalnum() or c in ".-:[]" for c in host) else ""
    sockets = f" ws://{plain} wss://{plain}" if plain else ""
    rules = {
        "default-src": "'self'",
        "script-src": "'self' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self'{sockets}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
