"""Write what the office works from: problem list, ledger, responsibility matrix and schedule, as workbooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib.data.county import County
from balance_lib.evaluation import OPEN, Evaluation
from balance_lib.locale import deadline_words, has, listed, text
from balance_lib.office import workplan
from balance_lib.office.reports import findings, wording
from balance_lib.office.reports.paper import SheetWriter, Value, _origin_sheet, book_of, new_book
from balance_lib.office.reports.stamp import ReportStamp, _said_day
from balance_lib.standards import Standard

if TYPE_CHECKING:
    from openpyxl import Workbook

    from balance_lib.office.workplan import Register

_OPS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt", "==": "eq"}
_MONTHS = 18  # a schedule over more months has quarters, one over more than six years has years
_BAR = "■"
# column: (width, alignment)
_PROBLEMS: Mapping[str, tuple[float, str]] = {
    "number": (5, "center"), "school": (19, "left"), "township": (10, "left"), "stage": (6, "center"),
    "code": (10, "left"), "item": (27, "left"), "value": (10, "right"), "operator": (9, "center"),
    "required": (8, "right"), "gap": (10, "right"), "unit": (8, "center"), "measure": (22, "left"),
    "lead_unit": (11, "left"), "person": (8, "left"), "due": (11, "center"), "latest_start": (11, "center"),
}  # fmt: skip
_LEDGER: Mapping[str, tuple[float, str]] = {
    "number": (5, "center"), "school": (18, "left"), "stage_word": (6, "center"), "code": (9, "left"),
    "item": (24, "left"), "value": (10, "right"), "required": (8, "right"), "gap": (10, "right"), "unit": (7, "center"),
    "measure": (20, "left"), "lead_unit": (10, "left"), "person": (8, "left"), "due": (11, "center"),
    "state_word": (8, "center"), "evidence": (7, "center"), "days_open": (7, "center"), "days_late": (7, "center"),
    "reopened": (8, "center"), "closed_by": (12, "center"), "closed_at": (11, "center"),
}  # fmt: skip
_HISTORY: Mapping[str, tuple[float, str]] = {
    "at": (18, "left"), "who": (14, "left"), "subject_id": (14, "left"), "action": (14, "left"), "field": (12, "left"),
    "before": (26, "left"), "after": (26, "left"), "note": (26, "left"),
}  # fmt: skip
_TASKS: Mapping[str, tuple[float, str]] = {
    "number": (5, "center"), "group": (12, "left"), "label": (44, "left"), "codes": (16, "left"),
    "lead_unit": (16, "left"), "cooperating_units": (26, "left"), "deadline": (11, "center"), "due": (11, "center"),
    "status": (14, "center"), "remark": (20, "left"),
}  # fmt: skip
_UNITS: Mapping[str, tuple[float, str]] = {
    "unit": (28, "left"), "lead": (8, "center"), "cooperating": (8, "center"), "done": (8, "center"),
    "on_course": (8, "center"), "late": (8, "center"), "due_before_adoption": (12, "center"), "blocked": (8, "center"),
    "not_started": (10, "center"), "undated": (10, "center"), "next_due": (12, "center"),
}  # fmt: skip
_SCHEDULE: Mapping[str, tuple[float, str]] = {
    "number": (5, "center"), "label": (36, "left"), "lead_unit": (14, "left"), "starts": (11, "center"),
    "due": (11, "center"), "lead_days": (7, "center"), "latest_start": (11, "center"), "status": (12, "center"),
}  # fmt: skip


def problems(
    county: County,
    evaluation: Evaluation,
    *,
    lang: str = "zh",
    made_on: date | None = None,
    ledger: pd.DataFrame | None = None,
) -> bytes:
    """Return the school problem list (学校问题清单), and beside it what is open for want of data or evidence.

    Parameters
    ----------
    county : County
    evaluation : Evaluation
        Under any standard.
    lang : {"zh", "en"}
    made_on : date, optional
        Day the paper bears; today by default.
    ledger : DataFrame, optional
        The rectification ledger: whom it names for a problem answers for it here too, by the day it says.
    """
    stamp = ReportStamp.of_evaluation(county, evaluation, made_on)
    keys = ["code", "school_id", "stage"]
    entries = {} if ledger is None else ledger.drop_duplicates(keys).set_index(keys).to_dict("index")
    table, book = workplan.problem_list(evaluation, county, lang=lang), new_book()
    page = _open_sheet(book, "problems", _PROBLEMS, stamp, lang, freeze=2)
    for number, row in enumerate(table.to_dict("records"), 1):
        op = text(f"op.{_OPS.get(str(row['operator']), 'eq')}", lang) if row["required"] == row["required"] else ""
        school = row["school"] or county.whole(lang)
        figures = _figures(row, evaluation.standard)
        stage = text(f"stage.{row['stage']}", lang)
        agreed = _agreed(entries.get((row["code"], row["school_id"], row["stage"]), {}), row["lead_days"])
        shown = {**row, **figures, **agreed, "number": number, "school": school, "stage": stage, "operator": op}
        _put_row(page, _PROBLEMS, shown, lang)
    page.note(text("report.lists.problems.note", lang, n=len(table)))
    page.finish()
    _rollup(book, evaluation, stamp, lang)
    _open_items(book, evaluation, stamp, lang)
    _origin_sheet(book, stamp, [text("report.lists.unrounded", lang)], lang)
    return book_of(book)


def _agreed(entry: Mapping[str, Any], lead_days: int) -> dict[str, Any]:
    """Return who answers for a problem and by when, where the ledger says so, and the latest start for that day."""
    due = _day(entry.get("due"))
    dates = {} if due is None else {"due": due, "latest_start": due - timedelta(days=lead_days)}
    return {"person": entry.get("person") or "", **dates}


def _rollup(book: Workbook, evaluation: Evaluation, stamp: ReportStamp, lang: str) -> None:
    """Add how many schools meet each item that is judged school by school (县级汇总)."""
    results = [r for r in evaluation.items if r.counts and r.counted is not None and r.counted.of == "school"]
    if not results:
        return
    title = text("report.lists.rollup.title", lang)
    page = SheetWriter(book, title, (6, 14, 50, 8, 11, 11, 13, 12, 12, 13, 12), stamp, lang=lang)
    page.title(title)
    page.line(f"{stamp.county(lang)}　{stamp.school_year(lang)}", align="center")
    keys = ("number", "code", "item", "stage", "schools", "met", "floor", "short", "unknown", "share", "status")
    page.head([[text(f"report.lists.rollup.{key}", lang) for key in keys]], freeze=2)
    for number, result in enumerate(results, 1):
        counted = result.counted
        assert counted is not None
        met, n = len(counted.at_line), counted.n
        words = [result.item.code, findings._label(result, lang), text(f"stage.{result.item.stage}", lang)]
        others = [len(rows) for rows in (counted.by_floor, counted.below, counted.unknown)]
        counts = [n, met, *others, Value(100 * met / n, 1) if n else None]
        align = ["center", "left", "left", *["center"] * 8]
        page.data([number, *words, *counts, text(f"status.{result.status}", lang)], align=align)
    page.note(text("report.lists.rollup.note", lang))
    page.finish()


def _open_items(book: Workbook, evaluation: Evaluation, stamp: ReportStamp, lang: str) -> None:
    title = text("report.lists.open.title", lang)
    page = SheetWriter(book, title, (6, 14, 46, 22, 12, 60), stamp, lang=lang)
    page.title(title)
    page.line(f"{stamp.county(lang)}　{stamp.school_year(lang)}", align="center")
    keys = ("number", "code", "item", "required", "status", "why")
    page.head([[text(f"report.lists.open.{key}", lang) for key in keys]], freeze=2)
    waiting = evaluation.with_status(*OPEN)
    for number, result in enumerate(waiting, 1):
        why = wording.sentence(wording.plain(result.reason.render(lang), 1_000, lang), lang)
        words = [
            findings._label(result, lang),
            findings._requirement(result, lang),
            text(f"status.{result.status}", lang),
        ]
        page.data([number, result.item.code, *words, why], align=["center", "left", "left", "left", "center", "left"])
    page.note(text(f"report.lists.open.{'note' if waiting else 'none'}", lang))
    page.finish()


def ledger(
    county: County,
    standard: Standard,
    entries: pd.DataFrame,
    *,
    year: int,
    on: date,
    history: pd.DataFrame | None = None,
    lang: str = "zh",
    made_on: date | None = None,
) -> bytes:
    """Return the rectification ledger (整改台账), and every change it went through.

    Parameters
    ----------
    county : County
    standard : Standard
    entries : DataFrame
        ``Store.ledger(county_id, standard_id)``.
    year : int
        School year the paper names.
    on : date
        Day the age of an entry is counted to.
    history : DataFrame, optional
        ``Store.history(county_id, standard_id)``; a second sheet.
    lang : {"zh", "en"}
    made_on : date, optional
    """
    stamp = ReportStamp.of(county, standard, year, on=on, made_on=made_on)
    table, book = workplan.ledger_table(entries, county, standard, on, lang), new_book()
    page = _open_sheet(book, "ledger", _LEDGER, stamp, lang, freeze=2)
    for number, row in enumerate(table.to_dict("records"), 1):
        given = {"number": number, "closed_by": row["closed_word"]}
        _put_row(page, _LEDGER, {**row, **_figures(row, standard), **given}, lang)
    counts = wording._closed(workplan.ledger_counts(table), lang)
    page.note(text("report.lists.ledger.note", lang, n=len(table), day=_said_day(on, lang), **counts))
    page.finish()
    if history is not None:
        _history(book, history, standard, stamp, lang)
    _origin_sheet(book, stamp, [text("report.lists.unrounded", lang)], lang)
    return book_of(book)


def _history(book: Workbook, history: pd.DataFrame, standard: Standard, stamp: ReportStamp, lang: str) -> None:
    page = _open_sheet(book, "history", _HISTORY, stamp, lang, freeze=1)
    # The trail tells of tasks, files and journals too; this paper is about the ledger.
    own = history[history["subject"] == "ledger"] if "subject" in history else history
    for row in workplan.trail_words(own, standard, lang).to_dict("records"):
        key, field = f"workplan.action.{row.get('action')}", f"workplan.field.{row.get('field')}"
        row = {**row, "field": text(field, lang) if has(field) else row.get("field")}
        at = row.get("at")
        told = at.strftime("%Y-%m-%d %H:%M") if isinstance(at, datetime) and at == at else at
        _put_row(
            page, _HISTORY, {**row, "at": told, "action": text(key, lang) if has(key) else row.get("action")}, lang
        )
    page.finish()


def matrix(county: County, register: Register, *, year: int, lang: str = "zh", made_on: date | None = None) -> bytes:
    """Return the responsibility matrix (任务分解表): every task with its units, and every unit with its tasks.

    Parameters
    ----------
    county : County
    register : workplan.Register
        The plan's tasks on a day.
    year : int
        School year the paper names.
    lang : {"zh", "en"}
    made_on : date, optional
    """
    stamp, book = ReportStamp.of(county, register.standard, year, on=register.on, made_on=made_on), new_book()
    rows = [_task(row, lang) for row in register.tasks.to_dict("records")]
    page = _open_sheet(book, "matrix", _TASKS, stamp, lang, freeze=3)
    for number, row in enumerate(rows, 1):
        _put_row(page, _TASKS, {**row, "number": number}, lang)
    page.note(text("report.lists.matrix.note", lang, day=_said_day(register.on, lang), n=len(rows)))
    page.finish()
    units = _open_sheet(book, "units", _UNITS, stamp, lang, freeze=1)
    for row in register.units.to_dict("records"):
        _put_row(units, _UNITS, {**row, "unit": wording.offices(row["unit"], lang)}, lang)
    units.finish()
    _by_unit(book, rows, register, stamp, lang)
    _origin_sheet(book, stamp, [], lang)
    return book_of(book)


def _by_unit(
    book: Workbook, rows: Sequence[Mapping[str, Any]], register: Register, stamp: ReportStamp, lang: str
) -> None:
    """Write what each unit answers for and by when: its own tasks first, then those it helps with."""
    columns = {
        "unit": (20.0, "left"),
        "role": (8.0, "center"),
        **{k: _TASKS[k] for k in ("label", "codes", "due", "status")},
    }
    page = _open_sheet(book, "by_unit", columns, stamp, lang, freeze=1)
    for unit in register.units["unit"]:
        # Units by task, not the joined text: some units' own names hold the mark that joins them.
        owners = {task: parts for task, parts in register.offices_by_task.items() if unit in (*parts[0], *parts[1])}
        mine = [(row, "lead" if unit in owners[row["task"]][0] else "helps") for row in rows if row["task"] in owners]
        mine.sort(key=lambda pair: (pair[1] != "lead", _day(pair[0]["due"]) or date.max))
        for row, role in mine:
            _put_row(
                page,
                columns,
                {**row, "unit": wording.offices(unit, lang), "role": text(f"report.lists.role.{role}", lang)},
                lang,
            )
    page.finish()


def schedule(county: County, register: Register, *, year: int, lang: str = "zh", made_on: date | None = None) -> bytes:
    """Return the schedule (序时进度表): start, date and latest start of every dated task, with a bar over the months.

    Parameters
    ----------
    county, register, year, lang, made_on
        As for :func:`matrix`.
    """
    stamp, book = ReportStamp.of(county, register.standard, year, on=register.on, made_on=made_on), new_book()
    plan = register.standard.plan
    counted = workplan.schedule(register.tasks, register.on, after=plan.after if plan else None)
    back = counted.drop_duplicates("task").set_index("task").to_dict("index")
    dated = register.tasks[register.tasks["due"].notna()].to_dict("records")
    dated.sort(key=lambda row: (_day(row["due"]) or date.max, str(row["task"])))
    once = [row for row in dated if not row["recurring"]] or dated
    spans = _periods([d for row in once for d in (_day(row["starts"]), _day(row["due"])) if d], lang)
    columns = {**_SCHEDULE, **{name: (7.0, "center") for name, _, _ in spans}}
    page = _open_sheet(book, "schedule", columns, stamp, lang, freeze=2, extra=[name for name, _, _ in spans])
    for number, row in enumerate(dated, 1):
        due = _day(row["due"])
        start = _day(row["starts"]) or due
        bars = {n: _BAR for n, first, last in spans if start and due and min(start, due) <= last and first <= due}
        times = {k: back.get(row["task"], {}).get(k) for k in ("lead_days", "latest_start")}
        _put_row(page, columns, {**_task(row, lang), **times, "number": number, **bars}, lang)
    page.note(text("report.lists.schedule.note", lang, day=_said_day(register.on, lang)))
    page.finish()
    if len(register.stages):
        _stages(book, register, stamp, lang)
    _origin_sheet(book, stamp, [], lang)
    return book_of(book)


def _stages(book: Workbook, register: Register, stamp: ReportStamp, lang: str) -> None:
    columns = {"code": (12.0, "left"), "label": (48.0, "left")}
    columns |= dict.fromkeys(("starts", "ends", "state"), (12.0, "center"))
    columns |= dict.fromkeys(("tasks", "done", "late"), (8.0, "center"))
    page = _open_sheet(book, "stages", columns, stamp, lang, freeze=2)
    for row in register.stages.to_dict("records"):
        state = text(f"report.lists.stage_state.{row['status']}", lang)
        _put_row(page, columns, {**row, "label": row[f"label_{lang}"], "state": state}, lang)
    page.finish()


def _periods(days: Sequence[date], lang: str = "zh") -> list[tuple[str, date, date]]:
    """Return the months, quarters or years from the first day to the last: label, first day, last day.

    Examples
    --------
    >>> [name for name, _, _ in _periods([date(2022, 11, 5), date(2023, 1, 2)])]
    ['2022年11月', '2022年12月', '2023年1月']
    """
    if not days:
        return []
    first, last = min(days), max(days)
    months = 12 * (last.year - first.year) + last.month - first.month + 1
    step = 1 if months <= _MONTHS else 3 if months <= 72 else 12
    begin = 12 * first.year + (first.month - 1) // step * step
    out = []
    for month in range(begin, 12 * last.year + last.month, step):
        start, after = date(month // 12, month % 12 + 1, 1), month + step
        end = date.fromordinal(date(after // 12, after % 12 + 1, 1).toordinal() - 1)
        key = {1: "month", 3: "quarter", 12: "year"}[step]
        out.append((text(f"report.lists.{key}", lang, year=start.year, month=start.month,
                         quarter=(start.month + 2) // 3), start, end))  # fmt: skip
    return out


def _task(row: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Return a task's row as it is printed."""
    deadline = str(row["deadline"] or row["recurring"] or "")
    status = str(row["status"])
    label = wording.sentence(wording.plain(row["label_zh" if lang == "zh" else "label_en"], 300, lang), lang)
    group = findings._category(str(row["group"] or ""), lang) if row["group"] else ""
    return {
        **row,
        "codes": listed(row["codes"].split("、"), lang),
        "label": label,
        "group": group,
        "deadline": deadline_words(deadline, lang),
        "status": text(f"workplan.status.{status}", lang),
    }


