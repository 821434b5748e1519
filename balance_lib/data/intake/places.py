"""Read places from GeoJSON or GeoPackage: the county's outline, its townships, schools and villages, in WGS-84."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from balance_lib import locale
from balance_lib._errors import Fault, NotFoundError
from balance_lib.data import crs, tables
from balance_lib.data.county import CRS_NAMES, OUTLINE, TOWNSHIPS, County
from balance_lib.data.intake import aliases, block
from balance_lib.data.intake.grid import Grid
from balance_lib.data.intake.result import Imported
from balance_lib.data.intake.xlsx import SourceFile

__all__ = ["ROLES", "SUFFIXES", "read_grid", "read_places"]

SUFFIXES = (".geojson", ".json", ".gpkg", ".shp")

ROLES = ("outline", "townships", "schools", "villages")
_AREAS = ("Polygon", "MultiPolygon")
# Coordinates that were computed are kept to a centimetre.
_DIGITS = 7
# How a GeoJSON and a GeoPackage (an SQLite file) begin.
_BEGIN = (b"{", b"[", b"SQLite format 3\0")
_CRS_MEMBER = re.compile(rb'"crs"\s*:\s*\{')


def read_places(
    path: Path | str | SourceFile,
    role: str,
    *,
    crs: str | None = None,
    layer: str | None = None,
    where: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    county: County | None = None,
) -> Imported:
    """Read one layer of places; its own coordinate system is honoured and every change of it is said.

    Parameters
    ----------
    path : path or SourceFile
        A GeoJSON, GeoPackage or shapefile.
    role : {"outline", "townships", "schools", "villages"}
        What the features are. Outlines and townships must be areas; schools and villages may be points or areas
        (then a point inside stands for it).
    crs : {"WGS84", "CGCS2000", "GCJ02", "BD09"}, optional
        What the longitudes and latitudes really are, where the file cannot say it (no file format knows GCJ-02).
    layer : str, optional
        Layer of a GeoPackage that has several.
    where : mapping of str to str, optional
        Take only features with these properties: one county out of many.
    columns : mapping of str to str, optional
        Property name to canonical column, where the alias dictionary does not know the property.
    county : County, optional
        Finds the codes of schools or villages that the file knows only by name.

    Returns
    -------
    Imported
        ``layers`` (outline, townships) and tables (townships, schools, villages) with lon/lat in WGS-84. A file
        without a coordinate system is an error; GeoJSON without one is WGS-84 by RFC 7946, with a warning.

    Raises
    ------
    NotFoundError
        If there is no such role.
    """
    if role not in ROLES:
        raise NotFoundError("role", role, ROLES)
    source = SourceFile.of(path)
    frame, faults = _open(source, layer)
    if frame is None:
        return Imported(faults=faults, meta={"sources": [source.name]})
    for label, value in (where or {}).items():
        if label not in frame or not (frame[label].map(_text, na_action="ignore") == str(value)).any():
            there = ", ".join(map(_text, frame[label].dropna().unique()[:5])) if label in frame else ""
            return Imported(faults=[Fault("nothing_chosen", source.name, None, label, value, params={"known": there})])
        frame = frame[frame[label].map(_text, na_action="ignore") == str(value)]
    system, told = _system(frame, crs, source)
    faults += told
    if system is None:
        return Imported(faults=faults, meta={"sources": [source.name]})
    frame, record = _to_wgs84(frame, system, source.name)
    frame, told = _usable(frame, role, source.name)
    faults += told
    names, told, dropped = _properties(frame, role, columns or {}, source.name)
    faults += told
    data = pd.DataFrame({k: frame[v].map(_text, na_action="ignore") for k, v in names.items()}, index=frame.index)
    meta = {"sources": [source.name], "crs": "WGS84", "provenance": record}
    out = Imported({}, faults, meta, dropped)
    if role in ("outline", "townships"):
        out.layers[OUTLINE if role == "outline" else TOWNSHIPS] = _layer(frame, data)
    if role == "outline" and len(frame) > 1:
        out.faults.append(Fault("several_outlines", source.name, found=len(frame), severity="warning"))
    if role != "outline":
        out.faults += _add_table(out, frame, data, role, source.name, county)
    return out


def read_grid(source: SourceFile, *, crs: str | None = None) -> tuple[list[Grid], list[Fault]]:
    """Read the features of a file as rows: their properties, and the longitude and latitude of a point of each.

    Parameters
    ----------
    source : SourceFile
        A GeoJSON, GeoPackage or shapefile.
    crs : str, optional
        What the longitudes and latitudes really are, where the import says it.

    Returns
    -------
    (list of Grid, list of Fault)
        One grid a layer; its own projection is undone, GCJ-02 and BD-09 are left to whoever knows them. A property
        called lon or lat stands back behind the shape.
    """
    frame, faults = _open(source, None)
    if frame is None:
        return [], faults
    system, told = _system(frame, crs, source)
    faults += told
    if frame.crs is not None:
        frame = frame.to_crs("EPSG:4326")
    points = frame.geometry.representative_point()
    shaped = points.notna() & ~points.is_empty
    labels = [str(c) for c in frame.columns if c != "geometry" and aliases.key(c) not in ("lon", "lat")]
    rows = [["lon", "lat", *labels]]
    for at, values in zip(frame.index, frame[labels].itertuples(index=False), strict=True):
        place = [repr(float(v)) for v in (points[at].x, points[at].y)] if shaped[at] else ["", ""]
        rows.append([*place, *("" if _absent(value) else _text(value) for value in values)])
    return [Grid(source.name, None, rows, crs=system)], faults


def _absent(value: Any) -> bool:
    return value is None or (not isinstance(value, (list, dict, tuple)) and bool(pd.isna(value)))


def _open(source: SourceFile, layer: str | None) -> tuple[Any, list[Fault]]:
    """Read the features, or tell why that cannot be done."""
    import geopandas

    content = source.content if isinstance(source.content, bytes) else None
    # GDAL tells a format by its content: a "GeoJSON" that is a virtual layer in truth would read files of this machine.
    if content is not None and not content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_BEGIN):
        return None, [Fault("unreadable_places", source.name)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a feature without a shape is told by its row
            layers = geopandas.list_layers(_handle(source, content))
            names = list(layers.loc[layers["geometry_type"].notna(), "name"])
            if layer is None and len(names) > 1:
                return None, [Fault("layer_unnamed", source.name, found=", ".join(names))]
            if layer is not None and layer not in names:
                return None, [Fault("no_layer", source.name, found=layer, params={"known": ", ".join(names)})]
            frame = geopandas.read_file(_handle(source, content), layer=layer)
    except Exception as error:  # GDAL raises whatever its drivers meet
        return None, [Fault("unreadable_places", source.name, found=type(error).__name__)]
    if "geometry" not in frame or frame.empty:
        return None, [Fault("no_places", source.name)]
    return frame, []


def _handle(source: SourceFile, content: bytes | None) -> Any:
    return io.BytesIO(content) if content is not None else Path(str(source.content))


def _system(frame: Any, declared: str | None, source: SourceFile) -> tuple[str | None, list[Fault]]:
    """Return what the longitudes and latitudes are once the file's own projection is undone."""
    if declared is not None and not crs.known(declared):
        raise NotFoundError("crs", declared, CRS_NAMES)
    if frame.crs is None and declared is None:
        return None, [Fault("crs_file", source.name, params={"known": ", ".join(CRS_NAMES)})]
    silent = frame.crs is None or _is_bare_geojson(source)
    if declared is None and silent:
        return "WGS84", [Fault("crs_by_standard", source.name, severity="warning")]
    return (declared if silent or declared in CRS_NAMES else None) or "WGS84", []


