"""The demonstration's office: every tab has work in it, the same every time, none of it in a real county's store."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.evaluation import ItemResult
from balance_lib.office import workplan
from balance_lib.office.store import Store, store_of
from balance_lib.office.store.demonstration import _fill, days
from balance_lib.show.widgets import apps
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.running import RunModel
from balance_lib.standards import Standard

COUNTIES = ["wuxi", "huixian", "akqi", "chuzhou", "jiaohe"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def with_office(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANCE_HOME", str(home))
    monkeypatch.delenv("BALANCE_DEMO_STORE", raising=False)
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)


@pytest.mark.parametrize("name", COUNTIES)
def test_a_demonstration_county_has_work_at_several_dates_and_all_of_it_agrees(demo_dir: Path, name: str) -> None:
    county = County.open(demo_dir / name)
    store, plan = store_of(county), str(county.plan)
    ledger = store.ledger(name, plan)
    assert len(ledger) >= 20 and ledger["state"].nunique() >= 2 and (ledger["person"].fillna("") != "").any()
    assert store.task_records(name, plan)["state"].nunique() >= 1
    for journal in workplan.JOURNALS:
        assert len(store.journal(journal, name, plan)) >= 4, journal
    assert len(store.evidence(name, plan)) >= 4
    trail = store.history(name, plan)
    written = {day.date() for day in pd.to_datetime(trail["at"], utc=True)}
    assert written == set(days(county, _plan(county))) and len(written) == 4
    notes = [*store.journal("visits", name, plan)["found"], *store.journal("works", name, plan)["what"]]
    assert all("示例" in str(note) for note in notes), "what is made up says so"
    _agree(county, store)


def _plan(county: County) -> Standard:
    return standards.load(str(county.plan))


def _agree(county: County, store: Store) -> None:
    """A document of next spring was "met" in December's evaluation; a record was done before what must come first."""
    name, standard = county.county_id, _plan(county)
    records = store.task_records(name, standard.id)
    rows = store.ledger(name, standard.id)
    assert standard.plan is not None
    last = days(county, standard)[-1]
    winter = [date(year, 12, 31) for year in county.years if standard.plan.starts <= date(year, 12, 31) < last]
    for on in sorted({*winter, *days(county, standard)}):
        found = workplan.judged(county, standard, on)
        assert found is not None
        tasks = workplan.register_of(county, standard, on, records=records, found=found).tasks.set_index("task")
        judged: dict[str, list[ItemResult]] = {}
        for result in found.items:
            if result.item.same_as is None:
                judged.setdefault(result.item.item_id, []).append(result)
        met = [task for task, results in judged.items() if {r.status for r in results} == {"met"}]
        assert met and set(tasks.loc[met, "status"]) <= {"done", "due_before_adoption"}, on
        done = set(tasks.index[tasks["status"] == "done"])
        waited = {task: {r.status for r in judged.get(task, ()) if r.counts} for task in done}
        assert all(statuses <= {"met", "not_applicable"} for statuses in waited.values()), on
        assert [task for task in done if set(standard.plan.after.get(task, ())) - done] == [], on
    failing = {(r.item.code, r.item.stage) for r in found.with_status("not_met") if r.by_school is None}
    told = workplan.ledger_table(rows, county, standard, last).query("state == 'verified' and school_id == ''")
    against = told[[pair in failing for pair in zip(told["code"], told["stage"], strict=True)]]
    assert (against["closed_word"] == "凭材料验收，数据仍未达标").all()


def test_the_page_of_a_demonstration_county_has_no_empty_tab(demo_dir: Path) -> None:
    page = apps.Workplan(RunModel(Library((demo_dir,)), {"county": "jiaohe"}))
    assert page.problem.value == ""
    shown = []
    for at in range(len(page.tabs.children)):
        page.tabs.selected_index = at
        todo, words = [page.tabs.children[at]], ""
        while todo:
            widget = todo.pop()
            todo += getattr(widget, "children", ())
            words += str(widget.value) if type(widget).__name__ == "HTML" else ""
        shown.append(words)
    for words in shown:
        assert "没有登记" not in words and "台账中没有记录" not in words
    assert "科长（示例）" in shown[4] or "股长（示例）" in shown[4] or "督学（示例）" in shown[4]
    assert "基础教育科" in shown[5] and "第4次报送" in shown[6]


def test_a_real_county_never_meets_the_demonstration_s_work(demo_dir: Path, home: Path, tmp_path: Path) -> None:
    store_of(County.open(demo_dir / "chuzhou"))
    assert Store.default().ledger("chuzhou").empty and Store.default().history().empty
    copy = tmp_path / "chuzhou"
    shutil.copytree(demo_dir / "chuzhou", copy)
    mine = store_of(County.open(copy))  # somebody's own county, though it began as the demonstration
    assert mine.url == Store.default().url and mine.ledger("chuzhou").empty


def test_the_same_office_is_made_every_time(demo_dir: Path, tmp_path: Path) -> None:
    county = County.open(demo_dir / "akqi")
    store = Store.at(tmp_path)
    _fill(store, county)
    made = [each.history("akqi").drop(columns="change_id", errors="ignore") for each in (store, store_of(county))]
    store.close()
    pd.testing.assert_frame_equal(*made)


def test_work_on_the_demonstration_can_be_switched_off(demo_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALANCE_DEMO_STORE", "0")
    assert store_of(County.open(demo_dir / "akqi")).url == Store.default().url


def test_what_is_recorded_in_the_demonstration_stays_there(demo_dir: Path) -> None:
    model = RunModel(Library((demo_dir,)), {"county": "akqi"})
    before = len(model.records)
    task = next(t for t in model.tasks["task"] if t not in set(model.records["task"]))
    model.record(task, state="started", who="测试", due=None, done_on=None, note="")
    assert len(model.records) == before + 1
    assert len(RunModel(Library((demo_dir,)), {"county": "akqi"}).records) == before + 1
    assert Store.default().task_records("akqi", "akqi_2022").empty
