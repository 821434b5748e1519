"""Make canonical rows of the cut sheets, and join the pieces of several sheets, files and years to one table each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from balance_lib._errors import Fault, spans
from balance_lib.data import tables
from balance_lib.data.earth import straight_m
from balance_lib.data.intake.block import CutSheet
from balance_lib.data.intake.mapping import Target
from balance_lib.data.intake.values import Reader
from balance_lib.data.origins import Origin, column_key, row_keys
from balance_lib.data.tables.kinds import STAGES_OF

# Tables whose row is a thing, not a figure of a year: the same one may come in many rows and files.
THINGS = ("schools", "villages", "townships")
# A place that moved farther than this between two lists is told by name.
MOVED_KM = 1.0
EXAMPLES = 3
# Where the figures of a kind of school stand when no stage is named.
ROW_STAGE = {kind: stages[0] if len(stages) == 1 else "shared" for kind, stages in STAGES_OF.items()} | {
    kind: "shared" for kind in tables.table("schools").columns["kind"].choices or {} if kind not in STAGES_OF
}
_ORIGIN = ["_file", "_row", "_year", "_piece", "_add", "_counted"]


@dataclass(frozen=True)
class Piece:
    """Hold the rows one sheet gives for one table, each with the file and row it came from.

    ``labels`` are the headings there by :func:`balance_lib.data.origins.column_key`.
    """

    table: str
    frame: pd.DataFrame
    labels: Mapping[str, str]
    file: str
    system: str | None = None


def read(blocks: Iterable[CutSheet], *, year: int | None) -> tuple[list[Piece], list[Fault]]:
    """Read every cell of the sheets and make canonical rows of them.

    Parameters
    ----------
    blocks : iterable of CutSheet
    year : int or None
        School year where neither a column nor the mapping says it.
    """
    out: list[Piece] = []
    faults: list[Fault] = []
    for one in blocks:
        values, told = _values(one)
        faults += told + _sums(one)
        for name in dict.fromkeys([t.table for t, _ in values] + [table for table, _, _ in one.mapping.constants]):
            piece = _piece(one, name, values, one.mapping.year or year)
            faults += _undated(piece, one)
            out.append(piece)
    return out, faults


def pupils(one: CutSheet) -> float | None:
    """Return how many pupils the rows of a cut sheet have, as far as they say; None if none of them does."""
    rolls = [series for target, series in _values(one)[0] if target.column == "pupils" and series.notna().any()]
    return float(sum(series.sum() for series in rolls)) if rolls else None


def _values(one: CutSheet) -> tuple[list[tuple[Target, pd.Series]], list[Fault]]:
    """Read the columns; parts that are added up come as one."""
    whole: list[tuple[Target, pd.Series]] = []
    parts: dict[Target, pd.Series] = {}
    faults: list[Fault] = []
    for label, targets in one.mapping.columns.items():
        for target in targets:
            series, told = _column(one, label, target)
            faults += [fault for fault in told if fault not in faults]  # one header may go to two tables
            if target.add:
                same = Target(target.table, target.column, target.at)
                parts[same] = parts[same] + series if same in parts else series
            else:
                whole.append((target, series))
    return whole + list(parts.items()), faults


def _column(one: CutSheet, label: str, target: Target) -> tuple[pd.Series, list[Fault]]:
    reader = Reader(target, one.grid.label, _shown(one, label))
    at = one.at[label]
    key = target.column in tables.table(target.table).key
    out = []
    for row in one.rows:
        if (row, at) in one.grid.dead:
            reader.faults.append(
                Fault("formula_without_value", reader.file, row + 1, reader.label, one.grid.dead[row, at])
            )
        if (row, at) in one.grid.filled and target.spec.type in ("count", "number") and not key:
            # One figure merged over several rows: repeating it would count it twice.
            reader.faults.append(Fault("merged_number", reader.file, row + 1, reader.label, one.grid.rows[row][at]))
            out.append(math.nan)
            continue
        out.append(reader.read(one.grid.rows[row][at], row + 1))
    kind = "float64" if target.spec.numeric else "object"
    return pd.Series(out, index=list(one.rows), dtype=kind), reader.tell()


def _shown(one: CutSheet, label: str) -> str:
    """Return the header as it stands in the file for a label that is only a letter."""
    return str(one.header.name(one.at[label])) if label.startswith("=") else label


def _sums(one: CutSheet) -> list[Fault]:
    """Name rows whose parts do not add up to their total, where all of them are numbers."""
    faults = []
    for total, parts in one.mapping.sums:
        if not all(label in one.at for label in (total, *parts)):
            continue
        target = Target("school_years", "pupils")
        whole = _column(one, total, target)[0]
        added = sum((_column(one, part, target)[0] for part in parts), start=whole * 0)
        for row in whole.index[(whole - added).abs() > 1e-9]:
            told = {"sum": f"{added[row]:g}", "n": len(parts)}
            found = f"{whole[row]:g}"
            faults.append(
                Fault("sum_differs", one.grid.label, int(row) + 1, _shown(one, total), found, "warning", told)
            )
    return faults


def _piece(one: CutSheet, name: str, values: Sequence[tuple[Target, pd.Series]], year: int | None) -> Piece:
    """Make the rows of one table: one a source row, or one a stage (year, item) where columns stand for such."""
    spec = tables.table(name)
    mine = [(target, series) for target, series in values if target.table == name]
    common = [(t, s) for t, s in mine if t.column in spec.key and not t.at]
    groups = list(dict.fromkeys(t.at for t, _ in mine if t.column not in spec.key or t.at)) or [()]
    index = list(one.rows)
    frames = []
    for at in groups:
        here = [(t, s) for t, s in mine if t.at == at and (t.column not in spec.key or t.at)]
        frame = pd.DataFrame({t.column: s for t, s in common + here}, index=index)
        for table, column, value in one.mapping.constants:
            if table == name:
                frame[column] = value
        for column, value in at:
            frame[column] = float(value) if spec.columns[column].numeric else value
        frame["_stated"] = bool(at)
        frames.append(frame)
    frame = pd.concat(frames).sort_index(kind="stable") if frames else pd.DataFrame(index=index)
    if "year" in spec.key and "year" not in frame and year is not None:
        frame["year"] = float(year)
    if "stage" in spec.key:
        given = frame["stage"] if "stage" in frame else pd.Series(np.nan, index=frame.index, dtype="object")
        frame["stage"] = given.where(given.notna(), one.mapping.stage)
    frame = _without_empty(frame, name)
    frame["_file"], frame["_row"] = one.grid.label, frame.index + 1
    frame["_year"] = year
    dated = next((s for t, s in values if t.column == "year" and not t.at), None)
    if "year" in frame:
        frame["_year"] = frame["year"]
    elif dated is not None:
        frame["_year"] = dated.reindex(frame.index)
    labels: dict[str, str] = {}
    for label, targets in one.mapping.columns.items():
        for key in (column_key(t.column, t.at) for t in targets if t.table == name):
            labels[key] = f"{labels[key]} + {_shown(one, label)}" if key in labels else _shown(one, label)
    frame["_add"] = one.mapping.rows == "add"
    system = one.mapping.crs or one.grid.crs
    return Piece(name, frame.drop(columns="_stated").reset_index(drop=True), labels, one.grid.label, system)


def _without_empty(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Drop the rows of stages (years, items) a source row says nothing of.

    A wide table has cells for both stages of every school. All blank, or all 0 beside another stage with figures, means
    the school has no such stage. A source row that is blank throughout keeps one row, so that it can be named.
    """
    spec = tables.table(name)
    figures = [c for c in frame if c not in spec.key and c in spec.columns]
    if not figures or not frame["_stated"].any():
        return frame
    says = frame[figures].notna().any(axis=1)
    numbers = frame[[c for c in figures if spec.columns[c].numeric]]
    more = frame[figures].notna().any(axis=1) if numbers.empty else (numbers.fillna(0) != 0).any(axis=1)
    beside = (more & frame["_stated"]).groupby(level=0).transform("any")
    keep = ~frame["_stated"] | (says & (more | ~beside))
    spoken = keep.groupby(level=0).transform("any")
    blank = ~spoken & ~frame.index.duplicated()
    out = frame[keep | blank].copy()
    if "stage" in out:
        out.loc[blank[keep | blank], "stage"] = None
    return out


