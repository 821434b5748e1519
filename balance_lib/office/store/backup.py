"""Back the store up into one file and bring it back: the same file for SQLite and PostgreSQL."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, DateTime, Engine, MetaData, Table, insert, inspect, select, text
from sqlalchemy.exc import OperationalError

import balance_lib
from balance_lib.office.store import evidence, trail
from balance_lib.office.store.engine import HEAD, _migrate, revision
from balance_lib.office.store.models import TABLES
from balance_lib.office.store.refused import StoreError

FORMAT = "balance-store-1"
HEAD_FILE = "store.json"
NAMES = tuple(model.__tablename__ for model in TABLES)
BATCH = 500


def write(engine: Engine, folder: Path, target: Path) -> dict[str, int]:
    """Write everything into one ZIP file, as it stood at one moment; return how many rows each table has.

    Parameters
    ----------
    engine : Engine
    folder : Path
        Where the evidence stands.
    target : Path
        The file; it is replaced when it exists, whole or not at all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(handle)
    try:
        level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with (
            engine.connect().execution_options(**level) as connection,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            counts = _write(connection, archive, folder)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return counts


def _write(connection: Connection, archive: zipfile.ZipFile, folder: Path) -> dict[str, int]:
    counts = {}
    version = revision(connection)
    for name, table in _tables(connection).items():
        rows = [_plain(row) for row in connection.execute(select(table)).mappings()]
        counts[name] = len(rows)
        archive.writestr(f"tables/{name}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        if name == "evidence":
            for sha in sorted({row["sha256"] for row in rows}):
                archive.writestr(f"evidence/{sha}", evidence.read(folder, sha))
    head = {
        "format": FORMAT,
        "revision": version,
        "written": trail.now().isoformat(),
        "software": f"balance_lib {balance_lib.__version__}",
        "rows": counts,
    }
    archive.writestr(HEAD_FILE, json.dumps(head, ensure_ascii=False, indent=1))
    return counts


def read(engine: Engine, folder: Path, source: Path, *, replace: bool = False) -> dict[str, int]:
    """Bring a backup back, all of it or nothing; return how many rows each table has.

    Parameters
    ----------
    engine : Engine
        Connection pool of the store.
    folder : Path
    source : Path
    replace : bool
        Whether a store that stands is overwritten.

    Raises
    ------
    StoreError
        If the file is no backup, is damaged or hostile, newer than the software, or the store is not empty and
        ``replace`` is not given.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            head = json.loads(archive.read(HEAD_FILE))
            if head.get("format") != FORMAT:
                raise StoreError("not_a_backup", file=source.name)
            if str(head["revision"]) > HEAD:
                raise StoreError("newer", found=head["revision"], known=HEAD)
            shas = [n.removeprefix("evidence/") for n in archive.namelist() if n.startswith("evidence/")]
            for sha in shas:
                if hashlib.sha256(archive.read(f"evidence/{sha}")).hexdigest() != sha:
                    raise StoreError("evidence_damaged", sha=sha[:12])
            with engine.execution_options(writes=True).begin() as connection:
                _clear(connection, replace)
                _migrate(connection, str(head["revision"]))
                counts = {n: _fill(connection, t, archive) for n, t in _tables(connection).items()}
                if counts != head["rows"]:
                    raise StoreError("not_a_backup", file=source.name)
                # The rows refer to these files: they stand before the rows can be seen.
                for sha in shas:
                    evidence._keep(folder, archive.read(f"evidence/{sha}"))
                _migrate(connection, HEAD)
    except (StoreError, OperationalError):  # ours, or the database's own trouble
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # a full disk, no such file: the system's own words say it
            raise
        raise StoreError("not_a_backup", file=source.name) from error
    except Exception as error:  # whatever else a file can hold: no ZIP, no JSON, rows of other tables, an odd revision
        raise StoreError("not_a_backup", file=source.name) from error
    return counts


def _clear(connection: Connection, replace: bool) -> None:
    if revision(connection) is None:
        return
    full = any(connection.execute(select(t).limit(1)).first() for t in _tables(connection).values())
    if full and not replace:
        raise StoreError("not_empty")
    standing = set(inspect(connection).get_table_names())
    for name in (*NAMES, "alembic_version"):
        if name in standing:
            connection.execute(text(f"DROP TABLE {name}"))
    if connection.dialect.name == "postgresql":
        connection.execute(text("DROP FUNCTION IF EXISTS refuse_rewriting()"))


def _tables(connection: Connection) -> dict[str, Table]:
    """Return our tables as they are in this database, whatever version they are of."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in NAMES)
    return {name: found.tables[name] for name in NAMES if name in found.tables}


def _fill(connection: Connection, table: Table, archive: zipfile.ZipFile) -> int:
    rows = list(_rows(table, archive))
    for at in range(0, len(rows), BATCH):
        connection.execute(insert(table), rows[at : at + BATCH])
    if table.name == "changes" and connection.dialect.name == "postgresql" and rows:
        # Rows came with their numbers: the next one must be a new one.
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence('changes', 'change_id'), (SELECT max(change_id) FROM changes))")
        )
    return len(rows)


def _rows(table: Table, archive: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    for line in archive.read(f"tables/{table.name}.jsonl").decode("utf-8").splitlines():
        row = json.loads(line)
        yield {name: _value(table, name, value) for name, value in row.items()}


def _value(table: Table, name: str, value: Any) -> Any:
    kind = table.c[name].type.python_type
    if value is None or kind not in (date, datetime):
        return value
    return datetime.fromisoformat(value) if isinstance(table.c[name].type, DateTime) else date.fromisoformat(value)


def _plain(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, (date, datetime)) else value for name, value in row.items()}
