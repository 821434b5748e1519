"""Hold the state of the page that runs a plan: the day, the filters, the register, the ledger; no widgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pandas as pd
import traitlets

from balance_lib._errors import DataError, Fault
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation
from balance_lib.office import workplan
from balance_lib.office.store import Stamp, Store, StoreError, store_of
from balance_lib.office.workplan import Entry, Register
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.models import PageModel

# Results that rest on what is saved.
SAVED = ("register", "curve", "records", "journal", "kept")


class RunModel(PageModel):
    """Hold what the page of a plan shows on a day, and pass on what people save.

    ``on`` follows the school year chosen until somebody chooses a day: the last day of that year, within the plan and
    not after today. Results are kept until the day, the county, the plan or a record changes.
    """

    on = traitlets.Instance(date)
    unit = traitlets.Unicode("")
    status = traitlets.Unicode("")
    plan_stage = traitlets.Unicode("")

    def __init__(
        self, library: Library | None = None, query: Mapping[str, str] | None = None, saved: Store | None = None
    ) -> None:
        self._given = saved
        self._chosen_day = False
        super().__init__(library, query)
        asked = {name: str((query or {}).get(name, "")) for name in ("on", "unit")}
        try:
            self.show_day(date.fromisoformat(asked["on"]))
        except ValueError:
            if self.county_id:
                self.on = self.usual_day()
        if asked["unit"] and self.county_id and self.fault is None:
            self.unit = self.register.offices.find(asked["unit"])

    @property
    def saved(self) -> Store:
        """Return where this county's work is kept; that of a demonstration county stands apart."""
        if self._given is not None:
            return self._given
        if not self.county_id:
            return Store.default()
        key = ("store", self.county.hash)
        if key not in self._results:
            self._results[key] = store_of(self.county)
        found: Store = self._results[key]
        return found

    @property
    def lost(self) -> StoreError | None:
        """Return why what is saved cannot be read; None where it can."""
        key = ("kept", self.county_id)
        if key not in self._results:
            self._results[key] = None
            try:
                self.saved.task_records(self.county.county_id, self.standard_id)
            except StoreError as error:
                self._results[key] = error
        found: StoreError | None = self._results[key]
        return found

    @property
    def _kept(self) -> Store:
        """Return what the plan is shown with: what is saved, or nothing where that cannot be read."""
        return self.saved if self.lost is None else Store.at(self.saved.folder / "nothing")

    @traitlets.default("on")
    def _today(self) -> date:
        return date.today()

    def choose(self, *, county: str | None = None, year: int | None = None, standard: str | None = None) -> None:
        """Change what the page shows; the day follows unless somebody chose one.

        Parameters
        ----------
        county : str, optional
        year : int, optional
            School year; the last one without.
        standard : str, optional
        """
        before = (self.county_id, self.standard_id)
        with self.hold_trait_notifications():
            super().choose(county=county, year=year, standard=standard)
            if (self.county_id, self.standard_id) != before:
                self.unit = self.status = self.plan_stage = ""
                self._chosen_day = False
            known = workplan.year_of(self.county, self.on) if self.county_id else None
            if self.county_id and (not self._chosen_day or (year is not None and year != known)):
                self._chosen_day, self.on = False, self.usual_day()

    def show_day(self, on: date) -> None:
        """Show another day, and on the rest of the page the school year whose figures were known on it."""
        if on == self.on:
            return
        with self.hold_trait_notifications():
            self._chosen_day, self.on = True, on
            if self.county_id:
                self.year = workplan.year_of(self.county, on) or self.year
            self.revision += 1

    def show(self, *, unit: str | None = None, status: str | None = None, plan_stage: str | None = None) -> None:
        """Show only a unit's tasks, those of a status, or of a stage; an empty text shows all.

        Parameters
        ----------
        unit : str, optional
        status : str, optional
        plan_stage : str, optional
            Stage of the plan.
        """
        self.unit = self.unit if unit is None else unit
        self.status = self.status if status is None else status
        self.plan_stage = self.plan_stage if plan_stage is None else plan_stage

    def usual_day(self) -> date:
        """Return the day to begin with: the end of the school year chosen, within the plan, not after today."""
        day = min(date(self.year + 1, 8, 31) if self.year else date.today(), date.today())
        plan = self.standard.plan
        return day if plan is None else min(max(day, plan.starts), plan.ends)

    def renew(self) -> None:
        """Look at what is saved again."""
        self._results = {key: value for key, value in self._results.items() if key[0] not in SAVED}
        self.revision += 1

    @property
    def judged(self) -> Evaluation | None:
        """Return the county judged by the figures known on the day; None when there are none so early."""
        year = workplan.year_of(self.county, self.on)
        return None if year is None else self.evaluation_of(year, self.on)

    @property
    def records(self) -> pd.DataFrame:
        """Return what the office recorded of the plan's tasks."""
        key = ("records", self.county_id, self.standard_id)
        if key not in self._results:
            self._results[key] = self._kept.task_records(self.county.county_id, self.standard_id)
        return self._results[key]

    @property
    def register(self) -> Register:
        """Return the register on the day."""
        key = ("register", self.county.hash, self.standard_id, self.on)
        if key not in self._results:
            self._results[key] = workplan.register_of(
                self.county, self.standard, self.on, records=self.records, found=self.judged
            )
        found: Register = self._results[key]
        return found

    @property
    def tasks(self) -> pd.DataFrame:
        """Return the tasks that pass the filters, earliest date first."""
        return self.register.of(self.unit or None, self.status or None, self.plan_stage or None)

    @property
    def curve(self) -> pd.DataFrame:
        """Return planned and actual progress up to the day."""
        key = ("curve", self.county.hash, self.standard_id, self.on)
        if key not in self._results:
            self._results[key] = workplan.curve_of(self.county, self.register)
        return self._results[key]

    @property
    def schedule(self) -> pd.DataFrame:
        """Return the schedule counted back from the dates, of the tasks that pass the filters."""
        plan = self.standard.plan
        whole = workplan.schedule(self.register.tasks, self.on, after=plan.after if plan else None)
        return whole[whole["task"].isin(self.tasks["task"])].reset_index(drop=True)

    @property
    def problems(self) -> pd.DataFrame:
        """Return the problem list by the figures known on the day."""
        key = ("problems", self.county.hash, self.standard_id, self.on, self.lang)
        if key not in self._results:
            found = self.judged
            self._results[key] = (
                pd.DataFrame(columns=["school_id", "code", "stage"])
                if found is None
                else workplan.problem_list(found, self.county, lang=self.lang, on=self.on)
            )
        return self._results[key]

    @property
    def stamp(self) -> Stamp:
        """Return what a record made now rests on."""
        return Stamp.of(self.county, self.standard)

    def ledger(self, state: str = "") -> pd.DataFrame:
        """Return the ledger ready to be shown: what is most overdue first, what is closed last."""
        entries = self.saved.ledger(self.county.county_id, self.standard_id)
        shown = workplan.ledger_table(entries, self.county, self.standard, self.on, self.lang)
        if state:
            shown = shown[shown["state"] == state]
        if self.unit:
            offices = self.register.offices
            asked = offices.find(self.unit)
            shown = shown.loc[[asked in map(offices.of, workplan.units_of(each)) for each in shown["lead_unit"]]]
        order = shown.assign(_closed=shown["state"] == "verified")
        order = order.sort_values(["_closed", "days_late", "days_open"], ascending=[True, False, False], kind="stable")
        return order.drop(columns="_closed").reset_index(drop=True)

    def open_ledger(self, who: str) -> tuple[int, int]:
        """Put every problem into the ledger that is not there yet; return how many are new, how many were there."""
        done = self.saved.open_ledger(self.problems, self.county.county_id, self.standard_id, who=who, stamp=self.stamp)
        self.renew()
        return done

    def recheck(self, who: str) -> pd.DataFrame:
        """Hold the ledger against the figures known on the day."""
        found = self.judged
        if found is None:
            return pd.DataFrame(columns=["entry_id", "action"])
        done = self.saved.recheck(self.county.county_id, found, who=who, stamp=self.stamp)
        self.renew()
        return done

    def act(self, seen: Entry, action: str, *, who: str, note: str = "", **changes: object) -> None:
        """Take a step with an entry as it was seen.

        Parameters
        ----------
        seen : Entry
        action : str
        who : str
            Who does it; recorded in the trail.
        note : str
        **changes : object
        """
        self.saved.act(seen.entry_id, action, who=who, version=seen.version, stamp=self.stamp, note=note, **changes)

    def attach(self, seen: Entry, name: str, content: bytes, *, who: str) -> str:
        """Attach a file to an entry; return its hash.

        Parameters
        ----------
        seen : Entry
        name : str
        content : bytes
        who : str
            Who does it; recorded in the trail.
        """
        return self.saved.add_evidence(
            name,
            content,
            who=who,
            county_id=seen.county_id,
            standard_id=seen.standard_id,
            entry_id=seen.entry_id,
            stamp=self.stamp,
        )

    # Journals --------------------------------------------------------------------------------------------------

    def journal(self, name: str) -> pd.DataFrame:
        """Return what stands in a journal."""
        key = ("journal", name, self.county_id, self.standard_id)
        if key not in self._results:
            self._results[key] = self._kept.journal(name, self.county.county_id, self.standard_id)
        return self._results[key]

    @property
    def pairs(self) -> pd.DataFrame:
        """Return the pairs of departments and places on the day, overdue ones first; a chosen unit's alone."""
        found = workplan.pair_table(self.journal("pairings"), self.journal("visits"), self.county, self.on)
        found = self.county.translated(found, self.lang)
        return found[found["department"] == self.unit].reset_index(drop=True) if self.unit else found

    @property
    def places(self) -> pd.DataFrame:
        """Return the places' progress on their own schedules on the day, furthest behind first."""
        found = workplan.place_table(self.journal("milestones"), self.county, self.standard, self.on)
        return self.county.translated(found, self.lang)

    @property
    def units_known(self) -> list[str]:
        """Return the units the plan and the journals name."""
        journals = (("pairings", "department"), ("visits", "department"), ("progress_reports", "reporter"))
        named = [unit for name, column in journals for unit in self.journal(name)[column]]
        return list(dict.fromkeys(workplan.harmless(unit, 60) for unit in [*named, *self.register.units["unit"]]))

    def entries_of(self, place: str) -> list[tuple[str, str]]:
        """Return the open ledger entries of a school, or of a township's schools, as they are shown and by id."""
        rows = self.ledger()
        town = self.county.townships_en.get(place, place) if self.lang == "en" else place
        mine = rows[((rows["school_id"] == place) | (rows["township"] == town)) & (rows["state"] != "verified")]
        return [
            (workplan.harmless(f"{row.school} · {row.code} {row.item}", 80), str(row.entry_id))
            for row in mine.head(200).itertuples()
        ]

    @property
    def _own(self) -> dict[str, Any]:
        return {"county_id": self.county.county_id, "standard_id": self.standard_id, "stamp": self.stamp}

    def write_journal(
        self, name: str, values: Mapping[str, Any], *, who: str, seen: Mapping[str, Any] | None = None
    ) -> str:
        """Write a new row into a journal, or change a row as it was seen; return its id.

        Parameters
        ----------
        name : str
        values : mapping of str to object
        who : str
            Who does it; recorded in the trail.
        seen : mapping of str to object, optional
            The record as it was shown; another one is refused.

        Raises
        ------
        DataError
            If it holds a telephone or identity number: no personal data is stored.
        """
        if faults := _personal_numbers(name, [values], workplan.JOURNALS[name].title(self.lang), self.lang):
            raise DataError(faults)
        known: dict[str, Any] = {} if seen is None else {"row_id": str(seen["row_id"]), "version": int(seen["version"])}
        done = self.saved.write_journal(name, values, who=who, **self._own, **known)
        self.renew()
        return done

    def remove_from_journal(self, name: str, seen: Mapping[str, Any], *, who: str) -> None:
        """Take a row off a journal as it was seen.

        Parameters
        ----------
        name : str
        seen : mapping of str to object
            The record as it was shown; another one is refused.
        who : str
            Who does it; recorded in the trail.
        """
        self.saved.remove_from_journal(name, seen["row_id"], version=int(seen["version"]), who=who, **self._own)
        self.renew()

    def take_into_journal(self, name: str, file: str, content: bytes, *, who: str) -> tuple[int, int, int]:
        """Take a table into a journal; return how many rows are new, changed, and the same.

        Parameters
        ----------
        name : str
        file : str
        content : bytes
        who : str
            Who does it; recorded in the trail.

        Raises
        ------
        DataError
            With every fault of the file; nothing is taken.
        """
        rows = read_rows(name, file, content, self.county, self.lang)
        done = self.saved.take_into_journal(name, rows, who=who, **self._own)
        self.renew()
        return done

    def record(
        self, task: str, *, state: str, who: str, due: date | None = None, done_on: date | None = None, note: str = ""
    ) -> None:
        """Record how a task stands, if the record is still the one this page shows.

        Parameters
        ----------
        task : str
        state : str
        who : str
            Who does it; recorded in the trail.
        due : date, optional
        done_on : date, optional
        note : str
        """
        mine = self.records[self.records["task"] == task]
        version = int(mine["version"].iloc[0]) if len(mine) else 0
        self.saved.record_task(
            self.county.county_id, self.standard_id, task, state=state, who=who, version=version, stamp=self.stamp,
            due=due, done_on=done_on, note=note,
        )  # fmt: skip
        self.renew()


