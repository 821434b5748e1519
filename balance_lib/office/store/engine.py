"""Open the database: SQLite so that many processes may write, PostgreSQL as it is; tables brought up to date first."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text

from balance_lib.office.store.refused import StoreError

HEAD = "0003"
BUSY_S = 60
# Anybody's number; it only has to be the same for everybody who brings these tables up to date.
LOCK = 7_250_119


def open_engine(url: str) -> Engine:
    """Return an engine; ``engine.execution_options(writes=True)`` begins transactions that will write."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True, pool_size=2)
    Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(address, connect_args={"timeout": BUSY_S})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    cursor = connection.cursor()
    # A reader never waits for a writer; and what is committed stands even when the power fails.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that begins by reading and then writes could be refused half-way; a writer takes its turn at once.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def revision(connection: Connection) -> str | None:
    """Return the version of the tables; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def upgrade(engine: Engine) -> bool:
    """Bring the tables up to date; True if there was anything to do.

    Several processes may try at once: one does it, the others wait and find it done.

    Raises
    ------
    StoreError
        If the tables were made by a newer version of the software.
    """
    with engine.connect() as connection:
        if (found := revision(connection)) == HEAD:
            return False
    if found is not None and found > HEAD:
        raise StoreError("newer", found=found, known=HEAD)
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        if revision(connection) == HEAD:
            return False
        _migrate(connection, HEAD)
        return True


def _migrate(connection: Connection, to: str) -> None:
    """Run the migrations up to a version, in the transaction that is open."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option(
        "script_location", str(resources.files("balance_lib.office.store").joinpath("migrations")).replace("%", "%%")
    )
    config.attributes["connection"] = connection
    command.upgrade(config, to)
