"""Judge a county against a standard: gaps, rules, year-on-year tests, and verdicts with reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd

from balance_lib import standards
from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation import schools
from balance_lib.evaluation.county_items import series_of
from balance_lib.evaluation.finding import Measures
from balance_lib.evaluation.indicators import names_in
from balance_lib.evaluation.judge import Context, group_counts, judge
from balance_lib.evaluation.result import (
    BASES,
    OPEN,
    SHORT,
    STATUSES,
    UNDECIDED,
    Evaluation,
    GroupCounts,
    ItemResult,
    Measured,
    RowCounts,
    Stated,
)
from balance_lib.evaluation.wording import label_of, number
from balance_lib.locale import Message
from balance_lib.standards import Item, Measure, Standard

__all__ = [
    "BASES",
    "OPEN",
    "SHORT",
    "STATUSES",
    "UNDECIDED",
    "Evaluation",
    "GroupCounts",
    "ItemResult",
    "Measured",
    "RowCounts",
    "Stated",
    "evaluate",
    "evaluate_years",
    "history",
    "history_of_coefficients",
    "label_of",
    "number",
    "recent",
    "series_of",
]

NATIONAL = "quality_2017"
_OF_SCHOOLS = ("primary_", "junior_", "all_", "rural_", "town_", "n_")  # county figures that are sums over schools


def evaluate(
    county: County | str | Path,
    standard: Standard | str | Path = NATIONAL,
    year: int | None = None,
    *,
    measures: Measures | None = None,
    definitions: Mapping[str, bool] | None = None,
    on: date | None = None,
    codes: Collection[str] | None = None,
    by_school: bool = True,
) -> Evaluation:
    """Judge a county against a standard in one school year.

    Every target and rule of the standard gets a status; nothing is skipped. Missing data is "no data", never met and
    never zero. Thresholds are judged on unrounded values.

    Parameters
    ----------
    county : County or path
        A county, or the folder it is kept in.
    standard : Standard, str or path
        A standard, its id, or the YAML file of one's own.
    year : int, optional
        School year, by its first calendar year; the county's newest by default.
    measures : mapping of (name, stage) to Measured, optional
        Measures other rooms computed, such as the longest walk by road of a day pupil. Those the standard asks for and
        that are not among them are fetched; an empty mapping fetches none and leaves such items without data.
    definitions : mapping of str to bool, optional
        Definition switches that differ from the standard's own.
    on : date, optional
        Day on which deadlines are judged, and whose documents are known; by default the last day of the school year,
        31 August of the next year, with whatever was recorded for the year.
    codes : collection of str, optional
        Judge only these items; the verdict then speaks of them alone.
    by_school : bool
        False leaves ``schools``, ``rules`` and ``contributions`` without rows: who asks a hundred counties for their
        verdicts reads none of these tables, and they are a third of the work.

    Returns
    -------
    Evaluation

    Raises
    ------
    NotFoundError
        If the county has no school data of that year, there is no such standard, or a definition switch is unknown.
    """
    county = county if isinstance(county, County) else County.open(county)
    standard = standard if isinstance(standard, Standard) else standards.load(standard)
    if year is None and county.years:
        year = county.years[-1]
    if year not in county.years or year is None:
        raise NotFoundError(f"{county.county_id}.years", year, county.years)
    context = _context(county, standard, year, measures, definitions, on)
    switches = context.switches
    wanted = [item for item in standard.judged if codes is None or item.code in codes]
    found = {item.code: judge(item, context) for item in wanted if item.same_as is None}
    items = [found.get(item.code) or _repeat(item, found) for item in wanted]
    tables = _by_school(context) if by_school else _no_schools()
    return Evaluation(
        county_id=county.county_id,
        county_zh=county.name_zh,
        county_en=county.name_en,
        synthetic=county.synthetic,
        standard=standard,
        year=year,
        on=context.on,
        items=items,
        cv=schools.cvs_of(county, standard, switches, year),
        **tables,
        absent=context.frames.absent(year),
        official=group_counts(standard.official, context) if standard.official and codes is None else None,
        provenance=_provenance(county, standard, context),
    )


def recent(county: County, standard: Standard, year: int) -> County:
    """Return the county with the years alone that a standard looks at in one: judging goes by the number of rows.

    Findings are those of the whole county but for ``before``: the last rows that are kept have no year to compare with.

    Parameters
    ----------
    county : County
    standard : Standard
    year : int
        School year, by its first calendar year.
    """
    measures = [item.measure for item in standard.judged if item.measure is not None]
    first = {
        "school_years": year - max((_looks_back(m) for m in measures if _sums_schools(m)), default=0),
        "county_years": year - max(map(_looks_back, measures), default=0),
        "attendance": year,
    }
    tables = {name: county.tables[name] for name in first}
    kept = {name: frame[frame["year"].between(first[name], year)] for name, frame in tables.items()}
    return county.named(f"{county.hash}@{year}-{standard.digest}", **kept)


def _looks_back(measure: Measure) -> int:
    return measure.years - 1 + (measure.transform != "level")


def _sums_schools(measure: Measure) -> bool:
    """Tell whether a measure looks at rows of schools, be it through the county's sums over them."""
    if measure.source != "county":
        return True
    names = [name for formula in (measure.formula, measure.against) if formula for name in names_in(formula)]
    return any(name.startswith(_OF_SCHOOLS) for name in names)


