"""Hand on what belongs to pupils who change school: staff, equipment, books, funds; not one lost, none invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import standards
from balance_lib.data import tables
from balance_lib.data.tables.kinds import STAGES_OF
from balance_lib.scenarios import classes
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.layout import Layout
from balance_lib.standards import STAGES

if TYPE_CHECKING:
    from balance_lib.scenarios.arrays import LayoutArrays
    from balance_lib.scenarios.moves import Flows

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Columns that go with the pupils themselves.
_PUPILS = (
    "pupils_in_zone", "migrant_pupils", "home_taught_pupils", "graduates", "entrants_3y_ago", "transfers_in_3y",
    "transfers_out_3y", "deaths_3y", "public_budget_yuan", "public_final_yuan", "training_budget_yuan",
)  # fmt: skip
_EQUIPMENT = ("equipment_yuan", "computers")
# A person has one of these: they are handed on as nested counts, so that no receiver gets more of them than teachers.
DEGREES = ("teachers_college", "teachers_bachelor", "teachers_master", "teachers_doctor")


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
def formed() -> frozenset[str]:
    """Return the columns that are formed anew where pupils change."""
    names = [name for name in tables.table("school_years").columns if name.startswith("classes")]
    return frozenset((*names, *classes.FLAGS, "grades", "boarders", "funded_pupils"))


@cache
def blank_is_none() -> frozenset[str]:
    """Return the columns whose blank means none, because the official form leaves them optional."""
    found: set[str] = set()
    for indicator in standards.load("quality_2017").indicators.values():
        found.update(indicator.blank_is_zero)
    return frozenset(found)


def _divided(total: float, weights: Sequence[float]) -> Floats:
    """Divide an amount in proportion to weights, the sum kept exactly; whole numbers stay whole (Webster's method).

    Webster's method is house monotone: of a smaller amount nobody gets more than of a larger one. Teachers with a
    certificate, being fewer than teachers, are therefore never more than the teachers who come.

    ``total``: not negative; NaN gives NaN to everyone with a weight. ``weights``: not negative, one of them positive.

    Examples
    --------
    >>> _divided(7, [2, 1, 1]).tolist()
    [3.0, 2.0, 2.0]
    """
    from balance_lib.scenarios import sharing

    out = np.empty(len(weights))
    sharing._divided(float(total), np.asarray(weights, dtype=float), out)
    return out


_WHOLE, _SENIOR = -1, 2  # positions of rows that are no compulsory stage
_STAYS, _WITH_PUPILS = -2, -1  # where a subject goes, beside schools


@dataclass(frozen=True, eq=False)
class HandedOn:
    """Hold what is where once pupils have moved; rows and columns are those of :class:`Holdings`.

    Parameters
    ----------
    figures : array of float, shape (rows, columns)
    pupils : array of float, shape (rows,)
    there, changed : array of bool, shape (rows,)
        Rows that stand afterwards (begun, and neither closed nor run empty), and those of stages whose pupils or rooms
        change.
    left, given : array of float, shape (columns,)
        What is left behind, and what schools that open are given.
    unknown : array of bool, shape (columns,)
        Of which somebody got an amount nobody knows.
    """

    figures: Floats
    pupils: Floats
    there: Bools
    changed: Bools
    left: Floats
    given: Floats
    unknown: Bools


class Holdings:
    """Lay out what schools hold, a row a school and stage or whole school, and hand it on with the pupils.

    Pupils take along what is theirs; staff, equipment and books of a school that closes or gives up grades go where
    its operation says, by default with the pupils. New zones move no staff as long as anybody is left to be taught. A
    school that closes without pupils leaves its goods to the nearest one that stays.

    Parameters
    ----------
    arrays : LayoutArrays
    columns : sequence of str
        Columns of ``school_years``; those that are no goods stay in their row.

    Attributes
    ----------
    table : DataFrame
        Rows of ``school_years``; those of stages that may begin stand last and hold nothing yet.
    """

    def __init__(self, arrays: LayoutArrays, columns: Sequence[str]) -> None:
        self.arrays, self.columns = arrays, list(columns)
        rows = arrays.base.rows
        rows = rows[rows["school_id"].isin(arrays.index)].reset_index(drop=True)
        begins = _beginning(arrays, rows)
        self.begins = np.arange(len(rows) + len(begins)) >= len(rows)
        self.table = rows if begins.empty else pd.concat([rows, begins], ignore_index=True)
        self.figures = np.array(self.table[self.columns], dtype=float, order="C")
        self.pupils = np.array(self.table["pupils"], dtype=float)
        self.school = np.array(arrays.index.get_indexer(self.table["school_id"]), dtype=np.int64)
        positions = {name: i for i, name in enumerate(STAGES)} | {"shared": _WHOLE}
        self.stage = np.array(self.table["stage"].map(positions).fillna(_SENIOR), dtype=np.int64)
        self.taught = (self.stage >= 0) & (self.stage < _SENIOR)
        self.own_row, self.whole_row = np.full((len(arrays.index), 2), -1), np.full(len(arrays.index), -1)
        self.own_row[self.school[self.taught], self.stage[self.taught]] = np.flatnonzero(self.taught)
        whole = self.stage == _WHOLE
        self.whole_row[self.school[whole]] = np.flatnonzero(whole)
        self._order = np.lexsort((np.arange(len(self.school)), arrays.rank[self.school]))
        self._subjects()
        self._held = self._to_hand_on()
        other = (self.stage == _SENIOR) & (self.pupils != 0)
        self._senior = np.bincount(self.school[other], minlength=len(arrays.index)) > 0
        self._goes_to = self._said(arrays.layout)

    def _subjects(self) -> None:
        """Say of each column to which subject it belongs, and how it is divided."""
        subject = {name: k for k, names in enumerate(columns().values()) for name in names}
        self._subject = np.array([subject.get(name, -1) for name in self.columns], dtype=np.int64)
        self._blank = np.array([name in blank_is_none() for name in self.columns], dtype=bool)
        self._degree = np.array([name in DEGREES for name in self.columns], dtype=bool)
        self._staying = np.array([name in buildings() for name in self.columns], dtype=bool)

    def _to_hand_on(self) -> Floats:
        """Return what each row has to hand on: nothing where the school's figure stands on another row."""
        known, schools = ~np.isnan(self.figures), len(self.arrays.index)
        whole, apart = self.stage == _WHOLE, (self.stage != _WHOLE) & ~self.begins
        on = np.zeros((2, schools, len(self.columns)), dtype=bool)
        for at, rows in enumerate((whole, apart)):
            np.logical_or.at(on[at], self.school[rows], known[rows])
        elsewhere = np.where(whole[:, None], on[1][self.school], on[0][self.school])
        blank = np.where(elsewhere | self._blank, 0.0, np.nan)
        return np.where(self._subject < 0, 0.0, np.where(known, self.figures, blank))

    def _said(self, layout: Layout) -> Any:
        """Return where the staff, equipment and books of each school go."""
        out = np.full((len(self.arrays.index), 4), _STAYS, dtype=np.int64)
        out[:, 0] = _WITH_PUPILS
        for school, operation in layout.movings.items():
            said = [getattr(operation, subject) for subject in ops.GOODS]
            to = [_WITH_PUPILS if name == ops.WITH_PUPILS else self.arrays.index.get_loc(name) for name in said]
            out[self.arrays.index.get_loc(school), 1:] = to
        return out

    def after(self, flows: Flows, shut: Bools) -> HandedOn:
        """Hand on what belongs to pupils who move.

        Parameters
        ----------
        flows : Flows
        shut : array of bool, shape (schools,)
            Schools that are closed, by the scenario or besides.
        """
        from balance_lib.scenarios import sharing

        arrays, n, placed = self.arrays, len(self.arrays.index), flows.placed
        went, came = np.zeros((n, 2)), np.zeros((n, 2))
        np.add.at(went, (flows.from_, flows.stage), flows.pupils)
        np.add.at(came, (flows.to[placed], flows.stage[placed]), flows.pupils[placed])
        stay = np.column_stack([arrays.sums[:, :2].sum(axis=1), arrays.sums[:, 2]]) - went
        stage = np.where(self.taught, self.stage, 0)
        begun = ~self.begins | (came[self.school, stage] > 0)
        figures, given = self.figures.copy(), self._given(came)
        for (row, column), amount in given.items():
            figures[row, column] = amount
        own = np.where(begun[self.own_row] & (self.own_row >= 0), self.own_row, -1)
        nobody = stay + came == 0
        empty = np.where(self.taught, nobody[self.school, stage], (nobody.all(axis=1) & ~self._senior)[self.school])
        goes_to = np.where((self._goes_to == _STAYS) & shut[:, None], _WITH_PUPILS, self._goes_to)
        order = np.lexsort((-flows.stage, np.append(arrays.rank, n)[flows.to], flows.from_))
        start = np.append(0, np.bincount(flows.from_, minlength=n).cumsum())
        rows = sharing.HoldingRows(self._order, self.school, self.stage, own, self.whole_row, empty)
        divided_by = sharing.HoldingColumns(self._subject, self._degree, self._blank)
        receivers = sharing.Receivers(
            shut, goes_to, stay, self._nearest(shut, flows), start, flows.to[order], flows.stage[order],
            flows.pupils[order],
        )  # fmt: skip
        left, unknown = sharing._hand_on(figures, self._held, rows, divided_by, receivers)
        change = came - went
        pupils = self.pupils + np.where(self.taught, change[self.school, stage], 0.0)
        changed = self.taught & ((came > 0) | (went > 0) | arrays.resized)[self.school, stage]
        there = begun & ~shut[self.school] & ~(changed & (pupils == 0))
        taught = np.bincount(self.school[there & self.taught], minlength=n) > 0
        there &= (self.stage != _WHOLE) | taught[self.school]
        goods = (self._subject >= 0) | self._staying
        left += np.where(goods, np.nansum(figures[begun & ~there], axis=0), 0.0)
        total = np.zeros(len(self.columns))
        for (_, column), amount in given.items():
            total[column] += amount
        return HandedOn(figures, pupils, there, changed, left, total, unknown)

    def _given(self, came: Floats) -> dict[tuple[int, int], float]:
        """Return by row and column what schools that open start with; of a through-school the first stage holds it."""
        out: dict[tuple[int, int], float] = {}
        for operation in self.arrays.layout.scenario.effective:
            if isinstance(operation, ops.Open) and operation.gives:
                school = self.arrays.index.get_loc(operation.school_id)
                if came[school].any():
                    row = int(self.own_row[school, int(np.argmax(came[school] > 0))])
                    given = {name: amount for name, amount in operation.gives if name in self.columns}
                    out |= {(row, self.columns.index(name)): amount for name, amount in given.items()}
        return out

    def _nearest(self, shut: Bools, flows: Flows) -> Any:
        """Return for each school that closes a stage without pupils the nearest that stays and its stage; -1 none."""
        arrays, out = self.arrays, np.full((len(shut), 2), -1)
        taken = np.zeros((len(shut), 2), dtype=bool)
        taken[flows.from_[flows.placed], flows.stage[flows.placed]] = True
        before = np.where(self.own_row >= 0, ~self.begins[self.own_row], False)
        for school in np.flatnonzero(shut & (before & ~taken).any(axis=1)):
            stage = 0 if before[school, 0] else 1
            others = np.flatnonzero(arrays.there & ~shut & ~arrays.private & before[:, stage])
            if len(others):
                out[school] = others[int(np.argmin(arrays.between[school, others]))], stage
        return out


def _beginning(arrays: LayoutArrays, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the stages that schools teach afterwards and have none of: they hold nothing yet."""
    frame, told = arrays.layout.frame, np.zeros((len(arrays.index), 2), dtype=bool)
    for s, stage in enumerate(STAGES):
        told[arrays.index.get_indexer(rows.loc[rows["stage"] == stage, "school_id"]), s] = True
    of_kind = [[stage in STAGES_OF.get(str(kind), ()) for stage in STAGES] for kind in frame["kind"]]
    teaches = np.column_stack([arrays.teaches[:, :2].any(axis=1), arrays.teaches[:, 2]])
    school, stages = np.nonzero((teaches | np.array(of_kind)) & arrays.there[:, None] & ~told)
    if not len(school):
        return rows.iloc[:0]
    order = np.lexsort((stages, arrays.rank[school]))
    ids, names = arrays.index[school[order]], [STAGES[s] for s in stages[order]]
    made = pd.DataFrame({"school_id": ids, "year": arrays.base.year, "stage": names})
    nothing = [*(name for moving in columns().values() for name in moving), "pupils", "boarders", *classes.FLAGS]
    made[nothing] = 0.0
    made["grades"] = np.where(stages[order] == 0, 6.0, 3.0)
    made["classes"] = [float(frame.at[i, f"classes_{stage}"]) for i, stage in zip(ids, names, strict=True)]
    return tables.conform(made.reindex(columns=rows.columns), "school_years")
