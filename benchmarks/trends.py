"""Measure the projection's band: ``python benchmarks/forecast.py [--seeds N] [--panels N] [--real FOLDER]``.

Holds the last years of a panel back, projects them from what is left, and counts how many of the values then counted
lie inside the 80 % band: on the five demonstration counties built with several seeds, on random simulated panels, and
on real schools of two years if their folder is given. Errors beside a forecast that changes nothing (the naive one).
Does the same for the paths of indicators by school, township and county, and of the items of standards.
Prints milliseconds of a projection with and without its band.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from balance_lib import evaluation, forecast, standards
from balance_lib.data import demo
from balance_lib.data.county import County
from balance_lib.data.intake.wide import read_wide
from balance_lib.forecast import path
from balance_lib.forecast.counts import BANDS, read
from balance_lib.forecast.settings import assumptions
from tests.panels import simulated

STAGES = ("primary", "junior")
KINDS = ("school", "village", "county", "all")


def held_out(county: County, hold: int) -> pd.DataFrame:
    """Project the last ``hold`` years from those before, and set beside what was then counted."""
    last = county.years[-1]
    found, full = forecast.project(county, last, year=last - hold), read(county, last)
    now = found.schools[found.schools["year"] == found.base].set_index(["school_id", "stage"])["pupils"]
    parts = []
    for year in range(last - hold + 1, last + 1):
        at = {name: n for n, name in enumerate(full.schools)}
        rolls = full.rolls(year)
        if not rolls.sum() > 0:  # nobody counted that year
            continue
        schools = found.schools[found.schools["year"] == year]
        keys = list(zip(schools["school_id"], schools["stage"], strict=True))
        actual = np.array([rolls[at[school], STAGES.index(stage)] for school, stage in keys])
        naive = now.reindex(pd.MultiIndex.from_tuples(keys)).to_numpy()
        parts.append(schools.assign(what="school", actual=actual, naive=naive)[actual > 0])
        county_rows = found.county[found.county["year"] == year]
        whole = [rolls[:, STAGES.index(stage)].sum() for stage in county_rows["stage"]]
        base = [found.total(stage, found.base) for stage in county_rows["stage"]]
        parts.append(county_rows.assign(what="county", actual=whole, naive=base))
        parts.append(_villages(found, full, year))
    out = pd.concat([part for part in parts if len(part)], ignore_index=True)
    inside = (out["actual"] >= out["low"]) & (out["actual"] <= out["high"])
    return out.assign(inside=inside, horizon=out["year"] - found.base)


def _villages(found: forecast.Projection, full: Any, year: int) -> pd.DataFrame:
    rows = found.villages[(found.villages["year"] == year) & (found.villages["village_id"] != "")]
    base = found.villages[found.villages["year"] == found.base].set_index(["village_id", "band"])["pupils"]
    at = {name: n for n, name in enumerate(full.villages)}
    keys = list(zip(rows["village_id"], rows["band"], strict=True))
    actual = np.array([full.pupils[at[v], BANDS.index(b), year - full.first] for v, b in keys])
    naive = base.reindex(pd.MultiIndex.from_tuples(keys)).to_numpy() if keys else np.array([])
    return rows.assign(what="village", actual=actual, naive=naive)[actual + rows["pupils"].to_numpy() > 0]


def told(name: str, rows: pd.DataFrame) -> None:
    """Print the coverage and the errors of one panel."""
    cells = []
    for kind in KINDS:
        mine = rows if kind == "all" else rows[rows["what"] == kind]
        if len(mine):
            ours = 100 * (mine["pupils"] - mine["actual"]).abs().sum() / mine["actual"].sum()
            naive = 100 * (mine["naive"] - mine["actual"]).abs().sum() / mine["actual"].sum()
            share = 100 * mine["inside"].mean()
            cells.append(f"{kind} {share:5.1f} % of {len(mine):>6,} inside, error {ours:4.1f} % (naive {naive:4.1f})")
    print(f"{name:<18}" + " | ".join(cells), flush=True)


def demonstration(seeds: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Hold out the last two to four years of each demonstration county, built anew with each seed."""
    for name in demo.NAMES:
        rows = []
        for seed in range(seeds):
            county = demo.county(name, seed=demo.SEED + seed)
            holds = (2,) if len(county.years) < 7 else (2, 3) if len(county.years) < 9 else (2, 3, 4)
            rows += [held_out(county, hold) for hold in holds]
        yield name, pd.concat(rows, ignore_index=True)


