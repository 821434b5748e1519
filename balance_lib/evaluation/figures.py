"""Say a figure: rounded as the forms ask, with enough digits to tell it from its line, and with its unit."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from balance_lib import locale
from balance_lib.evaluation.indicators.comparison import satisfies

_MOST_PLACES = 12
_WAN = 10_000
_LARGE = 1_000_000  # from here on amounts of money are said in 万元
# Decimal places by the unit an item is judged in; everything else has two.
_PLACES = {
    "CV": 3, "ratio": 3, "CV yoy": 3, "%": 1, "percentage points": 2, "yuan": 0, "pupils": 0, "students": 0,
    "classes": 0, "level": 0, "years": 0, "persons": 0, "indicators": 0, "m": 0,
}  # fmt: skip


def places_of(unit: str) -> int:
    """Return how many decimals a figure of this unit is printed with.

    Examples
    --------
    >>> places_of("CV"), places_of("%"), places_of("m²/pupil"), places_of("classes")
    (3, 1, 2, 0)
    """
    return 1 if unit.startswith("%") else _PLACES.get(unit, 2)


def rounded(value: float, places: int) -> Decimal:
    """Round half up, as the forms do and spreadsheet programs show: 2.345 gives 2.35.

    Parameters
    ----------
    value : float
    places : int
        Digits behind the point.

    Examples
    --------
    >>> rounded(2.345, 2), rounded(0.5, 0)
    (Decimal('2.35'), Decimal('1'))
    """
    # Fifteen digits are what a spreadsheet program works with: 1.005 is stored as 1.00499... and shown as 1.01.
    return Decimal(f"{value:.15g}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def places_beside(value: float, places: int, line: float = math.nan, operator: str = ">=") -> int:
    """Return the decimals needed so that the printed figure is judged as the figure itself.

    Thresholds are judged on unrounded values: 4.196 against "at least 4.2" is printed as 4.196, not as 4.20.

    Parameters
    ----------
    value : float
    places : int
        Digits behind the point.
    line : float
    operator : str

    Examples
    --------
    >>> places_beside(4.196, 2, 4.2), places_beside(4.204, 2, 4.2), places_beside(0.5003, 3, 0.5, "<=")
    (3, 2, 4)
    >>> places_beside(math.inf, 2, 4.2), places_beside(math.nan, 2, 4.2)
    (2, 2)
    """
    judged = satisfies(value, operator or ">=", line)
    if judged is None or math.isinf(value):
        return places
    for more in range(places, _MOST_PLACES):
        if satisfies(float(rounded(value, more)), operator or ">=", line) == judged:
            return more
    return _MOST_PLACES


def figure(
    value: float | None, places: int = 2, line: float = math.nan, operator: str = ">=", *, blank: str = "–"
) -> str:
    """Return a figure as printed, with thousands separated; ``blank`` where there is none.

    Parameters
    ----------
    value : float, optional
    places : int
        Digits behind the point.
    line : float
    operator : str
    blank : str
        Words for a figure that is missing.

    Examples
    --------
    >>> figure(1570.1863, 2), figure(99.96, 1, 100), figure(math.nan)
    ('1,570.19', '99.96', '–')
    """
    if value is None or not math.isfinite(value):
        return blank
    return f"{rounded(value, places_beside(value, places, line, operator)):,}"


def quantity(
    value: float, unit: str, line: float = math.nan, operator: str = ">=", places: int | None = None
) -> dict[str, str]:
    """Say a figure with its unit in both languages: the one way the package does.

    Parameters
    ----------
    value : float
        In ``unit``; NaN gives a dash.
    unit : str
        The unit's name in the standards, such as ``persons/100``.
    line, operator
        What the figure is held against: it is given the digits that tell it from this line.
    places : int, optional
        Decimals; by default those of the unit.

    Examples
    --------
    >>> quantity(0.50004, "CV", 0.5, "<=")["en"], quantity(3.0, "schools")["zh"], quantity(1.0, "subjects")["en"]
    ('0.50004', '3所', '1 subject')
    >>> quantity(21_300_000, "yuan")
    {'zh': '2,130万元', 'en': '21.3 million yuan'}
    """
    if unit == "yuan" and abs(value) >= _LARGE:
        parts = (("zh", _WAN, "万元"), ("en", 1_000_000, " million yuan"))
        return {lang: _short(value / by, 2, line / by, operator) + word for lang, by, word in parts}
    shown = _short(value, places_of(unit) if places is None else places, line, operator)
    words = locale.unit(unit)
    return {"zh": shown + words["zh"], "en": locale.singular(shown + words["en"])}


def decimals(value: float, unit: str, line: float = math.nan, operator: str = ">=") -> int:
    """Return how many decimals :func:`quantity` prints of a figure: for cells that hold the number itself.

    Parameters
    ----------
    value : float
    unit : str
        Of the value, as standards write it.
    line : float
        What the value is held to; NaN for none.
    operator : str
        How it is held to the line: a figure that misses it never reads like one that meets it.

    Examples
    --------
    >>> decimals(0.50004, "CV", 0.5, "<="), decimals(13.0, "persons/100"), decimals(4.5, "m²/pupil")
    (5, 0, 1)
    """
    return len(_short(value, places_of(unit), line, operator).partition(".")[2])


def amount(gap: float, unit: str, places: int | None = None) -> dict[str, str]:
    """Say by how much something is short or over, in both languages: never nought where there is a gap.

    Parameters
    ----------
    gap : float
        Distance to what is required; negative is short.
    unit : str
    places : int, optional
        Digits behind the point.

    Examples
    --------
    >>> amount(-0.0004, "CV")["zh"], amount(-1.0, "subjects")["en"], amount(0.0, "CV")["zh"]
    ('0.0004', '1 subject', '0')
    """
    return quantity(abs(gap), unit, 0.0, ">" if gap else ">=", places)


def _short(value: float, places: int, line: float, operator: str) -> str:
    """Return a figure without needless zeros."""
    shown = figure(value, places, line, operator)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
