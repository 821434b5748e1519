"""Compute the difference coefficients anew while a slider moves: formulas on arrays, goods handed on in a loop.

The formulas, the schools that count and the division of shared assets are those of
:mod:`balance_lib.evaluation.indicators`; what does not change with pupils (kind, place, founder) is asked there once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.tables.kinds import STAGES_OF, THROUGH
from balance_lib.evaluation import indicators
from balance_lib.evaluation.indicators import Formula
from balance_lib.scenarios import changes, goods
from balance_lib.standards import STAGES, Standard

if TYPE_CHECKING:
    from balance_lib.scenarios.arrays import LayoutArrays
    from balance_lib.scenarios.moves import Flows

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Values = Mapping[str, Any]
ALL = "pupils == pupils"  # a condition every row satisfies


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
    """Hold what the difference coefficients of a standard need of a layout."""

    def __init__(self, arrays: LayoutArrays, standard: Standard) -> None:
        self.arrays, self.standard = arrays, standard
        self.indicators = tuple(standard.indicators)
        switches = standard.switches(None)
        variants = {n: [v for v in spec.variants if switches.get(v.when)] for n, spec in standard.indicators.items()}
        self.plain = {name: _formulas(spec) for name, spec in standard.indicators.items()}
        self._lay_out(standard.included or "", [v for each in variants.values() for v in each])

        def condition(source: str | None) -> Condition:
            return Condition(source or ALL, self._fixed, self.moving if source else frozenset())

        self.count = condition(standard.included)
        self.variants = {n: [(condition(v.where), _formulas(v)) for v in each] for n, each in variants.items()}

    def _lay_out(self, included: str, variants: list[Any]) -> None:
        """Lay out what schools hold of the columns that formulas name, and the facts of each stage."""
        spec = tables.table("school_years").columns
        self.moving = frozenset(column.name for column in spec.values() if column.numeric)
        parts = [*self.plain.values(), *(_formulas(v) for v in variants)]
        names = {name for part in parts for formula in part for name in formula.names}
        names |= {name for source in (included, *(v.where or "" for v in variants)) if source
                  for name in indicators.names_in(source)}  # fmt: skip
        if names & set(goods.DEGREES):
            names |= set(goods.DEGREES)  # handed on as nested counts: each needs the one below
        self.columns = [name for name in spec if name in names & self.moving - {"pupils"}]
        self.formed = any(name in goods.formed() for name in self.columns)
        self.holdings = goods.Holdings(self.arrays, self.columns)
        self.split = np.array([spec[name].split for name in self.columns], dtype=bool)
        self.at = np.flatnonzero(self.holdings.taught)
        self._facts(included)
        stage = self.holdings.table["stage"]
        self.weight = stage.map(indicators.frames(self.arrays.base.county, self.standard).split_weights).to_numpy(float)
        bits = {name: 1 << i for i, name in enumerate((*STAGES, "senior"))}
        self.bit = stage.map(bits).fillna(8).to_numpy(dtype=np.int64)

        def stages_of(kinds: pd.Series) -> Any:
            found = [sum(bits[s] for s in STAGES_OF.get(str(kind), ()) if s in bits) for kind in kinds]
            return np.array(found, dtype=np.int64)[self.holdings.school]

        kinds = self.arrays.layout.frame["kind"]
        self.through = kinds.isin(THROUGH).to_numpy()[self.holdings.school]
        self.of_kind, self.of_kind_before = stages_of(kinds), stages_of(self._kinds_of_other_years())

    def _kinds_of_other_years(self) -> pd.Series:
        """Return what a school without any row of the year counts as: what it was last before, else first after."""
        base, layout = self.arrays.base, self.arrays.layout
        own = changes.schools(layout).drop_duplicates("school_id").set_index("school_id")["kind"]
        rows = base.county.tables["school_years"]
        rows = rows[(rows["year"] != base.year) & rows["school_id"].isin(layout.ids)]
        rows = rows.assign(kind=rows["kind"].fillna(rows["school_id"].map(own)), later=rows["year"] > base.year)
        rows = rows.assign(away=(rows["year"] - base.year).abs()).sort_values(["later", "away"], kind="stable")
        near = rows.drop_duplicates("school_id").set_index("school_id")["kind"]
        return near.reindex(layout.ids).fillna(own.reindex(layout.ids))

    def _facts(self, included: str) -> None:
        """Ask what does not change with pupils: the standard's rows, with the kinds and schools of the layout."""
        holdings, layout, base = self.holdings, self.arrays.layout, self.arrays.base
        county, table = base.county, holdings.table
        kind = table["school_id"].map(layout.frame["kind"])
        if holdings.begins.any() or (layout.frame["kind"] != layout.frame["kind_before"]).any():
            years = county.tables["school_years"]
            rows = pd.concat([years[years["year"] != base.year], table.assign(kind=kind)], ignore_index=True)
            county = replace(county, tables={**county.tables, "schools": changes.schools(layout), "school_years": rows})
        rows = indicators.frames(county, self.standard).stages
        rows = rows[rows["year"] == base.year].set_index(["school_id", "stage"], drop=False)
        mine = pd.MultiIndex.from_frame(table.loc[self.at, ["school_id", "stage"]])
        # An open school that reports nothing of a stage leaves it without a coefficient.
        silent = rows[~rows.index.isin(mine) & ~rows["school_id"].isin(layout.frame.index[~layout.frame["there"]])]
        if included and len(silent):
            silent = silent[(indicators.evaluate(silent, included) != 0.0).to_numpy()]
        self.silent = silent["school_id"].to_numpy(), silent["stage"].map(STAGES.index).to_numpy(dtype=np.int64)
        self.stage_rows = rows.loc[mine].reset_index(drop=True)
        self.stage_rows["kind"] = kind.iloc[self.at].fillna(self.stage_rows["kind"]).array
        self.row_stage = holdings.stage[self.at]

    def _fixed(self, source: str) -> tuple[Bools, Bools]:
        """Ask once what does not change with pupils."""
        if source == ALL:
            every = np.ones(len(self.stage_rows), dtype=bool)
            return every, ~every
        value = indicators.evaluate(self.stage_rows, source).to_numpy()
        return value == 1.0, value == 0.0

    def after(self, flows: Flows, shut: Bools) -> Floats:
        """Compute the coefficients once pupils have moved.

        Parameters
        ----------
        flows : Flows
        shut : array of bool, shape (schools,)

        Returns
        -------
        array of float, shape (stages, indicators)
            NaN is "no data".
        """
        handed = self.holdings.after(flows, shut)
        if self.formed and handed.changed.any():  # classes and boarders are formed anew by the whole evaluation alone
            return np.full((len(STAGES), len(self.indicators)), np.nan)
        there = handed.there
        absent = self._absent(there, shut)
        values = self._values(handed, absent)
        with np.errstate(divide="ignore", invalid="ignore"):
            counted = (there | absent)[self.at] & ~self.count(values)[1]
            table = np.column_stack([self._indicator(name, values) for name in self.indicators])
        every = [counted & (self.row_stage == s) for s in range(len(STAGES))]
        out = np.stack([_cvs(table[rows], values["pupils"][rows]) for rows in every])
        silent, stages = self.silent
        out[stages[~np.isin(silent, self.arrays.index[shut])]] = np.nan
        return out

    def _absent(self, there: Bools, shut: Bools) -> Bools:
        """Return the rows of stages an open school must report and does not, as the indicators look for them."""
        school, taught = self.holdings.school, self.holdings.taught
        some = np.bincount(school, there & taught, len(shut))[school] > 0
        of_kind = np.where(some, np.where(self.through, self.of_kind, 0), self.of_kind_before)
        required = taught & ((of_kind & self.bit) > 0)
        return required & ~there & ~shut[school]

    def _values(self, handed: goods.HandedOn, absent: Bools) -> dict[str, Any]:
        """Return the figures of each stage row, shared assets divided as the indicators divide them."""
        holdings, at, schools = self.holdings, self.at, len(self.arrays.index)
        school, apart = holdings.school, handed.there & (holdings.stage >= 0)
        weight = np.where(apart, handed.pupils * self.weight, 0.0)
        total = np.bincount(school, weight, schools)[school]
        present = np.bincount(school, np.where(apart, self.bit, 0), schools)[school]
        complete = ~self.through | (present == self.of_kind)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(complete & (total > 0), weight / total, np.nan)
        share = np.where(complete & (np.bincount(school, apart, schools)[school] == 1), 1.0, share)[at, None]
        whole_at = holdings.whole_row[school[at]]
        whole = np.where((whole_at >= 0)[:, None], handed.figures[whole_at], np.nan)
        own = handed.figures[at]
        part = np.where(self.split, share * whole, np.where((share == 1.0) | (whole == 0), whole, np.nan))
        both = np.where(self.split, own + part, own)
        out = np.where(np.isnan(own), part, np.where(np.isnan(whole), own, both))
        out[absent[at]] = np.nan
        pupils = np.where(absent[at], np.nan, handed.pupils[at])
        return {**{name: out[:, i] for i, name in enumerate(self.columns)}, "pupils": pupils}

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
