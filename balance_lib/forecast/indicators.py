"""Carry indicators forward by school, township and county: what there is goes on as it did, divided by the pupils."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.forecast import calibration, path
from balance_lib.forecast.calibration import Spread
from balance_lib.forecast.result import BackTest
from balance_lib.forecast.series import KEY, IndicatorSeries, _foretold, _read_series
from balance_lib.locale import Message
from balance_lib.standards import STAGES, Standard

PLACES = ("school", "township", "county")
ROW_COLUMNS = ["of", "id", "stage", "indicator", "year", "value", "low", "high", "projected", "threshold", "gap"]
CROSSING_COLUMNS = ["of", "id", "stage", "indicator", "status", "year", "earliest", "latest", "reason"]


@dataclass(frozen=True)
class Paths:
    """Hold indicators' paths and the years they cross their lines.

    Parameters
    ----------
    rows : DataFrame
        of, id, stage, indicator, year, value, low, high, projected, threshold, gap (negative: short).
    crossings : DataFrame
        of, id, stage, indicator, status, year, earliest, latest, reason (a Message): see :class:`path.Crossing`.
    back_test : BackTest
        Forecasts made in earlier years, with their indicator: how far off they were, how often the band held.
    """

    rows: pd.DataFrame
    crossings: pd.DataFrame
    back_test: BackTest

    def of(self, name: str, stage: str, indicator: str) -> pd.DataFrame:
        """Return one path.

        Parameters
        ----------
        name : str
            What it is called.
        stage : str
            ``primary`` or ``junior``.
        indicator : str
            Id of the indicator.
        """
        rows = self.rows
        return rows[(rows["id"] == name) & (rows["stage"] == stage) & (rows["indicator"] == indicator)]

    @property
    def tested(self) -> Message:
        """Return how far the same forecasts made in earlier years were off, and how many the band held."""
        rows = self.back_test.rows
        if rows.empty:
            return Message("trends.back_test.no_paths")
        whole = self.back_test.summary(by=["what"]).iloc[0]
        told = {"first": int(rows["origin"].min()), "last": int(rows["origin"].max()), "n": f"{len(rows):,}"}
        told |= {"median": f"{whole['median_error_percent']:.1f}", "coverage": f"{whole['coverage_percent']:.0f}"}
        return Message("trends.back_test.paths", {**told, "horizon": int(rows["horizon"].max())})


def paths(
    county: County,
    standard: Standard,
    *,
    of: str = "school",
    stage: str | None = None,
    indicator: str | None = None,
    year: int | None = None,
    to: int | None = None,
) -> Paths:
    """Carry indicators forward against their lines.

    An indicator is something per pupil. What there is of it (square metres, teachers, yuan) goes on as it did in the
    past years: by the same amount, by the same share, or not at all, whichever was least wrong in forecasts made in
    earlier years of the panel; a trend fades out (:func:`path.fit`). The pupils are those of the enrolment projection.
    A school that loses pupils can so reach a line without buying anything, and a growing one fall below it. The band
    holds as many of those earlier forecasts' errors as it says (:mod:`calibration`); where few could be made, the
    series' own scatter stands in. A township's or the county's figure is the total over its schools divided by their
    pupils; it has no value in a year in which one school lacks it.

    Parameters
    ----------
    county : County
    standard : Standard
        Brings the indicators and their lines.
    of : {"school", "township", "county"}
    stage, indicator : str, optional
        Only these; all by default.
    year : int, optional
        Last counted year to look at; the county's last by default.
    to : int, optional
        Last year of the paths; ten years on by default.

    Raises
    ------
    NotFoundError
        If ``of``, the stage or the indicator is unknown.
    """
    for what, name, known in (
        ("of", of, PLACES),
        ("stage", stage, STAGES),
        ("indicator", indicator, standard.indicators),
    ):
        if name is not None and name not in known:
            raise NotFoundError(what, name, known)
    base = county.years[-1] if year is None else year
    return _paths(county, standard, of, stage, indicator, base, base + 10 if to is None else to)


@once_per_county
def _paths(
    county: County, standard: Standard, of: str, stage: str | None, indicator: str | None, base: int, to: int
) -> Paths:
    series = _read_series(county, standard, of, base).only(stage, indicator)
    spreads, back_test = _measured(county, standard, of, base)
    ends = _ahead(series, spreads, _foretold(county, of, series.index, base, max(to, base), bands=True))
    names = {"of": of} | {name: series.named(name) for name in KEY}
    crossings = []
    for at, threshold in enumerate(series.lines):
        if not series.alive[at]:  # closed: it has a past and no future
            found = path.Crossing("no_data", math.nan, math.nan, math.nan, Message("trends.cross.closed"))
        else:
            open_ = np.isfinite(ends[0][at])
            mine = tuple(end[at][open_] for end in ends)
            ahead = np.arange(base + 1, base + 1 + len(open_))[open_]
            found = path.cross(series.years, series.values[at], ahead, mine, ">=", _flat(float(threshold)))
        crossings.append(vars(found))
    rows = back_test.rows
    for name, wanted in (("stage", stage), ("indicator", indicator)):
        rows = rows if wanted is None else rows[rows[name] == wanted]
    return Paths(
        _long(names, series.years, series.values, ends, series.lines),
        pd.DataFrame(names).join(pd.DataFrame(crossings)).reindex(columns=CROSSING_COLUMNS),
        BackTest(rows.reset_index(drop=True)),
    )


@once_per_county
def _measured(county: County, standard: Standard, of: str, base: int) -> tuple[dict[str, Spread], BackTest]:
    """Return how each indicator goes on and how wide its band is, and the back-test of both.

    Where there are too few forecasts to learn how an indicator goes on, the schools tell, of which there are many.

    ``base``: last counted school year.
    """
    series = _read_series(county, standard, of, base)
    rows = calibration._forecasts(series, lambda origin: _expected(county, of, series, origin, base))
    ways = None if of == "school" else {k: v.way for k, v in _measured(county, standard, "school", base)[0].items()}
    return calibration._spreads(rows, ways), BackTest(calibration._tested(rows, of, ways))


def _expected(county: County, of: str, series: IndicatorSeries, origin: int, base: int) -> Any:
    return _foretold(county, of, series.index, origin, base, bands=False)["pupils"]


def _long(names: dict[str, Any], years: Any, value: Any, ends: tuple[Any, Any, Any], lines: Any) -> pd.DataFrame:
    """Lay series out as rows: counted years that have a value, then the years ahead."""
    ahead = np.arange(years[-1] + 1, years[-1] + 1 + ends[0].shape[1])
    every = np.concatenate([years, ahead])
    columns = [np.hstack([value, end]) for end in ends]
    keep = np.isfinite(columns[0])
    at, column = np.nonzero(keep)
    out = {name: values if isinstance(values, str) else values[at] for name, values in names.items()}
    out |= {"year": every[column], "value": columns[0][keep], "low": columns[1][keep], "high": columns[2][keep]}
    out |= {"projected": column >= len(years), "threshold": lines[at], "gap": columns[0][keep] - lines[at]}
    return pd.DataFrame(out)[ROW_COLUMNS]


def _ahead(series: IndicatorSeries, spreads: dict[str, Spread], expected: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Carry amounts forward and divide them by the pupils to come."""
    pupils, half = expected["pupils"], (expected["high"] - expected["low"]) / 2.0
    value, band = np.full(pupils.shape, np.nan), np.full(pupils.shape, np.nan)
    ahead, names = np.arange(1, pupils.shape[1] + 1)[None, :], series.named("indicator")
    for name in dict.fromkeys(names):
        at, spread = series.alive & (names == name), spreads.get(name, Spread())
        value[at], own = calibration._carried(series.amounts[at], series.years, pupils[at], spread.way)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.hypot(own, value[at] * half[at] / pupils[at]) if spread.factors is None else own
        band[at] = calibration._half_width(spread, value[at], own, pupils[at], ahead)
    return value, np.maximum(value - band, 0.0), value + band


def _flat(line: float) -> path.Line:
    """Return a line that does not change."""
    return lambda year: line
