"""Show planners who lives beyond the walking radius, in which village, and how far from school."""

from __future__ import annotations

import json
from typing import Any

import ipywidgets as W  # noqa: N812
import numpy as np

from balance_lib import access, palette
from balance_lib.access import distance
from balance_lib.access.walks import positions
from balance_lib.evaluation import number
from balance_lib.show.map import MapClass, VillageClass
from balance_lib.show.widgets import looks, place_stories, views, walk_views
from balance_lib.show.widgets.apps.page import Page, block, heading, html
from balance_lib.show.widgets.county_map import CountyMap
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import banner
from balance_lib.show.widgets.walking import CHOICES, COLOURS, Walking, _choice_for

SETTLED_S = 0.5  # exports and counts that need not follow the hand are made when it rests
LEAST_KM, MOST_KM, STEP_KM = 0.5, 10.0, 0.1


class Access(Page):
    """Show the map with radii, catchments and villages outside; cards, townships, and the story of a place."""

    name = "access"

    def build(self) -> None:
        """Make the switches, the map, and what stands beside and below it."""
        self.walk: Walking | None = None
        self.chart: CountyMap | None = None
        self._shown: tuple[str, str] | None = None
        self._order = np.zeros(0, dtype=np.int64)  # the map's villages in the reach
        self.verdict, self.cards, self.story, self.ranking = html(), html(), html(), html()
        self.villages, self.foot, self.export, self.near = html(), html(), html(), html()
        self._switches()
        self.place = block(kind="bl-stack bl-place")
        side = block(self.story, self.ranking, kind="bl-stack")
        self.points = W.FileUpload(
            accept=".geojson,.json,.csv", description=self.text("page.access.points"), layout={"width": "fit-content"}
        )
        self.points.observe(lambda _: self._guarded(self._show_near), "value")
        self.about_points = html()
        around = W.VBox([self.about_points, self.points, self.near])
        around.add_class("bl-panel")
        outside = W.VBox([heading(self.text("page.access.outside_title")), self.order, self.villages])
        outside.add_class("bl-panel")
        outside.add_class("bl-stack")
        self.body.children = [
            self.verdict,
            block(self.stage, self.mode, self.target),
            block(self.radius, self.reference, self.when),
            block(self.place, side, kind="bl-split"),
            self.cards,
            outside,
            around,
            self.export,
            self.foot,
        ]

    def _switches(self) -> None:
        self.stage = W.ToggleButtons(
            options=[(self.text(f"page.access.stages.{c}"), c) for c in CHOICES],
            description=self.text("page.head.stage"),
        )
        self.mode = W.ToggleButtons(description=self.text("page.access.mode"))
        self.target = W.ToggleButtons(
            options=[(self.text(f"access.target.{t}"), t) for t in access.TARGETS],
            description=self.text("page.access.target"),
        )
        self.radius = W.FloatSlider(
            3.0, min=LEAST_KM, max=MOST_KM, step=STEP_KM, readout_format=".1f",
            description=self.text("page.access.radius"), layout={"width": "min(100%, 460px)"},
        )  # fmt: skip
        self.when = W.SelectionSlider(
            options=[("–", 0)], description=self.text("page.access.year"), layout={"width": "min(100%, 360px)"}
        )
        self.reference = W.Dropdown(
            description=self.text("page.access.reference"), layout={"width": "min(100%, 420px)"}
        )
        self.colour = W.Dropdown(
            options=[(self.text(f"page.access.colours.{c}"), c) for c in COLOURS],
            description=self.text("page.access.colour"),
        )
        self.circles = W.Checkbox(True, description=self.text("page.access.show_circles"), indent=False)
        self.areas = W.Checkbox(True, description=self.text("page.access.show_areas"), indent=False)
        orders = [(self.text(f"page.access.orders.{o}"), o) for o in access.ORDERS]
        self.order = W.ToggleButtons(options=orders)
        self.order.observe(lambda _: self.on(self._tell), "value")
        for switch in (self.stage, self.mode, self.target):
            switch.observe(lambda _: self.on(self._choose), "value")
        self.radius.observe(lambda _: self.on(self._move), "value")
        self.reference.observe(lambda _: self.on(self._refer), "value")
        self.when.observe(lambda c: self.on(lambda: self.model.choose(year=c["new"])), "value")
        for switch in (self.colour, self.circles, self.areas):
            switch.observe(lambda _: self.on(self._draw), "value")

    def update(self) -> None:
        """Show the county in the year; another county starts anew with its own plan's radius."""
        county = self.model.county
        if self.walk is None or self.chart is None or self.chart.county is not county:
            self._start()
        assert self.chart is not None
        assert self.walk is not None
        self.walk.year = self.model.year
        if self.chart.year != self.model.year:
            self.chart.set_year(self.model.year)
        self.quietly(self._show_year)
        title, about = (
            self.text(f"page.access.{key}", crs=county.crs) for key in ("surroundings", "surroundings_about")
        )
        self.about_points.value = part("heading", self.model.lang, title, about, "muted")
        self._show_near()
        self._choose()

    def _start(self) -> None:
        """Begin with a county: its map, its ways of measuring, its own radius."""
        county = self.model.county
        opens = _choice_for(county, self.model.year, self.stage.value)
        self.quietly(lambda: setattr(self.stage, "value", opens))
        self.walk = Walking(self.model, county.spoken(self.model.lang), self.model.year, self.stage.value)
        self.chart = CountyMap(county, self.model.year, lang=self.model.lang)
        self.chart.symbol_scale = 0.65  # the villages are what this map is about
        self.chart.observe(lambda change: self._guarded(lambda: self._clicked(change["new"])), "clicked")
        self._shown = None
        tools = block(self.colour, self.circles, self.areas)
        self.place.children = [] if self.chart.empty else [self.chart, tools]
        self.quietly(self._show_modes)
        self.quietly(self._show_references)

    def _show_year(self) -> None:
        years = self.model.county.years
        options = tuple((str(year), year) for year in years)
        if options and options != self.when.options:
            self.when.options = options
        if self.model.year in years:
            self.when.value = self.model.year

    def _show_modes(self) -> None:
        modes = access.modes_of(self.model.county)
        self.mode.options = [(self.text(f"distance.mode.{m}"), m) for m in distance.MODES if m in modes]
        self.mode.value = "straight"

    def _show_references(self) -> None:
        """Offer the radii of the stage, its own first, and set the slider to that."""
        assert self.walk is not None
        self.walk.choice = self.stage.value
        limits = [limit for limit in self.walk.limits() if limit.metres is not None]
        lang = self.model.lang
        words = [
            self.text(
                "page.access.reference_option",
                km=number((limit.metres or 0) / 1000),
                place=self.text("page.access.own_plan") if limit.own else limit.place[lang],
            )
            for limit in limits
        ]
        self.reference.options = [
            *zip(words, range(len(limits)), strict=True),
            (self.text("page.access.own_choice"), -1),
        ]
        self.reference.value = 0
        self.walk.radius_m = limits[0].metres or 0.0
        self.radius.value = self.walk.radius_m / 1000

    def _choose(self) -> None:
        """Take over stage, way of measuring and target; measuring anew may take seconds and says so."""
        walk = self.walk
        if walk is None:
            return
        if CHOICES[self.stage.value][0] != walk.stage:
            self.quietly(self._show_references)
        walk.choice, walk.to = self.stage.value, self.target.value
        before, walk.mode = walk.mode, self.mode.value
        if walk.mode not in walk.opened:
            word = self.text(f"distance.mode.{walk.mode}")
            self.verdict.value = banner(self.text("page.access.measuring", mode=word))
        try:
            _ = walk.reach
        except Exception:
            walk.mode = before
            self.quietly(lambda: setattr(self.mode, "value", before))
            raise
        self._draw()
        self._tell()

    def _refer(self) -> None:
        """Set the radius to what a plan or another place says."""
        if self.walk is None or self.reference.value is None or self.reference.value < 0:
            return
        limits = [limit for limit in self.walk.limits() if limit.metres is not None]
        self.radius.value = (limits[self.reference.value].metres or 0.0) / 1000

    def _move(self) -> None:
        """Answer the slider: a few bytes a village, the circles' one number, and the words."""
        if self.walk is None or self.chart is None:
            return
        self.walk.radius_m = round(1000 * self.radius.value)
        limits = [limit for limit in self.walk.limits() if limit.metres is not None]
        same = next((at for at, limit in enumerate(limits) if limit.metres == self.walk.radius_m), -1)
        words = self._words()  # before the map is sent: what leaves together is painted together
        with self.chart.hold_sync():
            if self.colour.value == "coverage":
                self.chart.set_villages(
                    access.village_classes(self.walk.reach, self.walk.radius_m, self.walk.target)[self._order]
                )
            else:
                self._paint()
            if self.circles.value:
                self.chart.radius_km = [self.walk.radius_m / 1000]
        self.quietly(lambda: setattr(self.reference, "value", same))
        self._say(words)

    def _draw(self) -> None:
        """Draw everything on the map that depends on stage, way of measuring and target."""
        walk, chart = self.walk, self.chart
        if walk is None or chart is None:
            return
        reach = walk.reach
        self._order = positions(reach.villages["village_id"], chart.places.villages)
        is_open = dict(zip(reach.schools["school_id"], reach.open, strict=True))
        legend = [
            looks.open_class(self.model.lang),
            MapClass("closed", self.text("page.access.school_classes.closed"), palette.SURFACE, palette.MUTED),
        ]
        with chart.hold_sync():
            chart.set_classes({i: "open" if there else "closed" for i, there in is_open.items()}, legend=legend)
            found = walk.catchments() if self.areas.value else None
            drawn = (
                {}
                if found is None
                else {"" if r.school_id != r.school_id else r.school_id or "": r.geometry for r in found.itertuples()}
            )
            chart.set_areas(drawn, self.text("page.access.area_label"))
            self._paint()
            self._show_circles()
        self._show_story()

    def _show_circles(self) -> None:
        walk, chart = self.walk, self.chart
        assert walk is not None
        assert chart is not None
        if not self.circles.value:
            chart.set_radius(None)
        else:
            chart.set_radius(walk.radius_m / 1000, list(walk.reach.schools.loc[walk.reach.open, "school_id"]))

    def _paint(self) -> None:
        """Colour the villages, with the legend and the figures of the tooltips."""
        walk, chart = self.walk, self.chart
        assert walk is not None
        assert chart is not None
        at = self._order
        if self.colour.value == "coverage":
            codes = access.village_classes(walk.reach, walk.radius_m, walk.target)[at]
            label = self.text("page.access.to_school", to=self.text(f"access.target.{walk.target}"))
            chart.set_villages(
                codes, legend=looks.coverage_classes(self.model.lang), values=self._kilometres()[at], label=label,
                unit=self.text("page.access.km", km="").strip(),
            )  # fmt: skip
            return
        codes, values, mean = walk.supply_classes(self.colour.value == "enhanced")
        figures = walk.reach.villages["village_id"].map(values).to_numpy(dtype=float)
        label = self.text("page.access.supply_title", mean="–" if mean != mean else f"{mean:.1f}")
        chart.set_villages(codes[at], legend=self._supply_legend(), values=figures[at], label=label)

    def _kilometres(self) -> Any:
        """Return the farthest known way of each village's day pupils, in kilometres; NaN where none is known."""
        assert self.walk is not None
        reach = self.walk.reach
        metres, at = reach.metres(self.walk.target), reach.rows["village"].to_numpy()
        known = (at >= 0) & np.isfinite(metres)
        out = np.full(len(reach.villages), -np.inf)
        np.maximum.at(out, at[known], metres[known] / 1000)
        return np.where(np.isfinite(out), out, np.nan)

    def _supply_legend(self) -> list[VillageClass]:
        steps = zip(("lowest", "low", "middle", "high"), palette.SEQUENTIAL[1:], strict=True)
        looks = [(key, fill, "square" if key == "lowest" else "dot") for key, fill in steps]
        looks += [("unknown", palette.INK, "ring"), ("none", palette.LAMPS["not_applicable"].fill, "dot")]
        return [VillageClass(k, self.text(f"page.access.supply_classes.{k}"), fill, shape) for k, fill, shape in looks]

    def _tell(self) -> None:
        """Say it in words: the sentence, the cards, the townships and the villages outside."""
        self._say(self._words())

    def _words(self) -> list[str]:
        """Return the words for the present state: sentence, cards, townships, villages outside."""
        walk, lang = self.walk, self.model.lang
        assert walk is not None
        own, nearest = (access.covered(walk.reach, walk.radius_m, to) for to in access.TARGETS)
        chosen = own if walk.target == "own" else nearest
        codes = access.village_classes(walk.reach, walk.radius_m, walk.target)
        beyond, unknown = int(((codes == 1) | (codes == 2)).sum()), int((codes == 3).sum())
        most = walk_views.MOST_VILLAGES
        worst = access.outside(walk.reach, walk.radius_m, walk.target, order=self.order.value, most=most)
        return [
            walk_views._sentence(walk, chosen, beyond, lang),
            walk_views._cards(walk, own, nearest, beyond, lang),
            views.panel(self.text("page.access.ranking"), walk_views._ranking(walk, lang)),
            walk_views.villages(walk, worst, beyond + unknown - len(worst), lang),
        ]

    def _say(self, words: list[str]) -> None:
        for place, said in zip((self.verdict, self.cards, self.ranking, self.villages), words, strict=True):
            place.value = said
        if self.foot.value:
            self.when_resting(self._show_foot, SETTLED_S)
        else:
            self._show_foot()

    def _show_foot(self) -> None:
        walk, lang = self.walk, self.model.lang
        assert walk is not None
        stem = f"{self.model.county_id}-{self.model.year}-{walk.choice}-{walk.mode}-{walk.radius_m:.0f}m"
        areas = json.dumps(access.as_geojson(walk.catchments()), ensure_ascii=False).encode()
        files = {
            "villages": (walk_views._villages_csv(walk, lang), "villages.csv", "text/csv"),
            "townships": (walk_views._townships_csv(walk, lang), "townships.csv", "text/csv"),
            "areas": (areas, "catchments.geojson", "application/geo+json"),
        }
        links = [
            views.download(f"{stem}-{name}", content, kind, self.text(f"page.access.export.{key}"))
            for key, (content, name, kind) in files.items()
        ]
        self.export.value = part("box", lang, links)
        if self.chart is not None:
            self.chart.title = walk_views._map_title(walk, lang)
        self.foot.value = walk_views._notes(walk, lang) + views.provenance(self.model.evaluation, lang)
        self._show_story()

    def _clicked(self, place: dict[str, Any]) -> None:
        self._shown = (place["kind"], place["id"]) if place else None
        self._show_story()

    def _show_story(self) -> None:
        """Tell the story of the place last clicked."""
        walk, lang = self.walk, self.model.lang
        if walk is None or self.chart is None:
            return
        if self._shown is None:
            self.story.value = part("story", lang, part("muted", lang, self.text("page.access.hint")))
            return
        kind, place = self._shown
        tell = place_stories._story_of_village if kind == "village" else place_stories._story_of_school
        self.story.value = part("story", lang, tell(walk, place, lang))
        self.chart.set_links(walk_views._links_of(walk, kind, place))

    def _show_near(self) -> None:
        """List what lies near schools: of the file uploaded, else of the county folder."""
        county, lang = self.model.county, self.model.lang
        given = next(iter(self.points.value or ()), None)
        points = None if self.walk is None else self.walk.points()
        if given is not None:
            points = access.read_points(given["name"], bytes(given["content"]))
        if points is None:
            self.near.value = ""
            return
        found = access.near_schools(county.spoken(lang), points, year=self.model.year)
        note = part("muted", lang, self.text("page.access.near_note"))
        self.near.value = walk_views._near_schools(found, lang) + note
