"""Carry a projection from the base year to the target: children of every village and age, and their ways to school."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from balance_lib.data.county import County
from balance_lib.forecast import cohorts, ratios
from balance_lib.forecast.counts import AGES, BAND_STAGE, BANDS, FIRST_AGE, Counts
from balance_lib.forecast.flows import BAND_GRADES, ENTRY, PupilFlows, _receivers, closures, school_drift
from balance_lib.forecast.result import COUNTY_COLUMNS, SCHOOL_COLUMNS, VILLAGE_COLUMNS, Projection, Trace
from balance_lib.forecast.settings import ProjectionSettings, assumptions
from balance_lib.locale import Message
from balance_lib.standards import STAGES

TOWN = ("town", "urban")


class Run:
    """Carry one projection through: the children of every village and age, and the ways of pupils to schools.

    Parameters
    ----------
    county : County
        For the schools' places, hosts and closing years only; counts come from ``counts``.
    counts : Counts
    to : int
    settings : ProjectionSettings
    """

    def __init__(self, county: County, counts: Counts, to: int, settings: ProjectionSettings) -> None:
        self.county, self.counts, self.to, self.settings = county, counts, to, settings
        observed = settings.migration == "observed"
        self.steps = ratios.yearly(counts) if observed else np.ones(AGES - 1)
        self.drift = ratios.drift(counts) if observed else np.zeros(len(counts.villages))
        self.children = [cohorts._children(counts, self.steps, self.drift)]
        horizon = to - counts.base
        self.birth_years, self.births, self.birth_error, self.last_counted = cohorts.births(
            counts, self.children[0], self.steps, horizon, settings
        )
        self._fill_young()
        self.moved: list[Any] = []
        self.ways = PupilFlows.of(counts, self.children[0])
        self.taught = self.ways.serves.any(axis=0)[::3]
        # The ways know which grades each school teaches: their grades stand, and every later year follows from them.
        self.children[0][:, FIRST_AGE:] = self.ways.homes(len(counts.villages))
        self.rolls = [self.ways.rolls(len(counts.schools))]
        self.stirred = [np.zeros_like(self.rolls[0])]
        self._towns_of = self._township_index()
        self.trace = [self.ways.banded()]

    def go(self) -> None:
        """Run year by year to the target."""
        closing = closures(self.county, self.counts, self.settings, self.to)
        pull = school_drift(self.counts) if not self.settings.zoned else None
        towns = self._towns() if self.settings.town_shift_percent else None
        for year in range(self.counts.base + 1, self.to + 1):
            kept = float(assumptions()["drift_kept"]) ** (year - self.counts.base - 1)
            if pull is not None:
                for grade in ENTRY:
                    self.ways.turn(grade, np.exp(kept * pull[self.ways.school, grade // 3]))
            if towns is not None:
                country, receiver = towns
                for grade in ENTRY:
                    self.ways.shift(grade, country, receiver[grade // 3], self.settings.town_shift_percent / 100)
            self._grow(year, kept)
            before = self.ways.rolls(len(self.counts.schools)) if year in closing else self.rolls[0]
            for school in closing.get(year, ()):
                self.ways._reroute(school, _receivers(self.county, self.counts, self.ways, school))
            self.stirred.append(self.stirred[-1] + self._stir(before, closing.get(year, [])))
            self.rolls.append(self.ways.rolls(len(self.counts.schools)))
            self.trace.append(self.ways.banded())

    def _township_index(self) -> Any:
        """Return the township of each school as a position."""
        table = self.county.tables["schools"].drop_duplicates("school_id").set_index("school_id")["township"]
        return np.unique(table.reindex(self.counts.schools).fillna("").to_numpy(dtype=str), return_inverse=True)[1]

    def _stir(self, rolls: Any, closing: list[int]) -> Any:
        """Return how far closures of a year stir up each school: pupils who move, as a share of its township's and
        of the county's pupils of the stage. Who really takes them is decided family by family; the band widens.
        """
        moving = np.zeros_like(rolls)
        moving[closing] = rolls[closing]
        out = np.zeros_like(rolls)
        for stage in range(rolls.shape[1]):
            theirs, there = (np.bincount(self._towns_of, weights=v[:, stage]) for v in (moving, rolls))
            local = np.divide(theirs, there, out=np.zeros_like(there), where=there > 0)
            out[:, stage] = local[self._towns_of] + moving[:, stage].sum() / max(rolls[:, stage].sum(), 1e-9)
        return out

    def _fill_young(self) -> None:
        """Bring births forward to the ages below school that nobody counted."""
        now, born = self.children[0], dict(zip(self.birth_years, self.births, strict=True))
        share = self._birth_share()
        for age in range(FIRST_AGE):
            if np.isnan(now[:, age]).any():
                size = born.get(self.counts.base - age, np.nan)
                size = size if np.isfinite(size) else next(iter(born.values()), 0.0)
                now[:, age] = share * size * ratios._growth(self.steps, 0, age)

    def _birth_share(self) -> Any:
        """Return each village's share of the county's births: of the last three years counted, else of its pupils."""
        born = self.counts.births[:, -3:]
        pupils = np.nan_to_num(self.children[0][:, FIRST_AGE : FIRST_AGE + 3]).sum(axis=1)
        told = np.nansum(born, axis=1)
        if not told.sum() > 0:
            return pupils / max(pupils.sum(), 1e-9)
        # Pupils of unknown home have no village of birth: they enter as the share of today's entrants they are.
        homeless = pupils[-1] / max(pupils.sum(), 1e-9)
        told = told / told.sum() * (1.0 - homeless)
        told[-1] = homeless
        return told

    def _grow(self, year: int, kept: float) -> None:
        """Bring every village's children a year forward, add up to the county's cohorts, and move pupils up."""
        now, step = self.children[-1], year - self.counts.base
        whole = now.sum(axis=0)
        aged = whole[:-1] * self.steps * (1.0 + self.settings.net_migration_per_1000 / 1000.0)
        own = now[:, :-1] * np.exp(kept * self.drift)[:, None]
        total = own.sum(axis=0)
        new = np.zeros_like(now)
        new[:, 1:] = own * np.divide(aged, total, out=np.zeros_like(aged), where=total > 0)
        share = self._birth_share() * np.exp(self.drift * self._faded(step))
        new[:, 0] = self.births[self.birth_years.index(year)] * share / max(share.sum(), 1e-9)
        before = now[:, FIRST_AGE - 1 : -1]
        ratio = np.divide(new[:, FIRST_AGE:], before, out=np.zeros_like(before), where=before > 0)
        self.moved.append(new[:, 1:].sum(axis=0) - whole[:-1])
        self.children.append(new)
        self.ways.advance(ratio, new[:, FIRST_AGE])

    def _faded(self, step: int) -> float:
        kept = float(assumptions()["drift_kept"])
        return sum(kept**k for k in range(step))

    def _towns(self) -> tuple[Any, dict[int, dict[int, int]]]:
        """Return which schools lie in the country, and the town school each village's children would turn to."""
        table = self.county.tables["schools"].drop_duplicates("school_id").set_index("school_id")
        table = table.reindex(self.counts.schools)
        country = (table["location"] == "rural").to_numpy()
        town = table["location"].isin(TOWN).to_numpy()
        place = np.array(self.counts.townships, dtype=object)
        out: dict[int, dict[int, int]] = {}
        for band in (0, 2):
            low, high = BAND_GRADES[band]
            size = np.bincount(
                self.ways.school, weights=self.ways.pupils[:, low:high].sum(axis=1), minlength=len(table)
            )
            size = np.where(town & self.ways.serves[:, low:high].all(axis=1), size, 0.0)
            out[band] = {}
            for name in set(place):
                mine = np.where(table["township"].fillna("").to_numpy() == name, size, 0.0)
                best = mine if mine.max() > 0 else size
                if best.max() > 0:
                    out[band].update(dict.fromkeys(np.flatnonzero(place == name).tolist(), int(best.argmax())))
        return country, out

    def projection(self) -> Projection:
        """Return the result without its band."""
        counts = self.counts
        notes = list(counts.notes)
        if not np.isfinite(counts.births).any():
            notes.append(Message("trends.note.no_births"))
        elif self.last_counted < counts.base:
            notes.append(Message("trends.note.births_until", {"year": self.last_counted}))
        if len(set(counts.flows["year"])) < 4 and self.settings.migration == "observed":
            notes.append(Message("trends.note.short_panel", {"n": len(set(counts.flows["year"]))}))
        return Projection(
            county_id=counts.county_id,
            base=counts.base,
            to=self.to,
            settings=self.settings,
            villages=self._villages(),
            schools=self._schools(),
            county=self._county(),
            trace=Trace(counts.villages, counts.schools, counts.base, tuple(self.trace)),
            births=self._births(),
            ledger=self._ledger(),
            back_test=None,
            notes=tuple(notes),
        )

    def _births(self) -> pd.DataFrame:
        half = NormalDist().inv_cdf((1.0 + self.settings.level) / 2.0) * self.birth_error * self.births
        columns = {
            "year": self.birth_years,
            "births": self.births,
            "low": self.births - half,
            "high": self.births + half,
        }
        out = pd.DataFrame(columns | {"projected": [year > self.last_counted for year in self.birth_years]})
        return out.assign(low=out["low"].clip(lower=0.0))

    def _villages(self) -> pd.DataFrame:
        ids = np.array(self.counts.villages, dtype=object)
        pupils = np.stack([now[:, FIRST_AGE:].reshape(len(ids), len(BANDS), 3).sum(axis=2) for now in self.children])
        shown = pupils.sum(axis=(0, 2)) > 0
        shown[:-1] = True  # only the row of unknown homes is left out where there are none
        bands = np.flatnonzero(self.taught)
        out = self._long(
            "village_id", ids[shown], pupils[:, shown][:, :, bands], [BANDS[band] for band in bands], "band"
        )
        return out.assign(stage=out["band"].map(BAND_STAGE))[VILLAGE_COLUMNS]

    def _schools(self) -> pd.DataFrame:
        ids, pupils = np.array(self.counts.schools, dtype=object), np.stack(self.rolls)
        out = self._long("school_id", ids, pupils, list(STAGES), "stage")
        out["stirred"] = np.stack(self.stirred).ravel()
        shown = np.broadcast_to(pupils.sum(axis=0) > 0, pupils.shape)
        return out[shown.ravel()].reset_index(drop=True)[SCHOOL_COLUMNS]

    def _county(self) -> pd.DataFrame:
        rolls = np.stack(self.rolls).sum(axis=1, keepdims=True)
        out = self._long("county", np.array([""], dtype=object), rolls, list(STAGES), "stage")
        taught = {BAND_STAGE[BANDS[band]] for band in np.flatnonzero(self.taught)}
        return out[out["stage"].isin(taught)].reset_index(drop=True)[COUNTY_COLUMNS]

    def _long(self, name: str, ids: Any, pupils: Any, labels: list[str], column: str) -> pd.DataFrame:
        """Lay an array (years, ids, labels) out as rows; the base year's pupils are counted: low = high = pupils."""
        steps, many, few = pupils.shape
        flat = np.maximum(pupils, 0.0).ravel()
        counted = np.where(np.arange(len(flat)) < many * few, flat, np.nan)
        return pd.DataFrame(
            {
                name: np.tile(np.repeat(ids, few), steps),
                "year": np.repeat(np.arange(self.counts.base, self.counts.base + steps), many * few),
                column: np.tile(np.array(labels, dtype=object), steps * many),
                "pupils": flat,
                "low": counted,
                "high": counted,
            }
        )

    def _ledger(self) -> pd.DataFrame:
        rows = []
        for step, now in enumerate(self.children):
            year, sizes = self.counts.base + step, now.sum(axis=0)
            for age in range(AGES):
                moved = self.moved[step - 1][age - 1] if step and age else 0.0
                rows.append((year - age, year, age, ratios.grade_of(age), sizes[age], moved))
        out = pd.DataFrame(rows, columns=["birth_year", "year", "age", "grade", "children", "migration"])
        return out.astype({"grade": "Int64"})
