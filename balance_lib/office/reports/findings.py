"""Put an evaluation's findings into rows and sentences: one place, so that text and tables say the same numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from balance_lib.data.county import County
from balance_lib.evaluation import OPEN, Evaluation, ItemResult, number
from balance_lib.evaluation.figures import quantity
from balance_lib.evaluation.wording import away, needed, required, standing, yearly
from balance_lib.locale import bracket, has, listed, named, text
from balance_lib.office.reports import wording
from balance_lib.standards import STAGES

COMPOSITE = "composite"
_CHECKED = ("reason.stated.refuted", "reason.stated.unchecked")


@dataclass(frozen=True)
class Names:
    """Name the schools of a county, fit to print."""

    by_id: Mapping[str, str]

    @classmethod
    def of(cls, county: County, lang: str = "zh") -> Names:
        """Return the names of a county's schools; the Chinese one where there is no other.

        Parameters
        ----------
        county : County
        lang : {"zh", "en"}
        """
        table = county.tables["schools"].drop_duplicates("school_id")
        return cls({i: wording.name(n, lang) for i, n in zip(table["school_id"], named(table, lang), strict=True)})

    def __getitem__(self, school_id: str) -> str:
        return self.by_id.get(school_id, wording.name(school_id))


def _label(result: ItemResult, lang: str = "zh") -> str:
    """Return what an item asks, as printed."""
    return wording.sentence(wording.plain(result.item.label(lang), 300, lang), lang)


def _requirement(result: ItemResult, lang: str = "zh") -> str:
    """Return the line of an item in words; that evidence decides, where nothing is measured."""
    if result.item.veto:
        return text("report.veto.required", lang)
    if math.isnan(result.threshold):
        measure = result.item.measure
        stated = _by_evidence(result) or (measure is not None and measure.source == "evidence")
        return text("report.by_evidence", lang) if stated else "–"
    return wording.sentence(required(result.item, result.threshold).render(lang), lang)


def _present(result: ItemResult, lang: str = "zh") -> str:
    """Return how an item stands today: so many schools of so many, a figure, evidence, or that nothing is known."""
    if _by_evidence(result):
        key = result.status if result.status in ("met", "not_met") else "open"
        return text(f"report.{'veto' if result.item.veto else 'evidence'}.{key}", lang)
    if result.stated is None or not (result.conflict or math.isnan(result.value)):
        return _decided(result, lang)
    return _decided(result, lang) + bracket(_stated(result, lang), lang)


def _stated(result: ItemResult, lang: str) -> str:
    """Say what the county typed or documented, beside what its data say."""
    stated = result.stated
    assert stated is not None
    if stated.by == "evidence":
        return text("report.stated.evidence", lang, finding=text(f"status.{stated.status}", lang))
    return text("report.stated.reported", lang, value=quantity(stated.value, result.item.judged_unit)[lang])


def _decided(result: ItemResult, lang: str) -> str:
    """Say what decided an item: rows counted, a figure, or the items that check what was stated."""
    if result.reason.key in _CHECKED:
        return text(f"report.checked.{result.reason.key.rpartition('.')[2]}", lang)
    if result.counted is not None:
        counted = result.counted

        def so_many(which: list[str]) -> str:
            return text(f"count_each.{counted.of}", lang, n=len(which))

        words = text(
            "report.so_many", lang, n=counted.n, of=text(counted.word, lang), met=so_many(counted.at_line)
        )  # fmt: skip
        words += text("report.by_floor", lang, n=so_many(counted.by_floor)) if counted.by_floor else ""
        return words + (text("report.unknown_of_them", lang, n=len(counted.unknown)) if counted.unknown else "")
    if math.isnan(result.value):
        return text("status.not_applicable" if result.status == "not_applicable" else "status.no_data", lang)
    return _value(result, lang)


def _value(result: ItemResult, lang: str = "zh") -> str:
    """Return an item's figure with its unit, with the digits that tell it from its line."""
    item = result.item
    return wording.sentence(standing(item, result.value, result.threshold).render(lang), lang)


def rows(results: Iterable[ItemResult], lang: str = "zh") -> list[list[object]]:
    """Return the lines of a table of items: number, item, requirement, how it stands, finding.

    Parameters
    ----------
    results : iterable of ItemResult
    lang : {"zh", "en"}
    """
    return [
        [place, _label(r, lang), _requirement(r, lang), _present(r, lang), text(f"status.{r.status}", lang)]
        for place, r in enumerate(results, 1)
    ]


