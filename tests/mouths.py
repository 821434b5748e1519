"""Read an evaluation back out of every mouth: the command, pages, forms, papers, lists and the province's table.

A mouth is a function of a county and its evaluation that returns what a person (or a script) reads there of each item,
as ``{code: Said}``. It reads the finished text, table or file, never the evaluation.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docx
import openpyxl
import pandas as pd

from balance_lib import palette
from balance_lib.batch import findings as batch_findings
from balance_lib.cli import render as as_text
from balance_lib.data.county import County
from balance_lib.evaluation import OPEN, STATUSES, Evaluation, figures
from balance_lib.locale import text
from balance_lib.office import workplan
from balance_lib.office.reports import application, application_book, brief, findings, lists, self_report
from balance_lib.show.widgets import card_views, first_screen, views
from balance_lib.show.widgets.markup import render
from balance_lib.standards import STAGES

LANG = "zh"
WORDS = {text(f"status.{status}", LANG): status for status in STATUSES}


@dataclass(frozen=True)
class Said:
    """Hold what a mouth says of an item; None where it does not speak of that.

    ``below`` and ``unknown`` count rows, ``at_line`` those at the line itself, ``passing`` those it lets pass.
    """

    status: str | None = None
    value: float | None = None
    shown: str | None = None
    n: int | None = None
    at_line: int | None = None
    by_floor: int | None = None
    passing: int | None = None
    below: int | None = None
    unknown: int | None = None
    gap: str | None = None


OFFICIAL = re.compile(r"\d+项中\d+项达标(?:，\d+项未达标)?(?:，\d+项待定)?")


SCORE = re.compile(r"评分表满分([\d.]+)分：得([\d.]+)分，未达标失([\d.]+)分，待定([\d.]+)分[^。]*。(及格线[^。]*。)?")


def _sums(words: str, found: Evaluation) -> dict[str, Said]:
    """Read the count by the standard's own indicators and the points of its score sheet, under keys of no item."""
    of = [said for said in OFFICIAL.findall(words) if said.startswith(f"{len(found.standard.official)}项中")]
    out = {"#": Said(shown=of[-1])} if of and found.standard.official else {}
    if points := SCORE.search(words):
        possible, got, lost, waiting = (float(each) for each in points.groups()[:4])
        out["points"] = Said(n=possible, passing=got, below=lost, unknown=waiting, shown=points[5] or "")
    return out


