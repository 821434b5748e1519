"""Write a rectification ledger, one of its entries, and its history as HTML; pure functions, no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from markupsafe import Markup

from balance_lib.locale import text
from balance_lib.office.workplan import harmless, offices, trail_words
from balance_lib.show.widgets import views
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.register_views import LINE_MOST, MOST, NAME_MOST, _head, _over, _rest, _safe, day
from balance_lib.show.widgets.style import lamp
from balance_lib.standards import Standard

LAMP = {"open": "not_met", "in_progress": "not_due", "evidence": "evidence", "verified": "met"}


def _state_lamp(row: Mapping[str, Any], lang: str) -> Markup:
    """Return an entry's state as a lamp with its own word; green only where the figures say so too."""
    shown = "evidence" if row["closed_by"] == "evidence" else row["state"]
    return lamp(LAMP[shown], lang, row["state_word"])


def _ledger_table(rows: pd.DataFrame, lang: str, most: int = MOST) -> Markup:
    """Return the ledger: who puts what right by when, how old it is, how late."""
    body = [_ledger_row(row, lang) for row in rows.head(most).to_dict("records")]
    names = (
        "status", "school", "item", "value", "required", "measure", "person", "due", "age", "late_days", "evidence",
    )  # fmt: skip
    empty = text("workplan.page.no_ledger", lang)
    table = views.table(_head(names, lang), body, numeric=[3, 4, 8, 9, 10], empty=empty)
    return table + _rest(len(rows) - most, lang)


def _ledger_row(row: Mapping[str, Any], lang: str) -> list[object]:
    again = text("workplan.page.reopened", lang, n=row["reopened"]) if row["reopened"] else ""
    opened = text("workplan.page.opened_on", lang, day=row["opened_on"])  # the figure may be of a later day
    return [
        _over(_state_lamp(row, lang), again or row["closed_word"]),
        _over(_safe(row["school"]), row["township"]),
        _over(part("coded", lang, _safe(row["code"]), _safe(row["item"])), row["stage_word"]),
        _over(row["value_word"], text("workplan.page.of_year", lang, year=row["year"])),
        _safe(f"{row['required_word']} {row['unit']}"),
        _over(_safe(row["measure"], 120), opened),
        _over(_safe(row["person"] or "–"), offices(row["lead_unit"], lang)),
        day(row["due"]),
        row["days_open"],
        part("bold", lang, row["days_late"]),
        row["evidence"] or "",
    ]


def _entry_html(row: Mapping[str, Any], lang: str) -> Markup:
    """Return one entry of the ledger in words, with its version: what the person sees before changing it."""
    facts = text(
        "workplan.page.entry",
        lang,
        school=harmless(row["school"], NAME_MOST),
        item=harmless(row["item"], NAME_MOST),
        value=row["value_word"],
        required=row["required_word"],
        unit=row["unit"],
        gap=row["gap_word"],
        year=row["year"],
        version=row["version"],
    )
    words = (_state_lamp(row, lang), _safe(facts, 600), row["closed_word"])
    return part("line", lang, Markup(" ").join(words))


def _history_table(rows: pd.DataFrame, standard: Standard, lang: str) -> Markup:
    """Return the changes, newest first: when, who, what, before, after."""
    body = [
        [_moment(row["at"]), _safe(row["who"]), text(f"workplan.action.{row['action']}", lang),
         text(f"workplan.field.{row['field']}", lang) if row["field"] else "–",
         *(_safe(row[side], 120) for side in ("before", "after")), _safe(row["note"], LINE_MOST), row["version"]]
        for row in trail_words(rows, standard, lang).iloc[::-1].to_dict("records")
    ]  # fmt: skip
    names = ("at", "who", "action", "field", "before_value", "after_value", "note", "version")
    return views.table(_head(names, lang), body, numeric=[7], empty=text("workplan.page.no_history", lang))


def _moment(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")
