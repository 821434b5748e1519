"""Lay out what can be done where: one lever an action and place, with what a unit moves and costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from balance_lib import standards
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.evaluation import indicators
from balance_lib.planning.remedies.catalogue import Action, Catalogue
from balance_lib.standards import STAGES, Standard

Cell = tuple[str, str, str]
COUNTY = ""
WHOLE_UNITS = ("persons", "pupils", "schools", "classes", "rooms", "sets", "volumes", "level", "places", "projects")
STEPS = {"ratio": 0.001, "%": 0.1, "yuan": 1.0, "m²": 1.0, "kg": 1.0}
FOREVER = 1e9


@dataclass(frozen=True)
class Lever:
    """One thing that can be done at one place: up to ``high`` units of an action.

    ``effects`` are cells of the county's tables and what one unit adds to them; ``lends`` marks a teacher who leaves.
    """

    action: str
    school_id: str
    stage: str
    kind: str
    unit: str
    basis: str
    effects: tuple[tuple[Cell, float], ...]
    high: float = FOREVER
    step: float = 1.0
    whole: bool = False
    once_yuan: float = 0.0
    yearly_yuan: float = 0.0
    lead_years: int = 0
    lends: bool = False
    takes: bool = False

    @property
    def cost_yuan(self) -> float:
        """Return what one unit costs until the end of its first year."""
        return self.once_yuan + self.yearly_yuan


class LeverCells:
    """Hold the cells of one county and year that actions move, and how they add up to what formulas see."""

    def __init__(self, county: County, standard: Standard, year: int) -> None:
        self.county, self.standard, self.year = county, standard, year
        self.frames = indicators.frames(county, standard)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return the year's rows as the formulas take them, with each stage's share of what the school shares."""
        rows = self.frames.rows
        return rows.assign(share=self.frames.shares.reindex(rows.index))[rows["year"] == self.year]

    @cached_property
    def values(self) -> dict[Cell, float]:
        """Return what stands in every cell an action may name; NaN is "no data"."""
        numeric = tables.table("school_years").columns
        names = [c.name for c in numeric.values() if c.numeric and c.name != "year"]
        keys = list(zip(self.rows["school_id"], self.rows["stage"], strict=True))
        found = {
            (school, stage, name): float(value)
            for name in names
            for (school, stage), value in zip(keys, self.rows[name], strict=True)
        }
        return {**found, **{(COUNTY, COUNTY, name): value for name, value in self.figures.items()}}

    @cached_property
    def figures(self) -> dict[str, float]:
        """Return the year's county figures and sums over schools."""
        row = self.frames.county_years.loc[lambda f: f["year"] == self.year]
        return {} if row.empty else {str(k): float(v) for k, v in row.iloc[0].items() if k != "year"}

    @cached_property
    def own_figures(self) -> set[str]:
        """Return the names of the figures the county itself reports this year."""
        table = self.county.tables["county_years"]
        here = table[(table["year"] == self.year) & table["value"].notna()]
        return set(here["item"])

    @cached_property
    def shares(self) -> dict[tuple[str, str], float]:
        """Return each stage's share of its school's shared assets."""
        return {(s, t): float(x) for s, t, x in zip(self.rows["school_id"], self.rows["stage"], self.rows["share"],
                strict=True)}  # fmt: skip

    def frame(self, source: str) -> pd.DataFrame:
        """Return the year's rows of a measure's source."""
        frame = self.frames.frame(source)
        return frame[frame["year"] == self.year]

    def place(self, school: str, stage: str, column: str) -> Cell | None:
        """Return the cell in which more of a column is entered: the stage's own, else the one the stages share.

        Parameters
        ----------
        school : str
            Id or name of the school.
        stage : {"primary", "junior"}
        column : str
        """
        for at in dict.fromkeys((stage, "shared")):
            value = self.values.get((school, at, column), math.nan)
            if value == value:
                return (school, at, column)
        return None

    def matrix(self, source: str, column: str, cells: Mapping[Cell, int]) -> sparse.csr_matrix:
        """Return how cells add up to a column of a source's rows (one row for the county).

        Shared assets reach a stage by its share; counts that are not divided reach it only where it stands alone.

        Parameters
        ----------
        source : str
            Which rows: ``schools``, ``stages``, ``townships`` or ``county``.
        column : str
        cells : mapping of Cell to int
            Positions of the figures.
        """
        if source == "county":
            return self._county_matrix(column, cells)
        frame, split = self.frame(source), tables.table("school_years").columns[column].split
        at, to, by = [], [], []
        for i, (school, stages) in enumerate(self._places(source, frame)):
            own = [(school, stage, column) for stage in stages]
            found = [(cell, 1.0) for cell in own if cell in cells]
            shared = (school, "shared", column)
            if shared in cells:
                parts = [self.shares.get((school, stage), math.nan) for stage in stages]
                whole = 1.0 if source == "schools" else float(parts == [1.0])
                found.append((shared, float(np.nansum(parts)) if split else whole))
            for cell, amount in found:
                at.append(i)
                to.append(cells[cell])
                by.append(amount)
        return sparse.csr_matrix((by, (at, to)), shape=(len(frame), len(cells)))

    def _places(self, source: str, frame: pd.DataFrame) -> Iterable[tuple[str, list[str]]]:
        if source == "stages":
            return [(s, [t]) for s, t in zip(frame["school_id"], frame["stage"], strict=True)]
        taught = self.frame("stages").groupby("school_id")["stage"].apply(list)
        return [(s, taught.get(s, [])) for s in frame["school_id"]]

    def _county_matrix(self, name: str, cells: Mapping[Cell, int]) -> sparse.csr_matrix:
        own = (COUNTY, COUNTY, name)
        if own in cells:
            return sparse.csr_matrix(([1.0], ([0], [cells[own]])), shape=(1, len(cells)))
        for prefix, source in (("all_", "schools"), *((f"{stage}_", "stages") for stage in STAGES)):
            column = name.removeprefix(prefix)
            if name.startswith(prefix) and column in tables.table("school_years").columns:
                found = self.matrix(source, column, cells)
                if source == "stages":
                    found = found[(self.frame("stages")["stage"] == prefix.rstrip("_")).to_numpy()]
                return sparse.csr_matrix(found.sum(axis=0))
        return sparse.csr_matrix((1, len(cells)))


