"""Draw a plotly figure as a still SVG picture: what a saved notebook shows without a script or a network.

The marks our own figures use are drawn (lines, markers, bands, bars, lines across, annotations, legend);
the figure's own height, domains, colours and words are kept. matplotlib draws, which the printed papers need anyway.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from balance_lib import palette

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes

WIDTH_PX = 860
DASHES: Mapping[str, Any] = {"solid": "-", "dash": (0, (5, 3)), "dot": (0, (1, 2)), "dashdot": (0, (5, 2, 1, 2)),
                             "longdash": (0, (8, 3)), "longdashdot": (0, (8, 3, 1, 3)),
                             "8px,3px,2px,3px": (0, (8, 3, 2, 3))}  # fmt: skip
SYMBOLS = {"circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "cross": "P", "x": "X", "star": "*",
           "line-ns-open": "|", "line-ew-open": "_", "line-ew": "_", "line-ns": "|", "circle-open": "o",
           "circle-open-dot": "o", "diamond-open": "D", "square-open": "s"}  # fmt: skip
PLACES = {"top": (0, 7, "center", "bottom"), "bottom": (0, -7, "center", "top"), "middle": (0, 0, "center", "center")}


def _svg(figure: go.Figure, width: int = WIDTH_PX) -> str:
    """Return a figure as an SVG document.

    ``width``: pixels; the height is the figure's own.
    """
    import matplotlib as mpl
    from matplotlib import font_manager
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    there = set(font_manager.get_font_names())
    fonts = [name for name in (each.strip(' "') for each in palette.FONT.split(",")) if name in there]
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "balance", "font.family": [*fonts, "sans-serif"],
             "font.size": 12, "axes.unicode_minus": False}  # fmt: skip
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph this machine lacks is drawn by whoever reads the picture
        height = float(figure.layout.height or 400)
        sheet = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor=palette.SURFACE)
        FigureCanvasSVG(sheet)
        _Sheet(figure, sheet).draw()
        stream = io.StringIO()
        sheet.savefig(stream, format="svg", bbox_inches="tight", pad_inches=0.1, metadata={"Date": None})
    return _lean(stream.getvalue())


def _lean(drawn: str) -> str:
    """Return matplotlib's SVG without what nobody sees, and with the fonts said once: the reader's, not the writer's.

    Examples
    --------
    >>> said = "<text style='x: 1px; font-family: A, sans; fill: red' transform='rotate(-0 5.12 2)'>甲 乙</text>"
    >>> _lean(f"<?xml?><svg>\\n <g id='text_1'>{said}</g></svg>".replace("'", '"')).partition(">")[2]
    '<g><text style="x: 1px; fill: red">甲 乙</text></g></svg>'
    """
    head = '<svg font-family="{}"'.format(palette.FONT.replace('"', "'"))
    for pattern, instead in (
        (r"^.*?<svg|<metadata>.*?</metadata>", lambda found: head if found.group().endswith("<svg") else ""),
        (r'font-family: [^;"]*(; )?|<defs>\s*</defs>|(?<=\d)pt(?=")', ""),  # as wide as it is said, in pixels
        (r' transform="rotate\(-?0 [^"]*"|(?<=<g) id="[^"]*"', ""),
        (r"(?<=>)\s+(?=<)", ""),
        # A tenth of a pixel is enough; a number that is said stays whole.
        (r'(?<= [dxy]=")[^"]*', lambda found: re.sub(r"(?<=\.\d)\d+", "", found.group())),
    ):
        drawn = re.sub(pattern, instead, drawn, flags=re.DOTALL)
    return drawn


class _Sheet:
    """Hold a figure while it is drawn: one pair of axes for each pair the figure has."""

    def __init__(self, figure: Any, sheet: Any) -> None:
        self.figure, self.sheet, self.layout = figure, sheet, figure.layout
        wide, tall = (72 * size for size in sheet.get_size_inches())
        margin = self.layout.margin
        left, right = max(margin.l or 0, 60, self._beside()), max(margin.r or 0, 16)
        top, foot = margin.t or 20, max(margin.b or 0, 36)
        self.frame = (left / wide, foot / tall, (wide - left - right) / wide, (tall - top - foot) / tall)
        self.axes: dict[tuple[str, str], Axes] = {}
        self.places: dict[str, list[Any]] = {}  # what stands along an axis of words, in its order

    def _beside(self) -> float:
        """Return the pixels that words beside the first upright axis need, as plotly's automargin gives them."""
        spec = self.layout.yaxis
        told = [t.y for t in self.figure.data if (t.yaxis or "y") == "y" and t.y is not None]
        words = spec.ticktext if spec.ticktext is not None else [each for values in told for each in values]
        lines = [line for each in words if isinstance(each, str) for line in _plain(each).split("\n")]
        return 14 + max((sum(11.0 if ord(sign) > 0x2E7F else 6.2 for sign in line) for line in lines), default=0.0)

    def draw(self) -> None:
        """Draw everything."""
        for trace in self.figure.data:
            axis = self._axes(trace.xaxis or "x", trace.yaxis or "y")
            (self._bar if trace.type == "bar" else self._scatter)(axis, trace)
        if not self.axes:
            self._axes("x", "y")
        for shape in self.layout.shapes:
            self._shape(shape)
        for (x, y), axis in self.axes.items():
            self._finish(axis, self._axis(x), self._axis(y), x, y)
        for note in self.layout.annotations:
            self._note(note)
        if self.layout.title.text:
            left, foot, _, high = self.frame
            self.sheet.text(left, foot + high + 0.02, _plain(self.layout.title.text), fontsize=15, va="bottom")
        self._legend()

    def _axis(self, name: str) -> Any:
        return self.layout[f"{name[0]}axis{name[1:]}"]

    def _axes(self, x: str, y: str) -> Axes:
        if (x, y) not in self.axes:
            left, foot, wide, high = self.frame
            across, up = self._axis(x).domain or (0, 1), self._axis(y).domain or (0, 1)
            at = (left + across[0] * wide, foot + up[0] * high, (across[1] - across[0]) * wide, (up[1] - up[0]) * high)
            made = self.sheet.add_axes(at)
            made.set_axisbelow(True)
            for side, spine in made.spines.items():
                spine.set_visible(side in ("bottom", "left"))
                spine.set_color(palette.MUTED)
            self.axes[x, y] = made
        return self.axes[x, y]

    def _numbers(self, values: Any, axis: str) -> Any:
        """Return values as positions along an axis: words stand in the order in which they come."""
        given = [] if values is None else list(values)
        if any(isinstance(value, str) for value in given) and self._axis(axis).type != "date":
            order = self.places.setdefault(axis, [])
            order += [value for value in dict.fromkeys(given) if value not in order]
            return np.array([order.index(value) for value in given], float)
        if any(isinstance(value, (str, date, datetime, np.datetime64)) for value in given):
            return np.array(given, "datetime64[s]").astype("datetime64[s]").astype(object)
        return np.array([math.nan if value is None else value for value in given], float)

    # Traces -----------------------------------------------------------------------------------------------------

    def _scatter(self, axis: Axes, trace: Any) -> None:
        x, y = self._numbers(trace.x, trace.xaxis or "x"), self._numbers(trace.y, trace.yaxis or "y")
        mode, line, marker = trace.mode or "lines", trace.line, trace.marker
        name = _plain(trace.name or "") if trace.showlegend is not False and trace.name else "_nolegend_"
        if trace.fill == "toself":
            axis.fill(x, y, color=_colour(trace.fillcolor), linewidth=0, label=name, zorder=1)
            return
        colour = _colour(line.color) or _colour(_first(marker.color)) or palette.ACCENT
        if trace.connectgaps and len(y):
            known = ~np.isnan(y.astype(float))
            x, y = x[known], y[known]
        looks = [_mark(*look) for look in _looks(marker, colour, len(x))] if "markers" in mode else []
        kinds = [look for n, look in enumerate(looks) if look not in looks[:n]]
        if "lines" in mode and (line.width is None or line.width > 0):
            steps = {"hv": "steps-post", "vh": "steps-pre"}.get(line.shape or "", "default")
            joined = kinds.pop() if len(kinds) == 1 else {}  # so that the legend shows line and mark together
            axis.plot(x, y, color=colour, linestyle=DASHES.get(line.dash or "solid", "-"), drawstyle=steps,
                      linewidth=line.width or 2, label=name, zorder=3, **joined)  # fmt: skip
            name = "_nolegend_"
        for kind in kinds:
            mine = [n for n, look in enumerate(looks) if look == kind]
            axis.plot(x[mine], y[mine], linestyle="none", label=name, zorder=4, **kind)
            name = "_nolegend_"
        if "text" in mode and trace.text is not None:
            self._texts(axis, x, y, trace)

    def _texts(self, axis: Axes, x: Any, y: Any, trace: Any) -> None:
        where = _each(trace.textposition or "middle center", len(x))
        words = _each(trace.text, len(x))
        for at_x, at_y, said, place in zip(x, y, words, where, strict=True):
            if said and not (isinstance(at_y, float) and math.isnan(at_y)):
                up, _, side = str(place).partition(" ")
                across, rise, ha, va = PLACES.get(up, PLACES["middle"])
                ha = {"left": "right", "right": "left"}.get(side, ha)
                across += {"left": -7, "right": 7}.get(side, 0)
                axis.annotate(_plain(said), (at_x, at_y), (across, rise), textcoords="offset points", ha=ha, va=va,
                              fontsize=11, annotation_clip=False, zorder=5)  # fmt: skip

    def _bar(self, axis: Axes, trace: Any) -> None:
        flat = trace.orientation == "h"
        x, y = self._numbers(trace.x, trace.xaxis or "x"), self._numbers(trace.y, trace.yaxis or "y")
        along, length = (y, x) if flat else (x, y)
        stacked = self.layout.barmode in ("stack", "relative")
        grouped = (
            [t for t in self.figure.data if t.type == "bar"] if self.layout.barmode in (None, "group") else [trace]
        )
        many = max(1, len(grouped)) if not stacked else 1
        thick = (1 - (self.layout.bargap or 0.2)) / many
        shift = (grouped.index(trace) - (many - 1) / 2) * thick if many > 1 else 0.0
        base = self._base(axis, along, trace) if stacked else self._numbers_or_zero(trace.base, len(length))
        colours = [_colour(c) or palette.ACCENT for c in _each(trace.marker.color, len(length))]
        hatches = _each(trace.marker.pattern.shape or "", len(length))
        name = _plain(trace.name or "") if trace.showlegend is not False and trace.name else "_nolegend_"
        draw: Any = axis.barh if flat else axis.bar
        size = {"height": thick} if flat else {"width": thick}
        start = {"left": base} if flat else {"bottom": base}
        bars = draw(along + shift, np.nan_to_num(length), color=colours, label=name, edgecolor="white", **size, **start)
        for bar, hatch in zip(bars, hatches, strict=True):
            bar.set_hatch("//" if hatch else "")
        for at, value, begin, said in zip(along, length, base, _each(trace.text, len(length)), strict=True):
            if said and not math.isnan(value):
                spot = (begin + value, at + shift) if flat else (at + shift, begin + value)
                away, ha, va = (-5, "right", "top") if value < 0 else (5, "left", "bottom")
                axis.annotate(_plain(said), spot, (away, 0) if flat else (0, away), textcoords="offset points",
                              fontsize=11, ha=ha if flat else "center", va="center" if flat else va,
                              annotation_clip=False)  # fmt: skip

    def _base(self, axis: Axes, along: Any, trace: Any) -> Any:
        sums: dict[float, float] = getattr(axis, "_balance_sums", {})
        lengths = self._numbers(trace.x if trace.orientation == "h" else trace.y, trace.xaxis or "x")
        found = np.array([sums.get(float(at), 0.0) for at in along])
        for at, length in zip(along, lengths, strict=True):
            sums[float(at)] = sums.get(float(at), 0.0) + (0.0 if math.isnan(length) else float(length))
        axis._balance_sums = sums  # type: ignore[attr-defined]
        return found

    @staticmethod
    def _numbers_or_zero(values: Any, n: int) -> Any:
        return np.array([0.0 if v is None else float(v) for v in _each(values, n)])

    # What stands around -----------------------------------------------------------------------------------------

    def _shape(self, shape: Any) -> None:
        style = {"color": _colour(shape.line.color) or palette.MUTED, "linewidth": shape.line.width or 1.5,
                 "linestyle": DASHES.get(shape.line.dash or "solid", "-"), "zorder": 2,
                 "label": shape.name if shape.showlegend else "_nolegend_"}  # fmt: skip
        x, y = (str(ref or name).split(" ")[0] for ref, name in ((shape.xref, "x"), (shape.yref, "y")))
        for (over, up), axis in list(self.axes.items()):
            if (x not in ("paper", over)) or (y not in ("paper", up)) or "paper" == x == y:
                continue
            if shape.type == "line" and ("domain" in str(shape.yref) or y == "paper"):
                axis.axvline(self._numbers([shape.x0], over)[0], ymin=shape.y0, ymax=shape.y1, **style)
            elif shape.type == "line" and ("domain" in str(shape.xref) or x == "paper"):
                axis.axhline(self._numbers([shape.y0], up)[0], xmin=shape.x0, xmax=shape.x1, **style)
            elif shape.type == "line":
                axis.plot(self._numbers([shape.x0, shape.x1], over), self._numbers([shape.y0, shape.y1], up), **style)

    def _note(self, note: Any) -> None:
        if not note.text:
            return
        x, y = str(note.xref or "x"), str(note.yref or "y")
        pair = (x.split(" ")[0] if x != "paper" else None, y.split(" ")[0] if y != "paper" else None)
        axis = next((a for (over, up), a in self.axes.items()
                     if pair[0] in (None, over) and pair[1] in (None, up)), None)  # fmt: skip
        if axis is None:
            return
        across, up = self._spot(axis, x, note.x, 0), self._spot(axis, y, note.y, 1)
        ha = {"left": "left", "right": "right"}.get(note.xanchor or "", "center")
        va = {"top": "top", "bottom": "bottom"}.get(note.yanchor or "", "center")
        box = None
        if note.bgcolor:
            box = {"boxstyle": "square,pad=0.15", "facecolor": _colour(note.bgcolor), "edgecolor": "none"}
        shift = ((note.xshift or 0) / self.sheet.dpi, (note.yshift or 0) / self.sheet.dpi)
        from matplotlib.transforms import ScaledTranslation

        moved = self.sheet.transFigure + ScaledTranslation(*shift, self.sheet.dpi_scale_trans)
        self.sheet.text(across, up, _plain(note.text), ha=ha, va=va, transform=moved, bbox=box,
                        fontsize=0.92 * (note.font.size or 13), color=_colour(note.font.color) or palette.INK,
                        rotation=-(note.textangle or 0),
                        weight="bold" if note.text.startswith("<b>") else "normal")  # fmt: skip

    def _spot(self, axis: Axes, ref: str, value: Any, which: int) -> float:
        """Return where an annotation stands, as a share of the sheet."""
        if ref == "paper":
            return float(self.frame[which] + value * self.frame[2 + which])
        box = axis.get_position()
        if ref.endswith("domain"):
            return float((box.x0, box.y0)[which] + value * (box.width, box.height)[which])
        unit: Any = axis.xaxis if which == 0 else axis.yaxis
        at = self._numbers([value], ref)[0]
        along = unit.convert_units(at)
        point = axis.transData.transform((along, 0) if which == 0 else (0, along))
        return float(self.sheet.transFigure.inverted().transform(point)[which])

    def _finish(self, axis: Axes, across: Any, up: Any, x: str, y: str) -> None:
        axis.tick_params(colors=palette.INK, labelsize=11, length=3)
        for which, spec, name in (("x", across, x), ("y", up, y)):
            line = axis.xaxis if which == "x" else axis.yaxis
            if spec.showgrid is not False:
                line.grid(True, color=palette.RULE, linewidth=0.8)
            self._ticks(line, spec, name)
            low, high = self._limits(axis, which, spec)
            (axis.set_xlim if which == "x" else axis.set_ylim)(low, high)
            if spec.title.text:
                line.set_label_text(_plain(spec.title.text), fontsize=11)
            if spec.visible is False:
                line.set_visible(False)
            words = spec.showticklabels is not False
            axis.tick_params(axis="x" if which == "x" else "y", labelleft=words, labelbottom=words)
            if spec.side in ("top", "right"):
                (axis.xaxis.tick_top if which == "x" else axis.yaxis.tick_right)()
        if across.visible is False and up.visible is False:
            axis.set_frame_on(False)

    def _limits(self, axis: Axes, which: str, spec: Any) -> tuple[Any, Any]:
        low, high = axis.get_xlim() if which == "x" else axis.get_ylim()
        if spec.range is not None and spec.range[0] is not None and spec.type != "date":
            low, high = (float(end) for end in spec.range)
        elif spec.rangemode == "tozero" and spec.type != "date":
            low, high = min(low, 0.0), max(high, 0.0)
        return (max(low, high), min(low, high)) if spec.autorange == "reversed" else (low, high)

    def _ticks(self, line: Any, spec: Any, name: str) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

        if name in self.places:
            line.set_ticks(range(len(self.places[name])), [_plain(word) for word in self.places[name]])
        elif spec.tickvals is not None and spec.ticktext is not None:
            line.set_ticks(list(spec.tickvals), [_plain(str(word)) for word in spec.ticktext])
        elif isinstance(spec.dtick, (int, float)):
            line.set_major_locator(MultipleLocator(spec.dtick, offset=float(spec.tick0 or 0) % spec.dtick))
        elif spec.nticks:
            line.set_major_locator(MaxNLocator(spec.nticks))
        if spec.type != "date" and name not in self.places and spec.ticktext is None:
            suffix = spec.ticksuffix or ""
            whole = "{:.0f}" if spec.tickformat == "d" else "{:,.0f}" if spec.tickformat == ",d" else "{:,.10g}"
            line.set_major_formatter(FuncFormatter(lambda value, _: whole.format(round(value, 6)) + suffix))

    def _legend(self) -> None:
        if self.layout.showlegend is False:
            return
        found = [axis.get_legend_handles_labels() for axis in self.axes.values()]
        named = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
        if len(named) < 2 and not self.layout.showlegend:
            return
        left, foot, wide, high = self.frame
        below = (self.layout.legend.y or 1) < 0
        columns = min(len(named), 3 if below else 4)
        by_rows = [label for first in range(columns) for label in list(named)[first::columns]]  # it fills columns
        self.sheet.legend(
            [named[label] for label in by_rows], by_rows, ncols=columns, fontsize=11, frameon=False,
            loc="upper left" if below else "lower right", handlelength=2.2,
            bbox_to_anchor=(left, foot - 0.12) if below else (left + wide, foot + high),
        )  # fmt: skip


