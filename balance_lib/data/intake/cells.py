"""Read what people write into a cell: numbers with separators or units, yes and no, choices, personal data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from balance_lib.data.tables import Column, limits

# What offices put into a cell to say "nothing here". Not 无: that may mean none (0) as well as no data.
PLACEHOLDERS = {"-", "--", "---", "—", "——", "–", "/", "\\", "…", "……", "...", "......", "*", "**", "n/a", "#n/a", "na"}
YES = {"是", "yes", "y", "true", "1", "√", "✓"}
NO = {"否", "no", "n", "false", "0", "×", "✗"}
# One unit, the ways people write it.
UNITS = {
    "人": ("人", "名", "位"), "个": ("个", "个班", "班"), "间": ("间",), "台": ("台",), "册": ("册", "本"),
    "类": ("类",), "元": ("元", "元整"), "万元": ("万元", "万"), "米": ("米", "m"), "年": ("年",), "度": ("度", "°"),
    "平方米": ("平方米", "平米", "m2", "m²", "㎡"),
}  # fmt: skip
FREE_TEXT = ("note", "document", "unit", "source")  # where a telephone number may slip in
# The Chinese unit of a canonical one.
UNIT_WORDS = {
    "pupils": "人", "persons": "人", "classes": "个", "rooms": "间", "sets": "台", "volumes": "册", "kinds": "类",
    "m²": "平方米", "m": "米", "yuan": "元", "°": "度",
}  # fmt: skip
_FOREIGN_UNITS = ("元", "万", "亿", "千", "人", "个", "间", "平方", "亩", "年", "%")
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[+-]?\.\d+")
_PERSON = re.compile(
    r"联系人|联系方式|联系电话|电话|手机|身份证|证件号|姓名|校长|园长|负责人|填报人|填表人|经办人|审核人|班主任|邮箱|微信|QQ"
    r"|phone|mobile|e-?mail|id ?card|id ?number|contact|principal|headteacher"
    r"|(?:first|last|full|pupil|teacher|person).?name",
    re.IGNORECASE,
)
_ABOUT_SCHOOL = re.compile(r"学校名称|校名|人数|教师数|学生数|比例|率$")
# 1985年, 1985学年, 1985年9月, 1985-09-01
_YEAR = re.compile(r"(\d{4})\s*(?:年|学年|年度|学年度|年?\s*[年./-]\s*\d{1,2}\s*月?(?:\s*[./-]?\s*\d{1,2}\s*日?)?)")
_PERSONAL_NUMBER = re.compile(r"(?<!\d)(?:1[3-9]\d{9}|\d{17}[\dXx])(?!\d)")


@dataclass(frozen=True)
class Cell:
    """Hold what was understood of a cell: a value, or a broken rule; a note rule when it was read with care.

    ``value`` is None when the cell says nothing or cannot be understood.
    """

    value: Any = None
    broken: str | None = None
    note: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


def plain(text: object) -> str:
    """Return text in one width: full-width digits, letters and brackets become ASCII, spaces at the ends go.

    Examples
    --------
    >>> plain("　３２０（小学） ")
    '320(小学)'
    """
    return unicodedata.normalize("NFKC", str(text)).strip()


def label_key(text: object) -> str:
    """Return a label so that the ways of typing it fall together: width, brackets, spaces, dashes, case.

    Examples
    --------
    >>> label_key("专科学历教师人数 （小学）") == label_key("专科学历教师人数(小学)")
    True
    """
    folded = unicodedata.normalize("NFKC", str(text)).casefold()
    for written, one in (("≥", ">="), ("≤", "<="), ("平方米", "m2"), ("【", "("), ("】", ")"), ("[", "("), ("]", ")")):
        folded = folded.replace(written, one)
    folded = re.sub(r"[–—―‐‑−~～至]", "-", folded)
    folded = re.sub(r"^\s*(?:\d+\s*[.、]|\*)\s*", "", folded)
    return re.sub(r"[\s*:;、。，,_]+", "", folded)


def is_blank(raw: object) -> bool:
    """Tell whether a cell holds nothing, or nothing but spaces."""
    return raw is None or (isinstance(raw, str) and not plain(raw)) or (isinstance(raw, float) and raw != raw)


def is_personal(label: object) -> bool:
    """Tell whether a label asks for a person's name, identity or telephone number.

    Examples
    --------
    >>> is_personal("联系电话"), is_personal("学校名称"), is_personal("专任教师总人数")
    (True, False, False)
    """
    return personal_word(label) is not None


def personal_word(label: object) -> str | None:
    """Return the word that makes a label personal: it can be told without telling what stands beside it.

    Examples
    --------
    >>> personal_word("校长 王某某 电话")
    '校长'
    """
    text = plain(label)
    found = _PERSON.search(text)
    return found[0] if found and not _ABOUT_SCHOOL.search(text) else None


def holds_personal_number(text: object) -> bool:
    """Tell whether a text contains what looks like a mobile or an identity number."""
    return bool(_PERSONAL_NUMBER.search(plain(text)))


def number(raw: object, unit: str | None = None, scale: int = 1) -> Cell:
    """Read a number exactly: text is read as decimal, so 12.34 万元 is 123400 yuan and not a hair beside it.

    Parameters
    ----------
    raw : object
        Cell value as openpyxl gives it.
    unit : str, optional
        Unit the cell is asked for in; the same unit behind the figure is accepted with a note, another one is not.
    scale : int
        How many canonical units one of that unit is.

    Examples
    --------
    >>> number(12.34, "万元", 10000).value
    123400.0
    >>> number("1,320人", "人").value, number("1,320人", "人").note
    (1320.0, 'read_as')
    >>> number("12元", "万元", 10000).broken
    'other_unit'
    """
    if is_blank(raw):
        return Cell()
    if isinstance(raw, (bool, date, datetime)):
        return Cell(broken="not_a_number")
    if isinstance(raw, (int, float)):
        return Cell(float(Decimal(repr(raw)) * scale))
    text = plain(raw)
    if text.casefold() in PLACEHOLDERS:
        return Cell(note="placeholder")
    match = _NUMBER.match(text)
    rest = text[match.end() :].strip() if match else text
    if not match or (rest and rest not in [plain(u) for u in UNITS.get(unit or "", (unit,)) if u]):
        foreign = match and any(rest.startswith(u) for u in _FOREIGN_UNITS)
        return Cell(broken="other_unit" if foreign else "not_a_number", params={"unit": unit or "–"} if foreign else {})
    try:
        exact = Decimal(match[0].replace(",", ""))
    except InvalidOperation:  # pragma: no cover - the pattern lets only decimals through
        return Cell(broken="not_a_number")
    value = float(exact * scale)
    careful = text != str(raw).strip() or bool(rest) or "," in match[0]
    return Cell(value, note="read_as", params={"value": f"{exact:f}"}) if careful else Cell(value)


def year(raw: object) -> Cell:
    """Read a year: 1985, "1985年", "1985年9月", a date, or a school year "1985-1986学年" (its first year).

    Examples
    --------
    >>> year("1985年9月").value, year("2023-2024学年").value
    (1985.0, 2023.0)
    """
    if isinstance(raw, (date, datetime)):
        return Cell(float(raw.year), note="read_as", params={"value": raw.year})
    if isinstance(raw, str):
        text = plain(raw)
        span = re.fullmatch(r"(\d{4})\s*(?:年|学年|学年度|年度)?\s*[-–—~至/]\s*(\d{4})\s*(?:年|学年|学年度)?", text)
        if span and int(span[2]) == int(span[1]) + 1:
            return Cell(float(span[1]), note="read_as", params={"value": span[1]})
        single = _YEAR.fullmatch(text)
        if single:
            return Cell(float(single[1]), note="read_as", params={"value": single[1]})
    return number(raw)


def flag(raw: object) -> Cell:
    """Read yes or no as 1 or 0.

    Examples
    --------
    >>> flag("是").value, flag("否").value, flag("不清楚").broken
    (1.0, 0.0, 'yes_no')
    """
    if is_blank(raw):
        return Cell()
    text = plain(raw).casefold()
    if text in PLACEHOLDERS:
        return Cell(note="placeholder")
    text = text.removesuffix(".0")
    if text in YES or text in NO:
        return Cell(1.0 if text in YES else 0.0)
    return Cell(broken="yes_no")


def choice(raw: object, names: Mapping[str, str | Sequence[str]], shown: str) -> Cell:
    """Read one of several choices by its code or any of its names; ``shown`` is the list to tell when it is none.

    Parameters
    ----------
    raw : object
    names : Mapping[str, str or sequence of str]
        Words by code.
    shown : str
        Words for the choice in the message.

    Examples
    --------
    >>> choice("小 学", {"primary": "小学"}, "小学").value
    'primary'
    """
    if is_blank(raw):
        return Cell()
    known = {}
    for code, spellings in names.items():
        for name in (code, *([spellings] if isinstance(spellings, str) else spellings)):
            known[label_key(name)] = code
    value = known.get(label_key(raw))
    return Cell(value) if value else Cell(broken="listed", params={"choices": shown})


def text(raw: object) -> str | None:
    """Read a text; a number Excel made of a code becomes its digits again.

    Examples
    --------
    >>> text(2165001234.0), text("0012")
    ('2165001234', '0012')
    """
    if is_blank(raw):
        return None
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    if isinstance(raw, datetime) and raw.time() == datetime.min.time():
        return raw.date().isoformat()
    if isinstance(raw, (date, datetime)):
        return raw.isoformat()
    return str(raw).strip()


def _day(raw: object) -> Cell:
    """Read a date as ISO text.

    Examples
    --------
    >>> _day("2024年3月1日").value, _day("2024/3/1").value, _day("去年").broken
    ('2024-03-01', '2024-03-01', 'date')
    """
    if is_blank(raw):
        return Cell()
    if isinstance(raw, datetime):
        return Cell(raw.date().isoformat())
    if isinstance(raw, date):
        return Cell(raw.isoformat())
    match = re.fullmatch(r"(\d{4})[-./年](\d{1,2})[-./月](\d{1,2})日?", plain(raw))
    try:
        return Cell(date(int(match[1]), int(match[2]), int(match[3])).isoformat()) if match else Cell(broken="date")
    except ValueError:
        return Cell(broken="date")


def of_column(raw: object, column: Column, lang: str = "zh") -> Cell:
    """Read a cell as a value of a canonical column: choices by code or name, flags by 是 and 否, numbers judged.

    Parameters
    ----------
    raw : object
    column : Column
    lang : {"zh", "en"}
        Language of the list of choices in a fault.
    """
    if column.choices:
        return choice(raw, column.choices, "、".join(column.choices.values() if lang == "zh" else column.choices))
    if column.name in FREE_TEXT and holds_personal_number(raw):
        return Cell(note="personal_data")
    if column.type in ("text", "date"):
        return _day(raw) if column.type == "date" else Cell(text(raw))
    if column.type == "flag":
        return flag(raw)
    unit = UNIT_WORDS.get(column.unit)
    cell = year(raw) if column.type == "year" else number(raw, unit)
    broken = judge(cell.value, column) if cell.value is not None else None
    return Cell(broken=broken[0], params=broken[1]) if broken else cell


def real_day(text: str) -> date | None:
    """Return an ISO date a spreadsheet can hold as one, or None: they begin in 1900 and miscount its February."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.isoformat() == text and found > date(1900, 3, 1) else None


def judge(value: float, column: Column) -> tuple[str, dict[str, Any]] | None:
    """Name the rule a number breaks as a value of a column, with its values for the text; None if it breaks none.

    Parameters
    ----------
    value : float
    column : Column
    """
    if column.type in ("count", "year") and value % 1:
        return "whole", {}
    low, high = limits(column)
    if (low is not None and value < low) or (high is not None and value > high):
        return "range", {"low": "…" if low is None else f"{low:g}", "high": "…" if high is None else f"{high:g}"}
    return None
