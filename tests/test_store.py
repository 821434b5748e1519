"""The store: nothing lost, nothing torn, nothing overwritten, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text
from sqlalchemy.engine import MappingResult
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from balance_lib import standards
from balance_lib._errors import NotFoundError
from balance_lib.cli import app
from balance_lib.office.store import ConflictError, Stamp, Store, StoreError, trail
from balance_lib.office.store.backup import NAMES
from balance_lib.office.store.engine import HEAD
from balance_lib.office.store.place import folder, url
from balance_lib.office.workplan import LifeCycleError
from tests import towns, writers

STAMP = Stamp("c0ffee", "5tandard", "balance_lib 0")
OWN = {"county_id": writers.COUNTY, "standard_id": writers.STANDARD}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with writers.postgres(tmp_path_factory.mktemp("pg")) as address:
            yield address
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        made = Store.at(tmp_path / "store")
    else:
        made = Store(request.getfixturevalue("server"), tmp_path / "store")
        made.upgrade()
        with made.writing() as connection:
            connection.execute(text("ALTER TABLE changes DISABLE TRIGGER USER"))
            connection.execute(text(f"TRUNCATE {', '.join(NAMES)} RESTART IDENTITY"))
            connection.execute(text("ALTER TABLE changes ENABLE TRIGGER USER"))
    yield made
    made.close()


def opened(store: Store, n: int = 2) -> list[str]:
    store.open_ledger(writers.problems(n), **OWN, who="甲", stamp=STAMP)
    return list(store.ledger(writers.COUNTY)["entry_id"])


def act(store: Store, entry_id: str, action: str, **more: Any) -> int:
    return store.act(entry_id, action, who="乙", version=store.entry(entry_id).version, stamp=STAMP, **more)


# ---- where it stands ---------------------------------------------------------------------------------------------


def test_store_stands_in_the_users_folder_and_reading_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    store = Store.default()
    assert folder() == tmp_path / ".store"
    assert store.ledger("x").empty and store.scenarios("x").empty and store.history().empty
    assert store.task_records("x", "y").empty and store.evidence("x").empty
    with pytest.raises(NotFoundError):
        store.scenario("abc")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("BALANCE_DATABASE_URL", "postgres://u@h/d")
    assert url() == "postgresql+psycopg://u@h/d"
    assert url(tmp_path) == f"sqlite:///{tmp_path}/balance.sqlite"


def test_sqlite_keeps_a_log_beside_the_file_and_waits_its_turn(tmp_path):
    store = Store.at(tmp_path)
    opened(store)
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL: what is said to be saved is
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() >= 30_000


def test_database_that_cannot_be_reached_is_said_without_its_address(tmp_path):
    with pytest.raises(StoreError) as told:
        Store("postgresql://balance:secret@127.0.0.1:1/none", tmp_path).ledger("toy")
    assert told.value.rule == "unreachable" and "secret" not in told.value.message("en")


# ---- ledger and history ------------------------------------------------------------------------------------------


def test_every_change_says_who_before_after_and_what_it_rests_on(store):
    first, _ = opened(store)
    act(store, first, "start", person="基建科", due=date(2021, 5, 1))
    rows = store.history(subject_id=first).query("version == 2").set_index("field")
    assert set(rows.index) == {"person", "due", "state"}
    assert rows.loc["state", ["before", "after"]].tolist() == ["open", "in_progress"]
    assert rows.loc["due", ["before", "after"]].tolist() == ["", "2021-05-01"]
    assert set(rows["who"]) == {"乙"} and set(rows["action"]) == {"start"}
    for name, value in vars(STAMP).items():
        assert set(rows[name]) == {value} and set(store.ledger(writers.COUNTY)[name]) == {value}


def test_second_writer_is_told_who_was_first_and_overwrites_nothing(store):
    first, _ = opened(store)
    store.act(first, "edit", who="甲科", version=1, stamp=STAMP, measure="新建")
    with pytest.raises(ConflictError) as told:
        store.act(first, "edit", who="乙科", version=1, stamp=STAMP, measure="租用")
    assert told.value.version == 2
    assert "甲科" in told.value.message("zh") and "第2版" in told.value.message("zh")
    assert "甲科 changed this" in told.value.message("en")
    assert store.entry(first).measure == "新建"
    assert "租用" not in set(store.history()["after"])


def test_forbidden_step_writes_nothing(store):
    first, _ = opened(store)
    before = len(store.history())
    with pytest.raises(LifeCycleError):
        act(store, first, "verify")
    with pytest.raises(StoreError):
        store.act(first, "start", who=" \u202e", version=1, stamp=STAMP)
    assert store.entry(first).version == 1 and len(store.history()) == before


def test_a_first_record_written_at_the_same_moment_is_a_conflict(store, monkeypatch):
    """Two people record the same task for the first time; the second looked before the first had written."""
    store.record_task(**OWN, task="C1", state="started", who="甲", version=0, stamp=STAMP)
    looked = []

    def unseen(row: Any) -> Any:
        looked.append(row)
        return None if len(looked) == 1 else row

    real = MappingResult.first
    monkeypatch.setattr(MappingResult, "first", lambda self: unseen(real(self)))
    with pytest.raises(ConflictError) as told:
        store.record_task(**OWN, task="C1", state="done", who="乙", version=0, stamp=STAMP)
    assert told.value.version == 1 and "甲" in told.value.message()
    assert store.task_records(**OWN)["state"].tolist() == ["started"]


def test_same_problem_is_opened_once(store):
    assert store.open_ledger(writers.problems(3), **OWN, who="甲", stamp=STAMP) == (3, 0)
    assert store.open_ledger(writers.problems(4), **OWN, who="乙", stamp=STAMP) == (1, 3)
    assert len(store.ledger(writers.COUNTY)) == 4
    assert len(store.history(kind="ledger").drop_duplicates("subject_id")) == 4


@pytest.mark.parametrize("attack", ["UPDATE changes SET who = 'x'", "DELETE FROM changes"])
def test_database_itself_refuses_to_rewrite_history(store, attack):
    opened(store)
    with pytest.raises(DBAPIError, match="never rewritten"), store.writing() as connection:
        connection.execute(text(attack))
    assert "x" not in set(store.history()["who"]) and len(store.history())


@pytest.mark.parametrize("new_id", ["change_id", "change_id + 1000"])
def test_database_itself_refuses_rows_in_the_place_of_others(store, new_id):
    opened(store)
    before = store.history()
    names = ", ".join(trail.COLUMNS)
    told = names.replace("who", "'x'", 1)
    attack = f"INSERT OR REPLACE INTO changes (change_id, {names}) SELECT {new_id}, {told} FROM changes"
    attack = attack if store.url.startswith("sqlite") else "TRUNCATE changes"
    with pytest.raises(DBAPIError, match="never rewritten"), store.writing() as connection:
        connection.execute(text(attack))
    assert store.history().equals(before)


def test_hostile_text_is_cleaned_or_refused(store):
    first, _ = opened(store)
    act(store, first, "edit", measure="=cmd|' /C calc'!A0\0\u202e🏫", person="\u200f李\x07科")
    entry = store.entry(first)
    assert entry.measure == "=cmd|' /C calc'!A0🏫" and entry.person == "李科"
    with pytest.raises(StoreError) as told:
        act(store, first, "edit", measure="长" * 1_000_000)
    assert "500" in told.value.message("en")
    assert store.entry(first).version == 2


# ---- evidence ----------------------------------------------------------------------------------------------------


def office(kind: str, *more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("[Content_Types].xml", f"{kind}/document.xml", *more):
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.exe", b"MZ", "evidence_kind"),
        ("a.pdf", b"", "evidence_empty"),
        ("a.pdf", b"MZ\x90 not a pdf", "evidence_content"),
        ("a.png", b"%PDF-1.7", "evidence_content"),
        ("a.docx", office("xl"), "evidence_content"),
        ("a.docx", office("word", "word/vbaProject.bin"), "evidence_content"),
        ("a.xlsx", b"PK\x03\x04 cut off", "evidence_content"),
        ("a.pdf", b"%PDF-" + bytes(21 * 1024**2), "evidence_size"),
        ("noname", b"%PDF-", "evidence_kind"),
    ],
)
def test_evidence_is_checked_by_size_kind_and_content(tmp_path, name, content, rule):
    store = Store.at(tmp_path)
    with pytest.raises(StoreError) as told:
        store.add_evidence(name, content, who="甲", **OWN, stamp=STAMP)
    assert told.value.rule == rule
    assert not (tmp_path / "evidence").exists()


def test_evidence_stands_once_by_its_hash_and_damage_is_noticed(store):
    first, second = opened(store)
    content = office("word")
    shas = {
        store.add_evidence(n, content, who="甲", **OWN, entry_id=e, stamp=STAMP)
        for n, e in ((r"C:\用户\验收\u202e.docx", first), ("../../etc/验收.DOCX", second))
    }
    assert len(shas) == 1 and len(list((store.folder / "evidence").rglob("*"))) == 2  # one folder, one file
    (sha,) = shas
    assert store.evidence_bytes(sha) == content
    listed = store.evidence(writers.COUNTY)
    assert len(listed) == 2 and not any("/" in n or "用户" in n for n in listed["name"])
    assert store.entry(first).evidence == 1
    (store.folder / "evidence" / sha[:2] / sha).write_bytes(b"other")
    with pytest.raises(StoreError, match=sha[:12]):
        store.evidence_bytes(sha)
    with pytest.raises(NotFoundError):
        store.evidence_bytes("../../../etc/passwd")


# ---- scenarios and task records ----------------------------------------------------------------------------------


def test_scenario_comes_back_by_its_id_letter_by_letter(store):
    yaml = "name: 撤并一\noperations:\n- close: X1 # 🏫\n"
    sid = store.save_scenario(yaml, name="撤并一", author="李", county_id="toy", stamp=STAMP)
    found = store.scenario(sid)
    assert (found.yaml, found.name, found.author, found.version, found.county_hash) == (
        yaml,
        "撤并一",
        "李",
        1,
        "c0ffee",
    )
    assert found.created_at.tzinfo is not None
    again = {"author": "王", "county_id": "toy", "stamp": STAMP, "scenario_id": sid}
    store.save_scenario("b: 2\n", name="撤并二", version=1, **again)
    with pytest.raises(ConflictError):
        store.save_scenario("c: 3\n", name="撤并三", version=1, **again)
    assert store.scenario(sid).yaml == "b: 2\n"
    assert store.scenarios("toy")["name"].tolist() == ["撤并二"] and store.scenarios("other").empty
    store.remove_scenario(sid, version=2, author="王", stamp=STAMP)
    with pytest.raises(NotFoundError):
        store.scenario(sid)
    assert yaml in set(store.history(subject_id=sid)["after"])
    with pytest.raises(StoreError):
        store.save_scenario("a\0b", name="x", author="y", county_id="toy", stamp=STAMP)


def test_task_record_needs_a_reason_to_be_blocked_and_keeps_its_turns(store):
    own = {**OWN, "task": "A1-2", "stamp": STAMP}
    with pytest.raises(StoreError):
        store.record_task(**own, state="blocked", who="甲", version=0)
    assert store.record_task(**own, state="blocked", who="甲", version=0, note="土地未批") == 1
    with pytest.raises(ConflictError):
        store.record_task(**own, state="started", who="乙", version=0)
    assert store.record_task(**own, state="done", who="乙", version=1, done_on=date(2022, 9, 1)) == 2
    (row,) = store.task_records(**OWN).to_dict("records")
    assert (row["state"], row["done_on"], row["version"]) == ("done", date(2022, 9, 1), 2)


def test_journal_row_is_written_once_changed_in_turn_and_comes_back(store):
    own = {**OWN, "who": "甲", "stamp": STAMP}
    key = {"department": "人事科", "place_kind": "school", "place": "a"}
    row = store.write_journal("visits", {**key, "visited_on": date(2012, 7, 1), "found": "一"}, **own)
    with pytest.raises(StoreError):
        store.write_journal("visits", {**key, "visited_on": date(2012, 7, 1), "found": "二"}, **own)
    store.write_journal("visits", {"next_on": date(2012, 8, 1)}, **own, row_id=row, version=1)
    with pytest.raises(ConflictError):
        store.remove_from_journal("visits", row, **own, version=1)
    store.remove_from_journal("visits", row, **own, version=2)
    rows = [{**key, "visited_on": date(2012, 7, day), "found": "三"} for day in (1, 2)]
    assert store.take_into_journal("visits", rows, **own) == (2, 0, 0)
    found = store.journal("visits", **OWN)
    assert sorted(found["version"]) == [1, 4] and row in set(found["row_id"])
    assert list(store.history(subject_id=row)["action"].unique()) == ["add", "edit", "remove"]


# ---- many at once ------------------------------------------------------------------------------------------------


def test_many_processes_lose_nothing_and_killed_ones_tear_nothing(store, tmp_path):
    opened(store, 5)
    codes = [process.wait() for process in writers.start(store.url, tmp_path, 3, 25)]
    assert codes == [0, 0, 0]
    assert sum(map(int, store.ledger(writers.COUNTY)["measure"])) == 75
    assert writers.faults(store) == []
    told = writers.kill_at_work(writers.start(store.url, tmp_path, 2, 100_000), edits=4)
    more = sum(map(int, store.ledger(writers.COUNTY)["measure"])) - 75
    assert told <= more <= told + 2  # at most the one edit each had committed and not yet told
    assert writers.faults(store) == []


def test_lost_update_would_be_seen(tmp_path):
    store = Store.at(tmp_path)
    first, _ = opened(store)
    with store.writing() as connection:
        connection.execute(text("UPDATE ledger SET measure = '7' WHERE entry_id = :one"), {"one": first})
    assert writers.faults(store)


# ---- migrations, backup ------------------------------------------------------------------------------------------


def test_migrations_make_exactly_the_tables_the_software_uses(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from balance_lib.office.store.models import StoreBase

    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, StoreBase.metadata) == []
        assert context.get_current_revision() == HEAD
    assert store.upgrade() is False


def test_head_is_the_last_migration(root):
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(root / "balance_lib" / "office" / "store" / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_newer_database_is_left_alone(tmp_path):
    store = Store.at(tmp_path)
    opened(store)
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="9999"):
        Store.at(tmp_path).ledger("x")


def test_backup_goes_from_one_database_into_another(store, tmp_path):
    first, _ = opened(store)
    sha = store.add_evidence("验收.pdf", b"%PDF-1.4", who="甲", **OWN, entry_id=first, stamp=STAMP)
    store.save_scenario("a: 1\n", name="一", author="李", county_id="toy", stamp=STAMP)
    counts = store.backup(tmp_path / "b.zip")
    other = Store.at(tmp_path / "other")
    assert other.restore(tmp_path / "b.zip") == counts
    for table in ("ledger", "evidence", "scenarios"):
        pd.testing.assert_frame_equal(getattr(other, table)("toy"), getattr(store, table)("toy"))
    pd.testing.assert_frame_equal(other.history(), store.history())
    assert other.evidence_bytes(sha) == b"%PDF-1.4"
    with pytest.raises(StoreError) as told:
        store.restore(tmp_path / "b.zip")
    assert told.value.rule == "not_empty"
    act(store, first, "edit", measure="later")
    assert store.restore(tmp_path / "b.zip", replace=True) == counts
    assert store.entry(first).measure == "0"
    act(store, first, "edit", measure="1")  # the trail counts on from where the backup ended


@pytest.mark.parametrize("damage", ["not a zip", "no head", "cut table", "changed file"])
def test_damaged_backup_changes_nothing(tmp_path, damage):
    store = Store.at(tmp_path / "a")
    first, _ = opened(store)
    store.add_evidence("验收.pdf", b"%PDF-1.4", who="甲", **OWN, entry_id=first, stamp=STAMP)
    store.backup(tmp_path / "good.zip")
    bad = tmp_path / "bad.zip"
    if damage == "not a zip":
        bad.write_bytes(b"PK\x03\x04...")
    else:
        with zipfile.ZipFile(tmp_path / "good.zip") as good, zipfile.ZipFile(bad, "w") as new:
            for name in good.namelist():
                content = good.read(name)
                if damage == "no head" and name == "store.json":
                    continue
                if damage == "cut table" and name == "tables/changes.jsonl":
                    content = content[: content.index(b"\n") + 1]
                if damage == "changed file" and name.startswith("evidence/"):
                    content += b"!"
                new.writestr(name, content)
    before = store.history()
    with pytest.raises(StoreError):
        store.restore(bad, replace=True)
    pd.testing.assert_frame_equal(store.history(), before)


def test_commands_back_up_and_restore(tmp_path, monkeypatch):
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    opened(Store.default())
    run = CliRunner()
    file = str(tmp_path / "b.zip")
    assert run.invoke(app, ["store", "backup", file]).exit_code == 0
    refused = run.invoke(app, ["store", "restore", file, "--lang", "en"])
    assert refused.exit_code == 1 and "--replace" in refused.output
    done = run.invoke(app, ["store", "restore", file, "--replace", "--json"])
    assert done.exit_code == 0 and '"ledger": 2' in done.output
    assert run.invoke(app, ["store", "upgrade"]).output.strip() == "数据库已是最新。"


# ---- what a record rests on --------------------------------------------------------------------------------------


def test_stamp_changes_with_the_data_and_with_the_standard():
    one, other = standards.load("basic_2012"), standards.load("quality_2017")
    assert one.digest != other.digest
    county = towns.county([towns.school("a")], [towns.school_year("a")])
    changed = towns.county([towns.school("a")], [towns.school_year("a", pupils=101)])
    assert Stamp.of(county, one) != Stamp.of(changed, one)


def test_evidence_folder_is_the_owners_alone(tmp_path):
    if os.name != "posix":
        pytest.skip("folder modes are a matter of POSIX systems")
    store = Store.at(tmp_path / "s")
    store.add_evidence("a.pdf", b"%PDF-1", who="甲", **OWN, stamp=STAMP)
    assert (tmp_path / "s" / "evidence").stat().st_mode & 0o077 == 0
