"""Show a result in a cell of a notebook: name, years, counts, sentence, the table that matters (40 rows at most)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import locale
from balance_lib.locale import banners, named, text
from balance_lib.show.desk import tables

MOST_ROWS, SHORT = 40, 12


@dataclass(frozen=True)
class _CellView:
    """Hold what one cell shows.

    Parameters
    ----------
    title, sentence : str
    facts : sequence of str
        Beside the title.
    chips : sequence of (word, number)
    table : DataFrame, optional
        In words, ready to be read.
    calls : sequence of str
        Where to go on.
    """

    title: str
    facts: Sequence[str] = ()
    sentence: str = ""
    chips: Sequence[tuple[str, Any]] = ()
    table: pd.DataFrame | None = None
    calls: Sequence[str] = ()


def headline(result: Any) -> str:
    """Return what a result is in a line: the title and its facts, then the sentence."""
    cell = _cell_of(result, locale.spoken())
    return " · ".join(filter(None, [cell.title, *map(str, cell.facts), cell.sentence])).replace("\n", " ")


def html(result: Any) -> str:
    """Return a result as HTML for a cell."""
    lang = locale.spoken()
    cell = _cell_of(result, lang)
    rows = pd.DataFrame() if cell.table is None else cell.table
    left = len(rows) - MOST_ROWS
    numeric = [n for n, column in enumerate(rows.columns) if pd.api.types.is_numeric_dtype(rows.iloc[:, n])]
    first = rows.head(MOST_ROWS).itertuples(index=False, name=None)
    shown = [[_said(value) for value in row] for row in first]
    short = [n for n in range(len(rows.columns)) if all(len(row[n]) <= SHORT for row in shown)]  # on one line
    return str(_template().render(
        lang="zh-CN" if lang == "zh" else "en", title=cell.title, facts=cell.facts, sentence=cell.sentence,
        chips=cell.chips, heads=list(rows.columns), rows=shown, numbers=numeric, short=short, calls=cell.calls,
        more=text("desk.more_rows", lang, n=left) if left > 0 else "", onward=text("desk.onward", lang),
    ))  # fmt: skip


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader("balance_lib.show.desk"), autoescape=True).get_template("cell.html.j2")


def _cell_of(result: Any, lang: str) -> _CellView:
    """Return what a result shows of itself, by its class or the nearest above it."""
    for kind in type(result).__mro__:
        if kind.__name__ in CELLS:
            return CELLS[kind.__name__](result, lang)
    raise TypeError(f"nothing is known of {type(result).__name__}")


def _said(value: Any) -> str:
    """Write a value: two decimals at the most, missing as a dash; a year is no amount."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "✓" if value else "✗"
    if isinstance(value, (int, np.integer)):
        return str(value) if 1900 <= value <= 2200 else f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if np.isfinite(value) else "∞"
    return str(value)


def _county(county: Any, lang: str) -> _CellView:
    years = county.years
    span = f"{years[0]}–{years[-1]}" if years else text("desk.no_years", lang)
    facts = [county.county_id, span, county.plan or "–", county.crs]
    facts += [text("desk.synthetic", lang)] if county.synthetic else []
    facts += banners({**county.marks, "synthetic": False}, lang)
    counts = [(text(f"desk.count.{name}", lang), len(county.tables[name]))
              for name in ("schools", "villages", "townships")]  # fmt: skip
    calls = (
        ".evaluate()",
        ".map(radius_m=3000)",
        '.coverage("primary", 3000)',
        ".history()",
        ".scenario()",
        ".schools",
    )
    return _CellView(county.name(lang), facts, "", counts, tables.enrolment(county, lang), calls)


def _standard(standard: Any, lang: str) -> _CellView:
    facts = [standard.id, standard.document, standard.issued]
    rows = [(i.code, i.label(lang), locale.stage_word(i.stage, lang), tables.line(i), i.deadline or "–")
            for i in standard.judged]  # fmt: skip
    heads = [text(f"desk.head.{name}", lang) for name in ("code", "item", "stage", "line", "deadline")]
    counts = [(text("desk.count.items", lang), len(standard.items)), (text("desk.count.judged", lang), len(rows))]
    return _CellView(standard.title(lang), [f for f in facts if f], "", counts, pd.DataFrame(rows, columns=heads),
                (".item(code)", "county.evaluate(standard)"))  # fmt: skip


def _evaluation(found: Any, lang: str) -> _CellView:
    name = locale.either(found.county_zh, found.county_en, lang)
    chips = [(text(f"status.{status}", lang), n) for status, n in found.counts().items() if n]
    calls = (".plot_gaps()", ".map()", ".table()", ".problems()", ".item(code)")
    return _CellView(name, [str(found.year), found.standard.id], found.sentence(lang), chips,
                    tables.open_items(found, lang),
                calls)  # fmt: skip


