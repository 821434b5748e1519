"""Carry pupils through their schools: up the grades, entrants by zone, a closed school's pupils to its receiver."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.data.earth import straight_m
from balance_lib.forecast.counts import BANDS, FIRST_AGE, Counts
from balance_lib.forecast.settings import ProjectionSettings

GRADES = 9
ENTRY = (0, 6)  # columns of grades 1 and 7: where a village's children choose a school
BAND_GRADES = ((0, 3), (3, 6), (6, 9))


@dataclass
class PupilFlows:
    """Hold pupils by way (a village and a school) and grade, with the shares new entrants follow.

    ``entering`` holds, for each grade, the share of a village's pupils of that grade each way takes; the shares of
    one village add up to one. Entrants of grades 1 and 7 follow them, and pupils whose school ends before grade 6.
    """

    village: Any
    school: Any
    pupils: Any  # (ways, 9)
    entering: Any  # (ways, 9)
    serves: Any  # (schools, 9) whether the school teaches the grade
    closed: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, counts: Counts, children: Any) -> PupilFlows:
        """Build the ways of the base year; a village without pupils in a band looks to where its township goes.

        Parameters
        ----------
        counts : Counts
        children : object
            Children by village and age.
        """
        rows = counts.flows[counts.flows["year"] == counts.base]
        code = rows["village"].to_numpy() * len(counts.schools) + rows["school"].to_numpy()
        ways, at = np.unique(code, return_inverse=True)
        village, school = ways // len(counts.schools), ways % len(counts.schools)
        banded = np.zeros((len(ways), len(BANDS)))
        np.add.at(banded, (at, rows["band"].to_numpy()), rows["pupils"].to_numpy())
        serves = _taught(counts, school, banded)
        pupils = np.hstack(
            [
                _split(
                    banded[:, band], village, serves[school, low:high], children[:, FIRST_AGE + low : FIRST_AGE + high]
                )
                for band, (low, high) in enumerate(BAND_GRADES)
            ]
        )
        village, school, pupils = _bridge(counts, village, school, pupils, serves)
        total = np.stack([_by(village, pupils[:, g], len(counts.villages)) for g in range(GRADES)], axis=1)
        entering = np.divide(pupils, total[village], out=np.zeros_like(pupils), where=total[village] > 0)
        return cls(village, school, pupils, entering, serves)

    def homes(self, villages: int) -> Any:
        """Return pupils by village and grade."""
        return np.stack([_by(self.village, self.pupils[:, g], villages) for g in range(GRADES)], axis=1)

    def advance(self, ratio: Any, entrants: Any) -> None:
        """Move everybody up one grade.

        Parameters
        ----------
        ratio : array (villages, 9)
            Each village's pupils of a grade against those of the grade below a year before; unused for grade 1.
        entrants : array (villages,)
            New pupils of grade 1.
        """
        out = np.zeros_like(self.pupils)
        out[:, 1:] = self.pupils[:, :-1] * ratio[self.village, 1:]
        for column in range(1, GRADES):
            # Everybody chooses anew for grade 7; before, only whose school ends (a teaching point, four grades).
            leaves = np.full(len(self.school), True) if column == ENTRY[1] else ~self.serves[self.school, column]
            moving = np.where(leaves, out[:, column], 0.0)
            if moving.any():
                out[:, column] += self._shared_out(moving, column) - moving
        out[:, 0] = entrants[self.village] * self.entering[:, 0]
        self.pupils = out

    def _shared_out(self, moving: Any, grade: int) -> Any:
        """Send a village's movers to the schools its pupils of a grade go to."""
        total = _by(self.village, moving, int(self.village.max()) + 1)
        return total[self.village] * self.entering[:, grade]

    def _reroute(self, school: int, hosts: dict[int, int]) -> None:
        """Close a school: everything on its ways goes on with the receiver of each band."""
        self.closed.add(school)
        for way in np.flatnonzero(self.school == school):
            for band, to in hosts.items():
                low, high = BAND_GRADES[band]
                if not self.pupils[way, low:high].any() and not self.entering[way, low:high].any():
                    continue
                target = self._way(int(self.village[way]), to)
                self.pupils[target, low:high] += self.pupils[way, low:high]
                self.entering[target, low:high] += self.entering[way, low:high]
                self.pupils[way, low:high] = 0.0
                self.entering[way, low:high] = 0.0

    def _way(self, village: int, school: int) -> int:
        """Return the way from a village to a school, made if nobody went it so far."""
        found = np.flatnonzero((self.village == village) & (self.school == school))
        if len(found):
            return int(found[0])
        self.village, self.school = np.append(self.village, village), np.append(self.school, school)
        self.pupils = np.vstack([self.pupils, np.zeros(GRADES)])
        self.entering = np.vstack([self.entering, np.zeros(GRADES)])
        return len(self.village) - 1

    def turn(self, grade: int, share: Any) -> None:
        """Multiply each way's share of a grade's entrants and bring every village's shares back to one.

        Parameters
        ----------
        grade : int
            Grade, 1 to 9.
        share : object
            Share of each village.
        """
        turned = self.entering[:, grade] * share
        before = _by(self.village, self.entering[:, grade], int(self.village.max()) + 1)
        after = _by(self.village, turned, int(self.village.max()) + 1)
        scale = np.divide(before, after, out=np.zeros_like(after), where=after > 0)
        self.entering[:, grade] = np.where(
            after[self.village] > 0, turned * scale[self.village], self.entering[:, grade]
        )

    def shift(self, grade: int, country: Any, receiver: dict[int, int], share: float) -> None:
        """Turn a share of the entrants of country schools to a town school.

        Parameters
        ----------
        grade : int
            Column of the grade they enter.
        country : array of bool (schools,)
        receiver : mapping of village to school
        share : float
        """
        for way in np.flatnonzero(country[self.school] & (self.entering[:, grade] > 0)):
            to = receiver.get(int(self.village[way]))
            if to is not None:
                turned = share * self.entering[way, grade]
                target = self._way(int(self.village[way]), to)
                self.entering[way, grade] -= turned
                self.entering[target, grade] += turned

    def rolls(self, schools: int) -> Any:
        """Return pupils as an array (schools, stages)."""
        primary, junior = self.pupils[:, :6].sum(axis=1), self.pupils[:, 6:].sum(axis=1)
        return np.stack([_by(self.school, primary, schools), _by(self.school, junior, schools)], axis=1)

    def banded(self) -> tuple[Any, Any, Any]:
        """Return villages, schools and pupils by band (ways, 3) as they are now."""
        pupils = np.add.reduceat(self.pupils, [low for low, _ in BAND_GRADES], axis=1)
        return self.village, self.school, pupils


