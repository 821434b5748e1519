"""Find the levers of items that speak of the county: a county figure, a sum over schools, a figure handed in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from balance_lib.evaluation import Measured, indicators
from balance_lib.evaluation.judge import line_of
from balance_lib.locale import Message
from balance_lib.standards import STAGES, Item
from tests.levers import Bench, Trial, World, is_year, plain, trials_of


def county_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials that move one county figure (or one school's column that is summed) in the judged year."""
    measure = item.measure
    assert measure is not None
    names = _names(item)
    world = _path(item, bench) if measure.transform != "level" else _level(names, bench)
    figures = {name: {back: v for (back, n), v in world.figures.items() if n == name} for name in names}
    known = figures | {k: {0: v} for k, v in _sums(names, bench).items()} | {"year": {0: 0.0}}

    def distance(lever: str, x: float) -> float:
        moved = {**known, lever: {**known[lever], 0: x}}
        return _over_years(measure.formula, moved, item) - _line(item, moved)

    own = [n for n in names if figures[n]] or [n for n in names if n in known and n != "year"]
    for lever in own:
        f = lambda x, lever=lever: distance(lever, x)  # noqa: E731
        start, lowest = known[lever][0], -math.inf if is_year(lever) else 0.0
        found = list(
            trials_of(
                item,
                f,
                lambda x, lever=lever: _moved(world, lever, x, bench),
                start=start,
                line=_line(item, known),
                lowest=lowest,
                value=lambda x, lever=lever: _over_years(
                    measure.formula, {**known, lever: {**known[lever], 0: x}}, item
                ),
            )
        )
        if {"met", "not_met"} <= {trial.expected for trial in found}:
            yield from found
            break
    for name in (n for n in names if n in known and n != "year" and not n.startswith("n_")):
        yield Trial(item, f"blank {name}", "no_data", _moved(world, name, math.nan, bench))
    if measure.transform != "level":
        yield from _year_trials(item, world, own[0])


def _names(item: Item) -> list[str]:
    measure = item.measure
    assert measure is not None
    return list(
        dict.fromkeys(n for part in (measure.formula, measure.against) if part for n in indicators.names_in(part))
    )


def _level(names: Sequence[str], bench: Bench) -> World:
    figures = {(0, n): bench.figures[n] for n in names if n in bench.figures}
    figures = {key: v - bench.year if is_year(key[1]) else v for key, v in figures.items()}
    summed = any(n not in bench.figures and n != "year" for n in names)
    return World(figures, bench.rows if summed else None)


def _path(item: Item, bench: Bench) -> World:
    """Return figures over the years that clear the line in every year: the lever 10 % a year, its rival 5 %."""
    measure = item.measure
    assert measure is not None
    lever, rate = indicators.names_in(measure.formula)[0], 1.1 if item.operator[0] == ">" else 0.9
    rates = dict.fromkeys(_names(item), 1.0)
    rates |= dict.fromkeys(indicators.names_in(measure.against or "0"), 1.05)
    rates[lever] = rate
    backs = range(measure.years + 2)
    return World({(b, n): bench.figures[n] * r**-b for n, r in rates.items() for b in backs})


def _sums(names: Sequence[str], bench: Bench) -> dict[str, float]:
    """Sum columns over schools, or count schools, by the tables alone; columns every school gives by stage."""
    rows = bench.rows.merge(bench.county.tables["schools"][["school_id", "kind", "rank"]], on="school_id")
    rows = rows.assign(kind=rows["kind_x"].fillna(rows["kind_y"]))
    taught = rows[rows["stage"].isin(STAGES)]
    out: dict[str, float] = {}
    for name in names:
        part, _, column = name.partition("_")
        if part in ("primary", "junior", "all") and column in rows:
            mine = taught if part == "all" else taught[taught["stage"] == part]
            assert rows.loc[rows["stage"] == "shared", column].isna().all(), column
            out[name] = math.fsum(mine[column])
        elif part == "n":
            schools = taught.drop_duplicates("school_id")
            village = schools["kind"].eq("primary") & schools["rank"].eq("village")
            out[name] = float(village.sum() if column == "village_primary" else (schools["kind"] == column).sum())
    return out


