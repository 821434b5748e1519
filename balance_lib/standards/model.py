"""Hold a policy standard: its items with thresholds and deadlines, and how each is measured."""

from __future__ import annotations

import calendar
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from functools import cached_property
from typing import Any

from balance_lib._errors import NotFoundError
from balance_lib.locale import text
from balance_lib.shown import Shown

JUDGED = ("target", "rule")
STAGES = ("primary", "junior")
Note = Mapping[str, str]


@dataclass(frozen=True)
class Variant:
    """Change a formula or a threshold when a definition switch is on, for the rows it names.

    With ``leaves`` the rows it names do not belong to the rule at all.
    """

    when: str
    where: str | None = None
    formula: str | Mapping[str, str] | None = None
    value: float | None = None
    blank_is_zero: Sequence[str] = ()
    leaves: bool = False


@dataclass(frozen=True)
class Measure:
    """Say how the value of an item is found.

    ``source`` is one of county, schools, stages, townships (a formula over those rows), indicator, cv, school_rule,
    given (a measure another room computes), items (how many groups of other items are met), reported (the county
    reports the figure under the item's code) and evidence.

    ``otherwise`` is who decides where the county holds no such data at all: reported or evidence. ``checked_by`` names
    items a figure typed in or a document cannot overrule: while one of them is not met, this one is not; while one is
    open, so is this one. ``gross`` says that a share may lawfully stand above 100 %.
    """

    source: str
    formula: str = ""
    of: str | None = None
    at_least: int | None = None
    floor_share: float | None = None
    where: str | None = None
    judge: str = "every"
    transform: str = "level"
    against: str | None = None
    years: int = 1
    blank_is_zero: Sequence[str] = ()
    variants: Sequence[Variant] = ()
    items: Sequence[Sequence[str]] = ()
    otherwise: str = ""
    checked_by: Sequence[str] = ()
    gross: bool = False

    @property
    def stated_by(self) -> str:
        """Return how the county says something itself: reported (a figure), evidence (a document), or not at all."""
        return self.source if self.source in ("reported", "evidence") else self.otherwise


