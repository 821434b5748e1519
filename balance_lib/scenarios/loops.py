"""Compiled loops (numba) over the arrays of a layout: assignment, beds, coverage, classes, goods handed on."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import math

import numpy as np

from balance_lib.compiled import compiled

NOWHERE = -1
_GRADES = 3  # of each band
_PERSONS = 2000.0  # beyond any count of persons no monotony is needed: start at the whole part of the proportion


@compiled
def to_nearest(leaving, point, first_from, need, stage, order, metres, school_order, receives, allowed, villages):
    """Send every point to its nearest school that takes in all its bands.

    Parameters
    ----------
    leaving : array of int
        Rows of the groups that must be placed.
    point, first_from, need, stage : arrays over points or rows
        ``point`` of each leaving row; of each point the school of its first row, its bands as bits, and its stage.
    order, metres : arrays, shape (villages, schools)
        Schools by distance, the unknown last, and the distances.
    school_order : array, shape (schools, schools)
        The same between schools, for pupils of unknown home.
    receives : array of bool, shape (schools, bands)
    allowed : array of bool, shape (schools,)
    villages : object

    Returns
    -------
    array of int
        School of each point.
    """
    found = np.full(need.size, NOWHERE, np.int64)
    done = np.zeros(need.size, np.bool_)
    for row in leaving:
        p = point[row]
        if done[p]:
            continue
        done[p] = True
        seen = False
        if p < villages:
            for k in range(order.shape[1]):
                j = order[p, k]
                if not math.isfinite(metres[p, j]):
                    break
                if allowed[j] and _any(receives[j], stage):
                    seen = True
                    if _all(receives[j], need[p]):
                        found[p] = j
                        break
        if not seen:
            for k in range(school_order.shape[1]):
                j = school_order[first_from[p], k]
                if allowed[j] and _all(receives[j], need[p]):
                    found[p] = j
                    break
    return found


@compiled
def _all(receives, need):
    for b in range(receives.size):  # noqa: SIM110 - compiled
        if (need >> b) & 1 and not receives[b]:
            return False
    return True


@compiled
def _any(receives, stage):
    return receives[2] if stage == 1 else receives[0] or receives[1]


@compiled
def fitting(band, pupils, left):
    """Take in whole groups, in their order, as long as their band has places left; return who is taken in.

    Parameters
    ----------
    band : array or number
        Band of each group.
    pupils : array or number
        Pupils of each group.
    left : array or number
        Places left in each band; changed in place.
    """
    taken = np.zeros(band.size, np.bool_)
    for i in range(band.size):
        if pupils[i] <= left[band[i]]:
            left[band[i]] -= pupils[i]
            taken[i] = True
    return taken


@compiled
def give_beds(order, wish, to, free):
    """Give out the free beds of each school in an order; return how many each row gets.

    Parameters
    ----------
    order : array or number
        Order in which they come.
    wish : array or number
        Pupils who would board.
    to : array or number
        School of each row.
    free : array or number
        Free beds; changed in place.
    """
    got = np.zeros(wish.size)
    for i in order:
        if wish[i] > 0 and to[i] >= 0:
            got[i] = min(wish[i], free[to[i]])
            free[to[i]] -= got[i]
    return got


@compiled
def share_boarders(have, row, pupils):
    """Divide the boarders of groups among their flows, in the order of the flows.

    Parameters
    ----------
    have : array or number
        Boarders of each group.
    row : array or number
        Group of each flow.
    pupils : array or number
        Pupils of each group.
    """
    left, out = have.copy(), np.zeros(row.size)
    for f in range(row.size):
        out[f] = min(left[row[f]], pupils[f])
        left[row[f]] -= out[f]
    return out


@compiled
def cover(stage, band, day, board, metres, minutes, ride, radius, young_limit):
    """Count by stage how pupils get to school.

    Parameters
    ----------
    stage : array or number
        Stage of each group.
    band : array or number
        Band of each group.
    day : array or number
        Day pupils of each group.
    board : array or number
        Boarders.
    metres : array or number
        Way of each group in metres.
    minutes : array or number
    ride : array or number
        Minutes by bus; NaN where none goes.
    radius : array or number
        Walking radius of each stage, metres.
    young_limit : array or number
        Minutes a young pupil may travel.

    Returns
    -------
    array, shape (stages, 10)
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
def quantile(order, stage, s, day, metres, more, more_stage, more_day, more_metres, total, share):
    """Return the way that a share of a stage's day pupils do not exceed; NaN when nobody's is known.

    ``order`` runs over the staying rows by distance, ``more`` over the moved ones; ``total`` is how many pupils of the
    stage both hold. The longest ways are taken off first: they are few.

    Parameters
    ----------
    order : array or number
        Order in which they come.
    stage : array or number
        Stage of each group.
    s : array or number
        Position of the stage.
    day : array or number
        Day pupils of each group.
    metres : array or number
        Way of each group in metres.
    more : array or number
        Moved groups by distance.
    more_stage : array or number
        Stage of each moved group.
    more_day : array or number
        Day pupils of each moved group.
    more_metres : array or number
        Ways of the moved groups, metres.
    total : array or number
    share : array or number
        Share of the pupils.
    """
    left, a, b = total, order.size - 1, more.size - 1
    while a >= 0 or b >= 0:
        while a >= 0 and not (stage[order[a]] == s and day[order[a]] > 0):
            a -= 1
        while b >= 0 and more_stage[more[b]] != s:
            b -= 1
        if b < 0 and a < 0:
            break
        if b < 0 or (a >= 0 and metres[order[a]] >= more_metres[more[b]]):
            way, left, a = metres[order[a]], left - day[order[a]], a - 1
        else:
            way, left, b = more_metres[more[b]], left - more_day[more[b]], b - 1
        if left < share * total:
            return way
    return math.nan


