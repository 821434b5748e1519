"""Measure how far forecasts made in earlier years were off, and give a projection the band that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.forecast.counts import BAND_STAGE, BANDS, FIRST_AGE, Counts, read
from balance_lib.forecast.quantile import _regress
from balance_lib.forecast.result import BACK_TEST_COLUMNS, BackTest, Projection
from balance_lib.forecast.run import Run
from balance_lib.forecast.settings import ProjectionSettings, assumptions
from balance_lib.standards import STAGES

MOST_ORIGINS = 6  # forecasts are made again from so many earlier years, spread over the panel
MOST_ROWS = 4000  # of one kind that a band is fitted to; more tell nothing new
KINDS = ("village", "school", "county")
BASIS = ("forecast", "horizon", "stirred", "known")  # what the half width is a function of
PLAIN, STIRRED = [0, 1, 2, 4, 5], 3  # columns of what it is made of: without closures, and what they add
SIZES = 3  # a band is calibrated apart for the small, the middling and the large of each stage
FAR = 3  # years ahead and more are calibrated together
FEWEST_A_YEAR = 3  # errors of a target year that tell its quantile
FEWEST = 20  # errors of a size and stage it takes for that; of fewer the stage as a whole, or all, are taken


def _banded(projection: Projection, county: County) -> Projection:
    """Return a projection with its band and its back-test."""
    settings = projection.settings
    width, tested = _measured(county, projection.base, settings.zoned, settings.migration, settings.level)
    unborn, known = _unborn(projection), _counted_years(read(county, projection.base))
    return replace(
        projection,
        villages=_with_band(projection.villages, projection.base, known, width["village"], unborn["band"]),
        schools=_with_band(projection.schools, projection.base, known, width["school"], unborn["stage"]),
        county=_with_band(projection.county, projection.base, known, width["county"], unborn["stage"]),
        back_test=tested,
        notes=(*projection.notes, *tested.missed(settings.level)),
    )


@once_per_county
def _measured(
    county: County, base: int, zoned: bool, migration: str, level: float
) -> tuple[dict[str, _Width], BackTest]:
    """Return the band's factors by kind and the back-test: measured once, whatever births are then assumed."""
    rows = _forecasts(county, base, zoned, migration)
    width, tested = {}, []
    for kind in KINDS:
        mine = rows[rows["what"] == kind]
        scored = _scored(mine, kind, level)
        width[kind] = _Width.of(scored, _fit(mine, kind, level), kind, level)
        tested.append(_tested(scored, kind, level))
    return width, BackTest(pd.concat(tested, ignore_index=True)[BACK_TEST_COLUMNS])


@dataclass(frozen=True, eq=False)
class _Width:
    """Hold how wide a kind's band is: factors of the half width, and how much wider each size and stage needs it.

    Parameters
    ----------
    factors : array (6,)
        From :func:`_fit`.
    edges : mapping of stage to array
        Pupils at which the sizes of a stage part.
    scale : mapping of stage to array (sizes,)
    later : mapping of stage to array (FAR,)
        How much wider still one, two and more years ahead.
    """

    factors: Any
    edges: Mapping[str, Any]
    scale: Mapping[str, Any]
    later: Mapping[str, Any]

    @classmethod
    def of(cls, scored: pd.DataFrame, factors: Any, kind: str, level: float) -> _Width:
        """Calibrate a band by errors of forecasts its factors have not seen: split conformal, by stage and size.

        Parameters
        ----------
        scored : DataFrame
            Earlier forecasts with their errors.
        factors : object
            Factors of the band.
        kind : str
        level : float
            Share of cases a band is to hold.

        References
        ----------
        V. Vovk (2013), Conditional validity of inductive conformal predictors, Machine Learning 92: 349–376.
        """
        weight = min(1.0, len(scored) / float(assumptions()["enough"][kind]))
        edges, scale, later = {}, {}, {}
        for stage, mine in scored.groupby("stage"):
            edges[str(stage)] = np.quantile(mine["forecast"], np.arange(1, SIZES) / SIZES)
            size, score = np.searchsorted(edges[str(stage)], mine["forecast"]), mine["score"].to_numpy()
            sized = [score[size == at] for at in range(SIZES)]
            alike = [next((s for s in (own, score) if len(s) >= FEWEST), scored["score"]) for own in sized]
            # Errors of one target year are alike whatever year they are forecast from: never narrower than fitted.
            scale[str(stage)] = np.array([max(1.0, weight * _conformal(s, level) + 1.0 - weight) for s in alike])
            further = mine.assign(score=score / scale[str(stage)][size])
            later[str(stage)] = _by_years_ahead(further, weight, level)
        return cls(factors, edges, scale, later)

    def half(self, pupils: Any, ahead: Any, stirred: Any, known: Any, stage: Any) -> Any:
        """Return the half width of the band of each row; zero in the base year, which is counted.

        Parameters
        ----------
        pupils : object
        ahead : object
        stirred : object
            Share of pupils a change of layout moved.
        known : object
            Share of pupils whose home is known.
        stage : object
            Stage of each row.
        """
        scale, stages = np.ones(len(pupils)), np.asarray(stage, dtype=object)
        step = np.clip(np.asarray(ahead), 1, FAR) - 1
        for name, edges in self.edges.items():
            here = stages == name
            scale[here] = self.scale[name][np.searchsorted(edges, np.asarray(pupils)[here])]
            scale[here] *= self.later[name][step[here]]
        return _half_width(pupils, ahead, stirred, known, factors=self.factors) * scale


