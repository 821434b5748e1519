"""Prove a p-median by branching on how many sites are open in a neighbourhood, with a linear model cut by cut.

The linear relaxation of the p-median holds a row for every pair of demand point and site. Benders' cuts
(:mod:`balance_lib.optimise.cuts`) keep few of them:

    minimise    sum_i theta_i
    subject to  (1) theta_i >= d - sum_j max(0, d - c_ij) y_j     for the d's found so far
                (2) sum_j y_j = p
                (3) low_g <= sum_{j in g} y_j <= high_g           where the search has branched on group g
                (4) 0 <= y_j <= 1

Sites make a family tree by likeness of their costs; its groups, from a single site to half a county, are what is
branched on: whether a town keeps one school or two decides more than whether one of its twenty stays. A cut holds for
every p and everywhere in the search, so that a whole frontier is proven on one model whose cuts are kept.

HiGHS gives directions only. What counts as proven is the Lagrangian bound at the multipliers its prices make
(:func:`balance_lib.optimise.cuts.certify`), computed here.

References
----------
Duran-Mateluna, Alès and Elloumi 2023; Achterberg, Koch and Martin 2005, "Branching rules revisited".
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from balance_lib.optimise.control import Control
from balance_lib.optimise.solution import Flags, Floats, Ints

# Groups tried at a node, tries without a better one after which it is enough, steps of the simplex for one try.
TRIED, ENOUGH, STEPS = 12, 5, 40
# A group tried so often both ways is known; cost that a mean point has in the model.
KNOWN, MEAN_COST = 2, 100.0
# Cuts that bind nothing go when there are so many rows a point.
ROWS_A_POINT = 3

Limits = dict[int, tuple[float, float]]


@dataclass(eq=False)
class Master:
    """Hold the linear model with its cuts, and what was learnt of branching.

    Parameters
    ----------
    near, cost : arrays, shape (n, m)
        Sites in rising cost, and costs in the model's unit.
    scale : float
        Model's unit per unit of cost.
    order : array of int, shape (m,)
        Sites in the order of the family tree.
    ends : array of int, shape (groups, 2)
        Where in that order a group begins and ends; the first m groups are the single sites.
    children : array of int, shape (groups - m + 1, 2)
        The two groups each larger group is made of; the last is the group of all sites.
    row_point, row_cost : arrays, shape (rows,)
        Point and d of each cut; point -1 for other rows.
    group_row : dict
        Row of each group branched on.
    gains, tries : arrays of float, shape (2, groups)
        What branching down or up brought for each unit of the count rounded away, in sum, and how often.
    """

    near: Any
    cost: Floats
    scale: float
    order: Ints
    ends: Ints
    children: Ints
    highs: Any
    row_point: Ints
    row_cost: Floats
    gains: Floats
    tries: Floats
    group_row: dict[int, int] = field(default_factory=dict)
    limits: Limits = field(default_factory=dict)

    @classmethod
    def of(cls, table: Any, highest: float, u: Floats) -> Master:
        """Build the model of sorted costs with the cuts that multipliers u suggest.

        ``highest`` is the value of the worst plan that is still to be bettered: no service costs as much.

        Parameters
        ----------
        table : Sorted
            Sites and costs of each point in order.
        highest : float
            Value of the worst plan that is still to be bettered.
        u : array of float, shape (points,)
            Multipliers of the Lagrangian bound.
        """
        import highspy

        n, m = table.near.shape
        scale = MEAN_COST * n / max(highest, 1e-300)
        cost = np.where(np.isfinite(table.cost), table.cost, highest)
        cost *= scale
        order, ends, children = _families(table.near, cost)
        h: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (("output_flag", False), ("threads", 1), ("simplex_strategy", 1)):
            h.setOptionValue(option, value)
        h.addVars(m, np.zeros(m), np.ones(m))
        h.addVars(n, cost[:, 0].copy(), np.full(n, highspy.kHighsInf))
        h.changeColsCost(n, np.arange(m, m + n, dtype=np.int32), np.ones(n))
        h.addRow(0, m, m, np.arange(m, dtype=np.int32), np.ones(m))
        known = np.zeros((2, 2, ends.shape[0]))
        master = cls(
            table.near, cost, scale, order, ends, children, h, np.full(1, -1), np.zeros(1), known[0], known[1]
        )  # fmt: skip
        beyond = np.minimum((table.cost < u[:, None]).sum(axis=1), m - 1)
        master.add(np.arange(n), beyond)
        master.add(np.flatnonzero(beyond > 0), np.maximum(beyond - 1, 0))
        return master

    def add(self, points: Ints, rank: Ints) -> None:
        """Add the cuts of these points, d being the cost at the points' ranks.

        Parameters
        ----------
        points : array of int
            Demand points.
        rank : array of int, shape (points,)
            Position among each point's sites.
        """
        from balance_lib.optimise import cuts

        lower, starts, columns, values = cuts.as_rows(self.near, self.cost, points, rank)
        self.highs.addRows(points.size, lower, np.full(points.size, np.inf), columns.size, starts, columns, values)
        self.row_point = np.concatenate((self.row_point, points))
        self.row_cost = np.concatenate((self.row_cost, lower))

    def within(self, group: int) -> Ints:
        """Return the sites of a group."""
        return self.order[slice(*self.ends[group])]

    def counts(self, y: Floats) -> Floats:
        """Return how many sites are open in each group, of sites open by so much each."""
        so_far = np.concatenate(([0.0], np.cumsum(y[self.order])))
        return np.asarray(so_far[self.ends[:, 1]] - so_far[self.ends[:, 0]])

    def set_limits(self, limits: Limits) -> None:
        """Put a node's limits on counts in force, and only these."""
        m = self.near.shape[1]
        changed = [g for g in self.limits.keys() | limits.keys() if self.limits.get(g) != limits.get(g)]
        singles = np.array(sorted(g for g in changed if g < m), np.int32)
        if singles.size:
            low, high = np.array([limits.get(int(g), (0.0, 1.0)) for g in singles], dtype=float).T.copy()
            self.highs.changeColsBounds(singles.size, singles, low, high)
        for g in changed:
            if g < m:
                continue
            if g not in self.group_row:
                self.group_row[g] = self.row_point.size
                within = np.sort(self.within(g)).astype(np.int32)
                self.highs.addRow(-np.inf, np.inf, within.size, within, np.ones(within.size))
                self.row_point, self.row_cost = np.append(self.row_point, -1), np.append(self.row_cost, 0.0)
            self.highs.changeRowBounds(self.group_row[g], *limits.get(g, (-np.inf, np.inf)))
        self.limits = dict(limits)

    def forget(self) -> None:
        """Drop the cuts that bind nothing, when there are many."""
        import highspy

        if self.row_point.size < ROWS_A_POINT * self.near.shape[0]:
            return
        basis = self.highs.getBasis()
        idle = np.array([status == highspy.HighsBasisStatus.kBasic for status in basis.row_status])
        stay = ~idle | (self.row_point < 0)
        gone = np.flatnonzero(~stay).astype(np.int32)
        self.highs.deleteRows(gone.size, gone)
        basis.row_status = [status for status, kept in zip(basis.row_status, stay, strict=True) if kept]
        self.highs.setBasis(basis)
        number = np.cumsum(stay) - 1
        self.row_point, self.row_cost = self.row_point[stay], self.row_cost[stay]
        self.group_row = {g: int(number[row]) for g, row in self.group_row.items()}


