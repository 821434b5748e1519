"""Give the consolidation page its tools: what becomes of a school, further measures, and the procedure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812

from balance_lib.evaluation import number
from balance_lib.scenarios import (
    STEPS,
    Boarding,
    BusLine,
    ConvertStage,
    Open,
    Operation,
    Parents,
    Procedure,
    ProcedureStep,
    Resize,
    tell,
)
from balance_lib.show.widgets import trial_views
from balance_lib.show.widgets.apps.page import heading, line
from balance_lib.show.widgets.apps.trial_host import TrialHost
from balance_lib.show.widgets.county_map import kinds
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import banner
from balance_lib.show.widgets.trial import STATES
from balance_lib.standards import STAGES

if TYPE_CHECKING:
    from balance_lib.show.widgets.trial import Trial

FULL = {"width": "100%"}
LABEL = {"description_width": "6em"}
MOST_ASKED = 100_000
KINDS = ("teaching_point", "primary", "junior", "nine_year")


class Tools(W.VBox):
    """Stand for one set of tools of the page."""

    def __init__(self, page: TrialHost) -> None:
        self.page = page
        super().__init__()
        self.add_class("bl-stack")

    @property
    def plan(self) -> Trial:
        """Return the scenario being worked on."""
        assert self.page.plan is not None
        return self.page.plan

    def words(self, key: str, **params: Any) -> str:
        """Return a text of this page."""
        return self.page.text(f"page.consolidation.{key}", **params)

    @property
    def kinds(self) -> dict[str, str]:
        """Return the names of the kinds of schools."""
        return {kind["key"]: kind["label"] for kind in kinds(self.page.model.lang)}

    def name(self, school_id: str) -> str:
        """Return a school's name."""
        return str(self.plan.names(self.page.model.lang).get(school_id, school_id))

    def add(self, operation: Operation) -> None:
        """Take an operation into the scenario."""
        self.plan.change(self.plan.decided.with_operations(operation))
        self.show()
        self.page.follow()

    def show(self) -> None:
        """Show the scenario as it is now."""


class SchoolTools(Tools):
    """List the schools, smallest first; what is made of the chosen one is one click."""

    def __init__(self, page: TrialHost) -> None:
        super().__init__(page)
        self.find = W.Text(placeholder=self.words("find"), layout=FULL)
        self.list = W.Select(rows=9, layout=FULL)
        self.about = W.HTML()
        self.state = W.ToggleButtons(options=[(self.words(f"state.{s}"), s) for s in STATES])
        self.state.style.button_width = "auto"
        self.target = W.Dropdown(description=self.words("into"), layout=FULL, style=LABEL)
        self.find.observe(lambda _: page.quietly(self._list), "value")
        self.list.observe(lambda c: self._picked(c["new"]), "value")
        self.state.observe(lambda _: page.on(self._act), "value")
        self.target.observe(lambda _: page.on(self._act), "value")
        self.add_class("bl-panel")
        head = heading(self.words("schools"), self.words("schools_hint"), "muted")
        self.children = [head, self.find, self.list, self.about, self.state, self.target]

    def _picked(self, school_id: str | None) -> None:
        """Choose what is picked in the list; why a scenario cannot be computed goes on standing above."""
        if not self.page._quiet:
            self.choose(school_id)

    def choose(self, school_id: str | None) -> None:
        """Choose a school, from the list or by a click on the map."""
        if not school_id or not self.plan.has(school_id):
            return
        self.page.quietly(lambda: self._choose(school_id))

    def _choose(self, school_id: str) -> None:
        if school_id not in [v for _, v in self.list.options]:
            self.find.value = ""
            self._list()
        self.list.value = school_id
        if self.page.chart is not None and self.page.chart.selected != school_id:
            self.page.chart.selected = school_id
        self._show_chosen()

    def show(self) -> None:
        """Show the list and the chosen school."""
        self._list()
        self._show_chosen()

    def _list(self) -> None:
        schools, wanted = self.plan.schools, self.find.value.strip()
        schools = schools.assign(called=self.plan.names(self.page.model.lang))
        said = zip(schools["called"], schools["school"], schools["township"], strict=True)
        found = schools[[wanted in f"{called} {name} {town}" for called, name, town in said]]
        touched = {o.school_id for o in self.plan.decided.effective}
        options = []
        for school_id, name, pupils in zip(found.index, found["called"], found["pupils_before"], strict=True):
            state = self.plan.state_of(school_id) if school_id in touched else "as_is"
            mark = "" if state == "as_is" else f"[{self.words(f'state.{state}')}] "
            options.append((f"{mark}{name} · {self.words('people', n=trial_views.count(pupils))}", school_id))
        chosen = self.list.value
        if tuple(options) != self.list.options:
            self.list.options = options
            self.list.value = chosen if chosen in [v for _, v in options] else None

    def _show_chosen(self) -> None:
        school_id = self.list.value
        for control in (self.state, self.target):
            control.layout.display = "none"
        if school_id is None:
            self.about.value = part("muted", self.page.model.lang, self.words("none_chosen"))
            return
        row = self.plan.schools.loc[school_id]
        facts = self.words(
            "about_school", kind=self.kinds.get(row["kind_before"], ""),
            pupils=trial_views.count(row["pupils_before"]), classes=trial_views.count(row["classes_before"]),
            teachers=trial_views.count(row["teachers_before"]),
        )  # fmt: skip
        self.about.value = part("about", self.page.model.lang, self.name(school_id), facts)
        state = self.plan.state_of(school_id)
        self.state.layout.display, self.state.value = "", state
        if state in ("merge", "attach"):
            self.target.layout.display = ""
            self.target.options = [(self.name(s), s) for s in self.plan.hosts(school_id)]
            chosen = next((t for o in self.plan.decided.of(school_id) if o.verb == state for t in o.others()), None)
            if chosen in [v for _, v in self.target.options]:
                self.target.value = chosen

    def _act(self) -> None:
        school_id, state = self.list.value, self.state.value
        if school_id is None:
            return
        target = ""
        if state in ("merge", "attach"):
            hosts = self.plan.hosts(school_id)
            target = self.target.value if self.target.value in hosts else next(iter(hosts), "")
        self.plan.act(school_id, state, target)
        self.page.quietly(self.show)
        self.page.follow()


