"""Draw result tables as figures for printed papers: matplotlib, no browser, Chinese glyphs, readable without colour."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from balance_lib import palette
from balance_lib.evaluation.figures import figure
from balance_lib.locale import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 160
WIDTH_IN = 6.1  # the text of an official A4 page is 156 mm wide
_SIZE = 9.0
# Fonts with Chinese glyphs in simplified forms first; the others only so that no glyph is missing.
_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC",
    "Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "SimSun", "FangSong", "Noto Serif CJK SC",
    "Noto Sans CJK JP", "Noto Sans CJK TC", "AR PL UMing CN", "Arial Unicode MS",
)  # fmt: skip
_HATCH = {"met": "", "not_met": "////", "open": "...."}


@cache
def fonts() -> tuple[str, ...]:
    """Return the fonts on this machine that have Chinese glyphs, best first; () where there is none."""
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    return tuple(name for name in _FONTS if name in known)


def _coefficient_bars(cv: pd.DataFrame, labels: Mapping[str, str], lang: str = "zh") -> bytes:
    """Draw difference coefficients against their limits, a panel a stage.

    ``cv``: ``Evaluation.cv``: stage, indicator, cv, limit. A coefficient without data is written, not drawn.
    ``labels``: indicator to label; gives the order. Indicators not in it are left out.

    Returns
    -------
    bytes
        PNG.
    """
    stages = [stage for stage in ("primary", "junior") if stage in set(cv["stage"])]
    figure, axes = _panels(len(stages), height=0.34 * len(labels) + 0.9)
    for place, (axis, stage) in enumerate(zip(axes, stages, strict=True)):
        rows = cv[cv["stage"] == stage].set_index("indicator").reindex(list(labels))
        _coefficients(axis, rows, lang)
        _title(axis, text(f"stage.{stage}", lang))
        names = [_wrapped(label) for label in labels.values()]
        axis.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
    return _png(figure)


def _coefficients(axis: Axes, rows: pd.DataFrame, lang: str) -> None:
    heights = list(range(len(rows)))
    values, limits = rows["cv"].astype(float), rows["limit"].astype(float)
    beyond = [bool(v > limit) for v, limit in zip(values, limits, strict=True)]
    colours = [palette.LAMPS["not_met"].fill if bad else palette.ACCENT for bad in beyond]
    bars = axis.barh(heights, values.fillna(0.0), height=0.62, color=colours)
    for bar, bad in zip(bars, beyond, strict=True):
        bar.set_hatch(_HATCH["not_met"] if bad else "")
        bar.set_edgecolor("white")
    for height, value, limit in zip(heights, values, limits, strict=True):
        if math.isnan(value):
            words = text("plot.no_data", lang)
        else:
            words = figure(value, 3, limit, "<=") + (f" {text('plot.beyond', lang)}" if value > limit else "")
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
        axis.text(
            (0.0 if math.isnan(value) else value) + 0.01, height, words, va="center", bbox=box, zorder=5, **_font()
        )
    judged = [height for height, limit in zip(heights, limits, strict=True) if not math.isnan(limit)]
    limit = limits.dropna()
    for height in judged:  # only across the bars that are held against it
        axis.vlines(limits.iloc[height], height - 0.5, height + 0.5, color=palette.LIMIT, linestyle="--", linewidth=1.2)
    if judged:
        words = f"{text('plot.limit', lang)} {limit.iloc[0]:g}"
        style = {"ha": "center", "va": "bottom", "color": palette.LIMIT, **_font()}
        axis.text(limit.iloc[0], judged[0] - 0.55, words, **style)
    top = max([*values.dropna(), *limit, 0.1])
    axis.set_xlim(0, 1.35 * top)
    axis.invert_yaxis()
    axis.set_ylim(len(rows) - 0.4, -0.75)


def _schools_by_indicator(schools: pd.DataFrame, labels: Mapping[str, str], lang: str = "zh") -> bytes:
    """Draw how many schools meet each indicator, fall short or have no data, a panel a stage.

    ``schools``: ``Evaluation.schools``: school_id, stage, indicator, met. ``labels``, ``lang``: as for
    :func:`coefficient_bars`.

    Returns
    -------
    bytes
        PNG.
    """
    stages = [stage for stage in ("primary", "junior") if stage in set(schools["stage"])]
    figure, axes = _panels(len(stages), height=0.34 * len(labels) + 1.0)
    for place, (axis, stage) in enumerate(zip(axes, stages, strict=True)):
        mine = schools[schools["stage"] == stage]
        counts = pd.DataFrame({name: _flags(mine.loc[mine["indicator"] == name, "met"]) for name in labels}).T
        _stacked(axis, counts, lang, legend=place == 0)
        _title(axis, text("plot.schools_of", lang, stage=text(f"stage.{stage}", lang)))
        names = [_wrapped(label) for label in labels.values()]
        axis.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
    return _png(figure)


def _items_by_category(counts: pd.DataFrame, lang: str = "zh") -> bytes:
    """Draw how many items of each category are met, not met and open.

    ``counts``: one row a category (the index is its label): met, not_met, open.

    Returns
    -------
    bytes
        PNG.
    """
    figure, (axis,) = _panels(1, height=0.34 * len(counts) + 0.9)
    _stacked(axis, counts, lang, legend=True)
    axis.set_yticks(range(len(counts)), [_wrapped(str(label)) for label in counts.index])
    return _png(figure)


def _distances(rows: pd.DataFrame, limit_m: float | None, lang: str = "zh") -> bytes:
    """Draw how far pupils come from, before and after: the share of pupils within each distance.

    ``rows``: pupils, metres_before, metres_after: one row a group of pupils. ``limit_m``: walking radius of the plan,
    drawn as an upright line.

    Returns
    -------
    bytes
        PNG.
    """
    figure, (axis,) = _panels(1, height=2.6)
    styles = {"before": (palette.MUTED, "--"), "after": (palette.ACCENT, "-")}
    for column, (colour, style) in styles.items():
        known = rows.dropna(subset=[f"metres_{column}"]).sort_values(f"metres_{column}")
        if len(known) and known["pupils"].sum() > 0:
            share = 100 * known["pupils"].cumsum() / rows["pupils"].sum()
            label = text(f"plot.{column}", lang)
            km = [0, *(known[f"metres_{column}"] / 1000)]
            axis.step(km, [0, *share], where="post", color=colour, linestyle=style, linewidth=1.8, label=label)
    if limit_m is not None:
        axis.axvline(limit_m / 1000, color=palette.LIMIT, linestyle=":", linewidth=1.4)
        axis.text(
            limit_m / 1000,
            101,
            text("plot.km", lang, km=f"{limit_m / 1000:g}"),
            ha="center",
            va="bottom",
            color=palette.LIMIT,
            **_font(),
        )
    axis.set_ylim(0, 100)
    axis.set_xlim(left=0)
    axis.set_xlabel(text("plot.metres_axis", lang), **_font())
    axis.set_ylabel(text("plot.share_axis", lang), **_font())
    _legend(axis, "lower right")
    return _png(figure)


def school_maps(
    panels: Sequence[tuple[str, pd.DataFrame]],
    outline: Mapping[str, Any] | None,
    marks: Sequence[str],
    ways: pd.DataFrame | None,
    lang: str = "zh",
) -> bytes:
    """Draw maps of schools side by side, each school by what becomes of it; forms differ as well as colours.

    Parameters
    ----------
    panels : sequence of (title, DataFrame)
        lon, lat (degrees), mark (a key of ``marks``). A school without a place is not drawn.
    outline : mapping or None
        The county's border as a GeoJSON feature collection.
    marks : sequence of str
        The marks in the order of the legend; those not in :data:`MARKS` are drawn as plain dots.
    ways : DataFrame or None
        lon, lat, to_lon, to_lat (degrees), pupils: who goes where, as lines on the last map.
    lang : {"zh", "en"}

    Returns
    -------
    bytes
        PNG.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    rings = list(_rings(outline))
    every = pd.concat([rows[["lon", "lat"]] for _, rows in panels], ignore_index=True).dropna()
    corners = np.array([*every.to_numpy(), *(point for ring in rings for point in ring)])
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    narrow = math.cos(math.radians((south + north) / 2))
    tall = min(2.0, (north - south) / max((east - west) * narrow, 1e-6))
    figure, axes = _panels(len(panels), height=0.9 + WIDTH_IN / len(panels) * tall)
    drawn: dict[str, Any] = {}
    for axis, (title, rows) in zip(axes, panels, strict=True):
        _title(axis, title)
        for ring in rings:
            axis.plot(*zip(*ring, strict=True), color=palette.MUTED, linewidth=0.9, zorder=1)
        for mark in marks:
            here = rows[(rows["mark"] == mark) & rows["lon"].notna() & rows["lat"].notna()]
            if len(here):
                style = MARKS.get(mark, MARKS[""])
                drawn[mark] = axis.scatter(here["lon"], here["lat"], **style, label=text(f"report.map.{mark}", lang))
        axis.set_aspect(1 / narrow)
        axis.grid(False)
        axis.set(xticks=[], yticks=[])
        axis.spines["bottom"].set_visible(False)
    handles = [drawn[mark] for mark in marks if mark in drawn]
    if ways is not None and len(ways):
        widths = np.clip(np.sqrt(ways["pupils"].to_numpy(float)) / 4, 0.6, 4.0)
        lines = LineCollection(ways[["lon", "lat", "to_lon", "to_lat"]].to_numpy(float).reshape(-1, 2, 2),
                               linewidths=widths, colors=palette.INK, alpha=0.55, zorder=2)  # fmt: skip
        axes[-1].add_collection(lines)
        handles.append(Line2D([], [], color=palette.INK, alpha=0.55, label=text("report.map.ways", lang)))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, columnspacing=1.2,
                  prop={"family": _family(), "size": _SIZE})  # fmt: skip
    return _png(figure)


