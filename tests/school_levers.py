"""Find the levers of items that speak of schools: one school's column, an indicator, two of them, a coefficient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property

import pandas as pd

from balance_lib import standards
from balance_lib.data import tables
from balance_lib.data.tables.kinds import THROUGH
from balance_lib.evaluation import indicators
from balance_lib.evaluation.judge import line_of
from balance_lib.standards import STAGES, Item
from tests.levers import Bench, Trial, World, bracket, changed, coefficient, plain, solve, trials_of

# --- formulas over schools and stages -----------------------------------------------------------------------------


def enter(rows: pd.DataFrame, school: str, column: str, x: float, stage: str | None, *, shared: bool = False) -> None:
    """Enter a school's figure in place: on a stage's row, or on the row its stages share.

    What stood for the same thing on the school's other rows becomes 0; of a stage asked for by name, the other stages
    keep their own.
    """
    mine = rows["school_id"] == school
    taught = mine & rows["stage"].isin(STAGES)
    rows.loc[mine & ~taught if stage and not shared else mine, column] = 0.0
    if math.isnan(x):
        rows.loc[mine, column] = x
    elif shared:
        rows.loc[mine & (rows["stage"] == "shared"), column] = x
    else:
        rows.loc[rows.index[taught & rows["stage"].eq(stage) if stage else taught][0], column] = x


def share_of(rows: pd.DataFrame, school: str, stage: str, weights: Mapping[str, float]) -> float:
    """Compute a stage's part of what a school's stages share: its weighted pupils in all weighted pupils."""
    mine = rows[(rows["school_id"] == school) & (rows["stage"] != "shared")].set_index("stage")["pupils"]
    return float(mine[stage] * weights[stage] / math.fsum(p * weights[s] for s, p in mine.items()))


def row_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials that move one column of a school of one stage, and of what a through-school's stages share."""
    measure = item.measure
    assert measure is not None
    rows = bench.speaks_of(item)
    fixed = indicators.names_in(measure.where or "0")
    columns = tables.table("school_years").columns
    for lever in (n for n in indicators.names_in(measure.formula) if n in columns and n not in fixed):
        ways = _ways(rows, lever, measure.source)
        found = [trial for school, shared in ways for trial in _one_column(item, bench, rows, lever, school, shared)]
        if {"met", "not_met"} <= {trial.expected for trial in found}:
            yield from found
            yield from _blank_trials(item, next(t.world for t in found if t.expected == "met"), bench, rows)
            return


def _blank_trials(item: Item, world: World, bench: Bench, rows: pd.DataFrame) -> Iterator[Trial]:
    """Yield trials of a blank in what a formula or its condition names: never met, unless the rest decides."""
    measure = item.measure
    assert measure is not None and world.rows is not None
    record = rows.to_dict("records")[0]
    school, where = str(record["school_id"]), measure.where or "True"
    of_year, of_school = tables.table("school_years").columns, tables.table("schools").columns
    for name in dict.fromkeys([*indicators.names_in(measure.formula), *indicators.names_in(where)]):
        values = [0.0, 1.0, 1e9] if {**of_school, **of_year}[name].numeric else ["", *(of_school[name].choices or [])]
        open_ = len({plain(where, {**record, name: value}) for value in values}) > 1
        expected = "no_data" if open_ or name in indicators.names_in(measure.formula) else "met"
        moved, schools = world.rows.copy(), bench.county.tables["schools"]
        if name in of_year and name != "kind":
            moved.loc[moved["school_id"] == school, name] = math.nan
            yield Trial(item, f"blank {name}", expected, World(rows=moved))
        else:
            schools = changed(schools, "school_id", school, **{name: math.nan})
            frames = {"schools": schools, "school_years": moved.assign(year=bench.year)}
            if name != "kind" or moved["kind"].isna().all():
                yield Trial(item, f"blank {name}", expected, World(tables=frames))


def _ways(rows: pd.DataFrame, lever: str, source: str) -> Iterator[tuple[str, bool]]:
    """Yield the schools to move, and whether through the shared row."""
    through = rows["kind"].isin(THROUGH)
    if (~through).any():
        yield rows.loc[~through, "school_id"].iloc[0], False
    elif through.any():
        yield rows.loc[through, "school_id"].iloc[0], False
    given_by_stage = ("pupils", "pupils_in_zone", "funded_pupils")
    split = tables.table("school_years").columns[lever].split
    if through.any() and (source == "schools" or split) and lever not in given_by_stage:
        yield rows.loc[through, "school_id"].iloc[-1], True


