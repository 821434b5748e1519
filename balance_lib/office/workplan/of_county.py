"""Run a plan for a county: its register on a day by the figures known then, and its progress over the plan."""

from __future__ import annotations

from datetime import date

import pandas as pd

from balance_lib import evaluation
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation
from balance_lib.office.workplan.curve import curve
from balance_lib.office.workplan.register import Register, register
from balance_lib.standards import Standard


def year_of(county: County, on: date) -> int | None:
    """Return the school year whose figures a day goes by: the one running then, or the last one before it.

    A school year begins on 1 September. None when the county has no figures so early.

    Parameters
    ----------
    county : County
    on : date
        Day it is judged on.
    """
    running = on.year if on.month >= 9 else on.year - 1
    return max((year for year in county.years if year <= running), default=None)


def judged(county: County, standard: Standard, on: date) -> Evaluation | None:
    """Return the county judged on a day by the figures known then; None when there are none.

    Parameters
    ----------
    county : County
    standard : Standard
    on : date
        Day it is judged on.
    """
    return _judged(county, standard, on)


def _judged(county: County, standard: Standard, on: date, *, by_school: bool = True) -> Evaluation | None:
    year = year_of(county, on)
    return None if year is None else evaluation.evaluate(county, standard, year=year, on=on, by_school=by_school)


def register_of(
    county: County,
    standard: Standard,
    on: date,
    *,
    records: pd.DataFrame | None = None,
    found: Evaluation | None = None,
) -> Register:
    """Return a county's register on a day.

    Parameters
    ----------
    county : County
    standard : Standard
        The plan.
    on : date
    records : DataFrame, optional
        What the office recorded of its tasks.
    found : Evaluation, optional
        The result of :func:`judged`, where it is there already; one of another day is judged again.
    """
    known = found if found is not None and found.on == on else _judged(county, standard, on, by_school=False)
    return register(standard, on, evaluation=known, evidence=county.tables["evidence"], records=records)


def curve_of(county: County, shown: Register) -> pd.DataFrame:
    """Return a county's planned and actual progress up to the register's day; see :func:`curve`.

    The figures are looked at on the first day of the plan, on 1 September of every school year in it, and on every day
    a finding was recorded.

    Parameters
    ----------
    county : County
    shown : Register
    """
    standard, plan = shown.standard, shown.standard.plan
    if plan is None or not ((shown.tasks["recurring"] == "") & shown.tasks["due"].notna()).any():
        return pd.DataFrame(columns=["day", "planned_share", "actual_share"])
    looks = [*(date(year, 9, 1) for year in county.years), *_recorded(county, standard)]
    days = sorted({min(plan.starts, shown.on), *(day for day in looks if plan.starts < day <= shown.on)})
    seen = []
    for day in days:
        then = register_of(county, standard, day)
        seen.append((day, set(then.tasks.loc[then.tasks["status"] == "done", "task"])))
    return curve(shown.tasks, shown.on, starts=plan.starts, seen=seen)


def _recorded(county: County, standard: Standard) -> list[date]:
    """Return the days on which evidence for the plan's items was recorded."""
    papers = county.tables["evidence"]
    days = papers.loc[papers["standard"] == standard.id, "recorded_on"].dropna()
    return [date.fromisoformat(str(day)[:10]) for day in days.unique()]
