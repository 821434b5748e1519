"""Judge schools by a standard's indicators: values, the six-of-seven rule, and the difference coefficients."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import inequality
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.evaluation import indicators
from balance_lib.evaluation.indicators.comparison import TOLERANCE, _gaps, _holds, satisfies
from balance_lib.standards import STAGES, Item, Standard

SCHOOL_COLUMNS = ["school_id", "stage", "indicator", "value", "threshold", "ratio", "met", "needed"]
RULE_COLUMNS = ["school_id", "stage", "met_count", "of", "floor_ok", "passes", "misses"]
CV_COLUMNS = ["stage", "indicator", "mean", "sd", "cv", "limit", "met", "n", "n_missing", "provisional"]
CONTRIBUTION_COLUMNS = ["stage", "indicator", "school_id", "contribution"]
COMPOSITE = "composite"
Switches = tuple[tuple[str, bool], ...]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_WORDS = np.array([False, True, None], dtype=object)  # by finding: 0 not met, 1 met, -1 missing


def _findings(gap: Floats, operator: str, thresholds: Any) -> npt.NDArray[np.int8]:
    """Judge gaps: 1 met, 0 not met, -1 where the value or the line is missing."""
    found: npt.NDArray[np.int8] = np.asarray(_holds(gap, operator, thresholds)).astype(np.int8)
    found[np.isnan(gap)] = -1
    return found


def told(found: Any) -> Any:
    """Return findings as True, False and None."""
    return _WORDS[found]


def _judge_column(values: pd.Series, operator: str, thresholds: pd.Series) -> pd.DataFrame:
    """Judge a column of values: columns value, threshold, gap, met (True, False or None)."""
    return _judged(values.to_numpy(dtype=float), operator, thresholds.to_numpy(dtype=float), values.index)


def _judged(values: Floats, operator: str, thresholds: Floats, index: Any = None) -> pd.DataFrame:
    """Judge an array of values, as :func:`_judge_column`.

    ``operator``: comparison, such as ``>=``.
    """
    gap = _gaps(values, operator, thresholds)
    met = told(_findings(gap, operator, thresholds))
    return pd.DataFrame(
        {"value": values, "threshold": thresholds, "gap": gap, "met": pd.Series(met, dtype=object, index=index)},
        index=index,
    )


def indicator_items(standard: Standard) -> dict[tuple[str, str], Item]:
    """Return the item that sets the threshold of each indicator and stage."""
    return {
        (item.measure.formula, stage): item
        for item in standard.items
        if item.measure and item.measure.source == "indicator" and item.same_as is None
        for stage in ((item.stage,) if item.stage in STAGES else STAGES)
    }


@lru_cache(maxsize=64)
def rule_item(standard: Standard, stage: str) -> Item | None:
    """Return the item that states the school rule (so many of the indicators, the rest at a floor) of a stage.

    Parameters
    ----------
    standard : Standard
    stage : {"primary", "junior"}
    """
    for item in standard.items:
        if item.measure and item.measure.source == "school_rule" and item.stage in (stage, "all"):
            return item
    return None


@lru_cache(maxsize=64)
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


class IndicatorSheet:
    """Hold every indicator of every included school and stage as matrices, all years of a county at once.

    Rows are sorted by year, school and stage; columns are the standard's indicators.

    Parameters
    ----------
    county : County
    standard : Standard
    switches : tuple
        Definition switches, all of them, sorted by name.
    """

    def __init__(self, county: County, standard: Standard, switches: Switches) -> None:
        self.standard, self.frames = standard, indicators.frames(county, standard)
        yes, unknown = self.frames.satisfying("stages", standard.included or None)
        at = np.flatnonzero(yes | unknown)
        year, school, stage = (self.frames.column("stages", name)[at] for name in ("year", "school_id", "stage"))
        order = np.lexsort((stage.astype(str), school.astype(str), year))
        self.at, self.year, self.school, self.stage = at[order], year[order], school[order], stage[order]
        self.pupils = self.frames.column("stages", "pupils")[self.at]
        self.names = list(standard.indicators)
        columns = [indicators.values_of(self.frames, standard, name, dict(switches))[self.at] for name in self.names]
        self.values = np.column_stack(columns) if columns else np.empty((len(at), 0))
        lines = indicator_items(standard)
        limit = {stage: np.array([_line(lines.get((name, stage))) for name in self.names]) for stage in STAGES}
        self.limits = limit
        self.lines = np.where((self.stage == "primary")[:, None], limit["primary"], limit["junior"])
        self.gaps = _gaps(self.values, ">=", self.lines)
        self.found = _findings(self.gaps, ">=", self.lines)
        self._rules: dict[tuple[int, str], dict[str, Any] | None] = {}
        self._coefficients: dict[tuple[int, str], list[dict[str, Any]]] = {}

    def rows(self, year: int, stages: tuple[str, ...] = STAGES) -> Ints:
        """Return the rows of a year and stages.

        Parameters
        ----------
        year : int
        stages : tuple[str, ...]
        """
        start, stop = np.searchsorted(self.year, [year, year + 1])
        at = np.arange(start, stop)
        return at if len(stages) == len(STAGES) else at[self.stage[start:stop] == stages[0]]

    def table(self, at: Ints) -> pd.DataFrame:
        """Return rows as a long table: see :func:`school_table`."""
        n, k = len(at), len(self.names)
        specs = self.standard.indicators.values()
        per = np.array([spec.need_per_unit for spec in specs])
        whole = np.array([s.need_per_unit != 1.0 or s.unit.startswith("persons") for s in specs], dtype=bool)
        value, line = self.values[at], self.lines[at]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = value / line
        short = np.maximum(-self.gaps[at], 0.0) * self.pupils[at, None] / per
        return pd.DataFrame(
            {
                "year": np.repeat(self.year[at], k),
                "school_id": _text(np.repeat(self.school[at], k)),
                "stage": _text(np.repeat(self.stage[at], k)),
                "pupils": np.repeat(self.pupils[at], k),
                "indicator": _text(np.tile(np.array(self.names, dtype=object), n)),
                "value": value.ravel(),
                "threshold": line.ravel(),
                "met": pd.Series(told(self.found[at].ravel()), dtype=object),
                "ratio": ratio.ravel(),
                "needed": np.where(whole, np.ceil(short - 1e-6), short).ravel(),
            }
        )

    def rule(self, year: int, stage: str) -> dict[str, Any] | None:
        """Judge the schools of a year and stage by the school rule: columns of :func:`_rule_table`; None without one.

        Parameters
        ----------
        year : int
        stage : {"primary", "junior"}
        """
        key = (year, stage)
        if key not in self._rules:
            self._rules[key] = self._rule(self.rows(year, (stage,)), stage)
        return self._rules[key]

    def _rule(self, at: Ints, stage: str) -> dict[str, Any] | None:
        item, columns = rule_item(self.standard, stage), np.flatnonzero(~np.isnan(self.limits[stage]))
        if item is None or item.measure is None or not len(at) or not len(columns):
            return None
        at_least, floor = int(item.measure.at_least or 0), float(item.measure.floor_share or 0)
        found, line = self.found[np.ix_(at, columns)], self.lines[np.ix_(at, columns)]
        gap = _gaps(self.values[np.ix_(at, columns)], ">=", floor * line)
        low = _findings(gap, ">=", floor * line) == 0
        missed, unknown = (found == 0).sum(axis=1), (found == -1).sum(axis=1)
        fails = low.any(axis=1) | (missed > len(columns) - at_least)
        names = np.array(self.names, dtype=object)[columns]
        return {
            "year": self.year[at],
            "school_id": self.school[at],
            "stage": self.stage[at],
            "met_count": (found == 1).sum(axis=1),
            "of": np.full(len(at), len(columns)),
            "floor_ok": ~low.any(axis=1),
            "passes": told(np.where(fails, 0, np.where(unknown > 0, -1, 1))),
            "misses": [" ".join(names[row == 0]) for row in found],
        }

    def coefficients(self, year: int, stage: str) -> list[dict[str, Any]]:
        """Return the rows of :func:`cv_table` of a year and stage; none where nobody is taught.

        Parameters
        ----------
        year : int
        stage : {"primary", "junior"}
        """
        key = (year, stage)
        if key not in self._coefficients:
            at = self.rows(year, (stage,))
            self._coefficients[key] = self._cvs(at, year, stage) if len(at) else []
        return self._coefficients[key]

    def _cvs(self, at: Ints, year: int, stage: str) -> list[dict[str, Any]]:
        rows = [_cv_row(name, self.values[at, i], self.pupils[at]) for i, name in enumerate(self.names)]
        if not rows:
            return []
        rows.append(
            {
                "indicator": COMPOSITE, "n": max(r["n"] for r in rows), "n_missing": max(r["n_missing"] for r in rows),
                "mean": math.nan, "sd": math.nan, "cv": float(np.mean([r["cv"] for r in rows])),
                "provisional": float(np.mean([r["provisional"] for r in rows])),
            }
        )  # fmt: skip
        limits, out = cv_limits(self.standard), []
        for row in rows:
            limit = limits.get((row["indicator"], stage), math.nan)
            met = satisfies(row["cv"], "<=", limit)
            out.append({"year": self.year[at[0]], "stage": stage, **row, "limit": limit, "met": met})
        return out

    @cached_property
    def years(self) -> list[int]:
        """Return the years with included schools."""
        return [int(year) for year in np.unique(self.year)]

    def contributions(self, year: int) -> pd.DataFrame:
        """Compute each school's share of the variance behind every coefficient of a year."""
        columns: dict[str, list[Any]] = {name: [] for name in CONTRIBUTION_COLUMNS}
        for stage in dict.fromkeys(self.stage[self.rows(year)]):
            at = self.rows(year, (stage,))
            for i, name in enumerate(self.names):
                values = np.ascontiguousarray(self.values[at, i])
                if not np.isnan(values).any() and (self.pupils[at] > 0).all():
                    columns["stage"].append(np.full(len(at), stage, dtype=object))
                    columns["indicator"].append(np.full(len(at), name, dtype=object))
                    columns["school_id"].append(self.school[at])
                    columns["contribution"].append(inequality.contributions(values, self.pupils[at]))
        if not columns["stage"]:
            return pd.DataFrame(columns=CONTRIBUTION_COLUMNS)
        together = {name: np.concatenate(parts) for name, parts in columns.items()}
        return pd.DataFrame({n: c if n == "contribution" else _text(c) for n, c in together.items()})


