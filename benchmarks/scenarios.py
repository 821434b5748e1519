"""Time a full Outcome against one plain evaluation of the same county, in the same run: ratios travel, seconds do not.

Usage: python benchmarks/scenarios.py [ROUNDS]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from statistics import median
from time import process_time

from balance_lib import access, evaluation, scenarios, standards
from balance_lib.data.county import County
from balance_lib.scenarios import Scenario
from balance_lib.shipped import shipped

CASES = (("huixian", "2012-2024"), ("chuzhou", "relieve-a-crowded-school"), ("akqi", "board-from-grade-4"))


def main(rounds: int = 5) -> None:
    """Print CPU seconds: carrying out alone, the full outcome, one evaluation of the untouched county."""
    print(f"{'county':<10}{'operations':>11}{'carried out':>13}{'outcome':>10}{'evaluate':>10}{'ratio':>7}")
    for name, file in CASES:
        county = County.open(shipped("demo") / name)
        scenario = Scenario.from_yaml(shipped("demo") / name / "scenarios" / f"{file}.yaml")
        chosen = standards.load(county.plan or "quality_2017")
        scenarios.evaluate(county, scenario, time_limit_s=0.25)  # ways, baseline and compiled code are there
        times: list[tuple[float, float, float]] = []
        for _ in range(rounds):
            start = process_time()
            scenarios.apply(county, scenario)
            applied = process_time()
            scenarios.evaluate(county, scenario, time_limit_s=0.25)
            judged = process_time()
            fresh = replace(county)  # nothing of it is kept from another evaluation
            given = access.measures(fresh, scenario.year)
            evaluation.evaluate(fresh, chosen, year=scenario.year, measures=given)
            times.append((applied - start, judged - applied, process_time() - judged))
        carried, outcome, plain = (median(column) for column in zip(*times, strict=True))
        count = len(scenario.operations)
        print(f"{name:<10}{count:>11}{carried:>13.3f}{outcome:>10.3f}{plain:>10.3f}{outcome / plain:>7.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
