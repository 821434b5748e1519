"""Sum and count columns of figures by group: a missing figure is never a zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def numbered(keys: Ints) -> tuple[Ints, Ints]:
    """Number groups of equal keys in the order they first appear: group of each row, first row of each group."""
    group, found = pd.factorize(keys)
    first = np.full(len(found), len(keys))
    first[group[::-1]] = np.arange(len(keys))[::-1]
    return group, first


def sums(figures: Floats, group: Ints, n: int) -> Floats:
    """Sum columns by group, passing over what is missing.

    Parameters
    ----------
    figures : array of float
        Figures, a row each.
    group : array of int
        Group of each row.
    n : int
    """
    if not len(figures) or not figures.shape[1]:
        return np.zeros((n, figures.shape[1]))
    return pd.DataFrame(figures).groupby(group).sum().reindex(range(n)).to_numpy()  # compensated sums


def _counted(which: Bools, group: Ints, n: int) -> Ints:
    """Count by group and column."""
    order = np.argsort(group, kind="stable")
    out = np.zeros((n, which.shape[1]), dtype=np.int64)
    if len(order):
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        out[group[order][starts]] = np.add.reduceat(which[order], starts, axis=0, dtype=np.int64)
    return out


def _all_missing(figures: Floats, group: Ints, n: int) -> Bools:
    """Tell by group and column whether no row has the figure."""
    return _counted(~np.isnan(figures), group, n) == 0


def _strict(figures: Floats, group: Ints, n: int) -> Floats:
    """Sum columns by group; a group in which one row lacks the figure has no sum."""
    return np.where(_counted(np.isnan(figures), group, n) > 0, np.nan, sums(figures, group, n))


def _by_part_and_year(parts: Sequence[tuple[Floats, Floats]], every: Floats) -> Floats:
    """Sum columns of several parts of the rows by year, strictly; a year without rows has no sum.

    ``parts``: figures, a row each, and the school year of each row.

    Returns
    -------
    array of float, shape (parts, years, columns)
    """
    group = np.concatenate([np.searchsorted(every, years) + i * len(every) for i, (_, years) in enumerate(parts)])
    figures, n = np.concatenate([figures for figures, _ in parts]), len(parts) * len(every)
    there = np.bincount(group, minlength=n) > 0
    summed = np.where(there[:, None], _strict(figures, group, n), np.nan)
    return summed.reshape(len(parts), len(every), figures.shape[1])
