"""Write a plan's register, units and schedule as HTML and as CSV; pure functions, no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from balance_lib.evaluation import number
from balance_lib.locale import deadline_words, has, listed, text, unit
from balance_lib.office.store import Stamp
from balance_lib.office.workplan import Programme, Register, by_year_words, harmless, offices, shares
from balance_lib.palette import TASKS
from balance_lib.plain import as_csv
from balance_lib.show.widgets import views
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import card, lamp

MOST = 300
NAME_MOST = 80
LINE_MOST = 160


def _safe(given: object, most: int = NAME_MOST) -> Markup:
    """Return text from outside as HTML that can do no harm, cut to a length; its direction cannot leave it."""
    return part("outside", "zh", harmless(given, most))


def _over(words: object, second: str, most: int = NAME_MOST) -> Markup:
    """Return a cell of two lines; there is no second line where there are no words for it."""
    return part("over", "zh", words, _safe(second, most) if second else "")


def _head(names: tuple[str, ...], lang: str) -> list[str]:
    """Return the heads of a table."""
    return [text(f"workplan.head.{name}", lang) for name in names]


def _sentence(found: Register, lang: str) -> Markup:
    """Return where the plan stands: one lamp, one sentence."""
    counts = found.counts()
    status = next((s for s in ("late", "blocked", "due_before_adoption") if counts[s]), "on_course")
    status = "done" if counts["done"] and counts["done"] == len(found.tasks) else status
    return part("verdict", lang, found.sentence(lang), TASKS[status], _task_lamp(status, lang))


def _cards(found: Register, ledger: pd.DataFrame | None, lang: str) -> Markup:
    """Return the figures a leader looks at: done, late, blocked, the next date, the ledger.

    ``ledger``: entries of the ledger; without it nothing is said of it.
    """
    counts, total = found.counts(), len(found.tasks)
    planned, actual = shares(found.tasks, found.on)
    share = (
        ""
        if planned != planned
        else text("workplan.page.share", lang, planned=percent(planned), actual=percent(actual))
    )
    out = [card(text("workplan.page.done", lang), f"{counts['done']} / {total}", share, None, lang)]
    for status in ("late", "due_before_adoption", "blocked"):
        if counts[status] or status != "due_before_adoption":
            note = text(f"workplan.page.note.{status}", lang)
            out.append(card(text(f"workplan.status.{status}", lang), str(counts[status]), note, None, lang))
    out.append(_next_card(found, lang))
    if ledger is not None:
        waiting = ledger[ledger["state"] != "verified"]
        note = text("workplan.page.ledger_note", lang, late=int((waiting["days_late"] > 0).sum()))
        out.append(card(text("workplan.page.ledger_open", lang), f"{len(waiting)} / {len(ledger)}", note, None, lang))
    return part("grid", lang, out)


def _next_card(found: Register, lang: str) -> Markup:
    columns = (found.tasks[name] for name in ("due", "status"))
    ahead = [
        d for d, status in zip(*columns, strict=True) if d and d >= found.on and status not in ("done", "not_started")
    ]
    title = text("workplan.page.next", lang)
    if not ahead:
        return card(title, "–", text("workplan.page.no_next", lang), None, lang)
    due = min(ahead)
    note = text("workplan.page.next_note", lang, due=due.isoformat(), n=ahead.count(due))
    return card(title, text("page.card.days", lang, n=(due - found.on).days), note, None, lang)


def _stage_table(found: Register, lang: str) -> Markup:
    """Return the plan's stages with their days and how many of their tasks are done and late."""
    name = "label_zh" if lang == "zh" else "label_en"
    sign = {"over": "not_applicable", "current": "not_due", "ahead": "not_applicable"}
    rows = [
        [lamp(sign[row["status"]], lang, text(f"workplan.stage.{row['status']}", lang)), row[name],
         day(row["starts"]), day(row["ends"]), row["tasks"], row["done"], row["late"]]
        for row in found.stages.to_dict("records")
    ]  # fmt: skip
    heads = _head(("status", "stage", "starts", "ends", "tasks", "done", "late"), lang)
    return views.table(heads, rows, numeric=[4, 5, 6], empty=text("workplan.no_stage", lang))


def _inspection_table(found: Register, lang: str) -> Markup | str:
    """Return the inspections the plan looks forward to, by date; empty where it names none."""
    codes = found.standard.plan.inspections if found.standard.plan else ()
    rows = found.tasks[found.tasks["task"].isin(codes)].sort_values("due", kind="stable")
    body = [
        [_task_lamp(row["status"], lang), _task(row, lang), day(row["due"]), _safe(_days(row["days_left"], lang))]
        for row in rows.to_dict("records")
    ]
    return views.table(_head(("status", "inspection", "due", "remark"), lang), body) if body else ""


