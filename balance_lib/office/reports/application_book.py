"""Write the application for recognition (表Ⅰ–表Ⅵ) as a workbook that prints as the form, and read it back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from balance_lib._errors import DataError, Fault
from balance_lib.data.intake import xlsx
from balance_lib.office.reports.application import (
    BLANK,
    COMPOSITE,
    OVERALL,
    PLACEHOLDER,
    Application,
    ApplicationAnswer,
    layout,
)
from balance_lib.office.reports.paper import SheetWriter, Value, _origin_sheet, book_of, new_book
from balance_lib.office.reports.wording import places_beside
from balance_lib.standards import STAGES

if TYPE_CHECKING:
    from openpyxl import Workbook

STAGE_NAMES = {"primary": "小学", "junior": "初中"}
_DASH = "——"
_PRINTED = r"(-?\d[\d,]*(?:\.\d+)?|＿＿|不足5|[ⅠⅡⅢⅣ])"
_YES = {True: "是", False: "否", None: "无数据"}


def write(figures: Application) -> bytes:
    """Return 表Ⅰ–表Ⅵ as a workbook: A4 across, one form a sheet, numbers as numbers with the form's decimals.

    A cell keeps the unrounded number and shows it rounded; the sentences of 表Ⅳ and 表Ⅴ hold rounded numbers.
    """
    book = new_book()
    for fill in (_basic, _compliance, _by_school, _coefficients, _guarantee, _quality, _recognition):
        fill(book, figures)
    _origin_sheet(book, figures.stamp, layout()["origin"])
    return book_of(book)


def _open(book: Workbook, key: str, figures: Application, widths: Sequence[float]) -> SheetWriter:
    page = SheetWriter(book, layout()["sheets"][key], widths, figures.stamp)
    page.title(layout()["titles"][key])
    page.line(f"{figures.stamp.county()}　{figures.stamp.school_year()}", align="center")
    return page


def _basic(book: Workbook, figures: Application) -> None:
    form = layout()["I"]
    columns = form["columns"]
    page = _open(book, "I", figures, [7.5] * 8 + [5.5, 7.5, 5.5, 6, 7.5, 8, 5.5, 7.5] + [6] * 8)
    groups = [words if place == 0 else None for words, wide in form["groups"] for place in range(wide)]
    labels = [_broken(column["label"]) for column in columns]
    parts = [column.get("part") or "^" for column in columns]
    page.head([groups, labels, parts, [column["code"] for column in columns]])
    row = [Value(figures.basic[c["code"]], c.get("places", 0)) for c in columns]
    page.data(row, align="center")
    for words in form["notes"]:
        page.note(words)
    page.finish()


def _broken(label: str | None) -> str | None:
    """Return a narrow column's label with its unit on a line of its own; "" continues the cell above."""
    return "^" if label == "" else label and label.replace("（", "\n（")


def _compliance(book: Workbook, figures: Application) -> None:
    heads = [*layout()["indicator_heads"], "综合评估"]
    names = [*(part["id"] for part in layout()["indicators"]), OVERALL]
    page = _open(book, "II-1", figures, [7, 18, *[13] * 8])
    page.head([["学段", "项目", *heads], ["^", "^", *(f"L{i}" for i in range(1, 9))]])
    table = figures.compliance.set_index(["stage", "indicator"])
    for stage in STAGES:
        rows = [table.loc[(stage, name)] for name in names]
        first = page.data([STAGE_NAMES[stage], "达标学校总数", *(Value(r["met"], 0) for r in rows)], align="center")
        page.data(["", "达标学校比例（%）", *(Value(r["pct"], 1) for r in rows)], align="center")
        page.merge(first, 1, first + 1, 1)
    unknown = figures.compliance[figures.compliance["unknown"] > 0]
    page.note(layout()["II-1"]["note"])
    for row in unknown.itertuples():
        column = names.index(row.indicator) + 1
        page.note(f"{STAGE_NAMES[row.stage]}L{column}：{row.n}所中{row.unknown}所无数据。")
    page.finish()


