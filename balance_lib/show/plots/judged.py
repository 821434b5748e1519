"""Draw what was judged: items over the years, schools against their lines, difference coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.evaluation.figures import figure
from balance_lib.locale import text
from balance_lib.show.plots.base import (
    COEFFICIENT,
    _add_bars,
    _add_limits,
    _add_line,
    _legend_below,
    _wrap,
    _year_axis,
    blank,
    nothing,
    room,
    short,
    status_fills,
    status_markers,
    status_of,
    whole,
)

# Seven dashes and symbols against eight colours: 56 lines differ before one comes again.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "8px,3px,2px,3px")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
ROW_PX = 30
LABEL = {"zh": 10, "en": 6}  # width of a name beside bars: a phone has no room for a long one in one line


def gap_over_time(
    rows: pd.DataFrame, *, label: str = "", unit: str = "", deadline: date | None = None, lang: str = "zh"
) -> go.Figure:
    """Draw one item's value over the years against its line, with the deadline; or a line for each school.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``evaluation.history`` of one item: year, value, threshold, status. A year without data breaks the line.
        Rows of schools have ``met`` in the place of ``status``; with several of them (``school_id``, and ``name`` where
        known) each is a line.
    label, unit : str
        What the item is, and its unit.
    deadline : date, optional
        Drawn as an upright line.
    lang : {"zh", "en"}
    """
    rows = rows.sort_values("year")
    if rows["value"].isna().all():
        return nothing("gap_over_time", lang)
    if "status" not in rows:
        rows = rows.assign(status=[status_of(met) for met in rows["met"]])
    if "school_id" in rows and len(set(rows["school_id"])) > 1:
        return _schools_over_time(rows, label, unit, lang)
    figure, years = blank(label, lang, height=340), whole(rows["year"])
    _add_line(figure, years, rows["threshold"], text("plot.line", lang))
    figure.add_scatter(
        x=years, y=rows["value"], mode="lines+markers+text", name=text("plot.value", lang), connectgaps=False,
        line={"color": palette.ACCENT, "width": 2}, marker=status_markers(rows["status"]),
        text=[_marked(*row) for row in zip(rows["status"], rows["value"], strict=True)],
        textposition="top center", cliponaxis=False,
        customdata=[text(f"status.{status}", lang) for status in rows["status"]],
        hovertemplate="%{x}<br>%{y} " + unit + "<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    _mark_missing(figure, rows, lang)
    if deadline is not None:
        # A school year bears the name of its first calendar year and is judged on 31 August of the next.
        years.append(deadline.year - (deadline.month <= 8))
        # Named in the legend: along the line the words lie on values.
        words = text("plot.deadline", lang, date=deadline.isoformat())
        figure.add_vline(x=years[-1], line={"color": palette.MUTED, "dash": "dot"}, name=words, showlegend=True)
    figure.update_yaxes(
        title={"text": unit, "standoff": 8} if unit else None, range=room(rows["value"], rows["threshold"])
    )
    return _year_axis(figure, years)


def _schools_over_time(rows: pd.DataFrame, label: str, unit: str, lang: str) -> go.Figure:
    """Draw a line for each school against the line they are held to."""
    figure = blank(label, lang, height=420 + 14 * math.ceil(rows["school_id"].nunique() / 2))
    line = rows.groupby("year", as_index=False)["threshold"].first()
    _add_line(_legend_below(figure), whole(line["year"]), line["threshold"], text("plot.line", lang))
    for at, (school, mine) in enumerate(rows.groupby("school_id", sort=False)):
        name = str(mine["name"].iloc[0]) if "name" in mine else str(school)
        figure.add_scatter(
            x=whole(mine["year"]), y=mine["value"], mode="lines+markers", name=name, connectgaps=False,
            line={"color": palette.SERIES[at % len(palette.SERIES)], "dash": DASHES[at % len(DASHES)], "width": 2},
            marker=status_markers(mine["status"]) | {"size": 9},
            hovertemplate="%{x}: %{y} " + unit,
        )  # fmt: skip
    figure.update_yaxes(
        title={"text": unit, "standoff": 8} if unit else None, range=room(rows["value"], rows["threshold"])
    )
    return _year_axis(figure, whole(rows["year"]))


def coefficient_bars(cv: pd.DataFrame, *, labels: Mapping[str, str], lang: str = "zh") -> go.Figure:
    """Draw the difference coefficients of one stage as bars, each with its own limit marked and a word beside it.

    Parameters
    ----------
    cv : DataFrame
        Rows of ``Evaluation.cv`` of one stage: indicator, cv, limit, met, n, n_missing.
    labels : mapping of indicator to str
        Names, in the order they are drawn from the top.
    lang : {"zh", "en"}
    """
    rows = _ordered(cv, "indicator", labels)
    if rows.empty:
        return nothing("coefficients", lang)
    # A coefficient without a limit is shown, not judged.
    limits = rows["limit"].isna()
    statuses = ["not_applicable" if free else status_of(met) for met, free in zip(rows["met"], limits, strict=True)]
    y = [_wrap(labels[name], LABEL[lang]) for name in rows["indicator"]]
    lines = max(name.count("<br>") + 1 for name in y)
    figure = blank("", lang, height=ROW_PX * (0.9 + 0.6 * lines) * len(rows) + 90)
    missing = rows["n_missing"] if "n_missing" in rows else pd.Series(0, index=rows.index)
    _add_bars(
        figure, rows["cv"], y, None, marker=status_fills(statuses), hovertemplate="%{y}: %{x}<extra></extra>",
        showlegend=False,
    )  # fmt: skip
    _add_limits(figure, rows["limit"], y, text("plot.limit", lang))
    for name, value, limit, status, lacking in zip(y, rows["cv"], rows["limit"], statuses, missing, strict=True):
        words = _coefficient(value, limit, status, lacking, lang)
        figure.add_annotation(x=0.69, xref="paper", y=name, text=words, showarrow=False, xanchor="left", align="left")
    top = np.nanmax([*rows["cv"], *rows["limit"], 0.1])
    return figure.update_xaxes(range=[0, top * 1.05], domain=[0, 0.68], title=text("plot.cv", lang),
                               hoverformat=COEFFICIENT)  # fmt: skip


def coefficient_over_years(rows: pd.DataFrame, *, labels: Mapping[str, str], lang: str = "zh") -> go.Figure:
    """Draw difference coefficients of one stage over the years, with their limit.

    Parameters
    ----------
    rows : DataFrame
        year, indicator, cv, limit. Colour, dash and symbol differ from line to line.
    labels : mapping of indicator to str
        Names and order of the lines.
    lang : {"zh", "en"}
    """
    drawn = [name for name in labels if name in set(rows.loc[rows["cv"].notna(), "indicator"])]
    if not drawn:
        return nothing("coefficients", lang)
    figure = _legend_below(blank("", lang, height=380 + 24 * math.ceil(len(drawn) / 2)))
    for position, indicator in enumerate(drawn):
        line = rows[rows["indicator"] == indicator].sort_values("year")
        colour, dash = palette.SERIES[position % len(palette.SERIES)], DASHES[position % len(DASHES)]
        figure.add_scatter(
            x=whole(line["year"]),
            y=line["cv"],
            name=_wrap(labels[indicator], 18),
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": SYMBOLS[position % len(SYMBOLS)], "size": 8},
            hovertemplate="%{x}: %{y}",
        )
    years = whole(rows["year"])
    for limit in sorted(rows["limit"].dropna().unique()):  # named in the legend: on the line, words lie over others
        ends = [min(years) - 0.5, max(years) + 0.5]
        _add_line(figure, ends, [limit, limit], f"{text('plot.limit', lang)} {limit:g}", hoverinfo="skip")
    figure.update_yaxes(title={"text": text("plot.cv", lang), "standoff": 8}, rangemode="tozero",
                        hoverformat=COEFFICIENT)  # fmt: skip
    return _year_axis(figure, years).update_layout(hovermode="x unified")


def contribution_bars(
    rows: pd.DataFrame, *, names: Mapping[str, str] | None = None, top: int = 10, lang: str = "zh"
) -> go.Figure:
    """Draw which schools drive one coefficient: their share of the variance, the largest first.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``Evaluation.contributions`` of one stage and indicator: school_id, contribution (0-1).
    names : mapping of school_id to str, optional
    top : int
        How many schools; the others are summed in one bar, so that the bars add up to 100 %.
    lang : {"zh", "en"}
    """
    rows = rows.dropna(subset=["contribution"]).sort_values("contribution", ascending=False, kind="stable")
    if rows.empty:
        return nothing("contributions", lang)
    first, rest = rows.head(top), rows.iloc[top:]
    shares = [100 * share for share in first["contribution"]]
    labels = [(names or {}).get(school, school) for school in first["school_id"]]
    colours = [palette.ACCENT] * len(first)
    if len(rest):
        shares.append(100 * rest["contribution"].sum())
        labels.append(text("plot.others", lang, n=len(rest)))
        colours.append(palette.RULE)
    lines = max(_wrap(label, LABEL[lang]).count("<br>") + 1 for label in labels)
    figure = blank("", lang, height=ROW_PX * (0.4 + 0.6 * lines) * len(labels) + 80)
    places = list(range(len(labels)))  # positions, not names: two schools may bear the same name
    _add_bars(
        figure, shares, places, [f"{share:.1f}%" for share in shares], marker={"color": colours}, customdata=labels,
        hovertemplate="%{customdata}: %{x:.1f}%<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=text("plot.share", lang), range=[0, max([*shares, 1]) * 1.2], ticksuffix="%")
    return figure.update_yaxes(
        tickmode="array", tickvals=places, ticktext=[_wrap(label, LABEL[lang]) for label in labels]
    )


def _mark_missing(figure: go.Figure, rows: pd.DataFrame, lang: str) -> None:
    """Write "no data" over the years that have none: a gap in a line is easily overlooked."""
    for year in rows.loc[rows["value"].isna(), "year"]:
        figure.add_annotation(
            x=int(year), y=0, yref="paper", yanchor="bottom", showarrow=False, text=text("plot.no_data", lang)
        )


def _marked(status: str, value: float) -> str:
    mark = palette.LAMPS[status].mark if status in ("met", "not_met") else ""
    return f"{mark} {short(value)}".strip()


def _coefficient(value: float, limit: float, status: str, missing: float, lang: str) -> str:
    if math.isnan(value):
        return text("plot.cv_missing", lang, n=int(missing)) if missing else text("plot.no_data", lang)
    words = {"met": "plot.within", "not_met": "plot.beyond"}
    said = f"<br>{palette.LAMPS[status].mark} {text(words[status], lang)}" if status in words else ""  # for a phone
    return figure(value, 3, limit, "<=") + said


def _ordered(frame: pd.DataFrame, column: str, labels: Mapping[str, str]) -> pd.DataFrame:
    kept = frame[frame[column].isin(list(labels))]
    return kept.sort_values(column, key=lambda names: names.map(list(labels).index)).reset_index(drop=True)