def _by(index: Any, values: Any, size: int) -> Any:
    return np.bincount(index, weights=values, minlength=size)


def _taught(counts: Counts, school: Any, banded: Any) -> Any:
    """Tell which grades each school teaches in the base year: by its number of grades, else by its pupils' bands."""
    on = np.zeros((len(counts.schools), len(BANDS)))
    np.add.at(on, school, banded)
    told = counts.grades[counts.grades["year"] == counts.base].dropna(subset=["grades"])
    top = np.where(on[:, 1] > 0, 6, 3)
    known = told[told["grades"].between(1, 6)]
    top[known["school"].to_numpy(dtype=int)] = known["grades"].to_numpy(dtype=int)
    top = np.where((on[:, 1] > 0) & (top < 4), 6, top)  # pupils of a band are there whatever the number of grades says
    primary = (np.arange(1, 7)[None, :] <= top[:, None]) & (on[:, :2].sum(axis=1) > 0)[:, None]
    return np.hstack([primary, np.repeat(on[:, [2]] > 0, 3, axis=1)])


def _split(banded: Any, village: Any, serves: Any, children: Any) -> Any:
    """Split ways' pupils of a band into grades: each way's sum as counted, each village's grades like its cohorts."""
    target = np.nan_to_num(children)
    found = (target[village] + 1e-9) * serves
    found = np.where(found.sum(axis=1, keepdims=True) > 0, found, 1.0)
    for _ in range(8):
        found = found * _over(banded, found.sum(axis=1))[:, None]
        total = np.stack([_by(village, found[:, g], len(target)) for g in range(3)], axis=1)
        found = found * _over(target, total)[village] + 1e-12 * serves
    return found * _over(banded, found.sum(axis=1))[:, None]


def _over(value: Any, by: Any) -> Any:
    """Divide; nothing over nothing is nothing."""
    return np.divide(value, by, out=np.zeros_like(by), where=by > 0)


def _bridge(counts: Counts, village: Any, school: Any, pupils: Any, serves: Any) -> tuple[Any, Any, Any]:
    """Add a way with next to no weight where a village has nobody in a grade: to where its township or county goes.

    The weight only gives the share its direction: the village's pupils of the grade are none today.
    """
    names, place = np.unique(np.array(counts.townships, dtype=object), return_inverse=True)
    more: list[tuple[int, int, int]] = []
    for grade in range(GRADES):
        rolls = np.zeros((len(names), len(counts.schools)))
        np.add.at(rolls, (place[village], school), pupils[:, grade])
        rolls *= serves[:, grade]
        if not rolls.any():
            continue
        rolls[rolls.sum(axis=1) == 0] = rolls.sum(axis=0)
        best, total = rolls.argmax(axis=1), _by(village, pupils[:, grade], len(counts.villages))
        more += [(int(empty), int(best[place[empty]]), grade) for empty in np.flatnonzero(total <= 1e-12)]
    if not more:
        return village, school, pupils
    new = np.array(more)
    code = np.unique(new[:, 0] * len(counts.schools) + new[:, 1], return_inverse=True)
    extra = np.zeros((len(code[0]), GRADES))
    extra[code[1], new[:, 2]] = 1e-12
    ends = code[0] // len(counts.schools), code[0] % len(counts.schools)
    return np.append(village, ends[0]), np.append(school, ends[1]), np.vstack([pupils, extra])


