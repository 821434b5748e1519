"""Bring in what lies on and under a county: road networks, relief, and settlements of an OpenStreetMap extract."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from balance_lib._errors import DataError, Fault
from balance_lib.data.county import OUTLINE, County
from balance_lib.data.earth import Plane
from balance_lib.data.intake.xlsx import SourceFile
from balance_lib.extras import need

EXTRACTS = (".osm", ".osm.gz", ".osm.bz2", ".osm.pbf")
RASTERS = (".tif", ".tiff", ".hgt", ".hgt.zip")
ROADS, RELIEF = "roads.osm.pbf", "dem.tif"
# So far around the county ways and relief are kept: the nearest road may lie beyond the border.
MARGIN_M = 10_000.0
SETTLEMENTS = ("city", "town", "suburb", "quarter", "neighbourhood", "village", "hamlet", "isolated_dwelling")
_HEIGHTS = ("dem", "hgt", "srtm", "relief", "elev", "aster", "gdem", "alos", "cop30", "高程")
_LEVELS = {"1": "primary", "2": "junior", "1;2": "nine_year", "2;3": "complete_secondary", "1;2;3": "twelve_year"}
Bounds = tuple[float, float, float, float]


def is_extract(name: str) -> bool:
    """Tell whether a file is an OpenStreetMap extract by its name."""
    return name.casefold().endswith(EXTRACTS)


def is_relief(name: str) -> bool:
    """Tell whether a raster is relief by its name; any other holds people."""
    folded = name.casefold()
    return folded.endswith((".hgt", ".hgt.zip")) or any(word in folded for word in _HEIGHTS)


def bounds(county: County) -> Bounds | None:
    """Return west, south, east, north around a county's outline or places, with a margin; None if it has neither."""
    from shapely.geometry import shape

    shapes = [
        shape(f["geometry"]).bounds for f in county.layers.get(OUTLINE, {}).get("features", []) if f.get("geometry")
    ]
    if not shapes:
        placed = [county.tables[name][["lon", "lat"]].dropna() for name in ("schools", "villages")]
        shapes = [(*rows.min(), *rows.max()) for rows in placed if len(rows)]
    if not shapes:
        return None
    west, south, east, north = (f(s[i] for s in shapes) for i, f in enumerate((min, min, max, max)))
    wide, tall = Plane((west + east) / 2, (south + north) / 2).degrees(MARGIN_M)
    return west - wide, south - tall, east + wide, north + tall


def settlements(source: SourceFile) -> list[SourceFile]:
    """Return an extract's settlements and schools as lists of places, each in a file of its own.

    Settlements carry their population where they have one; schools their level where ``isced:level`` or their name
    says it, and no roll: OpenStreetMap knows none.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    need("terrain")
    import osmium

    villages: list[dict[str, Any]] = []
    schools: list[dict[str, Any]] = []
    try:
        with _on_disk(source) as path:
            for item in osmium.FileProcessor(path).with_locations():
                tags = item.tags
                if item.is_node() and tags.get("place") in SETTLEMENTS and tags.get("name"):
                    people = tags.get("population", "").replace(",", "").strip()
                    about = {"village_id": f"n{item.id}", "name_zh": tags["name"], "name_en": tags.get("name:en"),
                             "population": people if people.isdecimal() else None}  # fmt: skip
                    villages.append(_feature(item.location.lon, item.location.lat, about))
                elif tags.get("amenity") == "school" and tags.get("name") and (place := _middle(item)):
                    name = tags["name"]
                    kind = _LEVELS.get(tags.get("isced:level", "").replace(",", ";").replace(" ", ""))
                    kind = kind or ("primary" if "小学" in name or "primary" in name.casefold() else None)
                    about = {"school_id": f"{'n' if item.is_node() else 'w'}{item.id}", "name_zh": name,
                             "name_en": tags.get("name:en"), "kind": kind, "pupils": None}  # fmt: skip
                    schools.append(_feature(*place, about))
    except (RuntimeError, ValueError, osmium.InvalidLocationError) as error:
        raise DataError([Fault("osm_unreadable", source.name, found=str(error)[:80])]) from error
    head = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
    }
    return [
        SourceFile(f"{source.name}.{name}.geojson", json.dumps({**head, "features": features}).encode())
        for name, features in (("villages", villages), ("schools", schools))
        if features
    ]


def _middle(item: Any) -> tuple[float, float] | None:
    """Return where a node is, or the middle of a way's known nodes."""
    if item.is_node():
        return item.location.lon, item.location.lat
    if not item.is_way():
        return None
    known = [(n.location.lon, n.location.lat) for n in item.nodes if n.location.valid()]
    return (sum(x for x, _ in known) / len(known), sum(y for _, y in known) / len(known)) if known else None


