"""Journals of the office: pairs and visits, schedules of places, reports, works; what is overdue, who is behind."""

from __future__ import annotations

import base64
import io
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from typer.testing import CliRunner

from balance_lib import standards, visitor
from balance_lib._errors import DataError, NotFoundError
from balance_lib.cli import app
from balance_lib.data.county import County
from balance_lib.evaluation import evaluate
from balance_lib.office import reports, workplan
from balance_lib.office.store import ConflictError, Stamp, Store, StoreError, role
from balance_lib.office.store.engine import HEAD, _migrate, open_engine, revision
from balance_lib.office.workplan import JOURNALS, PlaceFinder
from balance_lib.office.workplan.places import _shares
from balance_lib.show.widgets import apps
from balance_lib.show.widgets.apps.field_desk import VisitDesk
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.running import RunModel
from tests import towns

STAMP = Stamp("c0ffee", "5tandard", "balance_lib 0")
OWN: dict[str, Any] = {"county_id": "toy", "standard_id": "chuzhou_2011", "who": "创建办", "stamp": STAMP}
EVIL = "=cmd|' /C calc'!A0\0\u202e<img src=x onerror=alert(1)>🏫"
CHUZHOU = standards.load("chuzhou_2011")


def toy() -> County:
    """Return two schools in 马甸镇, which starts first, one in 乙乡, and one name borne twice."""
    rows = [("a", "中心小学", "马甸镇"), ("b", "第二小学", "马甸镇"), ("c", "中心小学", "乙乡")]
    schools = [towns.school(i, name_zh=name, township=town) for i, name, town in rows]
    townships = [{"township": "马甸镇"}, {"township": "乙乡"}]
    years = [towns.school_year(i, year=y) for i in "abc" for y in (2010, 2011)]
    return towns.county(schools, years, townships=townships)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "store")


def write(store: Store, name: str, **values: Any) -> str:
    return store.write_journal(name, values, **OWN)


def pair(store: Store, department: str = "人事科", place: str = "a", **more: Any) -> str:
    kind = "township" if place.endswith(("镇", "乡")) else "school"
    return write(store, "pairings", department=department, place_kind=kind, place=place, **more)


def visit(store: Store, on: date, place: str = "a", **more: Any) -> str:
    own = {"department": "人事科", "place_kind": "school", "place": place, "found": "情况正常"}
    return write(store, "visits", visited_on=on, **{**own, **more})


def pairs_on(store: Store, on: date) -> list[dict[str, Any]]:
    journals = (store.journal(name, "toy", "chuzhou_2011") for name in ("pairings", "visits"))
    return workplan.pair_table(*journals, toy(), on).to_dict("records")


# ---- what the plans say ------------------------------------------------------------------------------------------


def test_chuzhou_asks_for_pairs_and_own_schedules_and_names_no_pair():
    plan = CHUZHOU.plan
    assert plan is not None and plan.pairing == "C-O10" and plan.own_schedules == "C-O2" and plan.reporting is None
    assert CHUZHOU.item("C-O10").lead_unit == "教育局各职能科室"
    asked = {i: standards.load(i).plan for i in ("wuxi_2016", "akqi_2022", "jiaohe_2009", "huixian_2024")}
    found = {i: p.reporting for i, p in asked.items() if p is not None}
    assert found == {"wuxi_2016": "W-O12", "akqi_2022": "M-O9", "jiaohe_2009": "J-O1", "huixian_2024": None}
    assert all(p is not None and p.pairing is None for p in asked.values())


# ---- pairs and visits --------------------------------------------------------------------------------------------


def test_next_visit_follows_from_the_last_one_else_from_the_interval(store):
    pair(store, interval_days=10, since=date(2012, 7, 1))
    (row,) = pairs_on(store, date(2012, 7, 11))
    assert (row["status"], row["next_on"], row["days_late"], row["visits"]) == ("never", date(2012, 7, 11), 0, 0)
    (row,) = pairs_on(store, date(2012, 7, 12))
    assert (row["status"], row["days_late"]) == ("overdue", 1)
    visit(store, date(2012, 7, 12), visitor="科长", next_on=date(2012, 8, 1))
    visit(store, date(2012, 7, 20), found="缺器材")  # names no next date: the interval holds again
    (row,) = pairs_on(store, date(2012, 7, 19))
    assert (row["last_on"], row["next_on"], row["visits"]) == (date(2012, 7, 12), date(2012, 8, 1), 1)
    (row,) = pairs_on(store, date(2012, 8, 1))
    assert (row["next_on"], row["days_late"], row["found"], row["visits"]) == (date(2012, 7, 30), 2, "缺器材", 2)