def _undated(piece: Piece, one: CutSheet) -> list[Fault]:
    """Name a table that needs a year and has none."""
    if "year" not in tables.table(piece.table).key or piece.frame.empty:
        return []
    if "year" not in piece.frame:
        return [Fault("year_unknown", one.grid.label, None, "year")]
    return []


# Joining -----------------------------------------------------------------------------------------------------------


def columns(read_pieces: Iterable[Piece]) -> dict[str, set[str]]:
    """Return, by table, the columns the sources speak of; others of a county stay as they are."""
    out: dict[str, set[str]] = {}
    for piece in read_pieces:
        spec = tables.table(piece.table)
        out.setdefault(piece.table, set()).update(c for c in piece.frame if c in spec.columns)
    return out


def join(read_pieces: Sequence[Piece]) -> tuple[dict[str, pd.DataFrame], list[Fault], list[Origin]]:
    """Join the pieces of each table by its key, and name every row that contradicts another or breaks its table.

    Things (schools, villages, townships) take the newest value that is there; figures of the same school, year and
    stage from different sheets are put together, and must not contradict each other.

    Returns
    -------
    (dict of str to DataFrame, list of Fault, list of Origin)
        Canonical tables, faults by file, row and column of the user's own files, and where the cells stand there.
    """
    faults: list[Fault] = []
    origins: list[Origin] = []
    joined: dict[str, pd.DataFrame] = {}
    for name in tables.all_tables():
        pieces = [p for p in read_pieces if p.table == name and not p.frame.empty]
        if not pieces:
            continue
        frame = pd.concat([p.frame.assign(_piece=i) for i, p in enumerate(pieces)], ignore_index=True)
        for column in tables.table(name).key:
            if column not in frame:
                frame[column] = None
        if name == "school_years":
            frame, told = _staged(frame, read_pieces)
            faults += told
        origins += _origins(frame, pieces)
        frame["_counted"] = name == "schools" and any(p.table == "school_years" for p in read_pieces)
        joined[name], told = _things(frame, name) if name in THINGS else _figures(frame, name)
        faults += told
    if "school_years" in joined and "schools" in joined:
        joined["school_years"] = _kinds_of_years(joined["school_years"], joined["schools"], read_pieces)
    frames = {name: tables.conform(frame.drop(columns=_ORIGIN), name) for name, frame in joined.items()}
    return frames, faults + _broken_rows(frames, joined, read_pieces, origins), origins


