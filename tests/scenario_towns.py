"""A toy county for scenarios: four villages on a line, a central school, two village schools and a junior school."""

from __future__ import annotations

from typing import Any

from balance_lib.data.county import County
from tests import towns

STEP = 0.018  # degrees of latitude: 2.0 km
YEAR = 2020

# school: kind, place on the line (in steps), rank, pupils of grades 1-3, of grades 4-6
PRIMARIES = {"A": ("central", 0.0, 60, 60), "B": ("village", 1.0, 18, 12), "C": ("village", 2.0, 12, 6)}


def school_rows() -> list[dict[str, Any]]:
    rows = [
        towns.school(
            name, rank=rank, location="rural" if rank == "village" else "town", lat=31.0 + STEP * at, lon=109.6
        )
        for name, (rank, at, _, _) in PRIMARIES.items()
    ]
    return [*rows, towns.school("J", kind="junior", lat=31.0, boarding=1)]


def year_rows(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    out = []
    for name, (_, _, low, high) in PRIMARIES.items():
        n = low + high
        own = {"pupils": n, "pupils_in_zone": n, "classes": 6, "classes_1_25": 6, "funded_pupils": n}
        own |= {"small_rural_50_99": 0, "graduates": high // 3, "teachers": 3 + n // 10, "staff": 4 + n // 10}
        own |= {"books": 25 * n, "computers": n // 5 + 3, "equipment_yuan": 2000 * n + 1000}
        own |= {"teachers_college": 1, "teachers_bachelor": 2 + n // 10, "teachers_certified": 3 + n // 10}
        out.append(towns.school_year(name, year=YEAR, **{**own, **changes.get(name, {})}))
    junior = {"pupils": 150, "boarders": 20, "grades": 3, "classes": 3, "classes_1_25": 0, "classes_46_50": 3}
    return [*out, towns.school_year("J", stage="junior", year=YEAR, **{**junior, **changes.get("J", {})})]


def going(village: str, school: str, band: str, pupils: int, boarders: int = 0) -> dict[str, Any]:
    stage = "junior" if band == "g7_9" else "primary"
    return {"village_id": village, "school_id": school, "stage": stage, "band": band, "year": YEAR, "pupils": pupils,
            "boarders": boarders}  # fmt: skip


def attendance_rows() -> list[dict[str, Any]]:
    rows = []
    for i, (name, (_, _, low, high)) in enumerate(PRIMARIES.items()):
        rows += [going(f"v{i}", name, "g1_3", low), going(f"v{i}", name, "g4_6", high)]
    return [*rows, going("v0", "J", "g7_9", 130), going("v2", "J", "g7_9", 20, 20)]


def village_rows() -> list[dict[str, Any]]:
    return [
        {"village_id": f"v{i}", "name_zh": f"{i}村", "township": "甲镇", "lon": 109.6, "lat": 31.0 + STEP * i}
        for i in range(4)
    ]


def county(*, attendance: bool = True, **changes: dict[str, Any]) -> County:
    """Return the toy county; ``changes`` are figures of a school."""
    more = {"attendance": attendance_rows()} if attendance else {}
    townships = [{"township": "甲镇", "code": "1", "type": "town", "lon": 109.6, "lat": 31.0, "pilot": 0}]
    return towns.county(school_rows(), year_rows(**changes), villages=village_rows(), townships=townships, **more)
