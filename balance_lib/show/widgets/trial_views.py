"""Write what the consolidation page says as HTML: losses first, then gains, rules and comparison; pure functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from balance_lib.data import tables
from balance_lib.evaluation import number
from balance_lib.locale import text
from balance_lib.plain import as_csv
from balance_lib.scenarios import Outcome, tell
from balance_lib.scenarios.board import Board, Tick
from balance_lib.scenarios.riding import WAYS
from balance_lib.show.widgets import views
from balance_lib.show.widgets.markup import part, render
from balance_lib.show.widgets.style import banner, card, lamp
from balance_lib.standards import STAGES

STATUS_LAMPS = {
    "unchanged": "not_applicable", "allowed": "met", "undetermined": "no_data", "breaks_rules": "not_met",
    "infeasible": "not_met", "forbidden": "not_met",
}  # fmt: skip
SEVERITY_LAMPS = {"forbids": "not_met", "breaks": "not_met", "warns": "evidence"}
MOST_BREAKS = 12


def _headline(outcome: Outcome, lang: str) -> Markup:
    """Return the outcome as a headline and four facts in a place of one height; the whole sentence is on demand."""
    moves, breaking = outcome.moves, outcome.against_rules
    key = "unchanged" if outcome.status == "unchanged" else "done"
    closed, ways = _closed(outcome), outcome.coverage.groupby("when")[list(WAYS)].sum().to_dict("index")
    said = text(
        f"layout.headline.{key}", lang, closed=closed, moved=number(outcome.moved),
        broken=text("layout.headline.breaks", lang, n=len(breaking)) if breaking else "",
    )  # fmt: skip
    homes = outcome.villages
    worst, left = (outcome.spoken(frame, lang) for frame in (outcome.worst, moves))
    named = worst["village"].dropna() if homes else left["from_name"].dropna().drop_duplicates()
    costs = outcome.cost_changes
    who = {"n": number(outcome.moved), "villages": homes, "named": views._first_few(named.tolist(), 2, lang)}
    beyond = {when: number(_if_known(ways.get(when, {}))) for when in ("before", "after")}
    mover = "moved" if homes else "moved_schools"
    facts = {
        "moves": text(f"layout.fact.{mover if len(moves) else 'nobody'}", lang, **who),
        "far": text("layout.fact.far", lang, n=beyond["after"], was=beyond["before"]),
        "breaks": breaking[0].what(lang) if breaking else text("layout.fact.no_break", lang),
        "saves": text("layout.fact.saves", lang, running=_signed(costs["running"] / 10_000),
                      once=tell.once(costs["investment"], lang)),
    }  # fmt: skip
    how = text(
        "page.consolidation.how", lang, mode=text(f"distance.mode.{outcome.provenance['mode']}", lang),
        basis=text(f"scenarios.attendance.{outcome.basis}", lang), zones=_proof(outcome, lang),
    )  # fmt: skip
    return render(
        "outcome", lang, status=STATUS_LAMPS[outcome.status], word=text(f"scenarios.status.{outcome.status}", lang),
        headline=said, facts=facts, sentence=outcome.sentence(lang), how=how, warning=outcome.warning(lang),
    )  # fmt: skip


def _closed(outcome: Outcome) -> int:
    schools = outcome.schools
    return int((schools["kind_after"].isna() & schools["kind_before"].notna()).sum())


def _proof(outcome: Outcome, lang: str) -> str:
    found = outcome.solution
    if outcome.moves.empty or found.get("status") in (None, "optimal", "infeasible"):
        return text("page.consolidation.proof.best", lang)
    gap = float(found.get("gap") or math.nan)
    return text("page.consolidation.proof.gap", lang, gap=f"{100 * gap:.2f}%" if math.isfinite(gap) else "–")


def _first_cards(tick: Tick, before: dict[str, dict[str, float]], lang: str) -> Markup:
    """Return who is affected as the sliders have it now: few figures, at once."""
    cover, was = (
        {name: sum(found[stage][name] for stage in STAGES if stage in found) for name in (*WAYS, "young_over")}
        for found in (tick.cover, before)
    )
    shown = _cards(
        {
            "closed": (float(len(tick.closed)), math.nan),
            "moved": (tick.moved, math.nan),
            "farther": (tick.farther if math.isfinite(tick.extra_m) or not tick.moved else math.nan, math.nan),
            "over": (tick.shortfall, math.nan),
            "far": (_if_known(cover), _if_known(was)),
            "young": (_if_known(cover, "young_over"), _if_known(was, "young_over")),
        },
        tick.extra_m,
        lang,
    )
    return shown if tick.proven else shown + part("muted", lang, text("page.consolidation.provisional", lang))


def _outcome_cards(outcome: Outcome, lang: str, before: Outcome | None = None) -> Markup:
    """Return who is affected by a whole outcome; what the last move changed is told and marked."""
    figures, extra = _figures_of(outcome)
    last = {} if before is None else {key: value for key, (value, _) in _figures_of(before)[0].items()}
    return _cards(figures, extra, lang, last)


def _figures_of(outcome: Outcome) -> tuple[dict[str, tuple[float, float]], float]:
    """Return the figures of the cards, now and before, and by how much the mean way grows."""
    moves = outcome.moves
    cover = outcome.coverage.groupby("when")[list(WAYS)].sum().to_dict("index")
    limit = outcome.scenario.settings.number("young_minutes")
    young = moves[(moves["band"] == "g1_3") & (moves["minutes_after"] > limit)]["pupils"].sum()
    known = moves[np.isfinite(moves["extra_m"].astype(float))]
    extra = float((known["pupils"] * known["extra_m"]).sum() / known["pupils"].sum()) if len(known) else math.nan
    some = len(known) or moves.empty
    figures = {
        "closed": (float(_closed(outcome)), math.nan),
        "moved": (outcome.moved, math.nan),
        "farther": (float(moves.loc[moves["extra_m"] > 0, "pupils"].sum()) if some else math.nan, math.nan),
        "over": (float(moves["overflow"].sum()), math.nan),
        "far": (_if_known(cover.get("after", {})), _if_known(cover.get("before", {}))),
        "young_moved": (float(young) if some else math.nan, math.nan),
    }
    return figures, extra


def _if_known(ways: Mapping[str, float], figure: str = "far") -> float:
    """Return a figure of pupils by way; NaN where nobody's way is known: it is not nought then."""
    known = any(ways.get(way) for way in ("walk", "ride", "far"))
    return math.nan if ways.get("unknown") and not known else float(ways.get(figure, 0.0))


