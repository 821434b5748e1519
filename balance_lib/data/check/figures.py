"""Find figures of one school and year that cannot be true together, or look entered in another unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.check.tell import each, number

# A part, or parts together, cannot exceed the whole.
PARTS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("school_years", ("teachers_college", "teachers_bachelor", "teachers_master", "teachers_doctor"), "teachers"),
    ("school_years", ("teachers_pe", "teachers_music", "teachers_fine_art", "teachers_arts"), "teachers"),
    ("school_years", ("teachers_backbone",), "teachers"),
    ("school_years", ("teachers_certified",), "teachers"),
    ("school_years", ("teachers_trained_360h",), "teachers"),
    ("school_years", ("teachers_first_year",), "teachers"),
    ("school_years", ("teachers_mid_rank",), "teachers"),
    ("school_years", ("teachers_on_subject",), "teachers"),
    ("school_years", ("teachers",), "staff"),
    ("school_years", ("boarders",), "pupils"),
    ("school_years", ("bus_pupils",), "pupils"),
    ("school_years", ("pupils_in_zone",), "pupils"),
    ("school_years", ("migrant_pupils",), "pupils"),
    ("school_years", ("home_taught_pupils",), "pupils"),
    ("school_years", ("indoor_sports_m2",), "teaching_area_m2"),
    ("school_years", ("music_rooms_96", "music_rooms_73", "music_rooms_61"), "music_rooms"),
    ("school_years", ("art_rooms_90", "art_rooms_67", "art_rooms_61"), "art_rooms"),
    ("school_years", ("deaths_3y",), "entrants_3y_ago"),
    ("attendance", ("boarders",), "pupils"),
    ("village_years", ("births",), "population"),
    ("village_years", ("age_3_5", "age_6_11", "age_12_14"), "population"),
)
# Smallest and largest number of pupils of a class in each band.
BANDS = {
    "classes_1_25": (1, 25), "classes_26_30": (26, 30), "classes_31_35": (31, 35), "classes_36_40": (36, 40),
    "classes_41_45": (41, 45), "classes_46_50": (46, 50), "classes_51_55": (51, 55), "classes_56_60": (56, 60),
    "classes_61_65": (61, 65), "classes_66_up": (66, np.inf),
}  # fmt: skip
# No classroom holds more pupils than this a class: pupils or classes are wrong.
MOST_A_CLASS = 90
# Yuan a pupil: below the first or above the second the amount was hardly meant in yuan.
PLAUSIBLE_YUAN = {
    "equipment_yuan": (5.0, 200_000.0),
    "public_budget_yuan": (5.0, 100_000.0),
    "public_final_yuan": (5.0, 100_000.0),
    "training_budget_yuan": (0.05, 20_000.0),
}
WAN = 10_000.0
# Most of a thing a pupil in a school of some size.
MOST_A_PUPIL = {
    "teaching_area_m2": 150.0, "indoor_sports_m2": 60.0, "sports_field_m2": 500.0, "gym_m2": 60.0,
    "books": 500.0, "computers": 4.0, "multimedia_rooms": 1.0,
}  # fmt: skip
SOME_PUPILS = 50
MOST_PUPILS_A_TEACHER = 60
_EPSILON = 1e-6


def check(frames: dict[str, pd.DataFrame]) -> Iterator[Fault]:
    """Yield every figure of a single row, school or year that contradicts another."""
    yield from _parts(frames)
    years = frames["school_years"]
    yield from _classes(years)
    yield from _bands(years)
    whole = _of_schools(years)
    yield from _wan_yuan(whole)
    yield from _per_pupil(whole)
    yield from _teachers(years)


def _parts(frames: dict[str, pd.DataFrame]) -> Iterator[Fault]:
    for name, parts, whole in PARTS:
        frame = frames[name]
        known = frame[list(parts)].sum(axis=1, min_count=1)  # blanks count nothing: the known parts alone exceed it
        over = known > frame[whole] + _EPSILON
        if not over.any():
            continue
        yield from each(
            "part_exceeds", name, frame[over].assign(_sum=known[over]), "+".join(parts),
            found=lambda row: number(row["_sum"]), whole=tables.table(name).columns[whole],
            limit=lambda row, w=whole: number(row[w]),
        )  # fmt: skip


def _classes(years: pd.DataFrame) -> Iterator[Fault]:
    crowded = years[(years["classes"] > 0) & (years["pupils"] / years["classes"] > MOST_A_CLASS)]
    yield from each(
        "class_size", "school_years", crowded, "classes",
        found=lambda row: f"{number(row['pupils'])} / {number(row['classes'])}", most=MOST_A_CLASS,
    )  # fmt: skip
    none = years[(years["classes"] == 0) & (years["pupils"] > 0)]
    yield from each("no_classes", "school_years", none, "classes", pupils=lambda row: number(row["pupils"]))


def _bands(years: pd.DataFrame) -> Iterator[Fault]:
    bands = years[list(BANDS)]
    given, told = bands.sum(axis=1, min_count=1), bands.notna().all(axis=1)
    off = (told & ((given - years["classes"]).abs() > _EPSILON)) | (given > years["classes"] + _EPSILON)
    yield from each(
        "class_bands", "school_years", years.assign(_sum=given)[off & years["classes"].notna()], "classes",
        bands=lambda row: number(row["_sum"]),
    )  # fmt: skip
    least = sum(years[band] * low for band, (low, _) in BANDS.items())
    most = sum(years[band].where(years[band] > 0, 0.0) * min(high, 999) for band, (_, high) in BANDS.items())
    most = most.where(~(years["classes_66_up"] > 0), np.inf)
    taught = years["pupils"] - years["home_taught_pupils"].fillna(0)
    comparable = told & ~off & (taught > 0) & (years["classes"] > 0)
    wrong = comparable & ((taught < least - _EPSILON) | (taught > most + _EPSILON))
    yield from each(
        "class_bands_pupils", "school_years", years.assign(_low=least, _high=most)[wrong], "pupils", severity="warning",
        low=lambda row: number(row["_low"]), high=lambda row: "…" if np.isinf(row["_high"]) else number(row["_high"]),
    )  # fmt: skip


def _of_schools(years: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with ``_pupils``: those the row's figures are for, all the school's for a shared row."""
    taught = years[years["stage"] != "shared"]
    school = taught.groupby(["school_id", "year"])["pupils"].sum(min_count=1).rename("_school").reset_index()
    keyed = years[["school_id", "year"]].merge(school, how="left", on=["school_id", "year"])["_school"]
    own = years["pupils"]
    shared = pd.Series(keyed.to_numpy(), index=years.index)
    return years.assign(_pupils=own.where((years["stage"] != "shared") | shared.isna(), shared))


