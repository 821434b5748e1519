"""Compute each school's figures per stage, with the split of a through-school's shared assets."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache, reduce
from operator import and_, or_

import numpy as np
import pandas as pd

from balance_lib import tables
from balance_lib.county import County
from balance_lib.standards import STAGES, Indicator, Standard, Variant

# Stages a kind of school must report before its shared assets can be divided among them.
_STAGES_OF_KIND = {
    "nine_year": ("primary", "junior"),
    "twelve_year": ("primary", "junior", "senior"),
    "complete_secondary": ("junior", "senior"),
}
THROUGH = tuple(_STAGES_OF_KIND)
_TOWNSHIP_KINDS = ("primary", "junior", "nine_year", "teaching_point")
_KEY = ["school_id", "year"]


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
        self._values: dict[tuple[str, str, tuple[str, ...]], pd.Series] = {}

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return school_years with the school's own columns; the kind is the one of that year.

        Of a row that stands twice the first counts, as ``check`` says: a school must not weigh double. A figure below
        the lowest possible is "no data": a negative count would hide another school's in the sum. A compulsory stage
        that a through-school must report and does not stands with no figures, so that no sum passes it over.
        """
        key = [*_KEY, "stage"]
        rows = self.county.tables["school_years"].dropna(subset=key).drop_duplicates(key)
        numeric = [c for c in tables.table("school_years").columns.values() if c.numeric and c.name not in key]
        lowest = pd.Series({c.name: tables.limits(c)[0] for c in numeric}, dtype=float)
        rows = rows.assign(**rows[lowest.index].mask(rows[lowest.index].lt(lowest)))
        schools = self.county.tables["schools"].rename(columns={"kind": "kind_now"})
        rows = rows.merge(schools.drop_duplicates("school_id"), on="school_id", how="left")
        rows = rows.assign(kind=rows["kind"].fillna(rows["kind_now"])).drop(columns="kind_now")
        return pd.concat([rows, _unreported(rows)], ignore_index=True)

    @cached_property
    def shares(self) -> pd.Series:
        """Return each stage row's share of the school's shared assets; NaN when it cannot be known."""
        taught = self.rows[self.rows["stage"] != "shared"]
        weight = taught["pupils"] * taught["stage"].map(self.split_weights)
        group = weight.groupby([taught["school_id"], taught["year"]])
        total = group.transform("sum").where(
            ~weight.isna().groupby([taught["school_id"], taught["year"]]).transform("any")
        )
        present = (
            taught["stage"].groupby([taught["school_id"], taught["year"]]).transform(lambda s: "+".join(sorted(s)))
        )
        wanted = taught["kind"].map(lambda kind: "+".join(sorted(_STAGES_OF_KIND.get(kind, ()))))
        complete = (wanted == "") | (wanted == present)
        single = group.transform("size") == 1
        share = (weight / total).where(complete & (total > 0))
        return share.where(~(single & complete), 1.0)

    @cached_property
    def stages(self) -> pd.DataFrame:
        """Return one row a school, year and compulsory stage, shared assets divided.

        Shared assets are divided as primary A/(A+1.1B), junior 1.1B/(A+1.1B) and so on. A whole-school figure that
        is not divided (a teacher count given without stage) is "no data" for a stage, except a total of zero, which
        is zero in every stage.
        """
        spec = tables.table("school_years")
        rows = self.rows[self.rows["stage"].isin(STAGES)]
        shared = self.rows[self.rows["stage"] == "shared"].drop_duplicates(_KEY).set_index(_KEY)
        key = pd.MultiIndex.from_frame(rows[_KEY])
        alone = rows.index.map(self.shares).to_numpy() == 1.0
        share = self.shares.reindex(rows.index).to_numpy()
        out = rows.copy()
        for column in (c for c in spec.columns.values() if c.numeric and c.name not in spec.key):
            own = rows[column.name].to_numpy()
            whole = shared[column.name].reindex(key).to_numpy() if len(shared) else np.full(len(rows), np.nan)
            part = share * whole if column.split else np.where(alone | (whole == 0), whole, np.nan)
            both = own + part if column.split else own
            out[column.name] = np.where(np.isnan(own), part, np.where(np.isnan(whole), own, both))
        return out.reset_index(drop=True)

    @cached_property
    def schools(self) -> pd.DataFrame:
        """Return one row a school and year: its compulsory stages and what the stages share, together."""
        spec = tables.table("school_years")
        rows = self.rows[self.rows["stage"].isin(STAGES)]
        shared = self.rows[self.rows["stage"] == "shared"].drop_duplicates(_KEY).set_index(_KEY)
        own = [c for c in rows.columns if c not in spec.columns]
        out = rows.drop_duplicates(_KEY).set_index(_KEY)[["kind", *own]].sort_index()
        numeric = [c for c in spec.columns.values() if c.numeric and c.name not in spec.key]
        split, flags = [c.name for c in numeric if c.split], [c.name for c in numeric if c.type == "flag"]
        other = [c.name for c in numeric if not c.split and c.type != "flag"]
        whole = shared.reindex(out.index)[other]
        given = rows.groupby(_KEY)[other].sum(min_count=1)
        together = (whole + given.fillna(0.0)).fillna(_strict_sums(rows, _KEY, other))
        highest = rows.groupby(_KEY)[flags].max().fillna(shared.reindex(out.index)[flags])
        return pd.concat([out, _strict_sums(self.stages, _KEY, split), together, highest], axis=1).reset_index()

    @cached_property
    def county_years(self) -> pd.DataFrame:
        """Return one row a year: county figures, sums over schools (``primary_x``, ``all_x``) and counts of schools.

        A sum is "no data" as soon as one school lacks the figure.
        """
        long = self.county.tables["county_years"].dropna(subset=["year", "item"]).drop_duplicates(["year", "item"])
        wide = long.set_index(["year", "item"])["value"].unstack()
        wide.columns = [str(name) for name in wide.columns]
        numbers = [c.name for c in tables.table("school_years").columns.values() if c.type in ("count", "number")]
        parts = [wide]
        for stage in STAGES:
            rows = self.stages[self.stages["stage"] == stage]
            parts.append(_strict_sums(rows, "year", numbers).add_prefix(f"{stage}_"))
        parts.append(_strict_sums(self.schools, "year", numbers).add_prefix("all_"))
        parts.append(self._counts)
        out = pd.concat(parts, axis=1).sort_index().copy()
        return out.rename_axis("year").reset_index()

    @cached_property
    def _counts(self) -> pd.DataFrame:
        """Count schools by kind, rank and place; "no data" as soon as one school that may be among them lacks it."""
        schools = self.schools
        kind = schools["kind"]
        kinds = tables.table("schools").columns["kind"].choices or {}
        flags = {
            "n_schools": pd.Series(1.0, index=schools.index),
            **{f"n_{name}": _flag(kind == name, kind) for name in kinds},
            "n_village_primary": _flag(
                (kind == "primary") & (schools["rank"] == "village"), kind.where(kind != "primary", schools["rank"])
            ),
            "n_rural_schools": _flag(
                (schools["location"] == "rural") & (kind != "teaching_point"),
                kind.where(kind == "teaching_point", schools["location"]),
            ),
        }
        return _strict_sums(pd.DataFrame(flags).assign(year=schools["year"]), "year", list(flags))

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
        out = every.merge(_strict_sums(rows, key, [*counts, "pupils"]).reset_index(), on=key, how="left")
        has = pd.MultiIndex.from_frame(out[key]).isin(pd.MultiIndex.from_frame(rows[key]))
        out.loc[~has, counts] = 0.0
        lost = (flags != 0)[~schools["township"].isin(names["township"])]
        lost = lost.groupby(schools["year"]).any().reindex(out["year"], fill_value=False).reset_index(drop=True)
        out[counts] = out[counts].mask(lost)
        return out

    @property
    def _township_flags(self) -> pd.DataFrame:
        """Tell of each school whether it is one of the schools counted by township."""
        kind, rank = self.schools["kind"], self.schools["rank"]
        central = kind.isin(["primary", "nine_year"])
        return pd.DataFrame(
            {
                **{f"n_{name}": _flag(kind == name, kind) for name in _TOWNSHIP_KINDS},
                "n_central_primary": _flag(central & (rank != "village"), kind.where(~central, rank)),
                "n_junior_serving": _flag(kind.isin(["junior", *THROUGH]), kind),
            }
        )

    def frame(self, source: str) -> pd.DataFrame:
        """Return the rows a measure's source runs over."""
        frames = {
            "county": "county_years",
            "schools": "schools",
            "stages": "stages",
            "townships": "townships",
        }
        return getattr(self, frames[source])

    def value(self, source: str, formula: str, blank_is_zero: Sequence[str] = ()) -> pd.Series:
        """Evaluate a formula over all rows of a source.

        Parameters
        ----------
        source : {"county", "schools", "stages", "townships"}
        formula : str
            An expression over the columns of that frame.
        blank_is_zero : sequence of str
            Columns whose blank means none, because the official form leaves them optional.

        Returns
        -------
        Series
            Aligned with the frame; NaN wherever any figure the formula names is missing or a denominator is zero.
        """
        key = (source, formula, tuple(blank_is_zero))
        if key not in self._values:
            self._values[key] = evaluate(self.frame(source), formula, blank_is_zero)
        return self._values[key]

    def where(self, source: str, condition: str | None) -> tuple[pd.Series, pd.Series]:
        """Tell which rows satisfy a condition, and for which rows it cannot be known.

        Returns
        -------
        (Series of bool, Series of bool)
            Rows that satisfy it, and rows for which a missing figure leaves it open.
        """
        frame = self.frame(source)
        if not condition:
            return pd.Series(True, index=frame.index), pd.Series(False, index=frame.index)
        yes, no = self._truth(source, ast.parse(condition.strip(), mode="eval").body)
        return yes, ~yes & ~no

    def _truth(self, source: str, node: ast.expr) -> tuple[pd.Series, pd.Series]:
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
        value = self.value(source, ast.unparse(node))
        return value == 1.0, value == 0.0


