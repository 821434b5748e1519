"""Know what offices call things: headers, stages, units, coded words, signs for "no data", totals and notes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

from balance_lib.data import tables
from balance_lib.data.intake.cells import NO, YES

# Tables a plain list can hold, by what its rows are.
SUBJECTS = {"school": ("schools", "school_years"), "village": ("villages", "village_years")}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_GRADE = re.compile(
    r"(?:([一二三四五六七八九1-9])年级|初([一二三])|grade([1-9])|g([1-9]))"
    r"(班数|班级数|班|classes)?(?:人数|学生数|pupils)?"
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?![\d/-])")
_SMALL_WORDS = re.compile("a|o|of|the|de|la|le|les|l|d|du|des|del|el|los|las|da|do|das|dos")
_DIGITS = "一二三四五六七八九"
# A header this short (人数, 班数) means little below another one that is not understood.
_SHORT = 2


@dataclass(frozen=True)
class Heading:
    """Hold what a header was understood to be.

    ``column`` is a canonical column of the subject; ``stage`` the stage it names; ``scale`` how many of the column's
    own units one of its unit is; ``add`` whether it is a part (a grade) to be added up; ``year`` the year it names;
    ``rounded`` whether it says that its persons are full-time equivalents.
    """

    column: str
    stage: str | None = None
    scale: float = 1.0
    add: bool = False
    year: int | None = None
    rounded: bool = field(default=False, repr=False)


@cache
def dictionary() -> Mapping[str, Any]:
    """Return the alias dictionary as it stands in ``aliases.yaml``."""
    source = resources.files(__package__).joinpath("aliases.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(source, Loader=_LOADER))


def key(text: object) -> str:
    """Return a header so that its spellings fall together: width, case, accents, spaces, punctuation and brackets go.

    Examples
    --------
    >>> key("Learner_Number  2017"), key("教学及辅助用房面积 （㎡）"), key("Matrícula")
    ('learnernumber2017', '教学及辅助用房面积m2', 'matricula')
    """
    folded = _unaccented(unicodedata.normalize("NFKC", str(text)).casefold())
    return re.sub(r"[\s_*:;、。，,.·'\"“”()\[\]{}【】〔〕〈〉《》<>]+", "", re.sub(r"[–—―‐‑−~～]", "-", folded))


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    apart = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", "".join(apart))


def bag(text: str) -> frozenset[str]:
    """Return the words of a header in any order, without plural and small words; empty for fewer than two words.

    Examples
    --------
    >>> bag("Nombre_d_eleves") == bag("nombre d'élèves"), bag("PupilRoll") == bag("roll of pupils"), bag("Roll")
    (True, True, frozenset())
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text))
    words = re.findall(r"[^\W_]+", _unaccented(apart.casefold()))
    said = {word for word in words if not _SMALL_WORDS.fullmatch(word)}
    return frozenset(word.removesuffix("s") for word in said) if len(said) > 1 else frozenset()


@cache
def _headings(subject: str) -> Mapping[str | frozenset[str], str]:
    """Return spelling, and bag of words, -> canonical column for one subject."""
    known: dict[str | frozenset[str], str] = {}
    for name in SUBJECTS[subject]:
        for column in tables.table(name).columns.values():
            for spelling in (column.name, column.zh, column.en):
                known.setdefault(key(spelling), column.name)
    for column_name, spellings in dictionary()[subject].items():
        known.update({form: column_name for spelling in spellings for form in (key(spelling), bag(spelling)) if form})
    return known


def heading(path: Sequence[str], subject: str = "school") -> Heading | None:
    """Understand a header, or a path of headers where a merged one stands above; None if it is not known.

    Parameters
    ----------
    path : sequence of str
        Headings above the column, from the top.
    subject : str

    Examples
    --------
    >>> heading(["在校生数", "小学"])
    Heading(column='pupils', stage='primary', scale=1.0, add=False, year=None)
    >>> heading(["在校生数", "合计"]).column
    'pupils'
    >>> heading(["教学仪器设备值(万元)"]).scale
    10000.0
    >>> heading(["三年级", "班数"])
    Heading(column='classes', stage='primary', scale=1.0, add=True, year=None)
    """
    return _heading(tuple(part for part in path if part), subject)


@lru_cache(4096)
def _heading(parts: tuple[str, ...], subject: str) -> Heading | None:
    if not parts:
        return None
    if len(parts) > 1 and is_total(parts[-1]):  # 在校生数 above 合计
        return _heading(parts[:-1], subject)
    if subject == "school" and (grade := _grade(parts)):
        return grade
    whole = tuple(_full_time().sub("", part) for part in parts)
    if whole != parts and (found := _heading(whole, subject)):
        return replace(found, rounded=True)
    found = _known(parts, subject)
    if found or not (year := _YEAR.search("/".join(parts))):
        return found
    bare = _known([_YEAR.sub("", part, count=1) for part in parts], subject)  # Learners 2024: a figure of that year
    yearly = tables.table(SUBJECTS[subject][1])
    dated = bare and bare.column in yearly.columns and bare.column not in yearly.key
    return replace(bare, year=int(year[0])) if bare and dated else None


