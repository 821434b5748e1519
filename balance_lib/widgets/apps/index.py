"""Show the way in: which county, year and standard, and a card to each page with one live figure."""

from __future__ import annotations

from html import escape

from balance_lib import access, workplan
from balance_lib.evaluation import number
from balance_lib.standards import STAGES
from balance_lib.store import Store, StoreError
from balance_lib.widgets import views
from balance_lib.widgets.apps.page import Page, html
from balance_lib.widgets.style import lamp

SMALL = 50


class Index(Page):
    """Show the verdict and a card to each page."""

    name = "index"

    def build(self) -> None:
        """Make the verdict and the cards."""
        self.verdict, self.cards, self.foot = html(), html(), html()
        self.body.children = [self.verdict, self.cards, self.foot]

    def update(self) -> None:
        """Show one live figure for each page."""
        found, lang = self.model.evaluation, self.model.lang
        counts = found.counts()
        total = sum(counts.values()) - counts["not_applicable"]
        judged = found.cv[found.cv["limit"].notna()]
        over = sum(met is False for met in judged["met"])
        composite = found.cv[found.cv["indicator"] == "composite"]["cv"]
        spread = (
            f"{over} / {len(judged)}" if len(judged) else number(round(composite.max(), 3)) if len(composite) else "–"
        )
        schools = found.school_status()
        figures = {
            "overview": (f"{counts['met']} / {total}", lamp(found.verdict, lang)),
            "gaps": (str(int((schools == "not_met").sum())), ""),
            "balance": (spread, ""),
            "access": (self._walking(), ""),
            "consolidation": (self._small(), ""),
            "workplan": (self._plan(), ""),
            "data": (str(counts["no_data"] + counts["evidence"]), ""),
        }
        self.verdict.value = views.verdict(found, lang)
        self.cards.value = f'<div class="bl-grid">{"".join(self._card(k, *v) for k, v in figures.items())}</div>'
        self.foot.value = views.provenance(found, lang)

    def _walking(self) -> str:
        """Return the share of primary day pupils within the walking radius, in a straight line."""
        found = access.measures(self.model.county, self.model.year).get(("walk_covered_percent", "primary"))
        return "–" if found is None else access.percent(found.value / 100)

    def _plan(self) -> str:
        """Return how many of the plan's tasks were late or blocked at the end of the school year."""
        model, found = self.model, self.model.evaluation
        try:
            records = Store.default().task_records(model.county.county_id, model.standard_id)
        except StoreError:  # the page of the plan says so; the way in stays open
            records = None
        counts = workplan.register_of(model.county, model.standard, found.on, records=records, found=found).counts()
        return str(counts["late"] + counts["blocked"])

    def _small(self) -> str:
        """Return how many schools and points have fewer pupils than a class or two; "–" where a roll is missing."""
        rows = self.model.county.table("school_years", self.model.year)
        rolls = rows[rows["stage"].isin(STAGES)].groupby("school_id")["pupils"].sum(min_count=1)
        return "–" if rolls.isna().any() else str(int((rolls < SMALL).sum()))

    def _card(self, name: str, figure: str, light: str) -> str:
        title, about = (escape(self.text(f"page.{name}.{part}")) for part in ("title", "about"))
        unit = escape(self.text(f"page.index.{name}"))
        return (
            f'<a class="bl-card bl-way" href="{name}.ipynb?{escape(self.model.query())}"><h3>{title}</h3>'
            f'<p class="bl-figure">{escape(figure)}</p><p>{unit} {light}</p><p class="bl-muted">{about}</p></a>'
        )
