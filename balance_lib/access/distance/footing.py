"""Find where places stand on the ground of a terrain, and what the first steps from there cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from balance_lib.access.distance.barriers import _crosses
from balance_lib.access.distance.places import Floats, Ints, Places
from balance_lib.access.distance.relief import Relief
from balance_lib.access.distance.result import NO_PLACE, OFF, minute_m
from balance_lib.access.distance.steps import RIM
from balance_lib.access.distance.tobler import _pace_min

ISLAND_CELLS = 50  # ground smaller than this, walled in by voids, cliffs or a river's bend, is an artefact of the grid
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


class _Ground(Protocol):
    """What a terrain tells of its ground: heights, connected parts, and water nobody wades."""

    @property
    def relief(self) -> Relief:
        """Return the heights."""

    @property
    def water(self) -> Any:
        """Return the barriers, in the relief's cells."""

    @property
    def part(self) -> Any:
        """Return which connected part each cell belongs to."""

    @property
    def part_cells(self) -> Any:
        """Return how many cells each part has."""

    @property
    def padded(self) -> tuple[int, int]:
        """Return the shape of the grid with its rim."""


@dataclass(frozen=True, eq=False)
class Footing:
    """Say how places reach the cells around them.

    Parameters
    ----------
    at : array of float, shape (n, 2)
        Row and column; whole numbers are the centres of cells.
    cell : array of int, shape (n, 4)
        Cells (of the padded raster) each place steps onto; -1 for none.
    outward, inward : array of float, shape (n, 4)
        Minutes from the place to the cell's centre and from there to the place.
    way : array of float, shape (n, 4)
        Metres between them.
    height : array of float, shape (n,)
        Metres above sea level, interpolated.
    part : array of int, shape (n,)
        Connected part; -1 coordinates missing, -2 no ground within the cap.
    metres : array of float, shape (n,)
        Straight line to the ground it was put on: 0 on ground, NaN for none.
    firm : array of bool, shape (n,)
        Whether it stands on ground of its own.
    """

    at: Floats
    cell: Ints
    outward: Floats
    inward: Floats
    way: Floats
    height: Floats
    part: Ints
    metres: Floats
    firm: npt.NDArray[np.bool_]


def _stand(places: Places, terrain: _Ground, cap_m: float, flat_kph: float) -> Footing:
    """Put places on the ground: on the up to four cells whose centres surround them, else on the nearest within a cap.

    A place never steps across water, nor onto a patch of less than 50 cells where larger ground is within the cap.

    ``cap_m``: metres at most to the nearest ground. ``flat_kph``: walking speed on the flat, km/h.
    """
    relief, at = terrain.relief, terrain.relief.cells(places.lon, places.lat)
    cells = np.floor(np.where(np.isfinite(at), at, -9.0))[:, None, :].astype(np.int64) + CORNERS
    part = _lookup(terrain.part, cells, -1)
    part[_crosses(terrain.water, np.repeat(at, 4, axis=0), cells.reshape(-1, 2).astype(float)).reshape(part.shape)] = -1
    offset = (cells - at[:, None, :]) * np.array(relief.cell_m)[::-1]
    run = np.hypot(offset[..., 0], offset[..., 1])
    chosen = _choose(part, run, terrain.part_cells)
    usable = (part == chosen[:, None]) & (chosen >= 0)[:, None]
    ground = np.where(usable, _lookup(relief.height, cells, np.nan), 0.0)
    height = _interpolate(at, cells, ground, usable, run)
    firm = usable.any(axis=1) & np.isfinite(_lookup(relief.height, np.rint(at), np.nan))
    rise = ground - height[:, None]
    out = Footing(
        at=at,
        cell=np.where(usable, _flat(cells, terrain), -1),
        outward=np.where(usable, run * _pace_min(run, rise, flat_kph), np.inf),
        inward=np.where(usable, run * _pace_min(run, -rise, flat_kph), np.inf),
        way=np.where(usable, np.hypot(run, rise), np.inf),
        height=height,
        part=np.where(places.known, np.where(chosen >= 0, chosen, OFF), NO_PLACE),
        metres=np.where(chosen >= 0, 0.0, np.nan),
        firm=firm,
    )
    lost = places.known & ~_large(chosen, terrain.part_cells)
    for i in np.flatnonzero(lost):
        _move(out, int(i), terrain, cap_m, flat_kph)
    return out


