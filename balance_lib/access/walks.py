"""List where day pupils go to school and how far that is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.access import distance
from balance_lib.data import crs
from balance_lib.data.county import County
from balance_lib.standards import STAGES

if TYPE_CHECKING:
    from balance_lib.access.distance import ODTable

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WALK_COLUMNS = ["village_id", "school_id", "stage", "band", "pupils", "distance_m"]


def walks(county: County, year: int, table: ODTable | None = None) -> pd.DataFrame:
    """List where day pupils go and how far that is.

    Parameters
    ----------
    county : County
        With villages, schools (lon, lat) and attendance of that year.
    year : int
    table : ODTable, optional
        Costs from villages to schools; by default the straight line over the ground.

    Returns
    -------
    DataFrame
        village_id, school_id, stage, band, pupils (day pupils, > 0), distance_m (NaN where it is not known: a point is
        missing, the table knows no way, or nobody says where the pupils live: :func:`unlisted`).
    """
    rows = pd.concat([day_pupils(county, year), unlisted(county, year)], ignore_index=True)
    if table is not None:
        at = positions(table.origins, rows["village_id"]), positions(table.destinations, rows["school_id"])
        return rows.assign(distance_m=pick(table.metres, *at))[WALK_COLUMNS].reset_index(drop=True)
    for name, key in (("villages", "village_id"), ("schools", "school_id")):
        points = county.tables[name][[key, "lon", "lat"]].drop_duplicates(key)
        rows = rows.merge(points, on=key, how="left", suffixes=("", "_to"))
    ends = [crs.convert(rows[f"lon{end}"], rows[f"lat{end}"], county.crs, "WGS84") for end in ("", "_to")]
    rows["distance_m"] = distance.straight_m(*ends[0], *ends[1])
    return rows[WALK_COLUMNS].reset_index(drop=True)


def day_pupils(county: County, year: int) -> pd.DataFrame:
    """Return the attendance of a year with ``pupils`` less boarders, rows without day pupils left out.

    A blank number of boarders counts as none: attendance that tells boarders apart fills it in everywhere.

    Parameters
    ----------
    county : County
    year : int
    """
    rows = county.table("attendance", year)
    day = rows["pupils"] - rows["boarders"].fillna(0.0)
    return rows.assign(pupils=day)[day > 0]


def unlisted(county: County, year: int) -> pd.DataFrame:
    """Return the day pupils of recorded rolls whom attendance leaves out: who knows how far they walk?

    Pupils taught at home do not walk; the boarders attendance does not list are taken to be among those left out. A
    roll nobody counted, of a school without attendance, has NaN pupils. A year without any attendance has no rows.

    Parameters
    ----------
    county : County
    year : int
        School year, by its first calendar year.

    Returns
    -------
    DataFrame
        village_id (""), school_id, stage, band, pupils, as :func:`day_pupils`.
    """
    going, key = county.table("attendance", year), ["school_id", "stage"]
    rows = county.table("school_years", year) if len(going) else county.tables["school_years"].iloc[:0]
    rows = rows[rows["stage"].isin(STAGES)].drop_duplicates(key).set_index(key)
    listed = going.groupby(key)[["pupils", "boarders"]].sum().reindex(rows.index).fillna(0.0)
    at_home, boards = rows["home_taught_pupils"].fillna(0.0), rows["boarders"].fillna(0.0)
    lacking = rows["pupils"] - at_home - listed["pupils"]
    day = lacking - (boards - listed["boarders"]).clip(lower=0.0)
    day = day[(day > 0) | (rows["pupils"].isna() & (listed["pupils"] == 0))].rename("day").reset_index()
    bands = {"primary": ("g4_6", "g1_3"), "junior": ("g7_9",)}
    parts = []
    for stage, names in bands.items():
        mine = day[day["stage"] == stage]
        first = np.ceil(mine["day"] / len(names))
        for band, pupils in zip(names, (first, mine["day"] - first), strict=False):
            parts.append(mine.drop(columns="day").assign(village_id="", band=band, pupils=pupils))
    out = pd.concat(parts, ignore_index=True)
    return out[~(out["pupils"] <= 0)].astype({"village_id": "str", "band": "str"})


def positions(ids: Any, wanted: Any) -> Ints:
    """Return where each wanted id stands in a list, its first place if it is there twice; -1 where it is not.

    Parameters
    ----------
    ids : object
        Ids in their order.
    wanted : object
        Ids that are looked for.
    """
    first = pd.Series(np.arange(len(ids)), index=ids)
    first = first[~first.index.duplicated()]
    return first.reindex(wanted).fillna(-1).to_numpy(dtype=np.int64)


def pick(costs: Floats, row: Ints, column: Ints) -> Floats:
    """Return the cost of each pair; NaN where the origin or the destination is not in the table (-1).

    Parameters
    ----------
    costs : array of float
        Costs between all origins and destinations.
    row : array of int
        Origin of each pair; -1 is not in the table.
    column : array of int
        Destination of each pair; -1 is not in the table.
    """
    known = (row >= 0) & (column >= 0)
    out = np.full(len(row), np.nan)
    out[known] = costs[row[known], column[known]]
    return out


def covered_share(table: pd.DataFrame, radius_m: float) -> float:
    """Compute the share of day pupils within a radius of their school.

    Parameters
    ----------
    table : DataFrame
        From :func:`walks`.
    radius_m : float

    Returns
    -------
    float
        Between 0 and 1, over the pupils whose distance is known; NaN when none is.

    Examples
    --------
    >>> covered_share(pd.DataFrame({"pupils": [30.0, 10.0], "distance_m": [900.0, 3200.0]}), 3000)
    0.75
    """
    known = table[table["distance_m"].notna()]
    total = known["pupils"].sum()
    return float(known.loc[known["distance_m"] <= radius_m, "pupils"].sum() / total) if total > 0 else math.nan
