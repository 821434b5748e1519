"""Form classes from grades: crowded ones in town, combined ones in the smallest schools, and count them by size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from balance_lib.data.demo.demography import along
from balance_lib.data.demo.layout import School

BANDS = {
    "classes_1_25": 25,
    "classes_26_30": 30,
    "classes_31_35": 35,
    "classes_36_40": 40,
    "classes_41_45": 45,
    "classes_46_50": 50,
    "classes_51_55": 55,
    "classes_56_60": 60,
    "classes_61_65": 65,
    "classes_66_up": 10_000,
}
COMBINED = 8  # a grade with fewer pupils shares a teacher and a room with the next one
COMBINED_MOST = 24
SMALL, SMALL_CLASS = 100, 30
SIZE_OF_PLACE = {"county_seat": "town", "central": "township", "village": "village"}


def form(
    school: School, stage: str, year: int, grades: Mapping[int, int], plan: Mapping[str, Any], luck: float
) -> list[int]:
    """Return the sizes of a school's classes.

    Parameters
    ----------
    school : School
    stage : str
    year : int
    grades : mapping of int to int
        Pupils of each grade.
    plan : mapping
        ``class_cap``: the largest class a place tolerates, by place and year.
    luck : float
        Between 0 and 1: whether the school is among the more crowded of its place.
    """
    if stage == "special":
        return _even(sum(grades.values()), 12)
    place = "senior" if stage == "senior" else SIZE_OF_PLACE[school.rank]
    cap = along(plan["class_cap"][place], year)
    if stage == "junior" and place != "senior":
        cap += plan.get("junior_more", 0)
    cap = round(cap * (0.88 + 0.12 * luck), 6)
    sizes: list[int] = []
    waiting = 0
    for grade in sorted(grades):
        pupils = grades[grade] + waiting
        waiting = 0
        if 0 < pupils < COMBINED and grade < max(grades) and pupils + grades[grade + 1] <= COMBINED_MOST:
            waiting = pupils
        elif pupils:
            sizes += _uneven(_even(pupils, cap), cap)
    return sizes


def counts(sizes: list[int]) -> dict[str, int]:
    """Count classes by the size bands of the official form."""
    found = dict.fromkeys(BANDS, 0)
    for size in sizes:
        found[next(name for name, most in BANDS.items() if size <= most)] += 1
    return {"classes": len(sizes), **found}


def flags(school: School, pupils: int, sizes: list[int]) -> dict[str, int]:
    """Return the two flags of small rural schools.

    Parameters
    ----------
    school : School
    pupils : int
    sizes : list of int
        Sizes of the classes.
    """
    rural = school.location == "rural"
    return {
        "small_rural_50_99": int(rural and 50 <= pupils < SMALL),
        "largest_class_under_30": int(rural and max(sizes, default=0) < SMALL_CLASS),
    }


def _even(pupils: int, cap: float) -> list[int]:
    number = max(1, int(np.ceil(round(pupils / cap, 6))))
    return [pupils // number + (i < pupils % number) for i in range(number)]


def _uneven(sizes: list[int], cap: float) -> list[int]:
    """Move a pupil or two between parallel classes, as happens, without breaking the cap."""
    out = list(sizes)
    for i in range(0, len(out) - 1, 2):
        moved = 1 + (out[i] + i) % 2
        if out[i] + moved <= cap and out[i + 1] - moved > 0:
            out[i], out[i + 1] = out[i] + moved, out[i + 1] - moved
    return out