def test_pair_without_interval_is_never_overdue_and_overdue_ones_come_first(store):
    pair(store, "财务科", "马甸镇")
    pair(store, "基教科", "b", interval_days=7, since=date(2012, 1, 1))
    pair(store)
    visit(store, date(2012, 3, 1))
    found = [(row["department"], row["status"]) for row in pairs_on(store, date(2012, 8, 15))]
    assert found == [("基教科", "overdue"), ("财务科", "never"), ("人事科", "undated")]
    assert [row["place_name"] for row in pairs_on(store, date(2012, 8, 15))] == ["第二小学", "马甸镇", "中心小学"]


def test_visit_points_to_an_entry_that_is_there(store):
    with pytest.raises(NotFoundError):
        visit(store, date(2012, 7, 1), entry_id="nowhere")
    assert store.journal("visits", "toy", "chuzhou_2011").empty


# ---- schedules of places -----------------------------------------------------------------------------------------


def schedule(store: Store) -> pd.DataFrame:
    item = {"place_kind": "school", "place": "a"}
    write(store, "milestones", **item, what="配齐图书", planned_on=date(2012, 3, 1), done_on=date(2012, 2, 20))
    write(store, "milestones", **item, what="建校园网", planned_on=date(2012, 6, 1), weight=3.0)
    own = {"place_kind": "township", "place": "乙乡"}
    write(store, "milestones", **own, what="社区中心", planned_on=date(2012, 3, 1), done_on=date(2012, 5, 1))
    return store.journal("milestones", "toy", "chuzhou_2011")


def test_of_places_as_far_behind_the_one_with_more_late_stands_first(store):
    for place, kind, what in (
        ("乙乡", "township", "社区中心"),
        ("a", "school", "配齐图书"),
        ("a", "school", "建校园网"),
    ):
        write(store, "milestones", place_kind=kind, place=place, what=what, planned_on=date(2012, 3, 1))
    rows = workplan.place_table(store.journal("milestones", "toy", "chuzhou_2011"), toy(), CHUZHOU, date(2012, 7, 1))
    assert list(rows["late"]) == [2, 1] and set(rows["behind"]) == {1.0}


def test_places_are_behind_by_the_weight_of_what_is_late(store):
    rows = workplan.place_table(schedule(store), toy(), CHUZHOU, date(2012, 7, 1))
    first, second = rows.to_dict("records")
    assert (first["place_name"], first["pilot"], first["waits_for"], first["late"]) == ("中心小学", True, "建校园网", 1)
    assert (first["planned_share"], first["actual_share"], first["behind"]) == (1.0, 0.25, 0.75)
    assert (second["place_name"], second["pilot"], second["behind"]) == ("乙乡", False, 0.0)
    items = store.journal("milestones", "toy", "chuzhou_2011")
    before = workplan.place_table(items, toy(), CHUZHOU, date(2012, 3, 1)).set_index("place")
    assert before.loc["乙乡", ["planned_share", "actual_share", "behind"]].tolist() == [1.0, 0.0, 1.0]  # done in May
    assert before.loc["a", "next_due"] == date(2012, 6, 1)


def test_curve_and_pilots_against_the_rest(store):
    items = schedule(store)
    rows = workplan.place_curve(items, date(2012, 5, 1)).set_index("day")
    assert rows.loc[date(2012, 2, 20)].tolist() == [0.0, 0.2]
    assert rows.loc[date(2012, 5, 1)].tolist() == [0.4, 0.4]
    assert rows.loc[date(2012, 6, 1), "planned_share"] == 1.0 and pd.isna(rows.loc[date(2012, 6, 1), "actual_share"])
    found = workplan.pilots_against_rest(items, toy(), CHUZHOU, date(2012, 7, 1))
    assert found.values.tolist() == [[True, 1, 2, 1.0, 0.25], [False, 1, 1, 1.0, 1.0]]
    assert workplan.pilots_against_rest(items, toy(), standards.load("wuxi_2016"), date(2012, 7, 1)).empty


DAYS = st.dates(date(2012, 1, 1), date(2012, 12, 31))


