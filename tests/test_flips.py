"""Every computed item of every plan really judges: one input is changed and its verdict turns, both ways.

Each item gets an input far on either side of its line, 1e-6 beyond it, 1e-10 off it (within the tolerance of 1e-9) and
exactly on it, and a blank. The inputs are found by plain arithmetic in ``figure_levers``, ``school_levers`` and
``count_levers``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from balance_lib import access, standards
from balance_lib.data.county import County
from balance_lib.evaluation import ItemResult, evaluate, indicators
from balance_lib.evaluation.judge import Context, judge, line_of
from balance_lib.standards import Item
from tests.count_levers import EXPLICIT
from tests.figure_levers import county_trials, given_trials, reported_trials
from tests.levers import LATE, Bench, Trial, cut, few_schools
from tests.school_levers import Lines, cv_trials, falling_trials, indicator_trials, row_trials, rule_trials

COUNTY = {
    "akqi_2022": "akqi",
    "chuzhou_2011": "chuzhou",
    "huixian_2024": "huixian",
    "jiaohe_2009": "jiaohe",
    "wuxi_2016": "wuxi",
}
# The national standards are proved on one county each.
EVERYWHERE = {**COUNTY, "quality_2017": "huixian", "basic_2012": "jiaohe"}
# Items a demonstration county has no object for, each with its reason.
NOT_APPLICABLE: dict[tuple[str, str], str] = {("akqi_2022", "M-C10"): "no school was opened in the last year"}


def computed(standard: str) -> list[Item]:
    """Return the items that get a verdict of their own from figures."""
    judged = [item for item in standards.load(standard).judged if item.same_as is None]
    own = [item for item in judged if item.measure is not None and item.measure.source not in ("evidence", "items")]
    return [item for item in own if not item.measure.otherwise]  # what rests on typed figures else: see test_mouths


@cache
def opened(folder: Path) -> County:
    return County.open(folder)


@pytest.fixture(params=COUNTY, scope="module")
def plan(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def county(plan: str, demo_dir: Path) -> County:
    return opened(demo_dir / COUNTY[plan])


# --- nothing is skipped -------------------------------------------------------------------------------------------


def test_every_item_is_judged_and_none_lacks_data(plan: str, county: County) -> None:
    standard, year = standards.load(plan), county.years[-1]
    assert (county.plan, county.meta["default_year"]) == (plan, year)
    result = evaluate(county, standard, year=year, measures=access.measures(county, year))
    assert Counter(r.item.code for r in result.items) == Counter(item.code for item in standard.judged)
    status = {r.item.code: r.status for r in result.items}
    assert [code for code, found in status.items() if found == "no_data"] == []
    idle = {code for code, found in status.items() if found == "not_applicable"}
    assert idle == {code for (of, code) in NOT_APPLICABLE if of == plan}
    for r in result.items:  # only evidence may be open, and only where evidence is asked for
        first = standard.item(r.item.same_as) if r.item.same_as else r.item
        assert first.measure is not None and first.judged and first.same_as is None, r.item.code
        assert r.status != "evidence" or first.measure.stated_by == "evidence", r.item.code
        assert r.status != "not_due" or (first.due is not None and first.due > result.on), r.item.code


def test_an_item_that_repeats_another_has_its_finding(plan: str, county: County) -> None:
    result = evaluate(county, standards.load(plan), year=county.years[-1])
    by_code = {r.item.code: r for r in result.items}
    for r in (r for r in result.items if r.item.same_as):
        first = by_code[r.item.same_as]
        assert (r.status, str(r.value), str(r.threshold)) == (first.status, str(first.value), str(first.threshold))


# --- every verdict turns ------------------------------------------------------------------------------------------


@cache
def outcomes(standard: str, demo: Path) -> dict[str, list[tuple[Trial, ItemResult]]]:
    """Judge all trials of a standard, those that go together in one county."""
    own = standards.load(standard)
    whole = opened(demo / EVERYWHERE[standard])
    year = whole.years[-1]
    full = Bench(cut(whole, year), own, year)
    few = Bench(cut(whole, year, few_schools(whole, own, year)), own, year)
    # Figures that only some items need are prepared for those only: coefficients, indicators, all schools' sums.
    groups = {"figures": (few, []), "lines": (few, []), "cv": (full, []), "sums": (full, [])}
    for item in computed(standard):
        bench, trials = groups[group_of(item, full)]
        trials.extend(trials_for(item, bench))
    found = defaultdict(list)
    for bench, trials in groups.values():
        for trial, result in zip(trials, bench.judge(trials), strict=True):
            found[trial.item.code].append((trial, result))
    return dict(found)


def group_of(item: Item, full: Bench) -> str:
    """Return which trials an item's go together with; a figure over a sum of schools needs them all."""
    if (full.standard.id, item.code) in EXPLICIT:
        return "sums"
    names = indicators.names_in(item.measure.formula) if item.measure.source == "county" else []
    if any(n in full.figures for n in names) and any(n not in full.figures and n != "year" for n in names):
        return "sums"
    return {"indicator": "lines", "school_rule": "lines", "cv": "cv"}.get(item.measure.source, "figures")


