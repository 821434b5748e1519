"""Check an outcome on a way of its own: nobody moves without cause, nobody is lost, no school is fuller than told."""

from __future__ import annotations

import numpy as np
import pandas as pd

from balance_lib.scenarios.base import Base
from balance_lib.scenarios.changes import Changed
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import BookkeepingError
from balance_lib.standards import STAGES


def verify(layout: Layout, moved: pd.DataFrame, crowded: pd.DataFrame, changed: Changed, after: Base) -> None:
    """Refuse a result that does not stand up, computed from the changed tables and not from what made them.

    Checked: a closed school has no pupils; the attendance of each school and stage is its enrolment; only pupils of
    schools the scenario touches, or zoned by it, have moved; each village has as many pupils as before; whoever is
    beyond the places of a school is told as overflow.

    Parameters
    ----------
    layout : Layout
    moved : DataFrame
        Pupils who change school.
    crowded : DataFrame
        Schools above their places.
    changed : Changed
    after : Base

    Raises
    ------
    BookkeepingError
    """
    _closed_are_empty(layout, after)
    _rolls_agree(layout, after)
    _villages_keep_their_pupils(layout.base.groups, moved, changed.groups)
    _only_affected_move(layout, moved)
    _overflow_is_told(layout, moved, crowded)


def _refuse(what: str, where: object) -> None:
    raise BookkeepingError(f"{what}: {where}")


def _closed_are_empty(layout: Layout, after: Base) -> None:
    closed = set(layout.frame.index[~layout.frame["there"]])
    left = closed & set(after.rows.loc[after.rows["stage"].isin(STAGES), "school_id"])
    if left or closed & set(after.county.table("attendance", after.year)["school_id"]):
        _refuse("closed schools still have pupils", sorted(left))


def _rolls_agree(layout: Layout, after: Base) -> None:
    beyond = {school for school, pupils in after.over.items() if pupils > 0} - set(layout.base.over)
    if beyond:
        _refuse("attendance exceeds enrolment", sorted(beyond))
    missing = after.groups.loc[after.groups["village_id"] == "", "pupils"].sum()
    was = layout.base.groups.loc[layout.base.groups["village_id"] == "", "pupils"].sum()
    if missing > was:
        _refuse("enrolment exceeds attendance", missing - was)


def _villages_keep_their_pupils(before: pd.DataFrame, moved: pd.DataFrame, after: pd.DataFrame) -> None:
    key = ["village_id", "band"]
    lost = moved[moved["to_id"] == ""].groupby(key)["pupils"].sum()
    sums = [frame.groupby(key)["pupils"].sum() for frame in (before, after)]
    difference = sums[0].sub(sums[1], fill_value=0.0).sub(lost, fill_value=0.0)
    if difference.abs().max() > 0:
        _refuse("villages lose or gain pupils", difference[difference != 0].to_dict())


def _only_affected_move(layout: Layout, moved: pd.DataFrame) -> None:
    if layout.scenario.settings.rezone or moved.empty:
        return
    touched = {o.school_id for o in layout.scenario.effective}
    without = moved[~moved["from_id"].isin(touched) & ~moved["to_id"].isin(touched)]
    if len(without):
        _refuse("pupils move without cause", sorted(set(without["from_id"])))


def _overflow_is_told(layout: Layout, moved: pd.DataFrame, stays: pd.DataFrame) -> None:
    """Count each school's pupils anew: beyond its places only by what was told, or by what it had before."""
    off = moved.groupby(["from_id", "band"])["pupils"].sum().unstack(fill_value=0.0)
    on = moved.groupby(["to_id", "band"])["pupils"].sum().unstack(fill_value=0.0)
    over = moved.groupby(["to_id", "band"])["overflow"].sum().unstack(fill_value=0.0)
    ids, bands = layout.places.index, layout.places.columns
    off, on, over = (f.reindex(index=ids, columns=bands, fill_value=0.0).to_numpy() for f in (off, on, over))
    if len(stays):
        stays = stays.groupby(["to_id", "band"])["overflow"].sum().unstack(fill_value=0.0)
        over = over + stays.reindex(index=ids, columns=bands, fill_value=0.0).to_numpy()
    before = layout.base.sums.reindex(ids).fillna(0.0).to_numpy()
    room = np.maximum(layout.places.to_numpy(), before - off)
    beyond = (before - off + on) - room - over
    if len(beyond) and beyond.max() > 1e-6:
        _refuse("places are exceeded and not told", ids[np.argmax(beyond.max(axis=1))])
