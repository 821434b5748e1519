"""Draw the layout a scenario leads to: which school is open as what, teaches whom, and has room for how many."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import access
from balance_lib.access.distance import Places, straight_table
from balance_lib.data.county import County
from balance_lib.data.tables.kinds import NINE_GRADES, STAGES_OF
from balance_lib.scenarios import operations as ops
from balance_lib.scenarios.base import (
    BANDS,
    COMPLETE_FROM,
    OF_TABLE,
    STAGE_OF,
    Base,
    TravelDistances,
    ways,
    with_schools,
)
from balance_lib.scenarios.scenario import Scenario
from balance_lib.scenarios.settings import default
from balance_lib.standards import STAGES

# Kinds that are not here (special, vocational, senior) may teach any band: their pupils say which.
TEACHES = {
    kind: tuple(band for band in BANDS if STAGE_OF[band] in stages)
    for kind, stages in STAGES_OF.items()
    if set(stages) & set(STAGES)
}
_HOSTS = ("primary", "nine_year", "twelve_year")  # who may run a teaching point


@dataclass(frozen=True, eq=False)
class Layout:
    """Hold all schools before and after.

    Parameters
    ----------
    scenario : Scenario
    base : Base
    frame : DataFrame
        By school_id: name_zh ... host_school_id as in the table; kind_before, kind, there_before, there; state (kept,
        closed, merged, to_point, attached, opened, converted), protected, op (position of the structural operation in
        ``scenario.effective``, -1), classes_primary, classes_junior, grades_primary, beds (NaN: no more than in use),
        new_host (of a point whose host closes: who runs it then, "" nobody).
    """

    scenario: Scenario
    base: Base
    frame: pd.DataFrame

    @cached_property
    def ids(self) -> list[str]:
        """Return all schools, those that stand before and those that open."""
        return [str(i) for i in self.frame.index]

    @cached_property
    def private(self) -> pd.Series:
        """Return which schools are private."""
        return self.frame["founder"] == "private"

    @cached_property
    def special(self) -> pd.Series:
        """Return which schools are special schools."""
        return self.frame["kind"] == "special"

    @cached_property
    def rooms(self) -> dict[tuple[str, str], float]:
        """Return the classes each school and stage has rooms for afterwards."""
        classes = {stage: self.frame[f"classes_{stage}"].tolist() for stage in STAGES}
        return {(school, s): float(classes[s][i]) for s in STAGES for i, school in enumerate(self.ids)}

    @cached_property
    def beds(self) -> pd.Series:
        """Return the beds of each school: as the scenario says, else those in use, the least there can be."""
        used, said = [self.base.lodged.get(i, 0.0) for i in self.ids], self.frame["beds"].to_numpy(dtype=float)
        return pd.Series(np.where(np.isnan(said), used, said), index=self.frame.index)

    def radius_m(self, stage: str) -> float:
        """Return the walking radius of a stage in metres: the scenario's, else the county plan's; NaN without any."""
        given = getattr(self.scenario.settings, f"walk_{stage}_m")
        metres = access.walking_radius(stage, self.base.county.plan).metres if given is None else given
        return float("nan") if metres is None else float(metres)

    @cached_property
    def teaches(self) -> pd.DataFrame:
        """Return which bands each school teaches afterwards: those it has pupils of keep their place."""
        frame, here = self.frame, self._sums > 0
        of_kind = [[band in TEACHES.get(kind, BANDS) for band in BANDS] for kind in frame["kind"].tolist()]
        new = frame["state"].isin(["opened", "converted"]).to_numpy()[:, None]
        out = frame["there"].to_numpy(dtype=bool)[:, None] & np.array(of_kind).reshape(here.shape) & (here | new)
        out[frame["cut"].to_numpy(dtype=bool), BANDS.index("g4_6")] = False
        return pd.DataFrame(out, index=frame.index, columns=list(BANDS))

    @cached_property
    def _sums(self) -> Any:
        """Return the pupils of each school and band before."""
        return self.base.sums.reindex(self.ids).fillna(0.0).to_numpy()

    @cached_property
    def receives(self) -> pd.DataFrame:
        """Return which bands each school can take in: all grades of them."""
        out = self.teaches.copy()
        out["g4_6"] &= ~(self.frame["grades_primary"] < COMPLETE_FROM)
        roomless = {band: self.frame[f"classes_{STAGE_OF[band]}"] == 0 for band in BANDS}
        for band in BANDS:
            untold = [school for school, stage in self.base.untold if stage == STAGE_OF[band]]
            out[band] &= ~roomless[band] & ~out.index.isin(untold)
        return out

    @cached_property
    def places(self) -> pd.DataFrame:
        """Return the places of each school by band: classes × cap, grade by grade, and the size cap over all.

        Each grade has as many classes as divide evenly among the grades; a school with fewer classes than grades
        shares them. A school whose classes are not known has as many as its pupils need.
        """
        settings = self.scenario.settings
        found = self.places_under(settings.class_cap("primary"), settings.class_cap("junior"))
        return pd.DataFrame(found, index=self.frame.index, columns=list(BANDS))

    def places_under(self, *caps: float) -> Any:
        """Return the places as an array, under other class caps of primary and of junior stage.

        Parameters
        ----------
        caps : float
            Of each stage.
        """
        settings, frame = self.scenario.settings, self.frame
        out, teaches = np.zeros(self._sums.shape), self.teaches.to_numpy(dtype=bool)
        for i, band in enumerate(BANDS):
            stage = STAGE_OF[band]
            cap, grades = caps[STAGES.index(stage)], self.grades(stage).to_numpy(dtype=float)
            here = self._sums[:, [STAGE_OF[b] == stage for b in BANDS]].sum(axis=1)
            classes = frame[f"classes_{stage}"].to_numpy(dtype=float)
            classes = np.where(np.isnan(classes), np.ceil(here / cap), classes)
            a_grade = np.where(classes < grades, classes / grades, np.floor(classes / grades))
            taught = (grades - 3.0) if band == "g4_6" else 3.0
            out[:, i] = np.floor(a_grade * cap * taught + 1e-9) * teaches[:, i]
        through = frame["kind"].isin(NINE_GRADES).to_numpy()
        most, total = np.where(through, settings.size_cap(True), settings.size_cap(False)), out.sum(axis=1)
        too_many = total > most
        return np.floor(out * np.where(too_many, most / np.where(too_many, total, 1.0), 1.0)[:, None])

    def classes_for(self, school_id: str, stage: str, pupils: dict[str, float]) -> int:
        """Return the fewest classes of a stage in which so many pupils of each band have places, size caps apart.

        Parameters
        ----------
        school_id : str
        stage : {"primary", "junior"}
        pupils : dict of str to float
            Pupils by band.
        """
        grades, cap = float(self.grades(stage)[school_id]), self.scenario.settings.class_cap(stage)
        taught = {band: grades - 3.0 if band == "g4_6" else 3.0 for band in pupils}
        a_grade = max(np.ceil(n) / (cap * taught[band]) for band, n in pupils.items() if taught[band] > 0)
        return int(np.ceil(a_grade * grades - 1e-9) if a_grade <= 1 else grades * np.ceil(a_grade - 1e-9))

    def grades(self, stage: str) -> pd.Series:
        """Return the grades of a stage in each school: 3 to 6 of primary, 3 of junior."""
        if stage == "junior":
            return pd.Series(3.0, index=self.frame.index)
        grades = self.frame["grades_primary"].fillna(6.0).clip(3.0, 6.0)
        return grades.where(grades < COMPLETE_FROM, 6.0)

    @cached_property
    def merged_into(self) -> dict[str, str]:
        """Return the receivers of merged schools."""
        return {o.school_id: o.into for o in self.scenario.effective if isinstance(o, ops.Merge)}

    @cached_property
    def movings(self) -> dict[str, Any]:
        """Return by school the operation that says where its goods go."""
        kinds = ops.Close | ops.Merge | ops.ToPoint | ops.ConvertStage
        return {o.school_id: o for o in self.scenario.effective if isinstance(o, kinds)}

    @cached_property
    def zoned(self) -> dict[str, tuple[str, ...]]:
        """Return the villages zoned to a school that opens or takes up a stage."""
        kinds = ops.Open | ops.ConvertStage
        return {o.school_id: o.villages for o in self.scenario.effective if isinstance(o, kinds)}

    @cached_property
    def lines(self) -> dict[tuple[str, str], float]:
        """Return minutes of the scenario's bus lines by village and school."""
        lines = [o for o in self.scenario.effective if isinstance(o, ops.BusLine)]
        return {(village, line.school_id): line.minutes for line in lines for village in line.villages}

    @property
    def opened(self) -> pd.DataFrame:
        """Return the rows of schools that open and do not stand in the county's table."""
        known = self.base.schools.index
        return self.frame[(self.frame["state"] == "opened") & ~self.frame.index.isin(known)]


