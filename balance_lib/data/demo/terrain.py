"""Make relief and rivers: coarse real relief, upsampled, roughened by a seeded noise, and carved by flowing water."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from scipy import ndimage
from scipy.interpolate import RectBivariateSpline

from balance_lib.data.demo.skeleton import Skeleton

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
MARGIN_M = 3000
STREAM_KM2, RIVER_KM2 = 6.0, 60.0
VALLEY_M = 700.0
NO_DATA = -32768
SCATTER_M = 500.0  # people live about so far from their village's point


@dataclass(frozen=True)
class DemoTerrain:
    """Hold a raster of heights in a metre coordinate system, and where its water flows.

    Parameters
    ----------
    epsg : int
        UTM zone of the raster.
    x0, y0 : float
        Upper left corner, in metres.
    cell : float
        Side of a cell, in metres.
    height : array (rows, columns)
        Metres above sea level, to the decimetre.
    downstream : array of int (cells,)
        Index of the cell each cell drains to; itself at the rim.
    drained_km2 : array (rows, columns)
        Area that drains through each cell.
    inside : array of bool (rows, columns)
        Cells within the county.
    """

    epsg: int
    x0: float
    y0: float
    cell: float
    height: Any
    downstream: Any
    drained_km2: Any
    inside: Any

    @cached_property
    def _to_metres(self) -> Transformer:
        return Transformer.from_crs(4326, self.epsg, always_xy=True)

    @cached_property
    def river(self) -> Any:
        """Return which cells carry a river worth drawing on a map of the county."""
        return self.inside & (self.drained_km2 >= RIVER_KM2)

    def metres(self, lon: Any, lat: Any) -> tuple[Any, Any]:
        """Return easting and northing.

        Parameters
        ----------
        lon : object
            Longitudes in degrees.
        lat : object
            Latitudes in degrees.
        """
        x, y = self._to_metres.transform(lon, lat)
        return np.asarray(x), np.asarray(y)

    def degrees(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return longitude and latitude, to five decimals (about a metre).

        Parameters
        ----------
        x : object
            Eastings in metres.
        y : object
            Northings in metres.
        """
        lon, lat = self._to_metres.transform(x, y, direction="INVERSE")
        return np.round(lon, 5), np.round(lat, 5)

    def centre(self, rows: Any, columns: Any) -> tuple[Any, Any]:
        """Return easting and northing of cell centres.

        Parameters
        ----------
        rows : object
            Rows of the raster.
        columns : object
            Columns of the raster.
        """
        x = self.x0 + (np.asarray(columns) + 0.5) * self.cell
        return x, self.y0 - (np.asarray(rows) + 0.5) * self.cell

    def at(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return row and column of the cells in which points lie.

        Parameters
        ----------
        x : object
            Eastings in metres.
        y : object
            Northings in metres.
        """
        rows = np.floor((self.y0 - np.asarray(y)) / self.cell).astype(int)
        columns = np.floor((np.asarray(x) - self.x0) / self.cell).astype(int)
        return np.clip(rows, 0, self.height.shape[0] - 1), np.clip(columns, 0, self.height.shape[1] - 1)

    @cached_property
    def slope(self) -> Any:
        """Return the steepness, rise over run."""
        down, right = np.gradient(self.height, self.cell)
        return np.hypot(down, right)

    def in_metres(self, geometry: Any) -> Any:
        """Return a longitude-latitude geometry in metres."""
        return _projected(geometry, self._to_metres)


def build(skeleton: Skeleton, rng: np.random.Generator) -> DemoTerrain:
    """Make the relief of a county.

    The coarse grid is interpolated by a cubic spline; noise of four wavelengths is added in proportion to the local
    relief; the ground around published township seats is lowered, since seats lie in valleys; then rain is led downhill
    (priority flood) and the ground beside every stream is drawn down towards the stream's own level.

    Parameters
    ----------
    skeleton : Skeleton
    rng : Generator
        Source of chance; the same seed gives the same county.
    """
    epsg, cell = skeleton.settings["epsg"], float(skeleton.settings["cell_m"])
    to_metres = Transformer.from_crs(4326, epsg, always_xy=True)
    outline = _projected(skeleton.outline, to_metres)
    west, south, east, north = (round(v / cell) * cell for v in outline.buffer(MARGIN_M).bounds)
    shape = (round((north - south) / cell), round((east - west) / cell))
    x, y = np.meshgrid(west + (np.arange(shape[1]) + 0.5) * cell, north - (np.arange(shape[0]) + 0.5) * cell)
    lon, lat = to_metres.transform(x, y, direction="INVERSE")
    height = _rough(skeleton, lon, lat, rng)
    seats = skeleton.townships[skeleton.townships["published"]]
    for lon, lat in zip(seats["lon"], seats["lat"], strict=True):
        height = _lower(height, x, y, *to_metres.transform(lon, lat))
    order, downstream = _flood(np.round(height, 1))
    drained = _accumulate(order, downstream, shape) * cell * cell / 1e6
    height = _breach(np.round(height, 1), order, downstream, drained)
    height = np.round(_carve(height, drained, cell), 1)
    inside = shapely.contains_xy(outline, x, y)
    return DemoTerrain(epsg, west, north, cell, height, downstream, drained, inside)


def rivers(terrain: DemoTerrain) -> list[tuple[Any, float]]:
    """Return the rivers as lists of cells ``(rows, columns)`` running downstream, with the area drained at the mouth.

    Every river cell stands in one line; a tributary's line ends in the cell where it meets the larger river.
    """
    columns = terrain.height.shape[1]
    river = terrain.river.ravel()
    cells = np.flatnonzero(river)
    fed = np.zeros(river.size, dtype=bool)
    fed[terrain.downstream[cells]] = True
    courses = []
    for head in cells[~fed[cells]]:
        course = [int(head)]
        while river[course[-1]] and (to := int(terrain.downstream[course[-1]])) != course[-1]:
            course.append(to)
        courses.append(course)
    courses.sort(key=lambda course: (-len(course), course[0]))
    taken: set[int] = set()
    out = []
    for course in courses:
        stop = next((i for i, cell in enumerate(course) if cell in taken), len(course) - 1)
        own = course[: stop + 1]
        taken.update(own)
        if len(own) >= 3:
            index = np.array(own)
            out.append(((index // columns, index % columns), float(terrain.drained_km2.ravel()[own[-2]])))
    return out


def write_geotiff(terrain: DemoTerrain, path: Path) -> None:
    """Write the heights as whole metres into a deflated GeoTIFF.

    Parameters
    ----------
    terrain : DemoTerrain
    path : Path
    """
    note = "synthetic relief of a demonstration county: not for navigation or engineering"
    _write(terrain, np.round(terrain.height), path, note)


def write_people(terrain: DemoTerrain, homes: pd.DataFrame, path: Path, rng: np.random.Generator) -> None:
    """Write a raster of people per cell: those of each village scattered around its point.

    Parameters
    ----------
    terrain : DemoTerrain
        Its cells are used.
    homes : DataFrame
        One row a village: ``x``, ``y`` in metres and ``population``.
    path : Path
    rng : numpy.random.Generator
    """
    who = np.repeat(homes[["x", "y"]].to_numpy(dtype=float), homes["population"].to_numpy(dtype=int), axis=0)
    column, row = ((who + rng.normal(0, SCATTER_M, who.shape) - [terrain.x0, terrain.y0]) / terrain.cell).T
    rows, columns = terrain.height.shape
    row, column = (-row).astype(int).clip(0, rows - 1), column.astype(int).clip(0, columns - 1)
    people = np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns)
    note = "synthetic people per cell of a demonstration county: they stand for nobody"
    _write(terrain, np.where(terrain.inside, people, NO_DATA), path, note)


def _write(terrain: DemoTerrain, cells: Any, path: Path, note: str) -> None:
    """Write whole numbers on the terrain's cells into a deflated GeoTIFF."""
    import rasterio  # heavy, and only this function needs it
    from rasterio.transform import from_origin

    place = from_origin(terrain.x0, terrain.y0, terrain.cell, terrain.cell)
    rows, columns = cells.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=columns, count=1, dtype="int16", crs=f"EPSG:{terrain.epsg}",
        transform=place, compress="deflate", predictor=2, nodata=NO_DATA,
    ) as file:  # fmt: skip
        file.write(cells.astype("int16"), 1)
        file.update_tags(note=note)


