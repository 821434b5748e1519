"""Find every fault of a county folder in one go: within tables, across them, over years and on the map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from balance_lib._errors import DataError, Fault
from balance_lib.data import origins, tables
from balance_lib.data.check import figures, items, places, rolls, years
from balance_lib.data.county import META, County

__all__ = ["check", "check_folder"]

_ORDER = (META, *(tables.table(name).file for name in tables.all_tables()))


def check(county: County) -> list[Fault]:
    """Name everything in a county's data that is wrong (error) or asks for a look (warning).

    Errors make figures wrong: impossible values, contradictions, places outside the county. Warnings ask for a look:
    jumps over the years, blanks that exclusions need, hints of another unit or coordinate system. Nothing is mended or
    converted.

    Returns
    -------
    list of Fault
        By table and row; told by file, row and heading of the sheet they were imported from, where that is known.
    """
    frames = dict(county.tables)
    faults = tables.check(frames)
    # A row that stands twice, or lacks its key, is told once; what is reckoned from rows leaves it out.
    once = {name: _keyed(frame, list(tables.table(name).key)) for name, frame in frames.items()}
    for room in (figures, rolls, years, items):
        faults += room.check(once)
    faults += places.check(replace(county, tables=once))
    known = county.origins or origins.read(county.path)
    return sorted(origins.told(faults, frames, known), key=_place)


def check_folder(path: str | Path) -> tuple[County | None, list[Fault]]:
    """Check a county folder, with every fault of form found on the way.

    Returns
    -------
    (County or None, list of Fault)
        The county as far as it can be read; None if there is no readable ``county.yaml``.

    Raises
    ------
    NotFoundError
        If there is no such county folder.
    """
    try:
        county, faults = County.read(path)
    except DataError as error:
        return None, list(error.faults)
    return county, sorted([*faults, *check(county)], key=_place)


def _keyed(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    return frame[frame[key].notna().all(axis=1) & ~frame.duplicated(key)]


def _place(fault: Fault) -> tuple[int, str, int, str]:
    file, row, _ = fault.cell or (fault.file, fault.row, None)
    return _ORDER.index(file) if file in _ORDER else len(_ORDER), file, row or 0, fault.severity
