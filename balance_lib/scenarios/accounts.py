"""Account for a scenario: villages affected, shares by group, schools before and after, costs, the identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.evaluation.indicators.sums import sums
from balance_lib.scenarios import classes
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.base import BANDS, STAGE_OF, Base, _first_of, _staff_needed
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import Bookkeeping
from balance_lib.scenarios.settings import Settings, unit_costs
from balance_lib.standards import STAGES

_AFFECTED = [
    "village_id", "village", "township", "location", "pupils", "extra_m", "worst_extra_m", "worst_metres", "extra_min",
    "new_riders", "new_boarders", "far", "to",
]  # fmt: skip
_PLACE_OF = ("village", "township", "location")
_SCHOOL_WORDS = ("name_zh", "township", "location")
_LINES = ("before", "closed", "left", "came", "opened", "after")
_MOVES = [
    "village_id", "village", "township", "location", "stage", "band", "from_id", "from_name", "to_id", "to_name",
    "pupils", "boarders_before", "metres_before", "metres_after", "extra_m", "minutes_before", "minutes_after",
    "extra_min", "way_before", "way_after", "riders", "boarders_after", "far", "beds_wanted", "overflow",
]  # fmt: skip


def _named(layout: Layout, moved: pd.DataFrame) -> pd.DataFrame:
    """Put names to the moves: village, township, urban class (of the school left), schools."""
    villages, frame = layout.base.county.tables["villages"], layout.frame
    village, home = (_first_of(villages, name) for name in ("name_zh", "township"))
    school, town, location = (dict(zip(frame.index, frame[n].tolist(), strict=True)) for n in _SCHOOL_WORDS)
    ids, left, to = (moved[name].tolist() for name in ("village_id", "from_id", "to_id"))
    homes = [home.get(i, math.nan) for i in ids]
    words = {
        "village": [village.get(i, math.nan) for i in ids],
        # Of unknown homes: the township of the school they leave.
        "township": [t if isinstance(t, str) else town.get(s, math.nan) for t, s in zip(homes, left, strict=True)],
        "location": [location.get(s, math.nan) for s in left],
        "from_name": [school.get(s, math.nan) for s in left],
        "to_name": [school.get(s, math.nan) for s in to],
    }
    out = moved.assign(**{name: pd.array(column, dtype="str") for name, column in words.items()})
    worst = np.lexsort((-out["pupils"], -out["extra_m"].fillna(-np.inf), -out["far"], -out["overflow"]))
    return out[_MOVES].iloc[worst].reset_index(drop=True)


def _crowded(layout: Layout, rows: pd.DataFrame) -> pd.DataFrame:
    """Put the villages' names to pupils whom new zones leave where there is no place for them."""
    names = _first_of(layout.base.county.tables["villages"], "name_zh")
    return rows.assign(village=[names.get(i, math.nan) for i in rows["village_id"]]) if len(rows) else rows


def affected(moves: pd.DataFrame) -> pd.DataFrame:
    """Return who is affected, a row a village, worst first: pupils nobody brings to school, then the longest detour."""
    if moves.empty:
        return pd.DataFrame(columns=_AFFECTED)
    code, villages = pd.factorize(moves["village_id"])
    n = len(villages)
    pupils, metres, minutes = (moves[name].to_numpy(dtype=float) for name in ("pupils", "extra_m", "extra_min"))
    boarders = moves["boarders_after"] - moves["boarders_before"]
    figures = np.column_stack([
        pupils, metres * pupils, np.where(np.isnan(metres), 0.0, pupils), minutes * pupils,
        np.where(np.isnan(minutes), 0.0, pupils), moves["riders"], boarders.clip(lower=0.0), moves["far"],
    ])  # fmt: skip
    total, by_metres, known, by_minutes, timed, riders, boards, far = sums(figures, code, n).T
    out = pd.DataFrame({
        "village_id": pd.array(villages, dtype="str"), **{of: _first(moves[of], code, n) for of in _PLACE_OF},
        "pupils": total, "worst_extra_m": _highest(metres, code, n),
        "worst_metres": _highest(moves["metres_after"].to_numpy(dtype=float), code, n), "new_riders": riders,
        "new_boarders": boards, "far": far,
    })  # fmt: skip
    receivers: list[dict[str, None]] = [{} for _ in range(n)]
    for at, name in zip(code, moves["to_name"].tolist(), strict=True):
        if isinstance(name, str):
            receivers[at][name] = None
    out["to"] = ["、".join(names) for names in receivers]
    with np.errstate(invalid="ignore", divide="ignore"):
        out["extra_m"] = by_metres / np.where(known > 0, known, np.nan)
        out["extra_min"] = by_minutes / np.where(timed > 0, timed, np.nan)
    nearer = out["worst_extra_m"] <= 0  # far as before, but no loss
    order = np.lexsort((-out["pupils"], -out["worst_extra_m"].fillna(-np.inf), -out["far"], nearer))
    return out[_AFFECTED].iloc[order].reset_index(drop=True)