def _projected(geometry: Any, to_metres: Transformer) -> Any:
    return shapely.transform(geometry, lambda points: np.column_stack(to_metres.transform(*points.T)))


def _rough(skeleton: Skeleton, lon: Any, lat: Any, rng: np.random.Generator) -> Any:
    coarse = skeleton.relief.pivot(index="lat", columns="lon", values="elevation_m").sort_index()
    values = coarse.to_numpy(dtype=float)
    lats, lons = coarse.index.to_numpy(), coarse.columns.to_numpy()
    smooth = RectBivariateSpline(lats, lons, values).ev(lat.ravel(), lon.ravel()).reshape(lat.shape)
    spread = ndimage.maximum_filter(values, 3) - ndimage.minimum_filter(values, 3)
    amplitude = RectBivariateSpline(lats, lons, spread, kx=1, ky=1).ev(lat.ravel(), lon.ravel()).reshape(lat.shape)
    noise = np.zeros_like(smooth)
    for wavelength, share in ((16, 0.45), (6, 0.45), (3, 0.35), (1.5, 0.1)):
        layer = ndimage.gaussian_filter(rng.standard_normal(lat.shape), wavelength)
        noise += share * layer / layer.std()
    return smooth + np.maximum(amplitude, 3.0) * 0.3 * noise


