"""Describe how schools, villages and links of the schematic map look: class by class, never by colour alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
WORDS: dict[str, dict[str, str]] = json.loads((STATIC / "words.json").read_text(encoding="utf-8"))
COLOURS = {
    "font": '"Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", '
    '"Hiragino Sans GB", "WenQuanYi Micro Hei", "SimHei", sans-serif',
    "ink": "#1f2933", "muted": "#52606d", "rule": "#d5dbe1", "surface": "#ffffff", "ground": "#f3f5f7",
    "accent": "#0b4f8a", "limit": "#8b1a1a", "note": "#6f4a00", "water": "#8fb8d4", "road": "#b9aea0",
    "land": "#fbfaf6", "village": "#8d8577", "catchment": "#5e3c99",
}  # fmt: skip
STATUSES = {"met": ("#009e73", "#00583f", "✓"), "not_met": ("#d55e00", "#8f3600", "✗"),
            "no_data": ("#ffffff", "#474d55", "?"), "not_applicable": ("#c3c9d1", "#5a626d", "–")}  # fmt: skip


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
    mark_ink: str = "#ffffff"


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


def style(colours: Mapping[str, str]) -> str:
    """Return the map's style sheet in these colours, those of ``COLOURS`` where one is not named."""
    named = "".join(f"--bl-{name}:{value};" for name, value in (COLOURS | dict(colours)).items())
    return f":root{{{named}}}\n" + (STATIC / "map.css").read_text(encoding="utf-8")


def status_classes(lang: str = "zh") -> list[MapClass]:
    """Return the classes of schools that meet what is asked, do not, have no data, or are not asked."""
    return [MapClass(key, WORDS[lang][f"status_{key}"], *look, always=key in ("met", "not_met"))
            for key, look in STATUSES.items()]  # fmt: skip
