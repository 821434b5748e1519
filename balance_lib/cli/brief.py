"""Give the command ``balance brief``: the leader's brief as one HTML file that opens without a network."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, print_result, standard_named
from balance_lib.locale import text


@app.command()
def brief(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    year: Annotated[int | None, typer.Option("--year", help="School year; the county's last one by default.")] = None,
    standard: Annotated[
        str | None, typer.Option("--standard", help="A standard's id; the county's own plan by default.")
    ] = None,
    scenario: Annotated[
        list[Path] | None, typer.Option("--scenario", help="Scenario (YAML) to compare; may be repeated.")
    ] = None,
    made_on: Annotated[
        datetime | None, typer.Option("--made-on", formats=["%Y-%m-%d"], help="Day the file bears; today by default.")
    ] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Write verdict, gaps, map, coefficients, scenarios and sliders into one file that asks no network for anything."""
    if standard is not None:
        standard_named(standard, lang)
    with faults_told(as_json, lang):
        from balance_lib._errors import NotFoundError
        from balance_lib.data.county import County
        from balance_lib.scenarios import Scenario
        from balance_lib.show.widgets import brief as room
        from balance_lib.show.widgets.library import Library
        from balance_lib.show.widgets.models import PageModel

        county = County.open(folder)
        if year is not None and year not in county.years:
            raise NotFoundError(f"{county.county_id}.years", year, county.years)
        model = PageModel(Library([folder.parent]), {"county": folder.resolve().name, "lang": lang.value})
        model.choose(year=year or county.years[-1], standard=standard)
        plans = [Scenario.from_yaml(file) for file in scenario or []]
        page = room.write(model, plans, made_on=None if made_on is None else made_on.date())
        out.write_text(page, encoding="utf-8")
        size = len(page.encode("utf-8"))
        result = {
            "county": county.county_id, "year": model.year, "standard": model.standard_id,
            "verdict": model.evaluation.verdict,
            "written": str(out), "bytes": size, "provenance": dict(model.evaluation.provenance),
        }  # fmt: skip
        print_result(as_json, result, text("brief.cli.wrote", lang, path=out, kb=round(size / 1024)))
