"""Compiled loops (numba) that divide what schools hold among those who take it over."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled

_PERSONS = 2000.0  # beyond any count of persons no monotony is needed: start at the whole part of the proportion
_SUBJECTS = 4  # the pupils' own, staff, equipment, books
_SENIOR = 2  # stage of rows that are no compulsory one


class HoldingRows(NamedTuple):
    """Hold what the rows of figures belong to.

    Parameters
    ----------
    order : array of int
        In which order rows hand on.
    school, stage : array of int, shape (rows,)
        Stage -1: the whole school; 2: no compulsory stage, hands nothing on.
    own, whole : array of int, shapes (schools, stages), (schools,)
        The row of a stage and of the whole school; -1 none.
    empty : array of bool, shape (rows,)
        Whether nobody is left whom the row's staff and goods could serve.
    """

    order: Ints
    school: Ints
    stage: Ints
    own: Ints
    whole: Ints
    empty: Flags


class HoldingColumns(NamedTuple):
    """Hold how the columns of figures are divided.

    Parameters
    ----------
    subject : array of int, shape (columns,)
        0 the pupils' own, 1 staff, 2 equipment, 3 books, -1 nothing that moves.
    degree, blank : array of bool, shape (columns,)
        Nested counts, and columns whose blank means none.
    """

    subject: Ints
    degree: Flags
    blank: Flags


class Receivers(NamedTuple):
    """Hold where the pupils of schools go, and their goods.

    Parameters
    ----------
    shut : array of bool, shape (schools,)
    goes_to : array of int, shape (schools, subjects)
        A school, -1 with the pupils, -2 nowhere as long as anybody stays.
    stay : array of float, shape (schools, stages)
        Pupils who stay.
    nearest : array of int, shape (schools, 2)
        School and stage that get what nobody's pupils take along; -1 none.
    start : array of int, shape (schools + 1,)
        The first flow of each school.
    to, stage, pupils : array, shape (flows,)
        By school they come from, then receivers (-1, none, last), then junior before primary.
    """

    shut: Flags
    goes_to: Ints
    stay: Floats
    nearest: Ints
    start: Ints
    to: Ints
    stage: Ints
    pupils: Floats


class _Shares(NamedTuple):
    """Receivers of a row's subject: school (-1 nobody), stage (-1 the row itself) and weight."""

    to: Ints
    stage: Ints
    weight: Floats


