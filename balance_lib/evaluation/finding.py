"""Hold one number against one line and say what was found; what every judgement needs to know."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib.data.county import County
from balance_lib.evaluation import indicators, providers, schools, wording
from balance_lib.evaluation.indicators.comparison import TOLERANCE, satisfies, shortfall
from balance_lib.evaluation.result import ItemResult, Measured
from balance_lib.locale import Message
from balance_lib.standards import STAGES, Item, Standard

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Missing = Callable[[], Message]
Rows = Callable[[], pd.DataFrame]
Measures = Mapping[tuple[str, str], Measured]


@dataclass(frozen=True)
class Context:
    """Hold what every judgement needs: the county, the standard, the year and the day, switches and measures.

    ``measures`` are those handed in; what is not among them is fetched from who computes it. An empty mapping fetches
    nothing. ``asked_on`` is the day somebody asked for: documents recorded later are then not known.
    """

    county: County
    standard: Standard
    year: int
    on: date
    switches: schools.Switches
    measures: Measures | None
    asked_on: date | None = None
    found: dict[tuple[str, str], ItemResult] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def frames(self) -> indicators.Frames:
        """Return the county's figures prepared for this standard."""
        return indicators.frames(self.county, self.standard)

    @cached_property
    def sheet(self) -> schools.IndicatorSheet:
        """Return the indicators of the county's schools."""
        return schools.sheet(self.county, self.standard, self.switches)

    def given(self, name: str, stage: str) -> Measured | None:
        """Return a measure another room computes.

        Parameters
        ----------
        name : str
        stage : {"primary", "junior"}
        """
        handed_in = self.measures
        if handed_in is not None and (not handed_in or any(known == name for known, _ in handed_in)):
            return handed_in.get((name, stage))
        return providers._measures(self.county, self.year, name).get((name, stage))


def line_of(item: Item) -> float:
    """Return the number an item is judged by; NaN when it has none."""
    if item.threshold is not None:
        return float(item.threshold)
    return float(item.value) if isinstance(item.value, (int, float)) else math.nan


def stages_of(item: Item) -> tuple[str, ...]:
    """Return the stages an item speaks of."""
    return (item.stage,) if item.stage in STAGES else STAGES


def over_whole(values: Floats, item: Item) -> Any:
    """Tell which values are shares above 100 %: a part cannot exceed its whole, so a figure is wrong.

    Parameters
    ----------
    values : array of float
        Figures, one for each place.
    item : Item
    """
    share = item.is_share and not wording._may_exceed(item)
    return values > 100.0 * (1 + TOLERANCE) if share else np.zeros(np.shape(values), dtype=bool)


def single(
    item: Item, value: float, threshold: float, missing: Missing, note: Message | None = None, rows: Rows | None = None
) -> ItemResult:
    """Judge one number against one line.

    Parameters
    ----------
    item : Item
    value : float
    threshold : float
    missing : Missing
        Says which figure is missing.
    note : Message, optional
    rows : Rows, optional
        Makes the rows behind the value.
    """
    met = satisfies(value, item.operator, threshold)
    if met is None:
        return ItemResult(item, "no_data", missing(), value, threshold, behind=rows)
    gap = shortfall(value, item.operator, threshold)
    reason = wording._compared(item, value, threshold, gap, met=met)
    if note is not None:
        reason = Message("reason.with_note", {"why": reason, "note": note})
    return ItemResult(item, "met" if met else "not_met", reason, value, threshold, gap, rows)


def _worst_of(gap: Floats, among: Any) -> int:
    """Return the position of the least gap among some rows, the first of equals."""
    at = np.flatnonzero(among)
    return int(at[np.argmin(np.where(np.isnan(gap[at]), np.inf, gap[at]))])
