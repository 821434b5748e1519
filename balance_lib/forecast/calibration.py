"""Calibrate indicators' paths by forecasts made in earlier years: how a figure goes on, and how wide its band is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.forecast import path
from balance_lib.forecast.quantile import _regress
from balance_lib.forecast.result import BACK_TEST_COLUMNS
from balance_lib.forecast.series import KEY, IndicatorSeries
from balance_lib.forecast.settings import assumptions

WAYS = ("line", "share", "level")
LEVEL = 0.8
MOST_ORIGINS = 6  # forecasts are made again from so many earlier years, the latest
TOLD = ("forecast", "own", "pupils", "horizon")  # what the half width is a function of
Pupils = Callable[[int], Any]  # pupils foretold from a base year on, (series, years ahead)


@dataclass(frozen=True)
class Spread:
    """Hold how one indicator goes on and the factors of its half width; no factors where nothing was measured."""

    way: str = "line"
    factors: Any = None
    weight: float = 1.0  # of the factors; the rest is assumed
    pooled: bool = False  # factors of shares of the value, from all indicators together


def _carried(amounts: Any, years: Any, pupils: Any, way: str) -> tuple[Any, Any]:
    """Return values to come, and the half width that the scatter of each series alone gives.

    ``amounts``: what there is: the value times the pupils.
    """
    middle, half = path.carry(years, amounts, pupils.shape[1], level=LEVEL, way=way)
    with np.errstate(divide="ignore", invalid="ignore"):
        per = np.where(pupils > 0, np.maximum(middle, 0.0) / pupils, np.nan)
        return per, np.where(pupils > 0, half / pupils, np.nan)


def _basis(value: Any, own: Any, pupils: Any, ahead: Any) -> Any:
    """Return what a half width is made of: the value with the years ahead, the series' own scatter, and chance.

    What goes wrong with a path is its trend, and a wrong trend errs in step with the years. Chance is one thing more
    or less at a place (a teacher, a room): much for few pupils, little for many.
    """
    value, ahead = np.broadcast_arrays(value, ahead)
    share = value * ahead
    chance = np.sqrt((value * pupils + 1.0) * ahead) / pupils
    return np.stack(np.broadcast_arrays(share, own, chance), axis=-1)


def _forecasts(series: IndicatorSeries, foretold: Pupils) -> pd.DataFrame:
    """Forecast again from earlier years of the panel, each way, and set what was then counted beside it.

    Returns
    -------
    DataFrame
        way, origin, year, horizon, id, stage, indicator, forecast, own, pupils, actual.
    """
    last, parts = int(series.years[-1]), []
    origins = [int(year) for year in series.years[path.FEWEST - 1 : -1]][-MOST_ORIGINS:]
    names = {name: series.named(name) for name in KEY}
    for origin in origins:
        cut = int(np.searchsorted(series.years, origin)) + 1
        ahead = np.arange(1, last - origin + 1)
        pupils, actual = foretold(origin), series.values[:, cut:]
        there = np.isfinite(series.values[:, cut - 1])  # a series that was not counted then was not forecast then
        for way in WAYS:
            value, own = _carried(series.amounts[:, :cut], series.years[:cut], pupils, way)
            at, step = np.nonzero(np.isfinite(value) & np.isfinite(actual) & np.isfinite(own) & there[:, None])
            found = {"way": way, "origin": origin, "year": origin + ahead[step], "horizon": ahead[step]}
            found |= {name: column[at] for name, column in names.items()}
            found |= {"forecast": value[at, step], "own": own[at, step], "pupils": pupils[at, step]}
            parts.append(pd.DataFrame(found | {"actual": actual[at, step]}))
    columns = ["way", "origin", "year", "horizon", *names, "forecast", "own", "pupils", "actual"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _spreads(rows: pd.DataFrame, ways: Mapping[str, str] | None = None) -> dict[str, Spread]:
    """Return how each indicator goes on, the way that was least wrong, and the factors of its half width.

    Where an indicator has too few forecasts (a county has one series a stage), the errors of all indicators, in
    shares of their values, are taken together.

    ``rows``: from :func:`forecasts`. ``ways``: how they go on where too few forecasts tell: known from elsewhere.
    """
    few = float(assumptions()["enough"]["indicator"])
    best = {str(name): _least_wrong(mine, few, (ways or {}).get(str(name), WAYS[0])) for name, mine in _by_name(rows)}
    chosen = rows[rows["way"] == rows["indicator"].map(best)]
    relative = chosen[chosen["forecast"] > 0]
    relative = relative.assign(
        pupils=relative["pupils"] * relative["forecast"],  # chance keeps its share of the value
        own=relative["own"] / relative["forecast"], actual=relative["actual"] / relative["forecast"], forecast=1.0,
    )  # fmt: skip
    pooled = _factors(relative)
    out = {}
    for name, mine in _by_name(chosen):
        if len(mine) >= few:
            out[str(name)] = Spread(best[str(name)], _factors(mine))
        else:
            out[str(name)] = Spread(best[str(name)], pooled, min(1.0, len(relative) / few), pooled=True)
    return out


def _by_name(rows: pd.DataFrame) -> Any:
    return rows.groupby("indicator", sort=False)


def _least_wrong(rows: pd.DataFrame, few: float, otherwise: str) -> str:
    """Return the way whose forecasts were least wrong; a few errors are no reason to choose one."""
    if len(rows) < few * len(WAYS):
        return otherwise
    return str((rows["forecast"] - rows["actual"]).abs().groupby(rows["way"]).mean().idxmin())


def _factors(rows: pd.DataFrame) -> Any:
    if rows.empty:
        return None
    left = _basis(*(rows[name].to_numpy(dtype=float) for name in TOLD))
    return _regress(left, (rows["forecast"] - rows["actual"]).abs().to_numpy(dtype=float), LEVEL)


def _half_width(spread: Spread, value: Any, own: Any, pupils: Any, ahead: Any) -> Any:
    """Return the half width: the measured one, for few measurements partly the series' own with the assumed one."""
    share = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0) * float(assumptions()["spread"]["indicator"]["share"])
    assumed = np.hypot(own, share * value * ahead)
    if spread.factors is None:
        return assumed
    if spread.pooled:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = value * (_basis(1.0, own / value, pupils * value, ahead) @ spread.factors)
    else:
        found = _basis(value, own, pupils, ahead) @ spread.factors
    return spread.weight * found + (1.0 - spread.weight) * assumed


def _tested(rows: pd.DataFrame, what: str, ways: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Judge the forecasts of each earlier year by the way and band that the other years' forecasts give.

    ``rows``: earlier forecasts and what was then counted.
    """
    parts = []
    for origin in rows["origin"].unique():
        known = _spreads(rows[rows["origin"] != origin], ways)
        for name, mine in _by_name(rows[rows["origin"] == origin]):
            spread = known.get(str(name), Spread())
            part = mine[mine["way"] == spread.way]
            half = _half_width(spread, *(part[column].to_numpy(dtype=float) for column in TOLD))
            low, high = (part["forecast"] - half).clip(lower=0.0), part["forecast"] + half
            inside = (part["actual"] >= low - 1e-9) & (part["actual"] <= high + 1e-9)
            parts.append(part.assign(what=what, band=None, low=low, high=high, inside=inside))
    columns = [*BACK_TEST_COLUMNS, "indicator"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
