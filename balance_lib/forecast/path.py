"""Fit a path to a series of years and find the year it crosses a line, or say why it does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.evaluation import number
from balance_lib.evaluation.figures import figure
from balance_lib.evaluation.indicators.comparison import satisfies, shortfall
from balance_lib.forecast.settings import assumptions
from balance_lib.locale import Message

MOST_LOG = 2.0  # half width of a logarithm: a band of a seventh to seven times the figure says nothing any more
FEWEST = 3  # counted years a path needs: two steps, one to go by and one to see how steps differ
Line = Callable[[int], float]
PATH_COLUMNS = ["year", "value", "low", "high", "projected"]


@dataclass(frozen=True)
class Crossing:
    """Hold when a path crosses its line.

    Parameters
    ----------
    status : str
        met: the last counted value satisfies the line and the path goes on doing so; falls: it does, but the path
        leaves it in ``year``; crosses: the path reaches the line in ``year``; not_before: not up to the last
        projected year; no_data: nothing to go by.
    year, earliest, latest : float
        School year (first calendar year) in which the path, the favourable and the unfavourable end of the band come
        to satisfy the line; NaN when none does.
    reason : Message
    """

    status: str
    year: float
    earliest: float
    latest: float
    reason: Message

    @property
    def on(self) -> date | None:
        """Return the day on which the school year of the crossing is judged: 31 August of its second calendar year."""
        return None if math.isnan(self.year) else date(int(self.year) + 1, 8, 31)


def fit(
    years: Sequence[int], values: Sequence[float], to: int, *, level: float = 0.8,
    kept: float | None = None, share: float = 0.0, low: float = -math.inf, high: float = math.inf,
) -> pd.DataFrame:  # fmt: skip
    """Carry a series on as a random walk with a drift that fades out.

    The drift is the mean yearly change over the counted years; h years on, the value is the last one plus
    d·(1 + k + … + kʰ⁻¹), and its standard deviation s·√(h + (1 + k + … + kʰ⁻¹)²/n), where s is the standard deviation
    of the yearly changes and n the years they span; with k = 1 the textbook random walk with drift. The band is that
    times the quantile of Student's t.

    Parameters
    ----------
    years, values : sequences
        NaN where nothing was counted; a gap counts as its years.
    to : int
        Last year of the path.
    level : float
        Share of cases the band is to hold.
    kept : float, optional
        k above; by default what ``assumptions.yaml`` says.
    share : float
        Standard deviation of a trend that is wrong, in shares of the value for each year ahead: besides the scatter.
    low, high : float
        Bounds of what the figure can be.

    Returns
    -------
    DataFrame
        year, value, low, high, projected. Counted years have no band; fewer than three have no path.

    Examples
    --------
    >>> fit([2020, 2021, 2022], [1.0, 2.0, 3.0], 2024, kept=1.0)["value"].tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    at = np.array([int(year) for year in years])
    value = np.asarray(values, dtype=float)
    counted = pd.DataFrame({"year": at, "value": value, "low": value, "high": value, "projected": False})
    known = at[np.isfinite(value)]
    if len(known) < FEWEST or to <= known[-1]:
        return counted[PATH_COLUMNS]
    ahead = np.arange(known[-1] + 1, to + 1)
    middle, half = carry(at, value[None, :], len(ahead), level=level, kept=kept)
    half = with_share(middle, half, share, level)
    columns = {
        "year": ahead,
        "value": np.clip(middle[0], low, high),
        "low": np.clip(middle[0] - half[0], low, high),
        "high": np.clip(middle[0] + half[0], low, high),
        "projected": True,
    }
    return pd.concat([counted[at <= known[-1]], pd.DataFrame(columns)], ignore_index=True)[PATH_COLUMNS]


