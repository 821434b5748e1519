"""Account for a scenario: villages affected, shares by group, schools before and after, costs, the identity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from balance_lib.scenarios import classes
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.base import BANDS, STAGE_OF, Base
from balance_lib.scenarios.layout import Layout
from balance_lib.scenarios.result import Bookkeeping
from balance_lib.scenarios.settings import Settings, default, unit_costs
from balance_lib.standards import STAGES

_AFFECTED = [
    "village_id", "village", "township", "location", "pupils", "extra_m", "worst_extra_m", "worst_metres", "extra_min",
    "new_riders", "new_boarders", "far", "to",
]  # fmt: skip
_MOVES = [
    "village_id", "village", "township", "location", "stage", "band", "from_id", "from_name", "to_id", "to_name",
    "pupils", "boarders_before", "metres_before", "metres_after", "extra_m", "minutes_before", "minutes_after",
    "extra_min", "way_before", "way_after", "riders", "boarders_after", "far", "beds_wanted", "overflow",
]  # fmt: skip


def named(layout: Layout, moved: pd.DataFrame) -> pd.DataFrame:
    """Put names to the moves: village, township, urban class (of the school left), schools.

    Parameters
    ----------
    layout : Layout
    moved : DataFrame
        Pupils who change school.
    """
    villages = layout.base.county.tables["villages"].drop_duplicates("village_id").set_index("village_id")
    names = layout.frame["name_zh"]
    out = moved.assign(
        village=moved["village_id"].map(villages["name_zh"]).astype(object),
        township=moved["village_id"].map(villages["township"]).astype(object),
        location=moved["from_id"].map(layout.frame["location"]),
        from_name=moved["from_id"].map(names),
        to_name=moved["to_id"].map(names),
    )
    home = out["from_id"].map(layout.frame["township"])  # of unknown homes: the township of the school they leave
    out["township"] = out["township"].fillna(home)
    worst = np.lexsort((-out["pupils"], -out["extra_m"].fillna(-np.inf), -out["far"], -out["overflow"]))
    return out[_MOVES].iloc[worst].reset_index(drop=True)


def crowded(layout: Layout, rows: pd.DataFrame) -> pd.DataFrame:
    """Put the villages' names to pupils whom new zones leave where there is no place for them.

    Parameters
    ----------
    layout : Layout
    rows : DataFrame
    """
    villages = layout.base.county.tables["villages"].drop_duplicates("village_id").set_index("village_id")
    return rows.assign(village=rows["village_id"].map(villages["name_zh"])) if len(rows) else rows


def affected(moves: pd.DataFrame) -> pd.DataFrame:
    """Return who is affected, a row a village, worst first: pupils nobody brings to school, then the longest detour."""
    if moves.empty:
        return pd.DataFrame(columns=_AFFECTED)
    rows = moves.assign(
        weighted_m=moves["extra_m"] * moves["pupils"],
        weighted_min=moves["extra_min"] * moves["pupils"],
        known=moves["pupils"].where(moves["extra_m"].notna(), 0.0),
        timed=moves["pupils"].where(moves["extra_min"].notna(), 0.0),
        new_boarders=(moves["boarders_after"] - moves["boarders_before"]).clip(lower=0.0),
    )
    group = rows.groupby("village_id", sort=False)
    out = group.agg(
        village=("village", "first"), township=("township", "first"), location=("location", "first"),
        pupils=("pupils", "sum"), weighted_m=("weighted_m", "sum"), known=("known", "sum"),
        worst_extra_m=("extra_m", "max"), worst_metres=("metres_after", "max"), weighted_min=("weighted_min", "sum"),
        timed=("timed", "sum"), new_riders=("riders", "sum"), new_boarders=("new_boarders", "sum"), far=("far", "sum"),
    ).reset_index()  # fmt: skip
    receivers: dict[str, dict[str, None]] = {village: {} for village in out["village_id"]}
    for village, name in zip(moves["village_id"], moves["to_name"], strict=True):
        if isinstance(name, str):
            receivers[village][name] = None
    out["to"] = ["、".join(receivers[village]) for village in out["village_id"]]
    out["extra_m"] = out["weighted_m"] / out["known"].where(out["known"] > 0)
    out["extra_min"] = out["weighted_min"] / out["timed"].where(out["timed"] > 0)
    nearer = out["worst_extra_m"] <= 0  # far as before, but no loss
    order = np.lexsort((-out["pupils"], -out["worst_extra_m"].fillna(-np.inf), -out["far"], nearer))
    return out[_AFFECTED].iloc[order].reset_index(drop=True)


def shares(layout: Layout, moves: pd.DataFrame) -> pd.DataFrame:
    """Return the share of pupils who move by township, urban class and band: no loss hides behind a mean.

    Parameters
    ----------
    layout : Layout
    moves : DataFrame
        Who goes where.
    """
    groups = layout.base.groups
    villages = layout.base.county.tables["villages"].drop_duplicates("village_id").set_index("village_id")
    home = groups["village_id"].map(villages["township"]).astype(object)
    all_ = groups.assign(
        township=home.fillna(groups["school_id"].map(layout.frame["township"])),
        location=groups["school_id"].map(layout.frame["location"]),
    )
    parts = []
    for by in ("township", "location", "band"):
        total = all_.groupby(by)["pupils"].sum()
        mine = moves.assign(weighted=moves["extra_m"] * moves["pupils"],
                            known=moves["pupils"].where(moves["extra_m"].notna(), 0.0)).groupby(by)  # fmt: skip
        found = mine.agg(moved=("pupils", "sum"), weighted=("weighted", "sum"), known=("known", "sum"),
                         worst_metres=("metres_after", "max"), far=("far", "sum")).reindex(total.index)  # fmt: skip
        part = pd.DataFrame({"by": by, "group": total.index, "pupils": total.to_numpy()})
        part["moved"] = found["moved"].fillna(0.0).to_numpy()
        part["share"] = part["moved"] / part["pupils"]
        part["mean_extra_m"] = (found["weighted"] / found["known"].where(found["known"] > 0)).to_numpy(dtype=float)
        part["worst_metres"] = found["worst_metres"].to_numpy(dtype=float)
        part["far"] = found["far"].fillna(0.0).to_numpy()
        parts.append(part.sort_values(["share", "group"], ascending=[False, True], kind="stable"))
    return pd.concat(parts, ignore_index=True)


def schools(layout: Layout, after: Base) -> pd.DataFrame:
    """Return every school before and after: state, pupils, classes, places, staff there and staff needed.

    Parameters
    ----------
    layout : Layout
    after : Base
    """
    frame, settings = layout.frame, layout.scenario.settings
    out = pd.DataFrame({"school_id": frame.index, "school": frame["name_zh"].to_numpy()})
    for name in ("township", "location", "rank", "kind_before"):
        out[name] = frame[name].to_numpy()
    out["kind_after"] = frame["kind"].where(frame["there"], None).to_numpy()
    out["state"], out["protected"] = frame["state"].to_numpy(), frame["protected"].to_numpy(dtype=bool)
    for when, base in (("before", layout.base), ("after", after)):
        figures = _figures(base, settings).reindex(frame.index)
        for name in ("pupils", "classes", "largest_class", "teachers", "teachers_needed", "boarders"):
            out[f"{name}_{when}"] = figures[name].to_numpy()
    out["places_after"] = layout.places.sum(axis=1).where(frame["there"]).to_numpy()
    out["beds_after"] = layout.beds.where(frame["there"]).to_numpy()
    # A point that changes its host has been run from another school before: its staff is counted as it was.
    alone = layout.base.schools["host_school_id"].reindex(frame.index).isna()
    out["host_id"] = frame["host_school_id"].where((frame["state"] == "attached") & alone).to_numpy()
    return _joint_staff(out, after, settings)


def _figures(base: Base, settings: Settings) -> pd.DataFrame:
    """Return pupils, classes, the fullest stage's mean class, teachers and boarders of each school of a year."""
    rows = base.rows[base.rows["stage"].isin(STAGES)].reset_index(drop=True)
    shared = base.rows[base.rows["stage"] == "shared"].set_index("school_id")["teachers"]
    rows["mean_class"] = rows["pupils"] / rows["classes"].where(rows["classes"] > 0)
    rows["needed"] = [
        _needed(stage, p, c) for stage, p, c in zip(rows["stage"], rows["pupils"], rows["classes"], strict=True)
    ]
    by = rows.groupby("school_id")
    out = by[["pupils", "classes", "boarders", "needed", "teachers"]].sum(min_count=1)
    out["teachers"] = out["teachers"].add(shared.reindex(out.index), fill_value=0.0)
    out["largest_class"] = by["mean_class"].max()
    return out.rename(columns={"needed": "teachers_needed"})


