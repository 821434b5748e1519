"""State a zoning as a linear or whole-number programme and let HiGHS solve it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from balance_lib.optimise.allocation.problem import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class ZoningModel:
    r"""Hold a zoning as a programme over the pairs that may be.

    .. math::
        \min \; & \sum_{ij} w_{ij} x_{ij} \;\;\text{or}\;\; \min \sum_i p_i s_i \\
        (1)\; & \sum_j x_{ij} + s_i = 1 \\
        (2)\; & \sum_i d_{ik} x_{ij} \le K_{jk} \\
        (3)\; & \sum_i p_i s_i \le F \\
        (4)\; & x_{ij}, s_i \in \{0, 1\} \text{ or } [0, 1]

    ``x`` says which point goes to which site, ``s`` which has no place; p are the pupils of a point, kinds together.

    Parameters
    ----------
    points, sites : array of int, shape (pairs,)
    weight : array of float, shape (pairs,)
    demand : array of float, shape (points, kinds)
    capacity : array of float, shape (sites, kinds)
    left_out : float
        F: how many pupils may have no place.
    """

    points: Ints
    sites: Ints
    weight: Floats
    demand: Floats
    capacity: Floats
    left_out: float

    @property
    def pupils(self) -> Floats:
        """Return the pupils of each point, kinds together."""
        return self.demand.sum(axis=1)

    def rows(self) -> tuple[Any, Floats, Floats]:
        """Return the constraints (1) to (3) as a sparse matrix with lower and upper limits."""
        n, m, kinds, pairs = len(self.demand), *self.capacity.shape, len(self.points)
        at = np.arange(pairs)
        blocks = [sparse.csr_matrix((np.ones(pairs), (self.points, at)), (n, pairs))]
        blocks += [sparse.csr_matrix((self.demand[self.points, k], (self.sites, at)), (m, pairs)) for k in range(kinds)]
        x = sparse.vstack([*blocks, sparse.csr_matrix((1, pairs))])
        s = sparse.vstack([sparse.identity(n), sparse.csr_matrix((m * kinds, n)), self.pupils[None, :]])
        low = np.concatenate([np.ones(n), np.full(m * kinds + 1, -np.inf)])
        high = np.concatenate([np.ones(n), self.capacity.T.ravel(), [self.left_out]])
        return sparse.hstack([x, s]).tocsc(), low, high


@dataclass(frozen=True, eq=False)
class _ZoningSolution:
    """Hold what HiGHS found: the value of each pair, the bound, prices of places and of going without."""

    share: Floats | None
    bound: float
    proven: bool
    prices: Floats
    overflow_price: float


def solve(
    programme: ZoningModel,
    *,
    whole: bool,
    fewest: bool = False,
    start: Bools | None = None,
    time_limit_s: float = math.inf,
    gap: float = 0.0,
) -> _ZoningSolution:
    """Solve a programme.

    Parameters
    ----------
    programme : ZoningModel
    whole : bool
        Points go whole; otherwise the relaxation.
    fewest : bool
        Leave out as few pupils as can be, whatever the cost.
    start : array of bool, shape (pairs,), optional
        A known answer.
    time_limit_s, gap : float
        When to stop before the proof.
    """
    highs = _load(programme, whole, fewest)
    highs.setOptionValue("time_limit", max(0.01, time_limit_s))
    highs.setOptionValue("mip_rel_gap", gap)
    if whole and start is not None:
        _hint(highs, programme, start)
    highs.run()
    return _read(highs, programme, whole)


def _load(programme: ZoningModel, whole: bool, fewest: bool) -> Any:
    import highspy  # heavy: only when a zoning needs it

    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    # One thread: the same answer on every machine.
    for option, value in (("output_flag", False), ("threads", 1), ("random_seed", 1), ("mip_abs_gap", 1e-9)):
        highs.setOptionValue(option, value)
    matrix, low, high = programme.rows()
    pairs, n = len(programme.points), len(programme.demand)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = pairs + n, matrix.shape[0]
    cost = (np.zeros(pairs), programme.pupils) if fewest else (programme.weight, np.zeros(n))
    model.col_cost_ = np.concatenate(cost)
    model.col_lower_ = np.zeros(pairs + n)
    model.col_upper_ = np.concatenate([np.ones(pairs), np.full(n, 1.0 if programme.left_out > 0 else 0.0)])
    model.row_lower_, model.row_upper_ = low, high
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
    model.a_matrix_.value_ = matrix.data
    if whole:
        model.integrality_ = [highspy.HighsVarType.kInteger] * (pairs + n)
    highs.passModel(model)
    return highs


def _hint(highs: Any, programme: ZoningModel, start: Bools) -> None:
    import highspy

    placed = np.bincount(programme.points, start, len(programme.demand)) > 0
    hint = highspy.HighsSolution()
    hint.col_value = np.concatenate([start, ~placed]).astype(float).tolist()
    highs.setSolution(hint)


def _read(highs: Any, programme: ZoningModel, whole: bool) -> _ZoningSolution:
    import highspy

    status, info = highs.getModelStatus(), highs.getInfo()
    optimal = status == highspy.HighsModelStatus.kOptimal
    solution = highs.getSolution()
    pairs, n, (m, kinds) = len(programme.points), len(programme.demand), programme.capacity.shape
    known = optimal or (whole and info.primal_solution_status == 2)
    share = np.array(solution.col_value)[:pairs] if known else None
    none = np.zeros((m, kinds)), 0.0
    if whole:
        return _ZoningSolution(share, float(info.mip_dual_bound), optimal, *none)
    if not optimal:
        return _ZoningSolution(share, math.nan, False, *none)
    dual = np.clip(-np.array(solution.row_dual), 0.0, None)
    prices = dual[n : n + m * kinds].reshape(kinds, m).T
    return _ZoningSolution(share, float(info.objective_function_value), True, prices, float(dual[-1]))