def _families(near: Any, cost: Floats) -> tuple[Ints, Ints, Any]:
    """Return the family tree of sites by likeness of their costs: its order, each group's ends, and whom groups join.

    ``near`` (points, sites): sites of each demand point, nearest first. ``cost`` (points, sites): costs in the order of
    ``near``. Returns: sites, shape (sites,); ends in that order, shape (groups, 2); and joins, shape (sites - 1, 2).
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    n, m = near.shape
    if m == 1:
        return np.zeros(1, np.int64), np.array([[0, 1]]), np.zeros((0, 2), np.int64)
    some = slice(None, None, max(1, n // 400))
    plain = np.empty((near[some].shape[0], m))
    np.put_along_axis(plain, near[some].astype(np.int64), cost[some], axis=1)
    tree = linkage(pdist(plain.T), "average")
    order, joins = leaves_list(tree).astype(np.int64), tree[:, :2].astype(np.int64)
    ends = np.zeros((2 * m - 1, 2), np.int64)
    ends[order] = np.stack((np.arange(m), np.arange(1, m + 1)), axis=1)
    for q, pair in enumerate(joins):
        ends[m + q] = ends[pair, 0].min(), ends[pair, 1].max()
    return order, ends[:-1], joins


@dataclass(eq=False)
class _Node:
    """Hold one part of the search: limits on counts, its bound, and the linear model's choice there."""

    bound: float
    limits: Limits
    y: Floats


@dataclass(eq=False)
class _Tree:
    """Hold one search; ``upper`` is in the unit of costs."""

    master: Master
    table: Any
    p: int
    upper: float
    margin: Callable[[float], float]
    control: Control
    state: Any
    is_open: Flags | None = None

    @property
    def cut(self) -> float:
        """Return the value below which a better plan is sought, in the model's unit."""
        return self.margin(self.upper) * self.master.scale


