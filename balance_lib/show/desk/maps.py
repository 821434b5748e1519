"""Map results: schools in the colours of what was found, villages inside and outside, moves as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib import access, locale
from balance_lib._errors import NotFoundError
from balance_lib.access.walks import positions
from balance_lib.locale import text
from balance_lib.show.desk.places import OPENED, check_radius, check_stage
from balance_lib.show.map import HIDDEN
from balance_lib.show.plots.base import status_of
from balance_lib.show.widgets import looks, trial
from balance_lib.show.widgets.county_map import CountyMap

if TYPE_CHECKING:
    from balance_lib.data.county import County
    from balance_lib.evaluation import Evaluation
    from balance_lib.scenarios import Outcome
    from balance_lib.show.desk.county import CountyDesk
    from balance_lib.show.desk.results import Coverage

STATES = {"closed": "close", "merged": "merge", "to_point": "to_point", "attached": "attach", "opened": "open"}


def county_map(
    county: CountyDesk, *, radius_m: float | None, colour: str, stage: str | None, year: int,
    standard: Any = None, lang: str | None = None, height: int = 560,
) -> CountyMap:  # fmt: skip
    """Map a county.

    Parameters
    ----------
    county, radius_m, colour, stage, year, standard, lang, height
        As those of ``CountyDesk.map``.
    """
    lang = lang or locale.spoken()
    chart = _chart(county, year, stage, lang, height)
    if colour == "kind":
        chart.set_classes({}, legend=[looks.open_class(lang)])
    else:
        found = county.evaluate(standard, year)
        _colour(chart, found, None if colour == "gap" else colour, stage, lang)
    if radius_m is not None:
        check_radius(radius_m)
        reach = access.Reach.of(county, year, stage or "primary", access.costs(county, "straight"))
        _villages(chart, reach, radius_m, "nearest" if reach.basis == "ages" else "own", lang)
        _circles(chart, radius_m)
    return chart


def coverage_map(found: Coverage, lang: str | None = None) -> CountyMap:
    """Map schools, circles of the radius, and the villages outside.

    Parameters
    ----------
    found, lang
        As those of ``Coverage.map``.
    """
    lang, reach = lang or locale.spoken(), found.reach
    chart = _chart(found.county, reach.year, reach.stage, lang)
    chart.set_classes({}, legend=[looks.open_class(lang)])
    _villages(chart, reach, found.radius_m, found.to, lang)
    _circles(chart, found.radius_m)
    chart.symbol_scale, chart.title = 0.7, found.sentence(lang)
    return chart


def evaluation_map(
    found: Evaluation, county: County | None, *, item: str | None, stage: str | None, radius_m: float | None,
    lang: str | None,
) -> CountyMap:  # fmt: skip
    """Map the schools by what was found of them.

    Parameters
    ----------
    found, county, item, stage, radius_m, lang
        As those of ``Evaluation.map``.
    """
    lang = lang or locale.spoken()
    place = county or OPENED.get(str(found.provenance["county_hash"]))
    if place is None:
        raise ValueError(text("desk.need_county", lang))
    check_stage(stage)
    chart = _chart(place, found.year, stage, lang)
    _colour(chart, found, item, stage, lang)
    if radius_m is not None:
        _circles(chart, radius_m)
    return chart


def outcome_map(found: Outcome, *, before: bool = False, lang: str | None = None) -> CountyMap:
    """Map the schools as the scenario leaves them, or as they are today.

    Parameters
    ----------
    found, before, lang
        As those of ``Outcome.map``.
    """
    lang, year = lang or locale.spoken(), found.scenario.year
    county = found.baseline
    known = set(county.tables["schools"]["school_id"])
    opened = found.changed.tables["schools"]
    opened = opened[~opened["school_id"].isin(known)]
    sites = opened if len(opened) else None
    chart = CountyMap(county, year, lang=lang, sites=sites, marks=found.provenance)
    legend = looks.layout_classes(lang)
    name = f"{county.name(lang)} · {text('desk.today', lang) if before else found.scenario.name}"
    chart.title, chart.symbol_scale = name, 0.75
    if before:
        chart.set_classes({}, legend=legend[:1], label=text("page.consolidation.legend", lang))
        return chart
    schools = found.schools.set_index("school_id")
    there = schools["kind_after"].notna()
    kinds = schools["kind_after"].where(there, schools["kind_before"])
    chart.set_schools(kinds.to_dict(), schools["pupils_after"].where(there, schools["pupils_before"]).to_dict())
    states = {s: STATES.get(str(state), "as_is") for s, state in schools["state"].items()}
    states |= {s: "keep" for s, kept in schools["protected"].items() if kept}
    chart.set_classes(states, legend=legend, label=text("page.consolidation.legend", lang))
    moves = trial.moves_of(found)
    chart.set_links(
        list(zip(moves["start"], moves["to"], strict=True)), pupils=list(moves["pupils"]), classes=list(moves["class"]),
        legend=looks.move_classes(lang), label=text("page.consolidation.line.title", lang),
    )  # fmt: skip
    return chart


def _chart(county: County, year: int, stage: str | None, lang: str, height: int = 560) -> CountyMap:
    chart = CountyMap(county, year, lang=lang, height=height)
    words = [county.name(lang), str(year), text(f"stage.{stage}", lang) if stage else ""]
    chart.title = " · ".join(filter(None, words))
    if stage is not None:
        rows = county.tables["school_years"]
        rows = rows[(rows["year"] == year) & (rows["stage"] == stage) & (rows["pupils"] != 0)]
        names = [entry["key"] for entry in chart.places.index["kinds"]]
        taught = set(rows["school_id"])
        there = zip(chart.places.schools, chart._kinds, strict=True)
        chart.set_schools({s: names[code] for s, code in there if s in taught and code != HIDDEN})
    return chart


def _colour(chart: CountyMap, found: Evaluation, item: str | None, stage: str | None, lang: str) -> None:
    """Colour the schools by all required items, by one item, or by one indicator."""
    if item is None:
        classes = found.school_status() if stage is None else _status_of_stage(found, stage)
        chart.set_classes(classes, label=text("desk.classes.gap", lang))
        return
    if item in found.standard.indicators:
        spec = found.standard.indicators[item]
        rows = found.schools[found.schools["indicator"] == item]
        label, unit = spec.label(lang), locale.unit(spec.unit)[lang].strip()
    elif item in found.standard.by_code:
        result = found.item(item)
        if result.by_school is None:
            raise ValueError(text("desk.not_school_item", lang, code=item))
        rows, label, unit = result.by_school, f"{item} {result.item.label(lang)}", result.item.judged_unit or ""
    else:
        raise NotFoundError(found.standard.id, item, [*found.standard.indicators, *found.standard.by_code])
    if stage is not None and "stage" in rows:
        rows = rows[rows["stage"] == stage]
    rows = rows.assign(status=[status_of(met) for met in rows["met"]])
    worst = rows.sort_values("status", key=lambda s: s.map({"not_met": 0, "no_data": 1}).fillna(2), kind="stable")
    worst = worst.drop_duplicates("school_id").set_index("school_id")
    chart.set_classes(worst["status"], worst["value"].astype(float), label=label, unit=unit)


def _status_of_stage(found: Evaluation, stage: str) -> pd.Series:
    """Return each school's worst finding over the required items of a stage."""
    order = {"met": 0, "no_data": 1, "not_met": 2}
    worst: dict[str, str] = {}
    for result in found.items:
        rows = result.by_school if result.counts else None
        if rows is None:
            continue
        stages = rows["stage"] if "stage" in rows else pd.Series(result.item.stage or stage, rows.index)
        mine = rows[stages == stage]
        for school, met in zip(mine["school_id"], mine["met"], strict=True):
            worst[school] = max(worst.get(school, "met"), status_of(met), key=order.__getitem__)
    return pd.Series(worst, dtype="str")


def _circles(chart: CountyMap, radius_m: float) -> None:
    there = [s for s, code in zip(chart.places.schools, chart._kinds, strict=True) if code != HIDDEN]
    chart.set_radius(radius_m / 1000, there)


def _villages(chart: CountyMap, reach: Any, radius_m: float, to: Any, lang: str) -> None:
    order = positions(reach.villages["village_id"], chart.places.villages)
    codes = access.village_classes(reach, radius_m, to)[order]
    chart.set_villages(codes, legend=looks.coverage_classes(lang), label=text("page.access.to_school", lang,
                       to=text(f"access.target.{to}", lang)))  # fmt: skip