def _ways_of(layout: Layout, *, roads: bool) -> TravelDistances:
    """Measure the ways to every school of a layout, those that open among them; with the way along roads if asked.

    ``roads``: whether the way along roads is measured too.
    """
    county, mode = layout.base.county, layout.scenario.settings.mode
    found = ways(county, mode, roads=roads, detour=default("road_detour"))
    return with_schools(found, county, layout.opened.reset_index(names="school_id"))


def of(base: Base, scenario: Scenario) -> Layout:
    """Carry out the operations of a scenario on the table of schools.

    Parameters
    ----------
    base : Base
    scenario : Scenario
    """
    today = base.today
    columns: dict[str, list[Any]] = {name: today[name].tolist() for name in today}
    place = {school: i for i, school in enumerate(today.index.tolist())}
    touched: dict[str, dict[str, Any]] = {}
    for at, operation in enumerate(scenario.effective):
        school = operation.school_id
        if isinstance(operation, ops.Open):
            touched[school] = _opened(base, operation)
        elif school not in touched:
            touched[school] = {name: column[place[school]] for name, column in columns.items()}
        _change(touched[school], operation)
        if operation.structural:
            touched[school]["op"] = at
    for school, row in touched.items():
        if school not in place:
            place[school] = len(place)
            for column in columns.values():
                column.append(None)
        for name, column in columns.items():
            column[place[school]] = row[name]
    typed = {n: np.array(c, dtype=today[n].dtype) if today[n].dtype.kind in "fib" else c for n, c in columns.items()}
    frame = pd.DataFrame(typed, index=pd.Index(list(place), name="school_id"))
    into = {o.school_id: o.into for o in scenario.effective if isinstance(o, ops.Merge)}
    hosts = new_hosts(frame, frame.index[frame["there_before"] & ~frame["there"]], into)
    frame["new_host"] = pd.Series([hosts.get(school, np.nan) for school in place], index=frame.index, dtype=object)
    if hosts:
        frame["host_school_id"] = [hosts.get(str(i)) or host for i, host in frame["host_school_id"].items()]
    return Layout(scenario, base, frame)


