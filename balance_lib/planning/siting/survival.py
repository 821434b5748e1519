"""Tell whether a plan survives more or fewer births: does it keep its rules, and is another plan then much better?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from balance_lib.locale import text
from balance_lib.optimise import highs
from balance_lib.optimise.control import Cancel, Control, Progress
from balance_lib.optimise.solution import Reason
from balance_lib.planning.siting import reasons as why_not
from balance_lib.planning.siting.model import CountyModel
from balance_lib.planning.siting.plan import Proposal
from balance_lib.planning.siting.question import Question
from balance_lib.planning.siting.trial import SiteChoice

PERCENTS = (-20.0, 20.0)
# A plan this much worse than the best one of the other year is worth another look.
FAR_OFF = 0.05


def survives(
    proposal: Proposal,
    *,
    percents: tuple[float, ...] = PERCENTS,
    time_limit_s: float = 20.0,
    progress: Callable[[Progress], None] | None = None,
    cancel: Cancel | None = None,
) -> pd.DataFrame:
    """Tell whether a plan still keeps its rules, and is still near the best, with fewer or more pupils.

    Pupils of every village are multiplied alike; places stay as they are. By the model of
    :mod:`balance_lib.planning.siting.model`, with the plan's schools and zones held.

    Parameters
    ----------
    proposal : Proposal
        With a plan.
    percents : tuple of float
    time_limit_s : float
        For each search of a better plan.
    progress, cancel
        As of :class:`~balance_lib.optimise.control.Control`.

    Returns
    -------
    DataFrame
        percent, extra_pupil_km (of this plan; NaN where it cannot be kept), best_pupil_km (of a new plan with as many
        schools; NaN where none is known), kept (bool), reasons (which rule would have to give way; tuple of Reason).
    """
    if proposal.trial is None:
        raise ValueError("a proposal without a plan has nothing to survive")
    choice, drawn = proposal.trial.choice, proposal.layout
    offset = 0.0
    if drawn.goals.running_budget_yuan is not None:
        from balance_lib.planning.siting.trial import Trials

        offset = Trials(drawn).staying.running_yuan
    rows = []
    for percent in percents:
        model = CountyModel(drawn.scaled(1 + percent / 100), offset)
        same = _solve(model, choice, Control(time_limit_s, progress, cancel))
        kept = bool(np.isfinite(same))
        why: tuple[Reason, ...] = ()
        if not kept:
            why = why_not.reasons(model, sum(choice.open), Control(time_limit_s, progress, cancel), choice)
        best = _solve(model, None, Control(time_limit_s, progress, cancel), sum(choice.open))
        rows.append((percent, same / 1000, float(np.fmin(best, same)) / 1000, kept, why))
    return pd.DataFrame(rows, columns=["percent", "extra_pupil_km", "best_pupil_km", "kept", "reasons"])


def _solve(model: CountyModel, fixed: SiteChoice | None, control: Control, schools: int | None = None) -> float:
    """Return the least extra pupil-metres; NaN where there is no plan, or none was found in time."""
    question = Question(model, schools, fixed=fixed)
    asked = question.model()
    answer = highs.solve(asked, control, gap=0.01 if fixed is None else 1e-6)
    return float("nan") if answer.values is None else float(asked.cost @ answer.values)


def sentence(table: pd.DataFrame, lang: str = "zh") -> str:
    """Tell for people who decide whether the plan survives.

    Parameters
    ----------
    table : DataFrame
    lang : {"zh", "en"}
    """
    out = []
    for row in table.itertuples():
        facts = {"change": text(f"optimise.survival.{'fewer' if row.percent < 0 else 'more'}", lang,
                                percent=f"{abs(row.percent):.0f}")}  # fmt: skip
        if not row.kept:
            why = text("optimise.or_else", lang).join(reason.sentence(lang) for reason in row.reasons)
            out.append(text("optimise.survival.breaks", lang, why=why, **facts))
        elif row.best_pupil_km < (1 - FAR_OFF) * row.extra_pupil_km:
            saved = f"{row.extra_pupil_km - row.best_pupil_km:,.1f}"
            out.append(text("optimise.survival.beaten", lang, km=saved, **facts))
        else:
            out.append(text("optimise.survival.holds", lang, **facts))
    return "".join(out)
