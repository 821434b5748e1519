"""Give the command ``balance batch``: many counties at once, results as one dataset."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balance_lib import __version__
from balance_lib.cli.access import Mode, SchoolStage
from balance_lib.cli.shared import AsJson, InLang, Lang, app, faults_told, print_result, standard_named
from balance_lib.locale import text

if TYPE_CHECKING:
    from balance_lib.batch import Done


def _option(name: str, told: str, **more: Any) -> Any:
    return typer.Option(name, help=told, **more)


@app.command()
def batch(
    root: Annotated[
        str, typer.Argument(metavar="ROOT", help="Folder of county folders, or an address: s3://, http:// …")
    ],
    standard: Annotated[list[str], _option("--standard", "A standard's id or YAML file; repeatable.")],
    out: Annotated[Path, _option("--out", "Folder of Parquet files to write; or one file FILE.parquet.")],
    year: Annotated[str, _option("--year", "School year to judge; all by default.")] = "all",
    access: Annotated[
        Mode | None, _option("--access", "Measure walks in this way, in the last of the years judged.")
    ] = None,
    stage: Annotated[
        list[SchoolStage] | None, _option("--stage", "Stages measured and optimised; both by default.")
    ] = None,
    optimise: Annotated[
        bool, _option("--optimise", "Propose the fewest schools that keep the limits; nothing closes by itself.")
    ] = False,
    may_close: Annotated[bool, _option("--may-close-all", "Any school may close in the proposals.")] = False,
    max_distance_m: Annotated[
        float | None, _option("--max-distance-m", "Nobody a proposal moves may have farther.", min=0)
    ] = None,
    by: Annotated[
        str | None, _option("--by", "Date by which counties are to pass (2030, 2030-08), where they name none.")
    ] = None,
    scheduler: Annotated[
        str | None, _option("--scheduler", "Address of a Dask scheduler; this machine's processes by default.")
    ] = None,
    workers: Annotated[
        int | None, _option("--workers", "Processes on this machine; 0: none but this one.", min=0)
    ] = None,
    storage: Annotated[
        list[str] | None, _option("--storage", "NAME=VALUE: what the address needs to be opened; repeatable.")
    ] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Judge and measure many counties; stopped and run again it goes on where it was."""
    from balance_lib.batch import Options, run

    for name in standard:
        standard_named(name, lang)
    goals: dict[str, Any] = {"aim": "fewest", "may_close": "all" if may_close else (), "max_distance_m": max_distance_m}
    options = Options(
        standards=tuple(standard),
        year=_year(year),
        access=None if access is None else access.value,
        stages=tuple(each.value for each in stage) if stage else ("primary", "junior"),
        optimise=goals if optimise else None,
        by=by,
    )
    with faults_told(as_json, lang):
        done = run(
            root,
            out,
            options,
            scheduler=scheduler,
            workers=workers,
            storage=dict(_pair(each) for each in storage or ()) or None,
            progress=_bar(lang),
        )
        verdicts, last = _verdicts(out)
        result = _as_dict(out, done, verdicts) | {"last_years": last}
        result["provenance"] = {"software": f"balance_lib {__version__}", "standards": standard, "year": year}
        print_result(as_json, result, "\n".join(_plain(out, done, last, lang)))
        if not any(one.state == "judged" for one in done):
            raise typer.Exit(1)


def _year(year: str) -> int | None:
    if year == "all":
        return None
    if not (year.isascii() and year.isdigit()):
        raise typer.BadParameter(f"{year}: YEAR | all", param_hint="--year")
    return int(year)


def _pair(given: str) -> tuple[str, str]:
    name, sign, value = given.partition("=")
    if not sign:
        raise typer.BadParameter(f"{given}: NAME=VALUE", param_hint="--storage")
    return name, value


def _bar(lang: str) -> Any:
    """Show how far it is, and say each county that fails when it does; on a terminal one line that stays."""
    watched = sys.stderr.isatty()

    def show(done: int, of: int, one: Done) -> None:
        if one.state != "judged":
            said = text(f"batch.state.{one.state}", lang)
            start, end = ("\r", " " * 40) if watched else ("", "")
            typer.echo(f"{start}{one.county}: {said}{end}", err=True)
        if watched:
            filled = "█" * (30 * done // of)
            typer.echo(f"\r{filled:<30} {done}/{of} {one.county[:40]:<40}", err=True, nl=done == of)

    return show


def _as_dict(out: Path, done: list[Done], verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "out": str(out),
        "counties": len(done),
        "done_before": sum(one.again for one in done),
        "states": dict(Counter(one.state for one in done)),
        "failed": [{"county": one.county, "state": one.state} for one in done if one.state != "judged"],
        "verdicts": verdicts,
    }


def _verdicts(out: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Count the verdicts of each standard and year, and of each county's own last year."""
    from balance_lib.batch import ProvinceDataset
    from balance_lib.plain import records

    found = ProvinceDataset.open(out)
    every = "SELECT standard, year, verdict, count(*) AS counties FROM verdicts GROUP BY ALL ORDER BY ALL"
    own = "SELECT standard, county, max(year) AS year, arg_max(verdict, year) AS verdict FROM verdicts GROUP BY ALL"
    last = (
        "SELECT standard, verdict, count(*) AS counties, min(year) AS first, max(year) AS last "
        f"FROM ({own}) GROUP BY standard, verdict ORDER BY ALL"
    )
    return records(found.sql(every)), records(found.sql(last))


def _plain(out: Path, done: list[Done], verdicts: list[dict[str, Any]], lang: str) -> list[str]:
    bad = sum(one.state != "judged" for one in done)
    again = sum(one.again for one in done)
    lines = [text("batch.cli.done", lang, n=len(done), again=again, bad=bad, out=out)]
    for name in dict.fromkeys(row["standard"] for row in verdicts):
        rows = [row for row in verdicts if row["standard"] == name]
        counts = " · ".join(text(f"verdict.{row['verdict']}", lang) + f" {row['counties']}" for row in rows)
        first, last = min(row["first"] for row in rows), max(row["last"] for row in rows)
        years = f"{first}" if first == last else f"{first}–{last}"
        lines.append("  " + text("batch.cli.last_years", lang, standard=name, years=years, counts=counts))
    return lines