@given(st.lists(st.tuples(DAYS, st.none() | DAYS, st.none() | st.floats(0.1, 9)), min_size=1, max_size=12), DAYS, DAYS)
def test_shares_only_grow_and_stay_shares(items, one, other):
    rows = [{"planned_on": p, "done_on": d, "weight": w} for p, d, w in items]
    early, late = _shares(rows, min(one, other)), _shares(rows, max(one, other))
    assert all(0 <= a <= b + 1e-9 and b <= 1 + 1e-9 for a, b in zip(early, late, strict=True))


def test_reports_are_overdue_by_the_date_they_named(store):
    own = {"reporter": "马甸镇", "achieved": "开工"}
    write(store, "progress_reports", **own, reported_on=date(2012, 6, 1), next_on=date(2012, 6, 8))
    write(store, "progress_reports", reporter="乙乡", achieved="完工", reported_on=date(2012, 6, 2))
    reports = store.journal("progress_reports", "toy", "chuzhou_2011")
    first, second = workplan.report_table(reports, date(2012, 6, 10)).to_dict("records")
    assert (first["reporter"], first["days_late"], first["reports"]) == ("马甸镇", 2, 1)
    assert (second["days_late"], second["next_on"]) == (0, None)
    assert workplan.report_table(reports, date(2012, 5, 1)).empty


def test_works_are_counted_against_two_a_township_and_year(store):
    plan = standards.load("jiaohe_2009")
    for at, (town, year, done) in enumerate([("马甸镇", 2009, date(2009, 12, 1)), ("马甸镇", 2009, None)]):
        write(store, "works", place_kind="township", place=town, what=f"改造{at}", year=year, area_m2=100.0 * (at + 1),
              investment_yuan=None if at else 5e5, done_on=done)  # fmt: skip
    rows = workplan.works_table(store.journal("works", "toy", "chuzhou_2011"), toy(), plan, date(2010, 5, 1))
    found = rows.set_index(["township", "year"])
    assert found.loc[("马甸镇", 2009), ["required", "listed", "done", "short"]].tolist() == [2, 2, 1, 0]
    assert found.loc[("马甸镇", 2009), ["area_m2", "area_done_m2"]].tolist() == [300, 100]
    assert pd.isna(found.loc[("马甸镇", 2009), "investment_yuan"])  # one figure is missing: the sum is not known
    assert found["short"].sum() == 6 and (2011 not in rows["year"].tolist())  # 乙乡 2009, both in 2010


# ---- tables handed in --------------------------------------------------------------------------------------------


def read(name: str, *lines: str, file: str = "表.csv") -> list[dict[str, Any]]:
    return workplan.read_table(JOURNALS[name], [line.split(",") for line in lines], toy(), file=file)


def test_table_is_read_by_names_below_a_title():
    rows = read(
        "pairings", "挂钩联系安排表,,", "School or township,科室（部门）,间隔天数,Since", "马甸,人事科,30,2012年7月5日",
        ",,,", "c,人事科,,2012/7/5",
    )  # fmt: skip
    base = {"department": "人事科", "since": date(2012, 7, 5), "note": ""}
    assert rows == [
        {**base, "place_kind": "township", "place": "马甸镇", "interval_days": 30},
        {**base, "place_kind": "school", "place": "c", "interval_days": None},
    ]


def test_all_faults_of_a_table_are_told_at_once_by_row_and_column():
    with pytest.raises(DataError) as told:
        read(
            "pairings", "学校或乡镇,科室（部门）,间隔天数,起始日期", "中心小学,人事科,0,", "没有的学校,,3.5,2012-02-30",
            "a,人事科,,", "a,人事科,,",
        )  # fmt: skip
    found = {(fault.rule, fault.row, fault.column) for fault in told.value.faults}
    assert found == {
        ("journal_twice", 2, "学校或乡镇"), ("range", 2, "间隔天数"), ("journal_place", 3, "学校或乡镇"),
        ("required", 3, "科室（部门）"), ("range", 3, "间隔天数"), ("date", 3, "起始日期"),
        ("duplicate", 5, "科室（部门）、学校或乡镇"),
    }  # fmt: skip
    assert all(fault.sentence("en") and fault.sentence("zh") for fault in told.value.faults)
    with pytest.raises(DataError) as told:
        read("milestones", "学校或乡镇,备注", "a,x")
    assert {(f.rule, f.column) for f in told.value.faults} == {
        ("missing_column", "工作事项"),
        ("missing_column", "计划完成日期"),
    }
    for empty in ((), ("学校或乡镇,科室（部门）",)):
        with pytest.raises(DataError):
            read("pairings", *empty)


