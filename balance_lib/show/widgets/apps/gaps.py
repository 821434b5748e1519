"""Show which school falls short of what, by how much, since when, and when each line will be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as W  # noqa: N812
from markupsafe import Markup

from balance_lib.evaluation.schools import indicator_items
from balance_lib.forecast import ProjectionSettings, growth_rules
from balance_lib.show.plots import trends as trend_plots
from balance_lib.show.widgets import gap_views, outlook, request, views
from balance_lib.show.widgets.apps.overview import _since
from balance_lib.show.widgets.apps.page import Page, block, html
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.outlook import PANELS, Outlook
from balance_lib.show.widgets.style import lamp
from balance_lib.standards import STAGES

PARTS = ("items", "schools", "pupils", "rules", "plan")


class Gaps(Page):
    """Show gaps over the years against their lines, by item and by school, the pupils to come, and the way to close.

    Each part stands under a tab and is computed when it is opened: nobody waits for what nobody looks at.
    """

    name = "gaps"

    def build(self) -> None:
        """Make the tabs; each part makes its widgets when it is opened for the first time."""
        self.outlook = Outlook(self.model)
        self.sentence = html()
        self._fills: dict[str, Callable[[], None]] = {}
        self._stale: set[str] = set()
        self.parts = list(PARTS)
        self.boxes = {name: W.VBox() for name in self.parts}
        self.tab = W.Tab([self.boxes[name] for name in self.parts])
        for at, name in enumerate(self.parts):
            self.tab.set_title(at, self.text(f"trends.tab.{name}"))
        self.tab.observe(lambda _: self._guarded(self._show_part), "selected_index")
        asked = request.query()
        self._wished = asked.get("item", "")
        self.tab.selected_index = self.parts.index(asked["tab"]) if asked.get("tab") in self.parts else 0
        self.body.children = [self.sentence, self.tab]

    def update(self) -> None:
        """Show the county judged by the standard in the year: the open part now, the others when they are opened."""
        found, lang = self.model.evaluation, self.model.lang
        paths = [self.outlook.item(result.item.code) for result in self.outlook.open_items()]
        verdict = "pass" if found.verdict == "pass" else "fail" if paths else "undetermined"
        status = {"pass": "met", "fail": "not_met", "undetermined": "evidence"}[verdict]
        self.sentence.value = part("verdict", lang, outlook._summary(found, paths, lang), status)
        self._stale = set(self.parts)
        self._show_part()

    def _show_part(self) -> None:
        part = self.parts[self.tab.selected_index or 0]
        if part not in self._fills:
            self._fills[part] = getattr(self, f"_build_{part}")()
        if part in self._stale:
            self._stale.discard(part)
            self._fills[part]()

    def _offer(self, choice: Any, options: Any, value: Any) -> None:
        """Change what can be chosen and what is, without anything following from it."""

        def change() -> None:
            choice.options = options
            choice.value = value

        self.quietly(change)

    def _then(self, act: Callable[[], None]) -> Callable[[Any], None]:
        """Return what follows when a reader chooses."""
        return lambda _: self.on(act)

    def _draw(self, box: W.Box, panels: list[trend_plots.Panel]) -> None:
        """Put small multiples into a box; another number of panels is another figure, its axes are not the old ones."""
        old = box.children
        lang = self.model.lang
        box.children = [SlimFigure(trend_plots._multiples(panels, lang=lang), lang=lang)] if panels else []
        for figure in old:
            figure.close()

    # Items: small multiples, one item large, the table of dates, the matrix and what is to be bought or hired.

    def _build_items(self) -> Callable[[], None]:
        lang = self.model.lang
        shown = [(self.text(f"trends.show.{name}"), name) for name in ("open", "all")]
        self.shown = W.ToggleButtons(options=shown, description=self.text("trends.show.title"))
        self.sheet = W.Dropdown(description=self.text("trends.show.sheet"), layout={"width": "260px"})
        self.item = W.Dropdown(description=self.text("page.head.item"), layout={"width": "min(100%, 720px)"})
        self.multiples, self.chart = block(kind="bl-wide"), SlimFigure(trend_plots.waiting(lang), lang=lang)
        self.reason, self.dates, self.needs, self.matrix, self.export = (html() for _ in range(5))
        stages = [(self.text(f"stage.{stage}"), stage) for stage in STAGES]
        self.stage = W.ToggleButtons(options=stages, description=self.text("page.head.stage"))
        self.only_short = W.Checkbox(value=True, description=self.text("page.gaps.only_short"), indent=False)
        self.shown.observe(self._then(self._turn_sheets), "value")
        self.sheet.observe(self._then(self._show_multiples), "value")
        self.item.observe(self._then(self._show_item), "value")
        self.stage.observe(self._then(self._show_matrix), "value")
        self.only_short.observe(self._then(self._show_matrix), "value")
        small = W.VBox([block(self.shown, self.sheet), self.multiples])
        line = W.VBox([self.item, self.reason, self.chart])
        for box in (small, line):
            box.add_class("bl-panel")
        self.boxes["items"].children = [
            small, self.dates, line, self.needs, block(self.stage, self.only_short), self.matrix, self.export,
        ]  # fmt: skip
        return self._fill_items

    def _fill_items(self) -> None:
        found, lang = self.model.evaluation, self.model.lang
        options = [
            (f"{views.mark(r.status)} {r.item.code} {r.item.label(lang)}", r.item.code) for r in self.outlook.numeric()
        ]
        codes = [code for _, code in options]
        chosen = self._wished if self._wished in codes else self.item.value
        self._wished = ""
        self._offer(self.item, options, chosen if chosen in codes else next(iter(codes), None))
        if not self.outlook.open_items():
            self._offer(self.shown, self.shown.options, "all")
        self._turn_sheets()
        paths = [self.outlook.item(r.item.code) for r in self.outlook.open_items()]
        self.dates.value = views.panel(self.text("trends.page.dates"), gap_views._items(paths, lang))
        self.needs.value = views.panel(self.text("page.gaps.needs"), views.needs(found, lang))
        stem = f"{found.county_id}-{found.year}-{found.standard.id}"
        problems = views._problems_csv(found, self.model.county, lang)
        link = views.download(f"{stem}-problems.csv", problems, "text/csv", self.text("page.export.problems"))
        self.export.value = link + views.provenance(found, lang)
        self._show_matrix()
        self._show_item()

    def _listed(self) -> list[Any]:
        return self.outlook.open_items() if self.shown.value == "open" else self.outlook.numeric()

    def _turn_sheets(self) -> None:
        """Lay the items out on sheets of nine; only the sheet looked at is computed."""
        n = len(self._listed())
        sheets = range(0, max(n, 1), PANELS)
        options = [(self.text("trends.show.range", first=at + 1, last=min(at + PANELS, n), n=n), at) for at in sheets]
        self._offer(self.sheet, options, 0)
        self.sheet.layout.display = "" if len(options) > 1 else "none"
        self._show_multiples()

    def _show_multiples(self) -> None:
        at = self.sheet.value or 0
        panels = [self.outlook.panel(result) for result in self._listed()[at : at + PANELS]]
        self._draw(self.multiples, panels)

    def _show_item(self) -> None:
        if not self.item.value:
            return
        result, lang = self.model.evaluation.item(self.item.value), self.model.lang
        first = _since(self.model.history_of(self.item.value), self.item.value, self.model.year)
        run = "" if first is None else " " + self.text("page.gaps.since", year=first)
        found = self.outlook.item(self.item.value)
        said = [found.crossing.reason.render(lang), found.tested.render(lang) if found.tested else ""]
        judged = Markup(" ").join((lamp(result.status, lang), result.reason.render(lang) + run))
        self.reason.value = part("lines", lang, [judged, *said])
        self.chart.replace(trend_plots._outlook(self.outlook.panel(result), lang=lang))

    def _show_matrix(self) -> None:
        model = self.model
        content = views._matrix(model.evaluation, model.county, model.lang, self.stage.value, self.only_short.value)
        self.matrix.value = views.panel(self.text("page.gaps.matrix"), content)

    # Schools, townships, county: one indicator's paths and the year each place reaches the line.

    def _build_schools(self) -> Callable[[], None]:
        levels = [(self.text(f"trends.of.{name}"), name) for name in ("school", "township", "county")]
        stages = [(self.text(f"stage.{stage}"), stage) for stage in STAGES]
        self.of = W.ToggleButtons(options=levels, description=self.text("trends.of.title"))
        self.place_stage = W.ToggleButtons(options=stages, description=self.text("page.head.stage"))
        self.indicator = W.Dropdown(description=self.text("page.head.indicator"), layout={"width": "min(100%, 560px)"})
        self.places, self.crossings = block(kind="bl-wide"), html()
        self.place_note = html()
        for choice in (self.of, self.place_stage, self.indicator):
            choice.observe(self._then(self._show_places), "value")
        panel = W.VBox([self.place_note, self.places])
        panel.add_class("bl-panel")
        self.boxes["schools"].children = [
            block(self.of, self.place_stage), self.indicator, panel, self.crossings,
        ]  # fmt: skip
        return self._fill_schools

    def _fill_schools(self) -> None:
        lang, chosen = self.model.lang, self.indicator.value
        # An indicator without a line of this standard is only counted for a coefficient: it has nothing to reach.
        lined = {name for name, _ in indicator_items(self.model.standard)}
        options = [(spec.label(lang), name) for name, spec in self.model.standard.indicators.items() if name in lined]
        short = self.model.evaluation.schools.query("needed > 0")["indicator"].value_counts()
        names = sorted((name for _, name in options), key=lambda name: -int(short.get(name, 0)))
        self._offer(self.indicator, options, chosen if chosen in names else next(iter(names), None))
        self._show_places()

    def _show_places(self) -> None:
        lang = self.model.lang
        if not self.indicator.value:
            self.place_note.value = part("line", lang, self.text("trends.page.no_indicator"))
            self._draw(self.places, [])
            self.crossings.value = ""
            return
        found = self.outlook.paths(self.of.value, self.place_stage.value, self.indicator.value)
        panels = self.outlook._place_panels(found, self.indicator.value)
        note = "trends.page.places" if panels else "trends.page.no_places"
        said = [self.text(note, n=len(panels), to=self.outlook.to), found.tested.render(lang) if panels else ""]
        self.place_note.value = part("lines", lang, said)
        self._draw(self.places, panels)
        table = gap_views._crossings(found, self.model.evaluation, self.outlook.names(), lang, of=self.of.value)
        self.crossings.value = views.panel(self.text("trends.page.when"), table)

    # Pupils to come: the assumptions, the county's curve, every school.

    def _build_pupils(self) -> Callable[[], None]:
        wide = {"layout": {"width": "min(100%, 460px)"}, "continuous_update": False}
        self.births = W.IntSlider(0, -50, 50, 5, description=self.text("trends.set.births"), **wide)
        self.migration = W.IntSlider(0, -50, 50, 5, description=self.text("trends.set.migration"), **wide)
        self.town = W.FloatSlider(value=0, min=0, max=10, step=0.5, description=self.text("trends.set.town"), **wide)
        self.zoned = W.Checkbox(value=True, description=self.text("trends.set.zoned"), indent=False)
        self.pupil_stage = W.ToggleButtons(
            options=[(self.text(f"stage.{s}"), s) for s in STAGES], description=self.text("page.head.stage")
        )
        self.target = W.Dropdown(description=self.text("trends.set.year"), layout={"width": "220px"})
        self.pupils = SlimFigure(trend_plots.waiting(self.model.lang), lang=self.model.lang)
        self.pupil_note, self.pupil_table = html(), html()
        self.pupil_export = html()
        for choice in (self.births, self.migration, self.town, self.zoned):
            choice.observe(self._then(self._show_pupils), "value")
        for choice in (self.pupil_stage, self.target):
            choice.observe(self._then(self._show_pupil_table), "value")
        panel = W.VBox([self.pupils, self.pupil_note])
        panel.add_class("bl-panel")
        self.boxes["pupils"].children = [
            block(self.births, self.migration, self.town, self.zoned), panel,
            block(self.pupil_stage, self.target), self.pupil_table, self.pupil_export,
        ]  # fmt: skip
        return self._show_pupils

    def _settings(self) -> ProjectionSettings:
        return ProjectionSettings(
            births_percent=self.births.value,
            net_migration_per_1000=self.migration.value,
            town_shift_percent=self.town.value,
            zoned=self.zoned.value,
        )

    def _show_pupils(self) -> None:
        lang, found = self.model.lang, self.outlook.projection(self._settings())
        self.pupils.replace(trend_plots._enrolment(self.outlook.counted(), found.county, base=found.base, lang=lang))
        test = found.back_test.sentence(lang) if found.back_test else ""
        notes = [self.text("trends.page.band"), test, *(note.render(lang) for note in found.notes)]
        self.pupil_note.value = part("lines", lang, notes)
        years = [(self.text("page.school_year", year=year, after=year + 1), year) for year in found.years]
        if tuple(years) != self.target.options:
            self._offer(self.target, years, found.years[min(9, len(found.years) - 1)])
        data = gap_views._projection_csv(found, self.outlook.names(), lang)
        stem = f"{found.county_id}-{found.base}-{found.to}-pupils.csv"
        self.pupil_export.value = views.download(stem, data, "text/csv", self.text("trends.page.export"))
        self._show_pupil_table()

    def _show_pupil_table(self) -> None:
        if self.target.value is None:
            return
        found = self.outlook.projection(self._settings())
        table = gap_views.schools(
            found, self.outlook.names(), self.pupil_stage.value, self.target.value, self.model.lang
        )
        self.pupil_table.value = views.panel(self.text("trends.page.by_school"), table)

    # Rules over years: growth rules with their numbers, coefficients that must fall every year.

    def _build_rules(self) -> Callable[[], None]:
        self.growth, self.falls = html(), html()
        self.boxes["rules"].children = [self.growth, self.falls]
        return self._fill_rules

    def _fill_rules(self) -> None:
        model, lang = self.model, self.model.lang
        rules = growth_rules(model.county, model.standard, year=model.year)
        self.growth.value = views.panel(self.text("trends.page.growth"), gap_views._growth(rules, lang))
        table = gap_views._coefficients(model.evaluation, model.county, lang)
        self.falls.value = views.panel(self.text("trends.page.falls"), table)

    # The cheapest way to close what is open: a widget of its own, loaded when its tab is opened.

    def _build_plan(self) -> Callable[[], None]:
        from balance_lib.show.widgets.apps.remedy_panel import RemedyPanel

        panel = RemedyPanel(self.model)
        self.boxes["plan"].children = [panel]
        renew: Callable[[], None] = panel.update
        return renew
