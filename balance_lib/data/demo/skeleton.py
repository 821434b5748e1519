"""Read the real skeleton of a demonstration county: outline, names, coarse relief, figures of its plan."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import yaml
from shapely.geometry import Polygon, shape

from balance_lib._errors import NotFoundError

NAMES = ("wuxi", "huixian", "akqi", "chuzhou", "jiaohe")
_SUFFIXES = (("村民委员会", ""), ("居民委员会", ""), ("居委会", ""), ("村委会", "村"))


@dataclass(frozen=True)
class Skeleton:
    """Hold what is real about one county, and what this package decides to build on it.

    Parameters
    ----------
    name : str
        Id of the county; also its folder.
    settings : mapping
        Its block of ``counties.yaml``.
    name_zh, code : str
        Name and administrative code of the county.
    outline : Polygon
        Simplified outline, longitude and latitude in degrees (WGS-84).
    townships, villages : DataFrame
        Names, codes and types; ``lon``, ``lat`` and ``population`` where published.
    relief : DataFrame
        Coarse relief: ``lat``, ``lon``, ``elevation_m``.
    """

    name: str
    settings: Mapping[str, Any]
    outline: Polygon
    name_zh: str
    code: str
    townships: pd.DataFrame
    villages: pd.DataFrame
    relief: pd.DataFrame

    @property
    def years(self) -> list[int]:
        """Return the school years the county promises, oldest first."""
        first, last = self.settings["years"]
        return list(range(first, last + 1))


def load(name: str) -> Skeleton:
    """Read the skeleton of one county.

    Raises
    ------
    NotFoundError
        If there is no demonstration county of that name.
    """
    if name not in NAMES:
        raise NotFoundError("demo", name, NAMES)
    settings = _yaml("counties.yaml")[name]
    outline = next(f for f in json.loads(_text("outlines.geojson"))["features"] if f["properties"]["county"] == name)
    townships, villages = _add_former(_table("townships.csv", name), _table("villages.csv", name), settings)
    return Skeleton(
        name=name,
        settings=settings,
        outline=shape(outline["geometry"]),
        name_zh=settings.get("name_zh", outline["properties"]["name_zh"]),
        code=outline["properties"]["code"],
        townships=_place(townships, settings),
        villages=villages,
        relief=_table("relief.csv", name),
    )


def figures() -> Mapping[str, Any]:
    """Return the county figures that the plans and national standards ask for, by county."""
    return dict(_yaml("figures.yaml"))


def provenance(skeleton: Skeleton) -> dict[str, Any]:
    """Return what ``county.yaml`` says of the data: what is real, what is made up, and whom to credit."""
    return dict(_yaml("credits.yaml"))


def stream(seed: int, *topic: str) -> np.random.Generator:
    """Return the random numbers of one topic, so that a change in one topic leaves the others as they were."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in topic)])


def short_name(name: str) -> str:
    """Return the name people use: 龙门村村民委员会 is 龙门村."""
    name = name.split("（")[0]
    for suffix, instead in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix) + instead
    return name


def _text(file: str) -> str:
    return resources.files(__package__).joinpath("skeleton", file).read_text(encoding="utf-8")


@cache
def _yaml(file: str) -> Any:
    return yaml.load(_text(file), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def _whole_table(file: str) -> pd.DataFrame:
    with resources.files(__package__).joinpath("skeleton", file).open(encoding="utf-8") as source:
        return pd.read_csv(source, dtype={"code": "str", "township_code": "str"})


def _table(file: str, name: str) -> pd.DataFrame:
    table = _whole_table(file)
    return table[table["county"] == name].drop(columns="county").reset_index(drop=True)


def _add_former(
    townships: pd.DataFrame, villages: pd.DataFrame, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bring back townships that a plan names and the present list lacks, with villages of their neighbour.

    Which villages belonged to them is not known here: the last ones of the neighbour's list stand in for them.
    """
    villages = villages.merge(
        townships[["code", "name_zh"]].rename(columns={"code": "township_code", "name_zh": "township"}), how="left"
    )
    former = settings.get("former", {})
    for name, spec in former.items():
        theirs = villages.index[villages["township"] == spec["near"]][-spec["villages"] :]
        villages.loc[theirs, "township"] = name
    rows = [{"name_zh": n, "name_en": s["name_en"], "type": "town"} for n, s in former.items()]
    return pd.concat([townships, pd.DataFrame(rows)], ignore_index=True), villages


def _place(townships: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Add the hand-placed points of townships without a published one; ``published`` tells them apart."""
    placed = {**settings.get("placed", {}), **{n: s["point"] for n, s in settings.get("former", {}).items()}}
    out = townships.assign(published=townships["lat"].notna())
    for name, (lon, lat) in placed.items():
        out.loc[out["name_zh"] == name, ["lon", "lat"]] = [lon, lat]
    return out
