"""Say what a leader asks first: whether it passes, when, what stands in the way, whose it is, what to decide today."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from balance_lib import access, locale, standards
from balance_lib.evaluation import OPEN, SHORT, UNDECIDED, Evaluation, ItemResult, indicators, number
from balance_lib.evaluation.wording import away, needed
from balance_lib.forecast import ItemPath
from balance_lib.locale import LANGUAGES, Message, deadline_words, either, listed, text
from balance_lib.show.widgets import views
from balance_lib.show.widgets.markup import render
from balance_lib.show.widgets.models import PageModel
from balance_lib.show.widgets.names import school_names
from balance_lib.show.widgets.outlook import Outlook, state, word
from balance_lib.standards import Item

NAMED = 3  # what stands in the way is told by name so many times: one cannot keep more in mind
MOST_NAMED = 8  # where the screen is a meeting room's, and would stand empty else
STUCK = ("not_before",)
DATED = ("crosses", "late", "met", "falls")
FEW_INSIDE = 0.7  # of the bands' 80 %: fewer earlier forecasts inside it, and the year is not to be relied upon
DOUBT_FROM = 10  # earlier forecasts it takes to tell


@dataclass(frozen=True)
class _Step:
    """Hold one open item as a leader reads it: how much is missing, whose it is, by when, and what to expect."""

    code: str
    label: str
    status: str
    reason: str
    amount: str
    owner: str
    due: str
    late: bool
    outlook: str
    href: str
    owner_href: str


@dataclass(frozen=True)
class FirstScreen:
    """Hold the first screen of the overview: everything is said already, in the page's language."""

    verdict: str
    sentence: str
    score: str
    when: str
    tested: str
    steps: Sequence[_Step]

    @property
    def obstacles(self) -> Sequence[_Step]:
        """Return the items named on a large first screen; a small one shows the first ``NAMED``."""
        return self.steps[:MOST_NAMED]

    @property
    def unnamed(self) -> dict[str, int]:
        """Return how many open items are not named on a small screen, and on a large one."""
        return {"small": max(len(self.steps) - NAMED, 0), "large": max(len(self.steps) - MOST_NAMED, 0)}

    def html(self, lang: str) -> str:
        """Return the screen as HTML."""
        return render("first_screen", lang, screen=self)


def _first_screen(model: PageModel, outlook: Outlook) -> FirstScreen:
    """Put the first screen together.

    ``outlook``: of the same model: its paths are computed once for all pages.
    """
    found, lang = model.evaluation, model.lang
    paths = {r.item.code: outlook.item(r.item.code) for r in outlook.open_items()}
    waiting = _pressing(found, paths)
    told, tested = _when(found, paths)
    return FirstScreen(
        verdict=found.verdict,
        sentence=_verdict_words(found, lang),
        score=found.score.sentence(lang) if found.score is not None else "",
        when=told.render(lang),
        tested=tested.render(lang) if tested is not None else "",
        steps=[_step(result, paths.get(result.item.code), model) for result in waiting],
    )


def _verdict_words(found: Evaluation, lang: str) -> str:
    """Return the verdict in few words, by the count the standard itself announces where it announces one."""
    counts = found.counts()
    waiting = sum(counts[status] for status in OPEN)
    facts = {"county": either(found.county_zh, found.county_en, lang), "year": found.year}
    key = found.verdict
    if found.standard.progress_report:
        key = "report" if counts["not_met"] else "report_kept"
    elif found.official is not None:
        word = text(f"leader.is.{found.verdict}", lang)
        return text("leader.official", lang, word=word, official=found.official.sentence(lang), **facts)
    more = text("leader.open", lang, n=waiting) if waiting and counts["not_met"] else ""
    return text(
        f"leader.verdict.{key}", lang, n=counts["not_met"], waiting=waiting, more=more,
        total=sum(counts.values()) - counts["not_applicable"], **facts,
    )  # fmt: skip


