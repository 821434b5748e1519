"""Tell what each unit owes, by when, and who is behind: planned against actual."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import pandas as pd

STATUS_COLUMNS = ("done", "on_course", "late", "due_before_adoption", "blocked", "not_started", "undated")
COLUMNS = ("unit", "lead", "cooperating", *STATUS_COLUMNS, "next_due", "planned_share", "actual_share", "behind")


def _unit_table(
    tasks: pd.DataFrame, units: Mapping[str, tuple[Sequence[str], Sequence[str]]], on: date
) -> pd.DataFrame:
    """Return every unit of a plan with its tasks by status.

    Statuses and shares speak of the tasks a unit leads. ``planned_share`` is how much of its dated tasks should be done
    when each grows evenly over its own span, ``actual_share`` the share that is done, ``behind`` the first less the
    second where that is positive. Tasks of every year and standing duties have no place in the shares.

    Returns
    -------
    DataFrame
        unit, lead, cooperating, one column a status, next_due, planned_share, actual_share (0 to 1; NaN for a unit
        without dated tasks), behind. Units in the order the plan names them, leading ones first.
    """
    leads: dict[str, list[str]] = {}
    helps: dict[str, list[str]] = {}
    for task in tasks["task"]:
        lead, cooperating = units.get(task, ((), ()))
        for unit in lead:
            leads.setdefault(unit, []).append(task)
        for unit in cooperating:
            helps.setdefault(unit, []).append(task)
    by_task = tasks.set_index("task")
    names = [*leads, *(unit for unit in helps if unit not in leads)]
    rows = [_row(unit, by_task.loc[leads.get(unit, [])], len(helps.get(unit, [])), on) for unit in names]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _planned(starts: date | None, due: date, on: date) -> float:
    """Return which part of a task should be done by a day: it grows evenly from its first day to its date.

    ``starts``: first day; without one, or one after the date, the task is due at once. Returns: 0 to 1.

    Examples
    --------
    >>> [_planned(date(2020, 1, 1), date(2020, 1, 10), date(2020, 1, day)) for day in (5, 10, 20)]
    [0.5, 1.0, 1.0]
    """
    if on >= due:
        return 1.0
    if starts is None or starts > due or on < starts:
        return 0.0
    return ((on - starts).days + 1) / ((due - starts).days + 1)


def dated(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the tasks that have a date of their own: neither yearly ones nor standing duties."""
    return tasks[(tasks["recurring"] == "") & tasks["due"].notna()]


def _planned_share(tasks: pd.DataFrame, on: date) -> float:
    """Return which share of dated tasks should be done on a day, each growing over its own span."""
    return math.fsum(_planned(s, d, on) for s, d in zip(tasks["starts"], tasks["due"], strict=True)) / len(tasks)


def shares(tasks: pd.DataFrame, on: date) -> tuple[float, float]:
    """Return which share of dated tasks should be done on a day, and which is; NaN without dated tasks.

    Parameters
    ----------
    tasks : DataFrame
        Rows of the register.
    on : date
        Day it is judged on.
    """
    rows = dated(tasks)
    if rows.empty:
        return math.nan, math.nan
    return _planned_share(rows, on), float((rows["status"] == "done").mean())


def _row(unit: str, mine: pd.DataFrame, helps: int, on: date) -> dict[str, object]:
    should, actual = shares(mine, on)
    ahead = [
        due for due, status in zip(mine["due"], mine["status"], strict=True) if due and due >= on and status != "done"
    ]
    return {
        "unit": unit,
        "lead": len(mine),
        "cooperating": helps,
        **{status: int((mine["status"] == status).sum()) for status in STATUS_COLUMNS},
        "next_due": min(ahead, default=None),
        "planned_share": should,
        "actual_share": actual,
        "behind": max(0.0, should - actual) if should == should else 0.0,
    }
