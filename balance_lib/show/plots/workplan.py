"""Draw how a plan is run: planned against actual progress."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.locale import text
from balance_lib.show.plots.base import _month_axis, blank, nothing


def progress(rows: pd.DataFrame, on: date, *, lang: str = "zh") -> go.Figure:
    """Draw how much should be done by each day against the share done (the S-curve); say so where nothing has a date.

    Parameters
    ----------
    rows : DataFrame
        Result of ``workplan.curve``: day, planned_share, actual_share.
    on : date
    lang : {"zh", "en"}
    """
    if rows.empty:
        return nothing("progress", lang)
    figure = blank("", lang, height=320)
    days = [day.isoformat() for day in rows["day"]]
    figure.add_scatter(
        x=days,
        y=list(rows["planned_share"]),
        mode="lines",
        name=text("workplan.plot.planned", lang),
        line={"color": palette.LIMIT, "dash": "dash", "width": 2},
    )
    known = rows["actual_share"].notna()
    figure.add_scatter(
        x=[day for day, there in zip(days, known, strict=True) if there],
        y=list(rows.loc[known, "actual_share"]),
        mode="lines+markers",
        name=text("workplan.plot.actual", lang),
        line={"color": palette.ACCENT, "width": 3, "shape": "hv"},
    )
    first, last = min([*rows["day"], on]), max([*rows["day"], on])
    _day(figure, on, late=on - first > (last - first) / 2)
    figure.update_yaxes(range=[0, 1.05], tickformat=".0%")
    figure.update_xaxes(range=_at_least(first, last))
    return _month_axis(figure, lang).update_layout(legend={"y": 1.02}, margin={"t": 60})


def _at_least(first: date, last: date, days: int = 62) -> list[str]:
    """Return a range of so many days at least: over a day or two the axis would name one day again and again."""
    room = timedelta(days=max(0, days - (last - first).days) // 2)
    return [(first - room).isoformat(), (last + room).isoformat()]


def _day(figure: go.Figure, on: date, *, late: bool) -> None:
    """Draw the day asked about as an upright line, its name towards the middle."""
    at = datetime(on.year, on.month, on.day).isoformat()
    figure.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line={"color": palette.INK, "width": 2, "dash": "dot"}
    )
    figure.add_annotation(
        x=at, y=0, yref="paper", yanchor="top", yshift=-22, text=on.isoformat(), showarrow=False,
        xanchor="right" if late else "left",
        font={"color": palette.INK}, bgcolor=palette.SURFACE,
    )  # fmt: skip
