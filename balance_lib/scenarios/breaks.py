"""Find every rule a scenario breaks: which, where, how far, and what would mend it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.tables.kinds import CENTRAL, NINE_GRADES, with_stage
from balance_lib.evaluation import Evaluation
from balance_lib.evaluation import number as figure
from balance_lib.locale import LANGUAGES, Message, either
from balance_lib.scenarios import accounts
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.base import BANDS, STAGE_OF, Base
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import Break
from balance_lib.standards import STAGES

NAMED = 3  # so many villages or schools are named in a sentence; the tables name all


@dataclass(frozen=True, eq=False)
class RuleInputs:
    """Hold what the rules look at."""

    layout: Layout
    after: Base
    moves: pd.DataFrame
    crowded: pd.DataFrame
    schools: pd.DataFrame
    evaluated: tuple[Evaluation, Evaluation]

    def name(self, school_id: str) -> dict[str, str]:
        """Return a school's name in both languages, else its id."""
        frame = self.layout.frame
        zh, en = (frame[name].get(school_id) for name in ("name_zh", "name_en"))
        names = (str(zh or school_id), en if isinstance(en, str) else "")
        return {lang: either(*names, lang) for lang in LANGUAGES}

    def villages(self, rows: pd.DataFrame, column: str) -> dict[str, Any]:
        """Name the villages with most pupils of a column, and count all.

        Parameters
        ----------
        rows : DataFrame
        column : str
            Pupils of each row.
        """
        by: dict[str, float] = {}
        ids: dict[str, str] = {}
        columns = (rows[name].tolist() for name in ("village_id", "village", column))
        for village_id, village, pupils in zip(*columns, strict=True):
            name = village if isinstance(village, str) else ""
            by[name] = by.get(name, 0.0) + pupils
            ids.setdefault(name, village_id)
        most = sorted(by, key=lambda name: (-by[name], name))
        english = self.layout.base.county.names_en
        names = [
            {"zh": name, "en": english.get(ids[name], name)} if name else Message("scenarios.unknown_home")
            for name in most
        ]
        return {"villages": _names(names), "n": len(by), "pupils": figure(rows[column].sum())}


def find(found: RuleInputs) -> tuple[Break, ...]:
    """Return all broken rules, what forbids first, then what breaks, then what warns."""
    parts = (
        _parents, _no_school, _overflow, _far, _beds, _young, _classes, _sizes, _townships, _items, _procedure,
        _built_first, _points, _empty, _unknown, _uncounted,
    )  # fmt: skip
    all_ = [one for part in parts for one in part(found)]
    order = {"forbids": 0, "breaks": 1, "warns": 2}
    return tuple(sorted(all_, key=lambda b: (order[b.severity], not b.new)))


def _parents(found: RuleInputs) -> Iterator[Break]:
    """Most parents are against it: the school must not be closed by force."""
    for operation in found.layout.scenario.closings:
        said = found.layout.scenario.procedure.of(operation.school_id)
        if said is not None and said.majority_opposed and getattr(operation, "forced", True):
            params = {"school": found.name(said.school_id), "asked": said.asked, "opposed": said.opposed}
            yield Break("parents", "forbids", (said.school_id,), said.opposed, said.asked / 2, params=params)


def _procedure(found: RuleInputs) -> Iterator[Break]:
    procedure, closing = found.layout.scenario.procedure, found.layout.scenario.closings
    if procedure.due and closing:
        taken = _joined([step.message for step in procedure.taken])
        params = {
            "n": len(closing),
            "steps": _joined([step.message for step in procedure.due]),
            "done": Message("scenarios.steps_done", {"steps": taken}) if procedure.taken else "",
        }
        yield Break("procedure", "warns", tuple(o.school_id for o in closing), len(procedure.due), 0, params=params)


def _built_first(found: RuleInputs) -> Iterator[Break]:
    """Receivers that need rooms or beds must have them before anybody moves (先建后撤)."""
    if "built_first" not in found.layout.scenario.procedure.missing:
        return
    table = found.schools[found.schools["state"].isin(["kept", "attached", "converted", "opened", "to_point"])]
    more = (table["classes_after"] - table["classes_before"].fillna(0.0)).fillna(0.0)
    building = table[more > 0]
    if len(building):
        where = tuple(building["school_id"])
        params = {
            "schools": _names([found.name(s) for s in where]),
            "n": len(where),
            "rooms": figure(more[more > 0].sum()),
        }
        yield Break("built_first", "warns", where, float(more[more > 0].sum()), 0, params=params)


