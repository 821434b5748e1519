"""Say where the saved work stands: a folder of the user's own, never among the pages that are served."""

from __future__ import annotations

import os
from pathlib import Path

URL_VARIABLE = "BALANCE_DATABASE_URL"
HOME_VARIABLE = "BALANCE_HOME"


def folder() -> Path:
    """Return the folder of the database file and the evidence: ``.store`` in the user's folder of counties."""
    home = os.environ.get(HOME_VARIABLE)
    return (Path(home).resolve() if home else Path.home() / "balance_counties") / ".store"


def url(at: Path | None = None) -> str:
    """Return the database's address: ``BALANCE_DATABASE_URL``, else a SQLite file in the folder.

    A folder given overrides the environment: tests and second stores stand wherever they are put.
    """
    named = os.environ.get(URL_VARIABLE) if at is None else None
    return driver(named) if named else f"sqlite:///{(at or folder()) / 'balance.sqlite'}"


def driver(address: str) -> str:
    """Return an address that names the driver we use: people write postgresql:// and postgres://.

    Examples
    --------
    >>> driver("postgres://u@h/d"), driver("sqlite:///a.sqlite")
    ('postgresql+psycopg://u@h/d', 'sqlite:///a.sqlite')
    """
    scheme, mark, rest = address.partition("://")
    return f"postgresql+psycopg://{rest}" if mark and scheme in ("postgres", "postgresql") else address
