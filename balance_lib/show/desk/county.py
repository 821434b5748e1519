"""Open a county and ask it: how does it stand, who walks how far, what if, what next."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from balance_lib import access, evaluation, standards
from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation
from balance_lib.locale import named, spoken, text
from balance_lib.scenarios import Scenario
from balance_lib.show.desk import places
from balance_lib.show.desk.draft import ScenarioDraft
from balance_lib.show.desk.places import OPENED, check_radius, check_stage
from balance_lib.show.desk.results import Coverage, Forecast, History
from balance_lib.standards import Standard

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    from geopandas import GeoDataFrame

    from balance_lib.planning.remedies import RemedyPlan
    from balance_lib.planning.siting import CountyFrontier, Proposal
    from balance_lib.show.widgets.apps import Access, Consolidation
    from balance_lib.show.widgets.county_map import CountyMap

Stage = Literal["primary", "junior"]
By = Literal["straight", "network", "terrain"]
NATIONAL = "quality_2017"


class CountyDesk(County):
    """A county with the questions an analyst asks it; every other function of the package takes it as a County.

    ``year`` is everywhere a school year's first calendar year, the county's last one by default; ``standard`` an id, a
    file or a Standard, the county's own plan by default.

    Examples
    --------
    >>> import balance_lib as bl
    >>> county = bl.open("akqi")
    >>> county.coverage("primary", 3000).count.percent
    '99.0%'
    """

    # Places -----------------------------------------------------------------------------------------------------

    @cached_property
    def schools(self) -> GeoDataFrame:
        """Return the schools as points, with pupils_primary, pupils_junior, pupils, open of the last year.

        CRS EPSG:4326, or 4490 for a county in CGCS2000; GCJ-02 and BD-09 are brought back to WGS-84.
        """
        return places.schools(self, self._year(None) if self.years else None)

    def schools_in(self, year: int) -> GeoDataFrame:
        """Return the schools as points, with the pupils of a school year."""
        return places.schools(self, self._year(year))

    @cached_property
    def villages(self) -> GeoDataFrame:
        """Return the villages as points, with children by age and pupils of the last year."""
        return places.villages(self, self._year(None) if self.years else None)

    @cached_property
    def townships(self) -> GeoDataFrame:
        """Return the townships as areas (points where there are none), with the pupils of their schools last year."""
        return places.townships(self, self._year(None) if self.years else None)

    @cached_property
    def roads(self) -> GeoDataFrame:
        """Return the road segments as lines: length_m, kind."""
        return places.roads(self)

    @cached_property
    def outline(self) -> GeoDataFrame:
        """Return the outline of the county as areas."""
        return places.layer(self, "outline.geojson")

    # How does it stand ------------------------------------------------------------------------------------------

    def evaluate(self, standard: Standard | str | None = None, year: int | None = None) -> Evaluation:
        """Judge the county: every item with status and reason, schools, coefficients, the verdict.

        Parameters
        ----------
        standard : Standard or str, optional
            A standard or its id.
        year : int, optional
            School year; the last one without.

        Returns
        -------
        Evaluation
        """
        chosen, when = self._standard(standard), self._year(year)
        found = evaluation.evaluate(self, chosen, year=when)
        OPENED[self.hash] = self
        return found

    def history(self, standard: Standard | str | None = None) -> History:
        """Judge the county in every year it has: how items and schools moved against their lines."""
        chosen = self._standard(standard)
        found = evaluation.evaluate_years(self, chosen)
        import pandas as pd

        items = pd.DataFrame(
            [(y, r.item.code, r.value, r.threshold, r.gap, r.status) for y, e in found.items() for r in e.items],
            columns=["year", "code", "value", "threshold", "gap", "status"],
        )
        parts = [e.schools.assign(year=y) for y, e in found.items()]
        rows = pd.concat(parts, ignore_index=True)
        known = self.tables["schools"].drop_duplicates("school_id").set_index("school_id")
        names = rows["school_id"].map(named(known, spoken()))
        rows = rows.assign(township=rows["school_id"].map(known["township"]), name=names)
        return History(self, chosen, items, rows)

    def plot_coefficients(
        self, stage: Stage = "primary", standard: Standard | str | None = NATIONAL, *, lang: str | None = None
    ) -> go.Figure:
        """Draw every difference coefficient of a stage over the years against its limit.

        Parameters
        ----------
        stage : Stage
        standard : Standard or str, optional
            A standard or its id.
        lang : str, optional
            Language of the words, ``zh`` or ``en``.

        Returns
        -------
        Figure
        """
        from balance_lib.show.desk import figures

        check_stage(stage)
        return figures.coefficients_over_years(self, self._standard(standard), stage, lang)

    # Who walks how far ------------------------------------------------------------------------------------------

    def coverage(
        self, stage: Stage = "primary", radius_m: float | None = None, by: By = "straight", *, year: int | None = None,
        to: access.Target | None = None,
    ) -> Coverage:  # fmt: skip
        """Say who lives within a radius of school, and in which villages who does not.

        Parameters
        ----------
        stage : {"primary", "junior"}
        radius_m : float, optional
            Metres; the walking radius of the county's plan by default.
        by : {"straight", "network", "terrain"}
            How ways are measured; roads and relief have to be in the county folder.
        year : int, optional
        to : {"own", "nearest"}, optional
            The school they attend (by default), or the nearest one; without attendance only the nearest is known.

        Raises
        ------
        ValueError
            If the radius is so small that kilometres were meant.
        """
        check_stage(stage)
        metres = access.radius_of(self, stage).metres if radius_m is None else float(radius_m)
        assert metres is not None
        check_radius(metres)
        reach = access.Reach.of(self, self._year(year), stage, access.costs(self, by))
        return Coverage(self, reach, metres, by, to or ("nearest" if reach.basis == "ages" else "own"))

    # What if ----------------------------------------------------------------------------------------------------

    def scenario(self, name: str = "", *, year: int | None = None) -> ScenarioDraft:
        """Begin a scenario: ``county.scenario().close("AQ016").evaluate()``.

        Parameters
        ----------
        name : str
            What it is called.
        year : int, optional
            School year; the last one without.

        Returns
        -------
        ScenarioDraft
        """
        return ScenarioDraft(self, Scenario.empty(self, self._year(year), name=name))

    def propose(
        self, stage: Stage = "primary", schools: int | None = None, *, may_close: Any = "all", year: int | None = None,
        start: ScenarioDraft | None = None, seconds: float = 30.0, **goals: Any,
    ) -> Proposal:  # fmt: skip
        """Propose which schools to keep.

        Parameters
        ----------
        stage : {"primary", "junior"}
        schools : int, optional
            How many to keep; without it the fewest that keep all limits of ``goals``.
        may_close : "all" or collection of str
            Only these may close.
        year : int, optional
        start : ScenarioDraft, optional
            Its settings, protected schools, class numbers, beds and bus lines hold in the plan; today's by default.
        seconds : float
            Time for the search and its proof.
        **goals
            As :class:`balance_lib.planning.siting.Goals`: ``max_distance_m``, ``min_size``, ``radius``, ``young`` …
        """
        from balance_lib.planning import siting

        check_stage(stage)
        wanted = siting.Goals(
            aim="walk" if schools is not None else "fewest", schools=schools, may_close=may_close, **goals
        )
        scenario = None if start is None else start.scenario
        return siting.propose(self, stage, wanted, year=year, scenario=scenario, time_limit_s=seconds)

    def frontier(
        self, stage: Stage = "primary", *, may_close: Any = "all", prove: bool = False, seconds: float = 30.0,
        **goals: Any,
    ) -> CountyFrontier:  # fmt: skip
        """Show what every number of schools would mean; parameters as :meth:`propose`.

        Parameters
        ----------
        stage : {"primary", "junior"}
        may_close : object
            Schools that may close: ``"all"`` or their ids.
        prove : bool
            Whether each number's plan is proven to be the best.
        seconds : float
            Wall seconds of the search.
        **goals : object
            As :class:`balance_lib.planning.siting.Goals`.

        Returns
        -------
        CountyFrontier
        """
        from balance_lib.planning import siting

        check_stage(stage)
        wanted = siting.Goals(schools=1, may_close=may_close, **goals)
        return siting.county_frontier(self, stage, wanted, prove=prove, time_limit_s=seconds)

    # What next --------------------------------------------------------------------------------------------------

    def remedy(
        self, standard: Standard | str | None = None, year: int | None = None, *, budget_yuan: float | None = None,
        by: date | None = None, seconds: float = 25.0,
    ) -> RemedyPlan:  # fmt: skip
        """Find the cheapest purchases, hires and rotations that make the county pass; see ``planning.remedies``.

        Parameters
        ----------
        standard : Standard or str, optional
            The county's own plan by default.
        year : int, optional
            School year; the last one by default.
        budget_yuan : float, optional
            Yuan in all.
        by : date, optional
            Day by which it is to pass.
        seconds : float
            Wall seconds of the search.

        Returns
        -------
        RemedyPlan
        """
        from balance_lib.planning import remedies

        when = self._year(year)
        OPENED[self.hash] = self
        return remedies.propose(
            self, self._standard(standard), year=when, measures=access.measures(self, when), budget_yuan=budget_yuan,
            by=by, seconds=seconds,
        )  # fmt: skip

    def project(self, to: int | None = None, **assumptions: Any) -> Forecast:
        """Bring enrolment forward by cohorts, with bands learned from forecasts made in earlier years.

        Parameters
        ----------
        to : int, optional
            Last year; ten years on by default.
        **assumptions
            As :class:`balance_lib.forecast.ProjectionSettings`: ``births_percent=-20`` …
        """
        from balance_lib import forecast

        settings = forecast.ProjectionSettings(**assumptions)
        return Forecast(self, forecast.project(self, to or self.years[-1] + 10, settings=settings))

    def report(
        self,
        out: str | Path,
        standard: Standard | str | None = None,
        year: int | None = None,
        *,
        lang: str | None = None,
    ) -> list[Path]:
        """Write the official forms, lists and papers into a folder; return the files.

        Parameters
        ----------
        out : str or Path
            The folder; made where it is not there.
        standard : Standard or str, optional
            A standard or its id.
        year : int, optional
            School year; the last one without.
        lang : str, optional
            Language of the words, ``zh`` or ``en``.

        Returns
        -------
        list of Path
        """
        from balance_lib.office import reports

        source = reports.ReportSource(self, self.evaluate(standard, year), lang=lang or spoken())
        return reports.write(Path(out), source)

    # See --------------------------------------------------------------------------------------------------------

    def map(
        self, radius_m: float | None = 3000, colour: str = "gap", stage: Stage | None = None, year: int | None = None,
        *, standard: Standard | str | None = None, lang: str | None = None, height: int = 560,
    ) -> CountyMap:  # fmt: skip
        """Map schools, walking radii and the villages outside.

        Parameters
        ----------
        radius_m : float or None
            Circles around the schools, metres; None draws none.
        colour : str
            ``gap``: whether a school meets every required item that judges it; ``kind``: not at all; else the name of
            an indicator or the code of an item that is judged school by school.
        stage : {"primary", "junior"}, optional
            Only its schools, and the villages of its pupils; both stages by default, with primary pupils' villages.
        year, standard
            As everywhere.
        lang : str, optional
        height : int
            Pixels.

        Returns
        -------
        CountyMap
            A live widget; ``set_radius``, ``set_classes`` … change it, ``picture()`` gives it as SVG.
        """
        from balance_lib.show.desk import maps

        check_stage(stage)
        return maps.county_map(
            self, radius_m=radius_m, colour=colour, stage=stage, year=self._year(year), standard=standard, lang=lang,
            height=height,
        )  # fmt: skip

    def explore(self, *, lang: str | None = None) -> Access:
        """Show the walking page on this county: radius, year, stage and way of measuring move map and figures."""
        from balance_lib.show.desk import pages

        return pages.on_county("Access", self, lang)

    def trial(self, *, lang: str | None = None) -> Consolidation:
        """Show the layout page on this county: least size, radius, bus and births as sliders, map, who is affected."""
        from balance_lib.show.desk import pages

        return pages.on_county("Consolidation", self, lang)

    # Names ------------------------------------------------------------------------------------------------------

    def school_id(self, school: str, also: list[str] | None = None) -> str:
        """Return the id of a school named by id or name.

        Parameters
        ----------
        school : str
            Id or name of the school.
        also : list of str, optional
            Further ids that count.

        Returns
        -------
        str

        Raises
        ------
        NotFoundError
            If there is none or several; it names what is near.
        """
        if also and school in also:
            return school
        return _id_of(self.tables["schools"], "school_id", school, text("desk.head.school", spoken()))

    def village_id(self, village: str) -> str:
        """Return the id of a village named by id or name."""
        return _id_of(self.tables["villages"], "village_id", village, text("desk.head.village", spoken()))

    def _year(self, year: int | None) -> int:
        if year is None:
            if not self.years:
                raise NotFoundError(f"{self.county_id}.years", text("desk.no_years", spoken()), [])
            return self.years[-1]
        if int(year) not in self.years:
            raise NotFoundError(f"{self.county_id}.years", year, self.years)
        return int(year)

    def _standard(self, standard: Standard | str | None) -> Standard:
        if isinstance(standard, int):
            raise TypeError(text("desk.year_meant", spoken(), year=standard))
        return standard if isinstance(standard, Standard) else standards.load(standard or self.plan or NATIONAL)


def _id_of(frame: pd.DataFrame, key: str, wanted: str, what: str) -> str:
    """Return the id of a place named by id or name; none, or several of the name, are refused."""
    names = [frame[column] for column in ("name_zh", "name_en") if column in frame]
    for column in (frame[key], *names):
        found = frame.loc[column == wanted, key].unique()
        if len(found) > 1:
            raise NotFoundError(what, wanted, found)
        if len(found):
            return str(found[0])
    raise NotFoundError(what, wanted, [*frame[key], *(name for column in names for name in column.dropna())])
