"""Keep saved scenarios: their text with a name and an author; the store does not read what they say."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime

import pandas as pd
from sqlalchemy import Connection, insert, select, update

from balance_lib._errors import NotFoundError
from balance_lib.office.store import trail
from balance_lib.office.store.models import StoredScenario
from balance_lib.office.store.refused import ConflictError, StoreError
from balance_lib.office.store.stamp import Stamp

TABLE = StoredScenario.__table__
MOST_BYTES = 2_000_000


@dataclass(frozen=True)
class SavedScenario:
    """Hold a saved scenario with what it rests on."""

    scenario_id: str
    name: str
    author: str
    county_id: str
    yaml: str
    created_at: datetime
    changed_at: datetime
    version: int
    county_hash: str
    standard_id: str
    standard_version: str
    software: str


COLUMNS = [field.name for field in fields(SavedScenario)]


def add(
    connection: Connection, yaml: str, *, name: str, author: str, county_id: str, standard_id: str, stamp: Stamp
) -> str:
    """Save a new scenario and return its id.

    Parameters
    ----------
    connection : Connection
    yaml, name, author, county_id, standard_id, stamp
        As for :meth:`Store.save_scenario`.

    Raises
    ------
    StoreError
        If the same author has one of this name in the county: nobody could tell the two apart.
    """
    at, new = trail.now(), trail.fresh_id()
    values = {"name": _name(name), "author": trail.name_of(author), "yaml": _text(yaml)}
    twin = (TABLE.c.name == values["name"]) & (TABLE.c.author == values["author"]) & (TABLE.c.county_id == county_id)
    if connection.execute(select(TABLE.c.scenario_id).where(twin & TABLE.c.removed_at.is_(None))).first():
        raise StoreError("scenario_stands", name=values["name"])
    own = {"scenario_id": new, "county_id": county_id, "standard_id": standard_id, "version": 1}
    connection.execute(insert(TABLE).values(**own, **values, created_at=at, changed_at=at, **vars(stamp)))  # type: ignore[arg-type]
    subject = trail.Subject("scenario", new, county_id, standard_id)
    trail.write(connection, subject, who=values["author"], at=at, version=1, action="save", before={}, after=values,
                stamp=stamp)  # fmt: skip
    return new


def _change(
    connection: Connection, scenario_id: str, *, version: int, author: str, stamp: Stamp, **changes: str
) -> int:
    """Change a scenario's name or text, if nobody else has since ``version``; return the new version.

    Raises
    ------
    ConflictError
        If it was changed since; nothing is written.
    """
    before = _get(connection, scenario_id)
    who, at = trail.name_of(author), trail.now()
    clean = {"name": _name, "yaml": _text}
    new = {name: clean[name](value) for name, value in changes.items()}
    same = (TABLE.c.scenario_id == scenario_id) & (TABLE.c.version == version)
    values = {**new, "changed_at": at, "version": version + 1, **vars(stamp)}
    if connection.execute(update(TABLE).where(same).values(**values)).rowcount != 1:  # type: ignore[arg-type]
        raise _conflict(connection, scenario_id)
    subject = trail.Subject("scenario", scenario_id, before.county_id, before.standard_id)
    trail.write(connection, subject, who=who, at=at, version=version + 1, action="save", before=vars(before), after=new,
                stamp=stamp)  # fmt: skip
    return version + 1


def _remove(connection: Connection, scenario_id: str, *, version: int, author: str, stamp: Stamp) -> None:
    """Take a scenario off the list; what it said stays in the trail.

    ``scenario_id``, ``version``, ``author``, ``stamp``: as for :meth:`Store.remove_scenario`.

    Raises
    ------
    ConflictError
        If it was changed since ``version``; nothing is written.
    """
    before, at, who = _get(connection, scenario_id), trail.now(), trail.name_of(author)
    same = (TABLE.c.scenario_id == scenario_id) & (TABLE.c.version == version)
    if connection.execute(update(TABLE).where(same).values(removed_at=at, version=version + 1)).rowcount != 1:  # type: ignore[arg-type]
        raise _conflict(connection, scenario_id)
    subject = trail.Subject("scenario", scenario_id, before.county_id, before.standard_id)
    trail.write(connection, subject, who=who, at=at, version=version + 1, action="remove", before={"removed_at": None},
                after={"removed_at": at}, stamp=stamp)  # fmt: skip


def _get(connection: Connection, scenario_id: str, version: int | None = None) -> SavedScenario:
    """Return a scenario by its id, as it stands or as it was in an earlier version.

    Raises
    ------
    NotFoundError
        If there is none, or it was removed, or never had such a version.
    """
    asked = select(*(TABLE.c[name] for name in COLUMNS)).where(TABLE.c.scenario_id == scenario_id)
    found = connection.execute(asked.where(TABLE.c.removed_at.is_(None))).mappings().first()
    if found is None:
        raise NotFoundError("scenario", scenario_id)
    saved = SavedScenario(**found)
    return saved if version in (None, saved.version) else _earlier(connection, saved, version or 0)


def _earlier(connection: Connection, saved: SavedScenario, version: int) -> SavedScenario:
    """Return a version that was changed since, put together from the trail."""
    told = trail.history(connection, subject_id=saved.scenario_id, kind="scenario")
    told = told[told["version"] <= version]
    if told.empty or told["version"].max() != version:
        raise NotFoundError("scenario", f"{saved.scenario_id}.{version}", range(1, saved.version + 1))
    last = told.iloc[-1]
    said = {name: told.loc[told["field"] == name, "after"].iloc[-1] for name in ("name", "yaml")}
    return replace(saved, **said, version=version, changed_at=last["at"], county_hash=last["county_hash"],
                   standard_version=last["standard_version"], software=last["software"])  # fmt: skip


def _listed(connection: Connection, county_id: str) -> pd.DataFrame:
    """Return a county's scenarios without their texts, last changed first."""
    heads = [name for name in COLUMNS if name != "yaml"]
    asked = select(*(TABLE.c[name] for name in heads)).where(TABLE.c.county_id == county_id)
    asked = asked.where(TABLE.c.removed_at.is_(None)).order_by(TABLE.c.changed_at.desc(), TABLE.c.scenario_id)
    return trail.frame(connection, asked, heads)


def _conflict(connection: Connection, scenario_id: str) -> ConflictError:
    """Return the error that tells who changed a scenario, as it stands now: somebody may have saved a moment ago."""
    now, found = _get(connection, scenario_id), trail.history(connection, subject_id=scenario_id)
    return ConflictError(version=now.version, who="" if found.empty else str(found["who"].iloc[-1]), at=now.changed_at)


def _name(given: str) -> str:
    found = trail.bounded(given, 200)
    if not found:
        raise StoreError("no_name")
    return found


def _text(given: str) -> str:
    if "\0" in given or len(given.encode("utf-8", "replace")) > MOST_BYTES:
        raise StoreError("scenario_text", most=MOST_BYTES // 1_000_000)
    return given
