"""Write a scenario into the county's tables: attendance, school rows with what was handed on, schools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.access.distance import straight_m
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.scenarios import classes, goods
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.base import BANDS, STAGE_OF, Base
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import BookkeepingError
from balance_lib.scenarios.settings import default
from balance_lib.standards import STAGES

Key = tuple[str, str]
_CLOSED = ("closed", "merged")
_SMALL = ("primary", "teaching_point")
_NOWHERE = ("", "")


@dataclass(frozen=True, eq=False)
class Changed:
    """Hold the county after a scenario, who attends where in it, and what became of staff and goods."""

    county: County
    groups: pd.DataFrame
    goods: pd.DataFrame


def write(layout: Layout, moved: pd.DataFrame) -> Changed:
    """Return the county a scenario leads to; only tables change, only the judged year.

    Parameters
    ----------
    layout : Layout
    moved : DataFrame
        From :func:`balance_lib.scenarios.riding.brought`.

    Raises
    ------
    BookkeepingError
        If staff, equipment, books or anything that goes with pupils is lost or doubled.
    """
    groups = _groups(layout.base.groups, moved)
    rows, moved_goods = _Rows(layout, moved, groups).changed()
    county = layout.base.county
    years = county.tables["school_years"]
    kept = years[years["year"] != layout.base.year]
    made = {
        "schools": _schools(layout),
        "school_years": pd.concat([kept, rows], ignore_index=True),
        "attendance": _attendance(county.tables["attendance"], groups, layout.base.year),
    }
    return Changed(replace(county, tables={**county.tables, **made}), groups, moved_goods)


def _groups(groups: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """Return who attends where afterwards: those who leave taken off, those who come put on."""
    key = ["village_id", "school_id", "stage", "band"]
    off = moved.rename(columns={"from_id": "school_id", "boarders_before": "boarders"})
    on = moved.rename(columns={"to_id": "school_id", "boarders_after": "boarders"})
    columns = [*key, "pupils", "boarders"]
    less = off[columns].assign(pupils=-off["pupils"], boarders=-off["boarders"])
    after = pd.concat([groups[columns], less, on[columns]]).groupby(key, as_index=False, sort=False).sum()
    return after[(after["pupils"] > 0) & (after["school_id"] != "")].reset_index(drop=True)


def _attendance(table: pd.DataFrame, groups: pd.DataFrame, year: int) -> pd.DataFrame:
    mine = tables.conform(groups[groups["village_id"] != ""].assign(year=year), "attendance")
    return pd.concat([table[table["year"] != year], mine], ignore_index=True)


def _schools(layout: Layout) -> pd.DataFrame:
    """Return the table of schools with closing years, hosts and new schools."""
    table, frame, year = layout.base.county.tables["schools"].copy(), layout.frame, layout.base.year
    state = table["school_id"].map(frame["state"])
    closed = state.isin(_CLOSED).to_numpy()
    table.loc[closed, "closed_year"] = float(year)
    attached = (state == "attached").to_numpy()
    table.loc[attached, "host_school_id"] = table.loc[attached, "school_id"].map(frame["host_school_id"])
    again = (state == "opened").to_numpy()
    table.loc[again, "closed_year"] = np.nan
    if again.any():
        for name in ("kind", "lon", "lat", "township", "location", "rank", "name_zh", "name_en"):
            said = table["school_id"].map(frame[name]).astype(object)
            table[name] = table[name].astype(object).where(~again, said)
        table = tables.conform(table, "schools")
    beds = table["school_id"].map(frame["beds"]).to_numpy(dtype=float)
    table.loc[beds > 0, "boarding"] = 1.0
    added = layout.opened.reset_index(names="school_id").reindex(columns=table.columns)
    if added.empty:
        return table
    added = added.assign(opened_year=float(year), boarding=(layout.opened["beds"] > 0).to_numpy(dtype=float))
    return pd.concat([table, tables.conform(added, "schools")], ignore_index=True)


class _Rows:
    """Hand on what belongs to moved pupils, row by row, and form the classes anew where pupils changed."""

    def __init__(self, layout: Layout, moved: pd.DataFrame, groups: pd.DataFrame) -> None:
        self.layout, self.moved, self.frame = layout, moved[moved["to_id"] != ""], layout.frame
        self.before = layout.base.rows
        self.after = _sums(groups, ["school_id", "band"], "pupils")
        self.flows = _flows(self.moved)
        self.came = _sums(self.moved, ["to_id", "stage"], "pupils")
        self.went = _sums(moved, ["from_id", "stage"], "pupils")
        self.nowhere = _sums(moved[moved["to_id"] == ""], ["from_id", "stage"], "pupils")
        self.beds_came = _sums(self.moved, ["to_id", "stage"], "boarders_after")
        self.beds_went = _sums(moved, ["from_id", "stage"], "boarders_before")
        self.rooms = layout.base.rooms.to_dict()
        self.states, self.kinds = self.frame["state"].to_dict(), self.frame["kind"].to_dict()
        state = self.frame["state"]
        gifts = {to for o in layout.movings.values() for to in o.others()}
        resized = {o.school_id for o in layout.scenario.effective if isinstance(o, ops.Resize)}
        acted_on = {*gifts, *resized, *self.frame.index[state != "kept"]}
        self.touched = {*moved["from_id"], *self.moved["to_id"], *acted_on}
        self.rows: dict[Key, dict[str, Any]] = {}
        self.own: dict[Key, dict[str, Any]] = {}  # the same before anything came: nobody hands on what he was handed
        self.left: dict[str, float] = {}
        self.unknown: set[str] = set()  # columns in which a receiver got an amount nobody knows
        self.given: dict[str, float] = {}

    def changed(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the year's rows of ``school_years`` afterwards, and the account of goods."""
        mine = self.before["school_id"].isin(self.touched)
        if not mine.any() and not self.touched:
            return self._table([]), self._account(self.before.reset_index(drop=True))
        for row in self.before[mine].to_dict("records"):
            self.rows[row["school_id"], row["stage"]] = row
        for school in sorted(self.touched):
            self._start(school)
        self.own = {key: dict(row) for key, row in self.rows.items()}
        for school in sorted(self.touched & set(self.before["school_id"])):
            self._hand_on(school)
        for school in sorted(self.touched):
            self._form(school)
        rows = self._table([row for row in self.rows.values() if row is not None])
        return rows, self._account(rows)

    def _start(self, school: str) -> None:
        """Give a stage that begins its row: nothing but what the scenario gives it."""
        if school not in self.states:
            return
        for stage in STAGES:
            pupils = self._pupils(school, stage)
            if pupils > 0 and (school, stage) not in self.rows:
                self.rows[school, stage] = self._fresh(school, stage, self._gifts(school, stage))

    def _fresh(self, school: str, stage: str, gives: dict[str, float]) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(tables.table("school_years").columns, np.nan)
        moving = {name: 0.0 for names in goods.columns().values() for name in names}
        for name, amount in gives.items():
            self.given[name] = self.given.get(name, 0.0) + amount
        grades = 6.0 if stage == "primary" else 3.0
        own = {"school_id": school, "year": self.layout.base.year, "stage": stage, "kind": None}
        flags = {
            "small_rural_50_99": 0.0,
            "largest_class_under_30": 0.0,
            "grades": grades,
            "pupils": 0.0,
            "boarders": 0.0,
        }
        room = {"classes": float(self.frame.at[school, f"classes_{stage}"])}
        return {**row, **moving, **own, **flags, **room, **gives}

    def _gifts(self, school: str, stage: str) -> dict[str, float]:
        """Return what a school that opens starts with; of a through-school the first stage holds it."""
        stages = [s for s in STAGES if self._pupils(school, s) > 0]
        opened = [o for o in self.layout.scenario.effective if isinstance(o, ops.Open) and o.school_id == school]
        return dict(opened[0].gives) if opened and stage == stages[0] else {}

    def _pupils(self, school: str, stage: str) -> float:
        return sum(self.after.get((school, band), 0.0) for band in BANDS if STAGE_OF[band] == stage)

    def _hand_on(self, school: str) -> None:
        """Divide the rows of a school among those its pupils went to and itself."""
        going = self.flows.get(school, {})
        operation = self.layout.movings.get(school)
        closed = self.states.get(school) in _CLOSED
        if not going and not closed and not self._lost(school, "shared"):
            return
        for key in [k for k in self.rows if k[0] == school and k[1] in (*STAGES, "shared")]:
            mine = going if key[1] == "shared" else {to: n for to, n in going.items() if to[1] == key[1]}
            for subject, names in goods.columns().items():
                if subject != "pupils" and operation is None and not self._emptied(school, key[1]):
                    continue  # new zones move pupils, not staff, as long as anybody is left to be taught
                asked = subject != "pupils" and operation is not None
                to = getattr(operation, subject) if asked else ops.WITH_PUPILS
                lost = self._lost(school, key[1]) if subject == "pupils" else {}
                gone = closed and bool(lost) and not mine
                self._divide(key, names, {**({} if gone else self._weights(key, mine, closed, to)), **lost})
        if closed:
            self._close(school)

    def _lost(self, school: str, stage: str) -> dict[Key, float]:
        """Return how many pupils no school takes in: what goes with them goes nowhere."""
        stages = STAGES if stage == "shared" else (stage,)
        lost = sum(self.nowhere.get((school, s), 0.0) for s in stages)
        return {_NOWHERE: lost} if lost else {}

    def _emptied(self, school: str, stage: str) -> bool:
        """Tell whether nobody is left whom a row's staff and goods could serve."""
        senior = self.rows.get((school, "senior"), {}).get("pupils", 0.0) if stage == "shared" else 0.0
        return not senior and not any(self._pupils(school, s) for s in (STAGES if stage == "shared" else (stage,)))

    def _weights(self, key: Key, mine: dict[Key, float], closed: bool, to: str) -> dict[Key, float]:
        """Return who gets how much: receivers by the pupils who come, the school itself by those who stay."""
        school, out = key[0], dict(mine)
        if to != ops.WITH_PUPILS and (out or closed):
            stage = next(iter(out), ("", ""))[1] or self._first_stage(to)
            out = {(to, stage): sum(out.values()) or 1.0}
        if not out and closed:
            nearest = self._nearest(school)
            return {nearest: 1.0} if nearest else {}
        if not closed:
            stages = {key[1]} & set(STAGES) or {stage for _, stage in mine} or set(STAGES)
            out[school, ""] = sum(self._stay(school, stage) for stage in stages)
        return {key: weight for key, weight in out.items() if weight > 0}

    def _stay(self, school: str, stage: str) -> float:
        return self._pupils(school, stage) - self.came.get((school, stage), 0.0)

    def _first_stage(self, school: str) -> str:
        return next((stage for stage in STAGES if (school, stage) in self.rows), "primary")

    def _nearest(self, school: str) -> Key | None:
        """Return where the goods of a school go that closes without pupils: the nearest school that stays."""
        frame, old = self.frame, [s for s in STAGES if (school, s) in self.rows]
        fit = frame.index[frame["there"] & frame["there_before"] & (frame["founder"] != "private")]
        stage = old[0] if old else "primary"
        fit = [s for s in fit if (s, stage) in self.before.index]
        if not fit:
            return None
        others = frame.loc[fit, ["lon", "lat"]].astype(float)
        own = [np.full(len(fit), float(frame.at[school, name])) for name in ("lon", "lat")]
        away = straight_m(own[0], own[1], others["lon"].to_numpy(), others["lat"].to_numpy())
        best = str(fit[int(np.argmin(np.nan_to_num(away, nan=np.inf)))])
        for row in self.before.loc[[best]].to_dict("records"):
            self.rows.setdefault((best, row["stage"]), row)
        self.touched = {*self.touched, best}
        return best, stage

    def _divide(self, key: Key, names: tuple[str, ...], weights: dict[Key, float]) -> None:
        row = self.rows[key]
        have = {name: self._held(key, name) for name in names}
        names = tuple(name for name in names if have[name] != 0.0)
        if not names:
            return
        if not weights:
            for name in names:
                self.left[name] = self.left.get(name, 0.0) + have[name]
                row[name] -= have[name]
            return
        parts = goods.handed_on(have, names, list(weights.values()))
        for name in names:
            row[name] -= 0.0 if np.isnan(have[name]) else have[name]
            for (school, stage), amount in zip(weights, parts[name], strict=True):
                if not school:
                    self.left[name] = self.left.get(name, 0.0) + np.nan_to_num(amount)
                    self.unknown |= {name} if np.isnan(amount) else set()
                    continue
                to = key if stage == "" else self._home(school, stage, name)
                if np.isnan(amount):
                    self.unknown.add(name)
                    if to == key:
                        continue
                now = self.rows[to][name]
                if np.isnan(now) and (name in goods.blank_is_none() or amount == 0.0):
                    now = now if amount == 0.0 else 0.0
                self.rows[to][name] = now + amount if amount != 0.0 else now

    def _held(self, key: Key, name: str) -> float:
        """Return what a row held; blank is nothing where the school's figure stands on another row or is optional."""
        value = float(self.own[key][name])
        if not np.isnan(value):
            return value
        others = [k for k in self.own if k[0] == key[0] and k != key]
        elsewhere = any(not np.isnan(self.own[k][name]) for k in others if "shared" in (k[1], key[1]))
        return 0.0 if elsewhere or name in goods.blank_is_none() else np.nan

    def _home(self, school: str, stage: str, name: str) -> Key:
        """Return the row of a receiver that holds a figure: its stage's, or the one for the whole school."""
        own, whole = (school, stage), (school, "shared")
        if whole not in self.rows:
            return own if own in self.rows else (school, self._first_stage(school))
        held = own in self.rows and not np.isnan(self.rows[own][name])
        return own if held or (np.isnan(self.rows[whole][name]) and own in self.rows) else whole

    def _close(self, school: str) -> None:
        """Leave the buildings where they are, and take the rows out."""
        for key in [k for k in self.rows if k[0] == school]:
            self._leave(key)

    def _leave(self, key: Key) -> None:
        """Take a row out; whatever it still holds is left behind and told."""
        row = self.rows[key]
        for name in [*goods.buildings(), *(n for names in goods.columns().values() for n in names)]:
            if not np.isnan(row[name]):
                self.left[name] = self.left.get(name, 0.0) + row[name]
        row["school_id"] = None

    def _form(self, school: str) -> None:
        """Set pupils, boarders, classes, kind and the funding base of a touched school."""
        frame = self.frame
        if school not in self.states:
            return
        for key in [k for k in self.rows if k[0] == school and self.rows[k]["school_id"] is not None]:
            row = self.rows[key]
            if self.kinds[school] != frame.at[school, "kind_before"]:
                row["kind"] = self.kinds[school]
            if key[1] in STAGES:
                self._form_stage(school, key[1], row)
        stages = [s for s in STAGES if (school, s) in self.rows and self.rows[school, s]["school_id"] is not None]
        if not stages and (school, "shared") in self.rows and self.rows[school, "shared"]["school_id"] is not None:
            self._leave((school, "shared"))

    def _form_stage(self, school: str, stage: str, row: dict[str, Any]) -> None:
        at = (school, stage)
        resized = float(self.frame.at[school, f"classes_{stage}"])
        if stage == "primary" and self.frame.at[school, "cut"]:
            row["grades"] = self.frame.at[school, "grades_primary"]
        rooms = self.rooms.get(at, np.nan)
        same = resized == rooms or np.isnan(resized)
        if at not in self.came and at not in self.went and same:
            return
        row["pupils"] += self.came.get(at, 0.0) - self.went.get(at, 0.0)
        row["boarders"] += self.beds_came.get(at, 0.0) - self.beds_went.get(at, 0.0)
        if row["pupils"] == 0:
            self._leave(at)  # nobody attends: no row, and the outcome names it
            return
        bands = {band: self.after.get((school, band), 0.0) for band in BANDS if STAGE_OF[band] == stage}
        cap = self.layout.scenario.settings.class_cap(stage)
        if not np.isnan(row["classes"]):  # classes nobody counted stay unknown
            row.update(classes.formed(row, bands, cap, row["classes"] if same else resized))
        self._fund(school, row)

    def _fund(self, school: str, row: dict[str, Any]) -> None:
        """Count pupils for public funds: a small rural school as a hundred."""
        small = self.frame.at[school, "location"] == "rural" and self.frame.at[school, "kind"] in _SMALL
        if not np.isnan(row["funded_pupils"]) or self.frame.at[school, "state"] == "opened":
            row["funded_pupils"] = max(row["pupils"], default("small_school")) if small else row["pupils"]

    def _table(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        """Return all rows of the year, in the order of the table; untouched ones as they were."""
        untouched = self.before[~self.before["school_id"].isin({k[0] for k in self.rows})].reset_index(drop=True)
        if not self.rows:
            return untouched
        made = pd.DataFrame([r for r in rows if r["school_id"] is not None], columns=untouched.columns)
        order = {key: i for i, key in enumerate(self.before.index)}
        out = pd.concat([untouched, tables.conform(made, "school_years")], ignore_index=True)
        at = [order.get(key, len(order)) for key in zip(out["school_id"], out["stage"], strict=True)]
        return out.iloc[np.argsort(at, kind="stable")].reset_index(drop=True)

    def _account(self, after: pd.DataFrame) -> pd.DataFrame:
        return _account(self.before, after, self.left, self.given, self.unknown)


def _flows(moved: pd.DataFrame) -> dict[str, dict[Key, float]]:
    """Return by school left how many pupils go to which school and stage."""
    out: dict[str, dict[Key, float]] = {}
    for (left, to, stage), pupils in moved.groupby(["from_id", "to_id", "stage"])["pupils"].sum().items():
        out.setdefault(left, {})[to, stage] = float(pupils)
    return out


def _sums(rows: pd.DataFrame, key: list[str], column: str) -> dict[Key, float]:
    return {pair: float(value) for pair, value in rows.groupby(key)[column].sum().items()}


def account_of(base: Base) -> pd.DataFrame:
    """Return the account of goods where nothing changes."""
    return _account(base.rows, base.rows, {}, {}, set())


def _account(
    was: pd.DataFrame, after: pd.DataFrame, left: dict[str, float], given: dict[str, float], unknown: set[str]
) -> pd.DataFrame:
    """Return what there was, was given, is and is left behind; refuse what does not add up."""
    moving, out = [name for names in goods.columns().values() for name in names], []
    for name in [*moving, *goods.buildings()]:
        before, now = float(was[name].sum()), float(after[name].sum())
        more, less = given.get(name, 0.0), left.get(name, 0.0)
        if name in moving and name not in unknown and abs(before + more - now - less) > 1e-9 * max(1.0, before):
            raise BookkeepingError(f"{name}: {before} + {more} given is not {now} + {less} left behind")
        out.append((name, before, more, now, less))
    return pd.DataFrame(out, columns=["column", "before", "given", "after", "left_behind"])
