"""Find what ships with the package: the dashboards and the demonstration counties, in a checkout or in a wheel."""

from __future__ import annotations

from pathlib import Path

from balance_lib._errors import NotFoundError

PACKAGE = Path(__file__).resolve().parent
FOLDERS = {"dashboards": "dashboards", "data": "data", "demo": "data/demo"}


def shipped(name: str) -> Path:
    """Return a folder that ships with the package.

    Returns
    -------
    Path
        Inside the installed wheel, or at the top of the checkout.

    Raises
    ------
    NotFoundError
        If nothing of that name ships, or the folder is missing.
    """
    if name not in FOLDERS:
        raise NotFoundError("shipped", name, FOLDERS)
    for top in (PACKAGE / "_shipped", PACKAGE.parent):
        if (top / FOLDERS[name]).is_dir():
            return top / FOLDERS[name]
    raise NotFoundError("folder", FOLDERS[name], [])
