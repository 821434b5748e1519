"""Start Voila for these dashboards: settings, our template, local assets, warm kernels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from balance_lib.extras import need

need("dashboards")  # before anything of it is imported

# isort: split
from balance_lib._errors import NotFoundError
from balance_lib.locale import LANGUAGES, text
from balance_lib.shipped import shipped

__all__ = ["PORT", "command", "launch", "shipped"]

PORT = 8866


def launch(  # noqa: PLR0913 (what people type)
    root: str | Path | None = None,
    *,
    port: int = PORT,
    ip: str = "127.0.0.1",
    base_url: str = "/",
    token: str | None = None,
    viewer_token: str | None = None,
    hosts: Sequence[str] = (),
    lang: str = "zh",
    open_browser: bool = False,
    dashboards: str | Path | None = None,
    pool: int = 1,
) -> None:
    """Serve the dashboards until Ctrl+C or SIGTERM, then stop every kernel.

    Parameters
    ----------
    root : path, optional
        Folder of county folders, found by the pages in ``BALANCE_ROOT``. By default ``BALANCE_HOME``, or the folder
        ``balance_counties`` in the user's home, in front of the demonstration counties, which are never changed.
    port : int
        Port; 0 takes any free one. If it is taken, one of the next twenty is used, and said so.
    ip : str
        Address to listen on; ``0.0.0.0`` for every network of the machine.
    base_url : str
        Path under which the pages stand, for a reverse proxy: ``/balance/``.
    token : str, optional
        Password that opens the pages; none by default, and then everybody may look and save.
    viewer_token : str, optional
        Another password, for whoever may look but not save.
    hosts : sequence of str
        Further names the server is reached by, such as the proxy's; its own name and addresses in numbers always are.
    lang : {"zh", "en"}
        Language of a page that does not say ``?lang=``.
    open_browser : bool
        Whether to open the first page in the browser of this machine.
    dashboards : path, optional
        Folder of the notebooks; the shipped ones by default.
    pool : int
        Kernels kept warm for each page (about 30 MB each where kernels are forked, 150 MB elsewhere);
        0 starts every page cold.

    Raises
    ------
    NotFoundError
        If a folder is missing.
    OSError
        If no port could be had.
    ValueError
        If viewers are told apart but nobody is asked for a token, or both tokens are the same.
    """
    if viewer_token and (not token or token == viewer_token):
        raise ValueError("\n".join(text("serve.viewer_alone", name) for name in LANGUAGES))
    # Voila is imported only by who serves: it takes most of a second.
    from balance_lib.show.serve.app import serve

    if root is not None and not Path(root).is_dir():
        raise NotFoundError("folder", str(root))
    serve(
        root=None if root is None else Path(root),
        dashboards=Path(dashboards) if dashboards is not None else shipped("dashboards"),
        port=port,
        ip=ip,
        base_url=base_url,
        token=token,
        viewer_token=viewer_token,
        hosts=hosts,
        lang=lang,
        open_browser=open_browser,
        pool=pool,
    )


def command(
    root: str | Path | None = None,
    *,
    port: int = PORT,
    ip: str = "127.0.0.1",
    base_url: str = "/",
    hosts: Sequence[str] = (),
    lang: str = "zh",
    open_browser: bool = False,
    dashboards: str | Path | None = None,
    pool: int = 1,
) -> list[str]:
    """Return the command line that does what :func:`launch` does, for whoever starts it as a process of its own.

    There is no token on it, since everybody on the machine can read a command line: set ``BALANCE_TOKEN`` and
    ``BALANCE_VIEWER_TOKEN`` in the environment of the process instead.

    Parameters
    ----------
    root : str or Path, optional
        Folder of county folders.
    port : int
        Port; 0 takes any free one.
    ip : str
        Address to listen on.
    base_url : str
        Path the pages stand under.
    hosts : sequence of str
        Host names the server answers to.
    lang : {"zh", "en"}
    open_browser : bool
        Whether a browser is opened.
    dashboards : str or Path, optional
        Folder of the pages.
    pool : int
        Kernels kept ready.
    """
    line = [sys.executable, "-m", "balance_lib.show.serve", "--port", str(port), "--ip", ip, "--base-url", base_url]
    line += ["--lang", lang, "--pool", str(pool)]
    line += ["--root", str(root)] if root is not None else []
    line += ["--dashboards", str(dashboards)] if dashboards is not None else []
    line += [part for host in hosts for part in ("--allow-host", host)]
    line += ["--open-browser"] if open_browser else []
    return line