def _doubts(found: Register, lang: str) -> Markup:
    """Return what is doubtful in the plan's own wording and how it is read, folded; empty where nothing is."""
    return part("doubts", lang, [note.get(lang, note["zh"]) for note in found.standard.notes])


def _group_table(rows: pd.DataFrame, units: pd.DataFrame, lang: str) -> Markup:
    """Return the plan's working groups with what each has done."""
    mine = units.set_index("unit")
    body = []
    for row in rows.rename(columns={"code": "task"}).to_dict("records"):
        known = mine.loc[row["unit"]] if row["unit"] in mine.index else {"done": 0, "late": 0}
        body.append([_task(row, lang), row["tasks"], known["done"], known["late"] or ""])
    return views.table(_head(("group", "tasks", "done", "late"), lang), body, numeric=[1, 2, 3])


def _task_table(tasks: pd.DataFrame, lang: str, most: int = MOST) -> Markup:
    """Return tasks with status, leading unit, date and what they wait for."""
    rows = [_task_row(row, lang) for row in tasks.head(most).to_dict("records")]
    heads = _head(("status", "task", "unit", "due", "finding", "remark"), lang)
    return views.table(heads, rows, empty=text("workplan.page.no_task", lang)) + _rest(len(tasks) - most, lang)


def _rest(n: int, lang: str) -> Markup:
    """Return the line that says how many rows are not shown."""
    return part("muted", lang, text("workplan.cli.more", lang, n=n) if n > 0 else "")


def _task_row(row: Mapping[str, Any], lang: str) -> list[Markup | str]:
    helps = (
        text("workplan.page.with", lang, units=offices(row["cooperating_units"], lang))
        if row["cooperating_units"]
        else ""
    )
    due = text(f"workplan.recurring.{row['recurring']}", lang) if row["recurring"] else row["deadline"]
    facts = f" {row['facts_met']}/{row['facts']}" if row["facts"] > 1 else ""
    waits = text("workplan.cli.waits", lang, tasks=row["blocked_by"]) if row["blocked_by"] else ""
    days = "" if row["status"] == "done" else _days(row["days_left"], lang)
    return [
        _task_lamp(row["status"], lang),
        _task(row, lang),
        _over(_safe(offices(row["lead_unit"], lang) or text("page.no_owner", lang)), helps, LINE_MOST),
        part("unbroken", lang, _over(_safe(due or text("page.no_date", lang)), days)),
        lamp(row["finding"], lang) + facts if row["finding"] else "–",
        _safe(" ".join(filter(None, (waits, row["remark"]))), 200),
    ]


def _task(row: Mapping[str, Any], lang: str) -> Markup:
    label = row["label_en"] if lang == "en" and row["label_en"] else row["label_zh"]
    return part("coded", lang, _safe(row["task"]), _safe(label, LINE_MOST))


def _task_lamp(status: str, lang: str) -> Markup:
    """Return a task's status as a lamp with its own word."""
    return lamp(TASKS[status], lang, text(f"workplan.status.{status}", lang))


def _days(left: int | None, lang: str) -> str:
    return "" if left is None else text(f"workplan.cli.{'days' if left >= 0 else 'over'}", lang, n=abs(left))


def _unit_table(units: pd.DataFrame, lang: str) -> Markup:
    """Return every unit with what it owes: by status, next date, planned against actual; no column without a figure."""
    told = ("cooperating", "done", "late", "due_before_adoption", "blocked", "on_course", "not_started", "undated")
    statuses = [status for status in told if units[status].any()]
    rows = [
        [_safe(offices(row["unit"], lang)), *(row[s] or "" for s in ("lead", *statuses)),
         percent(row["planned_share"]), percent(row["actual_share"]), day(row["next_due"])]
        for row in units.to_dict("records")
    ]  # fmt: skip
    heads = _head(("any_unit", "lead"), lang)
    heads += [text(f"workplan.{'head' if s == 'cooperating' else 'status'}.{s}", lang) for s in statuses]
    heads += _head(("planned", "actual", "next_due"), lang)
    numeric = range(1, len(heads) - 1)
    return views.table(heads, rows, numeric=numeric, empty=text("workplan.page.no_unit", lang))


def percent(share: float) -> str:
    """Return a share for people; a dash where there is none."""
    return "–" if share != share else f"{share:.0%}"


def day(value: Any) -> Markup | str:
    """Return a day for people; a dash where there is none."""
    if value is None or value != value:
        return "–"
    return part("unbroken", "zh", value.isoformat())


def _township_table(rows: pd.DataFrame, lang: str) -> Markup:
    """Return the townships' progress, those that start first marked."""
    pilot = {True: text("workplan.page.pilot", lang), False: "", None: "–"}
    body = [
        [_safe(row["township"]), pilot[row["pilot"]], row["schools"], row["checks"], row["met"], row["not_met"],
         row["no_data"] or "", percent(row["met_share"])]
        for row in rows.to_dict("records")
    ]  # fmt: skip
    heads = _head(("township", "pilot", "schools", "checks", "met", "not_met", "no_data", "share"), lang)
    return views.table(heads, body, numeric=[2, 3, 4, 5, 6, 7], empty=text("workplan.page.no_township", lang))


