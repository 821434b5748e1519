"""Hold scenarios and remedies against brute force: ``python benchmarks/scenario_counties.py [--counties N]``.

``--what remedies`` plans purchases, hires and rotations instead. Small random counties (rolls, places and classes
missing, points with hosts, through-schools, boarders, villages cut off from the road) under random plans. Prints how
many of each status there were, and every county that differs.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import remedy_brute, scenario_brute


def examined(what: str, rng: np.random.Generator) -> str:
    """Examine one county; return its status."""
    if what == "remedies":
        return remedy_brute.examine(remedy_brute.county(rng), rng)
    county = scenario_brute.county(rng)
    return scenario_brute.examine(county, scenario_brute.plan(rng, county))


def main() -> None:
    """Run."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--counties", type=int, default=2000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--what", choices=("scenarios", "remedies"), default="scenarios")
    asked = options.parse_args()
    found: collections.Counter[str] = collections.Counter()
    start = time.process_time()
    for seed in range(asked.first, asked.first + asked.counties):
        rng = np.random.default_rng(seed)
        try:
            found[examined(asked.what, rng)] += 1
        except Exception as error:
            found["differs"] += 1
            print(f"{seed}: {type(error).__name__} {str(error)[:300]}", flush=True)
    print(dict(found), f"{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
