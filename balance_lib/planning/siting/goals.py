"""Say what a county wants of its layout of schools, before anything is computed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from balance_lib.planning.siting.sites import Site

Aim = Literal["walk", "fewest"]


@dataclass(frozen=True, kw_only=True)
class Goals:
    """Hold what a layout is wanted to do.

    How the radius, buses, boarding, the minutes of grades 1 to 3 and unit costs are reckoned is said by the scenario
    the plan is drawn for, not here: the goals say which of them a plan has to keep.

    Parameters
    ----------
    aim : {"walk", "fewest"}
        ``walk``: with ``schools`` schools, the least total of extra pupil-metres. ``fewest``: the fewest schools that
        keep all limits, and with that number the least extra.
    schools : int, optional
        Schools of the stage to be open, those counted that nobody may close and those that open; needed with ``walk``.
    may_close : collection of school ids, or "all"
        Only these may close; nobody else. Empty: nothing may close.
    protected : collection of school ids
        May not close whatever ``may_close`` says.
    new_sites : collection of Site
        Places where a school may open.
    max_distance_m : float, optional
        Nobody who changes school may have farther than this; those who stay are as they are.
    radius : bool
        Whether everybody who changes school must be brought there: on foot within the scenario's radius, beyond it by
        a bus within its minutes, or boarding from the grade allowed where a bed is free.
    young : bool
        Whether grades 1 to 3 who change school must be there within the scenario's minutes; they never board.
    min_size : float, optional
        A school that might have closed and stays open, or opens, must have at least so many pupils of the stage.
    capacity : bool
        Whether schools may take in only as many as they have places (classes × class cap, band by band).
    township_minimum : bool
        Whether every township keeps one school of the stage: a central primary where it has one, a junior school.
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
    schools: int | None = None
    may_close: Collection[str] | Literal["all"] = ()
    protected: Collection[str] = ()
    new_sites: Collection[Site] = ()
    max_distance_m: float | None = None
    radius: bool = False
    young: bool = False
    min_size: float | None = None
    capacity: bool = True
    township_minimum: bool = False
    building_budget_yuan: float | None = None
    running_budget_yuan: float | None = None
    gap: float = 0.0
    mode: Literal["straight", "network", "terrain"] = "straight"

    def __post_init__(self) -> None:
        if self.aim == "walk" and (self.schools is None or self.schools < 1):
            raise ValueError("how many schools to keep (schools=) must be said, at least 1")
        if self.aim not in ("walk", "fewest"):
            raise ValueError(f"aim must be walk or fewest; found {self.aim!r}")
        twice = {s.site_id for s in self.new_sites}
        if len(twice) != len(self.new_sites):
            raise ValueError(f"new_sites name a site twice: {sorted(s.site_id for s in self.new_sites)}")
