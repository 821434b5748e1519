"""Define the canonical tables (columns, units, ranges) and report every row that breaks them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from balance_lib._errors import DataError, Fault, NotFoundError

YEARS = (1900, 2100)
SUPPRESSED = "*"  # in the place of a figure that is not told, which is not "no data"
_FIGURES = frozenset("0123456789.+-eE")
_NUMERIC = ("number", "count", "flag", "year")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Column:
    """Describe one column of a canonical table."""

    name: str
    type: str
    zh: str
    en: str
    unit: str = ""
    required: bool = False
    low: float | None = None
    high: float | None = None
    choices: Mapping[str, str] | None = None
    stages: Mapping[str, Sequence[str]] | None = None
    central: Sequence[str] | None = None
    refers: str | None = None
    split: bool = False
    sensitive: bool = False

    @property
    def numeric(self) -> bool:
        """Tell whether the column holds numbers (float64, NaN is "no data")."""
        return self.type in _NUMERIC

    def label(self, lang: str = "zh") -> str:
        """Return the column's name for people."""
        return self.zh if lang == "zh" else self.en

    def word(self, code: Any) -> Any:
        """Return a code of the column's choices as it is called in each language; anything else as it is.

        Examples
        --------
        >>> table("schools").columns["kind"].word("primary")
        {'zh': '小学', 'en': 'primary'}
        """
        return {"zh": self.choices[code], "en": code} if self.choices and code in self.choices else code


@dataclass(frozen=True)
class Table:
    """Describe one canonical table: its columns, in order, and its key."""

    name: str
    zh: str
    en: str
    key: Sequence[str]
    columns: Mapping[str, Column]
    optional: bool = False

    def label(self, lang: str = "zh") -> str:
        """Return the table's name for people."""
        return self.zh if lang == "zh" else self.en

    @property
    def file(self) -> str:
        """Return the name of the table's file in a county folder."""
        return f"{self.name}.csv"

    def of(self, **properties: object) -> list[str]:
        """Return the names of the columns with these properties, such as ``split=True``."""
        return [n for n, c in self.columns.items() if all(getattr(c, k) == v for k, v in properties.items())]


@cache
def all_tables() -> Mapping[str, Table]:
    """Return every canonical table by name."""
    raw = yaml.load(resources.files(__package__).joinpath("tables.yaml").read_text("utf-8"), Loader=_LOADER)
    shared = {f"{t}.{c}": spec.get("choices") for t, tab in raw.items() for c, spec in tab["columns"].items()}

    def column(name: str, spec: dict[str, object]) -> Column:
        fields = dict(spec)
        if source := fields.pop("same_choices", None):
            fields["choices"] = shared[str(source)]
        return Column(name=name, **fields)  # type: ignore[arg-type]

    return {
        name: Table(name=name, **{**spec, "columns": {c: column(c, s) for c, s in spec["columns"].items()}})
        for name, spec in raw.items()
    }


def table(name: str) -> Table:
    """Return one canonical table.

    Raises
    ------
    NotFoundError
        If there is no such table.
    """
    if name not in all_tables():
        raise NotFoundError("table", name, all_tables())
    return all_tables()[name]


def empty(name: str) -> pd.DataFrame:
    """Return a table without rows, with its columns and types."""
    return _empty(name).copy()


@cache
def _empty(name: str) -> pd.DataFrame:
    return conform(pd.DataFrame(), name)