def _one_column(item: Item, bench: Bench, rows: pd.DataFrame, lever: str, school: str, shared: bool) -> Iterator[Trial]:
    measure = item.measure
    assert measure is not None
    line, names, formula = line_of(item), indicators.names_in(measure.formula), measure.formula
    table, records = bench.rows.copy(), rows.to_dict("records")
    by_stage = measure.source == "stages"
    mine = next(r for r in records if r["school_id"] == school)
    if measure.judge == "total" and line == 0:  # nothing anywhere, then something in one school
        table[names] = table[names].mask(table[names].notna(), 0.0)
        records = [r | dict.fromkeys(names, 0.0) for r in records]
    others = [r for r in records if r["school_id"] != school]
    if measure.judge == "every":
        for record in others:
            x = _clear(item, record, lever)
            enter(table, record["school_id"], lever, x, record["stage"] if by_stage else None)
    stage = mine["stage"] if by_stage else None
    gain = _gain(bench, school, stage, lever) if shared else 1.0

    def value(x: float) -> float:
        moved = {**mine, lever: gain * x}
        if measure.judge == "every":
            return plain(formula, moved)
        return plain(formula, {n: math.fsum(r[n] for r in [*others, moved]) for n in names})

    def world(x: float) -> World:
        moved = table.copy()
        enter(moved, school, lever, x, stage, shared=shared)
        return World(rows=moved)

    tag = "shared row: " if shared else ""
    start = mine[lever] / gain
    yield from trials_of(item, lambda x: value(x) - line, world, start=start, line=line, value=value, tag=tag)
    yield Trial(item, tag + "blank", "no_data", world(math.nan))


def _gain(bench: Bench, school: str, stage: str | None, lever: str) -> float:
    """Return what part of a through-school's shared figure counts: its stage's, or all but the senior stage's."""
    if not tables.table("school_years").columns[lever].split:
        return 1.0
    taught = bench.rows.loc[bench.rows["school_id"] == school, "stage"]
    stages = [stage] if stage else [s for s in STAGES if s in set(taught)]
    return math.fsum(share_of(bench.rows, school, s, bench.standard.split_weights) for s in stages)


def _clear(item: Item, record: Mapping[str, float], lever: str) -> float:
    """Return an input that puts another school far on the good side."""
    assert item.measure is not None
    line, formula = line_of(item), item.measure.formula
    size = max(1.0, abs(line))
    below, above = bracket(lambda x: plain(formula, {**record, lever: x}) - line, record[lever], 0.0, size)
    good = above if item.operator[0] == ">" else below
    assert not math.isnan(good), (item.code, lever)
    return good


# --- indicators and the school rule -------------------------------------------------------------------------------


