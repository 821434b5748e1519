"""Keep a plan's programme of building works: so many weak schools a township and year, area, cost, and what is done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import pandas as pd

from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation
from balance_lib.standards import Item, Standard

YUAN = {"10k yuan": 10_000.0, "yuan": 1.0}


@dataclass(frozen=True)
class Programme:
    """Hold a programme of works.

    ``yearly`` has one row a year: year, per_township, townships, required (projects in all townships together; NaN
    without the county), cumulative. ``area_done_m2`` and ``investment_done_yuan`` are what the figures of the year say
    (NaN without).
    """

    yearly: pd.DataFrame
    per_township: float
    area_m2: float
    investment_yuan: float
    area_done_m2: float = math.nan
    investment_done_yuan: float = math.nan

    @property
    def yuan_per_m2(self) -> float:
        """Return the planned cost of a square metre."""
        return self.investment_yuan / self.area_m2 if self.area_m2 else math.nan


def programme(
    standard: Standard, county: County | None = None, evaluation: Evaluation | None = None
) -> Programme | None:
    """Return a plan's programme of works; None where the plan has none.

    Parameters
    ----------
    standard : Standard
    county : County, optional
        Gives the number of townships.
    evaluation : Evaluation, optional
        Gives what is built and spent by the figures of its year.

    Examples
    --------
    >>> from balance_lib import standards
    >>> found = programme(standards.load("jiaohe_2009"))
    >>> found.per_township, found.area_m2, found.investment_yuan
    (2.0, 86223.0, 103930000.0)
    """
    works = standard.plan.works if standard.plan else None
    if works is None:
        return None
    each = _number(standard.item(works.yearly))
    places = math.nan if county is None or county.tables["townships"].empty else float(len(county.tables["townships"]))
    rows = [
        (year, each, places, each * places, each * places * (at + 1))
        for at, year in enumerate(range(works.first_year, works.last_year + 1))
    ]
    heads = ["year", "per_township", "townships", "required", "cumulative"]
    return Programme(
        yearly=pd.DataFrame(rows, columns=heads),
        per_township=each,
        area_m2=_number(standard.item(works.area)) if works.area else math.nan,
        investment_yuan=_yuan(standard.item(works.investment)) if works.investment else math.nan,
        area_done_m2=_found(evaluation, works.area),
        investment_done_yuan=_found(evaluation, works.investment),
    )


def required_by(found: Programme, on: date) -> float:
    """Return how many projects the plan wants finished by the end of the last year that is over on a day.

    Parameters
    ----------
    found : Programme
    on : date
        Day it is judged on.
    """
    over = found.yearly[found.yearly["year"] < on.year]
    return 0.0 if over.empty else float(over["required"].sum())


def _number(item: Item) -> float:
    return float(item.value) if isinstance(item.value, (int, float)) else math.nan


def _yuan(item: Item) -> float:
    return _number(item) * YUAN.get(item.unit, math.nan)


def _found(evaluation: Evaluation | None, code: str | None) -> float:
    if evaluation is None or code is None or code not in evaluation.standard.by_code:
        return math.nan
    result = evaluation.item(code)
    return float(result.value) * YUAN.get(result.item.unit, 1.0)
