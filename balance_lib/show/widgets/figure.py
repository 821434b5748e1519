"""Show plotly figures that load plotly once, keep to themselves, speak Chinese and never show stale data."""

from __future__ import annotations

import os
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import traitlets

from balance_lib.show.plots.base import config, harmless


class SlimFigure(go.FigureWidget):
    """Show a figure whose 5 MB of plotly are loaded once a page instead of once a figure.

    Build the figure completely, then wrap it; to change it afterwards use :meth:`replace`.

    Examples
    --------
    >>> chart = SlimFigure(plots.gap_over_time(rows, lang="zh"))  # doctest: +SKIP
    >>> chart.replace(plots.gap_over_time(other, lang="zh"))      # doctest: +SKIP
    """

    _esm = Path(__file__).parent / "static" / "figure.js"
    _bundle = traitlets.Unicode("").tag(sync=True)

    def __init__(self, figure: go.Figure | None = None, *, lang: str = "zh") -> None:
        super().__init__(_harmless(figure))
        self._bundle = os.environ.get("BALANCE_PLOTLY", "")
        self._config = config(lang)
        self.on_msg(_answer)
        sync(self)

    def replace(self, figure: go.Figure) -> None:
        """Show another figure in the same place."""
        widget: Any = self
        figure = _harmless(figure)
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


def _harmless(figure: go.Figure | None) -> Any:
    """Return a figure none of whose labels is a link."""
    if figure is None:
        return None
    return go.Figure(harmless({"data": [trace.to_plotly_json() for trace in figure.data],
                               "layout": figure.layout.to_plotly_json()}))  # fmt: skip


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
