"""Compute the formulas and conditions of standards over arrays of figures: read once, computed as often as wanted."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib._errors import PolicyError
from balance_lib.evaluation.indicators.comparison import _compare

Floats = npt.NDArray[np.float64]
Values = Mapping[str, Any]
Step = Callable[[Values], Any]

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide, ast.Pow: np.power,
    ast.FloorDiv: np.floor_divide,
}  # fmt: skip
_COMPARISONS: dict[type, str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


class Formula:
    """Compute a formula over arrays, NaN where a figure it names is missing or a denominator is zero.

    Arithmetic, comparison and lists of choices are understood. Figures are compared with the tolerance of
    :mod:`balance_lib.evaluation.indicators.comparison`, words as they are.

    Parameters
    ----------
    source : str
    blank_is_zero : sequence of str
        Columns whose blank means none.

    Raises
    ------
    PolicyError
        If the formula holds anything else.

    Examples
    --------
    >>> Formula("100 * a / b")({"a": np.array([1.0, 2.0]), "b": np.array([4.0, 0.0])}).tolist()
    [25.0, nan]
    """

    def __init__(self, source: str, blank_is_zero: Sequence[str] = ()) -> None:
        self.names = names_in(source)
        self.blank = tuple(name for name in blank_is_zero if name in self.names)
        self.value = _compiled(_tree(source))

    def __call__(self, values: Values) -> Floats:
        """Compute it; ``values`` holds an array of floats or words for every name."""
        data = {name: values[name] for name in self.names}
        for name in self.blank:
            data[name] = np.where(np.isnan(data[name]), 0.0, data[name])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            out = np.asarray(self.value(data), dtype=float)
        known = np.isfinite(out)
        for column in data.values():
            known = known & ~_missing(column)
        return np.where(known, out, np.nan)


def _missing(column: Any) -> Any:
    return np.isnan(column) if column.dtype.kind == "f" else pd.isna(column)


@lru_cache(maxsize=4096)
def formula(source: str, blank_is_zero: tuple[str, ...] = ()) -> Formula:
    """Return a formula, read once.

    Parameters
    ----------
    source : str
        The formula.
    blank_is_zero : tuple[str, ...]
        Figures of which a blank means none.
    """
    return Formula(source, blank_is_zero)


def names_in(source: str) -> list[str]:
    """Return the names a formula refers to, in order of appearance.

    Examples
    --------
    >>> names_in("100 * (a + b) / pupils")
    ['a', 'b', 'pupils']
    """
    return list(_names(source))


@lru_cache(maxsize=4096)
def _names(source: str) -> tuple[str, ...]:
    nodes = (n for n in ast.walk(_tree(source)) if isinstance(n, ast.Name))
    return tuple(dict.fromkeys(n.id for n in sorted(nodes, key=lambda n: (n.lineno, n.col_offset))))


def _tree(source: str) -> ast.expr:
    return ast.parse(source.strip(), mode="eval").body


def _compiled(node: ast.expr) -> Step:
    """Turn an expression into a function of the figures it names."""
    match node:
        case ast.Constant(value=int() | float() | str() as constant):
            return lambda values: constant
        case ast.Name(id=name):
            return lambda values: values[name]
        case ast.UnaryOp(op=ast.USub() | ast.Not() as op, operand=operand):
            inner, turn = _compiled(operand), np.negative if isinstance(op, ast.USub) else np.logical_not
            return lambda values: turn(inner(values))
        case ast.BoolOp(op=op, values=parts):
            steps, join = (
                [_compiled(part) for part in parts],
                np.logical_or if isinstance(op, ast.Or) else np.logical_and,
            )
            return lambda values: join.reduce([step(values) for step in steps])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            first, second, act = _compiled(left), _compiled(right), _ARITHMETIC[type(op)]
            return lambda values: act(first(values), second(values))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return _comparison(_compiled(left), _COMPARISONS[type(op)], _compiled(right))
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as op], comparators=[ast.List(elts=elements)]):
            return _choice(_compiled(left), [_compiled(e) for e in elements], isinstance(op, ast.NotIn))
    raise PolicyError(f"a formula may hold arithmetic, comparisons and lists of choices, not: {ast.unparse(node)}")


def _comparison(first: Step, operator: str, second: Step) -> Step:
    def step(values: Values) -> Any:
        left, right = first(values), second(values)
        if not (_words(left) or _words(right)):
            return _compare(left, operator, right)
        same = left == right
        return same if operator == "==" else ~same

    return step


def _choice(first: Step, choices: Sequence[Step], without: bool) -> Step:
    def step(values: Values) -> Any:
        left = first(values)
        same = [left == c if _words(left) else _compare(left, "==", c) for c in (c(values) for c in choices)]
        found = np.logical_or.reduce(same) if same else np.zeros(np.shape(left), dtype=bool)
        return ~found if without else found

    return step


def _words(value: Any) -> bool:
    return isinstance(value, str) or getattr(value, "dtype", np.dtype(float)).kind == "O"
