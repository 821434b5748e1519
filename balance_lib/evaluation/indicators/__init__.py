"""Compute each school's figures per stage: formulas of a standard over the rows of a county, all years at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.evaluation.indicators.formula import Formula, names_in
from balance_lib.evaluation.indicators.frames import Floats, Frames, evaluate
from balance_lib.standards import STAGES, Indicator, Standard, Variant

__all__ = [
    "Formula",
    "Frames",
    "evaluate",
    "formula_of",
    "frames",
    "included",
    "names_in",
    "values",
    "values_of",
]


@once_per_county
def _frames(county: County, weights: tuple[tuple[str, float], ...]) -> Frames:
    return Frames(county, dict(weights))


def frames(county: County, standard: Standard) -> Frames:
    """Return a county's figures prepared for a standard; prepared once for the same county and division.

    Parameters
    ----------
    county : County
    standard : Standard
    """
    return _frames(county, tuple(sorted(standard.split_weights.items())))


def formula_of(spec: Indicator | Variant, stage: str) -> str | None:
    """Return the formula for a stage.

    Parameters
    ----------
    spec : Indicator or Variant
    stage : str
        ``primary`` or ``junior``.
    """
    return spec.formula if isinstance(spec.formula, str) or spec.formula is None else spec.formula.get(stage)


def included(county: County, standard: Standard) -> pd.Series:
    """Tell which rows of ``frames(...).stages`` count for indicators and coefficients under a standard.

    A row whose membership cannot be known (no founder given) counts as included; ``check`` asks for the column.

    Parameters
    ----------
    county : County
    standard : Standard
    """
    yes, unknown = frames(county, standard).where("stages", standard.included or None)
    return yes | unknown


def values(
    county: County, standard: Standard, indicator: str, definitions: Mapping[str, bool] | None = None
) -> pd.Series:
    """Compute an indicator for every row of ``frames(county, standard).stages``.

    Parameters
    ----------
    county : County
    standard : Standard
        Brings the formula, its variants and the division of shared assets.
    indicator : str
        Id of one of the standard's indicators.
    definitions : mapping of str to bool, optional
        Definition switches that differ from the standard's own.

    Returns
    -------
    Series
        Value of each school, stage and year; NaN is "no data".
    """
    data = frames(county, standard)
    return pd.Series(values_of(data, standard, indicator, standard.switches(definitions)), index=data.stages.index)


def values_of(data: Frames, standard: Standard, indicator: str, switches: Mapping[str, bool]) -> Floats:
    """Compute an indicator for every row of ``data.stages``; as :func:`values`, as an array.

    Parameters
    ----------
    data : Frames
    standard : Standard
    indicator : str
        Id of the indicator.
    switches : mapping of str to bool
        Definition switches and their values.
    """
    spec = standard.indicators[indicator]
    stage_of = data.column("stages", "stage")
    out = np.full(len(stage_of), np.nan)
    for stage in STAGES:
        here = stage_of == stage
        if formula := formula_of(spec, stage):
            out = np.where(here, data.values("stages", formula, spec.blank_is_zero), out)
        for variant in (v for v in spec.variants if switches.get(v.when)):
            if changed := formula_of(variant, stage):
                applies = data.satisfying("stages", variant.where)[0] & here
                out = np.where(applies, data.values("stages", changed, variant.blank_is_zero), out)
    return out
