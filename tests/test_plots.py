"""Figures from result tables: every number drawn is one that was handed in, and colour is never alone."""

from __future__ import annotations

import itertools
import json
import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from balance_lib import palette
from balance_lib.show import plots
from balance_lib.show.plots import province, trends, workplan
from balance_lib.show.plots.base import _lay_out_panels, blank, status_of

LABELS = {"books": "图书", "area": "面积", "rooms": "教室", "unknown": "没有数据的指标"}


def history() -> pd.DataFrame:
    rows = [
        (2013, "A", 4.0, 4.2, -0.2, "not_met"),
        (2012, "A", math.nan, 4.2, math.nan, "no_data"),
        (2014, "A", 4.2, 4.2, 0.0, "met"),
    ]
    return pd.DataFrame(rows, columns=["year", "code", "value", "threshold", "gap", "status"])


def coefficients() -> pd.DataFrame:
    rows = [("area", 0.55, 0.5, False, 0), ("books", 0.3, 0.5, True, 0), ("rooms", math.nan, 0.5, None, 2)]
    return pd.DataFrame(rows, columns=["indicator", "cv", "limit", "met", "n_missing"])


def every_figure(lang: str) -> list[Any]:
    years = pd.DataFrame([(y, i, 0.3 + 0.1 * k, 0.5) for y in (2012, 2013) for k, i in enumerate(("books", "area"))])
    years.columns = ["year", "indicator", "cv", "limit"]
    parts = pd.DataFrame({"school_id": ["S1", "S2"], "contribution": [0.25, 0.75]})
    return [
        plots.gap_over_time(history(), label="教师", unit="人", deadline=date(2014, 12, 31), lang=lang),
        plots.coefficient_bars(coefficients(), labels=LABELS, lang=lang),
        plots.coefficient_over_years(years, labels=LABELS, lang=lang),
        plots.contribution_bars(parts, lang=lang),
    ]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_figure_is_plain_json_in_a_chinese_font_and_asks_nobody(lang: str) -> None:
    for figure in every_figure(lang):
        text = figure.to_json()
        assert "http" not in text
        assert figure.layout.font.family == palette.FONT
        assert len(text) < 12_000  # no default template is carried along
        json.loads(text)


def empty_figures(lang: str) -> list[Any]:
    no_years = pd.DataFrame(columns=["year", "indicator", "cv", "limit"])
    unknown = history().assign(value=math.nan)
    unknown_years = pd.DataFrame({"year": [2020], "indicator": ["books"], "cv": [math.nan], "limit": [0.5]})
    frontier = pd.DataFrame(columns=["schools", "extra_pupil_km", "proven"])
    spread = pd.DataFrame({"year": [2020], "low": [math.nan], "middle": [math.nan], "high": [math.nan]})
    counted = pd.DataFrame(columns=["year", "stage", "pupils", "low", "high"])
    panel = trends.Panel("甲", unknown.assign(low=math.nan, high=math.nan, projected=False), "no_data", "无数据")
    return [
        plots.gap_over_time(history().iloc[:0], deadline=date(2024, 12, 31), lang=lang),
        plots.gap_over_time(unknown, lang=lang),
        plots.contribution_bars(pd.DataFrame({"school_id": [], "contribution": []}), lang=lang),
        plots.coefficient_bars(coefficients().iloc[:0], labels=LABELS, lang=lang),
        plots.coefficient_over_years(no_years, labels=LABELS, lang=lang),
        plots.coefficient_over_years(unknown_years, labels=LABELS, lang=lang),
        plots.frontier(frontier, lang=lang),
        province.coefficient_spread(spread, label="图书", lang=lang),
        province._expected_years({}, {}, ["2024"], lang),
        trends._multiples([], lang=lang),
        trends._outlook(panel, lang=lang),
        trends._enrolment(counted, counted, base=2020, lang=lang),
        workplan.progress(pd.DataFrame(columns=["day", "planned_share", "actual_share"]), date(2024, 1, 1), lang=lang),
    ]  # fmt: skip


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_empty_figure_says_why_instead_of_drawing_axes(lang: str) -> None:
    for figure in empty_figures(lang):
        assert not figure.data and not figure.layout.shapes, figure
        assert figure.layout.xaxis.visible is False and figure.layout.yaxis.visible is False
        [note] = figure.layout.annotations
        assert len(note.text) > 8 and max(map(len, note.text.split("<br>"))) <= 60