@once_per_county
def sheet(county: County, standard: Standard, switches: Switches) -> IndicatorSheet:
    """Return the indicators of a county's schools; computed once for the same county, standard and switches.

    Parameters
    ----------
    county : County
    standard : Standard
    switches : Switches
        Definition switches and their values.
    """
    return IndicatorSheet(county, standard, switches)


@once_per_county
def school_table(county: County, standard: Standard, switches: Switches) -> pd.DataFrame:
    """Compute every indicator of every included school, stage and year, judged against its own line.

    Parameters
    ----------
    county : County
    standard : Standard
    switches : Switches
        Definition switches and their values.

    Returns
    -------
    DataFrame
        year, school_id, stage, pupils, indicator, value, threshold, ratio (value/threshold), met (True, False, None)
        and needed: units to buy, build or hire to reach the line (whole teachers and rooms; m² and yuan as they are).
    """
    found = sheet(county, standard, switches)
    if not found.names:
        return pd.DataFrame(columns=["year", "pupils", *SCHOOL_COLUMNS])
    return found.table(np.arange(len(found.at)))


def schools_of(county: County, standard: Standard, switches: Switches, year: int) -> pd.DataFrame:
    """Return the rows of :func:`school_table` of one year.

    Parameters
    ----------
    county : County
    standard : Standard
    switches : Switches
        Definition switches and their values.
    year : int
    """
    found = sheet(county, standard, switches)
    return found.table(found.rows(year)) if found.names else school_table(county, standard, switches)


