"""Write what the access page says as HTML: the sentence, cards, rankings, the story of a place; pure functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from balance_lib import access
from balance_lib.access import CoverageCount, Limit
from balance_lib.evaluation import number
from balance_lib.locale import text
from balance_lib.plain import as_csv
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import card, lamp
from balance_lib.show.widgets.views import _first_few, _stamped
from balance_lib.show.widgets.views import table as rows_table
from balance_lib.show.widgets.walking import CHOICES, Walking

MOST_VILLAGES = 12
MOST_TOWNSHIPS = 40  # a county has about thirty; whatever there is more stands in the export
MOST_NAMES = 5


def _distance(metres: float, lang: str, limit_m: float | None = None) -> str:
    """Return a distance for people: kilometres with one decimal, two below 1 km; never a guess for an unknown one.

    ``metres``: NaN where no way is known, infinite where it is farther than was looked. ``limit_m``: how far was
    looked, metres.
    """
    if math.isnan(metres):
        return text("page.access.no_way", lang)
    if math.isinf(metres):
        return text("page.access.beyond", lang, km=number((limit_m or 0) / 1000))
    return text("page.access.km", lang, km=f"{metres / 1000:.{1 if metres >= 1000 else 2}f}")


def _sentence(walk: Walking, found: CoverageCount, villages: int, lang: str) -> Markup:
    """Return the verdict: who lives within, who does not, and by which way of measuring."""
    reach, to, limit = walk.reach, walk.target, walk.limit()
    year = walk.year
    stage = text(f"page.access.stages.{walk.choice}", lang)
    if not found.pupils > 0:  # or nobody knows
        said, how = (text(f"page.access.{key}", lang, year=year, stage=stage) for key in ("nobody", "nobody_how"))
        return part("verdict", lang, said, small=[how])
    facts = {
        "year": year, "stage": stage, "pupils": number(found.pupils), "share": found.percent,
        "mode": text(f"distance.mode.{walk.mode}", lang), "to": text(f"page.access.to.{to}", lang),
        "radius": number(walk.radius_m / 1000), "outside": number(found.outside), "villages": villages,
    }  # fmt: skip
    key = "sentence" if found.outside else "sentence_partly" if found.unknown else "sentence_all"
    said = text(f"page.access.{key}", lang, **facts)
    if found.unknown:
        said += text("page.access.sentence_unknown", lang, unknown=number(found.unknown))
    status = _status(walk, found)
    small = [text("page.access.how", lang, how=reach.how().render(lang), limit=_set_by(limit, lang))]
    small += [text("page.access.no_attendance", lang, year=year)] if reach.basis == "ages" else []
    return part("verdict", lang, said, status, lamp(status, lang) if status else None, small)


def _map_title(walk: Walking, lang: str) -> str:
    """Return what heads and names the picture of the map."""
    return text(
        "page.access.map_title", lang, county=walk.county.name(lang), year=walk.year,
        stage=text(f"page.access.stages.{walk.choice}", lang), radius=number(walk.radius_m / 1000),
        mode=text(f"distance.mode.{walk.mode}", lang),
    )  # fmt: skip


def _cards(walk: Walking, own: CoverageCount, nearest: CoverageCount, villages: int, lang: str) -> Markup:
    """Return the figures side by side: attended and nearest school, who is outside, time, and the reported rate."""
    to, reach = walk.target, walk.reach
    mode = text(f"distance.mode.{walk.mode}", lang)
    chosen = own if to == "own" else nearest
    aim = text(f"access.target.{to}", lang)
    note = text("page.access.card.outside_note", lang, villages=villages, to=aim, mode=mode)
    out = [
        _share_card("own", own, mode, lang) if reach.basis == "attendance" else "",
        _share_card("nearest", nearest, mode, lang),
        card(text("page.access.card.outside", lang), number(chosen.outside), note),
    ]
    out += [_farthest_card(walk, lang), _time_card(walk, lang), _reported_card(walk, lang)]
    return part("grid", lang, [each for each in out if each])


def _ranking(walk: Walking, lang: str) -> Markup:
    """Return the townships with their coverage, lowest first, each with a bar."""
    found = access.by_township(walk.reach, walk.radius_m, walk.target)
    found = found[found["pupils"] > 0]
    names = [name or text("page.access.no_town", lang) for name in found["township"].head(MOST_TOWNSHIPS)]
    columns = (found[name].tolist() for name in ("pupils", "outside", "share"))
    rows = [
        [name, number(pupils), number(outside) if outside else "", _bar(share, lang)]
        for name, pupils, outside, share in zip(names, *columns, strict=False)
    ]
    heads = [
        text(f"page.{name}", lang) for name in ("head.township", "access.pupils", "access.outside", "access.share")
    ]
    return rows_table(heads, rows, numeric=[1, 2, 3], empty=_nobody_outside(walk, lang))


def _nobody_outside(walk: Walking, lang: str) -> str:
    """Say that nobody lives outside, or that nobody knows."""
    return text(
        "page.access.none_outside" if walk.reach.rows["pupils"].sum() > 0 else "page.access.unknown_outside", lang
    )


def villages(walk: Walking, found: pd.DataFrame, left: int, lang: str) -> Markup:
    """Return the villages outside as they are given, worst first, and how many more there are.

    Parameters
    ----------
    walk : Walking
    found : DataFrame
        Rows that are counted or shown.
    left : int
        Leftmost column.
    lang : {"zh", "en"}
    """
    limit_m, none = walk.reach.table.limit_m, text("page.access.no_second", lang)
    names = [
        "village", "township", "band", "pupils", "school", "distance_m", "nearest", "nearest_m", "second", "second_m",
    ]  # fmt: skip
    rows = []
    # Columns as lists: while a slider moves, building a row object for each village would take most of the time.
    for village, township, band, pupils, school, metres, near, near_m, second, second_m in zip(
        *(found[name].tolist() for name in names), strict=True
    ):
        whose = text("page.access.farthest_band", lang, band=text(f"page.access.bands.{band}", lang))
        rows.append([
            part("over", lang, village, plain(township)),
            number(pupils),
            part("over", lang, _place(school, metres, lang, limit_m), whose),
            _place(near, near_m, lang, limit_m),
            _place(second, second_m, lang, limit_m) if isinstance(second, str) else none,
        ])  # fmt: skip
    heads = [text(f"page.access.{name}", lang) for name in ("village", "outside", "distance", "nearest", "second")]
    shown = rows_table(heads, rows, [1], _nobody_outside(walk, lang))
    return shown + part("muted", lang, text("page.access.more", lang, n=left) if left > 0 else "")


def _notes(walk: Walking, lang: str) -> Markup:
    """Return what every number rests on: what is left out, what is missing and named."""
    reach = walk.reach
    lines = [note.render(lang) for note in reach.notes()]
    lines += [text("page.access.nearest_note", lang), text("page.access.circles_note", lang)]
    if reach.basis == "attendance":
        facts = {"boarders": number(reach.boarders), "unknown": number(reach.boarders_unknown)}
        lines.append(text("page.access.boarders_note", lang, **facts))
    missing = [
        text(f"page.access.unplaced_{kind}", lang, n=len(names), names=_first_few(names, MOST_NAMES, lang))
        for kind, names in zip(("villages", "schools"), reach.unplaced(), strict=True)
        if names
    ]
    if missing:
        lines.append(text("page.access.unplaced", lang, names=("；" if lang == "zh" else "; ").join(missing)))
    if reach.table.unreachable:
        lines.append(reach.table.gaps().render(lang))
    return part("lines", lang, lines, "muted")


def _links_of(walk: Walking, kind: str, place_id: str) -> list[tuple[str, str]]:
    """Return (village_id, school_id) of the ways that belong to a place: attended, or nearest."""
    reach = walk.reach
    side = reach.villages["village_id"] if kind == "village" else reach.schools["school_id"]
    at = np.flatnonzero((side == place_id).to_numpy())
    if not len(at):
        return []
    rows = reach.rows[reach.rows["village"] >= 0]
    school = rows["school"].to_numpy() if walk.target == "own" else reach.first[rows["group"], rows["village"]]
    mine = (rows["village"].to_numpy() if kind == "village" else school) == at[0]
    pairs = pd.DataFrame({"village": rows["village"].to_numpy(), "school": school})[
        mine & (school >= 0)
    ].drop_duplicates()
    names = reach.villages["village_id"].to_numpy(), reach.schools["school_id"].to_numpy()
    return list(zip(names[0][pairs["village"]], names[1][pairs["school"]], strict=True))


def _villages_csv(walk: Walking, lang: str) -> bytes:
    """Return every village, band and school with its distances as CSV a spreadsheet opens."""
    reach = walk.reach
    at, group, school = (reach.rows[name].to_numpy() for name in ("village", "group", "school"))
    near, second = reach.first[group, at], reach.second[group, at]
    metres = reach.metres(walk.target)
    frame = pd.DataFrame(
        {
            "village_id": _take(reach.villages["village_id"], at), "village": _take(reach.villages["name_zh"], at),
            "township": _take(reach.villages["township"], at), "band": reach.rows["band"], "pupils": reach.pupils,
            "school_id": _take(reach.schools["school_id"], school), "school": _take(reach.schools["name_zh"], school),
            "own_m": _rounded(reach.own_m), "own_min": _rounded(reach.own_min),
            "nearest": _take(reach.schools["name_zh"], near), "nearest_m": _rounded(reach.first_m[group, at]),
            "second": _take(reach.schools["name_zh"], second), "second_m": _rounded(reach.second_m[group, at]),
            "within": np.where(np.isnan(metres), "", np.where(metres <= walk.radius_m, "1", "0")),
        }
    )  # fmt: skip
    return _csv(walk, frame.sort_values("own_m", ascending=False, kind="stable"), lang)


def _townships_csv(walk: Walking, lang: str) -> bytes:
    """Return the townships' coverage as CSV a spreadsheet opens."""
    found = access.by_township(walk.reach, walk.radius_m, walk.target)
    return _csv(walk, found.assign(share=found["share"].round(4)), lang)


