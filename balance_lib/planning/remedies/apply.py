"""Put a plan into effect: the county as it is once everything in the plan is done."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from balance_lib.data.county import County
from balance_lib.planning.remedies.affine import Floats
from balance_lib.planning.remedies.levers import COUNTY, Cell, Lever, LeverCells
from balance_lib.planning.remedies.plan import CHANGE_COLUMNS, RemedyPlan


def apply(county: County, plan: RemedyPlan) -> County:
    """Return the county with everything in the plan done in its year; the county itself is not changed.

    Parameters
    ----------
    county : County
        The county the plan was made for.
    plan : RemedyPlan
    """
    return _changed(county, plan.year, plan.changes)


def _changed(county: County, year: int, changes: pd.DataFrame) -> County:
    """Return the county with some cells of one year set to new values."""
    rows, figures = county.tables["school_years"].copy(), county.tables["county_years"].copy()
    place = {
        (school, stage): at
        for at, school, stage, y in reversed(
            list(zip(rows.index, rows["school_id"], rows["stage"], rows["year"], strict=True))
        )
        if y == year
    }
    item = {name: at for at, name, y in reversed(list(zip(figures.index, figures["item"], figures["year"],
            strict=True))) if y == year}  # fmt: skip
    for change in changes.itertuples():
        if change.school_id == COUNTY:
            figures.loc[item[change.column], "value"] = change.after
        else:
            rows.loc[place[(change.school_id, change.stage)], change.column] = change.after
    return county.with_tables(school_years=rows, county_years=figures)


def _changes_of(ground: LeverCells, levers: Sequence[Lever], x: Floats) -> pd.DataFrame:
    """Return what a plan changes, cell by cell, with the values before and after."""
    moved: dict[Cell, float] = {}
    for lever, units in zip(levers, x, strict=True):
        for cell, amount in lever.effects if units else ():
            moved[cell] = moved.get(cell, 0.0) + amount * float(units)
    rows = [
        (*cell, ground.values[cell], round(ground.values[cell] + amount, 9))
        for cell, amount in moved.items()
        if abs(amount) > 1e-12
    ]
    return pd.DataFrame(rows, columns=CHANGE_COLUMNS)
