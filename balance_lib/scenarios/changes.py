"""Write a scenario into the county's tables: attendance, school rows with what was handed on, schools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.scenarios import classes, goods
from balance_lib.scenarios.base import BANDS, SMALL, STAGE_OF, Base
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import BookkeepingError
from balance_lib.scenarios.riding import Journeys
from balance_lib.scenarios.settings import default
from balance_lib.standards import STAGES

_CLOSED = ("closed", "merged")


@dataclass(frozen=True, eq=False)
class Changed:
    """Hold the county after a scenario, who attends where in it, and what became of staff and goods."""

    county: County
    groups: pd.DataFrame
    goods: pd.DataFrame


def write(brought: Journeys, moved: pd.DataFrame) -> Changed:
    """Return the county a scenario leads to; only tables change, only the judged year.

    Parameters
    ----------
    brought : Journeys
    moved : DataFrame
        The same as a table.

    Raises
    ------
    BookkeepingError
        If staff, equipment, books or anything that goes with pupils is lost or doubled.
    """
    layout = brought.flows.arrays.layout
    groups = _groups(layout.base.groups, moved)
    rows, moved_goods = _rows(brought)
    county = layout.base.county
    years = county.tables["school_years"]
    kept = years[years["year"] != layout.base.year]
    made = {
        "schools": schools(layout),
        "school_years": pd.concat([kept, rows], ignore_index=True),
        "attendance": _attendance(county.tables["attendance"], groups, layout.base.year),
    }
    return Changed(replace(county, tables={**county.tables, **made}), groups, moved_goods)


def _groups(groups: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """Return who attends where afterwards: those who leave taken off, those who come put on."""
    key = ["village_id", "school_id", "stage", "band"]
    off = moved.rename(columns={"from_id": "school_id", "boarders_before": "boarders"})
    on = moved.rename(columns={"to_id": "school_id", "boarders_after": "boarders"})
    columns = [*key, "pupils", "boarders"]
    less = off[columns].assign(pupils=-off["pupils"], boarders=-off["boarders"])
    after = pd.concat([groups[columns], less, on[columns]]).groupby(key, as_index=False, sort=False).sum()
    return after[(after["pupils"] > 0) & (after["school_id"] != "")].reset_index(drop=True)


def _attendance(table: pd.DataFrame, groups: pd.DataFrame, year: int) -> pd.DataFrame:
    mine = tables.conform(groups[groups["village_id"] != ""].assign(year=year), "attendance")
    return pd.concat([table[table["year"] != year], mine], ignore_index=True)


def schools(layout: Layout) -> pd.DataFrame:
    """Return the table of schools with closing years, hosts and new schools."""
    table, frame, year = layout.base.county.tables["schools"].copy(), layout.frame, layout.base.year
    state = table["school_id"].map(frame["state"])
    closed = state.isin(_CLOSED).to_numpy()
    table.loc[closed, "closed_year"] = float(year)
    new_host = frame["new_host"].notna() & (frame["new_host"] != "")
    rehosted = ((state == "attached") | table["school_id"].isin(frame.index[new_host])).to_numpy()
    table.loc[rehosted, "host_school_id"] = table.loc[rehosted, "school_id"].map(frame["host_school_id"])
    again = (state == "opened").to_numpy()
    table.loc[again, "closed_year"] = np.nan
    if again.any():
        for name in ("kind", "lon", "lat", "township", "location", "rank", "name_zh", "name_en"):
            said = table["school_id"].map(frame[name]).astype(object)
            table[name] = table[name].astype(object).where(~again, said)
        table = tables.conform(table, "schools")
    beds = table["school_id"].map(frame["beds"]).to_numpy(dtype=float)
    table.loc[beds > 0, "boarding"] = 1.0
    added = layout.opened.reset_index(names="school_id").reindex(columns=table.columns)
    if added.empty:
        return table
    added = added.assign(opened_year=float(year), boarding=(layout.opened["beds"] > 0).to_numpy(dtype=float))
    return pd.concat([table, tables.conform(added, "schools")], ignore_index=True)


def _rows(brought: Journeys) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the year's rows of ``school_years`` afterwards, in the order of the table, and the account of goods."""
    arrays = brought.flows.arrays
    before = arrays.base.rows.reset_index(drop=True)
    numbers = [c.name for c in tables.table("school_years").columns.values() if c.numeric and c.name != "year"]
    holdings = goods.Holdings(arrays, numbers)
    handed = holdings.after(brought.flows, ~arrays.there)
    figures = _formed(holdings, handed, brought)
    frame = arrays.layout.frame
    new = frame["kind"].where(frame["kind"] != frame["kind_before"]).tolist()
    kinds = zip(holdings.school.tolist(), holdings.table["kind"].tolist(), strict=True)
    made = {name: figures[:, i] for i, name in enumerate(numbers)}
    made["kind"] = pd.array([new[j] if isinstance(new[j], str) else own for j, own in kinds], dtype="str")
    table = pd.DataFrame({name: made.get(name, holdings.table[name].array) for name in holdings.table})
    mine = before["school_id"].isin(arrays.index)
    table.index = [*np.flatnonzero(mine), *range(len(before), len(before) + int(holdings.begins.sum()))]
    rows = table[handed.there] if mine.all() else pd.concat([before[~mine], table[handed.there]])
    rows = rows.sort_index().reset_index(drop=True)
    book = pd.DataFrame({"given": handed.given, "left": handed.left, "unknown": handed.unknown}, index=numbers)
    return rows, _account(before, rows, book)


