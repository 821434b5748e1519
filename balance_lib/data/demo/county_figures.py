"""Write the county's own figures year by year: those given, and those that must agree with the made-up schools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.demo.demography import along
from balance_lib.data.demo.layout import School
from balance_lib.data.demo.skeleton import Skeleton

EARLIER = 4  # years before the first one, for rules that look back
SOURCE, SOURCE_SCHOOLS = "示例数据（虚构）", "示例数据（虚构，由示例学校数据推算）"
WHOLE_UNITS = ("yuan", "persons", "pupils", "schools", "year", "level", "posts", "hours")
LOOK_BACK = ("satisfaction_pct", "health_monitored", "health_cases", "senior_quality_places", "senior_quality_quota")
LEDGER_FROM = 2009  # the layout plan counts what has changed since this year


def build(
    skeleton: Skeleton, schools: list[School], table: pd.DataFrame, figures: Mapping[str, Any], units: Mapping[str, str]
) -> pd.DataFrame:
    """Return the canonical table ``county_years``.

    Parameters
    ----------
    skeleton : Skeleton
    schools : list of School
    table : DataFrame
        Stage rows of the school panel, with teachers.
    figures : mapping
        The county's block of ``figures.yaml``.
    units : mapping of str to str
        Unit of each item: amounts and counts are whole numbers.
    """
    given = {item: dict(path) for item, path in figures["given"].items()}
    sums = _sums(table, skeleton.years).join(_ledger(schools, skeleton.years))
    rows = []
    for item, path in given.items():
        whole = all(float(v).is_integer() for v in path.values()) and units.get(item, "") in WHOLE_UNITS
        for year in _years(item, path, skeleton):
            value = _extended(path, year)
            rows.append((year, item, float(round(value)) if whole else float(f"{value:.5g}"), SOURCE))
    frame = sums.join(pd.DataFrame({i: {y: along(p, y) for y in skeleton.years} for i, p in given.items()}))
    for item, rule in figures["shares"].items():
        share = np.array([along(rule["share"], year) for year in skeleton.years])
        frame[item] = np.floor(np.round(frame.eval(rule["of"], engine="python") * share, 6) + 0.5)
        rows += _each(item, frame)
    for item in ("special_pupils", "migrant_public", *_ledger_items(skeleton)):
        rows += _each(item, frame)
    out = pd.DataFrame(rows, columns=["year", "item", "value", "source"])
    return out.sort_values(["item", "year"], kind="stable").reset_index(drop=True)


def _each(item: str, frame: pd.DataFrame) -> Iterable[tuple[int, str, float, str]]:
    return [(int(year), item, float(value), SOURCE_SCHOOLS) for year, value in frame[item].items()]


def _years(item: str, path: Mapping[int, float], skeleton: Skeleton) -> range:
    """Return the years an item is given for: some before the first, except what a plan counts or a share."""
    first = skeleton.years[0]
    looks_back = item.endswith("_yuan") or item in LOOK_BACK
    return range(min(first - EARLIER, *path) if looks_back else first, skeleton.years[-1] + 1)


def _extended(path: Mapping[int, float], year: int) -> float:
    """Return a value on the line, going on backwards at the pace of the first two years given."""
    years = sorted(path)
    if year >= years[0] or len(years) < 2:
        return along(path, year)
    first, second = path[years[0]], path[years[1]]
    if first <= 0 or second <= 0:
        return float(first)
    pace = (second / first) ** (1 / (years[1] - years[0]))
    return float(round(first * max(pace, 1.001) ** (year - years[0]), 6))


def _sums(table: pd.DataFrame, years: list[int]) -> pd.DataFrame:
    """Sum the school panel by year, under the names that standards use."""
    taught = table[table["stage"] != "senior"]
    numbers = ["pupils", "teachers", "graduates", "entrants_3y_ago", "migrant_pupils"]
    out = pd.DataFrame(index=pd.Index(years, name="year"))
    for prefix, rows in (("all", taught), *taught.groupby("stage")):
        out = out.join(rows.groupby("year")[numbers].sum().add_prefix(f"{prefix}_"))
    special, private = taught["kind_now"] == "special", taught["founder"] == "private"
    out["special_pupils"] = taught[special].groupby("year")["pupils"].sum()
    out["private_migrants"] = taught[private].groupby("year")["migrant_pupils"].sum().reindex(years, fill_value=0)
    out["migrant_public"] = out["all_migrant_pupils"] - out["private_migrants"]
    one = taught.drop_duplicates(["school_id", "year"])
    out["n_schools"] = one.groupby("year").size()
    for kind in ("primary", "junior", "nine_year", "twelve_year", "complete_secondary", "teaching_point", "special"):
        out[f"n_{kind}"] = (one["kind_now"] == kind).groupby(one["year"]).sum()
    village = (one["kind_now"] == "primary") & (one["rank"] == "village")
    out["n_village_primary"] = village.groupby(one["year"]).sum()
    out["urban_schools"] = (one["rank"] == "county_seat").groupby(one["year"]).sum()
    return out


def _ledger(schools: list[School], years: list[int]) -> pd.DataFrame:
    """Count what the layout plan has done by each year: schools closed, turned into points, merged."""
    rows = {}
    for year in years:
        before = [s for s in schools if s.open_in(LEDGER_FROM)]
        village = [s for s in before if s.rank == "village" and s.kind_in(LEDGER_FROM) == "primary"]
        points = [s for s in before if s.kind_in(LEDGER_FROM) == "teaching_point"]
        late = max(year, LEDGER_FROM)
        rows[year] = {
            "village_primaries_closed": sum(not s.open_in(late) for s in village),
            "village_primaries_to_points": sum(
                s.open_in(late) and s.kind_in(late) == "teaching_point" for s in village
            ),
            "teaching_points_closed": sum(not s.open_in(late) for s in points),
            "township_up_merged": sum(not s.open_in(late) for s in before if s.rank != "village"),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _ledger_items(skeleton: Skeleton) -> list[str]:
    done = ["village_primaries_closed", "village_primaries_to_points", "teaching_points_closed", "township_up_merged"]
    return ["urban_schools", *done] if skeleton.name == "jiaohe" else []