def evaluate_years(
    county: County,
    standard: Standard,
    years: Iterable[int] | None = None,
    *,
    measures: Mapping[int, Measures] | None = None,
    definitions: Mapping[str, bool] | None = None,
    codes: Collection[str] | None = None,
    by_school: bool = True,
) -> dict[int, Evaluation]:
    """Judge a county in several school years; what the years share is computed once.

    Parameters
    ----------
    county, standard, definitions, codes, by_school
        As for :func:`evaluate`.
    years : iterable of int, optional
        School years; all the county has by default.
    measures : mapping of year to measures, optional

    Returns
    -------
    dict of int to Evaluation
    """
    return {
        year: evaluate(
            county,
            standard,
            year=year,
            measures=None if measures is None else measures.get(year, {}),
            definitions=definitions,
            codes=codes,
            by_school=by_school,
        )
        for year in (county.years if years is None else years)
    }


def history(
    county: County,
    standard: Standard,
    years: Iterable[int] | None = None,
    *,
    measures: Mapping[int, Measures] | None = None,
    definitions: Mapping[str, bool] | None = None,
) -> pd.DataFrame:
    """Judge every item in every year: how the gaps moved.

    Parameters
    ----------
    county, standard, definitions
        As for :func:`evaluate`.
    years : iterable of int, optional
        School years; all the county has by default.
    measures : mapping of year to measures, optional

    Returns
    -------
    DataFrame
        year, code, value, threshold, gap, status: one row a year and item.
    """
    found = evaluate_years(county, standard, years or None, measures=measures, definitions=definitions)
    rows = [
        (year, result.item.code, result.value, result.threshold, result.gap, result.status)
        for year, evaluation in found.items()
        for result in evaluation.items
    ]
    return pd.DataFrame(rows, columns=["year", "code", "value", "threshold", "gap", "status"])


def history_of_item(
    county: County,
    standard: Standard,
    code: str,
    *,
    measures: Mapping[int, Measures] | None = None,
    definitions: Mapping[str, bool] | None = None,
) -> pd.DataFrame:
    """Judge one item in every year the county has; much faster than the whole :func:`history`.

    Parameters
    ----------
    county : County
    standard : Standard
    code : str
    measures : mapping of int to Measures, optional
        Measures other rooms computed.
    definitions : mapping of str to bool, optional
        Definition switches that differ from the standard's own.

    Returns
    -------
    DataFrame
        year, code, value, threshold, gap, status.

    Raises
    ------
    NotFoundError
        If the standard has no such item.
    """
    item, rows = standard.item(code), []
    item = standard.item(item.same_as) if item.same_as else item
    for year in county.years:
        result = judge(
            item,
            _context(county, standard, year, None if measures is None else measures.get(year, {}), definitions, None),
        )
        rows.append((year, code, result.value, result.threshold, result.gap, result.status))
    return pd.DataFrame(rows, columns=["year", "code", "value", "threshold", "gap", "status"])


def history_of_coefficients(
    county: County, standard: Standard, definitions: Mapping[str, bool] | None = None
) -> pd.DataFrame:
    """Compute every difference coefficient in every year the county has.

    Parameters
    ----------
    county : County
    standard : Standard
    definitions : mapping of str to bool, optional
        Definition switches that differ from the standard's own.

    Returns
    -------
    DataFrame
        year, stage, indicator, mean, sd, cv, limit, met, n, n_missing, provisional.
    """
    return schools.cv_table(county, standard, tuple(sorted(standard.switches(definitions).items()))).copy()


def _context(
    county: County,
    standard: Standard,
    year: int,
    measures: Measures | None,
    definitions: Mapping[str, bool] | None,
    on: date | None,
) -> Context:
    switches = tuple(sorted(standard.switches(definitions).items()))
    return Context(county, standard, year, on or date(year + 1, 8, 31), switches, measures, on)


def _repeat(item: Item, found: Mapping[str, ItemResult]) -> ItemResult:
    """Give an item that repeats another one the other's finding."""
    first = found.get(item.same_as or "")
    if first is None:
        return ItemResult(item, "not_applicable", Message("reason.same_as", {"code": item.same_as}))
    reason = Message("reason.same_as", {"code": first.item.code})
    return replace(first, item=item, reason=reason, behind=None, counted=None)


def _by_school(context: Context) -> dict[str, pd.DataFrame]:
    """Return the tables of schools: their indicators, the rule they pass, their share of each coefficient."""
    of = (context.county, context.standard, context.switches, context.year)
    return {
        "schools": schools.schools_of(*of)[schools.SCHOOL_COLUMNS],
        "rules": schools.rules_of(*of)[schools.RULE_COLUMNS],
        "contributions": context.sheet.contributions(context.year),
    }


@cache
def _no_schools() -> dict[str, pd.DataFrame]:
    columns = {
        "schools": schools.SCHOOL_COLUMNS, "rules": schools.RULE_COLUMNS, "contributions": schools.CONTRIBUTION_COLUMNS
    }  # fmt: skip
    return {name: pd.DataFrame(columns=names) for name, names in columns.items()}


def _provenance(county: County, standard: Standard, context: Context) -> dict[str, object]:
    return county.stamp(
        standard.id, crs=county.crs, document=standard.document, definitions=dict(context.switches),
        on=context.on.isoformat(),
    )  # fmt: skip
