"""Count an item that speaks of schools from the paths of the schools, year by year, at both ends of their bands."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from balance_lib import evaluation
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.evaluation import RowCounts
from balance_lib.evaluation.finding import line_of, stages_of
from balance_lib.evaluation.school_items import rule_floor
from balance_lib.forecast.indicators import paths
from balance_lib.standards import Item, Standard

ROW = ["id", "stage"]
ENDS = ("value", "low", "high")


def is_counted(item: Item) -> bool:
    """Tell whether an item is judged by indicators of schools, so that their paths say what becomes of it."""
    measure = item.measure
    return measure is not None and not measure.of and measure.source in ("indicator", "school_rule")


def _of_schools(
    county: County, standard: Standard, item: Item, base: int, to: int
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Return an item's path counted from its schools, and the same counted again from earlier years.

    Returns
    -------
    (DataFrame, DataFrame) or None
        year, value, low, high, projected, threshold; origin, year, forecast, actual, inside. None for an item that is
        not judged by indicators of schools, or of whose schools one has no path.
    """
    measure = item.measure
    if to <= base or measure is None or not is_counted(item):
        return None
    counted = _counts_of(county, standard, base)[item.code]
    if counted is None:
        return None
    found = paths(county, standard, of="school", year=base, to=to)
    mine = set(map(str, counted.places))
    names = [measure.formula] if measure.source == "indicator" else list(standard.indicators)

    def of_item(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["id"].isin(mine) & table["stage"].isin(stages_of(item)) & table["indicator"].isin(names)]

    rows, crossings = of_item(found.rows), of_item(found.crossings)
    lines = rows.drop_duplicates([*ROW, "indicator"]).set_index([*ROW, "indicator"])["threshold"].dropna()
    ahead = rows[rows["projected"]]
    open_ = crossings[np.array([reason.key != "trends.cross.closed" for reason in crossings["reason"]], dtype=bool)]
    told = pd.MultiIndex.from_frame(ahead[[*ROW, "indicator"]])
    silent = pd.MultiIndex.from_frame(open_[[*ROW, "indicator"]]).intersection(lines.index).difference(told)
    if ahead.empty or len(silent):
        return None
    passed = set(counted.by_floor)
    ends = {name: _counted(ahead, name, ["year"], lines, item, standard, passed) for name in ENDS}
    value = ends["value"]
    out = pd.DataFrame({name: value["threshold"] + ends[name]["gap"] for name in ENDS}).rename_axis("year")
    out = out.assign(low=out["low"].clip(lower=0.0), projected=True, threshold=value["threshold"]).reset_index()
    return out, _again(of_item(found.back_test.rows), lines, item, standard, passed)


@once_per_county
def _counts_of(county: County, standard: Standard, base: int) -> Mapping[str, RowCounts | None]:
    """Judge every item that is counted from schools once, for all who ask about one of them."""
    codes = [item.code for item in standard.judged if is_counted(item)]
    found = evaluation.evaluate(county, standard, year=base, measures={}, codes=codes, by_school=False)
    return {result.item.code: result.counted for result in found.items}


def _again(
    rows: pd.DataFrame, lines: pd.Series, item: Item, standard: Standard, passed: Collection[str]
) -> pd.DataFrame:
    """Count the item from forecasts made in earlier years, and from what was then counted at the same schools."""
    columns = ["origin", "year", "forecast", "actual", "inside"]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    told = {
        name: _counted(rows, name, ["origin", "year"], lines, item, standard, passed)
        for name in ("forecast", "low", "high", "actual")
    }
    line = told["actual"]["threshold"]
    out = pd.DataFrame({name: line + found["gap"] for name, found in told.items()}).reset_index()
    inside = (out["actual"] >= out["low"] - 1e-9) & (out["actual"] <= out["high"] + 1e-9)
    return out.assign(inside=inside)[columns]


def _counted(
    rows: pd.DataFrame, name: str, groups: list[str], lines: pd.Series, item: Item, standard: Standard,
    passed: Collection[str],
) -> pd.DataFrame:  # fmt: skip
    """Return line and gap of an item by group: of the worst school, or of the share that passes the school rule.

    ``passed`` are schools let pass by a floor today; they are as long as they keep to it.
    """
    table = rows.pivot_table(index=[*groups, *ROW], columns="indicator", values=name, aggfunc="first")
    line = lines.unstack("indicator").reindex(columns=table.columns).reindex(table.index.droplevel(groups)).to_numpy()
    value, floor = table.to_numpy(dtype=float), rule_floor(standard)
    asked = np.isfinite(line)
    met, held = ~asked | (value >= line - 1e-9), ~asked | (value >= floor * line - 1e-9)
    measure = item.measure
    if measure is not None and measure.source == "school_rule":
        spare = asked.sum(axis=1) - int(measure.at_least or 0)
        share = pd.Series(100.0 * (held.all(axis=1) & ((~met).sum(axis=1) <= spare)), index=table.index)
        gap = share.groupby(level=groups).mean() - line_of(item)
        return pd.DataFrame({"threshold": line_of(item), "gap": gap})
    let = table.index.get_level_values("id").isin(list(passed)) & held.all(axis=1)
    frame = pd.DataFrame({"threshold": line[:, 0], "gap": (value - line)[:, 0]}, index=table.index)
    worst = frame[~let | met[:, 0]].dropna().sort_values("gap", kind="stable")
    return worst.groupby(level=groups).first()
