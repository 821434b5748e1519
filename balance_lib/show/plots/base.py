"""Give every figure the house style: fonts with Chinese glyphs, lamps as colour and mark, whole years on the axis."""

from __future__ import annotations

import contextlib
import json
import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from balance_lib import locale, palette

# One way to write numbers: thousands apart and at most two decimals, coefficients with three, never 1.2k or 3e+5.
FIGURE, COEFFICIENT = ",.2~f", ".3f"
AXIS = {
    "gridcolor": palette.RULE, "linecolor": palette.MUTED, "zerolinecolor": palette.RULE, "automargin": True,
    "exponentformat": "none", "separatethousands": True, "hoverformat": FIGURE,
}  # fmt: skip
MONTHS = [f"{month}月" for month in range(1, 13)]
CHINESE = {
    "dictionary": {
        "Autoscale": "自动缩放",
        "Box Select": "矩形框选",
        "Click to enter X axis title": "点击输入 X 轴标题",
        "Click to enter Y axis title": "点击输入 Y 轴标题",
        "Compare data on hover": "悬停时比较数据",
        "Double-click on legend to isolate one trace": "双击图例只看一项",
        "Double-click to zoom back out": "双击还原",
        "Download plot": "下载图片",
        "Download plot as a PNG": "下载为 PNG 图片",
        "Download plot as a png": "下载为 PNG 图片",
        "Lasso Select": "套索选择",
        "Pan": "平移",
        "Reset": "重置",
        "Reset axes": "重置坐标轴",
        "Reset view": "重置视图",
        "Show closest data on hover": "悬停时显示最近的点",
        "Snapshot succeeded": "图片已保存",
        "Sorry, there was a problem downloading your snapshot!": "图片没有保存成功",
        "Taking snapshot - this may take a few seconds": "正在生成图片，请稍候",
        "Toggle Spike Lines": "显示或隐藏参考线",
        "Zoom": "缩放",
        "Zoom in": "放大",
        "Zoom out": "缩小",
    },
    "format": {
        "days": ["星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六"],
        "shortDays": ["周日", "周一", "周二", "周三", "周四", "周五", "周六"],
        "months": MONTHS,
        "shortMonths": MONTHS,
        "date": "%Y-%m-%d",
    },
}


def config(lang: str = "zh") -> dict[str, Any]:
    """Return plotly's settings: nothing leaves the page, no logo, tool tips in the page's language."""
    settings: dict[str, Any] = {
        "showSendToCloud": False,
        "plotlyServerURL": "",
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
        "toImageButtonOptions": {"scale": 2},
    }
    return settings | ({"locale": "zh-CN", "locales": {"zh-CN": CHINESE}} if lang == "zh" else {})


STATUS_SYMBOLS = {
    "met": "circle",
    "not_met": "x",
    "no_data": "circle-open",
    "evidence": "diamond",
    "not_due": "circle-open-dot",
    "not_applicable": "line-ew-open",
}