def _pressing(found: Evaluation, paths: Mapping[str, ItemPath]) -> list[ItemResult]:
    """Return the open items, the most pressing first.

    What fails stands before what is only not known; what was due first before what is due later; what no trend will
    mend before what mends itself; and what can be built or hired before what only follows from such items.
    """

    def key(result: ItemResult) -> tuple[Any, ...]:
        item, path = result.item, paths.get(result.item.code)
        measure = item.measure
        derived = measure is not None and (measure.source in ("school_rule", "cv", "items") or bool(measure.checked_by))
        due = item.due.isoformat() if item.due else "9999"
        mends = 0.0 if path is None or state(path) not in DATED else path.crossing.year
        return views.ORDER.index(result.status), derived, due, mends, item.code

    return sorted(found.with_status("not_met", "no_data", "evidence", "not_due"), key=key)


def _when(found: Evaluation, paths: Mapping[str, ItemPath]) -> tuple[Message, Message | None]:
    """Say when the last required item is forecast to pass, or that no year can be named and why.

    With it comes how well the same forecasts did in earlier years.
    """
    failing = [r for r in _pressing(found, paths) if r.status not in UNDECIDED]
    waiting = found.with_status(*UNDECIDED)
    if not failing:
        key = "open" if waiting else "now"
        return Message(f"leader.when.{key}", {"year": found.year, "n": len(waiting)}), None
    states = {r.item.code: state(paths[r.item.code]) if r.item.code in paths else "no_data" for r in failing}
    stuck = [r for r in failing if states[r.item.code] in STUCK]
    dated = [paths[r.item.code] for r in failing if states[r.item.code] in DATED]
    unknown = len(failing) - len(stuck) - len(dated) + len(waiting)
    tested, reliable = _tested([*dated, *(paths[r.item.code] for r in stuck)])
    if stuck:
        first = stuck[0].item
        to = max(int(paths[r.item.code].rows["year"].max()) for r in stuck)
        named = {lang: _quotable(first.label(lang)) for lang in LANGUAGES}
        return Message("leader.when.not_before", {"to": to, "n": len(stuck), "first": named}), tested
    if not dated or not reliable:
        return Message("leader.when.unknown", {"m": len(failing) + len(waiting)}), tested
    year = int(max(path.crossing.year for path in dated))
    key = "partly" if unknown else "year"
    return Message(f"leader.when.{key}", {"year": year, "n": len(dated), "m": unknown}), tested


def _tested(paths: Sequence[ItemPath]) -> tuple[Message | None, bool]:
    """Return how many earlier forecasts of these items held, and whether that is enough to name a year."""
    told = [path.tested for path in paths]
    known = [each.params for each in told if each is not None and "inside" in each.params]
    n, inside = (sum(int(each[name]) for each in known) for name in ("n", "inside"))
    if not n:
        return None, True
    reliable = n < DOUBT_FROM or inside >= FEW_INSIDE * n
    return Message(f"leader.tested.{'held' if reliable else 'missed'}", {"n": n, "inside": inside}), reliable


def _step(result: ItemResult, path: ItemPath | None, model: PageModel) -> _Step:
    item, found, lang = result.item, model.evaluation, model.lang
    unit, owner = _responsible(item, model)
    past = item.due is not None and item.due < found.on
    early = found.standard.due_before_adoption(item)
    due = (deadline_words(item.deadline, lang) or text("page.no_date", lang)) + (" *" if early else "")
    if past and not early:
        due = text("leader.late", lang, due=item.deadline)
    plan = owner and f"workplan.ipynb?{model.query(unit=unit)}"
    return _Step(
        code=item.code,
        label=item.label(lang),
        status=result.status,
        reason=result.reason.render(lang),
        amount=_amount(result, model),
        owner=owner or text("leader.no_owner", lang),
        due=due,
        late=past and not early,
        outlook=word(path).render(lang) if path is not None and state(path) != "no_data" else "–",
        href=f"gaps.ipynb?{model.query(item=item.code)}",
        owner_href=plan or "",
    )


