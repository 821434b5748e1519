"""Hold each school's and township's own schedule against what is done there: who is behind, by how much (序时进度)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd

from balance_lib.data.county import County
from balance_lib.office.workplan.achievements import pilots
from balance_lib.office.workplan.journals import named
from balance_lib.standards import Standard

COLUMNS = (
    "place_kind", "place", "place_name", "township", "pilot", "items", "done", "late", "planned_share",
    "actual_share", "behind", "next_due", "waits_for",
)  # fmt: skip
REPORT_COLUMNS = (
    "row_id", "reporter", "reports", "last_on", "achieved", "trouble", "next_steps", "next_on", "days_late", "version",
)  # fmt: skip
WORKS_COLUMNS = (
    "township", "year", "required", "listed", "done", "area_m2", "area_done_m2", "investment_yuan", "short",
)  # fmt: skip


def place_table(milestones: pd.DataFrame, county: County, standard: Standard, on: date) -> pd.DataFrame:
    """Return every place's progress on a day, furthest behind first.

    With the weights w of a place's items (1 where none is given)::

        planned_share = sum of w whose planned day has come / sum of w
        actual_share  = sum of w done by the day            / sum of w
        behind        = planned_share - actual_share where that is positive

    Parameters
    ----------
    milestones : DataFrame
        The journal of the places' schedules.
    county : County
    standard : Standard
        Its plan names the townships that start first.
    on : date

    Returns
    -------
    DataFrame
        place_kind, place, place_name, township, pilot (True, False, None), items, done, late, planned_share,
        actual_share, behind (0 to 1), next_due, waits_for (the late items).
    """
    first = pilots(standard, county)
    rows = []
    for (kind, place), mine in named(milestones, county).groupby(["place_kind", "place"], sort=False):
        items = mine.to_dict("records")
        planned, actual = _shares(items, on)
        late = sorted((i for i in items if i["planned_on"] <= on and not _done(i, on)), key=lambda i: i["planned_on"])
        ahead = [i["planned_on"] for i in items if i["planned_on"] > on and not _done(i, on)]
        town = items[0]["township"]
        rows.append(
            {
                "place_kind": kind, "place": place, "place_name": items[0]["place_name"], "township": town,
                "pilot": first.get(town), "items": len(items), "done": sum(_done(i, on) for i in items),
                "late": len(late), "planned_share": planned, "actual_share": actual,
                "behind": max(0.0, planned - actual), "next_due": min(ahead, default=None),
                "waits_for": "、".join(i["what"] for i in late),
            }
        )  # fmt: skip
    rows.sort(key=lambda r: (-r["behind"], -r["late"], str(r["township"]), str(r["place_name"])))
    return pd.DataFrame({name: pd.Series([r[name] for r in rows], dtype=_type(name)) for name in COLUMNS})


def _shares(items: Sequence[Mapping[str, Any]], on: date) -> tuple[float, float]:
    """Return which share of the work should be done on a day, and which is; NaN where there is none."""
    whole = sum(_weight(i) for i in items)
    if not whole:
        return math.nan, math.nan
    planned = sum(_weight(i) for i in items if i["planned_on"] <= on) / whole
    return planned, sum(_weight(i) for i in items if _done(i, on)) / whole


def place_curve(milestones: pd.DataFrame, on: date) -> pd.DataFrame:
    """Return planned and actual progress of places over the days of their schedules; after ``on`` nothing is known.

    Parameters
    ----------
    milestones : DataFrame
        Milestones of the tasks.
    on : date
        Day it is judged on.

    Returns
    -------
    DataFrame
        day, planned_share, actual_share (0 to 1).
    """
    items = milestones.to_dict("records")
    if not items:
        return pd.DataFrame(columns=["day", "planned_share", "actual_share"])
    dues = {i["planned_on"] for i in items}
    days = dues | {i["done_on"] for i in items if _done(i, on)} | {min(dues) - timedelta(days=1), on}
    rows = []
    for day in sorted(days):
        planned, actual = _shares(items, day)
        rows.append((day, planned, actual if day <= on else math.nan))
    return pd.DataFrame(rows, columns=["day", "planned_share", "actual_share"])


def pilots_against_rest(milestones: pd.DataFrame, county: County, standard: Standard, on: date) -> pd.DataFrame:
    """Return the places that start first beside all others: places, planned and actual share, all items together.

    Parameters
    ----------
    milestones : DataFrame
        Milestones of the tasks.
    county : County
    standard : Standard
    on : date
        Day it is judged on.

    Returns
    -------
    DataFrame
        pilot (True, False), places, items, planned_share, actual_share; empty where the plan names no pilots.
    """
    first = pilots(standard, county)
    heads = ["pilot", "places", "items", "planned_share", "actual_share"]
    if not any(first.values()):
        return pd.DataFrame(columns=heads)
    rows = named(milestones, county)
    rows = rows.assign(pilot=[bool(first.get(town)) for town in rows["township"]])
    out = []
    for pilot in (True, False):
        mine = rows[rows["pilot"] == pilot]
        planned, actual = _shares(mine.to_dict("records"), on)
        out.append((pilot, len(mine.drop_duplicates(["place_kind", "place"])), len(mine), planned, actual))
    return pd.DataFrame(out, columns=heads)


def report_table(reports: pd.DataFrame, on: date) -> pd.DataFrame:
    """Return every reporter's latest progress report on a day, overdue ones first.

    The next report is due on the day the last one named; without one nothing is overdue.

    Parameters
    ----------
    reports : DataFrame
        Progress reports.
    on : date
        Day it is judged on.

    Returns
    -------
    DataFrame
        See :data:`REPORT_COLUMNS`.
    """
    latest: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    known = (r for r in reports.to_dict("records") if r["reported_on"] <= on)
    for row in sorted(known, key=lambda r: r["reported_on"]):
        latest[row["reporter"]], counts[row["reporter"]] = row, counts.get(row["reporter"], 0) + 1
    rows = []
    for reporter, last in latest.items():
        due = last["next_on"] if last["next_on"] == last["next_on"] else None
        late = max(0, (on - due).days) if due else 0
        rows.append({**last, "reports": counts[reporter], "last_on": last["reported_on"], "next_on": due,
                     "days_late": late})  # fmt: skip
    rows.sort(key=lambda r: (-r["days_late"], r["next_on"] or date.max, r["reporter"]))
    return pd.DataFrame({name: pd.Series([r[name] for r in rows], dtype=object) for name in REPORT_COLUMNS})


def works_table(works: pd.DataFrame, county: County, standard: Standard, on: date) -> pd.DataFrame:
    """Return the building works of each township and year beside what the plan asks for, shortest first.

    Parameters
    ----------
    works : DataFrame
        The journal of works.
    county, standard, on
        The plan's programme says how many a township and year; years after ``on`` are left out.

    Returns
    -------
    DataFrame
        township, year, required (NaN where the plan asks for none), listed, done, area_m2, area_done_m2,
        investment_yuan (NaN where a listed work has no figure), short (required less listed, where positive; NaN
        where nothing is required).
    """
    plan = standard.plan.works if standard.plan else None
    each = standard.item(plan.yearly).value if plan else None
    need = float(each) if isinstance(each, (int, float)) else math.nan
    asked = range(plan.first_year, plan.last_year + 1) if plan else range(0)
    rows = named(works, county)
    towns = [str(t) for t in dict.fromkeys([*county.tables["townships"]["township"], *rows["township"]]) if t == t]
    years = sorted({*(y for y in asked if y <= on.year), *(int(y) for y in rows["year"] if y <= on.year)})
    out = []
    for year in years:
        for town in towns:
            mine = rows[(rows["township"] == town) & (rows["year"] == year)]
            finished = mine[[_done(row, on) for row in mine.to_dict("records")]] if len(mine) else mine
            required = need if year in asked else math.nan
            if len(mine) or required == required:
                short = max(0.0, required - len(mine)) if required == required else math.nan
                sums = (_sum(mine["area_m2"]), _sum(finished["area_m2"]), _sum(mine["investment_yuan"]))
                out.append((town, year, required, len(mine), len(finished), *sums, short))
    found = pd.DataFrame(out, columns=list(WORKS_COLUMNS))
    return found.sort_values(["short", "year"], ascending=[False, True], kind="stable").reset_index(drop=True)


def _sum(values: pd.Series) -> float:
    """Return a sum; a figure that is missing makes it unknown, nothing at all is zero."""
    return float(pd.to_numeric(values).sum(skipna=False)) if len(values) else 0.0


def _done(item: Mapping[str, Any], on: date) -> bool:
    day = item["done_on"]
    return day is not None and day == day and day <= on


def _weight(item: Mapping[str, Any]) -> float:
    given = item.get("weight")
    return 1.0 if given is None or given != given else float(given)


def _type(name: str) -> str:
    shared = ("planned_share", "actual_share", "behind")
    return "float64" if name in shared else "int64" if name in ("items", "done", "late") else "object"
