"""Try an item of a standard on inputs around its line, worked out by arithmetic of our own.

An item's value is computed here a second time, by plain Python over plain numbers: the formula is solved for the input
that puts the value exactly on the line, and only the verdict on that input is asked of ``balance_lib``.

Preparing a county's figures is slow and judging one item is fast, so a trial is not a county of its own: each trial is
put into school years of its own (far in the future, ten years apart), and one county holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from types import CodeType

import pandas as pd

from balance_lib import standards
from balance_lib.data.county import County
from balance_lib.data.tables.kinds import THROUGH
from balance_lib.evaluation import ItemResult, Measured, indicators
from balance_lib.evaluation.judge import Context, judge
from balance_lib.standards import STAGES, Item, Standard

LATE = date(9998, 12, 31)  # after every deadline: a failing item is never merely "not due"
SPACING, FIRST = 10, 3000
Function = Callable[[float], float]


# --- plain arithmetic -------------------------------------------------------------------------------------------


def plain(formula: str, figures: Mapping[str, object]) -> float:
    """Evaluate a formula over plain numbers; no pandas, nothing of the package."""
    try:
        return float(eval(_compiled(formula), {"__builtins__": {}}, dict(figures)))
    except ZeroDivisionError:
        return math.nan


@cache
def _compiled(formula: str) -> CodeType:
    return compile(formula.strip(), "formula", "eval")


def solve(f: Function, target: float, low: float, high: float) -> float:
    """Return the input between two at which a function comes nearest to a value; the function is continuous."""
    rising = f(high) >= f(low)
    at_low, at_high = f(low) - target, f(high) - target
    for step in range(300):
        # Every other step follows the straight line between the ends, which most formulas are.
        middle = low + (high - low) / 2
        if step % 2 == 0 and at_low != at_high:
            middle = min(max(low - at_low * (high - low) / (at_high - at_low), low), high)
        if middle in (low, high):
            if step % 2 == 0:
                continue
            break
        found = f(middle) - target
        if found == 0.0:
            return middle
        if (found < 0) == rising:
            low, at_low = middle, found
        else:
            high, at_high = middle, found
    return low if abs(at_low) <= abs(at_high) else high


def bracket(f: Function, start: float, lowest: float, scale: float) -> tuple[float, float]:
    """Return an input clearly below and one clearly above zero, searched around a start; NaN where there is none."""
    near = abs(start) or 1.0
    steps = [0.01, 0.1, 0.3, 0.6, 1.0, 2.0, 5.0, 20.0, 100.0, 1e4, 1e6, 1e9]
    tried = [start, *(start + sign * near * step for step in steps for sign in (1, -1))]
    tried = [x for x in tried if x >= lowest] + [max(lowest, 0.0)]
    clear = 1e-3 * scale
    below = next((x for x in tried if f(x) < -clear), math.nan)
    above = next((x for x in tried if f(x) > clear), math.nan)
    return below, above


def coefficient(values: Sequence[float], pupils: Sequence[float]) -> float:
    """Compute the difference coefficient by its definition."""
    total = math.fsum(pupils)
    mean = math.fsum(v * p for v, p in zip(values, pupils, strict=True)) / total
    return math.sqrt(math.fsum(p * (v - mean) ** 2 for v, p in zip(values, pupils, strict=True)) / total) / mean


# --- trials -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Hold the tables of one trial; years are counted back from the judged one (0, 1 the year before, …)."""

    figures: Mapping[tuple[int, str], float] = field(default_factory=dict)
    rows: pd.DataFrame | None = None
    measures: Mapping[tuple[str, str], Measured] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)  # of the whole county: judged in the real year


@dataclass(frozen=True)
class Trial:
    """Hold one input of one item, with the verdict it must get and the value it must be judged by."""

    item: Item
    name: str
    expected: str
    world: World
    value: float = math.nan


def verdicts(operator: str, size: float) -> dict[str, tuple[float, str]]:
    """Return distances from the line (value less threshold) with the verdict an operator gives there."""
    at = {"just above": 1e-6 * size, "a hair above": 1e-10 * size, "exact": 0.0}
    at |= {"a hair below": -1e-10 * size, "just below": -1e-6 * size}
    above, on, below = {
        ">=": (True, True, False),
        ">": (True, False, False),
        "<=": (False, True, True),
        "<": (False, False, True),
        "==": (False, True, False),
    }[operator]
    sides = {"just above": above, "just below": below}
    return {name: (distance, "met" if sides.get(name, on) else "not_met") for name, distance in at.items()}


