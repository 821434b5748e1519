"""Measure the search for the cheapest plan: ``python benchmarks/remedies.py [--counties N] [--first N] [--large]``.

Draws random counties (one of the demonstration counties, with random schools left out and random figures scaled), plans
under the county's own plan or a national standard, does the plan and judges again. Prints for each: schools, seconds on
the clock and of the processor, cost in 10,000 yuan, share not proved necessary, what is saved against planning by hand;
then how seconds, costs and gaps are spread. Exits 1 if a promise is broken, a met item falls, or a plan is dearer than
planning by hand. ``--first`` leaves out the counties before it; ``--large`` adds three counties of 250 schools.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from balance_lib import access, standards
from balance_lib.data.county import County
from balance_lib.evaluation import evaluate
from balance_lib.planning import remedies

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


def cases(folder: Path, first: int, counties: int, seed: int) -> Iterator[tuple[str, County, str]]:
    """Yield random counties, each with the standard it is planned for."""
    known = opened(folder)
    for at in range(first, counties):
        rng = np.random.default_rng([seed, at])
        name = NAMES[at % len(NAMES)]
        standard = (known[name].plan, "quality_2017", "quality_2017", "basic_2012")[int(rng.integers(0, 4))]
        yield f"{at:03d} {name}", drawn(known[name], rng, 70), str(standard)


@dataclass(frozen=True)
class Tried:
    """Hold what one plan took and came to; ``of_greedy`` is its cost in shares of planning by hand."""

    wall_s: float
    cpu_s: float
    of_greedy: float
    gap: float
    wrong: list[str]


def tried(name: str, county: County, standard: str, seconds: float) -> Tried:
    """Plan, do the plan, judge again."""
    year, law = county.years[-1], standards.load(standard)
    given = access.measures(county, year)
    before = evaluate(county, law, year=year, measures=given)
    start, used = time.perf_counter(), time.process_time()
    plan = remedies.propose(county, law, year=year, measures=given, seconds=seconds)
    took, used = time.perf_counter() - start, time.process_time() - used
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
    share = plan.cost_yuan / plan.greedy_yuan if plan.status == "complete" and plan.greedy_yuan > 0 else math.nan
    print(
        f"{name:<14}{standard:<14}{county.tables['schools']['school_id'].nunique():>4} schools {took:6.1f} s "
        f"cpu {used:5.1f} "
        f"{plan.status:<14} failing {len(open_):>3} promised {len(plan.promised):>3} unhelped {len(plan.unhelped):>3} "
        f"cost {plan.cost_yuan / 1e4:>10.1f} gap {100 * plan.gap:5.2f} % saved {100 * (1 - share):5.1f} %  "
        f"{'; '.join(wrong)}",
        flush=True,
    )
    return Tried(took, used, share, plan.gap, wrong)


def told(found: list[Tried]) -> None:
    """Print how seconds, costs and gaps are spread."""
    for label, values in (
        ("seconds on the clock", [t.wall_s for t in found]),
        ("seconds of the processor", [t.cpu_s for t in found]),
        ("cost / cost by hand", [t.of_greedy for t in found]),
        ("share not proved necessary", [t.gap for t in found]),
    ):
        known = np.array([value for value in values if value == value])
        if len(known):
            cuts = "  ".join(f"{share:.0%} {np.quantile(known, share):8.3f}" for share in (0, 0.25, 0.5, 0.75, 0.95, 1))
            print(f"{label:<28} n {len(known):>3}  {cuts}")


def main() -> int:
    """Run the benchmark."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--counties", type=int, default=200)
    asked.add_argument("--first", type=int, default=0)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--large", action="store_true")
    options = asked.parse_args()
    folder = Path(__file__).resolve().parents[1] / "data" / "demo"
    drawn_ones = cases(folder, options.first, options.counties, options.seed)
    found = [tried(*case, options.seconds) for case in drawn_ones]
    if options.large:
        known = opened(folder)
        for name in ("wuxi", "chuzhou", "huixian"):
            found.append(tried(f"large {name}", doubled(known[name], 250), "quality_2017", 25.0))
    told(found)
    faults = sum(len(one.wrong) for one in found)
    print(f"{len(found)} plans, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
