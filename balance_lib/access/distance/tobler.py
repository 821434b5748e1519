"""Walking speed by slope."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from balance_lib.access.distance.places import Floats
from balance_lib.access.distance.result import FLAT_KPH, minute_m

STEEPEST = 1.0  # rise over run; steeper ground is a cliff, where Tobler's function says 0.15 km/h and people say no


def tobler_kph(slope: npt.ArrayLike, flat_kph: float = FLAT_KPH) -> Floats:
    r"""Compute walking speed on a slope.

    .. math:: W = 6 e^{-3.5 |S + 0.05|}

    Parameters
    ----------
    slope : array of float
        Rise over run in the direction walked: positive uphill.
    flat_kph : float
        Speed on the flat; 5.037 km/h gives Tobler's own figures.

    Returns
    -------
    array of float
        Kilometres of map distance an hour; fastest at a descent of 5 %.

    References
    ----------
    Tobler, W. (1993). Three presentations on geographical analysis and modeling. NCGIA Technical Report 93-1, from
    E. Imhof's data (1950).

    Examples
    --------
    >>> tobler_kph([-0.3, -0.05, 0.0, 0.3]).round(3).tolist()
    [2.501, 6.0, 5.037, 1.763]
    """
    return flat_kph * np.exp(3.5 * (0.05 - np.abs(np.asarray(slope, dtype=float) + 0.05)))


def _pace_min(run_m: npt.ArrayLike, rise_m: npt.ArrayLike, flat_kph: float = FLAT_KPH) -> Floats:
    """Compute the minutes a metre of map distance takes; slopes beyond 45 degrees count as 45."""
    run, rise = np.asarray(run_m, dtype=float), np.asarray(rise_m, dtype=float)
    slope = np.clip(
        np.divide(rise, run, out=np.zeros(np.broadcast(run, rise).shape), where=run > 0), -STEEPEST, STEEPEST
    )
    return tobler_kph(0.0, flat_kph) / tobler_kph(slope, flat_kph) / minute_m(flat_kph)