def _trial(item: Item, name: str, expected: str, world: World, value: float) -> Trial:
    """Return a trial; a share above 100 % is a fault of the data, whatever the line."""
    share = item.judged_unit.startswith("%") and "yoy" not in item.judged_unit and not item.measure.gross
    if share and item.measure.transform == "level" and value > 100 * (1 + 1e-9):
        return Trial(item, name, "no_data", world)
    return Trial(item, name, expected, world, value)


def trials_of(
    item: Item,
    f: Function,
    world: Callable[[float], World],
    *,
    start: float,
    line: float,
    lowest: float = 0.0,
    value: Function | None = None,
    tag: str = "",
    operator: str = "",
) -> Iterator[Trial]:
    """Yield the trials of a lever: far on either side, 1e-6 beyond, within the tolerance, and exactly on the line.

    Parameters
    ----------
    item : Item
    f : callable
        Distance of the judged value from its threshold, by the input.
    world : callable
        The tables, by the input.
    start : float
        An input to search around: the demonstration county's own.
    line : float
        Threshold, for the size of steps.
    lowest : float
        No input below this.
    value : callable, optional
        The judged value by the input; ``f + line`` when absent.
    """
    size, operator = max(1.0, abs(line)), operator or item.operator
    below, above = bracket(f, start, lowest, size)
    ends = [x for x in (below, above) if not math.isnan(x)]
    if not ends:
        return
    if len(ends) == 1:  # such as a count that must be zero: there is nothing below the line
        ends = [lowest, ends[0]]
    low, high = min(ends), max(ends)
    judged = value or (lambda x: f(x) + line)
    for x, name in ((below, "far below"), (above, "far above")):
        if not math.isnan(x):
            good = operator[0] == (">" if name == "far above" else "<")
            yield _trial(item, tag + name, "met" if good else "not_met", world(x), judged(x))
    for name, (distance, expected) in verdicts(operator, size).items():
        x = solve(f, distance, low, high)
        if abs(distance) >= 1e-6 and abs(f(x) - distance) > 0.5 * abs(distance):
            x = _step(f, distance, solve(f, 0.0, low, high), low, high)
            if math.isnan(x):
                continue  # nothing beyond the line on this side
        yield _trial(item, tag + name, expected, world(x), judged(x))


def _step(f: Function, distance: float, x0: float, low: float, high: float) -> float:
    """Return the nearest input a float can hold beyond the line, where 1e-6 is finer than that."""
    for ulps in (1, 2, 4, 8, 64):
        for x in (x0 + ulps * math.ulp(x0), x0 - ulps * math.ulp(x0)):
            if low <= x <= high and f(x) * distance > 0 and abs(f(x)) > 1e-8:
                return x
    return math.nan


