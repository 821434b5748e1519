"""Hand ``evaluation`` what only the map knows: the longest walk, and the share within the radius."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib.access.limits import Limit, walking_radius
from balance_lib.access.walks import covered_share, walks
from balance_lib.data.county import County
from balance_lib.evaluation import Measured, number
from balance_lib.locale import LANGUAGES, Message, named
from balance_lib.standards import STAGES, Standard

if TYPE_CHECKING:
    from balance_lib.access.distance import ODTable


def measures(
    county: County, year: int, *, standard: Standard | str | None = None, table: ODTable | None = None
) -> dict[tuple[str, str], Measured]:
    """Measure the walks of a stage's day pupils to the school they attend, for ``evaluation.evaluate``.

    A stage in which the distance of any day pupil is unknown has no longest walk: the farthest may be among them.

    Parameters
    ----------
    county : County
    year : int
    standard : Standard or str, optional
        Whose walking radius ``walk_covered_percent`` is measured by; the county's own plan by default. A plan without
        one borrows, and the note says from which.
    table : ODTable, optional
        Costs from villages to schools; the straight line by default. The note says which.

    Returns
    -------
    mapping of (name, stage) to Measured
        ``walk_max_km``: the longest walk in kilometres; ``walk_covered_percent``: the share of day pupils within the
        radius, 0 to 100, modelled, beside the nearby-admission rate schools report. Empty when there is no attendance.
    """
    rows, out = walks(county, year, table), {}
    for stage in STAGES:
        mine = rows[rows["stage"] == stage]
        if not mine.empty:
            out["walk_max_km", stage] = _longest(mine, county, table)
            limit = walking_radius(stage, standard if standard is not None else county.plan)
            out["walk_covered_percent", stage] = _covered(mine, limit, table)
    return out


def _longest(rows: pd.DataFrame, county: County, table: ODTable | None) -> Measured:
    unknown = rows[rows["distance_m"].isna()]
    params: dict[str, Any] = {"pupils": number(rows["pupils"].sum()), "unknown": number(unknown["pupils"].sum())}
    if len(unknown):
        return Measured(math.nan, Message("reason.walk.unknown", params))
    farthest = rows.loc[rows["distance_m"].idxmax()]
    villages, village = county.tables["villages"], farthest["village_id"]
    its = villages[villages["village_id"] == village].head(1)
    params["village"] = {lang: str(next(iter(named(its, lang)), village)) for lang in LANGUAGES}
    for km in (3, 5):
        params[f"within{km}"] = f"{100 * covered_share(rows, 1000 * km):.1f}"
    detail = rows.assign(value=rows["distance_m"] / 1000)[["village_id", "school_id", "stage", "pupils", "value"]]
    detail = detail.sort_values("value", ascending=False, kind="stable").reset_index(drop=True)
    told = Message("reason.walk.known", params)
    if table is not None and table.mode != "straight":
        told = Message("access.measured.longest", {"how": table.how(), **params})
    return Measured(float(farthest["distance_m"] / 1000), told, detail)


def _covered(rows: pd.DataFrame, limit: Limit, table: ODTable | None) -> Measured:
    lost = rows["distance_m"].isna()
    unknown = rows.loc[lost, "pupils"].sum()
    assert limit.metres is not None
    params = {
        "how": Message("access.measured.straight") if table is None else table.how(),
        "pupils": number(rows["pupils"].sum()),
        "unknown": number(unknown),
        "radius": number(limit.metres / 1000),
        "limit": limit.told(),
    }
    # Pupils nobody can measure may live outside: the share is only a number when all are known.
    key, share = ("partly", math.nan) if lost.any() else ("covered", covered_share(rows, limit.metres))
    return Measured(100 * share, Message(f"access.measured.{key}", {**params, "percent": f"{100 * share:.1f}"}))
