"""Rebuild single years of age from counts of three and more, and bring births forward."""

from __future__ import annotations

from typing import Any

import numpy as np

from balance_lib.forecast.counts import AGES, BANDS, Counts
from balance_lib.forecast.ratios import BAND_AGES, LEAVER_AGES, STAGE_AGES, YOUNG, _growth
from balance_lib.forecast.settings import ProjectionSettings, assumptions

Span = tuple[tuple[int, int], int, Any]  # ages counted together, year, count by village (or of the county)


def _children(counts: Counts, steps: Any, drift: Any) -> Any:
    """Return the children of the base year by village and single year of age, 0 to 14.

    Each cohort's size is found by least squares from every count it was part of, all years, brought to the base year
    by the yearly ratios; neighbouring cohorts are thought alike as far as the counts leave it open. The base year's
    own counts (bands, children of 3–5, births) are then met exactly.

    Returns
    -------
    array (villages, 15)
        NaN for ages of which nothing was counted: births come forward to them (:func:`births`).
    """
    size = _solve(counts, _village_spans(counts, drift), steps)
    whole = _solve(counts, _county_spans(counts), steps)[0]
    base = counts.pupils[:, :, -1]
    if np.isnan(base).any():  # homes were not told in the base year
        base = _banded(counts)
    out = np.full((len(counts.villages), AGES), np.nan)
    for (low, high), total in zip(BAND_AGES, base.T, strict=True):
        out[:, low : high + 1] = _fit(size[:, low : high + 1], whole[low : high + 1], total)
    young = counts.young[:, -1]
    if np.isfinite(young[:-1]).any():
        low, high = YOUNG
        out[:, low : high + 1] = _fit(size[:, low : high + 1], whole[low : high + 1], np.nan_to_num(young))
    for age in range(FIRST_COUNTED):
        born = counts.births[:, -1 - age] if age < len(counts.years) else np.full(len(out), np.nan)
        if np.isfinite(born).any() and np.isnan(out[:, age]).any():
            out[:, age] = np.nan_to_num(born) * _growth(steps, 0, age) * np.exp(age * drift)
    return out


FIRST_COUNTED = 6  # ages below are counted as births or as children of 3 to 5


def _banded(counts: Counts) -> Any:
    """Return the base year's pupils by home and band straight from its flows."""
    rows = counts.flows[counts.flows["year"] == counts.base]
    out = np.zeros((len(counts.villages), len(BANDS)))
    np.add.at(out, (rows["village"].to_numpy(), rows["band"].to_numpy()), rows["pupils"].to_numpy())
    return out


def _village_spans(counts: Counts, drift: Any) -> list[Span]:
    """Return the counts by village of every year, as if the village had always been as it is in the base year."""
    out: list[Span] = []
    share = _banded(counts).sum(axis=1)
    for at, year in enumerate(counts.years):
        moved = np.exp(drift * (counts.base - year))
        spans = [(YOUNG, counts.young[:, at]), ((0, 0), counts.births[:, at])]
        spans += [(ages, counts.pupils[:, band, at]) for band, ages in enumerate(BAND_AGES)]
        for ages, value in spans:
            told = np.isfinite(value)
            if told[:-1].any() and share[told].sum() > 0 and value[told].sum() > 0:
                # A village nobody counted that year is taken to have had its usual share of the children.
                usual = share * value[told].sum() / share[told].sum()
                out.append((ages, year, np.where(told, value, usual) * moved))
    return out or [(BAND_AGES[band], counts.base, _banded(counts)[:, band]) for band in range(len(BANDS))]


def _county_spans(counts: Counts) -> list[Span]:
    """Return the county's own counts of every year, those of leavers included."""
    out: list[Span] = []
    for at, year in enumerate(counts.years):
        spans = [(YOUNG, counts.young[:, at].sum()), ((0, 0), counts.births[:-1, at].sum())]
        spans += [(ages, counts.pupils[:, band, at].sum()) for band, ages in enumerate(BAND_AGES)]
        spans += [(ages, counts.stages[stage, at]) for stage, ages in enumerate(STAGE_AGES)]
        spans += [((age, age), counts.leavers[stage, at]) for stage, age in enumerate(LEAVER_AGES)]
        # A stage nobody attends is not taught here: it says nothing of the children next to it in age.
        out += [(ages, year, np.array([value])) for ages, value in spans if value > 0]
    return out or [(ages, counts.base, _banded(counts)[:, [band]].sum(axis=0)) for band, ages in enumerate(BAND_AGES)]