_DOT = {"marker": "o", "s": 16, "linewidths": 0.5, "edgecolors": "white", "zorder": 3}
MARKS: Mapping[str, Mapping[str, Any]] = {
    "": {**_DOT, "color": palette.ACCENT},
    "point": {**_DOT, "s": 12, "marker": "v", "color": palette.ACCENT},
    "met": {**_DOT, "color": palette.LAMPS["met"].fill},
    "no_data": {**_DOT, "color": "white", "edgecolors": palette.MUTED},
    "not_met": {**_DOT, "s": 26, "marker": "X", "color": palette.LAMPS["not_met"].fill, "zorder": 4},
    "gone": {"marker": "x", "s": 30, "color": palette.LAMPS["not_met"].fill, "linewidths": 1.6, "zorder": 5},
    "changed": {**_DOT, "s": 26, "marker": "D", "color": palette.LAMPS["evidence"].fill, "zorder": 4},
    "opened": {**_DOT, "s": 60, "marker": "*", "color": palette.LAMPS["met"].fill, "zorder": 5},
}


def _rings(outline: Mapping[str, Any] | None) -> Iterator[Sequence[tuple[float, float]]]:
    """Give the rings of a border's polygons."""
    for feature in (outline or {}).get("features", ()):
        shape = feature["geometry"]
        parts = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
        if shape["type"] in ("Polygon", "MultiPolygon"):
            yield from ([(x, y) for x, y, *_ in ring] for part in parts for ring in part)