class _Chart(go.Figure):
    """A plotly figure that lives in a notebook without a copy of plotly, and leaves a still picture when saved."""

    _ipython_display_ = None  # plotly's own ways would put megabytes of script into the notebook
    _repr_html_ = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.layout.title.text or ''} ({len(self.data)})>"

    def picture(self, width: int = 860) -> str:
        """Return the figure as an SVG document."""
        from balance_lib.show.plots import picture  # matplotlib: only who looks at a picture pays for it

        return picture._svg(self, width)

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Show the live figure where plotly lives, and leave a picture for where it does not."""
        # JupyterLab fits the width itself; told to be responsive, plotly takes the cell's height, which is nothing yet.
        drawn = {**json.loads(self.to_json()), "config": config(locale.spoken()) | {"responsive": False}}
        data: dict[str, Any] = {"application/vnd.plotly.v1+json": drawn}
        with contextlib.suppress(ModuleNotFoundError):  # matplotlib comes with the extra "office"
            data["image/svg+xml"] = self.picture()
        return data


def blank(title: str, lang: str, *, height: float) -> go.Figure:
    """Return an empty figure in the house style, in the fonts that have Chinese glyphs.

    Parameters
    ----------
    title : str
        Words at the head.
    lang : {"zh", "en"}
    height : float
        Height in pixels.
    """
    figure = _Chart(
        layout={
            "template": "none",
            "autosize": True,
            "height": round(height),
            "font": {"family": palette.FONT, "size": 14, "color": palette.INK},
            "paper_bgcolor": palette.SURFACE,
            "plot_bgcolor": palette.SURFACE,
            "colorway": palette.SERIES,
            "margin": {"l": 16, "r": 24, "t": 36, "b": 40},
            "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right"},
            "hoverlabel": {"font": {"family": palette.FONT, "size": 14}, "bgcolor": palette.SURFACE},
            "separators": ".,",
            "bargap": 0.35,
            "xaxis": AXIS,
            "yaxis": AXIS,
        }
    )
    return _titled(figure, title) if title else figure


def _titled(figure: go.Figure, title: str, top: int = 56) -> go.Figure:
    """Put words at the head of a figure, and ``top`` pixels for them and a legend."""
    return figure.update_layout(title={"text": title, "x": 0, "xref": "paper", "font": {"size": 16}}, margin={"t": top})


def _legend_below(figure: go.Figure, y: float = -0.12) -> go.Figure:
    """Put the legend under the axes: names may be long, or the title leaves them no room above.

    ``y``: where the legend begins, in heights of the axes below them.
    """
    return figure.update_layout(legend={"y": y, "yanchor": "top", "x": 0, "xanchor": "left"})


def _add_line(figure: go.Figure, years: Sequence[float], values: Any, name: str, **more: Any) -> go.Figure:
    """Add what the values are held to: a line, a limit, over the years.

    ``name``: said in the legend and on hover. ``more``: of the scatter, such as its axes.
    """
    look = {"color": palette.LIMIT, "dash": "dash", "width": 2, "shape": "hv"}
    hover = f"{name} %{{y}}<extra></extra>"
    return figure.add_scatter(x=years, y=values, mode="lines", name=name, line=look, hovertemplate=hover, **more)


def _add_band(figure: go.Figure, rows: pd.DataFrame, name: str, fill: str, **more: Any) -> go.Figure:
    """Add the band between ``low`` and ``high`` of rows by year.

    ``rows``: year, low, high, in the unit of the axis. ``fill``: colour, with its transparency. ``more``: of the
    scatter, such as its axes.
    """
    years = whole(rows["year"])
    return figure.add_scatter(
        x=[*years, *years[::-1]], y=[*rows["high"], *rows["low"][::-1]], fill="toself", fillcolor=fill, mode="lines",
        line={"width": 0}, hoverinfo="skip", name=name, **more,
    )  # fmt: skip


def _add_bars(figure: go.Figure, lengths: Any, names: Any, words: Any, **more: Any) -> go.Figure:
    """Add lying bars, the first at the top, with words beyond their ends.

    ``lengths``, ``names``, ``words``: in the unit of the axis; what stands beside each bar; what stands beyond its end.
    ``more``: of the bars, such as their colour.
    """
    figure.add_bar(x=lengths, y=names, orientation="h", text=words, textposition="outside", cliponaxis=False, **more)
    return figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False, zeroline=False)


def _add_limits(figure: go.Figure, limits: Any, places: Any, name: str, size: int = 22) -> go.Figure:
    """Mark on lying bars or points what each is held to.

    ``limits``, ``places``: in the unit of the axis; the bars' names. ``name``: said in the legend and on hover.
    """
    look = {"symbol": "line-ns-open", "size": size, "color": palette.LIMIT, "line": {"width": 3}}
    hover = f"{name} %{{x}}<extra></extra>"
    return figure.add_scatter(x=limits, y=places, mode="markers", name=name, marker=look, hovertemplate=hover)


def axis_of(panel: int) -> str:
    """Return what plotly adds to ``x`` and ``y`` for the axes of a panel, counted from 0."""
    return "" if panel == 0 else str(panel + 1)


def _lay_out_panels(figure: go.Figure, panels: int, columns: int, *, x: Any = None, y: Any = None) -> go.Figure:
    """Set axes side by side, row by row, with room above each for its head; ``x`` and ``y`` are the axes' looks.

    ``panels``, ``columns``: how many panels there are, and how many stand beside each other.
    """
    lines, last = max(1, math.ceil(panels / columns)), columns - 1
    for panel in range(panels):
        axis, (row, column) = axis_of(panel), divmod(panel, columns)
        across = [(column + 0.1 * (column > 0)) / columns, (column + 1 - 0.1 * (column < last)) / columns]
        up = [max(0.0, 1 - (row + 0.8) / lines), 1 - (row + 0.18) / lines]
        style = {**AXIS, "automargin": False}
        figure.layout[f"xaxis{axis}"] = {**style, "domain": across, "anchor": f"y{axis}", **(x or {})}
        figure.layout[f"yaxis{axis}"] = {**style, "domain": up, "anchor": f"x{axis}",
                                         "automargin": column == 0, **(y or {})}  # fmt: skip
    return figure.update_layout(showlegend=False)


def _add_head(figure: go.Figure, panel: int, words: str) -> go.Figure:
    """Write over a panel what it shows.

    ``panel``: from 0, row by row.
    """
    axis = axis_of(panel)
    return figure.add_annotation(
        xref=f"x{axis} domain", yref=f"y{axis} domain", x=0, y=1, xanchor="left", yanchor="bottom", showarrow=False,
        text=words, font={"size": 13},
    )  # fmt: skip


_OURS = re.compile(r"<(?!/?(?:b|i|br|extra)>)")


def harmless(node: Any) -> Any:
    """Return a figure's plain values with every mark-up but our own taken for text.

    Plotly reads a part of HTML in every label: a school's name could be a link.

    Examples
    --------
    >>> harmless({"text": ["<b>3</b>", "<a href='x'>甲</a>"], "y": [1.5]})
    {'text': ['<b>3</b>', "&lt;a href='x'>甲&lt;/a>"], 'y': [1.5]}
    """
    if isinstance(node, str):
        return _OURS.sub("&lt;", node)
    if isinstance(node, dict):
        return {key: harmless(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [harmless(value) for value in node]
    if isinstance(node, np.ndarray) and node.dtype.kind in "OU":
        return np.array([harmless(value) for value in node.ravel()], dtype=object).reshape(node.shape)
    return node


def _said(words: str, lang: str, *, height: float = 160) -> go.Figure:
    """Return a figure that says why there is nothing to draw, instead of axes around nothing."""
    figure = blank("", lang, height=height)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    place = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    return figure.add_annotation(text=_wrap(words, 20), font={"size": 16, "color": palette.MUTED}, **place)


def nothing(figure: str, lang: str) -> go.Figure:
    """Return what stands in the place of a figure of ours whose table has nothing to draw: why, and what to do.

    Parameters
    ----------
    figure : str
        Its name under ``plot.nothing``.
    lang : {"zh", "en"}
    """
    return _said(locale.text(f"plot.nothing.{figure}", lang), lang)


def room(*columns: pd.Series) -> list[float]:
    """Return the range of a value axis on which everything drawn lies, a band with both its edges.

    It begins at zero where the values are near it; what never moved lies in the middle of a tenth of its size, so that
    a narrow range makes no mountains of nothing.

    Parameters
    ----------
    *columns : Series
        Whatever is drawn along the axis; what is missing is left out.

    Returns
    -------
    list of float
        The lower and the upper end; 0 to 1 where there is nothing.

    Examples
    --------
    >>> room(pd.Series([0.0, 10.0]), pd.Series([-5.0, 12.0]))
    [-7.04, 14.04]
    >>> room(pd.Series([100.0, 100.0]))
    [93.8, 106.2]
    """
    values = np.concatenate([np.asarray(column, dtype=float) for column in columns])
    values = values[np.isfinite(values)]
    if not len(values):
        return [0.0, 1.0]
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high)) or 1.0
    spare = max(0.1 * size - (high - low), 0.0) / 2
    low, high, near = low - spare, high + spare, spare == 0 and 0 <= low < 0.6 * high
    free = 0.12 * (high - low)
    return [round(-0.03 * high if near else low - free, 9), round(high + free, 9)]


def whole(years: pd.Series) -> list[int]:
    """Return years as plain whole numbers."""
    return [int(year) for year in years]


def _month_axis(figure: go.Figure, lang: str) -> go.Figure:
    """Write dates on the axis as people of the language do: 2022年7月, Jul 2022; days where one looks that closely."""
    month, year = ("%Y年%-m月", "%Y年") if lang == "zh" else ("%b %Y", "%Y")
    stops = [
        {"dtickrange": [None, "M1"], "value": "%Y-%m-%d"},
        {"dtickrange": ["M1", "M12"], "value": month},
        {"dtickrange": ["M12", None], "value": year},
    ]
    return figure.update_xaxes(type="date", hoverformat="%Y-%m-%d", tickformatstops=stops)


def _year_axis(figure: go.Figure, years: Sequence[int]) -> go.Figure:
    """Tick whole years only, and leave half a year on both sides; an axis without years stays as it is."""
    if not years:
        return figure
    low, high = min(years), max(years)
    step = max(1, math.ceil((high - low) / 12))
    return figure.update_xaxes(dtick=step, tick0=low, tickformat="d", hoverformat="d", showgrid=False,
                               tickfont={"size": 12}, range=[low - 0.5, high + 0.5])  # fmt: skip


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


def hatched(shape: str | list[str] = "/") -> dict[str, Any]:
    """Return the hatching of bars: white lines over their colour."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 7, "solidity": 0.25}


def status_fills(statuses: Sequence[str]) -> dict[str, Any]:
    """Return bars that tell the status by colour and by hatching."""
    lamps = [palette.LAMPS[status] for status in statuses]
    shapes = ["/" if status in ("not_met", "no_data") else "" for status in statuses]
    return {
        "color": [lamp.fill for lamp in lamps],
        "line": {"color": [lamp.ink for lamp in lamps], "width": 1},
        "pattern": hatched(shapes),
    }


def short(value: float) -> str:
    """Write a value with two decimals at the most; nothing where there is none."""
    return "" if math.isnan(value) else f"{value:,.2f}".rstrip("0").rstrip(".")


def _wrap(label: str, width: int = 5) -> str:
    """Break a column's head into lines: Chinese after so many characters, words where they end."""
    if " " in label and not re.search("[\u4e00-\u9fff]", label):
        return "<br>".join(textwrap.wrap(label, 3 * width))
    lines = [label[at : at + width] for at in range(0, len(label), width)]
    return re.sub(r"<br>([，。；：、）”]+)", r"\1<br>", "<br>".join(lines)).removesuffix("<br>")  # none begins a line
