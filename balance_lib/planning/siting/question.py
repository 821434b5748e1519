"""Write one question to a county's model as rows for HiGHS; the numbered model stands in :mod:`.model`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from balance_lib.optimise import highs
from balance_lib.optimise.solution import Flags, Floats, Ints
from balance_lib.planning.siting.model import CountyModel
from balance_lib.planning.siting.trial import PlanCheck, SiteChoice


@dataclass(eq=False)
class Question:
    """Put one question to a county's model: which rules hold, which one gives way, which choices are refused.

    Parameters
    ----------
    base : CountyModel
    schools : int or None
        (4); None: any number.
    counts : bool
        Minimise the number of schools instead of extra metres.
    gives : str
        A rule that may give way: the least it has to give is then what is minimised. Empty: all hold.
    refused : sequence of SiteChoice
        (14).
    fixed : SiteChoice, optional
        The sites that are open and the zones of new ones, where only who goes where is asked.
    worthwhile : (flags (points, sites), status (sites,)), optional
        Pairs, and sites (1 open, -1 closed), that a plan worth finding may have; what it cannot have is left out.
    pulled : collection of (point, site, site)
        Points not to be sent to the first site for its size's sake while the second is open, which is where the
        scenario sends them.
    split : bool
        Points may be split, without (2b), and without (2) where (5) says it of whole sites.
    spare : float
        Share of every school's places that is not used.
    """

    base: CountyModel
    schools: int | None
    counts: bool = False
    gives: str = ""
    refused: Sequence[SiteChoice] = ()
    fixed: SiteChoice | None = None
    worthwhile: tuple[Flags, Any] | None = None
    pulled: Collection[tuple[int, int, int]] = ()
    split: bool = False
    spare: float = 0.0

    def __post_init__(self) -> None:
        drawn = self.base.layout
        point, site, by_zone = self.base.pairs
        stays = (drawn.home[point] == site) & ~by_zone
        barred = {rule: table[point, site] & ~stays for rule, table in drawn.barred.items()}
        held = np.logical_or.reduce([table for rule, table in barred.items() if rule != self.gives])
        if self.gives == "bus":
            barred["bus"] = drawn.by_bus[point, site] & ~stays
            held &= ~barred["bus"]
        if self.worthwhile is not None:
            held |= ~self.worthwhile[0][point, site] & ~stays & ~by_zone
        villages = drawn.points["village_id"].to_numpy()
        zoned = np.flatnonzero(by_zone)
        zone: dict[Any, Any] = dict(
            zip(zoned.tolist(), zip(villages[point[zoned]], site[zoned].tolist(), strict=True), strict=True)
        )
        out = {zone[k] for k in np.flatnonzero(held & by_zone)}  # a village goes to a new school whole or not at all
        keep = ~held
        keep[[k for k, pair in zone.items() if pair in out]] = False
        self.point, self.site, self.stays, self.by_zone = point[keep], site[keep], stays[keep], by_zone[keep]
        self.given_way = barred[self.gives][keep] if self.gives in barred else np.zeros(keep.sum(), np.bool_)
        self.m = drawn.new.size
        self.zones = [pair for pair in self.base.zones if pair not in out]
        # Who cannot be zoned elsewhere stays while the school does: y says it, no column of its own.
        self.tied = self.stays & ~self.base.loose[self.point]
        own = ~self.by_zone & ~self.tied
        self.first_zone = self.m + int(own.sum())
        self.size = self.first_zone + len(self.zones)
        number = {pair: self.first_zone + at for at, pair in enumerate(self.zones)}
        self.column = np.where(self.tied, self.site, self.m + np.cumsum(own) - 1)
        self.column[self.by_zone] = [number[zone[k]] for k in np.flatnonzero(keep & by_zone)]
        # Rows so far, and further columns: cost, lower, upper, whole.
        self._blocks: list[tuple[Any, Any, Any, Any, Any]] = []
        self.slack = np.empty(0, np.int64)
        self._more: list[tuple[float, float, float, bool]] = []

    def _who_never_moves(self, values: Floats) -> Floats:
        """Sum a figure of points by school over those that have no column: they stay whatever is decided."""
        fixed = np.ones(values.size, np.bool_)
        fixed[self.point] = False
        home = self.base.layout.home[fixed]
        return np.bincount(home, weights=values[fixed], minlength=self.m).astype(float)

    # Rows ---------------------------------------------------------------------------------------------------------

    def model(self) -> highs.HighsModel:
        """Return the model as rows and columns."""
        goals = self.base.layout.goals
        self._service()
        self._together()
        self._count()
        self._places()
        if goals.min_size is not None:
            self._least_sizes(goals.min_size)
        if self.base.layout.new.any():
            self._pupils_left()
        if goals.radius:
            self._beds()
        if goals.township_minimum:
            self._townships()
        self._budgets()
        self._refusals()
        return self._assembled()

    def _row(self, row: Any, column: Any, value: Any, lower: Any, upper: Any) -> None:
        """Add rows; entries of one row and column are summed: several points of a village share a column."""
        row, column = np.asarray(row, np.int64), np.asarray(column, np.int64)
        value = np.broadcast_to(np.asarray(value, float), row.shape)
        key, at = np.unique(row * (1 << 32) + column, return_inverse=True)
        summed = np.bincount(at, weights=value, minlength=key.size)
        self._blocks.append((key >> 32, key & ((1 << 32) - 1), summed, lower, upper))

    def _column(self, cost: float = 0.0, upper: float = np.inf, *, whole: bool = False) -> int:
        """Add a column from zero; return its number."""
        self._more.append((cost, 0.0, upper, whole))
        return self.size + len(self._more) - 1

    def _slacks(self, number: int, cost: float = 1.0, upper: float = np.inf) -> Ints:
        """Add the columns by which a rule gives way."""
        self.slack = np.array([self._column(cost, upper) for _ in range(number)], np.int64)
        return self.slack

    def _service(self) -> None:
        """Put (1), (2), (3) and (12)."""
        drawn = self.base.layout
        active, row = np.unique(self.point, return_inverse=True)
        one = np.ones(active.size)
        self._row(row, self.column, 1.0, one, 1.0)
        free = ~drawn.must[self.site] & ~self.by_zone & ~self.tied & (self.stays | (not self.split))
        k = np.arange(free.sum())
        self._row(np.concatenate((k, k)), np.concatenate((self.column[free], self.site[free])),
                  np.repeat([1.0, -1.0], k.size), np.full(k.size, -np.inf), 0.0)  # fmt: skip
        loose = self.base.loose[active]  # (3) follows from (1) for the others
        goes, at, rank = ~self.stays & ~self.by_zone & loose[row], np.flatnonzero(loose), np.cumsum(loose) - 1
        self._row(np.concatenate((rank[row[goes]], rank[at])),
                  np.concatenate((self.column[goes], drawn.home[active[at]])), 1.0,
                  np.full(at.size, -np.inf), 1.0)  # fmt: skip
        q = np.arange(len(self.zones))
        sites = np.array([j for _, j in self.zones], np.int64)
        names, village = np.unique(np.array([v for v, _ in self.zones], str), return_inverse=True)
        self._row(np.concatenate((q, q)), np.concatenate((self.first_zone + q, sites)),
                  np.repeat([1.0, -1.0], q.size), np.full(q.size, -np.inf), 0.0)  # fmt: skip
        self._row(village, self.first_zone + q, 1.0, np.full(names.size, -np.inf), 1.0)
        new = np.flatnonzero(drawn.new)
        rank = np.searchsorted(new, sites)
        self._row(np.concatenate((rank, np.arange(new.size))), np.concatenate((self.first_zone + q, new)),
                  np.concatenate((np.ones(q.size), -np.ones(new.size))), np.zeros(new.size), np.inf)  # fmt: skip
        if self.given_way.any():
            self._give_way(active, row)

    def _together(self) -> None:
        """Put (2b); where villages may be split they need not go together."""
        drawn = self.base.layout
        if self.split or drawn.baseline.settings.assignment == "transport":
            return
        several = drawn.points["village_id"].duplicated(keep=False).to_numpy()
        goes = ~self.stays & ~self.by_zone & several[self.point]
        column = dict(zip(zip(self.point[goes], self.site[goes], strict=True), self.column[goes], strict=True))
        sites: dict[int, list[int]] = {}
        for i, j in column:
            sites.setdefault(i, []).append(j)
        moving = drawn.points.loc[sorted(sites), "village_id"]
        entries: list[tuple[int, int, float]] = []
        rows = 0
        for _, village in moving[moving != ""].groupby(moving):
            for i, k in permutations(village.index, 2):
                for j in sites[i]:
                    if j != drawn.home[k]:
                        entries += [(rows, column[i, j], 1.0), (rows, drawn.home[k], -1.0)]
                        entries += [(rows, column[k, j], -1.0)] if (k, j) in column else []
                        rows += 1
        if rows:
            row, columns, values = zip(*entries, strict=True)
            self._row(row, columns, values, np.full(rows, -np.inf), 0.0)

    def measure(self, used: Flags) -> Floats:
        """Return what is measured of pairs where a rule gives way: minutes or metres."""
        point, site = self.point[used], self.site[used]
        if self.gives not in ("young", "bus"):
            return self.base.layout.metres[point, site]
        ways = self.base.layout.travel.pairs(point, site)
        return ways.young_minutes if self.gives == "young" else ways.bus_minutes

    def _give_way(self, active: Ints, row: Ints) -> None:
        """Let pairs a rule bars be used, at the price of the farthest of them."""
        far = self.given_way
        most = self._column(1.0)
        value = self.measure(far)
        rows, at = np.unique(row[far], return_inverse=True)
        self._row(np.concatenate((at, np.arange(rows.size))),
                  np.concatenate((self.column[far], np.full(rows.size, most))),
                  np.concatenate((value, -np.ones(rows.size))), np.full(rows.size, -np.inf), 0.0)  # fmt: skip

    def _count(self) -> None:
        """Put (4)."""
        if self.schools is None:
            return
        columns, values = np.arange(self.m), np.ones(self.m)
        if self.gives == "schools":
            columns = np.concatenate((columns, self._slacks(2)))
            values = np.concatenate((values, [1.0, -1.0]))
        self._row(np.zeros(columns.size), columns, values, [float(self.schools)], float(self.schools))

    def _places(self) -> None:
        """Put (5)."""
        drawn = self.base.layout
        comes = drawn.home[self.point] != self.site
        leaves = ~comes & self.base.loose[self.point] if drawn.new.any() else np.zeros_like(comes)
        short = self._slacks(self.m) if self.gives == "places" else None
        sites = np.arange(self.m)
        for band in range(drawn.by_band.shape[1]):
            n, room = drawn.by_band[:, band], drawn.free[:, band]
            room = (room - self.spare * (room + np.bincount(drawn.home, n, self.m))).clip(min=0.0)
            # Leavers make room: n (1 - x) on the right is n x on the left, and n as a constant.
            constant = np.bincount(self.site[leaves], weights=n[self.point[leaves]], minlength=self.m)
            used = comes | leaves
            parts: list[tuple[Any, Any, Any]] = [
                (self.site[used], self.column[used], n[self.point[used]]),
                (sites, sites, np.where(drawn.must, 0.0, -room)),
            ]
            if short is not None:
                parts.append((sites, short, -np.ones(self.m)))
            self._row(*_joined(parts), np.full(self.m, -np.inf), constant + np.where(drawn.must, room, 0.0))

    def _least_sizes(self, least: float) -> None:
        """Put (6); those who never move count too."""
        drawn = self.base.layout
        looked = drawn.closable | drawn.new
        stay = self._who_never_moves(drawn.pupils)
        sites = np.flatnonzero(looked)
        rank = np.cumsum(looked) - 1
        mine = looked[self.site]
        parts: list[tuple[Any, Any, Any]] = [
            (rank[self.site[mine]], self.column[mine], drawn.pupils[self.point[mine]]),
            (rank[sites], sites, stay[sites] - least),
        ]
        if self.gives == "min_size":
            lacking, most = self._slacks(sites.size, 1e-6, least), self._column(1.0, least)
            parts.append((rank[sites], lacking, np.ones(sites.size)))
            at = np.arange(sites.size)
            self._row(np.concatenate((at, at)), np.concatenate((lacking, np.full(sites.size, most))),
                      np.repeat([1.0, -1.0], sites.size), np.full(sites.size, -np.inf), 0.0)  # fmt: skip
        self._row(*_joined(parts), np.zeros(sites.size), np.inf)
        table = zip(self.point, self.site, self.column, strict=True) if self.pulled else ()
        columns = {(i, j): c for i, j, c in table}
        pulled = [(columns[i, j], k) for i, j, k in self.pulled if (i, j) in columns]
        rows = np.repeat(np.arange(len(pulled)), 2)
        self._row(rows, np.ravel(pulled), 1.0, np.full(len(pulled), -np.inf), 1.0)

    def _pupils_left(self) -> None:
        """Put (12b); only a new school can take all pupils of one that stays open."""
        drawn = self.base.layout
        stay = self._who_never_moves(drawn.pupils)
        sites = np.flatnonzero((drawn.rolls > 0) & (stay == 0) & ~drawn.new)
        rank = np.full(self.m, -1)
        rank[sites] = np.arange(sites.size)
        mine = rank[self.site] >= 0
        parts: list[tuple[Any, Any, Any]] = [
            (rank[self.site[mine]], self.column[mine], drawn.pupils[self.point[mine]]),
            (rank[sites], sites, -np.ones(sites.size)),
        ]
        self._row(*_joined(parts), np.zeros(sites.size), np.inf)

    def _beds(self) -> None:
        """Put (8)."""
        drawn = self.base.layout
        wanted = np.where(self.stays, 0.0, drawn.travel.pairs(self.point, self.site).beds_wanted)
        if not wanted.any():
            return
        beds = drawn.drawn.beds.reindex(list(drawn.school_ids)).fillna(0.0).to_numpy()
        boarding = drawn.boarding.sum(axis=1)
        used = self._who_never_moves(boarding)
        mine = (wanted > 0) | (self.stays & (boarding[self.point] > 0))
        value = np.where(self.stays, boarding[self.point], wanted)[mine]
        parts: list[tuple[Any, Any, Any]] = [(self.site[mine], self.column[mine], value)]
        if self.gives == "beds":
            parts.append((np.arange(self.m), self._slacks(self.m), -np.ones(self.m)))
        # A bed in use by somebody who stays is no fault, however many there are.
        staying = np.bincount(self.site[self.stays], weights=boarding[self.point[self.stays]], minlength=self.m)
        self._row(*_joined(parts), np.full(self.m, -np.inf), np.maximum(beds - used, staying))

    def _townships(self) -> None:
        """Put (9)."""
        towns = list(self.base.layout.township_sites.values())
        town, site = np.nonzero(np.array(towns).reshape(-1, self.m))
        parts: list[tuple[Any, Any, Any]] = [(town, site, np.ones(town.size))]
        if self.gives == "township":
            parts.append((np.arange(len(towns)), self._slacks(len(towns), 1.0, 1.0), np.ones(len(towns))))
        self._row(*_joined(parts), np.ones(len(towns)), np.inf)

    def _budgets(self) -> None:
        """Put (10) and (11)."""
        drawn, goals = self.base.layout, self.base.layout.goals
        new = np.flatnonzero(drawn.new)
        if goals.building_budget_yuan is not None and new.size:
            parts: list[tuple[Any, Any, Any]] = [(np.zeros(new.size), new, self.base.rates.building[new])]
            if self.gives == "building_budget":
                parts.append((np.zeros(1), self._slacks(1), [-1.0]))
            self._row(*_joined(parts), [-np.inf], goals.building_budget_yuan)
        if goals.running_budget_yuan is not None:
            self._running(goals.running_budget_yuan)

    def _running(self, budget: float) -> None:
        """Put (11): columns t_j >= load / ratio (whole) and f_j >= load, floored, where loads may change."""
        drawn, rates = self.base.layout, self.base.rates
        stay = self._who_never_moves(drawn.pupils)
        pairs_stay = float(self._who_never_moves(rates.pair(np.arange(drawn.home.size), drawn.home)).sum())
        sites, rank = np.unique(self.site, return_inverse=True)
        k = sites.size
        whole = [self._column(whole=True) for _ in range(k)]
        funded = [self._column() for _ in range(k)]
        at = np.arange(k)
        coming = drawn.pupils[self.point]
        for columns, scale in ((whole, rates.pupils_per_teacher), (funded, 1.0)):
            self._row(*_joined([(rank, self.column, -coming), (at, columns, np.full(k, scale))]),
                      stay[sites] - 1e-6, np.inf)  # fmt: skip
        for columns, least in ((whole, rates.classes), (funded, rates.least_funded)):
            self._row(*_joined([(at, columns, np.ones(k)), (at, sites, -least[sites])]), np.zeros(k), np.inf)
        rest = np.ones(self.m, np.bool_)
        rest[sites] = False
        constant = rates.running(rest & ~drawn.new, np.where(rest, stay, 0.0)) + pairs_stay
        zero = np.zeros(k)
        parts: list[tuple[Any, Any, Any]] = [
            (zero, sites, rates.fixed[sites]), (zero, whole, np.full(k, rates.teacher)),
            (zero, funded, np.full(k, rates.funds)),
            (np.zeros(self.point.size), self.column, rates.pair(self.point, self.site)),
        ]  # fmt: skip
        if self.gives == "running_budget":
            parts.append((np.zeros(1), self._slacks(1), [-1.0]))
        self._row(*_joined(parts), [-np.inf], budget - self.base.offset_yuan + rates.staying - constant)

    def _refusals(self) -> None:
        """Put (14)."""
        free = np.flatnonzero(~self.base.layout.must)
        zone = np.arange(len(self.zones))
        columns = np.concatenate((free, self.first_zone + zone))
        for choice in self.refused:
            given = set(choice.zones)
            on = np.concatenate((choice.flags[free], [z in given for z in self.zones])).astype(bool)
            self._row(np.zeros(columns.size), columns, np.where(on, -1.0, 1.0), [1.0 - on.sum()], np.inf)

    def _assembled(self) -> highs.HighsModel:
        drawn = self.base.layout
        more = np.array(self._more, float).reshape(-1, 4)
        cost = np.zeros(self.size)
        if self.counts:
            cost[: self.m] = 1.0
        elif not self.gives:
            metres = np.where(self.stays, 0.0, drawn.extra_m[self.point, self.site])
            cost += np.bincount(self.column, weights=drawn.pupils[self.point] * metres, minlength=self.size)
        lower, upper, whole = np.zeros(self.size), np.ones(self.size), np.ones(self.size, np.bool_)
        lower[: self.m] = drawn.must
        if self.worthwhile is not None:
            status = self.worthwhile[1]
            lower[: self.m], upper[: self.m] = np.maximum(lower[: self.m], status == 1), status >= 0
        if self.fixed is not None:
            given = set(self.fixed.zones)
            lower[: self.m] = upper[: self.m] = self.fixed.flags
            lower[self.first_zone :] = upper[self.first_zone :] = [zone in given for zone in self.zones]
        if self.split or drawn.baseline.settings.assignment == "transport":
            whole[self.m : self.first_zone] = False
        model = highs.HighsModel(
            np.concatenate((cost, more[:, 0])), np.concatenate((lower, more[:, 1])),
            np.concatenate((upper, more[:, 2])), np.concatenate((whole, more[:, 3] > 0)),
        )  # fmt: skip
        for row, column, value, low, high in self._blocks:
            model.rows(row, column, value, low, high)
        return model

    # Answers ------------------------------------------------------------------------------------------------------

    def choice(self, values: Floats) -> SiteChoice:
        """Return what a plan of the model decides."""
        zone = values[self.first_zone : self.size] > 0.5
        given = tuple(sorted(z for z, on in zip(self.zones, zone, strict=True) if on))
        return SiteChoice(tuple((values[: self.m] > 0.5).tolist()), given)

    def sent(self, values: Floats) -> tuple[Ints, Ints]:
        """Return the points, and the sites they are sent to in a plan of the model, of those with a column."""
        used = values[self.column] > 0.5
        return self.point[used], self.site[used]

    def columns(self, trial: PlanCheck) -> Floats | None:
        """Return a scenario's plan as columns to start from; None where it uses a pair the model has not."""
        values = np.zeros(self.size)
        values[: self.m] = trial.choice.flags
        village, given = self.base.layout.points["village_id"].to_numpy()[self.point], set(trial.choice.zones)
        zoned = np.zeros(self.point.size, np.bool_)
        for name, j in given:
            zoned |= (village == name) & (self.site == j)
        used = (trial.assignment[self.point] == self.site) & (self.by_zone == zoned)
        values[self.column[used]] = 1.0
        return values if used.sum() == np.unique(self.point).size and not self._more else None


def _joined(parts: Sequence[tuple[Any, Any, Any]]) -> tuple[Any, Any, Any]:
    row, column, value = (np.concatenate([np.asarray(p[k], float).ravel() for p in parts]) for k in range(3))
    return row, column, value