class Bench:
    """Put trials of one standard side by side into one county and judge them.

    Parameters
    ----------
    county : County
        Schools and townships of the trials; its year's rows are what worlds start from.
    standard : Standard
    year : int
    """

    def __init__(self, county: County, standard: Standard, year: int) -> None:
        self.county, self.standard, self.year = county, standard, year

    def judge(self, trials: Sequence[Trial]) -> list[ItemResult]:
        """Judge every trial: in one county, but for those that bring tables of their own."""
        together = [trial for trial in trials if not trial.world.tables]
        found = iter(self._judge(together) if together else [])
        return [self._alone(trial) if trial.world.tables else next(found) for trial in trials]

    def _alone(self, trial: Trial) -> ItemResult:
        county = self.county.with_tables(**trial.world.tables)
        return judge(trial.item, Context(county, self.standard, self.year, LATE, self._switches, {}))

    @property
    def _switches(self) -> tuple[tuple[str, bool], ...]:
        return tuple(sorted(self.standard.switches().items()))

    def _judge(self, trials: Sequence[Trial]) -> list[ItemResult]:
        slots = [FIRST + SPACING * i for i in range(len(trials))]
        given = [
            {"year": slot - back, "item": name, "value": value + (slot if is_year(name) else 0), "source": "试"}
            for slot, trial in zip(slots, trials, strict=True)
            for (back, name), value in trial.world.figures.items()
        ]
        parts = [
            trial.world.rows.assign(year=slot - trial.world.rows["back"])
            for slot, trial in zip(slots, trials, strict=True)
            if trial.world.rows is not None
        ]
        rows = pd.concat(parts, ignore_index=True) if parts else self.rows.iloc[:1].assign(year=FIRST - SPACING)
        county = self.county.with_tables(county_years=pd.DataFrame(given), school_years=rows)
        return [
            judge(t.item, Context(county, self.standard, slot, LATE, self._switches, t.world.measures))
            for slot, t in zip(slots, trials, strict=True)
        ]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return the school years of the judged year, ``back`` 0."""
        rows = self.county.tables["school_years"]
        return rows[rows["year"] == self.year].reset_index(drop=True).assign(back=0)

    @cached_property
    def figures(self) -> dict[str, float]:
        """Return the county figures of the judged year."""
        table = self.county.tables["county_years"]
        return table[table["year"] == self.year].set_index("item")["value"].to_dict()

    @cached_property
    def frames(self) -> indicators.Frames:
        """Return the prepared figures, for the columns a lever does not touch."""
        return indicators.frames(self.county, self.standard)

    def speaks_of(self, item: Item) -> pd.DataFrame:
        """Return the rows of schools or stages a formula item speaks of in the judged year."""
        measure = item.measure
        assert measure is not None
        frame = self.frames.frame(measure.source)
        here = self.frames.where(measure.source, measure.where)[0] & (frame["year"] == self.year)
        if item.stage in STAGES:
            taught = self.frames.stages.loc[lambda f: (f["year"] == self.year) & (f["stage"] == item.stage)]
            here &= frame["stage"] == item.stage if measure.source == "stages" else True
            here &= frame["school_id"].isin(taught["school_id"])
        return frame[here].reset_index(drop=True)


def is_year(name: str) -> bool:
    """Tell whether a figure is a calendar year: in a trial it is counted from the trial's own year."""
    return bool(standards.common_inputs().get(name, {}).get("unit") == "year")


def cut(county: County, year: int, keep: Sequence[str] | None = None) -> County:
    """Return a county with one year and, where asked for, few schools."""
    ids = county.tables["schools"]["school_id"] if keep is None else pd.Series(list(keep))
    frames = {name: county.tables[name] for name in ("schools", "school_years", "county_years", "townships")}
    # Trials stand in years of their own with the rows they need: no school is missed in the others.
    frames["schools"] = frames["schools"][frames["schools"]["school_id"].isin(ids)].assign(opened_year=9999.0)
    rows = frames["school_years"]
    frames["school_years"] = rows[rows["school_id"].isin(ids) & (rows["year"] == year)]
    frames["county_years"] = frames["county_years"][frames["county_years"]["year"] == year]
    frames = {name: frame.reset_index(drop=True) for name, frame in frames.items()}
    return County(county.county_id, county.name_zh, county.name_en, frames, synthetic=county.synthetic)


def few_schools(county: County, standard: Standard, year: int, most: int = 2) -> list[str]:
    """Return schools enough for every item: some of one stage and some through-schools each, and some of each kind."""
    bench = Bench(cut(county, year), standard, year)
    kinds = bench.frames.schools.groupby("kind")["school_id"].apply(lambda ids: list(ids[:most]))
    keep = dict.fromkeys(name for names in kinds for name in names)
    for item in (i for i in standard.judged if i.measure and i.measure.source in ("schools", "stages")):
        rows = bench.speaks_of(item)
        through = rows["kind"].isin(THROUGH)
        for part in (rows[~through], rows[through]):
            keep |= dict.fromkeys(part["school_id"].drop_duplicates().iloc[:most])
    return list(keep)


def changed(frame: pd.DataFrame, key: str, name: str, **values: object) -> pd.DataFrame:
    """Return a table with some cells of one row changed."""
    out = frame.copy()
    out.loc[out[key] == name, list(values)] = list(values.values())
    return out
