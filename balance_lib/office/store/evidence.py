"""Keep evidence: files checked by size and by what they really are, stored once under their hash."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
from sqlalchemy import Connection, insert, select

from balance_lib._errors import NotFoundError
from balance_lib.office.store import trail
from balance_lib.office.store.models import Evidence
from balance_lib.office.store.refused import StoreError
from balance_lib.office.store.stamp import Stamp
from balance_lib.office.workplan import harmless

TABLE = Evidence.__table__
MOST_BYTES = 20 * 1024 * 1024
# What a file of each kind begins with; Office files are ZIP archives and are looked into.
BEGINS = {
    "pdf": b"%PDF-",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpg": b"\xff\xd8\xff",
    "jpeg": b"\xff\xd8\xff",
    "docx": b"PK\x03\x04",
    "xlsx": b"PK\x03\x04",
}
INSIDE = {"docx": "word/", "xlsx": "xl/"}
COLUMNS = [c.name for c in TABLE.columns]


def _kind_of(name: str, content: bytes) -> str:
    """Return what kind of file this is, by its name and by its content.

    Raises
    ------
    StoreError
        If it is empty, too large, of a kind that is not taken, not what its name says, or carries macros.
    """
    kind = Path(name).suffix.lower().lstrip(".")
    if kind not in BEGINS:
        raise StoreError("evidence_kind", name=harmless(name, 80), kinds=", ".join(BEGINS))
    if not content:
        raise StoreError("evidence_empty", name=harmless(name, 80))
    if len(content) > MOST_BYTES:
        raise StoreError("evidence_size", name=harmless(name, 80), most=MOST_BYTES // 1024**2)
    if not content.startswith(BEGINS[kind]) or (kind in INSIDE and not _office(content, INSIDE[kind])):
        raise StoreError("evidence_content", name=harmless(name, 80), kind=kind)
    return kind


def shown_name(name: str) -> str:
    """Return a file's name without the folders of the visitor's machine."""
    return harmless(name.replace("\\", "/").rsplit("/", 1)[-1], 200)


def _office(content: bytes, folder: str) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return False
    macros = any(name.lower().endswith("vbaproject.bin") for name in names)
    return "[Content_Types].xml" in names and any(name.startswith(folder) for name in names) and not macros


def _keep(folder: Path, content: bytes) -> str:
    """Write bytes under their hash, whole or not at all, and return the hash; what stands already is left alone."""
    sha = hashlib.sha256(content).hexdigest()
    target = _path_of(folder, sha)
    if target.is_file():
        return sha
    # The mode holds for the last folder only: each is made by itself, for the owner alone.
    for place in (folder.parent, folder, target.parent):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return sha


def _path_of(folder: Path, sha: str) -> Path:
    """Return where the bytes of a hash stand."""
    return folder / sha[:2] / sha


def read(folder: Path, sha: str) -> bytes:
    """Return stored bytes, held against their hash.

    Parameters
    ----------
    folder : Path
    sha : str

    Raises
    ------
    NotFoundError
        If there are none.
    StoreError
        If they are not what was stored.
    """
    if len(sha) != 64 or not set(sha) <= set("0123456789abcdef") or not _path_of(folder, sha).is_file():
        raise NotFoundError("evidence", harmless(sha, 64))
    content = _path_of(folder, sha).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha:
        raise StoreError("evidence_damaged", sha=sha[:12])
    return content


def _index(  # noqa: PLR0913 (a record's fields)
    connection: Connection,
    *,
    sha: str,
    name: str,
    kind: str,
    size: int,
    who: str,
    county_id: str,
    standard_id: str,
    entry_id: str,
    task: str,
    stamp: Stamp,
) -> str:
    """Write a file into the index; return the id of the row.

    ``name``, ``who``, ``county_id``, ``standard_id``, ``entry_id``, ``task``, ``stamp``: as for
    :meth:`Store.add_evidence`.
    """
    at, new = trail.now(), trail.fresh_id()
    told = {
        "sha256": sha,
        "name": shown_name(name),
        "kind": kind,
        "size_bytes": size,
        "entry_id": entry_id,
        "task": task,
    }
    own = {"evidence_id": new, "county_id": county_id, "standard_id": standard_id, "version": 1}
    connection.execute(insert(TABLE).values(**own, **told, who=who, at=at, **vars(stamp)))  # type: ignore[arg-type]
    subject = trail.Subject("evidence", new, county_id, standard_id)
    trail.write(connection, subject, who=who, at=at, version=1, action="attach", before={}, after=told, stamp=stamp)
    return new


def _listed(connection: Connection, county_id: str, standard_id: str | None, entry_id: str | None) -> pd.DataFrame:
    """Return the index of a county's evidence, newest first."""
    asked = select(*(TABLE.c[name] for name in COLUMNS)).where(TABLE.c.county_id == county_id)
    if standard_id is not None:
        asked = asked.where(TABLE.c.standard_id == standard_id)
    if entry_id is not None:
        asked = asked.where(TABLE.c.entry_id == entry_id)
    asked = asked.order_by(TABLE.c.at.desc(), TABLE.c.evidence_id)
    return trail.frame(connection, asked, COLUMNS)
