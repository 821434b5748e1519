"""Keep rectification ledgers: open entries, take steps, re-check them, never losing anybody's change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select, update

from balance_lib._errors import NotFoundError
from balance_lib.evaluation import Evaluation
from balance_lib.office import workplan
from balance_lib.office.store import trail
from balance_lib.office.store.inserting import _insert_unless_there
from balance_lib.office.store.models import Change, LedgerEntry
from balance_lib.office.store.refused import ConflictError
from balance_lib.office.store.stamp import Stamp
from balance_lib.office.workplan import ENTRY_FIELDS, Entry

TABLE = LedgerEntry.__table__
COLUMNS = [*ENTRY_FIELDS, "county_hash", "standard_version", "software"]
# What the trail tells of a step; the version and the moment stand in every row of it anyhow.
TOLD = tuple(
    name for name in ENTRY_FIELDS if name not in ("entry_id", "county_id", "standard_id", "version", "changed_at")
)
LENGTHS = {"person": trail.NAME_MOST, "measure": trail.TEXT_MOST, "lead_unit": 200}


def _open_entries(
    connection: Connection, problems: pd.DataFrame, county_id: str, standard_id: str, *, who: str, stamp: Stamp
) -> tuple[int, int]:
    """Open an entry for every problem that has none; return how many were opened and how many stood already.

    ``problems``, ``county_id``, ``standard_id``, ``who``, ``stamp``: as for :meth:`Store.open_ledger`.
    """
    at, opened = trail.now(), 0
    for row in problems.to_dict("records"):
        entry = _entry(row, county_id, standard_id, at)
        if _insert_unless_there(connection, TABLE, {**asdict(entry), **vars(stamp)}, "entry_id"):  # type: ignore[arg-type]
            opened += 1
            after = {name: getattr(entry, name) for name in TOLD if getattr(entry, name) not in (None, "", 0)}
            trail.write(connection, _subject(entry), who=who, at=at, version=1, action="open", before={}, after=after,
                        stamp=stamp)  # fmt: skip
    return opened, len(problems) - opened


def _entry(row: Mapping[str, Any], county_id: str, standard_id: str, at: datetime) -> Entry:
    figures: dict[str, Any] = {name: _number(row.get(name)) for name in ("value", "required", "gap", "needed")}
    due = row.get("due")
    return Entry(
        entry_id=trail.fresh_id(),
        county_id=county_id,
        standard_id=standard_id,
        school_id=str(row["school_id"]),
        code=str(row["code"]),
        stage=str(row["stage"]),
        year=int(row["year"]),
        **figures,
        measure=workplan.harmless(row.get("measure")),
        lead_unit=workplan.harmless(row.get("lead_unit"), 200),
        due=None if due is None or due != due else due,
        opened_at=at,
        changed_at=at,
    )


def entry(connection: Connection, entry_id: str) -> Entry:
    """Return an entry as it stands.

    Parameters
    ----------
    connection : Connection
    entry_id : str

    Raises
    ------
    NotFoundError
        If there is none.
    """
    columns = (TABLE.c[name] for name in ENTRY_FIELDS)
    found = connection.execute(select(*columns).where(TABLE.c.entry_id == entry_id)).mappings().first()
    if found is None:
        raise NotFoundError("ledger", entry_id)
    return Entry(**found)


def _entries(connection: Connection, county_id: str, standard_id: str | None) -> pd.DataFrame:
    """Return a county's ledger in the order it was opened; columns as in :class:`balance_lib.office.workplan.Entry`."""
    asked = select(*(TABLE.c[name] for name in COLUMNS)).where(TABLE.c.county_id == county_id)
    if standard_id is not None:
        asked = asked.where(TABLE.c.standard_id == standard_id)
    asked = asked.order_by(TABLE.c.opened_at, TABLE.c.school_id, TABLE.c.code, TABLE.c.stage)
    return trail.frame(connection, asked, COLUMNS)


def _step(
    connection: Connection,
    entry_id: str,
    action: str,
    *,
    who: str,
    version: int,
    stamp: Stamp,
    note: str = "",
    changes: Mapping[str, Any],
) -> Entry:
    """Take one step with an entry, if it still is what the person saw.

    ``entry_id``, ``action``, ``stamp``, ``note``: as for :meth:`Store.act`.

    Raises
    ------
    ConflictError
        If it was changed since ``version``; nothing is written.
    LifeCycleError
        If the ledger's rules do not allow the step; nothing is written.
    """
    before = entry(connection, entry_id)
    if before.version != version:
        raise _conflict(connection, before)
    clean = {name: trail.bounded(v, LENGTHS[name]) if name in LENGTHS else v for name, v in changes.items()}
    at, why = trail.now(), trail.bounded(note)
    after = workplan.act(before, action, at=at, note=why, **clean)
    _save(connection, before, after, stamp)
    old, new = ({name: getattr(e, name) for name in TOLD} for e in (before, after))
    facts = {"who": who, "at": at, "action": action, "stamp": stamp, "note": why}
    trail.write(connection, _subject(after), version=after.version, before=old, after=new, **facts)  # type: ignore[arg-type]
    return after


def _save(connection: Connection, before: Entry, after: Entry, stamp: Stamp) -> None:
    """Write an entry if nobody else has in the meantime: the version in the condition is what keeps changes."""
    values = {name: value for name, value in asdict(after).items() if name != "entry_id"}
    same = (before.entry_id == TABLE.c.entry_id) & (before.version == TABLE.c.version)
    done = connection.execute(update(TABLE).where(same).values(**values, **vars(stamp)))  # type: ignore[arg-type]
    if done.rowcount != 1:
        raise _conflict(connection, entry(connection, before.entry_id))


def _conflict(connection: Connection, found: Entry) -> ConflictError:
    """Return the error that tells who changed an entry, and when."""
    last = select(Change.who, Change.at).where(Change.subject_id == found.entry_id).order_by(Change.change_id.desc())
    row = connection.execute(last.limit(1)).first()
    who, at = (row.who, row.at) if row else ("", found.changed_at)
    return ConflictError(version=found.version, who=who, at=at)


def _recheck(connection: Connection, county_id: str, evaluation: Evaluation, *, who: str, stamp: Stamp) -> pd.DataFrame:
    """Hold a ledger against newly computed values: close what meets the line, open again what has fallen back.

    ``county_id``, ``evaluation``, ``who``, ``stamp``: as for :meth:`Store.recheck`.

    Returns
    -------
    DataFrame
        entry_id, school_id, code, stage, action, value, required: one row an entry that changed.
    """
    found = _entries(connection, county_id, evaluation.standard.id)
    standing = [Entry(**_fields(row)) for row in found.to_dict("records")]
    rows = []
    for asked in workplan.recheck(standing, evaluation):
        before = asked.entry
        after = _step(connection, before.entry_id, asked.action, who=who, version=before.version, stamp=stamp,
                     changes=asked.changes)  # fmt: skip
        rows.append(
            (after.entry_id, after.school_id, after.code, after.stage, asked.action, after.value, after.required)
        )
    return pd.DataFrame(rows, columns=["entry_id", "school_id", "code", "stage", "action", "value", "required"])


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if (v := row[name]) is None or v != v else v for name in ENTRY_FIELDS}


def _subject(found: Entry) -> trail.Subject:
    return trail.Subject("ledger", found.entry_id, found.county_id, found.standard_id)


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
