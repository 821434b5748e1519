"""Turn the texts of one column into canonical values: numbers, codes, years, yes and no; name what is none of them."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from balance_lib._errors import Fault
from balance_lib.data.intake import aliases, cells
from balance_lib.data.intake.coordinates import coordinate, pair
from balance_lib.data.intake.mapping import SKIP, Target

_NUMBER = re.compile(r"([+-]?)(\d{1,3}(?:[, ']\d{3})+|\d+)?(\.\d*)?\s*(.*)", re.DOTALL)
_BAND = re.compile(r"(\d+)\s*(?:[-–—~～]|to|a|à|至)\s*(\d+)")
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?e\+?\d+")
_EXCEL_ERRORS = ("#div/0!", "#n/a", "#name?", "#null!", "#num!", "#ref!", "#value!", "#spill!", "#calc!")
_USUAL_DATES = ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d")
# Where a spreadsheet's calendar begins: a date there is an empty cell that was made a date.
_EPOCH = (date(1899, 12, 29), date(1900, 1, 5))


@dataclass
class Reader:
    """Read one column's texts for one target, and keep what has to be told about them.

    Parameters
    ----------
    target : Target
        Where the values go.
    file, label : str
        What the user calls the file and the column.
    """

    target: Target
    file: str
    label: str
    faults: list[Fault] = field(default_factory=list)
    suppressed: Counter[str] = field(default_factory=Counter)
    epoch: Counter[str] = field(default_factory=Counter)
    rounded: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    words: dict[str, list[int]] = field(default_factory=dict)
    masked: int = 0

    def read(self, text: str, row: int) -> Any:
        """Return the value of one cell (NaN for "no data"); a cell that cannot be understood is a fault.

        Parameters
        ----------
        text : str
            The cell as a person sees it.
        row : int
            Its row as the spreadsheet counts.
        """
        word = aliases.fold(text)
        if not word:
            return math.nan
        values = self.target.values
        if values is not None and (found := listed(text, values)) is not None:
            return math.nan if found[0] is None else found[0]
        if word in aliases.words("suppressed"):
            self.suppressed[text.strip()] += 1
            return math.nan
        if self._declared_missing(word):
            return math.nan
        if word in aliases.words("missing"):
            if word not in aliases.words("names_too") or not self._names():
                return math.nan
            self.named[text.strip()] += 1  # Na is a place, None a village
        if word in _EXCEL_ERRORS:
            return self._broken("cell_error", text, row)
        return self._value(text, word, row)

    def tell(self) -> list[Fault]:
        """Return every fault of the column: those of single cells, then what was counted."""

        def counted(rule: str, marks: Mapping[str, int]) -> list[Fault]:
            return [Fault(rule, self.file, None, self.label, m, "warning", {"n": n}) for m, n in sorted(marks.items())]

        line = json.dumps({text: self._likely(text) for text in self.words}, ensure_ascii=False)
        masked = [Fault("personal_number", self.file, None, self.label, None, "warning", {"n": self.masked})]
        return (
            self.faults
            + [self._asked(text, rows, line) for text, rows in self.words.items()]
            + counted("suppressed", self.suppressed)
            + counted("epoch_date", self.epoch)
            + counted("read_as_name", self.named)
            + [Fault("rounded", self.file, None, self.label, None, "warning", {"n": n}) for n in self.rounded.values()]
            + (masked if self.masked else [])
        )

    def _value(self, text: str, word: str, row: int) -> Any:
        column = self.target.spec
        if self.target.date:
            return self._dated(text, row)
        if column.type == "year":
            return self._year(text, row)
        if column.type == "flag":
            value = aliases.yes_no(text.removesuffix(".0"))
            return self._broken("yes_no", text, row) if value is None else value
        if column.choices:
            code = aliases.codes(column.name, tuple(column.choices.items())).get(aliases.key(text))
            if code is None:  # a word is told once, however many cells hold it
                self.words.setdefault(text.strip(), []).append(row)
            return code or math.nan
        if column.name in ("lon", "lat"):
            return self._coordinate(text, row)
        if column.numeric:
            return self._number(word, text, row)
        return self._text(text, row)

    def _names(self) -> bool:
        """Tell whether the column holds names or codes: there a word for "no data" may be one."""
        column = self.target.spec
        return column.type == "text" and (column.name.startswith("name_") or column.name.endswith(("_id", "township")))

    def _text(self, text: str, row: int) -> Any:
        if self.target.spec.name.endswith("_id") or self.target.column == "code":
            if _SCIENTIFIC.fullmatch(aliases.fold(text)):
                return self._broken("scientific", text, row)
            return re.sub(r"^(\d+)\.0$", r"\1", text.strip())
        if cells.holds_personal_number(text):
            self.masked += 1
            return math.nan
        return text.strip()

    def _number(self, word: str, text: str, row: int) -> float:
        match = _NUMBER.fullmatch(word)
        if band := _BAND.fullmatch(word):
            return self._broken("size_band", text, row, middle=f"{(int(band[1]) + int(band[2])) / 2:g}")
        if not match or not (match[2] or (match[3] or "").strip(".")):
            return self._broken("not_a_number", text, row)
        if _SCIENTIFIC.fullmatch(word):
            return self._broken("scientific", text, row)
        unit, factor = match[4].strip(), self.target.scale
        if unit == "%" and self.target.table == "county_years":
            unit = ""
        if unit == "%":
            return self._broken("percentage", text, row)
        if unit:
            named = aliases.unit_factor(unit, self.target.spec.unit)
            if named is None:
                return self._broken("not_a_number", text, row)
            factor = named
        plain = match[1] + re.sub(r"[, ']", "", match[2] or "0") + (match[3] or "").rstrip(".")
        value = float(Decimal(plain) * Decimal(repr(factor)))
        if self.target.rounded and value % 1:
            self.rounded["."] += 1
            value = math.floor(value + 0.5)
        return value if math.isfinite(value) else self._broken("not_a_number", f"{text[:20]}…", row)

    def _coordinate(self, text: str, row: int) -> float:
        """Return one coordinate of a cell; where it says by a letter that it is the other one, that is told."""
        column, part = self.target.column, self.target.part
        if part is None:
            found = coordinate(text)
        else:
            both = pair(text) or (None, None)
            found = next((c for c in both if c and c.axis == column), both[part])
        if found is None or not math.isfinite(found.value):
            return self._broken("not_a_coordinate", text if found is None else f"{text[:20]}…", row)
        if found.axis not in (None, column):
            return self._broken("other_axis", text, row)
        return found.value

    def _year(self, text: str, row: int) -> float:
        short = re.fullmatch(r"(\d{4})\s*[-–—/]\s*(\d{2})\s*(?:学年度?)?", cells.plain(text))
        if short:  # 2023/24
            follows = int(short[2]) == (int(short[1]) + 1) % 100
            return float(short[1]) if follows else self._broken("not_a_year", text, row)
        day = _first_day(text[:10], _USUAL_DATES)
        if day and _EPOCH[0] <= day <= _EPOCH[1]:
            self.epoch[text] += 1
            return math.nan
        cell = cells.year(text)
        return self._broken("not_a_year", text, row) if cell.value is None else float(cell.value)

    def _dated(self, text: str, row: int) -> Any:
        day = _first_day(text, self.target.date)
        if day is None:
            return self._broken("not_a_date", text, row, format=", ".join(self.target.date))
        if _EPOCH[0] <= day <= _EPOCH[1]:
            self.epoch[text] += 1
            return math.nan
        return float(day.year) if self.target.spec.numeric else day.isoformat()

    def _declared_missing(self, word: str) -> bool:
        """Tell whether the mapping calls this "no data": by its text or, for a number, by its value (99 and 99.0)."""
        if word in self.target.missing:
            return True
        try:
            return float(word) in {float(m) for m in self.target.missing if re.fullmatch(r"-?\d+(\.\d+)?", m)}
        except ValueError:
            return False

    def _likely(self, text: str) -> str | None:
        """Return what a line that answers may say of a word: the first of its codes, or that its rows are left out."""
        codes = aliases.unclear_codes(self.target.column).get(aliases.key(text))
        return codes[0] if codes else SKIP if self.target.spec.required else None

    def _asked(self, text: str, rows: list[int], line: str) -> Fault:
        """Ask what a word means that is not known, or that other countries use for other codes.

        The line that answers holds all such words of the column.
        """
        told = {"n": len(rows), "at": tuple(rows), "to": f"{self.target.table}.{self.target.column}", "line": line}
        codes = aliases.unclear_codes(self.target.column).get(aliases.key(text))
        if codes:
            told["codes"] = ", ".join(codes)
            return Fault("value_unclear", self.file, rows[0], self.label, text, params=told)
        known = self.target.spec.choices or {} if self.target.values is None else self.target.values
        return Fault("value_unknown", self.file, rows[0], self.label, text, params={**told, "known": ", ".join(known)})

    def _broken(self, rule: str, text: str, row: int, **params: Any) -> float:
        self.faults.append(Fault(rule, self.file, row, self.label, text, params=params))
        return math.nan


def listed(text: str, values: Mapping[str, Any]) -> tuple[Any] | None:
    """Return the value a mapping gives for a text, in a tuple, or None where it gives none.

    A word goes before a pattern, a pattern before ``*``, which is any word but those for "no data".

    Examples
    --------
    >>> listed("East Secondary School", {"*secondary*": "junior", "*": "primary"})
    ('junior',)
    """
    folded = aliases.key(text)
    if folded in values:
        return (values[folded],)
    known = folded in aliases.words("missing") or aliases.fold(text) in aliases.words("suppressed")
    fitting = (value for pattern, value in values.items() if "*" in pattern and fnmatchcase(folded, pattern))
    return None if known else next(((value,) for value in fitting), None)


def _first_day(text: str, forms: Iterable[str]) -> date | None:
    """Return the day a text names in the first of these forms that fits; None if none does."""
    for form in forms:
        try:
            return datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
    return None
