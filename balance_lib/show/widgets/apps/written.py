"""Hand out files from a page that are written when they are asked for: a button that becomes links."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as W  # noqa: N812

from balance_lib.scenarios import Scenario
from balance_lib.show.widgets import views
from balance_lib.show.widgets.apps.page import Page


class WrittenFiles(W.HBox):
    """Write files when the button is pressed, and show their links until what they rest on changes.

    Parameters
    ----------
    page : Page
        Whose model the files rest on; what goes wrong is told there.
    label : str
        On the button.
    write : callable
        Returns the links.
    about : str
        Shown when the pointer rests on the button.
    """

    def __init__(self, page: Page, label: str, write: Callable[[], str], about: str = "") -> None:
        self.page, self.write = page, write
        self.ask = W.Button(description=label, tooltip=about or label)
        self.link = W.HTML()
        self.ask.on_click(lambda _: page.on(self._write))
        page.model.observe(lambda _: self.forget(), "revision")
        super().__init__([self.ask, self.link])

    def _write(self) -> None:
        self.ask.disabled = True
        try:
            self.link.value = self.write()
        finally:
            self.ask.disabled = False

    def forget(self) -> None:
        """Take the links away: they are of something else."""
        self.link.value = ""


def _brief_button(page: Page, plans: Callable[[], Sequence[Scenario]] = tuple) -> WrittenFiles:
    """Return the button for the brief of what a page shows, with the scenarios it compares."""

    def write() -> str:
        from balance_lib.show.widgets import brief  # the board and the map's data: only who asks pays for them

        model = page.model
        name = f"{model.county_id}-{model.year}-{model.standard_id}-brief.html"
        content = brief.write(model, plans()).encode("utf-8")
        return views.download(name, content, "text/html", page.text("brief.save"))

    return WrittenFiles(page, page.text("brief.button"), write, page.text("brief.button_about"))