def _origins(frame: pd.DataFrame, pieces: Sequence[Piece]) -> list[Origin]:
    """Return where the rows of a table stand in the sheets, the last file first."""
    out = []
    for i, piece in reversed(list(enumerate(pieces))):
        rows = frame[frame["_piece"] == i].iloc[::-1]  # of rows that are added up the first is named
        headings = {key: (label, None) for key, label in piece.labels.items()}
        lines = dict(zip(row_keys(rows, piece.table), rows["_row"].tolist(), strict=True))
        out.append(Origin(piece.file, piece.table, headings, lines))
    return out


def _staged(frame: pd.DataFrame, read_pieces: Sequence[Piece]) -> tuple[pd.DataFrame, list[Fault]]:
    """Give a stage to rows that have none: the school's kind says it; through-schools' figures are of the whole."""
    bare = frame["stage"].isna()
    if not bare.any():
        return frame, []
    kinds = _kinds(read_pieces)
    by_year = {(s, y): k for s, y, k in kinds.itertuples(index=False)}
    latest = {s: k for s, _, k in kinds.itertuples(index=False)}
    own = frame["kind"] if "kind" in frame else pd.Series(None, index=frame.index, dtype="object")
    kind = pd.Series(
        [
            k if isinstance(k, str) else by_year.get((s, y), latest.get(s))
            for s, y, k in zip(frame["school_id"], frame["_year"], own, strict=True)
        ],
        index=frame.index,
        dtype="object",
    )
    stage = kind.map(ROW_STAGE)
    frame["stage"] = frame["stage"].where(~bare, stage)
    lost = frame["stage"].isna() & frame["school_id"].notna()  # whose row it is comes first
    return frame, [
        Fault("stage_unknown", file, int(rows.iloc[0]), "stage", None, params={"n": len(rows)})
        for file, rows in frame.loc[lost].groupby("_file")["_row"]
    ]


