"""Hold every colour, mark and font in one place: figures, map and style sheet all take theirs from here."""

from __future__ import annotations

from dataclasses import dataclass

FONT = (
    '"Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", '
    '"Hiragino Sans GB", "WenQuanYi Micro Hei", "SimHei", sans-serif'
)

INK = "#1f2933"
MUTED = "#52606d"
RULE = "#d5dbe1"
SURFACE = "#ffffff"
GROUND = "#f3f5f7"
ACCENT = "#0b4f8a"
LIMIT = "#8b1a1a"
WATER = "#8fb8d4"
ROAD = "#b9aea0"
LAND = "#fbfaf6"
VILLAGE = "#8d8577"
CATCHMENT = "#5e3c99"

# Okabe & Ito (2008), their black split in two greys: people with a colour vision deficiency tell them apart.
SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#5b6470", "#1f2933")
# ColorBrewer "YlGnBu", five classes: safe for colour-blind readers and in print.
SEQUENTIAL = ("#ffffcc", "#a1dab4", "#41b6c4", "#2c7fb8", "#253494")


@dataclass(frozen=True)
class _Lamp:
    """Show one status: the light itself, text on its tint, the tint, and a mark, so that colour is never alone."""

    fill: str
    ink: str
    tint: str
    mark: str


LAMPS = {
    "met": _Lamp("#009e73", "#00583f", "#e3f4ee", "✓"),
    "not_met": _Lamp("#d55e00", "#8f3600", "#fdeadb", "✗"),
    "no_data": _Lamp("#ffffff", "#474d55", "#eff0f2", "?"),
    "evidence": _Lamp("#e69f00", "#6f4a00", "#fff3d6", "!"),
    "not_due": _Lamp("#56b4e9", "#12527d", "#e4f2fb", "○"),
    "not_applicable": _Lamp("#c3c9d1", "#5a626d", "#f4f5f7", "–"),
}
# A task's status is shown by the light of a finding, with a word of its own.
TASKS = {
    "done": "met",
    "on_course": "not_due",
    "late": "not_met",
    "due_before_adoption": "evidence",
    "blocked": "evidence",
    "not_started": "not_applicable",
    "undated": "no_data",
}
VERDICTS = {"pass": LAMPS["met"], "fail": LAMPS["not_met"], "undetermined": LAMPS["evidence"]}


def chrome() -> dict[str, str]:
    """Return the font and the colours that tell no status, by the names the map and the style sheets call them."""
    names = ("FONT", "INK", "MUTED", "RULE", "SURFACE", "GROUND", "ACCENT", "LIMIT", "WATER", "ROAD", "LAND", "VILLAGE",
             "CATCHMENT")  # fmt: skip
    return {name.lower(): globals()[name] for name in names} | {"note": LAMPS["evidence"].ink}


def variables() -> dict[str, str]:
    """Return the style sheet's variables by name.

    Examples
    --------
    >>> variables()["--bl-met-fill"]
    '#009e73'
    """
    lamps = {
        f"{status.replace('_', '-')}-{part}": getattr(lamp, part)
        for status, lamp in LAMPS.items()
        for part in ("fill", "ink", "tint")
    }
    return {f"--bl-{name}": value for name, value in (chrome() | lamps).items()}


def css() -> str:
    """Return the variables as the first rule of a style sheet."""
    return ":root{" + "".join(f"{name}:{value};" for name, value in variables().items()) + "}\n"
