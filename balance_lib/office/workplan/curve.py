"""Hold a plan's progress against its dates: how much should be done by each day beside the share done."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date

import pandas as pd

from balance_lib.office.workplan.units import _planned_share, dated

COLUMNS = ("day", "planned_share", "actual_share")


def curve(tasks: pd.DataFrame, on: date, *, starts: date, seen: Iterable[tuple[date, set[str]]] = ()) -> pd.DataFrame:
    """Return planned and actual progress over the days of a plan (the S-curve).

    Planned grows evenly over each task's own span, from its first day to its date. Actual is the share done: by the day
    a task was recorded done, or by the days on which figures were looked at. Days after ``on``, and days before
    anything was known, have no actual share.

    Parameters
    ----------
    tasks : DataFrame
        A register's tasks on the day ``on``.
    on : date
    starts : date
        First day of the plan.
    seen : iterable of (day, tasks found done by the figures of that day)

    Returns
    -------
    DataFrame
        day, planned_share, actual_share (0 to 1).

    Examples
    --------
    >>> rows = {"task": ["A", "B"], "recurring": "", "status": ["done", "late"], "done_on": [date(2020, 2, 1), None]}
    >>> rows |= {"starts": date(2020, 1, 1), "due": [date(2020, 1, 31), date(2020, 3, 31)]}
    >>> found = curve(pd.DataFrame(rows), date(2020, 2, 15), starts=date(2020, 1, 1))
    >>> found.set_index("day").loc[date(2020, 2, 15)].round(2).tolist()
    [0.75, 0.5]
    """
    rows = dated(tasks)
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    looked = sorted(seen)
    recorded = {t: d for t, d in zip(rows["task"], rows["done_on"], strict=True) if d is not None and d == d}
    now = set(rows.loc[rows["status"] == "done", "task"])
    days = {starts, on, *rows["due"], *(day for day in rows["starts"] if day is not None)}
    days |= {date(n // 12, n % 12 + 1, 1) for n in range(12 * starts.year + starts.month, _month(max(rows["due"])))}
    days |= {*recorded.values(), *(day for day, _ in looked)}
    known = min([*recorded.values(), *(day for day, _ in looked), on])
    names = set(rows["task"])
    out = []
    for day in sorted(day for day in days if day >= starts or day in set(rows["due"])):
        actual = math.nan
        if known <= day <= on:
            found = next((done for when, done in reversed(looked) if when <= day), set()) if day < on else now
            actual = len((found & names) | {t for t, when in recorded.items() if when <= day}) / len(rows)
        out.append((day, _planned_share(rows, day), actual))
    return pd.DataFrame(out, columns=list(COLUMNS))


def _month(day: date) -> int:
    """Return a month as a number that counts on over the years, January of a year being twelve times the year."""
    return 12 * day.year + day.month - 1
