"""Tell the story of one village or school of the access page: who goes where, how far, what is nearest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import access
from balance_lib.data import tables
from balance_lib.evaluation import number
from balance_lib.locale import bracket, text
from balance_lib.show.widgets.markup import render
from balance_lib.show.widgets.walk_views import MOST_VILLAGES, _distance, plain
from balance_lib.show.widgets.walking import CHOICES, Walking


@dataclass(frozen=True)
class _Section:
    """Hold one table of a story: its title, heads, rows as text, and which columns hold figures."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[int]
    empty: str = ""
    note: str = ""


def _story_of_village(walk: Walking, village_id: str, lang: str) -> str:
    """Tell a village's story: its pupils, where they go, what is nearest, and how other ways of measuring see it.

    Returns
    -------
    str
        HTML.
    """
    reach = walk.reach
    at = int(np.flatnonzero((reach.villages["village_id"] == village_id).to_numpy())[0])
    row, rows = reach.villages.iloc[at], reach.rows[reach.rows["village"] == at]
    line = _village_line(walk, village_id, plain(row["township"]), rows, lang)
    attends = [_attends(walk, rows, lang)] if len(rows) and reach.basis == "attendance" else []
    sections = [*attends, _nearest(walk, at, rows, lang), *_compare(walk, at, lang)]
    return _told(lang, row, line, standing=_standing(walk, rows, lang), sections=sections,
                 last=_supply_line(walk, village_id, lang))  # fmt: skip


def _story_of_school(walk: Walking, school_id: str, lang: str) -> str:
    """Tell a school's story: its pupils, how far they come, its catchment."""
    reach = walk.reach
    at = int(np.flatnonzero((reach.schools["school_id"] == school_id).to_numpy())[0])
    row, rows = reach.schools.iloc[at], reach.rows[reach.rows["school"] == at]
    pupils = "–" if row["pupils"] != row["pupils"] else number(row["pupils"])
    line = text(
        "page.access.story.school", lang, township=plain(row["township"]), kind=_kind(row["kind"], lang), pupils=pupils
    )
    if not row["open"]:
        return _told(lang, row, line, lines=[text("page.access.story.closed", lang)])
    lines, area = [_serves(walk, rows, lang)], walk.catchments()
    mine = area[area["school_id"] == school_id]
    if len(mine) and walk.target == "nearest":
        facts = {"area": f"{mine['area_km2'].iloc[0]:.1f}", "villages": int(mine["villages"].iloc[0])}
        lines.append(text("page.access.story.area", lang, **facts))
    return _told(lang, row, line, lines=lines, sections=_from(walk, rows, lang))


def _told(
    lang: str, row: Any, line: str, *, standing: tuple[str, str] = ("", ""), lines: Sequence[str] = (),
    sections: Sequence[_Section] = (), last: str = "",
) -> str:  # fmt: skip
    return render(
        "place_story", lang, title=str(row["name_zh"]), line=line, standing=standing, lines=lines, sections=sections,
        last=last,
    )  # fmt: skip


def _village_line(walk: Walking, village_id: str, township: str, rows: pd.DataFrame, lang: str) -> str:
    day = number(rows["pupils"].sum())
    if walk.reach.basis == "ages":
        return text("page.access.story.village_of_age", lang, township=township, day=day)
    going = walk.county.table("attendance", walk.year)
    stage, band = CHOICES[walk.choice]
    going = going[(going["village_id"] == village_id) & (going["stage"] == stage)]
    going = going if band is None else going[going["band"] == band]
    if going.empty:
        return text("page.access.story.nobody", lang, township=township)
    facts = {"township": township, "day": day, "boarders": number(going["boarders"].sum())}
    return text("page.access.story.village", lang, **facts)


def _standing(walk: Walking, rows: pd.DataFrame, lang: str) -> tuple[str, str]:
    """Say whether a village is inside, and of which school that is said."""
    metres = walk.reach.metres(walk.target)[rows.index]
    pupils = rows["pupils"].to_numpy(dtype=float)
    if not len(rows):
        return "", ""
    radius = number(walk.radius_m / 1000)
    beyond, unknown = float(pupils[metres > walk.radius_m].sum()), float(pupils[np.isnan(metres)].sum())
    said = [text("page.access.story.outside", lang, n=number(beyond), radius=radius)] if beyond else []
    said += [text("page.access.story.unknown", lang, n=number(unknown))] if unknown else []
    said = said or [text("page.access.story.inside", lang, radius=radius)]
    aim = text(f"access.target.{walk.target}", lang)
    joint = "；" if lang == "zh" else "; "
    return joint.join(said), bracket(aim, lang)


