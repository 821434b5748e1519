"""Give the command ``balance plan``: where a plan stands on a day, what is late, who owes what, and the ledger."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, print_result, standard_named
from balance_lib.locale import banners, text
from balance_lib.plain import plain, records

if TYPE_CHECKING:
    pass

MOST = 20


@app.command()
def plan(
    folder: Folder,
    standard: Annotated[str, typer.Option("--standard", help="The plan: a standard's id or YAML file.")],
    on: Annotated[datetime, typer.Option("--on", formats=["%Y-%m-%d"], help="The day asked about.")],
    unit: Annotated[str | None, typer.Option("--unit", help="Only what this unit leads or takes part in.")] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Tell where a plan stands on a day: stages, tasks, overdue, ledger."""
    from balance_lib.data.county import County

    chosen = standard_named(standard, lang)
    with faults_told(as_json, lang):
        county = County.open(folder)
        found = _found(county, chosen, on.date(), unit, lang.value)
        print_result(as_json, found, _plain(found, lang.value))


def _found(county: Any, chosen: Any, on: date, unit: str | None, lang: str) -> dict[str, Any]:
    from balance_lib.office import store, workplan

    saved = store.store_of(county)
    evaluation = workplan.judged(county, chosen, on)
    recorded = saved.task_records(county.county_id, chosen.id)
    register = workplan.register_of(county, chosen, on, records=recorded, found=evaluation)
    result = {"county": county.county_id, "county_name": county.name(lang), **county.marks}
    result |= register.as_dict(lang)
    shown = register.of(unit) if unit else register.tasks
    result["tasks"] = [task for task in result["tasks"] if task["task"] in set(shown["task"])]
    result["unit"] = unit
    after = chosen.plan.after if chosen.plan else {}
    result["pilots"] = list(chosen.plan.pilots) if chosen.plan else []
    result["inspections"] = list(chosen.plan.inspections) if chosen.plan else []
    result["schedule"] = records(workplan.schedule(shown, on, after=after))
    result["achievements"] = records(workplan.achievements(chosen, county))
    result["groups"] = records(workplan.groups(chosen))
    result["works"] = _works(workplan.programme(chosen, county, evaluation))
    result["ledger"] = _ledger(saved, county, chosen, on, lang)
    result |= _journals(saved, county, chosen, on)
    result["problems"] = 0 if evaluation is None else len(workplan.problem_list(evaluation, county, lang=lang, on=on))
    result["provenance"] = county.stamp(chosen.id, year=register.year) | vars(store.Stamp.of(county, chosen))
    return result


def _works(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    whole = {name: plain(value) for name, value in vars(found).items() if name != "yearly"}
    return {**whole, "yuan_per_m2": plain(found.yuan_per_m2), "yearly": records(found.yearly)}


def _journals(saved: Any, county: Any, chosen: Any, on: date) -> dict[str, Any]:
    """Return what the journals say on the day: pairs, each place's progress, reports, works."""
    from balance_lib.office import workplan

    kept = {name: saved.journal(name, county.county_id, chosen.id) for name in workplan.JOURNALS}
    found = {
        "pairs": workplan.pair_table(kept["pairings"], kept["visits"], county, on),
        "places": workplan.place_table(kept["milestones"], county, chosen, on),
        "reports": workplan.report_table(kept["progress_reports"], on),
        "works_by_year": workplan.works_table(kept["works"], county, chosen, on),
    }
    return {name: records(rows) for name, rows in found.items()}


def _ledger(saved: Any, county: Any, chosen: Any, on: date, lang: str) -> dict[str, Any]:
    from balance_lib.office import workplan

    entries = saved.ledger(county.county_id, chosen.id)
    shown = workplan.ledger_table(entries, county, chosen, on, lang)
    counts = workplan.ledger_counts(entries)
    return {"counts": counts, "late": int((shown["days_late"] > 0).sum()), "entries": records(shown)}


def _plain(found: dict[str, Any], lang: str) -> str:
    lines = [f"{found['county_name']}  {found['title']}", found["sentence"]]
    lines += banners(found, lang)
    sign = {"over": "■", "current": "▶", "ahead": "□"}
    name = "label_zh" if lang == "zh" else "label_en"
    for stage in found["stages"]:
        facts = {key: stage[key] for key in ("starts", "ends", "tasks", "done", "late")}
        lines.append(f"  {sign[stage['status']]} {stage[name]}  {text('workplan.cli.stage', lang, **facts)}")
    for status in ("late", "due_before_adoption", "blocked", "on_course"):
        mine = [task for task in found["tasks"] if task["status"] == status]
        lines += ["", f"{text(f'workplan.status.{status}', lang)} ({len(mine)})"] if mine else []
        lines += [_task(task, lang) for task in mine[:MOST]]
        lines += [text("workplan.cli.more", lang, n=len(mine) - MOST)] if len(mine) > MOST else []
    late = [row for row in found["units"] if row["late"] or row["due_before_adoption"]]
    lines += ["", text("workplan.cli.units", lang)] if late else []
    lines += [text("workplan.cli.unit", lang, **row) for row in late[:MOST]]
    ledger = found["ledger"]
    lines += [
        "",
        text("workplan.cli.ledger", lang, problems=found["problems"], late=ledger["late"], **ledger["counts"]),
    ]
    return "\n".join([*lines, *_field(found, lang)])


def _field(found: dict[str, Any], lang: str) -> list[str]:
    """Return lines on pairs and on places that are behind; none where nothing was entered."""
    lines, pairs, places = [], found["pairs"], found["places"]
    if pairs:
        counts = {status: sum(p["status"] == status for p in pairs) for status in ("overdue", "never")}
        lines.append(text("journal.cli.pairs", lang, n=len(pairs), **counts))
        for pair in [p for p in pairs if p["status"] in counts][:MOST]:
            days = {"last": pair["last_on"] or "–", "next": pair["next_on"] or "–", "late": pair["days_late"]}
            lines.append(
                text("journal.cli.pair", lang, department=pair["department"], place=pair["place_name"], **days)
            )
    behind = [place for place in places if place["behind"]]
    if places:
        lines.append(text("journal.cli.places", lang, n=len(places), behind=len(behind)))
    for place in behind[:MOST]:
        shares = {name: f"{place[f'{name}_share']:.0%}" for name in ("planned", "actual")}
        facts = {"place": place["place_name"], "late": place["late"], "waits": place["waits_for"]}
        lines.append(text("journal.cli.place", lang, **facts, **shares))
    if short := sum(row["short"] or 0 for row in found["works_by_year"]):
        listed = sum(row["listed"] for row in found["works_by_year"])
        lines.append(text("journal.cli.works", lang, n=listed, short=f"{short:g}"))
    return lines


def _task(task: dict[str, Any], lang: str) -> str:
    who = "、".join(task["lead_units"]) or text("page.no_owner", lang)
    waits = text("workplan.cli.waits", lang, tasks=task["blocked_by"]) if task["blocked_by"] else ""
    left = task["days_left"]
    days = "" if left is None else text(f"workplan.cli.{'days' if left >= 0 else 'over'}", lang, n=abs(left))
    return f"  {task['task']:<8} {task['label']}  {who}  {task['due'] or ''} {days} {waits}".rstrip()
