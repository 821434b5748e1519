"""Colours are told apart by everybody: contrast by WCAG 2.2, computed from the palette and the style sheets."""

from __future__ import annotations

import re

import pytest

from balance_lib import palette
from balance_lib.show.serve import settings
from balance_lib.show.widgets import looks, style

TEXT, GRAPHICAL = 4.5, 3.0
SHEETS = style.sheet() + (settings.SHARE / "voila" / "templates" / settings.TEMPLATE / "static" / "page.css").read_text(
    encoding="utf-8"
)


def light(colour: str) -> float:
    """Return relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(share * v for share, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21."""
    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)  # the lightest grey that passes on white


@pytest.mark.parametrize("ground", [palette.SURFACE, palette.GROUND, palette.LAND])
@pytest.mark.parametrize("ink", [palette.INK, palette.MUTED, palette.ACCENT, palette.LIMIT])
def test_text_on_every_ground(ink: str, ground: str) -> None:
    assert contrast(ink, ground) >= TEXT


@pytest.mark.parametrize("status", palette.LAMPS)
def test_lamp(status: str) -> None:
    lamp = palette.LAMPS[status]
    assert contrast(lamp.ink, lamp.tint) >= TEXT  # its word
    assert contrast(lamp.ink, palette.SURFACE) >= TEXT
    dark = {"evidence", "not_due", "not_applicable"}  # the style sheet sets these marks in dark ink
    mark = lamp.ink if status == "no_data" else palette.INK if status in dark else "#fff"
    assert contrast(mark, lamp.fill) >= GRAPHICAL


def test_marks_on_the_map() -> None:
    for made in looks.status_classes("zh"):
        assert contrast(made.ink, palette.LAND) >= GRAPHICAL, made.key
    for line in (palette.CATCHMENT, palette.VILLAGE, palette.LIMIT):
        assert contrast(line, palette.LAND) >= GRAPHICAL


def value(text: str) -> str | None:
    """Return a colour of the style sheet as it stands in the palette, or None for what is none."""
    found = re.fullmatch(r"var\((--bl-[a-z-]+)\)", text)
    text = palette.variables()[found.group(1)] if found else text
    return text if re.fullmatch(r"#[0-9a-f]{3}(?:[0-9a-f]{3})?", text) else None


def test_every_rule_that_sets_both_text_and_ground() -> None:
    pairs = []
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", SHEETS, flags=re.S)):
        rule = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        rule = {name.strip(): text.replace("!important", "").strip() for name, text in rule.items()}
        ink, ground = value(rule.get("color", "")), value(rule.get("background", ""))
        if ink and ground:
            pairs.append((contrast(ink, ground), selector.strip()))
    assert len(pairs) >= 12
    assert [pair for pair in pairs if pair[0] < TEXT] == []


def test_focus_is_seen_on_every_ground() -> None:
    # ipywidgets says "outline: none !important"
    assert re.search(
        r"^\.bl-app :is\([^{]*:focus-visible[^{]*\{ outline: 3px solid var\(--bl-accent\) !important", SHEETS, re.M
    )
    for ground in (palette.SURFACE, palette.GROUND, *(lamp.tint for lamp in palette.LAMPS.values())):
        assert contrast(palette.ACCENT, ground) >= GRAPHICAL
    assert contrast("#fff", palette.ACCENT) >= GRAPHICAL  # in the bar at the top


def test_edges_of_controls_are_seen() -> None:
    sheet = (style.STATIC / "balance.css").read_text(encoding="utf-8")
    edges = {value(edge) for edge in re.findall(r"border: [0-9]px solid (#[0-9a-f]{6})", sheet)}
    assert edges
    for edge in edges:
        assert contrast(str(edge), palette.SURFACE) >= GRAPHICAL, edge