class Measures(Tools):
    """Offer what else can be done: open, add classes, beds, a bus line, other stages; and take any of it back."""

    def __init__(self, page: TrialHost) -> None:
        super().__init__(page)
        self.kind = W.Dropdown(
            options=[(self.words(f"measure.{m}"), m) for m in ("resize", "boarding", "bus", "convert", "open")],
            layout=FULL,
        )
        self.stage = W.Dropdown(
            options=[(page.text(f"stage.{s}"), s) for s in STAGES],
            description=self.words("stage"),
            layout=FULL,
            style=LABEL,
        )
        self.amount = W.BoundedIntText(1, 0, 2000, description=self.words("amount.resize"), layout=FULL, style=LABEL)
        self.village = W.Combobox(
            description=self.words("village"),
            ensure_option=True,
            layout=FULL,
            style=LABEL,
            placeholder=self.words("find_village"),
        )
        self.what = W.Dropdown(description=self.words("kind"), layout=FULL, style=LABEL)
        self.make = W.Button(description=self.words("add"), button_style="info")
        self.done = W.Dropdown(description=self.words("operations"), layout=FULL, style=LABEL)
        self.remove = W.Button(description=self.words("remove"))
        self.kind.observe(lambda _: self.show(), "value")
        self.make.on_click(lambda _: page.on(self._add))
        self.remove.on_click(lambda _: page.on(self._remove))
        self.children = [self.kind, self.stage, self.amount, self.village, self.what, self.make, self.done, self.remove]

    def show(self) -> None:
        """Show the fields the chosen measure needs, and the operations there are."""
        if self.page.plan is None:
            return
        kind = self.kind.value
        needs = {
            "resize": "stage amount",
            "boarding": "amount",
            "bus": "village amount",
            "convert": "what",
            "open": "village what amount",
        }
        for name in ("stage", "amount", "village", "what"):
            getattr(self, name).layout.display = "" if name in needs[kind].split() else "none"
        if kind != "convert":
            self.amount.description = self.words(f"amount.{kind}")
        choices = ("primary", "junior", "nine_year") if kind == "convert" else KINDS
        self.what.options = [(self.kinds[k], k) for k in choices]
        self.village.options = list(self._villages())
        self.done.options = [(self._say(o), n) for n, o in enumerate(self.plan.decided.operations)]
        self.done.value = len(self.done.options) - 1 if self.done.options else None  # the last is what one regrets
        self.remove.disabled = not self.done.options

    def _villages(self) -> dict[str, str]:
        county = self.plan.county.spoken(self.page.model.lang)
        found = county.tables["villages"].drop_duplicates("village_id")
        return {f"{r.name_zh} · {r.township}": r.village_id for r in found.itertuples()}

    def _say(self, operation: Operation) -> str:
        return f"{tell.operation(operation, self.page.model.lang)} {self.name(operation.school_id)}"

    def _add(self) -> None:
        kind, school, amount = self.kind.value, self.page.tools.list.value, self.amount.value
        village = self._villages().get(self.village.value, "")
        if (kind != "open" and school is None) or (kind in ("bus", "open") and not village):
            self.page.problem.value = banner(self.words("choose_first" if kind != "open" else "choose_village"))
            return
        made: dict[str, Any] = {
            "resize": lambda: Resize(school_id=school, stage=self.stage.value, classes=amount),
            "boarding": lambda: Boarding(school_id=school, places=amount),
            "bus": lambda: BusLine(school_id=school, villages=(village,), minutes=float(amount)),
            "convert": lambda: ConvertStage(school_id=school, to=self.what.value),
            "open": lambda: self._open(village, amount),
        }
        self.add(made[kind]())

    def _open(self, village: str, classes: int) -> Open:
        rows = self.plan.county.tables["villages"].drop_duplicates("village_id").set_index("village_id")
        place, kind = rows.loc[village], self.what.value
        ids = {o.school_id for o in self.plan.decided.operations} | set(self.plan.county.tables["schools"]["school_id"])
        new = next(f"NEW{n}" for n in range(1, 1000) if f"NEW{n}" not in ids)
        return Open(
            school_id=new,
            name_zh=self.words("new_school", place=place["name_zh"]),
            kind=kind,
            township=str(place["township"]),
            location="rural",
            rank="village",
            lon=float(place["lon"]),
            lat=float(place["lat"]),
            classes_primary=0 if kind == "junior" else classes,
            classes_junior=classes if kind in ("junior", "nine_year") else 0,
            villages=(village,),
        )

    def _remove(self) -> None:
        at, decided = self.done.value, self.plan.decided
        if at is None:
            return
        self.plan.change(replace(decided, operations=tuple(o for n, o in enumerate(decided.operations) if n != at)))
        self.page.quietly(self.page.tools.show)
        self.show()
        self.page.follow()


