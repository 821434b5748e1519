"""Hold the store's tables: scenarios, ledger, task records, evidence index, journals, one trail of every change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Date, DateTime, Float, Index, Integer, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Utc(TypeDecorator[datetime]):
    """Keep a moment in UTC; SQLite knows no time zones, so none is written and UTC is put back when reading."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC, without its zone.

        Parameters
        ----------
        value : datetime, optional
            The moment.
        dialect : Dialect
            Database the value goes to.
        """
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the moment with its zone.

        Parameters
        ----------
        value : object
        dialect : Dialect
            Database the value goes to.
        """
        return None if value is None else value.replace(tzinfo=UTC)


class StoreBase(DeclarativeBase):
    """Base of the tables."""


class Stamped:
    """Columns every record carries: what it rests on."""

    county_id: Mapped[str] = mapped_column(String(80), index=True)
    standard_id: Mapped[str] = mapped_column(String(200), default="")
    county_hash: Mapped[str] = mapped_column(String(64), default="")
    standard_version: Mapped[str] = mapped_column(String(64), default="")
    software: Mapped[str] = mapped_column(String(80), default="")
    version: Mapped[int] = mapped_column(Integer, default=1)


class StoredScenario(Stamped, StoreBase):
    """A saved scenario: its text, unread."""

    __tablename__ = "scenarios"

    scenario_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    author: Mapped[str] = mapped_column(String(60))
    yaml: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)
    removed_at: Mapped[datetime | None] = mapped_column(Utc)


class LedgerEntry(Stamped, StoreBase):
    """One line of a rectification ledger, as it stands now."""

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("county_id", "standard_id", "school_id", "code", "stage", name="one_per_problem"),
    )

    entry_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    school_id: Mapped[str] = mapped_column(String(200))
    code: Mapped[str] = mapped_column(String(80))
    stage: Mapped[str] = mapped_column(String(16))
    year: Mapped[int] = mapped_column(Integer)
    value: Mapped[float | None] = mapped_column(Float)
    required: Mapped[float | None] = mapped_column(Float)
    gap: Mapped[float | None] = mapped_column(Float)
    needed: Mapped[float | None] = mapped_column(Float)
    measure: Mapped[str] = mapped_column(Text, default="")
    person: Mapped[str] = mapped_column(String(60), default="")
    lead_unit: Mapped[str] = mapped_column(String(200), default="")
    due: Mapped[date | None] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(16), default="open")
    opened_at: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)
    closed_at: Mapped[datetime | None] = mapped_column(Utc)
    closed_by: Mapped[str] = mapped_column(String(16), default="")
    reopened: Mapped[int] = mapped_column(Integer, default=0)
    evidence: Mapped[int] = mapped_column(Integer, default=0)


class TaskRecord(Stamped, StoreBase):
    """What the office recorded of one task of its plan."""

    __tablename__ = "task_records"
    __table_args__ = (UniqueConstraint("county_id", "standard_id", "task", name="one_per_task"),)

    record_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    task: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16))
    due: Mapped[date | None] = mapped_column(Date)
    done_on: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(Utc)


class Evidence(Stamped, StoreBase):
    """The index of evidence: which file, by whom, for what; the bytes stand in a folder by their hash."""

    __tablename__ = "evidence"

    evidence_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(8))
    size_bytes: Mapped[int] = mapped_column(Integer)
    entry_id: Mapped[str] = mapped_column(String(16), default="", index=True)
    task: Mapped[str] = mapped_column(String(80), default="")
    who: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime] = mapped_column(Utc)


class Kept(Stamped):
    """Columns every row of a journal carries; one that is taken off the list stays, with the moment it was."""

    row_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)
    removed_at: Mapped[datetime | None] = mapped_column(Utc)


def _one(name: str, *key: str) -> tuple[UniqueConstraint]:
    return (UniqueConstraint("county_id", "standard_id", *key, name=name),)


