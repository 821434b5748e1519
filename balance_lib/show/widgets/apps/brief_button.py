"""Hand out the brief as one file from a page: written when asked for, a button that becomes a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as W  # noqa: N812

from balance_lib.scenarios import Scenario
from balance_lib.show.widgets import views
from balance_lib.show.widgets.apps.page import Page


class BriefButton(W.HBox):
    """Write the brief of what a page shows, with the scenarios it compares.

    Parameters
    ----------
    page : Page
        Whose county, year, standard and language are taken; what goes wrong is told there.
    plans : callable
        Returns the scenarios to compare when the button is pressed.
    """

    def __init__(self, page: Page, plans: Callable[[], Sequence[Scenario]] = tuple) -> None:
        self.page, self.plans = page, plans
        self.ask = W.Button(description=page.text("brief.button"), tooltip=page.text("brief.button_about"))
        self.link = W.HTML()
        self.ask.on_click(lambda _: page.on(self._write))
        page.model.observe(lambda _: self._forget(), "revision")
        super().__init__([self.ask, self.link])

    def _write(self) -> None:
        from balance_lib.show.widgets import brief  # the board and the map's data: only who asks pays for them

        model = self.page.model
        self.ask.disabled = True
        try:
            document = brief.write(model, self.plans())
        finally:
            self.ask.disabled = False
        name = f"{model.county_id}-{model.year}-{model.standard_id}-brief.html"
        self.link.value = views.download(name, document.encode("utf-8"), "text/html", self.page.text("brief.save"))

    def _forget(self) -> None:
        """Take the link away: it is of another year, county or standard."""
        self.link.value = ""