def _quotable(words: str) -> str:
    """Return words to stand between quotation marks: their own marks become single ones."""
    return words.translate(str.maketrans("“”", "‘’"))


def _amount(result: ItemResult, model: PageModel) -> str:
    """Say how much is missing of an item in what is bought, built, hired or measured, and at which school first."""
    item, measure, lang, found = result.item, result.item.measure, model.lang, model.evaluation
    if result.status in UNDECIDED:
        return text(f"leader.amount.{result.status}", lang)
    if measure is not None and measure.source == "indicator":
        rows = found.schools[(found.schools["indicator"] == measure.formula) & (found.schools["needed"] > 0)]
        rows = rows[rows["stage"] == item.stage] if item.stage != "all" else rows
        if len(rows):
            need = needed(float(rows["needed"].sum()), found.standard.indicators[measure.formula])[lang]
            return text("leader.amount.needed", lang, need=need, schools=len(rows))
    rows = result.by_school
    if rows is not None:
        rows = rows[[met is False for met in rows["met"]]]
        if (lacking := _lacking(result, rows, model)) is not None:
            unit = re.split("/| per ", locale.unit(item.judged_unit)[lang])[0].strip()
            need = f"{number(lacking.sum())}{'' if lang == 'zh' else ' '}{unit}"
            return text("leader.amount.needed", lang, need=need, schools=len(rows))
        return text("leader.amount.schools", lang, n=len(rows))
    if result.gap == result.gap:
        return away(item, result.value, result.threshold, result.gap).render(lang)
    checks = [code for code in measure.checked_by if found.item(code).status in SHORT] if measure is not None else []
    if checks:
        return text("leader.amount.checked", lang, items=listed(checks, lang))
    return text("leader.amount.finding", lang)


def _lacking(result: ItemResult, rows: pd.DataFrame, model: PageModel) -> pd.Series | None:
    """Return how many whole things each school lacks of an item "so many for each ..."; None of any other item."""
    measure = result.item.measure
    if measure is None or measure.source != "schools" or result.item.operator not in (">=", ">"):
        return None
    tree = ast.parse(measure.formula, mode="eval").body
    if not isinstance(tree, ast.BinOp) or not isinstance(tree.op, ast.Div) or not {"value", "threshold"} <= set(rows):
        return None
    frames = indicators.frames(model.county, model.standard)
    of = frames.frame("schools")
    per = pd.Series(frames.values("schools", ast.unparse(tree.right)), index=of.index)[of["year"] == model.year]
    size = per.set_axis(of.loc[per.index, "school_id"]).reindex(rows["school_id"]).to_numpy()
    lacking = np.ceil((rows["threshold"] - rows["value"]) * size - 1e-9)
    whole = "%" not in result.item.judged_unit and (np.mod(size, 1) == 0).all()
    return lacking if whole and np.isfinite(lacking).all() else None


def _responsible(item: Item, model: PageModel) -> tuple[str, str]:
    """Return the first unit that leads an item, and all of them as people read them.

    A national standard names no unit of a county: where the county's own plan measures the same thing, its unit leads.
    What only evidence shows is not measured, so two such items are not the same thing.
    """
    from balance_lib.office.workplan.tasks import offices, units_of  # only who needs it pays for the room

    named = item.lead_unit
    measured = item.measure is not None and item.measure.formula
    if not named and measured and model.county.plan in standards.ids():
        own = standards.load(model.county.plan)
        same = (i for i in own.items if i.lead_unit and i.stage == item.stage and i.measure == item.measure)
        named = next((i.lead_unit for i in same), "")
    return next(iter(units_of(named)), ""), offices(named, model.lang)