def _cards(
    figures: dict[str, tuple[float, float]], extra_m: float, lang: str, last: Mapping[str, float] | None = None
) -> Markup:
    bad = ("over", "far", "young", "young_moved")
    out = []
    for key, (value, before) in figures.items():
        note = text(f"page.consolidation.card_note.{key}", lang, extra=_km(extra_m, lang))
        if math.isfinite(before):
            note = text("page.consolidation.was", lang, before=number(before))
        worse = value > before if math.isfinite(before) else value > 0
        status, word = None, ""
        if key in bad:
            unknown = math.isnan(value)
            status = "no_data" if unknown else "not_met" if worse else "met"
            said = "status.no_data" if unknown else f"page.consolidation.{'worse' if worse else 'not_worse'}"
            word = text(said, lang)
        title = text(f"page.consolidation.card.{key}", lang)
        change = float(np.nan_to_num(value - (last or {}).get(key, value)))
        if change:
            note = f"{text('page.consolidation.since_move', lang, change=f'{change:+,.0f}')} {note}"
        out.append(card(title, number(value), note, status, lang, word, changed=bool(change)))
    return part("grid", lang, out, tight=True)


def count(value: Any) -> str:
    """Return a count for people; "–" where it is not known or there is none."""
    return "–" if value is None or value != value else number(float(value))