def _open_sheet(
    book: Workbook,
    key: str,
    columns: Mapping[str, tuple[float, str]],
    stamp: ReportStamp,
    lang: str,
    *,
    freeze: int,
    extra: Sequence[str] = (),
) -> SheetWriter:
    """Open a sheet with its title and the head of its table."""
    title = text(f"report.lists.{key}.title", lang)
    page = SheetWriter(book, title, [wide for wide, _ in columns.values()], stamp, lang=lang)
    page.title(title)
    page.line(f"{stamp.county(lang)}　{stamp.school_year(lang)}", align="center")
    # A month or quarter stands in two lines: its column is as narrow as a bar allows.
    labels = [name.replace("年", "年\n", 1) if name in extra else text(f"report.lists.column.{name}", lang)
              for name in columns]  # fmt: skip
    page.head([[label.replace("（", "\n（") for label in labels]], freeze=freeze)
    return page


def _put_row(page: SheetWriter, columns: Mapping[str, tuple[float, str]], row: Mapping[str, Any], lang: str) -> None:
    """Write one row of a table: a date, a number or a text in each column that is not blank."""
    page.data([_cell(name, row.get(name), lang) for name in columns], align=[align for _, align in columns.values()])


def _cell(name: str, value: Any, lang: str) -> Any:
    """Return a value as a cell takes it: a date, a number or a text; blank where there is none."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (Value, bool)):
        return value
    if isinstance(value, (datetime, date)):
        return _day(value)
    if isinstance(value, (int, float)):
        return Value(float(value), 0 if float(value).is_integer() else 2)
    if name in ("lead_unit", "cooperating_units"):
        return wording.offices(str(value), lang)
    return wording.sentence(str(value), lang) if name in ("item", "measure", "label", "unit") else value


def _figures(row: Mapping[str, Any], standard: Standard) -> dict[str, Any]:
    """Return value, line and gap with the decimals all other papers print."""
    item, line = standard.by_code.get(str(row["code"])), _float(row["required"])
    known = {name: _float(row[name]) for name in ("value", "required", "gap")}
    return {
        name: None if math.isnan(number) else Value(number, workplan.decimals_of(name, number, line, item))
        for name, number in known.items()
    }


def _float(value: Any) -> float:
    return math.nan if value is None or value is pd.NA else float(value)


def _day(value: Any) -> date | None:
    """Return a day of whatever stands in a table of dates."""
    if value is None or value is pd.NaT or value != value:
        return None
    return value.date() if isinstance(value, datetime) else value