def _by_years_ahead(rows: pd.DataFrame, weight: float, level: float) -> Any:
    """Return how much wider a stage's band must be one, two and more years ahead; never narrower with the years.

    Errors of one target year go in one direction (a drift nobody had counted before), and a longer way off they do so
    more: from two years ahead a target year counts as one observation, the ``level`` quantile of its errors.
    """
    out = np.ones(FAR)
    for step in range(2, FAR + 1):
        mine = rows[rows["horizon"] >= step] if step == FAR else rows[rows["horizon"] == step]
        years = [s.quantile(level) for _, s in mine.groupby("year")["score"] if len(s) >= FEWEST_A_YEAR]
        found = _conformal(years, level) if len(years) > 1 else 1.0
        out[step - 1] = max(out[step - 2], weight * found + 1.0 - weight)
    return out


def _conformal(scores: Any, level: float) -> float:
    """Return what the next score is at most in ``level`` of cases, if it is like these: their order says so.

    ``scores``: errors of earlier forecasts, in units of their basis. ``level``: share of cases a band is to hold.

    Examples
    --------
    >>> _conformal([1.0, 4.0, 2.0, 3.0], 0.6)
    3.0
    """
    ordered = np.sort(np.asarray(scores, dtype=float))
    return float(ordered[min(len(ordered), math.ceil((len(ordered) + 1) * level)) - 1]) if len(ordered) else 1.0


