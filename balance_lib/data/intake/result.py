"""Hold what an import brought: canonical tables, every fault, what was dropped; join it to a county."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from balance_lib._errors import Fault, spans
from balance_lib.data import crs, origins, tables
from balance_lib.data.county import CRS_NAMES, META, County
from balance_lib.data.intake.xlsx import SourceFile
from balance_lib.data.origins import Origin

_CARRIED = ("plan", "code")  # what a source may say of the county that stands in its provenance
_HEAD = ("county_id", "name_zh", "name_en", "crs", "synthetic", *_CARRIED)


@dataclass
class Imported:
    """Hold the result of an import; nothing is saved here.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Canonical tables by name; only those the source speaks of.
    faults : list of Fault
        Everything found on the way, errors and warnings.
    meta : dict
        What else the source says: ``sources`` (file names), ``year``, ``county_id``, ``name_zh``, ``name_en``, ``crs``,
        ``synthetic``, ``plan``, ``code``, as far as known.
    dropped : list of str
        Columns or rows left out because they hold personal data, as the user's file names them.
    columns : dict of str to set of str
        Columns of a table that the source asks for at all. Where a table stands here, :func:`merge` keeps what its
        other columns hold already (the official forms do not ask for coordinates) unless the import brings a value.
        A table that does not stand here is spoken of whole: its blanks are blanks.
    layers : dict of str to GeoJSON
        Map layers by file name, such as ``outline.geojson``; they replace the county's layers of that name.
    ground : list of SourceFile
        Road networks, relief and population rasters, for :mod:`balance_lib.data.intake.ground`.
    origins : list of Origin
        Where in the sources the cells of the tables stand.

    Examples
    --------
    >>> Imported().ok
    True
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    columns: dict[str, set[str]] = field(default_factory=dict)
    layers: dict[str, Any] = field(default_factory=dict)
    ground: list[SourceFile] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Tell whether the import may be saved: no fault is an error."""
        return not any(fault.severity == "error" for fault in self.faults)

    @property
    def record(self) -> dict[str, Any]:
        """Return where the data came from, for the county's provenance."""
        return {key: value for key, value in self.meta.items() if key not in _HEAD and value not in (None, "", [])}

    def county(
        self,
        county_id: str | None = None,
        name_zh: str | None = None,
        name_en: str | None = None,
        crs: str | None = None,
    ) -> County:
        """Return a new county of these tables; what is not given is taken from the source.

        Parameters
        ----------
        county_id : str, optional
            Id of the county.
        name_zh : str, optional
            Name in Chinese.
        name_en : str, optional
            Name in English.
        crs : str, optional
            Coordinate system.

        Raises
        ------
        DataError
            If any fault is an error, with all of them; or if coordinates come without a coordinate system, or the
            county without an id or name. Nothing is guessed.
        """
        faults = list(self.faults)
        head: dict[str, str] = {
            "county_id": county_id or self.meta.get("county_id") or "",
            "name_zh": name_zh or self.meta.get("name_zh") or "",
            "name_en": name_en or self.meta.get("name_en") or "",
        }
        faults += [Fault("required", META, None, key) for key in ("county_id", "name_zh") if not head[key]]
        system = crs or self.meta.get("crs")
        if system not in CRS_NAMES and (system or has_coordinates(self.tables)):
            faults.append(Fault("crs", META, None, "crs", system, params={"known": ", ".join(CRS_NAMES)}))
        tables.require(faults)
        meta: dict[str, Any] = {key: self.meta[key] for key in _CARRIED if self.meta.get(key)}
        if self.record:
            meta["imports"] = [self.record]
        frames = {name: tables.conform(frame, name) for name, frame in self.tables.items()}
        return County(
            head["county_id"],
            head["name_zh"],
            head["name_en"],
            tables=frames,
            crs=system or "WGS84",
            synthetic=bool(self.meta.get("synthetic")),
            meta=meta,
            layers=dict(self.layers),
            origins=self.origins,
        )


