"""Find the levers that are no number: a rank, a township, a central school, a pilot flag, a subject among six."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from balance_lib.data.tables.kinds import THROUGH
from balance_lib.evaluation import indicators
from balance_lib.evaluation.judge import line_of
from balance_lib.standards import Item
from tests.levers import Bench, Trial, World, changed


def pilot_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials of the number of pilot townships: one flag more, one less."""
    townships, line = bench.county.tables["townships"], int(line_of(item))
    for n, expected in ((line, "met"), (line - 1, "not_met"), (line + 1, "not_met")):
        flags = townships.assign(pilot=[1.0 if i < n else 0.0 for i in range(len(townships))])
        yield Trial(
            item, "exact" if n == line else f"{n} pilots", expected, World(tables={"townships": flags}), float(n)
        )
    blank = townships.assign(pilot=[1.0 if i < line else math.nan for i in range(len(townships))])
    yield Trial(item, "one flag blank", "no_data", World(tables={"townships": blank}))


def township_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials of "a school in every township": two, one and none left in the township with the fewest."""
    kinds = ("junior", *THROUGH) if item.stage == "junior" else ("primary", "nine_year")
    schools, rows = bench.county.tables["schools"], bench.rows
    serving = schools[schools["kind"].isin(kinds) & schools["school_id"].isin(rows["school_id"])]
    if item.stage == "primary":
        serving = serving[serving["rank"] != "village"]
    by_township = serving.groupby("township")["school_id"].apply(list)
    few, many = by_township.loc[by_township.map(len).idxmin()], by_township.loc[by_township.map(len).idxmax()]
    home, away = by_township.map(len).idxmin(), by_township.map(len).idxmax()
    for school in few[1:]:
        schools = changed(schools, "school_id", school, township=away)
    only = few[0]
    two = changed(schools, "school_id", many[0], township=home)
    yield Trial(item, "two", "met", World(tables={"schools": two}))
    yield Trial(item, "exactly one", "met", World(tables={"schools": schools}), 1.0)
    gone = changed(schools, "school_id", only, township=away)
    yield Trial(item, "none", "not_met", World(tables={"schools": gone}), 0.0)
    closed = rows[rows["school_id"] != only]
    yield Trial(item, "closed", "not_met", World(tables={"schools": schools, "school_years": closed}), 0.0)
    point = changed(rows, "school_id", only, kind="teaching_point")
    yield Trial(item, "a teaching point", "not_met", World(tables={"schools": schools, "school_years": point}), 0.0)
    lost = changed(schools, "school_id", only, township=None)
    yield Trial(item, "township blank", "no_data", World(tables={"schools": lost}))
    if item.stage == "primary":
        village = changed(schools, "school_id", only, rank="village")
        yield Trial(item, "a village school", "not_met", World(tables={"schools": village}), 0.0)
        unknown = changed(schools, "school_id", only, rank=None)
        yield Trial(item, "rank blank", "no_data", World(tables={"schools": unknown}))


def village_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials of the number of village primaries: one becomes a point, one a central school, one more opens."""
    schools, rows = bench.county.tables["schools"], bench.rows
    kind = rows.set_index("school_id")["kind"].groupby(level=0).first().fillna(schools.set_index("school_id")["kind"])
    primary = schools[schools["school_id"].map(kind) == "primary"]
    village = primary.loc[primary["rank"] == "village", "school_id"]
    central = primary.loc[primary["rank"] == "central", "school_id"].iloc[0]
    n, one = float(len(village)), village.iloc[0]
    assert n == line_of(item)  # the demonstration county ends where its plan wants it
    yield Trial(item, "exact", "met", World(tables={"schools": schools}), n)
    point = changed(rows, "school_id", one, kind="teaching_point")
    yield Trial(item, "one becomes a point", "not_met", World(tables={"school_years": point}), n - 1)
    closed = rows[rows["school_id"] != one]
    yield Trial(item, "one closes", "not_met", World(tables={"school_years": closed}), n - 1)
    up = changed(schools, "school_id", one, rank="central")
    yield Trial(item, "one is central", "not_met", World(tables={"schools": up}), n - 1)
    down = changed(schools, "school_id", central, rank="village")
    yield Trial(item, "one more", "not_met", World(tables={"schools": down}), n + 1)
    unknown = changed(schools, "school_id", central, rank=None)
    yield Trial(item, "a rank blank", "no_data", World(tables={"schools": unknown}))


def host_trials(item: Item, bench: Bench) -> Iterator[Trial]:
    """Yield trials of the share of tiny schools attached to a central one; whole schools, so attainable shares."""
    schools, ids = bench.county.tables["schools"], list(bench.speaks_of(item)["school_id"])
    assert len(ids) >= 3
    central = schools.loc[schools["rank"] == "central", "school_id"].iloc[0]
    for school in ids:
        schools = changed(schools, "school_id", school, host_school_id=central)
    one = changed(schools, "school_id", ids[0], host_school_id=ids[0])  # its own host: attached to none
    two = changed(one, "school_id", ids[1], host_school_id=ids[1])
    share = 100.0 * (len(ids) - 1) / len(ids)
    yield Trial(item, "all attached", "met", World(tables={"schools": schools}), 100.0)
    yield Trial(item, "one on its own", "not_met", World(tables={"schools": one}), share)
    attainable = replace(item, threshold=share)
    yield Trial(attainable, "exactly the share", "met", World(tables={"schools": one}), share)
    yield Trial(attainable, "one school less", "not_met", World(tables={"schools": two}))
    blank = changed(schools, "school_id", ids[0], host_school_id=None)
    yield Trial(item, "blank", "no_data", World(tables={"schools": blank}))


def subject_trials(item: Item, bench: Bench, prefix: str, line: float, good: float) -> Iterator[Trial]:
    """Yield trials of "all six subjects comply": one subject at, beyond and short of the line inside the formula."""
    assert item.measure is not None
    names = indicators.names_in(item.measure.formula)
    figures = {(0, name): line + good for name in names}
    lever = (0, f"{prefix}chinese")
    at = "met" if ">=" in item.measure.formula else "not_met"
    tried = {"far better": (line + good, "met"), "just better": (line + 1e-6 * good, "met"), "exact": (line, at)}
    tried |= {"just worse": (line - 1e-6 * good, "not_met"), "far worse": (line - good, "not_met")}
    for name, (x, expected) in tried.items():
        yield Trial(item, name, expected, World({**figures, lever: x}), 6.0 if expected == "met" else 5.0)
    for name in names:
        yield Trial(item, f"blank {name}", "no_data", World({**figures, (0, name): math.nan}))


# Items whose lever is no number, or stands inside a comparison: each with its reason.
EXPLICIT: dict[tuple[str, str], Callable[[Item, Bench], Iterator[Trial]]] = {
    ("chuzhou_2011", "C0-4"): pilot_trials,  # a sum of flags
    ("huixian_2024", "H-L4"): township_trials,  # a count of schools by township and kind
    ("huixian_2024", "H-L5"): township_trials,  # … and rank
    ("huixian_2024", "H-L8"): host_trials,  # a text column: which central school
    ("jiaohe_2009", "J-L7"): village_trials,  # a count of schools by kind and rank
    # Six comparisons summed: the sum jumps where one subject crosses its own line.
    ("akqi_2022", "A3-9"): lambda item, bench: subject_trials(item, bench, "quality_level_", 3.0, 1.0),
    ("akqi_2022", "A3-9.2"): lambda item, bench: subject_trials(item, bench, "quality_difference_", 0.15, -0.05),
}
