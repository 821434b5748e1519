"""Lay indicators out as series over the years, by school, township or county, with the pupils to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.evaluation import schools
from balance_lib.forecast.enrolment import project
from balance_lib.standards import Standard

KEY = ["id", "stage", "indicator"]
ENDS = ("pupils", "low", "high")


@dataclass(frozen=True, eq=False)
class IndicatorSeries:
    """Hold the series of a standard's indicators: what there is a pupil at a place, and for how many pupils.

    Parameters
    ----------
    index : MultiIndex of (id, stage, indicator)
    years : array (years,)
        Counted years, running, the last the base year.
    values, pupils : array (series, years)
        NaN where not counted.
    lines : array (series,)
        The line as last counted.
    """

    index: pd.MultiIndex
    years: Any
    values: Any
    pupils: Any
    lines: Any

    @property
    def amounts(self) -> Any:
        """Return what there is at each place: the value times the pupils."""
        return self.values * self.pupils

    @property
    def alive(self) -> Any:
        """Tell which series have pupils in the last counted year: the others are closed."""
        return np.isfinite(self.pupils[:, -1])

    def named(self, name: str) -> Any:
        """Return the id, stage or indicator of every series."""
        return self.index.get_level_values(name).to_numpy(dtype=object)

    def only(self, stage: str | None, indicator: str | None) -> IndicatorSeries:
        """Return the series of one stage and one indicator.

        Parameters
        ----------
        stage : str, optional
            Stage; every one without.
        indicator : str, optional
            Indicator; every one without.
        """
        keep = np.ones(len(self.index), dtype=bool)
        for name, wanted in (("stage", stage), ("indicator", indicator)):
            keep &= wanted is None or self.named(name) == wanted
        return IndicatorSeries(self.index[keep], self.years, self.values[keep], self.pupils[keep], self.lines[keep])


@once_per_county
def _read_series(county: County, standard: Standard, of: str, base: int) -> IndicatorSeries:
    """Return every series up to a base year; a place or indicator nobody counted has none."""
    table = _table(county, standard, of, base)
    years = np.arange(int(table["year"].min()) if len(table) else base, base + 1)
    value, pupils, line = (
        table.pivot_table(index=KEY, columns="year", values=name, aggfunc="first", sort=False, dropna=False)
        .reindex(columns=years)
        .astype(float)
        for name in ("value", "pupils", "threshold")
    )
    index = value.dropna(how="all").index.union(pupils.dropna(how="all").index, sort=False)
    value, pupils = value.reindex(index).to_numpy(), pupils.reindex(index).to_numpy()
    return IndicatorSeries(index, years, value, pupils, line.reindex(index).ffill(axis=1).iloc[:, -1].to_numpy())


def _foretold(county: County, of: str, index: Any, base: int, to: int, *, bands: bool) -> dict[str, Any]:
    """Return the pupils to come at the place and stage of every series, and the ends of their band.

    ``bands``: whether low and high are wanted.

    Returns
    -------
    dict of pupils, low, high to array (series, years ahead)
    """
    years = np.arange(base + 1, to + 1)
    if not len(years) or not len(index):
        return dict.fromkeys(ENDS, np.full((len(index), len(years)), np.nan))
    table = _pupils(county, of, base, to, bands).set_index(["id", "stage", "year"])
    place = pd.MultiIndex.from_arrays([index.get_level_values("id"), index.get_level_values("stage")])
    return {name: table[name].unstack("year").reindex(index=place, columns=years).to_numpy() for name in ENDS}


def _pupils(county: County, of: str, base: int, to: int, bands: bool) -> pd.DataFrame:
    """Return the projected pupils of each school, township or of the county: id, stage, year, pupils, low, high."""
    found = project(county, to, year=base, bands=bands)
    if of == "county":
        return found.county.assign(id=county.county_id)
    table = found.schools.rename(columns={"school_id": "id"})
    if of == "school":
        return table
    half = (table["high"] - table["low"]) / 2.0
    table = table.assign(id=table["id"].map(_township(county)).fillna(""), square=half**2)
    table = table.groupby(["id", "stage", "year"], as_index=False)[["pupils", "square"]].sum()
    half = np.sqrt(table["square"])
    return table.assign(low=(table["pupils"] - half).clip(lower=0.0), high=table["pupils"] + half)


def _township(county: County) -> pd.Series:
    return county.tables["schools"].drop_duplicates("school_id").set_index("school_id")["township"]


def _table(county: County, standard: Standard, of: str, base: int) -> pd.DataFrame:
    """Return indicators by school, township or county: id, stage, indicator, year, value, pupils, threshold."""
    switches = tuple(sorted(standard.switches().items()))
    table = schools.school_table(county, standard, switches)
    table = table[table["year"] <= base].astype({"year": int})
    if of == "school":
        return table.rename(columns={"school_id": "id"})
    ids = table["school_id"].map(_township(county)).fillna("") if of == "township" else county.county_id
    table = table.assign(id=ids, amount=table["value"] * table["pupils"])
    grouped = table.groupby(["id", "stage", "indicator", "year"], sort=False)
    out = grouped.agg(
        amount=("amount", "sum"), pupils=("pupils", "sum"), known=("amount", "count"), n=("pupils", "size"),
        threshold=("threshold", "first"),
    ).reset_index()  # fmt: skip
    value = (out["amount"] / out["pupils"]).where((out["known"] == out["n"]) & (out["pupils"] > 0))
    return out.assign(value=value)