def closures(county: County, counts: Counts, settings: ProjectionSettings, to: int) -> dict[int, list[int]]:
    """Return which schools close in which projected year.

    Parameters
    ----------
    county : County
    counts : Counts
    settings : ProjectionSettings
    to : int
        Last school year.
    """
    table = county.tables["schools"].drop_duplicates("school_id").set_index("school_id")["closed_year"].dropna()
    said = {school: int(year) for school, year in table.items() if year > counts.base} | settings.closures
    at = {name: position for position, name in enumerate(counts.schools)}
    out: dict[int, list[int]] = {}
    for school, year in sorted(said.items(), key=lambda pair: (pair[1], pair[0])):
        if school in at and year <= to:
            out.setdefault(max(year, counts.base + 1), []).append(at[school])
    return out


def _receivers(county: County, counts: Counts, ways: PupilFlows, school: int) -> dict[int, int]:
    """Return where a closing school's pupils go, by band.

    Its central school when it is open and teaches the band; otherwise the school that most children of the same
    villages attend already, then of the same township, then the nearest, then the largest.
    """
    table = county.tables["schools"].drop_duplicates("school_id").set_index("school_id").reindex(counts.schools)
    at = {name: position for position, name in enumerate(counts.schools)}
    host = at.get(str(table["host_school_id"].iloc[school]))
    out = {}
    for band in range(len(BANDS)):
        low, high = BAND_GRADES[band]
        if not ways.serves[school, low:high].any():
            continue
        whole = ways.serves[:, low:high].all(axis=1)
        on = np.bincount(
            ways.school, weights=ways.pupils[:, slice(*BAND_GRADES[band])].sum(axis=1), minlength=len(counts.schools)
        )
        able = whole & (on > 0)
        able[[school, *ways.closed]] = False
        if host is not None and host not in ways.closed and whole[host]:
            out[band] = host
        elif able.any():
            out[band] = _next(table, ways, school, band, able, on)
    return out


def _next(table: pd.DataFrame, ways: PupilFlows, school: int, band: int, able: Any, on: Any) -> int:
    """Return the open school that takes over: of the same villages, the same township, the nearest, the largest."""
    mine = np.isin(ways.village, np.unique(ways.village[(ways.school == school)]))
    weight = np.where(mine, ways.pupils[:, slice(*BAND_GRADES[band])].sum(axis=1), 0.0)
    beside = np.bincount(ways.school, weights=weight, minlength=len(able)) * able
    if beside.max() > 0:
        return int(beside.argmax())
    township = table["township"].to_numpy()
    same = able & (township == township[school])
    if same.any():
        return int(np.where(same, on, -1.0).argmax())
    lon, lat = (table[name].to_numpy(dtype=float) for name in ("lon", "lat"))
    away = straight_m(lon[school], lat[school], lon, lat)
    if np.isfinite(away[able]).any():
        return int(np.where(able & np.isfinite(away), away, np.inf).argmin())
    return int(np.where(able, on, -1.0).argmax())


def school_drift(counts: Counts) -> Any:
    """Return each school's yearly logarithmic drift in rolls against what its villages alone would give.

    A school's expected roll is last year's ways with this year's pupils of each village. A drift that repeats itself
    from year to year is believed, one that does not hardly at all (empirical Bayes, as for villages).

    Returns
    -------
    array (schools, bands)
    """
    years = sorted(set(counts.flows["year"]))
    logs, sizes = [], []
    for before, after in pairwise(years):
        old, new = (counts.flows[counts.flows["year"] == year] for year in (before, after))
        size = (len(counts.villages), len(BANDS))
        was, now = np.zeros(size), np.zeros(size)
        np.add.at(was, (old["village"], old["band"]), old["pupils"])
        np.add.at(now, (new["village"], new["band"]), new["pupils"])
        ratio = np.divide(now, was, out=np.zeros(size), where=was > 0)
        expected, found = (np.zeros((len(counts.schools), len(BANDS))) for _ in range(2))
        grown = old["pupils"] * ratio[old["village"].to_numpy(), old["band"].to_numpy()]
        np.add.at(expected, (old["school"], old["band"]), grown)
        np.add.at(found, (new["school"], new["band"]), new["pupils"])
        both = (expected > 0) & (found > 0)
        logs.append(np.where(both, np.log((found + 1.0) / (expected + 1.0)), 0.0))
        sizes.append(np.where(both, expected, 0.0))
    if len(logs) < 2:
        return np.zeros((len(counts.schools), len(BANDS)))
    values, size = np.array(logs), np.mean(sizes, axis=0)
    middle = np.median(values, axis=0)  # a year in which a school nearby closed is no drift
    scatter = ((np.median(np.abs(values - middle), axis=0) * 1.48) ** 2 * size).sum() / max((size > 0).sum(), 1)
    noise = scatter / len(logs) / np.maximum(size, 1.0)
    between = max(0.0, float(np.average(middle**2 - noise, weights=size)) if size.sum() > 0 else 0.0)
    return middle * between / (between + noise + 1e-12)
