"""Show leaders: are we going to pass, when, and what stands in the way?"""

from __future__ import annotations

import pandas as pd

from balance_lib.evaluation import Evaluation
from balance_lib.show.widgets import card_views, views
from balance_lib.show.widgets.apps.page import Page, block, html
from balance_lib.show.widgets.county_map import CountyMap


class Overview(Page):
    """Show the verdict, the figures, the schools that fail, what to do next, and what changed."""

    name = "overview"

    def build(self) -> None:
        """Make the parts of the page in the order a leader reads them."""
        self.verdict, self.cards, self.ranking = html(), html(), html()
        self.steps, self.lamps, self.changed, self.export = html(), html(), html(), html()
        self.chart: CountyMap | None = None
        self.place = block(kind="bl-split")
        self.body.children = [self.verdict, self.cards, self.place, self.steps, self.changed, self.lamps, self.export]

    def update(self) -> None:
        """Show the county judged by the standard in the year."""
        model, lang = self.model, self.model.lang
        found = model.evaluation
        years = [year for year in model.county.years if year < model.year]
        before = model.evaluation_of(years[-1]) if years else None
        self.verdict.value = views.verdict(found, lang)
        self.cards.value = card_views.cards(found, before, lang)
        self.steps.value = views.panel(self.text("page.overview.steps"), views.next_steps(found, lang))
        self.changed.value = views.panel(self.text("page.overview.change"), views.change(found, before, lang))
        self.lamps.value = views.panel(self.text("page.overview.items"), views.lamp_grid(found, lang))
        self.ranking.value = views.panel(
            self.text("page.overview.schools"), views.school_ranking(found, model.county, lang)
        )
        self._draw(found)
        self.export.value = self._export(found)

    def _draw(self, found: Evaluation) -> None:
        county = self.model.county
        if self.chart is None or self.chart.county is not county:
            self.chart = CountyMap(county, self.model.year, lang=self.model.lang)
            self.place.children = [self.chart, self.ranking]
        if self.chart.year != self.model.year:
            self.chart.set_year(self.model.year)
        joint = "、" if self.model.lang == "zh" else ", "
        short = {school: joint.join(labels) for school, labels in views.shortfalls(found, self.model.lang).items()}
        self.chart.set_classes(found.school_status(), notes=short)

    def _export(self, found: Evaluation) -> str:
        lang, stem = self.model.lang, f"{found.county_id}-{found.year}-{found.standard.id}"
        links = [
            views.download(
                f"{stem}-items.csv", views.items_csv(found, lang), "text/csv", self.text("page.export.items")
            ),
            views.download(
                f"{stem}-problems.csv",
                views.problems_csv(found, self.model.county, lang),
                "text/csv",
                self.text("page.export.problems"),
            ),
        ]
        return f'<div class="bl-row">{"".join(links)}</div>{views.provenance(found, lang)}'


def since(history: pd.DataFrame, code: str, year: int) -> int | None:
    """Return the first year of the run of years, ending in ``year``, in which an item was not met.

    Examples
    --------
    >>> rows = pd.DataFrame({"year": [1, 2, 3], "code": "A", "status": ["not_met", "met", "not_met"]})
    >>> since(rows, "A", 3)
    3
    """
    mine = history[(history["code"] == code) & (history["year"] <= year)].sort_values("year", ascending=False)
    first = None
    for row in mine.itertuples():
        if row.status not in ("not_met", "not_due"):
            break
        first = int(row.year)
    return first
