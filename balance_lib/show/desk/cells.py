"""Show a result in a cell of a notebook: name, years, counts, sentence, the table that matters (40 rows at most)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import locale
from balance_lib.evaluation.wording import required
from balance_lib.locale import banners, deadline_words, named, names_by, text
from balance_lib.scenarios import Operation, tell
from balance_lib.standards import STAGES

MOST_ROWS, SHORT = 40, 12


@dataclass(frozen=True)
class _CellView:
    """Hold what one cell shows: title and facts beside it, counts, a table in words, and where to go on."""

    title: str = ""
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
    """Return a result, or a table, as HTML for a cell."""
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
    """Write a value: two decimals, more of a small one, missing as a dash; a year is no amount."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "✓" if value else "✗"
    if isinstance(value, (int, np.integer)):
        return str(value) if 1900 <= value <= 2200 else f"{value:,}"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        shown = f"{number:.3g}" if 0 < abs(number) < 0.1 else f"{number:,.2f}".rstrip("0").rstrip(".")
        return shown if np.isfinite(number) else "∞"
    return str(value)


def _headed(frame: pd.DataFrame, names: Sequence[str], lang: str) -> pd.DataFrame:
    """Return a frame with the heads of these names in words."""
    return frame.set_axis([text(f"desk.head.{name}", lang) for name in names], axis=1)


def _rows(rows: list[Any], names: Sequence[str], lang: str) -> pd.DataFrame | None:
    return _headed(pd.DataFrame(rows, columns=list(names)), names, lang) if rows else None


def _frame(frame: Any, lang: str) -> _CellView:
    """Show somebody's own table; an index that says something is a column."""
    told = any(frame.index.names) or not pd.api.types.is_integer_dtype(frame.index)
    return _CellView(table=frame.reset_index(drop=not told))


def _county(county: Any, lang: str) -> _CellView:
    years = county.years
    span = f"{years[0]}–{years[-1]}" if years else text("desk.no_years", lang)
    facts = [county.county_id, span, county.plan or "–", county.crs]
    facts += [text("desk.synthetic", lang)] if county.synthetic else []
    facts += banners({**county.marks, "synthetic": False}, lang)
    counts = [(text(f"desk.count.{name}", lang), len(county.tables[name]))
              for name in ("schools", "villages", "townships")]  # fmt: skip
    rows = county.tables["school_years"]
    rows = rows[rows["stage"].isin(STAGES)]
    wide = rows.pivot_table(index="year", columns="stage", values="pupils", aggfunc="sum", min_count=1)
    wide = wide.reindex(columns=list(STAGES)).reset_index()
    wide.insert(1, "schools", wide["year"].map(rows[rows["pupils"] > 0].groupby("year")["school_id"].nunique()))
    wide["year"] = wide["year"].astype(int)  # years of an imported list are numbers with a point
    table = _headed(wide, ("year", "schools", "pupils_primary", "pupils_junior"), lang)
    calls = (
        ".evaluate()",
        ".map(radius_m=3000)",
        '.coverage("primary", 3000)',
        ".history()",
        ".scenario()",
        ".schools",
    )
    return _CellView(county.name(lang), facts, "", counts, table, calls)


def _standard(standard: Any, lang: str) -> _CellView:
    facts = [standard.id, standard.document, standard.issued]
    rows = [(i.code, i.label(lang), locale.stage_word(i.stage, lang), _line(i, lang),
             deadline_words(i.deadline, lang) or "–") for i in standard.judged]  # fmt: skip
    counts = [(text("desk.count.items", lang), len(standard.items)), (text("desk.count.judged", lang), len(rows))]
    return _CellView(standard.title(lang), [f for f in facts if f], "", counts,
                     _rows(rows, ("code", "item", "stage", "line", "deadline"), lang),
                     (".item(code)", "county.evaluate(standard)"))  # fmt: skip


def _line(item: Any, lang: str) -> str:
    """Say what an item asks for: its figure in words, else what the source says."""
    asked = item.threshold if item.threshold is not None else item.value
    if isinstance(asked, (int, float)):
        return required(item, float(asked)).render(lang)
    return "–" if asked is None else str(asked)