def read_rows(name: str, file: str, content: bytes, county: County, lang: str) -> list[dict[str, Any]]:
    """Return the rows of a table handed in for a journal.

    Parameters
    ----------
    name : str
    file : str
    content : bytes
    county : County
    lang : {"zh", "en"}

    Raises
    ------
    DataError
        With every fault of the file.
    """
    rows = workplan.read_table(workplan.JOURNALS[name], _read_sheet(file, content), county, file=file, lang=lang)
    if faults := _personal_numbers(name, rows, file, lang):
        raise DataError(faults)
    return rows


def _read_sheet(file: str, content: bytes) -> list[list[str]]:
    """Return the rows of the one table in a CSV or XLSX file.

    Raises
    ------
    DataError
        If it cannot be read, or holds several tables.
    """
    from balance_lib.data.intake.grid import read_grids
    from balance_lib.data.intake.xlsx import SourceFile

    shown = workplan.harmless(file, 80)
    grids, faults = read_grids(SourceFile(shown, content))
    full = [grid for grid in grids if not grid.hidden and any(any(row) for row in grid.rows)]
    if not faults and len(full) != 1:
        faults = [Fault("journal_sheets", shown, found=len(full))]
    if faults:
        raise DataError(faults)
    return full[0].rows


def _personal_numbers(name: str, rows: Iterable[Mapping[str, Any]], file: str, lang: str) -> list[Fault]:
    """Return a fault for every text of a journal's rows that holds a telephone or identity number."""
    from balance_lib.data.intake.cells import holds_personal_number

    asked = [column for column in workplan.JOURNALS[name].columns if column.kind in ("name", "text")]
    return [
        Fault("journal_personal", file, None, column.label(lang), params={"n": at})
        for at, row in enumerate(rows, start=1)
        for column in asked
        if holds_personal_number(row.get(column.name) or "")
    ]
