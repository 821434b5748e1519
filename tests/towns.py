"""One toy county for tests: small enough to compute by hand, whole enough to meet every line."""

from __future__ import annotations

from typing import Any

import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County

# One primary school of 100 pupils in 4 classes that meets every line of both national standards.
SCHOOL_YEAR: dict[str, Any] = {
    "pupils": 100, "boarders": 0, "pupils_in_zone": 100, "migrant_pupils": 0, "home_taught_pupils": 0,
    "small_rural_50_99": 0, "largest_class_under_30": 1, "grades": 6, "classes": 4, "classes_1_25": 4,
    "classes_26_30": 0, "classes_31_35": 0, "classes_36_40": 0, "classes_41_45": 0, "classes_46_50": 0,
    "classes_51_55": 0, "classes_56_60": 0, "classes_61_65": 0, "classes_66_up": 0, "staff": 9, "teachers": 8,
    "teachers_college": 3, "teachers_bachelor": 5, "teachers_master": 0, "teachers_doctor": 0,
    "teachers_backbone": 2, "teachers_certified": 8, "teachers_trained_360h": 8, "teachers_first_year": 0,
    "teachers_mid_rank": 4, "teachers_on_subject": 8, "teachers_pe": 1, "teachers_music": 1, "teachers_fine_art": 0,
    "teachers_arts": 0, "visiting_pe": 0, "visiting_music": 0, "visiting_fine_art": 0, "visiting_arts": 0,
    "teaching_area_m2": 700, "indoor_sports_m2": 0, "office_area_m2": 60, "gym_m2": 0, "sports_field_m2": 1200,
    "leased_sports_m2": 0, "other_sports_m2": 0, "equipment_yuan": 300000, "multimedia_rooms": 4, "computers": 15,
    "books": 2500, "function_rooms": 6, "music_rooms": 1, "music_rooms_96": 1, "music_rooms_73": 0,
    "music_rooms_61": 0, "art_rooms": 1, "art_rooms_90": 1, "art_rooms_67": 0, "art_rooms_61": 0,
    "unsafe_area_m2": 0, "funded_pupils": 100, "public_budget_yuan": 80000, "public_final_yuan": 80000,
    "training_budget_yuan": 4000, "graduates": 30, "entrants_3y_ago": 30, "transfers_in_3y": 0,
    "transfers_out_3y": 0, "deaths_3y": 0,
}  # fmt: skip


def school(school_id: str, kind: str = "primary", **changes: Any) -> dict[str, Any]:
    """Return a row of the table of schools."""
    row = {"school_id": school_id, "name_zh": f"{school_id}校", "kind": kind, "township": "甲镇", "founder": "county"}
    row |= {"location": "town", "rank": "central", "boarding": 0, "lon": 109.6, "lat": 31.4, "dense_centre": 0}
    return {**row, "built_by_2010": 0, "built_by_2016": 0, **changes}


def school_year(school_id: str, stage: str = "primary", year: int = 2020, **changes: Any) -> dict[str, Any]:
    """Return a school year that meets every line, with some figures changed."""
    return {**SCHOOL_YEAR, "school_id": school_id, "stage": stage, "year": year, **changes}


def county(schools: list[dict[str, Any]], years: list[dict[str, Any]], **more: list[dict[str, Any]]) -> County:
    """Return a county of these rows."""
    rows = {"schools": schools, "school_years": years, **more}
    frames = {name: tables.conform(pd.DataFrame(found), name) for name, found in rows.items()}
    return County("toy", "玩具县", "Toy County", frames, synthetic=True)


def figures(year: int = 2020, **items: float) -> list[dict[str, Any]]:
    """Return county figures of a year."""
    return [{"year": year, "item": item, "value": value, "source": "测试"} for item, value in items.items()]
