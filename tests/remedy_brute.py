"""Plans of purchases, hires and rotations for small random counties, checked from the docs and the price list."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import yaml

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.evaluation import evaluate
from balance_lib.planning import remedies
from tests import scenario_brute

YEAR = scenario_brute.YEAR
LAW = standards.load("quality_2017")
CODES = [item.code for item in LAW.judged if item.code[0] in "LR"]  # the seven indicators of schools and their rule
STOCK = (
    "teaching_area_m2",
    "sports_field_m2",
    "equipment_yuan",
    "multimedia_rooms",
    "teachers_backbone",
    "teachers_pe",
)
PRICES = yaml.safe_load(resources.files("balance_lib.planning.remedies").joinpath("costs.yaml").read_text("utf-8"))


def county(rng: np.random.Generator) -> County:
    """Return a random county of the scenarios whose schools hold more or less than they need, or nobody knows what."""
    made = scenario_brute.county(rng)
    rows = made.tables["school_years"].copy()
    need = rows["pupils"].fillna(50.0) / 100
    for column in STOCK:
        held = np.round(rows[column] * need * rng.choice([0.3, 0.8, 1.0, 1.6, 3.0], len(rows)))
        rows[column] = held.mask(rng.random(len(rows)) < 0.02)
    more = np.round(need * rng.choice([0, 2, 6], len(rows)))
    for column in ("teachers", "staff", "teachers_bachelor", "teachers_certified", "teachers_on_subject",
                   "teachers_trained_360h"):  # fmt: skip
        rows[column] += more
    return made.with_tables(school_years=rows)


def examine(of: County, rng: np.random.Generator) -> str:
    """Plan under random wishes and hold the plan against the price list and the evaluation; return its status.

    Raises
    ------
    AssertionError
        With what differs.
    """
    by = date(YEAR + int(rng.integers(1, 4)), 8, 31)
    wishes: dict[str, Any] = {"year": YEAR, "codes": CODES, "by": by, "seconds": 3.0, "gap": 0.05, "measures": {}}
    plan = remedies.propose(of, LAW, **wishes)
    checked(of, plan)
    if plan.cost_yuan > 0:
        share = float(rng.choice([0.2, 0.5, 0.9]))
        least = remedies.propose(of, LAW, **wishes, budget_yuan=share * plan.cost_yuan)
        assert least.cost_yuan <= share * plan.cost_yuan + 1e-6, "over its budget"
        checked(of, least)
        years = {y: float(rng.choice([0.0, 0.3, 0.7])) * plan.cost_yuan for y in range(YEAR + 1, by.year + 1)}
        phased = remedies.propose(of, LAW, **wishes, budgets=years)
        checked(of, phased)
        total = phased.phases.set_index("year")["total_yuan"]
        over = {y for y, most in years.items() if total.get(y, 0.0) > most + 1.0}
        named = {reason.params["year"] for reason in phased.shortfalls["reason"] if reason.key == "remedy.short.year"}
        assert over == named, ("a year without enough money is not named", over, named)
        assert not over or phased.status != "complete", "complete without the money"
    return plan.status


def checked(of: County, plan: remedies.RemedyPlan) -> None:
    """Hold one plan against the documentation."""
    lines = plan.lines.to_dict("records")
    _costs(plan, lines)
    _stock(of, plan, lines)
    _rotation(of, plan, lines)
    before, after = (evaluate(c, LAW, year=YEAR, measures={}, codes=CODES) for c in (of, remedies.apply(of, plan)))
    status = {r.item.code: r.status for r in after.items}
    for row in plan.promised.to_dict("records"):
        assert status[row["code"]] == row["status"], ("promised otherwise", row)
        assert row["status"] == "met" or plan.status != "complete", ("complete without it", row)
    for result in before.items:
        assert result.status != "met" or status[result.item.code] == "met", ("fell", result.item.code)
    open_ = {r.item.code for r in before.items if r.status == "not_met"}
    told = {*plan.promised["code"], *plan.unhelped["code"], *plan.shortfalls["code"]}
    assert open_ <= told, ("failing and not spoken of", open_ - told)


def _costs(plan: remedies.RemedyPlan, lines: list[dict[str, Any]]) -> None:
    """Every line costs its units times the price; the plan the sum of its lines; a year what is paid in it."""
    known = {**PRICES["actions"], **PRICES["rotate"]}
    once, yearly = defaultdict(float), defaultdict(float)
    for line in lines:
        prices = known[line["action"]]
        paid = max(-line["units"], 0.0) if line["action"] in PRICES["rotate"] else line["units"]
        for name in ("once_yuan", "yearly_yuan"):
            if isinstance(price := prices.get(name, 0.0), int | float) and not math.isnan(line[name]):
                assert math.isclose(line[name], price * paid, rel_tol=1e-9, abs_tol=1e-6), (name, line)
        assert line["phase"] > YEAR and line["phase"] + prices.get("lead_years", 0) <= plan.by.year, line
        once[line["phase"]] += np.nan_to_num(line["once_yuan"])
        for year in range(line["phase"], plan.by.year + 1):
            yearly[year] += np.nan_to_num(line["yearly_yuan"])
    total = sum(np.nan_to_num(line["cost_yuan"]) for line in lines)
    assert math.isclose(plan.cost_yuan, total, rel_tol=1e-9, abs_tol=1e-6), "the plan is not the sum of its lines"
    assert plan.bound_yuan != plan.bound_yuan or plan.bound_yuan <= plan.cost_yuan * (1 + 1e-9) + 1e-6
    for row in plan.phases.to_dict("records"):
        assert math.isclose(row["once_yuan"], once[row["year"]], rel_tol=1e-9, abs_tol=1e-6), row
        assert math.isclose(row["yearly_yuan"], yearly[row["year"]], rel_tol=1e-9, abs_tol=1e-6), row
        assert math.isclose(row["total_yuan"], row["once_yuan"] + row["yearly_yuan"], abs_tol=1e-6), row


def _stock(of: County, plan: remedies.RemedyPlan, lines: list[dict[str, Any]]) -> None:
    """What a plan changes is what its lines move, nothing negative, nothing made of what nobody counted."""
    rows = of.table("school_years", YEAR).set_index(["school_id", "stage"])
    moved: dict[Any, float] = defaultdict(float)
    for line in lines:
        known = PRICES["actions"].get(line["action"]) or PRICES["rotate"][line["action"]]
        for column, each in (known.get("effects") or known.get("carries")).items():
            moved[line["school_id"], line["stage"], column] += each * line["units"]
    told = {(r["school_id"], r["stage"], r["column"]): r for r in plan.changes.to_dict("records") if r["school_id"]}
    for key, row in told.items():
        school, stage, column = key
        if (school, stage) in rows.index:
            assert rows.at[(school, stage), column] == row["before"], ("made of nothing counted", row)
            assert math.isclose(row["after"] - row["before"], moved[key], abs_tol=1e-6), (row, moved[key])
            assert row["after"] >= -1e-9, row
    counted = {key for key, n in moved.items() if n and key[:2] in rows.index and pd.notna(rows.at[key[:2], key[2]])}
    assert counted <= set(told)  # what nobody counted stays uncounted


def _rotation(of: County, plan: remedies.RemedyPlan, lines: list[dict[str, Any]]) -> None:
    """Whoever arrives in a year has left another school of the stage in that year; nobody lends more than it has."""
    rows = of.table("school_years", YEAR).set_index(["school_id", "stage"])
    balance: dict[Any, float] = defaultdict(float)
    lent: dict[Any, float] = defaultdict(float)
    for line in (each for each in lines if each["action"] in PRICES["rotate"]):
        assert float(line["units"]).is_integer(), line
        balance[line["action"], line["stage"], line["phase"]] += line["units"]
        lent[line["school_id"], line["stage"]] += min(line["units"], 0.0)
    assert not any(balance.values()), ("in two places or none", dict(balance))
    assert all(-n <= rows.at[key, "teachers"] for key, n in lent.items() if key in rows.index)