def _is_bare_geojson(source: SourceFile) -> bool:
    """Tell whether this is GeoJSON without a ``crs`` member: WGS-84 by the standard, often GCJ-02 in practice."""
    with source.open() as stream:
        content = stream.read()
    if content.lstrip()[:1] not in (b"{", b"\xef"):
        return False
    return _CRS_MEMBER.search(content) is None  # GDAL reads more than a JSON parser takes


def _to_wgs84(frame: Any, system: str, name: str) -> tuple[Any, list[dict[str, Any]]]:
    """Reproject to longitude and latitude, then convert from the declared system; record both."""
    from shapely import set_precision
    from shapely.geometry import mapping, shape

    record: list[dict[str, Any]] = [{"file": name, "features": len(frame)}]
    own = frame.crs
    if own is not None and not own.equals("EPSG:4326", ignore_axis_order=True):
        frame = frame.to_crs("EPSG:4326")
        frame["geometry"] = set_precision(frame.geometry.values, 10.0**-_DIGITS, mode="pointwise")
        values = {"source": own.to_string()[:60], "target": "WGS84", "n": len(frame)}
        said = {lang: locale.text("intake.reprojected", lang, **values) for lang in locale.LANGUAGES}
        record.append({"file": name, "conversion": {"from": values["source"], "to": "WGS84"}, **said})
    if system != "WGS84":
        if not crs.same(system, "WGS84"):
            frame = frame.copy()
            moved = [g and shape(crs.convert_geometry(mapping(g), system, "WGS84")) for g in frame.geometry]
            frame["geometry"] = set_precision(moved, 10.0**-_DIGITS, mode="pointwise")
        record.append(crs.record([name], system, len(frame)))
    return frame, record


