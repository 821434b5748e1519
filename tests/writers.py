"""Write into one store from many processes at once, as many people at many pages do; started by tests and benchmarks.

``python -m tests.writers URL FOLDER SEED EDITS`` changes entries at random, again and again after a conflict, and
prints one line an edit when it is committed: ``entry_id version``.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from balance_lib.office.store import ConflictError, Stamp, Store

COUNTY, STANDARD = "toy", "quality_2017"


def problems(n: int) -> pd.DataFrame:
    """Return a problem list of n schools."""
    rows = [
        {"school_id": f"S{at:03d}", "code": "L4-primary", "stage": "primary", "year": 2020, "value": 1.0,
         "required": 4.5, "gap": -3.5, "needed": 10.0, "measure": "0", "lead_unit": "教育局", "due": None}
        for at in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def edit(store: Store, ids: Sequence[str], draw: random.Random, who: str) -> tuple[str, int]:
    """Add one to the number in an entry's measure: a lost update would be a number too small."""
    while True:
        entry = store.entry(draw.choice(ids))
        try:
            version = store.act(
                entry.entry_id,
                "edit",
                who=who,
                version=entry.version,
                stamp=Stamp(),
                measure=str(int(entry.measure) + 1),
            )
            return entry.entry_id, version
        except ConflictError:
            continue


def start(url: str, folder: Path, processes: int, edits: int) -> list[subprocess.Popen[str]]:
    """Start processes that each make so many edits."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.writers", url, str(folder), str(seed), str(edits)],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[1],
        )
        for seed in range(processes)
    ]  # fmt: skip


def kill_at_work(processes: Sequence[subprocess.Popen[str]], edits: int) -> int:
    """Kill processes without warning once each has made so many edits; return how many edits were reported in all."""
    reported = 0
    for process in processes:
        assert process.stdout is not None
        reported += sum(bool(process.stdout.readline()) for _ in range(edits))
    for process in processes:
        process.kill()
    return reported + sum(len((process.communicate()[0] or "").splitlines()) for process in processes)


def faults(store: Store) -> list[str]:
    """Return what is wrong with a ledger of edits: numbers lost, versions missing in the history, rows torn."""
    ledger, history = store.ledger(COUNTY, STANDARD), store.history(COUNTY, STANDARD)
    found = []
    for row in ledger.itertuples():
        mine = history[history["subject_id"] == row.entry_id]
        edits = mine[mine["action"] == "edit"]
        if int(row.measure) != len(edits) or row.version != len(edits) + 1:
            found.append(f"{row.entry_id}: {row.measure} counted, version {row.version}, {len(edits)} in the history")
        if list(edits["version"]) != list(range(2, row.version + 1)):
            found.append(f"{row.entry_id}: versions {list(edits['version'])[:9]}")
        chain = list(zip(edits["before"], edits["after"], strict=True))
        if chain != [(str(at), str(at + 1)) for at in range(len(chain))]:
            found.append(f"{row.entry_id}: before and after do not follow each other")
    return found


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Start a PostgreSQL of our own in a folder and yield its address; it listens on a socket in the folder only."""
    home = _postgres_home()
    if home is None:
        raise FileNotFoundError("PostgreSQL is not installed (apt install postgresql)")
    # The server refuses to run as root; the socket's path must be short.
    short = Path(tempfile.mkdtemp(prefix="pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(short, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = short / "data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    control = [*as_user, str(home / "pg_ctl"), "-D", str(data), "-w"]
    options = f"-c listen_addresses= -c unix_socket_directories={short} -c max_connections=60"
    try:
        subprocess.run(
            [*as_user, str(home / "initdb"), "-D", str(data), "-U", "balance", "-A", "trust", "-E", "UTF8"],
            cwd=short, **quiet,
        )  # type: ignore[call-overload]  # fmt: skip
        subprocess.run([*control, "-l", str(short / "log"), "-o", options, "start"], cwd=short, **quiet)  # type: ignore[call-overload]
        try:
            yield f"postgresql://balance@/postgres?host={short}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], cwd=short, **quiet)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(short, ignore_errors=True)


def _postgres_home() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    named = shutil.which("initdb")
    return Path(named).parent if named else None


def main() -> None:
    """Make edits until enough are made."""
    url, folder, seed, edits = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    store, draw = Store(url, folder), random.Random(seed)
    ids = list(store.ledger(COUNTY, STANDARD)["entry_id"])
    for _ in range(edits):
        print(*edit(store, ids, draw, f"writer {seed}"), flush=True)


if __name__ == "__main__":
    main()
