"""Draw what closing the gaps costs: against planning by hand, by kind, by year, and what it does to coefficients."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from balance_lib import palette
from balance_lib.locale import bracket, text
from balance_lib.planning.remedies import RemedyPlan
from balance_lib.show.plots.base import COEFFICIENT, _add_bars, _add_limits, blank, hatched, nothing

WAN = 1e4
# What is paid once and what is paid every year: by colour, and by hatching.
PAID = {"once": {"color": palette.ACCENT}, "yearly": {"color": palette.SERIES[1], "pattern": hatched()}}
KIND_COLOURS = dict(
    zip(("build", "buy", "hire", "train", "rotate", "fund", "decide", "target"), palette.SERIES, strict=True)
)


def _cost_compared(plan: RemedyPlan, lang: str = "zh") -> go.Figure:
    """Draw a plan's cost beside the proved bound and the cost of planning by hand."""
    found = {"bound": plan.bound_yuan, "plan": plan.cost_yuan, "greedy": plan.greedy_yuan}
    if plan.greedy_yuan == plan.greedy_yuan and plan.budget_yuan == plan.budget_yuan:
        found.pop("greedy")  # a plan within a budget does not do what planning by hand would have done
    shown = {name: yuan / WAN for name, yuan in found.items() if yuan == yuan}
    colours = {"bound": palette.MUTED, "plan": palette.ACCENT, "greedy": palette.SERIES[1]}
    figure = blank(text("remedy.plot.cost_title", lang), lang, height=60 + 44 * max(1, len(shown)) + 40)
    _add_bars(
        figure, list(shown.values()), [text(f"remedy.plot.{name}", lang) for name in shown],
        [f"{value:,.1f}" for value in shown.values()], marker={"color": [colours[name] for name in shown]},
        hovertemplate="%{y}: %{x}<extra></extra>",
    )  # fmt: skip
    most = max(shown.values(), default=1.0) or 1.0
    return figure.update_layout(showlegend=False).update_xaxes(range=[0, 1.18 * most], tickformat=",.0f")


def _plan_by_kind(plan: RemedyPlan, lang: str = "zh") -> go.Figure:
    """Draw what a plan spends on building, buying, hiring, training, rotation and funds, once and every year."""
    rows = plan.lines.groupby("kind")[["once_yuan", "yearly_yuan"]].sum() / WAN
    kinds = [kind for kind in KIND_COLOURS if kind in rows.index and rows.loc[kind].sum() > 0]
    if not kinds:
        return nothing("spending", lang)
    figure = blank(text("remedy.plot.kinds_title", lang), lang, height=110 + 34 * max(1, len(kinds)))
    words = [text(f"remedy.kind.{kind}", lang) for kind in kinds]
    for name, look in PAID.items():
        _add_bars(
            figure, rows.loc[kinds, f"{name}_yuan"].tolist(), words, None, name=text(f"remedy.plot.{name}", lang),
            marker=look, hovertemplate="%{y}: %{x}<extra></extra>",
        )  # fmt: skip
    return figure.update_layout(barmode="stack").update_xaxes(tickformat=",.0f")


def _plan_phases(plan: RemedyPlan, lang: str = "zh") -> go.Figure:
    """Draw what a plan spends each year, once and running, against the year's budget where there is one."""
    rows = plan.phases
    if rows.empty:
        return nothing("spending", lang)
    figure = blank(text("remedy.plot.phases_title", lang), lang, height=300)
    years = [str(int(year)) for year in rows["year"]]
    for name, look in PAID.items():
        figure.add_bar(
            x=years,
            y=rows[f"{name}_yuan"] / WAN,
            name=text(f"remedy.plot.{name}", lang),
            marker=look,
            hovertemplate="%{x}: %{y}<extra></extra>",
        )
    if rows["budget_yuan"].notna().any():
        figure.add_scatter(
            x=years,
            y=rows["budget_yuan"] / WAN,
            mode="markers",
            name=text("remedy.plot.budget", lang),
            marker={"symbol": "line-ew-open", "size": 46, "color": palette.LIMIT, "line": {"width": 3}},
        )
    return figure.update_layout(barmode="stack").update_xaxes(type="category").update_yaxes(tickformat=",.0f")


def _coefficients_before_after(plan: RemedyPlan, lang: str = "zh") -> go.Figure:
    """Draw every coefficient that has a limit, now and after the plan, against the limit."""
    rows = plan.coefficients[plan.coefficients["limit"].notna()].iloc[::-1]
    if rows.empty:
        return nothing("coefficients", lang)
    labels = plan.standard.indicator_labels(lang)
    names = [labels[r.indicator] + bracket(text(f"stage.{r.stage}", lang), lang) for r in rows.itertuples()]
    figure = blank(text("remedy.plot.cv_title", lang), lang, height=110 + 28 * max(1, len(rows)))
    for at, row in enumerate(rows.itertuples()):
        figure.add_shape(
            type="line", x0=row.before, x1=row.after, y0=at, y1=at, line={"color": palette.RULE, "width": 3},
            layer="below",
        )  # fmt: skip
    for name, symbol, colour in (("now", "circle-open", palette.MUTED), ("then", "circle", palette.ACCENT)):
        figure.add_scatter(
            x=rows["before" if name == "now" else "after"],
            y=names,
            mode="markers",
            name=text(f"remedy.plot.{name}", lang),
            marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}},
            hovertemplate="%{y}: %{x}<extra></extra>",
        )
    _add_limits(figure, rows["limit"], names, text("remedy.plot.limit", lang), 18)
    figure.update_xaxes(rangemode="tozero", tickformat=".2f", hoverformat=COEFFICIENT)
    return figure.update_yaxes(type="category")


def _marginal_bars(rows: pd.DataFrame, *, names: Mapping[str, str], lang: str = "zh") -> go.Figure:
    """Draw where the next money closes most.

    ``rows``: rows of ``remedies.marginal``, best first, with a column ``label`` of what is done.
    """
    if rows.empty:
        return nothing("marginal", lang)
    figure = blank(text("remedy.plot.marginal_title", lang), lang, height=100 + 30 * max(1, len(rows)))
    _add_bars(
        figure, rows["closes"], [f"{names.get(r.school_id, r.school_id)} {r.label}" for r in rows.itertuples()],
        [f"{value:.3f}" for value in rows["closes"]], hovertemplate="%{y}: %{x}<extra></extra>",
        marker={"color": [KIND_COLOURS.get(kind, palette.ACCENT) for kind in rows["kind"]]},
    )  # fmt: skip
    most = float(rows["closes"].max())
    return figure.update_layout(showlegend=False).update_xaxes(range=[0, 1.15 * most], hoverformat=COEFFICIENT)