def _needed(stage: str, pupils: float, count: float) -> float:
    """Return the teachers a stage needs: by the staffing ratio, and at least one for each class."""
    by_ratio = np.ceil(pupils / default(f"pupils_per_teacher_{stage}"))
    return float(np.fmax(by_ratio, count * default("teachers_per_class")))


def _joint_staff(table: pd.DataFrame, after: Base, settings: Settings) -> pd.DataFrame:
    """Let an attached school and its host need one staff together; the host's row carries it."""
    for row in table[table["host_id"].notna()].itertuples():
        host = table.index[table["school_id"] == row.host_id]
        both = table.loc[[*host, row.Index]]
        pupils, count = both["pupils_after"].sum(), both["classes_after"].sum()
        table.loc[host, "teachers_needed_after"] = _needed("primary", float(pupils), float(count))
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
        quantity[f"public_funds_{stage}"] = (_funded(layout.base, stage), _funded(after, stage))
    for name, column in (("boarder", "boarders"), ("board_subsidy", "boarders"), ("teacher", "teachers_needed")):
        quantity[name] = (float(table[f"{column}_before"].sum()), float(table[f"{column}_after"].sum()))
    quantity["site"] = (float(there["pupils_before"].sum()), float(there["pupils_after"].sum()))
    own = [(kind != "teaching_point") & kind.notna() & there[f"pupils_{when}"]
           for when, kind in (("before", table["kind_before"]), ("after", table["kind_after"]))]  # fmt: skip
    quantity["office"] = (float(own[0].sum()), float(own[1].sum()))
    quantity["bus_rider"] = (float(ride.get("before", 0.0)), float(ride.get("after", 0.0)))
    more = (table["classes_after"] - table["classes_before"].fillna(0.0)).clip(lower=0.0)
    opened = frame["classes_primary"] + frame["classes_junior"]
    opened = opened.where(frame["state"] == "opened").to_numpy()
    quantity["classroom"] = (0.0, float(np.nansum(np.where(np.isnan(opened), more, opened)) + _wider(layout)))
    used = layout.base.groups.groupby("school_id")["boarders"].sum().reindex(frame.index).fillna(0.0)
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