def _by_school(book: Workbook, figures: Application) -> None:
    form, names = layout()["II-2"], [part["id"] for part in layout()["indicators"]]
    page = _open(book, "II-2", figures, [5, 30, 8, 8, 7, 7, *[11] * 7, 10, 26])
    page.head(
        [[*form["heads"], *layout()["indicator_heads"], *form["tail"]], [*(f"L{i}" for i in range(1, 15)), "^"]],
        freeze=2,
    )
    align = ["center", "left", *["center"] * 12, "left"]
    for row in figures.schools.to_dict("records"):
        shown = [Value(row[name], places_beside(row[name], 2, row[f"{name}_line"])) for name in names]
        counts = [Value(row[name], 0) for name in ("founder", "pupils", "grades", "classes")]
        page.data([row["number"], row["name"], *counts, *shown, _YES[row["passes"]], row["remark"]], align=align)
    page.note(PLACEHOLDER.sub(lambda m: str(int(figures.counts[m[1]])), form["note_counts"]))
    for words in form["notes"]:
        page.note(words)
    page.finish()


def _coefficients(book: Workbook, figures: Application) -> None:
    page = _open(book, "III", figures, [7, 14, *[13] * 8])
    heads = [*layout()["indicator_heads"], "综合"]
    page.head([["学段", "项目", *heads], ["^", "^", *(f"L{i}" for i in range(1, 9))]])
    names = [*(part["id"] for part in layout()["indicators"]), COMPOSITE]
    table = figures.coefficients.set_index(["stage", "indicator"])
    for stage in STAGES:
        means = [_value(table, (stage, name), "mean", 2) for name in names[:-1]]
        first = page.data([STAGE_NAMES[stage], "全县平均值", *means, _DASH], align="center")
        page.data(["", "差异系数", *(_value(table, (stage, name), "cv", 3) for name in names)], align="center")
        page.merge(first, 1, first + 1, 1)
    page.note(layout()["III"]["note"])
    page.finish()


def _value(table: pd.DataFrame, key: tuple[str, str], column: str, places: int) -> Value | None:
    if key not in table.index:
        return None
    row = table.loc[key]
    line = row["limit"] if column == "cv" else math.nan
    return Value(row[column], places_beside(row[column], places, line, "<="))


def _answers(page: SheetWriter, answers: Sequence[ApplicationAnswer], head: Sequence[str]) -> None:
    page.head([list(head)])
    for answer in answers:
        page.data([answer.label, answer.found, answer.answer], align=["left", "left", "center"])


def _guarantee(book: Workbook, figures: Application) -> None:
    page = _open(book, "IV", figures, [58, 74, 10])
    _answers(page, figures.guarantee, ["指标名称", "指标值或简要结论", "是否达标"])
    page.note(layout()["IV"]["note"])
    page.finish()


def _quality(book: Workbook, figures: Application) -> None:
    page = _open(book, "V", figures, [58, 74, 10])
    _answers(page, figures.quality, ["指标名称", "指标值或简要结论", "是否达标"])
    page.note(layout()["V"]["note"])
    page.finish()


def _recognition(book: Workbook, figures: Application) -> None:
    page = _open(book, "VI", figures, [16, *[16] * 7])
    page.head(
        [
            ["项目", "问卷总数", None, None, "问卷调查综合满意度（%）", "实地走访人数", None, "实地走访满意度（%）"],
            ["^", "计", "其中：回收有效问卷数", None, "^", "计", "其中：满意人数", "^"],
            ["^", "^", "计", "其中：满意问卷数", "^", "^", "^", "^"],
            ["^", *(f"L{i}" for i in range(1, 8))],
        ]
    )
    blank = [None] * 7
    known = [None, None, None, Value(figures.recognition, 1), None, None, None]
    for label in layout()["VI"]["rows"]:
        page.data([label, *(known if label == layout()["VI"]["rows"][0] else blank)], align="center")
    page.note(layout()["VI"]["note"])
    page.finish()


def read(source: bytes | Path | str) -> dict[str, pd.DataFrame]:
    """Read 表Ⅰ–表Ⅵ back: the figures that stand in the cells and in the sentences.

    Parameters
    ----------
    source : bytes, Path or str
        A workbook :func:`write` made; columns are found by their codes, so that rows may have been added.

    Returns
    -------
    dict of str to DataFrame
        "I" (code, value); "II-1" and "III" (stage, row, L1 …); "II-2" (stage, number, name, L2 …, passes, remark);
        "IV" and "V" (label, found, answer); "VI" (row, L1 …); "figures" (table, name, value): the numbers within the
        sentences of 表Ⅳ and 表Ⅴ. A blank is NaN.

    Raises
    ------
    DataError
        If the workbook cannot be read or lacks one of the forms.
    """
    named = xlsx.SourceFile.of(source)
    sheets, faults = xlsx.read(named)
    found = {sheet.title: sheet for sheet in sheets}
    lacking = [title for title in layout()["sheets"].values() if title not in found]
    if not faults and lacking:
        faults = [Fault("no_sheet", named.name, params={"known": title}) for title in lacking]
    if faults:
        raise DataError(faults)
    rows = {key: found[title].rows for key, title in layout()["sheets"].items()}
    out = {"I": _read_basic(rows["I"]), "II-2": _read_schools(rows["II-2"])}
    out |= {key: _read_coded(rows[key], "L1") for key in ("II-1", "III", "VI")}
    out |= {key: _read_answers(rows[key]) for key in ("IV", "V")}
    return {**out, "figures": pd.concat([_in_sentences(out[key], key) for key in ("IV", "V")], ignore_index=True)}