def _known(parts: Sequence[str], subject: str) -> Heading | None:
    known = _headings(subject)
    for words in _readings(parts):
        for stage, rest in _stages("".join(words)):
            bare = _unit(rest)[0]
            column = known.get(key(rest)) or known.get(key(bare)) or known.get(bag(bare))
            if column and (stage is None or "stage" in _spec(subject, column).key):
                return Heading(column, stage, _scale(parts, _spec(subject, column).columns[column].unit))
    return None


@cache
def _full_time() -> re.Pattern[str]:
    latin = r"(?<![^\W\d_]){}(?![^\W\d_])"
    words = [
        w.replace(" ", "[ _-]") if ord(w[0]) > 0x2E80 else latin.format(w.replace(" ", "[ _-]"))
        for w in dictionary()["full_time"]
    ]
    return re.compile(rf"[(（]?(?:{'|'.join(words)})[)）]?", re.IGNORECASE)


def generic(path: Sequence[str]) -> bool:
    """Tell whether a header is so general (code, name) that a plainer one of the same meaning comes first."""
    return key(path[-1]) in {key(word) for word in dictionary()["generic"]}


def unclear(path: Sequence[str], subject: str) -> Sequence[str] | None:
    """Return the columns a header may mean where lists differ; None if it is not such a header.

    Parameters
    ----------
    path : sequence of str
        Headings above the column, from the top.
    subject : str

    Examples
    --------
    >>> unclear(["School type"], "school")
    ['kind', 'founder', 'location']
    """
    known = {key(word): columns for word, columns in dictionary()["unclear"].get(subject, {}).items()}
    return known.get(key("".join(path)), known.get(key(path[-1])))


def column(subject: str, name: str) -> tables.Column:
    """Return a canonical column of a subject; figures by year before fixed ones.

    Parameters
    ----------
    subject : str
    name : str
    """
    return _spec(subject, name).columns[name]


def belongs(text: str, column: tables.Column) -> bool:
    """Tell whether a cell's text is a word of a coded or yes-no column, be its code clear or to be asked.

    Parameters
    ----------
    text : str
    column : tables.Column

    Examples
    --------
    >>> kind = tables.table("schools").columns["kind"]
    >>> belongs("Primary", kind), belongs("Secondary", kind), belongs("Public", kind)
    (True, True, False)
    """
    if column.type == "flag":
        return yes_no(text) is not None
    if not column.choices:
        return False
    word = key(text)
    return word in codes(column.name, tuple(column.choices.items())) or word in unclear_codes(column.name)


@cache
def unclear_codes(column: str) -> Mapping[str, Sequence[str]]:
    """Return the words of a coded column that mean other codes in other countries, with the codes they may be."""
    return {key(word): codes for word, codes in dictionary()["unclear_values"].get(column, {}).items()}


def _readings(parts: Sequence[str]) -> Iterable[Sequence[str]]:
    """Yield the ways to read a path of headers: whole, then without its upper parts where the rest says enough."""
    yield parts
    for start in range(1, len(parts)):
        rest = parts[start:]
        if len(key("".join(rest))) > _SHORT:
            yield rest


def _stages(label: str) -> Iterable[tuple[str | None, str]]:
    """Yield the label as it is, then with the word of a stage taken out."""
    yield None, label
    folded = unicodedata.normalize("NFKC", label).casefold()
    for stage, words in dictionary()["stages"].items():
        for word in sorted(words, key=len, reverse=True):
            if word in folded:
                yield stage, folded.replace(word, "", 1)
                break


def _grade(parts: Sequence[str]) -> Heading | None:
    match = _GRADE.fullmatch(key("".join(parts)))
    if not match:
        return None
    mark = next(group for group in match.groups()[:4] if group)
    number = (_DIGITS.index(mark) + 1 if mark in _DIGITS else int(mark)) + (6 if match[2] else 0)
    return Heading("classes" if match[5] else "pupils", "primary" if number <= 6 else "junior", add=True)


def _spec(subject: str, column: str) -> tables.Table:
    """Return the table of a subject that holds a column; figures by year before fixed ones."""
    fixed, yearly = (tables.table(name) for name in SUBJECTS[subject])
    return fixed if column in fixed.columns else yearly


def _unit(label: str) -> tuple[str, str]:
    """Return a header without its unit, and the unit: in brackets, or after 单位."""
    text = unicodedata.normalize("NFKC", label)
    found = re.findall(r"[(\[【〔]\s*(?:单位\s*:?\s*)?([^()\[\]【】〔〕]*)[)\]】〕]", text)
    bare = re.sub(r"[(\[【〔][^()\[\]【】〔〕]*[)\]】〕]", "", text)
    if not found and (tail := re.fullmatch(r"(.+)/\s*([^/\s]+)", text)) and key(tail[2]) in _all_units():
        return tail[1], tail[2].casefold()
    return bare, found[-1].strip().casefold() if found else ""


