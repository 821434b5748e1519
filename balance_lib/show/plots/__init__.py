"""Draw result tables as figures: pure functions, table in, figure out; nothing is computed here."""

from __future__ import annotations

from balance_lib.show.plots.frontier import frontier
from balance_lib.show.plots.judged import (
    coefficient_bars,
    coefficient_over_years,
    contribution_bars,
    gap_over_time,
)

__all__ = [
    "coefficient_bars",
    "coefficient_over_years",
    "contribution_bars",
    "frontier",
    "gap_over_time",
]
