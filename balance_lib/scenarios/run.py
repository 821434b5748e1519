"""Carry a scenario out on a county's tables, and judge what comes of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from balance_lib import access, evaluation, standards
from balance_lib._errors import DataError, Fault
from balance_lib.data.county import County
from balance_lib.data.kept import keep
from balance_lib.evaluation import Evaluation
from balance_lib.scenarios import accounts, base, breaks, changes, faults, layout, moves, riding, verify
from balance_lib.scenarios.arrays import LayoutArrays
from balance_lib.scenarios.base import Base, TravelDistances
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import Outcome
from balance_lib.scenarios.scenario import Scenario
from balance_lib.standards import Standard

FALLBACK = "quality_2017"


def apply(county: County, scenario: Scenario) -> County:
    """Return the county as a scenario leaves it: attendance, school rows and schools of the judged year.

    Parameters
    ----------
    county : County
    scenario : Scenario

    Returns
    -------
    County
        The same object where the scenario changes nothing.

    Raises
    ------
    DataError
        If the scenario cannot be carried out; every fault at once.
    NotFoundError
        If the county has no school data of the baseline year.
    """
    changed = _carried_out(county, scenario)[-1].county
    return county if scenario.is_empty else changed


def evaluate(
    county: County,
    scenario: Scenario,
    *,
    standard: Standard | str | None = None,
    codes: Collection[str] | None = None,
    time_limit_s: float = 10.0,
) -> Outcome:
    """Say what happens if: who goes where and loses what, what breaks, what it costs, what the standard says.

    1. Who is affected: pupils whose school closes or stops teaching their grades, pupils zoned to a school that
       opens; with ``rezone`` all pupils of public schools. Nobody else moves.
    2. Where they go: the least total distance within the places there are (classes × class cap by grade band, size
       caps), a village whole (``zoned``) or split (``transport``).
    3. What goes with them: staff, equipment, books, as each operation says; buildings stay.
    4. How they get there: on foot within the radius, by bus, boarding from the grade allowed.
    5. The county so changed is evaluated again, and compared with the evaluation of the baseline.
    6. Schools, points, pupils, staff and goods are counted from the changed tables and must add up.

    Parameters
    ----------
    county : County
        Hand in the same object again and again: ways and the baseline's evaluation are then found anew only once.
    scenario : Scenario
    standard : Standard or str, optional
        The county's own plan by default, else the national one of 2017.
    codes : collection of str, optional
        Judge only these items.
    time_limit_s : float
        For each proof that the zones are the best; an answer not proven says its gap.

    Returns
    -------
    Outcome

    Raises
    ------
    DataError
        If the scenario cannot be carried out; every fault at once.
    NotFoundError
        If the county has no school data of the baseline year, or there is no such standard.
    BookkeepingError
        If the result does not add up: a fault of the program, not of the scenario.
    """
    chosen = standard if isinstance(standard, Standard) else standards.load(standard or county.plan or FALLBACK)
    arrays, ways, sent, brought, moved, changed = _carried_out(county, scenario, time_limit_s)
    drawn = arrays.layout
    after = drawn.base
    if changed.county is not after.county:
        after = Base(changed.county, after.year, after.basis, after.counted)
    before = _judge(drawn.base, chosen, ways, codes, whole=True)
    judged = before, _judge(after, chosen, ways, codes, whole=False)
    table = accounts._named(drawn, moved)
    crowded = accounts._crowded(drawn, sent.crowded.table())
    schools = accounts.schools(drawn, after)
    covered = riding.coverage_table(*(
        riding.coverage(arrays, scenario.settings, arrays.radius, flows) for flows in (None, brought)
    ))  # fmt: skip
    found = breaks.RuleInputs(drawn, after, table, crowded, schools, judged)
    unplaced = float(moved.loc[moved["to_id"] == "", "pupils"].sum())
    book = accounts._bookkeeping(drawn, after, unplaced)
    book.check()
    return Outcome(
        scenario=scenario,
        basis=drawn.base.basis,
        baseline=drawn.base.county,
        changed=changed.county,
        before=judged[0],
        after=judged[1],
        moves=table,
        affected=accounts.affected(table),
        shares=accounts._shares(drawn, table),
        coverage=covered,
        schools=schools,
        costs=accounts.costs(drawn, after, schools, covered),
        goods=changed.goods,
        layout=accounts.layout_table(drawn),
        breaks=breaks.find(found),
        bookkeeping=book,
        solution=sent.solution,
        provenance=_provenance(county, scenario, chosen, ways, drawn),
    )


def _carried_out(
    county: County, scenario: Scenario, time_limit_s: float = 10.0
) -> tuple[LayoutArrays, TravelDistances, moves.Moves, riding.Journeys, pd.DataFrame, changes.Changed]:
    """Return the arrays, the ways, who moves, how they get there, both as one table, and the tables afterwards."""
    if scenario.year in county.years:
        faults.validate(county, scenario)
    start = base.of(county, scenario)
    drawn = layout.of(start, scenario)
    ways = layout._ways_of(drawn, roads=scenario.settings.bus_minutes is not None)
    arrays = LayoutArrays(drawn, ways)
    sent = moves.moves(arrays, time_limit_s=time_limit_s)
    brought = riding.Journeys.of(sent.flows, scenario.settings, arrays.radius)
    moved = brought.table(arrays.radius)
    if scenario.is_empty:
        same = changes.Changed(start.county, start.groups, changes.account_of(start))
        return arrays, ways, sent, brought, moved, same
    changed = changes.write(brought, moved)
    if start.year not in changed.county.years:
        raise DataError([Fault("scenario_none_left", scenario.name or "scenario", params={"year": start.year})])
    changed = replace(changed, county=changed.county.named(f"{county.hash}+{scenario.digest}"))
    after = Base(changed.county, start.year, start.basis, start.counted)
    verify._verify(drawn, moved, sent.crowded.table(), changed, after)
    return arrays, ways, sent, brought, moved, changed


def _judge(
    found: Base, standard: Standard, ways: TravelDistances, codes: Collection[str] | None, *, whole: bool
) -> Evaluation:
    def make() -> Evaluation:
        table = None if ways.table.mode == "straight" else ways.table
        # Estimated attendance proves nothing: walks are then not handed in, and their items stay without data.
        given = access.measures(found.county, found.year, table=table) if found.basis == "recorded" else None
        county = found.county if whole else evaluation.recent(found.county, standard, found.year)
        judged = evaluation.evaluate(county, standard, year=found.year, measures=given, codes=codes)
        return judged if whole else replace(judged, provenance={**judged.provenance, "county_hash": found.county.hash})

    key = (standard.digest, found.year, ways.table.mode, None if codes is None else tuple(sorted(codes)))
    return keep(found.county.kept.setdefault(_judge, {}), key, make)


def _provenance(
    county: County, scenario: Scenario, standard: Standard, ways: TravelDistances, drawn: Layout
) -> dict[str, object]:
    return county.stamp(
        standard.id, scenario_digest=scenario.digest, mode=ways.table.mode, attendance=drawn.base.basis,
        radius_m={stage: _plain(drawn.radius_m(stage)) for stage in standards.STAGES},
    )  # fmt: skip


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None
