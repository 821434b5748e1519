"""Put a county's layout with all its rules as a mixed-integer model: the scenario's own rules, numbered.

    x_ij: the pupils of point i (a village's pupils at school h(i)) attend school j; y_j: j is open; z_vj: the village v
    is zoned to the new school j: all its points then attend it, z_ij below; n_ib pupils of band b; e_ij extra metres.
    Wherever x_ij stands but in (2) and (3), x_ij + z_ij is meant.

    minimise    sum_i n_i sum_j e_ij x_ij                       extra pupil-metres (or sum_j y_j: schools)
    subject to  (1)  sum_j x_ij = 1                             everybody goes somewhere
                (2)  x_ij <= y_j                                to an open school
                (2b) x_ij <= x_kj + y_h(k)                  points i, k of one village leave closed schools together
                (3)  sum_{j != h(i)} x_ij <= 1 - y_h(i)         whose school stays open stays, or is zoned to a new one
                (4)  sum_j y_j = p                              p schools are open
                (5)  sum_{h(i) != j} n_ib x_ij <= F_jb y_j + sum_{h(i) = j} n_ib (1 - x_ij)
                                                                newcomers have places, band by band
                (6)  sum_i n_i x_ij >= L y_j                    least size of schools that may close or open
                (7)  x_ij = 0 where nobody can go, and for j != h(i) where d_ij > max_distance (7a); where some live
                     beyond the walking radius, no bus takes them within its minutes, and they may not or cannot board
                     (7b); where grades 1-3 would be on the way too long (7c)
                (8)  sum_i k_ij x_ij <= B_j + leavers' beds     beds for those who can only board (never grades 1-3)
                (9)  sum_{j in T} y_j >= 1                      every township T keeps its central primary, its junior
                (10) sum_{j new} c_j y_j <= building budget
                (11) R(x, y) - R(today) <= running budget       :mod:`balance_lib.planning.siting.running_costs`
                (12) sum_v z_vj >= y_j, sum_j z_vj <= 1         a new school has a zone, a village one new school
                (12b) sum_i n_i x_ij >= y_j                 no school is left open without pupils
                (13) y_j = 1 unless j may close or is new
                (14) at least one y_j or z_vj differs from each choice the scenario has refused
                (15) x_ij, y_j, z_vj in {0, 1}

The scenario sends pupils of closed schools by the least total distance within places, whatever (7b)–(8) and (10)–(11)
would like. So the model's best choice of schools is carried out (:mod:`balance_lib.planning.siting.trial`); when the
scenario then breaks a rule the choice is cut off by (14) and the model solved again. The model's optimum is a bound on
every choice not cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from balance_lib.optimise.solution import Flags, Ints
from balance_lib.planning.siting.layouts import CountyLayout
from balance_lib.planning.siting.running_costs import Rates

# Beyond the reach nobody is sent, but to one of so many nearest schools: as in a scenario.
NEAREST = 3


@dataclass(eq=False)
class CountyModel:
    """Hold the model of one layout; rows are put together anew for every question.

    Parameters
    ----------
    layout : CountyLayout
    offset_yuan : float
        What the baseline's settings alone (a bus) cost a year more than today.
    """

    layout: CountyLayout
    offset_yuan: float = 0.0

    @cached_property
    def rates(self) -> Rates:
        """Return what schools and ways cost."""
        return Rates.of(self.layout)

    @cached_property
    def pairs(self) -> tuple[Ints, Ints, Flags]:
        """Return points and sites of all pairs with somebody to move, and which are by zone; before any rule bars one.

        First who stays, then where pupils of closed schools may go, then who may be zoned to a new school.
        """
        drawn = self.layout
        stays = np.flatnonzero(drawn.closable[drawn.home] | self.loose)
        useful = np.isfinite(drawn.extra_m) & drawn.closable[drawn.home][:, None] & self._within_reach
        useful[np.arange(drawn.home.size), drawn.home] = False
        (goes, to), (zoned, new) = np.nonzero(useful), np.nonzero(self.zoned)
        by_zone = np.repeat([False, True], [stays.size + goes.size, zoned.size])
        return np.concatenate((stays, goes, zoned)), np.concatenate((drawn.home[stays], to, new)), by_zone

    @cached_property
    def _within_reach(self) -> Flags:
        """Leave out sites that can never be among the nearest open ones and lie beyond the reach."""
        drawn = self.layout
        reach = drawn.baseline.settings.number(f"reach_{drawn.stage}_m")
        sure = np.where(drawn.must[None, :] & np.isfinite(drawn.extra_m), drawn.metres, np.inf)
        if drawn.must.sum() < NEAREST:
            return np.ones(drawn.metres.shape, np.bool_)
        third = np.sort(sure, axis=1)[:, NEAREST - 1]
        return np.asarray(drawn.metres <= np.maximum(reach, third)[:, None])

    @cached_property
    def zoned(self) -> Flags:
        """Return which points can be zoned to which new sites: whole villages only, shape (points, sites)."""
        drawn = self.layout
        can = np.isfinite(drawn.extra_m) & drawn.new[None, :] & drawn.zonable[:, None]
        if not drawn.new.any():
            return can
        villages = drawn.points["village_id"].to_numpy()
        points, sites = np.nonzero(drawn.new[None, :] & ~can)
        blocked = set(zip(villages[points], sites, strict=True))
        for i, j in zip(*np.nonzero(can), strict=True):
            can[i, j] = (villages[i], j) not in blocked
        return can

    @cached_property
    def loose(self) -> Flags:
        """Return the points that can be zoned to some new site, so that they may leave a school that stays open."""
        return np.asarray(self.zoned.any(axis=1))

    @cached_property
    def zones(self) -> list[tuple[str, int]]:
        """Return the pairs of village and new site that have a column."""
        points, sites = np.nonzero(self.zoned)
        villages = self.layout.points["village_id"].to_numpy()
        return list(dict.fromkeys((str(villages[i]), int(j)) for i, j in zip(points, sites, strict=True)))
