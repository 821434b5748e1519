"""Keep the register of a plan: the status of every task on any day, done, on course, late, or waiting for another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import pandas as pd

from balance_lib.evaluation import Evaluation, ItemResult
from balance_lib.locale import text
from balance_lib.office.workplan.offices import Offices
from balance_lib.office.workplan.stages import Stage, _stage_on, stages
from balance_lib.office.workplan.tasks import Task, tasks
from balance_lib.office.workplan.units import _unit_table
from balance_lib.plain import plain, records
from balance_lib.standards import Standard

STATUSES = ("done", "on_course", "late", "due_before_adoption", "blocked", "not_started", "undated")
SAID = ("done", "late", "blocked", "due_before_adoption", "on_course", "not_started", "undated")
COLUMNS = (
    "task", "codes", "kind", "group", "label_zh", "label_en", "plan_stage", "starts", "due", "deadline", "recurring",
    "lead_unit", "cooperating_units", "status", "finding", "due_before_adoption", "days_left", "blocked_by", "done_on",
    "facts", "facts_met", "remark", "version", "begun",
)  # fmt: skip
# The finding of a task is that of its worst fact.
WORST = ("not_met", "no_data", "evidence", "not_due", "met", "not_applicable")
DTYPES = dict.fromkeys(("starts", "due", "days_left", "done_on"), object)
Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _TaskFinding:
    """Hold what the figures say of a task: the worst of its facts, how many are met, and on which day it was found."""

    status: str = ""
    facts: int = 0
    met: int = 0
    done_on: date | None = None


@dataclass(frozen=True)
class Register:
    """Hold a plan's register on a day.

    ``tasks`` has one row a task; see :data:`COLUMNS`. ``lead_unit`` and ``cooperating_units`` are units joined by "、",
    ``days_left`` is negative when a task is overdue, ``year`` the school year whose figures were known on that day.
    """

    standard: Standard
    on: date
    tasks: pd.DataFrame
    year: int | None = None
    units_by_task: Mapping[str, tuple[Sequence[str], Sequence[str]]] | None = None

    @cached_property
    def stage(self) -> Stage | None:
        """Return the stage the plan is in."""
        return _stage_on(self.standard, self.on)

    @cached_property
    def stages(self) -> pd.DataFrame:
        """Return the stages with how many of their tasks are done and late.

        Returns
        -------
        DataFrame
            code, number, label_zh, label_en, starts, ends, status (over, current, ahead), tasks, done, late.
        """
        rows = []
        for stage in stages(self.standard):
            found = Counter(self.tasks.loc[self.tasks["plan_stage"] == stage.code, "status"])
            counts = {"tasks": found.total(), "done": found["done"], "late": found["late"]}
            rows.append({**vars(stage), "status": stage.status(self.on), **counts})
        heads = ["code", "number", "label_zh", "label_en", "starts", "ends", "status", "tasks", "done", "late"]
        return pd.DataFrame(rows, columns=heads)

    def counts(self) -> dict[str, int]:
        """Count the tasks by status."""
        found = Counter(self.tasks["status"])
        return {status: found[status] for status in STATUSES}

    @property
    def due_before_adoption(self) -> list[str]:
        """Return the tasks whose day had passed before the plan was adopted."""
        return list(self.tasks.loc[self.tasks["due_before_adoption"], "task"])

    def of(self, unit: str | None = None, status: str | None = None, plan_stage: str | None = None) -> pd.DataFrame:
        """Return the tasks of a unit (as lead or cooperating), of a status, of a stage; earliest date first.

        Parameters
        ----------
        unit : str, optional
            Unit, as written.
        status : str, optional
            Status, as the register names it.
        plan_stage : str, optional
            Stage of the plan.
        """
        rows = self.tasks
        if unit is not None:
            office, known = self.offices.find(unit), self.offices_by_task
            rows = rows[[any(office in part for part in known.get(task, ())) for task in rows["task"]]]
        if status is not None:
            rows = rows[rows["status"] == status]
        if plan_stage is not None:
            rows = rows[rows["plan_stage"] == plan_stage]
        order = [due or date.max for due in rows["due"]]
        return rows.assign(_order=order).sort_values("_order", kind="stable").drop(columns="_order")

    @cached_property
    def offices(self) -> Offices:
        """Return which spellings of units are one office."""
        spellings = (name for parts in (self.units_by_task or {}).values() for part in parts for name in part)
        return Offices(spellings, self.standard.plan.offices if self.standard.plan else None)

    @cached_property
    def offices_by_task(self) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """Return the leading and the cooperating offices of each task; the rows keep the plan's spelling."""
        by_task = (self.units_by_task or {}).items()
        return {task: (self._offices(lead), self._offices(helps)) for task, (lead, helps) in by_task}

    def _offices(self, spellings: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(self.offices.of(name) for name in spellings))

    @cached_property
    def units(self) -> pd.DataFrame:
        """Return every office with what it owes; see :func:`balance_lib.office.workplan.units._unit_table`."""
        return _unit_table(self.tasks, self.offices_by_task, self.on)

    def laggards(self) -> pd.DataFrame:
        """Return the units that are behind the plan, furthest behind first."""
        behind = self.units[self.units["behind"] > 0]
        return behind.sort_values(["behind", "late"], ascending=False, kind="stable").reset_index(drop=True)

    def sentence(self, lang: str = "zh") -> str:
        """Say in one sentence where the plan stands."""
        where = self.stage.label(lang) if self.stage else text(f"workplan.{self._outside()}", lang)
        # What there is none of is not told, but for what everybody asks about.
        told = {status: n for status, n in self.counts().items() if n or status in ("done", "late")}
        order = [status for status in SAID if status in told]
        parts = [text(f"workplan.part.{status}", lang, n=told[status]) for status in order]
        stop = text("workplan.sentence_stop", lang)
        on, total = self.on.isoformat(), len(self.tasks)
        return text("workplan.sentence", lang, on=on, stage=where, total=total, parts=stop.join(parts))

    def _outside(self) -> str:
        plan = self.standard.plan
        if plan is None or plan.starts <= self.on <= plan.ends:
            return "no_stage" if not stages(self.standard) else "between_stages"
        return "before_plan" if self.on < plan.starts else "after_plan"

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return the register as plain JSON values."""
        return {
            "standard": self.standard.id,
            "title": self.standard.title(lang),
            "on": self.on.isoformat(),
            "year": self.year,
            "sentence": self.sentence(lang),
            "stage": None if self.stage is None else _values(vars(self.stage)),
            "stages": records(self.stages),
            "counts": self.counts(),
            "due_before_adoption": self.due_before_adoption,
            "tasks": [self._task_dict(row, lang) for row in self.tasks.to_dict("records")],
            "units": records(self.units),
            "laggards": list(self.laggards()["unit"]),
        }

    def _task_dict(self, row: dict[str, Any], lang: str) -> dict[str, Any]:
        lead, cooperating = (self.units_by_task or {}).get(row["task"], ((), ()))
        known = {"lead_units": list(lead), "cooperating_units": list(cooperating), "codes": row["codes"].split("、")}
        return {**_values(row), "label": row[f"label_{lang}"] or row["label_zh"], **known}


def register(
    standard: Standard,
    on: date,
    *,
    evaluation: Evaluation | None = None,
    evidence: pd.DataFrame | None = None,
    records: pd.DataFrame | None = None,
) -> Register:
    """Give every task of a plan its status on a day.

    A task is done when the office recorded it done, or its figures meet the line. Otherwise it is late after its day,
    blocked when the office says so or a task that must come first is not done, and on course until its day. A task
    whose day had passed before the plan was adopted is "due before adoption": no figure older than the plan can say
    that it was done, and calling it late would blame people for a date nobody could keep.

    Parameters
    ----------
    standard : Standard
        The plan.
    on : date
        The day asked about.
    evaluation : Evaluation, optional
        The county judged on that day; without it only dates and records speak.
    evidence : DataFrame, optional
        The county's table of evidence, for the tasks no item judges; findings recorded after the day are left out.
    records : DataFrame, optional
        What the office recorded of its tasks (``store.task_records``): task, state, due, done_on, note, version.
    """
    known = _known(records, on)
    listed = [task.redated(known.get(task.task, {}).get("due")) for task in tasks(standard, on)]
    papers = _papers(standard.id, evidence, on)
    results = _by_task(evaluation)
    findings = {task.task: _finding(task, results, papers) for task in listed}
    after = standard.plan.after if standard.plan else {}
    fresh = evaluation is not None and standard.plan is not None and date(evaluation.year, 9, 1) >= standard.plan.starts
    done = {task.task for task in listed if _done(task, findings[task.task], known.get(task.task, {}), fresh)}
    done = _in_order(done, {task for task in done if known.get(task, {}).get("state") == "done"}, after)
    rows = [_row(task, findings[task.task], known.get(task.task, {}), done, after, on) for task in listed]
    # Kept as they are: in a column of numbers a task without a date would turn all days into fractions.
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=DTYPES.get(name)) for name in COLUMNS})
    units = {task.task: (task.leads, task.cooperating) for task in listed}
    return Register(standard, on, frame, None if evaluation is None else evaluation.year, units)


def _known(records: pd.DataFrame | None, on: date) -> Records:
    """Return the office's records by task; a task recorded done later than the day asked about is not done yet."""
    found: dict[str, dict[str, Any]] = {}
    for row in [] if records is None else records.to_dict("records"):
        if row.get("done_on") and row["done_on"] > on:
            row = {**row, "state": "started", "done_on": None}
        found[row["task"]] = {key: None if value is None or value != value else value for key, value in row.items()}
    return found


