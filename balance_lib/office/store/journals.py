"""Keep the journals of an office: add, change, take off and take in rows, never losing anybody's change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Table, select, update

from balance_lib._errors import NotFoundError
from balance_lib.office.store import ledgers, models, trail
from balance_lib.office.store.inserting import _insert_unless_there
from balance_lib.office.store.refused import ConflictError, StoreError
from balance_lib.office.store.stamp import Stamp
from balance_lib.office.workplan import JOURNALS, Journal

TABLES: Mapping[str, Table] = {model.__tablename__: model.__table__ for model in models.JOURNALS}  # type: ignore[misc]
SUBJECTS = dict(zip(TABLES, ("pairing", "visit", "milestone", "report", "work"), strict=True))
KEPT = ("row_id", "version", "created_at", "changed_at", "county_hash", "standard_version", "software")


@dataclass(frozen=True)
class Owner:
    """Say whose journal it is and who writes, on what data."""

    county_id: str
    standard_id: str
    who: str
    stamp: Stamp


def columns(name: str) -> list[str]:
    """Return the columns of a journal as it is read."""
    return [*_journal(name).fields, *KEPT]


def _journal(name: str) -> Journal:
    if name not in JOURNALS:
        raise NotFoundError("journal", name, JOURNALS)
    return JOURNALS[name]


def rows(connection: Connection, name: str, county_id: str, standard_id: str) -> pd.DataFrame:
    """Return what stands in a journal, in the order it was written.

    Parameters
    ----------
    connection : Connection
    name : str
    county_id : str
    standard_id : str
    """
    listed, table = columns(name), TABLES[name]
    asked = select(*(table.c[c] for c in listed)).where(table.c.county_id == county_id)
    asked = asked.where((table.c.standard_id == standard_id) & table.c.removed_at.is_(None))
    return trail.frame(connection, asked.order_by(table.c.created_at, table.c.row_id), listed)


def add(connection: Connection, name: str, values: Mapping[str, Any], owner: Owner) -> str:
    """Write a new row and return its id; one that was taken off the list comes back under its old id.

    Parameters
    ----------
    connection : Connection
    name : str
    values : mapping of str to object
    owner : Owner

    Raises
    ------
    StoreError
        If a row of the same key stands already, or the ledger entry it names does not.
    """
    journal, table, at = _journal(name), TABLES[name], trail.now()
    clean = _clean(connection, journal, values)
    new = trail.fresh_id()
    whole = {"row_id": new, "county_id": owner.county_id, "standard_id": owner.standard_id, "version": 1, **clean,
             "created_at": at, "changed_at": at, **vars(owner.stamp)}  # fmt: skip
    if _insert_unless_there(connection, table, whole, "row_id"):
        _tell(connection, name, new, owner, version=1, action="add", before={}, after=_said(clean))
        return new
    standing = _same(connection, journal, clean, owner)
    if standing is None or standing["removed_at"] is None:
        raise StoreError("journal_stands", name=", ".join(str(clean[f]) for f in journal.key_fields))
    _save(connection, name, standing, {**clean, "removed_at": None}, owner, "add")
    return str(standing["row_id"])


def _change(
    connection: Connection, name: str, row_id: str, changes: Mapping[str, Any], owner: Owner, *, version: int
) -> int:
    """Change a row, if nobody else has since ``version``; return its new version.

    ``name``, ``row_id``, ``version``: as for :meth:`Store.write_journal`.

    Raises
    ------
    ConflictError
        If it was changed or taken off the list since; nothing is written.
    StoreError
        If another row has the key it would get.
    """
    journal = _journal(name)
    before = _at(connection, name, row_id, version)
    clean = _clean(connection, journal, {**{f: before[f] for f in journal.fields}, **changes})
    same = _same(connection, journal, clean, owner)
    if same is not None and same["row_id"] != row_id:
        raise StoreError("journal_stands", name=", ".join(str(clean[f]) for f in journal.key_fields))
    return _save(connection, name, before, clean, owner, "edit")


def _remove(connection: Connection, name: str, row_id: str, owner: Owner, *, version: int) -> None:
    """Take a row off the list; what it said stays in the trail.

    ``name``, ``row_id``, ``version``: as for :meth:`Store.remove_from_journal`.

    Raises
    ------
    ConflictError
        If it was changed since ``version``; nothing is written.
    """
    _save(connection, name, _at(connection, name, row_id, version), {"removed_at": trail.now()}, owner, "remove")


def _take(connection: Connection, name: str, given: Iterable[Mapping[str, Any]], owner: Owner) -> tuple[int, int, int]:
    """Take in checked rows of a table: how many are new, how many changed what stood there, how many say the same.

    A cell left blank does not wipe out what stands.
    """
    journal, new, changed, same = _journal(name), 0, 0, 0
    for values in given:
        clean = _clean(connection, journal, values)
        standing = _same(connection, journal, clean, owner)
        if standing is None or standing["removed_at"] is not None:
            add(connection, name, values, owner)
            new += 1
            continue
        told = {f: v for f, v in clean.items() if v not in (None, "") and v != standing[f]}
        if told:
            _change(connection, name, standing["row_id"], told, owner, version=standing["version"])
        changed, same = changed + bool(told), same + (not told)
    return new, changed, same


def _clean(connection: Connection, journal: Journal, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values fit to be kept: texts cleaned and none too long, nothing but the journal's fields."""
    kinds = {column.name: column.kind for column in journal.columns}
    table = TABLES[journal.name]
    clean: dict[str, Any] = {}
    for name in journal.fields:
        value = values.get(name)
        value = None if value is None or value != value else value
        if kinds.get(name, "name") in ("name", "text", "entry"):
            value = trail.bounded(value, getattr(table.c[name].type, "length", None) or trail.TEXT_MOST)
        clean[name] = value
    needed = [*journal.key_fields, *(c.name for c in journal.columns if c.required and c.kind != "place")]
    if any(clean[name] in (None, "") for name in needed):
        raise StoreError("journal_blank")
    if clean.get("entry_id"):
        ledgers.entry(connection, clean["entry_id"])
    return clean


