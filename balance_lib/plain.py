"""Turn results into plain values that JSON and YAML hold, what is missing being null; and read YAML people wrote."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pandas as pd
import yaml

# What a file written by hand never reaches: a few lines of aliases can stand for billions of values.
MOST_DEPTH, MOST_VALUES = 60, 200_000


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

    Returns
    -------
    str

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

        Returns
        -------
        object
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