def _kinds(read_pieces: Sequence[Piece]) -> pd.DataFrame:
    """Return school, year and kind of every source row that says it, older years first."""
    said = [
        p.frame[["school_id", "_year", "kind"]]
        for p in read_pieces
        if p.table == "schools" and {"school_id", "kind"} <= set(p.frame)
    ]
    if not said:
        return pd.DataFrame(columns=["school_id", "_year", "kind"])
    return pd.concat(said).dropna(subset=["school_id", "kind"]).sort_values("_year", na_position="first", kind="stable")


def _things(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[Fault]]:
    key = tables.table(name).key[0]
    frame = frame.sort_values("_year", na_position="first", kind="stable")
    keyless = frame[frame[key].isna()]
    frame = frame[frame[key].notna()]
    newest = frame.groupby(key, sort=False).last()
    order = frame.drop_duplicates(key, keep="last").set_index(key)
    for origin in _ORIGIN:
        newest[origin] = order[origin]
    columns = [c for c in frame if c in tables.table(name).columns]
    faults = _shared(frame, key) or _moved(frame, key) + _differing(frame, key, columns)
    out = pd.concat([newest.reset_index(), keyless], ignore_index=True)
    return out.sort_values(["_piece", "_row"], kind="stable").reset_index(drop=True), faults


def _shared(frame: pd.DataFrame, key: str) -> list[Fault]:
    """Ask for the code where half of what was taken for codes stands for things of several names in one sheet.

    Several rows of one school may be its campuses: if they hold figures, :func:`_again` asks what they are.
    """
    name = next((c for c in ("name_zh", "name_en") if c in frame), None)
    if name is None or frame["_counted"].any():
        return []
    rows = frame[~frame["_add"]].dropna(subset=[key, name])
    names = rows.groupby([key, "_piece", "_year"], dropna=False, sort=False)[name].nunique().groupby(level=0).max()
    several = names.index[names > 1]
    if 2 * len(several) < len(names) or not len(several):
        return []
    at = rows[rows[key] == several[0]].drop_duplicates(name).iloc[1]
    shown = f"{several[0]}: {' / '.join(map(str, rows.loc[rows[key] == several[0], name].unique()[:EXAMPLES]))}"
    return [Fault("key_shared", at["_file"], int(at["_row"]), key, shown, params={"n": len(several)})]


def _differing(frame: pd.DataFrame, key: str, names: Sequence[str]) -> list[Fault]:
    """Tell, a column, how many things are described differently by different rows; which was taken is the newest."""
    faults = []
    for column in names:
        if column in (key, "lon", "lat"):
            continue
        said = frame[[key, column, "_file", "_row"]].dropna(subset=[column])
        many = said.groupby(key)[column].nunique()
        ids = many.index[many > 1]
        if ids.empty:
            continue
        some = {i: said.loc[said[key] == i, column].unique() for i in ids[:EXAMPLES]}
        shown = "; ".join(f"{i}: {' / '.join(map(str, values))}" for i, values in some.items())
        at = said[said[key] == ids[0]].iloc[-1]
        faults.append(Fault("differs", at["_file"], int(at["_row"]), column, shown, "warning", {"n": len(ids)}))
    return faults


