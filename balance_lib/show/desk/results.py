"""Hold what a county's questions find where no room below has a result: coverage, history, forecast, comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib import access, locale
from balance_lib import scenarios as room
from balance_lib.access import CoverageCount, Reach, Target
from balance_lib.data.county import County
from balance_lib.forecast import Projection
from balance_lib.locale import text
from balance_lib.scenarios import Outcome
from balance_lib.shown import Shown, desk
from balance_lib.standards import Standard

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from balance_lib.show.widgets.county_map import CountyMap


@dataclass(frozen=True, eq=False, repr=False)
class Coverage(Shown):
    """Hold who lives within a radius of school.

    Parameters
    ----------
    county : County
    reach : Reach
        Who walks how far to which school.
    radius_m : float
    by : {"straight", "network", "terrain"}
        How ways were measured.
    to : {"own", "nearest"}
        The school pupils attend, or the nearest that serves them.
    """

    county: County
    reach: Reach
    radius_m: float
    by: str
    to: Target

    @property
    def count(self) -> CoverageCount:
        """Return how many pupils are within, outside, and not known."""
        return access.covered(self.reach, self.radius_m, self.to)

    @property
    def share(self) -> float:
        """Return the share within, 0 to 1, of the pupils whose way is known; NaN when none is."""
        return self.count.share

    def outside(self, *, order: str = "distance") -> pd.DataFrame:
        """Name the villages outside, worst first; columns as :func:`balance_lib.access.outside`, metres and pupils."""
        return access.outside(self.reach, self.radius_m, self.to, order=order)

    def by_township(self, lang: str | None = None) -> pd.DataFrame:
        """Count by township: pupils, within, outside, unknown, share (0 to 1); lowest share first.

        Parameters
        ----------
        lang : {"zh", "en"}, optional
            Heads in words; the plain column names by default.
        """
        found = access.by_township(self.reach, self.radius_m, self.to)
        if lang is None:
            return found
        heads = ("township", "pupils", "within", "outside", "unknown", "share")
        return found.round(3).set_axis([text(f"desk.head.{name}", lang) for name in heads], axis=1)

    def curve(self, most_m: float = 10_000, step_m: float = 250) -> pd.DataFrame:
        """Return the share covered by radius: radius_m, share (0 to 1).

        Parameters
        ----------
        most_m : float
            Largest radius in metres.
        step_m : float
            Step in metres.

        Returns
        -------
        DataFrame
        """
        steps = [step_m * n for n in range(1, int(most_m / step_m) + 1)]
        return pd.DataFrame({"radius_m": steps, "share": [access.covered(self.reach, r, self.to).share for r in steps]})

    def sentence(self, lang: str = "zh") -> str:
        """Return the finding in a sentence."""
        count, codes = self.count, access.village_classes(self.reach, self.radius_m, self.to)
        facts = {"year": self.reach.year, "stage": text(f"stage.{self.reach.stage}", lang)}
        if self.reach.basis == "none":
            return text("desk.coverage_unknown", lang, **facts)
        return text(
            "desk.coverage", lang, **facts, mode=text(f"distance.mode.{self.by}", lang), percent=count.percent,
            km=f"{self.radius_m / 1000:g}", outside=f"{count.outside:,.0f}",
            villages=int(((codes == 1) | (codes == 2)).sum()),
        )  # fmt: skip

    def map(self, *, lang: str | None = None) -> CountyMap:
        """Map schools, circles of the radius, and the villages outside."""
        return desk("maps").coverage_map(self, lang)

    def plot(self, *others: Coverage, lang: str | None = None) -> go.Figure:
        """Draw the share covered by radius, with other ways of measuring beside it."""
        return desk("figures").coverage([self, *others], lang)


@dataclass(frozen=True, eq=False, repr=False)
class History(Shown):
    """Hold how the gaps of a county moved.

    Parameters
    ----------
    county : County
    standard : Standard
    items : DataFrame
        year, code, value, threshold, gap, status: one row a year and item.
    schools : DataFrame
        year, school_id, stage, indicator, value, threshold, ratio, met, needed, township, name.
    """

    county: County
    standard: Standard
    items: pd.DataFrame
    schools: pd.DataFrame

    @property
    def years(self) -> list[int]:
        """Return the school years."""
        return sorted({int(year) for year in self.items["year"]})

    def item(self, code: str) -> pd.DataFrame:
        """Return one item's rows, oldest first."""
        self.standard.item(code)
        return self.items[self.items["code"] == code].sort_values("year")

    def needed(self) -> pd.DataFrame:
        """Return what all schools together still need, by indicator (in its own unit) and year."""
        return self.schools.pivot_table(index="indicator", columns="year", values="needed", aggfunc="sum", min_count=1)

    def plot(
        self, item: str, *, by: str | None = None, stage: str = "primary", township: str | None = None,
        to: int | None = None, lang: str | None = None,
    ) -> go.Figure:  # fmt: skip
        """Draw an item or an indicator over the years against its line.

        Parameters
        ----------
        item : str
            Code of an item, or name of an indicator of schools such as ``equipment``.
        by : {"township", "school"}, optional
            A panel a township (a line a school) or a panel a school; one figure for the county by default.
        stage : {"primary", "junior"}
            Of an indicator's schools.
        township : str, optional
            Only its schools.
        to : int, optional
            Year to which the county's item is brought forward, with its band.
        lang : str, optional
        """
        return desk("figures").history(self, item, by=by, stage=stage, township=township, to=to, lang=lang)