class Lines:
    """Hold a county's included schools with their indicators by plain arithmetic.

    Parameters
    ----------
    bench : Bench
    standard : Standard, optional
        Whose indicators are meant; the bench's own by default.
    """

    def __init__(self, bench: Bench, of: str | None = None) -> None:
        self.bench, self.standard = bench, standards.load(of) if of else bench.standard
        frame = indicators.frames(bench.county, self.standard).stages
        yes = indicators.included(bench.county, self.standard) & (frame["year"] == bench.year)
        self.records = frame[yes].to_dict("records")
        self.lines = {
            (item.measure.formula, item.stage): line_of(item)
            for item in self.standard.judged
            if item.measure and item.measure.source == "indicator" and item.same_as is None
        }

    @cache  # noqa: B019
    def formula(self, name: str, stage: str) -> str:
        """Return the formula of an indicator, by the standard's own switches."""
        spec, switches = self.standard.indicators[name], self.standard.switches()
        found = indicators.formula_of(spec, stage)
        for variant in spec.variants:
            if switches[variant.when] and variant.where is None:
                found = indicators.formula_of(variant, stage) or found
        assert found is not None
        return found

    @cache  # noqa: B019
    def lever(self, name: str, stage: str) -> str:
        """Return the first column of an indicator's formula: more of it is more of the indicator."""
        return indicators.names_in(self.formula(name, stage))[0]

    @cache  # noqa: B019
    def besides(self, name: str, stage: str) -> list[str]:
        """Return the other columns that make up an indicator; they are 0 where the lever is set."""
        names = indicators.names_in(self.formula(name, stage))
        return [n for n in names if n not in (self.lever(name, stage), "pupils")]

    def value(self, name: str, record: Mapping[str, object], x: float | None = None) -> float:
        """Return a school's indicator, for an input if given."""
        stage = str(record["stage"])
        changed = {} if x is None else {**dict.fromkeys(self.besides(name, stage), 0.0), self.lever(name, stage): x}
        return plain(self.formula(name, stage), {**record, **changed})

    def input_for(self, name: str, record: Mapping[str, object], value: float) -> float:
        """Return the input that gives a school this value of an indicator."""
        high = 1.0
        while self.value(name, record, high) < value:
            high *= 4.0
        return solve(lambda x: self.value(name, record, x), value, 0.0, high)

    def enter(self, table: pd.DataFrame, name: str, record: Mapping[str, object], x: float) -> None:
        """Enter an indicator's figure on a stage's own row; nothing of it is shared."""
        stage = str(record["stage"])
        for column in self.besides(name, stage):
            enter(table, str(record["school_id"]), column, 0.0, stage)
        enter(table, str(record["school_id"]), self.lever(name, stage), x, stage)

    @cached_property
    def cleared(self) -> pd.DataFrame:
        """Return the school years with every included school at twice every line."""
        table = self.bench.rows.copy()
        for record in self.records:
            for (name, stage), line in self.lines.items():
                if stage == record["stage"]:
                    self.enter(table, name, record, self.input_for(name, record, 2 * line))
        return table

    def of_one_stage(self, stage: str) -> Mapping[str, object]:
        """Return the smallest included school that teaches this stage only."""
        mine = [r for r in self.records if r["stage"] == stage and r["kind"] not in THROUGH]
        return min(mine, key=lambda r: r["pupils"])

    def through(self, stage: str) -> Mapping[str, object] | None:
        """Return a through-school's row of this stage, if there is one."""
        return next((r for r in self.records if r["stage"] == stage and r["kind"] in THROUGH), None)


def indicator_trials(item: Item, lines: Lines) -> Iterator[Trial]:
    """Yield trials of an indicator: its line counts where a school already leaves another one at the floor.

    A school may leave one of the seven between 85 % and its line. Alone below its line, an indicator is let pass down
    to the floor; the verdict turns at the line once another indicator of the same school stands there.
    """
    assert item.measure is not None
    name, line = item.measure.formula, line_of(item)
    other = next(n for (n, stage) in lines.lines if stage == item.stage and n != name)
    ways = [(lines.of_one_stage(item.stage), False)]
    split = tables.table("school_years").columns[lines.lever(name, item.stage)].split
    if split and (record := lines.through(item.stage)) is not None:
        ways.append((record, True))
    for record, shared in ways:
        yield from _one_school(item, lines, name, record, line, left=other, shared=shared)
        yield from _one_school(item, lines, name, record, 0.85 * line, left=None, tag="floor: ", shared=shared)


def rule_trials(item: Item, lines: Lines) -> Iterator[Trial]:
    """Yield trials of the school rule: an indicator as the second one below its line, and alone at the floor."""
    for stage in (item.stage,) if item.stage in STAGES else STAGES:
        record = lines.of_one_stage(stage)
        names = [n for (n, s) in lines.lines if s == stage]
        for name, other in zip(names[::3], names[1::3], strict=False):
            line, tag = lines.lines[name, stage], f"{stage} {name} "
            yield from _one_school(item, lines, name, record, line, left=other, tag=tag)
            yield from _one_school(item, lines, name, record, 0.85 * line, left=None, tag=f"{tag}floor: ")


def _one_school(
    item: Item,
    lines: Lines,
    name: str,
    record: Mapping[str, object],
    line: float,
    *,
    left: str | None,
    tag: str = "",
    shared: bool = False,
) -> Iterator[Trial]:
    """Yield trials of one indicator of one school around a line, another one left between floor and line if asked."""
    table, stage, school = lines.cleared.copy(), str(record["stage"]), str(record["school_id"])
    lines.enter(table, name, record, 0.0)
    if left:
        lines.enter(table, left, record, lines.input_for(left, record, 0.9 * lines.lines[left, stage]))
    gain = share_of(table, school, stage, lines.standard.split_weights) if shared else 1.0

    def world(x: float) -> World:
        moved = table.copy()
        enter(moved, school, lines.lever(name, stage), x, stage, shared=shared)
        return World(rows=moved)

    tag = f"{'shared row: ' if shared else ''}{tag}"
    start = lines.input_for(name, record, line) / gain
    yield from trials_of(
        item, lambda x: lines.value(name, record, gain * x) - line, world,
        start=start, line=line, value=lambda x: math.nan, tag=tag, operator=">=",
    )  # fmt: skip
    yield Trial(item, tag + "blank", "no_data", world(math.nan))


