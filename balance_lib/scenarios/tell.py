"""Word the parts of an outcome: what was done, who loses, what is gained, whether it may be, and the judgement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from balance_lib.evaluation import Evaluation, number
from balance_lib.locale import count_change, text
from balance_lib.scenarios.operations import Operation
from balance_lib.scenarios.settings import Procedure


def done(county: str, year: int, counts: Mapping[str, float], lang: str) -> str:
    """Say what becomes of the schools and points, and how many pupils of how many villages move.

    ``counts`` holds ``moved`` and ``villages`` besides the numbers of the bookkeeping.

    Parameters
    ----------
    county : str
    year : int
    counts : mapping of str to float
        Numbers by name.
    lang : {"zh", "en"}
    """
    told = {
        "county": county, "year": year, "moved": number(counts["moved"]),
        "homes": text("scenarios.sentence.homes", lang, n=counts["villages"]) if counts["villages"] else "",
        **{of: count_change(of, counts[f"{of}_before"], counts[f"{of}_after"], lang) for of in ("schools", "points")},
    }  # fmt: skip
    return text("scenarios.sentence.done", lang, **told)


def operation(done: Operation, lang: str) -> str:
    """Say what is done to a school with its figures, such as the beds it gets.

    Parameters
    ----------
    done : Operation
    lang : {"zh", "en"}
    """
    verb, facts = text(f"scenarios.verb.{done.verb}", lang), done.as_dict()
    if not done.structural or "top_grade" in facts:
        facts |= {"villages": len(facts.get("villages", ())), "minutes": number(facts.get("minutes", 0.0))}
        facts["stage"] = text(f"stage.{facts.get('stage', 'primary')}", lang)
        verb = text(f"scenarios.extent.{done.verb}", lang, verb=verb, **facts)
    return verb


def _losses(moves: pd.DataFrame, affected: pd.DataFrame, young_minutes: float, lang: str) -> str:
    """Say who loses: longer ways, young children too long on foot, riders, boarders, and the worst village.

    ``affected``: villages that lose, worst first. ``young_minutes``: minutes a young pupil may travel.
    """
    if moves.empty:
        return text("scenarios.sentence.nobody", lang)
    longer = moves[moves["extra_m"] > 0]
    young = moves[(moves["band"] == "g1_3") & (moves["minutes_after"] > young_minutes)]
    ways = affected["worst_metres"].astype(float)
    worst = affected.loc[ways.idxmax() if ways.notna().any() else affected.index[0]]
    board = (moves["boarders_after"] - moves["boarders_before"]).clip(lower=0.0).sum()
    counts = {"longer": longer["pupils"].sum(), "far": moves["far"].sum(), "young": young["pupils"].sum(),
              "riders": moves["riders"].sum(), "boarders": board}  # fmt: skip
    parts = [text(f"scenarios.loss.{name}", lang, n=number(n)) for name, n in counts.items() if n > 0]
    village = worst["village"] if isinstance(worst["village"], str) else text("scenarios.unknown_home", lang)
    if not parts:  # a way nobody can measure may be longer
        return "" if moves["extra_m"].isna().any() else text("scenarios.sentence.no_losses", lang)
    told = text("scenarios.loss.and", lang).join(parts)
    return text("scenarios.sentence.losses", lang, losses=told, village=village, km=_km(worst["worst_metres"]))


def _gains(yuan: Mapping[str, float], before: Evaluation, after: Evaluation, lang: str) -> str:
    """Say how many items are met before and after, and what it costs or saves.

    ``yuan``: what it adds a year ("running") and once ("investment").
    """
    met, now_met = (len(evaluation.with_status("met")) for evaluation in (before, after))
    told = {
        "standard": after.standard.title(lang), "met": count_change("met", met, now_met, lang),
        "running": _change(yuan["running"], lang), "investment": once(yuan["investment"], lang),
    }  # fmt: skip
    return text("scenarios.sentence.gains", lang, **told)


def procedure(of: Procedure, lang: str) -> str:
    """Say which steps towards a decision are done, with their dates, and which are due.

    Parameters
    ----------
    of : Procedure
    lang : {"zh", "en"}
    """
    taken, due = (
        text("scenarios.and", lang).join(step.message.render(lang) for step in steps) for steps in (of.taken, of.due)
    )
    key = "due" if not taken else "part" if due else "done"
    return text(f"scenarios.procedure.{key}", lang, taken=taken, due=due)


def _km(metres: float) -> str:
    return f"{metres / 1000:.1f}" if math.isfinite(metres) else "–"


def _change(yuan: float, lang: str) -> str:
    return text(f"scenarios.change.{'less' if yuan < 0 else 'more'}", lang, wan=f"{abs(yuan) / 10_000:,.0f}")


def once(yuan: float, lang: str) -> str:
    """Say what is to be paid once, or that it is not known.

    Parameters
    ----------
    yuan : float
        NaN where nobody knows.
    lang : {"zh", "en"}
    """
    return text(f"scenarios.once.{'unknown' if math.isnan(yuan) else 'known'}", lang, wan=f"{yuan / 10_000:,.0f}")


def _judgement(found: Evaluation, lang: str) -> dict[str, Any]:
    """Return an evaluation without its rows behind every item: those stand in ``balance evaluate``."""
    whole = found.as_dict(lang)
    items = [{name: value for name, value in item.items() if name != "rows"} for item in whole["items"]]
    keep = ("standard", "standard_title", "year", "verdict", "sentence", "counts", "cv")
    return {**{name: whole[name] for name in keep}, "items": items}
