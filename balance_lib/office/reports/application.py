"""Put together the figures of the application for recognition (表Ⅰ–表Ⅵ) from a county and its evaluation."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
import yaml

from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.data.tables.kinds import THROUGH
from balance_lib.evaluation import Evaluation, ItemResult, RowCounts, indicators, number, suppression
from balance_lib.evaluation.finding import stages_of
from balance_lib.office.reports import wording
from balance_lib.office.reports.stamp import ReportStamp
from balance_lib.standards import STAGES, Standard

STANDARD = "quality_2017"
COMPOSITE, OVERALL = "composite", "overall"
BLANK = "＿＿"
FEW, HIDDEN = "不足5", "（略）"  # a count too small to print, and what would give it away
_LEVELS = ("Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ")
_WORST = ("not_met", "no_data", "evidence", "not_due", "met", "not_applicable")
ANSWERS = {
    "met": "是", "not_met": "否", "no_data": "无数据", "evidence": "待佐证", "not_due": "未到期",
    "not_applicable": "不适用",
}  # fmt: skip
PLACEHOLDER = re.compile(r"\{([\w-]+)(?::([\w-]+))?\}")


@cache
def layout() -> Mapping[str, Any]:
    """Return the forms as they are printed: headings, sentences and which figure stands where."""
    source = resources.files(__package__).joinpath("application.yaml").read_text("utf-8")
    return dict(yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


@dataclass(frozen=True)
class ApplicationAnswer:
    """Hold one line of 表Ⅳ or 表Ⅴ: what is asked, the figures in a sentence, and whether it is met."""

    label: str
    found: str
    answer: str


@dataclass(frozen=True)
class Application:
    """Hold the figures of the six forms, unrounded; NaN is a blank to fill in.

    Attributes
    ----------
    basic : mapping of str to float
        表Ⅰ, by column code L1–L24.
    compliance : DataFrame
        表Ⅱ-1: stage, indicator (or "overall"), n (schools), met, pct (NaN when a school lacks data), unknown.
    schools : DataFrame
        表Ⅱ-2: one row a school and stage; indicator values under their own names.
    counts : mapping of str to float
        Numbers in the first note of 表Ⅱ-2.
    coefficients : DataFrame
        表Ⅲ: stage, indicator (or "composite"), mean, cv, limit.
    guarantee, quality : sequence of ApplicationAnswer
        表Ⅳ and 表Ⅴ.
    recognition : float
        表Ⅵ: satisfaction in percent.
    """

    stamp: ReportStamp
    basic: Mapping[str, float]
    compliance: pd.DataFrame
    schools: pd.DataFrame
    counts: Mapping[str, float]
    coefficients: pd.DataFrame
    guarantee: Sequence[ApplicationAnswer]
    quality: Sequence[ApplicationAnswer]
    recognition: float


def fits(standard: Standard) -> bool:
    """Tell whether a standard asks what the application asks: 2017 quality balance, or a variant with its codes."""
    codes = {code for table in ("IV", "V") for row in layout()[table]["rows"] for code in row["codes"]}
    return codes <= set(standard.by_code) and {part["id"] for part in layout()["indicators"]} <= set(
        standard.indicators
    )


def _application(
    county: County, evaluation: Evaluation, *, made_on: date | None = None, small_counts: bool = False
) -> Application:
    """Compute every figure of the application for recognition.

    ``evaluation``: under ``quality_2017`` or a standard with the same codes. ``small_counts``: print counts of children
    by personal attributes also when they are under five; for the inspection only.

    Raises
    ------
    NotFoundError
        If the standard lacks the items the forms ask for.
    """
    standard = evaluation.standard
    if not fits(standard):
        raise NotFoundError("standard", standard.id, [STANDARD])
    facts = _Facts(county, evaluation, small_counts=small_counts)
    return Application(
        stamp=ReportStamp.of_evaluation(county, evaluation, made_on),
        basic={column["code"]: facts.value(column["figure"]) for column in layout()["I"]["columns"]},
        compliance=_compliance(evaluation),
        schools=_schools(facts),
        counts=_counts(facts),
        coefficients=_coefficients(evaluation),
        guarantee=[facts.answer(row) for row in layout()["IV"]["rows"]],
        quality=[facts.answer(row) for row in layout()["V"]["rows"]],
        recognition=facts.value("satisfaction_pct"),
    )


class _Facts:
    """Hold one year's county figures and the counts the forms ask for beyond them."""

    def __init__(self, county: County, evaluation: Evaluation, *, small_counts: bool = False) -> None:
        self.county, self.evaluation, self.small_counts = county, evaluation, small_counts
        self.results = {result.item.code: result for result in evaluation.items}
        frames = indicators.frames(county, evaluation.standard)
        year = evaluation.year
        self.schools = frames.schools[frames.schools["year"] == year].set_index("school_id")
        self.stages = frames.stages[frames.stages["year"] == year]
        own = frames.county_years[frames.county_years["year"] == year].reset_index(drop=True)
        self._row = own.assign(**self._counted()).copy()

    def value(self, formula: str) -> float:
        """Evaluate a formula over the year's figures; NaN when any figure it names is missing."""
        return float(indicators.evaluate(self._row, formula).iloc[0])

    def figure(self, name: str) -> float:
        """Return a figure of the forms by its name."""
        form = layout()
        if name in form["items"]:
            return self.results[form["items"][name]].value
        return self.value(form["figures"].get(name, name))

    def limit(self, code: str) -> float:
        """Return the limit of an item."""
        item = self.evaluation.standard.item(code)
        return float(item.value) if isinstance(item.value, (int, float)) else math.nan

    def shown(self, name: str, style: str | None) -> str:
        """Return a figure as the form prints it.

        Parameters
        ----------
        name : str
        style : str, optional
            How the figure is shown in the form.
        """
        if name == "limit":
            return number(self.limit(str(style))).replace(",", "")
        value = self.figure(name)
        if math.isnan(value):
            return BLANK
        if self._few(name):
            return FEW
        if style == "level":
            return _LEVELS[int(value) - 1] if value in (1, 2, 3, 4) else BLANK
        if style == "raw":
            return number(value)
        line = layout()["lines"].get(name)
        limit, operator = (self.results[line].threshold, self.results[line].item.operator) if line else (math.nan, ">=")
        return wording.figure(value, int(style or 0), limit, operator).replace(",", "")

    def print(self, words: str) -> str:
        """Fill the figures into a sentence of the form; what would give away a suppressed count is suppressed too."""
        few = {m[1] for m in PLACEHOLDER.finditer(words) if self._few(m[1])}
        subjects = {suppression.subject_of(name) for name in few}

        def gives_away(name: str) -> bool:
            beside = name in layout()["sensitive"] and suppression.subject_of(name) in subjects
            return name not in few and bool(beside or self._made_of(name) & few)

        return PLACEHOLDER.sub(lambda m: HIDDEN if gives_away(m[1]) else self.shown(m[1], m[2]), words)

    def _few(self, name: str) -> bool:
        """Tell whether a figure counts so few children by a personal attribute that it is not printed."""
        return not self.small_counts and name in layout()["sensitive"] and 0 < self.figure(name) < suppression.FEW

    def _made_of(self, name: str) -> set[str]:
        """Return the figures another is reckoned from: from the sum of two and one of them follows the other."""
        formula = layout()["figures"].get(name)
        return set(indicators.names_in(formula)) if formula else set()

    def answer(self, row: Mapping[str, Any]) -> ApplicationAnswer:
        """Return one line of 表Ⅳ or 表Ⅴ: figures, findings of evidence, and whether it is met."""
        results = [self.results[code] for code in row["codes"]]
        parts = [self.print(row["text"]).rstrip("。") + "。"] if "text" in row else []
        for result in results:
            if result.basis == "evidence":
                reason = wording.sentence(wording.plain(result.reason.render("zh"), 600))
                parts.append(f"{result.item.label_zh}：{reason}" if len(results) > 1 else reason)
        return ApplicationAnswer(self.print(row["label"]), wording.full_width("".join(parts)), ANSWERS[_worst(results)])

    def short(self, code: str, kinds: Sequence[str] | None = None) -> float:
        """Count the schools that fail an item, of some kinds or all; NaN when one cannot be judged.

        Parameters
        ----------
        code : str
        kinds : sequence of str, optional
            Kinds.
        """
        rows = self.results[code].rows
        if rows is None:  # no school of that sort
            return 0.0 if self.results[code].status == "not_applicable" else math.nan
        if kinds is not None:
            rows = rows[rows["school_id"].map(self.schools["kind"]).isin(kinds)]
        return math.nan if any(met is None for met in rows["met"]) else float(sum(met is False for met in rows["met"]))

    def _counted(self) -> dict[str, float]:
        """Count what the forms ask for and no table holds."""
        kind, pupils = self.schools["kind"], self.schools["pupils"]
        small = self._small_schools()
        single = {"primary_over": ("primary", "teaching_point"), "junior_over": ("junior", "complete_secondary")}
        points = pupils[kind == "teaching_point"]
        return {
            **self._places(),
            **{
                f"ordinary_{stage}_{column}": self._ordinary(stage, column)
                for stage in STAGES
                for column in ("classes", "pupils", "staff", "teachers")
            },
            "n_points_50": math.nan if points.isna().any() else float((points >= 50).sum()),
            "music_short": self.short("G3-music"),
            "art_short": self.short("G3-art"),
            "training_short": self.short("Q4"),
            **{name: self.short("G4-single", kinds) for name, kinds in single.items()},
            "through_over": self.short("G4-through"),
            "small_pupils": float(small["pupils"].sum(skipna=False)),
            "small_funds_yuan": float(small["public_budget_yuan"].sum(skipna=False)),
        }

    def _small_schools(self) -> pd.DataFrame:
        rows = self.results["G6"].rows
        return self.schools.loc[[] if rows is None else rows["school_id"]]

    def _ordinary(self, stage: str, column: str) -> float:
        rows = self.stages[(self.stages["stage"] == stage) & (self.stages["kind"] != "special")]
        return float(rows[column].sum(skipna=False))

    def _places(self) -> dict[str, float]:
        """Count people, townships and villages; what the tables cannot tell for sure stays blank."""
        county, year = self.county, self.evaluation.year
        villages, people = county.tables["villages"], county.tables["village_years"]
        here = people[people["year"] == year].drop_duplicates("village_id").set_index("village_id")["population"]
        population = here.reindex(villages["village_id"]).sum(skipna=False) if len(villages) else math.nan
        names = villages["name_zh"].astype(str)
        rural, urban = names.str.endswith("村"), names.str.contains("(?:社区|居委会|居民委员会|街道)$")
        types = county.tables["townships"]["type"]
        known = len(names) > 0 and bool((rural | urban).all())
        return {
            "population": float(population),
            "n_villages": float(rural.sum()) if known else math.nan,
            "n_townships": float(types.isin(["town", "township"]).sum())
            if len(types) and types.notna().all()
            else math.nan,
        }


