"""Hold the state of the page that runs a plan: the day, the filters, the register, the ledger; no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pandas as pd
import traitlets

from balance_lib import workplan
from balance_lib.evaluation import Evaluation
from balance_lib.store import Stamp, Store
from balance_lib.widgets.library import Library
from balance_lib.widgets.models import PageModel
from balance_lib.workplan import Entry, Register


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
        self.saved = saved or Store.default()
        self._chosen_day = False
        super().__init__(library, query)
        asked = str((query or {}).get("on", ""))
        try:
            self.show_day(date.fromisoformat(asked))
        except ValueError:
            if self.county_id:
                self.on = self.usual_day()

    @traitlets.default("on")
    def _today(self) -> date:
        return date.today()

    def choose(self, *, county: str | None = None, year: int | None = None, standard: str | None = None) -> None:
        """Change what the page shows; the day follows unless somebody chose one."""
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
        """Show only a unit's tasks, those of a status, or of a stage; an empty text shows all."""
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
        self._results = {key: value for key, value in self._results.items() if key[0] not in ("register", "records")}
        self.revision += 1

    @property
    def judged(self) -> Evaluation | None:
        """Return the county judged by the figures known on the day; None when there are none so early.

        The evaluation is that of the school year, as on every other page; the register dates its findings itself.
        """
        year = workplan.year_of(self.county, self.on)
        return None if year is None else self.evaluation_of(year)

    @property
    def records(self) -> pd.DataFrame:
        """Return what the office recorded of the plan's tasks."""
        key = ("records", self.county_id, self.standard_id)
        if key not in self._results:
            self._results[key] = self.saved.task_records(self.county.county_id, self.standard_id)
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
        key = ("curve", self.county.hash, self.standard_id, self.on, id(self.register))
        if key not in self._results:
            self._results[key] = workplan.curve_of(self.county, self.register, evaluation_of=self.evaluation_of)
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
            shown = shown[[self.unit in workplan.units_of(each) for each in shown["lead_unit"]]]
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
        """Take a step with an entry as it was seen."""
        self.saved.act(seen.entry_id, action, who=who, version=seen.version, stamp=self.stamp, note=note, **changes)

    def attach(self, seen: Entry, name: str, content: bytes, *, who: str) -> str:
        """Attach a file to an entry; return its hash."""
        return self.saved.add_evidence(
            name,
            content,
            who=who,
            county_id=seen.county_id,
            standard_id=seen.standard_id,
            entry_id=seen.entry_id,
            stamp=self.stamp,
        )

    def record(
        self, task: str, *, state: str, who: str, due: date | None = None, done_on: date | None = None, note: str = ""
    ) -> None:
        """Record how a task stands, if the record is still the one this page shows."""
        mine = self.records[self.records["task"] == task]
        version = int(mine["version"].iloc[0]) if len(mine) else 0
        self.saved.record_task(
            self.county.county_id, self.standard_id, task, state=state, who=who, version=version, stamp=self.stamp,
            due=due, done_on=done_on, note=note,
        )  # fmt: skip
        self.renew()
