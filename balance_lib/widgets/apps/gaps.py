"""Show which school falls short of what, by how much, and since when."""

from __future__ import annotations

from html import escape

import ipywidgets as W  # noqa: N812

from balance_lib import plots
from balance_lib.standards import STAGES
from balance_lib.widgets import views
from balance_lib.widgets.apps.overview import since
from balance_lib.widgets.apps.page import Page, block, html
from balance_lib.widgets.figure import SlimFigure
from balance_lib.widgets.style import lamp


class Gaps(Page):
    """Show the matrix of schools against items, one item's gap over the years, and what is to be bought or hired."""

    name = "gaps"

    def build(self) -> None:
        """Make the switches, the matrix, the line over the years and the list of needs."""
        lang = self.model.lang
        stages = [(self.text(f"stage.{stage}"), stage) for stage in STAGES]
        self.stage = W.ToggleButtons(options=stages, description=self.text("page.head.stage"))
        self.only_short = W.Checkbox(value=True, description=self.text("page.gaps.only_short"), indent=False)
        self.item = W.Dropdown(description=self.text("page.head.item"), layout={"width": "min(100%, 720px)"})
        self.matrix, self.needs, self.reason, self.export = html(), html(), html(), html()
        self.chart = SlimFigure(lang=lang)
        self.stage.observe(lambda _: self._guarded(self._show_matrix), "value")
        self.only_short.observe(lambda _: self._guarded(self._show_matrix), "value")
        self.item.observe(lambda _: self._guarded(self._show_item), "value")
        line = W.VBox([self.item, self.reason, self.chart])
        line.add_class("bl-panel")
        self.body.children = [line, self.needs, block(self.stage, self.only_short), self.matrix, self.export]

    def update(self) -> None:
        """Show the county judged by the standard in the year."""
        found, lang = self.model.evaluation, self.model.lang
        numeric = [r for r in found.items if r.counts and r.threshold == r.threshold]
        numeric.sort(key=lambda r: views.ORDER.index(r.status))
        options = [(f"{views.mark(r.status)} {r.item.code} {r.item.label(lang)}", r.item.code) for r in numeric]
        chosen = self.item.value
        self.item.options = options
        codes = [code for _, code in options]
        self.item.value = chosen if chosen in codes else next(iter(codes), None)
        self.needs.value = views.panel(self.text("page.gaps.needs"), views.needs(found, lang))
        stem = f"{found.county_id}-{found.year}-{found.standard.id}"
        link = views.download(
            f"{stem}-problems.csv",
            views.problems_csv(found, self.model.county, lang),
            "text/csv",
            self.text("page.export.problems"),
        )
        self.export.value = link + views.provenance(found, lang)
        self._show_matrix()
        self._show_item()

    def _show_matrix(self) -> None:
        model = self.model
        content = views.matrix(model.evaluation, model.county, model.lang, self.stage.value, self.only_short.value)
        self.matrix.value = views.panel(self.text("page.gaps.matrix"), content)

    def _show_item(self) -> None:
        if not self.item.value:
            return
        result, lang = self.model.evaluation.item(self.item.value), self.model.lang
        rows = self.model.history_of(self.item.value)
        first = since(rows, self.item.value, self.model.year)
        run = "" if first is None else " " + self.text("page.gaps.since", year=first)
        self.reason.value = f"<p>{lamp(result.status, lang)} {escape(result.reason.render(lang) + run)}</p>"
        self.chart.replace(
            plots.gap_over_time(
                rows,
                deadline=result.item.due,
                label=f"{result.item.code} {result.item.label(lang)}",
                unit=views.unit_word(result.item, lang),
                lang=lang,
            )
        )
