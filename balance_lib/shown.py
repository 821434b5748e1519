"""Let a result show itself: a short repr, a table in a notebook's cell, and the questions it answers with a picture.

A room below knows nothing of maps and figures. What a result draws stands in :mod:`balance_lib.show.desk`, which is
imported, by name, when somebody asks to see; this module is the only place that reaches up so.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable
from importlib import import_module
from inspect import signature
from types import FunctionType
from typing import TYPE_CHECKING, Any

from balance_lib import locale

MOST = 360  # characters of a repr

# What people who come from osmnx, geopandas, momepy and pandas write first, by what it is called here.
MEANT: dict[str, str] = {name: f" {guesses} " for name, guesses in {
    "open": "load read from_file file place point geometries features geocode csv parquet data example examples",
    "counties": "datasets path list get", "standards": "policies list", "evaluation": "evaluate judge score",
    "scenarios": "scenario what_if", "inequality": "gini theil cv equity", "optimise": "optimize optimum solve",
    "evaluate": "basic_stats check judge score run indicators stats info summary describe simulate solve map plot "
                "affected",
    "map": "plot explore show gis leaflet", "explore": "map plot", "trial": "explore what_if sliders",
    "plot": "show trend gaps chart winners losers", "plot_gaps": "plot gaps gap failed failures",
    "plot_coefficients": "plot cv equity coefficients gini",
    "coverage": "accessibility catchment catchments isochrone isochrones radius buffer nearest distance distances "
                "service walk reach by_township", "outside": "uncovered gdf villages", "count": "covered percent share",
    "by_township": "table frame df dataframe summary", "schools": "df gdf geometry sites to_crs sjoin points geopandas "
                                                                       "to_file gpkg geojson shapefile export",
    "villages": "nodes points population settlements", "townships": "towns dissolve area areas",
    "roads": "edges graph streets network nx graphs gdfs",
    "outline": "boundary bounds total_bounds geometry unary_union centroid area clip buffer simplify",
    "table": "df frame dataframe items results summary head columns describe csv info to_file",
    "items": "table frame df dataframe", "problems": "failed failures", "sentence": "summary report info",
    "as_dict": "json", "affected": "losers villages table frame df moved", "compare": "comparison diff",
    "project": "forecast predict", "propose": "optimise optimize optimum solve", "scenario": "what_if simulate compare",
    "report": "to_file export save", "close": "remove delete", "before": "diff compare",
}.items()}  # fmt: skip


def closest(name: str, known: Iterable[str], guesses: bool = True) -> list[str]:
    """Return what somebody may have meant by a name that is not there, best first.

    Parameters
    ----------
    name : str
        What somebody typed.
    known : iterable of str
    guesses : bool
        Whether words of the same meaning are tried too.

    Examples
    --------
    >>> closest("jiaohee", ["jiaohe", "wuxi"]), closest("load_data", ["open", "counties"])
    (['jiaohe'], ['open'])
    """
    names = [str(each) for each in known]
    meant: list[str] = []
    if guesses:
        tried = [name.lower(), *name.lower().split("_")]
        meant = [each for part in tried for each in MEANT if each in names and f" {part} " in MEANT[each]]
        meant += [part for part in tried if part in names]
    folded = {each.lower().replace("_", "").replace("-", ""): each for each in names}
    near = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), list(folded), 3, 0.65)
    return list(dict.fromkeys([*meant, *(folded[each] for each in near)]))[:3]


def unknown(what: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error for a name that is not there: what may have been meant, else what there is.

    Parameters
    ----------
    what : str
        The thing that was asked, such as "County".
    name : str
        What was asked of it.
    known : iterable of str
        The names it has.
    """
    names, lang = list(known), locale.spoken()
    meant = closest(name, names)
    hint, told = ("meant", meant) if meant else ("there", names)
    said = locale.text("shown.unknown", lang, what=what, name=name)
    return AttributeError(said + locale.text(f"shown.{hint}", lang, names=", ".join(told)))


def desk(part: str = "") -> Any:
    """Return the desk or a module of it, imported now."""
    return import_module(f"balance_lib.show.desk.{part}".rstrip("."))


