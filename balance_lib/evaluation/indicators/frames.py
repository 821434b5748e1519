"""Lay a county's figures out as the rows that formulas run over, with the split of a through-school's shared assets."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cached_property, reduce
from operator import and_, or_
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.data.tables.kinds import CENTRAL, STAGES_OF, THROUGH, with_stage
from balance_lib.evaluation.indicators.formula import formula, names_in
from balance_lib.evaluation.indicators.sums import _all_missing, _by_part_and_year, _strict, numbered, sums
from balance_lib.evaluation.indicators.unreported import _unreported
from balance_lib.standards import STAGES

PLACES = {"rural": ("rural",), "town": ("urban", "town")}
_TOWNSHIP_KINDS = ("primary", "junior", "nine_year", "teaching_point")
_KEY = ["school_id", "year"]
_FRAMES = {"county": "county_years", "schools": "schools", "stages": "stages", "townships": "townships"}
Columns = dict[str, Any]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Frames:
    """Hold one county's figures as the rows that formulas run over, for all years at once.

    Parameters
    ----------
    county : County
    split_weights : mapping
        Weight of one pupil of each stage in the division of shared assets, from the standard.
    """

    def __init__(self, county: County, split_weights: Mapping[str, float]) -> None:
        self.county = county
        self.split_weights = dict(split_weights)
        self._values: dict[tuple[str, str, tuple[str, ...]], Floats] = {}
        self._columns: dict[tuple[str, str], Any] = {}
        self._truths: dict[tuple[str, str], tuple[Bools, Bools]] = {}
        self._at: dict[tuple[str, int], Ints] = {}
        self.series: dict[Any, Any] = {}  # county figures by year, as whoever judges them lays them out

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return school_years with the school's own columns; the kind is the one of that year.

        Of a row that stands twice the first counts, as ``check`` says: a school must not weigh double. A figure below
        the lowest possible is "no data": a negative count would hide another school's in the sum. An open school
        without its row, or without one of a stage it teaches, stands with no figures, so that nothing passes it over.
        """
        key = [*_KEY, "stage"]
        rows = self.county.tables["school_years"]
        told = rows[key].notna().all(axis=1) & ~rows.duplicated(key)
        rows = rows if told.all() else rows[told]
        names, lowest = _lowest()
        figures = rows[names].to_numpy(dtype=float)
        figures = np.where(figures < lowest, np.nan, figures)
        schools = self.county.tables["schools"].drop_duplicates("school_id")
        at = pd.Index(schools["school_id"]).get_indexer(rows["school_id"])
        mine: dict[str, Any] = {name: rows[name].array for name in rows}
        mine |= {name: figures[:, i] for i, name in enumerate(names)}
        own = {name: schools[name].array.take(at, allow_fill=True) for name in schools if name != "school_id"}
        kind = pd.Series(mine["kind"])
        mine["kind"] = kind.fillna(pd.Series(own.pop("kind"))).array
        out = pd.DataFrame({**mine, **own})
        missing = _unreported(out, schools)
        self._absent = missing[_KEY]
        self._gone = pd.MultiIndex.from_frame(missing[_KEY]).difference(pd.MultiIndex.from_frame(out[_KEY]))
        return out if missing.empty else pd.concat([out, missing], ignore_index=True)

    def absent(self, year: int) -> list[str]:
        """Return the open schools that lack their row of a year, or of a stage they teach."""
        rows = self.rows  # noqa: F841, what is absent is found while the rows are laid out
        return [str(school) for school in self._absent.loc[self._absent["year"] == year, "school_id"].unique()]

    @cached_property
    def _school(self) -> tuple[Ints, Ints, Ints]:
        """Number the schools and years of the rows: code of each row, first row of each code, its whole-school row."""
        rows = self.rows
        school, year = pd.factorize(rows["school_id"])[0], pd.factorize(rows["year"])[0]
        code, first = numbered(school * (year.max(initial=0) + 1) + year)
        whole = np.full(len(first), -1)
        shared = np.flatnonzero((rows["stage"] == "shared").to_numpy())
        whole[code[shared[::-1]]] = shared[::-1]
        return code, first, whole

    @cached_property
    def _figures(self) -> tuple[list[str], Floats]:
        names = _lowest()[0]
        return names, self.rows[names].to_numpy(dtype=float)

    @cached_property
    def shares(self) -> pd.Series:
        """Return each stage row's share of the school's shared assets; NaN when it cannot be known."""
        taught = np.flatnonzero((self.rows["stage"] != "shared").to_numpy())
        stage = self.rows["stage"].to_numpy(dtype=object)[taught]
        names, figures = self._figures
        weight = figures[taught, names.index("pupils")] * np.array([self.split_weights.get(s, np.nan) for s in stage])
        code, first, _ = self._school
        at, n = code[taught], len(first)
        total = np.where(np.bincount(at, np.isnan(weight), n) > 0, np.nan, sums(weight[:, None], at, n)[:, 0])[at]
        bit = {name: 1 << i for i, name in enumerate((*STAGES, "senior"))}
        present = np.bincount(at, [bit.get(s, 8) for s in stage], n)[at]
        need = {kind: sum(bit[s] for s in stages) for kind, stages in STAGES_OF.items() if kind in THROUGH}
        wanted = np.array([need.get(kind, 0) for kind in self.rows["kind"].to_numpy(dtype=object)[taught]])
        complete = (wanted == 0) | (wanted == present)
        single = np.bincount(at, minlength=n)[at] == 1
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(complete & (total > 0), weight / total, np.nan)
        return pd.Series(np.where(single & complete, 1.0, share), index=self.rows.index[taught])

    @cached_property
    def _compulsory(self) -> Ints:
        """Return the rows of compulsory stages."""
        return np.flatnonzero(self.rows["stage"].isin(STAGES).to_numpy())

    @cached_property
    def stages(self) -> pd.DataFrame:
        """Return one row a school, year and compulsory stage, shared assets divided: see :meth:`_stages`."""
        return pd.DataFrame(self._stages)

    @cached_property
    def _stages(self) -> Columns:
        """Return the columns of one row a school, year and compulsory stage, shared assets divided.

        Shared assets are divided as primary A/(A+1.1B), junior 1.1B/(A+1.1B) and so on. A whole-school figure that
        is not divided (a teacher count given without stage) is "no data" for a stage, except a total of zero, which
        is zero in every stage.
        """
        at, (names, figures), (code, _, whole_of) = self._compulsory, self._figures, self._school
        share = np.full(len(self.rows), np.nan)
        share[self.shares.index] = self.shares.to_numpy()
        share, own = share[at, None], figures[at]
        whole_at = whole_of[code[at], None]
        whole = np.where(whole_at >= 0, figures[whole_at[:, 0]], np.nan)
        split = np.array([tables.table("school_years").columns[name].split for name in names])
        part = np.where(split, share * whole, np.where((share == 1.0) | (whole == 0), whole, np.nan))
        both = np.where(split, own + part, own)
        divided = np.where(np.isnan(own), part, np.where(np.isnan(whole), own, both))
        column = {name: i for i, name in enumerate(names)}
        return {n: divided[:, column[n]] if n in column else self.rows[n].array[at] for n in self.rows.columns}

    @cached_property
    def schools(self) -> pd.DataFrame:
        """Return one row a school and year: its compulsory stages and what the stages share, together."""
        return pd.DataFrame(self._schools)

    @cached_property
    def _schools(self) -> Columns:
        """Return the columns of :attr:`schools`."""
        spec = tables.table("school_years").columns
        at, (names, figures), (code, _, whole_of) = self._compulsory, self._figures, self._school
        group, first = numbered(code[at])
        n = len(first)
        whole_at = whole_of[code[at[first]]]
        whole = np.where((whole_at >= 0)[:, None], figures[whole_at], np.nan)
        groups = {
            "split": [i for i, name in enumerate(names) if spec[name].split],
            "other": [i for i, name in enumerate(names) if not spec[name].split and spec[name].type != "flag"],
            "flags": [i for i, name in enumerate(names) if not spec[name].split and spec[name].type == "flag"],
        }
        mine = figures[at]
        other, flags = groups["other"], groups["flags"]
        given, none = sums(mine[:, other], group, n), _all_missing(mine[:, other], group, n)
        together = whole[:, other] + np.where(none, 0.0, given)
        together = np.where(np.isnan(together), _strict(mine[:, other], group, n), together)
        highest = np.full((n, len(flags)), -np.inf)
        np.fmax.at(highest, group, np.where(np.isnan(mine[:, flags]), -np.inf, mine[:, flags]))
        highest = np.where(np.isneginf(highest), whole[:, flags], highest)
        divided = _strict(np.column_stack([self._stages[names[i]] for i in groups["split"]]), group, n)
        rows = self.rows
        picked = at[first]
        school, year = rows["school_id"].to_numpy(dtype=object)[picked], rows["year"].to_numpy()[picked]
        order = np.lexsort((year, school.astype(str)))
        picked = picked[order]
        own = ["kind", *(c for c in rows.columns if c not in spec)]
        out: dict[str, Any] = {name: rows[name].array[picked] for name in (*_KEY, *own)}
        for block, columns in ((divided, "split"), (together, "other"), (highest, "flags")):
            out |= {names[i]: block[order, j] for j, i in enumerate(groups[columns])}
        return out

    @cached_property
    def county_years(self) -> pd.DataFrame:
        """Return one row a year: county figures, sums over schools (``primary_x``, ``all_x``) and counts of schools.

        ``rural_x``, ``town_x`` and ``rural_junior_x`` are sums by place, special schools left out.

        A sum is "no data" as soon as one school lacks the figure.
        """
        return pd.DataFrame(self._county)

    @cached_property
    def _county(self) -> Columns:
        """Return the columns of :attr:`county_years`."""
        long = self.county.tables["county_years"].dropna(subset=["year", "item"]).drop_duplicates(["year", "item"])
        items, item = np.unique(long["item"].to_numpy(dtype=object).astype(str), return_inverse=True)
        year = {source: self.column(source, "year") for source in ("stages", "schools")}
        every = np.unique(np.concatenate([long["year"].to_numpy(dtype=float), *year.values()]))
        wide = np.full((len(every), len(items)), np.nan)
        wide[np.searchsorted(every, long["year"].to_numpy(dtype=float)), item] = long["value"].to_numpy(dtype=float)
        numbers = [c.name for c in tables.table("school_years").columns.values() if c.type in ("count", "number")]
        out: dict[str, Any] = {"year": every, **{name: wide[:, i] for i, name in enumerate(items)}}
        figures = {of: np.column_stack([self.column(of, name) for name in numbers]) for of in year}
        stage = self.column("stages", "stage")

        def part(source: str, rows: Bools, figures: Floats) -> tuple[Floats, Floats]:
            return figures[rows], year[source][rows]

        every_school = np.ones(len(year["schools"]), dtype=bool)
        parts = {f"{name}_": part("stages", stage == name, figures["stages"]) for name in STAGES}
        parts["all_"] = part("schools", every_school, figures["schools"])
        for place, locations in PLACES.items():
            parts[f"{place}_"] = part("schools", *self._of_place("schools", locations, figures["schools"]))
            own, blanked = self._of_place("stages", locations, figures["stages"])
            parts[f"{place}_junior_"] = part("stages", own & (stage == "junior"), blanked)
        for prefix, added in zip(parts, _by_part_and_year([*parts.values()], every), strict=True):
            out |= {f"{prefix}{name}": added[:, i] for i, name in enumerate(numbers)}
        flags = self._kind_flags
        added = _by_part_and_year([part("schools", every_school, np.column_stack(list(flags.values())))], every)[0]
        townships = float(self.county.tables["townships"]["township"].nunique()) or np.nan
        townships_of = np.full(len(every), townships)
        return {**out, **{n: added[:, i] for i, n in enumerate(flags)}, "n_townships": townships_of}

    @cached_property
    def _is_gone(self) -> Bools:
        """Tell which schools have no row at all in a year."""
        keys = [self.column("schools", name) for name in _KEY]
        gone = pd.MultiIndex.from_arrays(keys).isin(self._gone) if len(self._gone) else np.zeros(len(keys[0]), bool)
        return np.asarray(gone)

    def _of_place(self, source: str, locations: Sequence[str], figures: Floats) -> tuple[Bools, Floats]:
        """Return the ordinary schools of a place and the figures; one whose place is not known may be among them."""
        kind, location = self.column(source, "kind"), self.column(source, "location")
        unplaced = pd.isna(location)
        own = (kind != "special") & (np.isin(location.astype(str), locations) | unplaced)
        return own, np.where(unplaced[:, None], np.nan, figures)

    @property
    def _kind_flags(self) -> dict[str, Floats]:
        """Tell of each school which counts by kind, rank and place it is in; NaN where what tells it is missing."""
        kind, rank, location = (self.column("schools", name) for name in ("kind", "rank", "location"))
        # What a school without any row of the year was then is not known: no count holds without it.
        gone = self._is_gone
        kind = _blanked(kind, gone)
        kinds = tables.table("schools").columns["kind"].choices or {}
        return {
            "n_schools": np.where(gone, np.nan, 1.0),
            **{f"n_{name}": _flag(kind == name, kind) for name in kinds},
            "n_village_primary": _flag(
                (kind == "primary") & (rank == "village"), np.where(kind != "primary", kind, rank)
            ),
            "n_rural_schools": _flag(
                (location == "rural") & (kind != "teaching_point"), np.where(kind == "teaching_point", kind, location)
            ),
        }

    @cached_property
    def townships(self) -> pd.DataFrame:
        """Return one row a township and year: how many schools of each kind it has, and its pupils.

        A count is "no data" in a year when a school that may be among them has no rank, or stands in none of the
        county's townships: any of them may be its own.
        """
        schools, flags = self.schools, self._township_flags
        names = self.county.tables["townships"][["township", "pilot"]].drop_duplicates("township")
        every = names.merge(pd.DataFrame({"year": sorted(schools["year"].unique())}), how="cross")
        key, counts = ["township", "year"], list(flags)
        rows = pd.concat([schools[[*key, "pupils"]], flags], axis=1)
        out = every.merge(_strictsums(rows, key, [*counts, "pupils"]).reset_index(), on=key, how="left")
        has = pd.MultiIndex.from_frame(out[key]).isin(pd.MultiIndex.from_frame(rows[key]))
        out.loc[~has, counts] = 0.0
        lost = (flags != 0)[~schools["township"].isin(names["township"])]
        lost = lost.groupby(schools["year"]).any().reindex(out["year"], fill_value=False).reset_index(drop=True)
        out[counts] = out[counts].mask(lost)
        return out

    @property
    def _township_flags(self) -> pd.DataFrame:
        """Tell of each school whether it is one of the schools counted by township."""
        kind, rank = self.column("schools", "kind"), self.column("schools", "rank")
        kind = _blanked(kind, self._is_gone)
        central = np.isin(kind.astype(str), CENTRAL)
        return pd.DataFrame(
            {
                **{f"n_{name}": _flag(kind == name, kind) for name in _TOWNSHIP_KINDS},
                "n_central_primary": _flag(central & (rank != "village"), np.where(central, rank, kind)),
                "n_junior_serving": _flag(np.isin(kind.astype(str), with_stage("junior")), kind),
            }
        )

    def frame(self, source: str) -> pd.DataFrame:
        """Return the rows a measure's source runs over."""
        return getattr(self, _FRAMES[source])

    def at(self, source: str, year: int) -> Ints:
        """Return the positions of a year's rows in the frame of a source.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        year : int
            School year, by its first calendar year.
        """
        if (source, year) not in self._at:
            self._at[source, year] = np.flatnonzero(self.column(source, "year") == year)
        return self._at[source, year]

    def column(self, source: str, name: str) -> Any:
        """Return a column as an array: figures as floats, words as objects; NaN all over where there is none.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        name : str
            What it is called.
        """
        key = (source, name)
        if key not in self._columns:
            values = self._laid_out(source).get(name)
            if values is None:
                self._columns[key] = np.full(self._size(source), np.nan)
            else:
                numeric = pd.api.types.is_numeric_dtype(values.dtype)
                self._columns[key] = np.asarray(values, dtype=float if numeric else object)
        return self._columns[key]

    def _laid_out(self, source: str) -> Any:
        """Return the columns of a source: a frame of five hundred is built only for who wants one."""
        if source == "townships":
            return self.townships
        return getattr(self, f"_{source}")

    def has(self, source: str, name: str) -> bool:
        """Tell whether a source has a column at all.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        name : str
            What it is called.
        """
        return name in self._laid_out(source)

    def _size(self, source: str) -> int:
        return len(self._laid_out(source)["year"])

    def values(self, source: str, source_formula: str, blank_is_zero: Sequence[str] = ()) -> Floats:
        """Compute a formula over all rows of a source.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        source_formula : str
            Formula over the columns.
        blank_is_zero : sequence of str
            Figures of which a blank means none.

        Returns
        -------
        array of float
            NaN wherever any figure the formula names is missing or a denominator is zero.
        """
        key = (source, source_formula, tuple(blank_is_zero))
        if key not in self._values:
            self._values[key] = _computed(
                {name: self.column(source, name) for name in names_in(source_formula)},
                self._size(source), source_formula, blank_is_zero,
            )  # fmt: skip
        return self._values[key]

    def where(self, source: str, condition: str | None) -> tuple[pd.Series, pd.Series]:
        """Tell which rows satisfy a condition, and for which rows it cannot be known.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        condition : str, optional
            Condition over columns; None is satisfied by every row.

        Returns
        -------
        (Series of bool, Series of bool)
            Rows that satisfy it, and rows for which a missing figure leaves it open.
        """
        index = self.frame(source).index
        yes, unknown = self.satisfying(source, condition)
        return pd.Series(yes, index=index), pd.Series(unknown, index=index)

    def satisfying(self, source: str, condition: str | None) -> tuple[Bools, Bools]:
        """Tell which rows satisfy a condition and for which it is open; as :meth:`where`, as arrays.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        condition : str, optional
            Condition over columns; None is satisfied by every row.

        Returns
        -------
        (array of bool, array of bool)
        """
        key = (source, condition or "")
        if key not in self._truths:
            if condition:
                yes, no = self._truth(source, ast.parse(condition.strip(), mode="eval").body)
            else:
                yes = np.ones(self._size(source), dtype=bool)
                no = ~yes
            self._truths[key] = yes, ~yes & ~no
        return self._truths[key]

    def _truth(self, source: str, node: ast.expr) -> tuple[Bools, Bools]:
        """Tell for which rows a condition surely holds and surely does not.

        A part that is false decides an "and" whatever the others lack: a special school is left out also where its
        founder is not known.
        """
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yes, no = self._truth(source, node.operand)
            return no, yes
        if isinstance(node, ast.BoolOp):
            yes_all, no_all = zip(*(self._truth(source, part) for part in node.values), strict=True)
            if isinstance(node.op, ast.Or):
                return reduce(or_, yes_all), reduce(and_, no_all)
            return reduce(and_, yes_all), reduce(or_, no_all)
        value = self.values(source, ast.unparse(node))
        return value == 1.0, value == 0.0


