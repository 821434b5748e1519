"""Give the command ``balance remedy``: the cheapest set of actions that makes a failing county pass by a date."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, print_result, standard_named
from balance_lib.locale import banners, text

if TYPE_CHECKING:
    import pandas as pd

    from balance_lib.data.county import County
    from balance_lib.planning.remedies import RemedyPlan

MOST = 25


@app.command()
def remedy(
    folder: Folder,
    standard: Annotated[str, typer.Option("--standard", help="A standard's id or YAML file.")],
    year: Annotated[int, typer.Option("--year", help="School year, by its first calendar year.")],
    budget: Annotated[float | None, typer.Option("--budget", min=0, help="Total budget in yuan.")] = None,
    budget_of: Annotated[
        list[str] | None, typer.Option("--budget-of", help="Budget of one calendar year, such as 2026=500000.")
    ] = None,
    by: Annotated[
        datetime | None, typer.Option("--by", formats=["%Y-%m-%d"], help="Day by which everything is in place.")
    ] = None,
    costs: Annotated[Path | None, typer.Option("--costs", help="Edited copy of costs.yaml.")] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Action or kind not to be used, such as rotate.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan to this file (.xlsx or .csv).")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Time the search may take.")] = 25.0,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Find the cheapest plan that brings failing items over their lines: buy, build, hire, train, rotate."""
    from balance_lib import access
    from balance_lib.data.county import County
    from balance_lib.planning import remedies

    chosen = standard_named(standard, lang)
    budgets = _budgets(budget_of or [])
    if out is not None and out.suffix not in (".xlsx", ".csv"):
        raise typer.BadParameter(f"{out.name}: .xlsx, .csv", param_hint="--out")
    if by is not None and by.date() <= datetime(year, 8, 31).date():
        raise typer.BadParameter(f"{by.date()} <= {year}-08-31", param_hint="--by")
    with faults_told(as_json, lang):
        county = County.open(folder)
        plan = remedies.propose(
            county, chosen, year=year, measures=access.measures(county, year), budget_yuan=budget,
            budgets=budgets or None, by=None if by is None else by.date(), costs=costs, without=without or (),
            seconds=seconds,
        )  # fmt: skip
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            csv = out.suffix == ".csv"
            out.write_bytes(plan.to_csv(county, lang).encode() if csv else plan.to_xlsx(county, lang))
        print_result(as_json, plan.as_dict(lang), _plain(plan, county, lang))


def _budgets(pairs: list[str]) -> dict[int, float]:
    found = {}
    for pair in pairs:
        year, _, amount = pair.partition("=")
        try:
            found[int(year)] = float(amount)
        except ValueError as error:
            raise typer.BadParameter(f"{pair}: YEAR=YUAN", param_hint="--budget-of") from error
        if not found[int(year)] >= 0:
            raise typer.BadParameter(f"{pair}: YEAR=YUAN", param_hint="--budget-of")
    return found


def _plain(plan: RemedyPlan, county: County, lang: str) -> str:
    def say(key: str, **facts: object) -> str:
        return text(f"remedy.cli.{key}", lang, **facts)

    lines = [say("head", county=county.name(lang), year=plan.year, standard=plan.standard.title(lang))]
    lines += banners(county.marks, lang)
    lines += [plan.sentence(lang), plan.compared(lang), ""]
    table = plan.table(county, lang)
    if len(table):
        lines += [say("lines", n=min(MOST, len(table)), of=len(table)), *_rows(table.head(MOST)), ""]
        lines += [say("phases"), *_rows(plan.phases_told(lang)), ""]
    parts = {"promised": plan.promises(lang), "short": plan.missing(county, lang), "unhelped": plan.open_items(lang)}
    for key, frame in parts.items():
        if len(frame):
            lines += [say(key, n=len(frame)), *_rows(frame), ""]
    if len(plan.allowed):
        lines.append(say("allowed", n=len(plan.allowed)))
    if len(table):
        lines.append(say("prices"))
    return "\n".join(lines)


def _rows(frame: pd.DataFrame) -> list[str]:
    return ["  " + "  ".join(_cell(value) for value in row) for row in frame.itertuples(index=False, name=None)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:,.2f}".rstrip("0").rstrip(".")
    return str(value)
