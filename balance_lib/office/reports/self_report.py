"""Write the county's self-evaluation report (自评报告): every item of the standard, its line, finding and problems."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from balance_lib.data import tables
from balance_lib.data.county import County
from balance_lib.evaluation import OPEN, Evaluation, ItemResult, evaluate, indicators
from balance_lib.evaluation.figures import quantity
from balance_lib.locale import deadline_words, listed, text
from balance_lib.office.reports import brief, findings, wording
from balance_lib.office.reports.letter import Letter
from balance_lib.office.reports.stamp import ReportStamp, _said_day
from balance_lib.office.workplan import Register, achievements, by_year_words, ledger_counts, problem_list

_AS_PUBLISHED = 4  # decimals: a figure somebody published is printed as it was
_MOST_TOWNS = 3  # more that share the most schools tell nothing
_BASICS = (
    "n_primary", "n_junior", "n_nine_year", "n_twelve_year", "n_complete_secondary", "n_teaching_point", "n_special",
    "primary_pupils", "junior_pupils", "all_classes", "all_teachers",
)  # fmt: skip


def _write(
    county: County,
    evaluation: Evaluation,
    *,
    lang: str = "zh",
    made_on: date | None = None,
    register: Register | None = None,
    ledger: pd.DataFrame | None = None,
) -> bytes:
    """Return the self-evaluation report as a Word document.

    It says "met" only of what the evaluation found met; what lacks data or evidence stands in a chapter of its own.

    ``register``: the plan's tasks on a day: how many are done. ``ledger``: the rectification ledger: how many entries
    are closed.
    """
    stamp = ReportStamp.of_evaluation(county, evaluation, made_on)
    title = text("report.self.title", lang, county=stamp.county(lang), aim=evaluation.standard.aim(lang))
    letter = Letter(stamp, title, lang)
    letter.line(text("report.self.subtitle", lang, year=stamp.school_year(lang)))
    title = wording.sentence(evaluation.standard.title(lang), lang)
    document = wording.sentence(evaluation.standard.document, lang)
    key = "intro_report" if evaluation.standard.progress_report else "intro" if document else "intro_bare"
    letter.paragraph(text(f"report.self.{key}", lang, standard=title, document=document, county=stamp.county(lang)))
    _basics(letter, county, evaluation, lang)
    brief._overview(letter, evaluation, lang)
    before = _year_before(county, evaluation)
    _done(letter, county, evaluation, before, register, ledger, lang)
    _published(letter, county, evaluation, lang)
    _by_category(letter, evaluation, lang)
    brief._by_school(letter, county, evaluation, lang, most=0)
    brief._differences(letter, evaluation, lang)
    _problems(letter, county, evaluation, lang)
    _causes(letter, county, evaluation, before, lang)
    _measures(letter, county, evaluation, lang)
    brief._open_items(letter, evaluation, lang)
    _conclusion(letter, evaluation, lang)
    letter.origin()
    letter.sign(text("report.self.unit", lang))
    return letter.content()


def _basics(letter: Letter, county: County, evaluation: Evaluation, lang: str) -> None:
    """Say how many schools, pupils and teachers the county has; what is not known is not said."""
    frame = indicators.frames(county, evaluation.standard).county_years
    row = frame[frame["year"] == evaluation.year].iloc[0]
    known = {name: float(row[name]) for name in _BASICS if name in row and not math.isnan(row[name])}
    parts = [
        text(f"report.basics.{name}", lang, n=f"{n:,.0f}")
        for name, n in known.items()
        if n > 0 or not name.startswith("n_")
    ]
    letter.heading(text("report.basics.heading", lang))
    joint = "，" if lang == "zh" else ", "
    head = text("report.basics.intro", lang, county=letter.stamp.county(lang), year=letter.stamp.school_year(lang))
    words = head + joint.join(parts) + text("report.stop", lang)
    if known.get("n_special"):
        words += (" " if lang == "en" else "") + text("report.basics.special", lang)
    letter.paragraph(words)
    if banner := letter.stamp.banner(lang):
        letter.paragraph(banner)


def _year_before(county: County, evaluation: Evaluation) -> Evaluation | None:
    """Return the county judged by the same standard a school year earlier; None without figures of that year."""
    year = evaluation.year - 1
    if year not in county.years:
        return None
    switches = evaluation.provenance.get("definitions")
    return evaluate(county, evaluation.standard, year=year,
                    definitions=switches if isinstance(switches, Mapping) else None)  # fmt: skip


def _done(
    letter: Letter,
    county: County,
    evaluation: Evaluation,
    before: Evaluation | None,
    register: Register | None,
    ledger: pd.DataFrame | None,
    lang: str,
) -> None:
    """Tell what was done and what came of it: against the year before, by documents, tasks and ledger."""
    letter.heading(text("report.self.done", lang))
    if before is None:
        letter.paragraph(text("report.self.no_before", lang))
    else:
        then = {result.item.code: result.status for result in before.items}
        year = text("report.school_year", lang, year=before.year, next=before.year + 1)
        counts = {"then": len(before.with_status("met")), "now": len(evaluation.with_status("met"))}
        letter.paragraph(text("report.self.before", lang, year=year, **counts))
        changed = {
            "gained": [r for r in evaluation.with_status("met") if then.get(r.item.code, "met") != "met"],
            "lost": [r for r in evaluation.with_status("not_met") if then.get(r.item.code) == "met"],
            "waiting": [r for r in evaluation.with_status(*OPEN) if then.get(r.item.code) == "met"],
        }
        for key, results in changed.items():
            if results:
                letter.paragraph(text(f"report.self.{key}", lang, n=len(results)) + _listed(results, lang))
    papers = county.tables["evidence"]
    mine = papers[(papers["standard"] == evaluation.standard.id) & (papers["year"] == evaluation.year)]
    words = []
    if len(mine):
        words.append(text("report.self.papers", lang, n=len(mine), met=int((mine["finding"] == "met").sum())))
    if register is not None and len(register.tasks):
        done = register.counts()["done"]
        words.append(
            text("report.self.works", lang, day=_said_day(register.on, lang), total=len(register.tasks), done=done)
        )
    if ledger is not None and len(ledger):
        words.append(text("report.self.ledger", lang, n=len(ledger), **wording._closed(ledger_counts(ledger), lang)))
    if words:
        letter.paragraph(("" if lang == "zh" else " ").join(words))


def _published(letter: Letter, county: County, evaluation: Evaluation, lang: str) -> None:
    """Hold what the plan or report says was reached against the county's own data, year by year."""
    rows = achievements(evaluation.standard, county).to_dict("records")
    known = [row for row in rows if row["agrees"] is not None]
    if not (known or (rows and evaluation.standard.progress_report)):
        return
    agree = sum(row["agrees"] for row in known)
    letter.heading(text("report.self.published", lang))
    title = wording.sentence(evaluation.standard.title(lang), lang)
    counts = {"n": len(rows), "known": len(known), "agree": agree, "differ": len(known) - agree}
    letter.paragraph(text("report.self.published_intro", lang, standard=title, rest=len(rows) - len(known), **counts))
    head = [text(f"report.self.published_head.{key}", lang) for key in ("number", "item", "stated", "found", "agrees")]
    body: list[list[object]] = [[place, *_result(row, lang)] for place, row in enumerate(rows, 1)]
    letter.table(text("report.self.published_table", lang), head, body, (1.3, 6, 3, 3.4, 2.2), centred=(0, 4))
    for row in {tuple(row["by_year"].values()): row for row in known}.values():
        years = listed(by_year_words(row, lang), lang)
        letter.small(text("report.self.published_series", lang, item=row[f"label_{lang}"], years=years))


