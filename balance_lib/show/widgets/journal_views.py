"""Write the office's journals as HTML: pairs and visits, schedules of places, reports, works; pure functions."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pandas as pd
from markupsafe import Markup

from balance_lib.evaluation import number
from balance_lib.locale import text
from balance_lib.office.workplan import harmless
from balance_lib.show.widgets import views
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.register_views import MOST, _over, _rest, _safe, day, percent
from balance_lib.show.widgets.style import lamp
from balance_lib.standards import Item, Standard

LAMPS = {"overdue": "not_met", "never": "evidence", "on_course": "met", "undated": "no_data"}
LONG = 200


def _head(names: str, lang: str) -> list[str]:
    """Return the heads of a table."""
    return [text(f"journal.head.{name}", lang) for name in names.split()]


def said(standard: Standard, code: str | None, otherwise: str, lang: str) -> Markup:
    """Return what the plan itself says, with what it leaves open; ``otherwise`` where it says nothing.

    Parameters
    ----------
    standard : Standard
    code : str, optional
    otherwise : str
        Words where there are none.
    lang : {"zh", "en"}
    """
    if code is None:
        return part("line", lang, text(otherwise, lang))
    item: Item = standard.item(code)
    # A reprint's converter left glosses such as (lián) behind characters it did not know.
    quote = re.sub(r"\([a-zà-üā-ǜ]+\)", "", item.quote)
    return part("line", lang, text("journal.page.said", lang, code=code, label=item.label(lang), quote=quote))


def _pair_table(rows: pd.DataFrame, lang: str) -> Markup:
    """Return the pairs with their latest visit, overdue ones first."""
    body = [
        [
            lamp(LAMPS[row["status"]], lang, text(f"journal.status.{row['status']}", lang)),
            _safe(row["department"]),
            _place(row),
            _interval(row["interval_days"], lang),
            row["visits"],
            _over(day(row["last_on"]), row["visitor"]),
            _over(_safe(row["found"], LONG), _entry(row["entry_id"], lang)),
            day(row["next_on"]),
            part("bold", lang, row["days_late"]),
        ]
        for row in rows.head(MOST).to_dict("records")
    ]
    heads = _head("status department place interval visits last found next late", lang)
    empty = text("journal.page.no_pairs", lang)
    return views.table(heads, body, numeric=[4, 8], empty=empty) + _rest(len(rows) - MOST, lang)


def _visit_table(rows: pd.DataFrame, lang: str, most: int = 100) -> Markup:
    """Return the visit log, latest first."""
    body = [
        [day(row["visited_on"]), _over(_safe(row["department"]), row["visitor"]), _safe(row["place_name"]),
         _over(_safe(row["found"], LONG), _entry(row["entry_id"], lang)), day(_known(row["next_on"]))]
        for row in rows.sort_values("visited_on", ascending=False, kind="stable").head(most).to_dict("records")
    ]  # fmt: skip
    heads = [text("journal.column.visited_on", lang), *_head("department place found next", lang)]
    return views.table(heads, body, empty=text("journal.page.no_visits", lang)) + _rest(len(rows) - most, lang)


def _place_table(rows: pd.DataFrame, lang: str) -> Markup:
    """Return the places' progress on their own schedules, furthest behind first."""
    first = {True: text("workplan.page.pilot", lang), False: "", None: ""}
    body = [
        [
            lamp("not_met" if row["behind"] else "met", lang, percent(row["behind"]) if row["behind"] else None),
            _place(row),
            first[row["pilot"]],
            row["items"],
            row["done"],
            row["late"] or "",
            percent(row["planned_share"]),
            percent(row["actual_share"]),
            day(row["next_due"]),
            _safe(row["waits_for"], LONG),
        ]
        for row in rows.head(MOST).to_dict("records")
    ]
    heads = _head("behind name pilot items done overdue planned actual next_due waits_for", lang)
    empty = text("journal.page.no_places", lang)
    return views.table(heads, body, numeric=[3, 4, 5, 6, 7], empty=empty) + _rest(len(rows) - MOST, lang)


def _pilot_table(rows: pd.DataFrame, lang: str) -> Markup:
    """Return those that start first beside all others."""
    body = [
        [text(f"journal.group.{'pilot' if row['pilot'] else 'rest'}", lang), row["places"], row["items"],
         percent(row["planned_share"]), percent(row["actual_share"])]
        for row in rows.to_dict("records")
    ]  # fmt: skip
    return views.table(_head("group places items planned actual", lang), body, numeric=[1, 2, 3, 4])


def _report_table(rows: pd.DataFrame, lang: str) -> Markup:
    """Return each unit's latest progress report, overdue ones first."""
    body = [
        [_safe(row["reporter"]), day(row["last_on"]), row["reports"],
         *(_safe(row[name], LONG) for name in ("achieved", "trouble", "next_steps")), day(row["next_on"]),
         part("bold", lang, row["days_late"])]
        for row in rows.head(MOST).to_dict("records")
    ]  # fmt: skip
    heads = _head("reporter last reports achieved trouble next_steps next late", lang)
    heads[1] = text("journal.column.reported_on", lang)
    return views.table(heads, body, numeric=[2, 7], empty=text("journal.page.no_reports", lang))


def _works_table(rows: pd.DataFrame, lang: str) -> Markup:
    """Return the works of each township and year beside what the plan asks for, shortest first."""
    body = [
        [_safe(row["township"]), row["year"], _figure(row["required"]), row["listed"], row["done"],
         *(_figure(row[name]) for name in ("area_m2", "area_done_m2", "investment_yuan")),
         part("bold", lang, _figure(row["short"]) if row["short"] > 0 else "")]
        for row in rows.head(MOST).to_dict("records")
    ]  # fmt: skip
    heads = _head("township year required listed finished area area_done investment short", lang)
    empty = text("journal.page.no_works", lang)
    return views.table(heads, body, numeric=range(2, 9), empty=empty) + _rest(len(rows) - MOST, lang)


def _option(row: dict[str, Any], key: tuple[str, ...]) -> str:
    """Return a row of a journal as one line to choose by."""
    parts = (_said(row.get("place_name") if name == "place" else row[name]) for name in key if name != "place_kind")
    return harmless(" · ".join(parts), 90)


def _said(value: Any) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return "" if value is None or value != value else str(value)


def _place(row: dict[str, Any]) -> Markup:
    """Return a place's name, over the township where it is a school."""
    return _over(_safe(row["place_name"]), row["township"] if row["place_kind"] == "school" else "")


def _entry(entry_id: str, lang: str) -> str:
    return text("journal.page.in_ledger", lang, entry=entry_id) if entry_id else ""


def _interval(days: int | None, lang: str) -> str:
    return text("journal.no_interval", lang) if days is None else text("journal.days", lang, n=days)


def _figure(value: float) -> str:
    return "–" if value != value else f"{value:,.0f}" if value >= 1000 else number(value)


def _known(value: Any) -> Any:
    return None if value is None or value != value else value