def _unborn(projection: Projection) -> dict[str, pd.Series]:
    """Return how far the births to come leave pupils open, as a share of them, by year and stage or band.

    Forecasts made in earlier years knew the births of nearly all they forecast: their errors do not hold this one.
    Births of neighbouring years are off in the same direction, so that shares add up and do not cancel out.
    """
    births = projection.births.set_index("year")
    share = ((births["high"] - births["births"]) / births["births"]).fillna(0.0)
    rows = projection.ledger[projection.ledger["grade"].notna()]
    band = np.array(BANDS, dtype=object)[(rows["age"].to_numpy() - FIRST_AGE) // 3]
    rows = rows.assign(band=band, open=rows["children"] * rows["birth_year"].map(share).fillna(0.0))
    rows = rows.assign(stage=rows["band"].map(BAND_STAGE))
    out = {}
    for name in ("band", "stage"):
        sums = rows.groupby(["year", name])[["open", "children"]].sum()
        out[name] = (sums["open"] / sums["children"].where(sums["children"] > 0)).fillna(0.0)
    return out


def _with_band(table: pd.DataFrame, base: int, known: int, width: _Width, unborn: pd.Series) -> pd.DataFrame:
    """Give projected rows their band: never below zero, and none where nobody is (a closed school)."""
    pupils = table["pupils"].to_numpy()
    stirred = table["stirred"].to_numpy() if "stirred" in table else np.zeros(len(table))
    ahead, counted = table["year"].to_numpy() - base, np.full(len(table), known)
    half = width.half(pupils, ahead, stirred, counted, table["stage"])
    keys = pd.MultiIndex.from_frame(table[["year", str(unborn.index.names[1])]])
    half = np.hypot(half, pupils * unborn.reindex(keys).fillna(0.0).to_numpy())
    half = np.where((pupils > 0) & (table["year"].to_numpy() > base), half, 0.0)
    return table.assign(low=np.maximum(pupils - half, 0.0), high=pupils + half)


@once_per_county
def _forecasts(county: County, base: int, zoned: bool = True, migration: str = "observed") -> pd.DataFrame:
    """Forecast again from earlier years of the panel and set what was then counted beside it.

    Each origin knows only what was counted until then. Closures that happened are given: a layout is decided, not
    foretold. Schools that were not open at the origin, and years in which a figure was not counted, have no row.

    ``base``: last counted school year. ``zoned``: whether a class that changes moves the whole zone.
    """
    counts = read(county, base)
    settings = ProjectionSettings(zoned=zoned, migration="none" if migration == "none" else "observed")
    parts = []
    for origin in _origins(counts):
        run = Run(county, counts.until(origin), base, settings)
        run.go()
        known = _counted_years(run.counts)
        parts += [_compare(run, counts, step).assign(known=known) for step in range(1, base - origin + 1)]
    if not parts:
        names = [*(c for c in BACK_TEST_COLUMNS if c not in ("low", "high", "inside")), "stirred", "known"]
        return pd.DataFrame(columns=names)
    return pd.concat(parts, ignore_index=True)


def _counted_years(counts: Counts) -> int:
    """Return how many school years a forecaster of the base year had before him."""
    return counts.flows["year"].nunique()


def _origins(counts: Counts) -> list[int]:
    """Return the years to forecast from: those with three years before them where there are enough, at most so many."""
    told = sorted(set(counts.flows["year"]))[:-1]
    # A forecaster of the base year has the whole panel: origins with too short a past would widen the band for nothing.
    told = told[max(1, min(3, len(told) - 2)) :] if len(told) > 1 else told
    if len(told) <= MOST_ORIGINS:
        return told
    return [told[round(at)] for at in np.linspace(0, len(told) - 1, MOST_ORIGINS)]


def _compare(run: Run, counts: Counts, step: int) -> pd.DataFrame:
    """Set one year's forecast beside the counts."""
    year = run.counts.base + step
    at, parts = year - counts.first, []
    rolls, found = run.rolls[step], counts.rolls(year)
    for stage, name in enumerate(STAGES):
        on = (run.rolls[0][:, stage] > 0) & (found[:, stage] > 0)
        ids = np.array(counts.schools, dtype=object)[on]
        parts.append(_rows("school", ids, name, None, rolls[on, stage], found[on, stage]))
        parts[-1]["stirred"] = run.stirred[step][on, stage]
        if found[:, stage].sum() > 0 and rolls[:, stage].sum() > 0:
            whole = np.array([rolls[:, stage].sum()]), np.array([found[:, stage].sum()])
            parts.append(_rows("county", np.array([""], dtype=object), name, None, *whole))
    now = run.children[step]
    for band, name in enumerate(BANDS):
        actual = counts.pupils[:-1, band, at]
        forecast = now[:-1, FIRST_AGE + 3 * band : FIRST_AGE + 3 * band + 3].sum(axis=1)
        on = np.isfinite(actual) & (forecast + actual > 0) & bool(run.taught[band])
        ids = np.array(counts.villages[:-1], dtype=object)[on]
        parts.append(_rows("village", ids, BAND_STAGE[name], name, forecast[on], actual[on]))
    return pd.concat(parts, ignore_index=True).assign(origin=run.counts.base, year=year, horizon=step)


def _rows(what: str, ids: Any, stage: str, band: str | None, forecast: Any, actual: Any) -> pd.DataFrame:
    columns = {"what": what, "id": ids, "stage": stage, "band": band, "forecast": forecast, "actual": actual}
    return pd.DataFrame(columns | {"stirred": 0.0}).astype({"band": object})


def _fit(rows: pd.DataFrame, kind: str, level: float) -> Any:
    """Fit the half width of the band to measured errors by quantile regression.

    The half width is a sum of parts, none negative: a constant, the square root of the pupils (chance: few pupils
    vary more) and the pupils themselves, both growing with the years ahead, and the pupils times the share of pupils
    around who must move because a school closes. What grows with the years ahead stands twice, once divided by the
    number of years counted before the forecast: drifts and single ages are known the better the longer the panel, and
    the forecast of today has a longer one than those of earlier years it is judged by. The factors make ``level`` of
    the absolute errors smaller than the half width. Where few errors could be measured the assumed spread stands in
    for the rest.

    ``rows``: forecast, actual, horizon, stirred, known of one kind.

    Returns
    -------
    array (6,)
    """
    given = assumptions()
    spread, normal = given["spread"][kind], NormalDist().inv_cdf((1.0 + level) / 2.0)
    assumed = normal * np.array(
        [0.0, float(spread["own"]) ** 0.5, float(spread["share"]), 0.0 if kind != "school" else 0.5, 0.0, 0.0]
    )
    weight = min(1.0, len(rows) / float(given["enough"][kind]))
    if not weight:
        return assumed
    rows = rows.iloc[:: max(1, len(rows) // MOST_ROWS)]
    left, error = (
        _basis(*(rows[name].to_numpy() for name in BASIS)),
        (rows["forecast"] - rows["actual"]).abs().to_numpy(),
    )
    # Where hardly anybody has to move first: else closures in every year would explain what chance does.
    calm = (rows["stirred"] <= rows["stirred"].median()).to_numpy()
    measured = np.zeros(left.shape[1])
    measured[PLAIN] = _regress(left[calm][:, PLAIN], error[calm], level)
    moved = left[:, STIRRED] > 0
    if moved.any():
        beyond = (error - left @ measured)[moved] / left[moved, STIRRED]
        measured[STIRRED] = max(0.0, float(np.quantile(beyond, level)))
    return weight * measured + (1.0 - weight) * assumed


def _half_width(pupils: Any, ahead: Any, stirred: Any, known: Any, *, factors: Any) -> Any:
    """Return the half width of the band; zero in the base year, which is counted.

    ``stirred``: share of pupils a change of layout moved. ``known``: share of pupils whose home is known.
    """
    return np.where(ahead > 0, _basis(pupils, ahead, stirred, known) @ factors, 0.0)


def _basis(pupils: Any, ahead: Any, stirred: Any, known: Any) -> Any:
    years = np.maximum(np.asarray(ahead, dtype=float), 0.0)
    pupils = np.maximum(np.asarray(pupils, dtype=float), 0.0)
    chance, share = np.sqrt(pupils * years), pupils * years ** float(assumptions()["error_growth"])
    return np.stack([np.ones(len(pupils)), chance, share, pupils * stirred, chance / known, share / known], axis=1)


def _scored(rows: pd.DataFrame, kind: str, level: float) -> pd.DataFrame:
    """Return the forecasts with the half width fitted without those of their own origin, and their errors in it."""
    parts = []
    for origin, part in rows.groupby("origin"):
        others = rows[rows["origin"] != origin]
        factors = _fit(others if len(others) else rows, kind, level)
        half = _half_width(*(part[name].to_numpy() for name in BASIS), factors=factors)
        error = (part["forecast"] - part["actual"]).abs()
        parts.append(part.assign(half=half, score=error / np.maximum(half, 1e-9), factors=[factors] * len(part)))
    return pd.concat(parts, ignore_index=True) if parts else rows.assign(half=0.0, score=0.0, factors=None)


def _tested(scored: pd.DataFrame, kind: str, level: float) -> pd.DataFrame:
    """Judge each forecast by a band fitted and calibrated without the forecasts of its own origin."""
    parts = []
    for origin, part in scored.groupby("origin"):
        width = _Width.of(scored[scored["origin"] != origin], part["factors"].iloc[0], kind, level)
        half = width.half(*(part[name].to_numpy() for name in (*BASIS, "stage")))
        low, high = np.maximum(part["forecast"] - half, 0.0), part["forecast"] + half
        inside = (part["actual"] >= low) & (part["actual"] <= high)
        parts.append(part.assign(low=low, high=high, inside=inside))
    if not parts:
        return pd.DataFrame(columns=BACK_TEST_COLUMNS)
    return pd.concat(parts, ignore_index=True)[BACK_TEST_COLUMNS]
