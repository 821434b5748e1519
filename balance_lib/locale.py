"""Say a thing in Chinese or English: every text people read stands in ``texts/zh.yaml`` and ``texts/en.yaml``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

LANGUAGES = ("zh", "en")
VARIABLE = "BALANCE_LANG"
_chosen: list[str] = []
_VERBS = {"are": "is", "were": "was", "have": "has", "do": "does", "need": "needs", "meet": "meets", "pass": "passes",
          "lack": "lacks", "fail": "fails"}  # fmt: skip
_NOUNS = (
    "actions approvals bases beds boarders cases cells centres characters children classes classrooms "
    "coefficients columns counties days departments documents entries errors faults figures forecasts goals "
    "groups hours indicators items kindergartens kinds layouts minutes modes months pairs parents parties parts "
    "persons places points practices problems projects pupils requirements results rooms rows rules schools sets "
    "sites skills stages standards steps strands students subjects systems tasks teachers things times townships "
    "units values villages visits volumes warnings years"
)
_LINKS = "(?:of|to|in|and|or|at|by|for|from|with|per|than) "  # behind these words another count begins
_ONE_OF_MANY = re.compile(
    rf"(?P<before>(?:\b[A-Za-z]+ )?(?<![\d.,/–-])\b1 (?:(?!{_LINKS})[a-z][\w-]* ){{0,2}}?)"
    rf"(?P<noun>{_NOUNS.replace(' ', '|')})\b(?: (?P<verb>{'|'.join(_VERBS)})\b)?"
)


@cache
def catalogue(lang: str) -> dict[str, str]:
    """Return all texts of a language as one flat mapping ``section.key -> template``."""
    source = resources.files(__package__).joinpath("texts", f"{lang}.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(_flatten("", yaml.load(source, Loader=loader)))


def _flatten(prefix: str, node: Any) -> Any:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else str(key), child)
    else:
        yield prefix, str(node)


def text(key: str, lang: str = "zh", /, **params: Any) -> str:
    """Return the text of ``key`` in a language, with its parameters filled in.

    Examples
    --------
    >>> text("status.met", "en")
    'met'
    """
    told = catalogue(lang)[key].format(**params)
    return singular(told) if lang == "en" else told


def singular(words: str) -> str:
    """Return English words with the noun and verb that stand behind the number one in the singular.

    Examples
    --------
    >>> singular("1 items are open, 21 items are not"), singular("1 nine-year schools, grade 1 pupils, 4.1 hours a day")
    ('1 item is open, 21 items are not', '1 nine-year school, grade 1 pupils, 4.1 hours a day')
    """
    return _ONE_OF_MANY.sub(_singular, words) if "1 " in words else words


def _singular(found: re.Match[str]) -> str:
    before, noun, verb = found["before"], found["noun"], found["verb"]
    if re.match(r"(?i)grades? |row |table |year ", before):
        return found[0]
    noun = re.sub("ies$", "y", noun) if noun.endswith("ies") else re.sub("(?<=ss)es$|s$", "", noun)
    return f"{before}{noun} {_VERBS[verb]}" if verb else f"{before}{noun}"


def banners(marks: Mapping[str, Any], lang: str = "zh") -> list[str]:
    """Return what a page, paper or listing must say of its data before anything else.

    Parameters
    ----------
    marks : mapping
        ``County.marks``, or anything that holds them, such as the provenance of a result.
    lang : {"zh", "en"}

    Examples
    --------
    >>> banners({"synthetic": False, "estimated": []})
    []
    """
    keys = ["synthetic"] if marks["synthetic"] else []
    return [text(f"banner.{key}", lang) for key in [*keys, *(f"estimated_{what}" for what in marks["estimated"])]]


def spoken() -> str:
    """Return the language results show themselves in: chosen by :func:`speak`, else ``BALANCE_LANG``, else zh."""
    wished = _chosen[-1] if _chosen else os.environ.get(VARIABLE, "zh")
    return wished if wished in LANGUAGES else "zh"


def speak(lang: str) -> None:
    """Choose the language in which results show themselves from now on.

    Raises
    ------
    ValueError
        If it is not one of ``LANGUAGES``.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"{lang!r} is none of {', '.join(LANGUAGES)}")
    _chosen[:] = [lang]


def has(key: str) -> bool:
    """Tell whether there is a text under this key."""
    return key in catalogue("zh")


def unit(name: str) -> dict[str, str]:
    """Return a unit in both languages, ready to stand behind a number; one without a translation stands as it is.

    Examples
    --------
    >>> unit("m²/pupil")
    {'zh': '㎡/生', 'en': ' m²/pupil'}
    """
    words = {lang: catalogue(lang).get(f"unit.{name}", name) for lang in LANGUAGES}
    return {"zh": words["zh"], "en": f" {words['en']}" if words["en"] else ""}