@compiled
def _divided(total: float, weights: Floats, out: Floats) -> None:
    """Divide an amount in proportion to weights, into ``out``; see :func:`balance_lib.scenarios.goods._divided`.

    ``weights``, ``out``: ``out`` is filled with the parts.
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
def _hand_on(
    figures: Floats, held: Floats, rows: HoldingRows, columns: HoldingColumns, receivers: Receivers
) -> tuple[Floats, Flags]:
    """Hand on the figures of the schools pupils leave to where they go, subject by subject.

    ``held``: what each row has to hand on.

    Returns
    -------
    left : array of float, shape (columns,)
        What is left behind.
    unknown : array of bool, shape (columns,)
        Whether somebody got an amount nobody knows.
    """
    most = receivers.to.size + 2
    came = _Shares(np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most))
    shares = _Shares(np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most))
    left, unknown = np.zeros(figures.shape[1]), np.zeros(figures.shape[1], np.bool_)
    for r in rows.order:
        if rows.stage[r] == _SENIOR:
            continue
        n, lost = _came(rows.school[r], rows.stage[r], receivers, came)
        if n == 0 and lost == 0.0 and not receivers.shut[rows.school[r]]:
            continue
        for subject in range(_SUBJECTS):
            if receivers.goes_to[rows.school[r], subject] == -2 and not rows.empty[r]:
                continue
            m = _share(r, subject, n, lost, rows, receivers, came, shares)
            _divide_row(r, subject, m, figures, held, rows, columns, shares, left, unknown)
    return left, unknown


@compiled
def _came(j: int, stage: int, receivers: Receivers, came: _Shares) -> tuple[int, float]:
    """Say who takes in the pupils of a row, a receiver and stage once; return how many do, and the pupils lost."""
    n, lost = 0, 0.0
    for f in range(receivers.start[j], receivers.start[j + 1]):
        if stage >= 0 and receivers.stage[f] != stage:
            continue
        if receivers.to[f] < 0:
            lost += receivers.pupils[f]
        elif n > 0 and came.to[n - 1] == receivers.to[f] and came.stage[n - 1] == receivers.stage[f]:
            came.weight[n - 1] += receivers.pupils[f]
        else:
            came.to[n], came.stage[n], came.weight[n] = receivers.to[f], receivers.stage[f], receivers.pupils[f]
            n += 1
    return n, lost


@compiled
def _share(
    r: int, subject: int, n: int, lost: float, rows: HoldingRows, receivers: Receivers, came: _Shares, shares: _Shares
) -> int:
    """Say who shares a subject of a row, and by which weights; return how many do."""
    j, s, m = rows.school[r], rows.stage[r], n
    shut, at = receivers.shut[j], receivers.goes_to[j, subject]
    if at >= 0 and (n > 0 or shut):
        m, shares.to[0], shares.weight[0] = 1, at, came.weight[:n].sum() if n > 0 else 1.0
        shares.stage[0] = came.stage[0] if n > 0 else 0 if rows.own[at, 0] >= 0 else 1
    elif n == 0 and shut and receivers.nearest[j, 0] >= 0 and not (subject == 0 and lost > 0.0):
        m, shares.to[0], shares.stage[0] = 1, receivers.nearest[j, 0], receivers.nearest[j, 1]
        shares.weight[0] = 1.0
    else:
        shares.to[:n], shares.stage[:n], shares.weight[:n] = came.to[:n], came.stage[:n], came.weight[:n]
    if not shut:  # the school itself, by the pupils who stay
        stay = 0.0
        for t in range(2):
            if t == s or (s < 0 and (n == 0 or (came.stage[:n] == t).any())):
                stay += receivers.stay[j, t]
        if stay > 0.0:
            shares.to[m], shares.stage[m], shares.weight[m] = j, -1, stay
            m += 1
    if subject == 0 and lost > 0.0:
        shares.to[m], shares.stage[m], shares.weight[m] = -1, -1, lost
        m += 1
    return m


@compiled
def _divide_row(
    r: int, subject: int, m: int, figures: Floats, held: Floats, rows: HoldingRows, columns: HoldingColumns,
    shares: _Shares, left: Floats, unknown: Flags,
) -> None:  # fmt: skip
    """Divide the columns of one subject of a row among the first ``m`` shares."""
    weights, below, parts, nested, before = shares.weight[:m], 0.0, np.empty(m), np.empty(m), np.zeros(m)
    for c in range(figures.shape[1]):
        have = held[r, c]
        if columns.subject[c] != subject or have == 0.0:
            continue
        known = not math.isnan(have)
        if known:
            figures[r, c] -= have
        if m == 0:
            left[c] += have if known else 0.0
            unknown[c] |= not known
            continue
        if columns.degree[c] and known:
            below += have
            _divided(below, weights, nested)
            parts[:], before[:] = nested - before, nested
        else:
            _divided(have, weights, parts)
        for i in range(m):
            if parts[i] == 0.0:
                continue
            unknown[c] |= not known
            at = _row_of(r, c, shares.to[i], shares.stage[i], figures, rows)
            if at < 0:  # nobody takes it in
                left[c] += parts[i] if known else 0.0
            elif known or at != r:
                now = figures[at, c]
                figures[at, c] = (0.0 if math.isnan(now) and columns.blank[c] else now) + parts[i]
                unknown[c] |= math.isnan(figures[at, c])  # what comes to a figure nobody knows is known no more


@compiled
def _row_of(r: int, c: int, to: int, stage: int, figures: Floats, rows: HoldingRows) -> int:
    """Return the row that takes in a part: the stage's own, or the whole school's where that holds the figure."""
    if to < 0:
        return -1
    if stage < 0:
        return r
    own, whole = rows.own[to, stage], rows.whole[to]
    if own < 0 and whole < 0:
        own = rows.own[to, 1 - stage]
    if whole < 0 or (own >= 0 and math.isnan(figures[whole, c])):
        return own
    return whole if own < 0 or math.isnan(figures[own, c]) else own
