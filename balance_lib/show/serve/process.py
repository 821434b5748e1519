"""Be one page's kernel, within its share of memory: ``python -m balance_lib.show.serve.process connection.json``.

A forked kernel runs the same :func:`become`; see :mod:`balance_lib.show.serve.zygote`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
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


@cache
def kernel_class() -> Any:
    """Return the class of a page's kernel; made before the fork, since making a class looks at all that it inherits."""
    from ipykernel.kernelapp import IPKernelApp

    class PageKernelApp(IPKernelApp):
        """Take the settings as they are, and run nothing at the start.

        Jupyter would look at every trait of a hundred classes to read a command line, at every logger to set it up, and
        IPython at the name of every module: 10 MB that a forked kernel would no longer share.
        """

        def parse_command_line(self, argv: Any = None) -> None:
            """Read nothing: there is none."""

        def init_code(self) -> None:
            """Leave alone what a person may have set up for a console."""

        def _configure_logging(self) -> None:
            """Leave the loggers of the process as they are."""

        def init_pdb(self) -> None:
            """Go without a debugger."""

    return PageKernelApp


def made(connection_file: str, parent: int = 0) -> Any:
    """Return the kernel application, ready to start.

    Parameters
    ----------
    connection_file : str
        Where the server wrote how it speaks to this kernel.
    parent : int
        Process whose end is the kernel's; 0 leaves it to ipykernel.
    """
    from traitlets.config import Config

    _limit()
    # Pages leave no history behind, and many kernels at once would fight for its file; that a kernel complains of being
    # stopped is nobody's concern.
    own = {"connection_file": connection_file, "log_level": 50} | ({"parent_handle": parent} if parent else {})
    app = kernel_class().instance(config=Config({"IPKernelApp": own, "HistoryManager": {"enabled": False}}))
    with _unlisted():
        app.initialize([])
    return app


def main() -> None:
    """Run a kernel by itself, where none can be forked."""
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # the folder of the pages holds no modules of ours
    without_debugger()
    made(sys.argv[1]).start()


if __name__ == "__main__":
    main()
