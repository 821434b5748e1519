"""Let planners try what happens if: sliders, schools to keep or close, and at once who walks farther."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets as W  # noqa: N812
import numpy as np

from balance_lib._errors import BalanceError
from balance_lib.scenarios import Outcome, Scenario
from balance_lib.scenarios.board import State, Tick
from balance_lib.show.widgets import looks, request, trial, trial_views, views
from balance_lib.show.widgets.apps.page import block, heading, html
from balance_lib.show.widgets.apps.trial_files import Files
from balance_lib.show.widgets.apps.trial_host import TrialHost
from balance_lib.show.widgets.apps.trial_optimiser import Optimiser
from balance_lib.show.widgets.apps.trial_tools import Measures, Procedures, SchoolTools
from balance_lib.show.widgets.county_map import CountyMap
from balance_lib.show.widgets.live import LiveTick
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import banner
from balance_lib.show.widgets.trial import Trial
from balance_lib.standards import STAGES

RESTING_S = 0.45  # the whole outcome follows when the hand rests so long
# The sliders a page answers by itself, but for births, by the part of a State each sets.
LIVE = {
    "small": "minimum_enrolment", "walk_primary": "walk_primary_m", "walk_junior": "walk_junior_m",
    "minutes": "bus_minutes", "cap_primary": "class_cap_primary", "cap_junior": "class_cap_junior",
    "births": "births_percent",
}  # fmt: skip
MOST_SMALL, MOST_YEARS = 200, 15


class Consolidation(TrialHost):
    """Show sliders and schools, the map before and after, and who is affected first."""

    name = "consolidation"

    def build(self) -> None:
        """Make the controls, the map, and what stands beside and below it."""
        self.plan, self.chart = None, None
        self._before: Outcome | None = None  # what the last move came to: the next one is told against it
        self._asked = request.query().get("scenario", "")
        self.verdict, self.first, self.coefficients = html(), html(), html()
        self.affected, self.gains, self.rules, self.shares, self.foot = (html() for _ in range(5))
        self.slow = (self.verdict, self.affected, self.gains, self.rules, self.shares)  # what follows a moment later
        self.live = LiveTick(self.model.lang)
        self.live.observe(lambda c: self.on(lambda: self._answer(c["new"])), "asked")
        self.tools, self.measures = SchoolTools(self), Measures(self)
        self.procedure, self.files = Procedures(self), Files(self)
        self.place = block(kind="bl-stack")
        self.optimiser = Optimiser(self)
        parts = {
            "optimiser": self.optimiser, "settings": self._settings(), "measures": self.measures,
            "procedure": self.procedure,
        }  # fmt: skip
        more = W.Accordion(list(parts.values()))
        for at, name in enumerate(parts):
            more.set_title(at, self.text(f"page.consolidation.part.{name}"))
        self.affected.add_class("bl-story")
        areas = {
            "slide": self._sliders(),
            "map": block(self._bar(), self.place, kind="bl-stack"),
            "say": block(self.live, self.first, self.coefficients, self.affected, self.rules, kind="bl-stack"),
            "tools": block(self.tools, more, kind="bl-stack"),
            "gain": block(self.gains, self.shares, kind="bl-stack"),
        }
        for name, area in areas.items():
            area.add_class(f"bl-plan-{name}")
        side = block(areas.pop("slide"), areas.pop("tools"), kind="bl-stack")  # one column, however high the map
        side.add_class("bl-plan-side")
        self.verdict.add_class("bl-outcome-place")
        self.body.children = [
            self.verdict,
            block(side, *areas.values(), kind="bl-plan"),
            self.optimiser.curve_box,
            self.files,
            self.foot,
        ]

    # Controls ---------------------------------------------------------------------------------------------------

    def _bar(self) -> W.Widget:
        self.when = W.ToggleButtons(
            options=[(self.text(f"page.consolidation.when.{w}"), w) for w in ("after", "before")]
        )
        self.back = W.Button(description=self.text("page.consolidation.undo"), icon="undo")
        self.again = W.Button(description=self.text("page.consolidation.redo"), icon="repeat")
        self.reset = W.Button(description=self.text("page.consolidation.reset"))
        self.when.observe(lambda _: self.on(self._draw), "value")
        self.back.on_click(lambda _: self.on(lambda: self._go("undo")))
        self.again.on_click(lambda _: self.on(lambda: self._go("redo")))
        self.reset.on_click(lambda _: self.on(self._reset))
        return block(self.when, self.back, self.again, self.reset)

    def _slider(
        self, kind: type, name: str, value: float, low: float, high: float, step: float = 1, **more: Any
    ) -> Any:
        words = self.text(f"page.consolidation.slider.{name}")
        made = kind(value=value, min=low, max=high, step=step, description=words, **more)
        made.layout.width, made.style.description_width = "100%", "7.5em"
        made.observe(lambda _: self.on(lambda: self._slide(name)), "value")
        if name in LIVE:
            made.add_class(f"bl-live-{LIVE[name]}")
        return made

    def _sliders(self) -> W.Widget:
        self.small = self._slider(W.IntSlider, "small", 0, 0, MOST_SMALL, 5)
        self.walk = {
            stage: self._slider(W.FloatSlider, f"walk_{stage}", 3.0, 0.5, 10.0, 0.1, readout_format=".1f")
            for stage in STAGES
        }
        self.cap = {
            stage: self._slider(W.IntSlider, f"cap_{stage}", most, 20, 60)
            for stage, most in zip(STAGES, (45, 50), strict=True)
        }
        self.bus = W.Checkbox(False, description=self.text("page.consolidation.bus"), indent=False)
        self.minutes = self._slider(W.IntSlider, "minutes", 30, 10, 60, 5)
        self.bus.observe(lambda _: self.on(lambda: self._slide("bus")), "value")
        self.target = W.SelectionSlider(options=[("–", 0)], description=self.text("page.consolidation.slider.target"))
        self.target.layout.width, self.target.style.description_width = "100%", "7.5em"
        self.target.observe(lambda _: self.on(self._set), "value")
        self.births = self._slider(W.IntSlider, "births", 0, -50, 50, 5)
        groups = {
            "size": [self.small],
            "way": [*self.walk.values(), self.bus, self.minutes],
            "class": [*self.cap.values()],
            "time": [self.target, self.births],
        }
        parts: list[W.Widget] = [heading(self.text("page.consolidation.sliders"))]
        for name, sliders in groups.items():
            parts += [
                html(part("subheading", self.model.lang, self.text(f"page.consolidation.group.{name}"))),
                *sliders,
            ]
        return block(*parts, kind="bl-panel bl-stack")

    def _settings(self) -> W.Widget:
        def choice(name: str, values: tuple[Any, ...], words: Callable[[Any], str]) -> W.Dropdown:
            made = W.Dropdown(
                options=[(words(v), v) for v in values], description=self.text(f"page.consolidation.choice.{name}")
            )
            made.layout.width, made.style.description_width = "100%", "7.5em"
            made.observe(lambda _: self.on(self._set), "value")
            return made

        self.assignment = choice("assignment", ("zoned", "transport"), lambda v: self.text(f"scenarios.assignment.{v}"))
        self.mode = choice("mode", ("straight", "network", "terrain"), lambda v: self.text(f"distance.mode.{v}"))
        self.boarding = choice("boarding", (4, 5, 6, 7), lambda v: self.text("page.consolidation.from_grade", grade=v))
        self.rezone = W.Checkbox(False, description=self.text("page.consolidation.rezone"), indent=False)
        self.rezone.observe(lambda _: self.on(self._set), "value")
        return block(self.assignment, self.mode, self.boarding, self.rezone, kind="bl-stack")

    def update(self) -> None:
        """Show the county in the year; another county or year starts from what is there today."""
        model = self.model
        same = self.plan is not None and (self.plan.county, self.plan.year) == (model.county, model.year)
        if same and self.plan is not None and self.plan.standard.id == model.standard_id:
            return
        before = self.plan
        self.plan = Trial(model.county, model.year, model.standard)
        if before is not None and same:
            self.plan.decided, self.plan.sliders = before.decided, before.sliders
        else:
            self._start()
        self._show_all(0.0)  # before the browser asks: nothing moves under the hand of whoever sees the page first

    def _start(self) -> None:
        """Begin with a county: its map, its radii, its schools, and the scenario the address asks for."""
        self._before = None
        self._make_chart()
        self.quietly(self._show_options)
        asked, self._asked = self._asked, ""
        if asked:
            try:
                self.files.load(asked)
            except BalanceError as error:  # the page goes on with the county as it is today
                self.model.lacks.append(error)
        self.tools.choose(request.query().get("school", ""))

    def _make_chart(self) -> None:
        """Make the map; anew when a school opens elsewhere, for what stands where is sent to the browser once."""
        plan = self.plan
        assert plan is not None
        self.sites = plan.opened()
        self.chart = CountyMap(plan.county, plan.year, lang=self.model.lang, height=600, sites=self.sites)
        self.chart.symbol_scale = 0.75
        self.chart.observe(lambda c: self._clicked(c["new"]), "clicked")
        self.place.children = [self.chart]

    def _show_options(self) -> None:
        plan = self.plan
        assert plan is not None
        self.target.options = [(self.text("page.consolidation.this_year", year=plan.year), 0)] + [
            (str(plan.year + n), n) for n in range(1, MOST_YEARS + 1)
        ]
        self.optimiser.show()
        modes = [m for m in ("straight", "network", "terrain") if m in self._modes()]
        self.mode.options = [(self.text(f"distance.mode.{m}"), m) for m in modes]

    def _modes(self) -> Any:
        from balance_lib import access

        assert self.plan is not None
        return access.modes_of(self.plan.county)

    # What a person does -----------------------------------------------------------------------------------------

    def _slide(self, control: str) -> None:
        """Answer a slider: who moves and how far at once, everything else when the hand rests."""
        assert self.plan is not None
        self.plan.slide(self._state(), control)
        self._at_once()
        self.when_resting(self._show_outcome, RESTING_S)

    def _answer(self, asked: dict[str, Any]) -> None:
        """Answer a slider for the page, which cannot: there are too few places near by, and villages are split."""
        assert self.plan is not None
        control = next(name for name, part in LIVE.items() if part == asked["control"])
        self.plan.slide(replace(self.plan.sliders, **asked["state"]), control)
        self._at_once()

    def _state(self) -> State:
        """Return where the sliders stand; what stands as usual is left to the plan and to the defaults."""
        assert self.plan is not None
        usual = Scenario.empty(self.plan.county, self.plan.year).settings
        walk = {f"walk_{s}_m": round(1000 * self.walk[s].value) for s in STAGES}
        walk = {k: v for k, v in walk.items() if v != self.plan.radius_m(k.split("_")[1])}
        caps = {f"class_cap_{s}": self.cap[s].value for s in STAGES if self.cap[s].value != usual.class_cap(s)}
        return State(
            minimum_enrolment=self.small.value,
            bus_minutes=float(self.minutes.value) if self.bus.value else None,
            births_percent=float(self.births.value) if self.births.value else None,
            **walk,
            **caps,
        )

    def _set(self) -> None:
        """Take over what is chosen, not slid: a change of years, ways or zones takes a moment."""
        assert self.plan is not None
        year = self.plan.year + self.target.value if self.target.value else None
        settings = {"assignment": self.assignment.value, "mode": self.mode.value, "rezone": self.rezone.value}
        decided = self.plan.decided.with_settings(**settings, boarding_from_grade=self.boarding.value)
        self.plan.change(replace(decided, target_year=year))
        self.follow()

    def follow(self) -> None:
        """Show what follows from a change of the scenario."""
        self._at_once()
        self.when_resting(self._show_outcome, RESTING_S)

    def _go(self, way: str) -> None:
        """Take the last change back, or make it again."""
        assert self.plan is not None
        if getattr(self.plan, way)():
            self._show_all()

    def _reset(self) -> None:
        assert self.plan is not None
        self.plan.change(Scenario.empty(self.plan.county, self.plan.year), State())
        self._show_all()

    def _clicked(self, place: dict[str, Any]) -> None:
        if place and place["kind"] == "school":
            self.tools.choose(place["id"])

    def take(self, scenario: Scenario) -> None:
        """Take over a saved scenario."""
        assert self.plan is not None
        self.plan.change(scenario, State())
        self._show_all()

    # What is shown ----------------------------------------------------------------------------------------------

    def _show_all(self, wait_s: float = RESTING_S) -> None:
        self.quietly(self._show_controls)
        self._at_once()
        self.when_resting(self._show_outcome, wait_s)

    def _show_controls(self) -> None:
        """Put every control where the scenario has it."""
        plan = self.plan
        assert plan is not None
        settings, sliders = plan.decided.settings, plan.sliders
        chosen = replace(settings, **sliders.settings)
        for stage in STAGES:
            metres = getattr(chosen, f"walk_{stage}_m")
            metres = plan.radius_m(stage) if metres is None else metres
            self.walk[stage].disabled = not np.isfinite(metres)
            if np.isfinite(metres):
                self.walk[stage].value = metres / 1000
            self.cap[stage].value = chosen.class_cap(stage)
        self.small.value = int(sliders.minimum_enrolment)
        self.bus.value = chosen.bus_minutes is not None
        self.minutes.value = int(chosen.bus_minutes or self.minutes.value)
        self.births.value = int(chosen.births_percent)
        self.target.value = (plan.decided.target_year or plan.year) - plan.year
        self.assignment.value, self.rezone.value = settings.assignment, settings.rezone
        self.mode.value, self.boarding.value = settings.mode, settings.boarding_from_grade
        self.tools.show()
        self.measures.show()
        self.procedure.show()
        self.files.offer()

    def _at_once(self) -> None:
        """Show what a few milliseconds can tell, and grey what is of the state before."""
        plan = self.plan
        assert plan is not None
        opened = plan.opened()
        if opened is not self.sites and not opened.equals(self.sites):
            self._make_chart()
        chart = self.chart
        assert chart is not None
        for slow in self.slow:
            slow.add_class("bl-stale")
        self.minutes.disabled, self.births.disabled = not self.bus.value, not self.target.value
        self.back.disabled, self.again.disabled = not plan.past, not plan.future
        tick = plan.tick()
        board, lang = plan.board(), self.model.lang
        said = trial_views._first_cards(tick, plan.cover_today(), lang)
        with chart.hold_sync():
            if self.when.value == "after":
                self._draw_tick(tick)
        self.first.value = said
        self.coefficients.value = trial_views._coefficient_line(board, tick, plan.limits(), lang)
        self._follow_in_page()

    def _follow_in_page(self) -> None:
        """Let the page answer the sliders by itself where it can; elsewhere each step asks the kernel."""
        plan = self.plan
        assert plan is not None
        here = self.when.value == "after"
        board = plan.board().with_births(plan.sliders.births_percent)
        for slider in (self.small, self.minutes, *self.walk.values(), *self.cap.values()):
            slider.continuous_update = not here
        decided = {school: state for school, state in self._classes({}).items() if state != "as_is"}
        self.live.follow(board if here else None, self.chart, decided, bus=self.bus.value, today=plan.cover_today())

    def _draw_tick(self, tick: Tick) -> None:
        plan, chart = self.plan, self.chart
        assert plan is not None
        assert chart is not None
        board = plan.board()
        classes = self._classes(dict.fromkeys(tick.closed, "close"))
        chart.set_classes(
            classes, legend=looks.layout_classes(self.model.lang), label=self.text("page.consolidation.legend")
        )
        limit = [1000 * self.walk[s].value if not self.walk[s].disabled else np.inf for s in STAGES]
        self._draw_lines(chart, trial._moves_at(board, tick, limit))

    def _classes(self, more: dict[str, str]) -> dict[str, str]:
        assert self.plan is not None
        decided = {s: self.plan.state_of(s) for s in {o.school_id for o in self.plan.decided.effective}}
        return (
            dict.fromkeys(self.plan.schools.index, "as_is") | more | {s: v for s, v in decided.items() if v != "as_is"}
        )

    def _draw_lines(self, chart: CountyMap, lines: Any) -> None:
        chart.set_links(
            list(zip(lines["start"], lines["to"], strict=True)), pupils=lines["pupils"].to_numpy(),
            classes=lines["class"].tolist(), legend=looks.move_classes(self.model.lang),
            label=self.text("page.consolidation.line.title"),
        )  # fmt: skip

    def _draw(self) -> None:
        """Draw the county as it is today, or as the scenario leaves it."""
        plan, chart = self.plan, self.chart
        assert plan is not None
        assert chart is not None
        found = plan.outcome()
        with chart.hold_sync():
            if self.when.value == "before":
                chart.set_year(plan.year)
                chart.set_classes(dict.fromkeys(plan.schools.index, "as_is"),
                                  legend=looks.layout_classes(self.model.lang),
                                  label=self.text("page.consolidation.legend"))  # fmt: skip
                chart.set_links([])
                return
            self._draw_outcome(chart, found)

    def picture(self, found: Outcome) -> CountyMap:
        """Return a small map of an outcome, to stand beside others."""
        plan = self.plan
        assert plan is not None
        sites = plan.opened_by(found.scenario)
        chart = CountyMap(plan.county, found.scenario.year, lang=self.model.lang, height=280, sites=sites)
        chart.symbol_scale, chart.shown = 0.6, ["townships"]
        self._draw_outcome(chart, found)
        return chart

    def _draw_outcome(self, chart: CountyMap, found: Outcome) -> None:
        schools = found.schools.set_index("school_id")
        kinds = schools["kind_after"].where(schools["kind_after"].notna(), schools["kind_before"])
        pupils = schools["pupils_after"].where(schools["kind_after"].notna(), schools["pupils_before"])
        chart.set_schools(kinds.to_dict(), pupils=pupils.to_dict())
        words = {"closed": "close", "merged": "merge", "to_point": "to_point", "attached": "attach", "opened": "open"}
        classes = {s: words.get(str(state), "as_is") for s, state in schools["state"].items()}
        classes |= {s: "keep" for s, kept in schools["protected"].items() if kept}
        notes = {
            s: self.text("page.consolidation.pupils_change", before=trial_views.count(b), after=trial_views.count(a))
            for s, b, a in zip(schools.index, schools["pupils_before"], schools["pupils_after"], strict=True)
        }
        chart.set_classes(
            classes,
            legend=looks.layout_classes(self.model.lang),
            notes=notes,
            label=self.text("page.consolidation.legend"),
        )
        self._draw_lines(chart, trial.moves_of(found))

    def _show_outcome(self) -> None:
        """Show the whole outcome: the sentence, the villages, what is gained, which rules break."""
        plan, lang = self.plan, self.model.lang
        assert plan is not None
        try:
            found = plan.outcome()
        except Exception:
            self.verdict.value = banner(self.text("page.consolidation.cannot"), "error")
            raise
        self.verdict.value = trial_views._headline(found, lang)
        self.first.value = trial_views._outcome_cards(found, lang, self._before)
        self._before = found
        self.coefficients.value = trial_views._outcome_coefficients(found, lang)
        panel = views.panel
        self.affected.value = panel(self.text("page.consolidation.affected"), trial_views._affected(found, lang))
        self.gains.value = panel(self.text("page.consolidation.gains"), trial_views._gains(found, lang))
        self.rules.value = panel(self.text("page.consolidation.rules"), trial_views._rules(found, lang))
        self.shares.value = panel(self.text("page.consolidation.shares"), trial_views._shares(found, lang))
        book = part("muted", lang, found.bookkeeping.sentence(lang))
        self.foot.value = book + views.provenance(found.after, lang)
        self.quietly(self.tools.show)
        self._draw()
        for slow in self.slow:
            slow.remove_class("bl-stale")
        self.files.forget()
