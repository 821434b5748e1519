"""Write results as plain text for a terminal."""

from __future__ import annotations

from balance_lib.evaluation import Evaluation, number
from balance_lib.locale import text, unit
from balance_lib.standards import Standard

_SIGN = {"met": "✓", "not_met": "✗", "no_data": "?", "evidence": "○", "not_due": "…", "not_applicable": "–"}


def standard(found: Standard, lang: str) -> str:
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
    if found.synthetic:
        lines.append(text("banner.synthetic", lang))
    for status in ("not_met", "no_data", "evidence", "not_due", "met", "not_applicable"):
        results = found.with_status(status)
        if results:
            lines += ["", f"{text(f'status.{status}', lang)} ({len(results)})"]
        for result in results:
            lines.append(
                f"  {_SIGN[status]} {result.item.code:<14} {result.item.label(lang)}: {result.reason.render(lang)}"
            )
    if not found.cv.empty:
        lines += ["", text("cli.coefficients", lang)]
    for row in found.cv.itertuples():
        limit = "" if row.limit != row.limit else f" (≤ {number(row.limit)})"
        name = (
            text("evaluation.composite", lang)
            if row.indicator == "composite"
            else found.standard.indicators[row.indicator].label(lang)
        )
        value = "–" if row.cv != row.cv else f"{row.cv:.3f}"
        lines.append(f"  {text(f'stage.{row.stage}', lang)}  {value}{limit}  {name}")
    return "\n".join(lines)