@once_per_county
def _rule_table(county: County, standard: Standard, switches: Switches) -> pd.DataFrame:
    """Judge every included school by the standard's school rule, for stages that have one.

    Returns
    -------
    DataFrame
        year, school_id, stage, met_count, of, floor_ok, passes (True, False, None) and misses: the indicators below
        their line, with a space between. A school with missing figures fails only when what is known is enough.
    """
    found = sheet(county, standard, switches)
    return _rules([found.rule(year, stage) for stage in STAGES for year in found.years])


def rules_of(county: County, standard: Standard, switches: Switches, year: int) -> pd.DataFrame:
    """Return the rows of :func:`_rule_table` of one year.

    Parameters
    ----------
    county : County
    standard : Standard
    switches : Switches
        Definition switches and their values.
    year : int
    """
    return _rules([sheet(county, standard, switches).rule(year, stage) for stage in STAGES])


def _rules(parts: list[dict[str, Any] | None]) -> pd.DataFrame:
    there = [part for part in parts if part is not None]
    if not there:
        return pd.DataFrame(columns=["year", *RULE_COLUMNS])
    together = {name: np.concatenate([part[name] for part in there]) for name in there[0]}
    words = ("school_id", "stage", "misses")
    return pd.DataFrame({n: _text(c.astype(object)) if n in words else c for n, c in together.items()})


