"""Show a province: ranking of counties, their map, how coefficients spread, and who will miss the date."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import ipywidgets as W  # noqa: N812

from balance_lib import standards
from balance_lib._errors import DataError, NotFoundError
from balance_lib.batch import ProvinceDataset
from balance_lib.evaluation.schools import COMPOSITE
from balance_lib.shipped import shipped
from balance_lib.show.plots import province as plots
from balance_lib.show.widgets import province_views, views
from balance_lib.show.widgets.apps.page import Page, block, html
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.province_views import Standing
from balance_lib.show.widgets.style import banner
from balance_lib.standards import STAGES

VARIABLE = "BALANCE_PROVINCE"
NAMES = ("province", "province.parquet")
COMMAND = "balance batch ROOT --standard quality_2017 --standard basic_2012 --access straight --out ROOT/province"


def _dataset(library: Library) -> ProvinceDataset | None:
    """Find the result of ``balance batch`` to show.

    It is the one named by ``BALANCE_PROVINCE``; else ``province`` or ``province.parquet`` in a folder of counties;
    else, where the demonstration is shown, the one that ships.
    """
    named = os.environ.get(VARIABLE)
    places = [Path(named)] if named else [root / name for root in library.roots for name in NAMES]
    if not named and any(root == shipped("demo") for root in library.roots):
        places.append(shipped("data") / NAMES[0])
    for place in places:
        try:
            return ProvinceDataset.open(place)
        except NotFoundError:
            continue
    return None


def passed(library: Library, standard: str) -> str | None:
    """Return how many counties pass in the last year judged, of how many; None where there is no province.

    By the standard given, or where the counties were not judged by it by the one the page of the province opens with.

    Parameters
    ----------
    library : Library
    standard : str
    """
    data = _dataset(library)
    try:
        return None if data is None else _passed(data, standard)
    except DataError:  # the page of the province says what is wrong with it
        return "–"


def _passed(data: ProvinceDataset, standard: str) -> str:
    there = [name for _, name in province_views._standards_of(data, "zh")]
    standard = standard if standard in there else next(iter(there), standard)
    rows = data.sql(
        "SELECT count(*) FILTER (verdict = 'pass') AS passed, count(*) AS n FROM verdicts WHERE standard = ? "
        "AND year = (SELECT max(year) FROM verdicts WHERE standard = ?)", standard, standard,
    )  # fmt: skip
    return f"{rows['passed'].iloc[0]} / {rows['n'].iloc[0]}" if rows["n"].iloc[0] else "–"


class Province(Page):
    """Show the counties of a dataset by one standard in one year."""

    name = "province"

    def build(self) -> None:
        """Make the parts of the page in the order a leader reads them."""
        self.sentence, self.cards, self.ranking, self.late, self.weak = (html() for _ in range(5))
        self.chart, self.export, self.foot = html(), html(), html()
        self.trend, self.dates = SlimFigure(lang=self.model.lang), SlimFigure(lang=self.model.lang)
        trend = W.VBox([self.figure, self.trend])
        trend.add_class("bl-panel")
        dates = W.VBox([self.dates])
        dates.add_class("bl-panel")
        self.body.children = [
            self.sentence,
            self.cards,
            block(self.chart, W.VBox([dates, trend]), kind="bl-split"),
            self.late,
            self.weak,
            self.ranking,
            self.export,
            self.foot,
        ]

    def update(self) -> None:
        """Show the standard and the year chosen."""
        if self.data is None:
            return
        lang = self.model.lang
        self.found = Standing.of(self.data, self.standard.value, self.year.value)
        self.note.value = (
            banner(self.text("province.synthetic"), "synthetic") if self.found.rows["synthetic"].any() else ""
        )
        self.sentence.value = province_views._sentence(self.found, lang)
        self.cards.value = province_views._cards(self.found, lang)
        self.chart.value = province_views._outline_map(self.found, lang)
        self.ranking.value = province_views._ranking(self.found, lang)
        self.late.value = province_views.late(self.found, lang)
        self.weak.value = province_views._weak(self.found, lang)
        self.dates.replace(plots._expected_years(*province_views._dates(self.found, lang), lang))
        name = f"province-{self.found.year}-{self.found.standard}.csv"
        link = views.download(
            name, province_views._ranking_csv(self.found, lang), "text/csv", self.text("province.export")
        )
        self.export.value = part("box", self.model.lang, [link])
        self.foot.value = province_views._foot(self.found, len(self.year.options), lang)
        self._show_figures()

    def _chooser(self) -> W.Box:
        """Return the choice of standard, year and coefficient; the dataset says which there are."""
        self.data = _dataset(self.model.library)
        self.fault: DataError | None = None
        self.standard, self.year, self.figure = (
            W.Dropdown(description=self.text(f"province.choose.{name}")) for name in ("standard", "year", "figure")
        )
        self.standard.layout.width = self.figure.layout.width = "min(100%, 560px)"
        try:
            self._offer(self.data)
        except DataError as error:
            self.data, self.fault = None, error
        self.standard.observe(lambda _: self.on(self.update), "value")
        self.year.observe(lambda _: self.on(self.update), "value")
        self.figure.observe(lambda _: self.on(self._show_trend), "value")
        return block(self.standard, self.year)

    def _offer(self, data: ProvinceDataset | None) -> None:
        if data is None:
            return
        self.standard.options = province_views._standards_of(data, self.model.lang)
        self.standard.value = self.standard.options[0][1] if self.standard.options else None
        years = province_views.years_of(data)
        self.year.options = [(self.text("page.school_year", year=y, after=y + 1), y) for y in years]
        self.year.value = self.model.year if self.model.year in years else next(reversed(years), None)

    def _renew(self) -> None:
        if self.data is None:
            told = self.text("province.none", command=COMMAND)
            self.problem.value = banner(self.fault.report(self.model.lang) if self.fault else told, "error")
            self.body.layout.display = "none"
            return
        self._guarded(self.update)

    def _show_figures(self) -> None:
        """Offer the coefficients of the standard, the composite first where it has a limit."""
        indicators: dict[str, Any] = dict(_indicators(self.found.standard))
        limited = not math.isnan(province_views.spread(self.found, STAGES[0], COMPOSITE)[1])
        names = [COMPOSITE, *indicators] if limited else [*indicators, COMPOSITE]
        options = [
            (
                self.text("province.figure", figure=self._label(name, indicators), stage=self.text(f"stage.{stage}")),
                (stage, name),
            )
            for name in names
            for stage in STAGES
        ]
        chosen = self.figure.value

        def offer() -> None:
            self.figure.options = options
            values = [value for _, value in options]
            self.figure.value = chosen if chosen in values else values[0]

        self.quietly(offer)
        self._show_trend()

    def _label(self, name: str, indicators: dict[str, Any]) -> str:
        if name == COMPOSITE:
            return self.text("evaluation.composite")
        return str(indicators[name].label(self.model.lang))

    def _show_trend(self) -> None:
        stage, name = self.figure.value
        rows, limit = province_views.spread(self.found, stage, name)
        label = next(label for label, value in self.figure.options if value == (stage, name))
        self.trend.replace(plots.coefficient_spread(rows, label=label, limit=limit, lang=self.model.lang))


def _indicators(standard: str) -> dict[str, Any]:
    """Return the indicators of a standard the package brings; of one's own standard only the composite is known."""
    return dict(standards.load(standard).indicators) if standard in standards.ids() else {}
