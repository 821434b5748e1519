"""Fork kernels from one process that has everything loaded: ``python -m balance_lib.show.serve.zygote FD``.

Linux only. A kernel started by itself imports pandas, plotly and our pages for two seconds and keeps some 150 MB for
itself; forked, it is there in a tenth of that and shares what nobody changes. The zygote runs no thread and no event
loop of its own, since neither survives a fork; it speaks one JSON line a request over the socket ``FD``::

    {"file": "connection.json", "env": {...}, "cwd": "..."}   ->   {"pid": 4711, "rehearsed": true}

It ends when the socket closes, and its kernels end with it (ipykernel watches its parent).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from balance_lib.show.serve.process import kernel_class, made, without_debugger
from balance_lib.show.serve.states import answer_at_once
from balance_lib.show.widgets.request import REHEARSED

REAP_S = 2.0
# Beside the first county, so many are rehearsed on the pages that hold most.
COUNTIES = 8
HEAVY = ("Consolidation", "Access", "Overview")
# What ipykernel imports only once it starts.
KERNEL = (
    "IPython.core.completerlib", "IPython.core.debugger", "IPython.core.oinspect", "IPython.extensions.storemagic",
    "IPython.utils.wildcard", "encodings.idna", "faulthandler", "ipykernel.debugger", "ipykernel.eventloops",
    "ipykernel.heartbeat", "ipykernel.kernelapp", "ipykernel.parentpoller", "ipykernel.zmqshell", "psutil",
    "tornado.platform.asyncio", "tornado.queues", "websockets.sync.client", "zmq.utils.garbage",
)  # fmt: skip


def _load() -> None:
    """Import what every kernel and every page needs; what a kernel imports by itself it shares with nobody."""
    without_debugger()
    for name in KERNEL:
        with contextlib.suppress(ImportError):  # another release may have moved it; then each kernel loads it
            importlib.import_module(name)
    kernel_class()
    from balance_lib.show.widgets import apps  # noqa: F401


def rehearsals() -> Iterator[str]:
    """Make every page once, one at a step: what that loads and caches, the kernels forked from then on share.

    Without a kernel a widget talks to nobody; all of them are closed again. A page that fails here is left alone: it
    will say so, in words, to whoever opens it. The heavy pages follow with the other counties, whose tables, distances
    and outcomes a kernel would otherwise compute and keep for itself.
    """
    from balance_lib.show.widgets import apps
    from balance_lib.show.widgets.library import Library

    pages = [name for name in apps.__all__ if isinstance(getattr(apps, name), type) and name != "Page"]
    counties = list(Library.default().folders())[: COUNTIES + 1]
    for county, name in [*((c, p) for c in counties[:1] or [""] for p in pages),
                         *((c, p) for p in HEAVY for c in counties[1:])]:  # fmt: skip
        with contextlib.suppress(Exception):
            _rehearse(name, county)
        os.environ[REHEARSED] = "1"
        yield f"{name} {county}"


def _rehearse(name: str, county: str) -> None:
    """Make a page, move its first slider, and close it."""
    from ipywidgets import Widget

    from balance_lib.show.widgets import apps
    from balance_lib.show.widgets.library import Library

    try:
        kind = getattr(apps, name)
        page = kind(kind.shows(Library.default(), {"county": county}))
        if name == "Consolidation" and county:
            import highspy  # noqa: F401  what proves a plan with closures

            page.walk["primary"].value += 0.1
    finally:
        Widget.close_all()


def _threads() -> int:
    """Return how many threads this process runs; a fork keeps only the one that forks."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def serve(channel: socket.socket, chores: Iterator[str]) -> None:
    """Answer requests until the other end is closed; do a chore whenever nobody asks.

    Parameters
    ----------
    channel : socket.socket
        Socket to the parent.
    chores : iterator of str
        What is done while nobody waits.
    """
    lines = channel.makefile("rb")
    _freeze()
    _send(channel, {"ready": os.getpid(), "threads": _threads()})
    busy = True
    while True:
        readable, _, _ = select.select([channel], [], [], 0 if busy else REAP_S)
        _reap()
        if not readable:
            if busy:
                busy = next(chores, "") != ""
                _freeze()
            continue
        line = lines.readline()
        if not line:
            return
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            channel.close()
            _become_kernel(json.loads(line), own)
        _send(channel, {"pid": pid, "rehearsed": not busy})


def _freeze() -> None:
    """Keep the collector off all there is: it would write to every page it looks at, and nothing would stay shared."""
    gc.collect()
    gc.freeze()


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")


def _reap() -> None:
    """Bury kernels that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_kernel(request: dict[str, Any], parent: int) -> None:
    """Turn this fork into a kernel, and never return."""
    code = 1
    try:
        os.setsid()  # signals go to the kernel's own group, as for a kernel started by itself
        rehearsed = os.environ.get(REHEARSED, "")
        os.environ.clear()
        os.environ.update(request["env"] | {REHEARSED: rehearsed})
        os.chdir(request["cwd"])
        random.seed()
        sys.modules["numpy"].random.seed()
        # ipykernel read JPY_PARENT_PID when it was imported: before this fork, where it stood for another parent.
        app = made(request["file"], parent)
        answer_at_once(app.kernel)
        app.start()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Load, then fork on demand."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server: it closes the socket when it is done
    _load()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the server ended without waiting for an answer
        serve(channel, rehearsals())


if __name__ == "__main__":
    main()