class Procedures(Tools):
    """Keep the checklist before a closing: argued, heard, published, approved, built first; and what parents said."""

    def __init__(self, page: TrialHost) -> None:
        super().__init__(page)
        self.steps = {s: W.Checkbox(False, description=self.words(f"step.{s}"), indent=False) for s in STEPS}
        for box in self.steps.values():
            box.observe(lambda _: page.on(self._tick), "value")
        self.asked, self.opposed = (
            W.BoundedIntText(0, 0, MOST_ASKED, description=self.words(name), layout=FULL, style=LABEL)
            for name in ("asked", "opposed")
        )
        self.record = W.Button(description=self.words("record_parents"))
        self.recorded = W.HTML()
        self.record.on_click(lambda _: page.on(self._record))
        hint = line(self.words("parents_hint"), "muted")
        self.children = [*self.steps.values(), hint, self.asked, self.opposed, self.record, self.recorded]

    def show(self) -> None:
        """Show which steps are done and what parents said."""
        found = self.plan.decided.procedure
        for step in found.steps:
            self.steps[step.step].value = step.done
        lines = [
            self.words("parents_said", school=self.name(p.school_id), asked=number(p.asked), opposed=number(p.opposed))
            for p in found.parents
        ]
        self.recorded.value = part("lines", self.page.model.lang, lines)

    def _tick(self) -> None:
        found = self.plan.decided.procedure
        steps = tuple(ProcedureStep(s.step, self.steps[s.step].value, s.on, s.document) for s in found.steps)
        self._take(replace(found, steps=steps))

    def _record(self) -> None:
        school = self.page.tools.list.value
        if school is None or not self.asked.value or self.opposed.value > self.asked.value:
            self.page.problem.value = banner(self.words("choose_first" if school is None else "asked_wrong"))
            return
        found = self.plan.decided.procedure
        others = tuple(p for p in found.parents if p.school_id != school)
        self._take(replace(found, parents=(*others, Parents(school, self.asked.value, self.opposed.value))))

    def _take(self, procedure: Procedure) -> None:
        self.plan.change(replace(self.plan.decided, procedure=procedure))
        self.page.quietly(self.show)
        self.page.follow()
