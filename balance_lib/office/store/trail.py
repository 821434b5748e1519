"""Write and read the trail: every change with who, when, before and after."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Select, insert, select

from balance_lib.office.store.models import Change
from balance_lib.office.store.refused import StoreError
from balance_lib.office.store.stamp import Stamp
from balance_lib.office.workplan import harmless

NAME_MOST = 60
TEXT_MOST = 500
DAYS = (
    "at", "due", "done_on", "opened_at", "changed_at", "closed_at", "created_at", "since", "visited_on", "next_on",
    "planned_on", "reported_on",
)  # fmt: skip
COLUMNS = [column.name for column in Change.__table__.columns if column.name != "change_id"]


@dataclass(frozen=True)
class Subject:
    """Name what was changed: its kind, its id, whose it is."""

    kind: str
    subject_id: str
    county_id: str
    standard_id: str = ""


_CLOCK: ContextVar[tuple[datetime, random.Random] | None] = ContextVar("clock", default=None)


@contextmanager
def _clock(moment: datetime, seed: int) -> Iterator[None]:
    """Let what is written meanwhile bear a given moment and ids that follow from a seed: for made-up offices alone."""
    token = _CLOCK.set((moment, random.Random(seed)))
    try:
        yield
    finally:
        _CLOCK.reset(token)


def now() -> datetime:
    """Return this moment, in UTC."""
    held = _CLOCK.get()
    return held[0] if held else datetime.now(UTC)


def fresh_id() -> str:
    """Return a new id: ten letters and digits nobody mistakes for one another."""
    held = _CLOCK.get()
    choose = held[1].choice if held else secrets.choice
    return "".join(choose("23456789abcdefghjkmnpqrstuvwxyz") for _ in range(10))


def name_of(who: str) -> str:
    """Return who acts, cleaned.

    Raises
    ------
    StoreError
        If nobody is named: a change without a name is worth nothing later.
    """
    found = bounded(who, NAME_MOST)
    if not found:
        raise StoreError("who")
    return found


def bounded(given: object, most: int = TEXT_MOST) -> str:
    """Return text cleaned of what could do harm.

    Parameters
    ----------
    given : object
    most : int

    Raises
    ------
    StoreError
        If it is longer than the column: cutting it in silence would lose words.
    """
    clean = harmless(given, most + 1)
    if len(clean) > most:
        raise StoreError("too_long", most=most)
    return clean


def shortened(given: object) -> str:
    """Return text cleaned and cut to what a note holds."""
    return harmless(given, TEXT_MOST)


def write(
    connection: Connection,
    subject: Subject,
    *,
    who: str,
    at: datetime,
    version: int,
    action: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    stamp: Stamp,
    note: str = "",
) -> None:
    """Add one row a changed field to the trail; a step that changes no field leaves one row all the same.

    Parameters
    ----------
    connection : Connection
        Open connection to the store.
    subject : Subject
    who : str
        Who does it; recorded in the trail.
    at : datetime
        The moment.
    version : int
        Version the change was made from; another one is refused.
    action : str
        What is done.
    before : mapping of str to object
        Fields before the change.
    after : mapping of str to object
        Fields after the change.
    stamp : Stamp
    note : str
        Remark, in the writer's words.
    """
    changed = [name for name in after if before.get(name) != after[name]] or [""]
    rows = [
        {
            "at": at,
            "who": who,
            "subject": subject.kind,
            "subject_id": subject.subject_id,
            "version": version,
            "action": action,
            "field": name,
            "before": _text(before.get(name)),
            "after": _text(after.get(name)),
            "note": note,
            "county_id": subject.county_id,
            "standard_id": subject.standard_id,
            **vars(stamp),
        }
        for name in changed
    ]
    connection.execute(insert(Change), rows)


def _last(connection: Connection, subject: Subject) -> Mapping[str, Any] | None:
    """Return the newest row of a subject's trail."""
    asked = select(Change.__table__).where((Change.subject == subject.kind) & (Change.subject_id == subject.subject_id))
    found = connection.execute(asked.order_by(Change.change_id.desc()).limit(1)).mappings().first()
    return None if found is None else dict(found)


def _write_next(connection: Connection, subject: Subject, **facts: Any) -> None:
    """Write a change of what is kept elsewhere: its versions are counted by the trail itself."""
    before = _last(connection, subject)
    write(connection, subject, at=now(), version=1 if before is None else before["version"] + 1, **facts)


def history(
    connection: Connection,
    *,
    county_id: str | None = None,
    standard_id: str | None = None,
    subject_id: str | None = None,
    kind: str | None = None,
) -> pd.DataFrame:
    """Return the changes in the order they were made.

    Parameters
    ----------
    connection : Connection
        Open connection to the store.
    county_id, standard_id, subject_id, kind
        As for :meth:`Store.history`.

    Returns
    -------
    DataFrame
        at, who, subject, subject_id, version, action, field, before, after, note, county_id, standard_id,
        county_hash, standard_version, software.
    """
    asked = select(*(Change.__table__.c[name] for name in COLUMNS)).order_by(Change.change_id)
    for column, value in (
        (Change.county_id, county_id),
        (Change.standard_id, standard_id),
        (Change.subject_id, subject_id),
        (Change.subject, kind),
    ):
        if value is not None:
            asked = asked.where(column == value)
    return frame(connection, asked, COLUMNS).fillna({"before": "", "after": ""})


def frame(connection: Connection, asked: Select[Any], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table whose days and moments stay what they are: pandas' own would be of another type.

    Parameters
    ----------
    connection : Connection
    asked : Select[object]
        Query.
    columns : sequence of str
        Names of the columns.
    """
    rows = list(connection.execute(asked))
    return pd.DataFrame(
        {
            name: pd.Series([row[at] for row in rows], dtype=object if name in DAYS else None)
            for at, name in enumerate(columns)
        }
    )


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
