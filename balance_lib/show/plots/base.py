"""Give every figure the house style: fonts with Chinese glyphs, lamps as colour and mark, whole years on the axis."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette

STATUS_SYMBOLS = {
    "met": "circle",
    "not_met": "x",
    "no_data": "circle-open",
    "evidence": "diamond",
    "not_due": "circle-open-dot",
    "not_applicable": "line-ew-open",
}


def blank(title: str, lang: str, *, height: float) -> go.Figure:
    """Return an empty figure in the house style, in the fonts that have Chinese glyphs."""
    axis = {"gridcolor": palette.RULE, "linecolor": palette.MUTED, "zerolinecolor": palette.RULE, "automargin": True}
    return go.Figure(
        layout={
            "template": "none",
            "autosize": True,
            "height": round(height),
            "title": {"text": title, "x": 0, "xref": "paper", "font": {"size": 16}} if title else None,
            "font": {"family": palette.FONT, "size": 14, "color": palette.INK},
            "paper_bgcolor": palette.SURFACE,
            "plot_bgcolor": palette.SURFACE,
            "colorway": palette.SERIES,
            "margin": {"l": 16, "r": 24, "t": 56 if title else 36, "b": 40},
            "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right"},
            "hoverlabel": {"font": {"family": palette.FONT, "size": 14}, "bgcolor": palette.SURFACE},
            "separators": ".,",
            "bargap": 0.35,
            "xaxis": axis,
            "yaxis": axis,
        }
    )


def said(words: str, lang: str, *, height: float = 160) -> go.Figure:
    """Return a figure that says why there is nothing to draw, instead of axes around nothing."""
    figure = blank("", lang, height=height)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    place = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    return figure.add_annotation(text=words, font={"size": 16, "color": palette.MUTED}, **place)


def whole(years: pd.Series) -> list[int]:
    """Return years as plain whole numbers."""
    return [int(year) for year in years]


def month_axis(figure: go.Figure, lang: str) -> go.Figure:
    """Write dates on the axis as people of the language do: 2022年7月, Jul 2022; days where one looks that closely."""
    month, year = ("%Y年%-m月", "%Y年") if lang == "zh" else ("%b %Y", "%Y")
    stops = [
        {"dtickrange": [None, "M1"], "value": "%Y-%m-%d"},
        {"dtickrange": ["M1", "M12"], "value": month},
        {"dtickrange": ["M12", None], "value": year},
    ]
    return figure.update_xaxes(type="date", hoverformat="%Y-%m-%d", tickformatstops=stops)


def year_axis(figure: go.Figure, years: Sequence[int]) -> go.Figure:
    """Tick whole years only, and leave half a year on both sides."""
    if not years:
        return figure
    low, high = min(years), max(years)
    step = max(1, math.ceil((high - low) / 12))
    return figure.update_xaxes(dtick=step, tick0=low, tickformat="d", showgrid=False, range=[low - 0.5, high + 0.5])


def status_of(met: Any) -> str:
    """Return the status behind a cell of a ``met`` column: True, False, or nothing known."""
    if met is None or met is pd.NA or (isinstance(met, float) and math.isnan(met)):
        return "no_data"
    return "met" if bool(met) else "not_met"


def status_markers(statuses: Sequence[str] | pd.Series) -> dict[str, Any]:
    """Return markers that tell the status by colour and by form."""
    lamps = [palette.LAMPS[status] for status in statuses]
    return {
        "color": [lamp.fill for lamp in lamps],
        "symbol": [STATUS_SYMBOLS[status] for status in statuses],
        "size": 12,
        "line": {"width": 1.5, "color": [lamp.ink for lamp in lamps]},
    }


def status_fills(statuses: Sequence[str]) -> dict[str, Any]:
    """Return bars that tell the status by colour and by hatching."""
    lamps = [palette.LAMPS[status] for status in statuses]
    patterns = ["/" if status in ("not_met", "no_data") else "" for status in statuses]
    return {
        "color": [lamp.fill for lamp in lamps],
        "line": {"color": [lamp.ink for lamp in lamps], "width": 1},
        "pattern": {"shape": patterns, "fgcolor": "#ffffff", "size": 7, "solidity": 0.25},
    }


def short(value: float) -> str:
    """Write a value with two decimals at the most; nothing where there is none."""
    return "" if math.isnan(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def wrap(label: str, width: int = 5) -> str:
    """Break a column's head into lines: Chinese after so many characters, words where they end."""
    if " " in label:
        return "<br>".join(textwrap.wrap(label, 3 * width))
    return "<br>".join(label[at : at + width] for at in range(0, len(label), width))