def _flags(met: pd.Series) -> dict[str, int]:
    return {
        "met": sum(flag is True for flag in met),
        "not_met": sum(flag is False for flag in met),
        "open": sum(flag is None for flag in met),
    }


def _stacked(axis: Axes, counts: pd.DataFrame, lang: str, *, legend: bool) -> None:
    """Stack the counts of a status; each part bears its number, and statuses differ by hatch as well as by colour."""
    from matplotlib.ticker import MaxNLocator

    left = [0.0] * len(counts)
    colours = {"met": palette.LAMPS["met"].fill, "not_met": palette.LAMPS["not_met"].fill, "open": "#c3c9d1"}
    for status, colour in colours.items():
        values = counts[status].astype(float).tolist()
        bars = axis.barh(range(len(values)), values, left=left, height=0.62, color=colour, edgecolor="white",
                         hatch=_HATCH[status])  # fmt: skip
        bars.set_label(text(f"plot.items.{status}", lang))
        for place, value in enumerate(values):
            if value:
                box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
                axis.text(left[place] + value / 2, place, f"{value:.0f}", ha="center", va="center", bbox=box, **_font())
        left = [a + b for a, b in zip(left, values, strict=True)]
    axis.set_xlim(0, max([*left, 1.0]) * 1.02)
    axis.set_ylim(len(counts) - 0.5, -0.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if legend:
        _legend(axis.figure)


def _panels(n: int, *, height: float) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with panels side by side, in the house style."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height), dpi=DPI, layout="constrained")
    axes = figure.subplots(1, max(1, n), squeeze=False)[0]
    for axis in axes:
        axis.tick_params(labelsize=_SIZE, labelfontfamily=_family(), length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.spines["bottom"].set_color(palette.RULE)
        axis.set_axisbelow(True)
        axis.grid(axis="x", color=palette.RULE, linewidth=0.6)
    return figure, list(axes)


def _title(axis: Axes, words: str) -> None:
    axis.set_title(words, loc="left", pad=12, **{**_font(), "size": 10})


def _legend(of: Any, place: str = "outside lower center") -> None:
    style = {"prop": {"family": _family(), "size": _SIZE}, "frameon": False}
    if place.startswith("outside") and not hasattr(of, "subplots"):
        of = of.figure
    of.legend(loc=place, **({**style, "ncols": 3} if place.startswith("outside") else style))


def _family() -> list[str]:
    return [*fonts(), "DejaVu Sans"]


def _font() -> dict[str, Any]:
    return {"family": _family(), "size": _SIZE}


def _wrapped(label: str, most: int = 26) -> str:
    """Break a label into two lines near its middle when it is long; Chinese characters count double."""
    widths = [2 if ord(c) > 0x2E7F else 1 for c in label]
    if sum(widths) <= most:
        return label
    half, taken = sum(widths) / 2, 0
    for place, wide in enumerate(widths):
        taken += wide
        if taken >= half and (ord(label[place]) > 0x2E7F or label[place] == " "):
            return label[: place + 1].rstrip() + "\n" + label[place + 1 :].lstrip()
    return label


def _png(figure: Figure) -> bytes:
    """Return the figure as PNG bytes that do not depend on the day or the version of the library."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
