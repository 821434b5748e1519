"""Change a county's folder from a page: nobody's change is lost, and the trail says who made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib._errors import ChangedError
from balance_lib.data.county import County
from balance_lib.office.store import trail
from balance_lib.office.store.refused import ConflictError
from balance_lib.office.store.stamp import Stamp

if TYPE_CHECKING:
    from balance_lib.office.store.store import Store

KEY = ("standard", "item_id", "year")
SAID = ("finding", "document", "unit")


def record_finding(
    store: Store, folder: Path, row: Mapping[str, Any], *, seen: pd.DataFrame, who: str, stamp: Stamp
) -> bool:
    """Write one finding into a county's folder and the trail; return whether one stood there before.

    Parameters
    ----------
    store : Store
    folder : Path
        The county's folder.
    row : mapping
        A row of the table ``evidence``.
    seen : DataFrame
        The table as the person saw it. Findings of other items may have been recorded since.
    who : str
    stamp : Stamp

    Raises
    ------
    ConflictError
        If somebody else recorded the same finding since; nothing is written.
    StoreError
        If nobody is named.
    """
    name = trail.name_of(who)
    subject = trail.Subject("finding", _id(*(row[key] for key in KEY)), County.open(folder).county_id, row["standard"])
    with store.writing() as connection:
        while True:
            county = County.open(folder)
            evidence = county.tables["evidence"]
            before, known = _row(evidence, row), _row(seen, row)
            if before != known and before != {key: row[key] for key in SAID}:
                raise _conflict(trail._last(connection, subject))
            kept = evidence[~_same(evidence, row)]
            try:
                county.with_tables(evidence=pd.DataFrame([*kept.to_dict("records"), dict(row)])).save(folder)
                break
            except ChangedError:  # a command wrote into the folder: the finding is added to what stands now
                continue
        trail._write_next(connection, subject, who=name, action="record", before=before or {},
                         after={key: row[key] for key in SAID}, stamp=stamp,
                         note=f"{row['item_id']} {row['year']}")  # fmt: skip
    return before is not None


def keep_import(
    store: Store, county: County, folder: Path, *, rows: Mapping[str, int], files: Sequence[str], who: str, stamp: Stamp
) -> None:
    """Write an imported county into its folder, and into the trail who brought which files in.

    Parameters
    ----------
    store : Store
    county : County
    folder : Path
    rows : mapping of str to int
        Rows of each table.
    files : sequence of str
        The files.
    who : str
        Who does it; recorded in the trail.
    stamp : Stamp

    Raises
    ------
    ChangedError
        If somebody else wrote into the folder since it was read; nothing is written.
    StoreError
        If nobody is named.
    """
    name = trail.name_of(who)
    subject = trail.Subject("county", _id(county.county_id), county.county_id)
    note = trail.shortened("、".join(files))
    with store.writing() as connection:
        county.save(folder)
        trail._write_next(connection, subject, who=name, action="import", before={}, after=dict(rows), stamp=stamp,
                         note=note)  # fmt: skip


def _id(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _same(frame: pd.DataFrame, row: Mapping[str, Any]) -> pd.Series:
    return (
        (frame["standard"] == row["standard"]) & (frame["item_id"] == row["item_id"]) & (frame["year"] == row["year"])
    )


def _row(frame: pd.DataFrame, row: Mapping[str, Any]) -> dict[str, Any] | None:
    found = frame[_same(frame, row)]
    return None if found.empty else {key: None if pd.isna(v := found.iloc[-1][key]) else v for key in SAID}


def _conflict(last: Mapping[str, Any] | None) -> ConflictError:
    told = last or {"version": 1, "who": "", "at": None}
    return ConflictError(version=told["version"], who=told["who"], at=told["at"])
