"""Make texts fit to print: nothing harmful or unprintable, figures rounded as the forms ask, Chinese punctuation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from balance_lib.evaluation.figures import figure, places_beside, places_of, rounded
from balance_lib.locale import text
from balance_lib.office.workplan.tasks import offices

__all__ = [
    "CELL_MOST",
    "figure",
    "file_name",
    "full_width",
    "name",
    "offices",
    "places_beside",
    "places_of",
    "plain",
    "rounded",
    "sentence",
]

CELL_MOST = 32_767  # UTF-16 units a spreadsheet cell holds
NAME_MOST = 120  # a name in running text or a heading; a longer one is no name

# What XML cannot hold, what changes the direction of the text around it, and what cannot be seen.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]"
)
_CJK = r"\u3001-\u303f\u3400-\u9fff\uff01-\uff5e“”‘’%㎡"
_WIDE = {",": "，", ";": "；", ":": "：", "?": "？", "!": "！"}
_MARK = re.compile(rf"(?<=[{_CJK}])[,;:?!](?!\d\d\b)|[,;:?!](?=[{_CJK}])")
_BRACKETS = re.compile(r"\(([^()]*[\u4e00-\u9fff][^()]*)\)|(?<=[\u4e00-\u9fff])\(([^()]*)\)")


def _closed(counts: Mapping[str, int], lang: str = "zh") -> dict[str, object]:
    """Return the counts of a ledger with ``accepted`` as words; none where every entry is closed by its figures.

    ``counts``: as :func:`balance_lib.office.workplan.ledger_counts` gives them.
    """
    n = counts["accepted"]
    return {**counts, "accepted": text("report.accepted", lang, n=n) if n else ""}


def plain(value: object, most: int = CELL_MOST, lang: str = "zh") -> str:
    """Return a text without anything harmful, cut with a note where it is longer than allowed.

    Control characters, marks that turn the direction of writing, invisible characters and halves of surrogate pairs go;
    line ends become plain ones. The length counts UTF-16 units, as spreadsheet programs do.

    Parameters
    ----------
    value : object
    most : int
    lang : {"zh", "en"}

    Examples
    --------
    >>> plain("甲\\x00校\\u202e"), plain("abcdefghijkl", 8, "en")
    ('甲校', 'abcdefgh… (cut; 12 characters)')
    """
    whole = "" if value is None else str(value)
    kept = _UNPRINTABLE.sub("", whole.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    if len(kept) * 2 <= most or _units(kept) <= most:
        return kept
    note = text("report.cut", lang, n=len(kept))
    room = max(0, most - len(note)) if most == CELL_MOST else most
    cut = kept[:room]
    while _units(cut) > room:
        cut = cut[: len(cut) - max(1, (_units(cut) - room) // 2)]
    return cut + note


def name(value: object, lang: str = "zh") -> str:
    """Return a name fit for running text: one line, not longer than a name can be.

    Parameters
    ----------
    value : object
    lang : {"zh", "en"}
    """
    return plain(" ".join(plain(value, lang=lang).split()), NAME_MOST, lang)


def _units(value: str) -> int:
    return len(value.encode("utf-16-le", "replace")) // 2


def _sheet_title(value: object, taken: Collection[str] = ()) -> str:
    """Return a title a worksheet may bear: at most 31 units, none of ``[]:*?/\\``, and not taken yet.

    Examples
    --------
    >>> _sheet_title("a/b:c"), _sheet_title("A", ["a"]), _sheet_title("")
    ('a b c', 'A (2)', 'Sheet')
    """
    lower = {title.casefold() for title in taken}
    stem = " ".join(re.sub(r"[\[\]:*?/\\]", " ", plain(value, 4 * CELL_MOST)).split()).strip("'") or "Sheet"
    for count in range(1, len(lower) + 2):
        tail = "" if count == 1 else f" ({count})"
        title = stem
        while _units(title + tail) > 31:
            title = title[:-1] if len(title) < 40 else title[:31]
        if (title + tail).casefold() not in lower and (title + tail).casefold() != "history":
            return title + tail
    return f"Sheet {len(lower) + 1}"


def file_name(*parts: object) -> str:
    """Return a file name of plain ASCII letters, digits, hyphens and underlines, joined by hyphens.

    Examples
    --------
    >>> file_name("akqi", 2022, "../x")
    'akqi-2022-x'
    """
    clean = [re.sub(r"[^A-Za-z0-9_]+", "-", str(part)).strip("-")[:60] for part in parts]
    return "-".join(part for part in clean if part) or "report"


def full_width(sentence: str) -> str:
    """Return a Chinese sentence with Chinese punctuation; commas and points within numbers stay.

    Examples
    --------
    >>> full_width("13所学校中有1所未达标;差距最大的是甲校:1,570.19元(要求不低于2,000)。")
    '13所学校中有1所未达标；差距最大的是甲校：1,570.19元（要求不低于2,000）。'
    """
    wide = _BRACKETS.sub(lambda m: f"（{m[1] if m[1] is not None else m[2]}）", sentence)
    return _MARK.sub(lambda m: _WIDE[m[0]], wide)


def sentence(words: str, lang: str = "zh") -> str:
    """Return a sentence from elsewhere as an official paper prints it.

    Parameters
    ----------
    words : str
    lang : {"zh", "en"}
    """
    return full_width(words) if lang == "zh" else words
