"""Tell an outcome: one sentence for a county head, losses first; everything as plain values for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from balance_lib.evaluation import number
from balance_lib.locale import text
from balance_lib.scenarios.result import plain, records

if TYPE_CHECKING:
    from balance_lib.scenarios.result import Outcome


def sentence(outcome: Outcome, lang: str = "zh") -> str:
    """Say what was done, who loses, what is gained, and whether it may be."""
    if outcome.status == "unchanged":
        year = outcome.scenario.judged_year
        return text("scenarios.sentence.unchanged", lang, county=_county(outcome, lang), year=year)
    parts = [_done(outcome, lang), _losses(outcome, lang), _gains(outcome, lang), _verdict(outcome, lang)]
    return " ".join(part for part in parts if part) if lang == "en" else "".join(parts)


def _done(outcome: Outcome, lang: str) -> str:
    book = outcome.bookkeeping
    told = {
        "county": _county(outcome, lang), "year": outcome.scenario.judged_year, "schools_before": book.schools_before,
        "schools_after": book.schools_after, "points_before": book.points_before, "points_after": book.points_after,
        "moved": number(outcome.moved), "villages": len(outcome.affected),
    }  # fmt: skip
    return text("scenarios.sentence.done", lang, **told)


def _losses(outcome: Outcome, lang: str) -> str:
    moves = outcome.moves
    if moves.empty:
        return text("scenarios.sentence.nobody", lang)
    longer = moves[moves["extra_m"] > 0]
    young = moves[
        (moves["band"] == "g1_3") & (moves["minutes_after"] > outcome.scenario.settings.number("young_minutes"))
    ]
    worst = outcome.affected.iloc[0]
    board = (moves["boarders_after"] - moves["boarders_before"]).clip(lower=0.0).sum()
    counts = {"longer": longer["pupils"].sum(), "far": moves["far"].sum(), "young": young["pupils"].sum(),
              "riders": moves["riders"].sum(), "boarders": board}  # fmt: skip
    parts = [text(f"scenarios.loss.{name}", lang, n=number(n)) for name, n in counts.items() if n > 0]
    village = worst["village"] if isinstance(worst["village"], str) else text("scenarios.unknown_home", lang)
    if not parts:
        return text("scenarios.sentence.no_losses", lang)
    told = text("scenarios.loss.and", lang).join(parts)
    return text("scenarios.sentence.losses", lang, losses=told, village=village, km=_km(worst["worst_metres"]))


def _gains(outcome: Outcome, lang: str) -> str:
    costs = outcome.costs.groupby("kind")["change_yuan"].sum()
    met = [len(evaluation.with_status("met")) for evaluation in (outcome.before, outcome.after)]
    told = {
        "standard": outcome.after.standard.title(lang), "met_before": met[0], "met_after": met[1],
        "running": _change(float(costs.get("running", 0.0)), lang),
        "investment": f"{float(costs.get('investment', 0.0)) / 10_000:,.0f}",
    }  # fmt: skip
    return text("scenarios.sentence.gains", lang, **told)


def _verdict(outcome: Outcome, lang: str) -> str:
    breaking = outcome.broken("breaks")
    return text(f"scenarios.sentence.{outcome.status}", lang, n=len(breaking), rules=_rules(outcome, lang))


def _rules(outcome: Outcome, lang: str) -> str:
    first = outcome.broken("forbids") or outcome.broken("breaks")
    return first[0].what(lang) if first else ""


def _county(outcome: Outcome, lang: str) -> str:
    return outcome.county_zh if lang == "zh" else outcome.county_en or outcome.county_zh


def _km(metres: float) -> str:
    return f"{metres / 1000:.1f}" if math.isfinite(metres) else "–"


def _change(yuan: float, lang: str) -> str:
    return text(f"scenarios.change.{'less' if yuan < 0 else 'more'}", lang, wan=f"{abs(yuan) / 10_000:,.0f}")


def as_dict(outcome: Outcome, lang: str = "zh") -> dict[str, Any]:
    """Return everything as plain JSON values; "no data" is null."""
    book = outcome.bookkeeping
    return {
        "county": outcome.county_id,
        "county_name": _county(outcome, lang),
        "scenario": outcome.scenario.as_dict(),
        "year": outcome.scenario.year,
        "judged_year": outcome.scenario.judged_year,
        "status": outcome.status,
        "sentence": outcome.sentence(lang),
        "attendance": outcome.basis,
        "warning": text("scenarios.estimated_warning", lang) if outcome.basis == "estimated" else None,
        "synthetic": outcome.synthetic,
        "moved": plain(outcome.moved),
        "breaks": [found.as_dict(lang) for found in outcome.breaks],
        "bookkeeping": {name: plain(value) for name, value in vars(book).items()} | {"sentence": book.sentence(lang)},
        "layout": records(outcome.layout),
        "affected": records(outcome.affected),
        "worst": records(outcome.worst),
        "shares": records(outcome.shares),
        "coverage": records(outcome.coverage),
        "moves": records(outcome.moves),
        "schools": records(outcome.schools),
        "costs": [{**row, "label": text(f"scenarios.cost.{row['item']}", lang)} for row in records(outcome.costs)],
        "goods": records(outcome.goods),
        "solution": {name: plain(value) if not isinstance(value, tuple) else list(value)
                     for name, value in outcome.solution.items()},
        "evaluation": {"before": _brief(outcome.before, lang), "after": _brief(outcome.after, lang)},
        "provenance": dict(outcome.provenance),
    }  # fmt: skip


def _brief(found: Any, lang: str) -> dict[str, Any]:
    """Return an evaluation without its rows behind every item: those stand in ``balance evaluate``."""
    whole = found.as_dict(lang)
    items = [{name: value for name, value in item.items() if name != "rows"} for item in whole["items"]]
    keep = ("standard", "standard_title", "year", "verdict", "sentence", "counts", "cv")
    return {**{name: whole[name] for name in keep}, "items": items}
