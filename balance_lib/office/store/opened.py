"""Open the database that holds what people do, when it is first needed, and bring its tables up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import DatabaseError

from balance_lib.office.store import backup, place, role
from balance_lib.office.store.engine import open_engine, upgrade
from balance_lib.office.store.refused import StoreError, database_refused


@contextmanager
def _told() -> Iterator[None]:
    """Say in words what the database cannot do; that it forbids a change is another matter."""
    try:
        yield
    except (sqlite3.DatabaseError, DatabaseError) as error:
        if type(error).__name__ not in ("DatabaseError", "OperationalError"):
            raise
        raise database_refused(error) from error


class Database:
    """Open a database on first use, read and write it in transactions, back it up and bring it back."""

    def __init__(self, url: str | None = None, folder: Path | None = None) -> None:
        self.folder = folder or place.folder()
        self.url = place.driver(url) if url else place.url(folder)

    @classmethod
    def default(cls) -> Self:
        """Return the store the environment names."""
        return cls()

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return a store of its own in a folder."""
        return cls(folder=folder)

    @property
    def exists(self) -> bool:
        """Tell whether anything can have been saved: a database server is taken to exist."""
        address = make_url(self.url)
        return address.get_backend_name() != "sqlite" or Path(str(address.database)).is_file()

    @cached_property
    def engine(self) -> Engine:
        """Return the database, its tables brought up to date.

        Raises
        ------
        StoreError
            If it cannot be reached, or was made by newer software.
        """
        made = open_engine(self.url)
        try:
            with _told():
                upgrade(made)
        except StoreError:
            made.dispose()
            raise
        return made

    def upgrade(self) -> bool:
        """Bring the tables up to date; True if there was anything to do."""
        made = open_engine(self.url)
        try:
            with _told():
                return upgrade(made)
        finally:
            made.dispose()

    def close(self) -> None:
        """Let go of the database."""
        if "engine" in self.__dict__:
            self.__dict__.pop("engine").dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees the store as it stands at one moment."""
        with _told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose changes are written together when nothing fails; a viewer's page is refused."""
        role.need_to_write()
        with _told(), self.engine.execution_options(writes=True).begin() as connection:
            yield connection

    def backup(self, target: Path) -> dict[str, int]:
        """Write everything into one file; return how many rows each table has."""
        with _told():
            return backup.write(self.engine, self.folder / "evidence", target)

    def restore(self, source: Path, *, replace: bool = False) -> dict[str, int]:
        """Bring a backup back into an empty store, or with ``replace`` in the place of what is there.

        Parameters
        ----------
        source : Path
        replace : bool
            Whether a store that stands is overwritten.
        """
        role.need_to_write()
        made = open_engine(self.url)
        try:
            with _told():
                return backup.read(made, self.folder / "evidence", source, replace=replace)
        finally:
            made.dispose()
