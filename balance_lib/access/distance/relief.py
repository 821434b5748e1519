"""Read relief: a DEM in metres, north up, with its voids."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from balance_lib._errors import DataError, Fault
from balance_lib.access.distance.places import Floats, Places
from balance_lib.data.earth import Plane, straight_m
from balance_lib.extras import need

LOWEST_M, HIGHEST_M = -500.0, 9000.0  # outside this no ground on earth: a void nobody declared


@dataclass(frozen=True, eq=False)
class Relief:
    """Hold heights on a grid of cells in a metre coordinate system.

    Parameters
    ----------
    height : array of float32, shape (rows, columns)
        Metres; NaN in voids.
    crs : rasterio.crs.CRS
        Projected.
    transform : affine.Affine
        From column and row of a cell's corner to easting and northing; not rotated.
    report : mapping
        ``voids`` declared and ``implausible`` heights taken as voids, in cells; ``reprojected`` from which system.
    """

    height: npt.NDArray[np.float32]
    crs: Any
    transform: Any
    report: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path, *, around: Places | None = None, margin_m: float = 10_000.0) -> Relief:
        """Read a DEM (GeoTIFF, first band, heights in metres).

        One in degrees, or rotated, is reprojected to a transverse Mercator grid of its own middle: heights by bilinear
        interpolation, voids by the nearest cell, so that none is filled.

        Parameters
        ----------
        path : str or Path
        around : Places, optional
            Read only what lies around these places.
        margin_m : float
            How far around.

        Raises
        ------
        DataError
            If the file is missing or unreadable, has no coordinate system, or lies elsewhere.
        """
        need("terrain")
        import rasterio
        from rasterio.errors import RasterioError

        name = Path(path).name
        if not Path(path).is_file():
            raise DataError([Fault("dem_missing", name)])
        try:
            with rasterio.open(path) as file:
                if file.crs is None:
                    raise DataError([Fault("dem_crs", name)])
                window = _window(file, around, margin_m)
                if window is None:
                    raise DataError([Fault("dem_elsewhere", name)])
                height = file.read(1, window=window, masked=True).astype("float32").filled(np.nan)
                return cls.of(height, file.window_transform(window), file.crs)
        except RasterioError as error:
            raise DataError([Fault("dem_unreadable", name, found=str(error).splitlines()[0])]) from error

    @classmethod
    def of(cls, height: npt.ArrayLike, transform: Any, crs: Any) -> Relief:
        """Take heights as they are; reproject them where they are not on a metre grid.

        Parameters
        ----------
        height : array
            Height of each cell in metres.
        transform : object
            Affine transform of the raster.
        crs : object
            Coordinate system.
        """
        from rasterio.crs import CRS

        crs = CRS.from_user_input(crs)
        height = np.array(height, dtype="float32")
        voids = ~np.isfinite(height)
        with np.errstate(invalid="ignore"):
            implausible = (height < LOWEST_M) | (height > HIGHEST_M)
        height[voids | implausible] = np.nan
        report = {"voids": int(voids.sum()), "implausible": int(implausible.sum()), "reprojected": None}
        if crs.is_projected and transform.b == 0 and transform.d == 0:
            return cls(height, crs, transform, report)
        report["reprojected"] = crs.to_string()
        return cls(*_reprojected(height, transform, crs), report)

    @cached_property
    def cell_m(self) -> tuple[float, float]:
        """Return width and depth of a cell in metres over the ground: the grid's own metres may be out of scale."""
        rows, columns = self.height.shape
        lon, lat = self.degrees([rows / 2, rows / 2, 0, rows], [0, columns, columns / 2, columns / 2])
        across, down = straight_m(lon[0::2], lat[0::2], lon[1::2], lat[1::2])
        return float(across / columns), float(down / rows)

    def cells(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> Floats:
        """Return row and column of places, shape (n, 2); whole numbers are the centres of cells, NaN where unknown.

        Parameters
        ----------
        lon : array
            Longitudes in degrees.
        lat : array
            Latitudes in degrees.
        """
        x, y = self._plane.transform(np.asarray(lon, dtype=float), np.asarray(lat, dtype=float))
        grid = self.transform
        found = np.stack([(np.asarray(y) - grid.f) / grid.e, (np.asarray(x) - grid.c) / grid.a], axis=-1) - 0.5
        return np.where(np.isfinite(found), found, np.nan)

    def degrees(self, row: npt.ArrayLike, column: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return longitude and latitude of rows and columns; the other way round from :meth:`cells`.

        Parameters
        ----------
        row : array
            Rows, counted from 0; whole numbers are the middles of cells.
        column : array
            Columns, counted from 0; whole numbers are the middles of cells.
        """
        grid = self.transform
        x, y = (np.asarray(at, dtype=float) + 0.5 for at in (column, row))
        lon, lat = self._plane.transform(grid.c + grid.a * x, grid.f + grid.e * y, direction="INVERSE")
        return np.asarray(lon), np.asarray(lat)

    @cached_property
    def _plane(self) -> Any:
        from pyproj import Transformer

        return Transformer.from_crs(4326, self.crs.to_wkt(), always_xy=True)

    def describe(self) -> dict[str, Any]:
        """Say as plain values what grid this is."""
        return {
            "cell_m": list(self.cell_m),
            "cells": list(self.height.shape),
            "crs": self.crs.to_string()[:80],
            **self.report,
        }


def _window(file: Any, around: Places | None, margin_m: float) -> Any:
    """Return which part of a raster lies around places; None where nothing does."""
    from rasterio.warp import transform_bounds
    from rasterio.windows import Window, from_bounds

    whole = Window(0, 0, file.width, file.height)
    if around is None or not around.known.any():
        return whole
    lon, lat = around.lon[around.known], around.lat[around.known]
    side, up = Plane(0.0, float(np.abs(lat).max())).degrees(margin_m)
    bounds = transform_bounds(4326, file.crs, lon.min() - side, lat.min() - up, lon.max() + side, lat.max() + up)
    if file.transform.b or file.transform.d or file.transform.e > 0:
        return whole
    wanted = from_bounds(*bounds, transform=file.transform)
    left, top = max(math.floor(wanted.col_off), 0), max(math.floor(wanted.row_off), 0)
    right = min(math.ceil(wanted.col_off + wanted.width), file.width)
    bottom = min(math.ceil(wanted.row_off + wanted.height), file.height)
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _reprojected(height: Any, transform: Any, crs: Any) -> tuple[Any, Any, Any]:
    """Return heights, system and transform on a metre grid of about the same number of cells."""
    from rasterio.crs import CRS
    from rasterio.transform import array_bounds
    from rasterio.warp import Resampling, calculate_default_transform, reproject, transform_bounds

    rows, columns = height.shape
    bounds = array_bounds(rows, columns, transform)
    west, south, east, north = transform_bounds(crs, 4326, *bounds)
    middle = f"+proj=tmerc +lon_0={(west + east) / 2} +lat_0={(south + north) / 2} +k=1 +datum=WGS84 +units=m +no_defs"
    target = CRS.from_string(middle)
    onto, width, depth = calculate_default_transform(crs, target, columns, rows, *bounds)
    there = {"src_transform": transform, "src_crs": crs, "dst_transform": onto, "dst_crs": target}
    out, ground = np.full((depth, width), np.nan, dtype="float32"), np.zeros((depth, width), dtype="uint8")
    reproject(height, out, src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.bilinear, **there)
    reproject(np.isfinite(height).astype("uint8"), ground, resampling=Resampling.nearest, **there)
    return np.where(ground == 1, out, np.float32(np.nan)), target, onto
