"""Tell in which stage of its plan a county is on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from balance_lib._errors import PolicyError
from balance_lib.standards import Item, Standard


@dataclass(frozen=True)
class Stage:
    """Hold one stage of a plan: its place in the order, its first and its last day."""

    code: str
    number: int
    label_zh: str
    label_en: str
    starts: date
    ends: date

    def label(self, lang: str = "zh") -> str:
        """Return the name of the stage in a language."""
        return self.label_zh if lang == "zh" else self.label_en

    def status(self, on: date) -> str:
        """Return where the stage stands on a day: ahead, current or over."""
        return "ahead" if on < self.starts else "over" if on > self.ends else "current"


def stages(standard: Standard) -> list[Stage]:
    """Return the stages of a plan, first one first; none where the plan has none.

    A stage is an item of kind ``stage`` whose value is "first day/last day".

    Raises
    ------
    PolicyError
        If a stage's value is not two days.

    Examples
    --------
    >>> from balance_lib import standards
    >>> [stage.number for stage in stages(standards.load("wuxi_2016"))]
    [1, 2, 3, 4, 5, 6]
    """
    found = sorted((_span(item, standard.id), item) for item in standard.items if item.kind == "stage")
    return [
        Stage(item.code, at, item.label_zh, item.label_en, starts, ends)
        for at, ((starts, ends, _), item) in enumerate(found, start=1)
    ]


def _stage_on(standard: Standard, on: date) -> Stage | None:
    """Return the stage a plan is in on a day; None before, after and between its stages."""
    return next((stage for stage in stages(standard) if stage.starts <= on <= stage.ends), None)


def _span(item: Item, standard_id: str) -> tuple[date, date, str]:
    try:
        first, last = (date.fromisoformat(day) for day in str(item.value).split("/"))
    except ValueError as error:
        raise PolicyError(f"{standard_id}: {item.code}: {item.value!r} is not FIRST-DAY/LAST-DAY") from error
    return first, last, item.code
