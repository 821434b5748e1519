"""Show plotly figures that load plotly once, keep to themselves, speak Chinese and never show stale data."""

from __future__ import annotations

import os
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import traitlets

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


class SlimFigure(go.FigureWidget):
    """Show a figure whose 5 MB of plotly are loaded once a page instead of once a figure.

    Build the figure completely, then wrap it; to change it afterwards use :meth:`replace`.

    Parameters
    ----------
    figure : plotly Figure
    lang : {"zh", "en"}

    Examples
    --------
    >>> chart = SlimFigure(plots.gap_over_time(rows, lang="zh"))  # doctest: +SKIP
    >>> chart.replace(plots.gap_over_time(other, lang="zh"))      # doctest: +SKIP
    """

    _esm = Path(__file__).parent / "static" / "figure.js"
    _bundle = traitlets.Unicode("").tag(sync=True)

    def __init__(self, figure: go.Figure | None = None, *, lang: str = "zh") -> None:
        super().__init__(figure)
        self._bundle = os.environ.get("BALANCE_PLOTLY", "")
        self._config = config(lang)
        self.on_msg(_answer)
        sync(self)

    def replace(self, figure: go.Figure) -> None:
        """Show another figure in the same place."""
        widget: Any = self
        shown = list(widget.data)
        with self.batch_update():
            if [trace.type for trace in shown] != [trace.type for trace in figure.data]:
                widget.data = ()
                self.add_traces(list(figure.data))
            else:
                for mine, new in zip(shown, figure.data, strict=True):
                    mine.update({k: v for k, v in new.to_plotly_json().items() if k != "uid"}, overwrite=True)
            self.layout.update(figure.layout.to_plotly_json(), overwrite=True)
        sync(self)


def sync(widget: go.FigureWidget) -> None:
    """Make a page that connects later see the figure as it is now.

    In Voila every cell has run before the browser connects; it is given the state of construction, and changes made
    in between would be lost (voila issue 1533). Call this after the last change.
    """
    widget._widget_layout = deepcopy(widget._layout_obj._props)
    widget._widget_data = deepcopy(widget._data)


def _answer(widget: Any, content: Any, _buffers: Any) -> None:
    """Send plotly's bundle to a page our server does not serve."""
    if isinstance(content, dict) and content.get("kind") == "bundle":
        bundle = resources.files("plotly").joinpath("package_data/widgetbundle.js").read_bytes()
        widget.send({"kind": "bundle"}, buffers=[bundle])
