"""Search for covers by opening and closing sites: compiled loops (numba)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from balance_lib.compiled import Flags, Floats, Ints, compiled


class Links(NamedTuple):
    """Hold who reaches whom in both directions, and what reaching a row is worth.

    The sites of row i are site[start[i]:start[i + 1]], the rows of site j are row[first[j]:first[j + 1]].
    """

    start: Ints
    site: Ints
    first: Ints
    row: Ints
    weights: Floats


class Cover(NamedTuple):
    """Hold a choice of sites, changed in place.

    Parameters
    ----------
    is_open : array of bool, shape (sites,)
    times, total : array of int, shape (rows,)
        How many open sites reach each row, and the sum of their numbers.
    score : array of float, shape (sites,)
        What a site reaches alone: the weight gained by opening it, or lost by closing it.
    """

    is_open: Flags
    times: Ints
    total: Ints
    score: Floats


@compiled
def empty(core: Links, weights: Floats) -> Cover:
    """Return a state in which nothing is open.

    Parameters
    ----------
    core : Links
    weights : array of float, shape (rows,)
        What reaching a row is worth for now.
    """
    first, row = core.first, core.row
    m = first.size - 1
    score = np.zeros(m)
    for j in range(m):
        for q in range(first[j], first[j + 1]):
            score[j] += weights[row[q]]
    return Cover(np.zeros(m, np.bool_), np.zeros(weights.size, np.int64), np.zeros(weights.size, np.int64), score)


@compiled
def toggle(core: Links, weights: Floats, state: Cover, j: int) -> None:
    """Open a closed site or close an open one, and renew the scores this touches.

    Parameters
    ----------
    core : Links
    weights : array of float, shape (rows,)
        As the state was made with.
    state : Cover
    j : int
        The site.
    """
    start, site, first, row = core.start, core.site, core.first, core.row
    is_open, times, total, score = state.is_open, state.times, state.total, state.score
    sign = -1 if is_open[j] else 1
    is_open[j] = sign > 0
    for q in range(first[j], first[j + 1]):
        i = row[q]
        others = times[i] if sign > 0 else times[i] - 1
        if others == 0:  # j alone reaches the row: what others would gain there goes or comes back
            for t in range(start[i], start[i + 1]):
                if site[t] != j:
                    score[site[t]] -= sign * weights[i]
        elif others == 1:  # the sum of open sites without j is the one other
            score[total[i] if sign > 0 else total[i] - j] -= sign * weights[i]
        times[i] += sign
        total[i] += sign * j


@compiled
def _state_of(core: Links, weights: Floats, chosen: Flags) -> Cover:
    state = empty(core, weights)
    for j in range(chosen.size):
        if chosen[j]:
            toggle(core, weights, state, j)
    return state


@compiled
def _best_closed(is_open: Flags, score: Floats) -> int:
    best = -1
    for j in range(score.size):
        if not is_open[j] and (best < 0 or score[j] > score[best]):
            best = j
    return best


@compiled
def greedy(core: Links) -> Flags:
    """Return a cover: the site that reaches most of what is left, again and again; then without those not needed."""
    weights = np.ones(core.start.size - 1)
    state = empty(core, weights)
    is_open, score = state.is_open, state.score
    best = _best_closed(is_open, score)
    while best >= 0 and score[best] > 0:
        toggle(core, weights, state, best)
        best = _best_closed(is_open, score)
    for j in range(score.size):
        if is_open[j] and score[j] <= 0:
            toggle(core, weights, state, j)
    return is_open


@compiled
def _missed(times: Ints, rows: Ints) -> int:
    """Write down the rows nobody reaches; return how many."""
    n = 0
    for i in range(times.size):
        if times[i] == 0:
            rows[n] = i
            n += 1
    return n


@compiled
def _least_needed(is_open: Flags, score: Floats, moved: Ints, tabu: int) -> int:
    out = -1
    for j in range(score.size):
        if not is_open[j] or j == tabu:
            continue
        if out < 0 or score[j] < score[out] or (score[j] == score[out] and moved[j] < moved[out]):
            out = j
    return out


@compiled
def _around(core: Links, j: int, fresh: Flags) -> None:
    """Mark the sites that share a row with a site: what they are worth has changed."""
    start, site, first, row = core.start, core.site, core.first, core.row
    for q in range(first[j], first[j + 1]):
        for t in range(start[row[q]], start[row[q] + 1]):
            fresh[site[t]] = True


@compiled
def shrink(core: Links, best: Flags, steps: int, enough: int, seed: int) -> None:
    """Make a cover smaller in place until it has ``enough`` sites or the steps are done.

    One site less than the best cover has, then exchange until everything is reached: the least needed site goes, one
    that reaches a missed row comes, missed rows grow in weight, and a site comes back only after something around it
    has changed (row weighting local search, Gao et al. 2015, "An efficient local search heuristic with row weighting
    for the unicost set covering problem").

    Parameters
    ----------
    core : Links
    best : array of bool, shape (sites,)
        A cover; changed in place.
    steps : int
    enough : int
    seed : int
        Of the random disturbances.
    """
    np.random.seed(seed)
    start, site = core.start, core.site
    n, m = start.size - 1, best.size
    weights = np.ones(n)
    state = _state_of(core, weights, best)
    is_open, times, score = state.is_open, state.times, state.score
    moved, fresh, rows = np.zeros(m, np.int64), np.ones(m, np.bool_), np.zeros(n, np.int64)
    n_open, least, tabu = best.sum(), best.sum(), -1
    for step in range(1, steps + 1):
        whole = _missed(times, rows) == 0
        if whole:
            best[:] = is_open
            least = n_open
            if least <= enough:
                return
        while n_open > least - 2:
            out = _least_needed(is_open, score, moved, tabu)
            if out < 0:
                return
            toggle(core, weights, state, out)
            n_open -= 1
            _around(core, out, fresh)
            moved[out], fresh[out] = step, False
        n_missed = _missed(times, rows)
        if n_missed == 0:
            continue
        i = rows[np.random.randint(n_missed)]
        into = -1
        for t in range(start[i], start[i + 1]):
            j = site[t]
            if fresh[j] and (
                into < 0 or score[j] > score[into] or (score[j] == score[into] and moved[j] < moved[into])
            ):
                into = j
        if into < 0:
            into = site[start[i] + np.random.randint(start[i + 1] - start[i])]
        toggle(core, weights, state, into)
        _around(core, into, fresh)
        n_open += 1
        moved[into], tabu = step, into
        for q in range(n_missed):
            i = rows[q]
            if times[i] == 0:
                weights[i] += 1.0
                for t in range(start[i], start[i + 1]):
                    score[site[t]] += 1.0
