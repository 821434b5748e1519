"""Draw how a plan is run: stages and tasks over time, planned against actual progress."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.locale import text
from balance_lib.office.workplan import STATUSES, harmless
from balance_lib.show.plots.base import blank, month_axis

ROW_PX = 26
LABEL_MOST = 22
MILLISECONDS = 86_400_000
# The word in the legend and the hatching tell apart what shares a colour.
HATCH = {"late": "/", "blocked": "x", "not_started": ".", "due_before_adoption": ""}
POINTS = {"late": "x", "blocked": "square", "due_before_adoption": "triangle-down"}
HATCHING = {"fillmode": "overlay", "fgcolor": palette.SURFACE, "fgopacity": 1, "size": 6, "solidity": 0.3}
STAGE_TINTS = (palette.GROUND, palette.SURFACE)


def gantt(tasks: pd.DataFrame, stages: pd.DataFrame, on: date, *, lang: str = "zh", most: int = 40) -> go.Figure:
    """Draw tasks as bars from their first day to their date, the plan's stages behind them, and the day asked about.

    Parameters
    ----------
    tasks : DataFrame
        A register's tasks; those without a date are left out.
    stages : DataFrame
        A register's stages.
    on : date
    lang : {"zh", "en"}
    most : int
        Bars drawn; the earliest dates first. How many are left out is written under the figure.

    Returns
    -------
    plotly Figure
    """
    dated = tasks[tasks["due"].notna()]
    rows = dated.assign(_due=list(dated["due"])).sort_values("_due", kind="stable").head(most)
    figure = blank("", lang, height=130 + ROW_PX * max(len(rows), 3))
    labels = _labels(rows, lang)
    rows = rows.assign(begins=[_start(row, on) for row in rows.itertuples()])
    for status in (s for s in STATUSES if s in set(rows["status"])):
        mine = rows[rows["status"] == status]
        span = mine["begins"] < mine["due"]
        _bars(figure, mine[span], labels, status, lang)
        _points(figure, mine[~span], labels, status, lang, legend=not span.any())
    _stages_behind(figure, stages, lang)
    _day(figure, on, lang)
    figure.update_yaxes(
        range=[len(labels) - 0.5, -0.5], categoryorder="array", categoryarray=list(labels.values()), showgrid=False
    )
    month_axis(figure, lang).update_xaxes(side="bottom")
    left_out = len(dated) - len(rows)
    if left_out:
        note = text("workplan.plot.left_out", lang, n=left_out)
        figure.add_annotation(
            text=note, x=0, xref="paper", y=0, yref="paper", yshift=-62, xanchor="left", showarrow=False
        )
    return figure.update_layout(
        barmode="overlay", bargap=0.3, legend={"y": 1.02}, margin={"t": 70, "b": 95 if left_out else 60}
    )


def _bars(figure: go.Figure, rows: pd.DataFrame, labels: dict[str, str], status: str, lang: str) -> None:
    """Draw tasks of one status from their first day to their date."""
    if rows.empty:
        return
    lamp = palette.LAMPS[palette.TASKS[status]]
    figure.add_bar(
        y=[labels[task] for task in rows["task"]],
        base=[day.isoformat() for day in rows["begins"]],
        x=[((row.due - row.begins).days + 1) * MILLISECONDS for row in rows.itertuples()],
        orientation="h",
        name=text(f"workplan.status.{status}", lang),
        legendgroup=status,
        marker={
            "color": lamp.fill,
            "line": {"color": lamp.ink, "width": 1},
            "pattern": {**HATCHING, "shape": HATCH.get(status, "")},
        },
        customdata=[_hover(row, lang) for row in rows.itertuples()],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _points(
    figure: go.Figure, rows: pd.DataFrame, labels: dict[str, str], status: str, lang: str, *, legend: bool
) -> None:
    """Draw tasks of one status that have but one day, due before their plan began: a bar would be a hairline."""
    if rows.empty:
        return
    lamp = palette.LAMPS[palette.TASKS[status]]
    figure.add_scatter(
        y=[labels[task] for task in rows["task"]],
        x=[day.isoformat() for day in rows["due"]],
        mode="markers",
        name=text(f"workplan.status.{status}", lang),
        legendgroup=status,
        showlegend=legend,
        marker={"symbol": POINTS.get(status, "diamond"), "size": 13, "color": lamp.fill,
                "line": {"color": lamp.ink, "width": 1}},
        customdata=[_hover(row, lang) for row in rows.itertuples()],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def progress(rows: pd.DataFrame, on: date, *, lang: str = "zh") -> go.Figure:
    """Draw the share of tasks due by each day against the share done (the S-curve).

    Parameters
    ----------
    rows : DataFrame
        Result of ``workplan.curve``: day, planned_share, actual_share.
    on : date
    lang : {"zh", "en"}
    """
    figure = blank("", lang, height=320)
    days = [day.isoformat() for day in rows["day"]]
    figure.add_scatter(
        x=days,
        y=list(rows["planned_share"]),
        mode="lines",
        name=text("workplan.plot.planned", lang),
        line={"color": palette.LIMIT, "dash": "dash", "width": 2, "shape": "hv"},
    )
    known = rows["actual_share"].notna()
    figure.add_scatter(
        x=[day for day, there in zip(days, known, strict=True) if there],
        y=list(rows.loc[known, "actual_share"]),
        mode="lines+markers",
        name=text("workplan.plot.actual", lang),
        line={"color": palette.ACCENT, "width": 3, "shape": "hv"},
    )
    _day(figure, on, lang)
    figure.update_yaxes(range=[0, 1.05], tickformat=".0%")
    return month_axis(figure, lang).update_layout(legend={"y": 1.02}, margin={"t": 60})


def _labels(rows: pd.DataFrame, lang: str) -> dict[str, str]:
    """Return one name a task; the code in front keeps two tasks of one name apart."""
    names = rows[f"label_{lang}"].where(rows[f"label_{lang}"] != "", rows["label_zh"])
    most = LABEL_MOST if lang == "zh" else 2 * LABEL_MOST
    return {task: f"{task} {_plain(name, most)}" for task, name in zip(rows["task"], names, strict=True)}


def _plain(given: object, most: int) -> str:
    """Return text plotly takes for words: it reads some HTML of its own in labels."""
    return harmless(given, most).replace("<", "‹").replace(">", "›")


def _start(row: object, on: date) -> date:
    """Return where a task's bar begins; a task due before its plan began has one day."""
    starts, due = getattr(row, "starts", None), getattr(row, "due", on)
    return starts if starts is not None and starts == starts and starts <= due else due


