"""Put what a layout costs as sums over sites and pairs, from the scenario's unit costs: a proxy, not a budget.

The same items as :func:`balance_lib.scenarios.accounts.costs`. Per school of the stage

    running cost = fixed + rider × pupils by bus + boarder × boarders + teacher × t + funds × f

with t = max(classes, ceil(pupils ÷ pupils per teacher)) teachers needed and f the pupils funds are paid for (a small
rural school: at least a hundred). Classes added beyond those there are not counted: within places there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from balance_lib.optimise.solution import Floats, Ints
from balance_lib.planning.siting.layouts import CountyLayout
from balance_lib.scenarios import default


@dataclass(frozen=True, eq=False)
class Rates:
    """Hold the rates of a county's layout.

    Parameters
    ----------
    fixed : array of float, shape (sites,)
        Yuan a year of a school that is open, whoever attends.
    building : array of float, shape (sites,)
        Yuan, once, of a new school.
    drawn : CountyLayout
    rider, boarder : float
        Yuan a year of a pupil by bus, and of one who boards.
    classes, least_funded : arrays of float, shape (sites,)
        Teachers needed, and pupils paid for, at least.
    teacher, funds : float
        Yuan a year of a teacher, and of a pupil.
    pupils_per_teacher : float
    staying : float
        Running cost by the same rates where nobody changes school.
    """

    fixed: Floats
    building: Floats
    drawn: CountyLayout
    rider: float
    boarder: float
    classes: Floats
    least_funded: Floats
    teacher: float
    funds: float
    pupils_per_teacher: float
    staying: float

    @classmethod
    def of(cls, drawn: CountyLayout) -> Rates:
        """Return the rates of a layout under its scenario's unit costs."""
        settings, stage = drawn.baseline.settings, drawn.stage
        frame = drawn.drawn.frame.loc[list(drawn.school_ids)]
        price = settings.unit_cost
        point = (frame["kind"] == "teaching_point").to_numpy()
        small = frame["kind"].isin(("primary", "teaching_point")) & (frame["location"] == "rural")
        fixed = price("site") + np.where(point, 0.0, price("office"))
        given = {s.site_id: s.building_yuan for s in drawn.goals.new_sites if s.building_yuan is not None}
        classes = frame[f"classes_{stage}"].astype(float).fillna(0.0).to_numpy()
        rooms = (frame["classes_primary"] + frame["classes_junior"]).astype(float).fillna(0.0).to_numpy()
        built = [given.get(s, n * price("classroom")) for s, n in zip(drawn.school_ids, rooms, strict=True)]
        least = np.where(small, default("small_school"), 0.0)
        ratio = default(f"pupils_per_teacher_{stage}")
        found = cls(
            fixed, np.where(drawn.new, np.array(built, float), 0.0), drawn, price("bus_rider"),
            price("boarder") + price("board_subsidy"), classes * default("teachers_per_class"), least,
            price("teacher"), price(f"public_funds_{stage}"), ratio, 0.0,
        )  # fmt: skip
        now = found.running(~drawn.new, drawn.rolls) + float(found.pair(np.arange(drawn.home.size), drawn.home).sum())
        return replace(found, staying=now)

    def pair(self, point: Ints, site: Ints) -> Floats:
        """Return the yuan a year for bus and boarding of the pupils of points at sites.

        Parameters
        ----------
        point, site : array of int, shape (pairs,)
            At their own school day pupils beyond the radius ride once buses run.
        """
        drawn, ways = self.drawn, self.drawn.travel.pairs(point, site)
        stays, before = drawn.home[point] == site, drawn.boarding[point].sum(axis=1)
        riders = np.where(stays, np.where(ways.riders > 0, drawn.pupils[point] - before, 0.0), ways.riders)
        return self.rider * riders + self.boarder * np.where(stays, before, ways.boarders)

    def running(self, is_open: Any, loads: Floats) -> float:
        """Return what schools with so many pupils cost a year, bus and boarding apart.

        Parameters
        ----------
        is_open : object
            Schools that are open.
        loads : array of float
            Pupils of each school.
        """
        teachers, funded = self.needed(loads)
        return float((self.fixed + self.teacher * teachers + self.funds * funded)[is_open].sum())

    def needed(self, loads: Floats) -> tuple[Floats, Floats]:
        """Return the teachers needed, and the pupils paid for, at schools with so many pupils."""
        teachers = np.maximum(np.ceil(loads / self.pupils_per_teacher - 1e-9), self.classes)
        return teachers, np.maximum(loads, self.least_funded)
