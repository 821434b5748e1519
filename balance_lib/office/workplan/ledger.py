"""Lead a rectification ledger (整改台账): which step may follow which, and what closes or re-opens an entry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

import pandas as pd

from balance_lib._errors import BalanceError
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation, figures
from balance_lib.locale import has, text, unit
from balance_lib.standards import Item, Standard

LEDGER_STATES = ("open", "in_progress", "evidence", "verified")
EDITABLE = ("measure", "person", "lead_unit", "due")
FIGURES = ("year", "value", "required", "gap", "needed")
# Which states a step may start from, and where it leads; None stays where it is.
STEPS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "edit": (("open", "in_progress", "evidence"), None),
    "start": (("open",), "in_progress"),
    "submit": (("open", "in_progress"), "evidence"),
    "send_back": (("evidence",), "in_progress"),
    "verify": (("evidence",), "verified"),
    "reopen": (("verified",), "open"),
    "attach": (("open", "in_progress", "evidence"), None),
    "remeasure": (LEDGER_STATES, None),
    "close_by_value": (LEDGER_STATES, "verified"),
    "reopen_by_value": (("verified",), "open"),
}
# Steps people take; the others follow from a file or a re-computed value.
ACTIONS = ("edit", "start", "submit", "send_back", "verify", "reopen")
WITH_REASON = ("send_back", "reopen")


class LifeCycleError(BalanceError, ValueError):
    """A step the ledger's rules do not allow; nothing was changed."""

    def __init__(self, rule: str, **params: Any) -> None:
        self.rule, self.params = rule, params
        super().__init__(self.message())

    def message(self, lang: str = "zh") -> str:
        """Say why, in a language."""
        params = {
            name: text(f"workplan.{kind}.{value}", lang) if kind else value
            for name, (kind, value) in self._named().items()
        }
        return text(f"workplan.error.{self.rule}", lang, **params)

    def _named(self) -> dict[str, tuple[str, Any]]:
        kinds = {"state": "state", "action": "action"}
        return {name: (kinds.get(name, ""), value) for name, value in self.params.items()}


@dataclass(frozen=True)
class Entry:
    """Hold one line of the ledger: a school (or, with ``school_id`` empty, the county) and an item it fails.

    ``evidence`` counts the files attached since it was last opened, ``reopened`` how often it was opened again,
    ``year`` is the school year of the figures. ``closed_by`` is "value", or "evidence" while a paper alone closed it:
    its figures still fail, until later ones confirm it.
    """

    entry_id: str
    county_id: str
    standard_id: str
    school_id: str
    code: str
    stage: str
    year: int
    value: float | None = None
    required: float | None = None
    gap: float | None = None
    needed: float | None = None
    measure: str = ""
    person: str = ""
    lead_unit: str = ""
    due: date | None = None
    state: str = "open"
    opened_at: datetime | None = None
    changed_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    reopened: int = 0
    evidence: int = 0
    version: int = 1


@dataclass(frozen=True)
class LedgerStep:
    """Say what a re-computed value asks of an entry."""

    entry: Entry
    action: str
    changes: Mapping[str, Any]


def act(entry: Entry, action: str, *, at: datetime, note: str = "", **changes: Any) -> Entry:
    """Return an entry after one step, its version raised by one.

    An entry is closed in two ways only: by ``verify``, which needs a file attached since it was opened, or by
    ``close_by_value``, which :func:`recheck` asks for when the figures meet the line.

    Parameters
    ----------
    entry : Entry
    action : str
        One of :data:`STEPS`.
    at : datetime
        When.
    note : str
        Why; needed to send back and to re-open.
    **changes
        New values of ``measure``, ``person``, ``lead_unit``, ``due``; of figures only with a value's steps.

    Raises
    ------
    LifeCycleError
        If the step is unknown or not allowed from the entry's state, lacks its file or reason, or changes what it
        may not.
    """
    if action not in STEPS:
        raise LifeCycleError("unknown_step", name=action)
    before, then = STEPS[action]
    if entry.state not in before:
        raise LifeCycleError("step", state=entry.state, action=action)
    if action in ("submit", "verify") and not entry.evidence:
        raise LifeCycleError("no_evidence")
    if action in WITH_REASON and not note.strip():
        raise LifeCycleError("no_reason", action=action)
    allowed = FIGURES if action in ("remeasure", "close_by_value", "reopen_by_value") else EDITABLE
    for name in changes:
        if name not in allowed:
            raise LifeCycleError("fixed", name=name)
    new: dict[str, Any] = {
        **changes,
        **_consequences(entry, action, at),
        "changed_at": at,
        "state": then or entry.state,
    }
    return replace(entry, **new, version=entry.version + 1)