def _lower(height: Any, x: Any, y: Any, at_x: float, at_y: float) -> Any:
    """Draw the ground around a township seat down to the lowest ground within 5 km."""
    away = np.hypot(x - at_x, y - at_y)
    floor = height[away < 5000].min()
    near = np.exp(-((away / 2500) ** 2))
    return np.where(height > floor, height + (floor - height) * 0.9 * near, height)


def _flood(height: Any) -> tuple[Any, Any]:
    """Say in which order, from the rim inwards, and to which neighbour water leaves each cell, over the lowest sill.

    Within a hollow the lowest ground is reached first, so that courses follow its bottom and not straight lines.
    Source: priority flood (Barnes, Lehman, Mulla 2014).
    """
    rows, columns = height.shape
    ground = height.ravel().tolist()
    downstream = list(range(rows * columns))
    done = bytearray(rows * columns)
    heap: list[tuple[float, float, int]] = []
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        if row in (0, rows - 1) or column in (0, columns - 1):
            heap.append((ground[index], ground[index], index))
            done[index] = 1
    heapq.heapify(heap)
    order = []
    while heap:
        spill, _, index = heapq.heappop(heap)
        order.append(index)
        row, column = divmod(index, columns)
        for step_row, step_column in NEIGHBOURS:
            r, c = row + step_row, column + step_column
            if 0 <= r < rows and 0 <= c < columns and not done[r * columns + c]:
                there = r * columns + c
                done[there] = 1
                downstream[there] = index
                heapq.heappush(heap, (max(spill, ground[there]), ground[there], there))
    return np.array(order), np.array(downstream)


def _breach(height: Any, order: Any, downstream: Any, drained: Any) -> Any:
    """Cut the sills that dam a stream, so that every stream runs downhill to the rim: gorges, not lakes."""
    level = height.ravel().tolist()
    towards, carries = downstream.tolist(), (drained.ravel() >= STREAM_KM2 / 2).tolist()
    for index in reversed(order.tolist()):
        if carries[index]:
            level[towards[index]] = min(level[towards[index]], level[index])
    return np.array(level).reshape(height.shape)


def _accumulate(order: Any, downstream: Any, shape: tuple[int, int]) -> Any:
    """Count the cells whose water passes through each cell."""
    count = [1.0] * downstream.size
    towards = downstream.tolist()
    for index in reversed(order.tolist()):
        if towards[index] != index:
            count[towards[index]] += count[index]
    return np.array(count).reshape(shape)


def _carve(height: Any, drained: Any, cell: float) -> Any:
    """Draw the ground beside streams down towards the level of the nearest stream: valleys with flat floors."""
    stream = drained >= STREAM_KM2
    away, nearest = ndimage.distance_transform_edt(~stream, sampling=cell, return_indices=True)
    floor = height[nearest[0], nearest[1]]
    wide = VALLEY_M * np.clip(drained[nearest[0], nearest[1]] / 100, 0.5, 2.5) ** 0.5
    rise = 1 - np.exp(-((away / wide) ** 2))
    return np.where(height > floor, floor + (height - floor) * rise, height)
