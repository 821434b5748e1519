"""Give the command ``balance scenario``: what happens if one scenario is carried out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, print_result, standard_named
from balance_lib.evaluation import number
from balance_lib.locale import banners, bracket, text

if TYPE_CHECKING:
    from balance_lib.scenarios import Outcome

NAMED = 10


@app.command()
def scenario(
    folder: Folder,
    file: Annotated[Path, typer.Argument(help="Scenario (YAML).")],
    standard: Annotated[
        str | None, typer.Option("--standard", help="Standard id or YAML file; the county's own plan by default.")
    ] = None,
    as_json: AsJson = False,
    fail_on_not_met: Annotated[
        bool, typer.Option("--fail-on-not-met", help="Exit 3 unless the standard is passed afterwards.")
    ] = False,
    lang: InLang = Lang.zh,
) -> None:
    """Evaluate one scenario against today: who moves and loses, what breaks, what it costs, what the standard says."""
    from balance_lib import scenarios
    from balance_lib.data.county import County

    chosen = None if standard is None else standard_named(standard, lang)
    with faults_told(as_json, lang):
        county = County.open(folder)
        outcome = scenarios.evaluate(county, scenarios.Scenario.from_yaml(file), standard=chosen)
        print_result(as_json, outcome.as_dict(lang), _plain(outcome, lang) + f"\n\n{_on_the_page(folder, file, lang)}")
        if fail_on_not_met and outcome.after.verdict != "pass":
            raise typer.Exit(3)


def _plain(outcome: Outcome, lang: str) -> str:
    """Write an outcome for a terminal: the sentence first, then what breaks, who loses, what it costs."""

    def say(key: str, **facts: object) -> str:
        return text(f"scenarios.cli.{key}", lang, **facts)

    found, head = outcome.scenario, {"county": outcome.county_zh if lang == "zh" else outcome.county_en}
    lines = [
        say("head", name=found.name, year=found.year, judged=found.judged_year, **head),
        text(f"scenarios.status.{outcome.status}", lang),
        outcome.sentence(lang),
        *_basis(outcome, lang),
    ]
    lines += banners(outcome.provenance, lang)
    lines += ["", say("book", sentence=outcome.bookkeeping.sentence(lang)), say("solved", **_solved(outcome, lang))]
    before, after = (text(f"verdict.{e.verdict}", lang) for e in (outcome.before, outcome.after))
    lines.append(say("verdict", standard=outcome.after.standard.title(lang), before=before, after=after))
    if outcome.breaks:
        lines += ["", say("breaks", n=len(outcome.breaks))]
        lines += [f"  [{text(f'scenarios.severity.{b.severity}', lang)}] {b.sentence(lang)}" for b in outcome.breaks]
    if len(outcome.affected):
        lines += ["", say("worst")]
        lines += [
            f"  {say('village', **_village(row, lang))}"
            for row in outcome.spoken(outcome.worst, lang).head(NAMED).to_dict("records")
        ]
    lines += ["", say("costs")]
    for row in outcome.costs.itertuples():
        label = text(f"scenarios.cost.{row.item}", lang)
        lines.append(f"  {say('cost', item=label, before=_wan(row.yuan_before), after=_wan(row.yuan_after))}")
    return "\n".join(lines)


def _basis(outcome: Outcome, lang: str) -> list[str]:
    """Say where attendance comes from; that nobody reported it is a warning."""
    warning = outcome.warning(lang)
    return [f"[{text('cli.warning', lang)}] {warning}" if warning else text("scenarios.attendance.recorded", lang)]


def _on_the_page(folder: Path, file: Path, lang: str) -> str:
    """Say how the page “Layout” opens the file: it lists those in the county's folder."""
    there = folder / "scenarios"
    key = "listed" if file.resolve().parent == there.resolve() else "to_list"
    return text(f"scenarios.cli.{key}", lang, name=file.stem, folder=there)


def _solved(outcome: Outcome, lang: str) -> dict[str, str]:
    found = outcome.solution
    return {
        "method": text(f"scenarios.assignment.{found['method']}", lang),
        "status": text(f"scenarios.solved.{found['status']}", lang),
        "gap": f"{100 * found['gap']:.2g}%",
    }


def _village(row: dict[str, object], lang: str) -> dict[str, str]:
    def km(metres: object) -> str:
        known = isinstance(metres, float) and metres == metres
        return f"{float(str(metres)) / 1000:.1f}" if known else "–"

    name = row["village"] if isinstance(row["village"], str) else text("scenarios.unknown_home", lang)
    town = bracket(row["township"], lang) if isinstance(row["township"], str) else ""
    return {
        "village": str(name), "township": town, "pupils": number(float(str(row["pupils"]))),
        "km": km(row["worst_metres"]), "extra": km(row["worst_extra_m"]), "to": str(row["to"]),
    }  # fmt: skip


def _wan(yuan: float) -> str:
    return "–" if math.isnan(yuan) else f"{yuan / 10_000:,.0f}"
