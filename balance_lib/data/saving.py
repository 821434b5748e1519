"""Save a folder whole or not at all, one writer at a time, and never over what somebody else saved in between."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from balance_lib._errors import ChangedError

try:
    import fcntl
except ImportError:  # Windows: the version alone keeps a change from being lost
    fcntl = None  # type: ignore[assignment]


REPLACED = ".replaced"


def version_of(folder: Path) -> str:
    """Return what changes with every save: a digest of the folder and its files; "" where it does not stand."""
    try:
        parts = [(".", folder.stat().st_ino, 0, 0)]
        for file in sorted(folder.iterdir()):
            facts = file.stat()
            parts.append((file.name, facts.st_ino, facts.st_mtime_ns, facts.st_size))
    except FileNotFoundError:
        return ""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other writers waiting, in this process and in others; what a killed one left behind is cleared up.

    The lock is on the folder above: it stands before the folder does, and no file is left lying about.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = None if fcntl is None else os.open(folder.parent, os.O_RDONLY)
    try:
        if handle is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        _clear_up(folder)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def recover(folder: Path) -> None:
    """Put a folder back whose writer was killed between taking the old one away and putting the new one in place."""
    if _replaced(folder).is_dir() and not folder.exists():
        with _held(folder):
            pass


def recover_all(root: Path) -> None:
    """Put every folder of a root back whose writer was killed half-way."""
    for old in root.glob(f".*{REPLACED}"):
        recover(old.with_name(old.name.removeprefix(".").removesuffix(REPLACED)))


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside the one to be replaced; it is gone at the end unless it was put in place."""
    with _held(folder):
        fresh = _fresh(folder)
        fresh.mkdir()
        try:
            yield fresh
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def replacing(folder: Path, version: str | None = None) -> Iterator[Path]:
    """Yield a copy of a folder to write into, and put it in the folder's place at the end.

    Parameters
    ----------
    folder : Path
        It need not stand yet.
    version : str, optional
        What :func:`version_of` it was when it was read; "" if it did not stand.

    Raises
    ------
    ChangedError
        If the folder is of another version by now; nothing is written.
    """
    with building(folder) as fresh:
        if version is not None and version_of(folder) != version:
            at = datetime.fromtimestamp(folder.stat().st_mtime, UTC) if folder.exists() else None
            raise ChangedError(folder.name, at)
        if folder.is_dir():
            shutil.copytree(folder, fresh, dirs_exist_ok=True)
        yield fresh
        put_in_place(fresh, folder)


def put_in_place(fresh: Path, folder: Path) -> None:
    """Put a finished folder in the place of the old one; the old one stays until the new one stands.

    Parameters
    ----------
    fresh : Path
        The finished folder.
    folder : Path
    """
    if not folder.exists():
        fresh.replace(folder)
        return
    old = _replaced(folder)
    folder.replace(old)
    try:
        fresh.replace(folder)
    except OSError:
        old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _fresh(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.saving")


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{REPLACED}")


def _clear_up(folder: Path) -> None:
    old = _replaced(folder)
    if old.is_dir() and not folder.exists():
        old.replace(folder)
    for left in (old, _fresh(folder)):
        shutil.rmtree(left, ignore_errors=True)