@cache
def _all_units() -> frozenset[str]:
    return frozenset(key(name) for names in dictionary()["units"].values() for name in names)


def _scale(parts: Sequence[str], unit: str) -> float:
    """Return how many of the column's units one unit of the header is; 1 where the header names none."""
    factors = {key(name): factor for name, factor in dictionary()["units"].get(unit, {}).items()}
    for part in reversed(parts):
        if factor := factors.get(key(_unit(part)[1])):
            return float(factor)
    return 1.0


def unit_factor(written: str, unit: str) -> float | None:
    """Return what one of a unit written behind a figure is in the column's own unit; None if it is another thing.

    Parameters
    ----------
    written : str
        As written in the file.
    unit : str

    Examples
    --------
    >>> unit_factor("万元", "yuan"), unit_factor("人", "yuan")
    (10000.0, None)
    """
    factors = {key(name): float(factor) for name, factor in dictionary()["units"].get(unit, {}).items()}
    return factors.get(key(written))


@cache
def words(name: str) -> frozenset[str]:
    """Return one of the lists of cell words (missing, suppressed), folded as :func:`fold` does."""
    return frozenset(fold(word) for word in dictionary()[name])


def fold(text: object) -> str:
    """Return a cell's text in one width and case, without spaces at its ends."""
    return unicodedata.normalize("NFKC", str(text)).strip().casefold()


@cache
def codes(column: str, choices: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return spelling -> code for a coded column: codes, their labels and the aliases.

    Parameters
    ----------
    column : str
    choices : tuple[tuple[str, str], ...]
        Codes and their words.
    """
    known = {key(word): code for code, label in choices for word in (code, label)}
    for code, spellings in dictionary()["values"].get(column, {}).items():
        known.update({key(word): code for word in spellings if code in dict(choices)})
    return known


def is_grade(text: str) -> bool:
    """Tell whether a word is one grade of a school.

    Examples
    --------
    >>> is_grade("三年级"), is_grade("初二"), is_grade("Grade 3"), is_grade("小学")
    (True, True, True, False)
    """
    return (found := _GRADE.fullmatch(key(text))) is not None and not found[5]


def yes_no(text: str) -> float | None:
    """Return 1 for yes, 0 for no, None for anything else."""
    word = fold(text)
    return 1.0 if word in YES else 0.0 if word in NO else None


def is_total(text: str) -> bool:
    """Tell whether a row with this text for a name is a total, of the county or of a part of it.

    Examples
    --------
    >>> is_total("合  计"), is_total("城关镇小计"), is_total("合计小学")
    (True, True, False)
    """
    whole, endings = _totals()
    return (folded := key(text)) in whole or folded.endswith(endings)


@cache
def _totals() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words of a total, and those of them that may end a longer one: Chinese has no words apart."""
    words = [key(word) for word in dictionary()["totals"]]
    return frozenset(words), tuple(word for word in words if ord(word[0]) > 0x2E80 and len(word) == 2)


def is_note(text: str) -> bool:
    """Tell whether a row that begins with this text is a note below a table.

    Examples
    --------
    >>> is_note("注:本表不含民办学校"), is_note("注南小学")
    (True, False)
    """
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    if re.fullmatch(r"[*#]+", folded) or re.match(r"\d+[.、)]\s*\D", folded):
        return True
    starts = "|".join(re.escape(word) for word in sorted(dictionary()["notes"], key=len, reverse=True))
    return re.match(rf"(?:{starts})\s*(?:\d*\s*[:.、]|$)", folded) is not None


@cache
def _personal() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    shown = dictionary()["personal"]
    whole = "|".join(rf"(?:(?<![^\W_])(?:{p})(?![^\W_]))" for p in shown["words"])
    return (
        re.compile("|".join(f"(?:{p})" for p in shown["zh"])),
        re.compile(whole),
        re.compile(dictionary()["not_personal"]),
    )


def personal(label: str) -> bool:
    """Tell whether a header asks for personal data: names, telephone or identity numbers, people's addresses.

    Whole words count, never fragments: a hostel has no telephone, and a mobile school is no number.

    Examples
    --------
    >>> personal("校长"), personal("Learner name"), personal("School name"), personal("Mobile No."), personal("HOSTEL")
    (True, True, False, True, False)
    """
    anywhere, words, counted = _personal()
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", label))
    plain = re.sub(r"[\s_./:]+", " ", apart).strip().casefold()
    if counted.search(plain) or counted.search(key(label)):
        return False
    return bool(anywhere.search(key(label)) or words.search(plain))