def _wan_yuan(years: pd.DataFrame) -> Iterator[Fault]:
    """Yield amounts ten thousand times too small or too large: entered in 万元, or converted twice."""
    for column, (low, high) in PLAUSIBLE_YUAN.items():
        each_pupil = years[column] / years["_pupils"].where(years["_pupils"] > 0)
        small = (each_pupil > 0) & (each_pupil < low) & (each_pupil * WAN).between(low, high)
        large = (each_pupil > high) & (each_pupil / WAN).between(low, high)
        for rule, wrong in (("wan_yuan", small), ("wan_yuan_twice", large)):
            rows = years.assign(_each=each_pupil)[wrong]
            yield from each(rule, "school_years", rows, column, each=lambda row: number(row["_each"]))


def _per_pupil(years: pd.DataFrame) -> Iterator[Fault]:
    for column, most in MOST_A_PUPIL.items():
        each_pupil = years[column] / years["_pupils"]
        rows = years.assign(_each=each_pupil)[(years["_pupils"] >= SOME_PUPILS) & (each_pupil > most)]
        unit = tables.table("school_years").columns[column].unit
        yield from each(
            "per_pupil", "school_years", rows, column, severity="warning",
            each=lambda row: number(row["_each"]), most=f"{most:g}", unit=unit,
        )  # fmt: skip


def _teachers(years: pd.DataFrame) -> Iterator[Fault]:
    big = years[(years["pupils"] >= SOME_PUPILS) & years["teachers"].notna()]
    odd = big[(big["teachers"] > big["pupils"]) | (big["pupils"] > big["teachers"] * MOST_PUPILS_A_TEACHER)]
    yield from each(
        "teacher_ratio", "school_years", odd, "teachers", severity="warning",
        pupils=lambda row: number(row["pupils"]), most=MOST_PUPILS_A_TEACHER,
    )  # fmt: skip