@lru_cache(maxsize=32)
def _frames(county: County, weights: tuple[tuple[str, float], ...]) -> Frames:
    return Frames(county, dict(weights))


def frames(county: County, standard: Standard) -> Frames:
    """Return a county's figures prepared for a standard; prepared once for the same county and division."""
    return _frames(county, tuple(sorted(standard.split_weights.items())))


def names_in(formula: str) -> list[str]:
    """Return the names a formula refers to, in order of appearance.

    Examples
    --------
    >>> names_in("100 * (a + b) / pupils")
    ['a', 'b', 'pupils']
    """
    nodes = sorted(
        (n for n in ast.walk(ast.parse(formula.strip(), mode="eval")) if isinstance(n, ast.Name)),
        key=lambda n: (n.lineno, n.col_offset),
    )
    return list(dict.fromkeys(node.id for node in nodes))


def evaluate(frame: pd.DataFrame, formula: str, blank_is_zero: Sequence[str] = ()) -> pd.Series:
    """Evaluate a formula over rows; NaN wherever a figure it names is missing or a denominator is zero."""
    names = names_in(formula)
    data = frame.reindex(columns=names)
    fill = [name for name in blank_is_zero if name in names]
    data[fill] = data[fill].fillna(0.0)
    if data.empty:
        return pd.Series(np.nan, index=frame.index, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = data.eval(formula, engine="python")
    values = pd.Series(result, index=frame.index).astype(float)
    return values.where(np.isfinite(values) & data.notna().all(axis=1))


def _unreported(rows: pd.DataFrame) -> pd.DataFrame:
    """Return an empty row for every compulsory stage a through-school of that year does not report."""
    own = [c for c in rows.columns if c not in tables.table("school_years").columns or c in (*_KEY, "kind")]
    wanted = [(kind, stage) for kind, stages in _STAGES_OF_KIND.items() for stage in stages if stage in STAGES]
    through = rows.drop_duplicates(_KEY)[own].merge(pd.DataFrame(wanted, columns=["kind", "stage"]), on="kind")
    there = pd.MultiIndex.from_frame(rows[[*_KEY, "stage"]])
    return through[~pd.MultiIndex.from_frame(through[[*_KEY, "stage"]]).isin(there)].reindex(columns=rows.columns)


def _strict_sums(rows: pd.DataFrame, key: str | list[str], columns: Sequence[str]) -> pd.DataFrame:
    """Sum columns by group; a group in which one row lacks the figure has no sum."""
    by = [rows[name] for name in ([key] if isinstance(key, str) else key)]
    return rows.groupby(key)[list(columns)].sum().where(rows[list(columns)].notna().groupby(by).all())


def _flag(yes: pd.Series, known: pd.Series) -> pd.Series:
    """Return 1 or 0 for each school, NaN where what it is told by is missing."""
    return yes.astype(float).where(known.notna())


def formula_of(spec: Indicator | Variant, stage: str) -> str | None:
    """Return the formula for a stage."""
    return spec.formula if isinstance(spec.formula, str) or spec.formula is None else spec.formula.get(stage)


def included(county: County, standard: Standard) -> pd.Series:
    """Tell which rows of ``frames(...).stages`` count for indicators and coefficients under a standard.

    A row whose membership cannot be known (no founder given) counts as included; ``check`` asks for the column.
    """
    yes, unknown = frames(county, standard).where("stages", standard.included or None)
    return yes | unknown


def values(
    county: County, standard: Standard, indicator: str, definitions: Mapping[str, bool] | None = None
) -> pd.Series:
    """Compute an indicator for every row of ``frames(county, standard).stages``.

    Parameters
    ----------
    county : County
    standard : Standard
        Brings the formula, its variants and the division of shared assets.
    indicator : str
        Id of one of the standard's indicators.
    definitions : mapping of str to bool, optional
        Definition switches that differ from the standard's own.

    Returns
    -------
    Series
        Value of each school, stage and year; NaN is "no data".
    """
    data, spec = frames(county, standard), standard.indicators[indicator]
    switches = standard.switches(definitions)
    stage_of = data.stages["stage"]
    out = pd.Series(np.nan, index=data.stages.index)
    for stage in STAGES:
        formula = formula_of(spec, stage)
        if formula:
            out = out.where(stage_of != stage, data.value("stages", formula, spec.blank_is_zero))
        for variant in (v for v in spec.variants if switches.get(v.when)):
            changed = formula_of(variant, stage)
            applies = data.where("stages", variant.where)[0] & (stage_of == stage)
            if changed:
                out = out.where(~applies, data.value("stages", changed, variant.blank_is_zero))
    return out
