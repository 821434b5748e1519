"""Find breaks over the years: jumps, years left out, rows before a school opened or after it closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from balance_lib._errors import Fault
from balance_lib.data import tables
from balance_lib.data.check.tell import each, number

# A figure that grows or shrinks by more than the factor from one year to the next asks for a look, if the larger of
# the two is at least the floor: small schools halve and double.
JUMPS: dict[str, tuple[float, float]] = {
    "pupils": (3, 60),
    "classes": (3, 9),
    "teachers": (3, 15),
    "teaching_area_m2": (4, 1000),
    "sports_field_m2": (5, 2000),
    "gym_m2": (5, 1000),
    "equipment_yuan": (8, 200_000),
    "books": (5, 3000),
    "computers": (6, 40),
    "multimedia_rooms": (5, 10),
    "public_budget_yuan": (8, 200_000),
}
# Over a gap of several years more may happen.
GAP_FACTOR = 2.0
# A county figure a hundred times the year before's was entered in another unit.
ITEM_JUMP = 100.0


def check(frames: dict[str, pd.DataFrame]) -> Iterator[Fault]:
    """Yield every break over the years."""
    years, schools = frames["school_years"], frames["schools"].drop_duplicates("school_id")
    yield from _jumps(years)
    yield from _item_jumps(frames["county_years"])
    yield from _lifetimes(schools)
    # Where the two years contradict each other neither says anything of the rows.
    sound = ~(schools["closed_year"] <= schools["opened_year"])
    schools = schools.assign(**{c: schools[c].where(sound) for c in ("opened_year", "closed_year")})
    dated = years.merge(schools[["school_id", "opened_year", "closed_year"]], how="left", on="school_id")
    dated.index = years.index
    early = dated[dated["year"] < dated["opened_year"]]
    yield from each("before_open", "school_years", early, "year", opened=lambda row: number(row["opened_year"]))
    late = dated[dated["year"] >= dated["closed_year"]]
    yield from each("after_closed", "school_years", late, "year", closed=lambda row: number(row["closed_year"]))
    yield from _gaps(schools, years)


def _jumps(years: pd.DataFrame) -> Iterator[Fault]:
    """Yield a figure of a school and stage that leaps between two years next to each other in the data."""
    known = years.dropna(subset=["school_id", "year", "stage"]).sort_values(["school_id", "stage", "year"])
    by = known.groupby(["school_id", "stage"], sort=False)
    passed = known["year"] - by["year"].shift()
    for column, (factor, floor) in JUMPS.items():
        now, before = known[column], by[column].shift()
        larger, smaller = np.maximum(now, before), np.minimum(now, before)
        allowed = np.where(passed > 1, factor * GAP_FACTOR, factor)
        leap = now.notna() & before.notna() & (passed > 0) & (larger >= floor) & (larger > smaller * allowed)
        if column == "pupils":
            leap &= smaller > 0  # no pupils at all is an error told elsewhere
        rows = known.assign(_before=before, _then=known["year"] - passed)[leap].sort_index()
        yield from each(
            "year_jump", "school_years", rows, column, severity="warning", factor=f"{factor:g}",
            before=lambda row: number(row["_before"]), then=lambda row: number(row["_then"]),
        )  # fmt: skip


def _item_jumps(items: pd.DataFrame) -> Iterator[Fault]:
    known = items.dropna(subset=["item", "year", "value"]).sort_values(["item", "year"])
    by = known.groupby("item", sort=False)
    before = by["value"].shift()
    ratio = known["value"] / before.where(before > 0)
    wrong = (ratio >= ITEM_JUMP) | ((ratio > 0) & (ratio <= 1 / ITEM_JUMP))
    rows = known.assign(_before=before, _then=by["year"].shift())[wrong].sort_index()
    yield from each(
        "year_jump", "county_years", rows, "value", severity="warning", factor=f"{ITEM_JUMP:g}",
        before=lambda row: number(row["_before"]), then=lambda row: number(row["_then"]),
    )  # fmt: skip


def _lifetimes(schools: pd.DataFrame) -> Iterator[Fault]:
    wrong = schools[schools["closed_year"] <= schools["opened_year"]]
    yield from each(
        "closed_before_open", "schools", wrong, "closed_year", opened=lambda row: number(row["opened_year"])
    )


def _gaps(schools: pd.DataFrame, years: pd.DataFrame) -> Iterator[Fault]:
    """Yield schools that lack rows of years in which, by their first and last, they were open."""
    of_county = sorted(int(y) for y in years["year"].dropna().unique())
    had = years.dropna(subset=["year"]).groupby("school_id")["year"].agg(lambda y: frozenset(int(v) for v in y))
    file = tables.table("schools").file
    for index, school in schools.iterrows():
        row, name = int(index) + 2, school["school_id"]
        here = sorted(had.get(name, ()))
        if not here:
            if of_county:
                yield Fault("no_years", file, row, "school_id", name, "warning")
            continue
        opened, closed = school["opened_year"], school["closed_year"]
        first = here[0] if np.isnan(opened) else int(opened)
        last = here[-1] if np.isnan(closed) else int(closed) - 1
        lacking = [y for y in of_county if first <= y <= last and y not in here]
        if lacking:
            yield Fault("year_gap", file, row, "school_id", name, params={"years": _spans(lacking)})
        if np.isnan(closed) and here[-1] < of_county[-1]:
            yield Fault("rows_stop", file, row, "closed_year", None, "warning", _ends(name, here, of_county))
        if np.isnan(opened) and here[0] > of_county[0]:
            yield Fault("rows_begin", file, row, "opened_year", None, "warning", _ends(name, here, of_county))


def _ends(name: str, here: Sequence[int], of_county: Sequence[int]) -> dict[str, object]:
    return {"school": name, "first": here[0], "last": here[-1], "from": of_county[0], "to": of_county[-1]}


def _spans(years: Sequence[int]) -> str:
    return ", ".join(map(str, years))
