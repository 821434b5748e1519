"""Hold a plan's progress against its dates: the share of tasks due by each day beside the share done."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, timedelta

import pandas as pd

COLUMNS = ("day", "planned_share", "actual_share")


def curve(tasks: pd.DataFrame, on: date, *, starts: date, seen: Iterable[tuple[date, set[str]]] = ()) -> pd.DataFrame:
    """Return planned and actual progress over the days of a plan (the S-curve).

    Planned is the share of dated tasks whose day has come. Actual is the share done: by the day a task was recorded
    done, or by the days on which figures were looked at. Days after ``on``, and days before anything was known, have
    no actual share.

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
    >>> rows["due"] = [date(2020, 1, 31), date(2020, 3, 31)]
    >>> found = curve(pd.DataFrame(rows), date(2020, 4, 1), starts=date(2020, 1, 1))
    >>> found.set_index("day").loc[date(2020, 4, 1)].tolist()
    [1.0, 0.5]
    """
    dated = tasks[(tasks["recurring"] == "") & tasks["due"].notna()]
    if dated.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    looked = sorted(seen)
    recorded = {t: d for t, d in zip(dated["task"], dated["done_on"], strict=True) if d is not None and d == d}
    now = set(dated.loc[dated["status"] == "done", "task"])
    dues = list(dated["due"])
    days = {starts, on, *dues, *(due - timedelta(days=1) for due in dues if due > starts)}
    days |= {day for day in (*recorded.values(), *(day for day, _ in looked)) if day >= starts}
    known = min([*recorded.values(), *(day for day, _ in looked), on])
    mine = set(dated["task"])
    rows = []
    for day in sorted(days):
        actual = math.nan
        if known <= day <= on:
            found = next((done for when, done in reversed(looked) if when <= day), set()) if day < on else now
            actual = len((found & mine) | {t for t, when in recorded.items() if when <= day}) / len(dated)
        rows.append((day, sum(due <= day for due in dues) / len(dated), actual))
    return pd.DataFrame(rows, columns=list(COLUMNS))
