"""Say what a projection may assume: births, migration, the pull of the town, zoned admission, schools to close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

MOST_YEARS = 30  # a child born in the base year has long left grade 9: beyond, nothing counted speaks any more


@dataclass(frozen=True, kw_only=True)
class ProjectionSettings:
    """Hold the assumptions of a projection; the defaults go on as the county's own counts did.

    Parameters
    ----------
    births_percent : float
        Births after the last counted year, more or fewer, in percent.
    births_trend : {"damped", "level", "linear"}
        The trend of births goes on and fades out, stops, or goes on unbroken (on the logarithm).
    migration : {"observed", "none"}
        Cohorts grow or shrink from year to year as they did, or stay as they are: then every pupil is one birth.
    net_migration_per_1000 : float
        Children who move into the county each year (negative: leave) per 1,000 of every age, on top of that.
    town_shift_percent : float
        Share of the country schools' entrants (grades 1 and 7) that turns to a town school each year, in percent.
    zoned : bool
        Whether entrants go where their village goes today (划片招生); if not, the drift between schools observed
        so far goes on and fades out.
    closing : mapping of school_id to year, or pairs
        First school year without pupils, on top of what the table of schools says.
    level : float
        Share of cases the band is to hold, 0–1.
    """

    births_percent: float = 0.0
    births_trend: Literal["damped", "level", "linear"] = "damped"
    migration: Literal["observed", "none"] = "observed"
    net_migration_per_1000: float = 0.0
    town_shift_percent: float = 0.0
    zoned: bool = True
    closing: Mapping[str, int] | Sequence[tuple[str, int]] = ()
    level: float = 0.8

    def __post_init__(self) -> None:
        pairs = self.closing.items() if isinstance(self.closing, Mapping) else self.closing
        object.__setattr__(self, "closing", tuple(sorted((str(school), int(year)) for school, year in pairs)))
        for name, low, high in _RANGES:
            if not low <= float(getattr(self, name)) <= high:
                raise ValueError(f"{name}: {low} … {high}, not {getattr(self, name)}")

    @property
    def closures(self) -> dict[str, int]:
        """Return the schools to close with the first year without pupils."""
        return dict(self.closing)


_RANGES = (
    ("births_percent", -90.0, 200.0),
    ("net_migration_per_1000", -200.0, 200.0),
    ("town_shift_percent", 0.0, 50.0),
    ("level", 0.5, 0.99),
)


@cache
def assumptions() -> Mapping[str, Any]:
    """Return the statistical assumptions that no county's data can give, each with its reason in the file."""
    source = resources.files(__package__).joinpath("assumptions.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.safe_load(source)
    return found
