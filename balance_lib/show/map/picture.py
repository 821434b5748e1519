"""Draw the map as it stands as a still SVG picture: what a saved notebook, a repository viewer and a print show."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt

from .geometry import HIDDEN

if TYPE_CHECKING:
    from .widget import SchematicMap

WIDTH, MARGIN, TITLE_PX, LINE_PX = 860, 28, 34, 24
# As in map.js: outlines of symbols around (0, 0), the marks inside, and where dots and links grow.
SHAPES = {
    "circle": "M0,-1A1,1 0 1 1 0,1A1,1 0 1 1 0,-1Z",
    "square": "M-.9,-.9H.9V.9H-.9Z",
    "diamond": "M0,-1.25L1.25,0L0,1.25L-1.25,0Z",
    "triangle": "M0,-.95L.95,.75H-.95Z",
    "hexagon": "M-.55,-.95H.55L1.1,0L.55,.95H-.55L-1.1,0Z",
}
MARKS = {
    "✗": "M-.45,-.45L.45,.45M-.45,.45L.45,-.45",
    "!": "M0,-.55V.15M0,.5V.52",
    "–": "M-.45,0H.45",
    "+": "M-.5,0H.5M0,-.5V.5",
    "→": "M-.55,0H.5M.1,-.4L.5,0L.1,.4",
}
VILLAGE_STEPS = (20, 60, 150, 400)
LINK_STEPS = (10, 30, 80, 160, 300)
LINK_WIDTHS = (1.3, 2.2, 3.3, 4.6, 6.2, 8)
BAR_KM = (0.5, 1, 2, 5, 10, 20, 50, 100)
Floats = npt.NDArray[np.float64]


def svg(chart: SchematicMap, width: int = WIDTH) -> str:
    """Return the map as it stands as an SVG document; no script, no address, every style written out.

    Parameters
    ----------
    chart : SchematicMap
    width : int
        Pixels; the height follows the map's own and its legend.
    """
    return Xml.tostring(_Picture(chart, width).draw(), encoding="unicode")


class _Picture:
    """Hold the picture while it is drawn."""

    def __init__(self, chart: SchematicMap, width: int) -> None:
        self.chart, self.width, self.height = chart, width, min(int(chart.height), width)
        self.index, self.words, self.look = chart.places.index, chart._text, SimpleNamespace(**chart.colours)
        self.plain = {"fill": self.look.surface, "ink": self.look.ink, "mark": "", "mark_ink": self.look.surface}
        self.dot = {"shape": "dot", "fill": self.look.village}
        line = {"stroke": self.look.accent, "stroke_opacity": 0.5, "stroke_width": 0.8}
        self.radius = {"fill": self.look.accent, "fill_opacity": 0.07, **line}
        self._frame(np.asarray(chart.places.xy, dtype=float))
        self.xy = self._pixels(chart.places.xy)
        self.kinds = np.frombuffer(chart._kinds, np.uint8)
        self.top = TITLE_PX if chart.title else 0

    def _frame(self, km: Floats) -> None:
        """Set the scale and the middle so that everything fits."""
        low, high = (km.min(axis=0), km.max(axis=0)) if len(km) else (np.array([-10.0, -10]), np.array([10.0, 10]))
        pad = 0.0 if self.index["outline"] else max(self.chart.radius_km, default=0.0)  # circles lie on the sheet
        low, high = low - pad, high + pad
        room = np.array([self.width, self.height]) - 2 * MARGIN
        self.scale, self.middle = float(min(room / np.maximum(high - low, 0.5))), (low + high) / 2

    def _pixels(self, km: npt.ArrayLike) -> Floats:
        """Turn kilometres east and north into pixels right and down."""
        away = (np.asarray(km, float).reshape(-1, 2) - self.middle) * self.scale * (1, -1)
        return (away + np.array([self.width, self.height]) / 2).round(1)

    def draw(self) -> Xml.Element:
        """Return the whole picture."""
        rows = self._legend_rows()
        tall = self.top + self.height + 8 + LINE_PX * len(rows) + 6
        root = Xml.Element("svg", {
            "xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {self.width} {tall}", "width": str(self.width),
            "height": str(tall), "role": "img", "font-family": self.look.font.replace('"', "'"), "font-size": "13",
        })  # fmt: skip
        _add(root, "title").text = self.chart.title or self.words.get("aria", "")
        _add(root, "rect", width=self.width, height=tall, fill=self.look.surface)
        if self.top:
            self._words(root, 2, self.top / 2 + 5, self.chart.title, size=16, weight=600)
        sheet = _add(root, "svg", y=self.top, width=self.width, height=self.height)
        _add(sheet, "rect", width=self.width, height=self.height, fill="#eef1f3")
        for part in (self._ground, self._circles, self._areas, self._links, self._villages, self._schools,
                     self._names, self._corner):  # fmt: skip
            part(sheet)
        for line, row in enumerate(rows):
            self._legend_row(root, row, self.top + self.height + 20 + LINE_PX * line)
        return root

    # The sheet --------------------------------------------------------------------------------------------------

    def _ground(self, sheet: Xml.Element) -> None:
        outline = self._line(self.index["outline"], close=True)
        if outline:
            _add(sheet, "path", d=outline, fill=self.look.land, stroke="#5f5a4f", stroke_width=2)
        shown = set(self.chart.shown)
        if "townships" in shown:
            towns = "".join(self._line(town["rings"], close=True) for town in self.index["townships"])
            _add(sheet, "path", d=towns, fill="none", stroke="#c9c3b5")
        if "rivers" in shown and self.index["rivers"]:
            _add(sheet, "path", d=self._line(self.index["rivers"]), fill="none", stroke=self.look.water,
                 stroke_width=2)  # fmt: skip
        if "roads" in shown:
            for kind, (start, count) in self.index["roads"].items():
                ends = self.xy[start : start + 2 * count].reshape(-1, 4)
                way = "".join(f"M{a:g},{b:g}L{c:g},{d:g}" for a, b, c, d in ends)
                dash = {"stroke_dasharray": "2 3"} if kind == "path" else {}
                _add(sheet, "path", d=way, fill="none", stroke=self.look.road, **dash)

    def _circles(self, sheet: Xml.Element) -> None:
        chosen = np.frombuffer(self.chart._circles, np.uint8)
        at = self._school_points()
        for km in self.chart.radius_km:
            for i in np.flatnonzero(self.kinds != HIDDEN):
                if not len(chosen) or chosen[i]:
                    _add(sheet, "circle", cx=f"{at[i, 0]:g}", cy=f"{at[i, 1]:g}", r=f"{km * self.scale:.1f}",
                         **self.radius)  # fmt: skip

    def _areas(self, sheet: Xml.Element) -> None:
        km = np.frombuffer(self.chart._areas, np.float32).reshape(-1, 2).astype(float)
        at = self._pixels(km)
        for name, rings in self.chart._area_parts:
            mine = name == self.chart.selected
            drawn = "".join(_path(at[start : start + count], close=True) for start, count in rings)
            _add(sheet, "path", d=drawn, stroke=self.look.catchment, fill=self.look.catchment, fill_rule="evenodd",
                 fill_opacity=0.16 if mine else 0, stroke_dasharray="4 3", stroke_opacity=0.6)  # fmt: skip

    def _links(self, sheet: Xml.Element) -> None:
        pairs = np.frombuffer(self.chart._links, np.uint32).reshape(-1, 2)
        codes = np.frombuffer(self.chart._link_classes, np.uint8)
        pupils = np.frombuffer(self.chart._link_pupils, np.float32)
        starts = np.vstack([self._village_points(), self._school_points()])
        ends, plain = self._school_points(), {"ink": self.look.ink, "dashed": False}
        for n, (start, end) in enumerate(pairs):
            look = self.chart.link_legend[codes[n]] if self.chart.link_legend else plain
            width = LINK_WIDTHS[sum(pupils[n] >= step for step in LINK_STEPS)] if len(pupils) else 1.1
            dash = {"stroke_dasharray": "6 4"} if look["dashed"] else {}
            _add(sheet, "path", d=_path(np.vstack([starts[start], ends[end]])), stroke=look["ink"], fill="none",
                 stroke_width=width, stroke_opacity=0.75, **dash)  # fmt: skip

    def _villages(self, sheet: Xml.Element) -> None:
        if "villages" not in self.chart.shown:
            return
        pupils, legend = np.frombuffer(self.chart._dots, np.float32), self.chart.village_legend
        codes = np.frombuffer(self.chart._village_classes, np.uint8)
        for i, (x, y) in enumerate(self._village_points()):
            step = sum(pupils[i] >= s for s in VILLAGE_STEPS) if len(pupils) and np.isfinite(pupils[i]) else 0
            look = legend[codes[i]] if len(codes) and legend else self.dot
            self._dot(sheet, x, y, look, 1.2 + 0.65 * step + (look["shape"] != "dot"), pale=not legend)

    def _schools(self, sheet: Xml.Element) -> None:
        pupils = np.frombuffer(self.chart._pupils, np.float32)
        part = np.nan_to_num(pupils) / self.index.get("most_pupils", 2000)
        sizes = self.chart.symbol_scale * (5.2 + 4.8 * np.minimum(1, np.sqrt(part)))
        codes = np.frombuffer(self.chart._classes, np.uint8)
        at, legend = self._school_points(), self.chart.legend
        for i in sorted(np.flatnonzero(self.kinds != HIDDEN), key=lambda i: -sizes[i]):
            look = legend[min(codes[i], len(legend) - 1)]
            shape = self.index["kinds"][self.kinds[i]]["shape"]
            self._symbol(sheet, at[i, 0], at[i, 1], shape, look, sizes[i], self.chart.places.schools[i])

    def _names(self, sheet: Xml.Element) -> None:
        """Name the townships, largest first come first; one that would lie over another is left out."""
        if "labels" not in self.chart.shown:
            return
        taken: list[tuple[float, float, float]] = []
        for town in self.index["townships"]:
            if not town.get("at"):
                continue
            x, y = self._pixels([town["at"]])[0]
            half = _width(town["name"], 13) / 2
            if all(abs(y - other_y) > 16 or abs(x - other_x) > half + other for other_x, other_y, other in taken):
                taken.append((x, y, half))
                self._words(sheet, x, y, town["name"], anchor="middle", weight=600, ink="#4a4638", halo=True)

    def _corner(self, sheet: Xml.Element) -> None:
        """Say that the map is schematic, and give the scale."""
        said = self.words["schematic"] + (f" · {self.words['synthetic']}" if self.chart.synthetic else "")
        _add(sheet, "rect", x=8, y=8, width=_width(said, 13) + 16, height=24, rx=4, fill=self.look.surface,
             stroke=self.look.rule)  # fmt: skip
        self._words(sheet, 16, 25, said, weight=600)
        km = next((k for k in BAR_KM if k * self.scale >= 60), BAR_KM[-1])
        long, y = km * self.scale, self.height - 16
        _add(sheet, "rect", x=8, y=y - 14, width=long + 62, height=24, rx=4, fill=self.look.surface,
             fill_opacity=0.88)  # fmt: skip
        _add(sheet, "path", d=f"M16,{y - 6}v6h{long:.1f}v-6", fill="none", stroke=self.look.ink, stroke_width=2)
        self._words(sheet, 22 + long, y + 2, f"{km:g} {self.words['km']}")

    # The legend -------------------------------------------------------------------------------------------------

    def _legend_rows(self) -> list[list[tuple[str, Any, str]]]:
        """Return the legend line by line: a kind of sample, what it shows, and the words beside it."""
        groups = [self._classes_told(), self._kinds_told(), self._villages_told(), self._links_told()]
        rows: list[list[tuple[str, Any, str]]] = []
        for title, entries in groups:
            if not entries:
                continue
            row, used = [("head", None, title)], _width(title, 13) + 14
            for entry in entries:
                wide = 24 + _width(entry[2], 13) + 14
                if used + wide > self.width and len(row) > 1:
                    rows.append(row)
                    row, used = [], 14.0
                row.append(entry)
                used += wide
            rows.append(row)
        if missing := self.index.get("unplaced"):
            rows.append([("head", None, self.words["unplaced"].replace("{n}", str(missing)))])
        return rows

    def _classes_told(self) -> tuple[str, list[tuple[str, Any, str]]]:
        codes = np.frombuffer(self.chart._classes, np.uint8)[self.kinds != HIDDEN]
        counts = np.bincount(np.minimum(codes, len(self.chart.legend) - 1), minlength=len(self.chart.legend))
        told = [("school", ("circle", look), f"{look['label']} {n}")
                for look, n in zip(self.chart.legend, counts, strict=True) if n or look["always"]]  # fmt: skip
        return self.chart.value_label or self.words["classes"], told

    def _kinds_told(self) -> tuple[str, list[tuple[str, Any, str]]]:
        there = [self.index["kinds"][code] for code in np.unique(self.kinds[self.kinds != HIDDEN])]
        groups = {kind["group"]: kind["shape"] for kind in there if kind["group"]}
        told: list[tuple[str, Any, str]] = [("school", (shape, self.plain), name) for name, shape in groups.items()]
        told += [("radius", None, self.words["radius"].replace("{n}", f"{km:g}")) for km in self.chart.radius_km]
        return self.words["kinds"] if any(kind["group"] for kind in self.index["kinds"]) else "", told

    def _villages_told(self) -> tuple[str, list[tuple[str, Any, str]]]:
        legend = self.chart.village_legend
        if "villages" not in self.chart.shown or not self.chart.places.villages:
            return "", []
        if not legend:
            return self.words["layer_villages"], [("village", self.dot, self.words["village_dot"])]
        counts = np.bincount(np.frombuffer(self.chart._village_classes, np.uint8), minlength=len(legend))
        head = " · ".join(filter(None, [self.words["layer_villages"], self.chart.village_label]))
        told = [("village", look, f"{look['label']} {n}") for look, n in zip(legend, counts, strict=True) if n]
        return head, told

    def _links_told(self) -> tuple[str, list[tuple[str, Any, str]]]:
        legend, codes = self.chart.link_legend, np.frombuffer(self.chart._link_classes, np.uint8)
        counts = np.bincount(codes, minlength=len(legend))[: len(legend)]
        told = [("link", look, f"{look['label']} {n}") for look, n in zip(legend, counts, strict=True) if n]
        return self.chart.link_label or self.words["links"], told

    def _legend_row(self, root: Xml.Element, row: Sequence[tuple[str, Any, str]], y: float) -> None:
        x = 2.0 if row and row[0][0] == "head" else 14.0
        for sample, look, said in row:
            if sample == "head":
                self._words(root, x, y + 4, said, weight=600)
                x += _width(said, 13) + 14
                continue
            if sample == "school":
                self._symbol(root, x + 9, y, look[0], look[1], 6)
            elif sample == "village":
                self._dot(root, x + 9, y, look, 4.5)
            elif sample == "link":
                dash = {"stroke_dasharray": "5 3"} if look["dashed"] else {}
                _add(root, "path", d=f"M{x:g},{y:g}h18", stroke=look["ink"], stroke_width=3, **dash)
            else:
                _add(root, "circle", cx=x + 9, cy=y, r=7, **self.radius)
            self._words(root, x + 24, y + 4, said)
            x += 24 + _width(said, 13) + 14

    # Pieces -----------------------------------------------------------------------------------------------------

    def _school_points(self) -> Floats:
        start = self.index["schools"]["start"]
        return self.xy[start : start + len(self.chart.places.schools)]

    def _village_points(self) -> Floats:
        start = self.index["villages"]["start"]
        return self.xy[start : start + len(self.chart.places.villages)]

    def _line(self, parts: Sequence[Sequence[int]], *, close: bool = False) -> str:
        return "".join(_path(self.xy[start : start + count], close=close) for start, count in parts)

    def _words(
        self, parent: Xml.Element, x: float, y: float, said: str, *, size: int = 13, weight: int = 400,
        anchor: str = "start", ink: str = "", halo: bool = False,
    ) -> None:  # fmt: skip
        around = {"stroke": self.look.surface, "stroke_width": 3.5, "paint_order": "stroke"} if halo else {}
        made = _add(parent, "text", x=f"{x:.1f}", y=f"{y:.1f}", fill=ink or self.look.ink, font_size=size,
                    font_weight=weight, text_anchor=anchor, **around)  # fmt: skip
        made.text = said

    def _symbol(
        self, parent: Xml.Element, x: float, y: float, shape: str, look: Any, size: float, name: str | None = None
    ) -> None:
        group = _add(parent, "g", transform=f"translate({x:g},{y:g})scale({size:.2f})")
        if name:
            group.set("data-id", name)
        dash = {"stroke_dasharray": f"{2.2 / size:.2f} {1.6 / size:.2f}"} if look["mark"] == "?" else {}
        for width, colour in ((4.0, self.look.surface), (1.4, look["ink"])):
            fill = look["fill"] if width < 2 else self.look.surface
            extra = dash if width < 2 else {}
            _add(group, "path", d=SHAPES[shape], fill=fill, stroke=colour, stroke_width=f"{width / size:.3f}", **extra)
        if look["mark"] in MARKS:
            _add(group, "path", d=MARKS[look["mark"]], fill="none", stroke=look.get("mark_ink") or self.look.surface,
                 stroke_width=f"{1.9 / size:.3f}", stroke_linecap="round")  # fmt: skip

    def _dot(self, parent: Xml.Element, x: float, y: float, look: Any, radius: float, *, pale: bool = False) -> None:
        if look["shape"] == "square":
            _add(parent, "rect", x=f"{x - radius:.1f}", y=f"{y - radius:.1f}", width=f"{2 * radius:.1f}",
                 height=f"{2 * radius:.1f}", fill=look["fill"])  # fmt: skip
            return
        extra: dict[str, Any] = {"fill_opacity": 0.55} if pale else {}
        if look["shape"] == "ring":
            extra = {"stroke": look["fill"], "stroke_width": 1.4}
        fill = self.look.surface if look["shape"] == "ring" else look["fill"]
        _add(parent, "circle", cx=f"{x:g}", cy=f"{y:g}", r=f"{radius:.1f}", fill=fill, **extra)


def _add(parent: Xml.Element, name: str, **attributes: Any) -> Xml.Element:
    """Add an element; ``stroke_width`` becomes ``stroke-width``."""
    return Xml.SubElement(parent, name, {key.replace("_", "-"): str(value) for key, value in attributes.items()})


def _width(said: str, size: float) -> float:
    """Return about how wide words are drawn: a Chinese sign is as wide as it is high, a Latin letter half as wide."""
    return size * sum(1.0 if ord(sign) > 0x2E7F else 0.58 for sign in said)


def _path(points: Floats, *, close: bool = False) -> str:
    """Return a line through points; points that fall on the same tenth of a pixel are drawn once."""
    if not len(points):
        return ""
    kept = points[np.r_[True, (np.diff(points, axis=0) != 0).any(axis=1)]]
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in kept) + ("Z" if close else "")