def _result(row: Mapping[str, Any], lang: str) -> list[object]:
    """Return a published result as a row: what it is, the figure published, the county's own, whether they agree."""
    stated = row["words"]
    if not math.isnan(row["value"]):
        value = quantity(row["value"], row["unit"], places=_AS_PUBLISHED)[lang]
        stated = text(f"report.self.published_as.{row['operator']}", lang, value=value)
    found = "–"
    if row["agrees"] is not None:
        value = quantity(row["found"], row["unit"], row["value"])[lang]
        found = text("report.self.published_year", lang, value=value, year=row["year"])
    label = wording.sentence(wording.plain(row[f"label_{lang}"], 300, lang), lang)
    return [label, stated, found, text(f"workplan.agrees.{row['agrees']}", lang)]


def _listed(results: Sequence[ItemResult], lang: str) -> str:
    joint = "；" if lang == "zh" else "; "
    return joint.join(findings._label(result, lang) for result in results) + text("report.stop", lang)


def _causes(letter: Letter, county: County, evaluation: Evaluation, before: Evaluation | None, lang: str) -> None:
    """Say where the shortfalls lie and what moved, as far as the data tell; the county adds the rest."""
    short = evaluation.with_status("not_met")
    if not short:
        return
    letter.heading(text("report.self.causes", lang))
    letter.paragraph(text("report.self.causes_intro", lang))
    names = Counter(findings._category(result.item.category, lang) for result in short)
    name, n = names.most_common(1)[0]
    points = [text("report.self.cause_category", lang, category=name, n=n, share=f"{n / len(short):.0%}")]
    low = evaluation.schools[[met is False for met in evaluation.schools["met"]]]
    low = low.drop_duplicates(["school_id", "stage"])
    if len(low):
        points += _where(low, county, evaluation, lang)
    if before is not None:
        then = {result.item.code: result.gap for result in before.items}
        worse = [r for r in short if r.gap < then.get(r.item.code, -math.inf) - 1e-9]
        if worse:
            items = _listed(worse, lang).removesuffix(text("report.stop", lang))
            points.append(text("report.self.cause_worse", lang, n=len(worse), items=items))
    letter.points([*points, text("report.self.causes_own", lang)])


