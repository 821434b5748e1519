"""Hold what an evaluation found: items with status and reason, schools, coefficients, and the verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.locale import Message, either, text
from balance_lib.plain import plain, records
from balance_lib.shown import ShownEvaluation
from balance_lib.standards import Item, Standard

STATUSES = ("met", "not_met", "no_data", "evidence", "not_due", "not_applicable")
BASES = ("computed", "reported", "evidence")
UNDECIDED = ("no_data", "evidence")
OPEN = (*UNDECIDED, "not_due")
SHORT = ("not_met", "not_due")


@dataclass(frozen=True)
class Measured:
    """Hold a measure another room computed, handed to ``evaluate``: its value, how it was got, the rows behind it."""

    value: float
    note: Message
    rows: pd.DataFrame | None = None


@dataclass(frozen=True)
class RowCounts:
    """Count the rows an item is judged by, and name them.

    Parameters
    ----------
    of : {"school", "township"}
        What a row is.
    places : array of str, shape (n,)
        School or township of each row.
    found : array of int, shape (n,)
        1 at the line, 2 below it but let pass by a floor of the standard (such as 85 %), 0 below, -1 not known.
    """

    of: str
    places: npt.NDArray[Any]
    found: npt.NDArray[np.int8]

    @property
    def n(self) -> int:
        """Return how many rows there are."""
        return len(self.found)

    @property
    def word(self) -> str:
        """Return the text that names what is counted; a school counted once for each of its stages is said so."""
        return f"count_of.{self.of}{'_stage' if len(set(self.places)) < self.n else ''}"

    @cached_property
    def at_line(self) -> list[str]:
        """Return who reaches the line itself."""
        return self._with(1)

    @cached_property
    def by_floor(self) -> list[str]:
        """Return who stays below the line and is let pass by a floor."""
        return self._with(2)

    @cached_property
    def below(self) -> list[str]:
        """Return who falls short."""
        return self._with(0)

    @cached_property
    def unknown(self) -> list[str]:
        """Return who lacks a figure."""
        return self._with(-1)

    def _with(self, finding: int) -> list[str]:
        return [str(place) for place in self.places[self.found == finding]]

    def as_dict(self) -> dict[str, Any]:
        """Return the counts with the ids of those who are not at the line."""
        return {
            "of": self.of, "n": self.n, "at_line": len(self.at_line), "by_floor": len(self.by_floor),
            "below": len(self.below), "unknown": len(self.unknown), "by_floor_ids": self.by_floor,
            "below_ids": self.below, "unknown_ids": self.unknown,
        }  # fmt: skip


@dataclass(frozen=True)
class GroupCounts:
    """Count groups of items, such as the numbered indicators a standard is counted by.

    Parameters
    ----------
    status : mapping of str to str
        Status of each group by its first name: the worst of the items it holds.
    """

    status: Mapping[str, str]

    @property
    def n(self) -> int:
        """Return how many groups there are."""
        return len(self.status)

    @cached_property
    def met(self) -> list[str]:
        """Return the groups that are met, or ask nothing of this county."""
        return self._with("met", "not_applicable")

    @cached_property
    def short(self) -> list[str]:
        """Return the groups that are not met, due or not."""
        return self._with(*SHORT)

    @cached_property
    def open(self) -> list[str]:
        """Return the groups that lack data or a document."""
        return self._with(*UNDECIDED)

    def _with(self, *statuses: str) -> list[str]:
        return [name for name, status in self.status.items() if status in statuses]

    def sentence(self, lang: str = "zh") -> str:
        """Return the count in words."""
        key = ("short" if self.short else "") + ("open" if self.open else "") or "met"
        return text(f"official.{key}", lang, n=self.n, met=len(self.met), short=len(self.short), open=len(self.open))

    def as_dict(self) -> dict[str, Any]:
        """Return the count with the names of what is not met and what is open."""
        return {"n": self.n, "met": len(self.met), "not_met": len(self.short), "open": len(self.open),
                "not_met_names": self.short, "open_names": self.open}  # fmt: skip


@dataclass(frozen=True)
class Score:
    """Sum the points of a standard with a score sheet: what is unknown is never counted as earned.

    ``lost`` are the points of items not met, ``open`` those of items still open, by code; an item that does not apply
    counts on neither side. ``enough`` are the points that pass; NaN where the sheet names none.
    """

    got: float
    lost: Mapping[str, float]
    open: Mapping[str, float]
    enough: float = math.nan

    @property
    def possible(self) -> float:
        """Return how many points the items that apply give together."""
        return self.got + sum(self.lost.values()) + sum(self.open.values())

    @property
    def verdict(self) -> str:
        """Return pass, fail or undetermined: open points decide nothing, either way."""
        if self.got >= self.enough:
            return "pass"
        return "fail" if self.got + sum(self.open.values()) < self.enough else "undetermined"

    def sentence(self, lang: str = "zh") -> str:
        """Return the sum in words."""
        points = {name: f"{sum(each.values()):g}" for name, each in (("lost", self.lost), ("open", self.open))}
        said = text("score.sum", lang, possible=f"{self.possible:g}", got=f"{self.got:g}", **points)
        return said if math.isnan(self.enough) else said + text(
            f"score.{self.verdict}", lang, enough=f"{self.enough:g}"
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return the sum as plain JSON values."""
        return {"got": self.got, "possible": self.possible, "lost": dict(self.lost), "open": dict(self.open),
                "enough": plain(self.enough), "verdict": self.verdict}  # fmt: skip


