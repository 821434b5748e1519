"""Draw many counties: how a coefficient spreads over the years, and when counties will meet a standard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.locale import text
from balance_lib.show.plots.base import (
    COEFFICIENT,
    _add_band,
    _add_line,
    _legend_below,
    _year_axis,
    blank,
    hatched,
    nothing,
    whole,
)


def _below(figure: go.Figure) -> go.Figure:
    """Put the legend below: these figures stand in half a page, where a title leaves it no room above."""
    _legend_below(figure, -0.2)
    return figure.update_layout(title={"font": {"size": 15}, "y": 0.95, "yanchor": "top"}, margin={"t": 68, "b": 72})


def coefficient_spread(rows: pd.DataFrame, *, label: str, limit: float = math.nan, lang: str = "zh") -> go.Figure:
    """Draw a coefficient of many counties over the years: the middle one, and the middle eight in ten.

    ``rows``: year, low, middle, high, counties: one row a year. ``limit``: its limit; NaN where it has none.
    """
    if rows["middle"].isna().all():
        return nothing("spread", lang)
    figure = _below(blank(text("province.trend.title", lang, figure=label), lang, height=400))
    years = whole(rows["year"])
    known = rows.dropna(subset=["low", "high"])
    _add_band(figure, known, text("province.trend.band", lang), "rgba(86,180,233,0.35)")
    figure.add_scatter(
        x=years,
        y=rows["middle"],
        mode="lines+markers",
        name=text("province.trend.median", lang),
        line={"color": palette.ACCENT, "width": 2},
        customdata=rows[["low", "high", "counties"]].to_numpy(),
        hovertemplate="%{x}<br>%{y} (%{customdata[0]:.3f}–%{customdata[1]:.3f})<br>n = %{customdata[2]:d}"
        "<extra></extra>",
    )
    if years and not math.isnan(limit):
        ends = [years[0] - 0.5, years[-1] + 0.5]
        _add_line(figure, ends, [limit, limit], text("province.trend.line", lang, limit=f"{limit:g}"))
    return _year_axis(figure.update_yaxes(rangemode="tozero", hoverformat=COEFFICIENT), years)


def _expected_years(counts: Mapping[str, int], late: Mapping[str, int], words: Sequence[str], lang: str) -> go.Figure:
    """Draw how many counties come to meet a standard when; those that come too late are hatched.

    ``counts``, ``late``: counties in time (or without a date), and counties after their date. ``words``: the bars in
    order: "met now", years, "never".
    """
    if not (any(counts.values()) or any(late.values())):
        return nothing("spread", lang)
    figure = _below(blank(text("province.dates.title", lang), lang, height=340))
    for name, values, fill, shape in (
        ("province.trend.counties", counts, palette.SERIES[0], ""),
        ("province.cards.late", late, palette.LAMPS["not_met"].fill, "/"),
    ):
        figure.add_bar(
            x=list(words),
            y=[values.get(word, 0) for word in words],
            name=text(name, lang),
            marker={"color": fill, "pattern": hatched(shape)},
        )
    return figure.update_layout(barmode="stack").update_xaxes(type="category")