def _code_row(rows: Sequence[Sequence[Any]], first: str) -> int:
    return next(i for i, row in enumerate(rows) if first in row)


def _read_basic(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    at = _code_row(rows, "L1")
    values = [*rows[at + 1], *[None] * len(rows[at])]
    return pd.DataFrame({"code": rows[at], "value": [_number(v) for v in values[: len(rows[at])]]})


def _read_coded(rows: Sequence[Sequence[Any]], first: str) -> pd.DataFrame:
    at = _code_row(rows, first)
    codes = [str(code) if code else f"_{i}" for i, code in enumerate(rows[at])]
    out, stage = [], None
    for row in rows[at + 1 :]:
        cells = [*row, *[None] * (len(codes) - len(row))]
        if not cells or str(cells[0] or "").startswith("注") or not any(cells):
            break
        stage = {name: key for key, name in STAGE_NAMES.items()}.get(cells[0], stage)
        label = cells[1] if codes[1].startswith("_") else cells[0]
        named = zip(codes, cells, strict=False)
        out.append({"stage": stage, "row": label, **{c: _number(v) for c, v in named if not c.startswith("_")}})
    return pd.DataFrame(out)


def _read_schools(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    at = _code_row(rows, "L2")
    listed = [[*row, *[None] * (15 - len(row))] for row in rows[at + 1 :]]
    listed = [cells for cells in listed if isinstance(cells[0], (int, float))]
    counted = next((m for row in rows if (m := re.search(r"小学学校总数(\d+)所", str(row[0] if row else "")))), None)
    primary = int(counted[1]) if counted else len(listed)  # both stages are numbered from one
    out = []
    for place, cells in enumerate(listed):
        head = {"stage": STAGES[place >= primary], "number": int(cells[0]), "name": cells[1]}
        own = {f"L{i}": _number(cells[i - 1]) for i in range(3, 14)}
        out.append({**head, **own, "passes": cells[13], "remark": cells[14]})
    return pd.DataFrame(out)


def _read_answers(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    at = next(i for i, row in enumerate(rows) if "是否达标" in row)
    lines = [row for row in rows[at + 1 :] if len(row) >= 3]
    return pd.DataFrame([row[:3] for row in lines], columns=["label", "found", "answer"])


def _in_sentences(answers: pd.DataFrame, key: str) -> pd.DataFrame:
    found = []
    for row, words in zip(layout()[key]["rows"], answers["found"], strict=False):
        found += [(key, *pair) for pair in _parsed(row.get("text", ""), str(words or ""))]
    return pd.DataFrame(found, columns=["table", "name", "value"])


def _parsed(template: str, words: str) -> Iterator[tuple[str, float]]:
    """Yield the figures of a printed sentence by the names its template gives them."""
    names = [m[1] for m in PLACEHOLDER.finditer(template)]
    parts = [re.escape(part) for part in PLACEHOLDER.sub("\0", template).rstrip("。").split("\0")]
    match = re.match(_PRINTED.join(parts), words) if names else None
    if match:
        yield from ((n, _number(value)) for n, value in zip(names, match.groups(), strict=True) if n != "limit")


def _number(value: Any) -> float:
    """Return what stands in a cell as a number; a blank, a dash or "不足5" is NaN."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    levels = {"Ⅰ": 1.0, "Ⅱ": 2.0, "Ⅲ": 3.0, "Ⅳ": 4.0}
    words = str(value or "").replace(",", "")
    if words in levels:
        return levels[words]
    return float(words) if re.fullmatch(r"-?\d+(\.\d+)?", words) and words != BLANK else math.nan