def _shares(layout: Layout, moves: pd.DataFrame) -> pd.DataFrame:
    """Return the share of pupils who move by township, urban class and band: no loss hides behind a mean."""
    groups = layout.base.groups
    groups_by = {**layout.base.group_places, "band": groups["band"]}
    pupils, metres = moves["pupils"].to_numpy(dtype=float), moves["extra_m"].to_numpy(dtype=float)
    moving = np.column_stack([pupils, metres * pupils, np.where(np.isnan(metres), 0.0, pupils), moves["far"]])
    parts = []
    for by in groups_by:
        code, names = pd.factorize(np.array(groups_by[by], dtype=object), sort=True)
        n, at = len(names), pd.Index(names).get_indexer(moves[by])
        total = sums(groups["pupils"].to_numpy()[code >= 0, None], code[code >= 0], n)[:, 0]
        found = np.nan_to_num(sums(moving[at >= 0], at[at >= 0], n))
        worst = _highest(moves["metres_after"].to_numpy(dtype=float)[at >= 0], at[at >= 0], n)
        moved, by_metres, known, far = found.T
        with np.errstate(invalid="ignore", divide="ignore"):
            part = pd.DataFrame({
                "by": by, "group": pd.array(names, dtype="str"), "pupils": total, "moved": moved,
                "share": moved / total, "mean_extra_m": by_metres / np.where(known > 0, known, np.nan),
                "worst_metres": worst, "far": far,
            })  # fmt: skip
        parts.append(part.iloc[np.argsort(-part["share"].to_numpy(), kind="stable")])
    return pd.concat(parts, ignore_index=True)


def _highest(values: Any, code: Any, n: int) -> Any:
    """Return the highest of each group's values; NaN where none is known."""
    out = np.full(n, np.nan)
    np.fmax.at(out, code, values)
    return out


def _first(words: pd.Series, code: Any, n: int) -> Any:
    """Return the first word of each group; missing where there is none."""
    out: list[Any] = [np.nan] * n
    for at, word in zip(reversed(code), reversed(words.tolist()), strict=True):
        out[at] = word if isinstance(word, str) else out[at]
    return pd.array(out, dtype="str")


def schools(layout: Layout, after: Base) -> pd.DataFrame:
    """Return every school before and after: state, pupils, classes, places, staff there and staff needed.

    Parameters
    ----------
    layout : Layout
    after : Base
    """
    frame = layout.frame
    out = pd.DataFrame({"school_id": frame.index, "school": frame["name_zh"].to_numpy()})
    for name in ("township", "location", "rank", "kind_before"):
        out[name] = frame[name].to_numpy()
    out["kind_after"] = frame["kind"].where(frame["there"], None).to_numpy()
    out["state"], out["protected"] = frame["state"].to_numpy(), frame["protected"].to_numpy(dtype=bool)
    for when, base in (("before", layout.base), ("after", after)):
        figures = base.figures.reindex(frame.index)
        for name in ("pupils", "classes", "largest_class", "teachers", "teachers_needed", "boarders"):
            out[f"{name}_{when}"] = figures[name].to_numpy()
    out["places_after"] = layout.places.sum(axis=1).where(frame["there"]).to_numpy()
    out["beds_after"] = layout.beds.where(frame["there"]).to_numpy()
    # A point that changes its host has been run from another school before: its staff is counted as it was.
    alone = layout.base.schools["host_school_id"].reindex(frame.index).isna()
    out["host_id"] = frame["host_school_id"].where((frame["state"] == "attached") & alone).to_numpy()
    return _joint_staff(out)