def ranges() -> list[tuple[list[float], list[float], list[float], list[float]]]:
    """Return values, lines and bands: growing, flat, nought, negative, with a band far wider than they."""
    return [
        ([3.0, 5.0, 8.0], [6.0] * 3, [3.0, 4.0, 5.0], [3.0, 7.0, 11.0]), ([7.0] * 3, [7.0] * 3, [7.0] * 3, [7.0] * 3),
        ([0.0] * 3, [0.0] * 3, [0.0] * 3, [0.0] * 3), ([-4.0, -2.0, 1.0], [0.0] * 3, [-9.0] * 3, [6.0] * 3),
        ([90.0, 91.0, 92.0], [95.0] * 3, [10.0] * 3, [400.0] * 3),
        ([1e-4, 2e-4, 2e-4], [1e-4] * 3, [0.0] * 3, [1e-3] * 3),
    ]  # fmt: skip


@pytest.mark.parametrize(("values", "line", "low", "high"), ranges())
def test_whatever_is_drawn_lies_on_the_axis(values: Any, line: Any, low: Any, high: Any) -> None:
    rows = pd.DataFrame({"year": [2020, 2021, 2022], "value": values, "threshold": line, "low": low, "high": high,
                         "gap": 0.0, "status": "met", "projected": [False, False, True]})  # fmt: skip
    panel = trends.Panel("甲", rows, "met", "达标", deadline=date(2023, 12, 31))
    figures = [plots.gap_over_time(rows), trends._outlook(panel), trends._multiples([panel, panel])]
    for figure in figures:
        for trace in figure.data:
            bottom, top = figure.layout[f"yaxis{(trace.yaxis or 'y')[1:]}"].range
            drawn = [y for y in trace.y if y == y]
            assert bottom < min(drawn) and max(drawn) < top
        if len(set(values + line)) == 1 and figure is figures[0]:
            assert (values[0] - bottom) / (top - bottom) == pytest.approx(0.5)  # a flat line stands in the middle


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_legend_reads_without_colour(lang: str) -> None:
    counted = pd.DataFrame({"year": [2020, 2020], "stage": ["primary", "junior"], "pupils": [10.0, 5.0]})
    ahead = pd.concat([counted.assign(year=year, low=1.0, high=20.0) for year in range(2020, 2037)])
    figures = [*every_figure(lang), trends._enrolment(counted, ahead, base=2020, lang=lang)]
    years = figures[-1].layout.xaxis
    assert (years.range[1] - years.range[0]) / years.dtick < 6  # upright years cannot be read on a phone
    for figure in figures:
        named = [trace for trace in figure.data if trace.name and trace.showlegend is not False]
        looks = [
            (trace.type, trace.mode, trace.line.dash, str(trace.marker.symbol), trace.fillpattern.shape, trace.fill)
            if trace.type == "scatter" else (trace.type, trace.marker.pattern.shape)
            for trace in named
        ]  # fmt: skip
        assert len(set(looks)) == len(looks), [trace.name for trace in named]


def test_numbers_are_written_one_way() -> None:
    for figure in every_figure("zh"):
        text = figure.to_json()
        assert "~g" not in text
        for axis in [*figure.select_xaxes(), *figure.select_yaxes()]:
            assert axis.visible is False or (axis.exponentformat == "none" and axis.separatethousands is True)


