"""Write the leader's brief as one file that needs no network: verdict, gaps, map, coefficients, scenarios, sliders.

What it says is the finding of the evaluation and the text of the overview; nothing is judged here. The sliders are
answered in the file by ``tick.js``, the same script that answers them on the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from balance_lib import locale, palette, scenarios
from balance_lib.evaluation import number
from balance_lib.evaluation.figures import figure
from balance_lib.scenarios import Outcome, Scenario
from balance_lib.scenarios.board import Board
from balance_lib.scenarios.packed import pack, plain_arrays
from balance_lib.show.map import looks as map_looks
from balance_lib.show.widgets import first_screen, live, trial_views, views
from balance_lib.show.widgets.county_map import CountyMap
from balance_lib.show.widgets.markup import render
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.outlook import Outlook
from balance_lib.standards import STAGES

STATIC = Path(__file__).parent / "static"
MOST_CURVES = 12
PROOF_S = 2.0
# The traits of the map a file holds; what people do to it stays in their own copy.
_BYTES = re.compile(r"^_(geometry|kinds|pupils|dots|classes|values|circles|village_classes|village_values|areas|links|"
                    r"link_classes|link_pupils)$")  # fmt: skip


@dataclass(frozen=True)
class _Curve:
    """Hold an item over the years as a small picture: polylines in a box of 0–100 by 0–40, and what the box spans.

    ``told`` is the item's finding, ``known`` its recorded years, ``ahead`` the forecast, ``band`` its 80 % around it,
    ``line`` the height of the required value.
    """

    label: str
    told: str
    known: str
    ahead: str
    band: str
    line: float | None
    first: int
    last: int
    lowest: str
    highest: str


@dataclass(frozen=True)
class _CoefficientBar:
    """Hold one difference coefficient against its limit, ready to be drawn; shares are lengths in percent."""

    stage: str
    label: str
    value: str
    limit: str
    share: float
    limit_share: float
    status: str


def write(model: PageModel, plans: Sequence[Scenario] = (), *, made_on: date | None = None) -> str:
    """Return the brief as one HTML document.

    Parameters
    ----------
    model : PageModel
        County, year, standard and language.
    plans : sequence of Scenario, optional
        Scenarios to compare; the sliders lie over the county as it stands.
    made_on : date, optional
        Day the file bears; today by default.

    Returns
    -------
    str
        One document with its styles, scripts and data inside; its policy forbids every request.

    Raises
    ------
    DataError, NotFoundError
        If a scenario cannot be carried out, or the county has no data of the year.
    """
    found, lang, county = model.evaluation, model.lang, model.county
    outlook = Outlook(model)
    screen = first_screen._first_screen(model, outlook)
    early = any(found.standard.due_before_adoption(result.item) for result in found.items)
    today = Scenario.empty(county, model.year)
    shown = [today, *plans] if plans else []  # what a plan is compared with stands beside it
    outcomes = [scenarios.evaluate(county, plan, standard=model.standard, time_limit_s=PROOF_S) for plan in shown]
    script = _script()
    board = Board(county, today, model.standard)
    data = {
        "board": plain_arrays(pack(board)),
        "map": _map(model, list(board.radius_m.values())),
        "words": live.words(lang),
        "lang": lang,
    }
    return render(
        "brief", lang,
        county=county, found=found, screen=screen, decision=first_screen._decision(model, outlook)[0],
        counts=found.counts(), early=early, curves=_curves(model, outlook), coefficients=_coefficients(model),
        comparison=_comparison(outcomes, lang), outcomes=outcomes[1:], stages=STAGES,
        radius_km={s: round(board.radius_m[s] / 1000, 1) if np.isfinite(board.radius_m[s]) else None for s in STAGES},
        made_on=(made_on or date.today()).isoformat(), provenance=views.provenance(found, lang),
        style=Markup(_style()), script=Markup(script), script_hash=_hash(script), data=Markup(_json(data)),
        synthetic=views._synthetic(county, lang),
    )  # fmt: skip


def _curves(model: PageModel, outlook: Outlook) -> list[_Curve]:
    """Return the required items that are not met, each over its years, the most pressing first.

    Returns: at most :data:`MOST_CURVES`; an item without a figure in two years has none.
    """
    out = []
    paths = {r.item.code: outlook.item(r.item.code) for r in outlook.open_items()}
    for result in first_screen._pressing(model.evaluation, paths):
        path = paths.get(result.item.code)
        if path is None or path.rows["value"].notna().sum() < 2:
            continue
        label = f"{result.item.code} {result.item.label(model.lang)}"
        out.append(_curve(path.rows, label, result.reason.render(model.lang)))
    return out[:MOST_CURVES]


def _curve(rows: pd.DataFrame, label: str, told: str) -> _Curve:
    rows = rows[rows["value"].notna()].sort_values("year")
    figures = rows[[name for name in ("value", "low", "high", "threshold") if name in rows]].to_numpy(float)
    low, high = np.nanmin(figures), np.nanmax(figures)
    room = (high - low) or abs(high) or 1.0
    low, high = low - 0.08 * room, high + 0.08 * room
    years = rows["year"].to_numpy(float)

    def x(year: Any) -> Any:
        return (year - years[0]) / max(years[-1] - years[0], 1) * 100

    def y(value: Any) -> Any:
        return 40 - (value - low) / (high - low) * 40

    def points(part: pd.DataFrame, column: str) -> list[str]:
        kept = part[part[column].notna()]
        return [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(kept["year"], kept[column], strict=True)]

    projected = rows["projected"].to_numpy(bool)
    known, after = rows[~projected], rows[projected]
    ahead = pd.concat([known.tail(1), after])
    band = points(after, "high") + points(after, "low")[::-1] if {"low", "high"} <= set(rows) else []
    line = rows["threshold"].dropna()
    return _Curve(
        label, told, " ".join(points(known, "value")), " ".join(points(ahead, "value")) if len(after) else "",
        " ".join(band), float(y(line.iloc[-1])) if len(line) else None, int(years[0]), int(years[-1]),
        number(round(float(np.nanmin(figures)), 2)), number(round(float(np.nanmax(figures)), 2)),
    )  # fmt: skip


def _coefficients(model: PageModel) -> list[_CoefficientBar]:
    """Return the difference coefficients that have a limit, as bars on one scale.

    Returns: in the order of the evaluation; one that is not known has no bar.
    """
    found, lang = model.evaluation, model.lang
    rows = found.cv[found.cv["limit"].notna()]
    if rows.empty:
        return []
    top = float(np.nanmax(rows[["cv", "limit"]].to_numpy(float))) * 1.05
    out = []
    for row in rows.itertuples():
        spec = found.standard.indicators.get(row.indicator)
        label = spec.label(lang) if spec is not None else locale.text("evaluation.composite", lang)
        known = row.cv == row.cv
        status = "no_data" if not known else "met" if row.met else "not_met"
        out.append(
            _CoefficientBar(
                locale.text(f"stage.{row.stage}", lang), label, figure(row.cv, 3, row.limit, "<="),
                number(row.limit), 100 * row.cv / top if known else 0.0, 100 * row.limit / top, status,
            )
        )  # fmt: skip
    return out


def _comparison(outcomes: Sequence[Outcome], lang: str) -> Markup:
    """Return the plans beside the present state, which is the first of the outcomes."""
    plans = [each.scenario.name or locale.text("brief.unnamed", lang) for each in outcomes[1:]]
    names = [locale.text("plot.before", lang), *plans]
    return trial_views._compare(list(zip(names, outcomes, strict=True)), lang) if outcomes else Markup()


def _map(model: PageModel, radii: Sequence[float]) -> dict[str, Any]:
    """Return the map as its script takes it: coloured by the standard now, by the sliders once one has moved."""
    chart = CountyMap(model.county, model.year, lang=model.lang, height=520)
    classes, notes, label = first_screen.colours(model)
    chart.set_classes(classes, notes=notes, label=label)
    chart.set_radius(sorted({metres / 1000 for metres in radii if np.isfinite(metres)}))
    state = {
        name: {"dtype": "bytes", "data": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value
        for name, value in chart.get_state().items()
        if _BYTES.match(name) or not name.startswith("_") or name in ("_index", "_text", "_notes", "_area_parts",
                                                                     "_village_notes")
    }  # fmt: skip
    state = {k: v for k, v in state.items() if k not in ("layout", "tabbable", "tooltip", "comm")}
    return {
        "state": state,
        "schools": chart.places.schools,
        "villages": chart.places.villages,
        **live.legends(model.lang),
    }


def _style() -> str:
    parts = [
        palette.css(),
        (map_looks.STATIC / "map.css").read_text("utf-8"),
        (STATIC / "brief.css").read_text("utf-8"),
    ]
    return "\n".join(parts)


def _script() -> str:
    """Return the map, the tick and the brief's own script as one module."""
    drawn = "".join((map_looks.STATIC / name).read_text("utf-8") for name in ("picture.js", "map.js"))
    # Each part keeps its names to itself: both the map and the tick call something `typed`.
    parts = ("const map = (() => {" + drawn.replace("export default", "return") + "})();", live.script(),
             (STATIC / "brief.js").read_text("utf-8"))  # fmt: skip
    return "\n".join(parts)


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    return text.replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value))
