"""Make faults of the rows of a table that a mask picks out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from balance_lib._errors import Fault, Severity
from balance_lib.data import tables

Text = Callable[[Any], Any]


def number(value: float) -> str:
    """Return a number for people: no needless digits.

    Examples
    --------
    >>> number(320.0), number(2.345678)
    ('320', '2.346')
    """
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}" if abs(value) < 100 else f"{value:.2f}"


def each(
    rule: str,
    table: str,
    rows: pd.DataFrame,
    column: str,
    *,
    severity: Severity = "error",
    found: Text | None = None,
    **params: Any,
) -> Iterator[Fault]:
    """Yield one fault a row; the rows keep the index of their table, so that the spreadsheet's row is known.

    Parameters
    ----------
    rule, table, column : str
        Rule of the locale, canonical table and column.
    rows : DataFrame
        The offending rows.
    severity : Severity
    found : callable, optional
        What to say was found, of a row; the column's value when absent.
    **params
        Further values for the text; a callable is called with the row.
    """
    if rows.empty:
        return
    spec = tables.table(table).columns.get(column)
    for index, row in rows.iterrows():
        value = found(row) if found else spec.word(row[column]) if spec else row[column]
        if isinstance(value, float):
            value = None if pd.isna(value) else number(value)
        said = {key: given(row) if callable(given) else given for key, given in params.items()}
        yield Fault(rule, tables.table(table).file, int(index) + 2, column, value, severity, said)


def word(table: str, column: str, *codes: Any) -> dict[str, str]:
    """Return codes of a column as they are called in each language.

    Parameters
    ----------
    table : str
    column : str
    *codes : object

    Examples
    --------
    >>> word("school_years", "stage", "primary", "junior")
    {'zh': '小学、初中', 'en': 'primary, junior'}
    """
    words = [tables.table(table).columns[column].word(code) for code in codes]
    signs = {"zh": "、", "en": ", "}
    return {lang: sign.join(w[lang] if isinstance(w, dict) else str(w) for w in words) for lang, sign in signs.items()}


def blanks(rule: str, table: str, rows: pd.DataFrame, of: int, column: str) -> Iterator[Fault]:
    """Yield a warning for every row lacking a value, or a single one when all rows of the table lack it.

    Parameters
    ----------
    rule : str
        Rule whose text is told.
    table : str
    rows : DataFrame
    of : int
        How many there are in all.
    column : str
    """
    if len(rows) == of and of > 1:
        yield Fault(rule, tables.table(table).file, None, column, None, "warning", {"n": of})
    else:
        yield from each(rule, table, rows, column, severity="warning", n=1)
