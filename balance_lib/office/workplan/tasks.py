"""Read a plan's tasks: what is to be done, by whom, from when to when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from balance_lib.locale import has, text
from balance_lib.office.workplan.stages import Stage, stages
from balance_lib.standards import Item, Standard

KINDS = ("target", "rule", "task", "output")
_LEVEL = re.compile(r"^(?:各|[\u4e00-\u9fff]*?[县市区])")
RECURRING = {"annual": "annual", "ongoing": "ongoing", "5yr cycle": "ongoing"}


@dataclass(frozen=True)
class Task:
    """Hold one task of a plan: the facts judged together under one item_id.

    ``codes`` are its facts; ``judged`` those of them the verdict waits for. ``starts`` is the first day of the stage a
    task or product is due in, for a target the first day of the plan. ``due`` of a task of every year is the last day
    of the year asked for; of a standing duty the last day of the plan.
    """

    task: str
    codes: Sequence[str]
    kind: str
    group: str
    label_zh: str
    label_en: str
    leads: Sequence[str]
    cooperating: Sequence[str]
    deadline: str
    recurring: str
    starts: date | None
    due: date | None
    plan_stage: str
    due_before_adoption: bool

    def label(self, lang: str = "zh") -> str:
        """Return what is to be done, in a language."""
        return self.label_zh if lang == "zh" else self.label_en or self.label_zh

    def redated(self, due: date | None) -> Task:
        """Return the task with the date the office gave it instead of the plan's."""
        return self if due is None else replace(self, due=due)


def tasks(standard: Standard, on: date) -> list[Task]:
    """Return the tasks of a plan in its own order, as they stand on a day.

    Parameters
    ----------
    standard : Standard
    on : date
        Says which year's round of a yearly task is meant.
    """
    facts: dict[str, list[Item]] = {}
    for item in standard.items:
        if item.kind in KINDS:
            facts.setdefault(item.item_id, []).append(item)
    place = {item.code: at for at, item in enumerate(standard.items)}
    heads = {task: next((i for i in items if i.code == task), items[0]) for task, items in facts.items()}
    order = sorted(facts, key=lambda task: place[heads[task].code])
    spans = stages(standard)
    return [_task(heads[task], facts[task], standard, spans, on) for task in order]


def units_of(words: str) -> list[str]:
    """Return the single units of a list of units as the source writes it.

    Examples
    --------
    >>> units_of("教科局;各中小学")
    ['教科局', '各中小学']
    """
    return [unit.strip() for unit in re.split("[;；]", words) if unit.strip()]


def offices(words: str, lang: str = "zh") -> str:
    """Return the offices of a list as people read them; one that no table knows stands as the plan spells it.

    Parameters
    ----------
    words : str
        Offices as a plan lists them.
    lang : {"zh", "en"}

    Examples
    --------
    >>> offices("教科局;县委编办"), offices("教科局;县委编办", "en"), offices("县财政局、某办", "en")
    ('教科局、县委编办', 'Education Bureau, Party Committee Staffing Office', 'Finance Bureau, 某办')
    """
    units = units_of(words)
    if lang == "zh":
        return "、".join(units)
    parts = [part for unit in units for part in ([unit] if _office_key(unit) else unit.split("、"))]
    return ", ".join(text(key, lang) if (key := _office_key(part)) else part for part in parts)


def _office_key(unit: str) -> str:
    """Return the text that names an office, or the group of a plan that is one; "" where there is none."""
    keys = (f"category.{unit}", f"office.{unit}", f"office.{_LEVEL.sub('', unit)}")
    return next((key for key in keys if has(key)), "")


def _task(head: Item, facts: Sequence[Item], standard: Standard, spans: Sequence[Stage], on: date) -> Task:
    recurring = RECURRING.get(head.deadline, "")
    due = _due(head, facts, standard, recurring, on)
    # "2017" says a year, not the stage its last day happens to fall in.
    dated = due is not None and not recurring and len(head.deadline) > 4
    stage = next((s for s in spans if dated and due and s.starts <= due <= s.ends), None)
    starts = standard.plan.starts if standard.plan else None
    if stage is not None and head.kind in ("task", "output"):
        starts = stage.starts
    return Task(
        task=head.item_id,
        codes=tuple(item.code for item in facts),
        kind=head.kind,
        group=head.category,
        label_zh=head.label_zh,
        label_en=head.label_en,
        leads=tuple(_once(unit for item in facts for unit in units_of(item.lead_unit))),
        cooperating=tuple(
            _once(unit for item in facts for each in item.cooperating_units for unit in units_of(str(each)))
        ),
        deadline=head.deadline,
        recurring=recurring,
        starts=starts,
        due=due,
        plan_stage=stage.code if stage else "",
        due_before_adoption=standard.due_before_adoption(head),
    )


def _due(head: Item, facts: Sequence[Item], standard: Standard, recurring: str, on: date) -> date | None:
    if head.due is not None:
        return head.due
    plan = standard.plan
    if recurring == "annual":
        return date(on.year, 12, 31) if plan is None else min(date(max(on, plan.starts).year, 12, 31), plan.ends)
    if recurring == "ongoing":
        return None if plan is None else plan.ends
    # A task whose head names no day is done when the last of its facts is due.
    return max((item.due for item in facts if item.due), default=None)


def _once(units: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(units))