def _school_levers(ground: LeverCells, actions: Mapping[str, Action]) -> list[Lever]:
    """Return a lever for every action at every school and stage where its figures are known; missing stays missing."""
    out: dict[tuple[str, str, str], Lever] = {}
    location = ground.county.tables["schools"].drop_duplicates("school_id").set_index("school_id")["location"].to_dict()
    taught = ground.frame("stages")[["school_id", "stage"]]
    for action in actions.values():
        for school, stage in zip(taught["school_id"], taught["stage"], strict=True):
            main = ground.place(school, stage, action.main)
            if main is None:
                continue
            effects = _effects(ground, action.effects, school, stage)
            high = min(_most_used(ground, action, effects), action.most.get(str(location.get(school)), FOREVER))
            if high <= 0:
                continue
            key = (action.action_id, school, main[1])
            if key not in out:
                out[key] = _lever(ground, action, school, main[1], effects, high)
    return list(out.values())


def _rotation_levers(ground: LeverCells, rotations: Mapping[str, Action]) -> list[Lever]:
    """Return for every rotation and school a teacher who leaves and one who comes.

    A school lends only what it has; that it stays above its own lines is a condition of the model.

    ``rotations``: actions by which teachers rotate.
    """
    out = []
    taught = ground.frame("stages")[["school_id", "stage"]]
    for action in rotations.values():
        for school, stage in zip(taught["school_id"], taught["stage"], strict=True):
            if ground.place(school, stage, action.main) != (school, stage, action.main):
                continue
            effects = _effects(ground, action.effects, school, stage)
            if any(cell[1] != stage for cell, _ in effects):
                continue
            along = tuple(((COUNTY, COUNTY, n), a) for n, a in action.county.items() if n in ground.own_figures)
            taken = tuple((cell, -amount) for cell, amount in effects)
            lent = math.floor(min(ground.values[cell] / amount for cell, amount in effects))
            out.append(_lever(ground, action, school, stage, effects, FOREVER, takes=True, free=True))
            if lent > 0:
                out.append(_lever(ground, action, school, stage, (*taken, *along), lent, lends=True))
    return out


