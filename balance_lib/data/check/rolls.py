"""Find schools and rolls that do not fit together: stages without pupils, wrong stages, doubled names, attendance."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import pandas as pd

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.check.tell import blanks, each, number, word
from balance_lib.data.tables.kinds import STAGES_OF
from balance_lib.locale import Message

BAND_STAGE = {"g1_3": "primary", "g4_6": "primary", "g7_9": "junior"}
COMPULSORY = ("primary", "junior")


def check(frames: dict[str, pd.DataFrame]) -> Iterator[Fault]:
    """Yield every contradiction between schools, their stages, townships and who attends them."""
    schools, years = frames["schools"], _with_kind(frames)
    yield from _pupils(years)
    yield from _stages(years)
    yield from _shared(years)
    yield from _described(schools, frames)
    yield from _attendance(frames["attendance"], frames["school_years"])
    yield from _lacking(frames)


def _lacking(frames: dict[str, pd.DataFrame]) -> Iterator[Fault]:
    """Yield what a county without villages or attendance cannot be asked, what works all the same, and what to add."""
    if frames["schools"].empty:
        return
    name = "villages" if frames["villages"].empty else "attendance"
    if frames[name].empty:
        yield Fault(f"no_{name}", tables.table(name).file, None, None, None, "warning")


def _with_kind(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return school years with the school's name, its kind that year and whether it was open; the index stays."""
    years = frames["school_years"]
    schools = frames["schools"].drop_duplicates("school_id").set_index("school_id")
    kind = years["kind"].where(years["kind"].notna(), years["school_id"].map(schools["kind"]))
    # A county without schools maps to texts that no year can be compared with.
    opened, closed = (pd.to_numeric(years["school_id"].map(schools[c])) for c in ("opened_year", "closed_year"))
    is_open = ~(years["year"] < opened) & ~(years["year"] >= closed)
    name = years["school_id"].map(schools["name_zh"]).astype("object").fillna("–")
    return years.assign(kind=kind, _open=is_open, _name=name)


def _pupils(years: pd.DataFrame) -> Iterator[Fault]:
    """Yield rows of an open school's stage without pupils: 0 is an error, a blank is honest and only told."""
    rows = years[years["stage"].isin(COMPULSORY) & years["_open"]]
    zero, blank = rows[rows["pupils"] == 0], rows[rows["pupils"].isna()]
    whose: dict[str, Any] = {
        "school": lambda row: row["school_id"],
        "name": lambda row: row["_name"],
        "year": lambda row: number(row["year"]),
        "stage": lambda row: Message(f"stage.{row['stage']}"),
    }
    yield from each("zero_pupils_classes", "school_years", zero[zero["classes"] > 0], "pupils",
                    classes=lambda row: number(row["classes"]), **whose)  # fmt: skip
    yield from each("zero_pupils", "school_years", zero[~(zero["classes"] > 0)], "pupils", **whose)
    yield from each("pupils_missing", "school_years", blank, "pupils", severity="warning", **whose)


def _stages(years: pd.DataFrame) -> Iterator[Fault]:
    """Yield stages a school of this kind does not have, and stages of a through-school without a row."""
    known = years[years["kind"].isin(STAGES_OF) & years["stage"].notna()]
    foreign = [s != "shared" and s not in STAGES_OF[k] for s, k in zip(known["stage"], known["kind"], strict=True)]
    yield from each(
        "stage_foreign", "school_years", known[foreign], "stage",
        kind=lambda row: word("schools", "kind", row["kind"]),
        stages=lambda row: word("school_years", "stage", *STAGES_OF[row["kind"]]),
    )  # fmt: skip
    for (school, year), rows in known.groupby(["school_id", "year"], sort=False):
        wanted = [s for s in STAGES_OF[rows["kind"].iloc[0]] if s not in set(rows["stage"])]
        if wanted:
            told = {"school": school, "year": number(year), "kind": word("schools", "kind", rows["kind"].iloc[0]),
                    "stages": word("school_years", "stage", *wanted)}  # fmt: skip
            yield from each("stage_missing", "school_years", rows.iloc[:1], "stage", severity="warning", **told)