def _same(connection: Connection, journal: Journal, clean: Mapping[str, Any], owner: Owner) -> Mapping[str, Any] | None:
    """Return the row of the same key, also one that was taken off the list."""
    table = TABLES[journal.name]
    asked = select(table).where((table.c.county_id == owner.county_id) & (table.c.standard_id == owner.standard_id))
    for name in journal.key_fields:
        asked = asked.where(table.c[name] == clean[name])
    found = connection.execute(asked).mappings().first()
    return None if found is None else dict(found)


def _at(connection: Connection, name: str, row_id: str, version: int) -> Mapping[str, Any]:
    table = TABLES[name]
    found = connection.execute(select(table).where(table.c.row_id == row_id)).mappings().first()
    if found is None:
        raise NotFoundError(name, row_id)
    if found["version"] != version:
        raise _conflict(connection, dict(found))
    return dict(found)


def _save(
    connection: Connection, name: str, before: Mapping[str, Any], values: Mapping[str, Any], owner: Owner, action: str
) -> int:
    """Write a row if nobody else has in the meantime: the version in the condition is what keeps changes."""
    table, version = TABLES[name], int(before["version"]) + 1
    same = (table.c.row_id == before["row_id"]) & (table.c.version == before["version"])
    written = {**values, "changed_at": trail.now(), "version": version, **vars(owner.stamp)}
    if connection.execute(update(table).where(same).values(**written)).rowcount != 1:
        raise _conflict(connection, before)
    _tell(connection, name, before["row_id"], owner, version=version, action=action, before=before, after=values)
    return version


def _tell(connection: Connection, name: str, row_id: str, owner: Owner, **facts: Any) -> None:
    subject = trail.Subject(SUBJECTS[name], row_id, owner.county_id, owner.standard_id)
    trail.write(connection, subject, who=owner.who, at=trail.now(), stamp=owner.stamp, **facts)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _conflict(connection: Connection, found: Mapping[str, Any]) -> ConflictError:
    told = trail.history(connection, subject_id=found["row_id"])
    who, at = ("", found["changed_at"]) if told.empty else (str(told["who"].iloc[-1]), told["at"].iloc[-1])
    version = int(found["version"]) if told.empty else int(told["version"].iloc[-1])
    return ConflictError(version=version, who=who, at=at)