def _feature(lon: float, lat: float, about: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": about, "geometry": {"type": "Point", "coordinates": [lon, lat]}}


def _write_roads(source: SourceFile, county: County, folder: Path) -> list[Fault]:
    """Write the ways of an extract around a county into a folder."""
    need("terrain")
    import osmium

    box = bounds(county)
    if box is None:
        return [Fault("ground_nowhere", source.name)]
    west, south, east, north = box
    fresh = folder / ROADS
    kept = 0
    try:
        with _on_disk(source) as path, osmium.BackReferenceWriter(fresh, ref_src=path, overwrite=True) as writer:
            ways = osmium.FileProcessor(path, osmium.osm.NODE | osmium.osm.WAY).with_locations()
            for item in ways:
                if not item.is_way() or not {"highway", "waterway", "natural"} & {tag.k for tag in item.tags}:
                    continue
                points = [n.location for n in item.nodes if n.location.valid()]
                if any(west <= p.lon <= east and south <= p.lat <= north for p in points):
                    writer.add(item)
                    kept += "highway" in item.tags
    except (RuntimeError, ValueError, osmium.InvalidLocationError) as error:
        fresh.unlink(missing_ok=True)
        return [Fault("osm_unreadable", source.name, found=str(error)[:80])]
    if not kept:
        fresh.unlink(missing_ok=True)
        return [Fault("osm_no_roads", source.name)]
    return [Fault("ground_written", source.name, None, None, None, "warning", {"file": ROADS, "n": kept})]


def _write_relief(sources: Sequence[SourceFile], county: County, folder: Path) -> list[Fault]:
    """Write tiles of relief around a county as one GeoTIFF into a folder."""
    need("terrain")
    import rasterio
    import rasterio.warp
    from rasterio.merge import merge

    names = ", ".join(source.name for source in sources)
    box = bounds(county)
    if box is None:
        return [Fault("ground_nowhere", names)]
    with tempfile.TemporaryDirectory() as place:
        opened = []
        try:
            opened = [rasterio.open(raster_path(source, Path(place))) for source in sources]
            lacking = [source.name for source, tile in zip(sources, opened, strict=True) if tile.crs is None]
            if lacking:
                return [Fault("raster_crs", ", ".join(lacking))]
            inside = rasterio.warp.transform_bounds("EPSG:4326", opened[0].crs, *box)
            heights, transform = merge(opened, bounds=inside)
            void = opened[0].nodata
            if not np.any(heights[0] != void if void is not None else np.isfinite(heights[0])):
                return [Fault("raster_elsewhere", names)]
            profile = {"driver": "GTiff", "height": heights.shape[1], "width": heights.shape[2], "count": 1,
                       "dtype": heights.dtype, "crs": opened[0].crs, "transform": transform, "nodata": void,
                       "compress": "deflate"}  # fmt: skip
            with rasterio.open(folder / RELIEF, "w", **profile) as out:
                out.write(heights[:1])
        except (rasterio.errors.RasterioError, ValueError) as error:
            return [Fault("raster_unreadable", names, found=str(error)[:80])]
        finally:
            for tile in opened:
                tile.close()
    return [Fault("ground_written", names, None, None, None, "warning", {"file": RELIEF, "n": len(sources)})]


def raster_path(source: SourceFile, place: Path) -> str:
    """Return where GDAL finds a raster: a path, or the first one inside a zip.

    Parameters
    ----------
    source : SourceFile
    place : Path
        Folder it is put into.
    """
    if isinstance(source.content, Path):
        path = source.content
    else:
        path = place / Path(source.name).name
        path.write_bytes(source.content)
    return (
        f"/vsizip/{path}/{path.name.removesuffix('.zip')}" if path.name.casefold().endswith(".hgt.zip") else str(path)
    )


class _on_disk:  # noqa: N801 - used as a context, like a function
    """Lend a path of a source's bytes: osmium reads files only."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.made: str | None = None

    def __enter__(self) -> str:
        if isinstance(self.source.content, Path):
            return str(self.source.content)
        suffix = next(s for s in sorted(EXTRACTS, key=len, reverse=True) if self.source.name.casefold().endswith(s))
        handle, self.made = tempfile.mkstemp(suffix=suffix)
        with os.fdopen(handle, "wb") as stream:
            stream.write(self.source.content)
        return self.made

    def __exit__(self, *_: object) -> None:
        if self.made:
            Path(self.made).unlink(missing_ok=True)


def staged(sources: Sequence[SourceFile], county: County, folder: Path) -> list[Fault]:
    """Write what of these goes into a county folder (roads, relief) into an empty folder; see :func:`put`.

    Parameters
    ----------
    sources : sequence of SourceFile
    county : County
    folder : Path
    """
    faults = [fault for one in sources if is_extract(one.name) for fault in _write_roads(one, county, folder)]
    tiles = [one for one in sources if not is_extract(one.name) and is_relief(one.name)]
    return faults + (_write_relief(tiles, county, folder) if tiles else [])


def put(staging: Path, folder: Path) -> None:
    """Put staged files into a county folder; a new network replaces the one that is there, whatever its name.

    Parameters
    ----------
    staging : Path
        Folder the files were written to.
    folder : Path
        County folder.
    """
    for fresh in staging.iterdir():
        for old in folder.glob("*.osm.pbf") if fresh.name == ROADS else ():
            old.unlink()
        shutil.move(fresh, folder / fresh.name)