def allowed(entry: Entry, action: str) -> bool:
    """Tell whether a step may be taken from where an entry stands, so that a page offers no other.

    Parameters
    ----------
    entry : Entry
    action : str
        What is done.
    """
    before, _ = STEPS[action]
    return entry.state in before and (action not in ("submit", "verify") or entry.evidence > 0)


def _consequences(entry: Entry, action: str, at: datetime) -> dict[str, Any]:
    if action == "attach":
        return {"evidence": entry.evidence + 1}
    if action in ("verify", "close_by_value"):
        return {"closed_at": entry.closed_at or at, "closed_by": "evidence" if action == "verify" else "value"}
    if action in ("reopen", "reopen_by_value"):
        # A file that was there before the entry was opened again cannot close it a second time.
        return {"closed_at": None, "closed_by": "", "reopened": entry.reopened + 1, "evidence": 0}
    return {}


def recheck(entries: Iterable[Entry], evaluation: Evaluation) -> list[LedgerStep]:
    """Return what newly computed values ask of the entries: close, confirm, open again, or note the new figure.

    Figures older than an entry's own say nothing. A value that is missing changes nothing. An entry closed by a file
    is opened again only by figures of a later year, for the file may be younger than the figures of its own year.

    Parameters
    ----------
    entries : iterable of Entry
    evaluation : Evaluation
        Of the entries' own standard.
    """
    found = dict(_values(evaluation))
    steps = []
    for entry in entries:
        figures = found.get((entry.school_id, entry.code, entry.stage))
        if figures is None or entry.standard_id != evaluation.standard.id or evaluation.year < entry.year:
            continue
        met, changes = figures
        changes = {**changes, "year": evaluation.year}
        if action := _asked(entry, met, evaluation.year, changes):
            steps.append(LedgerStep(entry, action, changes))
    return steps


def _asked(entry: Entry, met: bool | None, year: int, changes: Mapping[str, Any]) -> str | None:
    if met is None:
        return None
    if met:
        return "close_by_value" if entry.closed_by != "value" else None
    if entry.state == "verified":
        return "reopen_by_value" if year > entry.year or entry.closed_by == "value" else None
    return "remeasure" if any(getattr(entry, name) != value for name, value in changes.items()) else None


def _values(evaluation: Evaluation) -> Iterable[tuple[tuple[str, str, str], tuple[bool | None, dict[str, Any]]]]:
    """Yield every value an entry could be about: by school, code and stage; met or not; and its figures."""
    needed = evaluation.schools.set_index(["school_id", "stage", "indicator"])["needed"]
    for result in (r for r in evaluation.items if r.counts):
        item, rows = result.item, result.by_school
        if rows is None:
            known = {"met": True, "not_met": False, "not_due": False}.get(result.status)
            figures = {"value": result.value, "required": result.threshold, "gap": result.gap, "needed": None}
            yield ("", item.code, item.stage), (known, _plain(figures))
            continue
        indicator = item.measure.formula if item.measure and item.measure.source == "indicator" else None
        for row in rows.to_dict("records"):
            stage = row.get("stage", item.stage)
            figures = {"value": row["value"], "required": row["threshold"], "gap": row.get("gap"),
                       "needed": needed.get((row["school_id"], stage, indicator))}  # fmt: skip
            met = row["met"] if isinstance(row["met"], bool) else None
            yield (row["school_id"], item.code, stage), (met, _plain(figures))


def _plain(figures: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: None if v is None or v != v else float(v) for name, v in figures.items()}


