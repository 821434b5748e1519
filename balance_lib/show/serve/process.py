"""Be one page's kernel, within its share of memory: ``python -m balance_lib.show.serve.process -f connection.json``.

A forked kernel runs the same :func:`become`; see :mod:`balance_lib.show.serve.zygote`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT_MB = 2048


def without_debugger() -> None:
    """Keep ipykernel from loading its debugger: no page can reach it, and it takes 15 MB of every kernel."""
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]  # how Python marks what is not to be imported


def _limit() -> None:
    """Hold this process to its share of memory: what asks for more fails by itself and harms no other page.

    ``BALANCE_KERNEL_MB`` says how much; 0 sets no limit. Windows has no such limit.
    """
    if sys.platform == "win32":
        return
    import resource

    wished = int(os.environ.get("BALANCE_KERNEL_MB") or LIMIT_MB) << 20
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if wished and (most == resource.RLIM_INFINITY or wished < most):
        resource.setrlimit(resource.RLIMIT_DATA, (wished, wished))


class _Unlisted:
    """Stand for ``sys`` where ipykernel is made: it notes the file of every module, for its debugger alone.

    Noting them writes to the memory of each of the 2,600 modules, 10 MB that a forked kernel would no longer share.
    """

    modules: dict[str, Any] = {}  # noqa: RUF012  never filled

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


@contextmanager
def _unlisted() -> Iterator[None]:
    from ipykernel import ipkernel

    module: Any = ipkernel
    module.sys = _Unlisted()
    try:
        yield
    finally:
        module.sys = sys


def made(argv: list[str]) -> Any:
    """Return the kernel application, ready to start.

    Parameters
    ----------
    argv : list of str
        What follows the module on a kernel's command line.
    """
    from ipykernel.kernelapp import IPKernelApp

    _limit()
    app = IPKernelApp.instance()
    with _unlisted():
        app.initialize(argv)
    return app


def main() -> None:
    """Run a kernel by itself, where none can be forked."""
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # the folder of the pages holds no modules of ours
    without_debugger()
    made(sys.argv[1:]).start()


if __name__ == "__main__":
    main()
