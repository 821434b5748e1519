"""Hold a figure against a line: the one comparison of the package, tolerant of what arithmetic leaves behind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-9
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def _slack(threshold: Any) -> Any:
    """Return how far a figure may stand from its line and still be on it: 1e-9, relative for large thresholds."""
    return TOLERANCE * np.maximum(1.0, np.abs(threshold))


def shortfall(value: float, operator: str, threshold: float) -> float:
    """Return the gap to a threshold: negative is short, whatever the direction; NaN when either is missing.

    Parameters
    ----------
    value : float
    operator : str
    threshold : float
    """
    # Numbers of Python: numpy's own take ten times as long.
    return float(_gaps(float(value), operator, float(threshold)))


def satisfies(value: float, operator: str, threshold: float) -> bool | None:
    """Judge a value: True, False, or None when either is missing.

    Judged on the unrounded value with a tolerance of 1e-9 (relative for large thresholds), so that a figure that
    stands exactly on the line is on it whatever the arithmetic left behind.

    Parameters
    ----------
    value : float
    operator : str
    threshold : float

    Examples
    --------
    >>> satisfies(0.1 + 0.2, "<=", 0.3), satisfies(0.1 + 0.2, ">", 0.3), satisfies(float("nan"), ">=", 1.0)
    (True, False, None)
    """
    gap = shortfall(value, operator, threshold)
    return None if math.isnan(gap) else bool(_holds(gap, operator, float(threshold)))


def _gaps(values: Any, operator: str, thresholds: Any) -> Any:
    """Return the gaps of figures to their lines, as :func:`shortfall`."""
    if operator in (">=", ">"):
        return values - thresholds
    if operator in ("<=", "<"):
        return thresholds - values
    away = np.abs(values - thresholds)
    return np.where(away <= _slack(thresholds), 0.0, -away)


def _holds(gap: Any, operator: str, thresholds: Any) -> Any:
    """Tell from gaps whether figures satisfy their lines; a missing one does not."""
    return gap > _slack(thresholds) if operator in ("<", ">") else gap >= -_slack(thresholds)


def _compare(left: Any, operator: str, right: Any) -> Any:
    """Compare figures as conditions and formulas do; a missing one satisfies nothing.

    ``operator``: comparison, such as ``>=``.
    """
    if operator == "!=":
        return ~(np.abs(left - right) <= _slack(right))
    return _holds(_gaps(left, operator, right), operator, right)
