"""Build a scenario step by step on its county: each step returns a new draft, the last one asks what follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from balance_lib import scenarios
from balance_lib.scenarios import Operation, Outcome, Scenario
from balance_lib.shown import Shown

if TYPE_CHECKING:
    from balance_lib.show.desk.county import CountyDesk
    from balance_lib.standards import Standard


@dataclass(frozen=True, eq=False, repr=False)
class ScenarioDraft(Shown):
    """Hold a scenario and its county.

    Schools are named by id or by their Chinese or English name. Nothing is computed before :meth:`evaluate`.

    Parameters
    ----------
    county : CountyDesk
    scenario : Scenario

    Examples
    --------
    >>> import balance_lib as bl
    >>> draft = bl.open("akqi").scenario().close("AQ016")
    >>> [operation.verb for operation in draft.scenario.operations]
    ['close']
    """

    county: CountyDesk
    scenario: Scenario

    def keep(self, school: str) -> ScenarioDraft:
        """Protect a school."""
        return self._with(scenarios.Keep(school_id=self._id(school)))

    def close(self, *schools: str, **where_goods_go: str) -> ScenarioDraft:
        """Close schools; each village goes to the nearest school with places."""
        done = (scenarios.Close(school_id=self._id(school), **where_goods_go) for school in schools)  # type: ignore[arg-type]
        return self._with(*done)

    def merge(self, school: str, into: str) -> ScenarioDraft:
        """Close a school and send all its pupils to one named school.

        Parameters
        ----------
        school : str
            Id or name of the school.
        into : str
            School the pupils go to.

        Returns
        -------
        ScenarioDraft
        """
        return self._with(scenarios.Merge(school_id=self._id(school), into=self._id(into)))

    def to_point(self, school: str, top_grade: int = 6) -> ScenarioDraft:
        """Turn a primary school into a teaching point with grades 1 to ``top_grade`` (3 or 6).

        Parameters
        ----------
        school : str
            Id or name of the school.
        top_grade : int
            Highest grade that stays.

        Returns
        -------
        ScenarioDraft
        """
        return self._with(scenarios.ToPoint(school_id=self._id(school), top_grade=top_grade))

    def attach(self, school: str, host: str) -> ScenarioDraft:
        """Attach a small school to a central one; its pupils stay where they are.

        Parameters
        ----------
        school, host : str
            Ids or names.

        Returns
        -------
        ScenarioDraft
        """
        return self._with(scenarios.Attach(school_id=self._id(school), host_id=self._id(host)))

    def open(self, school: str, **how: Any) -> ScenarioDraft:
        """Open a new school, or one again that is closed; ``how`` as :class:`balance_lib.scenarios.Open`."""
        return self._with(scenarios.Open(school_id=school, **how))

    def resize(self, school: str, classes: int, stage: str = "primary") -> ScenarioDraft:
        """Give a stage of a school so many classes.

        Parameters
        ----------
        school : str
            Id or name of the school.
        classes : int
            Classes.
        stage : str
            ``primary`` or ``junior``.

        Returns
        -------
        ScenarioDraft
        """
        return self._with(scenarios.Resize(school_id=self._id(school), stage=stage, classes=classes))

    def boarding(self, school: str, places: int) -> ScenarioDraft:
        """Give a school so many beds.

        Parameters
        ----------
        school : str
            Id or name of the school.
        places : int
            Beds, in all.

        Returns
        -------
        ScenarioDraft
        """
        return self._with(scenarios.Boarding(school_id=self._id(school), places=places))

    def bus(self, school: str, villages: list[str], minutes: float) -> ScenarioDraft:
        """Run a school bus from villages (ids) to a school; ``minutes`` one way.

        Parameters
        ----------
        school : str
            Id or name of the school.
        villages : list of str
            Ids of villages.
        minutes : float
            Minutes.

        Returns
        -------
        ScenarioDraft
        """
        line = scenarios.BusLine(school_id=self._id(school), villages=tuple(villages), minutes=minutes)
        return self._with(line)

    def in_year(self, year: int) -> ScenarioDraft:
        """Judge it in a later school year, with the pupils projected for it."""
        return replace(self, scenario=replace(self.scenario, target_year=year))

    def settings(self, **changes: Any) -> ScenarioDraft:
        """Change how it is computed: ``bus_minutes=30``, ``walk_primary_m=3000``, ``assignment="transport"`` …

        See :class:`balance_lib.scenarios.Settings`.
        """
        return replace(self, scenario=self.scenario.with_settings(**changes))

    def evaluate(self, standard: Standard | str | None = None) -> Outcome:
        """Say what happens if: who goes where and loses what, what breaks, what it costs, what the standard says.

        Parameters
        ----------
        standard : Standard or str, optional
            The county's own plan by default, else the national one of 2017.
        """
        return scenarios.evaluate(self.county, self.scenario, standard=standard)

    def _with(self, *done: Operation) -> ScenarioDraft:
        return replace(self, scenario=self.scenario.with_operations(*done))

    def _id(self, school: str) -> str:
        return self.county.school_id(school, also=[o.school_id for o in self.scenario.operations])
