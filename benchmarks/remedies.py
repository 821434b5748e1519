"""Measure the search for the cheapest plan: ``python benchmarks/remedies.py [--counties N] [--large] [--seconds S]``.

Draws random counties (one of the demonstration counties, with random schools left out and random figures scaled), plans
under the county's own plan or a national standard, does the plan and judges again. Prints for each: schools, seconds of
the search, cost, proved bound, cost of planning by hand, and whether everything promised is met. Exits 1 if a promise
is broken, a met item falls, or a plan is dearer than planning by hand. ``--large`` adds a county of 250 schools.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from balance_lib import access, remedies, standards
from balance_lib.county import County
from balance_lib.evaluation import evaluate

NAMES = ("akqi", "chuzhou", "huixian", "jiaohe", "wuxi")
SCALED = ("teaching_area_m2", "sports_field_m2", "equipment_yuan", "teaching_area_m2", "training_budget_yuan")
COUNTED = ("multimedia_rooms", "teachers_backbone", "teachers_pe", "teachers_certified", "books", "computers")


def opened(folder: Path) -> dict[str, County]:
    """Return the demonstration counties with their last years only."""
    out = {}
    for name in NAMES:
        county = County.open(folder / name)
        rows = county.tables["school_years"]
        out[name] = county.with_tables(school_years=rows[rows["year"] >= county.years[-1] - 4])
    return out


def drawn(county: County, rng: np.random.Generator, most: int) -> County:
    """Return a county with random schools of this one, their assets scaled and their counts thinned at random."""
    ids = county.tables["schools"]["school_id"].to_numpy()
    keep = set(rng.choice(ids, size=min(len(ids), int(rng.integers(15, most))), replace=False))
    schools = county.tables["schools"]
    rows = county.tables["school_years"]
    rows = rows[rows["school_id"].isin(keep)].reset_index(drop=True)
    for name in SCALED:
        rows[name] = (rows[name] * rng.uniform(0.4, 1.6, len(rows))).round()
    for name in COUNTED:
        rows[name] = np.floor(rows[name] * rng.uniform(0.5, 1.0, len(rows)))
    figures = county.tables["county_years"].copy()
    last = (figures["year"] == county.years[-1]) & ~figures["item"].str.endswith("year")
    was = figures.loc[last, "value"]
    now = was * rng.uniform(0.93, 1.02, len(was))
    figures.loc[last, "value"] = now.round(3).where(was % 1 != 0, now.round())  # counts stay counts
    kept = schools[schools["school_id"].isin(keep)].reset_index(drop=True)
    return county.with_tables(schools=kept, school_years=rows, county_years=figures)


def doubled(county: County, schools: int) -> County:
    """Return a county with so many schools: its own, and copies of some under other codes."""
    table, rows = county.tables["schools"], county.tables["school_years"]
    more = table.head(max(0, schools - len(table)))
    mine = rows[rows["school_id"].isin(more["school_id"])]
    copies = more.assign(school_id=more["school_id"] + "x", name_zh=more["name_zh"] + "二校")
    return county.with_tables(
        schools=pd.concat([table, copies], ignore_index=True),
        school_years=pd.concat([rows, mine.assign(school_id=mine["school_id"] + "x")], ignore_index=True),
    )


def cases(folder: Path, counties: int, seed: int) -> Iterator[tuple[str, County, str]]:
    """Yield random counties, each with the standard it is planned for."""
    known = opened(folder)
    for at in range(counties):
        rng = np.random.default_rng([seed, at])
        name = NAMES[at % len(NAMES)]
        standard = (known[name].plan, "quality_2017", "quality_2017", "basic_2012")[int(rng.integers(0, 4))]
        yield f"{at:03d} {name}", drawn(known[name], rng, 70), str(standard)


def tried(name: str, county: County, standard: str, seconds: float) -> tuple[float, list[str]]:
    """Plan, do the plan, judge again; return the seconds of the search and what is wrong."""
    year, law = county.years[-1], standards.load(standard)
    given = access.measures(county, year)
    before = evaluate(county, law, year=year, measures=given)
    start = time.perf_counter()
    plan = remedies.propose(county, law, year=year, measures=given, seconds=seconds)
    took = time.perf_counter() - start
    after = {r.item.code: r.status for r in
             evaluate(remedies.apply(county, plan), law, year=year, measures=given).items}  # fmt: skip
    open_ = {r.item.code for r in before.items if r.status in ("not_met", "not_due") and r.item.same_as is None}
    wrong = [f"promised {code}: {after[code]}" for code in plan.promised["code"] if after[code] != "met"]
    wrong += [f"fell: {r.item.code}" for r in before.items if r.status == "met" and after[r.item.code] != "met"]
    silent = open_ - set(plan.promised["code"]) - set(plan.unhelped["code"]) - set(plan.shortfalls["code"])
    if plan.status == "partial":
        print("   short:", ", ".join(sorted(set(plan.shortfalls["code"]))))
    wrong += [f"not a word of {sorted(silent)}"] if silent else []
    if plan.status == "complete" and plan.cost_yuan > plan.greedy_yuan * (1 + 1e-9):
        wrong.append("dearer than by hand")
    saved = 100 * (1 - plan.cost_yuan / plan.greedy_yuan) if plan.greedy_yuan > 0 else float("nan")
    print(
        f"{name:<14}{standard:<14}{county.tables['schools']['school_id'].nunique():>4} schools {took:6.1f} s "
        f"{plan.status:<14} failing {len(open_):>3} promised {len(plan.promised):>3} unhelped {len(plan.unhelped):>3} "
        f"cost {plan.cost_yuan / 1e4:>10.1f} gap {100 * plan.gap:5.2f} % saved {saved:5.1f} %  {'; '.join(wrong)}",
        flush=True,
    )
    return took, wrong


def main() -> int:
    """Run the benchmark."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--counties", type=int, default=200)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--large", action="store_true")
    options = asked.parse_args()
    folder = Path(__file__).resolve().parents[1] / "data" / "demo"
    found = [tried(*case, options.seconds) for case in cases(folder, options.counties, options.seed)]
    if options.large:
        known = opened(folder)
        for name in ("wuxi", "chuzhou", "huixian"):
            found.append(tried(f"large {name}", doubled(known[name], 250), "quality_2017", 25.0))
    took = [seconds for seconds, _ in found]
    wrong = [fault for _, faults in found for fault in faults]
    print(f"{len(found)} plans, median {statistics.median(took):.1f} s, longest {max(took):.1f} s, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
