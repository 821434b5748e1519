"""Count back from the dates: by when a task has to begin to be done in time (时间倒排)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources
from typing import Any

import pandas as pd
import yaml

COLUMNS = (
    "task", "label_zh", "label_en", "due", "needed_by", "lead_days", "latest_start", "slack_days", "impossible",
    "before",
)  # fmt: skip


@cache
def lead_times() -> Mapping[str, Any]:
    """Return the assumed lead times in days: by need, and for tasks, targets and schools of which no more is known."""
    return dict(yaml.safe_load(resources.files(__package__).joinpath("lead_times.yaml").read_text("utf-8")))


def schedule(
    tasks: pd.DataFrame,
    on: date,
    *,
    after: Mapping[str, Sequence[str]] | None = None,
    lead_days: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Return the latest start of every open, dated task, counted back from its own date and from what waits for it.

    A task is needed by its own date, or by the latest start of a task that comes after it if that is earlier
    (the backward pass of the critical path method)::

        needed_by(i)    = min(due(i), min over j after i of latest_start(j))
        latest_start(i) = needed_by(i) - lead_days(i)

    It is impossible when its latest start lies before ``on``, unless it is under way: then it may still be late, but
    that is for the office to say.

    Parameters
    ----------
    tasks : DataFrame
        A register's tasks.
    on : date
        Today.
    after : mapping of task to the tasks that must be done before it
    lead_days : mapping of task to days, optional
        The office's own lead times; without one the assumed ones of :func:`lead_times` hold.

    Returns
    -------
    DataFrame
        task, label_zh, label_en, due, needed_by, lead_days, latest_start, slack_days (negative: too late), impossible,
        before (the tasks waiting for it); the most urgent first.
    """
    # Row by row through a table is ten times as slow.
    still_open = {row["task"]: row for row in tasks[tasks["status"] != "done"].to_dict("records")}
    order = {task: [first for first in before if first in still_open] for task, before in (after or {}).items()}
    waiting: dict[str, list[str]] = {}
    for task, before in order.items():
        for first in before if task in still_open else ():
            waiting.setdefault(first, []).append(task)
    own = lead_days or {}
    starts: dict[str, date] = {}
    rows = []
    # What comes last is dated first.
    for task in reversed(list(TopologicalSorter({t: order.get(t, []) for t in still_open}).static_order())):
        row = still_open[task]
        limits = [day for day in (row["due"], *(starts.get(t) for t in waiting.get(task, ()))) if day is not None]
        if not limits:
            continue
        needed, lead = min(limits), int(own.get(task, assumed(str(row["kind"]))))
        starts[task] = needed - timedelta(days=lead)
        slack = (starts[task] - on).days
        names = (task, row["label_zh"], row["label_en"], row["due"], needed, lead, starts[task], slack)
        rows.append((*names, slack < 0 and not row.get("begun"), "、".join(waiting.get(task, ()))))
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values("slack_days", kind="stable").reset_index(drop=True)


def assumed(kind: str) -> int:
    """Return the assumed lead time in days of a task of this kind, or of a need."""
    times = lead_times()
    days = times["need"].get(kind)
    return int(days if days is not None else times["task"] if kind in ("task", "output") else times["target"])
