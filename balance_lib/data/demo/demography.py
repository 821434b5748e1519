"""Spread a county's people and children over its villages, year by year: births fall and families move to town."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.demo.settlements import Settlements
from balance_lib.data.demo.skeleton import Skeleton

FIRST_AGE = 6  # of grade 1
REMOTE_M = 7000.0  # the farther from the township seat, the faster a village empties
HISTORY = 2  # years before the first one, needed for cohorts that leave in the first


@dataclass(frozen=True)
class Demography:
    """Hold who lives where.

    Parameters
    ----------
    years : list of int
        The county's years with :data:`HISTORY` years before them.
    share : array (villages, years)
        Share of the county's children who live in each village.
    population : array of int (villages, years)
    births : mapping of int to float
        Resident children of each birth year in the county.
    chance : array (villages, birth years)
        Fixed fractions by which expectations are rounded, so that a cohort's size does not flicker.
    first_birth_year : int
        Birth year of the first column of ``chance``.
    """

    years: list[int]
    share: Any
    population: Any
    births: Mapping[int, float]
    chance: Any
    first_birth_year: int

    def children(self, year: int, age: int) -> Any:
        """Return how many children of an age live in each village.

        Parameters
        ----------
        year : int
        age : int
            Years of age.
        """
        born = year - age
        expected = self.births[born] * self.share[:, self.years.index(year)]
        return np.floor(np.round(expected, 6) + self.chance[:, born - self.first_birth_year]).astype(int)

    def table(self, settlements: Settlements) -> pd.DataFrame:
        """Return the canonical table ``village_years``."""
        rows = []
        for year in self.years[HISTORY:]:
            rows.append(
                pd.DataFrame(
                    {
                        "village_id": settlements.villages["village_id"],
                        "year": year,
                        "population": self.population[:, self.years.index(year)],
                        "births": self.children(year, 0),
                        "age_3_5": sum(self.children(year, age) for age in (3, 4, 5)),
                        "age_6_11": sum(self.children(year, age) for age in range(6, 12)),
                        "age_12_14": sum(self.children(year, age) for age in (12, 13, 14)),
                    }
                )
            )
        return pd.concat(rows, ignore_index=True)


def build(skeleton: Skeleton, settlements: Settlements, rng: np.random.Generator) -> Demography:
    """Spread people over villages: by township, by remoteness, and moving towards the county seat over the years.

    Parameters
    ----------
    skeleton : Skeleton
    settlements : Settlements
    rng : Generator
        Source of chance; the same seed gives the same county.
    """
    villages, settings = settlements.villages, skeleton.settings
    years = list(range(skeleton.years[0] - HISTORY, skeleton.years[-1] + 1))
    weight = _weights(skeleton, settlements, rng)
    in_seat = villages["township"].isin(settings["seat_townships"]).to_numpy()
    town = in_town(skeleton, settlements)
    share = np.empty((len(villages), len(years)))
    for column, year in enumerate(years):
        emptying = np.exp(-0.012 * (year - years[0]) * (0.3 + villages["remote"].to_numpy() / REMOTE_M))
        now = weight * np.where(in_seat, 1.0, emptying)
        urban = along(settings["seat_share"], year)
        country = now * ~town
        share[:, column] = np.where(town, urban * weight / weight[town].sum(), (1 - urban) * country / country.sum())
    share = np.round(share, 9)
    first_birth_year = years[0] - 15
    births = {year: along(settings["births"], year) for year in range(first_birth_year, years[-1] + 1)}
    total = np.array([along(settings["population"], year) for year in years])
    population = np.round(share * total * (1 + 0.06 * rng.standard_normal(len(villages)))[:, None]).astype(int)
    chance = np.round(rng.random((len(villages), len(births))), 6)
    return Demography(years, share, np.maximum(population, 25), births, chance, first_birth_year)


def along(points: Mapping[int, float], year: float) -> float:
    """Return the value at a year on the line through given years; flat beyond the ends.

    Parameters
    ----------
    points : mapping of int to float
        Values of some years.
    year : float
        The year.
    """
    return float(np.interp(year, list(points), list(points.values())))


def in_town(skeleton: Skeleton, settlements: Settlements) -> Any:
    """Tell which villages are part of the county town: the communities of its townships, and villages close by.

    Parameters
    ----------
    skeleton : Skeleton
    settlements : Settlements
    """
    villages = settlements.villages
    own = villages["township"].isin(skeleton.settings["seat_townships"]).to_numpy()
    return own & ((villages["type"] == "community").to_numpy() | (villages["remote"] < 1200).to_numpy())


def _weights(skeleton: Skeleton, settlements: Settlements, rng: np.random.Generator) -> Any:
    """Return each village's share of the people in the first year."""
    villages = settlements.villages
    own = np.exp(0.35 * rng.standard_normal(len(villages)))
    remote = villages["remote"].to_numpy()
    own *= 0.45 + np.exp(-remote / 5000) + 1.2 * np.exp(-((remote / 1000) ** 2))
    own *= np.where(villages["type"] == "community", 1.7, np.where(villages["type"] == "other", 0.6, 1.0))
    known = skeleton.townships.set_index("name_zh")["population"].dropna().to_dict()
    known.update(skeleton.settings.get("township_population", {}))
    out = np.zeros(len(villages))
    for township, theirs in villages.groupby("township").groups.items():
        index = np.asarray(theirs)
        people = known.get(str(township), 6000.0 * own[index].sum() ** 0.6)
        out[index] = people * own[index] / own[index].sum()
    return out / out.sum()