def _points(found: RuleInputs) -> Iterator[Break]:
    """Say who runs the teaching points of a school that closes; somebody must."""
    for host, points in found.layout.frame["new_host"].dropna().groupby(found.layout.frame["new_host"].dropna()):
        where = tuple(str(point) for point in points.index)
        params = {"points": _names([found.name(s) for s in where]), "school": found.name(str(host))}
        rule, severity = ("points_rehosted", "warns") if host else ("points_without_host", "breaks")
        yield Break(rule, severity, where, len(where), 0, params=params)


def _no_school(found: RuleInputs) -> Iterator[Break]:
    for (stage, band), rows in found.moves[found.moves["to_id"] == ""].groupby(["stage", "band"]):
        params = {
            **found.villages(rows, "pupils"),
            "stage": Message(f"stage.{stage}"),
            "band": Message(f"scenarios.band.{band}"),
        }
        yield Break("no_school", "breaks", tuple(rows["village_id"]), float(rows["pupils"].sum()), 0, params=params)


def _overflow(found: RuleInputs) -> Iterator[Break]:
    """Pupils beyond the places; where nobody counted the classes the places are a guess, and this only a reminder."""
    rows = found.moves[(found.moves["overflow"] > 0) & (found.moves["to_id"] != "")]
    rows = pd.concat([rows, found.crowded]) if len(found.crowded) else rows
    for (school, stage), mine in rows.groupby(["to_id", "stage"], sort=False):
        short = float(mine["overflow"].sum())
        cap = found.layout.scenario.settings.class_cap(str(stage))
        params = {
            **found.villages(mine, "overflow"), "school": found.name(str(school)),
            "stage": Message(f"stage.{stage}"), "rooms": figure(np.ceil(short / cap)),
        }  # fmt: skip
        places = float(found.layout.places.loc[school, [b for b in BANDS if STAGE_OF[b] == stage]].sum())
        guessed = pd.isna(found.layout.frame.at[school, f"classes_{stage}"])
        rule, severity = ("places_unknown", "warns") if guessed else ("overflow", "breaks")
        yield Break(rule, severity, (str(school), *mine["village_id"]), short, places, params=params)


def _far(found: RuleInputs) -> Iterator[Break]:
    """Pupils beyond walking whom no bus takes and who may not or cannot board."""
    for stage in STAGES:
        rows = found.moves[(found.moves["far"] > 0) & (found.moves["stage"] == stage) & (found.moves["to_id"] != "")]
        if rows.empty:
            continue
        limit = found.layout.radius_m(stage)
        longest = float(rows["metres_after"].max())
        km, radius = _apart(longest / 1000, limit / 1000, 1)
        params = {
            **found.villages(rows, "far"), "stage": Message(f"stage.{stage}"), "km": km, "radius": radius,
            "young": figure(rows.loc[rows["band"] == "g1_3", "far"].sum()),
        }  # fmt: skip
        rule = "far" if stage == "primary" else "far_junior"
        yield Break(rule, "breaks", tuple(dict.fromkeys(rows["village_id"])), longest, limit, params=params)


def _beds(found: RuleInputs) -> Iterator[Break]:
    rows = found.moves[found.moves["beds_wanted"] > 0]
    for school, mine in rows.groupby("to_id", sort=False):
        short = float(mine["beds_wanted"].sum())
        there = float(found.layout.beds.get(school, 0.0))
        params = {**found.villages(mine, "beds_wanted"), "school": found.name(str(school)),
                  "total": figure(there + short), "there": figure(there)}  # fmt: skip
        yield Break("beds", "breaks", (str(school),), short, there, params=params)


def _young(found: RuleInputs) -> Iterator[Break]:
    """Grades 1 to 3 on the way for longer than the half hour."""
    limit = found.layout.scenario.settings.number("young_minutes")
    rows = found.moves[(found.moves["band"] == "g1_3") & (found.moves["minutes_after"] > limit)]
    if len(rows):
        day = rows.assign(day=rows["pupils"] - rows["boarders_after"])
        new = bool((~(rows["minutes_before"] >= rows["minutes_after"])).any())
        longest = float(rows["minutes_after"].max())
        minutes, most = _apart(longest, limit, 0)
        params = {**found.villages(day, "day"), "minutes": minutes, "limit": most}
        yield Break("young", "breaks", tuple(dict.fromkeys(rows["village_id"])), longest, limit, new, params)


