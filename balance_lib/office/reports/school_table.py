"""Fill the school's self-evaluation table (学校自评表): one A4 sheet a school, and a list of them in front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
import yaml

from balance_lib._errors import NotFoundError
from balance_lib.data.county import County
from balance_lib.data.intake.layout import kinds
from balance_lib.evaluation import Evaluation, ItemResult, indicators, number
from balance_lib.office.reports import wording
from balance_lib.office.reports.application import ANSWERS, BLANK, PLACEHOLDER, STANDARD, fits
from balance_lib.office.reports.paper import SheetWriter, _origin_sheet, book_of, new_book
from balance_lib.office.reports.stamp import ReportStamp
from balance_lib.standards import STAGES

NOT_TAUGHT = "—"
_BANDS = (
    ("classes_66_up", "66人及以上"), ("classes_61_65", "61—65"), ("classes_56_60", "56—60"), ("classes_51_55", "51—55"),
    ("classes_46_50", "46—50"), ("classes_41_45", "41—45"), ("classes_36_40", "36—40"), ("classes_31_35", "31—35"),
    ("classes_26_30", "26—30"), ("classes_1_25", "25及以下"),
)  # fmt: skip
_ORDER = ("not_met", "no_data", "met", "not_applicable")


@cache
def _layout() -> Mapping[str, Any]:
    """Return the table as it is printed."""
    source = resources.files(__package__).joinpath("school_table.yaml").read_text("utf-8")
    return dict(yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _write(
    county: County, evaluation: Evaluation, *, school_ids: Sequence[str] | None = None, made_on: date | None = None
) -> bytes:
    """Return the self-evaluation tables of schools as one workbook.

    ``county``, ``evaluation``: as for :func:`balance_lib.office.reports.application.application`. ``school_ids``: which
    schools; all with pupils of compulsory stages by default.

    Raises
    ------
    NotFoundError
        If the standard does not ask what the table asks, or a school has no figures of that year.
    """
    if not fits(evaluation.standard):
        raise NotFoundError("standard", evaluation.standard.id, [STANDARD])
    data = _Schools(county, evaluation)
    wanted = list(data.schools.index) if school_ids is None else list(school_ids)
    lost = [school for school in wanted if school not in data.schools.index]
    if lost:
        raise NotFoundError("school", lost[0], data.schools.index)
    stamp = ReportStamp.of_evaluation(county, evaluation, made_on)
    book = new_book()
    front = SheetWriter(book, "学校目录", (8, 14, 50, 22, 16), stamp, landscape=False)
    front.title(_layout()["title"])
    front.line(f"{stamp.county()}　{stamp.school_year()}", align="center")
    front.head([["序号", "学校代码", "学校名称", "学校类型", "资源配置综合达标"]])
    for place, school in enumerate(wanted, 1):
        title = _sheet(book, data, school, stamp, place)
        kind = kinds()[data.schools.loc[school, "kind"]].written if data.schools.loc[school, "kind"] in kinds() else ""
        values = [place, school, data.name(school), kind, ANSWERS[data.overall(school)]]
        row = front.data(values, align=["center", "center", "left", "left", "center"])
        front.link(row, 3, title)
    front.finish()
    _origin_sheet(book, stamp, _layout()["notes"])
    return book_of(book)


def _sheet(book: Any, data: _Schools, school: str, stamp: ReportStamp, place: int) -> str:
    page = SheetWriter(book, f"{place} {data.name(school)}".replace("'", ""), (11, 37, 50, 9), stamp, landscape=False)
    page.title(_layout()["title"])
    page.line(data.line(school), align="center")
    page.head([_layout()["head"]])
    for group in _layout()["groups"]:
        first = page.row
        for row in group["rows"]:
            found = data.found(school, row)
            page.data(
                [group["name"], data.print(school, row["point"], row), *found],
                align=["center", "left", "left", "center"],
            )
        for line in range(first + 1, page.row):
            page.sheet.cell(line, 1).value = None
        page.merge(first, 1, page.row - 1, 1)
    for words in _layout()["notes"]:
        page.note(words)
    page.finish()
    return str(page.sheet.title)


class _Schools:
    """Hold the year's figures of every school and stage, and what the evaluation says of them."""

    def __init__(self, county: County, evaluation: Evaluation) -> None:
        frames = indicators.frames(county, evaluation.standard)
        self.county, self.evaluation = county, evaluation
        whole = frames.schools[frames.schools["year"] == evaluation.year]
        extra = {name: indicators.evaluate(whole, formula) for name, formula in _layout()["figures"].items()}
        self.schools = whole.assign(**extra).set_index("school_id")
        stages = frames.stages[frames.stages["year"] == evaluation.year]
        self.stages = stages.drop_duplicates(["school_id", "stage"]).set_index(["school_id", "stage"])
        self.judged = evaluation.schools.set_index(["school_id", "stage", "indicator"])
        self.passes = evaluation.rules.set_index(["school_id", "stage"])["passes"]
        self.rows = {r.item.code: _by_school(r) for r in evaluation.items}
        years = county.tables["school_years"]
        senior = years[(years["year"] == evaluation.year) & (years["stage"] == "senior")]
        county_row = frames.county_years[frames.county_years["year"] == evaluation.year]
        self.whole_county = {
            name: float(indicators.evaluate(county_row, formula).iloc[0])
            for name, formula in _layout()["county_figures"].items()
        }
        self.senior = senior.drop_duplicates("school_id").set_index("school_id")["pupils"]

    def name(self, school: str) -> str:
        return wording.name(self.schools.loc[school, "name_zh"])

    def taught(self, school: str) -> list[str]:
        return [stage for stage in STAGES if (school, stage) in self.stages.index]

    def line(self, school: str) -> str:
        """Return the line above the table: name, type and year of foundation."""
        own = self.schools.loc[school]
        kind = kinds()[own["kind"]].written if own["kind"] in kinds() else BLANK
        founded = f"{int(own['founded_year'])}" if pd.notna(own["founded_year"]) else BLANK
        return f"{self.name(school)}（{kind}）　建校于{founded}年"

    def overall(self, school: str) -> str:
        """Return whether the school passes the rule in every stage that counts."""
        found = [self.passes.get((school, stage)) for stage in STAGES if (school, stage) in self.passes.index]
        return _worst("met" if f is True else "not_met" if f is False else "no_data" for f in found)

    def found(self, school: str, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return the figures in a sentence, and whether the line is met.

        Parameters
        ----------
        school : str
            Id or name of the school.
        row : mapping of str to object
        """
        status = self._status(school, row)
        if status == "not_applicable":
            return "本校不适用。", ANSWERS[status]
        return self.print(school, row["text"], row), ANSWERS[status]

    def _status(self, school: str, row: Mapping[str, Any]) -> str:
        if "indicator" in row:
            keys = [(school, stage, row["indicator"]) for stage in STAGES]
            return _worst(_told(self.judged.loc[key, "met"]) for key in keys if key in self.judged.index)
        if "special" in row:
            if self.schools.loc[school, "kind"] != "special":
                return "not_applicable"
            return self.evaluation.item(row["special"]).status
        return _worst(self.rows[code][school] for code in row["items"] if school in self.rows[code])

    def _limit(self, code: str) -> float:
        value = self.evaluation.standard.item(code).value
        return float(value) if isinstance(value, (int, float)) else math.nan

    def print(self, school: str, words: str, row: Mapping[str, Any]) -> str:
        """Fill a school's figures into a sentence.

        Parameters
        ----------
        school : str
            Id or name of the school.
        words : str
        row : mapping of str to object
        """

        def shown(first: str, second: str | None) -> str:
            if first == "limit":
                codes = [f"{second}-{stage}" for stage in STAGES] if str(second).startswith("L") else [str(second)]
                return "、".join(number(self._limit(code)).replace(",", "") for code in codes)
            if second is None:
                return self._whole(school, first)
            return self._staged(school, first, second, row)

        return PLACEHOLDER.sub(lambda m: shown(m[1], m[2]), words)

    def _whole(self, school: str, name: str) -> str:
        own = self.schools.loc[school]
        if name == "largest_class":
            known = [shown for column, shown in _BANDS if own[column] > 0]
            return known[0] if known and own[[c for c, _ in _BANDS]].notna().all() else BLANK
        if name == "senior_pupils":
            return _printed(self.senior[school], 0) if school in self.senior.index else NOT_TAUGHT
        if name == "all_pupils":
            return _printed(own["pupils"] + (self.senior[school] if school in self.senior.index else 0.0), 0)
        value = self.whole_county[name] if name in self.whole_county else own[name]
        return _printed(value, _layout()["places"].get(name, 0))

    def _staged(self, school: str, stage: str, name: str, row: Mapping[str, Any]) -> str:
        if stage not in self.taught(school):
            return NOT_TAUGHT
        own = self.stages.loc[(school, stage)]
        if name == "pupils":
            return _printed(own["pupils"], 0)
        if name == "classes_over":
            over = _BANDS[:5] if stage == "primary" else _BANDS[:4]
            return _printed(own[[column for column, _ in over]].astype(float).sum(skipna=False), 0)
        key = (school, stage, row["indicator"])
        if key not in self.judged.index:
            return BLANK
        value, line = self.judged.loc[key, "value"], self.judged.loc[key, "threshold"]
        if name == "count":
            per = self.evaluation.standard.indicators[row["indicator"]].need_per_unit
            return _printed(value * own["pupils"] / per, 0)
        return _printed(value, _layout()["places"][name], line)


def _printed(value: float, places: int, line: float = math.nan) -> str:
    return wording.figure(float(value), places, line, blank=BLANK).replace(",", "")


def _told(met: Any) -> str:
    return "no_data" if met is None or met != met else "met" if bool(met) else "not_met"


def _worst(statuses: Any) -> str:
    return min(statuses, key=_ORDER.index, default="not_applicable")


def _by_school(result: ItemResult) -> dict[str, str]:
    """Return a finding school by school; in a total, a school with none of what must be none has met its part."""
    rows, measure = result.rows, result.item.measure
    if rows is None or "school_id" not in rows or measure is None:
        return {}
    if measure.judge != "total":
        return {school: _told(met) for school, met in zip(rows["school_id"], rows["met"], strict=True)}
    if result.item.operator != "<=" or result.threshold != 0:
        return {}
    parts = rows.groupby("school_id")["value"].sum(min_count=1)
    unknown = rows.groupby("school_id")["value"].apply(lambda values: values.isna().any())
    return {s: "not_met" if v > 0 else "no_data" if unknown[s] else "met" for s, v in parts.items()}
