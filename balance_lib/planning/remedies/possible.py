"""Say what must stay possible: nothing below zero, no part above its whole, no school stripped to lend a teacher."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from balance_lib.data.check.figures import PARTS
from balance_lib.evaluation import schools as judged
from balance_lib.planning.remedies.demands import LinearCondition
from balance_lib.planning.remedies.levers import COUNTY, Lever
from balance_lib.planning.remedies.moves import LeverEffects, entries_of
from balance_lib.standards import STAGES


def _possible(moves: LeverEffects, county_parts: Sequence[tuple[str, str]]) -> Iterator[LinearCondition]:
    """Yield that nothing falls below zero and no part exceeds its whole, wherever a lever touches it."""
    touched: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    rows = entries_of(moves.effects)
    for cell, i in moves.cells.items():
        at = rows[i]
        touched.setdefault((cell[0], cell[1]), {})[cell[2]] = at
        if min(at.values()) < 0:
            yield LinearCondition("", cell[0], cell[1], moves.ground.values[cell], at)
    parts = [(names, whole) for table, names, whole in PARTS if table == "school_years"]
    parts_of: dict[bool, Any] = {False: parts, True: [((part,), whole) for part, whole in county_parts]}
    for (school, stage), columns in touched.items():
        for names, whole in parts_of[school == COUNTY]:
            row = _part(moves, school, stage, names, whole, columns)
            if row is not None:
                yield row


def _part(
    moves: LeverEffects,
    school: str,
    stage: str,
    names: Sequence[str],
    whole: str,
    columns: Mapping[str, Mapping[int, float]],
) -> LinearCondition | None:
    at: dict[int, float] = {}
    for name, sign in (*((n, -1.0) for n in names), (whole, 1.0)):
        for j, amount in columns.get(name, {}).items():
            at[j] = at.get(j, 0.0) + sign * amount
    total = moves.ground.values.get((school, stage, whole), math.nan)
    known = [moves.ground.values.get((school, stage, n), math.nan) for n in names]
    held = sum(value for value in known if value == value)
    if total != total or not any(amount < 0 for amount in at.values()):
        return None
    return LinearCondition("", school, stage, max(0.0, total - held), {j: a for j, a in at.items() if a})


def lent(moves: LeverEffects) -> Iterator[LinearCondition]:
    """Yield that teachers who leave come from above the school's own lines, and that who leaves arrives."""
    pairs: dict[tuple[str, str], dict[int, float]] = {}
    for j, lever in enumerate(moves.levers):
        if lever.lends or lever.takes:
            pairs.setdefault((lever.action, lever.stage), {})[j] = 1.0 if lever.takes else -1.0
    for (_, stage), at in pairs.items():
        yield LinearCondition("", "", stage, 0.0, at, equal=True)
    for taught in STAGES:
        for name, line in moves.lines_of(taught).items():
            yield from _own_line(moves, name, taught, line)


def _own_line(moves: LeverEffects, name: str, stage: str, line: float) -> Iterator[LinearCondition]:
    lends = np.array([lever.lends for lever in moves.levers], dtype=bool)
    if not any(lever.lends and lever.stage == stage for lever in moves.levers) or line != line:
        return
    ratio, included = moves.values_of(moves.ground.standard, name, moves.switches)
    frame = moves.ground.frame("stages")
    here = included & ratio.known & (frame["stage"] == stage).to_numpy()
    item = judged.indicator_items(moves.ground.standard)[(name, stage)]
    ids = list(frame.loc[here, "school_id"])
    for row in moves.rows_of(item, "stages", ratio, np.full(len(frame), line), here, [stage] * len(ids), ids):
        at = {j: a for j, a in row.at.items() if lends[j] and a < 0}
        if at:
            yield LinearCondition("", row.school_id, stage, max(0.0, row.base), at)


def _lendable(moves: LeverEffects, loans: Sequence[LinearCondition]) -> list[Lever]:
    """Return the levers, none lending more than whole teachers above the school's own lines."""
    out = list(moves.levers)
    held = {j for row in loans if not row.equal for j in row.at}
    for j, lever in enumerate(out):
        if lever.lends and j not in held:  # a school the standard sets no line for is not stripped of teachers
            out[j] = replace(lever, high=0.0)
    for row in (r for r in loans if not r.equal):
        for j, amount in row.at.items():
            out[j] = replace(out[j], high=min(out[j].high, math.floor(row.base / -amount + 1e-9)))
    return out
