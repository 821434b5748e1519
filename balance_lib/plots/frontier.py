"""Draw what every number of schools would cost pupils: the frontier, proven points apart from the others."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.locale import text
from balance_lib.plots.base import blank


def frontier(table: pd.DataFrame, *, chosen: int | None = None, lang: str = "zh") -> go.Figure:
    """Draw schools kept against extra pupil-kilometres.

    Parameters
    ----------
    table : DataFrame
        schools, extra_pupil_km, worst_m, moved, gap, proven; one row a number of schools.
    chosen : int, optional
        Schools of the plan at hand, marked by an upright line.
    lang : {"zh", "en"}

    Returns
    -------
    plotly Figure
        One trace of proven points (filled) and one of the others (hollow); ``customdata`` begins with the number of
        schools.
    """
    figure = blank(text("plot.frontier.title", lang), lang, height=320)
    for proven, symbol in ((True, "circle"), (False, "circle-open")):
        rows = table[table["proven"] == proven]
        figure.add_scatter(
            x=rows["schools"].astype(int).tolist(),
            y=rows["extra_pupil_km"].tolist(),
            mode="markers",
            name=text(f"plot.frontier.{'proven' if proven else 'open'}", lang),
            marker={"symbol": symbol, "size": 8, "color": palette.ACCENT},
            customdata=rows[["schools", "worst_m", "moved"]].assign(worst_m=rows["worst_m"] / 1000).to_numpy().tolist(),
            hovertemplate=text("plot.frontier.hover", lang) + "<extra></extra>",
        )
    if chosen is not None:
        figure.add_vline(x=chosen, line={"color": palette.MUTED, "dash": "dot"})
    figure.update_xaxes(title=text("plot.frontier.schools", lang), tickformat="d")
    return figure.update_yaxes(title=text("plot.frontier.extra", lang), rangemode="tozero")
