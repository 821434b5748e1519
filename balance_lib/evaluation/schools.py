"""Judge schools by a standard's indicators: values, the six-of-seven rule, and the difference coefficients."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pandas as pd

from balance_lib import indicators, inequality
from balance_lib.county import County
from balance_lib.standards import STAGES, Item, Standard

TOLERANCE = 1e-9
SCHOOL_COLUMNS = ["school_id", "stage", "indicator", "value", "threshold", "ratio", "met", "needed"]
RULE_COLUMNS = ["school_id", "stage", "met_count", "of", "floor_ok", "passes", "misses"]
CV_COLUMNS = ["stage", "indicator", "mean", "sd", "cv", "limit", "met", "n", "n_missing", "provisional"]
CONTRIBUTION_COLUMNS = ["stage", "indicator", "school_id", "contribution"]
COMPOSITE = "composite"
Switches = tuple[tuple[str, bool], ...]


def satisfies(value: float, operator: str, threshold: float) -> bool | None:
    """Judge a value: True, False, or None when either is missing.

    Judged on the unrounded value with a tolerance of 1e-9 (relative for large thresholds), so that a figure that
    stands exactly on the line is on it whatever the arithmetic left behind.
    """
    gap = shortfall(value, operator, threshold)
    if math.isnan(gap):
        return None
    tolerance = TOLERANCE * max(1.0, abs(threshold))
    return gap > tolerance if operator in ("<", ">") else gap >= -tolerance


def shortfall(value: float, operator: str, threshold: float) -> float:
    """Return the gap to a threshold: negative is short, whatever the direction; NaN when either is missing."""
    if operator in (">=", ">"):
        return value - threshold
    if operator in ("<=", "<"):
        return threshold - value
    return 0.0 if abs(value - threshold) <= TOLERANCE * max(1.0, abs(threshold)) else -abs(value - threshold)


def judge_column(values: pd.Series, operator: str, thresholds: pd.Series) -> pd.DataFrame:
    """Judge a column of values: columns value, threshold, gap, met (True, False or None)."""
    pairs = list(zip(values.astype(float), thresholds.astype(float), strict=True))
    return pd.DataFrame(
        {
            "value": values.astype(float),
            "threshold": thresholds.astype(float),
            "gap": [shortfall(v, operator, t) for v, t in pairs],
            "met": pd.Series([satisfies(v, operator, t) for v, t in pairs], index=values.index, dtype=object),
        },
        index=values.index,
    )


def indicator_items(standard: Standard) -> dict[tuple[str, str], Item]:
    """Return the item that sets the threshold of each indicator and stage."""
    return {
        (item.measure.formula, stage): item
        for item in standard.items
        if item.measure and item.measure.source == "indicator" and item.same_as is None
        for stage in ((item.stage,) if item.stage in STAGES else STAGES)
    }


def rule_item(standard: Standard, stage: str) -> Item | None:
    """Return the item that states the school rule (so many of the indicators, the rest at a floor) of a stage."""
    for item in standard.items:
        if item.measure and item.measure.source == "school_rule" and item.stage in (stage, "all"):
            return item
    return None


@lru_cache(maxsize=64)
def school_table(county: County, standard: Standard, switches: Switches) -> pd.DataFrame:
    """Compute every indicator of every included school, stage and year, judged against its own line.

    Returns
    -------
    DataFrame
        year, school_id, stage, pupils, indicator, value, threshold, ratio (value/threshold), met (True, False, None)
        and needed: units to buy, build or hire to reach the line (whole teachers and rooms; m² and yuan as they are).
    """
    rows = indicators.frames(county, standard).stages[indicators.included(county, standard)]
    lines = indicator_items(standard)
    parts = []
    for name, spec in standard.indicators.items():
        part = rows[["year", "school_id", "stage", "pupils"]].copy()
        part["indicator"] = name
        values = indicators.values(county, standard, name, dict(switches)).reindex(rows.index)
        limits = {stage: _line(lines.get((name, stage))) for stage in STAGES}
        judged = judge_column(values, ">=", part["stage"].map(limits))
        part[["value", "threshold", "met"]] = judged[["value", "threshold", "met"]]
        part["ratio"] = part["value"] / part["threshold"]
        short = (-judged["gap"]).clip(lower=0.0) * part["pupils"] / spec.need_per_unit
        whole = spec.need_per_unit != 1.0 or spec.unit.startswith("persons")
        part["needed"] = np.ceil(short - 1e-6) if whole else short
        parts.append(part)
    if not parts:
        return pd.DataFrame(columns=["year", "pupils", *SCHOOL_COLUMNS])
    out = pd.concat(parts, ignore_index=True)
    return out.sort_values(["year", "school_id", "stage"], kind="stable").reset_index(drop=True)


def _line(item: Item | None) -> float:
    return math.nan if item is None or not isinstance(item.value, (int, float)) else float(item.value)


@lru_cache(maxsize=64)
def rule_table(county: County, standard: Standard, switches: Switches) -> pd.DataFrame:
    """Judge every included school by the standard's school rule, for stages that have one.

    Returns
    -------
    DataFrame
        year, school_id, stage, met_count, of, floor_ok, passes (True, False, None) and misses: the indicators below
        their line, with a space between. A school with missing figures fails only when what is known is enough.
    """
    schools, parts = school_table(county, standard, switches), []
    for stage in STAGES:
        item = rule_item(standard, stage)
        rows = schools[(schools["stage"] == stage) & schools["threshold"].notna()]
        if item is None or item.measure is None or rows.empty:
            continue
        at_least, floor = int(item.measure.at_least or 0), float(item.measure.floor_share or 0)
        low = rows["value"] < floor * rows["threshold"] - TOLERANCE * rows["threshold"].clip(lower=1.0)
        flags = pd.DataFrame(
            {
                "met_count": rows["met"].map(lambda m: m is True),
                "missed": rows["met"].map(lambda m: m is False),
                "unknown": rows["met"].map(lambda m: m is None),
                "low": low,
                "of": True,
            }
        )
        key = [rows["year"], rows["school_id"], rows["stage"]]
        sums = flags.groupby(key).sum()
        names = rows["indicator"].where(flags["missed"], "").groupby(key).agg(lambda s: " ".join(filter(None, s)))
        fails = (sums["low"] > 0) | (sums["missed"] > sums["of"] - at_least)
        passes = (~fails).astype(object).where(fails | (sums["unknown"] == 0), None)
        parts.append(
            pd.DataFrame(
                {
                    "met_count": sums["met_count"],
                    "of": sums["of"],
                    "floor_ok": sums["low"] == 0,
                    "passes": passes,
                    "misses": names,
                }
            ).reset_index()
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["year", *RULE_COLUMNS])


@lru_cache(maxsize=64)
def cv_table(county: County, standard: Standard, switches: Switches) -> pd.DataFrame:
    """Compute the difference coefficients of all indicators, by year and stage, and their composite.

    A coefficient is "no data" as soon as one included school lacks the figure; the one over the schools that have it
    stands in ``provisional``. The composite is the arithmetic mean of the single ones.

    Returns
    -------
    DataFrame
        year, stage, indicator, mean, sd, cv, limit, met, n, n_missing, provisional.
    """
    schools, limits = school_table(county, standard, switches), cv_limits(standard)
    rows = []
    for (year, stage), group in schools.groupby(["year", "stage"], sort=True):
        singles = [_cv_row(part, name) for name, part in group.groupby("indicator", sort=False)]
        single = pd.DataFrame(singles)
        composite = {
            "indicator": COMPOSITE,
            "cv": single["cv"].mean(skipna=False),
            "provisional": single["provisional"].mean(skipna=False),
            "n": single["n"].max(),
            "n_missing": single["n_missing"].max(),
        }
        for row in (*singles, composite):
            limit = limits.get((str(row["indicator"]), str(stage)), math.nan)
            met = satisfies(float(row["cv"]), "<=", limit)
            rows.append({"year": year, "stage": stage, **row, "limit": limit, "met": met})
    return pd.DataFrame(rows, columns=["year", *CV_COLUMNS])


def cv_limits(standard: Standard) -> dict[tuple[str, str], float]:
    """Return the limit of each coefficient the standard itself judges."""
    return {
        (item.measure.formula, stage): float(item.value)
        for item in standard.items
        if item.measure
        and item.measure.source == "cv"
        and item.measure.transform == "level"
        and not item.measure.of
        and isinstance(item.value, (int, float))
        for stage in ((item.stage,) if item.stage in STAGES else STAGES)
    }


def _cv_row(part: pd.DataFrame, name: str) -> dict[str, float | str]:
    usable = part[part["pupils"] > 0]
    known = usable[usable["value"].notna()]
    missing = len(part) - len(known)
    row: dict[str, float | str] = {"indicator": name, "n": len(part), "n_missing": missing}
    row.update(mean=math.nan, sd=math.nan, cv=math.nan, provisional=math.nan)
    if len(known):
        values, pupils = known["value"].to_numpy(), known["pupils"].to_numpy()
        row["provisional"] = inequality.coefficient_of_variation(values, pupils)
        if not missing:
            row["mean"] = inequality.weighted_mean(values, pupils)
            row["sd"] = inequality.standard_deviation(values, pupils)
            row["cv"] = row["provisional"]
    return row


def contribution_table(schools: pd.DataFrame) -> pd.DataFrame:
    """Compute each school's share of the variance behind every coefficient of a year's school table."""
    parts = []
    for (stage, name), part in schools.groupby(["stage", "indicator"], sort=False):
        if part["value"].notna().all() and (part["pupils"] > 0).all():
            share = inequality.contributions(part["value"].to_numpy(), part["pupils"].to_numpy())
            parts.append(part[["school_id"]].assign(stage=stage, indicator=name, contribution=share))
    if not parts:
        return pd.DataFrame(columns=CONTRIBUTION_COLUMNS)
    return pd.concat(parts, ignore_index=True)[CONTRIBUTION_COLUMNS]
