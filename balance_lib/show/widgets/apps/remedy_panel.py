"""Show the cheapest way to close the gaps: a budget in, a list of what to buy, build and whom to hire out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import date
from typing import Any

import ipywidgets as W  # noqa: N812
import pandas as pd
from markupsafe import Markup

from balance_lib._errors import BalanceError
from balance_lib.evaluation import number
from balance_lib.locale import names_by, text
from balance_lib.planning import remedies
from balance_lib.show.plots.remedies import (
    _coefficients_before_after,
    _cost_compared,
    _marginal_bars,
    _plan_by_kind,
    _plan_phases,
)
from balance_lib.show.widgets import views
from balance_lib.show.widgets.apps.page import block, heading, html
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.style import banner

log = logging.getLogger(__name__)
WAN = 1e4
MOST_ROWS = 40
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class RemedyPanel(W.VBox):
    """Compute a plan when asked to, show it, and let it be taken away as CSV or Excel.

    Parameters
    ----------
    model : PageModel
        What county, year and standard the page shows.
    seconds : float
        Time one search may take.
    """

    def __init__(self, model: PageModel, *, seconds: float = 25.0) -> None:
        self.model, self.seconds = model, seconds
        self.plan: remedies.RemedyPlan | None = None
        self._made_for: tuple[object, ...] = ()
        self._build()
        super().__init__([self.head, self.choices, self.note, self.result])
        self.add_class("bl-panel")
        self.update()

    def text(self, key: str, **params: Any) -> str:
        """Return a text of this panel in the page's language."""
        return text(f"remedy.panel.{key}", self.model.lang, **params)

    def _build(self) -> None:
        lang = self.model.lang
        self.head = heading(self.text("title"), self.text("about"))
        self.whatever = W.Checkbox(value=True, description=self.text("whatever"), indent=False)
        self.budget = W.IntSlider(
            value=1, min=0, max=1, description=self.text("budget"), disabled=True, continuous_update=False,
            style={"description_width": "initial"}, layout={"width": "min(100%, 460px)"},
        )  # fmt: skip
        self.by = W.Dropdown(description=self.text("by"))
        kinds = [(text(f"remedy.kind.{kind}", lang), kind) for kind in ("build", "buy", "hire", "train", "rotate")]
        self.without = W.SelectMultiple(options=kinds, rows=3, description=self.text("without"))
        self.button = W.Button(description=self.text("run"), button_style="primary", icon="calculator")
        self.note, self.words, self.tables, self.files = html(), html(), html(), html()
        self.costs, self.kinds, self.phases, self.coefficients, self.bars = (SlimFigure(lang=lang) for _ in range(5))
        charts = W.VBox([self.costs, self.kinds, self.phases, self.coefficients, self.bars])
        self.result = W.VBox([self.words, charts, self.tables, self.files], layout={"display": "none"})
        self.choices = block(self.by, self.without, self.whatever, self.budget, self.button)
        self.whatever.observe(self._free, "value")
        self.button.on_click(lambda _: self.run())

    def _free(self, _: object = None) -> None:
        self.budget.disabled = self.whatever.value or self.budget.max <= 1

    def update(self) -> None:
        """Take over what the page shows; a plan for something else is put away."""
        years = range(self.model.year + 1, self.model.year + 9)
        chosen = self.by.value
        self.by.options = [str(year) for year in years]
        self.by.value = chosen if chosen in self.by.options else str(self.model.year + 3)
        if self.plan is not None and self._made_for != self._asked():
            self.plan = None
            self.result.layout.display = "none"
            self.whatever.value, self.budget.max, self.budget.value = True, 1, 1
            self._free()
            self.note.value = banner(self.text("stale"))
        elif self.plan is None:
            self.note.value = part("muted", self.model.lang, self.text("idle"))

    def _asked(self) -> tuple[object, ...]:
        return (self.model.county.hash, self.model.year, self.model.standard_id)

    def run(self) -> None:
        """Compute the plan and show it; what goes wrong is told in words."""
        self.button.disabled = True
        self.note.value = part("line", self.model.lang, self.text("start"), "answer")
        try:
            self._compute()
        except BalanceError as error:
            told = getattr(error, "message", None)
            self.note.value = banner(told(self.model.lang) if callable(told) else str(error), "error")
        except Exception as error:
            log.exception("remedy panel")
            detail = type(error).__name__
            self.note.value = banner(text("error.unexpected", self.model.lang, detail=detail), "error")
        finally:
            self.button.disabled = False

    def _compute(self) -> None:
        model = self.model
        given = _measures(model)
        limit = None if self.whatever.value or self.budget.max <= 1 else self.budget.value * WAN
        self.plan = remedies.propose(
            model.county, model.standard, year=model.year, measures=given, budget_yuan=limit,
            by=date(int(self.by.value), 8, 31), without=self.without.value, seconds=self.seconds,
            progress=self._tell,
        )  # fmt: skip
        self._made_for = self._asked()
        rows = remedies.marginal(model.county, model.standard, year=model.year, measures=given)
        self._show(self.plan, rows)

    def _tell(self, now: remedies.RemedyProgress) -> None:
        lang = self.model.lang
        key = "relaxed" if now.stage == "relaxed" else "running"
        facts = {"cost": remedies.wan(now.cost_yuan, lang), "bound": remedies.wan(now.bound_yuan, lang)}
        told = self.text(key, rounds=now.rounds, **(facts if key == "running" else {}))
        self.note.value = part("line", lang, told, "answer")

    def _show(self, plan: remedies.RemedyPlan, rows: pd.DataFrame) -> None:
        lang, county = self.model.lang, self.model.county
        if plan.budget_yuan != plan.budget_yuan:
            self.budget.max = max(1, math.ceil(plan.cost_yuan / WAN))
            self.budget.value = self.budget.max
            self._free()
        self.note.value = ""
        sentences = ((plan.sentence(lang), "answer"), (plan.compared(lang), ""), (self.text("assumed"), "muted"))
        self.words.value = Markup().join(part("line", lang, *each) for each in sentences)
        names = names_by("school_id", county.tables["schools"], lang)
        best = rows.head(12)
        best = best.assign(label=[plan.catalogue.all[a].label(lang) for a in best["action"]])
        has_limits = plan.coefficients["limit"].notna().any()
        charts: list[tuple[SlimFigure, bool, Callable[[], Any]]] = [
            (self.costs, plan.cost_yuan > 0, lambda: _cost_compared(plan, lang)),
            (self.kinds, plan.cost_yuan > 0, lambda: _plan_by_kind(plan, lang)),
            (self.phases, plan.cost_yuan > 0, lambda: _plan_phases(plan, lang)),
            (self.coefficients, bool(has_limits), lambda: _coefficients_before_after(plan, lang)),
            (self.bars, len(best) > 0, lambda: _marginal_bars(best, names=names, lang=lang)),
        ]
        for chart, wanted, draw in charts:
            chart.layout.autosize = True
            if wanted:
                chart.replace(draw())
        shown = [chart for chart, wanted, _ in charts if wanted]
        self.result.children = [self.words, W.VBox(shown), self.tables, self.files]
        self.tables.value = self._tables(plan)
        self.files.value = self._files(plan)
        self.result.layout.display = ""

    def _tables(self, plan: remedies.RemedyPlan) -> Markup:
        lang, county = self.model.lang, self.model.county
        frames = {
            "lines": plan.table(county, lang), "short": plan.missing(county, lang), "promised": plan.promises(lang),
            "unhelped": plan.open_items(lang), "prices": plan.prices(lang),
        }  # fmt: skip
        parts = []
        for key, frame in frames.items():
            if frame.empty:
                continue
            more = self.text("more", n=len(frame)) if len(frame) > MOST_ROWS else ""
            parts.append(views.panel(self.text(key), _table(frame.head(MOST_ROWS)), more))
        return Markup().join(parts)

    def _files(self, plan: remedies.RemedyPlan) -> Markup:
        lang, county = self.model.lang, self.model.county
        stem = f"{plan.county_id}-{plan.year}-{plan.standard_id}-remedy"
        csv = views.download(f"{stem}.csv", plan.to_csv(county, lang).encode(), "text/csv", self.text("csv"))
        return csv + " " + views.download(f"{stem}.xlsx", plan.to_xlsx(county, lang), XLSX, self.text("xlsx"))


def _measures(model: PageModel) -> Any:
    from balance_lib import access

    return access.measures(model.county, model.year)


def _table(frame: pd.DataFrame) -> Markup:
    numeric = [at for at, name in enumerate(frame) if pd.api.types.is_float_dtype(frame[name])]
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    return views.table(list(frame.columns), rows, numeric=numeric)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number(round(value, 2))
    return str(value)
