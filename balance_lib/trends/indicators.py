"""Carry indicators forward by school, township and county: what there is goes on as it did, divided by the pupils."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from balance_lib._errors import NotFoundError
from balance_lib.county import County
from balance_lib.evaluation import schools
from balance_lib.locale import Message
from balance_lib.standards import STAGES, Standard
from balance_lib.trends import path
from balance_lib.trends.enrolment import project

OF = ("school", "township", "county")
ROW_COLUMNS = ["of", "id", "stage", "indicator", "year", "value", "low", "high", "projected", "threshold", "gap"]
CROSSING_COLUMNS = ["of", "id", "stage", "indicator", "status", "year", "earliest", "latest", "reason"]


@dataclass(frozen=True)
class Paths:
    """Hold indicators' paths and the years they cross their lines.

    Parameters
    ----------
    rows : DataFrame
        of, id, stage, indicator, year, value, low, high, projected, threshold, gap (negative: short).
    crossings : DataFrame
        of, id, stage, indicator, status, year, earliest, latest, reason (a Message): see :class:`path.Crossing`.
    """

    rows: pd.DataFrame
    crossings: pd.DataFrame

    def of(self, name: str, stage: str, indicator: str) -> pd.DataFrame:
        """Return one path."""
        rows = self.rows
        return rows[(rows["id"] == name) & (rows["stage"] == stage) & (rows["indicator"] == indicator)]


def paths(
    county: County,
    standard: Standard,
    *,
    of: str = "school",
    stage: str | None = None,
    indicator: str | None = None,
    year: int | None = None,
    to: int | None = None,
) -> Paths:
    """Carry indicators forward against their lines.

    An indicator is something per pupil. What there is of it (square metres, teachers, yuan) goes on as it did in the
    past years (:func:`path.fit`); the pupils are those of the enrolment projection. A school that loses pupils can so
    reach a line without buying anything, and a growing one fall below it. A township's or the county's figure is the
    total over its schools divided by their pupils; it has no value in a year in which one school lacks it.

    Parameters
    ----------
    county : County
    standard : Standard
        Brings the indicators and their lines.
    of : {"school", "township", "county"}
    stage, indicator : str, optional
        Only these; all by default.
    year : int, optional
        Last counted year to look at; the county's last by default.
    to : int, optional
        Last year of the paths; ten years on by default.

    Returns
    -------
    Paths

    Raises
    ------
    NotFoundError
        If ``of``, the stage or the indicator is unknown.
    """
    for what, name, known in (("of", of, OF), ("stage", stage, STAGES), ("indicator", indicator, standard.indicators)):
        if name is not None and name not in known:
            raise NotFoundError(what, name, known)
    base = county.years[-1] if year is None else year
    return _paths(county, standard, of, stage, indicator, base, base + 10 if to is None else to)


@lru_cache(maxsize=32)
def _paths(
    county: County, standard: Standard, of: str, stage: str | None, indicator: str | None, base: int, to: int
) -> Paths:
    table = _table(county, standard, of, base)
    table = table if stage is None else table[table["stage"] == stage]
    table = table if indicator is None else table[table["indicator"] == indicator]
    if table.empty:
        return Paths(pd.DataFrame(columns=ROW_COLUMNS), pd.DataFrame(columns=CROSSING_COLUMNS))
    key = ["id", "stage", "indicator"]
    years = np.arange(int(table["year"].min()), base + 1)
    value, kids, line = (
        table.pivot_table(index=key, columns="year", values=name, aggfunc="first", sort=False, dropna=False)
        .reindex(columns=years)
        .astype(float)
        for name in ("value", "pupils", "threshold")
    )
    index = value.dropna(how="all").index.union(kids.dropna(how="all").index, sort=False)
    value, kids = value.reindex(index), kids.reindex(index)
    lines = line.reindex(index).ffill(axis=1).iloc[:, -1].to_numpy()
    alive = kids[base].notna().to_numpy()
    ends = _ahead(index, years, value.to_numpy(), kids.to_numpy(), alive, _pupils(county, of, base, to), to)
    names = {"of": of} | {name: index.get_level_values(name).to_numpy(dtype=object) for name in key}
    crossings = []
    for at, threshold in enumerate(lines):
        if not alive[at]:  # closed: it has a past and no future
            found = path.Crossing("no_data", math.nan, math.nan, math.nan, Message("trends.cross.closed"))
        else:
            open_ = np.isfinite(ends[0][at])
            mine = tuple(end[at][open_] for end in ends)
            ahead = np.arange(base + 1, to + 1)[open_]
            found = path.cross(years, value.to_numpy()[at], ahead, mine, ">=", _flat(float(threshold)))
        crossings.append(vars(found))
    return Paths(
        _long(names, years, value.to_numpy(), ends, lines),
        pd.DataFrame(names).join(pd.DataFrame(crossings))[CROSSING_COLUMNS],
    )


def _long(names: dict[str, Any], years: Any, value: Any, ends: tuple[Any, Any, Any], lines: Any) -> pd.DataFrame:
    """Lay series out as rows: counted years that have a value, then the years ahead."""
    ahead = np.arange(years[-1] + 1, years[-1] + 1 + ends[0].shape[1])
    every = np.concatenate([years, ahead])
    columns = [np.hstack([value, end]) for end in ends]
    keep = np.isfinite(columns[0])
    at, column = np.nonzero(keep)
    out = {name: values if isinstance(values, str) else values[at] for name, values in names.items()}
    out |= {"year": every[column], "value": columns[0][keep], "low": columns[1][keep], "high": columns[2][keep]}
    out |= {"projected": column >= len(years), "threshold": lines[at], "gap": columns[0][keep] - lines[at]}
    return pd.DataFrame(out)[ROW_COLUMNS]


def _ahead(
    index: Any, years: Any, value: Any, kids: Any, alive: Any, pupils: dict[tuple[str, str], pd.DataFrame], to: int
) -> tuple[Any, Any, Any]:
    """Carry amounts forward and divide them by the pupils to come; relative errors of both add up as squares."""
    base, horizon = int(years[-1]), max(0, to - int(years[-1]))
    middle, half = path.carry(years, value * kids, horizon)
    middle = np.where(alive[:, None], np.maximum(middle, 0.0), np.nan)
    none = pd.DataFrame(np.nan, index=range(base + 1, to + 1), columns=["pupils", "low", "high"])
    found = [pupils.get((str(name), str(stage)), none).reindex(range(base + 1, to + 1)) for name, stage, _ in index]
    expected, low, high = (
        np.array([rows[name].to_numpy() for rows in found]).reshape(len(index), horizon)
        for name in ("pupils", "low", "high")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        per = np.where(expected > 0, middle / expected, np.nan)
        apart = np.hypot(np.where(middle > 0, half / middle, 0.0), (high - low) / (2.0 * expected))
    return per, np.maximum(per * (1.0 - apart), 0.0), per * (1.0 + apart)


def _table(county: County, standard: Standard, of: str, base: int) -> pd.DataFrame:
    """Return indicators by school, township or county: id, stage, indicator, year, value, pupils, threshold."""
    switches = tuple(sorted(standard.switches().items()))
    table = schools.school_table(county, standard, switches)
    table = table[table["year"] <= base].astype({"year": int})
    if of == "school":
        return table.rename(columns={"school_id": "id"})
    place = county.tables["schools"].drop_duplicates("school_id").set_index("school_id")["township"]
    ids = table["school_id"].map(place).fillna("") if of == "township" else county.county_id
    table = table.assign(id=ids, amount=table["value"] * table["pupils"])
    grouped = table.groupby(["id", "stage", "indicator", "year"], sort=False)
    out = grouped.agg(
        amount=("amount", "sum"), pupils=("pupils", "sum"), known=("amount", "count"), n=("pupils", "size"),
        threshold=("threshold", "first"),
    ).reset_index()  # fmt: skip
    value = (out["amount"] / out["pupils"]).where((out["known"] == out["n"]) & (out["pupils"] > 0))
    return out.assign(value=value)


def _pupils(county: County, of: str, base: int, to: int) -> dict[tuple[str, str], pd.DataFrame]:
    """Return projected pupils (indexed by year: pupils, low, high) of each school, township or of the county."""
    if to <= base:
        return {}
    found = project(county, to, year=base)
    if of == "county":
        table = found.county.assign(id=county.county_id)
    else:
        table = found.schools.rename(columns={"school_id": "id"})
    if of == "township":
        place = county.tables["schools"].drop_duplicates("school_id").set_index("school_id")["township"]
        half = (table["high"] - table["low"]) / 2.0
        table = table.assign(id=table["id"].map(place).fillna(""), square=half**2)
        table = table.groupby(["id", "stage", "year"], as_index=False)[["pupils", "square"]].sum()
        half = np.sqrt(table["square"])
        table = table.assign(low=(table["pupils"] - half).clip(lower=0.0), high=table["pupils"] + half)
    return {key: rows.set_index("year")[["pupils", "low", "high"]] for key, rows in _groups(table)}


def _groups(table: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for (name, stage), rows in table.groupby(["id", "stage"], sort=False):
        yield (str(name), str(stage)), rows


def _flat(line: float) -> path.Line:
    """Return a line that does not change."""
    return lambda year: line