def prove(
    master: Master,
    table: Any,
    p: int,
    status: Any,
    upper: float,
    margin: Callable[[float], float],
    control: Control,
    tell: Callable[[float, float, Flags | None], None],
) -> int:
    """Branch until nothing better is left or time is up; return the nodes looked at.

    Parameters
    ----------
    master : Master
    table : Sorted
        The costs that ``master`` was made of.
    p : int
    status : array of int, shape (m,)
        1 must be open, -1 closed, 0 in question.
    upper : float
        Value of the best known plan.
    margin : callable
        Returns the value below which a plan is better than one of a given value.
    control : Control
    tell : callable
        Told the best value, what is proven, and the sites of the plan where it was found here, at every node.
    """
    unit, nodes, ties, undecided = master.scale, 0, 0, np.inf
    search = _Tree(master, table, p, upper, margin, control, table.state(table.keep))
    master.forget()
    master.highs.changeRowBounds(0, p, p)
    root = _relax(search, {int(j): (float(status[j] > 0),) * 2 for j in np.flatnonzero(status)}, -np.inf)
    if root is None:
        return 0
    heap = [(root.bound, ties, root)]
    while heap and heap[0][0] < search.cut and not control.stopped:
        tell(search.upper, min(heap[0][0], undecided) / unit, search.is_open)
        node = heapq.heappop(heap)[2]
        nodes += 1
        group = _choose(search, node)
        halves = _halves(search, node, group) if group >= 0 else [None]
        for limits in halves:
            child = _relax(search, limits, node.bound) if limits is not None else None
            if child is None:  # not solved: what is proven of its parent is proven of it
                undecided = min(undecided, node.bound)
                continue
            _learn(master, group, node, child)
            ties += 1
            heapq.heappush(heap, (child.bound, ties, child))
    proven = min(undecided, heap[0][0] if heap else np.inf)
    tell(search.upper, proven / unit if proven < search.cut else margin(search.upper), search.is_open)
    return nodes


def _halves(search: _Tree, node: _Node, group: int) -> list[Limits]:
    """Return the limits of the two parts a node falls into; parts no count of p sites fits are left out."""
    from balance_lib.optimise import cuts

    master, size = search.master, search.master.ends.shape[0]
    whole = np.append(np.diff(master.ends)[:, 0], master.near.shape[1]).astype(float) if size > 1 else np.ones(1)
    low, high = node.limits.get(group, (0.0, float(whole[group])))
    count = float(np.floor(node.y[master.within(group)].sum() + 1e-6))
    found = []
    for limits in ({**node.limits, group: (low, count)}, {**node.limits, group: (count + 1, high)}):
        least, most = np.zeros(whole.size), whole.copy()
        for g, (a, b) in limits.items():
            least[g], most[g] = a, b
        if cuts.countable(master.children, least, most, float(search.p)):
            found.append(limits)
    return found


def _relax(search: _Tree, limits: Limits, parent: float) -> _Node | None:
    """Solve the linear model under these limits, adding cuts; try to better the plan. None when it was not solved."""
    from balance_lib.optimise import cuts, lagrangian

    master = search.master
    n, m = master.near.shape
    rank, excess, rho, chosen = np.zeros(n, np.int64), np.zeros(n), np.zeros(m), np.zeros(m, np.bool_)
    status = np.zeros(m, np.int8)
    for g, (low, high) in limits.items():
        if g < m:
            status[g] = 1 if low > 0.5 else -1 if high < 0.5 else 0
    bound, fixed = parent, status.copy()
    master.set_limits(limits)
    while True:
        y, theta, value = _run(search)
        if y is None:
            return None
        u, prices, total = _prices(master, limits)
        proven = cuts.certify(master.near, master.cost, u, prices, status, search.p, total, rho, chosen)
        lagrangian.fix(fixed, rho, chosen, proven, search.cut)
        bound = max(bound, proven.value)
        if bound >= search.cut or search.control.stopped:
            break
        real = cuts.separate(master.near, master.cost, y, theta, rank, excess)
        whole = bool(np.all(np.abs(y - np.round(y)) < 1e-6))
        lacking = np.flatnonzero(excess > 1e-7 * MEAN_COST)
        if not lacking.size or real - value < max(1e-7 * value, 0.0 if whole else 0.02 * (search.cut - value)):
            break
        master.add(lacking, rank)
    if bound < search.cut:
        _round(search, y)
        limits = {**limits, **{int(j): (float(fixed[j] > 0),) * 2 for j in np.flatnonzero(fixed != status)}}
    return _Node(bound, limits, y)