def _choose(part: Ints, run: Floats, size: Ints) -> Ints:
    """Return the part of each place: that of its nearest cell of larger ground, else of any ground; -1 for none."""
    known = np.asarray(part >= 0)
    large = _large(part, size)
    take = np.where(np.asarray(large.any(axis=1))[:, None], large, known)
    nearest = np.where(take, run, np.inf).argmin(axis=1)
    return np.where(known.any(axis=1), np.take_along_axis(part, nearest[:, None], axis=1)[:, 0], -1)


def _large(part: Ints, size: Ints) -> npt.NDArray[np.bool_]:
    """Tell which parts are larger ground."""
    return np.asarray((part >= 0) & (np.append(size, 0)[part] >= ISLAND_CELLS))


def _interpolate(at: Floats, cells: Ints, ground: Floats, usable: Any, run: Floats) -> Floats:
    """Return heights between the usable cells, bilinear; a place on the centre of an unusable one takes the nearest."""
    near = 1 - np.abs(cells - at[:, None, :])
    weight = np.where(usable, near[..., 0] * near[..., 1], 0.0)
    total = weight.sum(axis=1)
    nearest = np.take_along_axis(ground, np.where(usable, run, np.inf).argmin(axis=1)[:, None], axis=1)[:, 0]
    return np.where(total > 1e-9, (weight * ground).sum(axis=1) / np.where(total > 1e-9, total, 1.0), nearest)


def _move(footing: Footing, i: int, terrain: _Ground, cap_m: float, flat_kph: float) -> None:
    """Put one place onto the nearest larger ground within the cap on its side of the water, and write it down."""
    step = np.array(terrain.relief.cell_m)[::-1]
    low = np.maximum(np.ceil(footing.at[i] - cap_m / step), 0).astype(int)
    high = np.minimum(np.floor(footing.at[i] + cap_m / step) + 1, terrain.part.shape).astype(int)
    if (high <= low).any():
        return
    around = np.stack(
        np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij"), axis=-1
    ).reshape(-1, 2)
    part = terrain.part[around[:, 0], around[:, 1]]
    away = np.hypot(*((around - footing.at[i]) * step).T)
    large = _large(part, terrain.part_cells)
    if not large.any() and footing.part[i] < 0:
        large = part >= 0
    found = np.flatnonzero(large & (away <= cap_m))
    found = found[np.argsort(away[found], kind="stable")]
    dry = ~_crosses(terrain.water, np.broadcast_to(footing.at[i], (len(found), 2)), around[found].astype(float))
    if not dry.any():
        return
    best = found[dry][0]
    footing.cell[i], footing.outward[i], footing.inward[i], footing.way[i] = -1, np.inf, np.inf, np.inf
    footing.cell[i, 0] = _flat(around[best], terrain)
    footing.outward[i, 0] = footing.inward[i, 0] = away[best] / minute_m(flat_kph)
    footing.way[i, 0] = footing.metres[i] = away[best]
    footing.height[i] = terrain.relief.height[tuple(around[best])]
    footing.part[i], footing.firm[i] = part[best], False


def _lookup(raster: Any, cells: Any, outside: float) -> Any:
    """Return a raster's values at cells, shape (..., 2); a stated value outside."""
    rows, columns = raster.shape
    r, c = np.nan_to_num(cells[..., 0], nan=-1).astype(np.int64), np.nan_to_num(cells[..., 1], nan=-1).astype(np.int64)
    inside = (r >= 0) & (c >= 0) & (r < rows) & (c < columns)
    return np.where(inside, raster[np.where(inside, r, 0), np.where(inside, c, 0)], outside)


def _flat(cells: Any, terrain: _Ground) -> Any:
    """Return indexes into the padded raster."""
    return (cells[..., 0] + RIM) * terrain.padded[1] + cells[..., 1] + RIM
