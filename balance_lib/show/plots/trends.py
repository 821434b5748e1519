"""Draw what is to come: figures against their lines, the band of their paths, deadlines, and pupils to a year."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from unicodedata import east_asian_width

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.locale import text
from balance_lib.show.plots.base import (
    AXIS,
    _add_band,
    _add_line,
    _wrap,
    axis_of,
    blank,
    nothing,
    room,
    short,
    status_markers,
    whole,
)

BAND = "rgba(11, 79, 138, 0.18)"
PANEL_PX, HEAD_PX = 210, 54
NARROWEST_PX = 300  # of a panel: where fewer pixels are left, a page sets them out in fewer columns
WIDEST = 42.0  # of a panel's title, in widths of a Latin letter: it fits the narrowest panel
STAGE_COLOURS = {"primary": palette.SERIES[0], "junior": palette.SERIES[5]}
STAGE_BANDS = {"primary": "rgba(0, 114, 178, 0.20)", "junior": "rgba(213, 94, 0, 0.20)"}
STAGE_PATTERNS = {"primary": "/", "junior": "."}
STAGE_SYMBOLS = {"primary": "circle", "junior": "square"}


@dataclass(frozen=True)
class Panel:
    """Hold one figure to draw: its rows, its title, and the verdict said in a word.

    Parameters
    ----------
    title : str
    rows : DataFrame
        year, value, low, high, projected, threshold.
    status : str
        The lamp of the word: met, not_met, not_due, evidence, no_data.
    word : str
    deadline : date, optional
    unit : str
    """

    title: str
    rows: pd.DataFrame
    status: str
    word: str
    deadline: date | None = None
    unit: str = ""


def waiting(lang: str = "zh") -> go.Figure:
    """Return the empty place of a figure that is being computed: no axes that could be read as data."""
    return blank("", lang, height=380).update_xaxes(visible=False).update_yaxes(visible=False)


def _outlook(panel: Panel, *, lang: str = "zh") -> go.Figure:
    """Draw one figure large: counted years, the path with its band, the line, the deadline and the verdict."""
    if panel.rows["value"].isna().all():
        return nothing("outlook", lang)
    figure = blank(_wrap(panel.title, 17 if lang == "zh" else 12), lang, height=400)
    below = {"y": -0.12, "x": 0.0, "xanchor": "left", "yanchor": "top"}  # no title is so long that it meets the legend
    figure.update_layout(margin={"l": 16, "r": 24, "t": 96, "b": 64}, legend=below)
    figure.update_layout(title={"font": {"size": 14}, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 12}})
    figure.update_xaxes(tickfont={"size": 12})
    _draw(figure, panel, "", lang, legend=True)
    _verdict(figure, panel, x=0.0, y=1.0, size=14)
    figure.update_yaxes(title={"text": panel.unit, "standoff": 8} if panel.unit else None)
    return figure


def _multiples(panels: Sequence[Panel], *, columns: int = 3, lang: str = "zh") -> go.Figure:
    """Draw figures side by side, each with its line, deadline, path and band, and its verdict in a word.

    Returns
    -------
    Figure
        ``layout.meta`` holds the places of the panels in fewer columns, for a page that is narrower.
    """
    if not panels:
        return nothing("multiples", lang)
    figure = blank("", lang, height=100)
    figure.update_layout(showlegend=False, margin={"l": 34, "r": 2, "t": 8, "b": 8})
    for at, panel in enumerate(panels):
        axis = axis_of(at)
        style = {**AXIS, "automargin": False, "tickfont": {"size": 12}}
        figure.layout[f"xaxis{axis}"] = {**style, "anchor": f"y{axis}", "showgrid": False, "hoverformat": "d"}
        figure.layout[f"yaxis{axis}"] = {**style, "anchor": f"x{axis}", "nticks": 6, "zeroline": False}
        _draw(figure, panel, axis, lang, legend=False)
        _head(figure, panel)
    heads = [at for at, note in enumerate(figure.layout.annotations) if note.name == "head"]
    narrower = {str(n): _places(len(panels), heads, n) for n in range(1, columns + 1)}
    figure.update_layout(narrower[str(columns)] | {"meta": {"columns": narrower, "panel_px": NARROWEST_PX}})
    return figure


def _places(panels: int, heads: Sequence[int], columns: int) -> dict[str, Any]:
    """Return the changes of a layout that set its panels out in so many columns, by plotly's own paths."""
    lines = math.ceil(panels / columns)
    high, whole_px = 1.0 / lines, PANEL_PX + HEAD_PX
    places: dict[str, Any] = {"height": lines * whole_px + 16, "autosize": True}  # or plotly would fix the width too
    for at in range(panels):
        row, column = divmod(at, columns)
        left = (column + (0.1 if column else 0.0)) / columns  # room for the figures beside the axis
        right = (column + 1) / columns - 0.012
        top = 1.0 - row * high
        places[f"xaxis{axis_of(at)}.domain"] = [left, right]
        places[f"yaxis{axis_of(at)}.domain"] = [top - high * (1 - 30 / whole_px), top - high * HEAD_PX / whole_px]
        for note in heads[2 * at : 2 * at + 2]:
            places[f"annotations[{note}].x"], places[f"annotations[{note}].y"] = left, top
    return places