def _run(search: _Tree, steps: int | None = None) -> tuple[Any, Any, float]:
    """Let HiGHS go on from where it stands; return y, theta and value, None when it did not end."""
    import highspy

    h = search.master.highs
    h.setOptionValue("time_limit", h.getRunTime() + search.control.left_s)
    h.setOptionValue("simplex_iteration_limit", 2**31 - 1 if steps is None else steps)
    h.run()
    ended = h.getModelStatus()
    if ended != highspy.HighsModelStatus.kOptimal and steps is None:
        return None, None, np.nan
    m = search.master.near.shape[1]
    value = np.inf if ended == highspy.HighsModelStatus.kInfeasible else float(h.getInfo().objective_function_value)
    x = np.array(h.getSolution().col_value)
    return x[:m].clip(0.0, 1.0), x[m:], value


def _prices(master: Master, limits: Limits) -> tuple[Floats, Floats, float]:
    """Return multipliers of points, prices of sites through their groups, and what the groups' limits pay back."""
    n, m = master.near.shape
    dual = np.array(master.highs.getSolution().row_dual)
    cut = master.row_point >= 0
    share, points = np.maximum(dual[cut], 0.0), master.row_point[cut]
    u = np.bincount(points, weights=share * master.row_cost[cut], minlength=n).astype(float)
    u += np.maximum(0.0, 1.0 - np.bincount(points, weights=share, minlength=n)) * master.cost[:, 0]
    prices, total = np.zeros(m), 0.0
    for g, (low, high) in limits.items():
        price = dual[master.group_row[g]] if g >= m else 0.0
        if price:
            prices[master.within(g)] += price
            total += price * (low if price > 0 else high)
    return u, prices, float(total)


def _round(search: _Tree, y: Floats) -> None:
    """Open the p sites of largest y and exchange from there."""
    from balance_lib.optimise import interchange

    table = search.table
    wanted = np.zeros(y.size, np.bool_)
    wanted[np.argsort(-y - table.keep, kind="stable")[: search.p]] = True
    interchange.set_state(search.state, wanted)
    found = interchange.descend(search.state)
    if found < search.upper * (1 - 1e-12):
        search.upper, search.is_open = float(found), search.state.is_open.copy()


def _choose(search: _Tree, node: _Node) -> int:
    """Return the group whose count is best rounded both ways: tried in the model until known; -1 if all are whole."""
    master = search.master
    count = master.counts(node.y)
    part = count - np.floor(count + 1e-6)
    parted = np.flatnonzero(np.minimum(part, 1 - part) > 1e-5)
    if not parted.size:
        return -1
    # What is unknown is taken for usual.
    usual = master.gains.sum(axis=1) / master.tries.sum(axis=1) if master.tries.any() else np.ones(2)
    rates = np.where(master.tries > 0, master.gains / np.maximum(master.tries, 1), usual[:, None])
    score = np.maximum(rates[0] * part, 1e-9) * np.maximum(rates[1] * (1 - part), 1e-9)
    best, chosen, quiet = -1.0, -1, 0
    for g in parted[np.argsort(-score[parted], kind="stable")][:TRIED]:
        worth = score[g] if master.tries[:, g].min() >= KNOWN else _try(search, node, int(g), float(part[g]))
        quiet += 1
        if worth > best:
            best, chosen, quiet = worth, int(g), 0
        if quiet >= ENOUGH or search.control.stopped:
            break
    return chosen


def _try(search: _Tree, node: _Node, group: int, part: float) -> float:
    """Return how much a few steps of the simplex raise the bound in both parts of a node."""
    master, worth = search.master, 1.0
    sites = master.within(group)
    count = float(np.floor(node.y[sites].sum() + 1e-6))
    low, high = node.limits.get(group, (0.0, float(sites.size)))
    for way, limit in enumerate(((low, count), (count + 1, high))):
        master.set_limits({**node.limits, group: limit})
        _, _, value = _run(search, STEPS)
        gain = max(0.0, min(value, search.cut) - node.bound)
        master.gains[way, group] += gain / (part if way == 0 else 1 - part)
        master.tries[way, group] += 1
        worth *= max(gain, 1e-9)
    return worth


def _learn(master: Master, group: int, node: _Node, child: _Node) -> None:
    sites = master.within(group)
    count = node.y[sites].sum()
    part = count - np.floor(count + 1e-6)
    up = child.y[sites].sum() > count
    master.gains[int(up), group] += max(0.0, child.bound - node.bound) / (1 - part if up else part)
    master.tries[int(up), group] += 1
