"""Turn results into plain values, YAML and CSV that do no harm where they are opened; read YAML people wrote."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date
from typing import Any

import pandas as pd
import yaml

# What a file written by hand never reaches: a few lines of aliases can stand for billions of values.
MOST_DEPTH, MOST_VALUES = 60, 200_000
MOST = 500
# Marks that turn the reading direction round: a name may not rearrange the line it stands in.
_DIRECTION = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_FORMULA = re.compile(r"^[\s\u00a0\u3000]*[=+\-@＝＋－＠]")
DECIMALS, PLACE_DECIMALS = 4, 6  # of figures in CSV files; of degrees, 6 are a tenth of a metre


def plain(value: Any) -> Any:
    """Return a value as JSON holds it.

    Examples
    --------
    >>> import numpy as np
    >>> plain(np.int64(3)), plain(float("nan")), plain(date(2022, 6, 24))
    (3, None, '2022-06-24')
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values.

    Column by column: a row object would make floats of whole numbers, and takes longer.
    """
    columns = {str(name): [plain(value) for value in frame[name].tolist()] for name in frame}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class _Dumper(yaml.SafeDumper):
    """Quote texts with odd line ends, which YAML would otherwise fold into blanks."""


def _text(dumper: Any, value: str) -> Any:
    style = '"' if any(mark in value for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any, *, flow: bool = False) -> str:
    """Return a plain value as YAML that reads back the same; ``flow`` puts it on one line.

    Parameters
    ----------
    value : object
        Mappings, lists and plain values.
    flow : bool
        Whether all stands on one line.

    Examples
    --------
    >>> as_yaml({"school": "城关小学", "closed": True}, flow=True)
    '{school: 城关小学, closed: true}\\n'
    """
    width = 100_000 if flow else 110
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=width, default_flow_style=flow)


class PeoplesLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # ten times as fast in C
    """Read YAML so that a value that is none (30 February, a number of 10,000 digits) is a fault with its line."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Return the value of a node.

        Parameters
        ----------
        node : yaml.Node
        deep : bool
            Whether what hangs below the node is built at once.
        """
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError, TypeError) as error:
            if isinstance(error, yaml.YAMLError):
                raise
            found = str(getattr(node, "value", ""))[:40]
            raise yaml.constructor.ConstructorError(None, None, found, node.start_mark) from error


def from_yaml(text: str, loader: Any = PeoplesLoader) -> Any:
    """Return what a YAML text says.

    Parameters
    ----------
    text : str
    loader : class
        How bare words are meant.

    Raises
    ------
    YAMLError
        If it is no YAML, nests deeper than 60 levels, or stands, its aliases unfolded, for more than 200,000 values.

    Examples
    --------
    >>> from_yaml("on: 2024-03-01")
    {True: datetime.date(2024, 3, 1)}
    """
    try:
        _bound(text)
        return yaml.load(text, Loader=loader)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deep") from error
    except UnicodeEncodeError as error:  # half a character, as a browser may send one
        raise yaml.YAMLError("not readable as UTF-8") from error


def _bound(text: str) -> None:
    """Refuse what would unfold without end, before any of it is built."""
    sizes: dict[str, int] = {}
    open_nodes: list[list[Any]] = [[None, 0]]
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            open_nodes.append([event.anchor, 1])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            anchor, size = open_nodes.pop()
            if anchor:
                sizes[anchor] = size
            open_nodes[-1][1] += size
        elif isinstance(event, yaml.AliasEvent):
            open_nodes[-1][1] += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            open_nodes[-1][1] += 1
        if len(open_nodes) > MOST_DEPTH or open_nodes[-1][1] > MOST_VALUES:
            mark: Any = event.start_mark
            raise yaml.composer.ComposerError(None, None, "nested too deep or unfolding too far", mark)


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

    Parameters
    ----------
    given : object
        What was handed over.
    most : int
        How many are named at most.

    Examples
    --------
    >>> csv_cell("=cmd|' /C calc'!A0"), csv_cell("第一小学")
    ("'=cmd|' /C calc'!A0", '第一小学')
    """
    clean = harmless(given, most)
    return f"'{clean}" if _FORMULA.match(clean) else clean


def _csv_value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS)
    return csv_cell(value) if isinstance(value, str) else value


def as_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV a spreadsheet opens: its Chinese intact, its figures rounded, no cell or head a formula.

    Every CSV file that is handed out is written here.

    Examples
    --------
    >>> as_csv(pd.DataFrame({"school": ["=1+1", "甲校"], "km": [1 / 3, 2.0]})).decode("utf-8-sig").split()
    ['school,km', "'=1+1,0.3333", '甲校,2.0']
    """
    safe = frame.copy()
    for at, name in enumerate(frame.columns):
        column = frame.iloc[:, at]
        if pd.api.types.is_float_dtype(column):
            rounded = column.round(PLACE_DECIMALS if str(name) in ("lon", "lat") else DECIMALS)
            whole = (rounded.dropna() % 1 == 0).all()  # a count reads 15, not 15.0
            safe.isetitem(at, rounded.astype("Int64") if whole else rounded)
        elif not pd.api.types.is_numeric_dtype(column):
            safe.isetitem(at, [_csv_value(value) for value in column])
    safe.columns = pd.Index([csv_cell(str(name)) for name in frame.columns])
    return b"\xef\xbb\xbf" + safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8", "replace")
