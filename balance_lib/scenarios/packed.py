"""Hand a board's arrays to a page, which then answers a slider by itself (``tick.js``)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import numpy as np

from balance_lib.data.tables.kinds import NINE_GRADES
from balance_lib.scenarios.board_arrays import BoardArrays
from balance_lib.scenarios.riding import may_board
from balance_lib.standards import STAGES


def pack(board: BoardArrays) -> dict[str, Any]:
    """Return what a page needs to answer the sliders of a board.

    The page reckons with the nearest school that takes a village's children in. Where places would not be enough it
    says so: ``proven`` is then false or, on a board that reckons with places, ``full`` is true, and the kernel has
    the answer. Births change the arrays themselves and are no slider of a page.

    Returns
    -------
    dict
        Arrays (distances in metres as 32-bit floats, NaN unknown), lists of ids, and plain numbers.
    """
    settings, frame = board.layout.scenario.settings, board.layout.frame
    classes = [frame[f"classes_{stage}"].to_numpy(dtype=float) for stage in STAGES]
    return {
        "schools": list(board.schools),
        "villages": list(board.villages),
        "metres": board.metres.astype("f4"),
        "minutes": _times(board.minutes, board.metres),
        "road": _times(board.road(slice(None), slice(None)), board.metres),
        "lines": None if board.lines is None else board.lines.astype("f4"),
        "school_order": board.school_order.astype("u2"),
        "teaches": board.teaches.astype("u1"),
        "receives": board.receives.astype("u1"),
        "allowed": board.allowed.astype("u1"),
        "sector": board.sector.astype("u1"),
        "may_close": board.may_close.astype("u1"),
        "over": board.over.astype("u1"),
        "enrolled": board.enrolled.astype("f8"),
        "sums": board.sums.astype("f8"),
        "with_places": board.with_places,
        "classes": np.column_stack(classes),
        "grades": np.column_stack([board.layout.grades(stage).to_numpy(dtype=float) for stage in STAGES]),
        "most": np.array([settings.size_cap(kind in NINE_GRADES) for kind in frame["kind"]], dtype="f8"),
        "class_cap": [settings.class_cap(stage) for stage in STAGES],
        "beds": board.beds.astype("f8"),
        "beds_used": board.beds_used.astype("f8"),
        "rank": board.rank.astype("i4"),
        "group_village": board.g_village.astype("i4"),
        "group_school": board.g_school.astype("i4"),
        "group_band": board.g_band.astype("u1"),
        "group_pupils": board.g_pupils.astype("f8"),
        "group_boarders": board.g_board.astype("f8"),
        "group_home": board.g_home.astype("u1"),
        "group_into": board.g_into.astype("i4"),
        "group_name": board.g_name.astype("i4"),
        "zones": [{"school": zone.school, "rows": zone.rows.tolist(), "whole": zone.whole} for zone in board.zones],
        "may_board": may_board(settings.boarding_from_grade).astype("u1"),
        "radius_m": [_radius(board, stage) for stage in STAGES],
        "bus_minutes": settings.bus_minutes,
        "bus_kph": settings.number("bus_kph"),
        "young_minutes": settings.number("young_minutes"),
        "rezone": bool(settings.rezone),
    }


def typed_arrays(packed: dict[str, Any], encode: Callable[[bytes], Any] = bytes) -> dict[str, Any]:
    """Return a packed board as a page takes it: each array as its type and its bytes.

    Parameters
    ----------
    packed : dict
        As :func:`pack` returns it.
    encode : callable
        What becomes of the bytes of an array; they stay as they are without it.

    Returns
    -------
    dict
        ``unpack`` of ``tick.js`` reads it.
    """
    return {
        name: {"dtype": value.dtype.str[1:], "data": encode(np.ascontiguousarray(value).tobytes())}
        if isinstance(value, np.ndarray)
        else value
        for name, value in packed.items()
    }


def plain_arrays(packed: dict[str, Any]) -> dict[str, Any]:
    """Return a packed board as JSON holds it: as :func:`typed_arrays`, the bytes in base64."""
    return typed_arrays(packed, lambda content: b64encode(content).decode("ascii"))


def _radius(board: BoardArrays, stage: str) -> float | None:
    own = getattr(board.layout.scenario.settings, f"walk_{stage}_m")
    metres = float(board.radius_m[stage] if own is None else own)
    return metres if np.isfinite(metres) else None


def _times(values: Any, metres: Any) -> Any:
    """Return the factor that makes ``values`` of the distances, or the values where they are no multiple of them."""
    known = np.isfinite(values) & np.isfinite(metres) & (metres > 0)
    if (np.isfinite(values) == np.isfinite(metres)).all() and known.any():
        ratio = values[known] / metres[known]
        if np.ptp(ratio) <= 1e-9 * ratio.max():
            return float(ratio.mean())
    return values.astype("f4")
