"""Define the tables of a dataset of many counties: their columns and types, the same in parts and in Parquet."""

from __future__ import annotations

from collections.abc import Mapping

TEXT, NUMBER, WHOLE, TRUTH = "VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN"

# Every table but the first begins with ``county``: the county's folder below the root, the key of all tables.
TABLES: Mapping[str, Mapping[str, str]] = {
    "counties": {
        "county": TEXT, "county_id": TEXT, "name_zh": TEXT, "name_en": TEXT, "state": TEXT, "synthetic": TRUTH,
        "plan": TEXT, "first_year": WHOLE, "last_year": WHOLE, "schools": WHOLE, "pupils": NUMBER, "lon": NUMBER,
        "lat": NUMBER, "content": TEXT, "software": TEXT, "wkb": TEXT,
    },
    "faults": {
        "file": TEXT, "row": WHOLE, "column": TEXT, "found": TEXT, "rule": TEXT, "severity": TEXT, "text_zh": TEXT,
        "text_en": TEXT,
    },
    "verdicts": {
        "standard": TEXT, "year": WHOLE, "judged_on": TEXT, "verdict": TEXT, "met": WHOLE, "not_met": WHOLE,
        "no_data": WHOLE, "evidence": WHOLE, "not_due": WHOLE, "not_applicable": WHOLE,
    },
    "items": {
        "standard": TEXT, "year": WHOLE, "code": TEXT, "stage": TEXT, "status": TEXT, "required": TRUTH,
        "value": NUMBER, "threshold": NUMBER, "gap": NUMBER,
    },
    "coefficients": {
        "standard": TEXT, "year": WHOLE, "stage": TEXT, "indicator": TEXT, "mean": NUMBER, "sd": NUMBER, "cv": NUMBER,
        "limit": NUMBER, "met": TRUTH, "n": WHOLE, "n_missing": WHOLE, "provisional": NUMBER,
    },
    "outlook": {
        "standard": TEXT, "code": TEXT, "status": TEXT, "year": WHOLE, "earliest": WHOLE, "latest": WHOLE,
        "due_year": WHOLE, "in_time": TRUTH,
    },
    "access": {
        "year": WHOLE, "stage": TEXT, "mode": TEXT, "radius_m": NUMBER, "basis": TEXT, "pupils": NUMBER,
        "within": NUMBER, "outside": NUMBER, "unknown": NUMBER, "share": NUMBER, "nearest_share": NUMBER,
        "mean_m": NUMBER, "farthest_m": NUMBER, "boarders": NUMBER,
    },
    "villages": {
        "year": WHOLE, "stage": TEXT, "mode": TEXT, "village_id": TEXT, "township": TEXT, "pupils": NUMBER,
        "outside": NUMBER, "unknown": NUMBER, "mean_m": NUMBER, "farthest_m": NUMBER, "nearest_id": TEXT,
        "nearest_m": NUMBER, "lon": NUMBER, "lat": NUMBER, "wkb": TEXT,
    },
    "layouts": {
        "year": WHOLE, "stage": TEXT, "status": TEXT, "gap": NUMBER, "schools": WHOLE, "kept": WHOLE, "closed": WHOLE,
        "sentence_zh": TEXT, "sentence_en": TEXT, "scenario": TEXT,
    },
}  # fmt: skip

SPATIAL = {"counties": ("Polygon", "MultiPolygon"), "villages": ("Point",)}


def columns(table: str) -> dict[str, str]:
    """Return a table's columns and types, ``county`` first."""
    return {"county": TEXT, **TABLES[table]}