@given(st.lists(st.lists(st.text(max_size=20), max_size=6), max_size=5))
def test_no_table_breaks_the_reader(table):
    head = [["学校或乡镇", "科室（部门）", "间隔天数", "起始日期"]]
    for name in ("pairings", "visits"):
        try:
            rows = workplan.read_table(JOURNALS[name], [*head, *table], TOWN, file="x")
        except DataError as error:
            assert error.faults
        else:
            assert all(row["place"] in ("a", "b", "c", "马甸镇", "乙乡") for row in rows)


TOWN = toy()


def test_places_are_found_by_code_name_or_township():
    places = PlaceFinder(TOWN)
    assert places.find("a") == [("school", "a")] and places.find("第二小学") == [("school", "b")]
    assert places.find("马甸") == places.find("马甸镇") == [("township", "马甸镇")]
    assert len(places.find("中心小学")) == 2 and places.find("马") == []


# ---- the store ---------------------------------------------------------------------------------------------------


def test_row_keeps_its_history_and_the_second_writer_is_told(store):
    row = pair(store, interval_days=10)
    values = {"interval_days": 20}
    store.write_journal("pairings", values, **{**OWN, "who": "甲"}, row_id=row, version=1)
    with pytest.raises(ConflictError) as told:
        store.write_journal("pairings", {"interval_days": 5}, **{**OWN, "who": "乙"}, row_id=row, version=1)
    assert told.value.version == 2 and "甲" in told.value.message("zh")
    with pytest.raises(StoreError) as stands:
        pair(store)
    assert stands.value.rule == "journal_stands"
    history = store.history(subject_id=row).query("field == 'interval_days'")
    assert history[["version", "before", "after"]].values.tolist() == [[1, "", "10"], [2, "10", "20"]]
    found = store.journal("pairings", "toy", "chuzhou_2011").iloc[0]
    assert (found["version"], found["interval_days"], found["county_hash"]) == (2, 20, "c0ffee")


def test_row_taken_off_comes_back_under_its_old_id(store):
    row = pair(store, note="旧")
    store.remove_from_journal("pairings", row, version=1, **OWN)
    assert store.journal("pairings", "toy", "chuzhou_2011").empty
    assert pair(store, note="新") == row
    (found,) = store.journal("pairings", "toy", "chuzhou_2011").to_dict("records")
    assert (found["note"], found["version"]) == ("新", 3)
    assert list(store.history(subject_id=row)["action"].unique()) == ["add", "remove"]


def test_table_brought_in_twice_changes_nothing_and_blanks_overwrite_nothing(store):
    rows = read(
        "milestones", "学校或乡镇,工作事项,计划完成日期,完成日期,备注", "a,建网,2012-06-01,,甲", "b,建网,2012-06-01,,"
    )
    assert store.take_into_journal("milestones", rows, **OWN) == (2, 0, 0)
    assert store.take_into_journal("milestones", rows, **OWN) == (0, 0, 2)
    again = read("milestones", "学校或乡镇,工作事项,计划完成日期,完成日期,备注", "a,建网,2012-06-01,2012-05-20,")
    assert store.take_into_journal("milestones", again, **OWN) == (0, 1, 0)
    found = store.journal("milestones", "toy", "chuzhou_2011").set_index("place")
    assert found.loc["a", "done_on"] == date(2012, 5, 20) and found.loc["a", "note"] == "甲"


def test_hostile_blank_and_foreign_words_are_cleaned_or_refused(store):
    pair(store, EVIL, note=EVIL)
    (found,) = store.journal("pairings", "toy", "chuzhou_2011").to_dict("records")
    assert "\0" not in found["department"] and "\u202e" not in found["note"]
    for values in ({"department": "长" * 200}, {"department": ""}, {"department": "甲", "note": "长" * 501}):
        with pytest.raises(StoreError):
            write(store, "pairings", place_kind="school", place="a", **values)
    with pytest.raises(NotFoundError):
        store.journal("secrets", "toy", "x")


def test_viewer_writes_nothing(store, monkeypatch):
    monkeypatch.setenv(visitor.VARIABLE, visitor.VIEWER)
    with pytest.raises(role.ViewerError):
        pair(store)
    assert not store.exists


