"""Hold what a scenario leads to: who moves, what breaks, what it costs, what the standard says before and after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from balance_lib import plain as values
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation, number
from balance_lib.locale import Message, either, listed, text
from balance_lib.scenarios import tell
from balance_lib.scenarios.scenario import Scenario
from balance_lib.shown import ShownOutcome

WORST = 10


class BookkeepingError(AssertionError):
    """Schools, points or pupils that do not add up: the program is wrong, and its answer must not be shown."""


@dataclass(frozen=True)
class Break:
    """Hold one rule a scenario breaks: where, how far, and what would mend it.

    Parameters
    ----------
    rule : str
        Its texts stand in the locale under ``scenarios.break.<rule>``.
    severity : {"forbids", "breaks", "warns"}
        What forbids must not be carried out; what breaks is against a rule; what warns asks for a look.
    where : tuple of str
        Ids of the schools, villages or townships.
    amount, limit : float
        What was found and what is allowed; NaN where there is no number.
    new : bool
        False: it was so before the scenario.
    params : mapping
        For the texts.
    """

    rule: str
    severity: str
    where: tuple[str, ...] = ()
    amount: float = math.nan
    limit: float = math.nan
    new: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)

    def what(self, lang: str = "zh") -> str:
        """Say what is broken, where and how far."""
        return self._told("what", lang)

    def mend(self, lang: str = "zh") -> str:
        """Say what would mend it."""
        return self._told("mend", lang)

    def sentence(self, lang: str = "zh") -> str:
        """Tell it in one line."""
        return text("scenarios.break_line", lang, what=self.what(lang), mend=self.mend(lang))

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "where": list(self.where),
            "amount": _plain(self.amount),
            "limit": _plain(self.limit),
            "new": self.new,
            "what": self.what(lang),
            "mend": self.mend(lang),
        }

    def _told(self, part: str, lang: str) -> str:
        numbers = {"amount": number(self.amount), "limit": number(self.limit)}
        return Message(f"scenarios.break.{self.rule}.{part}", {**numbers, **self.params}).render(lang)


@dataclass(frozen=True)
class Bookkeeping:
    """Hold the identity every run must fulfil: before − closed − converted + opened = after, and pupils conserved.

    Teaching points are counted apart from schools; a school turned into a point is converted, and gained by the points.
    """

    schools_before: int
    schools_closed: int
    schools_converted: int
    schools_opened: int
    schools_after: int
    points_before: int
    points_closed: int
    points_gained: int
    points_converted: int
    points_opened: int
    points_after: int
    pupils_before: float
    pupils_after: float
    pupils_unplaced: float = 0.0

    def check(self) -> None:
        """Refuse a layout that does not add up.

        Raises
        ------
        BookkeepingError
        """
        schools = self.schools_before - self.schools_closed - self.schools_converted + self.schools_opened
        schools += self.points_converted
        points = self.points_before - self.points_closed - self.points_converted + self.points_gained
        points += self.points_opened
        if (schools, points) != (self.schools_after, self.points_after) or self._lost:
            raise BookkeepingError(f"the layout does not add up: {self}")

    @property
    def _lost(self) -> bool:
        return self.pupils_before != self.pupils_after + self.pupils_unplaced

    def sentence(self, lang: str = "zh") -> str:
        """Tell the identity with its numbers."""
        return text("scenarios.bookkeeping", lang, **{key: number(value) for key, value in asdict(self).items()})


@dataclass(frozen=True, eq=False, repr=False)
class Outcome(ShownOutcome):
    """Hold what a scenario leads to; see the room's documentation for the columns of its tables."""

    scenario: Scenario
    basis: str
    baseline: County
    changed: County
    before: Evaluation
    after: Evaluation
    moves: pd.DataFrame
    affected: pd.DataFrame
    shares: pd.DataFrame
    coverage: pd.DataFrame
    schools: pd.DataFrame
    costs: pd.DataFrame
    goods: pd.DataFrame
    layout: pd.DataFrame
    breaks: tuple[Break, ...]
    bookkeeping: Bookkeeping
    solution: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def county_id(self) -> str:
        """Return the county's id."""
        return self.baseline.county_id

    @property
    def county_zh(self) -> str:
        """Return the county's name in Chinese."""
        return self.baseline.name_zh

    @property
    def county_en(self) -> str:
        """Return the county's name in English."""
        return self.baseline.name_en

    @property
    def synthetic(self) -> bool:
        """Tell whether any figure was made up."""
        return self.baseline.synthetic

    @property
    def worst(self) -> pd.DataFrame:
        """Return the ten villages that lose most."""
        return self.affected.head(WORST)

    @property
    def moved(self) -> float:
        """Return how many pupils change school."""
        return float(self.moves["pupils"].sum())

    def spoken(self, frame: pd.DataFrame, lang: str = "zh") -> pd.DataFrame:
        """Return a table of this outcome with the names of schools, villages and townships in a language.

        Parameters
        ----------
        frame : DataFrame
            Such as ``moves``, ``affected`` or ``schools``.
        lang : {"zh", "en"}
        """
        names, out = self._english, self.baseline.translated(frame, lang, self._english)
        if lang != "zh" and {"village_id", "to"} <= set(out):
            to = self.moves.groupby("village_id")["to_id"].unique()
            out["to"] = [listed([names[i] for i in to[v] if i in names], lang) for v in out["village_id"]]
        return out

    def broken(self, severity: str | None = None, *, new: bool = True) -> list[Break]:
        """Return the rules it breaks, by default only those that were not broken before.

        Parameters
        ----------
        severity : str, optional
            ``forbids``, ``breaks`` or ``warns``.
        new : bool
            Whether only what was not broken before counts.
        """
        return [b for b in self.breaks if (severity in (None, b.severity)) and (b.new or not new)]

    @cached_property
    def _english(self) -> Mapping[str, str]:
        """Return the English names of schools, those that open too, and of villages by their ids."""
        return {**self.changed.names_en, **self.baseline.names_en}

    @property
    def unmeasured(self) -> float:
        """Return how many of the pupils who change school have a way nobody can measure, today's or the new one."""
        return float(self.moves.loc[self.moves["extra_m"].isna() & (self.moves["to_id"] != ""), "pupils"].sum())

    @property
    def villages(self) -> int:
        """Return of how many villages pupils change school; homes not known are none."""
        return int(self.affected["village"].notna().sum())

    @property
    def cost_changes(self) -> dict[str, float]:
        """Return what it adds a year ("running") and once ("investment"), in yuan; NaN where a part is not known."""
        return {str(kind): float(rows.sum(skipna=False)) for kind, rows in self.costs.groupby("kind")["change_yuan"]}

    def warning(self, lang: str = "zh") -> str:
        """Say on what attendance rests where nobody reported it; "" where somebody did."""
        return "" if self.basis == "recorded" else text(f"scenarios.basis_warning.{self.basis}", lang)

    @property
    def against_rules(self) -> list[Break]:
        """Return what it newly breaks of what is not to be broken, the forbidden first; warnings are not among it."""
        return [*self.broken("forbids"), *self.broken("breaks")]

    @property
    def status(self) -> str:
        """Return unchanged, allowed, undetermined, breaks_rules, infeasible (no place or way) or forbidden.

        Undetermined: no rule was found broken, but of pupils who move nobody knows how far they have to go, or
        whether the school that takes them in has places.
        """
        if self.broken("forbids"):
            return "forbidden"
        rules = {b.rule for b in self.broken("breaks")}
        if rules & {"overflow", "no_school"}:
            return "infeasible"
        if rules:
            return "breaks_rules"
        if self.scenario.keeps_layout:
            return "unchanged"
        return "undetermined" if self._unknown else "allowed"

    @property
    def _unknown(self) -> list[str]:
        """Return the rules that lack of data leaves undecided, in their fixed order."""
        warned = {b.rule for b in self.broken("warns")}
        return [rule for rule in ("unknown_way", "places_unknown") if rule in warned]

    def unknown(self, lang: str = "zh") -> str:
        """Say which rules lack of data leaves undecided; "" where there is none."""
        return listed((text(f"scenarios.undecided.{rule}", lang) for rule in self._unknown), lang)

    def sentence(self, lang: str = "zh") -> str:
        """Return what happens in words a county head understands, losses first."""
        county, year = self._county(lang), self.scenario.judged_year
        if self.status == "unchanged":
            return text("scenarios.sentence.unchanged", lang, county=county, year=year)
        counts = {**vars(self.bookkeeping), "moved": self.moved, "villages": self.villages}
        parts = [
            tell.done(county, year, counts, lang),
            tell._losses(
                self.moves, self.spoken(self.affected, lang), self.scenario.settings.number("young_minutes"), lang
            ),
            text("scenarios.sentence.unmeasured", lang, n=number(self.unmeasured)) if self.unmeasured else "",
            tell._gains(self.cost_changes, self.before, self.after, lang),
            self._verdict(lang),
        ]
        return " ".join(part for part in parts if part) if lang == "en" else "".join(parts)

    def _verdict(self, lang: str) -> str:
        first, breaking = self.against_rules[:1], self.broken("breaks")
        rules = first[0].what(lang) if first else ""
        procedure = tell.procedure(self.scenario.procedure, lang) if self.scenario.closings else ""
        words = {"n": len(breaking), "rules": rules, "procedure": procedure, "unknown": self.unknown(lang)}
        return text(f"scenarios.sentence.{self.status}", lang, **words)

    def _county(self, lang: str) -> str:
        return either(self.county_zh, self.county_en, lang)

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return everything as plain JSON values; "no data" is null."""
        book = self.bookkeeping
        return {
            "county": self.county_id,
            "county_name": self._county(lang),
            "scenario": self.scenario.as_dict(),
            "year": self.scenario.year,
            "judged_year": self.scenario.judged_year,
            "status": self.status,
            "sentence": self.sentence(lang),
            "attendance": self.basis,
            "warning": self.warning(lang) or None,
            "synthetic": self.synthetic,
            "moved": _plain(self.moved),
            "breaks": [found.as_dict(lang) for found in self.breaks],
            "bookkeeping": {name: _plain(value) for name, value in vars(book).items()}
            | {"sentence": book.sentence(lang)},
            "layout": _records(self.layout),
            "affected": _records(self.spoken(self.affected, lang)),
            "worst": _records(self.spoken(self.worst, lang)),
            "shares": _records(self.spoken(self.shares, lang)),
            "coverage": _records(self.coverage),
            "moves": _records(self.spoken(self.moves, lang)),
            "schools": _records(self.spoken(self.schools, lang)),
            "costs": [{**row, "label": text(f"scenarios.cost.{row['item']}", lang)} for row in _records(self.costs)],
            "goods": _records(self.goods),
            "solution": {
                name: _plain(value) if not isinstance(value, tuple) else list(value)
                for name, value in self.solution.items()
            },
            "evaluation": {
                "before": tell._judgement(self.before, lang),
                "after": tell._judgement(self.after, lang),
            },
            "provenance": dict(self.provenance),
        }


def _plain(value: Any) -> Any:
    """Return a plain value; whole numbers as such: most figures here count pupils, schools and metres."""
    found = values.plain(value)
    return int(found) if isinstance(found, float) and found == int(found) else found


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values."""
    return [{name: _plain(value) for name, value in row.items()} for row in values.records(frame)]
