r"""Read a mapping: which sheets, rows and columns of a foreign table become which canonical columns.

A mapping is a YAML file, held against ``mapping.schema.yaml``. Its parts::

    title: Primary schools 2023/24          # for people
    crs: WGS84                              # of every lon/lat, or EPSG:4523; converted to WGS84 and said so
    within: [16, -35, 33, -22]              # the country's west, south, east, north: what lies outside is not its
    county: {county_id: x, name_zh: …}      # when the import founds a new county
    sources:                                # one a sheet (or file) to read
    - name: enrolments                      # needed only where another source joins it
      file: "schools_2017*.csv"             # pattern of the file name; every file when absent
      sheet: Enrolments                     # pattern of the name, or the number from 1; every visible sheet when absent
      header: auto                          # or 4, or [4, 5] for stacked headers (rows as the spreadsheet counts)
      known: true                           # headers not named here are read as they are understood without a mapping
      crs: EPSG:4523                        # of this source alone: metres east and north of a projection
      swap: true                            # longitude and latitude stand in each other's column
      rows: add                             # a school in several rows (shifts, campuses): its figures are added up
                                            # or {apart: Campus}: each campus is a school of its own, code "41001-East"
      encoding: big5                        # only for text that is neither UTF-8, UTF-16 nor GB18030
      year: 2017                            # when no column holds it
      stage: primary                        # of rows whose stage no column says; else by the school's kind
      join: {source: reference, by: De ref} # brings the columns of another source by a shared code
      where: {PPD: [PPD SIBU]}              # only these rows
      missing: [".", "99"]                  # further signs for "no data" in every column
      constants: {schools.kind: primary}
      columns:                              # header -> canonical column; spelling (width, case, spaces) does not matter
        School code: school_id              # a key goes to every table the source fills
        School name: [schools.name_zh, schools.name_en]
        Phase: {to: schools.kind, values: {PRIMARY SCHOOL: primary, "*": null}}   # "*": everything else
        "=C": {to: schools.kind, values: {"*SECONDARY*": junior, NURSERY: skip}}  # a pattern; rows that are left out
        Equipment: {to: school_years.equipment_yuan, scale: 10000}
        初中/人数: {to: school_years.pupils, stage: junior}      # a path under a merged header
        year 1: {to: school_years.pupils, stage: primary, add: true}              # parts of one figure are added up
        Class: skip                           # a column that is not read
        2019: {to: school_years.pupils, year: 2019}             # a year a column
        GDP: {to: county_years.value, item: gdp_yuan}           # an item a column
        Registered: {to: schools.founded_year, date: "%m/%d/%Y"}                  # or several forms in a list
        Educators: {to: school_years.teachers, missing: ["99"]} # 99 means no data only where that is said
        GPS: [schools.lat, schools.lon]     # both in one cell, in this order
        FTE: {to: school_years.teachers, round: true}            # full-time equivalents to whole persons, and said so
        Hostel: {to: schools.boarding, personal: false}          # read although it looks like personal data
        "=F": schools.township              # by letter, where the header says nothing
      sums:                                 # figures that must agree
      - {total: Total enrolment, of: [year 1, year 2]}

Columns that no line names are left out and listed. A join reaches every file of the import. Personal data is dropped;
a column that is named for a number or a code is read whatever its header. Parts added up are "no data" as soon as one
part is. Worked examples stand in ``mappings/``.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from balance_lib._errors import DataError, Fault, unreadable
from balance_lib.data import tables
from balance_lib.data.intake import aliases
from balance_lib.plain import PeoplesLoader, from_yaml

KEY_CONSTANTS = ("stage", "year", "band", "item")
# In the place of a value: rows with this word are left out, and it is said how many pupils they have.
SKIP = "skip"


class _Loader(PeoplesLoader):
    """Read YAML as people mean it: a bare Yes, No, on, 007 or 2024-03-01 is a text, only true and false are truth."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("bool", "timestamp", "int")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9]\d*)$"), list("-0123456789"))


