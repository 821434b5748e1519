"""Draw results as plotly figures: what the results' own ``plot`` methods return; nothing is judged or counted here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from balance_lib import locale, palette
from balance_lib._errors import NotFoundError
from balance_lib.locale import text
from balance_lib.show import plots
from balance_lib.show.desk.places import OPENED, check_stage
from balance_lib.show.plots import trends
from balance_lib.show.plots.base import (
    AXIS,
    _add_bars,
    _add_head,
    _add_line,
    _lay_out_panels,
    _titled,
    axis_of,
    blank,
    status_fills,
    status_of,
)
from balance_lib.show.plots.judged import DASHES
from balance_lib.show.plots.trends import Panel
from balance_lib.show.widgets.names import school_names

if TYPE_CHECKING:
    from balance_lib.evaluation import Evaluation
    from balance_lib.forecast import Projection
    from balance_lib.planning.remedies import RemedyPlan
    from balance_lib.planning.siting import CountyFrontier
    from balance_lib.scenarios import Outcome
    from balance_lib.show.desk.results import Comparison, Coverage, Forecast, History
    from balance_lib.standards import Standard

MOST_BARS, MOST_PANELS = 25, 24
WAYS = ("walk", "ride", "board", "far")


def gaps(found: Evaluation, stage: str | None, lang: str | None) -> go.Figure:
    """Draw items that fall short as their value in percent of their line, the farthest off first.

    Parameters
    ----------
    found, stage, lang
        As those of ``Evaluation.plot_gaps``.
    """
    lang, rows = lang or locale.spoken(), []
    check_stage(stage)
    for result in found.with_status("not_met"):
        line, value = result.threshold, result.value
        if (stage and result.item.stage not in (stage, "", None)) or not (np.isfinite(value) and line):
            continue
        reached = 100 * value / line if result.gap == value - line or value <= line else 100 * line / value
        rows.append(
            (
                f"{result.item.code} {result.item.label(lang)}",
                reached,
                f"{value:,.4g} / {line:,.4g}{locale.unit(result.item.judged_unit or '')[lang]}",
            )
        )
    rows = sorted(rows, key=lambda row: row[1])[:MOST_BARS]
    figure = blank(text("desk.plot.gaps", lang), lang, height=28 * max(len(rows), 2) + 110)
    if not rows:
        figure.add_annotation(
            x=0.5, y=0.5, xref="paper", yref="paper", text=text("desk.plot.all_met", lang), showarrow=False
        )
        return figure.update_xaxes(visible=False).update_yaxes(visible=False)
    names = [name if len(name) <= 34 else f"{name[:33]}…" for name, _, _ in rows]
    _add_bars(
        figure, [reached for _, reached, _ in rows], names, None, showlegend=False,
        marker=status_fills(["not_met"] * len(rows)), customdata=[(name, said) for name, _, said in rows],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(  # beyond the line, which would run through words at the bars' ends
        x=[101] * len(rows), y=names, mode="text", text=[said for _, _, said in rows], textposition="middle right",
        hoverinfo="skip", showlegend=False, cliponaxis=False,
    )  # fmt: skip
    figure.add_vline(x=100, line={"color": palette.LIMIT, "dash": "dash", "width": 2})
    return figure.update_xaxes(range=[0, 140], title=text("desk.plot.reached", lang))


def coefficients(found: Evaluation, stage: str, lang: str | None) -> go.Figure:
    """Draw the difference coefficients of a stage against their limits.

    Parameters
    ----------
    found, stage, lang
        As those of ``Evaluation.plot_coefficients``.
    """
    lang = lang or locale.spoken()
    check_stage(stage)
    return plots.coefficient_bars(
        found.cv[found.cv["stage"] == stage], labels=found.standard.indicator_labels(lang), lang=lang
    )


def contributions(found: Evaluation, indicator: str, stage: str, lang: str | None) -> go.Figure:
    """Draw the schools' shares of the variance behind a coefficient.

    Parameters
    ----------
    found, indicator, stage, lang
        As those of ``Evaluation.plot_contributions``.
    """
    lang = lang or locale.spoken()
    labels = found.standard.indicator_labels(lang)
    if indicator not in labels:
        raise NotFoundError(found.standard.id, indicator, list(labels))
    check_stage(stage)
    rows = found.contributions
    rows = rows[(rows["stage"] == stage) & (rows["indicator"] == indicator)]
    county = OPENED.get(str(found.provenance["county_hash"]))
    figure = plots.contribution_bars(rows, names=school_names(county, lang) if county else None, lang=lang)
    return _titled(figure, f"{labels[indicator]}{locale.bracket(text(f'stage.{stage}', lang), lang)}")


def coefficients_over_years(county: Any, standard: Standard, stage: str, lang: str | None) -> go.Figure:
    """Draw the difference coefficients of a stage over the years.

    Parameters
    ----------
    county, standard, stage, lang
        As those of ``CountyDesk.plot_coefficients``.
    """
    from balance_lib import evaluation

    lang = lang or locale.spoken()
    past = evaluation.history_of_coefficients(county, standard)
    return plots.coefficient_over_years(past[past["stage"] == stage], labels=standard.indicator_labels(lang), lang=lang)


def coverage(found: Sequence[Coverage], lang: str | None) -> go.Figure:
    """Draw the share covered by radius, a line a way of measuring.

    Parameters
    ----------
    found, lang
        As those of ``Coverage.plot``.
    """
    lang = lang or locale.spoken()
    figure = blank(text(f"stage.{found[0].reach.stage}", lang), lang, height=360)
    for at, each in enumerate(found):
        rows = each.curve()
        figure.add_scatter(
            x=rows["radius_m"] / 1000, y=100 * rows["share"], mode="lines", name=text(f"distance.mode.{each.by}", lang),
            line={"color": palette.SERIES[at], "dash": DASHES[at], "width": 2},
            hovertemplate="%{x:g} km: %{y:.1f}%",
        )  # fmt: skip
    figure.add_vline(x=found[0].radius_m / 1000, line={"color": palette.LIMIT, "dash": "dash"})
    figure.update_xaxes(title=text("desk.plot.radius_km", lang))
    return figure.update_yaxes(title=text("desk.plot.share", lang), range=[0, 102], ticksuffix="%")


def history(
    found: History, item: str, *, by: str | None, stage: str, township: str | None, to: int | None, lang: str | None
) -> go.Figure:
    """Draw an item or an indicator over the years.

    Parameters
    ----------
    found, item, by, stage, township, to, lang
        As those of ``History.plot``.
    """
    lang = lang or locale.spoken()
    check_stage(stage)
    if item in found.standard.indicators:
        return _indicator(found, item, by, stage, township, lang)
    if item not in found.standard.by_code:
        raise NotFoundError(found.standard.id, item, [*found.standard.indicators, *found.standard.by_code])
    wanted = found.standard.item(item)
    label, unit = f"{item} {wanted.label(lang)}", locale.unit(wanted.judged_unit or "")[lang].strip()
    if to is not None:
        from balance_lib import forecast
        from balance_lib.show.widgets import outlook

        path = forecast.item_path(found.county, found.standard, item, to=to)
        lamp = outlook.LAMP_OF.get(outlook.state(path), "no_data")
        panel = Panel(label, path.rows, lamp, outlook.word(path).render(lang), wanted.due, unit)
        return trends._outlook(panel, lang=lang)
    return plots.gap_over_time(found.item(item), label=label, unit=unit, deadline=wanted.due, lang=lang)


def _indicator(found: History, name: str, by: str | None, stage: str, township: str | None, lang: str) -> go.Figure:
    spec = found.standard.indicators[name]
    rows = found.schools[(found.schools["indicator"] == name) & (found.schools["stage"] == stage)]
    if township is not None:
        if township not in set(rows["township"]):
            raise NotFoundError("township", township, sorted(set(rows["township"].dropna())))
        rows = rows[rows["township"] == township]
    unit, label = locale.unit(spec.unit)[lang].strip(), spec.label(lang)
    if by is None:
        place = f"{township} · " if township else ""
        return plots.gap_over_time(rows, label=f"{place}{label} · {text(f'stage.{stage}', lang)}", unit=unit, lang=lang)
    if by not in ("township", "school"):
        raise ValueError(f"by={by!r}: township or school")
    return _panels(rows, "township" if by == "township" else "name", f"{label} ({unit})", lang)


def _panels(rows: pd.DataFrame, by: str, title: str, lang: str) -> go.Figure:
    """Draw small multiples: a panel a township or a school, worst of the last year first, against the line."""
    last = rows[rows["year"] == rows["year"].max()]
    short = last.assign(short=[met is not True for met in last["met"]]).groupby(by)["short"].mean()
    names = list(short.sort_values(ascending=False, kind="stable").index)[:MOST_PANELS]
    figure = blank(title, lang, height=170 * max(1, math.ceil(len(names) / 4)) + 70)
    top = float(np.nanmax([rows["value"].max(), rows["threshold"].max()])) * 1.1
    years = [int(rows["year"].min()), int(rows["year"].max())]
    for at, name in enumerate(names):
        _one_panel(figure, rows[rows[by] == name].sort_values("year"), at, str(name), lang)
    across = {"tickformat": "d", "dtick": max(1, (years[1] - years[0]) // 2), "tick0": years[0], "showgrid": False,
              "range": [years[0] - 0.5, years[1] + 0.5], "tickfont": {"size": 11}}  # fmt: skip
    up = {"range": [0, top], "nticks": 4, "tickfont": {"size": 11}}
    return _lay_out_panels(figure, len(names), min(4, max(1, len(names))), x=across, y=up)


def _one_panel(figure: go.Figure, rows: pd.DataFrame, at: int, name: str, lang: str) -> None:
    on = {"xaxis": f"x{axis_of(at)}", "yaxis": f"y{axis_of(at)}"}
    line = rows.groupby("year")["threshold"].first()
    for school, mine in rows.groupby("school_id", sort=False):
        good = status_of(mine["met"].iloc[-1]) == "met"
        figure.add_scatter(
            x=mine["year"].astype(int).tolist(), y=mine["value"], mode="lines+markers",
            marker={"size": 5, "symbol": "circle" if good else "x"},
            line={"color": palette.LAMPS["met" if good else "not_met"].fill, "width": 1.6}, connectgaps=False,
            name=str(mine["name"].iloc[0]) if "name" in mine else str(school),
            hovertemplate="%{fullData.name} %{x}: %{y:,.4~g}<extra></extra>", **on,
        )  # fmt: skip
    _add_line(figure, [int(year) for year in line.index], list(line), text("plot.line", lang), **on)
    _add_head(figure, at, f"<b>{name if len(name) <= 14 else name[:13] + '…'}</b>")


def outcome(found: Outcome, most: int, lang: str | None) -> go.Figure:
    """Draw how pupils get to school before and after, and beside it the villages that lose most.

    Parameters
    ----------
    found, most, lang
        As those of ``Outcome.plot``.
    """
    lang = lang or locale.spoken()
    affected = found.spoken(found.affected, lang)
    affected = affected.assign(km=affected["extra_m"] * affected["pupils"] / 1000)
    affected = affected[affected["km"] > 0].nlargest(most, "km") if len(affected) else affected
    figure = blank(found.scenario.name, lang, height=max(320, 28 * len(affected) + 130))
    sums = found.coverage.groupby("when")[list(WAYS)].sum()
    for when, colour in (("before", palette.RULE), ("after", palette.ACCENT)):
        figure.add_bar(
            x=[text(f"desk.plot.{way}", lang) for way in WAYS], y=[float(sums.loc[when, way]) for way in WAYS],
            name=text(f"desk.plot.{when}", lang), marker={"color": colour},
            text=[f"{sums.loc[when, way]:,.0f}" for way in WAYS],
            textposition="outside", textfont={"size": 12}, cliponaxis=False,
            hovertemplate="%{x}: %{y:,.0f}<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=list(affected["km"]),
        y=[f"{v} ({t})" for v, t in zip(affected["village"], affected["township"], strict=True)],
        mode="markers+text", text=[f"{p:,.0f}" for p in affected["pupils"]], textposition="middle right",
        showlegend=False,
        marker={"color": palette.LAMPS["not_met"].fill, "size": 10, "symbol": "square"}, xaxis="x2", yaxis="y2",
        hovertemplate="%{y}: %{x:,.1f}<extra></extra>", cliponaxis=False,
    )  # fmt: skip
    figure.update_layout(
        xaxis={"domain": [0, 0.43], "showgrid": False},
        yaxis={"title": text("desk.plot.pupils", lang), "rangemode": "tozero"},
        xaxis2={**AXIS, "domain": [0.69, 0.97], "anchor": "y2", "title": text("desk.plot.villages", lang),
                "rangemode": "tozero"},
        yaxis2={**AXIS, "anchor": "x2", "autorange": "reversed"}, bargap=0.15,
    )  # fmt: skip
    return figure


def comparison(found: Comparison, lang: str | None) -> go.Figure:
    """Draw scenarios side by side, a panel a figure.

    Parameters
    ----------
    found, lang
        As those of ``Comparison.plot``.
    """
    lang, table = lang or locale.spoken(), found.table
    wanted = ("moved", "farther", "far", "broken", "cv_over", "not_met", "running_yuan", "building_yuan")
    shown = [name for name in wanted if table[name].notna().any()]  # fmt: skip
    figure = blank(text("desk.plot.compare", lang), lang, height=500)
    _lay_out_panels(figure, len(shown), 4, x={"showticklabels": False, "nticks": 4})
    names = [str(name) if len(str(name)) <= 14 else f"{str(name)[:13]}…" for name in table.index]
    for at, column in enumerate(shown):
        axis = axis_of(at)
        least, most = min(0.0, float(table[column].min())), max(0.0, float(table[column].max()))
        room = [1.7 * least, 1.45 * most] if least < most else [0, 1]  # for the figures that stand outside the bars
        figure.layout[f"xaxis{axis}"].range = room
        figure.layout[f"yaxis{axis}"].showticklabels = at % 4 == 0
        _add_bars(
            figure, [float(value) for value in table[column]], names, [f"{value:,.0f}" for value in table[column]],
            xaxis=f"x{axis}", yaxis=f"y{axis}", hovertemplate="%{y}: %{x:,.0f}<extra></extra>",
            marker={"color": [palette.SERIES[n % len(palette.SERIES)] for n in range(len(table))]},
        )  # fmt: skip
        _add_head(figure, at, f"<b>{text(f'desk.plot.{column}', lang)}</b>")
    return figure.update_layout(barmode="overlay")


def frontier(found: CountyFrontier, measure: str, lang: str | None) -> go.Figure:
    """Draw the frontier of a county.

    Parameters
    ----------
    found, measure, lang
        As those of ``CountyFrontier.plot``.
    """
    return plots.frontier(found.table, measure=measure, lang=lang or locale.spoken())


def remedy(found: RemedyPlan, what: str, lang: str | None) -> go.Figure:
    """Draw a plan of remedies: by kind of action, against its bound, or the coefficients before and after.

    Parameters
    ----------
    found, what, lang
        As those of ``RemedyPlan.plot``.
    """
    from balance_lib.show.plots import remedies

    lang = lang or locale.spoken()
    drawn = {"kinds": remedies._plan_by_kind, "bound": remedies._cost_compared,
             "coefficients": remedies._coefficients_before_after}  # fmt: skip
    if what not in drawn:
        raise ValueError(f"what={what!r}: kinds, bound or coefficients")
    return drawn[what](found, lang)


def forecast(found: Forecast, village: str | None, school: str | None, lang: str | None) -> go.Figure:
    """Draw projected enrolment of a county, a school or a village, with what was counted before.

    Parameters
    ----------
    found, village, school, lang
        As those of ``Forecast.plot``.
    """
    county: Any = found.county
    rows = county.tables["school_years"]
    rows = rows[rows["stage"].isin(list(trends.STAGE_COLOURS))]
    if school is not None:
        school = county.school_id(school)
        rows = rows[rows["school_id"] == school]
    elif village is not None:
        village, going = county.village_id(village), county.tables["attendance"]
        rows = going[going["village_id"] == village]
    counted = rows.groupby(["year", "stage"], as_index=False)["pupils"].sum(min_count=1)
    figure = projection(found.projection, village, school, counted, lang)
    lang = lang or locale.spoken()
    what = "village" if village else "school"
    names = locale.names_by(f"{what}_id", county.tables[f"{what}s"], lang)
    return _titled(figure, str(names.get(village or school, county.name(lang))), top=72)


def projection(
    found: Projection, village: str | None, school: str | None, counted: pd.DataFrame | None, lang: str | None
) -> go.Figure:
    """Draw a projection's pupils by stage.

    Parameters
    ----------
    found, village, school, counted, lang
        As those of ``Projection.plot``.
    """
    rows = found.county
    if school is not None:
        rows = found.schools[found.schools["school_id"] == school]
    elif village is not None:
        mine = found.villages[found.villages["village_id"] == village]
        rows = mine.groupby(["year", "stage"], as_index=False)[["pupils", "low", "high"]].sum()
    if rows.empty:
        raise NotFoundError("school" if school else "village", school or village, [])
    past = pd.DataFrame({"year": [], "stage": [], "pupils": []}) if counted is None else counted
    return trends._enrolment(past, rows, base=found.base, lang=lang or locale.spoken())
