"""Show how far schools lie apart: every coefficient against its limit, over the years, and who drives it."""

from __future__ import annotations

import math

import ipywidgets as W  # noqa: N812
import pandas as pd
from markupsafe import Markup, escape

from balance_lib import inequality
from balance_lib.evaluation import history_of_coefficients, number
from balance_lib.evaluation.figures import figure
from balance_lib.show import plots
from balance_lib.show.widgets import card_views, views
from balance_lib.show.widgets.apps.page import Page, block, heading, html
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.names import school_names
from balance_lib.standards import STAGES


class Balance(Page):
    """Show the coefficients, their history, the schools behind one of them, and what N more at a school would do."""

    name = "balance"

    def build(self) -> None:
        """Make the charts, the choice of an indicator, and the slider."""
        lang = self.model.lang
        stages = [(self.text(f"stage.{stage}"), stage) for stage in STAGES]
        self.stage = W.ToggleButtons(options=stages, description=self.text("page.head.stage"))
        self.indicator = W.Dropdown(description=self.text("page.head.indicator"), layout={"width": "min(100%, 560px)"})
        self.school = W.Dropdown(description=self.text("page.head.school"), layout={"width": "min(100%, 420px)"})
        self.more = W.IntSlider(
            0, 0, 50, description=self.text("page.balance.more"), layout={"width": "min(100%, 520px)"}
        )
        self.verdict, self.answer, self.summary, self.foot = html(), html(), html(), html()
        self.bars, self.years, self.drivers = (SlimFigure(lang=lang) for _ in range(3))
        self.stage.observe(lambda _: self._guarded(self._show_stage), "value")
        self.indicator.observe(lambda _: self._guarded(self._show_indicator), "value")
        self.school.observe(lambda _: self._guarded(self._reset), "value")
        self.more.observe(lambda _: self._guarded(self._show_answer), "value")
        what_if = W.VBox([heading(self.text("page.balance.what_if")), self.school, self.more, self.answer])
        what_if.add_class("bl-panel")
        drivers = W.VBox([heading(self.text("page.balance.drivers")), self.indicator, self.drivers])
        drivers.add_class("bl-panel")
        self.body.children = [
            self.verdict,
            self.stage,
            block(heading(self.text("page.balance.bars")), self.bars, kind="bl-panel bl-stack"),
            block(heading(self.text("page.balance.years")), self.years, kind="bl-panel bl-stack"),
            block(drivers, what_if, kind="bl-split"),
            self.summary,
            self.foot,
        ]

    def update(self) -> None:
        """Show the county's coefficients in the year."""
        found, lang = self.model.evaluation, self.model.lang
        chosen = self.indicator.value
        options = [(spec.label(lang), name) for name, spec in found.standard.indicators.items()]
        self.indicator.options = options
        names = [name for _, name in options]
        self.indicator.value = chosen if chosen in names else next(iter(names), None)
        self.verdict.value = card_views._coefficient_verdict(found, lang)
        self.foot.value = views.provenance(found, lang)
        self._show_stage()

    def _show_stage(self) -> None:
        found, lang, stage = self.model.evaluation, self.model.lang, self.stage.value
        labels = found.standard.indicator_labels(lang)
        rows = found.cv[found.cv["stage"] == stage]
        self.bars.replace(plots.coefficient_bars(rows, labels=labels, lang=lang))
        past = history_of_coefficients(self.model.county, found.standard)
        past = past[(past["stage"] == stage) & (past["year"] <= found.year)]
        self.years.replace(plots.coefficient_over_years(past, labels=labels, lang=lang))
        self.summary.value = views.panel(self.text("page.balance.table"), self._table(rows, labels))
        self._show_indicator()

    def _table(self, rows: pd.DataFrame, labels: dict[str, str]) -> str:
        body = [
            [labels[r.indicator], number(round(r.mean, 2)), figure(r.cv, 3, r.limit, "<="), number(r.limit),
             views._met_lamp(r.met, self.model.lang), r.n, r.n_missing or ""]
            for r in rows.itertuples()
        ]  # fmt: skip
        heads = ("indicator", "mean", "cv", "limit", "status", "n", "no_data")
        return views.table([self.text(f"page.head.{h}") for h in heads], body, numeric=[1, 2, 3, 5, 6])

    def _rows(self) -> pd.DataFrame:
        table = self.model.evaluation.schools
        rows = table[(table["stage"] == self.stage.value) & (table["indicator"] == self.indicator.value)]
        year = self.model.county.table("school_years", self.model.year)
        pupils = year[year["stage"] == self.stage.value].set_index("school_id")["pupils"]
        return rows.assign(pupils=rows["school_id"].map(pupils)).reset_index(drop=True)

    def _show_indicator(self) -> None:
        found, lang = self.model.evaluation, self.model.lang
        if not self.indicator.value:
            return
        rows = self._rows()
        names = school_names(self.model.county, lang)
        share = found.contributions
        share = share[(share["stage"] == self.stage.value) & (share["indicator"] == self.indicator.value)]
        share = share.merge(rows[["school_id", "value", "pupils"]], on="school_id").sort_values(
            "contribution", ascending=False
        )
        self.drivers.replace(plots.contribution_bars(share, names=names, top=12, lang=lang))
        order = [*share["school_id"], *sorted(set(rows["school_id"]) - set(share["school_id"]))]
        self.school.options = [(names.get(i, i), i) for i in order]
        self.school.value = next(iter(order), None)
        self._reset()

    def _reset(self) -> None:
        rows = self._rows()
        mine = rows[rows["school_id"] == self.school.value]
        if mine.empty:
            return
        spec = self.model.standard.indicators[self.indicator.value]
        pupils, line = float(mine["pupils"].iloc[0]), float(mine["threshold"].iloc[0])
        mean = inequality.weighted_mean(rows["value"], rows["pupils"]) if rows["value"].notna().all() else 1.0
        goal = max(line if line == line else 0.0, mean)
        wanted = 2 * goal * pupils / spec.need_per_unit
        top = max(5, math.ceil(wanted)) if math.isfinite(wanted) else 5  # the roll may be missing
        step = 10 ** max(0, math.floor(math.log10(top)) - 1)
        self.more.value = 0
        self.more.max, self.more.step = math.ceil(top / step) * step, step
        self._show_answer()

    def _show_answer(self) -> None:
        """Answer the slider: the coefficient with N more at the chosen school, everything else as it is."""
        rows, lang = self._rows(), self.model.lang
        spec = self.model.standard.indicators[self.indicator.value]
        at = rows["school_id"] == self.school.value
        if not at.any() or rows["value"].isna().any() or not (rows["pupils"] > 0).all():
            self.answer.value = part("line", lang, self.text("page.balance.unknown"))
            return
        now = inequality.coefficient_of_variation(rows["value"], rows["pupils"])
        if not self.more.value:
            self.answer.value = part("line", lang, self.text("page.balance.ask", now=f"{now:.3f}"), "answer")
            return
        raised = rows["value"] + at * self.more.value * spec.need_per_unit / rows["pupils"]
        then = inequality.coefficient_of_variation(raised, rows["pupils"])
        before, after = (number(round(float(values[at].iloc[0]), 2)) for values in (rows["value"], raised))
        # The sentence prints the new coefficient in bold; a need's name comes from a standard anybody may write.
        said = self.text(
            "page.balance.answer", n=number(self.more.value), need=escape(spec.need(lang)), before=before, after=after,
            now=f"{now:.3f}", then=f"{then:.3f}", change=f"{then - now:+.3f}",
        )  # fmt: skip
        self.answer.value = part("line", lang, Markup(said), "answer")