def test_panels_have_places_for_every_width() -> None:
    rows = pd.DataFrame({"year": [2020, 2021], "value": [1.0, 2.0], "threshold": 3.0, "low": math.nan, "high": math.nan,
                         "gap": 0.0, "status": "met", "projected": False})  # fmt: skip
    title = "小学生均教学及辅助用房面积达到规定标准的学校比例（百分之一百以上者）"
    figure = trends._multiples([trends.Panel(title, rows, "met", "达标")] * 7)
    for columns, places in figure.layout.meta["columns"].items():
        boxes = [(*places[f"xaxis{n}.domain"], *places[f"yaxis{n}.domain"]) for n in ["", *range(2, 8)]]
        assert len({box[0] for box in boxes}) == int(columns)
        for (a0, a1, b0, b1), (c0, c1, d0, d1) in itertools.combinations(boxes, 2):
            assert a1 <= c0 or c1 <= a0 or b1 <= d0 or d1 <= b0
        moved = figure.update_layout({k: v for k, v in places.items() if "[" not in k})
        assert moved.layout.height == places["height"]
    # The title fits the narrowest panel: 13 pixels a Chinese character, 300 the panel.
    assert all(13 * len(note.text.removeprefix("<b>").removesuffix("</b>")) <= 300
               for note in figure.layout.annotations if note.text.startswith("<b>"))  # fmt: skip


def test_gap_breaks_where_there_is_no_data_and_says_so() -> None:
    figure = plots.gap_over_time(history(), lang="zh")
    line, values = figure.data
    assert list(values.x) == [2012, 2013, 2014]
    assert np.isnan(values.y[0])
    assert values.connectgaps is False
    assert list(values.text) == ["", "✗ 4", "✓ 4.2"]
    assert list(line.y) == [4.2, 4.2, 4.2]
    assert [(note.x, note.text) for note in figure.layout.annotations] == [(2012, "无数据")]


@pytest.mark.parametrize(
    ("deadline", "year"),
    [(date(2017, 12, 31), 2017), (date(2018, 8, 31), 2017), (date(2018, 9, 1), 2018), (date(2018, 1, 1), 2017)],
)
def test_deadline_stands_at_the_school_year_that_is_judged_after_it(deadline: date, year: int) -> None:
    figure = plots.gap_over_time(history(), deadline=deadline)
    assert figure.layout.shapes[0].x0 == year
    assert figure.layout.xaxis.range[1] > year


def test_values_near_zero_are_drawn_from_zero() -> None:
    rows = history().assign(value=[0.5, 1.0, 2.0])
    assert -0.2 < plots.gap_over_time(rows).layout.yaxis.range[0] <= 0
    assert plots.gap_over_time(history().assign(value=[8.0, 7.0, 9.0], threshold=8.0)).layout.yaxis.range[0] > 4
    flat = history().assign(value=[1.0, 1.0, 1.0], threshold=1.0)
    low, high = plots.gap_over_time(flat).layout.yaxis.range
    assert (low + high) / 2 == pytest.approx(1.0)


def test_coefficient_without_a_limit_is_not_judged() -> None:
    rows = coefficients().assign(limit=math.nan, met=None)
    figure = plots.coefficient_bars(rows, labels=LABELS)
    assert set(figure.data[0].marker.color) == {palette.LAMPS["not_applicable"].fill}
    assert [note.text for note in figure.layout.annotations][:2] == ["0.300", "0.550"]


def test_lines_differ_in_more_than_colour() -> None:
    labels = {f"i{n}": f"指标{n}" for n in range(12)}
    rows = pd.DataFrame([(2012, i, 0.3, math.nan) for i in labels], columns=["year", "indicator", "cv", "limit"])
    drawn = plots.coefficient_over_years(rows, labels=labels).data
    looks = {(line.line.color, line.line.dash, line.marker.symbol) for line in drawn}
    assert len(looks) == 12