def _draw(figure: go.Figure, panel: Panel, axis: str, lang: str, *, legend: bool) -> None:
    """Draw one figure's band, line, path, counted years and deadline on its axes."""
    rows, on = panel.rows.sort_values("year"), {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
    if rows["value"].isna().all():  # the words instead of axes around nothing
        figure.layout[f"xaxis{axis}"].visible = figure.layout[f"yaxis{axis}"].visible = False
        figure.add_scatter(x=[0], y=[0], mode="text", text=[text("plot.no_data", lang)], hoverinfo="skip", **on)
        return
    counted, ahead = rows[~rows["projected"]], rows[rows["projected"]]
    joined = pd.concat([counted.dropna(subset=["value"]).tail(1), ahead])
    if len(ahead):
        _add_band(figure, joined, text("trends.plot.band", lang, level=80), BAND, showlegend=legend, **on)
    line = text("trends.plot.line", lang)
    _add_line(figure, whole(rows["year"]), rows["threshold"], line, showlegend=legend, **on)
    if len(ahead):
        figure.add_scatter(
            x=whole(joined["year"]), y=joined["value"], mode="lines", name=text("trends.plot.path", lang),
            line={"color": palette.ACCENT, "dash": "dot", "width": 2}, showlegend=legend,
            customdata=np.stack([joined["low"], joined["high"]], axis=1),
            hovertemplate="%{x}: %{y} (%{customdata[0]:,.2~f}–%{customdata[1]:,.2~f})<extra></extra>", **on,
        )  # fmt: skip
    statuses = list(counted["status"]) if "status" in counted else _judged(counted)
    figure.add_scatter(
        x=whole(counted["year"]), y=counted["value"], mode="lines+markers", name=text("trends.plot.counted", lang),
        line={"color": palette.ACCENT, "width": 2}, connectgaps=False, showlegend=legend,
        marker=status_markers(statuses) | {"size": 11 if legend else 8},
        hovertemplate="%{x}: %{y} " + panel.unit + "<extra></extra>", **on,
    )  # fmt: skip
    _scale(figure, panel, axis, lang, rows, large=legend)


def _judged(rows: pd.DataFrame) -> list[str]:
    """Return the status of each counted year by its gap."""
    found = ["met" if gap >= -1e-9 else "not_met" for gap in rows["gap"]]
    return [s if value == value else "no_data" for s, value in zip(found, rows["value"], strict=True)]


def _scale(figure: go.Figure, panel: Panel, axis: str, lang: str, rows: pd.DataFrame, *, large: bool) -> None:
    """Fit the axes, mark where the counted years end, and set the deadline's mark."""
    years = whole(rows["year"])
    due = None
    if panel.deadline is not None:
        # A school year runs from half a year before its mark to half a year after it, September to August.
        due = panel.deadline.year - 0.5 + (panel.deadline.month - 9) / 12 + panel.deadline.day / 366
    first = min(years)
    last = max(*years, math.ceil(due or first))
    step = max(1, math.ceil((last - first) / 7))
    low, high = room(rows["value"], rows["threshold"], rows["low"], rows["high"])
    figure.layout[f"xaxis{axis}"].update(
        dtick=step, tick0=first, tickformat="d", hoverformat="d", range=[first - 0.5, last + 0.6]
    )
    figure.layout[f"yaxis{axis}"].update(range=[low, high])
    if due is not None and due >= first - 0.5:  # the axis reaches as far as the deadline
        figure.add_shape(
            type="line", xref=f"x{axis}", yref=f"y{axis}", x0=due, x1=due, y0=low, y1=high,
            line={"color": palette.INK, "dash": "dot", "width": 1.5},
        )  # fmt: skip
        # Above the axes, where no point and no line can lie under it.
        figure.add_annotation(
            x=1, y=1, xref=f"x{axis} domain", yref=f"y{axis} domain", showarrow=False, yanchor="bottom", yshift=5,
            xanchor="right", font={"size": 14 if large else 12, "color": palette.INK},
            text=f"┊ {text('trends.plot.deadline', lang, date=panel.deadline) if large else panel.deadline}",
        )  # fmt: skip


def _verdict(figure: go.Figure, panel: Panel, *, x: float, y: float, size: int) -> None:
    lamp = palette.LAMPS[panel.status]
    figure.add_annotation(
        x=x, y=y, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, borderpad=3,
        text=f"<b>{lamp.mark} {panel.word}</b>", font={"size": size, "color": lamp.ink}, bgcolor=lamp.tint,
        bordercolor=lamp.ink, borderwidth=1, yshift=24,
    )  # fmt: skip


def _fitting(title: str) -> str:
    """Cut a title to the narrowest panel, in front of the brackets it ends with: they tell primary from junior.

    Examples
    --------
    >>> _fitting("A1-2 每百名学生拥有县级以上骨干教师数（小学）")
    'A1-2 每百名学生拥有县级以上骨干…（小学）'
    """
    end = re.search(r"([（(][^（()）]*[）)])?$", title)
    tail = end.group() if end else ""

    def width(words: str) -> float:
        return sum(2.0 if east_asian_width(sign) in "WF" else 1.1 for sign in words)

    if width(title) <= WIDEST:
        return title
    kept = title.removesuffix(tail)
    while kept and width(f"{kept}…{tail}") > WIDEST:
        kept = kept[:-1]
    return f"{kept}…{tail}"


def _head(figure: go.Figure, panel: Panel) -> None:
    """Write a panel's title, and under it the verdict on its tint; where they stand is set afterwards."""
    lamp, place = palette.LAMPS[panel.status], {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top"}
    figure.add_annotation(
        **place, name="head", showarrow=False, text=f"<b>{_fitting(panel.title)}</b>", hovertext=panel.title,
        font={"size": 13, "color": palette.INK},
    )  # fmt: skip
    figure.add_annotation(
        **place, name="head", showarrow=False, yshift=-22, xshift=3, text=f"{lamp.mark} {panel.word}",
        font={"size": 12, "color": lamp.ink}, bgcolor=lamp.tint, borderpad=2,
    )  # fmt: skip


def _enrolment(
    counted: pd.DataFrame, projected: pd.DataFrame, *, base: int, level: float = 0.8, lang: str = "zh"
) -> Any:
    """Draw a county's or a school's pupils by stage: counted years, then the projection with its band.

    ``counted``: year, stage, pupils up to the base year. ``projected``: year, stage, pupils, low, high from the base
    year on.
    """
    if projected.empty:
        return nothing("enrolment", lang)
    figure = blank("", lang, height=380)
    for stage in (s for s in STAGE_COLOURS if s in set(projected["stage"])):
        rows = projected[projected["stage"] == stage].sort_values("year")
        past = counted[(counted["stage"] == stage) & (counted["year"] <= base)].sort_values("year")
        name, colour = text(f"stage.{stage}", lang), STAGE_COLOURS[stage]
        _add_band(
            figure, rows, f"{name} {text('trends.plot.band', lang, level=round(100 * level))}", STAGE_BANDS[stage],
            fillpattern={"shape": STAGE_PATTERNS[stage], "fgcolor": colour, "bgcolor": STAGE_BANDS[stage],
                         "fgopacity": 0.35, "size": 7, "solidity": 0.15},
        )  # fmt: skip
        figure.add_scatter(
            x=whole(rows["year"]), y=rows["pupils"], mode="lines", showlegend=False,
            line={"color": colour, "dash": "dot", "width": 2},
            customdata=np.stack([rows["low"], rows["high"]], axis=1),
            hovertemplate=name + " %{x}: %{y:,.0f} (%{customdata[0]:,.0f}–%{customdata[1]:,.0f})<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=whole(past["year"]), y=past["pupils"], mode="lines+markers", name=name,
            line={"color": colour, "width": 2}, marker={"symbol": STAGE_SYMBOLS[stage], "size": 9},
            hovertemplate=name + " %{x}: %{y:,.0f}<extra></extra>",
        )  # fmt: skip
        figure.add_annotation(
            x=int(rows["year"].iloc[-1]), y=float(rows["pupils"].iloc[-1]), text=short(round(rows["pupils"].iloc[-1])),
            showarrow=False, xanchor="left", xshift=6, font={"color": colour},
        )  # fmt: skip
    figure.add_vline(x=base + 0.5, line={"color": palette.MUTED, "dash": "dot", "width": 1})
    years = [int(counted["year"].min()) if len(counted) else base, int(projected["year"].max())]
    figure.update_xaxes(
        dtick=max(1, math.ceil((years[1] - years[0]) / 5)), tickformat="d", hoverformat="d", showgrid=False,
        range=[years[0] - 0.5, years[1] + 1.2],
    )  # fmt: skip
    figure.update_yaxes(
        rangemode="tozero", tickformat=",d", title={"text": text("trends.plot.pupils", lang), "standoff": 8}
    )
    return figure.update_layout(margin={"l": 16, "r": 48, "t": 48, "b": 40})