# --- difference coefficients --------------------------------------------------------------------------------------


class Spread:
    """Hold the coefficients of a stage with one indicator made equal in all schools but one, which can be moved."""

    def __init__(self, lines: Lines, stage: str, names: Sequence[str], lever: str, table: pd.DataFrame) -> None:
        self.lines, self.names, self.lever, self.table = lines, names, lever, table
        self.records = [r for r in lines.records if r["stage"] == stage]
        self.pupils = [r["pupils"] for r in self.records]
        self.mine = lines.of_one_stage(stage)
        values = sorted(lines.value(lever, r) for r in self.records)
        self.level = values[len(values) // 2] or 1.0
        for record in self.records:
            lines.enter(table, lever, record, lines.input_for(lever, record, self.level))
        self.rest = [coefficient([lines.value(n, r) for r in self.records], self.pupils) for n in names if n != lever]
        self.start = lines.input_for(lever, self.mine, self.level)

    def value(self, x: float) -> float:
        """Return the coefficient, or the mean of all of them, for an input of the moved school."""
        values = [self.lines.value(self.lever, r, x) if r is self.mine else self.level for r in self.records]
        return math.fsum([*self.rest, coefficient(values, self.pupils)]) / len(self.names)

    def enter(self, x: float) -> pd.DataFrame:
        """Return the school years for an input of the moved school."""
        moved = self.table.copy()
        self.lines.enter(moved, self.lever, self.mine, x)
        return moved


def cv_trials(item: Item, lines: Lines) -> Iterator[Trial]:
    """Yield trials of a coefficient or of the mean of all: one school gets more and more, the others are alike."""
    measure = item.measure
    assert measure is not None
    names = list(lines.standard.indicators) if measure.formula == "composite" else [measure.formula]
    line, rows = line_of(item), lines.bench.rows
    rows = rows[rows["school_id"].isin([r["school_id"] for r in lines.records if r["stage"] == item.stage])]
    for lever in names:
        spread = Spread(lines, item.stage, names, lever, rows.copy())
        found = list(
            trials_of(
                item, lambda x, s=spread: s.value(x) - line, lambda x, s=spread: World(rows=s.enter(x)),
                start=spread.start, line=line, lowest=spread.start, value=spread.value,
            )
        )  # fmt: skip
        if {"met", "not_met"} <= {trial.expected for trial in found}:
            yield from found
            yield Trial(item, "blank", "no_data", World(rows=spread.enter(math.nan)))
            return


def falling_trials(item: Item, lines: Lines) -> Iterator[Trial]:
    """Yield trials of a coefficient that must fall in both stages: the other stage falls, one school of this moves."""
    for stage, other in (STAGES, STAGES[::-1]):
        names = list(lines.standard.indicators)
        before, now, lever = lines.bench.rows.copy(), lines.bench.rows.copy(), names[0]
        spread, falls = (Spread(lines, s, names, lever, now) for s in (stage, other))
        for s in (stage, other):
            Spread(lines, s, names, lever, before)
        high = 3.0 * spread.start
        lines.enter(before, lever, spread.mine, high)
        lines.enter(before, lever, falls.mine, 3.0 * falls.start)

        def world(x: float, spread: Spread = spread, before: pd.DataFrame = before) -> World:
            return World(rows=pd.concat([before.assign(back=1), spread.enter(x).assign(back=0)], ignore_index=True))

        def f(x: float, spread: Spread = spread, high: float = high) -> float:
            return spread.value(x) - spread.value(high)

        # The judged value is the worse stage: this one, unless it falls more than the other.
        yield from trials_of(
            item, f, world, start=high, line=0.0, lowest=spread.start, value=lambda x: math.nan, tag=f"{stage}: "
        )
        yield Trial(item, f"{stage}: blank", "no_data", world(math.nan))
        lone = world(high)
        assert lone.rows is not None
        yield Trial(item, f"{stage}: no year before", "no_data", World(rows=lone.rows[lone.rows["back"] == 0]))