def _solve(counts: Counts, spans: list[Span], steps: Any) -> Any:
    """Return the size of every cohort at its age in the base year by least squares, a column of counts at a time."""
    given = assumptions()
    oldest = min(year - ages[1] for ages, year, _ in spans)
    cohorts = counts.base - min(oldest, counts.base - AGES + 1) + 1  # position 0 is born in the base year
    rows, right = [], []
    for (low, high), year, value in spans:
        weight = float(given["recency"]) ** (counts.base - year) / (high - low + 1) ** 0.5
        row = np.zeros(cohorts)
        for age in range(low, high + 1):
            now = min(age + counts.base - year, AGES - 1)
            row[age + counts.base - year] = weight / _growth(steps, age, now)
        rows.append(row)
        right.append(weight * value)
    same = np.eye(cohorts)
    smooth = float(given["smooth"]) * np.vstack([same[:-2] - 2 * same[1:-1] + same[2:], 0.1 * (same[1:] - same[:-1])])
    left = np.vstack([np.array(rows), smooth])
    known = np.vstack([np.array(right), np.zeros((len(smooth), np.atleast_2d(right[0]).shape[1]))])
    return np.linalg.lstsq(left, known, rcond=None)[0].T[:, :AGES]


def _fit(size: Any, whole: Any, total: Any) -> Any:
    """Spread each village's total over single ages: like its own cohorts, adding up to the county's (IPF)."""
    found = np.maximum(size, 0.0) + 1e-9
    target = np.maximum(whole, 1e-9)
    target = target / target.sum() * total.sum()
    for _ in range(8):
        found = found * _over(total, found.sum(axis=1))[:, None]
        found = found * _over(target, found.sum(axis=0))
    # Rows last and exactly: a village's own count is a fact, the county's split into single ages an estimate.
    return found * _over(total, found.sum(axis=1))[:, None]


def _over(value: Any, by: Any) -> Any:
    """Divide; nothing over nothing is nothing."""
    return np.divide(value, by, out=np.zeros_like(by), where=by > 0)


def births(
    counts: Counts, found: Any, steps: Any, years: int, settings: ProjectionSettings
) -> tuple[list[int], Any, Any, int]:
    """Bring the county's births forward by their fitted trend.

    The trend is the Theil–Sen slope of the logarithm over the last years counted; it fades out, stops or goes on as
    the settings say. A county that counts no births takes the size of the cohorts at school instead, brought back to
    their birth.

    Parameters
    ----------
    counts : Counts
    found : object
    steps : object
        Ratios of a cohort from year to year.
    years : int
        How many years.
    settings : ProjectionSettings

    Returns
    -------
    (list of int, array, array, int)
        Years, births of those years up to the last projected one, the standard deviation of their relative error (zero
        where they are counted; a random walk with a drift known only as well as the counted years tell it), and the
        last counted year.
    """
    from scipy.stats import theilslopes  # lazy: scipy.stats costs a third of a second at import

    given = assumptions()
    counted = dict(zip(counts.years, counts.births[:-1].sum(axis=0), strict=True))
    counted = {year: float(value) for year, value in counted.items() if np.isfinite(value) and value > 0}
    if not counted:
        sizes = found.sum(axis=0)
        ages = [age for age in range(AGES - 1, -1, -1) if np.isfinite(sizes[age]) and sizes[age] > 0]
        counted = {counts.base - age: float(sizes[age] / _growth(steps, 0, age)) for age in ages}
    if not counted:
        return list(range(counts.base + 1, counts.base + years + 1)), np.zeros(years), np.zeros(years), counts.base
    recent = sorted(counted)[-int(given["births_years"]) :]
    slope = 0.0
    if len(recent) >= 3:
        slope = float(theilslopes(np.log([counted[year] for year in recent]), recent).slope)
    spread = float(given["births_sd"])
    if len(recent) >= 3:
        scatter = np.diff(np.log([counted[year] for year in recent])) / np.diff(recent) - slope
        spread = max(spread, float(np.sqrt((scatter**2).sum() / (len(scatter) - 1))))
    kept = {"damped": float(given["births_kept"]), "level": 0.0, "linear": 1.0}[settings.births_trend]
    last = recent[-1]
    level = counted[last]
    for year in range(last + 1, counts.base + years + 1):
        slope *= kept
        level *= np.exp(slope)
        counted[year] = level * (1 + settings.births_percent / 100)
    every = list(range(min(counted), counts.base + years + 1))
    ahead = np.maximum(np.array(every) - last, 0)
    error = spread * np.sqrt(ahead + ahead**2 / max(len(recent) - 1, 1))
    return every, np.array([counted.get(year, np.nan) for year in every]), error, last
