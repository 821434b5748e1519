"""Answer the sliders of the layout page in the browser while the hand moves; the kernel hears where it came to rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipywidgets import widget_serialization

from balance_lib import locale
from balance_lib.scenarios.board import Board
from balance_lib.show.widgets import looks
from balance_lib.show.widgets.county_map import CountyMap

STATIC = Path(__file__).parent / "static"
NAMES = ("Board", "unpack", "Live", "view")


def script() -> str:
    """Return the page's own engine as one piece of script that declares :data:`NAMES` and nothing else."""
    parts = [(STATIC / name).read_text("utf-8") for name in ("tick.js", "live.js")]
    inner = re.sub(r"^export ", "", "".join(parts), flags=re.MULTILINE)
    named = ", ".join(NAMES)
    return f"const {{{named}}} = (() => {{{inner}\nreturn {{{named}}};}})();"


def legends(lang: str) -> dict[str, Any]:
    """Return what the script needs to colour the map: looks of schools and links, and what both are called."""
    return {
        "looks": [asdict(look) for look in looks.layout_classes(lang)],
        "links": [asdict(look) for look in looks.move_classes(lang)],
        "label": locale.text("page.consolidation.legend", lang),
        "link_label": locale.text("page.consolidation.line.title", lang),
    }


@cache
def words(lang: str) -> dict[str, str]:
    """Return the sentences of a tick, with their places still open."""
    known = locale.catalogue(lang)
    return {key.removeprefix("brief.say."): said for key, said in known.items() if key.startswith("brief.say.")}


class LiveTick(anywidget.AnyWidget):
    """Answer sliders in the page: map and sentences follow the hand, the kernel stays silent until it rests.

    The sliders are found by their class ``bl-live-<name>``, where name is a part of a State: ``minimum_enrolment``,
    ``walk_primary_m``, ``walk_junior_m``, ``bus_minutes``, ``class_cap_primary``, ``class_cap_junior``. Where a board
    reckons with places and there are too few, ``asked`` is what the kernel has to answer. Without a board nothing is
    answered here.
    """

    _esm = script() + (STATIC / "live_tick.js").read_text(encoding="utf-8")

    _board = traitlets.Dict().tag(sync=True)
    _map = traitlets.Dict().tag(sync=True)
    _words = traitlets.Dict().tag(sync=True)
    _lang = traitlets.Unicode("zh").tag(sync=True)
    chart = traitlets.Any(None, allow_none=True).tag(sync=True, **widget_serialization)
    decided = traitlets.Dict().tag(sync=True)
    bus = traitlets.Bool(False).tag(sync=True)
    today = traitlets.Dict().tag(sync=True)
    rested = traitlets.Int(0).tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)

    def __init__(self, lang: str = "zh") -> None:
        self._followed: Board | None = None
        super().__init__(_words=words(lang), _lang=lang, _map=legends(lang))

    def follow(self, board: Board | None, chart: CountyMap | None, decided: Mapping[str, str], *, bus: bool,
               today: Mapping[str, Mapping[str, float]]) -> None:  # fmt: skip
        """Take over what lies under the sliders.

        Parameters
        ----------
        board : Board or None
            None where the map shows the county as it is today: the sliders do not change that.
        chart : CountyMap or None
            The map that is drawn.
        decided : mapping of school_id to state
            What the scenario makes of schools, by the keys of :func:`balance_lib.show.widgets.looks.layout_classes`.
        bus : bool
            Whether there is a school bus; its slider counts only then.
        today : mapping of stage to mapping
            How pupils get to school before anything is done, as ``Tick.cover`` says it.
        """
        rides = bus or (board is not None and board.layout.scenario.settings.bus_minutes is not None)
        new = board is not self._followed or (rides and "road" not in self._board)
        with self.hold_sync():
            self.chart, self.decided, self.bus = chart, dict(decided), bus
            self.today = {stage: {"far": float(row["far"])} for stage, row in today.items()}
            self.rested += 1
            if chart is not None:
                places = {"schools": chart.places.schools, "villages": chart.places.villages}
                self._map = legends(self._lang) | places
            if new:
                # The road is a quarter of all that is sent, which nobody walking asks for.
                given = {} if board is None else board.for_page
                self._followed = board
                self._board = {name: part for name, part in given.items() if rides or name != "road"}