def _joint_staff(table: pd.DataFrame) -> pd.DataFrame:
    """Let an attached school and its host need one staff together; the host's row carries it."""
    for row in table[table["host_id"].notna()].itertuples():
        host = table.index[table["school_id"] == row.host_id]
        both = table.loc[[*host, row.Index]]
        pupils, count = both["pupils_after"].sum(), both["classes_after"].sum()
        table.loc[host, "teachers_needed_after"] = _staff_needed("primary", float(pupils), float(count))
        table.loc[row.Index, "teachers_needed_after"] = 0.0
    return table


def costs(layout: Layout, after: Base, table: pd.DataFrame, coverage: pd.DataFrame) -> pd.DataFrame:
    """Compare what the layout costs before and after, by unit costs anyone may change: a proxy, not a budget.

    Parameters
    ----------
    layout : Layout
    after : Base
    table : DataFrame
        Rows of the table.
    coverage : DataFrame
        How pupils get to school.

    Returns
    -------
    DataFrame
        item, kind (running, investment), unit, unit_cost, quantity_before, quantity_after, yuan_before, yuan_after,
        change_yuan.
    """
    settings, frame = layout.scenario.settings, layout.frame
    uncounted = table["school_id"].isin({school for school, _ in layout.base.untold}) & table["kind_after"].notna()
    there = table[["pupils_before", "pupils_after"]].notna() | uncounted.to_numpy()[:, None]
    ride = coverage.groupby("when")["ride"].sum()
    quantity: dict[str, tuple[float, float]] = {}
    for stage in STAGES:
        quantity[f"public_funds_{stage}"] = (layout.base.funded[stage], after.funded[stage])
    for name, column in (("boarder", "boarders"), ("board_subsidy", "boarders"), ("teacher", "teachers_needed")):
        quantity[name] = (float(table[f"{column}_before"].sum()), float(table[f"{column}_after"].sum()))
    quantity["site"] = (float(there["pupils_before"].sum()), float(there["pupils_after"].sum()))
    own = [(kind != "teaching_point") & kind.notna() & there[f"pupils_{when}"]
           for when, kind in (("before", table["kind_before"]), ("after", table["kind_after"]))]  # fmt: skip
    quantity["office"] = (float(own[0].sum()), float(own[1].sum()))
    quantity["bus_rider"] = (float(ride.get("before", 0.0)), float(ride.get("after", 0.0)))
    more = (table["classes_after"] - table["classes_before"].fillna(0.0)).clip(lower=0.0)
    grown = table["classes_after"].isna() & (table["pupils_after"] > table["pupils_before"].fillna(0.0))
    opened = frame["classes_primary"] + frame["classes_junior"]
    opened = opened.where(frame["state"] == "opened").to_numpy()
    rooms = float(np.nansum(np.where(np.isnan(opened), more, opened)) + _wider(layout))
    quantity["classroom"] = (0.0, math.nan if grown.any() else rooms)  # nobody knows where classes are not recorded
    used = np.array([layout.base.lodged.get(school, 0.0) for school in layout.ids])
    quantity["bed"] = (0.0, float((frame["beds"].astype(float) - used).clip(lower=0.0).sum()))
    rows = [_cost(name, spec, settings.unit_cost(name), quantity[name]) for name, spec in unit_costs().items()]
    return pd.DataFrame(rows)