def carry(
    years: Any, values: Any, ahead: int, *, level: float = 0.8, kept: float | None = None, way: str = "line"
) -> tuple[Any, Any]:
    """Carry many series on at once: see :func:`fit`.

    Parameters
    ----------
    years : array (years,)
    values : array (series, years)
        NaN where nothing was counted.
    ahead : int
        Years after each series' own last counted one.
    level : float
    kept : float, optional
    way : {"line", "share", "level"}
        A series goes on by what it changed by a year, by the share it changed by (its logarithm goes on; where it
        was ever zero or below, as a line), or not at all.

    Returns
    -------
    (array, array) of (series, ahead)
        The path and the half width of its band; NaN for a series of fewer than three counted years.
    """
    if way == "share":
        return _carry_share(years, values, ahead, level, kept)
    kept = float(assumptions()["trend_kept"]) if kept is None else kept
    shape = len(values)
    first, last, before, square, steps = (np.full(shape, np.nan) for _ in range(5))
    since, until = np.zeros(shape), np.zeros(shape)
    square[:], steps[:] = 0.0, 0.0
    for column, year in zip(values.T, years, strict=True):
        told = np.isfinite(column)
        both = told & np.isfinite(before)
        square[both] += (column[both] - before[both]) ** 2 / (year - until[both])
        steps[both] += 1
        new = told & np.isnan(first)
        first[new], since[new] = column[new], year
        before[told], last[told], until[told] = column[told], column[told], year
    with np.errstate(divide="ignore", invalid="ignore"):
        span = np.where(steps >= FEWEST - 1, until - since, np.nan)
        drift = (last - first) / span if way == "line" else np.zeros(shape) * span
        spread = np.sqrt(np.maximum(square - drift**2 * span, 0.0) / (steps - 1))
    h = np.arange(1, ahead + 1)
    faded = np.cumsum(kept ** (h - 1.0)) if way == "line" else np.zeros(ahead)
    middle = last[:, None] + drift[:, None] * faded
    quantile = _student(level, np.maximum(steps - 1, 1))
    return middle, (quantile * spread)[:, None] * np.sqrt(h + faded**2 / span[:, None])


def _carry_share(years: Any, values: Any, ahead: int, level: float, kept: float | None) -> tuple[Any, Any]:
    """Carry the logarithms on; the half width is that of the upper end, the wider one."""
    middle, half = carry(years, values, ahead, level=level, kept=kept)
    whole = ~(values <= 0).any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log, wide = carry(years, np.log(values[whole]), ahead, level=level, kept=kept)
        middle[whole] = np.exp(log)
        half[whole] = np.exp(log) * np.expm1(np.minimum(wide, MOST_LOG))
    return middle, half


def _student(level: float, freedom: Any) -> Any:
    from scipy.special import stdtrit  # lazy; scipy.stats would cost three times as much at import

    return stdtrit(freedom, (1.0 + level) / 2.0)


def with_share(middle: Any, half: Any, share: float, level: float) -> Any:
    """Return half widths to which an error that grows with the value and the years ahead is added.

    Parameters
    ----------
    middle, half : arrays (series, ahead)
        From :func:`carry`.
    share, level : float
        As for :func:`fit`.
    """
    wrong = NormalDist().inv_cdf((1.0 + level) / 2.0) * share * np.arange(1, middle.shape[1] + 1)
    return np.hypot(half, wrong * np.abs(middle))


def forecasts(years: Sequence[int], values: Sequence[float], *, level: float = 0.8, share: float = 0.0) -> pd.DataFrame:
    """Carry a series on from each of its earlier years, and set beside it what was then counted.

    Parameters
    ----------
    years : sequence of int
    values : sequence of float
        Figures of the years, in their order.
    level : float
        Share of cases a band is to hold.
    share : float
        Share of the series' own scatter.

    Returns
    -------
    DataFrame
        origin, year, forecast, actual, inside; none for a series of fewer than four counted years.
    """
    at, value, rows = np.array([int(year) for year in years]), np.asarray(values, dtype=float), []
    for cut in range(FEWEST, len(at)):
        if not np.isfinite(value[cut - 1]):
            continue
        middle, half = carry(at[:cut], value[None, :cut], int(at[-1] - at[cut - 1]), level=level)
        half = with_share(middle, half, share, level)
        for year, actual in zip(at[cut:], value[cut:], strict=True):
            step = int(year - at[cut - 1]) - 1
            if np.isfinite(actual) and np.isfinite(middle[0, step]):
                inside = abs(actual - middle[0, step]) <= half[0, step] + 1e-9
                rows.append((int(at[cut - 1]), int(year), float(middle[0, step]), float(actual), bool(inside)))
    return pd.DataFrame(rows, columns=["origin", "year", "forecast", "actual", "inside"])


