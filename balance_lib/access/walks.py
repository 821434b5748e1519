"""List where day pupils go to school and how far that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
_BANDS = {"primary": ("g4_6", "g1_3"), "junior": ("g7_9",)}
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
    rows = _day_pupils(county.table("attendance", year), county, year)
    if table is not None:
        at = positions(table.origins, rows["village_id"]), positions(table.destinations, rows["school_id"])
        return rows.assign(distance_m=_pick(table.metres, *at))[WALK_COLUMNS].reset_index(drop=True)
    for name, key in (("villages", "village_id"), ("schools", "school_id")):
        points = county.tables[name][[key, "lon", "lat"]].drop_duplicates(key)
        rows = rows.merge(points, on=key, how="left", suffixes=("", "_to"))
    ends = [crs.convert(rows[f"lon{end}"], rows[f"lat{end}"], county.crs, "WGS84") for end in ("", "_to")]
    rows["distance_m"] = distance.straight_m(*ends[0], *ends[1])
    return rows[WALK_COLUMNS].reset_index(drop=True)


def _day_pupils(going: pd.DataFrame, county: County, year: int) -> pd.DataFrame:
    """Return the day pupils of a year's attendance, ``pupils`` less boarders, and below them those it leaves out.

    Rows without day pupils are left out. A blank number of boarders counts as none: attendance that tells boarders
    apart fills it in everywhere.
    """
    day = going["pupils"] - going["boarders"].fillna(0.0)
    return pd.concat([going.assign(pupils=day)[day > 0], _left_out(going, county, year)], ignore_index=True)


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
        village_id (""), school_id, stage, band, pupils.
    """
    return _left_out(county.table("attendance", year), county, year)


def _left_out(going: pd.DataFrame, county: County, year: int) -> pd.DataFrame:
    """Return what :func:`unlisted` does, of this attendance."""
    rows = county.table("school_years", year) if len(going) else county.tables["school_years"].iloc[:0]
    listed: dict[tuple[str, str], tuple[float, float]] = {}
    for school, stage, *counts in _columns(going, "school_id", "stage", "pupils", "boarders"):
        before = listed.get((school, stage), (0.0, 0.0))
        listed[school, stage] = before[0] + _or_none(counts[0]), before[1] + _or_none(counts[1])
    day: dict[str, dict[str, float]] = {stage: {} for stage in STAGES}
    told = ("school_id", "stage", "pupils", "home_taught_pupils", "boarders")
    for school, stage, pupils, at_home, boards in _columns(rows, *told):
        if stage in day and school not in day[stage]:
            came, lodged = listed.get((school, stage), (0.0, 0.0))
            left = pupils - _or_none(at_home) - came - max(_or_none(boards) - lodged, 0.0)
            day[stage][school] = left if not (math.isnan(pupils) and came > 0) else 0.0
    parts = []
    for stage, bands in _BANDS.items():
        for at, band in enumerate(bands):
            for school, pupils in day[stage].items():
                first = float(np.ceil(pupils / len(bands)))
                here = pupils - first if at else first
                if not (pupils <= 0 or here <= 0):
                    parts.append(("", school, stage, band, here))
    out = pd.DataFrame(parts, columns=WALK_COLUMNS[:-1])
    return out.astype(dict.fromkeys(WALK_COLUMNS[:4], "str") | {"pupils": float})


def _columns(rows: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows[name].tolist() for name in names), strict=True)


def _or_none(count: float) -> float:
    """Return a count; a blank one counts as none."""
    return 0.0 if math.isnan(count) else count


def positions(ids: Any, wanted: Any) -> Ints:
    """Return where each wanted id stands in a list, its first place if it is there twice; -1 where it is not.

    Parameters
    ----------
    ids : object
        Ids in their order.
    wanted : object
        Ids that are looked for.
    """
    names = np.asarray(ids, dtype=object).tolist()
    first = {name: len(names) - 1 - i for i, name in enumerate(reversed(names))}
    return np.array([first.get(name, -1) for name in np.asarray(wanted, dtype=object).tolist()], dtype=np.int64)


def _pick(costs: Floats, row: Ints, column: Ints) -> Floats:
    """Return the cost of each pair; NaN where the origin or the destination is not in the table (-1).

    ``row``: origin of each pair; -1 is not in the table. ``column``: destination of each pair; -1 is not in the table.
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