def _classes(found: RuleInputs) -> Iterator[Break]:
    """Fewer classes than a school needs that the scenario touches; new where more are lacking than before."""
    columns = (found.moves[name].tolist() for name in ("to_id", "stage", "overflow"))
    over = {(school, stage): beyond > 0 for school, stage, beyond in sorted(zip(*columns, strict=True))}
    changed = ops.Resize | ops.Open | ops.ConvertStage
    done = {o.school_id for o in found.layout.scenario.effective if isinstance(o, changed)}
    settings, base = found.layout.scenario.settings, found.layout.base
    rooms, had = found.layout.rooms, base.rooms.to_dict()
    for school, stage in found.after.rolls:
        # Of overflow the shortfall of places tells already.
        if over.get((school, stage), school not in done) or (school, stage) not in rooms:
            continue
        there = rooms[school, stage]
        needed = accounts._classes_needed(found.after, school, stage, there, settings)
        if needed > there:
            before = had.get((school, stage), math.nan)
            lacked = accounts._classes_needed(base, school, stage, before, settings) - before
            params = {
                "school": found.name(school), "stage": Message(f"stage.{stage}"), "there": figure(there),
                "rooms": figure(needed), "more": figure(needed - there),
            }  # fmt: skip
            yield Break("rooms", "breaks", (school,), needed, there, not needed - there <= lacked, params)


def _sizes(found: RuleInputs) -> Iterator[Break]:
    settings = found.layout.scenario.settings
    for row in found.schools[found.schools["pupils_after"].notna()].itertuples():
        cap = settings.size_cap(row.kind_after in NINE_GRADES)
        if row.pupils_after > cap and not row.pupils_before >= row.pupils_after:
            params = {"school": found.name(row.school_id)}
            yield Break("school_size", "breaks", (row.school_id,), row.pupils_after, cap, params=params)


def _townships(found: RuleInputs) -> Iterator[Break]:
    """A township keeps at least one school with junior grades and one central primary school."""
    frame, towns = found.layout.frame, found.layout.base.county.townships_en
    central = frame["rank"] != "village"
    for rule, kinds, also in (("township_junior", with_stage("junior"), True), ("township_primary", CENTRAL, central)):
        before = set(frame.loc[frame["there_before"] & frame["kind_before"].isin(kinds) & also, "township"].dropna())
        after = set(frame.loc[frame["there"] & frame["kind"].isin(kinds) & also, "township"].dropna())
        for township in sorted(before - after):
            yield Break(
                rule,
                "breaks",
                (township,),
                0,
                1,
                params={"township": {"zh": township, "en": towns.get(township, township)}},
            )


def _items(found: RuleInputs) -> Iterator[Break]:
    """Items of the standard that were met before and are not any more."""
    before, after = found.evaluated
    status = {result.item.code: result.status for result in before.items}
    for result in after.items:
        if result.counts and result.status == "not_met" and status.get(result.item.code) == "met":
            label = {"zh": result.item.label("zh"), "en": result.item.label("en")}
            params = {"code": result.item.code, "label": label, "reason": result.reason}
            yield Break("item", "breaks", (result.item.code,), result.value, result.threshold, params=params)


def _empty(found: RuleInputs) -> Iterator[Break]:
    for row in found.schools.itertuples():
        stays = row.state not in ("closed", "merged")
        # A school whose roll is not known is not emptied: nothing says that it had pupils, or that it has none.
        if stays and not row.pupils_after > 0 and (row.pupils_before > 0 or row.state == "opened"):
            rule = "opened_empty" if row.state == "opened" else "emptied"
            yield Break(rule, "warns", (row.school_id,), 0, 1, params={"school": found.name(row.school_id)})


def _unknown(found: RuleInputs) -> Iterator[Break]:
    rows = found.moves[(found.moves["way_after"] == "unknown") & (found.moves["to_id"] != "")]
    if len(rows):
        params = found.villages(rows, "pupils")
        yield Break("unknown_way", "warns", tuple(dict.fromkeys(rows["village_id"])), float(rows["pupils"].sum()), 0,
                    params=params)  # fmt: skip


def _uncounted(found: RuleInputs) -> Iterator[Break]:
    """Remind of schools whose roll nobody recorded: no sum of the outcome holds their pupils."""
    schools = tuple(
        dict.fromkeys(school for school, _ in found.layout.base.untold if school in found.layout.frame.index)
    )
    if schools and not found.layout.scenario.keeps_layout:
        params = {"schools": _names([found.name(s) for s in schools])}
        yield Break("unknown_roll", "warns", schools, len(schools), 0, False, params)


def _apart(value: float, limit: float, digits: int) -> tuple[str, str]:
    """Return a figure and its limit with as many decimals as tell them apart."""
    while digits < 3 and round(value, digits) == round(limit, digits):
        digits += 1
    return f"{value:,.{digits}f}", figure(round(limit, digits))


def _names(names: list[Any]) -> Message:
    """Join the first names; say how many more there are."""
    if len(names) <= NAMED:
        return _joined(names)
    return Message("scenarios.and_more", {"names": _joined(names[:NAMED]), "n": len(names)})


def _joined(names: list[Any]) -> Any:
    out = names[0] if names else ""
    for name in names[1:]:
        out = Message("scenarios.joined", {"first": out, "second": name})
    return out
