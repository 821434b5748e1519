"""Give the command ``balance optimise``: which schools to keep, proven or with its honest gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balance_lib.cli.access import Mode, SchoolStage
from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, options_of, print_result
from balance_lib.locale import banners, named, text
from balance_lib.plain import plain, records
from balance_lib.planning.goals import Goals

if TYPE_CHECKING:
    import pandas as pd

    from balance_lib.data.county import County
    from balance_lib.planning.siting import CountyFrontier, Proposal
    from balance_lib.scenarios import Scenario


def _option(name: str, told: str, **more: Any) -> Any:
    return typer.Option(name, help=told, **more)


@app.command()
@options_of(Goals)
def optimise(
    folder: Folder,
    stage: Annotated[SchoolStage, _option("--stage", "Stage.")],
    wishes: dict[str, Any],
    year: Annotated[int | None, _option("--year", "School year; the last one by default.")] = None,
    may_close: Annotated[
        str | None, _option("--may-close", "all, or a file of school ids, one a line. Without it nothing may close.")
    ] = None,
    protect: Annotated[list[str] | None, _option("--protect", "A school that may not close.")] = None,
    new_sites: Annotated[
        Path | None,
        _option(
            "--new-sites",
            "CSV of places where a school may open: site_id, name_zh, township, lon, lat, classes "
            "[, kind, location, rank, building_yuan].",
        ),
    ] = None,
    walk_m: Annotated[float | None, _option("--walk-m", "Walking radius; the county plan's by default.", min=1)] = None,
    bus_minutes: Annotated[
        float | None, _option("--bus-minutes", "Beyond the radius pupils may ride so long; without it no bus.", min=1)
    ] = None,
    board_from_grade: Annotated[
        int | None, _option("--board-from-grade", "Lowest grade that may board; never below 4.", min=4, max=9)
    ] = None,
    beds: Annotated[list[str] | None, _option("--beds", "SCHOOL=N: boarding places a school has.")] = None,
    young_minutes: Annotated[
        float | None, _option("--young-minutes", "Longest way of grades 1 to 3; 30 by default.", min=1)
    ] = None,
    unit_cost: Annotated[list[str] | None, _option("--unit-cost", "NAME=YUAN: a unit cost of the scenario.")] = None,
    scenario: Annotated[
        Path | None,
        _option("--scenario", "Scenario (YAML) whose settings, protected schools, beds and bus lines hold."),
    ] = None,
    mode: Annotated[Mode | None, _option("--mode", "Way of measuring; straight by default.")] = None,
    time_limit_s: Annotated[float, _option("--time-limit-s", "Seconds.", min=1)] = 60.0,
    survival: Annotated[bool, _option("--survival", "Tell whether the plan survives births ±20 %.")] = False,
    frontier: Annotated[bool, _option("--frontier", "Every number of schools instead of one plan.")] = False,
    out: Annotated[Path | None, _option("--out", "Write the scenario here (YAML).")] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Propose which schools of a stage to keep, close and open, with proof, and judge the proposal as a scenario."""
    from balance_lib.data.county import County
    from balance_lib.planning.siting import county_frontier, propose, read_sites, survives

    settings: dict[str, Any] = {
        f"walk_{stage.value}_m": walk_m,
        "bus_minutes": bus_minutes,
        "boarding_from_grade": board_from_grade,
        "young_minutes": young_minutes,
        "mode": None if mode is None else mode.value,
        "unit_costs": tuple(_pairs(unit_cost, "--unit-cost").items()) or None,
    }
    closable, places = _closable(may_close), _pairs(beds, "--beds")
    with faults_told(as_json, lang):
        county = County.open(folder)
        fewest = wishes["schools"] is None and not frontier
        goals = Goals(
            **wishes | {"aim": "fewest" if fewest else "walk", "schools": wishes["schools"] or 1},
            may_close=closable,
            protected=tuple(protect or ()),
            new_sites=() if new_sites is None else read_sites(new_sites),
        )
        base = _base(county, scenario, year, settings, places)
        if frontier:
            curve = county_frontier(county, stage.value, goals, scenario=base, prove=True, time_limit_s=time_limit_s)
            found = {"provenance": county.stamp(county.plan, goals=wishes), "points": records(curve.table)}
            print_result(as_json, found, _curve(county, curve, lang))
            return
        proposal = propose(county, stage.value, goals, scenario=base, time_limit_s=time_limit_s)
        if out is not None and proposal.solution.found:
            out.write_text(proposal.scenario.to_yaml(), encoding="utf-8")
        table = survives(proposal, time_limit_s=time_limit_s) if survival and proposal.trial is not None else None
        proof = {"status": proposal.solution.status, "gap": plain(proposal.solution.gap),
                 "bound_pupil_km": plain(proposal.solution.bound / 1000)}  # fmt: skip
        told: dict[str, Any] = {"provenance": county.stamp(county.plan, goals=wishes, solver=proof)}
        told |= {} if table is None else {"survival": records(table.drop(columns="reasons"))}
        lines = _plain(county, proposal, stage.value, out, lang) + _survived(table, lang)
        print_result(as_json, proposal.as_dict(lang) | told, "\n".join(lines))