def conform(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a frame with exactly the table's columns, in order, typed; absent columns are "no data".

    Numbers become float64 (NaN is "no data"), everything else text with NaN for empty. Values are not judged here:
    a text in a numeric column raises; use :func:`read` to have such cells listed as faults.

    Parameters
    ----------
    frame : DataFrame
    name : str
    """
    spec = table(name)
    given = frame.reset_index(drop=True).reindex(columns=list(spec.columns))
    # Built at once, not column by column: one block of numbers is several times faster to filter than seventy.
    return pd.DataFrame(
        {
            column.name: given[column.name].astype("float64") if column.numeric else _text(given[column.name])
            for column in spec.columns.values()
        }
    )


def _text(values: pd.Series) -> pd.Series:
    """Return values as text, as a CSV gives them back: nothing but spaces is "no data", every line break is LF."""
    text = values if values.dtype == "str" else values.astype("str").where(values.notna())
    cells = text.tolist()  # one pass over plain strings: pandas' own would take one for each question
    if any(cell == cell and (not cell or cell.isspace() or "\r" in cell) for cell in cells):
        return pd.Series([_word(cell) if cell == cell else np.nan for cell in cells], index=text.index, dtype="str")
    return text


def _word(cell: str) -> str | float:
    return np.nan if not cell or cell.isspace() else re.sub(r"\r\n?", "\n", cell) if "\r" in cell else cell


def read(source: Path | io.StringIO, name: str, *, file: str | None = None) -> tuple[pd.DataFrame, list[Fault]]:
    """Read a canonical CSV and name every cell that is not of its column's type.

    Parameters
    ----------
    source : Path or StringIO
        A UTF-8 CSV, with or without byte-order mark.
    name : str
        Which canonical table it is.
    file : str, optional
        What to call the file in faults.

    Returns
    -------
    (DataFrame, list of Fault)
        The conforming table, where a cell of the wrong type is "no data", and the faults.

    Raises
    ------
    UnicodeDecodeError, csv.Error
        If the file is not UTF-8 or not a CSV at all.
    """
    spec, file = table(name), file or table(name).file
    raw, height, faults = _read_cells(source, file, spec)
    faults += [Fault("missing_column", file, 1, key) for key in spec.key if key not in raw]
    faults += [Fault("unknown_column", file, 1, c, severity="warning") for c in raw if c not in spec.columns]
    out: dict[str, Any] = {}  # arrays, not Series: a frame of these need not align seventy indexes
    for column in spec.columns.values():
        cells = raw.get(column.name)
        if not column.numeric:
            words = [_word(cell) for cell in cells] if cells is not None else [np.nan] * height
            out[column.name] = pd.array(words, dtype="str")
        elif cells is None:
            out[column.name] = np.full(height, np.nan)
        else:
            out[column.name], wrong = _numbers(cells)
            faults += [Fault("not_a_number", file, i + 2, column.name, cells[i]) for i in wrong]
    return pd.DataFrame(out, index=range(height)), faults


def _numbers(cells: Sequence[str]) -> tuple[Any, list[int]]:
    """Return cells as numbers, "no data" where they are blank or none, and where those stand that are none."""
    if _FIGURES.issuperset("".join(cells)):
        with suppress(ValueError):
            told = [cell or "nan" for cell in cells] if "" in cells else cells
            plain = np.fromiter(map(float, told), dtype="float64", count=len(cells))
            if not np.isinf(plain).any():
                return plain, []
    values = pd.to_numeric(pd.Series(cells, dtype="str"), errors="coerce").astype("float64")
    values = values.where(np.isfinite(values))
    return values.to_numpy(), [i for i, value in enumerate(values) if np.isnan(value) and cells[i].strip()]


def _read_cells(
    source: Path | io.StringIO, file: str, spec: Table
) -> tuple[dict[str, Sequence[str]], int, list[Fault]]:
    """Read a CSV as columns of text cells, with their length; cell i is of row i + 2 of the spreadsheet.

    Blank rows at the end are left off.


    Not pandas' reader: it takes a first column for an index where rows are longer than the header, renames columns
    that stand there twice, and gives up a whole file for one ragged row.
    """
    text = source.read_bytes().decode("utf-8-sig") if isinstance(source, Path) else source.read().lstrip("\ufeff")
    header, *rows = [*csv.reader(io.StringIO(text, newline=""), strict=True)] or [[]]
    header = [label.strip() for label in header]
    if not set(header) & set(spec.key) and len(header) == 1 and (found := re.search(r"[;\t|]", header[0])):
        return {}, 0, [Fault("delimiter", file, 1, None, found[0])]
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    faults = [Fault("duplicate_column", file, 1, c) for c in dict.fromkeys(header) if c and header.count(c) > 1]
    faults += [
        Fault("ragged_row", file, i, None, len(row), params={"width": len(header)})
        for i, row in enumerate(rows, 2)
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :])
    ]
    width = len(header)
    whole = [row if len(row) == width else (row + [""] * width)[:width] for row in rows]
    columns = list(zip(*whole, strict=True)) if whole else [()] * width
    first = {label: i for i, label in reversed(list(enumerate(header))) if label}
    used = dict(sorted(first.items(), key=lambda item: item[1]))
    return {label: columns[i] for label, i in used.items()}, len(whole), faults


def write(frame: pd.DataFrame, name: str) -> str:
    """Return a table as canonical CSV text: whole numbers without a point, empty for "no data".

    Parameters
    ----------
    frame : DataFrame
        Rows of the table.
    name : str
        What it is called.
    """
    spec = table(name)
    out = conform(frame, name)
    known = dict(out.notna().any())
    used = [c for c in spec.columns.values() if c.required or c.name in spec.key or known[c.name]]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([column.name for column in used])
    lines.writerows(zip(*(_as_text(out[column.name], column) for column in used), strict=True))
    return text.getvalue()


def _as_text(values: pd.Series, column: Column) -> Sequence[str]:
    if not column.numeric:
        return list(values.fillna(""))
    cells = values.tolist()
    return ["" if v != v else str(int(v)) if v.is_integer() else repr(v) for v in cells]


def check(frames: Mapping[str, pd.DataFrame]) -> list[Fault]:
    """Name every row of every table that breaks its definition: keys, ranges, choices, references.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Conforming tables by name.
    """
    faults: list[Fault] = []
    for name, frame in frames.items():
        spec = table(name)
        faults += _check_keys(frame, spec)
        for column in spec.columns.values():
            faults += _check_column(frame[column.name], column, spec)
            if column.refers:
                faults += _check_reference(frame, column, spec, frames)
    return faults


def _check_keys(frame: pd.DataFrame, spec: Table) -> Iterable[Fault]:
    key = list(spec.key)
    whole = frame[frame[key].notna().all(axis=1)]
    if not whole.duplicated(key).any():
        return
    first = pd.Series(whole.index, index=whole.index).groupby([whole[k] for k in key]).transform("first")
    for index in whole.index[first != whole.index]:
        shown = " / ".join(_plain(frame.at[index, k]) for k in key)
        yield Fault(
            "duplicate", spec.file, int(index) + 2, "+".join(key), shown, params={"first": int(first[index]) + 2}
        )


def _check_column(values: pd.Series, column: Column, spec: Table) -> Iterable[Fault]:
    def each(rule: str, mask: pd.Series, **params: object) -> Iterable[Fault]:
        for index in values.index[mask]:
            found = None if pd.isna(values[index]) else _plain(values[index])
            yield Fault(rule, spec.file, int(index) + 2, column.name, found, params=params)

    if column.required and column.name not in spec.key and len(values) > 1 and values.isna().all():
        told = {"n": len(values), "to": f"{spec.name}.{column.name}"}
        yield Fault("required_all", spec.file, None, column.name, None, params=told)
    elif column.required:
        yield from each("required", values.isna())
    if column.choices:
        words = {"zh": "、".join(f"{k}（{v}）" for k, v in column.choices.items()), "en": ", ".join(column.choices)}
        yield from each("choice", values.notna() & ~values.isin(list(column.choices)), choices=words)
    if column.type == "flag":
        yield from each("flag", values.notna() & ~values.isin([0, 1]))
    if column.type in ("count", "year"):
        yield from each("whole", values.notna() & (values % 1 != 0))
    if column.type == "date":
        days = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce", exact=True)
        yield from each("iso_date", values.notna() & (days.isna() | (values.str.len() != len("2024-03-01"))))
    low, high = limits(column)
    if low is not None or high is not None:
        outside = (values < (-np.inf if low is None else low)) | (values > (np.inf if high is None else high))
        yield from each("range", outside, low=_bound(low), high=_bound(high))


def limits(column: Column) -> tuple[float | None, float | None]:
    """Return the lowest and highest value a column may hold; None where it is open."""
    if column.type == "year":
        return (column.low or YEARS[0], column.high or YEARS[1])
    return (0.0 if column.type == "count" and column.low is None else column.low, column.high)


def _check_reference(
    frame: pd.DataFrame, column: Column, spec: Table, frames: Mapping[str, pd.DataFrame]
) -> Iterable[Fault]:
    target, key = str(column.refers).split(".")
    if target not in frames:
        return
    values = frame[column.name]
    for index in values.index[values.notna() & ~values.isin(frames[target][key])]:
        yield Fault("reference", spec.file, int(index) + 2, column.name, values[index], params={"table": target})


def _plain(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _bound(value: float | None) -> str:
    return "…" if value is None else f"{value:.12g}"


def require(faults: Sequence[Fault]) -> None:
    """Raise with all faults at once if any of them is an error.

    Raises
    ------
    DataError
        Carrying every fault, warnings included.
    """
    if any(fault.severity == "error" for fault in faults):
        raise DataError(faults)
