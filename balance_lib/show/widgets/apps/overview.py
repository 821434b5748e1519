"""Show leaders: are we going to pass, when, and what stands in the way?"""

from __future__ import annotations

from typing import Any

import pandas as pd

from balance_lib.evaluation import SHORT, Evaluation
from balance_lib.locale import listed
from balance_lib.show.widgets import card_views, views
from balance_lib.show.widgets.apps.page import Page, block, html
from balance_lib.show.widgets.apps.written import _brief_button
from balance_lib.show.widgets.county_map import CountyMap
from balance_lib.show.widgets.first_screen import _decision, _first_screen, colours
from balance_lib.show.widgets.markup import part, render
from balance_lib.show.widgets.names import school_names
from balance_lib.show.widgets.outlook import Outlook

DECIDE_S = 0.2  # what can be decided today takes a second to reckon: the page is shown before


class Overview(Page):
    """Show on the first screen whether, when and what stands in the way; below it everything behind that."""

    name = "overview"

    def build(self) -> None:
        """Make the parts of the page in the order a leader reads them."""
        self.outlook = Outlook(self.model)
        self.verdict, self.decision, self.cards, self.ranking = html(), html(), html(), html()
        self.steps, self.lamps, self.changed, self.export = html(), html(), html(), html()
        self.chart: CountyMap | None = None
        self.place = block(kind="bl-stack bl-place")
        told = block(self.verdict, self.decision, self.cards, kind="bl-stack")
        lists = block(self.steps, self.ranking, kind="bl-stack")
        self.body.children = [
            block(told, self.place, kind="bl-screen"),
            lists,
            self.lamps,
            self.changed,
            self.export,
            _brief_button(self),
        ]

    def update(self) -> None:
        """Show the county judged by the standard in the year."""
        model, lang = self.model, self.model.lang
        found = model.evaluation
        years = [year for year in model.county.years if year < model.year]
        before = model.evaluation_of(years[-1]) if years else None
        screen = _first_screen(model, self.outlook)
        self.verdict.value = screen.html(lang)
        self.decision.value = render("decision", lang, words=self.text("leader.decide.reckoning"), href="")
        self.cards.value = card_views._cards(found, before, lang, self.model.overdue())
        early = any(found.standard.due_before_adoption(r.item) for r in found.items)
        note = self.text("page.before_adoption_note", adopted=found.standard.adopted) if early else ""
        self.steps.value = views.panel(
            self.text("page.overview.steps"), render("next_steps", lang, steps=screen.steps, note=note)
        )
        self.changed.value = views.panel(self.text("page.overview.change"), views._change(found, before, lang))
        self.lamps.value = views.panel(self.text("page.overview.items"), views._lamp_grid(found, model.query, lang))
        self.ranking.value = views.panel(
            self.text("page.overview.schools"), views._school_ranking(found, model.county, model.query, lang)
        )
        self._draw()
        self.export.value = self._export(found)
        self.when_resting(self._decide, DECIDE_S)

    def _decide(self) -> None:
        words, href = _decision(self.model, self.outlook)
        self.decision.value = render("decision", self.model.lang, words=words, href=href)

    def _draw(self) -> None:
        county = self.model.county
        if self.chart is None or self.chart.county is not county:
            self.chart = CountyMap(county, self.model.year, lang=self.model.lang, height=420)
            self.chart.observe(lambda change: self._pick(change["new"]), "clicked")
            self.picked = html()
            self.place.children = [self.lacking] if self.chart.empty else [self.chart, self.lacking, self.picked]
        if self.chart.year != self.model.year:
            self.chart.set_year(self.model.year)
        classes, notes, label = colours(self.model)
        self.chart.set_classes(classes, notes=notes, label=label)

    def _pick(self, place: dict[str, Any]) -> None:
        """Say where a school picked on the map can be looked at and what can be done about it."""
        if not place or place["kind"] != "school":
            return
        model, school = self.model, place["id"]
        self.picked.value = render(
            "picked", model.lang, name=school_names(model.county, model.lang).get(school, school),
            lacks=listed(views._shortfalls(model.evaluation, model.lang).get(school, []), model.lang),
            gaps=f"gaps.ipynb?{model.query(tab='schools')}", layout=f"consolidation.ipynb?{model.query(school=school)}",
        )  # fmt: skip

    def _export(self, found: Evaluation) -> str:
        lang, stem = self.model.lang, f"{found.county_id}-{found.year}-{found.standard.id}"
        links = [
            views.download(
                f"{stem}-items.csv", views._items_csv(found, lang), "text/csv", self.text("page.export.items")
            ),
            views.download(
                f"{stem}-problems.csv",
                views._problems_csv(found, self.model.county, lang),
                "text/csv",
                self.text("page.export.problems"),
            ),
        ]
        return part("box", lang, links) + views.provenance(found, lang)


def _since(history: pd.DataFrame, code: str, year: int) -> int | None:
    """Return the first year of the run of years, ending in ``year``, in which an item was not met.

    ``history``: values and statuses by year.

    Examples
    --------
    >>> rows = pd.DataFrame({"year": [1, 2, 3], "code": "A", "status": ["not_met", "met", "not_met"]})
    >>> _since(rows, "A", 3)
    3
    """
    mine = history[(history["code"] == code) & (history["year"] <= year)].sort_values("year", ascending=False)
    first = None
    for row in mine.itertuples():
        if row.status not in SHORT:
            break
        first = int(row.year)
    return first