def items(found: Any, lang: str | None = None) -> pd.DataFrame:
    """Return every item of an evaluation as a row; ``Evaluation.table`` says its columns.

    Parameters
    ----------
    found : Evaluation
    lang : {"zh", "en"}, optional
    """
    lang = lang or locale.spoken()
    rows = [
        (r.item.code, r.item.label(lang), r.item.stage, r.status, r.value, r.threshold, r.gap, r.item.judged_unit,
         r.item.deadline, r.item.lead_unit, r.item.required, r.reason.render(lang)) for r in found.items
    ]  # fmt: skip
    names = ["code", "label", "stage", "status", "value", "threshold", "gap", "unit", "deadline", "lead_unit",
             "required", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _evaluation(found: Any, lang: str) -> _CellView:
    """Show what is not met, then what nobody knows, with the reason."""
    chips = [(text(f"status.{status}", lang), n) for status, n in found.counts().items() if n]
    rows = [(r.item.code, r.item.label(lang), text(f"status.{r.status}", lang), r.reason.render(lang),
             deadline_words(r.item.deadline, lang) or "–")
            for status in ("not_met", "no_data", "evidence") for r in found.with_status(status)]  # fmt: skip
    return _CellView(locale.either(found.county_zh, found.county_en, lang), [str(found.year), found.standard.id],
                     found.sentence(lang), chips, _rows(rows, ("code", "item", "status", "reason", "deadline"), lang),
                     (".plot_gaps()", ".map()", ".table()", ".problems()", ".item(code)"))  # fmt: skip


def _coverage(found: Any, lang: str) -> _CellView:
    facts = [str(found.reach.year), text(f"stage.{found.reach.stage}", lang), text(f"distance.mode.{found.by}", lang)]
    calls = (".map()", ".outside()", ".by_township()", ".plot()")
    return _CellView(found.county.name(lang), facts, found.sentence(lang), (), found.by_township(lang), calls)


def _history(found: Any, lang: str) -> _CellView:
    """Show each required numeric item's value over the years, worst of the last year first."""
    rows = found.items[found.items["value"].notna()]
    wide = rows.pivot_table(index="code", columns="year", values="value")
    last = found.items[found.items["year"] == found.years[-1]].set_index("code")
    order = last["status"].map({"not_met": 0}).fillna(1).reindex(wide.index).sort_values(kind="stable").index
    wide = wide.loc[order].reset_index()
    wide.insert(1, "item", [found.standard.item(code).label(lang) for code in wide["code"]])
    wide.insert(2, "line", wide["code"].map(last["threshold"]))
    heads = [text(f"desk.head.{name}", lang) for name in wide.columns[:3]]
    calls = (".plot(item=code)", '.plot(item=indicator, by="township")', ".items", ".schools")
    return _CellView(found.county.name(lang), [f"{found.years[0]}–{found.years[-1]}", found.standard.id], "", (),
                     wide.set_axis([*heads, *map(str, wide.columns[3:])], axis=1), calls)  # fmt: skip


def _scenario(scenario: Any, lang: str, schools: pd.DataFrame | None = None) -> _CellView:
    facts = [scenario.county_id, str(scenario.year)]
    facts += [f"→ {scenario.judged_year}"] if scenario.judged_year != scenario.year else []
    return _CellView(scenario.name, facts, text("desk.operations", lang, n=len(scenario.operations)), (),
                     _operations(scenario.operations, schools, lang),
                     (".close(id)", ".merge(id, into=id)", ".open(id, …)", ".evaluate()"))  # fmt: skip


def _draft(draft: Any, lang: str) -> _CellView:
    return _scenario(draft.scenario, lang, draft.county.tables["schools"])


def _operations(done: Sequence[Operation], known: pd.DataFrame | None, lang: str) -> pd.DataFrame | None:
    """Say what is done to which school, and the other schools it names; ids where no table of schools is known."""
    names = {} if known is None else names_by("school_id", known, lang)
    names |= {each.school_id: opened for each in done if (opened := getattr(each, "name_zh", ""))}
    rows = [(tell.operation(each, lang), names.get(each.school_id, each.school_id),
             locale.listed([names.get(other, other) for other in each.others()], lang)) for each in done]  # fmt: skip
    return _rows(rows, ("what", "school", "others"), lang)


def _outcome(found: Any, lang: str) -> _CellView:
    """Show the villages that lose, worst first."""
    facts = [found.scenario.name, str(found.scenario.judged_year), text(f"scenarios.status.{found.status}", lang)]
    chips = [(text("desk.count.moved", lang), _said(float(found.moved))),
             (text("desk.count.broken", lang), len(found.against_rules))]  # fmt: skip
    names = {"village": "village", "township": "township", "pupils": "pupils", "extra_m": "extra_m",
             "worst_metres": "metres_after", "to": "to"}  # fmt: skip
    there = [column for column in names if column in found.affected]
    lost = found.spoken(found.affected, lang)[there].round(0)
    return _CellView(
        locale.either(found.county_zh, found.county_en, lang), facts, found.sentence(lang), chips,
        None if lost.empty else _headed(lost, [names[column] for column in there], lang),
        (".map()", ".map(before=True)", ".plot()", ".affected", ".schools", ".costs", ".after"),
    )  # fmt: skip


def _comparison(found: Any, lang: str) -> _CellView:
    return _CellView(text("desk.comparison", lang), [found.county_name(lang)], "", (), found.wide(lang),
                     (".plot()", ".table", ".outcomes[name]"))  # fmt: skip


def _proposal(found: Any, lang: str) -> _CellView:
    names, about = named(found.layout.drawn.frame, lang), found.scenario
    done = [("closed", s) for s in found.closed] + [("opened", s) for s in found.opened]
    rows = [(text(f"desk.{what}", lang), s, names.get(s, s)) for what, s in done]
    return _CellView(about.name, [about.county_id, str(about.year)], found.sentence(lang), (),
                     _rows(rows, ("what", "id", "school"), lang),
                     (".map()", ".outcome", ".scenario", ".closed"))  # fmt: skip


def _frontier(found: Any, lang: str) -> _CellView:
    rows = found.table[["schools", "extra_pupil_km", "mean_m", "worst_m", "moved", "proven"]].round(1)
    names = ("schools", "extra_km", "mean_m", "worst_m", "moved", "proven")
    return _CellView(text(f"stage.{found.stage}", lang), [text("desk.frontier", lang)], "", (),
                     _headed(rows, names, lang), (".plot()", ".scenario(schools)"))  # fmt: skip


def _plan(found: Any, lang: str) -> _CellView:
    facts = [found.county_id, str(found.year), found.standard.id, f"→ {found.by.isoformat()}"]
    return _CellView(text("desk.remedy", lang), facts, found.sentence(lang) + found.compared(lang), (),
                     _actions(found, lang), (".plot()", ".table(county)", ".open_items()", ".prices()"))  # fmt: skip


def _actions(found: Any, lang: str) -> pd.DataFrame | None:
    """Return what a plan of remedies does, added up by action, dearest first."""
    from balance_lib.planning.remedies import figure_word

    if found.lines.empty:
        return None
    # Whoever moves leaves one school and comes to another: counted once. A target has neither amount nor price, and
    # what the county does is done at no school.
    lines, amount = found.lines, found.lines["units"].clip(lower=0)
    lines = lines.assign(units=amount.where(lines["kind"] != "target"), school_id=lines["school_id"].replace("", pd.NA))
    groups = lines.groupby("action")
    summed = groups[["units", "cost_yuan"]].sum(min_count=1).assign(schools=groups["school_id"].nunique()).reset_index()
    known = found.catalogue.all
    summed["action"] = [known[a].label(lang) if a in known else figure_word(found.standard, a, lang)
                        for a in summed["action"]]  # fmt: skip
    names = ("action", "units", "schools", "cost_yuan")
    return _headed(summed.sort_values("cost_yuan", ascending=False, kind="stable").round(1)[list(names)], names, lang)


def _projection(found: Any, lang: str) -> _CellView:
    """Show pupils by stage and year, with their band."""
    told = found.back_test.sentence(lang) if found.back_test is not None else ""
    wide = found.county.pivot_table(index="year", columns="stage", values=["pupils", "low", "high"])
    rows = {text("desk.head.year", lang): wide.index}
    for stage in (s for s in STAGES if s in set(found.county["stage"])):
        word = locale.stage_word(stage, lang)
        rows[word] = wide["pupils", stage].round().astype(int)
        rows[f"{word} {text('desk.head.band', lang)}"] = [
            f"{low:,.0f}–{high:,.0f}" for low, high in zip(wide["low", stage], wide["high", stage], strict=True)
        ]
    return _CellView(text("desk.projection", lang), [found.county_id, f"{found.base}–{found.to}"], told, (),
                     pd.DataFrame(rows), (".plot()", ".plot(village=…)", ".schools", ".villages"))  # fmt: skip


def _forecast(found: Any, lang: str) -> _CellView:
    cell = _projection(found.projection, lang)
    return _CellView(found.county.name(lang), cell.facts[1:], cell.sentence, (), cell.table, cell.calls)


CELLS: dict[str, Callable[[Any, str], _CellView]] = {
    "County": _county, "Standard": _standard, "Evaluation": _evaluation, "Coverage": _coverage, "History": _history,
    "Scenario": _scenario, "ScenarioDraft": _draft, "Outcome": _outcome, "Comparison": _comparison,
    "Proposal": _proposal, "CountyFrontier": _frontier, "RemedyPlan": _plan, "Projection": _projection,
    "Forecast": _forecast, "DataFrame": _frame,
}  # fmt: skip
