"""Frame a page: what it shows is chosen at the top, and whatever goes wrong is told in words."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import ipywidgets as W  # noqa: N812

from balance_lib import standards
from balance_lib._errors import BalanceError, DataError, reason
from balance_lib.locale import text
from balance_lib.show.widgets import lacking, request, views
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.markup import part, render
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.style import banner, style

log = logging.getLogger(__name__)


def warm() -> None:
    """Do before anybody comes what does not depend on who comes: open the first county and judge it."""
    if os.environ.get(request.REHEARSED):
        return
    found = PageModel(Library.default())
    if found.county_id:
        _ = found.evaluation


def model(kind: type[PageModel] = PageModel) -> PageModel:
    """Return the state the page's address asks for."""
    asked = request.query()
    return kind(Library.default(), {**asked, "lang": request.language(asked)})


def block(*children: W.Widget, kind: str = "") -> W.Box:
    """Return widgets in a box laid out by our style sheet."""
    box = W.Box(children)
    for name in (kind or "bl-row").split():
        box.add_class(name)
    return box


def html(content: str = "") -> W.HTML:
    """Return a piece of HTML as a widget."""
    return W.HTML(content)


def line(words: str, kind: str = "") -> W.HTML:
    """Return a paragraph as a widget; kind is muted or answer.

    Parameters
    ----------
    words : str
    kind : {"", "muted", "answer"}
    """
    return W.HTML(part("line", "zh", words, kind))


def heading(words: str, note: str = "", kind: str = "") -> W.HTML:
    """Return a heading as a widget, with a paragraph below where there are words for it.

    Parameters
    ----------
    words, note, kind : str
        The heading, the paragraph below, a class of the style sheet.
    """
    return W.HTML(part("heading", "zh", words, note, kind))


class Page(W.VBox):
    """Frame one page over a model; a page fills ``body`` in :meth:`build` and renews it in :meth:`update`.

    Parameters
    ----------
    model : PageModel, optional
        What to show; by default what the page's address asks for.
    """

    name = ""
    shows: ClassVar[type[PageModel]] = PageModel

    def __init__(self, shown: PageModel | None = None) -> None:
        self.model = shown or model(self.shows)
        self._quiet = self._blocked = False
        self._later: asyncio.TimerHandle | None = None
        self.note, self.asked = html(), html()
        self.body = W.VBox()
        self._choices = self._chooser()
        self.problem, self.lacking = html(), html()
        head = block(self._title(), self._choices, kind="bl-head")
        within = [] if self.name == "overview" else [self.lacking]  # the overview says it in the place of its map
        super().__init__([style(), head, self.asked, self.note, self.problem, *within, self.body])
        self.add_class("bl-app")
        self._guarded(self.build)
        self._renew()
        self.model.observe(lambda _: self._renew(), "revision")

    def build(self) -> None:
        """Make the widgets of the page once."""

    def update(self) -> None:
        """Show the model as it is now."""

    def text(self, key: str, **params: Any) -> str:
        """Return a text of this page in its language."""
        return text(key, self.model.lang, **params)

    def on(self, act: Callable[[], Any]) -> None:
        """Do what a control asks for, unless the page itself moves it or hides it; what goes wrong is told in words."""
        if not self._quiet and not self._blocked:
            self.problem.value = ""
            self._guarded(act)

    def quietly(self, act: Callable[[], Any]) -> None:
        """Set controls without their own change setting off the page again."""
        before, self._quiet = self._quiet, True
        try:
            act()
        finally:
            self._quiet = before

    def when_resting(self, act: Callable[[], Any], wait_s: float) -> None:
        """Do what takes longer once the hand has rested; at once where no event loop runs (tests, scripts).

        Parameters
        ----------
        act : Callable[[], object]
            What is done.
        wait_s : float
            Seconds to wait.
        """
        if self._later is not None:
            self._later.cancel()
            self._later = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._guarded(act)
            return
        self._later = loop.call_later(wait_s, lambda: self._guarded(act))

    def _title(self) -> W.HTML:
        return html(render("title", self.model.lang, name=self.name))

    def _chooser(self) -> W.Box:
        """Return the choice of county, year and standard; a change is taken over at once."""
        lang = self.model.lang
        names = self.model.library.names(lang)
        self.county = W.Dropdown(
            options=[(v, k) for k, v in names.items()], description=self.text("page.choose.county")
        )
        self.year = W.Dropdown(description=self.text("page.choose.year"))
        listed = [(standards.load(i).title(lang), i) for i in standards.ids()]
        self.standard = W.Dropdown(options=listed, description=self.text("page.choose.standard"))
        self.standard.layout.width = "min(100%, 560px)"
        self._show_choice()
        self.county.observe(lambda c: self.model.choose(county=c["new"]), "value")
        self.year.observe(lambda c: self.model.choose(year=c["new"]) if c["new"] else None, "value")
        self.standard.observe(lambda c: self.model.choose(standard=c["new"]), "value")
        return block(self.county, self.year, self.standard)

    def _show_choice(self) -> None:
        if not self.model.county_id:
            return
        known = [] if self.model.fault else self.model.county.years
        years = [(self.text("page.school_year", year=y, after=y + 1), y) for y in known]
        if tuple(years) != self.year.options:
            self.year.options = years
        self.county.value, self.standard.value = self.model.county_id, self.model.standard_id
        self.year.value = self.model.year if self.model.year in known else None

    def _renew(self) -> None:
        self.problem.value = ""
        if not self.model.county_id:
            self.problem.value = banner(self.text("page.no_county"))
            self.body.layout.display = "none" if self.name != "data" else ""
            return
        # What could not be renewed would show the figures of something else.
        whole = self._guarded(self._renew_guarded)
        self.body.layout.display = "" if (whole and not self._blocked) or self.name == "data" else "none"
        self.asked.value = "".join(
            banner(f"{lack.message(self.model.lang)} {self.text('page.shown_instead')}", "error")
            for lack in self.model.lacks
        )

    def _renew_guarded(self) -> None:
        with self.hold_trait_notifications():
            self._show_choice()
        if self.model.fault is not None:
            self.note.value, self.lacking.value = banner(self.text("page.county_unreadable"), "error"), ""
            self.without_county()
            raise self.model.fault
        self.note.value = views._synthetic(self.model.county, self.model.lang)
        self.lacking.value = lacking._panel(self.model, self.name)
        self._blocked = lacking._blocks(self.model, self.name)
        if not self._blocked:
            self.update()

    def without_county(self) -> None:
        """Show what can be shown although the county chosen cannot be read."""

    def _guarded(self, act: Any) -> bool:
        """Run, and tell what goes wrong in words; a reader never sees a traceback. Return whether all went well."""
        try:
            act()
        except DataError as error:
            self.problem.value = "".join(banner(f.sentence(self.model.lang), "error") for f in error.faults[:20])
        except BalanceError as error:
            self.problem.value = banner(error.message(self.model.lang), "error")
        except OSError as error:
            log.exception("page %s", self.name)
            self.problem.value = banner(self.text("error.refused", why=reason(error, self.model.lang)), "error")
        except Exception as error:
            log.exception("page %s", self.name)
            self.problem.value = banner(self.text("error.unexpected", detail=type(error).__name__), "error")
        else:
            return True
        return False


def tabs(parts: Sequence[tuple[str, W.Widget]]) -> W.Tab:
    """Return parts of a page under tabs."""
    found = W.Tab([part for _, part in parts])
    for at, (title, _) in enumerate(parts):
        found.set_title(at, title)
    return found
