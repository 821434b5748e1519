"""Bring any sources into a county folder: tell what each file is, read all, and write only what is sound."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from balance_lib._errors import Fault
from balance_lib.data import origins, tables
from balance_lib.data.check import places as places_check
from balance_lib.data.county import META, OUTLINE, County
from balance_lib.data.intake import demand, folder, ground, places, wide, workbook
from balance_lib.data.intake.mapping import ColumnMapping, parse
from balance_lib.data.intake.result import Imported, join, merge
from balance_lib.data.intake.xlsx import OLD_SUFFIXES, SUFFIXES, SourceFile
from balance_lib.data.tables.kinds import STAGES_OF
from balance_lib.plain import from_yaml

TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
# A file of areas says by its name which they are; any other file of places is a list with a shape for each row.
_ROLE_WORDS = {
    "outline": ("outline", "boundary", "边界", "县界", "轮廓"),
    "townships": ("township", "town", "乡镇", "街道"),
}
PLACED = ("schools", "villages")
_READ = (
    *TABLE_SUFFIXES,
    *SUFFIXES,
    *OLD_SUFFIXES,
    *places.SUFFIXES,
    *ground.EXTRACTS,
    *ground.RASTERS,
    ".yaml",
    ".yml",
)
# The endings of what an import takes, as a page that lets choose files tells the browser (.osm.pbf counts as .pbf).
ACCEPTED = ",".join(dict.fromkeys(Path(suffix).suffix or suffix for suffix in _READ if suffix != ".shp"))
Sources = Sequence[Path | SourceFile] | Mapping[str, bytes]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Brought:
    """Hold what an import did: whether it was written, how many rows of each table, what was left out, every fault."""

    county: County | None
    written: bool
    rows: Mapping[str, int]
    dropped: Sequence[str]
    faults: Sequence[Fault]


def mapping_of(content: bytes) -> dict[str, Any]:
    """Return an uploaded mapping; see :mod:`balance_lib.data.intake.mapping`."""
    found = parse(content)
    return dict(found) if isinstance(found, dict) else {}


def read(
    sources: Sources,
    *,
    mapping: Path | Mapping[str, Any] | None = None,
    supplement: Path | SourceFile | None = None,
    year: int | None = None,
    crs: str | None = None,
    holds: Collection[str] = (),
    progress: Progress | None = None,
) -> Imported:
    """Read return forms, our own workbooks, free tables and places, told apart by what they hold.

    Parameters
    ----------
    sources : sequence of Path or SourceFile, or mapping of file name to bytes
        Files, or folders that are searched through.
    mapping : Path or mapping, optional
        How a free table's columns are meant; all tables are then read by it.
    supplement : Path or SourceFile, optional
        What the official forms do not hold: places, stages.
    year : int, optional
        School year of sources that name none; official school forms name none.
    crs : str, optional
        Coordinate system of the sources.
    holds : collection of str
        Tables there are already: settlements and schools of an OpenStreetMap extract are read for what is lacking.
    progress : callable, optional
        Called with files done, files in all, and a name.
    """
    found, faults = _sorted(sources, mapping is not None)
    parts = [Imported(faults=faults)]
    if found["forms"]:
        if year is None:
            parts.append(Imported(faults=[Fault("year_needed", found["forms"][0].name)]))
        else:
            parts.append(
                folder.import_forms(found["forms"], year=year, supplement=supplement, crs=crs, progress=progress)
            )
    parts += [_with_crs(workbook.read_workbook(source), crs) for source in found["workbooks"]]
    if found["tables"]:
        parts.append(wide.read_wide(found["tables"], mapping, year=year, crs=crs))
    for source in found["places"]:
        parts.append(places.read_places(source, str(_role(source.name)), crs=crs))
    held = {*holds, *(name for part in parts for name, frame in part.tables.items() if len(frame))}
    for source in (one for one in found["ground"] if ground.is_extract(one.name)):
        lists = [one for one in ground.settlements(source) if one.name.split(".")[-2] not in held]
        parts += [wide.read_wide(one, _for(mapping, one), year=year) for one in lists]
        if any(one.name.endswith(".villages.geojson") for one in lists):
            parts[-1].meta["estimated"] = True
    out = _combined(parts)
    out.ground = found["ground"]
    if any(_made_up(source) for sources in found.values() for source in sources):
        out.meta["synthetic"] = True
    return out


def _made_up(source: SourceFile) -> bool:
    """Tell whether a file lies in the folder of a county that is marked as made up: a table itself carries no mark."""
    meta = source.content.parent / META if isinstance(source.content, Path) else None
    return meta is not None and meta.is_file() and bool(_said_in(meta).get("synthetic"))


def _said_in(meta: Path) -> Mapping[str, Any]:
    """Return what stands in a county's ``county.yaml``; nothing if it cannot be read."""
    try:
        found = from_yaml(meta.read_text("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _for(mapping: Path | Mapping[str, Any] | None, source: SourceFile) -> ColumnMapping | None:
    """Return a mapping for a list made of an extract: only what it says of that list by its file name."""
    if mapping is None:
        return None
    given = ColumnMapping.of(mapping)
    own = tuple(spec for spec in given.sources if spec.file != "*" and spec.takes_file(source.name))
    return replace(given, sources=own) if own else None


def bring_in(  # noqa: PLR0913 (what the three doors of the import choose)
    sources: Sources,
    into: Path,
    *,
    mapping: Path | Mapping[str, Any] | None = None,
    supplement: Path | SourceFile | None = None,
    year: int | None = None,
    crs: str | None = None,
    name: str | None = None,
    accept_valid: bool = False,
    dry_run: bool = False,
    save: Callable[[County, Mapping[str, int]], object] | None = None,
    progress: Progress | None = None,
) -> Brought:
    """Read sources and write them into a county folder, new or old; a failed import writes nothing.

    Parameters
    ----------
    sources, mapping, supplement, year, crs, progress
        As for :func:`read`.
    into : Path
        County folder; its name is the id of a new county.
    name : str, optional
        Chinese name of a new county; it goes before the one the sources give.
    accept_valid : bool
        Whether to take what is sound although there are errors: a faulty cell becomes "no data", a row without a
        sound key is left out. The faults are still told, as warnings.
    dry_run : bool
        Whether only to tell what would be done.
    save : Callable[[County, mapping of str to int], object], optional
    """
    holds = [table for table in PLACED if (into / tables.table(table).file).is_file()]
    given = read(sources, mapping=mapping, supplement=supplement, year=year, crs=crs, holds=holds, progress=progress)
    if accept_valid:
        given = _sound(given)
    with tempfile.TemporaryDirectory() as staging:
        county, faults = _joined(given, into, name, year)
        if county is not None and given.ground and not _broken(faults):
            county, told = _grounded(county, given.ground, year, Path(staging))
            faults += told
        keep = save or (lambda county, rows: county.save(into))
        return _written(given, county, faults, into, keep, None if dry_run else Path(staging))


def _broken(faults: Sequence[Fault]) -> bool:
    return any(fault.severity == "error" for fault in faults)


def _grounded(
    county: County, sources: Sequence[SourceFile], year: int | None, staging: Path
) -> tuple[County, list[Fault]]:
    """Lay roads and relief beside a county, and estimate who lives where from population rasters."""
    faults = ground.staged(sources, county, staging)
    people = [one for one in sources if not ground.is_extract(one.name) and not ground.is_relief(one.name)]
    if people and year is None:
        return county, [*faults, Fault("year_needed", people[0].name)]
    if people and year is not None:
        county, told = demand.with_demand(county, people, year)
        faults += told
    return county, faults


def _written(
    given: Imported, county: County | None, faults: list[Fault], into: Path,
    keep: Callable[[County, Mapping[str, int]], object], staging: Path | None,
) -> Brought:  # fmt: skip
    """Write a county with what lies beside it, if nothing is wrong; ``staging`` None writes nothing."""
    faults = list({repr(fault): fault for fault in faults}.values())
    rows = {table: len(frame) for table, frame in given.tables.items() if len(frame)}
    if not rows and not given.layers and not given.ground and not _broken(faults):
        faults.append(Fault("nothing_read", into.name))
    good = county is not None and not _broken(faults)
    if good and county is not None and staging is not None:
        keep(county, rows)
        ground.put(staging, into)
    return Brought(county if good else None, good and staging is not None, rows, given.dropped, faults)


def _joined(given: Imported, into: Path, name: str | None, year: int | None) -> tuple[County | None, list[Fault]]:
    """Join what was read to the county that stands there, or make a new one; and check what it makes."""
    if any(fault.severity == "error" for fault in given.faults):
        return None, list(given.faults)
    if (into / META).is_file():
        old, faults = County.read(into)
        tables.require([fault for fault in faults if not _mended(fault, given)])
        if told := _turned(given, old):
            return None, [*given.faults, *told]
        county, faults = merge(old, _with_stages(given, None, old.tables["school_years"]))
    else:
        given = _with_stages(given, year, None)
        faults = list(given.faults)
        said = given.meta.get("name_zh")
        if name and said and name != said:
            faults.append(Fault("county_name", into.name, None, "name_zh", said, "warning", {"name": name}))
        county = given.county(county_id=given.meta.get("county_id") or into.name, name_zh=name or said or into.name)
        county = replace(county, path=into)
        if taken := _taken(county.county_id, into):
            faults.append(
                Fault("county_id_taken", into.name, None, "county_id", county.county_id, params={"folder": taken})
            )
    told = _turned(Imported(layers=given.layers), county) if given.layers else []
    if told or (told := _turned(given, None)):
        return None, [*faults, *told]
    county, told = _named(county)
    broken = tables.check(county.tables)
    lacking = {(f.file, f.column) for f in broken if f.rule == "required_all"}  # says what column_wanted says, and how
    faults = [f for f in faults if f.rule != "column_wanted" or (f.file, f.column) not in lacking]
    faults += told + _incomplete(county)
    return county, faults + origins.told(broken, county.tables, county.origins or origins.read(county.path))


def _with_stages(given: Imported, year: int | None, old: pd.DataFrame | None) -> Imported:
    """Return an import in which each school has a row for every stage it teaches; one nobody counted knows nothing.

    So are lists of schools without any figure, and through-schools that tell one figure for all stages together. What
    stands in the county already (``old``) is left as it is.
    """
    schools, rows = given.tables.get("schools"), given.tables.get("school_years")
    if schools is None or schools.empty:
        return given
    kinds = dict(zip(schools["school_id"], schools["kind"], strict=True))
    lacking: dict[Any, tuple[str, ...]]
    if rows is None or rows.empty:
        lacking = {} if year is None else {(school, float(year)): ("shared",) for school in kinds}
    else:
        stages = pd.concat([rows, old]).groupby(["school_id", "year"])["stage"].agg(set)
        lacking = {key: () for key, has in stages.items() if has == {"shared"}}
    new = [
        {"school_id": school, "year": at, "stage": stage}
        for (school, at), otherwise in lacking.items()
        for stage in STAGES_OF.get(str(kinds.get(school)), otherwise)
    ]
    if not new:
        return given
    parts = [frame for frame in (rows, tables.conform(pd.DataFrame(new), "school_years")) if frame is not None]
    rule = "no_figures" if rows is None or rows.empty else "stages_together"
    told = Fault(rule, tables.table("schools").file, None, None, len({row["school_id"] for row in new}), "warning")
    frames = {**given.tables, "school_years": pd.concat(parts, ignore_index=True)}
    return replace(given, tables=frames, faults=[*given.faults, told])


def _taken(county_id: str, into: Path) -> str:
    """Return the folder beside this one whose county has the id already: the two would share a ledger; or nothing."""
    for meta in sorted(into.parent.glob(f"*/{META}")):
        standing = _said_in(meta).get("county_id") or meta.parent.name
        if meta.parent != into and str(standing) == county_id:
            return meta.parent.name
    return ""


def _turned(given: Imported, old: County | None) -> list[Fault]:
    """Name places whose longitude and latitude are exchanged: against the outline, the folder's own places, each other.

    A list is stopped as a whole, before anything is joined: later the right places of other years would be accused.
    """
    layers = {**(old.layers if old else {}), **given.layers}
    outline = places_check.area(layers.get(OUTLINE))
    known = pd.concat([old.tables[name][["lon", "lat"]] for name in PLACED]) if old else pd.DataFrame()
    brought = given.tables if given.tables else dict(old.tables) if old else {}
    faults = []
    for name in PLACED:
        rows = brought.get(name)
        if rows is None or not rows["lon"].notna().any():
            continue
        alone = known.empty or not known["lon"].notna().any()
        away = places_check.turned(rows, outline, rows if alone else known)
        of = int(rows["lon"].notna().sum())
        if not away.any() or (alone and outline is None and away.sum() <= places_check.FAR_SHARE * of):
            continue
        first = rows[away].iloc[0]
        rule = "swapped_some" if alone and outline is None else "swapped_file"
        told = {"n": int(away.sum()), "of": of}
        file = ", ".join(given.meta.get("sources", [])[:3]) or tables.table(name).file
        shown = f"{first['lon']:.10g}, {first['lat']:.10g}"
        faults.append(Fault(rule, file, None, "lon/lat", shown, params=told))
    return faults


def _mended(fault: Fault, given: Imported) -> bool:
    """Tell whether a table whose file is missing comes with this import."""
    return fault.rule == "missing_file" and any(
        tables.table(name).file == fault.file and len(frame) for name, frame in given.tables.items()
    )


def _incomplete(county: County) -> list[Fault]:
    """Name a table without which the folder could not be opened again."""
    return [
        Fault("folder_incomplete", tables.table(name).file)
        for name in ("schools", "school_years")
        if county.tables[name].empty and any(len(frame) for frame in county.tables.values())
    ]


def _named(county: County) -> tuple[County, list[Fault]]:
    """Let the English name of a school or village stand for the name it lacks, and say so."""
    named, faults = {}, []
    for name in ("schools", "villages"):
        frame = county.tables[name]
        bare = frame["name_zh"].isna() & frame["name_en"].notna()
        if bare.any():
            named[name] = frame.assign(name_zh=frame["name_zh"].where(~bare, frame["name_en"]))
            told = {"n": int(bare.sum())}
            faults.append(Fault("name_filled", tables.table(name).file, None, "name_zh", None, "warning", told))
    return (county.with_tables(**named) if named else county), faults


def _combined(parts: Sequence[Imported]) -> Imported:
    """Put several imports together: tables row under row, and everything else they say; the first word holds."""
    out = join(parts)
    for part in parts:
        for key, value in part.meta.items():
            if isinstance(value, list):
                out.meta[key] = [*out.meta.get(key, []), *value]
            else:
                out.meta.setdefault(key, value)
        for name, asked in part.columns.items():
            out.columns[name] = out.columns.get(name, set()) | asked
        out.layers |= part.layers
    # A table that one source asks for whole and another in part is known whole only where all its rows are.
    whole = {name for part in parts for name in part.tables if name not in part.columns}
    out.columns = {name: asked for name, asked in out.columns.items() if name not in whole}
    return out


def _sorted(sources: Sources, mapped: bool) -> tuple[dict[str, list[SourceFile]], list[Fault]]:
    """Tell the files apart by their endings and by what workbooks hold."""
    found: dict[str, list[SourceFile]] = {"forms": [], "workbooks": [], "tables": [], "places": [], "ground": []}
    faults: list[Fault] = []
    for source in _files(sources, faults):
        suffix = Path(source.name).suffix.casefold()
        if ground.is_extract(source.name) or source.name.casefold().endswith(ground.RASTERS):
            found["ground"].append(source)
        elif suffix in places.SUFFIXES:
            found["places" if _role(source.name) in ("outline", "townships") else "tables"].append(source)
        elif suffix in TABLE_SUFFIXES or (mapped and suffix in SUFFIXES):
            found["tables"].append(source)
        elif suffix in (*SUFFIXES, *OLD_SUFFIXES):
            kind = folder.recognise(source)
            found["workbooks" if kind == "workbook" else "forms" if kind else "tables"].append(source)
        else:
            faults.append(Fault("not_a_form", source.name, severity="warning"))
    return found, faults


def _files(sources: Sources, faults: list[Fault]) -> Iterable[SourceFile]:
    if isinstance(sources, Mapping):
        yield from (SourceFile(name, content) for name, content in sorted(sources.items()))
        return
    for given in sources:
        if isinstance(given, SourceFile):
            yield given
        elif Path(given).is_dir():
            inside = sorted(p for p in Path(given).rglob("*") if p.is_file())
            yield from (SourceFile.of(p) for p in inside if not p.name.startswith((".", "~$")))
        elif Path(given).is_file():
            yield SourceFile.of(Path(given))
        else:
            faults.append(Fault("missing_source", str(given)))


def _role(name: str) -> str | None:
    stem = Path(name).stem.casefold()
    return next((role for role, words in _ROLE_WORDS.items() if any(word in stem for word in words)), None)


def _with_crs(imported: Imported, crs: str | None) -> Imported:
    if crs and not imported.meta.get("crs"):
        imported.meta["crs"] = crs
    return imported


def _sound(given: Imported) -> Imported:
    """Leave faulty cells blank and rows without a sound key out; the faults stay, as warnings."""
    faults = [replace(fault, severity="warning") for fault in given.faults]
    frames = {name: tables.conform(frame, name) for name, frame in given.tables.items()}
    for fault in tables.check(frames):
        spec = tables.table(Path(fault.file).stem)
        frame = frames[spec.name]
        if fault.row is None or fault.severity != "error" or fault.rule == "reference":
            continue
        at, columns = fault.row - 2, str(fault.column).split("+")
        if at in frame.index and (set(columns) & set(spec.key) or spec.columns[columns[0]].required):
            frames[spec.name] = frame.drop(index=at)
        elif at in frame.index:
            frame.loc[at, columns] = float("nan") if spec.columns[columns[0]].numeric else pd.NA
        faults.append(replace(fault, severity="warning"))
    reset = {name: frame.reset_index(drop=True) for name, frame in frames.items()}
    return replace(given, tables=reset, faults=faults)
