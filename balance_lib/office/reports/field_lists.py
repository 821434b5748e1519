"""Write what the office follows in the field as XLSX: pairs and visits; each place's progress, reports and works."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from balance_lib.data.county import County
from balance_lib.locale import text
from balance_lib.office import workplan
from balance_lib.office.reports.lists import _open_sheet, _put_row
from balance_lib.office.reports.paper import Value, _origin_sheet, book_of, new_book
from balance_lib.office.reports.stamp import ReportStamp, _said_day
from balance_lib.standards import Standard

Columns = Mapping[str, tuple[float, str]]
_PAIRS: Columns = {
    "number": (5, "center"), "status": (10, "center"), "department": (18, "left"), "place_name": (20, "left"),
    "township": (10, "left"), "interval_days": (8, "center"), "visits": (6, "center"), "last_on": (11, "center"),
    "visitor": (12, "left"), "found": (34, "left"), "entry_id": (12, "center"), "next_on": (11, "center"),
    "days_late": (7, "center"), "note": (16, "left"),
}  # fmt: skip
_VISITS: Columns = {
    "number": (5, "center"), "visited_on": (11, "center"), "department": (18, "left"), "place_name": (20, "left"),
    "township": (10, "left"), "visitor": (14, "left"), "found": (50, "left"), "entry_id": (12, "center"),
    "next_on": (11, "center"),
}  # fmt: skip
_PLACES: Columns = {
    "number": (5, "center"), "place_name": (20, "left"), "township": (10, "left"), "pilot": (9, "center"),
    "items": (7, "center"), "done": (7, "center"), "late": (7, "center"), "planned_share": (10, "center"),
    "actual_share": (10, "center"), "behind": (9, "center"), "next_due": (11, "center"), "waits_for": (40, "left"),
}  # fmt: skip
_ITEMS: Columns = {
    "number": (5, "center"), "place_name": (20, "left"), "township": (10, "left"), "what": (40, "left"),
    "planned_on": (12, "center"), "done_on": (12, "center"), "weight": (7, "center"), "note": (24, "left"),
}  # fmt: skip
_REPORTS: Columns = {
    "number": (5, "center"), "reported_on": (11, "center"), "reporter": (18, "left"), "achieved": (40, "left"),
    "trouble": (30, "left"), "next_steps": (30, "left"), "next_on": (11, "center"),
}  # fmt: skip
_WORKS: Columns = {
    "number": (5, "center"), "year": (7, "center"), "place_name": (20, "left"), "township": (10, "left"),
    "what": (30, "left"), "area_m2": (12, "right"), "investment_yuan": (15, "right"), "planned_on": (12, "center"),
    "done_on": (12, "center"), "note": (20, "left"),
}  # fmt: skip
_REQUIRED: Columns = {
    "township": (14, "left"), "year": (8, "center"), "wanted": (9, "center"), "listed": (9, "center"),
    "done": (9, "center"), "area_m2": (14, "right"), "area_done_m2": (14, "right"), "investment_yuan": (16, "right"),
    "short": (8, "center"),
}  # fmt: skip


def _visits(
    county: County, standard: Standard, journals: Mapping[str, pd.DataFrame], *, year: int, on: date, lang: str = "zh",
    made_on: date | None = None,
) -> bytes:  # fmt: skip
    """Return the pairs with their latest visits, overdue ones first, and the visit log (挂钩联系与蹲点记录).

    ``journals``: ``Store.journal`` of pairings and visits.
    """
    stamp, book = ReportStamp.of(county, standard, year, on=on, made_on=made_on), new_book()
    pairs = county.translated(workplan.pair_table(journals["pairings"], journals["visits"], county, on), lang)
    page = _open_sheet(book, "pairs", _PAIRS, stamp, lang, freeze=4)
    for number, row in enumerate(pairs.to_dict("records"), 1):
        status = text(f"journal.status.{row['status']}", lang)
        _put_row(page, _PAIRS, {**row, "number": number, "status": status}, lang)
    late = int((pairs["status"] == "overdue").sum())
    page.note(text("report.lists.pairs.note", lang, day=_said_day(on, lang), n=len(pairs), late=late))
    page.finish()
    log = workplan.named(journals["visits"], county, lang).sort_values("visited_on", ascending=False, kind="stable")
    _list(book, "visits", _VISITS, log, stamp, lang)
    _origin_sheet(book, stamp, [], lang)
    return book_of(book)


def _progress(
    county: County, standard: Standard, journals: Mapping[str, pd.DataFrame], *, year: int, on: date, lang: str = "zh",
    made_on: date | None = None,
) -> bytes:  # fmt: skip
    """Return each place's planned and actual progress, its items, the progress reports and the works (单位序时进度).

    ``county``, ``standard``, ``journals``, ``year``, ``on``, ``lang``, ``made_on``: as for :func:`visits`, with the
    journals of milestones, progress reports and works.
    """
    stamp, book = ReportStamp.of(county, standard, year, on=on, made_on=made_on), new_book()
    found = county.translated(workplan.place_table(journals["milestones"], county, standard, on), lang)
    page = _open_sheet(book, "places", _PLACES, stamp, lang, freeze=2)
    for number, row in enumerate(found.to_dict("records"), 1):
        figures = {name: Value(100 * row[name], 1) for name in ("planned_share", "actual_share", "behind")}
        first = text("workplan.page.pilot", lang) if row["pilot"] else ""
        _put_row(page, _PLACES, {**row, **figures, "number": number, "pilot": first}, lang)
    behind = int((found["behind"] > 0).sum())
    page.note(text("report.lists.places.note", lang, day=_said_day(on, lang), n=len(found), behind=behind))
    page.finish()
    items = workplan.named(journals["milestones"], county, lang).sort_values(["township", "place_name", "planned_on"])
    _list(book, "milestones", _ITEMS, items, stamp, lang)
    reports = journals["progress_reports"].sort_values("reported_on", ascending=False, kind="stable")
    _list(book, "reports", _REPORTS, reports, stamp, lang)
    required = county.translated(workplan.works_table(journals["works"], county, standard, on), lang)
    if len(required):
        _list(book, "works_required", _REQUIRED, required.rename(columns={"required": "wanted"}), stamp, lang)
        works = workplan.named(journals["works"], county, lang).sort_values(["year", "township", "place_name"])
        _list(book, "works", _WORKS, works, stamp, lang)
    _origin_sheet(book, stamp, [], lang)
    return book_of(book)


def _list(book: Any, key: str, columns: Columns, rows: pd.DataFrame, stamp: ReportStamp, lang: str) -> None:
    page = _open_sheet(book, key, columns, stamp, lang, freeze=2)
    for number, row in enumerate(rows.to_dict("records"), 1):
        _put_row(page, columns, {**row, "number": number, "year": str(row["year"]) if "year" in row else None}, lang)
    page.finish()
