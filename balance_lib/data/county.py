"""Hold one county: its tables, boundary, years and provenance; open and save a county folder."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import balance_lib
from balance_lib._errors import BalanceError, DataError, Fault, NotFoundError, unreadable
from balance_lib.data import origins, saving, tables
from balance_lib.data.origins import Origin
from balance_lib.locale import either, has, named, names_by, text
from balance_lib.plain import as_yaml, from_yaml
from balance_lib.shown import Shown

META = "county.yaml"
OUTLINE = "outline.geojson"
TOWNSHIPS = "townships.geojson"
NAME_OF = {"school_id": "school", "village_id": "village", "from_id": "from_name", "to_id": "to_name",
           "place": "place_name"}  # fmt: skip
CRS_NAMES = ("WGS84", "CGCS2000", "GCJ02", "BD09")


@dataclass(frozen=True, eq=False, repr=False)  # compared and cached by identity: tables are large
class County(Shown):
    """Hold one county's canonical tables with their boundary and provenance.

    Parameters
    ----------
    county_id : str
        Short ASCII name; also the folder name.
    name_zh, name_en : str
        Name of the county.
    tables : mapping of str to DataFrame
        Canonical tables; absent ones are empty. Do not change them in place: use :meth:`with_tables`.
    crs : str
        Declared coordinate system of every lon/lat: WGS84, CGCS2000, GCJ02 or BD09.
    synthetic : bool
        Whether any figure was made up; every page and export then says so.
    meta : mapping
        Everything else in ``county.yaml``: provenance, the plan it follows, credits.
    layers : mapping of str to GeoJSON
        ``outline.geojson``, ``townships.geojson`` and further layers for maps.
    path : Path or None
        Folder it was opened from.
    version : str
        Which version of that folder this is, "" if the folder is yet to be made: saving it there names it.
    origins : sequence of Origin
        Where in the user's files an import found the tables' cells; without any, what the folder says of it stays.
    """

    county_id: str
    name_zh: str
    name_en: str
    tables: Mapping[str, pd.DataFrame]
    crs: str = "WGS84"
    synthetic: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)
    layers: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    version: str = ""
    origins: Sequence[Origin] = ()

    def __post_init__(self) -> None:
        given = self.tables
        complete = {name: given[name] if name in given else tables.empty(name) for name in tables.all_tables()}
        object.__setattr__(self, "tables", complete)

    @classmethod
    def open(cls, path: str | Path) -> County:
        """Open a county folder.

        Parameters
        ----------
        path : str or Path
            Folder with ``county.yaml`` and one CSV a table.

        Raises
        ------
        DataError
            If a file cannot be read as its table; every fault at once.
        NotFoundError
            If there is no such county folder.
        """
        county, faults = cls.read(path)
        tables.require(faults)
        return county

    @classmethod
    def read(cls, path: str | Path) -> tuple[County, list[Fault]]:
        """Open a county folder as far as it can be read, with every fault of form found on the way."""
        folder = Path(path)
        while True:  # somebody may save in between: files of two versions are never read as one
            saving.recover(folder)
            version = saving.version_of(folder)
            try:
                county, faults = cls._read(folder)
            except (BalanceError, OSError):
                if saving.version_of(folder) == version:
                    raise
                continue
            if saving.version_of(folder) == version:
                return replace(county, version=version), faults

    @classmethod
    def _read(cls, folder: Path) -> tuple[County, list[Fault]]:
        if not (folder / META).is_file():
            raise NotFoundError(META, str(folder), sorted(p.parent.name for p in folder.glob(f"*/{META}")))
        meta = _read_meta(folder)
        faults: list[Fault] = []
        frames = {}
        for name, spec in tables.all_tables().items():
            if (folder / spec.file).is_file():
                frames[name], found = _read_table(folder / spec.file, name)
                faults += found
            elif name in ("schools", "school_years"):
                faults.append(Fault("missing_file", spec.file))
        crs = str(meta.pop("crs", None) or "")
        if crs not in CRS_NAMES:
            faults.append(Fault("crs", META, None, "crs", crs or None, params={"known": ", ".join(CRS_NAMES)}))
        layers = {}
        for file in sorted(folder.glob("*.geojson")):
            layers[file.name], found = _read_layer(file)
            faults += found
        county = cls(
            county_id=str(meta.pop("county_id", None) or folder.resolve().name),
            name_zh=str(meta.pop("name_zh", None) or folder.resolve().name),
            name_en=str(meta.pop("name_en", None) or ""),
            synthetic=bool(meta.pop("synthetic", False)),
            tables=frames,
            crs=crs,
            meta=meta,
            layers=layers,
            path=folder,
        )
        return county, faults

    def save(self, path: str | Path, *, version: str | None = None) -> Path:
        """Write the county folder, whole or not at all.

        Files of the folder that are not ours (relief, notes) are kept. The new folder is built beside the old one
        and put in its place at the end; one writer at a time.

        Parameters
        ----------
        path : str or Path
        version : str, optional
            The version that must stand there still, "" for none. By default ``self.version``, if the county is saved
            where it was opened; elsewhere whatever county stands there is replaced.

        Raises
        ------
        ChangedError
            If somebody else saved there in the meantime; nothing is written.
        DataError
            If something else stands there: a file, or a folder with files that is no county folder.
        """
        folder = Path(path).resolve()
        if version is None and self.path is not None and self.path.resolve() == folder:
            version = self.version
        saving.recover(folder)
        if folder.exists() and not (folder / META).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
            raise DataError([Fault("not_a_county", str(path))])
        texts = self.files()
        if self.origins:
            texts[origins.FILE] = origins.text(self.origins, texts)
        with saving.replacing(folder, version) as fresh:
            for name, content in texts.items():
                (fresh / name).write_bytes(content.encode("utf-8"))
            for name in tables.all_tables():
                if self.tables[name].empty:
                    (fresh / tables.table(name).file).unlink(missing_ok=True)
            for layer in (file for file in fresh.glob("*.geojson") if file.name not in self.layers):
                layer.unlink()
        return folder

    def files(self) -> dict[str, str]:
        """Return the texts of the folder's files: ``county.yaml``, tables with rows, and layers."""
        own = {
            "county_id": self.county_id,
            "name_zh": self.name_zh,
            "name_en": self.name_en,
            "crs": self.crs,
            "synthetic": self.synthetic,
        }
        head = {**own, **{key: value for key, value in self.meta.items() if key not in own}}
        out = {META: as_yaml(head)}
        for name, frame in self.tables.items():
            if not frame.empty:
                # The byte-order mark makes spreadsheet programs read Chinese correctly.
                out[tables.table(name).file] = "\ufeff" + tables.write(frame, name)
        for name, layer in self.layers.items():
            out[name] = json.dumps(layer, ensure_ascii=False, separators=(",", ":")) + "\n"
        return out

    @cached_property
    def years(self) -> list[int]:
        """Return the school years with school data, oldest first."""
        return sorted(int(year) for year in self.tables["school_years"]["year"].dropna().unique())

    @cached_property
    def hash(self) -> str:
        """Return a short digest of all the county's data: outputs carry it, caches go by it."""
        digest = hashlib.sha256()
        for name, content in sorted(self.files().items()):
            digest.update(name.encode() + b"\0" + content.encode() + b"\0")
        return digest.hexdigest()[:12]

    @cached_property
    def marks(self) -> dict[str, Any]:
        """Return what every page and paper says of the data: that it is made up, and what of it is estimated."""
        made = any(isinstance(record, dict) and record.get("estimated") for record in self.meta.get("imports") or ())
        villages = self.tables["villages"]
        silent = self.tables["attendance"].empty and bool((villages["lon"].notna() & villages["lat"].notna()).any())
        estimated = [*(["villages"] if made and len(villages) else []), *(["attendance"] if silent else [])]
        return {"synthetic": self.synthetic, "estimated": estimated}

    def stamp(self, standard: str | None = None, **more: Any) -> dict[str, Any]:
        """Return what every result says of where it comes from: data, standard, software, and what more there is."""
        software = f"balance_lib {balance_lib.__version__}"
        return {
            "county_hash": self.hash, **self.marks, "standard": standard, "software": software, **more
        }  # fmt: skip

    def name(self, lang: str = "zh") -> str:
        """Return the county's name in a language."""
        return either(self.name_zh, self.name_en, lang)

    def whole(self, lang: str = "zh") -> str:
        """Return the words for the whole of it: 全县, of a city 全市, of a district 全区, of a banner 全旗."""
        key = f"whole.{self.name_zh[-1:]}"
        return text(key if has(key) else "whole.县", lang)

    @cached_property
    def townships_en(self) -> Mapping[str, str]:
        """Return the English names of the townships: those their layer bears as ``name_en``."""
        drawn = (self.layers.get("townships.geojson") or {}).get("features", [])
        facts = [feature.get("properties") or {} for feature in drawn]
        return {str(f["township"]): str(f["name_en"]) for f in facts if f.get("township") and f.get("name_en")}

    def spoken(self, lang: str = "zh") -> County:
        """Return the county whose schools, villages and townships are called by their names in a language.

        The rooms below carry one name a place; an English page or paper shows a county that speaks English. Where there
        is no English name the Chinese one stays.

        Parameters
        ----------
        lang : {"zh", "en"}
        """
        if lang == "zh":
            return self
        frames = {name: self.translated(self.table(name), lang) for name in ("schools", "villages", "townships")}
        for name in ("schools", "villages"):
            frames[name]["name_zh"] = named(frames[name], lang)
        return self.with_tables(**frames)

    @cached_property
    def names_en(self) -> Mapping[str, str]:
        """Return the English names of schools and villages by their ids, of townships by their Chinese names."""
        schools, villages = self.tables["schools"], self.tables["villages"]
        return {**names_by("school_id", schools, "en"), **names_by("village_id", villages, "en"), **self.townships_en}

    def translated(self, frame: pd.DataFrame, lang: str, names: Mapping[str, str] | None = None) -> pd.DataFrame:
        """Return a table with its schools, villages and townships called by their names in a language.

        Parameters
        ----------
        frame : DataFrame
            Ids stand beside the names; where an id is not known the name stays.
        lang : {"zh", "en"}
        names : mapping of str to str, optional
            By id, where there are more than the county's own.
        """
        if lang == "zh":
            return frame
        known = self.names_en if names is None else names
        pairs = [(key, column) for key, column in NAME_OF.items() if {key, column} <= set(frame)]
        out = frame.assign(**{column: frame[key].map(known).fillna(frame[column]) for key, column in pairs})
        for column in {"township", "group"} & set(out):
            out[column] = out[column].replace(self.townships_en)
        return out

    def table(self, name: str, year: int | None = None) -> pd.DataFrame:
        """Return a copy of a table, of one year when asked.

        Parameters
        ----------
        name : str
            What it is called.
        year : int, optional
            School year; the last one without.

        Raises
        ------
        NotFoundError
            If the table is unknown, or has no row of that year while it has other years.
        """
        frame = self.tables[tables.table(name).name] if year is None else self._of_year(name, year)
        return frame.copy(deep=False)  # written to, it becomes a frame of its own

    def _of_year(self, name: str, year: int) -> pd.DataFrame:
        """Return the rows of a table and year; those there are, are kept."""
        if (name, year) in self._rows_of:
            return self._rows_of[name, year]
        frame = self.tables[tables.table(name).name]
        rows = frame[frame["year"] == year].reset_index(drop=True)
        if len(rows):
            self._rows_of[name, year] = rows
        elif len(frame) and name == "school_years":
            raise NotFoundError(f"{self.county_id}.years", year, self.years)
        return rows

    @cached_property
    def kept(self) -> dict[Any, dict[Any, Any]]:
        """Keep what others computed of this county, by whoever computed it; see :mod:`balance_lib.data.kept`."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled or copied: not what was computed of it."""
        return {name: value for name, value in vars(self).items() if name != "kept"}

    @cached_property
    def _rows_of(self) -> dict[tuple[str, int], pd.DataFrame]:
        """Keep the rows of each table and year somebody asked for."""
        return {}

    def with_tables(self, **frames: pd.DataFrame) -> County:
        """Return the same county with some tables replaced."""
        changed = {name: tables.conform(frame, name) for name, frame in frames.items()}
        return replace(self, tables={**self.tables, **changed})

    def named(self, digest: str, **frames: pd.DataFrame) -> County:
        """Return the county with some tables replaced, under a digest that is told instead of taken over the tables.

        For counties made by the hundred from one whose digest is known: taking one anew takes as long as judging.

        Parameters
        ----------
        digest : str
            Names all that the tables follow from; never another county's.
        **frames : DataFrame
            Conforming tables by name.
        """
        made = replace(self, tables={**self.tables, **frames})
        vars(made)["hash"] = digest  # where the cached property keeps it
        return made

    @property
    def plan(self) -> str | None:
        """Return the id of the standard this county's own plan is, if it names one."""
        return self.meta.get("plan")


