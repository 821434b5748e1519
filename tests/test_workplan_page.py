"""The page that runs a plan, without a browser: its state, its HTML, its buttons, and names that want to do harm."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from balance_lib import plain
from balance_lib.data.county import County
from balance_lib.office import workplan
from balance_lib.office.store import Stamp, Store
from balance_lib.show.plots import workplan as drawn
from balance_lib.show.widgets import apps, ledger_views, register_views
from balance_lib.show.widgets.gantt import gantt
from balance_lib.show.widgets.library import Library
from balance_lib.show.widgets.running import RunModel
from tests import towns

HOSTILE = "<img src=x onerror=alert(1)>=cmd|' /C calc'!A0\0\u202e🏫" + "长" * 1_000_000


def toy() -> County:
    long = HOSTILE[:100_000]  # a table's reader takes no longer cell
    schools = [towns.school("a", name_zh=long, township=long), towns.school("b")]
    years = [towns.school_year(s, year=y, teachers_backbone=0) for s in ("a", "b") for y in (2016, 2017)]
    made = towns.county(schools, years)
    return County("toy", "玩具县", "Toy", made.tables, synthetic=True, meta={"plan": "quality_2017"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BALANCE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BALANCE_DATABASE_URL", raising=False)
    monkeypatch.delenv("BALANCE_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def library(home: Path) -> Library:
    toy().save(home / "counties" / "toy")
    return Library((home / "counties",))


@pytest.fixture
def demo(home: Path, demo_dir: Path) -> Iterator[Library]:
    yield Library((demo_dir,))


def page(library: Library, **query: str) -> apps.Workplan:
    made = apps.Workplan(RunModel(library, query))
    assert made.problem.value == ""
    return made


def everything(made: Any) -> str:
    """Return all HTML the page shows, every tab looked at."""
    for at in range(len(made.tabs.children)):
        made.tabs.selected_index = at
    found, todo = [], [made]
    while todo:
        widget = todo.pop()
        todo += getattr(widget, "children", ())
        if type(widget).__name__ == "HTML":
            found.append(widget.value)
    return "".join(found)


def give(widget: Any, name: str, content: bytes) -> None:
    now = datetime.now(UTC)
    widget.value = (
        {"name": name, "type": "", "size": len(content), "content": memoryview(content), "last_modified": now},
    )


def press(made: Any, act: Any) -> str:
    made.desk._guarded(act, made.desk.told)
    return str(made.desk.told.value)


# ---- what is shown -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_page_tells_stage_late_and_blocked(demo, lang):
    made = page(demo, county="wuxi", on="2016-12-15", lang=lang)
    stage = {"zh": "第3阶段 整改提高阶段", "en": "Stage 3"}[lang]
    assert stage in made.sentence.value and 'data-status="not_met"' in made.sentence.value
    shown = everything(made)
    assert {"zh": "等待 W-O4、W-O17", "en": "waits for W-O4、W-O17"}[lang] in shown
    assert made.gantt.value.count('class="bl-gantt-row"') == len(made.model.tasks) and len(made.curve.data) == 2
    assert not re.search(r"\bnan\b|\bNone\b|NaT", shown)
    assert made.model.year == 2016 and made.year.value == 2016  # the figures known on that day


def test_day_follows_the_year_until_it_is_chosen(demo):
    model = RunModel(demo, {"county": "wuxi"})
    assert model.on == date(2017, 12, 31)  # the plan is over by the end of school year 2017
    model.choose(year=2016)
    assert model.on == date(2017, 8, 31) and model.register.year == 2016
    model.show_day(date(2016, 12, 15))
    assert (model.on, model.year) == (date(2016, 12, 15), 2016)
    model.choose(county="chuzhou")
    assert model.on == date(2012, 12, 31) and model.standard_id == "chuzhou_2011"
    assert RunModel(demo, {"county": "wuxi", "on": "2016-99-99"}).on == date(2017, 12, 31)


def test_filters_show_what_a_unit_owes(demo):
    made = page(demo, county="akqi", on="2022-06-24")
    made.unit.value = "财政局"  # also what the plan writes 县财政局
    assert "任务（17项）" in made.listed.value and "A2-6" in made.listed.value
    made.status.value = "due_before_adoption"
    assert "任务（10项）" in made.listed.value
    made.unit.value = made.status.value = ""
    assert "任务（117项）" in made.listed.value
    n, left = map(int, re.search(r"有(\d+)项任务的期限早于.*?尚未完成的(\d+)项", made._note()).groups())
    assert n == 18 and left == made.model.register.counts()["due_before_adoption"]  # the number on the card


def test_pages_of_plans_without_stages_or_dates_stand(demo):
    for county in ("jiaohe", "huixian", "chuzhou"):
        shown = everything(page(demo, county=county))
        assert not re.search(r"\bnan\b|\bNone\b|NaT", shown)
    made = page(demo, county="jiaohe", on="2011-03-01")
    assert (
        "86,223" in made.units.value and "10,393万元" in made.units.value and "每年改造薄弱学校2所" in made.units.value
    )
    works = workplan.programme(made.model.standard)
    assert works and "103.93 million yuan" in register_views._works_html(works, made.model.on, 0.0, "en")


def test_page_of_a_day_before_all_figures_speaks_of_dates_alone(demo):
    made = page(demo, county="akqi", on="2010-01-01")
    assert made.model.judged is None and "没有本县数据" in made.stages.value
    assert "没有" in press(made, made.desk._recheck) or made.desk.told.value


# ---- the ledger at its desk --------------------------------------------------------------------------------------


def test_entry_is_led_from_open_to_verified_and_back(library):
    made = page(library)
    desk = made.desk
    assert "请填写经办人" in press(made, desk._fill)
    desk.who.value = "李科"
    n = len(made.model.problems)
    assert f"新立项{n}条" in press(made, desk._fill) and f"已在台账{n}条" in press(made, desk._fill)
    assert len(desk.chosen.options) == n > 1 and desk.seen is not None and desk.seen.version == 1
    row = made.model.ledger().head(1)
    cells, row = ledger_views._ledger_table(row, "zh").split("<td"), row.iloc[0]
    assert f"{row['year']}学年数据" in cells[4] and f"{row['opened_at']:%Y-%m-%d}立项" in cells[6]  # of two days
    assert desk.buttons["verify"].disabled and not desk.buttons["start"].disabled
    desk.person.value, desk.measure.value = "基建科", "新建教学楼"
    assert "开始整改" in press(made, lambda: desk._act("start"))
    assert (desk.seen.state, desk.seen.person, desk.seen.measure) == ("in_progress", "基建科", "新建教学楼")
    give(desk.upload, "验收.exe", b"MZ")
    assert "不是可收的佐证材料" in press(made, desk._attach) and desk.seen.evidence == 0
    give(desk.upload, "验收.pdf", b"%PDF-1.4")
    assert "已保存佐证" in press(made, desk._attach) and desk.seen.evidence == 1
    assert base64.b64encode(b"%PDF-1.4").decode() in desk.files.value
    for action in ("submit", "verify"):
        press(made, lambda taken=action: desk._act(taken))
    assert desk.seen.state == "verified" and desk.seen.closed_by == "evidence"
    assert "必须写明理由" in press(made, lambda: desk._act("reopen"))
    desk.note.value = "复查不实"
    press(made, lambda: desk._act("reopen"))
    assert desk.seen.state == "open" and desk.seen.reopened == 1
    for word in ("立项", "开始整改", "上传佐证", "报请验收", "验收销号", "重新立项", "复查不实", "新建教学楼"):
        assert word in desk.trail.value


def test_two_viewers_change_one_entry_and_the_second_is_told(library):
    first, second = (page(library, lang=lang) for lang in ("zh", "en"))
    first.desk.who.value, second.desk.who.value = "甲科", "乙科"
    press(first, first.desk._fill)
    second.model.renew()
    second.desk.chosen.value = first.desk.chosen.value
    first.desk.measure.value = "甲的措施"
    press(first, lambda: first.desk._act("edit"))
    second.desk.measure.value = "乙的措施"
    told = press(second, lambda: second.desk._act("edit"))
    assert "甲科 changed this" in told and 'data-kind="error"' in told
    assert second.desk.seen is not None and second.desk.seen.measure == "甲的措施"  # and now sees what stands
    assert second.desk.measure.value == "甲的措施"


def test_progress_is_recorded_and_shows_at_once(demo):
    made = page(demo, county="wuxi", on="2016-12-15")
    made.task.value = "W-O4"
    made.state.value, made.who.value, made.done_on.value = "done", "李科", date(2016, 11, 28)
    made._guarded_in_words(made._record)
    assert "已登记任务W-O4" in made.recorded.value
    row = made.model.register.tasks.set_index("task")
    assert row.loc["W-O4", "status"] == "done" and row.loc["W-O5", "blocked_by"] == "W-O17"
    made.task.value = "W-O17"
    made.state.value = "blocked"
    made._guarded_in_words(made._record)
    assert "必须写明原因" in made.recorded.value


# ---- downloads ---------------------------------------------------------------------------------------------------


def files(html: str) -> dict[str, bytes]:
    found = re.findall(r'download="([^"]+)" href="data:[^;]+;base64,([^"]*)"', html)
    return {name: base64.b64decode(content) for name, content in found}


def test_tables_to_download_say_what_they_rest_on(demo):
    made = page(demo, county="akqi", on="2022-06-24")
    made.desk.who.value = "李科"
    press(made, made.desk._fill)
    made._guarded_in_words(made._make_exports, made.export)
    found = files(made.export.value)
    assert {name.rsplit("-", 1)[1] for name in found} == {
        f"{name}.csv" for name in ("register", "schedule", "units", "problems", "ledger", "history")
    }
    for content in found.values():
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
        assert rows and all(row["县数据版本"] and row["方案版本"] and row["软件版本"] for row in rows)
    (register,) = (content for name, content in found.items() if "register" in name)
    rows = list(csv.DictReader(io.StringIO(register.decode("utf-8-sig"))))
    assert len(rows) == 117 and sum(row["状态"] == "期限早于方案印发" for row in rows) == 18


def test_papers_are_made_as_of_the_day(demo):
    made = page(demo, county="akqi", on="2022-06-24")
    made.tabs.selected_index = 7
    offered = [key for _, key in made.paper.options]
    assert {"problems", "matrix", "schedule"} <= set(offered) and "ledger" not in offered
    made.paper.value = "matrix"
    made._guarded_in_words(made._make_paper, made.made)
    ((name, content),) = files(made.made.value).items()
    assert name.endswith(".xlsx") and content.startswith(b"PK")


# ---- names that want to do harm ----------------------------------------------------------------------------------


def test_hostile_names_come_out_harmless(library, home):
    made = page(library)
    made.desk.who.value = HOSTILE[:30]
    press(made, made.desk._fill)
    given = b"%PDF-1.4"
    give(made.desk.upload, "<b>\u202efdp.exe\0\"'>.pdf", given)
    press(made, made.desk._attach)
    shown = everything(made)
    assert "&lt;img src=x" in shown and "<img" not in shown
    assert "\0" not in shown and "\u202e" not in shown and len(shown) < 600_000
    made._guarded_in_words(made._make_exports, made.export)
    assert made.problem.value == ""
    for content in files(made.export.value).values():
        for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))):
            assert not any(re.match(r"\s*[=+@]|\s*-\D", cell) for cell in row)
            assert all(len(cell) <= 32_100 for cell in row)
    stored = Store.default().history("toy")
    assert not stored["who"].str.contains("\0", regex=False).any()


def test_gantt_takes_names_for_words(demo):
    found = RunModel(demo, {"county": "wuxi", "on": "2016-12-15"}).register
    tasks = found.tasks.assign(label_zh=HOSTILE, label_en=HOSTILE, lead_unit=HOSTILE, group=HOSTILE[:40])
    written = gantt(tasks, found.stages, found.on, "zh")
    assert "<img" not in written and "\0" not in written and "\u202e" not in written and len(written) < 200_000


@pytest.mark.parametrize("county", ["wuxi", "huixian", "akqi", "chuzhou", "jiaohe"])
def test_gantt_shows_every_task_in_groups_that_fold(demo, county):
    found = RunModel(demo, {"county": county}).register
    shown = gantt(found.tasks, found.stages, found.on, "zh")
    rows = re.findall(r'class="bl-gantt-name"><b>([^<]+)</b>', shown)
    assert sorted(rows) == sorted(found.tasks["task"]), "no task is left out"
    heads = re.findall(r"<details( open)?>\s*<summary>", shown)
    warning = found.tasks["status"].isin(["late", "blocked"]).groupby(found.tasks["group"]).any()
    assert len(heads) == found.tasks["group"].nunique() and sum(map(bool, heads)) == int(warning.sum())
    assert shown.count("<s ") == int(found.tasks["due"].notna().sum())
    points = shown.count('class="bl-point"')
    short = [r.starts is None or r.starts >= r.due for r in found.tasks.itertuples() if r.due is not None]
    assert points == sum(short)


def test_gantt_bar_lies_where_its_days_are(demo):
    found = RunModel(demo, {"county": "wuxi", "on": "2016-12-15"}).register
    one = found.tasks[found.tasks["task"] == "W-O1"]  # all of October 2016
    shown = gantt(one, found.stages, found.on, "zh")
    first, last = date(2016, 10, 1), date(2017, 12, 31)  # of the plan
    days = (last - first).days + 1
    (bar,) = re.findall(r'<s [^>]*style="left:([\d.]+)%;width:([\d.]+)%"', shown)
    assert [float(x) for x in bar] == pytest.approx([0, 100 * 31 / days], abs=0.02)
    (today,) = set(re.findall(r'<b style="left:([\d.]+)%"', shown))
    assert float(today) == pytest.approx(100 * (found.on - first).days / days, abs=0.01)


def test_progress_of_a_plan_without_dates_says_why_there_is_none(demo):
    model = RunModel(demo, {"county": "huixian"})
    figure = drawn.progress(model.curve, model.on, lang="zh")
    assert not figure.data and not figure.layout.xaxis.visible
    assert "没有写明期限" in figure.layout.annotations[0].text


def test_progress_over_a_day_or_two_names_no_day_twice():
    days = [date(2024, 12, 30), date(2024, 12, 31)]
    rows = pd.DataFrame({"day": days, "planned_share": [0.0, 1.0], "actual_share": [0.0, 0.5]})
    figure = drawn.progress(rows, days[1])
    first, last = (date.fromisoformat(day) for day in figure.layout.xaxis.range)
    assert (last - first).days >= 60


def test_months_read_as_people_of_the_language_write_them(demo):
    model = RunModel(demo, {"county": "wuxi", "on": "2016-12-15"})
    for lang, month in (("zh", "%Y年%-m月"), ("en", "%b %Y")):
        figure = drawn.progress(model.curve, model.on, lang=lang)
        (stop,) = (s for s in figure.layout.xaxis.tickformatstops if s.dtickrange == ("M1", "M12"))
        assert stop.value == month


def test_table_of_units_shows_no_empty_columns(demo):
    found = RunModel(demo, {"county": "akqi", "on": "2022-06-24"}).register
    shown = register_views._unit_table(found.units, "zh")
    assert "期限早于方案印发" in shown and "受阻" not in shown


def test_csv_leaves_out_nothing_but_unnamed_columns():
    rows = pd.DataFrame({"task": ["=1+1"], "due": [date(2020, 1, 2)], "secret": [1], "impossible": [True]})
    content = register_views.csv(rows, "en", Stamp("h", "v", "s"), on=date(2020, 1, 1), synthetic=True)
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert row["task_id"] == "'=1+1" and row["due"] == "2020-01-02" and row["impossible"] == "yes"
    assert "secret" not in row and row["county_hash"] == "h" and row["as_of"] == "2020-01-01"


def test_one_writer_makes_every_table_harmless():
    rows = pd.DataFrame({"=head": ["=1+1", "@x"], "学校": ["一小", None], "n": [1.5, float("nan")], "d": [-3, 4]})
    assert plain.as_csv(rows) == "\ufeff'=head,学校,n,d\r\n'=1+1,一小,1.5,-3\r\n'@x,,,4\r\n".encode()
    assert plain.as_csv(rows.head(0)) == "\ufeff'=head,学校,n,d\r\n".encode()


def test_index_has_a_card_with_a_live_figure(library):
    from balance_lib.show.widgets.models import PageModel

    shown = apps.Index(PageModel(library)).cards.value
    assert "workplan.ipynb" in shown


def test_page_of_no_county_says_so(home):
    made = apps.Workplan(RunModel(Library((home / "none",))))
    assert "还没有县的数据" in made.problem.value
