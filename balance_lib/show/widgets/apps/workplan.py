"""Let leaders see where the plan stands, and the office run it: stages, tasks, schedule, ledger, exports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812

from balance_lib._errors import BalanceError
from balance_lib.locale import text
from balance_lib.office import workplan
from balance_lib.office.store import StoreError
from balance_lib.show.plots import workplan as plots
from balance_lib.show.widgets import register_views, views
from balance_lib.show.widgets.apps.field_desk import PlaceDesk, VisitDesk
from balance_lib.show.widgets.apps.ledger_desk import LedgerDesk
from balance_lib.show.widgets.apps.page import Page, block, heading, html, line, tabs
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.gantt import gantt
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.running import RunModel
from balance_lib.show.widgets.style import banner

if TYPE_CHECKING:
    from balance_lib.office import reports

WIDE = {"width": "min(100%, 720px)"}
RECORD_STATES = ("started", "blocked", "done")


class Workplan(Page):
    """Show where the plan stands on a day, then its tasks, units, schedule, ledger and exports under tabs."""

    name = "workplan"
    shows = RunModel
    model: RunModel
    _renewing = False

    def build(self) -> None:
        """Make the parts of the page."""
        self.sentence, self.cards, self.foot = html(), html(), html()
        self.desk = LedgerDesk(self.model, self._guarded_in_words)
        self.visits, self.places = (made(self.model, self._guarded_in_words) for made in (VisitDesk, PlaceDesk))
        parts = [
            (self.text("workplan.page.tab.progress"), self._progress()),
            (self.text("workplan.page.tab.tasks"), self._tasks()),
            (self.text("workplan.page.tab.units"), self._units()),
            (self.text("workplan.page.tab.schedule"), self._schedule()),
            (self.text("workplan.page.tab.ledger"), self.desk),
            (self.text("journal.page.tab.visits"), self.visits),
            (self.text("journal.page.tab.places"), self.places),
            (self.text("workplan.page.tab.export"), self._exports()),
        ]
        self.tabs = tabs(parts)
        self.tabs.selected_index = 1 if self.model.unit else 0  # whoever comes for a unit comes for its tasks
        self.tabs.observe(lambda _: self._guarded_in_words(self._show_tab), "selected_index")
        self.body.children = [self.sentence, self.cards, self._filters(), self.tabs, self.foot]

    def update(self) -> None:
        """Show the plan on the day."""
        model, lang = self.model, self.model.lang
        found = model.register
        self._renewing = True
        try:
            self._renew_filters()
        finally:
            self._renewing = False
        self.sentence.value = register_views._sentence(found, lang)
        lost = model.lost
        self.cards.value = register_views._cards(found, model.ledger() if lost is None else None, lang)
        if lost is not None:
            told = f"{lost.message(lang)} {self.text('workplan.page.without_records')}"
            self.problem.value = banner(told, "error")
        for shown in (self.desk, self.visits, self.places):
            shown.layout.display = "" if lost is None else "none"
        self.export.value = self.made.value = ""
        self._show_tasks()
        self._show_units()
        self._show_stages()
        self._show_tab()
        if lost is None:
            self.desk.update()
        self.foot.value = self._foot()

    # What is shown ---------------------------------------------------------------------------------------------

    def _filters(self) -> W.Widget:
        self.day = W.DatePicker(description=self.text("workplan.page.day"))
        self.unit = W.Dropdown(description=self.text("workplan.page.unit"))
        self.status = W.Dropdown(description=self.text("workplan.page.status"))
        self.plan_stage = W.Dropdown(description=self.text("workplan.page.stage"))
        self.day.observe(lambda c: self.model.show_day(c["new"]) if isinstance(c["new"], date) else None, "value")
        for control, name in ((self.unit, "unit"), (self.status, "status"), (self.plan_stage, "plan_stage")):
            control.observe(self._filtered(name), "value")
        return block(self.day, self.unit, self.status, self.plan_stage)

    def _filtered(self, name: str) -> Callable[[Any], None]:
        def change(what: dict[str, Any]) -> None:
            if self._renewing:
                return
            self.model.show(**{name: what["new"] or ""})
            self._guarded_in_words(self._show_filtered)

        return change

    def _renew_filters(self) -> None:
        model, lang = self.model, self.model.lang
        found = model.register
        everything = (self.text("workplan.page.all"), "")
        statuses = [(text(f"workplan.status.{s}", lang), s) for s in workplan.STATUSES]
        stages = [(stage.label(lang), stage.code) for stage in workplan.stages(model.standard)]
        units = [(workplan.harmless(workplan.offices(unit, model.lang), 40), unit) for unit in found.units["unit"]]
        wanted = {"unit": model.unit, "status": model.status, "plan_stage": model.plan_stage}
        for control, options, name in (
            (self.unit, units, "unit"),
            (self.status, statuses, "status"),
            (self.plan_stage, stages, "plan_stage"),
        ):
            listed = (everything, *options)
            if control.options != listed:
                control.options = listed
            control.value = wanted[name] if wanted[name] in [value for _, value in listed] else ""
        self.plan_stage.layout.display = "" if stages else "none"
        if self.day.value != model.on:
            self.day.value = model.on

    def _show_filtered(self) -> None:
        self._show_tasks()
        self._show_tab()
        if self.model.lost is None:
            self.desk.update()

    def _progress(self) -> W.Widget:
        self.stages = html()
        self.gantt, self.curve = html(), SlimFigure(lang=self.model.lang)
        bars = W.VBox([heading(self.text("workplan.page.gantt")), self.gantt])
        line = W.VBox([heading(self.text("workplan.page.curve")), self.curve])
        for box in (bars, line):
            box.add_class("bl-panel")
        return W.VBox([self.stages, bars, line])

    def _show_tab(self) -> None:
        """Draw or compute what only one tab needs, when that tab is looked at."""
        at, model, lang = self.tabs.selected_index, self.model, self.model.lang
        if at == 0:
            self.gantt.value = gantt(model.tasks, model.register.stages, model.on, lang)
            self.curve.replace(plots.progress(model.curve, model.on, lang=lang))
        elif at == 3:
            self.schedule.value = views.panel(
                self.text("workplan.page.schedule"),
                register_views._schedule_table(model.schedule, lang),
                self.text("workplan.page.schedule_note"),
            )
        elif at in (5, 6) and model.lost is None:
            self.tabs.children[at].update()
        elif at == 7:
            self._show_papers()

    def _show_stages(self) -> None:
        found, lang = self.model.register, self.model.lang
        content = register_views._stage_table(found, lang) + register_views._doubts(found, lang)
        panels = [views.panel(self.text("workplan.page.stages"), content, self._note())]
        if ahead := register_views._inspection_table(found, lang):
            panels.append(views.panel(self.text("workplan.page.inspections"), ahead))
        self.stages.value = part("box", lang, panels, "stack")

    def _units(self) -> W.Widget:
        self.units = html()
        return self.units

    def _show_units(self) -> None:
        model, lang, found = self.model, self.model.lang, self.model.register
        parts = [(self.text("workplan.page.units"), register_views._unit_table(found.units, lang))]
        behind = found.laggards()
        if len(behind):
            parts.insert(0, (self.text("workplan.page.laggards"), register_views._unit_table(behind, lang)))
        groups = workplan.groups(model.standard)
        if len(groups):
            parts.append((self.text("workplan.page.groups"), register_views._group_table(groups, found.units, lang)))
        works = workplan.programme(model.standard, model.county, model.judged)
        if works is not None:
            required = workplan.required_by(works, model.on)
            parts.append(
                (self.text("workplan.page.works_title"), register_views._works_html(works, model.on, required, lang))
            )
        reached = workplan.achievements(model.standard, model.county)
        if len(reached):
            parts.append((self.text("workplan.page.achievements"), register_views._achievement_table(reached, lang)))
        if model.judged is not None:
            rows = model.county.translated(workplan.townships(model.judged, model.county), lang)
            parts.append((self.text("workplan.page.townships"), register_views._township_table(rows, lang)))
        self.units.value = part("box", lang, [views.panel(title, content) for title, content in parts], "stack")

    def _schedule(self) -> W.Widget:
        self.schedule = html()
        return self.schedule

    def _note(self) -> str:
        found, year = self.model.register, self.model.register.year
        known = self.text("workplan.page.no_figures") if year is None else self.text(
            "workplan.page.figures_of", year=self.text("page.school_year", year=year, after=year + 1)
        )  # fmt: skip
        early, left = len(found.due_before_adoption), found.counts()["due_before_adoption"]
        note = self.text("workplan.page.early", n=early, open=left, adopted=found.standard.adopted) if left else ""
        return known + note

    def _foot(self) -> str:
        facts = self.text(
            "workplan.page.provenance",
            on=self.model.on.isoformat(),
            standard=self.model.standard_id,
            version=self.model.stamp.standard_version,
            hash=self.model.stamp.county_hash,
            software=self.model.stamp.software,
        )
        return part("muted", self.model.lang, facts)

    # Recording progress ----------------------------------------------------------------------------------------

    def _tasks(self) -> W.Widget:
        self.listed, self.recorded = html(), html()
        self.task = W.Dropdown(description=self.text("workplan.head.task"), layout=WIDE)
        states = [(self.text(f"workplan.record.{state}"), state) for state in RECORD_STATES]
        self.state = W.ToggleButtons(options=states, description=self.text("workplan.page.state"))
        self.moved = W.DatePicker(description=self.text("workplan.page.new_due"))
        self.done_on = W.DatePicker(description=self.text("workplan.page.done_on"))
        self.remark = W.Text(description=self.text("workplan.head.remark"), layout=WIDE)
        self.who = W.Text(description=self.text("workplan.page.who"))
        save = W.Button(description=self.text("workplan.page.record"), button_style="success")
        save.on_click(lambda _: self._guarded_in_words(self._record))
        self.task.observe(lambda _: self._show_record(), "value")
        dates = block(self.moved, self.done_on, self.who)
        about = heading(self.text("workplan.page.record"), self.text("workplan.page.record_about"))
        form = W.VBox([about, self.task, self.state, dates, self.remark, block(save), self.recorded])
        form.add_class("bl-panel")
        return W.VBox([self.listed, form])

    def _show_tasks(self) -> None:
        lang, rows = self.model.lang, self.model.tasks
        heading = self.text("workplan.page.tasks", n=len(rows))
        self.listed.value = views.panel(heading, register_views._task_table(rows, lang))
        name = "label_zh" if lang == "zh" else "label_en"
        options = [
            (workplan.harmless(f"{task} {label}", 80), task)
            for task, label in zip(rows["task"], rows[name], strict=True)
        ]
        if self.task.options != tuple(options):
            chosen = self.task.value
            self.task.options = options
            self.task.value = chosen if chosen in set(rows["task"]) else next((v for _, v in options), None)
        self._show_record()

    def _show_record(self) -> None:
        """Fill the form with what is recorded, so that saving changes only what was changed."""
        mine = self.model.records[self.model.records["task"] == self.task.value].to_dict("records")
        row = mine[0] if mine else {"state": "started", "due": None, "done_on": None, "note": ""}
        self.state.value, self.remark.value = row["state"], row["note"] or ""
        self.moved.value, self.done_on.value = row["due"], row["done_on"]

    def _record(self) -> None:
        if not self.task.value:
            return
        task = self.task.value
        self.model.record(
            task,
            state=self.state.value,
            who=self.who.value,
            due=self.moved.value,
            done_on=self.done_on.value,
            note=self.remark.value,
        )
        self.recorded.value = banner(self.text("workplan.page.recorded", task=task))

    def _guarded_in_words(self, act: Callable[[], None], told: W.HTML | None = None) -> None:
        """Run, and tell in the page's language what was refused, beside the button that was pressed."""
        place = told or self.recorded
        place.value = ""
        try:
            act()
        except (StoreError, workplan.LifeCycleError) as error:
            place.value = banner(error.message(self.model.lang), "error")
            self.model.renew()
            place.value = banner(error.message(self.model.lang), "error")
        except (BalanceError, ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
            self._guarded(partial(_raise, error))

    # Exports ---------------------------------------------------------------------------------------------------

    def _exports(self) -> W.Widget:
        self.export, self.made = html(), html()
        make = W.Button(description=self.text("workplan.page.make_exports"), button_style="info")
        make.on_click(lambda _: self._guarded_in_words(self._make_exports, self.export))
        tables = W.VBox([line(self.text("workplan.page.export_about")), block(make), self.export])
        waiting = [(self.text("workplan.page.preparing"), "")]
        self.paper = W.Dropdown(options=waiting, description=self.text("workplan.page.paper"))
        self.paper.layout.width = "min(100%, 420px)"
        write = W.Button(description=self.text("workplan.page.make_paper"), button_style="info")
        write.on_click(lambda _: self._guarded_in_words(self._make_paper, self.made))
        papers = W.VBox([line(self.text("workplan.page.paper_about")), block(self.paper, write), self.made])
        for box in (tables, papers):
            box.add_class("bl-panel")
        return W.VBox([papers, tables])

    def _source(self) -> reports.ReportSource | None:
        """Return what papers are made from now; None without figures."""
        from balance_lib.office import reports

        model, found = self.model, self.model.judged
        if found is None:
            return None
        county = model.county.county_id
        return reports.ReportSource(
            model.county,
            found,
            lang=model.lang,
            register=model.register,
            ledger=model.saved.ledger(county, model.standard_id),
            history=model.saved.history(county, model.standard_id),
            journals={name: model.journal(name) for name in workplan.JOURNALS},
        )

    def _show_papers(self) -> None:
        from balance_lib.office import reports

        source = self._source()
        offered = [] if source is None else [(reports.title(k, self.model.lang), k) for k in reports.keys(source)]
        if self.paper.options != tuple(offered):
            self.paper.options = offered

    def _make_paper(self) -> None:
        from balance_lib.office import reports

        self.model.renew()
        source = self._source()
        if source is not None and self.paper.value:
            made = reports.make(self.paper.value, source)
            self.made.value = views.download(made.name, made.content, made.mime, made.title)

    def _make_exports(self) -> None:
        """Write the files now: what is downloaded is what was saved when the button was pressed."""
        model, lang = self.model, self.model.lang
        model.renew()
        county = model.county
        tables = {
            "register": model.tasks.assign(label=model.tasks["label_zh" if lang == "zh" else "label_en"]),
            "schedule": model.schedule.assign(label=model.schedule["label_zh" if lang == "zh" else "label_en"]),
            "units": model.register.units,
            "problems": model.problems,
            "ledger": model.ledger(),
            "history": model.saved.history(county.county_id, model.standard_id),
        }
        links = [
            views.download(
                f"{county.county_id}-{model.standard_id}-{model.on}-{name}.csv",
                register_views.csv(rows, lang, model.stamp, on=model.on, synthetic=county.synthetic),
                "text/csv",
                self.text(f"workplan.export.{name}", n=len(rows)),
            )
            for name, rows in tables.items()
        ]
        self.export.value = part("box", lang, links)


def _raise(error: Exception) -> None:
    raise error