def _km(metres: float, lang: str) -> str:
    return "–" if not math.isfinite(metres) else text("page.access.km", lang, km=f"{metres / 1000:.1f}")


def _affected(outcome: Outcome, lang: str) -> Markup:
    """Return the villages that lose most, worst first, by name."""
    heads = [text(f"page.consolidation.head.{h}", lang) for h in ("village", "pupils", "extra", "way")]
    rows = []
    for row in outcome.spoken(outcome.worst, lang).itertuples():
        name = row.village if isinstance(row.village, str) and row.village else text("scenarios.unknown_home", lang)
        town = row.township if isinstance(row.township, str) else ""
        to = text("page.consolidation.to", lang, to=row.to) if isinstance(row.to, str) and row.to else ""
        under = " ".join(filter(None, [town, to]))
        rows.append([
            part("over", lang, part("bold", lang, name), under),
            number(row.pupils),
            _km(row.worst_extra_m, lang),
            part("way", lang, _km(row.worst_metres, lang), _needs(row, lang)),
        ])  # fmt: skip
    shown = views.table(heads, rows, [1, 2, 3], text("scenarios.sentence.nobody", lang))
    left = len(outcome.affected) - len(rows)
    return shown + part("muted", lang, text("page.consolidation.more_villages", lang, n=left) if left > 0 else "")


def _needs(row: Any, lang: str) -> list[str]:
    parts = [(row.far, "far"), (row.new_riders, "ride"), (row.new_boarders, "board")]
    return [text(f"page.consolidation.need.{key}", lang, n=number(n)) for n, key in parts if n > 0]


def _shares(outcome: Outcome, lang: str) -> Markup:
    """Return which groups bear the change: by township, urban or rural, and grade band."""
    found = outcome.spoken(outcome.shares, lang)
    found = found[found["moved"] > 0]
    heads = [text(f"page.consolidation.head.{h}", lang) for h in ("group", "moved", "share", "extra", "way", "far")]
    rows = [
        [_group(row.by, row.group, lang), f"{number(row.moved)} / {number(row.pupils)}",
         "–" if not math.isfinite(row.share) else f"{100 * row.share:.1f}%", _km(row.mean_extra_m, lang),
         _km(row.worst_metres, lang), number(row.far)]
        for row in found.itertuples()
    ]  # fmt: skip
    return views.table(heads, rows, [1, 2, 3, 4, 5], text("scenarios.sentence.nobody", lang))


def _group(by: str, group: Any, lang: str) -> str:
    if not isinstance(group, str) or not group:
        return text("page.access.no_town", lang)
    if by == "band":
        return text(f"scenarios.band.{group}", lang)
    return text(f"page.consolidation.location.{group}", lang) if by == "location" else group


def _gains(outcome: Outcome, lang: str) -> Markup:
    """Return what changes for the county: before and after, with the difference."""
    rows = [[name, *said] for name, said in _figures(outcome, lang)]
    heads = [text(f"page.consolidation.head.{h}", lang) for h in ("figure", "before", "after", "change")]
    note = part("muted", lang, text("page.consolidation.costs_note", lang))
    return views.table(heads, rows, [1, 2, 3]) + note


