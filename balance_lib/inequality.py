"""Measure how unequal schools are: the official difference coefficient, its decomposition, Gini and Theil."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def coefficient_of_variation(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    r"""Compute the pupil-weighted coefficient of variation (差异系数) between schools.

    .. math:: CV = S / \bar X, \quad S = \sqrt{\sum_i \frac{P_i}{P} (X_i - \bar X)^2},
              \quad \bar X = \sum_i \frac{P_i}{P} X_i

    where :math:`X_i` is the figure per pupil of school *i*, :math:`P_i` its pupils and :math:`P` all pupils. It is the
    population form: every pupil counts once, no n − 1.

    Parameters
    ----------
    values : array of float, shape (n,)
        Figure of each school, per pupil or per 100 pupils; any unit. Zero is a value.
    weights : array of float, shape (n,)
        Pupils of each school, > 0.

    Returns
    -------
    float
        The coefficient; NaN when any value is missing, or when the mean is zero.

    Raises
    ------
    ValueError
        If shapes differ, there is no school, or a weight is missing, zero or negative.

    References
    ----------
    教督〔2012〕3号 and 教督〔2017〕6号, 差异系数; it equals the Williamson coefficient.

    Examples
    --------
    Five schools' books: 0.5153 (an unweighted formula would give 0.489).

    >>> books, pupils = [279, 137, 935, 160, 402], [45, 37, 89, 76, 55]
    >>> round(coefficient_of_variation([b / p for b, p in zip(books, pupils)], pupils), 10)
    0.5152566299
    """
    return moments(values, weights)[2]


def moments(values: npt.ArrayLike, weights: npt.ArrayLike) -> tuple[float, float, float]:
    """Compute the county mean, the standard deviation and the difference coefficient together.

    Parameters
    ----------
    values, weights
        As for :func:`coefficient_of_variation`.

    Returns
    -------
    (float, float, float)
        As :func:`weighted_mean`, :func:`standard_deviation` and :func:`coefficient_of_variation`.

    Examples
    --------
    >>> moments([1.0, 3.0], [1, 1])
    (2.0, 1.0, 0.5)
    """
    x, share = _weighted(values, weights)
    mean = float(share @ x)
    deviation = x - mean
    sd = float(np.sqrt(share @ (deviation * deviation)))
    return mean, sd, sd / abs(mean) if mean and not np.isnan(mean) else float("nan")


def weighted_mean(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Compute the county mean: the total over all pupils, not the mean of the schools' ratios.

    Parameters
    ----------
    values : array, shape (schools,)
        The schools' ratios, such as area per pupil.
    weights : array, shape (schools,)
        Pupils of the schools.

    Returns
    -------
    float
        NaN when a value is missing.

    Examples
    --------
    >>> weighted_mean([1.0, 4.0], [2, 1])
    2.0
    """
    return moments(values, weights)[0]


def standard_deviation(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Compute the pupil-weighted population standard deviation, ``S`` of the difference coefficient.

    Parameters
    ----------
    values, weights : array, shape (schools,)
        The schools' ratios and their pupils.

    Returns
    -------
    float
        In the unit of the values; NaN when a value is missing.

    Examples
    --------
    >>> standard_deviation([1.0, 3.0], [1, 1])
    1.0
    """
    return moments(values, weights)[1]


def contributions(values: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    r"""Compute each school's share of the variance between schools: who drives the coefficient.

    :math:`c_i = P_i (X_i - \bar X)^2 / \sum_j P_j (X_j - \bar X)^2`; the shares sum to 1.

    Parameters
    ----------
    values, weights
        As for :func:`coefficient_of_variation`.

    Returns
    -------
    array of float, shape (n,)
        Shares; all zero when the schools are equal.

    Examples
    --------
    >>> contributions([1.0, 1.0, 4.0], [1, 1, 1]).round(3).tolist()
    [0.167, 0.167, 0.667]
    """
    x, share = _weighted(values, weights)
    part = share * (x - share @ x) ** 2
    total = part.sum()
    return np.zeros_like(part) if total == 0 else part / total


def between_share(values: npt.ArrayLike, weights: npt.ArrayLike, groups: npt.ArrayLike) -> float:
    r"""Compute how much of the variance lies between groups (townships), the rest lying within them.

    :math:`\sum_g P_g (\bar X_g - \bar X)^2 / \sum_i P_i (X_i - \bar X)^2`, between 0 and 1.

    Parameters
    ----------
    values, weights
        As for :func:`coefficient_of_variation`.
    groups : array, shape (n,)
        The group of each school.

    Returns
    -------
    float
        Share between groups; NaN when all schools are equal or a value is missing.

    Examples
    --------
    >>> between_share([1.0, 1.0, 3.0, 3.0], [1, 1, 1, 1], ["a", "a", "b", "b"])
    1.0
    """
    x, share = _weighted(values, weights)
    names, index = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    group_share = np.bincount(index, share, len(names))
    group_mean = np.bincount(index, share * x, len(names)) / group_share
    total = share @ (x - share @ x) ** 2
    return float(group_share @ (group_mean - share @ x) ** 2 / total) if total > 0 else float("nan")


def gini(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    r"""Compute the pupil-weighted Gini coefficient.

    :math:`G = \sum_i \sum_j p_i p_j |X_i - X_j| / (2 \bar X)` with pupil shares *p*; values must not be negative.

    Parameters
    ----------
    values, weights : array, shape (schools,)
        The schools' ratios and their pupils.

    Returns
    -------
    float
        Between 0 (equal) and 1; NaN when a value is missing or the mean is zero.

    Examples
    --------
    >>> gini([0.0, 1.0], [1, 1])
    0.5
    """
    x, share = _weighted(values, weights)
    mean = float(share @ x)
    if mean == 0 or np.isnan(mean):
        return float("nan")
    return float(share @ np.abs(x[:, None] - x[None, :]) @ share / (2 * mean))


def theil(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    r"""Compute the pupil-weighted Theil index, :math:`T = \sum_i p_i (X_i/\bar X) \ln (X_i/\bar X)`.

    A school with zero adds nothing (the limit of x ln x).

    Parameters
    ----------
    values, weights : array, shape (schools,)
        The schools' ratios and their pupils.

    Returns
    -------
    float
        0 when all schools are equal; NaN when a value is missing or the mean is zero.

    Examples
    --------
    >>> theil([2.0, 2.0], [5, 1])
    0.0
    """
    x, share = _weighted(values, weights)
    mean = float(share @ x)
    if mean == 0 or np.isnan(mean):
        return float("nan")
    ratio = x / mean
    return float(share @ np.where(ratio > 0, ratio * np.log(np.where(ratio > 0, ratio, 1.0)), 0.0))


def _weighted(values: Any, weights: Any) -> tuple[Floats, Floats]:
    x, w = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    if x.ndim != 1 or x.shape != w.shape or x.size == 0:
        raise ValueError(f"values and weights must be two lists of the same length >= 1, got {x.shape} and {w.shape}")
    if not (np.isfinite(w).all() and (w > 0).all()):
        raise ValueError("every school needs a number of pupils above zero")
    return x, w / w.sum()
