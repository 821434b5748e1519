"""Measure over the relief: walking time by slope, uphill unlike downhill, around voids, cliffs and rivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access.distance.barriers import _barriers, _crosses, pieces
from balance_lib.access.distance.footing import Footing, _stand
from balance_lib.access.distance.places import Floats, Ints, Places, _straight_matrix
from balance_lib.access.distance.relief import Relief
from balance_lib.access.distance.result import FLAT_KPH, Direction, ODTable, minute_m
from balance_lib.access.distance.steps import COLUMN_STEP, OPPOSITE, RIM, ROW_STEP, _allowed, lengths, middles, offsets
from balance_lib.access.distance.tobler import _pace_min

SNAP_CAP_M = 1000.0
DIRECT_CELLS = 1.5  # two places nearer than this walk straight to each other, not by way of a cell's centre


@dataclass(frozen=True, eq=False)
class Terrain:
    """Measure walks over open ground.

    People walk from cell to cell in 16 directions at Tobler's speed for the slope under their feet. Nobody enters a
    void, climbs what is steeper than 45 degrees, or crosses a river but where a road or bridge does. Forest, fields and
    fences are not known: it is the walk of someone who may go anywhere.

    Parameters
    ----------
    relief : Relief
    water : shapely geometry
        Barriers in the relief's cells; see :func:`balance_lib.access.distance.barriers._barriers`.
    report : mapping
        Counted barriers.
    """

    relief: Relief
    water: Any
    report: Mapping[str, int]

    @classmethod
    def of(
        cls, relief: Relief, *, rivers: Mapping[str, Any] | None = None, roads: pd.DataFrame | None = None
    ) -> Terrain:
        """Take a relief with its rivers (GeoJSON) and the roads that cross them (table ``edges``).

        Parameters
        ----------
        relief : Relief
        rivers : mapping of str to object, optional
            Rivers as GeoJSON.
        roads : DataFrame, optional
            Roads, as the table ``edges`` has them.
        """
        return cls(relief, *_barriers(rivers, roads, relief))

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        rivers: Mapping[str, Any] | None = None,
        roads: pd.DataFrame | None = None,
        around: Places | None = None,
        margin_m: float = 10_000.0,
    ) -> Terrain:
        """Read a DEM and lay rivers and roads over it; see :meth:`Relief.open` and :meth:`of`.

        Parameters
        ----------
        path : str or Path
            Where it lies.
        rivers : mapping of str to object, optional
            Rivers as GeoJSON.
        roads : DataFrame, optional
            Roads, as the table ``edges`` has them.
        around : Places, optional
        margin_m : float
            Metres of ground around the places.
        """
        return cls.of(Relief.open(path, around=around, margin_m=margin_m), rivers=rivers, roads=roads)

    def table(
        self,
        origins: Places,
        destinations: Places,
        *,
        direction: Direction = "there",
        limit_m: float | None = None,
        limit_min: float | None = None,
        snap_cap_m: float = SNAP_CAP_M,
        flat_kph: float = FLAT_KPH,
    ) -> ODTable:
        """Measure the quickest walks between all places: their minutes, and the metres along them.

        Parameters
        ----------
        origins, destinations : Places
        direction : {"there", "back"}
            Whether origins walk to destinations, or from there back home.
        limit_m, limit_min : float, optional
            Longer walks are NaN; a limit makes the search short.
        snap_cap_m : float
            A place in a void or beyond the rim is put on the nearest ground within this distance on its own side of the
            water; the straight line to it counts as walked on the flat.
        flat_kph : float
            Walking speed on the flat; all slopes keep their ratio to it.

        References
        ----------
        Tobler, W. (1993). Three presentations on geographical analysis and modeling. NCGIA Technical Report 93-1.
        """
        minute_m(flat_kph)
        sides = _stand(origins, self, snap_cap_m, flat_kph), _stand(destinations, self, snap_cap_m, flat_kph)
        line = _straight_matrix(origins, destinations)
        wait = (sides[0].part[:, None] == sides[1].part[None, :]) & (sides[0].part >= 0)[:, None]
        wait &= np.isfinite(line) & (line <= (np.inf if limit_m is None else limit_m))
        minutes, metres = self._between(*sides, wait, direction, np.inf if limit_min is None else limit_min, flat_kph)
        self._go_direct(*sides, line, wait, direction, flat_kph, minutes, metres)
        metres = np.fmax(metres, np.where(np.isfinite(line), line, 0.0))
        out = ~np.isfinite(minutes) | (minutes > (np.inf if limit_min is None else limit_min))
        out |= metres > (np.inf if limit_m is None else limit_m)
        return ODTable(
            mode="terrain",
            origins=origins.ids,
            destinations=destinations.ids,
            metres=np.where(out, np.nan, metres),
            walk_minutes=np.where(out, np.nan, minutes),
            origin_part=sides[0].part,
            destination_part=sides[1].part,
            origin_snap_m=sides[0].metres,
            destination_snap_m=sides[1].metres,
            direction=direction,
            limit_m=limit_m,
            limit_min=limit_min,
            flat_kph=flat_kph,
            provenance=self.describe() | {"snap_cap_m": float(snap_cap_m)},
        )

    def reach(
        self,
        destinations: Places,
        *,
        direction: Direction = "there",
        limit_min: float | None = None,
        snap_cap_m: float = SNAP_CAP_M,
        flat_kph: float = FLAT_KPH,
    ) -> tuple[Floats, Floats, Ints]:
        """Find the quickest destination of every cell.

        Parameters
        ----------
        destinations : Places
        direction : Direction
            To the destinations or back.
        limit_min : float, optional
            Minutes at most.
        snap_cap_m : float
            Metres at most from a place to the ground it stands on.
        flat_kph : float
            Walking speed on the flat, km/h.

        Returns
        -------
        (minutes, metres, nearest) : arrays of shape (rows, columns)
            NaN, NaN and -1 where no destination is reached.
        """
        from balance_lib.access.distance import kernel

        at = _stand(destinations, self, snap_cap_m, flat_kph)
        inward = direction == "there"
        place, door = np.nonzero(at.cell >= 0)
        cost, way = (at.inward if inward else at.outward)[place, door], at.way[place, door]
        ground = kernel.Ground(*self.ground, 1 / flat_out_m(flat_kph), -1.0 if inward else 1.0)
        doors = kernel.Doors(at.cell[place, door], cost, way)
        minutes, metres, owner = kernel.spread(ground, doors, np.inf if limit_min is None else float(limit_min))
        none = owner < 0
        minutes[none] = metres[none] = np.nan
        nearest = np.append(place, -1)[owner]  # no seed is -1, which is the last
        inner = (slice(RIM, -RIM),) * 2
        minutes, metres, nearest = (a.reshape(self.padded)[inner] for a in (minutes, metres, nearest))
        return minutes, metres, nearest

    def describe(self) -> dict[str, Any]:
        """Say as plain values what ground this is: cells, voids, barriers, connected parts."""
        size = self.part_cells
        return {
            **self.relief.describe(),
            **self.report,
            "steps_barred_by_rivers": self._ground[1],
            "parts": len(size),
            "largest_part_share": float(size[0] / size.sum()) if len(size) else None,
        }

    @property
    def padded(self) -> tuple[int, int]:
        """Return the shape of the relief with its barred rim."""
        rows, columns = self.relief.height.shape
        return rows + 2 * RIM, columns + 2 * RIM

    @property
    def ground(self) -> tuple[Any, Any, Any, Any, Any]:
        """Return what the searches need: heights, allowed steps, and each step's offset, length and middle cells."""
        return self._ground[0]

    @cached_property
    def _ground(self) -> tuple[tuple[Any, Any, Any, Any, Any], int]:
        """Return the ground, and how many steps rivers bar."""
        from balance_lib.access.distance import kernel

        columns, length = self.padded[1], lengths(self.relief.cell_m)
        height = np.pad(self.relief.height, RIM, constant_values=np.nan)
        steps = _allowed(height, length).ravel()
        (r0, c0), (r1, c1) = (np.ascontiguousarray(side.T) + RIM for side in pieces(self.water))
        barred = kernel._bar_crossings(steps, columns, r0, c0, r1, c1, ROW_STEP, COLUMN_STEP, OPPOSITE)
        return (np.nan_to_num(height).ravel(), steps, offsets(columns), length, middles(columns)), int(barred)

    @cached_property
    def part(self) -> npt.NDArray[np.int32]:
        """Return the connected part each cell belongs to, largest 0, shape (rows, columns); -1 in voids."""
        return self._parts[0]

    @cached_property
    def part_cells(self) -> Ints:
        """Return the cells of each connected part, largest first."""
        return self._parts[1]

    @cached_property
    def _parts(self) -> tuple[Any, Ints]:
        from balance_lib.access.distance import kernel

        _, steps, offset, _, _ = self.ground
        walkable = np.pad(np.isfinite(self.relief.height), RIM).ravel()
        part, size = kernel._label_parts(steps, walkable, offset)
        order = np.argsort(-size, kind="stable")
        rank = np.empty(len(size) + 1, dtype=np.int32)
        rank[order], rank[-1] = np.arange(len(size)), -1
        inner = (slice(RIM, -RIM),) * 2
        return rank[part].reshape(self.padded)[inner], size[order]

    def _between(
        self,
        origins: Footing,
        destinations: Footing,
        wait: Any,
        direction: Direction,
        limit_min: float,
        flat_kph: float,
    ) -> tuple[Floats, Floats]:
        """Return minutes and metres, infinite where there is no way; one search for each place of the shorter list."""
        from balance_lib.access.distance import kernel

        if len(destinations.part) > len(origins.part):
            other: Direction = "back" if direction == "there" else "there"
            turned = self._between(destinations, origins, wait.T, other, limit_min, flat_kph)
            return turned[0].T, turned[1].T
        # Searches start at the destinations: walking there is walking against the search.
        there = direction == "there"
        root, goal = (destinations.inward, origins.outward) if there else (destinations.outward, origins.inward)
        ground = kernel.Ground(*self.ground, 1 / flat_out_m(flat_kph), -1.0 if there else 1.0)
        roots = kernel.Doors(destinations.cell, root, destinations.way)
        goals = kernel.Doors(origins.cell, goal, origins.way)
        minutes, metres = kernel._costs(ground, roots, goals, np.ascontiguousarray(wait.T), float(limit_min))
        return minutes.T, metres.T

    def _go_direct(
        self,
        a: Footing,
        b: Footing,
        line: Floats,
        wait: Any,
        direction: Direction,
        flat_kph: float,
        minutes: Floats,
        metres: Floats,
    ) -> None:
        """Let places within the same few cells walk straight to each other where that is quicker."""
        near = wait & (line <= DIRECT_CELLS * min(self.relief.cell_m)) & a.firm[:, None] & b.firm[None, :]
        row, column = np.nonzero(near)
        if not len(row):
            return
        dry = ~_crosses(self.water, a.at[row], b.at[column])
        row, column = row[dry], column[dry]
        run, rise = line[row, column], b.height[column] - a.height[row]
        straight = run * _pace_min(run, rise if direction == "there" else -rise, flat_kph)
        quicker = straight < minutes[row, column]
        row, column = row[quicker], column[quicker]
        minutes[row, column], metres[row, column] = straight[quicker], np.hypot(run, rise)[quicker]


def flat_out_m(flat_kph: float) -> float:
    """Return metres a minute on the quickest slope, a gentle descent."""
    return minute_m(flat_kph) * float(np.exp(3.5 * 0.05))


def warm_up() -> float:
    """Compile the loops ahead of time; return the seconds it took: some the first time, then a fraction."""
    from time import perf_counter

    from affine import Affine

    start = perf_counter()
    terrain = Terrain.of(Relief.of(np.zeros((4, 4)), Affine(30, 0, 500000, 0, -30, 3400000), 32649))
    places = Places(["a", "b"], *terrain.relief.degrees([0, 3], [0, 3]))
    terrain.table(places, places)
    terrain.reach(places)
    return perf_counter() - start