def _wider(layout: Layout) -> float:
    """Count the rooms a resize adds without pupils filling them yet: class counts already show the others."""
    out = 0.0
    for operation in layout.scenario.effective:
        if isinstance(operation, ops.Resize) and (operation.school_id, operation.stage) not in layout.base.rows.index:
            out += operation.classes
    return out


def _cost(name: str, spec: Any, price: float, quantity: tuple[float, float]) -> dict[str, Any]:
    before, after = (price * amount for amount in quantity)
    kind = "investment" if name in ("classroom", "bed") else "running"
    return {
        "item": name, "kind": kind, "unit": spec["unit"], "unit_cost": price, "quantity_before": quantity[0],
        "quantity_after": quantity[1], "yuan_before": before, "yuan_after": after, "change_yuan": after - before,
    }  # fmt: skip


def layout_table(layout: Layout) -> pd.DataFrame:
    """Count schools by kind, rank and place: before − closed − left + came + opened = after, on every line."""
    frame = layout.frame
    was, now, rank, location = (frame[name].tolist() for name in ("kind_before", "kind", "rank", "location"))
    lines: dict[tuple[str, ...], dict[str, int]] = {}
    for i, (before, after) in enumerate(zip(frame["there_before"].tolist(), frame["there"].tolist(), strict=True)):
        changes = before and after and now[i] != was[i]
        for kind, counts in (
            (was[i], {"before": before, "closed": before and not after, "left": changes}),
            (now[i], {"came": changes, "opened": not before, "after": after}),
        ):
            for name, yes in counts.items():
                if yes:
                    key = tuple(word if isinstance(word, str) else "" for word in (kind, rank[i], location[i]))
                    lines.setdefault(key, dict.fromkeys(_LINES, 0))[name] += 1
    keys = pd.MultiIndex.from_tuples(sorted(lines), names=["kind", "rank", "location"])
    return pd.DataFrame([lines[key] for key in keys], index=keys, columns=list(_LINES)).reset_index()


def _bookkeeping(layout: Layout, after: Base, unplaced: float) -> Bookkeeping:
    """Count schools and points before and after, each from its own source: operations, and the changed tables."""
    frame = layout.frame
    point_before, point = frame["kind_before"] == "teaching_point", frame["kind"] == "teaching_point"
    gone, stays = frame["there_before"] & ~frame["there"], frame["there_before"] & frame["there"]
    opened = ~frame["there_before"]
    taught = after.schools[after.schools["there"]]
    empty = [s for s in frame.index[frame["there"]] if s not in taught.index]
    empty_points = sum(bool(point[s]) for s in empty)
    points_after = int((taught["kind"] == "teaching_point").sum()) + empty_points
    return Bookkeeping(
        schools_before=int((frame["there_before"] & ~point_before).sum()),
        schools_closed=int((gone & ~point_before).sum()),
        schools_converted=int((stays & ~point_before & point).sum()),
        schools_opened=int((opened & ~point).sum()),
        schools_after=len(taught) + len(empty) - points_after,
        points_before=int((frame["there_before"] & point_before).sum()),
        points_closed=int((gone & point_before).sum()),
        points_gained=int((stays & ~point_before & point).sum()),
        points_converted=int((stays & point_before & ~point).sum()),
        points_opened=int((opened & point).sum()),
        points_after=points_after,
        pupils_before=_pupils(layout.base),
        pupils_after=_pupils(after),
        pupils_unplaced=unplaced,
    )


def _pupils(base: Base) -> float:
    return float(base.rows.loc[base.rows["stage"].isin(STAGES), "pupils"].sum())


def _classes_needed(base: Base, school: str, stage: str, there: float, settings: Settings) -> float:
    """Return how many classes a school's pupils of a stage need, so that none exceeds the cap; NaN without any."""
    if (school, stage) not in base.rolls or school not in base.sums.index:
        return math.nan
    bands = {band: float(base.sums.at[school, band]) for band in BANDS if STAGE_OF[band] == stage}
    grades = float(base.rows.at[(school, stage), "grades"])
    return len(classes._sizes(bands, grades, there, settings.class_cap(stage)))