def _sentence(result: ItemResult, lang: str = "zh") -> str:
    """Say in one sentence what is wrong with an item."""
    params = {"item": _label(result, lang), "required": _requirement(result, lang), "present": _present(result, lang)}
    if result.reason.key in _CHECKED:
        return text("report.problem.checked", lang, **params, why=wording.sentence(result.reason.render(lang), lang))
    measure = result.item.measure
    told = math.isnan(result.gap) or result.counted is not None or yearly(result.item, result.threshold)
    gap = "" if told or (measure is not None and len(measure.items) == 1) else _gap(result, lang)
    moved = measure is not None and measure.transform != "level"
    key = "evidence" if _by_evidence(result) else "moved" if moved else "measured"
    if key == "moved":
        params["present"] = params["present"][:1].lower() + params["present"][1:]
    return text(f"report.problem.{key}", lang, **params, gap=gap)


def _gap(result: ItemResult, lang: str) -> str:
    by = away(result.item, result.value, result.threshold, result.gap).render(lang)
    return text("report.problem.gap", lang, away=by)


def _by_evidence(result: ItemResult) -> bool:
    return result.basis == "evidence"


def _category(name: str, lang: str = "zh") -> str:
    """Return the label of a group of items."""
    return text(f"category.{name}", lang) if has(f"category.{name}") else wording.name(name, lang)


def by_category(evaluation: Evaluation, lang: str = "zh") -> dict[str, list[ItemResult]]:
    """Return the items the verdict depends on by the name of their category, without those that do not apply.

    Two groups of one name are one category: a plan's own group and the national one it repeats.

    Parameters
    ----------
    evaluation : Evaluation
    lang : {"zh", "en"}
    """
    found: dict[str, list[ItemResult]] = {}
    for result in evaluation.items:
        if result.counts and result.status != "not_applicable":
            found.setdefault(_category(result.item.category, lang), []).append(result)
    return found


def tally(results: Sequence[ItemResult]) -> dict[str, int]:
    """Count findings: total, met, not_met, open and what it is made of."""
    count = {status: sum(r.status == status for r in results) for status in ("met", "not_met", *OPEN)}
    return {"total": len(results), **count, "open": sum(count[status] for status in OPEN)}


def _open_words(count: Mapping[str, int], lang: str = "zh") -> str:
    """Say how many of the items of a :func:`tally` are open, and of which kinds.

    ``count``: items by status, and ``open``.
    """
    kinds = [text(f"report.overview.kind.{kind}", lang, n=count[kind]) for kind in OPEN if count[kind]]
    key = "waiting" if kinds else "none_waiting"
    return text(f"report.overview.{key}", lang, n=count["open"], kinds=listed(kinds, lang))


def _category_counts(evaluation: Evaluation, lang: str = "zh") -> pd.DataFrame:
    """Return counts by category: the index is its label; total, met, not_met, open."""
    counts = {name: tally(results) for name, results in by_category(evaluation, lang).items()}
    return pd.DataFrame(counts).T.reindex(columns=["total", "met", "not_met", "open"]).astype(int)


def _indicator_labels(evaluation: Evaluation, lang: str = "zh") -> dict[str, str]:
    """Return the labels of the standard's indicators, in its order."""
    return {k: wording.sentence(spec.label(lang), lang) for k, spec in evaluation.standard.indicators.items()}


def _coefficient_labels(evaluation: Evaluation, lang: str = "zh") -> dict[str, str]:
    """Return the labels of the coefficients: every indicator, and the composite where the standard limits it."""
    labels, cv = _indicator_labels(evaluation, lang), evaluation.cv
    limited = cv.loc[cv["indicator"] == COMPOSITE, "limit"].notna().any()
    composite = wording.sentence(text("evaluation.composite", lang), lang)
    return {**labels, COMPOSITE: composite} if limited else labels


def _failing_schools(evaluation: Evaluation, names: Names, lang: str = "zh") -> list[list[object]]:
    """List the schools that fall short in any indicator, those with most first: school, stage, indicators, needed.

    A school that passes the rule although one indicator is below its line says so.
    """
    labels, specs = _indicator_labels(evaluation, lang), evaluation.standard.indicators
    passes = evaluation.rules.set_index(["school_id", "stage"])["passes"] if len(evaluation.rules) else {}
    short = evaluation.schools[[met is False for met in evaluation.schools["met"]]]
    out: list[tuple[int, int, list[object]]] = []
    for place, ((school, stage), part) in enumerate(short.groupby(["school_id", "stage"], sort=False)):
        joint = "；" if lang == "zh" else "; "
        misses = joint.join(
            f"{labels[r.indicator]}{bracket(_pair(r.value, r.threshold), lang)}" for r in part.itertuples()
        )
        need = joint.join(needed(r.needed, specs[r.indicator])[lang] for r in part.itertuples())
        held = passes.get((school, stage))
        told = text(f"report.rule.{'passes' if held is True else 'fails' if held is False else 'unknown'}", lang)
        row: list[object] = [names[school], text(f"stage.{stage}", lang), misses, need, told if len(passes) else "–"]
        out.append((-len(part) if held is not True else 0, place, row))
    return [row for _, _, row in sorted(out, key=lambda entry: entry[:2])]


