"""Insert a row unless one of its key stands: two people may press the button at the same moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table


def _insert_unless_there(connection: Connection, table: Table, values: Mapping[str, Any], key: str) -> bool:
    """Add a row; False when a unique constraint says that it stands already."""
    # Loading the dialect that is not used would cost every page a fifth of a second.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    added = insert(table).values(**values).on_conflict_do_nothing().returning(table.c[key])
    return connection.execute(added).first() is not None
