"""Say how levers move what formulas see: columns, straight lines, indicators, and rows of conditions on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from balance_lib.evaluation import indicators
from balance_lib.evaluation import schools as judged
from balance_lib.planning.remedies.affine import Affine, Floats, Ratio, _either, _ratio_of
from balance_lib.planning.remedies.demands import LinearCondition
from balance_lib.planning.remedies.levers import COUNTY, Lever, LeverCells
from balance_lib.standards import STAGES, Item, Standard

STRICT = 1e-6


class LeverEffects:
    """Hold the levers of a county and year, and what each moves.

    Parameters
    ----------
    ground : LeverCells
    levers : sequence of Lever
    switches : mapping of str to bool
        The definitions the county is judged by.
    """

    def __init__(self, ground: LeverCells, levers: Sequence[Lever], switches: Mapping[str, bool]) -> None:
        self.ground, self.levers, self.switches = ground, list(levers), switches
        self._others: dict[str, LeverEffects] = {}
        self.index()

    def index(self) -> None:
        """Number the cells that levers move, and name the columns formulas see move with them."""
        cells = list(dict.fromkeys(cell for lever in self.levers for cell, _ in lever.effects))
        self.cells = {cell: i for i, cell in enumerate(cells)}
        entries = [(self.cells[cell], j, a) for j, lever in enumerate(self.levers) for cell, a in lever.effects]
        at, to, by = zip(*entries, strict=True) if entries else ((), (), ())
        self.effects = sparse.csr_matrix((by, (at, to)), shape=(len(cells), len(self.levers)))
        self.columns = {cell[2] for cell in cells if cell[0] != COUNTY}
        self.figures = {cell[2] for cell in cells if cell[0] == COUNTY}
        self._matrices: dict[tuple[str, str], sparse.csr_matrix] = {}
        self._ratios: dict[tuple[str, str], tuple[Ratio, np.ndarray]] = {}

    def matrix(self, source: str, column: str) -> sparse.csr_matrix:
        """Return how much each lever moves a column of the source's rows.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        column : str
        """
        key = (source, column)
        if key not in self._matrices:
            self._matrices[key] = self.ground.matrix(source, column, self.cells) @ self.effects
        return self._matrices[key]

    def movable(self, source: str) -> set[str]:
        """Return the columns of a source that some lever moves."""
        if source != "county":
            return self.columns
        sums = {f"{prefix}_{c}" for prefix in ("all", *STAGES) for c in self.columns}
        return (sums - self.ground.own_figures) | self.figures

    def moves(self, source: str, form: Affine, rows: np.ndarray) -> sparse.csr_matrix:
        """Return how much each lever moves a straight line on some of the source's rows.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        form : Affine
        rows : array
        """
        out = sparse.csr_matrix((int(rows.sum()), self.effects.shape[1]))
        for column, coef in form.coef.items():
            out = out + sparse.diags(coef[rows]) @ self.matrix(source, column)[rows]
        return out.tocsr()

    def rows_of(
        self, item: Item, source: str, ratio: Ratio, lines: Floats, rows: np.ndarray, stages: Sequence[str],
        ids: Sequence[str],
    ) -> list[LinearCondition]:  # fmt: skip
        """Return the rows of a formula against its lines, each in shares of its own line.

        Parameters
        ----------
        item : Item
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        ratio : Ratio
        lines : array of float
        rows : array
        stages : sequence of str
        ids : sequence of str
            Ids in their order.
        """
        strict = STRICT if item.operator in ("<", ">") else 0.0
        sign = -1.0 if item.operator in ("<=", "<") else 1.0
        margin = strict * np.maximum(1.0, np.abs(lines)) * sign
        form = ratio.beyond(np.where(rows, lines + margin, 0.0))
        den = ratio.den.at(self.ground.frame(source))
        size = np.where(np.abs(lines) > 0, np.abs(lines), 1.0)
        scale = np.where(rows, sign / np.where(rows, size * den, 1.0), 0.0)
        base = form.at(self.ground.frame(source))[rows] * scale[rows]
        moved = self.moves(source, form.scaled(scale), rows)
        equal = item.operator == "=="
        return [
            LinearCondition(item.code, school, stage, float(b), at, float(s), equal)
            for school, stage, b, at, s in zip(ids, stages, base, entries_of(moved), size[rows], strict=True)
        ]

    def values_of(self, standard: Standard, indicator: str, switches: Mapping[str, bool]) -> tuple[Ratio, np.ndarray]:
        """Return an indicator as a ratio on the year's stage rows, and which rows count; read once.

        Parameters
        ----------
        standard : Standard
        indicator : str
        switches : mapping of str to bool
            Definition switches and their values.
        """
        key = (standard.id, indicator)
        if key not in self._ratios:
            self._ratios[key] = self._read(standard, indicator, switches)
        return self._ratios[key]

    def _read(self, standard: Standard, indicator: str, switches: Mapping[str, bool]) -> tuple[Ratio, np.ndarray]:
        frame, spec = self.ground.frame("stages"), standard.indicators[indicator]
        included = indicators.included(self.ground.county, standard).reindex(frame.index).to_numpy()
        out: Ratio | None = None
        for stage in STAGES:
            formula = indicators.formula_of(spec, stage)
            at = (frame["stage"] == stage).to_numpy()
            out = self._with(out, frame, formula, at, spec.blank_is_zero)
            for variant in (v for v in spec.variants if switches.get(v.when)):
                yes = self.ground.frames.where("stages", variant.where)[0].reindex(frame.index).to_numpy()
                out = self._with(out, frame, indicators.formula_of(variant, stage), at & yes, variant.blank_is_zero)
        assert out is not None
        return out, included

    def _with(
        self, out: Ratio | None, frame: pd.DataFrame, formula: str | None, at: np.ndarray, blank: Sequence[str]
    ) -> Ratio:
        if formula is None:
            n = len(frame)
            return out or Ratio(Affine(np.zeros(n), {}), Affine(np.ones(n), {}), np.zeros(n, bool))
        found = _ratio_of(formula, frame, self.columns, blank)
        if out is None:
            return Ratio(found.num, found.den, found.known & at)
        return _either(at, found, out)

    def lines_of(self, stage: str) -> dict[str, float]:
        """Return the line of every indicator the standard sets one for."""
        items = judged.indicator_items(self.ground.standard)
        return {
            name: float(items[(name, stage)].value)
            for name in self.ground.standard.indicators
            if (name, stage) in items and isinstance(items[(name, stage)].value, (int, float))
        }

    def under(self, standard: Standard) -> LeverEffects:
        """Return the same levers on the figures as another standard divides them."""
        if standard.id == self.ground.standard.id:
            return self
        if standard.id not in self._others:
            ground = LeverCells(self.ground.county, standard, self.ground.year)
            self._others[standard.id] = LeverEffects(ground, self.levers, self.switches)
        return self._others[standard.id]


def entries_of(matrix: sparse.csr_matrix) -> list[dict[int, float]]:
    """Return each row's entries that are not zero, by lever."""
    matrix = matrix.tocsr()
    out = []
    for i in range(matrix.shape[0]):
        lo, hi = matrix.indptr[i], matrix.indptr[i + 1]
        pairs = zip(matrix.indices[lo:hi].tolist(), matrix.data[lo:hi].tolist(), strict=True)
        out.append({j: a for j, a in pairs if abs(a) > 1e-15})
    return out