def _near_schools(found: pd.DataFrame, lang: str) -> Markup:
    """Return what lies near schools: counts by kind, then the list, what breaks a rule marked."""
    if found.empty:
        return part("line", lang, text("page.access.near_none", lang))
    lines = [
        text("page.access.near_count", lang, kind=r.kind, near=r.within_50, far=r.within_200)
        for r in access.count_within(found).itertuples()
    ]
    rows = []
    for row in found.sort_values(["breaks", "metres"], ascending=[False, True], kind="stable").itertuples():
        facts = {"limit": number(row.limit_m), "standard": row.standard, "code": row.code}
        ruled = isinstance(row.code, str)
        rule = text("page.access.near_limit", lang, **facts) if ruled else ""
        light = "" if not ruled else lamp("not_met" if row.breaks else "met", lang)
        metres = text("page.access.near_metres", lang, metres=f"{row.metres:.0f}")
        rows.append([row.school, row.kind, row.name, metres, Markup(" ").join((light, rule))])
    heads = [text(f"page.access.near.{name}", lang) for name in ("school", "kind", "name", "metres", "limit")]
    return part("lines", lang, lines) + rows_table(heads, rows, numeric=[3])


def _status(walk: Walking, found: CoverageCount) -> str | None:
    """Return a lamp only where the county's own line is judged as ``evaluate`` judges it."""
    limit = walk.limit()
    same = limit is not None and limit.own and CHOICES[walk.choice][1] is None
    if not same or walk.mode != "straight" or walk.target != "own" or not found.pupils:
        return None
    return "not_met" if found.outside else "no_data" if found.unknown else "met"