def _shared(years: pd.DataFrame) -> Iterator[Fault]:
    """Yield shared rows where nothing is shared, and assets that stand both on a stage and on the shared row."""
    single = [k for k, stages in STAGES_OF.items() if len(stages) == 1]
    shared = years[years["stage"] == "shared"]
    yield from each("shared_single", "school_years", shared[shared["kind"].isin(single)], "stage",
                    kind=lambda row: word("schools", "kind", row["kind"]))  # fmt: skip
    key = ["school_id", "year"]
    assets = tables.table("school_years").of(split=True)
    both = years.loc[years["stage"] != "shared", [*key, "stage", *assets]].merge(
        shared[[*key, *assets]].reset_index(), on=key, suffixes=("", "_shared")
    )
    for column in assets:
        twice = both[(both[column] > 0) & (both[column] == both[f"{column}_shared"])]
        if not twice.empty:
            rows = shared.loc[twice["index"]].assign(_stage=twice["stage"].to_numpy())
            yield from each("shared_equal", "school_years", rows, column, severity="warning",
                            stage=lambda row: word("school_years", "stage", row["_stage"]))  # fmt: skip


def _described(schools: pd.DataFrame, frames: dict[str, pd.DataFrame]) -> Iterator[Fault]:
    """Yield schools whose description cannot be right or is wanted: names, townships, founder, urban class."""
    judged = schools[~schools["kind"].isin(["senior", "vocational"])]
    for rule, column in (("founder_missing", "founder"), ("location_missing", "location")):
        yield from blanks(rule, "schools", judged[judged[column].isna()], len(judged), column)
    named = schools[schools["name_zh"].notna()]
    now = named[named["closed_year"].isna()]
    first = now.groupby([now["township"].fillna(""), "name_zh"])["school_id"].transform("first")
    yield from each("same_name_here", "schools", now.assign(_first=first)[first != now["school_id"]], "name_zh",
                    severity="warning", other=lambda row: row["_first"])  # fmt: skip
    known = frames["townships"]["township"].dropna().tolist()
    if known:
        for table in ("schools", "villages"):
            rows = frames[table]
            lost = rows[rows["township"].notna() & ~rows["township"].isin(known)]
            yield from each("township_unknown", table, lost, "township", severity="warning",
                            near=lambda row: nearest(row["township"], known))  # fmt: skip


def nearest(name: str, known: list[str]) -> str:
    """Return the known names nearest to one that is not, for a hint; a dash if none is near.

    Parameters
    ----------
    name : str
        What it is called.
    known : list of str
        Names there are.
    """
    return ", ".join(difflib.get_close_matches(name, known, 2, 0.5)) or "–"


def _attendance(attendance: pd.DataFrame, years: pd.DataFrame) -> Iterator[Fault]:
    """Yield grade bands of another stage, and rolls that differ from who attends, in years that have attendance."""
    if attendance.empty:
        return
    wrong = attendance[attendance["band"].map(BAND_STAGE) != attendance["stage"]]
    yield from each("band_stage", "attendance", wrong[wrong["band"].isin(BAND_STAGE)], "band",
                    stage=lambda row: word("school_years", "stage", row["stage"]))  # fmt: skip
    key = ["school_id", "year", "stage"]
    roll = years[years["stage"].isin(COMPULSORY) & years["year"].isin(attendance["year"])].set_index(key)["pupils"]
    roll = roll[~roll.index.duplicated()]
    came = attendance.groupby(key)["pupils"].agg(lambda pupils: pupils.sum(skipna=False))
    first = attendance.drop_duplicates(key).reset_index().set_index(key)["index"]
    for place in roll.index.union(came.index):
        attends, enrolled = came.get(place, 0.0), roll.get(place, float("nan"))
        blank = pd.isna(attends) or (pd.isna(enrolled) and place in roll.index)
        if blank or attends == enrolled:  # a blank is told by itself
            continue
        told = {"school": place[0], "year": number(place[1]),
                "stage": word("school_years", "stage", place[2]),
                "pupils": "–" if pd.isna(enrolled) else number(enrolled)}  # fmt: skip
        row = int(first[place]) + 2 if place in first.index else None
        yield Fault("attendance_sum", tables.table("attendance").file, row, "pupils", number(attends), params=told)