def test_store_of_the_version_before_is_brought_up_to_date_with_all_it_holds(tmp_path):
    store = Store.at(tmp_path)
    engine = open_engine(store.url)
    with engine.execution_options(writes=True).begin() as connection:
        _migrate(connection, "0001")
    columns = "entry_id, school_id, code, stage, year, measure, person, lead_unit, state, opened_at, changed_at"
    values = "'e1', 'a', 'C1-1', 'all', 2011, '旧措施', '', '', 'open', '2012-01-01', '2012-01-01'"
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO ledger ({columns}, closed_by, reopened, evidence, county_id, standard_id, county_hash, "
                f"standard_version, software, version) VALUES ({values}, '', 0, 0, 'toy', 's', '', '', '', 4)"
            )
        )
        assert revision(connection) == "0001"
    engine.dispose()
    assert store.ledger("toy")[["measure", "version"]].values.tolist() == [["旧措施", 4]]
    with store.reading() as connection:
        assert revision(connection) == HEAD == "0003"
    row = pair(store)
    counts = store.backup(tmp_path / "b.zip")
    other = Store.at(tmp_path / "other")
    assert other.restore(tmp_path / "b.zip") == counts and counts["pairings"] == counts["ledger"] == 1
    assert other.journal("pairings", "toy", "chuzhou_2011")["row_id"].tolist() == [row]


# ---- page, papers, command ---------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> apps.Workplan:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    for name in ("BALANCE_DATABASE_URL", "BALANCE_ROOT"):
        monkeypatch.delenv(name, raising=False)
    made = toy()
    County("toy", "玩具县", "Toy", made.tables, synthetic=True, meta={"plan": "chuzhou_2011"}).save(tmp_path / "c/toy")
    return apps.Workplan(RunModel(Library((tmp_path / "c",)), {"on": "2012-08-15"}))


def fill(form: Any, **values: Any) -> str:
    form.who.value = "创建办"
    for name, value in values.items():
        form.inputs[name].value = value
    form._guarded(form.save, form.told)
    return str(form.told.value)


def hand_in(form: Any, name: str, content: bytes) -> str:
    now = datetime.now(UTC)
    one = {"name": name, "type": "", "size": len(content), "content": memoryview(content), "last_modified": now}
    form.upload.value = (one,)
    form._guarded(form.take_in, form.told)
    return str(form.told.value)


def test_office_enters_pairs_logs_visits_and_sees_what_is_overdue(page, monkeypatch):
    page.tabs.selected_index = 5
    shown = page.visits.shown
    assert "没有写明哪个科室联系哪所学校" in shown.value and "还没有登记挂钩联系" in shown.value
    form = page.visits.forms["pairings"]
    assert "必填" in fill(form, department="", place="a")
    assert "已保存" in fill(form, department=EVIL[:60], place="a", interval_days="10", since=date(2012, 8, 1))
    assert "1对，超期1对" in shown.value and "<img" not in shown.value and "\u202e" not in shown.value
    log = page.visits.forms["visits"]
    own = {"department": page.model.pairs["department"][0], "place": "a", "visited_on": date(2012, 8, 10)}
    assert "不含电话" in fill(log, **own, found="电话13812345678")
    assert "已保存" in fill(log, **own, found="缺图书", next_on=date(2012, 9, 1))
    assert "超期0对" in shown.value and "缺图书" in shown.value and "2012-09-01" in shown.value
    form.row.value = form.row.options[1][1]
    assert form.inputs["interval_days"].value == "10"
    form.inputs["interval_days"].value = "5"
    form._guarded(form.save, form.told)
    assert page.model.journal("pairings")["interval_days"].tolist() == [5]
    form._guarded(form.take_off, form.told)
    assert "已从" in form.told.value and "（0对" in shown.value
    monkeypatch.setenv(visitor.VARIABLE, visitor.VIEWER)
    looking = VisitDesk(page.model, page._guarded_in_words)
    looking.update()
    assert "缺图书" in looking.shown.value
    form = looking.forms["pairings"]
    assert len(form.children) == 1 and "查看身份" in form.children[0].value


