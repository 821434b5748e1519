"""Say how far each school is driven towards the 2017 standard by its county, and where it is left short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import standards
from balance_lib.data.demo.demography import along
from balance_lib.data.demo.layout import School

INDICATORS = {
    "higher_degree_teachers": "L1",
    "backbone_teachers": "L2",
    "pe_arts_teachers": "L3",
    "teaching_area": "L4",
    "sports_area": "L5",
    "equipment": "L6",
    "multimedia_rooms": "L7",
}

FLOOR = 0.85  # share of a requirement that the one indicator a school may miss must still reach
PUSHED = 0.5  # a county that pushes this hard also decides who is left short


@dataclass(frozen=True)
class Aims:
    """Hold the push of a county and each school's factor of every requirement.

    Parameters
    ----------
    push : mapping of int to float
        How hard the county works for the standard, by year: 0 not at all, 1 until every school meets it.
    factor : mapping of str to mapping of str to float
        By school and indicator: above 1 it ends with some reserve, below 1 it is left short.
    """

    push: Mapping[int, float]
    factor: Mapping[str, Mapping[str, float]]

    def value(self, school_id: str, indicator: str, stage: str, year: int) -> float:
        """Return the value of an indicator that a school is driven to; 0 where the county does not push.

        Parameters
        ----------
        school_id : str
        indicator : str
        stage : {"primary", "junior"}
        year : int
        """
        if stage not in standards.STAGES:
            return 0.0
        return _required(indicator, stage) * self.factor[school_id][indicator] * along(self.push, year)

    def target(self, table: pd.DataFrame, indicator: str) -> Any:
        """Return that value for every row of the panel; special schools are left out.

        Parameters
        ----------
        table : DataFrame
        indicator : str
        """
        columns = (table[name] for name in ("school_id", "stage", "year", "kind_now"))
        return np.array(
            [0.0 if k == "special" else self.value(i, indicator, s, y) for i, s, y, k in zip(*columns, strict=True)]
        )

    def limit(self, school_id: str, indicator: str, stage: str, year: int) -> float:
        """Return the value above which a school that is left short does not get; infinite for the others.

        Parameters
        ----------
        school_id : str
        indicator : str
        stage : {"primary", "junior"}
        year : int
        """
        factor = self.factor[school_id][indicator]
        if stage not in standards.STAGES or factor >= 1 or along(self.push, year) < PUSHED:
            return np.inf
        return _required(indicator, stage) * factor

    def most(self, table: pd.DataFrame, indicator: str) -> Any:
        """Return the most units (teachers, rooms) per 100 pupils of schools that are left short.

        Parameters
        ----------
        table : DataFrame
        indicator : str
        """
        columns = (table[name] for name in ("school_id", "stage", "year", "kind_now", "pupils"))
        return np.array(
            [
                np.inf if k == "special" else self.most_units(i, indicator, s, y, n)
                for i, s, y, k, n in zip(*columns, strict=True)
            ]
        )

    def most_units(self, school_id: str, indicator: str, stage: str, year: int, pupils: float) -> float:
        """Return the most units of one school; in a small one, a unit less would be far below: it is not left short.

        Parameters
        ----------
        school_id : str
        indicator : str
        stage : {"primary", "junior"}
        year : int
        pupils : float
        """
        limit = self.limit(school_id, indicator, stage, year)
        if not np.isfinite(limit):
            return float(np.inf)
        units = float(np.floor(round(limit * pupils / 100, 6)))
        slight = self.factor[school_id][indicator] >= FLOOR
        return float(np.inf) if slight and units < FLOOR * _required(indicator, stage) * pupils / 100 else units

    def need(self, table: pd.DataFrame, indicator: str) -> Any:
        """Return how many units (teachers, rooms) per 100 pupils make the target.

        Parameters
        ----------
        table : DataFrame
        indicator : str
        """
        return np.ceil(np.round(self.target(table, indicator) * table["pupils"].to_numpy() / 100, 6)).astype(int)


@cache
def _required(indicator: str, stage: str) -> float:
    """Return what the 2017 standard asks of an indicator."""
    return float(standards.load("quality_2017").by_code[f"{INDICATORS[indicator]}-{stage}"].value)


def build(schools: list[School], plan: Mapping[str, Any], rng: np.random.Generator) -> Aims:
    """Draw where schools are left short: many in one indicator but above 85 % of it, some in two or far below.

    Parameters
    ----------
    schools : list of School
    plan : mapping of str to object
        What the county's plan says of its schools.
    rng : Generator
        Source of chance; the same seed gives the same county.
    """
    factor = {}
    for school in schools:
        reserve = dict(zip(INDICATORS, 1.02 + 0.22 * rng.random(len(INDICATORS)), strict=True))
        weak = list(INDICATORS)[int(rng.integers(2, len(INDICATORS)))]
        second = list(INDICATORS)[int(rng.integers(len(INDICATORS)))]
        fate, depth = rng.random(2)
        if fate < plan["weak_share"]:
            reserve[weak] = 0.87 + 0.11 * depth
        if fate < plan["failing_share"]:
            reserve[second if second != weak else "sports_area"] = 0.62 + 0.2 * depth
        factor[school.school_id] = reserve
    return Aims(plan["push"], factor)
