"""Tell which department is paired with which school or township, who went last, and which visit is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd

from balance_lib.data.county import County
from balance_lib.office.workplan.journals import named

STATUSES = ("overdue", "never", "on_course", "undated")
COLUMNS = (
    "row_id", "department", "place_kind", "place", "place_name", "township", "interval_days", "since", "status",
    "visits", "last_on", "visitor", "found", "entry_id", "next_on", "days_late", "note", "version",
)  # fmt: skip


def pair_table(pairings: pd.DataFrame, visits: pd.DataFrame, county: County, on: date) -> pd.DataFrame:
    """Return every pair with its latest visit on a day, overdue ones first (蹲点挂钩).

    The next visit is due on the day the last one named, else so many days after it as the pair's interval says; where
    nobody has been yet, so many days after the pair began. Without a day and an interval nothing is overdue: what the
    plan does not say is not invented.

    Parameters
    ----------
    pairings, visits : DataFrame
        Journals of the store; visits later than ``on`` are not known yet.
    county : County
    on : date

    Returns
    -------
    DataFrame
        See :data:`COLUMNS`; ``status`` is overdue, never (nobody has been), on_course or undated.
    """
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    counts: dict[tuple[str, str, str], int] = {}
    rows = visits.to_dict("records")
    for visit in sorted((v for v in rows if v["visited_on"] <= on), key=lambda v: v["visited_on"]):
        latest[_pair(visit)], counts[_pair(visit)] = visit, counts.get(_pair(visit), 0) + 1
    found = [
        _row(pair, latest.get(_pair(pair), {}), counts.get(_pair(pair), 0), on)
        for pair in named(pairings, county).to_dict("records")
    ]
    found.sort(key=lambda r: (STATUSES.index(r["status"]), -r["days_late"], r["next_on"] or date.max, r["department"]))
    # Kept as they are: pandas would make fractions of days and of whole numbers where one is missing.
    return pd.DataFrame({name: pd.Series([row[name] for row in found], dtype=object) for name in COLUMNS})


def _pair(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["department"], row["place_kind"], row["place"]


def _row(pair: Mapping[str, Any], last: Mapping[str, Any], visits: int, on: date) -> dict[str, Any]:
    interval = _known(pair["interval_days"])
    days = None if interval is None else int(interval)
    begun = last.get("visited_on") or _known(pair["since"])
    due = _known(last.get("next_on")) or (begun + timedelta(days=days) if begun and days else None)
    late = max(0, (on - due).days) if due else 0
    status = "overdue" if late else "never" if not visits else "on_course" if due else "undated"
    told = {name: last.get(name) or "" for name in ("visitor", "found", "entry_id")}
    own = {name: pair[name] for name in COLUMNS if name in pair}
    facts = {"interval_days": days, "since": _known(pair["since"]), "visits": visits, "days_late": late}
    return {**own, **told, **facts, "status": status, "last_on": last.get("visited_on"), "next_on": due}


def _known(value: Any) -> Any:
    return None if value is None or value != value else value
