"""Time a county of very many demand points, as a population raster makes it: access, scenario, optimise, slider tick.

    PYTHONPATH=. python benchmarks/points.py 100000

Prints for each step seconds of the clock and the peak of memory so far, and the tick in Python and, where there is
node, in the page's own JavaScript.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ticks import YEAR, made_up

from balance_lib import access, scenarios
from balance_lib.data.county import County
from balance_lib.planning.siting import Goals, propose
from balance_lib.scenarios import Scenario, estimate, packed
from balance_lib.scenarios.board import Board, State
from balance_lib.show import widgets

SCHOOLS = 200


def with_points(points: int) -> County:
    """Return a county whose points have children and whose attendance nobody recorded; its rolls are a few thousand."""
    made = made_up(points, SCHOOLS)
    rng = np.random.default_rng(2)
    children = {"age_6_11": rng.poisson(0.5, points), "age_12_14": rng.poisson(0.25, points)}
    people = pd.DataFrame({"village_id": made.tables["villages"]["village_id"], "year": YEAR, **children})
    rows = made.tables["school_years"]
    share = rows["stage"].map({"primary": 0.5, "junior": 0.25}) * points
    fit = np.round(rows["pupils"] / rows.groupby("stage")["pupils"].transform("sum") * share).clip(lower=1)
    rows = rows.assign(pupils=fit, classes=np.ceil(fit / 30))
    return made.with_tables(attendance=made.tables["attendance"].iloc[:0], village_years=people, school_years=rows)


def step(name: str, act: Callable[[], Any]) -> Any:
    """Do something, and print how long it took and the most memory the process has had."""
    start, busy = time.perf_counter(), time.process_time()
    out = act()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<32}{time.perf_counter() - start:8.2f} s{time.process_time() - busy:8.2f} s of processor{peak:8.0f} MB",
        flush=True,
    )
    return out


NODE = """
import {readFileSync} from "node:fs";
const [folder, script] = process.argv.slice(1), {Board, unpack} = await import(script);
const packed = JSON.parse(readFileSync(`${folder}/board.json`));
for (const value of Object.values(packed)) if (value?.dtype) {
  const bytes = readFileSync(`${folder}/${value.data}`);
  value.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
const busy = () => { const {user, system} = process.cpuUsage(); return (user + system) / 1000; };
let start = busy();
const board = new Board(unpack(packed)), made = busy() - start, times = [];
for (let i = 0; i < 60; i++) {
  start = busy();
  board.tick({minimum_enrolment: i % 2 ? 40 : 20, walk_primary_m: 2000 + 1000 * (i % 3)});
  times.push(busy() - start);
}
const mb = Math.round(process.memoryUsage().rss / 2 ** 20), median = times.sort((a, b) => a - b)[30];
console.log(`in the page: opened in ${Math.round(made)} ms, tick: median ${median.toFixed(1)} ms of processor, ${mb} MB`);
"""


def in_the_page(board: Board) -> None:
    """Hand a board over as a page takes it, and let node answer the sliders."""
    script = Path(widgets.__file__).parent / "static" / "tick.js"
    with tempfile.TemporaryDirectory() as folder:
        shown = packed.typed_arrays(packed.pack(board))
        for name, value in shown.items():
            if isinstance(value, dict) and "dtype" in value:
                (Path(folder) / name).write_bytes(value["data"])
                value["data"] = name
        (Path(folder) / "board.json").write_text(json.dumps(shown), encoding="utf-8")
        sent = sum(f.stat().st_size for f in Path(folder).iterdir()) / 2**20
        print(f"handed to the page: {sent:.0f} MB", flush=True)
        subprocess.run(["node", "--input-type=module", "-e", NODE, folder, script.as_uri()], check=True)


def main() -> None:
    """Time each step once, and the tick often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", type=int)
    given = parser.parse_args()
    county = step("county", lambda: with_points(given.points))
    step("access: matrix", lambda: access.costs(county, "straight"))
    step("attendance estimated", lambda: estimate.attendance(county, YEAR))
    gone = str(county.tables["schools"]["school_id"][7])
    plan = Scenario.from_dict({"scenario": "x", "county": "bench", "year": YEAR, "operations": [{"close": gone}]})
    step("scenario: one school closed", lambda: scenarios.evaluate(county, plan, standard="quality_2017"))
    board = step("slider board", lambda: Board(county, Scenario.empty(county, YEAR)))
    positions = cycle([State(minimum_enrolment=m, walk_primary_m=r) for m in (20, 40) for r in (2_000, 3_000, 4_000)])
    times = []
    for _ in range(60):
        start = time.process_time()
        board.tick(next(positions))
        times.append(1000 * (time.process_time() - start))
    print(f"slider tick: median {statistics.median(times):.1f} ms of processor time", flush=True)
    if shutil.which("node"):
        in_the_page(board)
    goals = Goals(aim="walk", schools=150, may_close="all")
    step("optimise: keep 150", lambda: propose(county, "primary", goals, year=YEAR, time_limit_s=30))


if __name__ == "__main__":
    main()