def believed(found: Crossing, tested: pd.DataFrame, level: float = 0.8) -> Crossing:
    """Return a crossing, or that no year can be named: the same path made in earlier years missed its band.

    That is, forecasts fell outside more often than chance explains; of paths whose band is right at most one in twenty.

    Parameters
    ----------
    found : Crossing
    tested : DataFrame
        From :func:`forecasts`.
    level : float
        Share of cases the band is to hold.
    """
    from scipy.special import bdtr  # lazy

    n, inside = len(tested), int(tested["inside"].sum())
    if found.status not in ("crosses", "falls", "not_before") or not n or float(bdtr(inside, n, level)) >= 0.05:
        return found
    return _none("trends.cross.missed", {"n": n, "inside": inside, "level": f"{100 * level:.0f}"})


def crossing(path: pd.DataFrame, operator: str, line: float | Callable[[int], float], unit: str = "") -> Crossing:
    """Find when a path comes to satisfy its line, with the years of the two ends of its band.

    Parameters
    ----------
    path : DataFrame
        From :func:`fit`.
    operator : {">=", ">", "<=", "<", "=="}
    line : float, or callable of the year
        The line may change from year to year.
    unit : str
        Behind figures in the reason.
    """
    line_of = line if callable(line) else lambda year: float(line)
    projected = path["projected"].to_numpy(dtype=bool)
    year = path["year"].to_numpy()
    ends = tuple(path[name].to_numpy(dtype=float)[projected] for name in ("value", "low", "high"))
    value = path["value"].to_numpy(dtype=float)[~projected]
    return cross(year[~projected], value, year[projected], ends, operator, line_of, unit)


def cross(
    years: Any, values: Any, ahead: Any, ends: tuple[Any, Any, Any], operator: str, line_of: Line, unit: Any = ""
) -> Crossing:
    """Find when a path crosses, on bare arrays: counted years and values, years ahead with value, low and high.

    Parameters
    ----------
    years : object
        Counted school years.
    values : object
        Figures, one for each place.
    ahead : object
    ends : tuple[object, object, object]
        Value, low and high of the years ahead.
    operator : str
    line_of : Line
        Line as a function of the school year.
    unit : object
        Smallest step of the figure.
    """
    told = np.isfinite(values)
    if not told.any():
        return _none("trends.cross.no_data")
    years, values = years[told], values[told]
    last, now = int(years[-1]), float(values[-1])
    threshold = line_of(last)
    if math.isnan(threshold):
        return _none("trends.cross.no_line")
    way = operator if operator != "==" else (">=" if now < threshold else "<=")
    middle, good, bad = ends[0], *(ends[2:0:-1] if way in (">=", ">") else ends[1:])
    params: dict[str, Any] = {
        "value": _told(now, threshold, operator),
        "line": _told(threshold),
        "unit": unit,
        "year": last,
    }
    if satisfies(now, operator, threshold):
        return _kept(years, values, ahead, middle, bad, operator, way, line_of, params)
    if not len(ahead) or not np.isfinite(middle).any():
        return _none("trends.cross.short", {**params, "n": len(years)})
    when, earliest, latest = (_first(ahead, end, way, line_of) for end in (middle, good, bad))
    if math.isnan(when):
        return _not_before(years, values, ahead, middle, way, earliest, params)
    slow = Message("trends.cross.after", {"year": int(ahead[-1])})
    told_ends = {"earliest": int(earliest), "latest": slow if math.isnan(latest) else _in_year(latest)}
    told_when = {"when": int(when), "judged": int(when) + 1}
    return Crossing("crosses", when, earliest, latest, Message("trends.cross.crosses", params | told_ends | told_when))