@dataclass(frozen=True)
class Target:
    """Say where the values of one column go, and how they are read.

    ``at`` holds the parts of the row's key the column itself stands for, such as ``(("stage", "primary"),)``;
    ``part`` which of two coordinates in one cell is meant; ``insisted`` that it is no personal data.
    """

    table: str
    column: str
    at: tuple[tuple[str, Any], ...] = ()
    scale: float = 1.0
    values: Mapping[str, Any] | None = None
    missing: frozenset[str] = frozenset()
    add: bool = False
    date: tuple[str, ...] = ()
    part: int | None = None
    insisted: bool = False
    rounded: bool = False

    @property
    def spec(self) -> tables.Column:
        """Return the canonical column."""
        return tables.table(self.table).columns[self.column]


@dataclass(frozen=True)
class _Join:
    """Say which other source's columns are brought in, by which column here and there."""

    source: str
    by: str
    key: str


@dataclass(frozen=True)
class SourceMapping:
    """Say how one sheet is read; see the module's text. ``lent`` are the columns other sources bring from here."""

    columns: Mapping[str, Sequence[Target]]
    name: str = ""
    file: str = "*"
    sheet: str | int | None = None
    header: tuple[int, int] | None = None
    encoding: str | None = None
    known: bool = False
    year: int | None = None
    stage: str | None = None
    crs: str | None = None
    swap: bool = False
    rows: str | None = None
    apart: str | None = None
    missing: frozenset[str] = frozenset()
    join: _Join | None = None
    lent: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constants: Sequence[tuple[str, str, Any]] = ()
    sums: Sequence[tuple[str, tuple[str, ...]]] = ()

    def takes_file(self, name: str) -> bool:
        """Tell whether a file of this name is meant."""
        return fnmatchcase(name.casefold(), self.file.casefold())

    def takes_sheet(self, title: str | None, number: int, hidden: bool) -> bool:
        """Tell whether a sheet is meant; a hidden one only when it is named.

        Parameters
        ----------
        title : str, optional
            Title of the sheet.
        number : int
            Position among the sheets.
        hidden : bool
            Whether the sheet is hidden.
        """
        if self.sheet is None or title is None:
            return not hidden
        return number == self.sheet if isinstance(self.sheet, int) else fnmatchcase(title.strip(), self.sheet.strip())

    def exchanged(self) -> SourceMapping:
        """Return the same with longitude and latitude in each other's place where ``swap`` says so."""
        if not self.swap:
            return self
        other = {"lon": "lat", "lat": "lon"}
        columns = {
            label: tuple(replace(t, column=other.get(t.column, t.column)) for t in targets)
            for label, targets in self.columns.items()
        }
        return replace(self, columns=columns, swap=False)

    @property
    def labels(self) -> list[str]:
        """Return every header the source must have, but for what it only lends."""
        wanted = [*self.columns, *self.where, *([self.join.by] if self.join else [])]
        wanted += [self.apart] if self.apart else []
        wanted += [label for total, of in self.sums for label in (total, *of)]
        return list(dict.fromkeys(wanted))


