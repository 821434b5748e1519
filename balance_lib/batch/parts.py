"""Keep each county's result as a file of its own until the dataset is whole: what is done is never done twice."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

FOLDER = ".parts"


def place(out: Path) -> Path:
    """Return the folder of the parts of a dataset, beside it."""
    return out.with_name(f"{out.name}{FOLDER}")


def _name_of(county: str, key: str) -> str:
    """Return the file name of a county's part.

    ``key``: as :func:`balance_lib.batch.options.key` makes it.
    """
    return f"{quote(county, safe='')}~{key}.json.gz"


def _pack(county: str, found: dict[str, Any]) -> bytes:
    """Return a county's findings as the bytes of a part.

    Returns
    -------
    bytes
        Compressed JSON, the same bytes for the same findings.
    """
    text = json.dumps({"county": county, **found}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)


def known(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the parts that stand: by county and key."""
    found: dict[str, dict[str, Path]] = {}
    for path in folder.glob("*~*.json.gz"):
        county, _, rest = path.name.rpartition("~")
        found.setdefault(county, {})[rest.removesuffix(".json.gz")] = path
    return found


def _keys(stand: dict[str, dict[str, Path]], county: str) -> tuple[str, ...]:
    """Return the keys of the parts that stand for a county.

    ``stand``: the parts that stand, by quoted county and key.
    """
    return tuple(stand.get(quote(county, safe=""), ()))


def _write(folder: Path, county: str, key: str, data: bytes) -> Path:
    """Write a part whole or not at all; what is killed in the middle leaves nothing under its name.

    ``folder``: folder of the parts; made where it is missing. ``data``: as :func:`pack` returns it.

    Returns
    -------
    Path
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        target = folder / _name_of(county, key)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
    return target


def tidy(folder: Path) -> None:
    """Delete what a killed run left half written."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)