def _kept(
    years: Any, values: Any, ahead: Any, middle: Any, bad: Any, operator: str, way: str, line_of: Line, params: Any
) -> Crossing:
    """Say of a path that satisfies its line whether it goes on doing so."""
    lost, maybe = (_first(ahead, end, way, line_of, wanted=False) for end in (middle, bad))
    if math.isnan(lost):
        since = _since(years, values, operator, line_of)
        key = "trends.cross.met" if len(ahead) and math.isnan(maybe) else "trends.cross.met_so_far"
        return Crossing("met", float(since), math.nan, math.nan, Message(key, {**params, "since": since}))
    told = {**params, "when": int(lost), "maybe": int(maybe)}
    return Crossing("falls", lost, maybe, math.nan, Message("trends.cross.falls", told))


def _told(value: float, line: float = math.nan, operator: str = ">=") -> str:
    """Write a figure with four digits that count, as a forecast knows no more; or as tell it from its line."""
    shown = float(f"{value:.4g}") if abs(value) < 1e4 else round(value)
    if math.isnan(line) or satisfies(shown, operator, line) == satisfies(value, operator, line):
        return number(shown)
    return figure(value, 2, line, operator).rstrip("0").rstrip(".")


def _in_year(year: float) -> Message:
    return Message("trends.cross.in_year", {"year": int(year)})


def _none(key: str, params: dict[str, Any] | None = None) -> Crossing:
    return Crossing("no_data", math.nan, math.nan, math.nan, Message(key, params or {}))


def _first(years: Any, values: Any, way: str, line_of: Line, wanted: bool = True) -> float:
    """Return the first projected year whose value satisfies the line (or, if not wanted, does not)."""
    for year, value in zip(years, values, strict=True):
        if satisfies(float(value), way, line_of(int(year))) is wanted:
            return float(year)
    return math.nan


def _since(years: Any, values: Any, operator: str, line_of: Line) -> int:
    """Return the first year of the run of counted years that satisfies the line to the end."""
    first = int(years[-1])
    for year, value in zip(years[::-1], values[::-1], strict=True):
        if not satisfies(float(value), operator, line_of(int(year))):
            break
        first = int(year)
    return first


def _not_before(
    years: Any, values: Any, ahead: Any, middle: Any, way: str, earliest: float, params: dict[str, Any]
) -> Crossing:
    """Say that the line is not reached up to the last year, and why: away from it, not moving, or too slowly."""
    pace = float(middle[-1] - values[-1]) / len(ahead)
    towards = pace if way in (">=", ">") else -pace
    still = abs(pace) < 1e-4 * max(1e-12, float(np.abs(values).mean()))
    told = {
        **params,
        "pace": _told(abs(pace)),
        "to": int(ahead[-1]),
        "end": _told(float(middle[-1])),
        "earliest": "" if math.isnan(earliest) else Message("trends.cross.lucky", {"year": int(earliest)}),
    }
    key = "still" if still else "slow" if towards > 0 else "away"
    return Crossing("not_before", math.nan, earliest, math.nan, Message(f"trends.cross.{key}", told))


def _with_line(path: pd.DataFrame, operator: str, line: float | Callable[[int], float]) -> pd.DataFrame:
    """Return a path with its line and its gap (negative: short) of every year.

    ``path``: values by year. ``line``: required value, or what gives it for a year.
    """
    line_of = line if callable(line) else lambda year: float(line)
    lines = [line_of(int(year)) for year in path["year"]]
    pairs = zip(path["value"].astype(float), lines, strict=True)
    return path.assign(threshold=lines, gap=[shortfall(value, operator, at) for value, at in pairs])
