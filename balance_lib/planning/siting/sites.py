"""Hold candidate places for new schools, and read them from a table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balance_lib._errors import DataError, Fault, unreadable
from balance_lib.scenarios import Open

COLUMNS = ("site_id", "name_zh", "township", "lon", "lat", "classes")
MORE = ("name_en", "kind", "location", "rank", "building_yuan")


@dataclass(frozen=True, kw_only=True)
class Site:
    """Hold a place where a school of the stage may open.

    Parameters
    ----------
    site_id : str
        Id of the school it would be.
    name_zh, name_en, township, location, rank, kind : str
        As in the table of schools; ``kind`` is that of the stage by default.
    lon, lat : float
    classes : int
        Classes it would be built for: its places are classes × class cap.
    building_yuan : float, optional
        What building it costs; classes × the scenario's cost of a classroom by default.
    """

    site_id: str
    name_zh: str
    township: str
    lon: float
    lat: float
    classes: int
    name_en: str = ""
    kind: str = ""
    location: str = ""
    rank: str = ""
    building_yuan: float | None = None

    @classmethod
    def of(cls, opening: Open) -> Site:
        """Return the place a scenario's opening names."""
        return cls(
            site_id=opening.school_id, name_zh=opening.name_zh, name_en=opening.name_en, township=opening.township,
            lon=float(opening.lon or math.nan), lat=float(opening.lat or math.nan), kind=opening.kind,
            classes=opening.classes_primary or opening.classes_junior, location=opening.location, rank=opening.rank,
        )  # fmt: skip

    def opening(self, stage: str, villages: Iterable[str] = ()) -> Open:
        """Return the operation that opens it for these villages.

        Parameters
        ----------
        stage : str
            ``primary`` or ``junior``.
        villages : iterable of str
            Ids of villages.
        """
        of_primary = stage == "primary"
        return Open(
            school_id=self.site_id, name_zh=self.name_zh, name_en=self.name_en, kind=self.kind or stage,
            township=self.township, location=self.location, rank=self.rank, lon=self.lon, lat=self.lat,
            villages=tuple(villages), classes_primary=self.classes if of_primary else 0,
            classes_junior=0 if of_primary else self.classes,
        )  # fmt: skip


def read_sites(path: str | Path) -> tuple[Site, ...]:
    """Read candidate places from a CSV with the columns of :class:`Site`.

    Raises
    ------
    DataError
        With every fault: file, row and column.
    """
    import pandas as pd

    file = Path(path)
    try:
        table = pd.read_csv(file, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError([unreadable(file.name, error)]) from error
    faults = [Fault("missing_column", file.name, 1, c) for c in COLUMNS if c not in table]
    faults += [Fault("unknown_column", file.name, 1, str(c)) for c in table if c not in COLUMNS + MORE]
    if faults:
        raise DataError(faults)
    found = [_site(row, file.name, at, faults) for at, row in enumerate(table.to_dict("records"), start=2)]
    ids = [site.site_id for site in found]
    for at, site in enumerate(ids):
        if site in ids[:at]:
            faults.append(Fault("duplicate", file.name, at + 2, "site_id", site, params={"first": ids.index(site) + 2}))
    if faults:
        raise DataError(faults)
    return tuple(found)


def _site(row: dict[Any, Any], file: str, at: int, faults: list[Fault]) -> Site:
    values: dict[str, Any] = {str(k): str(v).strip() for k, v in row.items()}
    faults += [Fault("required", file, at, c) for c in COLUMNS if not values[c]]
    for name in ("lon", "lat", "classes", "building_yuan"):
        told = values.pop(name, "")
        try:
            values[name] = float(told) if told else None
        except ValueError:
            values[name] = None
            faults.append(Fault("not_a_number", file, at, name, told))
    classes = values["classes"]
    if classes is not None and (classes != int(classes) or classes < 1):
        faults.append(Fault("whole", file, at, "classes", classes))
    return Site(**{**values, "classes": int(classes or 0)})
