"""Fork kernels from one process that has everything loaded: ``python -m balance_lib.serve.zygote FD``.

Linux only. A kernel started by itself imports pandas, plotly and our pages for two seconds and keeps some 150 MB for
itself; forked, it is there in a tenth of that and shares what nobody changes. The zygote runs no thread and no event
loop of its own, since neither survives a fork; it speaks one JSON line a request over the socket ``FD``::

    {"argv": ["-f", "connection.json"], "env": {...}, "cwd": "..."}   ->   {"pid": 4711}

It ends when the socket closes, and its kernels end with it (ipykernel watches its parent).
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

REAP_S = 2.0


def load() -> None:
    """Import what every page needs, and rehearse every page once: what that loads and caches, the kernels share.

    Without a kernel a widget talks to nobody; all of them are closed again. A page that fails here is left alone: it
    will say so, in words, to whoever opens it.
    """
    import websockets.sync.client  # noqa: F401
    from ipywidgets import Widget

    from balance_lib.widgets import apps

    for page in apps.__all__:
        with contextlib.suppress(Exception):
            getattr(apps, page)()
    Widget.close_all()


def threads() -> int:
    """Return how many threads this process runs; a fork keeps only the one that forks."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def serve(channel: socket.socket) -> None:
    """Answer requests until the other end is closed."""
    gc.collect()
    gc.freeze()  # the collector would write to every page it looks at, and nothing would stay shared
    lines = channel.makefile("rb")
    _send(channel, {"ready": os.getpid(), "threads": threads()})
    while True:
        readable, _, _ = select.select([channel], [], [], REAP_S)
        _reap()
        if not readable:
            continue
        line = lines.readline()
        if not line:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            _become_kernel(json.loads(line))
        _send(channel, {"pid": pid})


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")


def _reap() -> None:
    """Bury kernels that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_kernel(request: dict[str, Any]) -> None:
    """Turn this fork into a kernel, and never return."""
    code = 1
    try:
        os.setsid()  # signals go to the kernel's own group, as for a kernel started by itself
        os.environ.clear()
        os.environ.update(request["env"])
        os.environ["JPY_PARENT_PID"] = str(os.getppid())
        os.chdir(request["cwd"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        random.seed()
        sys.modules["numpy"].random.seed()
        sys.argv = ["ipykernel_launcher", *request["argv"]]
        from ipykernel.kernelapp import IPKernelApp

        app = IPKernelApp.instance()
        app.initialize(request["argv"])
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
    load()
    serve(channel)


if __name__ == "__main__":
    main()
