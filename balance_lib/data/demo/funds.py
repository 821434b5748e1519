"""Give each school its public funds and training budget of the year before, from the county's rates per pupil."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from balance_lib.data.demo.demography import along
from balance_lib.data.demo.layout import School
from balance_lib.data.demo.skeleton import Skeleton

RATES = {"primary": "per_pupil_fund_primary_yuan", "junior": "per_pupil_fund_junior_yuan"}


def build(
    skeleton: Skeleton,
    schools: list[School],
    table: pd.DataFrame,
    rates: Mapping[str, Mapping[int, float]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return ``public_budget_yuan``, ``public_final_yuan`` and ``training_budget_yuan`` of each school and year.

    Parameters
    ----------
    skeleton : Skeleton
    schools : list of School
    table : DataFrame
    rates : mapping of str to mapping of int to float
        County figures by item and year: public funds per primary and junior pupil.
    rng : Generator
    """
    plan = skeleton.settings["funds"]
    luck = {s.school_id: rng.random(3) for s in schools}
    taught = table[table["stage"] != "senior"]
    rate = np.array([along(rates[RATES[r.stage]], r.year - 1) for r in taught.itertuples()])
    own = taught.assign(budget=rate * taught["funded_pupils"] * np.where(taught["kind_now"] == "special", 6.0, 1.0))
    sums = own.groupby(["school_id", "year"], as_index=False)["budget"].sum()
    rows = []
    for row in sums.itertuples():
        a, b, c = luck[row.school_id]
        budget = max(round(row.budget * (0.98 + 0.06 * a), -2), 1000.0)
        share = along(plan["training_share"], row.year) * (1.0 + 0.2 * (b - 0.2))
        rows.append(
            {
                "school_id": row.school_id,
                "year": row.year,
                "public_budget_yuan": budget,
                "public_final_yuan": round(budget * (0.955 + 0.045 * c), -1),
                "training_budget_yuan": float(np.ceil(round(budget * share / 10, 6)) * 10),
            }
        )
    return pd.DataFrame(rows)
