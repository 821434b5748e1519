"""Hand a model to HiGHS as sparse rows, stop it when asked, and bring back its plan and its bound, never its word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.optimise.control import Control
from balance_lib.optimise.solution import Flags, Floats


@dataclass(eq=False)
class HighsModel:
    """Collect columns and sparse rows of a mixed-integer model: minimise cost @ x.

    Parameters
    ----------
    cost, lower, upper : arrays of float, shape (columns,)
        Objective and bounds of the columns.
    whole : array of bool, shape (columns,)
        Which columns are whole numbers.
    """

    cost: Floats
    lower: Floats
    upper: Floats
    whole: Flags
    _parts: list[tuple[Any, Any, Any, Any, Any]] = field(default_factory=list)
    _n_rows: int = 0

    def rows(
        self,
        row: npt.ArrayLike,
        column: npt.ArrayLike,
        value: npt.ArrayLike,
        lower: npt.ArrayLike,
        upper: npt.ArrayLike,
    ) -> None:
        """Add rows: entries as (row within this block, column, value), and each row's bounds.

        Parameters
        ----------
        row : array of int
            Row of each entry within this block.
        column : array of int
            Column of each entry.
        value : float or array
            Coefficients.
        lower : array of float
            Lower bound of each row.
        upper : float or array
            Upper bound of each row.
        """
        low = np.atleast_1d(np.asarray(lower, dtype=float))
        high = np.broadcast_to(np.asarray(upper, dtype=float), low.shape)
        at = np.asarray(row, dtype=np.int64) + self._n_rows
        values = np.broadcast_to(np.asarray(value, dtype=float), at.shape)
        self._parts.append((at, np.asarray(column, dtype=np.int64), values, low, high))
        self._n_rows += low.size

    def lp(self) -> Any:
        """Return the model as highspy takes it."""
        import highspy

        row, column, value, lower, upper = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        by_row = np.argsort(row, kind="stable")
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self.cost.size, self._n_rows
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = self.cost, self.lower, self.upper
        lp.row_lower_, lp.row_upper_ = lower, upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=self._n_rows)))).astype(
            np.int32
        )
        lp.a_matrix_.index_ = column[by_row].astype(np.int32)
        lp.a_matrix_.value_ = value[by_row]
        if self.whole.any():
            kinds = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
            lp.integrality_ = [kinds[0] if whole else kinds[1] for whole in self.whole]
        return lp


@dataclass(frozen=True, eq=False)
class _HighsSolution:
    """Hold what HiGHS found.

    Parameters
    ----------
    values : array of float or None
        Best plan; None when there is none.
    bound : float
        Proven lower bound of the objective; infinite when the model is infeasible.
    infeasible : bool
        Whether it is proven that no plan exists.
    duals : array of float or None
        Row prices of a linear model.
    """

    values: Floats | None
    bound: float
    infeasible: bool
    duals: Floats | None = None


def solve(
    model: HighsModel,
    control: Control,
    *,
    gap: float = 0.0,
    apart: float = 1e-9,
    start: Floats | None = None,
    found: Callable[[Floats, float], None] | None = None,
    stop_below: float | None = None,
    stop_above: float | None = None,
) -> _HighsSolution:
    """Solve a model.

    Parameters
    ----------
    model : HighsModel
    control : Control
    gap, apart : float
        Share, and absolute difference of objective and bound, at which HiGHS may stop.
    start : array of float, optional
        A plan to start from.
    found : callable, optional
        Called with each better plan and the bound at that time.
    stop_below, stop_above : float, optional
        Stop at the first plan whose objective is not above this; stop when no plan can be this good.
    """
    import highspy

    h: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    h.setOptionValue("output_flag", False)
    h.setOptionValue("threads", 1)
    h.setOptionValue("time_limit", control.left_s)
    h.setOptionValue("mip_rel_gap", gap)
    h.setOptionValue("mip_abs_gap", apart)
    if stop_below is not None:
        h.setOptionValue("objective_target", float(stop_below))
    whole = bool(model.whole.any())
    if not whole:
        h.setOptionValue("solver", "ipm")  # many times as fast as the simplex method where pairs are many
    if stop_above is not None:
        used = np.flatnonzero(model.cost)
        model.rows(np.zeros(used.size), used, model.cost[used], [-np.inf], stop_above)
    h.passModel(model.lp())
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = [float(x) for x in start]
        h.setSolution(known)
    if whole and (control.cancel is not None or found is not None):
        _watch(h, control, found)
    h.run()
    return _answer(h, whole)


def _answer(h: Any, whole: bool) -> _HighsSolution:
    import highspy

    status = h.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return _HighsSolution(None, float("inf"), True)
    info = h.getInfo()
    has_plan = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.array(h.getSolution().col_value) if has_plan else None
    if whole:
        return _HighsSolution(values, float(info.mip_dual_bound), False)
    solved = status == highspy.HighsModelStatus.kOptimal
    duals = np.array(h.getSolution().row_dual) if solved else None
    return _HighsSolution(values, float(info.objective_function_value) if solved else -float("inf"), False, duals)


def _watch(h: Any, control: Control, found: Callable[[Floats, float], None] | None) -> None:
    """Look at the cancel flag, and tell better plans, while HiGHS runs."""

    def interrupt(event: Any) -> None:
        if control.cancelled:
            event.interrupt()

    h.cbMipInterrupt.subscribe(interrupt)
    if found is not None:
        h.cbMipImprovingSolution.subscribe(
            lambda event: found(np.array(event.data_out.mip_solution), float(event.data_out.mip_dual_bound))
        )