def _pair(measured: float, line: float) -> str:
    return f"{wording.figure(measured, 2, line)}/{number(line)}"


def needs(evaluation: Evaluation, lang: str = "zh") -> list[list[object]]:
    """Sum what all schools need to reach every line: indicator, stage, schools short, units, in words.

    Parameters
    ----------
    evaluation : Evaluation
    lang : {"zh", "en"}
    """
    out: list[list[object]] = []
    for name, spec in evaluation.standard.indicators.items():
        for stage in STAGES:
            part = evaluation.schools
            part = part[(part["indicator"] == name) & (part["stage"] == stage)]
            short = part[[met is False for met in part["met"]]]
            if len(short):
                shown = needed(float(short["needed"].sum()), spec)[lang]
                out.append([_indicator_labels(evaluation, lang)[name], text(f"stage.{stage}", lang), len(short), shown])
    return out


def _coefficient_rows(evaluation: Evaluation, lang: str = "zh") -> list[list[object]]:
    """Return the difference coefficients as a table: indicator, then coefficient and finding of each stage."""
    table = evaluation.cv.set_index(["stage", "indicator"])
    stages = [stage for stage in STAGES if stage in set(evaluation.cv["stage"])]
    out: list[list[object]] = []
    for name, words in _coefficient_labels(evaluation, lang).items():
        row: list[object] = [words]
        for stage in stages:
            row += _coefficient(table.loc[(stage, name)], lang) if (stage, name) in table.index else ["–", "–"]
        out.append(row)
    return out


def _coefficient(row: pd.Series, lang: str = "zh") -> list[object]:
    """Return one coefficient with three decimals, and whether it keeps the limit."""
    if math.isnan(row["cv"]):
        return ["–", text("status.no_data", lang)]
    shown = wording.figure(row["cv"], 3, row["limit"], "<=")
    word = "–" if math.isnan(row["limit"]) else text("report.within" if row["met"] is True else "report.beyond", lang)
    return [shown, word]


def _coefficient_sentences(evaluation: Evaluation, lang: str = "zh") -> list[str]:
    """Say of each stage how many coefficients keep the limit, and which is the highest."""
    labels, out = _coefficient_labels(evaluation, lang), []
    judged = evaluation.cv[evaluation.cv["indicator"].isin(list(labels)) & evaluation.cv["limit"].notna()]
    for stage in STAGES:
        mine = judged[judged["stage"] == stage]
        known, limits = mine.dropna(subset=["cv"]), mine["limit"]
        if known.empty:
            continue
        worst = known.sort_values("cv", kind="stable").iloc[-1]
        beyond = sum(met is False for met in known["met"])
        params = {
            "stage": _stage_name(stage, lang),
            "n": len(mine),
            "known": len(known),
            "within": len(known) - beyond,
            "limit": number(limits.iloc[0]),
            "worst": labels[worst["indicator"]],
            "cv": wording.figure(worst["cv"], 3, worst["limit"], "<="),
        }
        lacking = text("report.cv.lacking", lang, n=len(mine) - len(known)) if len(known) < len(mine) else ""
        key = "single" if len(mine) == 1 else "sentence"
        word = text(f"report.{'beyond' if beyond else 'within'}", lang)
        out.append(text(f"report.cv.{key}", lang, **params, word=word) + lacking)
    return out


def _stage_name(stage: str, lang: str = "zh") -> str:
    """Return the name of a stage as it begins a sentence."""
    name = text(f"stage.{stage}", lang)
    return name[:1].upper() + name[1:]


def _rule_sentences(evaluation: Evaluation, lang: str = "zh") -> list[str]:
    """Say of each stage how many schools pass the standard's school rule."""
    out = []
    for stage in STAGES:
        flags = evaluation.rules.loc[evaluation.rules["stage"] == stage, "passes"] if len(evaluation.rules) else []
        if len(flags):
            count = {k: sum(flag is k for flag in flags) for k in (True, False, None)}
            words = text("report.rule.sentence", lang, stage=_stage_name(stage, lang), n=len(flags),
                         passes=count[True], fails=count[False])  # fmt: skip
            out.append(words + (text("report.rule.lacking", lang, n=count[None]) if count[None] else ""))
    return out
