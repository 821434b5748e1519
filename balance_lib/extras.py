"""Name the parts of the installation: what the core leaves out, and the line that brings it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from balance_lib import locale
from balance_lib._errors import BalanceError

#: The modules each extra of ``pyproject.toml`` brings; a test holds both together.
EXTRAS = {
    "terrain": ("osmium", "rasterio"),
    "office": ("alembic", "docx", "matplotlib", "sqlalchemy"),
    "dashboards": ("anywidget", "ipywidgets", "psutil", "traitlets", "voila", "websockets"),
    "province": ("dask", "distributed", "duckdb", "fsspec"),
}


class MissingExtraError(BalanceError, ImportError):
    """A part of the installation that is not there; says the one line that brings it.

    Parameters
    ----------
    extra : str
        Key of :data:`EXTRAS`.
    modules : tuple of str
        The modules that are missing.
    """

    def __init__(self, extra: str, modules: tuple[str, ...]) -> None:
        self.extra, self.modules = extra, modules
        super().__init__(self.message("en"))

    def message(self, lang: str = "zh") -> str:
        """Say in the chosen language what is missing and what to type."""
        return locale.text("error.extra", lang, extra=self.extra, modules=", ".join(self.modules))


@cache
def need(extra: str) -> None:
    """Make sure that an extra is installed, before anything of it is imported.

    Parameters
    ----------
    extra : str
        Key of :data:`EXTRAS`.

    Raises
    ------
    MissingExtraError
        With the line to type.

    Examples
    --------
    >>> need("office")
    """
    missing = tuple(name for name in EXTRAS[extra] if find_spec(name) is None)
    if missing:
        raise MissingExtraError(extra, missing)
