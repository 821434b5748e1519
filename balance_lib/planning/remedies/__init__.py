"""Find the cheapest set of actions that makes a failing county pass by a date, and prove it with the evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation import Measured, evaluate
from balance_lib.planning.remedies.apply import apply
from balance_lib.planning.remedies.catalogue import Action, Catalogue, catalogue
from balance_lib.planning.remedies.marginal import best_each, marginal_table
from balance_lib.planning.remedies.plan import RemedyPlan, figure_word, unit_word, wan
from balance_lib.planning.remedies.proposal import RemedyPlanner
from balance_lib.planning.remedies.search import RemedyProgress
from balance_lib.standards import Standard

__all__ = [
    "Action",
    "Catalogue",
    "RemedyPlan",
    "RemedyProgress",
    "apply",
    "best_each",
    "catalogue",
    "figure_word",
    "marginal",
    "propose",
    "unit_word",
    "wan",
]

Measures = Mapping[tuple[str, str], Measured]


def propose(  # noqa: PLR0913 (what people type)
    county: County,
    standard: Standard,
    *,
    year: int,
    measures: Measures | None = None,
    budget_yuan: float | None = None,
    budgets: Mapping[int, float] | None = None,
    by: date | None = None,
    costs: Catalogue | str | Path | None = None,
    without: Sequence[str] = (),
    codes: Collection[str] | None = None,
    seconds: float = 25.0,
    gap: float = 0.01,
    progress: Callable[[RemedyProgress], None] | None = None,
) -> RemedyPlan:
    """Find the cheapest plan that meets every failing item that can be computed, and lets none that is met fall.

    The model stands in :mod:`balance_lib.planning.remedies.model`. What the plan promises is what ``evaluate`` says of
    the     county after :func:`apply`, never what the solver believes. A school without data stays without data.

    Parameters
    ----------
    county : County
        Judged as it is in ``year``; hand in a projected county to plan for its pupils of a later year.
    standard : Standard
    year : int
    measures : mapping, optional
        As for ``evaluate``, such as ``access.measures(county, year)``.
    budget_yuan : float, optional
        No plan may cost more (to the end of each action's first year). Where that is not enough, as many schools and
        items are brought over their lines as it allows.
    budgets : mapping of calendar year to yuan, optional
        What may be spent each year, running costs included.
    by : date, optional
        Day by which everything is in place; by default 31 August, the catalogue's horizon after the judged year.
    costs : Catalogue or path, optional
        Actions and prices; the package's own by default.
    without : sequence of str
        Actions or kinds not to be used, such as "rotate".
    codes : collection of str, optional
        Plan for these items only; nothing is said of the others.
    seconds : float
        Time the search may take.
    gap : float
        A plan proved to be within this share of the cheapest is good enough.
    progress : callable, optional
        Called with a :class:`RemedyProgress` during the search.

    Raises
    ------
    NotFoundError
        If the county has no such year, or an action that is banned does not exist.
    PolicyError
        If the file of costs is at fault.
    ValueError
        If the date does not lie after the judged school year, or a budget is negative.
    """
    book = costs if isinstance(costs, Catalogue) else catalogue(costs)
    day = by or date(year + book.horizon_years, 8, 31)
    if day <= date(year, 8, 31):
        raise ValueError(f"by {day.isoformat()}: not after the judged school year {year}")
    if any(amount < 0 for amount in [budget_yuan or 0.0, *(budgets or {}).values()]):
        raise ValueError("a budget is negative")
    proposal = RemedyPlanner(county, standard, year, measures, book.without(without), day, codes)
    return proposal.plan(budget_yuan, budgets, seconds=seconds, gap=gap, tell=progress)


def marginal(
    county: County,
    standard: Standard,
    *,
    year: int,
    measures: Measures | None = None,
    spend_yuan: float = 10_000.0,
    costs: Catalogue | str | Path | None = None,
) -> pd.DataFrame:
    """Say at which school the next sum of money, or the next teacher, closes most of what is open.

    Parameters
    ----------
    county : County
    standard : Standard
    year : int
        School year, by its first calendar year.
    measures : Measures, optional
    spend_yuan : float
        Yuan that may be spent.
    costs : Catalogue or str or Path, optional
        Prices; the shipped ones without.

    Returns
    -------
    DataFrame
        As :func:`balance_lib.planning.remedies.marginal.marginal_table`.

    Raises
    ------
    NotFoundError
        If the county has no such year.
    """
    if year not in county.years:
        raise NotFoundError(f"{county.county_id}.years", year, county.years)
    book = costs if isinstance(costs, Catalogue) else catalogue(costs)
    proposal = RemedyPlanner(county, standard, year, measures, book, date(year + 100, 8, 31))
    found = evaluate(proposal.county, standard, year=year, measures=measures)
    return marginal_table(proposal.demands(proposal.county, found), spend_yuan if math.isfinite(spend_yuan) else 1e4)
