"""Let a result show itself: a short repr, a table in a notebook's cell, and the questions it answers with a picture.

A room below knows nothing of maps and figures. What a result draws stands in :mod:`balance_lib.show.desk`, which is
imported, by name, when somebody asks to see; this module is the only place that reaches up so.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from balance_lib import locale

MOST = 360  # characters of a repr

# What people who come from osmnx, geopandas, momepy and pandas write first, and what it is called here.
GUESSES: dict[str, tuple[str, ...]] = {
    "accessibility": ("coverage",), "basic_stats": ("evaluate",), "boundary": ("outline",), "catchment": ("coverage",),
    "check": ("evaluate",), "comparison": ("compare",), "cv": ("plot_coefficients",), "datasets": ("counties",),
    "df": ("table", "schools"), "edges": ("roads",), "explore": ("map", "trial"), "forecast": ("project",),
    "from_file": ("open",), "gaps": ("plot_gaps",), "gdf": ("schools",), "geometry": ("outline", "schools"),
    "gini": ("inequality",), "graph": ("roads",), "isochrones": ("coverage",), "items": ("table",),
    "judge": ("evaluate",), "list_counties": ("counties",), "list_standards": ("standards",), "load": ("open",),
    "load_county": ("open",), "nodes": ("villages",), "open_county": ("open",), "optimise": ("propose",),
    "optimize": ("propose",), "plot": ("map", "plot_gaps", "plot_coefficients"), "plot_map": ("map",),
    "plot_schools": ("map",), "points": ("villages",), "policies": ("standards",), "predict": ("project",),
    "problems_df": ("problems",), "read": ("open",), "read_county": ("open",), "read_file": ("open",),
    "results": ("table",), "roads_gdf": ("roads",), "score": ("evaluate",), "show": ("map", "plot"),
    "sites": ("schools",), "streets": ("roads",), "summary": ("table", "sentence"), "to_dataframe": ("table",),
    "to_df": ("table",), "to_frame": ("table",), "to_gdf": ("schools",), "to_json": ("as_dict",),
    "bounds": ("outline",), "to_crs": ("schools",), "sjoin": ("schools",), "graph_from_place": ("open",),
    "gdf_to_nx": ("roads",), "graph_to_gdfs": ("roads",), "get_path": ("counties",), "total_bounds": ("outline",),
    "what_if": ("scenario", "trial"), "run": ("evaluate",), "radius": ("coverage",),
}  # fmt: skip


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
    >>> closest("jiaohee", ["jiaohe", "wuxi"]), closest("load", ["open", "counties"])
    (['jiaohe'], ['open'])
    """
    names = [str(each) for each in known]
    meant = [word for word in GUESSES.get(name.lower(), ()) if word in names] if guesses else []
    folded = {each.lower().replace("_", "").replace("-", ""): each for each in names}
    near = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), list(folded), 3, 0.6)
    return list(dict.fromkeys([*meant, *(folded[each] for each in near)]))[:3]


def unknown(what: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error for a name that is not there, with what may have been meant.

    Parameters
    ----------
    what : str
    name : str
        The name that is not there.
    known : iterable of str
    """
    meant = closest(name, known)
    lang = locale.spoken()
    said = locale.text("shown.unknown", lang, what=what, name=name)
    return AttributeError(said + (locale.text("shown.meant", lang, names=", ".join(meant)) if meant else ""))


def desk(part: str) -> Any:
    """Return a module of the desk, imported now."""
    return import_module(f"balance_lib.show.desk.{part}")


class Shown:
    """A result that shows itself."""

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
        return desk("tables").items(self, lang)

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

    def map(self, *, before: bool = False, lang: str | None = None) -> Any:
        """Map the plan as the scenario carries it out; ``before`` as it is today.

        Parameters
        ----------
        before : bool
            Whether the map shows the county as it stands.
        lang : {"zh", "en"}, optional
        """
        return desk("maps").proposal_map(self, before=before, lang=lang)


class ShownFrontier(Shown):
    """What a frontier draws."""

    def plot(self, measure: str = "extra", *, lang: str | None = None) -> Any:
        """Draw schools kept against ``extra`` pupil-kilometres, the ``worst`` way, ``cost`` or items ``not_met``.

        Parameters
        ----------
        measure : str
            How the item is measured.
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