def _over_years(formula: str, figures: Mapping[str, Mapping[int, float]], item: Item, back: int = 0) -> float:
    measure = item.measure
    assert measure is not None
    now = plain(formula, {name: years.get(back, math.nan) for name, years in figures.items()})
    if measure.transform == "level":
        return now
    before = plain(formula, {name: years.get(back + 1, math.nan) for name, years in figures.items()})
    return now - before if measure.transform == "change" else 100.0 * (now / before - 1.0)


def _line(item: Item, figures: Mapping[str, Mapping[int, float]]) -> float:
    against = item.measure.against if item.measure else None
    return _over_years(against, figures, item) if against else line_of(item)


def _moved(world: World, lever: str, x: float, bench: Bench) -> World:
    """Return the world with one county figure, or the schools' column behind a sum, changed in the judged year.

    A sum is moved in one school; only where that school has less to give than is asked for, in the next one too.
    """
    if (0, lever) in world.figures:
        return replace(world, figures={**world.figures, (0, lever): x})
    part, _, column = lever.partition("_")
    assert world.rows is not None, lever
    rows = world.rows.copy()
    mine = rows[rows["stage"].isin(STAGES) if part == "all" else rows["stage"] == part]
    more = x - math.fsum(mine[column])
    for index in mine.sort_values(column, ascending=False).index:
        step = more if math.isnan(more) else max(more, -rows.at[index, column])
        rows.loc[index, column] += step
        more -= step
        if not abs(more) > 0:
            break
    return replace(world, rows=rows)


def _year_trials(item: Item, world: World, lever: str) -> Iterator[Trial]:
    """Yield trials of the years before: the oldest counted one fails, one before it fails, the first is missing."""
    measure = item.measure
    assert measure is not None
    n, good = measure.years, 1.0 if item.operator[0] == ">" else -1.0

    def lifted(back: int) -> World:
        """Return a world whose figure of one year lies far on the wrong side of the year after it."""
        v = world.figures[back - 1, lever]
        return replace(world, figures={**world.figures, (back, lever): v * (1 + 0.5 * good)})

    yield Trial(item, "the oldest counted year fails", "not_met", lifted(n))
    older = lifted(n + 1)
    yield Trial(item, "a year before the counted ones fails", "met", older)
    gap = {key: v for key, v in world.figures.items() if key[0] != n}
    yield Trial(item, "the first year is missing", "no_data", replace(world, figures=gap))


def reported_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials of a figure the county reports under the item's code; what checks it is met, or open."""
    key, line, checks = f"{bench.standard.id}/{item.code}", line_of(item), _checks_met(item, bench)
    yield from trials_of(item, lambda x: x - line, lambda x: World({**checks, (0, key): x}), start=line, line=line)
    if checks:
        yield Trial(item, "checks blank", "no_data", World({(0, key): line}))
    yield Trial(item, "blank", "no_data", World({(0, key): math.nan}))
    yield Trial(item, "not reported", "no_data", World({(1, key): line}))


def _checks_met(item: Item, bench: Bench) -> dict[tuple[int, str], float]:
    """Return figures with which the county's items that check a reported one are met."""
    assert item.measure is not None
    checks = [bench.standard.item(code) for code in item.measure.checked_by]
    out: dict[tuple[int, str], float] = {}
    for check in (check for check in checks if check.measure and check.measure.source == "county"):
        out |= next(t for t in county_trials(check, bench) if t.expected == "met").world.figures
    return out


def given_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials of a measure another room hands in."""
    assert item.measure is not None
    key, line = (item.measure.formula, item.stage), line_of(item)

    def world(x: float) -> World:
        return World(measures={key: Measured(x, Message("reason.walk.unknown", {"pupils": "1", "unknown": "0"}))})

    yield from trials_of(item, lambda x: x - line, world, start=line, line=line)
    yield Trial(item, "blank", "no_data", world(math.nan))
    yield Trial(item, "nothing handed in", "no_data", World())
