"""Render what a page says from templates: one file a view, and whatever a county calls its schools is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from balance_lib import palette
from balance_lib.locale import has, text

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.globals |= {"look": _look}
    return made


def _look(status: str) -> dict[str, str]:
    """Return how a status or a verdict looks: the colour it takes, its mark, and the key of its word."""
    verdict = status in palette.VERDICTS
    seen = palette.VERDICTS[status] if verdict else palette.LAMPS[status]
    name = next(key for key, value in palette.LAMPS.items() if value is seen)
    return {"name": name, "mark": seen.mark, "word": f"{'verdict' if verdict else 'status'}.{status}"}


def _say(lang: str) -> Any:
    def say(key: str, **params: Any) -> str:
        return text(key, lang, **params)

    return say


@cache
def _parts(lang: str) -> Any:
    return _environment().get_template("parts.html.j2").make_module({"t": _say(lang), "has": has, "lang": lang})


def part(name: str, lang: str, *given: Any, **facts: Any) -> Markup:
    """Render one of the pieces all views share, such as a lamp, a card or a table.

    Parameters
    ----------
    name : str
        Macro of ``parts.html.j2``.
    lang : {"zh", "en"}
    *given, **facts
        Its parameters; they are escaped unless they are Markup.

    Examples
    --------
    >>> part("lamp", "en", "met")
    Markup('<span class="bl-lamp" data-status="met"><i aria-hidden="true">✓</i>met</span>')
    """
    return Markup(getattr(_parts(lang), name)(*given, **facts))


def render(view: str, lang: str, **facts: Any) -> Markup:
    """Render a view.

    Parameters
    ----------
    view : str
        Name of the file ``templates/<view>.html.j2``; in it ``t(key, ...)`` is a text of the catalogue, ``has(key)``
        tells whether there is one, and ``parts.html.j2`` holds what the views share.
    lang : {"zh", "en"}
    **facts
        What the template shows; it is escaped unless it is Markup.

    """
    return Markup(_environment().get_template(f"{view}.html.j2").render(t=_say(lang), has=has, lang=lang, **facts))
