"""Describe how schools, villages and links of the schematic map look: class by class, never by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from balance_lib import locale, palette

STATUSES = ("met", "not_met", "no_data", "not_applicable")


@dataclass(frozen=True)
class MapClass:
    """Describe how one class of schools is drawn.

    Parameters
    ----------
    key : str
        Name of the class.
    label : str
        What the legend says, in the map's language.
    fill, ink : str
        Colours of the symbol and of its outline.
    mark : str
        "✗", "!", "–", "+" or "→" is drawn inside, "?" makes the outline dashed, anything else leaves it plain.
    always : bool
        Whether the legend shows the class when no school is in it.
    mark_ink : str
        Colour of the mark; on a light fill it has to be dark.
    """

    key: str
    label: str
    fill: str
    ink: str
    mark: str = ""
    always: bool = False
    mark_ink: str = palette.SURFACE


@dataclass(frozen=True)
class VillageClass:
    """Describe how one class of villages is drawn.

    Parameters
    ----------
    key, label, fill : str
        Name of the class, what the legend says, colour.
    shape : {"dot", "square", "ring"}
        Told apart without colour; squares and rings are drawn larger.
    """

    key: str
    label: str
    fill: str
    shape: str = "dot"


@dataclass(frozen=True)
class LinkClass:
    """Describe how one class of links from villages to schools is drawn; later classes lie above earlier ones.

    Parameters
    ----------
    key, label, ink : str
        Name of the class, what the legend says, colour of the line.
    dashed : bool
        Told apart without colour.
    """

    key: str
    label: str
    ink: str
    dashed: bool = False


def status_classes(lang: str = "zh", statuses: Sequence[str] = STATUSES) -> list[MapClass]:
    """Return the classes of a map of statuses, in the lamps' colours and marks.

    Parameters
    ----------
    lang : {"zh", "en"}
    statuses : sequence of str
        Statuses, in the legend's order.

    Returns
    -------
    list of MapClass
    """
    out = []
    for status in statuses:
        lamp, label = palette.LAMPS[status], locale.text(f"status.{status}", lang)
        out.append(MapClass(status, label, lamp.fill, lamp.ink, lamp.mark, always=status in ("met", "not_met")))
    return out
