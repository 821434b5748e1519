"""Hold the store's promise to the test in full: 8 processes with 500 edits each, then all of them killed at work.

Run: ``python -m benchmarks.store``. For SQLite and, where it is installed, for a PostgreSQL of our own. It prints edits
a second and every fault found; none is right. The second round kills all writers after a while and looks for torn rows.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from balance_lib.office.store import Stamp, Store
from tests import writers

PROCESSES, EDITS, ENTRIES = 8, 500, 25


def run(url: str, folder: Path) -> None:
    """Run one database through both rounds."""
    store = Store(url, folder)
    store.open_ledger(writers.problems(ENTRIES), writers.COUNTY, writers.STANDARD, who="bench", stamp=Stamp())
    begun = time.perf_counter()
    started = writers.start(store.url, folder, PROCESSES, EDITS)
    codes = [process.wait() for process in started]
    spent = time.perf_counter() - begun
    total = sum(int(number) for number in store.ledger(writers.COUNTY)["measure"])
    print(f"  {total} of {PROCESSES * EDITS} edits in {spent:.1f} s ({total / spent:.0f}/s); exit codes {codes}")
    print(f"  faults: {writers.faults(store) or 'none'}; {len(store.history())} rows of history")
    told = writers.kill_at_work(writers.start(store.url, folder, PROCESSES, 100_000), edits=20)
    after = sum(int(number) for number in store.ledger(writers.COUNTY)["measure"]) - total
    print(f"  SIGKILL: {told} edits were acknowledged, {after} stand; faults: {writers.faults(store) or 'none'}")
    store.close()


def main() -> None:
    """Run SQLite, then PostgreSQL."""
    with tempfile.TemporaryDirectory() as name:
        print("SQLite")
        run(f"sqlite:///{name}/balance.sqlite", Path(name))
    with tempfile.TemporaryDirectory() as name:
        try:
            with writers.postgres(Path(name)) as url:
                print("PostgreSQL")
                run(url, Path(name))
        except FileNotFoundError as error:
            print(error)


if __name__ == "__main__":
    main()
