"""Write the leader's brief (简报): where the county stands, what falls short, what is lacking, what to do next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from balance_lib.data.county import County
from balance_lib.evaluation import OPEN, Evaluation, evaluate
from balance_lib.locale import bracket, listed, text
from balance_lib.office.reports import charts, findings, wording
from balance_lib.office.reports.letter import Letter
from balance_lib.office.reports.stamp import ReportStamp

MOST_SCHOOLS = 8  # a brief is read in minutes; the problem list has them all


def _write(county: County, evaluation: Evaluation, *, lang: str = "zh", made_on: date | None = None) -> bytes:
    """Return the brief as a Word document of two to four pages."""
    stamp = ReportStamp.of_evaluation(county, evaluation, made_on)
    title = text("report.brief.title", lang, county=stamp.county(lang), aim=evaluation.standard.aim(lang))
    letter = Letter(stamp, title, lang)
    letter.line(text("report.brief.subtitle", lang, year=stamp.school_year(lang), day=stamp.day(lang)))
    _overview(letter, evaluation, lang, drawn=False)
    _shortfalls(letter, evaluation, lang)
    _by_school(letter, county, evaluation, lang, most=MOST_SCHOOLS, drawn=False)
    _school_map(letter, county, evaluation, lang)
    _differences(letter, evaluation, lang, listed=False)
    _open_items(letter, evaluation, lang)
    _next_steps(letter, evaluation, lang)
    letter.origin_lines()
    return letter.content()


def _overview(letter: Letter, evaluation: Evaluation, lang: str, *, drawn: bool = True) -> None:
    """Say the verdict with its counts; the same counts stand in the table and the figure.

    ``drawn``: whether pictures are drawn.
    """
    counts = findings._category_counts(evaluation, lang)
    whole = findings.tally([r for results in findings.by_category(evaluation).values() for r in results])
    letter.heading(text("report.overview.heading", lang))
    title = wording.sentence(evaluation.standard.title(lang), lang)
    params = {"county": letter.stamp.county(lang), "year": letter.stamp.school_year(lang), "standard": title}
    if evaluation.official is not None:
        letter.paragraph(text("report.overview.official", lang, official=evaluation.official.sentence(lang), **params))
    if evaluation.score is not None:
        letter.paragraph(evaluation.score.sentence(lang))
    key = "counts_report" if evaluation.standard.progress_report else "counts"
    waiting = findings._open_words(whole, lang)
    letter.paragraph(text(f"report.overview.{key}", lang, **params, **whole, waiting=waiting))
    verdict = "report" if evaluation.standard.progress_report else evaluation.verdict
    letter.paragraph(text(f"report.overview.{verdict}", lang, **whole))
    head = [text(f"report.overview.{key}", lang) for key in ("category", "total", "met", "not_met", "open")]
    rows: list[list[object]] = [[name, *row] for name, *row in counts.itertuples(name=None)]
    rows.append([text("report.overview.sum", lang), *(int(counts[column].sum()) for column in counts)])
    letter.table(text("report.overview.table", lang), head, rows, (4, 2, 2, 2, 2), centred=(1, 2, 3, 4))
    if drawn:
        figure(letter, charts._items_by_category, counts, caption=text("report.overview.figure", lang))


def _shortfalls(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    """List the items not met."""
    letter.heading(text("report.shortfalls.heading", lang))
    found = evaluation.with_status("not_met")
    if not found:
        letter.paragraph(text("report.shortfalls.none", lang))
        return
    letter.paragraph(text("report.shortfalls.intro", lang, n=len(found)))
    _item_table(letter, text("report.shortfalls.table", lang), findings.rows(found, lang), lang)


def _item_table(letter: Letter, caption: str, rows: list[list[object]], lang: str) -> None:
    """Add a table of items.

    ``rows``: rows, cell by cell.
    """
    head = [text(f"report.items.{key}", lang) for key in ("number", "item", "required", "present", "finding")]
    letter.table(caption, head, rows, (1.3, 6, 3.2, 3.6, 1.8), centred=(0, 4))


def _by_school(
    letter: Letter, county: County, evaluation: Evaluation, lang: str, *, most: int, drawn: bool = True
) -> None:
    """Say how many schools pass, and which fall short in what.

    ``drawn``: whether pictures are drawn.
    """
    rows = findings._failing_schools(evaluation, findings.Names.of(county, lang), lang)
    sentences = findings._rule_sentences(evaluation, lang)
    if not rows and not sentences:
        return
    letter.heading(text("report.schools.heading", lang))
    told = sentences or [text("report.schools.no_rule", lang, n=len(rows))]
    letter.paragraph("".join(told) if lang == "zh" else " ".join(told))
    if drawn:
        labels, caption = findings._indicator_labels(evaluation, lang), text("report.schools.figure", lang)
        figure(letter, charts._schools_by_indicator, evaluation.schools, labels, caption=caption)
    if rows and most:
        head = [text(f"report.schools.{key}", lang) for key in ("school", "stage", "misses", "need", "rule")]
        letter.table(text("report.schools.table", lang), head, rows[:most], (3.4, 1.6, 5, 3.6, 2), centred=(1, 4))
    if len(rows) > most > 0:
        letter.small(text("report.schools.more", lang, shown=most, n=len(rows)))


def _school_map(letter: Letter, county: County, evaluation: Evaluation, lang: str) -> None:
    """Draw which schools fall short, the year before beside this one where it is known."""
    years = [year for year in (evaluation.year - 1, evaluation.year) if year in county.years]
    place = county.tables["schools"].drop_duplicates("school_id").set_index("school_id")[["lon", "lat"]].astype(float)
    panels = []
    for year in years:
        found = evaluation if year == evaluation.year else evaluate(county, evaluation.standard, year=year)
        marks = found.school_status().rename("mark")
        if len(marks):
            panels.append((text("report.school_year", lang, year=year, next=year + 1), place.join(marks, how="inner")))
    if not panels or all(rows[["lon", "lat"]].isna().all(axis=None) for _, rows in panels):
        return
    outline, marks = county.layers.get("outline.geojson"), ("met", "not_met", "no_data")
    figure(letter, charts.school_maps, panels, outline, marks, None, caption=text("report.map.schools", lang))


def _differences(letter: Letter, evaluation: Evaluation, lang: str, *, listed: bool = True) -> None:
    """Say how far schools differ, with the coefficients as table and figure.

    ``listed``: whether schools are listed.
    """
    sentences, labels = (
        findings._coefficient_sentences(evaluation, lang),
        findings._coefficient_labels(evaluation, lang),
    )
    if not sentences:
        return
    letter.heading(text("report.cv.heading", lang))
    letter.paragraph("".join(sentences) if lang == "zh" else " ".join(sentences))
    figure(letter, charts._coefficient_bars, evaluation.cv, labels, caption=text("report.cv.figure", lang))
    if not listed:
        return
    stages = [stage for stage in ("primary", "junior") if stage in set(evaluation.cv["stage"])]
    head = [text("report.cv.indicator", lang)]
    for stage in stages:
        head += [text(f"stage.{stage}", lang), text("report.items.finding", lang)]
    rows = findings._coefficient_rows(evaluation, lang)
    letter.table(text("report.cv.table", lang), head, rows, (6, *(2, 1.8) * len(stages)), centred=range(1, len(head)))


def _open_items(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    """List what cannot be judged yet, and why: none of it counts as met."""
    letter.heading(text("report.open.heading", lang))
    found = evaluation.with_status(*OPEN)
    if not found:
        letter.paragraph(text("report.open.none", lang))
        return
    letter.paragraph(text("report.open.intro", lang, n=len(found)))
    _item_table(letter, text("report.open.table", lang), findings.rows(found, lang), lang)


def _next_steps(letter: Letter, evaluation: Evaluation, lang: str) -> None:
    letter.heading(text("report.next.heading", lang))
    short, needs = evaluation.with_status("not_met"), findings.needs(evaluation, lang)
    steps = []
    if short:
        steps.append(text("report.next.ledger", lang, n=len(short)))
    if needs:
        shown = listed([f"{row[3]}{bracket(str(row[1]), lang)}" for row in needs], lang)
        steps.append(text("report.next.needs", lang, needs=shown))
    for status in ("no_data", "evidence", "not_due"):
        if n := len(evaluation.with_status(status)):
            steps.append(text(f"report.next.{status}", lang, n=n))
    letter.points(steps or [text("report.next.nothing", lang)])
    if needs:
        letter.small(text("report.needs.note", lang))


def figure(letter: Letter, draw: Callable[..., bytes], *values: object, caption: str) -> None:
    """Add a figure; where the machine has no Chinese fount, say so instead of printing empty boxes.

    Parameters
    ----------
    letter : Letter
    draw : Callable[..., bytes]
        Draws the picture for a height.
    *values : object
    caption : str
        Words under or over it.
    """
    if letter.lang == "zh" and not charts.fonts():
        letter.small(text("report.no_fonts", letter.lang, caption=caption))
        return
    letter.figure(draw(*values, letter.lang), caption)
