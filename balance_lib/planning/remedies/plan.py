"""Hold a plan: what to do where, what it costs, what it promises, and what nothing can help."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from balance_lib import locale
from balance_lib.data.county import County
from balance_lib.data.intake.xlsx import put
from balance_lib.evaluation import number
from balance_lib.locale import Message, text
from balance_lib.plain import as_csv, plain
from balance_lib.planning.remedies.catalogue import Catalogue
from balance_lib.planning.remedies.levers import COUNTY
from balance_lib.shown import ShownPlan
from balance_lib.standards import Standard

LINE_COLUMNS = ["school_id", "stage", "action", "kind", "units", "unit", "once_yuan", "yearly_yuan", "cost_yuan",
                "basis", "phase"]  # fmt: skip
CHANGE_COLUMNS = ["school_id", "stage", "column", "before", "after"]
PROMISE_COLUMNS = ["code", "basis", "status_before", "value_before", "status", "value", "threshold"]
UNHELPED_COLUMNS = ["code", "status", "why", "reason"]
SHORT_COLUMNS = ["code", "school_id", "stage", "indicator", "missing", "unit", "reason"]
ALLOWED_COLUMNS = ["school_id", "stage", "indicator", "value", "line"]
COEFFICIENT_COLUMNS = ["stage", "indicator", "limit", "before", "after"]


@dataclass(frozen=True, repr=False)
class RemedyPlan(ShownPlan):
    """Hold the cheapest set of actions that makes a county meet what can be met.

    Costs are counted to the end of each action's first year; ``yearly_yuan`` goes on after it. A cost that is not
    known is NaN in its line and left out of sums. ``bound_yuan`` is proved: no plan that meets the same demands with
    the same catalogue is cheaper.
    """

    county_id: str
    standard: Standard
    year: int
    by: date
    status: str
    catalogue: Catalogue
    lines: pd.DataFrame
    changes: pd.DataFrame
    promised: pd.DataFrame
    unhelped: pd.DataFrame
    shortfalls: pd.DataFrame
    allowed: pd.DataFrame
    coefficients: pd.DataFrame
    phases: pd.DataFrame
    cost_yuan: float = 0.0
    bound_yuan: float = 0.0
    greedy_yuan: float = math.nan
    budget_yuan: float = math.nan
    synthetic: bool = False
    seconds: float = 0.0
    rounds: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def standard_id(self) -> str:
        """Return the id of the standard the plan is made for."""
        return self.standard.id

    @property
    def yearly_yuan(self) -> float:
        """Return what goes on to be paid every year."""
        return float(self.lines["yearly_yuan"].sum())

    @property
    def unpriced(self) -> int:
        """Return how many lines have no known cost."""
        return int(self.lines["cost_yuan"].isna().sum())

    @property
    def gap(self) -> float:
        """Return how much of the cost is not proved necessary, as a share; NaN without a bound."""
        if self.bound_yuan != self.bound_yuan:
            return math.nan
        return 0.0 if self.cost_yuan <= 0 else max(0.0, 1.0 - self.bound_yuan / self.cost_yuan)

    def sentence(self, lang: str = "zh") -> str:
        """Return the plan in one sentence, with the numbers."""
        told = text(
            f"remedy.sentence.{self.status}", lang, year=self.year, by=self.by.isoformat(),
            cost=wan(self.cost_yuan, lang), yearly=wan(self.yearly_yuan, lang), n=len(self.promised),
            met=int((self.promised["status"] == "met").sum()), unhelped=len(self.unhelped),
            schools=self.lines.loc[self.lines["school_id"] != COUNTY, "school_id"].nunique(),
            short=self.shortfalls["code"].nunique(), budget=wan(self.budget_yuan, lang),
        )  # fmt: skip
        return told + (text("remedy.sentence.unpriced", lang, n=self.unpriced) if self.unpriced else "")

    def compared(self, lang: str = "zh") -> str:
        """Return how the plan stands against its bound and against planning by hand."""
        if self.bound_yuan != self.bound_yuan:
            return text("remedy.compared.no_bound", lang)
        told = text("remedy.compared.bound", lang, bound=wan(self.bound_yuan, lang), gap=f"{100 * self.gap:.1f}")
        if self.greedy_yuan == self.greedy_yuan and self.greedy_yuan > 0:
            saved = 100 * (1 - self.cost_yuan / self.greedy_yuan)
            told += text(
                f"remedy.compared.{'greedy' if saved >= 0.05 else 'same'}",
                lang,
                greedy=wan(self.greedy_yuan, lang),
                saved=f"{saved:.1f}",
            )
        return told

    def table(self, county: County, lang: str = "zh") -> pd.DataFrame:
        """Return the lines in words, dearest first: what to do where, how much of it, at what cost, in which year.

        Parameters
        ----------
        county : County
        lang : {"zh", "en"}
        """
        names = locale.names_by("school_id", county.tables["schools"], lang)
        rows = self.lines.sort_values("cost_yuan", ascending=False, kind="stable", na_position="last")
        heads = {key: text(f"remedy.head.{key}", lang) for key in ("place", "stage", "action", "units", "unit", "once",
                 "yearly", "basis", "phase")}  # fmt: skip
        out = [
            {
                heads["place"]: names.get(row.school_id, row.school_id) or text("remedy.county", lang),
                heads["stage"]: locale.stage_word(row.stage, lang),
                heads["action"]: self._action_word(row.action, row.units, lang),
                heads["units"]: abs(row.units),
                heads["unit"]: unit_word(row.unit, lang),
                heads["once"]: row.once_yuan,
                heads["yearly"]: row.yearly_yuan,
                heads["basis"]: text(f"remedy.basis.{row.basis}", lang),
                heads["phase"]: int(row.phase),
            }
            for row in rows.itertuples()
        ]
        return pd.DataFrame(out, columns=list(heads.values()))

    def _action_word(self, action: str, units: float, lang: str = "zh") -> str:
        """Return the name of an action; of a county figure, that it is raised or lowered from what to what."""
        known = self.catalogue.all.get(action)
        if known is not None:
            if known.kind == "rotate" and action in self.catalogue.rotations:
                return text(f"remedy.rotate.{'out' if units < 0 else 'in'}", lang, action=known.label(lang))
            return known.label(lang)
        change = self.changes[(self.changes["school_id"] == COUNTY) & (self.changes["column"] == action)].iloc[0]
        way = "raise" if change["after"] > change["before"] else "lower"
        values = {"before": number(change["before"]), "after": number(change["after"])}
        return text(f"remedy.figure.{way}", lang, name=figure_word(self.standard, action, lang), **values)

    def to_csv(self, county: County, lang: str = "zh") -> str:
        """Return the lines in words as CSV, with a byte-order mark for spreadsheet programs.

        Parameters
        ----------
        county : County
        lang : {"zh", "en"}
        """
        return as_csv(self.table(county, lang)).decode("utf-8")

    def to_xlsx(self, county: County, lang: str = "zh") -> bytes:
        """Return a workbook: the lines, the items promised, what nothing helps, coefficients, years, prices.

        Parameters
        ----------
        county : County
        lang : {"zh", "en"}
        """
        sheets = {
            "lines": self.table(county, lang),
            "promised": self.promises(lang),
            "unhelped": self.open_items(lang),
            "shortfalls": self.missing(county, lang),
            "coefficients": self.coefficients_told(lang),
            "phases": self.phases_told(lang),
            "prices": self.prices(lang),
        }
        import openpyxl  # heavy: only for the workbook

        book = openpyxl.Workbook()
        del book[book.sheetnames[0]]
        for name, frame in sheets.items():
            sheet = book.create_sheet(text(f"remedy.sheet.{name}", lang))
            for line, row in enumerate([tuple(frame.columns), *frame.itertuples(index=False, name=None)], 1):
                for place, value in enumerate(row, 1):
                    put(sheet.cell(line, place), value.item() if hasattr(value, "item") else value)
        stream = io.BytesIO()
        book.save(stream)
        return stream.getvalue()

    def promises(self, lang: str = "zh") -> pd.DataFrame:
        """Return the items promised, in words, with their values before and after."""
        heads = [text(f"remedy.head.{key}", lang) for key in ("item", "before", "after", "line", "basis")]
        rows = [
            (f"{row.code} {self.standard.item(row.code).label(lang)}", _told(row.value_before, row.status_before, lang),
             _told(row.value, row.status, lang), number(row.threshold), text(f"remedy.basis.{row.basis}", lang))
            for row in self.promised.itertuples()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=heads)

    def open_items(self, lang: str = "zh") -> pd.DataFrame:
        """Return the items no action helps, in words, with the reason."""
        heads = [text(f"remedy.head.{key}", lang) for key in ("item", "status", "reason")]
        rows = [
            (f"{row.code} {self.standard.item(row.code).label(lang)}", text(f"status.{row.status}", lang),
             row.reason.render(lang)) for row in self.unhelped.itertuples()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=heads)

    def missing(self, county: County, lang: str = "zh") -> pd.DataFrame:
        """Return what stays short in words: which item, at which school, by how much.

        Parameters
        ----------
        county : County
        lang : {"zh", "en"}
        """
        names = locale.names_by("school_id", county.tables["schools"], lang)
        heads = [text(f"remedy.head.{key}", lang) for key in ("item", "place", "missing", "reason")]
        rows = [
            (f"{row.code} {self.standard.item(row.code).label(lang)}" if row.code in self.standard.by_code else "",
             names.get(row.school_id, ""), f"{number(row.missing)}{locale.unit(row.unit)[lang]}",
             row.reason.render(lang)) for row in self.shortfalls.itertuples()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=heads)

    def coefficients_told(self, lang: str = "zh") -> pd.DataFrame:
        """Return the difference coefficients before and after in words."""
        names = self.standard.indicator_labels(lang)
        out = self.coefficients.assign(
            stage=[locale.stage_word(s, lang) for s in self.coefficients["stage"]],
            indicator=[names.get(i, i) for i in self.coefficients["indicator"]],
        )
        heads = ("stage", "indicator", "limit", "before", "after")
        return out.set_axis([text(f"remedy.head.{key}", lang) for key in heads], axis=1)

    def phases_told(self, lang: str = "zh") -> pd.DataFrame:
        """Return the years in words."""
        heads = ("phase", "once", "yearly", "total", "budget")
        return self.phases.set_axis([text(f"remedy.head.{key}", lang) for key in heads], axis=1)

    def prices(self, lang: str = "zh") -> pd.DataFrame:
        """Return the unit prices the plan counts with, each with its source."""
        heads = [text(f"remedy.head.{key}", lang) for key in ("action", "unit", "once", "yearly", "source")]
        used = self.lines[self.lines["units"] != 0].drop_duplicates("action")
        rows = []
        for row in used.itertuples():
            known = self.catalogue.all.get(row.action)
            source = known.source if known else self.catalogue.figure(row.action).source
            each = [abs(cost / row.units) for cost in (row.once_yuan, row.yearly_yuan)]
            label = known.label(lang) if known else figure_word(self.standard, row.action, lang)
            rows.append((label, unit_word(row.unit, lang), *each, source))
        return pd.DataFrame(rows, columns=heads)

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return everything as plain JSON values; what is not known is null."""
        words = {**vars(self), "standard": self.standard.id}
        frames = {name: _records(value, lang) for name, value in words.items() if isinstance(value, pd.DataFrame)}
        figures = {name: plain(words[name]) for name in ("cost_yuan", "bound_yuan", "greedy_yuan", "budget_yuan",
                 "seconds", "rounds", "synthetic")}  # fmt: skip
        return {
            "county": self.county_id, "standard": self.standard.id, "year": self.year, "by": self.by.isoformat(),
            "status": self.status, "sentence": self.sentence(lang), "compared": self.compared(lang), **figures,
            "yearly_yuan": plain(self.yearly_yuan), "gap": plain(self.gap), **frames,
            "provenance": {**self.provenance, "solver": {"gap": plain(self.gap), "bound_yuan": plain(self.bound_yuan)}},
        }  # fmt: skip