def _moved(frame: pd.DataFrame, key: str) -> list[Fault]:
    """Name each thing whose place is more than a kilometre away from where an older list has it."""
    if not {"lon", "lat"} <= set(frame):
        return []
    faults = []
    for thing, rows in frame.dropna(subset=["lon", "lat"]).groupby(key, sort=False):
        first, last = rows.iloc[0], rows.iloc[-1]
        km = float(straight_m(first["lon"], first["lat"], last["lon"], last["lat"])) / 1000
        if km > MOVED_KM:
            found = f"{last['lon']:g}, {last['lat']:g}"
            told = {"thing": thing, "km": f"{km:.1f}", "before": f"{first['lon']:g}, {first['lat']:g}"}
            faults.append(Fault("moved", last["_file"], int(last["_row"]), "lon/lat", found, "warning", told))
    return faults


def _figures(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[Fault]]:
    """Put figures of the same key together; the same key twice in one sheet, or two values for one cell, is a fault."""
    spec = tables.table(name)
    key = list(spec.key)
    faults = []
    if frame["_add"].any():
        frame = _added(frame, spec)
    first_rows = frame.groupby([*key, "_piece"], dropna=False, sort=False)["_row"].transform("first")
    # One source row may give the same key twice: pupils told by stage, teachers of the school whose only stage it is.
    twice = (frame["_row"] != first_rows) & frame[key].notna().all(axis=1)
    faults += _again(frame, twice, spec)
    same = twice & ~_differs(frame, spec)
    for i in frame.index[same]:
        shown = " / ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in frame.loc[i, key])
        row, first = int(frame.at[i, "_row"]), int(first_rows[i])
        faults.append(Fault("duplicate", frame.at[i, "_file"], row, "+".join(key), shown, params={"first": first}))
    frame = frame[~twice]
    for column in (c for c in frame if c in spec.columns and c not in key):
        said = frame.dropna(subset=[column, *key])
        many = said.groupby(key)[column].transform("nunique") > 1
        for _, rows in said[many].groupby(key):
            a, b = rows.iloc[0], rows.iloc[-1]
            told = {"other": str(a[column]), "where": f"{a['_file']} {int(a['_row'])}"}
            faults.append(Fault("contradicts", b["_file"], int(b["_row"]), column, str(b[column]), params=told))
    whole = frame[key].notna().all(axis=1)
    put = frame[whole].groupby(key, sort=False).first().reset_index()
    return pd.concat([put, frame[~whole]], ignore_index=True), faults


def _added(frame: pd.DataFrame, spec: tables.Table) -> pd.DataFrame:
    """Add up the rows of one key where their source says so; a sum lacking a part is "no data"."""
    key = list(spec.key)
    parts = frame["_add"] & frame[key].notna().all(axis=1)
    summed = [c for c in frame if c in spec.columns and spec.columns[c].type in ("count", "number") and c not in key]
    groups = frame[parts].groupby(key, sort=False)
    whole = groups.first().reset_index()
    for column in summed:
        known = groups[column].agg(lambda values: values.sum(skipna=False))
        whole[column] = known.to_numpy()
    return pd.concat([frame[~parts], whole], ignore_index=True)


def _differs(frame: pd.DataFrame, spec: tables.Table) -> pd.Series:
    """Tell which rows belong to a key of one sheet whose rows differ in any figure: parts, not a slip."""
    figures = [c for c in frame if c in spec.columns and c not in spec.key]
    groups = frame.groupby([*spec.key, "_piece"], dropna=False, sort=False)
    if not figures:
        return pd.Series(False, index=frame.index)
    return pd.DataFrame({c: groups[c].transform("nunique") > 1 for c in figures}).any(axis=1)


