"""Keep measured tables on disk, found again only by the content of everything they were measured from."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.access.distance.places import Places
from balance_lib.access.distance.result import ODTable

VARIABLE = "BALANCE_CACHE"
KEPT_BYTES = 1_000_000_000
_ARRAYS = (
    "origins",
    "destinations",
    "metres",
    "origin_part",
    "destination_part",
    "origin_snap_m",
    "destination_snap_m",
)
_PLAIN = ("mode", "direction", "limit_m", "limit_min", "flat_kph")


def folder() -> Path:
    """Return the folder of kept tables: ``BALANCE_CACHE``, else where the platform keeps caches."""
    import platformdirs

    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_path("balance", appauthor=False)) / "distance"


def _kept(key: str, measure: Callable[[], ODTable]) -> ODTable:
    """Return the table of this key, measured now unless it was before.

    A file is written beside its place and put there whole, so that any number of processes may do so at once; one that
    is damaged, or of another key, is measured again. Where the folder cannot be written nothing is kept.

    ``key``: from :func:`digest`, of everything the table depends on.
    """
    path = folder() / f"{key}.npz"
    found = _read(path, key)
    if found is not None:
        return found
    table = measure()
    try:
        _write(path, key, table)
        _tidy(path.parent)
    except OSError:
        pass
    return table


def digest(*parts: Any) -> str:
    """Return a digest of inputs and of this package's own code: a better method never returns an older answer."""
    total = hashlib.sha256(_code().encode())
    for part in parts:
        for piece in _pieces(part):
            total.update(len(piece).to_bytes(8, "little"))
            total.update(piece)
    return total.hexdigest()


def _pieces(part: Any) -> list[bytes]:
    if isinstance(part, Places):
        return [b"places", json.dumps(part.ids.tolist()).encode(), part.lon.tobytes(), part.lat.tobytes()]
    if isinstance(part, pd.DataFrame):
        return [b"frame", *(piece for name in part for piece in (str(name).encode(), _column(part[name])))]
    if isinstance(part, Path):
        return [b"file", part.read_bytes()]
    return [b"value", json.dumps(part, sort_keys=True, ensure_ascii=True).encode()]


def _column(values: pd.Series) -> bytes:
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy().tobytes()
    return json.dumps([None if pd.isna(v) else str(v) for v in values]).encode()


@cache
def _code() -> str:
    """Return a digest of the code of this room, and of the libraries that do its arithmetic."""
    from importlib.metadata import version

    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        total.update(path.read_bytes())
    libraries = ("numpy", "scipy", "shapely", "pyproj", "rasterio", "numba", "osmium")
    return json.dumps([total.hexdigest(), *(version(name) for name in libraries)])


def _write(path: Path, key: str, table: ODTable) -> None:
    arrays = {name: getattr(table, name) for name in _ARRAYS}
    if table.walk_minutes is not None:
        arrays["walk_minutes"] = table.walk_minutes
    plain = {name: getattr(table, name) for name in _PLAIN}
    arrays["plain"] = np.array(
        json.dumps({**plain, "provenance": dict(table.provenance), "key": key, "sum": _checksum(arrays)})
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _read(path: Path, key: str) -> ODTable | None:
    """Return a kept table; None where there is none, or it is not whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        plain = json.loads(str(arrays.pop("plain")))
        if plain.pop("key") != key or plain.pop("sum") != _checksum(arrays):
            return None
        table = ODTable(**arrays, **plain)
        path.touch()
    except Exception:  # whatever a damaged file makes numpy, zipfile or json raise: it is measured again
        return None
    return table


def _checksum(arrays: dict[str, Any]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(name.encode() + str(arrays[name].shape).encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()


def _tidy(where: Path) -> None:
    """Delete the tables unused for longest until the rest is small enough."""
    files = []
    for path in where.glob("*.npz"):
        try:
            stat = path.stat()
        except FileNotFoundError:  # another process tidies too
            continue
        files.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files)[:-1]:
        if total <= KEPT_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
