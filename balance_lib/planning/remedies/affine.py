"""Read a formula as a ratio of two straight lines in the columns that can be moved; say when it is none."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.evaluation import indicators

Floats = npt.NDArray[np.float64]


class NotAffineError(ValueError):
    """Say that a formula is no ratio of straight lines in what can be moved."""


@dataclass(frozen=True)
class Affine:
    """Hold ``const + sum of coef[c] * change of column c``, for every row of a frame.

    Columns stand for themselves, not for their change: ``const`` leaves out what the movable columns hold.
    """

    const: Floats
    coef: Mapping[str, Floats]

    @property
    def constant(self) -> bool:
        """Tell whether nothing that can be moved is in it."""
        return not self.coef

    def scaled(self, by: Floats) -> Affine:
        """Return it times a number a row."""
        return Affine(self.const * by, {name: value * by for name, value in self.coef.items()})

    def plus(self, other: Affine) -> Affine:
        """Return the sum."""
        names = dict.fromkeys([*self.coef, *other.coef])
        zero = np.zeros_like(self.const)
        return Affine(self.const + other.const, {n: self.coef.get(n, zero) + other.coef.get(n, zero) for n in names})

    def at(self, frame: pd.DataFrame) -> Floats:
        """Return its value on a frame's rows."""
        out = self.const.copy()
        for name, value in self.coef.items():
            out = out + value * frame[name].to_numpy(dtype=float)
        return out


@dataclass(frozen=True)
class Ratio:
    """Hold a formula as ``num / den``, row by row; ``known`` tells the rows whose figures are all there."""

    num: Affine
    den: Affine
    known: npt.NDArray[np.bool_]

    def beyond(self, line: Floats, slack: float = 0.0) -> Affine:
        """Return ``num − (line + slack) · den``: not below zero exactly where the value reaches the line.

        The denominator is a number of pupils, classes or teachers and above zero wherever the value is known.

        Parameters
        ----------
        line : array of float
            Required values.
        slack : float
            How much a limit may be passed.
        """
        return self.num.plus(self.den.scaled(-(line + slack)))


def _ratio_of(formula: str, frame: pd.DataFrame, movable: AbstractSet[str], blank_is_zero: Sequence[str] = ()) -> Ratio:
    """Read a formula over a frame's rows as a ratio of straight lines in the movable columns.

    ``blank_is_zero``: columns whose blank means none.

    Raises
    ------
    NotAffineError
        If a movable column stands where a straight line cannot bring it: in a product with another, in a comparison,
        in a rounding.

    Examples
    --------
    >>> frame = pd.DataFrame({"a": [1.0], "b": [4.0]})
    >>> found = _ratio_of("100 * a / b", frame, {"a"})
    >>> found.num.coef["a"].tolist(), found.den.const.tolist()
    ([100.0], [4.0])
    """
    names = indicators.names_in(formula)
    rows = frame.reindex(columns=names).copy()
    fill = [name for name in blank_is_zero if name in names]
    rows[fill] = rows[fill].fillna(0.0)
    known = rows.notna().all(axis=1).to_numpy() & indicators.evaluate(frame, formula, blank_is_zero).notna().to_numpy()
    num, den = _read(ast.parse(formula.strip(), mode="eval").body, rows, movable)
    return Ratio(num, den, known)


def _read(node: ast.expr, rows: pd.DataFrame, movable: AbstractSet[str]) -> tuple[Affine, Affine]:
    n = len(rows)
    one = Affine(np.ones(n), {})
    inside = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    if not inside & movable:
        return Affine(_number(node, rows), {}), one
    if isinstance(node, ast.Name):
        return Affine(np.zeros(n), {node.id: np.ones(n)}), one
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        num, den = _read(node.operand, rows, movable)
        return num.scaled(-np.ones(n)), den
    if isinstance(node, ast.BinOp):
        left, right = _read(node.left, rows, movable), _read(node.right, rows, movable)
        if isinstance(node.op, ast.Add):
            return _sum(left, right)
        if isinstance(node.op, ast.Sub):
            return _sum(left, (right[0].scaled(-np.ones(n)), right[1]))
        if isinstance(node.op, ast.Mult):
            return _product(left[0], right[0]), _product(left[1], right[1])
        if isinstance(node.op, ast.Div):
            return _product(left[0], right[1]), _product(left[1], right[0])
    raise NotAffineError(ast.unparse(node))


def _number(node: ast.expr, rows: pd.DataFrame) -> Floats:
    if isinstance(node, ast.Constant):
        return np.full(len(rows), float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return rows[node.id].to_numpy(dtype=float)
    return indicators.evaluate(rows, ast.unparse(node)).to_numpy(dtype=float)


def _product(left: Affine, right: Affine) -> Affine:
    if right.constant:
        return left.scaled(right.const)
    if left.constant:
        return right.scaled(left.const)
    raise NotAffineError("product")


def _sum(left: tuple[Affine, Affine], right: tuple[Affine, Affine]) -> tuple[Affine, Affine]:
    if left[1].constant and right[1].constant:
        return (
            left[0].scaled(1.0 / left[1].const).plus(right[0].scaled(1.0 / right[1].const)),
            Affine(np.ones_like(left[1].const), {}),
        )
    if left[1].constant and left[0].constant:
        return right[0].plus(right[1].scaled(left[0].const / left[1].const)), right[1]
    if right[1].constant and right[0].constant:
        return left[0].plus(left[1].scaled(right[0].const / right[1].const)), left[1]
    raise NotAffineError("sum")


def _either(yes: np.ndarray, one: Ratio, other: Ratio) -> Ratio:
    """Return one ratio on some rows and another on the rest.

    ``yes``: where the first holds.
    """
    return Ratio(
        _mixed(yes, one.num, other.num), _mixed(yes, one.den, other.den), np.where(yes, one.known, other.known)
    )


def _mixed(yes: np.ndarray, one: Affine, other: Affine) -> Affine:
    zero = np.zeros(len(yes))
    names = dict.fromkeys([*one.coef, *other.coef])
    coef = {n: np.where(yes, one.coef.get(n, zero), other.coef.get(n, zero)) for n in names}
    return Affine(np.where(yes, one.const, other.const), {n: v for n, v in coef.items() if np.any(v)})