def _hover(row: object, lang: str) -> str:
    name = getattr(row, f"label_{lang}", "") or getattr(row, "label_zh", "")
    who = getattr(row, "lead_unit", "") or text("page.no_owner", lang)
    waits = getattr(row, "blocked_by", "")
    lines = [
        f"<b>{getattr(row, 'task', '')}</b> {_plain(name, 80)}",
        _plain(who, 80),
        f"{text('page.head.due', lang)} {getattr(row, 'due', '')}",
    ]
    return "<br>".join([*lines, *([text("workplan.cli.waits", lang, tasks=waits)] if waits else [])])


def _stages_behind(figure: go.Figure, stages: pd.DataFrame, lang: str) -> None:
    for at, stage in enumerate(stages.itertuples()):
        current = stage.status == "current"
        figure.add_vrect(
            x0=stage.starts.isoformat(),
            x1=(stage.ends + timedelta(days=1)).isoformat(),
            fillcolor=palette.LAMPS["not_due"].tint if current else STAGE_TINTS[at % 2],
            layer="below",
            line_width=0,
        )
        middle = stage.starts + (stage.ends - stage.starts) / 2
        figure.add_annotation(
            x=middle.isoformat(),
            y=1,
            yref="paper",
            yanchor="bottom",
            text=f"<b>{stage.number}</b>" if current else str(stage.number),
            hovertext=_plain(stage.label_zh if lang == "zh" else stage.label_en, 80),
            showarrow=False,
        )


def _day(figure: go.Figure, on: date, lang: str) -> None:
    """Draw the day asked about as an upright line."""
    at = datetime(on.year, on.month, on.day).isoformat()
    figure.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line={"color": palette.INK, "width": 2, "dash": "dot"}
    )
    figure.add_annotation(
        x=at, y=0, yref="paper", yanchor="top", yshift=-22, text=on.isoformat(), showarrow=False,
        font={"color": palette.INK}, bgcolor=palette.SURFACE,
    )  # fmt: skip
