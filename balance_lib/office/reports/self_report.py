"""Write the county's self-evaluation report (自评报告): every item of the standard, its line, finding and problems."""

from __future__ import annotations

import math
from datetime import date

from balance_lib.data.county import County
from balance_lib.evaluation import Evaluation, indicators
from balance_lib.locale import has, text
from balance_lib.office.reports import brief, findings, wording
from balance_lib.office.reports.letter import Letter
from balance_lib.office.reports.stamp import ReportStamp

_BASICS = (
    "n_primary", "n_junior", "n_nine_year", "n_twelve_year", "n_complete_secondary", "n_teaching_point", "n_special",
    "primary_pupils", "junior_pupils", "all_classes", "all_teachers",
)  # fmt: skip


def write(county: County, evaluation: Evaluation, *, lang: str = "zh", made_on: date | None = None) -> bytes:
    """Return the self-evaluation report as a Word document.

    It says "met" only of what the evaluation found met; what lacks data or evidence stands in a chapter of its own.

    Parameters
    ----------
    county : County
    evaluation : Evaluation
        Under any standard.
    lang : {"zh", "en"}
    made_on : date, optional
        Day the paper bears; today by default.
    """
    stamp = ReportStamp.of_evaluation(county, evaluation, made_on)
    letter = Letter(stamp, text("report.self.title", lang, county=stamp.county(lang)), lang)
    letter.line(text("report.self.subtitle", lang, year=stamp.school_year(lang)))
    title = wording.sentence(evaluation.standard.title(lang), lang)
    document = wording.sentence(evaluation.standard.document, lang)
    letter.paragraph(text("report.self.intro" if document else "report.self.intro_bare", lang, standard=title,
                          document=document, county=stamp.county(lang), day=stamp.day(lang)))  # fmt: skip
    _basics(letter, county, evaluation, lang)
    brief.overview(letter, evaluation, lang)
    _by_category(letter, evaluation, lang)
    brief.by_school(letter, county, evaluation, lang, most=0)
    brief.differences(letter, evaluation, lang)
    _problems(letter, county, evaluation, lang)
    _measures(letter, evaluation, lang)
    brief.open_items(letter, evaluation, lang)
    _conclusion(letter, evaluation, lang)
    letter.sign(text("report.self.unit", lang))
    letter.origin()
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
    letter.paragraph(head + joint.join(parts) + text("report.stop", lang))
    if letter.stamp.synthetic:
        letter.paragraph(letter.stamp.banner(lang))


def _by_category(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    letter.heading(text("report.self.items", lang))
    for name, results in findings.by_category(evaluation).items():
        words = findings.category(name, lang)
        letter.heading(words, 2)
        letter.paragraph(text("report.self.category", lang, **findings.tally(results)))
        brief.item_table(letter, text("report.self.table", lang, category=words), findings.rows(results, lang), lang)


def _problems(letter: Letter, county: County, evaluation: Evaluation, lang: str) -> None:
    letter.heading(text("report.self.problems", lang))
    short = evaluation.with_status("not_met")
    if not short:
        letter.paragraph(text("report.shortfalls.none", lang))
        return
    letter.points([findings.sentence(result, lang) for result in short])
    rows = findings.failing_schools(evaluation, findings.Names.of(county, lang), lang)
    if rows:
        head = [text(f"report.schools.{key}", lang) for key in ("school", "stage", "misses", "need", "rule")]
        letter.table(text("report.schools.table", lang), head, rows, (3.4, 1.6, 5, 3.6, 2), centred=(1, 4))


def _measures(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    """Say what closing the gaps takes, and who answers for an item where the plan names a unit."""
    needs = findings.needs(evaluation, lang)
    short = [result for result in evaluation.with_status("not_met") if result.item.lead_unit]
    if not needs and not short:
        return
    letter.heading(text("report.needs.heading", lang))
    if needs:
        letter.paragraph(text("report.needs.intro", lang))
        head = [text(f"report.needs.{key}", lang) for key in ("indicator", "stage", "schools", "need")]
        letter.table(text("report.needs.table", lang), head, needs, (6, 2, 2, 5), centred=(1, 2))
        letter.small(text("report.needs.note", lang))
    if short:
        letter.paragraph(text("report.units.intro", lang, n=len(short)))
        rows: list[list[object]] = [
            [findings.label(r, lang), wording.name(r.item.lead_unit), _when(r.item.deadline, lang)] for r in short
        ]
        head = [text(f"report.units.{key}", lang) for key in ("item", "unit", "deadline")]
        letter.table(text("report.units.table", lang), head, rows, (7, 4, 3), centred=(2,))


def _when(deadline: str, lang: str) -> str:
    key = f"report.deadline.{deadline}"
    return text(key, lang) if has(key) else deadline or "–"


def _conclusion(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    letter.heading(text("report.self.conclusion", lang))
    whole = findings.tally([r for results in findings.by_category(evaluation).values() for r in results])
    title = wording.sentence(evaluation.standard.title(lang), lang)
    params = {"county": letter.stamp.county(lang), "year": letter.stamp.school_year(lang), "standard": title, **whole}
    letter.paragraph(text(f"report.self.{evaluation.verdict}", lang, **params))
