"""Compiled loops (numba) over the arrays of a layout: who goes to which school, beds, ways, classes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled

NOWHERE = -1
_GRADES = 3  # of each band


class Day(NamedTuple):
    """Hold the day pupils of groups, and how far they have it.

    Parameters
    ----------
    order : array of int
        The groups that count, the nearest first.
    stage : array of int, shape (groups,)
    pupils, metres : array of float, shape (groups,)
    """

    order: Ints
    stage: Ints
    pupils: Floats
    metres: Floats


@compiled
def to_nearest(
    leaving: Ints, point: Ints, first_from: Ints, need: Ints, stage: int, order: Ints, metres: Floats,
    school_order: Ints, takes: Flags,
) -> Ints:  # fmt: skip
    """Send every point to its nearest school that takes in all its bands; return the school of each point.

    Parameters
    ----------
    leaving : array of int
        Rows of the groups that must be placed.
    point : array of int, shape (rows,)
        Villages first; then pupils of unknown home, by the school they come from.
    first_from, need : array of int, shape (points,)
        The school of the point's first row, and the point's bands as bits.
    stage : int
    order, metres : array, shape (villages, schools)
        Schools by distance, the unknown last, and the distances.
    school_order : array of int, shape (schools, schools)
        The same between schools, for pupils of unknown home.
    takes : array of bool, shape (schools, bands)
        Who may be sent where.
    """
    to = np.full(need.size, NOWHERE, np.int64)
    done = np.zeros(need.size, np.bool_)
    for row in leaving:
        p = point[row]
        if done[p]:
            continue
        done[p] = True
        reached = False
        if p < order.shape[0]:
            for j in order[p]:
                if not math.isfinite(metres[p, j]):
                    break
                if takes[j, 2] if stage == 1 else takes[j, 0] or takes[j, 1]:
                    reached = True
                    if _takes_all(takes[j], need[p]):
                        to[p] = j
                        break
        if not reached:
            for j in school_order[first_from[p]]:
                if _takes_all(takes[j], need[p]):
                    to[p] = j
                    break
    return to


@compiled
def _takes_all(takes: Flags, need: int) -> bool:
    for b in range(takes.size):  # noqa: SIM110 - compiled
        if (need >> b) & 1 and not takes[b]:
            return False
    return True


@compiled
def _fitting(band: Ints, pupils: Floats, left: Floats) -> Flags:
    """Take in whole groups in their order as long as their band has places; return who is taken in.

    ``left``: places left; changed in place.
    """
    taken = np.zeros(band.size, np.bool_)
    for i in range(band.size):
        if pupils[i] <= left[band[i]]:
            left[band[i]] -= pupils[i]
            taken[i] = True
    return taken


@compiled
def _give_beds(order: Ints, wish: Floats, to: Ints, free: Floats) -> Floats:
    """Give out the free beds of each school in an order; return how many each group gets.

    ``wish``, ``to``: pupils who would board, and their school. ``free``: free beds; changed in place.
    """
    got = np.zeros(wish.size)
    for i in order:
        if wish[i] > 0 and to[i] >= 0:
            got[i] = min(wish[i], free[to[i]])
            free[to[i]] -= got[i]
    return got


@compiled
def _share_boarders(have: Floats, row: Ints, pupils: Floats) -> Floats:
    """Divide the boarders of groups among their flows, in the order of the flows.

    ``row``, ``pupils``: the group each flow comes from, and its pupils.
    """
    left, out = have.copy(), np.zeros(row.size)
    for f in range(row.size):
        out[f] = min(left[row[f]], pupils[f])
        left[row[f]] -= out[f]
    return out


@compiled
def _cover(
    stage: Ints, band: Ints, day: Floats, board: Floats, metres: Floats, minutes: Floats, ride: Floats, radius: Floats,
    young_limit: float,
) -> Floats:  # fmt: skip
    """Count by stage how pupils get to school.

    ``metres``, ``minutes``, ``ride``: the way, walking, and the minutes by bus; NaN where nobody knows or none goes.
    ``radius``: metres pupils walk at most. ``young_limit``: minutes a pupil of the youngest band may travel.

    Returns
    -------
    array of float, shape (stages, 10)
        pupils, walk, ride, board, far, unknown, metres of day pupils, longest way, young pupils over the limit, all
        young pupils.
    """
    out = np.zeros((2, 10))
    out[:, 7] = math.nan
    for i in range(day.size):
        s, d = stage[i], day[i]
        out[s, 0] += d + board[i]
        out[s, 3] += board[i]
        known = math.isfinite(metres[i])
        walks = metres[i] <= radius[s]
        rides = math.isfinite(ride[i]) and known and not walks
        if walks:
            out[s, 1] += d
        elif not known:
            out[s, 5] += d
        elif rides:
            out[s, 2] += d
        else:
            out[s, 4] += d
        if known and d > 0:
            out[s, 6] += metres[i] * d
            if not out[s, 7] >= metres[i]:
                out[s, 7] = metres[i]
        if band[i] == 0 and d > 0:
            out[s, 9] += d
            travel = ride[i] if rides else minutes[i]
            if travel > young_limit:
                out[s, 8] += d
    return out


@compiled
def _quantile(stay: Day, moved: Day, stage: int, pupils: float, share: float) -> float:
    """Return the way that a share of a stage's day pupils do not exceed; NaN when nobody's is known.

    The longest ways are taken off first: they are few.

    ``pupils``: day pupils of the stage whose way is known.
    """
    left, a, b = pupils, stay.order.size - 1, moved.order.size - 1
    while True:
        while a >= 0 and not (stay.stage[stay.order[a]] == stage and stay.pupils[stay.order[a]] > 0):
            a -= 1
        while b >= 0 and moved.stage[moved.order[b]] != stage:
            b -= 1
        if a < 0 and b < 0:
            return math.nan
        if b < 0 or (a >= 0 and stay.metres[stay.order[a]] >= moved.metres[moved.order[b]]):
            way, gone, a = stay.metres[stay.order[a]], stay.pupils[stay.order[a]], a - 1
        else:
            way, gone, b = moved.metres[moved.order[b]], moved.pupils[moved.order[b]], b - 1
        left -= gone
        if left < share * pupils:
            return way


@compiled
def _class_sizes(bands: Floats, grades: float, there: float, cap: float) -> Ints:
    """Return the sizes of the classes the pupils of a stage form, grade by grade.

    The classes there are stay; where a grade would exceed the cap, it gets one more. With fewer classes than grades
    that all fit, grades share classes.

    ``bands``: pupils of each band of the stage, spread evenly over its grades. ``grades``: how many grades the stage
    has; of an incomplete school the upper ones are missing. ``there``: how many classes there are; NaN: as many as
    needed.
    """
    by_grade = np.empty(_GRADES * bands.size, np.int64)
    least = np.empty(_GRADES * bands.size, np.int64)
    n, pupils, least_sum = 0, 0, 0
    for b in range(bands.size):
        taught = _GRADES
        if b == 1 and grades > 3.0 and grades < 6.0:
            taught = int(grades) - 3
        count = round(bands[b])
        for g in range(taught):
            size = count // taught + (1 if g < count % taught else 0)
            if size > 0:
                by_grade[n], least[n] = size, math.ceil(size / cap)
                least_sum += least[n]
                pupils += size
                n += 1
    rooms = least_sum if math.isnan(there) else int(there)
    if rooms < n and least_sum == n:
        by_grade[0], least[0] = pupils, max(rooms, math.ceil(pupils / cap))
        n, least_sum = 1, least[0]
    while n > 0 and least_sum < rooms:
        widest = 0
        for g in range(1, n):
            if by_grade[g] / least[g] > by_grade[widest] / least[widest]:
                widest = g
        if by_grade[widest] <= least[widest]:
            break
        least[widest] += 1
        least_sum += 1
    out, at = np.empty(least_sum, np.int64), 0
    for g in range(n):
        for k in range(least[g]):
            out[at] = by_grade[g] // least[g] + (1 if k < by_grade[g] % least[g] else 0)
            at += 1
    return out


@compiled
def _class_table(
    touched: Flags, after: Floats, grades: Floats, classes: Floats, caps: Floats, counts: Floats, largest: Floats
) -> None:
    """Form the classes of the touched schools and stages; ``counts`` and ``largest`` are filled.

    ``counts``, ``largest``: classes, and pupils of the largest.
    """
    for j in range(after.shape[0]):
        for s in range(2):
            if touched[j, s]:
                bands = after[j, 0:2] if s == 0 else after[j, 2:3]
                sizes = _class_sizes(bands, grades[j, s], classes[j, s], caps[s])
                counts[j, s], largest[j, s] = sizes.size, sizes.max() if sizes.size else 0
