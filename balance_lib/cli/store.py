"""Give the command ``balance store``: back up and restore what people saved, bring its tables up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, print_result, standard_named
from balance_lib.locale import text

store_app = typer.Typer(no_args_is_help=True, help="Back up, restore and upgrade what people saved.")
app.add_typer(store_app, name="store")
Target = Annotated[Path, typer.Argument(metavar="FILE.zip", help="The backup.")]


@store_app.command()
def backup(target: Target, as_json: AsJson = False, lang: InLang = Lang.zh) -> None:
    """Write scenarios, ledgers, records, evidence and the trail of changes into one file."""
    from balance_lib.office.store import Store

    with faults_told(as_json, lang):
        counts = Store.default().backup(target)
        print_result(as_json, {"file": str(target), "rows": counts}, _said("backed_up", target, counts, lang))


@store_app.command()
def restore(
    source: Target,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.")] = False,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Bring a backup back, all of it or nothing."""
    from balance_lib.office.store import Store

    with faults_told(as_json, lang):
        counts = Store.default().restore(source, replace=replace)
        print_result(as_json, {"file": str(source), "rows": counts}, _said("restored", source, counts, lang))


@store_app.command()
def upgrade(as_json: AsJson = False, lang: InLang = Lang.zh) -> None:
    """Bring the database's tables up to date with the software."""
    from balance_lib.office.store import Store

    with faults_told(as_json, lang):
        done = Store.default().upgrade()
        print_result(as_json, {"upgraded": done}, text(f"store.cli.{'upgraded' if done else 'current'}", lang))


@store_app.command()
def take(
    journal: Annotated[
        str, typer.Argument(metavar="JOURNAL", help="pairings visits milestones progress_reports works")
    ],
    file: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or XLSX; column names in one of the first rows.")],
    folder: Folder,
    standard: Annotated[str, typer.Option("--standard", help="The plan: a standard's id or YAML file.")],
    who: Annotated[str, typer.Option("--who", help="Who brings it in, as the trail will say.")],
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Take a table into one of the office's journals, all of it or nothing; every fault is said at once."""
    from balance_lib.data.county import County
    from balance_lib.office import workplan
    from balance_lib.office.store import Stamp, Store
    from balance_lib.show.widgets.running import read_rows

    if journal not in workplan.JOURNALS:
        raise typer.BadParameter(" ".join(workplan.JOURNALS), param_hint="JOURNAL")
    chosen = standard_named(standard, lang)
    with faults_told(as_json, lang):
        county = County.open(folder)
        rows = read_rows(journal, file.name, file.read_bytes(), county, lang.value)
        own = {"county_id": county.county_id, "standard_id": chosen.id}
        done = Store.default().take_into_journal(journal, rows, who=who, stamp=Stamp.of(county, chosen), **own)
        counts = dict(zip(("new", "changed", "same"), done, strict=True))
        title = workplan.JOURNALS[journal].title(lang)
        print_result(as_json, {"journal": journal, **counts}, text("journal.page.taken", lang, journal=title, **counts))


def _said(key: str, file: Path, counts: dict[str, int], lang: str) -> str:
    parts = (f"{text(f'store.cli.table.{name}', lang)} {n}" for name, n in counts.items())
    return text(f"store.cli.{key}", lang, file=file, counts=(", " if lang == "en" else "、").join(parts))