def _formed(holdings: goods.Holdings, handed: goods.HandedOn, brought: Journeys) -> Any:
    """Return the figures of all rows, with boarders, grades, classes and the funding base of those that change."""
    flows, arrays = brought.flows, brought.flows.arrays
    frame, settings = arrays.layout.frame, arrays.layout.scenario.settings
    column = {name: i for i, name in enumerate(holdings.columns)}
    figures = handed.figures.copy()
    figures[:, column["pupils"]] = handed.pupils
    cut = frame["cut"].to_numpy(dtype=bool)[holdings.school] & (holdings.stage == 0)
    figures[cut, column["grades"]] = frame["grades_primary"].to_numpy(dtype=float)[holdings.school[cut]]
    beds = np.zeros((len(arrays.index), len(STAGES)))
    np.add.at(beds, (flows.to[flows.placed], flows.stage[flows.placed]), brought.boards[flows.placed])
    np.subtract.at(beds, (flows.from_, flows.stage), flows.boarders)
    small = ((frame["location"] == "rural") & frame["kind"].isin(SMALL)).to_numpy()
    opened = (frame["state"] == "opened").to_numpy()
    for at in np.flatnonzero(handed.changed & handed.there):
        j, s, row = holdings.school[at], holdings.stage[at], figures[at]
        row[column["boarders"]] += beds[j, s]
        loads = dict(zip(BANDS, flows.loads[j], strict=True))
        told = {name: float(row[column[name]]) for name in ("classes", "grades", *classes.FLAGS)}
        if not np.isnan(told["classes"]):  # classes nobody counted stay unknown
            bands = {band: loads[band] for band in BANDS if STAGE_OF[band] == STAGES[s]}
            for name, count in classes.formed(told, bands, settings.class_cap(STAGES[s]), arrays.rooms[j, s]).items():
                row[column[name]] = count
        if not np.isnan(row[column["funded_pupils"]]) or opened[j]:  # a small rural school is funded as a hundred
            pupils = row[column["pupils"]]
            row[column["funded_pupils"]] = max(pupils, default("small_school")) if small[j] else pupils
    return figures


def account_of(base: Base) -> pd.DataFrame:
    """Return the account of goods where nothing changes."""
    return _account(base.rows, base.rows, pd.DataFrame({"given": [], "left": [], "unknown": []}))


def _account(was: pd.DataFrame, after: pd.DataFrame, book: pd.DataFrame) -> pd.DataFrame:
    """Return what there was, was given, is and is left behind; refuse what does not add up."""
    moving = [name for names in goods.columns().values() for name in names]
    names = [*moving, *goods.buildings()]
    book = book.astype(float).reindex(names, fill_value=0.0)
    out = pd.DataFrame({"before": was[names].sum(), "given": book["given"], "after": after[names].sum()}, dtype=float)
    out["left_behind"] = book["left"]
    wrong = (out["before"] + out["given"] - out["after"] - out["left_behind"]).abs() > 1e-9 * out["before"].clip(
        lower=1
    )
    if (wrong := wrong & (book["unknown"] == 0)).loc[moving].any():
        raise BookkeepingError(f"goods are lost or doubled: {out[wrong].to_dict('index')}")
    return out.rename_axis("column").reset_index()
