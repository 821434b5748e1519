"""Carry a county forward to a target year: the pupils of the projection, today's schools, staff and goods."""

from __future__ import annotations

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.scenarios import classes
from balance_lib.scenarios.settings import default
from balance_lib.standards import STAGES

_BOARDING_BLANK = 0.0


def county(today: County, year: int, target: int, births_percent: float) -> County:
    """Return the county as it would be in a target year if no school were touched.

    Enrolment and attendance are those of :func:`balance_lib.forecast.project`, in whole pupils; boarders keep their
    share. Staff, equipment and buildings stay as they are in the baseline; classes are formed anew where the pupils
    changed. What the county reports for the target year (county figures, evidence) is not known.

    Closures that the tables know of after the baseline year are left out: a scenario decides the layout itself.

    Parameters
    ----------
    today : County
    year : int
        School year, by its first calendar year.
    target : int
        School year of the future.
    births_percent : float
        Change of births in percent.

    Raises
    ------
    DataError
        If the projection cannot be made.
    """
    from balance_lib import forecast

    now = _as_of(today, year)
    settings = forecast.ProjectionSettings(births_percent=births_percent)
    flows = forecast.project(now, target, year=year, settings=settings, bands=False).flows
    flows = flows[(flows["year"] == target) & (flows["pupils"] > 0)]
    flows = forecast.whole(flows, by=["school_id", "stage"])
    going = _attendance(now, flows, year, target)
    rows = _rows(now.table("school_years", year), going, target)
    homes = going[going["village_id"] != ""]  # pupils of unknown home count in the rolls alone, as in the baseline
    return now.with_tables(
        school_years=pd.concat([now.tables["school_years"], rows], ignore_index=True),
        attendance=pd.concat([now.tables["attendance"], homes], ignore_index=True),
    )


def _as_of(today: County, year: int) -> County:
    """Return the county as it was known in a year: nothing later."""
    schools = today.tables["schools"]
    schools = schools.assign(closed_year=schools["closed_year"].where(~(schools["closed_year"] > year)))
    frames = {name: frame[~(frame["year"] > year)] for name, frame in today.tables.items() if "year" in frame}
    return today.with_tables(schools=schools, **frames)


def _attendance(now: County, flows: pd.DataFrame, year: int, target: int) -> pd.DataFrame:
    key = ["village_id", "school_id", "stage", "band"]
    before = now.table("attendance", year).groupby(key)[["pupils", "boarders"]].sum(min_count=1)
    share = (before["boarders"] / before["pupils"]).rename("share").reset_index()
    out = flows.groupby(key, as_index=False)["pupils"].sum()
    out = out[out["pupils"] > 0].merge(share, on=key, how="left")
    rolls = now.table("school_years", year).drop_duplicates(["school_id", "stage"]).set_index(["school_id", "stage"])
    at = pd.MultiIndex.from_frame(out[["school_id", "stage"]])
    school = (rolls["boarders"] / rolls["pupils"]).reindex(at)
    listed = at.isin(before.index.droplevel(["village_id", "band"]))  # of the others the roll alone tells who boards
    told = out["share"].where(listed, school.to_numpy())
    boarders = np.round(out["pupils"] * told.fillna(_BOARDING_BLANK))
    return out.drop(columns="share").assign(boarders=boarders, year=target)


def _rows(rows: pd.DataFrame, going: pd.DataFrame, target: int) -> pd.DataFrame:
    """Return the school rows of the target year; stages nobody attends any more are left out."""
    came = going.groupby(["school_id", "stage"])[["pupils", "boarders"]].sum()
    bands = going.groupby(["school_id", "stage", "band"])["pupils"].sum().unstack().fillna(0.0)
    out = []
    for row in rows.to_dict("records"):
        key = (row["school_id"], row["stage"])
        if row["stage"] in STAGES and pd.notna(row["pupils"]):  # a roll nobody counted stays unknown
            if key not in came.index:
                continue
            row = _scaled(row, float(came.at[key, "pupils"]), float(came.at[key, "boarders"]))
            mine = {str(band): float(n) for band, n in bands.loc[key].items() if n > 0}
            if pd.notna(row["classes"]):
                row = {**row, **classes.formed(row, mine, default(f"class_cap_{row['stage']}"))}
        out.append({**row, "year": target})
    kept = {row["school_id"] for row in out if row["stage"] in STAGES}
    return pd.DataFrame([row for row in out if row["school_id"] in kept], columns=rows.columns)


_FOLLOW = ("pupils_in_zone", "migrant_pupils", "home_taught_pupils")


def _scaled(row: dict[str, float], pupils: float, boarders: float) -> dict[str, float]:
    ratio = pupils / row["pupils"] if row["pupils"] else np.nan
    # Fewer pupils keep the size of their classes, not the number of them.
    fewer = float(np.ceil(row["classes"] * min(ratio, 1.0))) if pd.notna(ratio) else row["classes"]
    follow = {name: float(np.floor(row[name] * ratio)) for name in _FOLLOW if pd.notna(row[name]) and pd.notna(ratio)}
    return {**row, "pupils": pupils, "boarders": boarders, "classes": fewer, **follow}
