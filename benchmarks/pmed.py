"""Solve the OR-Library instances and print the table of the docs: ``python benchmarks/pmed.py FOLDER [NAME ...]``.

FOLDER holds ``pmed1.txt`` ... as the OR-Library gives them; none is shipped. Published optima stand below. Every row is
printed as soon as it is known; a row says whether the published optimum was met and whether our own bound proves it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from balance_lib import optimise

PMED = (
    5819, 4093, 4250, 3034, 1355, 7824, 5631, 4445, 2734, 1255,
    7696, 6634, 4374, 2968, 1729, 8162, 6999, 4809, 2845, 1789,
    9138, 8579, 4619, 2961, 1828, 9917, 8307, 4498, 3033, 1989,
    10086, 9297, 4700, 3013, 10400, 9934, 5057, 11060, 9423, 5128,
)  # fmt: skip
PUBLISHED = {f"pmed{i}": value for i, value in enumerate(PMED, 1)}


def row(folder: Path, name: str, time_limit_s: float) -> tuple[str, bool]:
    """Solve one instance; return its row and whether the published optimum was met."""
    instance = optimise.read_pmed(folder / f"{name}.txt")
    cpu = time.process_time()
    found = optimise.p_median(instance.cost, instance.p, time_limit_s=time_limit_s)
    cpu = time.process_time() - cpu
    met = found.objective == PUBLISHED[name]
    proven = "proven" if found.status == "optimal" else f"{100 * found.gap:.2f} %"
    figures = f"{found.objective:.0f} | {PUBLISHED[name]} | {found.bound:.0f} | {proven}"
    return f"| {name} | {instance.cost.shape[0]} | {instance.p} | {figures} | {found.seconds:.1f} | {cpu:.1f} |", met


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(PUBLISHED))
    parser.add_argument("--time-limit-s", type=float, default=60.0)
    asked = parser.parse_args()
    optimise.warm_up()
    print("| instance | n | p | ours | published | bound | gap | seconds | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    met = 0
    for name in asked.names:
        line, hit = row(asked.folder, name, asked.time_limit_s)
        met += hit
        print(line, flush=True)
    print(f"{met} of {len(asked.names)} at the published optimum", file=sys.stderr)


if __name__ == "__main__":
    main()