def wan(yuan: float, lang: str = "zh") -> str:
    """Return an amount as people read it: 万元 in Chinese, yuan or millions of yuan in English.

    Parameters
    ----------
    yuan : float
        Yuan.
    lang : {"zh", "en"}

    Examples
    --------
    >>> wan(1_234_567), wan(1_234_567, "en"), wan(15_000, "en")
    ('123.5万元', '1.23 M yuan', '15,000 yuan')
    """
    if not math.isfinite(yuan):
        return "–"
    if lang == "zh":
        return f"{yuan / 1e4:,.1f}万元"
    return f"{yuan:,.0f} yuan" if abs(yuan) < 1e6 else f"{yuan / 1e6:,.2f} M yuan"


def unit_word(unit: str, lang: str) -> str:
    """Return the unit things are counted in.

    Parameters
    ----------
    unit : str
        Unit, as written.
    lang : {"zh", "en"}
    """
    key = f"remedy.unit.{unit}"
    return text(key, lang) if locale.has(key) else locale.unit(unit)[lang].strip()


def figure_word(standard: Standard, name: str, lang: str) -> str:
    """Return the name of a county figure; of one reported under an item's code, the item's own.

    Parameters
    ----------
    standard : Standard
    name : str
        What it is called.
    lang : {"zh", "en"}
    """
    from balance_lib.evaluation.wording import label_of

    code = name.partition("/")[2]
    return standard.item(code).label(lang) if code in standard.by_code else label_of(name, lang)


def _told(value: float, status: str, lang: str) -> str:
    word = text(f"status.{status}", lang)
    return word if value != value else f"{number(value)} ({word})"


def _records(frame: pd.DataFrame, lang: str) -> list[dict[str, Any]]:
    rows = frame.to_dict("records")
    return [{str(k): v.render(lang) if isinstance(v, Message) else plain(v) for k, v in row.items()} for row in rows]
