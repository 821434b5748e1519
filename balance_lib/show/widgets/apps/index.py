"""Show the way in: which county, year and standard, and a card to each page with one live figure."""

from __future__ import annotations

import math

import pandas as pd

from balance_lib import access
from balance_lib.evaluation.schools import COMPOSITE
from balance_lib.show.widgets import views
from balance_lib.show.widgets.apps import province
from balance_lib.show.widgets.apps.page import Page, html
from balance_lib.show.widgets.first_screen import _verdict_words
from balance_lib.show.widgets.markup import render
from balance_lib.standards import STAGES

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
        judged, official = counts["met"] + counts["not_met"], found.official
        met, total = (counts["met"], total) if official is None else (len(official.met), official.n)
        figures = {
            "overview": (f"{met} / {total}", self.text("page.index.overview")) if judged else ("–", ""),
            "gaps": self._short(found.school_status()),
            "balance": self._spread(found.cv),
            "access": self._walking(),
            "consolidation": self._small(),
            "workplan": self._plan(),
            "data": (str(counts["no_data"] + counts["evidence"]), self.text("page.index.data")),
        }
        self.verdict.value = render("verdict", lang, verdict=found.verdict, sentence=_verdict_words(found, lang))
        if (counties := province.passed(self.model.library, self.model.standard_id)) is not None:
            figures["province"] = (counties, "" if counties == "–" else self.text("page.index.province"))
        ways = [{"name": name, "figure": figure, "unit": unit} for name, (figure, unit) in figures.items()]
        self.cards.value = render("index", lang, ways=ways, query=self.model.query(), verdict=found.verdict)
        self.foot.value = views.provenance(found, lang)

    def _short(self, schools: pd.Series) -> tuple[str, str]:
        """Return how many schools fall short, and of how many that is not known."""
        short, unknown = (int((schools == status).sum()) for status in ("not_met", "no_data"))
        if schools.empty:
            return "–", self.text("page.no_school_line")
        if unknown == len(schools):
            return "–", ""
        return str(short), self.text("page.index.gaps") + self._lacking(unknown)

    def _spread(self, cv: pd.DataFrame) -> tuple[str, str]:
        """Return how many difference coefficients exceed their limit; where none has one, the largest composite."""
        judged = cv[cv["limit"].notna()]
        known = [met for met in judged["met"] if met is not None]
        if known:
            unknown = self._lacking(len(judged) - len(known))
            return f"{sum(met is False for met in known)} / {len(known)}", self.text("page.index.balance") + unknown
        largest = cv.loc[cv["indicator"] == COMPOSITE, "cv"].max() if judged.empty else math.nan
        return ("–", "") if math.isnan(largest) else (f"{largest:.3f}", self.text("page.index.composite"))

    def _lacking(self, n: int) -> str:
        return self.text("page.index.lacking", n=n) if n else ""

    def _walking(self) -> tuple[str, str]:
        """Return the share of primary day pupils within the walking radius, in a straight line."""
        found = access.measures(self.model.county, self.model.year).get(("walk_covered_percent", "primary"))
        return ("–", "") if found is None else (access.percent(found.value / 100), self.text("page.index.access"))

    def _plan(self) -> tuple[str, str]:
        """Return how many of the plan's tasks were overdue at the end of the school year."""
        late = self.model.overdue()
        if late is None:
            return "–", self.text("page.index.no_tasks")
        return str(late), self.text("page.index.workplan")

    def _small(self) -> tuple[str, str]:
        """Return how many schools have but a class or two of pupils; "–" where a roll is missing, or all are."""
        rows = self.model.county.table("school_years", self.model.year)
        rolls = rows[rows["stage"].isin(STAGES)].groupby("school_id")["pupils"].sum(min_count=1)
        if rolls.empty or rolls.isna().any():
            return "–", ""
        return str(int((rolls < SMALL).sum())), self.text("page.index.consolidation")