def _funded(base: Base, stage: str) -> float:
    """Count the pupils of a stage for public funds: small rural schools and points as a hundred."""
    rows = base.rows[base.rows["stage"] == stage].set_index("school_id")
    kind = base.schools["kind"].reindex(rows.index)
    small = (base.schools["location"].reindex(rows.index) == "rural") & kind.isin(["primary", "teaching_point"])
    return float(rows["pupils"].where(~small, rows["pupils"].clip(lower=default("small_school"))).sum())


def layout_table(layout: Layout) -> pd.DataFrame:
    """Count schools by kind, rank and place: before − closed − left + came + opened = after, on every line."""
    words = ["kind_before", "rank", "location"]  # a column nobody filled is one of numbers
    frame = layout.frame.assign(**layout.frame[words].astype(object).fillna(""))
    closed = frame["there_before"] & ~frame["there"]
    changes = frame["there_before"] & frame["there"] & (frame["kind"] != frame["kind_before"])
    key = ["kind", "rank", "location"]
    was = frame.assign(kind=frame["kind_before"])
    parts = {
        "before": was[frame["there_before"]], "closed": was[closed], "left": was[changes], "came": frame[changes],
        "opened": frame[~frame["there_before"]], "after": frame[frame["there"]],
    }  # fmt: skip
    out = pd.DataFrame({name: part.groupby(key).size() for name, part in parts.items()}).fillna(0).astype(int)
    return out.reset_index()


def bookkeeping(layout: Layout, after: Base, unplaced: float) -> Bookkeeping:
    """Count schools and points before and after, each from its own source: operations, and the changed tables.

    Parameters
    ----------
    layout : Layout
    after : Base
    unplaced : float
        Pupils without a school.
    """
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


def class_sizes(base: Base, rooms: pd.Series, settings: Settings) -> pd.DataFrame:
    """Return the classes each school and stage with pupils needs, grade by grade, beside those it has rooms for.

    Parameters
    ----------
    base : Base
    rooms : Series
        Classes by school_id and stage.
    settings : Settings

    Returns
    -------
    DataFrame
        school_id, stage, classes (there), needed (so that none exceeds the cap), largest.
    """
    out = []
    sums = base.sums.to_dict("index")
    there_by = rooms.to_dict()
    rows = base.rows[base.rows["stage"].isin(STAGES)]
    for school, stage, grades in zip(rows["school_id"], rows["stage"], rows["grades"], strict=True):
        if (school, stage) not in there_by or school not in sums:
            continue
        bands = {b: float(sums[school][b]) for b in BANDS if STAGE_OF[b] == stage}
        there, cap = there_by[school, stage], settings.class_cap(stage)
        found = classes.sizes(bands, grades, there, cap)
        out.append((school, stage, there, len(found), max(found, default=0)))
    return pd.DataFrame(out, columns=["school_id", "stage", "classes", "needed", "largest"])