@compiled
def class_sizes(bands, grades, there, cap):
    """Return the sizes of the classes the pupils of a stage form, grade by grade.

    Parameters
    ----------
    bands : array of float
        Pupils of each band of the stage, spread evenly over its grades.
    grades : float
        How many grades the stage has; of an incomplete school the upper ones are missing.
    there : float
        How many classes there are; NaN: as many as needed.
    cap : float

    Returns
    -------
    array of int
        The classes there are stay; where a grade would exceed the cap, it gets one more. With fewer classes than
        grades that all fit, grades share classes.
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
def class_table(touched, after, grades, classes, caps, counts, largest):
    """Form the classes of the touched schools and stages in place.

    Parameters
    ----------
    touched : array or number
        Stages whose pupils changed.
    after : array or number
        Pupils of each school and band.
    grades : array or number
        Grades taught.
    classes : array or number
        Classes of each school and stage.
    caps : array or number
        Pupils in a class at most.
    counts : array or number
        Classes; filled.
    largest : array or number
        Largest class; filled.
    """
    for j in range(after.shape[0]):
        for s in range(2):
            if touched[j, s]:
                bands = after[j, 0:2] if s == 0 else after[j, 2:3]
                sizes = class_sizes(bands, grades[j, s], classes[j, s], caps[s])
                counts[j, s], largest[j, s] = sizes.size, sizes.max() if sizes.size else 0


@compiled
def divided(total, weights, out):
    """Divide an amount in proportion to weights, into ``out``; see :func:`balance_lib.scenarios.goods.divided`.

    Parameters
    ----------
    total : array or number
    weights : array or number
        Weights of the receivers.
    out : array or number
        Parts; filled.
    """
    n, heaviest, whole_sum, weight_sum = weights.size, 0, 0.0, 0.0
    for i in range(n):
        weight_sum += weights[i]
        if weights[i] > weights[heaviest]:
            heaviest = i
    if math.isnan(total):
        for i in range(n):
            out[i] = math.nan if weights[i] > 0 else 0.0
        return
    whole = math.floor(total)
    below = max(whole - 0.5 * n, 0.0) * (1.0 - 1e-9)  # the method's own rounding of too little
    for i in range(n):
        part = weights[i] / weight_sum
        out[i] = math.floor(whole * part) if whole > _PERSONS else max(math.ceil(below * part - 0.5), 0.0)
        whole_sum += out[i]
    worth = np.empty(n)
    for i in range(n):
        worth[i] = weights[i] / (2.0 * out[i] + 1.0)
    for _ in range(round(whole - whole_sum)):
        at = 0
        for i in range(1, n):
            if worth[i] > worth[at]:
                at = i
        out[at] += 1.0
        worth[at] = weights[at] / (2.0 * out[at] + 1.0)
    out[heaviest] += total - whole


@compiled
def hand_on(figures, held, order, key_school, key_stage, subject, degree, blank, own_row, whole_row, shut, goes_to,
            empty, stay, nearest, flow_from, flow_to, flow_stage, flow_pupils):  # fmt: skip
    """Hand on the figures of the schools pupils leave to where they go, subject by subject.

    Parameters
    ----------
    figures : array of float, shape (rows, columns)
        Changed in place.
    held : array of float, shape (rows, columns)
        What each row has to hand on.
    order : array of int
        In which order rows hand on.
    key_school, key_stage : array of int, shape (rows,)
        Stage -1: the whole school; 2: no compulsory stage, hands nothing on.
    subject : array of int, shape (columns,)
        0 the pupils' own, 1 staff, 2 equipment, 3 books, -1 nothing that moves.
    degree, blank : array of bool, shape (columns,)
        Nested counts, and columns whose blank means none.
    own_row, whole_row : array of int, shapes (schools, stages), (schools,)
        -1 none.
    shut : array of bool, shape (schools,)
    goes_to : array of int, shape (schools, subjects)
        A school, -1 with the pupils, -2 nowhere as long as anybody stays.
    empty : array of bool, shape (rows,)
        Whether nobody is left whom the row's staff and goods could serve.
    stay : array of float, shape (schools, stages)
        Pupils who stay.
    nearest : array of int, shape (schools, 2)
        School and stage that get what nobody's pupils take along.
    flow_from, flow_to, flow_stage, flow_pupils : arrays
        Who goes where, by school it comes from, then receivers (-1, none, last), then junior before primary.

    Returns
    -------
    left : array of float, shape (columns,)
        What is left behind.
    unknown : array of bool, shape (columns,)
        Whether somebody got an amount nobody knows.
    """
    most, columns = flow_to.size + 2, figures.shape[1]
    came, came_to, came_stage = np.empty(most), np.empty(most, np.int64), np.empty(most, np.int64)
    weights, to, to_stage = np.empty(most), np.empty(most, np.int64), np.empty(most, np.int64)
    parts, before = np.empty(most), np.empty(most)
    left, unknown = np.zeros(columns), np.zeros(columns, np.bool_)
    start = np.zeros(shut.size + 1, np.int64)
    for f in range(flow_from.size):
        start[flow_from[f] + 1] += 1
    for j in range(shut.size):
        start[j + 1] += start[j]
    for r in order:
        j, s = key_school[r], key_stage[r]
        if s == 2:
            continue
        n, total, lost = 0, 0.0, 0.0
        for f in range(start[j], start[j + 1]):
            if s >= 0 and flow_stage[f] != s:
                continue
            if flow_to[f] < 0:
                lost += flow_pupils[f]
                continue
            total += flow_pupils[f]
            if n > 0 and came_to[n - 1] == flow_to[f] and came_stage[n - 1] == flow_stage[f]:
                came[n - 1] += flow_pupils[f]
            else:
                came_to[n], came_stage[n], came[n] = flow_to[f], flow_stage[f], flow_pupils[f]
                n += 1
        if n == 0 and lost == 0.0 and not shut[j]:
            continue
        for k in range(4):
            if goes_to[j, k] == -2 and not empty[r]:
                continue
            m = n
            if goes_to[j, k] >= 0 and (n > 0 or shut[j]):
                at = goes_to[j, k]
                m, to[0], weights[0] = 1, at, total if n > 0 else 1.0
                to_stage[0] = came_stage[0] if n > 0 else 0 if own_row[at, 0] >= 0 else 1
            elif n == 0 and shut[j] and nearest[j, 0] >= 0 and not (k == 0 and lost > 0.0):
                m, to[0], to_stage[0], weights[0] = 1, nearest[j, 0], nearest[j, 1], 1.0
            else:
                to[:n], to_stage[:n], weights[:n] = came_to[:n], came_stage[:n], came[:n]
            if not shut[j]:  # the school itself, by the pupils who stay
                here = 0.0
                for t in range(2):
                    mine = n == 0
                    for i in range(n):
                        mine |= came_stage[i] == t
                    if t == s or (s < 0 and mine):
                        here += stay[j, t]
                if here > 0.0:
                    to[m], to_stage[m], weights[m] = j, -1, here
                    m += 1
            if k == 0 and lost > 0.0:
                to[m], to_stage[m], weights[m] = -1, -1, lost
                m += 1
            _divide_row(r, k, m, figures, held, subject, degree, blank, own_row, whole_row, to, to_stage, weights,
                        parts, before, left, unknown)  # fmt: skip
    return left, unknown


@compiled
def _divide_row(r, k, m, figures, held, subject, degree, blank, own_row, whole_row, to, to_stage, weights, parts,
                before, left, unknown):  # fmt: skip
    """Divide the columns of one subject of a row among ``m`` receivers: stage -1 is the row itself, school -1 none."""
    below, nested = 0.0, np.empty(m)
    before[:m] = 0.0
    for c in range(figures.shape[1]):
        have = held[r, c]
        if subject[c] != k or have == 0.0:
            continue
        known = not math.isnan(have)
        if known:
            figures[r, c] -= have
        if m == 0:
            left[c] += have if known else 0.0
            unknown[c] |= not known
            continue
        if degree[c] and known:
            below += have
            divided(below, weights[:m], nested)
            for i in range(m):
                parts[i] = nested[i] - before[i]
                before[i] = nested[i]
        else:
            divided(have, weights[:m], parts)
        for i in range(m):
            if parts[i] == 0.0:
                continue
            unknown[c] |= not known
            at = r
            if to[i] >= 0 and to_stage[i] >= 0:
                own, whole = own_row[to[i], to_stage[i]], whole_row[to[i]]
                if own < 0 and whole < 0:
                    own = own_row[to[i], 1 - to_stage[i]]
                at = own
                if whole >= 0 and (own < 0 or math.isnan(figures[own, c])):
                    at = own if own >= 0 and math.isnan(figures[whole, c]) else whole
            elif to[i] < 0:
                at = -1
            if at < 0:  # nobody takes it in
                left[c] += parts[i] if known else 0.0
            elif known or at != r:
                now = figures[at, c]
                figures[at, c] = (0.0 if math.isnan(now) and blank[c] else now) + parts[i]
