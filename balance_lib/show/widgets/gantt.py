"""Show every task of a plan as a bar over the plan's time, in groups that fold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
from markupsafe import Markup

from balance_lib.locale import text
from balance_lib.office.workplan import STATUSES, harmless, offices
from balance_lib.palette import TASKS
from balance_lib.show.widgets.markup import part, render
from balance_lib.show.widgets.style import lamp
from balance_lib.show.widgets.views import _category

WARNS = ("late", "blocked")


def gantt(tasks: pd.DataFrame, stages: pd.DataFrame, on: date, lang: str = "zh") -> Markup:
    """Return a plan's tasks over time as HTML; a group with a late or blocked task is open.

    Parameters
    ----------
    tasks, stages : DataFrame
        A register's tasks and stages. A task without a date stands in its group without a bar.
    on : date
        The day asked about, drawn through all rows.
    lang : {"zh", "en"}
    """
    if tasks.empty:
        return part("muted", lang, text("workplan.page.no_task", lang))
    rows = tasks.to_dict("records")
    days = [day for row in rows for day in (row["starts"], row["due"]) if _known(day)]
    days += [*stages["starts"], *stages["ends"], on]
    scale = _Scale(min(days), max(days) + timedelta(days=1))
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row["group"]), []).append(row)
    present = [status for status in STATUSES if status in set(tasks["status"])]
    return render(
        "gantt",
        lang,
        legend=[_light(status, lang) for status in present],
        ticks=scale.ticks(lang),
        today={"at": scale.at(on), "label": on.isoformat()},
        stages=[
            {**scale.span(stage.starts, stage.ends), "current": stage.status == "current"}
            for stage in stages.itertuples()
        ],
        groups=[_group(name, mine, scale, lang) for name, mine in groups.items()],
    )  # fmt: skip


class _Scale:
    """Say where a day lies between the first and the last, in percent."""

    def __init__(self, first: date, last: date) -> None:
        self.first, self.days = first, max(1, (last - first).days)

    def at(self, day: date) -> float:
        return round(100 * (day - self.first).days / self.days, 2)

    def span(self, first: date, last: date) -> dict[str, float]:
        at = self.at(first)
        return {"at": at, "wide": round(self.at(last + timedelta(days=1)) - at, 2)}

    def ticks(self, lang: str, most: int = 6) -> Sequence[dict[str, Any]]:
        """Return the first days of months or quarters or years, at most so many.

        Parameters
        ----------
        lang : {"zh", "en"}
        most : int
        """
        months = self.days / 30
        step = next(n for n in (1, 2, 3, 6, 12, 24, 60, 120, 1200) if months / n <= most)
        at = self.first.year * 12 + self.first.month  # the month after the first day
        ends = at + int(months) + 1
        days = [date(n // 12, n % 12 + 1, 1) for n in range(at, ends) if n % step == 0]
        key = "gantt_month" if step < 12 else "gantt_year"
        inside = [day for day in days if 0 <= self.at(day) < 97]
        return [
            {"at": self.at(d), "label": text(f"workplan.plot.{key}", lang, year=d.year, month=d.month)} for d in inside
        ]


def _group(name: str, rows: Sequence[dict[str, Any]], scale: _Scale, lang: str) -> dict[str, Any]:
    counts = {status: sum(row["status"] == status for row in rows) for status in ("done", *WARNS)}
    words = [text(f"workplan.part.{status}", lang, n=n) for status, n in counts.items() if n]
    total = text("workplan.plot.group", lang, n=len(rows))
    return {
        "label": _category(name, lang) if name else text("workplan.plot.no_group", lang),
        "counts": text("workplan.sentence_stop", lang).join([total, *words]),
        "open": any(counts[status] for status in WARNS),
        "rows": [_row(row, scale, lang) for row in rows],
    }


def _row(row: dict[str, Any], scale: _Scale, lang: str) -> dict[str, Any]:
    label = harmless(row[f"label_{lang}"] or row["label_zh"], 160)
    who = harmless(offices(row["lead_unit"], lang), 160) or text("page.no_owner", lang)
    waits = text("workplan.cli.waits", lang, tasks=row["blocked_by"]) if row["blocked_by"] else ""
    due = row["due"] if _known(row["due"]) else None
    return {
        "task": row["task"],
        "label": label,
        "about": " · ".join(part for part in (label, who, waits) if part),
        "light": TASKS[row["status"]],
        "lamp": _light(row["status"], lang),
        "due": due.isoformat() if due else "" if row["status"] == "undated" else text("page.no_date", lang),
        "bar": None if due is None else _bar(row["starts"], due, scale),
    }


def _bar(starts: Any, due: date, scale: _Scale) -> dict[str, Any]:
    """Return a task's bar; one due before its plan began has one day, drawn as a point."""
    long = _known(starts) and starts < due
    return {**scale.span(starts if long else due, due), "point": not long}


def _light(status: str, lang: str) -> Markup:
    return lamp(TASKS[status], lang, text(f"workplan.status.{status}", lang))


def _known(day: Any) -> bool:
    return day is not None and day == day