class Pairing(Kept, StoreBase):
    """Which department is paired with which school or township."""

    __tablename__ = "pairings"
    __table_args__ = _one("one_pairing", "department", "place_kind", "place")

    department: Mapped[str] = mapped_column(String(120))
    place_kind: Mapped[str] = mapped_column(String(16))
    place: Mapped[str] = mapped_column(String(200))
    interval_days: Mapped[int | None] = mapped_column(Integer)
    since: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text, default="")


class Visit(Kept, StoreBase):
    """One visit of a department: when, who by their post, what was found, which ledger entry it led to, when next."""

    __tablename__ = "visits"
    __table_args__ = _one("one_visit", "department", "place_kind", "place", "visited_on")

    department: Mapped[str] = mapped_column(String(120))
    place_kind: Mapped[str] = mapped_column(String(16))
    place: Mapped[str] = mapped_column(String(200))
    visited_on: Mapped[date] = mapped_column(Date)
    visitor: Mapped[str] = mapped_column(String(120), default="")
    found: Mapped[str] = mapped_column(Text, default="")
    entry_id: Mapped[str] = mapped_column(String(16), default="")
    next_on: Mapped[date | None] = mapped_column(Date)


class Milestone(Kept, StoreBase):
    """One item of a place's own schedule."""

    __tablename__ = "milestones"
    __table_args__ = _one("one_milestone", "place_kind", "place", "what")

    place_kind: Mapped[str] = mapped_column(String(16))
    place: Mapped[str] = mapped_column(String(200))
    what: Mapped[str] = mapped_column(String(120))
    planned_on: Mapped[date] = mapped_column(Date)
    done_on: Mapped[date | None] = mapped_column(Date)
    weight: Mapped[float | None] = mapped_column(Float)
    note: Mapped[str] = mapped_column(Text, default="")


class ProgressReport(Kept, StoreBase):
    """One report of progress: what was done, what stands in the way, what comes next, when the next one is due."""

    __tablename__ = "progress_reports"
    __table_args__ = _one("one_report", "reporter", "reported_on")

    reporter: Mapped[str] = mapped_column(String(120))
    reported_on: Mapped[date] = mapped_column(Date)
    achieved: Mapped[str] = mapped_column(Text, default="")
    trouble: Mapped[str] = mapped_column(Text, default="")
    next_steps: Mapped[str] = mapped_column(Text, default="")
    next_on: Mapped[date | None] = mapped_column(Date)


class Work(Kept, StoreBase):
    """One building work of the plan's yearly programme."""

    __tablename__ = "works"
    __table_args__ = _one("one_work", "place_kind", "place", "what")

    place_kind: Mapped[str] = mapped_column(String(16))
    place: Mapped[str] = mapped_column(String(200))
    what: Mapped[str] = mapped_column(String(120))
    year: Mapped[int] = mapped_column(Integer)
    area_m2: Mapped[float | None] = mapped_column(Float)
    investment_yuan: Mapped[float | None] = mapped_column(Float)
    planned_on: Mapped[date | None] = mapped_column(Date)
    done_on: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text, default="")


class Change(StoreBase):
    """One changed field: who, when, before, after. Rows are added and never changed; the database itself sees to it."""

    __tablename__ = "changes"
    __table_args__ = (
        UniqueConstraint("subject", "subject_id", "version", "field", name="one_change_per_version"),
        Index("changes_of_county", "county_id", "standard_id"),
    )

    change_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Utc)
    who: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer)
    action: Mapped[str] = mapped_column(String(24))
    field: Mapped[str] = mapped_column(String(40), default="")
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, default="")
    county_id: Mapped[str] = mapped_column(String(80))
    standard_id: Mapped[str] = mapped_column(String(200), default="")
    county_hash: Mapped[str] = mapped_column(String(64), default="")
    standard_version: Mapped[str] = mapped_column(String(64), default="")
    software: Mapped[str] = mapped_column(String(80), default="")


JOURNALS = (Pairing, Visit, Milestone, ProgressReport, Work)
TABLES = (StoredScenario, LedgerEntry, TaskRecord, Evidence, *JOURNALS, Change)
