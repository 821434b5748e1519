"""Compute the difference coefficients anew while a slider moves: formulas on arrays, goods handed on in a loop.

The formulas, the schools that count and the division of shared assets are those of
:mod:`balance_lib.evaluation.indicators`; what does not change with pupils (kind, place, founder) is asked there once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.tables.kinds import THROUGH
from balance_lib.evaluation import indicators
from balance_lib.evaluation.indicators import Formula
from balance_lib.scenarios import goods
from balance_lib.scenarios.layout import Layout
from balance_lib.standards import STAGES, Standard

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Values = Mapping[str, Any]
ALL = "pupils == pupils"  # a condition every row satisfies
_DEGREES = ("teachers_college", "teachers_bachelor", "teachers_master", "teachers_doctor")


class Condition:
    """Tell for which rows a condition surely holds, and for which it surely does not.

    Parameters
    ----------
    source : str
    fixed : callable
        Answers parts that name no moving figure.
    moving : set of str
        Names of figures.
    """

    def __init__(self, source: str, fixed: Callable[[str], tuple[Bools, Bools]], moving: frozenset[str]) -> None:
        self.names = moving & set(indicators.names_in(source))
        self.test = self._of(ast.parse(source.strip(), mode="eval").body, fixed, moving)

    def __call__(self, values: Values) -> tuple[Bools, Bools]:
        """Return (holds, does not hold); neither where a figure is missing."""
        return self.test(values)

    def _of(self, node: ast.expr, fixed: Any, moving: frozenset[str]) -> Callable[[Values], Any]:
        source = ast.unparse(node)
        if not moving & set(indicators.names_in(source)):
            found = fixed(source)
            return lambda values: found
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._of(node.operand, fixed, moving)
            return lambda values: inner(values)[::-1]
        if isinstance(node, ast.BoolOp):
            parts, either = [self._of(part, fixed, moving) for part in node.values], isinstance(node.op, ast.Or)
            return lambda values: _together([part(values) for part in parts], either)
        formula = Formula(source)

        def test(values: Values) -> tuple[Bools, Bools]:
            value = formula(values)
            return value == 1.0, value == 0.0

        return test


def _together(parts: list[tuple[Bools, Bools]], either: bool) -> tuple[Bools, Bools]:
    yes, no = zip(*parts, strict=True)
    first, second = (np.logical_or, np.logical_and) if either else (np.logical_and, np.logical_or)
    return first.reduce(yes), second.reduce(no)


class Coefficients:
    """Hold what the difference coefficients of a standard need of a layout.

    Parameters
    ----------
    layout : Layout
    standard : Standard
    """

    def __init__(self, layout: Layout, standard: Standard) -> None:
        base = layout.base
        self.layout, self.standard = layout, standard
        self.indicators = tuple(standard.indicators)
        self.ids = pd.Index(layout.ids)
        self._formulas(base)
        self._rows(layout)

    def _formulas(self, base: Any) -> None:
        """Read the formulas and list the columns they need."""
        standard, switches = self.standard, self.standard.switches(None)
        numeric = {c.name for c in tables.table("school_years").columns.values() if c.numeric}
        self.moving = frozenset(numeric)
        rows = indicators.frames(base.county, standard).stages
        rows = rows[rows["year"] == base.year]
        told = pd.MultiIndex.from_frame(rows[["school_id", "stage"]]).isin(base.rows.index)
        rows = self._without_untold(rows, told)
        kind = rows["school_id"].map(self.layout.frame["kind"])
        self.stage_rows = rows.assign(kind=kind.fillna(rows["kind"]))
        fixed = self._fixed
        self.count = Condition(standard.included or ALL, fixed, self.moving if standard.included else frozenset())
        self.plain = {name: _formulas(spec) for name, spec in standard.indicators.items()}
        self.variants = {
            name: [
                (Condition(v.where or ALL, fixed, self.moving if v.where else frozenset()), _formulas(v))
                for v in spec.variants
                if switches.get(v.when)
            ]
            for name, spec in standard.indicators.items()
        }

    def _without_untold(self, rows: pd.DataFrame, told: Bools) -> pd.DataFrame:
        """Set aside the stages a through-school has and does not report: while it is open they leave no coefficient."""
        untold, included = rows[~told], self.standard.included
        if included and len(untold):
            untold = untold[(indicators.evaluate(untold, included) != 0.0).to_numpy()]
        self.untold_school = self.ids.get_indexer(untold["school_id"])
        self.untold_stage = np.array([STAGES.index(s) for s in untold["stage"]], dtype=np.int64)
        return rows[told]

    def _fixed(self, source: str) -> tuple[Bools, Bools]:
        """Ask once what does not change with pupils."""
        if source == ALL:
            every = np.ones(len(self.stage_rows), dtype=bool)
            return every, ~every
        value = indicators.evaluate(self.stage_rows, source).to_numpy()
        return value == 1.0, value == 0.0

    @property
    def _needed(self) -> list[str]:
        parts = [*self.plain.values(), *(each for variants in self.variants.values() for _, each in variants)]
        names = {name for part in parts for formula in part for name in formula.names}
        names |= {name for variants in self.variants.values() for where, _ in variants for name in where.names}
        names |= self.count.names
        if names & set(_DEGREES):
            names |= set(_DEGREES)  # handed on as nested counts: each needs the one below
        order = list(tables.table("school_years").columns)
        return sorted(names - {"pupils"}, key=order.index)

    def _rows(self, layout: Layout) -> None:
        """Lay the school rows out as one matrix, with what each row has to hand on."""
        base, needed = layout.base, self._needed
        rows = base.rows[base.rows["school_id"].isin(self.ids)].reset_index(drop=True)
        self.columns = needed
        self.figures = np.array(rows[needed], dtype=float, order="C")
        self.school = np.array(self.ids.get_indexer(rows["school_id"]), dtype=np.int64)
        stages = {name: i for i, name in enumerate(STAGES)}
        self.stage = np.array(rows["stage"].map(stages).fillna(-1), dtype=np.int64)
        self.shared = (rows["stage"] == "shared").to_numpy()
        self.pupils = rows["pupils"].to_numpy(dtype=float)
        self.own_row = np.full((len(self.ids), len(STAGES)), -1, dtype=np.int64)
        mine = self.stage >= 0
        self.own_row[self.school[mine], self.stage[mine]] = np.flatnonzero(mine)
        self.whole_row = np.full(len(self.ids), -1, dtype=np.int64)
        self.whole_row[self.school[self.shared]] = np.flatnonzero(self.shared)
        subjects = goods.columns()
        moves = {name for names in subjects.values() for name in names}
        self.blank = np.array([name in goods.blank_is_none() for name in needed], dtype=bool)
        self.of_pupils = bool(set(needed) & set(subjects["pupils"]))  # of figures that leave open schools too
        self.degree = np.array([name in _DEGREES for name in needed], dtype=bool)
        self.held = self._held() * np.array([name in moves for name in needed], dtype=float)
        self._shares(rows)

    def _held(self) -> Floats:
        out = self.figures.copy()
        known = ~np.isnan(self.figures)
        for row in range(len(out)):
            others = (self.school == self.school[row]) & (self.shared | self.shared[row])
            others[row] = False
            elsewhere = known[others].any(axis=0)
            out[row] = np.where(known[row], out[row], np.where(elsewhere | self.blank, 0.0, np.nan))
        return out

    def _shares(self, rows: pd.DataFrame) -> None:
        """Prepare the division of shared assets: rows of one school, the weight of a pupil, who is complete."""
        frames = indicators.frames(self.layout.base.county, self.standard)
        self.weight = rows["stage"].map(frames.split_weights).to_numpy(dtype=float)
        now = frames.shares  # the division of today tells which rows can be divided at all
        table = frames.rows.loc[now.index]
        today = pd.Series(now.to_numpy(), index=pd.MultiIndex.from_frame(table[["school_id", "year", "stage"]]))
        key = pd.MultiIndex.from_arrays([rows["school_id"], np.full(len(rows), self.layout.base.year), rows["stage"]])
        self.divisible = today.reindex(key).notna().to_numpy()
        stages = np.bincount(self.school[~self.shared], minlength=len(self.ids))
        kinds = self.layout.frame["kind"].isin(THROUGH).to_numpy()
        self.through = kinds[self.school]
        self.single = (stages[self.school] == 1) & self.divisible
        names = tables.table("school_years").columns
        self.split = np.array([names[name].split for name in self.columns], dtype=bool)
        spots = {
            (s, t): i
            for i, (s, t) in enumerate(zip(self.stage_rows["school_id"], self.stage_rows["stage"], strict=True))
        }
        at = [
            spots.get((self.ids[s], STAGES[t]), -1) if t >= 0 else -1
            for s, t in zip(self.school, self.stage, strict=True)
        ]
        self.stage_at = np.array(at, dtype=np.int64)  # where each of our rows stands among the standard's rows
        ours = np.flatnonzero(self.stage_at >= 0)
        self.order = ours[np.argsort(self.stage_at[ours])]
        self.row_stage = self.stage[self.order]
        if len(self.order) != len(self.stage_rows):
            raise ValueError("school rows of the year are not those of the indicators")

    def after(self, closed: Bools, change: Floats, flows: tuple[Ints, Ints, Ints, Floats]) -> tuple[Floats, bool]:
        """Compute the coefficients once pupils have moved.

        Parameters
        ----------
        closed : array of bool, shape (schools,)
        change : array of float, shape (schools, stages)
            Pupils who came, less those who left.
        flows : tuple
            from, to (positions), stage and pupils, sorted by from, id of to, junior before primary.

        Returns
        -------
        (array of float, shape (stages, indicators), bool)
            NaN is "no data"; and whether all goods of closed schools found a receiver here.
        """
        from balance_lib.scenarios import loops

        figures = self.figures.copy()
        complete = loops.hand_on(
            figures, self.held, self.school, self.stage, self.degree, self.blank, self.own_row, self.whole_row, closed,
            *flows,
        )  # fmt: skip
        pupils = self.pupils + np.where(self.stage >= 0, change[self.school, self.stage], 0.0)
        emptied = (pupils == 0) & (pupils != self.pupils)  # the row is gone with its last pupil
        # What becomes of the goods of a stage that runs empty without having been closed, only the evaluation says.
        complete &= not (emptied & ~closed[self.school]).any()
        return self._coefficients(figures, pupils, emptied, closed), bool(complete)

    def _values(self, figures: Floats, pupils: Floats, emptied: Bools) -> dict[str, Any]:
        """Return the figures of each stage row, shared assets divided."""
        weight = np.where(self.shared, 0.0, pupils * self.weight)
        # A through-school that loses a stage is divided no more: its kind says that there is one.
        lost = np.bincount(self.school, emptied, minlength=len(self.ids))[self.school] > 0
        divisible = self.divisible & ~(lost & self.through)
        total = np.bincount(self.school, weight, minlength=len(self.ids))[self.school]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(divisible & (total > 0), weight / total, np.nan)
        share = np.where(self.single & divisible, 1.0, share)[self.order]
        whole_at = self.whole_row[self.school[self.order]]
        whole = np.where((whole_at >= 0)[:, None], figures[whole_at], np.nan)
        own = figures[self.order]
        part = np.where(
            self.split, share[:, None] * whole, np.where((share == 1.0)[:, None] | (whole == 0), whole, np.nan)
        )
        both = np.where(self.split, own + part, own)
        out = np.where(np.isnan(own), part, np.where(np.isnan(whole), own, both))
        return {**{name: out[:, i] for i, name in enumerate(self.columns)}, "pupils": pupils[self.order]}

    def _coefficients(self, figures: Floats, pupils: Floats, emptied: Bools, closed: Bools) -> Floats:
        values = self._values(figures, pupils, emptied)
        there = ~(closed[self.school] | emptied)[self.order]
        with np.errstate(divide="ignore", invalid="ignore"):
            counted = there & ~self.count(values)[1]
            table = np.column_stack([self._indicator(name, values) for name in self.indicators])
        every = [counted & (self.row_stage == s) for s in range(len(STAGES))]
        out = np.stack([_cvs(table[rows], values["pupils"][rows]) for rows in every])
        out[self.untold_stage[~closed[self.untold_school]]] = np.nan
        return out

    def _indicator(self, name: str, values: Values) -> Floats:
        out = self._by_stage(self.plain[name], values, np.array(np.nan))
        for condition, formulas in self.variants[name]:
            out = np.where(condition(values)[0], self._by_stage(formulas, values, out), out)
        return np.broadcast_to(out, self.row_stage.shape)

    def _by_stage(self, formulas: dict[Formula, tuple[int, ...]], values: Values, otherwise: Floats) -> Floats:
        """Compute the formula of each stage; one that holds for every stage is computed once."""
        out = otherwise
        for formula, stages in formulas.items():
            found = formula(values)
            out = found if len(stages) == len(STAGES) else np.where(np.isin(self.row_stage, stages), found, out)
        return out


def _formulas(spec: Any) -> dict[Formula, tuple[int, ...]]:
    """Return the formulas of an indicator, each with the positions of the stages it holds for."""
    by_source: dict[str, tuple[int, ...]] = {}
    for s, stage in enumerate(STAGES):
        if source := indicators.formula_of(spec, stage):
            by_source[source] = (*by_source.get(source, ()), s)
    return {Formula(source, tuple(spec.blank_is_zero)): stages for source, stages in by_source.items()}


def _cvs(values: Floats, pupils: Floats) -> Floats:
    """Compute coefficients by column as ``evaluation`` does: "no data" as soon as one school lacks the figure."""
    if not len(values) or not (pupils > 0).all():
        return np.full(values.shape[1], np.nan)
    share = pupils / pupils.sum()
    mean = share @ values  # NaN where any value is
    spread = np.sqrt(share @ (values - mean) ** 2)
    return np.divide(spread, np.abs(mean), out=np.full(len(mean), np.nan), where=mean != 0)
