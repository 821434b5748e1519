"""Measure how cohorts grow or shrink on their way from birth to grade 9, in the county and in each village."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from balance_lib.forecast.counts import AGES, FIRST_AGE, Counts
from balance_lib.forecast.settings import assumptions

PARTS = ("before_school", "entry", "primary", "transfer", "junior")
# Which part of the way each step from an age to the next belongs to: 5 → 6 is grade 1, 11 → 12 is grade 7.
PART_OF = np.array([0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 4, 4])
YOUNG = (3, 5)
BAND_AGES = ((6, 8), (9, 11), (12, 14))
STAGE_AGES = ((6, 11), (12, 14))
LEAVER_AGES = (11, 14)


@dataclass(frozen=True)
class _CohortCount:
    """Hold one count of whole cohorts: when each was counted, and how many children there were together."""

    first_cohort: int
    counted: tuple[int, ...]  # year in which each cohort was counted
    value: float

    @property
    def ages(self) -> Any:
        """Return the age at which each cohort was counted."""
        return np.array(self.counted) - np.arange(self.first_cohort, self.first_cohort + len(self.counted))


def yearly(counts: Counts) -> Any:
    """Return the yearly ratio of a cohort to itself a year before, for each step from age 0 to 14.

    Two counts of the same cohorts, years apart, give one equation: the mean number of steps in each part of the way
    times that part's logarithm is the logarithm of the ratio of the counts. Part by part logarithms are found by
    least squares, with the prior of ``assumptions.yaml`` (mean 0) for what the counts do not tell.

    Returns
    -------
    array (14,)
        Ratio from age a to a + 1. Ones when nothing was counted twice.
    """
    given = assumptions()
    noise = float(given["progression_noise_sd"])
    rows: list[Any] = [np.diag([noise / float(given["progression_sd"][part]) for part in PARTS])]
    right: list[Any] = [np.zeros(len(PARTS))]
    for earlier, later in _pairs(_county_counts(counts)):
        weight = float(given["recency"]) ** ((counts.base - max(later.counted)) / 2)
        rows.append(weight * _exposure(earlier.ages, later.ages)[None, :])
        right.append(np.array([weight * math.log(later.value / earlier.value)]))
    found = np.linalg.lstsq(np.vstack(rows), np.concatenate(right), rcond=None)[0]
    return np.exp(found[PART_OF])


def _county_counts(counts: Counts) -> list[_CohortCount]:
    """Return every county count of whole cohorts."""
    out = []
    for at, year in enumerate(counts.years):
        wide = [(YOUNG, counts.young[:, at].sum())]
        wide += [(ages, counts.pupils[:, band, at].sum()) for band, ages in enumerate(BAND_AGES)]
        wide += [(ages, counts.stages[stage, at]) for stage, ages in enumerate(STAGE_AGES)]
        wide += [((age, age), counts.leavers[stage, at]) for stage, age in enumerate(LEAVER_AGES)]
        wide += [((0, 0), counts.births[:-1, at].sum())]
        for (low, high), value in wide:
            if value > 0:
                out.append(_CohortCount(year - high, (year,) * (high - low + 1), float(value)))
    return [*out, *_joined(out)]


def _joined(found: list[_CohortCount]) -> Iterator[_CohortCount]:
    """Join single cohorts counted at one age in years running (births, leavers) to the spans others are counted in."""
    single = {(c.counted[0] - c.first_cohort, c.first_cohort): c for c in found if len(c.counted) == 1}
    for age, cohort in sorted(single):
        for span in (3, 6):
            run = [single.get((age, cohort + step)) for step in range(span)]
            known = [count for count in run if count is not None]
            if len(known) == span:
                yield _CohortCount(cohort, tuple(c.counted[0] for c in known), sum(c.value for c in known))


def _pairs(found: list[_CohortCount]) -> Iterator[tuple[_CohortCount, _CohortCount]]:
    """Return each count with the next later one of exactly the same cohorts."""
    same: dict[tuple[int, int], list[_CohortCount]] = defaultdict(list)
    for count in found:
        same[count.first_cohort, len(count.counted)].append(count)
    for group in same.values():
        ordered = sorted(group, key=lambda c: float(c.ages.mean()))
        for earlier, later in pairwise(ordered):
            if (later.ages >= earlier.ages).all() and later.ages.sum() > earlier.ages.sum():
                yield earlier, later


def _exposure(young: Any, old: Any) -> Any:
    """Return the mean number of steps the cohorts took in each part of the way."""
    out = np.zeros(len(PARTS))
    for first, last in zip(young, old, strict=True):
        np.add.at(out, PART_OF[first:last], 1.0)
    return out / len(young)


def drift(counts: Counts) -> Any:
    """Return each village's own yearly logarithmic drift against the county: families who move about inside it.

    Counts three years apart speak of the same children (3–5 years → grades 1–3 → 4–6 → 7–9). What a village has
    more than the county's ratio gives is its own drift, believed as far as the number of children carries it. In a
    panel too short for that, the village's share of each age group from one year to the next has to do.

    Returns
    -------
    array (villages,)
        Zero where nothing can be told.
    """
    spans = [counts.young, *(counts.pupils[:, band] for band in range(len(BAND_AGES)))]
    if len(counts.years) > 3:
        aligned = _more_than_expected(counts, list(pairwise(spans)), years=3)
        if aligned.any():
            return aligned
    return _more_than_expected(counts, [(span, span) for span in spans], years=1)


def _more_than_expected(counts: Counts, spans: list[tuple[Any, Any]], years: int) -> Any:
    """Return the yearly logarithm of what villages have more than the county's ratio of two counts gives.

    Several such logarithms of one village (other years, other ages) differ by chance. Their scatter within villages
    against that between villages says how far a village's mean is believed (empirical Bayes): a drift that repeats
    itself wholly, one that does not hardly at all.
    """
    given = assumptions()
    logs, sizes, weights = [], [], []
    for at in range(len(counts.years) - years):
        for before, after in spans:
            old, new = before[:, at], after[:, at + years]
            both = np.isfinite(old) & np.isfinite(new)
            if old[both].sum() > 0 and new[both].sum() > 0:
                expected = np.where(both, old * new[both].sum() / old[both].sum(), 0.0)
                logs.append(np.log((np.where(both, new, 0.0) + 1.0) / (expected + 1.0)) / years)
                sizes.append(expected)
                weights.append(float(given["recency"]) ** (len(counts.years) - years - 1 - at))
    if not logs:
        return np.zeros(len(counts.villages))
    values, size, weight = np.array(logs), np.mean(sizes, axis=0), np.array(weights)
    mean = np.average(values, axis=0, weights=weight)
    if len(logs) < 2:  # nothing repeats itself yet
        return mean * size / (size + 3.0 * float(given["village_weight"]) / years)
    effective = weight.sum() ** 2 / (weight**2).sum()
    scatter = (np.average((values - mean) ** 2, axis=0, weights=weight) * size).sum() / max((size > 0).sum(), 1)
    noise = scatter / (effective - 1.0) / np.maximum(size, 1.0)
    between = max(0.0, float(np.average(mean**2 - noise, weights=size)) if size.sum() > 0 else 0.0)
    return mean * between / (between + noise + 1e-12)


def _growth(steps: Any, age: int, to: int) -> float:
    """Return the ratio of a cohort at one age to itself at an earlier one.

    Examples
    --------
    >>> round(_growth(np.full(14, 0.9), 2, 4), 4)
    0.81
    """
    return float(np.prod(steps[age : min(to, AGES - 1)]))


def grade_of(age: int) -> int | None:
    """Return the grade children of an age are in; None below school age."""
    return age - FIRST_AGE + 1 if age >= FIRST_AGE else None