def has_coordinates(frames: dict[str, pd.DataFrame]) -> bool:
    """Tell whether any table holds a longitude or latitude."""
    return any(
        frame[column].notna().any()
        for frame in frames.values()
        for column in frame
        if str(column).endswith(("lon", "lat"))
    )


def join(parts: Iterable[Imported]) -> Imported:
    """Put tables row under row, with all faults and all that was dropped; ``meta`` is left to the caller."""
    out = Imported()
    frames: dict[str, list[pd.DataFrame]] = {}
    for part in parts:
        out.faults += part.faults
        out.dropped += [label for label in part.dropped if label not in out.dropped]
        out.origins += part.origins
        for name, frame in part.tables.items():
            frames.setdefault(name, []).append(frame)
    out.tables = {name: tables.conform(pd.concat(many, ignore_index=True), name) for name, many in frames.items()}
    return out


def merge(county: County, imported: Imported) -> tuple[County, list[Fault]]:
    """Join an import to a county: new rows are added, rows with the same key replaced, other rows stay.

    A row is replaced as a whole, blanks included, in all columns its source asks for (see ``Imported.columns``). When a
    school's kind changes, rows of other years keep the kind they had; a return older than what the county holds fills
    only blanks of the school itself. Layers the import does not bring stay; the import is added to the provenance.

    Parameters
    ----------
    county : County
    imported : Imported

    Returns
    -------
    (County, list of Fault)
        The joined county and every fault, those of the import first. If any is an error, the county is unchanged.
    """
    faults = list(imported.faults) + _crs_faults(county, imported)
    for name, frame in imported.tables.items():
        for which, label in ((county.tables[name], ""), (frame, "import: ")):
            doubled = [f for f in tables.check({name: which}) if f.rule == "duplicate"]
            faults += [replace(f, file=label + f.file) for f in doubled]
    if any(fault.severity == "error" for fault in faults):
        return county, faults
    frames = dict(county.tables)
    older = _older(county, imported)
    for name, frame in imported.tables.items():
        frames[name] = _join(
            frames[name], frame, name, imported.columns.get(name), older if name == "schools" else set()
        )
    frames["school_years"], told = _keep_kinds(county, imported, frames)
    faults += told + _stale_stages(county, imported) + _replaced_rolls(county, imported)
    meta = {**{key: imported.meta[key] for key in _CARRIED if imported.meta.get(key)}, **county.meta}
    if imported.record:
        meta["imports"] = [*meta.get("imports", []), imported.record]
    system = county.crs if _placed(county) else imported.meta.get("crs") or county.crs
    synthetic = county.synthetic or bool(imported.meta.get("synthetic"))
    layers = {**county.layers, **imported.layers}
    found = origins.joined(county.origins or origins.read(county.path), imported.origins)
    county = replace(county, tables=frames, crs=system, synthetic=synthetic, meta=meta, layers=layers, origins=found)
    return county, faults


def _crs_faults(county: County, imported: Imported) -> list[Fault]:
    """Refuse coordinates of another system, or of none: nothing is converted silently."""
    system, brought = imported.meta.get("crs"), has_coordinates(imported.tables) or bool(imported.layers)
    if brought and system is None:
        return [Fault("crs_assumed", META, None, "crs", severity="warning", params={"known": county.crs})]
    if brought and _placed(county) and not crs.same(str(system), county.crs):
        return [Fault("crs_differs", META, None, "crs", system, params={"known": county.crs})]
    return []


def _placed(county: County) -> bool:
    """Tell whether a county holds coordinates already, in its tables or on its map."""
    return has_coordinates(dict(county.tables)) or bool(county.layers)


def _join(old: pd.DataFrame, new: pd.DataFrame, name: str, asked: set[str] | None, older: set[str]) -> pd.DataFrame:
    key = list(tables.table(name).key)
    left, right = (tables.conform(f, name).set_index(key, drop=False) for f in (old, new))
    out = left.reindex(left.index.append(right.index.difference(left.index, sort=False)))
    before = out.loc[right.index]
    keep = pd.Series(right["school_id"].isin(older).to_numpy(), index=right.index) if older else None
    for column in out.columns:
        value = right[column]
        if asked is not None and column not in asked:
            value = value.where(value.notna(), before[column])
        if keep is not None:
            value = before[column].where(keep & before[column].notna(), value)
        out.loc[right.index, column] = value
    return tables.conform(out.reset_index(drop=True), name)