def _worst(results: Iterable[ItemResult]) -> str:
    """Return the status that decides when several items are asked in one line."""
    return min((result.status for result in results), key=_WORST.index)


def _compliance(evaluation: Evaluation) -> pd.DataFrame:
    """Return how many schools the evaluation found to reach each indicator's line and to pass the rule, by stage."""
    found: dict[tuple[str, str], RowCounts] = {}
    for result in (r for r in evaluation.items if r.item.same_as is None and r.counted is not None):
        measure, counts = result.item.measure, result.counted
        if measure is None or counts is None:
            continue
        if measure.source in ("indicator", "school_rule") and measure.where is None:
            name = measure.formula if measure.source == "indicator" else OVERALL
            found |= dict.fromkeys(((stage, name) for stage in stages_of(result.item)), counts)
    rows = []
    for stage in STAGES:
        for name in (*(part["id"] for part in layout()["indicators"]), OVERALL):
            counted = found.get((stage, name))
            n, met, unknown = (0, 0, 0) if counted is None else (counted.n, len(counted.at_line), len(counted.unknown))
            pct = 100.0 * met / n if n and not unknown else math.nan
            rows.append((stage, name, n, met, pct, unknown))
    return pd.DataFrame(rows, columns=["stage", "indicator", "n", "met", "pct", "unknown"])


