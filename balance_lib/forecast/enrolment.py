"""Project pupils by village and school to a target year: cohorts from birth to grade 9, reconciled to the county."""

from __future__ import annotations

from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.data.kept import once_per_county
from balance_lib.forecast import errors
from balance_lib.forecast.counts import read
from balance_lib.forecast.result import Projection
from balance_lib.forecast.run import Run
from balance_lib.forecast.settings import MOST_YEARS, ProjectionSettings


def project(
    county: County, to: int, *, year: int | None = None, settings: ProjectionSettings | None = None, bands: bool = True
) -> Projection:
    """Project a county's pupils by village and school.

    Cohort survival: births and young children become entrants of grade 1, move up grade by grade and enter grade 7;
    what a cohort gains or loses on the way is the ratio observed between counts of the same cohorts. Villages carry
    their own drift, shrunk towards the county's, and are scaled so that every cohort adds up to the county's. Pupils
    stay at their school within a stage; entrants go where their village goes today.

    Parameters
    ----------
    county : County
    to : int
        Last school year (first calendar year), at most 30 years after the base year.
    year : int, optional
        Base year; by default the county's last one. Later counts are not looked at.
    settings : ProjectionSettings, optional
    bands : bool
        Whether to give the band; it comes from forecasts made in earlier years (about a second, once a county).

    Raises
    ------
    NotFoundError
        If the county has no school data of the base year, or ``to`` does not lie after it.

    References
    ----------
    H. Hamilton and J. Perry (1962), A short method for projecting population by age from one decennial census to
    another, Social Forces 41(2): the cohort-change ratio.
    """
    settings = settings or ProjectionSettings()
    counts = read(county, year)
    if not counts.base < to <= counts.base + MOST_YEARS:
        raise NotFoundError("year", to, (counts.base + 1, "…", counts.base + MOST_YEARS))
    return _projected(county, to, counts.base, settings, bands)


@once_per_county
def _projected(county: County, to: int, base: int, settings: ProjectionSettings, bands: bool) -> Projection:
    run = Run(county, read(county, base), to, settings)
    run.go()
    projection = run.projection()
    return errors._banded(projection, county) if bands else projection
