"""Hand on what belongs to pupils who change school: staff, equipment, books, funds; not one lost, none invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from balance_lib import standards
from balance_lib.data import tables

Floats = npt.NDArray[np.float64]

# Columns that go with the pupils themselves.
_PUPILS = (
    "pupils_in_zone", "migrant_pupils", "home_taught_pupils", "graduates", "entrants_3y_ago", "transfers_in_3y",
    "transfers_out_3y", "deaths_3y", "public_budget_yuan", "public_final_yuan", "training_budget_yuan",
)  # fmt: skip
_EQUIPMENT = ("equipment_yuan", "computers")
# A person has one of these: they are handed on as nested counts, so that no receiver gets more of them than teachers.
_DEGREES = ("teachers_college", "teachers_bachelor", "teachers_master", "teachers_doctor")


@cache
def columns() -> dict[str, tuple[str, ...]]:
    """Return the columns of ``school_years`` that move, by what they are: pupils, teachers, equipment, books.

    Everything else is a building, which stays, or is formed anew (pupils, boarders, classes, grades, flags).
    """
    names = tables.table("school_years").columns
    staff = [n for n in names if n == "staff" or n.startswith(("teachers", "visiting_"))]
    return {"pupils": _PUPILS, "teachers": tuple(staff), "equipment": _EQUIPMENT, "books": ("books",)}


@cache
def buildings() -> tuple[str, ...]:
    """Return the columns that never move and are left behind when a school closes."""
    spec = tables.table("school_years").columns
    named = ("multimedia_rooms", "music_rooms", "art_rooms")
    return tuple(n for n in spec if (n.endswith("_m2") or n in named) and n != "leased_sports_m2")


@cache
def blank_is_none() -> frozenset[str]:
    """Return the columns whose blank means none, because the official form leaves them optional."""
    found: set[str] = set()
    for indicator in standards.load("quality_2017").indicators.values():
        found.update(indicator.blank_is_zero)
    return frozenset(found)


def divided(total: float, weights: Sequence[float]) -> Floats:
    """Divide an amount in proportion to weights, the sum kept exactly; whole numbers stay whole (Webster's method).

    Webster's method is house monotone: of a smaller amount nobody gets more than of a larger one. Teachers with a
    certificate, being fewer than teachers, are therefore never more than the teachers who come.

    Parameters
    ----------
    total : float
        Not negative; NaN gives NaN to everyone with a weight.
    weights : sequence of float
        Not negative, one of them positive.

    Examples
    --------
    >>> divided(7, [2, 1, 1]).tolist()
    [3.0, 2.0, 2.0]
    """
    from balance_lib.scenarios import loops

    out = np.empty(len(weights))
    loops.divided(float(total), np.asarray(weights, dtype=float), out)
    return out


def handed_on(row: Mapping[str, float], names: Sequence[str], weights: Sequence[float]) -> dict[str, Floats]:
    """Divide the columns of one row among receivers.

    Parameters
    ----------
    row : mapping of str to float
    names : sequence of str
        Names of the figures.
    weights : sequence of float
        Weights of the receivers.

    Returns
    -------
    mapping of column to array (receivers,)
        Degrees are divided as nested counts.
    """
    out, below, before = {}, 0.0, np.zeros(len(weights))
    for name in (n for n in names if n not in _DEGREES):
        out[name] = divided(row[name], weights)
    for name in (n for n in names if n in _DEGREES):
        if np.isnan(row[name]):
            out[name] = divided(row[name], weights)
            continue
        below += row[name]
        nested = divided(below, weights)
        out[name], before = nested - before, nested
    return out
