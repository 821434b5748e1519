"""Form classes grade by grade, and count them by size as the official form does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from balance_lib.data import tables
from balance_lib.scenarios.settings import default

SMALL_CLASS = 30  # as the second of the official form's two flags is named
FLAGS = ("small_rural_50_99", "largest_class_under_30")


def formed(
    row: Mapping[str, Any], bands: Mapping[str, float], cap: float, classes: float | None = None
) -> dict[str, Any]:
    """Return what the pupils of a stage make of its classes: count, size bands and the two small-school flags.

    The classes there are stay; where a grade would exceed the cap, it gets one more. In a school with fewer classes
    than grades (复式) grades share classes.

    Parameters
    ----------
    row : mapping
        The stage's row of ``school_years``: ``classes`` and ``grades`` before.
    bands : mapping of band to pupils
    cap : float
        Most pupils in a class.
    classes : float, optional
        Classes there are, instead of the row's.
    """
    there = row["classes"] if classes is None else classes
    found = _sizes(bands, row["grades"], there, cap)
    edges = [most for _, most in _size_bands()]
    counts = np.bincount(np.searchsorted(edges, found), minlength=len(edges)) if found else np.zeros(len(edges))
    out: dict[str, Any] = {name: float(n) for (name, _), n in zip(_size_bands(), counts, strict=True)}
    pupils = sum(bands.values())
    out["classes"] = float(len(found))
    no_longer = pupils >= default("small_school"), max(found, default=0) >= SMALL_CLASS
    out |= {flag: 0.0 for flag, no in zip(FLAGS, no_longer, strict=True) if no and not _missing(row.get(flag))}
    return out


def _sizes(bands: Mapping[str, float], grades: float, classes: float, cap: float) -> list[int]:
    """Return the sizes of the classes.

    ``bands``: spread evenly over the grades of the band. ``grades``: how many grades the stage has; of an incomplete
    school the upper ones are missing. ``classes``: how many classes there are; NaN: as many as needed.

    Examples
    --------
    >>> _sizes({"g1_3": 96, "g4_6": 60}, 6, 6, 45)
    [32, 32, 32, 20, 20, 20]
    >>> _sizes({"g1_3": 150}, 3, 3, 45)
    [25, 25, 25, 25, 25, 25]
    >>> _sizes({"g1_3": 14, "g4_6": 7}, 6, 2, 45)
    [11, 10]
    """
    from balance_lib.scenarios import loops

    names = ("g7_9",) if "g7_9" in bands else ("g1_3", "g4_6")
    pupils = np.array([bands.get(band, 0.0) for band in names], dtype=float)
    there = math.nan if _missing(classes) else float(classes)
    return [int(size) for size in loops._class_sizes(pupils, float(grades), there, float(cap))]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


@cache
def _size_bands() -> tuple[tuple[str, float], ...]:
    """Return the columns of classes by size with the largest class of each."""
    names = [name for name in tables.table("school_years").columns if name.startswith("classes_")]
    return tuple((name, math.inf if name.endswith("up") else float(name.split("_")[-1])) for name in names)
