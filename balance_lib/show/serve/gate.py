"""Let a request in only under a name of this server: a foreign site cannot point its own name here (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import tornado.web
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest, split_host_and_port
from tornado.routing import Router

from balance_lib import locale


def names(more: Iterable[str] = ()) -> frozenset[str]:
    """Return the names this server answers to: this machine's own, and those given.

    Examples
    --------
    >>> "balance.example.cn" in names(["Balance.example.cn"])
    True
    """
    own = socket.gethostname()
    return frozenset(name.strip().rstrip(".").lower() for name in ("localhost", own, f"{own}.local", *more) if name)


def welcome(host: str, known: frozenset[str]) -> bool:
    """Tell whether a Host header is ours. An address in numbers is: no other site can own it.

    Parameters
    ----------
    host : str
        Host header of the request.
    known : frozenset of str
        Names the server answers to.

    Examples
    --------
    >>> known = names(["balance.example.cn"])
    >>> welcome("10.1.2.3:8866", known), welcome("[::1]:80", known), welcome("balance.example.cn", known)
    (True, True, True)
    >>> welcome("attacker.example", known), welcome("", known)
    (False, False)
    """
    try:
        name = split_host_and_port(host.strip().lower())[0].strip("[]").rstrip(".")
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in known or name.endswith(".localhost")
    return True


class _Stranger(tornado.web.RequestHandler):
    """Say that nothing is served under this name, and what the administrator can do."""

    SUPPORTED_METHODS = tornado.web.RequestHandler.SUPPORTED_METHODS

    def prepare(self) -> None:
        """Answer every method alike."""
        host = "".join(c for c in self.request.headers.get("Host", "") if c.isalnum() or c in ".-:[]")[:100] or "–"
        self.set_status(421)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish("\n".join(locale.text("serve.stranger", lang, host=host) for lang in locale.LANGUAGES) + "\n")

    def check_xsrf_cookie(self) -> None:
        """Check nothing: nothing is done."""


class Gate(Router):
    """Stand before the application: pages, files and sockets alike."""

    def __init__(self, app: tornado.web.Application, known: frozenset[str]) -> None:
        self.app, self.known = app, known

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Hand a request on if it comes under a name of ours."""
        if welcome(request.headers.get("Host", ""), self.known):
            return self.app.find_handler(request, **kwargs)
        return self.app.get_handler_delegate(request, _Stranger)