def _older(county: County, imported: Imported) -> set[str]:
    """Return the schools of which the county holds a later year than the import: the import is history."""
    new, old = imported.tables.get("school_years"), county.tables["school_years"]
    if new is None or new.empty or old.empty:
        return set()
    last = old.groupby("school_id")["year"].max()
    brought = new.groupby("school_id")["year"].max().reindex(last.index)
    return set(last.index[last > brought])


def _keep_kinds(
    county: County, imported: Imported, frames: dict[str, pd.DataFrame]
) -> tuple[pd.DataFrame, list[Fault]]:
    """Write the kind of a school into the years that had another one than the school has now."""
    rows = frames["school_years"].copy()
    if "schools" not in imported.tables or "school_years" not in imported.tables:
        return rows, []
    now, was, said = (
        f.drop_duplicates("school_id").set_index("school_id")["kind"]
        for f in (frames["schools"], county.tables["schools"], imported.tables["schools"])
    )
    brought = pd.MultiIndex.from_frame(imported.tables["school_years"][["school_id", "year"]])
    mine = pd.Series(pd.MultiIndex.from_frame(rows[["school_id", "year"]]).isin(brought), index=rows.index)
    kind = rows["school_id"].map(said).where(mine, rows["school_id"].map(was))
    changed = rows["kind"].isna() & kind.notna() & (kind != rows["school_id"].map(now))
    rows.loc[changed, "kind"] = kind[changed]
    names = tables.table("schools").columns["kind"].choices or {}
    before = rows[changed].drop_duplicates("school_id").set_index("school_id")["kind"]
    faults = [
        Fault("kind_changed", "schools.csv", None, "kind", names.get(now[school]), "warning",
              {"school": school, "before": names.get(kind, kind)})
        for school, kind in before.items()
    ]  # fmt: skip
    return tables.conform(rows, "school_years"), faults


def _replaced_rolls(county: County, imported: Imported) -> list[Fault]:
    """Say how many pupils there were and are where a roll that is there already is brought again and differs."""
    new = imported.tables.get("school_years")
    if new is None or new.empty:
        return []
    key = list(tables.table("school_years").key)
    pairs = county.tables["school_years"].merge(new, on=key, suffixes=("_old", "_new"))
    other = pairs[pairs["pupils_old"].notna() & (pairs["pupils_old"] != pairs["pupils_new"])]
    if other.empty:
        return []
    before, now = (f"{other[c].sum():g}" for c in ("pupils_old", "pupils_new"))
    told = {"n": len(other), "before": before, "now": now, "years": spans(sorted({int(y) for y in other["year"]}))}
    return [Fault("replaced_rolls", "school_years.csv", None, "pupils", None, "warning", told)]


def _stale_stages(county: County, imported: Imported) -> list[Fault]:
    """Name rows of a school and year that the import brought anew without that stage."""
    new, old = imported.tables.get("school_years"), county.tables["school_years"]
    if new is None or new.empty or old.empty:
        return []
    pair, key = ["school_id", "year"], ["school_id", "year", "stage"]
    again = pd.MultiIndex.from_frame(old[pair]).isin(pd.MultiIndex.from_frame(new[pair]))
    stale = (
        again
        & ~pd.MultiIndex.from_frame(old[key]).isin(pd.MultiIndex.from_frame(new[key]))
        & (old["stage"] != "senior")
    )
    return [
        Fault(
            "stale_stage",
            "school_years.csv",
            int(i) + 2,
            "stage",
            old.at[i, "stage"],
            "warning",
            {"school": old.at[i, "school_id"], "year": int(old.at[i, "year"])},
        )
        for i in old.index[stale]
    ]
