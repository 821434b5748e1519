"""Hold the state of a page (county, year, standard, language) and the results that follow from it; no widgets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import traitlets

from balance_lib import evaluation, standards
from balance_lib._errors import BalanceError, NotFoundError
from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation, suppression
from balance_lib.show.widgets.library import Library
from balance_lib.standards import Standard

LANGUAGES = ("zh", "en")
USUAL = "quality_2017"  # the standard of a county that names no plan of its own


class PageModel(traitlets.HasTraits):
    """Hold which county, year and standard a page shows, in which language.

    ``revision`` counts changes: a view observes it alone and then reads what it needs. Choosing another county takes
    that county's own plan and its default year; a year the county does not have falls back to its last one.

    ``lacks`` lists what the address asks for, or the page needs, and is not there; the page says so. ``fault`` is why
    the county chosen cannot be read: another one can be chosen all the same.
    """

    county_id = traitlets.Unicode()
    year = traitlets.Int()
    standard_id = traitlets.Unicode()
    lang = traitlets.Enum(LANGUAGES, default_value="zh")
    revision = traitlets.Int(0)

    def __init__(self, library: Library | None = None, query: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.library = library or Library.default()
        query = query or {}
        self._results: dict[tuple[Any, ...], Any] = {}
        self.lacks: list[BalanceError] = []
        self.fault: Exception | None = None
        self.lang = query.get("lang") if query.get("lang") in LANGUAGES else "zh"
        folders, asked = list(self.library.folders()), query.get("county", "")
        self.choose(county=asked if asked in folders else self._first(folders))
        lacks = list(self.lacks)
        if asked and asked not in folders:
            lacks.append(NotFoundError("county", asked, folders))
        if year := query.get("year", ""):
            years = [] if self.fault else self.county.years
            if re.fullmatch("[0-9]{4}", year) and int(year) in years:  # isdigit() takes "²", which int() does not
                self.choose(year=int(year))
            elif not self.fault:
                lacks.append(NotFoundError("years", year, years))
        if standard := query.get("standard", ""):
            if standard in standards.ids():
                self.choose(standard=standard)
            else:
                lacks.append(NotFoundError("standard", standard, standards.ids()))
        self.lacks = lacks

    def _first(self, folders: Sequence[str]) -> str:
        """Return the first county that can be read; where none can, the first."""
        return next((name for name in folders if self._fault_of(name) is None), next(iter(folders), ""))

    def _fault_of(self, county: str) -> Exception | None:
        try:
            self.library.open(county)
        except (BalanceError, OSError) as error:
            return error
        return None

    def choose(self, *, county: str | None = None, year: int | None = None, standard: str | None = None) -> None:
        """Change what the page shows, in one step.

        Parameters
        ----------
        county : str, optional
        year : int, optional
            School year; the last one without.
        standard : str, optional
        """
        self.lacks = []
        self.fault = self._fault_of(county or self.county_id) if county or self.county_id else None
        if county is not None and county != self.county_id:
            self.county_id, self.year, self.standard_id = county, 0, USUAL
            if county and not self.fault:
                self._take_plan()
        if year is not None:
            self.year = year
        if standard is not None:
            self.standard_id = standard
        if self.county_id and not self.fault and self.year not in self.county.years:
            self.year = self.county.years[-1] if self.county.years else 0
        self.revision += 1

    def _take_plan(self) -> None:
        """Begin with the plan and the year the county names."""
        plan, year = self.county.plan or USUAL, self.county.meta.get("default_year")
        if plan in standards.ids():
            self.standard_id = plan
        else:
            self.lacks.append(NotFoundError("standard", plan, standards.ids()))
        if isinstance(year, int):
            self.year = year

    def refresh(self) -> None:
        """Look at the folder again after something was written."""
        self._results.clear()
        self.choose()

    @property
    def county(self) -> County:
        """Return the county, opened once."""
        return self.library.open(self.county_id)

    @property
    def standard(self) -> Standard:
        """Return the standard."""
        return standards.load(self.standard_id)

    @property
    def evaluation(self) -> Evaluation:
        """Return the county judged by the standard in the year, computed once."""
        return self.evaluation_of(self.year)

    def overdue(self) -> int | None:
        """Return how many tasks of the plan are overdue on the evaluation's day; None where it has no tasks.

        The start page, the overview and the page of the plan count by the same register.
        """
        from balance_lib.office import workplan  # the office is an extra; pages without it say less
        from balance_lib.office.store import StoreError, store_of

        county, standard, found = self.county, self.standard, self.evaluation
        try:
            records = store_of(county).task_records(county.county_id, self.standard_id)
        except StoreError:  # the page of the plan says so; the way in stays open
            records = None
        register = workplan.register_of(county, standard, found.on, records=records, found=found)
        return register.counts()["late"] if len(register.tasks) else None

    def evaluation_of(self, year: int, on: date | None = None) -> Evaluation:
        """Return the evaluation of another year of the same county and standard, computed once.

        Parameters
        ----------
        year : int
            School year, by its first calendar year.
        on : date, optional
            A day of one's own, as for :func:`balance_lib.evaluation.evaluate`.
        """
        county = self.county
        key = ("evaluation", county.hash, self.standard_id, year, on)
        if key not in self._results:
            self._results[key] = suppression.told(evaluation.evaluate(county, self.standard, year=year, on=on), county)
        found: Evaluation = self._results[key]
        return found

    def history_of(self, code: str) -> pd.DataFrame:
        """Return one item's value, gap and status in every year."""
        county = self.county
        key = ("history", county.hash, self.standard_id, code)
        if key not in self._results:
            found = evaluation.history_of_item(county, self.standard, code)
            self._results[key] = suppression.told_history(found, county, self.standard)
        rows: pd.DataFrame = self._results[key]
        return rows

    def query(self, **changes: object) -> str:
        """Return the page's state as a query string: a link to the same thing on another page."""
        state = {"county": self.county_id, "year": self.year, "standard": self.standard_id, "lang": self.lang}
        return urlencode({**state, **changes})
