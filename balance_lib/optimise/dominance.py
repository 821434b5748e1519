"""Leave out of a cover what cannot decide: rows that another row implies, sites that another site outdoes (numba).

Sets are bits in 64-bit words: who is reached in a county of 1,500 villages and 250 schools takes 4 words a village and
24 a school, so that "all of a lies in b" is a handful of instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib.compiled import Flags, Ints, compiled

Bits = npt.NDArray[np.uint64]


@compiled
def pack(table: Flags) -> Bits:
    """Return each row of a table of flags as bits."""
    n, m = table.shape
    bits = np.zeros((n, (m + 63) // 64), np.uint64)
    for i in range(n):
        for j in range(m):
            if table[i, j]:
                bits[i, j >> 6] |= np.uint64(1) << np.uint64(j & 63)
    return bits


@compiled
def _has(bits: Bits, j: int) -> bool:
    return (bits[j >> 6] >> np.uint64(j & 63)) & np.uint64(1) != 0


@compiled
def _bits_of(flags: Flags) -> Bits:
    bits = np.zeros((flags.size + 63) // 64, np.uint64)
    for j in range(flags.size):
        if flags[j]:
            bits[j >> 6] |= np.uint64(1) << np.uint64(j & 63)
    return bits


@compiled
def _ones(word: Any) -> Any:
    """Count the ones of a word (Hamming weight)."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def _sizes(sets: Bits, left: Flags, mask: Bits) -> Ints:
    size = np.zeros(left.size, np.int64)
    for i in range(left.size):
        if left[i]:
            for w in range(mask.size):
                size[i] += _ones(sets[i, w] & mask[w])
    return size


@compiled
def _within(a: Bits, b: Bits, mask: Bits) -> bool:
    """Tell whether all of a that still counts lies in b."""
    for w in range(mask.size):  # noqa: SIM110 (generators do not compile)
        if a[w] & ~b[w] & mask[w] != 0:
            return False
    return True


@compiled
def _thin(sets: Bits, left: Flags, mask: Bits, holding: bool) -> bool:
    """Drop sets that hold another one (``holding``), or that lie in another one; of equal ones one stays."""
    size = _sizes(sets, left, mask)
    order = np.flatnonzero(left)
    order = order[np.argsort(size[order] if holding else -size[order], kind="mergesort")]
    kept = np.empty(order.size, np.int64)
    n_kept = 0
    for a in order:
        for q in range(n_kept):
            b = kept[q]
            if _within(sets[b], sets[a], mask) if holding else _within(sets[a], sets[b], mask):
                left[a] = False
                break
        if left[a]:
            kept[n_kept] = a
            n_kept += 1
    return order.size > n_kept


@compiled
def thin_cover(by_row: Bits, by_site: Bits, rows: Flags, sites: Flags, chosen: Flags) -> None:
    """Reduce a set cover until nothing gives.

    A row goes when it is reached wherever another row is, a site when another one reaches all it reaches; the last site
    of a row is chosen and its rows go.

    Parameters
    ----------
    by_row, by_site : arrays of bits
        The sites that reach each row, and the rows that each site reaches.
    rows, sites : arrays of bool
        What is left, changed in place. Every row left must be reached by a site left.
    chosen : array of bool
        Sites that must open, added in place.
    """
    changed = True
    while changed:
        changed = _thin(by_row, rows, _bits_of(sites), True)
        size = _sizes(by_row, rows, _bits_of(sites))
        for i in range(rows.size):
            if rows[i] and size[i] == 1:
                changed = True
                _choose_only(by_row[i], by_site, rows, sites, chosen)
        changed = _thin(by_site, sites, _bits_of(rows), False) or changed


@compiled
def _choose_only(row: Bits, by_site: Bits, rows: Flags, sites: Flags, chosen: Flags) -> None:
    """Open the one site left of a row."""
    for j in range(sites.size):
        if sites[j] and _has(row, j):
            chosen[j] = True
            sites[j] = False
            for i in range(rows.size):
                rows[i] = rows[i] and not _has(by_site[j], i)
