"""Write results as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from balance_lib.evaluation import Evaluation, ItemResult, indicators, label_of, number
from balance_lib.evaluation.figures import figure
from balance_lib.locale import banners, text, unit
from balance_lib.standards import STAGES, Standard

_SIGN = {"met": "✓", "not_met": "✗", "no_data": "?", "evidence": "○", "not_due": "…", "not_applicable": "–"}


def _standard(found: Standard, lang: str) -> str:
    """Write a standard: its head, its notes, and a line for every item."""
    lines = [f"{found.id}  {found.title(lang)}", f"{found.document}  {found.issued}", ""]
    lines += [f"! {note.get(lang, note['zh'])}" for note in found.notes]
    for item in found.items:
        value = (
            f"{item.operator} {item.value}{unit(item.unit)[lang]}" if item.operator not in ("", "qualitative") else ""
        )
        lines.append(f"{item.code:<14} {item.kind:<10} {item.label(lang)}  {value}  {item.deadline}".rstrip())
        lines += [f"{'':<14} ! {note.get(lang, note['zh'])}" for note in item.notes]
    return "\n".join(lines)


def evaluation(found: Evaluation, lang: str) -> str:
    """Write an evaluation: the verdict first, then what stands in the way, then everything else."""
    lines = [text(f"verdict.{found.verdict}", lang), found.sentence(lang)]
    if found.official is not None:
        lines.append(found.official.sentence(lang))
    if found.score is not None:
        lines.append(found.score.sentence(lang))
    lines += banners(found.provenance, lang)
    for status in ("not_met", "no_data", "evidence", "not_due", "met", "not_applicable"):
        results = found.with_status(status)
        if results:
            lines += ["", f"{text(f'status.{status}', lang)} ({len(results)})"]
        if status == "no_data":
            told, rest = _lacking(found, results, lang)
            lines += told
        lines += [_line(result, lang) for result in (rest if status == "no_data" else results)]
    if not found.cv.empty:
        lines += ["", text("cli.coefficients", lang)]
    for row in found.cv.itertuples():
        limit = "" if row.limit != row.limit else f" (≤ {number(row.limit)})"
        name = (
            text("evaluation.composite", lang)
            if row.indicator == "composite"
            else found.standard.indicators[row.indicator].label(lang)
        )
        value = figure(row.cv, 3, row.limit, "<=")
        lines.append(f"  {text(f'stage.{row.stage}', lang)}  {value}{limit}  {name}")
    return "\n".join(lines)


def _line(result: ItemResult, lang: str) -> str:
    """Write one finding; where only the document is wanted, its group's head has said so."""
    why = "" if result.reason.key == "reason.evidence.open" else f": {result.reason.render(lang)}"
    return f"  {_SIGN[result.status]} {result.item.code:<14} {result.item.label(lang)}{why}"


def _lacking(found: Evaluation, results: Sequence[ItemResult], lang: str) -> tuple[list[str], Sequence[ItemResult]]:
    """Write a line a column that all schools lack or the county has not told, and return the findings still to tell."""
    schools: dict[str, list[str]] = {}
    for result in results:
        for name, count in result.reason.params.get("lacking", {}).items():
            if count == result.reason.params["n"] >= _judged(found, result.item.stage):
                schools.setdefault(name, []).append(result.item.code)
    county: dict[str, list[str]] = {}
    rest = []
    for result in results:
        code, said = result.item.code, result.reason.params
        wanted = [_figure(name, schools) for name in said.get("figures", ())] or _of_indicator(found, result)
        here = [name for name in wanted if name in schools]
        for name in wanted if "figures" in said else here:
            (schools if name in schools else county).setdefault(name, []).append(code)
        rows = set(said.get("lacking", ()))
        if not (here or "figures" in said or (rows and rows <= set(schools))):
            rest.append(result)
    heads = {"lacking_all": schools, "lacking_county": county}
    lines = []
    for key, columns in heads.items():
        if columns:
            lines += [text(f"cli.{key}", lang, n=len(columns), year=found.year), *_columns(columns, lang)]
    return [*lines, *([text("cli.lacking_some", lang)] if lines and rest else [])], rest


def _judged(found: Evaluation, stage: str) -> int:
    """Return how many schools are judged; an item may speak of few of them."""
    rows = found.schools
    return int(
        rows.loc[rows["stage"] == stage, "school_id"].nunique() if stage in STAGES else rows["school_id"].nunique()
    )


def _columns(columns: dict[str, list[str]], lang: str) -> list[str]:
    said = {name: ", ".join(dict.fromkeys(codes)) for name, codes in columns.items()}
    lines = [text("cli.lacking", lang, name=label_of(name, lang), codes=codes) for name, codes in said.items()]
    return sorted(lines, key=len)


def _figure(name: str, schools: dict[str, list[str]]) -> str:
    """Return the column of a sum over schools, where all schools lack it; else the name as it is."""
    bare = next((name.removeprefix(p) for p in ("primary_", "junior_", "all_") if name.startswith(p)), name)
    return bare if bare in schools else name


def _of_indicator(found: Evaluation, result: ItemResult) -> list[str]:
    """Return the columns the coefficient of an indicator needs."""
    measure = result.item.measure
    if measure is None or measure.source != "cv" or measure.formula not in found.standard.indicators:
        return []
    formula = found.standard.indicators[str(measure.formula)].formula
    parts = formula.values() if isinstance(formula, dict) else [formula]
    return [name for part in parts for name in indicators.names_in(str(part))]
