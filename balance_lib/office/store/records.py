"""Keep what the office records of its plan's tasks: begun, blocked, done, or given another date."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select, update

from balance_lib.office.store import trail
from balance_lib.office.store.inserting import _insert_unless_there
from balance_lib.office.store.models import TaskRecord
from balance_lib.office.store.refused import ConflictError, StoreError
from balance_lib.office.store.stamp import Stamp

TABLE = TaskRecord.__table__
STATES = ("started", "blocked", "done")
TOLD = ("state", "due", "done_on", "note")
COLUMNS = ["record_id", "task", *TOLD, "version", "changed_at", "county_hash", "standard_version", "software"]


def _record(  # noqa: PLR0913 (a record's fields)
    connection: Connection,
    county_id: str,
    standard_id: str,
    task: str,
    *,
    state: str,
    who: str,
    version: int,
    stamp: Stamp,
    due: date | None = None,
    done_on: date | None = None,
    note: str = "",
) -> int:
    """Record how a task stands, if nobody else has since ``version`` (0: no record yet); return the new version.

    ``county_id``, ``standard_id``, ``task``, ``state``, ``who``, ``version``, ``stamp``, ``due``, ``done_on``,
    ``note``: as for :meth:`Store.record_task`.

    Raises
    ------
    ConflictError
        If somebody else recorded it in the meantime; nothing is written.
    StoreError
        If the state is unknown, or a blocked task comes without a reason.
    """
    if state not in STATES:
        raise StoreError("state", state=state, known=", ".join(STATES))
    at, why = trail.now(), trail.bounded(note)
    if state == "blocked" and not why:
        raise StoreError("blocked_reason")
    values: dict[str, Any] = {"state": state, "due": due, "done_on": _done_on(state, done_on), "note": why}
    mine = (TABLE.c.county_id == county_id) & (TABLE.c.standard_id == standard_id) & (TABLE.c.task == task)
    found = connection.execute(select(TABLE).where(mine)).mappings().first()
    if (found["version"] if found else 0) != version:
        raise _conflict(connection, mine)
    record_id = found["record_id"] if found else trail.fresh_id()
    written = {**values, "changed_at": at, "version": version + 1, **vars(stamp)}
    if found is None:
        own = {"record_id": record_id, "county_id": county_id, "standard_id": standard_id, "task": task}
        if not _insert_unless_there(connection, TABLE, {**own, **written}, "record_id"):  # type: ignore[arg-type]
            raise _conflict(connection, mine)  # somebody else recorded it a moment ago
    elif connection.execute(update(TABLE).where(mine & (TABLE.c.version == version)).values(**written)).rowcount != 1:  # type: ignore[arg-type]
        raise _conflict(connection, mine)
    subject = trail.Subject("task", record_id, county_id, standard_id)
    before = {name: found[name] for name in TOLD} if found else {}
    after = values if found else {"task": task, **values}
    trail.write(connection, subject, who=who, at=at, version=version + 1, action="record", before=before, after=after,
                stamp=stamp, note=why)  # fmt: skip
    return version + 1


def _records(connection: Connection, county_id: str, standard_id: str) -> pd.DataFrame:
    """Return what is recorded of a plan's tasks: task, state, due, done_on, note, version and what it rests on."""
    asked = select(*(TABLE.c[name] for name in COLUMNS))
    asked = asked.where((TABLE.c.county_id == county_id) & (TABLE.c.standard_id == standard_id)).order_by(TABLE.c.task)
    return trail.frame(connection, asked, COLUMNS)


def _done_on(state: str, day: date | None) -> date | None:
    if state != "done":
        return None
    return day or trail.now().astimezone().date()


def _conflict(connection: Connection, mine: Any) -> ConflictError:
    found: dict[str, Any] = dict(connection.execute(select(TABLE).where(mine)).mappings().first() or {})
    rows = trail.history(connection, subject_id=found.get("record_id", ""))
    who = "" if rows.empty else str(rows["who"].iloc[-1])
    return ConflictError(version=int(found.get("version", 0)), who=who, at=found.get("changed_at"))