def test_tables_of_the_office_are_taken_whole_or_not_at_all(page):
    page.tabs.selected_index = 6
    form = page.places.forms["milestones"]
    form.who.value = "创建办"
    told = hand_in(form, "进度.csv", "学校或乡镇,工作事项,计划完成日期\na,建网,2012-06-01\nzz,,x\n".encode("gbk"))
    assert told.count("<tr>") == 4 and page.model.journal("milestones").empty  # a head and three faults
    book = openpyxl.Workbook()
    for row in (
        ["学校或乡镇", "工作事项", "计划完成日期"],
        ["a", "=1+1", datetime(2012, 6, 1)],
        ["马甸", "建网", "2012/6/1"],
    ):
        book.active.append(row)
    book.active["B2"].data_type = "s"
    held = io.BytesIO()
    book.save(held)
    assert "新增2条" in hand_in(form, "进度.xlsx", held.getvalue())
    assert "（2个单位，落后2个）" in page.places.shown.value and len(page.places.curve.data) == 2
    assert (
        "journal_sheets" not in hand_in(form, "坏.xlsx", b"PK\x03\x04 cut")
        and len(page.model.journal("milestones")) == 2
    )
    page.model.show_day(date(2012, 5, 1))
    assert "落后0个" in page.places.shown.value
    (content,) = re.findall(r"base64,([^\"]+)", form.children[-1].children[-1].value)
    head = base64.b64decode(content).decode("utf-8-sig").strip().split(",")
    (row,) = workplan.read_table(JOURNALS["milestones"], [head, ["b", "铺跑道", "2012/7/1"]], toy(), file="x")
    assert (row["planned_on"], row["done_on"], row["weight"]) == (date(2012, 7, 1), None, None)


def filled(store: Store) -> dict[str, pd.DataFrame]:
    pair(store, EVIL, interval_days=3, since=date(2012, 1, 1))
    visit(store, date(2012, 7, 1), found=EVIL)
    schedule(store)
    write(store, "progress_reports", reporter="马甸镇", reported_on=date(2012, 6, 1), achieved=EVIL)
    write(store, "works", place_kind="school", place="a", what="教学楼", year=2011, area_m2=1234.5)
    return {name: store.journal(name, "toy", "chuzhou_2011") for name in JOURNALS}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_papers_say_what_the_journals_say_and_what_they_rest_on(store, lang):
    county, journals = toy(), filled(store)
    found = evaluate(county, CHUZHOU, year=2011, codes=["C2-1"])
    register = workplan.register(CHUZHOU, date(2012, 8, 15))
    source = reports.ReportSource(
        county, found, lang=lang, register=register, journals=journals, made_on=date(2012, 8, 15)
    )
    assert {"visits", "progress"} <= set(reports.keys(source))
    assert reports.missing("visits", reports.ReportSource(county, found)) == "journals"
    for key, sheets in (("visits", 3), ("progress", 6)):
        book = openpyxl.load_workbook(io.BytesIO(reports.make(key, source).content))
        assert len(book.worksheets) == sheets
        cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row if cell.value]
        assert not any(cell.data_type == "f" for cell in cells)
        for fact in (county.hash, CHUZHOU.digest):
            assert any(str(cell.value) == fact for cell in cells)
            assert all(fact in sheet.oddFooter.left.text for sheet in book.worksheets)
        assert all("\0" not in str(cell.value) and "\u202e" not in str(cell.value) for cell in cells)
        if key == "progress":
            assert 75 in [cell.value for cell in cells]  # per cent behind, a number


def test_command_tells_pairs_and_laggards(tmp_path, monkeypatch):
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    filled(Store.default())
    made = toy()
    folder = tmp_path / "toy"
    County("toy", "玩具县", "Toy", made.tables, synthetic=True).save(folder)
    line = ["plan", str(folder), "--standard", "chuzhou_2011", "--on", "2012-08-15"]
    told = CliRunner().invoke(app, line)
    assert told.exit_code == 0 and "挂钩联系1对：超期1" in told.output and "落后1个" in told.output
    found = json.loads(CliRunner().invoke(app, [*line, "--json"]).output)
    assert found["pairs"][0]["days_late"] > 100 and found["places"][0]["behind"] == 0.75
    assert found["reports"][0]["reporter"] == "马甸镇" and found["works_by_year"][0]["listed"] == 1
    table = tmp_path / "表.csv"
    take = ["store", "take", "milestones", str(table), str(folder), "--standard", "chuzhou_2011", "--who", "创建办"]
    table.write_text("学校或乡镇,工作事项,计划完成日期,备注\n马甸,铺跑道,2012-9-1,13812345678\n", encoding="utf-8")
    refused = CliRunner().invoke(app, take)
    assert refused.exit_code == 1 and "电话" in refused.output
    table.write_text("学校或乡镇,工作事项,计划完成日期\n马甸,铺跑道,2012-9-1\n", encoding="gbk")
    assert json.loads(CliRunner().invoke(app, [*take, "--json"]).output) == {
        "journal": "milestones",
        "new": 1,
        "changed": 0,
        "same": 0,
    }
    assert CliRunner().invoke(app, ["store", "take", "secrets", *take[3:]]).exit_code == 2