def _coverage(found: Any, lang: str) -> _CellView:
    facts = [str(found.reach.year), text(f"stage.{found.reach.stage}", lang), text(f"distance.mode.{found.by}", lang)]
    calls = (".map()", ".outside()", ".by_township()", ".plot()")
    return _CellView(found.county.name(lang), facts, found.sentence(lang), (), found.by_township(lang), calls)


def _history(found: Any, lang: str) -> _CellView:
    facts = [f"{found.years[0]}–{found.years[-1]}", found.standard.id]
    calls = (".plot(item=code)", '.plot(item=indicator, by="township")', ".items", ".schools")
    return _CellView(found.county.name(lang), facts, "", (), tables.history_wide(found, lang), calls)


def _scenario(scenario: Any, lang: str, schools: pd.DataFrame | None = None) -> _CellView:
    facts = [scenario.county_id, str(scenario.year)]
    facts += [f"→ {scenario.judged_year}"] if scenario.judged_year != scenario.year else []
    return _CellView(scenario.name, facts, text("desk.operations", lang, n=len(scenario.operations)), (),
                tables.operations(scenario.operations, schools, lang),
                (".close(id)", ".merge(id, into=id)", ".open(id, …)", ".evaluate()"))  # fmt: skip


def _draft(draft: Any, lang: str) -> _CellView:
    return _scenario(draft.scenario, lang, draft.county.tables["schools"])


def _outcome(found: Any, lang: str) -> _CellView:
    name = locale.either(found.county_zh, found.county_en, lang)
    facts = [found.scenario.name, str(found.scenario.judged_year), text(f"scenarios.status.{found.status}", lang)]
    chips = [(text("desk.count.moved", lang), tables.number(found.moved)),
             (text("desk.count.broken", lang), len(found.against_rules))]  # fmt: skip
    calls = (".map()", ".map(before=True)", ".plot()", ".affected", ".schools", ".costs", ".after")
    return _CellView(name, facts, found.sentence(lang), chips, tables.affected(found, lang), calls)


def _comparison(found: Any, lang: str) -> _CellView:
    return _CellView(text("desk.comparison", lang), [found.county_name(lang)], "", (), found.wide(lang),
                (".plot()", ".table", ".outcomes[name]"))  # fmt: skip


def _proposal(found: Any, lang: str) -> _CellView:
    names = named(found.layout.drawn.frame, lang)
    rows = [(text("desk.closed", lang), s, names.get(s, s)) for s in found.closed]
    rows += [(text("desk.opened", lang), s, names.get(s, s)) for s in found.opened]
    heads = [text(f"desk.head.{name}", lang) for name in ("what", "id", "school")]
    table = pd.DataFrame(rows, columns=heads) if rows else None
    about = [found.scenario.county_id, str(found.scenario.year)]
    parts = (".map()", ".outcome", ".scenario", ".closed")
    return _CellView(found.scenario.name, about, found.sentence(lang), (), table, parts)


def _frontier(found: Any, lang: str) -> _CellView:
    stage = text(f"stage.{found.stage}", lang)
    rows = found.table[["schools", "extra_pupil_km", "mean_m", "worst_m", "moved", "proven"]].round(1)
    heads = [
        text(f"desk.head.{name}", lang) for name in ("schools", "extra_km", "mean_m", "worst_m", "moved", "proven")
    ]
    return _CellView(stage, [text("desk.frontier", lang)], "", (), rows.set_axis(heads, axis=1),
                (".plot()", ".scenario(schools)"))  # fmt: skip


def _plan(found: Any, lang: str) -> _CellView:
    facts = [found.county_id, str(found.year), found.standard.id, f"→ {found.by.isoformat()}"]
    return _CellView(text("desk.remedy", lang), facts, found.sentence(lang) + found.compared(lang), (),
                tables.actions(found, lang), (".plot()", ".table(county)", ".open_items()", ".prices()"))  # fmt: skip


def _projection(found: Any, lang: str) -> _CellView:
    told = found.back_test.sentence(lang) if found.back_test is not None else ""
    return _CellView(text("desk.projection", lang), [found.county_id, f"{found.base}–{found.to}"], told, (),
                tables.pupils(found, lang), (".plot()", ".plot(village=…)", ".schools", ".villages"))  # fmt: skip


def _forecast(found: Any, lang: str) -> _CellView:
    cell = _projection(found.projection, lang)
    return _CellView(found.county.name(lang), cell.facts[1:], cell.sentence, (), cell.table, cell.calls)


CELLS: dict[str, Callable[[Any, str], _CellView]] = {
    "County": _county, "Standard": _standard, "Evaluation": _evaluation, "Coverage": _coverage, "History": _history,
    "Scenario": _scenario, "ScenarioDraft": _draft, "Outcome": _outcome, "Comparison": _comparison,
    "Proposal": _proposal, "CountyFrontier": _frontier, "RemedyPlan": _plan, "Projection": _projection,
    "Forecast": _forecast,
}  # fmt: skip
