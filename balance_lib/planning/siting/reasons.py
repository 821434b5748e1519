"""Say why a county's rules cannot all be kept: which one, giving way alone, would do, where, and how far.

For every rule in turn all others are held and the least is found by which this one must give way (elastic). When no
rule can help alone, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from balance_lib.optimise import highs
from balance_lib.optimise.control import Control
from balance_lib.optimise.solution import Floats, Reason
from balance_lib.planning.siting.layouts import CountyLayout
from balance_lib.planning.siting.model import CountyModel
from balance_lib.planning.siting.question import Question
from balance_lib.planning.siting.trial import SiteChoice

# Seconds for one rule; the answer is then the best known, which is enough to relax the rule by.
EACH_S = 4.0


def counted(drawn: CountyLayout, schools: int | None) -> tuple[Reason, ...]:
    """Return why so many schools cannot be, by counting those that must and those that may be open.

    Parameters
    ----------
    drawn : CountyLayout
    schools : int, optional
        How many stay open.
    """
    if schools is None:
        return ()
    must, may = int(drawn.must.sum()), drawn.must.size
    if schools < must:
        return (Reason("too_few", (), (), schools, must),)
    return (Reason("too_many", (), (), schools, may),) if schools > may else ()


def reasons(
    model: CountyModel, schools: int | None, control: Control, fixed: SiteChoice | None = None
) -> tuple[Reason, ...]:
    """Return every rule that would do by giving way alone, and by how much; with ``fixed``, for this choice alone.

    Parameters
    ----------
    model : CountyModel
    schools : int, optional
        How many stay open.
    control : Control
    fixed : SiteChoice, optional
    """
    found = []
    for rule in _rules(model.layout, schools):
        if control.cancelled:
            break
        question = Question(model, schools, gives=rule, fixed=fixed)
        clock = Control(EACH_S, None, control.cancel)
        answer = highs.solve(question.model(), clock, gap=1e-4)
        if answer.values is not None:
            found.append(_reason(rule, question, answer.values))
    return tuple(found) or (Reason("limits_do_not_fit"),)


def _rules(drawn: CountyLayout, schools: int | None) -> Sequence[str]:
    goals = drawn.goals
    asked = {
        "schools": schools is not None,
        "max_distance": drawn.barred["max_distance"].any(),
        "radius": drawn.barred["radius"].any(),
        "young": drawn.barred["young"].any(),
        "bus": drawn.by_bus.any() and goals.running_budget_yuan is None,
        "places": goals.capacity,
        "beds": goals.radius and drawn.travel.table(lambda ways: ways.beds_wanted > 0).any(),
        "min_size": goals.min_size is not None,
        "township": goals.township_minimum,
        "building_budget": goals.building_budget_yuan is not None and drawn.new.any(),
        "running_budget": goals.running_budget_yuan is not None,
    }
    return [rule for rule, on in asked.items() if on]


def _reason(rule: str, question: Question, values: Floats) -> Reason:
    drawn = question.base.layout
    goals, name = drawn.goals, f"give_{rule}"
    if rule == "schools":
        return Reason(name, (), (), float(question.schools or 0), round(float(values[: question.m].sum())))
    if rule in ("max_distance", "radius", "young", "bus"):
        used = question.given_way & (values[question.column] > 0.5)
        farthest = float(question.measure(used).max(initial=0.0))
        points = tuple(np.unique(question.point[used]).tolist())
        if rule in ("young", "bus"):
            settings = drawn.baseline.settings
            given = settings.number("young_minutes") if rule == "young" else float(settings.bus_minutes or 0.0)
            return Reason(name, points, (), given, math.ceil(farthest))
        limit = goals.max_distance_m if rule == "max_distance" else drawn.drawn.radius_m(drawn.stage)
        return Reason(name, points, (), float(limit or 0.0) / 1000, math.ceil(farthest / 100) / 10)
    slack = values[question.slack]
    at = tuple(np.flatnonzero(slack > 1e-6).tolist())
    if rule == "township":
        towns = list(drawn.township_sites.values())
        return Reason(name, (), tuple(int(np.flatnonzero(towns[t])[0]) for t in at), len(towns), len(towns) - len(at))
    if rule == "min_size":
        sites = np.flatnonzero(drawn.closable | drawn.new)[list(at)]
        least = float(goals.min_size or 0.0)
        return Reason(name, (), tuple(sites.tolist()), least, math.floor(least - slack.max() + 1e-6))
    if rule in ("places", "beds"):
        return Reason(name, (), tuple(a % question.m for a in at), 0.0, math.ceil(slack.sum() - 1e-6))
    budget = getattr(goals, f"{rule}_yuan")
    return Reason(name, (), (), budget / 1e4, math.ceil((budget + slack.sum()) / 100) / 100)