def indicator_paths(county: County, hold: int) -> pd.DataFrame:
    """Carry every indicator forward from an earlier year, and set beside it what was then counted."""
    law, last, key = standards.load("quality_2017"), county.years[-1], ["id", "stage", "indicator"]
    parts = []
    for of in forecast.PLACES:
        found = forecast.paths(county, law, of=of, year=last - hold, to=last).rows
        counted = forecast.paths(county, law, of=of, to=last).rows
        now = found[found["year"] == last - hold].set_index(key)["value"].rename("naive")
        rows = found[found["projected"]].merge(counted[[*key, "year", "value"]], on=[*key, "year"])
        rows = rows.rename(columns={"value_x": "forecast", "value_y": "actual"}).join(now, on=key)
        parts.append(rows.assign(inside=rows["actual"].between(rows["low"] - 1e-9, rows["high"] + 1e-9)))
    return pd.concat(parts, ignore_index=True)


def item_paths(county: County) -> pd.DataFrame:
    """Carry the items of the county's plan and of the national standard forward from each earlier year."""
    share, parts = float(assumptions()["spread"]["item"]["share"]), []
    for law in (standards.load(str(county.plan)), standards.load("quality_2017")):
        for item in (i for i in law.judged if i.measure is not None and i.measure.transform == "level"):
            known = evaluation.history_of_item(county, law, item.code).sort_values("year")
            found = path.forecasts(known["year"].tolist(), known["value"].tolist(), share=share)
            found["naive"] = found["origin"].map(dict(zip(known["year"], known["value"], strict=True)))
            parts.append(found.assign(of=law.id))
    return pd.concat(parts, ignore_index=True)


def told_paths(name: str, rows: pd.DataFrame) -> None:
    """Print the coverage of paths and the medians of their errors."""
    cells = []
    for of, mine in [*rows.groupby("of", sort=False), ("all", rows)]:
        size = mine["actual"].abs().where(mine["actual"] != 0)
        ours, naive = (100 * ((mine[n] - mine["actual"]).abs() / size).median() for n in ("forecast", "naive"))
        share = 100 * mine["inside"].mean()
        cells.append(f"{of} {share:5.1f} % of {len(mine):>6,} inside, error {ours:4.1f} % (naive {naive:4.1f})")
    print(f"{name:<18}" + " | ".join(cells), flush=True)


def speed() -> None:
    """Print what a projection costs on the largest demonstration county."""
    county = demo.county("wuxi")
    last = county.years[-1]
    for label, bands in (("with band", True), ("without band", False)):
        for turn in ("first", "again"):
            made = forecast.ProjectionSettings(births_percent=1.0 if turn == "first" else 2.0)
            start = time.perf_counter()
            forecast.project(county, last + 15, settings=made, bands=bands)
            print(f"wuxi, 15 years, {label}, {turn}: {1000 * (time.perf_counter() - start):.0f} ms")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--panels", type=int, default=40)
    parser.add_argument("--real", type=Path, help="folder with the South African lists of 2017 and 2024")
    asked = parser.parse_args()
    speed()
    print("pupils")
    for name, rows in demonstration(asked.seeds):
        told(name, rows)
    parts = [held_out(simulated(seed), hold) for seed in range(asked.panels) for hold in (2, 4)]
    told("simulated", pd.concat(parts, ignore_index=True))
    if asked.real:
        files = [asked.real / f"schools_{year}.csv" for year in (2017, 2024)]
        told("Msinga, Nkandla", held_out(read_wide(files, "za_kzn_msinga_nkandla").county("za"), 7))
    print("indicators")
    for name in demo.NAMES:
        counties = [demo.county(name, seed=demo.SEED + seed) for seed in range(min(asked.seeds, 2))]
        told_paths(name, pd.concat([indicator_paths(c, 2 if len(c.years) < 9 else 3) for c in counties]))
    print("items")
    for name in demo.NAMES:
        told_paths(name, item_paths(demo.county(name)))


if __name__ == "__main__":
    main()