def _county_levers(ground: LeverCells, actions: Mapping[str, Action]) -> list[Lever]:
    """Return the actions of the county itself whose figures it reports."""
    out = []
    for action in actions.values():
        if action.main in ground.own_figures:
            effects = tuple(((COUNTY, COUNTY, n), a) for n, a in action.effects.items() if n in ground.own_figures)
            out.append(_lever(ground, action, COUNTY, COUNTY, effects, FOREVER))
    return out


def _figure_lever(ground: LeverCells, book: Catalogue, name: str, direction: float) -> Lever:
    """Return the lever that raises or lowers a county figure: at a price, by decision, or as a mere aim."""
    figure = book.figure(name)
    unit = _unit_of(ground.standard, name)
    each = ground.figures.get(figure.per, math.nan) if figure.per else 1.0
    priced = figure.basis == "priced" and direction > 0 and each == each
    basis = figure.basis if not (figure.basis == "priced" and not priced) else "decision"
    if figure.basis == "priced" and direction < 0 and figure.once_yuan and not figure.yearly_yuan:
        priced, basis = True, "priced"  # such as weak schools: one less is what is paid for
    whole = unit.split("/")[0] in WHOLE_UNITS
    share = unit.startswith("%") and "yoy" not in unit
    most = 100.0 - ground.figures[name] if share else FOREVER  # no share exceeds its whole
    high = max(0.0, most if direction > 0 else ground.figures[name])
    return Lever(
        name, COUNTY, COUNTY, {"decision": "decide", "target": "target"}.get(basis, "fund"), unit, basis,
        (((COUNTY, COUNTY, name), direction),), high, 1.0 if whole else STEPS.get(unit.split("/")[0], 0.01), whole,
        figure.once_yuan * each if priced else 0.0, figure.yearly_yuan * each if priced else 0.0,
    )  # fmt: skip


def _unit_of(standard: Standard, name: str) -> str:
    """Return the unit of a county figure; of one reported under an item's code, the item's own."""
    spec = {**standards.common_inputs(), **standard.inputs}.get(name)
    if spec is not None:
        return str(spec.get("unit", ""))
    code = name.partition("/")[2]
    return standard.by_code[code].judged_unit if code in standard.by_code else ""


def _effects(ground: LeverCells, moved: Mapping[str, float], school: str, stage: str) -> tuple[tuple[Cell, float], ...]:
    """Return the cells a unit moves; what is not known at the school is left alone."""
    found = [(ground.place(school, stage, column), amount) for column, amount in moved.items()]
    return tuple((cell, amount) for cell, amount in found if cell is not None)


def _most_used(ground: LeverCells, action: Action, effects: Sequence[tuple[Cell, float]]) -> float:
    """Return how many units there are to be used up; nothing can fall below zero."""
    lost = {cell[2] for cell, amount in effects if amount < 0}
    if any(amount < 0 and column not in lost for column, amount in action.effects.items()):
        return 0.0  # what would be used up is not known
    most = [
        ground.values[cell] * action.most_share.get(cell[2], 1.0) / -amount for cell, amount in effects if amount < 0
    ]
    columns = tables.table("school_years").columns
    most += [
        (float(columns[cell[2]].high) - ground.values[cell]) / amount  # type: ignore[arg-type]
        for cell, amount in effects
        if amount > 0 and columns[cell[2]].high is not None
    ]
    if not most:
        return FOREVER
    found = min(most)
    return float(math.floor(found + 1e-9)) if action.whole or action.most_share else found


def _lever(
    ground: LeverCells,
    action: Action,
    school: str,
    stage: str,
    effects: tuple[tuple[Cell, float], ...],
    high: float,
    *,
    lends: bool = False,
    takes: bool = False,
    free: bool = False,
) -> Lever:
    return Lever(
        action.action_id, school, stage, action.kind, action.unit, action.basis, effects, high, 1.0, action.whole,
        0.0 if free else action.once.of(ground.figures), 0.0 if free else action.yearly.of(ground.figures),
        action.lead_years, lends, takes,
    )  # fmt: skip
