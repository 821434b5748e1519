"""Carry every figure of a county forward and say in which year it comes to meet its line, and whether in time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.batch.schema import TABLES
from balance_lib.data.county import County
from balance_lib.evaluation import SHORT, Evaluation, ItemResult
from balance_lib.forecast.counting import is_counted
from balance_lib.forecast.items import bounds, is_done, item_path, line_by_date, share
from balance_lib.forecast.path import Crossing, believed, carry, cross, forecasts, with_share
from balance_lib.standards import Standard, parse_deadline

HORIZON = 10  # years beyond the last counted one
LEVEL = 0.8  # share of cases a band is to hold
WHOLE = ""  # code of the row that speaks of the standard as a whole
_ORDER = ("no_data", "not_before", "crosses", "falls", "met")


def columns(county: County, judged: Mapping[str, Mapping[int, Evaluation]], by: str | None) -> dict[str, list[Any]]:
    """Say of every figure a standard judges when it meets its line, and of the standard when all of them do.

    Figures found year by year are carried on as :func:`balance_lib.forecast.item_path` does; findings from documents
    and rules on the change of one year have no path. The row with an empty code is the whole standard: met when the
    last year passes, else the year in which the last figure that falls short today crosses its line.

    Parameters
    ----------
    county : County
        Its folder may say by when it is to pass: ``targets: {quality_2017: 2027-12}``.
    judged : mapping of standard to mapping of year to Evaluation
    by : str or None
        Date for counties that name none.
    """
    rows: list[dict[str, Any]] = []
    for standard, of_year in judged.items():
        if of_year:
            last = of_year[max(of_year)]
            due = _target(county, last.standard, by)
            mine = _rows(county, of_year, None if due is None else due.year - (due.month <= 8))
            rows += [{"standard": standard, **row} for row in [*mine, _whole(last, mine)]]
    return {name: [row.get(name) for row in rows] for name in TABLES["outlook"]}


def _target(county: County, standard: Standard, by: str | None) -> date | None:
    """Return the day by which a county is to pass a standard: its folder's, else the one asked for, else none.

    ``by``: deadline asked for: a year, a month or a day.
    """
    named = (county.meta.get("targets") or {}).get(standard.id)
    return parse_deadline(str(named or by or ""))


def _rows(county: County, of_year: Mapping[int, Evaluation], due: int | None) -> list[dict[str, Any]]:
    years = sorted(of_year)
    last = of_year[years[-1]]
    ahead = max(HORIZON, 0 if due is None else min(due, years[-1] + 30) - years[-1])
    mine = [i for i, result in enumerate(last.items) if result.counts and _has_path(result)]
    alone = [i for i in mine if is_counted(last.items[i].item) or is_done(last.items[i].item, last.items[i])]
    rest = sorted(set(mine) - set(alone))
    rows = {i: _of_item(county, of_year, i, years[-1] + ahead) for i in alone} | _together(of_year, rest, ahead)
    return [{"code": last.items[i].item.code, **_told(rows[i], due)} for i in mine]


def _of_item(county: County, of_year: Mapping[int, Evaluation], i: int, to: int) -> Crossing:
    """Return when one item meets its line, as its page says: what is counted from schools has no trend of its own."""
    last = of_year[max(of_year)]
    found = [of_year[year].items[i] for year in sorted(of_year)]
    names = ("value", "threshold", "status")
    history = pd.DataFrame({"year": sorted(of_year)} | {name: [getattr(r, name) for r in found] for name in names})
    code = last.items[i].item.code
    return item_path(county, last.standard, code, to=to, year=last.year, history=history, level=LEVEL).crossing


def _together(of_year: Mapping[int, Evaluation], at: list[int], ahead: int) -> dict[int, Crossing]:
    """Return when the figures that go on as they did meet their lines, all carried on at once."""
    if not at:
        return {}
    years = sorted(of_year)
    last = of_year[years[-1]]
    values = np.array([[of_year[year].items[i].value for year in years] for i in at], dtype=float)
    middle, half = carry(np.array(years), values, ahead)
    half = with_share(middle, half, share(), LEVEL)
    out = {}
    for i, value, path, band in zip(at, values, middle, half, strict=True):
        item = last.items[i].item
        known = np.flatnonzero(np.isfinite(value))
        since = years[known[-1]] if len(known) else years[-1]
        line, (low, high) = line_by_date(last.standard, item), bounds(item, value)
        ends = (np.clip(end, low, high) for end in (path, path - band, path + band))
        found = cross(
            np.array(years), value, np.arange(since + 1, since + 1 + ahead), tuple(ends),
            item.operator, line, item.judged_unit,
        )  # fmt: skip
        out[i] = believed(found, forecasts(years, value.tolist(), level=LEVEL, share=share()), LEVEL)
    return out


def _has_path(result: ItemResult) -> bool:
    measure = result.item.measure
    return measure is not None and measure.source != "evidence" and measure.transform == "level" and not measure.against


def _told(found: Crossing, due: int | None) -> dict[str, Any]:
    ends = {
        name: None if math.isnan(year) else int(year)
        for name, year in (("year", found.year), ("earliest", found.earliest), ("latest", found.latest))
    }
    return {"status": found.status, **ends, "due_year": due, "in_time": _in_time(found.status, ends["year"], due)}


def _in_time(status: str, year: int | None, due: int | None) -> bool | None:
    if due is None or status == "no_data":
        return None
    if status == "falls":
        return year is not None and year > due
    return status == "met" or (status == "crosses" and year is not None and year <= due)


def _whole(last: Evaluation, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the figures together: the standard is met when the slowest of them is."""
    due = rows[0]["due_year"] if rows else None
    short = {result.item.code for result in last.items if result.counts and result.status in SHORT}
    mine = [row for row in rows if row["code"] in short]
    if last.verdict == "pass":
        return {
            "code": WHOLE,
            "status": "met",
            "year": last.year,
            "due_year": due,
            "in_time": None if due is None else True,
        }
    status = min((row["status"] for row in mine), key=_ORDER.index, default="no_data")
    # A figure without a path must not hide one that surely comes too late.
    if any(row["status"] == "not_before" for row in mine):
        status = "not_before"
    year = max((row["year"] or 0 for row in mine), default=0) if status == "crosses" else None
    told = [row["in_time"] for row in mine]
    in_time = None if due is None else False if False in told else None if None in told or not told else True
    return {"code": WHOLE, "status": status, "year": year, "due_year": due, "in_time": in_time}