def _attends(walk: Walking, rows: pd.DataFrame, lang: str) -> _Section:
    reach = walk.reach
    body = []
    for at, row in rows.sort_values(["school", "band"]).iterrows():
        school = "–" if row["school"] < 0 else str(reach.schools["name_zh"].iloc[row["school"]])
        bands = text(f"page.access.bands.{row['band']}", lang)
        way = _distance(float(reach.own_m[at]), lang, reach.table.limit_m)
        minutes = _minutes(float(reach.own_min[at]), lang)
        body.append([school, bands, number(row["pupils"]), way, minutes])
    heads = [text(f"page.access.{name}", lang) for name in ("school", "band", "day", "distance", "minutes")]
    return _Section(text("page.access.story.attends", lang), heads, body, [2, 3, 4])


def _nearest(walk: Walking, at: int, rows: pd.DataFrame, lang: str) -> _Section:
    reach = walk.reach
    body = []
    here = set(rows["group"]) or set(np.flatnonzero(reach.groups["kind"] == "public"))
    for group in sorted(here):
        bands = text(f"page.access.bands.{reach.groups['band'].iloc[group]}", lang)
        for index, metres in ((reach.first, reach.first_m), (reach.second, reach.second_m)):
            school = index[group, at]
            if school >= 0:
                name = str(reach.schools["name_zh"].iloc[school])
                body.append([name, bands, _distance(float(metres[group, at]), lang)])
    heads = [text(f"page.access.{name}", lang) for name in ("school", "band", "distance")]
    empty = text("page.access.no_way", lang)
    return _Section(text("page.access.story.nearest", lang), heads, body, [2], empty)


def _compare(walk: Walking, at: int, lang: str) -> list[_Section]:
    """Return the way to the nearest school by every way of measuring already opened: a circle on a mountain lies."""
    if len(walk.opened) < 2:
        return []
    body = []
    for mode in walk.opened:
        reach = walk.reach_of(walk.choice, mode)
        group = reach.group(CHOICES[walk.choice][1])
        school, metres = reach.first[group, at], float(reach.first_m[group, at])
        name = "–" if school < 0 else str(reach.schools["name_zh"].iloc[school])
        word = text(f"distance.mode.{mode}", lang)
        way = _distance(metres, lang, reach.table.limit_m)
        body.append([word, name, way, _minutes(float(reach.first_min[group, at]), lang)])
    heads = [text(f"page.access.{name}", lang) for name in ("mode", "nearest", "distance", "minutes")]
    note = text("page.access.story.compare_note", lang)
    return [_Section(text("page.access.story.compare", lang), heads, body, [2, 3], note=note)]


def _supply_line(walk: Walking, village_id: str, lang: str) -> str:
    values, _ = walk.supply()
    value = values.get(village_id, math.nan)
    if math.isnan(value):
        return ""
    return text("page.access.story.teachers", lang, n=f"{value:.1f}", radius=number(walk.radius_m / 1000))


def _serves(walk: Walking, rows: pd.DataFrame, lang: str) -> str:
    reach = walk.reach
    if rows.empty:
        return text("page.access.story.no_day", lang)
    metres, pupils = reach.own_m[rows.index], rows["pupils"].to_numpy(dtype=float)
    known = ~np.isnan(metres)
    share = float(pupils[metres <= walk.radius_m].sum() / pupils[known].sum()) if known.any() else math.nan
    far = int(np.where(known, metres, -1).argmax())
    village = rows["village"].iloc[far]
    facts = {
        "day": number(pupils.sum()), "villages": rows["village"].nunique(), "share": access.percent(share),
        "radius": number(walk.radius_m / 1000), "farthest": _distance(float(metres[far]), lang, reach.table.limit_m),
        "village": "–" if village < 0 else str(reach.villages["name_zh"].iloc[village]),
    }  # fmt: skip
    return text("page.access.story.serves", lang, **facts)


def _from(walk: Walking, rows: pd.DataFrame, lang: str) -> list[_Section]:
    reach = walk.reach
    frame = rows.assign(metres=reach.own_m[rows.index])
    frame = frame[frame["village"] >= 0].groupby("village").agg(pupils=("pupils", "sum"), metres=("metres", "max"))
    if frame.empty:
        return []
    frame = frame.sort_values("metres", ascending=False, kind="stable", na_position="last")
    body = [
        [str(reach.villages["name_zh"].iloc[at]), number(row["pupils"]),
         _distance(float(row["metres"]), lang, reach.table.limit_m)]
        for at, row in frame.head(MOST_VILLAGES).iterrows()
    ]  # fmt: skip
    heads = [text(f"page.access.{name}", lang) for name in ("village", "day", "distance")]
    return [_Section(text("page.access.story.from", lang), heads, body, [1, 2])]


def _minutes(value: float, lang: str) -> str:
    return "–" if not math.isfinite(value) else text("page.access.min", lang, min=f"{value:.0f}")


def _kind(kind: Any, lang: str) -> str:
    choices = tables.table("schools").columns["kind"].choices or {}
    return str(choices.get(kind, kind)) if lang == "zh" else str(kind).replace("_", " ")
