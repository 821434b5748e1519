"""Attendance of very many points is estimated as of few: every roll kept, every child sent once, ways hardly longer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from balance_lib import access
from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.scenarios import estimate

YEAR = 2023


def spread(points: int, schools: int, seed: int) -> County:
    rng = np.random.default_rng(seed)
    ids, seats = [f"S{i}" for i in range(schools)], rng.uniform((109, 31), (109.6, 31.5), (schools, 2))
    homes = np.concatenate([seats[rng.integers(schools, size=points)] + rng.normal(0, 0.05, (points, 2))])
    children = rng.poisson(1.5, points)
    rolls = rng.multinomial(children.sum() + 7, np.full(schools, 1 / schools))  # the rolls say more than the raster
    names = [f"E{i}" for i in range(points)]
    frames = {
        "schools": pd.DataFrame({"school_id": ids, "name_zh": ids, "kind": "primary", "lon": seats[:, 0]}),
        "school_years": pd.DataFrame({"school_id": ids, "year": YEAR, "stage": "primary", "pupils": rolls}),
        "villages": pd.DataFrame({"village_id": names, "name_zh": names, "lon": homes[:, 0], "lat": homes[:, 1]}),
        "village_years": pd.DataFrame({"village_id": names, "year": YEAR, "age_6_11": children}),
    }
    frames["schools"]["lat"] = seats[:, 1]
    return County("p", "多点县", "P", {name: tables.conform(frame, name) for name, frame in frames.items()})


def walked(county: County, going: pd.DataFrame) -> float:
    table = access.costs(county, "straight")
    rows, columns = ({str(k): i for i, k in enumerate(names)} for names in (table.origins, table.destinations))
    metres = table.metres[going["village_id"].map(rows), going["school_id"].map(columns)]
    return float((metres * going["pupils"]).sum())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_squares_keep_every_roll_and_child_and_ways_are_hardly_longer(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    county = spread(900, 12, seed)
    one_by_one = estimate.attendance(county, YEAR)
    monkeypatch.setattr(estimate, "MOST_POINTS", 200)
    in_squares = estimate.attendance(county, YEAR)
    rolls = county.tables["school_years"].set_index("school_id")["pupils"]
    for going in (one_by_one, in_squares):
        sums = going.groupby("school_id")["pupils"].sum().reindex(rolls.index, fill_value=0)
        assert sums.tolist() == rolls.tolist()
    assert in_squares.groupby("village_id")["pupils"].sum().equals(one_by_one.groupby("village_id")["pupils"].sum())
    assert not in_squares.duplicated(["village_id", "school_id", "band"]).any()
    assert walked(county, one_by_one) <= walked(county, in_squares) <= 1.05 * walked(county, one_by_one)


def test_points_all_in_one_place_are_sent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    county = spread(300, 4, 5)
    county = county.with_tables(villages=county.tables["villages"].assign(lon=109.3, lat=31.2))
    monkeypatch.setattr(estimate, "MOST_POINTS", 50)
    going = estimate.attendance(county, YEAR)
    assert going["pupils"].sum() == county.tables["school_years"]["pupils"].sum()
