"""Fill the office of a demonstration county: ledger, visits, schedules, reports, works and evidence at several dates.

What is written is made up, the same every time, and stands in a store of its own: a real county's store never holds a
row of it, and work done on the demonstration stays there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.office import workplan
from balance_lib.office.store import place, trail
from balance_lib.office.store.stamp import Stamp
from balance_lib.office.store.store import Store
from balance_lib.shipped import shipped
from balance_lib.standards import Standard

# Set to 0 where nobody wants made-up office work beside the demonstration counties.
VARIABLE = "BALANCE_DEMO_STORE"
FOLDER = "demonstration"
PARTS = (0.3, 0.55, 0.8, 1.0)  # of the plan's days: when somebody sat down and wrote
OFFICE, LINES = "创建办公室（示例）", 24
DEPARTMENTS = ("基础教育科", "计划财务科", "人事科", "督导室", "学校安全科", "电化教育中心")
POSTS = ("科长", "副科长", "股长", "督学")
WORKS = ("功能室改造", "操场改造", "教学楼维修", "厕所改造", "食堂改扩建")
ITEMS = ("自查并建立问题清单", "配齐教学仪器和图书", "改造功能室", "整理档案资料")


def store_of(county: County) -> Store:
    """Return where a county's office work is kept: a demonstration county as shipped has a store of its own.

    A copy somebody changed is that person's county; its work stands in the store the environment names.
    """
    if os.environ.get(VARIABLE) == "0" or not _shipped(county):
        return Store.default()
    target = place.folder() / FOLDER / f"{county.county_id}-{county.hash[:12]}"
    if not target.is_dir():
        _build(county, target)
    return Store.at(target) if target.is_dir() else Store.default()


def _shipped(county: County) -> bool:
    return bool(county.synthetic and county.path and county.path.resolve().parent == shipped("demo").resolve())


def _build(county: County, target: Path) -> None:
    """Write the store beside its place and move it there whole; where nothing can be written there is none."""
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=".making-"))
        try:
            store = Store.at(made)
            _fill(store, county)
            store.close()
            made.rename(target)  # another process may have been first: then its store stands
        finally:
            shutil.rmtree(made, ignore_errors=True)


def days(county: County, standard: Standard) -> list[date]:
    """Return the days the demonstration's office wrote on, within the plan and the county's years.

    Parameters
    ----------
    county : County
    standard : Standard
    """
    first, last = date(county.years[0], 9, 1), date(county.years[-1] + 1, 8, 31)
    plan = standard.plan
    starts = max(first, plan.starts) if plan else date(county.years[-1], 9, 1)
    ends = max(starts, min(last, plan.ends)) if plan else last
    return [starts + timedelta(days=round(part * (ends - starts).days)) for part in PARTS]


def _fill(store: Store, county: County) -> None:
    """Fill a store with a demonstration county's office work.

    ``store``: empty; its trail bears the days of the plan, not those of the building.
    """
    standard = standards.load(str(county.plan))
    desk = _Desk(store, county, standard)
    dates = days(county, standard)
    for turn, on in enumerate(dates):
        with trail._clock(datetime(on.year, on.month, on.day, 9, turn, tzinfo=UTC), _seed(county.county_id, str(turn))):
            desk.ledger(on, turn)
            desk.tasks(on)
            desk.field(on, turn, dates)


class _Desk:
    """Write one county's office work."""

    def __init__(self, store: Store, county: County, standard: Standard) -> None:
        self.store, self.county, self.standard = store, county, standard
        self.stamp = Stamp.of(county, standard)
        self.own: dict[str, Any] = {
            "county_id": county.county_id,
            "standard_id": standard.id,
            "who": OFFICE,
            "stamp": self.stamp,
        }
        schools = county.tables["schools"]
        self.schools = [str(s) for s in schools["school_id"]][:: max(1, len(schools) // 12)][:12]
        self.townships = [str(t) for t in county.tables["townships"]["township"]][:8]

    def ledger(self, on: date, turn: int) -> None:
        """Open entries, take steps, attach papers, and let the figures of the day close what they can.

        Parameters
        ----------
        on : date
        turn : int
        """
        found = workplan.judged(self.county, self.standard, on)
        if found is None:
            return
        if turn:
            self.store.recheck(self.county.county_id, found, who=OFFICE, stamp=self.stamp)
        problems = workplan.problem_list(found, self.county, on=on)
        mixed = sorted(range(len(problems)), key=lambda at: _seed(str(at), self.county.county_id))
        lines = problems.iloc[sorted(mixed[: LINES if turn == 0 else LINES // 4])]
        self.store.open_ledger(lines, self.county.county_id, self.standard.id, who=OFFICE, stamp=self.stamp)
        for entry_id in self._entries("open"):
            if _seed(entry_id) % 4:
                who = DEPARTMENTS[_seed(entry_id) % len(DEPARTMENTS)] + POSTS[_seed(entry_id, "post") % len(POSTS)]
                self._act(entry_id, "edit", person=f"{who}（示例）", due=on + timedelta(days=90))
                self._act(entry_id, "start")
        for entry_id in self._entries("evidence"):
            back = _seed(entry_id) % 5 == 0
            self._act(entry_id, "send_back" if back else "verify", "照片看不清，请补充验收单（示例）" if back else "")
        for entry_id in self._entries("in_progress")[:3]:
            self._attach(entry_id)
            self._act(entry_id, "submit")

    def _entries(self, state: str) -> Sequence[str]:
        """Return the entries in a state, those of schools first: what stands in a school can be inspected there."""
        rows = self.store.ledger(self.county.county_id, self.standard.id)
        rows = rows[rows["state"] == state].sort_values("school_id", key=lambda ids: ids == "", kind="stable")
        return [str(entry) for entry in rows["entry_id"]]

    def _act(self, entry_id: str, action: str, note: str = "", **changes: object) -> None:
        seen = self.store.entry(entry_id)
        self.store.act(entry_id, action, who=OFFICE, version=seen.version, stamp=self.stamp, note=note, **changes)

    def _attach(self, entry_id: str) -> None:
        self.store.add_evidence(f"验收记录-{entry_id}.pdf", _paper(entry_id), entry_id=entry_id, **self.own)

    def tasks(self, on: date) -> None:
        """Record most tasks done in time, some begun, one held up; what must come first is done first."""
        known = self.store.task_records(self.county.county_id, self.standard.id).set_index("task")
        listed = {task.task: task for task in workplan.tasks(self.standard, on)}
        for task in listed.values():
            if task.kind not in ("task", "output") or (task.starts and task.starts > on):
                continue
            done_on = self._done_on(task.task, listed, on)
            held = _seed(task.task, self.county.county_id) % 19 == 0
            state = "done" if done_on else "blocked" if held else "started"
            version = int(known["version"].get(task.task, 0))
            if version and known["state"][task.task] in ("done", state):
                continue
            self.store.record_task(
                self.county.county_id, self.standard.id, task.task, state=state, who=OFFICE, version=version,
                stamp=self.stamp, done_on=done_on, note="示例",
            )  # fmt: skip

    def _done_on(self, name: str, listed: Mapping[str, workplan.Task], on: date) -> date | None:
        """Return the day a task was done: shortly before its date, never before what must come first; most are."""
        task, lot = listed[name], _seed(name, self.county.county_id)
        if task.due is None or task.recurring or task.due > on or lot % 8 == 0:
            return None
        plan = self.standard.plan
        days = [self._done_on(first, listed, on) for first in (plan.after.get(name, ()) if plan else ())]
        return None if None in days else max([task.due - timedelta(days=lot % 9), *filter(None, days)])

    def field(self, on: date, turn: int, dates: Sequence[date]) -> None:
        """Write the journals: who is paired with whom, visits, each place's schedule, reports, works.

        Parameters
        ----------
        on : date
        turn : int
        dates : sequence of date
        """
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in workplan.JOURNALS}
        for at, school in enumerate(self.schools[: len(DEPARTMENTS)]):
            pair = {"department": DEPARTMENTS[at], "place_kind": "school", "place": school}
            rows["pairings"].append({**pair, "interval_days": 90, "since": dates[0], "note": "示例"})
            if (at + turn) % 3:
                told = {"visitor": POSTS[at % len(POSTS)], "found": "功能室使用登记不全，已要求补齐（示例）"}
                next_on = on + timedelta(days=90)
                rows["visits"].append({**pair, "visited_on": on, **told, "entry_id": "", "next_on": next_on})
        rows["milestones"] = list(self._milestones(on, dates))
        for at, town in enumerate(self.townships[:5]):
            if (at + turn) % 4:
                told = {"achieved": f"第{turn + 1}次报送：按序时进度推进（示例）", "trouble": "音体美教师不足（示例）"}
                report = {"reporter": town, "reported_on": on, **told, "next_steps": "补充教师、整理档案（示例）"}
                rows["progress_reports"].append({**report, "next_on": on + timedelta(days=60)})
        rows["works"] = list(self._works(on))
        for name, given in rows.items():
            if given:
                self.store.take_into_journal(name, given, **self.own)

    def _milestones(self, on: date, dates: Sequence[date]) -> Iterator[dict[str, Any]]:
        for town in self.townships:
            for step, (what, planned) in enumerate(zip(ITEMS, dates, strict=True)):
                done = planned + timedelta(days=_seed(town, what) % 40 - 20)
                yield {"place_kind": "township", "place": town, "what": f"{what}（示例）", "planned_on": planned,
                       "done_on": done if done <= on else None, "weight": 1.0 + step % 2, "note": ""}  # fmt: skip

    def _works(self, on: date) -> Iterator[dict[str, Any]]:
        plan = self.standard.plan.works if self.standard.plan else None
        years = range(plan.first_year, plan.last_year + 1) if plan else range(on.year, on.year + 1)
        towns = [str(t) for t in self.county.tables["townships"]["township"]]
        for year in (year for year in years if year <= on.year):
            for town in towns if plan else towns[:3]:
                for number in range(2):
                    lot = _seed(town, str(year), str(number))
                    if lot % 9 == 0:  # not every township has its two
                        continue
                    area, planned = 300.0 + lot % 1500, date(year, 10, 31)
                    done = planned + timedelta(days=lot % 60 - 40)
                    yield {"place_kind": "township", "place": town, "year": year, "area_m2": area, "note": "示例",
                           "what": f"{year}年{WORKS[lot % len(WORKS)]}{number + 1}（示例）", "planned_on": planned,
                           "investment_yuan": area * 1200.0, "done_on": done if done <= on else None}  # fmt: skip


def _paper(entry_id: str) -> bytes:
    """Return a PDF of one page that says it is made up."""
    shown = f"BT /F 18 Tf 60 760 Td (Demonstration only: entry {entry_id} was inspected.) Tj ET"
    parts = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        f"<</Length {len(shown)}>>stream\n{shown}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body, starts = "%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        starts.append(len(body))
        body += f"{number} 0 obj{part}endobj\n"
    table = "".join(f"{start:010d} 00000 n \n" for start in starts)
    end = f"xref\n0 6\n0000000000 65535 f \n{table}trailer<</Size 6/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
    return (body + end).encode("ascii")


def _seed(*words: str) -> int:
    return zlib.crc32("/".join(words).encode())