def _in_order(done: set[str], recorded: set[str], after: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the tasks that are done although what must come before them is asked too.

    A recognition is not done while its own application is open: a finding waits for the tasks before it, a record of
    the office does not.
    """
    while early := {t for t in done - recorded if any(first not in done for first in after.get(t, ()))}:
        done = done - early
    return done


def _by_task(evaluation: Evaluation | None) -> Mapping[str, Sequence[ItemResult]]:
    """Return the findings behind each task: of what the verdict waits for, else of all its facts."""
    found: dict[str, list[ItemResult]] = {}
    for result in evaluation.items if evaluation else ():
        if result.item.same_as is None:
            found.setdefault(result.item.item_id, []).append(result)
    return {task: [r for r in results if r.counts] or results for task, results in found.items()}


def _papers(standard_id: str, evidence: pd.DataFrame | None, on: date) -> Mapping[str, tuple[str, date]]:
    """Return what documents say of a plan's facts on a day: by code the latest finding and since when it stands."""
    known: dict[str, tuple[str, date]] = {}
    if evidence is None or evidence.empty:
        return known
    mine = (evidence["standard"] == standard_id) & evidence["finding"].isin(["met", "not_met"])
    for row in evidence[mine].dropna(subset=["recorded_on"]).sort_values("recorded_on", kind="stable").itertuples():
        day = date.fromisoformat(str(row.recorded_on)[:10])
        if day <= on and known.get(row.item_id, ("",))[0] != row.finding:
            known[row.item_id] = (row.finding, day)
    return known


def _finding(
    task: Task, results: Mapping[str, Sequence[ItemResult]], papers: Mapping[str, tuple[str, date]]
) -> _TaskFinding:
    if judged := results.get(task.task):
        statuses = [result.status for result in judged]
        met = sum(status == "met" for status in statuses)
        return _TaskFinding(min(statuses, key=WORST.index), len(statuses), met)
    found = [papers[code] for code in task.codes if code in papers and task.kind in ("task", "output")]
    days = [day for finding, day in found if finding == "met"]
    worst = "not_met" if len(days) < len(found) else "met" if len(days) == len(task.codes) else ""
    return _TaskFinding(worst, len(task.codes), len(days), max(days, default=None))


def _done(task: Task, finding: _TaskFinding, record: Mapping[str, Any], fresh: bool) -> bool:
    if record.get("state") == "done":
        return True
    return finding.status == "met" and (fresh or not task.due_before_adoption)


def _row(
    task: Task,
    finding: _TaskFinding,
    record: Mapping[str, Any],
    done: set[str],
    after: Mapping[str, Sequence[str]],
    on: date,
) -> dict[str, Any]:
    waits = [first for first in after.get(task.task, ()) if first not in done]
    status = _status(task, record, task.task in done, waits, on, finding.status)
    return {
        **{name: getattr(task, name) for name in COLUMNS if hasattr(task, name)},
        "codes": "、".join(task.codes),
        "lead_unit": "、".join(task.leads),
        "cooperating_units": "、".join(task.cooperating),
        "status": status,
        "finding": finding.status,
        "days_left": None if task.due is None else (task.due - on).days,
        "blocked_by": "" if status == "done" else "、".join(waits),
        "done_on": (record.get("done_on") or finding.done_on) if status == "done" else None,
        "facts": finding.facts,
        "facts_met": finding.met,
        "remark": record.get("note") or "",
        "version": int(record.get("version") or 0),
        "begun": record.get("state") == "started",
    }


def _status(task: Task, record: Mapping[str, Any], done: bool, waits: Sequence[str], on: date, finding: str) -> str:
    if done:
        return "done"
    if finding == "met" and waits:  # not late: the finding is there, what must come before it is not
        return "blocked"
    if task.starts is not None and on < task.starts:
        return "not_started"
    if task.due_before_adoption and not record.get("due"):
        return "due_before_adoption"
    if task.due is not None and task.due < on:
        return "late"
    if record.get("state") == "blocked" or waits:
        return "blocked"
    return "undated" if task.due is None else "on_course"


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): plain(value) for name, value in row.items()}