def trials_for(item: Item, bench: Bench) -> Iterator[Trial]:
    """Find the lever of an item."""
    explicit = EXPLICIT.get((bench.standard.id, item.code))
    if explicit:
        return explicit(item, bench)
    measure = item.measure
    if measure.source == "cv":
        lines = Lines(bench, measure.of)
        return falling_trials(item, lines) if measure.transform == "change" else cv_trials(item, lines)
    if measure.source in ("indicator", "school_rule"):
        return (indicator_trials if measure.source == "indicator" else rule_trials)(item, lines_of(bench))
    simple = {"county": county_trials, "reported": reported_trials, "given": given_trials}
    return simple.get(measure.source, row_trials)(item, bench)


@cache
def lines_of(bench: Bench) -> Lines:
    return Lines(bench)


@pytest.fixture(scope="module")
def judged(request: pytest.FixtureRequest, demo_dir: Path) -> dict[str, list[tuple[Trial, ItemResult]]]:
    return outcomes(request.param, demo_dir)


@pytest.mark.parametrize(
    ("judged", "code"),
    [(standard, item.code) for standard in EVERYWHERE for item in computed(standard)],
    indirect=["judged"],
)
def test_verdict_turns(
    judged: dict[str, list[tuple[Trial, ItemResult]]], code: str, request: pytest.FixtureRequest
) -> None:
    found = judged.get(code, [])
    assert found, f"no lever moves {code}"
    for trial, result in found:
        assert (trial.name, result.status) == (trial.name, trial.expected), result.reason.render("en")
        beyond = trial.name.endswith(("far below", "far above")) and trial.expected == "met"
        if trial.value == trial.value and not beyond:  # far on the good side another row may be the nearest to the line
            assert result.value == pytest.approx(trial.value, rel=1e-12, abs=1e-9), trial.name
        if result.status != "no_data":
            assert result.gap == result.gap and result.reason.render("zh"), trial.name
    assert {trial.expected for trial, _ in found} == {"met", "not_met", "no_data"}
    item, names = found[0][0].item, {trial.name.rpartition(": ")[2] for trial, _ in found}
    assert any(name.startswith("exact") for name in names)
    if (request.node.callspec.params["judged"], code) not in EXPLICIT:
        # Nothing lies below a line at zero, unless the figure is a change.
        level = item.measure.transform == "level"
        one_side = level and line_of(item) == 0 and item.operator in ("==", "<=", ">")
        assert {"just above", "just below"} - names == ({"just below"} if one_side else set())


def test_evidence_is_what_was_recorded(plan: str, county: County) -> None:
    standard, year = standards.load(plan), county.years[-1]
    items = [i for i in standard.judged if i.measure and i.measure.source == "evidence" and i.same_as is None]
    items = [i for i in items if not i.measure.checked_by]  # those the data may refute
    base = {"standard": plan, "document": "批复"}
    records = [
        {**base, "item_id": item.code, "year": year - back, "finding": finding}
        for item in items
        for back, finding in ((0, "met"), (1, "not_met"))
    ]
    few = cut(county, year, few_schools(county, standard, year)).with_tables(evidence=pd.DataFrame(records))
    for item in items:
        found = [judge(item, Context(few, standard, year - back, LATE, (), {})) for back in (0, 1, 2)]
        assert [r.status for r in found] == ["met", "not_met", "evidence"], item.code
        assert all("批复" in r.reason.render("zh") for r in found[:2])
    assert items


# --- the whole county ---------------------------------------------------------------------------------------------


def test_one_figure_turns_its_item_in_the_whole_county_and_nothing_else(plan: str, county: County) -> None:
    standard, year = standards.load(plan), county.years[-1]
    figures = county.tables["county_years"]
    found = outcomes(plan, county.path.parent)
    item = next(
        item for item in computed(plan)
        if item.required and item.measure.source == "county" and item.measure.transform == "level"
        and item.operator != "==" and (0, _first(item)) in found[item.code][0][0].world.figures
    )  # fmt: skip
    lever = _first(item)
    follow = {i.code for i in standard.judged if item.code in (i.code, i.same_as)}
    also = {i.code for i in computed(plan) if lever in f"{i.measure.formula} {i.measure.against}"}
    also |= {i.code for i in standard.judged if i.measure and (i.measure.items or i.measure.checked_by)}
    also |= {i.code for i in standard.judged if i.measure and lever in f"{i.measure.formula} {i.measure.against}"}
    also |= {i.code for i in standard.judged if i.same_as in also}
    status = {}
    for trial, _ in found[item.code]:
        if trial.name in ("just above", "just below"):
            here = (figures["item"] == lever) & (figures["year"] == year)
            moved = figures.assign(value=figures["value"].mask(here, trial.world.figures[0, lever]))
            result = evaluate(county.with_tables(county_years=moved), standard, year=year, on=LATE)
            status[trial.name] = {r.item.code: r.status for r in result.items}
            assert result.verdict == "fail" or trial.expected == "met"
            assert {status[trial.name][code] for code in follow} == {trial.expected}
    changed = {code for code in status["just above"] if len({found[code] for found in status.values()}) > 1}
    assert follow <= changed <= follow | also


def _first(item: Item) -> str:
    return indicators.names_in(item.measure.formula)[0]
