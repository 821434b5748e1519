"""Make text from outside harmless: what can be read stays, what could steer a program or a page goes."""

from __future__ import annotations

import re
import unicodedata

MOST = 500
# Marks that turn the reading direction round: a name may not rearrange the line it stands in.
_DIRECTION = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_FORMULA = re.compile(r"^[\s\u00a0\u3000]*[=+\-@＝＋－＠]")


def harmless(given: object, most: int = MOST) -> str:
    """Return text without control characters, direction marks and half characters, cut to a length.

    Line breaks and tabs become blanks; letters of every language, emoji and joiners between them stay.

    Parameters
    ----------
    given : object
        What came from outside; None and NaN give an empty text.
    most : int
        Characters kept; a longer text ends in "…".

    Examples
    --------
    >>> harmless("一小\\x00\\u202e(东校区)\\n")
    '一小(东校区)'
    """
    if given is None or given != given:
        return ""
    # A megabyte is cut before it is walked through: nothing behind the cut is shown anyhow.
    raw = str(given)[: 4 * most]
    kept = "".join(" " if c in "\t\r\n\u2028\u2029" else c for c in raw if _kept(c)).strip()
    return kept if len(kept) <= most and len(str(given)) <= 4 * most else kept[: most - 1] + "…"


def _kept(character: str) -> bool:
    if character in _DIRECTION:
        return False
    return character in "\t\r\n" or unicodedata.category(character) not in ("Cc", "Cs", "Cn")


def csv_cell(given: object, most: int = 32_000) -> str:
    """Return text that no spreadsheet program takes for a formula: such a cell gets an apostrophe in front.

    Examples
    --------
    >>> csv_cell("=cmd|' /C calc'!A0"), csv_cell("第一小学")
    ("'=cmd|' /C calc'!A0", '第一小学')
    """
    clean = harmless(given, most)
    return f"'{clean}" if _FORMULA.match(clean) else clean
