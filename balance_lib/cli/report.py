"""Give the command ``balance report``: official forms, lists and papers into a folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balance_lib.cli.shared import (
    AsJson,
    Folder,
    InLang,
    Lang,
    Switches,
    _switches_of,
    app,
    faults_told,
    print_result,
    standard_named,
)
from balance_lib.locale import text

if TYPE_CHECKING:
    import pandas as pd

    from balance_lib.data.county import County
    from balance_lib.office.reports import ReportSource
    from balance_lib.scenarios import Outcome
    from balance_lib.standards import Standard


@app.command()
def report(
    folder: Folder,
    standard: Annotated[str, typer.Option("--standard", help="A standard's id or YAML file.")],
    year: Annotated[int, typer.Option("--year", help="School year, by its first calendar year.")],
    out: Annotated[Path, typer.Option("--out", help="Folder the files are written into.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="Only these: brief self_report forms school_tables problems ledger matrix schedule visits progress.",
        ),
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="Scenario (YAML) to write the argument paper for.")
    ] = None,
    on: Annotated[
        datetime | None,
        typer.Option("--on", formats=["%Y-%m-%d"], help="Day deadlines, tasks and the ledger are judged on."),
    ] = None,
    made_on: Annotated[
        datetime | None, typer.Option("--made-on", formats=["%Y-%m-%d"], help="Day the papers bear; today by default.")
    ] = None,
    switch: Switches = None,
    small_counts: Annotated[
        bool, typer.Option("--small-counts", help="Print counts of disabled or migrant children also under five.")
    ] = False,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Write application forms, self-evaluation tables, lists, ledger, brief and reports of a county."""
    from balance_lib import evaluation
    from balance_lib.data.county import County
    from balance_lib.office import reports, workplan

    chosen = standard_named(standard, lang)
    definitions = _switches_of(switch or [], chosen, lang)
    for key in only or []:
        if key not in reports.KEYS:
            raise typer.BadParameter(f"{key}: {' '.join(reports.KEYS)}", param_hint="--only")
    with faults_told(as_json, lang):
        county = County.open(folder)
        day = None if on is None else on.date()
        found = evaluation.evaluate(county, chosen, year=year, definitions=definitions, on=day)
        saved = _saved(county, chosen.id, only)
        source = reports.ReportSource(
            county,
            found,
            lang=lang.value,
            made_on=None if made_on is None else made_on.date(),
            register=workplan.register_of(county, chosen, found.on, records=saved["records"], found=found),
            ledger=saved["ledger"],
            history=saved["history"],
            journals=_journals(county, chosen.id, only),
            outcome=None if scenario is None else _outcome(county, scenario, chosen),
            small_counts=small_counts,
        )
        paths = reports.write(out, source, only=only)
        skipped = {key: reports.missing(key, source) for key in reports.KEYS if key not in reports.keys(source)}
        result = {
            "county": county.county_id,
            "standard": chosen.id,
            "year": year,
            "verdict": found.verdict,
            **county.marks,
            "written": [str(path) for path in paths],
            "skipped": {key: text(f"report.missing.{why}", lang) for key, why in skipped.items()},
            "provenance": dict(found.provenance),
        }
        print_result(as_json, result, _plain(paths, source, only, lang))


def _saved(county: County, standard_id: str, only: list[str] | None) -> dict[str, pd.DataFrame | None]:
    """Return what the office saved: ledger, its history, records of tasks; asked for only when a paper needs it."""
    from balance_lib.office.store import store_of

    store = store_of(county)
    if not store.exists or (only is not None and not {"ledger", "matrix", "schedule"} & set(only)):
        return dict.fromkeys(("ledger", "history", "records"))
    return {
        "ledger": store.ledger(county.county_id, standard_id),
        "history": store.history(county.county_id, standard_id),
        "records": store.task_records(county.county_id, standard_id),
    }


def _journals(county: County, standard_id: str, only: list[str] | None) -> dict[str, pd.DataFrame] | None:
    from balance_lib.office.store import store_of
    from balance_lib.office.workplan import JOURNALS

    store = store_of(county)
    if not store.exists or (only is not None and not {"visits", "progress"} & set(only)):
        return None
    return {name: store.journal(name, county.county_id, standard_id) for name in JOURNALS}


def _outcome(county: County, file: Path, standard: Standard) -> Outcome:
    from balance_lib import scenarios

    return scenarios.evaluate(county, scenarios.Scenario.from_yaml(file), standard=standard)


def _plain(paths: list[Path], source: ReportSource, only: list[str] | None, lang: str) -> str:
    from balance_lib.office import reports

    lines = [text("report.cli.wrote", lang, path=path) for path in paths]
    if only is None:
        for key in reports.KEYS:
            if why := reports.missing(key, source):
                told = text(f"report.missing.{why}", lang)
                lines.append(text("report.cli.skipped", lang, title=reports.title(key, lang), why=told))
    return "\n".join(lines)