def ledger_table(entries: pd.DataFrame, county: County, standard: Standard, on: date, lang: str = "zh") -> pd.DataFrame:
    """Return a ledger ready to be shown: names beside codes, words for states, age in days.

    Parameters
    ----------
    entries : DataFrame
        Rows of the store's ledger; its columns are those of :class:`Entry`.
    county : County
    standard : Standard
    on : date
        Day the age is counted to.
    lang : {"zh", "en"}

    Returns
    -------
    DataFrame
        The entries with school, township, item, unit, stage_word, state_word, closed_word, value_word, required_word,
        gap_word, opened_on, days_open (to the day it was closed) and days_late (0 unless open after its date).
    """
    schools = county.spoken(lang).tables["schools"].drop_duplicates("school_id").set_index("school_id")
    places = [(_of(schools, s, "name_zh"), _of(schools, s, "township")) for s in entries["school_id"]]
    items = [standard.by_code.get(code) for code in entries["code"]]
    ends = [_day(closed) or on for closed in entries["closed_at"]]
    opened = [_day(at) or on for at in entries["opened_at"]]
    late = [
        max(0, (on - due).days) if due is not None and due == due and state != "verified" else 0
        for due, state in zip(entries["due"], entries["state"], strict=True)
    ]
    return entries.assign(
        school=[school or county.whole(lang) for school, _ in places],
        township=[township for _, township in places],
        item=[item.label(lang) if item else code for item, code in zip(items, entries["code"], strict=True)],
        unit=[_unit(item, school)[lang].strip() for item, school in zip(items, entries["school_id"], strict=True)],
        **{
            f"{name}_word": [
                _figure_word(name, value, line, item)
                for value, line, item in zip(entries[name], entries["required"], items, strict=True)
            ]
            for name in ("value", "required", "gap")
        },
        stage_word=[text(f"stage.{stage}", lang) for stage in entries["stage"]],
        state_word=[text(f"workplan.state.{state}", lang) for state in entries["state"]],
        closed_word=[text(f"workplan.closed_by.{by}", lang) if by else "" for by in entries["closed_by"]],
        opened_on=opened,
        days_open=[max(0, (end - start).days) for start, end in zip(opened, ends, strict=True)],
        days_late=late,
    )


def ledger_counts(entries: pd.DataFrame) -> dict[str, int]:
    """Count the entries by state, and as ``accepted`` those closed by a paper while their figures still fail."""
    states = {state: int((entries["state"] == state).sum()) for state in LEDGER_STATES}
    return {**states, "accepted": int((entries["closed_by"] == "evidence").sum())}


def trail_words(history: pd.DataFrame, standard: Standard, lang: str = "zh") -> pd.DataFrame:
    """Return the trail with ``before`` and ``after`` as people write them.

    Parameters
    ----------
    history : DataFrame
        Rows of the store's trail: subject_id, field, before, after among others.
    standard : Standard
        Of the entries.
    lang : {"zh", "en"}
    """
    last = {
        name: history[history["field"] == name]
        .drop_duplicates("subject_id", keep="last")
        .set_index("subject_id")["after"]
        for name in ("code", "required")
    }
    rows = history.to_dict("records")
    sides = {}
    for side in ("before", "after"):
        sides[side] = [
            _told(str(row["field"]), row[side], standard.by_code.get(last["code"].get(row["subject_id"], "")),
                  last["required"].get(row["subject_id"]), lang)
            for row in rows
        ]  # fmt: skip
    return history.assign(**sides)


def _told(field: str, given: object, item: Item | None, line: object, lang: str) -> str:
    value = "" if given is None or given != given else str(given)
    kinds = {"state": "workplan.state", "stage": "stage", "closed_by": "workplan.closed_by"}
    if value and field in kinds and has(f"{kinds[field]}.{value}"):
        return text(f"{kinds[field]}.{value}", lang)
    if value and field in FIGURES and field != "year":
        return _figure_word(field, float(value), math.nan if line in (None, "") else float(str(line)), item)
    if value and field.endswith("_at"):
        return datetime.fromisoformat(value).astimezone().strftime("%Y-%m-%d %H:%M")
    return value


def decimals_of(field: str, value: float, line: float, item: Item | None) -> int:
    """Return how many decimals a value, line or gap of an item is printed with wherever it stands.

    Parameters
    ----------
    field : {"value", "required", "gap"}
    value, line : float
        The figure and what is required, in the item's unit.
    item : Item, optional
        None where the standard has no such item.
    """
    unit_of = item.judged_unit if item else ""
    against = {"value": (line, item.operator if item else ">="), "gap": (0.0, ">=")}.get(field, (line, ">="))
    return figures.decimals(value, unit_of, *against)


def _figure_word(field: str, value: float | None, line: float | None, item: Item | None) -> str:
    known, line = math.nan if value is None else float(value), math.nan if line is None else float(line)
    return figures.figure(known, decimals_of(field, known, line, item))


def _unit(item: Item | None, school_id: str) -> dict[str, str]:
    """Return the unit of an entry: a school's share of a county-wide rule is how many of its indicators it meets."""
    rule = school_id and item is not None and item.measure is not None and item.measure.source == "school_rule"
    return unit("indicators" if rule else item.judged_unit if item else "")


def _of(schools: pd.DataFrame, school_id: str, column: str) -> str:
    found = schools[column].get(school_id) if school_id else None
    return "" if found is None or found != found else str(found)


def _day(at: Any) -> date | None:
    if at is None or at != at or at is pd.NaT:
        return None
    return at.date() if isinstance(at, datetime) else at


ENTRY_FIELDS = tuple(field.name for field in fields(Entry))