def _schools(facts: _Facts) -> pd.DataFrame:
    """List the schools of 表Ⅱ-2: primary parts first, then junior parts, each numbered from one."""
    evaluation, names = facts.evaluation, [part["id"] for part in layout()["indicators"]]
    values = evaluation.schools.pivot_table(
        index=["stage", "school_id"], columns="indicator", values="value", dropna=False, observed=True
    ).reindex(columns=names)
    keys = evaluation.schools[["stage", "school_id"]].drop_duplicates()
    keys = keys.sort_values("stage", key=lambda stages: stages.map(STAGES.index), kind="stable")
    rules = evaluation.rules.set_index(["stage", "school_id"])["passes"]
    stages = facts.stages.drop_duplicates(["stage", "school_id"]).set_index(["stage", "school_id"])
    parts = dict(list(evaluation.schools.groupby(["stage", "school_id"], sort=False)))
    rows = []
    for key in keys.itertuples(index=False, name=None):
        own = stages.loc[key]
        founder = layout()["II-2"]["founders"].get(own["founder"], math.nan)
        rows.append(
            {
                "stage": key[0],
                "school_id": key[1],
                "name": _school_name(own, key[0]),
                "founder": float(founder),
                **{name: float(own[name]) for name in ("pupils", "grades", "classes")},
                **{name: float(values.loc[key, name]) for name in names},
                **{f"{name}_line": _line(parts[key], name) for name in names},
                "passes": rules.get(key),
                "remark": _remark(parts[key], evaluation.standard, key[0]),
            }
        )
    out = pd.DataFrame(rows, columns=None if rows else ["stage", "school_id", "name", "passes", "remark"])
    out.insert(1, "number", out.groupby("stage").cumcount() + 1)
    return out


