"""Judge a county's compulsory-education returns by dated policy standards, and show the verdict.

>>> import balance_lib as bl
>>> county = bl.open("akqi")
>>> county.evaluate().verdict
'fail'

The names below are the analyst's desk; they are imported when they are first used. The rooms underneath
(``balance_lib.evaluation``, ``balance_lib.access``, …) stay as they are.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

# What the desk gives, by where it stands. ``open`` is not in __all__: ``from balance_lib import *`` must not hide the
# builtin.
_DESK = dict.fromkeys(
    (
        "Comparison", "CountyDesk", "Coverage", "Forecast", "History", "ScenarioDraft", "compare", "counties",
        "explore", "finding", "list_standards", "open", "table",
    ), "balance_lib.show.desk",
)  # fmt: skip
_DESK |= {"County": "balance_lib.data.county", "speak": "balance_lib.locale", "SchematicMap": "balance_lib.show.map"}
_ROOMS = ("access", "batch", "data", "evaluation", "forecast", "inequality", "locale", "office", "optimise", "planning",
          "scenarios", "show", "standards")  # fmt: skip
__all__ = sorted({*_DESK, *_ROOMS} - {"open"})


def __getattr__(name: str) -> Any:
    """Import a name of the desk, or a room, when it is first used; say what may have been meant by another one."""
    if name in _DESK:
        return getattr(import_module(_DESK[name]), name)
    if name in _ROOMS:
        return import_module(f"balance_lib.{name}")
    if name.startswith("_"):
        raise AttributeError(name)
    from balance_lib.shown import unknown

    raise unknown("balance_lib", name, [*_DESK, *_ROOMS])


def __dir__() -> list[str]:
    """Return the names of the desk and the rooms."""
    return sorted({*_DESK, *_ROOMS, "__version__"})
