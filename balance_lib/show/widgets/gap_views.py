"""Write what the page of gaps says about years to come as HTML: crossing dates, rules over years, pupils by school."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from balance_lib.evaluation import Evaluation, history_of_coefficients, number
from balance_lib.evaluation.figures import figure, places_of
from balance_lib.evaluation.wording import needed
from balance_lib.forecast import GrowthRule, ItemPath, Paths, Projection, falls_every_year
from balance_lib.locale import deadline_words, text
from balance_lib.plain import as_csv
from balance_lib.show.widgets import outlook, views
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import lamp
from balance_lib.standards import STAGES, Standard

MOST = 60
FEW = 12  # rows a table shows without being scrolled
SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<", "==": "="}


def _items(paths: Sequence[ItemPath], lang: str) -> Markup:
    """Return the open items with the date each reaches its line, or why not."""
    body = []
    for found in paths:
        state = outlook.state(found)
        last = found.rows[~found.rows["projected"]].dropna(subset=["value"]).tail(1)
        value, line = (math.nan if last.empty else float(last[name].iloc[0]) for name in ("value", "threshold"))
        sign = SIGNS.get(found.item.operator, "")
        body.append(
            [
                f"{found.item.code} {found.item.label(lang)}",
                figure(value, places_of(found.item.judged_unit), line, found.item.operator),
                part("unbroken", lang, f"{sign} {number(line)} {views._unit_word(found.item, lang)}"),
                part("unbroken", lang, deadline_words(found.item.deadline, lang) or "–"),
                lamp(outlook.LAMP_OF.get(state, "no_data"), lang, outlook.word(found).render(lang)),
                found.crossing.reason.render(lang),
            ]
        )
    heads = [text(f"trends.head.{name}", lang) for name in ("item", "value", "line", "deadline", "outlook", "why")]
    empty = text("trends.page.no_open", lang)
    return views.table(heads, body, numeric=[1], empty=empty, whole=len(body) <= FEW)


def _crossings(
    found: Paths, evaluated: Evaluation, names: dict[str, str], lang: str, *, of: str, only_short: bool = True
) -> Markup:
    """Return schools (or townships) with what they lack in units and the year they reach the line.

    ``of``: whose figures: ``school``, ``township`` or ``county``. ``only_short``: whether only what falls short is
    listed.
    """
    last = found.rows[~found.rows["projected"]].groupby("id").last()
    rows = found.crossings.set_index("id")
    lacking = evaluated.schools.set_index(["school_id", "stage", "indicator"])["needed"]
    body = []
    order = ["not_before", "crosses", "falls", "no_data", "met"]
    for name in sorted(rows.index, key=lambda i: (order.index(rows.at[i, "status"]), last["gap"].get(i, 0.0))):
        row = rows.loc[name]
        if name not in last.index or (only_short and row["status"] == "met"):
            continue
        if row["reason"].key == "trends.cross.closed":
            continue
        spec = evaluated.standard.indicators[row["indicator"]]
        short = lacking.get((name, row["stage"], row["indicator"]), math.nan) if of == "school" else math.nan
        amount = "" if math.isnan(short) or short <= 0 else needed(short, spec)[lang]
        value, line, gap = (float(last.at[name, column]) for column in ("value", "threshold", "gap"))
        status = outlook.LAMP_OF.get(row["status"], "no_data")
        word = text(
            f"trends.word.{row['status']}", lang, year=_year(row["year"]), to=int(found.rows["year"].max()), status=""
        )
        if row["status"] == "no_data":
            word = text("trends.status.no_data", lang)
        body.append(
            [
                names.get(name, name),
                figure(value, places_of(spec.unit), line),
                number(line),
                figure(gap, places_of(spec.unit), 0.0),
                amount,
                lamp(status, lang, word),
                row["reason"].render(lang),
            ]
        )
    heads = ("place", "value", "line", "gap", "needed", "outlook", "why")
    return views.table(
        [text(f"trends.head.{head}", lang) for head in heads], body[:MOST], numeric=[1, 2, 3],
        empty=text("trends.page.all_meet", lang),
    )  # fmt: skip


def _year(year: float) -> int:
    return int(year) if year == year else 0


def _growth(rules: Sequence[GrowthRule], lang: str) -> Markup:
    """Return the growth rules with their figures, a line a year."""
    body = []
    for rule in rules:
        item = rule.result.item
        for at, row in enumerate(rule.rows.itertuples()):
            body.append(
                [
                    f"{item.code} {item.label(lang)}" if at == 0 else "",
                    row.year,
                    _figure(row.before, lang),
                    _figure(row.figure, lang),
                    _figure(row.growth, lang) + (" %" if item.measure and item.measure.transform == "growth" else ""),
                    f"{SIGNS.get(item.operator, '')} {_figure(row.line, lang)}",
                    views._met_lamp(row.met, lang) or lamp("no_data", lang),
                ]
            )
    heads = ("item", "year", "before", "figure", "growth", "against", "outlook")
    return views.table(
        [text(f"trends.head.{head}", lang) for head in heads], body, numeric=[1, 2, 3, 4, 5],
        empty=text("trends.page.no_growth_rule", lang), whole=True,
    )  # fmt: skip


def _figure(value: float, lang: str) -> str:
    """Return a figure as people read it aloud: a sum of millions in 万 or in millions, not digit by digit."""
    if abs(value) >= 1e6:
        return f"{value / 1e4:,.0f}万" if lang == "zh" else f"{value / 1e6:,.2f} million"
    return "–" if value != value else number(round(value, 2 if abs(value) < 1e5 else 0))


def _falls(evaluated: Evaluation, table: pd.DataFrame, lang: str) -> Markup:
    """Return the test whether each difference coefficient falls every year, with the coefficients."""
    standard: Standard = evaluated.standard
    table = table[table["year"] <= evaluated.year]
    years = sorted(int(year) for year in table["year"].unique())
    labels = standard.indicator_labels(lang)
    body = []
    for stage in STAGES:
        for name, label in labels.items():
            mine = table[(table["stage"] == stage) & (table["indicator"] == name)]
            if mine["cv"].isna().all():
                continue
            steps = falls_every_year(mine["year"].tolist(), mine["cv"].tolist())
            by_year = dict(zip(mine["year"].astype(int), mine["cv"], strict=True))
            cells = [f"{by_year[y]:.3f}" if y in by_year and by_year[y] == by_year[y] else "–" for y in years]
            known = lamp("no_data", lang)
            if steps.verdict is not None:
                word = text(f"trends.word.{'yes' if steps.verdict else 'no'}", lang)
                known = lamp("met" if steps.verdict else "not_met", lang, word)
            body.append([text(f"stage.{stage}", lang), label, *cells, known])
    heads = [text(f"trends.head.{name}", lang) for name in ("stage", "indicator")]
    heads += [*map(str, years), text("trends.head.falls", lang)]
    empty = text("trends.page.no_coefficient", lang)
    return views.table(heads, body, numeric=range(2, 2 + len(years)), empty=empty, whole=True)


def _coefficients(evaluated: Evaluation, county: object, lang: str) -> Markup:
    """Return the test of yearly falls for the county's history.

    ``county``: the county, as a key.
    """
    return _falls(evaluated, history_of_coefficients(county, evaluated.standard), lang)  # type: ignore[arg-type]


def schools(found: Projection, names: dict[str, str], stage: str, year: int, lang: str) -> Markup:
    """Return each school's pupils now and in a year to come, with the band, the largest change first.

    Parameters
    ----------
    found : Projection
    names : dict of str to str
    stage : {"primary", "junior"}
    year : int
    lang : {"zh", "en"}
    """
    rows = found.schools[found.schools["stage"] == stage]
    now = rows[rows["year"] == found.base].set_index("school_id")["pupils"]
    then = rows[rows["year"] == year].set_index("school_id")
    then = then.assign(now=now, change=then["pupils"] - now).sort_values(
        "change", key=abs, ascending=False, kind="stable"
    )
    body = [
        [
            names.get(str(name), str(name)),
            number(round(row["now"])),
            number(round(row["pupils"])),
            f"{row['low']:,.0f}–{row['high']:,.0f}",
            f"{row['change']:+,.0f}",
            f"{100 * row['change'] / row['now']:+.0f} %" if row["now"] > 0 else "",
        ]
        for name, row in then.iterrows()
    ]
    heads = [text("trends.head.place", lang), str(found.base), str(year)]
    heads += [text(f"trends.head.{name}", lang) for name in ("band", "change", "change_percent")]
    return views.table(heads, body, numeric=range(1, 6))


def _projection_csv(found: Projection, names: dict[str, str], lang: str) -> bytes:
    """Return the schools' and villages' pupils to come as CSV a spreadsheet opens."""
    schools_ = found.schools.drop(columns="stirred").rename(columns={"school_id": "id"}).assign(of="school", band="")
    villages = found.villages.rename(columns={"village_id": "id"}).assign(of="village")
    table = pd.concat([schools_, villages], ignore_index=True)
    table = table.assign(name=table["id"].map(names).fillna(""))[
        ["of", "id", "name", "stage", "band", "year", "pupils", "low", "high"]
    ]
    table = table.rename(columns={name: text(f"trends.csv.{name}", lang) for name in table.columns})
    return as_csv(table.round(1))