def _usable(frame: Any, role: str, name: str) -> tuple[Any, list[Fault]]:
    """Leave out features without a shape, mend crossed outlines, refuse points where areas are needed."""
    faults = []
    blank = frame.geometry.isna() | frame.geometry.is_empty
    faults += [Fault("shapeless", name, int(i) + 1, "geometry", severity="warning") for i in frame.index[blank]]
    frame = frame[~blank].copy()
    if role in ("outline", "townships"):
        wrong = ~frame.geom_type.isin(_AREAS)
        faults += [Fault("not_an_area", name, int(i) + 1, "geometry", frame.geom_type[i]) for i in frame.index[wrong]]
        frame = frame[~wrong].copy()
    crossed = ~frame.geometry.is_valid
    if crossed.any():
        frame.loc[crossed, "geometry"] = frame.loc[crossed, "geometry"].make_valid()
        faults += [Fault("crossed_outline", name, int(i) + 1, severity="warning") for i in frame.index[crossed]]
    x, y = frame.geometry.bounds[["minx", "maxx"]], frame.geometry.bounds[["miny", "maxy"]]
    off = (x.abs() > 180).any(axis=1) | (y.abs() > 90).any(axis=1)
    faults += [Fault("not_degrees", name, int(i) + 1, "geometry") for i in frame.index[off]]
    return frame[~off], faults


def _properties(
    frame: Any, role: str, columns: Mapping[str, str], name: str
) -> tuple[dict[str, str], list[Fault], list[str]]:
    """Return canonical column -> property, dropping personal data and listing what nobody asked for."""
    subject = {"schools": "school", "villages": "village"}.get(role)
    known = {aliases.key(s): c for c, spellings in aliases.dictionary()["places"][role].items() for s in spellings}
    if role == "townships":
        for spec in tables.table(role).columns.values():
            known |= {aliases.key(s): spec.name for s in (spec.name, spec.zh, spec.en)}
    found: dict[str, str] = {}
    faults, dropped, unread = [], [], []
    for label in (str(c) for c in frame.columns if c != "geometry"):
        if aliases.personal(label):
            dropped.append(label)
            faults.append(Fault("personal_data", name, None, label, severity="warning"))
            continue
        heading = aliases.heading([label], subject) if subject else None
        column = columns.get(label) or (heading and heading.column) or known.get(aliases.key(label))
        twice = column in found and label not in columns and label != column  # its own name goes before another
        if column in ("lon", "lat") or column is None or twice:
            if frame[label].notna().any():
                unread.append(label)
            continue
        if subject and column not in tables.table(role).columns:
            continue
        found[column] = label
    return found, faults + block.unread(name, None, unread), dropped


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _layer(frame: Any, data: pd.DataFrame) -> dict[str, Any]:
    """Return the features as plain GeoJSON with canonical properties only."""
    from shapely.geometry import mapping

    rows = data.to_dict("records")
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {k: v for k, v in row.items() if isinstance(v, str)},
                "geometry": json.loads(json.dumps(mapping(geometry))),  # tuples become lists, as when read from a file
            }
            for row, geometry in zip(rows, frame.geometry, strict=True)
        ],
    }


def _add_table(
    out: Imported, frame: Any, data: pd.DataFrame, role: str, name: str, county: County | None
) -> list[Fault]:
    """Add the places as rows of their table, each with a point that lies inside it."""
    points = frame.geometry.representative_point()
    rows = data.assign(lon=points.x.round(_DIGITS).to_numpy(), lat=points.y.round(_DIGITS).to_numpy())
    key = tables.table(role).key[0]
    faults: list[Fault] = []
    if key not in rows and county is not None and "name_zh" in rows:
        names = county.table(role).drop_duplicates("name_zh", keep=False).set_index("name_zh")[key]
        rows[key] = rows["name_zh"].map(names)
        lost = rows.loc[rows[key].isna(), "name_zh"]
        faults = [Fault("place_unknown", name, int(i) + 1, "name_zh", said) for i, said in lost.items()]
        rows = rows[rows[key].notna()]
    if key not in rows:
        return [*faults, Fault("place_key", name, None, key)]
    if not frame.geom_type.isin(["Point"]).all() and role != "townships":
        faults.append(Fault("area_as_point", name, severity="warning"))
    out.columns[role] = {c for c in rows if c in tables.table(role).columns}
    coded = [c for c in rows if tables.table(role).columns[c].choices]
    for column in coded:
        rows[column] = rows[column].map(lambda v, c=column: _code(v, role, c), na_action="ignore")
    wanted = {c: tables.table(role).columns[c] for c in out.columns[role]}
    for column in (c for c, spec in wanted.items() if spec.numeric and c not in ("lon", "lat")):
        rows[column] = pd.to_numeric(rows[column], errors="coerce")
    out.tables[role] = tables.conform(rows, role)
    faults += [
        fault for fault in tables.check({role: out.tables[role]})
        if fault.rule != "required" or fault.column == key
    ]  # fmt: skip
    return faults


def _code(value: str, role: str, column: str) -> str:
    choices = tables.table(role).columns[column].choices or {}
    return aliases.codes(column, tuple(choices.items())).get(aliases.key(value), value)