def _figures(outcome: Outcome, lang: str) -> list[tuple[str, tuple[str, str, str]]]:
    book, schools = outcome.bookkeeping, outcome.schools
    pairs: list[tuple[str, float, float, int]] = [
        ("schools", book.schools_before, book.schools_after, 0),
        ("points", book.points_before, book.points_after, 0),
    ]
    for name in ("classes", "teachers", "teachers_needed"):
        before, after = schools[f"{name}_before"], schools[f"{name}_after"]
        there = schools["kind_before"].notna(), schools["kind_after"].notna()
        sums = [
            float(v[t].sum()) if v[t].notna().all() else math.nan for v, t in zip((before, after), there, strict=True)
        ]
        pairs.append((name, sums[0], sums[1], 0))
    for stage in STAGES:
        rows = outcome.coverage[outcome.coverage["stage"] == stage].set_index("when")
        if len(rows) == 2:
            share = [100 * float(rows.loc[w, "within_share"]) for w in ("before", "after")]
            pairs.append((f"within_{stage}", share[0], share[1], 1))
    running = outcome.costs.loc[outcome.costs["kind"] == "running", ["yuan_before", "yuan_after"]].sum() / 10_000
    pairs.append(("running", float(running["yuan_before"]), float(running["yuan_after"]), 0))
    pairs.append(("investment", 0.0, outcome.cost_changes["investment"] / 10_000, 0))
    met = [float(len(e.with_status("met"))) for e in (outcome.before, outcome.after)]
    pairs.append(("met", met[0], met[1], 0))
    pairs += _coefficients(outcome)
    return [
        (text(f"page.consolidation.figure.{name}", lang), _three(before, after, digits))
        for name, before, after, digits in pairs
    ]


def _coefficients(outcome: Outcome) -> list[tuple[str, float, float, int]]:
    out: list[tuple[str, float, float, int]] = []
    for stage in STAGES:
        worst = []
        for found in (outcome.before, outcome.after):
            rows = found.cv[(found.cv["stage"] == stage) & found.cv["limit"].notna()]
            worst.append(float(rows["cv"].max()) if len(rows) and rows["cv"].notna().all() else math.nan)
        if len(outcome.before.cv):
            out.append((f"cv_{stage}", worst[0], worst[1], 3))
    return out


def _three(before: float, after: float, digits: int) -> tuple[str, str, str]:
    def said(value: float) -> str:
        return "–" if not math.isfinite(value) else f"{value:,.{digits}f}"

    change = after - before
    return said(before), said(after), "–" if not math.isfinite(change) else _signed(change, digits)


def _signed(change: float, digits: int = 0) -> str:
    """Write a change with its sign; what comes to nothing is a plain 0."""
    words = f"{change:+,.{digits}f}"
    return words if float(words.replace(",", "")) else "0"


def _rules(outcome: Outcome, lang: str) -> Markup:
    """Return the rules it breaks: which, where, how far, and what would mend it; those that were broken before last."""
    found = sorted(outcome.breaks, key=lambda b: (not b.new, list(SEVERITY_LAMPS).index(b.severity)))
    if not found:
        return part("line", lang, text("page.consolidation.no_breaks", lang))
    return render(
        "breaks", lang, breaks=found[:MOST_BREAKS], lamps=SEVERITY_LAMPS, left=max(0, len(found) - MOST_BREAKS)
    )


def _compare(pairs: Sequence[tuple[str, Outcome]], lang: str) -> Markup:
    """Return scenarios side by side: losses first, then gains."""
    heads = [text("page.consolidation.head.figure", lang), *(name for name, _ in pairs)]
    columns = []
    for _, outcome in pairs:
        moves = outcome.moves
        light = lamp(STATUS_LAMPS[outcome.status], lang, text(f"scenarios.status.{outcome.status}", lang))
        longer = moves.loc[moves["extra_m"] > 0, "pupils"].sum()
        longest = float(moves["metres_after"].max()) if len(moves) else math.nan
        figures = {
            "head.status": light,
            "card.moved": number(outcome.moved),
            "card.farther": number(longer),
            "card.far": number(moves["far"].sum()),
            "card.over": number(moves["overflow"].sum()),
            "longest": _km(longest, lang),
            "broken": number(len(outcome.against_rules)),
        }
        column = {text(f"page.consolidation.{key}", lang): said for key, said in figures.items()}
        column |= {name: said[1] for name, said in _figures(outcome, lang)}
        columns.append(column)
    bases = [
        text("page.consolidation.base", lang, year=o.scenario.year, judged=o.scenario.judged_year,
             standard=o.after.standard.title(lang))
        for _, o in pairs
    ]  # fmt: skip
    same = len(set(bases)) == 1  # said once; where the plans stand on different ground, each says on which
    if not same:
        head = text("page.consolidation.head.base", lang)
        columns = [{head: base} | column for base, column in zip(bases, columns, strict=True)]
    warning = part("muted", lang, bases[0]) if same else banner(text("page.consolidation.other_base", lang))
    rows = [[name, *(column.get(name, "–") for column in columns)] for name in columns[0]]
    return warning + views.table(heads, rows, list(range(1, len(heads))))