# How deep the coordinates of a geometry nest, and how many positions a line or ring has at least.
_SHAPES = {
    "Point": (0, 0),
    "MultiPoint": (1, 1),
    "LineString": (1, 2),
    "MultiLineString": (2, 2),
    "Polygon": (2, 4),
    "MultiPolygon": (3, 4),
}


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta = from_yaml((folder / META).read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise DataError([unreadable(META, error)]) from error
    if not isinstance(meta, dict):
        raise DataError([Fault("unreadable", META, found=type(meta).__name__)])
    return meta


def _read_table(file: Path, name: str) -> tuple[pd.DataFrame, list[Fault]]:
    try:
        return tables.read(file, name)
    except UnicodeDecodeError:
        rule = "gbk_table" if _is_gbk(file) else "unreadable"
        return tables.empty(name), [Fault(rule, file.name, found="GBK" if rule == "gbk_table" else None)]
    except (csv.Error, OSError) as error:
        return tables.empty(name), [unreadable(file.name, error)]


def _is_gbk(file: Path) -> bool:
    """Tell whether a spreadsheet program saved the table in the Chinese code page instead of UTF-8."""
    try:
        file.read_bytes().decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def _read_layer(file: Path) -> tuple[Any, list[Fault]]:
    empty = {"type": "FeatureCollection", "features": []}
    try:
        layer = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        return empty, [unreadable(file.name, error)]
    if not isinstance(layer, dict) or "type" not in layer:
        return empty, [Fault("unreadable", file.name, found=type(layer).__name__)]
    if "features" not in layer:
        return layer, []
    if not isinstance(layer["features"], list):
        return empty, [Fault("unreadable", file.name, found="features")]
    sound = [_is_feature(feature) for feature in layer["features"]]
    broken = [Fault("layer_feature", file.name, at, "geometry") for at, good in enumerate(sound, 1) if not good]
    if broken:
        layer["features"] = [feature for feature, good in zip(layer["features"], sound, strict=True) if good]
    return layer, broken


def _is_feature(feature: Any) -> bool:
    """Tell whether a feature is one that any reader of GeoJSON can draw."""
    if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
        return False
    geometry = feature.get("geometry")
    return geometry is None or _is_geometry(geometry)


def _is_geometry(geometry: Any) -> bool:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind == "GeometryCollection":
        parts = geometry.get("geometries")
        return isinstance(parts, list) and all(_is_geometry(part) for part in parts)
    depth, least = _SHAPES.get(str(kind), (-1, 0))
    return depth >= 0 and _are_positions(geometry.get("coordinates"), depth, least)


def _are_positions(node: Any, depth: int, least: int) -> bool:
    """Tell whether coordinates nest as deep as their geometry wants, in finite numbers and rings of enough points."""
    if not isinstance(node, list):
        return False
    if depth == 0:
        return len(node) >= 2 and all(type(v) in (int, float) and abs(v) < 1e9 for v in node[:2])
    if not all(_are_positions(part, depth - 1, least) for part in node):
        return False
    # A line whose positions have heights here and none there is read by nobody.
    return len({len(part) for part in node}) == 1 and len(node) >= least if depth == 1 else bool(node)
