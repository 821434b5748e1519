"""Give the command ``balance access``: who lives within the walking radius, and who does not."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balance_lib.cli.shared import AsJson, Folder, InLang, Lang, app, faults_told, print_result
from balance_lib.locale import banners, listed, text
from balance_lib.plain import plain, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from balance_lib.access import CoverageCount, Limit, Reach
    from balance_lib.data.county import County

MOST = 20


class SchoolStage(StrEnum):
    """Stages of compulsory education."""

    primary = "primary"
    junior = "junior"


class Mode(StrEnum):
    """Ways of measuring."""

    straight = "straight"
    network = "network"
    terrain = "terrain"


class Band(StrEnum):
    """Grade bands."""

    g1_3 = "g1_3"
    g4_6 = "g4_6"
    g7_9 = "g7_9"


@app.command()
def access(
    folder: Folder,
    stage: Annotated[SchoolStage, typer.Option("--stage", help="Stage.")],
    mode: Annotated[Mode, typer.Option("--mode", help="Way of measuring.")] = Mode.straight,
    radius_m: Annotated[
        float | None,
        typer.Option("--radius-m", min=0, help="Radius in metres; by default the plan's."),
    ] = None,
    year: Annotated[int | None, typer.Option("--year", help="School year; the last one by default.")] = None,
    band: Annotated[Band | None, typer.Option("--band", help="Only these grades.")] = None,
    points: Annotated[
        Path | None,
        typer.Option("--points", help="Places (GeoJSON, CSV): which lie within 200 m of a school?"),
    ] = None,
    as_json: AsJson = False,
    lang: InLang = Lang.zh,
) -> None:
    """Count pupils within a walking radius, and name the villages outside, by the way of measuring asked for."""
    from balance_lib import access as room
    from balance_lib._errors import NotFoundError
    from balance_lib.data.county import County

    with faults_told(as_json, lang):
        county = County.open(folder)
        wanted = year if year is not None else (county.years[-1] if county.years else 0)
        if wanted not in county.years:
            raise NotFoundError(f"{county.county_id}.years", wanted, county.years)
        limit = None if radius_m is not None else room.radius_of(county, stage.value)
        metres = radius_m if limit is None else limit.metres
        assert metres is not None
        spoken = county.spoken(lang)
        table = room.costs(spoken, mode.value)
        reach = room.Reach.of(spoken, wanted, stage.value, table, band=None if band is None else band.value)
        result = _result(county, reach, metres, limit, lang)
        if points is not None:
            near = room.near_schools(spoken, room.read_points(points), year=wanted)
            result["near_schools"] = records(near)
        print_result(as_json, result, _plain(result, lang))


def _result(county: County, reach: Reach, metres: float, limit: Limit | None, lang: str) -> dict[str, Any]:
    from balance_lib import access as room

    named = {to: room.outside(reach, metres, to) for to in room.TARGETS}
    rows = {
        why: {to: records(frame[frame["reason"] == why]) for to, frame in named.items()}
        for why in ("outside", "unknown")
    }
    villages, schools = reach.unplaced()
    areas = room.catchments(county, reach)
    return {
        "county": county.county_id,
        **county.marks,
        "year": reach.year,
        "stage": reach.stage,
        "band": reach.band,
        "mode": reach.table.mode,
        "how": reach.how().render(lang),
        "radius_m": metres,
        "radius_from": text("access.limit.chosen", lang) if limit is None else limit.told().render(lang),
        "basis": reach.basis,
        "coverage": {to: _count(room.covered(reach, metres, to)) for to in room.TARGETS},
        "farthest_m": {to: plain(room.farthest(reach, to)) for to in room.TARGETS},
        "townships": {to: records(room.by_township(reach, metres, to)) for to in room.TARGETS},
        "outside": rows["outside"],
        "not_known": rows["unknown"],
        "notes": [note.render(lang) for note in reach.notes()],
        "travel_time": _travel(reach),
        "catchments": records(areas.drop(columns="geometry")),
        "boarders": reach.boarders,
        "unplaced": {"villages": villages, "schools": schools},
        "pairs": reach.table.counts,
        "provenance": county.stamp(county.plan),
    }


def _travel(reach: Reach) -> dict[str, Any] | None:
    """Return grades 1–3 against their half hour; None for stages that have no such grades."""
    from balance_lib import access as room

    limit = room.travel_limit()
    if limit.minutes is None or limit.band not in set(reach.rows["band"]):
        return None
    counts: dict[str, Any] = {to: _count(room.travel_time(reach, limit.minutes, to)) for to in room.TARGETS}
    return {"band": limit.band, "limit_min": limit.minutes, "on_foot": True, "mode": reach.table.mode, **counts}


def _count(found: CoverageCount) -> dict[str, float | None]:
    return {
        name: plain(getattr(found, name))
        for name in ("pupils", "within", "outside", "unknown", "share", "share_at_most")
    }


def _plain(result: dict[str, Any], lang: str) -> str:
    def say(key: str, **facts: Any) -> str:
        return text(f"access.cli.{key}", lang, **facts)

    stage = text(f"stage.{result['stage']}", lang)
    lines = [
        say("head", county=result["county"], year=result["year"], stage=stage),
        say("how", how=result["how"], km=_km(result["radius_m"]), limit=result["radius_from"]),
    ]
    lines += banners(result, lang)
    if result["basis"] == "none":
        lines += [
            text(f"page.access.{key}", lang, year=result["year"], stage=stage) for key in ("nobody", "nobody_how")
        ]
    else:
        lines += _walks(result, say, lang)
    missing = [*result["unplaced"]["villages"], *result["unplaced"]["schools"]]
    lines += ["", say("unplaced", names=", ".join(missing))] if missing else []
    if "near_schools" in result:
        lines += ["", say("near", n=len(result["near_schools"]))]
        lines += [_near(row, lang) for row in result["near_schools"]]
    return "\n".join(lines)


def _walks(result: dict[str, Any], say: Callable[..., str], lang: str) -> list[str]:
    """Tell who lives within the radius, and the villages outside."""
    known = [to for to in result["coverage"] if to == "nearest" or result["basis"] == "attendance"]
    lines = [] if "own" in known else [text("page.access.no_attendance", lang, year=result["year"])]
    for to in known:
        count = result["coverage"][to]
        whole = {name: f"{value:,.0f}" for name, value in count.items() if not name.startswith("share")}
        aim = text(f"access.target.{to}", lang)
        lines.append(say("covered", to=aim, share=_share(count), farthest=_km(result["farthest_m"][to]), **whole))
    for to in known if result["travel_time"] else ():
        count = result["travel_time"][to]
        facts = {"to": text(f"access.target.{to}", lang), "limit": f"{result['travel_time']['limit_min']:.0f}"}
        lines.append(say("time", share=_share(count), outside=f"{count['outside']:,.0f}", **facts))
    lines += result["notes"]
    for to in known:
        rows, lost = result["outside"][to], result["not_known"][to]
        lines += ["", say("outside", to=text(f"access.target.{to}", lang), n=len(rows))]
        lines += [say("village", **_words(row)) for row in rows[:MOST]]
        lines += [say("more", n=len(rows) - MOST)] if len(rows) > MOST else []
        names = listed([row["village"] or row["village_id"] for row in lost[:MOST]], lang)
        pupils = f"{sum(row['pupils'] for row in lost):,.0f}"
        lines += [say("not_known", n=len(lost), pupils=pupils, names=names)] if lost else []
    return lines


def _share(count: dict[str, Any]) -> str:
    from balance_lib.access import CoverageCount

    return CoverageCount(*(count[name] for name in ("within", "outside", "unknown"))).percent


def _km(metres: float | None) -> str:
    return "–" if metres is None else f"{metres / 1000:.2f}"


def _near(row: dict[str, Any], lang: str) -> str:
    rule = ""
    if row["code"]:
        code = f"{row['standard']} {row['code']}"
        rule = text("access.cli.rule", lang, limit=f"{row['limit_m']:.0f}", code=code)
    sign = "✗" if row["breaks"] else " "
    return f"  {sign} {row['school']}  {row['kind']} {row['name']}  {row['metres']:.0f} m  {rule}".rstrip()


def _words(row: dict[str, Any]) -> dict[str, Any]:
    places = {name: row[name] or "–" for name in ("village", "township", "school", "nearest", "second")}
    distances = {f"{name}_km": _km(row[f"{name}_m"]) for name in ("distance", "nearest", "second")}
    if row["distance_m"] is None and row["at_least_m"] is not None:  # no way there; the straight line alone is too long
        distances["distance_km"] = f">{_km(row['at_least_m'])}"
    return {**places, **distances, "pupils": f"{row['pupils']:,.0f}"}