def _schedule_table(rows: pd.DataFrame, lang: str, most: int = 100) -> Markup:
    """Return the schedule counted back from the dates; what can no longer be done in time is said in words."""
    body = []
    for row in rows.head(most).to_dict("records"):
        word = text(f"workplan.page.{'impossible' if row['impossible'] else 'possible'}", lang)
        body.append(
            [lamp("not_met" if row["impossible"] else "met", lang, word), _task(row, lang), day(row["due"]),
             day(row["needed_by"]), row["lead_days"], day(row["latest_start"]), row["slack_days"],
             _safe(row["before"])]
        )  # fmt: skip
    heads = _head(("status", "task", "due", "needed_by", "lead_days", "latest_start", "slack", "before"), lang)
    empty = text("workplan.page.no_schedule", lang)
    return views.table(heads, body, numeric=[4, 6], empty=empty) + _rest(len(rows) - most, lang)


def _works_html(found: Programme, on: date, required: float, lang: str) -> Markup:
    """Return a programme of works: what the plan wants each year, area and cost, planned and done."""
    plan = text(
        "workplan.page.works",
        lang,
        each=number(found.per_township),
        area=_whole(found.area_m2),
        per_m2=_whole(found.yuan_per_m2),
        money=_money(found.investment_yuan, lang),
    )
    done = text(
        "workplan.page.works_done",
        lang,
        area=_whole(found.area_done_m2),
        money=_money(found.investment_done_yuan, lang),
        required=_whole(required),
        on=on.isoformat(),
    )
    rows = [
        [row["year"], number(row["per_township"]), *(_whole(row[c]) for c in ("townships", "required", "cumulative"))]
        for row in found.yearly.to_dict("records")
    ]
    heads = _head(("year", "each", "townships", "projects", "cumulative"), lang)
    return part("lines", lang, [plan, done]) + views.table(heads, rows, numeric=[1, 2, 3, 4])


def _money(yuan: float, lang: str) -> str:
    """Return a sum as people of the language say it: in 万元, or in millions."""
    if yuan != yuan:
        return "–"
    return text("workplan.page.money", lang, n=f"{yuan / 10_000:,.0f}" if lang == "zh" else f"{yuan / 1_000_000:,.2f}")


def _whole(value: float) -> str:
    return "–" if value != value else f"{value:,.0f}"


def _achievement_table(rows: pd.DataFrame, lang: str) -> Markup:
    """Return what the plan or report says has been reached, with the source's words."""
    body = []
    for row in rows.rename(columns={"code": "task"}).to_dict("records"):
        figure = f"{row['value']:,.10g}{unit(row['unit'])[lang]}" if row["value"] == row["value"] else row["words"]
        kind = text(f"workplan.kind.{row['kind']}", lang)
        years = listed(by_year_words(row, lang), lang)
        told = text(f"workplan.agrees.{row['agrees']}", lang)
        body.append(
            [_task(row, lang), kind, _safe(figure), _safe(deadline_words(row["deadline"] or "–", lang)),
             _safe(row["quote"], LINE_MOST), _safe(told), _safe(years or "–", 600)]
        )  # fmt: skip
    heads = _head(("achievement", "kind", "value", "when", "quote", "agrees", "by_year"), lang)
    return views.table(heads, body, numeric=[2])


def csv(rows: pd.DataFrame, lang: str, stamp: Stamp, *, on: date, synthetic: bool) -> bytes:
    """Return a table as CSV a spreadsheet opens: heads for people, no cell a formula, with what it rests on.

    Columns whose name has no head in the locale are left out.

    Parameters
    ----------
    rows : DataFrame
    lang : {"zh", "en"}
    stamp : Stamp
    on : date
    synthetic : bool
        Whether any figure was made up.
    """
    known = [name for name in rows.columns if has(f"workplan.csv.{name}")]
    out = {text(f"workplan.csv.{name}", lang): [_cell(value, name, lang) for value in rows[name]] for name in known}
    frame = pd.DataFrame(out, index=range(len(rows)))
    # What the rows rest on stands in every row: rows are cut out and sent on.
    for name, value in (*vars(stamp).items(), ("on", on.isoformat()), ("synthetic", str(synthetic))):
        frame[text(f"workplan.csv.stamp_{name}", lang)] = value
    return as_csv(frame)


def _cell(value: Any, name: str, lang: str) -> Any:
    if value is None or value is pd.NaT or value != value:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return text(f"workplan.{'yes' if value else 'no'}", lang)
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    words = {"status": f"workplan.status.{value}", "action": f"workplan.action.{value}", "finding": f"status.{value}"}
    if name in words and has(words[name]):
        return text(words[name], lang)
    return value
