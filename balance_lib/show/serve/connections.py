"""Bound what one client can hold: connections, half-sent requests, bodies, and lines in the log."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import Counter
from typing import Any

from tornado.httpserver import HTTPServer

# A request's head, and a connection between two requests, may take so long; a body so long.
IDLE_S, BODY_S = 20.0, 20.0
# Files go up over the kernel's socket: the forms are a password and nothing else.
BODY_BYTES, HEAD_BYTES = 64 * 1024, 32 * 1024
# A browser holds six connections and a socket a page; many people may stand behind one address.
PER_CLIENT = 300
# What the server and its kernels need besides: a kernel takes about twelve descriptors here.
RESERVED = 400
PER_MINUTE = 10


def most_connections() -> int:
    """Raise this process's limit of open files as far as it goes, and return how many connections fit into it."""
    try:
        import resource
    except ImportError:  # Windows
        return 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wished:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
    return max(100, max(soft, wished) // 2 - RESERVED)


class BoundedServer(HTTPServer):
    """Serve no client more connections than it can need, and hang up on requests that never end."""

    def initialize(self, *args: Any, most: int, **kwargs: Any) -> None:  # type: ignore[override]
        """Take the application and how many connections there may be at once."""
        kwargs |= {"idle_connection_timeout": IDLE_S, "body_timeout": BODY_S, "max_body_size": BODY_BYTES,
                   "max_header_size": HEAD_BYTES}  # fmt: skip
        super().initialize(*args, **kwargs)
        self._most, self._clients = most, Counter[str]()

    def handle_stream(self, stream: Any, address: Any) -> None:
        """Take a connection, or hang up at once.

        Parameters
        ----------
        stream : object
            Connection.
        address : object
            Address of the visitor.
        """
        client = str(address[0]) if isinstance(address, tuple) else ""
        # A proxy on this machine stands before many clients and bounds them itself.
        if self._clients.total() >= self._most or (self._clients[client] >= PER_CLIENT and not local(client)):
            logging.getLogger(__name__).warning("too many connections from %s", client)
            stream.close()
            return
        self._clients[client] += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """Count a connection off."""
        context: Any = getattr(server_conn, "context", None)
        address = getattr(context, "address", None)
        client = str(address[0]) if isinstance(address, tuple) else ""
        self._clients[client] -= 1
        if self._clients[client] <= 0:
            del self._clients[client]
        super().on_close(server_conn)


def local(ip: str) -> bool:
    """Tell whether an address is this machine's alone.

    Examples
    --------
    >>> local("127.0.0.1"), local("localhost"), local("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(ip.partition("%")[0]).is_loopback
    except ValueError:
        return ip == "localhost"


class Sparing(logging.Filter):
    """Let so many records of one kind through in a minute; what was left out is counted on the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is written."""
        key, now = (record.name, record.lineno, str(record.msg)[:60]), time.monotonic()
        begun, count = self._seen.get(key, (now, 0))
        if now - begun >= 60:
            left_out = max(0, count - PER_MINUTE)
            begun, count = now, 0
            if left_out:
                record.msg = f"{record.msg} (and {left_out} more like it)"
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[key] = (begun, count + 1)
        return count < PER_MINUTE


def spare_the_log(*loggers: logging.Logger) -> None:
    """Put the filter before every way into the log."""
    sparing = Sparing()
    handlers = {handler for logger in (logging.getLogger(), *loggers) for handler in logger.handlers}
    for handler in [*handlers, *filter(None, [logging.lastResort])]:
        handler.addFilter(sparing)
