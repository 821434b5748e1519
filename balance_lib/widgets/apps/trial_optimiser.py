"""Let the consolidation page propose a layout: in the background, with its proof, never closing what may not close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812

from balance_lib import optimise, plots
from balance_lib.evaluation import number
from balance_lib.optimise import Goals, Progress, Running
from balance_lib.scenarios import Keep, Scenario
from balance_lib.standards import STAGES
from balance_lib.widgets.apps.page import block
from balance_lib.widgets.apps.trial_tools import FULL, Tools
from balance_lib.widgets.figure import SlimFigure
from balance_lib.widgets.style import banner
from balance_lib.widgets.trial import TEACHES

if TYPE_CHECKING:
    from balance_lib.widgets.apps.consolidation import Consolidation

WIDE = {"description_width": "9em"}


class Optimiser(Tools):
    """Ask for a plan by goals, watch it come, stop it, take it over; or see what every number of schools would cost."""

    def __init__(self, page: Consolidation) -> None:
        super().__init__(page)
        self.running: Running[Any] | None = None
        self.found: optimise.Proposal | None = None
        self.curve: optimise.CountyFrontier | None = None

        def field(kind: type, name: str, **more: Any) -> Any:
            return kind(description=self.words(f"optimiser.{name}"), layout=FULL, style=WIDE, **more)

        self.stage = W.ToggleButtons(options=[(page.text(f"stage.{s}"), s) for s in STAGES])
        self.aim = field(W.Dropdown, "aim", options=[(self.words(f"optimiser.{a}"), a) for a in ("walk", "fewest")])
        self.closable = field(W.BoundedIntText, "closable", value=0, min=0, max=5000)
        self.schools = field(W.BoundedIntText, "schools", value=1, min=1, max=2000)
        self.max_km = field(W.BoundedFloatText, "max_km", value=0.0, min=0.0, max=100.0, step=0.5)
        self.min_size = field(W.BoundedIntText, "min_size", value=0, min=0, max=5000)
        self.limit = field(W.BoundedIntText, "limit", value=30, min=5, max=600)
        self.capacity = W.Checkbox(True, description=self.words("optimiser.capacity"), indent=False)
        self.township = W.Checkbox(True, description=self.words("optimiser.township"), indent=False)
        self.run = W.Button(description=self.words("optimiser.run"), button_style="info")
        self.stop = W.Button(description=self.words("optimiser.stop"), disabled=True)
        self.take = W.Button(description=self.words("optimiser.take"), button_style="success", disabled=True)
        self.draw = W.Button(description=self.words("optimiser.curve"))
        self.told = W.HTML()
        self.chart = SlimFigure(lang=page.model.lang)
        self.chart.layout.height = None
        self.curve_box = block(self.chart, W.HTML(f"<p class='bl-muted'>{self.words('optimiser.curve_note')}</p>"))
        self.curve_box.layout.display = "none"
        self.stage.observe(lambda _: page.on(self.show), "value")
        self.run.on_click(lambda _: page.on(self._run))
        self.stop.on_click(lambda _: page.on(self._stop))
        self.take.on_click(lambda _: page.on(self._take))
        self.draw.on_click(lambda _: page.on(self._draw))
        about = W.HTML(f"<p class='bl-muted'>{self.words('optimiser.about')}</p>")
        self.children = [
            about, self.stage, self.aim, self.closable, self.schools, self.max_km, self.min_size, self.limit,
            self.capacity, self.township, block(self.run, self.stop, self.take), self.told, self.draw, self.curve_box,
        ]  # fmt: skip

    def show(self) -> None:
        """Show how many schools of the stage there are: the slider starts from all of them."""
        if self.page.plan is not None:
            self.schools.value = len(self._of_stage())

    def _of_stage(self) -> list[str]:
        kinds = self.plan.schools["kind_before"]
        return [s for s, kind in kinds.items() if self.stage.value in TEACHES.get(kind, set())]

    def goals(self) -> Goals:
        """Return what is asked for: nothing may close but what is smaller than said, and nothing that must stay."""
        pupils = self.plan.schools["pupils_before"]
        small = [s for s in self._of_stage() if pupils[s] < self.closable.value]  # an unknown roll is not small
        kept = [o.school_id for o in self.plan.decided.effective if isinstance(o, Keep)]
        return Goals(
            aim=self.aim.value,
            schools=self.schools.value if self.aim.value == "walk" else None,
            may_close=tuple(small),
            protected=tuple(kept),
            max_distance_m=1000 * self.max_km.value or None,
            min_size=float(self.min_size.value) or None,
            capacity=self.capacity.value,
            township_minimum=self.township.value,
            mode=self.plan.decided.settings.mode,
        )

    def _run(self) -> None:
        goals = self.goals()
        if not goals.may_close:
            self.told.value = banner(self.words("optimiser.nothing"))
            return
        self._begin(optimise.propose, goals, self._proposed, judge=False)

    def _draw(self) -> None:
        goals = self.goals()
        if not goals.may_close:
            self.told.value = banner(self.words("optimiser.nothing"))
            return
        self._begin(optimise.county_frontier, replace(goals, aim="walk", schools=1), self._drawn, prove=True)

    def _begin(self, function: Callable[..., Any], goals: Goals, then: Callable[[Any], None], **more: Any) -> None:
        """Start in the background; where no event loop runs (tests, scripts), compute and show at once."""
        self._stop()
        self.found, self.take.disabled = None, True
        self.told.value = escape(self.words("optimiser.starting"))
        place = (self.plan.county, self.stage.value, goals)
        more |= {"year": self.plan.year, "time_limit_s": float(self.limit.value)}
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            then(function(*place, **more))
            return
        self.stop.disabled = False

        def heard(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._tell, progress)

        def ended(running: Running[Any]) -> None:
            loop.call_soon_threadsafe(self._end, running, then)

        self.running = optimise.start(function, *place, on_progress=heard, on_done=ended, **more)

    def _tell(self, progress: Progress) -> None:
        gap = f"{100 * progress.gap:.2f}%" if progress.gap == progress.gap else "–"
        known = progress.objective == progress.objective and abs(progress.objective) != float("inf")
        km = number(round(progress.objective / 1000, 1)) if known else "–"
        self.told.value = escape(self.words("optimiser.running", seconds=round(progress.seconds), km=km, gap=gap))

    def _end(self, running: Running[Any], then: Callable[[Any], None]) -> None:
        if running is self.running:  # a search that was replaced has nothing more to say
            self.running, self.stop.disabled = None, True
            self.told.value = escape(self.words("optimiser.failed"))
            self.page.on(lambda: then(running.result()))

    def _stop(self) -> None:
        if self.running is not None:
            self.running.cancel()

    def _proposed(self, found: optimise.Proposal) -> None:
        self.told.value = escape(found.sentence(self.page.model.lang))
        self.found = found if found.solution.found else None
        self.take.disabled = self.found is None

    def _take(self) -> None:
        if self.found is not None:
            self._adopt(self.found.scenario)

    def _adopt(self, scenario: Scenario) -> None:
        """Put a plan in the place of what was decided; how it is reckoned and the procedure stay."""
        decided = self.plan.decided
        kept = tuple(o for o in decided.operations if isinstance(o, Keep) and o not in scenario.operations)
        self.page.take(replace(decided, name=scenario.name, operations=(*kept, *scenario.operations)))

    def _drawn(self, curve: optimise.CountyFrontier) -> None:
        self.curve = curve
        self.told.value = ""
        self.curve_box.layout.display = ""
        self.chart.replace(plots.frontier(curve.table, chosen=self.schools.value, lang=self.page.model.lang))
        for trace in self.chart.data:
            trace.on_click(self._clicked)

    def _clicked(self, trace: Any, points: Any, _state: Any) -> None:
        if self.curve is not None and points.point_inds:
            schools = int(trace.customdata[points.point_inds[0]][0])
            self.page.on(lambda: self._adopt(self.curve.scenario(schools)))  # type: ignore[union-attr]
