"""Let the consolidation page propose a layout: in the background, with its proof, never closing what may not close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812
from markupsafe import escape

from balance_lib import optimise
from balance_lib.evaluation import number
from balance_lib.optimise import Progress, Running
from balance_lib.planning import siting
from balance_lib.planning.siting import Goals, Site
from balance_lib.scenarios import Keep, Open, Scenario
from balance_lib.show import plots
from balance_lib.show.plots.frontier import MEASURES
from balance_lib.show.widgets.apps.page import block, heading, line
from balance_lib.show.widgets.apps.trial_host import TrialHost
from balance_lib.show.widgets.apps.trial_tools import FULL, Tools
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import banner
from balance_lib.show.widgets.trial import teaches
from balance_lib.standards import STAGES

if TYPE_CHECKING:
    import pandas as pd

WIDE = {"description_width": "11em"}
SURVIVAL_S = 10.0


class Optimiser(Tools):
    """Ask for a plan by goals, watch it come, stop it, take it over; or see what every number of schools would mean."""

    def __init__(self, page: TrialHost) -> None:
        super().__init__(page)
        self.running: Running[Any] | None = None
        self.found: siting.Proposal | None = None
        self.curve: siting.CountyFrontier | None = None
        self.sites: dict[str, Site] = {}  # new schools once put into the scenario: candidates ever after
        self._fields()
        self.run = W.Button(description=self.words("optimiser.run"), button_style="info")
        self.stop = W.Button(description=self.words("optimiser.stop"), disabled=True)
        self.take = W.Button(description=self.words("optimiser.take"), button_style="success", disabled=True)
        self.draw = W.Button(description=self.words("optimiser.curve"))
        self.told, self.survival = W.HTML(), W.HTML()
        self.told.add_class("bl-proposal")
        self.note = line(self.words("optimiser.curve_note"), "muted")
        self.heading = heading(self.words("optimiser.curve_title"))
        # Filled when there is a curve: a figure that was hidden at first does not find its width.
        self.curve_box = W.VBox(layout={"width": "100%"})
        self.stage.observe(lambda _: page.on(self.show), "value")
        self.measure.observe(lambda _: page.on(self._plot), "value")
        self.run.on_click(lambda _: page.on(self._run))
        self.stop.on_click(lambda _: page.on(self._stop))
        self.take.on_click(lambda _: page.on(self._take))
        self.draw.on_click(lambda _: page.on(self._draw))
        about = line(self.words("optimiser.about"), "muted")
        self.children = [
            about, self.stage, self.aim, self.closable, self.schools, self.max_km, self.min_size, self.running_budget,
            self.building_budget, self.limit, self.capacity, self.radius, self.young, self.township, self.use_sites,
            block(self.run, self.stop, self.take), self.told, self.survival, self.draw,
        ]  # fmt: skip

    @cached_property
    def chart(self) -> SlimFigure:
        """Return the figure of the curve, made when there is one: an empty figure costs a page 5 MB of its own."""
        made = SlimFigure(lang=self.page.model.lang)
        made.layout.height = None
        return made

    def _fields(self) -> None:
        def field(kind: type, name: str, **more: Any) -> Any:
            return kind(description=self.words(f"optimiser.{name}"), layout=FULL, style=WIDE, **more)

        kept = Goals(schools=1).kept

        def tick(name: str, **more: Any) -> Any:
            on = kept.get(name, True)  # the rules hold unless the goals' own defaults say otherwise
            return W.Checkbox(on, description=self.words(f"optimiser.{name}", **more), indent=False, layout=FULL)

        self.stage = W.ToggleButtons(options=[(self.page.text(f"stage.{s}"), s) for s in STAGES])
        self.aim = field(W.Dropdown, "aim", options=[(self.words(f"optimiser.{a}"), a) for a in ("walk", "fewest")])
        self.closable = field(W.BoundedIntText, "closable", value=0, min=0, max=5000)
        self.schools = field(W.BoundedIntText, "schools", value=1, min=1, max=2000)
        self.max_km = field(W.BoundedFloatText, "max_km", value=0.0, min=0.0, max=100.0, step=0.5)
        self.min_size = field(W.BoundedIntText, "min_size", value=0, min=0, max=5000)
        free = self.words("optimiser.free")
        self.running_budget = field(W.Text, "running_budget", placeholder=free)
        self.building_budget = field(W.Text, "building_budget", placeholder=free)
        self.limit = field(W.BoundedIntText, "limit", value=30, min=5, max=600)
        self.capacity, self.radius, self.young = tick("capacity"), tick("radius"), tick("young")
        self.township, self.use_sites = tick("township_minimum"), tick("use_sites", names="")
        self.use_sites.layout.display = "none"
        shown = [(self.words(f"optimiser.show.{name}"), name) for name in MEASURES]
        self.measure = field(W.Dropdown, "measure", options=shown)

    def show(self) -> None:
        """Show how many schools of the stage there are: the number starts from all of them."""
        if self.page.plan is not None:
            self.schools.value = len(self._of_stage())
            self.sites = {}
            self.follow_sites()

    def follow_sites(self) -> None:
        """Take note of new schools in the scenario: places the search may open or not."""
        for operation in self.plan.decided.operations:
            taught = getattr(operation, f"classes_{self.stage.value}", 0)
            if isinstance(operation, Open) and not self.plan.has(operation.school_id) and taught:
                self.sites[operation.school_id] = Site.of(operation)
        names = "、".join(site.name_zh for site in self.sites.values())
        self.use_sites.description = self.words("optimiser.use_sites", names=names)
        self.use_sites.layout.display = "" if self.sites else "none"

    def _of_stage(self) -> list[str]:
        kinds = self.plan.schools["kind_before"]
        return [s for s, kind in kinds.items() if self.stage.value in teaches(kind)]

    def _left(self) -> list[str]:
        """Return the schools of the stage the scenario at hand leaves."""
        found = self.plan.outcome().schools
        kinds = found.loc[found["kind_after"].notna()].set_index("school_id")["kind_after"]
        return [s for s, kind in kinds.items() if self.stage.value in teaches(kind)]

    def goals(self) -> Goals:
        """Return what is asked for: nothing may close but what is smaller than said, and nothing that must stay."""
        self.follow_sites()
        pupils = self.plan.schools["pupils_before"]
        small = [s for s in self._of_stage() if pupils[s] < self.closable.value]  # an unknown roll is not small
        kept = [o.school_id for o in self.plan.decided.effective if isinstance(o, Keep)]
        return Goals(
            aim=self.aim.value,
            schools=self.schools.value if self.aim.value == "walk" else None,
            may_close=tuple(small),
            protected=tuple(kept),
            new_sites=tuple(self.sites.values()) if self.use_sites.value else (),
            max_distance_m=1000 * self.max_km.value or None,
            radius=self.radius.value,
            young=self.young.value,
            min_size=float(self.min_size.value) or None,
            capacity=self.capacity.value,
            township_minimum=self.township.value,
            running_budget_yuan=self._yuan(self.running_budget),
            building_budget_yuan=self._yuan(self.building_budget),
        )

    @staticmethod
    def _yuan(field: W.Text) -> float | None:
        """Return an amount in yuan; None where nothing is filled in."""
        told = field.value.strip().replace(",", "").replace(",", "")
        return 1e4 * float(told) if told else None

    def _run(self) -> None:
        goals = self._asked()
        if goals is not None:
            self._begin(siting.propose, goals, self._proposed, judge=False)

    def _draw(self) -> None:
        goals = self._asked()
        if goals is not None:
            more = {"prove": True, "judge": True, "standard": self.plan.standard}
            self._begin(siting.county_frontier, replace(goals, aim="walk", schools=1), self._drawn, **more)

    def _asked(self) -> Goals | None:
        """Return what is asked for; None, and why, where it cannot be asked."""
        for field in (self.running_budget, self.building_budget):
            try:
                self._yuan(field)
            except ValueError:
                self.told.value = banner(self.words("optimiser.bad_number", field=field.description))
                return None
        goals = self.goals()
        if goals.may_close or goals.new_sites:
            return goals
        self.told.value = banner(self.words("optimiser.nothing"))
        return None

    def _begin(self, function: Callable[..., Any], goals: Goals, then: Callable[[Any], None], **more: Any) -> None:
        self._stop()
        self.found, self.take.disabled = None, True
        self._say(self.words("optimiser.starting"))
        self.survival.value = ""
        more |= {"scenario": self.plan.scenario, "time_limit_s": float(self.limit.value)}
        self._behind(function, (self.plan.county, self.stage.value, goals), then, self._tell, **more)

    def _behind(
        self,
        function: Callable[..., Any],
        place: tuple[Any, ...],
        then: Callable[[Any], None],
        tell: Callable[[Progress], None],
        **more: Any,
    ) -> None:
        """Start in the background; where no event loop runs (tests, scripts), compute and show at once."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            then(function(*place, **more))
            return
        self.stop.disabled = False

        def heard(progress: Progress) -> None:
            loop.call_soon_threadsafe(tell, progress)

        def ended(running: Running[Any]) -> None:
            loop.call_soon_threadsafe(self._end, running, then)

        self.running = optimise.start(function, *place, on_progress=heard, on_done=ended, **more)

    def _tell(self, progress: Progress) -> None:
        gap = f"{100 * progress.gap:.2f}%" if progress.gap == progress.gap else "–"
        known = progress.objective == progress.objective and abs(progress.objective) != float("inf")
        km = number(round(progress.objective / 1000, 1)) if known else "–"
        self._say(self.words("optimiser.running", seconds=round(progress.seconds), km=km, gap=gap))

    def _say(self, words: str) -> None:
        self.told.value = escape(words)

    def _end(self, running: Running[Any], then: Callable[[Any], None]) -> None:
        if running is self.running:  # a search that was replaced has nothing more to say
            self.running, self.stop.disabled = None, True
            if self.found is None:
                self._say(self.words("optimiser.failed"))
            self.page.on(lambda: then(running.result()))

    def _stop(self) -> None:
        if self.running is not None:
            self.running.cancel()

    def _proposed(self, found: siting.Proposal) -> None:
        said = found.sentence(self.page.model.lang)
        if found.trial is not None:
            yuan = {k: f"{getattr(found.trial, f'{k}_yuan') / 1e4:+,.1f}" for k in ("running", "building")}
            said += self.words("optimiser.figures", km=f"{found.trial.worst_m / 1000:.1f}", **yuan)
        self._say(said)
        self.found = found if found.solution.found else None
        self.take.disabled = self.found is None
        if self.found is not None:
            self.survival.value = part("muted", self.page.model.lang, self.words("optimiser.surviving"))
            self._behind(siting.survives, (found,), self._survived, lambda _: None, time_limit_s=SURVIVAL_S)

    def _survived(self, table: pd.DataFrame) -> None:
        from balance_lib.planning.siting import survival

        said = self.words("optimiser.survives", said=survival.sentence(table, self.page.model.lang))
        self.survival.value = part("line", self.page.model.lang, said)

    def _take(self) -> None:
        if self.found is not None:
            self._adopt(self.found.scenario)

    def _adopt(self, scenario: Scenario) -> None:
        """Put a plan, and how it was reckoned, in the place of what was decided; the procedure stays."""
        self.page.take(replace(scenario, procedure=self.plan.decided.procedure, note=self.plan.decided.note))

    def _drawn(self, curve: siting.CountyFrontier) -> None:
        self.curve = curve
        self.told.value = ""
        self._plot()
        self.curve_box.add_class("bl-panel")
        self.curve_box.children = (self.heading, self.measure, self.chart, self.note)

    def _plot(self) -> None:
        if self.curve is None:
            return
        lang, measure = self.page.model.lang, self.measure.value
        figure = plots.frontier(self.curve.table, measure=measure, chosen=len(self._left()), lang=lang)
        self.chart.replace(figure)
        for trace in self.chart.data:
            trace.on_click(self._clicked)

    def _clicked(self, trace: Any, points: Any, _state: Any) -> None:
        if self.curve is not None and points.point_inds:
            schools = int(trace.customdata[points.point_inds[0]][0])
            self.page.on(lambda: self._adopt(self.curve.scenario(schools)))  # type: ignore[union-attr]
