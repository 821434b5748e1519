r"""Find the cheapest plan: a mixed-integer model on HiGHS, difference coefficients by tangents.

Minimise the cost :math:`\sum_j c_j x_j` over units :math:`x_j` of every lever, whole where only whole units exist, with

1. every row ``base + a·x >= 0`` (an item at a school, a county figure, parts within their wholes, lending within the
   school's own lines);
2. for each school stage under the rule, ``value_k + f_k s_k >= line_k``, ``s_k`` 0 or 1 and their sum at most what the
   rule allows to stay at the floor;
3. for each difference coefficient :math:`\sqrt{\sum_i w_i (v_i-m)^2} \le L m`, with :math:`v = v_0 + A x` and
   :math:`m = \sum_i w_i v_i`: a second-order cone, as the weights (pupils) are fixed.

HiGHS has no cones. A cone is split into one small one a school, :math:`w_i (v_i - m)^2 \le t_i L m` with
:math:`\sum_i t_i \le L m`, and each is replaced by its tangents at ratios :math:`r = (v_i - m)/(L m)`,

.. math:: t_i \ge w_i \left(2 r (v_i - m) - r^2 L m\right),

which no point of the cone violates. Points that break a cone by its own definition get new tangents there, until the
definition holds. Every relaxed optimum on the way is a lower bound.

References
----------
Vielma, Dunning, Huchette, Lubin (2017), Extended formulations in mixed integer conic quadratic programming.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from balance_lib.planning.remedies.affine import Floats
from balance_lib.planning.remedies.demands import Demands, LinearCondition
from balance_lib.planning.remedies.greedy import _value
from balance_lib.planning.remedies.levers import Lever

Key = tuple[str, str, str, str]  # code, school, stage, indicator
WAN = 1e4  # the solver counts in 10,000 yuan
STARTING_RATIOS = (-1.0, 0.0, 1.0, 3.0)
FEASIBLE = 1e-9
SEEN = 1e-6  # ten times the price the solver takes for none
NEAR = 0.2  # of a relaxed number of units: more than the 15 % between a line and its floor


@dataclass
class Tangents:
    """Hold the ratios at which a cone has tangents, for every school, and the limit they are drawn for."""

    limit: float
    ratios: list[set[float]]


class RemedyModel:
    """Hold one problem as HiGHS takes it.

    Parameters
    ----------
    demands : Demands
    tangents : list of Tangents
        For the cones that are drawn; None for those that are left out.
    elastic : bool
        Demands may stay short at a price.
    budget_yuan : float, optional
        No plan may cost more; demands may then stay short.
    """

    def __init__(
        self, demands: Demands, tangents: list[Tangents | None], *, elastic: bool = False,
        budget_yuan: float | None = None, caps: Mapping[Key, float] | None = None,
    ) -> None:  # fmt: skip
        self.demands, self.tangents, self.elastic, self.budget = demands, tangents, elastic, budget_yuan
        self.caps = caps or {}
        self.scale = np.array([_scale(lever) for lever in demands.levers])
        self.cost: list[float] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.whole: list[bool] = []
        self.rows: list[dict[int, float]] = []
        self.row_low: list[float] = []
        self.row_high: list[float] = []
        self.slacks: list[int] = []  # columns, one a demand that may stay short
        self.slack_of: list[tuple[str, str, str, str, float]] = []  # code, school, stage, indicator, size of the line
        self._blocks: list[tuple[list[int], list[float], float]] = []
        self._levers()
        self._plain()
        self._choices()
        self.cone_columns: dict[int, tuple[int, int]] = {}
        for k, found in enumerate(tangents):
            if found is not None:
                self._cone(k, found)
        if elastic:  # what stays short counts first, what it costs only among equals
            n = len(demands.levers)
            self.cost[:n] = [1e-7 * min(cost, 1e3) for cost in self.cost[:n]]
        if budget_yuan is not None:
            self._within(budget_yuan)

    # --- columns and rows --------------------------------------------------------------------------------------------

    def _column(self, cost: float, low: float, high: float, whole: bool = False) -> int:
        self.cost.append(cost)
        self.low.append(low)
        self.high.append(high)
        self.whole.append(whole)
        return len(self.cost) - 1

    def _row(self, at: dict[int, float], low: float, high: float = math.inf) -> None:
        self.rows.append(at)
        self.row_low.append(low)
        self.row_high.append(high)

    def _levers(self) -> None:
        weight = np.zeros(len(self.demands.levers))
        rows = [*self.demands.rows, *(row for c in self.demands.choices for _, row, _ in c.rows)]
        for row in rows:
            for j, amount in row.at.items():
                weight[j] = max(weight[j], abs(amount)) if row.code else weight[j]
        for j, lever in enumerate(self.demands.levers):
            price = lever.cost_yuan / WAN * self.scale[j]
            if not lever.cost_yuan:
                # What has no price is still not done without need: a tenth of a yuan for a whole line's worth. The
                # solver takes a column's price below SEEN for none and may leave it anywhere.
                self.scale[j] = 1.0 / weight[j] if weight[j] and not lever.whole else self.scale[j]
                price = max(SEEN, 1e-5 * weight[j] * self.scale[j]) if weight[j] else 0.0
            self._column(price, 0.0, lever.high / self.scale[j], lever.whole)

    def _slack(self, code: str, school: str, stage: str, indicator: str, size: float) -> int:
        """Add what a demand stays short, in shares of its line."""
        open_end = self.elastic or self.budget is not None
        high = math.inf if open_end else self.caps.get((code, school, stage, indicator), 0.0)
        cost = 1.0 if self.elastic else 0.0
        column = self._column(cost, 0.0, high)
        self.slacks.append(column)
        self.slack_of.append((code, school, stage, indicator, size))
        return column

    def _scaled(self, row: LinearCondition) -> dict[int, float]:
        return {j: amount * self.scale[j] for j, amount in row.at.items()}

    def _plain(self) -> None:
        groups: dict[tuple[str, str, str], tuple[list[int], list[float]]] = {}
        for row in self.demands.rows:
            at = self._scaled(row)
            if not row.code:
                self._row(at, -row.base, -row.base if row.equal else math.inf)
                continue
            need = abs(row.base) if row.equal else max(0.0, -row.base)
            slack = self._slack(row.code, row.school_id, row.stage, "", row.size)
            if row.equal:
                over = self._slack(row.code, row.school_id, row.stage, "", row.size)
                self._row({**at, slack: 1.0, over: -1.0}, -row.base, -row.base)
            else:
                self._row({**at, slack: 1.0}, -row.base)
            columns, needs = groups.setdefault((row.code, row.school_id, row.stage), ([], []))
            columns.append(slack)
            needs.append(need)
        self._blocks += [(columns, needs, 1.0) for columns, needs in groups.values()]

    def _choices(self) -> None:
        self.choice_columns: list[list[int]] = []
        for choice in self.demands.choices:
            chosen, slacks, needs = [], [], []
            for indicator, row, share in choice.rows:
                free = row.base >= -1e-12 and min(row.at.values(), default=0.0) >= 0
                if free:
                    chosen.append(-1)
                    continue
                pick = -1 if row.base >= -1e-12 else self._column(0.0, 0.0, 1.0, True)
                slack = self._slack(row.code, choice.school_id, choice.stage, indicator, row.size)
                at = {**self._scaled(row), slack: 1.0}
                self._row({**at, pick: share} if pick >= 0 else at, -row.base)
                chosen.append(pick)
                slacks.append(slack)
                needs.append(max(0.0, -row.base))
            picks = {column: 1.0 for column in chosen if column >= 0}
            if picks:
                self._row(picks, -math.inf, float(choice.spare))
            self.choice_columns.append(chosen)
            self._blocks.append((slacks, needs, 1.0))

    def _cone(self, k: int, found: Tangents) -> None:
        cone, limit = self.demands.cones[k], found.limit
        n = len(cone.base)
        mean = self._column(0.0, 0.0, math.inf)
        parts = [self._column(0.0, 0.0, math.inf) for _ in range(n)]
        self.cone_columns[k] = (mean, parts[0])
        total = cone.weights @ cone.moves
        at = {int(j): -float(a) * self.scale[j] for j, a in zip(*_nonzero(total), strict=True)}
        self._row({**at, mean: 1.0}, float(cone.weights @ cone.base), float(cone.weights @ cone.base))
        slack = self._slack(cone.codes[0], "", cone.stage, cone.indicator, 1.0)
        self._row({**dict.fromkeys(parts, -1.0), mean: limit, slack: 1.0}, 0.0)
        now = cone.coefficient(np.zeros(len(self.scale)))
        need = max(0.0, now * now / limit - limit) * float(cone.weights @ cone.base)
        self._blocks.append(([slack], [need], 1.0))
        for i in range(n):
            for ratio in found.ratios[i]:
                self._row(*self._tangent(k, i, ratio))

    def _tangent(self, k: int, i: int, ratio: float) -> tuple[dict[int, float], float]:
        """Return the row of one tangent: ``t_i − w_i (2 r (v_i − m) − r² L m) >= 0``."""
        cone, found = self.demands.cones[k], self.tangents[k]
        assert found is not None
        mean, first = self.cone_columns[k]
        w, limit = float(cone.weights[i]), found.limit
        lo, hi = cone.moves.indptr[i], cone.moves.indptr[i + 1]
        at = {int(j): -2 * w * ratio * float(a) * self.scale[j]
              for j, a in zip(cone.moves.indices[lo:hi], cone.moves.data[lo:hi], strict=True)}  # fmt: skip
        at[first + i] = 1.0
        at[mean] = w * (2 * ratio + ratio * ratio * limit)
        return at, 2 * w * ratio * float(cone.base[i])

    def _within(self, budget_yuan: float) -> None:
        """Spend no more than there is; bring as many schools and items over their lines as that allows."""
        spent = {j: lever.cost_yuan * self.scale[j] / WAN for j, lever in enumerate(self.demands.levers)
                 if lever.cost_yuan}  # fmt: skip
        self._row(spent, -math.inf, budget_yuan / WAN)
        n = len(self.demands.levers)  # what has no price is still not done without need
        self.cost = [c if j < n and j not in spent else 0.0 for j, c in enumerate(self.cost)]
        for columns, needs, weight in self._blocks:
            if not columns or not any(need > 0 for need in needs):
                for column in columns:  # what is met stays met
                    self.high[column] = 0.0
                continue
            done = self._column(-weight, 0.0, 1.0, True)
            for column, need in zip(columns, needs, strict=True):
                most = 1.5 * need + 1e-6
                self.high[column] = most
                self._row({column: 1.0, done: most}, -math.inf, most)
                self.cost[column] += 0.05 * weight / (len(columns) * max(need, 1e-6)) if need > 0 else 0.0

    # --- solving -----------------------------------------------------------------------------------------------------

    def highs(self, *, whole: bool) -> Any:
        """Return a HiGHS instance with this problem; every whole unit relaxed unless asked for."""
        import highspy  # heavy: only where a plan is made

        solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, option in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", 0),
            ("primal_feasibility_tolerance", FEASIBLE),
            ("mip_feasibility_tolerance", FEASIBLE),
        ):
            solver.setOptionValue(name, option)  # fmt: skip
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.cost), len(self.rows)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = (np.array(v) for v in (self.cost, self.low, self.high))
        lp.row_lower_, lp.row_upper_ = np.array(self.row_low), np.array(self.row_high)
        matrix = _matrix_of(self.rows, len(self.cost))
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
        if whole:
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            lp.integrality_ = [kinds[flag] for flag in self.whole]
        solver.passModel(lp)
        return solver

    def near(self, x: Floats) -> None:
        """Allow only whole numbers near a relaxed plan: wide enough for an indicator to leave its floor for its line.

        The relaxed plan shares the one indicator a school may leave at its floor out among several; whoever loses its
        share has to come up by as much as the floor lies below the line.
        """
        for j, lever in enumerate(self.demands.levers):
            if lever.whole and not (lever.lends or lever.takes):
                self.low[j] = max(0.0, math.floor((1.0 - NEAR) * x[j]) - 1.0)
                self.high[j] = min(self.high[j], math.ceil((1.0 + NEAR) * x[j]) + 2.0)

    def units(self, columns: Floats) -> Floats:
        """Return the units of each lever from the solver's columns: whole ones rounded, others as they are."""
        x = np.maximum(0.0, columns[: len(self.scale)] * self.scale)
        whole = np.array(self.whole[: len(self.scale)], dtype=bool)
        return np.where(whole, np.round(x), x)

    def columns(self, x: Floats) -> Floats:
        """Return the solver's columns for units of each lever: a start for the search."""
        out = np.zeros(len(self.cost))
        out[: len(self.scale)] = x / self.scale
        for choice, chosen in zip(self.demands.choices, self.choice_columns, strict=True):
            for column, (_, row, _) in zip(chosen, choice.rows, strict=True):
                if column >= 0:
                    out[column] = float(_value(row, x) < -1e-9)
        for k, (mean, first) in self.cone_columns.items():
            cone, found = self.demands.cones[k], self.tangents[k]
            assert found is not None
            values = cone.base + cone.moves @ x
            out[mean] = cone.weights @ values
            out[first : first + len(values)] = cone.weights * (values - out[mean]) ** 2 / (found.limit * out[mean])
        return out


def _scale(lever: Lever) -> float:
    """Return how many units the solver counts as one: 10,000 yuan of what is bought by measure."""
    whole, cost = lever.whole, lever.cost_yuan
    return 1.0 if whole else min(1e6, max(1e-3, WAN / cost)) if cost else float(lever.step)


def _nonzero(matrix: Any) -> tuple[Any, Any]:
    dense = np.asarray(matrix.todense() if sparse.issparse(matrix) else matrix).ravel()
    at = np.flatnonzero(np.abs(dense) > 1e-15)
    return at, dense[at]


def _matrix_of(rows: list[dict[int, float]], width: int) -> sparse.csr_matrix:
    """Return rows of entries by column as a sparse matrix.

    ``rows``: coefficients of each row by position.
    """
    lengths = [len(row) for row in rows]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    indices = np.fromiter((j for row in rows for j in row), dtype=np.int32, count=int(indptr[-1]))
    data = np.fromiter((a for row in rows for a in row.values()), dtype=float, count=int(indptr[-1]))
    return sparse.csr_matrix((data, indices, indptr), shape=(len(rows), width))
