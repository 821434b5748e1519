"""Fit factors to measured errors so that a given share of them is smaller: quantile regression."""

from __future__ import annotations

from typing import Any

import numpy as np


def _regress(left: Any, right: Any, level: float) -> Any:
    """Return factors, none negative, so that ``level`` of ``right`` lies below ``left @ factors``.

    Solved as the dual linear programme, which has as many rows as there are factors.

    Returns
    -------
    array (factors,)

    References
    ----------
    R. Koenker and G. Bassett (1978), Regression quantiles, Econometrica 46(1): 33–50.

    Examples
    --------
    >>> _regress(np.ones((5, 1)), np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 0.7).round(6).tolist()
    [4.0]
    """
    from scipy.optimize import linprog  # lazy

    scale = np.maximum(left.mean(axis=0), 1e-12)
    size = max(float(np.mean(right)), 1e-12)
    found = linprog(
        -right / size, A_ub=(left / scale).T, b_ub=np.zeros(left.shape[1]), bounds=(level - 1.0, level),
        method="highs-ds",
    )  # fmt: skip
    if not found.success:
        raise RuntimeError(f"quantile regression: {found.message}")
    return np.maximum(-found.ineqlin.marginals, 0.0) * size / scale
