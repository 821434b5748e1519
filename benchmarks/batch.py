"""Many counties at once: counties a second, memory, two workers against one, and a plain pandas loop beside them.

Run with ``python benchmarks/batch.py [COUNTIES] [--access network]`` on a quiet machine; it builds a made-up province
(kept in the temporary folder) and judges every county by both national standards in all its years. CPU seconds of the
processes stand beside the wall clock: on a shared machine they are the ones to go by.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from balance_lib.batch import Options, run
from balance_lib.data.demo import province

STANDARDS = ("basic_2012", "quality_2017")
COUNTRY = 2844  # county-level places of the country


class Watch:
    """Sum up CPU and memory of this process's children while something runs."""

    def __enter__(self) -> Watch:
        self.started, self.peaks, self.cpu, self.begun = time.perf_counter(), [], {}, 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.seconds = time.perf_counter() - self.started
        self._stop.set()
        self._thread.join()

    def first(self, done: int, *_: Any) -> None:
        """Note what it cost to start the workers and read the code: a country pays that once."""
        self.begun = self.begun or sum(self.cpu.values())

    def _look(self) -> None:
        while not self._stop.wait(0.25):
            memory = []
            for child in psutil.Process().children(recursive=True):
                try:
                    times = child.cpu_times()
                    self.cpu[child.pid] = times.user + times.system
                    memory.append(child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            if memory:
                self.peaks.append(max(memory) / 1e6)


def judged(root: Path, workers: int, options: Options) -> Watch:
    """Run over all counties from nothing."""
    with tempfile.TemporaryDirectory() as place, Watch() as watch:
        done = run(root, Path(place) / "out", options, workers=workers, progress=watch.first)
        assert all(one.state == "judged" for one in done), [one for one in done if one.state != "judged"][:3]
    return watch


def plain_loop(folders: list[Path]) -> float:
    """Compute by hand, with pandas alone, a part of what the evaluation does: the seven indicators and their CVs."""
    started = time.process_time()
    for folder in folders:
        schools = pd.read_csv(folder / "schools.csv")
        rows = pd.read_csv(folder / "school_years.csv").merge(schools[["school_id", "founder"]], on="school_id")
        rows = rows.groupby(["school_id", "year"], as_index=False).sum(numeric_only=True)
        for name, column in (
            ("area", "teaching_area_m2"), ("sports", "sports_field_m2"), ("equipment", "equipment_yuan"),
            ("rooms", "multimedia_rooms"), ("degree", "teachers_bachelor"), ("backbone", "teachers_backbone"),
            ("arts", "teachers_pe"),
        ):  # fmt: skip
            rows[name] = rows[column] / rows["pupils"]
            for _, group in rows.groupby("year"):
                x, p = group[name], group["pupils"]
                mean = (x * p).sum() / p.sum()
                _ = float(np.sqrt((p * (x - mean) ** 2).sum() / p.sum()) / mean)
                _ = [bool(value >= 1) for value in x]
    return (time.process_time() - started) / len(folders)


def single(folders: list[Path], options: Options) -> float:
    """Return the CPU seconds one county takes in this process, without reading code or starting workers."""
    from balance_lib.batch.folders import find
    from balance_lib.batch.run import work

    jobs = [(folder, ()) for folder in find(folders[0].parent) if folder.name in {path.name for path in folders}]
    work(jobs[:1], options, "")
    started = time.process_time()
    work(jobs, options, "")
    return (time.process_time() - started) / len(folders)


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("counties", nargs="?", type=int, default=300)
    asked.add_argument("--access", default=None, choices=["straight", "network"])
    given = asked.parse_args()
    root = Path(tempfile.gettempdir()) / f"balance-benchmark-{given.counties}"
    if not root.is_dir():
        started = time.perf_counter()
        province.build(given.counties, root, workers=2)
        print(f"built {given.counties} counties in {time.perf_counter() - started:.0f} s")
    folders = sorted(root.glob("county-*"))
    options = Options(standards=STANDARDS, access=given.access)
    sample = folders[:: max(1, len(folders) // 30)]
    own, hand = single(sample, options), plain_loop(sample)
    print(f"one county, this process: {own:.3f} CPU s; plain pandas loop (7 indicators, CVs only): {hand:.3f} CPU s;"
          f" ratio {hand / own:.2f}")  # fmt: skip
    walls = {}
    for workers in (1, 2):
        found = judged(root, workers, options)
        walls[workers] = found.seconds
        cpu = sum(found.cpu.values()) - found.begun
        half = len(found.peaks) // 2
        print(
            f"{workers} worker(s): {found.seconds:.1f} s, {len(folders) / found.seconds:.2f} counties/s; "
            f"workers' CPU {found.begun:.1f} s to start, "
            f"then {cpu:.1f} s = {len(folders) * workers / cpu:.2f} counties/s on {workers} quiet core(s) "
            f"→ {COUNTRY} counties in {COUNTRY * cpu / len(folders) / workers / 60:.1f} min; "
            f"largest worker {max(found.peaks[:half] or [0]):.0f} MB in the first half, "
            f"{max(found.peaks[half:]):.0f} MB in the second"
        )
    print(f"2 workers against 1: {walls[1] / walls[2]:.2f} × as fast")
    shutil.rmtree(root) if given.counties < 50 else None


if __name__ == "__main__":
    main()