@dataclass(frozen=True)
class ColumnMapping:
    """Hold a whole mapping: its sources, the coordinate system and the county they make."""

    sources: Sequence[SourceMapping]
    title: str = ""
    crs: str | None = None
    within: tuple[float, float, float, float] | None = None
    county: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, mapping: Any) -> ColumnMapping:
        """Return a mapping from a YAML file, the name of a shipped example, or plain values.

        Raises
        ------
        DataError
            If it breaks the schema or names unknown columns; every fault at once.
        """
        if isinstance(mapping, ColumnMapping):
            return mapping
        if isinstance(mapping, Mapping):
            return _build(mapping, "mapping")
        path = Path(mapping)
        shipped = resources.files(__package__).joinpath("mappings", f"{mapping}.yaml")
        if not path.is_file() and "/" not in str(mapping) and shipped.is_file():
            return _build(yaml.load(shipped.read_text(encoding="utf-8"), Loader=_Loader), f"{mapping}.yaml")
        try:
            raw = from_yaml(path.read_text(encoding="utf-8-sig"), _Loader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError([unreadable(path.name, error)]) from error
        return _build(raw, path.name)


def parse(content: str | bytes) -> Any:
    """Return the plain values of a mapping written in YAML; bare Yes, No, on, 007 and dates stay text.

    Raises
    ------
    DataError
        If it is no YAML.
    """
    try:
        return from_yaml(content.decode("utf-8-sig") if isinstance(content, bytes) else content, _Loader)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError([unreadable("mapping.yaml", error)]) from error


def examples() -> list[str]:
    """Return the names of the shipped example mappings."""
    folder = resources.files(__package__).joinpath("mappings")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


@cache
def _schema() -> Any:
    return yaml.load(resources.files(__package__).joinpath("mapping.schema.yaml").read_text("utf-8"), Loader=_Loader)


def _build(raw: Any, file: str) -> ColumnMapping:
    from jsonschema import Draft202012Validator

    raw = _text_keys(raw)
    errors = sorted(Draft202012Validator(_schema()).iter_errors(raw), key=lambda e: list(map(str, e.absolute_path)))
    if errors:
        raise DataError(
            Fault("mapping", file, None, "/".join(map(str, e.absolute_path)) or None, None, params={"why": e.message})
            for e in errors
        )
    faults: list[Fault] = []
    sources = tuple(_source(spec, file, faults) for spec in raw["sources"])
    names = [source.name for source in sources]
    for source in sources:
        if source.join and source.join.source not in names:
            faults.append(_unknown(file, f"{source.name}/join", source.join.source, names))
    if faults:
        raise DataError(faults)
    sources = tuple(replace(source, lent=_lent(source.name, sources)) for source in sources)
    west, south, east, north = raw.get("within", [0, 0, 0, 0])
    box = (west, south, east, north) if "within" in raw else None
    return ColumnMapping(sources, raw.get("title", ""), raw.get("crs"), box, raw.get("county", {}))


def _lent(name: str, sources: Iterable[SourceMapping]) -> tuple[str, ...]:
    """Return the code by which other sources bring a source's columns, and the columns they may mean."""
    asking = [(source, source.join) for source in sources if name and source.join and source.join.source == name]
    labels = [label for source, join in asking for label in (join.key, *source.labels) if join]
    return tuple(dict.fromkeys(labels))


def _text_keys(node: Any) -> Any:
    """Return YAML with every key as text: a header may be a bare year."""
    if isinstance(node, dict):
        return {str(k): _text_keys(v) for k, v in node.items()}
    return [_text_keys(v) for v in node] if isinstance(node, list) else node


def _source(raw: Mapping[str, Any], file: str, faults: list[Fault]) -> SourceMapping:
    columns, constants = raw.get("columns", {}), raw.get("constants", {})
    in_play = _tables_in_play(columns, constants)
    if raw.get("known"):  # which of them it is, the other headers say
        in_play = list(dict.fromkeys([*in_play, *(name for names in aliases.SUBJECTS.values() for name in names)]))
    header = raw.get("header", "auto")
    join = raw.get("join")
    missing = raw.get("missing", ())
    out = {label: tuple(_targets(label, spec, missing, in_play, file, faults)) for label, spec in columns.items()}
    faults += _twice(out, file)
    return SourceMapping(
        columns=out,
        name=raw.get("name", ""),
        file=raw.get("file", "*"),
        sheet=raw.get("sheet"),
        header=None if header == "auto" else (header, header) if isinstance(header, int) else (header[0], header[1]),
        encoding=raw.get("encoding"),
        known=raw.get("known", False),
        year=raw.get("year"),
        stage=raw.get("stage"),
        crs=raw.get("crs"),
        swap=raw.get("swap", False),
        rows="add" if raw.get("rows") == "add" else None,
        apart=raw["rows"]["apart"] if isinstance(raw.get("rows"), dict) else None,
        missing=frozenset(aliases.fold(word) for word in missing),
        join=_Join(join["source"], join["by"], join.get("key", join["by"])) if join else None,
        where={
            label: tuple(str(value) for value in (given if isinstance(given, list) else [given]))
            for label, given in raw.get("where", {}).items()
        },
        constants=tuple(
            (table, column, _fit(value, table, column, name, file, faults))
            for name, value in constants.items()
            for table, column in _resolve(name, name, in_play, file, faults)
        ),
        sums=tuple((part["total"], tuple(part["of"])) for part in raw.get("sums", ())),
    )


def _twice(columns: Mapping[str, Sequence[Target]], file: str) -> Iterator[Fault]:
    """Name headers that go to one place without being parts of a sum."""
    first: dict[tuple[str, str, Any], str] = {}
    for label, targets in columns.items():
        for target in targets:
            place = (target.table, target.column, target.at)
            other = first.setdefault(place, label)
            if other != label and not target.add:
                told = {"other": other, "target": f"{target.table}.{target.column}"}
                yield Fault("mapping_twice", file, None, label, None, params=told)


def _tables_in_play(columns: Mapping[str, Any], constants: Mapping[str, Any]) -> list[str]:
    """Return the tables a source names in full."""
    named = [name for spec in columns.values() for name in _names(spec)] + list(constants)
    return list(dict.fromkeys(name.split(".")[0] for name in named if "." in name))


def _names(spec: Any) -> list[str]:
    to = spec["to"] if isinstance(spec, Mapping) else spec
    return [to] * (to != SKIP) if isinstance(to, str) else list(to)


def _targets(
    label: str, spec: Any, missing: Iterable[Any], in_play: Sequence[str], file: str, faults: list[Fault]
) -> Iterator[Target]:
    more = spec if isinstance(spec, Mapping) else {}
    words = frozenset(aliases.fold(word) for word in (*missing, *more.get("missing", ())))
    values = (
        {_pattern(k): more["values"][k] for k in sorted(more["values"], key="*".__eq__)} if "values" in more else None
    )
    bare = [name.rpartition(".")[2] for name in _names(spec)]
    places = [name for name in bare if name in ("lon", "lat")]
    for name in _names(spec):
        for table, column in _resolve(name, label, in_play, file, faults):
            key = tables.table(table).key
            at = tuple((k, more[k]) for k in KEY_CONSTANTS if k in more and k in key)
            faults += [
                Fault("mapping_place", file, None, label, k, params={"table": table})
                for k in KEY_CONSTANTS
                if k in more and k not in key
            ]
            date = more.get("date", [])
            forms = (date,) if isinstance(date, str) else tuple(date)
            part = places.index(column) if column in places and len(places) > 1 else None
            fit = values and {k: _fit(v, table, column, label, file, faults) for k, v in values.items()}
            yield Target(
                table, column, at, float(more.get("scale", 1)), fit, words, more.get("add", False), forms, part,
                insisted=more.get("personal") is False, rounded=more.get("round", False),
            )  # fmt: skip


def _pattern(word: str) -> str:
    """Return a word of a list, or a pattern of words, as cells are compared with it."""
    return "*".join(map(aliases.key, word.split("*")))


def _fit(value: Any, table: str, column: str, label: str, file: str, faults: list[Fault]) -> Any:
    """Return what a mapping writes into a column as the column holds it: a number, yes or no, one of its codes."""
    spec = tables.table(table).columns[column]
    if value in (None, SKIP) or not (spec.numeric or spec.choices):
        return value
    known = ", ".join(spec.choices or {})
    if spec.choices:
        return value if value in spec.choices else _unfit(value, label, file, faults, known)
    try:
        fit = aliases.yes_no(str(value)) if spec.type == "flag" else float(value)
    except (TypeError, ValueError):
        fit = None
    rule = "yes, no" if spec.type == "flag" else "0, 1, 2 …"
    return fit if fit is not None and math.isfinite(fit) else _unfit(value, label, file, faults, rule)


def _unfit(value: Any, label: str, file: str, faults: list[Fault], known: str) -> None:
    faults.append(Fault("mapping_value", file, None, label, str(value), params={"known": known}))


def _resolve(name: str, label: str, in_play: Sequence[str], file: str, faults: list[Fault]) -> list[tuple[str, str]]:
    """Return the table columns a name means: one in full, or a bare one in every table the source fills."""
    table, _, column = name.rpartition(".")
    if table:
        if table not in tables.all_tables():
            faults.append(_unknown(file, label, table, tables.all_tables()))
            return []
        if column not in tables.table(table).columns:
            faults.append(_unknown(file, label, name, [f"{table}.{c}" for c in tables.table(table).columns]))
            return []
        return [(table, column)]
    found = [t for t in in_play if column in tables.table(t).key]
    found = found or [t for t in in_play if column in tables.table(t).columns]
    if not found:
        known = {f"{t}.{c}": c for t, spec in tables.all_tables().items() for c in spec.columns}
        faults.append(_unknown(file, label, name, [full for full, bare in known.items() if bare == column] or known))
    return [(t, column) for t in found]


def _unknown(file: str, label: str, name: str, known: Iterable[str]) -> Fault:
    names = list(known)
    near = difflib.get_close_matches(name, names, 3, 0.5) or names[:8]
    return Fault("mapping_name", file, None, label, name, params={"known": ", ".join(near) or "–"})
