"""Give the command ``balance optimise``: which schools to keep, proven or with its honest gap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balance_lib.cli import AsJson, Folder, InLang, Lang, _print, _told, app
from balance_lib.cli.access import Mode, Stage
from balance_lib.locale import text

if TYPE_CHECKING:
    from balance_lib.county import County
    from balance_lib.optimise import Proposal


@app.command()
def optimise(
    folder: Folder,
    stage: Annotated[Stage, typer.Option("--stage", help="Stage.")],
    year: Annotated[int | None, typer.Option("--year", help="School year; the last one by default.")] = None,
    schools: Annotated[
        int | None,
        typer.Option("--schools", min=1, help="Schools of the stage to keep; without it the fewest that will do."),
    ] = None,
    max_distance_m: Annotated[
        float | None, typer.Option("--max-distance-m", min=0, help="Nobody who changes school may have farther.")
    ] = None,
    min_size: Annotated[
        float | None, typer.Option("--min-size", min=0, help="Pupils a school that might close must have to stay.")
    ] = None,
    may_close: Annotated[
        str | None,
        typer.Option("--may-close", help="all, or a file of school ids, one a line. Without it nothing may close."),
    ] = None,
    protect: Annotated[list[str] | None, typer.Option("--protect", help="A school that may not close.")] = None,
    keep_townships: Annotated[
        bool, typer.Option("--keep-townships", help="Every township that has schools keeps one.")
    ] = False,
    ignore_places: Annotated[
        bool, typer.Option("--ignore-places", help="Leave out of account how many places schools have.")
    ] = False,
    mode: Annotated[Mode, typer.Option("--mode", help="Way of measuring.")] = Mode.straight,
    gap: Annotated[float, typer.Option("--gap", min=0, max=1, help="Share at which a proof is good enough.")] = 0.0,
    time_limit_s: Annotated[float, typer.Option("--time-limit-s", min=1, help="Seconds.")] = 60.0,
    out: Annotated[Path | None, typer.Option("--out", help="Write the scenario here (YAML).")] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Propose which schools of a stage to keep, with proof, and judge the proposal as a scenario."""
    from balance_lib.county import County
    from balance_lib.optimise import Goals, propose

    goals = Goals(
        aim="fewest" if schools is None else "walk",
        schools=schools,
        may_close=_closable(may_close),
        protected=tuple(protect or ()),
        max_distance_m=max_distance_m,
        min_size=min_size,
        capacity=not ignore_places,
        township_minimum=keep_townships,
        gap=gap,
        mode=mode.value,
    )
    with _told(as_json, lang):
        county = County.open(folder)
        proposal = propose(county, stage.value, goals, year=year, time_limit_s=time_limit_s)
        if out is not None and proposal.solution.found:
            out.write_text(proposal.scenario.to_yaml(), encoding="utf-8")
        _print(as_json, proposal.as_dict(lang), _plain(county, proposal, stage.value, out, lang))


def _closable(may_close: str | None) -> str | tuple[str, ...]:
    if may_close is None or may_close == "all":
        return may_close or ()
    path = Path(may_close)
    if not path.is_file():
        raise typer.BadParameter(f"{may_close}: neither 'all' nor a file", param_hint="--may-close")
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _plain(county: County, proposal: Proposal, stage: str, out: Path | None, lang: str) -> str:
    def say(key: str, **facts: object) -> str:
        return text(f"optimise.cli.{key}", lang, **facts)

    names = dict(zip(county.tables["schools"]["school_id"], county.tables["schools"]["name_zh"], strict=True))

    def named(ids: tuple[str, ...]) -> str:
        return ", ".join(f"{i} {names.get(i, '')}".strip() for i in ids) or "–"

    told = {"county": county.name_zh if lang == "zh" else county.name_en, "year": proposal.scenario.year}
    lines = [say("head", stage=text(f"stage.{stage}", lang), **told), proposal.sentence(lang)]
    lines += [text("banner.synthetic", lang)] if county.synthetic else []
    if proposal.solution.found:
        lines += [say("kept", names=named(proposal.kept)), say("closed", names=named(proposal.closed))]
    if proposal.villages:
        lines.append(say("villages", names=", ".join(proposal.villages)))
    if proposal.outcome is not None:
        lines.append(say("judged", sentence=proposal.outcome.sentence(lang)))
    if out is not None and proposal.solution.found:
        lines.append(say("written", file=out))
    return "\n".join(lines)