def _base(
    county: County, file: Path | None, year: int | None, settings: dict[str, Any], beds: dict[str, float]
) -> Scenario:
    """Return the scenario a plan is drawn on: the file's, else the empty one, with what the options say."""
    from balance_lib.scenarios import Boarding, Scenario

    last = county.years[-1] if county.years else 0
    found = Scenario.empty(county, last if year is None else year) if file is None else Scenario.from_yaml(file)
    found = found.with_settings(**{name: value for name, value in settings.items() if value is not None})
    told = [Boarding(school_id=school, places=int(places)) for school, places in beds.items()]
    rest = [o for o in found.operations if not (isinstance(o, Boarding) and o.school_id in beds)]
    return replace(found, operations=(*rest, *told))


def _pairs(given: Sequence[str] | None, option: str) -> dict[str, float]:
    out = {}
    for one in given or ():
        name, _, number = one.partition("=")
        try:
            out[name.strip()] = float(number)
        except ValueError as error:
            raise typer.BadParameter(f"{one}: NAME=NUMBER", param_hint=option) from error
    return out


def _closable(may_close: str | None) -> str | tuple[str, ...]:
    if may_close is None or may_close == "all":
        return may_close or ()
    path = Path(may_close)
    if not path.is_file():
        raise typer.BadParameter(f"{may_close}: neither 'all' nor a file", param_hint="--may-close")
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _survived(table: pd.DataFrame | None, lang: str) -> list[str]:
    from balance_lib.planning.siting import survival

    return [] if table is None else [survival.sentence(table, lang)]


def _head(county: County, year: int, stage: str, lang: str) -> list[str]:
    head = text("optimise.cli.head", lang, stage=text(f"stage.{stage}", lang), county=county.name(lang), year=year)
    return [head, *banners(county.marks, lang)]


def _plain(county: County, proposal: Proposal, stage: str, out: Path | None, lang: str) -> list[str]:
    def say(key: str, **facts: object) -> str:
        return text(f"optimise.cli.{key}", lang, **facts)

    names = named(proposal.layout.drawn.frame, lang)

    def listed(ids: tuple[str, ...]) -> str:
        return ", ".join(f"{i} {names.get(i, '')}".strip() for i in ids) or "–"

    lines = [*_head(county, proposal.scenario.year, stage, lang), proposal.sentence(lang)]
    if proposal.solution.found:
        lines += [stay] if (stay := proposal.layout.must_stay(lang)) else []
        lines += [say("kept", names=listed(proposal.kept)), say("closed", names=listed(proposal.closed))]
        lines += [say("opened", names=listed(proposal.opened))] if proposal.opened else []
    if proposal.trial is not None:
        yuan = {k: f"{getattr(proposal.trial, f'{k}_yuan') / 1e4:+,.1f}" for k in ("running", "building")}
        lines.append(say("costs", km=f"{proposal.trial.worst_m / 1000:.1f}", **yuan))
    if proposal.villages:
        lines.append(say("villages", names=", ".join(proposal.villages)))
    if proposal.outcome is not None:
        lines.append(say("judged", sentence=proposal.outcome.sentence(lang)))
    if out is not None and proposal.solution.found:
        lines.append(say("written", file=out))
    return lines


def _curve(county: County, curve: CountyFrontier, lang: str) -> str:
    lines = [*_head(county, curve.layout.baseline.year, curve.stage, lang), text("optimise.cli.frontier", lang)]
    for row in curve.table.itertuples():
        gap = text("optimise.cli.proven", lang) if row.proven else f"{100 * row.gap:.2f} %"
        lines.append(
            f"{row.schools:6d}  {row.extra_pupil_km:12,.1f}  {row.worst_m:10,.0f}  {row.moved:8,.0f}"
            f"  {row.running_yuan / 1e4:+10,.1f}  {gap}"
        )
    return "\n".join(lines)