@dataclass(frozen=True, eq=False, repr=False)
class Forecast(Shown):
    """Hold a county's projected enrolment beside what was counted.

    Parameters
    ----------
    county : County
    projection : Projection
        Its tables: ``county`` (year, stage, pupils, low, high), ``schools``, ``villages``, ``births``, ``back_test``.
    """

    county: County
    projection: Projection

    @property
    def schools(self) -> pd.DataFrame:
        """Return pupils by school: school_id, year, stage, pupils, low, high."""
        return self.projection.schools

    @property
    def villages(self) -> pd.DataFrame:
        """Return pupils by village: village_id, year, stage, band, pupils, low, high."""
        return self.projection.villages

    def total(self, stage: str, year: int) -> float:
        """Return the county's pupils of a stage in a projected year.

        Parameters
        ----------
        stage : str
            ``primary`` or ``junior``.
        year : int
            School year, by its first calendar year.

        Returns
        -------
        float
        """
        return self.projection.total(stage, year)

    def plot(self, *, village: str | None = None, school: str | None = None, lang: str | None = None) -> go.Figure:
        """Draw pupils with their band: of the county, a school or a village, by id or name.

        Parameters
        ----------
        village : str, optional
            The village.
        school : str, optional
            The school.
        lang : str, optional
            Language of the words, ``zh`` or ``en``.

        Returns
        -------
        Figure
        """
        return desk("figures").forecast(self, village, school, lang)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """Hold several scenarios side by side.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        By name; today first.
    """

    outcomes: Mapping[str, Outcome]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Return a row a scenario: what is lost first, then what is gained.

        Returns
        -------
        DataFrame
            Index scenario; moved, farther, far, over (pupils: change school, have farther to go, beyond the radius,
            without a place), longest_m, closed (schools), broken (rules, new ones), cv_over (coefficients beyond their
            limit), met, not_met (required items), running_yuan (a year more than today), building_yuan, status.
        """
        return pd.DataFrame({name: _figures(outcome) for name, outcome in self.outcomes.items()}).T.infer_objects()

    def county_name(self, lang: str = "zh") -> str:
        """Return the county's name."""
        first = next(iter(self.outcomes.values()))
        return first.baseline.name(lang)

    def wide(self, lang: str | None = None) -> pd.DataFrame:
        """Return the figures as rows and the scenarios as columns, in words."""
        lang = lang or locale.spoken()
        out = self.table.drop(columns="status").round().T.reset_index(names="")
        out[""] = [
            text("desk.head.worst_m", lang) if n == "longest_m" else text(f"desk.plot.{n}", lang) for n in out[""]
        ]
        return out

    def plot(self, *, lang: str | None = None) -> go.Figure:
        """Draw the scenarios side by side: who bears it, what breaks, what the standard says."""
        return desk("figures").comparison(self, lang)


def _figures(outcome: Outcome) -> dict[str, Any]:
    moves, schools = outcome.moves, outcome.schools
    after = outcome.after.counts()
    limits = outcome.after.cv[outcome.after.cv["limit"].notna()]
    costs = outcome.cost_changes
    return {
        "moved": outcome.moved,
        "farther": float(moves.loc[moves["extra_m"] > 0, "pupils"].sum()),
        "far": float(outcome.coverage.loc[outcome.coverage["when"] == "after", "far"].sum()),
        "over": float(moves["overflow"].sum()),
        "longest_m": float(moves["metres_after"].max()) if len(moves) else math.nan,
        "closed": int((schools["kind_after"].isna() & schools["kind_before"].notna()).sum()),
        "broken": len(outcome.against_rules),
        "cv_over": sum(met is False for met in limits["met"]),
        "met": after["met"],
        "not_met": after["not_met"],
        "status": outcome.status,
        "running_yuan": costs["running"],
        "building_yuan": costs["investment"],
    }


def compare(*scenarios: Any, standard: Standard | str | None = None) -> Comparison:
    """Lay scenarios side by side, today first.

    Parameters
    ----------
    *scenarios : ScenarioDraft or Outcome
        Of one county; each is called by its scenario's name.
    standard : Standard or str, optional
        Whose items are counted for drafts; the county's own plan by default.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If there is none, or they are of different counties, years or standards.

    Examples
    --------
    >>> import balance_lib as bl
    >>> county = bl.open("akqi")
    >>> pair = bl.compare(county.scenario("close").close("AQ016"), county.scenario("point").to_point("AQ016"))
    >>> list(pair.table.index)
    ['现状', 'close', 'point']
    """
    given = [each for one in scenarios for each in (one if isinstance(one, (list, tuple)) else [one])]
    found = [each if isinstance(each, Outcome) else each.evaluate(standard) for each in given]
    if not found:
        raise ValueError("no scenario to compare")
    same = {(o.baseline.hash, o.scenario.judged_year, o.after.standard.id) for o in found}
    if len(same) > 1:
        raise ValueError(f"scenarios of different counties, years or standards are not compared: {sorted(same)}")
    first = found[0]
    empty = room.Scenario.empty(first.baseline, first.scenario.judged_year)
    today = None
    if first.scenario.judged_year in first.baseline.years:
        today = room.evaluate(first.baseline, empty, standard=first.after.standard)
    named = {text("desk.today", locale.spoken()): today} if today is not None else {}
    for outcome in found:
        if not (today is not None and outcome.scenario.is_empty):
            name, n = outcome.scenario.name, 2
            while name in named:
                name, n = f"{outcome.scenario.name} ({n})", n + 1
            named[name] = outcome
    return Comparison(named)
