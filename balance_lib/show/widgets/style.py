"""Give every page the same look: the style sheet, and small pieces of HTML that use it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from balance_lib import palette
from balance_lib.show.widgets.markup import part

STATIC = Path(__file__).parent / "static"


@cache
def sheet() -> str:
    """Return the whole style sheet: the palette's variables, then the rules."""
    return palette.css() + (STATIC / "balance.css").read_text(encoding="utf-8")


def _served() -> bool:
    """Tell whether our own server shows this page; it then has the style sheet already."""
    return "BALANCE_PLOTLY" in os.environ


def style() -> Any:
    """Return the style sheet as a widget; put it first in an app. It is empty where our server shows the page."""
    import ipywidgets  # lazy: the server itself reads only the sheet

    return ipywidgets.HTML(
        "" if _served() else f"<style>{sheet()}</style>", layout={"display": "none"} if _served() else {}
    )


def lamp(status: str, lang: str = "zh", label: str | None = None) -> Markup:
    """Return a status as HTML: colour, mark and word, never colour alone.

    Parameters
    ----------
    status : str
        A status (met, not_met, no_data ...) or a verdict (pass, fail, undetermined).
    lang : {"zh", "en"}
    label : str, optional
        Another word than the status's own.

    Examples
    --------
    >>> lamp("met", "en")
    Markup('<span class="bl-lamp" data-status="met"><i aria-hidden="true">✓</i>met</span>')
    """
    return part("lamp", lang, status, label)


def card(
    title: str,
    figure: str,
    note: str = "",
    status: str | None = None,
    lang: str = "zh",
    label: str | None = None,
    changed: bool = False,
) -> Markup:
    """Return a card as HTML: a title, one figure, a note, and a lamp, by its own word, if there is a status.

    Parameters
    ----------
    title : str
    figure : str
        Figure that is changed and returned.
    note : str
    status : str, optional
    lang : {"zh", "en"}
    label : str, optional
        Words under the figure.
    changed : bool
        Whether the figure is marked as changed.
    """
    return part("card", lang, title, figure, note, status, label, changed)


def banner(text: str, kind: str = "note") -> Markup:
    """Return a line across the page as HTML; kind is "note", "synthetic" or "error".

    Parameters
    ----------
    text : str
    kind : str
    """
    return part("banner", "zh", text, kind)