def evaluate(frame: pd.DataFrame, formula: str, blank_is_zero: Sequence[str] = ()) -> pd.Series:
    """Evaluate a formula over rows; NaN wherever a figure it names is missing or a denominator is zero.

    Parameters
    ----------
    frame : DataFrame
        Rows of the table.
    formula : str
        Formula over the columns.
    blank_is_zero : sequence of str
        Figures of which a blank means none.
    """
    data: dict[str, Any] = {}
    for name in names_in(formula):
        if name not in frame:
            data[name] = np.full(len(frame), np.nan)
            continue
        column = frame[name]
        data[name] = column.to_numpy(dtype=float if pd.api.types.is_numeric_dtype(column.dtype) else object)
    return pd.Series(_computed(data, len(frame), formula, blank_is_zero), index=frame.index)


def _computed(data: Mapping[str, Any], n: int, source: str, blank_is_zero: Sequence[str]) -> Floats:
    if not data or not n:
        return np.full(n, np.nan)
    return formula(source, tuple(blank_is_zero))(data)


def _lowest() -> tuple[list[str], Floats]:
    """Return the numeric columns of a school year and the lowest figure each may hold."""
    spec = tables.table("school_years")
    numeric = [c for c in spec.columns.values() if c.numeric and c.name not in (*_KEY, "stage")]
    return [c.name for c in numeric], np.array([tables.limits(c)[0] for c in numeric], dtype=float)


def _strictsums(rows: pd.DataFrame, key: list[str], columns: Sequence[str]) -> pd.DataFrame:
    """Sum columns by words; a group in which one row lacks the figure has no sum."""
    by = [rows[name] for name in key]
    return rows.groupby(key)[list(columns)].sum().where(rows[list(columns)].notna().groupby(by).all())


def _blanked(words: Any, where: Bools) -> Any:
    out = words.copy()
    out[where] = None
    return out


def _flag(yes: Any, known: Any) -> Floats:
    """Return 1 or 0 for each school, NaN where what it is told by is missing."""
    return np.where(pd.isna(known), np.nan, yes.astype(float))
