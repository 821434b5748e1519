"""Say how a county's maps look: villages inside and outside a radius, what becomes of schools, who moves where."""

from __future__ import annotations

from balance_lib import palette
from balance_lib.locale import text
from balance_lib.show.map import LinkClass, MapClass, VillageClass


def open_class(lang: str) -> MapClass:
    """Return how a school is drawn where nothing is said of it but that it is open."""
    return MapClass("open", text("page.access.school_classes.open", lang), palette.ACCENT, palette.INK, always=True)


def coverage_classes(lang: str) -> list[VillageClass]:
    """Return how villages inside and outside a radius are drawn, in the order of ``access.village_classes``."""
    met, short, part = (palette.LAMPS[name].fill for name in ("met", "not_met", "evidence"))
    looks = [("inside", met, "dot"), ("partly", part, "square"), ("outside", short, "square")]
    looks += [("unknown", palette.INK, "ring"), ("none", palette.LAMPS["not_applicable"].fill, "dot")]
    return [VillageClass(key, text(f"page.access.classes.{key}", lang), fill, shape) for key, fill, shape in looks]


def layout_classes(lang: str) -> list[MapClass]:
    """Return how schools are drawn by what a scenario makes of them."""
    met, evidence = palette.LAMPS["met"], palette.LAMPS["evidence"]
    looks = {
        "as_is": (palette.ACCENT, palette.INK, "", palette.SURFACE),
        "keep": (palette.ACCENT, palette.LIMIT, "!", palette.SURFACE),
        "close": (palette.SURFACE, palette.LIMIT, "✗", palette.LIMIT),
        "merge": (evidence.fill, evidence.ink, "→", palette.INK),
        "to_point": (met.fill, met.ink, "–", palette.SURFACE),
        "attach": (met.fill, met.ink, "→", palette.SURFACE),
        "open": (met.fill, met.ink, "+", palette.SURFACE),
    }
    return [
        MapClass(key, text(f"page.consolidation.state.{key}", lang), fill, ink, mark, mark_ink=mark_ink)
        for key, (fill, ink, mark, mark_ink) in looks.items()
    ]


def move_classes(lang: str) -> list[LinkClass]:
    """Return how moves are drawn: within the rules, those nobody knows it of, and those that break one."""
    return [
        LinkClass("fine", text("page.consolidation.line.fine", lang), palette.MUTED),
        LinkClass("unknown", text("page.consolidation.line.unknown", lang), palette.MUTED, dashed=True),
        LinkClass("breaks", text("page.consolidation.line.breaks", lang), palette.LIMIT, dashed=True),
    ]


def status_classes(lang: str) -> list[MapClass]:
    """Return the classes of a map of statuses, in the lamps' colours and marks."""
    lamps = {name: palette.LAMPS[name] for name in ("met", "not_met", "no_data", "not_applicable")}
    return [MapClass(name, text(f"status.{name}", lang), lamp.fill, lamp.ink, lamp.mark, name in ("met", "not_met"))
            for name, lamp in lamps.items()]  # fmt: skip
