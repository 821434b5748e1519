"""Staff the schools: how many teachers, with which degrees, ranks, certificates, training and subjects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.demo.aims import Aims
from balance_lib.data.demo.demography import along
from balance_lib.data.demo.layout import School
from balance_lib.data.demo.skeleton import Skeleton

# How far a place stands from the county's share of a group, in log odds: the town attracts the well trained.
PULL = {
    "higher": {"county_seat": 0.9, "central": 0.15, "village": -0.5},
    "bachelor": {"county_seat": 0.8, "central": 0.1, "village": -0.7},
    "mid_rank": {"county_seat": 0.35, "central": 0.0, "village": -0.1},
    "backbone": {"county_seat": 0.6, "central": 0.1, "village": -0.9},
    "certified": {"county_seat": 0.6, "central": 0.2, "village": -0.6},
    "trained": {"county_seat": 0.5, "central": 0.2, "village": -0.5},
    "on_subject": {"county_seat": 0.5, "central": 0.1, "village": -0.4},
}
LUCK = ("size", *PULL, "pe", "music", "fine_art", "arts", "first_year", "staff", "master")
PER_CLASS = {"primary": 1.55, "junior": 2.3, "senior": 2.8}


def build(
    skeleton: Skeleton, schools: list[School], table: pd.DataFrame, aims: Aims, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the teacher columns of ``school_years`` for every stage row of the panel.

    Parameters
    ----------
    skeleton : Skeleton
    schools : list of School
    table : DataFrame
        From :func:`panel.build`.
    aims : Aims
        What each school is driven towards where the county works for the standard of 2017.
    rng : Generator
    """
    plan = skeleton.settings["staff"]
    fixed = {s.school_id: dict(zip(LUCK, rng.random(len(LUCK)), strict=True)) for s in schools}
    luck = pd.DataFrame([fixed[i] for i in table["school_id"]], index=table.index)
    for name in LUCK:  # the stages of one school round differently
        luck[name] = (luck[name] + table["stage"].map({"primary": 0.0, "junior": 0.37, "senior": 0.71})) % 1.0
    own = pd.DataFrame([rng.normal(0, 0.3, len(PULL)) for _ in schools], index=list(fixed), columns=list(PULL))
    out = pd.DataFrame(index=table.index)
    out["teachers"] = _teachers(table, plan, aims, luck["size"])
    for name in PULL:
        out[name] = _group(table, out["teachers"], plan[name], name, own[name], luck[name])
    out["higher"] = np.minimum(np.maximum(out["higher"], aims.need(table, "higher_degree_teachers")), out["teachers"])
    backbone = np.minimum(np.maximum(out["backbone"], aims.need(table, "backbone_teachers")), out["teachers"])
    out["backbone"] = np.minimum(backbone, aims.most(table, "backbone_teachers")).astype(int)
    return _columns(table, out, plan, aims, luck)


def _teachers(table: pd.DataFrame, plan: Mapping[str, Any], aims: Aims, luck: pd.Series) -> Any:
    """Follow pupils and classes slowly: posts are not taken away or given within a year."""
    need = aims.need(table, "higher_degree_teachers")
    out: dict[int, int] = {}
    now: dict[tuple[str, str], int] = {}
    for i, row in zip(table.index, table.itertuples(), strict=True):
        ratio = along(plan["pupils_per_teacher"][row.stage], row.year)
        wanted = max(row.pupils / ratio, PER_CLASS[row.stage] * row.classes * plan.get("small_school", 1.0))
        if row.kind_now == "special":
            wanted = row.pupils / 4.0
        wanted *= 1.0 + plan["unevenness"] * (2 * luck[i] - 1.0)
        before = now.get((row.school_id, row.stage))
        if before is not None:
            wanted = before + float(np.clip((wanted - before) * 0.6, -0.07 * before - 1, 0.09 * before + 1))
        # Where higher degrees are short, posts are added; never fewer than one teacher.
        count = max(int(np.floor(round(wanted, 6) + 0.5)), int(need[table.index.get_loc(i)]), 1)
        now[row.school_id, row.stage] = out[i] = count
    return pd.Series(out)


