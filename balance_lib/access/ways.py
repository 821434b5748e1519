"""Get the costs from a county's villages to its schools, one way of measuring at a time."""

from __future__ import annotations

import pandas as pd

from balance_lib.access import distance
from balance_lib.access.distance import MODES, Direction, Mode, ODTable
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county


def modes_of(county: County) -> list[Mode]:
    """Return the ways of measuring a county has the data for: roads for the network, a relief for the terrain."""
    there = {"straight": True, "network": not county.tables["edges"].empty, "terrain": False}
    if county.path is not None:
        there["network"] |= any(county.path.glob("*.osm.pbf"))
        there["terrain"] = (county.path / "dem.tif").is_file()
    return [mode for mode in MODES if there[mode]]


def ends(county: County) -> dict[str, pd.DataFrame]:
    """Return what ways are measured between: all villages and all schools of all years, each once."""
    return {
        "origins": county.tables["villages"].drop_duplicates("village_id"),
        "destinations": county.tables["schools"].drop_duplicates("school_id"),
    }


def costs(county: County, mode: Mode = "straight", *, direction: Direction = "there") -> ODTable:
    """Measure the ways from all villages to all schools of a county; each only once as long as the county is open.

    All schools of all years are in the table, so that another year, stage or radius measures nothing anew.

    Parameters
    ----------
    county : County
    mode : {"straight", "network", "terrain"}
    direction : {"there", "back"}
        To school or home; only the terrain tells them apart.

    Raises
    ------
    NotFoundError
        If the way of measuring is unknown.
    DataError
        If the county lacks the roads or the relief it needs.

    See Also
    --------
    balance_lib.access.distance.od : what measures.
    """
    return _measured(county, mode, direction if mode == "terrain" else "there")


@once_per_county
def _measured(county: County, mode: Mode, direction: Direction) -> ODTable:
    return distance.od(county, mode=mode, direction=direction, **ends(county))
