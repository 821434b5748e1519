"""Say what a county wants of its layout of schools, before anything is computed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from balance_lib.planning.siting.sites import Site

Aim = Literal["walk", "fewest"]


def _rule(option: str) -> Any:
    """Return a field of a rule that holds unless it is switched off, with both its options of the command line."""
    return field(default=True, metadata={"option": option})


def _number(least: float | None, default: Any = None) -> Any:
    """Return a field of a number with the least it can be."""
    return field(default=default, metadata={"min": least})


@dataclass(frozen=True, kw_only=True)
class Goals:
    """Hold what a layout is wanted to do.

    How the radius, buses, boarding, the minutes of grades 1 to 3 and unit costs are reckoned is said by the scenario
    the plan is drawn for, not here: the goals say which of them a plan has to keep. The command ``balance optimise``
    takes its options, their defaults and their help from here, and the page its ticks.

    Parameters
    ----------
    aim : {"walk", "fewest"}
        ``walk``: with ``schools`` schools, the least total of extra pupil-metres. ``fewest``: the fewest schools that
        keep all limits, and with that number the least extra.
    schools : int, optional
        Schools of the stage to be open, new ones and those that must stay counted; without it the fewest that do.
    may_close : collection of school ids, or "all"
        Only these may close; nobody else. Empty: nothing may close.
    protected : collection of school ids
        May not close whatever ``may_close`` says.
    new_sites : collection of Site
        Places where a school may open.
    max_distance_m : float, optional
        Nobody who changes school may have farther than this; those who stay are as they are.
    radius : bool
        Who changes school walks within the scenario's radius, or rides beyond it by a bus within its minutes, or boards
        from the grade allowed where a bed is free.
    young : bool
        Grades 1 to 3 who change school are there within the scenario's minutes; they never board.
    min_size : float, optional
        Pupils of the stage a school that might have closed and stays open, or opens, must have.
    capacity : bool
        Schools take in only as many as they have places (classes × class cap, band by band); else the plan gives them
        the classes that lack, up to the size cap of a school, and counts what building them costs.
    township_minimum : bool
        Every township keeps one school of the stage: a central primary where it has one, a junior school.
    building_budget_yuan : float, optional
        Most that building may cost, once.
    running_budget_yuan : float, optional
        Most that running the schools may cost a year more than today; below zero it must save.
    gap : float
        Share at which a proof is good enough.
    mode : {"straight", "network", "terrain"}
        How distances are measured where no scenario is given.
    """

    aim: Aim = "walk"
    schools: int | None = _number(1)
    may_close: Collection[str] | Literal["all"] = ()
    protected: Collection[str] = ()
    new_sites: Collection[Site] = ()
    max_distance_m: float | None = _number(0)
    radius: bool = _rule("--keep-radius/--ignore-radius")
    young: bool = _rule("--keep-young/--ignore-young")
    min_size: float | None = _number(0)
    capacity: bool = _rule("--keep-places/--ignore-places")
    township_minimum: bool = _rule("--keep-townships/--ignore-townships")
    building_budget_yuan: float | None = _number(0)
    running_budget_yuan: float | None = _number(None)
    gap: float = _number(0, 0.0)
    mode: Literal["straight", "network", "terrain"] = "straight"

    @property
    def kept(self) -> dict[str, bool]:
        """Return the rules of the county's plan, and whether a layout has to keep each."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self) if "option" in spec.metadata}

    def __post_init__(self) -> None:
        if self.aim == "walk" and (self.schools is None or self.schools < 1):
            raise ValueError("how many schools to keep (schools=) must be said, at least 1")
        if self.aim not in ("walk", "fewest"):
            raise ValueError(f"aim must be walk or fewest; found {self.aim!r}")
        twice = {s.site_id for s in self.new_sites}
        if len(twice) != len(self.new_sites):
            raise ValueError(f"new_sites name a site twice: {sorted(s.site_id for s in self.new_sites)}")
