"""Search walkable ground cell by cell: compiled loops over a raster (numba), imported only when terrain is asked for.

Compiling takes some seconds once a machine (about 6 s on two shared cores) and is kept on disk afterwards; no thread is
started. :func:`balance_lib.access.distance.terrain.warm_up` compiles ahead of time.

A cell's 16 possible steps (:mod:`balance_lib.access.distance.steps`) are the bits of one number; a bit is clear where
the step is barred by the rim, a void, a cliff or a river. Rasters stand flat, with a rim of two barred cells around
them, so that no step needs a check of its own.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

import math

import numpy as np
from numba import njit

from balance_lib.access.distance.steps import NEIGHBOURS
from balance_lib.compiled import compiled

BUCKETS = 512  # a power of two
BLOCK = 32
DONE, WANTED = np.uint8(1), np.uint8(2)
POWER = np.exp(np.arange(32 * 8) / 32)  # e to the power of 0, 1/32, 2/32 ... below 8; Tobler's function asks up to 3.7


@compiled
def bar_crossings(allowed, columns, r0, c0, r1, c1, row_step, column_step, opposite):
    """Clear every step that crosses a line; return how many.

    Lines are given piece by piece in cells (a cell's centre is whole), no piece longer than a cell. A point on a line
    counts as to the left of it, so that a line without gaps lets nothing through.
    """
    barred = 0
    for i in range(r0.size):
        top, bottom = math.floor(min(r0[i], r1[i])) - 1, math.ceil(max(r0[i], r1[i])) + 1
        left, right = math.floor(min(c0[i], c1[i])) - 1, math.ceil(max(c0[i], c1[i])) + 1
        dr, dc = r1[i] - r0[i], c1[i] - c0[i]
        for r in range(top, bottom + 1):
            for c in range(left, right + 1):
                cell = r * columns + c
                if r < 0 or c < 0 or c >= columns or cell >= allowed.size or allowed[cell] == 0:
                    continue
                here = dc * (r - r0[i]) - dr * (c - c0[i]) >= 0
                for q in range(row_step.size):
                    if not (allowed[cell] >> q) & 1:
                        continue
                    tr, tc = r + row_step[q], c + column_step[q]
                    if (dc * (tr - r0[i]) - dr * (tc - c0[i]) >= 0) == here:
                        continue
                    first = column_step[q] * (r0[i] - r) - row_step[q] * (c0[i] - c) >= 0
                    last = column_step[q] * (r1[i] - r) - row_step[q] * (c1[i] - c) >= 0
                    if first != last:
                        there = tr * columns + tc
                        allowed[cell] &= ~(np.uint16(1) << np.uint16(q))
                        allowed[there] &= ~(np.uint16(1) << np.uint16(opposite[q]))
                        barred += 1
    return barred


@compiled
def label_parts(allowed, walkable, offset):
    """Number the connected parts of the ground from 0; -1 where there is none. Return numbers and sizes."""
    part = np.full(allowed.size, -1, np.int32)
    size = np.zeros(16, np.int64)
    stack = np.empty(allowed.size, np.int32)
    n = 0
    for first in range(allowed.size):
        if not walkable[first] or part[first] >= 0:
            continue
        if n == size.size:
            size = np.concatenate((size, np.zeros(n, np.int64)))
        part[first] = n
        stack[0] = first
        top = 1
        while top > 0:
            top -= 1
            cell = np.int64(stack[top])
            size[n] += 1
            for q in range(offset.size):
                if (allowed[cell] >> q) & 1:
                    there = cell + offset[q]
                    if part[there] < 0:
                        part[there] = n
                        stack[top] = there
                        top += 1
        n += 1
    return part, size[:n]


@njit(inline="always")
def _exp(x):
    """Return e to the power of x >= 0, to 3e-10 of itself: a table and a short series, without a call in the loop."""
    if not x < 8.0:
        return math.exp(x)
    at = int(x * 32)
    r = x - at * 0.03125
    return POWER[at] * (1.0 + r * (1.0 + r * (0.5 + r * (1 / 6 + r / 24))))


@njit(inline="always")
def _put(cell, at, free, spare, used, head, fill, below, pool):
    """Put a cell into a bucket, a pile of blocks; return the first spare block, how many, and blocks ever used."""
    block = head[at]
    if block < 0 or fill[at] == BLOCK:
        if free >= 0:
            top = free
            free = below[free]
            spare -= 1
        else:
            top = used
            used += 1
        below[top] = block
        head[at] = block = top
        fill[at] = 0
    pool[block, fill[at]] = cell
    fill[at] += 1
    return free, spare, used


@compiled
def _spread(height, allowed, offset, length, middle, pace, sign, seed_cell, seed_min, seed_m, limit, waiting,
            minutes, metres, owner, flag, touched, head, fill, below, pool):  # fmt: skip
    """Spread walking time from seeds until every wanted cell is reached; return how many cells were touched.

    Dijkstra with buckets as wide as the cheapest step: within one bucket no cell can shorten another, so their order
    does not matter (Denardo and Fox 1979). A cell dearer than all buckets waits in the last one and is put on again.
    Minutes are kept in single precision: a walk of ten hours to some milliseconds.
    """
    head[:] = -1
    least, inverse = length * pace, 1 / length
    per_min = 1 / (least.min() * (1 - 1e-6))
    free, spare, used, n_touched, live, now = -1, 0, 0, 0, 0, 0
    for i in range(seed_cell.size):
        cell = seed_cell[i]
        if seed_min[i] >= minutes[cell] or seed_min[i] > limit:
            continue
        if minutes[cell] == np.inf:
            touched[n_touched] = cell
            n_touched += 1
        minutes[cell], metres[cell], owner[cell] = seed_min[i], seed_m[i], i
    for t in range(n_touched):
        cell = np.int64(touched[t])
        at = min(int(minutes[cell] * per_min), BUCKETS - 1)
        free, spare, used = _put(cell, at, free, spare, used, head, fill, below, pool)
        live += 1
    while live > 0:
        at = now & (BUCKETS - 1)
        block = head[at]
        if block < 0:
            now += 1
            continue
        fill[at] -= 1
        cell = np.int64(pool[block, fill[at]])
        live -= 1
        if fill[at] == 0:
            head[at] = below[block]
            below[block] = free
            free = block
            spare += 1
            fill[at] = BLOCK
        if flag[cell] & DONE:
            continue
        time = minutes[cell]
        due = int(time * per_min)
        if due > now:
            at = min(due, now + BUCKETS - 1) & (BUCKETS - 1)
            free, spare, used = _put(cell, at, free, spare, used, head, fill, below, pool)
            live += 1
            continue
        if used - spare + offset.size > pool.shape[0]:
            # Cells put on more than once have filled the pool: take stock, every open cell once.
            head[:], free, spare, used, live = -1, -1, 0, 0, 0
            for t in range(n_touched):
                other = np.int64(touched[t])
                if not flag[other] & DONE:
                    at = min(int(minutes[other] * per_min), now + BUCKETS - 1) & (BUCKETS - 1)
                    free, spare, used = _put(other, at, free, spare, used, head, fill, below, pool)
                    live += 1
            continue
        if flag[cell] & WANTED:
            waiting -= 1
            if waiting == 0:
                break
        flag[cell] |= DONE
        bits, ground, way, own = allowed[cell], height[cell], metres[cell], owner[cell]
        whole = bits == 65535
        for q in range(offset.size):
            if not whole and not (bits >> q) & 1:
                continue
            there = np.uint64(cell + offset[q])  # unsigned: spares the check for an index that counts from the end
            known = minutes[there]
            if time + least[q] >= known:
                continue
            rise = height[there] - ground
            steep = 3.5 * abs(sign * rise * inverse[q] + 0.05)
            if q < NEIGHBOURS:
                up, on = rise, 0.0
                total = time + least[q] * _exp(steep)
            else:
                # The first terms of the exponential series: most knight's moves are refused for less than its price.
                if time + least[q] * (1.0 + steep * (1.0 + steep * (0.5 + steep / 6.0))) >= known:
                    continue
                # They lead midway between two cells: down into what lies there, and up again.
                up = 0.5 * (height[np.uint64(cell + middle[q, 0])] + height[np.uint64(cell + middle[q, 1])]) - ground
                on = rise - up
                slope = 2 * sign * inverse[q]
                total = _exp(3.5 * abs(slope * up + 0.05)) + _exp(3.5 * abs(slope * on + 0.05))
                total = time + 0.5 * least[q] * total
            if total < known and total <= limit:
                if q < NEIGHBOURS:
                    run = math.sqrt(length[q] * length[q] + up * up)
                else:
                    half = 0.25 * length[q] * length[q]
                    run = math.sqrt(half + up * up) + math.sqrt(half + on * on)
                minutes[there], metres[there], owner[there] = total, way + run, own
                due = int(minutes[there] * per_min)
                if known == np.inf:
                    touched[n_touched] = there
                    n_touched += 1
                elif int(known * per_min) == due:
                    continue
                at = min(due, now + BUCKETS - 1) & (BUCKETS - 1)
                free, spare, used = _put(there, at, free, spare, used, head, fill, below, pool)
                live += 1
    return n_touched


@compiled
def spread(height, allowed, offset, length, middle, pace, sign, seed_cell, seed_min, seed_m, limit):
    """Return minutes, metres and the nearest seed of every cell; infinite, 0 and -1 where no seed is reached."""
    n = height.size
    blocks = 2 * (n // BLOCK) + 4 * BUCKETS
    minutes, metres, owner = np.full(n, np.inf, np.float32), np.zeros(n, np.float32), np.full(n, -1, np.int32)
    _spread(height, allowed, offset, length, middle, pace, sign, seed_cell, seed_min, seed_m, limit, 0,
            minutes, metres, owner, np.zeros(n, np.uint8), np.empty(n, np.int32),
            np.empty(BUCKETS, np.int32), np.empty(BUCKETS, np.int32),
            np.empty(blocks, np.int32), np.empty((blocks, BLOCK), np.int32),
    )  # fmt: skip
    return minutes, metres, owner


@compiled
def costs(
    height,
    allowed,
    offset,
    length,
    middle,
    pace,
    sign,
    root_cell,
    root_min,
    root_m,
    goal_cell,
    goal_min,
    goal_m,
    wait,
    limit,
):
    """Return minutes and metres between roots and goals, each entered through up to four cells (-1: none).

    One search a root; it stops when all goals it waits for are reached. Infinite where a goal is not reached or not
    waited for.
    """
    n, roots, goals = height.size, root_cell.shape[0], goal_cell.shape[0]
    out_min, out_m = np.full((roots, goals), np.inf), np.full((roots, goals), np.inf)
    minutes, metres, owner = np.full(n, np.inf, np.float32), np.empty(n, np.float32), np.empty(n, np.int32)
    flag, touched = np.zeros(n, np.uint8), np.empty(n, np.int32)
    head, fill = np.empty(BUCKETS, np.int32), np.empty(BUCKETS, np.int32)
    blocks = 2 * (n // BLOCK) + 4 * BUCKETS
    below, pool = np.empty(blocks, np.int32), np.empty((blocks, BLOCK), np.int32)
    for i in range(roots):
        waiting = 0
        for j in range(goals):
            for k in range(4 if wait[i, j] else 0):
                cell = goal_cell[j, k]
                if cell >= 0 and not flag[cell]:
                    flag[cell] = WANTED
                    waiting += 1
        if waiting == 0:
            continue
        entered = root_cell[i] >= 0
        n_touched = _spread(
            height, allowed, offset, length, middle, pace, sign,
            root_cell[i][entered], root_min[i][entered], root_m[i][entered], limit, waiting,
            minutes, metres, owner, flag, touched, head, fill, below, pool,
        )  # fmt: skip
        for j in range(goals):
            for k in range(4 if wait[i, j] else 0):
                cell = goal_cell[j, k]
                if cell >= 0 and minutes[cell] + goal_min[j, k] < out_min[i, j]:
                    out_min[i, j] = minutes[cell] + goal_min[j, k]
                    out_m[i, j] = metres[cell] + goal_m[j, k]
        for j in range(goals):
            for k in range(4):
                if goal_cell[j, k] >= 0:
                    flag[goal_cell[j, k]] = 0
        for t in range(n_touched):
            minutes[touched[t]], flag[touched[t]] = np.inf, 0
    return out_min, out_m