def _answering(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that says what may have been meant by an argument it does not have."""

    @functools.wraps(method)
    def called(*given: Any, **named: Any) -> Any:
        try:
            return method(*given, **named)
        except TypeError:
            there = signature(method).parameters
            wrong = [name for name in named if name not in there]
            if not wrong or any(each.kind is each.VAR_KEYWORD for each in there.values()):
                raise
            known = [name for name in there if name != "self"]
            raise TypeError(str(unknown(f"{method.__name__}()", wrong[0], known))) from None

    return called


class Shown:
    """A result that shows itself."""

    def __init_subclass__(cls, **more: Any) -> None:
        """Let every question say what may have been meant by an argument it does not have."""
        super().__init_subclass__(**more)
        for name, method in list(vars(cls).items()):
            if isinstance(method, FunctionType) and not name.startswith("_"):
                setattr(cls, name, _answering(method))

    def __repr__(self) -> str:
        told = f"<{type(self).__name__} {desk('cells').headline(self)}>"
        return told if len(told) <= MOST else f"{told[: MOST - 2]}…>"

    def _repr_html_(self) -> str:
        """Return what a notebook's cell shows: name, years, counts, the sentence, the table that matters."""
        return str(desk("cells").html(self))

    if not TYPE_CHECKING:  # a type checker shall go on to know which names there are

        def __getattr__(self, name: str) -> Any:
            """Say what may have been meant by a name that is not there."""
            if name.startswith("_"):
                raise AttributeError(name)
            if hasattr(type(self), name):  # a property that failed: let it say itself why
                return object.__getattribute__(self, name)
            raise unknown(type(self).__name__, name, [each for each in dir(self) if not each.startswith("_")])


class ShownEvaluation(Shown):
    """What an evaluation draws."""

    def table(self, lang: str | None = None) -> Any:
        """Return every item as a row.

        Returns
        -------
        DataFrame
            code, label, stage, status, value, threshold, gap (in ``unit``; negative is short), unit, deadline,
            lead_unit, required, reason.
        """
        return desk("cells").items(self, lang)

    def plot_gaps(self, *, stage: str | None = None, lang: str | None = None) -> Any:
        """Draw what falls short, worst first: each item's value as a share of its line.

        Parameters
        ----------
        stage : {"primary", "junior"}, optional
            Only items of this stage.
        lang : {"zh", "en"}, optional

        Returns
        -------
        plotly Figure
        """
        return desk("figures").gaps(self, stage, lang)

    def plot_coefficients(self, stage: str = "primary", *, lang: str | None = None) -> Any:
        """Draw the difference coefficients of a stage against their limits.

        Parameters
        ----------
        stage : {"primary", "junior"}
        lang : {"zh", "en"}, optional
        """
        return desk("figures").coefficients(self, stage, lang)

    def plot_contributions(self, indicator: str, stage: str = "primary", *, lang: str | None = None) -> Any:
        """Draw which schools drive a difference coefficient: their shares of the variance, the largest first.

        Parameters
        ----------
        indicator : str
            Indicator of schools, such as ``equipment``.
        stage : {"primary", "junior"}
        lang : {"zh", "en"}, optional

        Returns
        -------
        plotly Figure
        """
        return desk("figures").contributions(self, indicator, stage, lang)

    def map(
        self, county: Any = None, *, item: str | None = None, stage: str | None = None,
        radius_m: float | None = None, lang: str | None = None,
    ) -> Any:  # fmt: skip
        """Map the schools by what was found of them.

        Parameters
        ----------
        county : County, optional
            Where they stand; not needed for an evaluation that ``county.evaluate`` of an opened county made.
        item : str, optional
            Code of an item (or name of an indicator) that is judged school by school; all required ones by default.
        stage : {"primary", "junior"}, optional
        radius_m : float, optional
            Circles around the schools, metres.
        lang : str, optional

        Returns
        -------
        CountyMap
        """
        return desk("maps").evaluation_map(self, county, item=item, stage=stage, radius_m=radius_m, lang=lang)


class ShownOutcome(Shown):
    """What the outcome of a scenario draws."""

    def map(self, *, before: bool = False, lang: str | None = None) -> Any:
        """Map the schools as the scenario leaves them, with a line for each move; ``before`` as they are today.

        Parameters
        ----------
        before : bool
            Whether the map shows the county as it stands.
        lang : {"zh", "en"}, optional
        """
        return desk("maps").outcome_map(self, before=before, lang=lang)

    def plot(self, *, most: int = 12, lang: str | None = None) -> Any:
        """Draw who bears it: pupils by the way to school before and after, and the villages that lose most.

        Parameters
        ----------
        most : int
        lang : {"zh", "en"}, optional
        """
        return desk("figures").outcome(self, most, lang)


class ShownProposal(Shown):
    """What a proposed layout draws."""

    outcome: Any
    solution: Any
    reasons: Any

    def map(self, *, before: bool = False, lang: str | None = None) -> Any:
        """Map the plan as the scenario carries it out; ``before`` as it is today.

        Parameters
        ----------
        before : bool
            Whether the map shows the county as it stands.
        lang : {"zh", "en"}, optional
        """
        lang = lang or locale.spoken()
        if self.outcome is None:
            raise ValueError("; ".join(self.reasons(lang)) or self.solution.status)
        return self.outcome.map(before=before, lang=lang)


class ShownFrontier(Shown):
    """What a frontier draws."""

    def plot(self, measure: str = "extra", *, lang: str | None = None) -> Any:
        """Draw schools kept against ``extra`` pupil-kilometres, the ``worst`` way, ``cost`` or items ``not_met``.

        Parameters
        ----------
        measure : {"extra", "worst", "cost", "not_met"}
        lang : {"zh", "en"}, optional
        """
        return desk("figures").frontier(self, measure, lang)


class ShownPlan(Shown):
    """What a plan of remedies draws."""

    def plot(self, what: str = "kinds", *, lang: str | None = None) -> Any:
        """Draw the cost by ``kinds`` of action, against its ``bound``, or the ``coefficients`` before and after.

        Parameters
        ----------
        what : {"kinds", "bound", "coefficients"}
        lang : {"zh", "en"}, optional

        Returns
        -------
        Figure
        """
        return desk("figures").remedy(self, what, lang)


class ShownProjection(Shown):
    """What a projection draws."""

    def plot(
        self, *, village: str | None = None, school: str | None = None, counted: Any = None, lang: str | None = None
    ) -> Any:
        """Draw pupils by stage with their band: of the county, of a school, or of a village (ids or names).

        Parameters
        ----------
        village, school : str, optional
        counted : DataFrame, optional
            year, stage, pupils of the years before the base year.
        lang : str, optional
        """
        return desk("figures").projection(self, village, school, counted, lang)
