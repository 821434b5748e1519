"""Find county figures and evidence no standard asks for, and county figures out of their range or unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pandas as pd

from balance_lib import standards
from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.check.rolls import nearest
from balance_lib.data.check.tell import each, number
from balance_lib.locale import LANGUAGES

# Yuan a person or pupil and year below which an amount was entered in 万元.
LEAST_YUAN = {
    "per_pupil_fund_primary_yuan": 10, "per_pupil_fund_junior_yuan": 10, "per_pupil_spend_yuan": 10,
    "per_pupil_public_fund_yuan": 10, "teacher_salary_yuan": 1000, "civil_servant_salary_yuan": 1000,
}  # fmt: skip
# The county's totals, in yuan a pupil: a budget of less than this a pupil was entered in 万元 or 亿元.
LEAST_YUAN_A_PUPIL = {
    "education_appropriation_yuan": 100, "recurrent_revenue_yuan": 100, "fiscal_expenditure_yuan": 100,
    "gdp_yuan": 1000, "fiscal_education_yuan": 100, "payroll_yuan": 100,
}  # fmt: skip
PARTS = {
    "rotated": "rotation_eligible", "rotated_backbone": "rotated", "senior_quality_quota": "senior_quality_places",
    "senior_quality_quota_rural": "senior_quality_quota", "migrant_public": "migrant_eligible",
    "disabled_enrolled": "disabled_children", "primary_age_enrolled": "primary_age_children",
    "junior_age_enrolled": "junior_age_children", "register_cohort_graduates": "register_cohort_entrants",
    "land_education_yuan": "land_proceeds_yuan",
}  # fmt: skip


@cache
def _known_items() -> Mapping[str, Mapping[str, Any]]:
    """Return every item a county can report: common ones, those of one standard, and ``<standard>/<code>``."""
    known: dict[str, Mapping[str, Any]] = dict(standards.common_inputs())
    for name in standards.ids():
        standard = standards.load(name)
        known.update(standard.inputs)
        for item in standard.items:
            if item.measure and item.measure.stated_by == "reported":
                known[f"{standard.id}/{item.code}"] = {"unit": item.unit}
    return known


def check(frames: dict[str, pd.DataFrame]) -> Iterator[Fault]:
    """Yield every county figure and record of evidence that is unknown, out of range or contradicts another."""
    items = frames["county_years"].dropna(subset=["item"])
    known = _known_items()
    lost = items[~items["item"].isin(known)]
    yield from each("item_unknown", "county_years", lost, "item", severity="warning",
                    near=lambda row: nearest(row["item"], list(known)))  # fmt: skip
    yield from _ranges(items, known)
    yield from _amounts(items, frames["school_years"])
    yield from _parts(items)
    yield from _evidence(frames["evidence"])


def _ranges(items: pd.DataFrame, known: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    bounds = {name: (spec.get("low"), spec.get("high")) for name, spec in known.items()}
    low = pd.to_numeric(items["item"].map({k: v[0] for k, v in bounds.items()}), errors="coerce")
    high = pd.to_numeric(items["item"].map({k: v[1] for k, v in bounds.items()}), errors="coerce")
    off = items.assign(_low=low, _high=high)[(items["value"] < low) | (items["value"] > high)]
    yield from each(
        "item_range", "county_years", off, "value", item=lambda row: _named(row["item"]),
        low=lambda row: _bound(row["_low"]), high=lambda row: _bound(row["_high"]),
        unit=lambda row: known[row["item"]].get("unit", ""),
    )  # fmt: skip


def _named(item: str) -> dict[str, str]:
    """Return what a county figure is called in each language."""
    spec = _known_items().get(item, {})
    return {lang: str(spec.get(lang) or item) for lang in LANGUAGES}


def _bound(value: float) -> str:
    return "…" if pd.isna(value) else number(value)


def _amounts(items: pd.DataFrame, years: pd.DataFrame) -> Iterator[Fault]:
    """Yield yuan too few to be yuan: 万元 or 亿元 entered."""
    small = items[(items["value"] > 0) & (items["value"] < items["item"].map(LEAST_YUAN))]
    yield from each("item_wan_yuan", "county_years", small, "value", item=lambda row: _named(row["item"]))
    taught = years[years["stage"].isin(["primary", "junior"])].groupby("year")["pupils"].sum(min_count=1)
    least = items["item"].map(LEAST_YUAN_A_PUPIL) * items["year"].map(taught)
    total = items[(items["value"] > 0) & (items["value"] < least)]
    yield from each("item_wan_yuan", "county_years", total, "value", item=lambda row: _named(row["item"]))


def _parts(items: pd.DataFrame) -> Iterator[Fault]:
    value = items.drop_duplicates(["year", "item"]).set_index(["year", "item"])["value"]
    whole = pd.Series(
        [value.get((y, PARTS.get(i)), float("nan")) for y, i in zip(items["year"], items["item"], strict=True)],
        index=items.index,
        dtype="float64",
    )
    over = items.assign(_whole=whole)[items["value"] > whole]
    yield from each(
        "part_exceeds", "county_years", over, "value", whole=lambda row: _named(PARTS[row["item"]]),
        found=lambda row: {lang: f"{name} = {number(row['value'])}" for lang, name in _named(row["item"]).items()},
        limit=lambda row: number(row["_whole"]),
    )  # fmt: skip


def _evidence(evidence: pd.DataFrame) -> Iterator[Fault]:
    """Yield evidence that no standard will ever look at."""
    names = standards.ids()
    file = tables.table("evidence").file
    for index, row in evidence.dropna(subset=["standard", "item_id"]).iterrows():
        at = int(index) + 2
        if row["standard"] not in names:
            near = nearest(row["standard"], names)
            # It may be a standard of one's own, in a file the package does not know.
            yield Fault("standard_unknown", file, at, "standard", row["standard"], "warning", {"near": near})
        elif row["item_id"] not in (codes := standards.load(row["standard"]).by_code):
            told = {"standard": row["standard"], "near": nearest(row["item_id"], list(codes))}
            yield Fault("item_code_unknown", file, at, "item_id", row["item_id"], params=told)
