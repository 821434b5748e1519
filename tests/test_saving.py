"""A county folder has one writer at a time, no change is lost in silence, and a killed writer leaves it whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from balance_lib._errors import ChangedError, NotFoundError
from balance_lib.data import saving
from balance_lib.data.county import County
from balance_lib.data.intake import bring
from balance_lib.office.store import ConflictError, Stamp, Store, StoreError, folders
from balance_lib.show.widgets.library import Library
from tests import towns
from tests.serving import TOP

LIST = "学校代码,学校名称,学校类型,在校学生人数\n{id},{id}小学,小学,45\n"


def toy(folder: Path, name: str = "toy") -> Path:
    schools, years = [towns.school("a"), towns.school("b")], [towns.school_year(s, year=2020) for s in ("a", "b")]
    made = towns.county(schools, years)
    return County(name, "玩具县", "Toy", made.tables, meta={"plan": "quality_2017"}).save(folder / name)


def finding(item: str, document: str = "文件", year: int = 2020) -> dict[str, object]:
    return {"standard": "quality_2017", "item_id": item, "year": year, "finding": "met", "document": document,
            "unit": None, "recorded_on": "2026-11-30"}  # fmt: skip


def record(store: Store, folder: Path, row: dict[str, object], seen: pd.DataFrame, who: str = "督导室") -> bool:
    return folders.record_finding(store, folder, row, seen=seen, who=who, stamp=Stamp())


WRITER = """
import sys
from pathlib import Path
from balance_lib.data.county import County
from balance_lib.office.store import Store
from tests.test_saving import finding, record
store, folder, n = Store.at(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
seen = County.open(folder).tables["evidence"]
for at in range(5):
    record(store, folder, finding(f"I{n}-{at}"), seen, who=f"经办{n}")
"""


def python(code: str, *words: object) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(TOP)}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, words)], env=env, stderr=subprocess.PIPE)


def test_four_who_record_at_once_lose_nothing_and_the_trail_names_each(tmp_path: Path) -> None:
    folder, store = toy(tmp_path), Store.at(tmp_path / "store")
    store.upgrade()
    writers = [python(WRITER, tmp_path / "store", folder, n) for n in range(4)]
    for writer in writers:
        assert writer.wait(120) == 0, writer.stderr.read()  # type: ignore[union-attr]
    kept = County.open(folder).tables["evidence"]
    expected = {f"I{n}-{at}" for n in range(4) for at in range(5)}
    assert set(kept["item_id"]) == expected and len(kept) == 20
    told = store.history("toy", kind="finding")
    assert {(who, note.split()[0]) for who, note in zip(told["who"], told["note"], strict=True)} == {
        (f"经办{n}", f"I{n}-{at}") for n in range(4) for at in range(5)
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store", "toy"]


def test_a_finding_changed_since_it_was_seen_is_not_overwritten(tmp_path: Path) -> None:
    folder, store = toy(tmp_path), Store.at(tmp_path / "store")
    seen = County.open(folder).tables["evidence"]
    assert record(store, folder, finding("G1", "批复"), seen, who="甲科") is False
    with pytest.raises(ConflictError, match="甲科"):
        record(store, folder, finding("G1", "意见"), seen, who="乙科")
    assert County.open(folder).tables["evidence"]["document"].tolist() == ["批复"]
    seen = County.open(folder).tables["evidence"]
    assert record(store, folder, finding("G1", "意见"), seen, who="乙科") is True
    told = store.history("toy", kind="finding")
    assert told.loc[told["field"] == "document", ["who", "before", "after"]].to_numpy().tolist() == [
        ["甲科", "", "批复"], ["乙科", "批复", "意见"],
    ]  # fmt: skip
    with pytest.raises(StoreError):
        record(store, folder, finding("G2"), seen, who=" ")
    assert len(County.open(folder).tables["evidence"]) == 1


def test_saving_over_somebody_elses_save_is_refused(tmp_path: Path) -> None:
    folder = toy(tmp_path)
    first, second = County.open(folder), County.open(folder)
    evidence = pd.DataFrame([finding("G1")])
    first.with_tables(evidence=evidence).save(folder)
    with pytest.raises(ChangedError, match="toy"):
        second.with_tables(evidence=evidence.assign(item_id="G2")).save(folder)
    assert County.open(folder).tables["evidence"]["item_id"].tolist() == ["G1"]
    County.open(folder).with_tables(evidence=evidence.assign(item_id="G3")).save(folder)


@pytest.mark.parametrize("stands", [True, False])
def test_two_imports_at_once_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stands: bool) -> None:
    into, done = (toy(tmp_path) if stands else tmp_path / "fresh"), []
    real = bring._joined

    def slow(*given: object) -> object:
        joined = real(*given)  # type: ignore[arg-type]
        if not done:  # another clerk brings another list in while this one is being checked
            done.append("other")
            bring.bring_in({"b.csv": LIST.format(id="2").encode()}, into, year=2023, crs="WGS84", name="县")
        return joined

    monkeypatch.setattr(bring, "_joined", slow)
    with pytest.raises(ChangedError):
        bring.bring_in({"a.csv": LIST.format(id="1").encode()}, into, year=2023, crs="WGS84", name="县")
    schools = County.open(into).tables["schools"]["school_id"].tolist()
    assert "2" in schools and "1" not in schools


SAVER = """
import sys
from pathlib import Path
from balance_lib.data.county import County
folder = Path(sys.argv[1])
print("go", flush=True)
while True:
    county = County.open(folder)
    note = "b" if county.meta.get("note") == "a" else "a"
    schools = county.tables["schools"].assign(note=note)
    from dataclasses import replace
    replace(county.with_tables(schools=schools), meta={**county.meta, "note": note}).save(folder)
"""


def test_a_killed_writer_leaves_the_folder_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    folder, rng = toy(tmp_path), random.Random(7)
    (folder / "relief.tif").write_bytes(b"II*" * 4_000_000)  # a long copy to be killed in
    env = os.environ | {"PYTHONPATH": str(TOP)}
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", SAVER, folder], env=env, stdout=subprocess.PIPE)
        writer.stdout.readline()  # type: ignore[union-attr]
        time.sleep(rng.uniform(0.0, 0.25))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        county = County.open(folder)
        assert set(county.tables["schools"]["note"].fillna("")) <= {county.meta.get("note", "")}  # never two versions
    County.open(folder).save(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]
    assert (folder / "relief.tif").stat().st_size == 12_000_000


def test_a_folder_taken_away_by_a_killed_writer_is_listed_again(tmp_path: Path) -> None:
    folder = toy(tmp_path)
    folder.replace(saving._replaced(folder))  # killed between the two steps
    assert Library((tmp_path,)).folders() == {"toy": folder}
    folder.replace(saving._replaced(folder))
    assert County.open(folder).county_id == "toy"


def test_a_half_copied_demonstration_county_is_never_one_of_ones_own(tmp_path: Path, monkeypatch) -> None:
    import shutil

    library = Library((tmp_path / "own", toy(tmp_path / "ships").parent))

    def dies(source: Path, target: Path, **_: object) -> None:
        Path(target, "county.yaml").write_bytes(Path(source, "county.yaml").read_bytes())
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copytree", dies)
    with pytest.raises(KeyboardInterrupt):
        library.writable("toy")
    monkeypatch.undo()
    assert library.folders()["toy"].parent.name == "ships"
    assert County.open(library.writable("toy")).county_id == "toy"


def test_the_name_typed_names_a_new_county_and_twins_are_told_apart(tmp_path: Path) -> None:
    books = {}
    for folder in ("one", "two"):
        toy(tmp_path, folder)
        books[folder] = folder
    library = Library((tmp_path,))
    assert set(library.names().values()) == {"玩具县（one）", "玩具县（two）"}
    from balance_lib.data.intake import workbook

    content = workbook.county_workbook(County.open(tmp_path / "one"), "zh")
    refused = bring.bring_in({"a.xlsx": content}, tmp_path / "three", name="第三县")
    assert not refused.written and not (tmp_path / "three").exists()  # it would share the ledger of the first
    assert [(f.found, f.params["folder"]) for f in refused.faults if f.severity == "error"] == [("one", "one")]
    done = bring.bring_in({"a.xlsx": content}, tmp_path / "elsewhere" / "three", name="第三县")
    assert done.written, done.faults
    assert Library((tmp_path / "elsewhere",)).names()["three"] == "第三县"
    assert [f.rule for f in done.faults if f.column == "name_zh"] == ["county_name"]


def test_version_changes_with_every_save(tmp_path: Path) -> None:
    folder = toy(tmp_path)
    versions = [saving.version_of(folder)]
    for _ in range(3):
        County.open(folder).save(folder)
        versions.append(saving.version_of(folder))
    assert len(set(versions)) == 4
    assert saving.version_of(tmp_path / "none") == ""
    with pytest.raises(NotFoundError):
        County.open(tmp_path / "none")
