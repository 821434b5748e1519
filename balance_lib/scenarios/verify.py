"""Check an outcome on a way of its own: nobody moves without cause, nobody is lost, no school is fuller than told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from balance_lib.scenarios.base import BANDS, Base, _summed
from balance_lib.scenarios.changes import Changed
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import BookkeepingError


def _verify(layout: Layout, moved: pd.DataFrame, crowded: pd.DataFrame, changed: Changed, after: Base) -> None:
    """Refuse a result that does not stand up, computed from the changed tables and not from what made them.

    Checked: a closed school has no pupils; the attendance of each school and stage is its enrolment; only pupils of
    schools the scenario touches, or zoned by it, have moved; each village has as many pupils as before; whoever is
    beyond the places of a school is told as overflow.

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
    left = closed & {school for school, _ in after.rolls}
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
    parts = (before, after, moved[moved["to_id"] == ""])
    was, now, lost = (_summed(part, ("village_id", "band"), "pupils") for part in parts)
    difference = {key: was.get(key, 0.0) - now.get(key, 0.0) - lost.get(key, 0.0) for key in {**was, **now, **lost}}
    if any(difference.values()):
        _refuse("villages lose or gain pupils", {key: n for key, n in difference.items() if n})


def _only_affected_move(layout: Layout, moved: pd.DataFrame) -> None:
    if layout.scenario.settings.rezone or moved.empty:
        return
    touched = {o.school_id for o in layout.scenario.effective}
    pairs = zip(moved["from_id"].tolist(), moved["to_id"].tolist(), strict=True)
    if without := {left for left, to in pairs if left not in touched and to not in touched}:
        _refuse("pupils move without cause", sorted(without))


def _overflow_is_told(layout: Layout, moved: pd.DataFrame, stays: pd.DataFrame) -> None:
    """Count each school's pupils anew: beyond its places only by what was told, or by what it had before."""
    ids = layout.places.index

    def by_band(rows: pd.DataFrame, school: str, figure: str) -> Any:
        out = np.zeros((len(ids) + 1, len(BANDS)))  # the last row: no school
        band = [BANDS.index(name) for name in rows["band"].tolist()]
        np.add.at(out, (ids.get_indexer(rows[school]), np.array(band, dtype=np.int64)), rows[figure].to_numpy())
        return out[:-1]

    off, on = by_band(moved, "from_id", "pupils"), by_band(moved, "to_id", "pupils")
    over = by_band(moved, "to_id", "overflow") + by_band(stays, "to_id", "overflow")
    before = layout.base.sums.reindex(ids).fillna(0.0).to_numpy()
    room = np.maximum(layout.places.to_numpy(), before - off)
    beyond = (before - off + on) - room - over
    if len(beyond) and beyond.max() > 1e-6:
        _refuse("places are exceeded and not told", ids[np.argmax(beyond.max(axis=1))])