def _group(
    table: pd.DataFrame, teachers: pd.Series, path: Mapping[str, Any], name: str, own: pd.Series, luck: pd.Series
) -> pd.Series:
    """Spread a county-wide share over schools by place and chance, so that the county meets it in every year."""
    tilt = table["rank"].map(PULL[name]).to_numpy(dtype=float) + own.loc[table["school_id"]].to_numpy()
    share = np.zeros(len(table))
    for (year, stage), index in table.groupby(["year", "stage"]).groups.items():
        rows = table.index.get_indexer(index)
        aim = along(path[stage], year)
        share[rows] = 1.0 if aim >= 1 else _odds(aim, tilt[rows], teachers.to_numpy()[rows])
    counted = np.floor(np.round(teachers * share, 6) + np.where(share >= 1, 0.0, luck))
    return pd.Series(np.minimum(counted, teachers).astype(int), index=table.index)


def _odds(aim: float, tilt: Any, weight: Any) -> Any:
    low, high = -8.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        share = 1 / (1 + np.exp(-(middle + tilt)))
        low, high = (middle, high) if (share * weight).sum() < aim * weight.sum() else (low, middle)
    return np.round(share, 9)


def _columns(
    table: pd.DataFrame, of: pd.DataFrame, plan: Mapping[str, Any], aims: Aims, luck: pd.DataFrame
) -> pd.DataFrame:
    teachers, primary = of["teachers"], table["stage"] == "primary"
    # Above the required degree: college and more in primary schools, bachelor and more in secondary schools.
    top = np.where(primary, np.minimum(of["bachelor"], of["higher"]), of["higher"])
    share = np.where(table["rank"] == "county_seat", 0.04, 0.01) * np.where(table["stage"] == "senior", 2.0, 1.0)
    master = np.minimum(np.floor(top * share + luck["master"] * 0.9), top).astype(int)
    college = np.where(primary, of["higher"] - top, np.floor((teachers - of["higher"]) * plan.get("college_rest", 1.0)))
    first_year = np.minimum(np.floor(teachers * 0.028 + luck["first_year"] * 0.8), teachers - 1).clip(0).astype(int)
    out = pd.DataFrame(
        {
            "staff": teachers + np.floor(teachers * 0.06 + 0.3 * table["boarders"] / 60 + luck["staff"]).astype(int),
            "teachers": teachers,
            "teachers_college": college.astype(int),
            "teachers_bachelor": top - master,
            "teachers_master": master,
            "teachers_doctor": 0,
            "teachers_backbone": of["backbone"],
            "teachers_certified": of["certified"],
            "teachers_trained_360h": np.minimum(of["trained"], teachers - first_year),
            "teachers_first_year": first_year,
            "teachers_mid_rank": of["mid_rank"],
            "teachers_on_subject": of["on_subject"],
        },
        index=table.index,
    )
    return pd.concat([out, _specialists(table, teachers, plan, aims, luck)], axis=1)


def _specialists(
    table: pd.DataFrame, teachers: pd.Series, plan: Mapping[str, Any], aims: Aims, luck: pd.DataFrame
) -> pd.DataFrame:
    """Give PE, music and art teachers; the smallest schools share visiting ones."""
    share = np.array([along(plan["specialists"], year) for year in table["year"]])
    parts = {"pe": 0.44, "music": 0.27, "fine_art": 0.24, "arts": 0.05}
    count = {n: np.floor(teachers * share * p + luck[n] * np.where(teachers < 8, 0.55, 0.95)) for n, p in parts.items()}
    missing = aims.need(table, "pe_arts_teachers") - sum(count.values())
    room = teachers - sum(count.values())
    count["pe"] = count["pe"] + np.clip(missing, 0, room.clip(lower=0))
    too_many = np.clip(sum(count.values()) - aims.most(table, "pe_arts_teachers"), 0, None)
    for name in ("arts", "fine_art", "music", "pe"):
        taken = np.minimum(too_many, count[name])
        count[name], too_many = count[name] - taken, too_many - taken
    few = (sum(count.values()) < 2) & (table["stage"] != "senior") & (table["pupils"] >= 10)
    visiting = {n: (few & (luck[n] > 0.5)).astype(int) for n in parts}
    return pd.DataFrame(
        {f"teachers_{n}": v.astype(int) for n, v in count.items()} | {f"visiting_{n}": v for n, v in visiting.items()},
        index=table.index,
    )