@dataclass(frozen=True)
class Item:
    """One line of a standard or plan, in its own numbering, as the source states it and as it is judged."""

    code: str
    kind: str
    label_zh: str
    label_en: str
    level: str
    stage: str
    item_id: str
    same_as: str | None = None
    category: str = ""
    operator: str = ""
    source_operator: str = ""
    value: float | str = ""
    threshold: float | None = None
    unit: str = ""
    judged_unit: str = ""
    deadline: str = ""
    lead_unit: str = ""
    cooperating_units: Sequence[str] = ()
    source: str = ""
    quote: str = ""
    verified: bool | str = True
    points: float | None = None
    veto: bool = False
    mend: Mapping[str, str] = field(default_factory=dict)
    required: bool = True
    notes: Sequence[Note] = ()
    measure: Measure | None = None

    @property
    def judged(self) -> bool:
        """Tell whether ``evaluate`` has to give this item a status."""
        return self.kind in JUDGED

    @property
    def is_share(self) -> bool:
        """Tell whether its figure is a share in per cent, and no growth."""
        growth = "yoy" in self.judged_unit or (self.measure is not None and self.measure.transform != "level")
        return self.judged_unit.startswith("%") and not growth

    @cached_property
    def due(self) -> date | None:
        """Return the last day on which the item may be met, or None when the source names no date."""
        return parse_deadline(self.deadline)

    def label(self, lang: str = "zh") -> str:
        """Return the name of the item in a language."""
        return self.label_zh if lang == "zh" else self.label_en or self.label_zh

    def as_dict(self) -> dict[str, Any]:
        """Return the item as plain JSON values, the source's wording beside what is judged."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "measure"}
        plain["measure"] = None if self.measure is None else {k: v for k, v in asdict(self.measure).items() if v}
        return {**plain, "notes": list(self.notes), "cooperating_units": list(self.cooperating_units)}


@dataclass(frozen=True)
class Indicator:
    """A figure of a school and stage, such as teaching area per pupil, with its formula over table columns."""

    indicator_id: str
    zh: str
    en: str
    unit: str
    formula: str | Mapping[str, str]
    need_zh: str = ""
    need_en: str = ""
    need_per_unit: float = 1.0
    blank_is_zero: Sequence[str] = ()
    variants: Sequence[Variant] = ()

    def label(self, lang: str = "zh") -> str:
        """Return the name of the indicator in a language."""
        return self.zh if lang == "zh" else self.en

    def need(self, lang: str = "zh") -> str:
        """Return what is bought, built or hired to close a gap."""
        return self.need_zh if lang == "zh" else self.need_en


@dataclass(frozen=True)
class Works:
    """Name the items that say what is built: so many projects a township and year, the whole area, the whole cost."""

    yearly: str
    first_year: int
    last_year: int
    area: str | None = None
    investment: str | None = None


@dataclass(frozen=True)
class Plan:
    """Say how a plan is run: from when to when, what comes after what, who goes first, who inspects.

    ``after`` maps a task (an item_id) to the tasks that must be done before it can begin, ``offices`` an office to
    its other spellings. ``pairing``, ``own_schedules`` and ``reporting`` name the items that pair departments with
    schools, ask places for schedules of their own, and ask for progress reports.
    """

    starts: date
    ends: date
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)
    offices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    groups: Sequence[str] = ()
    pilots: Sequence[str] = ()
    inspections: Sequence[str] = ()
    works: Works | None = None
    pairing: str | None = None
    own_schedules: str | None = None
    reporting: str | None = None


@dataclass(frozen=True, eq=False, repr=False)  # compared and cached by identity
class Standard(Shown):
    """A dated, cited policy standard: every threshold the package judges by comes from one of these."""

    id: str
    title_zh: str
    title_en: str
    items: Sequence[Item]
    aim_zh: str = "义务教育均衡发展"
    aim_en: str = "balanced compulsory education"
    scope: str = "county"
    county: str | None = None
    document: str = ""
    issued: str = ""
    adopted: str = ""
    issuer_zh: str = ""
    sources: Sequence[str] = ()
    notes: Sequence[Note] = ()
    included: str = ""
    included_note: Note | None = None
    split_weights: Mapping[str, float] = field(default_factory=dict)
    definitions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    indicators: Mapping[str, Indicator] = field(default_factory=dict)
    pass_points: float | None = None
    official: Sequence[Sequence[str]] = ()
    progress_report: bool = False
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plan: Plan | None = None

    def __post_init__(self) -> None:
        codes = [item.code for item in self.items]
        if len(set(codes)) < len(codes):
            raise ValueError(f"{self.id}: code given twice: {sorted({c for c in codes if codes.count(c) > 1})}")

    @cached_property
    def by_code(self) -> Mapping[str, Item]:
        """Return the items by their code."""
        return {item.code: item for item in self.items}

    @cached_property
    def digest(self) -> str:
        """Return a digest of everything the standard says, so that a changed threshold shows; caches go by it."""
        plain = json.dumps(self.as_dict(), ensure_ascii=False, sort_keys=True, default=str)
        return hashlib.sha256(plain.encode()).hexdigest()[:12]

    def item(self, code: str) -> Item:
        """Return one item by its code.

        Raises
        ------
        NotFoundError
            If the standard has no such code.
        """
        if code not in self.by_code:
            raise NotFoundError(self.id, code, self.by_code)
        return self.by_code[code]

    @cached_property
    def judged(self) -> Sequence[Item]:
        """Return targets and rules: what ``evaluate`` gives a status."""
        return tuple(item for item in self.items if item.judged)

    @cached_property
    def together(self) -> Mapping[str, Sequence[Item]]:
        """Return the required items of each item_id that are judged by themselves."""
        out: dict[str, list[Item]] = {}
        for item in self.judged:
            if item.required and item.same_as is None:
                out.setdefault(item.item_id, []).append(item)
        return out

    def aim(self, lang: str = "zh") -> str:
        """Return what a county that works for this standard works for, as its papers name it."""
        return self.aim_zh if lang == "zh" else self.aim_en

    def title(self, lang: str = "zh") -> str:
        """Return the title in a language."""
        return self.title_zh if lang == "zh" else self.title_en

    def indicator_labels(self, lang: str = "zh") -> dict[str, str]:
        """Return the names of the indicators by their ids, that of the mean of all coefficients last."""
        names = {name: spec.label(lang) for name, spec in self.indicators.items()}
        return names | {"composite": text("evaluation.composite", lang)}

    def head(self, lang: str = "zh") -> dict[str, Any]:
        """Return what a list of standards shows of this one."""
        return {
            "id": self.id,
            "title": self.title(lang),
            "scope": self.scope,
            "document": self.document,
            "issued": self.issued,
            "items": len(self.items),
            "judged": len(self.judged),
        }

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return the whole standard as plain JSON values: every item with code, value, unit and source."""
        return {
            **self.head(lang),
            "county": self.county,
            "adopted": self.adopted,
            "sources": list(self.sources),
            "notes": list(self.notes),
            "included": self.included,
            "included_note": self.included_note,
            "split_weights": dict(self.split_weights),
            "definitions": {name: dict(spec) for name, spec in self.definitions.items()},
            "indicators": {name: asdict(spec) for name, spec in self.indicators.items()},
            "inputs": {name: dict(spec) for name, spec in self.inputs.items()},
            "plan": None if self.plan is None else _plain_plan(self.plan),
            "items": [{**i.as_dict(), "due_before_adoption": self.due_before_adoption(i)} for i in self.items],
        }

    def switches(self, changed: Mapping[str, bool] | None = None) -> dict[str, bool]:
        """Return every definition switch with its value, after the changes asked for.

        Raises
        ------
        NotFoundError
            If a change names a switch this standard does not have.
        """
        values = {name: bool(spec["value"]) for name, spec in self.definitions.items()}
        for name, value in (changed or {}).items():
            if name not in values:
                raise NotFoundError(f"{self.id}.definitions", name, values)
            values[name] = value
        return values

    def due_before_adoption(self, item: Item) -> bool:
        """Tell whether an item's deadline had passed before the plan was adopted."""
        adopted = parse_deadline(self.adopted)
        return adopted is not None and item.due is not None and item.due < adopted


def _plain_plan(plan: Plan) -> dict[str, Any]:
    return {**asdict(plan), "starts": plan.starts.isoformat(), "ends": plan.ends.isoformat()}


def parse_deadline(text: str) -> date | None:
    """Return the last day a deadline allows: the day, the month's end or the year's end; None for "annual" and such.

    Examples
    --------
    >>> parse_deadline("2022-11"), parse_deadline("2017"), parse_deadline("annual")
    (datetime.date(2022, 11, 30), datetime.date(2017, 12, 31), None)
    """
    match = re.fullmatch(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", text.strip())
    if not match:
        return None
    year, month = int(match[1]), int(match[2] or 12)
    return date(year, month, int(match[3]) if match[3] else calendar.monthrange(year, month)[1])
