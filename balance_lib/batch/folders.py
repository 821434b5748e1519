"""Find county folders under a root, on a disk or behind any address fsspec opens, and bring one to this machine."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from balance_lib._errors import BalanceError, NotFoundError
from balance_lib.data import tables
from balance_lib.data.county import META, OUTLINE, TOWNSHIPS
from balance_lib.locale import text

LISTING = "counties.txt"
RELIEF, RIVERS, ROADS = "dem.tif", "rivers.geojson", "*.osm.pbf"


class StorageError(BalanceError):
    """An address that cannot be opened: the library for it is not installed, a key is wrong, nobody answers."""

    def __init__(self, address: str, cause: BaseException) -> None:
        super().__init__(address, cause)
        self.address, self.cause = address, cause

    def message(self, lang: str = "zh") -> str:
        """Say what could not be opened and why."""
        key = "batch.library" if isinstance(self.cause, ImportError) else "batch.storage"
        return text(key, lang, address=self.address, cause=f"{type(self.cause).__name__}: {self.cause}")


@dataclass(frozen=True)
class Folder:
    """Hold where a county folder is.

    Parameters
    ----------
    name : str
        Its path below the root: what results call the county.
    root : str
        The root, as a path or an address such as ``s3://returns/2023``.
    options : mapping
        What fsspec needs to open the root: keys, endpoints.
    """

    name: str
    root: str
    options: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def remote(self) -> bool:
        """Tell whether the folder is behind an address."""
        return "://" in self.root

    @contextmanager
    def here(self, *, terrain: bool = False) -> Iterator[Path]:
        """Give the folder as a local one; files brought here are gone afterwards.

        Parameters
        ----------
        terrain : bool
            Bring the relief too; it is the largest file and most questions do without.
        """
        if not self.remote:
            yield Path(self.root) / self.name
            return
        with tempfile.TemporaryDirectory(prefix="balance-") as place:
            folder = Path(place) / PurePosixPath(self.name).name
            folder.mkdir()
            files, base = _open(self.root, self.options)
            for file in _wanted(files, f"{base}/{self.name}", terrain):
                try:
                    (folder / PurePosixPath(file).name).write_bytes(files.cat_file(file))
                except FileNotFoundError:  # a web server is asked for every file a county may have
                    continue
            yield folder


def find(root: str | Path, options: dict[str, Any] | None = None) -> list[Folder]:
    """Find the county folders under a root.

    Parameters
    ----------
    root : str or Path
        A folder, or an address fsspec opens (``s3://``, ``memory://``, ``http://`` …). A county folder is one with a
        ``county.yaml``, directly below the root or one folder deeper (by prefecture). Where a file ``counties.txt``
        stands in the root it lists them, one a line: a web server cannot be asked what it holds.
    options : mapping, optional
        What fsspec needs to open the address.

    Returns
    -------
    list of Folder
        By name.

    Raises
    ------
    NotFoundError
        If there is none.
    StorageError
        If the address cannot be opened.
    """
    place, given = str(root), options or {}
    try:
        names = _names(place, given)
    except Exception as error:  # every storage has errors of its own
        if "://" not in place:
            raise
        raise StorageError(place, error) from error
    if not names:
        raise NotFoundError(META, place)
    home = place if "://" in place else str(Path(place).resolve())
    return [Folder(name, home.rstrip("/"), given) for name in sorted(set(names))]


def _names(place: str, options: dict[str, Any]) -> list[str]:
    files, base = _open(place, options)
    listed = _listed(files, base)
    if listed is not None:
        return listed
    found = [*files.glob(f"{base}/*/{META}"), *files.glob(f"{base}/*/*/{META}")]
    names = [str(PurePosixPath(path[len(base) + 1 :]).parent) for path in found]
    return [name for name in names if not any(part.startswith(".") for part in PurePosixPath(name).parts)]


def _open(root: str, options: dict[str, Any]) -> tuple[Any, str]:
    if root.startswith(("http://", "https://")):
        return _Web(), root.rstrip("/")
    import fsspec  # type: ignore[import-untyped]

    files, base = fsspec.core.url_to_fs(root, **options)
    return files, str(base).rstrip("/")


class _Web:
    """Read files of a web server by their addresses; fsspec's own way needs a further library."""

    def cat_file(self, address: str) -> bytes:
        """Return a file's content.

        Raises
        ------
        FileNotFoundError
            If the server has no such file.
        """
        from urllib.error import HTTPError
        from urllib.parse import quote
        from urllib.request import urlopen

        try:
            with urlopen(quote(address, safe=":/?&=%"), timeout=60) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            if error.code in (403, 404, 410):
                raise FileNotFoundError(address) from error
            raise

    def glob(self, pattern: str) -> list[str]:
        """Return nothing: a web server cannot be asked what it holds."""
        return []


def _listed(files: Any, base: str) -> list[str] | None:
    try:
        text = files.cat_file(f"{base}/{LISTING}").decode("utf-8-sig")
    except FileNotFoundError:
        return None
    return [line.strip().rstrip("/") for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _wanted(files: Any, folder: str, terrain: bool) -> list[str]:
    """Return the files a county is read from: those there are, or where nobody can list them those there may be."""
    names = {META, OUTLINE, TOWNSHIPS, RIVERS, *(tables.table(name).file for name in tables.all_tables())}
    names |= {RELIEF} if terrain else set()
    if not str(folder).startswith("http"):
        there = [file for file in files.ls(folder, detail=False) if PurePosixPath(file).name in names]
        return [*there, *files.glob(f"{folder}/{ROADS}")]
    return [f"{folder}/{name}" for name in sorted(names)]


def content(folder: Path) -> str:
    """Return a digest of everything a county is read from: its files as they stand, byte for byte."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
