"""Hold what a projection found: pupils by village, school and county, cohorts from birth to grade 9, and its error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.forecast.counts import BAND_STAGE, BANDS
from balance_lib.forecast.settings import ProjectionSettings
from balance_lib.locale import Message
from balance_lib.plain import records
from balance_lib.shown import ShownProjection

VILLAGE_COLUMNS = ["village_id", "year", "stage", "band", "pupils", "low", "high"]
SCHOOL_COLUMNS = ["school_id", "year", "stage", "pupils", "low", "high", "stirred"]
COUNTY_COLUMNS = ["year", "stage", "pupils", "low", "high"]
BACK_TEST_COLUMNS = [
    "origin", "year", "horizon", "what", "id", "stage", "band", "forecast", "low", "high", "actual", "inside",
]  # fmt: skip
# A band of 80 % that held less than 75 % in at least so many forecasts made again is told.
FEWEST_TESTED, TOLERANCE = 20, 5.0


@dataclass(frozen=True)
class BackTest:
    """Hold forecasts made from earlier years against what was then counted.

    Parameters
    ----------
    rows : DataFrame
        origin, year, horizon, what (village, school, county), id, stage, band, forecast, low, high, actual, inside.
        Each origin knew only what was counted until then; closures that happened are given, because a layout is
        decided and not foretold. Schools that opened later, and closed ones (trivially right), are left out.
    """

    rows: pd.DataFrame

    def summary(self, by: Sequence[str] = ("what", "stage", "horizon")) -> pd.DataFrame:
        """Return the error and the coverage by group.

        Returns
        -------
        DataFrame
            The groups, n, mape_percent (mean absolute error in percent of what was counted, weighted by pupils),
            median_error_percent, bias_percent (forecast too high: positive) and coverage_percent.
        """
        rows = self.rows.assign(
            absolute=(self.rows["forecast"] - self.rows["actual"]).abs(),
            error=self.rows["forecast"] - self.rows["actual"],
        )
        rows["relative"] = 100.0 * rows["absolute"] / rows["actual"].where(rows["actual"] > 0)
        grouped = rows.groupby(list(by), sort=False)
        counted = grouped["actual"].sum()
        out = pd.DataFrame(
            {
                "n": grouped.size(),
                "mape_percent": 100.0 * grouped["absolute"].sum() / counted,
                "median_error_percent": grouped["relative"].median(),
                "bias_percent": 100.0 * grouped["error"].sum() / counted,
                "coverage_percent": 100.0 * grouped["inside"].mean(),
            }
        )
        return out.reset_index().sort_values(list(by), kind="stable").reset_index(drop=True)

    def missed(self, level: float) -> list[Message]:
        """Say of which stages the schools' bands held clearly less than they claim: no year can be read off them."""
        if not (self.rows["what"] == "school").any():
            return []
        rolls = self.summary(by=["what", "stage"])
        rolls = rolls[(rolls["what"] == "school") & (rolls["n"] >= FEWEST_TESTED)]
        return [
            Message("trends.note.band_missed", {
                "stage": Message(f"stage.{row.stage}"), "n": int(row.n), "level": f"{100 * level:.0f}",
                "coverage": f"{row.coverage_percent:.0f}",
            })
            for row in rolls.itertuples() if row.coverage_percent < 100 * level - TOLERANCE
        ]  # fmt: skip

    def sentence(self, lang: str = "zh") -> str:
        """Say how far earlier forecasts were off, for the schools' rolls."""
        return self.message().render(lang)

    def message(self) -> Message:
        """Return the sentence without its language."""
        rows = self.rows[self.rows["what"] == "school"]
        if rows.empty:
            return Message("trends.back_test.none")
        rolls = BackTest(rows).summary(by=["what"]).iloc[0]
        county = self.rows[self.rows["what"] == "county"]
        total = BackTest(county).summary(by=["what"]).iloc[0] if len(county) else None
        return Message(
            "trends.back_test.sentence",
            {
                "first": int(rows["origin"].min()),
                "last": int(rows["origin"].max()),
                "n": f"{len(rows):,}",
                "horizon": int(rows["horizon"].max()),
                "median": f"{rolls['median_error_percent']:.1f}",
                "county": "–" if total is None else f"{total['mape_percent']:.1f}",
                "coverage": f"{rolls['coverage_percent']:.0f}",
            },
        )