def new_hosts(
    frame: pd.DataFrame, closed: Collection[str], merged: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return for every teaching point whose host closes who runs it then: where the host is merged, its receiver.

    Otherwise, or where the receiver runs no primary classes, the nearest public school that does, of the point's
    township first; "" where there is none.

    Parameters
    ----------
    frame : DataFrame
        As of :class:`Layout`.
    closed : collection of str
        Schools that close.
    merged : mapping of school_id to school_id
        Receivers of those that are merged.
    """
    stays = frame[frame["there"] & ~frame.index.isin(list(closed))]
    points = stays[(stays["kind"] == "teaching_point") & stays["host_school_id"].isin(list(closed))]
    if points.empty:
        return {}
    hosts = stays[stays["kind"].isin(_HOSTS) & (stays["founder"] != "private")]
    out = {str(point): merged.get(host, "") for point, host in points["host_school_id"].items()}
    if len(points) and len(hosts):
        places = (Places(f.index, f["lon"].to_numpy(float), f["lat"].to_numpy(float)) for f in (points, hosts))
        metres = np.nan_to_num(straight_table(*places).metres, nan=np.inf)
        for at, (point, town) in enumerate(points["township"].items()):
            nearest = hosts.index[np.lexsort((metres[at], (hosts["township"] != town).to_numpy()))[0]]
            out[str(point)] = out[str(point)] if out[str(point)] in hosts.index else str(nearest)
    else:
        out = dict.fromkeys(out, "")
    return out


def _opened(base: Base, operation: ops.Open) -> dict[str, Any]:
    """Return a school that opens: what the operation says, then what the county's table knows of it."""
    known: dict[str, Any] = {}
    if operation.school_id in base.schools.index:
        known = base.schools.loc[operation.school_id, [*OF_TABLE, "kind"]].to_dict()
    given = {name: getattr(operation, name, None) for name in [*OF_TABLE, "kind"]}
    row = {name: value if value not in ("", None) else known.get(name) for name, value in given.items()}
    row |= {"kind_before": None, "there_before": False, "there": True, "state": "opened", "protected": False, "op": -1}
    row |= {"cut": False, "grades_primary": 6.0, "beds": np.nan, "founder": row["founder"] or "county"}
    classes = _opening_classes(base.county, operation, base.year)
    return row | {f"classes_{stage}": float(count) for stage, count in classes.items()}


def _opening_classes(county: County, operation: ops.Open, year: int) -> dict[str, float]:
    """Return the classes by stage a school opens with: those given, else those of its last recorded year."""
    given = {"primary": float(operation.classes_primary), "junior": float(operation.classes_junior)}
    rows = county.tables["school_years"]
    rows = rows[(rows["school_id"] == operation.school_id) & (rows["year"] <= year) & (rows["classes"] > 0)]
    if sum(given.values()) > 0 or rows.empty:
        return given
    last = rows[rows["year"] == rows["year"].max()].drop_duplicates("stage").set_index("stage")["classes"]
    return {stage: float(last.get(stage, 0.0)) for stage in STAGES}


def _change(row: dict[str, Any], operation: ops.Operation) -> None:
    match operation:
        case ops.Keep():
            row["protected"] = True
        case ops.Close():
            row.update(there=False, state="closed")
        case ops.Merge():
            row.update(there=False, state="merged")
        case ops.ToPoint():
            row.update(kind="teaching_point", state="to_point")
            if operation.top_grade < 6:
                taught, left = row["grades_primary"], float(np.fmin(row["grades_primary"], operation.top_grade))
                classes = float(np.ceil(row["classes_primary"] * left / np.fmax(taught, left)))
                row.update(cut=True, grades_primary=left, classes_primary=classes)
        case ops.Attach():
            row.update(state="attached", host_school_id=operation.host_id)
            if row["kind"] == "primary":
                row["kind"] = "teaching_point"
        case ops.ConvertStage():
            _convert(row, operation)
        case ops.Resize():
            row[f"classes_{operation.stage}"] = float(operation.classes)
        case ops.Boarding():
            row["beds"] = float(operation.places)


def _convert(row: dict[str, Any], operation: ops.ConvertStage) -> None:
    row.update(kind=operation.to, state="converted")
    for stage in STAGES:
        if stage not in {STAGE_OF[band] for band in TEACHES[operation.to]}:
            row[f"classes_{stage}"] = 0.0
        elif not row[f"classes_{stage}"] > 0:
            row[f"classes_{stage}"] = float(operation.classes)
            if stage == "primary":
                row["grades_primary"] = 6.0