@once_per_county
def cv_table(county: County, standard: Standard, switches: Switches) -> pd.DataFrame:
    """Compute the difference coefficients of all indicators, by year and stage, and their composite.

    A coefficient is "no data" as soon as one included school lacks the figure; the one over the schools that have it
    stands in ``provisional``. The composite is the arithmetic mean of the single ones.

    Parameters
    ----------
    county : County
    standard : Standard
    switches : Switches
        Definition switches and their values.

    Returns
    -------
    DataFrame
        year, stage, indicator, mean, sd, cv, limit, met, n, n_missing, provisional.
    """
    found = sheet(county, standard, switches)
    rows = [row for year in found.years for stage in sorted(STAGES) for row in found.coefficients(year, stage)]
    return pd.DataFrame(rows, columns=["year", *CV_COLUMNS])


def cvs_of(county: County, standard: Standard, switches: Switches, year: int) -> pd.DataFrame:
    """Return the rows of :func:`cv_table` of one year, which has no column then.

    Parameters
    ----------
    county : County
    standard : Standard
    switches : Switches
        Definition switches and their values.
    year : int
    """
    found = sheet(county, standard, switches)
    rows = [row for stage in sorted(STAGES) for row in found.coefficients(year, stage)]
    out: dict[str, Any] = {name: [row[name] for row in rows] for name in CV_COLUMNS}
    out["met"] = pd.Series(out["met"], dtype=object)
    return pd.DataFrame(out)


def _cv_row(name: str, values: Floats, pupils: Floats) -> dict[str, Any]:
    known = (pupils > 0) & ~np.isnan(values)
    missing = len(values) - int(known.sum())
    row: dict[str, Any] = {"indicator": name, "n": len(values), "n_missing": missing}
    row |= dict.fromkeys(("mean", "sd", "cv", "provisional"), math.nan)
    if missing < len(values):
        mean, sd, row["provisional"] = inequality.moments(values[known], pupils[known])
        if not missing:
            row |= {"mean": mean, "sd": sd, "cv": row["provisional"]}
    return row


def _line(item: Item | None) -> float:
    return math.nan if item is None or not isinstance(item.value, (int, float)) else float(item.value)


def _text(words: Any) -> pd.Series:
    return pd.Series(words, dtype="str")


__all__ = [
    "COMPOSITE",
    "CONTRIBUTION_COLUMNS",
    "CV_COLUMNS",
    "RULE_COLUMNS",
    "SCHOOL_COLUMNS",
    "TOLERANCE",
    "IndicatorSheet",
    "Switches",
    "cv_limits",
    "cv_table",
    "cvs_of",
    "indicator_items",
    "rule_item",
    "rules_of",
    "satisfies",
    "school_table",
    "schools_of",
    "sheet",
    "told",
]
