"""Kill a writer with -9 in the middle of each kind of write, and look whether all is whole: for the test and the bench.

A writer runs in a fork and is killed after a share of the time the write takes when nobody kills it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path

from balance_lib import batch, evaluation
from balance_lib.batch import parts
from balance_lib.data import demo, saving
from balance_lib.data.county import County
from balance_lib.data.intake import bring, workbook
from balance_lib.office import reports, workplan
from balance_lib.office.store import Stamp, Store, folders

OWN = {"county_id": "akqi", "standard_id": "quality_2017"}


@dataclass(frozen=True)
class Write:
    """Name a write, what does it in a folder, and what tells whether the folder is whole."""

    act: Callable[[Path], object]
    faults: Callable[[Path], str]


def prepare(home: Path, demo_dir: Path) -> None:
    """Make a small county, its store and a backup in a folder."""
    county = County.open(demo_dir / "akqi")
    county.save(home / "akqi")
    (home / "a.xlsx").write_bytes(workbook.county_workbook(county))
    store = Store.at(home / "store")
    store.save_scenario("a: 1", name="n", author="甲", county_id="akqi", stamp=Stamp())
    store.backup(home / "b.zip")
    store.close()


def _import(home: Path) -> None:
    bring.bring_in([home / "a.xlsx"], home / "imported" / "new", name="新县")


def _finding(home: Path) -> None:
    county, store = County.open(home / "akqi"), Store.at(home / "store")
    row = {"standard": "quality_2017", "item_id": "Q3", "year": 2020, "finding": "met", "document": f"{time.time()}",
           "unit": None, "recorded_on": date.today().isoformat()}  # fmt: skip
    folders.record_finding(store, home / "akqi", row, seen=county.tables["evidence"], who="甲", stamp=Stamp())


def _ledger(home: Path) -> None:
    county = County.open(home / "akqi")
    rows = workplan.problem_list(evaluation.evaluate(county, "quality_2017"), county)
    Store.at(home / "store").open_ledger(rows, **OWN, who="甲", stamp=Stamp())


def _evidence(home: Path) -> None:
    content = b"%PDF-1.4" + os.urandom(3_000_000)
    Store.at(home / "store").add_evidence("a.pdf", content, who="甲", **OWN, stamp=Stamp())


def _report(home: Path) -> None:
    county = County.open(home / "akqi")
    source = reports.ReportSource(county, evaluation.evaluate(county, "quality_2017"))
    reports.write(home / "papers", source, only=["problems"])


def _batch(home: Path) -> None:
    batch.run(home, home / "province", batch.Options(standards=("basic_2012",)), workers=0)


def _demo(home: Path) -> None:
    demo.build("akqi", home / "demo")


def _restore(home: Path) -> None:
    Store.at(home / "store").restore(home / "b.zip", replace=True)


def _folder(place: Path) -> str:
    with saving.building(place):  # what the next writer does first
        pass
    left = [each.name for each in place.parent.glob(".*") if each.is_dir() and each.name != ".store"]
    if place.exists():
        County.open(place)
    return f"left behind: {left}" if left else ""


def _stored(home: Path) -> str:
    store = Store.at(home / "store")
    try:
        if not store.scenarios("akqi").shape[0]:
            return "a scenario is lost"
        for sha in store.evidence("akqi")["sha256"]:
            store.evidence_bytes(sha)
        entries, told = store.ledger("akqi", "quality_2017"), store.history("akqi")
        opened = set(told[told["action"] == "open"]["subject_id"]) if len(told) else set()
        return "" if set(entries["entry_id"]) <= opened or not len(entries) else "entries without a trail"
    finally:
        store.close()


def _papers(home: Path) -> str:
    for file in (home / "papers").glob("[!.]*"):
        if zipfile.ZipFile(file).testzip():
            return file.name
    return ""


def _province(home: Path) -> str:
    place = home / "province"
    if place.exists():
        batch.ProvinceDataset.open(place).table("verdicts")
    _batch(home)  # goes on where it was
    shutil.rmtree(parts.place(place))  # so that the next one has work to do
    return "" if len(batch.ProvinceDataset.open(place).table("counties")) else "no counties"


WRITES = {
    "import": Write(_import, lambda home: _folder(home / "imported" / "new")),
    "finding": Write(_finding, lambda home: _folder(home / "akqi") or _stored(home)),
    "ledger": Write(_ledger, _stored),
    "evidence": Write(_evidence, _stored),
    "report": Write(_report, _papers),
    "batch": Write(_batch, _province),
    "demo": Write(_demo, lambda home: _folder(home / "demo" / "akqi")),
    "restore": Write(_restore, _stored),
}


def killed(name: str, home: Path, share: float, whole_s: float) -> bool:
    """Begin a write in a fork and kill it after a share of its usual time; tell whether it was still at work."""
    child = _begun(name, home)
    child.join(share * whole_s)
    at_work = child.is_alive()
    if at_work and child.pid is not None:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    return at_work


def _begun(name: str, home: Path) -> BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=_quietly, args=(WRITES[name].act, home))
    child.start()
    return child


def _quietly(act: Callable[[Path], object], home: Path) -> None:
    gc.disable()  # what the tests before left behind belongs to threads that a fork does not have
    with open(os.devnull, "w") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    act(home)


def usual_s(name: str, home: Path) -> float:
    """Return how long a write takes in a fork when nobody kills it; what it wrote stays."""
    begun = time.monotonic()
    child = _begun(name, home)
    child.join(60)
    assert child.exitcode == 0, (name, child.exitcode)
    return time.monotonic() - begun
