"""Give everything that is saved one door: a store that is opened when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pandas as pd

from balance_lib._errors import NotFoundError
from balance_lib.evaluation import Evaluation
from balance_lib.office.store import evidence, journals, ledgers, records, role, scenarios, trail
from balance_lib.office.store.opened import Database
from balance_lib.office.store.refused import ConflictError
from balance_lib.office.store.scenarios import SavedScenario
from balance_lib.office.store.stamp import Stamp
from balance_lib.office.workplan import Entry

TRIES = 20


class Store(Database):
    """Keep scenarios, ledgers, task records and evidence, with the trail of every change.

    Nothing is opened or made before it is needed: reading a store that is not there yet finds nothing and leaves
    nothing behind. Every method is one transaction: it is written whole or not at all. ``who`` does it and stands in
    the trail; ``version`` is the one a change was made from: another one is refused.

    Parameters
    ----------
    url : str, optional
        SQLAlchemy's address of the database; by default ``BALANCE_DATABASE_URL``, else a SQLite file in ``folder``.
    folder : Path, optional
        Where the SQLite file and the evidence stand; by default ``.store`` in the user's folder of counties.
    """

    # Scenarios -------------------------------------------------------------------------------------------------

    def save_scenario(
        self,
        yaml: str,
        *,
        name: str,
        author: str,
        county_id: str,
        stamp: Stamp,
        standard_id: str = "",
        scenario_id: str | None = None,
        version: int | None = None,
    ) -> str:
        """Save a scenario, or with ``scenario_id`` and the ``version`` one saw, a change of it; return its id.

        Parameters
        ----------
        yaml : str
            The scenario as YAML.
        name : str
        author : str
        county_id : str
        stamp : Stamp
        standard_id : str
        scenario_id : str, optional
        version : int, optional

        Raises
        ------
        ConflictError
            If somebody else changed it since that version; nothing is written.
        """
        with self.writing() as connection:
            if scenario_id is None:
                return scenarios.add(
                    connection,
                    yaml,
                    name=name,
                    author=author,
                    county_id=county_id,
                    standard_id=standard_id,
                    stamp=stamp,
                )
            scenarios._change(
                connection, scenario_id, version=version or 0, author=author, stamp=stamp, name=name, yaml=yaml
            )
            return scenario_id

    def scenario(self, scenario_id: str, version: int | None = None) -> SavedScenario:
        """Return a saved scenario by the id in ``?scenario=ID``, as it stands or in an earlier version.

        Parameters
        ----------
        scenario_id : str
        version : int, optional

        Raises
        ------
        NotFoundError
            If there is none.
        """
        if not self.exists:
            raise NotFoundError("scenario", scenario_id)
        with self.reading() as connection:
            return scenarios._get(connection, scenario_id, version)

    def scenarios(self, county_id: str) -> pd.DataFrame:
        """Return a county's saved scenarios without their texts, last changed first."""
        if not self.exists:
            return pd.DataFrame(columns=[name for name in scenarios.COLUMNS if name != "yaml"])
        with self.reading() as connection:
            return scenarios._listed(connection, county_id)

    def remove_scenario(self, scenario_id: str, *, version: int, author: str, stamp: Stamp) -> None:
        """Take a scenario off the list; what it said stays in the trail.

        Parameters
        ----------
        scenario_id : str
        version : int
        author : str
        stamp : Stamp
        """
        with self.writing() as connection:
            scenarios._remove(connection, scenario_id, version=version, author=author, stamp=stamp)

    # Ledger ----------------------------------------------------------------------------------------------------

    def open_ledger(
        self, problems: pd.DataFrame, county_id: str, standard_id: str, *, who: str, stamp: Stamp
    ) -> tuple[int, int]:
        """Open an entry for every problem that has none; return how many were opened, and how many stood already.

        Parameters
        ----------
        problems : DataFrame
            Schools that fall short, as the evaluation lists them.
        county_id : str
        standard_id : str
        who : str
        stamp : Stamp
        """
        name = trail.name_of(who)
        with self.writing() as connection:
            return ledgers._open_entries(connection, problems, county_id, standard_id, who=name, stamp=stamp)

    def ledger(self, county_id: str, standard_id: str | None = None) -> pd.DataFrame:
        """Return a county's ledger as it stands: the columns of ``workplan.Entry`` and what each entry rests on.

        Parameters
        ----------
        county_id : str
        standard_id : str, optional
        """
        if not self.exists:
            return pd.DataFrame(columns=ledgers.COLUMNS)
        with self.reading() as connection:
            return ledgers._entries(connection, county_id, standard_id)

    def entry(self, entry_id: str) -> Entry:
        """Return one entry.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        if not self.exists:
            raise NotFoundError("ledger", entry_id)
        with self.reading() as connection:
            return ledgers.entry(connection, entry_id)

    def act(
        self, entry_id: str, action: str, *, who: str, version: int, stamp: Stamp, note: str = "", **changes: Any
    ) -> int:
        """Take one step with an entry, if it still is what the person saw; return its new version.

        Parameters
        ----------
        entry_id : str
        action : str
            One of ``workplan.ACTIONS``.
        who : str
        version : int
            The version the person saw.
        stamp : Stamp
        note : str
            Why; needed to send back and to re-open.
        **changes
            New values of measure, person, lead_unit, due.

        Raises
        ------
        ConflictError
            If somebody changed it since; the text says who and when, and nothing is written.
        LifeCycleError
            If the ledger's rules do not allow the step; nothing is written.
        """
        name = trail.name_of(who)
        with self.writing() as connection:
            return ledgers._step(
                connection, entry_id, action, who=name, version=version, stamp=stamp, note=note, changes=changes
            ).version

    def recheck(self, county_id: str, evaluation: Evaluation, *, who: str, stamp: Stamp) -> pd.DataFrame:
        """Hold a ledger against newly computed values: close what meets the line, re-open what has fallen back.

        Parameters
        ----------
        county_id : str
        evaluation : Evaluation
        who : str
        stamp : Stamp
        """
        name = trail.name_of(who)
        with self.writing() as connection:
            return ledgers._recheck(connection, county_id, evaluation, who=name, stamp=stamp)

    def history(
        self, county_id: str | None = None, standard_id: str | None = None, subject_id: str | None = None,
        kind: str | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Return every change in order: at, who, subject, subject_id, version, action, field, before, after, note …

        Parameters
        ----------
        county_id : str, optional
        standard_id : str, optional
        subject_id : str, optional
        kind : str, optional
        """
        if not self.exists:
            return pd.DataFrame(columns=trail.COLUMNS)
        with self.reading() as connection:
            return trail.history(
                connection, county_id=county_id, standard_id=standard_id, subject_id=subject_id, kind=kind
            )

    # Task records ----------------------------------------------------------------------------------------------

    def record_task(
        self,
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
        """Record that a task is started, blocked or done, or give it another date; return the record's new version.

        Parameters
        ----------
        county_id : str
        standard_id : str
        task : str
        state : str
        who : str
        version : int
        stamp : Stamp
        due : date, optional
        done_on : date, optional
        note : str

        Raises
        ------
        ConflictError
            If somebody else recorded it since ``version`` (0: no record yet); nothing is written.
        """
        name = trail.name_of(who)
        with self.writing() as connection:
            return records._record(
                connection, county_id, standard_id, task, state=state, who=name, version=version, stamp=stamp, due=due,
                done_on=done_on, note=note,
            )  # fmt: skip

    def task_records(self, county_id: str, standard_id: str) -> pd.DataFrame:
        """Return what is recorded of a plan's tasks.

        Parameters
        ----------
        county_id : str
        standard_id : str
        """
        if not self.exists:
            return pd.DataFrame(columns=records.COLUMNS)
        with self.reading() as connection:
            return records._records(connection, county_id, standard_id)

    # Journals --------------------------------------------------------------------------------------------------

    def journal(self, name: str, county_id: str, standard_id: str) -> pd.DataFrame:
        """Return what stands in a journal (one of ``workplan.JOURNALS``) with row_id, version and what it rests on.

        Parameters
        ----------
        name : str
        county_id : str
        standard_id : str
        """
        if not self.exists:
            return pd.DataFrame(columns=journals.columns(name))
        with self.reading() as connection:
            return journals.rows(connection, name, county_id, standard_id)

    def write_journal(
        self,
        name: str,
        values: Mapping[str, Any],
        *,
        county_id: str,
        standard_id: str,
        who: str,
        stamp: Stamp,
        row_id: str | None = None,
        version: int = 0,
    ) -> str:
        """Write a new row into a journal, or with ``row_id`` and the ``version`` one saw, a change; return its id.

        Parameters
        ----------
        name : str
        values : mapping of str to object
        county_id : str
        standard_id : str
        who : str
        stamp : Stamp
        row_id : str, optional
        version : int

        Raises
        ------
        ConflictError
            If somebody else changed the row since that version; nothing is written.
        """
        owner = journals.Owner(county_id, standard_id, trail.name_of(who), stamp)
        with self.writing() as connection:
            if row_id is None:
                return journals.add(connection, name, values, owner)
            journals._change(connection, name, row_id, values, owner, version=version)
            return row_id

    def remove_from_journal(
        self, name: str, row_id: str, *, county_id: str, standard_id: str, who: str, version: int, stamp: Stamp
    ) -> None:
        """Take a row off a journal; what it said stays in the trail.

        Parameters
        ----------
        name : str
        row_id : str
        county_id : str
        standard_id : str
        who : str
        version : int
        stamp : Stamp
        """
        owner = journals.Owner(county_id, standard_id, trail.name_of(who), stamp)
        with self.writing() as connection:
            journals._remove(connection, name, row_id, owner, version=version)

    def take_into_journal(
        self, name: str, rows: Iterable[Mapping[str, Any]], *, county_id: str, standard_id: str, who: str, stamp: Stamp
    ) -> tuple[int, int, int]:
        """Take the rows of a table into a journal, all or none; return how many are new, changed, and the same.

        Parameters
        ----------
        name : str
        rows : Iterable[mapping of str to object]
        county_id : str
        standard_id : str
        who : str
        stamp : Stamp
        """
        owner = journals.Owner(county_id, standard_id, trail.name_of(who), stamp)
        with self.writing() as connection:
            return journals._take(connection, name, rows, owner)

    # Evidence --------------------------------------------------------------------------------------------------

    def add_evidence(
        self,
        name: str,
        content: bytes,
        *,
        who: str,
        county_id: str,
        stamp: Stamp,
        standard_id: str = "",
        entry_id: str = "",
        task: str = "",
    ) -> str:
        """Keep a file as evidence for a ledger entry or a task; return its SHA-256.

        Parameters
        ----------
        name : str
        content : bytes
        who : str
        county_id : str
        stamp : Stamp
        standard_id : str
        entry_id : str
        task : str

        Raises
        ------
        StoreError
            If it is of no accepted kind, too large, or not what its name says; nothing is kept.
        """
        role.need_to_write()
        person, kind = trail.name_of(who), evidence._kind_of(name, content)
        sha = evidence._keep(self.folder / "evidence", content)
        facts = {"county_id": county_id, "standard_id": standard_id, "entry_id": entry_id, "task": task, "stamp": stamp}
        for left in reversed(range(TRIES)):
            try:
                with self.writing() as connection:
                    if entry_id:
                        standing = ledgers.entry(connection, entry_id)
                        ledgers._step(connection, entry_id, "attach", who=person, version=standing.version, stamp=stamp,
                                     note=f"{evidence.shown_name(name)} {sha[:12]}", changes={})  # fmt: skip
                    evidence._index(connection, sha=sha, name=name, kind=kind, size=len(content), who=person, **facts)  # type: ignore[arg-type]
                return sha
            except ConflictError:
                # A file is added to whatever the entry is now; it overwrites nothing.
                if not left:
                    raise
        return sha

    def evidence(self, county_id: str, standard_id: str | None = None, entry_id: str | None = None) -> pd.DataFrame:
        """Return the index of a county's evidence, newest first.

        Parameters
        ----------
        county_id : str
        standard_id : str, optional
        entry_id : str, optional
        """
        if not self.exists:
            return pd.DataFrame(columns=evidence.COLUMNS)
        with self.reading() as connection:
            return evidence._listed(connection, county_id, standard_id, entry_id)

    def evidence_bytes(self, sha256: str) -> bytes:
        """Return a file by its hash, held against it."""
        return evidence.read(self.folder / "evidence", sha256)
