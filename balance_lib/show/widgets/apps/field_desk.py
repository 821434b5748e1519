"""Follow the work in the field: pairs and visits at one desk, schedules of places, reports and works at another."""

from __future__ import annotations

from typing import Any

import ipywidgets as W  # noqa: N812
from markupsafe import Markup

from balance_lib.locale import text
from balance_lib.office import workplan
from balance_lib.show.plots import workplan as plots
from balance_lib.show.widgets import journal_views, views
from balance_lib.show.widgets.apps.journal_form import Guard, JournalForm
from balance_lib.show.widgets.apps.page import heading, html
from balance_lib.show.widgets.figure import SlimFigure
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.running import RunModel


class _Desk(W.VBox):
    """Show tables made from journals above the forms that fill them.

    Parameters
    ----------
    model : RunModel
    guarded : callable
        Runs a function and writes what was refused into the HTML widget given with it.
    """

    journals: tuple[str, ...] = ()

    def __init__(self, model: RunModel, guarded: Guard) -> None:
        self.model, self.shown = model, html()
        self.forms = {name: JournalForm(model, name, guarded) for name in self.journals}
        super().__init__([*self._above(), *self.forms.values()])

    def text(self, key: str, **params: Any) -> str:
        """Return a text in the page's language."""
        return text(key, self.model.lang, **params)

    def _above(self) -> list[W.Widget]:
        return [self.shown]

    def update(self) -> None:
        """Show the journals as they stand."""
        panels = [views.panel(title, content) for title, content in self._panels()]
        self.shown.value = part("box", self.model.lang, panels, "stack")
        for form in self.forms.values():
            form.update()

    def _panels(self) -> list[tuple[str, Markup]]:
        raise NotImplementedError


class VisitDesk(_Desk):
    """Show which department looks after which school, overdue visits first, and take visits down."""

    journals = ("visits", "pairings")

    def _panels(self) -> list[tuple[str, Markup]]:
        model, lang = self.model, self.model.lang
        pairs, plan = model.pairs, model.standard.plan
        visits = workplan.named(model.journal("visits"), model.county, lang)
        counts = {s: int((pairs["status"] == s).sum()) for s in ("overdue", "never")}
        title = self.text("journal.page.pairs", n=len(pairs), late=counts["overdue"], never=counts["never"])
        code = plan.pairing if plan else None
        said = journal_views.said(model.standard, code, "journal.page.no_pairing", lang)
        said += part("line", lang, self.text("journal.page.no_names") if code else "")
        return [
            (title, said + journal_views._pair_table(pairs, lang)),
            (self.text("journal.page.log", n=len(visits)), journal_views._visit_table(visits, lang)),
        ]


class PlaceDesk(_Desk):
    """Show each place's own schedule against what is done, progress reports and works, and take them down."""

    journals = ("milestones", "progress_reports", "works")

    def _above(self) -> list[W.Widget]:
        self.curve = SlimFigure(lang=self.model.lang)
        self.drawn = W.VBox([heading(self.text("journal.page.curve")), self.curve])
        self.drawn.add_class("bl-panel")
        return [self.shown, self.drawn]

    def update(self) -> None:
        """Show the journals as they stand, and the curve of all places together."""
        super().update()
        # A register of works is for plans that build, and for offices that keep one all the same.
        plan = self.model.standard.plan
        wanted = (plan is not None and plan.works is not None) or len(self.model.journal("works")) > 0
        self.forms["works"].layout.display = "" if wanted else "none"
        rows = workplan.place_curve(self.model.journal("milestones"), self.model.on)
        self.drawn.layout.display = "" if len(rows) else "none"
        if len(rows):
            self.curve.replace(plots.progress(rows, self.model.on, lang=self.model.lang))

    def _panels(self) -> list[tuple[str, Markup]]:
        model, lang, plan = self.model, self.model.lang, self.model.standard.plan
        places, reports = model.places, workplan.report_table(model.journal("progress_reports"), model.on)
        own, asked = (plan.own_schedules, plan.reporting) if plan else (None, None)
        title = self.text("journal.page.places", n=len(places), behind=int((places["behind"] > 0).sum()))
        said = journal_views.said(model.standard, own, "journal.page.no_schedules", lang)
        if plan and plan.pilots:
            first = self.text("workplan.page.first", n=len(plan.pilots), names="、".join(plan.pilots))
            said += part("line", lang, first)
        out = [(title, said + journal_views._place_table(places, lang))]
        pilots = workplan.pilots_against_rest(model.journal("milestones"), model.county, model.standard, model.on)
        if len(pilots) and len(places):
            out.append((self.text("journal.page.pilots"), journal_views._pilot_table(pilots, lang)))
        late = int((reports["days_late"] > 0).sum())
        said = journal_views.said(model.standard, asked, "journal.page.no_reporting", lang)
        said += part("line", lang, self.text("journal.page.no_interval") if asked else "")
        table = journal_views._report_table(reports, lang)
        out.append((self.text("journal.page.reports", n=len(reports), late=late), said + table))
        works = workplan.works_table(model.journal("works"), model.county, model.standard, model.on)
        if len(works):
            table = journal_views._works_table(model.county.translated(works, lang), lang)
            out.append((self.text("journal.page.works"), table))
        return out
