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

from balance_lib.optimise.solution import Floats
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
    pair : array of float, shape (points, sites)
        Yuan a year for bus and boarding of those who go there.
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
    pair: Floats
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
        boarder = price("boarder") + price("board_subsidy")
        pair = price("bus_rider") * drawn.travel.riders + boarder * drawn.travel.boarders
        rows, before = np.arange(drawn.home.size), drawn.boarding.sum(axis=1)
        pair[rows, drawn.home] = price("bus_rider") * _staying_riders(drawn) + boarder * before
        least = np.where(small, default("small_school"), 0.0)
        ratio = default(f"pupils_per_teacher_{stage}")
        found = cls(
            fixed, np.where(drawn.new, np.array(built, float), 0.0), pair, classes * default("teachers_per_class"),
            least, price("teacher"), price(f"public_funds_{stage}"), ratio, 0.0,
        )  # fmt: skip
        now = found.running(~drawn.new, drawn.rolls) + float(pair[rows, drawn.home].sum())
        return replace(found, staying=now)

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


def _staying_riders(drawn: CountyLayout) -> Floats:
    """Return who rides to today's school once buses run: day pupils beyond the radius."""
    rows = np.arange(drawn.home.size)
    rides = drawn.travel.riders[rows, drawn.home] > 0
    return np.where(rides, drawn.pupils - drawn.boarding.sum(axis=1), 0.0)
