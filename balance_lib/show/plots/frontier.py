"""Draw what every number of schools would mean: the frontier, proven points apart from the others."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.locale import text
from balance_lib.show.plots.base import blank, nothing

# What the upright axis can show: the column, and by how much it is divided for people.
MEASURES = {"extra": ("extra_pupil_km", 1.0), "worst": ("worst_m", 1e3), "cost": ("cost_yuan", 1e4),
            "not_met": ("not_met", 1.0)}  # fmt: skip
_HOVER = ("schools", "extra_pupil_km", "worst_m", "moved", "cost_yuan", "not_met")


def frontier(table: pd.DataFrame, *, measure: str = "extra", chosen: int | None = None, lang: str = "zh") -> go.Figure:
    """Draw schools kept against extra pupil-kilometres, the longest way, cost or items not met.

    Parameters
    ----------
    table : DataFrame
        schools, extra_pupil_km, worst_m, moved, gap, proven; cost_yuan (a year, more than today) and not_met (items of
        the standard) where known. One row a number of schools.
    measure : {"extra", "worst", "cost", "not_met"}
        What the upright axis shows.
    chosen : int, optional
        Schools of the plan at hand, marked by an upright line.
    lang : {"zh", "en"}

    Returns
    -------
    plotly Figure
        The points' line, one trace of proven points (filled), one of the others (hollow), and a star on the plan
        at hand where it is among them; ``customdata`` begins with the number of schools.
    """
    column, per = MEASURES[measure]
    known = table.reindex(columns=[*_HOVER, "proven"])
    known = known[known[column].notna()]
    if known.empty:
        return nothing("frontier", lang)
    figure = blank("", lang, height=420)
    line = known.sort_values("schools")
    figure.add_scatter(
        x=line["schools"].astype(int).tolist(), y=(line[column] / per).tolist(), mode="lines", showlegend=False,
        line={"color": palette.MUTED, "width": 1.5}, hoverinfo="skip",
        customdata=[[int(n)] for n in line["schools"]],
    )  # fmt: skip
    for proven, symbol in ((True, "circle"), (False, "circle-open")):
        rows = known[known["proven"].astype(bool) == proven]
        figure.add_scatter(
            x=rows["schools"].astype(int).tolist(),
            y=(rows[column] / per).tolist(),
            mode="markers",
            name=text(f"plot.frontier.{'proven' if proven else 'open'}", lang),
            marker={"symbol": symbol, "size": 8, "color": palette.ACCENT},
            customdata=[[row[0], *_told(row, lang)] for row in rows[list(_HOVER)].itertuples(index=False)],
            hovertemplate=text("plot.frontier.hover", lang) + "<extra></extra>",
        )
    if chosen is not None:
        figure.add_vline(
            x=chosen, line={"color": palette.INK, "dash": "dash"}, annotation_position="top",
            annotation_text=text("plot.frontier.chosen", lang, n=chosen),
        )  # fmt: skip
        here = known[known["schools"] == chosen]
        figure.add_scatter(
            x=here["schools"].astype(int).tolist(), y=(here[column] / per).tolist(), mode="markers", showlegend=False,
            marker={"symbol": "star", "size": 16, "color": palette.LAMPS["not_met"].fill}, hoverinfo="skip",
            customdata=[[int(n)] for n in here["schools"]],
        )  # fmt: skip
    numbers = known["schools"].astype(int)
    step = max(1, math.ceil((numbers.max() - numbers.min()) / 12))  # whole schools, each once
    figure.update_xaxes(title=text("plot.frontier.schools", lang), tickformat="d", dtick=step)
    lowest = "normal" if (known[column] < 0).any() else "tozero"
    return figure.update_yaxes(title=text(f"plot.frontier.{measure}", lang), rangemode=lowest)


def _told(row: tuple[float, ...], lang: str) -> list[str]:
    """Return the figures of a point in words; what was not looked at says so."""
    _, extra, worst, moved, cost, not_met = row
    figures = (f"{extra:,.1f}", f"{worst / 1e3:.1f}", f"{moved:,.0f}", f"{cost / 1e4:+,.1f}", f"{not_met:.0f}")
    values = (extra, worst, moved, cost, not_met)
    return [said if value == value else text("plot.frontier.unknown", lang)
            for said, value in zip(figures, values, strict=True)]  # fmt: skip