def _set_by(limit: Limit | None, lang: str) -> str:
    return text("access.limit.chosen", lang) if limit is None else limit.told().render(lang)


def _share_card(name: str, found: CoverageCount, mode: str, lang: str) -> Markup:
    known = {"within": number(found.within), "known": number(found.within + found.outside)}
    title, note = text(f"page.access.card.{name}", lang), text("page.access.card.of", lang, mode=mode, **known)
    return card(title, found.percent, note)


def _farthest_card(walk: Walking, lang: str) -> Markup | str:
    reach, to = walk.reach, walk.target
    village, metres = walk.farthest()
    if math.isnan(metres):
        return ""
    aim = text(f"access.target.{to}", lang)
    mode = text(f"distance.mode.{walk.mode}", lang)
    note = text("page.access.card.farthest_note", lang, village=village, to=aim, mode=mode)
    return card(text("page.access.card.farthest", lang), _distance(metres, lang, reach.table.limit_m), note)


def _time_card(walk: Walking, lang: str) -> Markup | str:
    limit = access.travel_limit()
    if CHOICES[walk.choice][0] != limit.stage or CHOICES[walk.choice][1] not in (None, limit.band):
        return ""
    if walk.reach.basis != "attendance" or limit.minutes is None:
        return ""
    found = walk.travel_time(limit.minutes)
    facts = {
        "outside": number(found.outside), "limit": number(limit.minutes),
        "to": text(f"access.target.{walk.target}", lang), "mode": text(f"distance.mode.{walk.mode}", lang),
    }  # fmt: skip
    note = text("page.access.card.time_note", lang, **facts)
    return card(text("page.access.card.time", lang), found.percent, note) if found.pupils else ""


def _reported_card(walk: Walking, lang: str) -> Markup | str:
    found = walk.reported()
    if found is None:
        return ""
    note = text("page.access.card.reported_note", lang, item=found[1])
    return card(text("page.access.card.reported", lang), f"{found[0]:.1f}%", note)


def _bar(share: float, lang: str) -> Markup:
    """Return a share as a number with a bar behind it."""
    return part("bar", lang, f"{0 if math.isnan(share) else share:.3f}", access.percent(share))


def _place(name: object, metres: float, lang: str, limit_m: float | None) -> Markup | str:
    said = _distance(metres, lang, limit_m)
    return part("coded", lang, said, name) if isinstance(name, str) else said


def plain(value: object) -> str:
    """Return a value as text; a dash where there is none."""
    return "–" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _take(column: pd.Series, at: Any) -> list[Any]:
    values = [*column, None]
    return [values[i] for i in at]


def _rounded(metres: Any) -> Any:
    return np.where(np.isfinite(metres), np.round(metres), np.nan)


def _csv(walk: Walking, frame: pd.DataFrame, lang: str) -> bytes:
    head = {
        "target": text(f"access.target.{walk.target}", lang), "radius_m": walk.radius_m,
        "mode": walk.reach.how().render(lang), "year": walk.year,
        "stage": text(f"page.access.stages.{walk.choice}", lang), "synthetic": int(walk.county.synthetic),
    }  # fmt: skip
    frame = frame.assign(**head).rename(columns=lambda name: text(f"page.access.csv.{name}", lang))
    return as_csv(_stamped(frame, walk.county, walk.page.standard, lang))