def _plain(said: str) -> str:
    """Return words without markup: a line break stays one."""
    return re.sub(r"<[^>]+>", "", re.sub(r"<br\s*/?>", "\n", str(said))).replace("$", r"\$")


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple, np.ndarray)) and len(value) else value


def _looks(marker: Any, colour: Any, n: int) -> Iterator[tuple[Any, ...]]:
    """Return symbol, fill, edge and size of every mark of a trace."""
    colours = _each(marker.color or colour, n)
    return zip(_each(marker.symbol or "circle", n), colours, _each(marker.line.color or colours, n),
               _each(marker.size or 7, n), strict=True)  # fmt: skip


def _mark(symbol: Any, fill: Any, edge: Any, size: Any) -> dict[str, Any]:
    """Return how matplotlib draws a mark."""
    hollow = "open" in str(symbol) and not str(symbol).startswith("line")
    return {"marker": SYMBOLS.get(str(symbol), "o"), "markersize": 0.74 * float(size or 7), "markeredgewidth": 1.2,
            "markerfacecolor": "none" if hollow else _colour(fill) or palette.ACCENT,
            "markeredgecolor": _colour(edge) or _colour(fill) or palette.ACCENT}  # fmt: skip


def _each(value: Any, n: int) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * n


def _colour(given: Any) -> Any:
    """Return a colour as matplotlib takes it: ``rgba(11, 79, 138, 0.2)`` becomes four numbers."""
    if isinstance(given, str) and given.startswith("rgb"):
        parts = [float(p) for p in re.findall(r"[\d.]+", given)]
        return (*(p / 255 for p in parts[:3]), parts[3] if len(parts) > 3 else 1.0)
    return given if isinstance(given, str) else None