def _again(frame: pd.DataFrame, twice: pd.Series, spec: tables.Table) -> list[Fault]:
    """Ask, once a sheet, what several differing rows of one school are, and say what is lost if one of them counts."""
    key, counted = spec.key[0], "pupils" if "pupils" in frame else None
    faults = []
    parts = twice & _differs(frame, spec)
    for file, rows in frame[parts].groupby("_file", sort=False):
        keys = frame[list(spec.key)].apply(tuple, axis=1)
        every = frame[keys.isin(set(keys[rows.index])) & (frame["_file"] == file)]
        first = every[~parts.reindex(every.index)]
        told = {"n": rows[key].nunique(), "rows": spans(sorted(int(r) for r in set(every["_row"]))), "lost": "–",
                "all": "–", "first": "–"}  # fmt: skip
        if counted:
            whole, kept = float(every[counted].sum()), float(first[counted].sum())
            told |= {"all": f"{whole:g}", "first": f"{kept:g}", "lost": f"{whole - kept:g}"}
        at = int(rows["_row"].iloc[0])
        shown = ", ".join(map(str, rows[key].unique()[:EXAMPLES]))
        faults.append(Fault("rows_again", str(file), at, key, shown, params=told))
    return faults


def _kinds_of_years(rows: pd.DataFrame, schools: pd.DataFrame, read_pieces: Sequence[Piece]) -> pd.DataFrame:
    """Write the kind of a school into the years that had another one than it has now."""
    if "kind" not in schools:
        return rows
    now = schools.dropna(subset=["school_id"]).set_index("school_id")["kind"]
    then = {(s, y): k for s, y, k in _kinds(read_pieces).itertuples(index=False)}
    other = [
        then[s, y] if (s, y) in then and then[s, y] != now.get(s) else None
        for s, y in zip(rows["school_id"], rows["year"], strict=True)
    ]
    said = rows["kind"] if "kind" in rows else pd.Series(None, index=rows.index, dtype="object")
    return rows.assign(kind=said.where(said.notna(), pd.Series(other, index=rows.index, dtype="object")))


def _broken_rows(
    frames: Mapping[str, pd.DataFrame],
    joined: Mapping[str, pd.DataFrame],
    read_pieces: Sequence[Piece],
    origins: Sequence[Origin],
) -> list[Fault]:
    """Hold the tables against their definitions, and name breaches by the user's own file, row and column."""
    sheets = {(one.place, one.table): one for one in origins}
    named = {tables.table(name).file: name for name in frames}
    spoken = columns(read_pieces)
    faults = []
    for fault in tables.check(frames):
        name = named[fault.file]
        column = str(fault.column)
        if fault.rule in ("duplicate", "reference") or (fault.rule == "required" and column in ("year", "stage")):
            continue  # told already, or told when the county is checked
        if fault.rule in ("required", "required_all") and column not in spoken[name]:
            continue
        row = joined[name].iloc[int(fault.row or 2) - 2]
        if fault.rule in ("required", "required_all") and column == "name_zh" and isinstance(row.get("name_en"), str):
            continue  # the English name will stand for it
        file = str(row["_file"])
        line = None if fault.row is None else int(row["_row"])
        heading = sheets[file, name].heading(column, row.to_dict())
        faults.append(replace(fault, file=file, row=line, column=heading[0] if heading else column))
    faults += [
        Fault("key_wanted", tables.table(name).file, None, column, params={"to": f"{name}.{column}"})
        for name in frames
        for column in tables.table(name).key
        if column not in spoken[name] and column not in ("year", "stage")
    ]
    return faults + [
        Fault("column_wanted", tables.table(name).file, None, column, severity="warning")
        for name in frames
        for column, spec in tables.table(name).columns.items()
        if spec.required and column not in spoken[name] and column not in tables.table(name).key
        if column != "name_zh" or "name_en" not in spoken[name]  # the English name stands for it
    ]