@dataclass(frozen=True)
class Stated:
    """Hold what the county itself says of an item, beside what its data say: a figure typed in, or a document.

    ``status`` is met or not_met; ``value`` is NaN where a document says it; ``source`` is where it is written.
    """

    status: str
    value: float
    source: str
    by: str


@dataclass(frozen=True)
class ItemResult:
    """Hold one item's finding: all that a page, a paper, a table or the command may say of it.

    Parameters
    ----------
    item : Item
    status : str
        One of :data:`STATUSES`.
    reason : Message
        Why, in words.
    value, threshold : float
        Unrounded, in the item's ``judged_unit``; NaN where there is none.
    gap : float
        How far the value lies from what is required: negative is short, whatever the direction.
    behind : callable, optional
        Makes the rows behind the value when they are asked for: most are not, and a table costs more than a judgement.
    counted : RowCounts, optional
        For items judged row by row.
    basis : {"computed", "reported", "evidence"}
        What decided the status.
    source : str
        Where a reported figure or a finding is written.
    stated : Stated, optional
        What the county says itself, beside a computed finding.
    conflict : bool
        Whether that contradicts the data; the data count.
    earlier : callable, optional
        Gives the finding of the year before when it is asked for.
    """

    item: Item
    status: str
    reason: Message
    value: float = math.nan
    threshold: float = math.nan
    gap: float = math.nan
    behind: Callable[[], pd.DataFrame] | None = field(default=None, repr=False, compare=False)
    counted: RowCounts | None = field(default=None, repr=False, compare=False)
    basis: str = "computed"
    source: str = ""
    stated: Stated | None = None
    conflict: bool = False
    earlier: Callable[[], ItemResult | None] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def rows(self) -> pd.DataFrame | None:
        """Return the schools, townships or years behind the value, with columns ``value``, ``threshold``, ``met``."""
        return None if self.behind is None else self.behind()

    @cached_property
    def before(self) -> ItemResult | None:
        """Return the finding of the year before; None when the county has no such year."""
        return None if self.earlier is None else self.earlier()

    @property
    def change(self) -> float:
        """Return the value less that of the year before; NaN when either is missing."""
        return math.nan if self.before is None else self.value - self.before.value

    def __getstate__(self) -> dict[str, Any]:
        """Carry the rows, not what makes them."""
        return {**self.__dict__, "rows": self.rows, "behind": None, "before": self.before, "earlier": None}

    @property
    def by_school(self) -> pd.DataFrame | None:
        """Return the rows behind the value where each speaks of one school alone; None for totals and villages."""
        rows = self.rows
        total = self.item.measure is not None and self.item.measure.judge == "total"
        return rows if rows is not None and "school_id" in rows and "village_id" not in rows and not total else None

    @property
    def counts(self) -> bool:
        """Tell whether the verdict depends on this item."""
        return self.item.required and self.item.same_as is None