Mouth = Callable[[County, Evaluation], Mapping[str, Said]]


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def as_json(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read ``evaluate --json``."""
    told = json.loads(json.dumps(found.as_dict(LANG), ensure_ascii=False, allow_nan=False))
    out = {}
    if (official := told["official"]) is not None:
        out["#"] = Said(n=official["n"], passing=official["met"], below=official["not_met"], unknown=official["open"])
    if (score := told["score"]) is not None:
        lost, waiting = (sum(score[name].values()) for name in ("lost", "open"))
        out["points"] = Said(n=score["possible"], passing=score["got"], below=lost, unknown=waiting)
    for item in told["items"]:
        counts = item["counts"] or {}
        counted = {name: counts[name] for name in ("n", "at_line", "by_floor", "below", "unknown") if name in counts}
        out[item["code"]] = Said(item["status"], _number(item["value"]), item["reason"], **counted)
    return out


def command(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the text of ``evaluate``: a sign, the code, the label and the reason."""
    signs = {"✓": "met", "✗": "not_met", "?": "no_data", "○": "evidence", "…": "not_due", "–": "not_applicable"}
    lines = re.findall(r"^  ([✓✗?○…–]) (\S+) +(.*)$", as_text.evaluation(found, LANG), re.M)
    said = as_text.evaluation(found, LANG).split("\n\n")[0]
    return {**_sums(said, found), **{code: Said(signs[sign], shown=rest) for sign, code, rest in lines}}


class _Lamps(HTMLParser):
    """Collect, of lists of items, the lamp before each code and the words after it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.lamp = self.code = ""
        self.bold = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        facts = dict(attrs)
        if "bl-lamp" in (facts.get("class") or "").split():
            self.lamp, self.code = facts["data-status"], ""
        self.bold = tag == "b"

    def handle_endtag(self, tag: str) -> None:
        self.bold = False

    def handle_data(self, data: str) -> None:
        if self.bold and self.lamp:
            self.code = data.strip()
            self.found[self.code] = [self.lamp, ""]
        elif self.code:
            self.found[self.code][1] += data


def overview(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the overview's list of items."""
    lamps = _Lamps()
    lamps.feed(views._lamp_grid(found, lambda **state: "", LANG))
    codes = found.standard.by_code  # the heads of the parts are bold too
    return {code: Said(status, shown=words) for code, (status, words) in lamps.found.items() if code in codes}


def gaps(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Count the marks of the gaps page's table of schools, column by column."""
    out: dict[str, Said] = {}
    for stage in ("primary", "junior", "all"):
        content = views._matrix(found, county, LANG, stage, only_short=False)
        codes = [head.split(" ")[0] for head in re.findall(r"<th[^>]*>([^<]*)</th>", content)][1:]
        marks: dict[str, list[str]] = {code: [] for code in codes}
        for row in re.findall(r"<tr>(<td.*?)</tr>", content):
            cells = re.findall(r"<td[^>]*>(.*?)</td>", row)[1:]
            for code, cell in zip(codes, cells, strict=True):
                marks[code] += re.findall(r'data-status="(\w+)"', cell)
        for code, seen in marks.items():
            if found.standard.item(code).stage == stage:
                count = {status: seen.count(status) for status in ("met", "not_met", "no_data")}
                out[code] = Said(
                    n=len(seen), passing=count["met"], below=count["not_met"], unknown=count["no_data"]
                )  # fmt: skip
    return out


def cards(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the overview's cards of met and failing items: counts, under the keys of no item.

    Where the standard announces a count of its own the first card shows that, and the requirements under it.
    """
    content = card_views._cards(found, None, LANG)
    seen = re.findall(r"<h3>(.*?)</h3><p class=\"bl-figure\">(.*?)</p>.*?<p>(.*?)</p></section>", content, re.S)
    cards = {title: (figure, note) for title, figure, note in seen}
    titles = {name: text(f"page.card.{name}", LANG) for name in ("met", "not_met", "not_met_parts", "open")}
    figure, note = cards[titles["met"]]
    parts = re.fullmatch(r"细分(\d+)条要求，(\d+)条达标", note)
    met, _, total = figure.partition(" / ")
    out = {}
    if parts:
        out["#"] = Said(n=int(total), passing=int(met))
        total, met = parts.groups()
    below = waiting = 0
    for name in ("not_met", "not_met_parts", "open"):
        if titles[name] in cards:
            figure, note = cards[titles[name]]
            also = re.search(r"另有(\d+)项待定", note)
            below, waiting = (0, int(figure)) if name == "open" else (int(figure), int(also[1]) if also else 0)
    known = bool(total)  # nothing known is a dash, not a nought
    return {**out, "*": Said(n=int(total) if known else None, passing=int(met) if known else None,
                             below=below, unknown=waiting)}  # fmt: skip


def forms(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the workbook of forms: 表Ⅱ-1 counts schools, 表Ⅲ shows coefficients."""
    if not application.fits(found.standard):
        return {}
    book = application_book.read(application_book.write(application._application(county, found)))
    names = [part["id"] for part in application.layout()["indicators"]]
    compliance = book["II-1"].set_index(["stage", "row"])
    coefficients = book["III"].set_index(["stage", "row"])
    out = {}
    for item in found.standard.judged:
        measure = item.measure
        stage = item.stage
        if measure is None or stage not in STAGES:
            continue
        if measure.source in ("indicator", "school_rule"):
            column = f"L{names.index(measure.formula) + 1}" if measure.source == "indicator" else "L8"
            out[item.code] = Said(at_line=int(compliance.loc[(stage, "达标学校总数"), column]))
        elif measure.source == "cv" and measure.formula in names:
            value = coefficients.loc[(stage, "差异系数"), f"L{names.index(measure.formula) + 1}"]
            out[item.code] = Said(value=_number(value))
    return out


def _table_rows(content: bytes) -> list[list[str]]:
    document = docx.Document(io.BytesIO(content))
    return [[cell.text for cell in row.cells] for table in document.tables for row in table.rows]


def _paper(found: Evaluation, content: bytes) -> Mapping[str, Said]:
    """Read the tables of items of a paper: number, item, requirement, how it stands, finding."""
    codes: dict[str, list[str]] = {}
    for result in found.items:
        if result.counts:
            codes.setdefault(findings._label(result, LANG), []).append(result.item.code)
    out = _sums("\n".join(each.text for each in docx.Document(io.BytesIO(content)).paragraphs[:12]), found)
    for row in _table_rows(content):
        if len(row) != 5 or row[4] not in WORDS or len(codes.get(row[1], ())) != 1:
            continue
        counts = re.match(r"(\d+)\D+?中(\d+)\D+?达标(?:，(\d+)\D+?按余项)?", row[3])
        so_many: dict[str, int] = {}
        if counts:
            n, met, floor = (int(group or 0) for group in counts.groups())
            so_many = {"n": n, "at_line": met, "by_floor": floor}
        out[codes[row[1]][0]] = Said(WORDS[row[4]], shown=row[3], **so_many)
    return out


def self_report_paper(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the self-evaluation report."""
    return _paper(found, self_report._write(county, found, lang=LANG))


def brief_paper(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the leader's brief."""
    return _paper(found, brief._write(county, found, lang=LANG))


def problem_list(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Count the problem list: one row a school and item, one an item of the county."""
    table = workplan.problem_list(found, county, lang=LANG)
    out = {}
    for code, rows in table.groupby("code"):
        of_schools = rows[rows["school_id"] != ""]
        if len(of_schools):
            out[str(code)] = Said(below=len(of_schools))
        else:
            out[str(code)] = Said("not_met", _number(rows["value"].iloc[0]))
    return out


def problem_paper(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the printed problem list: of each item of the county itself the figures as their cells show them."""
    book = openpyxl.load_workbook(io.BytesIO(lists.problems(county, found, lang=LANG)))
    rows = list(book.worksheets[0].iter_rows())
    heads = {name: text(f"report.lists.column.{name}", LANG) for name in ("code", "school", "value", "gap")}
    head = next(i for i, row in enumerate(rows) if any(cell.value == heads["code"] for cell in row))
    at = {name: [cell.value for cell in rows[head]].index(word) for name, word in heads.items()}
    out = {}
    for row in rows[head + 1 :]:
        code = str(row[at["code"]].value)
        if code in found.standard.by_code and row[at["school"]].value == county.whole(LANG):
            out[code] = Said("not_met", shown=_as_shown(row[at["value"]]), gap=_as_shown(row[at["gap"]]))
    return out


def _as_shown(cell: Any) -> str:
    """Return a number as its cell shows it: rounded half up to the decimals of its format."""
    if cell.value is None:
        return ""
    return f"{figures.rounded(float(cell.value), len(cell.number_format.partition('.')[2])):,}"


def next_steps(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the overview's next steps: a lamp, the code and the reason of each open item, and what is missing of it."""
    content = render("next_steps", LANG, steps=_screen(county, found).steps, note="")
    lamps = _Lamps()
    lamps.feed(content)
    return {code: Said(status, shown=words) for code, (status, words) in lamps.found.items()}


def first_screen_page(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the first screen's verdict, under the key of no item: how many items fail or wait.

    Where the standard announces a count of its own, that count alone.
    """
    words = re.sub(r"<[^>]+>", "", _screen(county, found).html(LANG))
    sums = _sums(words, found)
    if "#" in sums:
        return sums
    n, below, waiting = (re.search(each, words) for each in (r"：(\d+)项", r"中(\d+)项未达标", r"[、但，](\d+)项待定"))
    counts = [None if each is None else int(each[1]) for each in (n, below, waiting)]
    return {**sums, "*": Said(n=counts[0], below=counts[1] or 0, unknown=counts[2] or 0)}


def _screen(county: County, found: Evaluation) -> first_screen.FirstScreen:
    """Return the first screen of an evaluation without forecasts: what it says of today does not hang on them."""
    model: Any = SimpleNamespace(
        evaluation=found, lang=LANG, county=county, standard=found.standard, year=found.year,
        query=lambda **state: "",
    )  # fmt: skip
    outlook: Any = SimpleNamespace(open_items=list)
    return first_screen._first_screen(model, outlook)


def register(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read ``plan --json``: of each task what its items were found, under the task's own key."""
    shown = workplan.register_of(county, found.standard, found.on, found=found)
    told = json.loads(json.dumps(shown.as_dict(LANG), ensure_ascii=False, allow_nan=False))
    return {
        f"task {task['task']}": Said(task["finding"], shown=task["status"], n=task["facts"], passing=task["facts_met"])
        for task in told["tasks"] if task["kind"] not in ("task", "output")
    }  # fmt: skip


def province(county: County, found: Evaluation) -> Mapping[str, Said]:
    """Read the rows ``batch`` writes to its table of items."""
    columns = batch_findings._items(found.standard.id, found.year, found)
    frame = pd.DataFrame(columns)
    return {row.code: Said(row.status, _number(row.value)) for row in frame.itertuples()}


def brief_file(content: str, found: Evaluation) -> dict[str, Said]:
    """Read the brief as one HTML file: its counts, the sentence under each curve, the coefficients with their marks.

    Where the standard announces a count of its own, the line of counts says first how many requirements there are.
    """
    counts = {WORDS[word]: int(n) for word, n in re.findall(r"([一-龥]+) (\d+)(?: ·|</p>)", content) if word in WORDS}
    parts = re.search(r"细分(\d+)条要求：", content)
    out = {"*": Said(n=int(parts[1]) if parts else None, passing=counts.get("met", 0), below=counts.get("not_met", 0),
                     unknown=sum(counts.get(status, 0) for status in OPEN)), **_sums(content, found)}  # fmt: skip
    figures = r"<figcaption>(\S+) .*?</figcaption>.*?<p>(.*?)</p>\s*</figure>"
    out |= {code: Said(shown=html.unescape(words)) for code, words in re.findall(figures, content, re.S)}
    codes = {}
    for result in found.items:
        measure = result.item.measure
        if measure is not None and measure.source == "cv" and measure.formula in found.standard.indicators:
            spec = found.standard.indicators[measure.formula]
            codes[(text(f"stage.{result.item.stage}", LANG), spec.label(LANG))] = result.item.code
    rows = r'<tr data-look="(\w+)"><td>(.*?)</td><td>(.*?)</td><td>(\S) (.*?)</td>'
    for status, stage, label, _, value in re.findall(rows, content):
        if code := codes.get((stage, label)):
            out[code] = Said(status, shown=f"CV {value}")
    return out


MOUTHS: Mapping[str, Mouth] = {
    "json": as_json,
    "command": command,
    "overview": overview,
    "gaps": gaps,
    "cards": cards,
    "forms": forms,
    "self-report": self_report_paper,
    "brief": brief_paper,
    "problem list": problem_list,
    "problem paper": problem_paper,
    "next steps": next_steps,
    "first screen": first_screen_page,
    "register": register,
    "province": province,
}


def lamp_of(status: str) -> str:
    """Return the lamp of a status: two statuses may share one."""
    return next(name for name, look in palette.LAMPS.items() if look is palette.LAMPS[status])


def open_county(folder: Path) -> County:
    return County.open(folder)