@dataclass(frozen=True)
class Trace:
    """Hold who goes where in every projected year as arrays; the table of it is made only when asked for."""

    villages: tuple[str, ...]
    schools: tuple[str, ...]
    base: int
    steps: tuple[tuple[Any, Any, Any], ...]  # village, school (positions), pupils by band

    def table(self) -> pd.DataFrame:
        """Return one row a village, school, band and year with pupils."""
        parts = []
        for step, (village, school, pupils) in enumerate(self.steps):
            way, band = np.nonzero(pupils > 0)
            parts.append((village[way], school[way], np.full(len(way), self.base + step), band, pupils[way, band]))
        village, school, year, band, pupils = (np.concatenate(column) for column in zip(*parts, strict=True))
        bands = np.array(BANDS, dtype=object)[band]
        return pd.DataFrame(
            {
                "village_id": np.array(self.villages, dtype=object)[village],
                "school_id": np.array(self.schools, dtype=object)[school],
                "year": year,
                "stage": [BAND_STAGE[name] for name in bands],
                "band": bands,
                "pupils": pupils,
            }
        )


@dataclass(frozen=True, repr=False)
class Projection(ShownProjection):
    """Hold a county's enrolment from its base year to a target year.

    Parameters
    ----------
    villages, schools, county : DataFrame
        Pupils with their band, from the base year (counted: low = high = pupils) on. The villages' and the schools'
        pupils of a stage add up to the county's. ``village_id`` "" are pupils whose home is not known; ``stirred`` says
        how far closures since the base year stir up a school (share of pupils around it who had to move).
    births : DataFrame
        year, births, low, high, projected.
    ledger : DataFrame
        County cohorts: birth_year, year, age, grade, children, migration. ``children`` of a cohort is the year
        before's plus ``migration``; of a cohort just born, its births.
    """

    county_id: str
    base: int
    to: int
    settings: ProjectionSettings
    villages: pd.DataFrame
    schools: pd.DataFrame
    county: pd.DataFrame
    trace: Trace
    births: pd.DataFrame
    ledger: pd.DataFrame
    back_test: BackTest | None
    notes: Sequence[Message] = ()

    @cached_property
    def flows(self) -> pd.DataFrame:
        """Return who goes where: village_id, school_id, year, stage, band, pupils; made when first asked for."""
        return self.trace.table()

    @property
    def years(self) -> list[int]:
        """Return the projected years."""
        return list(range(self.base + 1, self.to + 1))

    def total(self, stage: str, year: int) -> float:
        """Return the county's pupils of a stage in a year; NaN when the stage is not projected.

        Parameters
        ----------
        stage : str
            ``primary`` or ``junior``.
        year : int
            School year, by its first calendar year.
        """
        found = self.county[(self.county["stage"] == stage) & (self.county["year"] == year)]["pupils"]
        return float(found.iloc[0]) if len(found) else math.nan

    def as_dict(self, lang: str = "zh") -> dict[str, Any]:
        """Return everything as plain JSON values; "no data" is null."""
        test = self.back_test
        return {
            "county": self.county_id,
            "base": self.base,
            "to": self.to,
            "settings": {
                name: dict(value) if name == "closing" else value for name, value in vars(self.settings).items()
            },
            "county_pupils": _records(self.county),
            "schools": _records(self.schools),
            "villages": _records(self.villages),
            "births": _records(self.births),
            "back_test": None
            if test is None
            else {"sentence": test.sentence(lang), "summary": _records(test.summary())},
            "notes": [note.render(lang) for note in self.notes],
        }


def whole(table: pd.DataFrame, by: Sequence[str] = ("year", "stage"), column: str = "pupils") -> pd.DataFrame:
    """Round pupils to whole numbers so that the sum of each group is the rounded sum (largest remainder).

    Parameters
    ----------
    table : DataFrame
        Rows of the table.
    by : sequence of str
        Columns that make a group.
    column : str
        Column of the table.

    Examples
    --------
    >>> rows = pd.DataFrame({"year": 1, "stage": "primary", "pupils": [1.4, 1.4, 1.2]})
    >>> whole(rows)["pupils"].tolist()
    [2, 1, 1]
    """
    out = table.copy()
    values = table[column].to_numpy(dtype=float)
    result = np.floor(values)
    for rows in table.groupby(list(by), sort=False).indices.values():
        short = round(float(values[rows].sum())) - int(result[rows].sum())
        order = np.argsort(-(values[rows] - result[rows]), kind="stable")
        result[rows[order[:short]]] += 1.0
    out[column] = result.astype(int)
    return out


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values, rounded: no forecast has more digits to tell."""
    return [{name: _rounded(value) for name, value in row.items()} for row in records(frame)]


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
