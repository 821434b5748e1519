"""Write the figures a leader looks at first as cards; what is not known is said, never counted as nought."""

from __future__ import annotations

import pandas as pd

from balance_lib.evaluation import OPEN, Evaluation, number
from balance_lib.evaluation.figures import figure
from balance_lib.evaluation.schools import COMPOSITE
from balance_lib.locale import text
from balance_lib.show.widgets.markup import part
from balance_lib.show.widgets.style import card, lamp


def _cards(found: Evaluation, before: Evaluation | None, lang: str, late: int | None = None) -> str:
    """Return the four to six figures a leader looks at, each with its year, its line and a lamp.

    ``late`` is how many of the plan's tasks are overdue; None where it has none.

    Returns
    -------
    str
        HTML.
    """
    out = [_met_card(found, before, lang), _short_card(found, lang), _schools_card(found, lang)]
    out += [_composite_card(found, stage, lang) for stage in ("primary", "junior")]
    out.append(_countdown_card(found, late, lang))
    return part("grid", lang, [each for each in out if each])


def _met_card(found: Evaluation, before: Evaluation | None, lang: str) -> str:
    counts = found.counts()
    title, total = text("page.card.met", lang), sum(counts.values()) - counts["not_applicable"]
    if not counts["met"] + counts["not_met"]:  # nothing is known: a nought would read as a finding
        return card(title, "–", text("page.card.unknown", lang, n=total), "no_data", lang)
    if (official := found.official) is not None:
        note = text("page.card.official", lang, met=counts["met"], total=total)
        status = "met" if len(official.met) == official.n else None
        return card(title, f"{len(official.met)} / {official.n}", note, status, lang)
    return card(
        title, f"{counts['met']} / {total}", _since(found, before, lang),
        "met" if counts["met"] == total else None, lang,
    )  # fmt: skip


def _short_card(found: Evaluation, lang: str) -> str:
    """Say how many items are not met, and how many are open; where none fails, those that are open come first."""
    counts = found.counts()
    waiting = sum(counts[s] for s in OPEN)
    still = text("page.card.open_note", lang, **counts) if waiting else ""
    if waiting and not counts["not_met"]:
        return card(text("page.card.open", lang), str(waiting), still, "evidence", lang)
    note = text("page.card.also_open", lang, n=waiting, kinds=still) if waiting else ""
    note = note or text("page.card.not_met_note", lang)
    title = text("page.card.not_met" if found.official is None else "page.card.not_met_parts", lang)
    return card(title, str(counts["not_met"]), note, "not_met" if counts["not_met"] else "met", lang)


def _since(found: Evaluation, before: Evaluation | None, lang: str) -> str:
    if before is None:
        return text("page.card.no_before", lang)
    change = found.counts()["met"] - before.counts()["met"]
    return text("page.card.since", lang, year=before.year, change=f"{change:+d}")


def _schools_card(found: Evaluation, lang: str) -> str:
    status = found.school_status()
    if status.empty:
        return ""
    sound = int((status == "met").sum())
    short = int((status == "not_met").sum())
    if not sound + short:
        unknown = text("page.card.schools_unknown", lang, n=len(status))
        return card(text("page.card.schools", lang), "–", unknown, "no_data", lang)
    note = text("page.card.schools_note", lang, short=short, unknown=len(status) - sound - short)
    state = "not_met" if short else "no_data" if sound < len(status) else "met"
    return card(text("page.card.schools", lang), f"{sound} / {len(status)}", note, state, lang)


def _composite_card(found: Evaluation, stage: str, lang: str) -> str:
    rows = found.cv[(found.cv["stage"] == stage) & (found.cv["indicator"] != COMPOSITE)]
    judged = rows[rows["limit"].notna()]
    composite = found.cv[(found.cv["stage"] == stage) & (found.cv["indicator"] == COMPOSITE)]
    name = text(f"stage.{stage}", lang)
    if len(judged):
        over = judged[[met is False for met in judged["met"]]]
        unknown = judged[[met is None for met in judged["met"]]]
        worst = judged.sort_values("cv", ascending=False).iloc[0]
        shown = figure(worst["cv"], 3, worst["limit"], "<=")
        note = text("page.card.cv_each_note", lang, over=len(over), n=len(judged), limit=number(worst["limit"]))
        if len(unknown):
            key = "cv_some" if len(unknown) < len(judged) else "cv_none"
            note = text(f"page.card.{key}", lang, over=len(over), n=len(judged), unknown=len(unknown))
        state = "not_met" if len(over) else "no_data" if len(unknown) else "met"
        return card(text("page.card.cv_each", lang, stage=name), shown, note, state, lang)
    if composite.empty:
        return ""
    row = composite.iloc[0]
    shown = figure(row["cv"], 3, row["limit"], "<=")
    has_limit = row["limit"] == row["limit"]
    note = text("page.card.cv_note", lang, limit=number(row["limit"])) if has_limit else text("page.card.cv_free", lang)
    light = {True: "met", False: "not_met", None: "no_data"}[row["met"]] if has_limit else None
    return card(text("page.card.cv", lang, stage=name), shown, note, light, lang)


def _countdown_card(found: Evaluation, late: int | None, lang: str) -> str:
    """Say how many days are left to the next date of an open item, and how many tasks are overdue."""
    dates = [r.item.due for r in found.with_status("not_met", *OPEN) if r.item.due is not None]
    ahead = [due for due in dates if due >= found.on]
    if not ahead:
        note = text("page.card.late_note", lang, on=found.on)
        return card(text("page.card.late", lang), str(late), note, None, lang) if late else ""
    due = min(ahead)
    note = text("page.card.countdown_note", lang, due=due.isoformat(), on=found.on.isoformat())
    note += text("page.card.countdown_late", lang, late=late) if late else ""
    return card(text("page.card.countdown", lang), text("page.card.days", lang, n=(due - found.on).days), note,
                "not_due", lang)  # fmt: skip


def _coefficient_verdict(found: Evaluation, lang: str) -> str:
    """Return how the difference coefficients stand in a sentence: how many exceed their limit, the largest."""
    judged = found.cv[found.cv["limit"].notna()]
    known = [met for met in judged["met"] if met is not None]
    over, unknown = sum(met is False for met in known), len(judged) - len(known)
    facts = {"n": len(judged), "over": over, "unknown": unknown}
    if judged.empty:
        rows = found.cv[(found.cv["indicator"] == COMPOSITE) & found.cv["cv"].notna()]
        status, said = "not_applicable", text("page.balance.free", lang, largest=_largest(found, rows, lang))
    elif not known:
        status, said = "no_data", text("page.balance.none_known", lang, **facts)
    else:
        status = "not_met" if over else "no_data" if unknown else "met"
        key = "some_known" if unknown else "verdict"
        largest = _largest(found, judged[judged["cv"].notna()], lang)
        said = text(f"page.balance.{key}", lang, **facts, largest=largest)
    light = None if status == "not_applicable" else lamp(status, lang)
    return part("verdict", lang, said, status, light)


def _largest(found: Evaluation, rows: pd.DataFrame, lang: str) -> str:
    """Say which of some coefficients is the largest."""
    if rows.empty:
        return ""
    worst = rows.sort_values("cv", ascending=False).iloc[0]
    spec = found.standard.indicators.get(worst["indicator"])
    name = spec.label(lang) if spec else text("evaluation.composite", lang)
    stage = text(f"stage.{worst['stage']}", lang)
    return text("page.balance.largest", lang, name=name, stage=stage, cv=figure(worst["cv"], 3, worst["limit"], "<="))
