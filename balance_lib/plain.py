"""Turn results into plain values that JSON and YAML hold: what is missing or unbounded is null."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pandas as pd
import yaml


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

    Examples
    --------
    >>> as_yaml({"school": "城关小学", "closed": True}, flow=True)
    '{school: 城关小学, closed: true}\\n'
    """
    width = 100_000 if flow else 110
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=width, default_flow_style=flow)