def _line(part: pd.DataFrame, indicator: str) -> float:
    found = part.loc[part["indicator"] == indicator, "threshold"]
    return float(found.iloc[0]) if len(found) else math.nan


def _school_name(own: pd.Series, stage: str) -> str:
    """Return a school's name; a stage of a through-school is named as part of it, as the form asks."""
    part = {"primary": "小学部", "junior": "初中部"}[stage] if own["kind"] in THROUGH else ""
    return wording.plain(own["name_zh"]) + (f"（{part}）" if part else "")


def _remark(part: pd.DataFrame, standard: Standard, stage: str) -> str:
    """Say which indicators a school meets, which it meets to the floor, and which it misses (columns L7–L13)."""
    rule = next((i.measure for i in standard.items if i.measure and i.measure.source == "school_rule"), None)
    floor = float(rule.floor_share or 0.0) if rule else 0.0
    found: dict[str, list[str]] = {"met": [], "floor": [], "below": [], "unknown": []}
    rows = part.set_index("indicator")
    for column, spec in enumerate(layout()["indicators"], 7):
        row = rows.loc[spec["id"]] if spec["id"] in rows.index else None
        if row is None or row["met"] is None:
            sort = "unknown"
        else:
            sort = "met" if row["met"] else "floor" if row["ratio"] >= floor - 1e-9 else "below"
        found[sort].append(f"L{column}")
    words = {"met": "达标", "floor": f"达到{floor:.0%}", "below": f"低于{floor:.0%}", "unknown": "无数据"}
    return "；".join(f"{_runs(codes)}{words[sort]}" for sort, codes in found.items() if codes)


def _runs(codes: Sequence[str]) -> str:
    """Join column codes, neighbours as a range.

    Examples
    --------
    >>> _runs(["L7", "L8", "L9", "L11"])
    'L7—L9、L11'
    """
    numbers = [int(code[1:]) for code in codes]
    parts: list[list[int]] = []
    for each in numbers:
        if parts and parts[-1][-1] == each - 1:
            parts[-1].append(each)
        else:
            parts.append([each])
    return "、".join(
        f"L{p[0]}" if len(p) == 1 else f"L{p[0]}、L{p[1]}" if len(p) == 2 else f"L{p[0]}—L{p[-1]}" for p in parts
    )


def _counts(facts: _Facts) -> dict[str, float]:
    """Count the rows of 表Ⅱ-2 by sort, for its first note."""
    listed = facts.evaluation.schools[["stage", "school_id"]].drop_duplicates()
    kind = listed["school_id"].map(facts.schools["kind"])
    primary, junior = listed["stage"] == "primary", listed["stage"] == "junior"
    through = kind.isin(["nine_year", "twelve_year"])
    return {
        "n_primary": float(primary.sum()),
        "n_primary_through": float((primary & through).sum()),
        "n_points": float((primary & (kind == "teaching_point")).sum()),
        "n_junior": float(junior.sum()),
        "n_junior_through": float((junior & through).sum()),
        "n_junior_complete": float((junior & (kind == "complete_secondary")).sum()),
    }


def _coefficients(evaluation: Evaluation) -> pd.DataFrame:
    wanted = [part["id"] for part in layout()["indicators"]] + [COMPOSITE]
    rows = evaluation.cv[evaluation.cv["indicator"].isin(wanted)]
    return rows[["stage", "indicator", "mean", "cv", "limit"]].reset_index(drop=True)