@dataclass(frozen=True, repr=False)
class Evaluation(ShownEvaluation):
    """Hold a county's evaluation against a standard in one year.

    ``official`` counts the numbered indicators the standard itself is counted by; None where it names none, or where
    only some of its items were judged.
    """

    county_id: str
    county_zh: str
    county_en: str
    synthetic: bool
    standard: Standard
    year: int
    on: date
    items: Sequence[ItemResult]
    schools: pd.DataFrame
    rules: pd.DataFrame
    cv: pd.DataFrame
    contributions: pd.DataFrame
    absent: Sequence[str] = ()
    official: GroupCounts | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bases(self) -> dict[str, int]:
        """Count what decided the items: the data (computed), a figure typed in (reported), a document (evidence)."""
        found = Counter(result.basis for result in self.items if result.item.same_as is None)
        return {basis: found[basis] for basis in BASES}

    @property
    def score(self) -> Score | None:
        """Return the sum of points where the standard has a score sheet; None where it has none."""
        of = [result for result in self.items if result.item.points is not None and result.item.same_as is None]
        if not of:
            return None
        points = {
            status: {r.item.code: float(r.item.points or 0) for r in of if r.status == status} for status in STATUSES
        }
        waiting = {code: each for status in OPEN for code, each in points[status].items()}
        enough = math.nan if self.standard.pass_points is None else self.standard.pass_points
        return Score(sum(points["met"].values()), points["not_met"], waiting, enough)

    @property
    def verdict(self) -> str:
        """Return pass, fail or undetermined: pass only when required items are met and none is open."""
        found = {result.status for result in self.items if result.counts}
        if "not_met" in found:
            return "fail"
        return "undetermined" if found & set(OPEN) or "met" not in found else "pass"

    def item(self, code: str) -> ItemResult:
        """Return one item's finding by its code."""
        self.standard.item(code)
        return next(result for result in self.items if result.item.code == code)

    def with_status(self, *statuses: str) -> list[ItemResult]:
        """Return the required findings that have one of these statuses, in the standard's order."""
        return [result for result in self.items if result.counts and result.status in statuses]

    def counts(self) -> dict[str, int]:
        """Count the required items by status."""
        found = Counter(result.status for result in self.items if result.counts)
        return {status: found[status] for status in STATUSES}

    def problems(self) -> pd.DataFrame:
        """List every school that falls short in a required item: the school problem list (学校问题清单).

        Returns
        -------
        DataFrame
            school_id, code, stage, value, threshold, gap, needed (in the indicator's own units, NaN elsewhere).
        """
        parts = [_short_rows(result) for result in self.items if result.counts and result.by_school is not None]
        rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["school_id", "code", "stage"])
        indicator = {
            i.code: i.measure.formula for i in self.standard.items if i.measure and i.measure.source == "indicator"
        }
        needed = self.schools.set_index(["school_id", "stage", "indicator"])["needed"]
        keys = zip(rows["school_id"], rows["stage"], rows["code"].map(indicator), strict=True)
        found = [needed.get(key, math.nan) for key in keys]
        return rows.reindex(columns=["school_id", "code", "stage", "value", "threshold", "gap"]).assign(needed=found)

    def school_status(self) -> pd.Series:
        """Return each school's worst finding over all required items: not_met, no_data or met, by school_id."""
        order = {"met": 0, "no_data": 1, "not_met": 2}
        worst: dict[str, str] = {}
        for result in (r for r in self.items if r.counts):
            rows = result.by_school
            if rows is None:
                continue
            for school, met in zip(rows["school_id"], rows["met"], strict=True):
                status = "met" if met is True else "not_met" if met is False else "no_data"
                worst[school] = max(worst.get(school, "met"), status, key=order.__getitem__)
        return pd.Series(worst, dtype="str")

    def sentence(self, lang: str = "zh") -> str:
        """Return the verdict in one sentence, with the numbers."""
        county = either(self.county_zh, self.county_en, lang)
        counts = self.counts()
        return text(
            f"evaluation.sentence.{'report' if self.standard.progress_report else self.verdict}",
            lang,
            county=county,
            year=self.year,
            standard=self.standard.title(lang),
            total=sum(counts.values()) - counts["not_applicable"],
            open=sum(counts[status] for status in OPEN),
            **counts,
        )

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return everything as plain JSON values; "no data" is null."""
        return {
            "county": self.county_id,
            "county_name": either(self.county_zh, self.county_en, lang),
            "year": self.year,
            "on": self.on.isoformat(),
            "standard": self.standard.id,
            "standard_title": self.standard.title(lang),
            "verdict": self.verdict,
            "sentence": self.sentence(lang),
            "counts": self.counts(),
            "official": None if self.official is None else self.official.as_dict(),
            "score": None if self.score is None else self.score.as_dict(),
            "absent": list(self.absent),
            "items": [self._item_dict(result, lang) for result in self.items],
            "schools": records(self.schools),
            "rules": records(self.rules),
            "cv": records(self.cv),
            "contributions": records(self.contributions),
            "provenance": dict(self.provenance),
        }

    def _item_dict(self, result: ItemResult, lang: str) -> dict[str, Any]:
        item = result.item
        return {
            "item_id": item.item_id,
            "code": item.code,
            "kind": item.kind,
            "label": item.label(lang),
            "category": item.category,
            "level": item.level,
            "stage": item.stage,
            "operator": item.operator,
            "value": plain(result.value),
            "threshold": plain(result.threshold),
            "unit": item.judged_unit,
            "gap": plain(result.gap),
            "status": result.status,
            "reason": result.reason.render(lang),
            "basis": result.basis,
            "figure_source": result.source,
            "stated": None
            if result.stated is None
            else {name: plain(each) for name, each in vars(result.stated).items()},
            "conflict": result.conflict,
            "counts": None if result.counted is None else result.counted.as_dict(),
            "before": None if result.before is None else plain(result.before.value),
            "change": plain(result.change),
            "required": item.required,
            "same_as": item.same_as,
            "deadline": item.deadline,
            "due_before_adoption": self.standard.due_before_adoption(item),
            "lead_unit": item.lead_unit,
            "cooperating_units": list(item.cooperating_units),
            "verified": item.verified,
            "notes": [note.get(lang, note["zh"]) for note in item.notes],
            "rows": [] if result.rows is None else records(result.rows),
        }


def _short_rows(result: ItemResult) -> pd.DataFrame:
    rows = pd.DataFrame() if result.by_school is None else result.by_school
    short = rows[[met is False for met in rows["met"]]]
    return short.assign(code=result.item.code, stage=short.get("stage", result.item.stage))
