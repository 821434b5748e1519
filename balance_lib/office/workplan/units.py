"""Tell what each unit owes, by when, and who is behind: planned against actual."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import pandas as pd

STATUS_COLUMNS = ("done", "on_course", "late", "due_before_adoption", "blocked", "not_started", "undated")
COLUMNS = ("unit", "lead", "cooperating", *STATUS_COLUMNS, "next_due", "planned_share", "actual_share", "behind")


def unit_table(tasks: pd.DataFrame, units: Mapping[str, tuple[Sequence[str], Sequence[str]]], on: date) -> pd.DataFrame:
    """Return every unit of a plan with its tasks by status.

    Statuses and shares speak of the tasks a unit leads. ``planned_share`` is the share of its dated tasks whose day
    has come, ``actual_share`` the share that is done, ``behind`` the first less the second where that is positive.
    Tasks of every year and standing duties have no place in the shares.

    Parameters
    ----------
    tasks : DataFrame
        A register's tasks.
    units : mapping of task to (leading units, cooperating units)
    on : date

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


def shares(tasks: pd.DataFrame, on: date) -> tuple[float, float]:
    """Return which share of dated tasks should be done on a day, and which is; NaN without dated tasks."""
    dated = tasks[(tasks["recurring"] == "") & tasks["due"].notna()]
    if dated.empty:
        return math.nan, math.nan
    planned = sum(due <= on for due in dated["due"]) / len(dated)
    return planned, float((dated["status"] == "done").mean())


def _row(unit: str, mine: pd.DataFrame, helps: int, on: date) -> dict[str, object]:
    planned, actual = shares(mine, on)
    ahead = [
        due for due, status in zip(mine["due"], mine["status"], strict=True) if due and due >= on and status != "done"
    ]
    return {
        "unit": unit,
        "lead": len(mine),
        "cooperating": helps,
        **{status: int((mine["status"] == status).sum()) for status in STATUS_COLUMNS},
        "next_due": min(ahead, default=None),
        "planned_share": planned,
        "actual_share": actual,
        "behind": max(0.0, planned - actual) if planned == planned else 0.0,
    }
