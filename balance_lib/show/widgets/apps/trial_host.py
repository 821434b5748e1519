"""Say what the consolidation page gives its tools: the scenario, its map, and how to show what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from balance_lib.show.widgets.apps.page import Page

if TYPE_CHECKING:
    from balance_lib.scenarios import Outcome, Scenario
    from balance_lib.show.widgets.county_map import CountyMap
    from balance_lib.show.widgets.trial import Trial


class _SchoolList(Protocol):
    """What the other tools ask of the list of schools."""

    list: Any  # the widget whose value is the chosen school

    def choose(self, school_id: str) -> None:
        """Choose a school."""

    def show(self) -> None:
        """Show the scenario as it is now."""


class TrialHost(Page):
    """Hold one scenario that several tools work on."""

    plan: Trial | None
    chart: CountyMap | None
    tools: _SchoolList

    def follow(self) -> None:
        """Show what follows from a change of the scenario."""
        raise NotImplementedError

    def picture(self, found: Outcome) -> CountyMap:
        """Return a small map of an outcome, to stand beside others."""
        raise NotImplementedError

    def take(self, scenario: Scenario) -> None:
        """Take over a saved scenario."""
        raise NotImplementedError
