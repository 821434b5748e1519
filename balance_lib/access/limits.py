"""Find how far pupils may walk: from the county's own plan, else from another; never from the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from balance_lib import standards
from balance_lib._errors import PolicyError
from balance_lib.data.county import County
from balance_lib.locale import Message
from balance_lib.standards import Item, Standard

WALK = "walk_max_km"
METRES = {"km": 1000.0, "m": 1.0}
TRAVEL_TIME = "grades_1_3"


@dataclass(frozen=True)
class Limit:
    """Hold one limit on the way to school, and who set it.

    Parameters
    ----------
    id : str
        Code of the item, or the name of the line in ``limits.yaml``.
    stage : str
    place, source : mapping of language to str
        For whom it was set, and where it is written.
    metres, minutes : float or None
        One of the two.
    band : str or None
        Grade band, when it is not for the whole stage.
    own : bool
        Whether the county's own plan sets it; otherwise it is borrowed and every number says so.
    verified : bool
        Whether the wording was read in the issuer's own publication.
    """

    id: str
    stage: str
    place: Mapping[str, str]
    source: Mapping[str, str]
    metres: float | None = None
    minutes: float | None = None
    band: str | None = None
    own: bool = False
    verified: bool = True

    def told(self) -> Message:
        """Say who set the limit."""
        origin = "own" if self.own else "borrowed" if self.verified else "unverified"
        return Message(f"access.limit.{origin}", {"source": dict(self.source), "place": dict(self.place)})


def walking_radius(stage: str, standard: Standard | str | None = None) -> Limit:
    """Return the walking radius of a stage.

    Parameters
    ----------
    stage : {"primary", "junior"}
    standard : Standard or str, optional
        The county's own plan, or its id. If it sets no radius, the first plan of the library that does is taken, and
        the limit is not ``own``.

    Raises
    ------
    PolicyError
        If no standard sets a radius for the stage.

    Examples
    --------
    >>> walking_radius("primary", "akqi_2022").metres, walking_radius("junior", "wuxi_2016").own
    (3000.0, False)
    """
    plan = standards.load(standard) if isinstance(standard, str) else standard
    if plan is not None and (found := _radius(plan, stage, own=True)):
        return found
    for name in standards.ids():
        if found := _radius(standards.load(name), stage, own=False):
            return found
    raise PolicyError(f"no standard sets a walking radius ({WALK}) for the stage {stage}")


def radius_of(county: County, stage: str) -> Limit:
    """Return the walking radius of a stage by the county's own plan; see :func:`walking_radius`.

    Parameters
    ----------
    county : County
    stage : str
        ``primary`` or ``junior``.
    """
    return walking_radius(stage, county.plan)


def travel_limit() -> Limit:
    """Return the limit on the time grades 1–3 travel."""
    return next(limit for limit in _others() if limit.id == TRAVEL_TIME)


def limits(stage: str, standard: Standard | str | None = None) -> list[Limit]:
    """Return the radii to choose from for a stage: the one that applies, then those of other places.

    Parameters
    ----------
    stage : str
        ``primary`` or ``junior``.
    standard : Standard or str, optional
        A standard or its id.
    """
    first = walking_radius(stage, standard)
    return [first, *(limit for limit in _others() if limit.stage == stage and limit.metres is not None)]


def _radius(standard: Standard, stage: str, *, own: bool) -> Limit | None:
    items = [i for i in standard.judged if i.stage == stage and i.measure and i.same_as is None]
    item = next((i for i in items if i.measure and i.measure.formula == WALK and i.judged_unit in METRES), None)
    return None if item is None else _of_item(standard, item, own)


def _of_item(standard: Standard, item: Item, own: bool) -> Limit:
    line = float(item.value if item.threshold is None else item.threshold)
    return Limit(
        id=item.code,
        stage=item.stage,
        place={"zh": standard.title_zh, "en": standard.title_en},
        source={lang: f"{standard.title(lang)} {item.code}" for lang in ("zh", "en")},
        metres=line * METRES[item.judged_unit],
        own=own,
        verified=item.verified is True,
    )


@cache
def _others() -> tuple[Limit, ...]:
    raw = yaml.safe_load(resources.files(__package__).joinpath("limits.yaml").read_text(encoding="utf-8"))
    return tuple(_read(entry) for entry in raw)


def _read(entry: Mapping[str, Any]) -> Limit:
    minutes = entry["unit"] == "min"
    return Limit(
        id=entry["id"],
        stage=entry["stage"],
        place={lang: entry[f"place_{lang}"] for lang in ("zh", "en")},
        source={lang: entry[f"source_{lang}"] for lang in ("zh", "en")},
        metres=None if minutes else entry["value"] * METRES[entry["unit"]],
        minutes=float(entry["value"]) if minutes else None,
        band=entry.get("band"),
        verified=entry["verified"],
    )