@pytest.mark.parametrize("panels", range(1, 9))
def test_panels_do_not_overlap(panels: int) -> None:
    layout = _lay_out_panels(blank("", "zh", height=400), panels, 2).layout
    names = ["", *map(str, range(2, panels + 1))]
    boxes = [(*layout[f"xaxis{n}"].domain, *layout[f"yaxis{n}"].domain) for n in names]
    assert all(0 <= edge <= 1 for box in boxes for edge in box)
    for (a0, a1, b0, b1), (c0, c1, d0, d1) in itertools.combinations(boxes, 2):
        assert a1 <= c0 or c1 <= a0 or b1 <= d0 or d1 <= b0


def test_coefficients_carry_limit_word_and_pattern() -> None:
    figure = plots.coefficient_bars(coefficients(), labels=LABELS, lang="zh")
    bars, limits = figure.data
    assert list(bars.y) == ["图书", "面积", "教室"]  # in the order of the labels
    assert list(limits.x) == [0.5, 0.5, 0.5]
    assert list(bars.marker.pattern.shape) == ["", "/", "/"]
    said = [note.text for note in figure.layout.annotations]
    assert said == ["0.300<br>✓ 达标", "0.550<br>✗ 超限", "无数据（缺 2 所）"]


def test_contributions_add_up() -> None:
    shares = [0.4, 0.3, 0.1, 0.1, 0.06, 0.04]
    rows = pd.DataFrame({"school_id": [f"S{i}" for i in range(6)], "contribution": shares})
    figure = plots.contribution_bars(rows.sample(frac=1, random_state=1), top=2, names={"S0": "同名", "S1": "同名"})
    assert list(figure.data[0].x) == pytest.approx([40, 30, 30])
    assert list(figure.layout.yaxis.ticktext) == ["同名", "同名", "其余 4 所学校"]
    names = dict.fromkeys(rows["school_id"], "Halabulake Township Primary School")
    long = plots.contribution_bars(rows, names=names, lang="en")
    assert all(len(line) <= 18 for name in long.layout.yaxis.ticktext for line in name.split("<br>"))  # a phone's room


def test_met_columns_of_any_kind_are_read() -> None:
    for true, false, missing in [(True, False, None), (np.True_, np.False_, math.nan), (1.0, 0.0, pd.NA)]:
        assert [status_of(v) for v in (true, false, missing)] == ["met", "not_met", "no_data"]


# ---- colours -------------------------------------------------------------------------------------------------------


def _linear(colour: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.1."""
    bright = sorted(float(_linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return bright[1] / bright[0]


# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _lab(rgb: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("status", palette.LAMPS)
def test_words_on_lamps_are_readable(status: str) -> None:
    lamp = palette.LAMPS[status]
    assert _contrast(lamp.ink, lamp.tint) >= 4.5
    assert _contrast(lamp.ink, "#ffffff") >= 4.5


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_lamps_differ_for_colour_blind_readers(deficiency: str) -> None:
    matrix = np.array(DEFICIENCIES[deficiency])
    seen = {status: _lab(matrix @ _linear(lamp.fill)) for status, lamp in palette.LAMPS.items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 10, (one, other)  # 2.3 is just noticeable


def test_every_lamp_has_a_mark_of_its_own() -> None:
    marks = [lamp.mark for lamp in palette.LAMPS.values()]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("numbers", [range(18, 22), range(20, 23), range(40, 250)])
def test_numbers_of_schools_are_ticked_once_each(numbers: range) -> None:
    columns = {"extra_pupil_km": 1.0, "worst_m": 1.0, "moved": 1.0, "cost_yuan": 1.0, "not_met": 1.0, "proven": True}
    axis = plots.frontier(pd.DataFrame({"schools": list(numbers), **columns})).layout.xaxis
    assert axis.dtick == int(axis.dtick) >= 1 and len(numbers) / axis.dtick <= 13