def _coefficient_line(board: Board, tick: Tick, limits: dict[tuple[str, str], float], lang: str) -> Markup:
    """Return how many difference coefficients lie beyond their limit as the sliders have it now.

    ``limits``: limits of the coefficients by stage and indicator.
    """
    over = known = lacking = 0
    for s, stage in enumerate(STAGES):
        for i, name in enumerate(board.coefficients.indicators):
            limit, value = limits.get((stage, name), math.nan), float(tick.coefficients[s, i])
            if math.isfinite(limit):
                known, over = known + math.isfinite(value), over + (value > limit)
                lacking += not math.isfinite(value)
    if not known and limits and not np.isfinite(tick.coefficients).any():
        return part("muted", lang, text("page.consolidation.coefficients_later", lang))
    return _beyond(over, known, lacking, lang)


def _outcome_coefficients(outcome: Outcome, lang: str) -> Markup:
    """Return how many difference coefficients lie beyond their limit, of a whole outcome."""
    rows = outcome.after.cv[outcome.after.cv["limit"].notna()]
    found = Counter(rows["met"])  # True, False, None: the evaluation has judged them
    return _beyond(found[False], found[False] + found[True], found[None], lang)


def _beyond(over: int, known: int, lacking: int, lang: str) -> Markup:
    if not known:
        return Markup()
    said = text("page.consolidation.coefficients", lang, over=over, n=known)
    more = text("page.consolidation.coefficients_lacking", lang, n=lacking) if lacking else ""
    return part("muted", lang, said + more)


# Which texts say what a code of the tables means, and how many decimals people read.
_CODES = {
    "stage": "stage", "band": "scenarios.band", "state": "scenarios.state", "way_before": "scenarios.way",
    "way_after": "scenarios.way", "item": "scenarios.cost", "kind": "scenarios.cost_kind",
    "unit": "page.consolidation.csv_unit", "when": "page.consolidation.csv_when",
}  # fmt: skip
_CHOICES = {"location": "location", "rank": "rank", "kind_before": "kind", "kind_after": "kind"}
_DECIMALS = {"m": 0, "metres": 0, "min": 1, "minutes": 1, "yuan": 0, "class": 1, "share": 3}


def _table_csv(found: Outcome, name: str, lang: str) -> bytes:
    """Return a table of an outcome as people read it: heads and codes in words, figures rounded, and what it rests on.

    ``name``: ``moves``, ``affected``, ``schools``, ``costs`` or ``coverage``.
    """
    table = getattr(found, name)
    columns = {text(f"page.consolidation.csv.{column}", lang): _said(table[column], column, lang) for column in table}
    columns[text("workplan.csv.stamp_synthetic", lang)] = int(found.synthetic)
    columns[text("workplan.csv.stamp_county_hash", lang)] = found.provenance["county_hash"]
    return as_csv(pd.DataFrame(columns, index=table.index))


def _said(values: pd.Series, column: str, lang: str) -> pd.Series:
    if column in _CODES:
        return values.map(lambda code: text(f"{_CODES[column]}.{code}", lang), na_action="ignore")
    if column in _CHOICES:
        spec = tables.table("schools").columns[_CHOICES[column]]
        return values.map(spec.choices or {}) if lang == "zh" else values
    if values.dtype == bool:
        return values.map({True: text("intake.flag.yes", lang), False: text("intake.flag.no", lang)})
    places = next((n for part, n in _DECIMALS.items() if part in column.split("_")), 4)
    return values.round(places) if pd.api.types.is_float_dtype(values) else values