def named(frame: Any, lang: str = "zh") -> Any:
    """Return the names in a table of schools, villages or places; the Chinese one where there is no English one.

    Parameters
    ----------
    frame : DataFrame
        With ``name_zh`` and, where it is known, ``name_en``.
    lang : {"zh", "en"}
    """
    if lang == "zh" or "name_en" not in frame:
        return frame["name_zh"]
    return frame["name_en"].astype(object).fillna(frame["name_zh"])


def names_by(key: str, frame: Any, lang: str = "zh") -> dict[Any, Any]:
    """Return the names of :func:`named` by what a column says of each row, such as ``school_id``.

    Parameters
    ----------
    key : str
    frame : DataFrame
    lang : {"zh", "en"}
    """
    return dict(zip(frame[key], named(frame, lang), strict=True))


def either(zh: str, en: str, lang: str = "zh") -> str:
    """Return the one of two names that is in the language; the Chinese one where there is no English one.

    Parameters
    ----------
    zh, en : str
        The name in both languages; "" where there is none.
    lang : {"zh", "en"}

    Examples
    --------
    >>> either("徽县", "Hui County", "en"), either("徽县", "", "en")
    ('Hui County', '徽县')
    """
    return zh if lang == "zh" else en or zh


def listed(parts: Iterable[str], lang: str = "zh") -> str:
    """Return words as a list within a sentence.

    Parameters
    ----------
    parts : iterable of str
    lang : {"zh", "en"}

    Examples
    --------
    >>> listed(["甲", "乙"]), listed(["a", "b"], "en")
    ('甲、乙', 'a, b')
    """
    return ("、" if lang == "zh" else ", ").join(parts)


def stage_word(stage: str, lang: str = "zh") -> str:
    """Return the name of a stage; nothing for the whole county.

    Parameters
    ----------
    stage : str
        ``primary``, ``junior``, or what an item says of the county.
    lang : {"zh", "en"}
    """
    return text(f"stage.{stage}", lang) if has(f"stage.{stage}") else ""


def count_change(of: str, before: float | str, after: float | str, lang: str = "zh") -> str:
    """Say how many schools, points, items or pupils there are before and after; that there are as many, where so.

    Parameters
    ----------
    of : str
        What is counted: ``schools``, ``points``, ``met``, ``not_met`` or ``pupils``.
    before, after : float or str
        The numbers, or how they are written.
    lang : {"zh", "en"}

    Examples
    --------
    >>> count_change("schools", 141, 141), count_change("points", 2, 3)
    ('学校数不变，仍为141所', '教学点由2个变为3个')
    """
    key = f"count_change.{of}_{'same' if before == after else 'change'}"
    return text(key, lang, before=before, after=after)


def deadline_words(deadline: str, lang: str = "zh") -> str:
    """Return a deadline as a plan gives it; one that comes again ("annual", "ongoing") in words.

    Parameters
    ----------
    deadline : str
        A day, a month, a year, or a word of the library.
    lang : {"zh", "en"}

    Examples
    --------
    >>> deadline_words("annual"), deadline_words("2022-03-31"), deadline_words("ongoing", "en")
    ('每年', '2022-03-31', 'ongoing')
    """
    key = f"report.deadline.{deadline}"
    return text(key, lang) if has(key) else deadline


def bracket(words: str, lang: str = "zh") -> str:
    """Return words in the brackets of a language, ready to stand behind others.

    Parameters
    ----------
    words : str
        What stands between the brackets.
    lang : {"zh", "en"}

    Examples
    --------
    >>> bracket("小学"), bracket("primary", "en")
    ('（小学）', ' (primary)')
    """
    return f"（{words}）" if lang == "zh" else f" ({words})"


@dataclass(frozen=True)
class Message:
    """Hold a text without its language: a key and the values that go into it.

    A value that is itself a Message, or a mapping ``{"zh": ..., "en": ...}``, is rendered in the same language.
    """

    key: str
    params: dict[str, Any] = field(default_factory=dict)

    def render(self, lang: str = "zh") -> str:
        """Return the text in a language."""
        return text(self.key, lang, **{name: said(value, lang) for name, value in self.params.items()})


def said(value: Any, lang: str) -> Any:
    """Return a value of a text in a language: a Message, a mapping of both languages, or what has a label in both.

    Parameters
    ----------
    value : object
    lang : str
    """
    if isinstance(value, Message):
        return value.render(lang)
    if hasattr(value, "label"):
        return value.label(lang)
    if isinstance(value, dict) and set(value) <= set(LANGUAGES):
        return value.get(lang) or value.get("zh")
    return value
