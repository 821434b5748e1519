"""Hold what the access page shows: stage, way of measuring, target and radius, and the results that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from balance_lib import access, evaluation, standards
from balance_lib.access import CoverageCount, Limit, Reach, Target
from balance_lib.access.distance import Mode, ODTable
from balance_lib.data.county import County
from balance_lib.data.kept import keep
from balance_lib.show.widgets.models import PageModel

# What the page lets one choose: the whole stage, or the grades whose schools differ.
CHOICES: dict[str, tuple[str, str | None]] = {
    "primary": ("primary", None),
    "g1_3": ("primary", "g1_3"),
    "g4_6": ("primary", "g4_6"),
    "junior": ("junior", None),
}
COLOURS = ("coverage", "two_step", "enhanced")
REPORTED = "pupils_in_zone"
SUPPLY_STEPS = (0.5, 0.8, 1.2)  # against the county's mean: where the classes of 2SFCA divide


def _choice_for(county: County, year: int, wanted: str) -> str:
    """Return the choice to open on: the wanted one where the county has pupils of its stage, else a stage that has."""
    rows = county.table("school_years", year)
    taught = set(rows.loc[rows["pupils"] > 0, "stage"])
    return wanted if CHOICES[wanted][0] in taught else next((c for c in CHOICES if c in taught), wanted)


@dataclass
class Walking:
    """Hold one state of the page over a page model; every result is computed once and kept.

    Parameters
    ----------
    page : PageModel
        Standard and language.
    county : County
        Held here: asking the page model looks at the folder again, which is too slow while a slider moves.
    year : int
    choice : str
        One of ``CHOICES``.
    mode : {"straight", "network", "terrain"}
    to : {"own", "nearest"}
    radius_m : float
    """

    page: PageModel
    county: County
    year: int
    choice: str = "primary"
    mode: Mode = "straight"
    to: Target = "own"
    radius_m: float = 0.0
    kept: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opened: list[Mode] = ["straight"]
        self.radius_m = self.radius_m or self.limits()[0].metres or 0.0

    def keep(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return a result, computed the first time it is asked for.

        Parameters
        ----------
        key : tuple
            What the result depends on.
        make : callable
            Computes it.
        """
        return keep(self.kept, key, make)

    @property
    def stage(self) -> str:
        """Return the stage of the choice."""
        return CHOICES[self.choice][0]

    @property
    def target(self) -> Target:
        """Return the target that can be measured: without attendance only the nearest school."""
        return "nearest" if self.reach.basis == "ages" else self.to

    def table(self, mode: Mode | None = None) -> ODTable:
        """Return the costs of a way of measuring, this one's by default; the first time it may take seconds."""
        found = access.costs(self.county, mode or self.mode)
        if found.mode not in self.opened:
            self.opened.append(found.mode)
        return found

    @property
    def reach(self) -> Reach:
        """Return who walks where."""
        return self.reach_of(self.choice, self.mode)

    def reach_of(self, choice: str, mode: Mode) -> Reach:
        """Return who walks where for another choice or way of measuring.

        Parameters
        ----------
        choice : str
        mode : Mode
        """
        stage, band = CHOICES[choice]

        def make() -> Reach:
            return Reach.of(self.county, self.year, stage, self.table(mode), band=band)

        found: Reach = self.keep(("reach", self.year, choice, mode), make)
        return found

    def catchments(self) -> pd.DataFrame:
        """Return the catchments of the chosen target."""
        key = ("catchments", self.year, self.choice, self.mode, self.target)
        return self.keep(key, lambda: access.catchments(self.county, self.reach, self.target))

    def farthest(self) -> tuple[str, float]:
        """Return the village of the longest known way and its metres; NaN when none is known."""
        return self.keep(("farthest", self.year, self.choice, self.mode, self.target), self._farthest)

    def _farthest(self) -> tuple[str, float]:
        reach = self.reach
        metres = reach.metres(self.target)
        known = np.where(np.isnan(metres), -1.0, metres)
        if not len(known) or known.max() < 0:
            return "–", float("nan")
        at = reach.rows["village"].to_numpy()[int(known.argmax())]
        return (str(reach.villages["name_zh"].iloc[at]) if at >= 0 else "–"), float(known.max())

    def travel_time(self, minutes: float) -> CoverageCount:
        """Return how many of grades 1–3 walk at most so many minutes."""
        key = ("time", self.year, self.choice, self.mode, self.target, minutes)
        found: CoverageCount = self.keep(key, lambda: access.travel_time(self.reach, minutes, self.target))
        return found

    def limits(self) -> list[Limit]:
        """Return the radii to choose from, the one that applies first."""
        found: list[Limit] = self.keep(("limits", self.stage), lambda: access.limits(self.stage, self.county.plan))
        return found

    def limit(self) -> Limit | None:
        """Return who set the present radius; None when it was chosen freely."""
        return next((limit for limit in self.limits() if limit.metres == self.radius_m), None)

    def reported(self) -> tuple[float, str] | None:
        """Return the nearby-admission rate schools report for the stage, in percent, and the item that defines it.

        By the page's standard, else by the national one; None when neither can be told.
        """
        for standard in (self.page.standard, standards.load("quality_2017")):
            for item in standard.judged:
                formula = "" if item.measure is None else str(item.measure.formula)
                if item.stage == self.stage and REPORTED in formula and item.same_as is None:
                    value = self._history(standard, item.code).get(self.year, float("nan"))
                    if np.isfinite(value):
                        return float(value), f"{standard.id} {item.code}"
        return None

    def _history(self, standard: standards.Standard, code: str) -> dict[int, float]:
        def make() -> dict[int, float]:
            rows = evaluation.history_of_item(self.county, standard, code)
            return dict(zip(rows["year"], rows["value"], strict=True))

        found: dict[int, float] = self.keep(("history", standard.id, code), make)
        return found

    def supply(self, decay: bool = False) -> tuple[pd.Series, float]:
        """Return teachers per 100 day pupils within the radius by village_id (2SFCA, E2SFCA), and the county's mean.

        The mean is weighted by pupils; it equals the teachers of all schools reached over all pupils.
        """
        found = access.supply_per_100(self.reach, self.radius_m, decay=access.SLOW if decay else None)
        known = found[found["per_100"].notna()]
        total = known["pupils"].sum()
        mean = float((known["per_100"] * known["pupils"]).sum() / total) if total > 0 else float("nan")
        return found.drop_duplicates("village_id").set_index("village_id")["per_100"], mean

    def supply_classes(self, decay: bool = False) -> tuple[npt.NDArray[np.uint8], pd.Series, float]:
        """Class the villages by supply against the county's mean: four steps, then no data, then no pupils."""
        values, mean = self.supply(decay)
        figures = self.reach.villages["village_id"].map(values).to_numpy(dtype=float)
        there = self.reach.villages["village_id"].isin(values.index).to_numpy()
        step = np.searchsorted(np.array(SUPPLY_STEPS) * mean, np.nan_to_num(figures), side="right")
        unknown, nobody = len(SUPPLY_STEPS) + 1, len(SUPPLY_STEPS) + 2
        codes = np.where(np.isnan(figures), unknown, step)
        return np.where(there, codes, nobody).astype(np.uint8), values, mean

    def points(self) -> pd.DataFrame | None:
        """Return the points of interest of the county folder (``points.geojson``), if it has any."""
        layer: Any = self.county.layers.get("points.geojson")
        return None if layer is None else access.of_layer(layer)
