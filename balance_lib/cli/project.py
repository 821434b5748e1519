"""Give the command ``balance project``: pupils and indicators in the years to come, and when a line is crossed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, print_result, standard_named
from balance_lib.locale import banners, names_by, text

if TYPE_CHECKING:
    from balance_lib.data.county import County
    from balance_lib.forecast import ItemPath, Projection
    from balance_lib.standards import Standard

MOST = 15


class Births(StrEnum):
    """How the trend of births goes on."""

    damped = "damped"
    level = "level"
    linear = "linear"


@app.command()
def project(
    folder: Folder,
    to: Annotated[int, typer.Option("--to", help="Last school year, by its first calendar year.")],
    year: Annotated[int | None, typer.Option("--year", help="Base year; the county's last one by default.")] = None,
    standard: Annotated[
        str | None, typer.Option("--standard", help="Also carry this standard's open items forward (id or YAML file).")
    ] = None,
    births_percent: Annotated[float, typer.Option("--births-percent", help="Births to come, ± percent.")] = 0.0,
    births: Annotated[Births, typer.Option("--births", help="Trend of births to come.")] = Births.damped,
    net_migration: Annotated[
        float, typer.Option("--net-migration-per-1000", help="Children moving in a year per 1,000; negative: out.")
    ] = 0.0,
    town_shift_percent: Annotated[
        float, typer.Option("--town-shift-percent", help="Country entrants who turn to a town school, percent a year.")
    ] = 0.0,
    zoned: Annotated[
        bool, typer.Option("--zoned/--drift", help="Entrants go where their village goes today, or the drift goes on.")
    ] = True,
    close: Annotated[
        list[str] | None, typer.Option("--close", metavar="SCHOOL=YEAR", help="School that closes, with its year.")
    ] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Project enrolment by village and school with its band, and say when open items reach their line."""
    from balance_lib import forecast
    from balance_lib.data.county import County

    chosen = None if standard is None else standard_named(standard, lang)
    try:
        settings = forecast.ProjectionSettings(
            births_percent=births_percent,
            births_trend=births.value,
            net_migration_per_1000=net_migration,
            town_shift_percent=town_shift_percent,
            zoned=zoned,
            closing=_closing(close or []),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with faults_told(as_json, lang):
        county = County.open(folder)
        _known(county, settings)
        found = forecast.project(county, to, year=year, settings=settings)
        items = [] if chosen is None else _items(county, chosen, found.base, to)
        print_result(as_json, _result(county, found, chosen, items, lang), _plain(county, found, chosen, items, lang))


def _closing(pairs: list[str]) -> dict[str, int]:
    out = {}
    for pair in pairs:
        school, _, year = pair.partition("=")
        if not year.isdigit():
            raise typer.BadParameter(f"{pair}: SCHOOL=YEAR", param_hint="--close")
        out[school] = int(year)
    return out


def _known(county: County, settings: Any) -> None:
    from balance_lib._errors import NotFoundError

    schools = set(county.tables["schools"]["school_id"])
    for school in settings.closures:
        if school not in schools:
            raise NotFoundError("school_id", school, sorted(schools))


def _items(county: County, standard: Standard, base: int, to: int) -> list[ItemPath]:
    """Carry forward the required items that have a line and are open, or will fall below it."""
    from balance_lib import evaluation, forecast

    judged = evaluation.evaluate(county, standard, year=base)
    out = []
    for result in judged.items:
        if result.counts and result.threshold == result.threshold:
            history = evaluation.history_of_item(county, standard, result.item.code)
            found = forecast.item_path(county, standard, result.item.code, to=to, year=base, history=history)
            if found.crossing.status not in ("met", "no_data") or result.status in evaluation.SHORT:
                out.append(found)
    return out


def _result(
    county: County, found: Projection, standard: Standard | None, items: list[ItemPath], lang: str
) -> dict[str, Any]:
    return {
        "provenance": county.stamp(None if standard is None else standard.id, base=found.base),
        **found.as_dict(lang),
        "county_name": county.name(lang),
        **county.marks,
        "standard": None if standard is None else standard.id,
        "items": [_item(item, lang) for item in items],
    }


def _item(item: ItemPath, lang: str) -> dict[str, Any]:
    crossing = item.crossing
    return {
        "code": item.item.code,
        "label": item.item.label(lang),
        "deadline": item.item.deadline,
        "status": crossing.status,
        "year": None if crossing.year != crossing.year else int(crossing.year),
        "on": None if crossing.on is None else crossing.on.isoformat(),
        "in_time": item.in_time,
        "reason": crossing.reason.render(lang),
        "back_test": None if item.tested is None else item.tested.render(lang),
        "rows": [
            {key: (None if value != value else value) for key, value in row.items()}
            for row in item.rows.astype(object).to_dict("records")
        ],
    }


def _plain(county: County, found: Projection, standard: Standard | None, items: list[ItemPath], lang: str) -> str:
    level = round(100 * found.settings.level)
    lines = [text("trends.cli.head", lang, county=county.name(lang), base=found.base, to=found.to, level=level)]
    lines += banners(county.marks, lang)
    stages = [
        stage for stage in ("primary", "junior") if found.total(stage, found.base) == found.total(stage, found.base)
    ]
    for year in (found.base, *found.years):
        row = found.county[found.county["year"] == year].set_index("stage")
        parts = [
            f"{text(f'stage.{stage}', lang)} {row.at[stage, 'pupils']:,.0f}"
            + ("" if year == found.base else f" ({row.at[stage, 'low']:,.0f}–{row.at[stage, 'high']:,.0f})")
            for stage in stages
        ]
        born = found.births[found.births["year"] == year]
        if len(born):
            told = text("trends.cli.projected" if born["projected"].iloc[0] else "trends.cli.counted", lang)
            parts.append(f"{text('trends.cli.births', lang)} {born['births'].iloc[0]:,.0f} ({told})")
        lines.append(f"  {year}  " + "   ".join(parts))
    for stage in stages:
        lines += _schools(county, found, stage, lang)
    if standard is not None:
        lines.append(text("trends.cli.items", lang, standard=standard.title(lang)))
        for item in items:
            status = text(f"trends.status.{item.crossing.status}", lang)
            lines.append(f"  [{status}] {item.item.code} {item.item.label(lang)}: {item.crossing.reason.render(lang)}")
    lines.append(found.back_test.sentence(lang) if found.back_test else "")
    lines += [note.render(lang) for note in found.notes]
    return "\n".join(lines)


def _schools(county: County, found: Projection, stage: str, lang: str) -> list[str]:
    """Tell the schools whose rolls change most."""
    names = names_by("school_id", county.tables["schools"], lang)
    rows = found.schools[found.schools["stage"] == stage]
    now = rows[rows["year"] == found.base].set_index("school_id")["pupils"]
    then = rows[rows["year"] == found.to].set_index("school_id")
    order = (then["pupils"] - now).abs().sort_values(ascending=False, kind="stable").index[:MOST]
    out = [text("trends.cli.schools", lang, stage=text(f"stage.{stage}", lang), year=found.to)]
    for school in order:
        row = then.loc[school]
        told = {"before": f"{now[school]:,.0f}", "after": f"{row['pupils']:,.0f}"}
        told |= {"low": f"{row['low']:,.0f}", "high": f"{row['high']:,.0f}"}
        out.append(f"  {school} {names.get(school, school)}  " + text("trends.cli.change", lang, **told))
    return out
