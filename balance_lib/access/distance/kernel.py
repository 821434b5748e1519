"""Search walkable ground cell by cell: compiled loops over a raster (numba), imported only when terrain is asked for.

Compiling takes some seconds once a machine (about 6 s on two shared cores) and is kept on disk afterwards; no thread is
started. :func:`balance_lib.access.distance.terrain.warm_up` compiles ahead of time.

A cell's 16 possible steps (:mod:`balance_lib.access.distance.steps`) are the bits of one number; a bit is clear where
the step is barred by the rim, a void, a cliff or a river. Rasters stand flat, with a rim of two barred cells around
them, so that no step needs a check of its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from balance_lib.access.distance.steps import NEIGHBOURS
from balance_lib.compiled import Flags, Floats, Ints, compiled

Bits = npt.NDArray[np.uint16]
Singles = npt.NDArray[np.float32]

BUCKETS = 512  # a power of two
BLOCK = 32
DONE, WANTED = np.uint8(1), np.uint8(2)
POWER = np.exp(np.arange(32 * 8) / 32)  # e to the power of 0, 1/32, 2/32 ... below 8; Tobler's function asks up to 3.7


class Ground(NamedTuple):
    """Hold ground and how it is walked.

    Parameters
    ----------
    height : array of float, shape (cells,)
        Metres.
    allowed : array of uint16, shape (cells,)
        A bit for each step that is not barred.
    offset, length : array, shape (steps,)
        How many cells on a step leads, and its metres on the map.
    middle : array of int, shape (steps, 2)
        The two cells a knight's move passes between, as offsets.
    pace : float
        Minutes of a metre on the flat.
    sign : float
        1 where walks begin at the seeds, -1 where they end there.
    """

    height: Floats
    allowed: Bits
    offset: Ints
    length: Floats
    middle: Ints
    pace: float
    sign: float


class Doors(NamedTuple):
    """Hold where places meet the ground: cells (-1: none), and the minutes and metres to them."""

    cell: Ints
    minutes: Floats
    metres: Floats


class Field(NamedTuple):
    """Hold a search under way, changed in place: what is known of each cell, the cells touched, and the buckets.

    Bucket b is a pile of blocks of cells: head[b] is on top, fill[b] how full that is, below[] what lies under a block.
    """

    minutes: Singles
    metres: Singles
    owner: Ints
    flag: npt.NDArray[np.uint8]
    touched: Ints
    head: Ints
    fill: Ints
    below: Ints
    pool: Ints


@compiled
def _bar_crossings(
    allowed: Bits,
    columns: int,
    r0: Floats,
    c0: Floats,
    r1: Floats,
    c1: Floats,
    row_step: Ints,
    column_step: Ints,
    opposite: Ints,
) -> int:
    """Clear every step that crosses a line; return how many.

    Lines are given piece by piece in cells (a cell's centre is whole), no piece longer than a cell. A point on a line
    counts as to the left of it, so that a line without gaps lets nothing through.

    ``r0``, ``c0``, ``r1``, ``c1``: ends of each piece, in rows and columns. ``row_step``, ``column_step``,
    ``opposite``: where each step leads, and the step that leads back.
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
def _label_parts(allowed: Bits, walkable: Flags, offset: Ints) -> tuple[Ints, Ints]:
    """Number the connected parts of the ground from 0; -1 where there is none. Return numbers and sizes.

    ``offset``: how many cells on a step leads.
    """
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
def _exp(x: float) -> float:
    """Return e to the power of x >= 0, to 3e-10 of itself: a table and a short series, without a call in the loop."""
    if not x < 8.0:
        return math.exp(x)
    at = int(x * 32)
    r = x - at * 0.03125
    return POWER[at] * (1.0 + r * (1.0 + r * (0.5 + r * (1 / 6 + r / 24))))


@njit(inline="always")
def _put(
    cell: int, at: int, free: int, spare: int, used: int, head: Ints, fill: Ints, below: Ints, pool: Ints
) -> tuple[int, int, int]:
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
def _spread(ground: Ground, seeds: Doors, limit: float, waiting: int, field: Field) -> int:  # fmt: skip
    """Spread walking time from seeds until every wanted cell is reached; return how many cells were touched.

    Dijkstra with buckets as wide as the cheapest step: within one bucket no cell can shorten another, so their order
    does not matter (Denardo and Fox 1979). A cell dearer than all buckets waits in the last one and is put on again.
    Minutes are kept in single precision: a walk of ten hours to some milliseconds.
    """
    height, allowed, offset, length, middle = ground.height, ground.allowed, ground.offset, ground.length, ground.middle
    minutes, metres, owner, flag, touched = field.minutes, field.metres, field.owner, field.flag, field.touched
    head, fill, below, pool, sign = field.head, field.fill, field.below, field.pool, ground.sign
    head[:] = -1
    least, inverse = length * ground.pace, 1 / length
    per_min = 1 / (least.min() * (1 - 1e-6))
    free, spare, used, n_touched, live, now = -1, 0, 0, 0, 0, 0
    for i in range(seeds.cell.size):
        cell = seeds.cell[i]
        if seeds.minutes[i] >= minutes[cell] or seeds.minutes[i] > limit:
            continue
        if minutes[cell] == np.inf:
            touched[n_touched] = cell
            n_touched += 1
        minutes[cell], metres[cell], owner[cell] = seeds.minutes[i], seeds.metres[i], i
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
        bits, level, way, own = allowed[cell], height[cell], metres[cell], owner[cell]
        whole = bits == 65535
        for q in range(offset.size):
            if not whole and not (bits >> q) & 1:
                continue
            there = np.uint64(cell + offset[q])  # unsigned: spares the check for an index that counts from the end
            known = minutes[there]
            if time + least[q] >= known:
                continue
            rise = height[there] - level
            steep = 3.5 * abs(sign * rise * inverse[q] + 0.05)
            if q < NEIGHBOURS:
                up, on = rise, 0.0
                total = time + least[q] * _exp(steep)
            else:
                # The first terms of the exponential series: most knight's moves are refused for less than its price.
                if time + least[q] * (1.0 + steep * (1.0 + steep * (0.5 + steep / 6.0))) >= known:
                    continue
                # They lead midway between two cells: down into what lies there, and up again.
                up = 0.5 * (height[np.uint64(cell + middle[q, 0])] + height[np.uint64(cell + middle[q, 1])]) - level
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
def spread(ground: Ground, seeds: Doors, limit: float) -> tuple[Singles, Singles, Ints]:
    """Return minutes, metres and the nearest seed of every cell; infinite, 0 and -1 where no seed is reached.

    Parameters
    ----------
    ground : Ground
    seeds : Doors
        One cell each.
    limit : float
        Minutes at most.
    """
    field = _field(ground.height.size)
    _spread(ground, seeds, limit, 0, field)
    return field.minutes, field.metres, field.owner


@compiled
def _field(n: int) -> Field:
    """Return a search of n cells that has not begun."""
    blocks = 2 * (n // BLOCK) + 4 * BUCKETS
    return Field(
        np.full(n, np.inf, np.float32), np.zeros(n, np.float32), np.full(n, -1, np.int32), np.zeros(n, np.uint8),
        np.empty(n, np.int32), np.empty(BUCKETS, np.int32), np.empty(BUCKETS, np.int32), np.empty(blocks, np.int32),
        np.empty((blocks, BLOCK), np.int32),
    )  # fmt: skip


@compiled
def _costs(ground: Ground, roots: Doors, goals: Doors, wait: Flags, limit: float) -> tuple[Floats, Floats]:
    """Return minutes and metres between roots and goals, each entered through up to four cells (-1: none).

    One search a root; it stops when all goals it waits for are reached. Infinite where a goal is not reached or not
    waited for.

    ``limit``: minutes at most.
    """
    shape = roots.cell.shape[0], goals.cell.shape[0]
    out_min, out_m = np.full(shape, np.inf), np.full(shape, np.inf)
    field = _field(ground.height.size)
    minutes, flag = field.minutes, field.flag
    for i in range(shape[0]):
        waiting = _want(goals, wait[i], flag)
        if waiting == 0:
            continue
        entered = roots.cell[i] >= 0
        seeds = Doors(roots.cell[i][entered], roots.minutes[i][entered], roots.metres[i][entered])
        n_touched = _spread(ground, seeds, limit, waiting, field)
        for j in range(shape[1]):
            for k in range(4 if wait[i, j] else 0):
                cell = goals.cell[j, k]
                if cell >= 0 and minutes[cell] + goals.minutes[j, k] < out_min[i, j]:
                    out_min[i, j] = minutes[cell] + goals.minutes[j, k]
                    out_m[i, j] = field.metres[cell] + goals.metres[j, k]
        for cell in goals.cell.flat:
            if cell >= 0:
                flag[cell] = 0
        for t in range(n_touched):
            minutes[field.touched[t]], flag[field.touched[t]] = np.inf, 0
    return out_min, out_m


@compiled
def _want(goals: Doors, wait: Flags, flag: npt.NDArray[np.uint8]) -> int:
    """Flag the cells of the goals waited for; return how many."""
    waiting = 0
    for j in range(wait.size):
        for k in range(4 if wait[j] else 0):
            cell = goals.cell[j, k]
            if cell >= 0 and not flag[cell]:
                flag[cell] = WANTED
                waiting += 1
    return waiting
