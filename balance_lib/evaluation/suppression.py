"""Keep counts of fewer than five people by a personal attribute, and what gives them away, from whoever only looks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import standards
from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.evaluation import indicators
from balance_lib.evaluation.result import Evaluation, ItemResult
from balance_lib.locale import Message
from balance_lib.standards import Item
from balance_lib.visitor import only_looks

FEW = 5
# A blanked cell is the total less the others, so another is blanked beside it: of so many that it leaves 1 to 4 open.
BESIDE = 8


def suppressed(county: County) -> County:
    """Return a county without its counts of fewer than five people by a personal attribute, and what they follow from.

    Blank are, of the columns the tables call sensitive, the counts of 1 to 4 and one larger beside them in each year
    and stage; of the county's figures all of one subject (``disabled_…``, ``migrant_…``) in a year in which one is
    few, and the rates typed of them. It is for showing only: judge the county itself.
    """
    rows = county.tables["school_years"].copy()
    for name in tables.table("school_years").of(sensitive=True):
        for at in rows.groupby(["year", "stage"], dropna=False).indices.values():
            values = rows[name].to_numpy()[at]
            rows.iloc[at[_blanked(values)], rows.columns.get_loc(name)] = np.nan
    return county.with_tables(school_years=rows, county_years=_county_years(county))


def _blanked(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    few = (values > 0) & (values < FEW)
    if few.any():
        beside = np.where(values >= BESIDE, values, np.inf)
        if np.isinf(beside.min()):  # nobody to hide behind
            return values == values
        few[beside.argmin()] = True
    return few


def subject_of(name: str) -> str:
    """Return what figures are about: of ``migrant_public`` and ``migrant_eligible`` the same."""
    return str(name).partition("_")[0]


def _county_years(county: County) -> pd.DataFrame:
    table = county.tables["county_years"].copy()
    named = table["item"].isin(_sensitive_items())
    subject = table["item"].map(subject_of).where(named)
    few = named & (table["value"] > 0) & (table["value"] < FEW)
    told = set(zip(table.loc[few, "year"], subject[few], strict=True))
    table.loc[[key in told for key in zip(table["year"], subject, strict=True)], "value"] = np.nan
    typed = table.loc[table["item"].astype(str).str.contains("/"), "item"].unique()
    for key in typed:
        standard_id, _, code = key.partition("/")
        if standard_id in standards.ids() and code in (standard := standards.load(standard_id)).by_code:
            for at in table.index[table["item"] == key]:
                if table.at[at, "year"] == table.at[at, "year"] and _gives_away(
                    county, standard, standard.item(code), int(table.at[at, "year"])
                ):
                    table.loc[at, ["value", "source"]] = np.nan
    return table


@cache
def _sensitive_items() -> frozenset[str]:
    """Return the county's own figures that count people by a personal attribute, of every standard."""
    inputs = [standards.common_inputs(), *(standards.load(name).inputs for name in standards.ids())]
    return frozenset(name for given in inputs for name, spec in given.items() if spec.get("sensitive"))


def _is_sensitive(name: str) -> bool:
    sums = tables.table("school_years").of(sensitive=True)
    return name in _sensitive_items() or any(name.endswith(f"_{column}") for column in sums)


def _sensitive_names(item: Item) -> list[str]:
    """Return the figures of an item's formula that count people by a personal attribute."""
    measure = item.measure
    if measure is None or measure.source != "county":
        return []
    formulas = [measure.formula, *([measure.against] if measure.against else [])]
    return [name for formula in formulas for name in indicators.names_in(formula) if _is_sensitive(name)]


def _gives_away(county: County, standard: standards.Standard, item: Item, year: int) -> bool:
    """Tell whether an item's value is a count of fewer than five people by a personal attribute, or made of one."""
    names, measure = _sensitive_names(item), item.measure
    if not names or measure is None:
        return False
    frames = indicators.frames(county, standard)
    years = frames.column("county", "year")
    span = (years <= year) & (years >= year - measure.years - (measure.transform != "level"))
    counts = names + ([measure.formula] if "%" not in item.judged_unit else [])
    values = [frames.values("county", formula, tuple(measure.blank_is_zero))[span] for formula in counts]
    return any(((value > 0) & (value < FEW)).any() for value in values)


def told(found: Evaluation, county: County) -> Evaluation:
    """Return an evaluation as this process may show it: every status stands, a figure made of few people does not.

    The bureau's own hands see their own figures.

    Parameters
    ----------
    found : Evaluation
    county : County
    """
    if not only_looks():
        return found
    return replace(found, items=[_told(result, found.standard, county, found.year) for result in found.items])


def _told(result: ItemResult, standard: standards.Standard, county: County, year: int) -> ItemResult:
    if not _sensitive_names(result.item):
        return result
    before = result.earlier
    earlier = None if before is None else partial(_told_before, before, standard, county, year - 1)
    if not _gives_away(county, standard, result.item, year) or result.status not in ("met", "not_met"):
        return replace(result, earlier=earlier)
    reason = Message("reason.few", {"few": FEW})
    return replace(
        result, reason=reason, value=np.nan, gap=np.nan, behind=None, stated=None, source="", earlier=earlier
    )


def _told_before(before: object, standard: standards.Standard, county: County, year: int) -> ItemResult | None:
    result = before()  # type: ignore[operator]
    return None if result is None else _told(result, standard, county, year)


def told_faults(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults as this process may show them: of a count of people by a personal attribute not how many."""
    if not only_looks():
        return list(faults)
    return [_told_fault(fault) for fault in faults]


def _told_fault(fault: Fault) -> Fault:
    words = re.findall(r"\w+", f"{fault.column} {fault.found} {list(fault.params.values())}")
    if not {*tables.table("school_years").of(sensitive=True), *_sensitive_items()} & {*words}:
        return fault
    params = {
        name: tables.SUPPRESSED if re.search(r"\d", str(value)) else value for name, value in fault.params.items()
    }
    return replace(fault, found=tables.SUPPRESSED, params=params)


def told_history(rows: pd.DataFrame, county: County, standard: standards.Standard) -> pd.DataFrame:
    """Return an item's history as this process may show it; see :func:`told`.

    Parameters
    ----------
    rows : DataFrame
        year, code, value and what else ``history_of_item`` gives.
    county : County
    standard : Standard
    """
    if not only_looks():
        return rows
    given = [_gives_away(county, standard, standard.item(r.code), int(r.year)) for r in rows.itertuples()]
    return rows.assign(value=rows["value"].mask(given), gap=rows["gap"].mask(given))
