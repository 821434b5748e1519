"""Assemble the school panel: a row a school, year and stage with pupils, boarders, classes and leavers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.demo import classes
from balance_lib.data.demo.demography import along
from balance_lib.data.demo.layout import THROUGH, School
from balance_lib.data.demo.skeleton import Skeleton

SMALL_FUNDED = 100  # small rural schools are funded as for this many pupils
KEY = ["school_id", "year", "stage"]


def build(
    skeleton: Skeleton, schools: list[School], flows: pd.DataFrame, attendance: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Return stage rows of ``school_years`` up to the classes, one for every open school, year and stage.

    Parameters
    ----------
    skeleton : Skeleton
    schools : list of School
    flows : DataFrame
        From :func:`enrolment.build`; years before the first one are needed for the cohorts that leave.
    attendance : DataFrame
        Canonical table, for the boarders.
    rng : Generator
    """
    plan = skeleton.settings["schools"]
    luck = {school.school_id: rng.random(4) for school in schools}
    grades = flows.groupby(["year", "school_id", "grade"])["pupils"].sum().unstack(fill_value=0)
    zoned = flows.assign(stage=np.where(flows["grade"] <= 6, "primary", "junior"))
    zoned = zoned.groupby(["year", "school_id", "stage"])["in_zone"].sum()
    beds = attendance.groupby(["year", "school_id", "stage"])["boarders"].sum()
    rows = []
    for year in skeleton.years:
        for school in (s for s in schools if s.open_in(year)):
            by_grade = {int(g): int(n) for g, n in grades.loc[(year, school.school_id)].items() if n}
            for stage, theirs in _stages(school, year, by_grade, plan, luck[school.school_id]).items():
                row = _row(school, stage, year, theirs, plan, luck[school.school_id])
                key = (year, school.school_id, stage)
                row["boarders"] = _senior_beds(row) if stage == "senior" else int(beds.get(key, 0))
                # A special school draws from the whole county: it has no zone to fall outside of.
                row["pupils_in_zone"] = (
                    row["pupils"] if stage == "senior" or school.kind == "special" else int(zoned.get(key, 0))
                )
                rows.append(row)
    table = pd.DataFrame(rows)
    return pd.concat([table, _leavers(table, grades, plan, rng)], axis=1)


def _stages(
    school: School, year: int, by_grade: dict[int, int], plan: Mapping[str, Any], luck: Any
) -> dict[str, dict[int, int]]:
    out = {
        "primary": {g: n for g, n in by_grade.items() if g <= 6},
        "junior": {g: n for g, n in by_grade.items() if g > 6},
    }
    if school.kind in ("complete_secondary", "twelve_year"):
        base = (
            along(plan["senior_grade"], year) * (1.0 if school.rank == "county_seat" else 0.45) * (0.85 + 0.3 * luck[0])
        )
        out["senior"] = {grade: round(base * (1.02 - 0.03 * (grade - 10))) for grade in (10, 11, 12)}
    return {stage: grades for stage, grades in out.items() if grades}


def _row(
    school: School, stage: str, year: int, grades: dict[int, int], plan: Mapping[str, Any], luck: Any
) -> dict[str, Any]:
    pupils = sum(grades.values())
    kind = school.kind_in(year)
    form = "special" if kind == "special" else stage
    sizes = classes.form(school, form, year, grades, plan, float(luck[0]))
    town = school.rank == "county_seat"
    migrants = along(plan["migrant_share"], year) * (1.0 if town else 0.08) * (0.6 + 0.8 * luck[1])
    small = school.location == "rural" and pupils < SMALL_FUNDED and kind in ("primary", "teaching_point")
    at_home = int(luck[2] * 2.2) if school.rank != "village" and stage != "senior" else 0
    return {
        "school_id": school.school_id,
        "year": year,
        "stage": stage,
        "kind": kind if kind != school.kind else None,
        "kind_now": kind,
        "rank": school.rank,
        "location": school.location,
        "founder": school.founder,
        "pupils": pupils,
        "migrant_pupils": 0 if kind == "special" else int(pupils * migrants + luck[3]),
        "home_taught_pupils": int(pupils * 0.15) if kind == "special" else at_home,
        "grades": len(grades),
        **classes.counts(sizes),
        **classes.flags(school, pupils, sizes),
        "funded_pupils": max(pupils, SMALL_FUNDED) if small and year >= plan["funded_100_from"] else pupils,
        "graduates": grades.get({"primary": 6, "junior": 9, "senior": 12}[stage], 0),
        "grade_7": grades.get(7, 0),
    }


def _senior_beds(row: Mapping[str, Any]) -> int:
    return round(0.6 * row["pupils"])


def _leavers(
    table: pd.DataFrame, grades: pd.DataFrame, plan: Mapping[str, Any], rng: np.random.Generator
) -> pd.DataFrame:
    """Follow each cohort that leaves grade 9 back to when it entered grade 7 in the same school.

    ``graduates = entrants - deaths - drop-outs + transfers in - transfers out`` holds for every junior row; drop-outs
    are not a column of their own. Primary and senior rows stay blank: the forms ask this of grade 9 only.
    """
    luck = rng.random((len(table), 3))
    out = []
    for i, row in enumerate(table.itertuples()):
        if row.stage != "junior":
            out.append((np.nan,) * 4)
            continue
        key = (row.year - 2, row.school_id)
        entered = int(grades.at[key, 7]) if key in grades.index else int(row.graduates)
        died = int(luck[i, 0] < entered / 4000)
        dropped = min(
            int(along(plan["drop_out"], row.year) * (0.5 + luck[i, 1]) * entered + luck[i, 2]), entered - died
        )
        moved = int(row.graduates) - (entered - died - dropped)
        usual = round(0.015 * entered)
        out.append((entered, max(moved, 0) + usual, max(-moved, 0) + usual, died))
    names = ["entrants_3y_ago", "transfers_in_3y", "transfers_out_3y", "deaths_3y"]
    return pd.DataFrame(out, columns=names, index=table.index)


def shared_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return which schools and years need a row of stage ``shared``: those whose kind teaches more than one stage."""
    through = table[table["kind_now"].isin((*THROUGH, "special"))]
    return through[["school_id", "year"]].drop_duplicates().assign(stage="shared").reset_index(drop=True)