def _where(low: pd.DataFrame, county: County, evaluation: Evaluation, lang: str) -> list[str]:
    """Say among which schools those below a line lie, and how many of them grew."""
    schools = county.spoken(lang).tables["schools"].drop_duplicates("school_id").set_index("school_id")
    choices = tables.table("schools").columns["kind"].choices or {}
    kinds = Counter(str(kind) for kind in low["school_id"].map(schools["kind"]).dropna())
    said = (
        text(
            "report.self.cause_kind_part",
            lang,
            kind=choices[kind] if lang == "zh" else kind.replace("_year", "-year").replace("_", " "),
            n=n,
        )
        for kind, n in kinds.most_common()
    )
    parts = listed(said, lang)
    points = [text("report.self.cause_kind", lang, n=len(low), parts=parts)] if parts else []
    towns = Counter(
        str(town) for town in low.drop_duplicates("school_id")["school_id"].map(schools["township"]).dropna()
    )
    n = max(towns.values(), default=0)
    most = [wording.name(town, lang) for town in towns if towns[town] == n]
    if n > 1 and len(most) <= _MOST_TOWNS:
        key = "cause_township" if len(most) == 1 else "cause_townships"
        points.append(text(f"report.self.{key}", lang, townships=listed(most, lang), n=n))
    rolls = county.tables["school_years"].drop_duplicates(["school_id", "stage", "year"])
    rolls = rolls.pivot(index=["school_id", "stage"], columns="year", values="pupils")
    rolls = rolls.reindex(columns=[evaluation.year - 1, evaluation.year]).astype(float)
    change = rolls.diff(axis=1)[evaluation.year]
    grown = int((change.reindex(pd.MultiIndex.from_frame(low[["school_id", "stage"]])) > 0).sum())
    return [*points, text("report.self.cause_growth", lang, n=grown)] if grown else points


def _by_category(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    letter.heading(text("report.self.items", lang))
    for words, results in findings.by_category(evaluation, lang).items():
        letter.heading(words, 2)
        letter.paragraph(text("report.self.category", lang, **findings.tally(results)))
        brief._item_table(letter, text("report.self.table", lang, category=words), findings.rows(results, lang), lang)


def _problems(letter: Letter, county: County, evaluation: Evaluation, lang: str) -> None:
    letter.heading(text("report.self.problems", lang))
    short = evaluation.with_status("not_met")
    if not short:
        letter.paragraph(text("report.shortfalls.none", lang))
        return
    letter.points([findings._sentence(result, lang) for result in short])
    rows = findings._failing_schools(evaluation, findings.Names.of(county, lang), lang)
    if rows:
        head = [text(f"report.schools.{key}", lang) for key in ("school", "stage", "misses", "need", "rule")]
        letter.table(text("report.schools.table", lang), head, rows, (3.4, 1.6, 5, 3.6, 2), centred=(1, 4))


def _measures(letter: Letter, county: County, evaluation: Evaluation, lang: str) -> None:
    """Say what closing the gaps takes, and of each item not met what is to be done, by whom and by when."""
    needs = findings.needs(evaluation, lang)
    short = evaluation.with_status("not_met")
    if not short:
        return
    letter.heading(text("report.needs.heading", lang))
    if needs:
        letter.paragraph(text("report.needs.intro", lang))
        head = [text(f"report.needs.{key}", lang) for key in ("indicator", "stage", "schools", "need")]
        letter.table(text("report.needs.table", lang), head, needs, (6, 2, 2, 5), centred=(1, 2))
        letter.small(text("report.needs.note", lang))
    letter.paragraph(text("report.units.intro", lang, n=len(short)))
    problems = problem_list(evaluation, county, lang=lang)
    unnamed = text("report.units.unnamed", lang)
    rows: list[list[object]] = []
    for result in short:
        mine = problems[problems["code"] == result.item.code]
        schools = mine.loc[mine["school_id"] != "", "school_id"].nunique()
        told = text("report.units.schools", lang, n=schools) if schools else mine["measure"].iloc[0]
        measure, unit = (
            wording.sentence(told, lang),
            wording.name(wording.offices(result.item.lead_unit, lang)) or unnamed,
        )
        rows.append([findings._label(result, lang), measure, unit, _when(result.item.deadline, lang)])
    head = [text(f"report.units.{key}", lang) for key in ("item", "measure", "unit", "deadline")]
    letter.table(text("report.units.table", lang), head, rows, (5, 5, 2.6, 2.4), centred=(3,))


def _when(deadline: str, lang: str) -> str:
    return _said_day(deadline_words(deadline, lang), lang) or "–"


def _conclusion(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    letter.heading(text("report.self.conclusion", lang))
    whole = findings.tally([r for results in findings.by_category(evaluation).values() for r in results])
    title = wording.sentence(evaluation.standard.title(lang), lang)
    params = {"county": letter.stamp.county(lang), "year": letter.stamp.school_year(lang), "standard": title, **whole}
    verdict = "report" if evaluation.standard.progress_report else evaluation.verdict
    said = text(f"report.self.{verdict}", lang, **params, waiting=findings._open_words(whole, lang))
    if evaluation.official is not None:
        said += text("report.self.official", lang, official=evaluation.official.sentence(lang))
    letter.paragraph(said)