def colours(model: PageModel) -> tuple[dict[str, str], dict[str, str], str]:
    """Return how the overview's map colours the schools: class, note, and what the colours mean.

    By what the standard says of each school; where it judges no school one by one, by whether its day pupils live
    within the walking radius; where that is not known either, nothing is judged and the label says so.
    """
    found, lang = model.evaluation, model.lang
    judged = found.school_status()
    if len(judged):
        notes = {school: listed(labels, lang) for school, labels in views._shortfalls(found, lang).items()}
        return judged.to_dict(), notes, ""
    rows = access.walks(model.county, model.year)
    classes: dict[str, str] = {}
    notes = {}
    for school, mine in rows.groupby("school_id"):
        far = total = unknown = 0.0
        for stage, part in mine.groupby("stage"):
            limit = access.walking_radius(str(stage), model.standard_id).metres
            total += part["pupils"].sum()
            far += part.loc[part["distance_m"] > limit, "pupils"].sum()
            unknown += part.loc[part["distance_m"].isna(), "pupils"].sum()
        classes[str(school)] = "not_met" if far > 0 else "no_data" if unknown > 0 or total != total else "met"
        if far > 0:
            notes[str(school)] = text("leader.map.far", lang, n=number(far), of=number(total))
    return classes, notes, text("leader.map.walking" if classes else "leader.map.none", lang)


def _decision(model: PageModel, outlook: Outlook) -> tuple[str, str]:
    """Return the one thing that can be decided today, and where the whole plan stands.

    The cheapest action that closes a school's shortage of a failing item whole; where the list of prices knows none,
    the failing item that lies nearest to its line; where nothing fails, the finding that has only to be recorded.
    """
    from balance_lib.planning import remedies  # a second's work: only when the page has been shown

    found, lang, county = model.evaluation, model.lang, model.county
    plan = f"gaps.ipynb?{model.query(tab='plan')}"
    waiting = found.with_status(*UNDECIDED)
    if not found.with_status("not_met"):
        if not waiting:
            return text("leader.decide.nothing", lang), ""
        item = waiting[0].item
        told = text(f"leader.decide.{waiting[0].status}", lang, item=_quotable(item.label(lang)), n=len(waiting))
        return told, f"data.ipynb?{model.query(item=item.code)}"
    best = remedies.marginal(county, model.standard, year=model.year, measures=access.measures(county, model.year))
    whole = best[(best["missing_after"] == 0) & (best["missing_before"] > 0)]
    if len(whole):
        row = whole.sort_values(["cost_yuan", "closes"], ascending=[True, False], kind="stable").iloc[0]
        action = remedies.catalogue().all[row["action"]]
        result = found.item(row["code"])
        short = 0 if result.by_school is None else sum(met is False for met in result.by_school["met"])
        effect = text("leader.decide.last" if short == 1 else "leader.decide.one", lang, rest=max(short - 1, 0))
        school = school_names(county, lang).get(row["school_id"], row["school_id"])
        facts = {
            "school": school, "action": action.label(lang), "n": number(row["units"]), "effect": effect,
            "unit": remedies.unit_word(row["unit"], lang), "cost": remedies.wan(row["cost_yuan"], lang),
            "item": _quotable(result.item.label(lang)),
        }  # fmt: skip
        return text("leader.decide.step", lang, **facts), plan
    nearest = min(outlook.open_items(), key=_distance, default=None)
    if nearest is None:
        first = found.with_status("not_met")[0]
        return text(
            "leader.decide.unpriced", lang, item=_quotable(first.item.label(lang)), amount=_amount(first, model)
        ), plan
    facts = {"item": _quotable(nearest.item.label(lang)), "amount": _amount(nearest, model)}
    return text("leader.decide.unpriced", lang, **facts), plan


def _distance(result: ItemResult) -> float:
    """Return how far a value lies from its line, in shares of the larger of both."""
    size = max(abs(result.threshold), abs(result.value), 1e-12)
    return abs(result.gap) / size if result.gap == result.gap else np.inf
